"""Boxes of sequences: how many of each label there are, whose they are, and how long identities stay."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.containers import Boxes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lapsdata.adapters import Adapter
    from lapsdata.errors import Problem
    from lapsdata.schema import BoxSequence
    from lapsdata.timebase import FrameRate

__all__ = ["BoxCounts", "InspectedBoxes", "box_counts", "boxes_table", "look_at_boxes"]

# So many labels have a column of their own; more stand in one.
_MOST_LABELS = 6


@dataclass(frozen=True, slots=True)
class BoxCounts:
    """What one source says of one sequence.

    Parameters
    ----------
    sequence : BoxSequence
    source : str or None
        None where nobody says anything.
    labels : dict of int
        Boxes by label, those to be ignored too.
    ids : int
        Different identities.
    boxes_per_id : float or None
        Median; None where there is no identity.
    frames : int
        Frames with a box.
    ignored : int
        Boxes to be ignored.
    """

    sequence: BoxSequence
    source: str | None
    labels: dict[str, int]
    ids: int
    boxes_per_id: float | None
    frames: int
    ignored: int

    def as_json(self) -> dict[str, Any]:
        """Return the counts as a JSON-ready dictionary."""
        return {
            "sequence": self.sequence.name,
            "length": self.sequence.length,
            "images": self.sequence.images,
            "source": self.source,
            "boxes": sum(self.labels.values()),
            "labels": self.labels,
            "ids": self.ids,
            "boxes_per_id": self.boxes_per_id,
            "frames_with_boxes": self.frames,
            "ignored": self.ignored,
        }


@dataclass(frozen=True, slots=True)
class InspectedBoxes:
    """Boxes that an adapter has read.

    Parameters
    ----------
    path : Path
    adapter : str
        The one that reads it.
    boxes : Boxes
    notes : tuple of Problem
        What is wrong with it, or was counted.
    """

    path: Path
    adapter: str
    boxes: Boxes
    notes: tuple[Problem, ...]

    def facts(self) -> dict[str, str]:
        """Return names and texts, in the order in which they are read; sequences have a table of their own."""
        told = self.boxes.facts()
        return {
            "folder" if self.path.is_dir() else "file": str(self.path),
            "format": f"{self.adapter}, read as boxes",
            **{name: told[name] for name in ("sequences", "identities", "boxes", "labels", "sources")},
            "images": _images_text(self.boxes),
            "read": "every row; no image was opened",
        }

    def tables(self) -> list[tuple[list[str], list[list[str]]]]:
        """Return the sequences, with headings and rows of texts."""
        return [boxes_table(self.boxes)]

    def as_json(self) -> dict[str, Any]:
        """Return everything but the notes, which a document lists by themselves."""
        return {
            "path": str(self.path),
            "format": self.adapter,
            "facts": self.facts(),
            "header": self.boxes.header.as_json(),
            "sequences": [one.as_json() for one in box_counts(self.boxes)],
        }


def look_at_boxes(path: Path, adapter: Adapter, rate: FrameRate | str | float | None = None) -> InspectedBoxes:
    """Read the boxes of others, all of them.

    Parameters
    ----------
    path : Path
    adapter : Adapter
        The one that knows it.
    rate : FrameRate, str or number, optional
        Frames per second, of what does not say it.

    Raises
    ------
    LapsError
        It cannot be read; says every row that is wrong.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lapsdata.adapters import find_adapter
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "gt.txt"
    >>> _ = path.write_text("1,7,10,20,30,40,1,1,0.5")
    >>> [one.labels for one in box_counts(look_at_boxes(path, find_adapter(path)[0]).boxes)]
    [{'pedestrian': 1}]
    """
    from lapsdata.adapters import read_adapted

    adapted = read_adapted(adapter, path, {"rate": rate})
    boxes = adapted.container
    if not isinstance(boxes, Boxes):
        raise TypeError(f"{adapter.name} promises boxes, and reads {type(boxes).__name__}")
    return InspectedBoxes(path, adapter.name, boxes, adapted.told(path))


def box_counts(boxes: Boxes) -> list[BoxCounts]:
    """Return what each source says of each sequence, in their order; one without a box stands there by itself.

    Parameters
    ----------
    boxes : Boxes

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_boxes
    >>> [(one.sequence.name, one.source, one.ids) for one in box_counts(sample_boxes())]
    [('left', 'detector', 0), ('left', 'truth', 2), ('right', 'truth', 1)]
    """
    names = {name: number for number, name in enumerate(sorted(set(boxes.source)))}
    sources = np.fromiter(map(names.__getitem__, boxes.source), np.int64, len(boxes))
    found: list[BoxCounts] = []
    for index, sequence in enumerate(boxes.header.sequences):
        own = boxes.sequence_index == index
        there = [(name, np.flatnonzero(own & (sources == number))) for name, number in names.items()]
        parts: Sequence[tuple[str | None, np.ndarray[Any, Any]]] = [(name, rows) for name, rows in there if len(rows)]
        found += [_counts(boxes, sequence, source, rows) for source, rows in parts or [(None, np.empty(0, np.int64))]]
    return found


def _counts(boxes: Boxes, sequence: BoxSequence, source: str | None, rows: np.ndarray[Any, Any]) -> BoxCounts:
    ids = boxes.id[rows]
    _, each = np.unique(ids[ids >= 0], return_counts=True)
    return BoxCounts(
        sequence,
        source,
        dict(sorted(Counter(map(boxes.label.__getitem__, rows.tolist())).items())),
        len(each),
        float(np.median(each)) if len(each) else None,
        len(np.unique(boxes.frame[rows])),
        int(boxes.ignored[rows].sum()),
    )


def boxes_table(boxes: Boxes) -> tuple[list[str], list[list[str]]]:
    """Return sequences and sources with their counts, as headings and rows of texts.

    Parameters
    ----------
    boxes : Boxes

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_boxes
    >>> columns, rows = boxes_table(sample_boxes())
    >>> dict(zip(columns, rows[1]))["player"]
    '2'
    """
    counts = box_counts(boxes)
    labels = sorted({label for one in counts for label in one.labels})
    apart = len(labels) <= _MOST_LABELS
    columns = ["sequence", "frames", "source", "with boxes", *(labels if apart else ["labels"])]
    rows = [
        [
            one.sequence.name,
            str(one.sequence.length),
            one.source or "-",
            str(one.frames),
            *([str(one.labels.get(label, 0)) for label in labels] if apart else [_labels_text(one.labels)]),
            str(one.ignored),
            str(one.ids),
            "-" if one.boxes_per_id is None else f"{one.boxes_per_id:g}",
        ]
        for one in counts
    ]
    return [*columns, "ignored", "ids", "per id"], rows


def _images_text(boxes: Boxes) -> str:
    sequences = boxes.header.sequences
    patterns = Counter(one.images for one in sequences if one.images is not None)
    parts = (f"{pattern} of {count}" for pattern, count in patterns.most_common())
    return f"{', '.join(parts)} of {len(sequences)} sequences" if patterns else "none is known"


def _labels_text(labels: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in labels.items()) or "-"
