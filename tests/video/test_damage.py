"""What cannot be decoded is an error that names file, frame and time; never another picture, and never silence."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import av
import numpy as np
import pytest

from lapsdata.errors import (
    CorruptDataError,
    LapsError,
    MissingExtraError,
    SchemaError,
    StorageError,
    UnknownFormatError,
)
from lapsdata.video import _decoding
from lapsdata.video.probe import probe
from lapsdata.video.reader import open_video

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def places(path: Path) -> dict[int, tuple[int, int]]:
    """Byte and size of the packet of each frame, by its place in presentation order."""
    with av.open(str(path)) as container:
        found = {p.pts: (p.pos, p.size) for p in container.demux(video=0) if p.size}
    return {index: found[pts] for index, pts in enumerate(sorted(found))}


def spoiled(path: Path, target: Path, frame: int, how: str = "zero") -> Path:
    data = bytearray(path.read_bytes())
    start, size = places(path)[frame]
    if how == "wipe":
        data[start : start + size] = bytes(size)
    elif how == "zero":
        data[start + size // 2 : start + size] = bytes(size - size // 2)
    elif how == "noise":
        noise = np.random.default_rng(frame).integers(0, 256, size - size // 3, np.uint8)
        data[start + size // 3 : start + size] = noise.tobytes()
    else:
        data[start + size // 2] ^= 1 << 4
    target.write_bytes(data)
    return target


def read_until_error(path: Path) -> tuple[list[int], str]:
    given: list[int] = []
    with open_video(path) as reader, pytest.raises(CorruptDataError, match=path.name) as caught:
        given.extend(frame.index for frame in reader.frames())
    return given, str(caught.value)


@pytest.mark.parametrize("name", ["h264.mp4", "hevc.mp4", "av1.mp4", "mpeg4.mp4", "mjpeg.avi"])
def test_a_damaged_frame_is_named_and_those_before_it_are_given(
    tmp_path: Path, name: str, video: Callable[[str], Path]
) -> None:
    whole = video(name)
    path = spoiled(whole, tmp_path / name, 7, "wipe")
    given, message = read_until_error(path)
    time_s = probe(path).frame_s[7]
    assert f"{name}: frame 7 at {time_s:.6f} s: cannot be decoded: " in message
    assert "[undecodable-frame]" in message
    # What refers to frame 7 and is shown before it is not there either; nothing else is missing.
    assert given == list(range(len(given)))
    assert 4 <= len(given) <= 7
    with open_video(whole) as true, open_video(path) as reader:
        for index in given:
            assert np.array_equal(true.at_index(index).image, reader.at_index(index).image)


def test_an_error_in_order_is_told_without_decoding_once_more(
    tmp_path: Path, write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = write(tmp_path / "whole.mp4", "av1.mp4", options={"g": "100"})
    path = spoiled(whole, tmp_path / "clip.mp4", 30, "wipe")
    fed = [0]
    plain = _decoding._Run._decode

    def counted(run: Any, packet: Any) -> Any:
        fed[0] += 1
        return plain(run, packet)

    monkeypatch.setattr(_decoding._Run, "_decode", counted)
    given, message = read_until_error(path)
    assert given == list(range(30))
    assert "frame 30 at 1.200000 s: cannot be decoded" in message
    assert fed[0] < 40


def test_frames_of_other_groups_are_read_as_if_nothing_had_happened(
    tmp_path: Path, video: Callable[[str], Path]
) -> None:
    whole = video("h264.mp4")
    path = spoiled(whole, tmp_path / "clip.mp4", 16)
    with open_video(whole) as true, open_video(path) as reader:
        for index in (39, 30, 24, 11, 0):
            np.testing.assert_array_equal(reader.at_index(index).image, true.at_index(index).image)
        for index in (16, 23):
            with pytest.raises(CorruptDataError, match=r"frame 16 at 0\.640000 s: cannot be decoded"):
                reader.at_index(index)
        np.testing.assert_array_equal(reader.at_index(12).image, true.at_index(12).image)


@pytest.mark.parametrize("how", ["zero", "noise"])
@pytest.mark.parametrize("name", ["h264.mp4", "hevc.mp4", "av1.mp4", "mpeg4.mp4", "ffv1.mkv"])
def test_whatever_is_given_of_a_damaged_file_was_never_moved_or_repeated(
    tmp_path: Path, name: str, how: str, video: Callable[[str], Path]
) -> None:
    """Entropy codes without checksums can hide damage inside a picture; which picture it is they cannot hide."""
    whole = video(name)
    with open_video(whole) as reader:
        times = reader.facts.frame_s.tolist()
        true = [frame.image for frame in reader.frames()]
    for frame in range(0, 40, 3):
        path = spoiled(whole, tmp_path / f"{frame}-{name}", frame, how)
        got = []
        try:
            with open_video(path) as reader:
                got.extend(reader.frames())
        except CorruptDataError:
            pass
        assert [item.time_s for item in got] == times[: len(got)]
        # All that lies before the damage in the file is exact.
        for item in got[: max(frame - 4, 0)]:
            np.testing.assert_array_equal(item.image, true[item.index])


@pytest.mark.parametrize("how", ["zero", "noise", "flip"])
def test_ffv1_checksums_are_heard(tmp_path: Path, how: str, video: Callable[[str], Path]) -> None:
    """FFmpeg fills a slice of a wrong checksum with the picture before, and tells it to its log alone."""
    heard = []
    for frame in range(0, 40, 7):
        path = spoiled(video("ffv1.mkv"), tmp_path / f"{how}{frame}.mkv", frame, how)
        given, message = read_until_error(path)
        assert given == list(range(frame))
        assert f"frame {frame} at {frame / 25:.6f} s: cannot be decoded: " in message
        heard.append("slice CRC mismatch" in message)
    # Some damage stops the decoder by itself; a flipped bit seldom does.
    assert how != "flip" or sum(heard) >= 4
    assert av.logging.get_level() is None


def test_two_equal_complaints_are_both_heard(tmp_path: Path, video: Callable[[str], Path]) -> None:
    """Left alone, PyAV drops a message that equals the one before."""
    path = spoiled(video("ffv1.mkv"), tmp_path / "clip.mkv", 0, "flip")
    for _ in range(3):
        given, message = read_until_error(path)
        assert given == []
        assert "slice CRC mismatch" in message


def test_a_gif_with_broken_pixels_is_an_error(tmp_path: Path, video: Callable[[str], Path]) -> None:
    whole = video("moving.gif")
    data = bytearray(whole.read_bytes())
    start, size = places(whole)[5]
    # Inside a block of pixels, so that the blocks themselves stay whole.
    middle = start + size // 2
    data[middle : middle + 60] = b"\xff" * 60
    path = tmp_path / "clip.gif"
    path.write_bytes(data)
    with pytest.raises(LapsError, match=r"clip\.gif: (frame 5 at 0\.200000 s: cannot be decoded|expected a block)"):
        with open_video(path) as reader:
            list(reader.frames())


def test_a_packet_that_the_decoder_swallows_is_a_missing_frame(
    tmp_path: Path, video: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = _decoding._Run._decode

    def without_the_tenth(run: Any, packet: Any) -> Any:
        return [frame for frame in plain(run, packet) if frame.pts != 10 * 512]

    monkeypatch.setattr(_decoding._Run, "_decode", without_the_tenth)
    given, message = read_until_error(video("av1.mp4"))
    assert given == list(range(10))
    assert (
        "frame 10 at 0.400000 s: cannot be decoded: the decoder gave the picture of 0.440000 s instead; copy" in message
    )


def test_a_last_frame_that_never_comes_is_missing(
    video: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = _decoding._Run._decode
    monkeypatch.setattr(_decoding._Run, "_decode", lambda run, packet: [] if packet is None else plain(run, packet))
    given, message = read_until_error(video("h264.mp4"))
    assert len(given) < 40
    assert f"frame {len(given)} at" in message
    assert "cannot be decoded: the decoder gave no picture for it" in message


def test_a_frame_too_many_is_an_error(video: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    plain = _decoding._Run._decode

    def twice_at_the_end(run: Any, packet: Any) -> Any:
        frames = plain(run, packet)
        return [*frames, *frames[-1:]] if packet is None else frames

    monkeypatch.setattr(_decoding._Run, "_decode", twice_at_the_end)
    with open_video(video("h264.mp4")) as reader:
        with pytest.raises(CorruptDataError, match="expected 40 frames as there are packets, the decoder gave more"):
            list(reader.frames())


def test_a_frame_that_the_decoder_calls_corrupt_is_an_error(
    video: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Doubtful:
        def __init__(self, frame: Any) -> None:
            self._frame = frame

        def __getattr__(self, name: str) -> Any:
            if name == "is_corrupt":
                return self._frame.pts == 4 * 512
            return getattr(self._frame, name)

    plain = _decoding._Run._decode
    monkeypatch.setattr(_decoding._Run, "_decode", lambda run, packet: [Doubtful(f) for f in plain(run, packet)])
    message = r"frame 4 at 0\.160000 s: cannot be decoded: the decoder had to guess a part of the picture"
    with open_video(video("av1.mp4")) as reader, pytest.raises(CorruptDataError, match=message):
        reader._source.open()._reach(6, None)


@pytest.mark.parametrize("suffix", [".ts", ".mkv"])
def test_a_size_that_changes_is_named_with_its_frame(tmp_path: Path, suffix: str, draw: Callable[..., Any]) -> None:
    path = tmp_path / f"clip{suffix}"
    with av.open(str(path), "w") as output:
        stream: Any = None
        for part, (width, height) in enumerate(((96, 64), (64, 96))):
            encoder: Any = av.CodecContext.create("libx264", "w")
            encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
            encoder.time_base, encoder.framerate = Fraction(1, 25), Fraction(25)
            encoder.options = {"bf": "0", "g": "5"}
            if stream is None:
                stream = output.add_stream("libx264", rate=25)
                stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            packets = []
            for k, picture in enumerate(draw(10, width, height)):
                frame = av.VideoFrame.from_ndarray(picture, "rgb24").reformat(format="yuv420p")
                frame.pts, frame.time_base = 10 * part + k, Fraction(1, 25)
                packets += encoder.encode(frame)
            for packet in (*packets, *encoder.encode(None)):
                packet.stream = stream
                output.mux(packet)
    given: list[int] = []
    message = r"frame 10 at .* s: expected 96x64 pixel as the file states, got 64x96; split the file"
    with open_video(path) as reader, pytest.raises(SchemaError, match=message):
        given.extend(frame.index for frame in reader.frames())
    assert given == list(range(10))


def test_a_mirrored_picture_is_refused(tmp_path: Path, write: Callable[..., Path]) -> None:
    path = write(tmp_path / "clip.mov", rotate=0, mirror=True)
    with open_video(path) as reader:
        with pytest.raises(SchemaError, match=r"frame 0 at 0\.000000 s: expected a picture that is upright after"):
            next(reader.frames())


class TestFiles:
    """Files that are no whole videos."""

    def test_empty(self, tmp_path: Path) -> None:
        (tmp_path / "empty.mp4").touch()
        with pytest.raises(CorruptDataError, match=r"empty.mp4: expected a video, got 0 bytes.*\[empty-file\]"):
            probe(tmp_path / "empty.mp4")

    def test_text(self, tmp_path: Path) -> None:
        (tmp_path / "text.mp4").write_text("one line\n" * 30)
        with pytest.raises(
            UnknownFormatError, match=r"text.mp4: expected a video, got text that begins with 'one line"
        ):
            probe(tmp_path / "text.mp4")

    def test_bytes_that_mean_nothing(self, tmp_path: Path) -> None:
        noise = np.random.default_rng(0).integers(128, 256, 5000, np.uint8).tobytes()
        (tmp_path / "noise.mp4").write_bytes(noise)
        with pytest.raises(UnknownFormatError, match=r"noise.mp4: expected a video, got what FFmpeg does not know"):
            probe(tmp_path / "noise.mp4")

    def test_a_git_lfs_pointer(self, tmp_path: Path) -> None:
        pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
        (tmp_path / "clip.mp4").write_text(pointer)
        with pytest.raises(
            UnknownFormatError, match=r"clip.mp4: expected a video, got a Git LFS pointer.*git lfs pull"
        ):
            open_video(tmp_path / "clip.mp4")

    @pytest.mark.parametrize("share", [0.05, 0.3, 0.7, 0.95, 0.999])
    @pytest.mark.parametrize(
        "name", ["h264.mkv", "vp9.webm", "mpeg4.mp4", "fragments.mp4", "bframes.avi", "moving.gif"]
    )
    def test_cut_off(self, tmp_path: Path, name: str, share: float, video: Callable[[str], Path]) -> None:
        data = video(name).read_bytes()
        path = tmp_path / name
        path.write_bytes(data[: int(len(data) * share)])
        with pytest.raises(
            CorruptDataError, match=rf"{name}: (expected \d+ bytes by its own structure, got|the index)"
        ):
            probe(path)

    def test_mp4_without_its_index(self, tmp_path: Path, video: Callable[[str], Path]) -> None:
        data = video("h264.mp4").read_bytes()
        (tmp_path / "clip.mp4").write_bytes(data[: data.index(b"moov") - 4])
        message = r"clip.mp4: the index of its frames \(moov\) is missing: the recording or the copy was stopped"
        with pytest.raises(CorruptDataError, match=message):
            probe(tmp_path / "clip.mp4")

    def test_a_broken_index(self, tmp_path: Path, video: Callable[[str], Path]) -> None:
        data = bytearray(video("h264.mp4").read_bytes())
        at = data.index(b"stbl")
        data[at : at + 200] = bytes(200)
        (tmp_path / "clip.mp4").write_bytes(data)
        with pytest.raises(LapsError, match=r"clip.mp4: "):
            probe(tmp_path / "clip.mp4")

    def test_a_demuxer_that_fails_in_the_middle(self, tmp_path: Path, video: Callable[[str], Path]) -> None:
        data = bytearray(video("moving.apng").read_bytes())
        at = data.index(b"fcTL", len(data) // 2)
        data[at - 4 : at + 4] = b"\0\0\0\x05zzzz"
        (tmp_path / "clip.apng").write_bytes(data)
        with pytest.raises(CorruptDataError, match=r"clip.apng: (the container is damaged|frame \d+ at)"):
            with open_video(tmp_path / "clip.apng") as reader:
                list(reader.frames())

    def test_a_codec_without_a_decoder(self, tmp_path: Path, video: Callable[[str], Path]) -> None:
        """EVC is known to FFmpeg by name; its decoder is seldom built in."""
        path = tmp_path / "clip.mp4"
        path.write_bytes(video("h264.mp4").read_bytes().replace(b"avc1", b"evc1"))
        message = (
            r"clip.mp4: no decoder for evc in this FFmpeg; among the decoders there are: h264, hevc, .*"
            r"pip install --upgrade av.*\[no-decoder\]"
        )
        with pytest.raises(MissingExtraError, match=message):
            probe(path)

    def test_decoders_that_there_are_are_those_there_are(
        self, tmp_path: Path, video: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "clip.mp4"
        path.write_bytes(video("h264.mp4").read_bytes().replace(b"avc1", b"zzzz"))
        monkeypatch.setattr("av.codec.codecs_available", {"mpeg4", "gif"})
        with pytest.raises(MissingExtraError, match=r"no decoder for none in this FFmpeg; .* there are: mpeg4, gif;"):
            probe(path)

    def test_an_av1_decoder_that_only_drives_graphics_cards_is_none(
        self, video: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("lapsdata.video._container.HARDWARE_ONLY", {"libdav1d"})
        with pytest.raises(MissingExtraError, match=r"av1.mp4: no decoder for av1 in this FFmpeg"):
            probe(video("av1.mp4"))

    def test_a_folder_with_the_name_of_a_video(self, tmp_path: Path) -> None:
        (tmp_path / "clip.mp4").mkdir()
        with pytest.raises(UnknownFormatError, match=r"clip.mp4: expected a video file or numbered images"):
            probe(tmp_path / "clip.mp4")

    def test_an_image_is_no_video(self, tmp_path: Path, write: Callable[..., Path], draw: Callable[..., Any]) -> None:
        import cv2

        cv2.imwrite(str(tmp_path / "one.png"), draw(1)[0])
        with pytest.raises(UnknownFormatError, match=r"one.png: expected a video, got piped png sequence"):
            probe(tmp_path / "one.png")

    @pytest.mark.parametrize(
        "text", ["#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nclip.ts\n", "ffconcat version 1.0\nfile clip.ts\n"]
    )
    def test_a_list_of_other_files_is_not_followed(
        self, tmp_path: Path, text: str, video: Callable[[str], Path]
    ) -> None:
        (tmp_path / "clip.ts").write_bytes(video("h264.ts").read_bytes())
        (tmp_path / "list.mp4").write_text(text)
        with pytest.raises(UnknownFormatError, match=r"list.mp4: expected a video, got "):
            probe(tmp_path / "list.mp4")

    def test_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(StorageError, match=r"clip.mp4: cannot open: no such file or folder; check the path"):
            open_video(tmp_path / "clip.mp4")

    def test_no_permission(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, video: Callable[[str], Path]) -> None:
        from pathlib import Path as AnyPath

        def refused(*_: Any, **__: Any) -> Any:
            raise PermissionError(13, "Permission denied")

        path = video("h264.mp4")
        monkeypatch.setattr(AnyPath, "open", refused)
        with pytest.raises(StorageError, match=r"h264.mp4: cannot open: no permission; ask for the right to read it"):
            probe(path)

    def test_a_name_that_looks_like_a_protocol_or_a_pattern(self, tmp_path: Path, video: Callable[[str], Path]) -> None:
        for name in ("pipe:1.mp4", "clip%03d.mp4", "a b#?.mp4", "http:x.mp4", "Käse.mp4"):
            path = tmp_path / name
            path.write_bytes(video("h264.mp4").read_bytes())
            assert probe(path).frames == 40
            assert probe(str(path)).name == path.stem
