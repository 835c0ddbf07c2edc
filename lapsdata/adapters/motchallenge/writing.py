"""Boxes as the files of MOTChallenge: sequences with truth and detections, and results of trackers.

Every number is spelled with as few digits as read back to the same number, and frames count from 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lapsdata.adapters._box_faults import DETECTOR, TRUTH
from lapsdata.adapters._image_names import ENDINGS_OF_KEYS, split_pattern
from lapsdata.adapters._image_places import images_within
from lapsdata.adapters.motchallenge.classes import LABELS, MOT_CLASSES
from lapsdata.adapters.motchallenge.places import DATA, SEQMAPS
from lapsdata.adapters.motchallenge.seqinfo import SEQINFO
from lapsdata.errors import LapsError, Problems, SchemaError, listed
from lapsdata.formats import WriteReport
from lapsdata.formats._format import size_on_disk
from lapsdata.geometry import shift_boxes
from lapsdata.storage.atomic import atomic_folder
from lapsdata.timebase import FrameRate

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from lapsdata.containers import Boxes
    from lapsdata.geometry import BoxOrigin
    from lapsdata.schema import BoxSequence

__all__ = ["OLD", "TARGETS", "write_rows"]

TARGETS = ("motchallenge", "motchallenge-15")
OLD = "motchallenge-15"
"""MOT15: ten columns, and no class."""

_TRACKERS = "trackers"
# Decimals that are tried, from none to as many as a float64 can have behind the point of a pixel.
_DECIMALS = range(18)


class _Columns(NamedTuple):
    """What the rows of a file have, as texts, and which rows of the table these are."""

    number: list[str]
    id: list[str]
    sides: list[list[str]]
    rows: NDArray[np.int64]


def write_rows(path: Path, boxes: Boxes, *, to: str = "motchallenge") -> WriteReport:
    r"""Write a folder that `read` reads back to the same boxes.

    Parameters
    ----------
    path : Path
        A folder that is not there yet.
    boxes : Boxes
        Boxes of `truth` become `<sequence>/gt/gt.txt`, those of `detector` `<sequence>/det/det.txt`, those of any other
        source `<source>/data/<sequence>.txt`, below `trackers` where there are sequences too.
    to : {"motchallenge", "motchallenge-15"}
        Truth with flag, class and visibility, or as MOT15 has it, with neither class nor visibility.

    Raises
    ------
    SchemaError
        A source that can name no folder, a sequence called `seqmaps` or `trackers`, a label that is no line of text.
    StorageError
        Something is there, or it cannot be written.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lapsdata.testing.samples import sample_boxes
    >>> root = pathlib.Path(tempfile.mkdtemp()) / "set"
    >>> report = write_rows(root, sample_boxes())
    >>> (root / "left" / "gt" / "gt.txt").read_text().splitlines()[0]
    '1,0,11.5,21.5,40,80,1,1,1'
    """
    old = to == OLD
    sources = sorted(set(boxes.source))
    numbers = _class_numbers(boxes)
    trackers = [source for source in sources if source not in (TRUTH, DETECTOR)]
    taken = {SEQMAPS, _TRACKERS} if trackers else {SEQMAPS}
    _expect_names(sources, _custom(numbers), [one.name for one in boxes.header.sequences if one.name in taken])
    notes = Problems()
    sequences = len(trackers) < len(sources) or not trackers
    with atomic_folder(path) as folder:
        above = folder / _TRACKERS if sequences else folder
        for index, sequence in enumerate(boxes.header.sequences):
            own = boxes.sequence_index == index
            if sequences:
                _write_sequence(folder / sequence.name, boxes, sequence, own, numbers, old=old)
            for tracker in trackers:
                place = above / tracker / DATA / f"{sequence.name}.txt"
                place.parent.mkdir(parents=True, exist_ok=True)
                _write(place, boxes, own & _of(boxes, tracker), numbers, old=old)
        if sequences:
            names = "".join(f"{sequence.name}\n" for sequence in boxes.header.sequences)
            (folder / SEQMAPS).mkdir()
            (folder / SEQMAPS / "all.txt").write_text(f"name\n{names}", encoding="utf-8")
        for tracker in trackers:
            _write_labels(above / tracker, numbers)
    _tell(boxes, str(path), numbers, notes, sequences=sequences, old=old)
    return WriteReport(path, to, size_on_disk(path), notes=tuple(notes))


def _expect_names(sources: list[str], labels: list[str], taken: list[str]) -> None:
    problems = Problems("boxes")
    for name in taken:
        message = f"expected another name than that of a folder which the format has itself, got {name!r}"
        problems.add("wrong-name", "sequence", message, "give it another name")
    for source in sources:
        if not source or source.startswith(".") or any(sign in source for sign in "/\\\0\n\r") or len(source) > 200:
            message = f"expected a name that a folder can have, got {source[:40]!r}"
            problems.add("wrong-name", "source", message, "give it another name")
    for label in labels:
        if label.split("\0") != [label] or label.splitlines() != [label] or label.strip() != label:
            message = f"expected a label that is a line of text, got {label[:40]!r}"
            problems.add("wrong-label", "label", message, f"{LABELS} has one in each line")
    problems.raise_as(SchemaError)


def _of(boxes: Boxes, source: str) -> NDArray[np.bool_]:
    return np.fromiter((one == source for one in boxes.source), bool, len(boxes))


def _class_numbers(boxes: Boxes) -> dict[str, int]:
    """Return the number of each label: MOT16's where all have one there, else 1, 2, 3 … in order of the list."""
    there = set(boxes.label)
    known = {name: number for number, name in enumerate(MOT_CLASSES, 1)}
    if there <= known.keys():
        return {name: known[name] for name in sorted(there)}
    order = dict.fromkeys([*(boxes.header.labels or ()), *sorted(there)])
    return {name: number for number, name in enumerate(order, 1)}


