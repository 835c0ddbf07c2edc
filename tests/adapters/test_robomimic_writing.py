"""Episodes written as demonstrations: read back to the same rows, and what was lost is named."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.adapters.act_hdf5 import read as read_act
from lapsdata.adapters.lerobot.reading import read_set
from lapsdata.adapters.robomimic import PLUGIN, read, write
from lapsdata.errors import CorruptDataError, SchemaError, StorageError
from lapsdata.schema import Feature
from lapsdata.storage.episode_rows import EpisodeRows
from lapsdata.testing.demo_files import drawn_jpeg, write_act, write_robomimic
from lapsdata.testing.episode_sets import CAMERA, drawn_frame, episode_rows, write_lerobot
from lapsdata.timebase import FrameRate

if TYPE_CHECKING:
    from pathlib import Path

LENGTHS = (4, 6, 5)


def episodes_at(path: Path) -> Any:
    return read(path).container


def test_demonstrations_come_back_as_they_were(tmp_path: Path) -> None:
    path = write_robomimic(tmp_path / "demo.hdf5", numbers=(0, 2, 10), images=True)
    with h5py.File(path, "r+") as file:
        file["data"].attrs["problem_info"] = json.dumps({"language_instruction": "open it"})
        for number, rows in ((0, 4), (2, 6), (10, 5)):
            file[f"data/demo_{number}/obs/words"] = np.array([b"pick", b"", *[b"\xc3\x84"] * (rows - 2)])
    given_ = episodes_at(path)
    report = write(tmp_path / "again.hdf5", given_, root=tmp_path)
    again = episodes_at(tmp_path / "again.hdf5")
    assert again.header.model_copy(update={"provenance": given_.header.provenance}) == given_.header
    assert (again.number.tolist(), again.groups) == (given_.number.tolist(), given_.groups)
    assert (report.format, report.notes, report.nbytes) == (
        "robomimic",
        (),
        (tmp_path / "again.hdf5").stat().st_size,
    )
    old, new = EpisodeRows(tmp_path, given_), EpisodeRows(tmp_path, again)
    names = [one.name for one in again.header.features if one.dtype != "text"]
    for place in range(3):
        for name, array in new.read(place, names).items():
            assert array.tolist() == old.read(place, [name])[name].tolist()
        assert new.values(place, "obs/words") == old.values(place, "obs/words")
        assert np.array_equal(new.values(place, "obs/top_image"), old.values(place, "obs/top_image"))


def test_equal_episodes_give_equal_bytes(tmp_path: Path) -> None:
    episodes = episodes_at(write_robomimic(tmp_path / "demo.hdf5", images=True))
    for name in ("a.hdf5", "b.hdf5"):
        write(tmp_path / name, episodes, root=tmp_path)
    assert (tmp_path / "a.hdf5").read_bytes() == (tmp_path / "b.hdf5").read_bytes()


@pytest.mark.parametrize("version", ["v2.0", "v2.1", "v3.0"])
def test_a_set_of_lerobot_has_the_names_that_robomimic_looks_for(version: str, tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "set", version=version, lengths=LENGTHS, videos=True)
    report = write(tmp_path / "demo.hdf5", read_set(root).episodes, root=root)
    with h5py.File(tmp_path / "demo.hdf5") as file:
        assert file["data"].attrs["total"] == 15
        assert list(file["mask/train"]) == [b"demo_0", b"demo_1", b"demo_2"]
        for number, wanted in enumerate(episode_rows(LENGTHS)):
            demo = file[f"data/demo_{number}"]
            assert demo.attrs["num_samples"] == LENGTHS[number]
            assert demo["actions"][:].tolist() == wanted.columns["action"].tolist()
            assert demo["obs/state"][:].tolist() == wanted.columns["observation.state"].tolist()
            assert demo["rewards"][:].tolist() == wanted.columns["next.reward"].tolist()
            assert demo["timestamp"].dtype == np.float32
    told = {note.code: note for note in report.notes}
    assert told["renamed"].message == (
        "called as robomimic does: observation.state is obs/state, action is actions, next.reward is rewards"
    )
    assert told["no-environment"].severity == "info"
    left = told["left-behind"]
    assert left.severity == "warning"
    assert f"the cameras '{CAMERA} (video)', whose frames are not decoded" in left.message
    assert "that timestamp is the time of a row" in left.message
    assert "'splits'" not in left.message
    found = read(tmp_path / "demo.hdf5")
    again: Any = found.container
    assert found.notes == ()
    assert (str(again.header.rate), again.header.robot) == ("10", "drawn")
    assert [task.words for task in again.header.tasks] == ["pick the cube", "place the cup"]
    assert again.task_number.tolist() == [0, 1, 0]


def test_episodes_of_act_keep_their_pixels(tmp_path: Path) -> None:
    folder = write_act(tmp_path / "set")
    report = write(tmp_path / "demo.hdf5", read_act(folder, rate=50).container, root=folder)  # type: ignore[arg-type]
    again = episodes_at(tmp_path / "demo.hdf5")
    (camera,) = again.header.cameras
    assert (camera.name, camera.stored) == ("obs/images/top", "pixels")
    assert np.array_equal(EpisodeRows(tmp_path, again).values(2, camera.name, 4)[0], drawn_frame(2, 4))
    assert {note.code for note in report.notes} == {"renamed", "no-environment"}


def test_images_in_rows_are_decoded(tmp_path: Path) -> None:
    folder = write_act(tmp_path / "act", compress=True)
    for root in (folder, folder / "episode_2.hdf5"):
        target = tmp_path / f"{root.stem}.hdf5"
        report = write(target, read_act(root, rate=50).container, root=root)  # type: ignore[arg-type]  # episodes
        assert (
            "images of 'observations/images/top' are decoded"
            in {n.code: n for n in report.notes}["images-decoded"].message
        )
        with h5py.File(target) as file:
            demo = file["data/demo_2"]
            assert (demo["obs/images/top"].dtype, demo["obs/images/top"].shape) == (np.uint8, (5, 48, 64, 3))
            for row in range(5):
                assert np.abs(demo["obs/images/top"][row].astype(int) - drawn_frame(2, row)).max() <= 3
            assert (demo.attrs["sim"], demo.attrs["compress"]) == (False, True)


def test_images_of_several_sizes_are_no_camera(tmp_path: Path) -> None:
    folder = write_act(tmp_path / "act", compress=True)
    images = [drawn_jpeg(np.full((16, width, 3), 90, np.uint8)) for width in (16, 16, 16, 32)]
    with h5py.File(folder / "episode_0.hdf5", "r+") as file:
        del file["observations/images/top"]
        longest = max(map(len, images))
        padded = [np.frombuffer(image.ljust(longest, b"\0"), np.uint8) for image in images]
        file["observations/images/top"] = np.stack(padded)
    with pytest.raises(SchemaError, match=r"episode_0: .*top: row 3: expected 16x16 .*, got 32x16"):
        write(tmp_path / "demo.hdf5", read_act(folder, rate=50).container, root=folder)  # type: ignore[arg-type]
    assert not (tmp_path / "demo.hdf5").exists()


def test_files_are_closed_when_all_is_written(tmp_path: Path) -> None:
    path = write_robomimic(tmp_path / "demo.hdf5")
    write(tmp_path / "again.hdf5", episodes_at(path), root=path)
    with h5py.File(path, "r+") as file:
        file["data"].attrs["date"] = "monday"
    assert episodes_at(path).header.extras["data"]["date"] == "monday"


@pytest.mark.parametrize(
    "names", [{"action": "actions"}, ["action"], {"action": 5}, {"action": "obs/state", "x": None}]
)
def test_what_a_set_says_of_its_source_is_taken_as_it_fits(names: Any, tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "set")
    info = json.loads((root / "meta/info.json").read_text())
    (root / "meta/info.json").write_text(json.dumps({**info, "source": {"names": names, "env_args": 3, "data": 7}}))
    write(tmp_path / "demo.hdf5", read_set(root).episodes, root=root)
    called = (
        {"5"} if names == {"action": 5} else {"actions"} if names != {"action": "obs/state", "x": None} else {"action"}
    )
    with h5py.File(tmp_path / "demo.hdf5") as file:
        # Where two would have one name, each keeps its own.
        assert called < set(file["data/demo_0"])
        assert ("observation.state" in file["data/demo_0"]) == (called == {"action"})


def test_what_is_told_of_columns_has_no_place_and_is_named(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "set")
    info = json.loads((root / "meta/info.json").read_text())
    info["features"]["action"]["info"] = {"levels": [8, 6]}
    (root / "meta/info.json").write_text(json.dumps(info))
    notes = write(tmp_path / "demo.hdf5", read_set(root).episodes, root=root).notes
    [note] = [one for one in notes if one.code == "left-behind"]
    assert "what the data set says of columns beside ('action')" in note.message
    assert not any(word in note.message for word in ("data_path", "chunks_size", "features"))


def test_pixels_are_copied_in_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    episodes = episodes_at(write_robomimic(tmp_path / "demo.hdf5", images=True))
    monkeypatch.setattr("lapsdata.adapters.robomimic.writing._BLOCK", 4)
    write(tmp_path / "again.hdf5", episodes, root=tmp_path)
    with h5py.File(tmp_path / "again.hdf5") as file:
        frames = file["data/demo_1/obs/top_image"][:]
    assert np.array_equal(frames, [drawn_frame(1, row) for row in range(6)])


@given(rate=st.fractions(Fraction(1, 1000), 1000, max_denominator=100_000))
def test_any_rate_comes_back(rate: Fraction, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("demo")
    exact = FrameRate(rate.numerator, rate.denominator)
    for env_args in ({}, {"env_name": "Lift", "control_freq": 1}, {"sim_args": {"dt": 0.01, "decimation": 2}}):
        path = folder / "demo.hdf5"
        path.unlink(missing_ok=True)
        (folder / "again.hdf5").unlink(missing_ok=True)
        episodes = read(write_robomimic(path, lengths=(2,), env_args=env_args), rate=exact).container
        write(folder / "again.hdf5", episodes, root=folder)  # type: ignore[arg-type]
        again: Any = read(folder / "again.hdf5").container
        assert again.header.rate == exact
        told = again.header.extras["env_args"]
        assert all(told[name] == value for name, value in env_args.items() if name != "control_freq")


def test_lists_hold_those_that_are_there(tmp_path: Path) -> None:
    episodes = episodes_at(write_robomimic(tmp_path / "demo.hdf5"))
    header = episodes.header
    masks = {"few": ["demo_1", "demo_9"], "none": ["demo_9"]}
    other = replace(episodes, header=header.model_copy(update={"extras": {**header.extras, "mask": masks}}))
    write(tmp_path / "again.hdf5", other, root=tmp_path)
    assert episodes_at(tmp_path / "again.hdf5").header.extras["mask"] == {"few": ["demo_1"]}


# --- what cannot be written -------------------------------------------------------------------------------------


def renamed(episodes: Any, names: dict[str, str]) -> Any:
    """Return episodes whose header calls some columns otherwise."""
    features = tuple(
        Feature(name=names.get(one.name, one.name), dtype=one.dtype, shape=one.shape)
        for one in episodes.header.features
    )
    return replace(episodes, header=episodes.header.model_copy(update={"features": features}))


@pytest.mark.parametrize(
    ("names", "wrong"),
    [
        ({"actions": "obs"}, "'obs/joint_pos'"),
        ({"actions": "a//b"}, "'a//b'"),
        ({"actions": "./b"}, "'./b'"),
        ({"actions": "/b"}, "'/b'"),
    ],
)
def test_names_that_cannot_stand_side_by_side_are_refused(names: dict[str, str], wrong: str, tmp_path: Path) -> None:
    episodes = renamed(episodes_at(write_robomimic(tmp_path / "demo.hdf5")), names)
    with pytest.raises(
        SchemaError, match=f"expected names that are paths of datasets, none within another, got {wrong}"
    ):
        write(tmp_path / "again.hdf5", episodes, root=tmp_path)
    assert not (tmp_path / "again.hdf5").exists()


def test_where_two_would_have_one_name_each_keeps_its_own(tmp_path: Path) -> None:
    path = write_robomimic(tmp_path / "demo.hdf5")
    with h5py.File(path, "r+") as file:
        for number, rows in enumerate(LENGTHS):
            file[f"data/demo_{number}/action"] = np.zeros((rows, 2))
    write(tmp_path / "again.hdf5", episodes_at(path), root=tmp_path)
    names = [one.name for one in episodes_at(tmp_path / "again.hdf5").header.features]
    assert names == ["action", "actions", "dones", "obs/joint_pos", "rewards"]


def test_nothing_is_replaced_and_nothing_is_left_half_done(tmp_path: Path) -> None:
    path = write_robomimic(tmp_path / "demo.hdf5")
    episodes = episodes_at(path)
    with pytest.raises(StorageError, match="exists"):
        write(path, episodes, root=tmp_path)
    with h5py.File(path, "r+") as file:
        del file["data/demo_2/actions"]
        file["data/demo_2/actions"] = np.zeros((9, 3), np.float32)
    with pytest.raises(CorruptDataError, match="demo_2/actions: expected 5 rows, got 9 rows"):
        write(tmp_path / "again.hdf5", episodes, root=tmp_path)
    assert [one.name for one in tmp_path.iterdir()] == ["demo.hdf5"]


def test_the_adapter_offers_it() -> None:
    assert PLUGIN.writer is not None
    assert (PLUGIN.writer.record, PLUGIN.writer.takes) == ("episodes", {"root", "tell"})
