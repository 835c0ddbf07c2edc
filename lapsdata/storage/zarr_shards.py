"""The shards of a Zarr v3 array of windows: where each window lies, and which one is damaged.

A shard file holds one inner chunk per window and ends with an index of (offset, length) pairs, uint64, and the
index's CRC-32C; an absent chunk has the largest number in both places (Zarr v3 sharding codec, "binary shard format").
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lapsdata.errors import CorruptDataError, Problem
from lapsdata.storage.decoding import decoding
from lapsdata.storage.seal import REPAIR, crc32c

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["SHARD_WINDOWS", "Shards"]

SHARD_WINDOWS = 256
"""Windows per shard file: 13 MB of the usual (16, 400, 2) float32 windows."""

_INDEX_BYTES = SHARD_WINDOWS * 16
_SUM_BYTES = 4
_ABSENT = np.iinfo(np.uint64).max


class Shards:
    """Where the windows of one array lie; every one of them is there.

    Parameters
    ----------
    folder : Path
        The group.
    name : str
        The array.
    shape : sequence of int
        Its shape, windows first.

    Raises
    ------
    CorruptDataError
        A shard file or a window is missing, or an index is damaged. zarr-python would give fill values instead.
    """

    def __init__(self, folder: Path, name: str, shape: Sequence[int]) -> None:
        self._folder = folder
        ends = "/".join(["0"] * (len(shape) - 1))
        shards = range(-(-shape[0] // SHARD_WINDOWS))
        self._files = [f"{name}/c/{shard}" + (f"/{ends}" if ends else "") for shard in shards]
        self._indexes = [
            self._index(file, min(SHARD_WINDOWS, shape[0] - shard * SHARD_WINDOWS))
            for shard, file in enumerate(self._files)
        ]

    def _index(self, file: str, windows: int) -> NDArray[np.uint64]:
        where = f"{self._folder}: {file}"
        path = self._folder / file
        if not path.is_file() or path.stat().st_size == 0:
            message = "expected a shard of windows, got no bytes"
            raise CorruptDataError(Problem("chunk-missing", where, message, REPAIR))
        with decoding(where, "a shard index"), path.open("rb") as raw:
            raw.seek(max(0, path.stat().st_size - _INDEX_BYTES - _SUM_BYTES))
            stored = raw.read()
        index, stated = stored[:_INDEX_BYTES], stored[_INDEX_BYTES:]
        if crc32c(index).to_bytes(_SUM_BYTES, "little") != stated:
            message = "expected a shard index that fits its CRC-32C, got damaged bytes"
            raise CorruptDataError(Problem("shard-index", where, message, REPAIR))
        pairs = np.frombuffer(index, "<u8").reshape(-1, 2)[:windows]
        absent = np.flatnonzero(pairs[:, 0] == _ABSENT)
        if len(absent):
            message = f"expected {windows} windows, got none for number {absent[0]} ({len(absent)} missing)"
            raise CorruptDataError(Problem("chunk-missing", where, message, REPAIR))
        return pairs

    def place(self, window: int) -> str:
        """Say which file and bytes hold a window."""
        shard, number = divmod(window, SHARD_WINDOWS)
        offset, length = (int(n) for n in self._indexes[shard][number])
        return f"{self._files[shard]}, bytes {offset} to {offset + length}"

    def find_damage(self) -> None:
        """Compare every window's stored bytes with the CRC-32C that ends them.

        Raises
        ------
        CorruptDataError
            Names the first window that differs, its file and its bytes.
        """
        for shard, (file, pairs) in enumerate(zip(self._files, self._indexes, strict=True)):
            content = (self._folder / file).read_bytes()
            for number, (offset, length) in enumerate(pairs.tolist()):
                body, stated = content[offset : offset + length - _SUM_BYTES], content[: offset + length][-_SUM_BYTES:]
                found = crc32c(body)
                if len(stated) != _SUM_BYTES or found.to_bytes(_SUM_BYTES, "little") != stated:
                    window = shard * SHARD_WINDOWS + number
                    where = f"{self._folder}: {file}: window {window} (bytes {offset} to {offset + length})"
                    message = f"expected CRC-32C {int.from_bytes(stated, 'little'):08x}, got {found:08x}"
                    raise CorruptDataError(Problem("payload-checksum", where, message, REPAIR))
