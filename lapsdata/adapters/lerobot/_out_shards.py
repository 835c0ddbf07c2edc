"""Shards of episodes: files of version 2.1 put into tar archives, one sample for each episode, and a catalog of them.

    meta/info.json           as in 2.1; patterns lead into the archives
    meta/episodes.parquet    the catalog: a row for each episode; `shards/*` say where its sample lies
    meta/shards.json         sealed: the archives and their digests
    shard-000000.tar         000000000.json, 000000000.rows.parquet, 000000000.<camera>.mp4, 000000001.json ...

The archives open with the `webdataset` library as they are.
"""

from __future__ import annotations

import contextlib
import hashlib
import mmap
import shutil
from typing import TYPE_CHECKING, Any

from lapsdata.adapters.lerobot._out_meta import write_json
from lapsdata.adapters.lerobot.info import CATALOG, DATA_V2, INFO, SHARD, SHARDS, VIDEO_V2, read_json
from lapsdata.formats._shards_files import shard_name
from lapsdata.provenance import parent, path_digest, provenance
from lapsdata.schema import EpisodeSample, EpisodeShards
from lapsdata.schema.base import canonical_json
from lapsdata.schema.episode_shards import FileBeside
from lapsdata.schema.shards import ShardFile
from lapsdata.storage.atomic import storage_errors
from lapsdata.storage.sealed_json import write_sealed_json
from lapsdata.storage.tarfiles import TarWriter
from lapsdata.timebase import frame_to_s

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from lapsdata.adapters.lerobot.reading import LeRobotSet

__all__ = ["pack"]

DATA_PACKED = "shard-{shard:06d}.tar/{episode_index:09d}.rows.parquet"
VIDEO_PACKED = "shard-{shard:06d}.tar/{episode_index:09d}.{video_key}.mp4"

# As large as readers of object stores like them: a second or two of a network, hundreds of episodes.
_SHARD_BYTES = 256 << 20


def pack(
    root: Path, found: LeRobotSet, episodes: Sequence[Mapping[str, Any]], samples_per_shard: int | None = None
) -> None:
    """Put the files of a set of version 2.1, which was just written, into archives; each goes when it is in one.

    Parameters
    ----------
    root : Path
        The folder of the set; `info.json` is there already.
    found : LeRobotSet
        What it was made of.
    episodes : sequence of mapping
        What is told of each episode: the lines of `episodes.jsonl`.
    samples_per_shard : int, optional
        Episodes in every archive but the last; by default an archive ends before the one that would bring it over
        256 MiB.
    """
    info = read_json(root / INFO)
    rate, cameras = found.episodes.header.rate, tuple(found.episodes.video_index)
    tars = _Tars(root, samples_per_shard)
    rows = []
    with storage_errors(root, "write"), contextlib.closing(tars):
        for one in episodes:
            number = one["episode_index"]
            place = {"episode_chunk": number // info["chunks_size"], "episode_index": number}
            told = EpisodeSample(episode_index=number, length=one["length"], rate=rate, tasks=tuple(one["tasks"]))
            files = {"rows.parquet": root / DATA_V2.format(**place)}
            files |= {f"{camera}.mp4": root / VIDEO_V2.format(video_key=camera, **place) for camera in cameras}
            there = {ending: path for ending, path in files.items() if path.is_file()}
            lies = tars.add(f"{number:09d}", canonical_json(told.as_json()), there)
            beside = {"duration_s": float(frame_to_s(one["length"], rate)), "split": _split_of(info["splits"], number)}
            rows.append({**one, **lies, **{f"shards/{name}": value for name, value in beside.items()}})
            for path in there.values():
                path.unlink()
        shards = tars.finish()
        for folder in (root / "data", root / "videos"):
            if folder.is_dir():
                shutil.rmtree(folder)
        (root / "meta/episodes.jsonl").unlink()
        catalog = _write_catalog(root / CATALOG, rows)
    _write_info(root, cameras)
    made = provenance(parents=[parent("info", found.root / INFO)])
    record = EpisodeShards(
        provenance=made,
        cameras=cameras,
        episodes=len(rows),
        shards=tuple(shards),
        catalog=catalog,
        beside=_beside(root / CATALOG),
    )
    write_sealed_json(root / SHARDS, record)


def _write_catalog(path: Path, rows: Sequence[Mapping[str, Any]]) -> ShardFile:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.Table.from_pylist(list(rows)), path)
    return ShardFile(name=path.name, size=path.stat().st_size, digest=path_digest(path), rows=len(rows))


