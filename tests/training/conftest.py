"""Windows that are small, move, and lose points now and then."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from lapsdata.testing.samples import sample_tracks
from lapsmodels.tokenizer.config import TokenizerConfig
from lapsmodels.training.windows import MotionWindows, motion_windows

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Threads that wait for busy cores make small steps ten times slower."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def windows() -> MotionWindows:
    return motion_windows([sample_tracks(windows=7, horizon=5, points=9, seed=seed) for seed in (0, 1)], ["default"])


@pytest.fixture(scope="session")
def steady() -> MotionWindows:
    """Return 64 windows in which all points go one of four ways, steadily."""
    ways = np.array([[1, 0], [-1, 0], [0, 1], [0, -1]], np.float32) * (2 * 3 / 128)
    start = np.random.default_rng(0).uniform(-0.4, 0.4, (64, 1, 1, 9, 2))
    moved = ways[np.arange(64) % 4][:, None, None, None] * np.arange(5)[:, None, None]
    positions = (start + moved).astype(np.float32)
    return MotionWindows(positions, np.ones(positions.shape[:-1], bool), np.arange(64) // 16, 0)


@pytest.fixture(scope="session")
def config() -> TokenizerConfig:
    return TokenizerConfig(
        points=9, horizon=5, width=32, heads=2, head_width=16, levels=(5, 5), encoder_layers=1, scale=20
    )
