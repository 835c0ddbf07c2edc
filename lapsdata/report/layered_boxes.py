"""Boxes as layers of a picture: one sequence, one source, and what kind of boxes they are."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

import numpy as np

from lapsdata.errors import Problem, Problems, SchemaError, listed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from lapsdata.containers import Boxes
    from lapsdata.schema import BoxSequence

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

__all__ = ["BoxKind", "BoxLayer", "box_layers"]

BoxKind = Literal["truth", "detections", "tracks"]
"""What boxes are drawn as: white, in the colour of their score, or in that of their identity and with trails."""

# What a source is called that is no tracker.
_SOURCES: dict[str, BoxKind] = {
    **dict.fromkeys(("truth", "gt", "ground_truth", "annotation", "annotations"), "truth"),
    **dict.fromkeys(("detector", "detections", "det"), "detections"),
}


class _Chains(NamedTuple):
    """Rows by identity and frame, so that the way of a box stands in one piece."""

    order: Ints  # rows, sorted
    place: Ints  # of each row in them
    begin: Ints  # for each place, where its unbroken way begins


@dataclass(frozen=True, eq=False)
class BoxLayer:
    """Boxes that are drawn in one way; `box_layers` makes them of a table.

    Parameters
    ----------
    name : str
    kind : {"truth", "detections", "tracks"}
    why : str
        What says that they are of this kind.
    sequence : BoxSequence
    first_number : int
        What the pictures call frame 0.
    frame, id : numpy.ndarray, shape (R,), int64
        0-based frames, rising; -1 for no identity.
    xywh : numpy.ndarray, shape (R, 4), float64, pixel
        Top-left corner and size.
    score : numpy.ndarray, shape (R,), float64
        NaN for none.
    label : tuple of str, R
    ignored : numpy.ndarray, shape (R,), bool
    left_out : int
        Boxes that had too low a score.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_boxes
    >>> truth, detected = box_layers(sample_boxes(), "match", sequence="left")
    >>> detected.kind, detected.rows(1), detected.rows(0)
    ('detections', slice(0, 1, None), slice(0, 0, None))
    """

    name: str
    kind: BoxKind
    why: str
    sequence: BoxSequence
    first_number: int
    frame: Ints
    id: Ints
    xywh: Floats
    score: Floats
    label: tuple[str, ...]
    ignored: NDArray[np.bool_]
    left_out: int = 0

    def __len__(self) -> int:
        """Return the number of boxes R."""
        return len(self.frame)

    def rows(self, number: int) -> slice:
        """Return which rows lie in the picture of a number."""
        first, last = np.searchsorted(self.frame, [number - self.first_number, number - self.first_number + 1])
        return slice(int(first), int(last))

    def annotated(self, number: int) -> bool:
        """Say whether the table speaks of the picture of a number; where it does not, no box means nothing."""
        frame = number - self.first_number
        return any(span.start <= frame < span.stop for span in self.sequence.annotated)

    @property
    def numbers(self) -> Ints:
        """What the pictures call the frame of each row, shape (R,)."""
        return self.frame + self.first_number

    @cached_property
    def several_labels(self) -> bool:
        """Whether boxes are of several classes."""
        return len(set(self.label)) > 1

    def trails(self, number: int, frames: int) -> Iterator[tuple[int, Floats]]:
        """Yield, for each row with an identity in the picture of a number, the way of its centre to there.

        A way is broken where frames that hold boxes hold none of this identity.

        Parameters
        ----------
        number : int
        frames : int
            How far it goes back.

        Yields
        ------
        int, numpy.ndarray
            Row, and centres (K, 2) in pixel xy, the newest last.

        Examples
        --------
        >>> from lapsdata.testing.samples import sample_boxes
        >>> truth, _ = box_layers(sample_boxes(), "match", sequence="left")
        >>> [(row, way.tolist()) for row, way in truth.trails(0, 30)]
        [(0, [[30.0, 60.0]]), (1, [[121.0, 70.75]])]
        """
        chains, rows = self._chains, self.rows(number)
        for row in range(rows.start, rows.stop):
            if self.id[row] < 0:
                continue
            last = int(chains.place[row])
            way = chains.order[max(int(chains.begin[last]), last - frames) : last + 1]
            way = way[self.frame[way] >= self.frame[row] - frames]
            yield row, self.xywh[way, :2] + self.xywh[way, 2:] / 2

    @cached_property
    def _chains(self) -> _Chains:
        order = np.lexsort((self.frame, self.id))
        place = np.empty_like(order)
        place[order] = np.arange(len(order))
        # Counted in frames that hold boxes: a table of every fifth frame is not broken everywhere.
        step = np.unique(self.frame, return_inverse=True)[1][order]
        new = np.ones(len(order), bool)
        new[1:] = (np.diff(self.id[order]) != 0) | (np.diff(step) > 1)
        return _Chains(order, place, np.maximum.accumulate(np.where(new, np.arange(len(order)), 0)))


def box_layers(
    boxes: Boxes,
    name: str,
    *,
    kind: BoxKind | None = None,
    sequence: str | None = None,
    min_score: float | None = None,
) -> list[BoxLayer]:
    """Return one sequence of a table as layers: one for each source that its boxes have.

    Parameters
    ----------
    boxes : Boxes
    name : str
        What the table is called; with several sources, the source is told behind it.
    kind : {"truth", "detections", "tracks"}, optional
        By default told by what the source is called (`truth`, `detector` ...), else by identities: boxes with some
        are tracks, boxes without any are detections.
    sequence : str, optional
        Which one, where there are several.
    min_score : float, optional
        Detections with a lower score are left out, and counted; one without a score stays.

    Raises
    ------
    SchemaError
        No such sequence or kind, or several sequences and none named.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_boxes
    >>> [(layer.name, layer.kind, len(layer)) for layer in box_layers(sample_boxes(), "match", sequence="left")]
    [('match: truth', 'truth', 2), ('match: detector', 'detections', 1)]
    """
    if kind is not None and kind not in get_args(BoxKind):
        message = f"expected one of {', '.join(get_args(BoxKind))}, got {kind!r}"
        raise SchemaError(Problem("unknown-choice", "kind", message))
    at = _which(boxes, name, sequence)
    first, last = (int(row) for row in np.searchsorted(boxes.sequence_index, [at, at + 1]))
    sources = list(dict.fromkeys(boxes.source[first:last])) or [""]
    said = np.array(boxes.source[first:last], object)
    made = []
    for source in sources:
        rows = first + np.flatnonzero(said == source)
        called = f"{name}: {source}" if len(sources) > 1 else name
        made.append(_layer(boxes, called, (at, rows), kind, source, min_score))
    return made


def _which(boxes: Boxes, name: str, sequence: str | None) -> int:
    names = [one.name for one in boxes.header.sequences]
    if sequence is not None and sequence in names:
        return names.index(sequence)
    if sequence is not None:
        message = f"expected the sequence {sequence!r}, got a table of {listed(names)}"
        raise SchemaError(Problem("unknown-sequence", name, message, "name one of them"))
    if len(names) > 1:
        message = f"expected one sequence, got {len(names)}: {listed(names)}"
        raise SchemaError(Problem("several-sequences", name, message, "name one of them: --sequence NAME"))
    return 0


def _layer(
    boxes: Boxes,
    name: str,
    place: tuple[int, Ints],
    kind: BoxKind | None,
    source: str,
    min_score: float | None,
) -> BoxLayer:
    at, rows = place
    sequence = boxes.header.sequences[at]
    ids = boxes.id[rows]
    score = np.full(len(rows), np.nan) if boxes.score is None else boxes.score[rows]
    chosen, why = (kind, "as told") if kind is not None else _kind(source, ids)
    if min_score is not None and chosen == "detections":
        rows = rows[~(score < min_score)]
    return BoxLayer(
        name=name,
        kind=chosen,
        why=why,
        sequence=sequence,
        first_number=sequence.first_number,
        frame=boxes.frame[rows],
        id=boxes.id[rows],
        xywh=boxes.xywh[rows],
        score=np.full(len(rows), np.nan) if boxes.score is None else boxes.score[rows],
        label=tuple(boxes.label[row] for row in rows.tolist()),
        ignored=boxes.ignored[rows],
        left_out=len(ids) - len(rows),
    )


def _kind(source: str, ids: Ints) -> tuple[BoxKind, str]:
    """Return what boxes of a source are, and what says so."""
    if source.lower() in _SOURCES:
        return _SOURCES[source.lower()], f"its source is called {source!r}"
    if (ids >= 0).any():
        return "tracks", "its boxes have identities"
    return "detections", "its boxes have no identities"


def refuse_min_score(layers: list[BoxLayer], min_score: float | None) -> None:
    """Refuse a score that nothing is measured by.

    Raises
    ------
    SchemaError
        No layer of detections, or none of them has a score.
    """
    if min_score is None:
        return
    found = Problems("min_score")
    detections = [layer for layer in layers if layer.kind == "detections"]
    if not detections:
        kinds = listed([f"{layer.name} ({layer.kind})" for layer in layers])
        found.add("no-detections", "", f"expected a layer of detections, got {kinds}", "leave it out, or say --as")
    elif not any(layer.left_out or np.isfinite(layer.score).any() for layer in detections):
        found.add("no-scores", "", "expected detections with scores, got none", "leave --min-score out")
    found.raise_as(SchemaError)
