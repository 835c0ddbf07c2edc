"""Demonstrations of Isaac Lab as episodes, equal to plain reads of h5py; and odd datasets within a demonstration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest

from lapsdata.adapters import find_adapter
from lapsdata.adapters.robomimic import read, write
from lapsdata.errors import LapsError, SchemaError
from lapsdata.storage.episode_rows import EpisodeRows
from lapsdata.storage.hdf5_file import Hdf5File

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FILES = {"annotated_dataset": (2163, 28), "generated_dataset_small": (2328, 20)}


@pytest.mark.parametrize("name", FILES)
def test_all_steps_are_those_of_h5py(name: str, real_data: Path) -> None:
    path = real_data / "robomimic" / f"{name}.hdf5"
    steps, columns = FILES[name]
    known = find_adapter(path)
    assert known is not None
    assert known[0].name == "robomimic"
    found = known[0].read(path, rate=20)
    episodes: Any = found.container
    assert (len(episodes), int(episodes.rows.sum()), len(episodes.header.features)) == (10, steps, columns)
    assert [note.code for note in found.notes] == ["initial-state"]
    assert found.notes[0].message.startswith("10 datasets of initial_state/")
    rows, names = EpisodeRows(path.parent, episodes), [one.name for one in episodes.header.features]
    with h5py.File(path) as file:
        for place, group in enumerate(episodes.groups):
            whole, middle = rows.read(place, names), rows.read(place, names, 50, 120)
            for column in names:
                stored = file[group][column]
                assert whole[column].dtype == stored.dtype
                assert np.array_equal(whole[column], stored[:])
                assert np.array_equal(middle[column], stored[50:120])


def test_what_is_written_again_is_the_same(real_data: Path, tmp_path: Path) -> None:
    root = real_data / "robomimic"
    episodes: Any = read(root / "annotated_dataset.hdf5", rate=20).container
    write(tmp_path / "again.hdf5", episodes, root=root)
    found = read(tmp_path / "again.hdf5", strict=True)
    again: Any = found.container
    assert (again.header.features, again.number.tolist()) == (episodes.header.features, list(range(10)))
    assert (again.header.extras["attributes"], str(found.rate)) == (episodes.header.extras["attributes"], "20")
    with h5py.File(root / "annotated_dataset.hdf5") as old, h5py.File(tmp_path / "again.hdf5") as new:
        for group in episodes.groups:
            for one in episodes.header.features:
                assert np.array_equal(old[group][one.name], new[group][one.name])


def test_their_rate_is_asked_for_and_success_is_kept(real_data: Path) -> None:
    path = real_data / "robomimic" / "annotated_dataset.hdf5"
    with pytest.raises(SchemaError, match="env_args names neither control_freq nor dt and decimation"):
        read(path)
    extras: Any = read(path, rate=20).container.header.extras
    assert extras["env_args"]["env_name"] == "Isaac-Stack-Cube-Franka-IK-Rel-Mimic-v0"
    assert [one["success"] for one in extras["attributes"].values()] == [True] * 10


def odd_datasets(folder: Path) -> Iterator[tuple[Path, str]]:
    for path in sorted(path for path in folder.rglob("*") if path.suffix in (".h5", ".hdf5", ".nc")):
        try:
            with Hdf5File(path) as file:
                yield from ((path, name) for name in file.datasets())
        except LapsError:
            continue


def compared(rows: EpisodeRows, feature: Any, path: Path, name: str) -> bool:
    """Compare one column with what the file of its dataset gives; say whether it could be read."""
    try:
        values = rows.values(0, feature.name) if feature.dtype == "text" else rows.read(0, [feature.name])[feature.name]
    except LapsError:
        return False
    with Hdf5File(path) as file:
        wanted = file.read(name)
    if feature.dtype == "text":
        assert [one.encode() for one in values] == wanted.tolist()
    else:
        assert np.array_equal(values, wanted, equal_nan=values.dtype.kind == "f")
    return True


@pytest.mark.parametrize(("length", "least"), [(1, 2000), (3, 5), (10, 35)])
def test_odd_datasets_within_a_demonstration_fail_alone(
    length: int, least: int, real_data: Path, tmp_path: Path
) -> None:
    """Each dataset of other readers' odd files is linked into one demonstration, as if it were recorded there."""
    every = list(odd_datasets(real_data / "hdf5_odd"))
    with h5py.File(tmp_path / "demo.hdf5", "w") as file:
        file["data/demo_0/actions"] = np.arange(float(length))
        file["data/demo_0"].attrs["num_samples"] = length
        for number, (path, name) in enumerate(every):
            file[f"data/demo_0/obs/odd_{number}"] = h5py.ExternalLink(str(path), name)
    found = read(tmp_path / "demo.hdf5", rate=10)
    codes = {note.code for note in found.notes}
    assert {"unreadable-dataset", "unlike-length", "columns-left-out"} <= codes
    assert len(codes) == len(found.notes)
    episodes: Any = found.container
    rows = EpisodeRows(tmp_path, episodes)
    assert rows.read(0, ["actions"])["actions"].tolist() == list(range(length))
    odd = [one for one in episodes.header.features if one.name != "actions"]
    places = [every[int(one.name.rpartition("_")[2])] for one in odd]
    read_at_all = sum(compared(rows, one, *place) for one, place in zip(odd, places, strict=True))
    assert len(every) > 500
    assert read_at_all >= least
