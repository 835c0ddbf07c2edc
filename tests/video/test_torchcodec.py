"""torchcodec gives the frame of the time that was asked for, or says why not; and why it cannot be used at all."""

from __future__ import annotations

import os
import pickle
import random
import sys
from contextlib import suppress
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import av
import numpy as np
import pytest

from lapsdata.errors import CorruptDataError, MissingExtraError, SchemaError
from lapsdata.video import _torchcodec
from lapsdata.video._decoding import PacketSource
from lapsdata.video._torchcodec import FoundFfmpeg, TorchcodecSource, over_torchcodec, require_torchcodec
from lapsdata.video.probe import find_source, probe

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

# What robots record; all others may be refused, frame by frame.
ROBOTS = {"h264.mp4", "h264.mkv", "fragments.mp4", "hevc.mp4", "av1.mp4", "vp9.webm", "mpeg4.mp4", "ffv1.mkv"}
# Colours of what is interlaced, or has more than 8 bits, are made in another way.
OTHER_COLOURS = {"interlaced.mkv": 30, "hevc10.mkv": 8}
# Of these torchcodec gives none of the first frames.
REFUSED = {"h264.ts", "refresh.ts", "mpeg2.ts", "plain.avi"}


def opened(path: Path) -> TorchcodecSource:
    found, session = find_source(path, "rgb_quick", stream=None, rate=None, frame_s=None, times="packets")
    assert isinstance(found, PacketSource)
    source, own = over_torchcodec(found, session)
    own.close()
    return source


def plain_frames(path: Path) -> list[NDArray[np.uint8]]:
    """Return all frames as bare PyAV gives them, in the order of their times."""
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


