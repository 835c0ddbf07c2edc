"""From values per window and step to one value per step of the video."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lapsdata.errors import Problem, SchemaError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["StepMeans", "step_means"]


class StepMeans(NamedTuple):
    """Means over the windows that cover each step."""

    value: NDArray[np.float64]
    """(K,) NaN where no window has a value"""
    windows: NDArray[np.int64]
    """(K,) how many windows have one"""


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
    known = ~np.isnan(values)
    count = np.bincount(at[known], minlength=steps)
    total = np.bincount(at[known], weights=values[known].astype(np.float64), minlength=steps)
    with np.errstate(invalid="ignore"):
        return StepMeans(total / count, count)
