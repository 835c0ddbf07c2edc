"""The tracks of one video, read and verified some windows at a time: whoever goes through all of them holds few."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lapsdata.containers.base import ArrayCheck
from lapsdata.containers.track_windows import check_beside_windows, check_windows
from lapsdata.loading.items import indexed_file
from lapsdata.storage.gather import RowReader

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Self

    from numpy.typing import NDArray

    from lapsdata.formats._tracks_index import TracksIndex

__all__ = ["TrackBlocks"]


class TrackBlocks:
    """Windows of a tracks file of ours, in any order; what `lapsdata.read` would refuse is refused here as well.

    Parameters
    ----------
    path : Path
    index : TracksIndex
        Of that file; see `Format.index`.

    Attributes
    ----------
    header : TracksHeader
    start_index : int64 (W,)
    frame_s : float64 (F,), seconds

    Raises
    ------
    SchemaError
        Times and header contradict each other.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lapsdata import formats
    >>> from lapsdata.testing.samples import sample_tracks
    >>> target = pathlib.Path(tempfile.mkdtemp()) / "clip.zarr"
    >>> _ = formats.write(target, sample_tracks(windows=5))
    >>> with TrackBlocks(target, formats.recognise(target).index(target)) as blocks:
    ...     tracks, vis = blocks.read(3, 5, ["default"])
    >>> len(blocks), tracks.shape, vis.shape
    (5, (2, 1, 4, 5, 2), (2, 1, 4, 5))
    """

    def __init__(self, path: Path, index: TracksIndex) -> None:
        self.header, self.start_index, self.frame_s = index.header, index.start_index, index.frame_s
        check = ArrayCheck("tracks")
        check_beside_windows(check, self.header, self.start_index, self.frame_s, index.source_index)
        check.finish()
        file = indexed_file(path, index, None)
        fields = {name: np.dtype((field.dtype, field.shape)) for name, field in file.spec.items()}
        self._alone = len(self.header.views) == 1
        # Each window is read once.
        self._reader = RowReader(file.pieces, fields, verify="always", io="pread")

    def __len__(self) -> int:
        """Return the number of windows W."""
        return len(self.start_index)

    def read(self, first: int, stop: int, views: list[str]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Return windows of some views: tracks float32 (W, V, T, N, 2), pixel xy, and vis bool (W, V, T, N).

        The views have equally many points.

        Raises
        ------
        CorruptDataError, StorageError
            See `lapsdata.read`.
        SchemaError
            NaN where points are visible, or infinite positions.
        """
        names = [name for view in views for name in self._names(view)]
        batch = self._reader.gather(np.arange(first, stop), fields=names)
        check = ArrayCheck("tracks")
        for view in views:
            tracks, vis = (batch[name] for name in self._names(view)[:2])
            points = self.header.views[view].points
            confidence = batch[self._names(view)[2]] if self.header.confidence else None
            check_windows(check, view, tracks, vis, confidence, horizon=self.header.horizon, points=points)
        check.finish()
        positions, seen = ([batch[self._names(view)[k]] for view in views] for k in range(2))
        if len(views) == 1:
            return positions[0][:, None], seen[0][:, None]
        return np.stack(positions, axis=1), np.stack(seen, axis=1)

    def _names(self, view: str) -> list[str]:
        names = ["tracks", "vis", *(["confidence"] if self.header.confidence else [])]
        return names if self._alone else [f"{name}/{view}" for name in names]

    def close(self) -> None:
        """Close the files."""
        self._reader.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
