"""Several tables of boxes as one: each box once, and ranges that were annotated as whoever annotated them says."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lapsdata.adapters._box_faults import TRUTH
from lapsdata.errors import Problem, Problems, SchemaError, listed
from lapsdata.schema import FrameRange
from lapsdata.schema.boxes import frames_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from lapsdata.containers import Boxes
    from lapsdata.schema import BoxSequence

__all__ = ["merged_boxes"]

_NUMBERS = ("frame", "id", "x", "y", "w", "h", "ignored", "score", "visibility")
_TEXTS = ("label", "source", "source_id")
_OF_SEQUENCE = ("rate", "size", "first_number", "images")
# What a table without any box was made from, where nobody annotated it.
_FOUND = frozenset({"detections", "results", "prediction"})


class _Rows(NamedTuple):
    """The rows of all tables, one table behind the other."""

    table: NDArray[np.int64]
    sequence: NDArray[np.int64]
    numbers: dict[str, NDArray[Any]]
    texts: dict[str, list[Any]]

    def taken(self, rows: NDArray[np.int64]) -> _Rows:
        at = rows.tolist()
        numbers = {name: column[rows] for name, column in self.numbers.items()}
        texts = {name: [column[row] for row in at] for name, column in self.texts.items()}
        return _Rows(self.table[rows], self.sequence[rows], numbers, texts)


def merged_boxes(several: Sequence[Boxes]) -> tuple[Boxes, tuple[Problem, ...]]:
    """Return several tables as one, and what is to be told of it.

    A sequence may stand in several tables, as truth and detections do, or as parts of its frames; what only one of them
    says of it is taken. Where a truth is among them its annotated ranges stand: a detector that has looked at a frame
    has not annotated it. A box that several tables have, equal in all columns, is taken once and counted.

    Parameters
    ----------
    several : sequence of Boxes
        At least one.

    Returns
    -------
    Boxes
        The sequences of all tables, in the order in which they first stand there.
    tuple of Problem
        Boxes that were taken once, frames in which several tables have boxes of one source, and ranges that gave way to
        those of a truth.

    Raises
    ------
    SchemaError
        One sequence with two sizes, rates or first numbers; or an identity twice in a frame of one source.

    Examples
    --------
    >>> from lapsdata.adapters._boxes_edit import taken_rows
    >>> from lapsdata.testing.samples import sample_boxes
    >>> boxes = sample_boxes()
    >>> halves = [taken_rows(boxes, np.array(rows)) for rows in ([0, 1], [1, 2, 3])]
    >>> whole, notes = merged_boxes(halves)
    >>> len(whole) == len(boxes), notes[0].message
    (True, '1 boxes stand in several files, equal in every column: taken once')
    """
    if len(several) == 1:
        return several[0], ()
    found = Problems("boxes")
    tables: dict[str, list[tuple[Boxes, BoxSequence]]] = {}
    for one in several:
        for sequence in one.header.sequences:
            tables.setdefault(sequence.name, []).append((one, sequence))
    sequences = [_joined([sequence for _, sequence in parts], found) for parts in tables.values()]
    found.raise_as(SchemaError)
    notes: list[Problem] = []
    for number, (sequence, parts) in enumerate(zip(sequences, tables.values(), strict=True)):
        sequences[number] = _ranged(sequence, parts, notes)
    policies = Counter[str]()
    for one in several:
        policies.update(one.header.policies)
    rows = _all_rows(several, {sequence.name: number for number, sequence in enumerate(sequences)})
    if any(len(parts) > 1 for parts in tables.values()):
        again = _again(rows)
        if count := int(again.sum()):
            message = f"{count} boxes stand in several files, equal in every column: taken once"
            notes.append(Problem("boxes-twice", "rows", message, None, "warning"))
            policies["boxes_twice"] += count
            rows = rows.taken(np.flatnonzero(~again))
        _expect_identities_once(rows, sequences)
        notes += _side_by_side(rows)
    rows = rows.taken(np.lexsort((rows.numbers["frame"], rows.sequence)))
    lists = [one.header.labels for one in several]
    known = None if None in lists else tuple(dict.fromkeys(label for labels in lists for label in labels or ()))
    header = several[0].header.model_copy(
        update={"sequences": tuple(sequences), "labels": known, "policies": dict(policies)}
    )
    columns: dict[str, Any] = rows.numbers | {name: tuple(column) for name, column in rows.texts.items()}
    return replace(several[0], header=header, sequence_index=rows.sequence, **columns), tuple(notes)


def _joined(parts: Sequence[BoxSequence], found: Problems) -> BoxSequence:
    """Return what tables say of a sequence; what only some of them say is taken. Ranges are those of all of them."""
    said: dict[str, Any] = {}
    for name in _OF_SEQUENCE:
        told = list(dict.fromkeys(value for one in parts if (value := getattr(one, name)) is not None))
        if len(told) > 1 and name != "images":
            message = f"expected one {name}, got {told[0]} and {told[1]}"
            found.add("unlike-sequences", f"{parts[0].name}: {name}", message, "give one of them another name")
        said[name] = told[0] if told else None
    said |= {"length": max(one.length for one in parts), "annotated": _union(parts)}
    return parts[0].model_copy(update=said)


def _union(parts: Sequence[BoxSequence]) -> tuple[FrameRange, ...]:
    joined: list[tuple[int, int]] = []
    for start, stop in sorted((span.start, span.stop) for one in parts for span in one.annotated):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(stop, joined[-1][1]))
        else:
            joined.append((start, stop))
    return tuple(FrameRange(start=start, stop=stop) for start, stop in joined)


def _ranged(sequence: BoxSequence, parts: Sequence[tuple[Boxes, BoxSequence]], notes: list[Problem]) -> BoxSequence:
    """Return a sequence with the ranges of its truth, where tables of others say other ones."""
    truth = [said for boxes, said in parts if _is_truth(boxes)]
    others = [said for boxes, said in parts if not _is_truth(boxes)]
    if not truth or not others:
        return sequence
    ranges, theirs = _union(truth), _union(others)
    if ranges != theirs:
        looked, wanted = frames_in(theirs), frames_in(ranges)
        both = looked + wanted - frames_in(_union([one for _, one in parts]))
        message = (
            f"of {sequence.length} frames {wanted} were annotated, and others looked at {looked}, {both} of them "
            "annotated: the ranges of the truth stand"
        )
        fix = "which frames a detector looked at is lost so: keep detections in a file of their own"
        notes.append(Problem("ranges-of-truth", sequence.name, message, fix, "warning"))
    return sequence.model_copy(update={"annotated": ranges})


def _is_truth(boxes: Boxes) -> bool:
    if len(boxes):
        return TRUTH in boxes.source
    return _FOUND.isdisjoint(one.role for one in boxes.header.provenance.parents)


def _all_rows(several: Sequence[Boxes], at: dict[str, int]) -> _Rows:
    numbers = {}
    for name in _NUMBERS:
        columns = [getattr(one, name) for one in several]
        if any(column is not None for column in columns):
            whole = [np.full(len(one), np.nan) if column is None else column
                     for one, column in zip(several, columns, strict=True)]  # fmt: skip
            numbers[name] = np.concatenate(whole)
    texts = {}
    for name in _TEXTS:
        given = [getattr(one, name) for one in several]
        if any(text is not None for text in given):
            texts[name] = [
                item for one, text in zip(several, given, strict=True) for item in text or (None,) * len(one)
            ]
    sequence = [
        np.array([at[said.name] for said in one.header.sequences], np.int64)[one.sequence_index] for one in several
    ]
    table = np.repeat(np.arange(len(several)), [len(one) for one in several])
    return _Rows(table, np.concatenate(sequence), numbers, texts)


def _again(rows: _Rows) -> NDArray[np.bool_]:
    """Say of each row whether a table before has it too; what one table has twice stands there twice."""
    # NaN, which is unlike itself, stands for none; whole numbers stay such, as ids may be longer than a float64 holds.
    columns = [rows.sequence]
    columns += [np.nan_to_num(one, nan=-np.inf) if one.dtype.kind == "f" else one for one in rows.numbers.values()]
    columns += [_codes(texts) for texts in rows.texts.values()]
    same = _groups(columns)
    times = _counted(_groups([same, rows.table]))
    order = np.lexsort((rows.table, times, same))
    again = np.zeros(len(same), bool)
    again[order[1:]] = (np.diff(same[order]) == 0) & (np.diff(times[order]) == 0)
    return again


def _codes(texts: Sequence[object]) -> NDArray[np.int64]:
    number: dict[object, int] = {}
    return np.fromiter((number.setdefault(text, len(number)) for text in texts), np.int64, len(texts))


def _groups(columns: Sequence[NDArray[Any]]) -> NDArray[np.int64]:
    """Return a number for each row, one for rows that are equal in all columns."""
    count = len(columns[0])
    order = np.lexsort(columns)
    other = np.zeros(count, bool)
    for column in columns:
        other[1:] |= column[order[1:]] != column[order[:-1]]
    group = np.empty(count, np.int64)
    group[order] = np.cumsum(other)
    return group


def _counted(group: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return of each row how many of its group stand before it."""
    order = np.argsort(group, kind="stable")
    first = np.searchsorted(group[order], group[order])
    before = np.empty(len(group), np.int64)
    before[order] = np.arange(len(group)) - first
    return before


