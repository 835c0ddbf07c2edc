"""A stream gives what the batch stages give of the same file, however its windows come; and it ends well."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lapsdata import formats
from lapsdata.containers import Energies, Segments, Tokens, Tracks
from lapsdata.errors import LengthMismatchError, SchemaError, StorageError
from lapsdata.plugins import registry
from lapsdata.segmenters import segment
from lapsdata.segmenters.state_machine import StateMachine
from lapsdata.segmenters.uniform import Uniform
from lapsdata.stages._segment_export import ExportOptions
from lapsdata.storage.folder_lock import locked_folder
from lapsdata.timebase import FrameRate
from lapsdata.transforms.energies import EnergyOptions, token_energies, track_energies
from lapsdata.video.live_source import LiveFrame
from lapsdata.video.reader import open_video
from lapsdata.video.writer import write_video
from lapsmodels.stages import _stream_source
from lapsmodels.stages import stream as stream_module
from lapsmodels.stages._stream_problems import dropped_problems
from lapsmodels.stages.encode import encode_tracks
from lapsmodels.stages.encode_many import EncodeOptions
from lapsmodels.stages.stream import StreamDone, StreamHooks, spans, stream_source
from lapsmodels.stages.stream_options import StreamOptions
from lapsmodels.stages.timeline import RepeatedFramesWarning
from lapsmodels.stages.track import track_video
from lapsmodels.stages.track_options import TrackOptions
from lapsmodels.tokenizer.checkpoint import load_tokenizer
from lapsmodels.trackers.lucas_kanade import LucasKanade

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from lapsmodels.stages._stream_frames import Taken

TRACK = TrackOptions(points=16, horizon=6, stride=2, rate=FrameRate(10))
TOKENS, SPEED = EnergyOptions(mode="token_diff_step"), EnergyOptions(mode="velocity_step")


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return 60 frames at 15 per second: a picture that moves, stands still for 24 frames, and moves again."""
    path = tmp_path_factory.mktemp("stream") / "clip.mp4"
    picture = np.random.default_rng(3).integers(0, 256, (12, 36), dtype=np.uint8).repeat(8, axis=0).repeat(8, axis=1)
    moves = np.cumsum([1] * 18 + [0] * 24 + [2] * 18)
    frames = [np.repeat(picture[:, 120 - at : 248 - at, None], 3, axis=2).copy() for at in moves]
    write_video(path, frames, np.arange(60) / 15)
    return path


class Batch(NamedTuple):
    """What the stages of `lapsdata run` make."""

    tracks: Tracks
    tokens: Tokens
    energies: Energies


@pytest.fixture(scope="module")
def batch(video: Path, untrained: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[StreamOptions], Batch]:
    """Return what the stages make with the options of a stream; each once."""
    folder, made = tmp_path_factory.mktemp("batch"), dict[bytes, Tracks]()

    def make(options: StreamOptions) -> Batch:
        key = options.track.to_bytes()
        if key not in made:
            target = folder / f"{len(made)}.h5"
            track_video(video, target, options.track)
            made[key] = formats.read(target, Tracks)
        encode = options.encode
        tokens = encode_tracks(
            made[key],
            load_tokenizer(untrained),
            latents="both",
            motion=encode.motion,
            gate_speed=encode.gate_speed,
            gate_share=encode.gate_share,
        )
        energies = options.energies
        measured = track_energies([made[key]], energies) if energies.of_tracks else token_energies([tokens], energies)
        return Batch(made[key], tokens, measured)

    return make


class Streamed(NamedTuple):
    """What a stream gives, with the codes of each window by its id."""

    done: StreamDone
    codes: dict[int, list[int]]


@pytest.fixture(scope="module")
def stream(video: Path, untrained: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Streamed]:
    def run(options: StreamOptions, machine: Any, source: Path | str = video, **more: Any) -> Streamed:
        codes: dict[int, list[int]] = {}
        hooks = StreamHooks(codes=lambda number, one: codes.update({number: one.tolist()}))
        out = more.pop("out", None) or tmp_path_factory.mktemp("out")
        return Streamed(stream_source(str(source), untrained, out, machine, options, hooks=hooks, **more), codes)

    return run


def machine_for(energies: Energies) -> StateMachine:
    """Return a machine whose threshold parts the energies."""
    return StateMachine(threshold=float(np.median(energies.energy[energies.state == 0])), up_s=0.0, down_s=0.0)


