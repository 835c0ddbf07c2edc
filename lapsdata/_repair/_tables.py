"""Segments and boxes: the row groups whose pages fit their checksums, up to the first that does not."""

from __future__ import annotations

import contextlib
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lapsdata._repair._footers import open_footer
from lapsdata._repair._marks import saved_header
from lapsdata._repair._report import Repaired
from lapsdata._repair._seals import REMAKE
from lapsdata.containers import Boxes, Segments
from lapsdata.errors import CorruptDataError, LapsError, Problem
from lapsdata.formats import read, write
from lapsdata.storage.decoding import decoding
from lapsdata.storage.sealed_parquet import write_sealed_parquet

if TYPE_CHECKING:
    import pyarrow as pa

    from lapsdata._repair._choice import Keep

__all__ = ["repair_table"]


def repair_table(path: Path, format: str, out: Path | None, keep: Keep) -> Repaired:
    """Save the rows of a damaged Parquet file; see `lapsdata._repair.repair`.

    Raises
    ------
    CorruptDataError
        Nothing can be saved; says why.
    """
    with contextlib.suppress(CorruptDataError):
        return Repaired(path, format, "whole", "rows", kept=len(read(path, format=format)))
    header, groups, problems, counts, sizes = _groups(path)
    good = next((number for number, group in enumerate(groups) if group is None), len(groups))
    if good == len(groups):
        message = "the columns are not those that were sealed, and every page fits its checksum: nothing says which row"
        raise CorruptDataError(Problem("damage-without-place", str(path), message, REMAKE))
    if good == 0 and (keep == "prefix" or len(problems) == len(groups)):
        message = f"the first of {len(groups)} row groups is damaged already: {problems[0].message}"
        raise CorruptDataError(Problem("nothing-left", str(path), message, REMAKE))
    saved_groups = groups[:good] if keep == "prefix" else groups
    saved = [number for number, group in enumerate(saved_groups) if group is not None]
    kept = sum(counts[number] for number in saved)
    sound = sum(count for count, group in zip(counts, groups, strict=True) if group is not None)
    lost = sum(counts) - kept
    found = Repaired(
        path,
        format,
        "damaged",
        "rows",
        kept=kept,
        lost=lost,
        good_after=sound - kept,
        lost_bytes=sum(size for number, size in enumerate(sizes) if number not in saved),
        first_bad=f"row group {good}: {problems[0].message}",
    )
    if out is None:
        return found
    container = _container(header, [group for group in saved_groups if group is not None], format)
    changed: Any = container.header.model_copy(update=saved_header(container.header, path, lost))
    rows: Segments | Boxes = replace(container, header=changed)
    write(out, rows, format=format)
    return replace(found, state="repaired", output=out)


def _groups(path: Path) -> tuple[dict[str, Any], list[pa.Table | None], list[Problem], list[int], list[int]]:
    """Return the header, each row group or None, what is wrong with the others, and the rows and bytes of all."""
    header, file, _ = open_footer(path)
    problems, groups, counts, sizes = list[Problem](), list["pa.Table | None"](), list[int](), list[int]()
    for number in range(file.metadata.num_row_groups):
        with decoding(f"{path}: row group {number}", "its place"):
            counts.append(file.metadata.row_group(number).num_rows)
            sizes.append(file.metadata.row_group(number).total_byte_size)
        try:
            with decoding(f"{path}: row group {number}", "Parquet pages"):
                table = file.read_row_group(number, use_threads=False).replace_schema_metadata(None)
                table.validate(full=True)
                if table.num_rows != counts[-1]:
                    raise ValueError(f"{table.num_rows} rows instead of {counts[-1]}")
                groups.append(table)
        except LapsError as error:
            problems += error.problems
            groups.append(None)
    return header, groups, problems, counts, sizes


def _container(header: dict[str, Any], groups: list[pa.Table], format: str) -> Segments | Boxes:
    """Read rows as a file that holds them alone."""
    import pyarrow as pa

    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "rows.parquet"
        write_sealed_parquet(place, header, pa.concat_tables(groups))
        container = read(place, format=format)
    if not isinstance(container, Segments | Boxes):
        raise TypeError(type(container).__name__)
    return container
