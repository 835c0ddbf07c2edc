"""What callers give, checked; and seconds as whole microseconds (ticks), the numbers in which times are compared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, get_args

import numpy as np

from lapsdata.containers.base import ArrayCheck
from lapsdata.errors import Problem, SchemaError, whole_number

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "PER_S",
    "RESOLUTION_S",
    "Span",
    "at_least",
    "instants_of",
    "known_word",
    "seconds",
    "share",
    "span_ticks",
    "tick_lists",
    "ticks_of",
    "tolerance_ticks",
]

RESOLUTION_S: Final = 1e-6
"""Seconds per tick: a thousandth of the finest container clock, and 10,000 times the float64 noise of a day."""

Span = tuple[float, float]
"""Start and end of a looked-at time, in seconds."""

PER_S: Final = 1_000_000
"""Ticks per second."""

# Up to here float64 holds every microsecond.
_LARGEST_S = 2**53 / PER_S


def instants_of(values: object, where: str) -> NDArray[np.float64]:
    """Return what was given as times, or say what is wrong with it.

    Raises
    ------
    SchemaError
        No float64 array of shape (B,), or times that are not finite or beyond +-2**53 microseconds.
    """
    check = ArrayCheck("")
    if check.array(where, values, ("B",), np.float64) and isinstance(values, np.ndarray):
        wrong = ~(np.abs(values) <= _LARGEST_S)
        check.rows("not-finite", where, wrong, f"expected finite seconds within {_LARGEST_S:.0f} s")
    check.finish()
    return np.asarray(values, np.float64)


def ticks_of(times_s: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return checked times as ticks, same shape."""
    return np.rint(times_s * PER_S).astype(np.int64)


def tick_lists(times_s: NDArray[np.float64]) -> Any:  # noqa: ANN401 - lists as deep as the array
    """Return times (B,) or (R, B) as lists of ticks: plain integers are what the matching loops are fastest with."""
    return ticks_of(times_s).tolist()


def span_ticks(span_s: object, where: str) -> tuple[int, int]:
    """Return a looked-at time as ticks.

    Raises
    ------
    SchemaError
        No pair of finite numbers, or an end that is not after the start.
    """
    try:
        given = np.asarray(span_s, np.float64)
    except (TypeError, ValueError):
        given = np.empty(0)
    if given.shape != (2,) or not (np.abs(given) <= _LARGEST_S).all():
        raise SchemaError(Problem("wrong-span", where, f"expected start and end in finite seconds, got {span_s!r}"))
    start, end = ticks_of(given).tolist()
    if not start < end:
        message = f"expected an end after the start, got {given[0]} s to {given[1]} s"
        raise SchemaError(Problem("wrong-span", where, message))
    return start, end


def seconds(value: Any, name: str, least: float) -> float:  # noqa: ANN401 - anything may be given
    """Return a number of seconds as float.

    Raises
    ------
    SchemaError
        Below `least`, not finite, or no number.
    """
    real = isinstance(value, (int, float, np.floating, np.integer)) and not isinstance(value, bool)
    number = float(value) if real else np.nan
    if not least <= number <= _LARGEST_S:
        message = f"expected finite seconds of at least {least:g}, got {value!r}"
        raise SchemaError(Problem("wrong-value", name, message))
    return number


def share(value: Any, name: str) -> float:  # noqa: ANN401 - anything may be given
    """Return a share above 0 and up to 1 as float, or raise SchemaError."""
    real = isinstance(value, (int, float, np.floating)) and not isinstance(value, bool)
    if not real or not 0 < value <= 1:
        message = f"expected a share above 0, up to 1, got {value!r}"
        raise SchemaError(Problem("out-of-range", name, message, "such as 0.5"))
    return float(value)


def tolerance_ticks(tolerance_s: float, where: str = "tolerance_s") -> int:
    """Return a tolerance as ticks; SchemaError where it is negative, not finite, or no number."""
    return round(seconds(tolerance_s, where, 0) * PER_S)


def at_least(value: object, name: str, least: int) -> int:
    """Return a whole number of at least `least`, or raise SchemaError."""
    number = whole_number(value)
    if number is None or number < least:
        raise SchemaError(Problem("wrong-value", name, f"expected an integer of at least {least}, got {value!r}"))
    return number


def known_word(word: object, name: str, kind: object) -> None:
    """Refuse a word that is not among those of the Literal `kind`."""
    if word not in get_args(kind):
        listed = ", ".join(map(repr, get_args(kind)))
        raise SchemaError(Problem("unknown-choice", name, f"expected one of {listed}, got {word!r}"))
