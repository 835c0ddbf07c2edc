"""Who is matched with whom, frame by frame and by the names of identities: what a picture of tracks is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Self

import numpy as np

from lapsdata.metrics._given import known_word, share
from lapsdata.metrics.tracking._chosen import FramePolicy, chosen_boxes
from lapsdata.metrics.tracking._overlaps import Overlaps
from lapsdata.metrics.tracking.clear import ClearRules, match_frames
from lapsdata.metrics.tracking.frame_series import FrameSeries

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lapsdata.containers.boxes import Boxes
    from lapsdata.metrics.tracking._overlaps import Frames, Side
    from lapsdata.metrics.tracking.clear import ClearMatches
    from lapsdata.metrics.tracking.profiles import ProfileName

    Integers = NDArray[np.int64]

__all__ = ["SequenceMatches", "track_matches"]


@dataclass(frozen=True, eq=False)
class SequenceMatches:
    """The scored boxes of one class in one sequence, as CLEAR matches them.

    Parameters
    ----------
    series : FrameSeries
    frame, id : int64 (n,)
        0-based frames and identities of the true boxes, frames rising.
    found : int64 (n,)
        Identity of the predicted box that each is matched with; -1 for none.
    false_frame, false_id : int64 (m,)
        Frames and identities of the predicted boxes that are matched with none.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_tracked
    >>> matches = track_matches(*sample_tracked())["rally"]["player"]
    >>> matches.found.tolist(), matches.switched.tolist()
    ([5, 5, -1, 6], [False, False, False, True])
    """

    series: FrameSeries
    frame: Integers
    id: Integers
    found: Integers
    false_frame: Integers
    false_id: Integers

    @property
    def switched(self) -> NDArray[np.bool_]:
        """Which true boxes (n,) are matched with another identity than theirs was matched with last."""
        rows = np.flatnonzero(self.found >= 0)
        rows = rows[np.argsort(self.id[rows], kind="stable")]
        same = np.diff(self.id[rows]) == 0
        out = np.zeros(len(self.found), np.bool_)
        out[rows[1:][same & (np.diff(self.found[rows]) != 0)]] = True
        return out

    @classmethod
    def of(cls, frame: Integers, frames: Frames, matches: ClearMatches) -> Self:
        """Return the matches of frames (F,), as they are numbered in the sequence."""
        (true_frame, true_id), (found_frame, found_id) = (_named(frame, side) for side in frames)
        taken, hit = matches.predicted, matches.predicted >= 0
        found = np.full(len(taken), -1)
        found[hit] = found_id[taken[hit]]
        false = np.ones(len(found_id), np.bool_)
        false[taken[hit]] = False
        series = FrameSeries.of(frame, frames, matches.frames)
        return cls(series, true_frame, true_id, found, found_frame[false], found_id[false])


def _named(frame: Integers, side: Side) -> tuple[Integers, Integers]:
    return np.repeat(frame, np.diff(side.start)), side.name[side.id]


def track_matches(
    gt_boxes: Boxes,
    pred_boxes: Boxes,
    *,
    profile: ProfileName = "plain",
    labels: Sequence[str] | Literal["any"] | None = None,
    threshold: float = 0.5,
    frames: FramePolicy = "annotated",
    rules: ClearRules = "trackeval",
) -> dict[str, dict[str, SequenceMatches]]:
    """Return who is matched with whom, by sequence and class; the arguments are those of `tracking_scores`.

    Raises
    ------
    SchemaError
        As `lapsdata.metrics.tracking_scores`.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_tracked
    >>> track_matches(*sample_tracked(), threshold=0.75)["rally"]["player"].series.tp
    array([1, 1, 0, 1])
    """
    known_word(rules, "rules", ClearRules)
    least = share(threshold, "threshold")
    return {
        sequence.name: {
            name: SequenceMatches.of(sequence.frame, both, match_frames(Overlaps.of(both), least, rules))
            for name, both in sequence.classes.items()
        }
        for sequence in chosen_boxes(gt_boxes, pred_boxes, profile, labels, frames)
    }
