"""Boxes that stand in two tables as they are: what is trained or scored with copies of the truth shows nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from lapsdata.errors import Problem

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["copied", "copy_fault"]

# Numbers differ by less where one was copied from the other and rounded.
_SAME_PX = 0.01
# Pairs of boxes that are compared at once: 2 million are about 200 MB.
_PAIRS = 1 << 21
# A detector is right to the last digit now and then; half of the truth it never is.
_OF_TRUTH, _OF_FOUND = 0.5, 0.9


def copied(
    frame: NDArray[np.int64],
    xywh: NDArray[np.float64],
    other: NDArray[np.int64],
    other_xywh: NDArray[np.float64],
    *,
    shift_px: float,
) -> NDArray[np.bool_]:
    """Say of each box whether one of the others in its frame is the same: of one size, at one place.

    Parameters
    ----------
    frame : int64 (R,)
    xywh : float64 (R, 4), pixel
    other : int64 (K,)
    other_xywh : float64 (K, 4), pixel
    shift_px : float
        How far apart places may lie: 0 of one file, 1 of two whose pixels may count from 0 or from 1.

    Examples
    --------
    >>> places = np.array([[10.0, 20, 30, 40], [50, 20, 30, 40]])
    >>> copied(np.array([0, 1]), places, np.array([0, 0]), places + [1, 1, 0, 0], shift_px=1).tolist()
    [True, False]
    """
    same = np.zeros(len(frame), bool)
    if not (len(frame) and len(other)):
        return same
    # One rising number for frame and width: in a frame, boxes nearly as wide stand side by side.
    low = other_xywh[:, 2].min()
    step = float(other_xywh[:, 2].max() - low) + 2
    key = other * step + (other_xywh[:, 2] - low)
    order = np.argsort(key, kind="stable")
    key, place = key[order], other_xywh[order]
    slack = 2 * _SAME_PX
    near = [frame * step + np.clip(xywh[:, 2] - low + off, -1, step - 1) for off in (-slack, slack)]
    first = np.searchsorted(key, near[0], "left")
    count = np.maximum(np.searchsorted(key, near[1], "right") - first, 0)
    ends = np.cumsum(count)
    start = 0
    while start < len(count):
        before = int(ends[start - 1]) if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, before + _PAIRS, "right")))
        part = slice(start, stop)
        left = np.repeat(np.arange(start, stop), count[part])
        right = np.arange(len(left)) - np.repeat(ends[part] - count[part] - before - first[part], count[part])
        away = np.abs(xywh[left] - place[right])
        equal = (away <= np.array([shift_px, shift_px, 0, 0]) + _SAME_PX).all(axis=1)
        same[left[equal]] = True
        start = stop
    return same


def copy_fault(
    of_truth: float, of_found: float, where: str, severity: Literal["error", "warning"] = "warning"
) -> Problem | None:
    """Return what is wrong where so much of the truth, or of what was found, is the same; None where it is little.

    Parameters
    ----------
    of_truth, of_found : float
        Shares of the boxes of either side, 0 to 1, that stand on the other one too.
    where : str
    severity : {"error", "warning"}

    Examples
    --------
    >>> copy_fault(0.1, 0.1, "boxes"), copy_fault(1.0, 0.4, "boxes").code
    (None, 'detections-equal-truth')
    """
    if of_truth < _OF_TRUTH and of_found < _OF_FOUND:
        return None
    message = f"{of_truth:.1%} of the true boxes stand among the others as they are: {of_found:.1%} of these are copies"
    fix = "run a detector: a model that is fed the truth learns to copy it, and a score of it shows nothing"
    return Problem("detections-equal-truth", where, message, fix, severity)
