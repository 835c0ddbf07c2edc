"""From segments and a truth to scores beside chance."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import numpy as np
from pydantic import Field

from lapsdata.adapters.mstcn import class_numbers, split_beside, train_split
from lapsdata.errors import Problem, SchemaError, listed
from lapsdata.plugins import registry
from lapsdata.provenance import marked_synthetic, parent, provenance, synthetic_note
from lapsdata.schema.ap_scores import ApClasses
from lapsdata.schema.base import Count, Name, Positive, Rate, Record, Text
from lapsdata.schema.segment_clusters import ClusterScope
from lapsdata.schema.segmentation import RulesProfile, SegmentationResult
from lapsdata.stages._header_key import key_now, key_of, strangers
from lapsdata.stages._named_prediction import NamedPrediction  # noqa: TC001 - of a NamedTuple
from lapsdata.stages._output import Output, settle
from lapsdata.stages._stage import Stage
from lapsdata.stages.segments_source import SegmentsSource, read_segments
from lapsdata.storage.sealed_json import read_sealed_json, write_sealed_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from lapsdata.containers import Energies, Segments
    from lapsdata.schema.base import Parent

__all__ = [
    "CONSTANT_ENERGY",
    "PLUGIN",
    "WINDOW_SLACK_S",
    "EvaluateOptions",
    "ScoredFiles",
    "score_segments",
    "segment_scores",
]

_STAGE = "evaluate"
CONSTANT_ENERGY = "constant_energy"
"""The row of the same segmenter, fed with one energy all the time."""

# S1_Cheese_C1: subject, dish, camera.
_GTEA = re.compile(r"S[1-4]_(\w+)_C1")

# No window covers the last frames of a video, so that segments made of energies end before it does.
WINDOW_SLACK_S = 1.0
"""Seconds by which segments that are made of energies may end before their video."""


class EvaluateOptions(Record):
    """The rules of a score.

    Examples
    --------
    >>> EvaluateOptions(tolerances_s=(0.25,)).draws
    100
    """

    rules: RulesProfile = "default"
    """One word for all rules; see `RulesProfile`."""
    tolerances_s: Annotated[tuple[Annotated[float, Field(ge=0)], ...], Field(min_length=1)] | None = None
    """Seconds within which a boundary is found, rising; null for those of the rules."""
    split: Name | None = None
    """The part of the truth that is scored, as `test.split1`; what is found in other videos is left out, counted."""
    train_split: Name | None = None
    """The part of the truth whose events the rows of a train split know, where `train` is not a truth of its own; null
    for the one that belongs to `split`, as `train.split1`, if there is one."""
    rate: Rate | None = None
    """Frames per second of labels, where the truth has no times of its own."""
    background: tuple[Text, ...] | None = None
    """Labels that are no action, in place of those of the rules; see `evaluate_labels`."""
    classes: ApClasses | None = None
    """Of average precision, in place of the rules'."""
    clusters: ClusterScope | None = None
    """Score labels as the names of clusters too, matched within a video, an activity or all videos; a video's activity
    is the dish of GTEA's names (`S1_Cheese_C1`), else what follows the last `_`, as in `P03_cam01_P03_cereals`."""
    confidence_block: Count | None = None
    """Which block of classes of the confidences counts, from 0, where they have several."""
    missing: Literal["raise", "empty"] = "raise"
    """A video of the truth without segments: an error, or an empty answer."""
    extra: Literal["raise", "leave_out"] = "raise"
    """A video without a truth: an error, or left out and counted."""
    end_slack_s: Annotated[float, Field(ge=0)] | None = None
    """Seconds by which a video may differ in length between both; times that lie so far beyond the end are taken for
    the end, and counted. Null is 1 for segments made of energies, as no window covers a video's last frames, else 0."""
    draws: Positive = 100
    """How often chance is drawn."""
    shift_draws: Positive = 1000
    """How often the found boundaries are shifted."""
    seed: Count = 0
    """Of chance, and of a named prediction that is drawn."""


