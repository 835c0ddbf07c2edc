"""tensorstore at its best for random windows: a chunk for each window, one read by index array in one `ts.Batch`.

Both arrays are read at once by its own threads, one for each core. Its cache of decoded chunks is off: with one as
large as the data it would hand over copies from memory, which is the reference row and no reading.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from peers._peer import Batch, Gather, Peer

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from datagen import Data
    from numpy.typing import NDArray


def open_arrays(folder: Path, data: Data) -> Gather:
    import tensorstore as ts

    threads = {"limit": os.cpu_count() or 1}
    context = ts.Context(
        {"cache_pool": {"total_bytes_limit": 0}, "data_copy_concurrency": threads, "file_io_concurrency": threads}
    )

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
    files="zarr_python",
    open=open_arrays,
    packages=("tensorstore",),
)
