"""A gate skips the work behind it: windows that stand still are not tracked, or not encoded, and are counted."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lapsdata import formats
from lapsdata.containers import Tokens, Tracks
from lapsdata.errors import SchemaError
from lapsdata.testing.samples import sample_tracks
from lapsdata.transforms.energies import EnergyOptions, token_energies, track_energies
from lapsdata.video.writer import write_video
from lapsmodels.stages._pixel_gate import window_runs
from lapsmodels.stages.encode_many import EncodeOptions, encode_files
from lapsmodels.stages.track import track_video
from lapsmodels.stages.track_many import track_videos
from lapsmodels.stages.track_options import TrackOptions
from lapsmodels.stages.train import train_tokenizer
from lapsmodels.stages.train_options import TrainStageOptions

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PLAIN: dict[str, Any] = {"points": 49, "horizon": 6, "stride": 4}
GATE: dict[str, Any] = {"gate_mad": 0.005}


def frames() -> Iterator[np.ndarray[Any, Any]]:
    """Yield 60 frames: a picture that moves, stands still from frame 16 to 40, and moves on."""
    picture = np.random.default_rng(0).integers(0, 256, (24, 60), dtype=np.uint8)
    wide = picture.repeat(4, axis=0).repeat(4, axis=1)
    for k in range(60):
        moved = k if k < 16 else 16 if k < 40 else k - 24
        yield np.repeat(wide[:, moved : moved + 128, None], 3, axis=2)


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("video") / "clip.mkv"
    write_video(path, frames(), np.arange(60) / 10, codec="ffv1")
    return path


@pytest.fixture(scope="module")
def plain(video: Path) -> Tracks:
    track_video(video, video.with_name("plain.h5"), TrackOptions(**PLAIN))
    return formats.read(video.with_name("plain.h5"), Tracks)


def test_still_windows_are_not_tracked_and_the_others_are_as_without_a_gate(
    video: Path, plain: Tracks, tmp_path: Path
) -> None:
    told: list[int] = []
    done = track_video(video, tmp_path / "g.h5", TrackOptions(**PLAIN, **GATE), tell=told.append)
    gated = formats.read(tmp_path / "g.h5", Tracks)
    still = [start for start in plain.start_index.tolist() if 16 <= start <= 35]
    assert len(still) > 3
    assert list(gated.header.gated_starts) == still
    assert gated.header.policies == {"pixel_gate": len(still)}
    kept = np.isin(plain.start_index, still, invert=True)
    np.testing.assert_array_equal(gated.start_index, plain.start_index[kept])
    np.testing.assert_array_equal(gated.tracks["default"], plain.tracks["default"][kept])
    np.testing.assert_array_equal(gated.vis["default"], plain.vis["default"][kept])
    assert (done.gated, done.windows) == (len(still), int(kept.sum()))
    assert done.untracked > 10
    assert sum(told) == int(plain.start_index[-1]) + 6
    assert plain.header.policies == {}


def test_what_a_gate_left_out_has_no_energy(video: Path, plain: Tracks, tmp_path: Path) -> None:
    track_video(video, tmp_path / "g.h5", TrackOptions(**PLAIN, **GATE))
    energies = track_energies([formats.read(tmp_path / "g.h5", Tracks)])
    whole = track_energies([plain])
    np.testing.assert_array_equal(energies.start_s, whole.start_s)
    words = [row.state for row in energies.rows()]
    assert words.count("gated") >= 10
    assert "missing" not in words
    assert np.nanmax(whole.energy[energies.state == 1]) < 0.2 * np.nanmedian(whole.energy[energies.state == 0])


def test_random_points_are_those_of_the_window_by_its_number(video: Path, tmp_path: Path) -> None:
    options = {**PLAIN, "query": "random", "seed": 3}
    for name, gate in (("a", {}), ("b", GATE)):
        track_video(video, tmp_path / f"{name}.h5", TrackOptions(**options, **gate))
    whole, gated = (formats.read(tmp_path / f"{name}.h5", Tracks) for name in "ab")
    kept = np.isin(whole.start_index, gated.start_index)
    assert 0 < kept.sum() < len(kept)
    np.testing.assert_array_equal(gated.tracks["default"], whole.tracks["default"][kept])


def test_what_no_gate_can_do_is_refused(video: Path, tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match="expected windows that begin anew, got one tracking of the whole video"):
        track_video(video, tmp_path / "g.h5", TrackOptions(**PLAIN, **GATE, continuous=True))
    with pytest.raises(SchemaError, match=r"something moves, got 14 that the gate leaves out; lower gate_mad"):
        track_video(video, tmp_path / "g.h5", TrackOptions(**PLAIN, gate_mad=1.0, gate_active=1.0))
    assert not (tmp_path / "g.h5").exists()


def test_runs_are_apart_where_frames_are_left_out() -> None:
    starts = np.arange(8) * 3
    still = np.array([True, False, False, True, True, True, False, True])
    runs = window_runs(starts, still, 6)
    assert [(run.windows.tolist(), run.first) for run in runs] == [([1, 2], 3), ([6], 18)]
    assert [(run.windows.tolist(), run.first) for run in window_runs(starts, np.zeros(8, bool), 6)] == [
        (list(range(8)), 0)
    ]


def test_the_report_counts_what_was_left_out(video: Path, tmp_path: Path, one_process: list[int]) -> None:
    from lapsdata.video.sources import find_videos
    from lapsmodels.stages.track_report import TrackReport

    report = track_videos(find_videos(video), tmp_path, TrackOptions(**PLAIN, **GATE))
    told = TrackReport(report.entries, report.leftovers, 0, 0).facts["gated"]
    assert told.split()[1:4] == ["windows", "left", "out,"]
    assert track_videos(find_videos(video), tmp_path, TrackOptions(**PLAIN, **GATE)).counts["kept"] == 1
    assert track_videos(find_videos(video), tmp_path, TrackOptions(**PLAIN)).counts["changed"] == 1
    assert one_process


def still_tracks(windows: int = 8) -> Tracks:
    """Return tracks of which the windows 2, 3 and 5 stand still."""
    tracks = sample_tracks(windows=windows)
    where = tracks.tracks["default"].copy()
    where[[2, 3, 5]] = where[[2, 3, 5], :1]
    vis = np.ones(tracks.vis["default"].shape, bool)
    return replace(tracks, tracks={"default": np.nan_to_num(where, nan=5.0)}, vis={"default": vis})


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with tracks, and a tokenizer of them."""
    folder = tmp_path_factory.mktemp("trained")
    formats.write(folder / "clip.h5", still_tracks())
    train_tokenizer([folder / "clip.h5"], folder / "tokenizer", TrainStageOptions(steps=1, batch=4))
    return folder


