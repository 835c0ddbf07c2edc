"""Boxes in COCO's JSON: truth with images and categories, with identities where it says them; and detections.

A truth is `{"images": [{"id", "file_name", "width", "height"}], "annotations": [{"image_id", "bbox", "category_id"}],
"categories": [{"id", "name"}]}`, with `track_id` or `instance_id` of what is tracked. Detections are a list of
`{"image_id", "bbox", "category_id", "score"}`, and say nothing of images: the file with these lies beside.

`file_name` says which sequence and which frame an image is. Boxes are top-left corner and size, in pixels from the edge
of the frame.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lapsdata.adapters._adapter import Adapted, Adapter
from lapsdata.adapters._box_rows import BoxRows, RowsOfBoxes
from lapsdata.adapters._detection_rows import class_labels, numbers_of, pixels_of_contract
from lapsdata.adapters._image_names import ImageName, frame_spans, image_name, sequence_names, spelling_of
from lapsdata.adapters._texts import head
from lapsdata.errors import Problem, SchemaError, listed, whole_number
from lapsdata.provenance import parent
from lapsdata.schema._reading import load_object
from lapsdata.schema.base import Size
from lapsdata.storage.atomic import existing, storage_errors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from lapsdata.timebase import FrameRate

__all__ = ["PLUGIN", "read"]

_MARK = b"\xef\xbb\xbf"
_TRUTH = re.compile(r'\s*\{\s*"(?:info|licenses|type|images|annotations|categories|videos)"\s*:')
_PARTS = re.compile(r'"(?:images|annotations|licenses)"\s*:\s*\[|"supercategory"\s*:')
_FOUND = re.compile(r"\s*\[\s*\{")
_IDENTITIES = ("track_id", "instance_id")


def recognises(path: Path) -> str | None:
    """Return "boxes" for JSON that begins as a truth of COCO, or as detections."""
    if path.suffix.lower() != ".json":
        return None
    text = head(path)
    return "boxes" if _is_truth(text) or _are_detections(text) else None


def _is_truth(text: str) -> bool:
    return _TRUTH.match(text) is not None and _PARTS.search(text) is not None


def _are_detections(text: str) -> bool:
    return _FOUND.match(text) is not None and '"image_id"' in text and '"bbox"' in text


class _Image(NamedTuple):
    name: ImageName
    size: tuple[int, int] | None


class _Truth(NamedTuple):
    """The images of a truth by their identity, the names of its classes, and its boxes."""

    images: dict[int | str, _Image]
    names: dict[str, str]
    rows: list[Any]


def read(path: Path, *, rate: FrameRate | None = None, classes: Mapping[str, str] | None = None) -> Adapted:
    """Read a truth, or detections with the file of their images beside them.

    Parameters
    ----------
    path : Path
    rate : FrameRate, optional
        Frames per second.
    classes : mapping of str to str, optional
        By number or by COCO's name, what classes are called.

    Returns
    -------
    Adapted
        Every image is an annotated frame, and boxes of crowds are to be ignored. A sequence ends with its last image,
        and counts from 0 where it has a frame 0, else from 1.

    Raises
    ------
    SchemaError
        No such JSON, boxes that are none, images that are not there, two images of one frame: all is named.
    StorageError
        It cannot be read.

    Examples
    --------
    >>> import json, pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "truth.json"
    >>> image = {"id": 7, "file_name": "game1/img1/000002.jpg", "width": 64, "height": 48}
    >>> box = {"image_id": 7, "bbox": [10, 20, 4, 3], "category_id": 1, "track_id": 5}
    >>> parts = {"images": [image], "annotations": [box], "categories": [{"id": 1, "name": "player"}]}
    >>> _ = path.write_text(json.dumps(parts))
    >>> boxes = read(path).container
    >>> boxes.frame.tolist(), boxes.id.tolist(), boxes.label, boxes.header.sequences[0].name
    ([1], [5], ('player',), 'game1')
    """
    rows = BoxRows(path)
    parents = [parent("boxes", existing(path))]
    if _are_detections(head(path)):
        found = _list(path)
        beside, truth = _images_of(path, {_identity(row.get("image_id")) for row in found if isinstance(row, dict)})
        rows.note("images-beside", str(path), f"images are those of {beside.name}, which lies beside it", info=True)
        parents.append(parent("images", beside))
        _collect(rows, truth._replace(rows=found), "detection", path.stem, rate, classes)
    else:
        _collect(rows, _truth(path, rows), "annotation", path.stem, rate, classes)
    return rows.adapted(parents, rate=rate)


def _bytes(path: Path) -> bytes:
    with storage_errors(path, "read"):
        return path.read_bytes().removeprefix(_MARK)


def _list(path: Path) -> list[Any]:
    _, document = load_object(b'{"found":' + _bytes(path) + b"}", str(path))
    found: list[Any] = document["found"]  # type: ignore[assignment]
    return found


def _truth(path: Path, rows: BoxRows) -> _Truth:
    """Return what a truth says; images that are at fault are noted."""
    _, document = load_object(_bytes(path), str(path))
    parts: dict[str, list[Any]] = {}
    for field in ("images", "annotations", "categories"):
        part = document.get(field, [] if field == "categories" else None)
        if not isinstance(part, list) or not all(isinstance(one, dict) for one in part):
            got = "others in it" if isinstance(part, list) else type(part).__name__
            message = f"expected a list of objects, got {got}"
            raise SchemaError(Problem("wrong-file", f"{path}: {field}", message))
        parts[field] = part
    videos = document.get("videos")
    called: dict[int | str | None, object] = {}
    for one in videos if isinstance(videos, list) else []:
        if isinstance(one, dict):
            called[_identity(one.get("id"))] = one.get("name", one.get("file_name"))
    images: dict[int | str, _Image] = {}
    for at, image in enumerate(parts["images"]):
        identity, file_name = _identity(image.get("id")), image.get("file_name")
        if identity is None or identity in images or not isinstance(file_name, str):
            message = f"expected an id of its own and a file_name, got {image.get('id')!r} and {file_name!r}"
            rows.problems.add("wrong-image", f"image {at + 1}", message)
            continue
        name = image_name(file_name)
        video = called.get(_identity(image.get("video_id")))
        if not name.path and isinstance(video, str):
            name = name._replace(path=video)
        sides = whole_number(image.get("width")), whole_number(image.get("height"))
        images[identity] = _Image(name, (sides[0], sides[1]) if sides[0] and sides[1] else None)
    names = {str(one.get("id")): one["name"] for one in parts["categories"] if isinstance(one.get("name"), str)}
    return _Truth(images, names, parts["annotations"])


def _identity(value: object) -> int | str | None:
    return value if isinstance(value, str) else whole_number(value)


def _images_of(path: Path, wanted: set[int | str | None]) -> tuple[Path, _Truth]:
    """Return the one file beside detections that has all their images."""
    fitting = []
    for file in sorted(path.parent.glob("*.json")):
        if file != path and _is_truth(head(file)):
            truth = _truth(file, BoxRows(file))
            if wanted <= truth.images.keys():
                fitting.append((file, truth))
    if len(fitting) == 1:
        return fitting[0]
    got = f"{len(fitting)}: {listed(file.name for file, _ in fitting)}" if fitting else "none"
    message = f"expected one file beside it with the images of all {len(wanted)} image_id, got {got}"
    fix = "put the truth (images, annotations, categories) that these were made for into its folder, and no other"
    raise SchemaError(Problem("no-images", str(path), message, fix))


class _Box(NamedTuple):
    row: int
    sides: list[float]
    identity: int | str | None
    named: str | None
    score: float
    ignored: bool


def _collect(
    rows: BoxRows,
    truth: _Truth,
    what: str,
    alone: str,
    rate: FrameRate | None,
    classes: Mapping[str, str] | None,
) -> None:
    """Add the sequences of a truth, with its boxes."""
    boxes: dict[int | str, list[_Box]] = {identity: [] for identity in truth.images}
    for at, row in enumerate(truth.rows):
        of = _identity(row.get("image_id")) if isinstance(row, dict) else None
        box = None if of is None else _box(at, row)
        if of is None or of not in boxes or box is None:
            message = f"expected the image_id of an image and a bbox of four numbers, got {str(row)[:70]}"
            rows.problems.add("wrong-row", f"{what} {at + 1}", message)
        else:
            boxes[of].append(box)
    every = [box for found in boxes.values() for box in found]
    labels = class_labels(rows, [box.named for box in every], classes, truth.names)
    label = dict(zip((box.row for box in every), labels, strict=True)) if not isinstance(labels, str) else labels
    sequences: dict[str, dict[int, tuple[_Image, list[_Box]]]] = {}
    for identity, image in truth.images.items():
        frames = sequences.setdefault(image.name.path, {})
        if image.name.number in frames:
            message = f"expected each frame once, got {image.name.pattern.format(frame=image.name.number)} again"
            rows.problems.add("frame-twice", f"image {identity!r}", message)
        frames[image.name.number] = image, boxes[identity]
    names = sequence_names(sequences, alone)
    for place, frames in sequences.items():
        ordered = dict(sorted(frames.items()))
        _add(rows, names[place], place, ordered, label, what, rate)


def _box(at: int, row: dict[str, Any]) -> _Box | None:
    sides = numbers_of(row.get("bbox"))
    score = [math.nan] if row.get("score") is None else numbers_of([row["score"]])
    if sides is None or len(sides) != 4 or score is None:
        return None
    identity = next((row[name] for name in _IDENTITIES if row.get(name) is not None), None)
    named = row.get("category_id")
    ignored = bool(row.get("iscrowd")) or bool(row.get("ignore"))
    return _Box(at, sides, _identity(identity), None if named is None else str(named), score[0], ignored)


def _add(
    rows: BoxRows,
    name: str,
    place: str,
    frames: dict[int, tuple[_Image, list[_Box]]],
    label: dict[int, str] | str,
    what: str,
    rate: FrameRate | None,
) -> None:
    number = np.array(list(frames), np.int64)
    base = min(1, int(number[0]))
    images = [image for image, _ in frames.values()]
    boxes = [box for _, found in frames.values() for box in found]
    sizes = {image.size for image in images}
    size = next(iter(sizes)) if len(sizes) == 1 else None
    message = f"images of {name} have {len(sizes)} sizes: none is the size of its frames"
    rows.count("unlike-sizes", name, len(sizes) - 1, message)
    ids, spelled = _ids(boxes)
    scored = any(not math.isnan(box.score) for box in boxes)
    taken = RowsOfBoxes(
        frame=np.repeat(number - base, [len(found) for _, found in frames.values()]),
        id=ids,
        xywh=pixels_of_contract(np.array([box.sides for box in boxes], np.float64).reshape(-1, 4)),
        label=label if isinstance(label, str) else [label[box.row] for box in boxes],
        source="detector" if what == "detection" else "truth",
        ignored=np.array([box.ignored for box in boxes], bool),
        score=np.array([box.score for box in boxes]) if scored else None,
        source_id=spelled,
    )
    spelling = spelling_of([image.name for image in images])
    rows.add(
        name,
        taken,
        lambda row: f"{what} {boxes[row].row + 1}",
        length=int(number[-1]) - base + 1,
        rate=rate,
        size=None if size is None else Size(width=size[0], height=size[1]),
        annotated=frame_spans(number - base),
        images=None if spelling is None else spelling.pattern(place),
        first_number=base,
    )


def _ids(boxes: Sequence[_Box]) -> tuple[np.ndarray[Any, np.dtype[np.int64]], list[str | None] | None]:
    """Return identities as numbers, -1 for none; and as they are spelled, where one of them is no number from 0."""
    given = [box.identity for box in boxes]
    if all(one is None or (isinstance(one, int) and one >= 0) for one in given):
        return np.array([-1 if one is None else one for one in given], np.int64), None
    number = {one: at for at, one in enumerate(dict.fromkeys(one for one in given if one is not None))}
    ids = np.array([-1 if one is None else number[one] for one in given], np.int64)
    return ids, [None if one is None else str(one) for one in given]


PLUGIN = Adapter(
    "coco_boxes", "Truth and detections in COCO's JSON", recognises, read, takes=frozenset({"rate", "classes"})
)
