"""The key that an output of these stages tells of itself: it is kept where that is the key of what is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lapsdata.execution.manifest import work_key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import JsonValue

    from lapsdata.schema.base import Provenance

__all__ = ["own_key"]


def own_key(
    stage: str, version: str, made: Provenance, parameters: Mapping[str, JsonValue] | None = None
) -> str | None:
    """Return the key of what a stage has made; None for the work of another program.

    Parameters
    ----------
    stage, version : str
    made : Provenance
        Of the output.
    parameters : mapping, optional
        Those of its parameters that decide what comes out; by default all.
    """
    if made.producer != "lapsmodels":
        return None
    return work_key(stage, version, made.parameters if parameters is None else parameters, made.parents)
