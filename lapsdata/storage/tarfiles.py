"""Tar archives, written and read without surprises: every header's checksum is compared, and the end must be there.

A tar archive has no list of its members and no checksum over their contents. What can be known is known here: a flipped
bit in a header, a cut at any byte and bytes after the end are errors with file, member and byte. Contents, and names
that pax and GNU keep outside of the header, want a checksum from elsewhere.
"""

from __future__ import annotations

import itertools
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Protocol

from lapsdata.errors import CorruptDataError, Problem, SchemaError
from lapsdata.storage.atomic import storage_errors
from lapsdata.storage.seal import REPAIR
from lapsdata.storage.tar_headers import BLOCK, padding, parse_pax, parse_tar_header, tar_header

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from lapsdata.storage.tar_headers import TarHeader

__all__ = ["TarMember", "TarWriter", "sound_members", "stream_members", "tar_members"]

_FILES = (b"0", b"\0", b"7")
_FOLDER = b"5"
_KINDS = {b"1": "a hard link", b"2": "a symbolic link", b"3": "a device", b"4": "a device", b"6": "a pipe",
          b"S": "a sparse file"}  # fmt: skip

_SURROGATE = re.compile("[\udc80-\udcff]")
"""What decoding leaves of bytes that are no UTF-8 (PEP 383)."""

_TAIL, _AT_ONCE = 1 << 20, 1 << 26


@dataclass(frozen=True, slots=True)
class TarMember:
    """A file in an archive.

    Parameters
    ----------
    name : str
    offset : int
        Where its content begins, in bytes from the start of the archive.
    size : int
        Bytes of its content.

    Examples
    --------
    >>> TarMember("0.json", offset=512, size=2).end
    514
    """

    name: str
    offset: int
    size: int

    @property
    def end(self) -> int:
        """Where its content ends."""
        return self.offset + self.size


class TarWriter:
    r"""Writes files one after the other, deterministically: equal names and contents give equal bytes.

    Parameters
    ----------
    write : callable
        Takes the bytes in order: the `write` of a file, or a function that hashes on the way.

    Examples
    --------
    >>> import io
    >>> file = io.BytesIO()
    >>> writer = TarWriter(file.write)
    >>> writer.add("0.txt", b"hello, ", b"tar\n")
    512
    >>> writer.finish()
    2048
    """

    def __init__(self, write: Callable[[bytes | memoryview], object]) -> None:
        self._write = write
        self.at = 0
        """Bytes written so far."""

    def add(self, name: str, *parts: bytes | memoryview) -> int:
        """Write a file whose content comes in parts; return where the content begins."""
        size = sum(len(part) for part in parts)
        header = tar_header(name, size)
        offset = self.at + len(header)
        for part in (header, *parts, bytes(padding(size))):
            self._write(part)
        self.at = offset + size + padding(size)
        return offset

    def finish(self) -> int:
        """Write the two blocks that end an archive, and no more, so that no byte can be missing; return its size."""
        self._write(bytes(2 * BLOCK))
        self.at += 2 * BLOCK
        return self.at


def tar_members(path: Path, most: int | None = None) -> list[TarMember]:
    """Find every file of an archive: one seek and one small read for each.

    Folders are left out, as they hold nothing.

    Parameters
    ----------
    path : Path
    most : int, optional
        Files to stop after; what stands behind these is not looked at.

    Raises
    ------
    StorageError
        It is not there, or may not be read.
    CorruptDataError
        A header that is not as it was written, a cut anywhere, an end that is not there, or bytes after it.
    SchemaError
        A member that is no plain file: a link, a device, a sparse file.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "a.tar"
    >>> with path.open("wb") as file:
    ...     writer = TarWriter(file.write)
    ...     _ = writer.add("0.txt", b"hello"), writer.add("1.txt", b"")
    ...     _ = writer.finish()
    >>> tar_members(path)
    [TarMember(name='0.txt', offset=512, size=5), TarMember(name='1.txt', offset=1536, size=0)]
    """
    with storage_errors(path, "open"), path.open("rb", buffering=0) as file:
        return list(itertools.islice(_walk(_Seekable(file.fileno(), str(path))), most))


