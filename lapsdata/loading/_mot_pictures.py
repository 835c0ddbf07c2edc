"""Where the pictures of sequences lie, and those of a batch of clips, by the numbers in the names of images."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from lapsdata.adapters._image_places import folder_of_images
from lapsdata.errors import Problem, Problems, SchemaError, StorageError, listed, spans_told
from lapsdata.loading._frame_pool import FramePool, jobs_of
from lapsdata.loading._frame_videos import FrameVideo
from lapsdata.storage.per_process import PerProcess
from lapsdata.video._images import is_image_folder
from lapsdata.video.numbered_images import image_numbers

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike

    from numpy.typing import NDArray

    from lapsdata.geometry import FrameSize
    from lapsdata.loading._mot_options import MotOptions
    from lapsdata.loading._mot_timeline import MotTimeline
    from lapsdata.schema import BoxSequence
    from lapsdata.video.facts import VideoFacts

__all__ = ["MotPictures", "PicturePlaces", "Pictures", "find_pictures", "open_pictures"]

PicturePlaces: TypeAlias = "bool | str | PathLike[str] | Mapping[str, str | PathLike[str]]"
"""Beside the truth, a folder or a video, or a place for each sequence; False for no pictures."""

_SPANS = 3


@dataclass(frozen=True, eq=False)
class Pictures:
    """The pictures of one sequence.

    Parameters
    ----------
    sequence : BoxSequence
    path : Path
        A folder of images, or a video.
    numbers : int64 (K,) or None
        Of the images of a folder, rising; a video has none: its frames are those of the sequence.
    size : FrameSize
    count : int
        Images, or frames of the video.
    """

    sequence: BoxSequence
    path: Path
    numbers: NDArray[np.int64] | None
    size: FrameSize
    count: int

    def index(self, frames: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return which pictures frames have, counted from 0 in the sequence; of a folder all of them are there."""
        if self.numbers is None:
            return frames
        return np.searchsorted(self.numbers, frames + self.sequence.first_number)


def find_pictures(
    sequences: Sequence[BoxSequence], places: PicturePlaces, beside: Path | None, *, alone: bool
) -> list[Path]:
    """Return the folder of images or the video of each sequence.

    Parameters
    ----------
    sequences : sequence of BoxSequence
    places : PicturePlaces
        Not False.
    beside : Path or None
        Where the truth was read from; there, and in the folder above it, pictures are looked for.
    alone : bool
        Whether the truth has one sequence only: then a folder of images may be meant by itself.

    Raises
    ------
    SchemaError
        Some are not found, and nothing says where they are.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lapsdata.testing.samples import sample_boxes
    >>> root = pathlib.Path(tempfile.mkdtemp())
    >>> for name in ("left", "right"):
    ...     (root / name / "img1").mkdir(parents=True)
    ...     (root / name / "img1" / "000000.jpg").touch()
    >>> found = find_pictures(sample_boxes().header.sequences, True, root, alone=False)
    >>> [path.relative_to(root).as_posix() for path in found]
    ['left/img1', 'right/img1']
    """
    if isinstance(places, Mapping):
        return _named(sequences, places)
    bases = [beside] if beside is not None else []
    if beside is not None and not beside.is_dir():
        folder = beside.absolute().parent
        bases = [folder, folder.parent]
    if not isinstance(places, bool):
        bases = [_path(places)]
        if alone and (bases[0].is_file() or is_image_folder(bases[0])):
            return bases
    found = {one.name: place for one in sequences if (place := _below(one, bases, alone=alone)) is not None}
    lost = [one.name for one in sequences if one.name not in found]
    if lost:
        where = listed(map(str, bases)) if bases else "boxes that come from no file"
        message = f"expected the pictures of each sequence, found none of {listed(lost)} below {where}"
        fix = "say where they are, images=FOLDER or images={sequence: PLACE}, or take boxes alone, images=False"
        raise SchemaError(Problem("no-pictures", "images", message, fix))
    return [found[one.name] for one in sequences]


def _named(sequences: Sequence[BoxSequence], places: Mapping[str, str | PathLike[str]]) -> list[Path]:
    names = [one.name for one in sequences]
    if lost := [name for name in names if name not in places]:
        message = f"expected a place for each sequence, got none of {listed(lost)}"
        raise SchemaError(Problem("no-pictures", "images", message))
    return [_path(places[name]) for name in names]


def _path(place: str | PathLike[str]) -> Path:
    try:
        return Path(place)
    except TypeError:
        message = f"expected a path, got {place!r}"
        raise SchemaError(Problem("wrong-value", "images", message)) from None


def _below(sequence: BoxSequence, bases: Sequence[Path], *, alone: bool) -> Path | None:
    said = sequence.images
    for base in bases:
        if said is not None and "{frame" not in said:
            for video in (base / said, base / sequence.name / said):
                if video.is_file():
                    return video
        elif base.is_dir() and (folder := folder_of_images(sequence, base, single=alone)) is not None:
            return folder
    return None


