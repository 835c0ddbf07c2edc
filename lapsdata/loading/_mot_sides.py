"""A truth and proposals: read from whatever they are, and brought to the frames of the truth by name and number."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lapsdata.adapters import expect_boxes
from lapsdata.containers.boxes import Boxes, annotated_frames
from lapsdata.errors import Problem, SchemaError, listed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from os import PathLike

    from numpy.typing import NDArray

    from lapsdata.loading._mot_timeline import MotTimeline

__all__ = ["Given", "SideBoxes", "covered_frames", "frames_elsewhere", "given_boxes", "side_boxes", "source_of"]


class Given(NamedTuple):
    """Boxes, where they come from, and what is to be told of them.

    Parameters
    ----------
    boxes : Boxes
    path : Path or None
    notes : tuple of Problem
    """

    boxes: Boxes
    path: Path | None
    notes: tuple[Problem, ...]


def given_boxes(what: Boxes | str | PathLike[str], side: str) -> Given:
    """Return boxes that were given, or those of a file or folder of any kind.

    Raises
    ------
    SchemaError
        It is neither.
    LapsError
        It cannot be read, or holds no boxes.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_boxes
    >>> given_boxes(sample_boxes(), "truth").path is None
    True
    """
    if isinstance(what, Boxes):
        return Given(what, None, ())
    try:
        path = Path(what)
    except TypeError:
        message = f"expected boxes, or a path of some, got {type(what).__name__}"
        raise SchemaError(Problem("wrong-value", side, message)) from None
    found = expect_boxes(path)
    return Given(found.boxes, path, found.notes)


@dataclass(frozen=True, eq=False)
class SideBoxes:
    """Boxes of one side, in order of the frames of a timeline.

    Parameters
    ----------
    frame : int64 (R,)
    row : int64 (R,)
        In the container.
    xywh : float64 (R, 4), pixel
    id : int64 (R,)
    label : int64 (R,)
        Number in `labels`.
    ignored : bool (R,)
    score, visibility : float64 (R,)
        NaN where there is none.
    labels : tuple of str
    beyond : int
        How many boxes of the source stand in frames or sequences that the timeline does not have.
    """

    frame: NDArray[np.int64]
    row: NDArray[np.int64]
    xywh: NDArray[np.float64]
    id: NDArray[np.int64]
    label: NDArray[np.int64]
    ignored: NDArray[np.bool_]
    score: NDArray[np.float64]
    visibility: NDArray[np.float64]
    labels: tuple[str, ...]
    beyond: int = 0

    def __len__(self) -> int:
        """Return the number of boxes R."""
        return len(self.frame)

    def only(self, kept: NDArray[np.bool_]) -> SideBoxes:
        """Return those that are kept."""
        every = {field.name: getattr(self, field.name) for field in fields(self)}
        chosen: dict[str, Any] = {name: one[kept] for name, one in every.items() if isinstance(one, np.ndarray)}
        return replace(self, **chosen)


def source_of(boxes: Boxes, wanted: str | None, truth: str) -> str | None:
    """Return whose boxes of proposals count: the one source that is not the truth, or the truth where it is alone.

    Raises
    ------
    SchemaError
        There are several, or not the one that is asked for.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_boxes
    >>> source_of(sample_boxes(), None, "truth")
    'detector'
    """
    there = sorted(set(boxes.source))
    if wanted is not None and wanted not in there:
        message = f"expected boxes of {wanted!r}, got those of {listed(there)}"
        raise SchemaError(Problem("unknown-source", "proposals_source", message))
    others = [one for one in there if one != truth] or there
    if wanted is None and len(others) > 1:
        message = f"expected proposals of one source, got those of {listed(others)}"
        fix = f"say whose: proposals_source={others[0]!r}"
        raise SchemaError(Problem("several-sources", "proposals", message, fix))
    return wanted or (others[0] if others else None)


def side_boxes(
    boxes: Boxes, source: str | None, timeline: MotTimeline, named: Mapping[str, str], labels: Sequence[str] = ()
) -> SideBoxes:
    """Return the boxes of a source at the frames of a timeline, which go by the names of sequences and by numbers.

    Parameters
    ----------
    boxes : Boxes
    source : str or None
    timeline : MotTimeline
    named : mapping of str
        What the boxes call a sequence, by the name that the timeline has for it.
    labels : sequence of str
        What is known already: other labels get numbers behind these.

    Examples
    --------
    >>> from lapsdata.loading._mot_timeline import MotTimeline
    >>> from lapsdata.testing.samples import sample_boxes
    >>> boxes = sample_boxes()
    >>> side = side_boxes(boxes, "truth", MotTimeline.of(boxes.header.sequences), {})
    >>> side.frame.tolist(), side.labels
    ([0, 0, 15], ('player', 'stand'))
    """
    row = np.flatnonzero(np.fromiter((one == source for one in boxes.source), bool, len(boxes)))
    shift = np.zeros(len(boxes.header.sequences), np.int64)
    low, high = np.zeros_like(shift), np.zeros_like(shift)
    for at, start, length, first in _places(boxes, timeline, named):
        shift[at], low[at], high[at] = start - first, first, first + length
    sequence, frame = boxes.sequence_index[row], boxes.frame[row]
    inside = (frame >= low[sequence]) & (frame < high[sequence])
    beyond = int((~inside).sum())
    row = row[inside]
    frame = frame[inside] + shift[sequence[inside]]
    order = np.argsort(frame, kind="stable")
    row, frame = row[order], frame[order]
    none = np.full(len(boxes), np.nan)
    texts = [boxes.label[one] for one in row.tolist()]
    names = (*labels, *sorted(set(texts) - set(labels)))
    number = {name: at for at, name in enumerate(names)}
    return SideBoxes(
        frame=frame,
        row=row,
        xywh=boxes.xywh[row],
        id=boxes.id[row],
        label=np.fromiter(map(number.__getitem__, texts), np.int64, len(texts)),
        ignored=boxes.ignored[row],
        score=(none if boxes.score is None else boxes.score)[row],
        visibility=(none if boxes.visibility is None else boxes.visibility)[row],
        labels=names,
        beyond=beyond,
    )


def covered_frames(boxes: Boxes, timeline: MotTimeline, named: Mapping[str, str]) -> NDArray[np.bool_]:
    """Return which frames of a timeline a detector looked at, be it without finding anything: bool (F,)."""
    covered = np.zeros(len(timeline), bool)
    for at, start, length, first in _places(boxes, timeline, named):
        looked = annotated_frames(boxes.header.sequences[at])[max(0, first) : max(0, first + length)]
        begin = start + max(0, -first)
        covered[begin : begin + len(looked)] = looked
    return covered


def frames_elsewhere(
    boxes: Boxes, timeline: MotTimeline, named: Mapping[str, str]
) -> dict[str, tuple[NDArray[np.int64], int]]:
    """Return which frames a detector looked at that the truth does not have: their numbers, and how many come first.

    Examples
    --------
    >>> from lapsdata.loading._mot_timeline import MotTimeline
    >>> from lapsdata.testing.samples import sample_boxes
    >>> boxes = sample_boxes()
    >>> later = boxes.header.sequences[0].model_copy(update={"length": 5, "first_number": 1})
    >>> frames_elsewhere(boxes, MotTimeline.of((later,)), {later.name: boxes.header.sequences[1].name})
    {'left': (array([0, 6, 7, 8, 9]), 1)}
    """
    found = {}
    names = {start: one.name for one, start in zip(timeline.sequences, timeline.starts[:-1].tolist(), strict=True)}
    for at, start, length, first in _places(boxes, timeline, named):
        looked = np.flatnonzero(annotated_frames(boxes.header.sequences[at]))
        outside = looked[(looked < first) | (looked >= first + length)]
        if len(outside):
            numbers = outside + boxes.header.sequences[at].first_number
            found[names[start]] = numbers, int((outside < first).sum())
    return found


def _places(boxes: Boxes, timeline: MotTimeline, named: Mapping[str, str]) -> list[tuple[int, int, int, int]]:
    """Return of each sequence that both have its number, its place and length in the timeline, and its frame there."""
    known = {one.name: at for at, one in enumerate(boxes.header.sequences)}
    found = []
    for one, start in zip(timeline.sequences, timeline.starts[:-1].tolist(), strict=True):
        at = known.get(named.get(one.name, one.name))
        if at is not None:
            first = one.first_number - boxes.header.sequences[at].first_number
            found.append((at, start, one.length, first))
    return found
