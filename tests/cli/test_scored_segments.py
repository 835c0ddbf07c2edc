"""energies, segment, evaluate: from tracks of motion that begins and ends at known times to a score beside chance."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lapsdata import formats
from lapsdata.containers import Energies, Segments
from lapsdata.schema import SegmentationResult
from lapsdata.schema.base import Size
from lapsdata.schema.tracks import Area
from lapsdata.storage.sealed_json import read_sealed_json
from lapsdata.testing.samples import sample_segments, sample_tokens, sample_tracks

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Run = Callable[..., Any]

ACTIONS = {"one": ((2.0, 3.5), (5.0, 8.0), (9.0, 10.2)), "two": ((1.1, 2.0), (4.0, 4.6), (7.0, 11.0))}
FRAMES, HORIZON, POINTS = 131, 16, 12


def tracks_of(name: str) -> Any:
    """Return tracks at 10 frames per second whose points go about while an action lasts, and tremble otherwise."""
    random = np.random.default_rng(len(name))
    seconds = np.arange(FRAMES) / 10
    moving = np.array([any(start <= t < end for start, end in ACTIONS[name]) for t in seconds[:-1]])
    speed = np.where(moving[:, None, None], 4.0, 0.05) * random.choice([-1, 1], (FRAMES - 1, POINTS, 2))
    path = 500 + np.concatenate([np.zeros((1, POINTS, 2)), np.cumsum(speed, axis=0)])
    like = sample_tracks(windows=FRAMES - HORIZON + 1, horizon=HORIZON, points=POINTS)
    size = like.header.views["default"].model_copy(
        update={"size": Size(width=1000, height=1000), "active_area": Area(x=0, y=0, width=1000, height=1000)}
    )
    header = like.header.model_copy(
        update={"views": {"default": size}, "video": like.header.video.model_copy(update={"name": name})}
    )
    windows = np.stack([path[start : start + HORIZON] for start in range(FRAMES - HORIZON + 1)])
    return replace(
        like, header=header, tracks={"default": windows.astype(np.float32)},
        vis={"default": np.ones(windows.shape[:-1], bool)},
    )  # fmt: skip


def truth_like(found: Segments) -> Segments:
    """Return the true actions as segments of the same videos."""
    rows = [(v, start, end) for v, video in enumerate(found.header.videos) for start, end in ACTIONS[video.name]]
    return replace(
        found,
        video_index=np.array([v for v, _, _ in rows]),
        start_s=np.array([start for _, start, _ in rows]),
        end_s=np.array([end for _, _, end in rows]),
        score=None if found.score is None else np.zeros(len(rows)),
        end_reason=("threshold",) * len(rows),
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tracks")
    for name in ACTIONS:
        formats.write(folder / f"{name}.h5", tracks_of(name))
    return folder


def well(done: Any) -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_from_tracks_to_a_score(inside: Run, folder: Path, tmp_path: Path) -> None:
    assert "rows     260 (260 measured" in well(inside("energies", folder, "--out", "e.jsonl"))
    energies = formats.read(tmp_path / "e.jsonl", Energies)
    assert energies.header.videos == ("one", "two")
    assert [parent.name for parent in energies.header.provenance.parents] == ["one.h5", "two.h5"]
    told = well(inside("segment", "e.jsonl", "--out", "s.parquet"))
    assert "ended by" in told
    assert "(otsu_log)" in told
    found = formats.read(tmp_path / "s.parquet", Segments)
    assert [parent.name for parent in found.header.provenance.parents] == ["e.jsonl"]
    expected = [time for name in ("one", "two") for time in ACTIONS[name]]
    np.testing.assert_allclose(np.stack([found.start_s, found.end_s], axis=1), expected, atol=0.11)
    formats.write(tmp_path / "truth.parquet", truth_like(found))
    table = well(inside("evaluate", "s.parquet", "truth.parquet", "--out", "r.json"))
    first = next(line for line in table.splitlines() if line.startswith("prediction"))
    assert first.split()[1:3] == ["1.000", "1.000"]
    for row in ("uniform_same_count", "random_same_count", "circular_shift"):
        assert row in table
    result = read_sealed_json(tmp_path / "r.json", SegmentationResult).boundaries
    assert result.rows[0].scores[0].macro.f == 1
    again = json.loads(well(inside("evaluate", "s.parquet", "truth.parquet", "--json")))
    assert again["boundaries"]["truth_digest"] == result.truth_digest


def test_a_train_split_adds_its_rows_and_is_never_the_truth(inside: Run, folder: Path, tmp_path: Path) -> None:
    well(inside("energies", folder, "--out", "e.jsonl"))
    well(inside("segment", "e.jsonl", "--out", "s.parquet"))
    truth = truth_like(formats.read(tmp_path / "s.parquet", Segments))
    formats.write(tmp_path / "truth.parquet", truth)
    videos = tuple(video.model_copy(update={"name": f"other_{video.name}"}) for video in truth.header.videos)
    header = truth.header.model_copy(update={"videos": videos})
    formats.write(tmp_path / "train.parquet", replace(truth, header=header))

    given = ("evaluate", "s.parquet", "truth.parquet")
    assert "train_" not in well(inside(*given, "--out", "r.json"))
    table = well(inside(*given, "--out", "r.json", "--train", "train.parquet", "--shift-draws", "9"))
    lines = {line.split()[0]: line.split()[1] for line in table.partition("\n\n")[0].splitlines()}
    # All are of one length, so the first is copied to both: all of its own events, and of the other's six that at 2 s.
    assert lines["train_copy"] == f"{(1 + 1 / 6) / 2:.3f}"
    assert {"uniform_train_period", "train_durations", "train_position"} <= lines.keys()
    result = read_sealed_json(tmp_path / "r.json", SegmentationResult).boundaries
    assert [one.role for one in result.provenance.parents] == ["segments", "truth", "train"]
    shifted = next(row for row in result.rows if row.name == "circular_shift")
    assert shifted.draws == 9
    assert shifted.scores[0].macro_f_p == 0.1
    assert "p" in lines

    done = inside(*given, "--train", "truth.parquet")
    assert done.returncode == 1
    assert "expected other videos than those that are scored, got 'one', 'two' in both" in done.stderr


def test_a_metronome_is_told(inside: Run, folder: Path) -> None:
    """Regression: the best threshold 0.0, whose segments the longest duration cut."""
    well(inside("energies", folder, "--out", "e.jsonl"))
    settings = ("--set", "off_ratio=1", "--set", "max_duration_s=2")
    done = inside("segment", "e.jsonl", "--out", "s.parquet", "--threshold", "0", *settings)
    assert done.returncode == 0
    assert "end by max_duration, 0 by threshold" in done.stderr
    assert "expected a threshold above" in done.stderr
    told = json.loads(well(inside("segment", "e.jsonl", "--out", "t.parquet", "--threshold", "0", *settings, "--json")))
    assert {problem["code"] for problem in told["problems"]} == {"metronome", "threshold-outside"}


def test_segmenters_and_their_settings(inside: Run, folder: Path, tmp_path: Path) -> None:
    well(inside("energies", folder, "--out", "e.jsonl"))
    well(inside("segment", "e.jsonl", "--out", "u.parquet", "--segmenter", "uniform", "--set", "period_s=2"))
    found = formats.read(tmp_path / "u.parquet", Segments)
    assert found.header.segmenter.parameters["period_s"] == 2
    np.testing.assert_allclose(np.diff(found.start_s[found.video_index == 0]), 2)
    well(inside("energies", folder, "--out", "m.jsonl", "--smooth", "moving_average:0.5"))
    assert formats.read(tmp_path / "m.jsonl", Energies).header.smoothing == "moving_average 0.5 s"
    assert "(otsu_linear)" in well(inside("segment", "m.jsonl", "--out", "m.parquet", "--threshold", "otsu-linear"))


def test_a_threshold_of_its_own_file(inside: Run, folder: Path, tmp_path: Path) -> None:
    well(inside("energies", folder, "--out", "e.jsonl"))
    told = well(inside("threshold", "e.jsonl", "--out", "threshold.json"))
    assert "260 measured" in told
    assert "are above" in told
    well(inside("segment", "e.jsonl", "--out", "a.parquet", "--threshold", "threshold.json"))
    well(inside("segment", "e.jsonl", "--out", "b.parquet"))
    by_file, by_word = (formats.read(tmp_path / name, Segments) for name in ("a.parquet", "b.parquet"))
    assert by_file.header.segmenter == by_word.header.segmenter
    assert [parent.role for parent in by_file.header.provenance.parents] == ["energies", "threshold"]
    assert inside("threshold", "e.jsonl", "--out", "t.json", "3", "--least-motion-px", "1").returncode == 2
    assert inside("threshold", "e.jsonl", "--out", "t.json", "--method", "3", "--least-motion-px", "1").returncode == 2


def test_what_is_of_other_energies_is_refused(inside: Run, folder: Path, tmp_path: Path) -> None:
    """Regression: a threshold in pixel per second was applied to latents, and a constant row was of other energies."""
    well(inside("energies", folder, "--out", "e.jsonl"))
    well(inside("energies", folder, "--out", "m.jsonl", "--smooth", "ema:0.5"))
    well(inside("threshold", "e.jsonl", "--out", "t.json"))
    done = inside("segment", "m.jsonl", "--threshold", "t.json", "--out", "m.parquet")
    assert done.returncode == 1
    assert "expected a threshold of velocity, velocity_step, ema 0.5 s" in done.stderr
    assert not (tmp_path / "m.parquet").exists()
    well(inside("segment", "e.jsonl", "--threshold", "t.json", "--out", "s.parquet"))
    done = inside("evaluate", "s.parquet", "s.parquet", "--energies", "m.jsonl")
    assert done.returncode == 1
    assert "expected segments of the energies m.jsonl, got segments of other energies: e.jsonl" in done.stderr


def test_the_row_of_a_constant_energy(inside: Run, folder: Path, tmp_path: Path) -> None:
    well(inside("energies", folder, "--out", "e.jsonl"))
    well(inside("segment", "e.jsonl", "--out", "s.parquet", "--set", "max_duration_s=2"))
    rows = [f"{name},{start},{end},act" for name, spans in ACTIONS.items() for start, end in spans]
    (tmp_path / "truth.csv").write_text("\n".join(["video,start_s,end_s,label", *rows]))
    table = well(inside("evaluate", "s.parquet", "truth.csv", "--energies", "e.jsonl"))
    assert "constant_energy" in table
    assert "constant_energy" not in well(inside("evaluate", "s.parquet", "truth.csv"))


def test_energies_of_tokens_and_windows(inside: Run, tmp_path: Path, folder: Path) -> None:
    formats.write(tmp_path / "clip.zarr", sample_tokens(latent=3, windows=9))
    well(inside("energies", "clip.zarr", "--out", "t.jsonl", "--mode", "token_diff_step", "--source", "prequant"))
    header = formats.read(tmp_path / "t.jsonl", Energies).header
    assert (header.source, header.mode, header.per) == ("prequant", "token_diff_step", "step")
    well(inside("energies", folder / "one.h5", "--out", "w.jsonl", "--mode", "velocity_mean", "--gate", "3"))
    windows = formats.read(tmp_path / "w.jsonl", Energies)
    assert windows.header.per == "window"
    assert 0 < (windows.state == 1).sum() < len(windows)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("energies", "t.h5", "k.zarr", "--out", "x.jsonl"),
            "k.zarr: expected tracks, got tokens",
        ),
        (("energies", "s.parquet", "--out", "x.jsonl"), "s.parquet: expected tracks, got segments"),
        (
            ("energies", "empty", "--out", "x.jsonl"),
            "expected files of tracks or tokens (.h5, .hdf5, .zarr) in it, got none",
        ),
        (("energies", "nowhere.h5", "--out", "x.jsonl"), "nowhere.h5"),
        (("energies", "t.h5", "--out", "x.jsonl", "--mode", "l2_mean"), "t.h5: expected tokens, got tracks"),
        (("segment", "e.jsonl", "--out", "x.parquet", "--threshold", "high"), "otsu-linear, a number or a file"),
        (("segment", "t.h5", "--out", "x.parquet"), "t.h5"),
        (("segment", "e.jsonl", "--out", "x.parquet", "--set", "treshold=1"), "threshold"),
        (("segment", "e.jsonl", "--out", "x.parquet", "--segmenter", "unifrm"), "uniform"),
        (("evaluate", "s.parquet", "nowhere.parquet"), "nowhere.parquet"),
    ],
)
def test_what_does_not_fit_is_told(inside: Run, tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    formats.write(tmp_path / "t.h5", sample_tracks(points=30))
    formats.write(tmp_path / "k.zarr", sample_tokens())
    formats.write(tmp_path / "s.parquet", sample_segments())
    (tmp_path / "empty").mkdir()
    well(inside("energies", "t.h5", "--out", "e.jsonl"))
    done = inside(*arguments)
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "x.jsonl").exists()
    assert not (tmp_path / "x.parquet").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("--set", "threshold"),
        ("--segmenter", "uniform", "--threshold", "1"),
        ("--set", "threshold=1", "--threshold", "2"),
    ],
)
def test_wrong_usage(inside: Run, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    formats.write(tmp_path / "t.h5", sample_tracks(points=30))
    well(inside("energies", "t.h5", "--out", "e.jsonl"))
    done = inside("segment", "e.jsonl", "--out", "x.parquet", *arguments)
    assert done.returncode == 2
    assert not (tmp_path / "x.parquet").exists()


def test_smoothing_needs_a_time(inside: Run, tmp_path: Path) -> None:
    formats.write(tmp_path / "t.h5", sample_tracks(points=30))
    assert inside("energies", "t.h5", "--out", "e.jsonl", "--smooth", "ema").returncode == 2
    done = inside("energies", "t.h5", "--out", "e.jsonl", "--smooth", "mean:1")
    assert done.returncode == 1
    assert "'none', 'ema' or 'moving_average'" in done.stderr


def test_what_is_done_is_kept_and_what_is_changed_is_made_again(inside: Run, folder: Path, tmp_path: Path) -> None:
    energies = tmp_path / "e.jsonl"
    calls = {
        "energies": (folder, "--out", "e.jsonl"),
        "threshold": ("e.jsonl", "--out", "t.json"),
        "segment": ("e.jsonl", "--out", "s.parquet", "--threshold", "t.json"),
    }
    for verb, arguments in calls.items():
        assert well(inside(verb, *arguments)).split()[-2:] == ["done", "made"]
    before = {path: (path.stat().st_ino, path.read_bytes()) for path in tmp_path.iterdir()}
    for verb, arguments in calls.items():
        assert well(inside(verb, *arguments)).split()[-1] == "kept"
    assert before == {path: (path.stat().st_ino, path.read_bytes()) for path in tmp_path.iterdir()}
    assert well(inside("energies", folder, "--out", "e.jsonl", "--gate", "1")).split()[-1] == "changed"
    assert energies.read_bytes() != before[energies][1]
    assert well(inside("threshold", "e.jsonl", "--out", "t.json")).split()[-1] == "changed"
    assert well(inside("energies", folder, "--out", "e.jsonl", "--gate", "1", "--force")).split()[-1] == "forced"


def test_what_others_have_made_is_never_replaced(inside: Run, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "e.jsonl").write_text("my notes\n")
    done = inside("energies", folder, "--out", "e.jsonl", "--force")
    assert done.returncode == 1
    assert "it is left as it is" in done.stderr
    assert (tmp_path / "e.jsonl").read_text() == "my notes\n"


def test_what_is_damaged_is_made_again(inside: Run, folder: Path, tmp_path: Path) -> None:
    well(inside("energies", folder, "--out", "e.jsonl"))
    good = (tmp_path / "e.jsonl").read_bytes()
    (tmp_path / "e.jsonl").write_bytes(good[:900] + bytes([good[900] ^ 1]) + good[901:])
    assert well(inside("energies", folder, "--out", "e.jsonl")).split()[-1] == "damaged"
    assert (tmp_path / "e.jsonl").read_bytes() == good
