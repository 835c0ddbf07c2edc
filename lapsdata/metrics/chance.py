"""Boundaries that did not look at the video: what any prediction has to beat.

A score within a tolerance rewards cutting often, until the cuts are as dense as the tolerance is wide; on GTEA a cut
every 2 s has F1@2s = 0.72. Each function here makes the boundaries of one video; `evaluate_boundaries` scores them all
beside the prediction. Some of them know the events of other videos, those of a train split: more than chance knows, and
still no look at the video.
"""

from __future__ import annotations

import math
import statistics
from typing import TYPE_CHECKING

import numpy as np

from lapsdata.errors import Problem, SchemaError
from lapsdata.metrics._draws import fractions
from lapsdata.metrics._given import RESOLUTION_S, Span, at_least, instants_of, seconds, span_ticks, ticks_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = [
    "candidate_periods",
    "lasting_boundaries",
    "median_shares",
    "periodic_boundaries",
    "placed_boundaries",
    "random_boundaries",
    "shifted_boundaries",
    "uniform_boundaries",
]

# Four periods to a doubling: between two of them the best F changes by less than drawing other videos would.
_PER_DOUBLING = 4
# The powers of 2 ** (1 / 4); spelled, for not every machine's `pow` rounds them alike.
_QUARTERS = (1.0, 1.189207115002721, 1.4142135623730951, 1.681792830507429)


def uniform_boundaries(span_s: Span, count: int) -> NDArray[np.float64]:
    """Cut a video into equal parts.

    Parameters
    ----------
    span_s : (float, float), seconds
    count : int, >= 0
        Number of boundaries; the parts are one more.

    Returns
    -------
    NDArray, shape (count,), float64, seconds

    Raises
    ------
    SchemaError
        A span or a count that is none.

    Examples
    --------
    >>> uniform_boundaries((0.0, 4.0), 3)
    array([1., 2., 3.])
    """
    span_ticks(span_s, "span_s")
    count = at_least(count, "count", 0)
    start, end = span_s
    return start + (end - start) * np.arange(1, count + 1) / (count + 1)


def periodic_boundaries(span_s: Span, period_s: float) -> NDArray[np.float64]:
    """Cut a video like a metronome, from its start, as often as the period fits before its end.

    Parameters
    ----------
    span_s : (float, float), seconds
    period_s : float, seconds, >= 1e-3

    Returns
    -------
    NDArray, shape (B,), float64, seconds

    Raises
    ------
    SchemaError
        A span or a period that is none.

    Examples
    --------
    >>> periodic_boundaries((0.0, 4.0), 1.5)
    array([1.5, 3. ])
    """
    _, end = span_ticks(span_s, "span_s")
    period = seconds(period_s, "period_s", 1e-3)
    beats = math.ceil((span_s[1] - span_s[0]) / period)
    times = span_s[0] + period * np.arange(1, beats + 1, dtype=np.float64)
    return times[ticks_of(times) < end]


def candidate_periods(shortest_s: float, longest_s: float) -> tuple[float, ...]:
    """Return periods of metronomes to choose among: 2 ** (k / 4) seconds for whole k.

    Parameters
    ----------
    shortest_s, longest_s : float, seconds, >= 1e-3
        The first period is not below the one, the last is the first that is not below the other: a metronome of the
        length of the longest video cuts none.

    Returns
    -------
    tuple of float, seconds
        Rising, at least one.

    Raises
    ------
    SchemaError
        A length that is none.

    Examples
    --------
    >>> [round(period, 3) for period in candidate_periods(1.9, 3.0)]
    [2.0, 2.378, 2.828, 3.364]
    """
    shortest, longest = seconds(shortest_s, "shortest_s", 1e-3), seconds(longest_s, "longest_s", 1e-3)
    first = math.ceil(_PER_DOUBLING * math.log2(shortest))
    last = max(first, math.ceil(_PER_DOUBLING * math.log2(longest)))
    steps = (divmod(step, _PER_DOUBLING) for step in range(first, last + 1))
    return tuple(math.ldexp(_QUARTERS[quarter], doublings) for doublings, quarter in steps)


