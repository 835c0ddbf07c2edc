"""Video files keep every time, are whole or absent, and are read back here with plain PyAV."""

from __future__ import annotations

import re
import subprocess
import sys
import weakref
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lapsdata.errors import LengthMismatchError, SchemaError, StorageError
from lapsdata.video.writer import VideoCodec, write_video

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CODECS: tuple[VideoCodec, ...] = ("h264", "av1", "ffv1")


def _pictures(count: int, width: int = 96, height: int = 64) -> list[np.ndarray]:
    """Return smooth colour pictures that move: what a lossy codec can keep."""
    ys, xs = np.mgrid[:height, :width]
    made = []
    for index in range(count):
        waves = [np.sin((xs + 3 * index) / 9.0 + c) + np.cos((ys - index) / 7.0 - c) for c in range(3)]
        made.append((128 + 50 * np.stack(waves, -1)).astype(np.uint8))
    return made


def _times(count: int, kind: str) -> np.ndarray:
    if kind == "vfr":
        gaps = np.random.default_rng(count).integers(1000, 9000, count - 1)
        return np.concatenate([[0.0], np.cumsum(gaps) / 90_000])
    rate = Fraction(kind)
    return np.array([float(i / rate) for i in range(count)])


def _read(path: Path) -> tuple[list[np.ndarray], list[float]]:
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    return [f.to_ndarray(format="rgb24") for f in frames], [float(f.pts * f.time_base) for f in frames]


@pytest.mark.parametrize("kind", ["20", "25", "30000/1001", "24000/1001", "15/2", "vfr"])
@pytest.mark.parametrize("codec", CODECS)
def test_frames_and_times_come_back(tmp_path: Path, codec: VideoCodec, kind: str) -> None:
    pictures, times = _pictures(40), _times(40, kind)
    path = tmp_path / "clip.mp4"
    write_video(path, iter(pictures), times, codec=codec)
    read, read_s = _read(path)
    # The same float64, not merely a near one.
    assert read_s == times.tolist()
    assert len(read) == 40
    for original, decoded in zip(pictures, read, strict=True):
        assert decoded.shape == original.shape
        if codec == "ffv1":
            np.testing.assert_array_equal(decoded, original)
        else:
            difference = decoded.astype(int) - original
            # Colour is stored at half the size; brightness (ITU-R BT.601) is not.
            assert np.abs(difference @ [0.299, 0.587, 0.114]).mean() < 2.0
            assert np.abs(difference).mean() < 5.0
            # The plain decoder rounds down, by about one level; more would be a wrong colour range or matrix.
            assert np.abs(difference.mean(axis=(0, 1))).max() < 3.0


@pytest.mark.parametrize("codec", CODECS)
def test_the_file_states_codec_count_rate_and_duration(tmp_path: Path, codec: VideoCodec) -> None:
    path = tmp_path / "clip.mp4"
    write_video(path, _pictures(50), _times(50, "30000/1001"), codec=codec)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        decoder = {"av1": "libdav1d"}.get(codec, codec)
        assert stream.codec_context.name == decoder
        assert (stream.frames, stream.width, stream.height) == (50, 96, 64)
        assert stream.average_rate == Fraction(30_000, 1001)
        assert stream.duration * stream.time_base == Fraction(50 * 1001, 30_000)


@pytest.mark.parametrize("codec", CODECS)
def test_equal_input_gives_equal_bytes(tmp_path: Path, codec: VideoCodec) -> None:
    script = (
        "import sys; import numpy as np; from lapsdata.video.writer import write_video\n"
        "rng = np.random.default_rng(5)\n"
        "frames = [rng.integers(0, 255, (120, 160, 3), np.uint8) // 4 for _ in range(25)]\n"
        "write_video(sys.argv[1], frames, np.arange(25) / 10, codec=sys.argv[2])\n"
    )
    paths = [tmp_path / "a.mp4", tmp_path / "b.mp4"]
    for path in paths:
        subprocess.run([sys.executable, "-c", script, str(path), codec], check=True)
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_av1_says_nothing_on_stderr(tmp_path: Path) -> None:
    script = (
        "import sys; import numpy as np; from lapsdata.video.writer import write_video\n"
        "write_video(sys.argv[1], [np.zeros((64, 64, 3), np.uint8)] * 3, [0, 1, 2], codec='av1')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "a.mp4")], check=True, capture_output=True, text=True
    )
    assert "Svt[info]" not in done.stderr
    assert done.stdout == ""


@settings(max_examples=25)
@given(st.lists(st.floats(1e-4, 5.0), min_size=1, max_size=12), st.floats(0.0, 1000.0))
def test_any_times_come_back_within_half_a_microsecond(
    tmp_path_factory: pytest.TempPathFactory, gaps: list[float], start: float
) -> None:
    times = start + np.concatenate([[0.0], np.cumsum(gaps)])
    path = tmp_path_factory.mktemp("any") / "clip.mp4"
    write_video(path, _pictures(len(times), 64, 64), times, codec="h264")
    np.testing.assert_allclose(_read(path)[1], times, rtol=0.0, atol=0.5e-6 + 1e-9)


