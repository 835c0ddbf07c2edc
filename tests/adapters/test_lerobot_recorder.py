"""Recording episode by episode: what is written is what was given, and a killed program loses the running one alone."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq
import pytest

import lapsdata
from lapsdata.adapters.lerobot.reading import read_set
from lapsdata.adapters.lerobot.recorder import RECORDING, EpisodeWriter, finish_recording
from lapsdata.errors import LengthMismatchError, SchemaError, StorageError
from lapsdata.storage.episode_rows import EpisodeRows
from lapsdata.testing.episode_sets import CAMERA, drawn_frame, episode_rows
from lapsdata.video.probe import probe
from lapsdata.video.reader import open_video
from lapsdata.video.writer import write_video

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from lapsdata.adapters.lerobot.converting import LeRobotTarget

LENGTHS = (4, 6, 5)
GIVEN = ("observation.state", "action", "next.reward")


def given(episode: int) -> dict[str, np.ndarray]:
    columns = episode_rows(LENGTHS)[episode].columns
    return {name: columns[name] for name in GIVEN}


def recorded(root: Path, to: LeRobotTarget, **options: Any) -> EpisodeWriter:
    writer = EpisodeWriter(root, fps=10, to=to, robot="drawn", **options)
    for episode, length in enumerate(LENGTHS):
        frames = (drawn_frame(episode, row) for row in range(length))
        task = ("pick the cube", "place the cup")[episode % 2]
        assert writer.add_episode(given(episode), task=task, videos={CAMERA: frames}) == episode == len(writer) - 1
    return writer


def rows_of(root: Path, place: int) -> dict[str, np.ndarray]:
    episodes = read_set(root, strict=True).episodes
    return EpisodeRows(root, episodes).read(place, [feature.name for feature in episodes.header.features])


@pytest.mark.parametrize("to", ["lerobot-2.0", "lerobot-2.1", "lerobot-3.0", "gr00t"])
def test_what_was_recorded_is_there_in_each_version(tmp_path: Path, to: LeRobotTarget) -> None:
    recorded(tmp_path / "a", to).close()
    found = read_set(tmp_path / "a", strict=True)
    assert found.version == {"gr00t": "v2.0"}.get(to, f"v{to[-3:]}")
    assert (found.info.robot, str(found.info.rate)) == ("drawn", "10")
    # The same columns, types and values as a set that another program wrote.
    for place, wanted in enumerate(episode_rows(LENGTHS)):
        got = rows_of(tmp_path / "a", place)
        assert set(got) == set(wanted.columns)
        for name, array in wanted.columns.items():
            assert got[name].dtype == array.dtype
            np.testing.assert_array_equal(got[name], array)
        start_s = float(found.episodes.video_start_s[CAMERA][place])
        with open_video(
            tmp_path / "a" / found.episodes.video_files[found.episodes.video_index[CAMERA][place]]
        ) as video:
            for row in range(LENGTHS[place]):
                image = video.at_time(start_s + row / 10, tolerance_s=1e-4).image
                assert np.abs(image.astype(int) - drawn_frame(place, row)).max() <= 3
    assert [found.episodes.tasks_of(place).tolist() for place in range(3)] == [[0], [1], [0]]
    assert not (tmp_path / "a" / RECORDING).exists()
    assert (tmp_path / "a/meta/modality.json").exists() == (to == "gr00t")


def test_version_3_has_a_group_of_rows_for_each_episode_and_one_video(tmp_path: Path) -> None:
    recorded(tmp_path / "a", "lerobot-3.0").close()
    found = read_set(tmp_path / "a").episodes
    assert (len(found.files), len(found.video_files)) == (1, 1)
    footer = pq.read_metadata(tmp_path / "a" / found.files[0])
    assert [footer.row_group(n).num_rows for n in range(3)] == [4, 6, 5]
    assert probe(tmp_path / "a" / found.video_files[0]).gop <= 2


def test_row_by_row_is_the_same_as_at_once(tmp_path: Path) -> None:
    recorded(tmp_path / "a", "lerobot-2.1").close()
    with EpisodeWriter(tmp_path / "b", fps=10, to="lerobot-2.1", robot="drawn") as writer:
        for episode, length in enumerate(LENGTHS):
            with writer.episode(task=("pick the cube", "place the cup")[episode % 2]) as running:
                for row in range(length):
                    values = {name: array[row] for name, array in given(episode).items()}
                    running.add(values, {CAMERA: drawn_frame(episode, row)})
    files = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(tmp_path / "b") for path in (tmp_path / "b").rglob("*") if path.is_file())
    for file in files:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_an_episode_that_fails_is_not_recorded_and_the_next_has_its_number(tmp_path: Path) -> None:
    def stuck(row: int) -> float:
        return 1.0 / (1 - row)

    def record() -> None:
        with writer.episode(task="pick") as running:
            for row in range(2):
                running.add({"action": np.full(2, stuck(row))}, {CAMERA: drawn_frame(0, row)})

    with EpisodeWriter(tmp_path / "a", fps=10, to="lerobot-2.0") as writer:
        with pytest.raises(ZeroDivisionError, match="division by zero"):
            record()
        assert len(writer) == 0
        with writer.episode(task="pick") as running:
            running.add({"action": np.ones(2)}, {CAMERA: drawn_frame(0, 1)})
    assert rows_of(tmp_path / "a", 0)["action"].tolist() == [[1.0, 1.0]]
    assert [path.name for path in tmp_path.rglob("*tmp*")] == []


def test_a_video_that_is_there_is_copied_as_it_is(tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    write_video(clip, [drawn_frame(0, row) for row in range(4)], np.arange(4) / 10, codec="av1")
    writer = EpisodeWriter(tmp_path / "a", fps=10, to="lerobot-2.1")
    writer.add_episode(given(0), task="pick", videos={CAMERA: clip})
    assert (tmp_path / f"a/videos/chunk-000/{CAMERA}/episode_000000.mp4").read_bytes() == clip.read_bytes()
    assert json.loads((tmp_path / "a/meta/info.json").read_text())["features"][CAMERA]["info"]["video.codec"] == "av1"
    with pytest.raises(LengthMismatchError, match=r"episode 1: .* expected an MP4 file of 6 frames, .*, got 4"):
        writer.add_episode(given(1), task="pick", videos={CAMERA: clip})
    with pytest.raises(
        SchemaError, match=r"observation\.images\.top: expected video \(48, 64, 3\) av1 .*, got .* h264"
    ):
        writer.add_episode(given(1), task="pick", videos={CAMERA: (drawn_frame(1, row) for row in range(6))})
    assert len(writer) == 1


def test_times_that_are_given_are_those_of_rows_and_frames(tmp_path: Path) -> None:
    times = np.array([0.05, 0.1, 0.21, 0.3])
    with EpisodeWriter(tmp_path / "a", fps=10) as writer:
        frames = [drawn_frame(0, row) for row in range(4)]
        writer.add_episode({**given(0), "timestamp": times.astype(np.float32)}, task="pick", videos={CAMERA: frames})
    np.testing.assert_array_equal(rows_of(tmp_path / "a", 0)["timestamp"], times.astype(np.float32))
    found = read_set(tmp_path / "a").episodes
    np.testing.assert_allclose(probe(tmp_path / "a" / found.video_files[0]).frame_s, times, atol=1e-6)


@pytest.mark.parametrize(
    ("to", "begin_s"), [("lerobot-3.0", 6e4), ("lerobot-3.0", 1.7e9 + 0.123456), ("lerobot-2.1", 1e6)]
)
def test_times_of_a_clock_that_began_long_ago_are_kept(tmp_path: Path, begin_s: float, to: LeRobotTarget) -> None:
    """Regression: such a set could not be finished, after every episode of it had been taken."""
    times = [begin_s + 7 * episode + np.arange(length) / 10 for episode, length in enumerate(LENGTHS)]
    with EpisodeWriter(tmp_path / "a", fps=10, to=to) as writer:
        for episode, length in enumerate(LENGTHS):
            frames = [drawn_frame(episode, row) for row in range(length)]
            columns = {"action": np.arange(length), "timestamp": times[episode]}
            writer.add_episode(columns, task="pick", videos={CAMERA: frames})
    found, at = read_set(tmp_path / "a", strict=True).episodes, 0
    steps = lapsdata.open_steps(tmp_path / "a")
    for episode, length in enumerate(LENGTHS):
        np.testing.assert_array_equal(rows_of(tmp_path / "a", episode)["timestamp"], times[episode])
        start_s = float(found.video_start_s[CAMERA][episode])
        with open_video(tmp_path / "a" / found.video_files[found.video_index[CAMERA][episode]]) as video:
            for row in range(length):
                # As LeRobot finds the frame of a row.
                image = video.at_time(start_s + times[episode][row], tolerance_s=1e-4).image
                assert np.abs(image.astype(int) - drawn_frame(episode, row)).max() <= 3
                np.testing.assert_allclose(steps.gather([at])[CAMERA][0].transpose(1, 2, 0), image, atol=3)
                at += 1
    assert not steps.time_offset_s


def test_texts_truth_values_and_matrices_are_columns_too(tmp_path: Path) -> None:
    columns: Mapping[str, Any] = {
        "done": np.array([False, True]),
        "pose": np.arange(24.0).reshape(2, 3, 4),
        "note": ["left", "right"],
    }
    names = {"pose": ["x", "y", "z"]}
    with EpisodeWriter(tmp_path / "a", fps="30000/1001", to="lerobot-2.1", names=names) as writer:
        writer.add_episode(columns, task="pick")
    told = json.loads((tmp_path / "a/meta/info.json").read_text())
    assert told["fps"] == pytest.approx(29.97003)
    assert told["features"]["pose"] == {"dtype": "float64", "shape": [3, 4], "names": ["x", "y", "z"]}
    table = pq.read_table(tmp_path / "a/data/chunk-000/episode_000000.parquet")
    assert table.column("pose").to_pylist() == columns["pose"].tolist()
    assert table.column("note").to_pylist() == ["left", "right"]
    assert table.column("done").to_pylist() == [False, True]
    stats = json.loads((tmp_path / "a/meta/episodes_stats.jsonl").read_text())["stats"]
    assert "note" not in stats
    assert np.shape(stats["pose"]["mean"]) == (3, 4)


def wrong(**columns: Any) -> dict[str, Any]:
    return {**given(1), **columns}


@pytest.mark.parametrize(
    ("columns", "kind", "told"),
    [
        ({}, LengthMismatchError, "expected columns of one length above 0, got none"),
        (wrong(action=np.zeros((5, 3), np.float32)), LengthMismatchError, "expected columns of one length above 0"),
        (wrong(index=np.zeros(6)), SchemaError, "expected no column index, got one: they are numbered here"),
        (wrong(timestamp=np.zeros(6)), SchemaError, "timestamp: expected a time for each row, rising"),
        (
            wrong(action=np.zeros((6, 2), np.float32)),
            SchemaError,
            r"action: expected float32 \(3,\) .*, got float32 \(2,",
        ),
        (wrong(action=np.zeros((6, 3))), SchemaError, r"action: expected float32 \(3,\) .*, got float64"),
        (wrong(more=np.zeros(6)), SchemaError, r"more: expected none as in the episodes before, got float64 \(1,\)"),
        (
            wrong(more=np.zeros(6, complex)),
            SchemaError,
            "more: expected numbers, truth values or texts, got complex128",
        ),
        (dict(list(given(1).items())[:1]), SchemaError, "action: expected .*, got none"),
    ],
)
def test_an_episode_unlike_the_others_is_refused_and_changes_nothing(
    tmp_path: Path, columns: dict[str, Any], kind: type[Exception], told: str
) -> None:
    writer = EpisodeWriter(tmp_path / "a", fps=10)
    writer.add_episode(given(0), task="pick")
    before = {path: path.read_bytes() for path in (tmp_path / "a").rglob("*") if path.is_file()}
    with pytest.raises(kind, match=told):
        writer.add_episode(columns, task="place")
    assert {path: path.read_bytes() for path in (tmp_path / "a").rglob("*") if path.is_file()} == before


def row_by_row(writer: EpisodeWriter, *rows: tuple[dict[str, Any], dict[str, Any]]) -> None:
    with writer.episode(task="pick") as running:
        for row, frames in rows:
            running.add(row, frames)


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([({"a": 0.0}, {}), ({"b": 0.0}, {})], r"row 1: expected \['a'\] as in the first row, got \['b'\]"),
        (
            [({"a": 0.0}, {CAMERA: np.zeros((4, 4, 3))})],
            r"row 0: .*: expected \(H, W, 3\) uint8 RGB, got \(4, 4, 3\) float64",
        ),
        (
            [({"a": 0.0}, {}), ({"a": 1}, {})],
            r"row 1: a: expected float64 \(\) as in the first row, got int64 \(\)",
        ),
    ],
)
def test_rows_unlike_the_first_are_refused(tmp_path: Path, rows: list[Any], told: str) -> None:
    writer = EpisodeWriter(tmp_path / "a", fps=10)
    with pytest.raises(SchemaError, match=told):
        row_by_row(writer, *rows)
    assert len(writer) == 0


def test_what_is_asked_of_a_recording(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match="expected rows per second, got none"):
        EpisodeWriter(tmp_path / "a")
    with pytest.raises(SchemaError, match=r"expected one of lerobot-2\.0, .*, got 'hdf5'"):
        EpisodeWriter(tmp_path / "a", fps=10, to="hdf5")  # type: ignore[arg-type]  # that is the test
    with pytest.raises(SchemaError, match=r"expected meta/recording\.json, .*, got none"):
        EpisodeWriter(tmp_path / "a", resume=True)
    EpisodeWriter(tmp_path / "a", fps=10).close(finish=False)
    with pytest.raises(StorageError, match=r"got an existing one; to go on .*resume=True\); else name another folder"):
        EpisodeWriter(tmp_path / "a", fps=10)
    with pytest.raises(SchemaError, match="nothing to go on with"):
        EpisodeWriter(tmp_path / "a", resume=True)
    with pytest.raises(SchemaError, match="expected an episode at least, got none recorded"):
        finish_recording(tmp_path / "a")


def test_a_name_for_each_number_is_asked(tmp_path: Path) -> None:
    writer = EpisodeWriter(tmp_path / "a", fps=10, names={"action": ["x", "y"]})
    with pytest.raises(SchemaError, match="action: expected a name for each of 3, got 2"):
        writer.add_episode(given(0), task="pick")


def test_left_with_an_error_it_opens_and_goes_on(tmp_path: Path) -> None:
    root = tmp_path / "a"

    def record() -> None:
        with EpisodeWriter(root, fps=10, robot="drawn") as writer:
            writer.add_episode(given(0), task="pick the cube")
            raise KeyboardInterrupt("enough")

    with pytest.raises(KeyboardInterrupt, match="enough"):
        record()
    assert read_set(root, strict=True).version == "v2.0"
    with pytest.raises(SchemaError, match="expected 10 rows per second, as was recorded, got 20"):
        EpisodeWriter(root, fps=20, resume=True)
    with EpisodeWriter(root, resume=True) as writer:
        assert len(writer) == 1
        writer.add_episode(given(1), task="place the cup")
        writer.add_episode(given(2), task="pick the cube")
    recorded(tmp_path / "b", "lerobot-3.0").close()
    for place in range(3):
        one, other = rows_of(root, place), rows_of(tmp_path / "b", place)
        assert one.keys() == other.keys()
        assert all((one[name] == other[name]).all() for name in one)


_KILLED = """
import sys
import numpy as np
from lapsdata.adapters.lerobot.recorder import EpisodeWriter
from lapsdata.testing.episode_sets import CAMERA

