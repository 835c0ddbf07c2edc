"""`lapsdata stream` as a user calls it: of a file, of a network stream, and stopped by Ctrl-C."""

from __future__ import annotations

import io
import json
import signal
import socket
import sys
import threading
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import av
import numpy as np
import pytest

import lapsdata
from lapsdata.containers import Energies, Segments
from lapsdata.errors import Problem, StorageError
from lapsdata.schema.threshold import ThresholdRecord
from lapsdata.segmenters import Segment
from lapsdata.storage.sealed_json import write_sealed_json
from lapsdata.testing.samples import sample_provenance
from lapsdata.timebase import FrameRate
from lapsdata.video.reader import open_video
from lapsmodels.commands.stream import _rate, _tell
from lapsmodels.stages import _stream_source
from lapsmodels.stages import stream as stream_stage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from lapsmodels.stages.stream_options import StreamOptions

    Inside = Callable[..., tuple[int, str, str]]


def wait_for_receiver(port: int) -> None:
    """Wait until somebody listens: what is sent before is lost."""
    pause = threading.Event()
    for _ in range(2000):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
            try:
                one.bind(("127.0.0.1", port))
            except OSError:
                return
        pause.wait(0.005)


def threshold(path: Path, value: float = 1.0, **changes: Any) -> Path:
    """Write a threshold of velocities as `lapsdata threshold` does."""
    told: dict[str, Any] = {"source": "velocity", "mode": "velocity_step", "motion": "raw"}
    told |= {"lowest": 0.0, "highest": 9.0, "above": 0.5, "counts": {}}
    record = ThresholdRecord(provenance=sample_provenance(), value=value, method="given", **(told | changes))
    write_sealed_json(path, record)
    return path


@pytest.fixture
def words(untrained: Path, tmp_path: Path) -> tuple[str, ...]:
    file = threshold(tmp_path / "threshold.json")
    return ("--tokenizer", str(untrained), "--threshold", str(file), "--stride", "2", "--out", str(tmp_path / "out"))


def test_segments_latency_and_speed_are_told(
    inside: Inside, clip: Path, words: tuple[str, ...], tmp_path: Path
) -> None:
    overlay = tmp_path / "overlay.mp4"
    code, out, _ = inside("stream", clip, *words, "--save-clips", "--save-codes", "--overlay", overlay)
    assert code == 0, out
    lines = out.splitlines()
    assert lines[0].split() == ["segment", "0.000", "s", "to", "2.300", "s", "end_of_stream", lines[0].split()[-1]]
    told = {line[:16].strip(): line[16:].strip() for line in lines[1:]}
    assert told["windows"] == "10, of them gated 0, lost 0"
    assert told["frames"] == "24 taken, 24 in windows, 0 dropped"
    assert told["latency"].startswith("mean ")
    assert told["latency"].endswith(" ms")
    assert told["real-time factor"].endswith("seconds of video per second")
    names = sorted(one.name for one in (tmp_path / "out").rglob("*") if one.is_file())
    assert names == [
        "clip_0000.codes.json", "clip_0000.mp4", "energies.jsonl", "run.json", "segments.parquet", "stream.json",
    ]  # fmt: skip
    segments = lapsdata.read(tmp_path / "out" / "segments.parquet", Segments)
    assert [one.role for one in segments.header.provenance.parents] == ["energies", "threshold"]
    with open_video(overlay) as drawn:
        assert drawn.facts.frames == 24


