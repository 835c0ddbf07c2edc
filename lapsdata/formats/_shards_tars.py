"""Samples on their way into tar archives of equal numbers of samples, and the rows that say where they lie."""

from __future__ import annotations

import contextlib
import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.formats._shards_files import shard_name
from lapsdata.formats._shards_parts import KeptParts, Part, kept_parts, save_part
from lapsdata.formats._shards_rows import SampleRows
from lapsdata.formats._shards_sample import room_for, sample_key, spelled_sample
from lapsdata.schema.shards import ShardFile
from lapsdata.storage.atomic import flush
from lapsdata.storage.seal import crc32c
from lapsdata.storage.tar_arrays import npy_header, plain_bytes
from lapsdata.storage.tarfiles import TarWriter

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import BinaryIO

    from numpy.typing import NDArray
    from pydantic import JsonValue

    from lapsdata.formats._shards_tables import SampleTable
    from lapsdata.schema.shards import ShardedArray

__all__ = ["SampleTars"]

_NO_SUM = "00000000"


class SampleTars:
    """Writes samples into `shard-000000.tar`, `shard-000001.tar` ..., one archive open at a time.

    Parameters
    ----------
    folder : Path
    fields : dict of ShardedArray
        Arrays of every sample, by field.
    per_shard : int
        Samples of every archive but the last.
    resumable : bool
        Whether each whole archive is written down, with its rows, for a later writer; what an earlier one has written
        down is taken over. Everything else in the folder is then removed.
    """

    def __init__(
        self, folder: Path, fields: Mapping[str, ShardedArray], per_shard: int, *, resumable: bool = False
    ) -> None:
        self._folder, self._per_shard, self._resumable = folder, per_shard, resumable
        self._headers = {name: npy_header(field.shape, np.dtype(field.dtype)) for name, field in fields.items()}
        self._described: dict[str, dict[str, JsonValue]] = {
            name: {"shape": list(field.shape), "dtype": field.dtype} for name, field in fields.items()
        }
        self._rows = SampleRows(fields)
        self._room = 0
        self._open: _OpenTar | None = None
        parts, self.refused = kept_parts(folder, list(fields)) if resumable else KeptParts()
        """Archives of an earlier writer that are written again, since the first of them is not as it was written."""
        self.shards: list[ShardFile] = [part.shard for part in parts]
        """Archives that are finished."""
        for part in parts:
            self._rows.extend(part.samples)
        self.kept: SampleTable = self._rows.table()
        """The samples that an earlier writer has left."""
        self.largest_error_px = parts[-1].largest_error_px if parts else 0.0
        """By how much a position differs from its source at most; for the caller to raise."""

    def next_video(self, facts: dict[str, JsonValue]) -> None:
        """Say what the JSON of the first sample of the next video says, but for its key and arrays.

        All JSON of a video takes the room that its first one needs, so that its samples lie at equal distances.
        """
        described: dict[str, JsonValue] = {name: {**told, "crc32c": _NO_SUM} for name, told in self._described.items()}
        steps = facts["step_s"]
        first = spelled_sample({**facts, "key": _key_of(facts), "arrays": described}, 0)
        self._room = room_for(first, len(steps) if isinstance(steps, list) else 0)

    def add(self, facts: dict[str, JsonValue], arrays: Mapping[str, NDArray[Any]]) -> None:
        """Write a sample.

        Parameters
        ----------
        facts : dict
            What `ShardSample` says, but for key and arrays.
        arrays : dict of array
            By field, of the shapes and dtypes announced.
        """
        tar = self._open = self._open or _OpenTar(self._folder / shard_name(len(self.shards)), len(self._rows))
        key = _key_of(facts)
        begin = tar.writer.at
        described: dict[str, JsonValue] = {}
        for name, values in arrays.items():
            header, payload = self._headers[name], plain_bytes(values)
            checksum = crc32c(payload)
            described[name] = {**self._described[name], "crc32c": f"{checksum:08x}"}
            offset = tar.writer.add(f"{key}.{name}.npy", header, payload) + len(header)
            self._rows.add_field(name, offset, len(payload), checksum)
        document: dict[str, JsonValue] = {**facts, "key": key, "arrays": described}
        tar.writer.add(f"{key}.json", spelled_sample(document, self._room))
        self._note(begin, tar.writer.at, facts)
        tar.samples += 1
        if tar.samples == self._per_shard:
            self._close()

    def _note(self, begin: int, end: int, facts: Mapping[str, Any]) -> None:
        row = {"shard": len(self.shards), "offset": begin, "length": end - begin, "video": facts["video_number"]}
        self._rows.add(row | {name: facts[name] for name in ("window", "start_index")}, facts["start_s"])

    def finish(self) -> SampleTable:
        """End the last archive; return the row of every sample."""
        self._close()
        return self._rows.table()

    def _close(self) -> None:
        if self._open is None:
            return
        shard, begin = self._open.finish(), self._open.begin
        self.shards.append(shard)
        self._open = None
        if self._resumable:
            flush(self._folder / shard.name)
            save_part(self._folder, len(self.shards) - 1, Part(shard, self._rows.table(begin), self.largest_error_px))

    def abandon(self) -> None:
        """Remove the archive that is open."""
        if self._open is not None:
            # What it still holds may be what could not be written.
            with contextlib.suppress(OSError):
                self._open.file.close()
            self._open.path.unlink(missing_ok=True)
            self._open = None


def _key_of(facts: Mapping[str, Any]) -> str:
    return sample_key(int(facts["video_number"]), int(facts["window"]))


class _OpenTar:
    def __init__(self, path: Path, begin: int) -> None:
        self.path, self.begin, self._hash = path, begin, hashlib.sha256()
        self.file: BinaryIO = path.open("wb")
        self.writer = TarWriter(self._write)
        self.samples = 0

    def _write(self, data: bytes | memoryview) -> None:
        self._hash.update(data)
        self.file.write(data)

    def finish(self) -> ShardFile:
        size = self.writer.finish()
        self.file.close()
        return ShardFile(name=self.path.name, size=size, digest=f"sha256:{self._hash.hexdigest()}", rows=self.samples)
