"""The whole experiment on a stand-in: what is learned from the train videos, what is kept, and what is refused."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from lapsdata import formats
from lapsdata.containers import Segments
from lapsdata.errors import CorruptDataError, LengthMismatchError, SchemaError, StorageError
from lapsdata.metrics import TRAIN_ROWS, segmentation_table
from lapsdata.metrics.comparison import check_comparable
from lapsdata.provenance import path_digest, synthetic_note
from lapsdata.schema import SegmentationResult
from lapsdata.stages._data_sets import DATA_SETS
from lapsdata.stages.recipe import resolve, with_settings
from lapsdata.storage.sealed_json import read_sealed_json
from lapsdata.testing.made_up_labels import MADE_UP_TEST, MADE_UP_TRAIN, write_made_up_labels
from lapsdata.testing.standin import write_standin
from lapsdata.timebase import FrameRate
from lapsdata.video.writer import write_video
from lapsmodels.stages import run_steps
from lapsmodels.stages.run_split import SplitPipeline, run_split
from lapsmodels.tokenizer.checkpoint import read_tokenizer_header

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    Inside = Callable[..., Any]

QUICK = (
    "track.points=36", "track.horizon=8", "train.epochs=1", "train.batch=16", "train.threads=1",
    "train.picture_every=0", "evaluate.draws=3",
)  # fmt: skip
UNTRAINED = ("train.kind=none",)
STAGES = ("truth", "energies", "energies", "segment", "evaluate", "report")
SAID = "SYNTHETIC: rendered scenes"

pytestmark = pytest.mark.usefixtures("one_process")


@pytest.fixture(autouse=True)
def _drawn_where_it_counts(request: pytest.FixtureRequest) -> None:
    """Draw what the command makes, and nothing else."""
    if "inside" not in request.fixturenames:
        request.getfixturevalue("undrawn")


@pytest.fixture(scope="session")
def standin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("standin")
    write_made_up_labels(folder / "labels", seconds=7)
    write_standin(folder / "labels", folder / "root", FrameRate(15))
    return folder / "root"


@pytest.fixture
def root(standin: Path, tmp_path: Path) -> Path:
    """Return a copy that may be spoiled."""
    return shutil.copytree(standin, tmp_path / "root")


def ran(root: Path, out: Path, *settings: str, **given: Any) -> SplitPipeline:
    data_set = DATA_SETS["gtea"]
    told = dict(one.split("=", 1) for one in (*QUICK, *settings))
    if told.get("train.kind") == "none":
        told = {key: value for key, value in told.items() if not key.startswith("train.") or key == "train.kind"}
        recipe = data_set.recipe.model_copy(update={"stages": {"track": data_set.recipe.stages["track"]}})
    else:
        recipe = data_set.recipe
    chosen = resolve(with_settings(recipe, [f"{key}={value}" for key, value in told.items()]))
    return run_split(data_set, root, 1, out, chosen, **given)


def names(path: Path) -> list[str]:
    return [video.name for video in formats.read(path, Segments).header.videos]


def codes(pipeline: SplitPipeline) -> list[str]:
    return [problem.code for problem in pipeline.whole.problems]


def command(root: Path, out: Path, *more: str, settings: Iterable[str] = QUICK) -> list[str]:
    words = [word for one in settings for word in ("--set", one)]
    return ["run", "--recipe", "gtea", "--root", str(root), "--split", "1", "--out", str(out), *words, *more]


def test_one_command_does_the_experiment_and_a_second_one_nothing(
    inside: Inside, standin: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    done = inside(*command(standin, out))
    assert done.returncode == 0, done.stderr
    split = out / "split1"
    assert {path.stem for path in (out / "tracks").glob("*.h5")} == {*MADE_UP_TRAIN, *MADE_UP_TEST}
    for part, videos in (("train", MADE_UP_TRAIN), ("test", MADE_UP_TEST)):
        assert {path.name for path in (split / part).iterdir()} == {
            "truth.parquet", "energies", "segments.parquet", "scores.json", "report",
        }  # fmt: skip
        assert names(split / part / "truth.parquet") == list(videos)
        assert sorted(names(split / part / "segments.parquet")) == sorted(videos)
    _nothing_of_the_test_videos_is_learned(split)
    _synthetic_is_said(split, done.stdout, done.stderr)
    before = {path: path.stat().st_ino for path in out.rglob("*") if path.name not in {"run.json", "recipe.yaml"}}
    told = json.loads(inside(*command(standin, out, "--json")).stdout)
    assert [one["stage"] for one in told["stages"]] == [
        "track", "train", "encode",
        *(f"{one} train" for one in STAGES[:3]), "threshold", *(f"{one} train" for one in STAGES[3:]),
        *(f"{one} test" for one in STAGES),
    ]  # fmt: skip
    assert {one["fate"] for one in told["stages"]} == {"kept", "6 kept"}
    assert before == {path: path.stat().st_ino for path in before}
    assert told["synthetic"].startswith(SAID)
    assert set(told["parts"]) == {"train", "test"}
    assert told["parts"]["test"]["report"] == str(split / "test" / "report" / "index.html")


def _nothing_of_the_test_videos_is_learned(split: Path) -> None:
    def made_of(record: Any) -> set[str]:
        return {one.name.partition(".")[0] for one in record.provenance.parents}

    assert made_of(read_tokenizer_header(split / "tokenizer")) == set(MADE_UP_TRAIN)
    threshold = json.loads((split / "threshold.json").read_text())
    assert threshold["method"] == "boundary_search"
    energies, truth = (one["digest"] for one in threshold["provenance"]["parents"])
    assert truth == path_digest(split / "train" / "truth.parquet")
    for part in ("train", "test"):
        told = formats.read(split / part / "segments.parquet", Segments).header
        assert told.segmenter is not None
        assert told.segmenter.parameters["threshold"] == threshold["value"]
        own = next(one.digest for one in told.provenance.parents if one.role == "energies")
        assert (own == energies) == (part == "train")
    rows = {}
    for part in ("train", "test"):
        scores = read_sealed_json(split / part / "scores.json", SegmentationResult)
        rows[part] = {row.name for row in scores.boundaries.rows}
    assert set(TRAIN_ROWS) <= rows["test"]
    assert not set(TRAIN_ROWS) & rows["train"]


def _synthetic_is_said(split: Path, shown: str, warned: str) -> None:
    assert shown.count(SAID) == 2
    assert warned.count(SAID) == 1
    for part in ("train", "test"):
        scores = read_sealed_json(split / part / "scores.json", SegmentationResult)
        assert SAID in segmentation_table(scores)
        report = split / part / "report"
        assert (report / "scores.txt").read_text().count(SAID) == 1
        assert f'<p class="note">{SAID}' in (report / "index.html").read_text()
        truth = formats.read(split / part / "truth.parquet", Segments).header.provenance
        assert str(synthetic_note(truth)).startswith(SAID)


def test_scores_of_rendered_videos_stand_beside_no_others(standin: Path, tmp_path: Path) -> None:
    done = ran(standin, tmp_path / "out", *UNTRAINED)
    scores = done.scores["test"].boundaries
    plain = scores.model_copy(update={"provenance": scores.provenance.model_copy(update={"x-synthetic": None})})
    check_comparable({"one": scores, "other": scores})
    with pytest.raises(SchemaError, match=r"other: expected 'SYNTHETIC.* as in one, got 'videos of a data set'"):
        check_comparable({"one": scores, "other": plain})
    with pytest.raises(SchemaError, match=r"other: expected 'videos of a data set' as in one, got 'SYNTHETIC"):
        check_comparable({"one": plain, "other": scores})


def test_videos_of_no_stand_in_are_not_called_synthetic(root: Path, tmp_path: Path) -> None:
    (root / "SYNTHETIC.json").unlink()
    done = ran(root, tmp_path / "out", *UNTRAINED)
    assert done.synthetic is None
    assert "SYNTHETIC" not in (tmp_path / "out" / "split1" / "test" / "report" / "index.html").read_text()
    assert [problem for problem in done.whole.problems if problem.severity == "error"] == []


def test_every_missing_video_is_told_before_anything_is_done(root: Path, tmp_path: Path) -> None:
    for name in (MADE_UP_TRAIN[0], MADE_UP_TEST[1]):
        (root / "Videos" / f"{name}.mp4").unlink()
    with pytest.raises(StorageError, match="expected its video") as error:
        ran(root, tmp_path / "out")
    assert {problem.where for problem in error.value.problems} == {MADE_UP_TRAIN[0], MADE_UP_TEST[1]}
    assert not (tmp_path / "out").exists()


def test_an_unreadable_video_is_refused_or_left_out_and_counted(root: Path, tmp_path: Path) -> None:
    lost = MADE_UP_TRAIN[1]
    video = root / "Videos" / f"{lost}.mp4"
    video.write_bytes(video.read_bytes()[:2000])
    with pytest.raises(CorruptDataError, match=rf"1 of 6 that cannot: '{lost}'; .*lapsdata check .*--quarantine"):
        ran(root, tmp_path / "out", *UNTRAINED)
    assert not (tmp_path / "out").exists()
    done = ran(root, tmp_path / "out", *UNTRAINED, skip_unreadable=True)
    (told,) = [problem for problem in done.whole.problems if problem.code == "skipped-unreadable"]
    assert told.message == f"1 of 6 videos cannot be read and are left out: '{lost}'"
    assert {problem.severity for problem in done.whole.problems} <= {"warning", "info"}
    assert names(tmp_path / "out" / "split1" / "train" / "truth.parquet") == [
        name for name in MADE_UP_TRAIN if name != lost
    ]


def test_a_video_that_turns_out_to_be_unreadable_is_one_too(root: Path, tmp_path: Path) -> None:
    """Its packets are all there, which is what is looked at first; one of them cannot be decoded."""
    lost = MADE_UP_TEST[0]
    video = root / "Videos" / f"{lost}.mp4"
    content = bytearray(video.read_bytes())
    content[len(content) // 3 : len(content) // 3 + 4000] = b"\xff" * 4000
    video.write_bytes(content)
    with pytest.raises(CorruptDataError, match=rf"{lost}: .*cannot be decoded"):
        ran(root, tmp_path / "out", *UNTRAINED)
    done = ran(root, tmp_path / "out", *UNTRAINED, skip_unreadable=True)
    assert {"undecodable-frame", "skipped-unreadable"} <= set(codes(done))
    assert {problem.severity for problem in done.whole.problems} <= {"warning", "info"}
    assert names(tmp_path / "out" / "split1" / "test" / "truth.parquet") == [MADE_UP_TEST[1]]
    again = ran(root, tmp_path / "out", *UNTRAINED, skip_unreadable=True)
    assert {one.fate for one in again.whole.done if one.stage != "track"} == {"kept"}


def test_a_split_without_a_readable_video_is_refused(root: Path, tmp_path: Path) -> None:
    for name in MADE_UP_TEST:
        (root / "Videos" / f"{name}.mp4").write_bytes(b"")
    with pytest.raises(SchemaError, match=r"expected videos of test\.split1 that can be read, got none"):
        ran(root, tmp_path / "out", *UNTRAINED, skip_unreadable=True)


def test_a_video_of_another_length_is_told_with_both(root: Path, tmp_path: Path) -> None:
    labels = root / "groundTruth" / f"{MADE_UP_TEST[0]}.txt"
    words = labels.read_text().split()
    labels.write_text("\n".join([*words, "background", "background"]))
    done = ran(root, tmp_path / "out", *UNTRAINED)
    (told,) = [problem for problem in done.whole.problems if problem.code == "other-length"]
    assert (told.where, told.severity) == (MADE_UP_TEST[0], "warning")
    assert f"expected {len(words) + 2} frames" in told.message
    assert f"got {len(words)} frames" in told.message
    assert "evaluate.end_slack_s allows 1 s" in told.message
    labels.write_text("\n".join([*words, *["background"] * 40]))
    with pytest.raises(LengthMismatchError, match=f"expected {len(words) + 40} frames.* got {len(words)} frames"):
        ran(root, tmp_path / "other", *UNTRAINED)
    assert not (tmp_path / "other").exists()


def test_a_video_of_another_rate_is_another_length(root: Path, tmp_path: Path) -> None:
    import numpy as np

    words = (root / "groundTruth" / f"{MADE_UP_TEST[0]}.txt").read_text().split()
    frames = [np.zeros((64, 96, 3), np.uint8)] * len(words)
    write_video(root / "Videos" / f"{MADE_UP_TEST[0]}.mp4", frames, np.arange(len(words)) / 30, overwrite=True)
    with pytest.raises(LengthMismatchError, match=r"is it the video of these labels, of 15 per second\?"):
        ran(root, tmp_path / "out", *UNTRAINED)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("run", "--recipe", "gtea", "--root", "ROOT"), "expected the folder of the data set and a split"),
        (("run", "--recipe", "gtea", "--split", "1"), "expected the folder of the data set and a split"),
        (("run", "--recipe", "gtea", "--root", "ROOT", "--split", "1", "clip.mp4"), "the split names its videos"),
        (("run", "--recipe", "gtea", "--root", "ROOT", "--split", "1", "--truth", "t"), "the split names its videos"),
        (("run", "clip.mp4", "--out", "out", "--root", "ROOT"), "only with --recipe gtea|50salads|breakfast"),
        (("run", "clip.mp4", "--out", "out", "--skip-unreadable"), "only with --recipe gtea|50salads|breakfast"),
        (("run", "clip.mp4"), "expected videos and a folder of the outputs"),
        (("run", "--out", "out"), "expected videos and a folder of the outputs"),
    ],
)
def test_what_does_not_fit_together_is_refused(inside: Inside, words: tuple[str, ...], message: str) -> None:
    done = inside(*words)
    assert done.returncode == 2
    assert message in " ".join(done.stderr.replace("│", " ").split())


def test_a_search_needs_train_videos(inside: Inside, standin: Path, tmp_path: Path) -> None:
    told = ("track.points=36", "track.horizon=8", "train.kind=none", "threshold.kind=search")
    words = [word for one in told for word in ("--set", one)]
    done = inside("run", standin / "Videos" / "S1_Tea_C1.mp4", "--out", tmp_path / "out", *words)
    assert done.returncode == 1
    assert "expected the truth of train videos to search with" in done.stderr


def test_a_segmenter_without_a_threshold_is_not_searched_through(standin: Path, tmp_path: Path) -> None:
    done = ran(standin, tmp_path / "out", *UNTRAINED, "threshold.kind=search", "segment.kind=peaks")
    assert "threshold" not in {one.stage for one in done.whole.done}
    assert set(done.scores) == {"train", "test"}


def test_only_the_state_machine_is_searched_through(
    standin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of another distribution may take a threshold too."""
    monkeypatch.setattr(run_steps, "takes_threshold", lambda kind: True)
    with pytest.raises(SchemaError, match=r"segment\.kind: expected state_machine, .* got peaks"):
        ran(standin, tmp_path / "out", *UNTRAINED, "threshold.kind=search", "segment.kind=peaks")


