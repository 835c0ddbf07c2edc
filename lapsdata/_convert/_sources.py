"""From what a user names to what is converted: files, a folder of files, the videos in shards."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from lapsdata._convert._foreign import foreign_windows, hdf5_attributes, zarr_arrays
from lapsdata._convert._windows import Windows
from lapsdata.adapters import find_adapter, part_of_other
from lapsdata.errors import LapsError, Problem, SchemaError, UnknownFormatError, listed
from lapsdata.formats import recognise
from lapsdata.formats.shards_webdataset import ShardsFolder
from lapsdata.loading.finding import is_item
from lapsdata.storage.atomic import existing, storage_errors
from lapsdata.storage.seal_list import SEAL_LIST

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lapsdata._convert._options import ConvertOptions
    from lapsdata.formats import Format
    from lapsdata.storage.pieces import Source

__all__ = ["MERGED", "ConvertSource", "Sources", "find_merged", "find_sources", "open_windows"]

_FILES = (".h5", ".hdf5", ".tar")
"""Endings of the files of windows; all else is a folder."""

MERGED = frozenset({"episodes", "boxes"})
"""Records of which several sources become one."""

_SHARDS = ("shards.json", "index.parquet", "frames.parquet")


@dataclass(frozen=True, slots=True)
class ConvertSource:
    """One file, or one video in shards.

    Parameters
    ----------
    path : Path
        The file, or the folder of shards.
    name : str
        What the output is called, without ending.
    kind : {"tracks", "shards", "foreign", "whole", "adapted"}
        "whole": read and written at once, since its format has no windows; "adapted": so too, through an adapter.
    video : int or None
        Number of the video in shards.
    """

    path: Path
    name: str
    kind: Literal["tracks", "shards", "foreign", "whole", "adapted"]
    video: int | None = None


@dataclass(frozen=True, slots=True)
class Sources:
    """What was found.

    Parameters
    ----------
    items : tuple of ConvertSource
    record : str
        What they hold: `tracks`, or another record of a single file.
    several : bool
        Whether a folder was named, whatever number of files it holds.
    refused : dict of tuple of Problem
        Files that may be meant and cannot be read, with the reasons.
    beside : tuple of str
        Names in the folder that are no tracks.
    """

    items: tuple[ConvertSource, ...]
    record: str = "tracks"
    several: bool = False
    refused: tuple[tuple[Path, tuple[Problem, ...]], ...] = ()
    beside: tuple[str, ...] = ()


def find_sources(path: Path, wanted: frozenset[str] | None = None) -> Sources:
    """Look into what is named; of a folder of files, into each of them.

    Parameters
    ----------
    path : Path
    wanted : frozenset of str, optional
        Records that may be meant, where files of others hold several.

    Raises
    ------
    StorageError
        Nothing is there, or it may not be read.
    UnknownFormatError, CorruptDataError, AmbiguousFormatError
        A single file that cannot be read; those of a folder are told beside the others.
    SchemaError
        A folder without tracks.
    """
    # A data set of episodes may hold archives and arrays, which alone would be taken for tracks of others.
    episodes = _episodes(existing(path), wanted)
    if episodes is not None:
        return episodes
    if path.is_dir() and not _is_item(path):
        try:
            return _of_folder(path)
        except SchemaError as error:
            return _adapted(path, error, wanted)
    try:
        plugin = _recognised(path)
    except UnknownFormatError as error:
        return _adapted(path, error, wanted)
    if _are_shards(plugin):
        return Sources(_videos(path), several=True)
    source = _source(path, plugin)
    return Sources((source,), "tracks" if plugin is None else plugin.record)


def find_merged(paths: Sequence[Path]) -> Sources:
    """Look into several data sets of episodes, or tables of boxes, that are to become one.

    Raises
    ------
    StorageError, UnknownFormatError, CorruptDataError
        One of them is not there, or cannot be read.
    SchemaError
        They are of another record, or of several.
    """
    each = [find_sources(path, MERGED) for path in paths]
    for path, one in zip(paths, each, strict=True):
        if one.record not in MERGED:
            message = f"expected robot episodes or boxes, which alone become one, got {one.record}"
            raise SchemaError(Problem("several-sources", str(path), message, "convert one after the other"))
        if one.record != each[0].record:
            message = f"expected {each[0].record} as the first source, got {one.record}"
            raise SchemaError(Problem("several-sources", str(path), message, "convert it by itself"))
    return Sources(tuple(item for one in each for item in one.items), each[0].record)


def _episodes(path: Path, wanted: frozenset[str] | None) -> Sources | None:
    """Return robot episodes that an adapter reads: in HDF5, which is taken for windows of another maker else.

    Raises
    ------
    SchemaError
        Episodes are wanted of a folder that holds several files or sets of them.
    """
    if wanted is not None and "episodes" not in wanted:
        return None
    if find_adapter(path, {"episodes"}) is not None:
        return _through_adapter(path, "episodes")
    if wanted is None or not path.is_dir():
        return None
    with storage_errors(path, "list"):
        inside = sorted(item for item in path.iterdir() if not item.name.startswith("."))
    several = [item.name for item in inside if find_adapter(item, {"episodes"}) is not None]
    if several:
        message = f"expected one data set of robot episodes, got a folder of {len(several)}: {listed(several)}"
        raise SchemaError(Problem("several-sources", str(path), message, "convert each, then merge what came out"))
    return None


def _adapted(path: Path, unknown: LapsError, wanted: frozenset[str] | None) -> Sources:
    """Return what an adapter reads, where no format of ours knows it; else raise what was found wrong with it."""
    # Where none of what is wanted is in it, what there is says more.
    found = find_adapter(path, wanted) or find_adapter(path)
    if found is None:
        if (part := part_of_other(path)) is not None:
            raise UnknownFormatError(part) from unknown
        raise unknown
    return _through_adapter(path, found[1])


def _through_adapter(path: Path, record: str) -> Sources:
    return Sources((ConvertSource(path, path.stem, "adapted"),), record)


def _is_item(path: Path) -> bool:
    with storage_errors(path, "open"):
        return path.is_file() or is_item(path)


def _recognised(path: Path) -> Format[Any] | None:
    """Return the format of a file, None where it is HDF5, Zarr, npy or a tar of another maker."""
    try:
        return recognise(path)
    except UnknownFormatError:
        if path.is_dir() or path.suffix.lower() in _FILES:
            return None
        raise


def _are_shards(plugin: Format[Any] | None) -> bool:
    return plugin is not None and plugin.record == "shards"


def _source(path: Path, plugin: Format[Any] | None) -> ConvertSource:
    if plugin is None:
        return ConvertSource(path, path.stem, "foreign")
    return ConvertSource(path, path.stem, "tracks" if plugin.index is not None else "whole")


def _videos(path: Path) -> tuple[ConvertSource, ...]:
    """Return the videos of shards; those that share a name with another are called by their number."""
    names = [header.video.name for header in ShardsFolder(path).headers]
    small = [name.lower() for name in names]
    called = [name if small.count(name.lower()) == 1 else f"video-{n:06d}" for n, name in enumerate(names)]
    return tuple(ConvertSource(path, name, "shards", number) for number, name in enumerate(called))


def _videos_beside(path: Path) -> tuple[ConvertSource, ...]:
    """Return the videos of shards that lie beside other files: the name of the shards keeps theirs apart from these."""
    return tuple(replace(source, name=f"{path.stem}-{source.name}") for source in _videos(path))


def _of_folder(folder: Path) -> Sources:
    with storage_errors(folder, "open"):
        inside = sorted(item for item in folder.iterdir() if not item.name.startswith("."))
    inside = [item for item in inside if not _lists_another(item)]
    items, refused, beside = list[ConvertSource](), list[tuple[Path, tuple[Problem, ...]]](), list[str]()
    for path in inside:
        if path.is_file() and path.suffix.lower() not in _FILES:
            beside.append(path.name)
            continue
        if path.is_dir() and not _is_item(path):
            beside.append(path.name)
            continue
        try:
            plugin = _recognised(path)
            found = _videos_beside(path) if _are_shards(plugin) else (_source(path, plugin),)
        except LapsError as error:
            refused.append((path, error.problems))
            continue
        if plugin is not None and plugin.record not in ("tracks", "shards"):
            beside.append(path.name)
        else:
            items += found
    if not items and not refused:
        message = f"expected tracks files, got {', '.join(beside[:6]) or 'an empty folder'}"
        raise SchemaError(Problem("no-files", str(folder), message, "name a file, or a folder of tracks or shards"))
    return Sources(tuple(items), several=True, refused=tuple(refused), beside=tuple(beside))


def _lists_another(path: Path) -> bool:
    """Say whether something is the seal list of what lies beside it: that is read with it, and not left out."""
    return path.name.endswith(SEAL_LIST) and path.with_name(path.name.removesuffix(SEAL_LIST)).exists()


def open_windows(source: ConvertSource, options: ConvertOptions) -> Windows:
    """Open a source whose windows are read one after the other; none of them is read here.

    Raises
    ------
    SchemaError
        A rate or size beside a file that says its own, or a foreign file without; or else not what it should be.
    CorruptDataError, StorageError, UnknownFormatError, FormatTooNewError
        It cannot be opened.
    """
    if source.kind == "foreign":
        return foreign_windows(source.path, options)
    if options.rate is not None or options.size is not None:
        message = "expected no rate and no size beside a file that carries its own, got some"
        raise SchemaError(Problem("rate-given", str(source.path), message, "leave --rate and --size out"))
    return _shards_video(source.path, source.video) if source.video is not None else _own(source.path)


def _own(path: Path) -> Windows:
    plugin = recognise(path)
    if plugin.index is None:
        message = f"expected tracks whose windows can be read one by one, got {plugin.name}"
        raise UnknownFormatError(Problem("not-by-windows", str(path), message))
    found = plugin.index(path)
    times = (found.start_index, found.frame_s, found.source_index)
    return Windows(str(path), found.header, *times, found.sources, _strangers(path, plugin.name))


def _shards_video(path: Path, video: int) -> Windows:
    folder = ShardsFolder(path)
    stop = sum(folder.manifest.windows[: video + 1])
    first = stop - folder.manifest.windows[video]
    sources: dict[str, dict[str, Source]] = {}
    for name, field in folder.fields.items():
        sources.setdefault(field.view, {})[field.array] = folder.index(name).part(first, stop)
    known = {*_SHARDS, *(shard.name for shard in folder.manifest.shards)}
    rest = tuple(sorted(item.name for item in path.iterdir() if item.name not in known))
    where = f"{path}: {folder.headers[video].video.name}"
    part = (first, sum(folder.manifest.windows))
    return Windows(where, folder.headers[video], *folder.times(video), sources, rest, part=part)


def _strangers(path: Path, format: str) -> tuple[str, ...]:
    """Name what others have added to a file of ours: its seal does not speak of it, and tracks have no place for it."""
    if format == "tracks_hdf5":
        return _hdf5_strangers(path)
    return _zarr_strangers(path) if format == "tracks_zarr" else ()


def _hdf5_strangers(path: Path) -> tuple[str, ...]:
    from lapsdata.storage.hdf5_file import Hdf5File
    from lapsdata.storage.seal import CHECKSUMS
    from lapsdata.storage.sealed_hdf5 import HEADER_PATH, SEAL_PATH, STORAGE_PATH, SealedHdf5

    with SealedHdf5(path) as sealed:
        ours = {HEADER_PATH, SEAL_PATH, STORAGE_PATH, *sealed.names, *(name + CHECKSUMS for name in sealed.names)}
        groups = {name.rpartition("/")[0] for name in sealed.names}
    with Hdf5File(path) as file:
        rest = [name.strip("/") for name in file.datasets() if name.strip("/") not in ours]
    for place, pairs in sorted(hdf5_attributes(path).items()):
        own = {"height", "width"} if place in groups else set[str]()
        rest += [f"{place}@{key}" for key in sorted(pairs) if key not in own]
    return tuple(rest)


def _zarr_strangers(path: Path) -> tuple[str, ...]:
    from lapsdata.storage.seal import CHECKSUMS
    from lapsdata.storage.sealed_zarr import ATTRIBUTE, SealedZarr

    store = SealedZarr(path)
    ours = {*store.names, *(name + CHECKSUMS for name in store.names)}
    arrays, attributes = zarr_arrays(path)
    told = [f"{place}@{key}" for place, pairs in sorted(attributes.items()) for key in sorted(pairs)]
    return (*(name for name in arrays if name not in ours), *(name for name in told if name != f"@{ATTRIBUTE}"))
