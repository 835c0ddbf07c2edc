"""Where the chunks of Zarr arrays lie, v3 (sharded or not) and v2, read from their metadata without zarr-python."""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from lapsdata.errors import CorruptDataError, Problem, SchemaError, UnknownFormatError
from lapsdata.storage.atomic import storage_errors
from lapsdata.storage.codecs import CODECS, Codec
from lapsdata.storage.decoding import decoding
from lapsdata.storage.index import ABSENT, ChunkIndex, FileKey, file_key
from lapsdata.storage.seal import REPAIR, crc32c

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["zarr_index"]

_NO_FILE: Final = FileKey(0, 0, 0)
_ABSENT_IN_SHARD: Final = np.iinfo(np.uint64).max


@dataclass(frozen=True, slots=True)
class _Layout:
    """What the metadata of an array say; `inner` is None where chunks are files of their own."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    outer: tuple[int, ...]
    inner: tuple[int, ...] | None
    codecs: tuple[Codec, ...]
    index_sum: bool
    index_first: bool
    separator: str
    prefix: str
    fill: Any


def zarr_index(
    folder: Path, name: str, *, row_crc32c: NDArray[np.uint32] | None = None, fill: bool = False
) -> ChunkIndex:
    """Find out where the chunks of an array lie.

    Parameters
    ----------
    folder : Path
        The group, or the array where `name` is empty.
    name : str
        Path of the array inside of the group.
    row_crc32c : uint32 (W,), optional
        CRC-32C of each row's little-endian bytes, where something says it.
    fill : bool
        Whether a chunk that is not there is the fill value, as Zarr means it, instead of an error.

    Raises
    ------
    StorageError, SchemaError
        No array is there.
    CorruptDataError
        Metadata or a shard's index are damaged, or a chunk is missing and `fill` is False.
    UnknownFormatError
        A data type, codec or chunk grid that is not read here; the message names it.

    Examples
    --------
    >>> import tempfile, pathlib, zarr
    >>> place = pathlib.Path(tempfile.mkdtemp())
    >>> made = zarr.create_array(place / "vis", shape=(3, 2), chunks=(1, 2), dtype="f4", compressors=None)
    >>> made[:] = 1
    >>> index = zarr_index(place, "vis")
    >>> index.plain, len(index.files)
    (True, 3)
    """
    place = folder / name
    where = f"{folder}: {name}" if name else str(folder)
    layout = _layout(place, where)
    grid = (range(-(-n // c)) for n, c in zip(layout.shape, layout.outer, strict=True))
    coordinates = list(itertools.product(*grid))
    files = [
        place / (layout.prefix + layout.separator.join(map(str, at)) if at else layout.prefix) for at in coordinates
    ]
    keys = [file_key(file) if file.is_file() else _NO_FILE for file in files]
    made = _whole(keys) if layout.inner is None else _sharded(layout, coordinates, files, keys, folder)
    file, offset, length = made
    chunk = layout.outer if layout.inner is None else layout.inner
    missing = np.flatnonzero(offset == ABSENT)
    if len(missing) and not fill:
        raise _missing(folder, files, keys, file, offset)
    index = ChunkIndex(
        where,
        layout.shape,
        layout.dtype,
        chunk,
        tuple(files),
        tuple(keys),
        file=file,
        offset=offset,
        length=length,
        codecs=layout.codecs,
        row_crc32c=row_crc32c,
        fill=layout.fill if len(missing) else None,
    )
    index.check_extent()
    return index


def _missing(
    folder: Path, files: list[Path], keys: list[FileKey], file: NDArray[np.int32], offset: NDArray[np.int64]
) -> CorruptDataError:
    """Say which file is missing; or, where it is there, which of its chunks are."""
    number = int(file[np.argmax(offset == ABSENT)])
    place = f"{folder}: {files[number].relative_to(folder)}"
    if keys[number].size == 0:
        return CorruptDataError(Problem("chunk-missing", place, "expected a file of chunks, got no bytes", REPAIR))
    inside = np.flatnonzero(file == number)
    absent = np.flatnonzero(offset[inside] == ABSENT)
    message = f"expected {len(inside)} chunks, got none for number {absent[0]} ({len(absent)} missing)"
    return CorruptDataError(Problem("chunk-missing", place, message, REPAIR))


def _whole(keys: list[FileKey]) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int64]]:
    """Every chunk is a file, from its first byte to its last."""
    sizes = np.array([key.size for key in keys], np.int64)
    there = np.array([key != _NO_FILE for key in keys])
    return np.arange(len(keys), dtype=np.int32), np.where(there, 0, ABSENT), sizes


def _sharded(
    layout: _Layout, coordinates: list[tuple[int, ...]], files: list[Path], keys: list[FileKey], folder: Path
) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int64]]:
    """Every file holds several chunks, and an index of them."""
    inner = layout.inner or layout.outer
    per = tuple(o // i for o, i in zip(layout.outer, inner, strict=True))
    count = math.prod(per)
    cells = tuple(-(-n // c) for n, c in zip(layout.shape, inner, strict=True))
    file = np.zeros(math.prod(cells), np.int32)
    offset, length = np.full(len(file), ABSENT, np.int64), np.zeros(len(file), np.int64)
    local = np.stack(np.unravel_index(np.arange(count), per), axis=-1)
    for number, (at, path, key) in enumerate(zip(coordinates, files, keys, strict=True)):
        cell = local + np.array(at) * np.array(per)
        inside = (cell < np.array(cells)).all(axis=1)
        numbers = np.ravel_multi_index(tuple(cell[inside].T), cells)
        file[numbers] = number
        if key.size == 0:
            continue
        where = f"{folder}: {path.relative_to(folder)}"
        pairs = _shard_index(layout, path, key, count, where)[inside]
        there = ~((pairs[:, 0] == _ABSENT_IN_SHARD) & (pairs[:, 1] == _ABSENT_IN_SHARD))
        if (pairs[there] > np.uint64(key.size)).any():
            message = f"expected chunks within {key.size} bytes, got one outside"
            raise CorruptDataError(Problem("chunk-outside", where, message, REPAIR))
        offset[numbers[there]], length[numbers[there]] = pairs[there].astype(np.int64).T
    return file, offset, length


def _shard_index(layout: _Layout, path: Path, key: FileKey, count: int, where: str) -> NDArray[np.uint64]:
    """Read the (offset, length) pairs of a shard, and compare them with their CRC-32C."""
    size = 16 * count + 4 * layout.index_sum
    with storage_errors(path, "open"), path.open("rb") as raw:
        raw.seek(0 if layout.index_first else max(0, key.size - size))
        stored = raw.read(size)
    body, stated = stored[: 16 * count], stored[16 * count :]
    if len(stored) != size or (layout.index_sum and crc32c(body).to_bytes(4, "little") != stated):
        message = "expected a shard index that fits its CRC-32C, got damaged bytes"
        raise CorruptDataError(Problem("shard-index", where, message, REPAIR))
    return np.frombuffer(body, "<u8").reshape(-1, 2)


def _layout(place: Path, where: str) -> _Layout:
    with storage_errors(place, "open"):
        documents = {name: (place / name).read_bytes() for name in ("zarr.json", ".zarray") if (place / name).is_file()}
    if not documents:
        raise SchemaError(Problem("missing-array", where, "expected a Zarr array, got no zarr.json and no .zarray"))
    name, content = next(iter(documents.items()))
    with decoding(f"{where}: {name}", "array metadata"):
        document = json.loads(content)
        return _layout_v3(document, where) if name == "zarr.json" else _layout_v2(document, where)


def _layout_v3(document: dict[str, Any], where: str) -> _Layout:
    shape = tuple(document["shape"])
    outer = tuple(document["chunk_grid"]["configuration"]["chunk_shape"])
    encoding = document["chunk_key_encoding"]
    separator = encoding.get("configuration", {}).get("separator", "/" if encoding["name"] == "default" else ".")
    prefix = f"c{separator}" if encoding["name"] == "default" else ""
    steps, inner, index_sum, index_first = document["codecs"], None, False, False
    if steps[0]["name"] == "sharding_indexed":
        settings = steps[0]["configuration"]
        inner, steps = tuple(settings["chunk_shape"]), settings["codecs"]
        index_sum = any(step["name"] == "crc32c" for step in settings["index_codecs"])
        index_first = settings.get("index_location", "end") == "start"
    # The one step from an array to bytes; a transposed one has another before it.
    _require(steps[0]["name"] == "bytes", f"the codec {steps[0]['name']!r}", where)
    order = "<" if steps[0].get("configuration", {}).get("endian", "little") == "little" else ">"
    codecs = tuple(Codec(step["name"], step.get("configuration", {})) for step in steps[1:])
    kind = document["data_type"]
    dtype = _dtype(kind, order, where)
    _require_codecs(codecs, where)
    fill = np.array(document["fill_value"] if document["fill_value"] != "NaN" else np.nan).astype(dtype)
    return _Layout(shape, dtype, outer, inner, codecs, index_sum, index_first, separator, prefix, fill)


def _dtype(kind: object, order: str, where: str) -> np.dtype[Any]:
    known = {"bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"}
    known |= {"float16", "float32", "float64"}
    _require(isinstance(kind, str) and kind in known, f"the data type {kind!r}", where)
    return np.dtype(str(kind)).newbyteorder(order)  # type: ignore[arg-type]  # "<" or ">"


def _layout_v2(document: dict[str, Any], where: str) -> _Layout:
    shape, outer = tuple(document["shape"]), tuple(document["chunks"])
    _require(document.get("order", "C") == "C", "Fortran order", where)
    dtype = np.dtype(document["dtype"])
    _require(dtype.kind in "biuf", f"the data type {document['dtype']!r}", where)
    steps = [*(document.get("filters") or []), *([document["compressor"]] if document.get("compressor") else [])]
    codecs = tuple(Codec(str(step["id"]), {key: value for key, value in step.items() if key != "id"}) for step in steps)
    _require_codecs(codecs, where)
    value = document.get("fill_value")
    fill = np.array(np.nan if value == "NaN" else (value or 0)).astype(dtype)
    return _Layout(shape, dtype, outer, None, codecs, False, False, document.get("dimension_separator", "."), "", fill)


def _require_codecs(codecs: tuple[Codec, ...], where: str) -> None:
    for codec in codecs:
        _require(codec.name in CODECS, f"the codec {codec.name!r}", where)


def _require(good: bool, what: str, where: str) -> None:
    if not good:
        message = f"expected plain numbers in C order behind the codecs {', '.join(sorted(CODECS))}, got {what}"
        raise UnknownFormatError(Problem("unsupported-zarr", where, message, "rewrite it with zarr-python"))
