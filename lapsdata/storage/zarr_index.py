"""Where the chunks of Zarr arrays lie, v3 (sharded or not) and v2, read from their metadata without zarr-python."""

from __future__ import annotations

import itertools
import json
import math
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from lapsdata.errors import CorruptDataError, Problem, SchemaError, UnknownFormatError
from lapsdata.storage.atomic import storage_errors
from lapsdata.storage.codecs import Codec
from lapsdata.storage.decoding import decoding
from lapsdata.storage.index import ABSENT, ChunkIndex, FileKey, file_key, key_of_status
from lapsdata.storage.open_files import require_same
from lapsdata.storage.seal import REPAIR, crc32c

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["zarr_index"]

_NO_FILE: Final = FileKey(0, 0, 0)
_ABSENT_IN_SHARD: Final = np.iinfo(np.uint64).max
_MOST: Final = np.iinfo(np.int64).max

_MOST_CHUNKS: Final = 1 << 27
"""A damaged shape asks for any amount of memory, for the index alone."""

_CODECS: Final = ("blosc", "crc32c", "fletcher32", "gzip", "lz4", "shuffle", "zlib", "zstd")
"""Codecs from bytes to bytes: those of the core, and those of numcodecs, under which names Zarr v2 has them all."""

_KEYS: Final = frozenset({
    "attributes", "chunk_grid", "chunk_key_encoding", "codecs", "data_type", "dimension_names", "fill_value",
    "node_type", "shape", "storage_transformers", "zarr_format",
})  # fmt: skip
"""What version 3 says of an array; whatever else stands there must be understood, unless it says that it need not."""


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
        No array is there, or one without rows.
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
    files = [place / (layout.prefix + layout.separator.join(map(str, at))) for at in coordinates]
    with storage_errors(place, "open"):
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
        require_same(path, key_of_status(os.fstat(raw.fileno())), key)
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
        if "shape" not in document and document.get("node_type") == "group":
            raise SchemaError(Problem("missing-array", where, "expected a Zarr array, got a group"))
        layout = _layout_v3(document, where) if name == "zarr.json" else _layout_v2(document, where)
    if not layout.shape:
        raise SchemaError(Problem("no-rows", where, "expected an array with rows, got a single value"))
    chunk = layout.inner or layout.outer
    count = math.prod(-(-n // c) for n, c in zip(layout.shape, chunk, strict=True))
    if count > _MOST_CHUNKS:
        message = f"expected up to {_MOST_CHUNKS} chunks, got {count}: {layout.shape} in chunks of {chunk}"
        raise CorruptDataError(Problem("implausible-shape", f"{where}: {name}", message, REPAIR))
    return layout


def _layout_v3(document: dict[str, Any], where: str) -> _Layout:
    _require(document["zarr_format"] == 3, f"Zarr version {document['zarr_format']!r} in a zarr.json", where)
    for key in sorted(document.keys() - _KEYS):
        needless = isinstance(document[key], dict) and document[key].get("must_understand") is False
        _require(needless, f"the extension {key!r}, which must be understood", where)
    shape = _sizes(document["shape"], 0)
    grid, encoding = document["chunk_grid"], _named(document["chunk_key_encoding"])
    _require(grid["name"] == "regular", f"the chunk grid {grid['name']!r}", where)
    _require(encoding["name"] in ("default", "v2"), f"the chunk keys {encoding['name']!r}", where)
    _require(not document.get("storage_transformers"), "storage transformers", where)
    outer = _sizes(grid["configuration"]["chunk_shape"], 1, len(shape))
    usual, prefix = ("/", "c") if encoding["name"] == "default" else (".", "")
    separator = _separator(encoding["configuration"].get("separator", usual))
    steps, inner, index_sum, index_first = [_named(step) for step in document["codecs"]], None, False, False
    if steps[0]["name"] == "sharding_indexed":
        _require(len(steps) == 1, f"the codec {steps[-1]['name']!r} around shards", where)
        settings = steps[0]["configuration"]
        inner, steps = _sizes(settings["chunk_shape"], 1, len(shape)), [_named(step) for step in settings["codecs"]]
        if any(many % one for many, one in zip(outer, inner, strict=True)):
            raise ValueError(f"shards of {outer} do not hold whole chunks of {inner}")
        index_sum = _index_is_summed([_named(step) for step in settings["index_codecs"]], where)
        index_first = {"start": True, "end": False}[settings.get("index_location", "end")]
    # The one step from an array to bytes; a transposed one has another before it.
    _require(steps[0]["name"] == "bytes", f"the codec {steps[0]['name']!r}", where)
    order = {"little": "<", "big": ">"}[steps[0]["configuration"].get("endian", "little")]
    dtype = _dtype(document["data_type"], order, where)
    codecs = _codecs([(step["name"].removeprefix("numcodecs."), step["configuration"]) for step in steps[1:]], where)
    fill = _fill(document["fill_value"], dtype)
    prefix += separator if prefix else ""
    return _Layout(shape, dtype, outer, inner, codecs, index_sum, index_first, separator, prefix, fill)


def _named(step: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """Return a step with its settings; Zarr 3.1 allows the name alone."""
    return {"name": step, "configuration": {}} if isinstance(step, str) else {"configuration": {}} | dict(step)


def _sizes(numbers: Any, least: int, axes: int | None = None) -> tuple[int, ...]:  # noqa: ANN401 - JSON
    """Return lengths along the axes."""
    good = all(type(n) is int and least <= n <= _MOST for n in numbers) and axes in (None, len(numbers))
    if not good or not isinstance(numbers, list):
        raise ValueError(f"not lengths along the axes: {numbers}")
    return tuple(numbers)


def _separator(text: str) -> str:
    return {"/": "/", ".": "."}[text]


def _index_is_summed(steps: list[dict[str, Any]], where: str) -> bool:
    """Say whether a CRC-32C follows the index of a shard; refuse what would make it lie in another way."""
    names = [step["name"] for step in steps]
    known = names in (["bytes"], ["bytes", "crc32c"])
    _require(known, f"an index of shards behind {' and '.join(names)}", where)
    _require(steps[0]["configuration"].get("endian", "little") == "little", "a big-endian index of shards", where)
    return len(names) == 2


def _dtype(kind: object, order: str, where: str) -> np.dtype[Any]:
    known = {"bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"}
    known |= {"float16", "float32", "float64"}
    _require(isinstance(kind, str) and kind in known, f"the data type {kind!r}", where)
    return np.dtype(str(kind)).newbyteorder(order)  # type: ignore[arg-type]  # "<" or ">"


def _fill(value: Any, dtype: np.dtype[Any]) -> NDArray[Any]:  # noqa: ANN401 - JSON
    """Return a fill value; floats may be written as NaN, Infinity, -Infinity or the hex of their bits."""
    if isinstance(value, str) and value.startswith("0x"):
        bits = np.array(int(value, 16), f"u{dtype.itemsize}")
        return bits.view(dtype.newbyteorder("=")).astype(dtype)
    return np.array(float(value) if isinstance(value, str) else value, dtype)


def _layout_v2(document: dict[str, Any], where: str) -> _Layout:
    _require(document["zarr_format"] == 2, f"Zarr version {document['zarr_format']!r} in a .zarray", where)
    shape = _sizes(document["shape"], 0)
    outer = _sizes(document["chunks"], 1, len(shape))
    _require(document.get("order", "C") == "C", "Fortran order", where)
    _require(isinstance(document["dtype"], str), f"the data type {document['dtype']!r}", where)
    dtype = np.dtype(document["dtype"])
    _require(dtype.kind in "biuf", f"the data type {document['dtype']!r}", where)
    steps = [*(document.get("filters") or []), *([document["compressor"]] if document.get("compressor") else [])]
    codecs = _codecs(
        [(str(step["id"]), {key: value for key, value in step.items() if key != "id"}) for step in steps], where
    )
    value = document.get("fill_value")
    fill = _fill(0 if value is None else value, dtype)
    separator = _separator(document.get("dimension_separator", "."))
    return _Layout(shape, dtype, outer, None, codecs, False, False, separator, "", fill)


def _codecs(steps: list[tuple[str, dict[str, Any]]], where: str) -> tuple[Codec, ...]:
    for name, settings in steps:
        _require(name in _CODECS, f"the codec {name!r}", where)
        _require(settings.get("location", "end") == "end", f"the codec {name!r} with its checksum in front", where)
    return tuple(Codec(name, settings) for name, settings in steps)


def _require(good: bool, what: str, where: str) -> None:
    if not good:
        message = f"expected plain numbers in C order behind the codecs {', '.join(_CODECS)}, got {what}"
        raise UnknownFormatError(Problem("unsupported-zarr", where, message, "rewrite it with zarr-python"))
