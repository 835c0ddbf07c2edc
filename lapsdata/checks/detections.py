"""Whether detections are fit to train a tracker on: what they cover, and how they lie beside the truth.

A tracker that was fed a copy of the truth, the detections of other frames, or of another detector, trains without an
error and finds nothing. Each of these shows in one look at both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lapsdata.adapters._box_faults import TRUTH
from lapsdata.adapters._copied_boxes import copied, copy_fault
from lapsdata.adapters._far_boxes import FAR, far_fault
from lapsdata.adapters._image_names import IMAGES, number_in, split_pattern
from lapsdata.adapters._image_places import folder_of_images, folders_of_sequences, said_folder
from lapsdata.containers.boxes import annotated_frames
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
_NEAR, _RARE = 0.1, 0.05
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
    above = said_folder(sequence)
    folder = folder_of_images(sequence, root, single=single)
    with storage_errors(root, "list"):
        names = [] if folder is None else [one.name for one in folder.iterdir() if one.suffix.lower() in _IMAGES]
    numbers = [found.digits for name in names if (found := number_in(name)) is not None]
    lengths = {len(one) for one in numbers}
    pattern = None if sequence.images is None else split_pattern(sequence.images)
    return CoveredSequence(
        name=sequence.name,
        folder=folder,
        said=None if above is None else root / above,
        images=frozenset(map(int, numbers)),
        covered=_numbers(sequence),
        boxes=boxes,
        digits=next(iter(lengths)) if len(lengths) == 1 else None,
        said_digits=None if pattern is None else pattern.digits,
    )


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
        there = [_below(one, root) for one in folders_of_sequences(root)] if len(lost) == len(covered) else []
        message += f"; there are {listed(there)}" if there else ""
        fix = f"look at the keys, <path>/<sequence>/{IMAGES}: training finds no key of another data set"
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


def _below(path: Path, root: Path) -> str:
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)


class _Side(NamedTuple):
    """Boxes of one sequence, in order of the numbers of their frames."""

    number: NDArray[np.int64]
    xywh: NDArray[np.float64]
    label: NDArray[np.object_]


class _Nearest(NamedTuple):
    """Of true boxes the overlap with the nearest detection, whether one is a copy, labels; of detections which are."""

    overlap: NDArray[np.float64]
    copied: NDArray[np.bool_]
    label: NDArray[np.object_]
    copies: NDArray[np.bool_]


def beside_truth(found: Boxes, truth: Boxes) -> Iterator[Problem]:
    """Yield how detections lie beside a truth: how much of it they cover and find, and whether they are copies of it.

    Sequences are compared by their names, and frames by their numbers; labels are not, as a detector need not know any.
    Of the truth only boxes of the source `truth` count, and of the detections every other source by itself, where there
    is one. Regions to be ignored are left out.

    Parameters
    ----------
    found, truth : Boxes

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_boxes
    >>> [(one.code, one.severity) for one in beside_truth(sample_boxes(), sample_boxes())]
    [('compared', 'info'), ('wrong-detections', 'error')]
    """
    at = {one.name: number for number, one in enumerate(found.header.sequences)}
    names = [one.name for one in truth.header.sequences]
    both = [name for name in names if name in at]
    if not both:
        message = f"expected detections of {listed(names)}, got {listed(at)}"
        yield Problem("other-sequences", "sequences", message, "name the truth of the same sequences")
        return
    if len(truth) and TRUTH not in truth.source:
        message = f"expected boxes of a truth, got those of {listed(sorted(set(truth.source)))}"
        yield Problem("no-truth", "sources", message, "name a truth to compare with", "warning")
        return
    if lost := sorted(set(names) - at.keys()):
        message = f"no detections of {len(lost)} sequence{'s' * (len(lost) != 1)}: {listed(lost)}"
        yield Problem("sequences-missing", "sequences", message, None, "warning")
    pairs = [(one, number, found.header.sequences[at[one.name]]) for number, one in enumerate(truth.header.sequences)
             if one.name in at]  # fmt: skip
    for sequence, _, other in pairs:
        looked, wanted = _numbers(other), _numbers(sequence)
        if missing := wanted - looked:
            message = (
                f"covers {len(wanted & looked):,} of {len(wanted):,} frames of the truth: "
                f"none of {spans_told(missing, 3)} was looked at"
            )
            yield Problem("frames-not-covered", sequence.name, message, "run the detector on all of them")
    covered = sum(len(_numbers(sequence) & _numbers(other)) for sequence, _, other in pairs)
    frames = sum(len(_numbers(sequence)) for sequence, _, _ in pairs)
    sources = sorted(set(found.source)) or [TRUTH]
    # A table of everybody's boxes holds the truth too: what is asked for is what others found.
    compared = [one for one in sources if one != TRUTH] or sources
    for source in compared:
        nearest = []
        for sequence, number, other in pairs:
            ours, theirs = _side(truth, number, TRUTH), _side(found, at[sequence.name], source)
            inside = np.isin(ours.number, list(_numbers(other)))
            nearest.append(_nearest(_Side(ours.number[inside], ours.xywh[inside], ours.label[inside]), theirs))
        where = "boxes" if len(compared) == 1 else f"boxes of {source}"
        whole = _Nearest(*(np.concatenate(column) for column in zip(*nearest, strict=True)))
        yield from _verdicts(whole, covered, frames, where)


def _numbers(sequence: BoxSequence) -> frozenset[int]:
    """Return what the source calls the frames that were looked at."""
    return frozenset((np.flatnonzero(annotated_frames(sequence)) + sequence.first_number).tolist())


def _side(boxes: Boxes, at: int, source: str) -> _Side:
    first, last = np.searchsorted(boxes.sequence_index, (at, at + 1)).tolist()
    rows = first + np.flatnonzero(~boxes.ignored[first:last])
    rows = np.array([row for row in rows.tolist() if boxes.source[row] == source], np.int64)
    number = boxes.frame[rows] + boxes.header.sequences[at].first_number
    return _Side(number, boxes.xywh[rows], np.array([boxes.label[row] for row in rows.tolist()], object))


def _nearest(truth: _Side, found: _Side) -> _Nearest:
    from lapsdata.metrics.tracking._overlaps import best_overlaps

    sides = (truth.number, truth.xywh), (found.number, found.xywh)
    return _Nearest(
        best_overlaps(*sides[0], *sides[1]),
        copied(*sides[0], *sides[1], shift_px=1),
        truth.label,
        copied(*sides[1], *sides[0], shift_px=1),
    )


def _verdicts(nearest: _Nearest, covered: int, frames: int, where: str) -> Iterator[Problem]:
    best, labels = nearest.overlap, nearest.label
    if not len(best):
        message = (
            f"expected true boxes in frames with detections, got none: {covered:,} of {frames:,} frames are covered"
        )
        yield Problem("nothing-compared", where, message, None, "warning")
        return
    of_truth, mean = float(nearest.copied.mean()), float(best.mean())
    of_found = float(nearest.copies.mean()) if len(nearest.copies) else 0.0
    named = {name: float((best[labels == name] >= _NEAR).mean()) for name in sorted(set(labels.tolist()))}
    shares = ", ".join(f"{name} {share:.0%}" for name, share in named.items())
    message = (
        f"{covered:,} of {frames:,} true frames covered; {len(nearest.copies):,} detections; mean best IoU of "
        f"{len(best):,} true boxes {mean:.3f}; with any detection near: {shares}; copies: {of_truth:.1%}"
    )
    yield Problem("compared", where, message, None, "info")
    if (fault := copy_fault(of_truth, of_found, where, "error")) is not None or (
        fault := far_fault(mean, where)
    ) is not None:
        yield fault
    for name, share in named.items():
        count = int((labels == name).sum())
        if share < _RARE and count >= _FEW and mean >= FAR:
            message = (
                f"of {count:,} true boxes of {name!r} {share:.1%} have a detection near: the class is not detected"
            )
            yield Problem("class-absent", where, message, "look at the classes that were kept", "warning")
