"""What training would never tell: ids that are none, proposals that are the truth, of other data, or few."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.adapters._box_faults import TRUTH, RowsOfBoxes, faults_of
from lapsdata.adapters._copied_boxes import copied, copy_fault
from lapsdata.adapters._far_boxes import far_fault
from lapsdata.errors import Problem, Problems, SchemaError, listed, spans_told

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from lapsdata.containers.boxes import Boxes
    from lapsdata.loading._mot_sides import SideBoxes
    from lapsdata.loading._mot_timeline import MotTimeline

__all__ = ["expect_named", "identity_faults", "other_frames", "proposal_faults", "uncovered"]

# Fewer true boxes tell nothing of a detector.
_FEW = 10
_NO_TRACKS = "take a truth in which somebody followed them"


def identity_faults(truth: SideBoxes, timeline: MotTimeline) -> Iterator[Problem]:
    """Yield what is wrong with the identities of a truth, sequence by sequence.

    Parameters
    ----------
    truth : SideBoxes
    timeline : MotTimeline
    """
    counted = truth.only(~truth.ignored)
    ends = np.searchsorted(counted.frame, timeline.starts)
    for at, one in enumerate(timeline.sequences):
        part = slice(*ends[at : at + 2].tolist())
        frame = counted.frame[part] - int(timeline.starts[at])
        lost = int((counted.id[part] < 0).sum())
        if lost:
            message = f"expected an identity of each true box, got none of {lost:,} of {len(frame):,}"
            yield Problem("no-identity", one.name, message, "they would be delivered with track_id -1")
        rows = RowsOfBoxes(frame=frame, id=counted.id[part], xywh=counted.xywh[part], label="", source=TRUTH)
        yield from faults_of(one.name, [rows], _NO_TRACKS)


def expect_named(boxes: Boxes, timeline: MotTimeline, named: Mapping[str, str]) -> list[Problem]:
    """Return which sequences only one side has.

    Raises
    ------
    SchemaError
        Names of none, or one for two sequences; or not one sequence is on both sides.
    """
    ours = [one.name for one in timeline.sequences]
    theirs = [one.name for one in boxes.header.sequences]
    found = Problems("proposal_names")
    for name, other in named.items():
        if name not in ours:
            found.add("unknown-sequence", name, f"expected a sequence of the truth, some of {listed(ours)}")
        if other not in theirs:
            found.add("unknown-sequence", other, f"expected a sequence of the proposals, some of {listed(theirs)}")
    called = {named.get(name, name) for name in ours}
    for other in sorted(called & set(theirs)):
        sharing = [name for name in ours if named.get(name, name) == other]
        if len(sharing) > 1:
            message = f"expected proposals of one sequence of the truth, got them for {listed(sharing)}"
            found.add("sequence-twice", other, message, "name those of each sequence")
    found.raise_as(SchemaError)
    if called.isdisjoint(theirs):
        message = f"expected proposals of {listed(ours)}, got those of {listed(theirs)}"
        fix = f"if they are of the same frames: proposal_names={{{ours[0]!r}: {theirs[0]!r}}}"
        raise SchemaError(Problem("other-sequences", "proposals", message, fix))
    if strangers := [name for name in theirs if name not in called]:
        message = f"proposals of {len(strangers):,} other sequences are not used: {listed(strangers)}"
        return [Problem("other-sequences", "proposals", message, None, "info")]
    return []


def uncovered(timeline: MotTimeline, covered: NDArray[np.bool_]) -> list[Problem]:
    """Return of each sequence how many annotated frames no detector looked at, where there are any.

    Parameters
    ----------
    timeline : MotTimeline
    covered : bool (F,)
    """
    wanted = timeline.told(timeline.usable)
    fix = "run the detector on all of them, or say what they are: missing_proposals='empty' or 'leave_out'"
    found = []
    for name, (count, spans) in timeline.told(timeline.usable & ~covered).items():
        every = wanted[name][0]
        message = f"covers {every - count:,} of {every:,} annotated frames: none of {spans} was looked at"
        found.append(Problem("frames-not-covered", name, message, fix))
    return found


def other_frames(elsewhere: Mapping[str, tuple[NDArray[np.int64], int]], timeline: MotTimeline) -> Iterator[Problem]:
    """Yield which frames a detector looked at that the truth does not have; those before it speak of another count.

    Parameters
    ----------
    elsewhere : mapping
        As `frames_elsewhere` returns it.
    timeline : MotTimeline
    """
    firsts = {one.name: one.first_number for one in timeline.sequences}
    for name, (numbers, before) in elsewhere.items():
        message = (
            f"{len(numbers):,} frames that the truth does not have were looked at, {spans_told(numbers.tolist(), 3)}"
        )
        if not before:
            yield Problem("frames-beyond", name, f"{message}: not used", None, "info")
            continue
        message += f": not used; the truth begins with frame {firsts[name]}"
        off = firsts[name] - numbers[0]
        fix = f"if that is its first one, boxes are off by {off} frames: number the frames as the truth does"
        yield Problem("other-first-frame", name, message, fix, "warning")


def proposal_faults(
    truth: SideBoxes, found: SideBoxes, covered: NDArray[np.bool_], timeline: MotTimeline
) -> Iterator[Problem]:
    """Yield which sequences have no proposals, copies of the truth, or proposals that are nowhere near it.

    Parameters
    ----------
    truth, found : SideBoxes
    covered : bool (F,)
        Frames that a detector looked at; others say nothing of it.
    timeline : MotTimeline
    """
    from lapsdata.metrics.tracking._overlaps import best_overlaps

    truth = truth.only(~truth.ignored & covered[truth.frame])
    both = np.isin(truth.frame, found.frame)
    beside = truth.only(both)
    ours, theirs = (beside.frame, beside.xywh), (found.frame, found.xywh)
    best = np.zeros(len(truth))
    best[both] = best_overlaps(*ours, *theirs)
    copies = copied(*ours, *theirs, shift_px=1), copied(*theirs, *ours, shift_px=1)
    shares = [_means(side.frame, same, timeline) for side, same in zip((beside, found), copies, strict=True)]
    near = _means(truth.frame, best, timeline)
    every, theirs_too = (_counts(side.frame, timeline) for side in (truth, found))
    for at, one in enumerate(timeline.sequences):
        fault = copy_fault(shares[0][at], shares[1][at], one.name)
        if every[at] and not theirs_too[at]:
            message = f"expected proposals, got none in the frames of {every[at]:,} true boxes"
            yield Problem("no-proposals", one.name, message, "look at what wrote them")
        elif fault is not None or (every[at] >= _FEW and (fault := far_fault(near[at], one.name)) is not None):
            yield fault


def _counts(frame: NDArray[np.int64], timeline: MotTimeline) -> list[int]:
    """Return the number of boxes of each sequence."""
    ends = np.searchsorted(frame, timeline.starts)
    counts: list[int] = np.diff(ends).tolist()
    return counts


def _means(frame: NDArray[np.int64], values: NDArray[Any], timeline: MotTimeline) -> list[float]:
    """Return the mean over the boxes of each sequence, 0 where it has none."""
    at, count = timeline.sequence_of(frame), len(timeline.sequences)
    every = np.bincount(at, minlength=count)
    means: list[float] = (np.bincount(at, values, count) / np.maximum(every, 1)).tolist()
    return means
