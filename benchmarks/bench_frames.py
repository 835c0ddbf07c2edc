"""What images beside tracks cost: tracks alone, with frames by our reader, and with a video opened for each sample.

    python benchmarks/bench_frames.py [RUNS]

Batches of 8 windows of 16 frames in global random order, from one rendered 320 x 240 video of half a minute; one
thread of ours unless a row says two, page cache warm. "nothing kept": decoders stay open, and each group of pictures
is decoded once in a batch. "kept": delivered frames stay in memory, which holds all of this short video. "a video for
each sample": OpenCV opens the file, goes to the first frame and reads 16, as data sets of the field do it, with the
threads that it takes by itself. All give the same frames; OpenCV's colours differ by its quick conversion. Wall
seconds; the rows take turns, figures are medians over the turns.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from machine import hardware, versions

import lapsdata
from lapsdata.loading.windows import open_windows
from lapsdata.testing.scene_truth import true_tracks
from lapsdata.testing.scenes import SceneConfig, render_scene
from lapsdata.video.reader import open_video
from lapsdata.video.writer import write_video

if TYPE_CHECKING:
    from collections.abc import Callable

    from lapsdata import Tracks

    Gather = Callable[[np.ndarray], dict[str, np.ndarray]]

RESULT = Path(__file__).with_name("results") / "frames.json"
BATCH, BATCHES, HORIZON, SECONDS = 8, 6, 16, 30.0
GOPS = {"a keyframe every 250 frames": 250, "a keyframe every 20 frames": 20}
# A batch of tracks alone takes less than a clock tells well.
TRACKS_AGAIN = 200
# Of 255, on average over a batch: another frame differs by more.
COLOURS = 3.0


def per_sample(video: Path, tracks: Gather, starts: np.ndarray) -> Gather:
    """Open, seek and decode for each sample, then stack."""

    def sample(start: int) -> np.ndarray:
        capture = cv2.VideoCapture(str(video))
        capture.set(cv2.CAP_PROP_POS_FRAMES, start)
        images = [cv2.cvtColor(capture.read()[1], cv2.COLOR_BGR2RGB) for _ in range(HORIZON)]
        capture.release()
        return np.stack(images)

    def gather(ids: np.ndarray) -> dict[str, np.ndarray]:
        return tracks(ids) | {"images": np.stack([sample(int(starts[number])) for number in ids])}

    return gather


def taken(gather: Gather, batches: list[np.ndarray], again: int) -> float:
    """Return the seconds of one batch."""
    start = time.perf_counter()
    for _ in range(again):
        for ids in batches:
            gather(ids)
    return (time.perf_counter() - start) / again / len(batches)


def in_order(path: Path) -> float:
    """Return the frames per second of reading the whole video: what decoding allows."""
    start = time.perf_counter()
    with open_video(path) as video:
        count = sum(1 for _ in video.frames())
    return count / (time.perf_counter() - start)


def measure_video(folder: Path, video: Path, tracks: Tracks, runs: int) -> dict[str, Any]:
    path = folder / "tracks.h5"
    lapsdata.write(path, tracks, overwrite=True)
    both: dict[str, Any] = {"keys": ("tracks", "images"), "videos": video}
    opened = {
        "tracks alone": open_windows(path),
        "with frames, nothing kept": open_windows(path, **both, image_cache_bytes=0),
        "with frames, nothing kept, two threads": open_windows(path, **both, image_cache_bytes=0, threads=2),
        "with frames, kept": open_windows(path, **both),
        "with the first frame, nothing kept": open_windows(path, **both, image_cache_bytes=0, image_steps="first"),
    }
    rows: dict[str, Gather] = {name: windows.gather for name, windows in opened.items()}
    rows["with frames, a video for each sample"] = per_sample(video, rows["tracks alone"], tracks.start_index)
    check(rows, np.arange(0, len(tracks), len(tracks) // BATCH)[:BATCH])
    for ids in np.array_split(np.arange(len(tracks)), 20):
        rows["with frames, kept"](ids)
    random, found = np.random.default_rng(0), {name: list[float]() for name in rows}
    for _ in range(runs):
        batches = list(random.permutation(len(tracks))[: BATCH * BATCHES].reshape(BATCHES, BATCH))
        for name, gather in rows.items():
            found[name].append(taken(gather, batches, TRACKS_AGAIN if name == "tracks alone" else 1))
    for windows in opened.values():
        windows.close()
    slow = found["with frames, a video for each sample"]
    return {
        "frames": len(tracks.frame_s),
        "windows": len(tracks),
        "decoded_in_order_per_s": round(in_order(video)),
        "rows": {
            name: {
                "ms_per_batch": round(1e3 * statistics.median(seconds), 4),
                "times_a_video_for_each_sample": round(statistics.median(map(ratio, slow, seconds)), 2),
            }
            for name, seconds in found.items()
        },
    }


def ratio(slow: float, quick: float) -> float:
    return slow / quick


def check(rows: dict[str, Gather], ids: np.ndarray) -> None:
    exact, threads, kept, first, other = (
        gather(ids)["images"] for name, gather in rows.items() if name != "tracks alone"
    )
    np.testing.assert_array_equal(exact, threads)
    np.testing.assert_array_equal(exact, kept)
    np.testing.assert_array_equal(exact[:, :1], first)
    assert np.abs(exact.astype(int) - other).mean() < COLOURS


def measure(runs: int) -> dict[str, Any]:
    scene = render_scene(7, SceneConfig(actions=12, noise=2.0))
    count = int(np.searchsorted(scene.frame_s, SECONDS))
    made = true_tracks(scene, points=400, stride=1)
    windows = count - HORIZON + 1
    header = made.header.model_copy(update={"uncovered_frames": 0})
    tracks = lapsdata.Tracks(
        header,
        {view: array[:windows] for view, array in made.tracks.items()},
        {view: array[:windows] for view, array in made.vis.items()},
        made.start_index[:windows],
        made.frame_s[:count],
    )
    found = {}
    with tempfile.TemporaryDirectory() as name:
        for what, gop in GOPS.items():
            video = Path(name) / f"gop_{gop}.mp4"
            write_video(video, (scene.frame(index) for index in range(count)), scene.frame_s[:count], gop=gop)
            found[what] = measure_video(Path(name), video, tracks, runs)
    return {
        "what": "tracks alone, with frames, and with a video opened for each sample: milliseconds of a batch",
        "runs": runs,
        "batch": BATCH,
        "window": [HORIZON, 400, 2],
        "size": list(scene.config.size),
        "videos": found,
        "versions": versions("av", "numpy", "opencv-python-headless"),
        "hardware": hardware(),
    }


if __name__ == "__main__":
    result = measure(int(sys.argv[1]) if len(sys.argv) > 1 else 7)
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
    for what, video in result["videos"].items():
        print(what, video["frames"], "frames,", video["decoded_in_order_per_s"], "per s in order")
        for name, row in video["rows"].items():
            print(f"  {name}: {row['ms_per_batch']} ms, {row['times_a_video_for_each_sample']} x")
