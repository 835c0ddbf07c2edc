"""Episodes of a set that lerobot wrote, as videos: the frames that lerobot itself gives, and a time for each row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

import lapsdata
from lapsdata.stages._episode_videos import cut_episodes
from lapsdata.video.reader import open_video

if TYPE_CHECKING:
    from pathlib import Path


def test_every_episode_of_both_cameras_has_a_frame_for_each_row(real_data: Path, tmp_path: Path) -> None:
    steps = lapsdata.open_steps(real_data / "lerobot_pick_v30")
    for camera in steps.meta.camera_keys:
        found = cut_episodes(steps, camera, tmp_path / camera)
        assert found.problems == ()
        assert [len(one.row_s) for one in found.videos] == [70, 55, 90, 40, 61]
        for one in found.videos:
            with open_video(one.item.path) as video:
                assert np.array_equal(video.facts.frame_s, one.row_s)
