"""Two trackers of one truth beside each other: how far apart they are, and how sure that is.

Sequences are drawn anew, both trackers on the same ones, and their boxes are counted together as in the score itself:
a mean of the scores of sequences would be another number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

import numpy as np

from lapsdata.errors import Problem, SchemaError, listed
from lapsdata.metrics._bootstrap import times_drawn
from lapsdata.metrics._given import at_least
from lapsdata.metrics._spread import spread_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lapsdata.schema.tracking import TrackCountName, TrackSequenceScores

    Floats = NDArray[np.float64]

__all__ = ["PairedScore", "PairedTrackDifference", "paired_track_differences"]

PairedScore = Literal["HOTA", "DetA", "AssA", "MOTA", "IDF1"]
"""What trackers are compared by."""

_COUNTS: tuple[TrackCountName, ...] = ("CLR_TP", "CLR_FN", "CLR_FP", "IDSW", "IDTP", "IDFN", "IDFP")


class PairedTrackDifference(NamedTuple):
    """How much higher a score of one tracker is than that of another.

    Parameters
    ----------
    score : {"HOTA", "DetA", "AssA", "MOTA", "IDF1"}
    difference : float
    interval : (float, float) or None
        The middle 95 % of the differences over the draws of sequences; None of a single sequence.
    p : float or None
        As of `lapsdata.metrics.PairedDifference`; None of a single sequence.
    higher, equal, lower : int
        Sequences in which the first tracker has more, the same, less.

    Examples
    --------
    >>> PairedTrackDifference("HOTA", 0.25, None, None, 1, 0, 0).difference
    0.25
    """

    score: PairedScore
    difference: float
    interval: tuple[float, float] | None
    p: float | None
    higher: int
    equal: int
    lower: int


def paired_track_differences(
    one: Sequence[TrackSequenceScores], other: Sequence[TrackSequenceScores], *, draws: int = 10_000, seed: int = 0
) -> tuple[PairedTrackDifference, ...]:
    """Return how much higher the scores of one tracker are than those of another.

    Parameters
    ----------
    one, other : sequence of TrackSequenceScores
        Of each sequence, in the same order; all classes count together.
    draws : int, >= 1
        How often the sequences are drawn anew, with replacement.
    seed : int, >= 0

    Returns
    -------
    tuple of PairedTrackDifference
        In the order of `PairedScore`.

    Raises
    ------
    SchemaError
        Unlike sequences, none at all, or numbers that are none.

    Examples
    --------
    >>> from lapsdata.metrics.tracking.evaluation import evaluate_tracking
    >>> from lapsdata.testing.samples import sample_tracked
    >>> truth, found = sample_tracked()
    >>> right, wrong = evaluate_tracking(truth, {"right": truth, "wrong": found}).trackers
    >>> [(each.score, each.p) for each in paired_track_differences(right.sequences, wrong.sequences)][3]
    ('MOTA', None)
    """
    names = [[each.name for each in side] for side in (one, other)]
    if not one or names[0] != names[1]:
        message = f"expected scores of the same sequences, at least one, got {listed(names[0])} and {listed(names[1])}"
        raise SchemaError(Problem("unequal-sequences", "scores", message))
    at_least(draws, "draws", 1)
    drawn = times_drawn(len(one), draws, at_least(seed, "seed", 0))
    once = np.ones((len(one), 1), np.int64)
    alone = np.eye(len(one), dtype=np.int64)
    made = []
    whole, spread, each = ([_scores(side, how) for side in (one, other)] for how in (once, drawn, alone))
    for name in get_args(PairedScore):
        differences, by_sequence = (ours[name] - theirs[name] for ours, theirs in (spread, each))
        apart = float(whole[0][name][0] - whole[1][name][0])
        made.append(PairedTrackDifference(name, apart, *spread_of(differences, by_sequence)))
    return tuple(made)


def _scores(parts: Sequence[TrackSequenceScores], drawn: NDArray[np.int64]) -> dict[PairedScore, Floats]:
    """Return the scores of all sequences together, each as often as it is drawn (sequences, D): (D,) each."""
    sums = [np.zeros((drawn.shape[1], wide)) for wide in (19, 19, 19, 19, len(_COUNTS))]
    # Sequence after sequence, so that sums are the same on every machine.
    for part, times in zip(parts, drawn, strict=True):
        for values in part.classes.values():
            tp, fn, fp, ass_a = (np.array(values.by_alpha[name]) for name in ("HOTA_TP", "HOTA_FN", "HOTA_FP", "AssA"))
            counts = np.array([values.counts[name] for name in _COUNTS], np.float64)
            for total, value in zip(sums, (tp, fn, fp, ass_a * tp, counts), strict=True):
                total += np.multiply.outer(times, value)
    tp, fn, fp, together, counts = sums
    matched, missed, false, switches, id_tp, id_fn, id_fp = counts.T
    ass_a = together / np.maximum(1, tp)
    det_a = tp / np.maximum(1, tp + fn + fp)
    return {
        "HOTA": np.sqrt(det_a * ass_a).mean(axis=1),
        "DetA": det_a.mean(axis=1),
        "AssA": ass_a.mean(axis=1),
        "MOTA": (matched - false - switches) / np.maximum(1, matched + missed),
        "IDF1": id_tp / np.maximum(1, id_tp + 0.5 * id_fp + 0.5 * id_fn),
    }
