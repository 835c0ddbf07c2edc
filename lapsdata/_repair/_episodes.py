"""Data sets of LeRobot: the episodes whose rows and frames can all be read, up to the first that cannot.

They carry no checksums. An episode counts as verified when its rows can be decoded, are as many as the set says and
name it, and every frame of its videos can be decoded, as many as there are rows. A recording that was not finished is
finished on the way.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

import numpy as np

from lapsdata import console
from lapsdata._repair._report import Repaired
from lapsdata.adapters.lerobot._out_stats import NO_STATS
from lapsdata.adapters.lerobot._unlisted import unlisted_files
from lapsdata.adapters.lerobot.archives import changed_beside, changed_episodes, read_seal
from lapsdata.adapters.lerobot.converting import write_set
from lapsdata.adapters.lerobot.info import INFO, SHARDS
from lapsdata.adapters.lerobot.layout import numbers_of
from lapsdata.adapters.lerobot.modality import MODALITY
from lapsdata.adapters.lerobot.reading import read_set
from lapsdata.adapters.lerobot.recorder import RECORDING, recorded_target
from lapsdata.adapters.lerobot.stats import stated_stats
from lapsdata.adapters.lerobot.tables import find_table
from lapsdata.errors import CorruptDataError, LapsError, Problem
from lapsdata.storage.episode_rows import EpisodeRows
from lapsdata.video.reader import open_video

if TYPE_CHECKING:
    from pathlib import Path

    from lapsdata._repair._choice import Keep
    from lapsdata.adapters.lerobot.converting import LeRobotTarget
    from lapsdata.adapters.lerobot.reading import LeRobotSet

__all__ = ["is_episodes", "repair_episodes"]


def is_episodes(path: Path) -> bool:
    """Say whether a folder is a data set of LeRobot, finished or not, or was one."""
    return any((path / name).is_file() for name in (INFO, RECORDING, SHARDS))


def repair_episodes(place: Path, format: str, goal: Path | None, keep: Keep) -> Repaired:
    """Save what is verified of a data set, in the version that it has or was to become; see `repair`."""
    unfinished = (place / RECORDING).is_file()
    if not (place / INFO).is_file() and not unfinished:
        message = f"expected {INFO}, which says what the archives hold, got none"
        raise CorruptDataError(Problem("no-info", str(place / INFO), message, "take it from a copy"))
    if not (place / INFO).is_file():
        message = "expected an episode at least, got a recording that was ended in its first one"
        raise CorruptDataError(Problem("no-episodes", str(place), message, "record it again"))
    found = read_set(place)
    sound, first_bad = _verified(found)
    numbers = np.array(list(sound), np.int64)
    good = np.array(list(sound.values()), bool)
    saved = numbers[good if keep == "all" else np.logical_and.accumulate(good)]
    beside = _beside(found)
    notes = (*_notes(place, found, unfinished=unfinished), *beside)
    report = Repaired(
        place,
        format,
        "whole",
        "episodes",
        kept=len(saved),
        lost=len(numbers) - len(saved),
        good_after=int(good.sum()) - len(saved),
        first_bad=first_bad,
        notes=notes,
    )
    cut = any(note.code == "cut-line" for note in found.notes)
    if not (report.lost or unfinished or beside or cut):
        return report
    if not len(saved):
        return replace(report, state="beyond-repair")
    if goal is None:
        return replace(report, state="damaged")
    done = _write(found.only(np.isin(found.episodes.number, saved)), goal, stats=found.info.packed or not beside)
    return replace(report, state="repaired", output=goal, notes=(*notes, *done))


def _verified(found: LeRobotSet) -> tuple[dict[int, bool], str]:
    """Return which of the listed episodes are sound, by number, and what is wrong with the first that is not."""
    listed = find_table(found.root / "meta", "episodes", leave_out="stats/")
    there = {number: place for place, number in enumerate(found.episodes.number.tolist())}
    numbers = list(there) if listed is None else numbers_of(listed.table, "episode_index", "meta/episodes").tolist()
    rows, sound, first_bad = EpisodeRows(found.root, found.episodes), dict[int, bool](), ""
    groups = changed_episodes(found.root).values() if found.info.packed else ()
    changed = {number for group in groups for number in group}
    with console.progress("read episodes", len(numbers), unit="episodes") as advance:
        for number in sorted(numbers):
            fault = _fault(found, rows, there[number]) if number in there else "expected a file of rows, got none"
            if not fault and number in changed:
                fault = "expected the bytes that were written, got others, which can be decoded"
            sound[number] = not fault
            first_bad = first_bad or (f"episode {number}: {fault}" if fault else "")
            advance(1)
    return sound, first_bad


def _beside(found: LeRobotSet) -> list[Problem]:
    """Return what is wrong with the files that describe the episodes, which are written anew."""
    if not found.info.packed:
        try:
            for _ in stated_stats(found.root).by_episode():
                pass
        except LapsError as error:
            return [replace(problem, severity="warning") for problem in error.problems]
        return []
    told, wrong = read_seal(found.root)
    return [replace(problem, severity="warning") for problem in (*wrong, *changed_beside(found.root, told))]


def _fault(found: LeRobotSet, rows: EpisodeRows, place: int) -> str:
    try:
        _expect_sound(found, rows, place)
    except LapsError as error:
        return str(error.problems[0])
    return ""


def _expect_sound(found: LeRobotSet, rows: EpisodeRows, place: int) -> None:
    """Read all rows and frames of an episode.

    Raises
    ------
    LapsError
        Some cannot be read, or are those of another.
    """
    episodes = found.episodes
    number, count = int(episodes.number[place]), int(episodes.rows[place])
    names = [feature.name for feature in episodes.header.features if feature.dtype != "text"]
    columns = rows.read(place, names)
    if "episode_index" in columns and (columns["episode_index"] != number).any():
        where = f"{found.root / episodes.files[int(episodes.file_index[place])]}: episode {number}"
        raise CorruptDataError(Problem("other-episode", where, f"expected episode_index {number}, got others"))
    for camera, index in episodes.video_index.items():
        if index[place] < 0:
            where = f"{found.root / INFO}: episode {number}: {camera}"
            raise CorruptDataError(Problem("missing-videos", where, "expected a video, got none"))
        path = found.root / episodes.video_files[int(index[place])]
        with open_video(path, pixels="gray") as video:
            start_s = float(episodes.video_start_s[camera][place]) - 0.5 * found.info.rate.period_s
            first = int(np.searchsorted(video.facts.frame_s, start_s))
            until = first + count if found.version == "v3.0" else len(video)
            if until > len(video) or until - first != count:
                message = f"expected {count} frames, one for each row, got {len(video) - first}"
                raise CorruptDataError(Problem("unlike-frames", f"{path}: episode {number}", message))
            for _ in video.frames(range(first, until)):
                pass


def _notes(place: Path, found: LeRobotSet, *, unfinished: bool) -> list[Problem]:
    notes = [replace(note, severity="info") for note in found.notes]
    if unfinished:
        message = "its recording was not finished: it has no statistics, and is not yet what it was to become"
        fix = "write it to --out, or finish it in its place: lapsdata.adapters.lerobot.recorder.finish_recording"
        notes.append(Problem("not-finished", str(place), message, fix, "warning"))
    return [*notes, *(() if found.info.packed else unlisted_files(place, found.episodes))]


def _write(found: LeRobotSet, goal: Path, *, stats: bool) -> tuple[Problem, ...]:
    """Write episodes in the version that they have, or were to become; `stats`: with what is said of cameras."""
    return write_set(found, goal, _target(found), frames=None if stats else NO_STATS).notes


def _target(found: LeRobotSet) -> LeRobotTarget:
    if (found.root / RECORDING).is_file():
        return recorded_target(found.root)
    if found.info.packed:
        return "shards"
    if (found.root / MODALITY).is_file():
        return "gr00t"
    return cast("LeRobotTarget", f"lerobot-{found.version[1:]}")
