"""Folders of files, and what killed writers leave in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import h5py
import numpy as np
import pytest

import lapsdata
from lapsdata._repair import repair
from lapsdata.errors import StorageError
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
        "e.h5": "beyond-repair",
    }
    assert [path.name for path in (tmp_path / "saved").iterdir()] == ["b.h5"]
    assert report.facts() == {
        "files": "5",
        "beyond repair": "2",
        "repaired": "1",
        "whole": "2",
        "leftovers": ".lapsdata-tmp-0123456789abcdef.h5, .lapsdata-tmp-fedcba9876543210.zarr",
    }
    assert {"lost", "truncated-file", "no-checksums", "leftovers"} <= {problem.code for problem in report.problems}


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
