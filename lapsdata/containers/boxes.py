"""Boxes: tracked rectangles in sequences of frames."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lapsdata.containers.base import ArrayCheck, Container, all_differ, checked_header, read_only
from lapsdata.schema.boxes import BoxesHeader

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lapsdata.schema.boxes import BoxSequence

__all__ = ["Boxes", "annotated_frames"]

_PLACE = ("x", "y", "w", "h")


@dataclass(frozen=True, eq=False, repr=False)
class Boxes(Container):
    """One row per box, ordered by sequence (as in the header) and frame.

    Parameters
    ----------
    header : BoxesHeader
    sequence_index : int64 (R,)
        Which of the header's sequences, in their order.
    frame : int64 (R,)
        0-based frame within the sequence.
    id : int64 (R,)
        Identity over time; -1 for a detection without one. An identity stands once per frame and source.
    x, y, w, h : float64 (R,), pixel
        Top-left corner, width and height, in the pixel frame whose top-left pixel has its centre at (0, 0).
        float64, since rounding foreign decimals to float32 would move overlaps across a threshold.
    label, source : tuple of str, R
        What it is, and who says so.
    ignored : bool (R,)
        Regions that scores must leave out.
    score : float64 (R,) or None
        NaN where a box has none.
    visibility : float64 (R,) or None
        Share that can be seen, from 0 to 1; NaN where it is not known.
    source_id : tuple of str or None, R, or None
        The identity as the source spelled it.

    Raises
    ------
    SchemaError
        All problems of shape, dtype, order, frame, size or identity.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_boxes
    >>> boxes = sample_boxes()
    >>> boxes.label[:2]
    ('player', 'player')
    """

    header: BoxesHeader
    sequence_index: NDArray[np.int64]
    frame: NDArray[np.int64]
    id: NDArray[np.int64]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    w: NDArray[np.float64]
    h: NDArray[np.float64]
    label: tuple[str, ...]
    source: tuple[str, ...]
    ignored: NDArray[np.bool_]
    score: NDArray[np.float64] | None = None
    visibility: NDArray[np.float64] | None = None
    source_id: tuple[str | None, ...] | None = None

    def __post_init__(self) -> None:
        self._freeze(header=checked_header(self.header, BoxesHeader))
        check = ArrayCheck("boxes")
        numbers = {"sequence_index": np.int64, "frame": np.int64, "id": np.int64}
        good = [check.array(name, getattr(self, name), ("R",), kind) for name, kind in numbers.items()]
        self._check_labels(check)
        texts = check.texts("source", self.source, "R")
        if self.source_id is not None:
            check.texts("source_id", self.source_id, "R", optional=True)
        if all(good):
            self._check_order(check, identities=texts)
        self._check_places(check)
        check.array("ignored", self.ignored, ("R",), np.bool_)
        self._check_optional(check)
        check.finish()
        arrays = (*numbers, *_PLACE, "ignored", "score", "visibility")
        self._freeze(**{n: read_only(getattr(self, n)) for n in arrays if getattr(self, n) is not None})

    def _check_order(self, check: ArrayCheck, *, identities: bool) -> None:
        sequences = self.header.sequences
        outside = (self.sequence_index < 0) | (self.sequence_index >= len(sequences))
        message = f"expected an index of the header's {len(sequences)} sequences"
        check.rows("unknown-sequence", "sequence_index", outside, message)
        if outside.any():
            return
        lengths = np.array([sequence.length for sequence in sequences])[self.sequence_index]
        beyond = (self.frame < 0) | (self.frame >= lengths)
        check.rows(
            "frame-outside",
            "frame",
            beyond,
            "expected 0-based frames inside of the sequence",
            "subtract 1 if the source counts from 1",
        )
        step = np.diff(self.sequence_index)
        check.steps("not-grouped", "sequence_index", step < 0, "expected rows in the header's order of sequences")
        falling = (step == 0) & (self.frame[1:] < self.frame[:-1])
        check.steps("non-monotone-time", "frame", falling, "expected rising frames")
        check.rows("negative-id", "id", self.id < -1, "expected ids from 0, or -1 for none")
        if identities:
            self._check_identities(check)

    def _check_identities(self, check: ArrayCheck) -> None:
        """Note identities that stand twice in a frame of one source; boxes without identity may."""
        number = {name: i for i, name in enumerate(dict.fromkeys(self.source))}
        if len(number) > 1:
            sources = np.fromiter(map(number.__getitem__, self.source), np.int64, len(self.source))
        else:
            sources = np.zeros(len(self.source), np.int64)
        keys = np.stack([sources, self.id, self.frame, self.sequence_index])
        if all_differ(keys[:, self.id >= 0]):
            return
        order = np.lexsort(keys)  # stable: of equal keys, the first row stays first
        same = (keys[:, order[1:]] == keys[:, order[:-1]]).all(axis=0)
        again = np.zeros(len(self.id), bool)
        again[order[1:][same]] = True
        check.rows("identity-twice", "id", again & (self.id >= 0), "expected each identity once per frame and source")

    def _check_labels(self, check: ArrayCheck) -> None:
        if check.texts("label", self.label, "R") and self.header.labels is not None:
            known = frozenset(self.header.labels)
            if not known.issuperset(self.label):
                wrong = np.array([label not in known for label in self.label], bool)
                check.rows("unknown-label", "label", wrong, "expected labels of the header's list")

    def _check_places(self, check: ArrayCheck) -> None:
        for name in _PLACE:
            values = getattr(self, name)
            if check.array(name, values, ("R",), np.float64):
                check.rows("not-finite", name, ~np.isfinite(values), "expected finite pixels")
                if name in "wh":
                    check.rows("negative-size", name, values < 0, "expected sizes from 0")

    def _check_optional(self, check: ArrayCheck) -> None:
        if self.score is not None and check.array("score", self.score, ("R",), np.float64):
            check.rows("not-finite", "score", np.isinf(self.score), "expected finite scores, or NaN for none")
        if self.visibility is not None and check.array("visibility", self.visibility, ("R",), np.float64):
            wrong = (self.visibility < 0) | (self.visibility > 1)
            check.rows("visibility-outside", "visibility", wrong, "expected shares from 0 to 1, or NaN for unknown")

    def __len__(self) -> int:
        """Return the number of boxes R."""
        return len(self.frame)

    @functools.cached_property
    def xywh(self) -> NDArray[np.float64]:
        """Places and sizes in one array: float64 (R, 4), pixel."""
        return read_only(np.stack([self.x, self.y, self.w, self.h], axis=1))

    def facts(self) -> dict[str, str]:
        """Return what one wants to know at a glance."""
        return {
            "sequences": str(len(self.header.sequences)),
            "identities": str(len(np.unique(self.id[self.id >= 0]))),
            "boxes": f"{len(self)}, {int(self.ignored.sum())} to be ignored",
            "labels": ", ".join(sorted(set(self.label))) or "-",
            "sources": ", ".join(sorted(set(self.source))) or "-",
            **super().facts(),
        }


def annotated_frames(sequence: BoxSequence) -> NDArray[np.bool_]:
    """Return which frames of a sequence were annotated, or looked at by a detector: bool (F,).

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_boxes
    >>> annotated_frames(sample_boxes().header.sequences[0]).sum()
    np.int64(10)
    """
    known = np.zeros(sequence.length, bool)
    for span in sequence.annotated:
        known[span.start : span.stop] = True
    return known
