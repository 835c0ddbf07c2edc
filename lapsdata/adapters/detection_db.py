r"""Detection databases of MOTRv2, and other JSON with the detections of each frame by its name.

    {"DanceTrack/train/dancetrack0001/img1/00000001.txt": ["771.57,604.20,73.07,229.56,0.923437\n"]}    MOTRv2
    {"volleyball/test/test1/img1/000001": []}                                                          forks of it
    {"0": [{"bbox": [233.7, 454.3, 136.3, 151.5], "score": 0.994, "category_id": 1}]}                  detectors

A key names an image, and so its sequence and its frame; what has no key was looked at by nobody, and what has an empty
list is a frame without detections. Boxes are top-left corner and size, in pixels from the edge of the frame.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lapsdata.adapters._adapter import Adapted, Adapter, Writer
from lapsdata.adapters._box_rows import BoxRows, RowsOfBoxes
from lapsdata.adapters._detection_rows import DetectionRows, class_labels
from lapsdata.adapters._image_names import IMAGES, ImageName, frame_spans, image_name, sequence_names, spelling_of
from lapsdata.adapters._texts import head
from lapsdata.adapters._written_detections import write_detections
from lapsdata.errors import listed, spans_told
from lapsdata.provenance import parent
from lapsdata.schema._reading import load_object
from lapsdata.storage.atomic import existing, storage_errors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from lapsdata.schema.base import Size
    from lapsdata.timebase import FrameRate

__all__ = ["PLUGIN", "read"]

_MARK = b"\xef\xbb\xbf"
_KEY = re.compile(r'\s*[{,]\s*"((?:[^"\\]|\\.)*)"\s*:\s*\[\s*')
_NO_LIST = re.compile(r'\s*\{\s*"((?:[^"\\]|\\.)*)"\s*:\s*(?:null|")')
_OBJECT = re.compile(r"\{")
_NUMBERS = re.compile(r'"\s*[-+.\d][^"]*,|\[\s*[-+.\d]')


def recognises(path: Path) -> str | None:
    """Return "boxes" for a JSON object whose first keys name images, and hold boxes or nothing."""
    if path.suffix.lower() != ".json":
        return None
    text, at, empty = head(path), 0, 0
    if (bare := _NO_LIST.match(text)) is not None and f"/{IMAGES}/" in _plain(bare[1]):
        return "boxes"
    while (found := _KEY.match(text, at)) is not None:
        key = _plain(found[1])
        if not ("/" in key or image_name(key).digits):
            return None
        if text.startswith("]", found.end()):
            empty, at = empty + bool(image_name(key).digits), found.end() + 1
            continue
        if _OBJECT.match(text, found.end()):
            return "boxes" if '"bbox"' in text[found.end() :] else None
        # What is wrong with the first box can be named only by who reads it.
        known = f"/{IMAGES}/" in key and text[found.end() : found.end() + 1] in ('"', "[")
        return "boxes" if known or ("/" in key and _NUMBERS.match(text, found.end())) else None
    return "boxes" if empty else None


def _plain(key: str) -> str:
    """Return a key as it is spelled in JSON, its folders parted by `/`."""
    return key.replace("\\/", "/").replace("\\\\", "/")


class _Frame(NamedTuple):
    key: str
    name: ImageName
    value: Any


def read(
    path: Path, *, rate: FrameRate | None = None, size: Size | None = None, classes: Mapping[str, str] | None = None
) -> Adapted:
    r"""Read a database: each folder above `img1` is a sequence, and frames are numbered by their names.

    Parameters
    ----------
    path : Path
    rate : FrameRate, optional
        Frames per second.
    size : Size, optional
        Of a frame, to tell boxes that lie outside of it.
    classes : mapping of str to str, optional
        By number, what classes are called.

    Returns
    -------
    Adapted
        Boxes without identity. Frames with a key are annotated, and others say nothing. A sequence ends with its last
        key, and counts from 0 where it has a frame 0, else from 1. Images without a number of their own, as those of
        CrowdHuman, are sequences of one frame.

    Raises
    ------
    SchemaError
        No such JSON, rows that are none, or a frame by two keys with unlike boxes: all is named.
    StorageError
        It cannot be read.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "det_db.json"
    >>> _ = path.write_text('{"test/a/img1/000002": ["10.5,20,30,40,0.75\\n"], "test/a/img1/000003": []}')
    >>> boxes = read(path).container
    >>> boxes.frame.tolist(), boxes.x.tolist(), boxes.score.tolist()
    ([1], [10.0], [0.75])
    >>> [(one.name, one.length, one.images) for one in boxes.header.sequences]
    [('a', 3, 'test/a/img1/{frame:06d}')]
    """
    with storage_errors(existing(path), "read"):
        data = path.read_bytes()
    _, document = load_object(data.removeprefix(_MARK), str(path))
    rows = BoxRows(path)
    sequences: dict[str, list[_Frame]] = {}
    for key, value in document.items():
        name = image_name(key)
        sequences.setdefault(name.path, []).append(_Frame(key, name, value))
    sequences = {place: _once(frames, rows) for place, frames in sequences.items()}
    found = DetectionRows(rows.problems)
    counts = {place: [found.add(one.key, one.value) for one in frames] for place, frames in sequences.items()}
    detections = found.detections()
    labels = class_labels(rows, detections.classes, classes)
    names = sequence_names(sequences, path.stem)
    first = 0
    for place, frames in sequences.items():
        part = slice(first, first + sum(counts[place]))
        number = np.array([one.name.number for one in frames], np.int64)
        base = min(1, int(number[0]))
        taken = RowsOfBoxes(
            frame=np.repeat(number - base, counts[place]),
            id=np.full(sum(counts[place]), -1, np.int64),
            xywh=detections.xywh[part],
            label=labels if isinstance(labels, str) else labels[part],
            source="detector",
            score=detections.score[part],
        )
        rows.add(
            names[place],
            taken,
            lambda row, first=first: found.where(first + row),  # type: ignore[misc]
            length=int(number[-1]) - base + 1,
            rate=rate,
            size=size,
            annotated=frame_spans(number - base),
            images=_pattern(place, frames),
            first_number=base,
        )
        first = part.stop
    _tell_names(rows, sequences, names)
    _tell_boxes(rows, path, sum(map(len, sequences.values())), detections.score)
    left = ", ".join(f"{name} ({count})" for name, count in sorted(found.unread.items()))
    message = f"what boxes say beside place, score and class has no place: left out, {left}"
    rows.count("keys-left-out", "boxes", found.unread.total(), message, info=True)
    return rows.adapted([parent("detections", path)], rate=rate)


def _once(frames: list[_Frame], rows: BoxRows) -> list[_Frame]:
    """Return the frames of a sequence by number; one that stands by two keys with the same boxes is taken once."""
    kept: list[_Frame] = []
    for one in sorted(frames, key=lambda frame: frame.name.number):
        before = kept[-1] if kept else None
        if before is None or before.name.number != one.name.number:
            kept.append(one)
        elif before.value != one.value:
            message = f"expected one key for a frame, got {one.key!r} with other boxes"
            rows.problems.add("frame-twice", f"key {before.key!r}", message, "take one of both out")
    again = len(frames) - len(kept)
    message = f"{again} frames stand there by two keys with the same boxes: taken once"
    rows.count("frames-twice", kept[0].name.path, again, message, info=True)
    return kept


def _pattern(place: str, frames: Sequence[_Frame]) -> str | None:
    """Return how the images of a sequence are called; None where it is in several ways, or by a bare number."""
    spelling = spelling_of([one.name for one in frames])
    if spelling is None or not (place or spelling.before or spelling.ending):
        return None
    return spelling.pattern(place)


def _tell_names(rows: BoxRows, sequences: Mapping[str, Sequence[_Frame]], names: Mapping[str, str]) -> None:
    """Say what the names of images tell, and what they do not."""
    numbered = {place: frames for place, frames in sequences.items() if frames[0].name.digits}
    parted = sum("\\" in one.key for frames in sequences.values() for one in frames)
    message = f"folders in {parted} keys are parted by backslashes: taken for /"
    rows.count("backslashes", "keys", parted, message, "training asks for keys with /: write them anew")
    message = f"{len(sequences) - len(numbered)} keys name no frame: each is a sequence of one frame"
    rows.count("single-images", "keys", len(sequences) - len(numbered), message, info=True)
    longer = [name for place, name in names.items() if place.rpartition("/")[2] not in (name, "")]
    message = f"sequences of one name in several folders are called by their folders too: {listed(longer)}"
    rows.count("longer-names", "keys", len(longer), message, info=True)
    mixed = [names[place] for place, frames in numbered.items() if spelling_of([one.name for one in frames]) is None]
    message = f"keys of one sequence are spelled in several ways: {listed(mixed)}"
    rows.count("mixed-keys", "keys", len(mixed), message, "say --digits and --suffix to write them alike")
    styles = Counter(
        (spelling.digits, spelling.ending)
        for frames in numbered.values()
        if (spelling := spelling_of([one.name for one in frames])) is not None
    )
    if len(styles) > 1:
        told = ", ".join(f"{count} with {digits} digits{ending and f' and {ending}'}" for (digits, ending), count
                         in sorted(styles.items()))  # fmt: skip
        rows.note("several-dialects", "keys", f"sequences are spelled in several ways: {told}", info=True)
    bare = [one for place, (one, *_) in numbered.items() if not (place or one.name.before or one.name.ending)]
    zero = [names[place] for place, (one, *_) in numbered.items() if one.name.number == 0 and one not in bare]
    if zero:
        message = f"frames are counted from 0, as there is a frame 0: {listed(zero)}"
        rows.note("counts-from-0", "keys", message, info=True)
    if bare:
        what = f"{min(1, bare[0].name.number)}, as there is {'a' if bare[0].name.number == 0 else 'no'} frame 0"
        message = f"keys are bare numbers, which name no images: frames are taken to be counted from {what}"
        rows.note("bare-numbers", "keys", message, "compare a frame with its image", info=True)
    short = {names[place]: spans_told(_missing(frames), 3) for place, frames in numbered.items() if _missing(frames)}
    missing = sum(len(_missing(frames)) for frames in numbered.values())
    told = "; ".join(f"{name}: {spans}" for name, spans in list(short.items())[:3])
    message = f"{missing} frames before the last key of their sequence have none: nobody looked at them ({told})"
    rows.count("frames-missing", "keys", missing, message, "training of MOTRv2 fails where it asks for one")


def _missing(frames: Sequence[_Frame]) -> list[int]:
    there = {one.name.number for one in frames}
    return sorted(set(range(min(1, *there), max(there) + 1)) - there)


def _tell_boxes(rows: BoxRows, path: Path, keys: int, score: NDArray[np.float64]) -> None:
    """Say what is wrong with the boxes as a whole."""
    if not len(score):
        message = f"expected boxes, got none in {keys} keys"
        rows.note("empty-database", str(path), message, "run the detector again, and look at its threshold and classes")
        return
    bare = int(np.isnan(score).sum())
    rows.count("boxes-without-score", "boxes", bare, f"{bare} of {len(score)} boxes have no score")
    if bool((score == 1).all()):
        message = f"all {len(score)} scores are 1: those of a detector vary, and those of a copied truth do not"
        rows.note("scores-all-one", "boxes", message, "compare it with the truth: lapsdata check FILE --against TRUTH")


PLUGIN = Adapter(
    "detection_db",
    "Detection databases of MOTRv2, and detections by frame in JSON",
    recognises,
    read,
    takes=frozenset({"rate", "size", "classes"}),
    writer=Writer(
        "boxes", write_detections, frozenset({"prefix", "digits", "suffix", "frames"}), names=("detection-db",)
    ),
)
