"""Windows behind URLs are those of the files here: few requests, each window verified, whatever fails is told."""

from __future__ import annotations

import multiprocessing
import pickle
from typing import TYPE_CHECKING, Any

import fsspec
import numpy as np
import pytest

from lapsdata.errors import CorruptDataError, LapsError, LapsWarning, SchemaError, StorageError
from lapsdata.formats.shards_webdataset import RemoteShards, ShardsFolder, ShardsWriter
from lapsdata.loading import Loader, open_windows
from lapsdata.schema.video import SourceVideo
from lapsdata.storage.remote import RemoteReader, Retries
from lapsdata.testing.file_server import Answer, FileServer, serve_folder
from lapsdata.testing.samples import sample_provenance, sample_tracks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

QUICK = Retries(tries=3, wait_s=0.001, most_s=0.01, timeout_s=5.0)
FIELDS = ("tracks", "vis", "start_s", "step_s")


def write(folder: Path, *, windows: int = 100, per: int = 70, views: tuple[str, ...] = ("default",)) -> Path:
    with ShardsWriter(folder, samples_per_shard=per) as out:
        for number in range(2):
            out.add(sample_tracks(windows=windows, seed=number, views=views, video=SourceVideo(name=f"clip_{number}")))
        out.finish(sample_provenance())
    return folder


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two folders of shards: 200 windows in 3 archives, twice."""
    root = tmp_path_factory.mktemp("served")
    write(root / "clips.shards")
    write(root / "more.shards", windows=30, per=20)
    return root


@pytest.fixture
def server(place: Path) -> Iterator[FileServer]:
    with serve_folder(place) as served:
        yield served


def reader() -> RemoteReader:
    return RemoteReader(retries=QUICK)


def test_a_batch_of_random_windows_makes_few_requests(server: FileServer, place: Path) -> None:
    here, there = open_windows(place / "clips.shards"), open_windows(f"{server.url}/clips.shards", remote=reader())
    # Three tables whole, and a look at each of three archives.
    assert (server.asked("GET"), server.asked("HEAD")) == (3, 3)
    assert (len(there), there.spec.keys(), there.videos) == (200, here.spec.keys(), here.videos)
    assert there.fingerprint == here.fingerprint
    ids = np.random.default_rng(0).permutation(200)[:64]
    found, expected = there.gather(ids, fields=FIELDS), here.gather(ids, fields=FIELDS)
    for name in FIELDS:
        np.testing.assert_array_equal(found[name], expected[name])
    assert server.asked("GET") - 3 <= 6
    assert there.transfers.requests == len(server.requests)
    assert (there.transfers.retries, there.unverified) == (0, 0)
    asked = len(server.requests)
    again = there.gather(ids[::-1])
    np.testing.assert_array_equal(again["tracks"], expected["tracks"][::-1])
    assert len(server.requests) == asked  # what was fetched is held for a while
    assert there.locate(150).path == f"{server.url}/clips.shards"
    assert (there.paths, here.paths) == ((), (place / "clips.shards",))
    for windows in (here, there):
        windows.close()


def test_several_folders_here_and_there_are_one_data_set(server: FileServer, place: Path) -> None:
    names = ["clips.shards", "more.shards"]
    here = open_windows([place / name for name in names])
    with_urls = open_windows([f"{server.url}/clips.shards", place / "more.shards"], remote=reader())
    urls = open_windows([f"{server.url}/{name}" for name in names], remote=reader())
    ids = np.array([0, 259, 100, 205, 199, 0, 259])
    for windows in (with_urls, urls):
        for name, values in here.gather(ids, fields=FIELDS).items():
            np.testing.assert_array_equal(windows.gather(ids, fields=FIELDS)[name], values)
        windows.close()
    here.close()


def test_a_loader_over_a_url_gives_every_window_once(server: FileServer, place: Path) -> None:
    there = open_windows(f"{server.url}/clips.shards", remote=reader())
    here = open_windows(place / "clips.shards")
    found = {}
    with Loader(there, batch_size=32, shuffle="global", seed=3, workers=2) as loader:
        for batch in loader:
            for number, tracks in zip(batch["id"][batch["valid"]], batch["tracks"], strict=False):
                assert int(number) not in found
                found[int(number)] = tracks.copy()
    expected = here.gather(np.arange(200))["tracks"]
    np.testing.assert_array_equal(np.stack([found[number] for number in range(200)]), expected)
    there.close()
    here.close()


@pytest.mark.parametrize("threads", [1, 3])
def test_views_and_threads(tmp_path: Path, threads: int) -> None:
    write(tmp_path / "cams.shards", windows=9, per=5, views=("left", "right"))
    with serve_folder(tmp_path) as server:
        for views in (None, ["right"]):
            here = open_windows(tmp_path / "cams.shards", views=views)
            there = open_windows(f"{server.url}/cams.shards", views=views, threads=threads, remote=reader())
            for name, values in here.gather([17, 3, 3]).items():
                np.testing.assert_array_equal(there.gather([17, 3, 3])[name], values)
            here.close()
            there.close()
        with pytest.raises(SchemaError, match="expected some of the views"):
            open_windows(f"{server.url}/cams.shards", views=["top"], remote=reader())


def test_shards_in_memory(place: Path) -> None:
    fsspec.filesystem("memory").put(str(place / "clips.shards"), "/tests/clips.shards", recursive=True)
    here, there = open_windows(place / "clips.shards"), open_windows("memory://tests/clips.shards")
    ids = np.arange(199, -1, -7)
    np.testing.assert_array_equal(there.gather(ids)["tracks"], here.gather(ids)["tracks"])
    changed = bytearray(fsspec.filesystem("memory").cat_file("/tests/clips.shards/shard-000001.tar"))
    index = there._reader._pieces[0].sources()["tracks"].index  # type: ignore[union-attr]
    changed[int(index.offset[100]) + 3] ^= 4
    fresh = open_windows("memory://tests/clips.shards")
    fsspec.filesystem("memory").pipe_file("/tests/clips.shards/shard-000001.tar", bytes(changed))
    with pytest.raises(StorageError, match=r"\[replaced\]"):
        fresh.gather([100])
    again = open_windows("memory://tests/clips.shards")
    with pytest.raises(CorruptDataError, match=r"clips.shards: tracks: row 100: expected CRC-32C"):
        again.gather([100])
    for windows in (here, there, fresh, again):
        windows.close()


def test_no_flip_on_the_way_is_handed_over(server: FileServer, place: Path) -> None:
    """Any bit of any answer may be wrong: the batch is right, or an error says what is not."""
    here = open_windows(place / "more.shards")
    expected = here.gather(np.arange(60), fields=FIELDS)
    random = np.random.default_rng(5)
    caught = silent = 0

    def flip(answer: Answer) -> None:
        if answer.body and random.random() < 0.5:
            body = bytearray(answer.body)
            body[random.integers(len(body))] ^= 1 << int(random.integers(8))
            answer.body = bytes(body)

    server.change = flip
    for _ in range(60):
        try:
            windows = open_windows(f"{server.url}/more.shards", remote=RemoteReader(retries=Retries(tries=1)))
            found = windows.gather(np.arange(60), fields=FIELDS)
        except LapsError:
            caught += 1
            continue
        silent += any(found[name].tobytes() != expected[name].tobytes() for name in FIELDS)
        windows.close()
    assert silent == 0
    assert caught > 30
    here.close()


def test_what_was_damaged_on_the_way_is_fetched_again_when_asked_again(server: FileServer) -> None:
    windows = open_windows(f"{server.url}/clips.shards", remote=reader())

    def damage(answer: Answer) -> None:
        if answer.method == "GET":
            answer.body = bytes(len(answer.body))

    server.change = damage
    with pytest.raises(CorruptDataError, match=r"row 7: expected CRC-32C [0-9a-f]{8}, got"):
        windows.gather([7])
    server.change = None
    assert windows.gather([7])["tracks"].any()
    windows.close()


def test_a_busy_server_is_asked_again(server: FileServer, place: Path) -> None:
    def busy(answer: Answer) -> None:
        if answer.number % 2 == 0:
            answer.status, answer.body, answer.headers = 503, b"", {"Content-Length": "0"}

    server.change = busy
    with pytest.warns(LapsWarning, match="the server answers 503"):
        windows = open_windows(f"{server.url}/clips.shards", remote=RemoteReader(retries=QUICK, threads=1))
    with_url = windows.gather([5, 180])
    np.testing.assert_array_equal(with_url["tracks"], open_windows(place / "clips.shards").gather([5, 180])["tracks"])
    assert windows.transfers.retries > 0
    windows.close()


def test_an_archive_that_changes_between_requests_is_told(tmp_path: Path) -> None:
    write(tmp_path / "a.shards", windows=10, per=5)
    with serve_folder(tmp_path) as server:
        windows = open_windows(f"{server.url}/a.shards", remote=reader(), verify="never")
        windows.gather([1])
        path = tmp_path / "a.shards" / "shard-000000.tar"
        data = bytearray(path.read_bytes())
        data[700] ^= 1
        path.write_bytes(bytes(data))
        with pytest.raises(StorageError, match=r"shard-000000.tar: expected the file that was indexed .*\[replaced\]"):
            windows.gather([2])
        windows.close()


def test_a_folder_that_is_not_as_it_was_written_is_refused(tmp_path: Path) -> None:
    folder = write(tmp_path / "a.shards", windows=10, per=5)
    with serve_folder(tmp_path) as server:
        url = f"{server.url}/a.shards"

        def refused(kind: type[LapsError], told: str) -> None:
            with pytest.raises(kind, match=told):
                open_windows(url, remote=reader())

        with pytest.raises(SchemaError, match="expected no rate beside shards, which carry their own times"):
            open_windows(url, rate=30, remote=reader())
        with pytest.raises(
            StorageError, match=r"b.shards/shards.json: cannot open: no such file; .* --to shards \[not-found\]"
        ):
            open_windows(f"{server.url}/b.shards", remote=reader())
        tar = folder / "shard-000001.tar"
        data = tar.read_bytes()
        tar.write_bytes(data[:-512])
        refused(CorruptDataError, rf"shard-000001.tar: expected {len(data)} bytes, got {len(data) - 512}")
        tar.unlink()
        refused(StorageError, r"shard-000001.tar: cannot open: no such file")
        tar.write_bytes(data)
        table = (folder / "index.parquet").read_bytes()
        (folder / "index.parquet").write_bytes(table[:40] + bytes([table[40] ^ 1]) + table[41:])
        refused(CorruptDataError, r"index.parquet: expected sha256:\w+ .*\[shard-digest\]")
        (folder / "index.parquet").write_bytes(table)
        manifest = (folder / "shards.json").read_bytes()
        (folder / "shards.json").write_bytes(manifest.replace(b'"samples_per_shard":5', b'"samples_per_shard":4'))
        refused(CorruptDataError, r"shards.json: expected crc32c:\w+ over its content")
        (folder / "shards.json").write_bytes(b"<html>")
        refused(CorruptDataError, r"shards.json: expected a sealed JSON object, got damaged bytes")


def test_shards_behind_a_url_are_read_as_those_here(server: FileServer, place: Path) -> None:
    here, there = ShardsFolder(place / "more.shards"), RemoteShards(f"{server.url}/more.shards", reader())
    assert (there.header, there.fields, len(there)) == (here.header, here.fields, len(here))
    assert [path.name for path in there.shards] == [path.name for path in here.shards]
    assert there.tracks(1).equals(here.tracks(1))
    for one, other in zip(here.stream(2, batch=7), there.stream(2, batch=7), strict=True):
        assert all(one[name].tobytes() == other[name].tobytes() for name in one)
    there.check(0)
    server.change = lambda answer: setattr(answer, "body", answer.body[:-1] + b"\x01")
    with pytest.raises(CorruptDataError, match=r"shard-000000.tar: expected sha256:\w+, got"):
        there.check(0)
    with pytest.raises(IndexError, match="expected a shard from 0 to 2, got 3"):
        there.read_span(3, 0, 1)
    there.close()


def gather_there(data: bytes, ids: list[int], queue: Any) -> None:
    windows = pickle.loads(data)
    queue.put(windows.gather(ids)["tracks"])
    windows.close()


def gather_forked(windows: Any, ids: list[int], queue: Any) -> None:
    queue.put(windows.gather(ids)["tracks"])
    windows.close()


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_other_processes_read_the_same(server: FileServer, method: str) -> None:
    windows = open_windows(f"{server.url}/clips.shards", remote=reader())
    expected = windows.gather([3, 150])["tracks"]
    context: Any = multiprocessing.get_context(method)
    queue = context.Queue()
    target, source = (gather_forked, windows) if method == "fork" else (gather_there, pickle.dumps(windows))
    child = context.Process(target=target, args=(source, [3, 150], queue))
    child.start()
    found = queue.get(timeout=60)
    child.join(60)
    queue.close()
    queue.join_thread()
    assert child.exitcode == 0
    np.testing.assert_array_equal(found, expected)
    windows.close()
