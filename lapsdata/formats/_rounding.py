"""Storage profiles, and the one rounding that `compact` does: positions to a multiple of `round_px`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from lapsdata.errors import Problem, SchemaError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pydantic import JsonValue

__all__ = ["ROUND_PX", "Profile", "round_positions", "storage_facts"]

Profile = Literal["raw", "compact"]
"""`raw`: uncompressed, memory speed; `compact`: rounded and compressed. Readers get float32 from both."""

ROUND_PX = 1 / 64
"""Default of `round_px`: far below what any tracker knows, and enough zero bits to compress well."""


def storage_facts(profile: str, round_px: float | None) -> dict[str, JsonValue]:
    """Return how positions are put on disk, as it stands in the file, after checking that it makes sense.

    Raises
    ------
    SchemaError
        An unknown profile, or a step that is not a positive number.

    Examples
    --------
    >>> storage_facts("compact", 1 / 64)
    {'profile': 'compact', 'round_px': 0.015625}
    >>> storage_facts("raw", 1 / 64)
    {'profile': 'raw', 'round_px': None}
    """
    if profile not in get_args(Profile):
        raise SchemaError(Problem("wrong-value", "profile", f"expected one of {get_args(Profile)}, got '{profile}'"))
    if round_px is not None and not (math.isfinite(round_px) and round_px > 0):
        message = f"expected a step above 0 pixels, got {round_px}"
        raise SchemaError(Problem("wrong-value", "round_px", message, "use None for lossless"))
    return {"profile": profile, "round_px": round_px if profile == "compact" else None}


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
        raise SchemaError(Problem("not-finite", "round_px", message, "use None for lossless"))
    error = np.abs(rounded.astype(np.float64) - exact)
    return rounded, float(np.max(error, initial=0.0, where=~np.isnan(error)))
