"""The file by which a folder says that what is in it stands in for a data set, and is not the data set."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lapsdata.schema.base import Digest, Parameters, Record, Text
from lapsdata.storage.sealed_json import read_sealed_json

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["MARKER", "SyntheticMarker", "synthetic_above", "synthetic_root"]

MARKER = "SYNTHETIC.json"


class SyntheticMarker(Record):
    """What a folder of rendered videos says of itself.

    Examples
    --------
    >>> marker = SyntheticMarker(synthetic="SYNTHETIC: rendered", parameters={"seed": 0}, labels="sha256:" + 64 * "0")
    >>> marker.synthetic
    'SYNTHETIC: rendered'
    """

    synthetic: Text
    """The sentence that stands in every table that is made from it."""
    parameters: Parameters
    """How it was made."""
    labels: Digest
    """Of the labels that it follows."""


def synthetic_root(root: Path) -> str | None:
    """Return what a folder says of being a stand-in; None where it is none.

    Raises
    ------
    LapsError
        The file is there and cannot be read, or is not what was written: then nobody knows what the folder is.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> synthetic_root(pathlib.Path(tempfile.mkdtemp())) is None
    True
    """
    path = root / MARKER
    return read_sealed_json(path, SyntheticMarker).synthetic if path.exists() else None


def synthetic_above(path: Path) -> str | None:
    """Return what the nearest folder above a file that says so says of being a stand-in; None where none does.

    Links are followed: what counts is where the file lies.

    Raises
    ------
    LapsError
        As `synthetic_root`.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> synthetic_above(pathlib.Path(tempfile.mkdtemp()) / "Videos" / "clip.mp4") is None
    True
    """
    return next((said for folder in path.resolve().parents if (said := synthetic_root(folder)) is not None), None)
