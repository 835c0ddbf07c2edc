"""Which ids a rank gets in each step, and where a run stands: without state, threads or data."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from lapsdata.loading.orders import Order, make_order

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from lapsdata.schema.loader import EpochOrder

__all__ = ["Cursor", "Draw", "Last", "Sampler", "Span"]

Last = Literal["mask", "drop"]
"""What is done where an epoch does not fill its last step: repeat samples that are marked, or leave the rest out."""

# Ids are computed for so many samples at once, since a call of NumPy costs as much as hundreds of them.
_AHEAD = 4096


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a run stands.

    Parameters
    ----------
    epoch : int
        Epoch that the next sample is of, from 0.
    position : int
        Samples of it that all ranks together have had.
    round : int
        Rounds that are done: epochs, or times `steps_per_epoch` steps.
    step : int
        Steps of the present round that are done.
    global_step : int
        Steps of all rounds that are done, however many ranks there were and however long a round was.

    Examples
    --------
    >>> Cursor().position
    0
    """

    epoch: int = 0
    position: int = 0
    round: int = 0
    step: int = 0
    global_step: int = 0


@dataclass(frozen=True, slots=True)
class Span:
    """The part of a step that lies in one epoch.

    Parameters
    ----------
    epoch : int
    start, stop : int
        Positions of all ranks, half-open.
    first : int
        First position of this rank; `stop` or more if it has none.
    rows : slice
        Where its samples are in the batch.

    Examples
    --------
    >>> Span(0, 8, 16, 9, slice(0, 4)).rows.stop
    4
    """

    epoch: int
    start: int
    stop: int
    first: int
    rows: slice


@dataclass(frozen=True, slots=True)
class Draw:
    """What a rank gets in one step.

    Parameters
    ----------
    ids : int64 (B,)
    valid : bool (B,)
        False for repeats that fill the last step of an epoch.
    spans : tuple of Span
        Where the valid ones stand in the order.
    after : Cursor
        Where the run stands when they have been received.

    Examples
    --------
    >>> Draw(np.array([4]), np.array([True]), (), Cursor(0, 1)).after.position
    1
    """

    ids: NDArray[np.int64]
    valid: NDArray[np.bool_]
    spans: tuple[Span, ...]
    after: Cursor


