"""Boxes of others: what each sequence holds, which images it has on disk, and what databases beside them cover."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.containers import Boxes

if TYPE_CHECKING:
    from pathlib import Path

    from lapsdata.adapters import Adapter
    from lapsdata.checks.detections import CoveredSequence
    from lapsdata.errors import Problem
    from lapsdata.timebase import FrameRate

__all__ = ["InspectedBoxes", "ListedSequence", "look_at_boxes"]

_LISTED = 40
"""Sequences that are listed; JSON has all."""

_LABELS = 6
"""Labels that have a column of their own."""


@dataclass(frozen=True, slots=True)
class ListedSequence:
    """One sequence.

    Parameters
    ----------
    name : str
    frames, annotated, boxes, identities, without_boxes : int
        Of annotated frames, `without_boxes` hold none.
    labels : dict of int
        Boxes of each label.
    scores : tuple of float or None
        Lowest and highest; None where there are none.
    images : int or None
        On disk; None where they were not found.
    covered : dict of str
        By database beside it, how many of the images have a key, in words.
    """

    name: str
    frames: int
    annotated: int
    boxes: int
    identities: int
    without_boxes: int
    labels: dict[str, int]
    scores: tuple[float, float] | None
    images: int | None
    covered: dict[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return the sequence as a JSON-ready dictionary."""
        plain = {name: getattr(self, name) for name in self.__slots__}
        return {**plain, "scores": None if self.scores is None else list(self.scores)}


@dataclass(frozen=True, slots=True)
class InspectedBoxes:
    """Boxes of others, read whole.

    Parameters
    ----------
    path : Path
    adapter : str
        The one that reads it.
    boxes : Boxes
    notes : tuple of Problem
        What is to be said of them.
    sequences : tuple of ListedSequence
    """

    path: Path
    adapter: str
    boxes: Boxes
    notes: tuple[Problem, ...]
    sequences: tuple[ListedSequence, ...]

    def facts(self) -> dict[str, str]:
        """Return names and texts, in the order in which they are read; sequences have a table of their own."""
        told = self.boxes.facts()
        frames, annotated = (sum(getattr(one, name) for one in self.sequences) for name in ("frames", "annotated"))
        scores = [one.scores for one in self.sequences if one.scores is not None]
        facts = {
            "folder" if self.path.is_dir() else "file": str(self.path),
            "format": f"{self.adapter}, read as boxes",
            "sequences": told["sequences"],
            "frames": f"{frames:,}, {annotated:,} annotated, "
            f"{sum(one.without_boxes for one in self.sequences):,} of these without boxes",
            "boxes": told["boxes"],
            "per frame": f"{len(self.boxes) / annotated:.1f} in annotated frames" if annotated else "-",
            "identities": told["identities"],
            "labels": told["labels"],
        }
        if scores:
            facts["scores"] = f"{min(low for low, _ in scores):g} to {max(high for _, high in scores):g}"
        return facts

    def tables(self) -> list[tuple[list[str], list[list[str]]]]:
        """Return the sequences, with headings and rows of texts."""
        labels = list(dict.fromkeys(name for one in self.sequences for name in one.labels))
        own = labels if 1 < len(labels) <= _LABELS else []
        databases = list(dict.fromkeys(name for one in self.sequences for name in one.covered))
        columns = ["sequence", "images", "frames", "annotated", "without boxes", "boxes", *own, "ids", *databases]
        rows = [
            [
                one.name,
                "-" if one.images is None else str(one.images),
                *(str(count) for count in (one.frames, one.annotated, one.without_boxes, one.boxes)),
                *(str(one.labels.get(name, 0)) for name in own),
                str(one.identities),
                *(one.covered.get(name, "-") for name in databases),
            ]
            for one in self.sequences[:_LISTED]
        ]
        return [(columns, rows)]

    @property
    def remark(self) -> str | None:
        """How many sequences are not listed; None where all are."""
        count = len(self.sequences)
        return None if count <= _LISTED else f"{_LISTED} of {count} sequences are listed: --json has all"

    def as_json(self) -> dict[str, Any]:
        """Return everything but the notes, which a document lists by themselves."""
        return {
            "path": str(self.path),
            "format": self.adapter,
            "facts": self.facts(),
            "header": self.boxes.header.as_json(),
            "sequences": [one.as_json() for one in self.sequences],
        }