def open_pictures(
    paths: Sequence[Path], timeline: MotTimeline, wanted: NDArray[np.bool_], told: list[Problem]
) -> list[Pictures]:
    """List the images of sequences and the frames of videos, and look at one where nobody says their size.

    Parameters
    ----------
    paths : sequence of Path
    timeline : MotTimeline
    wanted : bool (F,)
        Frames that clips hold: each must have an image.
    told : list of Problem
        Videos with more frames than their sequences are added.

    Raises
    ------
    SchemaError
        Frames without an image, all of them; names that are no numbers; videos that end before the clips do.
    LapsError
        A folder or video cannot be opened.
    """
    found = Problems("images")
    opened = []
    for at, (one, path) in enumerate(zip(timeline.sequences, paths, strict=True)):
        numbers = image_numbers(path).numbers if path.is_dir() else None
        part = wanted[timeline.starts[at] : timeline.starts[at + 1]]
        size, count = None if one.size is None else one.size.frame, 0
        if numbers is not None:
            count = len(numbers)
            lost = np.setdiff1d(np.flatnonzero(part) + one.first_number, numbers)
            if len(lost):
                spans = spans_told(lost.tolist(), _SPANS)
                message = f"{len(lost):,} of {int(part.sum()):,} frames have no image: {spans}"
                fix = f"images are found by the numbers in their names, {numbers[0]} to {numbers[-1]} in {path}"
                found.add("frames-without-image", one.name, message, fix)
        elif not path.is_file():
            found.add("no-pictures", one.name, f"expected a folder of images or a video, got {path}")
        else:
            facts = _facts(path)
            size, count, last = size or facts.size, facts.frames, int(np.flatnonzero(part).max(initial=-1))
            if last >= count:
                message = f"expected a picture of frame {last}, got a video of {count} frames"
                found.add("no-frame-there", str(path), message, "name the video of the boxes")
            elif count > len(part):
                message = f"expected the {len(part)} frames of {one.name}, got {count}: the first ones are taken"
                fix = "if boxes are of every second frame or so, give a folder with the images of these frames"
                told.append(Problem("other-length", str(path), message, fix, "warning"))
        if not found:
            opened.append(Pictures(one, path, numbers, size or _facts(path).size, count))
    found.raise_as(SchemaError)
    return opened


def _facts(path: Path) -> VideoFacts:
    video, session = FrameVideo(path.name, path, None, None, 1).open()
    if session is not None:
        session.close()
    return video.plan.facts


class MotPictures:
    """The pictures of clips, from any thread, and in any process that it is sent to; each opens what it needs.

    Parameters
    ----------
    pictures : sequence of Pictures
        By the number of their sequence.
    options : MotOptions

    Raises
    ------
    SchemaError
        Pictures of unlike sizes, and no size that they are brought to.
    """

    def __init__(self, pictures: Sequence[Pictures], options: MotOptions) -> None:
        self._pictures, self._threads = list(pictures), options.threads
        self.shape = options.image_size or _one_size(pictures)
        videos = [FrameVideo(one.sequence.name, one.path, None, None, 1, options.pixels) for one in pictures]
        pool = functools.partial(FramePool, videos, options.open_videos, options.cache_bytes, options.image_size)
        self._pools = PerProcess(pool)
        self._proved: PerProcess[set[int]] = PerProcess(set)

    @property
    def pool(self) -> FramePool:
        """What this process has open."""
        return self._pools.get()

    def put(self, sequence: NDArray[np.int64], frames: NDArray[np.int64], out: NDArray[np.uint8]) -> None:
        """Fill in the pictures of frames.

        Parameters
        ----------
        sequence, frames : int64 (P,)
            Frames count from 0 in their sequence.
        out : uint8 (P, H, W, 3), RGB

        Raises
        ------
        SchemaError
            Pictures of another size than the truth says.
        StorageError
            Images have come or gone since the data set was opened.
        CorruptDataError
            A picture cannot be decoded.
        """
        index = np.empty(len(frames), np.int64)
        for at in np.unique(sequence).tolist():
            here = sequence == at
            self._prove(at)
            index[here] = self._pictures[at].index(frames[here])
        self.pool.fill_all([(out, job) for job in jobs_of(sequence, index)], self._threads)

    def _prove(self, at: int) -> None:
        """Refuse pictures that are not those that were there at opening."""
        proved = self._proved.get()
        if at in proved:
            return
        known, facts = self._pictures[at], self.pool.video(at).plan.facts
        if known.numbers is not None:
            # At one image a second, times are numbers.
            seen = np.rint(facts.frame_s).astype(np.int64)
            same = np.array_equal(seen, known.numbers - known.numbers[0])
        else:
            same = facts.frames == known.count
        if not same:
            what = "frames" if known.numbers is None else "images"
            message = f"expected the {known.count:,} {what} that were there at opening, got other ones"
            raise StorageError(Problem("replaced", str(known.path), message, "open the data set again"))
        if facts.size != known.size:
            message = f"expected pictures of {known.size} pixel as the truth says, got {facts.size}"
            fix = "name the pictures that the boxes are of: their places would not fit"
            raise SchemaError(Problem("wrong-size", str(known.path), message, fix))
        proved.add(at)

    def close(self) -> None:
        """Close videos; they are opened again when a frame is asked for."""
        pool = self._pools.take()
        self._proved.take()
        if pool is not None:
            pool.decoders.close()


def _one_size(pictures: Sequence[Pictures]) -> tuple[int, int]:
    sizes: dict[FrameSize, str] = {}
    for one in pictures:
        sizes.setdefault(one.size, one.sequence.name)
    if len(sizes) > 1:
        shown = listed(f"{size} ({name})" for size, name in sizes.items())
        fix = "bring frames and boxes to one, image_size=(height, width), or open those of one size, sequences=[...]"
        raise SchemaError(Problem("unlike-sizes", "images", f"expected pictures of one size, got {shown}", fix))
    return next(iter(sizes)).shape
