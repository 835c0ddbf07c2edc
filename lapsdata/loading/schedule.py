"""Which source comes at which position of a mixture, in closed form: nothing is counted along the way.

The source of the largest share takes that of all positions, evenly spread; the next one its share of the positions
that are left; and so on. The n-th position that a source takes, and how many it has taken before any position, are
divisions of whole numbers. Each division errs by less than one, and is passed on to a source of the same or a smaller
share only in part: of K sources, none is ever further from its exact share than 1 + (1 + 1/2 + ... + 1/(K - 1)).
"""

from __future__ import annotations

import itertools
import math
from fractions import Fraction
from numbers import Rational, Real
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["Schedule", "whole_shares"]

# Products of shares and remainders stay below 2**62.
_LARGEST = 2**30


class Schedule:
    """An endless row of sources, each as often as its share says.

    Parameters
    ----------
    shares : tuple of int
        Whole numbers, 1 or more, relative to each other; up to 2**30 together.

    Examples
    --------
    >>> sources, counts = Schedule((2, 1)).at(np.arange(6))
    >>> sources.tolist(), counts.tolist()
    ([0, 0, 1, 0, 0, 1], [0, 1, 0, 2, 3, 1])
    """

    def __init__(self, shares: tuple[int, ...]) -> None:
        turns = sorted(range(len(shares)), key=lambda source: -shares[source])
        # What is left for each source and those behind it.
        left = list(itertools.accumulate(shares[source] for source in reversed(turns)))[::-1]
        self._steps = tuple((source, shares[source], rest) for source, rest in zip(turns, left, strict=True))

    def at(self, positions: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return which source has each position, and how many positions it had before.

        Parameters
        ----------
        positions : int64 (B,)

        Returns
        -------
        sources, counts : int64 (B,)
        """
        sources = np.empty(len(positions), np.int64)
        counts = np.zeros(len(positions), np.int64)
        todo = np.arange(len(positions))
        rest = positions.astype(np.int64)
        for number, share, left in self._steps:
            before, after = _taken(rest, share, left), _taken(rest + 1, share, left)
            here = after > before
            sources[todo[here]] = number
            counts[todo[here]] = before[here]
            todo, rest = todo[~here], (rest - before)[~here]
        return sources, counts

    def counts_before(self, position: int) -> tuple[int, ...]:
        """Return how many positions each source has before a position.

        Examples
        --------
        >>> Schedule((2, 1)).counts_before(4)
        (3, 1)
        """
        found, rest = [0] * len(self._steps), position
        for source, share, left in self._steps:
            found[source] = -(-rest * share // left)
            rest -= found[source]
        return tuple(found)


def _taken(positions: NDArray[np.int64], share: int, left: int) -> NDArray[np.int64]:
    """Return ceil(positions * share / left) without a product that overflows."""
    whole, part = np.divmod(positions, left)
    taken: NDArray[np.int64] = whole * share - (-part * share) // left
    return taken


def _exactly(weight: float | Real) -> Fraction:
    if isinstance(weight, Rational):
        return Fraction(int(weight.numerator), int(weight.denominator))
    # The decimals that a person would write, not the binary fraction that they become.
    return Fraction(repr(float(weight)))


def whole_shares(weights: Sequence[float | Real]) -> tuple[int, ...]:
    """Return weights as whole numbers: exactly as they are spelled in decimals, if these are not too fine.

    Parameters
    ----------
    weights : sequence of numbers
        All positive.

    Returns
    -------
    tuple of int
        Together up to 2**30; finer weights are rounded to that, none below 1.

    Examples
    --------
    >>> whole_shares([0.7, 0.2, 0.1])
    (7, 2, 1)
    >>> whole_shares([1000, 3000])
    (1, 3)
    """
    exact = [_exactly(weight) for weight in weights]
    total = sum(exact, Fraction(0))
    whole = math.lcm(*((part / total).denominator for part in exact))
    if whole <= _LARGEST:
        return tuple(int(part / total * whole) for part in exact)
    room = _LARGEST - len(exact)
    return tuple(max(1, round(part / total * room)) for part in exact)
