"""Rows whose times do not rise, before anything is written of them: carried over as they are, or refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lapsdata.errors import Problem, SchemaError, spans_told
from lapsdata.storage.episode_rows import EpisodeRows
from lapsdata.timebase import not_rising

if TYPE_CHECKING:
    from collections.abc import Collection

    from lapsdata.adapters.lerobot.reading import LeRobotSet

__all__ = ["expect_times"]

_CODE = "times-not-rising"


def expect_times(found: LeRobotSet, dropped: Collection[str] = ()) -> list[Problem]:
    """Return which episodes have rows whose times do not rise, all of them in one note.

    Frames are found by the times of rows: beside videos, where the episodes of a file lie one behind the other, such a
    row would be shown with the frame of another episode. Rows without videos are what they were; cameras that are
    `dropped` have none.

    Raises
    ------
    SchemaError
        Episodes of them have videos.
    CorruptDataError, StorageError
        A file of rows that cannot be read.
    """
    episodes, time = found.episodes, found.episodes.header.time
    if time is None:
        return []
    rows = EpisodeRows(found.root, episodes)
    alone, shown = dict[int, str](), dict[int, str]()
    cameras = episodes.video_index.keys() - set(dropped)
    for place, number in enumerate(episodes.number.tolist()):
        fault = not_rising(rows.read(place, [time])[time])
        if fault is not None:
            seen = any(episodes.video_index[camera][place] >= 0 for camera in cameras)
            (shown if seen else alone)[number] = fault
    where = f"{found.root}: {time}"
    if shown:
        fix = "write the times again, or leave out these episodes or the cameras (--without-episodes, --drop)"
        raise SchemaError(Problem(_CODE, where, f"{_told(shown)}: nothing says which frames are theirs", fix))
    if alone:
        message = f"{_told(alone)}: they are carried over as they are"
        return [Problem(_CODE, where, message, "write the times again", "warning")]
    return []


def _told(faults: dict[int, str]) -> str:
    first, fault = next(iter(faults.items()))
    alike = f"; alike in {len(faults)} episodes: {spans_told(faults)}" if len(faults) > 1 else ""
    return f"episode {first}: {fault}{alike}"
