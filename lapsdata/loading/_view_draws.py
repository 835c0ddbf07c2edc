"""Which sets an epoch of views has, how many views of each, and in which batches: a pure function of seed and epoch.

Every epoch has as many sets of each number of views as any other, so it has as many batches; which sets these are
changes. A set that comes again comes with other views, and only after all others of its kind have come as often.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lapsdata.errors import Problem, SchemaError
from lapsdata.loading.permutation import permutation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["Group", "Rows", "ViewDraws", "shared_out"]


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Sets of one data set that can give the same numbers of views.

    Parameters
    ----------
    part : int
        Which data set.
    counts : tuple of int
        Numbers of views, the fewest first.
    members : int64 (N,)
        Numbers of the sets in the data set.
    size : int
        How many of an epoch's sets are of it.
    """

    part: int
    counts: tuple[int, ...]
    members: NDArray[np.int64]
    size: int

    def having(self, count: int) -> int:
        """Return how many of an epoch's sets have so many views: as many of each number, give or take one."""
        if count not in self.counts:
            return 0
        return len(range(self.counts.index(count), self.size, len(self.counts)))


class Rows(NamedTuple):
    """The sets of a batch.

    Parameters
    ----------
    views : int
        Of each.
    part, set_id, turn : int64 (B,)
        Data set, number of the set in it, and how often it has come before.
    """

    views: int
    part: NDArray[np.int64]
    set_id: NDArray[np.int64]
    turn: NDArray[np.int64]


