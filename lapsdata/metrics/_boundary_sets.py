"""Sets of boundaries of some videos, side by side as the compiled loops read them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lapsdata.metrics._given import ticks_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    Draws = NDArray[np.float64] | Sequence[NDArray[np.float64]]
    """Sets of boundaries of one video, float64 (C,) seconds, rising; an array (draws, C) where C is one for all."""

__all__ = ["BoundarySets", "sets_of"]


class BoundarySets(NamedTuple):
    """As many sets of boundaries for each of some videos.

    Parameters
    ----------
    ticks : int64 (N,)
        Video by video, within a video set by set; each set rises.
    places : int64 (videos * draws + 1,)
        Where each set begins, and the end.
    draws : int
        Sets of each video.
    """

    ticks: NDArray[np.int64]
    places: NDArray[np.int64]
    draws: int

    @property
    def counts(self) -> NDArray[np.int64]:
        """Boundaries of each set, (videos, draws)."""
        return np.diff(self.places).reshape(-1, self.draws)

    @classmethod
    def of_counts(cls, ticks: NDArray[np.int64], counts: NDArray[np.int64], draws: int) -> BoundarySets:
        """Return sets of so many boundaries each, in the order of `ticks`."""
        return cls(ticks, np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]), draws)

    def repeated(self, times: int) -> BoundarySets:
        """Return the same with each boundary so many times."""
        return BoundarySets(np.repeat(self.ticks, times), self.places * times, self.draws)


def sets_of(videos: Iterable[Draws]) -> BoundarySets:
    """Return the sets of some videos, of which each has as many; at least one video."""
    times: list[NDArray[np.float64]] = []
    counts: list[int] = []
    sets = 0
    for draws in videos:
        if isinstance(draws, np.ndarray):
            times.append(draws.ravel())
            counts += [draws.shape[1]] * draws.shape[0]
        else:
            times += draws
            counts += map(len, draws)
        sets = len(draws)
    return BoundarySets.of_counts(ticks_of(np.concatenate(times)), np.array(counts, np.int64), sets)
