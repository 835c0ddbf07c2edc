"""What is to be done in words: by the table of tasks, and by the list of episodes, which may say something else."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lapsdata.adapters.lerobot.layout import numbers_of
from lapsdata.adapters.lerobot.tables import find_table
from lapsdata.errors import Problem, SchemaError, episodes_told, listed, spans_told

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pyarrow as pa
    from numpy.typing import NDArray

__all__ = ["TaskWords", "task_words"]


class TaskWords(NamedTuple):
    """Tasks of a set.

    Parameters
    ----------
    tasks : dict of str
        Words by number.
    number : int64 (K,)
        Of the tasks of all episodes, one episode after the other.
    stop : int64 (E,)
        Where those of each episode end in `number`.
    notes : tuple of Problem
    """

    tasks: dict[int, str]
    number: NDArray[np.int64]
    stop: NDArray[np.int64]
    notes: tuple[Problem, ...]


def task_words(root: Path, table: pa.Table, where: str) -> TaskWords:
    """Return the tasks of the table of tasks, and of the list of episodes those that it lacks, numbered behind them.

    Parameters
    ----------
    root : Path
    table : pyarrow.Table
        The list of episodes.
    where : str
        Its place, for the messages.

    Raises
    ------
    SchemaError
        Tables without words or numbers.
    UnknownFormatError, CorruptDataError, StorageError
        A table that cannot be read.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lapsdata.testing.episode_sets import write_lerobot
    >>> root = write_lerobot(pathlib.Path(tempfile.mkdtemp()) / "set")
    >>> words = task_words(root, find_table(root / "meta", "episodes").table, "episodes.jsonl")
    >>> words.tasks, words.number.tolist()
    ({0: 'pick the cube', 1: 'place the cup'}, [0, 1, 0])
    """
    known, notes = _tasks(root)
    number, stop, tasks = _task_rows(table, known or {}, where)
    if known is None:
        got = "those of the list of episodes are numbered in its order" if tasks else "numbers of tasks have no words"
        message = f"expected tasks.jsonl or tasks.parquet, got none: {got}"
        fix = "bring the file: the numbers in the rows may be others" if tasks else None
        notes = (Problem("no-tasks", str(root / "meta"), message, fix, "warning"),)
    elif more := {one: words for one, words in tasks.items() if one not in known}:
        notes = (*notes, *_unlisted(root, table, more, number, stop))
    return TaskWords(tasks, number, stop, tuple(notes))


def _unlisted(
    root: Path, table: pa.Table, more: dict[int, str], number: NDArray[np.int64], stop: NDArray[np.int64]
) -> Iterator[Problem]:
    """Yield which words the list of episodes alone has, and what is taken."""
    owner = np.searchsorted(stop, np.flatnonzero(np.isin(number, list(more))), "right")
    episodes = episodes_told(numbers_of(table, "episode_index", str(root))[owner].tolist())
    message = (
        f"the list of episodes says {listed(more.values())} in {episodes}, and the table of tasks does not: episodes "
        f"keep these words, numbered {spans_told(more)} here; rows have those of the table for their numbers"
    )
    yield Problem("unlisted-task", f"{root / 'meta'}: tasks", message, "make the two agree", "warning")


def _tasks(root: Path) -> tuple[dict[int, str] | None, tuple[Problem, ...]]:
    """Return the instructions by number, None without a table; in those they may stand in the index, under any name."""
    found = find_table(root / "meta", "tasks")
    if found is None:
        return None, ()
    if not len(found.table):
        return {}, found.notes
    where = str(found.files[0])
    names = found.table.schema.names
    numbers = numbers_of(found.table, "task_index", where).tolist()
    words = [name for name in ("task", "__index_level_0__") if name in names] or [
        name for name in names if name != "task_index" and str(found.table.schema.field(name).type).endswith("string")
    ]
    if len(words) < 1:
        raise SchemaError(
            Problem("missing-column", where, f"expected a column of texts beside task_index, got {names}")
        )
    tasks: dict[int, str] = {}
    notes = list(found.notes)
    for number, text in zip(numbers, found.table.column(words[0]).to_pylist(), strict=True):
        if tasks.setdefault(number, text) != text:
            message = f"expected one task of number {number}, got {tasks[number]!r} and {text!r}: the first counts"
            notes.append(Problem("task-twice", where, message, "give each task a number of its own", "warning"))
    return tasks, tuple(notes)


def _task_rows(
    table: pa.Table, tasks: dict[int, str], where: str
) -> tuple[NDArray[np.int64], NDArray[np.int64], dict[int, str]]:
    """Return the numbers of the tasks of each episode; words that no number has get one behind the others."""
    import pyarrow as pa

    column = table.column("tasks").combine_chunks() if "tasks" in table.schema.names else None
    if isinstance(column, pa.ChunkedArray):
        column = pa.concat_arrays(column.chunks)
    if column is None or not (pa.types.is_list(column.type) or pa.types.is_large_list(column.type)):
        return np.empty(0, np.int64), np.zeros(len(table), np.int64), tasks
    flat = column.flatten()
    if len(flat) and (flat.null_count or not (pa.types.is_string(flat.type) or pa.types.is_large_string(flat.type))):
        message = f"expected instructions as texts, got {flat.type}, {flat.null_count} of them missing"
        raise SchemaError(Problem("wrong-type", f"{where}: tasks", message))
    encoded = flat.dictionary_encode()
    by_words = {words: number for number, words in reversed(tasks.items())}
    after = max(tasks, default=-1) + 1
    known = dict(tasks)
    numbers = []
    for words in encoded.dictionary.to_pylist():
        if words not in by_words:
            by_words[words] = after
            known[after] = words
            after += 1
        numbers.append(by_words[words])
    offsets = column.offsets.to_numpy().astype(np.int64)
    rows = np.array(numbers, np.int64)[encoded.indices.to_numpy()] if numbers else np.empty(0, np.int64)
    return rows, offsets[1:] - offsets[0], known
