"""Where the picture is: constant borders (letterbox, pillarbox) are found, so that no point is wasted on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lapsdata.errors import Problem, SchemaError
from lapsdata.geometry import PixelArea

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

__all__ = ["active_area"]

# What compression leaves of one colour: bars of h264 and AV1 at usual rates stay within 6 levels.
_LEVELS = 10
# A bar ends at once: within so many lines, so large a part of them differs from it by so many levels. Dark ground or
# a night sky ends gradually or raggedly, and is left in. Compression smears the end over a block of 8 lines.
_EDGE_LINES, _EDGE_SHARE, _EDGE_LEVELS = 8, 0.25, 20


def active_area(frames: Iterable[NDArray[np.uint8]]) -> PixelArea:
    """Return the part of the frame inside of its constant borders.

    A border touches an edge over its whole length, has one colour in all of these frames, and ends in a straight
    line. A video that is constant everywhere, or whose dark parts end raggedly, has none.

    Parameters
    ----------
    frames : iterable of uint8 (H, W) or (H, W, 3)
        A few, spread over the video; taken one by one.

    Raises
    ------
    SchemaError
        No frame, or frames of several shapes.

    Examples
    --------
    >>> picture = np.zeros((90, 160), np.uint8)
    >>> picture[10:80] = np.random.default_rng(0).integers(60, 255, (70, 160))
    >>> active_area([picture, picture])
    PixelArea(x=0, y=10, width=160, height=70)
    """
    low: NDArray[np.uint8] | None = None
    high = low
    for index, frame in enumerate(frames):
        image = frame if frame.ndim == 3 else frame[..., None]
        if low is None or high is None:
            low = high = image
            continue
        if image.shape != low.shape:
            message = f"expected {low.shape}, got {image.shape}"
            raise SchemaError(Problem("wrong-frame", f"frame {index}", message))
        low, high = np.minimum(low, image), np.maximum(high, image)
    if low is None or high is None:
        raise SchemaError(Problem("no-frames", "frames", "expected at least one frame, got none"))
    rows = _inside(low, high)
    columns = _inside(low[rows].swapaxes(0, 1), high[rows].swapaxes(0, 1))
    # Once more: between wide bars at the sides, the picture is too small a part of a line of the frame.
    rows = _inside(low[:, columns], high[:, columns])
    return PixelArea(x=columns.start, y=rows.start, width=columns.stop - columns.start, height=rows.stop - rows.start)


def _inside(low: NDArray[np.uint8], high: NDArray[np.uint8]) -> slice:
    """Return which lines of the first axis lie between borders; all of them where borders leave none."""
    first, last = _border(low, high), _border(low[::-1], high[::-1])
    return slice(first, len(low) - last) if first + last < len(low) else slice(0, len(low))


def _border(low: NDArray[np.uint8], high: NDArray[np.uint8]) -> int:
    """Count the lines of one colour at the beginning of the first axis; 0 unless they end in a straight line."""
    darkest = np.minimum.accumulate(low.min(axis=1), axis=0).astype(np.int16)
    brightest = np.maximum.accumulate(high.max(axis=1), axis=0).astype(np.int16)
    constant = ((brightest - darkest) <= _LEVELS).all(axis=1)
    # 0 also where every line is constant, and there is no end.
    count = int(constant.argmin())
    if count == 0:
        return 0
    after = slice(count, count + _EDGE_LINES)
    above = high[after].astype(np.int16) - brightest[count - 1]
    below = darkest[count - 1] - low[after].astype(np.int16)
    differs = (np.maximum(above, below) > _EDGE_LEVELS).any(axis=-1).any(axis=0)
    return count if differs.mean() >= _EDGE_SHARE else 0
