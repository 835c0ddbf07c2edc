"""Windows of tracks, with the size of their frames: what a `Loader` feeds to a motion tokenizer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.errors import Problem, Problems, SchemaError
from lapsdata.loading import BatchSpec, FieldSpec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from lapsdata.loading import Batch, WindowDataset
    from lapsdata.schema.tracks import TracksHeader

__all__ = ["MotionSource", "stacked"]

_SIZE = "size"


class MotionSource:
    """A `BatchSource` of `tracks` and `vis` of all views, and `size (B, V, 2)`: width and height of their frames.

    Parameters
    ----------
    windows : WindowDataset
        Of files that have headers.

    Raises
    ------
    SchemaError
        Windows of a file without a header, or of views with different numbers of points.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import lapsdata
    >>> from lapsdata.testing.samples import sample_tracks
    >>> target = pathlib.Path(tempfile.mkdtemp()) / "clip.zarr"
    >>> _ = lapsdata.write(target, sample_tracks(windows=5))
    >>> source = MotionSource(lapsdata.open_windows(target))
    >>> len(source), source.views, source.gather(np.array([4]))["size"].tolist()
    (5, ('default',), [[[64.0, 48.0]]])
    """

    def __init__(self, windows: WindowDataset) -> None:
        self.windows = windows
        self.headers: tuple[TracksHeader, ...] = _headers(windows)
        self.views: tuple[str, ...] = tuple(sorted(self.headers[0].views))
        sizes = [[header.views[view].size for view in self.views] for header in self.headers]
        self._sizes = np.array([[(size.width, size.height) for size in of_file] for of_file in sizes], np.float32)
        stored = windows.spec_of([name for names in names_of(self.views) for name in names])
        self._spec = BatchSpec({**stored, _SIZE: FieldSpec((len(self.views), 2), np.dtype(np.float32), "pixel")})

    def __len__(self) -> int:
        """Return the number of windows."""
        return len(self.windows)

    @property
    def spec(self) -> BatchSpec:
        """What a batch holds."""
        return self._spec

    @property
    def fingerprint(self) -> str:
        """What tells these windows from others."""
        return self.windows.fingerprint

    @property
    def videos(self) -> tuple[str, ...]:
        """Names of the videos, each once."""
        files = np.unique(self.windows.files_of(np.arange(len(self))))
        return tuple(dict.fromkeys(self.headers[file].video.name for file in files.tolist()))

    @property
    def horizon(self) -> int:
        """Frames of a window T."""
        return self.headers[0].horizon

    @property
    def points(self) -> int:
        """Points of a view N."""
        return self.headers[0].views[self.views[0]].points

    def require_like(self, other: MotionSource) -> None:
        """Refuse windows that a model of these does not take.

        Raises
        ------
        SchemaError
            Other views, or windows of another length or number of points.
        """
        own, theirs = ((one.views, one.horizon, one.points) for one in (self, other))
        if own != theirs:
            message = f"expected views {own[0]}, {own[1]} frames and {own[2]} points, got {', '.join(map(str, theirs))}"
            raise SchemaError(Problem("unlike-windows", "val", message, "track all videos alike"))

    def only(self, videos: Sequence[str]) -> MotionSource:
        """Return the windows of some videos."""
        return MotionSource(self.windows.subset(videos=videos))

    def gather(
        self,
        ids: NDArray[np.int64],
        *,
        fields: Sequence[str] | None = None,
        out: Mapping[str, NDArray[Any]] | None = None,
        to: str = "numpy",
    ) -> Batch:
        """Return windows as a batch of arrays; see `lapsdata.loading.BatchSource`."""
        if to != "numpy":
            raise SchemaError(Problem("unknown-choice", "to", f"expected 'numpy', got {to!r}", "load it by a Loader"))
        names = list(self._spec.only(fields))
        stored = [name for name in names if name != _SIZE]
        given = None if out is None else {name: array for name, array in out.items() if name != _SIZE}
        batch = self.windows.gather(ids, fields=stored, out=given)
        if _SIZE in names:
            place = None if out is None else out.get(_SIZE)
            batch[_SIZE] = np.take(self._sizes, self.windows.files_of(ids), axis=0, out=place)
        return batch


def names_of(views: Sequence[str]) -> list[tuple[str, str]]:
    """Return the fields of tracks and vis of each view, as `WindowDataset` calls them."""
    if len(views) == 1:
        return [("tracks", "vis")]
    return [(f"tracks/{view}", f"vis/{view}") for view in views]


def stacked(batch: Mapping[str, Tensor], views: Sequence[str]) -> tuple[Tensor, Tensor, Tensor]:
    """Return tracks (B, V, T, N, 2), vis (B, V, T, N) and size (B, V, 2) of a batch of tensors."""
    import torch

    names = names_of(views)
    return (
        torch.stack([batch[tracks] for tracks, _ in names], dim=1),
        torch.stack([batch[vis] for _, vis in names], dim=1),
        batch[_SIZE],
    )


def _headers(windows: WindowDataset) -> tuple[TracksHeader, ...]:
    """Return the headers of all files, of which all have one, and views that a tokenizer can take together."""
    if not len(windows):
        raise SchemaError(Problem("no-windows", "tracks", "expected windows, got none"))
    problems, headers = Problems(), list[Any]()
    for number, header in enumerate(windows.headers):
        if header is None:
            message = "expected tracks of ours, which say how large their frames are, got those of another maker"
            problems.add("no-header", f"file {number}", message, "convert it first: lapsdata convert --size")
            continue
        points = {view: facts.points for view, facts in sorted(header.views.items())}
        if len(set(points.values())) > 1:
            problems.add("unlike-views", header.video.name, f"expected views of equally many points, got {points}")
        headers.append(header)
    problems.raise_as(SchemaError)
    return tuple(headers)
