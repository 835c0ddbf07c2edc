"""Sources and targets: one file, folders, shards; what is refused before anything is written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest
import zarr

import lapsdata
from lapsdata._convert import convert
from lapsdata.errors import LapsError, SchemaError, UnknownFormatError
from lapsdata.formats import read_header
from lapsdata.schema import SourceVideo
from lapsdata.testing.samples import (
    sample_boxes,
    sample_energies,
    sample_segments,
    sample_shards,
    sample_tokens,
    sample_tracks,
)

if TYPE_CHECKING:
    from collections.abc import Callable


def clip(number: int, **options: Any) -> Any:
    return sample_tracks(seed=number, video=SourceVideo(name=f"clip_{number}"), **options)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three tracks files in two stores, and what is none."""
    place = tmp_path / "tracks"
    place.mkdir()
    lapsdata.write(place / "clip_0.h5", clip(0))
    lapsdata.write(place / "clip_1.zarr", clip(1), profile="compact")
    lapsdata.write(place / "clip_2.h5", clip(2))
    lapsdata.write(place / "clip_0.tokens.zarr", sample_tokens())
    (place / "run.json").write_text("{}")
    (place / "more").mkdir()
    return place


def names(folder: Path) -> list[str]:
    return sorted(item.name for item in folder.iterdir())


def test_a_folder_becomes_a_folder_of_the_same_names(folder: Path, tmp_path: Path) -> None:
    report = convert(folder, tmp_path / "out", to="zarr")
    assert names(tmp_path / "out") == ["clip_0.zarr", "clip_1.zarr", "clip_2.zarr", "run.json"]
    assert json.loads((tmp_path / "out" / "run.json").read_text())["outcome"] == "finished"
    assert report.beside == ("clip_0.tokens.zarr", "more", "run.json")
    assert report.facts["left out"].startswith("3 that are no tracks: clip_0.tokens.zarr")


def test_a_folder_becomes_shards_in_the_order_of_names(folder: Path, tmp_path: Path) -> None:
    convert(folder, tmp_path / "all.shards")
    found: Any = lapsdata.read(tmp_path / "all.shards")
    assert [video.header.video.name for video in found.tracks] == ["clip_0", "clip_1", "clip_2"]
    assert [parent.name for parent in found.header.provenance.parents] == ["clip_0.h5", "clip_1.zarr", "clip_2.h5"]


