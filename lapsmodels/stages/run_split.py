"""The main job on a data set with splits: all that is learned comes from the train videos, and both parts are scored.

Tracks do not depend on the split and stand beside the folders of the splits; everything else is in the folder of one.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from lapsdata import console
from lapsdata.adapters.mstcn import labels_of
from lapsdata.containers import Energies
from lapsdata.errors import CorruptDataError, LapsError, LengthMismatchError, Problem, SchemaError, listed
from lapsdata.formats import read
from lapsdata.segmenters import given_threshold
from lapsdata.stages._data_sets import find_split, find_split_videos
from lapsdata.stages._split_truth import write_split_truth
from lapsdata.stages.evaluate import WINDOW_SLACK_S
from lapsdata.stages.threshold import read_threshold
from lapsdata.storage.atomic import storage_errors
from lapsdata.timebase import frame_to_s
from lapsdata.video.probe import probe
from lapsmodels.stages._run_folder import recorded
from lapsmodels.stages.run_steps import Pipeline, Steps

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lapsdata.schema.segmentation import SegmentationResult
    from lapsdata.stages._data_sets import DataSet
    from lapsdata.stages.evaluate import EvaluateOptions
    from lapsdata.stages.recipe import Resolved
    from lapsdata.video.facts import VideoFacts
    from lapsdata.video.sources import VideoItem

__all__ = ["PARTS", "SplitPipeline", "run_split"]

PARTS = ("train", "test")
"""The parts of a split, in the order in which they are done."""


@dataclass
class SplitPipeline:
    """What a run on a split has come to; it is filled while the run goes on.

    Parameters
    ----------
    out : Path
        Folder of all outputs.
    whole : Pipeline
        All stages, and everything to be told.
    parts : dict of Pipeline
        Scores and report, by part.
    synthetic : str or None
        What is said of videos that only stand in for the data set.

    Examples
    --------
    >>> import pathlib
    >>> SplitPipeline(pathlib.Path("out")).as_json()["parts"]
    {}
    """

    out: Path
    whole: Pipeline = field(init=False)
    parts: dict[str, Pipeline] = field(default_factory=dict)
    synthetic: str | None = None

    def __post_init__(self) -> None:
        self.whole = Pipeline(self.out)

    @property
    def scores(self) -> dict[str, SegmentationResult]:
        """The scores that there are, by part."""
        return {part: one.scores for part, one in self.parts.items() if one.scores is not None}

    def as_json(self) -> dict[str, Any]:
        """Return what is told of the run, as JSON-ready values; the problems stand beside it."""
        told = {part: one.as_json() for part, one in self.parts.items()}
        return {
            "out": str(self.out),
            "synthetic": self.synthetic,
            "stages": self.whole.as_json()["stages"],
            "parts": {part: {name: one[name] for name in ("scores", "report")} for part, one in told.items()},
        }


class _Part(NamedTuple):
    """One part of a split, before anything is measured."""

    name: str
    videos: tuple[str, ...]
    truth: Path


def run_split(
    data_set: DataSet,
    root: Path,
    split: int,
    out: Path,
    recipe: Resolved,
    *,
    skip_unreadable: bool = False,
    force: bool = False,
    workers: int | None = None,
    pipeline: SplitPipeline | None = None,
) -> SplitPipeline:
    """Do all stages for a split; a stage whose output is what it would make is passed over.

    The tokenizer and the threshold are learned from the train videos alone. Segments, scores and a report are made of
    both parts; the rows of chance that know a train split stand beside the scores of the test part.

    Parameters
    ----------
    data_set : DataSet
    root : Path
        Folder of the data set: `groundTruth`, `splits`, and the videos.
    split : int
    out : Path
        Folder of all outputs: `tracks/`, and in `split<N>/` everything else; there `train/` and `test/` hold the truth,
        the energies, the segments, the scores and the report of each part.
    recipe : Resolved
    skip_unreadable : bool
        Leave out videos that cannot be read, counted; by default they are an error.
    force : bool
        Do again what is done.
    workers : int, optional
        Processes that track; by default one per core.
    pipeline : SplitPipeline, optional
        Filled stage by stage, for whoever wants to tell what was done when the run is stopped.

    Returns
    -------
    SplitPipeline

    Raises
    ------
    StorageError
        No such split, or videos that are not there: every one.
    CorruptDataError
        Videos that cannot be read: every one.
    LengthMismatchError
        Videos that differ from their labels by more than `evaluate.end_slack_s`; what differs by less is told.
    LapsError
        A stage cannot go on; all that stood before it stays.
    KeyboardInterrupt
        Ctrl-C or SIGTERM; what was finished stays.

    Examples
    --------
    >>> import pathlib
    >>> from lapsdata.schema.recipe import Recipe
    >>> from lapsdata.stages._data_sets import DATA_SETS
    >>> from lapsdata.stages.recipe import resolve
    >>> run_split(DATA_SETS["gtea"], pathlib.Path("nowhere"), 1, pathlib.Path("out"), resolve(Recipe()))
    Traceback (most recent call last):
    lapsdata.errors.StorageError: nowhere: cannot open: no such file or folder; check the path [not-found]
    """
    told = pipeline or SplitPipeline(out)
    names = find_split(root, split)
    videos = find_split_videos(data_set, root, (*names.train, *names.test))
    readable = _readable(videos, told.whole, skip=skip_unreadable)
    told_slack_s = cast("EvaluateOptions", recipe.options("evaluate")).end_slack_s
    slack_s = WINDOW_SLACK_S if told_slack_s is None else told_slack_s
    _expect_lengths(data_set, labels_of(root / "groundTruth"), readable, slack_s, told.whole)
    folder = out / f"split{split}"
    with recorded(folder, recipe, out / "tracks"):
        steps = Steps(folder, recipe, told.whole, force=force, workers=workers, tracks=out / "tracks")
        tracked = {path.stem: path for path in steps.track([one for one in videos if one.name in readable])}
        _expect_tracked([name for name in readable if name not in tracked], videos, told.whole, skip=skip_unreadable)
        parts = [
            _Part(part, _expect_some(part, split, getattr(names, part), tracked), folder / part / "truth.parquet")
            for part in PARTS
        ]
        tokenizer = steps.train([tracked[name] for name in parts[0].videos])
        tokens = {path.stem: path for path in steps.encode(list(tracked.values()), tokenizer)}
        threshold = None
        for part in parts:
            own = told.parts[part.name] = Pipeline(folder / part.name, told.whole.done, told.whole.problems)
            todo = Steps(own.out, recipe, own, force=force, part=part.name)
            _write_truth(data_set, root, split, part, told, todo, force=force)
            energies = todo.energies(_of(tracked, part), _of(tokens, part))
            if part.name == "train":
                threshold = steps.threshold(energies[0], part.truth)
            elif threshold is not None:
                own.problems += _outside(threshold, energies[0])
            segments = todo.segments(energies[0], threshold)
            # What is known of the train videos is no row of chance beside these themselves.
            known = parts[0].truth if part.name == "test" else None
            scores = todo.scores(segments, part.truth, energies[0], known)
            todo.report(segments, energies, part.truth, scores, known)
    return told


def _outside(threshold: Path, energies: Path) -> tuple[Problem, ...]:
    """Say whether the threshold of the train videos lies outside of what is measured in the others."""
    return given_threshold(read_threshold(threshold).value, read(energies, Energies)).problems


def _of(files: Mapping[str, Path], part: _Part) -> list[Path]:
    return [files[name] for name in part.videos if name in files]


def _readable(videos: Sequence[VideoItem], told: Pipeline, *, skip: bool) -> dict[str, VideoFacts]:
    """Return what is known of the videos that can be read; of the others, which they are."""
    found: dict[str, VideoFacts] = {}
    wrong: list[Problem] = []
    with console.progress("look at videos", len(videos), unit="videos") as advance:
        for video in videos:
            try:
                found[video.name] = probe(video.path)
            except LapsError as error:
                wrong += error.problems
            advance(1)
    _settle_unreadable([video.name for video in videos if video.name not in found], wrong, videos, told, skip=skip)
    return found


def _expect_tracked(lost: list[str], videos: Sequence[VideoItem], told: Pipeline, *, skip: bool) -> None:
    """Refuse to go on without videos that turned out, while they were tracked, to be unreadable."""
    wrong = [problem for problem in told.problems if problem.severity == "error"]
    told.problems[:] = [problem for problem in told.problems if problem.severity != "error"]
    _settle_unreadable(lost, wrong, videos, told, skip=skip)


def _settle_unreadable(
    lost: list[str], wrong: Sequence[Problem], videos: Sequence[VideoItem], told: Pipeline, *, skip: bool
) -> None:
    """Refuse videos that cannot be read, or count them where that was asked for."""
    if not lost:
        return
    folder = str(Path(videos[0].path).parent)
    if not skip:
        message = f"expected videos that can be read, got {len(lost)} of {len(videos)} that cannot: {listed(lost)}"
        fix = (
            f"`lapsdata check {folder} --quarantine FOLDER` finds such and moves them away: get them again, or give "
            "--skip-unreadable, and they are left out and counted"
        )
        raise CorruptDataError(*wrong, Problem("unreadable-videos", folder, message, fix))
    message = f"{len(lost)} of {len(videos)} videos cannot be read and are left out: {listed(lost)}"
    told.problems += [replace(problem, severity="warning") for problem in wrong]
    told.problems.append(Problem("skipped-unreadable", folder, message, None, "warning"))


def _expect_some(part: str, split: int, names: Sequence[str], tracked: Mapping[str, Path]) -> tuple[str, ...]:
    found = tuple(name for name in names if name in tracked)
    if not found:
        message = f"expected videos of {part}.split{split} that can be read, got none"
        raise SchemaError(Problem("no-videos", f"{part}.split{split}", message))
    return found


def _write_truth(
    data_set: DataSet, root: Path, split: int, part: _Part, told: SplitPipeline, steps: Steps, *, force: bool
) -> None:
    with storage_errors(part.truth.parent, "make the folder"):
        part.truth.parent.mkdir(parents=True, exist_ok=True)
    output, notes, told.synthetic = write_split_truth(
        root, part.truth, rate=data_set.rate, split=f"{part.name}.split{split}", videos=part.videos, force=force
    )
    told.whole.problems += [note for note in notes if note not in told.whole.problems]
    steps.tell("truth", output.fate, output.content.facts()["segments"], part.truth)


def _expect_lengths(
    data_set: DataSet,
    labels: Mapping[str, Sequence[str]],
    readable: Mapping[str, VideoFacts],
    slack_s: float,
    told: Pipeline,
) -> None:
    """Tell videos that have other frames than labels; refuse those that differ by more than scores allow."""
    far = []
    for name, facts in readable.items():
        if name not in labels:
            far.append(Problem("missing-labels", name, f"expected groundTruth/{name}.txt, got none"))
            continue
        count = len(labels[name])
        true_s = frame_to_s(count, data_set.rate)
        message = (
            f"expected {count} frames, {true_s:.3f} s, as there are labels, got {facts.frames} frames, "
            f"{facts.duration_s:.3f} s"
        )
        if abs(facts.duration_s - true_s) > slack_s:
            fix = f"is it the video of these labels, of {data_set.rate} per second? or set evaluate.end_slack_s"
            far.append(Problem("other-length", name, message, fix))
        elif facts.frames != count:
            kept = f"evaluate.end_slack_s allows {slack_s:g} s: times beyond an end are taken for it, and counted"
            told.problems.append(Problem("other-length", name, f"{message}; {kept}", None, "warning"))
    if far:
        raise LengthMismatchError(*far)
