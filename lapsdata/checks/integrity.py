"""Are these the bytes that were written? Files of ours, files of others with and without a seal list, and ledgers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lapsdata.checks._items import find_items
from lapsdata.checks._outside import check_foreign, check_json
from lapsdata.checks._rows import read_windows
from lapsdata.checks.boxes import boxes_adapter, check_boxes
from lapsdata.checks.episodes import check_episodes, episodes_adapter
from lapsdata.checks.outcome import CheckedItem, CheckedLedgers, IntegrityReport, refused
from lapsdata.checks.videos import check_video
from lapsdata.checks.views import ViewsLook, check_own_views, check_views, compare_items, views_adapter
from lapsdata.containers import Views
from lapsdata.errors import CorruptDataError, LapsError, UnknownFormatError
from lapsdata.formats import recognise
from lapsdata.formats.shards_webdataset import ShardsFolder
from lapsdata.loading.items import indexed_file
from lapsdata.loading.ledger_check import check_ledgers
from lapsdata.loading.shards import shards_file
from lapsdata.provenance import one_code_warning
from lapsdata.video.sources import VIDEO_SUFFIXES

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from lapsdata.checks._rows import Advance
    from lapsdata.errors import Problem
    from lapsdata.formats import Format

__all__ = ["check_integrity"]


def check_integrity(
    paths: Iterable[Path],
    *,
    seal: bool = False,
    force: bool = False,
    decode: bool = False,
    rate: str | None = None,
    views: ViewsLook | None = None,
    advance: Advance = lambda *_: None,
) -> IntegrityReport:
    """Read files from their first byte to their last, and compare them with their checksums.

    Parameters
    ----------
    paths : iterable of Path
        Files and folders of ours (seal, and every window's checksum), HDF5, Zarr and tars of others (their seal list,
        where they have one), videos (every frame is decoded), robot episodes (every row, and the packets of videos),
        boxes (every row), views of others (every file), ledgers (proven together), and folders of all these.
        Ledgers in folders inside of a named one are proven folder by folder.
    seal : bool
        Write a list of checksums beside each file of others that has none, `<name>.lapsdata-seal.json`.
    force : bool
        With `seal`: write it anew where there is one.
    decode : bool
        Decode the videos of robot episodes too, and compare their motion with that of the joints.
    rate : str, optional
        Rows per second of robot episodes that do not say it.
    views : ViewsLook, optional
        Of views: which splits are looked at, how many sets of each, and where depth of others lies.
    advance : callable
        Called with the number of windows read since the last call; with that of rows of episodes, and "rows".

    Returns
    -------
    IntegrityReport
        Nothing that is wrong with a file is raised: it is a problem of its item.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lapsdata.formats import write
    >>> from lapsdata.testing.samples import sample_tracks
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = write(folder / "clip.h5", sample_tracks(windows=3))
    >>> [item.found for item in check_integrity([folder]).items]
    ['tracks_hdf5: 3 windows verified']
    """
    found = find_items(paths)
    items: list[CheckedItem] = []
    with one_code_warning():
        for path, named in found.items.items():
            item = _item(path, advance, named=named, seal=seal, force=force, decode=decode, rate=rate, views=views)
            if item is None:
                found.passed_over[path.suffix] += 1
            else:
                items.append(item)
    ledgers = []
    for group in found.ledgers.values():
        try:
            ledgers.append(CheckedLedgers(tuple(group), check_ledgers(group)))
        except LapsError as error:
            found.problems += error.problems
    stray = (*found.problems, *compare_items(items, None if views is None else views.splits))
    return IntegrityReport(tuple(items), tuple(ledgers), dict(found.passed_over), stray)


def _item(
    path: Path,
    advance: Advance,
    *,
    named: bool,
    seal: bool,
    force: bool,
    decode: bool,
    rate: str | None,
    views: ViewsLook | None,
) -> CheckedItem | None:
    """Check one item; None for a file that nobody named and that is nothing we know."""
    try:
        plugin = recognise(path)
    except UnknownFormatError as unknown:
        if path.suffix.lower() in VIDEO_SUFFIXES and path.is_file():
            return check_video(path)
        sealed = check_json(path) if path.suffix == ".json" else None
        if sealed is not None:
            return sealed
        if (adapter := boxes_adapter(path)) is not None:
            return check_boxes(path, adapter)
        if path.suffix == ".json":
            return refused(path, "unknown", unknown) if named else None
        if (adapter := episodes_adapter(path)) is not None:
            return check_episodes(path, adapter, advance, decode=decode, rate=rate)
        if (adapter := views_adapter(path)) is not None:
            return check_views(path, adapter, views)
        return check_foreign(path, unknown, advance, seal=seal, force=force, named=named)
    except LapsError as error:
        return refused(path, "unknown", error)
    try:
        return _ours(path, plugin, advance, views)
    except LapsError as error:
        return refused(path, plugin.name, error)


def _ours(path: Path, plugin: Format[Any], advance: Advance, look: ViewsLook | None) -> CheckedItem:
    if plugin.record == "shards":
        return _shards(path, plugin.name, advance)
    if plugin.index is None:
        read = plugin.read(path, verify="always")
        if isinstance(read, Views):
            return check_own_views(path, plugin.name, read, look)
        return CheckedItem(path, plugin.name, None, 0, "verified")
    found = read_windows(indexed_file(path, plugin.index(path), None), advance)
    return CheckedItem(path, plugin.name, found.windows, found.good, found.text, tuple(found.problems))


def _shards(path: Path, kind: str, advance: Advance) -> CheckedItem:
    """Compare every archive with its digest; where one differs, every window with its checksum."""
    folder = ShardsFolder(path)
    problems: list[Problem] = []
    for shard, told in enumerate(folder.manifest.shards):
        try:
            folder.check(shard)
        except CorruptDataError as error:
            problems += error.problems
        advance(told.rows)
    if not problems:
        return CheckedItem(path, kind, len(folder), len(folder), f"{len(folder)} windows verified")
    found = read_windows(shards_file(path, None), advance)
    # What lies between windows (names, the JSON of a sample) the digests alone tell of.
    return CheckedItem(path, kind, found.windows, found.good, found.text, tuple(found.problems or problems))
