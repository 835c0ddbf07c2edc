"""Tracks in Zarr v3: `root/<view>/{tracks,vis}` sharded by 256 windows, one window per inner chunk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lapsdata.containers.tracks import Tracks
from lapsdata.formats._format import Format, WriteReport, check_container, open_header
from lapsdata.formats._rounding import Profile, rounding_step
from lapsdata.formats._tracks import tracks_from_arrays
from lapsdata.formats._tracks_index import TracksIndex, index_tracks
from lapsdata.formats._tracks_writer import TracksLayout, TracksWriter, plan_tracks, write_tracks
from lapsdata.schema.tracks import TracksHeader
from lapsdata.storage.seal import check_verify
from lapsdata.storage.sealed_zarr import SealedZarr, is_sealed_zarr
from lapsdata.storage.sealed_zarr_writer import sealed_zarr_writer

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from pydantic import JsonValue

    from lapsdata.storage.seal import StoredArray, Verify, WindowArray
    from lapsdata.storage.sealed_zarr_writer import ZarrWriter

__all__ = ["PLUGIN", "read", "read_header", "write", "writer"]


def write(
    path: Path,
    container: Tracks,
    *,
    profile: Profile = "raw",
    round_px: float | Literal["none"] | None = None,
    overwrite: bool = False,
) -> WriteReport:
    """Write tracks to one Zarr folder, all or nothing.

    Parameters
    ----------
    path : Path
    container : Tracks
    profile : {"raw", "compact"}
        `compact`: rounded to `round_px` (confidence to 1/256), byte shuffle, Zstandard 3.
    round_px : float, "none" or None, pixel
        For `compact`: "none" is lossless, None is the default of 1/64.
    overwrite : bool
        Whether an existing folder may be replaced.

    Raises
    ------
    StorageError
        The target exists, or the file system refused.
    SchemaError
        No tracks, or an option at fault.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from lapsdata.testing.samples import sample_tracks
    >>> target = pathlib.Path(tempfile.mkdtemp()) / "clip.zarr"
    >>> report = write(target, sample_tracks(), profile="compact")
    >>> report.largest_error_px <= 1 / 128 + 1e-6
    True
    """
    check_container(container, Tracks, path)
    header = container.header
    points = {view: facts.points for view, facts in header.views.items()}
    announced: dict[str, Any] = {"windows": len(container), "horizon": header.horizon, "confidence": header.confidence}
    options: dict[str, Any] = {"profile": profile, "round_px": round_px, "overwrite": overwrite}
    return write_tracks(writer(path, views=points, **announced, **options), container)


def writer(
    path: Path,
    *,
    views: Mapping[str, int],
    windows: int,
    horizon: int,
    confidence: bool = False,
    profile: Profile = "raw",
    round_px: float | Literal["none"] | None = None,
    overwrite: bool = False,
) -> TracksWriter:
    """Return what writes tracks to one Zarr folder; windows are held until they fill a shard.

    Parameters
    ----------
    path : Path
    views : dict of int
        Number of points N, by view.
    windows, horizon : int
        W and T.
    confidence : bool
        Whether each position has a confidence.
    profile, round_px, overwrite
        See `write`.

    Raises
    ------
    SchemaError
        A number, name or option at fault.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from lapsdata.testing.samples import sample_tracks
    >>> target, tracks = pathlib.Path(tempfile.mkdtemp()) / "clip.zarr", sample_tracks(windows=2)
    >>> with writer(target, views={"default": 5}, windows=2, horizon=4) as out:
    ...     for w in range(2):
    ...         out.append("default", tracks.tracks["default"][w : w + 1], tracks.vis["default"][w : w + 1])
    ...     report = out.finish(tracks.header, tracks.start_index, tracks.frame_s)
    >>> read(target).equals(tracks)
    True
    """
    plan, step = plan_tracks(views, windows, horizon, confidence), rounding_step(profile, round_px)

    def store(arrays: dict[str, WindowArray]) -> AbstractContextManager[ZarrWriter]:
        return sealed_zarr_writer(path, arrays, profile=profile, overwrite=overwrite)

    def finish(
        opened: ZarrWriter, header: TracksHeader, facts: dict[str, JsonValue], times: dict[str, StoredArray]
    ) -> None:
        opened.finish(header.as_json(), facts, times)

    return TracksWriter(path, plan, TracksLayout(PLUGIN.name, np.bool_, "", store, finish, profile, step))


def read(path: Path, *, verify: Verify = "first") -> Tracks:
    """Read a tracks folder of ours, whole; see `lapsdata.formats.tracks_hdf5.read`."""
    check_verify(verify)
    store = SealedZarr(path)
    header = open_header(TracksHeader, store.header, path)

    def array(name: str) -> Any:  # noqa: ANN401 - any array
        return store.read(name, verify=verify != "never")

    return tracks_from_arrays(header, store.names, array, times="", where=str(path))


def read_header(path: Path) -> TracksHeader:
    """Read the header of a tracks folder of ours; of the windows, only that they have their place."""
    store = SealedZarr(path)
    store.check_shards()
    return open_header(TracksHeader, store.header, path)


def index(path: Path) -> TracksIndex:
    """Say where the windows of a tracks folder of ours lie; see `Format.index`."""
    store = SealedZarr(path)
    return index_tracks(open_header(TracksHeader, store.header, path), store.small, store.source, times="")


def recognises(path: Path) -> bool:
    """Say whether a path is a Zarr group with a header of ours for tracks."""
    return is_sealed_zarr(path, "lapsdata.tracks")


PLUGIN = Format(
    "tracks_zarr",
    "tracks",
    "zarr",
    (".zarr",),
    Tracks,
    recognises,
    read,
    write,
    writer=writer,
    read_header=read_header,
    index=index,
)
