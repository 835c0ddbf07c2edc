"""The curve of a report: its scores again at many tolerances, wherever these can be taken again as they were."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from lapsdata.stages.evaluate import EvaluateOptions, ScoredFiles, boundary_result

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from lapsdata.schema import BoundaryResult, SegmentationResult
    from lapsdata.schema.base import Parent

__all__ = ["CURVE_S", "curve_scores"]

CURVE_S = (0.1, 0.125, 0.16, 0.2, 0.25, 0.315, 0.4, 0.5, 0.63, 0.8, 1.0, 1.25, 1.6, 2.0, 2.5, 3.15, 4.0, 5.0)
"""Tolerances of a curve in seconds: preferred numbers of ISO 3, series R10, evenly spread on a logarithm."""


def curve_scores(scores: SegmentationResult, given: Iterable[tuple[Parent, Path]]) -> BoundaryResult | None:
    """Return scores by the same rules of the same files, at `CURVE_S` and where they were taken; or those themselves.

    They are taken again where `lapsdata evaluate` has made them, all of its files are given, and both agree on the
    truth and the prediction; otherwise the curve is of the tolerances that there are. A single one makes no curve.

    Parameters
    ----------
    scores : SegmentationResult
    given : iterable of (Parent, Path)
        The files of the report, and what they are.
    """
    taken = _again(scores, given)
    if taken is not None:
        return taken
    return scores.boundaries if len(scores.boundaries.rules.tolerances_s) > 1 else None


def _again(scores: SegmentationResult, given: Iterable[tuple[Parent, Path]]) -> BoundaryResult | None:
    told = scores.provenance.parameters
    if told.keys() != EvaluateOptions().as_json().keys():
        return None
    known = {(one.role, one.digest): path for one, path in given}
    # The list of a split is found beside the truth again; that it says the same is said by the digest of the truth.
    parents = [one for one in scores.provenance.parents if one.role != "split"]
    files = {one.role: known.get((one.role, one.digest)) for one in parents}
    segments, truth = files.pop("segments", None), files.pop("truth", None)
    if segments is None or truth is None or None in files.values() or files.keys() - {"energies", "train"}:
        return None
    at = scores.boundaries
    tolerances = sorted({*CURVE_S, *at.rules.tolerances_s})
    options = EvaluateOptions.model_validate_json(json.dumps({**told, "tolerances_s": tolerances}))
    dense = boundary_result(ScoredFiles(segments, truth, **files), options)
    now = {score.tolerance_s: (score.macro, score.micro) for score in dense.rows[0].scores}
    same = all(now[score.tolerance_s] == (score.macro, score.micro) for score in at.rows[0].scores)
    return dense if same and dense.truth_digest == at.truth_digest else None