def look_at_boxes(path: Path, adapter: Adapter, rate: FrameRate | None = None) -> InspectedBoxes:
    """Read boxes of others, and look for their images: in the folder of a file, or in the folder that is named.

    In that folder databases of detections are looked for too, and read: how many images of a sequence have a key there.

    Parameters
    ----------
    path : Path
    adapter : Adapter
        The one that knows it.
    rate : FrameRate, optional
        Frames per second, of what does not say it.

    Raises
    ------
    LapsError
        It cannot be read.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lapsdata.adapters import find_adapter
    >>> root = pathlib.Path(tempfile.mkdtemp())
    >>> (root / "a" / "img1").mkdir(parents=True)
    >>> (root / "a" / "img1" / "000001.jpg").touch()
    >>> path = root / "det_db.json"
    >>> _ = path.write_text('{"a/img1/000001": ["1,2,3,4,0.5"], "a/img1/000002": []}')
    >>> [(one.name, one.annotated, one.images) for one in look_at_boxes(path, find_adapter(path)[0]).sequences]
    [('a', 2, 1)]
    """
    from lapsdata.adapters import read_adapted
    from lapsdata.checks.detections import coverage

    adapted = read_adapted(adapter, path, {"rate": rate})
    boxes = adapted.container
    if not isinstance(boxes, Boxes):
        raise TypeError(f"{adapter.name} promises boxes, and reads {type(boxes).__name__}")
    root = path if path.is_dir() else path.absolute().parent
    on_disk = coverage(boxes, root)
    databases = _databases(root) if path.is_dir() else {}
    sequences = tuple(_listed(boxes, at, one, databases) for at, one in enumerate(on_disk))
    return InspectedBoxes(path, adapter.name, boxes, adapted.told(path), sequences)


def _databases(root: Path) -> dict[str, dict[str, CoveredSequence]]:
    """Return what the databases of a folder cover, by their names and those of sequences."""
    from lapsdata.checks.boxes import boxes_adapter, read_boxes
    from lapsdata.checks.detections import coverage

    found = {}
    for file in sorted(root.glob("*.json")):
        adapter = boxes_adapter(file)
        boxes = read_boxes(file) if adapter is not None and adapter.name == "detection_db" else None
        if boxes is not None:
            found[file.name] = {one.name: one for one in coverage(boxes, root)}
    return found


def _listed(
    boxes: Boxes, at: int, on_disk: CoveredSequence, databases: dict[str, dict[str, CoveredSequence]]
) -> ListedSequence:
    sequence = boxes.header.sequences[at]
    first, last = np.searchsorted(boxes.sequence_index, (at, at + 1)).tolist()
    part = slice(first, last)
    labels: dict[str, int] = {}
    for name in boxes.label[part]:
        labels[name] = labels.get(name, 0) + 1
    annotated = sum(span.stop - span.start for span in sequence.annotated)
    held = np.unique(boxes.frame[part])
    inside = sum(int(((held >= span.start) & (held < span.stop)).sum()) for span in sequence.annotated)
    score = np.zeros(0) if boxes.score is None else boxes.score[part]
    score = score[~np.isnan(score)]
    ids = boxes.id[part]
    return ListedSequence(
        name=sequence.name,
        frames=sequence.length,
        annotated=annotated,
        boxes=last - first,
        identities=len(np.unique(ids[ids >= 0])),
        without_boxes=annotated - inside,
        labels=dict(sorted(labels.items())),
        scores=(float(score.min()), float(score.max())) if len(score) else None,
        images=None if on_disk.folder is None else len(on_disk.images),
        covered={name: known[sequence.name].text for name, known in databases.items() if sequence.name in known},
    )
