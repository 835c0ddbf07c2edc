"""LitData at its quickest: one bytes leaf a window, seen in place, and chunks so large that all of them stay mapped.

A leaf of bytes comes as a view of the mapped chunk, so that each window is copied once, into the batch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from peers._peer import Batch, Gather, Peer, empty
from peers.litdata_arrays import CHUNK_BYTES, REQUIREMENTS, opened, write

if TYPE_CHECKING:
    from pathlib import Path

    from datagen import Data
    from numpy.typing import NDArray


def prepare(folder: Path, data: Data) -> None:
    write(folder, data, lambda tracks, vis: tracks.tobytes() + vis.tobytes(), CHUNK_BYTES)


def open_bytes(folder: Path, data: Data) -> Gather:
    items = opened(folder)
    shape = (data.horizon, data.points)
    positions = 2 * data.horizon * data.points

    def gather(ids: NDArray[np.int64]) -> Batch:
        batch = empty(len(ids), data)
        tracks, vis = batch["tracks"], batch["vis"]
        for place, number in enumerate(ids.tolist()):
            content = items[number]
            tracks[place] = np.frombuffer(content, np.float32, positions).reshape(*shape, 2)
            vis[place] = np.frombuffer(content, np.bool_, offset=4 * positions).reshape(shape)
        return batch

    return gather


PEER = Peer(
    name="litdata_bytes",
    title="LitData, a bytes leaf a window",
    prepare=prepare,
    open=open_bytes,
    packages=("litdata", "torch"),
    requirements=REQUIREMENTS,
    workers=(0, 2),
)
