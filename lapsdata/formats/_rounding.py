"""Storage profiles, and what `compact` rounds: positions to a multiple of `round_px`, and confidence with them."""

from __future__ import annotations

import math
from numbers import Real
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from lapsdata.errors import Problem, SchemaError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["ROUND_CONFIDENCE", "ROUND_PX", "Profile", "confidence_step", "round_positions", "rounding_step"]

Profile = Literal["raw", "compact"]
"""`raw`: uncompressed, memory speed; `compact`: rounded and compressed. Readers get float32 from both."""

ROUND_PX = 1 / 64
"""Default of `round_px`: far below what any tracker knows, and enough zero bits to compress well."""


ROUND_CONFIDENCE = 1 / 256
"""What `compact` rounds confidence to: float32 holds the multiples exactly, 0 and 1 among them."""


def rounding_step(profile: str, round_px: object) -> float | None:
    """Return the step that positions are rounded to under a profile, after checking that it makes sense.

    Parameters
    ----------
    profile : {"raw", "compact"}
    round_px : float, "none" or None, pixel
        "none" is lossless; None is what the profile does by itself: 1/64 for `compact`, nothing for `raw`.

    Returns
    -------
    float or None, pixel
        None where nothing is rounded.

    Raises
    ------
    SchemaError
        An unknown profile, a step that is not a positive number, or a step for `raw`, which rounds nothing.

    Examples
    --------
    >>> rounding_step("compact", None), rounding_step("compact", "none"), rounding_step("raw", None)
    (0.015625, None, None)
    """
    if profile not in get_args(Profile):
        raise SchemaError(Problem("wrong-value", "profile", f"expected one of {get_args(Profile)}, got {profile!r}"))
    if round_px is None or round_px == "none":
        return ROUND_PX if profile == "compact" and round_px is None else None
    step = _number(round_px)
    if not 0 < step < math.inf:
        message = f"expected a step above 0 pixels, got {round_px!r}"
        raise SchemaError(Problem("wrong-value", "round_px", message, 'use "none" for lossless'))
    if profile == "raw":
        message = f"expected none with profile 'raw', which stores positions as they are, got {round_px}"
        raise SchemaError(Problem("wrong-value", "round_px", message, "use profile='compact', or leave it out"))
    return step


def confidence_step(step: float | None) -> float | None:
    """Return what confidence is rounded to beside positions that are rounded to `step`; None where nothing is.

    Examples
    --------
    >>> confidence_step(1 / 64), confidence_step(None)
    (0.00390625, None)
    """
    return None if step is None else ROUND_CONFIDENCE


def _number(value: object) -> float:
    """Return a real number as float64; NaN for what is none, infinity for what is too large."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.inf


def round_positions(positions: NDArray[np.float32], step: float | None) -> tuple[NDArray[np.float32], float]:
    """Round positions to multiples of a step.

    Parameters
    ----------
    positions : float32 (..., 2), pixel
        NaN stays NaN.
    step : float or None, pixel
        None leaves them as they are.

    Returns
    -------
    rounded : float32 (..., 2), pixel
        Differs by at most half a step and one float32 unit in the last place.
    largest : float, pixel
        The largest difference that occurred.

    Raises
    ------
    SchemaError
        A multiple of the step that float32 cannot hold.

    Examples
    --------
    >>> rounded, largest = round_positions(np.array([[0.3, 1.0]], np.float32), 1 / 4)
    >>> rounded, round(largest, 3)
    (array([[0.25, 1.  ]], dtype=float32), 0.05)
    """
    if step is None:
        return positions, 0.0
    exact = positions.astype(np.float64)
    with np.errstate(over="ignore"):  # what overflows is refused below, with a reason
        rounded = (np.round(exact / step) * step).astype(np.float32)
    infinite = int(np.isinf(rounded).sum())
    if infinite:
        message = f"expected positions that stay finite as multiples of {step}, got {infinite} that do not"
        raise SchemaError(Problem("not-finite", "round_px", message, 'use "none" for lossless'))
    error = np.abs(rounded.astype(np.float64) - exact)
    return rounded, float(np.max(error, initial=0.0, where=~np.isnan(error)))
