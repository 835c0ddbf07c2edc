"""From a truth, proposals and places of pictures to clips: every fault that can be seen is told here."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lapsdata.errors import Problem, SchemaError, listed
from lapsdata.geometry import FrameSize, PixelMap
from lapsdata.geometry.boxes import convert_boxes, shift_boxes
from lapsdata.loading._frame_boxes import FrameBoxes
from lapsdata.loading._mot_clips import ClipPlan
from lapsdata.loading._mot_guards import expect_named, identity_faults, other_frames, proposal_faults, uncovered
from lapsdata.loading._mot_identities import Identities, numbered
from lapsdata.loading._mot_pictures import MotPictures, find_pictures, open_pictures
from lapsdata.loading._mot_sides import covered_frames, frames_elsewhere, given_boxes, side_boxes, source_of
from lapsdata.loading._mot_timeline import MotTimeline

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike

    from numpy.typing import NDArray

    from lapsdata.containers.boxes import Boxes
    from lapsdata.loading._mot_options import MotOptions
    from lapsdata.loading._mot_pictures import PicturePlaces, Pictures
    from lapsdata.loading._mot_sides import Given, SideBoxes

__all__ = ["OpenedClips", "opened_clips"]

# What is looked at here, for boxes from memory as well, and need not be said of the file once more.
_LOOKED_AT = frozenset({"detections-equal-truth", "ids-are-ranks", "ids-never-persist", "empty-database"})


class OpenedClips(NamedTuple):
    """All that clips are made of.

    Parameters
    ----------
    timeline : MotTimeline
    plan : ClipPlan
    sides : dict of FrameBoxes
        `truth`, and `proposals` where there are some.
    most : dict of int
        Places for boxes in a frame, by side.
    labels : tuple of str
    identities : Identities
    sizes : int64 (S, 2)
        Height and width of delivered frames, none where one is not known.
    pictures : MotPictures or None
    notes : list of Problem
        All that is to be told; `told` are those that let something pass.
    """

    timeline: MotTimeline
    plan: ClipPlan
    sides: dict[str, FrameBoxes]
    most: dict[str, int]
    labels: tuple[str, ...]
    identities: Identities
    sizes: NDArray[np.int64]
    pictures: MotPictures | None
    notes: list[Problem]
    told: list[Problem]


def opened_clips(
    truth: Boxes | str | PathLike[str],
    proposals: Boxes | str | PathLike[str] | None,
    images: PicturePlaces,
    options: MotOptions,
) -> OpenedClips:
    """Read both sides, compare them, and lay out clips; see `lapsdata.loading.open_mot`.

    Raises
    ------
    LapsError
        As there.
    """
    given = given_boxes(truth, "truth")
    timeline = _timeline(given.boxes, options)
    notes, told = _file_notes(given), []
    side = _truth(given.boxes, timeline, options, notes)
    told += options.allowed(identity_faults(side, timeline))
    found = None
    if proposals is not None:
        theirs = given_boxes(proposals, "proposals")
        notes += _file_notes(theirs)
        found, timeline = _proposals(theirs.boxes, side, timeline, options, notes, told)
    plan = _plan(timeline, options, notes)
    inside = timeline.usable[side.frame]
    _count(notes, "boxes-not-annotated", int((~inside).sum()), "true boxes stand in frames that no clip may hold")
    side = side.only(inside)
    names = [one.name for one in timeline.sequences]
    who, number = numbered(names, timeline.sequence_of(side.frame), side.id, ~side.ignored, _spelled(given.boxes, side))
    pictures = _pictures(given, images, timeline, plan, told)
    sizes = _sizes(timeline, pictures)
    columns: dict[str, NDArray[Any]] = {"box": side.xywh, "track_id": number, "label": side.label}
    columns |= {"ignored": side.ignored, "visibility": side.visibility.astype(np.float32)}
    sides = {"truth": _by_frame(side, columns, timeline, sizes, options)}
    most = {"truth": _most(sides["truth"], timeline, options.max_boxes, "max_boxes")}
    if found is not None:
        found = found.only(timeline.usable[found.frame])
        columns = {"box": found.xywh, "score": found.score.astype(np.float32), "label": found.label}
        sides["proposals"] = _by_frame(found, columns, timeline, sizes, options)
        most["proposals"] = _most(sides["proposals"], timeline, options.max_proposals, "max_proposals")
    return OpenedClips(
        timeline=timeline,
        plan=plan,
        sides=sides,
        most=most,
        labels=side.labels if found is None else found.labels,
        identities=who,
        sizes=_delivered(sizes, options),
        pictures=None if pictures is None else MotPictures(pictures, options),
        notes=[*told, *notes],
        told=told,
    )


def _timeline(boxes: Boxes, options: MotOptions) -> MotTimeline:
    sequences, wanted = boxes.header.sequences, options.sequences
    if wanted is None:
        return MotTimeline.of(sequences)
    names = [one.name for one in sequences]
    if strange := [name for name in wanted if name not in names]:
        message = f"expected some of {listed(names)}, got {listed(strange)}"
        raise SchemaError(Problem("unknown-sequence", "sequences", message))
    return MotTimeline.of(tuple(one for one in sequences if one.name in wanted))


def _file_notes(given: Given) -> list[Problem]:
    return [note for note in given.notes if note.code not in _LOOKED_AT]


def _count(notes: list[Problem], code: str, count: int, what: str, where: str = "truth") -> None:
    if count:
        notes.append(Problem(code, where, f"{count:,} {what}", None, "info"))


def _truth(boxes: Boxes, timeline: MotTimeline, options: MotOptions, notes: list[Problem]) -> SideBoxes:
    """Return the true boxes, those left out that are to be, counted."""
    known = options.labels or boxes.header.labels or ()
    side = side_boxes(boxes, options.truth_source, timeline, {}, known)
    if not len(side):
        there = listed(sorted(set(boxes.source)))
        message = f"expected boxes of {options.truth_source!r}, got those of {there}"
        fix = "name a truth, or say whose boxes are one: truth_source=..."
        raise SchemaError(Problem("no-truth", "truth", message, fix))
    _count(notes, "other-sources", len(boxes) - len(side) - side.beyond, "boxes of other sources are no truth")
    if options.labels is not None:
        side = _of_labels(side, options, notes)
    if not len(side):
        message = f"expected boxes of {listed(options.labels or ())}, got none: all of them are left out"
        there = listed(sorted(set(boxes.label)))
        raise SchemaError(Problem("no-truth", "labels", message, f"spell labels as the truth does: {there}"))
    if options.ignored == "leave_out":
        _count(notes, "ignored-left-out", int(side.ignored.sum()), "boxes to be ignored are left out")
        side = side.only(~side.ignored)
    else:
        _count(notes, "ignored-marked", int(side.ignored.sum()), "boxes are marked as to be ignored")
    return side


def _of_labels(side: SideBoxes, options: MotOptions, notes: list[Problem]) -> SideBoxes:
    other = side.label >= len(options.labels or ())
    if not other.any():
        return side
    called = listed(side.labels[len(options.labels or ()) :])
    message = f"expected boxes of {listed(options.labels or ())}, got {int(other.sum()):,} of {called}"
    if options.other_labels == "error":
        fix = "name them in labels, or say what becomes of them: other_labels='ignore' or 'leave_out'"
        raise SchemaError(Problem("unknown-labels", "truth", message, fix))
    if options.other_labels == "ignore":
        _count(notes, "unknown-labels", int(other.sum()), f"boxes of {called} are taken as to be ignored")
        return replace(side, ignored=side.ignored | other)
    _count(notes, "unknown-labels", int(other.sum()), f"boxes of {called} are left out")
    return replace(side.only(~other), labels=tuple(options.labels or ()))


def _proposals(
    boxes: Boxes,
    truth: SideBoxes,
    timeline: MotTimeline,
    options: MotOptions,
    notes: list[Problem],
    told: list[Problem],
) -> tuple[SideBoxes, MotTimeline]:
    """Return the proposals at the frames of the truth, and the frames that clips may hold."""
    named = options.proposal_names or {}
    notes += expect_named(boxes, timeline, named)
    source = source_of(boxes, options.proposals_source, options.truth_source)
    side = side_boxes(boxes, source, timeline, named, truth.labels)
    _count(notes, "ignored-left-out", int(side.ignored.sum()), "boxes to be ignored are left out", "proposals")
    side = side.only(~side.ignored)
    if strangers := side.labels[len(truth.labels) :]:
        message = f"the truth has no {listed(strangers)}: numbers of labels from {len(truth.labels)} on"
        notes.append(Problem("unknown-labels", "proposals", message, None, "info"))
    covered = covered_frames(boxes, timeline, named)
    others = [one.within("proposals") for one in other_frames(frames_elsewhere(boxes, timeline, named), timeline)]
    if missing := uncovered(timeline, covered):
        if options.missing_proposals == "error":
            shifted = [replace(one, severity="error") for one in others if one.severity == "warning"]
            raise SchemaError(*(problem.within("proposals") for problem in missing), *shifted)
        becomes = "they have no proposals" if options.missing_proposals == "empty" else "no clip holds them"
        told += [replace(one.within("proposals"), severity="warning", fix=becomes) for one in missing]
        if options.missing_proposals == "leave_out":
            timeline = replace(timeline, usable=timeline.usable & covered)
    told += [one for one in others if one.severity == "warning"]
    notes += [one for one in others if one.severity == "info"]
    faults = proposal_faults(truth, side, covered, timeline)
    told += options.allowed(fault.within("proposals") for fault in faults)
    return side, timeline


def _plan(timeline: MotTimeline, options: MotOptions, notes: list[Problem]) -> ClipPlan:
    plan = ClipPlan(timeline, options.clip, options.intervals, options.gaps, options.seed)
    frames, unknown = int(timeline.usable.sum()), len(timeline) - int(timeline.usable.sum())
    if not len(plan):
        needed = (options.clip - 1) * options.interval + 1
        message = f"expected {needed} frames in a row for a clip, got {frames:,} frames of which none begins so many"
        fix = "take shorter clips or intervals"
        if unknown:
            fix += f", or gaps='step_over': {unknown:,} frames between or beside them were not annotated"
        raise SchemaError(Problem("no-clips", "truth", message, fix))
    _count(notes, "frames-left-out", unknown, "frames are in no clip: nobody annotated them, or looked at them")
    lost = timeline.usable & ~plan.reached
    for name, (count, spans) in timeline.told(lost).items():
        _count(notes, "frames-left-out", count, f"annotated frames are in no clip, as none fits there: {spans}", name)
    if plan.narrow and len(options.intervals) > 1:
        what = f"of {len(plan):,} clips have a shorter choice of intervals, as a sequence or a gap ends it"
        _count(notes, "intervals-narrowed", plan.narrow, what)
    return plan


def _spelled(boxes: Boxes, side: SideBoxes) -> list[str | None] | None:
    return None if boxes.source_id is None else [boxes.source_id[row] for row in side.row.tolist()]


def _pictures(
    given: Given, images: PicturePlaces, timeline: MotTimeline, plan: ClipPlan, told: list[Problem]
) -> list[Pictures] | None:
    if images is False:
        return None
    alone = len(given.boxes.header.sequences) == 1
    paths = find_pictures(timeline.sequences, images, given.path, alone=alone)
    return open_pictures(paths, timeline, plan.reached, told)


def _sizes(timeline: MotTimeline, pictures: Sequence[Pictures] | None) -> list[FrameSize | None]:
    if pictures is not None:
        return [one.size for one in pictures]
    return [None if one.size is None else one.size.frame for one in timeline.sequences]


def _delivered(sizes: Sequence[FrameSize | None], options: MotOptions) -> NDArray[np.int64]:
    shapes = [options.image_size or (None if one is None else one.shape) for one in sizes]
    return np.array([] if None in shapes else shapes, np.int64)


def _by_frame(
    side: SideBoxes,
    columns: dict[str, NDArray[Any]],
    timeline: MotTimeline,
    sizes: Sequence[FrameSize | None],
    options: MotOptions,
) -> FrameBoxes:
    """Return columns by frame, with boxes as they are asked for."""
    corners = convert_boxes(columns["box"], source="xywh", target="xyxy")
    if options.image_size is not None:
        height, width = options.image_size
        ends = np.searchsorted(side.frame, timeline.starts)
        for at, size in enumerate(sizes):
            if size is None:
                message = "expected the size of each frame, from which boxes are resized, got none"
                fix = "leave image_size out, or write seqinfo.ini"
                raise SchemaError(Problem("unknown-size", timeline.sequences[at].name, message, fix))
            part = slice(*ends[at : at + 2].tolist())
            scaled = PixelMap.resized(size, FrameSize(width=width, height=height))
            corners[part] = scaled.to_working(corners[part].reshape(-1, 2, 2)).reshape(-1, 4)
    boxes = convert_boxes(corners, source="xyxy", target=options.box_form)
    boxes = shift_boxes(boxes, form=options.box_form, source="centre", target=options.box_origin)
    return FrameBoxes(side.frame, columns | {"box": boxes.astype(np.float32)}, len(timeline))


def _most(boxes: FrameBoxes, timeline: MotTimeline, told: int | None, option: str) -> int:
    """Return how many boxes a frame has room for."""
    counts = boxes.counts
    most, at = int(counts.max()), int(counts.argmax())
    if told is None or most <= told:
        return most if told is None else told
    where = timeline.sequences[int(timeline.sequence_of(np.array([at]))[0])].name
    message = f"expected at most {told} boxes, got {most} in frame {int(timeline.numbers(np.array([at]))[0])}"
    raise SchemaError(Problem("too-many-boxes", f"{option}: {where}", message, f"{option}={most}, or leave it out"))
