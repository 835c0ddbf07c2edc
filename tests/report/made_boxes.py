"""Tables of boxes, row by row as a test writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lapsdata.containers import Boxes
from lapsdata.report.layered_boxes import box_layers
from lapsdata.schema import BoxesHeader, BoxSequence, FrameRange, Size
from lapsdata.testing.samples import sample_provenance
from lapsdata.timebase import FrameRate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lapsdata.report.layered_boxes import BoxKind, BoxLayer


class Row(NamedTuple):
    """One box; by default a detection without a score."""

    frame: int
    xywh: tuple[float, float, float, float] = (9.5, 19.5, 10.0, 20.0)
    id: int = -1
    score: float = float("nan")
    source: str = "made"
    label: str = "player"
    ignored: bool = False


def made_boxes(
    *rows: Row,
    name: str = "match",
    length: int = 100,
    size: tuple[int, int] | None = (640, 360),
    rate: int | None = 25,
    first_number: int = 0,
    images: str | None = None,
    annotated: Sequence[tuple[int, int]] | None = None,
) -> Boxes:
    """Return a table of one sequence."""
    sequence = BoxSequence(
        name=name,
        length=length,
        rate=None if rate is None else FrameRate(rate),
        size=None if size is None else Size(width=size[0], height=size[1]),
        annotated=tuple(FrameRange(start=a, stop=b) for a, b in ([(0, length)] if annotated is None else annotated)),
        images=images,
        first_number=first_number,
    )
    place = np.array([row.xywh for row in rows], np.float64).reshape(-1, 4)
    return Boxes(
        BoxesHeader(provenance=sample_provenance(), sequences=(sequence,)),
        np.zeros(len(rows), np.int64),
        np.array([row.frame for row in rows], np.int64),
        np.array([row.id for row in rows], np.int64),
        *(np.ascontiguousarray(column) for column in place.T),
        tuple(row.label for row in rows),
        tuple(row.source for row in rows),
        np.array([row.ignored for row in rows], bool),
        score=np.array([row.score for row in rows], np.float64),
    )


def made_layer(*rows: Row, kind: BoxKind | None = None, called: str = "made", **sequence: object) -> BoxLayer:
    """Return a table of one source as a layer."""
    (layer,) = box_layers(made_boxes(*rows, **sequence), called, kind=kind)  # type: ignore[arg-type]
    return layer
