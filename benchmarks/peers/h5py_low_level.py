"""h5py at its best: files kept open, dataspaces reused, each window read straight into its place in the batch.

Contiguous data sets, one file for each file of windows; visibility as one byte. Below the high level of h5py (no
selection objects, no dtype look-ups), `DatasetID.read(memory, file, buffer)` is all that is left. One thread: the
library holds one lock for everything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from datagen import file_name

from peers._peer import Batch, Gather, Peer, empty

if TYPE_CHECKING:
    from pathlib import Path

    from datagen import Data
    from numpy.typing import NDArray


def prepare(folder: Path, data: Data) -> None:
    import h5py

    for number, batch in enumerate(data.each_file()):
        with h5py.File(folder / file_name(number, ".h5"), "w", libver="latest") as file:
            file.create_dataset("tracks", data=batch["tracks"])
            file.create_dataset("vis", data=batch["vis"].view(np.uint8))


def open_files(folder: Path, data: Data) -> Gather:
    import h5py

    files = [h5py.File(folder / file_name(number, ".h5"), "r") for number in range(data.files)]
    kinds = {"tracks": np.float32, "vis": np.uint8}
    shapes = {"tracks": (data.horizon, data.points, 2), "vis": (data.horizon, data.points)}
    arrays = {name: [file[name].id for file in files] for name in kinds}
    spaces = {name: arrays[name][0].get_space() for name in kinds}
    memory = {name: h5py.h5s.create_simple((1, *shape)) for name, shape in shapes.items()}
    types = {name: h5py.h5t.py_create(np.dtype(kind)) for name, kind in kinds.items()}

    def gather(ids: NDArray[np.int64]) -> Batch:
        batch = empty(len(ids), data)
        places = [divmod(number, data.windows) for number in ids.tolist()]
        for name in kinds:
            target = batch[name].view(kinds[name])
            space, one, stored, kind = spaces[name], memory[name], arrays[name], types[name]
            ends, size = (0,) * len(shapes[name]), (1, *shapes[name])
            for index, (number, window) in enumerate(places):
                space.select_hyperslab((window, *ends), size)
                stored[number].read(one, space, target[index], kind)
        return batch

    return gather


PEER = Peer(
    name="h5py_low_level",
    title="h5py, `id.read`, spaces reused",
    prepare=prepare,
    open=open_files,
    packages=("h5py",),
    workers=(0, 2),
)
