"""The names of what is exported of segments: which files are exports of some videos, and which of them are stale."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lapsdata.errors import Problem, StorageError, listed
from lapsdata.storage.atomic import storage_errors

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from pathlib import Path

__all__ = ["expect_no_exports", "exports_of", "remove_stale"]

_ENDINGS = ("mp4", "codes.json", "prequant.npy")


def exports_of(videos: Collection[str], folder: Path) -> list[Path]:
    """Return the files of a folder that have the name of an export of one of the videos, by name.

    These are `<video>_<number>.mp4`, `.codes.json` and `.prequant.npy`, the number of four digits or more.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> for name in ("a_0000.mp4", "a_0001.codes.json", "a_1.mp4", "b_0000.mp4", "a_0000.txt"):
    ...     (folder / name).touch()
    >>> [path.name for path in exports_of(["a"], folder)]
    ['a_0000.mp4', 'a_0001.codes.json']
    """
    if not folder.is_dir():
        return []
    names = "|".join(re.escape(name) for name in videos)
    endings = "|".join(re.escape(ending) for ending in _ENDINGS)
    export = re.compile(rf"(?:{names})_[0-9]{{4,}}\.(?:{endings})")
    with storage_errors(folder, "read"):
        return sorted(path for path in folder.iterdir() if export.fullmatch(path.name) and path.is_file())


def expect_no_exports(videos: Collection[str], folder: Path) -> None:
    """Refuse a folder that holds exports of these videos: some would be replaced, and the others stay beside them.

    Raises
    ------
    StorageError

    Examples
    --------
    >>> import pathlib
    >>> expect_no_exports(["a"], pathlib.Path("nowhere"))
    """
    found = exports_of(videos, folder)
    if found:
        message = f"expected no exports of these videos there, got {listed(path.name for path in found)}"
        fix = "name another folder, or give --force, which replaces them and removes those that are not made anew"
        raise StorageError(Problem("earlier-exports", str(folder), message, fix))


def remove_stale(videos: Collection[str], folder: Path, made: Iterable[Path]) -> int:
    """Remove the exports of these videos that were not made now; return how many these were.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> for name in ("a_0000.mp4", "a_0001.mp4", "a.mp4"):
    ...     (folder / name).touch()
    >>> remove_stale(["a"], folder, [folder / "a_0000.mp4"]), sorted(path.name for path in folder.iterdir())
    (1, ['a.mp4', 'a_0000.mp4'])
    """
    kept = set(made)
    stale = [path for path in exports_of(videos, folder) if path not in kept]
    for path in stale:
        with storage_errors(path, "remove"):
            path.unlink(missing_ok=True)
    return len(stale)
