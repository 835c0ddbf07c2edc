"""webdataset at its quickest, streaming in the order of the tars: one plain member a window, no decoders.

One member costs half the headers of two, and `np.frombuffer` is less work than opening npy files; the price is that
the tars no longer say what is in them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from peers._peer import Batch, Order, Peer
from peers.webdataset_decode import loaded, samples, write

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from datagen import Data
    from numpy.typing import NDArray


def prepare(folder: Path, data: Data) -> None:
    write(folder, data, lambda tracks, vis: {"bin": tracks.tobytes() + vis.tobytes()})


def stream(folder: Path, data: Data, order: Order, *, batch: int, workers: int) -> Iterator[Batch]:
    shape = (data.horizon, data.points)
    positions = 2 * data.horizon * data.points

    def arrays(sample: dict[str, bytes]) -> tuple[NDArray[np.float32], NDArray[np.bool_], str]:
        content = sample["bin"]
        tracks = np.frombuffer(content, np.float32, positions).reshape(*shape, 2)
        return tracks, np.frombuffer(content, np.bool_, offset=tracks.nbytes).reshape(shape), sample["__key__"]

    for tracks, vis, keys in loaded(samples(folder).map(arrays).batched(batch), workers):
        yield {"tracks": tracks, "vis": vis, "ids": np.array(keys, dtype=np.int64)}


PEER = Peer(
    name="webdataset_buffers",
    title="webdataset, one plain member a window, in order",
    prepare=prepare,
    stream=stream,
    packages=("webdataset", "torch"),
    workers=(0, 2),
    random_access=False,
)
