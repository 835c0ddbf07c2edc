"""The windows of a stream: each is tracked, or left out by the gate before tracking, or lost with frames of its own."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from lapsdata.transforms.gates import PixelChange, PixelChangeMeter, gated_by_pixels
from lapsmodels.stages._framing import in_source
from lapsmodels.trackers import WindowPlan

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from lapsdata.geometry import PixelMap
    from lapsmodels.stages._stream_frames import Shown
    from lapsmodels.stages.track_options import TrackOptions
    from lapsmodels.trackers import QueryLayout, TrackedWindow, Tracker

__all__ = ["StreamWindows", "WindowEvent"]

Kind = Literal["moving", "gated", "lost"]

# Windows of one plan: where more come, tracking begins anew with the next, which changes no window.
_MOST = 1 << 14


class WindowEvent(NamedTuple):
    """What has become of one window."""

    number: int
    """Its id: the place of its first frame, by the stride"""
    kind: Kind
    window: TrackedWindow | None
    """In source pixels; None unless it moves"""
    frame_s: NDArray[np.float64]
    """(T,) times of its frames"""
    at_s: float
    """When its last frame was there"""


class StreamWindows:
    """Makes windows of frames as they come; the same windows as `track_video` makes of a whole video.

    Without a gate the tracker is handed each frame at once. With one, a window is tracked when it is known to move,
    and tracking begins anew behind every window that stands still: no window depends on those before it.
    """

    def __init__(
        self,
        frames: Iterable[Shown],
        tracker: Tracker,
        layout: QueryLayout,
        to_working: PixelMap,
        options: TrackOptions,
    ) -> None:
        self._frames, self._tracker, self._layout, self._to_working = iter(frames), tracker, layout, to_working
        self._horizon, self._stride, self._options = options.horizon, options.stride, options
        self._gating = options.gate_mad is not None
        self._meter = PixelChangeMeter(options.gate_pixel_diff)
        self._held: deque[tuple[Shown, tuple[float, float] | None]] = deque()
        self._first = 0
        self.frame_s: list[float] = []
        """Times of all frames so far."""
        self.sources: list[int] = []
        """The source frame that each of them shows."""

    def __iter__(self) -> Iterator[WindowEvent]:
        """Yield what has become of each window, in their order."""
        number = 0
        while True:
            if not self._gating or self._kind(number) == "moving":
                for done, window in self._run(number):
                    yield self._event(done, "moving", in_source(window, self._to_working))
                    number = done + 1
                    self._forget(number * self._stride)
            kind = self._kind(number)
            if kind is None:
                return
            if kind != "moving":
                yield self._event(number, kind, None)
                number += 1
                self._forget(number * self._stride)

    def _event(self, number: int, kind: Kind, window: TrackedWindow | None) -> WindowEvent:
        first = number * self._stride
        last, _ = self._held[first + self._horizon - 1 - self._first]
        return WindowEvent(number, kind, window, np.array(self.frame_s[first : first + self._horizon]), last.at_s)

    def _run(self, first: int) -> Iterator[tuple[int, TrackedWindow]]:
        plan = WindowPlan(
            size=self._to_working.working,
            starts=np.arange(_MOST, dtype=np.int64) * self._stride,
            horizon=self._horizon,
            queries=lambda number: self._to_working.to_working(self._layout.points(first + number)),
            open_end=True,
        )
        for window in self._tracker.windows(self._images(first), plan):
            yield first + window.number, window

    def _images(self, first: int) -> Iterator[NDArray[np.uint8]]:
        """Yield the frames from a window on, as far as windows move, or until one is lost."""
        at, number = first * self._stride, first
        known = at
        while True:
            if self._gating and at == known:
                if self._kind(number) != "moving":
                    return
                known = number * self._stride + self._horizon
                number += 1
            shown = self._at(at)
            if shown is None or shown.image is None:
                return
            yield shown.image
            at += 1

    def _kind(self, number: int) -> Kind | None:
        """Say what a window is, as soon as all of its frames are there; None where they never are."""
        first = number * self._stride
        if self._at(first + self._horizon - 1) is None:
            return None
        start = first - self._first
        window = [self._held[start + step] for step in range(self._horizon)]
        if any(shown.image is None for shown, _ in window):
            return "lost"
        return "gated" if self._gating and self._still([change for _, change in window[1:]]) else "moving"

    def _still(self, changes: list[tuple[float, float] | None]) -> bool:
        mean, active = (np.array([change[k] for change in changes if change is not None]) for k in range(2))
        start, options = np.zeros(1, np.int64), self._options
        limit = 0.0 if options.gate_mad is None else options.gate_mad
        change = PixelChange(mean, active)
        return bool(gated_by_pixels(change, start, self._horizon, mean=limit, active=options.gate_active)[0])

    def _at(self, number: int) -> Shown | None:
        """Return a frame, which is waited for; None if the frames end before it."""
        while number >= self._first + len(self._held):
            shown = next(self._frames, None)
            if shown is None:
                return None
            self.frame_s.append(shown.time_s)
            self.sources.append(shown.source)
            change = self._meter.push(shown.image) if self._gating and shown.image is not None else None
            self._held.append((shown, change))
        return self._held[number - self._first][0]

    def _forget(self, until: int) -> None:
        while self._held and self._first < until:
            self._held.popleft()
            self._first += 1
