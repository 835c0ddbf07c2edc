"""From a truth and trackers to scores beside what knows less, and to the files that TrackEval writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from lapsdata.adapters import BoxesEdit, edited_boxes
from lapsdata.errors import Problem, SchemaError
from lapsdata.metrics.tracking.doubts import tracking_doubts
from lapsdata.metrics.tracking.evaluation import evaluate_tracking, sweep_row
from lapsdata.provenance import marked_synthetic, provenance, synthetic_note
from lapsdata.schema.base import Count, Name, Positive, Record
from lapsdata.schema.tracking import TrackingResult
from lapsdata.stages._header_key import key_now, key_of
from lapsdata.stages._name_settings import name_settings
from lapsdata.stages._output import Output, settle
from lapsdata.stages._tracking_pictures import expect_pictures_place, write_tracking_pictures
from lapsdata.stages.tracking_files import TrackEvalFolders, read_trackers
from lapsdata.storage.sealed_json import read_sealed_json, write_sealed_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from lapsdata.containers import Boxes
    from lapsdata.schema.tracking import TrackSweepRow
    from lapsdata.stages.tracking_files import TrackerBoxes

__all__ = ["TrackingOptions", "score_tracking", "tracking_result"]

_STAGE = "tracking"
_Overlap = Annotated[float, Field(gt=0, le=1)]
_Score = Annotated[float, Field(allow_inf_nan=False)]


class TrackingOptions(Record):
    """The rules of a score.

    Examples
    --------
    >>> TrackingOptions(profile="mot17").threshold
    0.5
    """

    profile: Literal["plain", "mot15", "mot16", "mot17", "mot20", "sportsmot", "dancetrack"] = "plain"
    """What is left out first; see `lapsdata.metrics.TRACKING_PROFILES`."""
    labels: Annotated[tuple[Name, ...], Field(min_length=1)] | Literal["any"] | None = None
    """Labels that are scored, each a class; `any`: they are not looked at; null: those of the truth."""
    threshold: _Overlap = 0.5
    """Least overlap of a match in CLEAR and Identity."""
    frames: Literal["annotated", "all"] = "annotated"
    """Whether frames that nobody annotated are left out, and counted."""
    rules: Literal["trackeval", "py-motmetrics"] = "trackeval"
    """Whose CLEAR it is."""
    only_common: bool = False
    """Whether sequences that one side lacks are left out, and counted; else they are an error."""
    pixels: Literal["one_based", "edge", "centre"] | None = None
    """What texts of MOTChallenge count pixels from: 1, or 0 at the edge or the centre of the first one; null for 1."""
    first_number: tuple[Count, ...] = ()
    """What they call the first frame: one number for all, or one for the truth and each prediction."""
    min_score: _Score | None = None
    """Predicted boxes with a lower score are left out, and counted."""
    sweep_thresholds: tuple[_Overlap, ...] = ()
    """Overlaps that every tracker is scored at as well."""
    sweep_scores: tuple[_Score, ...] = ()
    """Least scores that every tracker is scored at as well, at each of these overlaps."""
    draws: Positive = 10_000
    """How often sequences are drawn anew for the differences between trackers."""
    seed: Count = 0
    """Of these draws."""


def score_tracking(
    truth: Path,
    predictions: Sequence[Path],
    out: Path,
    options: TrackingOptions | None = None,
    *,
    folders: TrackEvalFolders | None = None,
    pictures: Path | None = None,
    force: bool = False,
) -> tuple[Output[TrackingResult], tuple[Problem, ...]]:
    """Score trackers; a result that was made so already is kept.

    Parameters
    ----------
    truth, predictions, folders
        See `lapsdata.stages.tracking_files.read_trackers`.
    out : Path
        A JSON file.
    options : TrackingOptions, optional
    pictures : Path, optional
        A folder to draw the result in, of a kept one as well; see
        `lapsdata.stages._tracking_pictures.write_tracking_pictures`.
    force : bool
        Score again what is done; replace pictures.

    Raises
    ------
    LapsError
        As `tracking_result`.
    StorageError
        Something else is in the place of the output, or it cannot be written.

    Examples
    --------
    See `tracking_result`.
    """
    chosen = options or TrackingOptions()
    if pictures is not None:
        # Before anything is scored.
        expect_pictures_place(pictures, overwrite=force)
    read = _read(truth, predictions, folders, chosen)

    def known(path: Path) -> tuple[str | None, TrackingResult]:
        found = read_sealed_json(path, TrackingResult)
        return key_of(_STAGE, found.provenance), found

    def make(overwrite: bool) -> TrackingResult:
        result = _scored(read, chosen)
        write_sealed_json(out, result, overwrite=overwrite)
        return result

    output = settle(out, key_now(_STAGE, chosen.as_json(), read.parents), read=known, make=make, force=force)
    return output, _told(read, chosen, output.content, pictures, force=force)


def tracking_result(
    truth: Path,
    predictions: Sequence[Path],
    options: TrackingOptions | None = None,
    *,
    folders: TrackEvalFolders | None = None,
    pictures: Path | None = None,
    force: bool = False,
) -> tuple[TrackingResult, tuple[Problem, ...]]:
    """Return what `score_tracking` writes, and what is to be said about the files and the scores.

    Raises
    ------
    SchemaError
        As `read_trackers` and `lapsdata.metrics.tracking_scores`; scores are swept that boxes do not have.
    UnknownFormatError
        Something is no boxes.
    StorageError
        Something cannot be read; pictures have no place, or cannot be written.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lapsdata.formats import write
    >>> from lapsdata.testing.samples import sample_tracked
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> paths = [folder / "truth.parquet", folder / "ours.parquet"]
    >>> reports = [write(*both) for both in zip(paths, sample_tracked())]
    >>> result, notes = tracking_result(paths[0], paths[1:])
    >>> result.trackers[0].classes["player"].scores["MOTA"], [note.code for note in notes]
    (0.5, ['copied-truth'])
    """
    chosen = options or TrackingOptions()
    if pictures is not None:
        expect_pictures_place(pictures, overwrite=force)
    read = _read(truth, predictions, folders, chosen)
    result = _scored(read, chosen)
    return result, _told(read, chosen, result, pictures, force=force)


def _told(
    read: TrackerBoxes, options: TrackingOptions, result: TrackingResult, pictures: Path | None, *, force: bool
) -> tuple[Problem, ...]:
    """Draw a result where pictures are asked for, and return all that is to be said."""
    told = *read.notes, *tracking_doubts(result)
    if pictures is None:
        return told
    trackers = {name: _above(name, boxes, options.min_score)[0] for name, boxes in read.trackers.items()}
    return *told, *write_tracking_pictures(pictures, result, read.truth, trackers, overwrite=force)


def _read(
    truth: Path, predictions: Sequence[Path], folders: TrackEvalFolders | None, options: TrackingOptions
) -> TrackerBoxes:
    return read_trackers(
        truth,
        predictions,
        folders=folders,
        only_common=options.only_common,
        pixels=options.pixels,
        first_numbers=options.first_number,
    )


def _scored(read: TrackerBoxes, options: TrackingOptions) -> TrackingResult:
    asked: dict[str, Any] = {
        name: getattr(options, name) for name in ("profile", "labels", "threshold", "frames", "rules")
    }
    trackers, left = {}, 0
    for name, boxes in read.trackers.items():
        trackers[name], below = _above(name, boxes, options.min_score)
        left += below
    told = provenance(parameters=options.as_json(), parents=read.parents)
    synthetic = synthetic_note(
        read.truth.header.provenance, *(boxes.header.provenance for boxes in read.trackers.values())
    )
    return evaluate_tracking(
        read.truth,
        trackers,
        **asked,
        settings=name_settings(list(trackers)),
        min_score=options.min_score,
        draws=options.draws,
        seed=options.seed,
        sweep=tuple(_swept(read, options, asked)),
        policies=read.policies | ({"boxes_below_the_least_score_left_out": left} if left else {}),
        made=marked_synthetic(told, synthetic),
    )


def _swept(read: TrackerBoxes, options: TrackingOptions, asked: Mapping[str, Any]) -> Iterator[TrackSweepRow]:
    """Yield a row for each tracker, least score and overlap."""
    if not (options.sweep_thresholds or options.sweep_scores):
        return
    thresholds = options.sweep_thresholds or (options.threshold,)
    for name, boxes in read.trackers.items():
        for least in options.sweep_scores or (options.min_score,):
            kept, left = _above(name, boxes, least)
            for threshold in thresholds:
                yield sweep_row(
                    name, read.truth, kept, min_score=least, left_out=left, **{**asked, "threshold": threshold}
                )


def _above(name: str, boxes: Boxes, least: float | None) -> tuple[Boxes, int]:
    """Return the boxes from a least score on, and how many are below; a box without a score is an error."""
    if least is None or not len(boxes):
        return boxes, 0
    missing = len(boxes) if boxes.score is None else int((boxes.score != boxes.score).sum())
    if missing:
        message = f"expected a score of each box, got {missing} of {len(boxes)} without"
        raise SchemaError(Problem("no-scores", name, message, "leave --min-score and --sweep-score out"))
    kept, _ = edited_boxes(boxes, BoxesEdit(min_score=least))
    return kept, len(boxes) - len(kept)