def random_boundaries(span_s: Span, count: int, *, draws: int, seed: int, video: str) -> NDArray[np.float64]:
    """Draw boundaries anywhere in a video, each instant as likely as any other.

    The draws are a function of (seed, video, number of the draw) and of the count; they do not depend on other videos.

    Parameters
    ----------
    span_s : (float, float), seconds
    count : int, >= 0
        Boundaries in each draw.
    draws : int, >= 1
    seed : int, >= 0
    video : str
        Name of the video, so that videos of one length are not cut alike.

    Returns
    -------
    NDArray, shape (draws, count), float64, seconds
        Each row rising.

    Raises
    ------
    SchemaError
        A span or a number that is none.

    Examples
    --------
    >>> drawn = random_boundaries((0.0, 10.0), 4, draws=2, seed=0, video="clip_0")
    >>> drawn.shape, bool((np.diff(drawn) >= 0).all())
    ((2, 4), True)
    """
    span_ticks(span_s, "span_s")
    count, draws = at_least(count, "count", 0), at_least(draws, "draws", 1)
    start, end = span_s
    places = fractions("random", at_least(seed, "seed", 0), video, draws * count).reshape(draws, count)
    return np.sort(start + (end - start) * places, axis=1)


def shifted_boundaries(
    found_s: NDArray[np.float64], span_s: Span, *, draws: int, seed: int, video: str
) -> NDArray[np.float64]:
    """Turn the boundaries of a video by offsets, as if its end were followed by its start.

    What is kept is how many there are and how they follow one another; what is lost is where. The offsets of a video
    lie evenly in it, so that the mean over the draws is the mean over all offsets; which draw has which offset is
    seeded, so that no draw turns all videos alike.

    Parameters
    ----------
    found_s : NDArray, shape (B,), float64, seconds
        Inside of the span.
    span_s : (float, float), seconds
    draws : int, >= 1
        Number of offsets.
    seed : int, >= 0
    video : str
        Name of the video.

    Returns
    -------
    NDArray, shape (draws, B), float64, seconds
        Each row rising.

    Raises
    ------
    SchemaError
        Times, a span or a number that is none.

    Examples
    --------
    >>> shifted_boundaries(np.array([1.0, 2.0]), (0.0, 4.0), draws=1, seed=0, video="clip_0")
    array([[0., 3.]])
    """
    span_ticks(span_s, "span_s")
    found, draws = instants_of(found_s, "found_s"), at_least(draws, "draws", 1)
    start, end = span_s
    order = np.argsort(fractions("shift", at_least(seed, "seed", 0), video, draws), kind="stable")
    offsets = (order + 0.5) / draws * (end - start)
    return np.sort(start + (found - start + offsets[:, np.newaxis]) % (end - start), axis=1)


