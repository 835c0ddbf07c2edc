"""Files of other makers: what they must be told, what is taken for granted, and what has no place."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest
import zarr

import lapsdata
from lapsdata._convert import convert
from lapsdata.checks.integrity import check_integrity
from lapsdata.containers import Tracks
from lapsdata.errors import UnknownFormatError
from lapsdata.storage.seal_list import seal_list_path
from lapsdata.testing.samples import sample_shards

if TYPE_CHECKING:
    from pathlib import Path

    from lapsdata._convert import ConvertReport
    from lapsdata.errors import Problem

ROWS, HORIZON, POINTS = 6, 4, 5
TOLD: dict[str, Any] = {"rate": 20, "size": (64, 48)}


def windows(seed: int = 0, dtype: str = "f4") -> tuple[Any, Any]:
    random = np.random.default_rng(seed)
    return (random.random((ROWS, HORIZON, POINTS, 2)) * 40).astype(dtype), random.random((ROWS, HORIZON, POINTS)) > 0.3


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """A file as AMPLIFY and LAPS write it, with what they put beside."""
    path = tmp_path / "demo_0.hdf5"
    tracks, vis = windows()
    with h5py.File(path, "w") as file:
        file["root/front/tracks"], file["root/front/vis"] = tracks, vis.astype("f4")
        file["root/front/depth"] = np.zeros(3)
        file["text_emb"] = np.zeros(4)
        file.attrs["task"] = "pick"
        file["root/front"].attrs.update({"height": 48, "width": 64, "camera": "left"})
    return path


def codes(report: ConvertReport) -> list[str]:
    return [problem.code for problem in report.problems]


def the(report: ConvertReport, code: str) -> Problem:
    (found,) = [problem for problem in report.problems if problem.code == code]
    return found


@pytest.mark.parametrize("ending", ["zarr", "h5", "shards"])
def test_windows_of_others_get_times_and_a_seal(theirs: Path, tmp_path: Path, ending: str) -> None:
    report = convert(theirs, tmp_path / f"out.{ending}", rate="30000/1001")
    found: Any = lapsdata.read(tmp_path / f"out.{ending}")
    clip: Tracks = found.tracks[0] if ending == "shards" else found
    tracks, vis = windows()
    assert np.array_equal(clip.tracks["front"], tracks)
    assert np.array_equal(clip.vis["front"], vis)
    assert clip.header.views["front"].size.width == 64
    assert clip.frame_s[1] == pytest.approx(1001 / 30000)
    assert clip.start_index.tolist() == list(range(ROWS))
    assert clip.header.policies == {"unverified_windows": ROWS}
    assert {"taken-for-granted", "unverified", "left-behind"} <= set(codes(report))
    assert report.exit_code == 0


def test_what_has_no_place_is_named(theirs: Path, tmp_path: Path) -> None:
    report = convert(theirs, tmp_path / "out.zarr", rate=10)
    assert set(report.made[0].left_behind) == {"root/front/depth", "text_emb", "@task", "root/front@camera"}
    assert "text_emb" in the(report, "left-behind").message
    assert report.as_json()["items"][0]["made"]["unverified"] == ROWS


def test_everything_that_is_missing_is_said_at_once(theirs: Path, tmp_path: Path) -> None:
    with h5py.File(theirs, "a") as file:
        del file["root/front"].attrs["height"]
    report = convert(theirs, tmp_path / "out.zarr")
    assert codes(report) == ["no-rate", "no-size"]
    assert "--rate 30" in str(the(report, "no-rate").fix)
    assert "--size WIDTHxHEIGHT" in str(the(report, "no-size").fix)
    assert not (tmp_path / "out.zarr").exists()
    assert convert(theirs, tmp_path / "out.zarr", **TOLD).counts["made"] == 1


def test_a_size_that_contradicts_the_file_is_refused(theirs: Path, tmp_path: Path) -> None:
    report = convert(theirs, tmp_path / "out.zarr", rate=10, size=(48, 64))
    assert "expected 64x48 as the file says, got 48x64" in the(report, "other-size").message


def test_the_stride_of_others_is_told(theirs: Path, tmp_path: Path) -> None:
    convert(theirs, tmp_path / "out.h5", rate=10, stride=3)
    clip = lapsdata.read(tmp_path / "out.h5", Tracks)
    assert clip.start_index.tolist() == [0, 3, 6, 9, 12, 15]
    assert len(clip.frame_s) == 15 + HORIZON


def test_zarr_of_others_with_chunks_that_were_never_written(tmp_path: Path) -> None:
    tracks, vis = windows()
    group = zarr.open_group(tmp_path / "theirs.zarr", mode="w", attributes={"task": "pick"})
    made = group.create_array("cam/tracks", shape=tracks.shape, chunks=(2, *tracks.shape[1:]), dtype="f4", fill_value=7)
    made[:4] = tracks[:4]
    group.create_array("cam/vis", shape=vis.shape, chunks=(1, *vis.shape[1:]), dtype="bool")[:] = vis
    group.create_array("other", shape=(2,), dtype="i4")[:] = 1
    report = convert(tmp_path / "theirs.zarr", tmp_path / "out.h5", **TOLD)
    clip = lapsdata.read(tmp_path / "out.h5", Tracks)
    assert np.array_equal(clip.tracks["cam"][:4], tracks[:4])
    assert (clip.tracks["cam"][4:] == 7).all()
    assert clip.header.policies["fill_value_chunks"] == report.made[0].filled >= 1
    assert set(report.made[0].left_behind) == {"other", "@task"}
    assert the(report, "filled").severity == "warning"


def test_doubles_are_rounded_and_said(tmp_path: Path) -> None:
    tracks, vis = windows(dtype="f8")
    with h5py.File(tmp_path / "theirs.h5", "w") as file:
        file.create_dataset("a/tracks", data=tracks, chunks=(4, 3, 2, 1), compression="gzip")
        file["a/vis"] = vis
    report = convert(tmp_path / "theirs.h5", tmp_path / "out.zarr", **TOLD)
    clip = lapsdata.read(tmp_path / "out.zarr", Tracks)
    assert np.array_equal(clip.tracks["a"], tracks.astype("f4"))
    assert report.largest_error_px == pytest.approx(np.abs(clip.tracks["a"] - tracks).max())
    assert 0 < report.largest_error_px < 1e-5


@pytest.mark.parametrize("kind", ["i2", ">f4", "f2"])
def test_numbers_that_float32_holds_are_kept(tmp_path: Path, kind: str) -> None:
    tracks, vis = windows(dtype=kind)
    with h5py.File(tmp_path / "theirs.h5", "w") as file:
        file["a/tracks"], file["a/vis"] = tracks, vis.astype("u1")
    assert convert(tmp_path / "theirs.h5", tmp_path / "out.zarr", **TOLD).largest_error_px == 0.0
    assert np.array_equal(lapsdata.read(tmp_path / "out.zarr", Tracks).tracks["a"], tracks.astype("f4"))


def test_numbers_beyond_float32_are_refused(tmp_path: Path) -> None:
    tracks, vis = windows(dtype="f8")
    tracks[0] = 1e300
    with h5py.File(tmp_path / "theirs.h5", "w") as file:
        file["a/tracks"], file["a/vis"] = tracks, vis
    report = convert(tmp_path / "theirs.h5", tmp_path / "out.zarr", **TOLD)
    assert the(report, "not-finite").message == "expected numbers that float32 can hold, got larger ones"
    assert not (tmp_path / "out.zarr").exists()


def test_nan_at_a_visible_point_is_refused(theirs: Path, tmp_path: Path) -> None:
    with h5py.File(theirs, "a") as file:
        file["root/front/tracks"][2] = np.nan
    assert codes(convert(theirs, tmp_path / "out.zarr", **TOLD)) == ["nan-where-visible"]


def test_visibility_between_0_and_1_is_refused(theirs: Path, tmp_path: Path) -> None:
    with h5py.File(theirs, "a") as file:
        file["root/front/vis"][0, 0, 0] = 0.5
    assert codes(convert(theirs, tmp_path / "out.zarr", **TOLD)) == ["wrong-visibility"]


def test_arrays_that_do_not_fit_each_other_are_named(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "theirs.h5", "w") as file:
        file["a/tracks"], file["a/vis"] = np.zeros((3, 4, 5, 3)), np.zeros((3, 4, 6))
    report = convert(tmp_path / "theirs.h5", tmp_path / "out.zarr", **TOLD)
    assert [problem.where.rpartition(": ")[2] for problem in report.problems] == ["a/tracks", "a/vis"]


def test_a_file_without_windows_says_what_it_holds(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "theirs.h5", "w") as file:
        file["a/positions"] = np.zeros(3)
    report = convert(tmp_path / "theirs.h5", tmp_path / "out.zarr", **TOLD)
    assert "got a/positions" in the(report, "no-windows").message


def test_text_is_no_source(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("tracks")
    with pytest.raises(UnknownFormatError, match=r"notes\.txt"):
        convert(tmp_path / "notes.txt", tmp_path / "out.zarr")


def write_tar(path: Path, names: tuple[str, str] = ("tracks", "vis"), **beside: bytes) -> None:
    with tarfile.open(path, "w") as tar:
        for number, arrays in enumerate(zip(*windows(), strict=True)):
            members = {}
            for name, array in zip(names, arrays, strict=True):
                held = io.BytesIO()
                np.save(held, array)
                members[f"{name}.npy"] = held.getvalue()
            for ending, data in (members | beside).items():
                entry = tarfile.TarInfo(f"{number:06d}.{ending}")
                entry.size = len(data)
                tar.addfile(entry, io.BytesIO(data))


def write_theirs(path: Path) -> Path:
    """Write the windows as another program does, and return the file that holds their positions."""
    tracks, vis = windows()
    if path.suffix == ".tar":
        write_tar(path)
        return path
    if path.suffix == ".h5":
        with h5py.File(path, "w") as file:
            file["cam/tracks"], file["cam/vis"] = tracks, vis
        return path
    if path.suffix == ".zarr":
        group = zarr.open_group(path, mode="w")
        for name, array in (("tracks", tracks), ("vis", vis)):
            group.create_array(f"cam/{name}", data=array, chunks=array.shape, compressors=None)
        return path / "cam" / "tracks" / "c" / "0" / "0" / "0" / "0"
    path.mkdir()
    np.save(path / "tracks.npy", tracks)
    np.save(path / "vis.npy", vis)
    return path / "tracks.npy"


KINDS = ["a.h5", "a.zarr", "a.tar", "a"]


@pytest.mark.parametrize("name", KINDS)
def test_windows_that_fit_their_seal_list_are_verified(name: str, tmp_path: Path) -> None:
    write_theirs(tmp_path / name)
    check_integrity([tmp_path / name], seal=True)
    report = convert(tmp_path / name, tmp_path / "out.h5", **TOLD)
    assert report.made[0].unverified == 0
    assert "unverified" not in codes(report)
    clip = lapsdata.read(tmp_path / "out.h5", Tracks)
    assert np.array_equal(next(iter(clip.tracks.values())), windows()[0])
    assert clip.header.policies == {}


@pytest.mark.parametrize("name", KINDS)
def test_damage_behind_a_seal_list_stops_the_conversion(name: str, tmp_path: Path) -> None:
    place = write_theirs(tmp_path / name)
    check_integrity([tmp_path / name], seal=True)
    data = bytearray(place.read_bytes())
    data[data.index(windows()[0][3].tobytes()) + 5] ^= 1
    place.write_bytes(data)
    report = convert(tmp_path / name, tmp_path / "out.h5", **TOLD)
    assert codes(report) == ["payload-checksum"]
    assert "row 3" in the(report, "payload-checksum").where
    assert report.exit_code == 1
    assert not (tmp_path / "out.h5").exists()


@pytest.mark.parametrize("kind", ["f8", "i2"])
def test_numbers_of_any_type_are_compared_as_they_are_stored(kind: str, tmp_path: Path) -> None:
    tracks, vis = windows(dtype=kind)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("a/tracks", data=tracks, chunks=(4, 3, 2, 1), compression="gzip")
        file["a/vis"] = vis.astype("u1")
    check_integrity([tmp_path / "a.h5"], seal=True)
    assert convert(tmp_path / "a.h5", tmp_path / "out.zarr", **TOLD).made[0].unverified == 0
    assert np.array_equal(lapsdata.read(tmp_path / "out.zarr", Tracks).tracks["a"], tracks.astype("f4"))


def test_a_seal_list_that_is_damaged_or_of_another_file_is_not_passed_over(tmp_path: Path) -> None:
    write_theirs(tmp_path / "a.h5")
    check_integrity([tmp_path / "a.h5"], seal=True)
    listed = seal_list_path(tmp_path / "a.h5")
    whole = listed.read_bytes()
    listed.write_bytes(whole.replace(b'"hdf5"', b'"zarr"'))
    assert codes(convert(tmp_path / "a.h5", tmp_path / "out.zarr", **TOLD)) == ["seal-list-damaged"]
    listed.write_bytes(whole)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["cam/tracks"], file["cam/vis"] = np.zeros((2, 4, 5, 2), "f4"), np.ones((2, 4, 5), bool)
    assert set(codes(convert(tmp_path / "a.h5", tmp_path / "out.zarr", **TOLD))) == {"seal-list-mismatch"}


def test_seal_lists_in_a_folder_are_not_left_out(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    write_theirs(tmp_path / "in" / "a.h5")
    check_integrity([tmp_path / "in" / "a.h5"], seal=True)
    (tmp_path / "in" / "gone.h5.lapsdata-seal.json").write_text("{}")
    assert convert(tmp_path / "in", tmp_path / "out", to="zarr", **TOLD).beside == ("gone.h5.lapsdata-seal.json",)


def test_samples_of_a_tar_are_windows_and_their_order_is_warned_of(tmp_path: Path) -> None:
    write_tar(tmp_path / "a.tar", cls=b"3")
    report = convert(tmp_path / "a.tar", tmp_path / "out.zarr", **TOLD)
    clip = lapsdata.read(tmp_path / "out.zarr", Tracks)
    assert np.array_equal(clip.tracks["default"], windows()[0])
    assert np.array_equal(clip.vis["default"], windows()[1])
    assert report.made[0].left_behind == ("*.cls (no npy, 6 times)",)
    taken = the(report, "taken-for-granted")
    assert (taken.severity, taken.message.partition(" is taken")[0]) == ("warning", "sample w")
    assert "shuffled" in str(taken.fix)


def test_tars_in_a_folder_are_converted_with_the_others(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in ("a.h5", "b.tar", "c", "d.zarr"):
        write_theirs(tmp_path / "in" / name)
    report = convert(tmp_path / "in", tmp_path / "out", to="hdf5", **TOLD)
    assert [entry.name for entry in report.entries if entry.fate == "made"] == ["a", "b", "c", "d"]
    assert report.beside == ()


def test_a_tar_of_other_samples_says_what_it_lacks(tmp_path: Path) -> None:
    write_tar(tmp_path / "a.tar", names=("flow", "mask"))
    report = convert(tmp_path / "a.tar", tmp_path / "out.zarr", **TOLD)
    assert "expected samples with tracks.npy and vis.npy, got flow, mask" in the(report, "no-windows").message
    assert "KEY.tracks.npy" in str(the(report, "no-windows").fix)


def test_a_tar_out_of_shards_of_ours_is_not_taken_for_one_of_others(tmp_path: Path) -> None:
    lapsdata.write(tmp_path / "ours.shards", sample_shards())
    report = convert(tmp_path / "ours.shards" / "shard-000000.tar", tmp_path / "out.zarr", **TOLD)
    assert codes(report) == ["part-of-shards"]
    assert "name the folder" in str(report.problems[0].fix)


def test_a_json_member_of_others_is_no_sample_of_ours(tmp_path: Path) -> None:
    write_tar(tmp_path / "a.tar", json=b'{"caption": "a kick"}')
    (made,) = convert(tmp_path / "a.tar", tmp_path / "out.zarr", **TOLD).made
    assert made.left_behind == ("*.json (no npy, 6 times)",)
