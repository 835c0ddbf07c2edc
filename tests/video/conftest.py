"""Videos of every kind, encoded by plain PyAV: what the reader of this room never makes itself."""

from __future__ import annotations

import os
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple

import av
import numpy as np
import pytest
from av.video.reformatter import Interpolation

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray


# SVT-AV1 prints a page about itself for each video.
os.environ.setdefault("SVT_LOG", "1")


class Kind(NamedTuple):
    """One way to encode; `name` tells the container."""

    name: str
    codec: str
    pixels: str
    options: dict[str, str]
    container: dict[str, str] = {}  # noqa: RUF012 - never written to


OPEN_GOP = "open-gop=1:bframes=3:b-pyramid=normal:b-adapt=0:scenecut=0:keyint=12:min-keyint=12"
KINDS = (
    Kind("h264.mp4", "libx264", "yuv420p", {"bf": "3", "g": "12"}),
    Kind("h264.mkv", "libx264", "yuv420p", {"bf": "3", "g": "12"}),
    Kind("h264.ts", "libx264", "yuv420p", {"bf": "3", "g": "12"}),
    Kind("plain.avi", "libx264", "yuv420p", {"bf": "0", "g": "12"}),
    Kind("h264.flv", "libx264", "yuv420p", {"bf": "3", "g": "12"}),
    Kind("fragments.mp4", "libx264", "yuv420p", {"g": "10"}, {"movflags": "frag_keyframe+empty_moov"}),
    Kind("opengop.mkv", "libx264", "yuv420p", {"x264-params": OPEN_GOP}),
    Kind("opengop.mp4", "libx264", "yuv420p", {"x264-params": OPEN_GOP}),
    # Keyframes in name only: the picture is renewed column by column.
    Kind("refresh.mkv", "libx264", "yuv420p", {"x264-params": "intra-refresh=1:keyint=12"}),
    Kind("refresh.ts", "libx264", "yuv420p", {"x264-params": "intra-refresh=1:keyint=12"}),
    Kind("interlaced.mkv", "libx264", "yuv420p", {"flags": "+ildct+ilme", "x264-params": "interlaced=1:keyint=12"}),
    Kind("hevc.mp4", "libx265", "yuv420p", {"x265-params": "log-level=0:keyint=12:bframes=4:open-gop=1"}),
    Kind("hevc10.mkv", "libx265", "yuv420p10le", {"x265-params": "log-level=0:keyint=12"}),
    Kind("av1.mp4", "libsvtav1", "yuv420p", {"preset": "10", "g": "10", "svtav1-params": "lp=1"}),
    Kind("vp8.webm", "libvpx", "yuv420p", {"deadline": "realtime", "auto-alt-ref": "1", "lag-in-frames": "16"}),
    Kind("vp9.webm", "libvpx-vp9", "yuv420p", {"deadline": "good", "cpu-used": "8", "lag-in-frames": "16", "g": "15"}),
    Kind("mpeg4.mp4", "mpeg4", "yuv420p", {"bf": "2", "g": "12"}),
    Kind("bframes.avi", "mpeg4", "yuv420p", {"bf": "2", "g": "12"}),
    Kind("mpeg2.ts", "mpeg2video", "yuv420p", {"bf": "2", "g": "12"}),
    Kind("mpeg1.mpg", "mpeg1video", "yuv420p", {"bf": "2", "g": "12"}),
    Kind("mjpeg.avi", "mjpeg", "yuvj420p", {}),
    Kind("ffv1.mkv", "ffv1", "bgr0", {"level": "3", "slicecrc": "1"}),
    Kind("prores.mov", "prores_ks", "yuv422p10le", {}),
    Kind("wmv.wmv", "wmv2", "yuv420p", {}),
    Kind("moving.gif", "gif", "rgb8", {}),
    Kind("moving.apng", "apng", "rgb24", {}),
)


def draw(count: int, width: int = 96, height: int = 64) -> list[NDArray[np.uint8]]:
    """Return smooth pictures, each unlike every other."""
    ys, xs = np.mgrid[:height, :width]
    return [
        (128 + 50 * np.stack([np.sin((xs + 3 * k) / 9 + c) + np.cos((ys - k) / 7 - c) for c in range(3)], -1)).astype(
            np.uint8
        )
        for k in range(count)
    ]


