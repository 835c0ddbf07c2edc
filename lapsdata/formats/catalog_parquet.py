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

    from lapsdata.storage.seal import Verify

__all__ = ["PLUGIN", "read", "read_header", "write"]

_TEXTS = ("path", "video", "group", "split", "rate", "digest")
_NUMBERS = ("first", "windows")
_ORDER = ("path", "video", "group", "split", "first", "windows", "duration_s", "rate", "digest")


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
    columns: dict[str, Any] = {name: pa.array(getattr(container, name), pa.string()) for name in _TEXTS}
    columns |= {name: pa.array(getattr(container, name)) for name in _NUMBERS}
    columns["duration_s"] = nullable(container.duration_s)
    table = pa.table({name: columns[name] for name in _ORDER})
    write_sealed_groups(path, container.header.as_json(), table, overwrite=overwrite)
    return WriteReport(path, PLUGIN.name, size_on_disk(path))


def read(path: Path, *, verify: Verify = "first") -> Catalog:
    """Read a catalog of ours, whole; see `lapsdata.formats.segments_parquet.read`.

    To load its windows, see `lapsdata.open_windows`, which reads what it needs.
    """
    check_verify(verify)
    table = GroupedTable(path)
    header = catalog_header(table)
    found = table.columns(_ORDER, verify=verify != "never")
    columns: dict[str, Any] = {name: texts(found[name]) for name in _TEXTS}
    columns |= {name: np.asarray(column_values(found[name])) for name in (*_NUMBERS, "duration_s")}
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
    if set(table.names) != set(_ORDER):
        message = f"expected the columns {list(_ORDER)}, got {list(table.names)}"
        raise CorruptDataError(Problem("wrong-columns", str(table.path), message, REPAIR))
    return header


def recognises(path: Path) -> bool:
    """Say whether a path is a Parquet file with a header of ours for catalogs."""
    header = parquet_header(path)
    return header is not None and header.get("format") == "lapsdata.catalog"


PLUGIN = Format(
    "catalog_parquet", "catalog", "parquet", (".parquet",), Catalog, recognises, read, write, None, read_header
)
