"""The one rate behind timestamps, where there is one."""

from __future__ import annotations

from fractions import Fraction
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lapsdata.errors import Problem, SchemaError
from lapsdata.timebase.rate import LARGEST_TERM, FrameRate
from lapsdata.timebase.stamps import check_times

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import ArrayLike, NDArray

__all__ = ["NominalRate", "nominal_rate"]

# Ticks of clocks that round timestamps: microseconds and finer, MPEG's 1/90000 s, milliseconds (Matroska,
# FLV).
_TICKS_S = (1e-6, 1 / 90_000, 1e-3)

# Rates that people mean: 50/3, 15/2, 25/2, 359/12. Anything finer needs a clip long enough to prove it.
_FEW = 12
_MANY = 1001


class NominalRate(NamedTuple):
    """Rate behind timestamps.

    Parameters
    ----------
    rate : FrameRate or None
        None where no constant rate fits, or where a single frame leaves it open.
    is_vfr : bool
        True where no constant rate fits.

    Examples
    --------
    >>> nominal_rate([0.0, 0.04, 0.08])
    NominalRate(rate=FrameRate(numerator=25, denominator=1), is_vfr=False)
    """

    rate: FrameRate | None
    is_vfr: bool


def nominal_rate(source_s: ArrayLike, *, tolerance_s: float = 1e-3) -> NominalRate:
    """Find the constant rate that timestamps keep, if there is one.

    A rate fits when all timestamps lie in one band around its grid (at any offset) that is no wider than a
    tick of the clock that rounded them. The ticks 1 us, 1/90000 s and 1 ms are tried from fine to coarse up
    to `tolerance_s`; at each, simple rates come first: the nearest whole number, the nearest N * 1000/1001,
    then denominators 2 .. 12. Last, at `tolerance_s`, denominators up to 1001 are tried. So 29.97 is told
    from 30 as soon as the clock allows it: from two frames on at 1/90000 s, from about twenty at 1 ms. A
    clip too short for its clock leaves several rates open, and gets the first of them.

    Parameters
    ----------
    source_s : array, shape (F,), float64, seconds
        Time of each frame, strictly increasing.
    tolerance_s : float, seconds
        Widest band; the default is one tick of the coarsest usual clock.

    Returns
    -------
    NominalRate
        The rate (or None) and whether the spacing is variable.

    Raises
    ------
    SchemaError
        As `check_times`; `wrong-tolerance`: tolerance_s is not above 0.

    Examples
    --------
    >>> rate, is_vfr = nominal_rate(np.round(np.arange(300) * 1001 / 30000, 3))
    >>> str(rate), is_vfr
    ('30000/1001', False)
    >>> nominal_rate([0.0, 0.04, 0.2, 0.24, 0.31])
    NominalRate(rate=None, is_vfr=True)
    """
    if not tolerance_s > 0:
        raise SchemaError(Problem("wrong-tolerance", "tolerance_s", f"expected above 0, got {tolerance_s} s"))
    times = check_times(source_s, where="source_s")
    if times.size < 2:
        return NominalRate(None, is_vfr=False)
    frames = np.arange(times.size, dtype=np.float64)
    since = times - times[0]
    centred = frames - frames.mean()
    period = Fraction(float(since[-1] * ((centred @ (since / since[-1])) / (centred @ centred))))
    noise = 4 * float(np.spacing(np.abs(times).max()))
    ticks = [tick for tick in _TICKS_S if tick < tolerance_s] + [tolerance_s]
    for width, most in [*((tick, _FEW) for tick in ticks), (tolerance_s, _MANY)]:
        for rate in _candidates(1 / period, most):
            if _band_s(frames, since, rate) <= width * (1 + 1e-6) + noise:
                return NominalRate(rate, is_vfr=False)
    return NominalRate(None, is_vfr=True)


def _candidates(estimate: Fraction, most: int) -> Iterator[FrameRate]:
    ntsc = Fraction(round(estimate * 1001 / 1000) * 1000, 1001)
    seen = {Fraction(0)}
    finer = (estimate.limit_denominator(largest) for largest in range(2, most + 1))
    for choice in chain([Fraction(round(estimate)), ntsc], finer):
        if choice not in seen and choice.numerator <= LARGEST_TERM:
            seen.add(choice)
            yield FrameRate(choice.numerator, choice.denominator)


def _band_s(frames: NDArray[np.float64], since: NDArray[np.float64], rate: FrameRate) -> float:
    off = since - frames * rate.denominator / rate.numerator
    return float(off.max() - off.min())
