"""Can every frame of a video be decoded? And what becomes of those of which one cannot."""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING

from lapsdata.checks.outcome import CheckedItem, refused
from lapsdata.errors import CorruptDataError, LapsError, Problem, StorageError, UnknownFormatError
from lapsdata.storage.atomic import storage_errors
from lapsdata.video.reader import open_video

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ["QUARANTINE_LIST", "UNREADABLE", "check_video", "quarantine"]

UNREADABLE = "unreadable video"
"""Kind of a video that is itself at fault: not one that nobody here can decode, or that may not be read."""

QUARANTINE_LIST = "quarantine.jsonl"
"""What stands beside videos that were moved away: where each was, and why."""


def check_video(path: Path) -> CheckedItem:
    """Decode every frame of a video. It carries no checksum: a frame that decodes to something wrong is not found.

    Parameters
    ----------
    path : Path

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import numpy as np
    >>> from lapsdata.video.writer import write_video
    >>> clip = pathlib.Path(tempfile.mkdtemp()) / "clip.mp4"
    >>> write_video(clip, [np.zeros((48, 64, 3), np.uint8)] * 3, [0.0, 0.1, 0.2])
    >>> check_video(clip).found
    'video: 3 frames decoded'
    """
    decoded = 0
    try:
        with open_video(path, pixels="gray") as video:
            for _ in video.frames():
                decoded += 1
    except (CorruptDataError, UnknownFormatError) as error:
        note = f"{decoded} frames decoded, then none" if decoded else "no frame decoded"
        return CheckedItem(path, UNREADABLE, None, 0, note, tuple(error.problems))
    except LapsError as error:
        return refused(path, "video", error)
    return CheckedItem(path, "video", None, 0, f"{decoded} frames decoded")


def quarantine(items: Iterable[CheckedItem], folder: Path) -> tuple[Problem, ...]:
    """Move unreadable videos into a folder, and write down where each was.

    Parameters
    ----------
    items : iterable of CheckedItem
        Those that are no `UNREADABLE` stay.
    folder : Path
        Made if there is something to move; nothing in it is replaced.

    Returns
    -------
    tuple of Problem
        What was moved (`quarantined`, an information), and what could not be.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> place = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (place / "clip.mp4").write_bytes(b"")
    >>> [one.code for one in quarantine([check_video(place / "clip.mp4")], place / "away")]
    ['quarantined']
    """
    told: list[Problem] = []
    for item in items:
        if item.kind != UNREADABLE:
            continue
        try:
            target = _moved(item, folder)
        except StorageError as error:
            told += error.problems
        else:
            told.append(Problem("quarantined", str(item.path), f"moved to {target}", None, "info"))
    return tuple(told)


def _moved(item: CheckedItem, folder: Path) -> Path:
    target = folder / item.path.name
    with storage_errors(folder, "write to"):
        folder.mkdir(parents=True, exist_ok=True)
        if os.path.lexists(target):
            message = "expected a free name for an unreadable video, got an existing one"
            raise StorageError(Problem("exists", str(target), message, "name another folder"))
        line = {"was": str(item.path), "why": [str(problem) for problem in item.problems]}
        with (folder / QUARANTINE_LIST).open("a", encoding="utf-8") as file:
            file.write(f"{json.dumps(line)}\n")
        shutil.move(item.path, target)
    return target
