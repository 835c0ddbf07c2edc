"""Find videos: files, folders, globs, folders of numbered images and URLs become items with names."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from fnmatch import fnmatchcase
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, overload

from lapsdata.errors import Problem, Problems, SchemaError, UnknownFormatError
from lapsdata.storage.atomic import existing, storage_errors
from lapsdata.video._bytes import is_url, name_of
from lapsdata.video._images import is_image_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["VIDEO_SUFFIXES", "FoundVideos", "VideoItem", "find_videos"]

VIDEO_SUFFIXES = frozenset(
    f".{word}"
    for word in "3gp asf avi flv gif m2ts m4v mkv mov mp4 mpeg mpg mts ogv ts vob webm wmv y4m".split()  # noqa: SIM905 - a list of words
)
"""What is taken for a video in a folder; a file that is named itself may have any suffix."""

_GLOB = frozenset("*?[")


class VideoItem(NamedTuple):
    """One video, before it is opened.

    Parameters
    ----------
    name : str
        The file's stem; below a folder that is searched recursively the relative path without suffix, with "__"
        between its parts.
    path : Path or str
        File, folder of images, or URL.

    Examples
    --------
    >>> VideoItem("day1__clip", Path("videos/day1/clip.mp4")).name
    'day1__clip'
    """

    name: str
    path: Path | str


class FoundVideos(Sequence[VideoItem]):
    """Items sorted by name, and how many were left out on request.

    Parameters
    ----------
    items : sequence of VideoItem
    unmatched : int
        Items that `match` left out.
    beyond_limit : int
        Items that `limit` left out.
    """

    def __init__(self, items: Iterable[VideoItem], unmatched: int = 0, beyond_limit: int = 0) -> None:
        self._items = tuple(items)
        self.unmatched = unmatched
        self.beyond_limit = beyond_limit

    @overload
    def __getitem__(self, at: int) -> VideoItem: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[VideoItem, ...]: ...
    def __getitem__(self, at: int | slice) -> VideoItem | tuple[VideoItem, ...]:
        return self._items[at]

    def __len__(self) -> int:
        return len(self._items)

    def __repr__(self) -> str:
        return f"FoundVideos({list(self._items)!r}, unmatched={self.unmatched}, beyond_limit={self.beyond_limit})"


def find_videos(
    sources: Iterable[Path | str] | Path | str,
    *,
    recursive: bool = False,
    match: str | None = None,
    limit: int | None = None,
) -> FoundVideos:
    """List the videos that sources hold; nothing is opened.

    Parameters
    ----------
    sources : Path, str, or several
        Files (of any suffix), folders, globs (`videos/S2_*.mp4`, `**` for any depth), folders of numbered images,
        and URLs that fsspec knows, as files or globs.
    recursive : bool
        Search folders below the given ones. Hidden files and folders are never taken from a folder.
    match : str, optional
        Keep the items whose name or file stem fits this pattern (`*`, `?`, `[...]`; case counts).
    limit : int, optional
        Keep the first so many, in order of name.

    Returns
    -------
    FoundVideos
        Sorted by name; the same place named twice is one item.

    Raises
    ------
    StorageError
        A source is not there or may not be read.
    UnknownFormatError
        A folder without videos, a glob that nothing fits (`no-videos`); with all such sources named.
    SchemaError
        Two places of one name (`doubled-name`); no sources; a limit below 1.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> for name in ("b.mp4", "a.mkv", "notes.txt"):
    ...     (folder / name).touch()
    >>> [item.name for item in find_videos(folder)]
    ['a', 'b']
    """
    given = [sources] if isinstance(sources, (str, Path)) else list(sources)
    if not given:
        raise SchemaError(Problem("no-sources", "sources", "expected at least one, got none"))
    if limit is not None and limit < 1:
        raise SchemaError(Problem("out-of-range", "limit", f"expected at least 1, got {limit}"))
    found: dict[str, VideoItem] = {}
    empty = Problems()
    for source in given:
        items = list(_expand(source, recursive))
        if not items:
            below = "" if recursive else "; recursive=True also searches the folders below it"
            empty.add("no-videos", str(source), "expected videos, found none", "check the path" + below)
        for item in items:
            found.setdefault(_place(item.path), item)
    empty.raise_as(UnknownFormatError)
    items = sorted(found.values(), key=lambda item: (item.name, str(item.path)))
    _refuse_doubled(items)
    kept = [item for item in items if match is None or _matches(item, match)]
    return FoundVideos(kept[:limit], len(items) - len(kept), len(kept) - len(kept[:limit]))


def _matches(item: VideoItem, pattern: str) -> bool:
    return fnmatchcase(item.name, pattern) or fnmatchcase(name_of(item.path), pattern)


def _place(path: Path | str) -> str:
    return path if isinstance(path, str) else str(path.resolve())


def _refuse_doubled(items: list[VideoItem]) -> None:
    doubled = Problems()
    for one, other in pairwise(items):
        if one.name == other.name:
            message = f"expected one video of this name, got {one.path} and {other.path}"
            doubled.add(
                "doubled-name", one.name, message, "rename one, or search their common folder with recursive=True"
            )
    doubled.raise_as(SchemaError)


def _expand(source: Path | str, recursive: bool) -> Iterator[VideoItem]:
    if is_url(source):
        yield from _expand_url(str(source))
        return
    path = Path(source)
    if _GLOB.intersection(str(source)) and not path.exists():
        for name in sorted(glob.glob(str(source), recursive=True)):  # noqa: PTH207 - Path.glob takes no absolute pattern
            found = Path(name)
            if found.is_file() or is_image_folder(found):
                yield VideoItem(name_of(found), found)
    elif existing(path).is_dir():
        with storage_errors(path, "open"):
            yield from _search(path, path, recursive)
    else:
        yield VideoItem(name_of(path), path)


def _search(folder: Path, top: Path, recursive: bool) -> Iterator[VideoItem]:
    inside = sorted(item for item in folder.iterdir() if not item.name.startswith("."))
    videos = [item for item in inside if item.suffix.lower() in VIDEO_SUFFIXES and not item.is_dir()]
    for video in videos:
        yield VideoItem(_name_below(video, top, recursive), video)
    if not videos and is_image_folder(folder):
        yield VideoItem(folder.resolve().name if folder == top else _name_below(folder, top, recursive), folder)
    if recursive:
        for item in inside:
            if item.is_dir():
                yield from _search(item, top, recursive)


def _name_below(path: Path, top: Path, recursive: bool) -> str:
    if not recursive:
        return name_of(path)
    below = path.relative_to(top)
    return "__".join((*below.parts[:-1], path.name if path.is_dir() else path.stem))


def _expand_url(url: str) -> Iterator[VideoItem]:
    if not _GLOB.intersection(url):
        yield VideoItem(name_of(url), url)
        return
    import fsspec

    system, pattern = fsspec.core.url_to_fs(url)
    for found in sorted(system.glob(pattern)):
        place = system.unstrip_protocol(found)
        yield VideoItem(name_of(place), place)
