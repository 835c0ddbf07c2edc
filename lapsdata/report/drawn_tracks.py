"""Windows of tracks as pictures: where every point went, on the frames that it was tracked in or on a plain ground."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from lapsdata.errors import Problem, Problems, SchemaError, warn, whole_number
from lapsdata.geometry import FrameSize, PixelArea, PixelMap
from lapsdata.report.layout import Cell, Label, lay_out, paint, resized
from lapsdata.report.tile_grid import TileGrid
from lapsdata.report.trails import draw_trails

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    from lapsdata.containers import Tracks
    from lapsdata.report.layout import SheetLayout
    from lapsdata.schema import TracksView

    Image = npt.NDArray[np.uint8]

__all__ = ["Frames", "draw_tracks", "spread_windows", "tracks_layout"]

_USUAL = 6
# Trails of small videos need more room than the video has.
_LEAST_PX = 960
# Levels of the plain ground: outside of the active area, inside, and the line around it.
_BARS, _GROUND, _EDGE = 12, 34, 96
# A frame behind trails is shown so much darker, with so much of its colours, that the colours of the points stand out.
_DIMMED, _COLOURED = 0.68, 0.35


class Frames(Protocol):
    """Pictures by the index of their source frame: a list, an array (F, H, W, 3), a dict."""

    def __getitem__(self, index: int, /) -> Image:
        """Return the uint8 (H, W, 3) RGB picture of a source frame."""
        ...


def draw_tracks(
    tracks: Tracks,
    frames: Frames | Path | str | None = None,
    *,
    windows: Sequence[int] | None = None,
    view: str | None = None,
    columns: int | None = None,
    rows: int | None = None,
) -> Image:
    """Return one picture of several windows, each at its last frame with the way of every point to there.

    A point that moves has a trail and a dot, one that stays is a small dot, one that is not visible a ring; see
    `draw_trails`. Colours stand for the place at which a point begins. Under each
    window stand its number, the times of its first and last frame, and how many points are visible in the latter.

    Parameters
    ----------
    tracks : Tracks
    frames : path or URL, or list, array or dict of uint8 (H, W, 3) RGB, optional
        What is shown behind the points, darker and paler than it is: the video of the tracks, whose content must be
        that which their header names, or pictures by source frame. By default the ground is plain, and the active
        area lighter than what surrounds it.
    windows : sequence of int, optional
        Which windows; by default some that are spread evenly (`spread_windows`).
    view : str, optional
        One view; by default all of them side by side.
    columns, rows : int, optional
        1 to 100; by default up to 6 windows in a shape that suits them.

    Returns
    -------
    numpy.ndarray, shape (H, W, 3), uint8, RGB

    Raises
    ------
    SchemaError
        No such view or window, no windows, another video (`wrong-video`) or one without those frames, frames for
        several views, or a frame of another size.
    LapsError
        The video cannot be opened or decoded.

    Warns
    -----
    LapsWarning
        The tracks name no digest, so that the video is not compared with anything.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_tracks
    >>> draw_tracks(sample_tracks(windows=1)).shape
    (782, 992, 3)
    """
    grid = TileGrid(columns, rows)
    chosen = spread_windows(tracks, grid.count(_USUAL)) if windows is None else _known(tracks, windows)
    views = _views(tracks, view)
    if frames is not None:
        _only(views)
    layout = tracks_layout(tracks, chosen, grid, view=view)
    behind = _frames_behind(tracks, frames, chosen) if isinstance(frames, (str, Path)) else frames

    def pictures() -> Iterator[Image]:
        tiles = iter(layout.tiles)
        for window in chosen:
            ground = None if behind is None else behind[_source_frame(tracks, window)]
            for name in views:
                yield _picture(tracks, window, name, next(tiles).size, ground)

    return paint(layout, pictures())


def spread_windows(tracks: Tracks, count: int) -> list[int]:
    """Return numbers of windows spread evenly from the first to the last: `count`, or all if there are fewer.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_tracks
    >>> spread_windows(sample_tracks(windows=9), 3)
    [0, 4, 8]
    """
    last = len(tracks) - 1
    return np.unique(np.linspace(0, last, count).round().astype(np.int64)).tolist() if count > 1 else [last // 2]


def tracks_layout(tracks: Tracks, windows: Sequence[int], grid: TileGrid, *, view: str | None = None) -> SheetLayout:
    """Return places and labels of the picture that `draw_tracks` paints.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_tracks
    >>> layout = tracks_layout(sample_tracks(), [2], TileGrid())
    >>> [word.text for word in layout.words]
    ['window 2, 0.200 to 0.500 s', '3 of 5 visible']
    """
    views = _views(tracks, view)
    cells = []
    for window in windows:
        times = tracks.step_s[window, [0, -1]]
        title = f"window {window}, {times[0]:.3f} to {times[1]:.3f} s"
        seen = {name: tracks.vis[name][window, -1] for name in views}
        counts = {name: f"{vis.sum()} of {len(vis)} visible" for name, vis in seen.items()}
        if len(views) == 1:
            cells.append(Cell((Label(title, counts[views[0]]),)))
        else:
            cells.append(Cell(tuple(Label(name, text) for name, text in counts.items()), Label(title)))
    return lay_out([_size(tracks.header.views[name]) for name in views], cells, grid, enlarge_px=_LEAST_PX)


def _frames_behind(tracks: Tracks, video: Path | str, windows: Sequence[int]) -> dict[int, Image]:
    """Return the frames of the tracks' own video that are shown for some windows, by source frame."""
    from lapsdata.video.reader import open_video
    from lapsdata.video.sources import source_digest

    expected, got = tracks.header.video.digest, source_digest(video)
    if expected is None:
        warn(f"{video}: the tracks of {tracks.header.video.name} name no digest, so nothing says whether this is it")
    elif expected != got:
        message = f"expected the video of the tracks, {expected}, got {got}"
        fix = f"name the {tracks.header.video.name} that was tracked"
        raise SchemaError(Problem("wrong-video", str(video), message, fix))
    wanted = sorted({_source_frame(tracks, window) for window in _known(tracks, windows)})
    # Frames are named by index: any rate will do for images, which have none.
    with open_video(video, rate=1 if Path(video).is_dir() else None) as reader:
        if wanted[-1] >= reader.facts.frames:
            message = f"expected frame {wanted[-1]}, which the tracks speak of, got {reader.facts.frames} frames"
            raise SchemaError(Problem("too-few-frames", str(video), message, "name the video that was tracked"))
        return {frame.index: frame.image for frame in reader.frames(wanted)}


