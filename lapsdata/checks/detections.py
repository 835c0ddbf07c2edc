"""Whether detections are fit to train a tracker on: what they cover, and how they lie beside the truth.

A tracker that was fed a copy of the truth, the detections of other frames, or of another detector, trains without an
error and finds nothing. Each of these shows in one look at both.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from glob import escape
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lapsdata.errors import Problem, listed, spans_told
from lapsdata.storage.atomic import storage_errors

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from lapsdata.containers import Boxes
    from lapsdata.schema import BoxSequence

__all__ = ["CoveredSequence", "beside_truth", "coverage", "coverage_problems"]

_IMAGES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")
_NUMBER = re.compile(r"(\d{1,12})\Z", re.ASCII)
_DIGITS = re.compile(r"\{frame:0(\d+)d\}")
_FOLDER = "img1"
# Folders above a sequence in which images are looked for, where they do not lie where they are said to.
_DEPTH = 4
# Pairs of boxes that are compared at once: 2 million are about 200 MB.
_PAIRS = 1 << 21
# Sizes differ by less where one was copied from the other; places by a pixel more, as MOTChallenge counts from 1.
_SAME_SIZE_PX, _SAME_PLACE_PX = 0.01, 1.01
_COPIED, _NEAR, _WRONG, _RARE = 0.5, 0.1, 0.1, 0.05
# A class of fewer boxes tells nothing.
_FEW = 10


@dataclass(frozen=True, slots=True)
class CoveredSequence:
    """What is known of the frames of a sequence, and what lies on disk.

    Parameters
    ----------
    name : str
    folder : Path or None
        Where its images lie; None where they were not found, or in several folders.
    said : Path or None
        Where they lie by the names that it says; None where it says none.
    images : frozenset of int
        Numbers of the images on disk.
    covered : frozenset of int
        Numbers of the frames that were annotated, or looked at by a detector.
    boxes : int
    digits : int or None
        Of the names of images on disk; None where they are of several lengths.
    said_digits : int or None
        Of the names that it says.
    """

    name: str
    folder: Path | None
    said: Path | None
    images: frozenset[int]
    covered: frozenset[int]
    boxes: int
    digits: int | None
    said_digits: int | None

    @property
    def found(self) -> int:
        """How many of the images are covered."""
        return len(self.images & self.covered)

    @property
    def text(self) -> str:
        """Images, and how many of them are covered, in words."""
        return f"{self.found:,} of {len(self.images):,}" if self.folder is not None else "no images found"


def coverage(boxes: Boxes, folder: Path) -> tuple[CoveredSequence, ...]:
    """Return which images on disk each sequence of boxes covers; images are told by the numbers in their names.

    Parameters
    ----------
    boxes : Boxes
        Detections, or a truth.
    folder : Path
        The folder of all data, or that of one sequence. Where images do not lie where their names say, they are looked
        for in a folder of the sequence's name.

    Raises
    ------
    StorageError
        A folder cannot be listed.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lapsdata.testing.samples import sample_boxes
    >>> root = pathlib.Path(tempfile.mkdtemp())
    >>> (root / "left" / "img1").mkdir(parents=True)
    >>> for number in range(12):
    ...     (root / "left" / "img1" / f"{number:06d}.jpg").touch()
    >>> [one.text for one in coverage(sample_boxes(), root)]
    ['10 of 12', 'no images found']
    """
    count = np.bincount(boxes.sequence_index, minlength=len(boxes.header.sequences)).tolist()
    single = len(boxes.header.sequences) == 1
    return tuple(_covered(one, count[at], folder, single=single) for at, one in enumerate(boxes.header.sequences))


def _covered(sequence: BoxSequence, boxes: int, root: Path, *, single: bool) -> CoveredSequence:
    frames = [np.arange(span.start, span.stop) + sequence.first_number for span in sequence.annotated]
    above = (
        None if sequence.images is None else sequence.images.rpartition("/")[0].replace("{{", "{").replace("}}", "}")
    )
    said = None if above is None or above in ("", _FOLDER) else root / above
    with storage_errors(root, "list"):
        folder = _folder_of(sequence.name, root, said, single=single)
        names = [] if folder is None else [one.stem for one in folder.iterdir() if one.suffix.lower() in _IMAGES]
    numbers = [found[1] for name in names if (found := _NUMBER.search(name)) is not None]
    lengths = {len(one) for one in numbers}
    pattern = _DIGITS.search(sequence.images or "")
    return CoveredSequence(
        name=sequence.name,
        folder=folder,
        said=said,
        images=frozenset(map(int, numbers)),
        covered=frozenset(np.concatenate(frames).tolist()) if frames else frozenset(),
        boxes=boxes,
        digits=next(iter(lengths)) if len(lengths) == 1 else None,
        said_digits=None if pattern is None else int(pattern[1]),
    )


def _folder_of(name: str, root: Path, said: Path | None, *, single: bool) -> Path | None:
    """Return where the images of a sequence lie: where they should, or else in the one folder of its name."""
    usual = [root / name / _FOLDER, *([root / _FOLDER] if single else [])]
    for place in (*([said] if said is not None else []), *usual):
        if place.is_dir():
            return place
    for depth in range(1, _DEPTH):
        found = [one for one in root.glob("*/" * depth + f"{escape(name)}/{_FOLDER}") if one.is_dir()]
        if found:
            return found[0] if len(found) == 1 else None
    return None


def coverage_problems(covered: Sequence[CoveredSequence], root: Path) -> Iterator[Problem]:
    """Yield what training on these images would stumble over.

    Parameters
    ----------
    covered : sequence of CoveredSequence
    root : Path
        The folder of all data.

    Examples
    --------
    >>> from pathlib import Path
    >>> none = CoveredSequence("a", None, None, frozenset(), frozenset({1}), 3, None, None)
    >>> [one.code for one in coverage_problems([none], Path("data"))]
    ['no-images']
    """
    lost = [one.name for one in covered if one.folder is None]
    if lost:
        message = f"expected images of each sequence, found none, or several folders, of {listed(lost)}"
        # Of none at all: these are the keys of another data set.
        there = _sequences_in(root) if len(lost) == len(covered) else []
        message += f"; there are {listed(there)}" if there else ""
        fix = f"look at the keys, <path>/<sequence>/{_FOLDER}: training finds no key of another data set"
        yield Problem("no-images", str(root), message, fix, "error" if there else "warning")
    for one in covered:
        if one.folder is None:
            continue
        if one.said is not None and one.folder != one.said:
            message = f"expected keys of the data set, {_below(one.folder, root)}, got {_below(one.said, root)}"
            fix = "write it again with the --prefix of these images: training finds no key of another"
            yield Problem("wrong-prefix", one.name, message, fix)
        if one.digits is not None and one.said_digits is not None and one.digits != one.said_digits:
            message = f"expected {one.digits} digits as in the names of images, got {one.said_digits}"
            yield Problem("wrong-digits", one.name, message, f"write it again with --digits {one.digits}")
        if missing := one.images - one.covered:
            message = (
                f"covers {one.found:,} of {len(one.images):,} images: "
                f"none of the frames {spans_told(missing, 3)} was looked at"
            )
            yield Problem("frames-not-covered", one.name, message, "run the detector on all of them")
        if beyond := one.covered - one.images:
            message = f"{len(beyond):,} frames have no image: {spans_told(beyond, 3)}"
            yield Problem("frames-without-image", one.name, message, "frames are numbered by file name", "warning")


def _sequences_in(root: Path) -> list[str]:
    """Return the folders with images below a folder."""
    with storage_errors(root, "list"):
        found = [one for depth in range(_DEPTH + 1) for one in root.glob("*/" * depth + _FOLDER) if one.is_dir()]
    return sorted(_below(one.parent, root) for one in found)


def _below(path: Path, root: Path) -> str:
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)


class _Side(NamedTuple):
    """Boxes of one sequence, in order of the numbers of their frames."""

    number: NDArray[np.int64]
    xywh: NDArray[np.float64]
    label: NDArray[np.object_]


def beside_truth(found: Boxes, truth: Boxes) -> Iterator[Problem]:
    """Yield how detections lie beside a truth: how much of it they cover and find, and whether they are copies of it.

    Sequences are compared by their names, and frames by their numbers. Where boxes of the truth say that they are one,
    others are left out, as are regions to be ignored.

    Parameters
    ----------
    found, truth : Boxes

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_boxes
    >>> [(one.code, one.severity) for one in beside_truth(sample_boxes(), sample_boxes())]
    [('compared', 'info'), ('detections-equal-truth', 'error')]
    """
    at = {one.name: number for number, one in enumerate(found.header.sequences)}
    names = [one.name for one in truth.header.sequences]
    both = [name for name in names if name in at]
    if not both:
        message = f"expected detections of {listed(names)}, got {listed(at)}"
        yield Problem("other-sequences", "sequences", message, "name the truth of the same sequences")
        return
    if len(both) < len(names):
        message = f"no detections of {len(names) - len(both)} sequences: {listed(set(names) - at.keys())}"
        yield Problem("sequences-missing", "sequences", message, None, "warning")
    best: list[NDArray[np.float64]] = []
    equal: list[NDArray[np.bool_]] = []
    labels: list[NDArray[np.object_]] = []
    covered = frames = boxes = 0
    for number, sequence in enumerate(truth.header.sequences):
        if sequence.name not in at:
            continue
        other = found.header.sequences[at[sequence.name]]
        looked = _numbers(other)
        wanted = _numbers(sequence)
        covered, frames = covered + len(wanted & looked), frames + len(wanted)
        if missing := wanted - looked:
            message = (
                f"covers {len(wanted & looked):,} of {len(wanted):,} frames of the truth: "
                f"none of {spans_told(missing, 3)} was looked at"
            )
            yield Problem("frames-not-covered", sequence.name, message, "run the detector on all of them")
        ours, theirs = _side(truth, number, of_truth=True), _side(found, at[sequence.name])
        boxes += len(theirs.number)
        inside = np.isin(ours.number, list(looked))
        ours = _Side(ours.number[inside], ours.xywh[inside], ours.label[inside])
        overlap, same = _nearest(ours, theirs)
        best.append(overlap)
        equal.append(same)
        labels.append(ours.label)
    yield from _verdicts(np.concatenate(best), np.concatenate(equal), np.concatenate(labels), covered, frames, boxes)


def _numbers(sequence: BoxSequence) -> set[int]:
    return {frame + sequence.first_number for span in sequence.annotated for frame in range(span.start, span.stop)}


def _side(boxes: Boxes, at: int, *, of_truth: bool = False) -> _Side:
    rows = np.flatnonzero((boxes.sequence_index == at) & ~boxes.ignored)
    said = np.array([boxes.source[row] == "truth" for row in rows.tolist()], bool)
    if of_truth and said.any():
        rows = rows[said]
    number = boxes.frame[rows] + boxes.header.sequences[at].first_number
    xywh = np.stack([boxes.x[rows], boxes.y[rows], boxes.w[rows], boxes.h[rows]], axis=1)
    return _Side(number, xywh, np.array([boxes.label[row] for row in rows.tolist()], object))


def _nearest(truth: _Side, found: _Side) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return, for each true box, the overlap of the detection nearest to it, and whether one is its copy."""
    first = np.searchsorted(found.number, truth.number, "left")
    count = np.searchsorted(found.number, truth.number, "right") - first
    best, same = np.zeros(len(count)), np.zeros(len(count), bool)
    ends = np.cumsum(count)
    start = 0
    while start < len(count):
        before = int(ends[start - 1]) if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, before + _PAIRS, "right")))
        part = slice(start, stop)
        left = np.repeat(np.arange(start, stop), count[part])
        right = np.arange(len(left)) - np.repeat(ends[part] - count[part] - before - first[part], count[part])
        a, b = truth.xywh[left], found.xywh[right]
        np.maximum.at(best, left, _overlap(a, b))
        away = np.abs(a - b)
        copied = (away[:, 2:] <= _SAME_SIZE_PX).all(axis=1) & (away[:, :2] <= _SAME_PLACE_PX).all(axis=1)
        np.logical_or.at(same, left, copied)
        start = stop
    return best, same


