"""Write frames with their own times to a video file: whole or not at all, equal input to equal bytes."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, cast, get_args

import numpy as np

from lapsdata.errors import LengthMismatchError, Problem, Problems, SchemaError, whole_number
from lapsdata.storage.atomic import atomic_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import av
    import av.container
    import numpy.typing as npt

    Image = npt.NDArray[np.uint8]

__all__ = ["VideoCodec", "expect_picture", "refuse_encoding", "write_video"]

VideoCodec = Literal["h264", "av1", "ffv1"]


@dataclass(frozen=True, slots=True)
class _Encoder:
    name: str
    pixels: str
    even: bool
    crf: int | None
    options: dict[str, str]


# One thread each: left alone, libx264 and SVT-AV1 take as many as the machine has cores, and cut the work (and so
# the bytes) accordingly. The presets are quick: 320 x 240 is written ten times faster than it plays on one core.
_ENCODERS: dict[str, _Encoder] = {
    "h264": _Encoder("libx264", "yuv420p", True, 18, {"preset": "veryfast"}),
    "av1": _Encoder("libsvtav1", "yuv420p", True, 25, {"preset": "8", "svtav1-params": "lp=1"}),
    "ffv1": _Encoder("ffv1", "bgr0", False, None, {"level": "3", "slicecrc": "1"}),
}
_CONTAINERS = {".mp4": "mp4", ".mkv": "matroska"}

# A time is carried exactly when it comes back within this; float64 seconds of a day's video are finer.
_EXACT_S = 1e-9
# Tried in this order; the last one carries any time within half a microsecond.
_CLOCKS = (Fraction(1, 90_000), Fraction(1, 1_000_000))


def write_video(
    path: Path | str,
    frames: Iterable[Image],
    frame_s: npt.ArrayLike,
    *,
    codec: VideoCodec = "h264",
    crf: int | None = None,
    gop: int | None = None,
    overwrite: bool = False,
) -> None:
    """Write frames, each with its own time.

    Times on the grid of a constant rate, or on the 1/90000 s clock, come back exactly; any others within half a
    microsecond. A file whose container cannot carry them so (Matroska counts milliseconds) is refused.

    Parameters
    ----------
    path : Path or str
        `.mp4` or `.mkv`; appears only when it is complete.
    frames : iterable of numpy.ndarray, each of shape (H, W, 3), uint8, RGB
        As many as there are times; taken one by one, so a generator keeps memory flat.
    frame_s : array_like, shape (F,), float64, seconds
        Time of each frame; from 0 s on, strictly increasing.
    codec : {"h264", "av1", "ffv1"}
        The first two are lossy and need even sides (4:2:0 colour); ffv1 keeps every byte and is large.
    crf : int, optional
        Constant rate factor of the lossy codecs, 0 to 51 (h264) or 63 (av1); lower is better and larger. By
        default 18 and 25.
    gop : int, optional
        Largest distance between keyframes, in frames; the encoder's own by default.
    overwrite : bool
        Whether an existing file may be replaced.

    Raises
    ------
    SchemaError
        Unknown codec or suffix, an option of another type or range, wrong times, frame shape, type or size, or times
        that the container cannot carry.
    LengthMismatchError
        More or fewer frames than times.
    StorageError
        The file exists, or the file system refused (permission, space).

    Examples
    --------
    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "grey.mp4"
    >>> write_video(target, [np.full((64, 96, 3), 128, np.uint8)] * 3, [0.0, 0.1, 0.25])
    >>> target.stat().st_size > 0
    True
    """
    import av

    path = Path(path)
    encoder = _pick(f"write_video: {path.name}", path.suffix, codec, crf, gop)
    times = _checked_times(path, frame_s)
    # The first frame tells the size, so a frame that cannot be written is refused before a file is begun.
    checked = _checked_frames(path, frames, len(times), codec)
    first = next(checked)
    options = dict(encoder.options)
    if encoder.crf is not None:
        options["crf"] = str(encoder.crf if crf is None else crf)
    if gop is not None:
        options["g"] = str(gop)
    timing = _Timing.of(times)
    with (
        atomic_file(path, overwrite=overwrite) as temporary,
        _opened(path, temporary, encoder, options, first.shape, timing) as (container, stream),
    ):
        try:
            _encode(container, stream, chain([first], checked), timing)
        except av.error.PatchWelcomeError as error:
            gap = float(np.diff(times).max(initial=0.0))
            message = f"FFmpeg cannot store these times in {path.suffix}; the largest gap is {gap:g} s"
            fix = "write several files, or give the frames of the gap"
            raise SchemaError(Problem("wrong-time", f"write_video: {path.name}", message, fix)) from error


def refuse_encoding(codec: object, gop: object) -> None:
    """Refuse what `write_video` would, before there are frames.

    Raises
    ------
    SchemaError
        A codec that is unknown or cannot be written here, a distance of keyframes that is none.

    Examples
    --------
    >>> refuse_encoding("h264", 0)
    Traceback (most recent call last):
    lapsdata.errors.SchemaError: gop: expected a whole number of frames, 1 or more, got 0 [out-of-range]
    """
    _pick("", ".mp4", codec, None, gop)


def _pick(where: str, suffix: str, codec: object, crf: object, gop: object) -> _Encoder:
    """Return the encoder, or raise with every option that does not fit."""
    import av.codec

    found = Problems(where)
    if suffix.lower() not in _CONTAINERS:
        found.add("unknown-suffix", "", f"expected one of {', '.join(_CONTAINERS)}, got {suffix!r}")
    there = [name for name, encoder in _ENCODERS.items() if encoder.name in av.codec.codecs_available]
    encoder = _ENCODERS[codec] if isinstance(codec, str) and codec in there else None
    if encoder is None:
        found.add(
            "unknown-codec",
            "codec",
            f"expected one of {', '.join(get_args(VideoCodec))}, got {codec!r}; "
            f"encoders in this installation: {', '.join(there) or 'none'}",
        )
    elif crf is not None:
        high = {"h264": 51, "av1": 63}.get(str(codec))
        factor = whole_number(crf)
        if high is None:
            found.add("wrong-option", "crf", f"{codec} is lossless, got crf={crf}", "leave it out")
        elif factor is None or not 0 <= factor <= high:
            found.add("out-of-range", "crf", f"expected a whole number from 0 to {high} for {codec}, got {crf!r}")
    distance = whole_number(gop)
    if gop is not None and (distance is None or distance < 1):
        found.add("out-of-range", "gop", f"expected a whole number of frames, 1 or more, got {gop!r}")
    found.raise_as(SchemaError)
    return _ENCODERS[str(codec)]


def _checked_times(path: Path, frame_s: npt.ArrayLike) -> npt.NDArray[np.float64]:
    where = f"write_video: {path.name}: frame_s"
    try:
        times = np.asarray(frame_s, dtype=np.float64)
    except (TypeError, ValueError) as error:
        message = f"expected (F,) seconds, got {_kind(frame_s)} ({error})"
        raise SchemaError(Problem("wrong-type", where, message, "give one number for each frame")) from error
    if times.ndim != 1 or times.size == 0:
        raise SchemaError(Problem("wrong-shape", where, f"expected (F,) with F >= 1, got {times.shape}"))
    bad = np.flatnonzero(~(np.isfinite(times) & (times >= 0.0)))
    if bad.size:
        message = f"expected finite seconds from 0 on, got {times[bad[0]]} at frame {bad[0]}"
        raise SchemaError(Problem("wrong-time", where, message, "shift the times so that the first is 0"))
    # Half of the finest clock's tick would round two times into one.
    bad = np.flatnonzero(np.diff(times) < float(_CLOCKS[-1]))
    if bad.size:
        at = int(bad[0])
        message = (
            f"expected times that rise by at least 1 microsecond, got {times[at]:.9g} s at frame {at} "
            f"and {times[at + 1]:.9g} s at frame {at + 1}"
        )
        raise SchemaError(Problem("time-order", where, message, "sort the frames and drop doubled ones"))
    return times


class _Timing(NamedTuple):
    """Times of the frames as whole ticks of one clock."""

    times: npt.NDArray[np.float64]
    rate: Fraction
    clock: Fraction
    ticks: npt.NDArray[np.int64]
    lasting: npt.NDArray[np.int64]

    @classmethod
    def of(cls, times: npt.NDArray[np.float64]) -> _Timing:
        """Choose the coarsest clock that carries the times exactly; the microsecond when none does."""
        span = float(times[-1] - times[0])
        # 25 is only what a player shows for a single frame; it has no rate.
        mean = Fraction((len(times) - 1) / span).limit_denominator(1001) if span > 0.0 else Fraction(25)
        rate = max(mean, Fraction(1, 1001))
        for clock in (1 / rate, *_CLOCKS):
            ticks = np.rint(times / float(clock))
            if np.abs(ticks * clock.numerator / clock.denominator - times).max() <= _EXACT_S:
                break
        ticks = ticks.astype(np.int64)
        # The last frame lasts as long as the mean one: its end is nowhere stated.
        lasting = np.diff(ticks, append=ticks[-1] + max(round(1 / rate / clock), 1))
        return cls(times, rate, clock, ticks, lasting)


def _checked_frames(path: Path, frames: Iterable[Image], count: int, codec: VideoCodec) -> Iterator[Image]:
    """Yield exactly `count` frames, each proved to be an RGB picture of one size."""
    try:
        iterator = iter(frames)
    except TypeError as error:
        message = f"expected frames one after the other, got {_kind(frames)}"
        fix = "give a list, an array (F, H, W, 3) or a generator"
        raise SchemaError(Problem("wrong-type", f"write_video: {path.name}: frames", message, fix)) from error
    shape: tuple[int, ...] | None = None
    number = 0
    for frame in iterator:
        where = f"write_video: {path.name}: frame {number}"
        number += 1
        if number > count:
            message = f"expected {count} frames as there are times, got more"
            raise LengthMismatchError(Problem("wrong-length", f"write_video: {path.name}", message))
        expect_picture(frame, where, codec if shape is None else None)
        if shape is None:
            shape = frame.shape
        elif frame.shape != shape:
            message = f"expected {shape[:2]} as the first frame's, got {frame.shape[:2]} (H, W)"
            raise SchemaError(Problem("wrong-frame", where, message))
        yield frame
    if number < count:
        message = f"expected {count} frames as there are times, got {number}"
        raise LengthMismatchError(Problem("wrong-length", f"write_video: {path.name}", message))


def expect_picture(frame: object, where: str, codec: VideoCodec | None = None) -> None:
    """Refuse what is no (H, W, 3) uint8 array with pixels in it, or of a size that a codec does not have.

    Raises
    ------
    SchemaError

    Examples
    --------
    >>> expect_picture(np.zeros((3, 4, 3), np.uint8), "frame 0", "h264")
    Traceback (most recent call last):
    lapsdata.errors.SchemaError: frame 0: expected even sides for 4:2:0 colour, got 4 x 3 pixel; ... [odd-size]
    """
    if not isinstance(frame, np.ndarray) or isinstance(frame, np.ma.MaskedArray):
        message = f"expected a NumPy array, (H, W, 3) uint8 RGB, got {_kind(frame)}"
        raise SchemaError(Problem("wrong-frame", where, message, "convert it: np.asarray(frame, np.uint8)"))
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
        message = f"expected (H, W, 3) uint8 RGB, got {frame.shape} {frame.dtype}"
        raise SchemaError(Problem("wrong-frame", where, message, "give RGB with values from 0 to 255"))
    if not frame.size:
        message = f"expected at least one pixel, got {frame.shape[1]} x {frame.shape[0]} pixel"
        raise SchemaError(Problem("wrong-frame", where, message, "leave the frame and its time out"))
    if codec is not None and _ENCODERS[codec].even and (frame.shape[0] % 2 or frame.shape[1] % 2):
        message = f"expected even sides for 4:2:0 colour, got {frame.shape[1]} x {frame.shape[0]} pixel"
        fix = "crop or pad by one pixel, or use codec='ffv1'"
        raise SchemaError(Problem("odd-size", where, message, fix))


def _kind(value: object) -> str:
    return "None" if value is None else type(value).__name__


@contextmanager
def _opened(
    path: Path,
    temporary: Path,
    encoder: _Encoder,
    options: dict[str, str],
    shape: tuple[int, ...],
    timing: _Timing,
) -> Iterator[tuple[av.container.OutputContainer, av.VideoStream]]:
    import av
    from av.codec.context import Flags

    # SVT-AV1 prints a page about itself on stderr for each video; a user's own setting is kept.
    os.environ.setdefault("SVT_LOG", "1")
    form = _CONTAINERS[path.suffix.lower()]
    # Without "bitexact" the muxers write their own version and a random identifier.
    settings = {"fflags": "+bitexact"}
    if form == "mp4":
        # The start of a late first frame stands in the movie's own clock, which counts milliseconds by default.
        settings["movie_timescale"] = str(timing.clock.denominator)
    with av.open(temporary, "w", format=form, options=settings) as container:
        stream = cast("av.VideoStream", container.add_stream(encoder.name, rate=timing.rate, options=options))
        stream.height, stream.width = shape[:2]
        stream.pix_fmt = encoder.pixels
        context = stream.codec_context
        context.time_base = stream.time_base = timing.clock
        context.thread_count = 1
        context.flags |= Flags.bitexact | Flags.frame_duration
        try:
            with _same_scheduling():
                container.start_encoding()
        except ValueError as error:  # what PyAV makes of FFmpeg's "invalid argument"
            message = f"{encoder.name} refuses {shape[1]} x {shape[0]} pixel at {timing.rate} frames per second"
            where = f"write_video: {path.name}"
            raise SchemaError(Problem("encoder-refused", where, message, "try another codec")) from error
        _check_clock(path, stream.time_base, timing.times)
        yield container, stream


@contextmanager
def _same_scheduling() -> Iterator[None]:
    """Give this thread the scheduling back that it had, and the threads that are started meanwhile the same.

    SVT-AV1, run as root, makes the thread that opens it a real-time one, its own workers too, and all processes that
    are started from then on: whatever else the machine does stands still behind them.
    """
    if not hasattr(os, "sched_getscheduler"):  # nothing but Linux has it
        yield
        return
    threads = Path("/proc/self/task")
    policy, priority, before = os.sched_getscheduler(0), os.sched_getparam(0), set(threads.iterdir())
    try:
        yield
    finally:
        for thread in {0, *(int(new.name) for new in set(threads.iterdir()) - before)}:
            with suppress(ProcessLookupError):  # it has ended since
                if os.sched_getscheduler(thread) != policy:
                    os.sched_setscheduler(thread, policy, priority)


def _check_clock(path: Path, clock: Fraction, times: npt.NDArray[np.float64]) -> None:
    """Refuse a container whose own clock is too coarse for the times; muxers round without a word."""
    error_s = float(np.abs(np.rint(times / float(clock)) * float(clock) - times).max())
    if error_s > 0.5 * float(_CLOCKS[-1]) + _EXACT_S:
        message = f"{path.suffix} counts in {clock} s, which moves a frame by up to {error_s:.2g} s"
        raise SchemaError(Problem("wrong-time", f"write_video: {path.name}", message, "write an .mp4 file"))


def _encode(
    container: av.container.OutputContainer,
    stream: av.VideoStream,
    frames: Iterable[Image],
    timing: _Timing,
) -> None:
    import av

    for image, tick, lasting in zip(frames, timing.ticks, timing.lasting, strict=True):
        picture = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format=stream.pix_fmt)
        picture.pts, picture.duration, picture.time_base = int(tick), int(lasting), timing.clock
        container.mux(stream.encode(picture))
    container.mux(stream.encode(None))
