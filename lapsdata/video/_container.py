"""Open a file, folder entry or URL with FFmpeg, and say by name why that cannot be done."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from lapsdata.errors import (
    CorruptDataError,
    MissingExtraError,
    Problem,
    SchemaError,
    UnknownFormatError,
)
from lapsdata.video._bytes import by_name, open_bytes, url_errors, words
from lapsdata.video._ffmpeg_log import describe
from lapsdata.video._wholeness import find_fault, known_kind

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import av
    from av.codec.context import CodecContext
    from av.container import InputContainer
    from av.video.stream import VideoStream

__all__ = ["HARDWARE_ONLY", "USUAL_DECODERS", "OpenVideo", "open_container", "packets_of"]

# What people meet; the full list of an FFmpeg has several hundred names.
USUAL_DECODERS = "h264 hevc libdav1d libaom-av1 vp8 vp9 mpeg4 mpeg2video mjpeg prores ffv1 gif".split()  # noqa: SIM905 - a list of words
# FFmpeg's own AV1 decoder only drives graphics cards.
HARDWARE_ONLY = {"av1"}
# Demuxers that read other files than the one they were given, or a single picture without a time.
_NOT_A_VIDEO = re.compile(r"image2|.*_pipe|hls|dash|concat|tty|lavfi")
# A playlist may name any address; only the file itself is read.
_LOCAL_ONLY = {"protocol_whitelist": "file"}
# Of the demuxer of MP4 and MOV.
_ALL_STORED = {"advanced_editlist": "0"}


@dataclass(slots=True)
class OpenVideo:
    """A container that is open at its first packet, and the stream in it that is read."""

    container: InputContainer
    stream: VideoStream
    about: str
    handle: BinaryIO

    def close(self) -> None:
        """Close the container, and the file that was opened for it."""
        self.container.close()
        self.handle.close()


def packets_of(source: Path | str, video: OpenVideo) -> Iterator[av.Packet[VideoStream]]:
    """Yield the packets of the stream from where the container stands; the last one is empty.

    Raises
    ------
    CorruptDataError
        FFmpeg finds no next packet, and yet not the end.
    StorageError
        The URL stopped to give bytes.
    """
    import av

    try:
        with url_errors(source):
            yield from video.container.demux(video.stream)
    except av.error.FFmpegError as error:
        raise _damaged(source, error) from error


def _damaged(source: Path | str, error: Exception) -> CorruptDataError:
    message = f"the container is damaged: {words(error)}"
    return CorruptDataError(Problem("damaged", str(source), message, "copy or download it again"))


def open_container(source: Path | str, stream: int | None = None, *, edits: bool = True) -> OpenVideo:
    """Open a video for reading.

    Parameters
    ----------
    source : Path or str
        File or URL.
    stream : int, optional
        Which of several video streams, counted from 0.
    edits : bool
        Leave out what an edit list leaves out; otherwise all that is stored comes.

    Returns
    -------
    OpenVideo
        To be closed by the caller.

    Raises
    ------
    StorageError
        It is not there, or may not be read.
    CorruptDataError
        Empty, cut off, or damaged so that FFmpeg finds no beginning.
    UnknownFormatError
        Not a video: text, an image, a Git LFS pointer, audio alone.
    SchemaError
        Several video streams and none named, or one that is not there.
    MissingExtraError
        No decoder for the codec, or no library for the kind of URL.
    """
    handle = open_bytes(source)
    try:
        _refuse_faults(source, handle)
        return _opened(source, handle, stream, {} if edits else _ALL_STORED)
    except BaseException:
        handle.close()
        raise


def _refuse_faults(source: Path | str, handle: BinaryIO) -> None:
    with url_errors(source):
        fault = find_fault(handle)
    if fault is not None:
        kind = UnknownFormatError if fault.foreign else CorruptDataError
        raise kind(Problem(fault.code, str(source), fault.message, fault.fix))


def _opened(source: Path | str, handle: BinaryIO, wanted: int | None, options: dict[str, str]) -> OpenVideo:
    container = _container(source, handle, options)
    try:
        stream = _pick(source, container, wanted)
        about = describe(container, stream.index)
        _refuse_undecodable(source, stream, about)
    except BaseException:
        container.close()
        raise
    # Threads across frames hang PyAV when a reader stops early, and those within a frame gain little: work is spread
    # over videos. It also keeps what FFmpeg logs in the thread that asked.
    stream.thread_type = "SLICE"
    stream.codec_context.thread_count = 1
    if by_name(source):
        handle.close()  # FFmpeg has opened it for itself
    return OpenVideo(container, stream, about, handle)


def _container(source: Path | str, handle: BinaryIO, options: dict[str, str]) -> InputContainer:
    import av

    kind = known_kind(handle)
    # FFmpeg takes a transport stream of less than five packets for something else.
    form = "mpegts" if kind == "mpegts" else None
    try:
        with url_errors(source):
            if not by_name(source):
                return av.open(handle, "r", format=form, options=options)
            # "file:" keeps a colon in a name from being taken for a protocol.
            return av.open(f"file:{source}", "r", format=form, options=_LOCAL_ONLY | options)
    except av.error.FFmpegError as error:
        # A list of other files is refused with "operation not permitted".
        unknown = isinstance(error, (av.error.InvalidDataError, av.error.PermissionError)) and kind is None
        raise (_not_a_video(source, f"got {_beginning(handle)}") if unknown else _damaged(source, error)) from error


def _beginning(handle: BinaryIO) -> str:
    handle.seek(0)
    head = handle.read(40)
    return f"text that begins with {head.decode()!r}" if head.isascii() else "what FFmpeg does not know"


def _not_a_video(source: Path | str, got: str) -> UnknownFormatError:
    return UnknownFormatError(Problem("not-a-video", str(source), f"expected a video, {got}", "check the file"))


def _pick(source: Path | str, container: InputContainer, wanted: int | None) -> VideoStream:
    from av.stream import Disposition

    if _NOT_A_VIDEO.fullmatch(container.format.name):
        raise _not_a_video(source, f"got {container.format.long_name}")
    # The cover of a piece of music is a video stream of one picture.
    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not streams:
        others = ", ".join(sorted({s.type for s in container.streams})) or "none"
        message = f"expected a video stream, got {others}"
        raise UnknownFormatError(Problem("no-video-stream", str(source), message, "check the file"))
    if wanted is None and len(streams) == 1:
        return streams[0]
    if wanted is None or not 0 <= wanted < len(streams):
        got = f"{len(streams)} video streams" + ("" if wanted is None else f" and stream={wanted}")
        fix = f"name one: stream=0 to {len(streams) - 1}, or copy it out: ffmpeg -i FILE -map 0:v:0 -c copy NEW"
        raise SchemaError(Problem("wrong-stream", str(source), f"expected one video stream, got {got}", fix))
    return streams[wanted]


def _refuse_undecodable(source: Path | str, stream: VideoStream, about: str) -> None:
    """Raise for a codec that this FFmpeg cannot decode; PyAV gives such a stream no codec context."""
    import av.codec

    context: CodecContext | None = stream.codec_context
    if context is not None and context.name not in HARDWARE_ONLY:
        return
    named = re.search(r"Video: (\w+)", about)
    codec = named[1] if named else "of an unknown codec"
    there = ", ".join(name for name in USUAL_DECODERS if name in av.codec.codecs_available)
    message = f"no decoder for {codec} in this FFmpeg; among the decoders there are: {there or 'none'}"
    fix = "install an FFmpeg with one (pip install --upgrade av), or convert the video"
    raise MissingExtraError(Problem("no-decoder", str(source), message, fix))