def _beside(catalog: Path) -> tuple[FileBeside, ...]:
    """Return what else lies in the folder of the catalog."""
    folder = catalog.parent
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path != catalog)
    return tuple(
        FileBeside(name=path.relative_to(folder).as_posix(), size=path.stat().st_size, digest=path_digest(path))
        for path in files
    )


def _write_info(root: Path, cameras: Sequence[str]) -> None:
    told = read_json(root / INFO)
    write_json(root / INFO, {**told, "data_path": DATA_PACKED, "video_path": VIDEO_PACKED if cameras else None})


def _split_of(splits: Mapping[str, str], number: int) -> str | None:
    """Return the split of an episode, of what `info.json` says of them: `{"train": "0:80"}`."""
    for name, span in splits.items():
        first, stop = map(int, span.split(":"))
        if first <= number < stop:
            return name
    return None


class _Tars:
    """Archives that are filled one after the other."""

    def __init__(self, root: Path, most: int | None) -> None:
        self._root, self._most = root, most
        self._open: _OpenTar | None = None
        self._done: list[ShardFile] = []

    def add(self, key: str, told: bytes, files: Mapping[str, Path]) -> dict[str, Any]:
        """Write a sample, and return where it lies, as columns of the catalog."""
        tar = self._tar(sum(path.stat().st_size for path in files.values()))
        begin = tar.writer.at
        tar.sample = hashlib.sha256()
        tar.writer.add(f"{key}.json", told)
        for ending, path in files.items():
            with _mapped(path) as content:
                tar.writer.add(f"{key}.{ending}", content)
        tar.samples += 1
        lies = {SHARD: len(self._done), "shards/offset": begin, "shards/nbytes": tar.writer.at - begin}
        return {**lies, "shards/digest": f"sha256:{tar.sample.hexdigest()}"}

    def _tar(self, coming: int) -> _OpenTar:
        tar = self._open
        full = tar is not None and (
            tar.writer.at + coming > _SHARD_BYTES if self._most is None else tar.samples == self._most
        )
        if full:
            self._end()
        if self._open is None:
            self._open = _OpenTar(self._root / shard_name(len(self._done)))
        return self._open

    def finish(self) -> list[ShardFile]:
        """End the last archive, and return all of them."""
        self._end()
        return self._done

    def _end(self) -> None:
        if self._open is not None:
            self._done.append(self._open.finish())
            self._open = None

    def close(self) -> None:
        """Let go of an archive that was not ended."""
        if self._open is not None:
            self._open.file.close()


class _OpenTar:
    def __init__(self, path: Path) -> None:
        self.path, self.samples = path, 0
        self._whole, self.sample = hashlib.sha256(), hashlib.sha256()
        """Of all bytes; and of those since the one who writes has begun a sample."""
        self.file = path.open("wb")
        self.writer = TarWriter(self._write)

    def _write(self, data: bytes | memoryview) -> None:
        self._whole.update(data)
        self.sample.update(data)
        self.file.write(data)

    def finish(self) -> ShardFile:
        size = self.writer.finish()
        self.file.close()
        return ShardFile(name=self.path.name, size=size, digest=f"sha256:{self._whole.hexdigest()}", rows=self.samples)


@contextlib.contextmanager
def _mapped(path: Path) -> Iterator[memoryview]:
    """Give the bytes of a file without reading them at once."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as held:
        view = memoryview(held)
        try:
            yield view
        finally:
            view.release()
