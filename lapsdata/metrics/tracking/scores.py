"""Scores of tracks beside the truth, equal to those of TrackEval 1.3.0."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from lapsdata.metrics._given import known_word, share
from lapsdata.metrics.tracking._chosen import FramePolicy, chosen_boxes
from lapsdata.metrics.tracking._overlaps import Overlaps
from lapsdata.metrics.tracking.clear import ClearRules, clear_of, match_frames
from lapsdata.metrics.tracking.count import TrackCount
from lapsdata.metrics.tracking.frame_series import FrameSeries
from lapsdata.metrics.tracking.hota import hota_of
from lapsdata.metrics.tracking.identity import identity_of
from lapsdata.metrics.tracking.result import SequenceTracking, TrackingRules, TrackingScores, TrackScores

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from lapsdata.containers.boxes import Boxes
    from lapsdata.metrics.tracking._overlaps import Frames
    from lapsdata.metrics.tracking.profiles import ProfileName

__all__ = ["tracking_scores"]


def tracking_scores(
    gt_boxes: Boxes,
    pred_boxes: Boxes,
    *,
    profile: ProfileName = "plain",
    labels: Sequence[str] | Literal["any"] | None = None,
    threshold: float = 0.5,
    frames: FramePolicy = "annotated",
    rules: ClearRules = "trackeval",
) -> TrackingScores:
    """Return HOTA, CLEAR and Identity of predicted tracks, of each sequence and class and of all of them.

    Numbers are those of TrackEval 1.3.0 for texts of MOTChallenge with these boxes, of empty sequences and of ties as
    well. Overlap is intersection over union, made of places that count from 1 as in such texts: on a threshold its last
    bit decides. It is 0 where a box is empty.

    Parameters
    ----------
    gt_boxes, pred_boxes : Boxes
        Truth and predictions, of the same sequences by name. Every box that is scored has an identity.
    profile : {"plain", "mot15", "mot16", "mot17", "mot20", "sportsmot", "dancetrack"}
        What is left out first, see `TRACKING_PROFILES`. True boxes that are to be ignored count in none.
    labels : sequence of str, "any" or None
        Labels that are scored, each a class; boxes of others are left out and counted. `any`: labels are not looked
        at. None: all labels of the truth, and predictions may have no other.
    threshold : float
        Least overlap of a match in CLEAR and Identity, above 0 and up to 1. HOTA has thresholds of its own.
    frames : {"annotated", "all"}
        `annotated`: frames that no annotated range of the truth covers are left out and counted, with their boxes on
        both sides. In the others a box that only one side has counts in full.
    rules : {"trackeval", "py-motmetrics"}
        Whose CLEAR it is. py-motmetrics keeps the last partner of an identity however long ago it was, matches as many
        pairs as can be with the least distance, calls 80 % mostly tracked, counts fragments by the frames of the
        identity alone, and gives MOTP as mean distance. HOTA and Identity stay as they are.

    Returns
    -------
    TrackingScores

    Raises
    ------
    SchemaError
        Unlike sequences, frames behind the end, labels that the truth does not have, boxes without an identity, no
        annotated frame, or an option that is unknown.

    References
    ----------
    HOTA: Luiten et al., IJCV 2021. CLEAR: Bernardin and Stiefelhagen, EURASIP JIVP 2008. Identity: Ristani et al.,
    ECCV Workshops 2016. Their official program: TrackEval.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_tracked
    >>> scores = tracking_scores(*sample_tracked())
    >>> found = scores.classes["player"].summary()
    >>> [round(found[name], 4) for name in ("HOTA", "MOTA", "IDF1", "IDSW")]
    [0.559, 0.5, 0.5714, 1]
    """
    known_word(rules, "rules", ClearRules)
    told = TrackingRules(profile, rules, frames, share(threshold, "threshold"))
    sequences = {
        sequence.name: SequenceTracking(
            {name: _scores(sequence.frame, both, told) for name, both in sequence.classes.items()}, sequence.left_out
        )
        for sequence in chosen_boxes(gt_boxes, pred_boxes, profile, labels, frames)
    }
    return TrackingScores.of(told, sequences)


def _scores(frame: NDArray[np.int64], frames: Frames, told: TrackingRules) -> TrackScores:
    overlaps = Overlaps.of(frames)
    matches = match_frames(overlaps, told.threshold, told.rules)
    truth, predicted = frames
    return TrackScores(
        hota_of(overlaps),
        clear_of(overlaps, matches, told.rules),
        identity_of(overlaps, told.threshold),
        TrackCount(Dets=len(predicted), GT_Dets=len(truth), IDs=len(predicted.count), GT_IDs=len(truth.count)),
        FrameSeries.of(frame, frames, matches.frames),
    )
