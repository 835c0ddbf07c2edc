r"""Detections of one frame as detectors write them into JSON: lines of text, lists of numbers, or objects.

    "771.57,604.20,73.07,229.56,0.923437\n"     and a class behind it, as ByteTrack's inference has it
    [771.57, 604.20, 73.07, 229.56, 0.923437]
    {"bbox": [771.57, 604.20, 73.07, 229.56], "score": 0.923437, "category_id": 1}

Boxes are top-left corner and size, in pixels from the edge of the frame.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections import Counter
from itertools import accumulate
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lapsdata.geometry import shift_boxes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from lapsdata.adapters._box_rows import BoxRows
    from lapsdata.errors import Problems

__all__ = ["NO_CLASS", "DetectionRows", "Detections", "class_labels", "numbers_of", "pixels_of_contract"]

NO_CLASS = "object"
"""What a box is called of which nobody says what it is."""

_PLAIN = re.compile(r"[-+.,eE\d\s]*", re.ASCII)
_SCORES, _CLASSES = ("score", "confidence", "conf"), ("category_id", "class_id", "class", "category", "label")
_WANTED = "expected x,y,w,h,score, and a class behind it where there are several"
# Of rows that are wrong so many are named.
_NAMED = 5


class Detections(NamedTuple):
    """Rows in the order in which they were added.

    Parameters
    ----------
    xywh : float64 (R, 4), pixel
        In the pixel frame of the contract.
    score : float64 (R,)
        NaN where there is none.
    classes : tuple of str or None, R
    """

    xywh: NDArray[np.float64]
    score: NDArray[np.float64]
    classes: Sequence[str | None]


class DetectionRows:
    """Collects the rows of keys, and reads them all at once.

    Parameters
    ----------
    problems : Problems
        Gets what is wrong with a row.
    """

    def __init__(self, problems: Problems) -> None:
        self._problems = problems
        self._keys: list[str] = []
        self._counts: list[int] = []
        self._rows: list[Any] = []
        self._ends: list[int] | None = None
        self._wrong = 0
        self.unread: Counter[str] = Counter()

    def add(self, key: str, value: object) -> int:
        """Add what stands behind a key; return the number of its rows."""
        if not isinstance(value, list):
            message = f"expected a list of boxes, got {type(value).__name__}"
            self._problems.add("wrong-row", f"key {key!r}", message, "of a frame without any, an empty list")
            return 0
        self._keys.append(key)
        self._counts.append(len(value))
        self._rows += value
        return len(value)

    def where(self, row: int) -> str:
        """Return the place of a row in words."""
        if self._ends is None:
            self._ends = list(accumulate(self._counts))
        at = bisect_right(self._ends, row)
        return f"key {self._keys[at]!r}: box {row - self._ends[at] + self._counts[at] + 1}"

    def detections(self) -> Detections:
        """Return all rows; those that are wrong are noted, and 0."""
        quick = _quick(self._rows)
        if quick is not None:
            return quick
        xywh, score = np.zeros((len(self._rows), 4)), np.zeros(len(self._rows))
        classes: list[str | None] = [None] * len(self._rows)
        for at, row in enumerate(self._rows):
            found = self._row(row)
            if found is None:
                self._refuse(at, row)
            else:
                xywh[at], score[at], classes[at] = found
        if self._wrong > _NAMED:
            message = f"{_WANTED}; {self._wrong - _NAMED} more such rows"
            self._problems.add("wrong-row", "boxes", message)
        return Detections(pixels_of_contract(xywh), score, classes)

    def _refuse(self, at: int, row: object) -> None:
        self._wrong += 1
        if self._wrong <= _NAMED:
            got = repr(row) if len(repr(row)) <= 70 else repr(row)[:67] + "..."
            self._problems.add("wrong-row", self.where(at), f"{_WANTED}, got {got}")

    def _row(self, row: object) -> tuple[list[float], float, str | None] | None:
        if isinstance(row, dict):
            return self._object(row)
        fields = row.strip().rstrip(",").split(",") if isinstance(row, str) else row
        if not isinstance(fields, list) or len(fields) not in (5, 6):
            return None
        values = numbers_of([_number(one) for one in fields[:5]] if isinstance(row, str) else fields[:5])
        if values is None:
            return None
        return values[:4], values[4], _class_text(fields[5]) if len(fields) == 6 else None

    def _object(self, row: dict[str, Any]) -> tuple[list[float], float, str | None] | None:
        sides = numbers_of(row.get("bbox"))
        scored, named = _first(row, _SCORES), _first(row, _CLASSES)
        score = [math.nan] if scored is None else numbers_of([row[scored]])
        known = {"bbox", scored, named}
        self.unread.update(name for name, value in row.items() if name not in known and value is not None)
        if sides is None or len(sides) != 4 or score is None:
            return None
        return sides, score[0], None if named is None else _class_text(row[named])


def _first(row: dict[str, Any], names: tuple[str, ...]) -> str | None:
    """Return the first of these names that has a value."""
    return next((name for name in names if row.get(name) is not None), None)


def _quick(rows: list[Any]) -> Detections | None:
    """Read lines of text that are all alike and hold plain numbers; None for others."""
    if not all(isinstance(row, str) for row in rows):
        return None
    commas = {row.count(",") for row in rows}
    if not commas:
        return Detections(np.zeros((0, 4)), np.zeros(0), ())
    if not commas <= {4, 5} or len(commas) > 1:
        return None
    text = ",".join(rows)
    if _PLAIN.fullmatch(text) is None:
        return None
    try:
        flat = np.fromiter(map(float, text.split(",")), np.float64)
    except ValueError:
        return None
    values = flat.reshape(len(rows), -1)
    if not np.isfinite(values).all():
        return None
    score = np.ascontiguousarray(values[:, 4])
    xywh = pixels_of_contract(values[:, :4])
    if values.shape[1] == 5:
        return Detections(xywh, score, (None,) * len(rows))
    texts = {value: _class_text(value) for value in np.unique(values[:, 5]).tolist()}
    return Detections(xywh, score, tuple(texts[value] for value in values[:, 5].tolist()))


def pixels_of_contract(xywh: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return boxes of detectors, which count from the edge of the frame, in the pixel frame of the contract.

    Parameters
    ----------
    xywh : float64 (R, 4), pixel

    Examples
    --------
    >>> pixels_of_contract(np.array([[0.0, 10.5, 4.0, 2.0]])).tolist()
    [[-0.5, 10.0, 4.0, 2.0]]
    """
    return shift_boxes(np.ascontiguousarray(xywh), form="xywh", source="edge", target="centre")


