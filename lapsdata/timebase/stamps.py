"""Timestamps of frames: what a valid time axis is, and when each of its frames ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lapsdata.errors import Problem, Problems, SchemaError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["check_times", "frame_end_s"]


def check_times(frame_s: ArrayLike, *, allow_equal: bool = False, where: str = "frame_s") -> NDArray[np.float64]:
    """Return timestamps as float64, or say what is wrong with them.

    Parameters
    ----------
    frame_s : array, shape (F,), real, seconds
        Time of each frame; F may be 0.
    allow_equal : bool
        Accept neighbours of one time (energies of two sources, events); frames need increasing times.
    where : str
        What the problems call the array.

    Returns
    -------
    array, shape (F,), float64, seconds
        The array itself where it is float64 already.

    Raises
    ------
    SchemaError
        `masked`, `wrong-dtype`, `wrong-shape`, `not-finite`, `not-increasing`; the last two name the first offending
        frame, the values and how many there are.

    Examples
    --------
    >>> check_times([0, 0.04, 0.08])
    array([0.  , 0.04, 0.08])
    >>> check_times([0, 1, 1, 2], allow_equal=True)
    array([0., 1., 1., 2.])
    """
    found = Problems()
    if isinstance(frame_s, np.ma.MaskedArray):
        found.add("masked", where, "expected a plain array, got MaskedArray", "drop the masked frames: .compressed()")
    found.raise_as(SchemaError)
    given = np.asarray(frame_s)
    if given.dtype.kind not in "fiu":
        found.add("wrong-dtype", where, f"expected real numbers (seconds), got {given.dtype}")
    if given.ndim != 1:
        found.add("wrong-shape", where, f"expected shape (F,), got {given.shape}")
    found.raise_as(SchemaError)
    times = given.astype(np.float64, copy=False)
    lost = np.flatnonzero(~np.isfinite(times))
    if lost.size:
        found.add(
            "not-finite",
            where,
            f"expected finite times, got {times[lost[0]]} at frame {lost[0]} ({lost.size} such frames)",
            "drop these frames or give their times",
        )
    # Comparing is safe where subtracting is not: infinities and NaN give no warning and no false alarm.
    back = np.flatnonzero(times[1:] < times[:-1] if allow_equal else times[1:] <= times[:-1])
    if back.size:
        i = int(back[0])
        order = "non-decreasing" if allow_equal else "increasing"
        found.add(
            "not-increasing",
            where,
            f"expected {order} times, got {times[i]} s at frame {i} and {times[i + 1]} s at frame {i + 1} "
            f"({back.size} such places)",
            "sort the frames by time, and keep one of those that share a time",
        )
    found.raise_as(SchemaError)
    return times


def frame_end_s(frame_s: ArrayLike, *, end_s: float | None = None) -> NDArray[np.float64]:
    """Half-open end of each frame: the time of the next one.

    Nothing in a list of timestamps says how long the last frame lasts. Either the caller knows (`end_s`),
    or it lasts as long as the median interval between frames.

    Parameters
    ----------
    frame_s : array, shape (F,), float64, seconds
        Time of each frame, strictly increasing.
    end_s : float, seconds, or None
        End of the last frame.

    Returns
    -------
    array, shape (F,), float64, seconds

    Raises
    ------
    SchemaError
        As `check_times`; `no-duration`: a single frame without `end_s`; `wrong-end`: `end_s` is not after the
        last frame.

    Examples
    --------
    >>> frame_end_s([0.0, 0.5, 1.0, 3.0])
    array([0.5, 1. , 3. , 3.5])
    >>> frame_end_s([0.0], end_s=0.25)
    array([0.25])
    """
    times = check_times(frame_s)
    if not times.size:
        return times
    if end_s is None:
        if times.size == 1:
            raise SchemaError(
                Problem("no-duration", "frame_s", "expected two frames or an end, got one frame", "give end_s")
            )
        end_s = float(times[-1] + np.median(np.diff(times)))
    elif not (np.isfinite(end_s) and end_s > times[-1]):
        raise SchemaError(
            Problem("wrong-end", "end_s", f"expected a time after the last frame ({times[-1]} s), got {end_s} s")
        )
    return np.append(times[1:], end_s)
