"""Whether robot episodes are what their data set says, file by file and row by row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lapsdata.adapters import find_adapter, read_adapted
from lapsdata.adapters.lerobot._unlisted import unlisted_files
from lapsdata.adapters.lerobot.archives import check_archives
from lapsdata.checks.episode_frames import check_frames
from lapsdata.checks.episode_rows import check_rows
from lapsdata.checks.episode_stats import StatsCheck
from lapsdata.checks.episode_videos import check_videos
from lapsdata.checks.outcome import CheckedItem, refused
from lapsdata.checks.shared_faults import SharedFaults
from lapsdata.containers import Episodes
from lapsdata.errors import LapsError
from lapsdata.storage.episode_rows import EpisodeRows, folder_of_rows

if TYPE_CHECKING:
    from pathlib import Path

    from lapsdata.adapters import Adapter
    from lapsdata.checks._rows import Advance
    from lapsdata.errors import Problem

__all__ = ["check_episodes", "episodes_adapter"]


def episodes_adapter(path: Path) -> Adapter | None:
    """Return the adapter that reads a file or folder as robot episodes; None where none does.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lapsdata.testing.episode_sets import write_lerobot
    >>> episodes_adapter(write_lerobot(pathlib.Path(tempfile.mkdtemp()) / "set")).name
    'lerobot'
    """
    found = find_adapter(path, ("episodes",))
    return None if found is None else found[0]


def check_episodes(
    path: Path, adapter: Adapter, advance: Advance, *, decode: bool = False, rate: str | None = None
) -> CheckedItem:
    """Read every row of a data set and the packets of every video; a fault that episodes share is told once.

    The statistics that come with it are compared with the rows as these go by.

    Parameters
    ----------
    path : Path
    adapter : Adapter
        The one that knows it.
    advance : callable
        Called with the number of rows read since the last call, and that they are rows.
    decode : bool
        Whether every frame is decoded too, and its motion compared with that of the joints.
    rate : str, optional
        Rows per second, of what does not say it; nothing to what does.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lapsdata.testing.episode_sets import write_lerobot
    >>> root = write_lerobot(pathlib.Path(tempfile.mkdtemp()) / "set", lengths=(4, 6))
    >>> check_episodes(root, episodes_adapter(root), lambda *_: None).found
    'lerobot: 2 episodes, 10 of 10 rows read, statistics of 3 features compared'
    """
    kind = adapter.name
    try:
        adapted = read_adapted(adapter, path, {"rate": rate if "rate" in (adapter.takes or ()) else None})
    except LapsError as error:
        return refused(path, kind, error)
    episodes = adapted.container
    if not isinstance(episodes, Episodes):
        raise TypeError(f"{adapter.name} promises episodes, and reads {type(episodes).__name__}")
    root = folder_of_rows(path)
    rows, faults = EpisodeRows(root, episodes), SharedFaults()
    whole = all(problem.code != "missing-episodes" for problem in adapted.notes)
    stats, told_last = _stats_check(path, adapter, episodes, whole=whole)
    read = check_rows(path, episodes, rows, faults, advance, None if stats is None else stats.add)
    note = f"{len(episodes)} episodes, {read} of {int(episodes.rows.sum())} rows read"
    told: list[Problem] = []
    if adapted.summed:
        good, told = check_archives(root)
        note += f", {good} archives as they were written"
    elif episodes.header.store == "parquet":
        told = list(unlisted_files(root, episodes))
    if episodes.video_files:
        opened, more = check_videos(root, episodes, rows, faults)
        told += more
        note += f", {opened} of {_videos(episodes)} videos opened"
        if decode:
            decoded, more = check_frames(root, episodes, rows, faults)
            told += more
            note += f", {decoded} frames decoded"
        else:
            note += ", no frame decoded"
    if stats is not None:
        note += f", {stats.note}"
        told_last = stats.problems()
    # What the reader saw of the first rows, all rows and frames tell better.
    exact = any(problem.code.startswith("time-offset") for problem in told)
    better = {(problem.code, problem.where) for problem in (*faults, *told)}
    notes = [
        problem
        for problem in adapted.notes
        if not (exact and problem.code == "late-start") and (problem.code, problem.where) not in better
    ]
    return CheckedItem(path, kind, None, 0, note, (*notes, *faults, *told, *told_last))


def _stats_check(
    path: Path, adapter: Adapter, episodes: Episodes, *, whole: bool
) -> tuple[StatsCheck | None, list[Problem]]:
    """Return what compares rows with statistics, where files of this kind come with such; or why they are not read."""
    if adapter.stated is None:
        return None, []
    try:
        return StatsCheck(path, episodes, adapter.stated(path), whole=whole), []
    except LapsError as error:
        return None, list(error.problems)


def _videos(episodes: Episodes) -> int:
    return len({int(one) for index in episodes.video_index.values() for one in index if one >= 0})
