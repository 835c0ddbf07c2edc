"""Motion of a robot, or any other quantities over time, as people have it: one table, a row per video and instant."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lapsdata.errors import Problem, Problems, SchemaError, listed
from lapsdata.schema.base import canonical_json
from lapsdata.storage.atomic import existing, storage_errors
from lapsdata.storage.text_table import read_text_table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["Motion", "Quantities", "read_motion"]

_VIDEO, _TIME = "video", "time_s"
_PART = re.compile(r"^(?P<base>.+)\[(?P<first>\d+)(?P<range>:(?P<end>\d+))?\]$")


class Motion(NamedTuple):
    """Quantities of one video.

    Parameters
    ----------
    time_s : float64 (M,), seconds
        Rising.
    value : float64 (M, Q)
        NaN where the table has none.
    """

    time_s: Floats
    value: Floats


class Quantities(NamedTuple):
    """What a table says.

    Parameters
    ----------
    names : tuple of str
        Quantities; the numbers of a list column are `name[0]`, `name[1]` ...
    videos : dict of Motion
        By name.
    """

    names: tuple[str, ...]
    videos: dict[str, Motion]

    @property
    def digest(self) -> str:
        """Digest of names, times and values, whatever file they stand in."""
        total = hashlib.sha256(canonical_json([*self.names]))
        for name, motion in sorted(self.videos.items()):
            total.update(canonical_json([name, len(motion.time_s)]))
            for array in (motion.time_s, motion.value):
                # NaN has many spellings in bits; adding 0 takes the sign off a zero.
                plain = np.where(np.isnan(array), np.nan, array) + 0.0
                total.update(np.ascontiguousarray(plain, "<f8").tobytes())
        return f"sha256:{total.hexdigest()}"


def read_motion(path: Path, columns: Sequence[str] = ()) -> Quantities:
    r"""Read a table of quantities over time.

    Parameters
    ----------
    path : Path
        Parquet, or CSV, with the columns `video`, `time_s` and one for each quantity. In Parquet a column of lists of
        one length is as many quantities.
    columns : sequence of str
        The quantities to take: `name`, or of a list column `name[3]` or `name[22:29]`. By default all columns.

    Raises
    ------
    StorageError
        Nothing is there, or it cannot be read.
    SchemaError
        A column that is not there, holds no numbers, or lists of several lengths; times that are not finite, or do
        not rise within a video; no row.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "motion.csv"
    >>> _ = path.write_text("video,time_s,elbow,wrist\nclip,0.0,1.0,\nclip,0.1,1.5,2\n")
    >>> found = read_motion(path, ["elbow"])
    >>> found.names, found.videos["clip"].value
    (('elbow',), array([[1. ],
           [1.5]]))
    """
    table = _of_text(existing(path)) if path.suffix == ".csv" else _of_parquet(existing(path), columns)
    lacking = [name for name in (_VIDEO, _TIME) if name not in table]
    if lacking:
        message = f"expected the columns {_VIDEO}, {_TIME} and quantities, got {listed(table)}"
        raise SchemaError(Problem("wrong-columns", str(path), message))
    videos, times = table.pop(_VIDEO), _numbers(path, _TIME, table.pop(_TIME))[:, 0]
    if any(not isinstance(video, str) or not video for video in videos):
        message = "expected the name of a video in each row, got none, or another thing"
        raise SchemaError(Problem("wrong-video", f"{path}: {_VIDEO}", message))
    names, value = _chosen(path, table, columns)
    return Quantities(names, _by_video(path, np.asarray(videos, object), times, value))


def _of_text(path: Path) -> dict[str, list[Any]]:
    names, rows, _ = read_text_table(path)
    _each_once(path, names)
    found: dict[str, list[Any]] = {name: [row[at] for row in rows] for at, name in enumerate(names)}
    # An empty cell is a value that there is not.
    return {name: cells if name == _VIDEO else [cell or None for cell in cells] for name, cells in found.items()}


def _of_parquet(path: Path, columns: Sequence[str]) -> dict[str, list[Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with storage_errors(path, "read"):
        try:
            held = list(pq.read_schema(path).names)
            _each_once(path, held)
            # Pictures and texts stand beside, in tables of robots: what was not asked for is not read.
            asked = {_VIDEO, _TIME, *(name for text in columns for name in _bases(text))}
            table = pq.read_table(path, columns=[name for name in held if not columns or name in asked])
        except pa.ArrowInvalid as error:
            message = f"expected a table in Parquet or CSV, got: {error}"
            raise SchemaError(Problem("wrong-table", str(path), message)) from None
    return {name: table[name].to_pylist() for name in table.column_names}


def _bases(text: str) -> tuple[str, ...]:
    part = _PART.match(text)
    return (text,) if part is None else (text, part["base"])


def _each_once(path: Path, names: Sequence[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SchemaError(Problem("doubled-column", str(path), f"expected each column once, got {listed(twice)} twice"))


def _numbers(path: Path, name: str, cells: Sequence[Any]) -> Floats:
    """Return a column as float64 (M, width), NaN where there is no value."""
    width = {len(cell) for cell in cells if isinstance(cell, list)}
    where = f"{path}: {name}"
    if len(width) > 1 or (width and not all(cell is None or isinstance(cell, list) for cell in cells)):
        message = f"expected lists of one length, got {listed(map(str, sorted(width)))}"
        raise SchemaError(Problem("wrong-column", where, message))
    size = width.pop() if width else 1
    flat = [value for cell in cells for value in (cell if isinstance(cell, list) else [cell] * size)]
    try:
        found = np.array([_number(value) for value in flat], np.float64)
    except (TypeError, ValueError) as error:
        message = f"expected numbers, got others ({error})"
        raise SchemaError(Problem("wrong-column", where, message, "choose others with --columns")) from None
    return found.reshape(len(cells), size)


def _number(value: object) -> float:
    if value is None:
        return float("nan")
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise TypeError(repr(value))
    return float(value)


def _chosen(path: Path, table: dict[str, list[Any]], columns: Sequence[str]) -> tuple[tuple[str, ...], Floats]:
    names: list[str] = []
    values: list[Floats] = []
    read: dict[str, Floats] = {}
    for text in columns or table:
        base, part = _place(path, table, text)
        if base not in read:
            read[base] = _numbers(path, base, table[base])
        found = read[base]
        every = [base] if not _is_list(table[base]) else [f"{base}[{at}]" for at in range(found.shape[1])]
        taken = list(range(found.shape[1]))[part]
        if not taken:
            message = f"expected a part of {found.shape[1]} numbers, got {text!r}"
            raise SchemaError(Problem("unknown-column", str(path), message))
        names += [every[at] for at in taken]
        values.append(found[:, taken])
    if not names:
        message = f"expected a column beside {_VIDEO} and {_TIME}, got none"
        raise SchemaError(Problem("wrong-columns", str(path), message))
    _each_once(path, names)
    return tuple(names), np.concatenate(values, axis=1)


def _is_list(cells: Sequence[Any]) -> bool:
    return any(isinstance(cell, list) for cell in cells)


def _place(path: Path, table: dict[str, list[Any]], text: str) -> tuple[str, slice]:
    """Return the column that a text names, and which of its numbers."""
    part = _PART.match(text)
    if text in table:
        return text, slice(None)
    if part is None or part["base"] not in table:
        message = f"expected one of {listed(table)}, got {text!r}"
        raise SchemaError(Problem("unknown-column", str(path), message))
    first = int(part["first"])
    return part["base"], slice(first, int(part["end"]) if part["range"] else first + 1)


def _by_video(path: Path, videos: NDArray[Any], times: Floats, value: Floats) -> dict[str, Motion]:
    if not len(videos):
        raise SchemaError(Problem("no-rows", str(path), "expected rows, got none"))
    problems, found = Problems(str(path)), {}
    names, of = np.unique(videos.astype(str), return_inverse=True)
    for number, name in enumerate(names.tolist()):
        rows = np.flatnonzero(of == number)
        time_s = times[rows]
        if not np.isfinite(time_s).all() or not (np.diff(time_s) > 0).all():
            first = int(np.argmax(~np.isfinite(time_s) | ~(np.diff(time_s, prepend=-np.inf) > 0)))
            message = f"expected finite seconds that rise within a video, got {time_s[first]} in row {rows[first]}"
            problems.add("non-monotone-time", f"{_TIME}: {name}", message, "sort by time, each instant once")
        found[name] = Motion(time_s, np.where(np.isfinite(value[rows]), value[rows], np.nan))
    problems.raise_as(SchemaError)
    return found
