"""MosaicML Streaming, local, at its quickest: one bytes column a window, taken apart with `np.frombuffer`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from peers._peer import Batch, Gather, Peer, empty
from peers.mosaicml_mds import REQUIREMENTS, opened, write

if TYPE_CHECKING:
    from pathlib import Path

    from datagen import Data
    from numpy.typing import NDArray


def prepare(folder: Path, data: Data) -> None:
    write(folder, data, {"window": "bytes"}, lambda tracks, vis: {"window": tracks.tobytes() + vis.tobytes()})


def open_bytes(folder: Path, data: Data) -> Gather:
    items = opened(folder)
    shape = (data.horizon, data.points)
    positions = 2 * data.horizon * data.points

    def gather(ids: NDArray[np.int64]) -> Batch:
        batch = empty(len(ids), data)
        tracks, vis = batch["tracks"], batch["vis"]
        for place, number in enumerate(ids.tolist()):
            content = items[number]["window"]
            tracks[place] = np.frombuffer(content, np.float32, positions).reshape(*shape, 2)
            vis[place] = np.frombuffer(content, np.bool_, offset=4 * positions).reshape(shape)
        return batch

    return gather


PEER = Peer(
    name="mosaicml_mds_bytes",
    title="MosaicML MDS, a bytes column",
    prepare=prepare,
    open=open_bytes,
    packages=("mosaicml-streaming", "torch"),
    requirements=REQUIREMENTS,
    workers=(0, 2),
)
