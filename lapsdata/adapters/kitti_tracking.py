"""Labels of KITTI tracking: `frame id type truncated occluded alpha left top right bottom`, space, and a score.

Frames count from 0, and pixels from the left and top edges of the frame. `DontCare` is to be ignored, and has no
identity. What is said of space (size, place and turn in metres), truncation and occlusion have no place in a table of
boxes. How long sequences are stands in `evaluate_tracking.seqmap…`, where that is in a folder above.
"""

from __future__ import annotations

from itertools import islice
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

_ENDING, _SEQMAP = "*.txt", "evaluate_tracking.seqmap*"
_IGNORED = "DontCare"
_TYPES = frozenset(
    {"car", "van", "truck", "pedestrian", "person", "person_sitting", "cyclist", "tram", "misc", "dontcare"}
)
_NAMES = (
    *("frame", "id", "truncated", "occluded", "alpha", "left", "top", "right", "bottom"),
    *("height", "width", "length", "x", "y", "z", "turn", "score"),
)
_FIELDS = (17, 18)
_TYPE = 2


def recognises(path: Path) -> str | None:
    """Return "boxes" for a file of such rows, and for a folder with such files."""
    files = files_inside(path, _ENDING)[:1]
    fields = next((line.split() for file in files for line in head(file).splitlines() if line.strip()), [])
    return "boxes" if len(fields) in _FIELDS and fields[_TYPE].lower() in _TYPES else None


def read(
    path: Path,
    *,
    classes: Mapping[str, str] | None = None,
    rate: FrameRate | float | str | None = None,
    size: Size | None = None,
    whose: str | None = None,
) -> Adapted:
    r"""Read a file, or all files of a folder, each of them a sequence.

    Parameters
    ----------
    path : Path
    classes : mapping of str, optional
        Another name for a type.
    rate : FrameRate, number or str, optional
        Frames per second, which the files do not say; KITTI's own have 10.
    size : Size, optional
        Size of a frame, which the files do not say.
    whose : str, optional
        Who says so; by default `truth` where rows have no score, else the name of the folder.

    Raises
    ------
    SchemaError
        Rows that are none, named by file and line.
    StorageError
        It cannot be read.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "0000.txt"
    >>> car, other = "0 1 Car 0 0 -1.5 10 20 40.5 60", "0 -1 DontCare -1 -1 -10 1 2 3 4"
    >>> _ = path.write_text(f"{car} 1 1 3 0 1 8 0\n{other} -1 -1 -1 -1 -1 -1 -1\n")
    >>> boxes = read(path).container
    >>> boxes.label, boxes.ignored.tolist(), boxes.w.tolist()
    (('Car', 'DontCare'), [False, True], [30.5, 2.0])
    """
    files = files_inside(existing(path), _ENDING)
    rows = BoxRows(path)
    lengths = _lengths(path, rows)
    fps = None if rate is None else FrameRate.parse(rate)
    for file in files:
        part, places = _rows(file, classes or {}, whose, rows)
        rows.add(file.stem, part, places.__getitem__, length=lengths.get(file.stem), rate=fps, size=size)
    return rows.adapted([parent("labels", file) for file in files])


def _lengths(path: Path, rows: BoxRows) -> dict[str, int]:
    """Return the number of frames of each sequence, as the list above says it: name, a word, first and end."""
    above = (path, *path.absolute().parents)
    found = next((one for place in islice(above, 4) if place.is_dir() for one in sorted(place.glob(_SEQMAP))), None)
    lengths: dict[str, int] = {}
    for number, line in lines(found, "\0") if found is not None else ():
        fields = line.split()
        if len(fields) != 4 or not fields[3].isdigit():
            message = f"expected a name, a word, first and end frame, got {line[:60]!r}"
            rows.problems.add("wrong-seqmap", f"{found}: line {number}", message)
        else:
            lengths[fields[0]] = int(fields[3])
    return lengths


def _rows(file: Path, classes: Mapping[str, str], whose: str | None, rows: BoxRows) -> tuple[RowsOfBoxes, list[str]]:
    numbers: list[list[float]] = []
    types: list[str] = []
    places: list[str] = []
    width = 0
    for line, text in lines(file, "\0"):
        place, fields = f"{file}: line {line}", text.split()
        width = width or len(fields)
        if len(fields) not in _FIELDS or len(fields) != width:
            message = f"expected {width if width in _FIELDS else '17 or 18'} columns, got {len(fields)}"
            rows.problems.add("wrong-columns", place, message, "frame id type truncated occluded alpha left top …")
            continue
        given = field_numbers(
            place, fields[:_TYPE] + fields[_TYPE + 1 :], _NAMES[: len(fields) - 1], rows.problems, whole=2
        )
        if given is not None:
            numbers.append(given)
            types.append(fields[_TYPE])
            places.append(place)
    if not numbers:
        rows.note("empty-file", str(file), "expected rows, got none: read as nothing found in any frame")
    scored = width == max(_FIELDS)
    every = np.array(numbers, np.float64).reshape(len(numbers), -1 if numbers else len(_NAMES))
    ignored = np.array([one == _IGNORED for one in types], bool)
    if numbers:
        message = "no place for truncation, occlusion and what is said of space: left out"
        rows.note("fields-left-out", str(file), message, info=True)
    boxes = convert_boxes(np.ascontiguousarray(every[:, 5:9]), source="xyxy", target="xywh")
    part = RowsOfBoxes(
        frame=every[:, 0].astype(np.int64),
        id=np.where(ignored, -1, every[:, 1]).astype(np.int64),
        xywh=shift_boxes(boxes, form="xywh", source="edge", target="centre"),
        label=[classes.get(one, one) for one in types],
        source=whose or (file.absolute().parent.name if scored else TRUTH),
        ignored=ignored,
        score=np.ascontiguousarray(every[:, 16]) if scored else None,
    )
    return part, places


PLUGIN = Adapter(
    "kitti_tracking",
    "Labels and results of KITTI tracking",
    recognises,
    read,
    takes=frozenset({"classes", "rate", "size", "whose"}),
)
