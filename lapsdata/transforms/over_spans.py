"""What a sampled quantity comes to over spans of time, its mean or its rate of change; and its value at an instant.

Between two samples a quantity is taken to run straight. Where it is not sampled there is nothing to take: a span that
reaches beyond the samples, or over a gap between them, has no value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["OverSpans", "SpanHow", "at_times", "median_gap_s", "over_spans"]

SpanHow = Literal["value", "velocity"]
"""`value`: mean over the span; `velocity`: mean rate of change over it, per second."""

# Times of one grid that were computed in two ways differ by less.
_SLACK_S = 1e-6
# Samples that are further apart than this many of their usual distances have one missing between them.
_GAP = 1.5


class OverSpans(NamedTuple):
    """What quantities come to over spans.

    Parameters
    ----------
    value : float64 (R, Q)
        NaN where there is none.
    outside : bool (R,)
        Spans that begin before the first sample, or end after the last.
    in_gap : bool (R,)
        Other spans that reach over a gap.

    Examples
    --------
    See `over_spans`.
    """

    value: Floats
    outside: NDArray[np.bool_]
    in_gap: NDArray[np.bool_]


def median_gap_s(time_s: Floats) -> float:
    """Return the longest distance of samples that is no gap: 1.5 times the median one; 0 with fewer than two.

    Examples
    --------
    >>> median_gap_s(np.array([0.0, 0.5, 1.0, 3.0]))
    0.75
    """
    return _GAP * float(np.median(np.diff(time_s))) if len(time_s) > 1 else 0.0


def over_spans(
    time_s: Floats, value: Floats, span_s: Floats, how: SpanHow, *, max_gap_s: float | None = None
) -> OverSpans:
    """Return what sampled quantities come to over spans of time.

    Parameters
    ----------
    time_s : float64 (M,), seconds
        Of the samples, rising.
    value : float64 (M, Q)
        A sample with a NaN is as if it were not there.
    span_s : float64 (R, 2), seconds
        Start and end of each span, the end after the start.
    how : {"value", "velocity"}
    max_gap_s : float, optional
        Longest distance between two samples that is bridged; by default that of `median_gap_s` of all times.

    Returns
    -------
    OverSpans

    Examples
    --------
    >>> found = over_spans(np.arange(4.0), np.array([[0.0], [1.0], [4.0], [9.0]]), np.array([[0.0, 2.0]]), "value")
    >>> found.value
    array([[1.5]])
    >>> over_spans(np.arange(2.0), np.zeros((2, 1)), np.array([[0.5, 1.5]]), "value").outside
    array([ True])
    """
    widest = median_gap_s(time_s) if max_gap_s is None else max_gap_s
    known = np.isfinite(value).all(axis=1)
    time, samples = time_s[known], value[known]
    begin, end = span_s[:, 0], span_s[:, 1]
    if len(time) < 2:
        return OverSpans(
            np.full((len(span_s), value.shape[1]), np.nan), np.ones(len(span_s), bool), np.zeros(len(span_s), bool)
        )
    outside = (begin < time[0] - _SLACK_S) | (end > time[-1] + _SLACK_S)
    begin, end = np.clip(begin, time[0], time[-1]), np.clip(end, time[0], time[-1])
    in_gap = ~outside & (_gaps_before(time, end, "left", widest) > _gaps_before(time, begin, "right", widest))
    found = _taken(time, samples, begin, end, how)
    found[outside | in_gap] = np.nan
    return OverSpans(found, outside, in_gap)


def at_times(time_s: Floats, value: Floats, at_s: Floats) -> Floats:
    """Return what sampled quantities are at some times, each by itself: float64 (R, Q).

    Parameters
    ----------
    time_s : float64 (M,), seconds
        Of the samples, rising.
    value : float64 (M, Q)
        A sample with NaN in all quantities is as if it were not there.
    at_s : float64 (R,), seconds

    Returns
    -------
    float64 (R, Q)
        NaN before the first and after the last sample, in a gap (`median_gap_s`), and for a quantity that the sample
        before or behind has not.

    Examples
    --------
    >>> at_times(np.array([0.0, 1.0]), np.array([[2.0, np.nan], [4.0, 1.0]]), np.array([0.5, 1.5]))
    array([[ 3., nan],
           [nan, nan]])
    """
    known = np.isfinite(value).any(axis=1)
    time, samples = time_s[known], value[known]
    if len(time) < 2:
        return np.full((len(at_s), value.shape[1]), np.nan)
    outside = (at_s < time[0] - _SLACK_S) | (at_s > time[-1] + _SLACK_S)
    inside = np.clip(at_s, time[0], time[-1])
    wide = np.diff(time) > median_gap_s(time_s) + _SLACK_S
    on_sample = np.abs(inside - time[_before(time, inside + _SLACK_S)]) <= _SLACK_S
    found = _at(time, samples, inside)
    found[outside | (wide[_before(time, inside)] & ~on_sample)] = np.nan
    return found


def _gaps_before(time: Floats, at: Floats, side: Literal["left", "right"], widest: float) -> NDArray[np.int64]:
    """Return how many gaps have begun (`left`: before a time) or ended (`right`: up to a time)."""
    wide = np.concatenate([[0], np.cumsum(np.diff(time) > widest + _SLACK_S)])
    # A span that begins where a gap ends, or ends where one begins, does not reach over it.
    slack = -_SLACK_S if side == "left" else _SLACK_S
    place = np.searchsorted(time, at + slack, side=side)
    return np.asarray(wide[np.clip(place if side == "left" else place - 1, 0, len(time) - 1)], np.int64)


def _taken(time: Floats, samples: Floats, begin: Floats, end: Floats, how: SpanHow) -> Floats:
    first, last = _at(time, samples, begin), _at(time, samples, end)
    length = (end - begin)[:, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        # Spans that lie outside as a whole have no length once they are cut; they are told and have no value.
        if how == "velocity":
            return np.asarray((last - first) / length, np.float64)
        return np.asarray((_area(time, samples, end, last) - _area(time, samples, begin, first)) / length, np.float64)


def _before(time: Floats, at: Floats) -> NDArray[np.int64]:
    """Return the sample that each time lies at or after, never the last one."""
    return np.clip(np.searchsorted(time, at, side="right") - 1, 0, len(time) - 2).astype(np.int64)


def _at(time: Floats, samples: Floats, at: Floats) -> Floats:
    low = _before(time, at)
    share = ((at - time[low]) / (time[low + 1] - time[low]))[:, None]
    return np.asarray(samples[low] * (1 - share) + samples[low + 1] * share, np.float64)


def _area(time: Floats, samples: Floats, at: Floats, value: Floats) -> Floats:
    """Return the integral from the first sample up to each time, where the quantities have the values given."""
    pieces = np.diff(time)[:, None] * (samples[1:] + samples[:-1]) / 2
    whole = np.concatenate([np.zeros((1, samples.shape[1])), np.cumsum(pieces, axis=0)])
    low = _before(time, at)
    return np.asarray(whole[low] + (at - time[low])[:, None] * (samples[low] + value) / 2, np.float64)
