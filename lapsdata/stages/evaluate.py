"""From segments and a truth to scores beside chance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import Field

from lapsdata.errors import Problem, SchemaError
from lapsdata.metrics.boundary import TOLERANCES_S
from lapsdata.plugins import registry
from lapsdata.provenance import marked_synthetic, parent, provenance, synthetic_note
from lapsdata.schema.base import Count, Positive, Record
from lapsdata.schema.result import BoundaryResult
from lapsdata.stages._header_key import key_now, key_of, strangers
from lapsdata.stages._output import Output, settle
from lapsdata.stages._stage import Stage
from lapsdata.stages.segments_source import read_segments
from lapsdata.storage.sealed_json import read_sealed_json, write_sealed_json

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from lapsdata.containers import Energies, Segments
    from lapsdata.schema.base import Parent

__all__ = ["CONSTANT_ENERGY", "PLUGIN", "EvaluateOptions", "boundary_scores", "score_segments"]

_STAGE = "evaluate"
CONSTANT_ENERGY = "constant_energy"
"""The row of the same segmenter, fed with one energy all the time."""


class EvaluateOptions(Record):
    """The rules of a score.

    Examples
    --------
    >>> EvaluateOptions(tolerances_s=(0.25,)).draws
    50
    """

    tolerances_s: Annotated[tuple[Annotated[float, Field(ge=0)], ...], Field(min_length=1)] = TOLERANCES_S
    """Seconds within which a boundary is found, rising."""
    missing: Literal["raise", "empty"] = "raise"
    """A video of the truth without segments: an error, or an empty answer."""
    extra: Literal["raise", "leave_out"] = "raise"
    """A video without a truth: an error, or left out and counted."""
    end_slack_s: Annotated[float, Field(ge=0)] = 1.0
    """Seconds by which a video may differ in length between both, since no window covers its last frames; times that
    lie so far beyond the end are taken for the end, and counted."""
    draws: Positive = 50
    """How often chance is tried."""
    seed: Count = 0
    """Of chance."""


def score_segments(
    segments: Path,
    truth: Path,
    out: Path,
    options: EvaluateOptions | None = None,
    *,
    energies: Path | None = None,
    train: Path | None = None,
    force: bool = False,
) -> Output[BoundaryResult]:
    """Score the boundaries of a file of segments; a score that was taken so already is kept.

    Parameters
    ----------
    segments : Path
        A file of segments.
    truth : Path
        The true ones; see `lapsdata.stages.segments_source.read_segments`.
    out : Path
        A JSON file.
    options : EvaluateOptions, optional
    energies : Path, optional
        What the segments were made of: adds the row `constant_energy`, of the same segmenter fed with one energy.
    train : Path, optional
        The true segments of other videos: adds the rows `TRAIN_ROWS`, of what is known of these. A video of a CSV file
        is as long as the file speaks of it.
    force : bool

    Raises
    ------
    SchemaError
        Videos, times or rules that do not fit; see `lapsdata.metrics.evaluate_boundaries`.
    StorageError
        Something else is in the place of the output, or it cannot be written.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import lapsdata
    >>> from lapsdata.testing.samples import sample_segments
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = lapsdata.write(folder / "truth.parquet", sample_segments())
    >>> scores = score_segments(folder / "truth.parquet", folder / "truth.parquet", folder / "scores.json")
    >>> scores.content.rows[0].scores[0].macro.f
    1.0
    """
    chosen = options or EvaluateOptions()
    parents = _parents(segments, truth, energies, train)

    def known(path: Path) -> tuple[str | None, BoundaryResult]:
        found = read_sealed_json(path, BoundaryResult)
        return key_of(_STAGE, found.provenance), found

    def make(overwrite: bool) -> BoundaryResult:
        result = _scored(segments, truth, chosen, energies, train, parents)
        write_sealed_json(out, result, overwrite=overwrite)
        return result

    return settle(out, key_now(_STAGE, chosen.as_json(), parents), read=known, make=make, force=force)


def boundary_scores(
    segments: Path,
    truth: Path,
    options: EvaluateOptions | None = None,
    *,
    energies: Path | None = None,
    train: Path | None = None,
) -> BoundaryResult:
    """Return what `score_segments` writes.

    Raises
    ------
    SchemaError
        As `score_segments`.

    Examples
    --------
    See `score_segments`.
    """
    parents = _parents(segments, truth, energies, train)
    return _scored(segments, truth, options or EvaluateOptions(), energies, train, parents)


def _scored(
    segments: Path,
    truth: Path,
    rules: EvaluateOptions,
    energies: Path | None,
    train: Path | None,
    parents: Sequence[Parent],
) -> BoundaryResult:
    from lapsdata.containers import Segments
    from lapsdata.formats import read
    from lapsdata.metrics import evaluate_boundaries

    found = read(segments, Segments)
    true = read_segments(truth, found=found).segments
    chance = {} if energies is None else {CONSTANT_ENERGY: _constant(found, energies, parents)}
    if chance and rules.missing == "empty":
        # A video without segments is one without energies.
        chance = {CONSTANT_ENERGY: {video.name: np.empty(0) for video in true.header.videos} | chance[CONSTANT_ENERGY]}
    return evaluate_boundaries(
        true,
        found,
        tolerances_s=rules.tolerances_s,
        missing=rules.missing,
        extra=rules.extra,
        end_slack_s=rules.end_slack_s,
        draws=rules.draws,
        seed=rules.seed,
        chance=chance,
        train=None if train is None else read_segments(train).segments,
        provenance=marked_synthetic(
            provenance(parameters=rules.as_json(), parents=parents),
            synthetic_note(true.header.provenance, found.header.provenance),
        ),
    )


def _parents(segments: Path, truth: Path, energies: Path | None, train: Path | None) -> list[Parent]:
    given = {"segments": segments, "truth": truth, "energies": energies, "train": train}
    return [parent(role, path) for role, path in given.items() if path is not None]


def _constant(segments: Segments, energies: Path, parents: Sequence[Parent]) -> dict[str, NDArray[np.float64]]:
    """Return the boundaries that the segmenter of some segments makes of the same times with one energy, by video."""
    from lapsdata.containers import Energies
    from lapsdata.formats import read
    from lapsdata.segmenters import constant_energy_segments

    tool = segments.header.segmenter
    if tool is None:
        message = "expected segments that a segmenter has made, got annotations"
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


PLUGIN = Stage(_STAGE, "Scores beside chance.", "boundary", lambda: {"boundary": EvaluateOptions})
