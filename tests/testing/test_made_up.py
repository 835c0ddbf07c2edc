"""What is made up for tests: labels, stand-ins, numbers and containers are what they say, and the same each time."""

from __future__ import annotations

import http.client
import itertools
import json
from contextlib import closing
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lapsdata.adapters._synthetic import MARKER
from lapsdata.adapters.mstcn import labels_of
from lapsdata.errors import SchemaError, StorageError
from lapsdata.testing.file_server import serve_folder
from lapsdata.testing.made_up_labels import MADE_UP_TEST, MADE_UP_TRAIN, write_made_up_labels
from lapsdata.testing.numbers import Numbers
from lapsdata.testing.samples import labelled_segments, sample_catalog, sample_energies, sample_shards, sample_tracks
from lapsdata.testing.standin import write_standin
from lapsdata.timebase import FrameRate
from lapsdata.video.reader import open_video

if TYPE_CHECKING:
    from pathlib import Path

    from lapsdata.testing.file_server import Answer

RATE = FrameRate(15)


def runs(labels: list[str]) -> list[tuple[str, int]]:
    return [(label, len(list(run))) for label, run in itertools.groupby(labels)]


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.floats(3.0, 20.0), st.integers(4, 30), st.integers(0, 99))
def test_made_up_videos_are_rests_and_actions_in_turn(tmp_path: Path, seconds: float, rate_hz: int, seed: int) -> None:
    write_made_up_labels(tmp_path, seconds=seconds, rate_hz=rate_hz, train=("a", "b"), test=("c",), seed=seed)
    for labels in labels_of(tmp_path).values():
        # Of a mean length, by up to a fifth more or less.
        assert 0.8 * seconds * rate_hz - 1 <= len(labels) <= 1.2 * seconds * rate_hz + 1
        pieces = runs(labels)
        assert [label for label, _ in pieces if label == "background"] == ["background"] * len(pieces[::2])
        assert all(label != "background" for label, _ in pieces[1::2])
        assert pieces[-1][1] >= rate_hz // 2
        assert set(labels) <= {"take", "open", "pour", "stir", "background"}


def test_a_made_up_video_is_the_same_whatever_stands_beside_it(tmp_path: Path) -> None:
    write_made_up_labels(tmp_path / "many")
    write_made_up_labels(tmp_path / "one", train=(), test=(MADE_UP_TEST[0],))
    assert labels_of(tmp_path / "one") == {MADE_UP_TEST[0]: labels_of(tmp_path / "many")[MADE_UP_TEST[0]]}
    write_made_up_labels(tmp_path / "other", seed=1)
    assert labels_of(tmp_path / "other") != labels_of(tmp_path / "many")
    # A second call says the same again.
    before = {path: path.read_bytes() for path in (tmp_path / "many").rglob("*.*")}
    write_made_up_labels(tmp_path / "many")
    assert {path: path.read_bytes() for path in (tmp_path / "many").rglob("*.*")} == before


def test_splits_part_the_videos_and_the_mapping_numbers_all_labels(tmp_path: Path) -> None:
    write_made_up_labels(tmp_path)
    splits = {
        path.name: [line.removesuffix(".txt") for line in path.read_text().splitlines()]
        for path in (tmp_path / "splits").iterdir()
    }
    assert splits == {"train.split1.bundle": [*MADE_UP_TRAIN], "test.split1.bundle": [*MADE_UP_TEST]}
    assert sorted(itertools.chain(*splits.values())) == sorted(labels_of(tmp_path))
    # Subjects of the test split are in no other: else a model would know them.
    assert not {name[:2] for name in MADE_UP_TRAIN} & {name[:2] for name in MADE_UP_TEST}
    mapping = [line.split() for line in (tmp_path / "mapping.txt").read_text().splitlines()]
    assert [int(number) for number, _ in mapping] == list(range(len(mapping)))
    assert {label for labels in labels_of(tmp_path).values() for label in labels} == {label for _, label in mapping}


