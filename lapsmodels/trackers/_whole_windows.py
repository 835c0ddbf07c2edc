"""The part that trackers of whole windows share: frames are held until a window is full, and windows go in batches."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lapsdata.errors import Problem, SchemaError
from lapsdata.geometry import inside_frame
from lapsmodels.trackers._protocol import TrackedWindow
from lapsmodels.trackers._quality import textured
from lapsmodels.trackers._windows import checked_frames, checked_queries

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

    from lapsdata.geometry import FrameSize
    from lapsmodels.trackers._protocol import WindowPlan

    Image = NDArray[np.uint8]
    Array = NDArray[np.float32]
    Flags = NDArray[np.bool_]
    # RGB frames uint8 (B, T, H, W, 3) and points in the first of them, float32 (B, N, 2) xy.
    Ask = Callable[[Image, Array], "Answer"]

__all__ = ["Answer", "follow_whole_windows", "held_to_texture"]


class Answer(NamedTuple):
    """What a model says of B windows, in pixels of the frames that it was asked about."""

    tracks: Array
    """(B, T, N, 2) xy"""
    vis: Flags
    """(B, T, N)"""
    confidence: Array
    """(B, T, N) 0 to 1"""


class _Asked(NamedTuple):
    """A window that begins: its queries, and which of them have texture around them."""

    number: int
    start: int
    points: Array
    textured: Flags


def follow_whole_windows(
    frames: Iterable[Image], plan: WindowPlan, name: str, ask: Ask, batch: int
) -> Iterator[TrackedWindow]:
    """Yield the windows of a plan, each answered by a model that sees all of its frames at once.

    With a batch of 1 a window comes with its last frame. Otherwise windows are held, and asked about together, until
    there are `batch` of them or no more; the end of the frames of a plan with an open end is the latter.

    Raises
    ------
    SchemaError
        As `Tracker.windows`; the plan is continuous (`not-continuous`).
    """
    if plan.continuous:
        message = f"expected windows that each begin anew, got one path: {name} sees a window as a whole"
        fix = "leave --continuous out, or choose a tracker that goes from frame to frame, such as dense_flow"
        raise SchemaError(Problem("not-continuous", "continuous", message, fix))
    held: deque[tuple[int, Image]] = deque()
    waiting: deque[_Asked] = deque()
    number, count = 0, None
    for index, image in checked_frames(frames, plan, "rgb"):
        if number < len(plan) and plan.starts[number] == index:
            points = checked_queries(plan, number, count)
            waiting.append(_Asked(number, index, points, textured(image, points)))
            number, count = number + 1, len(points)
        if waiting:
            held.append((index, image))
        full = [window for window in waiting if window.start + plan.horizon <= index + 1]
        if full and (len(full) == batch or full[-1].number == len(plan) - 1):
            # Nothing is asked yet; whatever is held for it is forgotten with its last window.
            answered = _answered(full, dict(held), plan, ask)
            for _ in full:
                waiting.popleft()
            while held and (not waiting or held[0][0] < waiting[0].start):
                held.popleft()
            yield from answered
    ended = held[-1][0] + 1 if held else 0
    full = [window for window in waiting if window.start + plan.horizon <= ended]
    if full:
        yield from _answered(full, dict(held), plan, ask)


def _answered(windows: list[_Asked], pictures: dict[int, Image], plan: WindowPlan, ask: Ask) -> Iterator[TrackedWindow]:
    rows = [[pictures[window.start + step] for step in range(plan.horizon)] for window in windows]
    points = np.stack([window.points for window in windows])
    answer = ask(np.array(rows), points)
    expected = (len(windows), plan.horizon, points.shape[1])
    got = answer.tracks.shape, answer.vis.shape, answer.confidence.shape
    if got != ((*expected, 2), expected, expected):
        message = f"expected tracks {(*expected, 2)}, visibility and confidence {expected}, got {got}"
        raise SchemaError(Problem("wrong-answer", f"windows from {windows[0].number} on", message))
    for window, tracks, vis, confidence in zip(windows, *answer, strict=True):
        yield _as_promised(window, tracks, vis, confidence, plan.size)


def _as_promised(window: _Asked, tracks: Array, vis: Flags, confidence: Array, size: FrameSize) -> TrackedWindow:
    """Return an answer as a window: it begins at its queries, and what is visible is inside of the frame."""
    paths = tracks.astype(np.float32)
    # Models answer for the first frame too, by as much as they err.
    paths[0] = window.points
    seen = vis & inside_frame(paths, size)
    seen[0] = True
    sure = np.where(seen, confidence, np.float32(0)).astype(np.float32)
    sure[0] = 1
    unmeasured = np.full(seen.shape, np.nan, np.float32)
    return TrackedWindow(window.number, window.start, paths, seen, held_to_texture(sure, window.textured), unmeasured)


def held_to_texture(confidence: Array, has_texture: Flags) -> Array:
    """Return the confidence, low for points without texture: a model that is sure of them has guessed.

    Parameters
    ----------
    confidence : array, shape (T, N) or (N,)
    has_texture : array, shape (N,)
    """
    from lapsmodels.trackers._beliefs import UNTEXTURED

    return np.where(has_texture, confidence, np.minimum(confidence, UNTEXTURED)).astype(np.float32)
