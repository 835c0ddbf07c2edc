"""The frames of a stream: taken from a file as fast as they are wanted, or from a live source as they come."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

from lapsmodels.stages._framing import at_working_size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import numpy as np
    from numpy.typing import NDArray

    from lapsdata.geometry import PixelMap
    from lapsdata.timebase import FrameRate, GridStream
    from lapsdata.timebase.grid_stream import GridFrame
    from lapsdata.video.live_source import LiveSource
    from lapsdata.video.reader import VideoReader

    Image = NDArray[np.uint8]

__all__ = ["FrameCounts", "Shown", "Taken", "file_frames", "live_frames", "shown_frames"]


class Taken(NamedTuple):
    """One frame of the source."""

    number: int
    time_s: float
    image: Image
    dropped_before: int
    at_s: float
    """When it had come, by the machine's clock: for latencies alone, in which its wait to be worked on counts"""


class Shown(NamedTuple):
    """One frame as windows see it."""

    number: int
    time_s: float
    source: int
    image: Image | None
    """None where frames were dropped that it would have shown"""
    at_s: float


class FrameCounts:
    """How often the frames of a source were shown."""

    def __init__(self) -> None:
        self.taken = self.shown = self.used = self.lost = 0
        self._last = -1

    def show(self, shown: Shown) -> None:
        self.shown += 1
        self.lost += shown.image is None
        if shown.source != self._last:
            self._last = shown.source
            self.used += 1


def file_frames(reader: VideoReader) -> Iterator[Taken]:
    """Yield the frames of a file; the next one is decoded when it is wanted, and none is ever dropped."""
    for frame in reader.frames():
        yield Taken(frame.index, frame.time_s, frame.image, 0, monotonic())


def live_frames(source: LiveSource, keep: Callable[[int, float, Image], None] | None) -> Iterator[Taken | None]:
    """Yield the frames of a live source, None while there is none; its last images are kept by whoever wants them."""
    for frame in source.frames():
        if frame is None:
            yield None
            continue
        if keep is not None:
            keep(frame.index, frame.time_s, frame.images[-1])
        yield Taken(frame.index, frame.time_s, frame.images[0], frame.dropped_before, frame.at_s)


def shown_frames(
    taken: Iterable[Taken | None],
    grid: GridStream | None,
    rate: FrameRate | None,
    to_working: PixelMap,
    counts: FrameCounts,
    stopped: Callable[[], bool],
) -> Iterator[Shown]:
    """Yield what windows see: the frames themselves, or for each time of a grid the nearest, at their working size."""
    before: Taken | None = None
    for now in taken:
        if stopped():
            return
        if now is None:
            continue
        counts.taken += 1
        decided = None if grid is None else grid.push(now.time_s)
        if decided is None:
            image = at_working_size(now.image, to_working)
            yield _told(Shown(now.number, now.time_s, now.number, image, now.at_s), counts)
        else:
            for one in decided:
                yield _told(_on_grid(one, before, now, rate, to_working), counts)
        before = now
    if grid is not None and before is not None:
        for one in grid.close():
            yield _told(_on_grid(one, None, before, rate, to_working), counts)


def _told(shown: Shown, counts: FrameCounts) -> Shown:
    counts.show(shown)
    return shown


def _on_grid(one: GridFrame, before: Taken | None, now: Taken, rate: FrameRate | None, to_working: PixelMap) -> Shown:
    source = before if one.before and before is not None else now
    far = rate is not None and abs(one.time_s - source.time_s) > rate.period_s / 2
    # A hole that we have made ourselves is no stillness.
    lost = far and before is not None and now.dropped_before > 0
    image = None if lost else at_working_size(source.image, to_working)
    return Shown(one.number, one.time_s, source.number, image, now.at_s)
