"""Windows in which nothing moves, found before the work on them is done: by their pixels, or by their tracks.

Both rules and their constants are LAPS's (arXiv 2511.21428): a window is left out where the mean is low *and* few
pixels or points are above a limit. What is left out has no energy; it is never 0.0. The constants are made for pictures
that move in large parts: of scenes in which an arm alone moves they leave out most (`benchmarks/results/gates.json`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

__all__ = ["PixelChange", "PixelChangeMeter", "gated_by_motion", "gated_by_pixels", "pixel_change"]

# Frames are compared at this shorter side, in pixels: noise is averaged away, and so is the time that it takes.
_SHORTER = 128


class PixelChange(NamedTuple):
    """How much each frame differs from the one before it.

    Parameters
    ----------
    mean : float64 (F - 1,), 0 to 1
        Mean absolute difference of the gray levels, as a share of their range.
    active : float64 (F - 1,), 0 to 1
        Share of the pixels whose difference is above a limit.
    """

    mean: NDArray[np.float64]
    active: NDArray[np.float64]


def pixel_change(images: Iterable[NDArray[np.uint8]], *, limit: float = 0.02) -> PixelChange:
    """Compare each frame with the one before it, reduced to 128 pixels on its shorter side, and never enlarged.

    Parameters
    ----------
    images : iterable of uint8 (H, W) or (H, W, 3), gray or RGB
    limit : float, 0 to 1
        Difference, as a share of the range, above which a pixel is active.

    Examples
    --------
    >>> images = [np.zeros((4, 4), np.uint8), np.full((4, 4), 51, np.uint8)]
    >>> pixel_change(images).mean.round(3), pixel_change(images).active
    (array([0.2]), array([1.]))
    """
    meter = PixelChangeMeter(limit)
    pairs = [pair for image in images if (pair := meter.push(image)) is not None]
    means, active = zip(*pairs, strict=True) if pairs else ((), ())
    return PixelChange(np.array(means, np.float64), np.array(active, np.float64))


class PixelChangeMeter:
    """Compares frames that come one by one; see `pixel_change`.

    Parameters
    ----------
    limit : float, 0 to 1

    Examples
    --------
    >>> meter = PixelChangeMeter(0.02)
    >>> meter.push(np.zeros((4, 4), np.uint8)), meter.push(np.full((4, 4), 51, np.uint8))
    (None, (0.2, 1.0))
    """

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._before: NDArray[np.uint8] | None = None

    def push(self, image: NDArray[np.uint8]) -> tuple[float, float] | None:
        """Return mean and active share between the frame before and this one; None of the first."""
        now = _reduced(image)
        before, self._before = self._before, now
        if before is None:
            return None
        difference = np.abs(now.astype(np.int16) - before) / 255
        return float(difference.mean()), float((difference > self._limit).mean())


def gated_by_pixels(
    change: PixelChange, starts: NDArray[np.int64], horizon: int, *, mean: float = 0.005, active: float = 0.05
) -> NDArray[np.bool_]:
    """Say in which windows the pixels stand still: the means over their frame pairs are below both limits.

    Parameters
    ----------
    change : PixelChange
    starts : int64 (W,)
        First frame of each window.
    horizon : int, frame, at least 2
    mean, active : float, 0 to 1

    Returns
    -------
    bool (W,)

    Examples
    --------
    >>> change = PixelChange(np.array([0.0, 0.0, 0.1]), np.array([0.0, 0.0, 0.5]))
    >>> gated_by_pixels(change, np.array([0, 1]), 3)
    array([ True, False])
    """
    pairs = starts[:, None] + np.arange(horizon - 1)
    return np.asarray((change.mean[pairs].mean(axis=1) < mean) & (change.active[pairs].mean(axis=1) < active))


def gated_by_motion(velocities: NDArray[np.float32], *, speed: float = 0.02, share: float = 0.025) -> NDArray[np.bool_]:
    """Say in which windows the points stand still: their mean speed, and the share of them above it, are below limits.

    Parameters
    ----------
    velocities : float32 (W, V, T - 1, N, 2)
        As the tokenizer takes them: (row, column) per frame, where the frame is 2 high and 2 wide.
    speed : float
        Of the mean, and above which a point is active.
    share : float, 0 to 1

    Returns
    -------
    bool (W,)

    Examples
    --------
    >>> velocities = np.zeros((2, 1, 3, 5, 2), np.float32)
    >>> velocities[1, ..., 0] = 0.1
    >>> gated_by_motion(velocities)
    array([ True, False])
    """
    length = np.hypot(velocities[..., 0], velocities[..., 1], dtype=np.float64)
    rest = tuple(range(1, length.ndim))
    return np.asarray((length.mean(axis=rest) < speed) & ((length > speed).mean(axis=rest) < share))


def _reduced(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    import cv2

    gray: Any = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    height, width = gray.shape
    least = min(height, width)
    if least <= _SHORTER:
        return np.asarray(gray)
    size = (max(1, width * _SHORTER // least), max(1, height * _SHORTER // least))
    return np.asarray(cv2.resize(gray, size, interpolation=cv2.INTER_AREA))
