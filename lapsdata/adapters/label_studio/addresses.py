"""What the address of an image or video says: which sequence it belongs to, and which frame of it an image is.

/data/local-files/?d=train/A/img1/000001.jpg     sequence A, frame 1, img1/{frame:06d}.jpg
s3://bucket/A/frame_12.png                       sequence A, frame 12, frame_{frame:d}.png
/data/upload/29/a5ef7e93-A_000001.jpg            sequence A, frame 1: an upload keeps no folder
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from lapsdata.adapters._image_names import IMAGES, number_in

__all__ = ["Place", "place_of"]

_LOCAL = re.compile(r"/data/local-files/?\?(?:[^#]*&)?d=([^&#]*)")
_UPLOAD = re.compile(r"/data/upload/(?P<project>\d+)/(?:[0-9a-f]{8}-)?(?P<name>[^/?#]+)", re.ASCII)
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
    # Addresses of files on Windows have their backslashes encoded.
    parts = [part for part in unquote(_path(text)).replace("\\", "/").split("/") if part not in ("", ".")]
    if not parts:
        return None
    *folders, name = parts
    inner = ""
    if folders and folders[-1] == IMAGES:
        folders, inner = folders[:-1], f"{IMAGES}/"
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
