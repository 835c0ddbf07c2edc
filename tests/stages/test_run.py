"""The main job: what it makes, what it keeps, how it goes on, and what it says of bad input."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lapsdata import formats
from lapsdata.containers import Energies, Segments
from lapsdata.errors import CorruptDataError, LapsError, Problem, StorageError
from lapsdata.schema.recipe import Recipe
from lapsdata.stages.recipe import load_recipe, resolve, with_settings
from lapsdata.testing.scene_truth import true_segments
from lapsdata.testing.scenes import SceneConfig, render_scene
from lapsdata.timebase import FrameRate
from lapsdata.video.reader import open_video
from lapsdata.video.sources import find_videos
from lapsdata.video.writer import write_video
from lapsmodels.stages import run as run_module
from lapsmodels.stages import run_steps
from lapsmodels.stages.run import run_videos
from lapsmodels.stages.run_steps import Pipeline

if TYPE_CHECKING:
    from pathlib import Path

SMALL = ("track.points=36", "track.horizon=8", "evaluate.draws=5")
QUICK = (*SMALL, "train.steps=4", "train.batch=4", "train.save_every=2", "train.threads=1")
NAMES = ("scene_3", "scene_8")

KILLS = 5
"""Ten in `benchmarks/bench_run.py`."""

# Processes are those of `whole` and of the calls of `command`: what is called from here makes the same bytes without.
pytestmark = pytest.mark.usefixtures("one_process")


@pytest.fixture(autouse=True)
def _drawn_where_it_counts(request: pytest.FixtureRequest) -> None:
    """Draw what is compared with the run of the command, and nothing else."""
    if "whole" not in request.fixturenames:
        request.getfixturevalue("undrawn")


@pytest.fixture(scope="session")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of `videos/` and `truth.parquet`."""
    folder = tmp_path_factory.mktemp("scenes")
    (folder / "videos").mkdir()
    made = [render_scene(int(name[6:]), SceneConfig(actions=2, rate=FrameRate(10))) for name in NAMES]
    for name, scene in zip(NAMES, made, strict=True):
        scene.write_video(folder / "videos" / f"{name}.mp4")
    formats.write(folder / "truth.parquet", true_segments(*made))
    return folder


