"""A folder of shards of ours behind a URL: its tables are fetched whole and checked, its archives read by ranges."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lapsdata.errors import CorruptDataError, Problem, Problems, StorageError
from lapsdata.formats._shards_files import shard_name
from lapsdata.formats._shards_reader import ShardsFolder, parse_manifest
from lapsdata.formats._shards_tables import FrameTable, SampleTable
from lapsdata.formats._shards_writer import FRAMES, INDEX, MANIFEST
from lapsdata.storage.index import FileKey
from lapsdata.storage.remote import joined
from lapsdata.storage.remote_index import RemoteIndex
from lapsdata.storage.seal import REPAIR

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from lapsdata.schema.shards import ShardFile, ShardsManifest
    from lapsdata.storage.remote import RemoteFile, RemoteReader, Transfers

__all__ = ["RemoteShards"]

_CHECKED = 1 << 26
"""Bytes of an archive that are read at once for its digest."""


class RemoteShards(ShardsFolder):
    """Shards behind a URL, opened: seals, digests of the tables and sizes of the archives are checked.

    Archives that are there and not in `shards.json` are not looked for: servers do not list their files.

    Parameters
    ----------
    url : str
    reader : RemoteReader

    Raises
    ------
    StorageError
        Nothing is there, or it may not be read.
    SchemaError
        It is no folder of shards.
    CorruptDataError
        A file is of another size, or is not as it was written.
    FormatTooNewError
        Written by a newer major version.
    MissingExtraError
        The library for this kind of URL is not installed.

    Examples
    --------
    >>> import fsspec, pathlib, tempfile
    >>> from lapsdata.formats import write
    >>> from lapsdata.storage.remote import RemoteReader
    >>> from lapsdata.testing.samples import sample_shards
    >>> target = pathlib.Path(tempfile.mkdtemp()) / "clips.shards"
    >>> report = write(target, sample_shards())
    >>> fsspec.filesystem("memory").put(str(target), "/docs/clips.shards", recursive=True)
    >>> folder = RemoteShards("memory://docs/clips.shards", RemoteReader())
    >>> len(folder), folder.read_span(0, 3, 5)["tracks"].shape
    (5, (2, 4, 5, 2))
    """

    def __init__(self, url: str, reader: RemoteReader) -> None:
        self.where, self._reader = url.rstrip("/"), reader
        place = joined(url, MANIFEST)
        manifest = parse_manifest(self._manifest(place), place)
        self._files = self._look(manifest)
        samples = SampleTable.parse(self._table(manifest.index), joined(url, INDEX), list(manifest.fields))
        frames = FrameTable.parse(self._table(manifest.frames), joined(url, FRAMES))
        keys = tuple(FileKey(shard.size, 0, 0) for shard in manifest.shards)
        self._set_up(manifest, keys, samples, frames)

    @property
    def shards(self) -> tuple[Path, ...]:
        """Names of the archives, in order."""
        return tuple(Path(shard.name) for shard in self.manifest.shards)

    def _manifest(self, place: str) -> bytes:
        try:
            return self._reader.whole(place)
        except StorageError as error:
            if error.problems[0].code != "not-found":
                raise
            message = "cannot open: no such file; of what lies behind URLs, folders of shards are read"
            fix = "check the URL, or make shards: lapsdata convert SRC DST --to shards"
            raise StorageError(Problem("not-found", place, message, fix)) from error

    def _look(self, manifest: ShardsManifest) -> tuple[RemoteFile, ...]:
        problems = Problems(self.where)
        for number, shard in enumerate(manifest.shards):
            if shard.name != shard_name(number):
                problems.add("wrong-name", shard.name, f"expected {shard_name(number)}")
        problems.raise_as(CorruptDataError)
        files = self._reader.look([joined(self.where, shard.name) for shard in manifest.shards])
        for shard, file in zip(manifest.shards, files, strict=True):
            if shard.size != file.key.size:
                problems.add("wrong-size", shard.name, f"expected {shard.size} bytes, got {file.key.size}", REPAIR)
        problems.raise_as(CorruptDataError)
        return tuple(files)

    def _table(self, file: ShardFile) -> bytes:
        place = joined(self.where, file.name)
        data = self._reader.whole(place)
        found = f"sha256:{hashlib.sha256(data).hexdigest()}"
        if found != file.digest:
            message = f"expected {file.digest} ({file.size} bytes), got {found} ({len(data)} bytes)"
            raise CorruptDataError(Problem("shard-digest", place, message, REPAIR))
        return data

    def remote_index(self, field: str) -> RemoteIndex:
        """Return where every sample's array lies, with its checksum; see `index`."""
        return RemoteIndex(self.index(field), self._files, self._reader)

    def _bytes(self, extents: Sequence[tuple[int, int, int]]) -> Iterator[NDArray[np.uint8]]:
        wanted = [(self._files[shard], begin, end - begin) for shard, begin, end in extents]
        for data in self._reader.read(wanted):
            yield np.frombuffer(data, np.uint8)

    @property
    def transfers(self) -> Transfers:
        """What was asked of the server in this process."""
        return self._reader.transfers

    def check(self, shard: int) -> None:
        """Compare a whole archive with its digest.

        Raises
        ------
        StorageError
            It cannot be read.
        CorruptDataError
            It is not as it was written.
        """
        file, told = self._files[shard], self.manifest.shards[shard]
        digest = hashlib.sha256()
        for begin in range(0, told.size, _CHECKED):
            (data,) = self._reader.read([(file, begin, min(_CHECKED, told.size - begin))])
            digest.update(data)
        if (found := f"sha256:{digest.hexdigest()}") != told.digest:
            message = f"expected {told.digest}, got {found}"
            raise CorruptDataError(Problem("shard-digest", file.url, message, REPAIR))

    def close(self) -> None:
        """Close connections and threads; what is read later opens what it needs."""
        self._reader.close()
