"""Segments and boxes: the row groups whose pages fit their checksums, up to the first that does not."""

from __future__ import annotations

import contextlib
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lapsdata._repair._marks import saved_header
from lapsdata._repair._report import Repaired
from lapsdata._repair._seals import parse_seal
from lapsdata.containers import Boxes, Segments
from lapsdata.errors import CorruptDataError, LapsError, Problem
from lapsdata.formats import read, write
from lapsdata.schema.base import canonical_json
from lapsdata.storage.atomic import storage_errors
from lapsdata.storage.decoding import decoding
from lapsdata.storage.sealed_parquet import parquet_header, write_sealed_parquet

if TYPE_CHECKING:
    import pyarrow as pa

    from lapsdata._repair._choice import Keep

__all__ = ["repair_table"]

_REMAKE = "make it anew from its parents"
_SEAL = b"lapsdata:seal"


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
        raise CorruptDataError(Problem("damage-without-place", str(path), message, _REMAKE))
    if good == 0 and (keep == "prefix" or len(problems) == len(groups)):
        message = f"the first of {len(groups)} row groups is damaged already: {problems[0].message}"
        raise CorruptDataError(Problem("nothing-left", str(path), message, _REMAKE))
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
    import pyarrow as pa
    import pyarrow.parquet as pq

    header = parquet_header(path)
    if header is None:
        message = "expected a footer with a header, got none that can be read: it says where everything stands"
        raise CorruptDataError(Problem("header-damaged", str(path), message, _REMAKE))
    with storage_errors(path, "open"):
        data = pa.BufferReader(path.read_bytes())
    problems, groups, counts, sizes = list[Problem](), list["pa.Table | None"](), list[int](), list[int]()
    with decoding(str(path), "a Parquet footer"):
        file = pq.ParquetFile(data, page_checksum_verification=True)
        _expect_sealed(path, header, file.schema_arrow)
        number_of_groups = file.metadata.num_row_groups
    for number in range(number_of_groups):
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


def _expect_sealed(path: Path, header: dict[str, Any], schema: pa.Schema) -> None:
    """Refuse a footer that is not the sealed one: pages are found and read by it.

    Raises
    ------
    CorruptDataError
        Names what differs.
    """
    seal = parse_seal((schema.metadata or {}).get(_SEAL))
    if seal.state != "sound":
        message = f"expected a sound seal, got one that is {seal.state}: nothing vouches for header and columns"
        raise CorruptDataError(Problem("seal-damaged", str(path), message, _REMAKE))
    seal.expect_header(canonical_json(header), str(path))
    sealed = {name: entry["type"] for name, entry in seal.manifest["columns"].items()}
    found = {field.name: str(field.type) for field in schema}
    if sealed != found:
        message = f"expected the columns {sealed} as sealed, got {found}"
        raise CorruptDataError(Problem("header-damaged", str(path), message, _REMAKE))


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
