"""What is kept of boxes on their way into another file."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Self

import numpy as np
from pydantic import Field, model_validator

from lapsdata.errors import Problem, Problems, SchemaError, listed
from lapsdata.schema import FrameRange
from lapsdata.schema.base import Count, Name, Record

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lapsdata.containers import Boxes
    from lapsdata.schema import BoxSequence

__all__ = ["BoxesEdit", "edited_boxes", "taken_rows"]

_ROWS = ("sequence_index", "frame", "id", "x", "y", "w", "h", "ignored", "score", "visibility")
_TEXTS = ("label", "source", "source_id")


class BoxesEdit(Record):
    """Which boxes are kept; what is left out is counted.

    Examples
    --------
    >>> BoxesEdit(min_score=0.7, frames=(1, 18948)).labels is None
    True
    """

    min_score: Annotated[float, Field(allow_inf_nan=False)] | None = None
    """Boxes with a lower score are left out; one without a score stays."""
    labels: tuple[Name, ...] | None = None
    """What boxes are called that are kept; null for all."""
    sources: tuple[Name, ...] | None = None
    """Whose boxes are kept: `truth`, `detector`, names of trackers; null for all."""
    frames: tuple[Count, Count] | None = None
    """First and last frame that are kept, as the source numbers them; both are part of it."""

    @model_validator(mode="after")
    def _rising(self) -> Self:
        if self.frames is not None and self.frames[0] > self.frames[1]:
            raise ValueError("expected a first frame that is not behind the last one")
        return self


def edited_boxes(boxes: Boxes, edit: BoxesEdit) -> tuple[Boxes, tuple[Problem, ...]]:
    """Return the boxes that are kept, and how many were not; sequences and their lengths stay.

    Frames that were not chosen are not annotated any more: what is left says nothing of them.

    Parameters
    ----------
    boxes : Boxes
    edit : BoxesEdit

    Raises
    ------
    SchemaError
        A label or a source that no box has, or a minimal score of boxes without any.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_boxes
    >>> kept, notes = edited_boxes(sample_boxes(), BoxesEdit(labels=("player",)))
    >>> len(kept), notes[0].message
    (3, "1 of 4 boxes have another label than 'player': left out")
    """
    found = Problems("boxes")
    keep = np.ones(len(boxes), bool)
    for name, wanted, texts in (("source", edit.sources, boxes.source), ("label", edit.labels, boxes.label)):
        if wanted is not None:
            there = sorted(set(texts))
            if unknown := sorted(set(wanted) - set(there)):
                message = f"expected {name}s of {listed(there)}, got {listed(unknown)}"
                found.add(f"unknown-{name}", f"{name}s", message)
            named = np.fromiter((text in wanted for text in texts), bool, len(boxes))
            words = f"have another {name} than {listed(sorted(set(wanted)))}"
            keep = _kept(keep, named, words, f"other-{name}s", found)
    if edit.min_score is not None:
        if boxes.score is None:
            message = "expected boxes with scores, got none"
            found.add("no-scores", "score", message, "leave --min-score out")
        else:
            low = boxes.score < edit.min_score
            keep = _kept(keep, ~low, f"have a score below {edit.min_score:g}", "low-scores", found)
    if edit.frames is not None:
        first = np.array([one.first_number for one in boxes.header.sequences])[boxes.sequence_index]
        number = boxes.frame + first
        inside = (number >= edit.frames[0]) & (number <= edit.frames[1])
        words = f"lie outside of frames {edit.frames[0]} to {edit.frames[1]}, both included"
        keep = _kept(keep, inside, words, "other-frames", found)
    found.raise_as(SchemaError)
    sequences = tuple(_within(one, edit.frames) for one in boxes.header.sequences)
    return taken_rows(boxes, np.flatnonzero(keep), sequences=sequences), tuple(found)


def _within(sequence: BoxSequence, frames: tuple[int, int] | None) -> BoxSequence:
    """Return a sequence that is annotated in the chosen frames alone."""
    if frames is None:
        return sequence
    start, stop = frames[0] - sequence.first_number, frames[1] - sequence.first_number + 1
    spans = [(max(start, span.start), min(stop, span.stop)) for span in sequence.annotated]
    kept = tuple(FrameRange(start=first, stop=last) for first, last in spans if first < last)
    return sequence.model_copy(update={"annotated": kept})


def _kept(
    keep: NDArray[np.bool_], good: NDArray[np.bool_], words: str, code: str, found: Problems
) -> NDArray[np.bool_]:
    left = int((keep & ~good).sum())
    if left:
        found.add(code, "rows", f"{left} of {len(keep)} boxes {words}: left out", severity="info")
    return keep & good


def taken_rows(boxes: Boxes, rows: NDArray[np.int64], **header: Any) -> Boxes:  # noqa: ANN401 - any header field
    """Return boxes of these rows, in their order; `header` names what changes in it.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_boxes
    >>> taken_rows(sample_boxes(), np.array([0, 2])).frame.tolist()
    [0, 1]
    """
    at = rows.tolist()
    changed: dict[str, Any] = {name: one[rows] for name in _ROWS if (one := getattr(boxes, name)) is not None}
    changed |= {name: tuple(one[i] for i in at) for name in _TEXTS if (one := getattr(boxes, name)) is not None}
    return replace(boxes, header=boxes.header.model_copy(update=header), **changed)
