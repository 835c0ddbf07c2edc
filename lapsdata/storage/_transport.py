"""How bytes come from elsewhere: by http with every answer looked at, else by whatever file system fsspec has."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from lapsdata.errors import CorruptDataError, LapsError, MissingExtraError, Problem, StorageError
from lapsdata.storage.seal import REPAIR

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["PassingError", "RemoteFile", "RemoteKey", "Transport", "transport_of"]

_TAGS = ("ETag", "etag", "Last-Modified", "LastModified", "last_modified", "generation", "mtime", "created")
"""What servers and file systems say about one content of a file, the surest first."""

_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")

_BUSY = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Answers of a server that another attempt may better (RFC 9110, 15.5 and 15.6; RFC 6585, 4)."""

_FORBIDDEN, _GONE, _PARTIAL, _WHOLE, _NO_RANGE = (401, 403), (404, 410), 206, 200, 416


@dataclass(frozen=True, slots=True)
class RemoteKey:
    """What tells a remote file from another one of its name.

    Parameters
    ----------
    size : int
        Bytes.
    tag : str or None
        What else is told of its content: ETag, time of its last change; None where nothing is.
    """

    size: int
    tag: str | None = None


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file behind a URL, as it was when it was looked at.

    Parameters
    ----------
    url : str
    key : RemoteKey
    """

    url: str
    key: RemoteKey


class PassingError(Exception):
    """A failure that another attempt may better.

    Parameters
    ----------
    problem : Problem
        What is told when no attempt is left.
    wait_s : float or None, seconds
        How long the server wants to be left alone.
    """

    def __init__(self, problem: Problem, wait_s: float | None = None) -> None:
        super().__init__(str(problem))
        self.problem, self.wait_s = problem, wait_s


class Transport(Protocol):
    """One attempt each, from any thread: what passes is a `PassingError`, all else a `LapsError`."""

    def key(self, url: str) -> RemoteKey:
        """Look at a file."""

    def whole(self, url: str) -> bytes:
        """Read a file from its beginning to its end."""

    def part(self, file: RemoteFile, start: int, stop: int) -> bytes:
        """Read bytes `start` to `stop`, all of them, of that file and no other of its name."""


def transport_of(url: str, timeout_s: float) -> Transport:
    """Return the transport of a URL; connections are its own, and are closed when nobody refers to it any more.

    Raises
    ------
    MissingExtraError
        The library for this kind of URL is not installed.
    StorageError
        No such kind.
    """
    try:
        from fsspec.core import url_to_fs

        system, _ = url_to_fs(url, skip_instance_cache=True)
    except ImportError as error:
        fix = "pip install 'lapsdata[cloud]'"
        raise MissingExtraError(Problem("missing-extra", url, f"cannot open: {error}", fix)) from error
    except ValueError as error:
        raise StorageError(Problem("unknown-protocol", url, f"cannot open: {error}", "check the URL")) from error
    return _Http(system, timeout_s) if url.startswith(("http://", "https://")) else _Files(system)


class _Http:
    """Requests through the session that fsspec keeps, whose options are the user's own."""

    def __init__(self, system: Any, timeout_s: float) -> None:  # noqa: ANN401 - fsspec publishes no types
        self._system, self._timeout_s = system, timeout_s

    def key(self, url: str) -> RemoteKey:
        status, headers, _ = self._ask("HEAD", url, {}, most=0)
        _require_found(url, status, headers)
        length = headers.get("Content-Length")
        if length is None:
            message = "expected a server that tells the size of its files, got no Content-Length"
            raise StorageError(Problem("no-size", url, message, "serve them as plain files"))
        return RemoteKey(int(length), _tag(headers))

    def whole(self, url: str) -> bytes:
        status, headers, data = self._ask("GET", url, {}, most=None)
        _require_found(url, status, headers)
        return data

    def part(self, file: RemoteFile, start: int, stop: int) -> bytes:
        wanted = {"Range": f"bytes={start}-{stop - 1}"}
        # A server that hands over the whole file is not listened to until its end.
        status, headers, data = self._ask("GET", file.url, wanted, most=stop - start)
        if status == _NO_RANGE:
            raise _replaced(file, f"no bytes {start} to {stop}")
        _require_found(file.url, status, headers)
        self._require_same(file, status, headers)
        told = _RANGE.fullmatch(headers.get("Content-Range", ""))
        if told is None or (int(told[1]), int(told[2]) + 1) != (start, stop) or len(data) != stop - start:
            got = f"{headers.get('Content-Range', 'no Content-Range')} with {len(data)} bytes"
            raise _short(file, start, stop, got)
        return data

    def _require_same(self, file: RemoteFile, status: int, headers: Mapping[str, str]) -> None:
        tag, told = _tag(headers), _RANGE.fullmatch(headers.get("Content-Range", ""))
        size = headers.get("Content-Length", "*") if status == _WHOLE else told[3] if told else "*"
        if (size.isdigit() and int(size) != file.key.size) or (file.key.tag and tag and tag != file.key.tag):
            raise _replaced(file, f"{size} bytes, {tag}")
        if status == _WHOLE:
            message = "expected a part of the file (status 206), got all of it: the server knows no ranges"
            fix = "use a server that does (Accept-Ranges: bytes), or copy the files here"
            raise StorageError(Problem("no-ranges", file.url, message, fix))

    def _ask(
        self, method: str, url: str, headers: dict[str, str], most: int | None
    ) -> tuple[int, Mapping[str, str], bytes]:
        import aiohttp
        from fsspec.asyn import sync

        try:
            answer: tuple[int, Mapping[str, str], bytes] = sync(
                self._system.loop, self._exchange, method, url, headers, most
            )
        except aiohttp.ClientPayloadError as error:
            raise PassingError(Problem("cut-answer", url, f"cannot read: the answer breaks off ({error})")) from error
        except aiohttp.InvalidURL as error:
            raise StorageError(Problem("wrong-url", url, f"cannot open: {error}", "check the URL")) from error
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            reason = str(error) or type(error).__name__
            fix = "check the URL, and that its server runs"
            raise PassingError(Problem("unreachable", url, f"cannot open: no answer: {reason}", fix)) from error
        return answer

    async def _exchange(
        self, method: str, url: str, headers: dict[str, str], most: int | None
    ) -> tuple[int, Mapping[str, str], bytes]:
        import aiohttp

        session = await self._system.set_session()
        options = dict(self._system.kwargs)
        # Compressed on the way, a range would be one of other bytes.
        own = {**options.pop("headers", {}), "Accept-Encoding": "identity", **headers}
        limits = aiohttp.ClientTimeout(total=None, sock_connect=self._timeout_s, sock_read=self._timeout_s)
        target = self._system.encode_url(url)
        options = {"allow_redirects": True, **options}
        async with session.request(method, target, headers=own, timeout=limits, **options) as answer:
            good = answer.status in (_WHOLE, _PARTIAL)
            ranged = most is not None and answer.status == _WHOLE
            data = b"" if method == "HEAD" or not good or ranged else await answer.read()
            if ranged:
                answer.close()
            return answer.status, dict(answer.headers), data


