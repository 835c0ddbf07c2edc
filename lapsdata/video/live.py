"""Frames from a program: a camera, a simulator, a decoder of its own, held to the same promises as a file."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from lapsdata.errors import Problem, SchemaError
from lapsdata.video.frame import Frame

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

__all__ = ["timed_frames"]


def timed_frames(source: Iterable[tuple[float, NDArray[np.uint8]]], *, name: str = "live") -> Iterator[Frame]:
    """Yield frames as they come, each numbered and checked.

    Parameters
    ----------
    source : iterable of (float, array)
        Time in seconds, and image: (H, W, 3) RGB or (H, W) gray, uint8, all of the first one's shape. Taken one by
        one and only when the next frame is asked for, so it may wait for a camera and may never end.
    name : str
        What errors call it.

    Yields
    ------
    Frame
        As files give them: `index` counts from 0, `image` is C-contiguous. An image that is so already is not
        copied: a source that fills one buffer again and again hands over copies.

    Raises
    ------
    SchemaError
        `wrong-time`: not a finite number; `time-order`: not later than the one before; `wrong-frame`: another
        shape or dtype. With the number of the frame.

    Examples
    --------
    >>> ticks = ((0.1 * k, np.zeros((48, 64), np.uint8)) for k in range(3))
    >>> [(frame.index, round(frame.time_s, 3)) for frame in timed_frames(ticks)]
    [(0, 0.0), (1, 0.1), (2, 0.2)]
    """
    before, shape = -math.inf, None
    for index, (time_s, image) in enumerate(source):
        where = f"{name}: frame {index}"
        time_s = float(time_s)
        if not math.isfinite(time_s):
            raise SchemaError(Problem("wrong-time", where, f"expected seconds, got {time_s}"))
        if time_s <= before:
            message = f"expected a time after {before} s, got {time_s} s"
            raise SchemaError(Problem("time-order", where, message, "give each frame the time of its exposure"))
        image = _checked(image, shape, where)
        before, shape = time_s, image.shape
        yield Frame(index, time_s, image)


def _checked(image: object, shape: tuple[int, ...] | None, where: str) -> NDArray[np.uint8]:
    if not isinstance(image, np.ndarray) or isinstance(image, np.ma.MaskedArray) or image.dtype != np.uint8:
        got = f"{image.dtype} {type(image).__name__}" if isinstance(image, np.ndarray) else type(image).__name__
        raise SchemaError(Problem("wrong-frame", where, f"expected a uint8 array from 0 to 255, got {got}"))
    if image.size == 0 or not (image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 3)):
        raise SchemaError(Problem("wrong-frame", where, f"expected (H, W, 3) RGB or (H, W) gray, got {image.shape}"))
    if shape is not None and image.shape != shape:
        raise SchemaError(Problem("wrong-frame", where, f"expected {shape} as the first, got {image.shape}"))
    return np.ascontiguousarray(image)
