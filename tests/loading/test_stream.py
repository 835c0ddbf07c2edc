"""Streams: an epoch has every sample once, in an order of seed, epoch, streams and position; spans are read once."""

from __future__ import annotations

import json
import pickle
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lapsdata.errors import CorruptDataError, SchemaError, StorageError
from lapsdata.formats.shards_webdataset import ShardsFolder, ShardsWriter
from lapsdata.loading import Loader, Mixture, StreamDataset, check_ledgers, open_stream, open_windows
from lapsdata.loading._stream_order import Spans, StreamOrder
from lapsdata.loading.orders import make_order
from lapsdata.schema.loader import EpochOrder, OrderedSource
from lapsdata.schema.video import SourceVideo
from lapsdata.storage.remote import RemoteReader, Retries
from lapsdata.testing.file_server import serve_folder
from lapsdata.testing.samples import sample_provenance, sample_tracks

if TYPE_CHECKING:
    from pathlib import Path

SIZES = {"samples": st.integers(1, 400), "per": st.integers(1, 130), "streams": st.integers(1, 50)}
SIZES |= {"rows": st.integers(1, 60), "seed": st.integers(0, 3)}
WINDOWS = 23


def write(folder: Path, *, per: int = 9, first: int = 0, **options: Any) -> Path:
    with ShardsWriter(folder, samples_per_shard=per) as out:
        for number in range(2):
            tracks = sample_tracks(
                windows=WINDOWS, seed=first + number, video=SourceVideo(name=f"c{number}"), **options
            )
            out.add(tracks)
        out.finish(sample_provenance())
    return folder


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("streams") / "clips.shards")


@given(**SIZES)
def test_an_epoch_has_every_sample_once(samples: int, per: int, streams: int, rows: int, seed: int) -> None:
    order = StreamOrder(samples, per, streams, rows, seed)
    for epoch in (0, 1):
        assert sorted(order.ids(epoch, np.arange(samples)).tolist()) == list(range(samples))


@given(**SIZES, places=st.lists(st.integers(0, 10**6), min_size=1, max_size=20))
def test_a_position_is_told_without_the_others(
    samples: int, per: int, streams: int, rows: int, seed: int, places: list[int]
) -> None:
    order, positions = StreamOrder(samples, per, streams, rows, seed), np.array(places) % samples
    assert np.array_equal(order.ids(3, positions), order.ids(3, np.arange(samples))[positions])


@given(**SIZES)
def test_a_stream_goes_along_archives_span_by_span(samples: int, per: int, streams: int, rows: int, seed: int) -> None:
    order, spans = StreamOrder(samples, per, streams, rows, seed), Spans(samples, per, rows)
    ids = order.ids(1, np.arange(samples))
    count = min(streams, samples)
    opened = 0
    for stream in range(count):
        numbers = spans.of(ids[stream::count])
        changes = 1 + int((np.diff(numbers) != 0).sum())
        assert changes == len(np.unique(numbers))  # a span that was left is never come back to
        blocks = ids[stream::count] // spans.per_block
        assert 1 + int((np.diff(blocks) != 0).sum()) == len(np.unique(blocks))
        opened += changes
    # Where one stream ends and the next begins, they share a span.
    assert opened <= len(np.unique(spans.of(np.arange(samples)))) + count - 1


@given(**SIZES)
def test_spans_are_runs_of_an_archive(samples: int, per: int, streams: int, rows: int, seed: int) -> None:
    spans = Spans(samples, per, rows)
    numbers = spans.of(np.arange(samples))
    assert (np.diff(numbers) >= 0).all()
    for number in np.unique(numbers).tolist():
        block, first, stop = spans.bounds(number)
        begin = block * spans.per_block
        assert np.flatnonzero(numbers == number).tolist() == list(range(begin + first, begin + stop))
        assert stop - first <= min(rows, per)


def test_spans_of_different_archives_begin_at_different_places() -> None:
    spans = Spans(6400, 100, 32)
    ends = [np.flatnonzero(np.diff(spans.of(np.arange(at, at + 100)))).tolist() for at in range(0, 6400, 100)]
    assert len({first for first, *_ in ends}) > 20


