"""What a recipe may tell a stage: which kind of it, and the parameters of that kind."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from lapsdata.errors import Problem, Problems, SchemaError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pydantic import JsonValue

    from lapsdata.schema.base import Record

__all__ = ["Stage"]


def _nothing(kind: str) -> Mapping[str, JsonValue]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage as recipes see it.

    Parameters
    ----------
    name : str
        Its name in recipes, and that of its verb.
    title : str
        What it does, in one line.
    default : str
        The kind where a recipe names none.
    kinds : callable
        Returns, by the name of the kind, the record that its parameters make.
    filled : callable, optional
        Returns, for a kind, the fields of that record that the stage fills in by itself, with values that stand for
        them while a recipe is checked; a recipe may not set them.

    Examples
    --------
    >>> from lapsdata.schema.base import Record
    >>> class Options(Record):
    ...     mode: str
    ...     gate: float = 0.5
    >>> stage = Stage("measure", "Measures.", "speed", lambda: {"speed": Options}, lambda kind: {"mode": kind})
    >>> stage.options("speed", {"gate": 1.0})
    Options(mode='speed', gate=1.0)
    >>> stage.options("speed", {"gaet": 1.0})
    Traceback (most recent call last):
    lapsdata.errors.SchemaError: measure.gaet: expected one of gate, got 'gaet'; did you mean 'gate'? [unknown-key]
    """

    name: str
    title: str
    default: str
    kinds: Callable[[], Mapping[str, type[Record]]]
    filled: Callable[[str], Mapping[str, JsonValue]] = _nothing

    def fields(self, kind: str) -> dict[str, str]:
        """Return the parameters that a recipe may give to a kind, with what each means.

        Raises
        ------
        SchemaError
            The stage has no such kind.
        """
        record, filled = self._record(kind), self.filled(kind)
        fields = record.model_fields.items()
        return {name: field.description or "" for name, field in fields if name not in filled}

    def options(self, kind: str, params: Mapping[str, JsonValue]) -> Record:
        """Return the record that a kind and parameters make.

        Raises
        ------
        SchemaError
            An unknown kind; parameters that are unknown, of a wrong type or out of range.
        """
        record, known, filled = self._record(kind), self.fields(kind), self.filled(kind)
        problems = Problems()
        for key in params:
            if key not in known:
                message = f"expected one of {', '.join(known) or 'no parameter'}, got '{key}'"
                fix = f"set {self.name}.kind" if filled.get(key) == kind else "the stage finds it by itself"
                problems.add(
                    "unknown-key", f"{self.name}.{key}", message, fix if key in filled else _nearest(key, known)
                )
        problems.raise_as(SchemaError)
        whole: dict[str, JsonValue] = {**filled, **params}
        # By way of JSON, where a list may stand for a tuple.
        return record.parse(_json(whole), self.name)

    def told(self, kind: str, params: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
        """Return every parameter that a recipe may give, checked, with defaults where none is given.

        Raises
        ------
        SchemaError
            As `options`.
        """
        known = self.fields(kind)
        return {key: value for key, value in self.options(kind, params).as_json().items() if key in known}

    def _record(self, kind: str) -> type[Record]:
        kinds = self.kinds()
        if kind not in kinds:
            message = f"expected one of {', '.join(kinds)}, got '{kind}'"
            raise SchemaError(Problem("unknown-kind", f"{self.name}.kind", message, _nearest(kind, kinds)))
        return kinds[kind]


def _json(value: dict[str, JsonValue]) -> bytes:
    import json

    return json.dumps(value).encode()


def _nearest(given: str, known: Mapping[str, object]) -> str | None:
    near = difflib.get_close_matches(given, known, n=1, cutoff=0.5)
    return f"did you mean '{near[0]}'?" if near else None
