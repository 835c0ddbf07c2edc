"""Points carried by dense optical flow: DIS flow once per frame pair and direction, whatever the number of windows."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.geometry import FrameSize, inside_frame
from lapsmodels.trackers._quality import textured
from lapsmodels.trackers._windows import Seen, first_seen, follow_windows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from lapsmodels.trackers._protocol import Pixels, TrackedWindow, WindowPlan

__all__ = ["PLUGIN", "DenseFlow"]

# Below any threshold that a user would choose, and above that of a point that is lost.
_UNTEXTURED = 0.1


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
        self._dis: Any = cv2.DISOpticalFlow.create(cv2.DISOpticalFlow_PRESET_MEDIUM)
        self._image: NDArray[np.uint8] | None = None
        self._before: NDArray[np.uint8] | None = None
        self._flow: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None

    def look(self, image: NDArray[np.uint8]) -> None:
        self._before, self._image, self._flow = self._image, image, None

    def start(self, points: NDArray[np.float32]) -> Seen:
        has_texture = textured(self._image, points) if self._image is not None else np.ones(len(points), bool)
        seen = first_seen(points)
        # Where there is nothing to hold on to, standing still cannot be told from being followed.
        return seen._replace(confidence=np.where(has_texture, seen.confidence, np.float32(_UNTEXTURED)))

    def seen(self, points: Seen) -> Seen:
        return points

    def follow(self, points: Seen) -> Seen:
        if self._image is None or self._before is None:
            return points
        if self._flow is None:
            forward = self._dis.calc(self._before, self._image, None)
            self._flow = forward, self._dis.calc(self._image, self._before, None)
        forward, backward = self._flow
        size = FrameSize.from_shape(self._image.shape)
        # Outside of the frame nothing is measured: the place where a point left it is the last that is known.
        known = inside_frame(points.xy, size)
        before = np.where(known[:, None], points.xy, np.float32(np.nan))
        xy = before + _flow_at(forward, before)
        back = np.linalg.norm(xy + _flow_at(backward, xy) - before, axis=1).astype(np.float32)
        vis = (
            points.vis
            & (points.confidence > _UNTEXTURED)
            & inside_frame(xy, size)
            & (back <= self._options.back_error_px)
        )
        confidence = np.where(vis, points.confidence * np.exp(-np.nan_to_num(back) / 8), np.float32(0))
        return Seen(xy.astype(np.float32), vis, confidence.astype(np.float32), back)


def _flow_at(flow: NDArray[np.float32], xy: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the flow at points, float32 (N, 2), between pixels by bilinear weights; NaN at NaN."""
    import cv2

    at = np.nan_to_num(xy)
    columns, rows = np.ascontiguousarray(at[:, :1]), np.ascontiguousarray(at[:, 1:])
    sampled: Any = cv2.remap(flow, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.where(np.isnan(xy), np.float32(np.nan), sampled[:, 0])


PLUGIN = DenseFlow()
