"""Catalogs in Parquet: `path, video, group?, split?, first, windows, duration_s?, rate?, digest?`, a row per item.

The seal holds a digest of each column of each group of rows, so that opening a catalog of a million items reads one
column of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.containers.catalog import Catalog
from lapsdata.errors import CorruptDataError, Problem
from lapsdata.formats._format import Format, WriteReport, check_container, open_header, size_on_disk
from lapsdata.formats._table import nullable, texts
from lapsdata.schema.catalog import CatalogHeader
from lapsdata.storage.seal import REPAIR, check_verify
from lapsdata.storage.sealed_groups import GroupedTable, write_sealed_groups
from lapsdata.storage.sealed_parquet import column_values, parquet_header

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

    from lapsdata.storage.seal import Verify

__all__ = ["COLUMNS", "PLUGIN", "read", "read_header", "write"]

_TEXTS = ("path", "video", "group", "split", "rate", "digest")
_NUMBERS = ("first", "windows")
COLUMNS = ("path", "video", "group", "split", "first", "windows", "duration_s", "rate", "digest")
"""Columns of the table, in its order."""


def write(path: Path, container: Catalog, *, overwrite: bool = False) -> WriteReport:
    """Write a catalog to one Parquet file, all or nothing; without an index (see `lapsdata.write_catalog`).

    Parameters
    ----------
    path : Path
    container : Catalog
    overwrite : bool
        Whether an existing file may be replaced.

    Raises
    ------
    StorageError
        The target exists, or the file system refused.
    SchemaError
        No catalog.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from lapsdata.testing.samples import sample_catalog
    >>> target = pathlib.Path(tempfile.mkdtemp()) / "data.catalog.parquet"
    >>> report = write(target, sample_catalog())
    >>> read(target).equals(sample_catalog())
    True
    """
    import pyarrow as pa

    check_container(container, Catalog, path)
    table = pa.table({name: column_of(name, getattr(container, name)) for name in COLUMNS})
    write_sealed_groups(path, container.header.as_json(), table, overwrite=overwrite)
    return WriteReport(path, PLUGIN.name, size_on_disk(path))


def read(path: Path, *, verify: Verify = "first") -> Catalog:
    """Read a catalog of ours, whole; see `lapsdata.formats.segments_parquet.read`.

    To load its windows, see `lapsdata.open_windows`, which reads what it needs.
    """
    check_verify(verify)
    table = GroupedTable(path)
    return catalog_of(catalog_header(table), table.columns(COLUMNS, verify=verify != "never"))


def column_of(name: str, values: Any) -> pa.Array:  # noqa: ANN401 - texts, or an array of numbers
    """Return a column as a catalog stores it.

    Examples
    --------
    >>> column_of("duration_s", [0.5, np.nan]).null_count, column_of("windows", [3]).type
    (1, DataType(int64))
    """
    import pyarrow as pa

    if name in _TEXTS:
        return pa.array(values, pa.string())
    return pa.array(np.asarray(values, np.int64)) if name in _NUMBERS else nullable(np.asarray(values, np.float64))


def catalog_of(header: CatalogHeader, table: pa.Table) -> Catalog:
    """Return the catalog that a table with all columns spells."""
    columns: dict[str, Any] = {name: texts(table[name]) for name in _TEXTS}
    columns |= {name: np.asarray(column_values(table[name])) for name in (*_NUMBERS, "duration_s")}
    return Catalog(header, **columns)


def read_header(path: Path) -> CatalogHeader:
    """Read what a catalog says of itself, and none of its rows."""
    return catalog_header(GroupedTable(path))


def catalog_header(table: GroupedTable) -> CatalogHeader:
    """Return the header of an open table.

    Raises
    ------
    SchemaError
        The table is another one.
    CorruptDataError
        It has other columns than a catalog.
    """
    header = open_header(CatalogHeader, table.header, table.path)
    if set(table.names) != set(COLUMNS):
        message = f"expected the columns {list(COLUMNS)}, got {list(table.names)}"
        raise CorruptDataError(Problem("wrong-columns", str(table.path), message, REPAIR))
    return header


def recognises(path: Path) -> bool:
    """Say whether a path is a Parquet file with a header of ours for catalogs."""
    header = parquet_header(path)
    return header is not None and header.get("format") == "lapsdata.catalog"


PLUGIN = Format(
    "catalog_parquet", "catalog", "parquet", (".parquet",), Catalog, recognises, read, write, None, read_header
)