@pytest.mark.usefixtures("torchcodec")
class TestFrames:
    def test_each_frame_is_that_of_its_time_or_an_error(self, any_kind: str, video: Callable[[str], Path]) -> None:
        """In some containers torchcodec alone gives a neighbour, up to half a second away."""
        path = video(any_kind)
        if any_kind in REFUSED:
            with pytest.raises(CorruptDataError, match=rf"{any_kind}: frame 0 at .*: torchcodec gave the picture of "):
                opened(path)
            return
        source, true = opened(path), plain_frames(path)
        assert (source.levels > 0) == (any_kind in OTHER_COLOURS)
        session, refused = source.open(), []
        for index in [*range(6), *random.Random(2).sample(range(source.facts.frames), 24), 3, 3]:
            try:
                image = session.image(index)
            except CorruptDataError as error:
                refused.append((f"{any_kind}: frame {index} at {source.facts.frame_s[index]:.6f} s: ", str(error)))
                continue
            off = int(np.abs(image.astype(int) - true[index]).max())
            assert off <= OTHER_COLOURS.get(any_kind, 0), (index, off)
        assert [error for place, error in refused if any_kind in ROBOTS or place not in error] == []

    def test_a_neighbour_is_refused_with_its_time(self, video: Callable[[str], Path]) -> None:
        source = opened(video("refresh.mkv"))
        session, told = source.open(), []
        for index in random.Random(1).sample(range(source.facts.frames), 20):
            try:
                session.image(index)
            except CorruptDataError as error:
                told.append(str(error))
        assert any(" s: torchcodec gave the picture of " in one for one in told)
        assert all('decode with decoder="pyav"' in one for one in told)

    def test_times_are_those_of_the_container_where_they_are_uneven(
        self, tmp_path: Path, write: Callable[..., Path], draw: Callable[..., Any]
    ) -> None:
        ticks = np.cumsum(np.random.default_rng(0).integers(1, 900, 40)).tolist()
        path = write(tmp_path / "uneven.mp4", "h264.mp4", draw(40), ticks=ticks, clock=Fraction(1, 1000))
        source, true = opened(path), plain_frames(path)
        session = source.open()
        for index in (39, 0, 17, 18, 5):
            np.testing.assert_array_equal(session.image(index), true[index])

    def test_how_far_its_colours_are_off_is_measured(
        self, tmp_path: Path, write: Callable[..., Path], draw: Callable[..., Any]
    ) -> None:
        """It takes the full range of values for the limited one, where the name of the pixels does not say it."""
        path = tmp_path / "full.mkv"
        with av.open(str(path), "w") as output:
            made: Any = output.add_stream("ffv1", rate=10)
            made.width, made.height, made.pix_fmt, made.codec_context.color_range = 96, 64, "yuv420p", 2
            for number, picture in enumerate(draw(3)):
                frame = av.VideoFrame.from_ndarray(picture, "rgb24").reformat(format="yuv420p")
                frame.pts, frame.time_base = number, Fraction(1, 10)
                output.mux(made.encode(frame))
            output.mux(made.encode(None))
        source, true = opened(path), plain_frames(path)
        off = np.abs(source.open().image(0).astype(int) - true[0]).max()
        assert source.levels == off
        assert 5 < off <= 20
        limited = write(tmp_path / "limited.mkv", "ffv1.mkv", draw(3))
        assert opened(limited).levels == 0

    def test_a_turned_video_is_upright_and_a_mirrored_one_refused(
        self, tmp_path: Path, write: Callable[..., Path], draw: Callable[..., Any]
    ) -> None:
        path = write(tmp_path / "turned.mp4", "h264.mp4", draw(5), rotate=90)
        image = opened(path).open().image(2)
        np.testing.assert_array_equal(image, np.rot90(plain_frames(path)[2], -1))
        mirrored = write(tmp_path / "mirrored.mp4", "h264.mp4", draw(5), rotate=0, mirror=True)
        with pytest.raises(SchemaError, match=r"mirrored\.mp4: frame 0 .* got another turn or a mirrored one"):
            opened(mirrored)

    def test_sound_before_the_video_is_passed_over(self, tmp_path: Path, video: Callable[[str], Path]) -> None:
        path = tmp_path / "sound.mp4"
        with av.open(str(video("h264.mp4"))) as given, av.open(str(path), "w") as output:
            sound: Any = output.add_stream("aac", rate=44_100)
            made = output.add_stream_from_template(given.streams.video[0])
            samples = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.float32), "fltp", "mono")
            samples.rate = 44_100
            output.mux([*sound.encode(samples), *sound.encode(None)])
            for packet in given.demux(video=0):
                if packet.size:
                    packet.stream = made
                    output.mux(packet)
        source = opened(path)
        assert source.packets.place == 1
        np.testing.assert_array_equal(source.open().image(7), plain_frames(path)[7])

    def test_a_name_that_looks_like_a_protocol(self, tmp_path: Path, video: Callable[[str], Path]) -> None:
        path = tmp_path / "pipe:1.mp4"
        path.write_bytes(video("h264.mp4").read_bytes())
        assert opened(path).open().image(1).shape == (64, 96, 3)

    def test_what_ffmpeg_says_is_still_heard(
        self, tmp_path: Path, write: Callable[..., Path], draw: Callable[..., Any]
    ) -> None:
        """torchcodec silences the FFmpeg that it has found, which may be PyAV's."""
        path = write(tmp_path / "turned.mp4", "h264.mp4", draw(3), rotate=270)
        opened(path).open().image(0)
        assert probe(path).rotation == 270


