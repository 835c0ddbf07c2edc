"""What a recorder is given is looked at before anything is written: what no reader takes costs nothing recorded."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lapsdata
from lapsdata.adapters.lerobot.reading import read_set
from lapsdata.adapters.lerobot.recorder import EpisodeWriter
from lapsdata.errors import LapsError, SchemaError, StorageError
from lapsdata.testing.episode_sets import CAMERA, drawn_frame
from lapsdata.video.reader import open_video
from lapsdata.video.writer import write_video

if TYPE_CHECKING:
    from pathlib import Path

ACTION = np.arange(6.0).reshape(3, 2)
FRAMES = [drawn_frame(0, row) for row in range(3)]


def content(root: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize("task", [None, 5, b"pick", ["pick"], "half \ud800"])
def test_a_task_that_is_no_text_costs_nothing(tmp_path: Path, task: Any) -> None:
    """Regression: it stood in the table of episodes, which nobody could read from then on."""
    writer = EpisodeWriter(tmp_path / "a", fps=10)
    writer.add_episode({"action": ACTION}, task="pick")
    before = content(tmp_path / "a")
    with pytest.raises(SchemaError, match=r"episode 1: task: expected what was to be done, in words"):
        writer.add_episode({"action": ACTION}, task=task)
    with pytest.raises(SchemaError, match=r"episode 1: task: expected what was"), writer.episode(task=task):
        pytest.fail("it began")
    assert content(tmp_path / "a") == before
    assert len(writer) == 1
    writer.add_episode({"action": ACTION}, task="")
    writer.close()
    assert [one.words for one in read_set(tmp_path / "a", strict=True).episodes.header.tasks] == ["pick", ""]


@pytest.mark.parametrize(
    ("columns", "cameras", "told"),
    [
        ({"action": ACTION}, ["action"], r"action: expected a name for each column and camera, got one for both"),
        ({"action": ACTION}, ["timestamp"], r'timestamp: .*"observation\.images\.timestamp"'),
        (
            {"action": ACTION, "action_is_pad": np.zeros(3)},
            [],
            r"action_is_pad: expected another name: in a sample it says at which times action has no row",
        ),
        ({"action": ACTION}, ["action_is_null"], "in which rows action has no value; give it another name"),
        ({"action": ACTION, "task": np.zeros(3)}, [], r'the words of the task; give it as task="\.\.\."'),
        ({"action": ACTION}, ["task"], "task: expected another name"),
        ({"": ACTION}, [], r"'': expected a name of 1 to 200 plain characters, got ''"),
        ({"a\nb": ACTION}, [], "expected a name of 1 to 200 plain characters"),
        ({"a" * 201: ACTION}, [], "expected a name of 1 to 200 plain characters"),
        ({5: ACTION}, [], "5: expected a name of 1 to 200 plain characters, got 5"),
        ({"state/arm": ACTION}, [], r"state/arm: expected a name, got 'state/arm': LeRobot takes no slash"),
        ({"action": ACTION}, ["../top"], "expected a camera whose files stay in the set"),
    ],
)
def test_names_that_no_reader_tells_apart_are_refused(
    tmp_path: Path, columns: Any, cameras: list[str], told: str
) -> None:
    """Regression: a camera called like a column took its place, and the numbers lay where nothing named them."""
    writer = EpisodeWriter(tmp_path / "a", fps=10)
    before = content(tmp_path / "a")
    with pytest.raises(SchemaError, match=told):
        writer.add_episode(columns, task="pick", videos=dict.fromkeys(cameras, FRAMES))
    with pytest.raises(SchemaError, match=told), writer.episode(task="pick") as running:
        running.add({name: array[0] for name, array in columns.items()}, dict.fromkeys(cameras, FRAMES[0]))
    assert content(tmp_path / "a") == before
    # What says nothing of another name is one like others.
    writer.add_episode({"action": ACTION, "done_is_pad": np.zeros(3)}, task="pick", videos={"tasks": FRAMES})
    writer.close()
    steps = lapsdata.open_steps(tmp_path / "a", {"action": [0, 0.1]}, strict=True)
    assert {"action_is_pad", "done_is_pad", "tasks"} <= set(steps[0])


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ({"action": np.zeros((3, 0))}, r"action: expected a number in each row at least, got shape \(3, 0\)"),
        (
            {"action": [[1, 2], [3], [4, 5]]},
            r"action: expected an array of .*, got list \(.*\); give all",
        ),
        ({"action": np.ma.masked_less(np.arange(3.0), 1)}, "action: expected a value in each place, got .* mask"),
        ({"action": [1.0, None, 2.0]}, "action: expected numbers, truth values or texts, got object"),
        ({"action": np.zeros(3, np.longdouble)}, "action: expected numbers, truth values or texts, got float128"),
        ({"action": np.zeros(3, "M8[s]")}, "action: expected numbers, truth values or texts, got datetime64"),
        ({"action": ["a", 2.5, "b"]}, "action: expected values of one kind, got numbers and texts; make two columns"),
        ({"action": [True, 2, 3]}, "action: expected values of one kind, got numbers and truth values"),
        ({"action": ["a", "\ud800", "b"]}, "action: expected texts, that UTF-8 can spell"),
        ({"action": ACTION, "timestamp": ["a", "b", "c"]}, "timestamp: expected a time for each row"),
        ({"action": ACTION, "timestamp": [True, True, True]}, "timestamp: expected a time for each row"),
        (np.zeros((3, 2)), r'episode 0: expected columns by name, got ndarray; give them as \{"action": array\}'),
        (None, "episode 0: expected columns by name, got NoneType"),
    ],
)
def test_columns_that_are_none_are_refused_with_a_word(tmp_path: Path, columns: Any, told: str) -> None:
    """Regression: errors of NumPy and Arrow, or numbers that came back as texts."""
    writer = EpisodeWriter(tmp_path / "a", fps=10)
    with pytest.raises(SchemaError, match=told):
        writer.add_episode(columns, task="pick")
    assert len(writer) == 0


@pytest.mark.parametrize(
    "dtype", [">f4", ">f8", ">i2", ">u8", "f2", "?", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"]
)
def test_each_type_of_numbers_comes_back(tmp_path: Path, dtype: str) -> None:
    values = np.array([[0, 1], [1, 0], [1, 1]]).astype(dtype)
    with EpisodeWriter(tmp_path / "a", fps=10) as writer:
        writer.add_episode({"action": values}, task="pick")
    got = lapsdata.open_steps(tmp_path / "a", strict=True).gather(range(3))["action"]
    assert got.dtype == np.dtype(dtype).newbyteorder("=")
    np.testing.assert_array_equal(got, values)


_ANY = st.one_of(
    st.none(),
    st.text(max_size=3),
    st.floats(),
    st.lists(st.one_of(st.integers(-9, 9), st.text(max_size=2), st.none(), st.booleans()), max_size=3),
    st.lists(st.lists(st.floats(-1, 1), max_size=2), max_size=3),
    st.binary(max_size=3),
)


@settings(max_examples=40, deadline=None)
@given(columns=st.dictionaries(st.text(max_size=4), _ANY, max_size=3), task=_ANY)
def test_whatever_is_given_is_written_whole_or_refused(
    tmp_path_factory: pytest.TempPathFactory, columns: dict[str, Any], task: Any
) -> None:
    root = tmp_path_factory.mktemp("given") / "a"
    writer = EpisodeWriter(root, fps=10)
    writer.add_episode({"action": ACTION}, task="pick")
    with contextlib.suppress(LapsError):
        writer.add_episode({"action": ACTION, **columns}, task=task)
    # Nothing but our own errors comes, and what is told to be there can be read.
    assert len(read_set(root, strict=True).episodes) == len(writer)


@pytest.mark.parametrize(
    ("row", "frames", "told"),
    [
        (
            {"a": 0.5},
            {CAMERA: [[1, 2, 3]]},
            rf"row 1: {CAMERA}: expected a NumPy array, .* RGB, got list",
        ),
        ({"a": 0.5}, {CAMERA: None}, "expected a NumPy array, .*, got None"),
        ({"a": 0.5}, {CAMERA: np.zeros((48, 64, 4), np.uint8)}, r"expected \(H, W, 3\) uint8 RGB, got \(48, 64, 4\)"),
        ({"a": 0.5}, {CAMERA: np.zeros((48, 62, 3), np.uint8)}, r"expected \(48, 64, 3\) as in the first row"),
        ({"a": 0.5}, {CAMERA: np.zeros((3, 5, 3), np.uint8)}, "expected even sides for 4:2:0 colour, got 5 x 3 pixel"),
        ({"a": "half"}, {CAMERA: FRAMES[0]}, r"row 1: a: expected float64 \(\) as in the first row, got text \(\)"),
        ({"a": [[1], [2, 3]]}, {CAMERA: FRAMES[0]}, "row 1: a: expected an array"),
        ({"a": []}, {CAMERA: FRAMES[0]}, r"row 1: a: expected a number in each row at least, got shape \(0,\)"),
    ],
)
def test_a_row_that_is_none_is_refused_and_the_next_one_counts(
    tmp_path: Path, row: dict[str, Any], frames: dict[str, Any], told: str
) -> None:
    """Regression: a bare error, or one of the whole episode when all of it had been recorded."""
    with EpisodeWriter(tmp_path / "a", fps=10) as writer, writer.episode(task="pick") as running:
        running.add({"a": 0.25}, {CAMERA: FRAMES[0]})
        with pytest.raises(SchemaError, match=told):
            running.add(row, frames)
        running.add({"a": 0.75}, {CAMERA: FRAMES[1]})
    assert lapsdata.open_steps(tmp_path / "a").gather([0, 1])["a"].tolist() == [0.25, 0.75]


def test_texts_of_several_lengths_are_one_column(tmp_path: Path) -> None:
    with EpisodeWriter(tmp_path / "a", fps=10, to="lerobot-2.1") as writer, writer.episode(task="pick") as running:
        for word in ("a", "longer", ""):
            running.add({"note": word, "a": 0})
    table = pq.read_table(tmp_path / "a/data/chunk-000/episode_000000.parquet")
    assert table.column("note").to_pylist() == ["a", "longer", ""]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"codec": "vp9"}, "codec: expected one of h264, av1, ffv1, got 'vp9'"),
        ({"gop": 0}, "gop: expected a whole number of frames, 1 or more, got 0"),
        ({"names": {"action": "xy"}}, r"names: expected a list of texts by column, got .*; names="),
        ({"names": [["x", "y"]]}, "names: expected a list of texts by column"),
        ({"names": {"action": ["x", 1]}}, "names: action: expected a list of texts, got 1"),
        ({"robot": 5}, "robot: expected a kind of robot, got 5"),
    ],
)
def test_options_that_cannot_be_are_refused_before_a_folder_is_made(
    tmp_path: Path, options: dict[str, Any], told: str
) -> None:
    """Regression: a codec of no camera and names of no column were passed over."""
    with pytest.raises(SchemaError, match=told):
        EpisodeWriter(tmp_path / "a", fps=10, **options)
    assert list(tmp_path.iterdir()) == []


def test_names_of_a_column_that_is_not_there_are_refused(tmp_path: Path) -> None:
    names = {"actin": ["x", "y"], CAMERA: ["r", "g", "b"]}
    writer = EpisodeWriter(tmp_path / "a", fps=10, names=names)
    with pytest.raises(SchemaError, match=r"expected names of columns, which are 'action', .*, got 'actin', 'obs"):
        writer.add_episode({"action": ACTION}, task="pick", videos={CAMERA: FRAMES})
    writer.close(finish=False)
    with EpisodeWriter(tmp_path / "b", fps=10, names={"action": ["x", "y"]}) as writer:
        writer.add_episode({"action": ACTION}, task="pick")
        writer.close(finish=False)
    with (
        EpisodeWriter(tmp_path / "b", resume=True, names={"action": ["y", "x"]}) as again,
        pytest.raises(SchemaError, match=r"expected .* called \['x', 'y'\] as in the .*, got .* called \['y', 'x'\]"),
    ):
        again.add_episode({"action": ACTION}, task="pick")


def test_the_path_of_a_video_may_be_a_text(tmp_path: Path) -> None:
    """Regression: the letters of the path were taken for frames."""
    clip = tmp_path / "clip.mp4"
    write_video(clip, FRAMES, np.arange(3) / 10)
    with EpisodeWriter(tmp_path / "a", fps=10, to="lerobot-2.1") as writer:
        writer.add_episode({"action": ACTION}, task="pick", videos={CAMERA: str(clip)})
        with pytest.raises(StorageError, match=r"nothing\.mp4: cannot open: no such file"):
            writer.add_episode({"action": ACTION}, task="pick", videos={CAMERA: "nothing.mp4"})
    assert (tmp_path / f"a/videos/chunk-000/{CAMERA}/episode_000000.mp4").read_bytes() == clip.read_bytes()


def test_frames_of_odd_sides_are_recorded_without_loss(tmp_path: Path) -> None:
    pictures = np.random.default_rng(3).integers(0, 256, (2, 3, 33, 47, 3), np.uint8)
    with EpisodeWriter(tmp_path / "a", fps=10, codec="ffv1") as writer:
        for each in pictures:
            writer.add_episode({"action": ACTION}, task="pick", videos={CAMERA: each})
    found = read_set(tmp_path / "a", strict=True)
    assert len(found.episodes.video_files) == 2
    for place, each in enumerate(pictures):
        with open_video(tmp_path / "a" / found.episodes.video_files[place]) as video:
            assert all((frame.image == each[at]).all() for at, frame in enumerate(video.frames(range(3))))


def test_frames_that_cannot_be_are_told_with_their_episode_and_camera(tmp_path: Path) -> None:
    writer = EpisodeWriter(tmp_path / "a", fps=10)
    with pytest.raises(SchemaError, match=rf"episode 0: {CAMERA}: .*: expected frames one after the other, got int"):
        writer.add_episode({"action": ACTION}, task="pick", videos={CAMERA: 5})  # type: ignore[dict-item]  # that is it