writer = EpisodeWriter(sys.argv[1], fps=10)
for episode in range(10_000):
    frames = (np.full((48, 64, 3), 20 + episode % 200, np.uint8) for _ in range(5))
    writer.add_episode({"action": np.full((5, 2), episode, np.float32)}, task="pick", videos={CAMERA: frames})
    print(episode, flush=True)
"""


@pytest.mark.parametrize("pause_s", [0.0, 0.003, 0.011, 0.02])
def test_killed_while_recording_it_has_all_episodes_that_were_told_and_goes_on(tmp_path: Path, pause_s: float) -> None:
    root = tmp_path / "a"
    with subprocess.Popen([sys.executable, "-c", _KILLED, str(root)], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        told = [int(child.stdout.readline()) for _ in range(3)]
        time.sleep(pause_s)
        child.send_signal(signal.SIGKILL)
        told += [int(line) for line in child.stdout if line.strip()]
    found = read_set(root)
    # It was told after it was on the disk: one more may be.
    assert len(found.episodes) in (told[-1] + 1, told[-1] + 2)
    for place in range(len(found.episodes)):
        rows = EpisodeRows(root, found.episodes).read(place, ["action"])["action"]
        assert rows.tolist() == [[place, place]] * 5
        assert probe(root / found.episodes.video_files[found.episodes.video_index[CAMERA][place]]).frames == 5
    with EpisodeWriter(root, resume=True) as writer:
        number = len(writer)
        frames = [drawn_frame(0, row) for row in range(5)]
        writer.add_episode({"action": np.full((5, 2), 7, np.float32)}, task="place", videos={CAMERA: frames})
    done = read_set(root, strict=True)
    assert (done.version, len(done.episodes)) == ("v3.0", number + 1)
    assert [task.words for task in done.episodes.header.tasks] == ["pick", "place"]
