"""What a sequence says of itself in `seqinfo.ini`, and its images: how many, and what they are called."""

from __future__ import annotations

import configparser
from collections import Counter
from dataclasses import dataclass
from pathlib import PurePath, PurePosixPath
from typing import TYPE_CHECKING

from lapsdata.adapters._image_names import IMAGES, number_in, pattern_of
from lapsdata.errors import LapsError, Problems
from lapsdata.schema import Size
from lapsdata.storage.atomic import storage_errors
from lapsdata.timebase import FrameRate

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["SEQINFO", "FoundImages", "SequenceInfo", "find_images", "read_seqinfo"]

SEQINFO = "seqinfo.ini"
_SECTION = "Sequence"
_ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")


@dataclass(frozen=True, slots=True)
class SequenceInfo:
    """What `seqinfo.ini` says.

    Parameters
    ----------
    name : str or None
    images : str
        The folder of images.
    rate : FrameRate or None
    length : int or None
    size : Size or None
    """

    name: str | None = None
    images: str = IMAGES
    rate: FrameRate | None = None
    length: int | None = None
    size: Size | None = None


@dataclass(frozen=True, slots=True)
class FoundImages:
    """The images of a sequence.

    Parameters
    ----------
    pattern : str or None
        As `img1/{frame:06d}.jpg`; None where they are not spelled alike.
    first, last : int
        The lowest and the highest number.
    count : int
    """

    pattern: str | None
    first: int
    last: int
    count: int


def read_seqinfo(folder: Path, problems: Problems) -> SequenceInfo:
    """Read `seqinfo.ini` of a sequence, if there is one; what is wrong in it is noted.

    Parameters
    ----------
    folder : Path
    problems : Problems

    Examples
    --------
    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (folder / "seqinfo.ini").write_text("[Sequence]" + chr(10) + "seqLength=525" + chr(10) + "frameRate=30")
    >>> info = read_seqinfo(folder, Problems())
    >>> info.length, str(info.rate), info.size
    (525, '30', None)
    """
    path = folder / SEQINFO
    if not path.is_file():
        return SequenceInfo()
    with storage_errors(path, "read"):
        data = path.read_bytes()
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(data.decode("utf-8-sig"))
        said = parser[_SECTION]
    except (configparser.Error, KeyError, UnicodeDecodeError) as error:
        got = str(error).splitlines()[0]
        if isinstance(error, KeyError):
            got = " ".join(f"[{name}]" for name in parser.sections()) or "none"
        message = f"expected a section [{_SECTION}] with keys, got: {got}"
        problems.add("wrong-seqinfo", str(path), message, "look at the seqinfo.ini of another sequence")
        return SequenceInfo()
    whole = {key: _whole(path, key, said.get(key), problems) for key in ("seqLength", "imWidth", "imHeight")}
    width, height = whole["imWidth"], whole["imHeight"]
    images = said.get("imDir", IMAGES).strip() or IMAGES
    place = PurePosixPath(images.replace("\\", "/"))
    if place.is_absolute() or PurePath(images).is_absolute() or ".." in place.parts:
        message = f"expected a folder in that of the sequence, got {images!r}"
        problems.add("wrong-seqinfo", f"{path}: imDir", message)
        place = PurePosixPath(IMAGES)
    size = None if width is None or height is None else Size(width=width, height=height)
    return SequenceInfo(
        said.get("name"), str(place), _rate(path, said.get("frameRate"), problems), whole["seqLength"], size
    )


def _whole(path: Path, key: str, text: str | None, problems: Problems) -> int | None:
    if text is None:
        return None
    number = text.strip()
    if not (number.isascii() and number.isdigit() and 0 < int(number) < 10**9):
        problems.add("wrong-seqinfo", f"{path}: {key}", f"expected a whole number from 1, got {text!r}")
        return None
    return int(number)


def _rate(path: Path, text: str | None, problems: Problems) -> FrameRate | None:
    if text is None:
        return None
    try:
        return FrameRate.parse(text.strip())
    except LapsError:
        problems.add("wrong-seqinfo", f"{path}: frameRate", f"expected frames per second, got {text!r}")
        return None


def find_images(folder: Path, place: str) -> FoundImages | None:
    """Return what the images of a sequence are called, by their names alone; None where there are none.

    Parameters
    ----------
    folder : Path
    place : str
        Their folder in that of the sequence.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> (folder / "img1").mkdir()
    >>> for number in (1, 2, 3):
    ...     _ = (folder / "img1" / f"{number:08d}.jpg").write_bytes(b"")
    >>> find_images(folder, "img1")
    FoundImages(pattern='img1/{frame:08d}.jpg', first=1, last=3, count=3)
    """
    if not (folder / place).is_dir():
        return None
    with storage_errors(folder / place, "list"):
        names = [one.name for one in (folder / place).iterdir()]
    shown = [name for name in names if not name.startswith(".") and name.lower().endswith(_ENDINGS)]
    every = [found for name in shown if (found := number_in(name)) is not None]
    if not every:
        return None
    # What most are called is the pattern; a cover or a mask between them is not one of the frames.
    kind, _ = Counter((one.before, one.behind, one.ending) for one in every).most_common(1)[0]
    usual = [one for one in every if (one.before, one.behind, one.ending) == kind]
    pattern = pattern_of(usual)
    numbers = [int(one.digits) for one in usual]
    named = None if pattern is None else f"{place}/{pattern}"
    return FoundImages(named, min(numbers), max(numbers), len(numbers))
