"""Find videos: files, folders, globs, folders of numbered images and URLs become items with names."""

from __future__ import annotations

import glob
import hashlib
from collections.abc import Sequence
from fnmatch import fnmatchcase
from os import SEEK_END
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, overload

from lapsdata.errors import LapsError, Problem, Problems, SchemaError, StorageError, UnknownFormatError
from lapsdata.provenance import path_digest
from lapsdata.storage.atomic import existing, storage_errors
from lapsdata.video._bytes import is_url, name_of, open_bytes, settled, url_errors
from lapsdata.video._images import is_image_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from lapsdata.timebase import FrameRate
    from lapsdata.video._bytes import VideoPath

__all__ = [
    "VIDEO_SUFFIXES",
    "FoundVideos",
    "VideoItem",
    "doubled_names",
    "find_videos",
    "images_rate",
    "source_bytes",
    "source_digest",
]

VIDEO_SUFFIXES = frozenset(
    f".{word}"
    for word in "3gp asf avi flv gif m2ts m4v mkv mov mp4 mpeg mpg mts ogv ts vob webm wmv y4m".split()  # noqa: SIM905 - a list of words
)
"""What is taken for a video in a folder; a file that is named itself may have any suffix."""

_GLOB = frozenset("*?[")
_BLOCK = 1 << 20
# So many names stand in a message.
_SHOWN = 5


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
    lost : dict of str to tuple of Problem
        Sources that gave nothing, and why: of `find_videos(..., lost="list")`.
    """

    def __init__(
        self,
        items: Iterable[VideoItem],
        unmatched: int = 0,
        beyond_limit: int = 0,
        lost: Mapping[str, tuple[Problem, ...]] | None = None,
    ) -> None:
        self._items = tuple(items)
        self.unmatched = unmatched
        self.beyond_limit = beyond_limit
        self.lost = dict(lost or {})

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
    lost: Literal["raise", "list"] = "raise",
) -> FoundVideos:
    """List the videos that sources hold; nothing is opened.

    Parameters
    ----------
    sources : Path, str, or several
        Files (of any suffix), folders, globs (`videos/S2_*.mp4`, `**` for any depth), folders of numbered images,
        and URLs that fsspec knows, as files or globs of `*`.
    recursive : bool
        Search folders below the given ones. Hidden files and folders are never taken from a folder.
    match : str, optional
        Keep the items whose name or file stem fits this pattern (`*`, `?`, `[...]`; case counts).
    limit : int, optional
        Keep the first so many, in order of name.
    lost : {"raise", "list"}
        Sources that give nothing are an error, or listed in the result as long as others give something.

    Returns
    -------
    FoundVideos
        Sorted by name; the same place named twice is one item. Two places may have one name (`doubled_names`): they
        are kept or left out together, and count as one of `limit`, so that the choice never decides whose name it is.

    Raises
    ------
    StorageError
        A source is not there, may not be read, or is a pipe.
    UnknownFormatError
        A folder without videos, a glob or a `match` that nothing fits (`no-videos`).
    LapsError
        Several sources are at fault, in both ways; as always, every one is named.
    SchemaError
        No sources; a limit below 1.

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
    wrong: dict[str, LapsError] = {}
    for source in given:
        try:
            for item in _filled(source, recursive):
                found.setdefault(_place(item.path), item)
        except LapsError as error:
            wrong[str(source)] = error
    if wrong and (lost == "raise" or not found):
        kinds = {type(one) for one in wrong.values()}
        every = Problems()
        for one in wrong.values():
            every.extend(one.problems)
        every.raise_as(kinds.pop() if len(kinds) == 1 else LapsError)
    items = sorted(found.values(), key=lambda item: (item.name, str(item.path)))
    fitting = {item.name for item in items if match is None or _matches(item, match)}
    kept = [item for item in items if item.name in fitting]
    if match is not None and not kept:
        names = ", ".join(item.name for item in items[:_SHOWN]) + (" ..." if len(items) > _SHOWN else "")
        message = f"expected videos whose name fits, got none of {len(items)}: {names}"
        raise UnknownFormatError(Problem("no-videos", f"match {match!r}", message))
    first = set(sorted(fitting)[:limit])
    chosen = [item for item in kept if item.name in first]
    given_up = {source: one.problems for source, one in wrong.items()}
    return FoundVideos(chosen, len(items) - len(kept), len(kept) - len(chosen), given_up)


def doubled_names(videos: Iterable[VideoItem]) -> dict[str, tuple[Path | str, ...]]:
    """Return the names that several videos have, and the places of each.

    Examples
    --------
    >>> doubled_names([VideoItem("a", "1/a.mp4"), VideoItem("a", "2/a.mp4"), VideoItem("b", "2/b.mp4")])
    {'a': ('1/a.mp4', '2/a.mp4')}
    """
    places: dict[str, list[Path | str]] = {}
    for video in videos:
        places.setdefault(video.name, []).append(video.path)
    return {name: tuple(paths) for name, paths in places.items() if len(paths) > 1}


def images_rate(video: Path | str, rate: FrameRate | str | float | None) -> FrameRate | str | float | None:
    """Return the rate to open a source with: that of a folder of images, which carry no time; None for all others.

    Raises
    ------
    SchemaError
        A folder, and no rate.

    Examples
    --------
    >>> images_rate("clip.mp4", "10") is None
    True
    """
    if is_url(video) or not Path(video).is_dir():
        return None
    if rate is None:
        message = "expected the rate of a folder of images, which carry no time, got none"
        raise SchemaError(Problem("no-times", str(video), message, "give --fps, their numbers per second"))
    return rate