def test_a_file_goes_into_a_folder_that_is_there(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    convert(folder / "clip_0.h5", tmp_path / "out", to="zarr")
    convert(folder / "clip_0.h5", tmp_path / "plain", to="hdf5")
    assert names(tmp_path / "out") == ["clip_0.zarr"]
    assert (tmp_path / "plain").is_file()


def test_shards_of_one_video_become_one_file(tmp_path: Path) -> None:
    lapsdata.write(tmp_path / "one.shards", sample_shards(windows=(3,)))
    convert(tmp_path / "one.shards", tmp_path / "clip.h5")
    assert (tmp_path / "clip.h5").is_file()


def test_several_videos_do_not_fit_into_one_file(tmp_path: Path) -> None:
    lapsdata.write(tmp_path / "two.shards", sample_shards())
    with pytest.raises(SchemaError, match="expected a folder for 2 items, got the name of one file"):
        convert(tmp_path / "two.shards", tmp_path / "clip.h5")


def test_videos_of_one_name_are_called_by_their_number(tmp_path: Path) -> None:
    for number, name in enumerate(("Clip", "clip", "other")):
        lapsdata.write(tmp_path / f"{number}.h5", sample_tracks(seed=number, video=SourceVideo(name=name)))
    files = tmp_path / "files"
    files.mkdir()
    for number in range(3):
        (tmp_path / f"{number}.h5").rename(files / f"{number}.h5")
    convert(files, tmp_path / "all.shards")
    convert(tmp_path / "all.shards", tmp_path / "out", to="hdf5")
    assert names(tmp_path / "out") == ["other.h5", "run.json", "video-000000.h5", "video-000001.h5"]


def test_one_damaged_file_costs_no_other(folder: Path, tmp_path: Path) -> None:
    data = bytearray((folder / "clip_2.h5").read_bytes())
    with h5py.File(folder / "clip_2.h5") as file:
        data[file["root/default/tracks"].id.get_offset() + 5] ^= 1
    (folder / "clip_2.h5").write_bytes(data)
    report = convert(folder, tmp_path / "out", to="zarr")
    assert (report.counts["made"], report.counts["failed"]) == (2, 1)
    assert [problem.code for problem in report.problems] == ["payload-checksum"]
    assert "clip_2.zarr" not in names(tmp_path / "out")
    with pytest.raises(LapsError, match="payload-checksum"):
        raise LapsError(*report.problems)


def test_a_file_that_is_none_is_told_beside_the_others(folder: Path, tmp_path: Path) -> None:
    (folder / "broken.h5").write_bytes(b"")
    report = convert(folder, tmp_path / "out", to="zarr")
    assert (report.counts["made"], report.counts["failed"]) == (3, 1)
    with pytest.raises(LapsError, match=r"broken\.h5"):
        convert(folder, tmp_path / "all.shards")
    assert not (tmp_path / "all.shards").exists()


def test_unlike_videos_are_named_before_anything_is_written(folder: Path, tmp_path: Path) -> None:
    lapsdata.write(folder / "clip_3.h5", clip(3, points=7))
    with pytest.raises(SchemaError, match=r"clip_3.h5: expected 4 frames \(default: 5 points\) as in clip_0.h5"):
        convert(folder, tmp_path / "all.shards")
    assert names(tmp_path) == ["tracks"]


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (sample_energies, "a.jsonl"),
        (sample_segments, "a.parquet"),
        (sample_boxes, "a.parquet"),
        (sample_tokens, "a.zarr"),
    ],
)
def test_records_of_one_store_say_so(make: Callable[[], Any], name: str, tmp_path: Path) -> None:
    lapsdata.write(tmp_path / name, make())
    with pytest.raises(SchemaError, match="it is the only one of"):
        convert(tmp_path / name, tmp_path / f"b{Path(name).suffix}")
    with pytest.raises(UnknownFormatError, match=r"expected one of the formats of \w+, .*, got --to hdf5"):
        convert(tmp_path / name, tmp_path / "b", to="hdf5")


def test_a_target_without_a_word_for_its_format_is_refused(folder: Path, tmp_path: Path) -> None:
    known = r"tracks_hdf5 \(hdf5\), tracks_zarr \(zarr\), got no --to, and the ending ''; name it: --to zarr"
    with pytest.raises(UnknownFormatError, match=known):
        convert(folder, tmp_path / "out")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"to": "shards", "profile": "compact"}, "profile: expected none with shards_webdataset"),
        ({"to": "zarr", "samples_per_shard": 4}, "samples_per_shard: expected none with tracks_zarr"),
        ({"to": "zarr", "round_px": 0.5}, "expected none with profile 'raw'"),
        ({"to": "zarr", "profile": "tiny"}, "profile: expected one of"),
        ({"to": "zarr", "rate": 0}, "rate"),
        ({"to": "zarr", "size": (0, 3)}, "width"),
        ({"to": "zarr", "stride": 0}, "stride"),
    ],
)
def test_options_at_fault_are_named(options: dict[str, Any], told: str, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match=told):
        convert(folder, tmp_path / "out", **options)
    assert names(tmp_path) == ["tracks"]


def test_a_rate_beside_times_is_refused(folder: Path, tmp_path: Path) -> None:
    report = convert(folder / "clip_0.h5", tmp_path / "clip.zarr", rate=10)
    assert [problem.code for problem in report.problems] == ["rate-given"]


@pytest.mark.parametrize("inside", [".", "deeper", "clip_1.zarr/deeper"])
def test_an_output_inside_of_its_source_is_refused(inside: str, folder: Path) -> None:
    with pytest.raises(SchemaError, match="expected an output apart from its source"):
        convert(folder, folder / inside, to="zarr")
    with pytest.raises(SchemaError, match="expected an output apart from its source"):
        convert(folder / "clip_0.h5", folder / "clip_0.h5", to="zarr")


def test_an_empty_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(SchemaError, match="expected tracks files, got an empty folder"):
        convert(tmp_path / "empty", tmp_path / "out", to="zarr")


