"""Bytes of files behind URLs: many ranges at once, neighbours in one request, and again where an answer fails.

What is read here is compared with checksums by whoever asked for it. Connections and threads belong to the process
that first uses them: after a fork, or in another process, they are made anew.
"""

from __future__ import annotations

import functools
import itertools
import operator
import os
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from lapsdata.errors import Problem, SchemaError, StorageError, warn
from lapsdata.storage._transport import PassingError, RemoteFile, RemoteKey, Transport, transport_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["RemoteFile", "RemoteKey", "RemoteReader", "Retries", "Transfers", "Wanted", "is_url", "joined", "merged"]

T = TypeVar("T")

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://|[a-z0-9]+::")

_ENDS_WITH_PARTS = re.compile(r"[?#]|::")

_GAP, _MOST, _THREADS = 1 << 16, 1 << 23, 16


def is_url(source: object) -> bool:
    """Tell whether a source is a URL for fsspec.

    Examples
    --------
    >>> is_url("s3://bucket/clips.shards"), is_url("clips.shards")
    (True, False)
    """
    return isinstance(source, str) and _URL.match(source) is not None


def joined(folder: str, name: str) -> str:
    """Return the URL of a file in a folder.

    Raises
    ------
    SchemaError
        Of this URL nobody can tell where its path ends.

    Examples
    --------
    >>> joined("https://host/clips.shards/", "shards.json")
    'https://host/clips.shards/shards.json'
    """
    if _ENDS_WITH_PARTS.search(folder):
        message = "expected the URL of a folder, got one with a query or a chain, to which no name can be added"
        raise SchemaError(Problem("wrong-url", folder, message, "serve the folder under a plain URL"))
    return f"{folder.rstrip('/')}/{name}"


@dataclass(frozen=True, slots=True)
class Retries:
    """When a request is made again: after answers of a busy server (408, 429, 500 ...) and after broken connections.

    Parameters
    ----------
    tries : int
        Attempts in all.
    wait_s : float, seconds
        Before the second; doubled before each further one, unless the server names a time.
    most_s : float, seconds
        The longest that is waited.
    timeout_s : float, seconds
        How long a connection may say nothing.

    Examples
    --------
    >>> [Retries().pause_s(number, None) for number in (1, 2, 9)], Retries().pause_s(1, 3)
    ([0.2, 0.4, 10.0], 3)
    """

    tries: int = 5
    wait_s: float = 0.2
    most_s: float = 10.0
    timeout_s: float = 60.0

    def pause_s(self, failed: int, told_s: float | None) -> float:
        """Return how long to wait after so many failures."""
        return min(self.most_s, told_s if told_s is not None else self.wait_s * 2 ** (failed - 1))


@dataclass(slots=True)
class Transfers:
    """What was asked of servers in this process.

    Parameters
    ----------
    requests : int
        Attempts, failed ones as well.
    retries : int
        Attempts that were made because one had failed.
    bytes : int
        Of answers.
    """

    requests: int = 0
    retries: int = 0
    bytes: int = 0

    def __add__(self, other: Transfers) -> Transfers:
        return Transfers(self.requests + other.requests, self.retries + other.retries, self.bytes + other.bytes)


Wanted = tuple[RemoteFile, int, int]
"""A file, the first byte, and how many."""


@dataclass(frozen=True, slots=True)
class _Request:
    file: RemoteFile
    start: int
    stop: int
    members: tuple[int, ...]
    """Which of the ranges it holds."""


def merged(wanted: Sequence[Wanted], *, gap: int = _GAP, most: int = _MOST) -> list[_Request]:
    """Put ranges that lie near each other in one file into one request.

    Parameters
    ----------
    wanted : sequence of (RemoteFile, int, int)
        Files, offsets and lengths, in any order; they may overlap.
    gap : int, bytes
        What may lie between two of them and is read in vain.
    most : int, bytes
        No request is made longer than this; a range that alone is longer is one of its own.

    Examples
    --------
    >>> file = RemoteFile("memory://x", RemoteKey(1000))
    >>> found = merged([(file, 500, 10), (file, 0, 10), (file, 12, 8)], gap=4)
    >>> [(request.start, request.stop, request.members) for request in found]
    [(0, 20, (1, 2)), (500, 510, (0,))]
    """
    order = sorted(range(len(wanted)), key=lambda n: (wanted[n][0].url, wanted[n][1], wanted[n][2]))
    found: list[_Request] = []
    for number in order:
        file, start, length = wanted[number]
        last = found[-1] if found else None
        stop = start + length
        if last is not None and last.file == file and start - last.stop <= gap and stop - last.start <= most:
            found[-1] = _Request(file, last.start, max(last.stop, stop), (*last.members, number))
        else:
            found.append(_Request(file, start, stop, (number,)))
    return found


@dataclass
class _Here:
    """What belongs to one process."""

    transfers: Transfers = field(default_factory=Transfers)
    transports: dict[str, Transport] = field(default_factory=dict)
    lock: Any = field(default_factory=threading.Lock)
    pool: ThreadPoolExecutor | None = None
    told: bool = False
    failure: str | None = None


