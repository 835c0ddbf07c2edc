"""Episodes of a set that lerobot wrote, as videos: the frames that lerobot itself gives, and a time for each row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

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


@pytest.mark.filterwarnings("ignore:.*time-offset")
def test_rows_of_gr00t_that_begin_late_have_the_time_of_their_frames(real_data: Path, tmp_path: Path) -> None:
    steps = lapsdata.open_steps(real_data / "gr00t_pick_n_place_v20")
    [camera] = steps.meta.camera_keys
    found = cut_episodes(steps, camera, tmp_path)
    assert found.counts == {"whole": 5, "copied": 0, "encoded": 0}
    assert [len(one.row_s) for one in found.videos] == [416, 470, 470, 412, 328]
    assert [float(one.row_s[0]) for one in found.videos] == [0.0] * 5
