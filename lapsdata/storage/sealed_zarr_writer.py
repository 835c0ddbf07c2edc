"""Writing sealed Zarr v3 groups, shard by shard, in memory that does not grow with the number of windows.

Equal arrays give equal bytes, whatever is appended when: each shard is a file of its own and is written once, whole.
"""

from __future__ import annotations

import contextlib
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lapsdata.errors import Problem, SchemaError, StorageError
from lapsdata.schema.base import canonical_json
from lapsdata.storage.atomic import atomic_folder, storage_errors
from lapsdata.storage.seal import StoredArray, WindowArray, WindowSums, digest, make_seal, split_arrays
from lapsdata.storage.sealed_zarr import ATTRIBUTE, zarr_manifest
from lapsdata.storage.zarr_files import (
    METADATA,
    array_metadata,
    blosc_chunk,
    group_metadata,
    write_chunk,
    write_chunks,
    write_metadata,
    write_shard,
)

SHARD_WINDOWS = 256
"""Windows per shard file: 13 MB of the usual (16, 400, 2) float32 windows."""

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from numpy.typing import NDArray
    from pydantic import JsonValue

__all__ = ["ZarrWriter", "sealed_zarr_writer", "write_sealed_zarr"]


def write_sealed_zarr(
    path: Path,
    header: Mapping[str, JsonValue],
    storage: Mapping[str, JsonValue],
    arrays: Mapping[str, StoredArray],
    *,
    profile: Literal["raw", "compact"],
    overwrite: bool = False,
) -> None:
    """Write a group with its header, arrays, checksums and seal, all or nothing.

    Parameters
    ----------
    path : Path
        The folder; its parent must exist.
    header : mapping
        The header record as JSON.
    storage : mapping
        How the values were put on disk (profile, rounding): facts of this file, not of the data.
    arrays : mapping of StoredArray
        By name; slashes make groups.
    profile, overwrite
        See `sealed_zarr_writer`.

    Raises
    ------
    StorageError
        The target exists, or the file system refused.
    SchemaError
        A name that Zarr keeps for itself.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from lapsdata.storage.sealed_zarr import SealedZarr
    >>> target = pathlib.Path(tempfile.mkdtemp()) / "numbers.zarr"
    >>> numbers = StoredArray(np.arange(6, dtype=np.float32).reshape(3, 2))
    >>> write_sealed_zarr(target, {"format": "numbers"}, {}, {"numbers": numbers}, profile="raw")
    >>> SealedZarr(target).read("numbers").tolist()
    [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]
    """
    big, small = split_arrays(arrays)
    _refuse_reserved(path, small)
    with sealed_zarr_writer(path, big, profile=profile, overwrite=overwrite) as writer:
        for name in big:
            writer.append(name, arrays[name].values)
        writer.finish(header, storage, small)


@contextlib.contextmanager
def sealed_zarr_writer(
    path: Path, arrays: Mapping[str, WindowArray], *, profile: Literal["raw", "compact"], overwrite: bool = False
) -> Iterator[ZarrWriter]:
    """Give a writer to append windows to and to finish; the group is there once the block has ended without an error.

    Parameters
    ----------
    path : Path
        The folder; its parent must exist.
    arrays : mapping of WindowArray
        The arrays to be written, by name; slashes make groups.
    profile : {"raw", "compact"}
        `raw`: uncompressed; `compact`: byte shuffle + Zstandard 3. Both with CRC-32C on every chunk.
    overwrite : bool
        Whether an existing file or folder may be replaced.

    Raises
    ------
    StorageError
        The target exists, or the file system refused.
    SchemaError
        A name that Zarr keeps for itself.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> target = pathlib.Path(tempfile.mkdtemp()) / "numbers.zarr"
    >>> with sealed_zarr_writer(target, {"numbers": WindowArray((2, 3), np.dtype("f4"))}, profile="raw") as writer:
    ...     writer.append("numbers", np.zeros((1, 3), np.float32))
    ...     writer.append("numbers", np.ones((1, 3), np.float32))
    ...     writer.finish({"format": "numbers"}, {}, {})
    >>> [item.name for item in target.parent.iterdir()]
    ['numbers.zarr']
    """
    _refuse_reserved(path, arrays)
    if overwrite and path.name:
        _refuse_foreign(path)
    with (
        atomic_folder(path, overwrite=overwrite) as folder,
        contextlib.closing(ZarrWriter(path, folder, arrays, profile)) as writer,
    ):
        yield writer


