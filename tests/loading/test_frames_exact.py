"""Frames beside windows are those that a plain loop decodes: every codec, any order, any time base, each group once."""

from __future__ import annotations

import gc
import os
from collections import Counter
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple

import av
import numpy as np
import pytest
from av.video.reformatter import Interpolation
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import lapsdata
from lapsdata import Tracks
from lapsdata.formats.shards_webdataset import ShardsWriter
from lapsdata.loading.windows import WindowDataset, open_windows
from lapsdata.schema.video import SourceVideo
from lapsdata.testing.samples import sample_provenance, sample_tracks
from lapsdata.timebase import FrameRate, nominal_rate, resample, tail_frames
from lapsdata.video import _decoding

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from lapsdata.timebase import Resampled

# SVT-AV1 prints a page about itself for each video.
os.environ.setdefault("SVT_LOG", "1")

SHAPE, HORIZON, COUNT = (48, 64), 4, 40
VFR = np.cumsum([0, *np.random.default_rng(3).integers(1, 9, COUNT - 1)]).tolist()


class Kind(NamedTuple):
    name: str
    codec: str
    options: dict[str, str]
    ticks: list[int] | None = None
    start: int = 0


KINDS = (
    Kind("bframes.mp4", "libx264", {"bf": "3", "g": "12"}),
    Kind("long.mkv", "libx264", {"bf": "2", "g": "250"}),
    Kind("opengop.mkv", "libx264", {"x264-params": "open-gop=1:bframes=3:b-adapt=0:scenecut=0:keyint=12"}),
    Kind("h264.ts", "libx264", {"bf": "3", "g": "12"}),
    Kind("mpeg4.mp4", "mpeg4", {"bf": "2", "g": "12"}),
    Kind("vp9.webm", "libvpx-vp9", {"deadline": "good", "cpu-used": "8", "lag-in-frames": "16", "g": "15"}),
    Kind("av1.mp4", "libsvtav1", {"preset": "10", "g": "10", "svtav1-params": "lp=1"}),
    Kind("vfr.mp4", "libx264", {"bf": "3", "g": "12"}, VFR),
    Kind("vfr.mkv", "libvpx-vp9", {"deadline": "realtime", "cpu-used": "8", "g": "15"}, VFR),
    Kind("late.mkv", "libx264", {"bf": "3", "g": "12"}, None, 77),
    Kind("late_vfr.mp4", "libx264", {"bf": "2", "g": "8"}, VFR, 33),
)


def draw() -> Iterator[NDArray[np.uint8]]:
    """Yield smooth pictures, each unlike every other."""
    ys, xs = np.mgrid[: SHAPE[0], : SHAPE[1]]
    for k in range(COUNT):
        waves = [np.sin((xs + 3 * k) / 9 + c) + np.cos((ys - k) / 7 - c) for c in range(3)]
        yield (128 + 50 * np.stack(waves, -1)).astype(np.uint8)


def encode(path: Path, kind: Kind) -> Path:
    clock = Fraction(1, 25)
    settings = {"movie_timescale": "25"} if path.suffix == ".mp4" else {}
    with av.open(str(path), "w", options=settings) as output:
        stream: Any = output.add_stream(kind.codec, rate=25, options=kind.options)
        stream.height, stream.width = SHAPE
        stream.pix_fmt = "yuv420p"
        stream.codec_context.thread_count = 1
        stream.codec_context.time_base = stream.time_base = clock
        for k, picture in enumerate(draw()):
            frame = av.VideoFrame.from_ndarray(picture, "rgb24").reformat(format="yuv420p")
            frame.time_base, frame.pts = clock, kind.start + (k if kind.ticks is None else kind.ticks[k])
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


class Plain(NamedTuple):
    """All of a video, as a loop over its frames gives it."""

    path: Path
    frame_s: NDArray[np.float64]
    images: NDArray[np.uint8]
    keys: NDArray[np.int64]


