"""Sequences and results of MOTChallenge, written by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lapsdata.adapters import motchallenge
from lapsdata.containers import Boxes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lapsdata.adapters import Adapted

TRUTH = ("1,1,10,20,30,40,1,1,0.5", "1,2,100,50,20,60,1,1,1", "2,1,12,20,30,40,1,1,0.25", "3,1,14,20,30,40,0,7,1")
FOUND = ("1,-1,11,21,30,40,0.9,-1,-1,-1", "3,-1,15,20,30,41,0.4,-1,-1,-1")
RESULT = ("1,4,11,21,30,40,0.9,-1,-1,-1", "2,4,12,21,30,40,0.8,-1,-1,-1", "3,4,15,20,30,41,0.7,-1,-1,-1")


def put(path: Path, *lines: str, end: str = "\n") -> Path:
    """Write lines to a file, whose folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes("".join(f"{line}{end}" for line in lines).encode())
    return path


def sequence(
    folder: Path,
    *,
    truth: Sequence[str] | None = TRUTH,
    found: Sequence[str] | None = None,
    images: Sequence[str] = (),
    **info: object,
) -> Path:
    """Write a sequence with what is told of it, and images without a byte."""
    folder.mkdir(parents=True, exist_ok=True)
    if info:
        put(folder / "seqinfo.ini", "[Sequence]", *(f"{key}={value}" for key, value in info.items()))
    if truth is not None:
        put(folder / "gt" / "gt.txt", *truth)
    if found is not None:
        put(folder / "det" / "det.txt", *found)
    for name in images:
        put(folder / "img1" / name)
    return folder


def boxes_of(path: Path, **told: Any) -> Boxes:
    """Return the boxes of a file or folder."""
    return table(motchallenge.read(path, **told))


def table(adapted: Adapted) -> Boxes:
    """Return the boxes that were read."""
    boxes = adapted.container
    assert isinstance(boxes, Boxes)
    return boxes


def codes(adapted: Adapted) -> list[str]:
    """Return the codes of the notes, in order of the alphabet."""
    return sorted(note.code for note in adapted.notes)
