"""The one spelling of a recipe as YAML, which readers of YAML 1.1 and 1.2 take for the same."""

from __future__ import annotations

import json
import re
import textwrap
from typing import TYPE_CHECKING, NamedTuple

from lapsdata.errors import UNSHOWN, shown
from lapsdata.schema.base import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from pydantic import JsonValue

    from lapsdata.schema.recipe import Recipe, StageChoice

__all__ = ["Notes", "comment", "flow", "spelled"]

_COLUMNS = 100
# What no reader takes for a number, and what none takes for a null or a bool.
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*([./][A-Za-z0-9_-]+)*", re.ASCII)
_WORDS = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})
# Beside what no terminal may be sent: what no YAML may hold, and the mark that begins a file.
_ESCAPED = re.compile(f"{UNSHOWN.pattern}|[\ufeff\ufffe\uffff]")
# A key of more characters is not known for one unless it is marked.
_LONGEST_KEY = 1000


class Notes(NamedTuple):
    """What is said above a stage, and above each of its parameters."""

    stage: str = ""
    params: dict[str, str] = {}  # noqa: RUF012 - never written to


def spelled(
    recipe: Recipe, order: Sequence[str], params: Callable[[str], Sequence[str]], notes: Callable[[str], Notes]
) -> Iterator[str]:
    """Yield the lines of a recipe.

    Parameters
    ----------
    recipe : Recipe
    order : sequence of str
        Stages that come first; the others follow by name.
    params : callable
        Returns, for a stage, parameters that come first.
    notes : callable
        Returns what to say of a stage.
    """
    yield from _entry(0, "format", flow(recipe.format))
    yield from _entry(0, "format_version", flow(recipe.format_version))
    yield from _own_keys(0, recipe.__pydantic_extra__ or {})
    if recipe.training is not None:
        yield from _record(0, "training", recipe.training)
    if not recipe.stages:
        yield from _entry(0, "stages", "{}")
        return
    yield "stages:"
    for number, name in enumerate(_sorted(recipe.stages, order)):
        said = notes(name)
        if number and said != Notes():
            yield ""
        yield from comment(said.stage, 2)
        yield from _stage(name, recipe.stages[name], params(name), said.params)


def _stage(name: str, choice: StageChoice, first: Sequence[str], notes: dict[str, str]) -> Iterator[str]:
    own = choice.__pydantic_extra__ or {}
    if choice.kind is None and not choice.params and not own:
        yield from _entry(2, name, "{}")
        return
    yield from _entry(2, name, "")
    if choice.kind is not None:
        yield from _entry(4, "kind", flow(choice.kind))
    if choice.params:
        yield "    params:"
    for key in _sorted(choice.params, first):
        yield from comment(notes.get(key, ""), 6)
        yield from _entry(6, key, flow(choice.params[key]))
    yield from _own_keys(4, own)


def _record(indent: int, key: str, record: Record) -> Iterator[str]:
    """Yield a record with all that it says, those within it as they are named there."""
    yield from _entry(indent, key, "")
    for name in type(record).model_fields:
        value = getattr(record, name)
        if isinstance(value, dict) and all(isinstance(one, Record) for one in value.values()):
            yield from _entry(indent + 2, name, "")
            for inner in sorted(value):
                yield from _record(indent + 4, inner, value[inner])
        else:
            yield from _entry(indent + 2, name, flow(record.as_json()[name]))
    yield from _own_keys(indent + 2, record.__pydantic_extra__ or {})


def _own_keys(indent: int, extras: dict[str, JsonValue]) -> Iterator[str]:
    for key in sorted(extras):
        yield from _entry(indent, key, flow(extras[key]))


def _entry(indent: int, key: str, value: str) -> Iterator[str]:
    pad, text = " " * indent, _text(key)
    if len(text) > _LONGEST_KEY:
        yield f"{pad}? {text}"
        yield f"{pad}: {value}".rstrip()
    else:
        yield f"{pad}{text}: {value}".rstrip()


def comment(text: str, indent: int) -> Iterator[str]:
    """Yield a text as lines of comment, of 100 columns."""
    pad = " " * indent + "# "
    # Whatever a docstring holds, it stays in its lines and is text.
    clean = _ESCAPED.sub("?", shown(" ".join(text.split())))
    lines = textwrap.wrap(clean, _COLUMNS - len(pad), break_long_words=False, break_on_hyphens=False)
    yield from (pad + line for line in lines)


def flow(value: JsonValue) -> str:
    """Return a JSON value in one line of YAML.

    Examples
    --------
    >>> flow(["no", "median", 1e-7, None, {"10": True}])
    '["no", median, 1.0e-07, null, {"10": true}]'
    """
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, float):
        # Readers of YAML 1.1 take 1e-07 for a text.
        mantissa, exponent, power = repr(value).partition("e")
        return mantissa + ("" if "." in mantissa else ".0") + exponent + power
    if isinstance(value, list):
        return "[" + ", ".join([flow(item) for item in value]) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join([_pair(_text(key), flow(value[key])) for key in sorted(value)]) + "}"
    return json.dumps(value)


def _pair(key: str, value: str) -> str:
    return f"? {key} : {value}" if len(key) > _LONGEST_KEY else f"{key}: {value}"


def _text(text: str) -> str:
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
        return text
    return _ESCAPED.sub(_number, json.dumps(text, ensure_ascii=False))


def _number(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"


def _sorted(names: Iterable[str], first: Sequence[str]) -> list[str]:
    place = {name: at for at, name in enumerate(first)}
    return sorted(names, key=lambda name: (place.get(name, len(place)), name))
