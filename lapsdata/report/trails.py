"""Point paths drawn on a picture: a trail per point that moves, a dot per point that stays, rings for hidden ones.

Positions are drawn to a fraction of a pixel, with the centre of the top-left pixel at (0, 0). What lies outside of
the picture is left out and never moved onto its border.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lapsdata.errors import Problems, SchemaError
from lapsdata.geometry import FrameSize, PixelArea, PixelMap
from lapsdata.report.strokes import lines, stamp

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    Image = npt.NDArray[np.uint8]
    FloatArray = npt.NDArray[np.float64]
    BoolArray = npt.NDArray[np.bool_]

__all__ = ["MOVING_PX", "MOVING_SHARE", "draw_trails", "point_colours"]

MOVING_PX, MOVING_SHARE = 2.0, 1 / 200
"""A point stays that comes no further from its first position: so many pixels, or that share of the diagonal."""

# Lightness and chroma of all colours in CIELAB (0 to 100): every hue is as well seen, on dark and on light.
_LIGHTNESS, _CHROMA = 74.0, 62.0
# Hues of the left and right edge, in degrees, and by how much the bottom differs from the top.
_HUE_FROM, _HUE_OVER, _LIGHTER = 20.0, 290.0, 16.0
# Opacity of the oldest part of a trail (the newest covers) in so many steps, of a hidden part, of a dot's dark seam.
_OLDEST, _LEVELS, _HIDDEN, _SEAM = 0.4, 5, 0.3, 0.6
_DARK, _GREY = np.array([0, 0, 0], np.uint8), np.array([200, 200, 200], np.uint8)
# Thickness of a trail in radii of its dot.
_THICK = 0.45
# Radius of a dot: as a share of the distance between neighbours, its bounds, and a still one's against a moving one's.
_DOT, _DOT_PX, _STILL = 0.13, (1.3, 4.0), 0.55


def point_colours(xy: npt.NDArray[np.floating], area: PixelArea) -> Image:
    """Return the colour that stands for each place of an area: hue from left to right, lightness from top to bottom.

    Parameters
    ----------
    xy : numpy.ndarray, shape (N, 2), float, pixel, centre of the top-left pixel = (0, 0)
        Places; those outside of the area have the colour of its border.
    area : PixelArea

    Returns
    -------
    numpy.ndarray, shape (N, 3), uint8, RGB

    Examples
    --------
    >>> point_colours(np.array([[0.0, 0.0], [99.0, 0.0]]), PixelArea(x=0, y=0, width=100, height=50)).shape
    (2, 3)
    """
    import cv2

    sides = np.array([area.width, area.height], np.float64)
    share = np.clip((np.asarray(xy, np.float64) - (area.x, area.y) + 0.5) / sides, 0.0, 1.0)
    hue = np.deg2rad(_HUE_FROM + _HUE_OVER * share[:, 0])
    lab = np.stack(
        [_LIGHTNESS + _LIGHTER * (0.5 - share[:, 1]), _CHROMA * np.cos(hue), _CHROMA * np.sin(hue)], axis=-1
    ).astype(np.float32)
    if not len(lab):  # which OpenCV refuses
        return np.empty((0, 3), np.uint8)
    rgb = cv2.cvtColor(lab[np.newaxis], cv2.COLOR_LAB2RGB)[0]
    return np.asarray(np.rint(np.clip(rgb, 0.0, 1.0) * 255.0), np.uint8)


def draw_trails(
    image: Image,
    tracks: npt.NDArray[np.float32],
    vis: BoolArray,
    *,
    size: FrameSize | None = None,
    area: PixelArea | None = None,
) -> Image:
    """Draw where points went, up to the last given step.

    A point that moves has a trail, faint where it is old, and a dot at its last position; a point that comes no
    further than 2 pixels, or 1/200 of the frame's diagonal, is a small dot. Where a point is not visible, its trail
    is thin and grey and its dot an empty ring. A position that was not measured (NaN) is not drawn.

    Parameters
    ----------
    image : numpy.ndarray, shape (H, W, 3), uint8, RGB
        What to draw on; it is not changed.
    tracks : numpy.ndarray, shape (T, N, 2), float, pixel xy
        Paths in pixels of a frame of `size`; the centre of the top-left pixel is (0, 0).
    vis : numpy.ndarray, shape (T, N), bool
    size : FrameSize, optional
        Frame that `tracks` refers to, when `image` shows it enlarged or reduced; by default the image's own size.
    area : PixelArea, optional
        Part of that frame over which the colours are spread; by default all of it.

    Returns
    -------
    numpy.ndarray, shape (H, W, 3), uint8, RGB

    Raises
    ------
    SchemaError
        Arrays of other shapes or types.

    Examples
    --------
    >>> paths = np.array([[[10.0, 20.0]], [[30.0, 20.0]]], np.float32)
    >>> drawn = draw_trails(np.zeros((40, 50, 3), np.uint8), paths, np.ones((2, 1), bool))
    >>> bool(drawn[20, 20].any()), bool(drawn[10, 20].any())
    (True, False)
    """
    _check(image, tracks, vis)
    shown = FrameSize.from_shape(image.shape)
    frame = shown if size is None else size
    paths = _Paths.of(tracks, vis, frame, shown, PixelArea.whole(frame) if area is None else area)
    seen, moves, dot_px = paths.vis[-1], paths.moving, paths.dot_px
    drawn = image.copy()
    _dots(drawn, paths, ~moves & seen, _STILL * dot_px)
    _rings(drawn, paths, ~moves & ~seen, _STILL * dot_px)
    if len(paths.xy) > 1:
        drawn = _trails(drawn, paths)
    _dots(drawn, paths, moves & seen, dot_px, dark_px=min(1.0, 0.4 * dot_px))
    _rings(drawn, paths, moves & ~seen, dot_px)
    return drawn


def _check(image: Image, tracks: npt.NDArray[np.float32], vis: BoolArray) -> None:
    found = Problems("draw_trails")
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        found.add("wrong-frame", "image", f"expected (H, W, 3) uint8 RGB, got {image.shape} {image.dtype}")
    if tracks.dtype.kind != "f" or tracks.ndim != 3 or tracks.shape[2] != 2 or len(tracks) == 0:
        found.add("wrong-shape", "tracks", f"expected (T, N, 2) float pixel xy, got {tracks.shape} {tracks.dtype}")
    elif vis.dtype != np.bool_ or vis.shape != tracks.shape[:2]:
        found.add("wrong-shape", "vis", f"expected {tracks.shape[:2]} bool, got {vis.shape} {vis.dtype}")
    found.raise_as(SchemaError)


class _Paths(NamedTuple):
    """Paths in pixels of the picture that is drawn on."""

    xy: FloatArray  # (T, N, 2), NaN where nothing was measured
    vis: BoolArray  # (T, N)
    moving: BoolArray  # (N,)
    colours: Image  # (N, 3)
    dot_px: float

    @classmethod
    def of(
        cls, tracks: npt.NDArray[np.float32], vis: BoolArray, size: FrameSize, shown: FrameSize, area: PixelArea
    ) -> _Paths:
        source = tracks.astype(np.float64)
        measured = np.isfinite(source).all(axis=-1)
        source[~measured] = np.nan
        # A point that was never measured has no first position, and is drawn nowhere.
        first = source[measured.argmax(axis=0), np.arange(source.shape[1])]
        away = np.where(measured, np.hypot(*np.moveaxis(source - first, -1, 0)), 0.0)
        pixels = area.width * area.height * (shown.width * shown.height) / (size.width * size.height)
        dot_px = np.clip(_DOT * np.sqrt(pixels / max(1, source.shape[1])), *_DOT_PX)
        return cls(
            PixelMap.resized(size, shown).to_working(source),
            vis & measured,
            away.max(axis=0) > max(MOVING_PX, MOVING_SHARE * math.hypot(*size.shape)),
            point_colours(np.nan_to_num(first), area),
            float(dot_px),
        )


def _dots(image: Image, paths: _Paths, which: BoolArray, radius: float, *, dark_px: float = 0.0) -> None:
    """Draw a disc at the last position of each chosen point, on a larger dark one if so wide a seam is wanted."""
    for centre, colour in _heads(paths, which):
        if dark_px:
            stamp(image, centre, _DARK, radius + dark_px, opacity=_SEAM)
        stamp(image, centre, colour, radius)


def _rings(image: Image, paths: _Paths, which: BoolArray, radius: float) -> None:
    for centre, colour in _heads(paths, which):
        stamp(image, centre, colour, radius, hollow=True)


def _heads(paths: _Paths, which: BoolArray) -> Iterator[tuple[FloatArray, Image]]:
    last = paths.xy[-1]
    for point in np.flatnonzero(which & np.isfinite(last).all(axis=-1)):
        yield last[point], paths.colours[point]


def _trails(image: Image, paths: _Paths) -> Image:
    """Draw hidden parts, then seen ones, old to new."""
    measured: BoolArray = np.asarray(np.isfinite(paths.xy).all(axis=-1))
    steps = measured[:-1] & measured[1:] & paths.moving
    seen = steps & paths.vis[:-1] & paths.vis[1:]
    thick = max(1, round(_THICK * paths.dot_px))
    image = _steps(image, paths, steps & ~seen, 1, _HIDDEN, _GREY)
    # Each layer holds all that is newer than its start, so that no joint within it is painted twice; together they
    # rise from the opacity of the oldest part to 1.
    starts = np.unique(np.linspace(0, len(seen), _LEVELS, endpoint=False).astype(int))
    clear = np.append(1.0, np.linspace(1.0 - _OLDEST, 0.0, len(starts))) if len(starts) > 1 else np.array([1.0, 0.0])
    for start, (before, after) in zip(starts, pairwise(clear), strict=True):
        newer = seen.copy()
        newer[:start] = False
        image = _steps(image, paths, newer, thick, 1.0 - after / before)
    return image


def _steps(
    image: Image, paths: _Paths, steps: BoolArray, thick: int, opacity: float, colour: Image | None = None
) -> Image:
    """Return the picture with the chosen steps, bool (T - 1, N), drawn from one position to the next."""
    step, point = np.nonzero(steps)
    colours = paths.colours[point] if colour is None else np.broadcast_to(colour, (len(point), 3))
    return lines(image, paths.xy[step, point], paths.xy[step + 1, point], colours, thick, opacity)
