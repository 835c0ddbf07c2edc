"""The page of views of four agents: how large it is, and when its pictures are on the screen.

    python benchmarks/bench_views_report.py

Four agents with four cameras of 800 x 600 each are rendered, made into panoramas of 1008 x 252 with depth and masks,
and shown beside a prediction with noise in its depth, as `lapsdata report views` does it. A fresh headless Chromium
opens the page, without a graphics card; its own clock tells when the first picture was painted, when all pictures could
be zoomed, and when the points were drawn, from the moment at which it began to open the file. Promise: <= 15 MB, and
<= 3 s to the first picture.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from machine import hardware, versions
from playwright.sync_api import sync_playwright

from lapsdata import formats
from lapsdata.adapters import find_adapter, read_adapted
from lapsdata.containers import LAYERS, HeldPixels, Views
from lapsdata.containers.model_cameras import model_camera
from lapsdata.geometry import EquirectangularCamera, FrameSize, invert_poses
from lapsdata.schema import CameraModel, PanoramaAngles, Size
from lapsdata.stages.views_report import ViewsSource, write_views_report
from lapsdata.testing.opv2v_scenes import Opv2vScene, write_opv2v
from lapsdata.transforms.views_to_panorama import Panorama, PanoramaRig, views_to_panorama

if TYPE_CHECKING:
    from numpy.typing import NDArray

RESULT = Path(__file__).with_name("results") / "views_report.json"
PROMISE = {"bytes": 15_000_000, "first_picture_s": 3.0}
AGENTS, RUNS, FAR_M = ("641", "650", "1000", "-1"), 7, 500
# Painted elements are told to observers alone.
WHEN = """([name, kind]) => new Promise((done) => new PerformanceObserver((list) => {
  const found = list.getEntries().filter((one) => [one.name, one.identifier].includes(name));
  if (found.length) done(Math.min(...found.map((one) => one.renderTime || one.startTime)));
}).observe({ type: kind, buffered: true }))"""
FLAGS = ("--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")


def rendered(folder: Path, size: tuple[int, int]) -> Views:
    """Return the views of one frame of all agents."""
    scene = Opv2vScene("train", "2021_08_22_21_41_24", AGENTS, (69,), size=size)
    write_opv2v(folder / "opv2v", [scene], depth_root=folder / "depth", depth="npy")
    adapter, _ = find_adapter(folder / "opv2v") or (None, None)
    assert adapter is not None
    views = read_adapted(adapter, folder / "opv2v", {"depth_root": folder / "depth"}).container
    assert isinstance(views, Views)
    return views


def panorama(views: Views, agent: str, size: FrameSize) -> tuple[Panorama, NDArray[np.float64]]:
    """Return what an agent sees all around, from between its cameras, and from where."""
    mine = [view for view in range(len(views)) if views.agent[view] == agent]
    pose = views.cam2world[mine[0]].copy()
    pose[:3, 3] = views.cam2world[mine, :3, 3].mean(axis=0)
    cameras: Any = [model_camera(views.camera_model(view), invert_poses(pose) @ views.cam2world[view]) for view in mine]
    rig = PanoramaRig(cameras=cameras, panorama=EquirectangularCamera(size=size, cam2world=np.eye(4)))
    depth = [np.where(views.read("depth", view) < FAR_M, views.read("depth", view), 0) for view in mine]
    return views_to_panorama([np.array(views.read("image", view)) for view in mine], rig, depths=depth), pose


def written(folder: Path, size: tuple[int, int], width: int) -> tuple[Path, Path]:
    """Write panoramas of all agents, and a prediction of them; return both files."""
    views = rendered(folder, size)
    made = [panorama(views, agent, FrameSize(width=width, height=width // 4)) for agent in AGENTS]
    random, paths = np.random.default_rng(0), []
    model = CameraModel(
        kind="equirectangular",
        size=Size(width=width, height=width // 4),
        angles=PanoramaAngles(h_fov_deg=360, low_deg=-45, high_deg=45),
        depth="ray",
    )
    for name, noise, off_m in (("truth", 0.0, 0.0), ("pred", 0.03, 0.5)):
        depth = [np.maximum(one.depth, 0) * (1 + noise * random.normal(0, 1, one.depth.shape)) for one, _ in made]
        layers: dict[Any, Any] = {
            "image": tuple(one.image for one, _ in made),
            "depth": tuple(values.astype(np.float32) for values in depth),
            "valid": tuple(values > 0 for values in depth),
            "covered": tuple(one.covered for one, _ in made),
            "non_ambiguous": tuple(one.non_ambiguous for one, _ in made),
        }
        poses = np.stack([pose for _, pose in made])
        poses[:, :3, 3] += random.normal(0, off_m, (len(AGENTS), 3))
        part = Views(
            views.header.model_copy(update={"cameras": (model,)}),
            split=views.split, scenario=views.scenario, frame=views.frame, time_s=views.time_s,
            set_stop=np.array([len(AGENTS)]), agent=AGENTS, camera=("panorama",) * len(AGENTS),
            model=np.zeros(len(AGENTS), np.int64), cam2world=poses,
            present={layer: np.ones(len(AGENTS), bool) for layer in LAYERS}, pixels=HeldPixels(layers),
        )  # fmt: skip
        paths.append(folder / f"{name}.h5")
        formats.write(paths[-1], part)
    return paths[0], paths[1]


def opened(page: Path, runs: int) -> dict[str, list[float]]:
    """Return, of each run, the seconds until the first picture, all of them, and points were drawn."""
    marks = {"first": "element", "pictures": "mark", "cloud": "mark"}
    found: dict[str, list[float]] = {name: [] for name in marks}
    chromium = os.environ.get("LAPSDATA_CHROMIUM") or shutil.which("chromium")
    with sync_playwright() as playwright:
        for _ in range(runs):
            browser = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
            tab = browser.new_page(viewport={"width": 1400, "height": 1000})
            tab.goto(page.as_uri())
            tab.wait_for_function("performance.getEntriesByName('cloud').length === 1")
            for name, values in found.items():
                values.append(tab.evaluate(WHEN, [name, marks[name]]) / 1000)
            browser.close()
    return found


def measure(size: tuple[int, int] = (800, 600), width: int = 1008, runs: int = RUNS) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        truth, pred = written(folder, size, width)
        began = time.perf_counter()
        done = write_views_report(ViewsSource(truth, pred), folder / "page.html")
        took = time.perf_counter() - began
        marks = opened(folder / "page.html", runs)
    return {
        "agents": len(AGENTS),
        "panorama": [width, width // 4],
        "bytes": done.page_bytes,
        "written_s": round(took, 3),
        "runs": runs,
        **{
            told: {"median": round(statistics.median(marks[name]), 2), "longest": round(max(marks[name]), 2)}
            for told, name in (("first_picture_s", "first"), ("pictures_s", "pictures"), ("points_s", "cloud"))
        },
        "load": round(os.getloadavg()[0], 1),
        "promise": PROMISE,
        "versions": versions("numpy", "plotly", "playwright"),
        "hardware": hardware(),
    }


def main() -> None:
    found = measure()
    RESULT.write_text(json.dumps(found, indent=2) + "\n")
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
