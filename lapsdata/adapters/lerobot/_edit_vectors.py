"""Actions and rotations of a set that are rewritten, everywhere that it keeps or describes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lapsdata.adapters.lerobot._edit_numbers import rewritten
from lapsdata.adapters.lerobot._edit_parts import Span, Vectors
from lapsdata.adapters.lerobot._edit_rotations import moved, turns_of
from lapsdata.adapters.lerobot._edit_senses import sense_changes
from lapsdata.adapters.lerobot.info import flat_names
from lapsdata.adapters.lerobot.modality import USUAL
from lapsdata.adapters.lerobot.parts import written_parts
from lapsdata.errors import Problems, SchemaError
from lapsdata.schema import Group, StatePart

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pyarrow as pa

    from lapsdata.adapters import EpisodesEdit
    from lapsdata.adapters.lerobot._edit_names import Names
    from lapsdata.adapters.lerobot._edit_rotations import Turn
    from lapsdata.adapters.lerobot._edit_senses import SenseChange
    from lapsdata.adapters.lerobot.reading import LeRobotSet

__all__ = ["VectorChanges", "vector_changes"]

_LETTERS = {"axis_angle": "xyz", "quaternion": "wxyz", "rotation_6d": "012345", "matrix": "012345678"}
_ANGLES = {"r": "roll", "p": "pitch", "y": "yaw"}


def vector_changes(edit: EpisodesEdit, found: LeRobotSet) -> VectorChanges:
    """Return what becomes of the vectors of a set.

    Raises
    ------
    SchemaError
        Parts that are not there or cannot become what is asked for: all of them.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lapsdata.adapters import EpisodesEdit
    >>> from lapsdata.adapters.lerobot.reading import read_set
    >>> from lapsdata.testing.episode_sets import write_lerobot
    >>> found = read_set(write_lerobot(pathlib.Path(tempfile.mkdtemp()) / "set"))
    >>> [str(one.span) for one in vector_changes(EpisodesEdit(actions={"action": "delta"}), found).senses]
    ['action[0:3]']
    """
    problems, vectors = Problems(str(found.root)), Vectors(found.episodes.header)
    turns = turns_of(edit.rotations, vectors, problems)
    said = {turn.span: turn.source for turn in turns}
    senses = sense_changes(edit.actions, vectors, said, problems)
    for one in dict.fromkeys([*(turn.span.feature for turn in turns), *(one.span.feature for one in senses)]):
        if one in edit.drop:
            problems.add("contradiction", "drop", f"expected a column that is rewritten to stay, got {one}")
    changes = VectorChanges(found, vectors, senses, turns)
    rotations = vectors.rotations({})
    for place, span in dict(changes.known()).items():
        inside = span in rotations and any(turn.span.overlaps(span) and turn.span != span for turn in turns)
        if inside or moved(span, turns) is None:
            message = f"expected rotations that no other part cuts, and that are within none, got {place} at {span}"
            problems.add("rotation-cut", "rotation", message, "write the whole rotation")
    problems.raise_as(SchemaError)
    return changes


class VectorChanges:
    """What becomes of the vectors of one set.

    Parameters
    ----------
    found : LeRobotSet
    vectors : Vectors
        Of it.
    senses : list of SenseChange
    turns : list of Turn
    """

    def __init__(self, found: LeRobotSet, vectors: Vectors, senses: list[SenseChange], turns: list[Turn]) -> None:
        self.senses, self.turns = senses, turns
        self._root, self._vectors = str(found.root), vectors
        self._parts = self._parts_before_turns(found.info.parts)
        self._locked = 0

    def known(self) -> Iterator[tuple[str, Span]]:
        """Yield the parts that are described, by name."""
        for one in (*self._vectors.groups.values(), *self._parts.values()):
            yield one.name, _span(one)
            if one.state is not None:
                yield f"the state of {one.name}", _span(one.state)

    def table(self, table: pa.Table, where: str) -> pa.Table:
        """Return the rows of an episode with their new numbers; raises as `rewritten`."""
        if not self.senses and not self.turns:
            return table
        changed, locked = rewritten(table, self.senses, self.turns, where)
        self._locked += locked
        return changed

    def _parts_before_turns(self, recorded: tuple[Group, ...]) -> dict[Span, Group]:
        """Return what is said of parts, at their places in the source: rotations as they will be."""
        forms = {turn.span: turn.target for turn in self.turns}
        parts = {_span(one): one for one in recorded}
        for change in self.senses:
            own, other = change.turning or (None, None)
            if change.after == "absolute":
                rotation = parts.pop(change.span).rotation
                if rotation is not None:
                    parts[change.span] = _part(change.span, rotation=rotation)
                continue
            state = StatePart(**change.state._asdict(), rotation=forms.get(change.state, other))  # type: ignore[arg-type]  # words of GR00T, or such as are rewritten
            steps = {"absolute": False, "steps": change.after, "state": state}
            parts[change.span] = _part(change.span, rotation=forms.get(change.span, own), **steps)
        for span, target in forms.items():
            parts[span] = parts.get(span, _part(span)).model_copy(update={"rotation": target})
        for span, one in parts.items():
            if one.state is not None and _span(one.state) in forms:
                state = one.state.model_copy(update={"rotation": forms[_span(one.state)]})
                parts[span] = one.model_copy(update={"state": state})
        return parts

    def features(self, told: Mapping[str, Any], names: Names, notes: Problems) -> dict[str, Any]:
        """Return `features` of `info.json` with new shapes and names, and all that is said of parts, by new names."""
        after = dict(told)
        for feature in dict.fromkeys(turn.span.feature for turn in self.turns):
            own = sorted(turn for turn in self.turns if turn.span.feature == feature)
            length = self._vectors.features[feature].shape[0] + sum(turn.more for turn in own)
            numbers = self._names(feature, own, told[feature].get("names"), notes)
            after[feature] = {**told[feature], "shape": [length], "names": numbers}
        return names.keys(written_parts(after, self._renamed(names, notes)))

    def _renamed(self, names: Names, notes: Problems) -> Iterator[Group]:
        """Yield what is said of parts, at their new places."""
        for span, one in self._parts.items():
            if one.feature in names.dropped:
                continue
            changes: dict[str, Any] = (moved(span, self.turns) or span)._asdict()
            if one.state is not None and one.state.feature in names.dropped:
                message = f"{one.name} is {one.steps} from {one.state.feature}, which is left out"
                notes.add("state-dropped", self._root, message, "its places cannot be found again", "warning")
                changes["state"] = None
            elif one.state is not None:
                place = moved(_span(one.state), self.turns) or _span(one.state)
                renamed = place._replace(feature=names.of(place.feature))
                changes["state"] = one.state.model_copy(update=renamed._asdict())
            yield one.model_copy(update=changes)

    def _names(self, feature: str, turns: list[Turn], told: Any, notes: Problems) -> Any:  # noqa: ANN401 - JSON
        """Return names of the numbers, those of rotations by their form; in a list under a name where they are so."""
        if told is None:
            return None
        flat = flat_names(told)
        if flat is None or len(flat) != self._vectors.features[feature].shape[0]:
            message = f"names of {feature} are not one for each number: they are left out"
            notes.add("names-left-out", f"{self._root}: features", message, None, "warning")
            return None
        numbers, at = list[str](), 0
        for turn in turns:
            numbers += [*flat[at : turn.span.start], *self._labels(turn)]
            at = turn.span.stop
        numbers += flat[at:]
        if isinstance(told, dict) and len(told) == 1 and isinstance(next(iter(told.values())), list):
            return {next(iter(told)): numbers}
        return numbers

    def _labels(self, turn: Turn) -> list[str]:
        """Return names of the numbers of a rotation: by the part that they are, and by what they are of it."""
        known = [name for name, one in self._vectors.groups.items() if _span(one) == turn.span]
        named = next((name for name in known if name != str(turn.span)), str(moved(turn.span, self.turns)))
        letters = _LETTERS.get(turn.target) or [_ANGLES[one] for one in turn.target.removeprefix("euler_angles_")]
        return [f"{named}.{turn.target}.{letter}" for letter in letters]

    def modality(self, told: Mapping[str, Mapping[str, Any]], notes: Problems) -> dict[str, Any]:
        """Return `modality.json` with new places, forms of rotations, and what is a place or a step."""
        after: dict[str, Any] = {part: dict(entries) for part, entries in told.items()}
        mixed = []
        for part in ("state", "action"):
            for name, one in told.get(part, {}).items():
                span = Span(one.get("original_key") or USUAL[part], one["start"], one["end"])
                if f"{part}.{name}" not in self._vectors.groups:
                    continue
                place = moved(span, self.turns) or span
                entry = {**one, "start": place.start, "end": place.stop}
                if form := next((turn.target for turn in self.turns if turn.span == span), None):
                    entry["rotation_type"] = form
                if any(change.span.overlaps(span) for change in self.senses):
                    steps = self._steps_in(span)
                    entry["absolute"] = steps == 0
                    if 0 < steps < span.stop - span.start:
                        mixed.append(f"{part}.{name}")
                        del entry["absolute"]
                after[part][name] = entry
        if mixed:
            message = f"{', '.join(mixed)} hold both places and steps, which one word cannot say: info.json does"
            notes.add("parts-mixed", f"{self._root}: modality.json", message, "name parts of one kind", "warning")
        return after

    def _steps_in(self, span: Span) -> int:
        """Return how many numbers of a part are steps."""
        steps = [one for one, part in self._parts.items() if part.steps is not None and one.feature == span.feature]
        return sum(any(one.start <= at < one.stop for one in steps) for at in range(span.start, span.stop))

    def tell(self, notes: Problems) -> None:
        """Say what has been rewritten."""
        for kind in ("relative", "delta", "absolute"):
            own = [one for one in self.senses if one.after == kind]
            if own:
                told = ", ".join(self._sense_told(one) for one in own)
                notes.add(f"actions-{kind}", self._root, f"{told}: {_MEANING[kind]}", _ADVICE.get(kind), "info")
        for turn in self.turns:
            before, after = (_SPELLED.get(form, form) for form in (turn.source, turn.target))
            place = moved(turn.span, self.turns)
            message = f"{self._vectors.told(turn.span)}, {before}, is {after} at {place} now"
            notes.add("rotation-rewritten", self._root, message, None, "info")
        if self._locked:
            message = f"angles are not unique in some rows of {self._locked} episodes: the third one is 0 there"
            notes.add("gimbal-lock", self._root, message, "take a form that has no such place", "warning")

    def _sense_told(self, one: SenseChange) -> str:
        name, how = self._vectors.told(one.span), "" if one.turning is None else ", composed as rotations,"
        if one.after == "absolute":
            return f"{name}{how} is absolute again, and was {one.before}"
        return f"{name}{how} is {one.after} now, from {self._vectors.told(one.state)}"


_MEANING = {
    "relative": "each is a step from the state of its own row",
    "delta": "each is a step from the action before, the first of an episode from its state",
    "absolute": "each is a place again, up to rounding",
}
_ADVICE = {
    "relative": "several rows are not relative to one state: for such chunks open a set of places with relative="
}
_SPELLED = {
    "quaternion": "quaternion (w, x, y, z)",
    "quaternion_wxyz": "quaternion (w, x, y, z)",
    "quaternion_xyzw": "quaternion (x, y, z, w)",
}


def _span(one: Group | StatePart) -> Span:
    return Span(one.feature, one.start, one.stop)


def _part(span: Span, **told: Any) -> Group:  # noqa: ANN401 - what a record says
    return Group(name=str(span), **span._asdict(), **told)
