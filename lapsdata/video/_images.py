"""Folders of numbered images as videos: in the order of their numbers, at the times that the user gives."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np

from lapsdata.errors import (
    CorruptDataError,
    LengthMismatchError,
    Problem,
    Problems,
    SchemaError,
    UnknownFormatError,
    warn,
)
from lapsdata.geometry import FrameSize
from lapsdata.storage.atomic import storage_errors
from lapsdata.timebase import FrameRate, check_times, frame_end_s, frame_to_s, nominal_rate
from lapsdata.video._ffmpeg_log import listening
from lapsdata.video._pixels import converter
from lapsdata.video.facts import VideoFacts

if TYPE_CHECKING:
    from pathlib import Path

    import av
    from numpy.typing import ArrayLike, NDArray

    from lapsdata.geometry import QuarterTurn
    from lapsdata.video.frame import Pixels

__all__ = ["ImageFolder", "is_image_folder", "listed_images", "open_folder"]

_CODECS = {".png": "png", ".jpg": "mjpeg", ".jpeg": "mjpeg"}
_HONEST = {"err_detect": "crccheck+explode"}
# What the JPEG decoder only warns of.
_CUT = "EOI missing"
# The last number of a name: frame_000012.png, 12.png, 0012_left.png.
_NUMBERED = re.compile(r"(.*?)(\d+)(\D*)", re.DOTALL)


class _Numbered(NamedTuple):
    number: int
    series: str
    path: Path
    digits: tuple[int, int]  # where they stand in the name


def is_image_folder(folder: Path) -> bool:
    """Tell whether a folder holds images (.png, .jpg, .jpeg)."""
    return folder.is_dir() and any(item.suffix.lower() in _CODECS for item in folder.iterdir())


def open_folder(
    folder: Path, pixels: Pixels, rate: FrameRate | str | float | None, frame_s: ArrayLike | None
) -> ImageFolder:
    """List the images of a folder and look at the first.

    Returns
    -------
    ImageFolder
        To be read by a session.

    Raises
    ------
    UnknownFormatError
        No images.
    SchemaError
        No time is given, or two; a name without a number, two series, two images of one number.
    LengthMismatchError
        Not as many times as images.
    CorruptDataError
        The first image cannot be decoded.

    Warns
    -----
    LapsWarning
        Numbers are missing between the first and the last.
    """
    images = listed_images(folder)
    paths = tuple(image.path for image in images)
    numbers = np.array([image.number for image in images])
    _tell_gaps(folder, numbers)
    times, known, end_s = _timed(folder, numbers, rate, frame_s)
    first = _decoded(paths[0], times, 0)
    coded = FrameSize(width=first.width, height=first.height)
    rotation: QuarterTurn = -first.rotation % 360  # type: ignore[assignment]  # EXIF knows quarter turns only
    facts = VideoFacts(
        name=folder.resolve().name,
        path=folder,
        codec=_CODECS[paths[0].suffix.lower()],
        container="images",
        pixel_format=first.format.name,
        coded_size=coded,
        rotation=rotation,
        size=coded.turned(rotation),
        rate=known,
        time_base=None,
        frame_s=times,
        keyframes=np.arange(len(paths)),
        end_s=end_s,
        variable=known is None and len(paths) > 1,
        reordered=False,
    )
    return ImageFolder(paths, facts, pixels)


def listed_images(folder: Path) -> list[_Numbered]:
    """Images by number; refused where numbers do not order them."""
    found = Problems(str(folder))
    images = []
    with storage_errors(folder, "open"):
        inside = sorted(item for item in folder.iterdir() if not item.name.startswith("."))
    for path in inside:
        if path.suffix.lower() not in _CODECS:
            continue
        parts = _NUMBERED.fullmatch(path.stem)
        if parts is None:
            found.add("no-number", path.name, "expected a number in the name, got none", "number it, or move it away")
        else:
            images.append(_Numbered(int(parts[2]), f"{parts[1]}#{parts[3]}{path.suffix}", path, parts.span(2)))
    found.raise_as(SchemaError)
    if not images:
        message = "expected a video file or numbered images (.png, .jpg, .jpeg), found none"
        raise UnknownFormatError(Problem("no-videos", str(folder), message, "name a file, or find_videos(folder)"))
    series = {image.series: image.path.name for image in images}
    if len(series) > 1:
        shown = ", ".join(list(series.values())[:3])
        found.add("several-series", "", f"expected one series of images, got {len(series)}: {shown}", "one folder each")
    images.sort()
    for one, other in pairwise(images):
        if one.number == other.number and one.series == other.series:
            message = f"expected one image of number {one.number}, got {one.path.name} and {other.path.name}"
            found.add("doubled-number", "", message, "remove one")
    found.raise_as(SchemaError)
    return images


def _tell_gaps(folder: Path, numbers: NDArray[np.int64]) -> None:
    steps = np.diff(numbers)
    if (steps > 1).any():
        at = int(np.argmax(steps > 1))
        missing = int(numbers[-1] - numbers[0] + 1 - len(numbers))
        warn(f"{folder}: {missing} numbers are missing, the first between {numbers[at]} and {numbers[at + 1]}")


def _timed(
    folder: Path, numbers: NDArray[np.int64], rate: FrameRate | str | float | None, frame_s: ArrayLike | None
) -> tuple[NDArray[np.float64], FrameRate | None, float]:
    """Return the times, their constant rate if there is one, and the end."""
    if (rate is None) == (frame_s is None):
        message = f"images carry no time; expected rate or frame_s, got {'neither' if rate is None else 'both'}"
        fix = "give rate=30 (numbers per second) or frame_s=[...] (a time for each image)"
        raise SchemaError(Problem("no-times", str(folder), message, fix))
    if rate is not None:
        known = FrameRate.parse(rate)
        times = frame_to_s(numbers - numbers[0], known)
        even = len(numbers) == numbers[-1] - numbers[0] + 1
        return times, known if even else nominal_rate(times).rate, float(times[-1]) + known.period_s
    times = check_times(np.array(frame_s), where=f"{folder}: frame_s")
    if len(times) != len(numbers):
        message = f"expected a time for each of {len(numbers)} images, got {len(times)}"
        raise LengthMismatchError(Problem("wrong-length", f"{folder}: frame_s", message))
    return times, nominal_rate(times).rate, float(frame_end_s(times)[-1])


def _decoded(path: Path, frame_s: NDArray[np.float64], index: int) -> av.VideoFrame:
    import av

    with storage_errors(path, "open"):
        data = path.read_bytes()
    with listening(av.logging.WARNING) as said:
        frames, reason = _pictures(_CODECS[path.suffix.lower()], data)
    if any(_CUT in text for text in said):
        frames, reason = [], "it is cut off"
    if len(frames) != 1 or frames[0].is_corrupt:
        message = f"cannot be decoded: {reason or 'there is no picture in it'}"
        raise CorruptDataError(Problem("undecodable-frame", _where(path, frame_s, index), message, "copy it again"))
    return frames[0]


def _pictures(codec: str, data: bytes) -> tuple[list[av.VideoFrame], str | None]:
    """Return what the decoder makes of a file, or why it makes nothing of it."""
    import av

    if not data:
        return [], "the file is empty"
    context = cast("av.VideoCodecContext", av.CodecContext.create(codec, "r"))
    context.options, context.thread_count = dict(_HONEST), 1
    try:
        return [*context.decode(av.Packet(data)), *context.decode(None)], None
    except av.error.FFmpegError as error:
        return [], error.strerror


def _where(path: Path, frame_s: NDArray[np.float64], index: int) -> str:
    return f"{path}: frame {index} at {frame_s[index]:.6f} s"


@dataclass(frozen=True, slots=True)
class ImageFolder:
    """All that is needed to read the images, in this process or another."""

    paths: tuple[Path, ...]
    facts: VideoFacts
    pixels: Pixels

    def open(self) -> ImageSession:
        """Return a session of its own."""
        return ImageSession(self)


class ImageSession:
    """Reads one file per image; holds nothing open."""

    def __init__(self, plan: ImageFolder) -> None:
        self._plan = plan
        self._convert = converter(plan.pixels, plan.facts.rotation)

    def image(self, index: int) -> NDArray[np.uint8]:
        """Return the image of frame `index`."""
        facts, path = self._plan.facts, self._plan.paths[index]
        frame = _decoded(path, facts.frame_s, index)
        same = (frame.width, frame.height) == (facts.coded_size.width, facts.coded_size.height)
        if not same or (frame.rotation + facts.rotation) % 360:
            got = f"{frame.width}x{frame.height} pixel turned by {-frame.rotation % 360} degrees"
            message = f"expected {facts.coded_size} pixel turned by {facts.rotation} degrees as the first, got {got}"
            where = _where(path, facts.frame_s, index)
            raise SchemaError(Problem("size-changes", where, message, "one folder for each size"))
        return self._convert(frame)

    def close(self) -> None:
        """Do nothing: nothing is open."""