def write(
    path: Path,
    kind: Kind | str = "h264.mp4",
    pictures: Sequence[NDArray[np.uint8]] | None = None,
    *,
    rate: Fraction | int = 25,
    ticks: Sequence[int] | None = None,
    clock: Fraction | None = None,
    options: dict[str, str] | None = None,
    container: dict[str, str] | None = None,
    **stream: Any,
) -> Path:
    """Encode pictures; `ticks` of `clock` are their times, by default one period each."""
    chosen = next(k for k in KINDS if k.name == kind) if isinstance(kind, str) else kind
    pictures = draw(40) if pictures is None else pictures
    form = {"apng": "apng", "mts": "mpegts"}.get(path.suffix[1:])
    settings = {**chosen.container, **(container or {})}
    if clock is not None and path.suffix in {".mp4", ".mov"}:
        # The start of a late first frame stands in the movie's own clock, in milliseconds unless told otherwise.
        settings["movie_timescale"] = str(clock.denominator)
    with av.open(str(path), "w", format=form, options=settings) as output:
        made: Any = output.add_stream(chosen.codec, rate=rate, options={**chosen.options, **(options or {})})
        made.height, made.width = pictures[0].shape[:2]
        made.pix_fmt = chosen.pixels
        made.codec_context.thread_count = 1
        if clock is not None:
            made.codec_context.time_base = made.time_base = clock
        if "rotate" in stream:
            made.set_display_rotation(-stream["rotate"], hflip=stream.get("mirror", False))
        for k, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, "rgb24").reformat(format=chosen.pixels)
            frame.time_base = clock or 1 / Fraction(rate)
            frame.pts = k if ticks is None else int(ticks[k])
            output.mux(made.encode(frame))
        output.mux(made.encode(None))
    return path


class Plain(NamedTuple):
    """What a plain loop over packets, and one over frames, tell of a file."""

    pts: list[int]
    keys: list[bool]
    durations: list[int]
    clock: Fraction
    decoded_pts: list[int | None]
    images: list[NDArray[np.uint8]]


def read_plainly(path: Path) -> Plain:
    """Read a file without this library."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        clock = stream.time_base
        packets = [p for p in container.demux(stream) if p.size and not p.is_discard]
        told = [(p.pts, p.is_keyframe, p.duration) for p in packets]
    pts, keys, durations = zip(*told, strict=True)
    careful = Interpolation.BILINEAR | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
    with av.open(str(path)) as container:
        frames = [(f.pts, f.to_ndarray(format="rgb24", interpolation=careful)) for f in container.decode(video=0)]
    return Plain(list(pts), list(keys), list(durations), clock, [f[0] for f in frames], [f[1] for f in frames])


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that asks for `any_kind` with each of them."""
    if "any_kind" in metafunc.fixturenames:
        metafunc.parametrize("any_kind", [kind.name for kind in KINDS])


@pytest.fixture(scope="session")
def kinds() -> tuple[str, ...]:
    """Return the names of all kinds."""
    return tuple(kind.name for kind in KINDS)


@pytest.fixture(scope="session", name="draw")
def _draw() -> Callable[..., list[NDArray[np.uint8]]]:
    return draw


@pytest.fixture(scope="session", name="write")
def _write() -> Callable[..., Path]:
    return write


@pytest.fixture(scope="session", name="read_plainly")
def _read_plainly() -> Callable[[Path], Plain]:
    return read_plainly


@pytest.fixture(scope="session")
def video(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return the file of a kind: 40 frames, 25 per second; encoded once."""
    folder = tmp_path_factory.mktemp("kinds")

    def get(name: str) -> Path:
        path = folder / name
        return path if path.exists() else write(path, name)

    return get


@pytest.fixture(scope="session")
def rewrite() -> Callable[..., Path]:
    """Return a function that copies packets to another file, each changed or left out on the way."""

    def copy(source: Path, target: Path, change: Callable[[int, av.Packet], av.Packet | None], **options: str) -> Path:
        with av.open(str(source)) as given, av.open(str(target), "w", options=options) as output:
            stream = given.streams.video[0]
            made = output.add_stream_from_template(stream)
            packets = (p for p in given.demux(stream) if p.size)
            for number, packet in enumerate(packets):
                changed = change(number, packet)
                if changed is not None:
                    changed.stream = made
                    output.mux(changed)
        return target

    return copy
