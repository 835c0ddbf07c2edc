"""Windows that are small, move, and lose points now and then."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

import lapsdata
from lapsdata.containers import Tracks
from lapsdata.schema import SourceVideo
from lapsdata.testing.samples import sample_tracks
from lapsmodels.tokenizer.config import TokenizerConfig
from lapsmodels.training.ranks import Ranks
from lapsmodels.training.source import MotionSource

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Threads that wait for busy cores make small steps ten times slower."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def alone() -> Ranks:
    return Ranks(0, 1, torch.device("cpu"))


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Return two files of 7 windows of 5 frames and 9 points."""
    folder = tmp_path_factory.mktemp("tracks")
    for seed in (0, 1):
        clip = sample_tracks(windows=7, horizon=5, points=9, seed=seed, video=SourceVideo(name=f"clip_{seed}"))
        lapsdata.write(folder / f"clip_{seed}.zarr", clip)
    return sorted(folder.iterdir())


@pytest.fixture
def source(files: list[Path]) -> MotionSource:
    return MotionSource(lapsdata.open_windows(files))


@pytest.fixture(scope="session")
def steady_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file of 64 windows in which all points go one of four ways, steadily, 2 pixels a step."""
    ways = np.array([[1, 0], [-1, 0], [0, 1], [0, -1]], np.float32) * 2
    start = np.random.default_rng(0).uniform(12, 36, (64, 1, 9, 2))
    xy = (start + ways[np.arange(64) % 4][:, None, None] * np.arange(5)[:, None, None]).astype(np.float32)
    clip = sample_tracks(windows=64, horizon=5, points=9)
    path = tmp_path_factory.mktemp("steady") / "steady.zarr"
    seen = np.ones(xy.shape[:-1], bool)
    lapsdata.write(path, Tracks(clip.header, {"default": xy}, {"default": seen}, clip.start_index, clip.frame_s))
    return path


@pytest.fixture
def steady(steady_file: Path) -> MotionSource:
    return MotionSource(lapsdata.open_windows(steady_file))


@pytest.fixture(scope="session")
def config() -> TokenizerConfig:
    return TokenizerConfig(
        points=9, horizon=5, width=32, heads=2, head_width=16, levels=(5, 5), encoder_layers=1, scale=20,
        class_size=(48, 64), dropout=0.0,
    )  # fmt: skip
