"""Through every store and back: the same windows, times and headers; compact moves nothing by more than half a step."""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import lapsdata
from lapsdata._convert import _windows, convert
from lapsdata.containers import Tokens, Tracks
from lapsdata.formats import read_header
from lapsdata.formats.shards_webdataset import ShardsFolder
from lapsdata.provenance import path_digest
from lapsdata.testing.samples import sample_tokens, sample_tracks
from lapsdata.testing.strategies import shards, tracks

if TYPE_CHECKING:
    from collections.abc import Callable

few = settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])

STORES = ("h5", "zarr", "shards")


@few
@given(clip=tracks(), order=st.permutations(STORES))
def test_raw_through_all_stores_is_the_same(clip: Tracks, order: list[str], unmarked: Callable[[Any], Any]) -> None:
    folder = Path(tempfile.mkdtemp())
    place = folder / "begin.h5"
    lapsdata.write(place, clip)
    for number, ending in enumerate([*order, "h5"]):
        there = folder / f"{number}.{ending}"
        report = convert(place, there)
        assert (report.counts["made"], report.largest_error_px) == (1, 0.0)
        place = there
    assert unmarked(lapsdata.read(place)).equals(unmarked(clip))


@few
@given(clip=tracks(), step=st.sampled_from([1 / 64, 0.5, 0.1]), ending=st.sampled_from(["h5", "zarr"]))
def test_compact_is_off_by_half_a_step_at_most(clip: Tracks, step: float, ending: str) -> None:
    near = {view: np.clip(positions, -5000, 5000) for view, positions in clip.tracks.items()}
    clip = dataclasses.replace(clip, tracks=near)
    folder = Path(tempfile.mkdtemp())
    lapsdata.write(folder / "clip.h5", clip)
    report = convert(folder / "clip.h5", folder / f"small.{ending}", profile="compact", round_px=step)
    found = lapsdata.read(folder / f"small.{ending}", Tracks)
    off = [
        np.nanmax(np.abs(found.tracks[view].astype(np.float64) - clip.tracks[view]), initial=0) for view in clip.tracks
    ]
    assert report.largest_error_px == pytest.approx(max(off), abs=1e-9)
    assert report.largest_error_px <= step / 2 + 1e-3
    assert all(np.array_equal(found.vis[view], clip.vis[view]) for view in clip.vis)


@few
@given(many=shards(), per=st.integers(1, 4))
def test_the_videos_of_shards_come_back_each(many: Any, per: int, unmarked: Callable[[Any], Any]) -> None:
    folder = Path(tempfile.mkdtemp())
    lapsdata.write(folder / "clips.shards", many)
    report = convert(folder / "clips.shards", folder / "out", to="zarr")
    assert report.counts["made"] == len(many.tracks)
    for entry, video in zip(report.entries, many.tracks, strict=True):
        assert unmarked(lapsdata.read(entry.output)).equals(unmarked(video))
    convert(folder / "clips.shards", folder / "cut.shards", samples_per_shard=per)
    again = ShardsFolder(folder / "cut.shards")
    assert again.manifest.samples_per_shard == per
    assert [again.tracks(n).equals(video) for n, video in enumerate(many.tracks)] == [True] * len(many.tracks)


def test_what_is_compact_already_is_not_rounded_again(tmp_path: Path) -> None:
    lapsdata.write(tmp_path / "clip.h5", sample_tracks(windows=5), profile="compact")
    assert convert(tmp_path / "clip.h5", tmp_path / "clip.zarr", profile="compact").largest_error_px == 0.0
    assert convert(tmp_path / "clip.zarr", tmp_path / "raw.h5").largest_error_px == 0.0


def test_none_rounds_nothing(tmp_path: Path, unmarked: Callable[[Any], Any]) -> None:
    clip = sample_tracks(windows=5, confidence=True)
    lapsdata.write(tmp_path / "clip.h5", clip)
    report = convert(tmp_path / "clip.h5", tmp_path / "clip.zarr", profile="compact", round_px="none")
    assert report.largest_error_px == 0.0
    assert report.problems == ()
    assert unmarked(lapsdata.read(tmp_path / "clip.zarr")).equals(clip)


def test_rounded_confidence_is_told(tmp_path: Path) -> None:
    lapsdata.write(tmp_path / "clip.h5", sample_tracks(windows=5, confidence=True))
    report = convert(tmp_path / "clip.h5", tmp_path / "clip.zarr", profile="compact")
    assert [problem.code for problem in report.problems] == ["confidence-rounded"]


def test_many_blocks_and_many_files_of_an_array(
    tmp_path: Path, unmarked: Callable[[Any], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_windows, "_FILES", 2)
    clip = sample_tracks(windows=800, horizon=1, points=1, views=("left", "right"))
    lapsdata.write(tmp_path / "clip.zarr", clip)
    convert(tmp_path / "clip.zarr", tmp_path / "clip.h5", profile="compact", round_px="none")
    convert(tmp_path / "clip.h5", tmp_path / "again.zarr")
    assert unmarked(lapsdata.read(tmp_path / "again.zarr")).equals(clip)


def test_equal_sources_give_equal_bytes(tmp_path: Path) -> None:
    lapsdata.write(tmp_path / "clip.h5", sample_tracks(windows=300))
    for name in ("one", "two"):
        convert(tmp_path / "clip.h5", tmp_path / f"{name}.zarr", profile="compact")
        convert(tmp_path / "clip.h5", tmp_path / f"{name}.shards")
    for ending in ("zarr", "shards"):
        files = [sorted(p for p in (tmp_path / f"{n}.{ending}").rglob("*") if p.is_file()) for n in ("one", "two")]
        assert len(files[0]) == len(files[1]) > 2
        assert [a.read_bytes() for a in files[0]] == [b.read_bytes() for b in files[1]]


def test_tokens_go_from_profile_to_profile(tmp_path: Path, unmarked: Callable[[Any], Any]) -> None:
    tokens = sample_tokens(windows=40, latent=3)
    lapsdata.write(tmp_path / "clip.zarr", tokens)
    report = convert(tmp_path / "clip.zarr", tmp_path / "small.zarr", profile="compact")
    assert [problem.code for problem in report.problems] == ["in-memory"]
    assert unmarked(lapsdata.read(tmp_path / "small.zarr", Tokens)).equals(tokens)
    assert convert(tmp_path / "clip.zarr", tmp_path / "small.zarr", profile="compact").counts["kept"] == 1


def test_a_converted_file_tells_its_source_and_keeps_its_maker(tmp_path: Path) -> None:
    clip = sample_tracks()
    lapsdata.write(tmp_path / "clip.h5", clip)
    convert(tmp_path / "clip.h5", tmp_path / "clip.zarr", profile="compact")
    convert(tmp_path / "clip.zarr", tmp_path / "again.h5")
    made = read_header(tmp_path / "again.h5").provenance
    assert made.producer == clip.header.provenance.producer
    assert [(parent.role, parent.name) for parent in made.parents] == [("converted", "clip.zarr")]
    assert made.parents[0].digest == path_digest(tmp_path / "clip.zarr")
    mark: Any = (made.model_extra or {})["x-convert"]
    assert mark["parameters"]["to"] == "tracks_hdf5"