@pytest.mark.usefixtures("torchcodec")
class TestFaults:
    def test_damage_that_stops_the_decoder_is_named_and_the_next_group_is_whole(
        self, tmp_path: Path, video: Callable[[str], Path]
    ) -> None:
        whole = video("h264.mp4")
        with av.open(str(whole)) as container:
            packets = sorted(
                (packet.pts, packet.pos, packet.size) for packet in container.demux(video=0) if packet.size
            )
        _, begin, size = packets[16]
        stored = bytearray(whole.read_bytes())
        stored[begin : begin + size] = bytes(size)
        path = tmp_path / "clip.mp4"
        path.write_bytes(stored)
        source, true = opened(path), plain_frames(whole)
        session = source.open()
        message = r"clip\.mp4: frame 16 at 0\.640000 s: (cannot be decoded by torchcodec: Could|torchcodec gave)"
        with pytest.raises(CorruptDataError, match=message) as caught:
            session.image(16)
        assert "SingleStreamDecoder" not in str(caught.value)
        for index in (24, 0, 39):
            np.testing.assert_array_equal(session.image(index), true[index])

    def test_a_first_frame_that_pyav_refuses_is_refused(self, tmp_path: Path, video: Callable[[str], Path]) -> None:
        stored = bytearray(video("mpeg4.mp4").read_bytes())
        with av.open(str(video("mpeg4.mp4"))) as container:
            first = next(iter(container.demux(video=0)))
            assert first.pos is not None
            stored[first.pos : first.pos + first.size] = bytes(first.size)
        path = tmp_path / "clip.mp4"
        path.write_bytes(stored)
        with pytest.raises(CorruptDataError, match=r"clip\.mp4: frame 0 at 0\.000000 s: cannot be decoded"):
            opened(path)

    def test_no_keyframe_at_all(
        self, tmp_path: Path, video: Callable[[str], Path], rewrite: Callable[..., Path]
    ) -> None:
        def without_keys(number: int, packet: Any) -> Any:
            return None if number < 5 or packet.is_keyframe else packet

        path = rewrite(video("h264.mkv"), tmp_path / "late.mkv", without_keys)
        with pytest.raises(CorruptDataError, match=r"late\.mkv: frame \d+ .* there is no keyframe before it"):
            opened(path)

    def test_frames_that_torchcodec_does_not_list(
        self, tmp_path: Path, write: Callable[..., Path], draw: Callable[..., Any]
    ) -> None:
        """FFmpeg leaves the last frame out of an edit; PyAV can be told to give it."""
        times = np.cumsum([20, 20, 20, 20, 20, 20, 20, 20, 20, 120, 60, 20])
        path = write(
            tmp_path / "clip.mp4", "mpeg4.mp4", draw(12, 64, 32), ticks=times.tolist(), options={"g": "1", "bf": "1"},
            clock=Fraction(1, 1000),
        )  # fmt: skip
        message = r"clip\.mp4: expected 12 frames as the packets say, torchcodec finds 11; decode with decoder=\"pyav\""
        with pytest.raises(CorruptDataError, match=message):
            opened(path)

    def test_a_frame_of_another_size(self, video: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
        from torchcodec.decoders import VideoDecoder

        plain = VideoDecoder.get_frame_at

        def cut(decoder: Any, index: int) -> Any:
            frame = plain(decoder, index)
            frame.data = frame.data[:32]
            return frame

        source = opened(video("h264.mp4"))
        monkeypatch.setattr(VideoDecoder, "get_frame_at", cut)
        message = r"h264\.mp4: frame 1 at 0\.040000 s: expected 96x64 pixel as the file states, got 96x32"
        with pytest.raises(SchemaError, match=message):
            source.open().image(1)

    def test_an_error_without_words(self, video: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
        from torchcodec.decoders import VideoDecoder

        def failing(*_: Any) -> Any:
            raise IndexError

        session = opened(video("h264.mp4")).open()
        monkeypatch.setattr(VideoDecoder, "get_frame_at", failing)
        with pytest.raises(
            CorruptDataError, match=r"frame 2 at .*: cannot be decoded by torchcodec: IndexError; decode"
        ):
            session.image(2)

    def test_a_file_that_is_gone(self, tmp_path: Path, video: Callable[[str], Path]) -> None:
        path = tmp_path / "clip.mp4"
        path.write_bytes(video("h264.mp4").read_bytes())
        session = opened(path).open()
        path.unlink()
        with pytest.raises(CorruptDataError, match=r"clip\.mp4: frame 3 .* by torchcodec: Could not open input file"):
            session.image(3)


@pytest.mark.usefixtures("torchcodec")
class TestProcesses:
    def test_a_source_is_sent_and_a_session_closed_and_used_again(self, video: Callable[[str], Path]) -> None:
        source = opened(video("av1.mp4"))
        session = pickle.loads(pickle.dumps(source)).open()
        first = session.image(9)
        session.close()
        np.testing.assert_array_equal(session.image(9), first)

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
    def test_a_fork_opens_the_file_for_itself(self, video: Callable[[str], Path]) -> None:
        source, true = opened(video("h264.mp4")), plain_frames(video("h264.mp4"))
        session = source.open()
        session.image(4)
        child = os.fork()
        if not child:
            code = 1
            with suppress(BaseException):
                code = int(not all(np.array_equal(session.image(at), true[at]) for at in (30, 5, 31)))
            os._exit(code)
        for index in (5, 6, 20, 7):
            np.testing.assert_array_equal(session.image(index), true[index])
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


class TestDecoders:
    def test_those_that_are_there_are_known(self, torchcodec: FoundFfmpeg) -> None:
        assert 4 <= torchcodec.major <= 8
        assert torchcodec.decoder_of("h264") == "h264"
        assert torchcodec.decoder_of("av1") in {"libdav1d", "libaom-av1"}
        assert torchcodec.decoder_of("no such codec") is None
        assert {"h264", "mpeg4", "mjpeg"} <= set(torchcodec.usual_decoders())

    @pytest.mark.usefixtures("torchcodec")
    def test_a_codec_without_one_is_named_and_so_are_those_there_are(
        self, video: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As in an FFmpeg whose only decoder of AV1 drives graphics cards."""
        monkeypatch.setattr(_torchcodec, "HARDWARE_ONLY", {"libdav1d", "libaom-av1"})
        message = (
            r"av1\.mp4: no decoder for av1 in torchcodec's FFmpeg \d; among the decoders there are: h264, hevc, .*mpeg4"
            r".*; install an FFmpeg with one, or decode with decoder=\"pyav\", which has one \[no-decoder\]"
        )
        with pytest.raises(MissingExtraError, match=message):
            opened(video("av1.mp4"))
        assert opened(video("h264.mp4")).open().image(0).shape == (64, 96, 3)


NOT_LOADED = """Could not load libtorchcodec. Likely causes:
          1. FFmpeg is not properly installed in your environment.
FFmpeg version 8:
Traceback (most recent call last):
OSError: {8}

The above exception was the direct cause of the following exception:

OSError: Could not load this library: /somewhere/torchcodec/libtorchcodec_core8.so

FFmpeg version 5:
Traceback (most recent call last):
OSError: {5}
OSError: Could not load this library: /somewhere/torchcodec/libtorchcodec_core5.so
[end of libtorchcodec loading traceback]."""
NOT_THERE = "cannot open shared object file: No such file or directory"
ABSENT = {number: f"libavutil.so.{number + 52}: {NOT_THERE}" for number in (5, 8)}


def not_loaded(**reasons: str) -> str:
    told = {f"v{number}": text for number, text in ABSENT.items()} | reasons
    return f"raise RuntimeError({NOT_LOADED.replace('{8}', told['v8']).replace('{5}', told['v5'])!r})"


UNUSABLE = [
    (
        not_loaded(),
        "expected the shared libraries of FFmpeg 4 to 8 for .*, got none.*apt-get install ffmpeg.*no-ffmpeg",
    ),
    (
        not_loaded(v5=f"libavdevice.so.59: {NOT_THERE}"),
        "expected torchcodec to load, got libavdevice.so.59: cannot open",
    ),
    (not_loaded(v8="core8.so: undefined symbol: _ZN3c10"), "got core8.so: undefined symbol.*torchcodec-unusable"),
    # A build for CUDA, as later wheels are.
    (
        f"try:\n    raise OSError('libnvrtc.so.13: {NOT_THERE}')\n"
        "except OSError as error:\n    raise OSError('Could not load this library: libtorchcodec_image.so') from error",
        "got libnvrtc.so.13: cannot open .* pip install 'lapsdata.torchcodec.': it takes a release that fits to a CPU",
    ),
    ("import gone", "expected torchcodec to load, got No module named 'gone'"),
    ("__version__ = '0.1'", "expected torchcodec to load, got cannot import name 'core_library_path'"),
    ("raise RuntimeError", "expected torchcodec to load, got RuntimeError; "),
]


class TestUse:
    @pytest.mark.parametrize(("code", "message"), UNUSABLE)
    def test_why_it_does_not_load_is_told(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, message: str
    ) -> None:
        (tmp_path / "torchcodec.py").write_text(code)
        monkeypatch.delitem(sys.modules, "torchcodec", raising=False)
        monkeypatch.syspath_prepend(str(tmp_path))
        with pytest.raises(MissingExtraError, match=f"decoder: .*{message}"):
            require_torchcodec()

    def test_that_it_is_absent_is_told(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "torchcodec", None)
        message = r"decoder: expected the package torchcodec, got no such package; pip install 'lapsdata\[torchcodec\]'"
        with pytest.raises(MissingExtraError, match=message):
            require_torchcodec()
