"""Samples of real robot episodes, scaled by what the data sets say of themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

import lapsdata
from lapsdata.adapters.lerobot.reading import read_set
from lapsdata.adapters.lerobot.stats import read_stats
from lapsdata.loading import StepDataset
from lapsdata.schema import StepSpec

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def pick(real_data: Path) -> Path:
    return real_data / "lerobot_pick_v30"


def test_states_of_lerobot_are_scaled_and_come_back(pick: Path) -> None:
    fields = ["observation.state", "action"]
    found = read_set(pick)
    stats = read_stats(found, fields).by_feature
    asked = {"observation.state": "mean_std", "action": "q01_q99"}
    steps = lapsdata.open_steps(pick, normalize=asked, stats=stats, fields=fields)
    plain = lapsdata.open_steps(pick, fields=fields)
    rows = range(0, len(steps), 7)
    batch, wanted = steps.gather(rows), plain.gather(rows)
    assert np.abs(batch["observation.state"].mean(axis=0)).max() < 0.2
    for name in fields:
        assert np.isfinite(batch[name]).all()
        back = steps.specification.denormalise(name, batch[name])
        np.testing.assert_allclose(back, wanted[name], rtol=1e-5, atol=1e-4)
    again = StepDataset.from_spec(pick, StepSpec.parse(steps.specification.to_bytes()), episodes=[0])
    np.testing.assert_array_equal(again.gather([0])["action"], batch["action"][:1])