def _overlap(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the intersection of pairs over their union; 0 of boxes without an area."""
    low, high = np.maximum(a[:, :2], b[:, :2]), np.minimum(a[:, :2] + a[:, 2:], b[:, :2] + b[:, 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=1)
    union = np.prod(a[:, 2:], axis=1) + np.prod(b[:, 2:], axis=1) - shared
    found: NDArray[np.float64] = np.divide(shared, union, out=np.zeros(len(a)), where=union > 0)
    return found


def _verdicts(
    best: NDArray[np.float64],
    equal: NDArray[np.bool_],
    labels: NDArray[np.object_],
    covered: int,
    frames: int,
    boxes: int,
) -> Iterator[Problem]:
    if not len(best):
        message = (
            f"expected true boxes in frames with detections, got none: {covered:,} of {frames:,} frames are covered"
        )
        yield Problem("nothing-compared", "boxes", message, None, "warning")
        return
    copied, mean = float(equal.mean()), float(best.mean())
    named = {name: float((best[labels == name] >= _NEAR).mean()) for name in sorted(set(labels.tolist()))}
    shares = ", ".join(f"{name} {share:.0%}" for name, share in named.items())
    message = (
        f"{covered:,} of {frames:,} true frames covered; {boxes:,} detections; mean best IoU of {len(best):,} true "
        f"boxes {mean:.3f}; with any detection near: {shares}; copies: {copied:.1%}"
    )
    yield Problem("compared", "boxes", message, None, "info")
    if copied >= _COPIED:
        message = f"{copied:.1%} of the true boxes stand among the detections as they are"
        fix = "run a detector: a model that is fed the truth learns to copy it"
        yield Problem("detections-equal-truth", "boxes", message, fix)
    elif mean < _WRONG:
        message = f"expected detections near the truth, got a mean best IoU of {mean:.3f}"
        fix = "look at the detector, the size of the images that it saw, and the numbers of frames"
        yield Problem("wrong-detections", "boxes", message, fix)
    for name, share in named.items():
        count = int((labels == name).sum())
        if share < _RARE and count >= _FEW and mean >= _WRONG:
            message = (
                f"of {count:,} true boxes of {name!r} {share:.1%} have a detection near: the class is not detected"
            )
            yield Problem("class-absent", "boxes", message, "look at the classes that were kept", "warning")