def test_a_place_that_cannot_be_written_to_is_told(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(StorageError, match="taken"):
        write_made_up_labels(tmp_path / "taken")
    write_made_up_labels(tmp_path / "labels", train=(), test=("clip",), seconds=1.0)
    with pytest.raises(StorageError, match="taken"):
        write_standin(tmp_path / "labels", tmp_path / "taken" / "below", RATE)


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    """Return a data set of one video: 8 frames at rest, 16 of an action, 8 at rest."""
    root = tmp_path / "labels"
    write_made_up_labels(root, train=(), test=("clip",))
    words = ["background"] * 8 + ["take"] * 16 + ["background"] * 8
    (root / "groundTruth" / "clip.txt").write_text("".join(f"{word}\n" for word in words))
    return root


def pictures(path: Path) -> np.ndarray:
    with open_video(path, pixels="gray") as video:
        return np.stack([frame.image for frame in video.frames()]).astype(np.float32)


def test_the_hand_comes_back_to_where_it_rests(labels: Path, tmp_path: Path) -> None:
    write_standin(labels, tmp_path / "root", RATE)
    frames = pictures(tmp_path / "root" / "Videos" / "clip.mp4")
    before, acting, after = frames[:8].mean(axis=0), frames[14:18], frames[-8:].mean(axis=0)
    still = np.abs(before - after).mean()
    assert all(np.abs(one - before).mean() > 3 * still for one in acting)
    # Nothing else moves: the frame of the table is as it was.
    assert np.abs(before[:8] - acting.mean(axis=0)[:8]).mean() < 3.0


def test_size_seed_and_place_are_as_asked(labels: Path, tmp_path: Path) -> None:
    made = {}
    for seed in (0, 1):
        root = tmp_path / f"root_{seed}"
        frames = write_standin(labels, root, RATE, size=(96, 88), seed=seed, place=lambda name: f"{name[0]}/{name}.mp4")
        assert frames == 32
        made[seed] = pictures(root / "c" / "clip.mp4")
        assert made[seed].shape == (32, 88, 96)
        told = json.loads((root / MARKER).read_text())
        assert told["parameters"] == {"rate": "15", "seconds": None, "size": [96, 88], "seed": seed}
    assert np.abs(made[0] - made[1]).mean() > 5


def test_a_cut_is_told_where_the_data_are_called_synthetic(labels: Path, tmp_path: Path) -> None:
    assert write_standin(labels, tmp_path / "root", RATE, seconds=0.6) == 9
    said = json.loads((tmp_path / "root" / MARKER).read_text())["synthetic"]
    assert said.startswith("SYNTHETIC: rendered scenes that move as labels say, the first 0.6 s of each; no video")


@pytest.mark.parametrize("seconds", [0.0, -1.0, 0.06, float("nan")])
def test_less_than_a_frame_is_refused(labels: Path, tmp_path: Path, seconds: float) -> None:
    """A negative end would leave out the last frames instead of the later ones."""
    with pytest.raises(SchemaError, match=r"seconds: expected at least one frame, 0\.0666667 s, got"):
        write_standin(labels, tmp_path / "root", RATE, seconds=seconds)
    with pytest.raises(SchemaError, match="seconds: expected at least 1 s, which has room for rests at both ends"):
        write_made_up_labels(tmp_path / "short", seconds=seconds)
    assert not (tmp_path / "root").exists()
    assert not (tmp_path / "short").exists()


def test_other_labels_are_another_stand_in(labels: Path, tmp_path: Path) -> None:
    write_standin(labels, tmp_path / "root", RATE, seconds=0.2)
    before = {path: path.read_bytes() for path in (tmp_path / "root").rglob("*.*")}
    (labels / "groundTruth" / "clip.txt").write_text("pour\n" * 32)
    with pytest.raises(StorageError, match="expected an empty folder, or the same stand-in, got another; remove it"):
        write_standin(labels, tmp_path / "root", RATE, seconds=0.2)
    assert {path: path.read_bytes() for path in (tmp_path / "root").rglob("*.*")} == before


def test_labels_alone_are_enough_and_none_are_not(labels: Path, tmp_path: Path) -> None:
    (labels / "mapping.txt").unlink()
    for path in (labels / "splits").iterdir():
        path.unlink()
    (labels / "splits").rmdir()
    assert write_standin(labels, tmp_path / "root", RATE, seconds=0.2) == 3
    assert {path.name for path in (tmp_path / "root").iterdir()} == {MARKER, "Videos", "groundTruth"}
    with pytest.raises(StorageError, match=r"nowhere.*no such file or folder"):
        write_standin(tmp_path / "nowhere", tmp_path / "none", RATE)
    assert not (tmp_path / "none").exists()


@given(st.integers(1, 20), st.lists(st.integers(0, 19), max_size=9))
def test_numbers_say_which_they_are(length: int, ids: list[int]) -> None:
    asked = np.array([one % length for one in ids], np.int64)
    got = Numbers(length).gather(asked)
    assert got["number"].tolist() == asked.tolist()
    assert got["row"].tolist() == [[one, one + 1.0, one + 2.0] for one in asked.tolist()]
    own = {"row": np.full((len(asked), 3), -1, np.float32)}
    assert Numbers(length).gather(asked, fields=["row"], out=own)["row"] is own["row"]
    assert own["row"].tolist() == got["row"].tolist()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"ids": [5]}, IndexError, "expected ids from 0 to 4, got 5 .. 5"),
        ({"ids": [-1, 2]}, IndexError, "expected ids from 0 to 4, got -1 .. 2"),
        ({"ids": [1], "to": "torch"}, ValueError, "expected to='numpy', got 'torch'"),
        ({"ids": [1, 2], "out": {"number": np.zeros(3), "row": np.zeros((2, 3))}}, ValueError, r"number: expected \("),
        ({"ids": [1, 2], "out": {"number": np.zeros(2), "row": np.zeros((2, 4))}}, ValueError, r"row: expected \(2, 3"),
    ],
)  # fmt: skip
def test_numbers_refuse_what_a_source_must(options: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        Numbers(5).gather(np.array(options.pop("ids")), **options)


def test_numbers_say_of_blocks_and_content_what_they_were_told() -> None:
    plain, told = Numbers(3), Numbers(3, block_rows=2, fingerprint="abc")
    assert not hasattr(plain, "block_rows")
    assert not hasattr(plain, "fingerprint")
    assert (told.block_rows, told.fingerprint, len(told)) == (2, "abc", 3)


@given(st.integers(1, 4), st.integers(1, 5), st.integers(1, 4), st.integers(1, 3), st.integers(0, 9))
def test_sample_tracks_cover_their_frames(windows: int, horizon: int, points: int, stride: int, seed: int) -> None:
    made = sample_tracks(windows=windows, horizon=horizon, points=points, stride=stride, seed=seed)
    again = sample_tracks(windows=windows, horizon=horizon, points=points, stride=stride, seed=seed)
    view = made.tracks["default"]
    assert view.shape == (windows, horizon, points, 2)
    assert np.array_equal(view, again.tracks["default"], equal_nan=True)
    # What is lost is nowhere visible.
    assert not made.vis["default"][np.isnan(view).any(axis=-1)].any()
    assert len(made.frame_s) == (windows - 1) * stride + horizon


def test_samples_of_many_differ_from_one_another() -> None:
    shards = sample_shards(windows=(3, 2), views=("left", "right"))
    first, second = shards.tracks
    assert not np.array_equal(first.tracks["left"][:2], second.tracks["left"], equal_nan=True)
    assert [video.video.name for video in shards.header.videos] == ["clip_0", "clip_1"]
    assert len(sample_catalog(items=5).path) == 5
    assert sample_catalog(items=5).split == ("train",) * 4 + ("test",)
    assert sorted(set(sample_energies().state.tolist())) == [0, 1, 2]


@given(st.lists(st.tuples(st.sampled_from(["a", "b", None]), st.integers(1, 9)), min_size=1, max_size=6))
def test_labelled_segments_follow_one_another(pieces: list[tuple[str | None, int]]) -> None:
    made = labelled_segments({"tea": [(label, float(length)) for label, length in pieces]})
    edges = list(itertools.accumulate((length for _, length in pieces), initial=0))
    expected = [(label, at, until) for (label, _), at, until in zip(pieces, edges, edges[1:], strict=False)]
    rows = zip(made.label, made.start_s.tolist(), made.end_s.tolist(), strict=True)
    assert list(rows) == [row for row in expected if row[0] is not None]
    assert made.header.videos[0].end_s == edges[-1]


CONTENT = bytes(range(200))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "served"
    place.mkdir()
    (place / "a.bin").write_bytes(CONTENT)
    return place


def ask(url: str, span: str | None = None, method: str = "GET") -> tuple[int, bytes, dict[str, str]]:
    """Return status, body and headers; redirections and errors are answers as any other."""
    host, _, path = url.removeprefix("http://").partition("/")
    with closing(http.client.HTTPConnection(host, timeout=10)) as connection:
        connection.request(method, f"/{path}", headers={} if span is None else {"Range": span})
        answer = connection.getresponse()
        return answer.status, answer.read(), dict(answer.headers)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 250), st.integers(0, 250) | st.none())
