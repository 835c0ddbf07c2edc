"""Causal smoothing of energies by time, with gaps: a value that was gated or is missing stays so.

Only measured values are averaged, each at the middle of its time (`EnergySeries.at_s`); what lies in between without a
value is neither 0.0 nor filled. Being causal, smoothing delays what it smooths: `ema` by about `tau_s`,
`moving_average` by half of `span_s`.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from lapsdata.errors import Problem, SchemaError
from lapsdata.provenance import provenance
from lapsdata.segmenters._cells import NOISE_S
from lapsdata.segmenters._protocol import EnergySeries

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lapsdata.containers import Energies
    from lapsdata.schema import Parent

__all__ = ["Smoothing", "ema", "moving_average", "smooth"]

Smoothing = Literal["ema", "moving_average"]
"""Names of the ways to smooth."""

_EMA_TAUS = 3.0


def ema(series: EnergySeries, tau_s: float) -> EnergySeries:
    """Return exponential means: y = y' + (1 - exp(-dt / tau)) (x - y'), with dt since the measured value before.

    LAPS's y = a x + (1 - a) y' on a hop h (0.7 on 0.4 s) is `tau_s` = -h / ln(1 - a) (0.33 s).

    Parameters
    ----------
    series : EnergySeries
    tau_s : float, seconds, above 0
        After a step of the energy, 63 % of it is reached within this time.

    Returns
    -------
    EnergySeries
        Of the same times and states.

    Raises
    ------
    SchemaError
        `tau_s` is not a finite time above 0.

    Examples
    --------
    >>> import math
    >>> series = EnergySeries.measured([0, 1], [1, 2], [0.0, 1.0])
    >>> ema(series, 1 / math.log(2)).energy.round(6)
    array([0. , 0.5])
    """
    _refuse_no_time("tau_s", tau_s)
    energy = series.energy.copy()
    rows = np.flatnonzero(series.state == 0).tolist()
    at_s = series.at_s
    for before, row in itertools.pairwise(rows):
        share = -math.expm1(-(at_s[row] - at_s[before]) / tau_s)
        energy[row] = energy[before] + share * (energy[row] - energy[before])
    return replace(series, energy=energy)


def moving_average(series: EnergySeries, span_s: float) -> EnergySeries:
    """Return the mean of the measured values of the last `span_s` seconds, the value itself among them.

    Parameters
    ----------
    series : EnergySeries
    span_s : float, seconds, above 0
        Values whose middle lies less than this before a value's own middle are averaged: of a hop h, `span_s` = 3 h
        takes three values.

    Returns
    -------
    EnergySeries
        Of the same times and states.

    Raises
    ------
    SchemaError
        `span_s` is not a finite time above 0.

    Examples
    --------
    >>> series = EnergySeries.measured([0, 1, 2], [1, 2, 3], [3.0, 1.0, 2.0])
    >>> moving_average(series, 2.0).energy
    array([3. , 2. , 1.5])
    """
    _refuse_no_time("span_s", span_s)
    energy = series.energy.copy()
    rows = np.flatnonzero(series.state == 0)
    at_s = series.at_s[rows]
    first = np.searchsorted(at_s, at_s - span_s + NOISE_S, side="right")
    for place, row in enumerate(rows.tolist()):
        # The first is the value itself where a span is shorter than the noise of time.
        inside = series.energy[rows[min(int(first[place]), place) : place + 1]]
        energy[row] = inside.mean()
    return replace(series, energy=energy)


def smooth(energies: Energies, how: Smoothing, seconds: float, *, parents: Iterable[Parent] = ()) -> Energies:
    """Smooth every video of an energies container, each on its own.

    Parameters
    ----------
    energies : Energies
        Raw values: two smoothings have no one name.
    how : {"ema", "moving_average"}
    seconds : float, above 0
        `tau_s` of `ema`, `span_s` of `moving_average`.
    parents : iterable of Parent
        The file that the energies come from.

    Returns
    -------
    Energies
        With the same rows and states; the header says `smoothing`, and a `support_s` that is as much longer: by the
        time over which values are averaged, of `ema` by the 3 `tau_s` in which 95 % of a value's weight lie.

    Raises
    ------
    SchemaError
        An unknown word; no time above 0; the energies are smoothed already (`smoothed-twice`).

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_energies
    >>> smooth(sample_energies(), "ema", 0.5).header.smoothing
    'ema 0.5 s'
    """
    if how not in get_args(Smoothing):
        raise SchemaError(Problem("unknown-smoothing", "how", f"expected one of {get_args(Smoothing)}, got {how!r}"))
    if energies.header.smoothing is not None:
        message = f"expected raw energies, got some that went through '{energies.header.smoothing}'"
        raise SchemaError(Problem("smoothed-twice", "energies", message, "smooth the raw ones"))
    way = ema if how == "ema" else moving_average
    parts = [way(series, seconds).energy for series in EnergySeries.each_of(energies)]
    told = {"smoothing": how, "seconds": float(seconds)}
    more_s = _EMA_TAUS * seconds if how == "ema" else _reach_s(seconds, energies.header.hop_s)
    header = energies.header.model_copy(
        update={
            "support_s": energies.header.support_s + more_s,
            "smoothing": f"{how} {float(seconds)!r} s",
            "provenance": provenance(parameters=dict(told), parents=parents),
        }
    )
    return replace(energies, header=header, energy=np.concatenate(parts))


def _reach_s(span_s: float, hop_s: float | None) -> float:
    """Return how far before a value the first one lies that is averaged with it; of a variable rate, at most."""
    if hop_s is None:
        return span_s
    return hop_s * (math.ceil((span_s - NOISE_S) / hop_s) - 1) if span_s > hop_s else 0.0


def _refuse_no_time(name: str, seconds: float) -> None:
    if not (math.isfinite(seconds) and seconds > 0):
        raise SchemaError(Problem("wrong-time", name, f"expected finite seconds above 0, got {seconds!r}"))