def assert_same(one: Streamed, batch: Batch, machine: StateMachine) -> None:
    wanted = {
        int(start) // batch.tracks.header.stride: codes.tolist()
        for start, codes in zip(batch.tokens.start_index, batch.tokens.codes, strict=True)
    }
    assert one.codes == wanted
    for name in ("step_or_window", "number", "start_s", "end_s", "energy", "state"):
        if hasattr(batch.energies, name):
            np.testing.assert_array_equal(getattr(one.done.energies, name), getattr(batch.energies, name), name)
    told, header = one.done.energies.header, batch.energies.header
    assert (told.support_s, told.hop_s, told.mode, told.tokenizer) == (
        *(header.support_s, header.hop_s, header.mode),
        header.tokenizer,
    )
    segments = segment(batch.energies, machine)
    for name in ("start_s", "end_s", "score"):
        np.testing.assert_array_equal(getattr(one.done.segments, name), getattr(segments, name), name)
    assert one.done.segments.end_reason == segments.end_reason
    assert one.done.segments.header.policies == segments.header.policies


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"energies": SPEED},
        {"track": TRACK.model_copy(update={"rate": None})},
        {"track": TRACK.model_copy(update={"rate": FrameRate(20), "stride": 8})},
        {"track": TRACK.model_copy(update={"gate_mad": 0.005})},
        {"track": TRACK.model_copy(update={"gate_mad": 0.005}), "energies": SPEED},
        {"track": TRACK.model_copy(update={"gate_mad": 0.005, "stride": 8})},
        {"track": TRACK.model_copy(update={"query": "random", "resize_shorter": 48})},
        {"encode": EncodeOptions(gate_speed=0.02, batch=3)},
        {"encode": EncodeOptions(motion="residual", batch=2)},
        {"energies": EnergyOptions(mode="token_size_step", gate=0.5)},
    ],
    ids=[
        "tokens",
        "speed",
        "own-rate",
        "apart",
        "gated",
        "gated-speed",
        "gated-apart",
        "random",
        "motion",
        "ego",
        "size",
    ],
)
def test_a_stream_is_the_batch(changes: dict[str, Any], batch: Any, stream: Any) -> None:
    """Regression: LAPS sampled by the wall clock, dropped windows, and numbered what was left by a counter."""
    options = StreamOptions(**{"track": TRACK, "energies": TOKENS} | changes)
    whole = batch(options)
    machine = machine_for(whole.energies)
    # The video has 15 frames per second.
    above = options.track.rate is not None and options.track.rate.hz > 15
    with pytest.warns(RepeatedFramesWarning, match="--fps 20 is above the 15") if above else contextlib.nullcontext():
        streamed = stream(options, machine)
    assert_same(streamed, whole, machine)
    assert len(streamed.done.segments) > 0
    gated = len(whole.tracks.header.gated_starts)
    assert streamed.done.told["windows"]["pixel_gate"] == gated
    assert (gated > 0) == (options.track.gate_mad is not None)


@given(st.integers(1, 40), st.sampled_from([None, 0.005]), st.sampled_from([TOKENS, SPEED]))
@settings(max_examples=8)
def test_it_does_not_matter_how_many_windows_come_at_once(
    batch: Any, stream: Any, size: int, gate: float | None, energies: EnergyOptions
) -> None:
    track = TRACK.model_copy(update={"gate_mad": gate})
    options = StreamOptions(track=track, encode=EncodeOptions(batch=size), energies=energies)
    whole = batch(options)
    machine = machine_for(whole.energies)
    assert_same(stream(options, machine), whole, machine)


@pytest.fixture
def clip_images(video: Path, tmp_path: Path) -> Path:
    """Return the first 20 frames of the video as images."""
    import cv2

    folder = tmp_path / "images"
    folder.mkdir()
    with open_video(video) as reader:
        for frame in reader.frames(range(20)):
            cv2.imwrite(str(folder / f"{frame.index:04d}.png"), frame.image[..., ::-1])
    return folder