@pytest.fixture(scope="session")
def whole(scenes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of an undisturbed run of the command."""
    out = tmp_path_factory.mktemp("whole") / "out"
    done = subprocess.run(command(scenes, out), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return out


def command(scenes: Path, out: Path, *more: str) -> list[str]:
    program = [sys.executable, "-c", "from lapsdata.cli.main import main; main()"]
    settings = [word for setting in QUICK for word in ("--set", setting)]
    truth = ["--truth", str(scenes / "truth.parquet")]
    return [*program, "run", str(scenes / "videos"), "--out", str(out), *truth, *settings, *more]


def content(out: Path) -> dict[str, bytes]:
    """Return all outputs but clock times (`run.json`, `log.jsonl`), and what killed writers have left beside them."""
    files = (path for path in out.rglob("*") if path.is_file() and path.name not in {"run.json", "log.jsonl"})
    return {
        str(path.relative_to(out)): path.read_bytes()
        for path in files
        if not any(part.startswith(".lapsdata-tmp-") for part in path.relative_to(out).parts)
    }


def ran(videos: Path, out: Path, *settings: str, **given: Any) -> Pipeline:
    told = dict(setting.split("=", 1) for setting in (*SMALL, "train.kind=none", *settings))
    recipe = resolve(with_settings(Recipe(), [f"{key}={value}" for key, value in told.items()]))
    return run_videos(find_videos([videos], lost="list"), out, recipe, **given)


def fates(pipeline: Pipeline) -> list[str]:
    return [f"{one.stage} {one.fate}" for one in pipeline.done]


def codes(pipeline: Pipeline) -> set[str]:
    return {problem.code for problem in pipeline.problems}


def test_all_that_is_made_stands_in_one_folder(whole: Path) -> None:
    found = {name.split("/")[0] for name in content(whole)}
    assert found == {
        "recipe.yaml", "tracks", "tokenizer", "tokens", "energies", "threshold.json", "segments.parquet",
        "scores.json", "report",
    }  # fmt: skip
    found = {name for name in content(whole) if name.startswith("report/")}
    assert {"report/index.html", "report/scores.txt", "report/scores.json"} <= found
    assert {f"report/timelines/{name}.png" for name in NAMES} <= found
    segments = formats.read(whole / "segments.parquet", Segments)
    assert [video.name for video in segments.header.videos] == list(NAMES)
    assert json.loads((whole / "run.json").read_text())["outcome"] == "finished"


def test_its_recipe_makes_the_same_again(whole: Path, scenes: Path, tmp_path: Path) -> None:
    recipe = resolve(load_recipe(whole / "recipe.yaml"))
    run_videos(find_videos([scenes / "videos"]), tmp_path / "out", recipe, truth=scenes / "truth.parquet")
    assert content(tmp_path / "out") == content(whole)


def test_nothing_is_made_twice(whole: Path, scenes: Path) -> None:
    before = {path: path.stat().st_ino for path in whole.rglob("*") if path.is_file() and path.name != "run.json"}
    before = {path: inode for path, inode in before.items() if path.name != "recipe.yaml"}
    words = command(scenes, whole, "--json")
    # All that it imports is told as well: torch alone takes longer than all the rest.
    words[2] = "import sys, atexit; atexit.register(lambda: print(*sys.modules, file=sys.stderr)); " + words[2]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    stages = json.loads(done.stdout)["stages"]
    assert [one["stage"] for one in stages] == [
        "track", "train", "encode", "energies", "energies", "threshold", "segment", "evaluate", "report",
    ]  # fmt: skip
    assert {one["fate"] for one in stages} == {"kept", "2 kept"}
    assert before == {path: path.stat().st_ino for path in before}
    imported = set(done.stderr.splitlines()[-1].split())
    assert "lapsmodels.stages.run" in imported
    assert "torch" not in imported


def test_a_change_redoes_what_depends_on_it(scenes: Path, tmp_path: Path) -> None:
    truth = scenes / "truth.parquet"
    made = ran(scenes / "videos", tmp_path / "out", truth=truth)
    assert fates(made) == [
        "track 2 made", "energies made", "threshold made", "segment made", "evaluate made", "report made",
    ]  # fmt: skip
    assert fates(ran(scenes / "videos", tmp_path / "out", "segment.up_s=0.3", truth=truth)) == [
        "track 2 kept", "energies kept", "threshold kept", "segment changed", "evaluate changed", "report changed",
    ]  # fmt: skip
    again = ran(scenes / "videos", tmp_path / "out", "segment.up_s=0.3", truth=truth, force=True)
    assert {fate.split()[-1] for fate in fates(again)} == {"forced"}
    (tmp_path / "out" / "threshold.json").unlink()
    assert fates(ran(scenes / "videos", tmp_path / "out", "segment.up_s=0.3", truth=truth))[2:4] == [
        "threshold made", "segment kept",
    ]  # fmt: skip


def test_kills_change_no_byte(whole: Path, scenes: Path, tmp_path: Path) -> None:
    """What is written is whole or not there, whenever the process dies."""
    out, random = tmp_path / "out", np.random.default_rng(11)
    killed = 0
    for _ in range(4 * KILLS):
        child = subprocess.Popen(command(scenes, out), stderr=subprocess.PIPE, start_new_session=True)
        try:
            child.communicate(timeout=random.uniform(0.8, 4.5))
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.communicate()
            killed += 1
        if killed == KILLS:
            break
        if child.returncode == 0:  # it was done before the moment came
            (out / str(random.choice(["segments.parquet", "threshold.json"]))).unlink()
    assert killed == KILLS
    # The last one may have died before it began, behind one that was done.
    died = json.loads((out / "run.json").read_text())["outcome"] == "running"
    done = subprocess.run(command(scenes, out), capture_output=True, text=True, check=True)
    assert content(out) == content(whole)
    assert ("earlier run" in done.stderr) == died


@pytest.mark.parametrize(
    "stage",
    ["track_videos", "train_tokenizer", "encode_files", "measure_files", "find_threshold", "segment_energies"],
)
def test_ctrl_c_at_every_stage(
    stage: str, whole: Path, scenes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    untrained = stage in ("measure_files", "find_threshold")
    recipe = resolve(with_settings(Recipe(), [*SMALL, "train.kind=none"] if untrained else QUICK))
    videos, truth, pipeline = find_videos([scenes / "videos"]), scenes / "truth.parquet", Pipeline(tmp_path / "out")

    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(run_steps, stage, stopped)
        with pytest.raises(KeyboardInterrupt, match=r"^$"):
            run_videos(videos, tmp_path / "out", recipe, truth=truth, pipeline=pipeline)
    assert all("kept" not in one.fate for one in pipeline.done)
    # Nothing there is of an earlier run: regression, a tokenizer that was begun was told to be.
    assert "earlier-outputs" not in codes(pipeline)
    assert json.loads((tmp_path / "out" / "run.json").read_text())["outcome"] == "failed"
    if stage in ("encode_files", "segment_energies"):
        run_videos(videos, tmp_path / "out", recipe, truth=truth)
        assert content(tmp_path / "out") == content(whole)


def test_a_training_that_was_stopped_is_not_lost_to_another_recipe(
    scenes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lapsmodels.training import run as training_module

    true, out = training_module.train, tmp_path / "out"

    def stopping(*arguments: Any) -> Any:
        for facts in true(*arguments):
            yield facts
            if facts.step == 3:
                raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(training_module, "train", stopping)
        with pytest.raises(KeyboardInterrupt, match=r"^$"):
            ran(scenes / "videos", out, *QUICK, "train.kind=small")
    before = content(out / "tokenizer")
    told = (
        r"tokenizer: expected the training that was begun here .* step 2 of 4\), got another: steps 4, now 3; to go "
        r"on, run it with the recipe .*; or remove .*tokenizer, and a tokenizer is trained anew; .* \[other-training\]"
    )
    with pytest.raises(StorageError, match=told):
        ran(scenes / "videos", out, *QUICK, "train.kind=small", "train.steps=3")
    assert content(out / "tokenizer") == before
    assert "train made" in fates(ran(scenes / "videos", out, *QUICK, "train.kind=small"))
    # What is finished is made anew.
    again = ran(scenes / "videos", out, *QUICK, "train.kind=small", "train.steps=3", "track.stride=3")
    assert "train changed" in fates(again)


def test_a_training_that_is_stopped_is_of_its_run(
    scenes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Regression: it was told to be of an earlier run, with the advice to remove it."""
    from lapsmodels.training import run as training_module

    true, out = training_module.train, tmp_path / "out"

    def asked(*arguments: Any) -> Any:
        for facts in true(*arguments):
            os.kill(os.getpid(), signal.SIGINT)
            yield facts

    settings = (*QUICK, "train.kind=small", "train.save_every=100")
    monkeypatch.setattr(training_module, "train", asked)
    for step in (1, 2):
        pipeline = Pipeline(out)
        with pytest.raises(KeyboardInterrupt, match=r"^$"):
            ran(scenes / "videos", out, *settings, pipeline=pipeline)
        assert "earlier-outputs" not in codes(pipeline)
        assert (out / f"tokenizer/checkpoints/step-{step:08d}").is_dir()
    monkeypatch.setattr(training_module, "train", true)
    assert "earlier-outputs" not in codes(ran(scenes / "videos", out, *settings))


@pytest.mark.parametrize("after_s", [1.0, 2.5, 4.0])
def test_a_real_ctrl_c_is_told_and_gone_on_from(after_s: float, scenes: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    child = subprocess.Popen(command(scenes, out, "--set", "train.rate=0.002"), stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True, start_new_session=True)  # fmt: skip
    time.sleep(after_s)
    child.send_signal(signal.SIGINT)
    _, told = child.communicate(timeout=60)
    assert child.returncode == 130, told
    assert "Traceback" not in told
    assert "run it again: what is done is kept" in told or after_s < 2


def test_a_video_that_fails_leaves_the_others(scenes: Path, tmp_path: Path) -> None:
    videos = tmp_path / "videos"
    videos.mkdir()
    for name in NAMES:
        (videos / f"{name}.mp4").symlink_to(scenes / "videos" / f"{name}.mp4")
    (videos / "broken.mp4").write_bytes((scenes / "videos" / "scene_3.mp4").read_bytes()[:3000])
    write_video(videos / "short.mp4", [np.full((64, 64, 3), 9, np.uint8)] * 5, np.arange(5) / 10)
    pipeline = ran(videos, tmp_path / "out", truth=scenes / "truth.parquet")
    assert fates(pipeline)[0] == "track 2 made, 2 failed"
    assert fates(pipeline)[-1] == "report made"
    named = " ".join(str(problem) for problem in pipeline.problems)
    assert "broken" in named
    assert "short" in named
    only = ran(scenes / "videos", tmp_path / "alone", truth=scenes / "truth.parquet")
    assert only.scores is not None
    assert pipeline.scores is not None
    assert pipeline.scores.boundaries.rows == only.scores.boundaries.rows


def test_one_video_alone(scenes: Path, tmp_path: Path) -> None:
    pipeline = run_videos(
        find_videos([scenes / "videos" / "scene_3.mp4"]), tmp_path / "out", resolve(with_settings(Recipe(), QUICK))
    )
    assert [one.stage for one in pipeline.done][-1] == "report"
    header = formats.read(tmp_path / "out" / "segments.parquet", Segments).header
    assert [video.name for video in header.videos] == ["scene_3"]


def test_nothing_that_moves_is_told(tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    picture = render_scene(3, SceneConfig(actions=1)).frame(0)
    for seed in (0, 1):
        noise = np.random.default_rng(seed)
        frames = (np.clip(picture + noise.normal(0, 3, picture.shape), 0, 255).astype(np.uint8) for _ in range(30))
        write_video(tmp_path / "videos" / f"still_{seed}.mp4", frames, np.arange(30) / 10)
    with pytest.raises(LapsError, match=r"expected some frame with a mean speed of 0.1 pixel per frame"):
        ran(tmp_path / "videos", tmp_path / "out")
    told = ran(tmp_path / "videos", tmp_path / "out", "threshold.kind=given", "threshold.value=20")
    assert formats.read(tmp_path / "out" / "segments.parquet", Segments).start_s.size == 0
    assert "threshold-outside" in codes(told)


def test_no_video_at_all_is_told(tmp_path: Path) -> None:
    (tmp_path / "broken.mp4").write_bytes(b"nothing")
    with pytest.raises(LapsError, match=r"expected at least one video that can go on, got none"):
        ran(tmp_path, tmp_path / "out")


def test_unlike_rates_are_told_before_anything_is_tracked(scenes: Path, tmp_path: Path) -> None:
    videos = tmp_path / "videos"
    videos.mkdir()
    (videos / "scene_3.mp4").symlink_to(scenes / "videos" / "scene_3.mp4")
    render_scene(4, SceneConfig(actions=1, rate=FrameRate(15))).write_video(videos / "fast.mp4")
    with pytest.raises(LapsError, match=r"got 10 per second in scene_3 to 15 in fast; track all at one: .*rate=10"):
        ran(videos, tmp_path / "out")
    assert not list((tmp_path / "out" / "tracks").glob("*.h5"))
    assert fates(ran(videos, tmp_path / "out", "track.rate=10"))[0] == "track 2 made"


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("scene_3,1,2\nscene_8,1,999", "scene_8: expected one time of the video, got 0.0 s to 4.3 s in found and"),
        ("scene_3,1,2", "scene_8: expected videos of the truth, got another"),
    ],
)
def test_a_truth_that_does_not_fit_is_told_beside_the_report(
    scenes: Path, tmp_path: Path, rows: str, message: str
) -> None:
    table = tmp_path / "truth.csv"
    table.write_text(f"video,start_s,end_s\n{rows}\n")
    pipeline = ran(scenes / "videos", tmp_path / "out", truth=table)
    assert message in " ".join(str(problem) for problem in pipeline.problems)
    assert any(problem.severity == "error" for problem in pipeline.problems)
    assert pipeline.scores is None
    assert pipeline.report is not None
    assert not (tmp_path / "out" / "scores.json").exists()


def test_videos_without_segments_can_count_as_empty(scenes: Path, tmp_path: Path) -> None:
    table = tmp_path / "truth.csv"
    table.write_text("video,start_s,end_s\nscene_3,1,2\nlost,1,2\n")
    pipeline = ran(scenes / "videos" / "scene_3.mp4", tmp_path / "out", "evaluate.missing=empty", truth=table)
    assert pipeline.scores is not None
    assert pipeline.scores.boundaries.policies["missing_as_empty"] == 1
    assert "constant_energy" in [row.name for row in pipeline.scores.boundaries.rows]


def test_a_truth_of_frames_is_read_at_the_rate_of_the_recipe(scenes: Path, tmp_path: Path) -> None:
    """Regression: it was looked at first as if nothing were said of it, and refused."""
    labels = tmp_path / "truth" / "groundTruth"
    labels.mkdir(parents=True)
    for name in NAMES:
        with open_video(scenes / "videos" / f"{name}.mp4") as video:
            (labels / f"{name}.txt").write_text("still\n" * 10 + "move\n" * (len(video) - 10))
    done = ran(scenes / "videos", tmp_path / "out", "evaluate.rate=10", truth=tmp_path / "truth")
    assert done.scores is not None
    assert [video.truth for video in done.scores.boundaries.videos] == [1, 1]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (None, "no such file or folder"),
        ("another,1,2", r"expected a truth of these videos \('scene_3', 'scene_8'\), got one of 'another'"),
        ("scene_3,2,1", "expected start <= end in seconds, got '2' and '1'"),
    ],
)
def test_a_truth_that_is_none_is_told_before_anything_is_done(
    scenes: Path, tmp_path: Path, rows: str | None, message: str
) -> None:
    if rows is not None:
        (tmp_path / "truth.csv").write_text(f"video,start_s,end_s\n{rows}\n")
    with pytest.raises(LapsError, match=message):
        ran(scenes / "videos", tmp_path / "new", truth=tmp_path / "truth.csv")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(("name", "text"), [("recipe.yaml", "stages: {}  # my notes\n"), ("run.json", "mine\n")])
