"""Shards: the tracks of many videos, all of one shape."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lapsdata.containers.base import Container, checked_header
from lapsdata.containers.tracks import Tracks
from lapsdata.errors import Problem, SchemaError
from lapsdata.schema.shards import ShardsHeader, shape_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = ["Shards"]


@dataclass(frozen=True, eq=False, repr=False)
class Shards(Container):
    """The tracks of one or more videos that have views, points, horizon and confidence in common.

    Parameters
    ----------
    header : ShardsHeader
        Holds the header of each video.
    tracks : tuple of Tracks
        By number of the video.

    Raises
    ------
    SchemaError
        Not as many tracks as the header has videos, or others.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_shards
    >>> shards = sample_shards()
    >>> len(shards), len(shards.tracks)
    (5, 2)
    """

    header: ShardsHeader
    tracks: tuple[Tracks, ...]

    def __post_init__(self) -> None:
        self._freeze(header=checked_header(self.header, ShardsHeader))
        given: object = self.tracks
        if not isinstance(given, tuple) or not all(isinstance(item, Tracks) for item in given):
            message = f"expected a tuple of Tracks, got {type(given).__name__}"
            raise SchemaError(Problem("wrong-container", "shards: tracks", message, "use tuple(...)"))
        if tuple(item.header for item in self.tracks) != self.header.videos:
            message = f"expected the tracks of the header's {len(self.header.videos)} videos, got {len(given)} others"
            raise SchemaError(Problem("wrong-header", "shards: tracks", message, "take videos from their headers"))

    def __len__(self) -> int:
        """Return the number of windows of all videos."""
        return sum(len(item) for item in self.tracks)

    def arrays(self) -> Iterator[tuple[str, NDArray[Any]]]:
        """Yield every array of every video, named `<number>/<view>/<field>`."""
        for number, item in enumerate(self.tracks):
            yield from ((f"{number}/{name}", array) for name, array in item.arrays())

    def columns(self) -> Iterator[tuple[str, tuple[object, ...]]]:
        """Yield nothing: there are no columns of texts."""
        yield from ()

    def facts(self) -> dict[str, str]:
        """Return what one wants to know at a glance."""
        names = [header.video.name for header in self.header.videos]
        shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        seconds = sum(float(item.span_s[-1, 1] - item.span_s[0, 0]) for item in self.tracks if len(item.frame_s) > 1)
        return {
            "videos": f"{len(names)}: {shown}",
            "windows": f"{len(self)} of {shape_of(self.header.videos[0])}",
            "time": f"{seconds:.3f} s in all",
        }
