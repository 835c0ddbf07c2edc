"""From the files of a benchmark to boxes: what each sequence says of itself, its frames, and the rows of everybody."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lapsdata.adapters._box_faults import TRUTH, RowsOfBoxes
from lapsdata.adapters._box_rows import BoxRows
from lapsdata.adapters._number_rows import read_numbers
from lapsdata.adapters.motchallenge.classes import LABELS, MOT_CLASSES, class_names, labels_beside
from lapsdata.adapters.motchallenge.columns import (
    COLUMNS,
    LEAST,
    MotRows,
    kind_of_columns,
    kind_of_source,
    mot_rows,
    whole_rows,
)
from lapsdata.adapters.motchallenge.places import MotFile, MotPlace, find_places
from lapsdata.adapters.motchallenge.seqinfo import SEQINFO, SequenceInfo, find_images, read_seqinfo
from lapsdata.errors import Problem, SchemaError, listed
from lapsdata.provenance import parent
from lapsdata.storage.atomic import existing
from lapsdata.timebase import FrameRate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pydantic import JsonValue

    from lapsdata.adapters._adapter import Adapted
    from lapsdata.adapters._box_rows import PlacedRows
    from lapsdata.adapters.motchallenge.seqinfo import FoundImages
    from lapsdata.geometry import BoxOrigin
    from lapsdata.schema.base import Parent, Size

__all__ = ["read"]

_MOT_NAMES = "mot-names"
_ROLES = {"truth": "truth", "detections": "detections", "results": "results"}


class _Read(NamedTuple):
    """The rows of a file, and who says so."""

    file: MotFile
    source: str
    rows: MotRows


class _Told(NamedTuple):
    """What a user says of the files."""

    classes: Mapping[str, str] | None
    rate: FrameRate | None
    size: Size | None
    whose: str | None
    first_number: int | None
    pixels: BoxOrigin

    def parameters(self) -> dict[str, JsonValue]:
        said: dict[str, JsonValue] = {
            "classes": None if self.classes is None else dict(self.classes),
            "rate": None if self.rate is None else str(self.rate),
            "size": None if self.size is None else [self.size.width, self.size.height],
            "whose": self.whose,
            "first_number": self.first_number,
            "pixels": None if self.pixels == "one_based" else self.pixels,
        }
        return {name: value for name, value in said.items() if value is not None}


def read(
    path: Path,
    *,
    classes: Mapping[str, str] | None = None,
    rate: FrameRate | float | str | None = None,
    size: Size | None = None,
    whose: str | None = None,
    first_number: int | None = None,
    pixels: BoxOrigin = "one_based",
) -> Adapted:
    r"""Read a file of rows, a sequence, results of trackers, or a folder of these.

    Parameters
    ----------
    path : Path
        `gt.txt`, `det.txt` or a result; a sequence with `gt/gt.txt`, `det/det.txt` or `seqinfo.ini`; a tracker's folder
        with `<sequence>.txt` or `data/<sequence>.txt`; or a folder of sequences and trackers, also below its splits.
    classes : mapping of str, optional
        What classes are called, by number as text or by another name; else by `labels.txt` beside the rows, else as
        MOT16 has them. Boxes without a class are of the first one, or of the only one that is told.
    rate : FrameRate, number or str, optional
        Frames per second, in place of what `seqinfo.ini` says.
    size : Size, optional
        Size of a frame, in place of what `seqinfo.ini` says.
    whose : str, optional
        Who says so: `truth`, `detector`, or the name of a tracker; of a file or of results, whose place does not tell.
    first_number : int, optional
        What the files call the first frame; by default as the images are numbered where the rows fit them, else 1.
    pixels : {"one_based", "edge", "centre"}
        What the files count pixels from: as MOTChallenge has it, or, as many trackers write them, from 0 at the edge or
        the centre of the first pixel.

    Returns
    -------
    Adapted
        Positions in the pixel frame of the contract. Of truth, boxes with flag 0 are to be ignored.

    Raises
    ------
    SchemaError
        Every row that is wrong, with its file, line, column and value: no number, another number of columns, a size
        below 0, an identity twice in a frame, a frame outside of the sequence, frame 0 (`zero-based`) where nothing
        says that frames are counted from 0.
    StorageError
        It cannot be read.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "gt.txt"
    >>> _ = path.write_text("1,7,10,20,30,40,1,1,0.5\n2,7,11,20,30,40,0,3,1\n")
    >>> boxes = read(path).container
    >>> boxes.frame.tolist(), boxes.x.tolist(), boxes.label, boxes.ignored.tolist()
    ([0, 1], [8.5, 9.5], ('pedestrian', 'car'), [False, True])
    """
    told = _Told(classes, None if rate is None else FrameRate.parse(rate), size, whose, first_number, pixels)
    places, left = find_places(existing(path))
    if whose is not None and path.is_dir() and any(place.folder is not None for place in places):
        message = f"expected a file or a folder of results for --whose {whose}, got sequences, which tell it"
        raise SchemaError(Problem("wrong-option", str(path), message, "leave it out, or name a file"))
    rows = BoxRows(path)
    rows.notes += left
    parents: list[Parent] = []
    for place in places:
        _add(place, told, rows)
        parents += [parent(_ROLES[kind_of_source(file.source or "")], file.path) for file in place.files]
    return rows.adapted(parents, parameters=told.parameters() or None)


def _add(place: MotPlace, told: _Told, rows: BoxRows) -> None:
    """Add a sequence; what is wrong with it is noted."""
    info = SequenceInfo() if place.folder is None else read_seqinfo(place.folder, rows.problems)
    images = None if place.folder is None else find_images(place.folder, info.images)
    files = [found for file in place.files if (found := _read(file, told, rows)) is not None]
    length = info.length if info.length is not None or images is None else images.last - images.first + 1
    first = _first_number(files, told, images, length, rows)
    parts = [_boxes(one, told, first, rows) for one in files]
    if not place.files:
        message = "neither gt/gt.txt nor det/det.txt is there: a sequence without a box"
        rows.note("no-rows", str(place.folder), message, info=True)
    if not parts:
        parts.append((_no_rows(), str))
    pattern = None if images is None else _pattern(place, images, first, length, rows)
    if told.rate is not None and info.rate is not None and told.rate != info.rate:
        message = f"expected {info.rate} frames per second as {SEQINFO} says, got {told.rate}: taken as told"
        rows.note("other-rate", place.name, message)
    if length is not None:
        _tell_bare_frames(place, parts, length, rows)
    rows.add(
        place.name,
        *parts[0],
        length=length,
        rate=told.rate or info.rate,
        size=told.size or info.size,
        images=pattern,
        first_number=first,
        more=parts[1:],
    )


def _read(file: MotFile, told: _Told, rows: BoxRows) -> _Read | None:
    try:
        table = read_numbers(file.path, COLUMNS, LEAST)
    except SchemaError as error:
        rows.problems.extend(error.problems)
        return None
    rows.notes += table.notes
    if not len(table):
        message = "expected rows, got an empty file: read as nothing found in any frame"
        rows.note("empty-file", str(file.path), message, "look whether what wrote it was stopped, or its threshold")
    source = told.whose or file.source
    if source is None:
        kind, why = kind_of_columns(table)
        source = {"truth": "truth", "detections": "detector"}.get(kind, file.path.stem)
        message = f"read as {kind}: {why}"
        rows.note(
            "kind-guessed", str(file.path), message, "say whose they are: --whose truth, detector or NAME", info=True
        )
    return _Read(file, source, whole_rows(table, rows))


def _first_number(
    files: list[_Read], told: _Told, images: FoundImages | None, length: int | None, rows: BoxRows
) -> int:
    """Return what rows call the first frame; frame 0 without a word is noted."""
    if told.first_number is not None:
        return told.first_number
    numbers = [one.rows.number for one in files if len(one.rows.number)]
    least = min((int(one.min()) for one in numbers), default=1)
    most = max((int(one.max()) for one in numbers), default=1)
    if images is not None and images.first != 1:
        last = images.first + (length or 0) - 1
        # From 0 only where a row says 0: rows from 1 may as well count images from 1 that begin with 0.
        if (images.first <= least and most <= last) and (images.first or least == 0):
            return images.first
    if least:
        return 1
    for one in files:
        fix = "if it counts from 0, say so: --first-number 0 of convert and evaluate; TrackEval refuses such files"
        zero = one.rows.number == 0
        rows.refuse("zero-based", "frame", zero, one.rows.where, "expected frames from 1", one.rows.number, fix)
    return 0


def _pattern(place: MotPlace, images: FoundImages, first: int, length: int | None, rows: BoxRows) -> str | None:
    where = str(place.folder)
    if length is not None and images.count != length:
        message = f"expected {length} images, one for each frame, got {images.count}, {images.first} to {images.last}"
        rows.note("other-images", where, message, "images are missing, or seqLength is that of another sequence")
    if images.pattern is None:
        message = "names of images are not spelled alike, as numbers of 6 and of 8 digits: their names are left out"
        rows.note("mixed-names", where, message, "frames are still numbered by them")
    if images.first != first:
        message = f"images begin with {images.first}, and rows count from {first}: their names are left out"
        rows.note(
            "images-begin-elsewhere", where, message, f"if rows count as images do: --first-number {images.first}"
        )
        return None
    return images.pattern


def _boxes(one: _Read, told: _Told, first: int, rows: BoxRows) -> PlacedRows:
    beside = labels_beside(one.file.path)
    names = class_names(told.classes, beside)
    placed = mot_rows(one.rows, kind_of_source(one.source), one.source, names, first, rows, told.pixels)
    if told.classes is None and beside is None:
        _tell_names(one.file.path, placed[0].label, rows)
    return placed


def _tell_names(path: Path, label: str | Sequence[str], rows: BoxRows) -> None:
    """Tell once that names are MOT16's, unless the rows have classes that hardly anybody else has."""
    there = {label} if isinstance(label, str) else set(label)
    known = [f"{number} {name}" for number, name in enumerate(MOT_CLASSES[1:], 2) if name in there]
    if not known or there & set(MOT_CLASSES[6:]) or any(note.code == _MOT_NAMES for note in rows.notes):
        return
    message = f"classes are called as MOT16 has them: {listed(known)}"
    fix = f"where these are others: --classes 1=player,2=ball, or {LABELS} beside the rows"
    rows.note(_MOT_NAMES, str(path), message, fix, info=True)


def _no_rows() -> RowsOfBoxes:
    none = np.empty(0, np.int64)
    return RowsOfBoxes(frame=none, id=none, xywh=np.empty((0, 4)), label="", source=TRUTH)


def _tell_bare_frames(place: MotPlace, parts: list[PlacedRows], length: int, rows: BoxRows) -> None:
    """Tell how many frames the truth has no box in: the format does not say whether anybody looked at them."""
    for part, _ in parts:
        bare = length - len(np.unique(part.frame))
        if part.source == TRUTH and len(part.frame) and bare > length // 10:
            message = f"{bare} of {length} frames have no box of the truth: taken for empty; nobody may have looked"
            rows.note("frames-without-truth", place.name, message, info=True)