def test_notes_of_others_are_never_written_over(scenes: Path, tmp_path: Path, name: str, text: str) -> None:
    """Regression: a recipe with comments of its own, in the folder of the run, lost them."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).write_text(text)
    with pytest.raises(StorageError, match=rf"{name}: expected nothing, or what an earlier run has written"):
        ran(scenes / "videos", tmp_path / "out")
    assert (tmp_path / "out" / name).read_text() == text


def test_outputs_of_an_earlier_run_are_named(scenes: Path, tmp_path: Path) -> None:
    """Regression: scores of an earlier run lay beside segments that they were not of."""
    videos, out = scenes / "videos", tmp_path / "out"
    ran(videos, out, truth=scenes / "truth.parquet")
    told = [problem for problem in ran(videos, out, "segment.up_s=0.3").problems if problem.code == "earlier-outputs"]
    assert told[0].message == "scores.json: of an earlier run, and not of this one"
    pipeline = Pipeline(out)
    with pytest.raises(LapsError, match=r"expected measured energies"):
        ran(videos, out, "energies.gate=1e9", pipeline=pipeline)
    (told_of,) = (problem.message for problem in pipeline.problems if problem.code == "earlier-outputs")
    assert told_of.startswith("threshold.json, segments.parquet, scores.json, report: of an earlier run")


def test_windows_that_leave_steps_out_are_told(scenes: Path, tmp_path: Path) -> None:
    """Regression: windows side by side cut every segment in two, and nothing was said to be missing."""
    pipeline = ran(scenes / "videos", tmp_path / "out", "track.stride=8")
    energies = formats.read(tmp_path / "out" / "energies" / "velocity_step.jsonl", Energies)
    assert (energies.state == 2).any()
    np.testing.assert_allclose(np.diff(energies.start_s[energies.video_index == 0]), 0.1)
    assert "missing-energies" in codes(pipeline)
    assert "missing-energies" not in codes(ran(scenes / "videos", tmp_path / "fine", "track.stride=7"))


def test_a_quiet_video_beside_loud_ones_is_named(scenes: Path, tmp_path: Path) -> None:
    pipeline = ran(scenes / "videos", tmp_path / "out", "threshold.kind=given", "threshold.value=50")
    (told,) = (problem for problem in pipeline.problems if problem.code == "no-segments")
    assert "no segment was found in 2 of 2 videos: 'scene_3', 'scene_8'" in told.message


def test_a_tokenizer_of_another_shape_is_told_before_anything_is_tracked(
    whole: Path, scenes: Path, tmp_path: Path
) -> None:
    with pytest.raises(
        LapsError, match=r"windows of 16 frames and 36 points, as they are tracked, got one for 8 and 36"
    ):
        ran(scenes / "videos", tmp_path / "out", "track.horizon=16", tokenizer=whole / "tokenizer")
    assert not (tmp_path / "out").exists()
    pipeline = ran(scenes / "videos", tmp_path / "out", tokenizer=whole / "tokenizer")
    assert [one.stage for one in pipeline.done][:3] == ["track", "encode", "energies"]


def test_tokens_can_be_what_is_segmented(whole: Path, scenes: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    pipeline = ran(scenes / "videos", out, "energies.kind=token_diff_step", tokenizer=whole / "tokenizer")
    assert {path.name for path in (out / "energies").iterdir()} == {"token_diff_step.jsonl", "velocity_step.jsonl"}
    told = formats.read(out / "segments.parquet", Segments).header.provenance.parameters
    assert told["mode"] == "token_diff_step"
    assert pipeline.report is not None
    with pytest.raises(LapsError, match=r"expected tokens for token_diff_step, got none"):
        ran(scenes / "videos", tmp_path / "new", "energies.kind=token_diff_step")


def test_outputs_of_other_videos_are_left_and_named(scenes: Path, tmp_path: Path) -> None:
    ran(scenes / "videos", tmp_path / "out")
    pipeline = ran(scenes / "videos" / "scene_3.mp4", tmp_path / "out")
    assert (tmp_path / "out" / "tracks" / "scene_8.h5").exists()
    assert "other-outputs" in codes(pipeline)
    header = formats.read(tmp_path / "out" / "segments.parquet", Segments).header
    assert [video.name for video in header.videos] == ["scene_3"]


def test_its_own_pictures_are_no_videos(scenes: Path, tmp_path: Path) -> None:
    """Regression: a second run that searched the folder above its outputs took the timelines for a video."""
    (tmp_path / "scene_3.mp4").symlink_to(scenes / "videos" / "scene_3.mp4")
    recipe = resolve(with_settings(Recipe(), [*SMALL, "train.kind=none"]))
    for fate in ("1 made", "1 kept"):
        found = find_videos([tmp_path], recursive=True, lost="list")
        pipeline = run_videos(found, tmp_path / "out", recipe)
        assert pipeline.done[0].fate == fate
    assert "own-pictures" in codes(pipeline)
    assert not any(problem.severity == "error" for problem in pipeline.problems)


def test_nobody_is_told_to_remove_a_tokenizer_of_their_own(
    whole: Path, scenes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Regression: what lay beside a run, in a folder whose name began alike, was said to be made anew."""
    tokenizer = tmp_path / "out_of_mine"
    shutil.copytree(whole / "tokenizer", tokenizer)
    true_read = run_module.read_tokenizer_header

    def read_then_damage(path: Path) -> object:
        header = true_read(path)
        (path / "weights.safetensors").write_bytes(b"torn")
        return header

    monkeypatch.setattr(run_module, "read_tokenizer_header", read_then_damage)
    with pytest.raises(CorruptDataError, match=r"out_of_mine.*copy it again"):
        ran(scenes / "videos", tmp_path / "out", tokenizer=tokenizer)


