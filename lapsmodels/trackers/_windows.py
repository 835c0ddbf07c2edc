"""The part that all frame-by-frame trackers share: which points are open at which frame, and into which window."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Generic, NamedTuple, Protocol, TypeVar

import numpy as np

from lapsdata.errors import LengthMismatchError, Problem, SchemaError
from lapsdata.geometry import inside_frame
from lapsmodels.trackers._protocol import TrackedWindow

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from lapsmodels.trackers._protocol import Pixels, WindowPlan

__all__ = ["Follower", "Seen", "checked_frames", "checked_queries", "first_seen", "follow_windows"]


class Seen(NamedTuple):
    """What is known of N points at one frame; the arrays are those of `TrackedWindow`, without T."""

    xy: NDArray[np.float32]
    vis: NDArray[np.bool_]
    confidence: NDArray[np.float32]
    back_error_px: NDArray[np.float32]


def first_seen(points: NDArray[np.float32]) -> Seen:
    """Return query points as they are seen in the frame that they are given for."""
    count = len(points)
    unmeasured = np.full(count, np.nan, np.float32)
    return Seen(points.copy(), np.ones(count, bool), np.ones(count, np.float32), unmeasured)


S = TypeVar("S")


class Follower(Protocol[S]):
    """Follows sets of points from frame to frame; a set is whatever the tracker wants to remember of it."""

    def look(self, image: NDArray[np.uint8]) -> None:
        """Take the next frame."""

    def start(self, points: NDArray[np.float32]) -> S:
        """Return a set of points in the frame that was looked at last."""

    def follow(self, points: S) -> S:
        """Return the set, followed from the frame before the last into the last."""

    def seen(self, points: S) -> Seen:
        """Return what is known of the set at the frame that it was followed into."""


class _OpenWindow(Generic[S]):
    """A window that is being filled; its points, unless all windows share one set."""

    def __init__(self, number: int, start: int, horizon: int, points: S) -> None:
        self.number, self.start, self.horizon = number, start, horizon
        self.points = points
        self._rows: list[Seen] = []

    @property
    def full(self) -> bool:
        return len(self._rows) == self.horizon

    def add(self, seen: Seen) -> None:
        self._rows.append(seen)

    def close(self) -> TrackedWindow:
        fields = (np.stack(rows) for rows in zip(*self._rows, strict=True))
        return TrackedWindow(self.number, self.start, *fields)


def checked_frames(
    frames: Iterable[NDArray[np.uint8]], plan: WindowPlan, pixels: Pixels
) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Yield the frames that a plan needs with their numbers, each of the right dtype and shape.

    Of a plan with an open end they are as many as come.

    Raises
    ------
    SchemaError
        `wrong-frame`, `too-few-frames`.
    """
    shape = plan.size.shape if pixels == "gray" else (*plan.size.shape, 3)
    needed, taken = plan.frames, 0
    source = iter(frames)
    while taken < needed:
        image = next(source, None)
        if image is None and plan.open_end:
            return
        if image is None:
            message = f"expected {needed} frames for {len(plan)} windows, got {taken}"
            raise LengthMismatchError(Problem("too-few-frames", "frames", message))
        if image.dtype != np.uint8 or image.shape != shape:
            raise SchemaError(_wrong_frame(taken, image, shape))
        yield taken, image
        taken += 1


def _wrong_frame(index: int, image: NDArray[np.uint8], shape: tuple[int, ...]) -> Problem:
    message = f"expected uint8 {shape} in 0 to 255, got {image.dtype} {image.shape}"
    fix = "give pixels of 0 to 255 as uint8; a tracker does not guess their range" if image.dtype != np.uint8 else None
    return Problem("wrong-frame", f"frame {index}", message, fix)


def checked_queries(plan: WindowPlan, number: int, count: int | None) -> NDArray[np.float32]:
    """Return the query points of a window, as many as the windows before had.

    Raises
    ------
    SchemaError
        `wrong-queries`.
    """
    points = plan.queries(number)
    place = f"queries of window {number}"
    if points.dtype != np.float32 or points.ndim != 2 or points.shape[1] != 2 or not len(points):
        message = f"expected float32 (N, 2) pixel xy, got {points.dtype} {points.shape}"
        raise SchemaError(Problem("wrong-queries", place, message))
    if count is not None and len(points) != count:
        raise SchemaError(Problem("wrong-queries", place, f"expected {count} points, got {len(points)}"))
    outside = ~inside_frame(points, plan.size)
    if outside.any():
        first = int(np.flatnonzero(outside)[0])
        message = (
            f"expected points of the {plan.size} frame, got {int(outside.sum())} outside, "
            f"the first at row {first}: ({points[first, 0]:g}, {points[first, 1]:g})"
        )
        raise SchemaError(Problem("wrong-queries", place, message))
    return points


def follow_windows(
    frames: Iterable[NDArray[np.uint8]], plan: WindowPlan, pixels: Pixels, follower: Follower[S]
) -> Iterator[TrackedWindow]:
    """Yield the windows of a plan, filled by a follower, in the order of their numbers.

    Holds the open windows only: a window is yielded with its last frame, and its points are forgotten.

    Raises
    ------
    SchemaError
        As `Tracker.windows`.
    """
    open_windows: deque[_OpenWindow[S]] = deque()
    shared: S | None = None
    number, count = 0, None
    for index, image in checked_frames(frames, plan, pixels):
        follower.look(image)
        if shared is not None:
            shared = follower.follow(shared)
        for window in () if plan.continuous else open_windows:
            window.points = follower.follow(window.points)
        if number < len(plan) and plan.starts[number] == index:
            points = shared
            if points is None:
                queries = checked_queries(plan, number, count)
                count, points = len(queries), follower.start(queries)
            if plan.continuous:
                shared = points
            open_windows.append(_OpenWindow(number, index, plan.horizon, points))
            number += 1
        for window in open_windows:
            window.add(follower.seen(window.points if shared is None else shared))
        if open_windows and open_windows[0].full:
            yield open_windows.popleft().close()
