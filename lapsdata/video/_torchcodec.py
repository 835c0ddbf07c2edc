"""torchcodec as a decoder: asked whether it works here, and each of its frames held against the times of the packets.

It brings no FFmpeg but takes the shared libraries of the machine, which decide what can be decoded and how colours are
made. It finds frames by a list of its own; in some containers (MPEG-TS, AVI) and behind some keyframes (of a gradual
refresh) that leads to a neighbour of the frame that was asked for, which is an error here. It cannot be told to stop
at damage as PyAV can: where a decoder paints over what is missing, the picture is given.
"""

from __future__ import annotations

import ctypes
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

from lapsdata.errors import MissingExtraError, Problem, SchemaError
from lapsdata.video._bytes import by_name, open_bytes
from lapsdata.video._container import HARDWARE_ONLY, USUAL_DECODERS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lapsdata.video._decoding import PacketSource, Session
    from lapsdata.video.facts import VideoFacts

__all__ = ["FoundFfmpeg", "TorchcodecSession", "TorchcodecSource", "over_torchcodec", "require_torchcodec"]

_INSTALL = "pip install 'lapsdata[torchcodec]'"
_PYAV = 'decode with decoder="pyav"'
# Of all libraries of FFmpeg the linker looks for this one first.
_FIRST = "libavutil"
_REASON = re.compile(
    r"^(?:OSError|ImportError|ModuleNotFoundError): (?!Could not load this library)(.+)$", re.MULTILINE
)
# torchcodec tells what went wrong behind the function and the line of its own source.
_ITS_PLACE = re.compile(r"^\w+, \S+:\d+, ")


class FoundFfmpeg(NamedTuple):
    """The FFmpeg that torchcodec has found.

    Parameters
    ----------
    torchcodec : str
        Version of the package.
    major : int
        Version of FFmpeg.
    library : ctypes.CDLL
        Through which its functions are called.
    """

    torchcodec: str
    major: int
    library: ctypes.CDLL

    def decoder_of(self, codec: str) -> str | None:
        """Return the name of the decoder that is taken for a codec; None where there is none that needs no hardware."""
        described = self._called("avcodec_descriptor_get_by_name", ctypes.c_char_p(codec.encode()))
        if not described:
            return None
        # Both records begin with what is wanted of them, in every FFmpeg that torchcodec knows.
        number = ctypes.cast(described, ctypes.POINTER(ctypes.c_int))[0]
        found = self._called("avcodec_find_decoder", ctypes.c_int(number))
        if not found:
            return None
        name = ctypes.cast(found, ctypes.POINTER(ctypes.c_char_p))[0].decode()
        return None if name in HARDWARE_ONLY else name

    def usual_decoders(self) -> list[str]:
        """Return those of the usual decoders that it has."""
        wanted = ((name, ctypes.c_char_p(name.encode())) for name in USUAL_DECODERS)
        return [name for name, text in wanted if self._called("avcodec_find_decoder_by_name", text)]

    def _called(self, name: str, argument: Any) -> int | None:  # noqa: ANN401 - of the type that C wants
        function = getattr(self.library, name)
        function.restype = ctypes.c_void_p
        found: int | None = function(argument)
        return found


def require_torchcodec() -> FoundFfmpeg:
    """Return the FFmpeg that torchcodec decodes with.

    Raises
    ------
    MissingExtraError
        torchcodec is not installed (`missing-extra`), finds no FFmpeg (`no-ffmpeg`), or does not load
        (`torchcodec-unusable`).
    """
    try:
        from torchcodec import __version__, core_library_path, ffmpeg_major_version
    except (ImportError, OSError, RuntimeError) as error:
        raise MissingExtraError(_unusable(error)) from error
    return FoundFfmpeg(__version__, ffmpeg_major_version, ctypes.CDLL(str(core_library_path)))


def _unusable(error: Exception) -> Problem:
    if isinstance(error, ModuleNotFoundError) and error.name == "torchcodec":
        message = "expected the package torchcodec, got no such package"
        return Problem("missing-extra", "decoder", message, _INSTALL)
    cause = error.__cause__ or error
    # Of what is told of each version of FFmpeg, that it is not there is no fault.
    reasons = _REASON.findall(f"{error}\n{type(cause).__name__}: {cause}")
    faults = [reason for reason in reasons if _FIRST not in reason]
    if reasons and not faults:
        message = "expected the shared libraries of FFmpeg 4 to 8 for torchcodec, got none: its wheel brings no FFmpeg"
        fix = f"apt-get install ffmpeg, or conda install ffmpeg; or {_PYAV}, which brings its own"
        return Problem("no-ffmpeg", "decoder", message, fix)
    told = faults[0] if faults else _first_words(error)
    fix = f"{_INSTALL}: it takes a release that fits to a CPU build of torch; or mend what is named"
    return Problem("torchcodec-unusable", "decoder", f"expected torchcodec to load, got {told}", fix)


