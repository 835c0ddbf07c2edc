"""Points carried by dense optical flow, and held by what they looked like first.

DIS flow (Kroeger et al. 2016) is computed once per frame pair and direction, on a reduced picture, whatever the
number of windows. It only says where to look: each point is then aligned to its own patch of the window's first
frame, so that errors do not add up, or to the frame before while its looks change. Points that are lost, or that
their neighbours explain better, are looked for where their neighbours' motion leads. What comes back to where it
was along the backward flow, and still looks like itself in the middle, is visible.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from lapsdata.errors import Problem, SchemaError
from lapsmodels.trackers._points import begin, empty_as
from lapsmodels.trackers._quality import Calibration, textured
from lapsmodels.trackers._windows import Seen, first_seen, follow_windows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from lapsmodels.trackers._points import Anchors, Held
    from lapsmodels.trackers._protocol import Pixels, TrackedWindow, WindowPlan

    Array = NDArray[np.float32]

__all__ = ["PLUGIN", "DenseFlow"]

# Below this, OpenCV chooses the scales of DIS by the width alone, and reads beyond pictures that are low.
_SMALLEST_SIDE = 32
_WIDER = "track larger frames, or by lucas_kanade"
# The shorter side of the picture that flow is computed on: halved until it is not larger.
_FLOW_SIDE = 320


@dataclass(frozen=True, kw_only=True)
class DenseFlow:
    """Tracker on OpenCV's DIS optical flow, forward and backward, with patches of the first frame against drift.

    Parameters
    ----------
    back_error_px : float, working pixel
        A point whose backward flow leads further than this from where it was is visible only where it looks like
        its first patch.

    Examples
    --------
    >>> DenseFlow().name
    'dense_flow'
    """

    name: ClassVar[str] = "dense_flow"
    # Rises with every change of what it computes.
    version: ClassVar[str] = "1"
    pixels: ClassVar[Pixels] = "gray"

    calibration: ClassVar[Calibration] = Calibration(2.06, 0.83, 0.42)

    back_error_px: float = 3.0

    @property
    def parameters(self) -> dict[str, Any]:
        """Its fields."""
        return asdict(self)

    def windows(self, frames: Iterable[NDArray[np.uint8]], plan: WindowPlan) -> Iterator[TrackedWindow]:
        """Yield the windows of a plan; as `Tracker.windows`.

        Raises
        ------
        SchemaError
            Also frames with a side of less than 32 pixels (`frame-too-small`).
        """
        if min(plan.size.shape) < _SMALLEST_SIDE:
            message = f"expected at least {_SMALLEST_SIDE} pixels on each side, got {plan.size}"
            raise SchemaError(Problem("frame-too-small", "size", message, _WIDER))
        return follow_windows(frames, plan, self.pixels, _Follower(self))


class _Points(NamedTuple):
    """A set of points; `noise` is that of the pictures, as its points have seen it."""

    anchors: Anchors
    held: Held
    textured: NDArray[np.bool_]
    noise: np.float32 | None
    seen: Seen


class _Follower:
    """Holds one frame, the one before it, and the flow between them."""

    def __init__(self, options: DenseFlow) -> None:
        import cv2

        self._options = options
        self._dis: Any = cv2.DISOpticalFlow.create(cv2.DISOpticalFlow_PRESET_ULTRAFAST)
        self._image = np.empty((0, 0), np.uint8)
        self._reduced: NDArray[np.uint8] | None = None
        self._before = self._now = np.empty((0, 0), np.float32)
        self._scale = 1
        self._forward = self._backward = np.empty((0, 0, 2), np.float32)

    def look(self, image: NDArray[np.uint8]) -> None:
        import cv2

        from lapsmodels.trackers._patches import MARGIN

        edge = (MARGIN,) * 4
        padded: Any = cv2.copyMakeBorder(image, *edge, cv2.BORDER_REPLICATE).astype(np.float32)
        self._before, self._now, self._image = self._now, padded, image
        previous, self._reduced = self._reduced, self._reduce(image)
        if previous is not None:
            self._forward = self._dis.calc(previous, self._reduced, None)
            self._backward = self._dis.calc(self._reduced, previous, None)

    def _reduce(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        import cv2

        height, width = image.shape
        self._scale = 1
        while min(height, width) > _FLOW_SIDE * self._scale:
            self._scale *= 2
        if self._scale == 1:
            return image
        low, narrow = height // self._scale, width // self._scale
        # Lines and columns that do not fill a pixel are left out: each pixel is `scale` pixels wide and high, exactly.
        whole = image[: low * self._scale, : narrow * self._scale]
        return np.asarray(cv2.resize(whole, (narrow, low), interpolation=cv2.INTER_AREA))

    def start(self, points: Array) -> _Points:
        from lapsmodels.trackers._beliefs import UNTEXTURED
        from lapsmodels.trackers._patches import SIDE, take_anchors

        anchors, held = begin(points, SIDE * SIDE)
        take_anchors(self._now, tuple(anchors))
        has_texture = textured(self._image, points)
        seen = first_seen(points)
        seen = seen._replace(confidence=np.where(has_texture, seen.confidence, UNTEXTURED))
        return _Points(anchors, held, has_texture, None, seen)

    def seen(self, points: _Points) -> Seen:
        return points.seen

    def follow(self, points: _Points) -> _Points:
        from lapsmodels.trackers._beliefs import BACK, NO_NOISE, NOISE_GROWS, believe, noise_of

        noise = NO_NOISE if points.noise is None else points.noise
        held, measures = self._advance(points, noise)
        if points.noise is None:
            # What noise there is shows in the first step; it is then taken again, knowing that.
            noise = np.float32(noise_of(measures, NO_NOISE))
            if noise > NO_NOISE:
                held, measures = self._advance(points, noise)
        vis, confidence = np.empty_like(held.found), np.empty(len(held.xy), np.float32)
        believe(measures, held.found, points.textured, np.float32(self._options.back_error_px), vis, confidence)
        seen = Seen(held.xy, vis, confidence, measures[:, BACK])
        noise = np.float32(min(noise_of(measures, noise), NOISE_GROWS * noise))
        return points._replace(held=held, noise=noise, seen=seen)

    def _advance(self, points: _Points, noise: np.float32) -> tuple[Held, Array]:
        from lapsmodels.trackers._patches import MEASURES, advance

        held, anchors = points.held, points.anchors
        new = empty_as(held)
        measures = np.empty((len(held.xy), MEASURES), np.float32)
        flows = self._forward, self._backward, np.float32(self._scale)
        advance(self._before, self._now, *flows, noise, tuple(anchors), tuple(held), tuple(new), measures)
        return new, measures


PLUGIN = DenseFlow()
