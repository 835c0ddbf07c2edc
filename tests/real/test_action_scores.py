"""Actions of a real GR00T set scored against itself: the truth has no error, what is held that of plain NumPy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow.parquet as pq
import pytest

from lapsdata.stages.actions import ActionOptions, action_errors

if TYPE_CHECKING:
    from pathlib import Path

HORIZON = 16


def test_the_truth_has_no_error_and_holding_has_its_own(real_data: Path, tmp_path: Path) -> None:
    root = real_data / "gr00t_pick_n_place_v20"
    table = pq.read_table(root / "data/chunk-000/episode_000003.parquet", columns=["action"])
    actions = np.array(table.column("action").to_pylist())
    rows = np.arange(8, len(actions) - HORIZON, 8)
    chunks = actions[rows[:, None] + np.arange(HORIZON)]
    np.savez(tmp_path / "said.npz", episode=np.full(len(rows), 3), row=rows, actions=chunks)
    found = action_errors(tmp_path / "said.npz", root, ActionOptions(parts=("left_arm", "right_arm")))
    assert [row.name for row in found.rows] == ["prediction", "hold_last", "mean_action", "mean_trajectory"]
    assert [key.mae for key in found.rows[0].parts] == [0, 0]
    # Of GR1 the left arm is motors 0 to 6, the right one 22 to 28.
    for key, part in zip(found.rows[1].parts, (slice(0, 7), slice(22, 29)), strict=True):
        apart = np.abs(actions[rows - 1][:, None, part] - chunks[:, :, part])
        assert key.mae == pytest.approx(apart.mean())
        assert [step.mae for step in key.steps] == pytest.approx(apart.mean(axis=(0, 2)))
    assert found.parts[1].numbers == tuple(f"motor_{number}" for number in range(22, 29))
