"""Catalogs: the rows that fit the seal, and those that the files they speak of prove; the index is not written here.

A catalog is a list of files. What it says of them stands in the files too, but for groups and splits: a cell that is
lost is taken from there, and believed only where a sound digest proves it.
"""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata import console
from lapsdata._repair._catalog_files import OURS, CatalogFiles
from lapsdata._repair._catalog_rows import RowGroup, read_groups, remake
from lapsdata._repair._choice import chosen
from lapsdata._repair._footers import open_footer
from lapsdata._repair._marks import saved_header
from lapsdata._repair._report import NAMED, Repaired
from lapsdata.errors import CorruptDataError, LapsError, Problem, StorageError, listed
from lapsdata.formats import read, write
from lapsdata.formats._format import open_header
from lapsdata.formats.catalog_parquet import COLUMNS, catalog_of, column_of
from lapsdata.loading._catalog_index import CatalogIndexFolder, index_place
from lapsdata.loading.catalog import spelled_path
from lapsdata.schema.catalog import CatalogHeader
from lapsdata.storage.entries import read_entry
from lapsdata.storage.sealed_groups import GroupedTable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from lapsdata._repair._choice import Keep
    from lapsdata.containers import Catalog

__all__ = ["WRITE_AGAIN", "repair_catalog"]

WRITE_AGAIN = "write it again from its files: lapsdata.write_catalog(PATH, FILES, split=..., group=...)"
"""What to do where a catalog cannot be saved."""

_SPLITS = "pyarrow.parquet.read_table(PATH, columns=['video', 'split', 'group'])"

_POLICY = "remade_items"


def repair_catalog(path: Path, format: str, out: Path | None, keep: Keep) -> Repaired:
    """Save the rows of a damaged catalog; see `lapsdata._repair.repair`.

    Raises
    ------
    CorruptDataError
        Nothing can be saved; says why.
    StorageError
        An index of another catalog stands where that of `out` would.
    """
    with contextlib.suppress(CorruptDataError):
        whole: Catalog = read(path, format=format)  # type: ignore[assignment]
        return Repaired(path, format, "whole", "items", kept=len(whole), notes=_of_index(path, whole.header))
    _refuse_index(out)
    header, groups, files = _rows(path)
    rows = [row for group in groups for row in group.rows]
    good = np.array([flag for group in groups for flag in group.good])
    kept = chosen(good, keep)
    notes = [*_of_groups(groups), *_of_files(files)]
    if not notes:
        message = "every column fits its digest, and it is no catalog all the same: nothing says which row is wrong"
        raise CorruptDataError(Problem("damage-without-place", str(path), message, WRITE_AGAIN))
    if len(kept) == 0:
        sound = f"{int(good.sum())} of {len(good)} items are sound, or proved by their files"
        more = "; --keep all saves them" if good.any() else ""
        nothing = Problem("nothing-left", str(path), f"the first item is lost: {sound}{more}", _again(groups))
        raise CorruptDataError(nothing, *notes)
    remade = len(set(kept.tolist()) & _remade(groups))
    found = Repaired(
        path,
        format,
        "damaged",
        "items",
        kept=len(kept),
        lost=len(rows) - len(kept),
        good_after=int(good.sum()) - len(kept),
        lost_s=_lost_s([rows[n] for n in _others(rows, kept)]),
        first_bad=_first_bad(groups),
        remade=remade,
        notes=(*notes, *_of_rows(rows, kept, remade, header.windows, _again(groups))),
    )
    if out is None:
        return found
    moved = _write(path, out, header, [rows[n] for n in kept], remade)
    return replace(found, state="repaired", output=out, notes=(*found.notes, *_of_output(path, out, moved)))


def _refuse_index(out: Path | None) -> None:
    """Refuse an output beside which an index stands already: it is that of another catalog, and would be taken for its.

    Raises
    ------
    StorageError
        With what to do.
    """
    if out is not None and index_place(out).exists():
        message = f"expected no index beside it, got {index_place(out).name}, which is that of another catalog"
        raise StorageError(Problem("exists", str(out), message, "name another output, or move that index away"))


def _rows(path: Path) -> tuple[CatalogHeader, list[RowGroup], CatalogFiles]:
    """Return the header, the groups with whatever could be told of their rows, and the files that were asked."""
    stored, file, seal = open_footer(path)
    header = open_header(CatalogHeader, stored, path)
    files = CatalogFiles(path.parent.absolute())
    groups = list(read_groups(path, file, seal))
    damaged = [group for group in groups if group.damaged]
    asked = sum(len(group.rows) for group in damaged if group.asks)
    with console.progress("files of lost rows", asked, unit="rows", none=False) as advance:
        for group in damaged:
            remake(group, files, header, advance)
    return header, groups, files


def _remade(groups: Sequence[RowGroup]) -> set[int]:
    """Return the numbers of the rows that have a cell that was made anew."""
    found, first = set[int](), 0
    for group in groups:
        found |= {first + number for number in group.remade_rows}
        first += len(group.rows)
    return found


def _of_groups(groups: Sequence[RowGroup]) -> list[Problem]:
    """Say of each damaged group which columns do not fit, and what became of them."""
    notes = []
    for number, group in enumerate(groups):
        if group.damaged:
            known = f"{sum(group.good)} of its {len(group.rows)} rows are known all the same"
            message = f"not as sealed: {', '.join(group.damaged)}; {known}"
            ours = [name for name in group.missing if name in OURS]
            fix = f"no file says {' or '.join(ours)}: {WRITE_AGAIN}" if ours else None
            notes.append(Problem("column-damaged", f"row group {number}", message, fix, "warning"))
    return notes


