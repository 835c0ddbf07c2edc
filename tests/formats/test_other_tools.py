"""Files are standard: h5py, zarr, tensorstore, pyarrow and json open them without us and find the same values."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pyarrow.parquet as pq
import pytest
import tensorstore
import zarr

from lapsdata.formats import boxes_parquet, energies_jsonl, segments_parquet, tokens_zarr, tracks_hdf5, tracks_zarr
from lapsdata.testing.samples import sample_boxes, sample_energies, sample_segments, sample_tokens, sample_tracks

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

VIEWS = ("wrist", "front")
HDF5_OPTIONS = [{}, {"chunking": "windows"}, {"profile": "compact", "round_px": "none"}]
PROFILES = [{"profile": "raw"}, {"profile": "compact", "round_px": "none"}]


def expect_equal(found: NDArray[Any], expected: NDArray[Any]) -> None:
    assert found.dtype == expected.dtype
    assert np.array_equal(found, expected, equal_nan=expected.dtype.kind == "f")


@pytest.mark.parametrize("options", HDF5_OPTIONS, ids=str)
def test_h5py_reads_tracks_as_amplify_and_laps_do(tmp_path: Path, options: dict[str, Any]) -> None:
    tracks = sample_tracks(windows=5, views=VIEWS)
    tracks_hdf5.write(tmp_path / "clip.h5", tracks, **options)
    with h5py.File(tmp_path / "clip.h5", "r") as file:
        assert set(file["root"]) == set(VIEWS)
        for view in VIEWS:
            group = file["root"][view]
            expect_equal(group["tracks"][...], tracks.tracks[view])
            expect_equal(group["vis"][...], tracks.vis[view].astype(np.float32))
            assert (group.attrs["height"], group.attrs["width"]) == (48, 64)
            # One window is one row, which is what their loaders index by.
            expect_equal(group["tracks"][3], tracks.tracks[view][3])
        header = json.loads(file["lapsdata/header"][()])
        assert header == tracks.header.as_json()
        expect_equal(file["lapsdata/frame_s"][...], tracks.frame_s)
        expect_equal(file["lapsdata/start_index"][...], tracks.start_index)


def test_h5py_finds_the_stated_layouts(tmp_path: Path) -> None:
    tracks = sample_tracks(windows=5, horizon=4, points=6)
    for name, options in zip(("raw", "windows", "compact"), HDF5_OPTIONS, strict=True):
        tracks_hdf5.write(tmp_path / f"{name}.h5", tracks, **options)
    found = {}
    for name in ("raw", "windows", "compact"):
        with h5py.File(tmp_path / f"{name}.h5", "r") as file:
            dataset = file["root/default/tracks"]
            filters = (dataset.shuffle, dataset.compression, dataset.compression_opts, dataset.fletcher32)
            found[name] = (dataset.chunks, *filters)
    assert found == {
        "raw": (None, False, None, None, False),
        "windows": ((1, 4, 6, 2), False, None, None, False),
        "compact": ((1, 4, 6, 2), True, "gzip", 4, True),
    }


@pytest.mark.parametrize("options", PROFILES, ids=lambda options: options["profile"])
def test_zarr_reads_tracks_without_a_warning(tmp_path: Path, options: dict[str, Any]) -> None:
    tracks = sample_tracks(windows=5, views=VIEWS)
    tracks_zarr.write(tmp_path / "clip.zarr", tracks, **options)
    group = zarr.open_group(str(tmp_path / "clip.zarr"), mode="r")
    for view in VIEWS:
        expect_equal(group[f"root/{view}/tracks"][...], tracks.tracks[view])
        expect_equal(group[f"root/{view}/vis"][...], tracks.vis[view])
    expect_equal(group["frame_s"][...], tracks.frame_s)
    assert group.attrs["lapsdata"]["header"] == tracks.header.as_json()
    array = group["root/front/tracks"]
    assert array.shards == (256, 4, 5, 2)
    assert array.chunks == (1, 4, 5, 2)
    assert group["root"].attrs.asdict() == {}


def test_zarr_reads_in_a_process_where_every_warning_is_an_error(tmp_path: Path) -> None:
    """Warnings at import or exit would escape the filters of this test run."""
    for options in PROFILES:
        tracks_zarr.write(tmp_path / f"{options['profile']}.zarr", sample_tracks(), **options)
    script = (
        "import sys, zarr\n"
        "for path in sys.argv[1:]:\n"
        "    array = zarr.open_group(path, mode='r')['root/default/tracks']\n"
        "    print(array[...].tobytes().hex())\n"
    )
    paths = [str(tmp_path / f"{profile}.zarr") for profile in ("raw", "compact")]
    done = subprocess.run([sys.executable, "-W", "error", "-c", script, *paths], capture_output=True, text=True)
    expected = sample_tracks().tracks["default"].tobytes().hex()
    assert (done.returncode, done.stderr, done.stdout.split()) == (0, "", [expected, expected])


def tensorstore_array(path: Path) -> NDArray[Any]:
    spec = {"driver": "zarr3", "kvstore": {"driver": "file", "path": f"{path}/"}}
    values: NDArray[Any] = tensorstore.open(spec, read=True).result().read().result()
    return values


@pytest.mark.parametrize("options", PROFILES, ids=lambda options: options["profile"])
def test_tensorstore_reads_tracks(tmp_path: Path, options: dict[str, Any]) -> None:
    tracks = sample_tracks(windows=300, horizon=2, points=2, views=VIEWS)
    tracks_zarr.write(tmp_path / "clip.zarr", tracks, **options)
    for view in VIEWS:
        expect_equal(tensorstore_array(tmp_path / "clip.zarr" / "root" / view / "tracks"), tracks.tracks[view])
        expect_equal(tensorstore_array(tmp_path / "clip.zarr" / "root" / view / "vis"), tracks.vis[view])
    expect_equal(tensorstore_array(tmp_path / "clip.zarr" / "start_index"), tracks.start_index)
    expect_equal(tensorstore_array(tmp_path / "clip.zarr" / "frame_s"), tracks.frame_s)


@pytest.mark.parametrize("profile", ["raw", "compact"])
def test_zarr_and_tensorstore_read_tokens(tmp_path: Path, profile: str) -> None:
    tokens = sample_tokens(windows=6, latent=3)
    tokens_zarr.write(tmp_path / "clip.zarr", tokens, profile=profile)
    group = zarr.open_group(str(tmp_path / "clip.zarr"), mode="r")
    for name, array in tokens.arrays():
        expect_equal(group[name][...], array)
        expect_equal(tensorstore_array(tmp_path / "clip.zarr" / name), array)
    assert group.attrs["lapsdata"]["header"]["tokenizer"]["codes"] == 12


def test_pyarrow_reads_segments(tmp_path: Path) -> None:
    segments = sample_segments()
    segments_parquet.write(tmp_path / "clips.parquet", segments)
    file = pq.ParquetFile(tmp_path / "clips.parquet", page_checksum_verification=True)
    rows = file.read().to_pylist()
    assert [row["video"] for row in rows] == ["clip_0", "clip_0", "clip_1"]
    assert [(row["start_s"], row["end_s"]) for row in rows] == [(0.5, 1.5), (1.5, 3.25), (0.0, 2.0)]
    assert [row["label"] for row in rows] == ["reach", "grasp", None]
    assert [row["score"] for row in rows] == [0.5, None, 1.0]
    assert [row["codes"] for row in rows] == [[3, 1, 1], [], [7]]
    assert [row["embedding"] for row in rows] == [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]
    assert [row["end_reason"] for row in rows] == ["threshold", "max_duration", "end_of_stream"]
    kinds = {field.name: str(field.type) for field in file.schema_arrow}
    assert kinds["codes"] == "list<element: int32>"
    assert kinds["start_s"] == "double"
    assert json.loads(file.metadata.metadata[b"lapsdata:header"]) == segments.header.as_json()


def test_pyarrow_reads_boxes(tmp_path: Path) -> None:
    boxes = sample_boxes()
    boxes_parquet.write(tmp_path / "match.parquet", boxes)
    rows = pq.read_table(tmp_path / "match.parquet", page_checksum_verification=True).to_pylist()
    assert [row["sequence"] for row in rows] == ["left", "left", "left", "right"]
    for name in ("frame", "id", "x", "y", "w", "h", "ignored"):
        assert [row[name] for row in rows] == getattr(boxes, name).tolist()
    assert [row["score"] for row in rows] == [None, None, 0.75, None]
    assert [row["source_id"] for row in rows] == ["7", "12", None, None]


def test_json_reads_energies(tmp_path: Path) -> None:
    energies = sample_energies(steps=4)
    energies_jsonl.write(tmp_path / "clips.jsonl", energies)
    head, *rows, seal = [json.loads(line) for line in (tmp_path / "clips.jsonl").read_text("utf-8").splitlines()]
    assert head == energies.header.as_json()
    assert seal["rows"] == len(rows) == 8
    assert [row["step"] for row in rows] == [0, 1, 2, 3] * 2
    assert [row["state"] for row in rows[:4]] == ["measured", "gated", "measured", "missing"]
    found = [np.nan if row["energy"] is None else row["energy"] for row in rows]
    expect_equal(np.array(found), energies.energy)
    assert set(rows[0]) == {"video", "step", "start_s", "end_s", "energy", "state"}