def lasting_boundaries(
    span_s: Span, durations_s: NDArray[np.float64], *, draws: int, seed: int, video: str
) -> tuple[NDArray[np.float64], ...]:
    """Cut a video into segments whose durations are drawn among given ones, one after the other until it ends.

    What is known is how long segments last; what is not known is where they are. Each duration is as likely as any
    other, whatever came before.

    Parameters
    ----------
    span_s : (float, float), seconds
    durations_s : NDArray, shape (S,), float64, seconds, >= 1e-6
        At least one.
    draws : int, >= 1
    seed : int, >= 0
    video : str
        Name of the video, so that videos of one length are not cut alike.

    Returns
    -------
    tuple of NDArray, shape (B,), float64, seconds
        One per draw, rising, inside of the span; draws are of unlike length.

    Raises
    ------
    SchemaError
        Durations, a span or a number that is none.

    Examples
    --------
    >>> lasting_boundaries((0.0, 5.0), np.array([2.0]), draws=1, seed=0, video="clip_0")
    (array([2., 4.]),)
    """
    start, end = span_ticks(span_s, "span_s")
    durations, draws = instants_of(durations_s, "durations_s"), at_least(draws, "draws", 1)
    seed = at_least(seed, "seed", 0)
    if not len(durations) or (ticks_of(durations) < 1).any():
        shortest = f"one of {durations.min()} s" if len(durations) else "none"
        message = f"expected durations of at least {RESOLUTION_S:g} s, got {shortest}"
        raise SchemaError(Problem("wrong-value", "durations_s", message))

    lasted, length = ticks_of(durations), end - start
    # A longer stream begins with the shorter one: how many numbers were asked for first changes nothing.
    count = draws * (1 + math.ceil(length / lasted.mean()))
    while True:
        places = fractions("durations", seed, video, count) * len(lasted)
        ends = np.cumsum(lasted[places.astype(np.int64)])
        drawn: list[NDArray[np.float64]] = []
        first = begun = 0
        # Each draw goes on in the stream where the one before has reached the end of the video.
        while len(drawn) < draws and (last := int(np.searchsorted(ends, begun + length))) < count:
            drawn.append(np.add(span_s[0], (ends[first:last] - begun) * RESOLUTION_S, dtype=np.float64))
            first, begun = last + 1, int(ends[last])
        if len(drawn) == draws:
            return tuple(drawn)
        count *= 2


def median_shares(shares: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return where in a video events are, by the median over videos: event by event, in order of time.

    As many events are returned as the median video has (of two middle numbers the lower). For the k-th of K, each video
    that has any says its own event of the same rank: the k-th where it has K, otherwise the quantile (k - 1/2) / K of
    its events (the smallest event that so many of them do not exceed), and the median of what they say is taken.

    Parameters
    ----------
    shares : sequence of NDArray, shape (B,), float64, 0 to 1
        The events of each video as shares of its duration, rising.

    Returns
    -------
    NDArray, shape (K,), float64, 0 to 1
        Not falling.

    Raises
    ------
    SchemaError
        No video, or shares that are none.

    Examples
    --------
    >>> median_shares([np.array([0.2, 0.5]), np.array([0.25, 0.75]), np.array([0.3])])
    array([0.25, 0.5 ])
    """
    each = [instants_of(one, f"shares[{i}]") for i, one in enumerate(shares)]
    if not each:
        raise SchemaError(Problem("no-videos", "shares", "expected at least one video, got none"))
    wrong = [i for i, one in enumerate(each) if ((one < 0) | (one > 1)).any() or (np.diff(one) < 0).any()]
    if wrong:
        message = "expected rising shares from 0 to 1, got others"
        raise SchemaError(Problem("wrong-value", f"shares[{wrong[0]}]", message))
    count = statistics.median_low(len(one) for one in each)
    # In whole numbers: ceil(n (2 k - 1) / 2 K), from 1.
    ranks = 2 * np.arange(1, count + 1) - 1
    said = [one[-(-len(one) * ranks // (2 * count)) - 1] for one in each if len(one)]
    return np.median(said, axis=0) if count else np.empty(0)


def placed_boundaries(span_s: Span, shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cut a video at given shares of its duration.

    Parameters
    ----------
    span_s : (float, float), seconds
    shares : NDArray, shape (B,), float64, 0 to 1

    Returns
    -------
    NDArray, shape (B,), float64, seconds

    Raises
    ------
    SchemaError
        A span or shares that are none.

    Examples
    --------
    >>> placed_boundaries((1.0, 5.0), np.array([0.25, 0.5]))
    array([2., 3.])
    """
    span_ticks(span_s, "span_s")
    places = instants_of(shares, "shares")
    if ((places < 0) | (places > 1)).any():
        raise SchemaError(Problem("wrong-value", "shares", "expected shares from 0 to 1, got others"))
    start, end = span_s
    return start + (end - start) * places
