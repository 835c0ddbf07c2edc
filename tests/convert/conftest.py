"""Conversions in this process, and what they are compared with."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest

from lapsdata._convert._keys import MARK, ROLE

if TYPE_CHECKING:
    from collections.abc import Callable

    from lapsdata.containers import Container
    from lapsdata.schema.base import Provenance


@pytest.fixture(autouse=True)
def in_this_process(one_process: list[int]) -> list[int]:
    """Start no workers: what they do is the same, and starting them takes longer."""
    return one_process


def plain(made: Provenance) -> Provenance:
    """Return a provenance as it was before any conversion."""
    parents = tuple(parent for parent in made.parents if parent.role != ROLE)
    own = {name: value for name, value in (made.model_extra or {}).items() if name != MARK}
    fields: dict[str, Any] = {name: getattr(made, name) for name in type(made).model_fields}
    return type(made)(**{**fields, "parents": parents}, **own)


@pytest.fixture(scope="session")
def unmarked() -> Callable[[Any], Any]:
    """Take off what conversions have said about themselves, so that containers can be compared."""

    def bare(container: Container) -> Container:
        header = container.header
        return dataclasses.replace(container, header=header.model_copy(update={"provenance": plain(header.provenance)}))

    return bare
