"""What is to be doubted about the scores of trackers: copies of the truth, tracks that are none, scores of chance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lapsdata.errors import Problem, listed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lapsdata.schema.tracking import TrackingResult, TrackNumbers, TrackRow

__all__ = ["all_classes", "tracking_doubts"]

# Rounding of places that were shifted and scaled leaves less than this.
_SAME = 1e-9


def all_classes(row: TrackRow) -> TrackNumbers:
    """Return the scores of all classes together, each box of the same weight.

    Examples
    --------
    >>> from lapsdata.metrics.tracking.evaluation import evaluate_tracking
    >>> from lapsdata.testing.samples import sample_tracked
    >>> truth, found = sample_tracked()
    >>> all_classes(evaluate_tracking(truth, {"ours": found}).rows[0]).counts["IDSW"]
    1
    """
    return row.detection_averaged or next(iter(row.classes.values()))


def tracking_doubts(result: TrackingResult) -> tuple[Problem, ...]:
    """Return a warning for each thing that makes the scores of a tracker mean less than they seem to.

    Parameters
    ----------
    result : TrackingResult

    Returns
    -------
    tuple of Problem
        Codes: `no-predictions` (sequences without a predicted box), `copied-truth` (every match is the true box
        itself), `identities-restart` (no identity lasts longer than a frame), `not-above-chance` (no more HOTA than
        its own boxes at another time) and `not-above-standing` (no more than true boxes that stand still).

    Examples
    --------
    >>> from lapsdata.metrics.tracking.evaluation import evaluate_tracking
    >>> from lapsdata.testing.samples import sample_tracked
    >>> truth, _ = sample_tracked()
    >>> [doubt.code for doubt in tracking_doubts(evaluate_tracking(truth, {"ours": truth}))]
    ['copied-truth']
    """
    return tuple(doubt for row in result.trackers for doubt in _of(row, result))


def _of(row: TrackRow, result: TrackingResult) -> Iterator[Problem]:
    numbers = all_classes(row)
    counts, hota = numbers.counts, numbers.scores["HOTA"] or 0.0
    empty = [one.name for one in row.sequences if not any(each.counts["Dets"] for each in one.classes.values())]
    if empty:
        message = f"no predicted box is scored in {listed(empty)}: all that is true there is missed"
        fix = "look whether what wrote it was stopped, or its threshold"
        yield Problem("no-predictions", row.name, message, fix, "warning")
    if counts["CLR_TP"] and numbers.mean_iou > 1 - _SAME:
        message = f"all {counts['CLR_TP']} matched boxes lie exactly on true ones"
        yield Problem("copied-truth", row.name, message, "look whether they are a copy of the truth", "warning")
    if counts["Dets"] > 1 and counts["IDs"] == counts["Dets"]:
        message = f"each of {counts['Dets']} predicted boxes has an identity of its own: no track lasts two frames"
        yield Problem("identities-restart", row.name, message, "look where identities are given anew", "warning")
    if not counts["Dets"]:
        return
    for other in result.rows:
        if other.of == row.name and (all_classes(other).scores["HOTA"] or 0.0) >= hota:
            message = f"HOTA {hota:.4f} is no more than its own boxes have half of the frames later"
            yield Problem("not-above-chance", row.name, f"{message}: {_hota(other)}", None, "warning")
        elif other.name == "standing_still" and (all_classes(other).scores["HOTA"] or 0.0) >= hota:
            message = f"HOTA {hota:.4f} is no more than true boxes of the first frame have that stand still"
            yield Problem("not-above-standing", row.name, f"{message}: {_hota(other)}", None, "warning")


def _hota(row: TrackRow) -> str:
    return f"{all_classes(row).scores['HOTA']:.4f}"
