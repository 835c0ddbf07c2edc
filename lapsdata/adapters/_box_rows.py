"""From rows of boxes of other people to a table of ours: in order, checked where a line can still be named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.adapters._adapter import Adapted
from lapsdata.adapters._box_faults import RowsOfBoxes, faults_of
from lapsdata.adapters._image_names import MOST_FRAMES
from lapsdata.containers import Boxes
from lapsdata.containers.base import all_differ
from lapsdata.errors import Problem, Problems, SchemaError
from lapsdata.geometry import boxes_to_relative
from lapsdata.provenance import provenance
from lapsdata.schema import BoxesHeader, BoxSequence, FrameRange

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from pydantic import JsonValue

    from lapsdata.schema.base import Parent, Size
    from lapsdata.timebase import FrameRate

__all__ = ["BoxRows", "PlacedRows", "RowsOfBoxes"]

_SIDES = ("x", "y", "w", "h")
_FRAME_IS_TIME = "of times or keys: number frames one by one"
_NO_PLACE = "a box without a place is none: mend the row, or leave it out"
_CORNERS = (
    "of two corners: take the first from the second, as columns are left, top, width, height; or leave the row out"
)
# Of rows that are wrong in one way so many are named.
_NAMED = 5


PlacedRows = tuple[RowsOfBoxes, "Callable[[int], str]"]
"""Rows, and the place of each in the words of its file."""


class BoxRows:
    """Collects the boxes of sequences, what is wrong with them, and what is to be said about them.

    Parameters
    ----------
    path : Path
        What a user has named.
    lasting : str, optional
        What to do where identities are none; by default what holds for all files.
    """

    def __init__(self, path: Path, lasting: str | None = None) -> None:
        self._path = path
        self._lasting = {} if lasting is None else {"fix": lasting}
        self.problems = Problems()
        self.notes: list[Problem] = []
        self.policies: dict[str, int] = {}
        self._sequences: dict[str, BoxSequence] = {}
        self._rows: list[tuple[str, RowsOfBoxes]] = []

    def note(self, code: str, where: str, message: str, fix: str | None = None, *, info: bool = False) -> None:
        """Note what a user is to be told."""
        self.notes.append(Problem(code, where, message, fix, "info" if info else "warning"))

    def count(
        self, code: str, where: str, count: int, message: str, fix: str | None = None, *, info: bool = False
    ) -> None:
        """Count what a policy has touched in the header, and tell it where there is any."""
        if count:
            name = code.replace("-", "_")
            self.policies[name] = self.policies.get(name, 0) + count
            self.note(code, where, message, fix, info=info)

    def add(
        self,
        name: str,
        rows: RowsOfBoxes,
        where: Callable[[int], str],
        *,
        length: int | None = None,
        rate: FrameRate | None = None,
        size: Size | None = None,
        annotated: Iterable[tuple[int, int]] | None = None,
        images: str | None = None,
        first_number: int = 0,
        more: Sequence[PlacedRows] = (),
    ) -> None:
        """Add a sequence with its rows; what is wrong with them is noted with the place of the first such rows.

        Parameters
        ----------
        name : str
            Each sequence once.
        rows : RowsOfBoxes
        where : callable
            `where(row) -> str`: the place of a row in the words of its file, `gt.txt: line 12`.
        length : int, optional
            Number of frames; None where it is not told: then frames end with the last box, and that is noted.
        rate, size, images, first_number
            As in `lapsdata.schema.BoxSequence`.
        annotated : iterable of (int, int), optional
            First frame and the one after the last, 0-based; None for the whole sequence.
        more : sequence of (RowsOfBoxes, callable)
            Boxes of the same sequence that others say, each with the places of its rows.
        """
        if name in self._sequences:
            message = f"expected each sequence once, got {name} again"
            self.problems.add("sequence-twice", str(self._path), message, "read them one by one")
            return
        if length is not None and length > MOST_FRAMES:
            message = f"expected up to {MOST_FRAMES:,} frames, got {length:,}"
            self.problems.add("too-many-frames", name, message, _FRAME_IS_TIME)
            return
        before = len(self.problems)
        parts: list[PlacedRows] = [(rows, where), *more]
        for part, place in parts:
            self._look(part, place, length, first_number)
        last = max(int(part.frame.max(initial=-1)) for part, _ in parts) + 1
        if length is None:
            end = f"it ends with its last box, at {last} frames" if last else "without a box, it is taken for one frame"
            message = f"how long it is, is not told: {end}"
            self.note("length-unknown", name, message, info=True)
        if len(self.problems) == before:
            for part, place in parts:
                self._odd(name, part, place)
                if size is not None:
                    self._inside(name, part, size, place)
            self.notes += faults_of(name, [part for part, _ in parts], **self._lasting)
        whole = max(length or 0, last, 1) if len(self.problems) > before or length is None else length
        spans = ((0, whole),) if annotated is None else tuple(annotated)
        try:
            self._sequences[name] = BoxSequence(
                name=name,
                length=whole,
                rate=rate,
                size=size,
                annotated=tuple(FrameRange(start=start, stop=stop) for start, stop in spans),
                images=images,
                first_number=first_number,
            )
        except SchemaError as error:
            self.problems.extend(error.problems)
            return
        self._rows += [(name, part) for part, _ in parts]

    def _look(self, rows: RowsOfBoxes, where: Callable[[int], str], length: int | None, first_number: int) -> None:
        """Note what no table of ours holds: each kind of fault once, with the first rows that have it."""
        for column, name in enumerate(_SIDES):
            values = rows.xywh[:, column]
            words = f"expected finite pixels for {name}"
            self.refuse("not-finite", name, ~np.isfinite(values), where, words, values, _NO_PLACE)
            if name in "wh":
                self.refuse("negative-size", name, values < 0, where, f"expected {name} from 0", values, _CORNERS)
        number = rows.frame + first_number
        words = f"expected frames from {first_number}"
        fix = "look at what the source calls its first frame"
        self.refuse("frame-outside", "frame", rows.frame < 0, where, words, number, fix)
        if length is None:
            words = f"expected frames up to {MOST_FRAMES:,}"
            self.refuse("frame-outside", "frame", rows.frame >= MOST_FRAMES, where, words, number, _FRAME_IS_TIME)
        else:
            end = f"expected frames up to {length - 1 + first_number}, of {length}"
            fix = "look at how long the sequence is said to be, or whether the rows are of another one"
            self.refuse("frame-outside", "frame", rows.frame >= length, where, end, number, fix)
        words, fix = "expected ids from 0, or -1 for none", "number identities from 0 or 1"
        self.refuse("negative-id", "id", rows.id < -1, where, words, rows.id, fix)
        again = _again(rows)
        spelled = np.full(len(again), None, object)
        spelled[again] = [f"frame {n}, id {i}" for n, i in zip(number[again], rows.id[again], strict=True)]
        words, fix = "expected each identity once in a frame", "keep one of them, or give the other another id"
        self.refuse("identity-twice", "id", again, where, words, spelled, fix)
        for name in ("score", "visibility"):
            given = getattr(rows, name)
            if given is not None:
                self.refuse("not-finite", name, np.isinf(given), where, f"expected a finite {name}", given)
        if rows.visibility is not None:
            outside = (rows.visibility < 0) | (rows.visibility > 1)
            words = "expected a visible share from 0 to 1"
            fix = "of percent: divide them by 100"
            self.refuse("visibility-outside", "visibility", outside, where, words, rows.visibility, fix)

    def refuse(
        self,
        code: str,
        column: str,
        wrong: NDArray[np.bool_],
        where: Callable[[int], str],
        message: str,
        values: NDArray[Any],
        fix: str | None = None,
    ) -> None:
        """Note rows that are wrong in one way: the first of them by their places and values, and how many more.

        Parameters
        ----------
        code, column, message : str
        wrong : bool (R,)
        where : callable
            As in `add`.
        values : array (R,)
            What they have there.
        fix : str, optional
        """
        found = np.flatnonzero(wrong)
        if not len(found):
            return
        for row in found[:_NAMED].tolist():
            self.problems.add(code, f"{where(row)}: {column}", f"{message}, got {values[row]}", fix)
        if (more := len(found) - _NAMED) > 0:
            self.problems.add(code, f"{where(int(found[_NAMED]))}: {column}", f"{message}; {more} more such rows")

    def _odd(self, name: str, rows: RowsOfBoxes, where: Callable[[int], str]) -> None:
        """Tell boxes without any area, and scores that are no shares: each may be meant, and is kept."""
        empty = (rows.xywh[:, 2:] == 0).any(axis=1)
        if empty.any():
            row = int(np.argmax(empty))
            message = (
                f"{int(empty.sum())} boxes have no width or no height, first {where(row)}, {_spelled(rows.xywh[row])}: "
                "kept, though they overlap with nothing"
            )
            self.count("boxes-empty", name, int(empty.sum()), message, "look at what wrote them, or leave them out")
        if rows.score is None:
            return
        # -1 stands for none in texts where other rows have a score.
        beyond = ((rows.score > 1) | (rows.score < 0)) & (rows.score != -1)
        if beyond.any():
            row = int(np.argmax(beyond))
            message = (
                f"{int(beyond.sum())} scores of {rows.source} are no shares from 0 to 1, first {where(row)}, "
                f"{rows.score[row]:g}; they reach to {np.nanmax(rows.score):g}"
            )
            fix = "thresholds as --min-score 0.7 mean something else here"
            self.note("scores-beyond-1", name, message, fix, info=True)

    def _inside(self, name: str, rows: RowsOfBoxes, size: Size, where: Callable[[int], str]) -> None:
        """Count boxes that reach out of the image: they are kept, as truth often goes on behind its edge."""
        part = boxes_to_relative(rows.xywh, size.frame, form="xywh", unit="fraction", origin="edge")
        end = part[:, :2] + part[:, 2:]
        apart = ((end <= 0) | (part[:, :2] >= 1)).any(axis=1)
        if not apart.any():
            return
        row = int(np.argmax(apart))
        count, first = int(apart.sum()), f"{where(row)}, {_spelled(rows.xywh[row])}"
        message = f"{count} boxes lie wholly outside of {size.width}x{size.height}, first {first}: kept"
        self.count("boxes-outside", name, count, message, "look at the size, or at what the numbers mean")

    def raise_found(self) -> None:
        """Raise what is wrong, each with its file.

        Raises
        ------
        SchemaError
            Where there is any.
        """
        files = (str(self._path), str(self._path.absolute()))
        named = [one if one.where.startswith(files) else one.within(files[0]) for one in self.problems]
        if named:
            raise SchemaError(*named)

    def adapted(
        self,
        parents: Iterable[Parent],
        *,
        parameters: dict[str, JsonValue] | None = None,
        labels: tuple[str, ...] | None = None,
        rate: FrameRate | None = None,
    ) -> Adapted:
        """Return all of it, in order of sequences and frames.

        Raises
        ------
        SchemaError
            Everything that was wrong; or no sequence at all.
        """
        self.raise_found()
        if not self._sequences:
            raise SchemaError(Problem("no-sequences", str(self._path), "expected a sequence of boxes, got none"))
        header = BoxesHeader(
            provenance=provenance(parameters=parameters, parents=parents),
            policies=self.policies,
            sequences=tuple(self._sequences.values()),
            labels=labels,
        )
        return Adapted(self._table(header), tuple(self.notes), rate=rate)

    def _table(self, header: BoxesHeader) -> Boxes:
        at = {one.name: number for number, one in enumerate(header.sequences)}
        parts = [rows for _, rows in self._rows]
        index = np.repeat([at[name] for name, _ in self._rows], [len(rows.frame) for rows in parts]).astype(np.int64)
        frame = np.concatenate([rows.frame for rows in parts])
        order = _order(index, frame)
        places = np.concatenate([rows.xywh for rows in parts])[order]
        sides = {name: np.ascontiguousarray(places[:, column]) for column, name in enumerate(_SIDES)}
        return Boxes(
            header,
            index[order],
            frame[order],
            np.concatenate([rows.id for rows in parts])[order],
            **sides,
            label=_texts(parts, "label", order) or (),
            source=_texts(parts, "source", order) or (),
            ignored=_column(parts, "ignored", False, order, np.bool_),
            score=_optional(parts, "score", order),
            visibility=_optional(parts, "visibility", order),
            source_id=_texts(parts, "source_id", order),
        )


def _spelled(xywh: NDArray[np.float64]) -> str:
    """Return a box in words, counted as tables of ours do."""
    return ", ".join(f"{name} {value:g}" for name, value in zip(_SIDES, xywh.tolist(), strict=True))


def _again(rows: RowsOfBoxes) -> NDArray[np.bool_]:
    """Say of each row whether its identity stood in its frame before."""
    again = np.zeros(len(rows.id), bool)
    known = np.flatnonzero(rows.id >= 0)
    if all_differ(np.stack([rows.frame[known], rows.id[known]])):
        return again
    order = known[np.lexsort((rows.id[known], rows.frame[known]))]  # stable: of equal ones the first row stays first
    same = (np.diff(rows.frame[order]) == 0) & (np.diff(rows.id[order]) == 0)
    again[order[1:][same]] = True
    return again


def _order(index: NDArray[np.int64], frame: NDArray[np.int64]) -> NDArray[np.int64] | slice:
    """Return the order of sequences and frames; all rows as they are where they stand in it."""
    step = np.diff(index)
    if ((step > 0) | ((step == 0) & (np.diff(frame) >= 0))).all():
        return slice(None)
    return np.lexsort((frame, index))


def _column(
    parts: Sequence[RowsOfBoxes],
    name: str,
    default: object,
    order: NDArray[np.int64] | slice,
    kind: Any,  # noqa: ANN401
) -> NDArray[Any]:
    whole = [np.full(len(one.frame), default) if (given := getattr(one, name)) is None else given for one in parts]
    column: NDArray[Any] = np.concatenate(whole).astype(kind)[order]
    return column


def _optional(parts: Sequence[RowsOfBoxes], name: str, order: NDArray[np.int64] | slice) -> NDArray[np.float64] | None:
    if all(getattr(one, name) is None for one in parts):
        return None
    return _column(parts, name, np.nan, order, np.float64)


def _texts(parts: Sequence[RowsOfBoxes], name: str, order: NDArray[np.int64] | slice) -> tuple[Any, ...] | None:
    """Return texts in order; None where no part has any. One text of all rows is the same object in each."""
    if all(getattr(one, name) is None for one in parts):
        return None
    every: list[str | None] = []
    for one in parts:
        given = getattr(one, name)
        every += [given] * len(one.frame) if given is None or isinstance(given, str) else given
    if isinstance(order, slice) or (every and every.count(every[0]) == len(every)):
        return tuple(every)
    return tuple(map(every.__getitem__, order.tolist()))