def test_what_was_put_into_files_of_ours_is_named(folder: Path, tmp_path: Path) -> None:
    with h5py.File(folder / "clip_0.h5", "a") as file:
        file["text_emb"] = np.zeros(3)
        file["root"].attrs["task"] = "pick"
        file["root/default"].attrs["fov"] = 60
    group = zarr.open_group(folder / "clip_1.zarr", mode="a")
    group.create_array("extra", shape=(2,), dtype="i4")[:] = 1
    group["root/default"].attrs["fov"] = 60
    one, two, three = convert(folder, tmp_path / "out", to="hdf5").made
    assert set(one.left_behind) == {"text_emb", "root@task", "root/default@fov"}
    assert set(two.left_behind) == {"extra", "root/default@fov"}
    assert three.left_behind == ()


def test_what_lies_beside_shards_is_named(tmp_path: Path) -> None:
    lapsdata.write(tmp_path / "two.shards", sample_shards())
    (tmp_path / "two.shards" / "README").write_text("ours")
    assert convert(tmp_path / "two.shards", tmp_path / "out", to="zarr").made[0].left_behind == ("README",)


def test_a_folder_without_a_name_of_its_own_is_called_by_what_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lapsdata.write(tmp_path / "two.shards", sample_shards())
    monkeypatch.chdir(tmp_path / "two.shards")
    convert(".", "../out", to="zarr")
    made = read_header(tmp_path / "out" / "clip_0.zarr").provenance
    assert [parent.name for parent in made.parents] == ["two.shards"]


def test_small_letters_of_webdataset_are_told(tmp_path: Path) -> None:
    lapsdata.write(tmp_path / "clip.h5", sample_tracks(views=("Left", "right")))
    report = convert(tmp_path / "clip.h5", tmp_path / "clip.shards")
    assert [problem.code for problem in report.problems] == ["small-letters"]
    assert "Left" in report.problems[0].message
    assert list(lapsdata.read(tmp_path / "clip.shards").header.videos[0].views) == ["Left", "right"]  # type: ignore[attr-defined]


def test_readers_of_bare_files_are_warned_of_strides(tmp_path: Path) -> None:
    lapsdata.write(tmp_path / "clip.zarr", sample_tracks(stride=2))
    report = convert(tmp_path / "clip.zarr", tmp_path / "clip.h5")
    assert [problem.code for problem in report.problems] == ["row-is-not-frame"]


def test_shards_in_a_folder_are_converted_with_the_files_beside_them(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    lapsdata.write(tmp_path / "in" / "clip_0.h5", clip(7))
    lapsdata.write(tmp_path / "in" / "all.shards", sample_shards())
    report = convert(tmp_path / "in", tmp_path / "out", to="zarr")
    assert (report.counts["made"], report.beside) == (3, ())
    assert names(tmp_path / "out") == ["all-clip_0.zarr", "all-clip_1.zarr", "clip_0.zarr", "run.json"]
    both = [lapsdata.open_windows(tmp_path / name) for name in ("in", "out")]
    assert len(both[0]) == len(both[1])
    assert convert(tmp_path / "in", tmp_path / "out", to="zarr").counts["kept"] == 3


def test_shards_in_a_folder_become_shards_with_the_files_beside_them(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    lapsdata.write(tmp_path / "in" / "a.h5", clip(7))
    lapsdata.write(tmp_path / "in" / "b.shards", sample_shards())
    convert(tmp_path / "in", tmp_path / "out.shards")
    found: Any = lapsdata.read(tmp_path / "out.shards")
    assert [video.header.video.name for video in found.tracks] == ["clip_7", "clip_0", "clip_1"]
    assert [parent.name for parent in found.header.provenance.parents] == ["a.h5", "b.shards"]


def test_damaged_shards_in_a_folder_are_told(folder: Path, tmp_path: Path) -> None:
    lapsdata.write(folder / "b.shards", sample_shards())
    (folder / "b.shards" / "shards.json").write_text("{}")
    report = convert(folder, tmp_path / "out", to="zarr")
    assert (report.counts["made"], report.counts["failed"]) == (3, 1)


def test_the_bytes_before_are_all_of_the_source(tmp_path: Path) -> None:
    lapsdata.write(tmp_path / "in.shards", sample_shards(windows=(3, 2, 8)))
    report = convert(tmp_path / "in.shards", tmp_path / "out", to="zarr")
    size = sum(path.stat().st_size for path in (tmp_path / "in.shards").iterdir())
    assert sum(made.bytes_before for made in report.made) == size
    assert [round(made.bytes_before * 13 / size) for made in report.made] == [3, 2, 8]