def test_a_folder_of_images_is_a_stream_too(clip_images: Path, stream: Any) -> None:
    folder = clip_images
    options = StreamOptions(track=TRACK, images_rate=FrameRate(10), energies=SPEED)
    done = stream(options, StateMachine(threshold=1.0), folder).done
    assert done.told["frames"]["taken"] == 20
    assert done.energies.header.videos == ("images",)
    with pytest.raises(SchemaError, match="expected outputs outside of the images"):
        stream(options, StateMachine(threshold=1.0), folder, out=folder / "out")
    # Windows may have another rate than the images: 20 of them at 15 per second are 13 or 14 of 10.
    faster = options.model_copy(update={"images_rate": FrameRate(15)})
    shown = stream(faster, StateMachine(threshold=1.0), folder).done.energies
    assert shown.end_s[-1] == pytest.approx(1.3)


def test_the_rate_of_the_windows_is_not_that_of_images(clip_images: Path, stream: Any) -> None:
    """Regression: images were taken to come at the tokenizer's rate, and segments lay at other seconds."""
    message = "expected the rate of a folder of images, .* got none; give --fps, the rate of the images"
    with pytest.raises(SchemaError, match=message):
        stream(StreamOptions(track=TRACK, energies=SPEED), StateMachine(threshold=1.0), clip_images)


def test_what_is_written_can_be_read(stream: Any, tmp_path: Path) -> None:
    options = StreamOptions(track=TRACK, energies=SPEED)
    done = stream(options, StateMachine(threshold=1.0, max_duration_s=1.0), out=tmp_path).done
    segments = formats.read(tmp_path / "segments.parquet", Segments)
    np.testing.assert_array_equal(segments.start_s, done.segments.start_s)
    assert [one.role for one in segments.header.provenance.parents] == ["energies"]
    energies = formats.read(tmp_path / "energies.jsonl", Energies)
    assert [one.role for one in energies.header.provenance.parents] == ["video", "tokenizer"]
    told = json.loads((tmp_path / "stream.json").read_text())
    assert told == done.told
    assert told["latency_s"]["p95"] >= told["latency_s"]["mean"] / 2 > 0
    assert told["real_time_factor"] > 0
    assert told["frames"] == {"taken": 60, "shown": 40, "duplicated": 0, "not_shown": 20, "lost": 0}
    assert json.loads((tmp_path / "run.json").read_text())["outcome"] == "finished"
    with pytest.raises(StorageError, match="expected nothing there, got the output of an earlier stream"):
        stream(options, StateMachine(threshold=1.0), out=tmp_path)


def test_clips_and_codes_come_as_segments_close(stream: Any, batch: Any, tmp_path: Path) -> None:
    export = ExportOptions(clips=True, codes=True, allow_overlap=True, prequant=True)
    options = StreamOptions(track=TRACK, energies=SPEED, export=export)
    overlay = tmp_path / "overlay.mp4"
    done = stream(options, StateMachine(threshold=1.0, max_duration_s=1.0), out=tmp_path / "o", overlay=overlay).done
    tokens = batch(options).tokens
    for number, (start_s, end_s) in enumerate(zip(done.segments.start_s, done.segments.end_s, strict=True)):
        stem = tmp_path / "o" / "clips" / f"clip_{number:04d}"
        times = np.arange(60) / 15
        with open_video(stem.with_name(f"{stem.name}.mp4")) as clip:
            assert clip.facts.frames == int(((times >= start_s - 1e-9) & (times < end_s - 1e-9)).sum())
        told = json.loads(stem.with_name(f"{stem.name}.codes.json").read_text())
        inside = np.array([((step_s >= start_s) & (step_s < end_s)).mean() for step_s in batch(options).tracks.step_s])
        chosen = np.flatnonzero(inside >= 0.25)
        assert told["selected_win_idxs"] == chosen.tolist()
        assert told["codes_windows"] == tokens.codes[chosen].tolist()
        assert tokens.prequant is not None
        latents = np.load(stem.with_name(f"{stem.name}.prequant.npy"))
        np.testing.assert_allclose(latents, tokens.prequant[chosen], atol=1e-5)
    assert len(done.segments) > 1
    with open_video(overlay) as drawn:
        assert drawn.facts.frames == 40


def test_a_stream_that_is_stopped_ends_well(video: Path, untrained: Path, tmp_path: Path) -> None:
    taken = 0

    def count(frames: int) -> None:
        nonlocal taken
        taken += frames

    hooks = StreamHooks(frames=count, stopped=lambda: taken > 15)
    options = StreamOptions(track=TRACK, energies=SPEED)
    done = stream_source(str(video), untrained, tmp_path, StateMachine(threshold=1.0), options, hooks=hooks)
    assert done.told["stopped"] is True
    assert done.segments.end_reason == ("end_of_stream",)
    assert formats.read(tmp_path / "segments.parquet", Segments).end_s[0] == done.energies.end_s[-1] < 1.1


