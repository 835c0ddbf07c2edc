"""Sets that two data sets of views have both: what a model learns from is no measure of what it has learned."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lapsdata.loading._view_opening import OpenedSets

__all__ = ["shared_sets"]


def shared_sets(one: OpenedSets, other: OpenedSets) -> list[tuple[int, int]]:
    """Return the numbers of sets that are the same in both: those with a view of equal names and an equal pose.

    Names of files and of splits have no part in it: both may be copied and changed.
    """
    theirs: dict[tuple[str, int], list[int]] = {}
    for number, name in enumerate(_named(other)):
        theirs.setdefault(name, []).append(number)
    found = []
    for number, name in enumerate(_named(one)):
        if name in theirs:
            own = _views(one, number)
            found += [(number, second) for second in theirs[name] if not own.isdisjoint(_views(other, second))]
    return found


def _named(sets: OpenedSets) -> Iterator[tuple[str, int]]:
    for source, place in zip(sets.source.tolist(), sets.place.tolist(), strict=True):
        views = sets.pixels[source].views
        yield views.scenario[place], int(views.frame[place])


def _views(sets: OpenedSets, number: int) -> set[tuple[str, str, bytes]]:
    views = sets.pixels[int(sets.source[number])].views
    # A zero has no sign here.
    return {
        (views.agent[view], views.camera[view], np.add(views.cam2world[view], 0.0).tobytes())
        for view in views.views_of(int(sets.place[number]))
    }
