"""How many panoramas are made per second of what four cameras see.

    python benchmarks/bench_panorama.py [COUNT]

Four cameras of 800 x 600 pixels on a car, mounted as those of OPV2V, on a street with walls, boxes and sky; 1008 x 252
pixels around the middle of the car, with depth and masks. One thread, and two threads that make panoramas beside one
another, as the workers of a loader do; OpenCV has one thread in each. On a machine that others use as well threads wait
for a processor: the time of the busier thread leaves this waiting out.

Promise: at least 50 panoramas per second on two cores, by the busier thread.
"""

from __future__ import annotations

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from machine import hardware, versions

from lapsdata.geometry import (
    CylinderCamera,
    EquirectangularCamera,
    FrameSize,
    PinholeCamera,
    carla_poses,
    pixel_rays,
)
from lapsdata.transforms.views_to_panorama import ColourPolicy, PanoramaRig, views_to_panorama

if TYPE_CHECKING:
    from numpy.typing import NDArray

RESULT = Path(__file__).with_name("results") / "panorama.json"
PROMISE = 50
MEASURES = ("one thread", "two threads", "two threads, by the busier thread")
MOUNTS = ((2.5, 0.0, 1.0, 0.0), (0.0, 0.3, 1.8, 100.0), (0.0, -0.3, 1.8, -100.0), (-2.0, 0.0, 1.5, 180.0))
# Half a size along x, y and z, and a centre; y points down, and the ground is at 0.
BOXES = (
    ((2, 1, 2), (8, -1, 10)),
    ((1, 4, 40), (-14, -4, 0)),
    ((1, 3, 40), (16, -3, 0)),
    ((2, 1, 4), (-4, -1, 12)),
    ((3, 1.5, 1), (3, -1.5, -12)),
)


def cameras() -> list[PinholeCamera]:
    return [
        PinholeCamera(
            size=FrameSize(width=800, height=600),
            focal_px=(335.6399, 335.6399),
            centre_px=(399.5, 299.5),
            cam2world=carla_poses(np.array([x, y, z, 0.0, yaw, 0.0])),
        )
        for x, y, z, yaw in MOUNTS
    ]


def street(camera: PinholeCamera) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Return the picture and the z-depth of a camera; -1 is the sky."""
    rays = pixel_rays(camera)
    rays = rays / rays[..., 2:] @ camera.cam2world[:3, :3].T
    eye = camera.cam2world[:3, 3]
    with np.errstate(divide="ignore"):
        ground = -eye[1] / rays[..., 1]
        depth = np.where((ground > 0) & (ground < 100), ground, np.inf)
        for half, centre in BOXES:
            one, other = ((np.array(centre) + sign * np.array(half) - eye) / rays for sign in (-1, 1))
            enters, leaves = np.minimum(one, other).max(axis=-1), np.maximum(one, other).min(axis=-1)
            depth = np.minimum(depth, np.where((enters < leaves) & (enters > 0), enters, np.inf))
    known = np.where(np.isfinite(depth), depth, -1).astype(np.float32)
    texture = np.random.default_rng(0).integers(0, 256, (*known.shape, 3), dtype=np.uint8)
    return texture, known


def per_second(rig: PanoramaRig, count: int, threads: int, colour: ColourPolicy) -> tuple[float, float]:
    """Return the rate by the clock, and what it would be if the busiest thread had never waited for a processor."""
    views = [street(camera) for camera in rig.cameras]
    depths = None if colour == "infinity" else [depth for _, depth in views]

    def make(times: int) -> float:
        begun = time.thread_time()
        for _ in range(times):
            views_to_panorama([image for image, _ in views], rig, depths=depths, colour=colour)
        return time.thread_time() - begun

    # Loops are compiled, and tables computed, before anything counts.
    make(1)
    with ThreadPoolExecutor(threads) as pool:
        begun = time.perf_counter()
        busiest = max(pool.map(make, [count // threads] * threads))
        took = time.perf_counter() - begun
    made = count // threads * threads
    return round(made / took, 1), round(made / busiest, 1)


def rates(rig: PanoramaRig, count: int, colour: ColourPolicy) -> dict[str, float]:
    alone, _ = per_second(rig, count, 1, colour)
    return dict(zip(MEASURES, (alone, *per_second(rig, count, 2, colour)), strict=True))


def measure(count: int) -> dict[str, Any]:
    cv2.setNumThreads(1)
    size, centre = FrameSize(width=1008, height=252), carla_poses(np.array([0.0, 0.0, 1.5, 0.0, 0.0, 0.0]))
    kinds = {"equirectangular": EquirectangularCamera, "cylinder": CylinderCamera}
    rigs = {
        name: PanoramaRig(cameras=cameras(), panorama=kind(size=size, cam2world=centre)) for name, kind in kinds.items()
    }
    ways: dict[str, tuple[PanoramaRig, ColourPolicy]] = {
        "colours and depth, equirectangular": (rigs["equirectangular"], "by_depth"),
        "colours and depth, cylinder": (rigs["cylinder"], "by_depth"),
        "colours alone, equirectangular": (rigs["equirectangular"], "infinity"),
    }
    return {
        "what": "panoramas of 1008 x 252 pixels per second, of four cameras of 800 x 600",
        "count": count,
        "per_second": {name: rates(rig, count, colour) for name, (rig, colour) in ways.items()},
        "promise": PROMISE,
        "versions": versions("numpy", "numba", "opencv-python-headless"),
        "hardware": hardware(),
    }


def main() -> None:
    result = measure(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result["per_second"], indent=2))


if __name__ == "__main__":
    main()
