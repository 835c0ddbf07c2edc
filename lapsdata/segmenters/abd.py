"""Cuts where neighbouring times are least alike: smoothed, thinned out, and merged down to a number of pieces.

After ABD (Z. Du, X. Wang, G. Zhou, Q. Wang, CVPR 2022, "Fast and unsupervised action boundary detection for action
segmentation"): similarity of neighbouring frames, smoothed; its local minima, the lowest within a window; merged to K
pieces. What differs: the input is an energy of change, such as `token_diff_step` (1 - similarity, up to its unit), and
not features of frames, of which energies know nothing; so pieces are merged over the weakest boundary first, and not by
how alike the mean features of two pieces are. And K is given, or follows from a mean duration that was told from train
videos: results of ABD with the K of the very video that is scored are an oracle's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Self

import numpy as np
from pydantic import Field, model_validator

from lapsdata.schema.base import Positive
from lapsdata.segmenters._cells import NOISE_S
from lapsdata.segmenters._collecting import WholeVideo
from lapsdata.segmenters._runs import pieces_of_runs, strongest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lapsdata.segmenters._protocol import EnergySeries, Segmentation
    from lapsdata.segmenters._runs import Run

__all__ = ["PLUGIN", "Abd"]

NotNegative = Annotated[float, Field(ge=0)]


class Abd(WholeVideo):
    """Cuts a video where the change from one time to the next is largest; the pieces adjoin.

    A cut lies in the middle of the value that is highest within `window_s` before and after it. Gated values are taken
    for as quiet as the quietest measured one around them; missing ones, and time of which no value speaks, belong to no
    piece. Exactly one of `count`, `mean_s` and `least` says how far pieces are merged.

    Parameters
    ----------
    smooth_s : float, seconds
        Each value is averaged with those up to so far before and after it, by weights that fall evenly to nothing
        there; 0 for none.
    window_s : float, seconds
        A cut is the highest value (of equals, the first) within this time on either side. The ends of a run are none.
    count : int or None
        Number of pieces: the weakest cuts are merged away. Where there are not so many, there are fewer.
    mean_s : float or None, seconds
        Mean duration of pieces, as of train videos: the number of pieces is the time over this, rounded, at least 1.
    least : float or None, unit of the energies
        Cuts of less are merged away.

    Raises
    ------
    SchemaError
        A parameter that is unknown or out of range; not exactly one of `count`, `mean_s` and `least`.

    Examples
    --------
    >>> from lapsdata.segmenters import EnergySeries
    >>> video = EnergySeries.measured([0, 1, 2, 3, 4], [1, 2, 3, 4, 5], [0.0, 0.25, 1.0, 0.25, 0.0])
    >>> [(found.start_s, found.end_s) for found in Abd(count=2).segment(video).segments]
    [(0.0, 2.5), (2.5, 5.0)]
    """

    name: ClassVar[str] = "abd"
    # Rises with every change of what it computes.
    version: ClassVar[str] = "1"

    smooth_s: NotNegative = 0.3
    """Seconds before and after a value over which it is averaged."""
    window_s: NotNegative = 0.5
    """Seconds before and after a cut within which nothing is higher."""
    count: Positive | None = None
    """Number of pieces."""
    mean_s: Annotated[float, Field(gt=0)] | None = None
    """Mean seconds of a piece."""
    least: float | None = None
    """The weakest cut that stays, in the unit of the energies."""

    @model_validator(mode="after")
    def _one_of_three(self) -> Self:
        if [self.count, self.mean_s, self.least].count(None) != 2:
            raise ValueError("expected exactly one of 'count', 'mean_s' and 'least'")
        return self

    def segment(self, series: EnergySeries) -> Segmentation:
        """Return the pieces of one video, with their mean energies."""
        return pieces_of_runs(series, self._cuts, None if self.least is not None else self._wanted)

    def _wanted(self, runs: Sequence[Run]) -> int:
        if self.mean_s is None:
            return self.count or 1
        return max(min(1, len(runs)), round(sum(run.seconds for run in runs) / self.mean_s))

    def _cuts(self, runs: Sequence[Run]) -> list[list[float]]:
        found = [self._candidates(run) for run in runs]
        least = self.least
        if least is not None:
            return [[at_s for at_s, strength in one if strength >= least] for one in found]
        # Every run is a piece without a cut.
        return strongest(found, self._wanted(runs) - len(runs))

    def _candidates(self, run: Run) -> list[tuple[float, float]]:
        """Return the seconds and the strength of the values that are highest around them."""
        if not len(run.energy):
            return []
        at_s = run.at_s
        change = smoothed(at_s, run.energy, self.smooth_s)
        first, last = _reach(at_s, self.window_s)
        found = []
        for place in range(1, len(change) - 1):
            # A value beside it is always looked at, however short the window.
            before = change[min(first[place], place - 1) : place]
            after = change[place + 1 : max(last[place], place + 2)]
            if change[place] > before.max() and change[place] >= after.max():
                found.append((float(at_s[place]), float(change[place])))
        return found


def smoothed(at_s: NDArray[np.float64], value: NDArray[np.float64], reach_s: float) -> NDArray[np.float64]:
    """Return means by weights that fall evenly from the value itself to nothing at `reach_s` before and after it.

    Parameters
    ----------
    at_s : float64 (C,), seconds
    value : float64 (C,)
    reach_s : float, seconds
        0 leaves the values as they are.

    Examples
    --------
    >>> smoothed(np.arange(3.0), np.array([0.0, 1.0, 0.0]), 2.0)
    array([0.33333333, 0.5       , 0.33333333])
    """
    if reach_s <= NOISE_S:
        return value
    first, last = _reach(at_s, reach_s)
    found = np.empty_like(value)
    for place in range(len(value)):
        near = slice(first[place], last[place])
        weight = np.maximum(1 - np.abs(at_s[near] - at_s[place]) / reach_s, 0.0)
        # By differences: equal values stay equal to the last bit, and are no peaks.
        found[place] = value[place] + (weight * (value[near] - value[place])).sum() / weight.sum()
    return found


def _reach(at_s: NDArray[np.float64], reach_s: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first of the values within so many seconds, and the one behind the last."""
    first = np.searchsorted(at_s, at_s - reach_s - NOISE_S, side="left")
    last = np.searchsorted(at_s, at_s + reach_s + NOISE_S, side="right")
    return first.astype(np.int64), last.astype(np.int64)


PLUGIN = Abd
