"""What a run is told: which kind of each stage is taken, and with which parameters."""

from __future__ import annotations

import re
from typing import Literal, Self

from pydantic import Field

from lapsdata.errors import FormatTooNewError, Problem
from lapsdata.schema._reading import load_object
from lapsdata.schema.base import Name, Parameters, Record
from lapsdata.schema.training import ViewTraining

__all__ = ["Recipe", "StageChoice"]

_FORMAT = "lapsdata.recipe"
_VERSION = (1, 0)


class StageChoice(Record):
    """What one stage is told."""

    kind: Name | None = None
    """Which kind of the stage; null takes its default."""
    params: Parameters = Field(default_factory=dict)
    """Parameters of that kind; those left out have their defaults."""


class Recipe(Record):
    """What the stages of a run are told. The stages themselves judge kinds and parameters, not this record."""

    format: Literal["lapsdata.recipe"] = "lapsdata.recipe"
    """Which record this is."""
    format_version: Literal["1.0"] = "1.0"
    """Version of the record."""
    stages: dict[Name, StageChoice] = Field(default_factory=dict, json_schema_extra={"additionalProperties": False})
    """By the name of the stage; one left out runs with its defaults."""
    training: ViewTraining | None = Field(default=None, exclude_if=lambda told: told is None)
    """A training on sets of views, which `lapsdata recipe plan` plans; null for none."""

    @classmethod
    def parse(cls, data: bytes | str, where: str = "") -> Self:
        """Read a recipe; see `Record.parse`.

        Raises
        ------
        SchemaError
            Not JSON, or keys that are unknown, missing, or of a wrong type.
        FormatTooNewError
            Any newer version, a minor one too: a key that this release does not know might change what is run.
        """
        where = where or "recipe"
        text, document = load_object(data, where)
        stated = document.get("format_version")
        version = re.fullmatch(r"([0-9]{1,9})\.([0-9]{1,9})", stated) if isinstance(stated, str) else None
        if document.get("format", _FORMAT) == _FORMAT and version and (int(version[1]), int(version[2])) > _VERSION:
            message = f"written in recipe format {version[0]}, this release reads up to {'.'.join(map(str, _VERSION))}"
            fix = "install a newer release: pip install --upgrade lapsdata"
            raise FormatTooNewError(Problem("format-too-new", where, message, fix))
        return cls._of_text(text, where)
