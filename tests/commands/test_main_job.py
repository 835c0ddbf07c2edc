"""The verbs of the main job, as a person calls them one after the other, and all at once."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from lapsdata import formats
from lapsdata.containers import Segments
from lapsdata.testing.samples import sample_segments
from lapsdata.testing.scene_truth import true_segments
from lapsdata.testing.scenes import SceneConfig, render_scene
from lapsdata.timebase import FrameRate

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Run = Callable[..., Any]

SMALL = ("--points", "36", "--horizon", "8")


@pytest.fixture(scope="session")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with one scene, and its truth beside it."""
    folder = tmp_path_factory.mktemp("scene")
    scene = render_scene(3, SceneConfig(actions=2, rate=FrameRate(10)))
    (folder / "videos").mkdir()
    scene.write_video(folder / "videos" / "scene_3.mp4")
    formats.write(folder / "truth.parquet", true_segments(scene))
    return folder / "videos"


def well(done: Any) -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout


def settings(*told: str) -> list[str]:
    small = ("track.points=36", "track.horizon=8", "train.steps=3", "train.batch=4", "train.threads=1")
    return [word for setting in (*small, *told) for word in ("--set", setting)]


def test_stage_by_stage_gives_what_all_at_once_gives(
    one_process: list[int], inside: Run, videos: Path, tmp_path: Path
) -> None:
    well(inside("track", videos, "--out", "tracks", *SMALL))
    told = well(inside("train", "tracks", "--out", "tokenizer", "--val", "none", "--steps", 3, "--batch", 4,
                      "--threads", 1))  # fmt: skip
    assert "3 steps (" in told
    assert "of 240 codes used" in told
    assert ["made", "1"] in [
        line.split()
        for line in well(inside("encode", "tracks", "--tokenizer", "tokenizer", "--out", "tokens")).splitlines()
    ]
    well(inside("energies", "tracks", "--out", "energies.jsonl"))
    well(inside("energies", "tokens", "--out", "of_tokens.jsonl", "--mode", "token_diff_step"))
    well(inside("threshold", "energies.jsonl", "--out", "threshold.json"))
    well(inside("segment", "energies.jsonl", "--threshold", "threshold.json", "--out", "segments.parquet"))
    truth = videos.parent / "truth.parquet"
    scored = (truth, "--energies", "energies.jsonl")
    well(inside("evaluate", "segments.parquet", *scored, "--out", "scores.json"))
    drawn = ("--energies", "energies.jsonl", "--energies", "of_tokens.jsonl", "--truth", truth)
    well(inside("report", "segments.parquet", *drawn, "--scores", "scores.json", "--out", "report"))
    told = well(inside("run", videos, "--out", "run", "--truth", truth, *settings()))
    assert [line.split()[0] for line in told.splitlines()[1:10]] == [
        "track", "train", "encode", "energies", "energies", "threshold", "segment", "evaluate", "report",
    ]  # fmt: skip
    assert "prediction" in told
    assert "constant_energy" in told
    assert told.rstrip().endswith("report: run/report/index.html")
    once = {"tracks": "tracks", "tokenizer": "tokenizer", "tokens": "tokens"}
    for name in once:
        assert digests(tmp_path / name) == digests(tmp_path / "run" / name)
    alone, together = (formats.read(path, Segments) for path in (tmp_path / "segments.parquet",
                                                                 tmp_path / "run" / "segments.parquet"))  # fmt: skip
    assert alone.start_s.tolist() == together.start_s.tolist()
    assert alone.header.segmenter == together.header.segmenter


def digests(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.name not in {"run.json", "log.jsonl"})
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_one_document_says_all(one_process: list[int], inside: Run, videos: Path) -> None:
    told = json.loads(well(inside("run", videos, "--out", "run", "--json", *settings("train.kind=none")[:4],
                                  "--set", "train.kind=none")))  # fmt: skip
    assert [one["stage"] for one in told["stages"]] == ["track", "energies", "threshold", "segment", "report"]
    assert told["scores"] is None
    assert told["report"] == "run/report/index.html"
    assert [problem["severity"] for problem in told["problems"] if problem["severity"] == "error"] == []


def test_what_went_well_is_told_beside_what_did_not(one_process: list[int], inside: Run, videos: Path) -> None:
    words = ("run", videos, "--out", "run", "--set", "train.kind=none", "--set", "track.points=36")
    done = inside(*words, "--set", "segment.up_s=9", "--set", "segment.max_duration_s=2")
    assert done.returncode == 1
    assert "expected up_s of at most max_duration_s" in done.stderr
    assert done.stdout == ""
    done = inside(*words, "--set", "energies.gate=1e9")
    assert done.returncode == 1
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["stage", "track", "energies"]
    assert "expected measured energies" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--set", "trak.points=3"), "did you mean 'track'"),
        (("--set", "track.pionts=3"), "did you mean 'points'"),
        (("--set", "track.points=few"), "track.points"),
        (("--set", "energies.kind=velocity"), "velocity_step"),
        (("--recipe", "nowhere.yaml"), "nowhere.yaml"),
        (("--tokenizer", "nowhere"), "nowhere"),
        (("--truth", "nowhere"), "nowhere"),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_done(
    inside: Run, videos: Path, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    done = inside("run", videos, "--out", "run", *arguments)
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "run").exists()


def test_the_demo_shows_a_score_above_chance(one_process: list[int], inside: Run, tmp_path: Path) -> None:
    words = ("demo", "--scenes", 2, *settings()[4:])
    told = well(inside(*words))
    assert "$ lapsdata run demo/videos --out demo/run --truth demo/truth.parquet" in told
    table = told.partition("boundary F")[2].partition("\n\n")[0]
    lines = {line.split()[0]: line.split()[1] for line in table.splitlines() if len(line.split()) > 1}
    assert float(lines["prediction"]) > 0.9 > float(lines["uniform_same_count"]) + 0.2
    assert (tmp_path / "demo" / "run" / "report" / "index.html").exists()
    again = well(inside(*words))
    assert "2 kept" in again
    assert "made" not in again
    words = ("demo", "--scenes", 1, *settings("train.kind=none")[:4], "--set", "train.kind=none")
    assert "track   " in well(inside(*words))
    found = formats.read(tmp_path / "demo" / "truth.parquet", Segments)
    assert len(found.header.videos) == 1


def test_the_demo_leaves_a_truth_of_others_alone(inside: Run, tmp_path: Path) -> None:
    formats.write(tmp_path / "truth.parquet", sample_segments())
    before = (tmp_path / "truth.parquet").read_bytes()
    done = inside("demo", "--out", ".", "--scenes", 1)
    assert done.returncode == 1
    assert "it is left as it is" in done.stderr
    assert (tmp_path / "truth.parquet").read_bytes() == before
