"""What can be said of tracks without a truth, summed up window by window in memory that does not grow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.schema.tracks import BackError, Measured, TrackQuality

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lapsmodels.trackers._protocol import TrackedWindow

__all__ = ["STATIC_BELOW_PX", "QualityMeter", "textured"]

STATIC_BELOW_PX = 0.5
"""A point that stays within this distance of its beginning, over its whole window, is static."""

# Quantiles come from counts per bin, each one hundredth wide, and are told by its middle in three digits: exact to one
# percent, whatever the length.
_FINEST_PX, _COARSEST_PX = 1e-4, 1e5
_EDGES = np.geomspace(_FINEST_PX, _COARSEST_PX, 1 + round(np.log(_COARSEST_PX / _FINEST_PX) / np.log(1.01)))

# What a patch has to hold: the root of the smaller eigenvalue of the mean structure tensor is the contrast in levels
# per pixel along the direction that shows least. Compression leaves up to about 0.5 on a wall.
_LEAST_CONTRAST = 0.7
# Noise of one squared level adds 12/64 to the mean tensor of Sobel slopes; patches differ by about a third of that.
_OF_NOISE = 12 / 64 * 4 / 3
# No camera is worse than this, in levels; what is, is a fine pattern.
_MOST_NOISE = 8.0
# The median of every fourth line and column is as good as that of all.
_SPARSE = 4
# Blind to planes and edges (Immerkaer 1996, "Fast noise variance estimation"): 36 times the variance of noise.
_WITHOUT_STRUCTURE = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)


def textured(image: NDArray[np.uint8], points: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Tell which points have texture around them, in both directions, that is more than the noise of the picture.

    Parameters
    ----------
    image : uint8 (H, W) or (H, W, 3)
    points : float32 (N, 2), pixel xy of the image

    Returns
    -------
    bool (N,)

    Examples
    --------
    >>> picture = np.zeros((48, 64), np.uint8)
    >>> picture[:, 32:] = np.random.default_rng(0).integers(0, 255, (48, 32))
    >>> textured(picture, np.float32([[8, 20], [50, 20]]))
    array([False,  True])
    """
    import cv2

    from lapsmodels.trackers._slopes import EDGE, least_slopes

    gray: Any = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    least = np.empty(len(points), np.float32)
    least_slopes(cv2.copyMakeBorder(gray, *(EDGE,) * 4, cv2.BORDER_REPLICATE), points, least)
    rest: Any = cv2.filter2D(gray, cv2.CV_32F, _WITHOUT_STRUCTURE)[::_SPARSE, ::_SPARSE]
    noise = min(float(np.median(np.abs(rest))) / 0.6745 / 6, _MOST_NOISE)
    return np.asarray(least >= _LEAST_CONTRAST**2 + _OF_NOISE * noise**2)


class QualityMeter:
    """Adds up windows, in source pixels, and tells their quality.

    Examples
    --------
    >>> QualityMeter().quality() is None
    True
    """

    def __init__(self) -> None:
        self._bins = np.zeros(len(_EDGES) + 1, np.int64)
        self._windows = self._points = 0
        self._visible = self._positions = 0
        self._begun = self._survived = 0
        self._followed = self._static = 0
        self._judged = self._textured = 0

    def add(self, window: TrackedWindow) -> None:
        """Take one window."""
        vis, tracks = window.vis, window.tracks
        self._windows += 1
        self._points += vis.shape[1]
        self._visible += int(vis.sum())
        self._positions += vis.size
        self._begun += int(vis[0].sum())
        self._survived += int((vis[0] & vis[-1]).sum())
        seen = vis.all(axis=0)
        away = np.linalg.norm(tracks[:, seen] - tracks[:1, seen], axis=-1).max(axis=0, initial=0)
        self._followed += int(seen.sum())
        self._static += int((away < STATIC_BELOW_PX).sum())
        errors = window.back_error_px[~np.isnan(window.back_error_px)]
        self._bins += np.bincount(np.searchsorted(_EDGES, errors), minlength=len(self._bins))

    def look(self, has_texture: NDArray[np.bool_]) -> None:
        """Take which points of a window have texture: bool (N,), see `textured`."""
        self._judged += len(has_texture)
        self._textured += int(has_texture.sum())

    def quality(self) -> TrackQuality | None:
        """Return the quality; None without a window."""
        if not self._windows:
            return None
        steps = int(self._bins.sum())
        error = BackError(median=self._quantile(0.5), p95=self._quantile(0.95)) if steps else None
        return TrackQuality(
            measured=Measured(windows=self._windows, points=self._points, steps=steps),
            back_error_px=error,
            survival=_share(self._survived, self._begun),
            visible=self._visible / self._positions,
            static=_share(self._static, self._followed),
            static_below_px=STATIC_BELOW_PX if self._followed else None,
            untextured=_share(self._judged - self._textured, self._judged),
        )

    def _quantile(self, share: float) -> float:
        at = int(np.searchsorted(np.cumsum(self._bins), share * self._bins.sum()))
        if at == 0:
            return 0.0
        middle = np.sqrt(_EDGES[at - 1] * _EDGES[min(at, len(_EDGES) - 1)])
        return float(f"{middle:.3g}")


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