@pytest.fixture
def encoded(trained: Path, tmp_path: Path) -> Any:
    """Return what encodes the tracks in a way, and gives the tokens back."""

    def encode(name: str, **options: Any) -> Tokens:
        report = encode_files([trained / "clip.h5"], trained / "tokenizer", tmp_path / name, EncodeOptions(**options))
        if report.counts["failed"]:
            raise SchemaError(*report.problems)
        return formats.read(tmp_path / name / "clip.zarr", Tokens)

    return encode


def test_still_windows_are_not_encoded(encoded: Any) -> None:
    whole, gated = encoded("whole"), encoded("gated", gate_speed=0.02)
    assert gated.header.gated_starts == (2, 3, 5)
    assert gated.header.gated_windows == gated.header.policies["motion_gate"] == 3
    assert "motion_gate" not in whole.header.policies
    kept = np.isin(np.arange(8), [2, 3, 5], invert=True)
    np.testing.assert_array_equal(gated.codes, whole.codes[kept])
    np.testing.assert_array_equal(gated.start_index, whole.start_index[kept])
    energies = token_energies([gated], EnergyOptions(mode="l2_mean"))
    assert np.flatnonzero(energies.state == 1).tolist() == [2, 3, 5]
    with pytest.raises(SchemaError, match="something moves, got 8 that the gate leaves out; lower gate_speed"):
        encoded("none", gate_speed=1e6, gate_share=1.0)


def test_what_the_gate_leaves_out_is_told(trained: Path, tmp_path: Path) -> None:
    options = EncodeOptions(gate_speed=0.02)
    report = encode_files([trained / "clip.h5"], trained / "tokenizer", tmp_path / "t", options)
    assert (report.facts["windows"], report.facts["gated"]) == ("5", "3 of 8 windows left out")
    assert report.as_json()["items"][0]["made"] == {"windows": 5, "gated": 3, "rate": "10"}
    whole = encode_files([trained / "clip.h5"], trained / "tokenizer", tmp_path / "u")
    assert "gated" not in whole.facts


def test_a_gate_is_part_of_what_decides(encoded: Any, trained: Path, tmp_path: Path) -> None:
    def fate(**options: Any) -> str:
        files = [trained / "clip.h5"]
        counts = encode_files(files, trained / "tokenizer", tmp_path / "t", EncodeOptions(**options)).counts
        return next(fate for fate, count in counts.items() if count)

    encoded("t")
    assert [fate(), fate(batch=3), fate(gate_speed=0.02), fate(gate_speed=0.02), fate(motion="residual")] == [
        "kept", "kept", "changed", "kept", "changed",
    ]  # fmt: skip


def test_residual_tokens_count_what_the_camera_left_unknown(encoded: Any) -> None:
    raw, residual = encoded("raw"), encoded("residual", motion="residual")
    names = {"ego_motion_few_points", "ego_motion_collinear", "ego_motion_lost_positions"}
    assert names <= residual.header.policies.keys()
    assert not names & raw.header.policies.keys()
    assert residual.header.provenance.parameters["motion"] == "residual"
    np.testing.assert_array_equal(residual.start_index, raw.start_index)
