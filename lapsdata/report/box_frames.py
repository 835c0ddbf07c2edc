"""The pictures that boxes are drawn on: of a video by their place, of a folder by the numbers in their names."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from lapsdata.adapters._image_places import folder_of_images
from lapsdata.errors import Problem, Problems, SchemaError, UnknownFormatError, listed, spans_told
from lapsdata.video._images import is_image_folder
from lapsdata.video.numbered_images import ImageNumbers, image_numbers
from lapsdata.video.reader import open_video

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from lapsdata.report.layered_boxes import BoxLayer
    from lapsdata.schema import BoxSequence
    from lapsdata.timebase import FrameRate
    from lapsdata.video.reader import VideoReader

__all__ = ["MissingPictures", "NumberedFrames", "images_beside", "open_frames"]

MissingPictures = Literal["raise", "skip"]
"""What becomes of frames with boxes that have no picture: an error, or they are left out and counted."""

_SHOWN = 3


@dataclass(frozen=True, eq=False)
class NumberedFrames:
    """Pictures, and what each is called.

    Parameters
    ----------
    reader : VideoReader
    names : ImageNumbers or None
        Of a folder.
    indices : numpy.ndarray, shape (K,), int64
        Which of its frames are drawn, rising.
    """

    reader: VideoReader
    names: ImageNumbers | None
    indices: NDArray[np.int64]

    @cached_property
    def numbers(self) -> NDArray[np.int64]:
        """What the drawn frames are called, shape (K,), rising."""
        return self.all_numbers[self.indices]

    @cached_property
    def all_numbers(self) -> NDArray[np.int64]:
        """What all frames are called, shape (F,), rising."""
        return np.arange(len(self.reader)) if self.names is None else self.names.numbers

    def within(self, span: tuple[int, int] | None) -> NumberedFrames:
        """Return those from the first to the last number of a span, both included.

        Raises
        ------
        SchemaError
            There is none.
        """
        if span is None:
            return self
        first, last = span
        inside = np.flatnonzero((self.all_numbers >= first) & (self.all_numbers <= last))
        if not len(inside):
            known = self.all_numbers
            message = f"expected frames from {known[0]} to {known[-1]}, got {first} to {last}"
            raise SchemaError(Problem("no-frame-there", f"{self.reader.facts.path}: frames", message))
        return replace(self, indices=inside)

    def told(self, numbers: Iterable[int]) -> str:
        """Return numbers as a message tells them, of a folder with the names that images would have."""
        every = sorted(set(numbers))
        text = f"{len(every)} frame{'s' * (len(every) > 1)} ({spans_told(every)})"
        return text if self.names is None else f"{text}, as {listed(map(self.names.name_of, every), _SHOWN)}"


def open_frames(
    on: Path, layers: Sequence[BoxLayer], rate: FrameRate | str | float | None, *, timed: bool = True
) -> NumberedFrames:
    """Open a video or a folder of images, all of whose frames are drawn.

    A folder that holds no images is the one that the layers' pattern of names begins at. A folder has no times of its
    own: where none are asked for (not `timed`), no rate is needed.

    Raises
    ------
    SchemaError
        No rate of a folder, two that differ, or one given for a video, which has its own.
    LapsError
        It cannot be opened.
    """
    place = _with_images(on, layers)
    if not place.is_dir():
        if rate is not None:
            message = "expected no rate beside a video, which carries its own times, got one"
            raise SchemaError(Problem("wrong-option", str(on), message, "leave --fps out"))
        reader, names = open_video(place, pixels="rgb_quick"), None
    else:
        names = image_numbers(place)
        if rate is None:
            # Of pictures side by side nobody sees a time: any rate does.
            rate = _rate(place, layers) if timed else 1
        reader = open_video(place, rate=rate, pixels="rgb_quick")
    return NumberedFrames(reader, names, np.arange(len(reader)))


def _with_images(on: Path, layers: Sequence[BoxLayer]) -> Path:
    if not on.is_dir() or is_image_folder(on):
        return on
    below = {on / folder for layer in layers if (folder := _named(layer.sequence))}
    inside = sorted(folder for folder in below if folder.exists())
    return inside[0] if len(inside) == 1 else on


def _rate(folder: Path, layers: Sequence[BoxLayer]) -> FrameRate:
    rates = {layer.sequence.rate: layer.name for layer in layers if layer.sequence.rate is not None}
    if len(rates) != 1:
        said = ", ".join(f"{rate} of {name}" for rate, name in rates.items()) or "none"
        message = f"images carry no time; expected one rate of the boxes, got {said}"
        raise SchemaError(Problem("no-times", str(folder), message, "give --fps, their numbers per second"))
    return next(iter(rates))


def _named(sequence: BoxSequence) -> Path | None:
    """Return the folder of images, or the video, that a sequence names; None where it names none."""
    if sequence.images is None:
        return None
    path = Path(sequence.images)
    # A name alone is a pattern of images that lie right there, and no folder of its own.
    return path.parent if "{frame" in path.name else path


def images_beside(paths: Sequence[Path], layers: Sequence[BoxLayer]) -> Path:
    """Return the folder of images or the video that the layers name, where it lies beside their files.

    Looked at is the folder of each file, or the folder that is named; where nothing is found there, the one above. In
    each of them, the folder of the sequence counts too, at most a few folders deeper.

    Raises
    ------
    UnknownFormatError
        The layers name none, or it lies in none of these places.
    SchemaError
        Several are found.
    """
    found: dict[Path, Path] = {}
    searched: dict[Path, None] = {}
    beside = [path if path.is_dir() else path.parent for path in paths]
    for bases in (beside, [base.absolute().parent for base in beside]):
        for base, layer in product(bases, layers):
            if (below := _named(layer.sequence)) is not None:
                places = (base / below, base / layer.sequence.name / below)
                searched |= dict.fromkeys(places)
                there = [place for place in places if _is_picture(place)]
                # Below a folder of splits, as in a root that holds train/<sequence>/img1.
                deeper = folder_of_images(layer.sequence, base, single=False) if not there and base.is_dir() else None
                there += [deeper] if deeper is not None and _is_picture(deeper) else []
                found |= {place.resolve(): place for place in there}
        if found:
            break
    problems = Problems("pictures")
    if len(found) > 1:
        message = f"expected one place with the pictures of the boxes, got {len(found)}: {listed(map(str, found))}"
        problems.add("several-places", "", message, "name one of them: --on")
        problems.raise_as(SchemaError)
    if not found:
        where = f"none in {listed(map(str, searched))}" if searched else "boxes that do not say their names"
        problems.add("no-pictures", "", f"expected pictures beside the boxes, got {where}", "name them: --on")
        problems.raise_as(UnknownFormatError)
    return next(iter(found.values()))


def _is_picture(place: Path) -> bool:
    return is_image_folder(place) if place.is_dir() else place.is_file()
