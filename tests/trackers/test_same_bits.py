"""Compiled code computes what is written, in every process alike: compiled just now, read from disk, or not at all."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pytest

from lapsdata.geometry import FrameSize, uniform_grid
from lapsmodels.trackers import WindowPlan
from lapsmodels.trackers.dense_flow import PLUGIN

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

# A card that crosses noise on a picture that moves: every branch of the loops is taken by some point.
SCENE = """
import sys
import numpy as np
from lapsdata.geometry import FrameSize, uniform_grid
from lapsmodels.trackers import WindowPlan
from lapsmodels.trackers.dense_flow import PLUGIN


def frames():
    random = np.random.default_rng(0)
    coarse = random.integers(0, 256, (40, 50)).astype(float)
    whole = np.kron(coarse, np.ones((6, 6)))
    for _ in range(3):
        whole = (whole + np.roll(whole, 2, 0) + np.roll(whole, 2, 1) + np.roll(whole, 3, (0, 1))) / 4
    for k in range(7):
        image = whole[40 - 2 * k : 136 - 2 * k, 60 - 3 * k : 204 - 3 * k] + random.normal(0, 4, (96, 144))
        image[20:70, 24 * k : 24 * k + 35] = coarse[:25, : max(0, 144 - 24 * k)][:, :35].repeat(2, axis=0)
        yield image.clip(0, 255).astype(np.uint8)


def tracked():
    size = FrameSize(width=144, height=96)
    points = uniform_grid(size, count=60).points + np.float32(0.25)
    plan = WindowPlan(size=size, starts=np.array([0, 1]), horizon=6, queries=lambda _: points)
    windows = PLUGIN.windows(frames(), plan)
    return np.stack([np.dstack([w.tracks, w.vis, w.confidence, w.back_error_px]) for w in windows])
"""


class Run(NamedTuple):
    """Windows as one array (W, T, N, 5): x, y, visible, confidence, backward error."""

    windows: NDArray[np.float32]
    text: str


def elsewhere(folder: Path, **environment: str) -> Run:
    """Track the scene in another process."""
    code = f"{SCENE}\nnp.save(sys.argv[1], tracked())"
    target = folder / f"{len(list(folder.iterdir()))}.npy"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, str(target)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return Run(np.load(target), done.stderr)


@pytest.fixture(scope="module")
def here() -> NDArray[np.float32]:
    names: dict[str, object] = {}
    exec(SCENE, names)  # noqa: S102 - the source is above
    tracked = names["tracked"]
    assert callable(tracked)
    return np.asarray(tracked())


def test_the_scene_takes_many_ways(here: NDArray[np.float32]) -> None:
    vis, confidence = here[..., 2] == 1, here[..., 3]
    assert 0.2 < vis.mean() < 0.95
    assert (vis[:, 1:] & ~vis[:, :-1]).sum() > 5
    assert ((confidence > 0.05) & (confidence < 0.8)).sum() > 30


def test_without_the_compiler_it_is_the_same(here: NDArray[np.float32], tmp_path: Path) -> None:
    """As Python runs it, where a place beyond an array is an error, and a number that overflows a warning."""
    plain = elsewhere(tmp_path, NUMBA_DISABLE_JIT="1").windows
    # Float32 sums in another order may decide otherwise for a point that stands on a threshold.
    same = np.isclose(plain, here, atol=2e-3, rtol=2e-3, equal_nan=True).all(axis=(1, 3))
    assert same.mean() > 0.95
    assert (plain[..., 2] == here[..., 2]).mean() > 0.99


@pytest.mark.slow
def test_code_that_is_compiled_just_now_gives_the_bits_of_code_from_disk(
    here: NDArray[np.float32], tmp_path: Path
) -> None:
    (tmp_path / "kept").mkdir()
    cold, warm = (elsewhere(tmp_path, NUMBA_CACHE_DIR=str(tmp_path / "kept")).windows for _ in range(2))
    assert list((tmp_path / "kept").rglob("*.nbi"))
    assert cold.tobytes() == warm.tobytes() == here.tobytes()


def decorated(root: Path) -> dict[str, tuple[str, set[str]]]:
    """Return the decorator of each function of the loops, and the names that it calls."""
    found = {}
    for name in ("_patches", "_beliefs", "_slopes"):
        tree = ast.parse((root / "lapsmodels" / "trackers" / f"{name}.py").read_text())
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and node.decorator_list:
                calls = {
                    call.func.id
                    for call in ast.walk(node)
                    if isinstance(call, ast.Call) and isinstance(call.func, ast.Name)
                }
                found[node.name] = (ast.unparse(node.decorator_list[0]), calls)
    return found


def test_what_compiled_code_calls_is_compiled_into_it(root: Path) -> None:
    """Two compiled functions that call each other could be joined in two ways, which differ in the last bits."""
    found = decorated(root)
    entries = {name for name, (decorator, _) in found.items() if decorator == "compiled"}
    assert entries == {"advance", "take_anchors", "believe", "noise_of", "least_slopes"}
    for name, (decorator, calls) in found.items():
        assert decorator in {"compiled", "inlined"}, name
        assert not calls & entries, name


def test_the_order_of_points_changes_nothing() -> None:
    """Where no neighbour is asked, which happens one after another, a point is the same wherever it stands."""
    random = np.random.default_rng(5)
    size = FrameSize(width=144, height=96)
    picture = np.kron(random.integers(0, 256, (24, 36)), np.ones((4, 4))).astype(np.uint8)
    frames = [np.roll(picture, (k, 2 * k), axis=(0, 1)) for k in range(4)]
    points = uniform_grid(size, count=54).points
    runs = []
    for given in (points, np.ascontiguousarray(points[::-1])):
        plan = WindowPlan(size=size, starts=np.array([0]), horizon=4, queries=[given].__getitem__)
        runs.append(next(PLUGIN.windows(frames, plan)))
    first, second = runs
    settled = first.vis.all(axis=0) & (first.confidence.min(axis=0) > 0.9)
    assert settled.mean() > 0.5
    np.testing.assert_array_equal(first.tracks[:, settled], second.tracks[:, ::-1][:, settled])
