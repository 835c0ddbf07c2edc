"""Where the windows of a tracks file lie, without reading them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from lapsdata.schema.tracks import TracksHeader
    from lapsdata.storage.pieces import Source

__all__ = ["TracksIndex", "index_tracks"]


@dataclass(frozen=True, eq=False)
class TracksIndex:
    """A tracks file whose header and times are known, and whose windows have their place.

    Parameters
    ----------
    header : TracksHeader
    start_index : int64 (W,)
    frame_s : float64 (F,), seconds
    source_index : int64 (F,) or None
    sources : mapping of mapping of Source
        By view, then by `tracks`, `vis` and, where the header says so, `confidence`.
    """

    header: TracksHeader
    start_index: NDArray[Any]
    frame_s: NDArray[Any]
    source_index: NDArray[Any] | None
    sources: Mapping[str, Mapping[str, Source]]


def index_tracks(
    header: TracksHeader, small: Callable[[str], NDArray[Any] | None], source: Callable[[str], Source], *, times: str
) -> TracksIndex:
    """Put together what the HDF5 and the Zarr form have in common.

    Parameters
    ----------
    header : TracksHeader
    small : callable
        Gives a small array by its name; None where there is none.
    source : callable
        Says where a big array lies.
    times : str
        What stands before the names of the times.
    """
    fields = ("tracks", "vis", *(("confidence",) if header.confidence else ()))
    sources = {view: {field: source(f"root/{view}/{field}") for field in fields} for view in sorted(header.views)}
    start_index, frame_s = small(times + "start_index"), small(times + "frame_s")
    if start_index is None or frame_s is None:
        raise KeyError(times)
    return TracksIndex(header, start_index, frame_s, small(times + "source_index"), sources)
