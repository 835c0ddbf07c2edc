"""Boxes in Parquet: `sequence, frame, id, source_id?, x, y, w, h, score?, label, visibility?, ignored, source`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lapsdata.containers.boxes import Boxes
from lapsdata.formats._format import Format, WriteReport, check_container, open_header, size_on_disk
from lapsdata.formats._table import named, names_to_index, nullable, texts
from lapsdata.schema.boxes import BoxesHeader
from lapsdata.storage.seal import check_verify
from lapsdata.storage.sealed_parquet import (
    column_values,
    parquet_header,
    read_sealed_parquet,
    write_sealed_parquet,
)

if TYPE_CHECKING:
    from pathlib import Path

    from lapsdata.storage.seal import Verify

__all__ = ["PLUGIN", "read", "write"]

_NUMBERS = ("frame", "id", "x", "y", "w", "h", "ignored")
_OPTIONAL = ("score", "visibility")


def write(path: Path, container: Boxes, *, overwrite: bool = False) -> WriteReport:
    """Write boxes to one Parquet file, all or nothing.

    Parameters
    ----------
    path : Path
    container : Boxes
    overwrite : bool
        Whether an existing file may be replaced.

    Raises
    ------
    StorageError
        The target exists, or the file system refused.
    SchemaError
        No boxes.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from lapsdata.testing.samples import sample_boxes
    >>> target = pathlib.Path(tempfile.mkdtemp()) / "match.boxes.parquet"
    >>> report = write(target, sample_boxes())
    >>> read(target).equals(sample_boxes())
    True
    """
    import pyarrow as pa

    check_container(container, Boxes, path)
    columns: dict[str, Any] = {
        "sequence": named([item.name for item in container.header.sequences], container.sequence_index)
    }
    columns |= {name: pa.array(getattr(container, name)) for name in _NUMBERS}
    columns |= {name: pa.array(getattr(container, name), pa.string()) for name in ("label", "source")}
    for name in _OPTIONAL:
        values = getattr(container, name)
        if values is not None:
            columns[name] = nullable(values)
    if container.source_id is not None:
        columns["source_id"] = pa.array(container.source_id, pa.string())
    write_sealed_parquet(path, container.header.as_json(), pa.table(columns), overwrite=overwrite)
    return WriteReport(path, PLUGIN.name, size_on_disk(path))


def read(path: Path, *, verify: Verify = "first") -> Boxes:
    """Read a boxes file of ours, whole; see `lapsdata.formats.segments_parquet.read`."""
    check_verify(verify)
    document, table = read_sealed_parquet(path, verify=verify != "never")
    header = open_header(BoxesHeader, document, path)
    present = set(table.column_names)
    numbers = {name: column_values(table[name]) for name in (*_NUMBERS, *_OPTIONAL) if name in present}
    return Boxes(
        header,
        sequence_index=names_to_index([item.name for item in header.sequences], table["sequence"], str(path)),
        label=texts(table["label"]),
        source=texts(table["source"]),
        source_id=texts(table["source_id"]) if "source_id" in present else None,
        **numbers,
    )


def recognises(path: Path) -> bool:
    """Say whether a path is a Parquet file with a header of ours for boxes."""
    header = parquet_header(path)
    return header is not None and header.get("format") == "lapsdata.boxes"


PLUGIN = Format("boxes_parquet", "boxes", "parquet", (".parquet",), Boxes, recognises, read, write)
