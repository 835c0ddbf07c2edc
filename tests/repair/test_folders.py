"""Folders of files, and what killed writers leave in them."""

from __future__ import annotations

import tarfile
from typing import TYPE_CHECKING

import h5py
import numpy as np
import pytest
import zarr

import lapsdata
from lapsdata._repair import repair
from lapsdata.checks.integrity import check_integrity
from lapsdata.errors import SchemaError, StorageError, UnknownFormatError
from lapsdata.testing.samples import sample_energies, sample_tracks

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path, stored_at: Callable[[Path, str, int], int]) -> Path:
    """One whole file, one damaged, one beyond repair, one of others, one that is no data, and leftovers."""
    place = tmp_path / "clips"
    place.mkdir()
    lapsdata.write(place / "a.h5", sample_tracks(windows=9))
    lapsdata.write(place / "b.h5", sample_tracks(windows=9))
    lapsdata.write(place / "c.jsonl", sample_energies())
    data = bytearray((place / "b.h5").read_bytes())
    data[stored_at(place / "b.h5", "root/default/tracks", 5)] ^= 1
    (place / "b.h5").write_bytes(data)
    (place / "d.h5").write_bytes(data[:500])
    with h5py.File(place / "e.h5", "w") as file:
        file["other"] = np.zeros(2)
    (place / "run.json").write_text("{}")
    (place / ".lapsdata-tmp-0123456789abcdef.h5").write_bytes(b"half")
    (place / ".lapsdata-tmp-fedcba9876543210.zarr").mkdir()
    (place / ".lapsdata-tmp-fedcba9876543210.zarr" / "zarr.json").write_text("{}")
    lapsdata.write(place / ".lapsdata-tmp-aside-f.zarr", sample_tracks())
    return place


def test_each_file_of_a_folder_is_repaired(folder: Path, tmp_path: Path) -> None:
    report = repair(folder, tmp_path / "saved")
    states = {item.path.name: item.state for item in report.items}
    assert states == {
        "a.h5": "whole",
        "b.h5": "repaired",
        "c.jsonl": "whole",
        "d.h5": "beyond-repair",
        "e.h5": "of-others",
    }
    assert [path.name for path in (tmp_path / "saved").iterdir()] == ["b.h5"]
    assert report.facts() == {
        "files": "5",
        "beyond repair": "1",
        "of others": "1",
        "repaired": "1",
        "whole": "2",
        "left out": "1 that are nothing repair knows: run.json",
        "leftovers": ".lapsdata-tmp-0123456789abcdef.h5, .lapsdata-tmp-fedcba9876543210.zarr",
    }
    assert {"lost", "truncated-file", "of-others", "leftovers"} <= {problem.code for problem in report.problems}


def write_others(place: Path) -> None:
    tracks, vis = np.zeros((3, 4, 5, 2), "f4"), np.ones((3, 4, 5), bool)
    with h5py.File(place / "a.h5", "w") as file:
        file["tracks"], file["vis"] = tracks, vis
    group = zarr.open_group(place / "b.zarr", mode="w")
    group.create_array("tracks", data=tracks)
    group.create_array("vis", data=vis)
    (place / "c").mkdir()
    for name, array in (("tracks", tracks), ("vis", vis)):
        np.save(place / "c" / f"{name}.npy", array)
    with tarfile.open(place / "d.tar", "w") as tar:
        for name in ("tracks", "vis"):
            tar.add(place / "c" / f"{name}.npy", f"000.{name}.npy")


def test_files_of_others_are_counted_as_such_whatever_they_are_stored_in(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    write_others(tmp_path / "in")
    lapsdata.write(tmp_path / "in" / "e.h5", sample_tracks())
    (tmp_path / "in" / "a.h5.lapsdata-seal.json").write_text("{}")
    report = repair(tmp_path / "in", tmp_path / "out")
    assert report.facts() == {"files": "5", "of others": "4", "whole": "1"}
    assert {problem.severity for problem in report.problems} == {"warning"}
    assert {problem.fix for problem in report.problems} == {"lapsdata check PATH reads it"}
    assert [item.format for item in report.items[:4]] == [
        f"{kind} of others" for kind in ("hdf5", "zarr", "npy", "tar")
    ]


def test_damage_of_others_in_a_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    write_others(tmp_path / "in")
    place = tmp_path / "in" / "c" / "tracks.npy"
    place.write_bytes(place.read_bytes()[:-100])
    report = repair(tmp_path / "in")
    (error,) = [problem for problem in report.problems if problem.severity == "error"]
    assert "tracks" in error.where
    assert "repair saves files of ours alone" in str(error.fix)
    assert report.items[2].state == "of-others"


def test_hdf5_without_its_first_bytes_may_have_been_ours(folder: Path) -> None:
    data = (folder / "a.h5").read_bytes()
    (folder / "a.h5").write_bytes(b"\0" * 8 + data[8:])
    found = repair(folder).items[0]
    assert (found.path.name, found.state) == ("a.h5", "beyond-repair")
    assert [note.code for note in found.notes] == ["no-checksums"]


@pytest.mark.parametrize("name", ["a.h5", "b.zarr", "c", "d.tar"])
@pytest.mark.parametrize("listed", [False, True])
def test_one_file_of_others_is_refused_and_says_what_to_do(name: str, listed: bool, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    write_others(tmp_path / "in")
    if listed:
        check_integrity([tmp_path / "in" / name], seal=True)
    which = "which of its windows fit its seal list" if listed else "whether its windows can be read"
    with pytest.raises(UnknownFormatError, match=f"repair saves nothing of such files; .* {which}"):
        repair(tmp_path / "in" / name, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_output_with_the_ending_of_another_store_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match=r"expected \.h5 or \.hdf5, since .* got \.zarr; name it so, then .* convert"):
        repair(folder / "b.h5", tmp_path / "b.zarr")
    assert not (tmp_path / "b.zarr").exists()
    [found] = repair(folder / "b.h5", tmp_path / "b.saved").items
    assert found.state == "repaired"


def test_leftovers_are_removed_only_on_request(folder: Path) -> None:
    report = repair(folder)
    assert [path.name[:14] for path in report.leftovers] == [".lapsdata-tmp-"] * 2
    assert (report.removed, report.restored) == ((), ())
    cleaned = repair(folder, clean=True)
    assert cleaned.leftovers == ()
    assert cleaned.removed == report.leftovers
    assert [path.name for path in cleaned.restored] == ["f.zarr"]
    assert len(lapsdata.read(folder / "f.zarr")) == 3
    assert not [path for path in folder.iterdir() if path.name.startswith(".lapsdata-tmp-")]


def test_a_folder_that_was_moved_aside_and_has_a_successor_is_removed(folder: Path) -> None:
    lapsdata.write(folder.parent / "f.zarr", sample_tracks(windows=7))
    (folder.parent / "f.zarr").rename(folder / "f.zarr")
    assert repair(folder, clean=True).restored == ()
    assert len(lapsdata.read(folder / "f.zarr")) == 7


def test_leftovers_beside_a_file_are_told(folder: Path) -> None:
    report = repair(folder / "a.h5")
    assert report.items[0].state == "whole"
    assert [problem.code for problem in report.problems] == ["leftovers"]


def test_a_file_goes_into_a_folder_that_is_there(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    [found] = repair(folder / "b.h5", tmp_path / "there").items
    assert found.output == tmp_path / "there" / "b.h5"
    assert len(lapsdata.read(tmp_path / "there" / "b.h5")) == found.kept == 5


def test_nothing_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="no such file or folder"):
        repair(tmp_path / "nowhere.h5")
