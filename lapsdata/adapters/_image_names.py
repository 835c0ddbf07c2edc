"""Names of images in files of others: which sequence they are of, which frame, and how they are spelled.

`DanceTrack/train/dancetrack0001/img1/00000001.txt` is frame 1 of `dancetrack0001`: frames are numbered by name, never
by position. A name without a number of its own, as those of CrowdHuman, is an image that stands alone.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

__all__ = ["IMAGES", "ImageName", "Spelling", "frame_spans", "image_name", "sequence_names", "spelling_of"]

IMAGES = "img1"
"""The folder of images in a sequence of MOTChallenge."""

# Digits alone, behind a word (frame12), or behind a mark: an identity that ends with digits is no number.
_NUMBERED = re.compile(r"(?P<before>[^\W\d_]+|.*[_\-. ])?(?P<digits>\d{1,12})", re.ASCII | re.DOTALL)
_ENDING = re.compile(r"\.[A-Za-z]\w{0,4}", re.ASCII)


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
        plain = plain.replace("{", "{{").replace("}", "}}")
        return plain + (f"{{frame:0{self.digits}d}}" if self.digits else "") + self.ending


def image_name(text: str) -> ImageName:
    """Return what a name says.

    Examples
    --------
    >>> image_name("train/game1/img1/000012.jpg")
    ImageName(path='train/game1', before='img1/', digits='000012', ending='.jpg')
    >>> image_name("crowdhuman/train_image/273271,c9db000d5146c15.txt").digits
    ''
    """
    folder, _, name = text.rpartition("/")
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

    Numbers of more digits than the shortest one have none in front.

    Examples
    --------
    >>> spelling_of([image_name("img1/9.jpg"), image_name("img1/10.jpg")])
    Spelling(before='img1/', digits=1, ending='.jpg')
    >>> spelling_of([image_name("img1/9.jpg"), image_name("img1/010.jpg")]) is None
    True
    """
    every = list(names)
    if len({(one.before, one.ending) for one in every}) != 1:
        return None
    least = min(len(one.digits) for one in every)
    if any(len(one.digits) > least and one.digits.startswith("0") for one in every):
        return None
    return Spelling(every[0].before, least, every[0].ending)


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
