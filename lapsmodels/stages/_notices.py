"""What trackers want to be known by whoever chooses them: a licence that is not that of this library, say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lapsdata import console
from lapsmodels.trackers import notice_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lapsmodels.trackers import Tracker

__all__ = ["tell_notices"]


def tell_notices(trackers: Iterable[Tracker | None]) -> None:
    """Say once, for all videos and processes, what whoever has chosen these trackers has to know."""
    for tracker in trackers:
        notice = None if tracker is None else notice_of(tracker)
        if notice is not None:
            console.note(f"track: {notice}")
