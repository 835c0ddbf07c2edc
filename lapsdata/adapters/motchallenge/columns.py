"""What the columns of a file mean, by whose it is: a flag or a score, a class or a place in the world.

A row is `frame, id, left, top, width, height`, and up to four more. Of truth the seventh is a flag, 0 for what scores
leave out; of detections and results it is the score. With 8 or 9 columns the eighth is the class, and the ninth the
share that can be seen (MOT16, MOT17, MOT20, SportsMOT, DanceTrack); with 10 the last three are a place in the world
(MOT15), or -1; some trackers write a class and two -1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from lapsdata.adapters._box_faults import DETECTOR, TRUTH
from lapsdata.adapters._box_rows import RowsOfBoxes
from lapsdata.adapters._number_rows import LARGEST
from lapsdata.geometry import shift_boxes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lapsdata.adapters._box_rows import BoxRows, PlacedRows
    from lapsdata.adapters._class_names import ClassNames
    from lapsdata.adapters._number_rows import NumberRows
    from lapsdata.geometry import BoxOrigin

__all__ = [
    "COLUMNS",
    "LEAST",
    "MotKind",
    "MotRows",
    "are_rows",
    "kind_of_columns",
    "kind_of_source",
    "mot_rows",
    "whole_rows",
]

MotKind = Literal["truth", "detections", "results"]
"""Whose boxes a file holds: of people, of a detector, of a tracker."""

COLUMNS = ("frame", "id", "left", "top", "width", "height", "flag or score", "class", "visibility", "z")
LEAST = 6

_WHOLE = {"frame": "a whole frame", "id": "a whole id, -1 for none"}
_FIX = "look at what wrote the row, and whether columns are in the order frame, id, left, top, width, height"


@dataclass(frozen=True, slots=True)
class MotRows:
    """The rows of one file that have a frame and an id.

    Parameters
    ----------
    number : int64 (R,)
        Frames as the file numbers them.
    id : int64 (R,)
    row : int64 (R,)
        Which rows of the table these are.
    table : NumberRows
    """

    number: NDArray[np.int64]
    id: NDArray[np.int64]
    row: NDArray[np.int64]
    table: NumberRows

    def where(self, row: int) -> str:
        """Return the place of a row: its file and line."""
        return self.table.where(int(self.row[row]))


def are_rows(numbers: list[float] | None) -> bool:
    """Say whether the numbers of a first line are those of a row.

    Examples
    --------
    >>> are_rows([1, -1, 10.5, 20, 30, 40, 0.9]), are_rows([0, 0.5, 0.5, 0.1, 0.1, 0.9])
    (True, False)
    """
    if numbers is None or not LEAST <= len(numbers) <= len(COLUMNS):
        return False
    frame, identity = numbers[:2]
    return frame % 1 == 0 and frame >= 0 and identity % 1 == 0 and identity >= -1


def kind_of_source(source: str) -> MotKind:
    """Return what rows mean that somebody has written: `truth`, `detector`, or the name of a tracker.

    Examples
    --------
    >>> kind_of_source("truth"), kind_of_source("ByteTrack")
    ('truth', 'results')
    """
    return "truth" if source == TRUTH else "detections" if source == DETECTOR else "results"


def kind_of_columns(table: NumberRows) -> tuple[MotKind, str]:
    """Return what a file holds by its columns alone, and by which; only what has no id and no -1 is known surely."""
    columns = table.columns
    if len(table) and (columns[1] == -1).all():
        return "detections", "no row has an id"
    if len(columns) in (8, 9) and len(table):
        flags, classes, seen = columns[6], columns[7], columns[-1]
        fits = np.isin(flags, (0, 1)).all() and ((classes == np.rint(classes)) & (classes >= 1)).all()
        if fits and (len(columns) == 8 or ((seen >= 0) & (seen <= 1)).all()):
            return "truth", f"{len(columns)} columns with a flag and a class"
    return "results", "nothing says whose they are" if len(table) else "it has no rows"


def whole_rows(table: NumberRows, told: BoxRows) -> MotRows:
    """Return frames and ids; rows that have none are noted."""
    good = np.ones(len(table), bool)
    whole: list[NDArray[np.int64]] = []
    for name, column in zip(_WHOLE, table.columns or (np.empty(0), np.empty(0)), strict=False):
        fits = (column == np.rint(column)) & (np.abs(column) < LARGEST)
        told.refuse("wrong-number", name, ~fits, table.where, f"expected {_WHOLE[name]}", column, _FIX)
        good &= fits
        whole.append(np.where(fits, column, 0).astype(np.int64))
    number, identity = whole
    if good.all():
        return MotRows(number, identity, np.arange(len(table)), table)
    return MotRows(number[good], identity[good], np.flatnonzero(good), table)


def mot_rows(
    found: MotRows,
    kind: MotKind,
    source: str,
    classes: ClassNames,
    first: int,
    told: BoxRows,
    pixels: BoxOrigin = "one_based",
) -> PlacedRows:
    """Return the boxes of a file, and what gives their places; what is wrong with them is noted.

    Parameters
    ----------
    found : MotRows
    kind : MotKind
    source : str
        Who says so.
    classes : ClassNames
    first : int
        What the file calls its first frame.
    told : BoxRows
        Where it is noted.
    pixels : BoxOrigin
        What it counts pixels from.
    """
    table, rows = found.table, found.row
    columns = tuple(column if len(rows) == len(table) else column[rows] for column in table.columns)
    width = len(columns)
    score: NDArray[np.float64] | None = None
    visibility: NDArray[np.float64] | None = None
    ignored: NDArray[np.bool_] | None = None
    if columns and kind == "truth":
        ignored = _ignored(found, columns, told)
    elif columns:
        score = _scores(found, columns, told)
    numbers = np.full(len(rows), -1, np.int64)
    if width in (8, 9) or _class_and_nothing(columns):
        numbers = _classes(found, columns[7], told)
    elif width == 10 and not all((column == -1).all() for column in columns[7:]):
        message = f"columns 8 to 10 are a place in the world, of {len(rows)} boxes: left out"
        told.count("world-places", str(table.path), len(rows), message, info=True)
    if width == 9:
        lost = np.isnan(columns[8])
        told.refuse("wrong-number", "visibility", lost, found.where, "expected a share from 0 to 1, or -1", columns[8])
        seen = np.where(columns[8] == -1, np.nan, columns[8])
        visibility = None if np.isnan(seen).all() else seen
    xywh = np.stack(columns[2:6], axis=1) if columns else np.empty((0, 4))
    boxes = RowsOfBoxes(
        frame=found.number - first,
        id=found.id,
        xywh=shift_boxes(xywh, form="xywh", source=pixels, target="centre"),
        label=classes.labels(numbers, told, str(table.path), "1=player,2=ball"),
        source=source,
        ignored=ignored,
        score=score,
        visibility=visibility,
    )
    return boxes, found.where


def _ignored(found: MotRows, columns: tuple[NDArray[np.float64], ...], told: BoxRows) -> NDArray[np.bool_] | None:
    path = str(found.table.path)
    if len(columns) < 7:
        message = "expected a flag in column 7, got 6 columns: every box counts"
        told.note("no-flag", path, message, "TrackEval refuses truth with fewer than 8 columns")
        return None
    flags = columns[6]
    told.refuse("wrong-number", "flag", np.isnan(flags), found.where, "expected a flag, 0 or 1", flags)
    odd = int((~np.isin(flags, (0, 1))).sum())
    message = f"expected flags 0 or 1 of truth, got others in {odd} of {len(flags)} rows: these count"
    told.count("odd-flags", path, odd, message, "of scores say whose they are: --whose detector or NAME")
    if len(flags) and (flags == 0).all():
        message = f"all {len(flags)} boxes have flag 0: scores leave every one out"
        told.note("all-ignored", path, message, "write 1 in column 7 for what counts")
    ignored: NDArray[np.bool_] = flags == 0
    return ignored


def _scores(found: MotRows, columns: tuple[NDArray[np.float64], ...], told: BoxRows) -> NDArray[np.float64] | None:
    table, where = found.table, found.where
    if len(columns) < 7:
        message = "expected a score in column 7, got 6 columns: read without scores"
        told.note("no-scores", str(table.path), message, "TrackEval refuses results with fewer than 7 columns")
        return None
    bare = np.flatnonzero(np.isnan(columns[6]))
    if len(bare):
        first = where(int(bare[0]))
        message = f"{len(bare)} of {len(columns[6])} scores are nan, first {first}: read as boxes without one"
        told.count("scores-missing", str(table.path), len(bare), message, "look at what wrote them")
    # -1 is also a score that a detector may give; in every row it is what the format says for none.
    return None if ((columns[6] == -1) | np.isnan(columns[6])).all() else columns[6]


def _class_and_nothing(columns: tuple[NDArray[np.float64], ...]) -> bool:
    if len(columns) != 10 or not len(columns[0]):
        return False
    numbers = columns[7]
    # Some trackers know the class of a few boxes only: -1 for the others. No place in the world is -1 twice everywhere.
    whole = ((numbers == np.rint(numbers)) & (numbers >= -1)).all() and (numbers >= 0).any()
    return bool(whole and (columns[8] == -1).all() and (columns[9] == -1).all())


def _classes(found: MotRows, numbers: NDArray[np.float64], told: BoxRows) -> NDArray[np.int64]:
    fits = (numbers == np.rint(numbers)) & (numbers >= -1) & (numbers < LARGEST)
    fix = "in files of 8 or 9 columns the eighth is the class; x, y, z of MOT15 are three columns of 10"
    told.refuse("wrong-class", "class", ~fits, found.where, "expected the number of a class", numbers, fix)
    return np.where(fits, numbers, -1).astype(np.int64)
