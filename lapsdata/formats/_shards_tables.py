"""The two tables beside the tar archives of a folder of shards: where each sample lies, and when each frame is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lapsdata.formats._shards_sample import sample_key
from lapsdata.storage.sealed_parquet import (
    column_values,
    parse_sealed_parquet,
    read_sealed_parquet,
    write_sealed_parquet,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray
    from pydantic import JsonValue

__all__ = ["FIELD_PARTS", "INTEGERS", "FieldRows", "FrameTable", "SampleTable"]

INTEGERS = ("shard", "offset", "length", "video", "window", "start_index")
"""Columns of every sample; `start_s` beside them is no integer."""
FIELD_PARTS = ("offset", "length", "crc32c")
"""Columns of each of its arrays."""

NOT_RESAMPLED = -1
"""`source_index` of frames that are the source's own."""

_INDEX: dict[str, JsonValue] = {"format": "lapsdata.shards_index", "format_version": "1.0"}
_FRAMES: dict[str, JsonValue] = {"format": "lapsdata.shards_frames", "format_version": "1.0"}


@dataclass(frozen=True)
class FieldRows:
    """Where one array of each sample lies.

    Parameters
    ----------
    offset, length : int64 (W,), bytes
        Of the plain bytes in the archive, behind tar header and npy header.
    crc32c : uint32 (W,)
    """

    offset: NDArray[np.int64]
    length: NDArray[np.int64]
    crc32c: NDArray[np.uint32]


@dataclass(frozen=True)
class SampleTable:
    """A row per sample.

    Parameters
    ----------
    shard : int32 (W,)
    offset, length : int64 (W,), bytes
        Of the whole sample, from the header of its first member to where the next sample begins.
    video : int32 (W,)
    window, start_index : int64 (W,)
    start_s : float64 (W,), seconds
    fields : dict of FieldRows
    """

    shard: NDArray[np.int32]
    offset: NDArray[np.int64]
    length: NDArray[np.int64]
    video: NDArray[np.int32]
    window: NDArray[np.int64]
    start_index: NDArray[np.int64]
    start_s: NDArray[np.float64]
    fields: dict[str, FieldRows]

    def write(self, path: Path) -> None:
        """Write the table, sealed."""
        write_sealed_parquet(path, _INDEX, self.table())

    def table(self) -> pa.Table:
        """Return the columns as they are stored."""
        import pyarrow as pa

        columns: dict[str, Any] = {"shard": self.shard}
        columns["key"] = [sample_key(v, w) for v, w in zip(self.video.tolist(), self.window.tolist(), strict=True)]
        columns |= {name: getattr(self, name) for name in (*INTEGERS[1:], "start_s")}
        for name, rows in self.fields.items():
            columns |= {f"{name}:{part}": getattr(rows, part) for part in FIELD_PARTS}
        return pa.table(columns)

    @classmethod
    def read(cls, path: Path, fields: Sequence[str]) -> SampleTable:
        """Read the table, and compare it with its seal."""
        return cls.of(read_sealed_parquet(path)[1], fields)

    @classmethod
    def parse(cls, data: bytes, where: str, fields: Sequence[str]) -> SampleTable:
        """Return the table that bytes hold, compared with its seal."""
        return cls.of(parse_sealed_parquet(data, where)[1], fields)

    @classmethod
    def of(cls, table: Any, fields: Sequence[str]) -> SampleTable:  # noqa: ANN401 - of Arrow
        """Take the columns of a table."""
        rows = {name: FieldRows(*(column_values(table[f"{name}:{part}"]) for part in FIELD_PARTS)) for name in fields}
        plain: dict[str, Any] = {name: column_values(table[name]) for name in (*INTEGERS, "start_s")}
        return cls(**plain, fields=rows)


@dataclass(frozen=True)
class FrameTable:
    """A row per frame of each video.

    Parameters
    ----------
    video : int32 (F,)
    frame_s : float64 (F,), seconds
    source_index : int64 (F,)
        `NOT_RESAMPLED` in videos whose frames are the source's own.
    """

    video: NDArray[np.int32]
    frame_s: NDArray[np.float64]
    source_index: NDArray[np.int64]

    def write(self, path: Path) -> None:
        """Write the table, sealed."""
        import pyarrow as pa

        columns = {name: getattr(self, name) for name in ("video", "frame_s", "source_index")}
        write_sealed_parquet(path, _FRAMES, pa.table(columns))

    @classmethod
    def read(cls, path: Path) -> FrameTable:
        """Read the table, and compare it with its seal."""
        return cls.of(read_sealed_parquet(path)[1])

    @classmethod
    def parse(cls, data: bytes, where: str) -> FrameTable:
        """Return the table that bytes hold, compared with its seal."""
        return cls.of(parse_sealed_parquet(data, where)[1])

    @classmethod
    def of(cls, table: Any) -> FrameTable:  # noqa: ANN401 - of Arrow
        """Take the columns of a table."""
        return cls(*(column_values(table[name]) for name in ("video", "frame_s", "source_index")))