def source_digest(source: VideoPath) -> str:
    """Return the digest of a video's bytes, of a file and of a URL alike; of a folder as `path_digest` takes it.

    Raises
    ------
    StorageError
        It cannot be read.
    MissingExtraError
        The library for this kind of URL is not installed.

    Examples
    --------
    >>> import tempfile
    >>> clip = Path(tempfile.mkdtemp()) / "clip.mp4"
    >>> _ = clip.write_bytes(b"abc")
    >>> source_digest(clip) == source_digest(f"file://{clip}")
    True
    """
    place = settled(source)
    if isinstance(place, Path):
        return path_digest(place)
    total = hashlib.sha256()
    with url_errors(place), open_bytes(place) as file:
        while block := file.read(_BLOCK):
            total.update(block)
    return f"sha256:{total.hexdigest()}"


def source_bytes(source: VideoPath) -> int:
    """Return the number of bytes of a video, of a file and of a URL alike; of a folder, of all files in it.

    Raises
    ------
    StorageError
        It is not there, or cannot be read.
    MissingExtraError
        The library for this kind of URL is not installed.

    Examples
    --------
    >>> import tempfile
    >>> clip = Path(tempfile.mkdtemp()) / "clip.mp4"
    >>> _ = clip.write_bytes(b"abc")
    >>> source_bytes(clip), source_bytes(f"file://{clip}"), source_bytes(clip.parent)
    (3, 3, 3)
    """
    place = settled(source)
    if isinstance(place, Path) and place.is_dir():
        with storage_errors(place, "open"):
            return sum(item.stat().st_size for item in place.rglob("*") if item.is_file())
    with url_errors(place), open_bytes(place) as file:
        return file.seek(0, SEEK_END)


def _filled(source: Path | str, recursive: bool) -> list[VideoItem]:
    """Return what a source holds, which must be something."""
    settled(source)
    items = list(_expand(source, recursive))
    if not items:
        searched = not recursive and not is_url(source) and Path(source).is_dir()
        fix = "check the path" + (", or search the folders below it too (recursive)" if searched else "")
        raise UnknownFormatError(Problem("no-videos", str(source), "expected videos, found none", fix))
    return items


def _matches(item: VideoItem, pattern: str) -> bool:
    return fnmatchcase(item.name, pattern) or fnmatchcase(name_of(item.path), pattern)


def _place(path: Path | str) -> str:
    return path if isinstance(path, str) else str(path.resolve())


def _expand(source: Path | str, recursive: bool) -> Iterator[VideoItem]:
    if is_url(source):
        yield from _expand_url(str(source))
        return
    if source == "-":
        message = "expected a file, got the standard input: a video is read more than once"
        raise StorageError(Problem("wrong-kind", "-", message, "write it to a file first"))
    path = Path(source)
    if _GLOB.intersection(str(source)) and not path.exists():
        for name in sorted(glob.glob(str(source), recursive=True)):  # noqa: PTH207 - Path.glob takes no absolute pattern
            found = Path(name)
            if found.is_file():
                yield VideoItem(name_of(found), found)
            elif is_image_folder(found):
                yield VideoItem(found.resolve().name, found)
    # "." has no name of its own, and yet is a folder.
    elif path.is_dir() or existing(path).is_dir():
        with storage_errors(path, "open"):
            yield from _search(path, path, recursive, set())
    else:
        yield VideoItem(name_of(path), path)


def _search(folder: Path, top: Path, recursive: bool, seen: set[Path]) -> Iterator[VideoItem]:
    # Links may lead back to a folder above: what is in it has been found, and the search would not end.
    place = folder.resolve()
    if place in seen:
        return
    seen.add(place)
    inside = sorted(item for item in folder.iterdir() if not item.name.startswith("."))
    videos = [item for item in inside if item.suffix.lower() in VIDEO_SUFFIXES and not item.is_dir()]
    for video in videos:
        yield VideoItem(_name_below(video, top, recursive), video)
    if not videos and is_image_folder(folder):
        yield VideoItem(folder.resolve().name if folder == top else _name_below(folder, top, recursive), folder)
    if recursive:
        for item in inside:
            if item.is_dir():
                yield from _search(item, top, recursive, seen)


def _name_below(path: Path, top: Path, recursive: bool) -> str:
    if not recursive:
        return name_of(path)
    below = path.relative_to(top)
    return "__".join((*below.parts[:-1], path.name if path.is_dir() else path.stem))


def _expand_url(url: str) -> Iterator[VideoItem]:
    # "?" begins the query of a URL, and "[" its host: https://[::1]/clip.mp4?token=1 is one file.
    if "*" not in url.partition("?")[0]:
        yield VideoItem(name_of(url), url)
        return
    if "::" in url:
        message = "expected no pattern in a chain of URLs, got one"
        raise UnknownFormatError(Problem("pattern-in-chain", url, message, "name each file"))
    with url_errors(url):
        import fsspec

        system, pattern = fsspec.core.url_to_fs(url)
        places = [system.unstrip_protocol(found) for found in sorted(system.glob(pattern))]
    for place in places:
        yield VideoItem(name_of(place), place)
