"""How fast frames are read: in order, beside a bare PyAV loop, and at random, beside reopening for each frame.

    python benchmarks/bench_video.py [RUNS]

Promises: in order at least 0.95 x as fast as a bare PyAV loop; sorted random access at least 3 x as fast as opening
the file, seeking and decoding for every frame. The limit beside it is what decoding and making pictures allow: a loop
that opens the file once, knows its keyframes before, decodes from them to the wanted frames, each once, and proves
nothing. Wall seconds, from opening to closing; all take turns, ratios are medians of the ratios of turns, of which
short videos have more.

The bare loop decodes in one thread too and makes the same pictures, with one reformatter of PyAV's; a picture is held
until the next one is there, and pictures read at random are all kept, in every loop. "times_plain" is beside
`frame.to_ndarray(format="rgb24")` with PyAV's own threads, as most loops are written: on an idle machine AV1 is
decoded on all cores at once, and FFmpeg's quick conversion is up to 2 levels too dark.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import numpy as np
from av.video.reformatter import Colorspace, Interpolation, VideoReformatter
from machine import hardware, versions

from lapsdata.testing.scenes import SceneConfig, render_scene
from lapsdata.timebase import FrameRate
from lapsdata.video.reader import open_video

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

RESULT = Path(__file__).with_name("results") / "video.json"
REAL = {
    "gr00t h264": "gr00t_pick_n_place_v20/**/*.mp4",
    "g1 av1": "lerobot_g1_v21/**/*.mp4",
    "calvin mpeg4": "**/task_ABC*.mp4",
}
PICKS = 24
# So many seconds of each loop make a run.
LASTING_S = 0.2
CAREFUL = Interpolation.BILINEAR | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT


def opened(path: Path, *, threads: int = 1) -> av.container.InputContainer:
    container = av.open(str(path))
    context = container.streams.video[0].codec_context
    context.thread_type, context.thread_count = "SLICE", threads
    return container


def picture(pixels: str) -> Callable[[av.VideoFrame], np.ndarray]:
    scaler = VideoReformatter()
    same = Colorspace.ITU601
    return {
        "gray": lambda frame: scaler.reformat(
            frame, format="gray", src_colorspace=same, dst_colorspace=same, threads=1
        ).to_ndarray(),
        "rgb": lambda frame: scaler.reformat(frame, format="rgb24", interpolation=CAREFUL, threads=1).to_ndarray(),
        "plain": lambda frame: frame.to_ndarray(format="rgb24"),
    }[pixels]


def count(pictures: Iterable[Any]) -> int:
    """Hold each until the next is there, as a loop that looks at them does."""
    found = 0
    for picture in pictures:  # noqa: B007 - held
        found += 1
    return found


def bare(path: Path, pixels: str) -> Callable[[], int]:
    def loop() -> int:
        made = picture(pixels)
        with opened(path, threads=0 if pixels == "plain" else 1) as container:
            return count(made(frame) for frame in container.decode(video=0))

    return loop


def ours(path: Path, pixels: str) -> Callable[[], int]:
    def loop() -> int:
        with open_video(path, pixels=pixels) as video:
            return count(frame.image for frame in video.frames())

    return loop


def reopening(path: Path, indices: list[int]) -> Callable[[], int]:
    with open_video(path) as video:
        ticks = [round(video.facts.frame_s[index] / video.facts.time_base) for index in indices]

    def loop() -> int:
        kept, made = [], picture("rgb")
        for tick in ticks:
            with opened(path) as container:
                stream = container.streams.video[0]
                container.seek(tick, stream=stream)
                kept.append(made(next(frame for frame in container.decode(stream) if frame.pts >= tick)))
        return len(kept)

    return loop


def jumping(path: Path, indices: list[int]) -> Callable[[], int]:
    """Decode just what has to be decoded, from keyframes that are known."""
    with open_video(path) as video:
        pts = np.rint(video.facts.frame_s / float(video.facts.time_base)).astype(int).tolist()
        begins = [int(key) for key in before(video.facts.keyframes, indices)]

    def loop() -> int:
        kept, made, due = [], picture("rgb"), 0
        with opened(path) as container:
            stream = container.streams.video[0]
            frames = container.decode(stream)
            for begin, index in zip(begins, indices, strict=True):
                if begin > due:
                    container.seek(pts[begin], stream=stream)
                    frames = container.decode(stream)
                kept.append(made(next(frame for frame in frames if frame.pts >= pts[index])))
                due = index + 1
        return len(kept)

    return loop


def random_access(path: Path, indices: list[int]) -> Callable[[], int]:
    def loop() -> int:
        with open_video(path) as video:
            return len(video.read(indices))

    return loop


def needed(keyframes: Sequence[int], indices: list[int]) -> int:
    """How many frames any reader has to decode for these: from the keyframe before each, none of them twice."""
    begins = before(keyframes, indices)
    return len({frame for begin, index in zip(begins, indices, strict=True) for frame in range(begin, index + 1)})


def before(keyframes: Sequence[int], indices: list[int]) -> np.ndarray:
    """Return the keyframe of each."""
    keys = np.asarray(keyframes)
    return keys[np.searchsorted(keys, indices, side="right") - 1]


def turns(runs: int, loops: dict[str, Callable[[], int]]) -> dict[str, list[float]]:
    counts = {name: loop() for name, loop in loops.items()}
    assert len(set(counts.values())) == 1, counts
    taken: dict[str, list[float]] = {name: [seconds(loop)] for name, loop in loops.items()}
    for _ in range(runs * max(1, round(LASTING_S / max(taken.values())[0])) - 1):
        for name, loop in loops.items():
            taken[name].append(seconds(loop))
    return taken


def seconds(loop: Callable[[], int]) -> float:
    start = time.perf_counter()
    loop()
    return time.perf_counter() - start


def ratio(slow: list[float], quick: list[float]) -> float:
    return round(statistics.median(a / b for a, b in zip(slow, quick, strict=True)), 3)


def video(path: Path, runs: int) -> dict[str, Any]:
    with open_video(path) as source:
        facts = source.facts
    indices = sorted(
        int(i) for i in np.random.default_rng(0).choice(facts.frames, min(PICKS, facts.frames), replace=False)
    )
    in_order: dict[str, Any] = {}
    for pixels in ("gray", "rgb"):
        taken = turns(runs, {"bare": bare(path, pixels), "ours": ours(path, pixels)})
        in_order[pixels] = {
            "frames_per_s": round(facts.frames / statistics.median(taken["ours"]), 1),
            "times_bare": ratio(taken["bare"], taken["ours"]),
        }
    taken = turns(runs, {"bare": bare(path, "plain"), "ours": ours(path, "rgb")})
    in_order["rgb"]["times_plain"] = ratio(taken["bare"], taken["ours"])
    makers = {"reopening": reopening, "jumping": jumping, "ours": random_access}
    taken = turns(runs, {name: maker(path, indices) for name, maker in makers.items()})
    return {
        "codec": facts.codec,
        "size": [facts.size.width, facts.size.height],
        "frames": facts.frames,
        "keyframes": len(facts.keyframes),
        "in_order": in_order,
        "random": {
            "frames": len(indices),
            "decoded_at_least": needed(facts.keyframes, indices),
            "times_reopening": ratio(taken["reopening"], taken["ours"]),
            "limit_times_reopening": ratio(taken["reopening"], taken["jumping"]),
        },
    }


def videos(folder: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    named = os.environ.get("LAPSDATA_REAL_DATA")
    for name, pattern in REAL.items() if named else ():
        there = sorted(Path(str(named)).glob(pattern))
        if there:
            found[name] = there[0]
    scene = render_scene(3, SceneConfig(actions=6, size=(640, 480), rate=FrameRate(20), noise=2.0))
    found["scene h264"] = folder / "scene.mp4"
    scene.write_video(found["scene h264"])
    return found


def measure(runs: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        found = {what: video(path, runs) for what, path in videos(Path(name)).items()}
    return {
        "what": "frames read in order (times a bare PyAV loop) and at random, sorted (times reopening for each frame)",
        "runs": runs,
        "promise": {"in_order_times_bare": 0.95, "random_times_reopening": 3},
        "videos": found,
        "versions": versions("av", "numpy"),
        "hardware": hardware(),
    }


if __name__ == "__main__":
    result = measure(int(sys.argv[1]) if len(sys.argv) > 1 else 9)
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
    for what, row in result["videos"].items():
        print(what, row["size"], row["in_order"], row["random"])
