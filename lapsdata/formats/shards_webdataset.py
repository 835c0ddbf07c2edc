"""Shards of tracks as WebDataset tars: `shard-000000.tar` ..., `shards.json`, and sealed tables of places and times.

The archives open with the `webdataset` library, and with `tar`, as they are; one sample is one window::

    import webdataset as wds

    windows = (
        wds.WebDataset("clips.shards/shard-{000000..000007}.tar", shardshuffle=False)
        .decode()
        .to_tuple("tracks.npy", "vis.npy", "json")
    )
    for tracks, vis, told in windows:  # float32 (T, N, 2) pixel xy, bool (T, N), dict
        told["video"], told["step_s"]  # name, seconds of each frame

Where views are named, endings are `<view>.tracks.npy`. What that pipeline reads is not verified; what `ShardsFolder`
and `stream_shard` read is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lapsdata.containers.shards import Shards
from lapsdata.formats._format import Format, WriteReport, check_container
from lapsdata.formats._shards_check import stream_shard
from lapsdata.formats._shards_reader import ShardsFolder, is_shards_folder
from lapsdata.formats._shards_remote import RemoteShards
from lapsdata.formats._shards_writer import SAMPLES_PER_SHARD, ShardsWriter
from lapsdata.provenance import warn_of_other_code
from lapsdata.storage.seal import check_verify

if TYPE_CHECKING:
    from pathlib import Path

    from lapsdata.schema.shards import ShardsHeader
    from lapsdata.storage.seal import Verify

__all__ = ["PLUGIN", "RemoteShards", "ShardsFolder", "ShardsWriter", "read", "read_header", "stream_shard", "write"]


def write(
    path: Path, container: Shards, *, samples_per_shard: int = SAMPLES_PER_SHARD, overwrite: bool = False
) -> WriteReport:
    """Write the tracks of many videos to one folder of shards, all or nothing.

    For more videos than fit into memory, see `ShardsWriter`, which writes the same bytes.

    Parameters
    ----------
    path : Path
    container : Shards
    samples_per_shard : int
        Windows in every archive but the last.
    overwrite : bool
        Whether an existing folder of shards may be replaced.

    Raises
    ------
    StorageError
        The target exists, or the file system refused.
    SchemaError
        No shards, or an option at fault.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from lapsdata.testing.samples import sample_shards
    >>> target = pathlib.Path(tempfile.mkdtemp()) / "clips.shards"
    >>> write(target, sample_shards()).format
    'shards_webdataset'
    """
    check_container(container, Shards, path)
    header = container.header
    with ShardsWriter(path, samples_per_shard=samples_per_shard, overwrite=overwrite) as out:
        for tracks in container.tracks:
            out.add(tracks)
        return out.finish(header.provenance, header.policies, **(header.model_extra or {}))


def read(path: Path, *, verify: Verify = "first") -> Shards:
    """Read a folder of shards, whole: every video.

    Parameters
    ----------
    path : Path
    verify : {"first", "always", "never"}
        Unless "never", every archive is compared with its digest, and every array with its checksum.

    Raises
    ------
    StorageError
        Nothing is there, or it may not be read.
    SchemaError
        It is no folder of shards.
    CorruptDataError
        Anything that is not as it was written.
    FormatTooNewError
        Written by a newer major version.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from lapsdata.testing.samples import sample_shards
    >>> target = pathlib.Path(tempfile.mkdtemp()) / "clips.shards"
    >>> report = write(target, sample_shards())
    >>> len(read(target).tracks)
    2
    """
    check_verify(verify)
    folder = ShardsFolder(path)
    header = folder.header
    warn_of_other_code(header.provenance, str(path))
    good = verify != "never"
    if good:
        for shard in range(len(folder.shards)):
            folder.check(shard)
    return Shards(header, tuple(folder.tracks(video, verify=good) for video in range(len(folder.headers))))


def read_header(path: Path) -> ShardsHeader:
    """Read what a folder of shards holds; of the archives, only that they are there and of their sizes."""
    header = ShardsFolder(path).header
    warn_of_other_code(header.provenance, str(path))
    return header


def recognises(path: Path) -> bool:
    """Say whether a path is a folder with a `shards.json` of ours."""
    return is_shards_folder(path)


PLUGIN = Format(
    "shards_webdataset", "shards", "webdataset", (".shards",), Shards, recognises, read, write, None, read_header
)