def numbers_of(values: object) -> list[float] | None:
    """Return a list of finite numbers as floats, None for anything else.

    Examples
    --------
    >>> numbers_of([1, 2.5]), numbers_of([True]), numbers_of(["1"]), numbers_of(None)
    ([1.0, 2.5], None, None, None)
    """
    if not isinstance(values, list):
        return None
    good = all(isinstance(one, int | float) and not isinstance(one, bool) for one in values)
    try:
        found = [float(one) for one in values] if good else None
    except OverflowError:
        return None
    return found if found is not None and all(map(math.isfinite, found)) else None


def _number(text: str) -> float | None:
    if _PLAIN.fullmatch(text) is None:
        return None
    try:
        return float(text)
    except ValueError:
        return None


def _class_text(value: object) -> str | None:
    """Return a class as text: a whole number without a point."""
    if isinstance(value, str):
        number = _number(value)
        if number is None or not math.isfinite(number):
            return value.strip() or None
        value = number
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value)


def class_labels(
    rows: BoxRows, classes: Sequence[str | None], told: Mapping[str, str] | None, known: Mapping[str, str] | None = None
) -> str | Sequence[str]:
    """Return what boxes are called: what was told for their class, or what the file calls it, or the class itself.

    Parameters
    ----------
    rows : BoxRows
        Gets what is to be said of it.
    classes : sequence of str or None, R
    told : mapping of str to str, optional
        By class, or by what the file calls it, what the user calls it.
    known : mapping of str to str, optional
        By class, what the file calls it.

    Examples
    --------
    >>> from pathlib import Path
    >>> from lapsdata.adapters._box_rows import BoxRows
    >>> class_labels(BoxRows(Path("found.json")), ("1", "2"), {"1": "player"}, {"2": "ball"})
    ['player', 'ball']
    """
    there = {NO_CLASS if one is None else one for one in classes}
    own = {one: (known or {}).get(one, one) for one in there}
    names, bare = dict(own), there - (known or {}).keys() - {NO_CLASS}
    for given, name in (told or {}).items():
        meant = [one for one, called in own.items() if given in (one, called)]
        if not meant:
            message = f"no box is of a class {given!r}, which was called {name!r}"
            rows.note("unused-class", "classes", message, f"there are {', '.join(sorted(there)) or 'no classes'}")
        names.update(dict.fromkeys(meant, name))
        bare -= set(meant)
    if (told or known) and bare:
        message = f"nobody said what class {', '.join(sorted(bare))} is called: it keeps its number"
        rows.note("class-without-name", "classes", message, info=True)
    if there <= {NO_CLASS}:
        return names.get(NO_CLASS, NO_CLASS)
    return [names[NO_CLASS if one is None else one] for one in classes]
