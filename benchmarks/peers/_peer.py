"""What a rival says of itself, and how any of them is asked for batches."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path  # noqa: TC003 - an annotation of a dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from datagen import Data

__all__ = ["Batch", "Gather", "Order", "Peer", "Stream", "batches", "empty"]

Batch = dict[str, Any]
"""`tracks (B, T, N, 2)` float32, `vis (B, T, N)` bool: NumPy arrays or torch tensors, in memory of their own."""

Order = Iterable[NDArray[np.int64]]
"""One row of window numbers for each batch."""

Gather = Callable[[NDArray[np.int64]], Batch]
"""Windows of these numbers, in this order."""


class Stream(Protocol):
    """Batches from a loader of the rival's own, which brings its own worker processes."""

    def __call__(self, folder: Path, data: Data, order: Order, *, batch: int, workers: int) -> Iterator[Batch]:
        """Yield batches; a rival without random access gives its own order, and each batch `ids` (B,)."""
        ...


@dataclass(frozen=True)
class Peer:
    """One rival: the object `PEER` of its file."""

    name: str
    """That of its file."""
    title: str
    """As it is called in a table."""
    prepare: Callable[[Path, Data], None] | None = None
    """Writes the windows as the rival wants them into an empty folder, file by file."""
    files: str = ""
    """In place of `prepare`: the rival, or the kind of `datagen.KINDS`, whose files are read."""
    open: Callable[[Path, Data], Gather] | None = None
    """Gives random access; exactly one of `open` and `stream` is given."""
    stream: Stream | None = None
    packages: tuple[str, ...] = ()
    """Distributions whose versions a result names."""
    requirements: tuple[str, ...] = ()
    """What pip must install into an environment of its own; without any it runs in ours."""
    workers: tuple[int, ...] = (0,)
    """Numbers of worker processes worth trying on two cores; 0 reads in the process that asks."""
    verifies: bool = False
    """Whether, as used here, a flipped bit of the payload is an error instead of a wrong number."""
    random_access: bool = True
    """Whether any order can be asked for."""
    format_version: int = 1
    """Of what `prepare` writes."""


def empty(count: int, data: Data) -> Batch:
    """Return fresh memory for windows."""
    return {
        "tracks": np.empty((count, data.horizon, data.points, 2), np.float32),
        "vis": np.empty((count, data.horizon, data.points), np.bool_),
    }


class _Batches:
    """A map-style data set whose items are whole batches: how random access is used in worker processes."""

    def __init__(self, name: str, folder: Path, data: Data) -> None:
        self._name, self._folder, self._data = name, folder, data
        self._gather: Gather | None = None

    def __getitem__(self, ids: NDArray[np.int64]) -> Batch:
        if self._gather is None:
            from peers import load

            make = load(self._name).open
            assert make is not None
            self._gather = make(self._folder, self._data)
        return self._gather(ids)


@functools.cache
def _source(name: str, folder: Path, data: Data) -> _Batches:
    """Keep what has been opened from one repeat to the next, with its maps and indexes."""
    return _Batches(name, folder, data)


def batches(peer: Peer, folder: Path, data: Data, order: Order, *, batch: int, workers: int) -> Iterator[Batch]:
    """Yield what a rival reads; with workers, through torch's loader, each item of which is then a batch."""
    if peer.stream is not None:
        yield from peer.stream(folder, data, order, batch=batch, workers=workers)
        return
    source = _source(peer.name, folder, data)
    if not workers:
        yield from map(source.__getitem__, order)
        return
    from torch.utils.data import DataLoader

    yield from DataLoader(source, batch_size=None, sampler=order, num_workers=workers, prefetch_factor=4)
