"""LitData as its guide has it, with arrays as items, tuned for random access: each item decoded when it is asked for.

`batch_decode=0`, since the default decodes up to 256 neighbours of every window. The library keeps a few chunks
mapped; with its default of 64 MB a chunk a global order maps them again and again, so they are larger here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from peers._peer import Batch, Gather, Peer, empty

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from datagen import Data
    from numpy.typing import NDArray

CHUNK_BYTES = 1 << 30
"""Offsets in a chunk are 32 bits wide: four times as much would be the most."""
REQUIREMENTS = ("litdata==0.2.76",)


def prepare(folder: Path, data: Data) -> None:
    write(folder, data, lambda tracks, vis: {"tracks": tracks, "vis": vis.view(np.uint8)}, CHUNK_BYTES)


def write(folder: Path, data: Data, item: Callable[[Any, Any], Any], chunk_bytes: int) -> None:
    """Write chunks with the writer that `litdata.optimize` uses in its processes."""
    from litdata.streaming.writer import BinaryWriter

    writer = BinaryWriter(str(folder), chunk_bytes=chunk_bytes)
    for number, batch in enumerate(data.each_file()):
        for window in range(data.windows):
            found = item(batch["tracks"][window], batch["vis"][window])
            writer.add_item(number * data.windows + window, found)
    writer.done()
    writer.merge()


def opened(folder: Path) -> Any:  # noqa: ANN401 - litdata is imported where it is needed
    """Return the data set, read where it lies."""
    import litdata

    return litdata.StreamingDataset(str(folder), shuffle=False, batch_decode=0)


def open_arrays(folder: Path, data: Data) -> Gather:
    items = opened(folder)

    def gather(ids: NDArray[np.int64]) -> Batch:
        batch = empty(len(ids), data)
        tracks, vis = batch["tracks"], batch["vis"].view(np.uint8)
        for place, number in enumerate(ids.tolist()):
            item = items[number]
            tracks[place], vis[place] = item["tracks"], item["vis"]
        return batch

    return gather


PEER = Peer(
    name="litdata_arrays",
    title="LitData, items of arrays",
    prepare=prepare,
    open=open_arrays,
    packages=("litdata", "torch"),
    requirements=REQUIREMENTS,
    workers=(0, 2),
    format_version=2,
)
