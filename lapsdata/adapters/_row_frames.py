"""Frames that stand in rows, as pixels or as files of images, one after the other: each camera has one size."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lapsdata.adapters._hdf5_episodes import episode_names
from lapsdata.errors import Problem, SchemaError
from lapsdata.video.row_images import decoded_image

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from lapsdata.containers import Episodes
    from lapsdata.schema import Camera
    from lapsdata.storage.episode_rows import EpisodeRows

__all__ = ["RowFrames"]

# So many at a time: a chunk of a file often holds many.
_BLOCK, _BLOCK_BYTES = 64, 1 << 26


class RowFrames:
    """Reads and decodes the frames of whole episodes.

    Parameters
    ----------
    folder : Path
        What the files of the episodes are relative to.
    episodes : Episodes
    rows : EpisodeRows
        Of the same episodes.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lapsdata.adapters.robomimic import read
    >>> from lapsdata.storage.episode_rows import EpisodeRows
    >>> from lapsdata.testing.demo_files import write_robomimic
    >>> path = write_robomimic(pathlib.Path(tempfile.mkdtemp()) / "demo.hdf5", images=True)
    >>> episodes = read(path).container
    >>> frames = RowFrames(path.parent, episodes, EpisodeRows(path.parent, episodes))
    >>> [frame.shape for frame in frames.of(0, episodes.header.cameras[0])][:1]
    [(48, 64, 3)]
    """

    def __init__(self, folder: Path, episodes: Episodes, rows: EpisodeRows) -> None:
        self._folder, self._rows = folder, rows
        self._counts, self._called = episodes.rows.tolist(), episode_names(episodes)
        self._shapes: dict[str, tuple[int, ...]] = {}

    def of(self, place: int, camera: Camera) -> Iterator[NDArray[np.uint8]]:
        """Yield the frames of a camera in an episode: (H, W, 3) uint8 RGB, as large as the first one of all that came.

        Raises
        ------
        SchemaError
            A frame of another size; see `EpisodeRows.values` for others.
        CorruptDataError, StorageError
            Images that cannot be decoded, or rows that cannot be read.
        """
        pixels = 3 * camera.size.width * camera.size.height if camera.size is not None else 1
        block = max(1, min(_BLOCK, _BLOCK_BYTES // pixels))
        for first in range(0, self._counts[place], block):
            until = min(first + block, self._counts[place])
            for row, value in enumerate(self._rows.values(place, camera.name, first, until), first):
                where = f"{self._folder}: {self._called[place]}: {camera.name}: row {row}"
                frame = value if isinstance(value, np.ndarray) else decoded_image(value, self._folder, where)
                known = self._shapes.setdefault(camera.name, frame.shape)
                if frame.shape != known:
                    wanted, got = (f"{width}x{height}" for height, width, _ in (known, frame.shape))
                    message = f"expected {wanted} as the first frame of the camera, got {got}"
                    raise SchemaError(Problem("unlike-frames", where, message, "record them at one size"))
                yield frame
