"""Cameras and network streams: frames as they come, with the stream's own times, and what was lost on the way.

A live source does not wait. A reader thread takes its frames as they come into a queue. Once that is full, frames are
dropped until it is empty again, each with its time: what is kept is whole stretches, in which windows can be whole, and
not every other frame, in which none could.
"""

from __future__ import annotations

import re
import sys
import threading
from collections import deque
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from lapsdata.errors import Problem, SchemaError, StorageError
from lapsdata.geometry import FrameSize
from lapsdata.video._pixels import converter

if TYPE_CHECKING:
    from collections.abc import Iterator

    import av
    import numpy as np
    from numpy.typing import NDArray

    from lapsdata.video.frame import Pixels

__all__ = ["LiveFrame", "LiveSource", "is_live"]

_SCHEMES = re.compile(r"(rtsp|rtsps|rtp|udp|tcp|srt|rtmp)://.+", re.IGNORECASE)
_CAMERAS = Path("/dev")
_QUEUE = 256


class LiveFrame(NamedTuple):
    """One frame of a live source.

    Parameters
    ----------
    index : int, 0-based
        Its place among the frames that were taken.
    time_s : float, seconds
        By the stream's own clock.
    images : tuple of uint8 (H, W, 3) or (H, W)
        One for each of the kinds of pixels that were asked for.
    dropped_before : int
        Frames that were dropped since the frame before it.
    at_s : float, seconds
        When it had come, by the clock of the machine: for latencies alone, in which its time in the queue counts.

    Examples
    --------
    >>> LiveFrame(0, 0.5, (), 0, 1234.5).time_s
    0.5
    """

    index: int  # type: ignore[assignment]  # a frame is no list to be searched; the name is the field's
    time_s: float
    images: tuple[NDArray[np.uint8], ...]
    dropped_before: int
    at_s: float


def is_live(source: str) -> bool:
    """Return whether a source is a camera (its index) or a network stream, and no file.

    Examples
    --------
    >>> is_live("0"), is_live("rtsp://camera/1"), is_live("clip.mp4"), is_live("https://host/clip.mp4")
    (True, True, False, False)
    """
    return source.isdecimal() or _SCHEMES.fullmatch(source) is not None


class LiveSource:
    """An open camera or network stream; a context manager.

    Parameters
    ----------
    source : str
        Index of a camera, or URL (rtsp, udp, tcp, srt, rtp, rtmp).
    pixels : tuple of {"rgb", "gray"}
        What the images of a frame hold.
    idle_s : float, seconds
        A stream that gives nothing for so long has ended.
    queue : int
        Frames that wait at most.

    Raises
    ------
    StorageError
        No such camera (`no-camera`); nothing comes from there (`cannot-open`).
    SchemaError
        It has no picture.

    Examples
    --------
    >>> LiveSource("93")
    Traceback (most recent call last):
    lapsdata.errors.StorageError: camera 93: expected a camera, got none: there is no /dev/video93; ... [no-camera]
    """

    def __init__(
        self, source: str, pixels: tuple[Pixels, ...] = ("rgb",), *, idle_s: float = 5.0, queue: int = _QUEUE
    ) -> None:
        self.where = f"camera {source}" if source.isdecimal() else source
        self._container = _opened(source, self.where, idle_s)
        if not self._container.streams.video:
            self._container.close()
            raise SchemaError(Problem("no-video", self.where, "expected a picture, got none"))
        self._stream = self._container.streams.video[0]
        context = self._stream.codec_context
        self.size = FrameSize(width=context.width, height=context.height)
        self._converters = [converter(kind, 0) for kind in pixels]
        self._most = queue
        self._held: deque[LiveFrame] = deque()
        self._changed = threading.Condition()
        self._ended = self._stop = self._dropping = False
        self._error: BaseException | None = None
        self.dropped_s: list[float] = []
        """Times of the frames that nobody took in time."""
        self.unordered = 0
        """Frames that were left out because their time was not after that of the one before, or not known."""
        self._thread = threading.Thread(target=self._read, name="live source", daemon=True)
        self._thread.start()

    def frames(self) -> Iterator[LiveFrame | None]:
        """Yield frames as they come, None from time to time while none does, until the stream ends."""
        while True:
            with self._changed:
                if not self._held and not self._ended:
                    self._changed.wait(0.1)
                frame = self._held.popleft() if self._held else None
                if frame is None and self._ended:
                    break
            yield frame
        if self._error is not None:
            raise self._error

    @property
    def ended(self) -> bool:
        """Whether no more frames come, but for those that wait."""
        return self._ended

    def close(self) -> None:
        """End the reading."""
        self._stop = True
        self._thread.join()
        self._container.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read(self) -> None:
        try:
            self._take_all()
        except BaseException as error:  # noqa: BLE001 - handed to whoever takes the frames
            self._error = error
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify()

    def _decoded(self) -> Iterator[av.VideoFrame]:
        """Yield frames until nothing comes for too long, which is how most live streams end, and what is left then."""
        import av

        try:
            yield from self._container.decode(self._stream)
        except (av.error.ExitError, av.error.TimeoutError, av.error.EOFError):
            yield from self._stream.decode(None)

    def _take_all(self) -> None:
        before_s, number, dropped = float("-inf"), 0, 0
        for decoded in self._decoded():
            at_s = monotonic()
            if self._stop:
                return
            time_s: float | None = decoded.time
            if time_s is None or not time_s > before_s:
                self.unordered += 1
                continue
            before_s = time_s
            waiting = len(self._held)
            self._dropping = waiting >= self._most or (self._dropping and waiting > 0)
            if self._dropping:
                self.dropped_s.append(time_s)
                dropped += 1
                continue
            images = tuple(convert(decoded) for convert in self._converters)
            frame = LiveFrame(number, time_s, images, dropped, at_s)
            number, dropped = number + 1, 0
            with self._changed:
                self._held.append(frame)
                self._changed.notify()


def _opened(source: str, where: str, idle_s: float) -> av.container.InputContainer:
    import av

    place, form = source, None
    if source.isdecimal():
        place, form = _camera(source)
    options: dict[str, Any] = {"timeout": (idle_s, idle_s)}
    if place.startswith("rtsp"):
        # Over UDP, lost packets are torn pictures.
        options["options"] = {"rtsp_transport": "tcp"}
    try:
        container: av.container.InputContainer = av.open(place, format=form, **options)
    except (av.error.FFmpegError, OSError, ValueError) as error:
        message = f"expected a stream, got nothing that can be opened within {idle_s:g} s: {error}"
        fix = "check that it is sending, and its address"
        raise StorageError(Problem("cannot-open", where, message, fix)) from error
    return container


def _camera(index: str) -> tuple[str, str]:
    """Return the device of a camera and FFmpeg's word for its kind."""
    if sys.platform == "darwin":
        return index, "avfoundation"
    device = _CAMERAS / f"video{int(index)}"
    if not device.exists():
        there = sorted(one.name for one in _CAMERAS.glob("video*"))
        message = f"expected a camera, got none: there is no {device}"
        fix = f"there are {', '.join(there)}" if there else "this machine has no camera"
        raise StorageError(Problem("no-camera", f"camera {index}", message, fix))
    return str(device), "video4linux2,v4l2"