def sound_members(path: Path) -> tuple[list[TarMember], CorruptDataError | None]:
    """Find the files of an archive that are whole, up to the first damage of the archive, and say what that is.

    Contents are not looked at. Raises as `tar_members`, but for damage.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "a.tar"
    >>> with path.open("wb") as file:
    ...     writer = TarWriter(file.write)
    ...     _ = writer.add("0.txt", b"hello"), writer.add("1.txt", b"you")
    >>> members, error = sound_members(path)
    >>> [member.name for member in members], error.problems[0].code
    (['0.txt', '1.txt'], 'tar-cut')
    """
    found: list[TarMember] = []
    with storage_errors(path, "open"), path.open("rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        try:
            found.extend(_walk(_Seekable(file.fileno(), str(path))))
        except CorruptDataError as error:
            return [member for member in found if member.end <= size], error
    return found, None


def stream_members(file: BinaryIO, where: str) -> Iterator[tuple[TarMember, bytes]]:
    """Yield every file of an archive with its content, in order, from whatever can be read forward: a pipe, a URL.

    Parameters
    ----------
    file : binary file
        Only its `read` is called.
    where : str
        Its name, for messages.

    Raises
    ------
    CorruptDataError, SchemaError
        As `tar_members`, when that member is reached: what has been yielded before was sound.

    Examples
    --------
    >>> import io
    >>> file = io.BytesIO()
    >>> writer = TarWriter(file.write)
    >>> _ = writer.add("0.txt", b"hello"), writer.finish()
    >>> [content for _, content in stream_members(io.BytesIO(file.getvalue()), "a.tar")]
    [b'hello']
    >>> list(stream_members(io.BytesIO(file.getvalue()[:700]), "a.tar"))
    Traceback (most recent call last):
    lapsdata.errors.CorruptDataError: a.tar: 0.txt: expected bytes up to 1024, got an end at 700; ... [tar-cut]
    """
    source = _Forward(file, where)
    for member in _walk(source):
        content = source.take(member.size + padding(member.size), member.name)
        yield member, content[: member.size]


class _Source(Protocol):
    """Bytes that are read in order."""

    where: str
    at: int

    def take(self, count: int, what: str) -> bytes:
        """Return the next bytes."""

    def skip_to(self, at: int, what: str) -> None:
        """Go on at a later byte, which must be there."""

    def rest(self) -> Iterator[bytes]:
        """Yield everything up to the end."""


class _Seekable:
    def __init__(self, handle: int, where: str) -> None:
        self._handle, self.where, self.at = handle, where, 0
        self._size = os.fstat(handle).st_size

    def take(self, count: int, what: str) -> bytes:
        found = os.pread(self._handle, count, self.at) if self.at + count <= self._size else b""
        if len(found) < count:
            raise _cut(self.where, what, self.at + count, self._size)
        self.at += count
        return found

    def skip_to(self, at: int, what: str) -> None:
        if at > self._size:
            raise _cut(self.where, what, at, self._size)
        self.at = at

    def rest(self) -> Iterator[bytes]:
        while found := os.pread(self._handle, _TAIL, self.at):
            self.at += len(found)
            yield found


class _Forward:
    def __init__(self, file: BinaryIO, where: str) -> None:
        self._file, self.where, self.at = file, where, 0

    def take(self, count: int, what: str) -> bytes:
        found = self._file.read(min(count, _AT_ONCE))
        if len(found) < count:
            # A pipe gives what it has; and a size that is not true must not ask for all memory at once.
            parts, have = [found], len(found)
            while have < count and (more := self._file.read(min(count - have, _AT_ONCE))):
                parts.append(more)
                have += len(more)
            found = b"".join(parts)
        if len(found) < count:
            raise _cut(self.where, what, self.at + count, self.at + len(found))
        self.at += count
        return found

    def skip_to(self, at: int, what: str) -> None:
        while self.at < at:
            self.take(min(_TAIL, at - self.at), what)

    def rest(self) -> Iterator[bytes]:
        while found := self._file.read(_TAIL):
            self.at += len(found)
            yield found


def _walk(source: _Source) -> Iterator[TarMember]:
    everywhere: dict[str, str] = {}
    here: dict[str, str] = {}
    while True:
        at = source.at
        block = source.take(BLOCK, "the end of the archive")
        if not any(block):
            _check_end(source)
            return
        header = parse_tar_header(block, source.where, at)
        if header.kind in (b"x", b"g", b"L", b"K"):
            extension = _extension(source, header)
            (everywhere if header.kind == b"g" else here).update(extension)
            continue
        member = _member(source, header, {**everywhere, **here}, at)
        here = {}
        if member is None:
            continue
        yield member
        source.skip_to(member.end + padding(member.size), member.name)


def _extension(source: _Source, header: TarHeader) -> dict[str, str]:
    """Return what a pax header or a GNU long name says of the members behind it."""
    at = source.at
    what = "an extended header"
    if header.size > _TAIL:
        message = f"expected an extended header of up to {_TAIL} bytes, got one of {header.size}"
        raise CorruptDataError(Problem("tar-damaged", f"{source.where}: byte {at}", message, REPAIR))
    data = source.take(header.size + padding(header.size), what)[: header.size]
    if header.kind in (b"x", b"g"):
        return parse_pax(data, source.where, at)
    return {"path": data.rstrip(b"\0").decode(errors="surrogateescape")} if header.kind == b"L" else {}


def _member(source: _Source, header: TarHeader, said: dict[str, str], at: int) -> TarMember | None:
    """Return the file that a header begins; None for a folder."""
    name = said.get("path", header.name.decode(errors="surrogateescape"))
    stated = said.get("size", str(header.size))
    if _SURROGATE.search(name) or not (stated.isascii() and stated.isdigit() and len(stated) < 20):
        message = f"expected a name in UTF-8 and a size, got {name!r} and {stated!r}"
        raise CorruptDataError(Problem("tar-damaged", f"{source.where}: byte {at}", message, REPAIR))
    sparse = any(key.startswith("GNU.sparse") for key in said)
    if header.kind not in (*_FILES, _FOLDER) or sparse:
        kind = "a sparse file" if sparse else _KINDS.get(header.kind, f"a member of type {header.kind!r}")
        message = f"expected files and folders, got {kind}"
        raise SchemaError(Problem("tar-special", f"{source.where}: {name}", message, "store its content itself"))
    if header.kind == _FOLDER or (header.kind == b"\0" and name.endswith("/")):
        return None
    return TarMember(name, source.at, int(stated))


def _check_end(source: _Source) -> None:
    """Refuse an end that is cut, or that something follows: a hole of zeros must not end an archive early."""
    at = source.at
    if any(source.take(BLOCK, "the second block of the end of the archive")):
        message = "expected two blocks of zeros as the end of the archive, got one, and more data"
        raise CorruptDataError(Problem("tar-damaged", f"{source.where}: byte {at}", message, REPAIR))
    at = source.at
    for part in source.rest():
        if any(part):
            first = at + len(part) - len(part.lstrip(b"\0"))
            message = "expected nothing but zeros after the end of the archive, got other bytes"
            fix = "if archives were put one after the other, take them apart, or " + REPAIR
            raise CorruptDataError(Problem("tar-damaged", f"{source.where}: byte {first}", message, fix))
        at = source.at
    if source.at % BLOCK:
        raise _cut(source.where, "the end of the archive", source.at + padding(source.at), source.at)


def _cut(where: str, what: str, expected: int, found: int) -> CorruptDataError:
    message = f"expected bytes up to {expected}, got an end at {found}"
    return CorruptDataError(Problem("tar-cut", f"{where}: {what}", message, REPAIR))
