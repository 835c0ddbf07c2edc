"""What `info.json` says of parts of vectors and LeRobot has no word for: actions that are steps, and rotations.

`features.<column>.info.lapsdata.parts` lists them: `start` and `stop`, `rotation` by the words of GR00T, `steps`
("relative" or "delta") and the `state` that these are from. A part has the name that GR00T gives to the same numbers,
else `action[0:6]`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lapsdata.errors import Problem, Problems, SchemaError
from lapsdata.schema import Group

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from lapsdata.schema import Feature, StatePart

__all__ = ["ARE_STEPS", "described", "part_name", "read_parts", "with_parts", "written_parts"]

ARE_STEPS = "actions-are-steps"
"""The code of the note that names actions that are steps."""

_OURS, _PARTS = "lapsdata", "parts"
_KEYS = ("start", "stop", "rotation", "steps", "state")


def part_name(feature: str, start: int, stop: int) -> str:
    """Return what a part is called that has no name.

    Examples
    --------
    >>> part_name("action", 0, 6)
    'action[0:6]'
    """
    return f"{feature}[{start}:{stop}]"


def described(group: Group) -> str:
    """Return in words what a part that is steps is.

    Examples
    --------
    >>> described(Group(name="action[0:6]", feature="action", start=0, stop=6, absolute=False, steps="delta"))
    'action[0:6] is delta, from a state that is not there'
    """
    state = "a state that is not there" if group.state is None else _state_name(group.state)
    return f"{group.name} is {group.steps}, from {state}"


def _state_name(state: StatePart) -> str:
    return part_name(state.feature, state.start, state.stop)


def read_parts(told: Mapping[str, Any], features: Sequence[Feature]) -> tuple[tuple[Group, ...], Problems]:
    """Return the parts that `features` of `info.json` lists, of columns that are there, and what is wrong with them.

    Parameters
    ----------
    told : mapping
        `features` as it stands in the file.
    features : sequence of Feature
        The columns.

    Examples
    --------
    >>> from lapsdata.schema import Feature
    >>> info = {"lapsdata": {"parts": [{"start": 3, "stop": 9, "rotation": "rotation_6d"}]}}
    >>> columns = [Feature(name="action", dtype="float32", shape=(9,))]
    >>> [one.name for one in read_parts({"action": {"info": info}}, columns)[0]]
    ['action[3:9]']
    """
    found, wrong = list[Group](), Problems()
    for feature in features:
        where = f"features: {feature.name}: info: {_OURS}: {_PARTS}"
        length = feature.shape[0] if feature.shape else 1
        for at, one in enumerate(_listed(told.get(feature.name), where, wrong)):
            try:
                group = _group(feature.name, one)
            except SchemaError as error:
                wrong.extend(problem.within(f"{where}: {at}") for problem in error.problems)
                continue
            if group.stop > length:
                message = f"expected numbers of a vector of {length}, got {group.start} to {group.stop}"
                wrong.add("wrong-value", f"{where}: {at}", message, "correct it, or delete it")
            elif any(other.name == group.name for other in found):
                message = f"expected each part once, got {group.name} again"
                wrong.add("part-twice", f"{where}: {at}", message, "put what is said of it together")
            else:
                found.append(group)
    return tuple(found), wrong


def _listed(one: Any, where: str, wrong: Problems) -> list[Any]:  # noqa: ANN401 - whatever JSON holds
    told = one.get("info") if isinstance(one, dict) else None
    ours = told.get(_OURS, {}) if isinstance(told, dict) else {}
    parts = ours.get(_PARTS, []) if isinstance(ours, dict) else None
    if isinstance(parts, list):
        return parts
    wrong.add("wrong-value", where, f"expected a list of parts, got {parts!r}", "correct it, or delete it")
    return []


def _group(feature: str, one: Any) -> Group:  # noqa: ANN401 - whatever JSON holds
    if not isinstance(one, dict) or not set(one) <= set(_KEYS):
        message = f"expected an object of {', '.join(_KEYS)}, got {one!r}"
        raise SchemaError(Problem("wrong-value", "", message))
    absolute = None if one.get("steps") is None else False
    return Group(name=part_name(feature, one.get("start"), one.get("stop")), feature=feature, absolute=absolute, **one)  # type: ignore[arg-type]  # the record judges them


def with_parts(groups: Sequence[Group], parts: Sequence[Group], where: str) -> tuple[tuple[Group, ...], list[Problem]]:
    """Return the parts that GR00T names with what else is known of them, then those that it does not name, and notes.

    Parameters
    ----------
    groups : sequence of Group
        Of `modality.json`.
    parts : sequence of Group
        Of `info.json`.
    where : str
        Place of the latter, for the notes.

    Examples
    --------
    >>> arm = Group(name="action.arm", feature="action", start=0, stop=6)
    >>> steps = Group(name="action[0:6]", feature="action", start=0, stop=6, absolute=False, steps="delta")
    >>> [(one.name, one.steps) for one in with_parts([arm], [steps], "info.json")[0]]
    [('action.arm', 'delta')]
    """
    found, notes = list(groups), list[Problem]()
    for part in parts:
        same = [at for at, group in enumerate(groups) if _place(group) == _place(part)]
        for at in same:
            group = groups[at]
            if group.absolute is True and part.steps is not None:
                notes.append(_contradiction(where, group, "absolute: true", part.steps))
            if None not in (group.rotation, part.rotation) and group.rotation != part.rotation:
                notes.append(_contradiction(where, group, str(group.rotation), str(part.rotation)))
            more = {"steps": part.steps, "state": part.state, "rotation": part.rotation or group.rotation}
            absolute = False if part.steps is not None else group.absolute
            found[at] = group.model_copy(update={**more, "absolute": absolute})
        if not same:
            found.append(part)
    if steps := [described(group) for group in found if group.steps is not None]:
        message = f"actions are steps and not places: {'; '.join(steps)}"
        fix = "lapsdata convert --actions NAME=absolute makes them places again"
        notes.append(Problem(ARE_STEPS, where, message, fix, "info"))
    return tuple(found), notes


def _contradiction(where: str, group: Group, said: str, other: str) -> Problem:
    message = f"modality.json says {said}, and info.json says {other}: the latter counts"
    return Problem("contradiction", f"{where}: {group.name}", message, "make the two agree", "warning")


def _place(group: Group) -> tuple[str, int, int]:
    return group.feature, group.start, group.stop


def written_parts(told: Mapping[str, Any], parts: Iterable[Group]) -> dict[str, Any]:
    """Return `features` of `info.json` with these parts and no others.

    Examples
    --------
    >>> turn = Group(name="action[0:4]", feature="action", start=0, stop=4, rotation="quaternion")
    >>> written_parts({"action": {"dtype": "float32"}}, [turn])["action"]["info"]
    {'lapsdata': {'parts': [{'start': 0, 'stop': 4, 'rotation': 'quaternion'}]}}
    """
    lists: dict[str, list[dict[str, Any]]] = {}
    for part in sorted(parts, key=_place):
        own = {key: value for key, value in _plain(part.as_json()).items() if key in _KEYS}
        if own not in lists.setdefault(part.feature, []):
            lists[part.feature].append(own)
    found = {}
    for name, one in told.items():
        info = dict(one.get("info") or {})
        found[name] = dict(one)
        if name not in lists and _OURS not in info:
            continue
        ours = {key: value for key, value in (info.pop(_OURS, None) or {}).items() if key != _PARTS}
        ours |= {_PARTS: lists[name]} if name in lists else {}
        info |= {_OURS: ours} if ours else {}
        found[name] = {key: value for key, value in one.items() if key != "info"} | ({"info": info} if info else {})
    return found


def _plain(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a record says, without what it does not say."""
    told = {key: value for key, value in document.items() if value is not None}
    return {key: _plain(value) if isinstance(value, dict) else value for key, value in told.items()}
