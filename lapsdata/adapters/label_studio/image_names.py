"""What the address of an image or video says: which sequence it belongs to, and which frame of it an image is.

/data/local-files/?d=train/A/img1/000001.jpg     sequence A, frame 1, img1/{frame:06d}.jpg
s3://bucket/A/frame_12.png                       sequence A, frame 12, frame_{frame:d}.png
/data/upload/29/a5ef7e93-A_000001.jpg            sequence A, frame 1: an upload keeps no folder
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["MOST_FRAMES", "NumberedName", "Place", "number_in", "pattern_of", "place_of", "told_apart"]

MOST_FRAMES = 10_000_000
"""Four days at 30 frames per second: a higher number is a time or a key, and no frame."""

_LOCAL = re.compile(r"/data/local-files/?\?(?:[^#]*&)?d=([^&#]*)")
_UPLOAD = re.compile(r"/data/upload/(?P<project>\d+)/(?:[0-9a-f]{8}-)?(?P<name>[^/?#]+)", re.ASCII)
_NUMBER = re.compile(r"\d+(?=\D*$)", re.ASCII)
# MOTChallenge and its followers keep the images of a sequence in a folder of it.
_IMAGES = "img1"
# What parts the name of a sequence from a number.
_PARTING = "_-. "


class Place(NamedTuple):
    """Where an image or video stands.

    Parameters
    ----------
    folders : tuple of str
        From the outermost inwards; the last one is the sequence that an image belongs to.
    inner : str
        What stands before `name` in the sequence: `img1/`, or nothing.
    name : str
        Of the file.
    """

    folders: tuple[str, ...]
    inner: str
    name: str

    @property
    def stem(self) -> str:
        """The name without what kind of file it is."""
        return PurePosixPath(self.name).stem


class NumberedName(NamedTuple):
    """A name that has a number: what stands before and behind it, and how it is spelled."""

    before: str
    digits: str
    behind: str
    suffix: str


def place_of(address: str, otherwise: str) -> Place | None:
    r"""Return where an image or video stands, from its address in a task; None where it names no file.

    Parameters
    ----------
    address : str
        Path or URL, with `/` or `\\`, percent-encoded or not.
    otherwise : str
        The sequence of an image that stands in no folder.

    Examples
    --------
    >>> place_of("/data/local-files/?d=train/A%20b/img1/000001.jpg", "images")
    Place(folders=('train', 'A b'), inner='img1/', name='000001.jpg')
    >>> place_of("/data/upload/29/a5ef7e93-A_000001.jpg", "images")
    Place(folders=('A',), inner='', name='A_000001.jpg')
    """
    text = address.strip().replace("\\", "/")
    if (upload := _UPLOAD.search(text)) is not None:
        name = unquote(upload["name"])
        found = number_in(name)
        sequence = "" if found is None else found.before.rstrip(_PARTING)
        return Place((sequence or f"project_{upload['project']}",), "", name)
    parts = [part for part in unquote(_path(text)).split("/") if part not in ("", ".")]
    if not parts:
        return None
    *folders, name = parts
    inner = ""
    if folders and folders[-1] == _IMAGES:
        folders, inner = folders[:-1], f"{_IMAGES}/"
    return Place(tuple(folders) or (otherwise,), inner, name)


def _path(text: str) -> str:
    """Return the path in an address, the host in front of it; a query is no part of it."""
    if (local := _LOCAL.search(text)) is not None:
        return local[1]
    scheme, parted, rest = text.partition("://")
    if not parted:
        return text
    if scheme.lower() not in ("http", "https"):
        return rest
    split = urlsplit(text)
    return f"{split.netloc}{split.path}"


def number_in(name: str) -> NumberedName | None:
    """Return the last number of a name of a file, and what stands around it; None where there is none.

    Examples
    --------
    >>> number_in("v1_frame_0012.jpg")
    NumberedName(before='v1_frame_', digits='0012', behind='', suffix='.jpg')
    """
    path = PurePosixPath(name)
    found = _NUMBER.search(path.stem)
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
    if len({(one.before, one.behind, one.suffix) for one in names}) != 1:
        return None
    width = min(len(one.digits) for one in names)
    padded = any(one.digits.startswith("0") and len(one.digits) > 1 for one in names)
    # Where nothing is padded 1 stands beside 10, and a set of 100 to 999 may be of either kind.
    width = width if padded else 1
    if any(one.digits != f"{int(one.digits):0{width}d}" for one in names):
        return None
    before, _, behind, suffix = names[0]
    spelled = f"{{frame:0{width}d}}" if padded else "{frame:d}"
    return f"{_plain(before)}{spelled}{_plain(behind + suffix)}"


def _plain(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


def told_apart(several: Iterable[tuple[str, ...]]) -> dict[tuple[str, ...], str]:
    """Return a name for each folder: its own, and where others have the same, those of the folders around it too.

    Examples
    --------
    >>> told_apart([("train", "A"), ("val", "A"), ("val", "B")])
    {('train', 'A'): 'train-A', ('val', 'A'): 'val-A', ('val', 'B'): 'B'}
    """
    every = list(dict.fromkeys(several))
    depth = 1
    names = {folders: folders[-1] for folders in every}
    while len(set(names.values())) < len(names) and depth < max(map(len, every)):
        depth += 1
        taken = list(names.values())
        twice = {name for name in taken if taken.count(name) > 1}
        names = {folders: "-".join(folders[-depth:]) if name in twice else name for folders, name in names.items()}
    return names
