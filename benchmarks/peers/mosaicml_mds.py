"""MosaicML Streaming, local: columns of arrays of a fixed shape, the quickest encoding that says what it holds.

`LocalDataset`, its class for shards that lie here already, one `dataset[i]` a window, each copied into its place in
the batch; `StreamingDataset` with a local folder is as quick, and cannot be made in worker processes. Digests of shards
are compared with downloads only.
"""

from __future__ import annotations

import importlib.machinery
import sys
import types
from typing import TYPE_CHECKING, Any

import numpy as np

from peers._peer import Batch, Gather, Peer, empty

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from datagen import Data
    from numpy.typing import NDArray

REQUIREMENTS = ("mosaicml-streaming==0.13.0",)


def streaming() -> Any:  # noqa: ANN401 - imported where it is needed
    """Import the library beside a torch without CUDA.

    It imports torchvision for its picture data sets; the wheels of that on PyPI are linked with CUDA libraries and
    fail beside a torch without them. Nothing of it is used here.
    """
    for name in ("torchvision", "torchvision.datasets", "torchvision.transforms", "torchvision.transforms.functional"):
        module: Any = types.ModuleType(name)
        module.__spec__, module.__path__ = importlib.machinery.ModuleSpec(name, None), []
        module.VisionDataset, module.to_tensor = object, None
        sys.modules.setdefault(name, module)
    import streaming as library

    return library


def prepare(folder: Path, data: Data) -> None:
    shape = f"{data.horizon},{data.points}"
    columns = {"tracks": f"ndarray:float32:{shape},2", "vis": f"ndarray:uint8:{shape}"}
    write(folder, data, columns, lambda tracks, vis: {"tracks": tracks, "vis": vis.view(np.uint8)})


def write(folder: Path, data: Data, columns: dict[str, str], sample: Callable[[Any, Any], dict[str, Any]]) -> None:
    """Write shards of the default size."""
    with streaming().MDSWriter(out=str(folder), columns=columns) as out:
        for batch in data.each_file():
            for tracks, vis in zip(batch["tracks"], batch["vis"], strict=True):
                out.write(sample(tracks, vis))


def opened(folder: Path) -> Any:  # noqa: ANN401 - as above
    """Return the data set, read where it lies."""
    return streaming().LocalDataset(str(folder))


def open_columns(folder: Path, data: Data) -> Gather:
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
    name="mosaicml_mds",
    title="MosaicML MDS, columns of arrays",
    prepare=prepare,
    open=open_columns,
    packages=("mosaicml-streaming", "torch"),
    requirements=REQUIREMENTS,
    workers=(0, 2),
)
