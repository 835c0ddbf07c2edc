"""WebDataset tars of any maker as chunk indexes: the arrays of all samples, where every sample has the same ones.

Nothing says what their bytes should be: what is read through these is unverified.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.errors import CorruptDataError, Problem, SchemaError, listed
from lapsdata.storage.atomic import storage_errors
from lapsdata.storage.index import ChunkIndex, FileKey, file_key
from lapsdata.storage.seal import REPAIR
from lapsdata.storage.tar_arrays import parse_npy_header
from lapsdata.storage.tarfiles import tar_members

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lapsdata.storage.tarfiles import TarMember

__all__ = ["ForeignShards", "first_json", "foreign_shards"]

# The folder and everything up to the first dot of the name are the key, as WebDataset has it.
_NAME = re.compile(r"((?:.*/)?[^./][^./]*)\.([^/]*)", re.DOTALL)
_META = re.compile(r"__[^/]*__($|/)")
"""Names that WebDataset keeps for what is no sample."""

_ARRAY = ".npy"
_BEGIN = 256
"""Bytes in which an npy header nearly always ends."""

_FIRST, _MOST_JSON = 256, 1 << 20
"""Members among which the first sample is looked for, and bytes that are read of its JSON."""


@dataclass(frozen=True, eq=False)
class ForeignShards:
    """Samples of tars that carry no index of ours: unverified.

    Parameters
    ----------
    keys : tuple of str
        Of each sample, in the order of the tars.
    fields : dict
        Shape and dtype of one sample, by the ending of its member's name without `.npy`.
    ignored : dict of int
        How many members of other endings each of these has.
    """

    keys: tuple[str, ...]
    fields: dict[str, tuple[tuple[int, ...], np.dtype[Any]]]
    ignored: dict[str, int]
    _indexes: dict[str, ChunkIndex]

    def __len__(self) -> int:
        """Return the number of samples W."""
        return len(self.keys)

    @property
    def unverified(self) -> int:
        """How many samples have no checksum: all."""
        return len(self.keys)

    def index(self, field: str) -> ChunkIndex:
        """Return where every sample's array lies, without checksums.

        Raises
        ------
        SchemaError
            No such field.
        """
        if field not in self._indexes:
            raise SchemaError(Problem("unknown-field", "shards", f"expected one of {list(self.fields)}, got {field!r}"))
        return self._indexes[field]


def foreign_shards(paths: Sequence[Path]) -> ForeignShards:
    """Find the arrays of tars that any program wrote for WebDataset, by looking at every header once.

    Parameters
    ----------
    paths : sequence of Path
        At least one; samples are in their order.

    Raises
    ------
    StorageError
        A file is not there, or may not be read.
    CorruptDataError
        A tar or an npy header is damaged or cut, or a sample stands in two places of a tar.
    SchemaError
        Samples that have not all the same arrays; names the first odd one.

    Examples
    --------
    >>> import io, tempfile
    >>> from lapsdata.storage.tarfiles import TarWriter
    >>> path = Path(tempfile.mkdtemp()) / "theirs.tar"
    >>> with path.open("wb") as file:
    ...     writer = TarWriter(file.write)
    ...     for key in "ab":
    ...         array = io.BytesIO()
    ...         np.save(array, np.zeros((16, 400, 2), np.float32))
    ...         _ = writer.add(f"{key}.flow.npy", array.getvalue()), writer.add(f"{key}.cls", b"3")
    ...     _ = writer.finish()
    >>> found = foreign_shards([path])
    >>> found.keys, found.index("flow").shape, found.ignored
    (('a', 'b'), (2, 16, 400, 2), {'cls': 2})
    """
    if not paths:
        raise SchemaError(Problem("no-shards", "shards", "expected at least one tar, got none"))
    scan = _Scan()
    for number, path in enumerate(paths):
        scan.tar(path, number)
    return scan.finish(tuple(Path(path) for path in paths))


def first_json(path: Path) -> bytes:
    """Return the JSON of the first sample of a tar; no bytes where it has none.

    Raises
    ------
    StorageError, CorruptDataError, SchemaError
        See `foreign_shards`.
    """
    _, parts = next(_samples(tar_members(path, _FIRST), str(path)), ("", {}))
    if "json" not in parts:
        return b""
    with storage_errors(path, "open"), path.open("rb", buffering=0) as file:
        return os.pread(file.fileno(), min(parts["json"].size, _MOST_JSON), parts["json"].offset)


class _Scan:
    """Samples found so far."""

    def __init__(self) -> None:
        self._fields: dict[str, tuple[tuple[int, ...], np.dtype[Any]]] = {}
        self._first = ""
        self._keys: list[str] = []
        self._file: list[int] = []
        self._offsets: dict[str, list[int]] = {}
        self._ignored: dict[str, int] = {}
        self._file_keys: list[FileKey] = []
        self._headers: dict[bytes, tuple[tuple[int, ...], np.dtype[Any], int]] = {}

    def tar(self, path: Path, number: int) -> None:
        self._file_keys.append(file_key(path))
        members = tar_members(path)
        with storage_errors(path, "open"), path.open("rb", buffering=0) as file:
            for key, parts in _samples(members, str(path)):
                arrays = {}
                for ending, member in parts.items():
                    if ending.endswith(_ARRAY):
                        arrays[ending.removesuffix(_ARRAY)] = self._array(file.fileno(), member, str(path))
                    else:
                        self._ignored[ending] = self._ignored.get(ending, 0) + 1
                if not arrays and not self._keys:
                    raise _no_arrays(f"{path}: {key}", parts)
                self._sample(f"{path}: {key}", key, number, arrays)

    def _array(self, handle: int, member: TarMember, where: str) -> tuple[tuple[int, ...], np.dtype[Any], int]:
        """Return shape, dtype, and where in the tar the bytes begin."""
        place = f"{where}: {member.name}"
        begin = os.pread(handle, min(_BEGIN, member.size), member.offset)
        ends = 10 + int.from_bytes(begin[8:10], "little")
        if begin[6:7] in (b"\2", b"\3"):
            ends = 12 + int.from_bytes(begin[8:12], "little")
        if ends > len(begin):
            begin = os.pread(handle, min(ends, member.size), member.offset)
        # Samples alike have headers alike, and a header is evaluated as Python.
        known = self._headers.get(begin[:ends])
        if known is None:
            known = self._headers[begin[:ends]] = parse_npy_header(begin[:ends], place)
        shape, dtype, offset = known
        size = offset + int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        if size != member.size:
            message = f"expected {size} bytes, as {shape} {dtype} takes, got {member.size}"
            raise CorruptDataError(Problem("npy-damaged", place, message, REPAIR))
        return shape, dtype, member.offset + offset

    def _sample(
        self, where: str, key: str, number: int, arrays: dict[str, tuple[tuple[int, ...], np.dtype[Any], int]]
    ) -> None:
        fields = {name: (shape, dtype) for name, (shape, dtype, _) in arrays.items()}
        if not self._keys:
            self._fields, self._first = fields, where
            self._offsets = {name: [] for name in fields}
        if fields != self._fields:
            message = f"expected {_spelled(self._fields)} as in {self._first}, got {_spelled(fields)}"
            raise SchemaError(Problem("unlike-samples", where, message, "leave it out, or store all samples alike"))
        self._keys.append(key)
        self._file.append(number)
        for name, (_, _, offset) in arrays.items():
            self._offsets[name].append(offset)

    def finish(self, paths: tuple[Path, ...]) -> ForeignShards:
        if not self._keys:
            message = "expected samples with arrays (<key>.<field>.npy), got none"
            raise SchemaError(Problem("no-samples", str(paths[0]), message, "name tars made for WebDataset"))
        file, where = np.array(self._file, np.int32), str(paths[0]) + (" ..." if len(paths) > 1 else "")
        indexes = {}
        for name, (shape, dtype) in self._fields.items():
            length = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
            indexes[name] = ChunkIndex(
                f"{where}: {name}",
                (len(self._keys), *shape),
                dtype,
                (1, *shape),
                paths,
                tuple(self._file_keys),
                file=file,
                offset=np.array(self._offsets[name], np.int64),
                length=np.full(len(file), length, np.int64),
            )
        return ForeignShards(tuple(self._keys), self._fields, self._ignored, indexes)


def _samples(members: list[TarMember], where: str) -> Iterator[tuple[str, dict[str, TarMember]]]:
    """Yield keys with their members, by ending in small letters: neighbours of one key are one sample."""
    seen: set[str] = set()
    parts: dict[str, TarMember]
    key, parts = "", {}
    for member in members:
        if _META.match(member.name):
            continue
        found = _NAME.fullmatch(member.name)
        if found is None:
            message = "expected a name of the form <key>.<field>, got another: WebDataset passes over it"
            raise SchemaError(Problem("no-key", f"{where}: {member.name}", message, "leave it out of the tar"))
        if found[1] != key:
            if parts:
                yield key, parts
            key, parts = found[1], {}
            if key in seen:
                message = "expected the members of a sample side by side, got others between them"
                raise CorruptDataError(Problem("sample-twice", f"{where}: {member.name}", message, "sort the tar"))
            seen.add(key)
        ending = found[2].lower()
        if ending in parts:
            message = f"expected each ending once, got '{ending}' twice"
            raise CorruptDataError(Problem("sample-twice", f"{where}: {member.name}", message, REPAIR))
        parts[ending] = member
    if parts:
        yield key, parts


def _no_arrays(where: str, parts: dict[str, TarMember]) -> SchemaError:
    message = f"expected samples with arrays (<key>.<field>.npy), got one with {listed(parts)} alone"
    return SchemaError(Problem("no-arrays", where, message, "store what is to be read as npy"))


def _spelled(fields: dict[str, tuple[tuple[int, ...], np.dtype[Any]]]) -> str:
    return ", ".join(f"{name} {shape} {dtype}" for name, (shape, dtype) in fields.items()) or "no arrays"
