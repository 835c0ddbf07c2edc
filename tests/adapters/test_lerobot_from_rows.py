"""Episodes of HDF5 as sets of LeRobot: every number, every time, every frame, and what files say of themselves."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from lapsdata.adapters import EpisodesEdit
from lapsdata.adapters.act_hdf5 import read as read_act
from lapsdata.adapters.lerobot.editing import edit_sets
from lapsdata.adapters.lerobot.from_rows import NO_TASK, write_rows
from lapsdata.adapters.lerobot.reading import read_set
from lapsdata.adapters.robomimic import read as read_robomimic
from lapsdata.adapters.robomimic import write as write_demos
from lapsdata.errors import CorruptDataError, SchemaError, StorageError
from lapsdata.storage import atomic
from lapsdata.storage.episode_rows import EpisodeRows
from lapsdata.testing.demo_files import drawn_jpeg, write_act, write_robomimic
from lapsdata.testing.episode_sets import drawn_frame, episode_rows
from tests.adapters.by_hand_lerobot import info_of, lines, rows_by_hand
from tests.adapters.full_disk import Full

if TYPE_CHECKING:
    from pathlib import Path

    from lapsdata.errors import Problem
    from lapsdata.formats import WriteReport

LENGTHS = (4, 6, 5)
TARGETS = ("lerobot-3.0", "lerobot-2.1", "lerobot-2.0", "gr00t")
ALL = EpisodesEdit()


def converted(path: Path, target: Path, to: Any = "lerobot-2.1", edit: EpisodesEdit = ALL, **said: Any) -> WriteReport:
    found = read_act(path, rate=10) if path.is_dir() else read_robomimic(path)
    return write_rows(target, found.container, path, to, edit, **said)  # type: ignore[arg-type]  # episodes


def told(report: WriteReport) -> dict[str, Problem]:
    found = {note.code: note for note in report.notes}
    assert len(found) == len(report.notes)
    return found


def listed(root: Path) -> list[dict[str, Any]]:
    if info_of(root)["codebase_version"] == "v3.0":
        found: list[dict[str, Any]] = pq.read_table(root / "meta/episodes/chunk-000/file-000.parquet").to_pylist()
        return found
    return lines(root / "meta/episodes.jsonl")


def expect_stored(root: Path, demo: h5py.Group, place: int, names: dict[str, str]) -> None:
    """Compare columns with what h5py gives: the types, the shapes and every bit."""
    episodes = read_set(root, strict=True).episodes
    rows = EpisodeRows(root, episodes)
    for old, new in names.items():
        stored, got = demo[old][()], rows.read(place, [new])[new]
        # One number in a list is one number in LeRobot.
        stored = stored.reshape(len(stored)) if stored.shape[1:] == (1,) else stored
        assert (got.dtype, got.shape) == (stored.dtype.newbyteorder("="), stored.shape), old
        assert got.tobytes() == stored.astype(got.dtype).tobytes(), old


# --- numbers ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("to", TARGETS)
def test_each_version_has_the_rows_of_the_demonstrations(tmp_path: Path, to: str) -> None:
    path = write_robomimic(tmp_path / "demo.hdf5", numbers=(0, 2, 10), images=True)
    before, done = path.read_bytes(), list[int]()
    report = converted(path, tmp_path / "set", to, task="pick it", tell=done.append)
    assert (path.read_bytes(), [units for units in done if units]) == (before, [1, 1, 1])
    assert (report.format, report.path) == ("lerobot", tmp_path / "set")
    found = read_set(tmp_path / "set", strict=True)
    assert (found.version, str(found.info.rate)) == ({"gr00t": "v2.0"}.get(to, f"v{to[-3:]}"), "10")
    assert found.info.robot == "Panda"
    rows = iter(rows_by_hand(tmp_path / "set"))
    for episode, wanted in enumerate(episode_rows(LENGTHS)):
        for row in range(LENGTHS[episode]):
            got = next(rows)
            assert got.task == "pick it"
            assert got.values["action"] == wanted.columns["action"][row].tolist()
            assert got.values["observation.joint_pos"] == wanted.columns["observation.state"][row].tolist()
            assert got.values["next.reward"] == wanted.columns["next.reward"][row]
            assert got.values["next.done"] is (row == LENGTHS[episode] - 1)
            assert got.values["timestamp"] == np.float32(row / 10)
            assert [got.values[name] for name in ("episode_index", "frame_index")] == [episode, row]
            (image,) = got.images.values()
            assert np.abs(image.astype(int) - drawn_frame(episode, row)).max() <= 3
    assert next(rows, None) is None
    assert [one.name for one in found.info.cameras] == ["observation.images.top_image"]
    assert (tmp_path / "set/meta/modality.json").exists() == (to == "gr00t")
    assert ("modality-made" in told(report)) == (to == "gr00t")


KINDS = ["f2", "f4", "f8", ">f8", ">i4", "i1", "i2", "i8", "u1", "u2", "u4", "u8", "?"]


def test_every_type_and_shape_stays_to_the_bit(tmp_path: Path) -> None:
    path, rows = tmp_path / "demo.hdf5", 3
    with h5py.File(path, "w") as file:
        demo = file.create_group("data/demo_0")
        for kind in KINDS:
            for shape in ((rows,), (rows, 1), (rows, 4), (rows, 2, 3)):
                values = np.arange(np.prod(shape)).reshape(shape).astype(kind)
                demo[f"obs/{np.dtype(kind).name}_{len(shape)}_{shape[-1]}_{kind[0] == '>'}"] = values
        demo["obs/odd"] = np.array([np.nan, -0.0, np.inf])
        demo["obs/words"] = np.array([b"pick", b"", "Ä".encode()])
        file["data"].attrs["env_args"] = json.dumps({"env_kwargs": {"control_freq": 20}})
    report = converted(path, tmp_path / "set", "lerobot-3.0")
    with h5py.File(path) as file:
        demo = file["data/demo_0"]
        names = {f"obs/{name}": f"observation.{name}" for name in demo["obs"] if name != "words"}
        expect_stored(tmp_path / "set", demo, 0, names)
    assert [row.values["observation.words"] for row in rows_by_hand(tmp_path / "set")] == ["pick", "", "Ä"]
    assert info_of(tmp_path / "set")["features"]["observation.words"]["dtype"] == "string"
    assert "which LeRobot does not tell from a number" in told(report)["single-numbers"].message


def elements(kind: str) -> dict[str, Any]:
    """Give numbers whose squares float64 holds: others have no deviation, and are refused."""
    return {"min_value": -1e100, "max_value": 1e100} if kind == "f8" else {}


@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_what_goes_to_lerobot_and_back_is_what_it_was(data: st.DataObject, tmp_path_factory: Any) -> None:
    folder, rows = tmp_path_factory.mktemp("there"), data.draw(st.lists(st.integers(1, 5), min_size=1, max_size=3))
    named = st.from_regex(r"(obs|next_obs|states|other)(/[a-z]{1,3}){1,2}", fullmatch=True)
    names = data.draw(st.lists(named, min_size=1, max_size=4, unique=True))
    # A dataset cannot lie below another one.
    names = [name for name in names if not any(other.startswith(f"{name}/") for other in names)]
    kinds = st.sampled_from(["f4", "f8", "i4", "u1", "?"])
    columns = {name: (data.draw(kinds), data.draw(st.sampled_from([(), (3,), (2, 2)]))) for name in names}
    with h5py.File(folder / "demo.hdf5", "w") as file:
        for number, count in enumerate(rows):
            for name, (kind, shape) in columns.items():
                values = data.draw(arrays.arrays(kind, (count, *shape), elements=elements(kind)))
                file[f"data/demo_{3 * number}/{name}"] = values
    found: Any = read_robomimic(folder / "demo.hdf5", rate="30000/1001")
    write_rows(folder / "set", found.container, folder / "demo.hdf5", "lerobot-3.0", ALL)
    back = read_set(folder / "set", strict=True).episodes
    write_demos(folder / "again.hdf5", back, root=folder / "set")
    assert str(back.header.rate) == str(found.rate)
    with h5py.File(folder / "demo.hdf5") as old, h5py.File(folder / "again.hdf5") as new:
        for number in range(len(rows)):
            before, after = old[f"data/demo_{3 * number}"], new[f"data/demo_{number}"]
            for name in columns:
                assert (after[name].dtype, after[name].shape) == (before[name].dtype, before[name].shape)
                assert after[name][()].tobytes() == before[name][()].tobytes()


# --- frames -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compress", [False, True])
def test_frames_of_act_are_those_of_their_rows(tmp_path: Path, compress: bool) -> None:
    folder = write_act(tmp_path / "act", compress=compress)
    report = converted(folder, tmp_path / "set", "lerobot-3.0", task="pick")
    rows = rows_by_hand(tmp_path / "set")
    frames = [(episode, row) for episode, length in enumerate(LENGTHS) for row in range(length)]
    for got, (episode, row) in zip(rows, frames, strict=True):
        image = got.images["observation.images.top"].astype(int)
        # JPEG comes before the video.
        assert np.abs(image - drawn_frame(episode, row)).max() <= (6 if compress else 3)
        assert got.values["observation.state"] == [episode, row, episode + row]
        assert got.values["observation.velocity"] == [0, 0, 0]
    notes = told(report)
    assert "became videos (h264)" in notes["frames-encoded"].message
    assert ("colours-as-stored" in notes) == compress


@pytest.mark.parametrize("to", ["lerobot-3.0", "lerobot-2.1", "lerobot-2.0"])
def test_statistics_of_frames_are_those_of_all_pixels(tmp_path: Path, to: str) -> None:
    rng = np.random.default_rng(0)
    frames = [rng.integers(0, 255, (length, 6, 8, 3), np.uint8) for length in (2, 3)]
    folder = tmp_path / "act"
    folder.mkdir()
    for number, pixels in enumerate(frames):
        with h5py.File(folder / f"episode_{number}.hdf5", "w") as file:
            file["action"], file["observations/qpos"] = np.zeros((len(pixels), 2)), np.zeros((len(pixels), 2))
            file["observations/images/top"] = pixels
    converted(folder, tmp_path / "set", to, task="pick")
    name, root = "observation.images.top", tmp_path / "set"
    found: list[tuple[dict[str, Any], np.ndarray]] = []
    if to != "lerobot-2.1":
        found.append((json.loads((root / "meta/stats.json").read_text())[name], np.concatenate(frames)))
    if to == "lerobot-2.1":
        each = [one["stats"][name] for one in lines(root / "meta/episodes_stats.jsonl")]
        found += list(zip(each, frames, strict=True))
    if to == "lerobot-3.0":
        begin = f"stats/{name}/"
        each = [{key.removeprefix(begin): one[key] for key in one if key.startswith(begin)} for one in listed(root)]
        found += list(zip(each, frames, strict=True))
    for got, pixels in found:
        values = pixels.reshape(-1, 3) / 255
        wanted = {"min": values.min(0), "max": values.max(0), "mean": values.mean(0), "std": values.std(0)}
        wanted |= {f"q{q:02d}": np.quantile(values, q / 100, axis=0) for q in (1, 10, 50, 90, 99)}
        assert {"min", "max", "mean", "std"} < got.keys()
        for kind in got.keys() - {"count"}:
            np.testing.assert_allclose(np.array(got[kind]).reshape(3), wanted[kind], atol=1e-12)
            assert np.shape(got[kind]) == (3, 1, 1)
        assert got.get("count", [len(pixels)]) == [len(pixels)]


def with_images(folder: Path, images: list[bytes]) -> Path:
    folder.mkdir()
    longest = max(map(len, images))
    with h5py.File(folder / "episode_0.hdf5", "w") as file:
        file["action"], file["observations/qpos"] = np.zeros((len(images), 2)), np.zeros((len(images), 2))
        padded = [np.frombuffer(image.ljust(longest, b"\0"), np.uint8) for image in images]
        file["observations/images/top"] = np.stack(padded)
    return folder


def jpeg(height: int, width: int) -> bytes:
    return drawn_jpeg(np.full((height, width, 3), 90, np.uint8))


@pytest.mark.parametrize(
    ("images", "kind", "message"),
    [
        ([jpeg(16, 16), jpeg(16, 32)], SchemaError, r"episode_0: .*top: row 1: expected 16x16 .*, got 32x16"),
        ([jpeg(16, 17)], SchemaError, r"top: expected frames of even sides, .*, got 17x16; leave it out: --drop obs"),
        ([jpeg(16, 16), b"\xff\xd8\xff no"], CorruptDataError, r"top: row 1: expected an image that can be decoded"),
    ],
)
def test_images_that_are_no_video_are_named(
    tmp_path: Path, images: list[bytes], kind: type[Exception], message: str
) -> None:
    folder = with_images(tmp_path / "act", images)
    with pytest.raises(kind, match=message):
        converted(folder, tmp_path / "set")
    assert [path.name for path in tmp_path.iterdir()] == ["act"]
    converted(folder, tmp_path / "set", edit=EpisodesEdit(drop=("observations/images/top",)))
    assert info_of(tmp_path / "set")["video_path"] is None


def test_odd_sides_are_told_before_anything_is_read(tmp_path: Path) -> None:
    path = write_robomimic(tmp_path / "demo.hdf5", lengths=(2,))
    with h5py.File(path, "r+") as file:
        for name, shape in (("a", (2, 5, 4, 3)), ("b", (2, 4, 7, 3))):
            file[f"data/demo_0/obs/{name}"] = np.zeros(shape, np.uint8)
    with pytest.raises(SchemaError, match=r"(?s)2 problems:.*obs/a: .*, got 4x5;.*obs/b: .*, got 7x4"):
        converted(path, tmp_path / "set")


def test_pictures_that_are_no_cameras_stay_numbers_and_are_told(tmp_path: Path) -> None:
    path = write_robomimic(tmp_path / "demo.hdf5", lengths=(2,))
    with h5py.File(path, "r+") as file:
        demo = file["data/demo_0"]
        demo["obs/first"] = np.arange(2 * 3 * 32 * 32, dtype=np.uint8).reshape(2, 3, 32, 32)
        demo["obs/depth"] = np.arange(2 * 32 * 32, dtype=np.float32).reshape(2, 32, 32, 1)
        demo["obs/pose"] = np.zeros((2, 4, 4))
    notes = told(converted(path, tmp_path / "set"))
    assert notes["channels-first"].message.startswith("'obs/first uint8 (3, 32, 32)' look like pictures with channels")
    assert notes["pictures-as-numbers"].message.startswith("'obs/depth float32 (32, 32, 1)' look like")
    with h5py.File(path) as file:
        names = {f"obs/{name}": f"observation.{name}" for name in ("first", "depth", "pose")}
        expect_stored(tmp_path / "set", file["data/demo_0"], 0, names)


# --- what is chosen, dropped and renamed --------------------------------------------------------------------------


def test_names_are_told_and_kept_in_info(tmp_path: Path) -> None:
    path = write_robomimic(tmp_path / "demo.hdf5", images=True)
    notes = told(converted(path, tmp_path / "set"))
    names = {
        "action": "actions", "next.done": "dones", "next.reward": "rewards",
        "observation.images.top_image": "obs/top_image", "observation.joint_pos": "obs/joint_pos",
    }  # fmt: skip
    assert info_of(tmp_path / "set")["source"]["names"] == names
    assert all(f"{old} is {new}" in notes["renamed"].message for new, old in names.items())
    assert "--rename OLD=observation.state" in str(notes["no-state"].fix)


def test_an_edit_goes_by_the_names_and_numbers_of_the_source(tmp_path: Path) -> None:
    path = write_robomimic(tmp_path / "demo.hdf5", numbers=(0, 2, 10), images=True)
    edit = EpisodesEdit(episodes="2:", drop=("rewards", "obs/top_image"), rename={"obs/joint_pos": "observation.state"})
    notes = told(converted(path, tmp_path / "set", edit=edit))
    rows = rows_by_hand(tmp_path / "set")
    assert len(rows) == 11
    assert rows[0].values["observation.state"] == [1, 0, 1]
    assert info_of(tmp_path / "set")["features"].keys() == {
        "action", "next.done", "observation.state", "timestamp", "frame_index", "episode_index", "index", "task_index",
    }  # fmt: skip
    assert notes["episodes-kept"].message.startswith("2 of 3 episodes are kept, 2, 10: they are numbered from 0 now")
    assert notes["dropped"].message == "left out: obs/top_image, rewards"
    assert [one["source_episode"] for one in listed(tmp_path / "set")] == ["demo_2", "demo_10"]
    assert {"no-state", "frames-encoded"}.isdisjoint(notes)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (EpisodesEdit(drop=("observation.joint_pos",)), r"drop: expected one of .*obs/joint_pos.*, got observation"),
        (EpisodesEdit(drop=("dones",), rename={"dones": "done"}), "expected a name that is kept, got dones"),
        (EpisodesEdit(episodes="3"), r"expected numbers of episodes that there are, 0-2, got 3"),
        (EpisodesEdit(rename={"dones": "a/b"}), r"rename: .* got 'a/b': LeRobot takes no slash"),
        (EpisodesEdit(rename={"dones": "index"}), "dones: .* got index: rows have it already"),
        (EpisodesEdit(rename={"dones": "action"}), "got action for 'actions', 'dones'; give one of them another"),
    ],
)
def test_what_cannot_be_chosen_is_told(tmp_path: Path, edit: EpisodesEdit, message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        converted(write_robomimic(tmp_path / "demo.hdf5"), tmp_path / "set", edit=edit)
    assert not (tmp_path / "set").exists()


def test_rows_that_came_from_lerobot_keep_their_numbers_beside_the_new_ones(tmp_path: Path) -> None:
    path = write_robomimic(tmp_path / "demo.hdf5", lengths=(3,))
    with h5py.File(path, "r+") as file:
        file["data/demo_0/timestamp"] = np.array([5.0, 6.5, 9.0])
        file["data/demo_0/index"] = np.array([7, 8, 9])
    converted(path, tmp_path / "set")
    rows = rows_by_hand(tmp_path / "set")
    assert [row.values["source.timestamp"] for row in rows] == [5.0, 6.5, 9.0]
    assert [(row.values["source.index"], row.values["index"]) for row in rows] == [(7, 0), (8, 1), (9, 2)]
    assert [row.values["timestamp"] for row in rows] == np.arange(3, dtype=np.float32).__truediv__(10).tolist()
    edit = EpisodesEdit(drop=("timestamp", "index"))
    converted(path, tmp_path / "bare", edit=edit)
    assert not any(name.startswith("source.") for name in info_of(tmp_path / "bare")["features"])


# --- tasks ------------------------------------------------------------------------------------------------------


def test_words_are_those_of_the_files_and_else_what_was_said(tmp_path: Path) -> None:
    path = write_robomimic(tmp_path / "demo.hdf5")
    with h5py.File(path, "r+") as file:
        file["data/demo_1"].attrs["ep_meta"] = json.dumps({"lang": "open the drawer"})
    notes = told(converted(path, tmp_path / "a"))
    assert [one["tasks"] for one in listed(tmp_path / "a")] == [[NO_TASK], ["open the drawer"], [NO_TASK]]
    assert "got none for 2 episodes: they have the task 'task not told'" in notes["no-task"].message
    assert "no-task" not in told(converted(path, tmp_path / "b", task="close it"))
    assert [one["tasks"] for one in listed(tmp_path / "b")] == [["close it"], ["open the drawer"], ["close it"]]
    assert "no-task" not in told(converted(path, tmp_path / "c", edit=EpisodesEdit(episodes="1")))
    with pytest.raises(SchemaError, match="task: expected none, got one: the files say of each episode"):
        converted(path, tmp_path / "d", edit=EpisodesEdit(episodes="1"), task="close it")
    with h5py.File(path, "r+") as file:
        file["data"].attrs["problem_info"] = json.dumps({"language_instruction": ["put ", "it"]})
    converted(path, tmp_path / "e", "lerobot-3.0")
    assert {row.task for row in rows_by_hand(tmp_path / "e")} == {"put it", "open the drawer"}


# --- what files say beside ----------------------------------------------------------------------------------------


def test_lists_of_demonstrations_are_splits_where_they_are_spans(tmp_path: Path) -> None:
    path = write_robomimic(tmp_path / "demo.hdf5", lengths=(2, 2, 2, 2), numbers=(1, 3, 5, 7))
    with h5py.File(path, "r+") as file:
        file["mask/best"] = np.array([b"demo_1", b"demo_7"])
    notes = told(converted(path, tmp_path / "set", "lerobot-3.0"))
    assert info_of(tmp_path / "set")["splits"] == {"train": "0:3", "valid": "3:4"}
    assert notes["splits-made"].message == "lists of episodes are splits: train 0:3, valid 3:4"
    assert notes["splits-left-behind"].message.startswith("episodes of 'best' do not lie side by side")
    keys = [one["filter_keys"] for one in listed(tmp_path / "set")]
    assert keys == [["best", "train"], ["train"], ["train"], ["best", "valid"]]
    notes = told(converted(path, tmp_path / "some", edit=EpisodesEdit(episodes="1,5")))
    assert info_of(tmp_path / "some")["splits"] == {"best": "0:1", "train": "0:2"}
    assert notes["splits-empty"].message == "no episode of 'valid' is kept: the lists are left out"


def test_without_a_list_that_is_a_span_all_episodes_are_one_split(tmp_path: Path) -> None:
    path = write_robomimic(tmp_path / "demo.hdf5")
    with h5py.File(path, "r+") as file:
        del file["mask"]
        file["mask/train"] = np.array([b"demo_0", b"demo_2"])
    notes = told(converted(path, tmp_path / "set"))
    assert info_of(tmp_path / "set")["splits"] == {"train": "0:3"}
    assert "they are no splits" in notes["splits-left-behind"].message


def test_attributes_go_along_and_stay_with_their_episode(tmp_path: Path) -> None:
    path = write_robomimic(tmp_path / "demo.hdf5", numbers=(0, 4, 6))
    with h5py.File(path, "r+") as file:
        file["data"].attrs["date"] = "monday"
    notes = told(converted(path, tmp_path / "set", "lerobot-3.0"))
    source = info_of(tmp_path / "set")["source"]
    assert (source["env_args"]["env_name"], source["data"]) == ("Drawn", {"date": "monday"})
    assert "env_args (info.json: source), attributes of data, date" in notes["carried-along"].message
    assert [json.loads(one["attributes"]) for one in listed(tmp_path / "set")] == [
        {"success": True}, {"success": False}, {"success": True},
    ]  # fmt: skip
    edit_sets([tmp_path / "set"], tmp_path / "some", "lerobot-2.1", EpisodesEdit(episodes="1:"))
    assert [one["source_episode"] for one in listed(tmp_path / "some")] == ["demo_4", "demo_6"]
    assert [json.loads(one["attributes"])["success"] for one in listed(tmp_path / "some")] == [False, True]
    again = write_demos(tmp_path / "again.hdf5", read_set(tmp_path / "some").episodes, root=tmp_path / "some")
    left = told(again)["left-behind"].message
    assert "what its table of episodes tells beside ('source_episode', 'attributes', 'filter_keys')" in left
    assert "attributes of data that it was made of" in left


def test_attributes_and_words_of_files_of_act(tmp_path: Path) -> None:
    folder = write_act(tmp_path / "act", attributes={"language_instruction": "pour"})
    converted(folder, tmp_path / "set")
    assert [one["tasks"] for one in listed(tmp_path / "set")] == [["pour"]] * 3
    assert json.loads(listed(tmp_path / "set")[2]["attributes"]) == {
        "sim": False, "compress": False, "language_instruction": "pour",
    }  # fmt: skip
    assert [one["source_episode"] for one in listed(tmp_path / "set")] == [f"episode_{n}" for n in range(3)]


# --- whole or not at all ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("to", ["lerobot-3.0", "gr00t"])
def test_a_disk_that_is_full_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, to: str) -> None:
    path = write_robomimic(tmp_path / "demo.hdf5", lengths=(2, 2), images=True)
    counter = Full(1000, atomic.flush)
    with monkeypatch.context() as patch:
        patch.setattr(atomic, "flush", counter)
        converted(path, tmp_path / "whole", to)
    for room in range(0, 1000 - counter.left, 7):
        with monkeypatch.context() as patch:
            patch.setattr(atomic, "flush", Full(room, atomic.flush))
            with pytest.raises(StorageError, match="no space left on the device"):
                converted(path, tmp_path / "set", to)
        assert sorted(one.name for one in tmp_path.iterdir()) == ["demo.hdf5", "whole"]


def test_what_is_there_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    with pytest.raises(StorageError, match="expected a free name, got an existing one"):
        converted(write_robomimic(tmp_path / "demo.hdf5"), tmp_path / "set")
    assert list((tmp_path / "set").iterdir()) == []


_CONVERTED = """
import sys
from pathlib import Path
from lapsdata.adapters import EpisodesEdit
from lapsdata.adapters.lerobot.from_rows import write_rows
from lapsdata.adapters.robomimic import read

