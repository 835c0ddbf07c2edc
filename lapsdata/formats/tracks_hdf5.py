"""Tracks in HDF5, as AMPLIFY and LAPS read them: `root/<view>/{tracks,vis}`, with ours beside it.

`vis` is float32 0/1 on disk; `root/<view>` has the attributes `height` and `width`; times are in `lapsdata/`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lapsdata.containers.tracks import Tracks
from lapsdata.errors import Problem, SchemaError
from lapsdata.formats._format import Format, WriteReport, check_container, open_header, size_on_disk
from lapsdata.formats._rounding import Profile, rounding_step
from lapsdata.formats._tracks import reader_notes, tracks_from_arrays, tracks_to_arrays
from lapsdata.schema.tracks import TracksHeader
from lapsdata.storage.seal import check_verify
from lapsdata.storage.sealed_hdf5 import Chunking, SealedHdf5, hdf5_header, write_sealed_hdf5

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic import JsonValue

    from lapsdata.storage.seal import Verify

__all__ = ["PLUGIN", "read", "write"]

_TIMES = "lapsdata/"


def write(
    path: Path,
    container: Tracks,
    *,
    profile: Profile = "raw",
    round_px: float | Literal["none"] | None = None,
    chunking: Chunking | None = None,
    overwrite: bool = False,
) -> WriteReport:
    """Write tracks to one HDF5 file, all or nothing.

    Parameters
    ----------
    path : Path
    container : Tracks
    profile : {"raw", "compact"}
        `compact`: rounded to `round_px`, one chunk per window, shuffle, gzip 4, fletcher32.
    round_px : float, "none" or None, pixel
        For `compact`: "none" is lossless, None is the default of 1/64.
    chunking : {"contiguous", "windows"} or None
        How `raw` lies in the file; None is "contiguous". `compact` always has one chunk per window.
    overwrite : bool
        Whether an existing file may be replaced.

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
    >>> target = pathlib.Path(tempfile.mkdtemp()) / "clip.h5"
    >>> report = write(target, sample_tracks())
    >>> read(target).equals(sample_tracks())
    True
    """
    check_container(container, Tracks, path)
    step = rounding_step(profile, round_px)
    facts: dict[str, JsonValue] = {"profile": profile, "round_px": step}
    arrays, largest = tracks_to_arrays(container, step, vis_dtype=np.float32, times=_TIMES)
    header = container.header
    sizes = {f"root/{v}": {"height": f.size.height, "width": f.size.width} for v, f in sorted(header.views.items())}
    write_sealed_hdf5(
        path,
        header.as_json(),
        facts,
        arrays,
        sizes,
        profile=profile,
        chunking=_chunking(profile, chunking),
        overwrite=overwrite,
    )
    return WriteReport(path, PLUGIN.name, size_on_disk(path), largest, reader_notes(header))


def _chunking(profile: str, chunking: str | None) -> Chunking:
    """Return how arrays lie in the file, after checking that the profile leaves the choice.

    Raises
    ------
    SchemaError
        An unknown word, or one that the profile does not allow.
    """
    allowed: tuple[Chunking, ...] = ("windows",) if profile == "compact" else ("contiguous", "windows")
    if chunking is None:
        return allowed[0]
    for known in allowed:
        if chunking == known:
            return known
    message = f"expected one of {allowed} with profile {profile!r}, got {chunking!r}"
    raise SchemaError(Problem("wrong-value", "chunking", message))


def read(path: Path, *, verify: Verify = "first") -> Tracks:
    """Read a tracks file of ours, whole.

    Parameters
    ----------
    path : Path
    verify : {"first", "always", "never"}
        Whether windows are compared with their checksums; header, times and structure always are. Reading a whole
        file touches every window for the first time, so "first" is "always" here.

    Raises
    ------
    StorageError
        Nothing is there, or it may not be read.
    UnknownFormatError
        Not a file of ours.
    CorruptDataError
        Anything that is not as it was written.
    FormatTooNewError
        Written by a newer major version.
    """
    check_verify(verify)
    with SealedHdf5(path) as file:
        header = open_header(TracksHeader, file.header, path)

        def array(name: str) -> Any:  # noqa: ANN401 - any array
            return file.read(name, verify=verify != "never")

        return tracks_from_arrays(header, file.names, array, times=_TIMES, where=str(path))


def recognises(path: Path) -> bool:
    """Say whether a path is an HDF5 file with a header of ours for tracks."""
    header = hdf5_header(path)
    return header is not None and header.get("format") == "lapsdata.tracks"


PLUGIN = Format("tracks_hdf5", "tracks", "hdf5", (".h5", ".hdf5"), Tracks, recognises, read, write)
