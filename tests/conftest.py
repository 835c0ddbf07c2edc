"""What all tests share: the place of the real inputs, compiled loops, and hypothesis without time limits."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import tempfile
import traceback
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from lapsdata.execution.engine import Outcome, Task, Tell
    from lapsdata.execution.local import LocalEngine
    from lapsdata.video._torchcodec import FoundFfmpeg

settings.register_profile("suite", max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")

pytest_plugins = ["tests.running_time"]

ROOT = Path(__file__).resolve().parents[1]

# What a test has parsed must not be taken from, or put into, the caches of whoever runs it.
os.environ["LAPSDATA_CACHE"] = "off"


@pytest.fixture(scope="session", autouse=True)
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder that examples and subprocesses make their temporary folders in: it goes when the tests pass.

    Ten thousand folders of examples once filled the disk of a machine that had run the suite for a day.
    """
    folder = tmp_path_factory.mktemp("scratch")
    os.environ["TMPDIR"] = str(folder)
    tempfile.tempdir = None  # the next question reads the variable
    return folder


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of the real inputs; absent outside the project's own machines, where the skip names the variable."""
    named = os.environ.get("LAPSDATA_REAL_DATA")
    folder = Path(named) if named else ROOT.parent / "shared" / "data"
    if not (folder / "README.md").is_file():
        if named:
            pytest.fail(f"LAPSDATA_REAL_DATA={named} holds no README.md")
        pytest.skip("set LAPSDATA_REAL_DATA to the folder of real inputs")
    return folder


@pytest.fixture(scope="session")
def torchcodec() -> FoundFfmpeg:
    """What torchcodec decodes with; where it cannot be used a test is left out, unless that is forbidden."""
    from lapsdata.errors import MissingExtraError
    from lapsdata.video._torchcodec import require_torchcodec

    try:
        return require_torchcodec()
    except MissingExtraError as error:
        if os.environ.get("LAPSDATA_TORCHCODEC") == "required":
            pytest.fail(f"LAPSDATA_TORCHCODEC=required, and yet: {error}")
        pytest.skip(f"{error}; `make test` provides it on Linux")


@pytest.fixture(scope="session")
def root() -> Path:
    """Return the root of the checkout."""
    return ROOT


@pytest.fixture(scope="session")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a small tokenizer, of windows of 6 frames and 16 points, with the weights that it begins with."""
    import torch

    from lapsdata.testing.samples import sample_provenance
    from lapsmodels.tokenizer.checkpoint import TokenizerHeader, save_tokenizer, weights_digest
    from lapsmodels.tokenizer.config import TokenizerConfig
    from lapsmodels.tokenizer.model import MotionTokenizer

    config = TokenizerConfig(points=16, horizon=6, width=16, heads=2, head_width=8, levels=(5, 3), scale=50.0)
    header = TokenizerHeader(
        provenance=sample_provenance(), config=config, views=("default",), weights=weights_digest(b"")
    )
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        save_tokenizer(path, MotionTokenizer(config), header)
    return path


@pytest.fixture
def one_process(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let the local engine do its items in this process: starting a worker costs more than tracking a short clip.

    Returned are the numbers of workers that were asked for, one for each run.
    """
    from lapsdata.errors import LapsError
    from lapsdata.execution.engine import Outcome
    from lapsdata.execution.local import LocalEngine

    asked: list[int] = []

    def run(
        engine: LocalEngine,
        task: Task[Any, Any],
        items: Iterable[Any],
        *,
        finished: Callable[[Outcome[Any, Any]], None],
        told: Tell,
    ) -> None:
        asked.append(engine.workers)
        for index, item in enumerate(items):
            try:
                finished(Outcome(index, item, task(item, told)))
            except LapsError as error:
                whole = "".join(traceback.format_exception(error))
                finished(Outcome(index, item, problems=error.problems, traceback=whole))

    monkeypatch.setattr(LocalEngine, "run", run)
    return asked


class Ran(NamedTuple):
    """What a call of the command has left behind."""

    returncode: int | str | None
    stdout: str
    stderr: str


@pytest.fixture
def inside(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Callable[..., Ran]:
    """Run the command in this process, in an empty folder: only the outcome counts there."""

    def command(*arguments: str | int | Path) -> Ran:
        # Imported here, since most tests never call the command.
        from lapsdata import console
        from lapsdata.cli.main import main

        capsys.readouterr()
        # What a process begins with, and what it would leave behind here.
        with monkeypatch.context() as patch, warnings.catch_warnings():
            warnings.simplefilter("default")
            patch.setattr(console, "_kept", None)
            patch.setattr(sys, "argv", ["lapsdata", *map(str, arguments)])
            patch.chdir(tmp_path)
            with pytest.raises(SystemExit, match=r"^\d+$") as end:
                main()
        return Ran(end.value.code, *capsys.readouterr())

    return command


# What compiles in most of the processes that tests start.
LOOPS = """
import tempfile
from pathlib import Path
import numpy as np
import torch
import lapsdata
from lapsdata.geometry import FrameSize, uniform_grid
from lapsdata.testing.samples import sample_tracks
from lapsmodels import TokenizerConfig
from lapsmodels.trackers import WindowPlan
from lapsmodels.trackers.dense_flow import PLUGIN
from lapsmodels.training.motion import motion

with tempfile.TemporaryDirectory() as folder:
    lapsdata.write(Path(folder) / "clip.h5", sample_tracks())
    windows = lapsdata.open_windows(Path(folder) / "clip.h5", io="pread")
    windows.gather(np.arange(len(windows)))
    windows.close()
picture = np.kron(np.random.default_rng(0).integers(0, 256, (12, 16)), np.ones((8, 8))).astype(np.uint8)
size = FrameSize(width=128, height=96)
points = uniform_grid(size, count=30).points
plan = WindowPlan(size=size, starts=np.array([0]), horizon=4, queries=lambda _: points)
for _ in PLUGIN.windows([np.roll(picture, 2 * k, axis=1) for k in range(4)], plan):
    pass
motion(torch.zeros(1, 1, 2, 3, 2), torch.ones(1, 1, 2, 3, dtype=torch.bool), torch.ones(1, 1, 2), TokenizerConfig())
"""
compiling = pytest.StashKey[subprocess.Popen[bytes]]()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(config: pytest.Config) -> None:
    """Compile the loops once, while tests are collected: after a change every process would, for 20 s of its own.

    What fails there is shown on stderr, and fails again in the tests of what is compiled.
    """
    config.stash[compiling] = subprocess.Popen([sys.executable, "-c", LOOPS])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_node_collection_finished(node: Any) -> None:
    """Begin with the tests when the loops are compiled."""
    node.config.stash[compiling].wait()


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session: pytest.Session) -> None:
    """Search for no garbage while tests are collected: all that is made stays, and is looked through ever again."""
    gc.disable()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Leave out of every later search for garbage what lives as long as the run: thousands of tests."""
    gc.collect()
    gc.freeze()
    # At the thresholds of Python a tenth of the time of a run goes into searches that find next to nothing.
    gc.set_threshold(20_000, 20, 20)
    gc.enable()
