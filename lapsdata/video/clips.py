"""Write some frames of a video as a clip of its own, whatever their size."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lapsdata.video.writer import write_video

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    Image = NDArray[np.uint8]

__all__ = ["write_clip"]


def write_clip(path: Path, times: NDArray[np.float64], images: Iterable[Image], *, overwrite: bool = False) -> int:
    """Write a clip that begins at 0 s; pictures of odd sides have their last line or column doubled.

    Parameters
    ----------
    path, overwrite
        As `lapsdata.video.writer.write_video`.
    times : array, shape (F,), float64, seconds
        Of the frames in the source.
    images : iterable of array, shape (H, W, 3), uint8, RGB

    Returns
    -------
    int
        Pictures that had to be made even, since the codec wants even sides.

    Raises
    ------
    LapsError
        As `lapsdata.video.writer.write_video`.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> clip = pathlib.Path(tempfile.mkdtemp()) / "clip.mp4"
    >>> write_clip(clip, np.array([3.0, 3.1]), [np.zeros((47, 64, 3), np.uint8)] * 2)
    2
    """
    padded = 0

    def even() -> Iterator[Image]:
        nonlocal padded
        for image in images:
            height, width = image.shape[0] % 2, image.shape[1] % 2
            padded += bool(height or width)
            yield np.pad(image, ((0, height), (0, width), (0, 0)), mode="edge") if height or width else image

    write_video(path, even(), times - times[0], overwrite=overwrite)
    return padded
