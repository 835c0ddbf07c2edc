"""Which of the sound windows are kept, and how much time is in none of them any more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Keep", "chosen", "lost_s"]

Keep = Literal["prefix", "all"]
"""`prefix`: what comes before the first damage; `all`: everything that is verified, with gaps in between."""


def chosen(good: NDArray[np.bool_], keep: Keep) -> NDArray[np.int64]:
    """Return the numbers of the windows that are kept.

    Examples
    --------
    >>> good = np.array([True, True, False, True])
    >>> chosen(good, "prefix").tolist(), chosen(good, "all").tolist()
    ([0, 1], [0, 1, 3])
    """
    if keep == "all":
        return np.flatnonzero(good)
    return np.arange(len(good) if good.all() else int(np.argmin(good)))


def lost_s(
    frame_s: NDArray[np.float64], start_index: NDArray[np.int64], horizon: int, kept: NDArray[np.int64]
) -> float | None:
    """Return the seconds of the frames that were in a window and are in none any more; None for a single frame.

    Examples
    --------
    >>> lost_s(np.arange(6) / 10, np.array([0, 2, 4]), 2, np.array([0, 2]))
    0.2
    """
    if len(frame_s) < 2:
        return None
    steps = np.diff(frame_s)
    lasts = np.append(steps, np.median(steps))
    before, after = (_covered(len(frame_s), starts, horizon) for starts in (start_index, start_index[kept]))
    return round(float(lasts[before & ~after].sum()), 9)


def _covered(frames: int, starts: NDArray[np.int64], horizon: int) -> NDArray[np.bool_]:
    edges = np.zeros(frames + 1, np.int64)
    np.add.at(edges, starts, 1)
    np.add.at(edges, starts + horizon, -1)
    covered: NDArray[np.bool_] = np.cumsum(edges)[:-1] > 0
    return covered