def test_damaged_positions_are_refused_with_what_to_do(scenes: Path, tmp_path: Path) -> None:
    """`track` keeps a file by its seal; whoever reads the positions finds the damage."""
    ran(scenes / "videos", tmp_path / "out")
    tracks = tmp_path / "out" / "tracks" / "scene_8.h5"
    data = bytearray(tracks.read_bytes())
    data[len(data) // 2] ^= 1
    tracks.write_bytes(data)
    with pytest.raises(CorruptDataError, match=r"scene_8.h5: root/default.*; remove it, and run this again"):
        ran(scenes / "videos", tmp_path / "out")
    tracks.unlink()
    assert fates(ran(scenes / "videos", tmp_path / "out"))[:2] == ["track 1 made, 1 kept", "energies kept"]


def test_a_full_disk_is_told_and_gone_on_from(whole: Path, scenes: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    limited = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({0}, {0})); "
    for limit in (20_000, 120_000):
        words = command(scenes, out)
        words[2] = limited.format(limit) + words[2]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.returncode == 1, done.stderr
        assert "disk-full" in done.stderr
        assert "Traceback" not in done.stderr
    recipe = resolve(with_settings(Recipe(), QUICK))
    run_videos(find_videos([scenes / "videos"]), out, recipe, truth=scenes / "truth.parquet")
    assert content(out) == content(whole)


def test_a_foreign_file_stops_its_stage_and_stays(scenes: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "threshold.json").write_text('{"mine": 1}')
    pipeline = Pipeline(tmp_path / "out")
    with pytest.raises(StorageError, match=r"threshold.json: expected nothing, or an output of this command"):
        ran(scenes / "videos", tmp_path / "out", pipeline=pipeline)
    assert fates(pipeline) == ["track 2 made", "energies made"]
    assert (tmp_path / "out" / "threshold.json").read_text() == '{"mine": 1}'


def test_problems_are_plain_records(scenes: Path, tmp_path: Path) -> None:
    pipeline = ran(scenes / "videos", tmp_path / "out", "segment.max_duration_s=0.3")
    assert "metronome" in codes(pipeline)
    assert all(isinstance(problem, Problem) for problem in pipeline.problems)
