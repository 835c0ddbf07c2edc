"""Tracks from named arrays: what reading the HDF5 and the Zarr form has in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.containers.tracks import Tracks
from lapsdata.errors import CorruptDataError, Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    from lapsdata.schema.tracks import TracksHeader

__all__ = ["reader_notes", "tracks_from_arrays"]


def tracks_from_arrays(
    header: TracksHeader, names: Iterable[str], read: Callable[[str], NDArray[Any]], *, times: str, where: str
) -> Tracks:
    """Build tracks from what a file holds.

    Raises
    ------
    CorruptDataError
        Visibility that is neither 0 nor 1.
    SchemaError
        Arrays that do not fit the header.
    """
    positions, vis, confidence = {}, {}, {}
    for view in header.views:
        positions[view] = read(f"root/{view}/tracks")
        stored = read(f"root/{view}/vis")
        vis[view] = stored.astype(np.bool_)
        if stored.dtype != np.bool_ and not np.array_equal(stored, vis[view]):
            message = "expected 0 or 1 everywhere, got other values"
            raise CorruptDataError(Problem("wrong-visibility", f"{where}: root/{view}/vis", message))
        if header.confidence:
            confidence[view] = read(f"root/{view}/confidence")
    present = set(names)
    source = read(times + "source_index") if times + "source_index" in present else None
    beside = (read(times + "start_index"), read(times + "frame_s"), source)
    return Tracks(header, positions, vis, *beside, confidence if header.confidence else None)


def reader_notes(header: TracksHeader) -> tuple[Problem, ...]:
    """Say what readers that know nothing but `tracks` and `vis` would get wrong."""
    if header.row_is_source_frame:
        return ()
    why = f"stride is {header.stride}" if header.stride != 1 else "the rate was resampled"
    message = f"row w is not source frame w, since {why}; readers of bare AMPLIFY files take it for that"
    fix = "use lapsdata to read times, or write with stride 1 and the source's own rate"
    return (Problem("row-is-not-frame", "tracks", message, fix, severity="info"),)
