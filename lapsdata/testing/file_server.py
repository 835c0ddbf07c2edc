"""A web server of a folder on this machine, which counts what it is asked and can be made to fail."""

from __future__ import annotations

import contextlib
import http.server
import re
import socket
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["Answer", "FileServer", "serve_folder"]

_RANGE = re.compile(r"bytes=(\d+)-(\d*)")


@dataclass
class Answer:
    """What the server is about to say.

    Parameters
    ----------
    number : int
        How many requests came before, of any kind.
    method, path : str
        What was asked.
    status : int
    headers : dict of str
    body : bytes
    sent : int or None, bytes
        After so many the connection is closed; None for all.
    """

    number: int
    method: str
    path: str
    status: int
    headers: dict[str, str]
    body: bytes
    sent: int | None = None


@dataclass
class FileServer:
    """A running server.

    Parameters
    ----------
    url : str
        Of the folder, without a slash at its end.
    change : callable or None
        Changes each answer on its way; called with an `Answer`.
    requests : list of (str, str, str)
        Method, path and range of everything that was asked so far.
    """

    url: str
    change: Callable[[Answer], None] | None = None
    requests: list[tuple[str, str, str]] = field(default_factory=list)

    def asked(self, method: str) -> int:
        """Return how many requests of a kind there were."""
        return sum(kind == method for kind, _, _ in self.requests)


class _Server(http.server.ThreadingHTTPServer):
    """Waits for its threads at the end, which it tells to come to one."""

    daemon_threads = False

    def __init__(self, address: tuple[str, int], handler: type[http.server.BaseHTTPRequestHandler]) -> None:
        super().__init__(address, handler)
        self._open: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as the library spells it
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:  # noqa: ANN401 - as the library spells it
        self._open.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """End connections that clients keep for later."""
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


@contextmanager
def serve_folder(folder: Path, *, delay_s: float = 0.0) -> Iterator[FileServer]:
    """Serve the files of a folder by http, with ranges and ETags.

    Parameters
    ----------
    folder : Path
    delay_s : float, seconds
        Before each answer.

    Examples
    --------
    >>> import pathlib, tempfile, urllib.request
    >>> place = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (place / "a.txt").write_bytes(b"12345")
    >>> with serve_folder(place) as server:
    ...     wanted = urllib.request.Request(server.url + "/a.txt", headers={"Range": "bytes=1-2"})
    ...     with urllib.request.urlopen(wanted) as answer:
    ...         print(answer.status, answer.read())
    206 b'23'
    """
    told = FileServer("")

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer()

        def do_HEAD(self) -> None:
            self._answer()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def _answer(self) -> None:
            time.sleep(delay_s)
            asked = self.headers.get("Range", "")
            answer = _made(folder, len(told.requests), self.command, self.path, asked)
            told.requests.append((self.command, self.path, asked))
            if told.change is not None:
                told.change(answer)
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.body[: answer.sent])
                self.close_connection = answer.sent is not None

    with _Server(("127.0.0.1", 0), Handler) as serving:
        told.url = f"http://127.0.0.1:{serving.server_address[1]}"
        thread = threading.Thread(target=serving.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield told
        finally:
            serving.shutdown()
            thread.join()
            serving.hang_up()


def _made(folder: Path, number: int, method: str, path: str, asked: str) -> Answer:
    """Return the answer of a server that works."""
    place = folder / path.partition("?")[0].lstrip("/")
    if not place.is_file():
        return Answer(number, method, path, 404, {"Content-Length": "0"}, b"")
    told = place.stat()
    headers = {"ETag": f'"{told.st_mtime_ns:x}-{told.st_size:x}"', "Accept-Ranges": "bytes"}
    found, status, size = _RANGE.fullmatch(asked), 200, told.st_size
    first, last = 0, size - 1
    if found is not None:
        first, last = int(found[1]), min(int(found[2] or size - 1), size - 1)
        if first >= size:
            return Answer(number, method, path, 416, {"Content-Length": "0", "Content-Range": f"bytes */{size}"}, b"")
        status = 206
        headers["Content-Range"] = f"bytes {first}-{last}/{size}"
    headers["Content-Length"] = str(last + 1 - first)
    if method == "HEAD":
        return Answer(number, method, path, status, headers, b"")
    with place.open("rb") as file:
        file.seek(first)
        return Answer(number, method, path, status, headers, file.read(last + 1 - first))
