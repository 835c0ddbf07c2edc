"""Boundaries within a share of a video's duration, as GEBD counts them (Shou et al. 2021).

Each true boundary, in order of time, takes the nearest free one within `relative` times the duration; of several raters
the one counts with whom F is highest; and the counts of all videos are added up: `BoundaryCounts.pooled`. GEBD leaves
out videos on which its raters agree little (an F between them below 0.3): which videos are counted is the caller's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lapsdata.errors import Problem, SchemaError
from lapsdata.metrics._given import RESOLUTION_S, instants_of, seconds, share, ticks_of
from lapsdata.metrics.boundary import BoundaryCounts, inside, match_boundaries

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["relative_distance_counts"]


def relative_distance_counts(
    raters_s: Sequence[NDArray[np.float64]], found_s: NDArray[np.float64], duration_s: float, relative: float = 0.05
) -> BoundaryCounts:
    """Return the counts of one video, with the rater whose F is highest.

    Parameters
    ----------
    raters_s : sequence of NDArray, shape (B,), float64, seconds
        The true boundaries, one array for each rater; at least one.
    found_s : NDArray, shape (C,), float64, seconds
    duration_s : float, seconds, > 0
        Boundaries lie from 0 to here, and none of them is left out.
    relative : float, above 0, up to 1
        Largest distance of a hit as a share of the duration, itself included.

    Returns
    -------
    BoundaryCounts
        Of equally good raters the first, and the first where nothing was found.

    Raises
    ------
    SchemaError
        No rater (`no-raters`), times of another type or shape, not finite, or outside of the video (`outside-span`), a
        duration or a share that is none.

    Examples
    --------
    >>> import numpy as np
    >>> raters = [np.array([1.0, 4.0]), np.array([2.0, 5.0, 8.0])]
    >>> counts = relative_distance_counts(raters, np.array([2.25, 5.5]), 10.0)
    >>> counts, counts.f
    (BoundaryCounts(truth=3, found=2, hits=2), 0.8)
    >>> BoundaryCounts.pooled([counts, relative_distance_counts(raters, np.empty(0), 10.0)]).recall
    0.4
    """
    duration = seconds(duration_s, "duration_s", RESOLUTION_S)
    tolerance = share(relative, "relative") * duration
    if not raters_s:
        raise SchemaError(Problem("no-raters", "raters_s", "expected the boundaries of at least one rater, got none"))
    found = _inside(found_s, "found_s", duration)
    raters = [_inside(one, f"raters_s[{i}]", duration) for i, one in enumerate(raters_s)]
    if not len(found):
        return BoundaryCounts(len(raters[0]), 0, 0)
    each = [match_boundaries(truth, found, tolerance, matching="greedy").counts for truth in raters]
    return max(each, key=lambda counts: counts.f)


def _inside(times_s: NDArray[np.float64], name: str, duration_s: float) -> NDArray[np.float64]:
    times = instants_of(times_s, name)
    inside(ticks_of(times), (0.0, duration_s), name)
    return times
