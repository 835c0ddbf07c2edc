"""Contact sheets: a video at a glance, in frames spread evenly over its time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lapsdata.report.layout import Cell, Label, lay_out, paint, resized
from lapsdata.report.tile_grid import TileGrid

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    from lapsdata.report.layout import SheetLayout
    from lapsdata.timebase import FrameRate
    from lapsdata.video.facts import VideoFacts

__all__ = ["contact_sheet", "sheet_frames", "sheet_layout"]

_USUAL = 12
# A frame less wide than this leaves no room for its label.
_LEAST_PX = 160


def contact_sheet(
    video: Path | str,
    *,
    columns: int | None = None,
    rows: int | None = None,
    rate: FrameRate | str | float | None = None,
) -> npt.NDArray[np.uint8]:
    """Return one picture of a whole video: frames spread evenly in time, first and last among them.

    Under each frame stand its time in seconds and its index. Frames are upright, keep their aspect, and are shown as
    they were decoded, only smaller, or larger where they are less than 160 pixel wide.

    Parameters
    ----------
    video : Path or str
        File, URL, or folder of images.
    columns, rows : int, optional
        1 to 100; by default 12 frames in a shape that suits them.
    rate : FrameRate, str or number, optional
        Of a folder of images, which carry no time.

    Returns
    -------
    numpy.ndarray, shape (H, W, 3), uint8, RGB

    Raises
    ------
    SchemaError
        `columns` or `rows` is out of range.
    LapsError
        The video cannot be opened, or one of the frames not be decoded; no other takes its place.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from lapsdata.testing.scenes import SceneConfig, render_scene
    >>> clip = Path(tempfile.mkdtemp()) / "clip.mp4"
    >>> render_scene(5, SceneConfig(actions=1)).write_video(clip)
    >>> contact_sheet(clip, columns=3, rows=1).shape
    (302, 1024, 3)
    """
    from lapsdata.video.reader import open_video

    grid = TileGrid(columns, rows)
    with open_video(video, rate=rate) as reader:
        layout = sheet_layout(reader.facts, grid)
        indices = sheet_frames(reader.facts.frame_s, grid)
        size = layout.tiles[0].size
        return paint(layout, (resized(frame.image, size) for frame in reader.frames(indices)))


def sheet_frames(frame_s: npt.NDArray[np.float64], grid: TileGrid) -> npt.NDArray[np.int64]:
    """Return the frames that a sheet shows: those nearest to times spread evenly from the first frame to the last.

    A frame that is nearest to several of these times is shown once, so that a sheet may have fewer pictures than
    places.

    Parameters
    ----------
    frame_s : numpy.ndarray, shape (F,), float64, seconds
        Rising.
    grid : TileGrid

    Returns
    -------
    numpy.ndarray, shape (K,), int64
        Rising indices into `frame_s`.

    Examples
    --------
    >>> sheet_frames(np.array([0.0, 0.1, 0.2, 5.0, 9.9, 10.0]), TileGrid(columns=3, rows=1))
    array([0, 3, 5])
    """
    wanted = np.linspace(frame_s[0], frame_s[-1], grid.count(_USUAL))
    after = np.clip(np.searchsorted(frame_s, wanted), 1, max(len(frame_s) - 1, 1))
    after = np.minimum(after, len(frame_s) - 1)
    before = np.maximum(after - 1, 0)
    nearest = np.where(wanted - frame_s[before] <= frame_s[after] - wanted, before, after)
    return np.unique(nearest).astype(np.int64)


def sheet_layout(facts: VideoFacts, grid: TileGrid) -> SheetLayout:
    """Return places and labels of a video's contact sheet.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from lapsdata.testing.scenes import SceneConfig, render_scene
    >>> from lapsdata.video.probe import probe
    >>> clip = Path(tempfile.mkdtemp()) / "clip.mp4"
    >>> render_scene(5, SceneConfig(actions=1)).write_video(clip)
    >>> [word.text for word in sheet_layout(probe(clip), TileGrid(1, 1)).words]
    ['0.000 s', 'frame 0']
    """
    indices = sheet_frames(facts.frame_s, grid)
    cells = [Cell((Label(f"{facts.frame_s[index]:.3f} s", f"frame {index}"),)) for index in indices]
    return lay_out([facts.size], cells, grid, enlarge_px=_LEAST_PX)
