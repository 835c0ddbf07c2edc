"""Demonstrations of Isaac Lab as sets of LeRobot and back: every number is that of h5py, to the bit."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import h5py
import numpy as np
import pyarrow.parquet as pq
import pytest

import lapsdata
from lapsdata._convert import convert

if TYPE_CHECKING:
    from pathlib import Path

FILES = {"annotated_dataset": (2163, 28), "generated_dataset_small": (2328, 20)}


@pytest.fixture(autouse=True)
def in_this_process(one_process: list[int]) -> list[int]:
    """Start no workers."""
    return one_process


def names_of(demo: h5py.Group) -> list[str]:
    found: list[str] = []
    demo.visititems(lambda name, item: found.append(name) if isinstance(item, h5py.Dataset) else None)
    return [name for name in found if not name.startswith("initial_state/")]


def of_parquet(column: object, shape: tuple[int, ...], dtype: np.dtype[np.generic]) -> np.ndarray:
    """Take numbers out of lists of lists of a column, as they lie in memory."""
    array = column.combine_chunks()  # type: ignore[attr-defined]  # pyarrow publishes no types
    while hasattr(array, "flatten") and array.type.num_fields:
        array = array.flatten()
    found: np.ndarray = array.to_numpy(zero_copy_only=False).reshape(shape)
    assert found.dtype == dtype
    return found


@pytest.mark.parametrize("name", FILES)
def test_every_number_is_there_and_comes_back(name: str, real_data: Path, tmp_path: Path) -> None:
    path, (steps, columns) = real_data / "robomimic" / f"{name}.hdf5", FILES[name]
    report = convert(path, tmp_path / "set", to="lerobot-3.0", rate=20, task="stack the cubes", workers=1)
    assert report.facts["episodes"] == "10"
    assert [one.code for one in report.problems if one.severity == "warning"] == ["unverified"]
    info = json.loads((tmp_path / "set/meta/info.json").read_text())
    names = {old: new for new, old in info["source"]["names"].items()}
    assert (info["total_frames"], info["fps"], len(names)) == (steps, 20, columns)
    table = pq.read_table(tmp_path / "set/data/chunk-000/file-000.parquet")
    listed = pq.read_table(tmp_path / "set/meta/episodes/chunk-000/file-000.parquet").to_pylist()
    convert(tmp_path / "set", tmp_path / "again.hdf5", to="robomimic", workers=1)
    with h5py.File(path) as old, h5py.File(tmp_path / "again.hdf5") as new:
        for number, episode in enumerate(listed):
            demo, again = old[f"data/demo_{number}"], new[f"data/demo_{number}"]
            assert sorted(names) == sorted(names_of(demo))
            assert json.loads(episode["attributes"])["success"] == bool(demo.attrs["success"])
            rows = table.slice(episode["dataset_from_index"], episode["length"])
            assert np.array_equal(rows["timestamp"].to_numpy(), np.float32(np.arange(len(rows)) / 20))
            for column, called in names.items():
                stored = demo[column][()]
                assert of_parquet(rows[called], stored.shape, stored.dtype).tobytes() == stored.tobytes()
                assert again[column].dtype == stored.dtype
                assert again[column][()].tobytes() == stored.tobytes()
        assert json.loads(new["data"].attrs["env_args"]) == {
            **json.loads(old["data"].attrs["env_args"]),
            "control_freq": 20,
        }


def test_a_policy_finds_what_it_asks_for(real_data: Path, tmp_path: Path) -> None:
    from lapsdata.adapters import EpisodesEdit

    path = real_data / "robomimic" / "annotated_dataset.hdf5"
    edit = EpisodesEdit(episodes="3:5", rename={"obs/joint_pos": "observation.state"})
    convert(path, tmp_path / "set", to="gr00t", rate=20, task="stack the cubes", edit=edit, workers=1)
    steps = lapsdata.open_steps(tmp_path / "set", {"action": [0.0, 0.05]})
    with h5py.File(path) as file:
        first = file["data/demo_3"]
        assert len(steps) == len(first["actions"]) + len(file["data/demo_4/actions"])
        sample = steps[7]
        assert sample["action"].tolist() == first["actions"][7:9].tolist()
        assert sample["observation.state"].tolist() == first["obs/joint_pos"][7].tolist()
    assert sample["task"] == "stack the cubes"
