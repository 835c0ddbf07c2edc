"""Catalogs: many files as one data set, opened at no cost per file, with splits and an index of where windows lie."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.containers.catalog import Catalog
from lapsdata.errors import LapsError, Problem, Problems, SchemaError, listed, warn
from lapsdata.formats._format import WriteReport, size_on_disk
from lapsdata.formats.catalog_parquet import COLUMNS, PLUGIN, recognises, write
from lapsdata.loading._catalog_index import EntryWriter, generation_of, index_place, index_writer
from lapsdata.loading._catalog_items import (
    CatalogItems,
    CatalogPieces,
    Stale,
    all_summed,
    catalog_spec,
    item_digest,
)
from lapsdata.loading._named_paths import named_paths
from lapsdata.loading.finding import find_places, open_one
from lapsdata.loading.items import rows_of
from lapsdata.loading.source import require_alike
from lapsdata.provenance import one_code_warning, provenance
from lapsdata.schema.catalog import CatalogField, CatalogHeader
from lapsdata.storage.atomic import refuse_existing, remove, storage_errors
from lapsdata.storage.entries import make_entry
from lapsdata.storage.entry_reader import EntryReader
from lapsdata.storage.gather import RowReader
from lapsdata.storage.sealed_groups import GroupedTable

if TYPE_CHECKING:
    from lapsdata.loading._item_table import ItemTable
    from lapsdata.loading.items import WindowFile
    from lapsdata.loading.source import BatchSpec
    from lapsdata.storage.open_files import Io
    from lapsdata.storage.pieces import Source
    from lapsdata.storage.seal import Verify
    from lapsdata.timebase import FrameRate

__all__ = ["Choice", "Stale", "item_rows", "spelled_path", "write_catalog"]

Choice = Mapping[str, str] | Callable[[str], str | None]
"""A name for each video: by its name in a mapping, or what a function of its name returns."""


def write_catalog(
    target: str | PathLike[str],
    paths: str | PathLike[str] | Sequence[str | PathLike[str]],
    *,
    split: Choice | None = None,
    group: Choice | None = None,
    index: bool = True,
    overwrite: bool = False,
) -> WriteReport:
    """Write a catalog of files, so that `open_windows` opens them all at once, however many they are.

    Each file is opened once, and none of its windows is read. Files within the catalog's folder are named relative to
    it: the whole can be moved; the index then has to be written again.

    Parameters
    ----------
    target : path
        `<name>.catalog.parquet`; its folder must exist.
    paths : path, or sequence of paths
        As `open_windows` takes them: tracks files, folders of them, shards.
    split : mapping or callable, optional
        The split of each video, by its name; None, or a name that a mapping lacks, for none. A group may stand for its
        videos.
    group : mapping or callable, optional
        What each video is a part of (a subject, a match), by its name; no group is ever in two splits.
    index : bool
        Whether to write where each window lies, beside the catalog in `<name>.catalog.index`: files are then opened
        without their formats' libraries, in compiled code.
    overwrite : bool
        Whether an existing catalog may be replaced.

    Returns
    -------
    WriteReport
        Notes say of what kind are files that an index cannot help, and how many items are in no split.

    Raises
    ------
    SchemaError
        Files whose windows are unlike each other, an item that is there twice, a video or group in two splits, or a
        mapping with names that no video has.
    StorageError, UnknownFormatError, CorruptDataError, FormatTooNewError
        See `open_windows`: all problems of all files at once.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import lapsdata
    >>> from lapsdata.schema import SourceVideo
    >>> from lapsdata.testing.samples import sample_tracks
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> for name in ("a", "b"):
    ...     _ = lapsdata.write(folder / f"{name}.h5", sample_tracks(windows=3, video=SourceVideo(name=name)))
    >>> report = write_catalog(folder / "data.catalog.parquet", folder, split={"a": "train", "b": "test"})
    >>> windows = lapsdata.open_windows(folder / "data.catalog.parquet")
    >>> len(windows), len(windows.subset(split="train")), windows.locate(5).video
    (6, 3, 'b')
    """
    place = Path(target)
    if place.suffix != ".parquet":
        message = f"expected an ending of .parquet, got '{place.suffix}'"
        raise SchemaError(Problem("wrong-name", str(place), message, "name it data.catalog.parquet"))
    with storage_errors(place, "write"):
        refuse_existing(place, overwrite)
    places, folder = _local(find_places(paths)), place.parent.absolute()
    rows = _Rows(folder, split, group)
    if not index:
        report = write(place, rows.add_all(places, None), overwrite=overwrite)
        remove(index_place(place))
        return replace(report, notes=rows.notes())
    with index_writer(place, generation_of(spelled_path(path, folder) for path in places)) as out:
        catalog = rows.add_all(places, out)
        report = write(place, catalog, overwrite=overwrite)
        out.finish(catalog.header, GroupedTable(place).seal)
    total = report.nbytes + size_on_disk(index_place(place))
    return WriteReport(place, PLUGIN.name, total, notes=rows.notes())


def _local(places: Sequence[Path | str]) -> list[Path]:
    """Refuse URLs: what lies behind them is not told from another file of the name by size, time and inode."""
    urls = [place for place in places if isinstance(place, str)]
    if urls:
        message = f"expected files and folders, got {listed(urls)}"
        raise SchemaError(Problem("remote-item", "paths", message, "open shards by their URLs: open_windows(URL)"))
    return [Path(place) for place in places]


class _Rows:
    """The rows of a catalog while files are being opened."""

    def __init__(self, folder: Path, split: Choice | None, group: Choice | None) -> None:
        self._folder, self._split, self._group = folder, split, group
        self._columns: dict[str, list[Any]] = {name: [] for name in COLUMNS}
        self._first: WindowFile | None = None
        self._elsewhere = 0

    def add_all(self, places: Sequence[Path], out: EntryWriter | None) -> Catalog:
        """Open files, and return the catalog of them; tell all problems of all of them."""
        refused: list[LapsError] = []
        with one_code_warning():
            for path in places:
                try:
                    self._add(path, open_one(path), out)
                except LapsError as error:
                    refused.append(error)
        if refused:
            raise type(refused[0])(*(problem for error in refused for problem in error.problems))
        self.refuse_strangers()
        return self._catalog()

    def notes(self) -> tuple[Problem, ...]:
        """Return what whoever reads the files should know."""
        told, items = [], len(self._columns["path"])
        if self._elsewhere:
            count = f"{self._elsewhere} of {items} items"
            message = f"{count} are opened by their formats' libraries, index or not: their windows share chunks"
            told.append(Problem("not-indexed", "index", message, "convert them: lapsdata convert SRC DST", "info"))
        left = self._columns["split"].count(None)
        if left and self._split is not None:
            names = listed(dict.fromkeys(split for split in self._columns["split"] if split is not None))
            message = f"{left} of {items} items are in none of the splits {names}"
            told.append(Problem("in-no-split", "split", message, None, "info"))
        return tuple(told)

    def refuse_strangers(self) -> None:
        """Refuse names that no video has: whoever misspells one takes it out of its split.

        Raises
        ------
        SchemaError
            Names all of them.
        """
        found = Problems()
        videos, groups = set(self._columns["video"]), set(self._columns["group"])
        choices = (
            ("split", self._split, videos | groups, "videos or groups"),
            ("group", self._group, videos, "videos"),
        )
        for name, choice, known, what in choices:
            strangers = [str(key) for key in choice if key not in known] if isinstance(choice, Mapping) else []
            if strangers:
                found.add("unknown-video", name, f"expected names of {what}, got {listed(strangers)}")
        found.raise_as(SchemaError)

    def _add(self, path: Path, file: WindowFile, out: EntryWriter | None) -> None:
        if self._first is None:
            self._first = file
        require_alike({str(self._first.path): self._first.spec, str(path): file.spec})
        fields = {name: np.dtype((field.dtype, field.shape)) for name, field in self._first.spec.items()}
        for row, found in item_rows(path, file, self._folder):
            number = len(self._columns["path"])
            self._add_item(row)
            if out is not None:
                entry, whole = make_entry(number, out.generation, found, fields, self._folder)
                out.add(entry)
                self._elsewhere += not whole

    def _add_item(self, row: dict[str, Any]) -> None:
        group = _chosen(self._group, row["video"])
        split = _chosen(self._split, row["video"])
        if split is None and group is not None:
            split = _chosen(self._split, group) if isinstance(self._split, Mapping) else None
        for name, value in (row | {"group": group, "split": split}).items():
            self._columns[name].append(value)

    def _catalog(self) -> Catalog:
        file, columns = self._first, self._columns
        if file is None:
            raise SchemaError(Problem("no-files", "paths", "expected tracks files, got none"))
        header = CatalogHeader(
            provenance=provenance(),
            fields=tuple(
                CatalogField(name=name, shape=field.shape, dtype=field.dtype.name, unit=field.unit)
                for name, field in file.spec.items()
            ),
            usual=file.usual,
            splits=tuple(dict.fromkeys(split for split in columns["split"] if split is not None)),
            items=len(columns["path"]),
            windows=sum(columns["windows"]),
            unsummed=columns["digest"].count(None),
        )
        made: dict[str, Any] = {name: tuple(values) for name, values in columns.items()}
        made |= {name: np.array(columns[name], np.int64) for name in ("first", "windows")}
        made["duration_s"] = np.array(columns["duration_s"], np.float64)
        return Catalog(header, **made)


def item_rows(path: Path, file: WindowFile, folder: Path) -> Iterator[tuple[dict[str, Any], Mapping[str, Source]]]:
    """Yield what a catalog in a folder says of each item of a file, but for group and split, and where its fields lie.

    Parameters
    ----------
    path : Path
    file : WindowFile
        That file, opened.
    folder : Path
        Absolute.
    """
    first = 0
    for item in file.items:
        found = {name: rows_of(source, first, first + item.rows) for name, source in file.found.items()}
        known = item.start_s is not None and item.end_s is not None
        row = {
            "path": spelled_path(path, folder),
            "video": item.video,
            "first": first,
            "windows": item.rows,
            "duration_s": float(item.end_s[-1] - item.start_s[0]) if known else np.nan,  # type: ignore[index]
            "rate": None if item.header is None or item.header.rate is None else str(item.header.rate),
            "digest": item_digest(item, found) if all_summed(found) else None,
        }
        yield row, found
        first += item.rows


def _chosen(choice: Choice | None, name: str) -> str | None:
    if choice is None:
        return None
    return choice.get(name) if isinstance(choice, Mapping) else choice(name)


def spelled_path(path: Path, folder: Path) -> str:
    """Return a path as a catalog in a folder spells it: relative where it is within, else absolute.

    Examples
    --------
    >>> spelled_path(Path("/data/train/a.h5"), Path("/data")), spelled_path(Path("/other/a.h5"), Path("/data"))
    ('train/a.h5', '/other/a.h5')
    """
    whole = path.absolute()
    return whole.relative_to(folder).as_posix() if whole.is_relative_to(folder) else whole.as_posix()


def is_catalog(path: Any) -> bool:  # noqa: ANN401 - what a user gives
    """Say whether what a user names is one catalog.

    Raises
    ------
    SchemaError
        It is a list with a catalog in it, or no path.
    """
    named = named_paths(path)
    found = [one for one in named if _is_one(Path(one))]
    if found and len(named) > 1:
        message = f"expected a catalog alone, got {listed(str(one) for one in found)} in a list"
        fix = "write one catalog of all, or load several with lapsdata.Mixture"
        raise SchemaError(Problem("catalog-in-list", "path", message, fix))
    return bool(found)


def _is_one(place: Path) -> bool:
    return place.suffix == ".parquet" and place.is_file() and recognises(place)


def catalog_parts(
    path: Any,  # noqa: ANN401 - what `is_catalog` has said to be one
    *,
    views: Sequence[str] | None,
    rate: FrameRate | float | None,
    stale: Stale,
    verify: Verify,
    io: Io,
    open_files: int,
) -> tuple[ItemTable, RowReader, BatchSpec, Sequence[str]]:
    """Open a catalog: its items, what reads their windows, and what these hold; no file of it is opened."""
    place = Path(path if isinstance(path, str | PathLike) else path[0]).absolute()
    if rate is not None:
        message = f"expected no rate beside a catalog, whose items carry their times, got {rate}"
        raise SchemaError(Problem("rate-given", str(place), message, "leave `rate` out"))
    names = _names(place, views)
    items = CatalogItems(place, names, open_files=open_files, stale=stale)
    spec = catalog_spec(items, names)
    if items.header.unsummed and verify != "never":
        warn(f"{place}: {items.header.unsummed} items hold no checksums: their windows are delivered unverified")
    fields = {names.get(name, name): dtype for name, dtype in items.stored.items()}
    pieces = CatalogPieces(items)
    usual = [names[name] for name in items.header.usual if name in names]
    reader: RowReader
    if items.index is None:
        reader = RowReader(pieces, fields, verify=verify, io=io, open_files=open_files)
    else:
        settings: dict[str, Any] = {"verify": verify, "io": io, "open_files": open_files}
        reader = EntryReader(pieces, fields, items.index, bare=items.bare, **settings)
    return items, reader, spec, usual


def _names(place: Path, views: Sequence[str] | None) -> dict[str, str]:
    """Return the fields that are wanted of a catalog, and their names in a batch.

    Raises
    ------
    SchemaError
        A view that its items do not have.
    """
    from lapsdata.formats.catalog_parquet import read_header

    fields = [field.name for field in read_header(place).fields]
    there = sorted({name.partition("/")[2] for name in fields if "/" in name}) or ["default"]
    if views is None or list(views) == there == ["default"]:
        return {name: name for name in fields}
    strangers = [view for view in views if view not in there]
    if strangers or not views:
        message = f"expected some of the views {there}, got {strangers or 'none'}"
        raise SchemaError(Problem("wrong-views", str(place), message))
    wanted = [name for name in fields if "/" not in name or name.partition("/")[2] in views]
    return {name: name.partition("/")[0] if len(views) == 1 else name for name in wanted}