def test_a_segmenter_that_needs_the_whole_video_gives_its_segments_in_the_end(stream: Any) -> None:
    done = stream(StreamOptions(track=TRACK, energies=SPEED), Uniform(count=3)).done
    assert len(done.segments) == 3


def test_a_threshold_outside_of_the_energies_is_told(stream: Any) -> None:
    done = stream(StreamOptions(track=TRACK, energies=SPEED), StateMachine(threshold=1e6)).done
    assert [problem.code for problem in done.problems] == ["threshold-outside", "no-segments"]
    assert len(done.segments) == 0


def test_where_all_is_gated_that_is_told(stream: Any) -> None:
    track = TRACK.model_copy(update={"gate_mad": 1.0, "gate_active": 1.0})
    done = stream(StreamOptions(track=track, energies=SPEED), StateMachine(threshold=1.0)).done
    assert [problem.code for problem in done.problems] == ["no-energy", "no-segments"]
    assert (done.energies.state == 1).all()
    assert done.told["windows"]["pixel_gate"] == done.told["windows"]["windows"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"track": TRACK.model_copy(update={"points": 9})}, "windows of 6 frames and 9 points, got 6 and 16"),
        ({"track": TRACK.model_copy(update={"horizon": 8})}, "windows of 8 frames and 16 points, got 6 and 16"),
        ({"energies": EnergyOptions(mode="velocity_mean")}, "expected an energy of steps .* got velocity_mean"),
    ],
)
def test_what_does_not_fit_the_tokenizer_is_refused(changes: dict[str, Any], message: str, stream: Any) -> None:
    with pytest.raises(SchemaError, match=message):
        stream(StreamOptions(**{"track": TRACK} | changes), StateMachine(threshold=1.0))


def test_a_gpu_that_is_not_there_is_told(stream: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    options = StreamOptions(track=TRACK, energies=TOKENS, encode=EncodeOptions(device="cuda", batch=1))
    with pytest.raises(SchemaError, match="expected a GPU that torch can use, got none"):
        stream(options, StateMachine(threshold=0.1))


def test_a_video_that_is_shorter_than_a_window_is_refused(stream: Any, tmp_path: Path) -> None:
    short = tmp_path / "short.mp4"
    write_video(short, [np.zeros((64, 64, 3), np.uint8)] * 5, np.arange(5) / 10)
    message = "expected at least one window of 6 frames, got 5 frames; windows are as long as the tokenizer's"
    with pytest.raises(LengthMismatchError, match=message) as raised:
        stream(StreamOptions(track=TRACK), StateMachine(threshold=1.0), short)
    assert "--horizon" not in str(raised.value)


def test_several_videos_are_refused(stream: Any, video: Path, tmp_path: Path) -> None:
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / name).write_bytes(video.read_bytes())
    with pytest.raises(SchemaError, match="expected one video, got 2"):
        stream(StreamOptions(track=TRACK), StateMachine(threshold=1.0), tmp_path)


