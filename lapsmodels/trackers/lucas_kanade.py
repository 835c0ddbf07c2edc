"""Pyramidal Lucas-Kanade, window by window, as the field does it: each point on its own, forward and back."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from lapsdata.geometry import FrameSize, inside_frame
from lapsmodels.trackers._quality import Calibration
from lapsmodels.trackers._windows import Seen, first_seen, follow_windows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from lapsmodels.trackers._protocol import Pixels, TrackedWindow, WindowPlan

__all__ = ["PLUGIN", "LucasKanade"]


@dataclass(frozen=True, kw_only=True)
class LucasKanade:
    """Tracker on OpenCV's pyramidal Lucas-Kanade (Bouguet 2001).

    Parameters
    ----------
    back_error_px : float, working pixel
        A point that does not come back to within this distance is no longer visible.
    window_px : int
        Side of the patch that is compared.
    levels : int
        Levels of the pyramid above the frame itself.

    Examples
    --------
    >>> LucasKanade().name
    'lucas_kanade'
    """

    name: ClassVar[str] = "lucas_kanade"
    # Rises with every change of what it computes.
    version: ClassVar[str] = "1"
    pixels: ClassVar[Pixels] = "gray"

    calibration: ClassVar[Calibration] = Calibration(5.01, 0.73, 0.08)

    back_error_px: float = 1.0
    window_px: int = 21
    levels: int = 3

    @property
    def parameters(self) -> dict[str, Any]:
        """Its fields."""
        return asdict(self)

    def windows(self, frames: Iterable[NDArray[np.uint8]], plan: WindowPlan) -> Iterator[TrackedWindow]:
        """Yield the windows of a plan; as `Tracker.windows`."""
        return follow_windows(frames, plan, self.pixels, _Follower(self))


class _Follower:
    """Holds one frame and the one before it."""

    def __init__(self, options: LucasKanade) -> None:
        self._options = options
        self._image: NDArray[np.uint8] | None = None
        self._before: NDArray[np.uint8] | None = None

    def look(self, image: NDArray[np.uint8]) -> None:
        self._before, self._image = self._image, image

    def start(self, points: NDArray[np.float32]) -> Seen:
        return first_seen(points)

    def seen(self, points: Seen) -> Seen:
        return points

    def follow(self, points: Seen) -> Seen:
        if self._image is None or self._before is None:
            return points
        # Outside of the frame nothing is measured: the place where a point left it is the last that is known.
        size = FrameSize.from_shape(self._image.shape)
        known = inside_frame(points.xy, size)
        xy = np.full_like(points.xy, np.nan)
        back = np.full(len(xy), np.nan, np.float32)
        if known.any():
            xy[known], found = self._flow(self._before, self._image, points.xy[known])
            home, returned = self._flow(self._image, self._before, xy[known])
            error = np.linalg.norm(home - points.xy[known], axis=1)
            back[known] = np.where(found & returned, error, np.nan)
        vis = points.vis & inside_frame(xy, size) & (back <= self._options.back_error_px)
        confidence = np.where(vis, points.confidence * np.exp(-np.nan_to_num(back) / 8), np.float32(0))
        return Seen(xy, vis, confidence.astype(np.float32), back)

    def _flow(
        self, before: NDArray[np.uint8], after: NDArray[np.uint8], xy: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        import cv2

        side = self._options.window_px
        start = np.ascontiguousarray(xy[:, None])
        found: Any = cv2.calcOpticalFlowPyrLK(
            before, after, start, start.copy(), winSize=(side, side), maxLevel=self._options.levels
        )
        return found[0][:, 0], found[1][:, 0] == 1


PLUGIN = LucasKanade()