@pytest.mark.parametrize("start", [0.0, 0.05, 12.35, 0.0625, 1 / 90_000, 3600.123456])
@pytest.mark.parametrize("codec", CODECS)
def test_a_late_first_frame_stays_late(tmp_path: Path, codec: VideoCodec, start: float) -> None:
    times = start + np.arange(9) / 20
    write_video(tmp_path / "clip.mp4", _pictures(9), times, codec=codec)
    assert _read(tmp_path / "clip.mp4")[1] == pytest.approx(times.tolist(), abs=1e-9)


@pytest.mark.parametrize("codec", CODECS)
def test_one_frame_is_a_video(tmp_path: Path, codec: VideoCodec) -> None:
    write_video(tmp_path / "clip.mp4", _pictures(1), [0.0], codec=codec)
    read, times = _read(tmp_path / "clip.mp4")
    assert (len(read), times) == (1, [0.0])


def test_matroska_is_written_when_milliseconds_suffice_and_refused_otherwise(tmp_path: Path) -> None:
    write_video(tmp_path / "fits.mkv", _pictures(12), _times(12, "20"))
    assert _read(tmp_path / "fits.mkv")[1] == _times(12, "20").tolist()
    message = r"odd.mkv: .mkv counts in 1/1000 s, which moves a frame by up to 0.0005 s; write an .mp4 file"
    with pytest.raises(SchemaError, match=message):
        write_video(tmp_path / "odd.mkv", _pictures(40), _times(40, "30000/1001"))
    assert [item.name for item in tmp_path.iterdir()] == ["fits.mkv"]


@pytest.mark.parametrize("codec", ["h264", "av1"])
def test_keyframes_are_as_near_as_asked(tmp_path: Path, codec: VideoCodec) -> None:
    write_video(tmp_path / "clip.mp4", _pictures(30), _times(30, "20"), codec=codec, gop=5)
    with av.open(str(tmp_path / "clip.mp4")) as container:
        keys = [frame.pts * frame.time_base * 20 for frame in container.decode(video=0) if frame.key_frame]
    assert 0 in keys
    assert np.diff([*keys, 30]).max() <= 5


@pytest.mark.parametrize("codec", ["h264", "av1"])
def test_a_higher_rate_factor_makes_a_smaller_file(tmp_path: Path, codec: VideoCodec) -> None:
    noise = np.random.default_rng(1).integers(0, 80, (10, 64, 64, 3), np.uint8)
    for crf in (10, 45):
        write_video(tmp_path / f"{crf}.mp4", list(noise), _times(10, "20"), codec=codec, crf=crf)
    assert (tmp_path / "45.mp4").stat().st_size < 0.5 * (tmp_path / "10.mp4").stat().st_size


def test_odd_sizes_are_refused_where_colour_is_halved_and_kept_by_ffv1(tmp_path: Path) -> None:
    odd = _pictures(3, 97, 65)
    message = (
        r"clip.mp4: frame 0: expected even sides for 4:2:0 colour, got 97 x 65 pixel; "
        r"crop or pad by one pixel, or use codec='ffv1' \[odd-size\]"
    )
    for codec in CODECS[:2]:
        with pytest.raises(SchemaError, match=message):
            write_video(tmp_path / "clip.mp4", odd, _times(3, "20"), codec=codec)
    assert list(tmp_path.iterdir()) == []
    write_video(tmp_path / "clip.mp4", odd, _times(3, "20"), codec="ffv1")
    np.testing.assert_array_equal(_read(tmp_path / "clip.mp4")[0], odd)


