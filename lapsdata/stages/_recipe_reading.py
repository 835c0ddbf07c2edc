"""From the text of a YAML file to JSON values: the plain part of YAML 1.2, in which a text is a text.

Built on the events of PyYAML and not on its loader, whose YAML 1.1 takes `no` for false, `12:30` for 750 and `1e-3` for
a text, keeps the last of two equal keys, and grows a few aliases into gigabytes.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Protocol, TypeAlias

import yaml

from lapsdata.errors import Problem, SchemaError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import JsonValue

__all__ = ["read_yaml"]

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_WHOLE = re.compile(r"[-+]?[0-9]+")
_OTHER_BASE = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")

# As deep as JSON may be nested for pydantic; reading takes one call for each level.
_DEEPEST = 200
_QUOTE = "remove it, or put the text in quotes"

_Path: TypeAlias = tuple[str, ...]


def read_yaml(text: str, where: str) -> JsonValue:
    r"""Return what the one document of a YAML text says.

    Keys that a recipe has of its own (`stages`, a stage, `params`) and that have nothing under them, as when all of it
    is a comment, are empty mappings; the version is a text even without quotes.

    Raises
    ------
    SchemaError
        With line and column: no YAML, a key twice, an alias, anchor or tag, a number that no float64 holds, text that
        UTF-8 cannot spell, a second document, or nothing at all.

    Examples
    --------
    >>> read_yaml("stages: {track: {params: {view: no, gate: 1e-3}}}", "r")
    {'stages': {'track': {'params': {'view': 'no', 'gate': 0.001}}}}
    >>> read_yaml("a: 1\nb: 2\na: 3", "r")
    Traceback (most recent call last):
    lapsdata.errors.SchemaError: r: line 3, column 1: expected each key once, got 'a' again, as in line 1; keep one ...
    """
    try:
        return _Document(text, where).value
    except yaml.reader.ReaderError as error:
        at = error.position if isinstance(error.position, int) else 0
        line, column = text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)
        message = f"expected text, got the character #x{ord(text[at : at + 1] or chr(0)):04x}"
        fix = 'remove it, or write its number in double quotes, as in "\\u0007"'
        raise SchemaError(Problem("not-yaml", f"{where}: line {line}, column {column}", message, fix)) from None
    except yaml.MarkedYAMLError as error:
        raise SchemaError(_told(error, where)) from None
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        if isinstance(error, SchemaError):
            raise
        # PyYAML's own: of an escape that no character has, say.
        raise SchemaError(Problem("not-yaml", where, f"expected YAML, got unreadable text ({error})")) from None


def _told(error: yaml.MarkedYAMLError, where: str) -> Problem:
    mark = error.problem_mark or error.context_mark
    place = f"{where}: {_place(mark)}" if mark else where
    said = ", ".join(part for part in (error.problem, error.context) if part)
    fix = "check the quotes, colons and indentation there"
    if "'\\t'" in said:
        fix = "indent with spaces: YAML takes no tabs"
    return Problem("not-yaml", place, f"expected YAML, got unreadable text ({said})", fix)


class _Mark(Protocol):
    """A place in a text, of either of PyYAML's two readers."""

    @property
    def line(self) -> int: ...
    @property
    def column(self) -> int: ...


def _place(mark: _Mark | None) -> str:
    # The stubs allow for events without a mark; the parser gives each one.
    return f"line {mark.line + 1}, column {mark.column + 1}" if mark else "line ?"


