"""Which images and videos tasks are about, and which frames of their sequences they are."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from lapsdata.adapters._image_names import MOST_FRAMES, number_in, pattern_of
from lapsdata.adapters.label_studio.addresses import Place, place_of
from lapsdata.errors import listed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lapsdata.adapters._box_rows import BoxRows
    from lapsdata.adapters.label_studio.regions import Region, Track
    from lapsdata.adapters.label_studio.tasks import Task
    from lapsdata.errors import Problems

__all__ = ["Frames", "ImageTask", "VideoTask", "image_frames", "media_of"]

_NAMES = ("image", "video", "img", "frame")
_IMAGE = re.compile(r"\.(jpe?g|png|bmp|gif|tiff?|webp|avif)([?#&]|$)", re.IGNORECASE)
_VIDEO = re.compile(r"\.(mp4|m4v|mkv|mov|avi|webm|ogv|mpe?g)([?#&]|$)", re.IGNORECASE)
_LAST = re.compile(r"\d+$", re.ASCII)
_BY_NAME = "where the images are no frames of a video, or their names rise with time: --number-by name"


class ImageTask(NamedTuple):
    """An image, and what was drawn on it."""

    where: str
    place: Place
    annotated: bool
    boxes: list[Region]


class VideoTask(NamedTuple):
    """A video, and what was drawn on it; `folders` end with its name without what kind of file it is."""

    where: str
    folders: tuple[str, ...]
    name: str
    annotated: bool
    tracks: list[Track]


class Frames(NamedTuple):
    """Which image is which frame, by its number; the number of the first frame; and the pattern of names."""

    frames: dict[int, ImageTask]
    first: int
    images: str | None


def media_of(
    task: Task,
    annotated: bool,
    boxes: list[Region],
    tracks: list[Track],
    otherwise: str,
    images: list[ImageTask],
    videos: list[VideoTask],
    problems: Problems,
) -> None:
    """Add the images, or the video, of a task, with what was drawn on them.

    Parameters
    ----------
    task : Task
    annotated : bool
    boxes, tracks : list
        Of its annotation.
    otherwise : str
        The sequence of images that stand in no folder.
    images, videos : list
        What they are added to.
    problems : Problems
        A task without an address, and regions that stand on none of its images, are noted there.
    """
    drawn = tracks[0].region.of if tracks else boxes[0].of if boxes else ""
    addresses = _addresses(task.data, drawn)
    places = [place_of(address, otherwise) for address in addresses]
    if not places or None in places:
        message = f"expected the address of an image or a video, got {str(task.data)[:60]}"
        problems.add("no-image", f"{task.where}: data", message, "export tasks of images or videos")
        return
    known = [place for place in places if place is not None]
    if tracks or _VIDEO.search(addresses[0]):
        for region in boxes:
            message = "expected a videorectangle on a video, got a rectangle without a frame"
            problems.add("wrong-region", region.where, message, "draw it with the tag VideoRectangle")
        folders = (*known[0].folders, known[0].stem)
        videos.append(VideoTask(task.where, folders, known[0].name, annotated, tracks))
        return
    pages: list[list[Region]] = [[] for _ in known]
    for region in boxes:
        page = 0 if len(known) == 1 else _page(region.of)
        if page is None or page >= len(known):
            message = f"expected one of {len(known)} images, as page_0, got {region.of!r}"
            problems.add("no-image", f"{region.where}: to_name", message, "export tasks of single images")
        else:
            pages[page].append(region)
    images += [ImageTask(task.where, place, annotated, page) for place, page in zip(known, pages, strict=True)]


def _addresses(data: dict[str, Any], drawn: str) -> list[str]:
    """Return the addresses in a task: what was drawn on by name, what is called so, or the only one there is."""
    for name in (drawn, *_NAMES):
        if isinstance(data.get(name), str):
            return [data[name]]
    texts = [value for value in data.values() if isinstance(value, str)]
    found = [text for text in texts if _IMAGE.search(text) or _VIDEO.search(text)]
    if len(found) == 1:
        return found
    for value in data.values():
        pages = [_url(item) for item in value] if isinstance(value, list) and value else []
        if pages and None not in pages:
            return [page for page in pages if page is not None]
    return []


def _url(item: object) -> str | None:
    """Return the address of a page of several: a text, or an object with one."""
    texts = [item] if isinstance(item, str) else list(item.values()) if isinstance(item, dict) else []
    found = [text for text in texts if isinstance(text, str) and _IMAGE.search(text)]
    return found[0] if len(found) == 1 else None


def _page(drawn: str) -> int | None:
    found = _LAST.search(drawn)
    return None if found is None or len(found[0]) > 9 else int(found[0])


def image_frames(path: Path, name: str, tasks: Sequence[ImageTask], by_name: bool, rows: BoxRows) -> Frames | None:
    """Return which image is which frame; None where that is not known, which is noted.

    Parameters
    ----------
    path : Path
    name : str
        Of the sequence.
    tasks : sequence of ImageTask
    by_name : bool
        Whether frames are numbered by the order of names, where these have no numbers.
    rows : BoxRows
        What is wrong, or taken otherwise, is noted there.
    """
    if by_name:
        order = {spelled: number for number, spelled in enumerate(sorted({task.place.name for task in tasks}))}
        message = f"{len(order)} images are numbered from 0 in the order of their names"
        rows.note("frames-by-name", name, message, info=True)
        return _once(name, [(order[task.place.name], task) for task in tasks], 0, None, rows)
    spelled = [number_in(task.place.name) for task in tasks]
    names = [one for one in spelled if one is not None]
    for task, one in zip(tasks, spelled, strict=True):
        if one is None or len(one.digits) > len(str(MOST_FRAMES)) or int(one.digits) > MOST_FRAMES:
            message = f"expected the number of a frame in the name of an image, got {task.place.name!r}"
            rows.problems.add("no-frame-number", task.where, message, _BY_NAME)
    kinds = {(one.before, one.behind): one for one in names}
    if len(kinds) > 1:
        unlike = listed(f"{one.before}{one.digits}{one.behind}" for one in kinds.values())
        message = f"expected names of its images that differ in their number alone, got {unlike}"
        rows.problems.add("unlike-names", f"{path}: {name}", message, _BY_NAME)
    if len(names) < len(tasks) or len(rows.problems):
        return None
    first = 0 if any(int(one.digits) == 0 for one in names) else 1
    pattern = pattern_of(names)
    inner = {task.place.inner for task in tasks}
    images = None if pattern is None or len(inner) > 1 else f"{inner.pop()}{pattern}"
    if images is None:
        rows.note("no-pattern", name, "names of its images follow no one pattern: it is without", info=True)
    numbered = [(int(one.digits), task) for one, task in zip(names, tasks, strict=True)]
    return _once(name, numbered, first, images, rows)


def _once(
    name: str, numbered: Sequence[tuple[int, ImageTask]], first: int, images: str | None, rows: BoxRows
) -> Frames | None:
    """Take one task for each frame: where there are several, the one that is annotated."""
    frames: dict[int, ImageTask] = {}
    twice = 0
    for number, task in numbered:
        there = frames.get(number)
        if there is None:
            frames[number] = task
            continue
        twice += 1
        if there.annotated and task.annotated:
            message = f"expected one annotated task of frame {number} of {name}, got {there.where} too"
            rows.problems.add("frame-twice", task.where, message, "leave one of them out of the export")
        frames[number] = there if there.annotated else task
    message = f"{twice} images stand in several tasks: the one that is annotated is taken"
    rows.count("tasks-twice", name, twice, message, info=True)
    return Frames(frames, first, images)
