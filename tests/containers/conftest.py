"""A way to break one field of a valid container, and to see all that is said about it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from lapsdata.errors import SchemaError

if TYPE_CHECKING:
    from lapsdata.containers import Container


class Refused(Protocol):
    """See `refused`."""

    def __call__(self, container: Container, **fields: Any) -> set[tuple[str, str]]: ...


@pytest.fixture
def refused() -> Refused:
    """Return what names the (code, place) of every problem of a container built with other fields."""

    def of(container: Container, **fields: Any) -> set[tuple[str, str]]:
        place = type(container).__name__.lower()
        with pytest.raises(SchemaError, match=f"{place}: ") as caught:
            dataclasses.replace(container, **fields)
        found = {(p.code, p.where.removeprefix(f"{place}: ")) for p in caught.value.problems}
        assert all(p.where.startswith(f"{place}: ") for p in caught.value.problems)
        return found

    return of
