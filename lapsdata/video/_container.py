"""Open a file, folder entry or URL with FFmpeg, and say by name why that cannot be done."""

from __future__ import annotations

import errno
import os
import re
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeAlias, cast

from lapsdata.errors import (
    CorruptDataError,
    LapsError,
    MissingExtraError,
    Problem,
    SchemaError,
    StorageError,
    UnknownFormatError,
)
from lapsdata.storage.atomic import existing, storage_errors
from lapsdata.video._ffmpeg_log import describe
from lapsdata.video._wholeness import find_fault

if TYPE_CHECKING:
    from collections.abc import Iterator

    import av
    from av.codec.context import CodecContext
    from av.container import InputContainer
    from av.video.stream import VideoStream

__all__ = ["OpenVideo", "VideoPath", "is_url", "name_of", "open_container", "packets_of", "settled"]

VideoPath: TypeAlias = str | os.PathLike[str]
"""A path, or a URL for fsspec."""

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://|[a-z0-9]+::")

# What people meet; the full list of an FFmpeg has several hundred names.
_USUAL = "h264 hevc libdav1d libaom-av1 vp8 vp9 mpeg4 mpeg2video mjpeg prores ffv1 gif".split()  # noqa: SIM905 - a list of words
# FFmpeg's own AV1 decoder only drives graphics cards.
_HARDWARE_ONLY = {"av1"}
# Demuxers that read other files than the one they were given, or a single picture without a time.
_NOT_A_VIDEO = re.compile(r"image2|.*_pipe|hls|dash|concat|tty|lavfi")
# A playlist may name any address; only the file itself is read.
_LOCAL_ONLY = {"protocol_whitelist": "file"}


@dataclass(slots=True)
class OpenVideo:
    """A container that is open at its first packet, and the stream in it that is read."""

    container: InputContainer
    stream: VideoStream
    about: str
    handle: BinaryIO | None

    def close(self) -> None:
        """Close the container, and the file that was opened for it."""
        self.container.close()
        if self.handle is not None:
            self.handle.close()


def is_url(source: VideoPath) -> bool:
    """Tell whether a source is for fsspec: `s3://bucket/clip.mp4`, `memory://clip.mp4`."""
    return isinstance(source, str) and _URL.match(source) is not None


def settled(source: VideoPath) -> Path | str:
    """Return a source as a Path, or as the URL that it is."""
    return source if isinstance(source, str) and is_url(source) else Path(source)


def name_of(source: VideoPath) -> str:
    """Name of a source: its last part without suffix."""
    return Path(source).stem


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

    packets = video.container.demux(video.stream)
    while True:
        try:
            packet = next(packets, None)
        except av.error.FFmpegError as error:
            raise _damaged(source, error) from error
        if packet is None:
            return
        yield packet


def _damaged(source: Path | str, error: Exception) -> CorruptDataError:
    message = f"the container is damaged: {_words(error)}"
    return CorruptDataError(Problem("damaged", str(source), message, "copy or download it again"))


def open_container(source: Path | str, stream: int | None = None) -> OpenVideo:
    """Open a video for reading.

    Parameters
    ----------
    source : Path or str
        File or URL.
    stream : int, optional
        Which of several video streams, counted from 0.

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
    handle = _open_bytes(source)
    try:
        _refuse_faults(source, handle)
        if is_url(source):
            return _opened(source, handle, stream)
        handle.close()
        return _opened(source, None, stream)
    except BaseException:
        handle.close()
        raise


def _open_bytes(source: Path | str) -> BinaryIO:
    if is_url(source):
        with _remote_errors(str(source)):
            import fsspec

            return cast("BinaryIO", fsspec.open(str(source), "rb").open())
    path = existing(Path(source))
    with storage_errors(path, "open"):
        return path.open("rb")


@contextmanager
def _remote_errors(url: str) -> Iterator[None]:
    """Turn what fsspec and its many libraries raise into errors that name the URL."""
    try:
        yield
    except LapsError:
        raise
    except ImportError as error:
        raise MissingExtraError(Problem("missing-extra", url, f"cannot open: {error}", "install it")) from error
    except Exception as error:
        if isinstance(error, FileNotFoundError):
            problem = Problem("not-found", url, "cannot open: no such file", "check the URL")
        elif isinstance(error, PermissionError):
            problem = Problem("no-permission", url, "cannot open: no permission", "ask for the right to read it")
        else:
            problem = Problem("unreadable-url", url, f"cannot open: {_words(error)}", "check the URL")
        raise StorageError(problem) from error


def _refuse_faults(source: Path | str, handle: BinaryIO) -> None:
    with _remote_errors(str(source)):
        fault = find_fault(handle)
    if fault is not None:
        kind = UnknownFormatError if fault.foreign else CorruptDataError
        raise kind(Problem(fault.code, str(source), fault.message, fault.fix))


def _opened(source: Path | str, handle: BinaryIO | None, wanted: int | None) -> OpenVideo:
    import av

    try:
        # "file:" keeps a colon in a name from being taken for a protocol.
        local = f"file:{source}"
        container = av.open(local, "r", options=_LOCAL_ONLY) if handle is None else av.open(handle, "r")
    except av.error.FFmpegError as error:
        raise _unreadable(source, error) from error
    try:
        stream = _pick(source, container, wanted)
        about = describe(container, stream.index)
        _refuse_undecodable(source, stream, about)
    except BaseException:
        container.close()
        raise
    # Threads across frames hang PyAV when a reader stops early, and an own thread per reader gains little: work is
    # spread over videos.
    stream.thread_type = "SLICE"
    stream.codec_context.thread_count = 1
    return OpenVideo(container, stream, about, handle)


def _unreadable(source: Path | str, error: Exception) -> LapsError:
    number = getattr(error, "errno", None)
    if number in {errno.EACCES, errno.ENOENT, errno.EIO, errno.EMFILE}:
        return StorageError(Problem("storage", str(source), f"cannot open: {_words(error)}"))
    if isinstance(error, ValueError):  # FFmpeg's "invalid data": no demuxer knows it
        return _not_a_video(source, "got something that FFmpeg does not recognise")
    return _damaged(source, error)


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
        fix = f"name one: stream=0 to {len(streams) - 1}"
        raise SchemaError(Problem("wrong-stream", str(source), f"expected one video stream, got {got}", fix))
    return streams[wanted]


def _refuse_undecodable(source: Path | str, stream: VideoStream, about: str) -> None:
    """Raise for a codec that this FFmpeg cannot decode; PyAV gives such a stream no codec context."""
    import av.codec

    context: CodecContext | None = stream.codec_context
    if context is not None and context.name not in _HARDWARE_ONLY:
        return
    named = re.search(r"Video: (\w+)", about)
    codec = named[1] if named else "of an unknown codec"
    there = ", ".join(name for name in _USUAL if name in av.codec.codecs_available)
    message = f"no decoder for {codec} in this FFmpeg; among the decoders there are: {there or 'none'}"
    fix = "install an FFmpeg with one (pip install --upgrade av), or convert the video"
    raise MissingExtraError(Problem("no-decoder", str(source), message, fix))


def _words(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
