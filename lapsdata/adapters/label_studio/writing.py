"""From a table of boxes to tasks of Label Studio: truth as annotations, what others say as predictions to correct."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np

from lapsdata.adapters._image_names import ENDINGS_OF_KEYS, split_pattern
from lapsdata.adapters._image_places import images_within
from lapsdata.adapters.label_studio.regions import FARTHEST, LARGEST
from lapsdata.containers.boxes import annotated_frames
from lapsdata.errors import Problems, SchemaError, listed
from lapsdata.formats import WriteReport
from lapsdata.formats._format import size_on_disk
from lapsdata.geometry import boxes_to_relative
from lapsdata.schema.boxes import frames_in
from lapsdata.storage.atomic import atomic_file, storage_errors

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from lapsdata.containers import Boxes
    from lapsdata.schema import BoxSequence
    from lapsdata.schema.base import Size
    from lapsdata.timebase import FrameRate

__all__ = ["write"]

_TRUTH = "truth"
_LOCAL = "/data/local-files/?d="
_ASSUMED = "img1/{frame:06d}.jpg"
_FOLDERS = (".", "img1")
_PERCENT = ("x", "y", "width", "height")

Result = list[dict[str, Any]]


def write(
    path: Path,
    boxes: Boxes,
    *,
    size: Size | None = None,
    rate: FrameRate | None = None,
    prefix: str | None = None,
) -> WriteReport:
    """Write a file of tasks: one for each image, or one for each video with a track for each identity.

    `read` gives the same boxes back: sequence, frame, id, label and score as they are, places to the rounding of a
    division and a multiplication in float64 (below 1e-9 pixel). Frames outside of the annotated ranges become tasks
    without an annotation. Boxes of the source `truth` become annotations, those of other sources predictions.

    Parameters
    ----------
    path : Path
        A file that is not there yet.
    boxes : Boxes
    size : Size, optional
        Of the images of sequences that do not say it.
    rate : FrameRate, optional
        Of videos that do not say it.
    prefix : str, optional
        What stands before the name of a sequence in the address of an image, `/data/local-files/?d=` by default.

    Raises
    ------
    SchemaError
        No size of an image, no rate of a video, boxes without width or height: all of it is named.
    StorageError
        Something is there, or it cannot be written.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lapsdata.adapters.label_studio import read
    >>> from lapsdata.testing.samples import sample_boxes
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "tasks.json"
    >>> report = write(path, sample_boxes())
    >>> report.format
    'label_studio'
    """
    found = Problems()
    notes = Problems()
    writer = _Tasks(boxes, _LOCAL if prefix is None else prefix, size, rate, found, notes)
    tasks = [task for at in range(len(boxes.header.sequences)) for task in writer.of(at)]
    writer.tell(path)
    found.raise_as(SchemaError)
    for number, task in enumerate(tasks, 1):
        task["id"] = number
    with atomic_file(path) as temporary, storage_errors(path, "write"):
        temporary.write_text(json.dumps(tasks, ensure_ascii=False, allow_nan=False, indent=1), encoding="utf-8")
    return WriteReport(path, "label_studio", size_on_disk(path), notes=tuple(notes))


class _Tasks:
    """Makes the tasks of sequences, and notes what they cannot hold."""

    def __init__(
        self, boxes: Boxes, prefix: str, size: Size | None, rate: FrameRate | None, found: Problems, notes: Problems
    ) -> None:
        self._boxes, self._prefix, self._size, self._rate = boxes, prefix, size, rate
        self._found, self._notes = found, notes
        self._kept = np.flatnonzero(~boxes.ignored)
        self._index = boxes.sequence_index[self._kept]
        # A table without any box is one of truth: somebody has looked, and there was nothing.
        self._sources = list(dict.fromkeys(boxes.source)) or [_TRUTH]

    def of(self, at: int) -> Iterator[dict[str, Any]]:
        """Give the tasks of a sequence, in order of frames."""
        sequence = self._boxes.header.sequences[at]
        low, high = np.searchsorted(self._index, [at, at + 1])
        rows = self._kept[low:high]
        size = sequence.size or self._size
        if size is None and len(rows):
            message = f"expected the size of the images, by which percent are taken of {len(rows)} boxes, got none"
            self._found.add("no-size", sequence.name, message, "give --size 1280x720")
            return
        empty = rows[(self._boxes.w[rows] <= 0) | (self._boxes.h[rows] <= 0)]
        if len(empty):
            message = f"expected boxes with width and height, got {len(empty)} without, first in row {empty[0]}"
            self._found.add("empty-box", sequence.name, message, "no rectangle can be drawn so: leave them out")
            return
        sides = np.stack([getattr(self._boxes, name)[rows] for name in "xywh"], axis=1)
        percent = np.zeros((0, 4))
        if size is not None:
            percent = boxes_to_relative(sides, size.frame, form="xywh", unit="percent", origin="edge")
        far = ((percent[:, :2] < FARTHEST[0]) | (percent[:, :2] > FARTHEST[1])).any(axis=1)
        far |= (percent[:, 2:] > LARGEST).any(axis=1)
        if far.any():
            message = f"expected boxes in their image or near it, got {int(far.sum())} that lie more than its width or "
            message += f"height away, or are twice as large, first in row {rows[np.argmax(far)]}"
            self._found.add("outside-image", sequence.name, message, "look at the size, or leave them out")
            return
        images = sequence.images
        if images is not None and "{frame" not in images:
            yield from self._video(sequence, rows, percent, size)
        else:
            yield from self._images(sequence, rows, percent, size)

    def _images(self, sequence: BoxSequence, rows: Any, percent: Any, size: Size | None) -> Iterator[dict[str, Any]]:  # noqa: ANN401 - arrays
        pattern = self._pattern(sequence)
        if pattern is None:
            return
        # Names that begin above the sequence have its folder in them.
        above, _ = images_within(sequence)
        folder = sequence.name if above is None else None
        frames = self._boxes.frame[rows]
        looked = annotated_frames(sequence)
        outside = int((~looked[frames]).sum())
        if outside:
            message = f"{outside} boxes stand in frames that are not annotated: these count as annotated now"
            self._notes.add("frames-annotated", sequence.name, message, severity="warning")
            looked[frames] = True
        ends = np.searchsorted(frames, np.arange(sequence.length + 1)).tolist()
        items = [self._region(row, one, size) for row, one in zip(rows.tolist(), percent.tolist(), strict=True)]
        source = [self._boxes.source[row] for row in rows.tolist()]
        for frame, (low, high) in enumerate(itertools.pairwise(ends)):
            results: dict[str, Result] = {name: [] for name in self._sources} if looked[frame] else {}
            for number in range(low, high):
                results[source[number]].append(items[number])
            yield self._task("image", folder, pattern.format(frame=frame + sequence.first_number), results)

    def _pattern(self, sequence: BoxSequence) -> str | None:
        """Return the pattern of its images; None where it is none, which is noted."""
        name = sequence.name
        pattern = sequence.images
        if pattern is None:
            pattern = _ASSUMED
            self._notes.add("images-assumed", name, f"what its images are called is not known: {_ASSUMED}",
                            severity="warning")  # fmt: skip
        elif (parts := split_pattern(pattern)) is not None and parts.ending in ENDINGS_OF_KEYS:
            pattern = f"{pattern.removesuffix(parts.ending)}.jpg" if parts.ending else f"{pattern}.jpg"
            message = "keys of a database do not say what kind of file its images are: .jpg is taken"
            self._notes.add("images-assumed", name, message, severity="warning")
        try:
            spelled = [pattern.format(frame=number) for number in (1, 2)]
        except (ValueError, LookupError, AttributeError, TypeError):
            spelled = []
        if len(set(spelled)) < 2:
            message = f"expected a pattern of its images, as {_ASSUMED}, got {pattern!r}"
            self._found.add("wrong-pattern", name, message, "mend it in the header")
            return None
        within = images_within(sequence)[1] or pattern
        if (folder := str(PurePosixPath(within).parent)) not in _FOLDERS:
            message = f"its images stand in {folder!r}: read again, the sequence is called so"
            self._notes.add("sequence-renamed", name, message, "img1 is the folder that is known", "warning")
        if sequence.first_number > 1:
            message = f"its frames are counted from {sequence.first_number}: read again, from 1, as tasks do not say it"
            self._notes.add("frames-shifted", name, message, severity="warning")
        return pattern

    def _video(self, sequence: BoxSequence, rows: Any, percent: Any, size: Size | None) -> Iterator[dict[str, Any]]:  # noqa: ANN401 - arrays
        rate = sequence.rate or self._rate
        if rate is None:
            message = "expected the frames per second of a video, by which keyframes have times, got none"
            self._found.add("no-rate", sequence.name, message, "give --rate")
            return
        if frames_in(sequence.annotated) < sequence.length:
            message = "its annotated ranges are lost: a video is annotated, or it is not"
            self._notes.add("ranges-lost", sequence.name, message, severity="warning")
        tracks: dict[tuple[str, object, str], list[int]] = {}
        for number, row in enumerate(rows.tolist()):
            who = int(self._boxes.id[row])
            # A box of nobody is a track of its own, and one that changes its label goes on as another region.
            one: object = who if who >= 0 else ("nobody", row)
            tracks.setdefault((self._boxes.source[row], one, self._boxes.label[row]), []).append(number)
        results: dict[str, Result] = {name: [] for name in self._sources}
        frames = self._boxes.frame[rows].tolist()
        values = percent.tolist()
        period = rate.period_s
        taken: set[tuple[str, str]] = set()
        for (source, _, label), numbers in tracks.items():
            item = self._said(int(rows[numbers[0]]), size)
            while (source, item["id"]) in taken:
                item["id"] += "_"
            taken.add((source, item["id"]))
            keyframes = _keyframes([frames[one] for one in numbers], [values[one] for one in numbers], period)
            length = {"framesCount": sequence.length, "duration": sequence.length * period}
            value = {**length, "sequence": keyframes, "labels": [label]}
            item |= {"type": "videorectangle", "from_name": "box", "to_name": "video", "value": value}
            results[source].append(item)
        scored = self._boxes.score is not None and np.isfinite(self._boxes.score[rows]).any()
        if scored:
            self._notes.add("left-behind", sequence.name, "a track has no place for scores of its boxes",
                            severity="warning")  # fmt: skip
        yield self._task("video", None, sequence.images or "", results)

    def _task(self, kind: str, folder: str | None, name: str, results: dict[str, Result]) -> dict[str, Any]:
        told = "/".join(quote(part, safe="/") for part in (folder, name) if part is not None)
        slash = "" if self._prefix.endswith(("/", "=")) or not self._prefix else "/"
        truth = [{"result": results[_TRUTH]}] if _TRUTH in results else []
        others = [{"model_version": source, "result": result} for source, result in results.items() if source != _TRUTH]
        return {
            "id": 0,
            "data": {kind: f"{self._prefix}{slash}{told}"},
            "annotations": truth,
            "predictions": others,
        }

    def _region(self, row: int, percent: Sequence[float], size: Size | None) -> dict[str, Any]:
        item = self._said(row, size)
        value: dict[str, Any] = dict(zip(_PERCENT, percent, strict=True))
        value |= {"rotation": 0, "rectanglelabels": [self._boxes.label[row]]}
        item |= {"type": "rectanglelabels", "from_name": "label", "to_name": "image", "value": value}
        if self._boxes.score is not None and not math.isnan(score := float(self._boxes.score[row])):
            item["score"] = score
        return item

    def _said(self, row: int, size: Size | None) -> dict[str, Any]:
        """Return what stands beside the place of a box: `meta` keeps who it is when somebody draws it anew."""
        who = int(self._boxes.id[row])
        spelled = None if self._boxes.source_id is None else self._boxes.source_id[row]
        name = spelled or (f"track_{who}" if who >= 0 else f"box_{row}")
        item: dict[str, Any] = {"id": name, "meta": {"track_id": who if who >= 0 else None}, "origin": "manual"}
        if size is not None:
            item |= {"original_width": size.width, "original_height": size.height, "image_rotation": 0}
        return item

    def tell(self, path: Path) -> None:
        """Note what no task holds."""
        boxes = self._boxes
        ignored = int(boxes.ignored.sum())
        if ignored:
            message = f"{ignored} regions to be ignored have no place: left out"
            self._notes.add("ignored-left-out", str(path), message, severity="warning")
        if boxes.visibility is not None and np.isfinite(boxes.visibility).any():
            self._notes.add("left-behind", str(path), "no place for: visibility", severity="warning")
        others = [name for name in self._sources if name != _TRUTH]
        if others:
            message = f"boxes of {listed(others)} are predictions, to be looked at and taken over"
            self._notes.add("as-predictions", str(path), message, severity="info")


def _keyframes(frames: Sequence[int], values: Sequence[Sequence[float]], period: float) -> Result:
    """Return a keyframe for every box: the last one before a gap ends the track, so that nothing is drawn there."""
    goes_on = [after == before + 1 for before, after in itertools.pairwise(frames)]
    return [
        {"frame": frame + 1, "enabled": enabled, "time": frame * period, "rotation": 0}
        | dict(zip(_PERCENT, value, strict=True))
        for frame, enabled, value in zip(frames, [*goes_on, False], values, strict=True)
    ]
