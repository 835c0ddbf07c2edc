"""Points carried by dense optical flow: DIS flow once per frame pair and direction, whatever the number of windows."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lapsmodels.trackers._windows import Seen, follow_windows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from lapsmodels.trackers._protocol import Pixels, TrackedWindow, WindowPlan

__all__ = ["PLUGIN", "DenseFlow"]


@dataclass(frozen=True, kw_only=True)
class DenseFlow:
    """Tracker on OpenCV's DIS optical flow, forward and backward.

    Examples
    --------
    >>> DenseFlow().name
    'dense_flow'
    """

    back_error_px: float = 1.5

    @property
    def name(self) -> str:
        """Name in the registry."""
        return "dense_flow"

    @property
    def version(self) -> str:
        """Rises with every change of what it computes."""
        return "1"

    @property
    def pixels(self) -> Pixels:
        """Gray frames."""
        return "gray"

    @property
    def parameters(self) -> dict[str, Any]:
        """Its fields."""
        return asdict(self)

    def windows(self, frames: Iterable[NDArray[np.uint8]], plan: WindowPlan) -> Iterator[TrackedWindow]:
        """Yield the windows of a plan; as `Tracker.windows`."""
        return follow_windows(frames, plan, self.pixels, _Follower(self))


class _Follower:
    """Holds one frame and the flow from the one before it."""

    def __init__(self, options: DenseFlow) -> None:
        import cv2

        self._options = options
        self._dis = cv2.DISOpticalFlow.create(cv2.DISOpticalFlow_PRESET_MEDIUM)
        self._image: NDArray[np.uint8] | None = None
        self._before: NDArray[np.uint8] | None = None
        self._flow: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None

    def look(self, image: NDArray[np.uint8]) -> None:
        self._before, self._image, self._flow = self._image, image, None

    def start(self, points: NDArray[np.float32]) -> Seen:
        count = len(points)
        unmeasured = np.full(count, np.nan, np.float32)
        return Seen(points.copy(), np.ones(count, bool), np.ones(count, np.float32), unmeasured)

    def seen(self, points: Seen) -> Seen:
        return points

    def follow(self, points: Seen) -> Seen:
        if self._image is None or self._before is None:
            return points
        if self._flow is None:
            forward = self._dis.calc(self._before, self._image, None)
            self._flow = forward, self._dis.calc(self._image, self._before, None)
        forward, backward = self._flow
        xy = points.xy + _flow_at(forward, points.xy)
        back = np.linalg.norm(xy + _flow_at(backward, xy) - points.xy, axis=1)
        height, width = self._image.shape
        inside = (xy >= -0.5).all(axis=1) & (xy < (width - 0.5, height - 0.5)).all(axis=1)
        vis = points.vis & inside & (back <= self._options.back_error_px)
        confidence = points.confidence * np.where(inside, np.exp(-back), 0)
        return Seen(xy, vis, confidence.astype(np.float32), back.astype(np.float32))


def _flow_at(flow: NDArray[np.float32], xy: NDArray[np.float32]) -> NDArray[np.float32]:
    import cv2

    sampled: NDArray[np.float32] = cv2.remap(flow, xy[None], None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return sampled[0]


PLUGIN = DenseFlow()