def _known(tracks: Tracks, windows: Sequence[int]) -> list[int]:
    found = Problems()
    numbers = [whole_number(window) for window in windows]
    if not numbers:
        found.add("empty", "windows", "expected at least one window, got none")
    for given, number in zip(windows, numbers, strict=True):
        if number is None or not 0 <= number < len(tracks):
            found.add("no-such-window", "windows", f"expected 0 to {len(tracks) - 1}, got {given!r}")
    found.raise_as(SchemaError)
    return [number for number in numbers if number is not None]


def _views(tracks: Tracks, view: str | None) -> list[str]:
    known = sorted(tracks.header.views)
    if view is None:
        return known
    if view not in known:
        raise SchemaError(Problem("no-such-view", "view", f"expected one of {', '.join(known)}, got {view!r}"))
    return [view]


def _only(views: Sequence[str]) -> None:
    if len(views) > 1:
        message = f"expected one view that the frames show, got {len(views)}: {', '.join(views)}"
        raise SchemaError(Problem("several-views", "frames", message, "name one: view=..."))


def _source_frame(tracks: Tracks, window: int) -> int:
    """Return the source frame of a window's last step."""
    frame = int(tracks.start_index[window]) + tracks.header.horizon - 1
    return frame if tracks.source_index is None else int(tracks.source_index[frame])


def _size(view: TracksView) -> FrameSize:
    return FrameSize(width=view.size.width, height=view.size.height)


def _picture(tracks: Tracks, window: int, name: str, shown: FrameSize, frame: Image | None) -> Image:
    view = tracks.header.views[name]
    size, area = _size(view), view.active_area.pixels
    if frame is None:
        ground = _plain(shown, PixelMap.resized(size, shown), area)
    elif frame.shape == (*size.shape, 3) and frame.dtype == np.uint8:
        ground = _dimmed(resized(frame, shown))
    else:
        where = f"frame {_source_frame(tracks, window)}"
        message = f"expected ({size.height}, {size.width}, 3) uint8 as view {name} has, got {frame.shape} {frame.dtype}"
        raise SchemaError(Problem("wrong-frame", where, message, "give the frames that were tracked"))
    return draw_trails(ground, tracks.tracks[name][window], tracks.vis[name][window], size=size, area=area)


def _plain(shown: FrameSize, to: PixelMap, area: PixelArea) -> Image:
    """Return a dark ground on which the active area is lighter and has an edge."""
    corners = np.array([[area.x, area.y], [area.right, area.bottom]], np.float64) - 0.5
    (left, top), (right, bottom) = np.rint(to.to_working(corners) + 0.5).astype(int).tolist()
    ground: Image = np.full((*shown.shape, 3), _BARS, np.uint8)
    ground[top:bottom, left:right] = _EDGE
    ground[top + 1 : bottom - 1, left + 1 : right - 1] = _GROUND
    return ground


def _dimmed(picture: Image) -> Image:
    import cv2

    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)[..., np.newaxis].astype(np.float32)
    return np.asarray(np.rint(_DIMMED * (_COLOURED * picture + (1.0 - _COLOURED) * grey)), np.uint8)
