"""The order of streams: several places of shuffled archives are read at once, each from there on, and mixed.

The archives of an epoch, shuffled, are one line, which is cut into K streams of equal length. Positions go round the
streams: position p is sample p // K of stream p % K. Within a stream, samples change places inside *spans*: runs of
neighbours in one archive, as long as a shuffle buffer. Where the spans of an archive begin is a hash of its number, so
that streams do not all come to new ones at the same time; whoever reads knows the spans without knowing the order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lapsdata.loading._hashing import keys_of, mixed
from lapsdata.loading.permutation import permutation, within_windows

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Spans", "StreamOrder"]


class Spans:
    """Runs of neighbours that are read at once.

    Parameters
    ----------
    samples : int
    per_block : int
        Samples of every archive but the last.
    rows : int
        Samples of a span; the first and the last of an archive may be shorter.

    Examples
    --------
    >>> spans = Spans(10, 6, 4)
    >>> numbers = spans.of(np.arange(10))
    >>> [(number, *spans.bounds(number)) for number in np.unique(numbers).tolist()]
    [(0, 0, 0, 1), (1, 0, 1, 5), (2, 0, 5, 6), (3, 1, 0, 4)]
    """

    def __init__(self, samples: int, per_block: int, rows: int) -> None:
        self.samples, self.per_block, self.rows = samples, min(per_block, samples), min(rows, per_block, samples)
        self._per = -(-self.per_block // self.rows) + 1

    def _shift(self, blocks: NDArray[np.int64]) -> NDArray[np.int64]:
        return (mixed(blocks.astype(np.uint64)) % np.uint64(self.rows)).astype(np.int64)

    def of(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the number of the span that each sample lies in."""
        blocks, offsets = np.divmod(ids, self.per_block)
        spans: NDArray[np.int64] = blocks * self._per + (offsets + self._shift(blocks)) // self.rows
        return spans

    def bounds(self, number: int) -> tuple[int, int, int]:
        """Return the archive of a span, and its first sample there and the end of its samples."""
        block, within = divmod(number, self._per)
        first = within * self.rows - int(self._shift(np.array([block]))[0])
        most = min(self.per_block, self.samples - block * self.per_block)
        return block, max(0, first), min(most, first + self.rows)

    def edges(self, ids: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the first sample of the span of each sample, as if nothing cut it short, and the span's number."""
        blocks, offsets = np.divmod(ids, self.per_block)
        shifted = offsets + self._shift(blocks)
        numbers: NDArray[np.int64] = blocks * self._per + shifted // self.rows
        return ids - shifted % self.rows, numbers


class StreamOrder:
    """Ids by position; see the module.

    Parameters
    ----------
    samples : int
    per_block : int
        Samples of every archive but the last.
    streams : int
        K.
    rows : int
        Samples of a span.
    *words : int or str
        What the shuffles depend on.

    Examples
    --------
    >>> order = StreamOrder(10, 3, 2, 2, "docs")
    >>> sorted(order.ids(0, np.arange(10)).tolist()) == list(range(10))
    True
    """

    def __init__(self, samples: int, per_block: int, streams: int, rows: int, *words: int | str) -> None:
        self._spans, self._samples, self._words = Spans(samples, per_block, rows), samples, words
        self._per = self._spans.per_block
        self._blocks = -(-samples // self._per)
        self._gap = self._blocks * self._per - samples
        self._streams = min(streams, samples)
        self._length, self._longer = divmod(samples, self._streams)

    def __len__(self) -> int:
        return self._samples

    def ids(self, epoch: int, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the ids at positions of an epoch."""
        rounds, streams = np.divmod(positions, self._streams)
        begin = streams * self._length + np.minimum(streams, self._longer)
        end = begin + self._length + (streams < self._longer)
        line = begin + rounds
        ids = self._at(line, epoch)
        first, spans = self._spans.edges(ids)
        # Within an archive, the line and the ids run alike: what of a span its archive and its stream have of it.
        blocks = ids // self._per
        low = np.maximum(np.maximum(first, blocks * self._per), ids - line + begin)
        high = np.minimum(first + self._spans.rows, np.minimum((blocks + 1) * self._per, self._samples))
        high = np.minimum(high, ids - line + end)
        return self._within(ids, first, low, high, spans, epoch)

    def _at(self, line: NDArray[np.int64], epoch: int) -> NDArray[np.int64]:
        """Return the ids along the line of shuffled archives; the last archive, which may be shorter, is anywhere."""
        short = int(keys_of((*self._words, "short", epoch), 1)[0]) % self._blocks
        slots = line + self._gap * (line >= (short + 1) * self._per - self._gap)
        places, offsets = np.divmod(slots, self._per)
        blocks = np.full(len(line), self._blocks - 1, np.int64)
        others = places != short
        if others.any():
            whole = places[others]
            shuffle = permutation(self._blocks - 1, *self._words, "blocks", epoch)
            blocks[others] = shuffle(whole - (whole > short))
        ids: NDArray[np.int64] = blocks * self._per + offsets
        return ids

    def _within(
        self,
        ids: NDArray[np.int64],
        first: NDArray[np.int64],
        low: NDArray[np.int64],
        high: NDArray[np.int64],
        spans: NDArray[np.int64],
        epoch: int,
    ) -> NDArray[np.int64]:
        """Shuffle inside of spans; of one that is cut short, ids are sent on until they are inside of what is left."""
        found, todo = ids.copy(), np.arange(len(ids))
        while len(todo):
            offsets = found[todo] - first[todo]
            words = (*self._words, "span", epoch)
            found[todo] = first[todo] + within_windows(offsets, self._spans.rows, spans[todo], *words)
            todo = todo[(found[todo] < low[todo]) | (found[todo] >= high[todo])]
        return found
