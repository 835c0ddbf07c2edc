"""How fast the points of each window move, step by step."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Literal

import numpy as np

from lapsdata.errors import Problem, SchemaError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Camera", "window_speed"]

Camera = Literal["keep", "median"]
"""What becomes of motion that the whole picture shares."""

# Fewer points than this say nothing of a frame.
_FEWEST_POINTS = 4
# So many windows at a time keep what is computed small beside the tracks.
_BLOCK = 64


def window_speed(
    tracks: NDArray[np.float32], vis: NDArray[np.bool_], seconds: NDArray[np.float64], *, camera: Camera = "keep"
) -> NDArray[np.float64]:
    """Return the mean speed of the points that are visible before and after each step.

    Parameters
    ----------
    tracks : float32 (W, T, N, 2), pixel
    vis : bool (W, T, N)
    seconds : float64 (W, T)
        Time of each frame of each window.
    camera : {"keep", "median"}
        `median` takes the median motion of the visible points off each point's own: a camera that shakes or pans, as
        far as it moves the picture as a whole. Where most of the picture moves by itself, that is lost.

    Returns
    -------
    float64 (W, T - 1), pixel per second
        NaN where fewer than 4 points are visible on both sides.

    Raises
    ------
    SchemaError
        An unknown word for `camera`.

    Examples
    --------
    >>> tracks = np.zeros((1, 3, 4, 2), np.float32)
    >>> tracks[0, 2, :, 0] = 5
    >>> window_speed(tracks, np.ones((1, 3, 4), bool), np.array([[0, 0.1, 0.2]])).round(3)
    array([[ 0., 50.]])
    """
    if camera not in {"keep", "median"}:
        raise SchemaError(Problem("unknown-choice", "camera", f"expected 'keep' or 'median', got {camera!r}"))
    speed = np.empty(np.diff(seconds, axis=1).shape)
    for first in range(0, len(tracks), _BLOCK):
        some = slice(first, first + _BLOCK)
        moved = np.diff(tracks[some], axis=1).astype(np.float64)
        both = vis[some, 1:] & vis[some, :-1]
        moved[~both] = np.nan
        with warnings.catch_warnings():
            # Steps at which nothing is visible; what comes out is NaN, as it is told.
            warnings.filterwarnings("ignore", "All-NaN slice|Mean of empty slice", RuntimeWarning)
            if camera == "median":
                moved -= np.nanmedian(moved, axis=2, keepdims=True)
            speed[some] = np.nanmean(np.hypot(moved[..., 0], moved[..., 1]), axis=2)
        speed[some][both.sum(axis=2) < _FEWEST_POINTS] = np.nan
    return speed / np.diff(seconds, axis=1)
