"""Cut the frames of a video into pieces of equal time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lapsdata.errors import Problem, SchemaError
from lapsdata.timebase.stamps import check_times

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["piece_starts"]

# Times of a container come as the nearest float64; a frame that close before a cut is meant to be at it.
_SLACK_S = 1e-6


def piece_starts(frame_s: ArrayLike, every_s: float) -> NDArray[np.int64]:
    """Return the first frame of each piece, when the time of a video is cut every so many seconds.

    Cuts are at the time of the first frame plus multiples of `every_s`; a frame is in the piece that its own time lies
    in, a microsecond before a cut counting as at it. Time without frames makes no piece. The last one may be shorter.

    Parameters
    ----------
    frame_s : array_like, shape (F,), float64, seconds
        Rising.
    every_s : float, seconds
        At least a millisecond.

    Returns
    -------
    numpy.ndarray, shape (P,), int64
        Rising, from 0; with F behind it, the edges of the pieces.

    Raises
    ------
    SchemaError
        No times, times that do not rise, or a shorter piece.

    Examples
    --------
    >>> piece_starts([0.0, 0.5, 1.0, 1.5, 4.0], 1.0).tolist()
    [0, 2, 4]
    """
    if not 1e-3 <= every_s < float("inf"):
        message = f"expected finite seconds of at least 0.001, got {every_s}"
        raise SchemaError(Problem("out-of-range", "every_s", message))
    times = check_times(frame_s)
    if not len(times):
        raise SchemaError(Problem("no-frames", "frame_s", "expected at least one time, got none"))
    number = np.floor((times - times[0] + _SLACK_S) / every_s)
    return np.flatnonzero(np.diff(number, prepend=-1.0) > 0).astype(np.int64)
