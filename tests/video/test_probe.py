"""Facts come from packets: held against a plain loop over them, for every container and codec."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lapsdata.errors import CorruptDataError, SchemaError, UnknownFormatError
from lapsdata.geometry import FrameSize
from lapsdata.timebase import FrameRate
from lapsdata.video.facts import VideoFacts
from lapsdata.video.probe import probe
from lapsdata.video.writer import write_video

if TYPE_CHECKING:
    from collections.abc import Callable

CODECS = {
    "h264.mp4": ("h264", "mov,mp4,m4a,3gp,3g2,mj2", "yuv420p"),
    "hevc10.mkv": ("hevc", "matroska,webm", "yuv420p10le"),
    "av1.mp4": ("av1", "mov,mp4,m4a,3gp,3g2,mj2", "yuv420p"),
    "vp9.webm": ("vp9", "matroska,webm", "yuv420p"),
    "mpeg2.ts": ("mpeg2video", "mpegts", "yuv420p"),
    "moving.gif": ("gif", "gif", "bgra"),
}
REORDERED = {"h264.mp4", "h264.mkv", "h264.ts", "hevc.mp4", "mpeg4.mp4", "bframes.avi", "mpeg2.ts", "opengop.mkv"}
IN_ORDER = {"av1.mp4", "vp9.webm", "mjpeg.avi", "moving.gif", "ffv1.mkv", "wmv.wmv", "plain.avi"}


def test_facts_equal_a_plain_loop_over_packets(
    any_kind: str, video: Callable[[str], Path], read_plainly: Callable[[Path], Any]
) -> None:
    path = video(any_kind)
    plain = read_plainly(path)
    facts = probe(path)
    order = np.argsort(plain.pts)
    assert facts.frames == len(plain.pts) == 40
    # The same float64, not merely a near one.
    assert facts.frame_s.tolist() == [float(pts * plain.clock) for pts in sorted(plain.pts)]
    keys = np.flatnonzero(np.array(plain.keys)[order]).tolist()
    assert facts.keyframes.tolist() == ([0] if any_kind == "moving.apng" else keys)
    assert facts.time_base == plain.clock
    assert facts.rate == FrameRate(25)
    assert not facts.variable
    assert facts.reordered == (sorted(plain.pts) != plain.pts)
    last = plain.durations[order[-1]] * plain.clock or Fraction(1, 25)
    assert facts.end_s == pytest.approx(float(max(plain.pts) * plain.clock + last), abs=1e-9)
    assert facts.duration_s == pytest.approx(1.6, abs=1e-9)
    assert facts.size == facts.coded_size == FrameSize(width=96, height=64)
    assert (facts.rotation, facts.name, facts.path) == (0, Path(any_kind).stem, path)


@pytest.mark.parametrize("name", sorted(CODECS))
def test_codec_container_and_pixels_are_ffmpegs_words(name: str, video: Callable[[str], Path]) -> None:
    facts = probe(video(name))
    assert (facts.codec, facts.container, facts.pixel_format) == CODECS[name]


@pytest.mark.parametrize("name", sorted(REORDERED | IN_ORDER))
def test_reordered_is_told(name: str, video: Callable[[str], Path]) -> None:
    assert probe(video(name)).reordered == (name in REORDERED)


def test_nothing_is_decoded(tmp_path: Path, video: Callable[[str], Path]) -> None:
    """Facts of a file are those of the same file with every byte of every picture set to zero."""
    path = video("h264.mp4")
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        places = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    for start, size in places:
        data[start : start + size] = bytes(size)
    ruined = tmp_path / "h264.mp4"
    ruined.write_bytes(data)
    ours, theirs = probe(path), probe(ruined)
    assert ours.frame_s.tolist() == theirs.frame_s.tolist()
    assert (ours.rate, ours.end_s, ours.reordered) == (theirs.rate, theirs.end_s, theirs.reordered)
    assert (ours.codec, ours.size) == (theirs.codec, theirs.size)


@pytest.mark.parametrize("rate", ["50/3", "30000/1001", "25/2", "24000/1001", "15/2", "5", "1", "120", "359/12"])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts", ".avi"])
def test_odd_rates_are_exact_fractions(tmp_path: Path, write: Callable[..., Path], suffix: str, rate: str) -> None:
    codec = (
        "mjpeg.avi" if suffix == ".avi" else "mpeg2.ts" if suffix == ".ts" and rate in {"30000/1001"} else "h264.mp4"
    )
    path = write(tmp_path / f"clip{suffix}", codec, rate=Fraction(rate))
    facts = probe(path)
    assert str(facts.rate) == rate
    assert not facts.variable
    steps = (facts.frame_s - facts.frame_s[0]) * float(Fraction(rate))
    np.testing.assert_allclose(steps, np.arange(40), atol=float(Fraction(rate)) * 1e-3)


def test_a_rate_that_a_coarse_clock_leaves_open_is_the_stated_one(tmp_path: Path, write: Callable[..., Path]) -> None:
    # Ten frames in milliseconds fit 30 as well as 29.97.
    path = write(tmp_path / "clip.mkv", "h264.mkv", rate=Fraction(30_000, 1001))
    short = write(
        tmp_path / "short.mkv", "mpeg4.mp4", rate=Fraction(30_000, 1001), pictures=[np.zeros((64, 96, 3), np.uint8)] * 8
    )
    assert str(probe(path).rate) == str(probe(short).rate) == "30000/1001"


def test_variable_times_have_no_rate(tmp_path: Path, write: Callable[..., Path]) -> None:
    ticks = np.cumsum(np.random.default_rng(3).integers(1000, 9000, 40)).tolist()
    facts = probe(write(tmp_path / "vfr.mp4", ticks=ticks, clock=Fraction(1, 90_000)))
    assert (facts.rate, facts.variable) == (None, True)
    assert facts.frame_s.tolist() == [tick / 90_000 for tick in ticks]


def test_a_transport_stream_keeps_its_start(tmp_path: Path, write: Callable[..., Path]) -> None:
    # FFmpeg's own muxer starts at 1.4 s unless it is told otherwise: 0.7 s of delay, twice.
    path = write(
        tmp_path / "clip.ts", "mpeg2.ts", container={"muxdelay": "0.7", "muxpreload": "0.7"}, ticks=range(35, 75)
    )
    facts = probe(path)
    assert facts.start_s == pytest.approx(1.4 + 0.04, abs=0.05)
    assert facts.start_s > 1.3
    assert facts.rate == FrameRate(25)
    assert facts.duration_s == pytest.approx(1.6)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_late_first_frame_stays_late(tmp_path: Path, write: Callable[..., Path], suffix: str) -> None:
    facts = probe(write(tmp_path / f"late{suffix}", ticks=range(30, 70)))
    assert facts.start_s == 1.2
    assert (facts.end_s, facts.duration_s) == (2.8, pytest.approx(1.6))


@pytest.mark.parametrize("seconds", [0.0, 0.05, 12.35, 3600.123456])
def test_our_writer_and_our_probe_agree(tmp_path: Path, seconds: float, draw: Callable[..., Any]) -> None:
    times = seconds + np.array([0.0, 0.1, 0.25, 0.3])
    write_video(tmp_path / "clip.mp4", draw(4), times)
    np.testing.assert_allclose(probe(tmp_path / "clip.mp4").frame_s, times, rtol=0, atol=1e-6)


@settings(max_examples=15)
@given(gaps=st.lists(st.integers(1, 90_000), min_size=1, max_size=9), start=st.integers(0, 900_000))
def test_any_ticks_come_back_exactly(
    tmp_path_factory: pytest.TempPathFactory, write: Callable[..., Path], gaps: list[int], start: int
) -> None:
    ticks = np.concatenate([[start], start + np.cumsum(gaps)]).tolist()
    pictures = [np.full((16, 16, 3), 9 * k, np.uint8) for k in range(len(ticks))]
    path = write(tmp_path_factory.mktemp("any") / "clip.mp4", pictures=pictures, ticks=ticks, clock=Fraction(1, 30_000))
    assert probe(path).frame_s.tolist() == [tick / 30_000 for tick in ticks]


def test_a_container_without_durations_gives_the_last_frame_the_median(video: Callable[[str], Path]) -> None:
    path = video("wmv.wmv")
    with av.open(str(path)) as container:
        assert {packet.duration or 0 for packet in container.demux(video=0)} == {0}
    assert probe(path).end_s == pytest.approx(1.6, abs=1e-9)


def test_the_last_frame_lasts_as_its_packet_says(tmp_path: Path, draw: Callable[..., Any]) -> None:
    """A GIF states how long each picture is shown, the last one too."""
    path = tmp_path / "slow.gif"
    with av.open(str(path), "w") as output:
        stream: Any = output.add_stream("gif", rate=10)
        stream.height, stream.width, stream.pix_fmt = 64, 96, "rgb8"
        stream.codec_context.time_base = stream.time_base = Fraction(1, 100)
        for k, picture in enumerate(draw(3)):
            frame = av.VideoFrame.from_ndarray(picture, "rgb24").reformat(format="rgb8")
            frame.pts, frame.time_base = (0, 7, 30)[k], Fraction(1, 100)
            for packet in stream.encode(frame):
                packet.duration = (7, 23, 50)[k]
                output.mux(packet)
        output.mux(stream.encode(None))
    facts = probe(path)
    assert facts.frame_s.tolist() == [0.0, 0.07, 0.3]
    assert (facts.variable, facts.rate) == (True, None)
    assert facts.end_s == 0.8


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".gif"])
def test_one_frame_has_the_rate_and_duration_that_are_stated(
    tmp_path: Path, write: Callable[..., Path], suffix: str, draw: Callable[..., Any]
) -> None:
    kind = "moving.gif" if suffix == ".gif" else "h264.mp4"
    facts = probe(write(tmp_path / f"one{suffix}", kind, draw(1)))
    assert (facts.frames, facts.rate, facts.variable) == (1, FrameRate(25), False)
    assert facts.duration_s == pytest.approx(0.04)
    assert (facts.gop, facts.keyframes.tolist()) == (1, [0])


def test_gop_is_the_largest_distance_between_keyframes(tmp_path: Path, write: Callable[..., Path]) -> None:
    path = write(tmp_path / "clip.mp4", "mpeg4.mp4", options={"g": "15", "bf": "0"})
    facts = probe(path)
    assert facts.keyframes.tolist() == [0, 15, 30]
    assert facts.gop == 15
    only = probe(write(tmp_path / "only.mp4", "av1.mp4", options={"g": "100"}))
    assert (only.keyframes.tolist(), only.gop) == ([0], 40)


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
@pytest.mark.parametrize("suffix", [".mov", ".mp4", ".mkv"])
def test_rotation_is_read_without_a_frame(tmp_path: Path, write: Callable[..., Path], suffix: str, turn: int) -> None:
    facts = probe(write(tmp_path / f"clip{suffix}", rotate=turn))
    assert facts.rotation == turn
    assert facts.coded_size == FrameSize(width=96, height=64)
    assert facts.size.shape == ((64, 96) if turn in {0, 180} else (96, 64))


def test_another_angle_than_a_quarter_turn_is_refused(tmp_path: Path, write: Callable[..., Path]) -> None:
    message = r"askew.mp4: expected a rotation by a multiple of 90 degrees, got 30 degrees clockwise"
    with pytest.raises(SchemaError, match=message):
        probe(write(tmp_path / "askew.mp4", rotate=30))


def test_text_in_the_metadata_is_not_taken_for_a_rotation(tmp_path: Path, draw: Callable[..., Any]) -> None:
    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w") as output:
        output.metadata["comment"] = "x\n      Display Matrix: rotation of 90.00 degrees\n  Stream #0:0: Video: zzz"
        stream: Any = output.add_stream("mpeg4", rate=10)
        stream.height, stream.width = 64, 96
        for picture in draw(2):
            output.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        output.mux(stream.encode(None))
    assert probe(path).rotation == 0


def test_two_video_streams_want_a_choice(tmp_path: Path) -> None:
    path = tmp_path / "stereo.mkv"
    with av.open(str(path), "w") as output:
        streams: list[Any] = [output.add_stream("ffv1", rate=10) for _ in range(2)]
        for side, stream in enumerate(streams):
            stream.height, stream.width, stream.pix_fmt = 16 + side, 32, "bgr0"
        for _ in range(3):
            for stream in streams:
                picture = np.zeros((stream.height, 32, 3), np.uint8)
                output.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        for stream in streams:
            output.mux(stream.encode(None))
    with pytest.raises(SchemaError, match="expected one video stream, got 2 video streams; name one: stream=0 to 1"):
        probe(path)
    assert [probe(path, stream=side).size.height for side in (0, 1)] == [16, 17]
    with pytest.raises(SchemaError, match="got 2 video streams and stream=2"):
        probe(path, stream=2)


def test_a_stream_without_times_is_named(tmp_path: Path, write: Callable[..., Path]) -> None:
    message = r"raw.h264: expected a time for each frame, got none for 40 of 40; put the stream into a container"
    with pytest.raises(SchemaError, match=message):
        probe(write(tmp_path / "raw.h264"))


def test_frames_at_one_time_are_named(
    tmp_path: Path, video: Callable[[str], Path], rewrite: Callable[..., Path]
) -> None:
    def doubled(_: int, packet: Any) -> Any:
        if packet.pts == 40:
            packet.pts = 80
        return packet

    path = rewrite(video("h264.mkv"), tmp_path / "doubled.mkv", doubled)
    with pytest.raises(CorruptDataError, match=r"frames 1 and 2 share the time 0\.080000 s \(1 such\)"):
        probe(path)


def test_a_cover_picture_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "song.mp4"
    with av.open(str(path), "w") as output:
        sound: Any = output.add_stream("aac", rate=44_100)
        samples = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.float32), "fltp", "mono")
        samples.rate = 44_100
        output.mux(sound.encode(samples))
        output.mux(sound.encode(None))
    with pytest.raises(UnknownFormatError, match=r"song.mp4: expected a video stream, got audio; check the file"):
        probe(path)


def test_a_video_has_times_of_its_own(video: Callable[[str], Path]) -> None:
    with pytest.raises(SchemaError, match="a video has times of its own; expected no rate and no frame_s"):
        probe(video("h264.mp4"), rate=30)


def test_facts_cannot_be_changed(video: Callable[[str], Path]) -> None:
    facts = probe(video("h264.mp4"))
    assert isinstance(facts, VideoFacts)
    with pytest.raises(ValueError, match="read-only"):
        facts.frame_s[0] = 1.0
    with pytest.raises(AttributeError, match="cannot assign"):
        facts.name = "other"  # type: ignore[misc]  # the test
    assert "array" not in repr(facts)
