"""How fast boxes are drawn on their frames, and in how much memory.

    python benchmarks/bench_overlay.py [RUNS]

A rendered scene of 1280 x 720, as JPEG images and as an H.264 video; on each frame 20 boxes of a truth, 20 detections
with scores, and 20 tracks with trails of 30 frames. What is measured is `lapsdata.report.overlay_boxes` into an H.264
video, the best of some runs: by wall seconds, which are those of a machine that others use too, and by the processor
seconds of the busier of its two threads, which are what a frame takes on two cores of its own. What stages take alone
stands beside it, in processor milliseconds of one thread. Memory is the most that a process of its own held, for a
number of frames and for four times as many. Promise: 30 frames per second on two cores, tracks alone and all three
layers, and memory that does not grow.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np
from machine import hardware, versions

from lapsdata import formats
from lapsdata.containers import Boxes
from lapsdata.geometry import FrameSize
from lapsdata.provenance import provenance
from lapsdata.report import overlay_boxes
from lapsdata.report.box_files import read_box_layers
from lapsdata.report.drawn_boxes import BoxPen
from lapsdata.schema import BoxesHeader, BoxSequence, FrameRange, Size
from lapsdata.testing.scenes import SceneConfig, render_scene
from lapsdata.timebase import FrameRate
from lapsdata.video.reader import open_video
from lapsdata.video.writer import write_video

if TYPE_CHECKING:
    from collections.abc import Callable

    from lapsdata.report.layered_boxes import BoxLayer

RESULT = Path(__file__).with_name("results") / "overlay.json"
SIZE, RATE, BOXES = (1280, 720), FrameRate(25), 20
PROMISE_FPS = 30
LAYERS = {"tracks": ["tracks"], "truth, detections and tracks": ["truth", "detector", "tracks"]}
# A process of its own, that says how much memory it held at most, in KiB; what getrusage tells is at least what the
# process held that began it.
CHILD = """
import re, sys
from pathlib import Path
from lapsdata.report import overlay_boxes
from lapsdata.report.box_files import read_box_layers
table, images, out, last = sys.argv[1:]
overlay_boxes(read_box_layers([Path(table)]).layers, images, out=Path(out), frames=(1, int(last)))
print(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
"""


def boxes(source: str, frames: int) -> Boxes:
    """Return boxes that move along ellipses, each source a little beside the others."""
    width, height = SIZE
    drawn = np.random.default_rng(0)
    middle = drawn.uniform((120, 120), (width - 120, height - 120), (BOXES, 2))
    sides = drawn.uniform((40, 80), (90, 160), (BOXES, 2))
    speed, phase = drawn.uniform(0.02, 0.06, BOXES), drawn.uniform(0, 6, BOXES)
    frame, who = np.repeat(np.arange(frames), BOXES), np.tile(np.arange(BOXES), frames)
    turn = frame * speed[who] + phase[who]
    noise = np.random.default_rng([len(source)])
    xy = middle[who] + np.stack([80 * np.cos(turn), 50 * np.sin(turn)], axis=-1) - sides[who] / 2
    xy += noise.normal(0, 1, xy.shape)
    count, tracked = len(frame), source != "detector"
    sequence = BoxSequence(
        name="scene",
        length=frames,
        rate=RATE,
        size=Size(width=width, height=height),
        annotated=(FrameRange(start=0, stop=frames),),
        first_number=1,
    )
    return Boxes(
        BoxesHeader(provenance=provenance(), sequences=(sequence,)),
        np.zeros(count, np.int64), frame, who if tracked else np.full(count, -1),
        *np.ascontiguousarray(xy.T), *np.ascontiguousarray(sides[who].T),
        ("player",) * count, (source,) * count, np.zeros(count, bool),
        score=None if tracked else noise.uniform(0.2, 1, count),
    )  # fmt: skip


def prepared(folder: Path, frames: int, longer: int) -> None:
    """Write images, the video and tables; the pictures of the longer part are those of the shorter, again."""
    scene = render_scene(5, SceneConfig(actions=12, size=SIZE))
    pictures = [scene.frame(index % len(scene)) for index in range(frames)]
    images = folder / "images"
    images.mkdir()
    for number in range(1, longer + 1):
        cv2.imwrite(str(images / f"{number:08d}.jpg"), pictures[(number - 1) % frames][..., ::-1])
    write_video(folder / "video.mp4", pictures, np.arange(frames) / RATE.hz)
    for source in ("truth", "detector", "tracks"):
        formats.write(folder / f"{source}.parquet", boxes(source, frames))
    formats.write(folder / "longer.parquet", boxes("tracks", longer))


class Taken(NamedTuple):
    """Seconds: of a clock, of the processors, and of the processor in this thread alone."""

    wall: float
    work: float
    here: float

    @classmethod
    def now(cls) -> Taken:
        return cls(time.perf_counter(), time.process_time(), time.thread_time())


def taken(run: Callable[[], object], runs: int) -> Taken:
    """Return the least of each."""
    found = []
    for _ in range(runs):
        before = Taken.now()
        run()
        found.append([after - start for after, start in zip(Taken.now(), before, strict=True)])
    return Taken(*map(min, zip(*found, strict=True)))


def overlay(layers: list[BoxLayer], on: Path, frames: int, runs: int) -> dict[str, float]:
    out = on.parent / "out.mp4"
    span = (1, frames) if on.is_dir() else None
    least = taken(lambda: overlay_boxes(layers, on, out=out, frames=span, overwrite=True), runs)
    busier = max(least.here, least.work - least.here)
    return {
        "frames_per_s": round(frames / least.wall, 1),
        "frames_per_s_by_busier_thread": round(frames / busier, 1),
        "processor_ms_per_frame": round(1000 * least.work / frames, 2),
    }


def stages(layers: list[BoxLayer], folder: Path, frames: int, runs: int) -> dict[str, float]:
    """Return what is done to a frame, one stage at a time."""
    size = FrameSize(width=SIZE[0], height=SIZE[1])
    pen = BoxPen(layers, size, size)
    with open_video(folder / "images", rate=RATE, pixels="rgb_quick") as video:
        pictures = [frame.image for frame in video.frames(range(frames))]
    works = {
        "decode an image": lambda: decoded(folder / "images", frames),
        "decode a frame of H.264": lambda: decoded(folder / "video.mp4", frames),
        "draw": lambda: [pen.draw(picture.copy(), number) for number, picture in enumerate(pictures, 1)],
        "encode": lambda: write_video(
            folder / "stage.mp4", pictures, np.arange(frames) / RATE.hz, crf=21, overwrite=True
        ),
    }
    return {name: round(1000 * taken(work, runs).work / frames, 2) for name, work in works.items()}


def decoded(source: Path, frames: int) -> int:
    with open_video(source, rate=RATE if source.is_dir() else None, pixels="rgb_quick") as video:
        return sum(1 for _ in video.frames(range(frames)))


def held_mib(folder: Path, frames: int) -> int:
    given = [folder / "longer.parquet", folder / "images", folder / f"held_{frames}.mp4", str(frames)]
    done = subprocess.run([sys.executable, "-c", CHILD, *given], capture_output=True, text=True, check=True)
    return int(done.stdout) // 1024


def measure(runs: int = 3, frames: int = 150, longer: int = 600) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepared(folder, frames, longer)
        rows: dict[str, Any] = {}
        for title, sources in LAYERS.items():
            layers = read_box_layers([folder / f"{source}.parquet" for source in sources]).layers
            rows[title] = {
                "images": overlay(layers, folder / "images", frames, runs),
                "video": overlay(layers, folder / "video.mp4", frames, runs),
                "stages_ms": stages(layers, folder, min(frames, 100), runs),
            }
        memory = {str(count): held_mib(folder, count) for count in (frames, longer)}
    return {
        "size": list(SIZE),
        "boxes_per_frame_and_layer": BOXES,
        "frames": frames,
        "promise_frames_per_s": PROMISE_FPS,
        "rows": rows,
        "largest_process_mib": {"shorter": memory[str(frames)], "longer": memory[str(longer)]},
        "load_before": round(os.getloadavg()[0], 2),
        "versions": versions("av", "numpy", "opencv-python-headless"),
        "hardware": hardware(),
    }


if __name__ == "__main__":
    told = measure(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
    RESULT.write_text(json.dumps(told, indent=2) + "\n")
    print(json.dumps(told, indent=2))
