"""A stream gives what the batch stages give of the same file, however its windows come; and it ends well."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lapsdata import formats
from lapsdata.containers import Energies, Segments, Tokens, Tracks
from lapsdata.errors import LengthMismatchError, SchemaError, StorageError
from lapsdata.segmenters import segment
from lapsdata.segmenters.state_machine import StateMachine
from lapsdata.segmenters.uniform import Uniform
from lapsdata.stages._segment_export import ExportOptions
from lapsdata.testing.samples import sample_provenance
from lapsdata.timebase import FrameRate
from lapsdata.transforms.energies import EnergyOptions, token_energies, track_energies
from lapsdata.video.reader import open_video
from lapsdata.video.writer import write_video
from lapsmodels.stages import _stream_source
from lapsmodels.stages.encode import encode_tracks
from lapsmodels.stages.encode_many import EncodeOptions
from lapsmodels.stages.stream import StreamDone, StreamHooks, spans, stream_source
from lapsmodels.stages.stream_options import StreamOptions
from lapsmodels.stages.track import track_video
from lapsmodels.stages.track_options import TrackOptions
from lapsmodels.tokenizer.checkpoint import TokenizerHeader, load_tokenizer, save_tokenizer, weights_digest
from lapsmodels.tokenizer.config import TokenizerConfig
from lapsmodels.tokenizer.model import MotionTokenizer

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


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a small tokenizer with the weights that it begins with."""
    config = TokenizerConfig(points=16, horizon=6, width=16, heads=2, head_width=8, levels=(5, 3), scale=50.0)
    torch.manual_seed(1)
    header = TokenizerHeader(
        provenance=sample_provenance(), config=config, views=("default",), weights=weights_digest(b"")
    )
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer"
    save_tokenizer(path, MotionTokenizer(config), header)
    return path


class Batch(NamedTuple):
    """What the stages of `lapsdata run` make."""

    tracks: Tracks
    tokens: Tokens
    energies: Energies


@pytest.fixture(scope="module")
def batch(video: Path, tokenizer: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[StreamOptions], Batch]:
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
            load_tokenizer(tokenizer),
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
def stream(video: Path, tokenizer: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Streamed]:
    def run(options: StreamOptions, machine: Any, source: Path | str = video, **more: Any) -> Streamed:
        codes: dict[int, list[int]] = {}
        hooks = StreamHooks(codes=lambda number, one: codes.update({number: one.tolist()}))
        out = more.pop("out", None) or tmp_path_factory.mktemp("out")
        return Streamed(stream_source(str(source), tokenizer, out, machine, options, hooks=hooks, **more), codes)

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


def test_a_folder_of_images_is_a_stream_too(video: Path, tmp_path: Path, tokenizer: Path, stream: Any) -> None:
    import cv2

    folder = tmp_path / "images"
    folder.mkdir()
    with open_video(video) as reader:
        for frame in reader.frames(range(20)):
            cv2.imwrite(str(folder / f"{frame.index:04d}.png"), frame.image[..., ::-1])
    options = StreamOptions(track=TRACK, energies=SPEED)
    done = stream(options, StateMachine(threshold=1.0), folder).done
    assert done.told["frames"]["taken"] == 20
    assert done.energies.header.videos == ("images",)
    with pytest.raises(SchemaError, match="expected outputs outside of the images"):
        stream(options, StateMachine(threshold=1.0), folder, out=folder / "out")
    with pytest.raises(SchemaError, match="expected the rate of a folder of images"):
        stream(StreamOptions(track=TRACK.model_copy(update={"rate": None})), StateMachine(threshold=1.0), folder)


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


def test_a_stream_that_is_stopped_ends_well(video: Path, tokenizer: Path, tmp_path: Path) -> None:
    taken = 0

    def count(frames: int) -> None:
        nonlocal taken
        taken += frames

    hooks = StreamHooks(frames=count, stopped=lambda: taken > 15)
    options = StreamOptions(track=TRACK, energies=SPEED)
    done = stream_source(str(video), tokenizer, tmp_path, StateMachine(threshold=1.0), options, hooks=hooks)
    assert done.told["stopped"] is True
    assert done.segments.end_reason == ("end_of_stream",)
    assert formats.read(tmp_path / "segments.parquet", Segments).end_s[0] == done.energies.end_s[-1] < 1.1


def test_a_segmenter_that_needs_the_whole_video_gives_its_segments_in_the_end(stream: Any) -> None:
    done = stream(StreamOptions(track=TRACK, energies=SPEED), Uniform(count=3)).done
    assert len(done.segments) == 3


def test_a_threshold_outside_of_the_energies_is_told(stream: Any) -> None:
    done = stream(StreamOptions(track=TRACK, energies=SPEED), StateMachine(threshold=1e6)).done
    assert [problem.code for problem in done.problems] == ["threshold-outside"]
    assert len(done.segments) == 0


def test_where_all_is_gated_that_is_told(stream: Any) -> None:
    track = TRACK.model_copy(update={"gate_mad": 1.0, "gate_active": 1.0})
    done = stream(StreamOptions(track=track, energies=SPEED), StateMachine(threshold=1.0)).done
    assert [problem.code for problem in done.problems] == ["no-energy"]
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
    with pytest.raises(LengthMismatchError, match="expected at least one window of 6 frames, got 5 frames"):
        stream(StreamOptions(track=TRACK), StateMachine(threshold=1.0), short)


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


def test_times_are_put_into_spans() -> None:
    assert spans([]) == []
    assert [one["frames"] for one in spans([0.0, 0.9, 1.8, 3.0])] == [3, 1]
