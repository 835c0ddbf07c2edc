"""Decode the frame that was asked for, and prove that it is that one.

The packets say which frames there are and when each is shown (`_timeline`). What the decoder gives is held
against that list, frame by frame; a frame that is missing, out of turn, or known to be damaged is an error, and no
seek is believed before the packet that it led to has been recognised.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Literal, Protocol, cast

import numpy as np

from lapsdata.errors import CorruptDataError, Problem, SchemaError
from lapsdata.video._container import open_container, packets_of
from lapsdata.video._ffmpeg_log import listening
from lapsdata.video._pixels import converter

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from pathlib import Path

    import av
    from numpy.typing import NDArray

    from lapsdata.video._container import OpenVideo
    from lapsdata.video._timeline import Timeline
    from lapsdata.video.facts import VideoFacts
    from lapsdata.video.frame import Pixels

    Packets = Iterator[av.Packet[av.VideoStream]]
    Decoded = Generator[av.VideoFrame]
    Passed = Callable[[int, av.VideoFrame], None]

__all__ = ["PacketSession", "PacketSource", "Session", "Times"]

Times = Literal["packets", "decoded"]
"""How a decoded picture is recognised: by its own time, or by its turn."""

# Decoders that mend damage and say so nowhere but in the log.
_TELLS_IN_LOG = {"ffv1": "CRC mismatch", "gif": "LZW decode failed"}
# Checksums are compared where a codec has them, and damage stops a decoder that would paint over it.
_HONEST = {"err_detect": "crccheck+explode"}


class Session(Protocol):
    """What gives the images of one source, one after another; it opens the source when first asked."""

    def image(self, index: int) -> NDArray[np.uint8]:
        """Return the image of frame `index`, 0 to F - 1."""

    def close(self) -> None:
        """Give back files and decoders."""


@dataclass(frozen=True, slots=True)
class PacketSource:
    """All that is needed to open a video again, in this process or another."""

    source: Path | str
    stream: int | None
    place: int
    """Number of the stream among all of the container."""
    facts: VideoFacts
    timeline: Timeline
    times: Times
    pixels: Pixels

    def open(self) -> PacketSession:
        """Return a decoder of its own."""
        return PacketSession(self)

    def error(self, frame: int | None, message: str, fix: str = "copy or download the file again") -> CorruptDataError:
        """Error that names file, frame and time."""
        if frame is None:
            return CorruptDataError(Problem("undecodable", str(self.source), message, fix))
        at = f"{self.source}: frame {frame} at {self.facts.frame_s[frame]:.6f} s"
        return CorruptDataError(Problem("undecodable-frame", at, message, fix))


class PacketSession:
    """One decoder that moves through a video; not for two threads at once.

    Parameters
    ----------
    plan : PacketSource
    video : OpenVideo, optional
        A container of the source that is open and was read to its end, to be closed with the session. FFmpeg takes
        as long to open some videos as to decode ten frames.
    """

    def __init__(self, plan: PacketSource, video: OpenVideo | None = None) -> None:
        self._plan = plan
        self._video = video
        self._convert = converter(plan.pixels, plan.facts.rotation)
        self._run: _Run | None = None
        self._last: tuple[int, av.VideoFrame] | None = None
        self._pid = os.getpid()

    def image(self, index: int) -> NDArray[np.uint8]:
        """Return the image of one frame, by the shortest way to it.

        Raises
        ------
        CorruptDataError
            It cannot be decoded.
        SchemaError
            It has another size or rotation than the video.
        """
        return self._convert(self.picture(index))

    def picture(self, index: int, passed: Passed | None = None) -> av.VideoFrame:
        """Return one frame as the decoder gives it; raises as `image`.

        Parameters
        ----------
        index : int
        passed : callable, optional
            Called with the number and the picture of each frame that is decoded on the way.
        """
        if self._pid != os.getpid():
            # A forked process shares the place in the file with its parent: neither may move it for the other.
            self._run, self._video, self._pid = None, None, os.getpid()
        if self._last is None or self._last[0] != index:
            self._last = None
            self._last = index, self._reach(index, passed)
        return self._last[1]

    def close(self) -> None:
        """Give back the file and the decoder."""
        run, video, self._run, self._video, self._last = self._run, self._video, None, None, None
        for held in (run, video):
            if held is not None:
                held.close()

    def __del__(self) -> None:
        # A container of PyAV's that is left to itself stays open until cycles are looked for.
        if self._video is not None:
            self._video.close()

    def _reach(self, index: int, passed: Passed | None) -> av.VideoFrame:
        if index < self._plan.timeline.first:
            raise self._plan.error(index, "cannot be decoded: there is no keyframe before it", "cut the file at one")
        run, self._run = self._run or self._begun(), None
        try:
            for key in self._starts(index, run):
                # A keyframe in name only (gradual refresh, a wrong flag) shows here, and an earlier one is tried;
                # what cannot be decoded from the start of the file either is an error.
                try:
                    if run.due == key or run.seek(key):
                        frame = run.advance(index, passed)
                        self._run = run
                        return frame
                except CorruptDataError:
                    if run.whole:
                        raise
            run.close()
            run = _Run(self._plan)
            frame = run.advance(index, passed)
            self._run = run
            return frame
        finally:
            if self._run is None:
                run.close()

    def _begun(self) -> _Run:
        video, self._video = self._video, None
        return _Run(self._plan, video)

    def _starts(self, index: int, run: _Run) -> Iterator[int]:
        """Frames to start from: the one that comes next where that pays, then keyframes, ever farther back."""
        if run.due == index:
            yield index
        if self._plan.times == "decoded":
            if run.due < index:
                yield run.due
            return
        keys = self._plan.timeline.keys
        last = int(np.searchsorted(keys, index, side="right")) - 1
        steps = [2**power - 1 for power in range(last.bit_length() + 1)]
        starts = [int(keys[last - step]) for step in steps if step <= last]
        # After a seek the decoder has to be filled again; the seek itself takes about as long as one frame.
        if run.due < index and not (starts and starts[0] - run.due > run.held + 1):
            yield run.due
        yield from starts


class _Run:
    """Decoding without a jump, from some frame on; `due` is the frame that comes next."""

    due: int
    held: int
    """How many packets were decoded whose frames have not come yet."""
    whole: bool
    """Whether it began at the start of the file, with a fresh decoder."""
    _frames: Decoded
    _failed: tuple[int | None, str] | None
    """The packet at which feeding stopped, and why."""

    def __init__(self, plan: PacketSource, video: OpenVideo | None = None) -> None:
        self._plan = plan
        self._by_time = plan.times == "packets"
        self._tell = _TELLS_IN_LOG.get(plan.facts.codec)
        self._size = plan.facts.coded_size.width, plan.facts.coded_size.height
        self._video = video or open_container(plan.source, plan.stream, edits=plan.timeline.edits)
        self._context = self._video.stream.codec_context
        self._context.options = dict(_HONEST)
        self.whole = video is None
        # All frames lie before the place where a container stands that was read to its end.
        first = plan.timeline.first if self._by_time else 0
        self._begin(packets_of(plan.source, self._video), first if self.whole else plan.facts.frames)

    def close(self) -> None:
        self._frames.close()
        self._video.close()

    def seek(self, key: int) -> bool:
        """Go to a keyframe, or to an earlier one; return whether that worked."""
        import av

        timeline = self._plan.timeline
        self._frames.close()
        # Containers that look for the time of decoding, or that guess from a bit rate, overshoot.
        at = int(np.searchsorted(timeline.keys, key))
        for aim in dict.fromkeys((at, max(at - 1, 0), max(at - 3, 0))):
            try:
                self._video.container.seek(int(timeline.pts[timeline.keys[aim]]), stream=self._video.stream)
                found, packets = self._next_key()
            except (av.error.FFmpegError, CorruptDataError):
                return False
            if found is not None and timeline.place[found] <= timeline.place[key]:
                self.whole = timeline.place[found] == 0 and not self._context.is_open
                self._begin(packets, found)
                return True
        return False

    def advance(self, index: int, passed: Passed | None) -> av.VideoFrame:
        """Decode up to a frame that is not behind, and return it; those before it are told."""
        while True:
            # After an error nothing comes next.
            given, self.due = self.due, -1
            frame = next(self._frames)
            self.due = given + 1
            if given == index:
                return frame
            if passed is not None:
                passed(given, frame)

    def _next_key(self) -> tuple[int | None, Packets]:
        packets = packets_of(self._plan.source, self._video)
        for packet in packets:
            found = self._plan.timeline.index_of(packet.pts) if packet.is_keyframe else None
            if found is not None:
                return found, chain([packet], packets)
        return None, packets

    def _begin(self, packets: Packets, start: int) -> None:
        self.due = start
        self.held = 0
        self._failed = None
        self._frames = self._checked(self._decoded(packets, start), start)

    def _checked(self, frames: Decoded, due: int) -> Decoded:
        """Yield frames from `due` on, each proved to be the one whose turn it is."""
        pts, start = self._plan.timeline.pts, due
        for frame in frames:
            if self._by_time and frame.pts != pts[due]:
                raise self._missing(due, frame.pts)
            self._check(frame, due, first=due == start)
            due += 1
            self.held -= 1
            if due == len(pts) and next(frames, None) is not None:
                raise self._plan.error(None, f"expected {due} frames as there are packets, the decoder gave more")
            yield frame
        raise self._missing(due, None)

    def _decoded(self, packets: Packets, start: int) -> Decoded:
        """Feed packets up to the first that is damaged; yield what the decoder gives."""
        import av

        # Frames that are shown before their keyframe but stored after it refer to what lies before it.
        leading = int(self._plan.timeline.pts[start]) if self._by_time else None
        for packet in chain(packets, [None]):
            # A packet without bytes would tell the decoder that the video ends.
            if packet is not None and not packet.size:
                continue
            if leading is not None and packet is not None and _is_before(packet, leading):
                continue
            try:
                frames = self._decode(packet)
            except (av.error.FFmpegError, _DamagedError) as error:
                index = None if packet is None else self._plan.timeline.index_of(packet.pts)
                self._failed = index, getattr(error, "strerror", None) or str(error)
                break
            self.held += packet is not None
            yield from frames
        else:
            return
        # What was decoded before the damage is still in the decoder.
        with suppress(av.error.FFmpegError):
            yield from self._context.decode(None)

    def _decode(self, packet: av.Packet[av.VideoStream] | None) -> list[av.VideoFrame]:
        if packet is not None and packet.is_corrupt:
            raise _DamagedError("its packet is incomplete")
        if self._tell is None:
            return self._context.decode(packet)
        import av

        with listening(av.logging.ERROR) as said:
            frames = self._context.decode(packet)
        for text in said:
            if self._tell in text:
                raise _DamagedError(text)
        return frames

    def _check(self, frame: av.VideoFrame, due: int, *, first: bool) -> None:
        facts = self._plan.facts
        if self._failed is not None and self._failed[0] == due:
            raise self._missing(due, None)
        if frame.is_corrupt:
            raise self._plan.error(due, "cannot be decoded: the decoder had to guess a part of the picture")
        if (frame.width, frame.height) != self._size:
            got = f"expected {facts.coded_size} pixel as the file states, got {frame.width}x{frame.height}"
            raise self._changed("size-changes", due, got, "split the file where its size changes")
        if (frame.rotation + facts.rotation) % 360 or (first and _is_mirrored(frame)):
            got = (
                f"expected a picture that is upright after {facts.rotation} degrees, got another turn or a mirrored one"
            )
            raise self._changed("rotation-changes", due, got, "decode and encode it again: ffmpeg -i FILE NEW")

    def _changed(self, code: str, due: int, got: str, fix: str) -> SchemaError:
        at = f"{self._plan.source}: frame {due} at {self._plan.facts.frame_s[due]:.6f} s"
        return SchemaError(Problem(code, at, got, fix))

    def _missing(self, due: int, pts: int | None) -> CorruptDataError:
        """Error for a frame that did not come when it was its turn."""
        plan = self._plan
        if self._failed is not None:
            index, reason = self._failed
            needed = "" if index in (due, None) else f"; frame {due} needs it"
            return plan.error(due if index is None else index, f"cannot be decoded: {reason}{needed}")
        if pts is None:
            return plan.error(due, "cannot be decoded: the decoder gave no picture for it")
        got = f"cannot be decoded: the decoder gave the picture of {float(pts * plan.timeline.time_base):.6f} s instead"
        if plan.facts.container == "avi":
            return plan.error(due, got, 'AVI numbers packets and not frames: open it with times="decoded"')
        return plan.error(due, got)


class _DamagedError(Exception):
    """Damage that FFmpeg passes over."""


def _is_before(packet: av.Packet[av.VideoStream], pts: int) -> bool:
    return packet.pts is not None and packet.pts < pts and not packet.is_discard


def _is_mirrored(frame: av.VideoFrame) -> bool:
    """Tell whether the matrix that a player applies holds a flip."""
    data = frame.side_data.get("DISPLAYMATRIX")
    if data is None:
        return False
    matrix = np.frombuffer(cast("bytes", data), np.int32).astype(np.float64)
    return bool(matrix[0] * matrix[4] - matrix[1] * matrix[3] < 0)