def test_the_other_splits_are_folders_beside(inside: Inside, root: Path, tmp_path: Path) -> None:
    """Tracks are those of all splits; where there is no split, those that there are are named."""
    for part, other in (("train", MADE_UP_TEST), ("test", MADE_UP_TRAIN[:1])):
        (root / "splits" / f"{part}.split2.bundle").write_text("".join(f"{name}.txt\n" for name in other))
    settings = (*(one for one in QUICK if not one.startswith("train.")), "train.epochs=1", "train.batch=16")
    words = command(root, tmp_path / "out", settings=settings)
    words[words.index("--split") + 1] = "2"
    assert inside(*words).returncode == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"split2", "tracks"}
    words[words.index("--split") + 1] = "3"
    done = inside(*words)
    assert done.returncode == 1
    assert "got test.split1.bundle, test.split2.bundle" in done.stderr


BREAKFAST = ("P03_cam01_P03_cereals", "P04_cam02_P04_milk", "P05_webcam01_P05_tea")
SALADS = ("rgb-01-1", "rgb-01-2", "rgb-02-1")


@pytest.mark.parametrize(("name", "videos", "place"), [
    ("breakfast", BREAKFAST, "Videos/P03/cam01/P03_cereals.mp4"),
    ("50salads", SALADS, "Videos/rgb-01-1.mp4"),
])  # fmt: skip
def test_the_other_data_sets_go_the_same_way(
    inside: Inside, tmp_path: Path, name: str, videos: tuple[str, ...], place: str
) -> None:
    """Their names, places and rates with labels of our own: two videos to know, one to be judged by."""
    data_set, labels = DATA_SETS[name], tmp_path / "labels"
    for folder in ("groundTruth", "splits"):
        (labels / folder).mkdir(parents=True)
    rate = int(float(str(data_set.rate)))
    runs = [("background", 1), ("pour", 2), ("stir", 2), ("background", 1), ("pour", 1)]
    for late, video in enumerate(videos):
        lines = [label for label, seconds in runs[late:] + runs[:late] for _ in range(seconds * rate)]
        (labels / "groundTruth" / f"{video}.txt").write_text("\n".join(lines) + "\n")
    for part, those in (("train", videos[:2]), ("test", videos[2:])):
        (labels / "splits" / f"{part}.split1.bundle").write_text("".join(f"{video}.txt\n" for video in those))
    (labels / "mapping.txt").write_text("0 background\n1 pour\n2 stir\n")
    root = tmp_path / "root"
    write_standin(labels, root, data_set.rate, place=lambda video: f"Videos/{data_set.places(video)[-1]}.mp4")
    assert (root / place).is_file()
    words = command(root, tmp_path / "out", settings=(*QUICK, "train.val=0.5"))
    words[words.index("gtea")] = name
    done = inside(*words)
    assert done.returncode == 0, done.stderr
    for part, those in (("train", videos[:2]), ("test", videos[2:])):
        scores = read_sealed_json(tmp_path / "out" / "split1" / part / "scores.json", SegmentationResult)
        assert [video.name for video in scores.boundaries.videos] == sorted(those)
        assert {video.end_s for video in scores.boundaries.videos} == {7.0}
    assert SAID in done.stdout