source, target = map(Path, sys.argv[1:])
told = lambda count: print("one", flush=True)
write_rows(target, read(source).container, source, "lerobot-3.0", EpisodesEdit(), tell=told)
"""


def test_a_killed_conversion_leaves_no_half_of_a_set(tmp_path: Path) -> None:
    path = write_robomimic(tmp_path / "demo.hdf5", lengths=(3,) * 16)
    command = [sys.executable, "-c", _CONVERTED, str(path), str(tmp_path / "set")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert [child.stdout.readline() for _ in range(2)] == ["one\n"] * 2
        time.sleep(0.01)
        child.send_signal(signal.SIGKILL)
    assert not (tmp_path / "set").exists()
    assert [one.name.startswith(atomic.TEMPORARY) for one in tmp_path.iterdir() if one != path] == [True]
    converted(path, tmp_path / "set")
    assert len(read_set(tmp_path / "set", strict=True).episodes) == 16


def test_equal_sources_give_equal_bytes(tmp_path: Path) -> None:
    path = write_robomimic(tmp_path / "demo.hdf5", images=True)
    for name in "ab":
        converted(path, tmp_path / name, "lerobot-3.0")
    files = sorted(one.relative_to(tmp_path / "a") for one in (tmp_path / "a").rglob("*") if one.is_file())
    assert len(files) >= 6
    for one in files:
        assert (tmp_path / "a" / one).read_bytes() == (tmp_path / "b" / one).read_bytes()
