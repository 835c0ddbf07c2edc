"""Episodes of ACT, a file for each: pixels or bytes of images, rates, files that cannot be read."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest

from lapsdata.adapters import find_adapter
from lapsdata.adapters.act_hdf5 import read
from lapsdata.errors import LapsError, SchemaError, StorageError
from lapsdata.storage.episode_rows import EpisodeRows
from lapsdata.testing.demo_files import drawn_jpeg, write_act
from lapsdata.testing.episode_sets import drawn_frame, episode_rows

if TYPE_CHECKING:
    from lapsdata.adapters import Adapted

SAMPLES = Path(__file__).parents[1] / "samples" / "act_hdf5"
TOP = "observations/images/top"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_act(tmp_path / "set")


def episodes_of(found: Adapted) -> Any:
    return found.container


def test_the_samples_are_what_was_written() -> None:
    found = read(SAMPLES, rate=50)
    episodes = episodes_of(found)
    assert found.notes == ()
    assert (episodes.number.tolist(), episodes.rows.tolist(), episodes.groups) == ([0, 1], [3, 2], ("/", "/"))
    assert [(one.name, one.dtype, one.shape) for one in episodes.header.features] == [
        ("action", "float32", (3,)),
        ("observations/qpos", "float32", (3,)),
        ("observations/qvel", "float32", (3,)),
    ]
    assert [(one.name, one.stored, one.size) for one in episodes.header.cameras] == [(TOP, "encoded", None)]
    rows = EpisodeRows(SAMPLES, episodes)
    assert rows.values(1, TOP, 1) == [drawn_jpeg(drawn_frame(1, 1))]
    wanted = episode_rows((3, 2))[1].columns["observation.state"]
    assert rows.read(1, ["observations/qpos"])["observations/qpos"].tolist() == wanted.tolist()


def test_a_folder_and_a_file_of_it_are_known(folder: Path, tmp_path: Path) -> None:
    for path in (folder, folder / "episode_1.hdf5"):
        known = find_adapter(path)
        assert known is not None
        assert (known[0].name, known[1]) == ("act_hdf5", "episodes")
        assert known[0].recognises(tmp_path) is None
    (tmp_path / "episode_0.hdf5").write_text("no")
    assert known[0].recognises(tmp_path) is None
    shutil.copy(folder / "episode_2.hdf5", tmp_path / "take.hdf5")
    assert episodes_of(read(tmp_path / "take.hdf5", rate=50)).number.tolist() == [0]
    assert episodes_of(read(folder / "episode_2.hdf5", rate=50)).number.tolist() == [2]


def test_pixels_have_their_size(folder: Path) -> None:
    episodes = episodes_of(read(folder, rate=50))
    (camera,) = episodes.header.cameras
    assert (camera.name, camera.stored, camera.size.width, camera.size.height) == (TOP, "pixels", 64, 48)
    frames = EpisodeRows(folder, episodes).values(2, TOP, 1, 3)
    assert all(np.array_equal(frame, drawn_frame(2, row)) for frame, row in zip(frames, (1, 2), strict=True))


def test_files_are_in_the_order_of_their_numbers(folder: Path) -> None:
    (folder / "episode_1.hdf5").rename(folder / "episode_10.hdf5")
    episodes = episodes_of(read(folder, rate=50))
    assert episodes.files == ("episode_0.hdf5", "episode_2.hdf5", "episode_10.hdf5")
    assert episodes.number.tolist() == [0, 2, 10]


# --- time -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("attributes", [{"fps": 30}, {"control_freq": np.float64(30)}, {"rate": b"30", "fps": "30"}])
def test_a_rate_may_be_an_attribute(attributes: dict[str, Any], tmp_path: Path) -> None:
    found = read(write_act(tmp_path / "set", attributes=attributes))
    assert (str(found.rate), found.rate_origin) == ("30", "an attribute of the files")


@pytest.mark.parametrize("attributes", [{}, {"rate": "fast"}, {"fps": 0}, {"fps": h5py.Empty("f4")}])
def test_a_rate_that_is_not_told_is_asked_for(attributes: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match="expected rows per second, got none: the layout has no times, and no file"):
        read(write_act(tmp_path / "set", attributes=attributes))


def test_several_rates_are_refused(folder: Path) -> None:
    for number, rate in enumerate((30, 30, 50)):
        with h5py.File(folder / f"episode_{number}.hdf5", "r+") as file:
            file.attrs["fps"] = rate
    with pytest.raises(SchemaError, match="expected one rate in all files, got 30 in 2, 50 in 1 of them"):
        read(folder)


# --- attributes -------------------------------------------------------------------------------------------------


def test_attributes_are_told_of_each_file_and_odd_ones_named(folder: Path) -> None:
    with h5py.File(folder / "episode_1.hdf5", "r+") as file:
        file.attrs["prompt"], file.attrs["pose"] = "x" * 1001, np.zeros(3)
        file.attrs["success"], file.attrs["weight"] = True, np.nan
    found = read(folder, rate=50)
    extras = episodes_of(found).header.extras
    assert extras["attributes"]["episode_1"] == {"sim": False, "compress": False, "success": True}
    assert extras["attributes"]["episode_0"] == {"sim": False, "compress": False}
    (note,) = found.notes
    assert (note.code, note.severity) == ("attributes-left-out", "info")
    assert note.message == "attributes of files that are no short value are left out: 'pose', 'prompt', 'weight'"


def test_an_instruction_is_the_task_of_its_file(folder: Path) -> None:
    for number, words in ((0, "pour"), (2, b"wipe")):
        with h5py.File(folder / f"episode_{number}.hdf5", "r+") as file:
            file.attrs["language_instruction"] = words
    with h5py.File(folder / "episode_1.hdf5", "r+") as file:
        file.attrs["language_instruction"] = 3
    episodes = episodes_of(read(folder, rate=50))
    assert [(task.number, task.words) for task in episodes.header.tasks] == [(0, "pour"), (1, "wipe")]
    assert [episodes.tasks_of(place).tolist() for place in range(3)] == [[0], [], [1]]


# --- what is wrong ----------------------------------------------------------------------------------------------


def test_files_that_cannot_be_read_are_left_out_together(folder: Path) -> None:
    for number in range(3, 8):
        shutil.copy(folder / "episode_0.hdf5", folder / f"episode_{number}.hdf5")
    for number in (3, 4):
        (folder / f"episode_{number}.hdf5").write_bytes(b"version https://git-lfs")
    whole = (folder / "episode_0.hdf5").read_bytes()
    (folder / "episode_5.hdf5").write_bytes(whole[: len(whole) // 2])
    with h5py.File(folder / "episode_6.hdf5", "r+") as file:
        del file["action"]
    shutil.copy(folder / "episode_1.hdf5", folder / "episode_1.h5")
    found = read(folder, rate=50)
    assert episodes_of(found).number.tolist() == [0, 1, 2, 7]
    told = {note.code: note.message for note in found.notes}
    assert set(told) == {"not-hdf5", "truncated-file", "no-action", "episode-twice"}
    assert told["not-hdf5"].endswith("of 9 episodes left out: 3-4")
    assert told["no-action"].startswith("expected action with rows, got observations/images/top, observations/qpos")
    with pytest.raises(SchemaError, match="no-action"):
        read(folder, rate=50, strict=True)


def test_a_folder_of_nothing_that_can_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match=r"expected episode_<number>.hdf5, got none"):
        read(tmp_path, rate=50)
    (tmp_path / "episode_0.hdf5").write_bytes(b"")
    with pytest.raises(SchemaError, match="got 0 bytes; of 1 episodes left out: 0"):
        read(tmp_path, rate=50)
    with pytest.raises(StorageError, match="no such file"):
        read(tmp_path / "nowhere", rate=50)


def test_bytes_that_are_no_image_are_left_out(folder: Path) -> None:
    for number, rows in enumerate((4, 6, 5)):
        with h5py.File(folder / f"episode_{number}.hdf5", "r+") as file:
            file["observations/images/flow"] = np.ones((rows, 9), np.uint8)
            file["observations/images/depth"] = np.ones((rows, 4, 6), np.uint16)
    found = read(folder, rate=50)
    (note,) = found.notes
    assert (note.code, note.severity) == ("not-an-image", "warning")
    assert note.message == r"expected bytes of JPEG or PNG, got b'\x01\x01\x01\x01\x01\x01\x01\x01': left out"
    header = episodes_of(found).header
    assert [one.name for one in header.cameras] == [TOP]
    assert "observations/images/depth" in {one.name for one in header.features}


def test_a_camera_may_be_stored_as_bytes_of_their_own_length(folder: Path) -> None:
    for number, rows in enumerate((4, 6, 5)):
        images = [drawn_jpeg(drawn_frame(number, row)) for row in range(rows)]
        with h5py.File(folder / f"episode_{number}.hdf5", "r+") as file:
            del file[TOP]
            stored = file.create_dataset(TOP, (rows,), h5py.vlen_dtype(np.uint8))
            for row, image in enumerate(images):
                stored[row] = np.frombuffer(image, np.uint8)
            file["observations/images/side"] = np.array(images)
    episodes = episodes_of(read(folder, rate=50))
    assert [one.stored for one in episodes.header.cameras] == ["encoded", "encoded"]
    rows_read = EpisodeRows(folder, episodes)
    for camera in (TOP, "observations/images/side"):
        assert rows_read.values(2, camera, 4) == [drawn_jpeg(drawn_frame(2, 4))]


def test_an_empty_group_of_cameras_and_odd_datasets_do_no_harm(tmp_path: Path) -> None:
    """As recorders write them that have no camera: times as float32, and arrays of another length."""
    with h5py.File(tmp_path / "episode_0.hdf5", "w") as file:
        file["action"], file["observations/qpos"] = np.zeros((5, 2)), np.zeros((5, 2))
        file.create_group("observations/images")
        file["timestamps"] = np.arange(5, dtype=np.float32)
        file["language_raw"] = np.array([b"pick"])
    found = read(tmp_path, rate=50)
    header = episodes_of(found).header
    assert (header.cameras, header.time) == ((), None)
    assert [one.name for one in header.features] == ["action", "observations/qpos", "timestamps"]
    assert [note.code for note in found.notes] == ["unlike-length", "columns-left-out"]


def test_damage_anywhere_is_an_error_of_ours_or_harmless(tmp_path: Path) -> None:
    whole = (SAMPLES / "episode_0.hdf5").read_bytes()
    random = np.random.default_rng(5)
    damaged = tmp_path / "episode_0.hdf5"
    for at in random.integers(0, len(whole), 150).tolist():
        flipped = bytes([whole[at] ^ (1 << int(random.integers(8)))])
        damaged.write_bytes(whole[:at] + flipped + whole[at + 1 :] if at % 3 else whole[:at])
        with contextlib.suppress(LapsError):
            episodes = episodes_of(read(tmp_path, rate=50))
            rows = EpisodeRows(tmp_path, episodes)
            for camera in episodes.header.cameras:
                assert len(rows.values(0, camera.name)) == int(episodes.rows[0])
            for feature in episodes.header.features:
                assert feature.dtype == "text" or len(rows.read(0, [feature.name])[feature.name]) == episodes.rows[0]
