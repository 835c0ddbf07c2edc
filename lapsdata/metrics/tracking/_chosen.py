"""Which boxes of a sequence are scored: those of annotated frames and of a class, and what is left out is counted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, Self

import numpy as np

from lapsdata.containers.boxes import annotated_frames
from lapsdata.errors import Problem, Problems, SchemaError, spans_told
from lapsdata.geometry.boxes import shift_boxes
from lapsdata.metrics._given import known_word
from lapsdata.metrics.tracking._classes import checked_pair, class_choices
from lapsdata.metrics.tracking._overlaps import Frames, Side, sparse_overlaps
from lapsdata.metrics.tracking.left_out import LeftOut
from lapsdata.metrics.tracking.profiles import TRACKING_PROFILES, ProfileName

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from lapsdata.containers.boxes import Boxes
    from lapsdata.metrics.tracking._classes import ClassChoice, Rows
    from lapsdata.metrics.tracking.profiles import TrackingProfile
    from lapsdata.schema.boxes import BoxSequence

    Integers = NDArray[np.int64]
    Mask = NDArray[np.bool_]

__all__ = ["Chosen", "FramePolicy", "chosen_boxes"]

FramePolicy = Literal["annotated", "all"]
"""Whether frames that nobody annotated are left out of the score."""

# Where TrackEval matches predictions with distractors, whatever threshold is scored at.
_DISTRACTOR_OVERLAP = 0.5
# From 1-based pixels to centres it is 1.5; half of that on, a float loses no bit by it.
_SHIFT, _EXACT_FROM = 1.5, 0.75


class Chosen(NamedTuple):
    """One sequence as it is scored: 0-based frames (F,), the boxes of each class, and what is left out."""

    name: str
    frame: Integers
    classes: dict[str, Frames]
    left_out: LeftOut


def chosen_boxes(
    truth: Boxes, predicted: Boxes, profile: ProfileName, labels: Sequence[str] | str | None, policy: FramePolicy
) -> Iterator[Chosen]:
    """Yield each sequence of both sides as it is scored; see `lapsdata.metrics.tracking_scores`.

    Raises
    ------
    SchemaError
        A profile or policy that is unknown; no annotated frame at all; a box that is scored and has no identity, or one
        that stands twice in its frame; else as `checked_pair` and `class_choices`.
    """
    known_word(profile, "profile", ProfileName)
    known_word(policy, "frames", FramePolicy)
    sides, rules = checked_pair(truth, predicted), TRACKING_PROFILES[profile]
    return _sequences(sides, class_choices(*sides, rules, labels), rules, policy)


def _sequences(
    sides: tuple[Rows, Rows], classes: list[ClassChoice], profile: TrackingProfile, policy: FramePolicy
) -> Iterator[Chosen]:
    sequences = sides[0].boxes.header.sequences
    if policy == "annotated" and not any(sequence.annotated for sequence in sequences):
        message = "expected annotated ranges, got none in any sequence"
        fix = "name them in the header of the truth, or give frames='all'"
        raise SchemaError(Problem("nothing-annotated", "truth: annotated", message, fix))
    for sequence in sequences:
        covered = annotated_frames(sequence) if policy == "annotated" else np.ones(sequence.length, bool)
        truth, predicted = (_Part.of(rows, sequence.name, covered) for rows in sides)
        yield _chosen(sequence, covered, truth, predicted, classes, profile)


class _Part(NamedTuple):
    """The boxes of one side in one sequence (n,): numbers of their frames among those scored, and which can count."""

    rows: Rows
    where: slice
    frame: Integers
    inside: Mask
    ignored: Mask
    frames: int

    @classmethod
    def of(cls, rows: Rows, name: str, covered: Mask) -> Self:
        where = rows.sequence(name)
        frame = rows.boxes.frame[where]
        inside, ignored = covered[frame], rows.boxes.ignored[where]
        number = np.cumsum(covered) - 1
        return cls(rows, where, number[frame], inside, inside & ignored, int(np.count_nonzero(covered)))

    def of_labels(self, labels: tuple[str, ...] | None) -> Mask:
        """Return which boxes can count and have one of some labels; None for any."""
        counting = self.inside & ~self.ignored
        return counting if labels is None else counting & self.rows.of_labels(labels, self.where)

    def side(self, mask: Mask) -> Side:
        boxes, where = self.rows.boxes, self.where
        return Side.of(_as_in_texts(boxes.xywh[where][mask]), boxes.id[where][mask], self.frame[mask], self.frames)


def _as_in_texts(box: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return boxes (n, 4) as texts of MOTChallenge have them, to the last bit: it decides an overlap on a threshold."""
    moved = shift_boxes(box, form="xywh", source="centre", target="one_based")
    place = moved[:, :2]
    # Left of and above the frame the way there and back rounds: numbers of nine decimals are found again.
    near = np.round(place, 9)
    rounded = (place < _EXACT_FROM) & (np.abs(near - place) <= np.spacing(np.abs(place) + _SHIFT))
    moved[:, :2] = np.where(rounded, near, place)
    return moved


