"""Contact sheets of robot episodes: the first frame of each, as each camera saw it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lapsdata.errors import CorruptDataError, Problem, SchemaError
from lapsdata.report.layout import Cell, Label, lay_out, paint, resized
from lapsdata.report.tile_grid import TileGrid

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from lapsdata.containers import Episodes
    from lapsdata.geometry import FrameSize

    Image = npt.NDArray[np.uint8]

__all__ = ["episode_sheet"]

_USUAL = 12
_LEAST_PX = 240
# Letters of a title under the picture of one camera.
_TITLE = 34
_BLANK = 235


def episode_sheet(
    root: Path, episodes: Episodes, *, columns: int | None = None, rows: int | None = None
) -> npt.NDArray[np.uint8]:
    """Return one picture of a data set: a cell for each episode, with its first frame of every camera.

    Under each frame stand its camera and the rows of the episode, under each cell its number and first task. A camera
    that has no video of an episode is a blank picture that says so.

    Parameters
    ----------
    root : Path
        Folder of the data set.
    episodes : Episodes
    columns, rows : int, optional
        1 to 100; by default 12 episodes, spread over all.

    Returns
    -------
    numpy.ndarray, shape (H, W, 3), uint8, RGB

    Raises
    ------
    SchemaError
        No camera is a video; `columns` or `rows` is out of range.
    LapsError
        A video cannot be opened, ends before an episode begins, or its frame cannot be decoded.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lapsdata.adapters import find_adapter
    >>> from lapsdata.testing.episode_sets import write_lerobot
    >>> root = write_lerobot(pathlib.Path(tempfile.mkdtemp()) / "set", videos=True)
    >>> episode_sheet(root, find_adapter(root)[0].read(root).container, columns=3).shape
    (272, 784, 3)
    """
    cameras = [name for name, index in episodes.video_index.items() if (index >= 0).any()]
    if not cameras:
        message = "expected a camera whose frames are a video, got none"
        raise SchemaError(Problem("no-picture", str(root), message, "leave out --png"))
    grid = TileGrid(columns, rows)
    places = episodes.spread(grid.count(_USUAL))
    first = [list(_first_frames(root, episodes, camera, places)) for camera in cameras]
    sizes = [_size(frames) for frames in first]
    cells = [_cell(episodes, cameras, place) for place in places]
    layout = lay_out(sizes, cells, grid, enlarge_px=_LEAST_PX)
    by_cell = [frame for cell in zip(*first, strict=True) for frame in cell]
    tiles = (tile.size for tile in layout.tiles)
    return paint(
        layout, (_blank(size) if one is None else resized(one, size) for one, size in zip(by_cell, tiles, strict=True))
    )


def _first_frames(root: Path, episodes: Episodes, camera: str, places: Sequence[int]) -> Iterator[Image | None]:
    """Yield the first frame of each episode; None where there is no video of it."""
    from lapsdata.video.reader import open_video

    index, start_s = episodes.video_index[camera], episodes.video_start_s[camera]
    for place in places:
        if index[place] < 0:
            yield None
            continue
        path = root / episodes.video_files[int(index[place])]
        with open_video(path) as video:
            frame_s = video.facts.frame_s
            if start_s[place] - frame_s[-1] > episodes.header.rate.period_s / 2:
                message = (
                    f"expected a frame at {start_s[place]:.4g} s, where episode {int(episodes.number[place])} begins, "
                    f"got frames of {frame_s[0]:.4g} to {frame_s[-1]:.4g} s"
                )
                fix = "leave out the episode, or record its video again"
                raise CorruptDataError(Problem("fewer-frames", str(path), message, fix))
            yield video.at_index(int(np.abs(frame_s - start_s[place]).argmin())).image


def _size(frames: Sequence[Image | None]) -> FrameSize:
    """Return the size of the first frame of a camera that is there."""
    from lapsdata.geometry import FrameSize

    known = [frame for frame in frames if frame is not None]
    return FrameSize.from_shape(known[0].shape) if known else FrameSize(width=4, height=3)


def _blank(size: FrameSize) -> Image:
    return np.full((*size.shape, 3), _BLANK, np.uint8)


def _cell(episodes: Episodes, cameras: Sequence[str], place: int) -> Cell:
    words = {task.number: task.words for task in episodes.header.tasks}
    tasks = [words[int(number)] for number in episodes.tasks_of(place)]
    there = [episodes.video_index[camera][place] >= 0 for camera in cameras]
    short = [camera.rpartition(".")[2] for camera in cameras]
    rows = f"{int(episodes.rows[place])} rows"
    labels = tuple(Label(name, rows if seen else "no video") for name, seen in zip(short, there, strict=True))
    told = f"episode {int(episodes.number[place])}" + (f": {tasks[0]}" if tasks else "")
    room = _TITLE * len(cameras)
    return Cell(labels, Label(told if len(told) <= room else f"{told[: room - 3]}..."))
