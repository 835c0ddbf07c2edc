"""Tracks in Zarr v3: `root/<view>/{tracks,vis}` sharded by 256 windows, one window per inner chunk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lapsdata.containers.tracks import Tracks
from lapsdata.formats._format import Format, WriteReport, check_container, open_header, size_on_disk
from lapsdata.formats._rounding import Profile, rounding_step
from lapsdata.formats._tracks import tracks_from_arrays, tracks_to_arrays
from lapsdata.schema.tracks import TracksHeader
from lapsdata.storage.seal import check_verify
from lapsdata.storage.sealed_zarr import SealedZarr, is_sealed_zarr, write_sealed_zarr

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic import JsonValue

    from lapsdata.storage.seal import Verify

__all__ = ["PLUGIN", "read", "write"]


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
        `compact`: rounded to `round_px`, byte shuffle, Zstandard 3.
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
    step = rounding_step(profile, round_px)
    facts: dict[str, JsonValue] = {"profile": profile, "round_px": step}
    arrays, largest = tracks_to_arrays(container, step, vis_dtype=np.bool_, times="")
    write_sealed_zarr(path, container.header.as_json(), facts, arrays, profile=profile, overwrite=overwrite)
    return WriteReport(path, PLUGIN.name, size_on_disk(path), largest)


def read(path: Path, *, verify: Verify = "first") -> Tracks:
    """Read a tracks folder of ours, whole; see `lapsdata.formats.tracks_hdf5.read`."""
    check_verify(verify)
    store = SealedZarr(path)
    header = open_header(TracksHeader, store.header, path)

    def array(name: str) -> Any:  # noqa: ANN401 - any array
        return store.read(name, verify=verify != "never")

    return tracks_from_arrays(header, store.names, array, times="", where=str(path))


def recognises(path: Path) -> bool:
    """Say whether a path is a Zarr group with a header of ours for tracks."""
    return is_sealed_zarr(path, "lapsdata.tracks")


PLUGIN = Format("tracks_zarr", "tracks", "zarr", (".zarr",), Tracks, recognises, read, write)
