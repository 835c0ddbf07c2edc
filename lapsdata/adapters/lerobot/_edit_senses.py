"""Which actions become steps, and which become places again: by part of a vector, with the state that they are from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

from lapsdata.adapters.lerobot._edit_parts import Span
from lapsdata.schema.episodes import StepKind
from lapsdata.transforms.action_steps import Turning

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lapsdata.adapters.lerobot._edit_parts import Vectors
    from lapsdata.errors import Problems
    from lapsdata.schema import Group, StatePart

__all__ = ["Sense", "SenseChange", "sense_changes"]

Sense = Literal["absolute", "relative", "delta"]
"""What an action is: a place, or a step; see `lapsdata.schema.episodes.StepKind`."""

_ACTION, _STATE = "action.", "state."
_USUAL = {"action": "observation.state"}
_FIRST = "make it absolute first, by a conversion of its own"


class SenseChange(NamedTuple):
    """A part of an action that is converted as a whole.

    Parameters
    ----------
    span, state : Span
        In the source.
    turning : Turning or None
        How both tell a rotation, where they do.
    before, after : {"absolute", "relative", "delta"}
    """

    span: Span
    state: Span
    turning: Turning | None
    before: Sense
    after: Sense


def sense_changes(
    asked: Mapping[str, str], vectors: Vectors, turned: Mapping[Span, str], found: Problems
) -> list[SenseChange]:
    """Return what actions become; what cannot be is added to `found`.

    Parameters
    ----------
    asked : mapping of str
        By part, `relative`, `relative:STATE`, `delta`, `delta:STATE` or `absolute`.
    vectors : Vectors
    turned : mapping of str
        How parts are stored that are rewritten as well.
    found : Problems

    Examples
    --------
    >>> from lapsdata.adapters.lerobot._edit_parts import Vectors
    >>> from lapsdata.adapters.lerobot.reading import read_set
    >>> from lapsdata.errors import Problems
    >>> from lapsdata.testing.episode_sets import write_lerobot
    >>> import pathlib, tempfile
    >>> root = write_lerobot(pathlib.Path(tempfile.mkdtemp()) / "set")
    >>> vectors = Vectors(read_set(root).episodes.header)
    >>> str(sense_changes({"action": "relative"}, vectors, {}, Problems())[0].state)
    'observation.state[0:3]'
    """
    changes: list[SenseChange] = []
    rotations = vectors.rotations(turned)
    for text, said in asked.items():
        place = f"actions: {text}"
        span = vectors.span(text, place, found, begin=_ACTION)
        if span is None:
            continue
        if twice := [one.span for one in changes if one.span.overlaps(span)]:
            found.add("part-twice", place, f"expected parts of which none holds numbers of another, got {twice[0]} too")
            continue
        sense, _, state = said.partition(":")
        if sense == "absolute":
            changes += _places(span, vectors, place, found)
            continue
        if steps := [one.name for one in _stored_as_steps(span, vectors)]:
            message = f"expected actions that are places, got steps already: {', '.join(steps)}"
            found.add("steps-already", place, message, _FIRST)
            continue
        origin = vectors.span(state, place, found) if state else _usual_state(text, span, vectors, place, found)
        if origin is not None:
            after: StepKind = next(word for word in get_args(StepKind) if word == sense)
            changes += _steps(span, origin, rotations, after, place, found)
    moving = [one for one in changes if any(one.state.overlaps(other.span) for other in changes)]
    for one in moving:
        found.add("state-changed", f"actions: {one.span}", f"expected a state that stays, got {one.state}")
    return changes


def _stored_as_steps(span: Span, vectors: Vectors) -> list[Group]:
    return [
        one
        for one in vectors.groups.values()
        if one.absolute is False and Span(one.feature, one.start, one.stop).overlaps(span)
    ]


def _usual_state(text: str, span: Span, vectors: Vectors, place: str, found: Problems) -> Span | None:
    """Return the state of the same name, by GR00T, or the same numbers of the usual one where these are alike."""
    named = next((one for one in (text, _ACTION + text) if one in vectors.groups and one.startswith(_ACTION)), None)
    twin = None if named is None else vectors.groups.get(_STATE + named.removeprefix(_ACTION))
    if twin is not None:
        return vectors.span(twin.name, place, found)
    fix, usual = "name it: PART=relative:STATE", _USUAL.get(span.feature)
    if usual is None or usual not in vectors.features or named is not None:
        found.add("no-state", place, "expected a state of the same name, got none", fix)
        return None
    own, other = vectors.features[span.feature], vectors.features[usual]
    if own.shape != other.shape or (own.names and other.names and own.names != other.names):
        message = f"expected {usual} of the same numbers, {_told(own)}, got {_told(other)}"
        found.add("unlike-state", place, message, fix)
        return None
    elsewhere = [
        f"{one.name} beside {twin.name}"
        for one in vectors.groups.values()
        if one.name.startswith(_ACTION) and Span(one.feature, one.start, one.stop).overlaps(span)
        if (twin := vectors.groups.get(_STATE + one.name.removeprefix(_ACTION))) is not None
        and (twin.feature, twin.start, twin.stop) != (usual, one.start, one.stop)
    ]
    if elsewhere:
        message = f"expected parts at the same places of {usual}, got others: {', '.join(elsewhere)}"
        found.add("unlike-state", place, message, "name each part by itself")
        return None
    return vectors.span(f"{usual}[{span.start}:{span.stop}]", place, found)


def _told(feature: object) -> str:
    shape, names = getattr(feature, "shape", ()), getattr(feature, "names", None)
    return f"{shape}{'' if names is None else f' {list(names)}'}"


def _steps(
    span: Span, state: Span, rotations: Mapping[Span, str], after: StepKind, place: str, found: Problems
) -> Iterator[SenseChange]:
    """Yield a part for each rotation, and for the numbers between them."""
    if span in rotations and state in rotations:
        yield SenseChange(span, state, Turning(rotations[span], rotations[state]), "absolute", after)
        return
    if span.stop - span.start != state.stop - state.start:
        message = f"expected a state of {span.stop - span.start} numbers, got {state}"
        found.add("wrong-shape", place, message)
        return
    inside = sorted(one for one in rotations if one.overlaps(span))
    cut = [one for at, one in enumerate(inside) if not one.within(span) or any(map(one.overlaps, inside[:at]))]
    if cut:
        message = f"expected whole rotations, got {cut[0]}, of which a part is in it or in another"
        found.add("rotation-cut", place, message, "name the parts one by one")
        return
    at = span.start
    for one in [*inside, Span(span.feature, span.stop, span.stop)]:
        for part in (Span(span.feature, at, one.start), one):
            if part.start < part.stop:
                twin = Span(state.feature, *(number - span.start + state.start for number in part[1:]))
                turning = _turning(part, twin, rotations, place, found)
                yield SenseChange(part, twin, turning, "absolute", after)
        at = one.stop


def _turning(part: Span, state: Span, rotations: Mapping[Span, str], place: str, found: Problems) -> Turning | None:
    own, other = rotations.get(part), rotations.get(state)
    crossing = [one for one in rotations if one.overlaps(state) and (own is None or one != state)]
    if crossing or (own is not None and other is None):
        got = (
            f"{crossing[0]}, which is one ({rotations[crossing[0]]})"
            if crossing
            else f"{state}, which is not called one"
        )
        message = f"expected {'a rotation' if own else 'no rotation'} as the state of {part}, got {got}"
        fix = "say of both what they are, in meta/modality.json or with --rotation PART=FROM:TO"
        found.add("unlike-rotations", place, message, fix)
    return None if own is None or other is None else Turning(own, other)


def _places(span: Span, vectors: Vectors, place: str, found: Problems) -> Iterator[SenseChange]:
    """Yield a part for each that is recorded as steps."""
    stored = _stored_as_steps(span, vectors)
    recorded = {Span(one.feature, one.start, one.stop): one for one in stored if one.steps is not None}
    if not recorded:
        got = f"{', '.join(one.name for one in stored)}, of which it is not told what they are steps from"
        message = f"expected actions that are steps, got {got if stored else 'none that the set calls so'}"
        found.add("no-steps", place, message, "steps that lapsdata convert has made can be undone")
    for part, group in recorded.items():
        state = None if group.state is None else _there(group.state, vectors)
        if not part.within(span):
            message = f"expected whole parts, got {span}, which holds a piece of {part}"
            found.add("part-cut", place, message, f"write {part}=absolute")
        elif state is None or group.state is None or group.steps is None:
            message = f"expected the state that {part} is from in the set, got none"
            found.add("no-state", place, message, "start from the set that the steps were made of")
        else:
            turned = group.rotation is not None and group.state.rotation is not None
            turning = Turning(str(group.rotation), str(group.state.rotation)) if turned else None
            yield SenseChange(part, state, turning, group.steps, "absolute")


def _there(state: StatePart, vectors: Vectors) -> Span | None:
    feature = vectors.features.get(state.feature)
    if feature is None or len(feature.shape) != 1 or feature.shape[0] < state.stop:
        return None
    return Span(state.feature, state.start, state.stop)
