"""What an output says of its own making: the key that decides whether it is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lapsdata.errors import Problem
from lapsdata.execution.manifest import work_key
from lapsdata.provenance import code_digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pydantic import JsonValue

    from lapsdata.schema.base import Parent, Provenance

__all__ = ["key_now", "key_of", "strangers"]


def key_now(stage: str, parameters: Mapping[str, JsonValue], parents: Iterable[Parent]) -> str:
    """Return the key of what a stage would make now; other code has another."""
    return work_key(stage, code_digest(), parameters, parents)


def key_of(stage: str, made: Provenance) -> str | None:
    """Return the key that a header tells; None for the work of another program."""
    if made.producer != "lapsdata":
        return None
    return work_key(stage, made.code_digest, made.parameters, made.parents)


def strangers(what: str, made: Provenance, role: str, given: Sequence[Parent]) -> Iterable[Problem]:
    """Tell that something was made of another file than the one given here; of several, the first."""
    of = [one for one in made.parents if one.role == role]
    here = next((one for one in given if one.role == role), None)
    if of and here is not None and here.digest not in [one.digest for one in of]:
        message = f"expected {what} of the {role} {here.name}, got {what} of other {role}: {of[0].name}"
        yield Problem(f"other-{role}", what, message, "give files that were made of one another")
