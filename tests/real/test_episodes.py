"""Data sets of robots as others wrote them: equal to what their own loader gives."""

from __future__ import annotations

import json
import warnings
from typing import TYPE_CHECKING

import numpy as np
import pytest

import lapsdata
from lapsdata.errors import LapsWarning
from lapsdata.video.reader import open_video

if TYPE_CHECKING:
    from pathlib import Path

EGO, CROP = "observation.images.ego", "observation.images.crop"
DELTAS = {EGO: [-0.1, 0], CROP: [0], "observation.state": [-0.05, 0], "action": [0, 0.05, 0.1, 0.15]}
LISTED = (0, 1, 69, 70, 71, 124, 125, 214, 215, 216, 254, 255, 300, 315)


@pytest.mark.parametrize("index", LISTED)
def test_a_sample_is_what_lerobot_gives_of_it(real_data: Path, index: int) -> None:
    """Numbers are equal, and so are pixels, to the last bit."""
    steps = lapsdata.open_steps(real_data / "lerobot_pick_v30", DELTAS)
    sample = steps[index]
    with np.load(real_data / "lerobot_pick_v30_expected_samples.npz") as told:
        names = [name for name in told.files if name.partition("/")[0] == str(index)]
        assert {name.partition("/")[2] for name in names} == sample.keys()
        for name in names:
            field, wanted = name.partition("/")[2], told[name]
            if field == "task":
                assert sample[field] == str(wanted)
                continue
            got = sample[field].numpy()
            assert got.shape == wanted.shape
            # One of the cameras was kept as it came from the loader, from 0 to 1.
            level = np.round(wanted * 255) if field == CROP else wanted
            np.testing.assert_array_equal(got, level, err_msg=field)


def test_floats_are_those_of_lerobot(real_data: Path) -> None:
    steps = lapsdata.open_steps(real_data / "lerobot_pick_v30", {CROP: [0]}, image_type="float32")
    with np.load(real_data / "lerobot_pick_v30_expected_samples.npz") as told:
        np.testing.assert_allclose(steps[300][CROP].numpy(), told[f"300/{CROP}"], rtol=0, atol=1e-7)


def test_the_last_row_of_gr00t_has_its_frame(real_data: Path) -> None:
    """Rows begin at 0.05 s and frames at 0: found by time, the last row would have none."""
    camera = "observation.images.ego_view"
    steps = lapsdata.open_steps(real_data / "gr00t_pick_n_place_v20", {camera: [0], "state.left_arm": [0]})
    assert (len(steps), steps.num_episodes) == (2096, 5)
    with pytest.warns(LapsWarning, match=r"episode 0: rows are 0\.05 s later than the frames that they count with"):
        sample = steps[415]
    assert sample["state.left_arm"].shape == (1, 7)
    assert sample["frame_index"] == 415
    assert steps.time_offset_s == {camera: 0.05}
    video = real_data / "gr00t_pick_n_place_v20/videos/chunk-000" / camera / "episode_000000.mp4"
    with open_video(video, pixels="rgb_quick") as reader:
        np.testing.assert_array_equal(sample[camera].numpy(), reader.at_index(415).image.transpose(2, 0, 1))


def test_av1_of_the_g1_set_and_its_missing_episodes(real_data: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", LapsWarning)
        steps = lapsdata.open_steps(real_data / "lerobot_g1_v21", {"observation.images.cam_high": [0]})
        assert [(span.number, span.stop - span.start) for span in steps.episodes] == [(1, 393), (29, 221), (31, 267)]
        assert steps[880]["observation.images.cam_high"].shape == (3, 480, 640)
    (note,) = steps.notes
    assert "got none for 97: 0, 2-28, 30, 32-99" in note


@pytest.mark.parametrize("name", ["lerobot_g1_v21", "gr00t_pick_n_place_v20", "lerobot_pick_v30"])
def test_features_are_those_of_the_file_word_by_word(name: str, real_data: Path) -> None:
    told = json.loads((real_data / name / "meta/info.json").read_text())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LapsWarning)
        steps = lapsdata.open_steps(real_data / name)
    there = [key for key in told["features"] if key in steps.features]
    assert {"action", "observation.state", *steps.meta.camera_keys} <= {*there}
    for key in there:
        said = told["features"][key]
        assert dict(steps.features[key]) == {"names": None} | said | {"shape": tuple(said["shape"])}
    counted = ("features", "total_episodes", "total_frames", "total_tasks")
    said = {key: steps.meta.info[key] for key in told if key not in counted}
    assert said == {key: one for key, one in told.items() if key not in counted}
    first = steps.episodes[0]
    assert steps.meta.episodes[first.number]["length"] == first.stop
