r"""Detection databases of MOTRv2, written: a key for every frame, and lines `x,y,w,h,score\n`.

What a key looks like is a choice that training depends on: upstream asks for `<path>/img1/00000001.txt`, forks for
`<path>/img1/000001`. It is told, or kept from a source that is such a database, and never guessed.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lapsdata.adapters._box_faults import DETECTOR, TRUTH
from lapsdata.adapters._detection_rows import NO_CLASS
from lapsdata.adapters._image_names import ENDINGS_OF_KEYS, IMAGES, split_pattern
from lapsdata.errors import Problem, Problems, SchemaError, listed
from lapsdata.formats import WriteReport
from lapsdata.formats._format import size_on_disk
from lapsdata.storage.atomic import atomic_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from lapsdata.adapters._image_names import SplitPattern
    from lapsdata.containers import Boxes
    from lapsdata.schema import BoxSequence

__all__ = ["exact_edges", "write_detections"]

# Decimals that numbers are tried with, few first: what was read as 0.01 is written so.
_DECIMALS = (2, 6, 10, 14)

_UNSAID = {
    "prefix": ("what keys begin with", "say the folder below that of all data: --prefix PATH"),
    "digits": ("the digits of a frame", "say those of the images: --digits 6, or 8"),
    "suffix": ("what keys end with", "say --suffix .txt (MOTRv2 itself), or none (forks of it)"),
}


class _Plan(NamedTuple):
    """The keys of one sequence: `pattern`, the number of its frame 0, and the frames that get one."""

    pattern: str
    base: int
    start: int
    stop: int


def write_detections(
    path: Path,
    boxes: Boxes,
    *,
    prefix: str | None = None,
    digits: int | None = None,
    suffix: str | None = None,
    frames: tuple[int, int] | None = None,
) -> WriteReport:
    r"""Write boxes with scores as a database; every frame of a sequence gets a key, as training fails where one lacks.

    Parameters
    ----------
    path : Path
        A free name.
    boxes : Boxes
    prefix : str, optional
        The folder of the sequence below that of all data, `volleyball/test/test1`; of several sequences the folder that
        they lie in. By default that of the source, where this is a database.
    digits : int, optional
        Of a frame in a key: 8 upstream, 6 in forks; by default those of the images, where the source says it.
    suffix : {"none", ".txt"}, optional
        What keys end with: `.txt` upstream, none in forks; by default as in a source that is a database.
    frames : (int, int), optional
        First and last frame that get a key, as the source numbers them; by default all. Where there is one sequence,
        frames behind its end get one too.

    Returns
    -------
    WriteReport
        Counts, and what a database has no place for, are in its notes.

    Raises
    ------
    SchemaError
        Boxes without a score, as those of a truth are (`truth-as-detections`); a dialect that nobody said; keys of two
        sequences that are the same.
    StorageError
        Something is there, or it cannot be written.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lapsdata.adapters._boxes_edit import taken_rows
    >>> from lapsdata.testing.samples import sample_boxes
    >>> detections = taken_rows(sample_boxes(), np.array([2]))
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "det_db.json"
    >>> _ = write_detections(path, detections, prefix="test", suffix="none", frames=(0, 1))
    >>> print(path.read_text())
    {
    "test/left/img1/000000": [],
    "test/left/img1/000001": ["11.5,21.5,42.0,82.0,0.75\n"],
    "test/right/img1/000000": [],
    "test/right/img1/000001": []
    }
    """
    problems, notes = Problems(), list[Problem]()
    _expect_detections(boxes, problems)
    plans = _plans(boxes, prefix, digits, suffix, frames, problems, notes)
    problems.raise_as(SchemaError)
    lines, largest = _lines(boxes)
    rows = _rows_by_key(boxes, plans)
    taken = np.zeros(len(boxes), bool)
    keys = bare = 0
    with atomic_file(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        for key, at in rows:
            text = json.dumps([lines[row] for row in at])
            file.write(f"{',' * bool(keys)}\n{json.dumps(key)}: {text}" if keys else f"{{\n{json.dumps(key)}: {text}")
            keys, bare = keys + 1, bare + (not at)
            taken[at] = True
        file.write("\n}")
    notes += _told(boxes, plans, taken, largest)
    score = boxes.score[taken] if boxes.score is not None else np.zeros(0)
    span = f", scores {score.min():g} to {score.max():g}" if len(score) else ""
    spelled = f", as {_first_key(plans)}" if keys else ""
    message = f"{keys:,} keys{spelled}; {int(taken.sum()):,} boxes{span}; {bare:,} keys without boxes"
    notes.insert(0, Problem("database-written", str(path), message, None, "info"))
    if not len(score):
        message = f"a database of {keys:,} keys without a box was written"
        notes.append(Problem("empty-database", str(path), message, "look at what was chosen of the source", "warning"))
    return WriteReport(path, "detection-db", size_on_disk(path), largest, tuple(notes))


def _first_key(plans: list[_Plan]) -> str:
    plan = next(one for one in plans if one.stop > one.start)
    return plan.pattern.format(frame=plan.start + plan.base)


def _expect_detections(boxes: Boxes, problems: Problems) -> None:
    """Refuse boxes without a score: none is made up, as a truth with scores of 1 has once been taken for detections."""
    if len(sources := sorted(set(boxes.source))) > 1:
        message = f"expected boxes of one source, got those of {listed(sources)}"
        problems.add(
            "several-sources", "boxes", message, f"say whose detections are wanted: --source {_likely(sources)}"
        )
        return
    without = ~boxes.ignored if boxes.score is None else np.isnan(boxes.score) & ~boxes.ignored
    tracked = int((without & (boxes.id >= 0)).sum())
    if tracked:
        sources = sorted({boxes.source[row] for row in np.flatnonzero(without).tolist()})
        message = (
            f"expected detections with scores, got {tracked:,} boxes with identities and without scores, "
            f"as a truth has them (from {listed(sources)})"
        )
        fix = "give what a detector found: a model that is fed the truth learns to copy it"
        problems.add("truth-as-detections", "boxes", message, fix)
    elif without.any():
        message = f"expected a score for each box, got none for {int(without.sum()):,} of {len(boxes):,}"
        problems.add("no-scores", "boxes", message, "give a source with scores: none is made up")


def _likely(sources: list[str]) -> str:
    """Return the source that is most likely meant."""
    return DETECTOR if DETECTOR in sources else next((one for one in sources if one != TRUTH), sources[0])


def _plans(
    boxes: Boxes,
    prefix: str | None,
    digits: int | None,
    suffix: str | None,
    frames: tuple[int, int] | None,
    problems: Problems,
    notes: list[Problem],
) -> list[_Plan]:
    sequences = boxes.header.sequences
    if prefix is not None:
        prefix = _folder(prefix, problems)
    plans: list[_Plan] = []
    kept: list[str] = []
    unsaid: dict[str, list[str]] = {}
    lengthened = 0
    for sequence in sequences:
        own = None if sequence.images is None else split_pattern(sequence.images)
        of_keys = own is not None and own.ending in ENDINGS_OF_KEYS and own.folder != ""
        said = (prefix, digits, suffix) != (None, None, None)
        if sequence.images is not None and ((of_keys and not said) or _alone(sequence)):
            pattern = sequence.images
            kept.append(sequence.name)
        else:
            pattern = _new_pattern(sequence, own, prefix, digits, suffix, several=len(sequences) > 1, unsaid=unsaid)
        start, stop = 0, sequence.length
        if frames is not None and not _alone(sequence):
            start = max(0, frames[0] - sequence.first_number)
            last = frames[1] - sequence.first_number + 1
            lengthened = max(0, last - stop) if len(sequences) == 1 else 0
            stop = last if len(sequences) == 1 else min(stop, last)
        # A source that names no images counts frames; the first image of a sequence is number 1.
        plans.append(_Plan(pattern, sequence.first_number if sequence.images else 1, start, max(start, stop)))
    for what, names in unsaid.items():
        words, fix = _UNSAID[what]
        problems.add(f"no-{what}", listed(names), f"expected {words}, got nothing that says it", fix)
    if not len(problems):
        _expect_apart(sequences, plans, problems)
    if not len(problems) and frames is not None and all(plan.stop == plan.start for plan in plans):
        message = f"expected some of the frames that there are, got {frames[0]} to {frames[1]}"
        problems.add("no-frames", "frames", message, "frames are numbered as in the source")
    notes += _told_of_keys(sequences, plans, kept, lengthened, digits)
    return plans


def _alone(sequence: BoxSequence) -> bool:
    """Say whether a sequence is a single image by a name without a number."""
    return sequence.images is not None and "{frame" not in sequence.images and sequence.length == 1


def _folder(prefix: str, problems: Problems) -> str:
    folder = prefix.rstrip("/")
    parts = folder.split("/")
    if parts[-1] == IMAGES:
        message = f"expected a folder of sequences, got {prefix!r}: {IMAGES} is added"
        problems.add("wrong-prefix", "prefix", message, f"say {'/'.join(parts[:-1]) or 'what stands before it'}")
    elif not folder or {"", ".", ".."} & set(parts):
        message = f"expected a path below the folder of all data, as volleyball/test/test1, got {prefix!r}"
        problems.add("wrong-prefix", "prefix", message)
    return folder


def _new_pattern(
    sequence: BoxSequence,
    own: SplitPattern | None,
    prefix: str | None,
    digits: int | None,
    suffix: str | None,
    *,
    several: bool,
    unsaid: dict[str, list[str]],
) -> str:
    """Return the keys of a sequence by what was said, and by what it says itself; what nobody said is noted."""
    of_keys = own is not None and own.ending in ENDINGS_OF_KEYS
    if prefix is not None:
        folder = f"{prefix}/{sequence.name}/{IMAGES}/" if several else f"{prefix}/{IMAGES}/"
    else:
        folder = own.folder if own is not None and of_keys else ""
        if "/" not in folder.rstrip("/"):
            unsaid.setdefault("prefix", []).append(sequence.name)
    if digits is None and own is None:
        unsaid.setdefault("digits", []).append(sequence.name)
    if suffix is None and not of_keys:
        unsaid.setdefault("suffix", []).append(sequence.name)
    number = digits if digits is not None else own.digits if own is not None else 1
    ending = ("" if suffix == "none" else suffix) if suffix is not None else own.ending if own is not None else ""
    before = own.before if own is not None else ""
    if prefix is not None:
        folder = folder.replace("{", "{{").replace("}", "}}")
    return f"{folder}{before}{{frame:0{number}d}}{ending}"


def _expect_apart(sequences: tuple[BoxSequence, ...], plans: list[_Plan], problems: Problems) -> None:
    seen: dict[str, str] = {}
    for sequence, plan in zip(sequences, plans, strict=True):
        if plan.pattern in seen:
            message = f"expected keys of its own, got those of {seen[plan.pattern]!r}: {plan.pattern}"
            problems.add("same-keys", sequence.name, message, "write them one by one")
        seen[plan.pattern] = sequence.name


def _told_of_keys(
    sequences: tuple[BoxSequence, ...], plans: list[_Plan], kept: list[str], lengthened: int, digits: int | None
) -> Iterator[Problem]:
    if kept:
        message = f"keys of {listed(kept)} stay as their source spells them"
        yield Problem("keys-kept", "keys", message, None, "info")
    read_off = [one.name for one in sequences if one.name not in kept and one.images]
    if digits is None and read_off:
        message = f"digits of frames are those of the names of images: {listed(read_off)}"
        yield Problem("digits-of-images", "keys", message, None, "info")
    counted = [one for one in sequences if not one.images and one.first_number != 1]
    if counted:
        message = f"the source counts frames from {counted[0].first_number} and names no images: its first is number 1"
        fix = "compare a frame with its image"
        yield Problem("numbered-from-1", ", ".join(one.name for one in counted[:3]), message, fix, "warning")
    uncovered = sum(_uncovered(one, plan) for one, plan in zip(sequences, plans, strict=True))
    if uncovered:
        behind = f" ({lengthened:,} of them behind its last one)" if lengthened else ""
        message = f"{uncovered:,} frames that the source does not cover{behind} got an empty key, as if none held a box"
        fix = "run the detector on them" + (", and compare with the number of images" if lengthened else "")
        yield Problem("uncovered-frames", "keys", message, fix, "warning")


def _uncovered(sequence: BoxSequence, plan: _Plan) -> int:
    inside = sum(max(0, min(span.stop, plan.stop) - max(span.start, plan.start)) for span in sequence.annotated)
    return plan.stop - plan.start - inside


def _rows_by_key(boxes: Boxes, plans: list[_Plan]) -> Iterator[tuple[str, list[int]]]:
    """Yield each key and the rows of its boxes; rows stand in the order of sequences and frames."""
    for at, plan in enumerate(plans):
        first, last = np.searchsorted(boxes.sequence_index, (at, at + 1)).tolist()
        rows = first + np.flatnonzero(~boxes.ignored[first:last])
        frames = np.arange(plan.start, plan.stop + 1)
        ends = np.searchsorted(boxes.frame[rows], frames).tolist()
        every = rows.tolist()
        for place, frame in enumerate(frames[:-1].tolist()):
            yield plan.pattern.format(frame=frame + plan.base), every[ends[place] : ends[place + 1]]


def _lines(boxes: Boxes) -> tuple[list[str], float]:
    """Return the line of each box, and by how much a corner that is read back differs at most."""
    x, away = exact_edges(boxes.x)
    y, more = exact_edges(boxes.y)
    score = np.zeros(len(boxes)) if boxes.score is None else boxes.score
    columns = (x, y, boxes.w, boxes.h, score)
    texts = zip(*(map(repr, column.tolist()) for column in columns), strict=True)
    return [",".join(row) + "\n" for row in texts], max(away, more)


def exact_edges(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """Return corners counted from the edge of the frame, as short as they may be and read back to the same.

    Parameters
    ----------
    values : float64 (R,), pixel
        In the pixel frame of the contract.

    Returns
    -------
    float64 (R,), pixel
    float
        By how much one that is read back differs at most: 0.0 but for corners that lie closer to 0 than rounding.

    Examples
    --------
    >>> read = np.array([0.01, 771.57]) - 0.5
    >>> exact_edges(read)
    (array([1.0000e-02, 7.7157e+02]), 0.0)
    """
    edges = values + 0.5
    done = np.zeros(len(values), bool)
    for decimals in _DECIMALS:
        short = np.round(edges, decimals)
        good = ~done & (short - 0.5 == values)
        edges, done = np.where(good, short, edges), done | good
    away = np.abs(edges - 0.5 - values)
    return edges, float(away.max(initial=0.0))


def _told(boxes: Boxes, plans: list[_Plan], taken: NDArray[np.bool_], largest: float) -> Iterator[Problem]:
    """Yield what boxes say that a database has no place for."""
    every = np.flatnonzero(taken).tolist()
    labels = Counter(boxes.label[row] for row in every)
    if len(labels) > 1:
        counts = ", ".join(f"{count:,} {name}" for name, count in labels.most_common())
        message = f"a database has no classes: boxes of {len(labels)} are taken together ({counts})"
        yield Problem("classes-lost", "boxes", message, "choose those that are meant: --label NAME", "warning")
    only = [name for name in labels if len(labels) == 1 and name != NO_CLASS]
    left = [f"the label {name!r} of {labels[name]:,} boxes" for name in only]
    tracked = int((boxes.id[taken] >= 0).sum())
    left += [f"{tracked:,} identities"] if tracked else []
    left += ["visibility"] if boxes.visibility is not None else []
    if left:
        yield Problem("left-behind", "boxes", f"no place for: {', '.join(left)}", None, "info")
    ignored = int(boxes.ignored.sum())
    if ignored:
        message = f"{ignored:,} regions that are to be ignored are no detections: left out"
        yield Problem("ignored-left-out", "boxes", message, None, "warning")
    others = len(boxes) - ignored - len(every)
    if others:
        yield Problem("other-frames", "boxes", f"{others:,} boxes are in other frames: left out", None, "info")
    if every and boxes.score is not None and bool((boxes.score[taken] == 1).all()):
        truth = tracked == len(every)
        message = f"all {len(every):,} scores are 1" + (
            ", and all boxes have identities: a truth is no detection" if truth else ": those of a detector vary"
        )
        fix = "compare with the truth: lapsdata check FILE --against TRUTH"
        yield Problem("truth-as-detections" if truth else "scores-all-one", "boxes", message, fix, "warning")
    if largest:
        message = f"corners that are read back differ by up to {largest:.3g} pixels: they lie closer to 0 than rounding"
        yield Problem("rounded", "boxes", message, None, "info")