@dataclass(frozen=True, slots=True)
class TorchcodecSource:
    """All that is needed to open a video again, in this process or another.

    Parameters
    ----------
    packets : PacketSource
    levels : int, 0 to 255
        By how much its colours differ from those of PyAV, at most, in the first frame.
    """

    packets: PacketSource
    levels: int

    @property
    def facts(self) -> VideoFacts:
        """What the packets say, read by PyAV."""
        return self.packets.facts

    def open(self) -> TorchcodecSession:
        """Return a decoder of its own."""
        return TorchcodecSession(self.packets)


def over_torchcodec(found: PacketSource, session: Session | None) -> tuple[TorchcodecSource, TorchcodecSession]:
    """Return a source that torchcodec decodes instead, with a decoder; `session` is closed.

    The first frame is decoded by both: PyAV tells what torchcodec does not, a mirrored picture, and damage; and only
    pixels tell in which way colours are made.

    Raises
    ------
    MissingExtraError
        torchcodec cannot be used, or its FFmpeg has no decoder for the codec (`no-decoder`).
    SchemaError, CorruptDataError
        What either finds at the first frame.
    """
    own, other = session or found.open(), TorchcodecSession(found)
    try:
        _refuse_undecodable(found)
        first = min(found.timeline.first, found.facts.frames - 1)
        wanted = own.image(first)
        levels = int(np.abs(other.image(first).astype(np.int16) - wanted).max())
    finally:
        own.close()
    return TorchcodecSource(found, levels), other


def _refuse_undecodable(found: PacketSource) -> None:
    ffmpeg, codec = require_torchcodec(), found.facts.codec
    if ffmpeg.decoder_of(codec) is not None:
        return
    there = ", ".join(ffmpeg.usual_decoders()) or "none"
    message = f"no decoder for {codec} in torchcodec's FFmpeg {ffmpeg.major}; among the decoders there are: {there}"
    fix = f"install an FFmpeg with one, or {_PYAV}, which has one"
    raise MissingExtraError(Problem("no-decoder", str(found.source), message, fix))


class TorchcodecSession:
    """One decoder that moves through a video; not for two threads at once."""

    def __init__(self, packets: PacketSource) -> None:
        self._packets = packets
        self._decoder: Any = None
        self._pid = os.getpid()

    def image(self, index: int) -> NDArray[np.uint8]:
        """Return the image of one frame.

        Raises
        ------
        CorruptDataError
            It cannot be decoded, or torchcodec gives another one.
        SchemaError
            It has another size than the video.
        """
        if self._pid != os.getpid():
            # A forked process shares the place in the file with its parent: neither may move it for the other.
            self._decoder, self._pid = None, os.getpid()
        packets, facts = self._packets, self._packets.facts
        # After an error it goes on from wherever it stands: a fresh one begins at a keyframe.
        decoder, self._decoder = self._decoder, None
        try:
            if decoder is None:
                decoder = self._opened()
            frame = decoder.get_frame_at(index)
        except (RuntimeError, IndexError, ValueError) as error:
            told = _ITS_PLACE.sub("", _first_words(error))
            raise packets.error(index, f"cannot be decoded by torchcodec: {told}", _other(packets)) from error
        # Half a tick: both are the same whole number of ticks, in seconds.
        if abs(frame.pts_seconds - facts.frame_s[index]) > 0.5 * float(packets.timeline.time_base):
            message = f"torchcodec gave the picture of {frame.pts_seconds:.6f} s instead"
            raise packets.error(index, message, _other(packets))
        image: NDArray[np.uint8] = frame.data.numpy()
        if image.shape[:2] != facts.size.shape:
            at = f"{packets.source}: frame {index} at {facts.frame_s[index]:.6f} s"
            got = f"expected {facts.size} pixel as the file states, got {image.shape[1]}x{image.shape[0]}"
            raise SchemaError(Problem("size-changes", at, got, "split the file where its size changes"))
        self._decoder = decoder
        return image

    def close(self) -> None:
        """Give back the file and the decoder."""
        self._decoder = None

    def _opened(self) -> Any:  # noqa: ANN401 - it is not installed where types are checked
        from torchcodec.decoders import VideoDecoder

        packets = self._packets
        # "exact" lets it list the packets itself: what it is told of them it believes, even where its decoder counts
        # otherwise (AVI). "file:" keeps a colon in a name from being taken for a protocol; a device that is the default
        # of torch is not meant.
        decoder = VideoDecoder(
            f"file:{packets.source}" if by_name(packets.source) else cast("Any", open_bytes(packets.source)),
            stream_index=packets.place,
            dimension_order="NHWC",
            num_ffmpeg_threads=1,
            device="cpu",
            seek_mode="exact",
        )
        if len(decoder) != packets.facts.frames:
            got = f"expected {packets.facts.frames} frames as the packets say, torchcodec finds {len(decoder)}"
            raise packets.error(None, got, _other(packets))
        return decoder


def _first_words(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def _other(packets: PacketSource) -> str:
    return f"{_PYAV}; where that cannot either, copy or download {packets.facts.name} again"
