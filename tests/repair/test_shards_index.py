"""Shards without their index: found anew by the JSON of each sample, or not at all."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest

import lapsdata
from lapsdata._repair import Repaired, repair
from lapsdata._repair._shards_index import UNKNOWN, found_samples
from lapsdata.containers import Shards
from lapsdata.formats.shards_webdataset import ShardsFolder
from lapsdata.testing.samples import sample_shards

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lapsdata.containers import Container

    CaseOf = Callable[[str], Any]
    IsPrefix = Callable[[Container, Container], None]

INDEX = "index.parquet"


def saved(place: Path) -> tuple[Repaired, Path]:
    out = place.parent / "saved" / place.name
    out.parent.mkdir()
    [found] = repair(place, out).items
    return found, out


def codes(found: Repaired) -> list[str]:
    return [note.code for note in found.notes]


def test_the_index_found_anew_is_the_one_that_was_written(case_of: CaseOf) -> None:
    folder = ShardsFolder(case_of("shards").path)
    frames, written = folder._frames, folder._samples
    found = found_samples(folder.path, folder.manifest, frames)
    for name in ("shard", "video", "window", "start_index", "start_s"):
        assert (getattr(found, name) == getattr(written, name)).all(), name
    for field, rows in written.fields.items():
        for part in ("offset", "length", "crc32c"):
            assert (getattr(found.fields[field], part) == getattr(rows, part)).all(), (field, part)


@pytest.mark.parametrize("how", ["missing", "flipped", "cut"])
def test_shards_without_their_index_lose_nothing(how: str, case_of: CaseOf, is_prefix: IsPrefix) -> None:
    case = case_of("shards")
    place = case.copy()
    data = (place / INDEX).read_bytes()
    (place / INDEX).unlink()
    if how != "missing":
        (place / INDEX).write_bytes(data[:-30] if how == "cut" else data[:90] + bytes([data[90] ^ 1]) + data[91:])
    found, out = saved(place)
    assert (found.state, found.kept, found.lost, codes(found)) == ("repaired", 40, 0, ["index-damaged"])
    again = lapsdata.read(out, Shards)
    assert len(again) == len(case.container)
    is_prefix(again, case.container)
    assert sorted(item.name for item in out.iterdir()) == sorted(item.name for item in case.path.iterdir())


def damage_after(place: Path, mark: bytes, shift: int) -> None:
    data = bytearray(place.read_bytes())
    data[data.index(mark) + shift] ^= 1
    place.write_bytes(data)


def test_windows_that_are_damaged_are_lost_all_the_same(case_of: CaseOf, is_prefix: IsPrefix) -> None:
    case = case_of("shards")
    place = case.copy()
    (place / INDEX).unlink()
    damage_after(place / "shard-000001.tar", b"NUMPY", 200)  # sample 12 of 30 of the first video
    found, out = saved(place)
    assert (found.kept, found.lost, found.good_after) == (12 + 10, 18, 17)
    assert found.lost_s is not None
    is_prefix(lapsdata.read(out), case.container)


def test_a_sample_whose_json_is_damaged_does_not_say_when_it_was(case_of: CaseOf, is_prefix: IsPrefix) -> None:
    case = case_of("shards")
    place = case.copy()
    (place / INDEX).unlink()
    damage_after(place / "shard-000001.tar", b'"start_index"', 3)
    found, out = saved(place)
    assert (found.kept, found.lost, found.lost_s) == (12 + 10, 18, None)
    assert "shard-000001.tar: sample 12, no sample whose JSON fits its checksum" in found.first_bad
    is_prefix(lapsdata.read(out), case.container)


def test_an_archive_that_was_cut_gives_what_stands_before(case_of: CaseOf, is_prefix: IsPrefix) -> None:
    case = case_of("shards")
    place = case.copy()
    (place / INDEX).unlink()
    tar = place / "shard-000003.tar"
    tar.write_bytes(tar.read_bytes()[: tar.stat().st_size // 2])
    found, out = saved(place)
    assert 36 <= found.kept < 40
    assert "shard-digest" in codes(found)
    is_prefix(lapsdata.read(out), case.container)


def test_archives_of_other_shards_are_not_taken_for_these(case_of: CaseOf, tmp_path: Path) -> None:
    place = case_of("shards").copy()
    (place / INDEX).unlink()
    other = sample_shards(windows=(30, 10), points=3)
    lapsdata.write(tmp_path / "other.shards", other, samples_per_shard=12)
    shutil.copy(tmp_path / "other.shards" / "shard-000000.tar", place / "shard-000000.tar")
    shutil.copy(place / "shard-000001.tar", place / "shard-000002.tar")
    folder = ShardsFolder(case_of_path(place))
    found = found_samples(place, folder.manifest, folder._frames)
    starts = [(found.start_index[12 * n : 12 * n + 12] == UNKNOWN).all() for n in range(3)]
    assert starts == [True, False, True]


def case_of_path(place: Path) -> Path:
    """Return the folder that a damaged one is a copy of."""
    return place.parent.parent / "whole" / place.name
