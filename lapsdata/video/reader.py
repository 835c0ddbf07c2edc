"""Read a video frame by frame or at any place, each frame with its own time, and never another frame instead."""

from __future__ import annotations

import math
import threading
from typing import TYPE_CHECKING, Any, Self, get_args
from weakref import WeakSet

import numpy as np

from lapsdata.errors import Problem, SchemaError, whole_number
from lapsdata.video.frame import Frame, Pixels
from lapsdata.video.probe import find_source

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import ArrayLike

    from lapsdata.timebase import FrameRate
    from lapsdata.video._bytes import VideoPath
    from lapsdata.video._decoding import PacketSource, Session, Times
    from lapsdata.video._images import ImageFolder
    from lapsdata.video.facts import VideoFacts

__all__ = ["VideoReader", "open_video"]

# Sessions that nobody has read from. Each holds a file open, of which a process may often have no more than 1024.
_UNREAD: WeakSet[Session] = WeakSet()
_MOST_UNREAD = 16


def open_video(
    source: VideoPath,
    *,
    pixels: Pixels = "rgb",
    stream: int | None = None,
    rate: FrameRate | str | float | None = None,
    frame_s: ArrayLike | None = None,
    times: Times = "packets",
) -> VideoReader:
    """Open a video, a folder of numbered images, or a URL.

    Parameters
    ----------
    source : path-like or str
        File, folder of images (.png, .jpg, .jpeg; ordered by the last number in their names), or URL that fsspec
        knows.
    pixels : {"rgb", "rgb_quick", "gray"}
        "rgb_quick" is FFmpeg's quick conversion, for pixels equal to those of other loaders; see `Pixels`.
        "gray" is the brightness that the video stores (luma), stretched to 0 to 255; of BT.601 video, and of
        images stored as RGB, it is what OpenCV makes of the colours. Alpha is dropped.
    stream : int, optional
        Which of several video streams, counted from 0.
    rate : FrameRate, str or number, optional, numbers per second
        For images: the image of number n is shown (n - first) / rate after the first, so that a missing number
        leaves a gap in time.
    frame_s : array_like, shape (F,), seconds, optional
        For images: the time of each, instead of `rate`.
    times : {"packets", "decoded"}
        "packets": each picture must carry the time of its packet. "decoded": the k-th picture is shown at the
        k-th of the container's times, for files that number packets and not frames (AVI with B-frames); there
        are no seeks then.

    Returns
    -------
    VideoReader
        A context manager.

    Raises
    ------
    StorageError
        Not there, no right to read it, or a URL that cannot be read.
    UnknownFormatError
        Not a video: text, a Git LFS pointer, audio alone, a folder without images.
    CorruptDataError
        Empty, cut off, without its index, without frames, or with two frames at one time.
    MissingExtraError
        No decoder for the codec; the decoders there are are named.
    SchemaError
        Several video streams and none named; a stream without times; options that do not fit.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from lapsdata.video.writer import write_video
    >>> clip = Path(tempfile.mkdtemp()) / "clip.mp4"
    >>> write_video(clip, [np.full((48, 64, 3), level, np.uint8) for level in (50, 100, 150)], [0.0, 0.1, 0.25])
    >>> with open_video(clip, pixels="gray") as video:
    ...     [(frame.index, frame.time_s, int(frame.image[0, 0])) for frame in video.frames()]
    [(0, 0.0, 50), (1, 0.1, 100), (2, 0.25, 150)]
    """
    if pixels not in get_args(Pixels):
        wanted = ", ".join(map(repr, get_args(Pixels)))
        raise SchemaError(Problem("unknown-choice", "pixels", f"expected one of {wanted}, got {pixels!r}"))
    if times not in ("packets", "decoded"):
        raise SchemaError(Problem("unknown-choice", "times", f"expected 'packets' or 'decoded', got {times!r}"))
    found, session = find_source(source, pixels, stream=stream, rate=rate, frame_s=frame_s, times=times)
    return VideoReader(found, session)


