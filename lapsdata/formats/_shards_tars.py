"""Samples on their way into tar archives of equal numbers of samples, and the rows that say where they lie."""

from __future__ import annotations

import contextlib
import hashlib
from array import array
from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.formats._shards_sample import room_for, sample_key, spelled_sample
from lapsdata.formats._shards_tables import FieldRows, SampleTable
from lapsdata.schema.shards import ShardFile
from lapsdata.storage.seal import crc32c
from lapsdata.storage.tar_arrays import npy_header, plain_bytes
from lapsdata.storage.tarfiles import TarWriter

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import BinaryIO

    from numpy.typing import NDArray
    from pydantic import JsonValue

    from lapsdata.schema.shards import ShardedArray

__all__ = ["SampleTars", "digest_of", "shard_name"]


def shard_name(number: int) -> str:
    """Return the name of a shard, from 0.

    Examples
    --------
    >>> shard_name(0)
    'shard-000000.tar'
    """
    return f"shard-{number:06d}.tar"


class SampleTars:
    """Writes samples into `shard-000000.tar`, `shard-000001.tar` ..., one archive open at a time.

    Parameters
    ----------
    folder : Path
    fields : dict of ShardedArray
        Arrays of every sample, by field.
    per_shard : int
        Samples of every archive but the last.
    """

    def __init__(self, folder: Path, fields: Mapping[str, ShardedArray], per_shard: int) -> None:
        self._folder, self._per_shard = folder, per_shard
        self._headers = {name: npy_header(field.shape, np.dtype(field.dtype)) for name, field in fields.items()}
        self._described: dict[str, dict[str, JsonValue]] = {
            name: {"shape": list(field.shape), "dtype": field.dtype} for name, field in fields.items()
        }
        parts = [f"{name}:{part}" for name in fields for part in ("offset", "length", "crc32c")]
        plain = ("shard", "offset", "length", "video", "window", "start_index")
        self._rows = {name: array("q") for name in (*plain, *parts)}
        self._start_s = array("d")
        self._room = 0
        self._open: _OpenTar | None = None
        self.shards: list[ShardFile] = []
        """Archives that are finished."""

    def next_video(self) -> None:
        """Say that the next sample is the first of another video: the room for JSON is found anew."""
        self._room = 0

    def add(self, facts: dict[str, JsonValue], arrays: Mapping[str, NDArray[Any]]) -> None:
        """Write a sample.

        Parameters
        ----------
        facts : dict
            What `ShardSample` says, but for key and arrays.
        arrays : dict of array
            By field, of the shapes and dtypes announced.
        """
        tar = self._open = self._open or _OpenTar(self._folder / shard_name(len(self.shards)))
        key = sample_key(*(int(facts[name]) for name in ("video_number", "window")))  # type: ignore[arg-type]
        begin = tar.writer.at
        described: dict[str, JsonValue] = {}
        for name, values in arrays.items():
            header, payload = self._headers[name], plain_bytes(values)
            checksum = crc32c(payload)
            described[name] = {**self._described[name], "crc32c": f"{checksum:08x}"}
            offset = tar.writer.add(f"{key}.{name}.npy", header, payload) + len(header)
            for part, value in (("offset", offset), ("length", len(payload)), ("crc32c", checksum)):
                self._rows[f"{name}:{part}"].append(value)
        document: dict[str, JsonValue] = {**facts, "key": key, "arrays": described}
        tar.writer.add(f"{key}.json", self._spell(document))
        self._note(begin, tar.writer.at, facts)
        tar.samples += 1
        if tar.samples == self._per_shard:
            self._close()

    def _spell(self, document: dict[str, JsonValue]) -> bytes:
        if not self._room:
            steps = document["step_s"]
            self._room = room_for(spelled_sample(document, 0), len(steps) if isinstance(steps, list) else 0)
        return spelled_sample(document, self._room)

    def _note(self, begin: int, end: int, facts: Mapping[str, Any]) -> None:
        row = {"shard": len(self.shards), "offset": begin, "length": end - begin, "video": facts["video_number"]}
        for name, value in (row | {name: facts[name] for name in ("window", "start_index")}).items():
            self._rows[name].append(value)
        self._start_s.append(facts["start_s"])

    def finish(self) -> SampleTable:
        """End the last archive; return the row of every sample."""
        self._close()
        rows = {name: np.frombuffer(values, np.int64) for name, values in self._rows.items()}
        fields = {
            name: FieldRows(rows[f"{name}:offset"], rows[f"{name}:length"], rows[f"{name}:crc32c"].astype(np.uint32))
            for name in self._headers
        }
        return SampleTable(
            rows["shard"].astype(np.int32),
            rows["offset"],
            rows["length"],
            rows["video"].astype(np.int32),
            rows["window"],
            rows["start_index"],
            np.frombuffer(self._start_s, np.float64),
            fields,
        )

    def _close(self) -> None:
        if self._open is not None:
            self.shards.append(self._open.finish())
            self._open = None

    def abandon(self) -> None:
        """Close the archive that is open, as it is."""
        if self._open is not None:
            # What it still holds may be what could not be written: it is going to be removed.
            with contextlib.suppress(OSError):
                self._open.file.close()
            self._open = None


class _OpenTar:
    def __init__(self, path: Path) -> None:
        self._path, self._hash = path, hashlib.sha256()
        self.file: BinaryIO = path.open("wb")
        self.writer = TarWriter(self._write)
        self.samples = 0

    def _write(self, data: bytes | memoryview) -> None:
        self._hash.update(data)
        self.file.write(data)

    def finish(self) -> ShardFile:
        size = self.writer.finish()
        self.file.close()
        return ShardFile(name=self._path.name, size=size, digest=f"sha256:{self._hash.hexdigest()}", rows=self.samples)


def digest_of(path: Path) -> str:
    """Return the digest of a file, as headers spell it."""
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
