"""Where the bytes of a video come from: a local file, or whatever fsspec opens; every refusal names it."""

from __future__ import annotations

import errno
import os
import re
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, BinaryIO, TypeAlias, cast
from weakref import WeakKeyDictionary

from lapsdata.errors import LapsError, MissingExtraError, Problem, SchemaError, StorageError
from lapsdata.storage.archive_path import ArchivePath
from lapsdata.storage.atomic import existing, storage_errors

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["VideoPath", "by_name", "is_url", "name_of", "open_bytes", "settled", "url_errors", "words"]

VideoPath: TypeAlias = str | os.PathLike[str]
"""A path, or a URL for fsspec."""

# An archive is closed with its file system, which nothing else holds while a file in it is read.
_SYSTEMS: WeakKeyDictionary[BinaryIO, object] = WeakKeyDictionary()
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://|[a-z0-9]+::")


def is_url(source: VideoPath) -> bool:
    """Tell whether a source is for fsspec: `s3://bucket/clip.mp4`, `memory://clip.mp4`."""
    return isinstance(source, str) and _URL.match(source) is not None


def settled(source: VideoPath) -> Path | str:
    """Return a source as a Path, or as the URL that it is.

    Raises
    ------
    SchemaError
        An empty text, which Python takes for the current folder; or what is no path at all.
    """
    given: object = source
    if not isinstance(given, (str, os.PathLike)):
        message = f"expected a path or URL, got {type(given).__name__} {given!r}"
        raise SchemaError(Problem("no-path", "source", message))
    if source == "":
        message = "expected a path or URL, got an empty text"
        raise SchemaError(Problem("no-path", "source", message, "is a variable unset?"))
    return source if isinstance(source, Path) or (isinstance(source, str) and is_url(source)) else Path(source)


def by_name(source: Path | str) -> bool:
    """Tell whether libraries can open a source by its name: no URL, and nothing within an archive."""
    return not isinstance(source, str) and not (isinstance(source, ArchivePath) and source.in_archive)


def name_of(source: VideoPath) -> str:
    """Name of a source: its last part without suffix; of a URL without its query, and of a chain its first file."""
    if not is_url(source):
        return Path(source).stem
    # "simplecache::zip://clip.mp4::s3://bucket/all.zip" is clip.mp4.
    link = next((part for part in str(source).split("::") if "://" in part), str(source))
    return PurePosixPath(link.partition("?")[0]).stem


def open_bytes(source: Path | str) -> BinaryIO:
    """Open a file or URL for reading.

    Raises
    ------
    StorageError
        It is not there or may not be read.
    MissingExtraError
        The library for this kind of URL is not installed.
    """
    if isinstance(source, str):
        with url_errors(source):
            import fsspec

            opened = fsspec.open(source, "rb")
            file = cast("BinaryIO", opened.open())
            _SYSTEMS[file] = opened.fs
            return file
    path = existing(source)
    with storage_errors(path, "open"):
        return path.open("rb")


@contextmanager
def url_errors(source: Path | str) -> Iterator[None]:
    """Turn what fsspec and the many libraries below it raise into errors that name the URL.

    Errors of paths, and FFmpeg's own, pass through.
    """
    try:
        yield
    except LapsError:
        raise
    except Exception as error:
        import av

        if not isinstance(source, str) or isinstance(error, av.error.FFmpegError):
            raise
        if isinstance(error, ImportError):
            missing = Problem("missing-extra", source, f"cannot open: {error}", "install what it names")
            raise MissingExtraError(missing) from error
        raise StorageError(_refusal(source, error)) from error


def _refusal(source: str, error: Exception) -> Problem:
    told = _answer(source, error.__cause__) if isinstance(error, FileNotFoundError) else None
    if told is not None:
        return told
    if isinstance(error, FileNotFoundError):
        return Problem("not-found", source, "cannot open: no such file", "check the URL")
    if isinstance(error, PermissionError):
        return _forbidden(source, "no permission")
    return Problem("unreadable-url", source, f"cannot read: {words(error)}", "check the URL")


def _answer(source: str, cause: BaseException | None) -> Problem | None:
    """Tell how a request failed, which fsspec takes for a file that is not there whatever the reason; else None."""
    status = getattr(cause, "status", None)
    if isinstance(status, int):
        if status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
            return None
        answer = f"the server answers {status} {getattr(cause, 'message', '')}".rstrip()
        if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            return _forbidden(source, answer)
        return Problem("unreadable-url", source, f"cannot open: {answer}", "check the URL, or try again later")
    if isinstance(cause, OSError) and not isinstance(cause, FileNotFoundError):
        refused = cause.errno == errno.ECONNREFUSED
        reason = "connection refused" if refused else words(cause)
        fix = "check the URL, and that its server runs"
        return Problem("unreachable", source, f"cannot open: no answer of the server: {reason}", fix)
    return None


def _forbidden(source: str, reason: str) -> Problem:
    return Problem("no-permission", source, f"cannot open: {reason}", "ask for the right to read it")


def words(error: BaseException) -> str:
    """Return what an exception says, in words; its kind where it says nothing."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
