"""Which id stands at which position of an epoch: a pure function of the record of the order, epoch and position."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Protocol

import numpy as np

from lapsdata.errors import Problem, SchemaError
from lapsdata.loading._hashing import keys_of, sum_of_hashes
from lapsdata.loading._stream_order import StreamOrder
from lapsdata.loading.permutation import Permutation, permutation, within_windows
from lapsdata.loading.schedule import Schedule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from lapsdata.schema.loader import EpochOrder, OrderedSource

__all__ = ["Order", "make_order", "position_ranges", "sum_of_epoch"]

# So many slots of a mixture change places, so that no rank meets one source more often than another rank does. Fewer
# than the samples of a step, which then holds what the schedule says.
_MIXED_SLOTS = 32

_CHUNK = 1 << 20


class Order(Protocol):
    """Ids by position; `len` is the number of positions of an epoch."""

    def __len__(self) -> int:
        """Return the number of positions of an epoch."""

    def ids(self, epoch: int, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the ids at positions of an epoch."""


def make_order(record: EpochOrder) -> Order:
    """Return the order that a record describes.

    Parameters
    ----------
    record : EpochOrder

    Returns
    -------
    Order

    Examples
    --------
    >>> from lapsdata.schema.loader import EpochOrder, OrderedSource
    >>> record = EpochOrder(seed=0, shuffle="none", samples=3, sources=(OrderedSource(name="source", samples=3),))
    >>> make_order(record).ids(0, np.array([2, 0]))
    array([2, 0])
    """
    if record.exhausted is not None:
        return _Mixed(record)
    order = _single(record.sources[0], record, "source")
    if len(order) != record.samples:
        message = f"expected as many samples as its source has, {len(order)}, got {record.samples}"
        raise SchemaError(Problem("wrong-value", "order: samples", message))
    return order


def _single(source: OrderedSource, record: EpochOrder, *words: int | str) -> Order:
    if record.shuffle == "none":
        return _Plain(source.samples)
    if record.shuffle == "global":
        return _Shuffled(source.samples, record.seed, *words)
    if record.shuffle == "stream":
        streams, rows = record.streams or 1, record.span_rows or 1
        return StreamOrder(source.samples, source.block_rows or 1, streams, rows, record.seed, *words)
    rows, window = source.block_rows or 1, record.window_blocks or 1
    if source.parts is None:
        return _Blocks(source.samples, rows, window, record.seed, *words)
    return _BlocksOfParts(source, rows, window, record.seed, *words)


