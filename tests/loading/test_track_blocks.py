"""Tracks read some windows at a time: what they give, and refuse, is what reading them whole does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lapsdata import formats
from lapsdata.containers import Tracks
from lapsdata.errors import CorruptDataError, SchemaError
from lapsdata.loading.track_blocks import TrackBlocks
from lapsdata.storage.seal import StoredArray
from lapsdata.storage.sealed_zarr_writer import write_sealed_zarr
from lapsdata.testing.samples import sample_tracks

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

WAYS: dict[str, dict[str, Any]] = {
    "raw.zarr": {},
    "compact.zarr": {"profile": "compact"},
    "raw.h5": {},
    "windows.h5": {"chunking": "windows"},
    "compact.h5": {"profile": "compact"},
}


def opened(path: Path) -> TrackBlocks:
    index = formats.recognise(path).index
    assert index is not None
    return TrackBlocks(path, index(path))


@pytest.mark.parametrize("name", sorted(WAYS))
@pytest.mark.parametrize("views", [("default",), ("right", "left")])
def test_blocks_are_what_reading_whole_gives(name: str, views: tuple[str, ...], tmp_path: Path) -> None:
    given = sample_tracks(windows=300, views=views, confidence=len(views) == 2)
    formats.write(tmp_path / name, given, **WAYS[name])
    whole = formats.read(tmp_path / name, Tracks)
    with opened(tmp_path / name) as blocks:
        assert len(blocks) == 300
        assert blocks.header == whole.header
        np.testing.assert_array_equal(blocks.start_index, whole.start_index)
        np.testing.assert_array_equal(blocks.frame_s, whole.frame_s)
        for first, stop in [(0, 7), (250, 300), (7, 250)]:
            tracks, vis = blocks.read(first, stop, list(views))
            for number, view in enumerate(views):
                np.testing.assert_array_equal(tracks[:, number], whole.tracks[view][first:stop])
                np.testing.assert_array_equal(vis[:, number], whole.vis[view][first:stop])


def test_a_damaged_window_is_told_with_its_place_and_others_are_read(tmp_path: Path) -> None:
    path = tmp_path / "clip.zarr"
    formats.write(path, sample_tracks(windows=6))
    shard = path / "root" / "default" / "tracks" / "c" / "0" / "0" / "0" / "0"
    content = bytearray(shard.read_bytes())
    row = 4 * 5 * 2 * 4 + 4
    content[3 * row + 10] ^= 1
    shard.write_bytes(content)
    with opened(path) as blocks:
        blocks.read(0, 3, ["default"])
        where = rf"row 3 \(root/default/tracks/c/0/0/0/0, bytes {3 * row} to {4 * row}\): expected bytes that fit"
        with pytest.raises(CorruptDataError, match=where):
            blocks.read(2, 5, ["default"])
        blocks.read(4, 6, ["default"])


def sealed(path: Path, given: Tracks, **other: NDArray[Any]) -> None:
    """Write a file with values that our writer would refuse."""
    small = {"start_index": given.start_index, "frame_s": given.frame_s}
    big = {"root/default/tracks": given.tracks["default"], "root/default/vis": given.vis["default"]}
    arrays = {name: StoredArray(values, small=name in small) for name, values in (big | small | other).items()}
    write_sealed_zarr(path, given.header.as_json(), {"profile": "raw", "round_px": None}, arrays, profile="raw")


@pytest.mark.parametrize(("value", "message"), [(np.nan, "NaN at visible points"), (np.inf, "expected no infinity")])
def test_values_that_no_tracks_have_are_refused(value: float, message: str, tmp_path: Path) -> None:
    given = sample_tracks(windows=4)
    tracks, vis = given.tracks["default"].copy(), given.vis["default"].copy()
    tracks[2, 0, 0], vis[2, 0, 0] = (value, 1), True
    sealed(tmp_path / "clip.zarr", given, **{"root/default/tracks": tracks, "root/default/vis": vis})
    with opened(tmp_path / "clip.zarr") as blocks:
        blocks.read(0, 2, ["default"])
        with pytest.raises(SchemaError, match=message):
            blocks.read(2, 4, ["default"])
    with pytest.raises(SchemaError, match=message):
        formats.read(tmp_path / "clip.zarr", Tracks)


def test_times_that_the_header_contradicts_are_refused_at_once(tmp_path: Path) -> None:
    given = sample_tracks(windows=4)
    sealed(tmp_path / "clip.zarr", given, frame_s=given.frame_s[::-1].copy())
    with pytest.raises(SchemaError, match=r"tracks: frame_s: "):
        opened(tmp_path / "clip.zarr")
