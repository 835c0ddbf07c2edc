"""What LeRobot calls the columns of others: its own names, each once, and what was asked for before all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.adapters.lerobot._names_of_others import lerobot_names
from lapsdata.adapters.lerobot.info import DEFAULTS
from lapsdata.errors import SchemaError

OF_ROBOMIMIC = {
    "actions": "action",
    "rewards": "next.reward",
    "dones": "next.done",
    "states": "states",
    "obs/robot0_eef_pos": "observation.robot0_eef_pos",
    "obs/datagen_info/eef_pose/franka": "observation.datagen_info.eef_pose.franka",
    "next_obs/robot0_eef_pos": "next.observation.robot0_eef_pos",
    "states/articulation/robot/root_pose": "states.articulation.robot.root_pose",
    "actions_abs": "actions_abs",
}
OF_ACT = {
    "action": "action",
    "base_action": "base_action",
    "observations/qpos": "observation.state",
    "observations/qvel": "observation.velocity",
    "observations/effort": "observation.effort",
    "observations/base/pose": "observation.base.pose",
}


@pytest.mark.parametrize("names", [OF_ROBOMIMIC, OF_ACT])
def test_columns_are_called_as_ports_of_lerobot_call_them(names: dict[str, str]) -> None:
    assert lerobot_names(list(names), [], {}) == names


def test_cameras_are_images_of_the_observation() -> None:
    names = {
        "obs/agentview_image": "observation.images.agentview_image",
        "obs/images/front": "observation.images.front",
        "next_obs/agentview_image": "next.observation.images.agentview_image",
        "observations/images/cam_high": "observation.images.cam_high",
        "render/front": "render.front",
    }
    assert lerobot_names([], list(names), {}) == names


def test_two_that_would_have_one_name_keep_their_own() -> None:
    assert lerobot_names(["action", "actions", "rewards"], [], {}) == {
        "action": "action",
        "actions": "actions",
        "rewards": "next.reward",
    }
    found = lerobot_names(["obs/qpos", "observations/qpos"], ["obs/top", "observations/images/top"], {})
    assert found["obs/top"] == "obs.top"
    assert found["observations/images/top"] == "observations.images.top"


def test_names_that_rows_have_anyway_are_those_of_the_source() -> None:
    assert lerobot_names(["timestamp", "task_index", "obs/index"], [], {}) == {
        "timestamp": "source.timestamp",
        "task_index": "source.task_index",
        "obs/index": "observation.index",
    }


def test_what_was_asked_for_counts_and_may_take_a_name_that_becomes_free() -> None:
    names = lerobot_names(["actions", "actions_abs"], [], {"actions": "action.delta", "actions_abs": "action"})
    assert names == {"actions": "action.delta", "actions_abs": "action"}


def test_all_that_is_wrong_with_names_is_told_at_once() -> None:
    wrong = {"a": "x", "b": "x", "c": "y/z", "d": "timestamp"}
    message = r"(?s)3 problems:.*x for 'a', 'b'.*c: .*y/z: LeRobot takes no.*d: .*timestamp: rows"
    with pytest.raises(SchemaError, match=message):
        lerobot_names(list(wrong), [], wrong)
    with pytest.raises(SchemaError, match=r"got obs\.a\.b for 'obs/a/b', 'obs/a\.b'; give one of them another"):
        lerobot_names(["obs/a/b", "obs/a.b"], [], {})


PARTS = st.sampled_from(["obs", "next_obs", "observations", "images", "qpos", "action", "actions", "index", "a"])
PATHS = st.lists(st.lists(PARTS, min_size=1, max_size=3).map("/".join), max_size=8, unique=True)


@given(paths=PATHS, shown=st.sets(st.integers(0, 7)))
def test_each_has_one_name_of_its_own(paths: list[str], shown: set[int]) -> None:
    cameras = [path for at, path in enumerate(paths) if at in shown]
    names = lerobot_names([path for path in paths if path not in cameras], cameras, {})
    assert names.keys() == set(paths)
    assert len(set(names.values())) == len(paths)
    assert not any("/" in name or name in DEFAULTS for name in names.values())