@pytest.mark.parametrize("gate", [None, 0.0])
def test_windows_with_lost_frames_are_missing_and_the_others_are_as_they_were(
    gate: float | None, batch: Any, stream: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Regression: windows that were lost shifted the energies of all that came after them."""
    options = StreamOptions(track=TRACK.model_copy(update={"gate_mad": gate}), energies=TOKENS)
    whole = batch(options)
    # A file drops nothing, so that a live source is played by its frames.
    real = _stream_source.file_frames

    def holed(reader: Any) -> Iterator[Taken]:
        frames = [frame for frame in real(reader) if not 26 <= frame.number < 34]
        for before, frame in zip([frames[0], *frames], frames, strict=False):
            yield frame._replace(dropped_before=max(0, frame.number - before.number - 1))

    monkeypatch.setattr(_stream_source, "file_frames", holed)
    real_file = _stream_source._file

    def live(*given: Any) -> Any:
        opened = real_file(*given)
        opened.lossy = True
        return opened

    monkeypatch.setattr(_stream_source, "_file", live)
    streamed = stream(options, machine_for(whole.energies))
    # Frames 26 to 33 at 15 per second are 1.73 to 2.2 s: times 18 to 22 of 10 per second have none within 0.05 s.
    lost = [number for number in range(18) if {18, 19, 20, 21, 22} & set(range(2 * number, 2 * number + 6))]
    assert sorted(streamed.codes) == [number for number in range(18) if number not in lost]
    codes = whole.tokens.codes
    assert all(streamed.codes[number] == codes[number].tolist() for number in streamed.codes)
    assert streamed.done.told["windows"]["lost"] == len(lost)
    energies = streamed.done.energies
    assert (energies.state == 2).any()
    np.testing.assert_array_equal(energies.start_s, whole.energies.start_s)


class Clock:
    """A clock that is set by hand, and runs by a second with each look at it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


class Played:
    """A live source that plays a video: each frame has waited for 50 s, and 900 s of silence end it."""

    dropped_s: tuple[float, ...] = ()
    unordered = 0

    def __init__(self, video: Path, clock: Clock) -> None:
        self._video, self._clock, self.where = video, clock, "played"
        with open_video(video) as reader:
            self.size = reader.facts.size

    def frames(self) -> Iterator[LiveFrame | None]:
        with open_video(self._video, pixels="gray") as reader:
            for frame in reader.frames():
                yield LiveFrame(frame.index, frame.time_s, (frame.image,), 0, self._clock() - 50)
        self._clock.now += 900
        yield None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


def test_the_wait_in_the_queue_is_latency_and_the_silence_at_the_end_is_no_work(
    video: Path, stream: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Regression: a camera that was 50 s late was told as 20 ms late, and one that was left idle as slow."""
    clock = Clock()
    monkeypatch.setattr(stream_module, "monotonic", clock)
    monkeypatch.setattr(_stream_source, "LiveSource", lambda *_, **__: Played(video, clock))
    track = TRACK.model_copy(update={"active_area": "full"})
    done = stream(StreamOptions(track=track, energies=SPEED), StateMachine(threshold=1.0), "udp://h:1").done
    told = done.told
    # Beside the wait, a latency is some looks at the clock: 60 frames, and three for each of 18 windows.
    assert 50 <= told["latency_s"]["mean"] <= told["latency_s"]["largest"] < 50 + 60 + 3 * 18
    assert told["windows"]["windows"] == 18
    # Windows end 0.5 s after they begin, every 0.2 s: the last one at 3.9 s; each look is a second of work.
    assert 3.9 / (60 + 3 * 18 + 2) <= told["real_time_factor"] <= 3.9 / 60


def test_problems_of_the_batch_are_those_of_a_stream(video: Path, stream: Any) -> None:
    """Regression: what `track`, `energies` and `segment` warn of was not told by a stream."""
    from lapsdata.stages.energies import energy_problems
    from lapsdata.stages.segment import segment_problems

    apart = StreamOptions(track=TRACK.model_copy(update={"stride": 20}), energies=SPEED)
    done = stream(apart, StateMachine(threshold=1e6)).done
    codes = [problem.code for problem in done.problems]
    assert codes == ["threshold-outside", "missing-energies", "no-segments"]
    batch = (*energy_problems(done.energies), *segment_problems(done.segments))
    assert [one.message for one in done.problems[1:]] == [one.message for one in batch]
    # Advice is of options that there are.
    assert all("track." not in str(one.fix) and "--horizon" not in str(one.fix) for one in done.problems)
    twice = TRACK.model_copy(update={"rate": FrameRate(30)})
    with pytest.warns(RepeatedFramesWarning, match="clip: --fps 30 is above the 15 .* so 60 of 120 frames show one"):
        done = stream(StreamOptions(track=twice, energies=SPEED), StateMachine(threshold=1.0)).done
    assert "repeated-frames" in [problem.code for problem in done.problems]


def test_the_notice_of_a_tracker_is_told_once_and_before_anything_is_loaded(
    video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Noticed(LucasKanade):
        notice = "weighed: not for sale"

    monkeypatch.setitem(registry("trackers")._objects, "lucas_kanade", Noticed())
    options = StreamOptions(track=TRACK.model_copy(update={"tracker": "lucas_kanade"}), energies=SPEED)
    with pytest.raises(StorageError, match="nowhere"):
        stream_source(str(video), tmp_path / "nowhere", tmp_path / "out", StateMachine(threshold=1.0), options)
    assert capsys.readouterr().err.count("track: weighed: not for sale") == 1


def test_a_second_stream_into_one_folder_is_refused_at_once(
    video: Path, untrained: Path, stream: Any, tmp_path: Path
) -> None:
    """Regression: it was refused when all of its work was done."""
    options, machine = StreamOptions(track=TRACK, energies=SPEED), StateMachine(threshold=1.0)
    with locked_folder(tmp_path), pytest.raises(StorageError, match="got one that a run is writing to now"):
        stream(options, machine, out=tmp_path, force=True)
    assert list(tmp_path.iterdir()) == []
    held = []

    def second(codes: int, _: Any) -> None:
        with pytest.raises(StorageError, match="got one that a run is writing to now"):
            stream(options, machine, out=tmp_path)
        held.append(codes)

    hooks = StreamHooks(codes=second)
    stream_source(str(video), untrained, tmp_path, machine, options, hooks=hooks)
    assert len(held) == 18
    with locked_folder(tmp_path):
        pass


def test_exports_of_an_earlier_stream_go_with_it(stream: Any, tmp_path: Path) -> None:
    """Regression: clips of one threshold lay beside those of the next, under the numbers of no segment."""
    export = ExportOptions(clips=True, codes=True, prequant=True)
    many = StateMachine(threshold=1.0, max_duration_s=0.5)
    options = StreamOptions(track=TRACK, energies=SPEED, export=export)
    first = stream(options, many, out=tmp_path).done
    clips = tmp_path / "clips"
    before = {one.name for one in clips.iterdir()}
    others = {"notes.txt", "other_0000.mp4", "clip_000.mp4"}
    for name in others:
        (clips / name).write_text("of somebody else")
    few = StreamOptions(track=TRACK, energies=SPEED, export=ExportOptions(codes=True))
    done = stream(few, StateMachine(threshold=1.0), out=tmp_path, force=True).done
    assert 0 < len(done.segments) < len(first.segments)
    made = {f"clip_{number:04d}.codes.json" for number in range(len(done.segments))}
    assert {one.name for one in clips.iterdir()} == made | others
    assert done.told["removed_exports"] == len(before - made)
    assert first.told["removed_exports"] == 0


def test_segments_without_a_window_are_told(stream: Any, tmp_path: Path) -> None:
    export = ExportOptions(codes=True, min_overlap=1.0)
    options = StreamOptions(track=TRACK, energies=SPEED, export=export)
    # Windows have six frames of ten per second, and no segment is as long.
    done = stream(options, StateMachine(threshold=1.0, max_duration_s=0.4), out=tmp_path).done
    count = len(done.segments)
    empty = [json.loads(one.read_text())["codes_windows"] for one in (tmp_path / "clips").glob("*.codes.json")]
    assert empty == [[]] * count
    assert done.told["policies"]["without_windows"] == count > 0
    told = next(problem for problem in done.problems if problem.code == "no-windows")
    assert f"{count} of {count} segments have no codes" in told.message
    assert told.fix == "give a lower --min-overlap"


@pytest.mark.parametrize(("after", "message"), [(0, "stopped before the first"), (3, "got 2 frames: it was stopped")])
def test_what_is_stopped_before_its_first_window_is_no_fault_of_the_source(
    after: int, message: str, video: Path, untrained: Path, tmp_path: Path
) -> None:
    taken = 0

    def count(frames: int) -> None:
        nonlocal taken
        taken += frames

    hooks = StreamHooks(frames=count, stopped=lambda: taken > after)
    options = StreamOptions(track=TRACK, energies=SPEED)
    with pytest.raises(LengthMismatchError, match=message) as raised:
        stream_source(str(video), untrained, tmp_path, StateMachine(threshold=1.0), options, hooks=hooks)
    assert raised.value.problems[0].code == "stopped"


def test_what_was_dropped_is_told_with_options_that_a_stream_has() -> None:
    (told,) = dropped_problems([1.5, 1.6], 3, "camera 0")
    assert "2 frames came faster than they could be worked on and were dropped, the first at 1.500 s" in told.message
    assert told.fix == "give a larger --stride or a smaller --resize-shorter"
    assert dropped_problems([], 0, "camera 0") == ()


def test_times_are_put_into_spans() -> None:
    assert spans([]) == []
    assert [one["frames"] for one in spans([0.0, 0.9, 1.8, 3.0])] == [3, 1]