def _expect_identities_once(rows: _Rows, sequences: Sequence[BoxSequence]) -> None:
    """Refuse an identity with two places in one frame, by the words of its sequence."""
    known = np.flatnonzero(rows.numbers["id"] >= 0)
    source = _codes(rows.texts["source"])
    group = _groups([rows.sequence[known], rows.numbers["frame"][known], rows.numbers["id"][known], source[known]])
    twice = known[_counted(group) > 0]
    if not len(twice):
        return
    row = int(twice[0])
    sequence = sequences[int(rows.sequence[row])]
    where = f"{sequence.name}: frame {int(rows.numbers['frame'][row]) + sequence.first_number}"
    message = (
        f"expected each identity once in a frame, got id {int(rows.numbers['id'][row])} of "
        f"{rows.texts['source'][row]} at two places; {len(twice)} such boxes in all"
    )
    raise SchemaError(Problem("identity-twice", where, message, "leave one of the files out, or give ids of their own"))


def _side_by_side(rows: _Rows) -> Iterator[Problem]:
    """Yield how many frames have boxes of one source from several tables."""
    codes = _codes(rows.texts["source"])
    frame = _groups([rows.sequence, rows.numbers["frame"], codes])
    first = np.unique(np.stack([frame, rows.table]), axis=1, return_index=True)[1]
    _, rising, files = np.unique(frame[first], return_index=True, return_counts=True)
    shared = first[rising[files > 1]]
    if len(shared):
        sources = listed(sorted({rows.texts["source"][row] for row in shared.tolist()}))
        message = f"in {len(shared)} frames several files have boxes of {sources}: they stand side by side"
        fix = "of one thing found twice: leave one of the files out; of two classes all is well"
        yield Problem("frames-of-several", "rows", message, fix, "warning")
