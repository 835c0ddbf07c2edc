"""A plain torch DataLoader over h5py, as careful users write it: files opened once in each worker and kept open.

Contiguous data sets, h5py's ordinary indexing, single samples put together by torch's default collation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from datagen import file_name

from peers._peer import Batch, Order, Peer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from datagen import Data


class Windows:
    """A map-style data set of single windows."""

    def __init__(self, folder: Path, data: Data) -> None:
        self._folder, self._data = folder, data
        self._arrays: list[tuple[Any, Any]] = []

    def __len__(self) -> int:
        return len(self._data)

    def __getitem__(self, index: int) -> Batch:
        if not self._arrays:
            import h5py

            files = (h5py.File(self._folder / file_name(n, ".h5"), "r") for n in range(self._data.files))
            self._arrays = [(file["tracks"], file["vis"]) for file in files]
        number, window = divmod(index, self._data.windows)
        tracks, vis = self._arrays[number]
        return {"tracks": tracks[window], "vis": vis[window].view(np.bool_)}


def stream(folder: Path, data: Data, order: Order, *, batch: int, workers: int) -> Iterator[Batch]:
    from torch.utils.data import DataLoader

    rows = (row.tolist() for row in order)
    more = {"prefetch_factor": 4} if workers else {}
    yield from DataLoader(Windows(folder, data), batch_sampler=rows, num_workers=workers, **more)


PEER = Peer(
    name="torch_h5py",
    title="torch DataLoader over h5py",
    files="h5py_low_level",
    stream=stream,
    packages=("torch", "h5py"),
    workers=(0, 2),
)
