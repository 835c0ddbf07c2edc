"""Saving what can be saved of a damaged file, and saying what is lost; the damaged file is never changed.

What is saved is the longest run of windows, or rows, from the first on that are verified, so that neighbours stay
neighbours; on request, everything that is verified, with its own times.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from lapsdata import console
from lapsdata._repair._catalogs import WRITE_AGAIN, repair_catalog
from lapsdata._repair._cut import filled_up
from lapsdata._repair._episodes import repair_episodes
from lapsdata._repair._lines import repair_energies
from lapsdata._repair._others import of_others
from lapsdata._repair._places import clean as clean_folder
from lapsdata._repair._places import format_of, is_item, put_back
from lapsdata._repair._report import Repaired, RepairReport
from lapsdata._repair._seals import REMAKE
from lapsdata._repair._shards import repair_shards
from lapsdata._repair._tables import repair_table
from lapsdata._repair._windows import repair_tokens, repair_tracks
from lapsdata.errors import (
    CorruptDataError,
    LapsError,
    Problem,
    SchemaError,
    StorageError,
    UnknownFormatError,
)
from lapsdata.execution.report import leftovers
from lapsdata.loading._catalog_index import index_place
from lapsdata.plugins import registry
from lapsdata.storage.atomic import existing, storage_errors
from lapsdata.storage.seal import REPAIR
from lapsdata.storage.seal_list import SEAL_LIST

if TYPE_CHECKING:
    from collections.abc import Callable
    from os import PathLike

    from lapsdata._repair._choice import Keep

__all__ = ["RepairReport", "Repaired", "repair"]

_HOW: dict[str, Callable[[Path, str, Path | None, Keep], Repaired]] = {
    "tracks_hdf5": repair_tracks,
    "tracks_zarr": repair_tracks,
    "tokens_zarr": repair_tokens,
    "energies_jsonl": repair_energies,
    "segments_parquet": repair_table,
    "boxes_parquet": repair_table,
    "shards_webdataset": repair_shards,
    "catalog_parquet": repair_catalog,
    "lerobot": repair_episodes,
}


def repair(
    path: str | PathLike[str], out: str | PathLike[str] | None = None, *, keep: Keep = "prefix", clean: bool = False
) -> RepairReport:
    """Save the longest verified prefix of a damaged file, or of every file in a folder.

    A file that is whole is told as such, and nothing is written for it; one of another maker is refused, and counted
    by itself in a folder of files. Of shards, the prefix of each video is saved. Of a catalog, items are saved, and
    what is lost of them is asked of their files; its index is not: `lapsdata.write_catalog` writes that.

    Parameters
    ----------
    path : path
        A file of ours, whatever is damaged, a data set of LeRobot, or a folder of files; never changed.
    out : path, optional
        What is written: a new file, or a folder that is there, or is made for a folder of files. Without it, what
        could be saved is told.
    keep : {"prefix", "all"}
        `prefix`: what comes before the first damage. `all`: every verified window, each with its own time, with gaps
        where others are missing; not for energies.
    clean : bool
        Remove what killed writers have left in the folder (`.lapsdata-tmp-*`), and put back what they had moved
        aside. Only when nothing writes there.

    Raises
    ------
    StorageError
        Nothing is there, or `out` exists, or cannot be written to.
    UnknownFormatError
        None of ours: such a file carries no checksums.
    SchemaError
        The ending of `out` is that of another store.

    Examples
    --------
    >>> import tempfile
    >>> import lapsdata
    >>> from lapsdata.testing.samples import sample_tracks
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = lapsdata.write(folder / "clip.zarr", sample_tracks(windows=300))
    >>> shard = folder / "clip.zarr" / "root" / "default" / "tracks" / "c" / "1" / "0" / "0" / "0"
    >>> shard.unlink()
    >>> [saved] = repair(folder / "clip.zarr", folder / "saved.zarr").items
    >>> saved.kept, saved.lost, len(lapsdata.read(folder / "saved.zarr"))
    (256, 44, 256)
    """
    # `.` and `..` are no names, and headers hold the name of the damaged file.
    place = existing(Path(path).resolve() if str(path) in (".", "..") else Path(path))
    target = None if out is None else Path(out)
    if is_item(place):
        parent, goal = place.parent, _goal(place, target)
        items: tuple[Repaired, ...] = (_one(place, goal, keep),)
        beside: tuple[str, ...] = ()
    else:
        parent = place
        _expect_folder(target)
        items, beside = _all(place, target, keep)
    restored = put_back(parent) if clean else ()
    removed = clean_folder(parent) if clean else ()
    return RepairReport(items, leftovers([parent]), removed, restored, beside)


def _goal(place: Path, target: Path | None) -> Path | None:
    """Return what is written for one file.

    Raises
    ------
    StorageError
        Something is there already.
    """
    if target is None:
        return None
    goal = target / place.name if target.is_dir() and not is_item(target) else target
    if goal.exists() or goal.is_symlink():
        message = "expected a free name, got an existing one: nothing is ever replaced by a repair"
        raise StorageError(Problem("exists", str(goal), message, "name another one"))
    return goal


def _expect_folder(target: Path | None) -> None:
    if target is not None:
        with storage_errors(target, "make the folder"):
            target.mkdir(parents=True, exist_ok=True)


def _all(folder: Path, target: Path | None, keep: Keep) -> tuple[tuple[Repaired, ...], tuple[str, ...]]:
    """Repair every file of ours in a folder; return what became of files, also of others, and all other names."""
    with storage_errors(folder, "open"):
        inside = sorted(item for item in folder.iterdir() if not item.name.startswith("."))
    indexes = {index_place(place) for place in inside if place.suffix == ".parquet"}
    items, beside = list[Repaired](), list[str]()
    with console.progress("repair", len(inside), unit="files") as advance:
        for place in inside:
            found = _inside(place, target, keep) if is_item(place) else None
            if found is not None:
                items.append(found)
            elif not place.name.endswith(SEAL_LIST) and place not in indexes:
                beside.append(place.name)
            advance(1)
    return tuple(items), tuple(beside)


def _inside(place: Path, target: Path | None, keep: Keep) -> Repaired | None:
    """Repair one file of a folder; None for what is no file of windows, rows or segments at all."""
    try:
        return _one(place, _goal(place, target), keep)
    except UnknownFormatError as error:
        data = place.is_dir() or place.suffix.lower() in (".h5", ".hdf5", ".tar")
        return of_others(place, error) if data else None
    except StorageError as error:
        return _beyond(place, "", error)


def _one(place: Path, goal: Path | None, keep: Keep) -> Repaired:
    with filled_up(place, None if goal is None else goal.absolute().parent) as readable:
        if readable != place:
            return _of_cut(place, readable, goal, keep)
        try:
            format = format_of(place)
        except (CorruptDataError, SchemaError) as error:
            return _beyond(place, "", error)
        _expect_ending(place, goal, format)
        try:
            return _how(place, format)(place, format, goal, keep)
        except (CorruptDataError, SchemaError) as error:
            return _beyond(place, format, error)


def _of_cut(place: Path, readable: Path, goal: Path | None, keep: Keep) -> Repaired:
    """Repair HDF5 that was cut short, of which a copy can be opened; everything is told of the file itself."""
    try:
        format = format_of(readable)
    except (CorruptDataError, SchemaError, UnknownFormatError):
        message = "expected a whole file, got one that was cut short, and what is left does not say what it was"
        problem = Problem("truncated-file", str(place), message, "take it from a copy, or make it anew")
        return _beyond(place, "", CorruptDataError(problem))
    _expect_ending(place, goal, format)
    try:
        found = repair_tracks(place, format, goal, keep, readable=readable)
    except (CorruptDataError, SchemaError) as error:
        found = _beyond(place, format, error)
    notes = tuple(
        replace(note, where=_named(note.where, readable, place), message=_named(note.message, readable, place))
        for note in found.notes
    )
    return replace(found, first_bad=_named(found.first_bad, readable, place), notes=notes)


def _named(text: str, readable: Path, place: Path) -> str:
    return text.replace(str(readable), str(place))


def _expect_ending(place: Path, goal: Path | None, format: str) -> None:
    """Refuse an output that says by its ending that it is stored in another way than its source.

    Raises
    ------
    SchemaError
        With what to do.
    """
    if goal is None or goal.suffix == place.suffix:
        return
    endings = {plugin.name: plugin.suffixes for plugin in registry("formats").load_all().values()}
    own = endings.get(format, ())
    if goal.suffix not in own and any(goal.suffix in others for others in endings.values()):
        message = f"expected {' or '.join(own)}, since what is saved is stored as it was ({format}), got {goal.suffix}"
        fix = "name it so, then change the store: lapsdata convert"
        raise SchemaError(Problem("wrong-ending", str(goal), message, fix))


def _how(place: Path, format: str) -> Callable[[Path, str, Path | None, Keep], Repaired]:
    if format not in _HOW:
        message = f"expected one of {', '.join(_HOW)}, got {format}, which is not repaired here"
        raise UnknownFormatError(Problem("no-repair", str(place), message, "make it anew from its parents"))
    return _HOW[format]


def _beyond(place: Path, format: str, error: LapsError) -> Repaired:
    """Say what is wrong, and what else can be done: a reader's advice to repair it does not help any more."""
    catalog = format == "catalog_parquet" or place.name.endswith(".catalog.parquet") or index_place(place).is_dir()
    anew = WRITE_AGAIN if catalog else REMAKE
    notes = tuple(replace(note, fix=anew) if note.fix in (REPAIR, REMAKE) else note for note in error.problems)
    return Repaired(place, format or "unknown", "beyond-repair", "windows", notes=notes)