def _of_files(files: CatalogFiles) -> list[Problem]:
    """Name the files that could not say what is lost."""
    notes = []
    if files.refused:
        error = next(iter(files.refused.values()))
        message = f"{len(files.refused)} files cannot be asked for what is lost: {error.problems[0].message}"
        fix = "bring them back to where the catalog says, and run it again"
        notes.append(Problem("files-refused", listed(files.refused, NAMED), message, fix, "warning"))
    if files.changed:
        message = f"{len(files.changed)} files are not those that were catalogued: none of their items fits its row"
        notes.append(Problem("files-changed", listed(files.changed, NAMED), message, WRITE_AGAIN, "warning"))
    return notes


def _again(groups: Sequence[RowGroup]) -> str:
    """Return what gives back the items that are lost; splits and groups, which no file says, may still be read."""
    lost = {name for group in groups for name in group.damaged}
    told = any(row.get("split") or row.get("group") for group in groups for row in group.rows)
    if lost & {"video", *OURS} or not told:
        return WRITE_AGAIN
    return f"{WRITE_AGAIN}; splits and groups are as sealed, and can be read: {_SPLITS}"


def _of_rows(
    rows: Sequence[dict[str, Any]], kept: NDArray[np.int64], remade: int, windows: int, again: str
) -> list[Problem]:
    """Say how many rows were made anew, and name the items that are lost."""
    notes = []
    if remade:
        message = f"{remade} of the items that are kept have cells that were made anew; a digest proves each"
        notes.append(Problem("items-remade", "", message, severity="info"))
    lost = _others(rows, kept)
    if lost:
        names = [rows[n].get("video") or rows[n].get("path") or f"item {n}" for n in lost]
        message = f"{listed(names, NAMED)}, with {windows - sum(rows[n]['windows'] for n in kept):,} windows"
        notes.append(Problem("items-lost", "", message, again, "warning"))
    return notes


def _others(rows: Sequence[object], kept: NDArray[np.int64]) -> list[int]:
    """Return the numbers of the rows that are not kept."""
    others: list[int] = np.setdiff1d(np.arange(len(rows)), kept).tolist()
    return others


def _first_bad(groups: Sequence[RowGroup]) -> str:
    number, group = next((number, group) for number, group in enumerate(groups) if group.damaged)
    name, told = next(iter(group.damaged.items()))
    return f"row group {number}: {name}: {told.message}"


def _lost_s(lost: Sequence[dict[str, Any]]) -> float | None:
    """Return the seconds of items; None where those of one are not known."""
    seconds = [row.get("duration_s", np.nan) for row in lost]
    return None if np.isnan(seconds).any() else round(float(sum(seconds)), 9)


def _write(path: Path, out: Path, header: CatalogHeader, rows: Sequence[dict[str, Any]], remade: int) -> int:
    """Write rows as a catalog; return how many paths are spelled in another way, since it stands in another folder."""
    import pyarrow as pa

    home, folder = path.parent.absolute(), out.parent.absolute()
    columns = {name: [row[name] for row in rows] for name in COLUMNS}
    before, columns["path"] = columns["path"], [spelled_path(home / one, folder) for one in columns["path"]]
    own = saved_header(header, path, header.items - len(rows))
    if remade:
        own["policies"][_POLICY] = own["policies"].get(_POLICY, 0) + remade
    counts = {"items": len(rows), "windows": sum(columns["windows"]), "unsummed": columns["digest"].count(None)}
    table = pa.table({name: column_of(name, values) for name, values in columns.items()})
    write(out, catalog_of(header.model_copy(update=own | counts), table), format="catalog_parquet")
    return sum(one != other for one, other in zip(before, columns["path"], strict=True))


def _of_output(path: Path, out: Path, moved: int) -> list[Problem]:
    """Say what is other about a saved catalog than about the one that was damaged."""
    notes = []
    if moved:
        message = f"{moved} paths are spelled as they are seen from the folder of what was written"
        notes.append(Problem("paths-respelled", str(out), message, severity="info"))
    if index_place(path).is_dir():
        message = f"{index_place(path).name} belongs to the damaged catalog; what was written is read without an index"
        fix = "lapsdata.write_catalog(PATH, FILES, split=..., group=..., overwrite=True) writes catalog and index"
        notes.append(Problem("no-index", str(out), message, fix, "info"))
    return notes


def _of_index(path: Path, header: CatalogHeader) -> tuple[Problem, ...]:
    """Say what is wrong with the index beside a catalog that is whole itself."""
    stored = {field.name: np.dtype((field.dtype, field.shape)) for field in header.fields}
    try:
        index = CatalogIndexFolder.beside(path, GroupedTable(path).seal, header)
        for number in range(0 if index is None else header.items):
            if index is not None:
                read_entry(index.entry(number), number, index.generation, stored, path.parent, str(index.path))
    except LapsError as error:
        fix = f"{WRITE_AGAIN}, or remove {index_place(path).name}: the catalog is read without it"
        return (replace(error.problems[0], fix=fix, severity="warning"),)
    return ()
