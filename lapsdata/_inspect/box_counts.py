"""Boxes by sequence and by who says so: how many of each label, of how many identities, and what images they cover."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.schema.boxes import frames_in

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from lapsdata.containers import Boxes
    from lapsdata.schema import BoxSequence

__all__ = ["BoxCounts", "CountedBoxes", "OnDisk", "bare_frames", "counted_boxes"]

_LISTED = 40
"""Sequences that are listed; JSON has all."""

# Characters of a line in which labels may have columns of their own.
_LINE = 120


@dataclass(frozen=True, slots=True)
class OnDisk:
    """What lies beside the boxes of a sequence.

    Parameters
    ----------
    images : int or None
        On disk; None where they were not found.
    covered : dict of str
        By database beside it, how many of the images have a key, in words.
    """

    images: int | None = None
    covered: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BoxCounts:
    """What one source says of one sequence.

    Parameters
    ----------
    sequence : BoxSequence
    source : str or None
        `truth`, `detector`, the name of a tracker; None where nobody says anything.
    labels : dict of int
        Boxes by label, those to be ignored too.
    ids : int
        Different identities.
    boxes_per_id : float or None
        Median; None where there is no identity.
    frames : int
        Frames with a box.
    bare : int
        Annotated frames without a box.
    ignored : int
        Boxes to be ignored.
    scores : tuple of float or None
        Lowest and highest; None where there are none.
    on_disk : OnDisk
    """

    sequence: BoxSequence
    source: str | None
    labels: dict[str, int]
    ids: int
    boxes_per_id: float | None
    frames: int
    bare: int
    ignored: int
    scores: tuple[float, float] | None
    on_disk: OnDisk

    @property
    def annotated(self) -> int:
        """Annotated frames of the sequence."""
        return frames_in(self.sequence.annotated)

    def as_json(self) -> dict[str, Any]:
        """Return the counts as a JSON-ready dictionary."""
        return {
            "sequence": self.sequence.name,
            "frames": self.sequence.length,
            "annotated": self.annotated,
            "pattern": self.sequence.images,
            "images": self.on_disk.images,
            "covered": self.on_disk.covered,
            "source": self.source,
            "boxes": sum(self.labels.values()),
            "labels": self.labels,
            "ignored": self.ignored,
            "ids": self.ids,
            "boxes_per_id": self.boxes_per_id,
            "frames_with_boxes": self.frames,
            "frames_without_boxes": self.bare,
            "scores": None if self.scores is None else list(self.scores),
        }


@dataclass(frozen=True, slots=True)
class CountedBoxes:
    """Counts of all sequences and sources, as tables.

    Parameters
    ----------
    counts : tuple of BoxCounts
        By sequence, and in it by source.
    """

    counts: tuple[BoxCounts, ...]

    def tables(self) -> list[tuple[list[str], list[list[str]]]]:
        """Return headings and rows of texts; columns that would say the same of all are left out.

        Labels that are too many for columns of their own have a table by themselves, over all sequences.
        """
        labels = sorted({label for one in self.counts for label in one.labels})
        whole = self._table(labels or None)
        widths = [max(map(len, column)) + 2 for column in zip(whole[0], *whole[1], strict=True)]
        return [whole] if sum(widths) <= _LINE or not labels else [self._table(None), self._by_label(labels)]

    def _table(self, labels: list[str] | None) -> tuple[list[str], list[list[str]]]:
        columns = self._columns(labels)
        listed = set(list(dict.fromkeys(one.sequence.name for one in self.counts))[:_LISTED])
        rows = [[str(cell(one)) for _, cell in columns] for one in self.counts if one.sequence.name in listed]
        return [name for name, _ in columns], rows

    def _columns(self, labels: list[str] | None) -> list[tuple[str, Callable[[BoxCounts], object]]]:
        """Return headings, and what stands below them for each source of a sequence."""
        columns: list[tuple[str, Callable[[BoxCounts], object]]] = [("sequence", lambda one: one.sequence.name)]
        if any(one.on_disk.images is not None for one in self.counts):
            columns.append(("images", lambda one: "-" if one.on_disk.images is None else one.on_disk.images))
        columns.append(("frames", lambda one: one.sequence.length))
        if any(one.annotated != one.sequence.length for one in self.counts):
            columns.append(("annotated", lambda one: one.annotated))
        columns += [("source", lambda one: one.source or "-"), ("with boxes", lambda one: one.frames)]
        if labels is None:
            columns.append(("boxes", lambda one: sum(one.labels.values())))
        columns += [(name, lambda one, name=name: one.labels.get(name, 0)) for name in labels or ()]  # type: ignore[misc]
        if any(one.ignored for one in self.counts):
            columns.append(("ignored", lambda one: one.ignored))
        columns.append(("ids", lambda one: one.ids))
        columns.append(("per id", lambda one: "-" if one.boxes_per_id is None else f"{one.boxes_per_id:g}"))
        databases = dict.fromkeys(name for one in self.counts for name in one.on_disk.covered)
        columns += [(name, lambda one, name=name: one.on_disk.covered.get(name, "-")) for name in databases]  # type: ignore[misc]
        return columns

    def _by_label(self, labels: list[str]) -> tuple[list[str], list[list[str]]]:
        total: Counter[tuple[str, str]] = Counter()
        for one in self.counts:
            total.update({(label, one.source or "-"): count for label, count in one.labels.items()})
        sources = sorted({source for _, source in total})
        return ["label", *sources], [[label, *(str(total[label, source]) for source in sources)] for label in labels]

    @property
    def remark(self) -> str | None:
        """How many sequences are not listed; None where all are."""
        count = len({one.sequence.name for one in self.counts})
        return None if count <= _LISTED else f"{_LISTED} of {count} sequences are listed: --json has all"

    def as_json(self) -> list[dict[str, Any]]:
        """Return all counts as JSON-ready dictionaries."""
        return [one.as_json() for one in self.counts]


def counted_boxes(boxes: Boxes, on_disk: Mapping[str, OnDisk] | None = None) -> CountedBoxes:
    """Count what each source says of each sequence, in their order; one without a box stands there by itself.

    Parameters
    ----------
    boxes : Boxes
    on_disk : mapping of str to OnDisk, optional
        What lies beside each sequence, by its name.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_boxes
    >>> [(one.sequence.name, one.source, one.ids) for one in counted_boxes(sample_boxes()).counts]
    [('left', 'detector', 0), ('left', 'truth', 2), ('right', 'truth', 1)]
    """
    names = {name: number for number, name in enumerate(sorted(set(boxes.source)))}
    sources = np.fromiter(map(names.__getitem__, boxes.source), np.int64, len(boxes))
    beside = on_disk or {}
    ends = np.searchsorted(boxes.sequence_index, np.arange(len(boxes.header.sequences) + 1)).tolist()
    found: list[BoxCounts] = []
    for index, sequence in enumerate(boxes.header.sequences):
        own = np.arange(ends[index], ends[index + 1])
        parts: list[tuple[str | None, NDArray[np.int64]]] = [
            (name, rows) for name, number in names.items() if len(rows := own[sources[own] == number])
        ]
        disk = beside.get(sequence.name, OnDisk())
        found += [_counts(boxes, sequence, source, rows, disk) for source, rows in parts or [(None, own)]]
    return CountedBoxes(tuple(found))


def _counts(
    boxes: Boxes, sequence: BoxSequence, source: str | None, rows: NDArray[np.int64], on_disk: OnDisk
) -> BoxCounts:
    ids = boxes.id[rows]
    _, each = np.unique(ids[ids >= 0], return_counts=True)
    held = np.unique(boxes.frame[rows])
    score = np.zeros(0) if boxes.score is None else boxes.score[rows]
    score = score[~np.isnan(score)]
    return BoxCounts(
        sequence=sequence,
        source=source,
        labels=dict(sorted(Counter(map(boxes.label.__getitem__, rows.tolist())).items())),
        ids=len(each),
        boxes_per_id=float(np.median(each)) if len(each) else None,
        frames=len(held),
        bare=bare_frames(sequence, held),
        ignored=int(boxes.ignored[rows].sum()),
        scores=(float(score.min()), float(score.max())) if len(score) else None,
        on_disk=on_disk,
    )


def bare_frames(sequence: BoxSequence, held: NDArray[np.int64]) -> int:
    """Return how many annotated frames hold nothing.

    Parameters
    ----------
    sequence : BoxSequence
    held : int64 (F,)
        Frames with a box, rising, each once.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_boxes
    >>> bare_frames(sample_boxes().header.sequences[0], np.array([0, 1]))
    8
    """
    spans = np.array([(span.start, span.stop) for span in sequence.annotated], np.int64).reshape(-1, 2)
    inside = np.searchsorted(held, spans[:, 1]) - np.searchsorted(held, spans[:, 0])
    return int((spans[:, 1] - spans[:, 0]).sum() - inside.sum())
