"""Annotations of VisDrone MOT: `frame,id,left,top,width,height,score,class,truncation,occlusion`.

Frames count from 1, pixels from the left and top edges of the frame. A score of 0 says that a box is to be ignored;
ignored regions (class 0) have no identity. Truncation and occlusion have no place in a table of boxes. Results, whose
last two columns are -1, are rows of MOTChallenge, with classes that `--classes` gives names to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lapsdata.adapters._adapter import Adapted, Adapter
from lapsdata.adapters._box_faults import TRUTH, RowsOfBoxes
from lapsdata.adapters._box_rows import BoxRows
from lapsdata.adapters._class_names import ClassNames, told_names
from lapsdata.adapters._number_rows import read_numbers
from lapsdata.adapters._texts import files_inside, head
from lapsdata.adapters.motchallenge.places import are_visdrone
from lapsdata.errors import SchemaError
from lapsdata.geometry import shift_boxes
from lapsdata.provenance import parent
from lapsdata.storage.atomic import existing
from lapsdata.timebase import FrameRate

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from lapsdata.schema.base import Size

__all__ = ["CLASSES", "PLUGIN", "read"]

CLASSES = (
    *("ignored_region", "pedestrian", "people", "bicycle", "car", "van", "truck"),
    *("tricycle", "awning-tricycle", "bus", "motor", "others"),
)
"""Classes 0 to 11."""

_ENDING = "*.txt"
_NAMES = ("frame", "id", "left", "top", "width", "height", "score", "class", "truncation", "occlusion")
_TRUTH_NAMES = frozenset({"gt", "det"})


def recognises(path: Path) -> str | None:
    """Return "boxes" for a file of such rows, and for a folder with such files."""
    files = files_inside(path, _ENDING)[:1]
    fits = any(one.stem not in _TRUTH_NAMES and are_visdrone(head(one)) for one in files)
    return "boxes" if fits else None


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
        What classes are called, by number as text, or by another name.
    rate : FrameRate, number or str, optional
        Frames per second, which the files do not say.
    size : Size, optional
        Size of a frame, which the files do not say.

    Raises
    ------
    SchemaError
        Rows that are none, named by file, line and column.
    StorageError
        It cannot be read.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "uav0000013.txt"
    >>> _ = path.write_text("1,0,593,43,174,190,0,0,0,0\n1,7,10,20,30,40,1,4,0,1\n")
    >>> boxes = read(path).container
    >>> boxes.label, boxes.id.tolist(), boxes.ignored.tolist()
    (('ignored_region', 'car'), [-1, 7], [True, False])
    """
    files = files_inside(existing(path), _ENDING)
    rows = BoxRows(path)
    by_number, by_name = told_names(classes)
    names = ClassNames(dict(enumerate(CLASSES)) | by_number, by_name, CLASSES[-1])
    fps = None if rate is None else FrameRate.parse(rate)
    for file in files:
        _add(file, names, fps, size, rows)
    return rows.adapted([parent("truth", file) for file in files])


def _add(file: Path, names: ClassNames, rate: FrameRate | None, size: Size | None, rows: BoxRows) -> None:
    try:
        table = read_numbers(file, _NAMES, len(_NAMES))
    except SchemaError as error:
        rows.problems.extend(error.problems)
        return
    rows.notes += table.notes
    columns = table.columns or (np.empty(0),) * len(_NAMES)
    before = len(rows.problems)
    for at, least in ((0, 1), (1, -1), (7, 0)):
        wrong = ~((columns[at] == np.rint(columns[at])) & (columns[at] >= least))
        words = f"expected a whole {_NAMES[at]} from {least}"
        rows.refuse("wrong-number", _NAMES[at], wrong, table.where, words, columns[at])
    if len(rows.problems) > before:
        return
    numbers = columns[7].astype(np.int64)
    rows.note("fields-left-out", str(file), "no place for truncation and occlusion: left out", info=True)
    part = RowsOfBoxes(
        frame=columns[0].astype(np.int64) - 1,
        id=np.where(numbers == 0, -1, columns[1]).astype(np.int64),
        xywh=shift_boxes(np.stack(columns[2:6], axis=1), form="xywh", source="edge", target="centre"),
        label=names.labels(numbers, rows, str(file), "12=boat"),
        source=TRUTH,
        ignored=(columns[6] == 0) | (numbers == 0),
    )
    rows.add(file.stem, part, table.where, rate=rate, size=size, first_number=1)


PLUGIN = Adapter(
    "visdrone_mot", "Annotations of VisDrone MOT", recognises, read, takes=frozenset({"classes", "rate", "size"})
)