@pytest.mark.parametrize(
    ("times", "message"),
    [
        ([], r"frame_s: expected \(F,\) with F >= 1, got \(0,\)"),
        ([[0.0, 1.0]], r"frame_s: expected \(F,\) with F >= 1, got \(1, 2\)"),
        ([0.0, float("nan"), 1.0], "frame_s: expected finite seconds from 0 on, got nan at frame 1"),
        ([-0.5, 0.0, 1.0], "expected finite seconds from 0 on, got -0.5 at frame 0; shift the times"),
        ([0.0, 0.2, 0.1], r"rise by at least 1 microsecond, got 0.2 s at frame 1 and 0.1 s at frame 2"),
        ([0.0, 0.1, 0.1], r"got 0.1 s at frame 1 and 0.1 s at frame 2; sort the frames and drop doubled ones"),
    ],
)
def test_wrong_times_are_named(tmp_path: Path, times: list[float], message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        write_video(tmp_path / "clip.mp4", _pictures(3), times)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (np.zeros((64, 96, 3), np.float32), r"frame 2: expected \(H, W, 3\) uint8 RGB, got \(64, 96, 3\) float32"),
        (np.zeros((64, 96), np.uint8), r"frame 2: expected \(H, W, 3\) uint8 RGB, got \(64, 96\) uint8"),
        (np.zeros((64, 96, 4), np.uint8), r"frame 2: expected \(H, W, 3\) uint8 RGB, got \(64, 96, 4\) uint8"),
        (np.zeros((96, 64, 3), np.uint8), r"frame 2: expected \(64, 96\) as the first frame's, got \(96, 64\)"),
        ([[[0, 0, 0]]], r"frame 2: expected a NumPy array, \(H, W, 3\) uint8 RGB, got list; convert it: np\.asarray"),
        (None, r"frame 2: expected a NumPy array, \(H, W, 3\) uint8 RGB, got None; convert it"),
        (np.ma.zeros((64, 96, 3), np.uint8), r"frame 2: expected a NumPy array, .* got MaskedArray; convert it"),
        (np.zeros((64, 0, 3), np.uint8), r"frame 2: expected at least one pixel, got 0 x 64 pixel; leave the frame"),
        (np.zeros((0, 96, 3), np.uint8), r"frame 2: expected at least one pixel, got 96 x 0 pixel; leave the frame"),
    ],
)
def test_a_wrong_frame_is_named_by_its_index(tmp_path: Path, bad: Any, message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        write_video(tmp_path / "clip.mp4", [*_pictures(2), bad], _times(3, "20"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("count", "message"), [(2, "got 2"), (0, "got 0"), (4, "got more")])
def test_frames_and_times_must_be_equally_many(tmp_path: Path, count: int, message: str) -> None:
    with pytest.raises(LengthMismatchError, match=f"clip.mp4: expected 3 frames as there are times, {message}"):
        write_video(tmp_path / "clip.mp4", _pictures(count), _times(3, "20"))
    assert list(tmp_path.iterdir()) == []


def test_options_that_do_not_fit_are_reported_together(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match="3 problems") as caught:
        write_video(tmp_path / "clip.avi", _pictures(1), [0.0], codec="vp9", gop=0)  # type: ignore[arg-type]  # the test
    text = str(caught.value)
    assert "expected one of .mp4, .mkv, got '.avi'" in text
    assert "expected one of h264, av1, ffv1, got 'vp9'; encoders in this installation: h264, av1, ffv1" in text
    assert "gop: expected a whole number of frames, 1 or more, got 0" in text
    for crf in (52, -1, 18.5, "18", True):
        with pytest.raises(SchemaError, match=f"crf: expected a whole number from 0 to 51 for h264, got {crf!r}"):
            write_video(tmp_path / "clip.mp4", _pictures(1), [0.0], crf=crf)  # type: ignore[arg-type]  # the test
    for gop in (1.5, "12", True):
        with pytest.raises(SchemaError, match=f"gop: expected a whole number of frames, 1 or more, got {gop!r}"):
            write_video(tmp_path / "clip.mp4", _pictures(1), [0.0], gop=gop)  # type: ignore[arg-type]  # the test
    for codec in (["h264"], None, 264):
        with pytest.raises(SchemaError, match=r"codec: expected one of h264, av1, ffv1, got "):
            write_video(tmp_path / "clip.mp4", _pictures(1), [0.0], codec=codec)  # type: ignore[arg-type]  # the test
    with pytest.raises(SchemaError, match="ffv1 is lossless, got crf=3; leave it out"):
        write_video(tmp_path / "clip.mp4", _pictures(1), [0.0], codec="ffv1", crf=3)


def test_integers_of_numpy_are_integers(tmp_path: Path) -> None:
    write_video(tmp_path / "clip.mp4", _pictures(4), _times(4, "20"), crf=np.int64(30), gop=np.uint8(2))  # type: ignore[arg-type]  # the test
    assert len(_read(tmp_path / "clip.mp4")[0]) == 4


@pytest.mark.parametrize("empty", [np.zeros((64, 0, 3), np.uint8), np.zeros((0, 96, 3), np.uint8)])
@pytest.mark.parametrize("codec", CODECS)
def test_a_first_frame_without_pixels_is_refused(tmp_path: Path, codec: VideoCodec, empty: np.ndarray) -> None:
    with pytest.raises(SchemaError, match=r"clip\.mp4: frame 0: expected at least one pixel, got"):
        write_video(tmp_path / "clip.mp4", [empty], [0.0], codec=codec)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("frames", [None, 3])
def test_frames_that_are_none_are_refused(tmp_path: Path, frames: Any) -> None:
    with pytest.raises(
        SchemaError, match=r"clip\.mp4: frames: expected frames one after the other, got (None|int); give"
    ):
        write_video(tmp_path / "clip.mp4", frames, [0.0])


@pytest.mark.parametrize("times", [["soon"], [[0.0], [0.1, 0.2]], [None, "x"], [0.0, 1j]])
def test_times_that_are_no_numbers_are_refused(tmp_path: Path, times: Any) -> None:
    with pytest.raises(
        SchemaError, match=r"clip\.mp4: frame_s: expected \(F,\) seconds, got list \(.*; give one number"
    ):
        write_video(tmp_path / "clip.mp4", _pictures(2), times)


def test_a_codec_without_an_encoder_names_those_there_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("av.codec.codecs_available", {"libx264", "ffv1"})
    with pytest.raises(SchemaError, match="got 'av1'; encoders in this installation: h264, ffv1"):
        write_video(tmp_path / "clip.mp4", _pictures(1), [0.0], codec="av1")


def test_a_source_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    write_video(path, _pictures(3), _times(3, "20"))
    before = path.read_bytes()

    def failing() -> Iterator[np.ndarray]:
        yield from _pictures(20)
        raise RuntimeError("the camera was unplugged")

    with pytest.raises(RuntimeError, match="the camera was unplugged"):
        write_video(path, failing(), _times(40, "20"), overwrite=True)
    assert path.read_bytes() == before
    assert [item.name for item in tmp_path.iterdir()] == ["clip.mp4"]


def test_an_existing_file_is_replaced_only_on_request(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"precious")
    with pytest.raises(StorageError, match=r"clip\.mp4: expected a free name"):
        write_video(path, _pictures(3), _times(3, "20"))
    assert path.read_bytes() == b"precious"
    write_video(path, _pictures(3), _times(3, "20"), overwrite=True)
    assert len(_read(path)[0]) == 3


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"clip\.mp4: cannot write: no such file or folder; check the path"):
        write_video(tmp_path / "nowhere" / "clip.mp4", _pictures(3), _times(3, "20"))


_LIMITED = """
import resource, signal, sys
import numpy as np
from lapsdata.errors import StorageError
from lapsdata.video.writer import write_video
rng = np.random.default_rng(0)
frames = [rng.integers(0, 255, (128, 128, 3), np.uint8) for _ in range(20)]
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), resource.RLIM_INFINITY))
try:
    write_video(sys.argv[1], frames, np.arange(20) / 20, codec=sys.argv[2])
except StorageError as error:
    print("refused", error)
"""


@pytest.mark.parametrize("limit", [16, 4096, 100_000])
@pytest.mark.parametrize("codec", CODECS)
def test_a_file_that_cannot_grow_is_an_error_and_leaves_nothing(tmp_path: Path, codec: str, limit: int) -> None:
    path = tmp_path / "clip.mp4"
    done = subprocess.run(
        [sys.executable, "-c", _LIMITED, str(path), codec, str(limit)], check=True, capture_output=True, text=True
    )
    assert re.match(r"refused .*clip.mp4: cannot write: the file size limit is reached", done.stdout)
    assert list(tmp_path.iterdir()) == []


def test_frames_are_taken_one_by_one(tmp_path: Path) -> None:
    alive: list[weakref.ref[np.ndarray]] = []
    most = 0

    def watched() -> Iterator[np.ndarray]:
        nonlocal most
        for index in range(60):
            picture = np.full((64, 64, 3), index, np.uint8)
            alive.append(weakref.ref(picture))
            yield picture
            del picture
            most = max(most, sum(ref() is not None for ref in alive))

    write_video(tmp_path / "clip.mp4", watched(), _times(60, "20"))
    # The one at work, the first (its size is compared), and the one just made.
    assert most <= 3


@pytest.mark.parametrize("codec", CODECS)
def test_a_size_that_the_encoder_refuses_is_an_error_of_ours(tmp_path: Path, codec: VideoCodec) -> None:
    path = tmp_path / "clip.mp4"
    if codec == "av1":
        with pytest.raises(SchemaError, match=r"libsvtav1 refuses 2 x 2 pixel at 10 frames per second"):
            write_video(path, _pictures(2, 2, 2), [0.0, 0.1], codec=codec)
        assert list(tmp_path.iterdir()) == []
        return
    write_video(path, _pictures(2, 2, 2), [0.0, 0.1], codec=codec)
    assert [picture.shape for picture in _read(path)[0]] == [(2, 2, 3)] * 2


def test_a_gap_that_no_container_holds_is_named(tmp_path: Path) -> None:
    frames = [np.full((48, 64, 3), level, np.uint8) for level in (10, 90, 200)]
    with pytest.raises(
        SchemaError, match=r"long\.mp4: FFmpeg cannot store these times in \.mp4; the largest gap is 99999"
    ):
        write_video(tmp_path / "long.mp4", frames, [0.0, 1.0, 1e5])
    assert not list(tmp_path.iterdir())
