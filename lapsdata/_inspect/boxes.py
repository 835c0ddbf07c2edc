"""Boxes of others, read whole: what each source says of each sequence, its images, and what databases cover."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata._inspect.box_counts import CountedBoxes, OnDisk, bare_frames, counted_boxes
from lapsdata.containers import Boxes
from lapsdata.errors import LapsError
from lapsdata.schema.boxes import frames_in

if TYPE_CHECKING:
    from pathlib import Path

    from lapsdata.adapters import Adapter
    from lapsdata.errors import Problem
    from lapsdata.timebase import FrameRate

__all__ = ["InspectedBoxes", "look_at_boxes"]


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
    counted : CountedBoxes
        By sequence and source.
    """

    path: Path
    adapter: str
    boxes: Boxes
    notes: tuple[Problem, ...]
    counted: CountedBoxes

    def facts(self) -> dict[str, str]:
        """Return names and texts, in the order in which they are read; sequences have a table of their own."""
        told = self.boxes.facts()
        counts = self.counted.counts
        scores = [one.scores for one in counts if one.scores is not None]
        facts = {
            "folder" if self.path.is_dir() else "file": str(self.path),
            "format": f"{self.adapter}, read as boxes",
            "sequences": told["sequences"],
            "frames": _frames_text(self.boxes),
            **{name: told[name] for name in ("boxes", "identities", "labels", "sources")},
        }
        if scores:
            facts["scores"] = f"{min(low for low, _ in scores):g} to {max(high for _, high in scores):g}"
        return {**facts, "images": _images_text(self.boxes, self.counted), "read": "every row; no image was opened"}

    def tables(self) -> list[tuple[list[str], list[list[str]]]]:
        """Return the sequences, with headings and rows of texts."""
        return self.counted.tables()

    @property
    def remark(self) -> str | None:
        """How many sequences are not listed; None where all are."""
        return self.counted.remark

    def as_json(self) -> dict[str, Any]:
        """Return everything but the notes, which a document lists by themselves."""
        return {
            "path": str(self.path),
            "format": self.adapter,
            "facts": self.facts(),
            "header": self.boxes.header.as_json(),
            "sequences": self.counted.as_json(),
        }


def look_at_boxes(path: Path, adapter: Adapter, rate: FrameRate | str | float | None = None) -> InspectedBoxes:
    """Read the boxes of others, all of them, and look for their images: beside a file, or in the folder that is named.

    In that folder databases of detections are looked for too, and read: how many images of a sequence have a key there.

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
    >>> root = pathlib.Path(tempfile.mkdtemp())
    >>> (root / "a" / "img1").mkdir(parents=True)
    >>> (root / "a" / "img1" / "000001.jpg").touch()
    >>> path = root / "det_db.json"
    >>> _ = path.write_text('{"a/img1/000001": ["1,2,3,4,0.5"], "a/img1/000002": []}')
    >>> found = look_at_boxes(path, find_adapter(path)[0])
    >>> [(one.sequence.name, one.annotated, one.on_disk.images) for one in found.counted.counts]
    [('a', 2, 1)]
    """
    from lapsdata.adapters import read_adapted

    adapted = read_adapted(adapter, path, {"rate": rate})
    boxes = adapted.container
    if not isinstance(boxes, Boxes):
        raise TypeError(f"{adapter.name} promises boxes, and reads {type(boxes).__name__}")
    notes = list(adapted.told(path))
    counted = counted_boxes(boxes, _on_disk(path, boxes, notes))
    return InspectedBoxes(path, adapter.name, boxes, tuple(notes), counted)


def _on_disk(path: Path, boxes: Boxes, notes: list[Problem]) -> dict[str, OnDisk]:
    """Return what lies beside the boxes of each sequence; of gt/gt.txt, beside its folder."""
    from lapsdata.checks.detections import coverage

    folder = path.absolute()
    places = (folder,) if path.is_dir() else (folder.parent, folder.parent.parent)
    found = coverage(boxes, places[0])
    for place in places[1:]:
        if all(one.folder is None for one in found):
            found = coverage(boxes, place)
    databases = _databases(folder, notes) if path.is_dir() else {}
    return {
        one.name: OnDisk(
            None if one.folder is None else len(one.images),
            {name: known[one.name] for name, known in databases.items() if one.name in known},
        )
        for one in found
    }


def _databases(root: Path, notes: list[Problem]) -> dict[str, dict[str, str]]:
    """Return what the databases of a folder cover, by their names and those of sequences; what is wrong is noted."""
    from lapsdata.adapters import find_adapter, read_boxes
    from lapsdata.checks.detections import coverage

    found = {}
    for file in sorted(root.glob("*.json")):
        known = find_adapter(file, ("boxes",))
        try:
            read = read_boxes(file) if known is not None and known[0].name == "detection_db" else None
        except LapsError as error:
            # One database that is damaged hides neither the truth nor the others.
            notes += [replace(problem, severity="warning") for problem in error.problems]
            continue
        if read is not None:
            notes += [
                note if note.where.startswith(str(file)) else note.within(str(file))
                for note in read.notes
                if note.severity != "info"
            ]
            found[file.name] = {one.name: one.text for one in coverage(read.boxes, root)}
    return found


def _frames_text(boxes: Boxes) -> str:
    sequences = boxes.header.sequences
    frames = sum(one.length for one in sequences)
    annotated = sum(frames_in(one.annotated) for one in sequences)
    ends = np.searchsorted(boxes.sequence_index, np.arange(len(sequences) + 1)).tolist()
    bare = sum(
        bare_frames(one, np.unique(boxes.frame[ends[index] : ends[index + 1]])) for index, one in enumerate(sequences)
    )
    each = f", {len(boxes) / annotated:.1f} boxes in each of these" if annotated else ""
    return f"{frames:,}, {annotated:,} annotated{each}, {bare:,} of them without boxes"


def _images_text(boxes: Boxes, counted: CountedBoxes) -> str:
    sequences = boxes.header.sequences
    patterns = Counter(one.images for one in sequences if one.images is not None)
    parts = [f"{pattern} of {count}" for pattern, count in patterns.most_common(3)]
    parts += [f"{len(patterns) - 3} more"] if len(patterns) > 3 else []
    named = f"{', '.join(parts)} of {len(sequences)} sequences" if patterns else "no name is known"
    there = {one.sequence.name: one.on_disk.images for one in counted.counts if one.on_disk.images is not None}
    return f"{named}; {sum(there.values()):,} on disk" if there else f"{named}; none was found on disk"
