"""What is looked at of a set before anything is written of it: names of cameras, files and times of rows."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from lapsdata.adapters.lerobot.layout import unfit_name
from lapsdata.errors import LapsError, Problem, Problems, SchemaError, episodes_told, spans_told
from lapsdata.storage.episode_rows import EpisodeRows
from lapsdata.timebase import not_rising

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from lapsdata.adapters.lerobot.reading import LeRobotSet

__all__ = ["expect_cameras", "expect_numbers", "expect_rows"]

_CODE = "times-not-rising"


def expect_cameras(found: LeRobotSet, *, archived: bool) -> None:
    """Refuse cameras whose names cannot be those of folders or, in archives, of members.

    Raises
    ------
    SchemaError
        All of them.
    """
    problems, seen = Problems(str(found.root)), dict[str, str]()
    for camera in found.episodes.video_index:
        if why := unfit_name(camera):
            message = f"expected a camera whose files stay in the set, got {camera!r}: {why}"
            problems.add("wrong-name", camera, message, f"--rename {camera}=NEW")
        if archived and (other := seen.setdefault(camera.lower(), camera)) != camera:
            message = f"expected cameras that differ by more than capitals, which WebDataset does not tell, got {other}"
            problems.add("wrong-name", camera, message, f"--rename {camera}={camera}_2")
    problems.raise_as(SchemaError)


def expect_rows(found: LeRobotSet, dropped: Collection[str] = ()) -> list[Problem]:
    """Return which episodes have rows whose times do not rise, all of them in one note.

    Frames are found by the times of rows: beside videos, where the episodes of a file lie one behind the other, such a
    row would be shown with the frame of another episode. Rows without videos are what they were; cameras that are
    `dropped` have none.

    Raises
    ------
    SchemaError
        Episodes of them have videos.
    CorruptDataError, UnknownFormatError, StorageError
        Files of rows that cannot be read: what is wrong with the first, and all episodes that are lost with it.
    """
    episodes, time = found.episodes, found.episodes.header.time
    rows = EpisodeRows(found.root, episodes)
    alone, shown, lost = dict[int, str](), dict[int, str](), dict[int, LapsError]()
    cameras = episodes.video_index.keys() - set(dropped)
    for place, number in enumerate(episodes.number.tolist()):
        try:
            columns = rows.read(place, [] if time is None else [time])
        except LapsError as error:
            lost[number] = error
            continue
        fault = None if time is None else not_rising(columns[time])
        if fault is not None:
            seen = any(episodes.video_index[camera][place] >= 0 for camera in cameras)
            (shown if seen else alone)[number] = fault
    if lost:
        _refuse(lost)
    where = f"{found.root}: {time}"
    if shown:
        fix = "write the times again, or leave out these episodes or the cameras (--without-episodes, --drop)"
        raise SchemaError(Problem(_CODE, where, f"{_told(shown)}: nothing says which frames are theirs", fix))
    if alone:
        message = f"{_told(alone)}: they are carried over as they are"
        return [Problem(_CODE, where, message, "write the times again", "warning")]
    return []


def expect_numbers(found: LeRobotSet, dropped: Collection[str] = ()) -> None:
    """Read every row, but for the columns that are `dropped`.

    Raises
    ------
    SchemaError
        Columns that are not what `info.json` says: those of the first episode that has such.
    CorruptDataError, UnknownFormatError, StorageError
        Files of rows that cannot be read.
    """
    features = found.episodes.header.features
    columns = [one.name for one in features if one.dtype != "text" and one.name not in dropped]
    with EpisodeRows(found.root, found.episodes, cache_bytes=0) as rows:
        for place in range(len(found.episodes)):
            rows.read(place, columns)


def _refuse(lost: Mapping[int, LapsError]) -> None:
    first = next(iter(lost.values()))
    problem = first.problems[0]
    message = f"{problem.message}: rows of {episodes_told(lost)} cannot be read"
    fix = f"{problem.fix or 'mend the file'}, or leave these episodes out (--without-episodes)"
    raise type(first)(replace(problem, message=message, fix=fix))


def _told(faults: dict[int, str]) -> str:
    first, fault = next(iter(faults.items()))
    alike = f"; alike in {len(faults)} episodes: {spans_told(faults)}" if len(faults) > 1 else ""
    return f"episode {first}: {fault}{alike}"
