"""The rows of samples while their archives are being written."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.formats._shards_tables import FIELD_PARTS, INTEGERS, FieldRows, SampleTable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

__all__ = ["SampleRows"]


class SampleRows:
    """A row per sample, in memory of eight bytes per number.

    Parameters
    ----------
    fields : iterable of str
        Arrays of every sample.
    """

    def __init__(self, fields: Iterable[str]) -> None:
        self._fields = tuple(fields)
        parts = [f"{field}:{part}" for field in self._fields for part in FIELD_PARTS]
        self._columns = {name: array("q") for name in (*INTEGERS, *parts)}
        self._start_s = array("d")

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self._start_s)

    def add_field(self, field: str, offset: int, length: int, checksum: int) -> None:
        """Note where an array of the next sample lies."""
        for part, value in zip(FIELD_PARTS, (offset, length, checksum), strict=True):
            self._columns[f"{field}:{part}"].append(value)

    def add(self, row: Mapping[str, int], start_s: float) -> None:
        """Note the rest of it."""
        for name in INTEGERS:
            self._columns[name].append(row[name])
        self._start_s.append(start_s)

    def extend(self, table: SampleTable) -> None:
        """Take over samples that are written already."""
        given: dict[str, NDArray[Any]] = {name: getattr(table, name) for name in INTEGERS}
        for field in self._fields:
            given |= {f"{field}:{part}": getattr(table.fields[field], part) for part in FIELD_PARTS}
        for name, values in given.items():
            self._columns[name].frombytes(values.astype(np.int64).tobytes())
        self._start_s.frombytes(table.start_s.tobytes())

    def table(self, begin: int = 0) -> SampleTable:
        """Return the rows from `begin` on."""
        rows = {name: np.frombuffer(values[begin:], np.int64) for name, values in self._columns.items()}
        fields = {
            field: FieldRows(rows[f"{field}:offset"], rows[f"{field}:length"], rows[f"{field}:crc32c"].astype("u4"))
            for field in self._fields
        }
        return SampleTable(
            rows["shard"].astype(np.int32),
            rows["offset"],
            rows["length"],
            rows["video"].astype(np.int32),
            rows["window"],
            rows["start_index"],
            np.frombuffer(self._start_s[begin:], np.float64),
            fields,
        )
