"""From values per window and step to one value per step of the video."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lapsdata.errors import Problem, SchemaError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["StepMeans", "StepSums", "step_means"]


class StepMeans(NamedTuple):
    """Means over the windows that cover each step."""

    value: NDArray[np.float64]
    """(K,) NaN where no window has a value"""
    windows: NDArray[np.int64]
    """(K,) how many windows have one"""


class StepSums:
    """Adds up the values of windows step by step, and gives the means of steps that no window adds to any more.

    Values are added in the order of their windows, so that it does not matter how many of them come at once.

    Examples
    --------
    >>> sums = StepSums()
    >>> sums.add(np.array([[1.0, 2.0]]), np.array([0]))
    >>> sums.take(1).value
    array([1.])
    >>> sums.add(np.array([[4.0, np.nan]]), np.array([1]))
    >>> sums.take(3).value
    array([ 3., nan])
    """

    def __init__(self) -> None:
        self._given = 0
        self._total = np.zeros(0)
        self._count = np.zeros(0, np.int64)

    def add(self, values: NDArray[np.floating], start_index: NDArray[np.int64]) -> None:
        """Take the values of W windows, float (W, S), NaN where there is none, and their first steps, int64 (W,).

        Raises
        ------
        SchemaError
            A window that begins before what was given already.
        """
        at = start_index[:, None] + np.arange(values.shape[1]) - self._given
        if not at.size:
            return
        if at.min() < 0:
            message = f"expected windows from step {self._given} on, got step {at.min() + self._given}"
            raise SchemaError(Problem("window-outside", "start_index", message))
        self._reach(int(at.max()) + 1)
        known = ~np.isnan(values)
        np.add.at(self._total, at[known], values[known].astype(np.float64))
        np.add.at(self._count, at[known], 1)

    def take(self, until: int) -> StepMeans:
        """Return the means of the steps before `until` that were not given before, and forget them."""
        wanted = max(until - self._given, 0)
        self._reach(wanted)
        total, count = self._total[:wanted], self._count[:wanted]
        self._given += wanted
        self._total, self._count = self._total[wanted:], self._count[wanted:]
        with np.errstate(invalid="ignore"):
            return StepMeans(total / count, count)

    def _reach(self, steps: int) -> None:
        more = steps - len(self._total)
        if more > 0:
            self._total = np.concatenate([self._total, np.zeros(more)])
            self._count = np.concatenate([self._count, np.zeros(more, np.int64)])


def step_means(values: NDArray[np.floating], start_index: NDArray[np.int64], steps: int) -> StepMeans:
    """Average over windows, step by step.

    Windows that overlap see a step again and again; each sees it from another first frame. A mean over a whole window
    instead would smear a boundary over all of its length.

    Parameters
    ----------
    values : float (W, S)
        Value of each of the S steps of each window; NaN where there is none.
    start_index : int64 (W,)
        First step of each window, counted in the video.
    steps : int
        Steps K of the video.

    Raises
    ------
    SchemaError
        A window that reaches beyond the video.

    Examples
    --------
    >>> step_means(np.array([[1.0, 2.0], [4.0, np.nan]]), np.array([0, 1]), 4).value
    array([ 1.,  3., nan, nan])
    """
    at = start_index[:, None] + np.arange(values.shape[1])
    if at.size and not (at.min() >= 0 and at.max() < steps):
        message = f"expected windows within {steps} steps, got steps {at.min()} to {at.max()}"
        raise SchemaError(Problem("window-outside", "start_index", message))
    sums = StepSums()
    sums.add(values, start_index)
    return sums.take(steps)