def test_the_server_gives_the_bytes_of_a_range(folder: Path, first: int, length: int | None) -> None:
    last = "" if length is None else first + length
    with serve_folder(folder) as server:
        status, body, headers = ask(f"{server.url}/a.bin", f"bytes={first}-{last}")
        assert server.requests == [("GET", "/a.bin", f"bytes={first}-{last}")]
    expected = CONTENT[first:] if length is None else CONTENT[first : first + length + 1]
    if first >= len(CONTENT):
        assert (status, body, headers["Content-Range"]) == (416, b"", "bytes */200")
    else:
        assert (status, body) == (206, expected)
        assert headers["Content-Range"] == f"bytes {first}-{first + len(expected) - 1}/200"


def test_the_server_tells_files_apart_and_counts_what_it_is_asked(folder: Path) -> None:
    with serve_folder(folder) as server:
        status, body, headers = ask(f"{server.url}/a.bin?x=1")
        assert (status, body, headers["Content-Length"]) == (200, CONTENT, "200")
        status, body, head = ask(f"{server.url}/a.bin", method="HEAD")
        assert (status, body, head["ETag"]) == (200, b"", headers["ETag"])
        assert ask(f"{server.url}/b.bin")[0] == 404
        (folder / "a.bin").write_bytes(b"other")
        assert ask(f"{server.url}/a.bin")[2]["ETag"] != headers["ETag"]
        assert (server.asked("GET"), server.asked("HEAD")) == (3, 1)


def test_the_server_fails_as_it_is_told(folder: Path) -> None:
    def broken(answer: Answer) -> None:
        if answer.number == 0:
            answer.status, answer.body = 503, b""
            answer.headers["Content-Length"] = "0"
        elif answer.number == 1:
            answer.sent = 10

    with serve_folder(folder) as server:
        server.change = broken
        assert ask(f"{server.url}/a.bin")[0] == 503
        with pytest.raises(http.client.IncompleteRead, match=r"10 bytes read, 190 more expected"):
            ask(f"{server.url}/a.bin")
        assert ask(f"{server.url}/a.bin")[1] == CONTENT