def _custom(numbers: Mapping[str, int]) -> list[str]:
    """Return the list of classes, none where they are MOT16's."""
    return [] if all(MOT_CLASSES[number - 1 : number] == (name,) for name, number in numbers.items()) else list(numbers)


def _write_labels(folder: Path, numbers: Mapping[str, int]) -> None:
    if custom := _custom(numbers):
        (folder / LABELS).write_text("".join(f"{name}\n" for name in custom), encoding="utf-8")


def _write_sequence(
    folder: Path,
    boxes: Boxes,
    sequence: BoxSequence,
    own: NDArray[np.bool_],
    numbers: Mapping[str, int],
    *,
    old: bool,
) -> None:
    folder.mkdir()
    (folder / SEQINFO).write_text(_seqinfo(sequence), encoding="utf-8")
    for source, name in ((TRUTH, "gt"), (DETECTOR, "det")):
        # A sequence without a box of the truth says so with a file that is empty.
        rows = own & _of(boxes, source)
        if rows.any() or (source == TRUTH and sequence.annotated and TRUTH in boxes.source):
            (folder / name).mkdir()
            _write(folder / name / f"{name}.txt", boxes, rows, numbers, old=old)
            _write_labels(folder / name, numbers)


def _seqinfo(sequence: BoxSequence) -> str:
    said: dict[str, object] = {"name": sequence.name, "seqLength": sequence.length}
    _, within = images_within(sequence)
    parts = None if within is None else split_pattern(within)
    # Keys of databases end with nothing, or .txt: they are no files.
    if parts is not None and parts.folder and parts.ending not in ENDINGS_OF_KEYS:
        said |= {"imDir": parts.folder.rstrip("/"), "imExt": f".{parts.ending.rpartition('.')[2]}"}
    if sequence.rate is not None:
        said["frameRate"] = _rate_text(sequence.rate)
    if sequence.size is not None:
        said |= {"imWidth": sequence.size.width, "imHeight": sequence.size.height}
    order = ("name", "imDir", "frameRate", "seqLength", "imWidth", "imHeight", "imExt")
    return "[Sequence]\n" + "".join(f"{key}={said[key]}\n" for key in order if key in said)


def _rate_text(rate: FrameRate) -> str:
    """Return a decimal that stands for the rate, since others read no fractions; where none does, the fraction."""
    short = f"{rate.hz:g}"
    try:
        return short if FrameRate.parse(short) == rate else str(rate)
    except LapsError:
        return str(rate)


def _write(path: Path, boxes: Boxes, own: NDArray[np.bool_], numbers: Mapping[str, int], *, old: bool) -> None:
    rows = np.flatnonzero(own)
    columns = _columns(boxes, rows)
    sources = {boxes.source[row] for row in rows[:1].tolist()}
    last = _truth_columns(boxes, rows, numbers, old=old) if TRUTH in sources else _found_columns(boxes, rows, numbers)
    every = zip(columns.number, columns.id, *columns.sides, *last, strict=True)
    path.write_text("".join(f"{','.join(row)}\n" for row in every), encoding="utf-8")


def _columns(boxes: Boxes, rows: NDArray[np.int64]) -> _Columns:
    sides = [_spelled(_read_back(side[rows])) for side in (boxes.x, boxes.y)]
    sides += [_spelled(side[rows]) for side in (boxes.w, boxes.h)]
    number = [str(one + 1) for one in boxes.frame[rows].tolist()]
    return _Columns(number, [str(one) for one in boxes.id[rows].tolist()], sides, rows)


