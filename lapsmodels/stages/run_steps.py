"""The stages of a run, each as its verb calls it, and what became of them."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

from lapsdata.errors import LapsError, Problem, SchemaError, StorageError
from lapsdata.plugins import registry
from lapsdata.stages.energies import EnergyStageOptions, energy_problems, measure_files
from lapsdata.stages.segment import segment_energies, takes_threshold
from lapsdata.stages.threshold import find_threshold, read_threshold
from lapsdata.storage.atomic import storage_errors
from lapsmodels.stages._begun_training import OTHER_TRAINING
from lapsmodels.stages.encode_many import encode_files
from lapsmodels.stages.track_many import track_videos, tracks_format
from lapsmodels.stages.train import codebook_problems, train_tokenizer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

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

__all__ = ["Pipeline", "StageDone", "Steps"]

_MADE = ("made", "changed", "damaged", "forced")
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
        # The outputs that are this run's, and those that others have left.
        self._own: set[Path] = set()
        self._before = set(self._outputs())

    def tell_old(self) -> None:
        """Say which outputs in the folder are of an earlier run, and not of this one."""
        old = [str(path.relative_to(self._out)) for path in self._outputs() if path in self._before - self._own]
        if old:
            message = f"{', '.join(old)}: of an earlier run, and not of this one"
            fix = "remove them, if they are not wanted beside what this run has made"
            self.pipeline.problems.append(Problem("earlier-outputs", str(self._out), message, fix, "warning"))

    def _outputs(self) -> list[Path]:
        there = [path for path in (self._out / name for name in _OUTPUTS) if path.exists()]
        return there + sorted((self._out / "energies").glob("*.jsonl"))

    @contextlib.contextmanager
    def _filling(self, output: Path) -> Iterator[None]:
        """Take a folder that is filled step by step for this run's own where it is stopped: it is gone on with."""
        try:
            yield
        except KeyboardInterrupt:
            self._own.add(output)
            raise

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
            with self._filling(tokenizer):
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
        options = cast("EncodeOptions", self._recipe.options("encode"))
        with self._filling(self._out / "tokens"):
            report = encode_files(tracks, tokenizer, self._out / "tokens", options, force=self._force)
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


def _videos(done: Sequence[Path]) -> str:
    return f"{len(done)} video{'' if len(done) == 1 else 's'}"