class Sampler:
    """The draws of one rank, as a pure function of an order and a cursor.

    In a step that begins at position p, rank r of W gets the positions p + r, p + r + W, p + r + 2 W ...; so the
    ranks' batches, sample by sample, are the order itself, and the last step of an epoch is shared evenly.

    Parameters
    ----------
    order : EpochOrder
    batch_size : int
        Samples of this rank in a step.
    rank, world_size : int
    last : {"mask", "drop"}
    steps_per_epoch : int or None
        Steps of a round that take no notice of the end of an epoch; None where a round is an epoch.

    Examples
    --------
    >>> from lapsdata.schema.loader import EpochOrder, OrderedSource
    >>> order = EpochOrder(seed=0, shuffle="none", samples=5, sources=(OrderedSource(name="source", samples=5),))
    >>> draws = Sampler(order, batch_size=2, rank=1, world_size=2).draws(Cursor(), rounds=1)
    >>> [(draw.ids.tolist(), draw.valid.tolist()) for draw in draws]
    [([1, 3], [True, True]), ([0, 2], [False, False])]
    """

    def __init__(
        self,
        order: EpochOrder,
        *,
        batch_size: int,
        rank: int = 0,
        world_size: int = 1,
        last: Last = "mask",
        steps_per_epoch: int | None = None,
    ) -> None:
        self.record = order
        self.order: Order = make_order(order)
        self.samples = len(self.order)
        self.batch_size, self.rank, self.world_size = batch_size, rank, world_size
        self.step_size = batch_size * world_size
        self.last, self.steps_per_epoch = last, steps_per_epoch

    @property
    def steps_per_round(self) -> int:
        """Steps of a whole round."""
        return self.steps_per_epoch or self._steps_in(self.samples)

    def _steps_in(self, samples: int) -> int:
        return samples // self.step_size if self.last == "drop" else -(-samples // self.step_size)

    def settled(self, cursor: Cursor) -> Cursor:
        """Return where the next step begins: behind what is left of an epoch or a round if that holds no step."""
        if self.steps_per_epoch is not None:
            epochs, position = divmod(cursor.position, self.samples)
            cursor = replace(cursor, epoch=cursor.epoch + epochs, position=position)
            return replace(cursor, round=cursor.round + 1, step=0) if self.ended(cursor) else cursor
        over = self._steps_in(self.samples - cursor.position) == 0
        return Cursor(cursor.epoch + 1, 0, cursor.round + 1, 0, cursor.global_step) if over else cursor

    def ended(self, cursor: Cursor) -> bool:
        """Say whether a cursor stands behind the last step of a round, and the next round has not begun."""
        if self.steps_per_epoch is not None:
            return cursor.step >= self.steps_per_epoch
        return cursor.position >= self.samples

    def steps_left(self, cursor: Cursor, rounds: int) -> int:
        """Return how many steps there are until so many rounds are done, counted from the first."""
        cursor = self.settled(cursor)
        if cursor.round >= rounds:
            return 0
        if self.steps_per_epoch is not None:
            now = self.steps_per_epoch - cursor.step
        else:
            now = self._steps_in(self.samples - cursor.position)
        return now + (rounds - cursor.round - 1) * self.steps_per_round

    def draws(self, cursor: Cursor, rounds: int | None = None) -> Iterator[Draw]:
        """Yield the draws from a cursor on, until so many rounds are done, counted from the first; None is for ever.

        Parameters
        ----------
        cursor : Cursor
        rounds : int or None

        Yields
        ------
        Draw
            After the last of them, the run stands at the end of its round; after any other, where the next one begins.
        """
        ahead = max(1, _AHEAD // self.batch_size)
        cursor = self.settled(cursor)
        while rounds is None or cursor.round < rounds:
            steps = min(ahead, self.steps_left(cursor, cursor.round + 1))
            ids, valid = self._ids(cursor, steps)
            for step in range(steps):
                moved = self._moved(cursor)
                after, spans = self.settled(moved), self._spans(cursor)
                last = rounds is not None and after.round >= rounds
                yield Draw(ids[step], valid[step], spans, self._end(moved) if last else after)
                cursor = after
            cursor = self.settled(cursor)

    def _ids(self, cursor: Cursor, steps: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Return ids and validity (steps, B) of some steps of one round."""
        count = steps * self.batch_size
        line = cursor.position + self.rank + self.world_size * np.arange(count, dtype=np.int64)
        beyond, places = np.divmod(line, self.samples)
        if self.steps_per_epoch is None:
            ids = self.order.ids(cursor.epoch, places)
            valid = beyond == 0
        else:
            ids = np.empty(count, np.int64)
            for epoch in np.unique(beyond).tolist():
                here = beyond == epoch
                ids[here] = self.order.ids(cursor.epoch + epoch, places[here])
            valid = np.ones(count, bool)
        shape = (steps, self.batch_size)
        return ids.reshape(shape), valid.reshape(shape)

    def _moved(self, cursor: Cursor) -> Cursor:
        """Return where a run stands after one more step, in the same round."""
        line, done = cursor.position + self.step_size, {"step": cursor.step + 1, "global_step": cursor.global_step + 1}
        if self.steps_per_epoch is not None:
            epochs, position = divmod(line, self.samples)
            return replace(cursor, epoch=cursor.epoch + epochs, position=position, **done)
        return replace(cursor, position=min(line, self.samples), **done)

    def _end(self, moved: Cursor) -> Cursor:
        """Return the end of a round after its last step: what was dropped lies behind it as well."""
        return moved if self.steps_per_epoch is not None else replace(moved, position=self.samples)

    def _spans(self, cursor: Cursor) -> tuple[Span, ...]:
        """Return the epochs that the next step has a part in."""
        begin, end = cursor.position, cursor.position + self.step_size
        if self.steps_per_epoch is None:
            end = min(end, self.samples)
        found = []
        for epoch in range(-(-end // self.samples)):
            base = epoch * self.samples
            start, stop = max(begin, base), min(end, base + self.samples)
            low, high = (-(-max(0, edge - begin - self.rank) // self.world_size) for edge in (start, stop))
            first = begin + self.rank + low * self.world_size - base
            found.append(Span(cursor.epoch + epoch, start - base, stop - base, first, slice(low, high)))
        return tuple(found)
