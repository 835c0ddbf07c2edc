"""Bytes behind URLs: few requests, whatever fails is tried again and counted, and nothing wrong is handed over."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import sys
import time
import warnings
from typing import TYPE_CHECKING, Any

import fsspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.errors import CorruptDataError, LapsWarning, MissingExtraError, SchemaError, StorageError
from lapsdata.storage._transport import transport_of
from lapsdata.storage.remote import RemoteFile, RemoteKey, RemoteReader, Retries, is_url, joined, merged
from lapsdata.testing.file_server import Answer, FileServer, serve_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DATA = bytes(range(256)) * 40
QUICK = Retries(tries=4, wait_s=0.001, most_s=0.01, timeout_s=2.0)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[FileServer]:
    (tmp_path / "a.bin").write_bytes(DATA)
    (tmp_path / "b.bin").write_bytes(DATA[::-1])
    with serve_folder(tmp_path) as served:
        yield served


@pytest.fixture
def reader() -> Iterator[RemoteReader]:
    made = RemoteReader(gap=16, most=1000, threads=4, retries=QUICK)
    yield made
    made.close()


def pick(reader: RemoteReader, server: FileServer, name: str = "a.bin") -> RemoteFile:
    return reader.look([f"{server.url}/{name}"])[0]


FILES = [RemoteFile(f"memory://{n}", RemoteKey(10_000)) for n in range(3)]


@given(
    st.lists(st.tuples(st.sampled_from(FILES), st.integers(0, 9000), st.integers(0, 400)), max_size=40),
    st.integers(0, 300),
    st.integers(1, 2000),
)
def test_requests_hold_every_range_once_and_keep_their_bounds(wanted: list[Any], gap: int, most: int) -> None:
    requests = merged(wanted, gap=gap, most=most)
    assert sorted(number for request in requests for number in request.members) == list(range(len(wanted)))
    for request in requests:
        parts = [wanted[number] for number in request.members]
        assert all(file == request.file for file, _, _ in parts)
        assert request.start == min(start for _, start, _ in parts)
        assert request.stop == max(start + length for _, start, length in parts)
        assert request.stop - request.start <= max(most, *(length for _, _, length in parts))
        reached = request.start
        for _, start, length in sorted(parts, key=lambda part: part[1]):
            assert start - reached <= gap
            reached = max(reached, start + length)


def test_ranges_come_as_they_were_asked_for(server: FileServer, reader: RemoteReader) -> None:
    a, b = reader.look([f"{server.url}/{name}.bin" for name in "ab"])
    assert (a.key.size, b.key.size) == (len(DATA), len(DATA))
    wanted = [(a, 100, 8), (b, 7, 50), (a, 0, 90), (a, 104, 2), (b, 0, 0), (a, 3000, 2500)]
    found = [bytes(part) for part in reader.read(wanted)]
    assert found == [(DATA if file is a else DATA[::-1])[at : at + count] for file, at, count in wanted]
    asked = sorted(told for method, _, told in server.requests if method == "GET")
    # One for what lies near each other, and the long one in parts of 1000.
    assert asked == ["bytes=0-107", "bytes=0-56", "bytes=3000-3999", "bytes=4000-4999", "bytes=5000-5499"]
    assert (reader.transfers.requests, reader.transfers.retries) == (7, 0)
    assert reader.transfers.bytes == 108 + 57 + 2500
    assert reader.whole(b.url) == DATA[::-1]


def test_nothing_is_asked_for_nothing(reader: RemoteReader) -> None:
    assert reader.read([]) == []
    assert reader.look([]) == []
    assert reader.transfers.requests == 0


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_server_is_asked_again_and_that_is_told(server: FileServer, reader: RemoteReader, status: int) -> None:
    file = pick(reader, server)

    def busy(answer: Answer) -> None:
        if answer.number in (1, 2):
            answer.status, answer.body = status, b""
            answer.headers = {"Content-Length": "0", "Retry-After": "0"}

    server.change = busy
    with pytest.warns(LapsWarning, match=rf"a.bin: cannot open: the server answers {status}.*it was asked again"):
        (found,) = reader.read([(file, 5, 5)])
    assert found == DATA[5:10]
    assert (reader.transfers.requests, reader.transfers.retries) == (4, 2)
    server.change = lambda answer: busy(answer) if answer.number == 1 else None
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # told once, counted always
        reader.read([(file, 5, 5)])


def test_a_server_that_stays_busy_is_given_up(server: FileServer, reader: RemoteReader) -> None:
    file = pick(reader, server)

    def busy(answer: Answer) -> None:
        answer.status, answer.body, answer.headers = 503, b"", {"Content-Length": "0"}

    server.change = busy
    with pytest.raises(StorageError, match=r"answers 503 \(4 attempts\); check the URL \[unreadable-url\]"):
        reader.read([(file, 5, 5), (file, 5000, 5)])
    assert (reader.transfers.requests, reader.transfers.retries) == (9, 6)


@pytest.mark.parametrize(
    ("status", "told"),
    [(404, "no such file"), (410, "no such file"), (403, "answers 403; ask for the right"), (400, "answers 400")],
)
def test_other_refusals_are_believed_at_once(server: FileServer, reader: RemoteReader, status: int, told: str) -> None:
    file = pick(reader, server)

    def refuse(answer: Answer) -> None:
        answer.status, answer.body, answer.headers = status, b"", {"Content-Length": "0"}

    server.change = refuse
    for ask in (lambda: reader.read([(file, 0, 4)]), lambda: reader.whole(file.url), lambda: pick(reader, server)):
        with pytest.raises(StorageError, match=told):
            ask()
    assert reader.transfers.requests == 4


def test_everything_that_is_not_there_is_told_at_once(server: FileServer, reader: RemoteReader) -> None:
    with pytest.raises(StorageError, match=r"(?s)x.bin: cannot open: no such file.*y.bin: cannot open: no such file"):
        reader.look([f"{server.url}/{name}.bin" for name in "axby"])


def test_an_answer_that_breaks_off_is_asked_for_again(server: FileServer, reader: RemoteReader) -> None:
    file = pick(reader, server)
    server.change = lambda answer: setattr(answer, "sent", 3 if answer.number < 3 else None)
    with pytest.warns(LapsWarning, match="the answer breaks off"):
        (found,) = reader.read([(file, 0, 500)])
    assert found == DATA[:500]
    server.change = lambda answer: setattr(answer, "sent", 3)
    with pytest.raises(StorageError, match=r"the answer breaks off .* \(4 attempts\); try again later \[cut-answer\]"):
        reader.read([(file, 0, 500)])


def shorter(answer: Answer) -> None:
    answer.body = answer.body[:-3]
    answer.headers["Content-Length"] = str(len(answer.body))


def elsewhere(answer: Answer) -> None:
    answer.headers["Content-Range"] = answer.headers["Content-Range"].replace("bytes 8-", "bytes 9-")


def unsaid(answer: Answer) -> None:
    del answer.headers["Content-Range"]


@pytest.mark.parametrize("change", [shorter, elsewhere, unsaid])
def test_other_bytes_than_were_asked_for_are_refused(server: FileServer, reader: RemoteReader, change: Any) -> None:
    file = pick(reader, server)
    server.change = change
    with pytest.raises(CorruptDataError, match=r"a.bin: expected bytes 8 to 28, got .*\[truncated-data\]"):
        reader.read([(file, 8, 20)])


def test_a_file_that_was_replaced_is_told(server: FileServer, reader: RemoteReader, tmp_path: Path) -> None:
    file = pick(reader, server)
    (tmp_path / "a.bin").write_bytes(bytes(len(DATA)))
    with pytest.raises(StorageError, match=r"expected the file that was indexed .* got another one .*\[replaced\]"):
        reader.read([(file, 8, 20)])
    (tmp_path / "a.bin").write_bytes(DATA[:100])
    server.change = lambda answer: answer.headers.pop("ETag", None)
    for place in (8, 8000):
        with pytest.raises(StorageError, match=r"\[replaced\]"):
            reader.read([(file, place, 20)])


def test_a_server_without_ranges_is_refused_before_it_has_sent_all(server: FileServer, reader: RemoteReader) -> None:
    file = pick(reader, server)

    def whole(answer: Answer) -> None:
        answer.status, answer.body = 200, DATA
        answer.headers = {"Content-Length": str(len(DATA))}

    server.change = whole
    with pytest.raises(StorageError, match=r"got all of it: the server knows no ranges; use a server that does"):
        reader.read([(file, 8, 20)])
    assert reader.transfers.bytes == 0


def test_a_server_that_tells_no_size_is_refused(server: FileServer, reader: RemoteReader) -> None:
    server.change = lambda answer: answer.headers.pop("Content-Length") and None
    with pytest.raises(StorageError, match=r"expected a server that tells the size of its files"):
        pick(reader, server)


def test_a_server_that_is_not_there_is_named(reader: RemoteReader) -> None:
    with pytest.raises(StorageError, match=r"cannot open: no answer: .* \(4 attempts\); check the URL, and that its"):
        reader.look(["http://127.0.0.1:1/a.bin"])


def test_a_server_that_says_nothing_is_not_waited_for_long(server: FileServer) -> None:
    reader = RemoteReader(retries=Retries(tries=1, timeout_s=0.05))
    server.change = lambda _: time.sleep(0.4)
    with pytest.raises(StorageError, match=r"no answer: .*\(1 attempts\)"):
        pick(reader, server)
    reader.close()


def test_pauses_grow_up_to_a_bound() -> None:
    policy = Retries(wait_s=1.0, most_s=5.0)
    assert [policy.pause_s(failed, None) for failed in (1, 2, 3, 4)] == [1.0, 2.0, 4.0, 5.0]
    assert (policy.pause_s(1, 3.0), policy.pause_s(1, 60.0)) == (3.0, 5.0)


def test_files_in_memory_are_read_and_looked_at_once(reader: RemoteReader) -> None:
    memory = fsspec.filesystem("memory")
    memory.pipe_file("/x/a.bin", DATA)
    (file,) = reader.look(["memory://x/a.bin"])
    assert [bytes(part) for part in reader.read([(file, 10, 10), (file, 4000, 3)])] == [DATA[10:20], DATA[4000:4003]]
    with pytest.raises(CorruptDataError, match=r"expected bytes 10230 to 10250, got 10 bytes"):
        reader.read([(file, len(DATA) - 10, 20)])
    other = RemoteReader(retries=QUICK)
    memory.pipe_file("/x/a.bin", DATA[1:])
    with pytest.raises(StorageError, match=r"\[replaced\]"):
        other.read([(file, 10, 10)])
    with pytest.raises(StorageError, match="no such file"):
        other.look(["memory://x/b.bin"])
    with pytest.raises(StorageError, match="expected a file, got a folder"):
        other.look(["memory://x"])


def test_local_files_by_url(tmp_path: Path, reader: RemoteReader) -> None:
    (tmp_path / "a.bin").write_bytes(DATA)
    (file,) = reader.look([f"file://{tmp_path}/a.bin"])
    assert reader.read([(file, 300, 4)])[0] == DATA[300:304]
    assert reader.whole(file.url) == DATA


class _Odd:
    """A file system whose library raises what it likes."""

    def __init__(self, error: Exception) -> None:
        self.error, self.asked = error, 0

    def _strip_protocol(self, url: str) -> str:
        return url

    def info(self, _: str) -> dict[str, Any]:
        self.asked += 1
        raise self.error


@pytest.mark.parametrize(
    ("error", "told", "asked"),
    [
        (PermissionError("no"), "cannot open: no permission; ask for the right", 1),
        (KeyError("x"), "cannot read: KeyError: 'x'", 1),
        (ConnectionResetError("reset"), r"cannot read: reset \(4 attempts\)", 4),
    ],
)
def test_whatever_a_file_system_raises_names_the_url(
    reader: RemoteReader, error: Exception, told: str, asked: int
) -> None:
    odd, via = _Odd(error), transport_of("memory://a", 1.0)
    via._system = odd  # type: ignore[attr-defined]
    reader._here.transports["memory"] = via
    with pytest.raises(StorageError, match=rf"memory://a: {told}"):
        reader.look(["memory://a"])
    assert odd.asked == asked


def test_a_missing_library_names_the_extra(reader: RemoteReader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(MissingExtraError, match=r"s3://bucket/x: .*pip install 'lapsdata\[cloud\]'"):
        reader.look(["s3://bucket/x"])
    with pytest.raises(StorageError, match=r"gopher://x: cannot open: .*\[unknown-protocol\]"):
        reader.look(["gopher://x"])


def test_what_is_a_url() -> None:
    assert [is_url(text) for text in ("http://x/y", "zip://a::b.zip", "/x/y", "C:/x", "x", None)] == [
        True, True, False, False, False, False]  # fmt: skip
    assert joined("s3://bucket/x/", "a b.tar") == "s3://bucket/x/a b.tar"
    for odd in ("https://host/x?token=1", "zip://x::https://host/all.zip"):
        with pytest.raises(SchemaError, match="expected the URL of a folder"):
            joined(odd, "a")


def test_a_reader_goes_on_after_closing_and_travels(server: FileServer, reader: RemoteReader) -> None:
    file = pick(reader, server)
    reader.read([(file, 0, 4), (file, 2000, 4)])
    reader.close()
    reader.close()
    assert reader.read([(file, 0, 4), (file, 2000, 4)])[1] == DATA[2000:2004]
    other = pickle.loads(pickle.dumps(reader))
    assert (other.gap, other.most, other.threads, other.retries) == (16, 1000, 4, QUICK)
    assert other.transfers.requests == 0
    assert other.read([(file, 1, 1)])[0] == DATA[1:2]
    other.close()


def read_there(reader: RemoteReader, file: RemoteFile, queue: Any) -> None:
    found = [bytes(part) for part in reader.read([(file, 10, 4), (file, 3000, 4), (file, 6000, 4)])]
    queue.put((os.getpid(), reader.transfers.requests, found))
    reader.close()


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_other_processes_have_connections_of_their_own(
    server: FileServer, reader: RemoteReader, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = pick(reader, server)
    reader.read([(file, 10, 4), (file, 3000, 4)])
    context = multiprocessing.get_context(method)
    if method == "spawn":
        queue: Any = context.Queue()
        child = context.Process(target=pickled_read, args=(pickle.dumps(reader), file, queue))
    else:
        queue = context.Queue()
        child = context.Process(target=read_there, args=(reader, file, queue))
    child.start()
    process, requests, found = queue.get(timeout=60)
    child.join(60)
    assert (child.exitcode, process != os.getpid(), requests) == (0, True, 3)
    assert found == [DATA[at : at + 4] for at in (10, 3000, 6000)]
    assert reader.read([(file, 10, 4)])[0] == DATA[10:14]


def pickled_read(data: bytes, file: RemoteFile, queue: Any) -> None:
    read_there(pickle.loads(data), file, queue)