def _chosen(
    sequence: BoxSequence,
    covered: Mask,
    truth: _Part,
    predicted: _Part,
    classes: list[ClassChoice],
    profile: TrackingProfile,
) -> Chosen:
    found, made = Problems(), {}
    matched = _on_distractors(truth, predicted, profile)
    scored = [np.zeros(len(part.frame), np.bool_) for part in (truth, predicted)]
    for choice in classes:
        masks = [truth.of_labels(choice.truth), predicted.of_labels(choice.predicted) & ~matched]
        for place, part, mask in zip(("truth", "predictions"), (truth, predicted), masks, strict=True):
            _check_identities(found, f"{place}: {sequence.name}", part, mask)
        scored = [before | mask for before, mask in zip(scored, masks, strict=True)]
        made[choice.name] = Frames(truth.side(masks[0]), predicted.side(masks[1]))
    found.raise_as(SchemaError)
    others = [part.of_labels(None) & ~mask for part, mask in zip((truth, predicted), scored, strict=True)]
    left_out = LeftOut(
        frames=int(np.count_nonzero(~covered)),
        outside_truth=int(np.count_nonzero(~truth.inside)),
        outside_predicted=int(np.count_nonzero(~predicted.inside)),
        ignored_truth=int(np.count_nonzero(truth.ignored)),
        ignored_predicted=int(np.count_nonzero(predicted.ignored)),
        other_truth=int(np.count_nonzero(others[0])),
        other_predicted=int(np.count_nonzero(others[1] & ~matched)),
        on_distractors=int(np.count_nonzero(matched)),
    )
    return Chosen(sequence.name, np.flatnonzero(covered), made, left_out)


def _on_distractors(truth: _Part, predicted: _Part, profile: TrackingProfile) -> Mask:
    """Return which predicted boxes are matched with a distractor where all true boxes take part, ignored ones too."""
    out = np.zeros(len(predicted.frame), np.bool_)
    if profile.distractors:
        from lapsdata.metrics.tracking import _frame_loops

        counting = predicted.of_labels(None)
        frames = Frames(truth.side(truth.inside), predicted.side(counting))
        distractor = truth.rows.of_labels(profile.distractors, truth.where)[truth.inside]
        marked = np.zeros(len(frames.predicted), np.bool_)
        overlaps = sparse_overlaps(frames)
        _frame_loops.on_distractors(frames.starts, overlaps, distractor, _DISTRACTOR_OVERLAP, marked)
        out[counting] = marked
    return out


def _check_identities(found: Problems, place: str, part: _Part, mask: Mask) -> None:
    boxes, where = part.rows.boxes, part.where
    ids, frame = boxes.id[where][mask], boxes.frame[where][mask]
    lacking = frame[ids < 0]
    if len(lacking):
        told = spans_told(np.unique(lacking).tolist(), 3)
        message = f"expected an identity for each box, got {len(lacking)} without, in frames {told}"
        found.add("no-identity", place, message, "these are detections: score what a tracker makes of them")
    # Of one source an identity stands once in a frame, or the container would not be.
    sources = boxes.source[where]
    if len(set(sources)) > 1:
        order = np.lexsort([ids, frame])
        same = (np.diff(frame[order]) == 0) & (np.diff(ids[order]) == 0) & (ids[order][1:] >= 0)
        if same.any():
            at = order[1:][same][0]
            message = f"expected each identity once per frame, got {int(same.sum())} again, first {ids[at]} in frame "
            message += f"{frame[at]}, from sources {', '.join(map(repr, sorted(set(sources))))}"
            found.add("identity-twice", place, message, "keep the boxes of one source")
