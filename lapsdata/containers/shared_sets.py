"""Sets that two data sets of views have both: what a model learns from is no measure of what it has learned."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lapsdata.containers.views import Views

__all__ = ["shared_sets"]


def shared_sets(one: Sequence[tuple[Views, int]], other: Sequence[tuple[Views, int]]) -> list[tuple[int, int]]:
    """Return the numbers of sets that are the same in both: those with a view of equal names and an equal pose.

    Names of files and of splits have no part in it: both may be copied and changed.

    Parameters
    ----------
    one, other : sequence of (Views, int)
        Sets, each by its place in a container.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_views
    >>> views = sample_views()
    >>> shared_sets([(views, 1)], [(views, 0), (views, 1)])
    [(0, 1)]
    """
    theirs: dict[tuple[str, int], list[int]] = {}
    for number, (views, place) in enumerate(other):
        theirs.setdefault(_named(views, place), []).append(number)
    found = []
    for number, (views, place) in enumerate(one):
        if same := theirs.get(_named(views, place)):
            own = _seen(views, place)
            found += [(number, second) for second in same if not own.isdisjoint(_seen(*other[second]))]
    return found


def _named(views: Views, place: int) -> tuple[str, int]:
    return views.scenario[place], int(views.frame[place])


def _seen(views: Views, place: int) -> set[tuple[str, str, bytes]]:
    # A zero has no sign here.
    return {
        (views.agent[view], views.camera[view], np.add(views.cam2world[view], 0.0).tobytes())
        for view in views.views_of(place)
    }
