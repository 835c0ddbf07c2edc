"""What an output says of its own making: the key that decides whether it is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lapsdata.execution.manifest import work_key
from lapsdata.provenance import code_digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pydantic import JsonValue

    from lapsdata.schema.base import Parent, Provenance

__all__ = ["key_now", "key_of"]


def key_now(stage: str, parameters: Mapping[str, JsonValue], parents: Iterable[Parent]) -> str:
    """Return the key of what a stage would make now; other code has another."""
    return work_key(stage, code_digest(), parameters, parents)


def key_of(stage: str, made: Provenance) -> str | None:
    """Return the key that a header tells; None for the work of another program."""
    if made.producer != "lapsdata":
        return None
    return work_key(stage, made.code_digest, made.parameters, made.parents)
