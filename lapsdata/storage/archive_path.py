"""Paths that lead into tar archives: `set/shard-000000.tar/000000000.rows.parquet` is a file in that archive."""

from __future__ import annotations

import io
import os
import threading
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, cast

from lapsdata.storage.index import FileKey, key_of_status
from lapsdata.storage.tarfiles import sound_members

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lapsdata.errors import Problem
    from lapsdata.storage.tarfiles import TarMember

__all__ = ["ArchivePath", "FilePart"]

_ENDING = ".tar"
_KNOWN_ARCHIVES = 64


class FilePart(io.RawIOBase):
    """Some bytes of a file as a file of their own, read-only; its descriptor is its own, so that threads may share it.

    Parameters
    ----------
    path : Path
    offset, size : int, bytes

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "digits"
    >>> _ = path.write_bytes(b"0123456789")
    >>> with FilePart(path, 2, 5) as part:
    ...     part.seek(-2, os.SEEK_END), part.read()
    (3, b'56')
    """

    def __init__(self, path: Path, offset: int, size: int) -> None:
        super().__init__()
        self._offset, self._size, self._at = offset, size, 0
        self._handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the place of the next byte, from the start of the part."""
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Go to a place, counted from the start, from here or from the end of the part."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise OSError(22, os.strerror(22))
        self._at = base + offset
        return self._at

    def readinto(self, buffer: Any, /) -> int:  # noqa: ANN401 - whatever can be written to
        """Fill a buffer with the next bytes, and return how many there were."""
        if self.closed:  # its number may be that of another file by now
            raise ValueError("read of closed file")
        view = memoryview(buffer).cast("B")
        wanted = max(0, min(len(view), self._size - self._at))
        got = os.preadv(self._handle, [view[:wanted]], self._offset + self._at) if wanted else 0
        self._at += got
        return got

    def close(self) -> None:
        """Close the descriptor."""
        if not self.closed:
            os.close(self._handle)
        super().close()


class ArchivePath(type(Path())):  # type: ignore[misc]  # the flavour of this system
    """A path whose parts may be a tar archive and what lies in it, as if the archive were a folder too.

    Everything that is no such path is what `Path` makes of it. What leads into an archive can be opened for reading,
    listed and looked at; libraries that open files by their names cannot follow it.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lapsdata.storage.tarfiles import TarWriter
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> with (folder / "a.tar").open("wb") as file:
    ...     writer = TarWriter(file.write)
    ...     _ = writer.add("0.txt", b"hello"), writer.finish()
    >>> path = ArchivePath(folder) / "a.tar" / "0.txt"
    >>> path.is_file(), path.stat().st_size, path.read_bytes(), path.in_archive
    (True, 5, b'hello', True)
    """

    @property
    def in_archive(self) -> bool:
        """Whether it leads into an archive."""
        return self._archive() is not None

    def open(self, mode: str = "r", *args: Any, **named: Any) -> Any:  # noqa: ANN401 - as `Path.open`
        """Open the file; one in an archive for reading bytes."""
        archive = self._archive()
        if archive is None:
            return super().open(mode, *args, **named)
        if mode != "rb":
            raise PermissionError(13, "expected to read bytes of a file in an archive", str(self))
        member = self._member(archive)
        return cast("BinaryIO", io.BufferedReader(FilePart(archive, member.offset, member.size)))

    def read_bytes(self) -> bytes:
        """Return all bytes of the file."""
        with self.open("rb") as file:
            return bytes(file.read())

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        """Return the status: of a file in an archive that of the archive, with its own size and place."""
        archive = self._archive()
        if archive is None:
            return cast("os.stat_result", super().stat(follow_symlinks=follow_symlinks))
        member, whole = self._member(archive), archive.stat()
        told = list(whole[:10])
        told[1], told[6] = member.offset, member.size
        return os.stat_result(told, {"st_mtime_ns": whole.st_mtime_ns})

    def exists(self, **_: Any) -> bool:  # noqa: ANN401 - as `Path.exists`
        """Say whether it is there."""
        archive = self._archive()
        return bool(super().exists()) if archive is None else self.name in _members(archive)

    def is_file(self, **_: Any) -> bool:  # noqa: ANN401 - as `Path.is_file`
        """Say whether it is a file."""
        archive = self._archive()
        return bool(super().is_file()) if archive is None else self.name in _members(archive)

    def is_dir(self, **_: Any) -> bool:  # noqa: ANN401 - as `Path.is_dir`
        """Say whether it is a folder; an archive is a file, though it can be listed."""
        return self._archive() is None and bool(super().is_dir())

    def iterdir(self) -> Iterator[ArchivePath]:
        """Yield what lies in the folder or archive."""
        if self.is_archive:
            return (self / name for name in _members(Path(self)))
        return cast("Iterator[ArchivePath]", super().iterdir())

    @property
    def is_archive(self) -> bool:
        """Whether it is an archive itself."""
        return _is_archive(Path(self))

    @property
    def damage(self) -> tuple[Problem, ...]:
        """Of an archive: what stands in the way of finding all that lies in it; what is whole before that is found."""
        return _listed(Path(self)).damage if self.is_archive else ()

    def _archive(self) -> Path | None:
        """Return the archive that it leads into; names in archives have no folders."""
        return Path(self.parent) if self.parent.suffix == _ENDING and _is_archive(Path(self.parent)) else None

    def _member(self, archive: Path) -> TarMember:
        member = _members(archive).get(self.name)
        if member is None:
            raise FileNotFoundError(2, os.strerror(2), str(self))
        return member


class _Listed(NamedTuple):
    """An archive as it was when it was listed."""

    key: FileKey
    members: dict[str, TarMember]
    damage: tuple[Problem, ...]


def _is_archive(path: Path) -> bool:
    return path.suffix == _ENDING and path.is_file()


_LISTED: OrderedDict[Path, _Listed] = OrderedDict()
_LOCK = threading.Lock()


def _members(archive: Path) -> dict[str, TarMember]:
    return _listed(archive).members


def _listed(archive: Path) -> _Listed:
    """Return what lies in an archive; each archive is listed once, as long as it stays what it is."""
    key = key_of_status(archive.stat())
    with _LOCK:
        known = _LISTED.get(archive)
        if known is not None and known.key == key:
            _LISTED.move_to_end(archive)
            return known
    members, damage = sound_members(archive)
    listed = _Listed(key, {member.name: member for member in members}, damage.problems if damage else ())
    with _LOCK:
        _LISTED[archive] = listed
        while len(_LISTED) > _KNOWN_ARCHIVES:
            _LISTED.popitem(last=False)
    return listed
