"""Whether boundaries are near events more often than by chance, where there are too few events to score.

The boundaries of each video are turned in time, its end joined to its start: how many there are and how they follow one
another is kept, where they are is lost. What share of such turns finds as many events is the p-value. It says whether
boundaries know of the events at all, and nothing about how well they find them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lapsdata.errors import Problem, SchemaError, listed
from lapsdata.metrics._given import at_least, instants_of, seconds
from lapsdata.metrics.boundary import to_nearest
from lapsdata.metrics.chance import shifted_boundaries

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from lapsdata.metrics._given import Span

__all__ = ["ShiftTest", "circular_shift_test"]

# Seconds below which two distances are the same: rounding of times is smaller, and no clock is as fine.
_SLACK_S = 1e-6


class ShiftTest(NamedTuple):
    """How many events have a boundary near, and how often chance does as well.

    Parameters
    ----------
    events : int
    near : int
        Events with a boundary within the tolerance.
    near_by_chance : float
        Mean number over the turns.
    p_value : float
        (1 + turns with at least as many) / (1 + turns): never 0, since what was found is one of the turns (Davison &
        Hinkley 1997, 4.3; Phipson & Smyth 2010).

    Examples
    --------
    See `circular_shift_test`.
    """

    events: int
    near: int
    near_by_chance: float
    p_value: float


def circular_shift_test(
    events_s: Mapping[str, NDArray[np.float64]],
    boundaries_s: Mapping[str, NDArray[np.float64]],
    spans_s: Mapping[str, Span],
    *,
    tolerance_s: float,
    groups: Mapping[str, str] | None = None,
    draws: int = 1000,
    seed: int = 0,
) -> ShiftTest:
    """Test whether boundaries lie near events more often than the same boundaries turned in time.

    Parameters
    ----------
    events_s, boundaries_s : dict of float64 (B,), seconds
        By video.
    spans_s : dict of (float, float), seconds
        The time that was looked at, by video; it is what is turned.
    tolerance_s : float
        Largest distance, itself included.
    groups : dict of str, optional
        The group of a video: videos of one group show one schedule, and are turned by the same share of their length.
    draws, seed : int

    Raises
    ------
    SchemaError
        Videos that not all three speak of, no event at all, or values that are none.

    Examples
    --------
    >>> events, span = {"clip": np.array([2.0, 7.0])}, {"clip": (0.0, 10.0)}
    >>> circular_shift_test(events, {"clip": np.array([2.1, 7.1])}, span, tolerance_s=0.25, draws=99)
    ShiftTest(events=2, near=2, near_by_chance=0.18181818181818182, p_value=0.1)
    """
    draws = at_least(draws, "draws", 1)
    reach = seconds(tolerance_s, "tolerance_s", 0) + _SLACK_S
    if not events_s.keys() == boundaries_s.keys() == spans_s.keys():
        every = events_s.keys() | boundaries_s.keys() | spans_s.keys()
        lacking = sorted(every - (events_s.keys() & boundaries_s.keys() & spans_s.keys()))
        message = f"expected events, boundaries and a span of each video, got only some of {listed(lacking)}"
        raise SchemaError(Problem("unlike-videos", "videos", message))
    total = sum(len(events) for events in events_s.values())
    if not total:
        raise SchemaError(Problem("no-events", "events_s", "expected at least one event, got none"))
    near, by_chance = 0, np.zeros(draws, np.int64)
    for video, events in events_s.items():
        times, cuts = (instants_of(one, f"{video}: times") for one in (events, boundaries_s[video]))
        near += int((to_nearest(times, np.sort(cuts)) <= reach).sum())
        name = (groups or {}).get(video, video)
        turned = shifted_boundaries(cuts, spans_s[video], draws=draws, seed=seed, video=name)
        by_chance += np.array([(to_nearest(times, row) <= reach).sum() for row in turned], np.int64)
    as_many = int((by_chance >= near).sum())
    return ShiftTest(total, near, float(by_chance.mean()), (1 + as_many) / (1 + draws))
