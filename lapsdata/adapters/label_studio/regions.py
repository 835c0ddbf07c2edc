"""Regions of an annotation: rectangles of images, tracks of videos, and the labels that stand beside them."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lapsdata.adapters._image_names import MOST_FRAMES
from lapsdata.schema.base import Size

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lapsdata.adapters.label_studio.tasks import Answer
    from lapsdata.errors import Problems

__all__ = ["FARTHEST", "LARGEST", "NO_LABEL", "Region", "Regions", "Track"]

NO_LABEL = "object"
"""What a box without a label is called."""

FARTHEST, LARGEST = (-100.0, 200.0), 200.0
"""Percent of positions and sizes: a box may leave the image, pixels that were taken for percent are far behind that."""

_BOXES = frozenset({"rectanglelabels", "rectangle"})
_TRACKS = frozenset({"videorectangle"})
# What is said of a region by another item of the same id.
_LABELS = ("labels", "choices")
_SAID = ("textarea", "number")
_SIDES = ("x", "y", "width", "height", "rotation")
_FIX_PERCENT = "of pixels: divide them by the width or height of the image, and multiply by 100"
_FIX_EXPORT = "mend or remove the region in Label Studio, and export again"


class Region(NamedTuple):
    """A box, or what holds of all boxes of a track.

    Parameters
    ----------
    where : str
        File, task and region, for messages.
    of : str
        What it was drawn on, as the configuration names it: `image`.
    id : str or None
        Unique among the regions of a task, the same in other tasks only where a program wrote it.
    track : str, int or None
        Who it is, where that is said (`track_id`).
    unknown : bool
        Whether it is said that nobody knows who it is (`track_id` null).
    text : str or None
        What else is said of it in words.
    label : str
    size : Size or None
        Of the image.
    score : float or None
    percent : tuple of 5 floats
        x, y, width, height of the box before it is turned, and the angle in degrees; of a track zeros.
    """

    where: str
    of: str
    id: str | None
    track: str | int | None
    unknown: bool
    text: str | None
    label: str
    size: Size | None
    score: float | None
    percent: tuple[float, ...]


class Track(NamedTuple):
    """A region of a video, with its keyframes in order.

    Parameters
    ----------
    region : Region
    frame : int64 (K,)
        Counted from 1.
    enabled : bool (K,)
    percent : float64 (K, 5)
    length : int or None
        Number of frames of the video.
    duration : float or None
        Of the video, in seconds.
    """

    region: Region
    frame: NDArray[np.int64]
    enabled: NDArray[np.bool_]
    percent: NDArray[np.float64]
    length: int | None
    duration: float | None


class Regions:
    """Collects the boxes and tracks of annotations; other regions are counted by kind.

    Parameters
    ----------
    problems : Problems
        Everything that is wrong is noted there.
    """

    def __init__(self, problems: Problems) -> None:
        self._problems = problems
        self.left: Counter[str] = Counter()
        self.unlabelled = self.several = self.image_turned = self.scored_whole = 0
        # Those of a project are few, and each is checked once.
        self._sizes: dict[tuple[int, int], Size] = {}

    def of(self, task: str, answer: Answer) -> tuple[list[Region], list[Track]]:
        """Return the boxes and the tracks of an annotation."""
        boxes: list[Region] = []
        tracks: list[Track] = []
        items: list[tuple[str, str, dict[str, Any]]] = []
        said: dict[tuple[str | None, str], dict[str, Any]] = {}
        for number, item in enumerate(answer.result):
            kind = item.get("type") if isinstance(item, dict) else None
            if not isinstance(kind, str):
                self._wrong(
                    f"{task}: region {number}: type", "an object with the kind of region in words", kind or item
                )
                continue
            name = item.get("id")
            items.append((f"{task}: region {number if name is None else name}", kind.lower(), item))
            if kind in _LABELS or kind in _SAID:
                for key in (_joins(item), item.get("parentID")):
                    if isinstance(key, str):
                        said.setdefault((key, kind), item)
        used: set[int] = set()
        for where, kind, item in items:
            if kind in _BOXES:
                region = self._region(where, kind, item, said, used, answer)
                if region is not None:
                    boxes.append(region)
            elif kind in _TRACKS:
                track = self._track(where, item, said, used, answer)
                if track is not None:
                    tracks.append(track)
        others = Counter(kind for _, kind, item in items if kind not in _BOXES | _TRACKS and id(item) not in used)
        self.left.update(others)
        return boxes, tracks

    def _wrong(
        self, where: str, expected: str, told: object, fix: str = _FIX_EXPORT, code: str = "wrong-value"
    ) -> None:
        got = "nothing" if told is None else repr(told)
        message = f"expected {expected}, got {got if len(got) <= 60 else got[:57] + '...'}"
        self._problems.add(code, where, message, fix)

    def _region(
        self,
        where: str,
        kind: str,
        item: dict[str, Any],
        said: dict[tuple[str | None, str], dict[str, Any]],
        used: set[int],
        answer: Answer,
    ) -> Region | None:
        value = self._value(where, item)
        if value is None:
            return None
        percent = (0.0,) * len(_SIDES) if kind in _TRACKS else self._percent(where, value)
        beside = _beside(item, said, used) if said else []
        label = self._label(where, kind, value, beside)
        size = self._size(where, item, value)
        score = self._score(where, item, answer)
        if percent is None or label is None:
            return None
        self.image_turned += bool(item.get("image_rotation"))
        track, unknown = self._identity(where, item, value)
        own = item.get("id")
        if own is not None and not isinstance(own, str | int):
            self._wrong(f"{where}: id", "a text", own)
            return None
        return Region(
            where=where,
            of=str(item.get("to_name", "")),
            id=None if own is None else str(own),
            track=track,
            unknown=unknown,
            text=_text(item, beside),
            label=label,
            size=size,
            score=score,
            percent=percent,
        )

    def _value(self, where: str, item: dict[str, Any]) -> dict[str, Any] | None:
        value = item.get("value")
        if isinstance(value, dict):
            return value
        self._wrong(f"{where}: value", "an object", value)
        return None

    def _percent(self, where: str, value: dict[str, Any]) -> tuple[float, ...] | None:
        """Return x, y, width, height and angle; what is wrong with them is noted."""
        before = len(self._problems)
        found: list[float] = []
        for name in _SIDES:
            told = value.get(name, 0 if name == "rotation" else None)
            number = _number(told)
            if number is None or not math.isfinite(number):
                words = "degrees" if name == "rotation" else "percent of the image"
                self._wrong(f"{where}: {name}", f"{words} as a finite number", told)
                continue
            found.append(number)
            if name in ("x", "y") and not FARTHEST[0] <= number <= FARTHEST[1]:
                expected = "percent from 0 to 100, or a little outside"
                self._wrong(f"{where}: {name}", expected, told, _FIX_PERCENT, "outside-image")
            elif name in ("width", "height") and not 0 < number <= LARGEST:
                code, fix = ("outside-image", _FIX_PERCENT) if number > 0 else ("empty-box", _FIX_EXPORT)
                self._wrong(f"{where}: {name}", "percent above 0 and up to 100", told, fix, code)
        return tuple(found) if len(self._problems) == before else None

    def _label(
        self, where: str, kind: str, value: dict[str, Any], beside: list[tuple[str, dict[str, Any]]]
    ) -> str | None:
        """Return the first label; None where there is none that is a text, which is noted."""
        places = [(kind, value), *((name, value) for name in _LABELS), *beside]
        labels: Any = next((of[name] for name, of in places if name not in _SAID and of.get(name)), None)
        if not labels:
            self.unlabelled += 1
            return NO_LABEL
        if not isinstance(labels, list) or not all(isinstance(one, str) and one for one in labels):
            self._wrong(f"{where}: labels", "a list of texts", labels)
            return None
        self.several += len(labels) > 1
        return str(labels[0])

    def _size(self, where: str, item: dict[str, Any], value: dict[str, Any]) -> Size | None:
        """Return the size of the image: it stands beside `value` in exports, and in it in `json_min`."""
        sides = []
        for name in ("original_width", "original_height"):
            told = item.get(name, value.get(name))
            if told is None:
                continue
            number = _number(told)
            if number is None or not number.is_integer() or not 0 < number <= MOST_FRAMES:
                self._wrong(f"{where}: {name}", "pixels of the image as a whole number from 1", told)
                continue
            sides.append(int(number))
        if len(sides) < 2:
            return None
        width, height = sides
        if (width, height) not in self._sizes:
            self._sizes[width, height] = Size(width=width, height=height)
        return self._sizes[width, height]

    def _score(self, where: str, item: dict[str, Any], answer: Answer) -> float | None:
        own = item.get("score")
        told = answer.score if own is None else own
        self.scored_whole += own is None and told is not None
        number = _number(told)
        if told is not None and (number is None or not math.isfinite(number)):
            self._wrong(f"{where}: score", "a finite number", told)
            return None
        return number

    def _identity(self, where: str, item: dict[str, Any], value: dict[str, Any]) -> tuple[str | int | None, bool]:
        """Return who it is, where a program has said so, and whether it said that nobody knows."""
        meta = item.get("meta")
        for of in (item, value, meta if isinstance(meta, dict) else {}):
            if "track_id" not in of:
                continue
            told = of["track_id"]
            if told is None or told == -1:
                return None, True
            if isinstance(told, bool) or not isinstance(told, str | int) or told == "" or str(told).startswith("-"):
                self._wrong(f"{where}: track_id", "a text or a whole number from 0, or null for nobody", told)
                return None, False
            return told, False
        return None, False

    def _track(
        self,
        where: str,
        item: dict[str, Any],
        said: dict[tuple[str | None, str], dict[str, Any]],
        used: set[int],
        answer: Answer,
    ) -> Track | None:
        region = self._region(where, "videorectangle", item, said, used, answer)
        if region is None:
            return None
        value = item["value"]
        before = len(self._problems)
        count = next((value[name] for name in ("framesCount", "frameCount") if name in value), None)
        if count is not None and (_whole(count) is None or not 0 < count <= MOST_FRAMES):
            self._wrong(f"{where}: framesCount", f"a number of frames from 1 to {MOST_FRAMES:,}", count)
        duration = _number(value.get("duration"))
        if value.get("duration") is not None and (duration is None or not 0 < duration < math.inf):
            self._wrong(f"{where}: duration", "seconds above 0", value["duration"])
        rows = self._keyframes(where, value.get("sequence"))
        if rows is None or len(self._problems) > before:
            return None
        rows.sort(key=lambda row: row[0])
        frame = np.array([row[0] for row in rows], np.int64)
        for twice in sorted(set(frame[1:][frame[1:] == frame[:-1]].tolist())):
            message = f"expected each frame once, got {twice} again"
            self._problems.add("keyframe-twice", f"{where}: sequence", message, _FIX_EXPORT)
        if len(self._problems) > before:
            return None
        return Track(
            region,
            frame,
            np.array([row[1] for row in rows], np.bool_),
            np.array([row[2] for row in rows], np.float64).reshape(-1, len(_SIDES)),
            None if count is None else int(count),
            duration,
        )

    def _keyframes(self, where: str, told: object) -> list[tuple[int, bool, tuple[float, ...]]] | None:
        if not isinstance(told, list):
            self._wrong(f"{where}: sequence", "a list of keyframes", told)
            return None
        found: list[tuple[int, bool, tuple[float, ...]]] = []
        for number, item in enumerate(told):
            place = f"{where}: keyframe {number}"
            if not isinstance(item, dict):
                self._wrong(place, "an object", item)
                continue
            frame, enabled = _whole(item.get("frame")), item.get("enabled")
            if frame is None or not 0 < frame <= MOST_FRAMES:
                expected = f"a frame from 1 to {MOST_FRAMES:,}"
                self._wrong(f"{place}: frame", expected, item.get("frame"), "Label Studio counts frames from 1")
            if not isinstance(enabled, bool):
                self._wrong(f"{place}: enabled", "true or false", enabled, "false is where the track ends")
            percent = self._percent(place, item)
            if frame is not None and percent is not None and isinstance(enabled, bool):
                found.append((frame, enabled, percent))
        return found


def _joins(item: dict[str, Any]) -> str | None:
    """Return what the items of one region have in common: their id; without ids, in `json_min`, their place."""
    told = item.get("join", item.get("id"))
    return None if told is None else str(told)


def _beside(
    item: dict[str, Any], said: dict[tuple[str | None, str], dict[str, Any]], used: set[int]
) -> list[tuple[str, dict[str, Any]]]:
    """Return what other items say of a region, and note that they are used."""
    found = []
    joins = _joins(item)
    for name in (*_LABELS, *_SAID):
        other = said.get((joins, name))
        if other is not None and isinstance(other.get("value"), dict):
            found.append((name, other["value"]))
            used.add(id(other))
    return found


def _number(value: object) -> float | None:
    try:
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
    except OverflowError:
        return math.inf


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _text(item: dict[str, Any], beside: list[tuple[str, dict[str, Any]]]) -> str | None:
    """Return the one thing that is said of a region in words: a note, a field for text or a number."""
    meta = item.get("meta")
    if not beside and not meta:
        return None
    notes: Any = meta.get("text") if isinstance(meta, dict) else None
    told: list[Any] = list(notes) if isinstance(notes, list) else [notes]
    for name, value in beside:
        if name in _SAID:
            one = value.get("text" if name == "textarea" else "number")
            told += one if isinstance(one, list) else [one]
    words = {str(one).strip() for one in told if isinstance(one, str | int | float) and str(one).strip()}
    return words.pop() if len(words) == 1 else None