def read_plainly(path: Path) -> Plain:
    careful = Interpolation.BILINEAR | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
    times, images, keys = [], [], []
    with av.open(str(path)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            times.append(float(frame.pts * frame.time_base))
            images.append(frame.to_ndarray(format="rgb24", interpolation=careful))
            if frame.key_frame:
                keys.append(number)
    return Plain(path, np.array(times), np.stack(images), np.array(keys))


def tracks_of(name: str, frame_s: NDArray[np.float64], grid: Resampled | None = None) -> Tracks:
    """Return tracks with these times, a window at each frame; or at every third time of a grid."""
    times = frame_s if grid is None else grid.frame_s
    stride = 1 if grid is None else 3
    made = sample_tracks(windows=(len(times) - HORIZON) // stride + 1, horizon=HORIZON, stride=stride)
    changed = {"video": SourceVideo(name=name), "rate": nominal_rate(times).rate}
    changed["uncovered_frames"] = tail_frames(len(times), HORIZON, stride)
    if grid is not None:
        changed |= {"resampled": True, "duplicated_frames": grid.duplicated, "dropped_frames": grid.dropped}
    source = None if grid is None else grid.source_index
    header = made.header.model_copy(update=changed)
    return Tracks(header, made.tracks, made.vis, made.start_index, times, source)


@pytest.fixture(autouse=True, scope="module")
def _quick_collections() -> Iterator[None]:
    """Leave what was there before out of the collections that look for leaks: they take longer than the tests."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Plain]:
    folder = tmp_path_factory.mktemp("clips")
    return {kind.name: read_plainly(encode(folder / kind.name, kind)) for kind in KINDS}


@pytest.fixture(params=[kind.name for kind in KINDS])
def video(plain: dict[str, Plain], request: pytest.FixtureRequest) -> Plain:
    return plain[request.param]


def opened(folder: Path, tracks: Tracks, video: Plain, **options: Any) -> WindowDataset:
    path = folder / "tracks.h5"
    lapsdata.write(path, tracks, overwrite=True)
    return open_windows(path, keys=("tracks", "images"), videos=video.path, **options)


def test_frames_are_those_of_a_plain_loop(video: Plain, tmp_path: Path) -> None:
    assert len(video.images) == COUNT
    tracks = tracks_of("clip", video.frame_s)
    random = np.random.default_rng(0)
    orders = [np.arange(len(tracks)), np.arange(len(tracks))[::-1], random.integers(0, len(tracks), 40)]
    for cache, threads in ((0, 1), (100_000, 2)):
        windows = opened(tmp_path, tracks, video, image_cache_bytes=cache, threads=threads)
        for ids in orders:
            batches = [windows.gather(part)["images"] for part in np.array_split(ids, 5)]
            expected = video.images[ids[:, None] + np.arange(HORIZON)]
            np.testing.assert_array_equal(np.concatenate(batches), expected, strict=True)
        windows.close()


@pytest.mark.parametrize("store", ["h5", "zarr", "shards"])
def test_a_grid_shows_the_frames_that_the_tracker_saw(plain: dict[str, Plain], store: str, tmp_path: Path) -> None:
    for number, name in enumerate(("bframes.mp4", "late_vfr.mp4", "vfr.mkv")):
        for rate in (7, 60):
            video = plain[name]
            grid = resample(video.frame_s, FrameRate(rate))
            path = tmp_path / f"tracks{number}_{rate}.{store}"
            write_tracks(path, tracks_of("clip", video.frame_s, grid))
            windows = open_windows(path, keys=("tracks", "images"), videos=video.path)
            ids = np.random.default_rng(1).permutation(len(windows))
            seen = grid.source_index[3 * ids[:, None] + np.arange(HORIZON)]
            assert (np.diff(seen) == 0).any() == (grid.duplicated > 0)
            np.testing.assert_array_equal(windows.gather(ids)["images"], video.images[seen])
            windows.close()


def write_tracks(path: Path, tracks: Tracks) -> None:
    if path.suffix != ".shards":
        lapsdata.write(path, tracks)
        return
    with ShardsWriter(path) as out:
        out.add(tracks)
        out.finish(sample_provenance())


@pytest.mark.parametrize("threads", [1, 3])
def test_a_batch_decodes_each_group_of_pictures_once(
    tmp_path: Path, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"tune": "zerolatency", "x264-params": "keyint=8:min-keyint=8:scenecut=0"}
    video = read_plainly(encode(tmp_path / "short.mp4", Kind("short.mp4", "libx264", options)))
    assert video.keys.tolist() == [0, 8, 16, 24, 32]
    windows = opened(tmp_path, tracks_of("clip", video.frame_s), video, image_cache_bytes=0, threads=threads)
    fed: list[int] = []
    plain = _decoding._Run._decode

    def counted(run: Any, packet: Any) -> Any:
        if packet is not None:
            fed.append(run._plan.timeline.index_of(packet.pts))
        return plain(run, packet)

    monkeypatch.setattr(_decoding._Run, "_decode", counted)
    random = np.random.default_rng(2)
    for _ in range(10):
        ids = random.integers(0, len(windows), 6)
        fed.clear()
        windows.gather(ids)
        twice = {frame for frame, times in Counter(fed).items() if times > 1}
        assert len(set(fed)) > HORIZON
        # Threads take the open decoders as they come. One that stands at the last frame of a group decodes it to
        # reach the next, which is no dearer than a seek; another thread may have that frame to deliver.
        assert twice <= {7, 15, 23, 31}
        assert len(fed) - len(set(fed)) < threads
    windows.close()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    ids=st.lists(st.integers(0, COUNT - HORIZON), max_size=6),
    steps=st.sampled_from(["all", "first", "middle"]) | st.lists(st.integers(-HORIZON, HORIZON - 1), min_size=1),
    offsets=st.none() | st.lists(st.integers(-50, 50), min_size=1, max_size=3),
    threads=st.integers(1, 3),
    cache=st.sampled_from([0, 30_000, 1 << 28]),
)
def test_any_choice_of_steps_and_windows(
    plain: dict[str, Plain], tmp_path: Path, ids: list[int], steps: Any, offsets: Any, threads: int, cache: int
) -> None:
    video = plain["bframes.mp4"]
    path = tmp_path / "tracks.h5"
    if not path.exists():
        lapsdata.write(path, tracks_of("clip", video.frame_s))
    windows = open_windows(
        path,
        keys=("images",),
        videos=video.path,
        image_steps=steps,
        offsets=offsets,
        threads=threads,
        image_cache_bytes=cache,
    )
    named = {"all": range(HORIZON), "first": [0], "middle": [HORIZON // 2]}
    chosen = named[steps] if isinstance(steps, str) else [step % HORIZON for step in steps]
    start = np.array(ids, np.int64).reshape(-1, *([1] if offsets else []))
    start = np.clip(start + np.array(offsets), 0, COUNT - HORIZON) if offsets else start
    for _ in range(2):
        batch = windows.gather(np.array(ids, np.int64))
        assert list(batch) == ["images", "start_s", *(["pad"] if offsets else [])]
        np.testing.assert_array_equal(batch["images"], video.images[start[..., None] + np.array(chosen)])
        np.testing.assert_array_equal(batch["start_s"], video.frame_s[start])
    windows.close()
