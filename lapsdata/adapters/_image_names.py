"""Names of images in files of others: which sequence they are of, which frame, and how they are spelled.

`DanceTrack/train/dancetrack0001/img1/00000001.txt` is frame 1 of `dancetrack0001`: frames are numbered by name, never
by position. A name without a number of its own, as those of CrowdHuman, is an image that stands alone.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

__all__ = [
    "ENDINGS_OF_KEYS",
    "IMAGES",
    "ImageName",
    "NumberedName",
    "Spelling",
    "SplitPattern",
    "digits_of",
    "frame_spans",
    "image_name",
    "number_in",
    "pattern_of",
    "sequence_names",
    "spelling_of",
    "split_pattern",
]

MOST_FRAMES = 10_000_000
"""Four days at 30 frames per second: a higher number is a time or a key, and no frame."""

IMAGES = "img1"
"""The folder of images in a sequence of MOTChallenge."""

ENDINGS_OF_KEYS = ("", ".txt")
"""What keys of detection databases end with; any other ending is one of images."""

# Digits alone, behind a word (frame12), or behind a mark: an identity that ends with digits is no number.
_NUMBERED = re.compile(r"(?P<before>[^\W\d_]+|.*[_\-. ])?(?P<digits>\d{1,12})", re.ASCII | re.DOTALL)
_ENDING = re.compile(r"\.[A-Za-z]\w{0,4}", re.ASCII)
_LAST_NUMBER = re.compile(r"\d+(?=\D*$)", re.ASCII)
_PATTERN = re.compile(
    r"(?P<folder>.*/)?(?P<before>[^/]*)\{frame:(?:0(?P<digits>\d+))?d\}(?P<ending>[^/{}]*)", re.DOTALL
)


class ImageName(NamedTuple):
    """What a name says.

    Parameters
    ----------
    path : str
        The sequence, with the folders above it; of an image that stands alone, the name itself without its ending.
    before : str
        What stands before the number: folders of the sequence, and letters.
    digits : str
        The number as it is spelled; "" of an image that stands alone.
    ending : str
        `.txt`, `.jpg`, or none.
    """

    path: str
    before: str
    digits: str
    ending: str

    @property
    def number(self) -> int:
        """The number; 0 of an image that stands alone."""
        return int(self.digits or 0)

    @property
    def pattern(self) -> str:
        """The name as a pattern, with as many digits as there are."""
        return Spelling(self.before, len(self.digits), self.ending).pattern(self.path)


class Spelling(NamedTuple):
    """How the names of one sequence are spelled.

    Parameters
    ----------
    before : str
    digits : int
        With zeros in front to so many; 0 of an image that stands alone.
    ending : str

    Examples
    --------
    >>> Spelling("img1/", 6, ".jpg").pattern("train/game1")
    'train/game1/img1/{frame:06d}.jpg'
    """

    before: str
    digits: int
    ending: str

    def pattern(self, path: str) -> str:
        """Return a pattern for `str.format` with `frame`, the number."""
        plain = f"{path}/{self.before}" if path and self.before else path or self.before
        if path and not self.before and self.digits:
            plain += "/"
        return _plain(plain) + (_frame(self.digits) if self.digits else "") + self.ending


def image_name(text: str) -> ImageName:
    r"""Return what a name says; folders are parted by `/`, or by a backslash as Windows has it.

    Examples
    --------
    >>> image_name("train/game1/img1/000012.jpg")
    ImageName(path='train/game1', before='img1/', digits='000012', ending='.jpg')
    >>> image_name("crowdhuman/train_image/273271,c9db000d5146c15.txt").digits
    ''
    """
    folder, _, name = text.replace("\\", "/").rpartition("/")
    stem, ending = name, ""
    dot = name.rfind(".")
    if dot > 0 and _ENDING.fullmatch(name, dot):
        stem, ending = name[:dot], name[dot:]
    numbered = _NUMBERED.fullmatch(stem)
    if numbered is None:
        return ImageName(f"{folder}/{stem}" if folder else stem, "", "", ending)
    before = numbered["before"] or ""
    above, _, last = folder.rpartition("/")
    if last == IMAGES:
        return ImageName(above, f"{IMAGES}/{before}", numbered["digits"], ending)
    return ImageName(folder, before, numbered["digits"], ending)


def spelling_of(names: Iterable[ImageName]) -> Spelling | None:
    """Return how all these are spelled, None where they are not spelled alike.

    Examples
    --------
    >>> spelling_of([image_name("img1/9.jpg"), image_name("img1/10.jpg")])
    Spelling(before='img1/', digits=1, ending='.jpg')
    >>> spelling_of([image_name("img1/9.jpg"), image_name("img1/010.jpg")]) is None
    True
    """
    every = list(names)
    if len({(one.before, one.ending, bool(one.digits)) for one in every}) != 1:
        return None
    digits = digits_of(one.digits for one in every) if every[0].digits else 0
    return None if digits is None else Spelling(every[0].before, digits, every[0].ending)


def digits_of(spelled: Iterable[str]) -> int | None:
    """Return to how many digits numbers have zeros in front, 1 for none; None where they are not spelled alike.

    Where all are equally long, so many: nobody knows what shorter ones would look like.

    Examples
    --------
    >>> digits_of(["008", "012"]), digits_of(["08", "100"]), digits_of(["98", "100"]), digits_of(["8", "012"])
    (3, 2, 1, None)
    """
    every = list(spelled)
    lengths = {len(one) for one in every}
    padded = len(lengths) == 1 or any(one.startswith("0") and len(one) > 1 for one in every)
    digits = min(lengths) if padded else 1
    return digits if all(one == f"{int(one):0{digits}d}" for one in every) else None


class NumberedName(NamedTuple):
    """A name of a file that has a number: what stands before and behind it, and how it is spelled."""

    before: str
    digits: str
    behind: str
    ending: str


def number_in(name: str) -> NumberedName | None:
    """Return the last number of a name of a file, and what stands around it; None where there is none.

    Examples
    --------
    >>> number_in("v1_frame_0012.jpg")
    NumberedName(before='v1_frame_', digits='0012', behind='', ending='.jpg')
    """
    path = PurePosixPath(name)
    found = _LAST_NUMBER.search(path.stem)
    if found is None:
        return None
    return NumberedName(path.stem[: found.start()], found[0], path.stem[found.end() :], path.suffix)


def pattern_of(names: Sequence[NumberedName]) -> str | None:
    """Return the pattern that all names follow, `{frame:06d}.jpg`; None where they follow none.

    Examples
    --------
    >>> pattern_of([NumberedName("f", "09", "", ".jpg"), NumberedName("f", "10", "", ".jpg")])
    'f{frame:02d}.jpg'
    """
    if len({(one.before, one.behind, one.ending) for one in names}) != 1:
        return None
    digits = digits_of(one.digits for one in names)
    before, _, behind, ending = names[0]
    return None if digits is None else f"{_plain(before)}{_frame(digits)}{_plain(behind + ending)}"


class SplitPattern(NamedTuple):
    """A pattern of names in its parts, which still have doubled brackets: `folder` ends with a slash, or is ""."""

    folder: str
    before: str
    digits: int
    ending: str


def split_pattern(pattern: str) -> SplitPattern | None:
    """Return the parts of a pattern; None of what is none.

    Examples
    --------
    >>> split_pattern("train/a/img1/{frame:06d}.jpg"), split_pattern("game.mp4")
    (SplitPattern(folder='train/a/img1/', before='', digits=6, ending='.jpg'), None)
    """
    found = _PATTERN.fullmatch(pattern)
    if found is None:
        return None
    return SplitPattern(found["folder"] or "", found["before"], int(found["digits"] or 1), found["ending"])


def _plain(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


def _frame(digits: int) -> str:
    return f"{{frame:0{digits}d}}" if digits > 1 else "{frame:d}"


def sequence_names(paths: Iterable[str], alone: str) -> Mapping[str, str]:
    """Return what each sequence is called: the last folder of its path, and more of them where two end alike.

    Parameters
    ----------
    paths : iterable of str
    alone : str
        What one without any folder is called.

    Examples
    --------
    >>> sequence_names(["a/train/game1", "b/test/game1", "b/test/game2", ""], "found")
    {'a/train/game1': 'train.game1', 'b/test/game1': 'test.game1', 'b/test/game2': 'game2', '': 'found'}
    """
    parts = {path: [part for part in path.split("/") if part not in ("", ".", "..")] or [alone] for path in paths}
    names = {path: folders[-1] for path, folders in parts.items()}
    for length in range(2, max(map(len, parts.values()), default=0) + 1):
        times = Counter(names.values())
        for path, name in names.items():
            if times[name] > 1:
                names[path] = ".".join(parts[path][-length:])
    return names


def frame_spans(frames: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Return rising frames as spans: the first of each, and the one after the last.

    Parameters
    ----------
    frames : int64 (F,)

    Examples
    --------
    >>> frame_spans(np.array([0, 1, 2, 7]))
    [(0, 3), (7, 8)]
    """
    ends = np.flatnonzero(np.diff(frames) != 1)
    starts = np.concatenate([frames[:1], frames[ends + 1]])
    stops = np.concatenate([frames[ends] + 1, frames[-1:] + 1])
    return list(zip(starts.tolist(), stops.tolist(), strict=True))
