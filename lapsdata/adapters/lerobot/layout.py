"""What every layout of LeRobot tells: which file holds the rows of an episode, and which video shows it, from when."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from lapsdata.errors import Problem, SchemaError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    import pyarrow as pa
    from numpy.typing import NDArray

    from lapsdata.adapters.lerobot.info import Info

__all__ = ["Layout", "Places", "columns_beside", "formatted", "numbers_of", "unfit_name"]

_TOLD = ("episode_index", "tasks", "length", "dataset_from_index", "dataset_to_index")
_TOLD_STARTS = ("data/", "videos/", "stats/", "meta/", "shards/")


class Places(NamedTuple):
    """Where episodes lie; the fields are those of `lapsdata.containers.Episodes`."""

    files: tuple[str, ...]
    file_index: NDArray[np.int64]
    first_row: NDArray[np.int64]
    video_files: tuple[str, ...]
    video_index: Mapping[str, NDArray[np.int64]]
    video_start_s: Mapping[str, NDArray[np.float64]]


class Layout(Protocol):
    """One version: a module `layout_v<version>` is one."""

    def places(self, root: Path, info: Info, episodes: pa.Table) -> Places:
        """Return where the episodes of the table lie, whether the files are there or not."""


def numbers_of(episodes: pa.Table, name: str, where: str) -> NDArray[np.int64]:
    """Return a column of whole numbers of a table of episodes: int64 (E,).

    Raises
    ------
    SchemaError
        It is not there, or holds something else.
    """
    import pyarrow as pa

    if name not in episodes.schema.names:
        message = f"expected a column {name}, got {', '.join(episodes.schema.names) or 'none'}"
        raise SchemaError(Problem("missing-column", where, message))
    column = episodes.column(name)
    if not pa.types.is_integer(column.type) or column.null_count:
        got = f"{column.type}, {column.null_count} of them missing" if column.null_count else str(column.type)
        raise SchemaError(Problem("wrong-type", f"{where}: {name}", f"expected whole numbers, got {got}"))
    found: NDArray[np.int64] = column.to_numpy().astype(np.int64)
    return found


def unfit_name(name: str) -> str:
    """Say why a column or camera cannot be called so, "" where it can: cameras are folders, which stay in the set.

    Examples
    --------
    >>> unfit_name("observation.images.top"), unfit_name("../top"), unfit_name("..")
    ('', 'LeRobot takes no slash in it', 'it is that of another folder')
    """
    if "/" in name or "\\" in name:
        return "LeRobot takes no slash in it"
    return "it is that of another folder" if name in (".", "..") else "" if name.strip() else "it is blank"


def columns_beside(names: Iterable[str]) -> list[str]:
    """Return the columns of a table of episodes that no version of LeRobot knows: what others tell of each episode.

    Examples
    --------
    >>> columns_beside(["episode_index", "length", "data/file_index", "success"])
    ['success']
    """
    return [name for name in names if name not in _TOLD and not name.startswith(_TOLD_STARTS)]


def formatted(pattern: str, where: str, **numbers: int | str) -> str:
    """Return a path of a pattern of `info.json`.

    Raises
    ------
    SchemaError
        A pattern that asks for something else, or is none.
    """
    try:
        return pattern.format(**numbers)
    except (KeyError, IndexError, ValueError) as error:
        message = f"expected a pattern of {', '.join(numbers)}, got {pattern!r} ({type(error).__name__}: {error})"
        raise SchemaError(Problem("wrong-pattern", where, message)) from None
