"""What stands under the keys of JSON lines: kinds of values that belong there, and where others do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from lapsdata.errors import Problem, Problems, SchemaError, spans_told

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from lapsdata.errors import Severity

__all__ = ["JsonLines", "expect_alike", "expect_known", "in_words"]

_LONGEST = 60
_ABSENT = object()


class JsonLines(NamedTuple):
    """Objects of a file of JSON lines.

    Parameters
    ----------
    rows : list of dict
    numbers : list of int
        The line of each, counted from 1.
    notes : tuple of Problem
    """

    rows: list[dict[str, Any]]
    numbers: list[int]
    notes: tuple[Problem, ...]


class _Kind(NamedTuple):
    wanted: str
    fits: Callable[[Any], bool]


def _is_whole(value: object) -> bool:
    # JSON has no other integers; true and false are none.
    return type(value) is int and -(2**63) <= value < 2**63


def _is_texts(value: object) -> bool:
    return value is None or (isinstance(value, list) and all(isinstance(one, str) for one in value))


_WHOLE = _Kind("a whole number", _is_whole)
_KNOWN = {
    "episode_index": _WHOLE,
    "length": _WHOLE,
    "task_index": _WHOLE,
    "task": _Kind("a text", lambda value: isinstance(value, str)),
    "tasks": _Kind("a list of texts", _is_texts),
}


def expect_known(lines: JsonLines, path: Path) -> JsonLines:
    """Return lines whose keys that LeRobot knows hold what belongs there; one text may stand for a list of it.

    Raises
    ------
    SchemaError
        Others: for each key the first line, and how many there are.
    """
    found = Problems(str(path))
    rows, notes = _with_lists(lines, path)
    for key, kind in _KNOWN.items():
        # A key that no line has is told of by who needs it.
        if any(key in row for row in rows):
            wrong = [(at, row.get(key, _ABSENT)) for at, row in enumerate(rows) if not kind.fits(row.get(key))]
            _add(found, lines, wrong, key, f"expected {kind.wanted}")
    found.raise_as(SchemaError)
    return JsonLines(rows, lines.numbers, (*lines.notes, *notes))


def expect_alike(lines: JsonLines, path: Path) -> None:
    """Refuse lines with values of unlike kinds under one key, for each such key the first that is unlike those before.

    Keys of objects within a line count too; objects in lists are not looked into.

    Raises
    ------
    SchemaError
        There are such lines.
    """
    found = Problems(str(path))
    under: dict[str, list[tuple[int, Any]]] = {}
    for at, row in enumerate(lines.rows):
        for key, value in _flat(row):
            under.setdefault(key, []).append((at, value))
    for key, values in under.items():
        kinds = [(at, value, kind) for at, value in values if (kind := _kind(value)) is not None]
        mixed = [(at, value) for at, value, kind in kinds if kind in _NEVER]
        if mixed:
            _add(found, lines, mixed, key, "expected values that a table can hold")
        elif kinds:
            first = kinds[0][2]
            first = next((kind for _, _, kind in kinds if _alike(kind, first) and len(kind) > len(first)), first)
            wrong = [(at, value) for at, value, kind in kinds if not _alike(kind, first)]
            _add(found, lines, wrong, key, f"expected {first}, as in other lines")
    found.raise_as(SchemaError)


def _flat(row: dict[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Give every value of an object and of the objects in it, by the keys that lead to it."""
    for key, value in row.items():
        yield before + key, value
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{key}: ")


def _with_lists(lines: JsonLines, path: Path) -> tuple[list[dict[str, Any]], list[Problem]]:
    """Return rows whose one text of instructions stands in a list, and that it did not."""
    alone = [(at, row["tasks"]) for at, row in enumerate(lines.rows) if isinstance(row.get("tasks"), str)]
    if not alone:
        return lines.rows, []
    found, rows = Problems(str(path)), list(lines.rows)
    for at, text in alone:
        rows[at] = {**rows[at], "tasks": [text]}
    then = ": it is read as a list of one"
    _add(found, lines, alone, "tasks", f"expected {_KNOWN['tasks'].wanted}", then, severity="warning")
    return rows, list(found)


def _add(
    found: Problems,
    lines: JsonLines,
    wrong: list[tuple[int, Any]],
    key: str,
    message: str,
    then: str = "",
    severity: Severity = "error",
) -> None:
    """Note the first of some lines with a wrong value, and how many there are."""
    if not wrong:
        return
    value, numbers = wrong[0][1], [lines.numbers[at] for at, _ in wrong]
    got = "none" if value is _ABSENT else in_words(value)
    more = f"; alike in {len(wrong)} lines: {spans_told(numbers)}" if len(wrong) > 1 else ""
    where, fix = f"line {numbers[0]}: {key}", f"correct the line{'s' * (len(wrong) > 1)}"
    found.add("wrong-type", where, f"{message}, got {got}{then}{more}", fix, severity)


_LIST, _NUMBER, _BEYOND, _MIXED = "a list", "a number", "a number beyond 64 bits", "a list of unlike values"
_NEVER = frozenset({_BEYOND, _MIXED})


def _alike(kind: str, other: str) -> bool:
    """Say whether values are of one kind: a list of nothing is like every other list."""
    return kind == other or (kind.startswith(_LIST) and (kind.startswith(other) or other.startswith(kind)))


def _kind(value: Any) -> str | None:  # noqa: ANN401 - whatever JSON holds
    """Return what a value is, in words; None for null, which is of any kind."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int):
        return _NUMBER if _is_whole(value) else _BEYOND
    if isinstance(value, list):
        kinds = {kind for kind in map(_kind, value) if kind is not None}
        longest = max(kinds, key=len, default="")
        if kinds & _NEVER or not all(_alike(kind, longest) for kind in kinds):
            return _MIXED
        return f"{_LIST}, each {longest}" if kinds else _LIST
    return _NUMBER if isinstance(value, float) else "a text" if isinstance(value, str) else "an object"


def in_words(value: Any) -> str:  # noqa: ANN401 - whatever JSON holds
    """Return a value as a person tells it apart from others that look alike: `6` and the text `'6'`.

    Examples
    --------
    >>> in_words("6"), in_words(6.5), in_words(["a", 1]), in_words(None)
    ("the text '6'", '6.5', "the list ['a', 1]", 'null')
    """
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    text = repr(value)
    text = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
    if isinstance(value, int) and not _is_whole(value):
        return f"{text}, which is beyond 64 bits"
    kind = "text" if isinstance(value, str) else "list" if isinstance(value, list) else "object"
    return text if isinstance(value, int | float) else f"the {kind} {text}"
