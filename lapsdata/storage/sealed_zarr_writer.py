"""Writing sealed Zarr v3 groups, shard by shard, in memory that does not grow with the number of windows.

Equal arrays give equal bytes, whatever is appended when: each shard is a file of its own and is written once, whole.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lapsdata.errors import Problem, SchemaError, StorageError
from lapsdata.schema.base import canonical_json
from lapsdata.storage.atomic import atomic_folder, storage_errors
from lapsdata.storage.seal import StoredArray, WindowArray, WindowSums, digest, make_seal, split_arrays
from lapsdata.storage.sealed_zarr import ATTRIBUTE, METADATA, zarr_manifest

SHARD_WINDOWS = 256
"""Windows per shard file: 13 MB of the usual (16, 400, 2) float32 windows."""

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    import zarr
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
    with atomic_folder(path, overwrite=overwrite) as folder, _settled():
        yield ZarrWriter(path, folder, arrays, profile)


class ZarrWriter:
    """Takes windows of several arrays, then the rest of the group; made by `sealed_zarr_writer`.

    Of each array at most one shard of windows is held.
    """

    def __init__(self, path: Path, folder: Path, arrays: Mapping[str, WindowArray], profile: str) -> None:
        import zarr

        self._path, self._folder = path, folder
        self._sums = WindowSums(arrays)
        self._root = zarr.open_group(str(folder), mode="w", zarr_format=3)
        self._stored = {name: _create_sharded(self._root, name, array, profile) for name, array in arrays.items()}
        self._held: dict[str, NDArray[Any]] = {}

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
        length = self._stored[name].shape[0]
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
                self._stored[name][shard:end] = whole
            self._held.pop(name, None)

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
                _create_whole(self._root, name, item.values)[...] = item.values
            for name in (*self._stored, *complete):
                entry: dict[str, JsonValue] = {"metadata": json.loads((self._folder / name / METADATA).read_bytes())}
                if name in complete:
                    entry["digest"] = digest(complete[name].values)
                described[name] = entry
            manifest = zarr_manifest(header, storage, described)
            # Through canonical JSON, so that equal headers give equal bytes whatever the order of their keys.
            document = canonical_json({"header": dict(header), "storage": dict(storage)})
            self._root.attrs[ATTRIBUTE] = {**json.loads(document), "seal": json.loads(make_seal(manifest))}


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


@contextlib.contextmanager
def _settled() -> Iterator[None]:
    """Wait, when a write fails, for what zarr still writes in its threads: the folder is going to be removed."""
    try:
        yield
    except BaseException:
        from zarr.core.sync import sync

        sync(_other_tasks())
        raise


async def _other_tasks() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    # Their errors are those of the write that failed, which is being raised.
    await asyncio.gather(*others, return_exceptions=True)


def _create_sharded(root: zarr.Group, name: str, array: WindowArray, profile: str) -> zarr.Array[Any]:
    from zarr.codecs import BloscCodec

    # Blosc is how the Zarr v3 core spells "byte shuffle, then Zstandard".
    blosc = BloscCodec(typesize=array.dtype.itemsize, cname="zstd", clevel=3, shuffle="shuffle")
    window = _inner(array.shape)
    codecs = [blosc] if profile == "compact" else []
    return _create(root, name, array.shape, array.dtype, (1, *window), (SHARD_WINDOWS, *window), codecs)


def _create_whole(root: zarr.Group, name: str, values: NDArray[Any]) -> zarr.Array[Any]:
    chunk = (max(1, len(values)), *_inner(values.shape))
    return _create(root, name, values.shape, values.dtype, chunk, None, [])


def _inner(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(max(1, length) for length in shape[1:])


def _create(
    root: zarr.Group,
    name: str,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    chunks: tuple[int, ...],
    shards: tuple[int, ...] | None,
    codecs: list[Any],
) -> zarr.Array[Any]:
    from zarr.codecs import Crc32cCodec

    return root.create_array(
        name,
        shape=shape,
        dtype=dtype,
        chunks=chunks,
        shards=shards,
        compressors=[*codecs, Crc32cCodec()],
        filters=[],
        # Never used by us; a tool that does not notice a missing chunk should at least see NaN.
        fill_value=np.nan if dtype.kind == "f" else 0,
        config={"write_empty_chunks": True},
    )
