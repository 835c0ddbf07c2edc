"""From the tasks of Label Studio to a table of boxes."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lapsdata.adapters._box_rows import BoxRows, RowsOfBoxes
from lapsdata.adapters._image_names import frame_spans, sequence_names
from lapsdata.adapters._texts import head
from lapsdata.adapters.label_studio.identities import identities_of, numbered, text_tells
from lapsdata.adapters.label_studio.keyframes import between_keyframes, rate_of
from lapsdata.adapters.label_studio.media import ImageTask, VideoTask, image_frames, media_of
from lapsdata.adapters.label_studio.regions import NO_LABEL, Regions
from lapsdata.adapters.label_studio.tasks import CHOICES, Choice, read_tasks
from lapsdata.errors import Problem, SchemaError, listed
from lapsdata.geometry import enclosing_boxes, relative_to_boxes, rotated_box_corners
from lapsdata.provenance import parent
from lapsdata.schema._reading import NAME
from lapsdata.timebase import FrameRate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from typing import Literal

    from numpy.typing import NDArray

    from lapsdata.adapters._adapter import Adapted
    from lapsdata.adapters.label_studio.identities import Identity
    from lapsdata.adapters.label_studio.regions import Region
    from lapsdata.schema.base import Size

__all__ = ["read", "recognises"]

_LISTS = re.compile(r'"(annotations|completions|predictions)"\s*:\s*\[')
_TASK = re.compile(r'"data"\s*:\s*\{|"result"\s*:\s*\[')
_FLAT = re.compile(r'"(annotation_id|annotator|original_width)"\s*:')
_LASTING = "Label Studio gives a region a new id in each image: write a track_id into meta, or label the video"
_VIDEO_END = "give --rate, or export again with a newer Label Studio"


@dataclass
class _Sequence:
    """What is known of a sequence before its boxes have numbers."""

    name: str
    frame: list[int] | NDArray[np.int64]
    region: list[Region]
    percent: NDArray[np.float64]
    identity: list[Identity]
    length: int | None
    rate: FrameRate | None
    annotated: list[tuple[int, int]]
    images: str | None
    first_number: int = 0


class _Told(NamedTuple):
    """What was said beside the file."""

    rate: FrameRate | None
    size: Size | None
    by_name: bool


def recognises(path: Path) -> str | None:
    """Return "boxes" for a JSON file that begins as tasks, one task, or `json_min`."""
    if path.suffix != ".json":
        return None
    text = head(path).lstrip()
    tasks = text[:1] in ("[", "{") and _LISTS.search(text) and _TASK.search(text)
    return "boxes" if tasks or (text[:1] == "[" and _FLAT.search(text)) else None


def read(
    path: Path,
    *,
    rate: FrameRate | float | str | None = None,
    size: Size | None = None,
    classes: Mapping[str, str] | None = None,
    annotations: str = "best",
    number_by: Literal["path", "name"] = "path",
) -> Adapted:
    r"""Read a file of tasks.

    Parameters
    ----------
    path : Path
        An export as JSON or `json_min`, or one task.
    rate : FrameRate or what `FrameRate.parse` reads, optional
        Frames per second; of videos it is known by their number of frames and their duration else.
    size : Size, optional
        Of images whose size the tasks do not say.
    classes : mapping, optional
        What labels are called here, by their names there.
    annotations : {"best", "newest", "first", "predictions", "predictions:NAME"}
        Which annotation of a task counts. `best`: the ground truth, then one that was not skipped, then the newest.
        `newest` and `first` are those of the ones that were not skipped. `predictions` are those of a model, the newest
        of each task.
    number_by : {"path", "name"}
        What frames are numbered by: the number in the name of an image, or the order of names.

    Returns
    -------
    Adapted
        A sequence for each folder of images, and for each video. Frames with an annotation, though it be empty, are
        annotated; those that were skipped, or not looked at, are not. A turned rectangle is the upright box around it.
        An identity is the `track_id` of a region (beside `value`, in it, or in `meta`), else its id. Frames are counted
        from 1, from 0 where an image has that number. Boxes may reach out of their image, or lie beside it; those that
        are farther away than its width or height are refused, as pixels that were taken for percent.

    Raises
    ------
    SchemaError
        Everything that is wrong in the file, with task and region; boxes without a size of their image; images without
        a frame number.
    StorageError
        It cannot be read.

    Examples
    --------
    >>> import json, pathlib, tempfile
    >>> value = {"x": 25, "y": 50, "width": 10, "height": 20, "rotation": 0, "rectanglelabels": ["player"]}
    >>> region = {"id": "track_7", "type": "rectanglelabels", "value": value, "original_width": 200,
    ...           "original_height": 100}
    >>> task = {"id": 1, "data": {"image": "/data/local-files/?d=train/A/img1/000002.jpg"},
    ...         "annotations": [{"result": [region]}]}
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "export.json"
    >>> _ = path.write_text(json.dumps([task]))
    >>> boxes = read(path).container
    >>> boxes.header.sequences[0].name, boxes.frame[0].item(), boxes.id[0].item(), boxes.label[0]
    ('A', 1, 7, 'player')
    >>> [float(side[0]) for side in (boxes.x, boxes.y, boxes.w, boxes.h)]
    [49.5, 49.5, 20.0, 20.0]
    """
    _expect_choices(path, annotations, number_by)
    told = _Told(None if rate is None else FrameRate.parse(rate), size, number_by == "name")
    rows = BoxRows(path, lasting=_LASTING)
    tasks = read_tasks(path, rows.problems)
    choice, regions = Choice(annotations, rows.problems), Regions(rows.problems)
    images: list[ImageTask] = []
    videos: list[VideoTask] = []
    source = "truth"
    for task in tasks:
        answer = choice.of(task)
        boxes, tracks = ([], []) if answer is None else regions.of(task.where, answer)
        source = source if answer is None else answer.source
        media_of(task, answer is not None, boxes, tracks, path.stem, images, videos, rows.problems)
    choice.expect_one_model(path)
    if choice.unanswered == len(tasks):
        _expect_answers(path, choice, len(tasks), rows)
    folders = dict.fromkeys([*(one.place.folders for one in images), *(one.folders for one in videos)])
    called = sequence_names(("/".join(one) for one in folders), path.stem)
    names = {one: called["/".join(one)] for one in folders}
    _expect_names(path, names, rows)
    sequences = [*_image_sequences(path, images, names, told, rows), *_video_sequences(videos, names, told, rows)]
    _tell(path, sequences, choice, regions, rows, len(tasks))
    rows.raise_found()
    labels = _labels(path, sequences, classes or {})
    numbers = numbered([one.identity for one in sequences])
    for one, ids, label in zip(sequences, numbers, labels, strict=True):
        _add(one, ids, label, source, told.size, rows)
    parameters = {"annotations": annotations, "number_by": number_by}
    changed = {name: value for name, value in parameters.items() if value not in ("best", "path")}
    return rows.adapted([parent("annotations", path)], parameters=dict(changed), rate=told.rate)


def _expect_choices(path: Path, annotations: str, number_by: str) -> None:
    if annotations not in CHOICES and not annotations.startswith("predictions:"):
        message = f"expected one of {', '.join(CHOICES)}, got {annotations!r}"
        raise SchemaError(Problem("wrong-option", f"{path}: annotations", message))
    if number_by not in ("path", "name"):
        message = f"expected path or name, got {number_by!r}"
        raise SchemaError(Problem("wrong-option", f"{path}: number_by", message))


def _expect_answers(path: Path, choice: Choice, tasks: int, rows: BoxRows) -> None:
    if len(rows.problems):
        return
    message = f"expected annotations in some of {tasks} tasks, got none"
    fix = "export what is annotated"
    if choice.how.startswith("predictions"):
        message = message.replace("annotations", "predictions", 1)
        fix = "leave --annotations out"
    elif choice.predicted:
        fix = f"{choice.predicted} tasks have predictions: lapsdata convert --annotations predictions takes them"
    elif choice.cancelled:
        message = f"{message}: {choice.cancelled} were skipped"
    rows.problems.add("no-annotations", str(path), message, fix)


def _expect_names(path: Path, names: Mapping[tuple[str, ...], str], rows: BoxRows) -> None:
    for folders, name in names.items():
        if re.fullmatch(NAME, name) is None or len(name) > 200:
            message = f"expected a folder whose name can be that of a sequence, got {'/'.join(folders)!r}"
            rows.problems.add("wrong-name", str(path), message, "give the images of a sequence a folder of their own")
    if longer := [name for folders, name in names.items() if name.endswith(f".{folders[-1]}")]:
        message = f"sequences of one name are told apart by the folders around them: {listed(longer)}"
        rows.note("names-told-apart", str(path), message, info=True)


def _image_sequences(
    path: Path, images: list[ImageTask], names: Mapping[tuple[str, ...], str], told: _Told, rows: BoxRows
) -> list[_Sequence]:
    """Return the sequences of images; those whose frames have no number are noted and left out."""
    every: dict[str, list[ImageTask]] = {}
    for image in images:
        every.setdefault(names[image.place.folders], []).append(image)
    found = []
    by_words = _by_words(every)
    for name, tasks in every.items():
        numbers = image_frames(path, name, tasks, told.by_name, rows)
        if numbers is None:
            continue
        # Several tasks of one image are noted; of those one has an annotation.
        annotated = sorted(number for number, task in numbers.frames.items() if task.annotated)
        ordered = [(number, region) for number, task in sorted(numbers.frames.items()) for region in task.boxes]
        region = [one for _, one in ordered]
        identity = identities_of(region, by_text=by_words)
        found.append(
            _Sequence(
                name,
                [number - numbers.first for number, _ in ordered],
                region,
                np.array([one.percent for one in region], np.float64).reshape(-1, 5),
                identity,
                max(numbers.frames) - numbers.first + 1,
                told.rate,
                frame_spans(np.array(annotated, np.int64) - numbers.first) if annotated else [],
                numbers.images,
                numbers.first,
            )
        )
        _tell_annotated(name, tasks, annotated, found[-1], rows)
    if by_words and found:
        message = "no id stands in two frames, and what is said of each region in words does: that is who it is"
        rows.note("ids-from-words", str(path), message, info=True)
    return found


def _by_words(every: Mapping[str, list[ImageTask]]) -> bool:
    """Say whether it is words that tell who a box is: ids never persist in any sequence, and words do in some."""
    tells = False
    for tasks in every.values():
        boxes = [(number, region) for number, task in enumerate(tasks) for region in task.boxes]
        if not boxes or any(region.track is not None or region.unknown for _, region in boxes):
            continue
        ids = [region.id for _, region in boxes]
        if len(set(ids)) < len(ids) and any(one is not None for one in ids):
            return False
        if any(region.text is None for _, region in boxes):
            return False
        tells = tells or text_tells(boxes)
    return tells


def _tell_annotated(
    name: str, tasks: Sequence[ImageTask], annotated: Sequence[int], sequence: _Sequence, rows: BoxRows
) -> None:
    empty = len(annotated) - len(set(sequence.frame))
    last = (sequence.length or 0) - 1 + sequence.first_number
    message = (
        f"{len(annotated)} of {len(tasks)} images are annotated, {empty} of them without a box; "
        f"frames are counted from {sequence.first_number}, and the last image is {last}"
    )
    missing = (sequence.length or 0) - len(annotated)
    fix = "frames outside of the annotated ranges say nothing, and count nowhere" if missing else None
    rows.note("annotated-frames", name, message, fix, info=not missing)
    if missing:
        rows.policies["frames_not_annotated"] = rows.policies.get("frames_not_annotated", 0) + missing


def _video_sequences(
    videos: list[VideoTask], names: Mapping[tuple[str, ...], str], told: _Told, rows: BoxRows
) -> list[_Sequence]:
    """Return the sequence of each video; of one that nobody annotated not even the length is known."""
    every: dict[str, list[VideoTask]] = {}
    for video in videos:
        every.setdefault(names[video.folders], []).append(video)
    found = []
    lost = []
    for name, tasks in every.items():
        given = [task for task in tasks if task.annotated]
        if len(given) > 1:
            message = f"expected one annotated task of a video, got {listed(task.where for task in given)}"
            rows.problems.add("video-twice", name, message, "leave all but one out of the export")
        elif not given or not given[0].tracks:
            lost.append(name)
        else:
            found.append(_video(name, given[0], told, rows))
    if lost:
        message = f"nobody has drawn a track on {len(lost)} videos, whose length is told by tracks alone: left out"
        rows.count("videos-left-out", listed(lost), len(lost), message)
    return found


def _video(name: str, task: VideoTask, told: _Told, rows: BoxRows) -> _Sequence:
    counts = sorted({track.length for track in task.tracks if track.length is not None})
    if len(counts) > 1:
        message = f"its tracks tell {listed(map(str, counts))} frames: the largest is taken"
        rows.note("lengths-differ", name, message, "look at the frame rate that Label Studio was told")
    count = counts[-1] if counts else None
    ends = sum(track.length is None and bool(len(track.frame)) and bool(track.enabled[-1]) for track in task.tracks)
    message = f"{ends} tracks go on behind their last keyframe, and how long the video is, is not told: they end there"
    rows.count("tracks-cut", name, ends, message, "export again with a newer Label Studio")
    frames: list[NDArray[np.int64]] = []
    values: list[NDArray[np.float64]] = []
    region: list[Region] = []
    identity: list[Identity] = []
    bare = 0
    for number, track in enumerate(task.tracks):
        last = int(track.frame.max(initial=0)) if track.length is None else track.length
        frame, value = between_keyframes(track.frame, track.enabled, track.percent, last)
        bare += not len(track.frame)
        frames.append(frame)
        values.append(value)
        region += [track.region] * len(frame)
        who = track.region.track if track.region.track is not None else track.region.id
        # Without any id, as in json_min, a region is still one track.
        who = f"track_{number + 1}" if who is None else who
        identity += [None if track.region.unknown else who] * len(frame)
    rows.count("tracks-empty", name, bare, f"{bare} tracks have no keyframe: left out")
    frame = np.concatenate(frames) - 1
    order = np.argsort(frame, kind="stable")
    drawn = sum(len(track.frame) for track in task.tracks)
    message = f"{len(task.tracks)} tracks, {drawn} keyframes: {len(frame) - drawn} boxes between and behind them"
    rows.note("interpolated", name, message, info=True)
    length = count or int(frame.max(initial=0)) + 1
    return _Sequence(
        name,
        frame[order],
        [region[row] for row in order.tolist()],
        np.concatenate(values)[order],
        [identity[row] for row in order.tolist()],
        count,
        _rate(name, task, told, rows),
        [(0, length)],
        task.name,
        1,
    )


def _rate(name: str, task: VideoTask, told: _Told, rows: BoxRows) -> FrameRate | None:
    pairs = [(track.length, track.duration) for track in task.tracks]
    count, duration = next(((c, d) for c, d in pairs if c is not None and d is not None), (None, None))
    own = None if count is None or duration is None else rate_of(count, duration)
    if told.rate is not None:
        if own is not None and own != told.rate:
            message = f"{count} frames in {duration:g} s are {own} per second, and {told.rate} was told: that is taken"
            rows.note("rate-told-otherwise", name, message, "look at the frame rate that Label Studio was told")
        return told.rate
    if own is None:
        known = "it does not say its duration" if count is None or duration is None else f"{count} in {duration:g} s"
        rows.note("rate-unknown", name, f"how many frames a second has is not known: {known}", _VIDEO_END, info=True)
    else:
        message = f"{own} frames per second: {count} in {duration:g} s"
        rows.note("rate-derived", name, message, "of another one: give --rate", info=True)
    return own


def _tell(
    path: Path, sequences: Sequence[_Sequence], choice: Choice, regions: Regions, rows: BoxRows, tasks: int
) -> None:
    """Tell what was chosen, left out and taken otherwise."""
    where = str(path)
    choice.notes(rows.count, path, tasks)
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(regions.left.items()))
    rows.count("regions-left-out", where, regions.left.total(), f"what is no rectangle is left out: {kinds}")
    message = f"{regions.several} boxes have several labels: the first is taken"
    rows.count("several-labels", where, regions.several, message)
    message = f"{regions.unlabelled} boxes have no label: called {NO_LABEL!r}"
    rows.count("without-label", where, regions.unlabelled, message, f"--classes {NO_LABEL}=NAME calls them otherwise")
    message = f"{regions.image_turned} boxes stand on an image that was turned on the screen: taken as they are written"
    rows.count("image-turned", where, regions.image_turned, message, "look at them: lapsdata cannot prove their place")
    message = f"{regions.scored_whole} boxes have no score of their own: that of their prediction is taken"
    rows.count("scores-of-predictions", where, regions.scored_whole, message, info=True)
    turned = sum(int((one.percent[:, 4] % 360 != 0).sum()) for one in sequences)
    message = f"{turned} rectangles are turned: the upright boxes around them are taken"
    rows.count("rectangles-turned", where, turned, message)
    nobody = sum(one is None and not region.unknown for sequence in sequences
                 for one, region in zip(sequence.identity, sequence.region, strict=True))  # fmt: skip
    message = f"{nobody} boxes have no id: they are nobody's (-1)"
    rows.count("without-id", where, nobody, message, "json_min drops ids: export as JSON")
    mixed = Counter(region.track is not None or region.unknown for one in sequences for region in one.region)
    if len(mixed) > 1:
        message = f"{mixed[False]} of {mixed.total()} boxes have no track_id: the id of their region is taken"
        rows.count("track-id-missing", where, mixed[False], message, "give them one: such an id is new in each frame")


def _labels(path: Path, sequences: Sequence[_Sequence], classes: Mapping[str, str]) -> list[list[str]]:
    there = {region.label for one in sequences for region in one.region}
    if unknown := sorted(classes.keys() - there):
        message = f"expected labels of {listed(sorted(there))}, got {listed(unknown)}"
        raise SchemaError(Problem("unknown-label", f"{path}: classes", message, "--classes LABEL=NAME"))
    return [[classes.get(region.label, region.label) for region in one.region] for one in sequences]


def _add(
    sequence: _Sequence, ids: NDArray[np.int64], label: list[str], source: str, told: Size | None, rows: BoxRows
) -> None:
    sizes = [region.size or told for region in sequence.region]
    if bare := [region.where for region, size in zip(sequence.region, sizes, strict=True) if size is None]:
        message = (
            f"expected original_width and original_height beside {len(bare)} boxes, got neither, first at {bare[0]}"
        )
        fix = "give the size of the images: --size 1280x720"
        rows.problems.add("no-size", sequence.name, message, fix)
        return
    other = sum(told is not None and region.size not in (None, told) for region in sequence.region)
    message = f"{other} boxes say another size of their image than was told: theirs is taken"
    rows.count("size-told-otherwise", sequence.name, other, message)
    kinds = list(dict.fromkeys(size for size in sizes if size is not None)) or ([] if told is None else [told])
    if len(kinds) > 1:
        message = f"its images have {len(kinds)} sizes, as {listed(f'{one.width}x{one.height}' for one in kinds)}"
        rows.note("sizes-differ", sequence.name, f"{message}: it is without a size", info=True)
    score = [np.nan if region.score is None else region.score for region in sequence.region]
    spelled = [
        region.id if isinstance(who, int) and region.id is not None else None if who is None else str(who)
        for region, who in zip(sequence.region, sequence.identity, strict=True)
    ]
    rows.add(
        sequence.name,
        RowsOfBoxes(
            frame=np.asarray(sequence.frame, np.int64),
            id=ids,
            xywh=_pixels(sequence.percent, sizes, kinds),
            label=label,
            source=source,
            score=np.array(score) if any(region.score is not None for region in sequence.region) else None,
            source_id=spelled if any(one is not None for one in spelled) else None,
        ),
        lambda row: sequence.region[row].where,
        length=sequence.length,
        rate=sequence.rate,
        size=kinds[0] if len(kinds) == 1 else None,
        annotated=sequence.annotated,
        images=sequence.images,
        first_number=sequence.first_number,
    )


def _pixels(percent: NDArray[np.float64], sizes: Sequence[Size | None], kinds: Sequence[Size]) -> NDArray[np.float64]:
    """Return upright boxes in pixels. Angles are those of pixels: in percent a turned rectangle is none."""
    at = {size: number for number, size in enumerate(kinds)}
    kind = np.array([-1 if size is None else at[size] for size in sizes], np.int64)
    boxes = np.empty((len(percent), 4))
    for number, size in enumerate(kinds):
        some = kind == number
        boxes[some] = relative_to_boxes(percent[some, :4], size.frame, form="xywh", unit="percent", origin="edge")
    turned = percent[:, 4] % 360 != 0
    if turned.any():
        boxes[turned] = enclosing_boxes(rotated_box_corners(boxes[turned], percent[turned, 4]))
    return boxes
