"""Whether files hold the rows that the list of episodes says, and rows follow each other in number and time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.errors import LapsError
from lapsdata.timebase import not_rising, off_rate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from lapsdata.checks._rows import Advance
    from lapsdata.checks.shared_faults import SharedFaults
    from lapsdata.containers import Episodes
    from lapsdata.storage.episode_rows import EpisodeRows

    Columns = Mapping[str, NDArray[Any]]

__all__ = ["check_rows"]


def check_rows(
    root: Path,
    episodes: Episodes,
    rows: EpisodeRows,
    faults: SharedFaults,
    advance: Advance,
    seen: Callable[[int, Columns], None] | None = None,
) -> int:
    """Read every number of every row, and note what is wrong with it.

    Parameters
    ----------
    root : Path
    episodes : Episodes
    rows : EpisodeRows
        Of these.
    faults : SharedFaults
        What is found is added to it.
    advance : callable
        Called with the number of rows read since the last call, and that they are rows.
    seen : callable, optional
        Called with the place of each episode that could be read, and its columns of numbers.

    Returns
    -------
    int
        Rows that could be read.
    """
    names = [feature.name for feature in episodes.header.features if feature.dtype != "text"]
    read, last = 0, -1
    listed = np.bincount(episodes.file_index, episodes.rows, len(episodes.files)).astype(np.int64)
    for place in range(len(episodes)):
        number = int(episodes.number[place])
        try:
            columns = rows.read(place, names)
            if episodes.groups is None:
                _all_listed(f"{root}: rows", number, rows.file_rows(place), listed[episodes.file_index[place]], faults)
        except LapsError as error:
            faults.refused([number], "rows", error)
            continue
        last = _check_numbers(root, number, columns, last, faults)
        _check_tasks(root, number, columns, episodes, faults)
        _check_words(root, place, columns, episodes, faults)
        time = episodes.header.time
        _check_finite(root, number, {name: columns[name] for name in columns if name != time}, faults)
        if time is not None:
            _check_times(f"{root}: {time}", number, columns[time], episodes, faults)
        if seen is not None:
            seen(place, columns)
        read += int(episodes.rows[place])
        advance(int(episodes.rows[place]), "rows")
    return read


def _all_listed(where: str, number: int, held: int, listed: int, faults: SharedFaults) -> None:
    if held > listed:
        message = f"its file holds {held} rows, and the list of episodes knows of {listed}: the others belong to none"
        fix = "correct the lengths of the list, or write the file again without them"
        faults.add(number, "unlisted-rows", where, message, fix, "warning")


def _check_numbers(root: Path, number: int, columns: Columns, last: int, faults: SharedFaults) -> int:
    """Compare the numbers that rows carry of themselves; return the last `index`."""
    rows = len(next(iter(columns.values())))
    for name, wanted, code in (
        ("episode_index", np.full(rows, number), "wrong-episode-index"),
        ("frame_index", np.arange(rows), "wrong-frame-index"),
    ):
        if name in columns and (wrong := np.flatnonzero(columns[name] != wanted)).size:
            at = int(wrong[0])
            message = f"expected {wanted[at]} in row {at}, got {columns[name][at]} ({len(wrong)} of {rows} rows)"
            faults.add(number, code, f"{root}: {name}", message, "write the column again")
    if "index" not in columns:
        return last
    index = columns["index"]
    if (wrong := np.flatnonzero(np.diff(index) != 1)).size:
        at = int(wrong[0])
        message = f"expected one more in each row, got {index[at]} and {index[at + 1]} in rows {at} and {at + 1}"
        faults.add(number, "index-not-rising", f"{root}: index", message, "write the column again")
    elif index[0] <= last:
        message = f"expected it to begin above {last}, where the episode before ends, got {index[0]}"
        faults.add(number, "index-overlaps", f"{root}: index", message, "write the column again", "warning")
    return max(last, int(index.max()))


def _check_tasks(root: Path, number: int, columns: Columns, episodes: Episodes, faults: SharedFaults) -> None:
    known = [task.number for task in episodes.header.tasks]
    for name in {"task_index", *episodes.header.annotations.values()} & columns.keys() if known else ():
        if (strange := np.setdiff1d(columns[name], known)).size:
            message = f"expected numbers of the {len(known)} tasks, got {strange[0]}"
            faults.add(number, "unknown-task", f"{root}: {name}", message, "add the task to the list", "warning")


def _check_words(root: Path, place: int, columns: Columns, episodes: Episodes, faults: SharedFaults) -> None:
    """Compare the tasks of rows with those that the list of episodes says."""
    listed = episodes.tasks_of(place)
    if not len(listed) or "task_index" not in columns:
        return
    others = np.setdiff1d(columns["task_index"], listed).tolist()
    words = {task.number: task.words for task in episodes.header.tasks} if others else {}
    if strange := [words[one] for one in others if one in words]:
        said = ", ".join(repr(words[one]) for one in listed.tolist())
        message = f"expected rows of {said}, as the list of episodes says, got {strange[0]!r}: rows count for samples"
        fix = "correct the list of episodes or the table of tasks"
        faults.add(int(episodes.number[place]), "task-unlike-rows", f"{root}: task_index", message, fix, "warning")


def _check_finite(root: Path, number: int, columns: Columns, faults: SharedFaults) -> None:
    for name, values in columns.items():
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            bad = ~np.isfinite(values.reshape(len(values), -1)).all(1)
            message = f"expected finite numbers, got others in {int(bad.sum())} of {len(values)} rows"
            fix = "leave out these rows, or record them again"
            faults.add(number, "not-finite", f"{root}: {name}", message, fix, "warning")


def _check_times(where: str, number: int, times: NDArray[Any], episodes: Episodes, faults: SharedFaults) -> None:
    if (message := not_rising(times)) is not None:
        faults.add(number, "times-not-rising", where, message, "write the times again")
    elif (message := off_rate(times, episodes.header.rate)) is not None:
        fix = "correct fps, or resample the rows: readers that count rows are wrong about their time"
        faults.add(number, "uneven-times", where, message, fix, "warning")
