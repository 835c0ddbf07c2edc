"""Truth of UA-DETRAC: a `<sequence>` in XML, or `gtInfo` in a MAT file.

Frames count from 1, and so do pixels. In XML boxes have a type, and a sequence has regions that are to be ignored in
every frame; in MAT files a box is told by the middle of its lower edge, its width and height, and a width of 0 is none.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple
from xml.etree import ElementTree

import numpy as np

from lapsdata.adapters._adapter import Adapted, Adapter
from lapsdata.adapters._box_faults import TRUTH, RowsOfBoxes
from lapsdata.adapters._box_rows import BoxRows
from lapsdata.adapters._number_rows import field_numbers
from lapsdata.adapters._texts import files_inside, head
from lapsdata.errors import LapsError
from lapsdata.geometry import shift_boxes
from lapsdata.provenance import parent
from lapsdata.storage.atomic import existing, storage_errors
from lapsdata.timebase import FrameRate

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from lapsdata.schema.base import Size

__all__ = ["PLUGIN", "read"]

_XML, _MAT = "*.xml", "*.mat"
# Remarks may stand in front, and other attributes beside the name.
_ROOT = re.compile(r"\s*(?:<\?xml[^>]*\?>\s*)?(?:<!--.*?-->\s*)*<sequence\s(?:[^>]*\s)?name=", re.DOTALL)
# Of MATLAB's own MAT files, the version that is no HDF5.
_MAT_HEAD = b"MATLAB 5.0 MAT-file"
_SIDES = ("left", "top", "width", "height")
_REGION, _ALONE = "ignored_region", "vehicle"


class _Found(NamedTuple):
    """The boxes of a sequence as their file says them."""

    name: str
    number: list[int]
    id: list[int]
    xywh: list[list[float]]
    label: list[str]
    regions: list[list[float]]
    length: int | None = None


def recognises(path: Path) -> str | None:
    """Return "boxes" for such a file, and for a folder with such files."""
    files = files_inside(path, _XML, _MAT)[:1]
    return "boxes" if any(_is_xml(one) or _is_mat(one) for one in files) else None


def _is_xml(path: Path) -> bool:
    return path.suffix == ".xml" and _ROOT.match(head(path)) is not None


def _is_mat(path: Path) -> bool:
    if path.suffix != ".mat" or not path.is_file():
        return False
    with storage_errors(path, "open"), path.open("rb") as file:
        return file.read(len(_MAT_HEAD)) == _MAT_HEAD


def read(
    path: Path,
    *,
    classes: Mapping[str, str] | None = None,
    rate: FrameRate | float | str | None = None,
    size: Size | None = None,
) -> Adapted:
    """Read a file, or all files of a folder, each of them a sequence.

    Parameters
    ----------
    path : Path
    classes : mapping of str, optional
        Another name for a type of vehicles; those of MAT files have none, and are called `vehicle`.
    rate : FrameRate, number or str, optional
        Frames per second, which the files do not say; UA-DETRAC's own have 25.
    size : Size, optional
        Size of a frame, which the files do not say; UA-DETRAC's own are 960 x 540.

    Returns
    -------
    Adapted
        Regions to be ignored stand in every frame up to the last one with a box.

    Raises
    ------
    SchemaError
        No XML or MAT file as it should be; what is wrong is named.
    StorageError
        It cannot be read.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "MVI_1.xml"
    >>> box = '<target id="3"><box left="10" top="20" width="30" height="40"/><attribute vehicle_type="bus"/></target>'
    >>> _ = path.write_text(
    ...     f'<sequence name="MVI_1"><frame num="2"><target_list>{box}</target_list></frame></sequence>'
    ... )
    >>> boxes = read(path).container
    >>> boxes.frame.tolist(), boxes.label, boxes.x.tolist()
    ([1], ('bus',), [8.5])
    """
    files = files_inside(existing(path), _XML, _MAT)
    rows = BoxRows(path)
    for file in files:
        found = _of_xml(file, rows) if file.suffix == ".xml" else _of_mat(file, rows)
        if found is not None:
            _add(file, found, classes or {}, None if rate is None else FrameRate.parse(rate), size, rows)
    return rows.adapted([parent("truth", file) for file in files])


def _of_xml(file: Path, rows: BoxRows) -> _Found | None:
    with storage_errors(file, "read"):
        data = file.read_bytes()
    try:
        root = ElementTree.fromstring(data)  # noqa: S314 - expat itself stops entities that grow
    except ElementTree.ParseError as error:
        rows.problems.add("wrong-xml", str(file), f"expected XML of UA-DETRAC, got: {error}")
        return None
    found = _Found(root.get("name") or file.stem, [], [], [], [], [])
    for box in root.iterfind("ignored_region/box"):
        sides = _sides(f"{file}: {_REGION}", box, rows)
        if sides is not None:
            found.regions.append(sides)
    for frame in root.iter("frame"):
        for target in frame.iter("target"):
            place = f"{file}: frame {frame.get('num')}, target {target.get('id')}"
            texts = [str(frame.get("num")), str(target.get("id"))]
            numbers = field_numbers(place, texts, ("frame", "id"), rows.problems, whole=2)
            sides = _sides(place, target.find("box"), rows)
            if numbers is not None and sides is not None:
                attribute = target.find("attribute")
                found.number.append(int(numbers[0]))
                found.id.append(int(numbers[1]))
                found.xywh.append(sides)
                found.label.append((None if attribute is None else attribute.get("vehicle_type")) or _ALONE)
    return found


def _sides(place: str, box: ElementTree.Element | None, rows: BoxRows) -> list[float] | None:
    if box is None:
        rows.problems.add("wrong-xml", place, "expected a box, got none")
        return None
    return field_numbers(place, [str(box.get(side)) for side in _SIDES], _SIDES, rows.problems)


def _of_mat(file: Path, rows: BoxRows) -> _Found | None:
    from scipy.io import loadmat

    wanted = ("X", "Y", "W", "H", "frameNums")
    try:
        with storage_errors(file, "read"):
            info = loadmat(str(file), variable_names=["gtInfo"])["gtInfo"]
        x, y, w, h, numbers = (np.asarray(info[name][0, 0], np.float64) for name in wanted)
    except LapsError:
        raise
    except Exception as error:  # noqa: BLE001 - scipy has no error of its own for what is damaged
        message = f"expected gtInfo with {', '.join(wanted)}, got: {type(error).__name__} {error}"
        rows.problems.add("wrong-mat", str(file), message, "save it with -v7, as UA-DETRAC has it")
        return None
    numbers = numbers.ravel()
    if not (x.shape == y.shape == w.shape == h.shape and x.ndim == 2 and len(x) == len(numbers)):
        message = f"expected X, Y, W, H of one shape, a row for each of {len(numbers)} frames, got {x.shape}, {y.shape}"
        rows.problems.add("wrong-mat", str(file), f"{message}, {w.shape}, {h.shape}")
        return None
    at, column = np.nonzero(w)
    there = (at, column)
    sides = np.stack([x[there] - w[there] / 2, y[there] - h[there], w[there], h[there]], axis=1)
    frames = [int(one) for one in numbers[at]]
    return _Found(file.stem, frames, (column + 1).tolist(), sides.tolist(), [_ALONE] * len(at), [], _length(numbers))


def _length(numbers: NDArray[np.float64]) -> int | None:
    """Return the number of frames where all of them are listed."""
    return len(numbers) if np.array_equal(numbers, np.arange(1, len(numbers) + 1)) and len(numbers) else None


def _add(
    file: Path, found: _Found, classes: Mapping[str, str], rate: FrameRate | None, size: Size | None, rows: BoxRows
) -> None:
    count, regions = len(found.number), len(found.regions)
    frames = max(found.number, default=0) if regions else 0
    number = np.array(found.number, np.int64)
    every = np.concatenate([number - 1, np.repeat(np.arange(frames, dtype=np.int64), regions)])
    xywh = np.array([*found.xywh, *found.regions * frames], np.float64).reshape(-1, 4)
    if regions:
        message = f"{regions} regions are to be ignored in every frame: {frames * regions} boxes"
        rows.note("ignored-regions", found.name, message, info=True)
    part = RowsOfBoxes(
        frame=every,
        id=np.concatenate([np.array(found.id, np.int64), np.full(frames * regions, -1, np.int64)]),
        xywh=shift_boxes(xywh, form="xywh", source="one_based", target="centre"),
        label=[classes.get(one, one) for one in [*found.label, *[_REGION] * (frames * regions)]],
        source=TRUTH,
        ignored=np.arange(len(every)) >= count,
    )
    rows.add(
        found.name, part, _Places(file, number, found.id), length=found.length, rate=rate, size=size, first_number=1
    )


class _Places:
    """Where a box stands in its file."""

    def __init__(self, file: Path, number: NDArray[np.int64], identity: list[int]) -> None:
        self._file, self._number, self._id = file, number, identity

    def __call__(self, row: int) -> str:
        if row >= len(self._id):
            return f"{self._file}: {_REGION}"
        return f"{self._file}: frame {self._number[row]}, target {self._id[row]}"


PLUGIN = Adapter(
    "ua_detrac", "Truth of UA-DETRAC, XML and MAT", recognises, read, takes=frozenset({"classes", "rate", "size"})
)
