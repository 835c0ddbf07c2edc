"""Times that rows carry of themselves: whether they rise, and go on as their rate says, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lapsdata.timebase.rate import FrameRate

__all__ = ["TIME_TOLERANCE_S", "not_rising", "off_rate"]

TIME_TOLERANCE_S = 1e-3
"""How far a time may be from where it should be: a tick of the coarsest usual clock."""


def not_rising(row_s: NDArray[Any]) -> str | None:
    """Say which rows have no time, or none after those of the rows before; None where all have.

    Parameters
    ----------
    row_s : np.ndarray (R,), seconds

    Examples
    --------
    >>> not_rising(np.array([0.0, 0.1, 0.2, 0.1, 0.4]))
    'expected rising seconds, got 0.1 in row 3 after 0.2'
    >>> not_rising(np.array([0.0, np.nan, np.nan, 0.3]))
    'expected rising seconds, got nan in row 1 after 0.0 (2 of 4 rows)'
    >>> not_rising(np.array([0.0, 0.1])) is None
    True
    """
    finite = np.isfinite(row_s)
    latest = np.maximum.accumulate(np.where(finite, row_s, -np.inf))
    wrong = ~finite
    wrong[1:] |= row_s[1:] <= latest[:-1]
    if not wrong.any():
        return None
    row, count = int(np.argmax(wrong)), int(wrong.sum())
    # As the type of the column has them: float32 of 0.1 has 17 other digits in float64.
    after = f" after {row_s[row - 1]!s}" if row else ""
    more = f" ({count} of {len(row_s)} rows)" if count > 1 else ""
    return f"expected rising seconds, got {row_s[row]!s} in row {row}{after}{more}"


def off_rate(row_s: NDArray[Any], rate: FrameRate) -> str | None:
    """Say how far apart rows are that are not as far apart as their rate says; None where they are.

    A step may be off by `TIME_TOLERANCE_S`, and all of them together by half of one.

    Parameters
    ----------
    row_s : np.ndarray (R,), seconds
        Rising.
    rate : FrameRate
        Rows per second.

    Examples
    --------
    >>> from lapsdata.timebase import FrameRate
    >>> off_rate(np.array([0.0, 0.1, 0.2]), FrameRate(20))
    'expected rows 0.05 s apart, as 20 per second says, got 0.1 s: 10 per second'
    >>> off_rate(np.array([0.0, 0.1, 0.3]), FrameRate(10))
    'expected rows 0.1 s apart, as 10 per second says, got 0.1 to 0.2 s'
    >>> off_rate(np.array([0.0, 0.1, 0.2]), FrameRate(10)) is None
    True
    """
    gaps = np.diff(row_s.astype(np.float64))
    if not len(gaps):
        return None
    # What the type can tell apart so late in an episode.
    grain = 2 * float(np.spacing(np.abs(row_s).max())) if row_s.dtype.kind == "f" else 0.0
    tolerance, step = max(TIME_TOLERANCE_S, grain), rate.period_s
    least, most = float(gaps.min()), float(gaps.max())
    each = max(step - least, most - step) <= tolerance
    if each and abs(float(gaps.sum()) - len(gaps) * step) <= max(step / 2, tolerance):
        return None
    got = f"{least:.4g} to {most:.4g} s"
    if each or most - least <= tolerance:
        mean = float(gaps.mean())
        got = f"{mean:.4g} s: {1 / mean:.4g} per second"
    return f"expected rows {step:.4g} s apart, as {rate} per second says, got {got}"
