"""Tracks in HDF5, as AMPLIFY and LAPS read them: `root/<view>/{tracks,vis}`, with ours beside it.

`vis` is float32 0/1 on disk; `root/<view>` has the attributes `height` and `width`; times are in `lapsdata/`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lapsdata.containers.tracks import Tracks
from lapsdata.errors import Problem, SchemaError
from lapsdata.formats._format import Format, WriteReport, check_container, open_header
from lapsdata.formats._rounding import Profile, rounding_step
from lapsdata.formats._tracks import reader_notes, tracks_from_arrays
from lapsdata.formats._tracks_index import TracksIndex, index_tracks
from lapsdata.formats._tracks_writer import TracksLayout, TracksWriter, plan_tracks, write_tracks
from lapsdata.schema.tracks import TracksHeader
from lapsdata.storage.seal import check_verify
from lapsdata.storage.sealed_hdf5 import SealedHdf5, hdf5_header
from lapsdata.storage.sealed_hdf5_writer import Chunking, sealed_hdf5_writer

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from pydantic import JsonValue

    from lapsdata.storage.seal import StoredArray, Verify, WindowArray
    from lapsdata.storage.sealed_hdf5_writer import Hdf5Writer

__all__ = ["PLUGIN", "read", "read_header", "write", "writer"]

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
        `compact`: rounded to `round_px` (confidence to 1/256), one chunk per window, shuffle, gzip 4, fletcher32.
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
    header = container.header
    points = {view: facts.points for view, facts in header.views.items()}
    announced: dict[str, Any] = {"windows": len(container), "horizon": header.horizon, "confidence": header.confidence}
    options: dict[str, Any] = {"profile": profile, "round_px": round_px, "chunking": chunking, "overwrite": overwrite}
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
    chunking: Chunking | None = None,
    overwrite: bool = False,
) -> TracksWriter:
    """Return what writes tracks to one HDF5 file window by window.

    Parameters
    ----------
    path : Path
    views : dict of int
        Number of points N, by view.
    windows, horizon : int
        W and T.
    confidence : bool
        Whether each position has a confidence.
    profile, round_px, chunking, overwrite
        See `write`.

    Raises
    ------
    SchemaError
        A number, name or option at fault.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from lapsdata.testing.samples import sample_tracks
    >>> target, tracks = pathlib.Path(tempfile.mkdtemp()) / "clip.h5", sample_tracks(windows=2)
    >>> with writer(target, views={"default": 5}, windows=2, horizon=4) as out:
    ...     for w in range(2):
    ...         out.append("default", tracks.tracks["default"][w : w + 1], tracks.vis["default"][w : w + 1])
    ...     report = out.finish(tracks.header, tracks.start_index, tracks.frame_s)
    >>> read(target).equals(tracks)
    True
    """
    plan = plan_tracks(views, windows, horizon, confidence)
    step, lies = rounding_step(profile, round_px), _chunking(profile, chunking)

    def store(arrays: dict[str, WindowArray]) -> AbstractContextManager[Hdf5Writer]:
        return sealed_hdf5_writer(path, arrays, profile=profile, chunking=lies, overwrite=overwrite)

    def finish(
        opened: Hdf5Writer, header: TracksHeader, facts: dict[str, JsonValue], times: dict[str, StoredArray]
    ) -> None:
        sizes = {f"root/{v}": {"height": f.size.height, "width": f.size.width} for v, f in sorted(header.views.items())}
        opened.finish(header.as_json(), facts, times, sizes)

    layout = TracksLayout(PLUGIN.name, np.float32, _TIMES, store, finish, profile, step, reader_notes)
    return TracksWriter(path, plan, layout)


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


def read_header(path: Path) -> TracksHeader:
    """Read the header of a tracks file of ours; see `lapsdata.formats.read_header`."""
    with SealedHdf5(path) as file:
        return open_header(TracksHeader, file.header, path)


def index(path: Path) -> TracksIndex:
    """Say where the windows of a tracks file of ours lie; see `Format.index`."""
    with SealedHdf5(path) as file:
        return index_tracks(open_header(TracksHeader, file.header, path), file.small, file.source, times=_TIMES)


def recognises(path: Path) -> bool:
    """Say whether a path is an HDF5 file with a header of ours for tracks."""
    header = hdf5_header(path)
    return header is not None and header.get("format") == "lapsdata.tracks"


PLUGIN = Format(
    "tracks_hdf5",
    "tracks",
    "hdf5",
    (".h5", ".hdf5"),
    Tracks,
    recognises,
    read,
    write,
    writer=writer,
    read_header=read_header,
    index=index,
)
