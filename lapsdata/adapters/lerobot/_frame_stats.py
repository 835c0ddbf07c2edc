"""Statistics of the frames of a camera, exact, of all their pixels: as LeRobot has them, from 0 to 1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.schema.feature_stats import QUANTILES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

__all__ = ["FrameStats"]

_LEVELS = 256


class FrameStats:
    """Counts how often each channel has each value: what they are in the end needs no frame.

    Examples
    --------
    >>> seen = FrameStats()
    >>> _ = list(seen.watched([np.full((2, 2, 3), (0, 51, 255), np.uint8)]))
    >>> seen.stats()["mean"].ravel().tolist(), seen.stats()["count"].tolist()
    ([0.0, 0.2, 1.0], [1])
    """

    def __init__(self) -> None:
        self._counts = np.zeros((3, _LEVELS), np.int64)
        self._frames = 0

    def watched(self, frames: Iterable[NDArray[np.uint8]]) -> Iterator[NDArray[np.uint8]]:
        """Yield frames (H, W, 3), and count them."""
        import cv2

        for frame in frames:
            pixels = np.ascontiguousarray(frame)
            for channel in range(3):
                # In float32: whole up to 16 million pixels of one value.
                found = cv2.calcHist([pixels], [channel], None, [_LEVELS], [0, _LEVELS])
                self._counts[channel] += found.ravel().astype(np.int64)
            self._frames += 1
            yield frame

    def add(self, other: FrameStats) -> None:
        """Count the frames of another one too."""
        self._counts += other._counts
        self._frames += other._frames

    def stats(self) -> dict[str, NDArray[Any]]:
        """Return minimum, maximum, mean, deviation and quantiles of each channel, (3, 1, 1), and how many frames."""
        counts, values = self._counts, np.arange(_LEVELS) / (_LEVELS - 1)
        number = counts.sum(axis=1)
        mean = counts @ values / number
        std = np.sqrt((counts * (values - mean[:, None]) ** 2).sum(axis=1) / number)
        below = np.cumsum(counts, axis=1)
        low, high = (counts > 0).argmax(axis=1), _LEVELS - 1 - (counts[:, ::-1] > 0).argmax(axis=1)
        found = {"min": values[low], "max": values[high], "mean": mean, "std": std}
        for name, share in QUANTILES.items():
            at = share * (number - 1)
            first, last = np.floor(at).astype(np.int64), np.ceil(at).astype(np.int64)
            one, other = (values[(below <= rank[:, None]).sum(axis=1)] for rank in (first, last))
            found[name] = one + (other - one) * (at - first)
        return {name: array.reshape(3, 1, 1) for name, array in found.items()} | {"count": np.array([self._frames])}
