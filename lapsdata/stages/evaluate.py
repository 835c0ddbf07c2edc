"""From segments and a truth to scores beside chance."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.errors import Problem, SchemaError, listed
from lapsdata.plugins import registry
from lapsdata.provenance import marked_synthetic, provenance, synthetic_note
from lapsdata.schema.segmentation import SegmentationResult
from lapsdata.stages._evaluate_options import EvaluateOptions
from lapsdata.stages._header_key import key_now, key_of, strangers
from lapsdata.stages._output import Output, settle
from lapsdata.stages._scored_files import ScoredFiles, parents_of, read_scored
from lapsdata.stages._stage import Stage
from lapsdata.storage.sealed_json import read_sealed_json, write_sealed_json

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lapsdata.containers import Energies, Segments
    from lapsdata.schema import BoundaryResult
    from lapsdata.schema.base import Parent
    from lapsdata.stages._scored_files import ReadScored
    from lapsdata.stages.segments_source import SegmentsSource

__all__ = [
    "CONSTANT_ENERGY",
    "PLUGIN",
    "WINDOW_SLACK_S",
    "EvaluateOptions",
    "ScoredFiles",
    "boundary_result",
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
    parents = parents_of(files, chosen)
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
    return _scored(files, chosen, parents_of(files, chosen))


def boundary_result(files: ScoredFiles, options: EvaluateOptions) -> BoundaryResult:
    """Return the part of `segment_scores` that is of boundaries, without taking the others.

    Parameters
    ----------
    files : ScoredFiles
    options : EvaluateOptions

    Raises
    ------
    SchemaError
        As `score_segments`.

    Examples
    --------
    >>> import tempfile
    >>> import lapsdata
    >>> from lapsdata.testing.samples import sample_segments
    >>> path = Path(tempfile.mkdtemp()) / "truth.parquet"
    >>> _ = lapsdata.write(path, sample_segments())
    >>> boundary_result(ScoredFiles(path, path), EvaluateOptions(tolerances_s=(0.1, 0.5))).rows[0].scores[1].macro.f
    1.0
    """
    from lapsdata.metrics import evaluate_boundaries

    read = read_scored(files, options)
    asked = _asked(files, read, options, parents_of(files, options))
    return evaluate_boundaries(read.truth.segments, read.found.segments, **asked)


def _told(files: ScoredFiles, options: EvaluateOptions) -> dict[str, Any]:
    """Return what the files do not say."""
    return options.as_json() | ({} if isinstance(files.found, Path) else {"prediction": str(files.found)})


def _scored(
    files: ScoredFiles, options: EvaluateOptions, parents: list[Parent]
) -> tuple[SegmentationResult, tuple[Problem, ...]]:
    from lapsdata.metrics import evaluate_segments

    read = read_scored(files, options)
    truth = read.truth
    result = evaluate_segments(
        truth.segments,
        read.found.segments,
        rate=truth.rate,
        rate_origin=truth.rate_origin or "asked",
        background=options.background,
        classes=options.classes,
        clusters=options.clusters,
        activity=_activities(truth.segments) if options.clusters == "activity" else None,
        split=options.split,
        **_asked(files, read, options, parents),
    )
    return result, (*read.notes, *_background_notes(truth, options))


def _asked(files: ScoredFiles, read: ReadScored, options: EvaluateOptions, parents: list[Parent]) -> dict[str, Any]:
    """Return what all scores are told, and those of boundaries alone."""
    truth, found = read.truth.segments, read.found.segments
    slack = options.end_slack_s
    if slack is None:
        slack = WINDOW_SLACK_S if _of_energies(found) else 0.0
    told = provenance(parameters=_told(files, options), parents=parents)
    return {
        "rules": options.rules,
        "missing": options.missing,
        # A split says which videos are meant.
        "extra": "leave_out" if options.split is not None else options.extra,
        "end_slack_s": slack,
        "chance": _chance(files, truth, found, options, parents),
        "train": None if read.train is None else read.train.segments,
        "draws": options.draws,
        "shift_draws": options.shift_draws,
        "seed": options.seed,
        "provenance": marked_synthetic(told, synthetic_note(truth.header.provenance, found.header.provenance)),
        **({} if options.tolerances_s is None else {"tolerances_s": options.tolerances_s}),
    }


def _chance(
    files: ScoredFiles, truth: Segments, found: Segments, options: EvaluateOptions, parents: list[Parent]
) -> dict[str, dict[str, NDArray[np.float64]]]:
    """Return the row of a constant energy, where the energies are given."""
    if files.energies is None:
        return {}
    if not isinstance(files.found, Path):
        message = f"expected segments that a segmenter has made, got {files.found}, made of no energies"
        raise SchemaError(Problem("no-segmenter", "segments", message, "leave the energies out"))
    made = _constant(found, files.energies, parents)
    # A video without segments is one without energies.
    nothing = {video.name: np.empty(0) for video in truth.header.videos} if options.missing == "empty" else {}
    return {CONSTANT_ENERGY: nothing | made}


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
    from lapsdata.metrics import inner_boundaries
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
    ends = {}
    for video in made.header.videos:
        at = made.of_video(video.name)
        instants = np.concatenate([made.start_s[at], made.end_s[at]])
        # Where the energies end is no boundary, as it is none of the prediction's. Rules say later what counts twice.
        ends[video.name] = inner_boundaries(instants, (video.start_s, video.end_s), counting="each_end")
    return ends


PLUGIN = Stage(_STAGE, "Scores beside chance.", "segments", lambda: {"segments": EvaluateOptions})
