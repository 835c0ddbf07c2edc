"""The usual webdataset pipeline, streaming in the order of the tars: `.decode()`, `.to_tuple()`, `.batched()`.

It has no random access; a shuffle buffer, which mixes neighbours only, is left out. The tars carry whole seconds as
times, so that they have no extended headers, which the library else writes for every member and has to read again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from datagen import file_name

from peers._peer import Batch, Order, Peer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from datagen import Data


def prepare(folder: Path, data: Data) -> None:
    write(folder, data, lambda tracks, vis: {"tracks.npy": tracks, "vis.npy": vis})


def write(folder: Path, data: Data, sample: Callable[[Any, Any], dict[str, Any]]) -> None:
    """Write one tar for each file."""
    import webdataset as wds

    for number, batch in enumerate(data.each_file()):
        with wds.TarWriter(str(folder / file_name(number, ".tar")), mtime=1) as tar:
            for window in range(data.windows):
                key = f"{number * data.windows + window:08d}"
                tar.write({"__key__": key, **sample(batch["tracks"][window], batch["vis"][window])})


def samples(folder: Path) -> Any:  # noqa: ANN401 - webdataset is imported where it is needed
    """Return the endless pipeline of undecoded samples."""
    import webdataset as wds

    tars = [str(path) for path in sorted(folder.glob("*.tar"))]
    return wds.WebDataset(tars, shardshuffle=False).repeat()


def loaded(pipeline: Any, workers: int) -> Iterator[Any]:  # noqa: ANN401 - as above
    """Iterate a pipeline of batches here, or in worker processes."""
    if not workers:
        return iter(pipeline)
    import webdataset as wds

    return iter(wds.WebLoader(pipeline, batch_size=None, num_workers=workers, prefetch_factor=4))


def stream(folder: Path, data: Data, order: Order, *, batch: int, workers: int) -> Iterator[Batch]:
    pipeline = samples(folder).decode().to_tuple("tracks.npy", "vis.npy", "__key__").batched(batch)
    for tracks, vis, keys in loaded(pipeline, workers):
        yield {"tracks": tracks, "vis": vis, "ids": np.array(keys, dtype=np.int64)}


PEER = Peer(
    name="webdataset_decode",
    title="webdataset, `.decode()`, in order",
    prepare=prepare,
    stream=stream,
    packages=("webdataset", "torch"),
    workers=(0, 2),
    random_access=False,
)
