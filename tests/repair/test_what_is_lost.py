"""One known damage at a time: what is kept, what is lost, and what is said of it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest

import lapsdata
from lapsdata._repair import Repaired, repair
from lapsdata.containers import Shards, Tracks
from lapsdata.errors import StorageError, UnknownFormatError
from lapsdata.formats import read_header
from lapsdata.schema import Size
from lapsdata.schema.tracks import Area, Grid, Measured, TrackQuality, TracksView
from lapsdata.testing.samples import sample_energies, sample_tracks

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    CaseOf = Callable[[str], Any]
    StoredAt = Callable[[Path, str, int], int]


def damage(path: Path, byte: int, value: int = 1) -> None:
    data = bytearray(path.read_bytes())
    data[byte] ^= value
    path.write_bytes(data)


def codes(found: Repaired) -> list[str]:
    return [problem.code for problem in found.problems()]


def saved(place: Path) -> tuple[Repaired, Path]:
    out = place.parent / f"saved{place.suffix}"
    [found] = repair(place, out).items
    return found, out


@pytest.mark.parametrize("name", ["tracks-h5", "tracks-h5-windows", "tracks-h5-compact"])
def test_a_damaged_window_ends_the_prefix(name: str, case_of: CaseOf, stored_at: StoredAt) -> None:
    place = case_of(name).copy()
    damage(place, stored_at(place, "root/front/vis", 100) + 5)
    damage(place, stored_at(place, "root/front/tracks", 200) + 5)
    found, out = saved(place)
    assert (found.state, found.kept, found.lost, found.good_after) == ("repaired", 100, 164, 162)
    assert found.lost_s == pytest.approx(16.4)
    assert found.lost_bytes > 0
    assert re.search("(row|chunk) 100 .*bytes [0-9]+ to [0-9]+", found.first_bad)
    assert codes(found) == ["lost"]
    clip = lapsdata.read(out, Tracks)
    assert len(clip) == 100
    assert clip.header.uncovered_frames == 164
    assert clip.header.policies == {"lost_to_damage": 164}
    told = clip.header.provenance
    assert [(parent.role, parent.name) for parent in told.parents] == [("damaged", "clip.h5")]
    assert (told.model_extra or {})["x-repair"]["lost"] == 164


def test_without_an_output_it_is_only_told(case_of: CaseOf, stored_at: StoredAt) -> None:
    place = case_of("tracks-h5").copy()
    damage(place, stored_at(place, "root/front/tracks", 7))
    [found] = repair(place).items
    assert (found.state, found.kept) == ("damaged", 7)
    assert codes(found) == ["lost", "not-written"]
    assert [item.name for item in place.parent.iterdir()] == ["clip.h5"]


@pytest.mark.parametrize("name", ["tracks-h5", "tracks-zarr", "tokens", "energies", "segments", "boxes", "shards"])
def test_what_is_whole_is_said_to_be(name: str, case_of: CaseOf) -> None:
    case = case_of(name)
    found, out = saved(case.path)
    assert (found.state, found.kept) == ("whole", len(case.container))
    assert codes(found) == []
    assert not out.exists()


def test_the_profile_stays(case_of: CaseOf, stored_at: StoredAt) -> None:
    place = case_of("tracks-h5-compact").copy()
    damage(place, stored_at(place, "root/front/tracks", 100) + 3)
    _, out = saved(place)
    with h5py.File(out) as file:
        assert json.loads(file["lapsdata/storage"][()])["profile"] == "compact"


def test_a_damaged_first_window_leaves_nothing(case_of: CaseOf, stored_at: StoredAt) -> None:
    place = case_of("tracks-h5").copy()
    damage(place, stored_at(place, "root/front/tracks", 0))
    found, out = saved(place)
    assert (found.state, codes(found)) == ("beyond-repair", ["nothing-left"])
    assert "(263 of 264 are sound)" in found.notes[0].message
    assert not out.exists()


@pytest.mark.parametrize("name", ["tracks-zarr", "tracks-zarr-compact"])
def test_a_shard_that_is_cut_gives_the_windows_before_the_cut(name: str, case_of: CaseOf) -> None:
    place = case_of(name).copy()
    shard = place / "root" / "front" / "tracks" / "c" / "0" / "0" / "0" / "0"
    data = shard.read_bytes()
    shard.write_bytes(data[: len(data) // 3])
    found, out = saved(place)
    assert found.state == "repaired"
    assert 30 < found.kept < 200
    assert codes(found) == ["shard-index", "lost"]
    assert len(lapsdata.read(out)) == found.kept


def test_a_damaged_index_of_a_shard_costs_nothing(case_of: CaseOf) -> None:
    case = case_of("tracks-zarr-compact")
    place = case.copy()
    damage(place / "root" / "front" / "vis" / "c" / "0" / "0" / "0", -20)
    found, out = saved(place)
    assert (found.kept, found.lost, codes(found)) == (264, 0, ["shard-index"])
    assert np.array_equal(lapsdata.read(out, Tracks).vis["front"], case.container.vis["front"])


def test_metadata_of_an_array_are_taken_from_the_seal(case_of: CaseOf) -> None:
    place = case_of("tracks-zarr").copy()
    (place / "root" / "front" / "tracks" / "zarr.json").unlink()
    found, _ = saved(place)
    assert (found.kept, found.lost) == (264, 0)


def test_a_damaged_checksum_of_a_sound_chunk_is_written_anew(case_of: CaseOf) -> None:
    place = case_of("tracks-zarr").copy()
    damage(place / "root" / "front" / "tracks" / "c" / "0" / "0" / "0" / "0", 2 * 3 * 2 * 4)
    found, out = saved(place)
    assert (found.state, found.kept, found.lost, codes(found)) == ("repaired", 264, 0, ["payload-checksum"])
    assert len(lapsdata.read(out)) == 264


@pytest.mark.parametrize("name", ["frame_s", "start_index"])
def test_lost_times_leave_nothing(name: str, case_of: CaseOf) -> None:
    place = case_of("tracks-zarr").copy()
    damage(place / name / "c" / "0", 3)
    found, _ = saved(place)
    assert (found.state, codes(found)) == ("beyond-repair", ["times-damaged"])


def test_a_damaged_list_of_checksums_costs_the_windows_of_its_entry(case_of: CaseOf) -> None:
    place = case_of("tracks-zarr").copy()
    damage(place / "root" / "front" / "vis_crc32c" / "c" / "0", 4 * 50)
    found, _ = saved(place)
    assert (found.kept, found.good_after) == (50, 213)
    assert "checksums-damaged" in codes(found)


def test_a_damaged_header_leaves_nothing(case_of: CaseOf) -> None:
    place = case_of("tracks-zarr").copy()
    text = (place / "zarr.json").read_text()
    (place / "zarr.json").write_text(text.replace('"width": 64', '"width": 65'))
    found, _ = saved(place)
    assert (found.state, codes(found)) == ("beyond-repair", ["header-damaged"])


def test_a_damaged_seal_that_agrees_with_the_header_costs_nothing(case_of: CaseOf) -> None:
    place = case_of("tracks-zarr").copy()
    document = json.loads((place / "zarr.json").read_text())
    document["attributes"]["lapsdata"]["seal"]["crc32c"] = "00000000"
    (place / "zarr.json").write_text(json.dumps(document))
    found, out = saved(place)
    assert (found.kept, found.lost, codes(found)) == (264, 0, ["seal-damaged"])
    assert len(lapsdata.read(out)) == 264


def test_a_file_without_a_seal_is_taken_as_it_is_and_said_so(case_of: CaseOf) -> None:
    place = case_of("tracks-h5").copy()
    with h5py.File(place, "a") as file:
        del file["lapsdata/seal"]
    found, out = saved(place)
    assert (found.state, found.lost, codes(found)) == ("repaired", 0, ["unsealed"])
    assert len(lapsdata.read(out)) == 264


def test_a_file_without_a_header_was_never_finished(case_of: CaseOf) -> None:
    place = case_of("tracks-h5").copy()
    with h5py.File(place, "a") as file:
        del file["lapsdata/header"]
    with pytest.raises(UnknownFormatError, match="no-checksums"):
        repair(place)


def test_a_quality_over_lost_windows_is_left_out(tmp_path: Path, stored_at: StoredAt) -> None:
    quality = TrackQuality(
        measured=Measured(windows=9, points=45, steps=0),
        back_error_px=None,
        survival=1.0,
        visible=0.5,
        static=None,
        static_below_px=None,
        untextured=None,
    )
    area, grid = Area(x=0, y=0, width=64, height=48), Grid(kind="random", order="none")
    view = TracksView(size=Size(width=64, height=48), active_area=area, points=5, grid=grid, quality=quality)
    lapsdata.write(tmp_path / "clip.h5", sample_tracks(windows=9))
    whole = lapsdata.read(tmp_path / "clip.h5", Tracks)
    header = whole.header.model_copy(update={"views": {"default": view}})
    lapsdata.write(
        tmp_path / "clip.h5",
        Tracks(header, whole.tracks, whole.vis, whole.start_index, whole.frame_s),
        overwrite=True,
    )
    damage(tmp_path / "clip.h5", stored_at(tmp_path / "clip.h5", "root/default/tracks", 4))
    [found] = repair(tmp_path / "clip.h5", tmp_path / "saved.h5").items
    assert codes(found) == ["quality-left-out", "lost"]
    assert lapsdata.read(tmp_path / "saved.h5", Tracks).header.views["default"].quality is None


def test_datasets_of_others_are_named(case_of: CaseOf, stored_at: StoredAt) -> None:
    place = case_of("tracks-h5").copy()
    with h5py.File(place, "a") as file:
        file["text_emb"] = np.zeros(3)
    assert saved(place)[0].state == "whole"
    damage(place, stored_at(place, "root/front/tracks", 100))
    found, _ = saved(place)
    assert codes(found) == ["left-behind", "lost"]
    assert "text_emb" in found.notes[0].message


def test_energies_that_were_cut_keep_their_whole_lines(case_of: CaseOf) -> None:
    case = case_of("energies")
    place = case.copy()
    data = place.read_bytes()
    place.write_bytes(data[: len(data) // 2])
    found, out = saved(place)
    assert found.state == "repaired"
    assert codes(found) == ["rows-without-checksums", "end-missing", "lost"]
    assert "byte" in found.first_bad
    kept = lapsdata.read(out)
    assert len(kept) == found.kept == data[: len(data) // 2].count(b"\n") - 1


def test_a_digit_of_an_energy_has_no_place_to_be_found(tmp_path: Path) -> None:
    lapsdata.write(tmp_path / "e.jsonl", sample_energies())
    text = (tmp_path / "e.jsonl").read_text()
    at = text.index('"energy":', text.index("measured") - 60) + 9
    digit = next(n for n in range(at, at + 20) if text[n].isdigit())
    changed = text[:digit] + str((int(text[digit]) + 1) % 10) + text[digit + 1 :]
    (tmp_path / "e.jsonl").write_text(changed)
    [found] = repair(tmp_path / "e.jsonl", tmp_path / "saved.jsonl").items
    assert (found.state, codes(found)) == ("beyond-repair", ["damage-without-place"])


def test_a_broken_line_of_energies_ends_the_prefix(tmp_path: Path) -> None:
    lapsdata.write(tmp_path / "e.jsonl", sample_energies())
    lines = (tmp_path / "e.jsonl").read_bytes().splitlines(keepends=True)
    lines[5] = lines[5].replace(b'"state"', b'"stbte"')
    (tmp_path / "e.jsonl").write_bytes(b"".join(lines))
    found, _ = saved(tmp_path / "e.jsonl")
    assert (found.kept, found.lost, found.first_bad.partition(",")[0]) == (4, len(lines) - 6, "line 6")


def test_a_header_that_contradicts_its_rows_saves_nothing(tmp_path: Path) -> None:
    lapsdata.write(tmp_path / "e.jsonl", sample_energies())
    lines = (tmp_path / "e.jsonl").read_bytes().splitlines(keepends=True)
    lines[0] = lines[0].replace(b'"clip_0"', b'"clip_q"')
    (tmp_path / "e.jsonl").write_bytes(b"".join(lines))
    assert codes(saved(tmp_path / "e.jsonl")[0]) == ["damage-without-place"]


@pytest.mark.parametrize("name", ["segments", "boxes"])
def test_row_groups_before_the_damage_are_saved(name: str, case_of: CaseOf) -> None:
    import pyarrow.parquet as pq

    case = case_of(name)
    place = case.copy()
    column = pq.ParquetFile(place).metadata.row_group(2).column(1)
    damage(place, column.data_page_offset + column.total_compressed_size - 3)
    found, out = saved(place)
    assert (found.kept, found.lost, found.good_after) == (80, 50, 10)
    assert "row group 2" in found.first_bad
    assert len(lapsdata.read(out)) == 80


def test_shards_keep_the_prefix_of_each_video(case_of: CaseOf) -> None:
    case = case_of("shards")
    place = case.copy()
    damage(place / "shard-000001.tar", 700)  # sample 12 of 30 of the first video
    found, out = saved(place)
    assert (found.kept, found.lost, found.good_after) == (12 + 10, 18, 17)
    assert codes(found) == ["shard-digest", "video-shortened", "lost"]
    assert found.first_bad.startswith("shard-000001.tar: sample 12, ")
    assert [len(video) for video in lapsdata.read(out, Shards).tracks] == [12, 10]


def test_a_missing_archive_costs_what_lay_in_it_and_behind(case_of: CaseOf) -> None:
    place = case_of("shards").copy()
    (place / "shard-000000.tar").unlink()
    found, out = saved(place)
    assert (found.kept, found.lost, found.good_after) == (10, 30, 18)
    assert codes(found) == ["not-found", "video-lost", "lost"]
    assert found.lost_s == pytest.approx(3.3)
    assert [video.video.name for video in read_header(out).videos] == ["clip_1"]  # type: ignore[attr-defined]


def test_damage_between_the_arrays_of_shards_costs_nothing(case_of: CaseOf) -> None:
    place = case_of("shards").copy()
    damage(place / "shard-000000.tar", 3)  # a letter of a member's name
    found, out = saved(place)
    assert (found.kept, found.lost, codes(found)) == (40, 0, ["shard-digest"])
    assert len(lapsdata.read(out)) == 40


def test_what_shards_are_stands_in_one_file(case_of: CaseOf) -> None:
    place = case_of("shards").copy()
    damage(place / "shards.json", 200)
    assert codes(saved(place)[0]) == ["tables-damaged"]


def test_nothing_is_ever_replaced(case_of: CaseOf, stored_at: StoredAt) -> None:
    place = case_of("tracks-h5").copy()
    damage(place, stored_at(place, "root/front/tracks", 7))
    taken = place.parent / "mine.h5"
    taken.write_text("mine")
    with pytest.raises(StorageError, match="nothing is ever replaced by a repair"):
        repair(place, taken)
    with pytest.raises(StorageError, match="nothing is ever replaced by a repair"):
        repair(place, place.parent)
    assert taken.read_text() == "mine"


def test_files_of_others_carry_no_checksums(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "theirs.h5", "w") as file:
        file["tracks"] = np.zeros(3)
    (tmp_path / "notes.txt").write_text("notes")
    for name in ("theirs.h5", "notes.txt"):
        with pytest.raises(UnknownFormatError, match="it carries no checksums"):
            repair(tmp_path / name)


@pytest.mark.parametrize("name", ["tracks-h5", "tracks-zarr-compact", "tokens"])
def test_all_that_is_verified_keeps_its_own_times(name: str, case_of: CaseOf, stored_at: StoredAt) -> None:
    case = case_of(name)
    place = case.copy()
    for window in (0, 100, 101):
        if place.is_file():
            damage(place, stored_at(place, "root/front/tracks", window))
    if place.is_dir():
        array = place / "codes" if name == "tokens" else place / "root" / "front" / "tracks"
        shard = array.joinpath("c", "1", *("0" for _ in range(1 if name == "tokens" else 3)))
        shard.unlink()
        damage(array.joinpath("c", "0", *shard.parts[len(array.parts) + 2 :]), 3)
    lost = [0, 100, 101] if place.is_file() else [0, *range(256, 264)]
    out = place.parent / f"saved{place.suffix}"
    [found] = repair(place, out, keep="all").items
    kept = np.setdiff1d(np.arange(264), lost)
    assert (found.state, found.kept, found.lost, found.good_after) == ("repaired", len(kept), len(lost), 0)
    saved = lapsdata.read(out)
    whole = dict(case.container.arrays())
    for key, array in saved.arrays():
        expected = whole[key] if key == "frame_s" else whole[key][kept]
        assert np.array_equal(array, expected, equal_nan=array.dtype.kind == "f"), key
    if name == "tracks-h5":
        # Frames 0 and 101: the others are in the windows around the gap.
        assert found.lost_s == pytest.approx(0.2)
        assert codes(found) == ["row-is-not-frame", "lost"]


@pytest.mark.parametrize("name", ["segments", "boxes"])
def test_all_row_groups_that_are_verified(name: str, case_of: CaseOf) -> None:
    import pyarrow.parquet as pq

    case = case_of(name)
    place = case.copy()
    for group in (0, 2):
        column = pq.ParquetFile(place).metadata.row_group(group).column(1)
        damage(place, column.data_page_offset + column.total_compressed_size - 3)
    assert codes(repair(place).items[0]) == ["nothing-left"]
    out = place.parent / "saved.parquet"
    [found] = repair(place, out, keep="all").items
    assert (found.kept, found.lost) == (50, 80)
    rows = np.r_[40:80, 120:130]
    whole = dict(case.container.arrays())
    plain = {key: array for key, array in lapsdata.read(out).arrays() if "[" not in key}
    assert all(
        np.array_equal(array, whole[key][rows], equal_nan=array.dtype.kind == "f") for key, array in plain.items()
    )


def test_all_samples_of_shards_that_are_verified(case_of: CaseOf) -> None:
    case = case_of("shards")
    place = case.copy()
    (place / "shard-000001.tar").unlink()
    out = place.parent / "saved.shards"
    [found] = repair(place, out, keep="all").items
    assert (found.kept, found.lost) == (28, 12)
    first, second = lapsdata.read(out, Shards).tracks
    kept = np.r_[0:12, 24:30]
    assert np.array_equal(first.start_index, kept)
    assert np.array_equal(first.vis["default"], case.container.tracks[0].vis["default"][kept])
    assert second.equals(case.container.tracks[1])


def test_rows_of_energies_behind_a_damage_are_never_verified(case_of: CaseOf) -> None:
    case = case_of("energies")
    assert repair(case.path, keep="all").items[0].state == "whole"
    place = case.copy()
    place.write_bytes(place.read_bytes()[:-80])
    assert codes(repair(place, keep="all").items[0]) == ["wrong-option"]
