"""From what a user names to files of windows: files, folders of files, URLs, and lists of these."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from lapsdata.errors import LapsError, Problem, SchemaError, UnknownFormatError, listed
from lapsdata.formats import recognise
from lapsdata.loading._item_table import many_files
from lapsdata.loading._named_paths import named_paths
from lapsdata.loading.foreign import MARKERS, foreign_file, store_of
from lapsdata.loading.items import tracks_file
from lapsdata.loading.shards import remote_shards_file, shards_file
from lapsdata.provenance import one_code_warning
from lapsdata.storage.atomic import existing
from lapsdata.storage.remote import RemoteReader, is_url
from lapsdata.storage.seal_list import SEAL_LIST

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike

    from lapsdata.loading.items import WindowFile
    from lapsdata.timebase import FrameRate

__all__ = ["find_files", "find_places", "is_item", "notes_on", "open_one"]

_MOST = 6
"""Arrays that a note names."""


def find_files(
    path: str | PathLike[str] | Sequence[str | PathLike[str]],
    *,
    views: Sequence[str] | None,
    rate: FrameRate | float | None,
    reader: RemoteReader | None = None,
) -> list[WindowFile]:
    """Open everything that a user names, in order; what lies behind URLs is read by one `reader`.

    Raises
    ------
    SchemaError
        Nothing was named.
    LapsError
        All problems of all files at once, of the kind that the first one has.
    """
    places = find_places(path)
    reader = reader or RemoteReader()
    files, refused = [], []
    with one_code_warning():
        for place in places:
            try:
                files.append(open_one(place, views, rate, reader))
            except LapsError as error:
                refused.append(error)
    if refused:
        reader.close()
        # Each archive of a folder without its list says the same of that folder.
        raise type(refused[0])(*dict.fromkeys(problem for error in refused for problem in error.problems))
    return files


def find_places(path: str | PathLike[str] | Sequence[str | PathLike[str]]) -> list[Path | str]:
    """Return the files, folders and URLs of windows that a user names, in order; none is looked into.

    Raises
    ------
    SchemaError
        Nothing was named, or something that is no path.
    StorageError
        Something is not there.
    """
    named = named_paths(path)
    places: list[Path | str] = []
    for one in named:
        # Absolute: files are opened when their windows are wanted, and the process may be in another folder then.
        places += [str(one)] if is_url(one) else _expanded(existing(Path(one)).absolute())
    if not places:
        raise SchemaError(Problem("no-files", "path", f"expected tracks files, got none in {named!r}"))
    return places


def _passed_over(path: str | PathLike[str] | Sequence[str | PathLike[str]]) -> list[Path]:
    """Return what lies in the folders that a user names and is none of the files of windows; hidden files aside."""
    folders = [Path(one) for one in named_paths(path) if not is_url(one)]
    return [
        item
        for folder in folders
        if folder.is_dir() and not _is_item(folder)
        for item in sorted(folder.iterdir())
        if not (item.name.startswith(".") or _is_item(item) or item.name.endswith(SEAL_LIST))
    ]


def notes_on(
    path: str | PathLike[str] | Sequence[str | PathLike[str]], files: Sequence[WindowFile], open_files: int
) -> list[str]:
    """Say of open files what whoever loads them should know.

    Parameters
    ----------
    path : path or URL, or sequence of them
        What the user named.
    files : sequence of WindowFile
        What was found there.
    open_files : int
        How many of them may be open at once.
    """
    notes = [many_files(len(files), open_files)] if len(files) > open_files else []
    alike: dict[tuple[str, ...], list[str]] = {}
    for file in files:
        if file.left_out:
            alike.setdefault(file.left_out, []).append(str(file.path))
    # Files that leave out the same are told together.
    notes += [f"not read of {listed(paths)}: {listed(left_out, _MOST)}" for left_out, paths in alike.items()]
    if others := _passed_over(path):
        notes.append(f"not files of windows, and passed over: {listed(str(other) for other in others)}")
    if twice := [str(place) for place, count in Counter(file.path for file in files).items() if count > 1]:
        notes.append(f"named more than once, and their windows with them: {listed(twice)}")
    return notes


def open_one(
    path: Path | str,
    views: Sequence[str] | None = None,
    rate: FrameRate | float | None = None,
    reader: RemoteReader | None = None,
) -> WindowFile:
    """Open one file or folder of windows, of ours or of other makers.

    Raises
    ------
    LapsError
        See `lapsdata.read`.
    """
    if isinstance(path, str):
        _refuse_rate(path, rate, "shards, which carry their own times")
        return remote_shards_file(path, views, reader or RemoteReader())
    try:
        plugin = recognise(path)
    except UnknownFormatError:
        if store_of(path) == "tar":
            _refuse_rate(path, rate, "a tar of other makers, whose samples follow each other in no order of time")
        return foreign_file(path, views, rate)
    _refuse_rate(path, rate, f"a file that carries its own times ({plugin.name})")
    return shards_file(path, views) if plugin.record == "shards" else tracks_file(path, plugin, views)


def _refuse_rate(path: Path | str, rate: FrameRate | float | None, what: str) -> None:
    if rate is not None:
        message = f"expected no rate beside {what}, got {rate}"
        raise SchemaError(Problem("rate-given", str(path), message, "leave `rate` out"))


def _expanded(place: Path) -> list[Path]:
    """Return the files of a folder, in the order of their names; whatever is an item itself stays."""
    if not place.is_dir() or _is_item(place):
        return [place]
    inside = sorted(item for item in place.iterdir() if not item.name.startswith("."))
    return [item for item in inside if _is_item(item)]


def _is_item(place: Path) -> bool:
    if place.is_file():
        return place.suffix.lower() in (".h5", ".hdf5", ".tar")
    return is_item(place)


def is_item(folder: Path) -> bool:
    """Say whether a folder is one item, Zarr, shards or npy files, and no folder of items."""
    return any((folder / name).is_file() for name in MARKERS)
