"""Segments in Parquet: `video, start_s, end_s, label, score?, end_reason, codes?, embedding?`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.containers.segments import Segments
from lapsdata.formats._format import Format, WriteReport, check_container, open_header, size_on_disk
from lapsdata.formats._table import named, names_to_index, nullable, texts
from lapsdata.schema.segments import SegmentsHeader
from lapsdata.storage.seal import check_verify
from lapsdata.storage.sealed_parquet import (
    column_values,
    parquet_header,
    read_sealed_parquet,
    write_sealed_parquet,
)

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa
    from numpy.typing import NDArray

    from lapsdata.storage.seal import Verify

__all__ = ["PLUGIN", "read", "write"]


def write(path: Path, container: Segments, *, overwrite: bool = False) -> WriteReport:
    """Write segments to one Parquet file, all or nothing.

    Parameters
    ----------
    path : Path
    container : Segments
    overwrite : bool
        Whether an existing file may be replaced.

    Raises
    ------
    StorageError
        The target exists, or the file system refused.
    SchemaError
        No segments.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from lapsdata.testing.samples import sample_segments
    >>> target = pathlib.Path(tempfile.mkdtemp()) / "clips.segments.parquet"
    >>> report = write(target, sample_segments())
    >>> read(target).equals(sample_segments())
    True
    """
    import pyarrow as pa

    check_container(container, Segments, path)
    names = [video.name for video in container.header.videos]
    columns: dict[str, Any] = {
        "video": named(names, container.video_index),
        "start_s": pa.array(container.start_s),
        "end_s": pa.array(container.end_s),
        "label": pa.array(container.label, pa.string()),
        "end_reason": pa.array(container.end_reason, pa.string()),
    }
    if container.score is not None:
        columns["score"] = nullable(container.score)
    if container.codes is not None:
        columns["codes"] = _lists(container.codes)
    if container.embedding is not None:
        columns["embedding"] = _vectors(container.embedding)
    write_sealed_parquet(path, container.header.as_json(), pa.table(columns), overwrite=overwrite)
    return WriteReport(path, PLUGIN.name, size_on_disk(path))


def _lists(codes: tuple[NDArray[np.int32], ...]) -> pa.ListArray:
    import pyarrow as pa

    ends = np.cumsum([0, *(len(one) for one in codes)]).astype(np.int32)
    values = np.concatenate([np.empty(0, np.int32), *codes])
    # "element" is the name that the Parquet specification gives; Arrow's own default would change on reading.
    kind = pa.list_(pa.field("element", pa.int32()))
    return pa.ListArray.from_arrays(pa.array(ends), pa.array(values), type=kind)


def _vectors(embedding: NDArray[np.float32]) -> pa.FixedSizeListArray:
    import pyarrow as pa

    kind = pa.list_(pa.field("element", pa.float32()), embedding.shape[1])
    return pa.FixedSizeListArray.from_arrays(pa.array(embedding.reshape(-1)), type=kind)


def read(path: Path, *, verify: Verify = "first") -> Segments:
    """Read a segments file of ours, whole.

    Parameters
    ----------
    path : Path
    verify : {"first", "always", "never"}
        "never" leaves the checksums of pages and columns alone; the header is always compared with its own.

    Raises
    ------
    StorageError
        Nothing is there, or it may not be read.
    UnknownFormatError
        Not a file of ours.
    CorruptDataError
        Anything that is not as it was written.
    FormatTooNewError
        Written by a newer major version.
    """
    check_verify(verify)
    document, table = read_sealed_parquet(path, verify=verify != "never")
    header = open_header(SegmentsHeader, document, path)
    present = set(table.column_names)
    return Segments(
        header,
        names_to_index([video.name for video in header.videos], table["video"], str(path)),
        column_values(table["start_s"]),
        column_values(table["end_s"]),
        texts(table["end_reason"]),
        texts(table["label"]),
        score=column_values(table["score"]) if "score" in present else None,
        codes=_arrays(table["codes"]) if "codes" in present else None,
        embedding=_matrix(table["embedding"], header.embedding) if "embedding" in present else None,
    )


def _arrays(column: pa.ChunkedArray) -> tuple[NDArray[np.int32], ...]:
    lists = column.combine_chunks()
    ends = np.cumsum(column_values(lists.value_lengths()))
    return tuple(np.split(column_values(lists.flatten()), ends[:-1])) if len(ends) else ()


def _matrix(column: pa.ChunkedArray, width: int | None) -> NDArray[np.float32]:
    lists = column.combine_chunks()
    return column_values(lists.flatten()).reshape(len(lists), width or 0)


def recognises(path: Path) -> bool:
    """Say whether a path is a Parquet file with a header of ours for segments."""
    header = parquet_header(path)
    return header is not None and header.get("format") == "lapsdata.segments"


PLUGIN = Format("segments_parquet", "segments", "parquet", (".parquet",), Segments, recognises, read, write)
