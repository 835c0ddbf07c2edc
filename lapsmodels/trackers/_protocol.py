"""What a tracker is given, what it gives back, and what it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from lapsdata.errors import Problems, SchemaError, whole_number
from lapsdata.geometry import FrameSize

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = ["Pixels", "Queries", "TrackedWindow", "Tracker", "WindowPlan"]

Pixels = Literal["gray", "rgb"]
"""What the frames of a tracker are: uint8 (H, W) or uint8 (H, W, 3)."""

Queries = Callable[[int], NDArray[np.float32]]
"""From the number of a window to its query points, float32 (N, 2), pixel xy of the working frame."""


@dataclass(frozen=True, eq=False, kw_only=True)
class WindowPlan:
    """Which windows are tracked, and from which points.

    Parameters
    ----------
    size : FrameSize
        Frames as the tracker sees them (the working size); queries and tracks are pixels of this frame.
    starts : NDArray, shape (W,), int64, frame, 0-based
        First frame of each window, strictly rising; see `lapsdata.timebase.window_starts`.
    horizon : int, frame, >= 1
        Length T of every window.
    queries : callable
        Query points of a window by its number; each call gives as many points, inside of the frame.
    continuous : bool
        False: every window starts afresh from its own queries. True: the queries of window 0 are followed from
        its first frame on, and windows are cut out of these paths; a point that is lost stays lost until it is
        measured again.
    open_end : bool
        True: frames may end before the plan does, as those of a camera do; what comes then are the windows that are
        complete. False: that is an error.

    Raises
    ------
    SchemaError
        With everything that is wrong: size, starts, horizon.

    Examples
    --------
    >>> from lapsdata.geometry import uniform_grid
    >>> size = FrameSize(width=64, height=48)
    >>> grid = uniform_grid(size, count=12).points
    >>> plan = WindowPlan(size=size, starts=np.array([0, 4]), horizon=16, queries=lambda number: grid)
    >>> plan.frames
    20
    """

    size: FrameSize
    starts: NDArray[np.int64]
    horizon: int
    queries: Queries
    continuous: bool = False
    open_end: bool = False

    def __post_init__(self) -> None:
        found = Problems("WindowPlan")
        size: object = self.size
        if not isinstance(size, FrameSize):
            found.add("wrong-type", "size", f"expected a FrameSize, got {size!r}")
        horizon = whole_number(self.horizon)
        if horizon is None or horizon < 1:
            found.add("wrong-window", "horizon", f"expected an integer of at least 1, got {self.horizon!r}")
        starts = np.asarray(self.starts)
        if starts.ndim != 1 or starts.dtype.kind not in "iu":
            found.add("wrong-window", "starts", f"expected (W,) integers, got {starts.dtype} {starts.shape}")
        elif starts.size and (starts[0] < 0 or (np.diff(starts.astype(np.int64)) <= 0).any()):
            found.add("wrong-window", "starts", "expected frames from 0 on that rise from window to window")
        found.raise_as(SchemaError)
        kept = starts.astype(np.int64)
        kept.flags.writeable = False
        object.__setattr__(self, "starts", kept)
        object.__setattr__(self, "horizon", horizon)

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def frames(self) -> int:
        """Number of frames (int) that the windows need: up to the last frame of the last window."""
        return int(self.starts[-1]) + self.horizon if len(self.starts) else 0


class TrackedWindow(NamedTuple):
    """One window of paths.

    Parameters
    ----------
    number : int
        Place in `WindowPlan.starts`.
    start : int, frame, 0-based
        Its first frame.
    tracks : NDArray, shape (T, N, 2), float32, pixel xy of the working frame
        Never clipped; where the point was last believed to be, or NaN where nothing is known. Not NaN where
        `vis`.
    vis : NDArray, shape (T, N), bool
        Whether the point is seen and its position was measured; never outside of the frame.
    confidence : NDArray, shape (T, N), float32, 0 to 1
        How far position and visibility can be relied on; low where there is no texture to hold on to.
    back_error_px : NDArray, shape (T, N), float32, pixel of the working frame
        How far a point comes back from its place one frame earlier when it is followed back to it; NaN where that
        was not measured, as in the first frame.

    Examples
    --------
    >>> from lapsmodels.trackers import TrackedWindow
    >>> window = TrackedWindow(0, 0, np.zeros((2, 3, 2), np.float32), np.ones((2, 3), bool),
    ...                        np.ones((2, 3), np.float32), np.zeros((2, 3), np.float32))
    >>> window.tracks.shape
    (2, 3, 2)
    """

    number: int
    start: int
    tracks: NDArray[np.float32]
    vis: NDArray[np.bool_]
    confidence: NDArray[np.float32]
    back_error_px: NDArray[np.float32]


@runtime_checkable
class Tracker(Protocol):
    """A point tracker; `lapsmodels.testing.TrackerContract` holds its promises as tests.

    Equal frames and plans give equal bits, whatever the number of threads. Frames are taken one by one, and only
    what the open windows need is held.

    Examples
    --------
    >>> from lapsdata.geometry import FrameSize, uniform_grid
    >>> from lapsmodels.trackers.dense_flow import PLUGIN
    >>> grid = uniform_grid(FrameSize(width=64, height=48), count=12).points
    >>> plan = WindowPlan(size=FrameSize(width=64, height=48), starts=np.array([0]), horizon=2,
    ...                   queries=lambda number: grid)
    >>> picture = np.random.default_rng(0).integers(0, 256, (48, 64), dtype=np.uint8)
    >>> [window.tracks.shape for window in PLUGIN.windows([picture, picture], plan)]
    [(2, 12, 2)]
    """

    @property
    def name(self) -> str:
        """Name in the registry."""

    @property
    def version(self) -> str:
        """Rises with every change of what it computes."""

    @property
    def pixels(self) -> Pixels:
        """What its frames are."""

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Everything that its tracks depend on, ready for JSON."""

    def windows(self, frames: Iterable[NDArray[np.uint8]], plan: WindowPlan) -> Iterator[TrackedWindow]:
        """Yield the windows of a plan in order, each as soon as its last frame was seen.

        Parameters
        ----------
        frames : iterable of NDArray, uint8, (H, W) gray or (H, W, 3) RGB
            Frames 0, 1, 2, ... of the video at the working size; no more are taken than the plan needs.
        plan : WindowPlan

        Raises
        ------
        SchemaError
            A frame has another dtype, shape or size (`wrong-frame`); queries are not float32 (N, 2) or lie
            outside of the frame (`wrong-queries`); the frames end before the last window (`too-few-frames`).
        """
