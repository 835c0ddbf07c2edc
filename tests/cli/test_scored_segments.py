"""energies, segment, evaluate: from tracks of motion that begins and ends at known times to a score beside chance."""

from __future__ import annotations

import json
import sys
import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest

from lapsdata import console, formats
from lapsdata.cli.main import main
from lapsdata.containers import Energies, Segments
from lapsdata.schema import BoundaryResult
from lapsdata.schema.base import Size
from lapsdata.schema.tracks import Area
from lapsdata.testing.samples import sample_segments, sample_tokens, sample_tracks

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Run = Callable[..., "Ran"]

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


class Ran(NamedTuple):
    """What a call has left behind."""

    returncode: int | str | None
    stdout: str
    stderr: str


@pytest.fixture
def lapsdata(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Run the command in this process, in an empty folder: only the outcome counts here."""

    def command(*arguments: str | Path) -> Ran:
        capsys.readouterr()
        with monkeypatch.context() as patch, warnings.catch_warnings():
            patch.setattr(console, "_kept", None)
            patch.setattr(sys, "argv", ["lapsdata", *map(str, arguments)])
            patch.chdir(tmp_path)
            with pytest.raises(SystemExit, match=r"^\d+$") as end:
                main()
        return Ran(end.value.code, *capsys.readouterr())

    return command


def well(done: Ran) -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_from_tracks_to_a_score(lapsdata: Run, folder: Path, tmp_path: Path) -> None:
    assert "rows     260 (260 measured" in well(lapsdata("energies", folder, "--out", "e.jsonl"))
    energies = formats.read(tmp_path / "e.jsonl", Energies)
    assert energies.header.videos == ("one", "two")
    assert [parent.name for parent in energies.header.provenance.parents] == ["one.h5", "two.h5"]
    told = well(lapsdata("segment", "e.jsonl", "--out", "s.parquet"))
    assert "ended by" in told
    assert "(otsu_log)" in told
    found = formats.read(tmp_path / "s.parquet", Segments)
    assert [parent.name for parent in found.header.provenance.parents] == ["e.jsonl"]
    expected = [time for name in ("one", "two") for time in ACTIONS[name]]
    np.testing.assert_allclose(np.stack([found.start_s, found.end_s], axis=1), expected, atol=0.11)
    formats.write(tmp_path / "truth.parquet", truth_like(found))
    table = well(lapsdata("evaluate", "s.parquet", "--truth", "truth.parquet", "--out", "r.json"))
    first = next(line for line in table.splitlines() if line.startswith("prediction"))
    assert first.split()[1:3] == ["1.000", "1.000"]
    for row in ("uniform_same_count", "random_same_count", "circular_shift"):
        assert row in table
    result = BoundaryResult.parse((tmp_path / "r.json").read_bytes())
    assert result.rows[0].scores[0].macro.f == 1
    again = json.loads(well(lapsdata("evaluate", "s.parquet", "--truth", "truth.parquet", "--json")))
    assert again["truth_digest"] == result.truth_digest


def test_a_metronome_is_told(lapsdata: Run, folder: Path) -> None:
    """Regression: the best threshold 0.0, whose segments the longest duration cut."""
    well(lapsdata("energies", folder, "--out", "e.jsonl"))
    settings = ("--set", "off_ratio=1", "--set", "max_duration_s=2")
    done = lapsdata("segment", "e.jsonl", "--out", "s.parquet", "--threshold", "0", *settings)
    assert done.returncode == 0
    assert "end by max_duration, 0 by threshold" in done.stderr
    assert "expected a threshold above" in done.stderr
    told = json.loads(
        well(lapsdata("segment", "e.jsonl", "--out", "t.parquet", "--threshold", "0", *settings, "--json"))
    )
    assert {problem["code"] for problem in told["problems"]} == {"metronome", "threshold-outside"}


def test_segmenters_and_their_settings(lapsdata: Run, folder: Path, tmp_path: Path) -> None:
    well(lapsdata("energies", folder, "--out", "e.jsonl"))
    well(lapsdata("segment", "e.jsonl", "--out", "u.parquet", "--segmenter", "uniform", "--set", "period_s=2"))
    found = formats.read(tmp_path / "u.parquet", Segments)
    assert found.header.segmenter.parameters["period_s"] == 2
    np.testing.assert_allclose(np.diff(found.start_s[found.video_index == 0]), 2)
    smooth = ("--smooth", "moving_average:0.5", "--threshold", "otsu-linear")
    assert "(otsu_linear)" in well(lapsdata("segment", "e.jsonl", "--out", "m.parquet", *smooth))


def test_energies_of_tokens_and_windows(lapsdata: Run, tmp_path: Path, folder: Path) -> None:
    formats.write(tmp_path / "clip.zarr", sample_tokens(latent=3, windows=9))
    well(lapsdata("energies", "clip.zarr", "--out", "t.jsonl", "--mode", "token_diff_step", "--latents", "prequant"))
    header = formats.read(tmp_path / "t.jsonl", Energies).header
    assert (header.source, header.mode, header.per) == ("prequant", "token_diff_step", "step")
    well(lapsdata("energies", folder / "one.h5", "--out", "w.jsonl", "--mode", "velocity_mean", "--gate", "3"))
    windows = formats.read(tmp_path / "w.jsonl", Energies)
    assert windows.header.per == "window"
    assert 0 < (windows.state == 1).sum() < len(windows)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("energies", "t.h5", "k.zarr", "--out", "x.jsonl"),
            "expected tracks alone, or tokens alone, got tokens, tracks",
        ),
        (("energies", "s.parquet", "--out", "x.jsonl"), "expected tracks alone, or tokens alone, got segments"),
        (("energies", "empty", "--out", "x.jsonl"), "expected tracks alone, or tokens alone, got none"),
        (("energies", "nowhere.h5", "--out", "x.jsonl"), "nowhere.h5"),
        (("energies", "t.h5", "--out", "x.jsonl", "--mode", "l2_mean"), "expected velocity_step or velocity_mean for"),
        (("segment", "t.h5", "--out", "x.parquet"), "t.h5"),
        (("segment", "e.jsonl", "--out", "x.parquet", "--set", "treshold=1"), "threshold"),
        (("segment", "e.jsonl", "--out", "x.parquet", "--segmenter", "unifrm"), "uniform"),
        (("evaluate", "s.parquet", "--truth", "nowhere.parquet"), "nowhere.parquet"),
    ],
)
def test_what_does_not_fit_is_told(lapsdata: Run, tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    formats.write(tmp_path / "t.h5", sample_tracks(points=30))
    formats.write(tmp_path / "k.zarr", sample_tokens())
    formats.write(tmp_path / "s.parquet", sample_segments())
    (tmp_path / "empty").mkdir()
    well(lapsdata("energies", "t.h5", "--out", "e.jsonl"))
    done = lapsdata(*arguments)
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "x.jsonl").exists()
    assert not (tmp_path / "x.parquet").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("--threshold", "high"),
        ("--set", "threshold"),
        ("--smooth", "ema"),
        ("--segmenter", "uniform", "--threshold", "1"),
        ("--set", "threshold=1", "--threshold", "2"),
    ],
)
def test_wrong_usage(lapsdata: Run, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    formats.write(tmp_path / "t.h5", sample_tracks(points=30))
    well(lapsdata("energies", "t.h5", "--out", "e.jsonl"))
    done = lapsdata("segment", "e.jsonl", "--out", "x.parquet", *arguments)
    assert done.returncode == 2
    assert not (tmp_path / "x.parquet").exists()


def test_what_is_there_is_not_replaced(lapsdata: Run, folder: Path, tmp_path: Path) -> None:
    well(lapsdata("energies", folder, "--out", "e.jsonl"))
    before = (tmp_path / "e.jsonl").read_bytes()
    assert lapsdata("energies", folder, "--out", "e.jsonl", "--gate", "1").returncode == 1
    assert (tmp_path / "e.jsonl").read_bytes() == before
    well(lapsdata("energies", folder, "--out", "e.jsonl", "--gate", "1", "--overwrite"))
    assert (tmp_path / "e.jsonl").read_bytes() != before
