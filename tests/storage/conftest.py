"""Readers of arrays that a test has made itself, without a data set around them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lapsdata.storage.gather import RowReader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import NDArray

    from lapsdata.storage.pieces import Source


@dataclass
class Found:
    """Arrays whose place is known."""

    rows: int
    found: Mapping[str, Source]
    where: str = "found"

    def sources(self) -> Mapping[str, Source]:
        return self.found


@pytest.fixture
def reader_of() -> Iterator[Callable[..., RowReader]]:
    """Make readers of pieces, each a mapping of sources by field; they are closed after the test."""
    made: list[RowReader] = []

    def make(*pieces: Mapping[str, Source], dtypes: Mapping[str, Any] | None = None, **options: Any) -> RowReader:
        fields = {
            name: np.dtype(((dtypes or {}).get(name, source.dtype), source.shape[1:]))
            for name, source in pieces[0].items()
        }
        parts = [Found(next(iter(piece.values())).shape[0], piece) for piece in pieces]
        made.append(RowReader(parts, fields, **options))
        return made[-1]

    yield make
    for reader in made:
        reader.close()


@pytest.fixture
def rows_of(reader_of: Callable[..., RowReader]) -> Callable[..., NDArray[Any]]:
    """Read all rows of one array through a reader, last one first, and put them back in order."""

    def read(source: Source, dtype: Any = None, **options: Any) -> NDArray[Any]:
        kind = source.dtype.newbyteorder("=") if dtype is None else dtype
        reader = reader_of({"x": source}, dtypes={"x": kind}, **options)
        return reader.gather(np.arange(len(reader))[::-1])["x"][::-1]

    return read
