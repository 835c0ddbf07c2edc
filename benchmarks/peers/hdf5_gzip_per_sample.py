"""The common slow loop: gzip HDF5 with the chunks that h5py guesses, the file opened for each sample.

Nobody's best, and here for that: what a data set class does that keeps no file open. Read through torch's loader.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from datagen import FOREIGN, file_name

from peers._peer import Batch, Order, Peer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from datagen import Data


class Windows:
    """A map-style data set of single windows."""

    def __init__(self, folder: Path, data: Data) -> None:
        self._folder, self._data = folder, data

    def __len__(self) -> int:
        return len(self._data)

    def __getitem__(self, index: int) -> Batch:
        import h5py

        number, window = divmod(index, self._data.windows)
        with h5py.File(self._folder / file_name(number, ".h5"), "r") as file:
            view = file["root/default"]
            return {"tracks": view["tracks"][window], "vis": view["vis"][window].astype(np.bool_)}


def stream(folder: Path, data: Data, order: Order, *, batch: int, workers: int) -> Iterator[Batch]:
    from torch.utils.data import DataLoader

    rows = (row.tolist() for row in order)
    yield from DataLoader(Windows(folder, data), batch_sampler=rows, num_workers=workers)


PEER = Peer(
    name="hdf5_gzip_per_sample",
    title="gzip HDF5, automatic chunks, opened per sample",
    files=FOREIGN,
    stream=stream,
    packages=("h5py", "torch"),
    workers=(0, 2),
    # zlib keeps an adler32 of what it has packed.
    verifies=True,
)
