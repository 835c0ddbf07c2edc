"""Whether energies are like those that a threshold was told from: another camera, rate or size moves them all.

Two tests, both free of what the energies are measured in and of how they are spread:

- `energies-shifted`: at one of the held quantiles, the share of values that do not exceed it (or that lie below it)
  differs from its own by more than `MOST_APART`: the distance of Kolmogorov and Smirnov, as far as these tell it.
- `share-shifted`: the share of values that are loud is `MOST_TIMES` times as large as it was, or as small.

Rows that follow one another are alike, so that no p-value is told: the tests say how far apart, not how surely.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from lapsdata.errors import Problem
from lapsdata.schema.threshold import QUANTILES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lapsdata.containers import Energies

__all__ = ["MOST_APART", "MOST_TIMES", "energy_quantiles", "shift_problems"]

MOST_APART: Final = 0.25
"""Half of the values around the median lie within so much of it: beyond, the median has left the middle half."""

MOST_TIMES: Final = 3.0


def energy_quantiles(energies: Energies) -> tuple[float, ...]:
    """Return the quantiles of all measured energies that a record of a threshold holds.

    Each is the smallest value that such a share of the values does not exceed, so that it is one of them.

    Parameters
    ----------
    energies : Energies
        At least one row is measured.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_energies
    >>> len(energy_quantiles(sample_energies()))
    11
    """
    values = energies.energy[energies.state == 0]
    found: list[float] = np.quantile(values, QUANTILES, method="inverted_cdf").tolist()
    return tuple(found)


def shift_problems(
    energies: Energies, *, quantiles: Sequence[float] | None, value: float, above: float
) -> tuple[Problem, ...]:
    """Say how energies differ from those that a threshold was told from.

    Parameters
    ----------
    energies : Energies
        Those it is used for; where none is measured nothing is said.
    quantiles : sequence of float or None
        See `energy_quantiles`, of those it was told from; None where they are not known: then the share alone speaks.
    value : float
        The threshold.
    above : float, 0 to 1
        Share of those that were not below it.

    Returns
    -------
    tuple of Problem
        At severity "warning".

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_energies
    >>> energies = sample_energies()
    >>> told = energy_quantiles(energies)
    >>> shift_problems(energies, quantiles=told, value=told[5], above=0.5)
    ()
    >>> twice = [one * 100 for one in told]
    >>> [problem.code for problem in shift_problems(energies, quantiles=twice, value=twice[5], above=0.5)]
    ['energies-shifted', 'share-shifted']
    """
    values = np.sort(energies.energy[energies.state == 0])
    if not len(values):
        return ()
    problems = []
    apart = None if quantiles is None else _apart(values, np.array(quantiles))
    fix = "tell a threshold from energies of this camera, rate and size, or compare both with `lapsdata inspect`"
    if quantiles is not None and apart is not None:
        share, here, told = apart
        message = (
            f"expected energies as those that the threshold was told from, {told:.0%} of them up to {share:.3g}, got "
            f"{here:.0%}; the median is {np.median(values):.3g}, and was {quantiles[QUANTILES.index(0.5)]:.3g}"
        )
        problems.append(Problem("energies-shifted", "energies", message.replace("%", " %"), fix, "warning"))
    loud = float((values >= value).mean())
    if max(loud, above) > MOST_TIMES * min(loud, above):
        message = (
            f"expected about {above:.2g} of the energies from the threshold {value:.4g} on, as there, got {loud:.2g}"
        )
        problems.append(Problem("share-shifted", "energies", message, fix, "warning"))
    return tuple(problems)


def _apart(values: NDArray[np.float64], quantiles: NDArray[np.float64]) -> tuple[float, float, float] | None:
    """Return the quantile whose share differs most, with the shares here and there; None where none does by much."""
    below = np.searchsorted(values, quantiles, side="left") / len(values)
    up_to = np.searchsorted(values, quantiles, side="right") / len(values)
    # Of equal quantiles the last says how many there do not exceed the value, the first how many lie below it.
    shares = np.array(QUANTILES)
    most = shares[np.searchsorted(quantiles, quantiles, side="right") - 1]
    least = shares[np.searchsorted(quantiles, quantiles, side="left")]
    far = np.maximum(most - up_to, below - least)
    at = int(np.argmax(far))
    if far[at] <= MOST_APART:
        return None
    here, told = (up_to[at], most[at]) if most[at] - up_to[at] == far[at] else (below[at], least[at])
    return float(quantiles[at]), float(here), float(told)