class _Files:
    """Any other file system of fsspec; a file is looked at before it is first read."""

    def __init__(self, system: Any) -> None:  # noqa: ANN401 - fsspec publishes no types
        self._system = system
        self._same: set[RemoteFile] = set()

    def key(self, url: str) -> RemoteKey:
        told = self._try(url, lambda path: self._system.info(path))
        if told.get("type") == "directory" or told.get("size") is None:
            raise StorageError(Problem("wrong-kind", url, "expected a file, got a folder", "name a file"))
        return RemoteKey(int(told["size"]), _tag(told))

    def whole(self, url: str) -> bytes:
        return bytes(self._try(url, lambda path: self._system.cat_file(path)))

    def part(self, file: RemoteFile, start: int, stop: int) -> bytes:
        if file not in self._same:
            self._system.invalidate_cache()
            found = self.key(file.url)
            if found != file.key:
                raise _replaced(file, f"{found.size} bytes, {found.tag}")
            self._same.add(file)
        data = bytes(self._try(file.url, lambda path: self._system.cat_file(path, start=start, end=stop)))
        if len(data) != stop - start:
            raise _short(file, start, stop, f"{len(data)} bytes")
        return data

    def _try(self, url: str, read: Callable[[str], Any]) -> Any:  # noqa: ANN401 - what the file system returns
        try:
            return read(self._system._strip_protocol(url))
        except LapsError:
            raise
        except FileNotFoundError as error:
            raise _not_found(url) from error
        except PermissionError as error:
            raise _forbidden(url, "no permission") from error
        except (OSError, TimeoutError) as error:
            reason = str(error) or type(error).__name__
            raise PassingError(Problem("unreadable-url", url, f"cannot read: {reason}", "check the URL")) from error
        # File systems of many makers raise what their libraries do: all of it says that this URL cannot be read.
        except Exception as error:
            message = f"cannot read: {type(error).__name__}: {error}"
            raise StorageError(Problem("unreadable-url", url, message, "check the URL")) from error


def _tag(told: Mapping[str, Any]) -> str | None:
    lower = {str(name).lower(): value for name, value in told.items()}
    for name in _TAGS:
        if lower.get(name.lower()) is not None:
            return f"{name.lower()} {lower[name.lower()]}"
    return None


def _require_found(url: str, status: int, headers: Mapping[str, str]) -> None:
    """Refuse an answer that is neither a file nor a part of one."""
    if status in (_WHOLE, _PARTIAL):
        return
    if status in _GONE:
        raise _not_found(url)
    if status in _FORBIDDEN:
        raise _forbidden(url, f"the server answers {status}")
    problem = Problem("unreadable-url", url, f"cannot open: the server answers {status}", "check the URL")
    if status not in _BUSY:
        raise StorageError(problem)
    wait = headers.get("Retry-After", "")
    raise PassingError(problem, float(wait) if wait.isdigit() else None)


def _not_found(url: str) -> StorageError:
    return StorageError(Problem("not-found", url, "cannot open: no such file", "check the URL"))


def _forbidden(url: str, reason: str) -> StorageError:
    return StorageError(Problem("no-permission", url, f"cannot open: {reason}", "ask for the right to read it"))


def _replaced(file: RemoteFile, found: str) -> StorageError:
    message = f"expected the file that was indexed ({file.key.size} bytes, {file.key.tag}), got another one ({found})"
    return StorageError(Problem("replaced", file.url, message, "open the data set again"))


def _short(file: RemoteFile, start: int, stop: int, got: str) -> CorruptDataError:
    message = f"expected bytes {start} to {stop}, got {got}"
    return CorruptDataError(Problem("truncated-data", file.url, message, REPAIR))
