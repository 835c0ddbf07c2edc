"""Arrows go one way, without cycles, and the front door costs nothing."""

from __future__ import annotations

import functools
import graphlib
import subprocess
import sys
from pathlib import Path

import grimp
import pytest

# Hot loops are Numba through and through; whoever runs them imports them then.
HOT_LOOPS = {f"lapsmodels.trackers.{name}" for name in ("_patches", "_beliefs", "_slopes")}
HOT_LOOPS |= {"lapsdata.storage._copy_loop", "lapsdata.storage._lzf_loop", "lapsmodels.training._motion_loop"}
HOT_LOOPS |= {f"lapsdata.metrics.{name}" for name in ("_ap_loop", "_label_loop", "_mutual_loop", "_set_loops")}
HOT_LOOPS |= {f"lapsdata.metrics.tracking.{name}" for name in ("_frame_loops", "_identity_loop")}
HOT_LOOPS |= {"lapsdata.segmenters._machine_loop", "lapsdata.transforms._panorama_loops"}

# Models are torch through and through.
MODELS = {f"lapsmodels.tokenizer.{name}" for name in ("blocks", "model", "losses")}
MODELS |= {f"lapsmodels.training.{name}" for name in ("judging", "loop", "meter", "motion", "objective", "ranks",
                                                      "reconstruction", "run", "state")}  # fmt: skip
MODELS |= {"lapsmodels.clustering.next_code"}

HEAVY = ("torch", "h5py", "zarr", "pyarrow", "cv2", "av", "numba", "scipy", "typer", "rich", "numpy", "pydantic")


@functools.cache
def loaded_by(code: str) -> frozenset[str]:
    """Return the top-level packages in memory after `code` ran in a fresh interpreter, once for all who ask."""
    report = "import sys; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", f"{code}\n{report}"], capture_output=True, text=True, check=True)
    return frozenset(done.stdout.split())


def test_layers_are_kept(root: Path) -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([linter, "--no-cache"], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "3 kept, 0 broken" in done.stdout


def test_no_import_cycles() -> None:
    graph = grimp.build_graph("lapsdata", "lapsmodels", cache_dir=None)
    # The front doors name what they offer for type checkers and import it when it is first used.
    rooms = graph.modules - {"lapsdata", "lapsmodels"}
    imports = {name: graph.find_modules_directly_imported_by(name) for name in rooms}
    assert len(imports) > 20
    graphlib.TopologicalSorter(imports).prepare()


def test_the_front_door_imports_nothing_heavy() -> None:
    light = "import lapsdata, lapsdata.errors, lapsdata.console, lapsdata.plugins, lapsmodels"
    assert loaded_by(light).isdisjoint(HEAVY)


def test_a_configuration_of_a_model_needs_no_torch() -> None:
    assert loaded_by("import lapsmodels; lapsmodels.TokenizerConfig()").isdisjoint({"torch", "numba", "cv2", "av"})
    assert "torch" in loaded_by("import lapsmodels; lapsmodels.MotionTokenizer")


def test_the_probe_sees_what_is_imported() -> None:
    assert {"numpy", "lapsdata"} <= loaded_by("import lapsdata, numpy")


@pytest.mark.parametrize("name", ["torch", "zarr", "pyarrow", "cv2", "av", "numba", "scipy", "h5py"])
def test_every_module_leaves_heavy_packages_for_first_use(name: str, modules: tuple[Path, ...], root: Path) -> None:
    ours = [
        ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")
        for path in modules
        # Tools of tests may need anything; who imports them wants a test.
        if "testing" not in path.parts
    ]
    assert set(ours) > HOT_LOOPS | MODELS
    loaded = loaded_by("\n".join(f"import {module}" for module in ours if module not in HOT_LOOPS | MODELS))
    assert name not in loaded