class VideoReader:
    """Frames of one source; `open_video` makes it.

    Every iterator of `frames` has a decoder of its own, so any number of them run side by side, in any threads.
    `at_index`, `at_time` and `read` share one, behind a lock. A reader can be pickled and survives a fork:
    each process opens the source for itself when it first reads. The first read goes on with the file that the facts
    came from, which stays open until then, or until the reader is closed; only of 16 readers at a time.

    Parameters
    ----------
    source : PacketSource or ImageFolder
        What `open_video` found.
    session : Session, optional
        What is open of it, for the first read.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from lapsdata.video.writer import write_video
    >>> clip = Path(tempfile.mkdtemp()) / "clip.mp4"
    >>> write_video(clip, [np.full((48, 64, 3), level, np.uint8) for level in range(60, 180, 3)], np.arange(40) / 20)
    >>> with open_video(clip) as video:
    ...     [frame.index for frame in video.read([30, 2, 31])], video.at_time(1.5).image.shape
    ([30, 2, 31], (48, 64, 3))
    """

    def __init__(self, source: PacketSource | ImageFolder, session: Session | None = None) -> None:
        self._source = source
        self._session: Session | None = None
        self._unread: list[Session] = []
        self._lock = threading.Lock()
        if session is not None and len(_UNREAD) < _MOST_UNREAD:
            _UNREAD.add(session)
            self._unread.append(session)
        elif session is not None:
            session.close()

    @property
    def facts(self) -> VideoFacts:
        """What is known of the video without its pixels (VideoFacts)."""
        return self._source.facts

    def __len__(self) -> int:
        return self.facts.frames

    def frames(self, indices: Iterable[int] | None = None) -> Iterator[Frame]:
        """Yield frames in the order in which they are shown.

        Memory does not grow with the video. What lies between wanted frames is decoded, or jumped over where a
        keyframe makes that shorter.

        Parameters
        ----------
        indices : iterable of int, optional
            Rising, repeats allowed; all frames by default.

        Yields
        ------
        Frame

        Raises
        ------
        CorruptDataError
            A frame cannot be decoded, or is not the one that the container promises; it names file, frame and time.
            The frames before it have been given.
        SchemaError
            A frame has another size or rotation than the first; the indices are no rising integers.
        IndexError
            There is no such frame.
        StorageError
            The file has gone, and has to be opened again.
        """
        session = self._begun()
        try:
            for index in range(len(self)) if indices is None else self._rising(indices):
                yield self._frame(session, index)
        finally:
            session.close()

    def at_index(self, index: int) -> Frame:
        """Return one frame; errors as `frames`.

        Parameters
        ----------
        index : int
            0 to F - 1.

        Returns
        -------
        Frame
        """
        return self.read([index])[0]

    def at_time(self, t_s: float, *, tolerance_s: float = 1e-3) -> Frame:
        """Return the frame whose time is nearest; errors as `frames`.

        Parameters
        ----------
        t_s : float, seconds
            On the source's own clock.
        tolerance_s : float, seconds
            How far the frame's time may be from it; by default a tick of the coarsest usual clock.

        Returns
        -------
        Frame

        Raises
        ------
        SchemaError
            `no-frame-there`: no frame is so near; the nearest is named. `not-finite`: a time or tolerance that is NaN
            or infinite.
        """
        for name, value in (("t_s", t_s), ("tolerance_s", tolerance_s)):
            if not math.isfinite(value):
                message = f"expected finite seconds, got {value}"
                raise SchemaError(Problem("not-finite", f"{self.facts.path}: {name}", message))
        times = self.facts.frame_s
        after = min(int(np.searchsorted(times, t_s)), len(times) - 1)
        index = max(after - 1, 0) if abs(times[after - 1] - t_s) <= abs(times[after] - t_s) else after
        if abs(times[index] - t_s) > tolerance_s:
            message = (
                f"expected a frame within {tolerance_s:g} s of {t_s:.6f} s, "
                f"the nearest is frame {index} at {times[index]:.6f} s"
            )
            raise SchemaError(Problem("no-frame-there", f"{self.facts.path}: t_s", message, "widen tolerance_s"))
        return self.at_index(index)

    def read(self, indices: Iterable[int]) -> list[Frame]:
        """Return frames in the order asked for; errors as `frames`.

        They are decoded in the order in which they are shown, so that each group of pictures is decoded once.

        Parameters
        ----------
        indices : iterable of int
            0 to F - 1, in any order, repeats allowed.

        Returns
        -------
        list of Frame
            All in memory at once.
        """
        asked = [self._checked(index) for index in indices]
        found: dict[int, Frame] = {}
        with self._lock:
            if self._session is None:
                self._session = self._begun()
            for place in sorted(range(len(asked)), key=asked.__getitem__):
                found[place] = self._frame(self._session, asked[place])
        return [found[place] for place in range(len(asked))]

    def close(self) -> None:
        """Give back file and decoder; a later read opens them again."""
        with self._lock:
            for session in (self._take_unread(), self._session):
                if session is not None:
                    session.close()
            self._session = None

    def _begun(self) -> Session:
        return self._take_unread() or self._source.open()

    def _take_unread(self) -> Session | None:
        """Return the session that has been open since the facts were read; to one asker, whatever thread it is in."""
        try:
            session = self._unread.pop()
        except IndexError:
            return None
        _UNREAD.discard(session)
        return session

    def _rising(self, indices: Iterable[int]) -> Iterator[int]:
        before = 0
        for wanted in indices:
            index = self._checked(wanted)
            if index < before:
                message = f"expected rising indices, got {index} after {before}"
                raise SchemaError(Problem("not-rising", "indices", message, "sort them, or use read()"))
            before = index
            yield index

    def _checked(self, wanted: object) -> int:
        index = whole_number(wanted)
        if index is None:
            raise SchemaError(Problem("wrong-type", "index", f"expected an integer, got {wanted!r}"))
        if not 0 <= index < len(self):
            raise IndexError(f"{self.facts.path}: frame: expected 0 to {len(self) - 1}, got {index}")
        return index

    def _frame(self, session: Session, index: int) -> Frame:
        return Frame(index, float(self.facts.frame_s[index]), session.image(index))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        return {"source": self._source}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["source"])  # type: ignore[misc]  # a fresh reader of the same source
