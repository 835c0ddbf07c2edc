"""zarr-python at its best for random windows: one array for all files, a chunk for each window, one `oindex` a batch.

Uncompressed and without shards: a shard costs its index once more for each window. Other limits of concurrency and
other sizes of codec batches were tried and change nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from peers._peer import Batch, Gather, Peer

if TYPE_CHECKING:
    from pathlib import Path

    from datagen import Data
    from numpy.typing import NDArray


def prepare(folder: Path, data: Data) -> None:
    write(folder, data, shard_files=0)


def write(folder: Path, data: Data, *, shard_files: int) -> None:
    """Write both arrays; `shard_files` files of windows make one shard, and are held at once."""
    import zarr

    group = zarr.open_group(folder, mode="w")
    shapes = {"tracks": (data.horizon, data.points, 2), "vis": (data.horizon, data.points)}
    for (name, shape), kind in zip(shapes.items(), ("float32", "bool"), strict=True):
        shards = (shard_files * data.windows, *shape) if shard_files else None
        whole, one = (len(data), *shape), (1, *shape)
        group.create_array(name, shape=whole, dtype=kind, chunks=one, shards=shards, compressors=None)
    step = max(shard_files, 1) * data.windows
    for start in range(0, len(data), step):
        stop = min(start + step, len(data))
        for name, values in data.expected(np.arange(start, stop)).items():
            group[name][start:stop] = values


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
