"""Boxes of VATIC's text: `track xmin ymin xmax ymax frame lost occluded generated "label" "attribute" …`.

Frames count from 0, and pixels from the left and top edges of the frame. A row that is lost says that the object is not
to be seen: no box. Attributes, and whether a box is occluded or interpolated, have no place in a table of boxes.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from lapsdata.adapters._adapter import Adapted, Adapter
from lapsdata.adapters._box_faults import TRUTH, RowsOfBoxes
from lapsdata.adapters._box_rows import BoxRows
from lapsdata.adapters._number_rows import field_numbers
from lapsdata.adapters._texts import files_inside, head, lines
from lapsdata.geometry import convert_boxes, shift_boxes
from lapsdata.provenance import parent
from lapsdata.storage.atomic import existing
from lapsdata.timebase import FrameRate

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from lapsdata.schema.base import Size

__all__ = ["PLUGIN", "read"]

_ENDING = "*.txt"
_NAMES = ("track", "xmin", "ymin", "xmax", "ymax", "frame", "lost", "occluded", "generated")
_ROW = re.compile(r'(?P<numbers>(?:[^\s"]+\s+){9})"(?P<label>[^"]*)"(?P<attributes>(?:\s+"[^"]*")*)\s*')


def recognises(path: Path) -> str | None:
    """Return "boxes" for a file of such rows, and for a folder with such files."""
    files = [one for one in files_inside(path, _ENDING)[:1] if one.suffix == ".txt"]
    first = next((line for file in files for line in head(file).splitlines() if line.strip()), "")
    return "boxes" if _ROW.fullmatch(first.strip()) else None


def read(
    path: Path,
    *,
    classes: Mapping[str, str] | None = None,
    rate: FrameRate | float | str | None = None,
    size: Size | None = None,
) -> Adapted:
    r"""Read a file, or all files of a folder, each of them a sequence.

    Parameters
    ----------
    path : Path
    classes : mapping of str, optional
        Another name for a label.
    rate : FrameRate, number or str, optional
        Frames per second, which the files do not say.
    size : Size, optional
        Size of a frame, which the files do not say.

    Raises
    ------
    SchemaError
        Rows that are none, named by file and line.
    StorageError
        It cannot be read.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "yard.txt"
    >>> _ = path.write_text('0 10 20 40 60 0 0 0 0 "worker"\n0 11 20 41 60 1 0 1 1 "worker" "walks"\n')
    >>> boxes = read(path).container
    >>> boxes.frame.tolist(), boxes.x.tolist(), boxes.w.tolist(), boxes.label
    ([0, 1], [9.5, 10.5], [30.0, 30.0], ('worker', 'worker'))
    """
    files = files_inside(existing(path), _ENDING)
    rows = BoxRows(path)
    for file in files:
        _add(file, classes or {}, None if rate is None else FrameRate.parse(rate), size, rows)
    return rows.adapted([parent("truth", file) for file in files])


def _add(file: Path, classes: Mapping[str, str], rate: FrameRate | None, size: Size | None, rows: BoxRows) -> None:
    numbers: list[list[float]] = []
    labels: list[str] = []
    places: list[str] = []
    attributes = 0
    for line, text in lines(file, "\0"):
        place = f"{file}: line {line}"
        found = _ROW.fullmatch(text)
        if found is None:
            message = f'expected {" ".join(_NAMES)} "label", got {text[:60]!r}'
            rows.problems.add("wrong-row", place, message, "nine numbers, and texts in quotes")
            continue
        given = field_numbers(place, found["numbers"].split(), _NAMES, rows.problems)
        if given is None or not _whole(place, given, rows):
            continue
        numbers.append(given)
        labels.append(classes.get(found["label"], found["label"]))
        places.append(place)
        attributes += bool(found["attributes"])
    every = np.array(numbers, np.float64).reshape(-1, len(_NAMES))
    kept = np.flatnonzero(every[:, 6] == 0)
    name = file.stem
    lost = len(every) - len(kept)
    rows.count("lost-boxes", name, lost, f"{lost} rows say that the object is not to be seen: left out", info=True)
    flags = {"occluded": int(every[kept, 7].sum()), "interpolated": int(every[kept, 8].sum()), "attributes": attributes}
    if told := ", ".join(f"{count} {word}" for word, count in flags.items() if count):
        rows.note("marks-left-out", name, f"no place for what rows are marked with: {told}", info=True)
    corners = np.ascontiguousarray(every[kept, 1:5])
    boxes = convert_boxes(corners, source="xyxy", target="xywh")
    part = RowsOfBoxes(
        frame=every[kept, 5].astype(np.int64),
        id=every[kept, 0].astype(np.int64),
        xywh=shift_boxes(boxes, form="xywh", source="edge", target="centre"),
        label=[labels[row] for row in kept.tolist()],
        source=TRUTH,
    )
    # A row that is lost says that its frame was looked at.
    length = int(every[:, 5].max()) + 1 if len(every) else None
    if length is not None:
        rows.note(
            "length-unknown",
            name,
            f"how long it is, is not told: it ends with its last row, at {length} frames",
            info=True,
        )
    rows.add(name, part, lambda row: places[int(kept[row])], length=length, rate=rate, size=size)


def _whole(place: str, numbers: list[float], rows: BoxRows) -> bool:
    """Say whether what counts is whole, and what is a mark is 0 or 1."""
    for column, least in ((0, 0), (5, 0)):
        if not (numbers[column].is_integer() and numbers[column] >= least):
            message = f"expected a whole {_NAMES[column]} from 0, got {numbers[column]:g}"
            rows.problems.add("wrong-number", place, message)
            return False
    for column in (6, 7, 8):
        if numbers[column] not in (0, 1):
            message = f"expected 0 or 1 for {_NAMES[column]}, got {numbers[column]:g}"
            rows.problems.add("wrong-number", place, message)
            return False
    return True


PLUGIN = Adapter("vatic", "Boxes of VATIC's text", recognises, read, takes=frozenset({"classes", "rate", "size"}))