class ZarrWriter:
    """Takes windows of several arrays, then the rest of the group; made by `sealed_zarr_writer`.

    Of each array at most one shard of windows is held.
    """

    def __init__(self, path: Path, folder: Path, arrays: Mapping[str, WindowArray], profile: str) -> None:
        self._path, self._folder = path, folder
        self._arrays, self._blosc = dict(arrays), profile == "compact"
        self._sums = WindowSums(arrays)
        self._held: dict[str, NDArray[Any]] = {}
        self._pool: ThreadPoolExecutor | None = None
        self._metadata: dict[str, dict[str, Any]] = {}
        with storage_errors(path, "write"):
            write_metadata(folder, group_metadata({}))
            for name, array in arrays.items():
                about = array_metadata(array.shape, array.dtype, chunk=1, shard=SHARD_WINDOWS, blosc=self._blosc)
                self._create(name, about)

    def _create(self, name: str, about: dict[str, Any]) -> None:
        """Write down what an array is, and that what it lies in are groups."""
        for group in Path(name).parents[:-1]:
            if not (self._folder / group / METADATA).exists():
                write_metadata(self._folder / group, group_metadata({}))
        write_metadata(self._folder / name, about)
        self._metadata[name] = about

    def close(self) -> None:
        """Wait for the threads, if there are any."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def append(self, name: str, windows: NDArray[Any]) -> None:
        """Write the next windows of an array; those that do not fill a shard are held.

        Raises
        ------
        LengthMismatchError
            There would be more of them than the array has.
        StorageError
            The file system refused.
        """
        place = self._sums.add(name, windows)
        length = self._arrays[name].shape[0]
        while len(windows):
            at = place.stop - len(windows)
            shard = at - at % SHARD_WINDOWS
            end = min(shard + SHARD_WINDOWS, length)
            now, windows = windows[: end - at], windows[end - at :]
            self._hold(name, shard, end, at, now)

    def _hold(self, name: str, shard: int, end: int, at: int, windows: NDArray[Any]) -> None:
        """Put windows into the shard that reaches from `shard` to `end`, and write it when it is full."""
        if at == shard and len(windows) == end - shard:
            whole = windows
        else:
            if name not in self._held:
                self._held[name] = np.empty((end - shard, *windows.shape[1:]), windows.dtype)
            whole = self._held[name]
            whole[at - shard : at - shard + len(windows)] = windows
        if at + len(windows) == end:
            with storage_errors(self._path, "write"):
                self._write(name, shard, np.ascontiguousarray(whole, whole.dtype.newbyteorder("<")))
            self._held.pop(name, None)

    def _write(self, name: str, shard: int, windows: NDArray[Any]) -> None:
        """Write a shard; windows without elements have no bytes, and no file."""
        if not windows.size:
            return
        array, number = self._folder / name, shard // SHARD_WINDOWS
        if not self._blosc:
            sums = self._sums.of(name, slice(shard, shard + len(windows)))
            write_shard(array, number, windows, sums, SHARD_WINDOWS)
            return
        if self._pool is None:
            self._pool = ThreadPoolExecutor(os.cpu_count(), "lapsdata-compress")
        chunks = list(self._pool.map(blosc_chunk, windows))
        write_chunks(array, number, windows.ndim, chunks, SHARD_WINDOWS)

    def finish(
        self,
        header: Mapping[str, JsonValue],
        storage: Mapping[str, JsonValue],
        small: Mapping[str, StoredArray],
    ) -> None:
        """Write everything else; see `write_sealed_zarr`. Nothing can be appended any more.

        Raises
        ------
        LengthMismatchError
            An array has fewer windows than it should have.
        StorageError
            The file system refused.
        """
        complete = {**small, **self._sums.finish()}
        described: dict[str, JsonValue] = {}
        with storage_errors(self._path, "write"):
            for name, item in complete.items():
                values = item.values
                self._create(name, array_metadata(values.shape, values.dtype, chunk=max(1, len(values)), shard=None))
                write_chunk(self._folder / name, values)
            for name, about in self._metadata.items():
                entry: dict[str, JsonValue] = {"metadata": about}
                if name in complete:
                    entry["digest"] = digest(complete[name].values)
                described[name] = entry
            manifest = zarr_manifest(header, storage, described)
            # Through canonical JSON, so that equal headers give equal bytes whatever the order of their keys.
            document = canonical_json({"header": dict(header), "storage": dict(storage)})
            sealed = {**json.loads(document), "seal": json.loads(make_seal(manifest))}
            write_metadata(self._folder, group_metadata({ATTRIBUTE: sealed}))


def _refuse_reserved(path: Path, names: Iterable[str]) -> None:
    reserved = sorted(name for name in names if METADATA in name.split("/"))
    if reserved:
        message = f"expected names that Zarr does not use itself, got {reserved[0]}"
        raise SchemaError(Problem("reserved-name", str(path), message, f"rename what is called {METADATA}"))


def _refuse_foreign(path: Path) -> None:
    """Refuse to replace a folder that is no Zarr store: a slip of the path must not cost somebody's files."""
    with storage_errors(path, "open"):
        foreign = path.is_dir() and not (path / METADATA).exists() and any(path.iterdir())
    if foreign:
        message = "expected a free name or a Zarr v3 folder, got a folder of other files"
        raise StorageError(Problem("not-ours", str(path), message, "name another folder, or remove this one yourself"))
