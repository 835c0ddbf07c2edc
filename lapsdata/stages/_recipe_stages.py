"""The stages that a recipe may speak of, in order, and what they say of what they are told."""

from __future__ import annotations

import contextlib
import difflib
import json
import math
from dataclasses import replace
from typing import TYPE_CHECKING

from lapsdata.errors import Problem, SchemaError
from lapsdata.plugins import registry

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pydantic import JsonValue

    from lapsdata.stages._stage import Stage

__all__ = [
    "ORDER",
    "load_stage",
    "loaded_stages",
    "meanings",
    "problems_of",
    "refuses",
    "stage_names",
    "unknown_stage",
]

ORDER = ("track", "train", "encode", "energies", "threshold", "segment", "evaluate", "report")
"""The stages of the main job, as one follows the other."""


def in_order(names: Iterable[str]) -> list[str]:
    """Return names of stages as the main job has them; those of other distributions follow, by name."""
    place = {name: at for at, name in enumerate(ORDER)}
    return sorted(names, key=lambda name: (place.get(name, len(place)), name))


def stage_names() -> list[str]:
    """Return the name of every stage that is there, in order; imports none."""
    return in_order(registry("stages").names())


def loaded_stages() -> dict[str, Stage]:
    """Return every stage that can be imported, in order; others are warned of."""
    found: dict[str, Stage] = registry("stages").load_all()
    return {name: found[name] for name in in_order(found)}


def load_stage(name: str) -> Stage:
    """Return a stage.

    Raises
    ------
    SchemaError
        There is none of this name.
    PluginError
        It cannot be imported.
    """
    known = stage_names()
    if name not in known:
        raise SchemaError(unknown_stage(name, known))
    stage: Stage = registry("stages").load(name)
    return stage


def unknown_stage(name: str, known: Iterable[str]) -> Problem:
    """Say that no stage has a name, and which it may have been meant for."""
    names = list(known)
    near = difflib.get_close_matches(name, names, n=1)
    fix = f"did you mean '{near[0]}'?" if near else None
    return Problem("unknown-stage", name, f"expected one of {', '.join(names) or '(no stage)'}, got '{name}'", fix)


def meanings(stage: Stage, kind: str) -> dict[str, str]:
    """Return what each parameter of a kind means, in one line, with the values that it may have where they are few.

    Raises
    ------
    SchemaError
        The stage has no such kind.
    """
    fields = stage.fields(kind)
    schema = stage.kinds()[kind].model_json_schema().get("properties", {})
    found = {}
    for key, text in fields.items():
        values = schema.get(key, {}).get("enum", [])
        choice = f"One of {', '.join(map(str, values))}." if values else ""
        found[key] = " ".join([*text.split(), *choice.split()])
    return found


def problems_of(stage: Stage, kind: str, params: Mapping[str, JsonValue]) -> list[Problem]:
    """Return all that a stage says against a kind and parameters, with places such as `energies.gate`."""
    try:
        known = stage.fields(kind)
    except SchemaError as error:
        return list(error.problems)
    found: list[Problem] = []
    # A stage that is told an unknown key looks no further.
    unknown = {key: value for key, value in params.items() if key not in known}
    for part in (unknown, {key: value for key, value in params.items() if key in known}):
        if part or part is not unknown:
            try:
                stage.options(kind, part)
            except SchemaError as error:
                found += error.problems
    return [_advised(stage, kind, params, problem) for problem in found]


def refuses(stage: Stage, kind: str, key: str, value: JsonValue) -> bool:
    """Say whether a stage refuses a value of a parameter, whatever the others are."""
    try:
        stage.options(kind, {key: value})
    except SchemaError as error:
        return any(_key_of(stage, problem) == key for problem in error.problems)
    return False


def _inside(stage: Stage, problem: Problem) -> str:
    """Return the place of a problem within a stage; nothing where it is about several parameters."""
    rest = problem.where.removeprefix(stage.name)
    return "" if rest == problem.where else rest.lstrip(":. ")


def _key_of(stage: Stage, problem: Problem) -> str:
    return _inside(stage, problem).partition(".")[0]


def _advised(stage: Stage, kind: str, params: Mapping[str, JsonValue], problem: Problem) -> Problem:
    """Return a problem of a stage with its place as recipes spell it, and with advice where there is any."""
    inside, key, fix = _inside(stage, problem), _key_of(stage, problem), problem.fix
    value = params.get(key)
    if problem.code == "unknown-key":
        others = [other for other in stage.kinds() if other != kind and key in stage.fields(other)]
        fix = f"it is a parameter of {stage.name}.kind {', '.join(others)}" if others else fix
    elif isinstance(value, str):
        number = _number(value)
        if number is not None and not refuses(stage, kind, key, number):
            fix = f"it is a number: write {value} without quotes"
    elif isinstance(value, int | float) and not isinstance(value, bool) and not refuses(stage, kind, key, str(value)):
        fix = f'it is a text: write "{value}" in quotes'
    return replace(problem, where=f"{stage.name}.{inside}" if inside else problem.where, fix=fix)


def _number(text: str) -> int | float | None:
    """Return the number that a text spells in JSON."""
    with contextlib.suppress(ValueError, RecursionError):
        value = json.loads(text)
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            return value
    return None
