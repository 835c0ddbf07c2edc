"""Real videos of robots by torchcodec: the frames of PyAV, to the bit where both make colours in one way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

import lapsdata

if TYPE_CHECKING:
    from pathlib import Path

# AV1 and h264; groups of 2 and of 250 pictures; one file for each episode, and one for several.
SETS = {
    "lerobot_pick_v30": ["observation.images.ego", "observation.images.crop"],
    "lerobot_g1_v21": ["observation.images.cam_high"],
    "gr00t_pick_n_place_v20": ["observation.images.ego_view"],
}


@pytest.mark.parametrize("name", SETS)
@pytest.mark.filterwarnings("ignore:.*rows are 0.05 s later")
@pytest.mark.usefixtures("torchcodec")
def test_frames_are_those_of_pyav(real_data: Path, name: str) -> None:
    cameras = SETS[name]
    plain, other = (
        lapsdata.open_steps(real_data / name, {camera: [0.0] for camera in cameras}, fields=cameras, decoder=decoder)
        for decoder in ("pyav", "torchcodec")
    )
    ids = np.random.default_rng(3).permutation(len(plain))[:16]
    one, two = (steps.gather(ids, threads=2) for steps in (plain, other))
    for camera in cameras:
        np.testing.assert_array_equal(one[camera], two[camera])
    assert other.decoded + other.kept == len(ids) * len(cameras)
    plain.close()
    other.close()
