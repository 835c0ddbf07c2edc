"""zarr-python at its best for random windows: one array for all files, a chunk for each window, one `oindex` a batch.

Uncompressed and without shards: a shard costs its index once more for each window. Other limits of concurrency and
other sizes of codec batches were tried and change nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from peers._peer import Batch, Gather, Peer

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from datagen import Data
    from numpy.typing import NDArray


def prepare(folder: Path, data: Data) -> None:
    import zarr

    group = zarr.open_group(folder, mode="w")
    shapes = {"tracks": (data.horizon, data.points, 2), "vis": (data.horizon, data.points)}
    for (name, shape), kind in zip(shapes.items(), ("float32", "bool"), strict=True):
        whole, one = (len(data), *shape), (1, *shape)
        group.create_array(name, shape=whole, dtype=kind, chunks=one, compressors=None)
    for number, batch in enumerate(data.each_file()):
        rows = slice(number * data.windows, (number + 1) * data.windows)
        for name, values in batch.items():
            group[name][rows] = values


def open_arrays(folder: Path, data: Data) -> Gather:
    import zarr

    group = zarr.open_group(folder, mode="r")
    tracks, vis = group["tracks"], group["vis"]

    def gather(ids: NDArray[np.int64]) -> Batch:
        return {"tracks": tracks.oindex[ids], "vis": vis.oindex[ids]}

    return gather


PEER = Peer(
    name="zarr_python",
    title="zarr-python, `oindex`",
    prepare=prepare,
    open=open_arrays,
    packages=("zarr", "numcodecs"),
    workers=(0, 2),
)
