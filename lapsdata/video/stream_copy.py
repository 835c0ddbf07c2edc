"""Cut and join videos without encoding them again, where that gives just the frames that are wanted."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np

from lapsdata.storage.atomic import atomic_file
from lapsdata.video._container import open_container, packets_of
from lapsdata.video.probe import find_source

if TYPE_CHECKING:
    from fractions import Fraction
    from pathlib import Path
    from typing import Self

    import av
    import av.container

    from lapsdata.video._container import OpenVideo
    from lapsdata.video._decoding import PacketSource

__all__ = ["Joined", "StreamJoin", "copies_exactly", "copy_frames"]

# Codecs whose packets MP4 takes as they are. PyAV begins a stream of H.264 anew from that of a source, its parameter
# sets included; AV1 has one name when read and another when written, and carries its parameters in every keyframe.
_CODECS = ("h264", "av1")

# An MP4 file says in 31 bits how long a packet lasts, in ticks of its clock; FFmpeg moves what comes later.
_LONGEST = 2**31 - 1


def copies_exactly(source: PacketSource, first: int, until: int) -> bool:
    """Return whether the packets of some frames, and no others, stand one behind the other and need none before them.

    Parameters
    ----------
    source : PacketSource
        Of `lapsdata.video.probe.find_source`.
    first, until : int
        Half-open span of frames, in the order in which they are shown.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lapsdata.video.probe import find_source
    >>> from lapsdata.video.writer import write_video
    >>> clip = pathlib.Path(tempfile.mkdtemp()) / "clip.mp4"
    >>> write_video(clip, [np.zeros((48, 64, 3), np.uint8)] * 8, np.arange(8) / 10, gop=4)
    >>> source, _ = find_source(clip, "rgb", stream=None, rate=None, frame_s=None, times="packets")
    >>> copies_exactly(source, 0, 4), copies_exactly(source, 0, 5)
    (True, False)
    """
    facts, timeline = source.facts, source.timeline
    # MP4 files alone list where decoding can begin.
    if "mov" not in facts.container or facts.codec not in _CODECS or facts.rotation or not timeline.edits:
        return False
    place = np.sort(timeline.place[first:until])
    in_a_row = place[-1] - place[0] + 1 == until - first and timeline.place[first] == place[0]
    whole = until == facts.frames or until in timeline.keys
    return bool(first in timeline.keys and whole and in_a_row)


def copy_frames(source: PacketSource, path: Path, first: int, until: int, *, overwrite: bool = False) -> None:
    """Write the packets of some frames to an MP4 file that begins at 0 s; only where `copies_exactly` says so.

    Parameters
    ----------
    source, first, until
        As `copies_exactly`.
    path : Path
        Appears only when it is complete.
    overwrite : bool

    Raises
    ------
    LapsError
        The source cannot be read, or the file cannot be written.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lapsdata.video.probe import find_source, probe
    >>> from lapsdata.video.writer import write_video
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> write_video(folder / "clip.mp4", [np.zeros((48, 64, 3), np.uint8)] * 8, np.arange(8) / 10, gop=4)
    >>> source, _ = find_source(folder / "clip.mp4", "rgb", stream=None, rate=None, frame_s=None, times="packets")
    >>> copy_frames(source, folder / "part.mp4", 4, 8)
    >>> probe(folder / "part.mp4").frame_s.tolist()
    [0.0, 0.1, 0.2, 0.3]
    """
    timeline = source.timeline
    places = timeline.place[first:until]
    low, high, start = int(places.min()), int(places.max()), int(timeline.pts[first])
    video = open_container(source.source, source.stream)
    try:
        with (
            atomic_file(path, overwrite=overwrite) as temporary,
            _target(temporary, timeline.time_base) as target,
        ):
            stream = _stream(target, source, video)
            for number, packet in enumerate(packets_of(source.source, video)):
                if low <= number <= high:
                    _put(target, stream, packet, -start)
                if number >= high:
                    break
    finally:
        video.close()


class Joined(NamedTuple):
    """Where a video lies in the one that it was joined to.

    Parameters
    ----------
    start_s : float, seconds
        Where its time 0 lies.
    end_s : float, seconds
        Where its last frame ends.
    """

    start_s: float
    end_s: float


class StreamJoin:
    """Whole videos one behind the other in one MP4 file, packet by packet; a context manager.

    Parameters
    ----------
    path : Path
        Appears when the block is left without an error, complete; not at all where nothing was appended.

    Raises
    ------
    LapsError
        A video cannot be read, or the file cannot be written.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lapsdata.video.probe import probe
    >>> from lapsdata.video.writer import write_video
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> write_video(folder / "clip.mp4", [np.zeros((48, 64, 3), np.uint8)] * 3, np.arange(3) / 10)
    >>> with StreamJoin(folder / "joined.mp4") as join:
    ...     spans = [join.append(folder / "clip.mp4") for _ in range(2)]
    >>> spans[1], probe(folder / "joined.mp4").frames
    (Joined(start_s=0.3, end_s=0.6), 6)
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stack = contextlib.ExitStack()
        self._into: tuple[av.container.OutputContainer, av.VideoStream] | None = None
        self._kind: tuple[object, ...] = ()
        self._end = 0
        self._last_dts: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.__exit__(*error)  # type: ignore[arg-type]  # the three that Python gives

    def append(self, path: Path, earliest_s: float = 0.0) -> Joined | None:
        """Put a video behind the last one; return where it lies, or None where it must stand in a file of its own.

        Before `earliest_s` seconds it does not begin: the last frame before it lasts until then.

        That is so where its packets cannot follow those before: another codec, size, clock or set of parameters,
        sound beside it, edits, a first frame before 0 s or so late that no frame can last until then, a last one of
        unknown length.
        """
        source, session = find_source(path, "rgb", stream=None, rate=None, frame_s=None, times="packets")
        if session is not None:
            session.close()
        facts, timeline = source.facts, cast("PacketSource", source).timeline
        if not copies_exactly(cast("PacketSource", source), 0, facts.frames):
            return None
        video = open_container(path)
        try:
            packets = [packet for packet in packets_of(path, video) if packet.size]
            # The first one begins at 0 s: nothing is before it.
            start = max(self._end, round(earliest_s / timeline.time_base)) if self._kind else self._end
            first = cast("int", packets[0].dts) + start
            sets = bytes(video.stream.codec_context.extradata or b"")
            kind = (facts.codec, facts.coded_size, facts.pixel_format, timeline.time_base, sets)
            alone = len(video.container.streams) > 1 or len(packets) > facts.frames
            if alone or timeline.pts[0] < 0 or timeline.lasting <= 0 or self._kind not in ((), kind):
                return None
            if self._last_dts is not None and not 0 < first - self._last_dts < _LONGEST:
                return None
            target, stream = self._opened(cast("PacketSource", source), video)
            self._kind = kind
            for packet in packets:
                self._last_dts = cast("int", packet.dts) + start
                _put(target, stream, packet, start)
        finally:
            video.close()
        self._end = start + int(timeline.pts[-1]) + timeline.lasting
        return Joined(float(start * timeline.time_base), float(self._end * timeline.time_base))

    def _opened(self, source: PacketSource, video: OpenVideo) -> tuple[av.container.OutputContainer, av.VideoStream]:
        if self._into is None:
            temporary = self._stack.enter_context(atomic_file(self._path))
            target = self._stack.enter_context(_target(temporary, source.timeline.time_base))
            self._into = target, _stream(target, source, video)
        return self._into


def _target(path: Path, clock: Fraction) -> av.container.OutputContainer:
    import av

    settings = {"fflags": "+bitexact", "movie_timescale": str(clock.denominator)}
    return av.open(path, "w", format="mp4", options=settings)


def _stream(target: av.container.OutputContainer, source: PacketSource, video: OpenVideo) -> av.VideoStream:
    """Begin a stream of packets like those of a source."""
    facts, clock = source.facts, source.timeline.time_base
    if facts.codec == "h264":
        stream = target.add_stream_from_template(video.stream)
        stream.time_base = clock
        return stream
    size = {"width": facts.coded_size.width, "height": facts.coded_size.height}
    told = target.add_mux_stream(facts.codec, rate=video.stream.average_rate, time_base=clock, **size)
    return cast("av.VideoStream", told)


def _put(
    target: av.container.OutputContainer, stream: av.VideoStream, packet: av.Packet[av.VideoStream], shift: int
) -> None:
    # A packet of a frame has both times; PyAV's stubs allow for none.
    packet.pts = cast("int", packet.pts) + shift
    packet.dts = cast("int", packet.dts) + shift
    packet.stream = stream
    target.mux(packet)
