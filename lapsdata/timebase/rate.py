"""A frame rate is a fraction, never a float: 29.97 frames per second are 30000/1001."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fractions import Fraction
from functools import total_ordering
from typing import SupportsIndex

from lapsdata.errors import Problem, SchemaError, whole_number

__all__ = ["LARGEST_TERM", "FrameRate", "expect_rate"]

# Numerator and denominator of FFmpeg's AVRational are 32-bit, so no container can say more.
LARGEST_TERM = 2**31 - 1

# The nominal rates whose NTSC forms (SMPTE ST 12-1: nominal * 1000/1001) people write as rounded decimals.
_NTSC_NOMINAL = (24, 30, 48, 60, 120)

# A decimal with at most three places is meant as written (7.5, 12.5, 14.985); one with more has been rounded
# from something else, and counts only when it is the float64 of a fraction of at most this denominator.
_PLACES = 3
_SIMPLE_DENOMINATOR = 1001
# No camera is quicker; a float of a number much larger overflows.
_MOST = 10**12

# The bounds on the digits keep a hostile header from asking for an integer of a million digits.
_FRACTION = re.compile(r"\s*(\d{1,40})\s*/\s*(\d{1,40})\s*", re.ASCII)
_DECIMAL = re.compile(r"\s*(\d{1,40}(?:\.\d{1,40})?(?:e[+-]?\d{1,3})?)\s*", re.ASCII)


@total_ordering
@dataclass(frozen=True, slots=True)
class FrameRate:
    """Frames per second as an exact, normalised fraction above zero.

    Equality, order and hash go by value: `FrameRate(30, 2) == FrameRate(15)`.

    Parameters
    ----------
    numerator, denominator : int
        1 .. 2**31 - 1 each, once the fraction is in lowest terms.

    Raises
    ------
    SchemaError
        `wrong-rate`: not whole numbers, not above zero, or too large.

    Examples
    --------
    >>> rate = FrameRate(60000, 2002)
    >>> str(rate), rate.period_s, rate > FrameRate(25)
    ('30000/1001', 0.03336666666666667, True)
    """

    numerator: int
    denominator: int = 1

    def __post_init__(self) -> None:
        numerator = _whole(self.numerator, "numerator")
        denominator = _whole(self.denominator, "denominator")
        if numerator <= 0 or denominator <= 0:
            raise _wrong(f"expected a rate above zero, got {numerator}/{denominator}", "give frames per second")
        common = math.gcd(numerator, denominator)
        numerator, denominator = numerator // common, denominator // common
        if max(numerator, denominator) > LARGEST_TERM:
            raise _wrong(
                f"expected numerator and denominator up to {LARGEST_TERM}, got {numerator}/{denominator}",
                "give a simpler fraction",
            )
        object.__setattr__(self, "numerator", numerator)
        object.__setattr__(self, "denominator", denominator)

    @classmethod
    def parse(cls, value: str | float | SupportsIndex | Fraction | FrameRate) -> FrameRate:
        """Read a rate as people and containers write it.

        Whole numbers and fractions are taken exactly. Decimals, as text or float (a float is read as the
        shortest decimal that gives it), go through three rules, the first that fits:

        1. *NTSC rule*: at least two places, and equal to 24, 30, 48, 60 or 120 times 1000/1001 rounded to
           those places (23.98, 23.976, 29.97, 59.94, 119.88, ...): that NTSC fraction.
        2. At most three places: exactly as written (7.5 is 15/2, 23.97 is 2397/100).
        3. The float64 of a fraction with denominator up to 1001 (16.666666666666668): that fraction.

        Anything else has been rounded from an unknown fraction and is refused.

        Parameters
        ----------
        value : str, int, float, Fraction or FrameRate
            Frames per second.

        Returns
        -------
        FrameRate

        Raises
        ------
        SchemaError
            `wrong-rate`: no rate above zero, or a rounded decimal that fits none of the rules.

        Examples
        --------
        >>> [str(FrameRate.parse(value)) for value in ("30000/1001", 29.97, "23.976", 50 / 3, 7.5, 10)]
        ['30000/1001', '30000/1001', '24000/1001', '50/3', '15/2', '10']
        """
        if isinstance(value, FrameRate):
            return value
        if isinstance(value, Fraction):
            return cls(value.numerator, value.denominator)
        text = repr(float(value)) if isinstance(value, float) else value
        if not isinstance(text, str):
            whole = whole_number(text)
            if whole is None:
                # A float32 holds too few digits to tell 29.97 from its neighbours.
                message = f"expected text, an int, a float of Python or a Fraction, got {value!r}"
                raise _wrong(message, 'write "30000/1001", "29.97" or 30')
            return cls(whole)
        if written := _FRACTION.fullmatch(text):
            return cls(int(written[1]), int(written[2]))
        if written := _DECIMAL.fullmatch(text):
            return _from_decimal(written[1])
        raise _wrong(f"expected frames per second above zero, got {value!r}", 'write "30000/1001", "29.97" or 30')

    @property
    def fraction(self) -> Fraction:
        """The same rate as a `fractions.Fraction`, frames per second."""
        return Fraction(self.numerator, self.denominator)

    @property
    def hz(self) -> float:
        """The nearest float64, frames per second; for display, never for computing times."""
        return self.numerator / self.denominator

    @property
    def period_s(self) -> float:
        """Duration of one frame, seconds, as the nearest float64."""
        return self.denominator / self.numerator

    def __str__(self) -> str:
        return str(self.fraction)

    def __lt__(self, other: object) -> bool:
        return self.fraction < other.fraction if isinstance(other, FrameRate) else NotImplemented


def _from_decimal(text: str) -> FrameRate:
    exact = Fraction(text)
    if exact > _MOST:
        raise _wrong(f"expected at most {_MOST} frames per second, got {text}", "give frames per second")
    places = len(text.partition(".")[2]) if "e" not in text else _PLACES + 1
    for nominal in _NTSC_NOMINAL:
        ntsc = Fraction(nominal * 1000, 1001)
        if places >= 2 and round(ntsc, places) == exact:
            return FrameRate(ntsc.numerator, ntsc.denominator)
    if places > _PLACES:
        simple = exact.limit_denominator(_SIMPLE_DENOMINATOR)
        if float(simple) != float(exact):
            raise _wrong(
                f"expected a fraction or a decimal that stands for one, got {text}",
                'write the fraction that it was rounded from, such as "50/3"',
            )
        exact = simple
    return FrameRate(exact.numerator, exact.denominator)


def expect_rate(value: object) -> None:
    """Refuse what is no `FrameRate`, such as the float 29.97."""
    if not isinstance(value, FrameRate):
        raise _wrong(f"expected a FrameRate, got {value!r}", f"write FrameRate.parse({value!r})")


def _whole(value: object, name: str) -> int:
    whole = whole_number(value)
    if whole is None:
        raise _wrong(f"{name}: expected an integer, got {value!r}", "write FrameRate.parse(...) for other numbers")
    return whole


def _wrong(message: str, fix: str) -> SchemaError:
    return SchemaError(Problem("wrong-rate", "frame rate", message, fix))
