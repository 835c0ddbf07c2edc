"""Demonstrations in robomimic's layout: what they share, what they say of themselves, what is wrong with them."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest

from lapsdata.adapters import find_adapter
from lapsdata.adapters.robomimic import read
from lapsdata.errors import LapsError, SchemaError, StorageError, UnknownFormatError
from lapsdata.storage.episode_rows import EpisodeRows
from lapsdata.testing.demo_files import write_robomimic
from lapsdata.testing.episode_sets import drawn_frame, episode_rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from lapsdata.adapters import Adapted
    from lapsdata.errors import Problem

SAMPLE = Path(__file__).parents[1] / "samples" / "robomimic" / "demo.hdf5"


@pytest.fixture
def demo(tmp_path: Path) -> Path:
    return write_robomimic(tmp_path / "demo.hdf5")


def episodes_of(found: Adapted) -> Any:
    return found.container


def changed(path: Path, change: Callable[[h5py.File], object]) -> Path:
    with h5py.File(path, "r+") as file:
        change(file)
    return path


def noted(found: Adapted) -> dict[str, Problem]:
    """Return what is to be said by code, each said once."""
    assert len({note.code for note in found.notes}) == len(found.notes)
    return {note.code: note for note in found.notes if note.code != "initial-state"}


# --- what is there ----------------------------------------------------------------------------------------------


def test_a_file_is_known_by_its_groups(demo: Path, tmp_path: Path) -> None:
    known = find_adapter(demo)
    assert known is not None
    assert (known[0].name, known[1]) == ("robomimic", "episodes")
    with h5py.File(tmp_path / "other.hdf5", "w") as file:
        file["data/thing_0/actions"] = np.zeros(3)
    (tmp_path / "text.hdf5").write_text("data/demo_0")
    (tmp_path / "cut.hdf5").write_bytes(demo.read_bytes()[:900])
    for name in ("other.hdf5", "text.hdf5", "cut.hdf5", "nothing.hdf5"):
        assert known[0].recognises(tmp_path / name) is None
    assert known[0].recognises(tmp_path) is None


def test_the_sample_is_what_was_written() -> None:
    episodes = episodes_of(read(SAMPLE))
    header = episodes.header
    assert (episodes.number.tolist(), episodes.rows.tolist()) == ([0, 2], [3, 2])
    assert [(one.name, one.dtype, one.shape) for one in header.features] == [
        ("actions", "float32", (3,)),
        ("dones", "bool", ()),
        ("obs/joint_pos", "float32", (3,)),
        ("rewards", "float32", ()),
    ]
    assert (episodes.files, episodes.groups) == (("demo.hdf5",), ("data/demo_0", "data/demo_2"))
    assert (header.store, str(header.rate), header.robot, header.time) == ("hdf5", "10", "Panda", None)
    assert header.extras == {
        "env_args": {"env_name": "Drawn", "type": 1, "env_kwargs": {"control_freq": 10, "robots": "Panda"}},
        "data": {"total": 5},
        "mask": {"train": ["demo_0"], "valid": ["demo_2"]},
        "attributes": {"demo_0": {"success": True}, "demo_2": {"success": False}},
    }
    (parent,) = header.provenance.parents
    assert (parent.role, parent.name) == ("structure-of-robomimic", "demo.hdf5")


def test_rows_are_those_that_were_written(demo: Path) -> None:
    episodes = episodes_of(read(demo))
    rows = EpisodeRows(demo.parent, episodes)
    for place, wanted in enumerate(episode_rows((4, 6, 5))):
        found = rows.read(place, ["actions", "obs/joint_pos"])
        assert found["actions"].tolist() == wanted.columns["action"].tolist()
        assert found["obs/joint_pos"].tolist() == wanted.columns["observation.state"].tolist()


def test_pixels_are_cameras_and_next_obs_features(tmp_path: Path) -> None:
    path = write_robomimic(tmp_path / "demo.hdf5", lengths=(3, 2), images=True)

    def more(file: h5py.File) -> None:
        for rows, demo in ((3, file["data/demo_0"]), (2, file["data/demo_1"])):
            demo["next_obs/joint_pos"] = np.zeros((rows, 3))
            demo["obs/depth"] = np.zeros((rows, 4, 6, 1), np.uint8)
            demo["obs/words"] = np.array([b"pick"] * rows)

    episodes = episodes_of(read(changed(path, more)))
    (camera,) = episodes.header.cameras
    assert (camera.name, camera.stored, camera.size.width, camera.size.height) == ("obs/top_image", "pixels", 64, 48)
    kinds = {one.name: (one.dtype, one.shape) for one in episodes.header.features}
    assert kinds["next_obs/joint_pos"] == ("float64", (3,))
    assert kinds["obs/depth"] == ("uint8", (4, 6, 1))
    assert kinds["obs/words"] == ("text", ())
    rows = EpisodeRows(tmp_path, episodes)
    assert np.array_equal(rows.values(1, "obs/top_image")[1], drawn_frame(1, 1))
    assert rows.values(0, "obs/words", 1) == ["pick", "pick"]


def test_numbers_are_in_their_natural_order_and_may_have_gaps(tmp_path: Path) -> None:
    path = write_robomimic(tmp_path / "demo.hdf5", lengths=(2,) * 4, numbers=(10, 2, 0, 5))
    found = read(path)
    assert episodes_of(found).number.tolist() == [0, 2, 5, 10]
    note = noted(found)["number-gaps"]
    assert (note.severity, note.message) == (
        "info",
        "4 demonstrations up to demo_10: the numbers 1, 3-4, 6-9 are not there",
    )


def test_the_state_at_the_start_is_no_column_and_counted(demo: Path) -> None:
    found = read(demo)
    (note,) = found.notes
    assert (note.code, note.severity) == ("initial-state", "info")
    assert note.message.startswith("1 datasets of initial_state/")
    assert episodes_of(read(demo, strict=True)).rows.tolist() == [4, 6, 5]


# --- time -------------------------------------------------------------------------------------------------------

TOLD = {
    "robosuite": ({"env_kwargs": {"control_freq": 20}}, "20"),
    "Isaac Lab": ({"sim_args": {"dt": 0.01, "decimation": 2}}, "50"),
    "a third": ({"sim_args": {"dt": 1 / 120, "decimation": 4}}, "30"),
    "at the top": ({"control_freq": 7.5}, "15/2"),
}


@pytest.mark.parametrize("who", TOLD)
def test_a_simulation_tells_its_rate(who: str, tmp_path: Path) -> None:
    env_args, wanted = TOLD[who]
    found = read(write_robomimic(tmp_path / "demo.hdf5", env_args=env_args))
    assert (str(found.rate), str(episodes_of(found).header.rate)) == (wanted, wanted)
    assert found.rate_origin in ("control_freq of env_args", "dt and decimation of env_args")


@pytest.mark.parametrize(
    "env_args",
    [
        {},
        {"sim_args": {"dt": 0.01}},
        {"env_kwargs": {"control_freq": "fast"}},
        {"env_kwargs": {"control_freq": 0}},
        {"sim_args": {"dt": 0.0123456789, "decimation": 2}},
        {"sim_args": {"dt": -1, "decimation": 2}},
        {"env_kwargs": None},
    ],
)
def test_a_rate_that_is_not_told_is_asked_for(env_args: dict[str, Any], tmp_path: Path) -> None:
    path = write_robomimic(tmp_path / "demo.hdf5", env_args=env_args)
    with pytest.raises(SchemaError, match="expected rows per second, got none: the layout has no times") as caught:
        read(path)
    assert caught.value.problems[0].code == "no-times"
    found = read(path, rate="12.5")
    assert (str(found.rate), found.rate_origin) == ("25/2", "told")


def test_what_is_told_counts_and_a_contradiction_is_named(demo: Path) -> None:
    found = read(demo, rate=20)
    assert str(episodes_of(found).header.rate) == "20"
    note = noted(found)["rate-contradiction"]
    assert note.message == "control_freq of env_args says 10 per second, and 20 was told: what was told counts"
    assert not noted(read(demo, rate=10))
    with pytest.raises(SchemaError, match="expected frames per second above zero"):
        read(demo, rate="-3")


# --- words ------------------------------------------------------------------------------------------------------


def test_instructions_are_tasks(demo: Path) -> None:
    def libero(file: h5py.File) -> None:
        file["data"].attrs["problem_info"] = json.dumps({"language_instruction": "open the drawer"})

    episodes = episodes_of(read(changed(demo, libero)))
    assert [task.words for task in episodes.header.tasks] == ["open the drawer"]
    assert [episodes.tasks_of(place).tolist() for place in range(3)] == [[0], [0], [0]]

    def robocasa(file: h5py.File) -> None:
        del file["data"].attrs["problem_info"]
        for number, words in ((0, "turn"), (2, "push")):
            file[f"data/demo_{number}"].attrs["ep_meta"] = json.dumps({"lang": words})

    episodes = episodes_of(read(changed(demo, robocasa)))
    assert [(task.number, task.words) for task in episodes.header.tasks] == [(0, "turn"), (1, "push")]
    assert [episodes.tasks_of(place).tolist() for place in range(3)] == [[0], [], [1]]


def test_long_and_odd_attributes_are_left_out_and_named(demo: Path) -> None:
    def more(file: h5py.File) -> None:
        file["data/demo_0"].attrs["model_file"] = "<mujoco>" * 1000
        file["data/demo_0"].attrs["weights"] = np.zeros(3)
        file["data/demo_1"].attrs["score"] = np.nan
        file["data"].attrs["note"] = np.bytes_("by hand")
        file["data"].attrs["pair"] = [1, 2]
        file["data"].attrs["env_args"] = "{no json"

    found = read(changed(demo, more), rate=10)
    told = noted(found)
    assert told["attributes-left-out"].message.endswith("'model_file', 'score', 'weights'")
    assert told["unreadable-attribute"].message.endswith("got others: 'pair' are left out")
    extras = episodes_of(found).header.extras
    assert extras["data"] == {"total": 15, "note": "by hand"}
    assert extras["env_args"] == "{no json"


# --- what is wrong ----------------------------------------------------------------------------------------------


def test_a_stale_total_is_named(demo: Path) -> None:
    def stale(file: h5py.File) -> None:
        file["data"].attrs["total"] = 99

    note = noted(read(changed(demo, stale)))["wrong-total"]
    assert (note.severity, note.message, note.fix) == (
        "warning",
        "expected 15, the steps of 3 demonstrations, got 99",
        "write 15",
    )
    with pytest.raises(SchemaError, match="the steps of 3 demonstrations, got 99"):
        read(demo, strict=True)


def test_numbers_of_rows_come_from_actions_where_they_are_not_told(demo: Path) -> None:
    def without(file: h5py.File) -> None:
        del file["data/demo_0"].attrs["num_samples"]
        file["data/demo_1"].attrs["num_samples"] = 600
        file["data/demo_2"].attrs["num_samples"] = "five"

    found = read(changed(demo, without))
    assert episodes_of(found).rows.tolist() == [4, 6, 5]
    told = noted(found)
    assert told["no-num-samples"].message == "expected num_samples, got none in demo_: 0, 2; as long as actions"
    assert "in demo_: 1;" in told["wrong-num-samples"].message


def test_datasets_of_another_length_are_named_together_and_left_out(demo: Path) -> None:
    def longer(file: h5py.File) -> None:
        for number in range(3):
            file[f"data/demo_{number}/obs/video"] = np.zeros((2, 8))
            file[f"data/demo_{number}/seed"] = 7

    found = read(changed(demo, longer))
    note = noted(found)["unlike-length"]
    assert note.message == (
        "expected as many rows in every dataset as its episode has, "
        "got 'obs/video' (2 of 4) in 0-2; 'seed' (a single value of 4) in 0-2"
    )
    told = noted(found)["columns-left-out"]
    assert told.message == "'obs/video', 'seed' are left out: not each of 3 episodes has them"
    assert "obs/video" not in {one.name for one in episodes_of(found).header.features}


def test_the_smaller_loss_is_taken(tmp_path: Path) -> None:
    path = write_robomimic(tmp_path / "demo.hdf5", lengths=(3,) * 5)

    def change(file: h5py.File) -> None:
        del file["data/demo_4/obs/joint_pos"]
        file["data/demo_1/obs/extra"] = np.zeros(3)
        del file["data/demo_3/actions"]
        file["data/demo_3/actions"] = np.zeros((3, 8))

    found = read(changed(path, change))
    episodes = episodes_of(found)
    assert episodes.number.tolist() == [0, 1, 2]
    assert [one.name for one in episodes.header.features] == ["actions", "dones", "obs/joint_pos", "rewards"]
    told = noted(found)
    assert told["unlike-datasets"].message.endswith("got 'actions' (float64 (8,)) in 3")
    assert told["missing-dataset"].message.endswith("got 'obs/extra' (none) in 0, 2-4; 'obs/joint_pos' (none) in 4")
    assert told["episodes-left-out"].message == "2 of 5 episodes are left out, which lack what most have: 3-4"
    assert told["columns-left-out"].message == "'obs/extra' are left out: not each of 5 episodes has them"


def test_where_each_episode_lacks_another_column_no_episode_is_lost(tmp_path: Path) -> None:
    path = write_robomimic(tmp_path / "demo.hdf5", lengths=(3, 3, 3))

    def change(file: h5py.File) -> None:
        del file["data/demo_0/rewards"], file["data/demo_1/dones"], file["data/demo_2/obs/joint_pos"]

    episodes = episodes_of(read(changed(path, change)))
    assert (len(episodes), [one.name for one in episodes.header.features]) == (3, ["actions"])


def test_a_broken_dataset_fails_alone(demo: Path) -> None:
    def broken(file: h5py.File) -> None:
        for number, rows in enumerate((4, 6, 5)):
            obs = file[f"data/demo_{number}/obs"]
            obs["gone"] = h5py.ExternalLink("nowhere.hdf5", "/x")
            obs["pair"] = np.zeros(rows, [("x", "f4"), ("y", "f4")])
            obs["wide"] = np.zeros((rows, 2), np.longdouble)
            obs["none"] = np.zeros((rows, 0))
            obs["bad\nname"] = np.zeros(rows)

    found = read(changed(demo, broken))
    told = noted(found)
    assert "'obs/gone'" in told["unreadable-dataset"].message
    assert "[broken-link]) in 0-2" in told["unreadable-dataset"].message
    assert "'obs/pair' (compound (4,)) in 0-2" in told["unsupported-type"].message
    assert "'obs/wide'" in told["unsupported-type"].message
    assert "'obs/none' ((4, 0)) in 0-2" in told["empty-rows"].message
    assert "'obs/bad\\nname'" in told["wrong-name"].message
    assert len(episodes_of(found)) == 3
    assert len(episodes_of(found).header.features) == 4
    with pytest.raises(SchemaError, match="unreadable-dataset"):
        read(demo, strict=True)


def test_lists_are_kept_and_strangers_in_them_named(demo: Path) -> None:
    def lists(file: h5py.File) -> None:
        file["mask/few"] = np.array(["demo_1", "demo_9"], h5py.string_dtype())
        file["mask/odd"] = np.zeros(2, [("x", "f4")])

    found = read(changed(demo, lists))
    assert episodes_of(found).header.extras["mask"] == {
        "train": ["demo_0", "demo_1"],
        "valid": ["demo_2"],
        "few": ["demo_1", "demo_9"],
    }
    told = noted(found)
    assert told["unknown-demo"].message == "expected names of demonstrations, got 'demo_9', which are not there"
    assert told["unreadable-mask"].where.endswith("mask/odd")


def test_groups_that_are_no_demonstrations_are_named(demo: Path) -> None:
    def strangers(file: h5py.File) -> None:
        file["data/demo_00/actions"] = np.zeros((2, 3))
        file["data/take_1/actions"] = np.zeros((2, 3))
        file.create_group("data/demo_7")

    found = read(changed(demo, strangers))
    told = noted(found)
    assert told["unknown-members"].message.endswith("got 'demo_00', 'take_1' too: left out")
    assert told["empty-episodes"].message == "expected datasets with rows, got none in demo_: 7; left out"
    assert episodes_of(found).number.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda file: file.pop("data"), "expected groups demo_0, demo_1 ..., got none"),
        (lambda file: [file["data"].pop(f"demo_{n}/{x}") for n in (0, 1, 2) for x in NAMES], "got none in demo_: 0-2"),
    ],
)
def test_a_file_without_rows_is_none(change: Callable[[h5py.File], object], message: str, demo: Path) -> None:
    with pytest.raises(SchemaError, match=message):
        read(changed(demo, change), rate=10)


NAMES = ("actions", "rewards", "dones", "obs")


def test_episodes_that_share_nothing_are_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "demo.hdf5", "w") as file:
        for number in range(3):
            file[f"data/demo_{number}/only_{number}"] = np.zeros(3)
    with pytest.raises(SchemaError, match="expected a dataset that half of 3 episodes share, got none"):
        read(tmp_path / "demo.hdf5", rate=10)


def test_a_file_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="no such file"):
        read(tmp_path / "demo.hdf5")
    (tmp_path / "demo.hdf5").write_bytes(b"version https://git-lfs")
    with pytest.raises(UnknownFormatError, match="expected the HDF5 signature, got none"):
        read(tmp_path / "demo.hdf5")


def test_damage_anywhere_is_an_error_of_ours_or_harmless(tmp_path: Path) -> None:
    whole = SAMPLE.read_bytes()
    random = np.random.default_rng(3)
    for at in random.integers(0, len(whole), 150).tolist():
        damaged = tmp_path / "demo.hdf5"
        damaged.write_bytes(whole[:at] + bytes([whole[at] ^ (1 << int(random.integers(8)))]) + whole[at + 1 :])
        with contextlib.suppress(LapsError):
            episodes = episodes_of(read(damaged, rate=10))
            rows = EpisodeRows(tmp_path, episodes)
            for place in range(len(episodes)):
                names = [one.name for one in episodes.header.features if one.dtype != "text"]
                assert {len(array) for array in rows.read(place, names).values()} <= {int(episodes.rows[place])}
