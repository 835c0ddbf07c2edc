"""Rows from one layout to another: tables of episodes as they are, a file for each or many in one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.adapters.lerobot.info import DATA_V2, DATA_V3
from lapsdata.errors import CorruptDataError, Problem
from lapsdata.storage.atomic import storage_errors
from lapsdata.storage.parquet_rows import read_parquet

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    import pyarrow as pa
    from numpy.typing import NDArray

    from lapsdata.adapters.lerobot.reading import LeRobotSet

__all__ = ["FileNumber", "episode_tables", "rows_beside", "write_rows_v2", "write_rows_v3"]


class FileNumber:
    """Numbers of files of version 3: `size` of them in a folder."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._at = -1

    def __next__(self) -> tuple[int, int]:
        """Return folder and file of the next one."""
        self._at += 1
        return divmod(self._at, self._size)


def episode_tables(found: LeRobotSet) -> Iterator[pa.Table]:
    """Yield the rows of each episode with all their columns; each file is read once where episodes lie in order.

    Raises
    ------
    CorruptDataError
        A file that is damaged, or has too few rows.
    """
    episodes, known, whole = found.episodes, -1, None
    for place, (file, first, rows) in enumerate(
        zip(episodes.file_index.tolist(), episodes.first_row.tolist(), episodes.rows.tolist(), strict=True)
    ):
        path = found.root / episodes.files[file]
        if file != known:
            known, whole = file, read_parquet(path)
        if whole is None or first + rows > len(whole):
            got = 0 if whole is None else len(whole)
            where = f"{path}: episode {int(episodes.number[place])}"
            message = f"expected rows {first} to {first + rows}, got a file of {got}"
            fix = "the list of episodes is of other files, or the file is not whole: copy or record it again"
            raise CorruptDataError(Problem("too-few-rows", where, message, fix))
        yield whole.slice(first, rows)


def rows_beside(found: LeRobotSet, kept: NDArray[np.bool_] | None = None) -> int:
    """Return how many rows belong to no episode: of the files of all episodes, or of those that are kept, bool (E,)."""
    from lapsdata.storage.parquet_rows import ParquetRows

    episodes = found.episodes
    used = np.unique(episodes.file_index if kept is None else episodes.file_index[kept])
    listed = int(episodes.rows[np.isin(episodes.file_index, used)].sum())
    return sum(len(ParquetRows(found.root / episodes.files[file])) for file in used.tolist()) - listed


def write_rows_v2(root: Path, found: LeRobotSet, chunk: int) -> None:
    """Write a file for each episode, `chunk` of them in a folder."""
    import pyarrow.parquet as pq

    for number, table in zip(found.episodes.number.tolist(), episode_tables(found), strict=True):
        path = root / DATA_V2.format(episode_chunk=number // chunk, episode_index=number)
        with storage_errors(path, "write"):
            path.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(table, path, row_group_size=len(table))


def write_rows_v3(root: Path, tables: Iterable[pa.Table], chunk: int, limit: float) -> list[dict[str, int]]:
    """Write files of many episodes, each a table and a group of rows, and return where each lies.

    A file ends before the episode whose columns, as they lie in memory, would bring it over `limit` bytes, and before
    one of other types.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    numbers, places = FileNumber(chunk), list[dict[str, int]]()
    writer: Any = None
    sink: Any = None
    begin, at = 0, (0, 0)
    try:
        for table in tables:
            full = writer is None or sink.tell() + table.nbytes > limit
            if full or not writer.schema.equals(table.schema):
                if writer is not None:
                    writer.close()
                    sink.close()
                at = next(numbers)
                path = root / DATA_V3.format(chunk_index=at[0], file_index=at[1])
                with storage_errors(path, "write"):
                    path.parent.mkdir(parents=True, exist_ok=True)
                    sink = pa.OSFile(str(path), "wb")
                    writer = pq.ParquetWriter(sink, table.schema)
            writer.write_table(table, row_group_size=len(table))
            end = begin + len(table)
            told = {"data/chunk_index": at[0], "data/file_index": at[1]}
            places.append({**told, "dataset_from_index": begin, "dataset_to_index": end})
            begin = end
    finally:
        if writer is not None:
            writer.close()
            sink.close()
    return places
