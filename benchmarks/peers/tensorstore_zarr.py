"""tensorstore at its best for random windows: few large shards, one read by index array in one `ts.Batch`.

Zarr v3, a chunk for each window, uncompressed. Both arrays are read at once by its own threads, as many as it
chooses; its cache has room for the indexes of the shards. With one as large as the data it would hand over copies from
memory, which is the reference row and no reading.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from peers._peer import Batch, Gather, Peer
from peers.zarr_python import write

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from datagen import Data
    from numpy.typing import NDArray

SHARDS = 4
CACHE_BYTES = 8_000_000


def prepare(folder: Path, data: Data) -> None:
    write(folder, data, shard_files=-(-data.files // SHARDS))


def open_arrays(folder: Path, data: Data) -> Gather:
    import tensorstore as ts

    context = ts.Context({"cache_pool": {"total_bytes_limit": CACHE_BYTES}})

    def array(name: str) -> ts.TensorStore:
        store = {"driver": "file", "path": f"{folder}/{name}/"}
        checks = {"recheck_cached_metadata": False, "recheck_cached_data": False}
        return ts.open({"driver": "zarr3", "kvstore": store, **checks}, context=context, read=True).result()

    tracks, vis = array("tracks"), array("vis")

    def gather(ids: NDArray[np.int64]) -> Batch:
        with ts.Batch() as batch:
            asked = {"tracks": tracks[ids].read(batch=batch), "vis": vis[ids].read(batch=batch)}
        return {name: future.result() for name, future in asked.items()}

    return gather


PEER = Peer(
    name="tensorstore_zarr",
    title="tensorstore, index array in a `Batch`",
    prepare=prepare,
    open=open_arrays,
    packages=("tensorstore",),
)
