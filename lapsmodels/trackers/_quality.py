"""What can be said of tracks without a truth, summed up window by window in memory that does not grow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lapsdata.schema.tracks import Agreement, BackError, Measured, TrackQuality

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lapsmodels.trackers._protocol import TrackedWindow, Tracker

__all__ = ["COUNTED_PX", "STATIC_BELOW_PX", "Calibration", "QualityMeter", "textured"]

STATIC_BELOW_PX = 0.5
"""A point that stays within this distance of its beginning, over its whole window, is static."""

COUNTED_PX = 8.0
"""What the error of a position counts as at most, in working pixels, in the mean that is estimated."""

# Quantiles come from counts per bin, each one hundredth wide, and are told by its middle in three digits: exact to one
# percent, whatever the length.
_FINEST_PX, _COARSEST_PX = 1e-4, 1e5
_EDGES = np.geomspace(_FINEST_PX, _COARSEST_PX, 1 + round(np.log(_COARSEST_PX / _FINEST_PX) / np.log(1.01)))

# Single positions that are lost altogether must not be all that a mean tells: in working pixels, they count as this.
_FARTHEST_PX = 16.0
# Below this, in working pixels or as a share, a measure tells nothing more.
_LEAST = 0.01
# From the mean distance of two trackers to that from the truth, in working pixels; fitted as calibrations are.
_AGREED_SCALE, _AGREED_POWER = 0.9, 0.975

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


class Calibration(NamedTuple):
    """From what can be measured of a tracker without a truth to how far it is off, all in working pixels.

    The estimate is `scale * (b + 0.01) ** back_power * (u + 0.01) ** unseen_power` for the mean backward error b of
    visible positions, each at most 16 px, and the share u of positions that are not visible. Fitted, by least squares
    of the logarithms, to rendered scenes of many textures, noises, blurs, speeds and shakes
    (`benchmarks/bench_expected_error.py`).

    Examples
    --------
    >>> law = Calibration(scale=2.0, back_power=1.0, unseen_power=0.0)
    >>> round(law.error_px(back_px=0.49, unseen=0.2), 6)
    1.0
    """

    scale: float
    back_power: float
    unseen_power: float

    def error_px(self, back_px: float, unseen: float) -> float:
        """Return the expected error, working pixel."""
        return float(self.scale * (back_px + _LEAST) ** self.back_power * (unseen + _LEAST) ** self.unseen_power)


class QualityMeter:
    """Adds up windows, in source pixels, and tells their quality.

    Parameters
    ----------
    calibration : Calibration, optional
        That of the tracker; without one, and with no other tracker to compare, no error is estimated.
    px : float, source pixel
        Side of a working pixel.

    Examples
    --------
    >>> QualityMeter().quality() is None
    True
    """

    def __init__(self, calibration: Calibration | None = None, px: float = 1.0) -> None:
        self._calibration, self._px = calibration, px
        self._back, self._backs = 0.0, 0
        self._apart, self._pairs, self._claimed = 0.0, 0, 0
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
        measured = ~np.isnan(window.back_error_px)
        told = np.minimum(window.back_error_px[vis & measured].astype(np.float64), _FARTHEST_PX * self._px)
        self._back, self._backs = self._back + float(told.sum()), self._backs + told.size
        errors = window.back_error_px[measured]
        self._bins += np.bincount(np.searchsorted(_EDGES, errors), minlength=len(self._bins))

    def compare(self, window: TrackedWindow, other: TrackedWindow) -> None:
        """Take the same window as another tracker has followed it, from the same points."""
        both = (window.vis & other.vis)[1:]
        apart = np.linalg.norm(window.tracks[1:][both] - other.tracks[1:][both], axis=-1).astype(np.float64)
        self._apart += float(np.minimum(apart, _FARTHEST_PX * self._px).sum())
        self._pairs, self._claimed = self._pairs + apart.size, self._claimed + int(window.vis[1:].sum())

    def look(self, has_texture: NDArray[np.bool_]) -> None:
        """Take which points of a window have texture: bool (N,), see `textured`."""
        self._judged += len(has_texture)
        self._textured += int(has_texture.sum())

    def quality(self, compared: Tracker | None = None) -> TrackQuality | None:
        """Return the quality; None without a window.

        Parameters
        ----------
        compared : Tracker, optional
            Whose windows were compared.
        """
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
            agreement=None if compared is None else self._agreement(compared),
            expected_error_px=self._expected_error(),
        )

    def _agreement(self, other: Tracker) -> Agreement | None:
        if not self._pairs:
            return None
        return Agreement(
            tracker=other.name,
            version=other.version,
            positions=self._pairs,
            share=self._pairs / self._claimed,
            mean_px=self._apart / self._pairs,
            at_most_px=_FARTHEST_PX * self._px,
        )

    def _expected_error(self) -> float | None:
        """Return what the backward errors say, what the other tracker says, or their geometric mean."""
        said = []
        if self._calibration is not None and self._backs:
            unseen = 1 - self._visible / self._positions
            said.append(self._calibration.error_px(self._back / self._backs / self._px, unseen))
        if self._pairs:
            said.append(_AGREED_SCALE * (self._apart / self._pairs / self._px + _LEAST) ** _AGREED_POWER)
        # No mean of errors that count as at most 8 is more than that.
        return min(float(np.exp(np.mean(np.log(said)))), COUNTED_PX) * self._px if said else None

    def _quantile(self, share: float) -> float:
        at = int(np.searchsorted(np.cumsum(self._bins), share * self._bins.sum()))
        if at == 0:
            return 0.0
        middle = np.sqrt(_EDGES[at - 1] * _EDGES[min(at, len(_EDGES) - 1)])
        return float(f"{middle:.3g}")


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