def test_orders_differ_by_seed_epoch_and_streams_alone() -> None:
    everything = np.arange(5000)
    orders = [StreamOrder(5000, 100, k, 16, seed).ids(epoch, everything)
              for k, seed, epoch in ((8, 0, 0), (8, 0, 1), (8, 1, 0), (4, 0, 0))]  # fmt: skip
    for number, order in enumerate(orders):
        assert [np.mean(order == other) < 0.01 for other in orders[:number]] == [True] * number
    assert np.array_equal(orders[0], StreamOrder(5000, 100, 8, 16, 0).ids(0, everything))
    # Neighbours in the order come from different archives.
    assert np.mean(orders[0][1:] // 100 == orders[0][:-1] // 100) < 0.05


def test_the_order_of_a_record_is_frozen() -> None:
    record = EpochOrder(
        seed=7, shuffle="stream", streams=3, span_rows=4, samples=20,
        sources=(OrderedSource(name="source", samples=20, block_rows=8),),
    )  # fmt: skip
    assert make_order(record).ids(2, np.arange(20)).tolist() == FROZEN


FROZEN = [16, 3, 10, 19, 4, 11, 17, 6, 14, 18, 5, 13, 0, 7, 12, 2, 8, 15, 1, 9]


def received(loaders: list[Loader]) -> list[list[int]]:
    """Return the valid ids of each step: what the ranks receive, sample by sample in turns."""
    steps = []
    for batches in zip(*loaders, strict=True):
        ids = np.stack([batch["id"] for batch in batches], 1).reshape(-1)
        valid = np.stack([batch["valid"] for batch in batches], 1).reshape(-1)
        steps.append(ids[valid].tolist())
    return steps


@settings(max_examples=8, deadline=None)
@given(
    world=st.integers(1, 3),
    batch=st.integers(1, 9),
    streams=st.integers(1, 9),
    rows=st.integers(1, 8),
    workers=st.integers(0, 2),
    stop=st.integers(0, 12),
    other=st.integers(1, 3),
)
def test_ranks_and_restarts_see_the_same_epoch(
    place: Path, world: int, batch: int, streams: int, rows: int, workers: int, stop: int, other: int
) -> None:
    """The multiset of an epoch, its order and its content, against windows that are read at random."""
    oracle = open_windows(place)
    expected = oracle.gather(np.arange(2 * WINDOWS))
    oracle.close()
    order = StreamOrder(2 * WINDOWS, 9, streams, rows, 5, "source").ids(0, np.arange(2 * WINDOWS))

    def loaders(count: int) -> list[Loader]:
        return [
            Loader(open_stream(place, span_rows=rows), batch_size=batch, shuffle="stream", streams=streams, seed=5,
                   rank=rank, world_size=count, workers=workers)
            for rank in range(count)
        ]  # fmt: skip

    ranks = loaders(world)
    iterators = [iter(loader) for loader in ranks]
    seen: list[int] = []
    for _ in range(min(stop, len(ranks[0]))):
        batches = [next(iterator) for iterator in iterators]
        for one in batches:
            for name, values in expected.items():
                np.testing.assert_array_equal(one[name], values[one["id"]])
        ids, valid = (np.stack([one[name] for one in batches], 1).reshape(-1) for name in ("id", "valid"))
        seen += ids[valid].tolist()
    state = json.loads(json.dumps(ranks[-1].state_dict()))
    if len(seen) < 2 * WINDOWS:
        others = loaders(other)
        for loader in others:
            loader.load_state_dict(state)
        seen += [number for step in received(others) for number in step]
        for loader in others:
            loader.close()
    assert seen == order.tolist()
    for loader in ranks:
        loader.close()


def test_each_span_is_read_once_and_memory_is_given_back(place: Path) -> None:
    windows = open_stream(place, span_rows=4)
    with Loader(windows, batch_size=5, shuffle="stream", streams=4, seed=1, epochs=1, last="drop") as loader:
        for _ in loader:
            pass
        left = 2 * WINDOWS - 5 * (2 * WINDOWS // 5)
        # Streams share a span where one ends and the next begins; the samples that were dropped keep theirs.
        assert windows.spans_read <= windows.spans + 3
        assert len(windows._here.spans) <= left + 2 * 3
    whole = open_stream(place, span_rows=4)
    for first in range(0, 2 * WINDOWS, 7):
        whole.gather(np.arange(first, min(first + 7, 2 * WINDOWS)))
    assert whole.spans_read == whole.spans
    assert (len(whole._here.spans), whole._here.held) == (0, 0)


def test_ranks_have_streams_of_their_own(place: Path) -> None:
    read = []
    for rank in range(2):
        windows = open_stream(place, span_rows=3)
        with Loader(windows, batch_size=4, shuffle="stream", streams=4, rank=rank, world_size=2, last="drop") as loader:
            assert "archives of 9 neighbours in 4 streams, samples shuffled among 12" in loader.plan().text
            for _ in loader:
                pass
        read.append(windows.spans_read)
    assert sum(read) <= open_stream(place, span_rows=3).spans + 3
    loader = Loader(windows, batch_size=4, shuffle="stream", streams=3, rank=0, world_size=2)
    assert "in 3 streams, which ranks share, samples" in loader.plan().text


def test_a_small_memory_reads_more_and_gives_the_same(place: Path) -> None:
    order = np.random.default_rng(0).permutation(2 * WINDOWS)
    with serve_folder(place.parent) as server:
        url = f"{server.url}/{place.name}"
        small, large = open_stream(url, span_rows=4, cache_bytes=1), open_stream(url, span_rows=4)
        for ids in order.reshape(2, -1):
            for name, values in large.gather(ids).items():
                np.testing.assert_array_equal(small.gather(ids)[name], values)
        assert small.spans_read > large.spans_read
        assert large.spans_read == large.spans
        assert small._here.held <= large._grid.rows * large.spec.nbytes * 2 * WINDOWS
        small.close()
        large.close()


@pytest.mark.parametrize("views", [None, ["right"], ["right", "left"]])
def test_views_and_times(tmp_path: Path, views: list[str] | None) -> None:
    folder = write(tmp_path / "cams.shards", views=("left", "right"), confidence=True)
    stream, windows = open_stream(folder, views=views), open_windows(folder, views=views)
    assert (stream.fields, stream.spec.keys(), len(stream)) == (windows.fields, windows.spec.keys(), len(windows))
    ids = np.array([45, 0, 3, 3, 22, 23])
    for name, values in windows.gather(ids, fields=windows.fields).items():
        np.testing.assert_array_equal(stream.gather(ids, fields=windows.fields)[name], values)
    out = {"start_s": np.zeros(6)}
    assert stream.gather(ids, fields=["start_s"], out=out)["start_s"] is out["start_s"]
    assert stream.gather(ids, to="torch")["start_s"].shape == (6,)
    windows.close()


def test_a_url_is_streamed_in_large_reads(place: Path) -> None:
    with serve_folder(place.parent) as server:
        reader = RemoteReader(retries=Retries(tries=1))
        there, here = open_stream(f"{server.url}/{place.name}", span_rows=6, remote=reader), open_windows(place)
        found = []
        with Loader(there, batch_size=8, shuffle="stream", streams=4, seed=3, last="mask") as loader:
            for batch in loader:
                np.testing.assert_array_equal(batch["tracks"], here.gather(batch["id"])["tracks"])
                found += batch["id"][batch["valid"]].tolist()
        assert sorted(found) == list(range(2 * WINDOWS))
        parts = [asked for method, _, asked in server.requests if method == "GET" and asked]
        assert len(parts) <= there.spans_read <= there.spans + 3 + 4
        assert there.transfers.requests == len(server.requests)
        there.close()
        server.change = lambda answer: setattr(answer, "body", bytes(len(answer.body)))
        with pytest.raises(CorruptDataError, match=r"clips.shards/shard-\d+.tar: tracks: window \d+ \(sample"):
            there.gather([0])
        server.change = None
        assert there.gather([0])["vis"].any()
        there.close()
        here.close()
        with pytest.raises(StorageError, match="no such file"):
            open_stream(f"{server.url}/other.shards", remote=RemoteReader())


def test_damage_is_told_to_all_who_wait(tmp_path: Path) -> None:
    folder = write(tmp_path / "a.shards")
    path = folder / "shard-000000.tar"
    data = bytearray(path.read_bytes())
    data[int(ShardsFolder(folder).index("vis").offset[4])] ^= 1
    path.write_bytes(bytes(data))
    # Of a server a span comes as one; on a disk only the window itself is wrong.
    with serve_folder(tmp_path) as server:
        refuse_to_all(open_stream(server.url + "/a.shards", span_rows=50), "(sample 4,", 2)
    refuse_to_all(open_stream(folder, span_rows=50), "vis: row 4 (shard-000000.tar, bytes", 1)
    assert open_stream(folder, verify="never").gather([4])["vis"].shape[0] == 1


def refuse_to_all(windows: StreamDataset, told: str, least: int) -> None:
    failures: list[str] = []

    def ask(number: int) -> None:
        try:
            windows.gather([number])
        except CorruptDataError as error:
            failures.append(str(error))

    with_it = np.flatnonzero(windows._grid.of(np.arange(9)) == windows._grid.of(np.array([4])))
    threads = [threading.Thread(target=ask, args=(int(number),)) for number in with_it]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(failures) == (len(with_it) if least > 1 else 1) >= least
    assert all(told in failure for failure in failures)
    assert windows._here.held == 0
    windows.close()


def test_many_threads_read_a_span_once(place: Path) -> None:
    windows = open_stream(place, span_rows=50)
    expected = open_windows(place).gather(np.arange(2 * WINDOWS))["tracks"]
    wrong: list[int] = []

    def ask(first: int) -> None:
        ids = np.arange(first, 2 * WINDOWS, 8)
        wrong.extend([first] * (windows.gather(ids)["tracks"].tobytes() != expected[ids].tobytes()))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert windows.spans_read == windows.spans


def test_a_ledger_of_streams_is_proven(place: Path, tmp_path: Path) -> None:
    loaders = [
        Loader(open_stream(place, span_rows=4), batch_size=4, shuffle="stream", streams=4, seed=2, rank=rank,
               world_size=2, ledger=tmp_path / "ledger") for rank in range(2)
    ]  # fmt: skip
    received(loaders)
    for loader in loaders:
        loader.close()
    report = check_ledgers(sorted((tmp_path / "ledger").iterdir()))
    assert [epoch.whole for epoch in report.epochs] == [True]


def test_a_mixture_of_streams(place: Path, tmp_path: Path) -> None:
    other = write(tmp_path / "b.shards", per=5)
    mixture = Mixture(
        {"a": open_stream(place, span_rows=4), "b": open_stream(other, span_rows=4)}, weights={"a": 2, "b": 1}
    )
    with Loader(mixture, batch_size=6, shuffle="stream", streams=3) as loader:
        assert all(np.isfinite(batch["start_s"]).all() for batch in loader)
    unlike = Mixture(
        {"a": open_stream(place, span_rows=4), "b": open_stream(other, span_rows=3)}, weights={"a": 2, "b": 1}
    )
    with pytest.raises(SchemaError, match=r"b: expected a source that is read by spans .* spans of 4 and of 3"):
        Loader(unlike, batch_size=6, shuffle="stream")


def test_what_is_asked_wrongly_is_refused(place: Path) -> None:
    windows = open_stream(place)
    assert isinstance(windows, StreamDataset)
    assert repr(windows).startswith(f"StreamDataset({2 * WINDOWS} windows of 2 videos; BatchSpec(tracks")
    with pytest.raises(IndexError, match="expected 0 to 45, got 46"):
        windows.gather([46])
    with pytest.raises(SchemaError, match="expected some of"):
        windows.gather([0], fields=["images"])
    with pytest.raises(SchemaError, match="expected 'numpy' or 'torch', got 'jax'"):
        windows.gather([0], to="jax")  # type: ignore[arg-type]
    with pytest.raises(SchemaError, match=r"expected buffers for some of .*, got \['nope'\]"):
        windows.gather([0], out={"nope": np.zeros(1)})
    with pytest.raises(SchemaError, match=r"out: start_s: expected \(1,\) float64 in C order .*, got \(2,\) float64"):
        windows.gather([0], out={"start_s": np.zeros(2)})
    with pytest.raises(SchemaError, match="span_rows: expected a whole number from 1 on, got 0"):
        open_stream(place, span_rows=0)
    with pytest.raises(SchemaError, match="expected some of the views"):
        open_stream(place, views=["top"])
    with pytest.raises(SchemaError, match="streams: expected shuffle='stream' for it, got 'global'"):
        Loader(windows, batch_size=2, shuffle="global", streams=4)
    with pytest.raises(SchemaError, match=r"expected a source that is read by spans .* got one that is not"):
        Loader(open_windows(place), batch_size=2, shuffle="stream")
    with pytest.raises(StorageError, match="no such file or folder"):
        open_stream(place.parent / "none.shards")


def test_it_travels_and_tells_what_it_holds(place: Path, tmp_path: Path) -> None:
    windows = open_stream(place, span_rows=4)
    windows.gather([1])
    other = pickle.loads(pickle.dumps(windows))
    assert (other.spans_read, other.fingerprint, len(other)) == (0, windows.fingerprint, len(windows))
    np.testing.assert_array_equal(other.gather([40])["tracks"], windows.gather([40])["tracks"])
    assert windows.transfers.requests == 0
    # However the samples are cut into files, it is the same content.
    assert open_stream(write(tmp_path / "a.shards", per=5)).fingerprint == windows.fingerprint
    assert open_stream(write(tmp_path / "b.shards", first=7)).fingerprint != windows.fingerprint
    windows.close()
    assert windows._here.held == 0