class _Document:
    """One reading of a text, event by event, so that nothing grows before it is looked at."""

    def __init__(self, text: str, where: str) -> None:
        self._where = where
        self._events: Iterator[yaml.Event] = yaml.parse(text, Loader=yaml.SafeLoader)
        next(self._events)  # of the stream
        first = next(self._events)
        if isinstance(first, yaml.StreamEndEvent):
            raise SchemaError(Problem("empty", where, "expected a recipe, got nothing", "write `stages:` first"))
        self.value = self._value(next(self._events), ())
        next(self._events)  # the end of the document
        after = next(self._events)
        if not isinstance(after, yaml.StreamEndEvent):
            raise self._wrong(after, "several-documents", "expected one document, got a second", "remove the `---`")

    def _value(self, event: yaml.Event, path: _Path) -> JsonValue:
        """Read the value that begins with an event; one call for each level, for Python allows only so many."""
        self._refuse_references(event)
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event, path)
        if len(path) >= _DEEPEST:
            raise self._wrong(event, "too-deep", f"expected at most {_DEEPEST} levels, got more")
        if isinstance(event, yaml.SequenceStartEvent):
            items: list[JsonValue] = []
            while not isinstance(inner := next(self._events), yaml.SequenceEndEvent):
                items.append(self._value(inner, (*path, "")))
            return items
        found: dict[str, JsonValue] = {}
        lines: dict[str, int] = {}
        while not isinstance(inner := next(self._events), yaml.MappingEndEvent):
            key = self._key(inner)
            if key in found:
                message = f"expected each key once, got {key!r} again, as in line {lines[key]}"
                raise self._wrong(inner, "duplicate-key", message, "keep one")
            lines[key] = inner.start_mark.line + 1 if inner.start_mark else 0
            found[key] = self._value(next(self._events), (*path, key))
        return found

    def _refuse_references(self, event: yaml.Event) -> None:
        anchor, tag = getattr(event, "anchor", None), getattr(event, "tag", None)
        if isinstance(event, yaml.AliasEvent):
            raise self._wrong(event, "alias", f"expected a value, got the alias *{anchor}", "write the value out")
        if anchor is not None:
            raise self._wrong(event, "alias", f"expected no anchors, got &{anchor}", _QUOTE)
        if tag is not None:
            name = str(tag).replace("tag:yaml.org,2002:", "!!")
            raise self._wrong(event, "tag", f"expected no tags, got {name}", _QUOTE)

    def _key(self, event: yaml.Event) -> str:
        self._refuse_references(event)
        key = self._scalar(event, ("",)) if isinstance(event, yaml.ScalarEvent) else None
        if isinstance(key, str):
            return key
        got = repr(event.value) if isinstance(event, yaml.ScalarEvent) else "a list or mapping"
        raise self._wrong(event, "wrong-key", f"expected a key that is text, got {got}", "put it in quotes")

    def _scalar(self, event: yaml.ScalarEvent, path: _Path) -> JsonValue:
        text = event.value
        try:
            text.encode()
        except UnicodeEncodeError:
            raise self._wrong(event, "wrong-value", "expected text that UTF-8 can spell") from None
        if event.style is not None:
            return text
        if not text and _is_own(path):
            return {}
        return text if path == ("format_version",) else self._plain(event, text)

    def _plain(self, event: yaml.ScalarEvent, text: str) -> JsonValue:
        if text in _NULL:
            return None
        if text in _BOOL:
            return _BOOL[text]
        try:
            if _WHOLE.fullmatch(text):
                return int(text)
            if _OTHER_BASE.fullmatch(text):
                return int(text, 0)
        except ValueError:
            raise self._wrong(event, "wrong-value", f"expected a number, got {len(text)} digits") from None
        if not (_FLOAT.fullmatch(text) or _NOT_FINITE.fullmatch(text)):
            return text
        number = float(text.replace(".", "", 1)) if _NOT_FINITE.fullmatch(text) else float(text)
        if math.isfinite(number):
            return number
        raise self._wrong(event, "wrong-value", f"expected a finite number, got {text}", "quote it if it is a text")

    def _wrong(self, event: yaml.Event, code: str, message: str, fix: str | None = None) -> SchemaError:
        return SchemaError(Problem(code, f"{self._where}: {_place(event.start_mark)}", message, fix))


def _is_own(path: _Path) -> bool:
    """Say whether a recipe has a mapping in this place: `stages`, `stages.<stage>`, `stages.<stage>.params`."""
    return path[:1] == ("stages",) and (len(path) < 3 or (len(path) == 3 and path[2] == "params"))
