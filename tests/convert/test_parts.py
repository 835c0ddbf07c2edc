"""The parts of a conversion by themselves: windows by blocks, keys, targets, reports, groups of other makers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lapsdata
from lapsdata._convert import Converted, ConvertOptions, ConvertReport
from lapsdata._convert._foreign import foreign_windows, hdf5_attributes, zarr_arrays
from lapsdata._convert._keys import MARK, convert_key, marked
from lapsdata._convert._sources import ConvertSource, Sources, find_sources, open_windows
from lapsdata._convert._targets import expect_apart, outputs, target_format
from lapsdata._convert._windows import BLOCK, Block, Windows
from lapsdata.errors import Problem, SchemaError, UnknownFormatError
from lapsdata.execution.report import Entry
from lapsdata.schema.base import Parent
from lapsdata.testing import samples

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

ZARR = ConvertOptions(to="tracks_zarr")


def parent(name: str, digit: str = "0") -> Parent:
    return Parent(role="converted", name=name, digest="sha256:" + 64 * digit)


def joined(blocks: Iterable[Block], view: str) -> dict[str, NDArray[Any]]:
    held = list(blocks)
    assert all(len(block) == BLOCK for block in held[:-1])
    arrays: dict[str, list[NDArray[Any]]] = {
        "tracks": [b.tracks[view] for b in held],
        "vis": [b.vis[view] for b in held],
    }
    if held[0].confidence is not None:
        arrays["confidence"] = [b.confidence[view] for b in held if b.confidence is not None]
    return {name: np.concatenate(parts) for name, parts in arrays.items()}


@pytest.mark.parametrize("options", [{}, {"profile": "compact", "round_px": "none"}])
@pytest.mark.parametrize("name", ["clip.h5", "clip.zarr"])
def test_blocks_are_the_windows_in_order(name: str, options: dict[str, Any], tmp_path: Path) -> None:
    clip = samples.sample_tracks(windows=BLOCK + 30, horizon=2, points=3, views=("a", "b"), confidence=True)
    lapsdata.write(tmp_path / name, clip, **options)
    windows = open_windows(ConvertSource(tmp_path / name, "clip", "tracks"), ZARR)
    assert (len(windows), windows.unverified, windows.filled, windows.left_behind) == (BLOCK + 30, 0, 0, ())
    assert windows.share_of(1000) == 1000
    for view in ("a", "b"):
        found = joined(windows.blocks(), view)
        assert np.array_equal(found["tracks"], clip.tracks[view], equal_nan=True)
        assert np.array_equal(found["vis"], clip.vis[view])
        assert clip.confidence is not None
        assert np.array_equal(found["confidence"], clip.confidence[view])


def test_videos_of_shards_are_read_apart(tmp_path: Path) -> None:
    many = samples.sample_shards(windows=(3, 300, 2), horizon=2, points=3)
    lapsdata.write(tmp_path / "clips.shards", many, samples_per_shard=7)
    found = find_sources(tmp_path / "clips.shards")
    assert [item.name for item in found.items] == ["clip_0", "clip_1", "clip_2"]
    for item, clip in zip(found.items, many.tracks, strict=True):
        windows = open_windows(item, ZARR)
        assert np.array_equal(joined(windows.blocks(), "default")["vis"], clip.vis["default"])
        assert windows.header == clip.header
        assert np.array_equal(windows.frame_s, clip.frame_s)


def test_arrays_in_memory_are_windows_too() -> None:
    clip = samples.sample_tracks(windows=4)
    sources: dict[str, Any] = {
        "default": {"tracks": clip.tracks["default"].astype(np.float64) + 1e-9, "vis": clip.vis["default"]}
    }
    windows = Windows("memory", clip.header, clip.start_index, clip.frame_s, None, sources)
    [block] = windows.blocks()
    assert np.array_equal(block.tracks["default"], clip.tracks["default"], equal_nan=True)
    assert 0 < block.largest_error_px < 1e-5
    assert windows.unverified == 4


@given(
    st.sampled_from(["raw", "compact"]),
    st.none() | st.integers(1, 9),
    st.sampled_from("0123456789abcdef"),
    st.booleans(),
)
def test_a_key_is_of_everything_that_decides(profile: Any, stride: int | None, digit: str, of_a_video: bool) -> None:
    usual = convert_key(ZARR, [parent("clip.h5")])
    options = ConvertOptions(to="tracks_zarr", profile=profile, stride=stride)
    other = convert_key(options, [parent("renamed.h5", digit)], 3 if of_a_video else None)
    same = (profile, stride, digit, of_a_video) == ("raw", None, "0", False)
    assert (usual == other) == same


def test_a_mark_replaces_the_one_before_and_leaves_other_parents() -> None:
    made = samples.sample_provenance().model_copy(
        update={"parents": (Parent(role="video", name="a.mp4", digest=parent("x").digest),)}
    )
    once = marked(made, ZARR, [parent("clip.h5")])
    twice = marked(once, ConvertOptions(to="tracks_hdf5"), [parent("clip.zarr", "1")], 2)
    assert [(one.role, one.name) for one in twice.parents] == [("video", "a.mp4"), ("converted", "clip.zarr")]
    mark: Any = (twice.model_extra or {})[MARK]
    assert (mark["parameters"]["to"], mark["parameters"]["video"]) == ("tracks_hdf5", 2)
    assert twice.checked() == twice


@pytest.mark.parametrize(
    ("record", "to", "path", "name"),
    [
        ("tracks", "hdf5", "out", "tracks_hdf5"),
        ("tracks", "tracks_zarr", "out.h5", "tracks_zarr"),
        ("tracks", "shards", "out", "shards_webdataset"),
        ("tracks", "webdataset", "out", "shards_webdataset"),
        ("tracks", None, "out.hdf5", "tracks_hdf5"),
        ("shards", None, "out.zarr", "tracks_zarr"),
        ("shards", None, "out.shards", "shards_webdataset"),
        ("tokens", None, "out.zarr", "tokens_zarr"),
        ("segments", "parquet", "out", "segments_parquet"),
    ],
)
def test_the_format_is_found_by_word_or_ending(record: str, to: str | None, path: str, name: str) -> None:
    assert target_format(record, to, Path(path)).name == name


@pytest.mark.parametrize(
    ("record", "to", "path"),
    [
        ("tracks", "parquet", "out"),
        ("tracks", None, "out.parquet"),
        ("tokens", "hdf5", "out"),
        ("energies", "zarr", "out"),
        ("tokens", None, "out"),
    ],
)
def test_a_format_that_is_not_there_lists_those_that_are(record: str, to: str | None, path: str) -> None:
    with pytest.raises(UnknownFormatError, match=rf"expected one of the formats of {record}, .*{record}_"):
        target_format(record, to, Path(path))


def test_each_item_has_its_output(tmp_path: Path) -> None:
    one, two = (ConvertSource(Path(f"{name}.h5"), name, "tracks") for name in ("a", "b"))
    plugin = target_format("tracks", "zarr", tmp_path)
    single, several = Sources((one,)), Sources((one, two), several=True)
    assert outputs(single, tmp_path / "new", plugin) == [tmp_path / "new"]
    assert outputs(single, tmp_path, plugin) == [tmp_path / "a.zarr"]
    assert outputs(several, tmp_path / "new", plugin) == [tmp_path / "new" / "a.zarr", tmp_path / "new" / "b.zarr"]
    (tmp_path / "folder.zarr").mkdir()
    assert outputs(several, tmp_path / "folder.zarr", plugin) == [tmp_path / "folder.zarr" / f"{n}.zarr" for n in "ab"]
    with pytest.raises(SchemaError, match="expected a folder for 2 items"):
        outputs(several, tmp_path / "new.zarr", plugin)
    shards = target_format("tracks", "shards", tmp_path)
    assert outputs(several, tmp_path / "all", shards) == [tmp_path / "all"] * 2


def test_source_and_output_lie_apart(tmp_path: Path) -> None:
    (tmp_path / "tracks").mkdir()
    lapsdata.write(tmp_path / "tracks" / "a.zarr", samples.sample_tracks())
    expect_apart(tmp_path / "tracks" / "a.zarr", tmp_path / "tracks")  # beside it
    expect_apart(tmp_path / "tracks", tmp_path / "out")
    (tmp_path / "link").symlink_to(tmp_path / "tracks")
    for target in (tmp_path / "tracks", tmp_path / "link", tmp_path / "tracks" / "deep" / "er"):
        with pytest.raises(SchemaError, match="expected an output apart from its source"):
            expect_apart(tmp_path / "tracks", target)
    with pytest.raises(SchemaError, match="expected an output apart from its source"):
        expect_apart(tmp_path / "tracks" / "a.zarr" / "root", tmp_path / "tracks" / "a.zarr")


def test_groups_of_unlike_places_and_one_name_are_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "theirs.h5", "w") as file:
        for group in ("one/cam", "two/cam"):
            file[f"{group}/tracks"], file[f"{group}/vis"] = np.zeros((2, 2, 2, 2)), np.zeros((2, 2, 2))
    with pytest.raises(
        SchemaError, match="expected groups of different names, got 'one/cam/tracks' and 'two/cam/tracks'"
    ):
        foreign_windows(tmp_path / "theirs.h5", ZARR)


def test_arrays_at_the_root_are_the_default_view(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "theirs.h5", "w") as file:
        file["tracks"], file["vis"] = np.zeros((2, 2, 2, 2), "f4"), np.zeros((2, 2, 2), bool)
        file.attrs.update({"height": 3, "width": 4})
    found = foreign_windows(tmp_path / "theirs.h5", ConvertOptions.parse(b'{"to": "tracks_zarr", "rate": "25"}'))
    assert list(found.sources) == ["default"]
    assert found.header.views["default"].size.width == 4
    assert found.left_behind == ()
    assert [note.code for note in found.notes] == ["taken-for-granted"]


def test_zarr_of_version_2_is_listed_with_its_attributes(tmp_path: Path) -> None:
    import zarr

    group = zarr.open_group(tmp_path / "old.zarr", mode="w", zarr_format=2)
    group.attrs["task"] = "pick"
    cam = group.create_group("cam")
    cam.attrs.update({"height": 48, "width": 64})
    for name, shape in (("tracks", (2, 3, 4, 2)), ("vis", (2, 3, 4))):
        cam.create_array(name, shape=shape, dtype="f4", chunks=shape)[...] = 1
    arrays, attributes = zarr_arrays(tmp_path / "old.zarr")
    assert arrays == ["cam/tracks", "cam/vis"]
    assert attributes == {"": {"task": "pick"}, "cam": {"height": 48, "width": 64}}
    found = foreign_windows(tmp_path / "old.zarr", ConvertOptions.parse(b'{"to": "tracks_hdf5", "rate": "25"}'))
    assert (len(found), found.left_behind, found.unverified) == (2, ("@task",), 2)
    assert joined(found.blocks(), "cam")["vis"].all()


def test_npy_files_beside_each_other_are_the_arrays_of_one_video(tmp_path: Path) -> None:
    home = tmp_path / "clip"
    home.mkdir()
    values = {"tracks": np.random.default_rng(0).random((3, 2, 4, 2), np.float32), "vis": np.ones((3, 2, 4), bool)}
    for name, array in (values | {"actions": np.zeros((3, 7))}).items():
        np.save(home / f"{name}.npy", array)
    options = ConvertOptions.parse(b'{"to": "tracks_hdf5", "rate": "25", "size": {"width": 64, "height": 48}}')
    found = foreign_windows(home, options)
    assert (len(found), found.left_behind, found.unverified) == (3, ("actions.npy",), 3)
    back = joined(found.blocks(), "default")
    np.testing.assert_array_equal(back["tracks"], values["tracks"])
    (home / "vis.npy").unlink()
    with pytest.raises(
        UnknownFormatError, match=r"expected a group with the arrays tracks and vis, got actions, tracks"
    ):
        foreign_windows(home, options)


def test_attributes_that_cannot_be_read_are_named_all_the_same(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "theirs.h5", "w") as file:
        file["a"] = np.zeros(3)
        file["a"].attrs["unit"] = "pixel"
        file["a"].attrs.create("empty", h5py.Empty("f4"))
        file.attrs["version"] = 3
    found = hdf5_attributes(tmp_path / "theirs.h5")
    assert {place: sorted(pairs) for place, pairs in found.items()} == {"": ["version"], "a": ["empty", "unit"]}


def test_a_report_adds_up_and_names_the_worst() -> None:
    note = Problem("row-is-not-frame", "tracks", "rows", severity="info")
    one = Converted(
        3, 1000, 600, 0.25, unverified=3, filled=2, left_behind=tuple(f"d{n}" for n in range(20)), notes=(note,)
    )
    two = Converted(4, 2000, 500, 0.5)
    entries: tuple[Entry[Converted], ...] = (
        Entry("a", Path("a.zarr"), "made", result=one),
        Entry("b", Path("b.zarr"), "changed", result=two),
        Entry("c", Path("c.zarr"), "kept"),
    )
    report = ConvertReport(entries, beside=("run.json",))
    assert report.facts == {
        "items": "3",
        "made": "1",
        "kept": "1, not read again: lapsdata check c.zarr verifies them",
        "made again": "1 (1 changed)",
        "written": "a.zarr, b.zarr",
        "windows": "7",
        "bytes": "3,000 before, 1,100 after",
        "largest error": "0.5 px",
        "left out": "1 that are no tracks: run.json",
    }
    assert report.largest_error_px == 0.5
    assert [problem.code for problem in report.problems] == ["row-is-not-frame", "unverified", "filled", "left-behind"]
    assert all(problem.where.startswith("a: ") for problem in report.problems)
    assert report.problems[-1].message.endswith("d11 and 8 more")
    document = report.as_json()
    assert json.loads(json.dumps(document)) == document
    assert document["items"][2]["made"] is None
    assert document["kept"] == {
        "count": 1,
        "compared": ["header and seal of the output", "digest of the source", "options", "code"],
        "read_again": False,
        "verify": "lapsdata check c.zarr",
    }
    assert len(document["items"][0]["made"]["left_behind"]) == 20


@pytest.mark.parametrize(("outputs", "place"), [(["a/b.h5"], "a/b.h5"), (["a/b.h5", "a/c.h5"], "a")])
def test_what_was_kept_can_be_read_by_the_command_that_is_named(outputs: list[str], place: str) -> None:
    entries: tuple[Entry[Converted], ...] = tuple(Entry(name, Path(name), "kept") for name in outputs)
    report = ConvertReport(entries)
    assert report.facts["kept"] == f"{len(outputs)}, not read again: lapsdata check {place} verifies them"


def test_what_was_not_finished_starts_over_and_that_is_said() -> None:
    report = ConvertReport((Entry("all", Path("all.shards"), "left"),))
    (told,) = report.problems
    assert told.fix == (
        "run it again: what is done is kept, shards go on behind their last whole archive, and a file that was not "
        "finished starts over"
    )


def test_of_many_outputs_the_first_are_named() -> None:
    one = Converted(windows=1, bytes_before=1, bytes_after=1)
    entries = [Entry(str(number), Path("out") / f"{number}.h5", "made", result=one) for number in range(6)]
    assert ConvertReport(tuple(entries[:4])).facts["written"] == "out/0.h5, out/1.h5, out/2.h5, out/3.h5"
    assert ConvertReport(tuple(entries)).facts["written"].endswith("out/3.h5 and 2 more beside")
    failed = Entry("a", Path("a.h5"), "failed")
    assert ConvertReport((failed, *entries[:1])).facts["written"] == "out/0.h5"
    assert "written" not in ConvertReport((failed,)).facts
