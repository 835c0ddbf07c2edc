"""Predicted action chunks from a file: by episode and row, as arrays of NumPy or as a table of Parquet."""

from __future__ import annotations

import zipfile
import zlib
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lapsdata.errors import CorruptDataError, Problem, SchemaError, UnknownFormatError
from lapsdata.storage.atomic import existing, storage_errors
from lapsdata.storage.npy_errors import npy_errors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    Arrays = Mapping[str, NDArray[Any]]

__all__ = ["KeyPart", "PredictedActions", "read_predicted"]

_NEEDED = ("episode", "row")
_JOINED = "actions"


class KeyPart(NamedTuple):
    """Part of an action: numbers `start` to `stop` of a column.

    Parameters
    ----------
    name : str
        As it was asked for.
    feature : str
    start, stop : int
    width : int
        Numbers of the whole column.
    numbers : tuple of str
        Names of its numbers.
    """

    name: str
    feature: str
    start: int
    stop: int
    width: int
    numbers: tuple[str, ...]


class PredictedActions(NamedTuple):
    """Chunks, in order of episode and row.

    Parameters
    ----------
    episode, row : int64 (n,)
    actions : float64 (n, H, D)
        Keys one after the other.
    """

    episode: NDArray[np.int64]
    row: NDArray[np.int64]
    actions: NDArray[np.float64]


def read_predicted(path: Path, keys: Sequence[KeyPart]) -> PredictedActions:
    """Read predicted chunks.

    Parameters
    ----------
    path : Path
        `.npz` or `.parquet` with `episode (n,)` and `row (n,)`, whole numbers, and the chunks: an array `(n, H, D)`
        under the name of each key, or one array `actions (n, H, D)`, which holds the keys one after the other, or the
        whole column that they are parts of.
    keys : sequence of KeyPart

    Raises
    ------
    StorageError, UnknownFormatError, CorruptDataError
        It cannot be read.
    SchemaError
        An array that is missing, of another shape, or not finite; a row of an episode twice.
    """
    arrays = _arrays(existing(path))
    if absent := [name for name in _NEEDED if name not in arrays]:
        message = f"expected the arrays episode and row, got {', '.join(sorted(arrays)) or 'none'}"
        raise SchemaError(Problem("missing-array", f"{path}: {absent[0]}", message))
    episode, row = (_whole(path, name, arrays[name]) for name in _NEEDED)
    if episode.shape != row.shape or not len(episode):
        message = f"expected as many rows as episodes, and at least one, got {row.shape} and {episode.shape}"
        raise SchemaError(Problem("wrong-shape", f"{path}: row", message))
    parts = [_chunks(path, key.name, arrays[key.name], len(row)) for key in keys if key.name in arrays]
    if len(parts) == len(keys):
        joined = _side_by_side(path, keys, parts)
    elif _JOINED in arrays:
        joined = _cut(path, keys, _chunks(path, _JOINED, arrays[_JOINED], len(row)))
    else:
        absent = [key.name for key in keys if key.name not in arrays]
        message = f"expected an array of each key, or one called {_JOINED}, got {', '.join(sorted(arrays))}"
        raise SchemaError(Problem("missing-array", f"{path}: {', '.join(absent)}", message))
    order = np.lexsort((row, episode))
    found = PredictedActions(episode[order], row[order], joined[order])
    again = (np.diff(found.episode) == 0) & (np.diff(found.row) == 0)
    if again.any():
        at = int(np.flatnonzero(again)[0])
        message = f"expected each row once, got row {found.row[at]} of episode {found.episode[at]} again"
        raise SchemaError(Problem("row-twice", str(path), message))
    return found


def _arrays(path: Path) -> Arrays:
    if path.suffix.lower() == ".parquet":
        from lapsdata.storage.parquet_rows import column_array, read_parquet

        table = read_parquet(path)
        return {name: column_array(table.column(name), f"{path}: {name}") for name in table.schema.names}
    if path.suffix.lower() != ".npz":
        message = f"expected predicted actions as .npz or .parquet, got {path.name}"
        raise UnknownFormatError(Problem("unknown-format", str(path), message, "write them with numpy.savez"))
    with storage_errors(path, "read"):
        try:
            # A single array under this name is no archive, and what reads it would be no file.
            with npy_errors(), zipfile.ZipFile(path), np.load(path, allow_pickle=False) as file:
                return {name: file[name] for name in file.files}
        except (ValueError, zipfile.BadZipFile, zlib.error, EOFError) as error:
            message = f"expected arrays of NumPy, got: {str(error).splitlines()[0]}"
            raise CorruptDataError(Problem("not-npz", str(path), message, "write them with numpy.savez")) from None


def _whole(path: Path, name: str, values: NDArray[Any]) -> NDArray[np.int64]:
    if values.ndim != 1 or values.dtype.kind not in "iu":
        message = f"expected whole numbers (n,), got {values.dtype} {values.shape}"
        raise SchemaError(Problem("wrong-type", f"{path}: {name}", message))
    found: NDArray[np.int64] = values.astype(np.int64)
    return found


def _chunks(path: Path, name: str, values: NDArray[Any], rows: int) -> NDArray[np.float64]:
    where = f"{path}: {name}"
    if values.ndim != 3 or len(values) != rows or 0 in values.shape or values.dtype.kind not in "fiu":
        message = f"expected numbers (n={rows}, horizon, D), got {values.dtype} {values.shape}"
        raise SchemaError(Problem("wrong-shape", where, message))
    found: NDArray[np.float64] = values.astype(np.float64)
    if not np.isfinite(found).all():
        bad = int((~np.isfinite(found)).any(axis=(1, 2)).sum())
        raise SchemaError(Problem("not-finite", where, f"expected finite numbers, got others in {bad} of {rows} rows"))
    return found


def _side_by_side(path: Path, keys: Sequence[KeyPart], parts: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    for key, part in zip(keys, parts, strict=True):
        if part.shape[2] != key.stop - key.start or part.shape[1] != parts[0].shape[1]:
            message = (
                f"expected (n, horizon={parts[0].shape[1]}, D={key.stop - key.start}), got {part.shape}: every key has "
                "the horizon of the first, and the numbers of its part"
            )
            raise SchemaError(Problem("wrong-shape", f"{path}: {key.name}", message))
    return np.concatenate(parts, axis=2)


def _cut(path: Path, keys: Sequence[KeyPart], joined: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the numbers of the keys, in their order, from one array of them all, or of the whole column."""
    wide, own = joined.shape[2], sum(key.stop - key.start for key in keys)
    whole = keys[0].width if len({key.feature for key in keys}) == 1 else None
    where = f"{path}: {_JOINED}"
    starts = [key.start for key in keys]
    if wide == own == whole and starts != sorted(starts):
        message = f"expected keys in the order of {keys[0].feature}, as they may be meant in it or one after the other"
        raise SchemaError(
            Problem("ambiguous-order", where, message, "name them in its order, or write an array of each")
        )
    if wide == own:
        return joined
    if wide == whole:
        return np.concatenate([joined[:, :, key.start : key.stop] for key in keys], axis=2)
    told = f"{own}, the numbers of the keys" + (f", or {whole}, those of {keys[0].feature}" if whole else "")
    raise SchemaError(Problem("wrong-shape", where, f"expected D = {told}, got {wide}"))