class _Plain:
    """Ids in their own order."""

    def __init__(self, samples: int) -> None:
        self._samples = samples

    def __len__(self) -> int:
        return self._samples

    def ids(self, epoch: int, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        return positions.astype(np.int64)


class _Shuffled:
    """Any id at any position."""

    def __init__(self, samples: int, *words: int | str) -> None:
        self._samples, self._words = samples, words

    def __len__(self) -> int:
        return self._samples

    def ids(self, epoch: int, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        return permutation(self._samples, *self._words, "global", epoch)(positions)


class _Blocks:
    """Blocks of neighbours are shuffled, and their samples within windows of so many blocks.

    The last block may be shorter. It gets a place of its own among the others; behind it, the line of whole blocks
    has a *gap* that positions leap over.
    """

    def __init__(self, samples: int, rows: int, window: int, *words: int | str) -> None:
        self._samples, self._words = samples, words
        self._rows = min(rows, samples)
        self._blocks = -(-samples // self._rows)
        self._gap = self._blocks * self._rows - samples
        self._window = window * self._rows

    def __len__(self) -> int:
        return self._samples

    def ids(self, epoch: int, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        # Place of the shortest block, and where the gap behind it begins, in the line of whole blocks.
        short = int(keys_of((*self._words, "short", epoch), 1)[0]) % self._blocks
        gap_at = (short + 1) * self._rows - self._gap
        slots = self._within(positions + self._gap * (positions >= gap_at), gap_at, epoch)
        blocks = slots // self._rows
        found = np.full(len(blocks), self._blocks - 1, np.int64)
        others = blocks != short
        if others.any():
            whole = blocks[others]
            shuffle = permutation(self._blocks - 1, *self._words, "blocks", epoch)
            found[others] = shuffle(whole - (whole > short))
        ids: NDArray[np.int64] = found * self._rows + slots % self._rows
        return ids

    def _within(self, slots: NDArray[np.int64], gap_at: int, epoch: int) -> NDArray[np.int64]:
        """Shuffle slots of the line within their windows; the gap stays where it is."""
        windows = slots // self._window
        line = self._blocks * self._rows
        # Two windows may be smaller than the others: the one with the gap, and the last.
        odd = {(gap_at - 1) // self._window} if self._gap else set()
        if line % self._window:
            odd.add(line // self._window)
        found = slots.copy()
        rest = np.ones(len(slots), bool)
        for window in sorted(odd):
            here = windows == window
            rest &= ~here
            if here.any():
                found[here] = self._in_odd_window(slots[here], window, gap_at, epoch)
        if rest.any():
            starts = windows[rest] * self._window
            offsets = slots[rest] - starts
            found[rest] = starts + within_windows(offsets, self._window, windows[rest], *self._words, "window", epoch)
        return found

    def _in_odd_window(self, slots: NDArray[np.int64], window: int, gap_at: int, epoch: int) -> NDArray[np.int64]:
        start = window * self._window
        stop = min(start + self._window, self._blocks * self._rows)
        gap = self._gap if start < gap_at <= stop else 0
        shuffle = permutation(stop - start - gap, *self._words, "window", epoch, window)
        found = start + shuffle(slots - start - gap * (slots >= gap_at))
        leaped: NDArray[np.int64] = found + gap * (found >= gap_at)
        return leaped


class _BlocksOfParts:
    """Blocks that end where their file ends are shuffled, and their samples within windows of so many whole blocks.

    Memory grows with the number of blocks: where each stands in the line of an epoch is kept.
    """

    def __init__(self, source: OrderedSource, rows: int, window: int, *words: int | str) -> None:
        self._source, self._rows, self._window, self._words = source, rows, window * rows, words
        told = sum(rows * count for rows, count in source.parts or ())
        if told != source.samples:
            message = f"expected as many samples as the source has, {source.samples}, got {told}"
            raise SchemaError(Problem("wrong-value", f"order: {source.name}: parts", message))

    def __len__(self) -> int:
        return self._source.samples

    def ids(self, epoch: int, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        windows, offsets = np.divmod(positions, self._window)
        last, rest = divmod(len(self), self._window)
        slots: NDArray[np.int64] = windows * self._window
        whole = windows < last
        slots[whole] += within_windows(offsets[whole], self._window, windows[whole], *self._words, "window", epoch)
        if not whole.all():
            slots[~whole] += permutation(rest, *self._words, "window", epoch, last)(offsets[~whole])
        begins, first = _line_of_blocks(self._source.parts or (), self._rows, self._words, epoch)
        block = np.searchsorted(begins, slots, "right") - 1
        ids: NDArray[np.int64] = first[block] + (slots - begins[block])
        return ids


@functools.lru_cache(maxsize=4)
def _line_of_blocks(
    parts: tuple[tuple[int, int], ...], rows: int, words: tuple[int | str, ...], epoch: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return where each block begins in the line of an epoch, and its first id."""
    length = np.repeat([size for size, _ in parts], [count for _, count in parts])
    blocks = -(-length // rows)
    within = np.arange(blocks.sum()) - np.repeat(np.cumsum(blocks) - blocks, blocks)
    first = np.repeat(np.cumsum(length) - length, blocks) + within * rows
    size: NDArray[np.int64] = np.minimum(rows, np.repeat(length, blocks) - within * rows)
    shuffled = permutation(len(first), *words, "blocks", epoch)(np.arange(len(first)))
    size = size[shuffled]
    return np.cumsum(size) - size, first[shuffled]


class _Mixed:
    """The schedule of a mixture says which source, and which of its samples in the source's own order."""

    def __init__(self, record: EpochOrder) -> None:
        self._record = record
        self._schedule = Schedule(tuple(source.share for source in record.sources))
        self._first = np.cumsum([0, *(source.samples for source in record.sources)])

    def __len__(self) -> int:
        return self._record.samples

    def ids(self, epoch: int, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        sources, counts = self._schedule.at(self._slots(positions, epoch))
        found = np.empty(len(positions), np.int64)
        for number, source in enumerate(self._record.sources):
            here = sources == number
            if here.any():
                found[here] = self._first[number] + self._of_source(number, source, epoch, counts[here])
        return found

    def _of_source(
        self, number: int, source: OrderedSource, epoch: int, counts: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Return the ids of the samples `counts` of a source, which begins again when it has come to its end."""
        rounds, places = np.divmod(counts, source.samples)
        found = np.empty(len(counts), np.int64)
        for turn in np.unique(rounds).tolist():
            here = rounds == turn
            found[here] = _single(source, self._record, "mixture", number, turn).ids(epoch, places[here])
        return found

    def _slots(self, positions: NDArray[np.int64], epoch: int) -> NDArray[np.int64]:
        if self._record.shuffle == "none":
            return positions
        windows, offsets = np.divmod(positions, _MIXED_SLOTS)
        last, rest = divmod(len(self), _MIXED_SLOTS)
        found = np.empty(len(positions), np.int64)
        whole = windows < last
        words = (self._record.seed, "slots", epoch)
        found[whole] = within_windows(offsets[whole], _MIXED_SLOTS, windows[whole], *words)
        if rest:
            found[~whole] = Permutation(rest, *words, last)(offsets[~whole])
        slots: NDArray[np.int64] = found + windows * _MIXED_SLOTS
        return slots


def position_ranges(start: int, stop: int, step: int = 1) -> Iterator[NDArray[np.int64]]:
    """Yield `start, start + step ...` below `stop` in pieces that fit into a processor's cache.

    Examples
    --------
    >>> [positions.tolist() for positions in position_ranges(1, 8, 3)]
    [[1, 4, 7]]
    """
    for begin in range(start, stop, _CHUNK * step):
        yield np.arange(begin, min(stop, begin + _CHUNK * step), step, dtype=np.int64)


def sum_of_epoch(order: Order, record: EpochOrder, epoch: int) -> int:
    """Return the sum of the hashes of all ids of an epoch, modulo 2**64.

    For a single source it is told from the length alone: every id comes once, in whatever order.

    Examples
    --------
    >>> from lapsdata.schema.loader import EpochOrder, OrderedSource
    >>> record = EpochOrder(seed=0, shuffle="global", samples=9, sources=(OrderedSource(name="source", samples=9),))
    >>> sum_of_epoch(make_order(record), record, 0) == sum_of_epoch(make_order(record), record, 1)
    True
    """
    total = 0
    for positions in position_ranges(0, len(order)):
        ids = positions if record.exhausted is None else order.ids(epoch, positions)
        total += sum_of_hashes(ids)
    return total & (2**64 - 1)
