"""HDF5 files that were cut short: what is left of them is opened in a copy, and nothing else is touched."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest

import lapsdata
from lapsdata._repair import Repaired, repair
from lapsdata._repair._cut import end_of_file, filled_up
from lapsdata.errors import StorageError
from lapsdata.provenance import path_digest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lapsdata.containers import Container

    CaseOf = Callable[[str], Any]
    IsPrefix = Callable[[Container, Container], None]

HDF5 = ["tracks-h5", "tracks-h5-windows", "tracks-h5-compact"]


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give temporary files a folder of their own, so that what stays there is seen."""
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    return place


def cut(place: Path, size: int) -> bytes:
    place.write_bytes(place.read_bytes()[:size])
    return place.read_bytes()


def saved(place: Path) -> tuple[Repaired, Path]:
    out = place.parent / "saved" / place.name
    out.parent.mkdir()
    [found] = repair(place, out).items
    assert [item.name for item in out.parent.iterdir()] == [place.name] * (found.output is not None)
    return found, out


def codes(found: Repaired) -> list[str]:
    return [note.code for note in found.notes]


@pytest.mark.parametrize("name", HDF5)
@pytest.mark.parametrize("missing", [1, 100, 1000])
def test_a_copy_that_broke_off_near_its_end_gives_all_windows(
    name: str, missing: int, case_of: CaseOf, is_prefix: IsPrefix, temporary: Path
) -> None:
    case = case_of(name)
    place = case.copy()
    left = cut(place, place.stat().st_size - missing)
    found, out = saved(place)
    assert (found.state, found.kept, found.lost) == ("repaired", 264, 0)
    assert codes(found)[:2] == ["truncated-file", "unsealed"]
    assert f"{missing:,} of {len(left) + missing:,} bytes are missing" in found.notes[0].message
    is_prefix(lapsdata.read(out), case.container)
    assert place.read_bytes() == left
    assert list(temporary.iterdir()) == []
    parents = lapsdata.read(out).header.provenance.parents
    assert [one.digest for one in parents if one.role == "damaged"] == [path_digest(place)]


@pytest.mark.parametrize("name", HDF5)
def test_without_its_header_and_checksums_nothing_is_left(name: str, case_of: CaseOf, temporary: Path) -> None:
    place = case_of(name).copy()
    left = cut(place, place.stat().st_size // 2)
    found, _ = saved(place)
    assert (found.state, codes(found)) == ("beyond-repair", ["truncated-file"])
    assert "does not say what it was" in found.notes[0].message
    assert place.read_bytes() == left
    assert list(temporary.iterdir()) == []


def windows_last(place: Path) -> None:
    """Write a file anew so that what says what its windows are comes before them."""
    old = place.rename(place.with_name("old.h5"))
    with h5py.File(old) as source, h5py.File(place, "w") as target:
        names: list[str] = []
        source.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
        for name in sorted(names, key=lambda name: (name.endswith("/tracks"), name)):
            source.copy(name, target, name)
    old.unlink()


@pytest.mark.parametrize("name", HDF5[:2])
def test_windows_before_the_cut_are_saved(
    name: str, case_of: CaseOf, is_prefix: IsPrefix, stored_at: Callable[[Path, str, int], int]
) -> None:
    case = case_of(name)
    place = case.copy()
    windows_last(place)
    cut(place, stored_at(place, "root/front/tracks", 100) + 3)
    found, out = saved(place)
    assert (found.state, found.kept, found.lost) == ("repaired", 100, 164)
    assert codes(found)[0] == "truncated-file"
    assert str(place) in found.first_bad
    assert "temporary" not in found.first_bad
    is_prefix(lapsdata.read(out), case.container)


@pytest.mark.parametrize("gone", ["lapsdata/start_index", "lapsdata/frame_s", "lapsdata/header"])
def test_times_and_headers_behind_the_cut_are_not_taken_for_zeros(gone: str, case_of: CaseOf) -> None:
    place = case_of("tracks-h5").copy()
    old = place.rename(place.with_name("old.h5"))
    with h5py.File(old) as source, h5py.File(place, "w") as target:
        for name in ("root", *(f"lapsdata/{own}" for own in source["lapsdata"])):
            source.copy(name, target, name)
        kept = target[gone][()]
        del target[gone]
        target[gone] = np.append(kept, kept[-1:]) if kept.ndim else kept
        end = target[gone].id.get_offset() + 4
    cut(place, end)
    [found] = repair(place).items
    assert found.state == "beyond-repair"
    assert codes(found)[0] in ("cut-off", "truncated-file", "unreadable-dataset")


def test_a_cut_file_is_told_without_an_output(case_of: CaseOf, temporary: Path) -> None:
    place = case_of("tracks-h5").copy()
    cut(place, place.stat().st_size - 100)
    [found] = repair(place).items
    assert (found.state, found.kept) == ("damaged", 264)
    assert [item.name for item in place.parent.iterdir()] == [place.name]
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("libver", [("earliest", "v110"), ("v108", "v108"), ("v110", "v110"), ("latest", "latest")])
def test_every_superblock_says_where_the_file_ends(libver: tuple[str, str], tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w", libver=libver) as file:
        file["x"] = np.arange(300)
    assert end_of_file(tmp_path / "a.h5") == (tmp_path / "a.h5").stat().st_size


@pytest.mark.parametrize("data", [b"", b"text", bytes(100), b"\x89HDF\r\n\x1a\n\x09" + bytes(99)])
def test_what_says_nothing_of_its_end_is_opened_as_it_is(data: bytes, tmp_path: Path) -> None:
    place = tmp_path / "a.h5"
    place.write_bytes(data)
    assert end_of_file(place) is None
    with filled_up(place, None) as readable:
        assert readable == place


@pytest.mark.parametrize("end", [1 << 62, (1 << 64) - 1])
def test_an_end_that_no_file_can_have_is_not_believed(end: int, case_of: CaseOf, temporary: Path) -> None:
    place = case_of("tracks-h5").copy()
    data = bytearray(place.read_bytes())
    data[28:36] = end.to_bytes(8, "little")
    place.write_bytes(data)
    [found] = repair(place).items
    assert found.state == "beyond-repair"
    assert list(temporary.iterdir()) == []


def test_no_place_for_the_copy_is_told(case_of: CaseOf, monkeypatch: pytest.MonkeyPatch, temporary: Path) -> None:
    import shutil

    place = case_of("tracks-h5").copy()
    cut(place, place.stat().st_size - 100)

    def full(source: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(StorageError, match="disk-full"):
        repair(place)
    assert list(temporary.iterdir()) == []


def test_what_a_killed_repair_leaves_is_cleaned(case_of: CaseOf) -> None:
    place = case_of("tracks-h5").copy()
    cut(place, place.stat().st_size - 100)
    with filled_up(place, place.parent) as readable:
        assert readable.parent.parent == place.parent
        assert [path.name for path in repair(place.parent).leftovers] == [readable.parent.name]