class ScoredFiles(NamedTuple):
    """What is scored, against what, and what else rows of chance may know.

    Parameters
    ----------
    found : Path or NamedPrediction
        Segments of any kind that `read_segments` reads.
    truth : Path
        The true ones; so too.
    energies : Path, optional
        What the segments were made of: adds the row `constant_energy`, of the same segmenter fed with one energy.
    train : Path, optional
        The true segments of other videos: adds the rows `TRAIN_ROWS`, of what is known of these.
    confidences : Path, optional
        A folder of confidences per frame, `<video>.npy`, for labels per frame of MS-TCN's layout: the score of a found
        segment is the mean confidence of its label, for average precision.

    Examples
    --------
    >>> ScoredFiles(NamedPrediction("uniform", 2.0), Path("gtea")).train is None
    True
    """

    found: Path | NamedPrediction
    truth: Path
    energies: Path | None = None
    train: Path | None = None
    confidences: Path | None = None

    def parents(self) -> list[Parent]:
        """Return the files, by their roles."""
        given = {
            "segments": self.found, "truth": self.truth, "energies": self.energies, "train": self.train,
            "confidences": self.confidences,
        }  # fmt: skip
        return [parent(role, path) for role, path in given.items() if isinstance(path, Path)]


def score_segments(
    files: ScoredFiles, out: Path, options: EvaluateOptions | None = None, *, force: bool = False
) -> tuple[Output[SegmentationResult], tuple[Problem, ...]]:
    """Score segments; a score that was taken so already is kept.

    Parameters
    ----------
    files : ScoredFiles
    out : Path
        A JSON file.
    options : EvaluateOptions, optional
    force : bool

    Returns
    -------
    output : Output
    notes : tuple of Problem
        What is to be said about the files that were read; none where the score was kept.

    Raises
    ------
    SchemaError
        Videos, times or rules that do not fit; see `lapsdata.metrics.evaluate_boundaries`.
    StorageError
        Something else is in the place of the output, or it cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> import lapsdata
    >>> from lapsdata.testing.samples import sample_segments
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = lapsdata.write(folder / "truth.parquet", sample_segments())
    >>> files = ScoredFiles(folder / "truth.parquet", folder / "truth.parquet")
    >>> scores, _ = score_segments(files, folder / "scores.json")
    >>> scores.content.boundaries.rows[0].scores[0].macro.f
    1.0
    """
    chosen = options or EvaluateOptions()
    parents = _parents(files, chosen)
    notes: list[Problem] = []

    def known(path: Path) -> tuple[str | None, SegmentationResult]:
        found = read_sealed_json(path, SegmentationResult)
        return key_of(_STAGE, found.provenance), found

    def make(overwrite: bool) -> SegmentationResult:
        result, told = _scored(files, chosen, parents)
        notes.extend(told)
        write_sealed_json(out, result, overwrite=overwrite)
        return result

    key = key_now(_STAGE, _told(files, chosen), parents)
    return settle(out, key, read=known, make=make, force=force), tuple(notes)


def segment_scores(
    files: ScoredFiles, options: EvaluateOptions | None = None
) -> tuple[SegmentationResult, tuple[Problem, ...]]:
    """Return what `score_segments` writes, and what is to be said about the files.

    Raises
    ------
    SchemaError
        As `score_segments`.

    Examples
    --------
    See `score_segments`.
    """
    chosen = options or EvaluateOptions()
    return _scored(files, chosen, _parents(files, chosen))


def _parents(files: ScoredFiles, options: EvaluateOptions) -> list[Parent]:
    """Return the files, and the lists of the splits where these lie beside the labels, whose digest knows none."""
    of_truth = [options.split, None if files.train is not None else _train_name(files, options)]
    splits = [split_beside(files.truth, name) for name in of_truth if name]
    if files.train is not None and options.train_split:
        splits.append(split_beside(files.train, options.train_split))
    return [*files.parents(), *(parent("split", path) for path in splits if path is not None)]


def _train_name(files: ScoredFiles, options: EvaluateOptions) -> str | None:
    return options.train_split or (train_split(files.truth, options.split) if options.split else None)


def _told(files: ScoredFiles, options: EvaluateOptions) -> dict[str, Any]:
    """Return what the files do not say."""
    return options.as_json() | ({} if isinstance(files.found, Path) else {"prediction": str(files.found)})


