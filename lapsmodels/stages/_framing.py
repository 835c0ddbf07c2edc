"""Between the frames of a source and those that are tracked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.geometry import PixelArea
from lapsmodels.trackers import active_area

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lapsdata.geometry import PixelMap
    from lapsdata.video.frame import FrameSource
    from lapsmodels.stages.track_options import TrackOptions
    from lapsmodels.trackers import TrackedWindow

__all__ = ["area_of", "at_working_size", "in_source", "length_scale"]

# The border is looked for in so many frames, spread over the video.
_AREA_FRAMES = 8


def area_of(reader: FrameSource, options: TrackOptions) -> PixelArea:
    """Return where the picture of a video is, without constant borders if they are looked for."""
    facts = reader.facts
    if options.active_area == "full":
        return PixelArea.whole(facts.size)
    spread = np.unique(np.linspace(0, facts.frames - 1, _AREA_FRAMES).round().astype(np.int64))
    return active_area(frame.image for frame in reader.frames(spread))


def at_working_size(image: NDArray[np.uint8], to_working: PixelMap) -> NDArray[np.uint8]:
    """Return a frame at the size that it is tracked at."""
    import cv2

    size = to_working.working
    if size == to_working.source:
        return image
    # The mean of the source pixels under each working pixel: what is too fine for the new size cannot alias.
    made: Any = cv2.resize(image, (size.width, size.height), interpolation=cv2.INTER_AREA)
    return np.asarray(made)


def length_scale(to_working: PixelMap) -> float:
    """Return the source pixels per working pixel, the mean of both axes."""
    return float(np.sqrt(float(to_working.scale_x * to_working.scale_y)))


def in_source(window: TrackedWindow, to_working: PixelMap) -> TrackedWindow:
    """Return a window in source pixels; its errors are lengths and take the mean of both scales."""
    scale = np.float32(length_scale(to_working))
    return window._replace(tracks=to_working.to_source(window.tracks), back_error_px=window.back_error_px * scale)