def _read_back(kept: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the 1-based positions with fewest decimals that are read back as what is kept.

    Where no number is read back so, since the step between numbers doubles on the way, the nearest stands.
    """
    found = _moved(kept, "centre", "one_based")
    left = np.arange(len(kept))
    with np.errstate(over="ignore", invalid="ignore"):
        for decimals in _DECIMALS:
            tried = np.round(found[left], decimals)
            good = _moved(tried, "one_based", "centre") == kept[left]
            found[left[good]] = tried[good]
            left = left[~good]
    return found


def _moved(side: NDArray[np.float64], source: BoxOrigin, target: BoxOrigin) -> NDArray[np.float64]:
    """Return positions along one axis in another frame."""
    whole = shift_boxes(np.tile(side[:, None], 4), form="xywh", source=source, target=target)
    return np.ascontiguousarray(whole[:, 0])


def _spelled(values: NDArray[np.float64]) -> list[str]:
    """Return the shortest texts that are read back as these numbers; whole ones without a point."""
    return [repr(one).removesuffix(".0") for one in (values + 0.0).tolist()]


def _truth_columns(boxes: Boxes, rows: NDArray[np.int64], numbers: Mapping[str, int], *, old: bool) -> list[list[str]]:
    flags = [str(int(not one)) for one in boxes.ignored[rows].tolist()]
    if old:
        none = ["-1"] * len(rows)
        return [flags, none, none, none]
    classes = [str(numbers[boxes.label[row]]) for row in rows.tolist()]
    return [flags, classes, _or_none(boxes.visibility, rows)]


def _found_columns(boxes: Boxes, rows: NDArray[np.int64], numbers: Mapping[str, int]) -> list[list[str]]:
    none = ["-1"] * len(rows)
    # Only where it says something: TrackEval refuses results of any class but the first.
    alone = len(numbers) == 1 and (1 in numbers.values())
    classes = none if alone else [str(numbers[boxes.label[row]]) for row in rows.tolist()]
    return [_or_none(boxes.score, rows), classes, none, none]


def _or_none(values: NDArray[np.float64] | None, rows: NDArray[np.int64]) -> list[str]:
    if values is None:
        return ["-1"] * len(rows)
    return _spelled(np.where(np.isnan(values[rows]), -1.0, values[rows]))


def _tell(boxes: Boxes, where: str, numbers: Mapping[str, int], notes: Problems, *, sequences: bool, old: bool) -> None:
    """Note what the files have no place for."""
    for name, count in _left_behind(boxes, sequences=sequences, old=old).items():
        if count:
            notes.add("left-behind", where, f"no place for {name}, of {count}", None, "warning")
    labels = ",".join(f"{number}={name}" for name, number in numbers.items())
    if old and TRUTH in boxes.source and list(numbers.values()) != [1]:
        notes.add("left-behind", where, f"no place for the labels of truth ({labels})", None, "warning")
    elif _custom(numbers):
        message = f"labels became numbers, {listed([f'{n} {name}' for name, n in numbers.items()])}, named in {LABELS}"
        fix = f"readers that do not know that list are told: --classes {labels}"
        notes.add("numbered-labels", where, message, fix, "info")
    bare = int((boxes.id[_of(boxes, TRUTH)] < 0).sum())
    if bare:
        message = f"{bare} boxes of the truth have no identity: written with id -1, which others take for one track"
        notes.add("no-identity", where, message, None, "warning")
    off = np.concatenate([_moved(_read_back(side), "one_based", "centre") - side for side in (boxes.x, boxes.y)])
    if (count := int((off != 0).sum())) > 0:
        message = (
            f"{count} positions have no like in a frame that counts from 1: off by at most {np.abs(off).max():.0e}"
        )
        notes.add("rounded", where, message, None, "info")


def _left_behind(boxes: Boxes, *, sequences: bool, old: bool) -> dict[str, int]:
    """Return how many of what are lost."""
    truth = _of(boxes, TRUTH)
    scored = np.zeros(len(boxes), bool) if boxes.score is None else ~np.isnan(boxes.score)
    seen = np.zeros(len(boxes), bool) if boxes.visibility is None else ~np.isnan(boxes.visibility)
    found: dict[str, Any] = {
        "the score of truth": (truth & scored).sum(),
        "the visible share": (seen & (old | ~truth)).sum(),
        "that it is to be ignored": (boxes.ignored & ~truth).sum(),
        "the source's own identity": sum(one is not None for one in boxes.source_id or ()),
        "the score, which only some boxes have": _some_scores(boxes, truth, scored),
        "ranges that were annotated": sum(
            [(one.start, one.stop) for one in sequence.annotated] != [(0, sequence.length)]
            for sequence in boxes.header.sequences
        ),
        "the pattern of image names": sum(sequence.images is not None for sequence in boxes.header.sequences),
        "a first frame other than 1": sum(sequence.first_number != 1 for sequence in boxes.header.sequences),
    }
    if not sequences:
        found["length, rate and size of sequences"] = len(boxes.header.sequences)
    return {name: int(count) for name, count in found.items()}


def _some_scores(boxes: Boxes, truth: NDArray[np.bool_], scored: NDArray[np.bool_]) -> int:
    """Return how many boxes without a score stand in a file with scores: they are read back with -1."""
    lost = 0
    for index in range(len(boxes.header.sequences)):
        for source in set(boxes.source) - {TRUTH}:
            own = (boxes.sequence_index == index) & _of(boxes, source) & ~truth
            if (own & scored).any():
                lost += int((own & ~scored).sum())
    return lost