class RemoteReader:
    """Reads files behind URLs, from any thread, and in any process that it is sent to.

    Parameters
    ----------
    gap, most : int, bytes
        See `merged`.
    threads : int
        Requests at once.
    retries : Retries

    Examples
    --------
    >>> import fsspec
    >>> fsspec.filesystem("memory").pipe_file("/numbers.bin", bytes(range(100)))
    >>> reader = RemoteReader()
    >>> (file,) = reader.look(["memory://numbers.bin"])
    >>> [list(part) for part in reader.read([(file, 50, 2), (file, 3, 1)])]
    [[50, 51], [3]]
    >>> reader.transfers
    Transfers(requests=2, retries=0, bytes=49)
    >>> reader.close()
    """

    def __init__(
        self, *, gap: int = _GAP, most: int = _MOST, threads: int = _THREADS, retries: Retries | None = None
    ) -> None:
        self.gap, self.most, self.threads, self.retries = gap, most, threads, retries or Retries()
        self._processes: dict[int, _Here] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {name: self.__dict__[name] for name in ("gap", "most", "threads", "retries")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _processes={})

    @property
    def _here(self) -> _Here:
        # Without a lock, which a parent's thread may have held when this process was forked.
        number = os.getpid()
        return self._processes.get(number) or self._processes.setdefault(number, _Here())

    @property
    def transfers(self) -> Transfers:
        """What was asked of servers in this process so far."""
        return self._here.transfers

    def look(self, urls: Sequence[str]) -> list[RemoteFile]:
        """Look at files, many at once.

        Raises
        ------
        StorageError
            Everything that is not there or cannot be read, up to twenty in words.
        MissingExtraError
            The library for this kind of URL is not installed.
        """
        keys = self._each([functools.partial(self._try, url, operator.methodcaller("key", url)) for url in urls])
        return [RemoteFile(url, key) for url, key in zip(urls, keys, strict=True)]

    def whole(self, url: str) -> bytes:
        """Read a file from its beginning to its end.

        Raises
        ------
        StorageError, MissingExtraError
            See `look`.
        """
        (data,) = self._each([functools.partial(self._bytes, url, operator.methodcaller("whole", url))])
        return data

    def read(self, wanted: Sequence[Wanted]) -> list[memoryview]:
        """Read ranges of bytes.

        Parameters
        ----------
        wanted : sequence of (RemoteFile, int, int)
            Files, offsets and lengths, in any order.

        Returns
        -------
        list of memoryview

        Raises
        ------
        StorageError
            A file is gone, was replaced, or cannot be read, after all attempts; its server knows no ranges.
        CorruptDataError
            Other bytes than were asked for, by their number.
        """
        requests = merged(wanted, gap=self.gap, most=self.most)
        cuts = [range(request.start, request.stop, self.most) for request in requests]
        pieces = self._each(
            [
                functools.partial(self._bytes, request.file.url, operator.methodcaller("part", request.file, *ends))
                for request, cut in zip(requests, cuts, strict=True)
                for ends in itertools.pairwise([*cut, request.stop])
            ]
        )
        found = [memoryview(b"")] * len(wanted)
        for request, cut in zip(requests, cuts, strict=True):
            own, pieces = pieces[: len(cut)], pieces[len(cut) :]
            data = memoryview(own[0] if len(own) == 1 else b"".join(own))
            for number in request.members:
                _, offset, length = wanted[number]
                found[number] = data[offset - request.start : offset - request.start + length]
        return found

    def close(self) -> None:
        """Close connections and threads; what is read later opens what it needs."""
        here = self._here
        with here.lock:
            pool, here.pool = here.pool, None
            here.transports.clear()
        if pool is not None:
            pool.shutdown()

    def _bytes(self, url: str, attempt: Callable[[Transport], bytes]) -> bytes:
        data, here = self._try(url, attempt), self._here
        with here.lock:
            here.transfers.bytes += len(data)
        return data

    def _each(self, tasks: Sequence[Callable[[], T]]) -> list[T]:
        """Do all, some at once, and wait for all; then tell what failed, and that something was tried again."""
        here = self._here
        if len(tasks) == 1:
            results: list[Any] = [_attempted(tasks[0])]
        else:
            with here.lock:
                here.pool = here.pool or ThreadPoolExecutor(self.threads, "lapsdata-remote")
                futures = [here.pool.submit(_attempted, task) for task in tasks]
            results = [future.result() for future in futures]
        failures = [result for result in results if isinstance(result, BaseException)]
        if failures:
            first = failures[0]
            alike = [one for one in failures if type(one) is type(first) and isinstance(one, StorageError)]
            raise type(first)(*(problem for one in alike for problem in one.problems)) if len(alike) > 1 else first
        if here.failure is not None and not here.told:
            here.told = True
            warn(f"{here.failure}; it was asked again, and so will be others: `transfers` counts them")
        return results

    def _try(self, url: str, attempt: Callable[[Transport], T]) -> T:
        """Make an attempt, and further ones as `retries` says."""
        here, via, failed = self._here, self._transport(url), 0
        while True:
            with here.lock:
                here.transfers.requests += 1
                here.transfers.retries += failed > 0
            try:
                return attempt(via)
            except PassingError as error:
                failed += 1
                problem, pause_s = error.problem, self.retries.pause_s(failed, error.wait_s)
                if failed >= self.retries.tries:
                    message = f"{problem.message} ({failed} attempts)"
                    raise StorageError(Problem(problem.code, url, message, problem.fix or "try again later")) from error
                here.failure = here.failure or str(problem)
            time.sleep(pause_s)

    def _transport(self, url: str) -> Transport:
        kind, here = url.partition("://")[0] if "::" not in url else url, self._here
        with here.lock:
            if kind not in here.transports:
                here.transports[kind] = transport_of(url, self.retries.timeout_s)
            return here.transports[kind]


def _attempted(task: Callable[[], T]) -> T | Exception:
    """Return what a task returns, or what it raises: the others go on."""
    try:
        return task()
    except Exception as error:  # noqa: BLE001 - raised where all are waited for
        return error
