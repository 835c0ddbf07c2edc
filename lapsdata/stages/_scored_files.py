"""The files of a score: which there are, what they are made of, and what is read of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from lapsdata.adapters.mstcn import class_numbers, split_beside, train_split
from lapsdata.errors import Problem, SchemaError
from lapsdata.provenance import parent
from lapsdata.stages._named_prediction import NamedPrediction  # noqa: TC001 - of a NamedTuple
from lapsdata.stages.segments_source import SegmentsSource, read_segments

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lapsdata.containers import Segments
    from lapsdata.schema.base import Parent
    from lapsdata.stages._evaluate_options import EvaluateOptions

__all__ = ["ReadScored", "ScoredFiles", "parents_of", "read_scored"]


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


class ReadScored(NamedTuple):
    """What was read of the files of a score.

    Parameters
    ----------
    truth, found : SegmentsSource
    train : SegmentsSource or None
    notes : tuple of Problem
        What is to be said about them, each once.
    """

    truth: SegmentsSource
    found: SegmentsSource
    train: SegmentsSource | None
    notes: tuple[Problem, ...]


def parents_of(files: ScoredFiles, options: EvaluateOptions) -> list[Parent]:
    """Return the files by their roles, and the lists of splits that lie beside labels, whose digest knows none."""
    given = {
        "segments": files.found, "truth": files.truth, "energies": files.energies, "train": files.train,
        "confidences": files.confidences,
    }  # fmt: skip
    of_truth = [options.split, None if files.train is not None else _train_name(files, options)]
    splits = [split_beside(files.truth, name) for name in of_truth if name]
    if files.train is not None and options.train_split:
        splits.append(split_beside(files.train, options.train_split))
    named = [parent(role, path) for role, path in given.items() if isinstance(path, Path)]
    return [*named, *(parent("split", path) for path in splits if path is not None)]


def _train_name(files: ScoredFiles, options: EvaluateOptions) -> str | None:
    return options.train_split or (train_split(files.truth, options.split) if options.split else None)


def read_scored(files: ScoredFiles, options: EvaluateOptions) -> ReadScored:
    """Read the truth, what was found, and the truth of the train split.

    Raises
    ------
    SchemaError, StorageError
        As `read_segments`; confidences that do not fit.
    """
    truth, found = _read(files, options)
    if files.confidences is not None:
        scored = _confident(truth, found.segments, files.truth, files.confidences, options.confidence_block)
        found = found._replace(segments=scored)
    train = _train(files, options)
    # What is to be said of a train split in the truth's own folder was said of the truth.
    told = (truth, found, *([train] if train is not None and files.train is not None else []))
    return ReadScored(truth, found, train, tuple(dict.fromkeys(note for source in told for note in source.notes)))


def _read(files: ScoredFiles, options: EvaluateOptions) -> tuple[SegmentsSource, SegmentsSource]:
    """Return the truth and what was found; where one does not say how long its videos are, the other does."""
    truth = read_segments(files.truth, rate=options.rate, split=options.split)
    if not isinstance(files.found, Path):
        # One seed is told, and stands in the record.
        drawn = replace(files.found, seed=options.seed)
        return truth, SegmentsSource(drawn.segments(truth.segments))
    found = read_segments(files.found, rate=truth.rate, found=truth.segments)
    if truth.unmeasured:
        alone = truth
        truth = read_segments(files.truth, rate=options.rate, split=options.split, found=found.segments)
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


def _confident(truth: SegmentsSource, found: Segments, root: Path, folder: Path, block: int | None) -> Segments:
    """Return what was found with the confidences of its labels, in the order of the truth's classes."""
    from lapsdata.adapters._confidences import with_confidences

    classes = class_numbers(root)
    if classes is None or truth.rate is None or None in found.label:
        message = "expected labels per frame and a truth with mapping.txt, which numbers the classes, got others"
        raise SchemaError(Problem("no-classes", "confidences", message, "give scores with the segments instead"))
    wanted = {video.name for video in truth.segments.header.videos}
    return with_confidences(found, folder, classes, truth.rate, videos=wanted, block=block)


def _train(files: ScoredFiles, options: EvaluateOptions) -> SegmentsSource | None:
    """Return the truth of the train split: the one that is given, or the one that stands beside the scored split."""
    if files.train is not None:
        return read_segments(files.train, rate=options.rate, split=options.train_split)
    name = _train_name(files, options)
    return read_segments(files.truth, rate=options.rate, split=name) if name else None
