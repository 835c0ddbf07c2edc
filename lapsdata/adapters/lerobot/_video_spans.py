"""Whether the spans of videos that version 3.0 tells are as long as the rows of their episodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lapsdata.adapters.lerobot.tables import parquet_files
from lapsdata.errors import Problem, spans_told
from lapsdata.storage.parquet_rows import ParquetRows, read_parquet

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pyarrow as pa
    from numpy.typing import NDArray

    from lapsdata.adapters.lerobot.info import Info

__all__ = ["unlike_spans"]


def unlike_spans(root: Path, info: Info, table: pa.Table) -> Iterator[Problem]:
    """Yield of each camera which episodes have a span of another length than their rows, to half a row.

    LeRobot looks for the frame of a row at `from_timestamp` and its time: behind a span that is too short lie the
    frames of another episode.

    Parameters
    ----------
    root : Path
    info : Info
    table : pyarrow.Table
        The list of episodes.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lapsdata.adapters.lerobot.info import read_info
    >>> from lapsdata.adapters.lerobot.tables import find_table
    >>> from lapsdata.testing.episode_sets import write_lerobot
    >>> root = write_lerobot(pathlib.Path(tempfile.mkdtemp()) / "set", version="v3.0", videos=True)
    >>> list(unlike_spans(root, read_info(root), find_table(root / "meta", "episodes").table))
    []
    """
    import pyarrow as pa

    period_s = info.rate.period_s
    for camera in info.cameras:
        names = [f"videos/{camera.name}/{name}" for name in ("from_timestamp", "to_timestamp")]
        if not {*names, "length"} <= set(table.schema.names):
            continue
        begin, end, rows = (table.column(name).cast(pa.float64()).to_numpy() for name in (*names, "length"))
        apart = end - begin - rows * period_s
        if (apart > 0.5 * period_s).any():
            # Rows may begin late, and their frames with them: the span goes from 0 s of the rows on.
            apart = apart - _begins(root, table)
        wrong = np.flatnonzero(np.abs(apart) > 0.5 * period_s)
        if not len(wrong):
            continue
        at = int(wrong[0])
        wanted_s, got_s = rows[at] * period_s, end[at] - begin[at]
        numbers = table.column("episode_index").to_numpy()[wrong].tolist()
        alike = f"; in {len(numbers)} episodes: {spans_told(numbers)}" if len(numbers) > 1 else ""
        message = (
            f"expected to_timestamp - from_timestamp of {wanted_s:g} s, the length of its {rows[at]:g} rows, "
            f"got {got_s:g} s in episode {numbers[0]}{alike}"
        )
        where = f"{root / 'meta/episodes'}: videos/{camera.name}"
        fix = "see which of both the video bears out: lapsdata check counts its frames"
        yield Problem("span-unlike-rows", where, message, fix, "warning")


def _begins(root: Path, table: pa.Table) -> NDArray[np.float64]:
    """Return the least time of the rows of each episode, as the list of episodes states it; 0 where it does not."""
    name, found = "stats/timestamp/min", dict[int, float]()
    for file in parquet_files(root / "meta", "episodes"):
        if name in ParquetRows(file).schema.names:
            told = read_parquet(file, ["episode_index", name]).to_pylist()
            found |= {row["episode_index"]: float(np.ravel(row[name])[0]) for row in told if row[name]}
    return np.array([found.get(number, 0.0) for number in table.column("episode_index").to_pylist()], np.float64)