class ViewDraws:
    """The batches of each epoch.

    Parameters
    ----------
    groups : sequence of Group
    max_images : int
        Images of a batch; a batch has one set where that has more.
    seed : int
    shuffle : bool
        Whether sets come in another order in each epoch; else as they lie, the fewest views first. What a set gives is
        the same in either case.

    Attributes
    ----------
    counts : tuple of int
        Numbers of views that sets have, the fewest first.
    never : tuple of int
        Those that are asked for and no set ever has, where sets are fewer than numbers.

    Examples
    --------
    >>> draws = ViewDraws([Group(0, (2, 4), np.arange(5), 5)], max_images=4, seed=0, shuffle=False)
    >>> [(draws.rows(batch, 0).views, draws.rows(batch, 0).set_id.tolist()) for batch in range(len(draws))]
    [(2, [0, 1]), (2, [4]), (4, [2]), (4, [3])]
    >>> draws.counts_of(0).tolist()
    [2, 2, 4, 4, 2]
    """

    def __init__(self, groups: Sequence[Group], *, max_images: int, seed: int, shuffle: bool) -> None:
        self.groups, self._seed, self._shuffle = tuple(groups), seed, shuffle
        self.counts = tuple(sorted({count for group in groups for count in group.counts if group.having(count)}))
        asked = {count for group in groups for count in group.counts}
        self.never = tuple(sorted(asked - set(self.counts)))
        self.batch_sets = {count: max(1, max_images // count) for count in self.counts}
        self.sets = {count: sum(group.having(count) for group in groups) for count in self.counts}
        self.batches = {count: -(-self.sets[count] // self.batch_sets[count]) for count in self.counts}
        self._stop = np.cumsum([self.batches[count] for count in self.counts])
        self._part = np.array([group.part for group in groups])
        # By what was computed: of which epoch, and the result.
        self._kept: dict[int | None, tuple[int, Any]] = {}

    def __len__(self) -> int:
        """Return the number of batches of an epoch."""
        return int(self._stop[-1])

    @property
    def rows_of_batch(self) -> int:
        """Images of the largest batch."""
        return max(count * min(self.batch_sets[count], self.sets[count]) for count in self.counts)

    def views_of(self, batches: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return how many views the sets of batches have: int64 (B,)."""
        found: NDArray[np.int64] = np.array(self.counts)[np.searchsorted(self._stop, batches, "right")]
        return found

    def sets_of(self, batches: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return how many sets batches have: int64 (B,)."""
        at = np.searchsorted(self._stop, batches, "right")
        each, total, many = (np.array([of[count] for count in self.counts])
                             for of in (self.batch_sets, self.sets, self.batches))  # fmt: skip
        within = batches - (self._stop - many)[at]
        found: NDArray[np.int64] = np.minimum(each[at], total[at] - within * each[at])
        return found

    def rows(self, batch: int, epoch: int) -> Rows:
        """Return the sets of one batch of an epoch.

        Parameters
        ----------
        batch : int
            From 0 to `len - 1`.
        epoch : int
        """
        at = int(np.searchsorted(self._stop, batch, "right"))
        count = self.counts[at]
        first = (batch - int(self._stop[at]) + self.batches[count]) * self.batch_sets[count]
        return self._at(count, np.arange(first, min(first + self.batch_sets[count], self.sets[count])), epoch)

    def visited(self, batches: NDArray[np.int64], epoch: int) -> set[tuple[int, int]]:
        """Return data set and number of each set that some batches of an epoch have."""
        found: set[tuple[int, int]] = set()
        at = np.searchsorted(self._stop, batches, "right")
        for number, count in enumerate(self.counts):
            each = self.batch_sets[count]
            first = (batches[at == number] - int(self._stop[number]) + self.batches[count]) * each
            places = (first[:, np.newaxis] + np.arange(each)).reshape(-1)
            rows = self._at(count, places[places < self.sets[count]], epoch)
            found |= set(zip(rows.part.tolist(), rows.set_id.tolist(), strict=True))
        return found

    def _at(self, count: int, places: NDArray[np.int64], epoch: int) -> Rows:
        """Return the sets at some places of those that have so many views."""
        if self._shuffle:
            return self._rows(count, self._shuffled(places, self.sets[count], "rows", count, epoch), epoch)
        return Rows(count, *(column[places] for column in self._in_order(count, epoch)[1:]))

    def counts_of(self, epoch: int) -> NDArray[np.int64]:
        """Return how many views each set has in an epoch, of the only data set, each of whose sets comes once."""
        kept = self._kept.get(None)
        if kept is None or kept[0] != epoch:
            table = np.empty(sum(len(group.members) for group in self.groups), np.int64)
            for count in self.counts:
                table[self._rows(count, np.arange(self.sets[count]), epoch).set_id] = count
            self._kept[None] = kept = epoch, table
        found: NDArray[np.int64] = kept[1]
        return found

    def _in_order(self, count: int, epoch: int) -> Rows:
        """Return all sets of an epoch that have so many views, as they lie."""
        kept = self._kept.get(count)
        if kept is None or kept[0] != epoch:
            every = self._rows(count, np.arange(self.sets[count]), epoch)
            order = np.lexsort((every.set_id, every.turn, every.part))
            self._kept[count] = kept = epoch, Rows(count, *(column[order] for column in every[1:]))
        found: Rows = kept[1]
        return found

    def _rows(self, count: int, places: NDArray[np.int64], epoch: int) -> Rows:
        """Return some of those sets of an epoch that have so many views."""
        having = np.cumsum([group.having(count) for group in self.groups])
        number = np.searchsorted(having, places, "right")
        set_id, turn = np.empty(len(places), np.int64), np.empty(len(places), np.int64)
        for at in np.unique(number).tolist():
            here, group = number == at, self.groups[at]
            nth = places[here] - (int(having[at]) - group.having(count))
            set_id[here], turn[here] = self._drawn(at, group, group.counts.index(count), nth, epoch)
        return Rows(count, self._part[number], set_id, turn)

    def _drawn(
        self, number: int, group: Group, choice: int, nth: NDArray[np.int64], epoch: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the sets of a group that have its `choice`-th number of views, and how often they have come before."""
        slots = nth * len(group.counts) + choice
        line = epoch * group.size + self._shuffled(slots, group.size, "slots", number, epoch)
        turns, places = np.divmod(line, len(group.members))
        for turn in np.unique(turns).tolist():
            here = turns == turn
            places[here] = self._shuffled(places[here], len(group.members), "sets", number, turn)
        return group.members[places], turns

    def _shuffled(self, places: NDArray[np.int64], length: int, *words: int | str) -> NDArray[np.int64]:
        return permutation(length, self._seed, "views", *words)(places)


def shared_out(total: int, sizes: Sequence[int]) -> list[int]:
    """Return how many of a total each part gets: as its size says, and at least one.

    Parameters
    ----------
    total : int
    sizes : sequence of int
        All positive.

    Raises
    ------
    SchemaError
        The total is smaller than the number of parts: some would never come.

    Examples
    --------
    >>> shared_out(10, [1, 50, 50]), shared_out(202, [1, 50, 50])
    ([1, 5, 4], [2, 100, 100])
    """
    if total < len(sizes):
        message = f"expected at least {len(sizes)} sets of an epoch, one of each kind, got {total}"
        raise SchemaError(
            Problem("too-few-sets", "views", message, "take more, or numbers of views that every set can give")
        )
    whole = sum(sizes)
    exact = [total * size / whole for size in sizes]
    found = [max(1, int(share)) for share in exact]
    # What rounding has left goes to those that lack most of it, and comes from those that have most above it.
    while (rest := total - sum(found)) != 0:
        step = 1 if rest > 0 else -1
        able = [number for number, count in enumerate(found) if count + step >= 1]
        best = max(able, key=lambda number: (step * (exact[number] - found[number]), -number))
        found[best] += step
    return found