def _scored(
    files: ScoredFiles, options: EvaluateOptions, parents: list[Parent]
) -> tuple[SegmentationResult, tuple[Problem, ...]]:
    from lapsdata.metrics import evaluate_segments

    truth, found = _read(files, options)
    if files.confidences is not None:
        found = found._replace(segments=_confident(files, truth, found.segments, options.confidence_block))
    train = _train(files, options)
    chance = {}
    if files.energies is not None:
        if not isinstance(files.found, Path):
            message = f"expected segments that a segmenter has made, got {files.found}, made of no energies"
            raise SchemaError(Problem("no-segmenter", "segments", message, "leave the energies out"))
        chance = {CONSTANT_ENERGY: _constant(found.segments, files.energies, parents)}
    if chance and options.missing == "empty":
        # A video without segments is one without energies.
        nothing = {video.name: np.empty(0) for video in truth.segments.header.videos}
        chance = {CONSTANT_ENERGY: nothing | chance[CONSTANT_ENERGY]}
    slack = options.end_slack_s
    if slack is None:
        slack = WINDOW_SLACK_S if _of_energies(found.segments) else 0.0
    result = evaluate_segments(
        truth.segments,
        found.segments,
        rules=options.rules,
        tolerances_s=options.tolerances_s,
        rate=truth.rate,
        rate_origin=truth.rate_origin or "asked",
        background=options.background,
        classes=options.classes,
        clusters=options.clusters,
        activity=_activities(truth.segments) if options.clusters == "activity" else None,
        missing=options.missing,
        # A split says which videos are meant.
        extra="leave_out" if options.split is not None else options.extra,
        end_slack_s=slack,
        chance=chance,
        train=None if train is None else train.segments,
        split=options.split,
        draws=options.draws,
        shift_draws=options.shift_draws,
        seed=options.seed,
        provenance=marked_synthetic(
            provenance(parameters=_told(files, options), parents=parents),
            synthetic_note(*(one.segments.header.provenance for one in (truth, found))),
        ),
    )
    sources = [truth, found] if train is None or files.train is None else [truth, found, train]
    notes = dict.fromkeys(note for source in sources for note in source.notes)
    return result, (*notes, *_background_notes(truth, options))


def _read(files: ScoredFiles, options: EvaluateOptions) -> tuple[SegmentsSource, SegmentsSource]:
    """Return the truth and what was found; where one does not say how long its videos are, the other does."""
    truth = read_segments(files.truth, rate=options.rate, split=options.split)
    if not isinstance(files.found, Path):
        # One seed is told, and stands in the record.
        drawn = replace(files.found, seed=options.seed)
        return truth, SegmentsSource(drawn.segments(truth.segments))
    found = read_segments(files.found, rate=truth.rate, found=truth.segments)
    if truth.rate is None:
        alone = truth
        truth = read_segments(files.truth, split=options.split, found=found.segments)
        found = found._replace(notes=(*found.notes, *_guessed_ends(files.found, alone, found)))
    return truth, found


def _guessed_ends(path: Path, truth: SegmentsSource, found: SegmentsSource) -> Iterator[Problem]:
    """Say where no file tells how long a video is and what was found goes beyond the truth: its end moves with that."""
    ends = {video.name: video.end_s for video in truth.segments.header.videos if video.name in truth.unmeasured}
    beyond = [
        f"'{video.name}' ({ends[video.name]:g} s in the truth, {video.end_s:g} s found)"
        for video in found.segments.header.videos
        if video.name in found.unmeasured and video.end_s > ends.get(video.name, video.end_s)
    ]
    if beyond:
        videos = "1 video" if len(beyond) == 1 else f"{len(beyond)} videos"
        message = (
            f"what was found goes on beyond the truth in {videos}, and no file says how long: {', '.join(beyond[:3])}"
            f"{' ...' if len(beyond) > 3 else ''}; the later is taken for the end, and the last true end scored too"
        )
        yield Problem("ends-guessed", str(path), message, "score files that say how long videos are", "warning")


