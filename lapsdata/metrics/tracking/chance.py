"""Rows beside trackers: one that has not seen when things happen, and two made of the truth that show what counts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.containers.boxes import annotated_frames
from lapsdata.errors import Problem, SchemaError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lapsdata.containers.boxes import Boxes
    from lapsdata.metrics.tracking._chosen import FramePolicy
    from lapsdata.schema.boxes import BoxSequence

    Integers = NDArray[np.int64]

__all__ = ["covered_frames", "new_identities", "shifted_in_time", "standing_still"]

_ARRAYS = ("x", "y", "w", "h", "ignored", "score", "visibility")
_TEXTS = ("label", "source", "source_id")


def covered_frames(sequence: BoxSequence, frames: FramePolicy) -> Integers:
    """Return the 0-based frames of a sequence that are scored.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_tracked
    >>> covered_frames(sample_tracked()[0].header.sequences[0], "annotated")
    array([0, 1, 2, 3])
    """
    if frames == "all":
        return np.arange(sequence.length)
    return np.flatnonzero(annotated_frames(sequence))


def shifted_in_time(predicted: Boxes, truth: Boxes, frames: FramePolicy = "annotated") -> Boxes:
    """Return a tracker's boxes half of the scored frames later, those of the second half in the first.

    Places, sizes, identities and their number stay; when things happen is lost. A tracker that scores no more has not
    followed what moves.

    Parameters
    ----------
    predicted, truth : Boxes
        Of the same sequences by name; boxes in frames that are not scored are left out.
    frames : {"annotated", "all"}

    Returns
    -------
    Boxes

    Raises
    ------
    SchemaError
        A sequence that the predictions lack.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_tracked
    >>> truth, found = sample_tracked()
    >>> shifted_in_time(found, truth).frame.tolist(), found.frame.tolist()
    ([1, 2, 3], [0, 1, 3])
    """
    places, moved, index = [], [], []
    names = [sequence.name for sequence in predicted.header.sequences]
    for number, sequence in enumerate(truth.header.sequences):
        if sequence.name not in names:
            message = f"expected the sequences of the truth, got none called {sequence.name!r}"
            raise SchemaError(Problem("unequal-sequences", "predictions", message))
        covered = covered_frames(sequence, frames)
        target = np.full(sequence.length, -1)
        target[covered] = np.roll(covered, -(len(covered) // 2))
        rows = np.flatnonzero(predicted.sequence_index == names.index(sequence.name))
        frame = target[predicted.frame[rows]]
        kept = np.flatnonzero(frame >= 0)
        kept = kept[np.argsort(frame[kept], kind="stable")]
        places.append(rows[kept])
        moved.append(frame[kept])
        index.append(np.full(len(kept), number))
    header = predicted.header.model_copy(update={"sequences": truth.header.sequences})
    rows = np.concatenate(places)
    return _taken(
        predicted, rows, header=header, frame=np.concatenate(moved), sequence_index=np.concatenate(index), id=None
    )


def standing_still(truth: Boxes, frames: FramePolicy = "annotated", *, label: str | None = None) -> Boxes:
    """Return the true boxes of the first scored frame that has any, in each scored frame from there on.

    It knows where things are once, and nothing of how they move: what it scores is had without a tracker.

    Parameters
    ----------
    truth : Boxes
    frames : {"annotated", "all"}
    label : str, optional
        Of this label alone.

    Returns
    -------
    Boxes

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_tracked
    >>> still = standing_still(sample_tracked()[0])
    >>> still.frame.tolist(), still.x.tolist()
    ([0, 1, 2, 3], [0.0, 0.0, 0.0, 0.0])
    """
    counting = _counting(truth, label)
    places, times = [], []
    for number, sequence in enumerate(truth.header.sequences):
        covered = covered_frames(sequence, frames)
        rows = np.flatnonzero(counting & (truth.sequence_index == number) & np.isin(truth.frame, covered))
        first = rows[truth.frame[rows] == truth.frame[rows[0]]] if len(rows) else rows
        later = covered[covered >= truth.frame[first[0]]] if len(first) else covered[:0]
        places.append(np.tile(first, len(later)))
        times.append(np.repeat(later, len(first)))
    return _taken(truth, np.concatenate(places), frame=np.concatenate(times), id=None, sequence_index=None)


def new_identities(truth: Boxes, *, label: str | None = None) -> Boxes:
    """Return the true boxes with an identity of its own for each: a perfect detector, and no tracker at all.

    Detection is perfect, association is not there: a score that is high here does not look at tracks.

    Parameters
    ----------
    truth : Boxes
    label : str, optional
        Of this label alone.

    Returns
    -------
    Boxes

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_tracked
    >>> new_identities(sample_tracked()[0]).id.tolist()
    [0, 1, 2, 3]
    """
    rows = np.flatnonzero(_counting(truth, label))
    return _taken(truth, rows, frame=None, id=np.arange(len(rows)), sequence_index=None)


def _counting(truth: Boxes, label: str | None) -> NDArray[np.bool_]:
    named = np.fromiter((label in (None, name) for name in truth.label), np.bool_, len(truth))
    return named & ~truth.ignored


def _taken(boxes: Boxes, rows: Integers, *, header: Any = None, **numbers: Integers | None) -> Boxes:  # noqa: ANN401
    """Return these rows, with other numbers where they are given."""
    made: dict[str, Any] = {
        name: getattr(boxes, name)[rows] if numbers[name] is None else numbers[name]
        for name in ("frame", "id", "sequence_index")
    }
    made |= {name: one[rows] for name in _ARRAYS if (one := getattr(boxes, name)) is not None}
    at = rows.tolist()
    made |= {name: tuple(one[i] for i in at) for name in _TEXTS if (one := getattr(boxes, name)) is not None}
    return replace(boxes, header=header or boxes.header, **made)