def test_json_is_one_document(inside: Inside, clip: Path, words: tuple[str, ...]) -> None:
    code, out, _ = inside("stream", clip, *words, "--fps", 5, "--set", "max_duration_s=0.8", "--json")
    document = json.loads(out)
    assert (code, document["windows"]["windows"], document["frames"]["shown"]) == (0, 4, 12)
    assert {problem["code"] for problem in document["problems"]} == {"metronome", "threshold-outside"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_well(
    inside: Inside, clip: Path, words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    real = _stream_source.file_frames

    def pressed(reader: Any) -> Iterator[Any]:
        for frame in real(reader):
            if frame.number == 12:
                signal.raise_signal(number)
            yield frame

    monkeypatch.setattr(_stream_source, "file_frames", pressed)
    code, out, _ = inside("stream", clip, *words)
    assert code == 128 + number
    assert "end_of_stream" in out
    segments = lapsdata.read(tmp_path / "out" / "segments.parquet", Segments)
    # Frames 0 to 11 hold the windows that begin at 0 to 6.
    assert segments.end_reason == ("end_of_stream",)
    assert segments.end_s.tolist() == pytest.approx([1.1])
    assert json.loads((tmp_path / "out" / "stream.json").read_text())["stopped"] is True


@pytest.mark.parametrize("json_too", [(), ("--json",)])
def test_what_is_stopped_before_its_first_window_says_so(
    inside: Inside, clip: Path, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, json_too: tuple[str, ...]
) -> None:
    real = _stream_source.file_frames

    def pressed(reader: Any) -> Iterator[Any]:
        for frame in real(reader):
            if frame.number == 3:
                signal.raise_signal(signal.SIGINT)
            yield frame

    monkeypatch.setattr(_stream_source, "file_frames", pressed)
    code, out, err = inside("stream", clip, *words, *json_too)
    assert code == 130
    told = json.loads(out)["problems"][0]["message"] if json_too else " ".join(err.split())
    assert "expected at least one window of 6 frames, got 3 frames: it was stopped" in told


def test_a_network_stream_is_segmented_by_its_own_clock(inside: Inside, words: tuple[str, ...], tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    picture = np.random.default_rng(3).integers(0, 256, (8, 24), dtype=np.uint8).repeat(8, axis=0).repeat(8, axis=1)
    pause = threading.Event()

    def send() -> None:
        wait_for_receiver(port)
        with av.open(f"udp://127.0.0.1:{port}?pkt_size=1316", "w", format="mpegts") as container:
            stream = container.add_stream("mpeg2video", rate=25)
            stream.width, stream.height, stream.pix_fmt, stream.gop_size = 96, 64, "yuv420p", 5
            stream.codec_context.time_base = Fraction(1, 25)
            for k in range(50):
                image = np.ascontiguousarray(np.repeat(picture[:, k : 96 + k, None], 3, axis=2))
                frame = av.VideoFrame.from_ndarray(image, format="rgb24")
                frame.pts, frame.time_base = k, Fraction(1, 25)
                container.mux(stream.encode(frame))
                pause.wait(0.004)
            container.mux(stream.encode(None))

    thread = threading.Thread(target=send)
    thread.start()
    source = f"udp://127.0.0.1:{port}?fifo_size=100000"
    code, out, _ = inside("stream", source, *words, "--fps", 12.5, "--idle", 1, "--save-clips", "--json")
    thread.join()
    document = json.loads(out)
    assert (code, document["live"], document["dropped_frames"]) == (0, True, 0), out
    shown = document["frames"]["shown"]
    assert 20 < shown <= 26
    assert document["last_s"] - document["first_s"] == pytest.approx((shown - 1) / 12.5)
    segments = lapsdata.read(tmp_path / "out" / "segments.parquet", Segments)
    assert len(segments) == 1
    with open_video(tmp_path / "out" / "clips" / "live_0000.mp4") as made:
        assert made.facts.frames == pytest.approx((segments.end_s[0] - segments.start_s[0]) * 25, abs=1)
    assert not [one for one in (tmp_path / "out").iterdir() if one.name.startswith(".")]


@pytest.mark.parametrize(
    ("source", "more", "message"),
    [
        ("93", ("--fps", "10"), "camera 93: expected a camera, got none: there is no /dev/video93"),
        ("udp://127.0.0.1:9", (), "expected the rate of the windows, got none"),
        ("udp://127.0.0.1:9", ("--fps", "10", "--active-area", "auto"), "expected no search for borders"),
        ("nowhere.mp4", (), "no such file or folder"),
        (
            "CLIP",
            ("--energy", "token_diff_step"),
            "expected a threshold of quantized, token_diff_step, no smoothing",
        ),
        ("CLIP", ("--energy", "loudness"), "error: --energy: expected 'velocity_step'"),
        ("CLIP", ("--set", "patience=3"), "error: --set patience: expected a known key"),
        ("CLIP", ("--set", "off_ratio=3"), "error: --set off_ratio: expected less than or equal to 1, got 3"),
        ("CLIP", ("--threshold", "0"), "error: --set off_ratio: expected off_ratio = 1 for a threshold of 0, got 0.95"),
        ("CLIP", ("--threshold", "nan"), "error: --threshold: expected a finite number"),
        ("CLIP", ("--threshold", "nowhere.json"), "nowhere.json: cannot open"),
        ("CLIP", ("--tokenizer", "nowhere"), "nowhere"),
    ],
)
def test_what_cannot_be_is_said(
    inside: Inside, clip: Path, words: tuple[str, ...], source: str, more: tuple[str, ...], message: str
) -> None:
    code, _, err = inside("stream", clip if source == "CLIP" else source, *words, *more)
    assert code == 1
    assert message in " ".join(err.split())


def test_options_without_effect_are_refused(inside: Inside, clip: Path, words: tuple[str, ...]) -> None:
    code, _, err = inside("stream", clip, *words, "--allow-overlap")
    assert code == 2
    assert "only with --save-codes" in " ".join(err.split())


@pytest.mark.parametrize(
    ("option", "switch"),
    [
        (("--gate-active", "0.1"), "--gate-mad"),
        (("--gate-pixel-diff", "0.1"), "--gate-mad"),
        (("--gate-share", "0.1"), "--gate-speed"),
    ],
)
def test_a_gate_that_is_off_has_no_parameters(
    inside: Inside, clip: Path, words: tuple[str, ...], option: tuple[str, ...], switch: str
) -> None:
    """Regression: what was given for a gate that was never switched on was ignored."""
    verb = ("encode", ".", *words[:2], "--out", "o") if switch == "--gate-speed" else ("track", clip, "--out", "o")
    for call in (verb, ("stream", clip, *words)):
        code, _, err = inside(*call, *option)
        assert code == 2, err
        assert f"only with {switch}" in " ".join(err.split())
        assert option[0] in err


def test_the_gates_of_a_stream_are_those_of_the_batch(
    inside: Inside, clip: Path, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Regression: a run with its own gates could not be repeated by a stream."""
    seen: list[StreamOptions] = []

    def refused(*given: Any, **_: Any) -> None:
        seen.append(given[4])
        raise StorageError(Problem("seen", "here", "expected no more, got it"))

    monkeypatch.setattr(stream_stage, "stream_source", refused)
    pixels = ("--gate-mad", 0.01, "--gate-active", 0.2, "--gate-pixel-diff", 0.1)
    assert inside("stream", clip, *words, *pixels, "--gate-speed", 0.3, "--gate-share", 0.4)[0] == 1
    assert inside("stream", clip, *words, "--gate-mad", 0.01, "--gate-speed", 0.3)[0] == 1
    told, plain = seen
    assert (told.track.gate_mad, told.track.gate_active, told.track.gate_pixel_diff) == (0.01, 0.2, 0.1)
    assert (told.encode.gate_speed, told.encode.gate_share) == (0.3, 0.4)
    assert (plain.track.gate_active, plain.track.gate_pixel_diff) == (0.05, 0.02)
    assert plain.encode.gate_share == 0.025


def test_segments_are_there_as_they_close(monkeypatch: pytest.MonkeyPatch) -> None:
    """Regression: behind a pipe, segments of a live source came when it had ended."""
    received = io.BytesIO()
    pipe = io.TextIOWrapper(io.BufferedWriter(received), encoding="utf-8")  # type: ignore[type-var]
    monkeypatch.setattr(sys, "stdout", pipe)
    _tell(Segment(1.0, 2.5, "threshold", 3.0))
    assert received.getvalue().decode().split() == ["segment", "1.000", "s", "to", "2.500", "s", "threshold", "3"]


def test_images_want_a_rate_and_have_the_one_that_is_given(
    inside: Inside, words: tuple[str, ...], clip: Path, tmp_path: Path
) -> None:
    import cv2

    (tmp_path / "images").mkdir()
    with open_video(clip) as reader:
        for frame in reader.frames():
            cv2.imwrite(str(tmp_path / "images" / f"{frame.index:04d}.png"), frame.image[..., ::-1])
    code, _, err = inside("stream", "images", *words)
    assert code == 1
    assert "expected the rate of a folder of images" in " ".join(err.split())
    assert "give --fps, the rate of the images" in " ".join(err.split())
    assert inside("stream", "images", *words, "--fps", 4)[0] == 0
    # 24 images at 4 per second; the last step ends where the last frame begins.
    energies = lapsdata.read(tmp_path / "out" / "energies.jsonl", Energies)
    assert energies.end_s[-1] == pytest.approx(23 / 4)


def test_what_was_exported_earlier_goes_and_is_counted(
    inside: Inside, clip: Path, words: tuple[str, ...], tmp_path: Path
) -> None:
    assert inside("stream", clip, *words, "--save-codes", "--set", "max_duration_s=0.5")[0] == 0
    count = len(list((tmp_path / "out" / "clips").iterdir()))
    assert count > 1
    code, _, err = inside("stream", clip, *words, "--save-codes")
    assert (code, "use --force" in " ".join(err.split()), "overwrite" in err) == (1, True, False)
    code, out, _ = inside("stream", clip, *words, "--save-codes", "--force")
    assert code == 0
    assert [one.name for one in (tmp_path / "out" / "clips").iterdir()] == ["clip_0000.codes.json"]
    assert f"{count - 1} files of an earlier stream" in out


def test_the_rate_is_that_of_the_tokenizer(untrained: Path) -> None:
    from types import SimpleNamespace

    def told(given: str | None, own: FrameRate | None) -> tuple[FrameRate | None, list[Problem]]:
        return _rate(given, SimpleNamespace(trained=SimpleNamespace(rate=own)))  # type: ignore[arg-type]

    assert told(None, FrameRate(10)) == (FrameRate(10), [])
    assert told("30000/1001", FrameRate(30)) == (FrameRate(30000, 1001), [])
    assert told("15", None) == (FrameRate(15), [])
    rate, problems = told("15", FrameRate(10))
    assert (rate, [problem.code for problem in problems]) == (FrameRate(15), ["other-rate"])
    assert "expected windows at 10 frames per second" in problems[0].message
