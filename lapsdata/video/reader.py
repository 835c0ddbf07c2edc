"""Read a video frame by frame or at any place, each frame with its own time, and never another frame instead."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from lapsdata.errors import Problem, SchemaError, whole_number
from lapsdata.video._container import open_container
from lapsdata.video._decoding import PacketSource
from lapsdata.video._timeline import read_timeline
from lapsdata.video.frame import Frame
from lapsdata.video.probe import facts_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path
    from types import TracebackType

    from lapsdata.video._decoding import Session, Times
    from lapsdata.video.facts import VideoFacts
    from lapsdata.video.frame import Pixels

__all__ = ["VideoReader", "open_video"]


class VideoReader:
    """Frames of one source; made by `open_video`.

    Parameters
    ----------
    source : PacketSource
    """

    def __init__(self, source: PacketSource) -> None:
        self._source = source
        self._session: Session | None = None
        self._lock = threading.Lock()

    @property
    def facts(self) -> VideoFacts:
        """What is known of the video (VideoFacts)."""
        return self._source.facts

    def __len__(self) -> int:
        return self.facts.frames

    def frames(self, indices: Iterable[int] | None = None) -> Iterator[Frame]:
        """Yield frames in order."""
        session = self._source.open()
        try:
            before = -1
            for index in range(len(self)) if indices is None else indices:
                if index < before:
                    raise SchemaError(Problem("not-rising", "indices", f"expected rising, got {index} after {before}"))
                before = index
                yield self._frame(session, index)
        finally:
            session.close()

    def at_index(self, index: int) -> Frame:
        """Return one frame."""
        with self._lock:
            if self._session is None:
                self._session = self._source.open()
            return self._frame(self._session, index)

    def at_time(self, t_s: float, tolerance_s: float = 1e-3) -> Frame:
        """Return the frame at a time."""
        times = self.facts.frame_s
        index = int(np.abs(times - t_s).argmin())
        if abs(times[index] - t_s) > tolerance_s:
            raise SchemaError(Problem("no-frame", "t_s", f"nearest is {times[index]} s"))
        return self.at_index(index)

    def read(self, indices: Iterable[int]) -> list[Frame]:
        """Return frames in the order asked."""
        asked = list(indices)
        got = {index: self.at_index(index) for index in sorted(set(asked))}
        return [got[index] for index in asked]

    def close(self) -> None:
        """Give back the file."""
        session, self._session = self._session, None
        if session is not None:
            session.close()

    def _frame(self, session: Session, index: int) -> Frame:
        return Frame(index, float(self.facts.frame_s[index]), session.image(index))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_video(
    source: Path | str, *, pixels: Pixels = "rgb", stream: int | None = None, times: Times = "packets"
) -> VideoReader:
    """Open a video."""
    video = open_container(source, stream)
    try:
        timeline = read_timeline(source, video)
        facts = facts_of(source, video, timeline)
    finally:
        video.close()
    return VideoReader(PacketSource(source, stream, facts, timeline, times, pixels))
