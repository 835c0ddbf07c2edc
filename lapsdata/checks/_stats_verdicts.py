"""Whether stated statistics are those of rows: exactly, as sums of float32 make them, of a sample, or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lapsdata.schema.feature_stats import MOMENTS, QUANTILES
from lapsdata.transforms.episode_stats import Moments

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from lapsdata.checks._stats_numbers import Told

__all__ = ["FINE", "OF_EPISODES", "ROUNDED", "SAMPLE", "WRONG", "Tally", "Verdict"]

FINE, ROUNDED, SAMPLE, OF_EPISODES, WRONG = range(5)
"""As the rows say; as sums of float32 say; of a sample; mean of the quantiles of episodes; nothing of these."""

_TOLERANCE = 1e-5
"""Of the range of a number: how far a statistic may be from that of the rows."""

_SMALL = 1e-3
"""Of the deviation, or range: what roundings of float32 may move normalised values by without being told."""

_CONSTANT = 1e-2
"""The same where a number never changes, as a share of itself."""

_BIN = 1 / 5000
"""Of the range: LeRobot takes the quantiles of an episode from a histogram of so many bins ..."""

_EDGE = 1e-9
"""... whose outer edges lie a little beyond the values."""

_EPS32, _EPS64 = float(np.finfo(np.float32).eps), float(np.finfo(np.float64).eps)


class Verdict(NamedTuple):
    """What becomes of one kind of statistic, of C numbers.

    Parameters
    ----------
    codes : int8 (C,)
        `FINE` to `WRONG`.
    away : float64 (C,)
        How far what is stated is from what the rows have, as a share of the deviation (mean, std), of the range (min,
        max) or of the rows (quantiles).
    of_rows : float64 (C,)
        What the rows have; of quantiles the share of the rows that lie below what is stated, or not above it.
    """

    codes: NDArray[np.int8]
    away: NDArray[np.float64]
    of_rows: NDArray[np.float64]


class Tally:
    """What is kept of rows that go by, so that what is stated of them can be judged: nothing that grows with them.

    A quantile needs no sorting to be judged: where a share `q` of the rows lies below it, it is one, whichever of the
    usual definitions it follows; between two values that are neighbours they differ.

    Parameters
    ----------
    told : Told
        Of C numbers.

    Examples
    --------
    >>> from lapsdata.checks._stats_numbers import Numbers
    >>> from lapsdata.schema import Feature
    >>> numbers = Numbers([Feature(name="action", dtype="float32", shape=())])
    >>> rows = np.arange(101.0).reshape(-1, 1)
    >>> tally = Tally(numbers.told({"action": {"mean": np.array([50.0]), "q99": np.array([80.0])}}))
    >>> tally.add(rows, Moments.of(rows))
    >>> {kind: verdict.codes.tolist() for kind, verdict in tally.verdicts().items()}
    {'mean': [0], 'q99': [4]}
    """

    def __init__(self, told: Told) -> None:
        self.told = told
        self.kinds = [kind for kind in (*MOMENTS, *QUANTILES) if np.isfinite(told.values[kind]).any()]
        count = len(told.values["mean"])
        self.moments = Moments.none(count)
        marks = {kind: told.values[kind] for kind in self.kinds if kind in QUANTILES}
        with np.errstate(over="ignore"):
            span = np.nan_to_num(told.values["max"] - told.values["min"], nan=0.0, posinf=0.0, neginf=0.0)
            slack = {kind: np.abs(span) * _BIN + np.abs(mark) * _EPS32 + _EDGE for kind, mark in marks.items()}
            self._low = {kind: mark - slack[kind] for kind, mark in marks.items()}
            self._high = {kind: mark + slack[kind] for kind, mark in marks.items()}
        self._below = {kind: np.zeros(count, np.int64) for kind in self._low}
        self._up_to = {kind: np.zeros(count, np.int64) for kind in self._low}

    def add(self, values: NDArray[np.float64], moments: Moments) -> None:
        """Count further rows: (R, C), and their moments."""
        self.moments = self.moments.merged(moments)
        for kind, low in self._low.items():
            self._below[kind] += (values < low).sum(axis=0)
            self._up_to[kind] += (values <= self._high[kind]).sum(axis=0)

    def verdicts(self, of_episodes: Mapping[str, NDArray[np.float64]] | None = None) -> dict[str, Verdict]:
        """Return what becomes of each kind of which something is stated.

        Parameters
        ----------
        of_episodes : mapping of float64 (C,), optional
            Means of what is stated of the quantiles of the episodes; NaN where it is not stated of all.
        """
        means = of_episodes or {}
        # Whatever stands in a file is compared, if its square is beyond float64 as well.
        with np.errstate(over="ignore", invalid="ignore"):
            return {
                kind: self._quantile(kind, means.get(kind)) if kind in QUANTILES else self._moment(kind)
                for kind in self.kinds
            }

    def _moment(self, kind: str) -> Verdict:
        moments, told = self.moments, self.told.values[kind]
        count = np.maximum(moments.count, 1)
        known = moments.count > 0
        spread = np.sqrt(moments.squares / count)
        span, size = moments.high - moments.low, np.fmax(np.abs(moments.low), np.abs(moments.high))
        exact = {"min": moments.low, "max": moments.high, "mean": moments.mean, "std": spread}[kind]
        exact = np.where(known, exact, np.nan)
        off = np.abs(told - exact)
        unit = span if kind in ("min", "max") else spread
        harmless = np.where(span > 0, _SMALL * unit, _CONSTANT * size)
        rounded = self._rounded(kind, off, told**2 - spread**2, size, 10 * harmless)
        fine = (off <= _TOLERANCE * span + 4 * _EPS64 * size) | (rounded & (off <= harmless))
        codes = np.where(fine, FINE, np.where(rounded, ROUNDED, WRONG))
        if kind == "std":
            of_sample = spread * np.sqrt(count / np.maximum(count - 1, 1))
            sample = ~fine & (np.abs(told - of_sample) <= _TOLERANCE * span)
            codes = np.where(sample, SAMPLE, codes)
        return Verdict(self._said(kind, codes), _share(off, unit, size), exact)

    def _rounded(
        self,
        kind: str,
        off: NDArray[np.float64],
        squares_off: NDArray[np.float64],
        size: NDArray[np.float64],
        most: NDArray[np.float64],
    ) -> NDArray[np.bool_]:
        """Say which differences a sum of float32 explains, in which deviations are roots of differences of squares.

        Roundings that differ from row to row grow with the root of the number of rows. Those of values that hardly
        change are alike, and grow with that number: these explain much, and are taken to where they matter, `most`.
        """
        if kind in ("min", "max"):
            return off <= _EPS32 * size
        lost, unit = (off, size) if kind == "mean" else (np.abs(squares_off), size**2)
        count = self.moments.count
        unlike, alike = 2 * np.sqrt(count) * _EPS32 * unit, count / 2 * _EPS32 * unit
        return (lost <= unlike) | ((lost <= alike) & (off <= most))

    def _quantile(self, kind: str, of_episodes: NDArray[np.float64] | None) -> Verdict:
        told, count, share = self.told.values[kind], self.moments.count, QUANTILES[kind]
        below, up_to = self._below[kind], self._up_to[kind]
        inside = (self._high[kind] >= self.moments.low) & (self._low[kind] <= self.moments.high)
        fine = inside & (below <= share * count + 1 + _EDGE) & (up_to >= share * count - 1 - _EDGE)
        codes = np.where(fine, FINE, WRONG)
        if of_episodes is not None:
            span = self.moments.high - self.moments.low
            theirs = np.abs(told - of_episodes) <= _TOLERANCE * span + _EPS32 * np.abs(told)
            codes = np.where(~fine & theirs, OF_EPISODES, codes)
        some = np.maximum(count, 1)
        of_rows = np.where(below > share * count, below, up_to) / some
        return Verdict(self._said(kind, codes), np.abs(of_rows - share), of_rows)

    def _said(self, kind: str, codes: NDArray[np.int64]) -> NDArray[np.int8]:
        """Return the codes of the numbers of which this kind is stated."""
        return np.where(np.isfinite(self.told.values[kind]), codes, FINE).astype(np.int8)


def _share(off: NDArray[np.float64], unit: NDArray[np.float64], size: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return differences as shares of a unit; of what has none, of the numbers themselves."""
    of = np.where(unit > 0, unit, np.where(size > 0, size, 1.0))
    return np.nan_to_num(off / of, nan=np.inf, posinf=np.inf)
