"""The main job: videos to tracks, tokens, energies, segments, scores and a report, each stage as its verb calls it.

Nothing is kept beside the outputs to say what was done: every output says of what it was made, and a stage whose output
says just that is passed over. So a run that was killed goes on where it was.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from lapsdata import console
from lapsdata.errors import CorruptDataError, LapsError, Problem, SchemaError, StorageError, listed
from lapsdata.plugins import registry
from lapsdata.schema.run import Run
from lapsdata.stages.energies import EnergyStageOptions, energy_problems, measure_files
from lapsdata.stages.recipe import recipe_yaml
from lapsdata.stages.segment import segment_energies, takes_threshold
from lapsdata.stages.segments_source import read_segments
from lapsdata.stages.threshold import find_threshold, read_threshold
from lapsdata.storage.atomic import atomic_file, storage_errors
from lapsdata.storage.run_file import record_run
from lapsdata.video.sources import FoundVideos
from lapsmodels.stages._begun_training import OTHER_TRAINING
from lapsmodels.stages.encode_many import encode_files
from lapsmodels.stages.track_many import track_videos, tracks_format
from lapsmodels.stages.train import codebook_problems, train_tokenizer
from lapsmodels.tokenizer.checkpoint import read_tokenizer_header

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lapsdata.execution.report import Report
    from lapsdata.schema.segmentation import SegmentationResult
    from lapsdata.schema.threshold import ThresholdRecord
    from lapsdata.stages import Output
    from lapsdata.stages._search_options import SearchOptions
    from lapsdata.stages.recipe import Resolved
    from lapsdata.transforms.energies import EnergyMode
    from lapsdata.video.sources import VideoItem
    from lapsmodels.stages.encode_many import EncodeOptions
    from lapsmodels.stages.track_options import TrackOptions
    from lapsmodels.stages.train_options import TrainStageOptions

__all__ = ["Pipeline", "StageDone", "Steps", "recorded", "run_videos"]

_MADE = ("made", "changed", "damaged", "forced")
# The first line of a recipe that a run has written; others are never replaced.
_WRITTEN = "# Written by `lapsdata run`: every parameter that was used.\n"
# What a run may write, beside the energies.
_OUTPUTS = ("tokenizer", "tokens", "threshold.json", "segments.parquet", "scores.json", "report")


@dataclass(frozen=True, slots=True)
class StageDone:
    """What became of one stage.

    Parameters
    ----------
    stage : str
    fate : str
        What became of its outputs: `made`, `kept`, `changed`, or counts of these.
    what : str
        What came out, in words.

    Examples
    --------
    >>> StageDone("energies", "kept", "velocity_step of 5 videos").fate
    'kept'
    """

    stage: str
    fate: str
    what: str


@dataclass
class Pipeline:
    """What a run has come to, stage by stage; it is filled while the run goes on.

    Parameters
    ----------
    out : Path
        Folder of all outputs.

    Examples
    --------
    >>> import pathlib
    >>> Pipeline(pathlib.Path("out")).as_json()["stages"]
    []
    """

    out: Path
    done: list[StageDone] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    scores: SegmentationResult | None = None
    report: Path | None = None

    def as_json(self) -> dict[str, Any]:
        """Return what is told of the run, as JSON-ready values; the problems stand beside it."""
        return {
            "out": str(self.out),
            "stages": [{"stage": one.stage, "fate": one.fate, "what": one.what} for one in self.done],
            "scores": None if self.scores is None else self.scores.as_json(),
            "report": None if self.report is None else str(self.report),
        }


def run_videos(
    videos: Sequence[VideoItem],
    out: Path,
    recipe: Resolved,
    *,
    truth: Path | None = None,
    tokenizer: Path | None = None,
    force: bool = False,
    workers: int | None = None,
    pipeline: Pipeline | None = None,
) -> Pipeline:
    """Do all stages for some videos; a stage whose output is what it would make is passed over.

    Parameters
    ----------
    videos : sequence of VideoItem
        As `lapsdata.video.sources.find_videos` lists them.
    out : Path
        Folder of all outputs: `recipe.yaml`, `tracks/`, `tokenizer/`, `tokens/`, `energies/`, `threshold.json`,
        `segments.parquet`, `scores.json`, `report/`.
    recipe : Resolved
        See `lapsdata.stages.recipe.resolve`.
    truth : Path, optional
        See `lapsdata.stages.segments_source.read_segments`.
    tokenizer : Path, optional
        One that was trained before; none is trained then.
    force : bool
        Do again what is done.
    workers : int, optional
        Processes that track; by default one per core.
    pipeline : Pipeline, optional
        Filled stage by stage, for whoever wants to tell what was done when the run is stopped.

    Returns
    -------
    Pipeline
        Videos that fail are in its problems, and the others go on.

    Raises
    ------
    LapsError
        A stage cannot go on; all that stood before it stays. Where it is the scores, the report is made without them,
        and why stands in the problems.
    KeyboardInterrupt
        Ctrl-C or SIGTERM; what was finished stays.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lapsdata.schema.recipe import Recipe
    >>> from lapsdata.stages.recipe import resolve, with_settings
    >>> from lapsdata.testing.scenes import SceneConfig, render_scene
    >>> from lapsdata.video.sources import find_videos
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> render_scene(5, SceneConfig(actions=2)).write_video(folder / "clip.mp4")
    >>> recipe = resolve(with_settings(Recipe(), ["train.kind=none", "track.points=100"]))
    >>> done = run_videos(find_videos(folder), folder / "out", recipe)
    >>> [one.stage for one in done.done]
    ['track', 'energies', 'threshold', 'segment', 'report']
    """
    run = Steps(out, recipe, pipeline or Pipeline(out), force=force, workers=workers)
    videos = _without_pictures(videos, out / "report", run.pipeline)
    if tokenizer is not None:
        _expect_shape(tokenizer, cast("TrackOptions", recipe.options("track")))
    if truth is not None:
        _expect_truth(truth, videos)
    with recorded(out, recipe):
        try:
            run.go(videos, truth, tokenizer)
        finally:
            run.tell_old()
    return run.pipeline


@contextlib.contextmanager
def recorded(out: Path, recipe: Resolved, tracks: Path | None = None) -> Iterator[None]:
    """Hold the folder of a run while its stages go on: its recipe and how it ends stand there.

    Parameters
    ----------
    out : Path
    recipe : Resolved
    tracks : Path, optional
        The folder of the tracks, where it is another than `tracks` in `out`.

    Raises
    ------
    StorageError
        Notes of others are in the folder, or it cannot be made.
    CorruptDataError
        As it was raised inside, with what to do about files of ours.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lapsdata.schema.recipe import Recipe
    >>> from lapsdata.stages.recipe import resolve
    >>> out = pathlib.Path(tempfile.mkdtemp())
    >>> with recorded(out, resolve(Recipe())):
    ...     sorted(path.name for path in out.iterdir())
    ['recipe.yaml', 'run.json']
    """
    with storage_errors(out, "make the folder"):
        out.mkdir(parents=True, exist_ok=True)
    _expect_own(out)
    with record_run(out):
        _write_recipe(out / "recipe.yaml", recipe)
        try:
            yield
        except CorruptDataError as error:
            fix = "remove it, and run this again: it is made anew"
            # Others of ours are made anew without a word to say; and no file that is the user's may be meant.
            ours = tuple(f"{folder}{os.sep}" for folder in (tracks or out / "tracks", out / "tokens"))
            told = [replace(one, fix=fix) if one.where.startswith(ours) else one for one in error.problems]
            raise CorruptDataError(*told) from error


class Steps:
    """The stages of a run into one folder, each as its verb calls it; what becomes of it is told to the pipeline.

    Parameters
    ----------
    out : Path
        Folder of the outputs.
    recipe : Resolved
    pipeline : Pipeline
    force : bool
        Do again what is done.
    workers : int, optional
        Processes that track.
    tracks : Path, optional
        Folder of the tracks; by default `tracks` in `out`.
    part : str
        Which videos it is about, where others have stages of their own: told behind the name of each stage.

    Examples
    --------
    >>> import pathlib
    >>> from lapsdata.schema.recipe import Recipe
    >>> from lapsdata.stages.recipe import resolve
    >>> out = pathlib.Path("out")
    >>> Steps(out, resolve(Recipe()), Pipeline(out)).pipeline.done
    []
    """

    def __init__(
        self,
        out: Path,
        recipe: Resolved,
        pipeline: Pipeline,
        *,
        force: bool = False,
        workers: int | None = None,
        tracks: Path | None = None,
        part: str = "",
    ) -> None:
        self._out, self._recipe, self.pipeline = out, recipe, pipeline
        self._force, self._workers, self._part = force, workers, part
        self._tracks = tracks or out / "tracks"
        # The outputs that are this run's.
        self._own: set[Path] = set()

    def tell_old(self) -> None:
        """Say which outputs in the folder are of an earlier run, and not of this one."""
        there = [path for path in (self._out / name for name in _OUTPUTS) if path.exists()]
        there += sorted((self._out / "energies").glob("*.jsonl"))
        old = [str(path.relative_to(self._out)) for path in there if path not in self._own]
        if old:
            message = f"{', '.join(old)}: of an earlier run, and not of this one"
            fix = "remove them, if they are not wanted beside what this run has made"
            self.pipeline.problems.append(Problem("earlier-outputs", str(self._out), message, fix, "warning"))

    def go(self, videos: Sequence[VideoItem], truth: Path | None, tokenizer: Path | None) -> None:
        """Do all stages for some videos."""
        tracks = self.track(videos)
        tokens = self.encode(tracks, tokenizer or self.train(tracks))
        energies = self.energies(tracks, tokens)
        segments = self.segments(energies[0], self.threshold(energies[0]))
        scores = None
        if truth is not None:
            try:
                scores = self.scores(segments, truth, energies[0])
            except LapsError as error:
                # What was found can be looked at all the same.
                self.pipeline.problems += error.problems
        self.report(segments, energies, truth if scores else None, scores)

    def track(self, videos: Sequence[VideoItem]) -> list[Path]:
        """Return the tracks of those videos that could be tracked."""
        options = cast("TrackOptions", self._recipe.options("track"))
        report = track_videos(videos, self._tracks, options, one_rate=True, force=self._force, workers=self._workers)
        done = [entry.output for entry in report.entries if entry.fate in (*_MADE, "kept")]
        made = [entry.result for entry in report.entries if entry.result is not None]
        what = _videos(done)
        if made:
            what += f", {sum(one.windows for one in made):,} windows made of {sum(one.frames for one in made):,} frames"
        self._tell_report("track", report, what, self._tracks)
        self._tell_strangers(self._tracks, done, tracks_format(options.format).suffixes[0])
        return self._expect_some(done, "track")

    def train(self, tracks: list[Path]) -> Path | None:
        """Return the tokenizer that is trained on tracks; None where the recipe wants none."""
        if self._recipe.kind("train") == "none":
            return None
        tokenizer = self._out / "tokenizer"
        options = cast("TrainStageOptions", self._recipe.options("train"))
        try:
            trained = train_tokenizer(tracks, tokenizer, options, force=self._force)
        except StorageError as error:
            fix = (
                f"to go on, run it with the recipe that it was begun with; or remove {tokenizer}, and a tokenizer "
                "is trained anew; or choose another folder"
            )
            told = (replace(one, fix=fix) if one.code == OTHER_TRAINING else one for one in error.problems)
            raise StorageError(*told) from error
        header = trained.content
        codes = str(header.trained.train.codebook) if header.trained else f"{header.config.codes} codes"
        self.tell("train", trained.fate, codes, tokenizer)
        self.pipeline.problems += codebook_problems(header)
        return tokenizer

    def encode(self, tracks: list[Path], tokenizer: Path | None) -> list[Path]:
        """Return the tokens of tracks; none without a tokenizer."""
        if tokenizer is None:
            return []
        report = encode_files(
            tracks,
            tokenizer,
            self._out / "tokens",
            cast("EncodeOptions", self._recipe.options("encode")),
            force=self._force,
        )
        done = [entry.output for entry in report.entries if entry.fate in (*_MADE, "kept")]
        self._tell_report("encode", report, _videos(done), self._out / "tokens")
        self._tell_strangers(self._out / "tokens", done, ".zarr")
        return self._expect_some(done, "encode")

    def energies(self, tracks: list[Path], tokens: list[Path]) -> list[Path]:
        """Measure what is segmented, and beside it, for the report, what the tokens or the tracks say."""
        chosen = cast("EnergyStageOptions", self._recipe.options("energies"))
        if not chosen.of_tracks and not tokens:
            message = f"expected tokens for {chosen.mode}, got none, since no tokenizer is trained or given"
            fix = "give --tokenizer, or set train.kind=small"
            raise SchemaError(Problem("no-tokens", "energies.kind", message, fix))
        beside: EnergyMode = "token_diff_step" if chosen.of_tracks else "velocity_step"
        wanted = [chosen]
        if tokens and cast("EncodeOptions", self._recipe.options("encode")).latents != "none":
            wanted.append(EnergyStageOptions(mode=beside))
        paths = []
        for options in wanted:
            path = self._out / "energies" / f"{options.mode}.jsonl"
            with storage_errors(path.parent, "make the folder"):
                path.parent.mkdir(exist_ok=True)
            output = measure_files(tracks if options.of_tracks else tokens, path, options, force=self._force)
            facts = output.content.facts()
            self.tell("energies", output.fate, f"{facts['measure']}, {facts['rows']}", path)
            self.pipeline.problems += energy_problems(output.content)
            paths.append(path)
        return paths

    def threshold(self, energies: Path, truth: Path | None = None) -> Path | None:
        """Return the threshold of energies; None where the segmenter takes none.

        Only a search looks at the truth: that of videos that nothing is scored on but what they have taught.
        """
        if not takes_threshold(self._recipe.kind("segment")):
            return None
        path = self._out / "threshold.json"
        options = cast("Any", self._recipe.options("threshold"))
        if self._recipe.kind("threshold") == "search":
            found, problems = self._search(energies, truth, path, options)
        else:
            found, problems = find_threshold(energies, path, options, force=self._force)
        value = found.content.value
        above = f"{found.content.above:.0%} of the energies are above"
        self.tell("threshold", found.fate, f"{value:.4g} ({found.content.method}), {above}", path)
        self.pipeline.problems += problems
        return path

    def _search(
        self, energies: Path, truth: Path | None, path: Path, options: SearchOptions
    ) -> tuple[Output[ThresholdRecord], tuple[Problem, ...]]:
        from lapsdata.stages.threshold_search import search_threshold

        if truth is None:
            message = "expected the truth of train videos to search with, got a run that scores on all it has"
            fix = "take otsu; or run a data set with splits: --recipe gtea --root FOLDER --split 1"
            raise SchemaError(Problem("no-train", "threshold.kind", message, fix))
        kind = self._recipe.kind("segment")
        if kind != "state_machine":
            message = f"expected state_machine, whose thresholds are searched through, got {kind}"
            raise SchemaError(Problem("wrong-kind", "segment.kind", message, "set threshold.kind=otsu"))
        told = {key: value for key, value in self._recipe.options("segment").as_json().items() if key != "threshold"}
        options = options.model_copy(update={"segmenter": told})
        return search_threshold(energies, truth, path, options, force=self._force)

    def segments(self, energies: Path, threshold: Path | None) -> Path:
        """Return the segments of energies; the threshold may be that of others, measured in the same way."""
        kind, record = self._recipe.kind("segment"), self._recipe.options("segment")
        told: dict[str, Any] = record.model_dump()
        if threshold is not None:
            told["threshold"] = read_threshold(threshold).value
        path = self._out / "segments.parquet"
        segmenter = registry("segmenters").load(kind)(**told)
        output, problems = segment_energies(energies, path, segmenter, threshold=threshold, force=self._force)
        facts = output.content.facts()
        self.tell("segment", output.fate, f"{facts['segments']}, ended by {facts['ended by']}", path)
        self.pipeline.problems += problems
        return path

    def scores(self, segments: Path, truth: Path, energies: Path, train: Path | None = None) -> Path:
        """Return the scores of segments; with the truth of the train videos, beside what is known of these."""
        from lapsdata.stages.evaluate import EvaluateOptions, ScoredFiles, score_segments

        path = self._out / "scores.json"
        options = cast("EvaluateOptions", self._recipe.options("evaluate"))
        files = ScoredFiles(segments, truth, energies, train)
        output, notes = score_segments(files, path, options, force=self._force)
        self.pipeline.problems += notes
        best = output.content.boundaries.rows[0].scores[0]
        self.tell("evaluate", output.fate, f"F {best.macro.f:.3f} at {best.tolerance_s:g} s", path)
        self.pipeline.scores = output.content
        return path

    def report(
        self,
        segments: Path,
        energies: list[Path],
        truth: Path | None,
        scores: Path | None,
        train: Path | None = None,
    ) -> None:
        """Write the report; `train` is that of the scores."""
        from lapsdata.stages.report import ReportOptions, write_report

        path = self._out / "report"
        options = cast("ReportOptions", self._recipe.options("report"))
        output: Output[Any] = write_report(
            path,
            segments=segments,
            energies=energies,
            truth=truth,
            scores=scores,
            train=train,
            options=options,
            force=self._force,
        )
        self.tell("report", output.fate, str(path / "index.html"), path)
        self.pipeline.report = path / "index.html"

    def tell(self, stage: str, fate: str, what: str, output: Path) -> None:
        """Tell what became of a stage."""
        self._own.add(output)
        self.pipeline.done.append(StageDone(f"{stage} {self._part}".rstrip(), fate, what))

    def _tell_report(self, stage: str, report: Report[Any], what: str, output: Path) -> None:
        fates = ", ".join(f"{count} {fate}" for fate, count in report.counts.items() if count)
        self.tell(stage, fates, what, output)
        self.pipeline.problems += report.problems

    def _tell_strangers(self, folder: Path, ours: Sequence[Path], suffix: str) -> None:
        """Say that outputs lie about of videos that this run does not have."""
        names = {path.name for path in ours}
        with storage_errors(folder, "list"):
            others = [path.name for path in folder.iterdir() if path.suffix == suffix and path.name not in names]
        if others:
            message = f"{len(others)} files are of videos that failed or that this run does not have: left alone"
            self.pipeline.problems.append(Problem("other-outputs", str(folder), message, None, "info"))

    def _expect_some(self, done: list[Path], stage: str) -> list[Path]:
        if done:
            return done
        errors = [problem for problem in self.pipeline.problems if problem.severity == "error"]
        # Told by the error, and not twice.
        self.pipeline.problems[:] = [problem for problem in self.pipeline.problems if problem.severity != "error"]
        nothing = Problem("nothing-done", stage, "expected at least one video that can go on, got none")
        raise SchemaError(*errors, nothing)


def _without_pictures(videos: Sequence[VideoItem], report: Path, pipeline: Pipeline) -> Sequence[VideoItem]:
    """Leave out the timelines of an earlier run, which a search above its folder takes for the images of a video."""
    inside = report.resolve()
    kept = [one for one in videos if not _lies_in(one.path, inside)]
    if len(kept) == len(videos):
        return videos
    message = f"{len(videos) - len(kept)} folders of pictures of an earlier run are left out of the videos"
    pipeline.problems.append(Problem("own-pictures", str(report), message, None, "info"))
    if not isinstance(videos, FoundVideos):
        return kept
    return FoundVideos(kept, videos.unmatched, videos.beyond_limit, videos.lost)


def _lies_in(place: Path | str, folder: Path) -> bool:
    # A URL has no folder; as a path it lies in none that is there.
    return Path(place).resolve().is_relative_to(folder)


def _videos(done: Sequence[Path]) -> str:
    return f"{len(done)} video{'' if len(done) == 1 else 's'}"


def _expect_shape(tokenizer: Path, options: TrackOptions) -> None:
    """Refuse a tokenizer that takes other windows than are going to be made, before any is."""
    header = read_tokenizer_header(tokenizer)
    config = header.config
    wanted, got = (options.horizon, options.points), (config.horizon, config.points)
    if wanted != got:
        message = (
            f"expected a tokenizer for windows of {wanted[0]} frames and {wanted[1]} points, as they are tracked, got "
            f"one for {got[0]} and {got[1]}"
        )
        fix = f"track for it: --set track.horizon={got[0]} --set track.points={got[1]}"
        raise SchemaError(Problem("wrong-shape", str(tokenizer), message, fix))
    if header.views != (options.view,):
        message = f"expected a tokenizer for the view {options.view}, got one for {', '.join(header.views)}"
        fix = f"track for it: --set track.view={header.views[0]}" if len(header.views) == 1 else "train another"
        raise SchemaError(Problem("wrong-views", str(tokenizer), message, fix))


def _expect_truth(truth: Path, videos: Sequence[VideoItem]) -> None:
    """Refuse a truth that cannot be read, or that is of none of the videos, before anything is done."""
    true = {video.name for video in read_segments(truth).segments.header.videos}
    names = [video.name for video in videos]
    if names and not true.intersection(names):
        message = f"expected a truth of these videos ({listed(names)}), got one of {listed(sorted(true))}"
        fix = "names have no ending; below a folder that is searched with --recursive they have '__' between folders"
        raise SchemaError(Problem("no-common-video", str(truth), message, fix))


def _expect_own(out: Path) -> None:
    """Refuse to write over notes of others, and say how an earlier run ended that did not come to its end."""
    recipe, told = out / "recipe.yaml", out / "run.json"
    if recipe.exists():
        with storage_errors(recipe, "read"):
            if not recipe.read_bytes().startswith(_WRITTEN.encode()):
                raise _foreign(recipe)
    if not told.exists():
        return
    try:
        with storage_errors(told, "read"):
            earlier = Run.parse(told.read_bytes(), str(told))
    except SchemaError:
        raise _foreign(told) from None
    if earlier.outcome != "finished":
        how = "failed or was stopped" if earlier.outcome == "failed" else "was killed, or is still running"
        console.note(f"run: an earlier run into {out} {how}: what it has done is kept")


def _foreign(path: Path) -> StorageError:
    message = "expected nothing, or what an earlier run has written, got something else: it is left as it is"
    return StorageError(Problem("foreign-output", str(path), message, "move it away, or choose another folder"))


def _write_recipe(path: Path, recipe: Resolved) -> None:
    with atomic_file(path, overwrite=True) as temporary:
        temporary.write_text(_WRITTEN + recipe_yaml(recipe.recipe(), comments=True), encoding="utf-8")