def _confident(files: ScoredFiles, truth: SegmentsSource, found: Segments, block: int | None) -> Segments:
    """Return what was found with the confidences of its labels, in the order of the truth's classes."""
    from lapsdata.adapters._confidences import with_confidences

    classes = class_numbers(files.truth)
    if classes is None or truth.rate is None or files.confidences is None or None in found.label:
        message = "expected labels per frame and a truth with mapping.txt, which numbers the classes, got others"
        raise SchemaError(Problem("no-classes", "confidences", message, "give scores with the segments instead"))
    wanted = {video.name for video in truth.segments.header.videos}
    return with_confidences(_of_videos(found, wanted), files.confidences, classes, truth.rate, block=block)


def _of_videos(segments: Segments, names: set[str]) -> Segments:
    """Return the segments of some videos."""
    kept = [number for number, video in enumerate(segments.header.videos) if video.name in names]
    rows = np.flatnonzero(np.isin(segments.video_index, kept))
    videos = tuple(segments.header.videos[number] for number in kept)
    return replace(
        segments,
        header=segments.header.model_copy(update={"videos": videos}),
        video_index=np.searchsorted(kept, segments.video_index[rows]),
        start_s=segments.start_s[rows],
        end_s=segments.end_s[rows],
        end_reason=tuple(segments.end_reason[row] for row in rows),
        label=tuple(segments.label[row] for row in rows),
        score=None,
        codes=None,
        embedding=None,
    )


def _train(files: ScoredFiles, options: EvaluateOptions) -> SegmentsSource | None:
    """Return the truth of the train split: the one that is given, or the one that stands beside the scored split."""
    if files.train is not None:
        return read_segments(files.train, rate=options.rate, split=options.train_split)
    name = _train_name(files, options)
    return read_segments(files.truth, rate=options.rate, split=name) if name else None


def _of_energies(segments: Segments) -> bool:
    return any(one.role == "energies" for one in segments.header.provenance.parents)


def _activities(segments: Segments) -> dict[str, str]:
    return {video.name: _activity(video.name) for video in segments.header.videos}


def _activity(video: str) -> str:
    gtea = _GTEA.fullmatch(video)
    return gtea[1] if gtea else video.rpartition("_")[2]


def _background_notes(truth: SegmentsSource, options: EvaluateOptions) -> tuple[Problem, ...]:
    """Tell labels that were said to be no action and that no segment has: a misspelt one changes every score."""
    known = {label for label in truth.segments.label if label is not None}
    unknown = [label for label in options.background or () if label not in known]
    if not unknown:
        return ()
    message = f"expected labels of the truth, got {listed(unknown)}, which no segment has"
    return (Problem("unknown-background", "background", message, f"it has {listed(sorted(known))}", "warning"),)


def _constant(segments: Segments, energies: Path, parents: list[Parent]) -> dict[str, NDArray[np.float64]]:
    """Return the boundaries that the segmenter of some segments makes of the same times with one energy, by video."""
    from lapsdata.containers import Energies
    from lapsdata.formats import read
    from lapsdata.segmenters import constant_energy_segments

    tool = segments.header.segmenter
    if tool is None or tool.name not in registry("segmenters").names():
        got = "annotations" if tool is None else f"those of {tool.name!r}, which is none of ours"
        message = f"expected segments that a segmenter has made, got {got}"
        raise SchemaError(Problem("no-segmenter", "segments", message, "leave the energies out"))
    others = list(strangers("segments", segments.header.provenance, "energies", parents))
    if others:
        raise SchemaError(*others)
    parameters: dict[str, Any] = dict(tool.parameters)
    segmenter = registry("segmenters").load(tool.name)(**parameters)
    # Always loud, where the segmenter knows a threshold; any other energy is as good.
    level = parameters.get("threshold")
    series: Energies = read(energies, Energies)
    made = constant_energy_segments(series, segmenter, level=float(level) if level is not None else 1.0)
    rows = {video.name: made.of_video(video.name) for video in made.header.videos}
    return {name: np.concatenate([made.start_s[at], made.end_s[at]]) for name, at in rows.items()}


PLUGIN = Stage(_STAGE, "Scores beside chance.", "segments", lambda: {"segments": EvaluateOptions})
