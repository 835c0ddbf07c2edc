"""Odd HDF5 files of two other readers' test suites, row by row: chunk indexes give what the ladder of readers gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.errors import LapsError
from lapsdata.storage.gather import RowReader
from lapsdata.storage.hdf5_file import Hdf5File
from lapsdata.storage.hdf5_index import LibrarySlabs, hdf5_index

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from lapsdata.storage.pieces import Source


class OnePiece:
    """One array, as a data set."""

    def __init__(self, source: Source) -> None:
        self.where, self.rows, self.found = "odd", source.shape[0], {"x": source}

    def sources(self) -> Mapping[str, Source]:
        return self.found


def gathered(source: Source, wanted: NDArray[Any]) -> NDArray[Any]:
    reader = RowReader([OnePiece(source)], {"x": np.dtype((wanted.dtype, wanted.shape[1:]))})
    order = np.random.default_rng(0).permutation(len(wanted))
    found = np.empty_like(wanted)
    found[order] = reader.gather(order)["x"]
    reader.close()
    return found


def readable(folder: Path) -> Iterator[tuple[str, Source, NDArray[Any]]]:
    """Give each array of numbers that the ladder reads and that has elements, and where its rows lie."""
    for path in sorted(path for path in folder.rglob("*") if path.suffix in (".h5", ".hdf5", ".nc")):
        try:
            file = Hdf5File(path)
        except LapsError:
            continue
        with file:
            for name in file.datasets():
                try:
                    wanted = file.read(name)
                except LapsError:
                    continue
                if wanted.ndim and wanted.dtype.kind in "biuf" and 0 < wanted.size < 50_000:
                    yield f"{path.name}: {name}", hdf5_index(file, name, fill=True), wanted


def test_rows_in_any_order_are_those_that_the_ladder_reads(real_data: Path) -> None:
    compared = through = 0
    for name, source, wanted in readable(real_data / "hdf5_odd"):
        assert gathered(source, wanted).tobytes() == wanted.tobytes(), name
        compared += 1
        through += isinstance(source, LibrarySlabs)
    assert compared > 500
    assert 0 < through < compared / 2
