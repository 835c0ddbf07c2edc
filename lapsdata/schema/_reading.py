"""From bytes to a JSON object, and from pydantic's errors to problems that a person can act on."""

from __future__ import annotations

import difflib
import json
import math
import re
import types
from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from lapsdata.errors import Problem, SchemaError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic import JsonValue, ValidationError
    from pydantic_core import ErrorDetails

__all__ = ["EXTRA_KEY", "NAME", "explain", "load_object", "set_aside", "unknown_keys"]

EXTRA_KEY = r"^x-[a-z0-9]+(-[a-z0-9]+)*$"
NAME = r"^[^/\\\x00-\x1f.][^/\\\x00-\x1f]*$"

Place = tuple[str | int, ...]
"""Keys and list positions, from the outermost record inwards."""


def load_object(data: bytes | str, where: str) -> tuple[str, dict[str, JsonValue]]:
    """Read one JSON object; return its text, and what it says.

    Raises
    ------
    SchemaError
        No bytes or text, not UTF-8, not JSON, not an object, a key that stands twice, or a number that no float64 can
        hold.
    """

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        document = dict(pairs)
        if len(document) < len(pairs):
            twice = sorted(key for key, times in Counter(key for key, _ in pairs).items() if times > 1)
            raise SchemaError(Problem("duplicate-key", where, f"expected each key once, got twice: {', '.join(twice)}"))
        return document

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is not JSON")

    given: object = data
    if not isinstance(given, str | bytes | bytearray):
        message = f"expected JSON as bytes or text, got {type(given).__name__}"
        fix = "give the bytes that to_bytes wrote, path.read_bytes(), or json.dumps of a dict"
        raise SchemaError(Problem("wrong-type", where, message, fix))
    try:
        text = data if isinstance(data, str) else data.decode("utf-8")
        document = json.loads(text, object_pairs_hook=unique, parse_constant=refuse, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        if isinstance(error, SchemaError):
            raise
        raise SchemaError(
            Problem("not-json", where, f"expected one JSON object in UTF-8, got unreadable text ({error})")
        ) from None
    if not isinstance(document, dict):
        raise SchemaError(Problem("not-json", where, f"expected one JSON object, got {type(document).__name__}"))
    return text, document


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"{text} does not fit into a float64")
    return value


def unknown_keys(error: ValidationError) -> list[Place]:
    """Return the places of the keys that no record knows."""
    return [item["loc"] for item in error.errors(include_url=False) if _says_unknown(item)]


def set_aside(document: dict[str, JsonValue], places: Iterable[Place]) -> None:
    """Rename each key to `x-newer-<key>` where it stands, so that its value is kept."""
    for *outer, key in places:
        holder: Any = document
        for part in outer:
            holder = holder[part]
        stem = "x-newer-" + (re.sub("[^a-z0-9]+", "-", str(key).lower()).strip("-") or "key")
        name, number = stem, 2
        while name in holder:
            name, number = f"{stem}-{number}", number + 1
        holder[name] = holder.pop(key)


def explain(error: ValidationError, record: type[BaseModel], where: str) -> list[Problem]:
    """Turn pydantic's errors into problems that say expected, got, and the nearest known key."""
    found = []
    items = error.errors(include_url=False)
    at_fault = {item["loc"][:depth] for item in items for depth in range(len(item["loc"]))}
    # Of a pair or a triple pydantic names each place that is missing; the last one tells how many there are.
    short = {item["loc"][:-1]: item for item in items if _lacks_a_place(item)}
    for item in items:
        if item["type"] == "too_short" and item["loc"] in at_fault:
            continue  # pydantic counts only the good members; the bad ones speak for themselves
        path = ".".join(str(part) for part in item["loc"])
        place = f"{where}: {path}" if path else where
        last = str(item["loc"][-1]) if item["loc"] else ""
        if _says_unknown(item):
            near = difflib.get_close_matches(last, _record_at(record, item["loc"][:-1]).model_fields, n=1)
            hint = f"did you mean '{near[0]}'?" if near else "own keys begin with 'x-'"
            found.append(Problem("unknown-key", place, f"expected a known key, got '{last}'", hint))
        elif _lacks_a_place(item):
            if short[item["loc"][:-1]] is item:
                told = f"expected {int(last) + 1} items, got {_short(item['input'])}"
                found.append(Problem("wrong-value", place.rpartition(".")[0], told))
        elif item["type"] == "missing":
            found.append(Problem("missing-key", place, "expected a value, got nothing", f"add the key '{last}'"))
        elif item["type"] == "json_invalid":
            found.append(Problem("not-json", place, f"expected one JSON object, got {_lower_first(item['msg'])}"))
        else:
            told = _expected(item)
            # A rule of our own may have said what it got, in better words than those of the whole record.
            got = "" if item["type"] == "value_error" and ", got " in told else f", got {_short(item['input'])}"
            found.append(Problem("wrong-value", place, told + got))
    return found


def _says_unknown(item: ErrorDetails) -> bool:
    return item["type"] == "string_pattern_mismatch" and item.get("ctx", {}).get("pattern") == EXTRA_KEY


def _lacks_a_place(item: ErrorDetails) -> bool:
    return item["type"] == "missing" and isinstance(item["loc"][-1], int)


def _record_at(record: type[BaseModel], place: Place) -> type[BaseModel]:
    """Return the record that stands at a place, following the types of the fields."""
    here: Any = record
    for part in place:
        is_record = isinstance(here, type) and issubclass(here, BaseModel)
        # A list holds its items' type first, a mapping its values' type last.
        here = _bare(here.model_fields[part].annotation if is_record else get_args(here)[isinstance(part, str)])
    found: type[BaseModel] = here
    return found


def _bare(annotation: Any) -> Any:  # noqa: ANN401 - any type form
    """Return a type without `Annotated` and without `| None`."""
    while get_origin(annotation) in (Annotated, Union, types.UnionType):
        annotation = next(kind for kind in get_args(annotation) if kind is not type(None))
    return annotation


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _expected(item: ErrorDetails) -> str:
    """Return what was expected, where pydantic's own text does not begin with it."""
    limits = item.get("ctx", {})
    match item["type"]:
        case "string_pattern_mismatch" if limits["pattern"] == NAME:
            return "expected a name without slashes, control characters and a dot in front"
        case "string_unicode":
            return "expected text that UTF-8 can spell"
        case "invalid-json-value":
            return "expected a JSON value"
        case "string_pattern_mismatch":
            return f"expected text of the form {limits['pattern']}"
        case "string_too_short" | "string_too_long" | "too_short" | "too_long":
            unit = "characters" if item["type"].startswith("string") else "items"
            least = "at least" if "min_length" in limits else "at most"
            return f"expected {least} {limits.get('min_length', limits.get('max_length'))} {unit}"
        case _:
            return _lower_first(item["msg"])


def _lower_first(text: str) -> str:
    text = text.removeprefix("Value error, ")
    return text.replace("Input should be", "expected", 1) if text.startswith("Input") else text[:1].lower() + text[1:]
