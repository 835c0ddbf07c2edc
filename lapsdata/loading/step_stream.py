"""Robot steps one after another, for loops that cannot ask by number: each once, whatever the workers, as by number.

The steps are cut into blocks of an episode, which files hold together; blocks are put in an order that seed and epoch
decide, and dealt to the readers one by one, so that all readers have work while there are blocks. A reader takes the
rows of its blocks in their order and gives them out through a buffer that mixes them.
"""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from lapsdata.errors import Problems, SchemaError, whole_number
from lapsdata.loading.torch_bridge import joined_group

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from lapsdata.loading._step_meta import EpisodeSpan
    from lapsdata.loading.source import Batch

__all__ = ["StepStream", "stream_of"]


class _Reader(NamedTuple):
    """Which of the readers this one is: the workers of all ranks, counted through."""

    number: int
    of: int


class _Steps(Protocol):
    """What is asked of a `StepDataset`."""

    @property
    def episodes(self) -> tuple[EpisodeSpan, ...]:
        """Which steps are those of each episode."""

    def __len__(self) -> int:
        """Return the number of steps."""

    def __getitems__(self, ids: Sequence[int]) -> list[Batch]:
        """Return several samples."""


class StepStream:
    """Samples of steps, in an order that a reader can read; made by `StepDataset.stream`.

    In a torch `DataLoader` with any number of workers, and in any number of ranks, each step comes once in an epoch;
    ranks must not have workers of unlike number. Iterating again is the next epoch; workers are copies that do not know
    how often they were begun, so with workers set `epoch` before each loop.

    Parameters
    ----------
    steps : StepDataset
    buffer : int
        How many samples are held to be mixed; 1 gives blocks as they lie.
    block_rows : int
        Steps of a block.
    seed : int

    Attributes
    ----------
    epoch : int
        Of the next iteration.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lapsdata.loading import open_steps
    >>> from lapsdata.testing.episode_sets import write_lerobot
    >>> root = write_lerobot(pathlib.Path(tempfile.mkdtemp()) / "set", lengths=(4, 6))
    >>> samples = list(open_steps(root).stream(buffer=4, block_rows=3, seed=1))
    >>> sorted(int(sample["index"]) for sample in samples)
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
    """

    def __init__(self, steps: _Steps, *, buffer: int = 256, block_rows: int = 32, seed: int = 0) -> None:
        found = Problems("stream")
        for name, value, least in (("buffer", buffer, 1), ("block_rows", block_rows, 1), ("seed", seed, 0)):
            number = whole_number(value)
            if number is None or number < least:
                found.add("wrong-value", name, f"expected a whole number from {least} on, got {value!r}")
        found.raise_as(SchemaError)
        self.steps, self.epoch = steps, 0
        self._buffer, self._block_rows, self._seed = buffer, block_rows, seed

    def __len__(self) -> int:
        """Return the number of steps of all readers together."""
        return len(self.steps)

    def blocks(self, epoch: int) -> list[tuple[int, int]]:
        """Return the blocks of an epoch in their order: first step, and the first that is not in it."""
        parts = [
            (first, min(first + self._block_rows, span.stop))
            for span in self.steps.episodes
            for first in range(span.start, span.stop, self._block_rows)
        ]
        order = np.random.default_rng([self._seed, epoch, 0]).permutation(len(parts))
        return [parts[at] for at in order.tolist()]

    def __iter__(self) -> Iterator[Batch]:
        epoch, self.epoch = self.epoch, self.epoch + 1
        reader = _reader()
        random = np.random.default_rng([self._seed, epoch, 1 + reader.number])
        held: list[Batch] = []
        for first, stop in self.blocks(epoch)[reader.number :: reader.of]:
            for sample in self.steps.__getitems__(range(first, stop)):
                if len(held) < self._buffer:
                    held.append(sample)
                    continue
                at = int(random.integers(len(held)))
                given, held[at] = held[at], sample
                yield given
        mixed: NDArray[np.int64] = random.permutation(len(held)) if self._buffer > 1 else np.arange(len(held))
        yield from (held[at] for at in mixed.tolist())


def _reader() -> _Reader:
    """Tell which reader this is: of the worker of a `DataLoader`, if it is one, in the rank, if there are several."""
    # Who is a worker of torch's has imported it.
    data = sys.modules.get("torch.utils.data")
    worker = None if data is None else data.get_worker_info()
    rank, ranks = joined_group() or (0, 1)
    number, count = (0, 1) if worker is None else (worker.id, worker.num_workers)
    return _Reader(rank * count + number, ranks * count)


def stream_of(steps: _Steps, told: dict[str, Any]) -> StepStream:
    """Return a stream that a torch `DataLoader` takes for one where torch is there, else a plain one."""
    return _of_torch()(steps, **told)


@functools.cache
def _of_torch() -> type[StepStream]:
    try:
        from torch.utils.data import IterableDataset
    except ImportError:
        return StepStream

    class TorchStepStream(StepStream, IterableDataset):  # type: ignore[type-arg]  # of samples
        """A stream that torch knows as one."""

        def __reduce__(self) -> tuple[Any, ...]:
            told = {"buffer": self._buffer, "block_rows": self._block_rows, "seed": self._seed}
            return _again, (self.steps, told, self.epoch)

    return TorchStepStream


def _again(steps: _Steps, told: dict[str, Any], epoch: int) -> StepStream:
    stream = stream_of(steps, told)
    stream.epoch = epoch
    return stream
