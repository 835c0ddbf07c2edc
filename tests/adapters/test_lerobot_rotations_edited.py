"""Rotations of sets rewritten on disk: the numbers by SciPy, and where all other parts lie then."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import lapsdata
from lapsdata.adapters import EpisodesEdit
from lapsdata.adapters.lerobot.editing import edit_sets
from lapsdata.adapters.lerobot.reading import read_set
from lapsdata.errors import CorruptDataError, SchemaError
from tests.adapters.by_hand_vectors import ROWS, STARTS, features_of, hands, parts_of, spelled, stored, write_vectors

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

RNG = np.random.default_rng(7)
PLACE, GRIPPER = RNG.uniform(-1, 1, (ROWS, 3)), RNG.uniform(0, 1, (ROWS, 1))
LEFT, RIGHT = hands(3), hands(4)
MODALITY: dict[str, Any] = {
    "state": {
        "place": {"start": 0, "end": 3},
        "turn": {"start": 3, "end": 7, "rotation_type": "quaternion"},
        "gripper": {"start": 7, "end": 8, "range": [0, 1]},
        "all": {"start": 0, "end": 8},
        "lost": {"start": 8, "end": 20},
    },
    "action": {"other": {"start": 0, "end": 3}},
    "video": {},
}


def vectors(*parts: NDArray[Any], dtype: Any = np.float32) -> NDArray[Any]:
    return np.concatenate(parts, axis=1).astype(dtype)


def rewritten(source: Path, target: Path, rotations: dict[str, str], to: Any = None, **edit: Any) -> dict[str, str]:
    told = edit_sets([source], target, to, EpisodesEdit(rotations=rotations, **edit))
    return {note.code: note.message for note in told.notes}


@pytest.fixture
def groot(tmp_path: Path) -> Path:
    columns = {
        "observation.state": vectors(PLACE, spelled(LEFT, "quaternion"), GRIPPER),
        "action": vectors(PLACE),
    }
    names = {"observation.state": {"motors": ["x", "y", "z", "qw", "qx", "qy", "qz", "grip"]}}
    return write_vectors(tmp_path / "a", columns, version="v2.0", modality=MODALITY, names=names)


def test_a_named_part_gets_longer_and_all_behind_it_moves_on(groot: Path, tmp_path: Path) -> None:
    told = rewritten(groot, tmp_path / "b", {"state.turn": "rotation_6d"})
    found = stored(tmp_path / "b", "observation.state")
    np.testing.assert_array_equal(found[:, [0, 1, 2, 9]], vectors(PLACE, GRIPPER))
    np.testing.assert_allclose(found[:, 3:9], spelled(LEFT, "rotation_6d"), atol=1e-6)
    after = json.loads((tmp_path / "b/meta/modality.json").read_text())
    assert after["state"] == {
        "place": {"start": 0, "end": 3},
        "turn": {"start": 3, "end": 9, "rotation_type": "rotation_6d"},
        "gripper": {"start": 9, "end": 10, "range": [0, 1]},
        "all": {"start": 0, "end": 10},
        "lost": {"start": 8, "end": 20},
    }
    assert after["action"] == MODALITY["action"]
    feature = features_of(tmp_path / "b")["observation.state"]
    six = [f"state.turn.rotation_6d.{at}" for at in range(6)]
    assert (feature["shape"], feature["names"]) == ([10], {"motors": ["x", "y", "z", *six, "grip"]})
    moved = "state.turn (observation.state[3:7]), quaternion (w, x, y, z), is rotation_6d at observation.state[3:9] now"
    assert told["rotation-rewritten"] == moved
    total = json.loads((tmp_path / "b/meta/stats.json").read_text())["observation.state"]
    np.testing.assert_allclose(total["mean"], found.astype(float).mean(0), atol=1e-12)
    assert len(total["q99"]) == 10
    # And back: the numbers, and what is said of them.
    rewritten(tmp_path / "b", tmp_path / "c", {"state.turn": "quaternion"})
    np.testing.assert_allclose(
        stored(tmp_path / "c", "observation.state"), stored(groot, "observation.state"), atol=1e-6
    )
    again = json.loads((tmp_path / "c/meta/modality.json").read_text())
    assert again == MODALITY
    assert features_of(tmp_path / "c")["observation.state"]["names"]["motors"][3] == "state.turn.quaternion.w"


@pytest.mark.parametrize("target", ["rotation_6d", "axis_angle", "matrix", "euler_angles_rpy"])
def test_samples_are_those_of_the_source_opened_so(groot: Path, tmp_path: Path, target: str) -> None:
    rewritten(groot, tmp_path / "b", {"state.turn": target})
    fields, deltas = ["state.turn", "state.gripper", "action"], {"state.turn": [-0.1, 0.0]}
    wanted = lapsdata.open_steps(groot, deltas, fields=fields, rotations={"state.turn": target}).gather(range(ROWS))
    found = lapsdata.open_steps(tmp_path / "b", deltas, fields=fields).gather(range(ROWS))
    for name in fields:
        np.testing.assert_array_equal(found[name], wanted[name], err_msg=name)


@pytest.mark.parametrize("version", ["v2.1", "v3.0"])
def test_parts_without_a_name_are_told_by_their_numbers(tmp_path: Path, version: str) -> None:
    state = vectors(spelled(LEFT, "quaternion_xyzw"), PLACE, spelled(RIGHT, "quaternion_xyzw"), dtype=np.float64)
    names = {"observation.state": list("abcdefghijk")}
    root = write_vectors(tmp_path / "a", {"observation.state": state}, version=version, names=names, fixed=False)
    asked = {
        "observation.state[7:]": "quaternion_xyzw:axis_angle",
        "observation.state[:4]": "quaternion_xyzw:rotation_6d",
    }
    told = rewritten(root, tmp_path / "b", asked)
    found = stored(tmp_path / "b", "observation.state")
    np.testing.assert_allclose(found[:, :6], spelled(LEFT, "rotation_6d"), atol=1e-12)
    np.testing.assert_array_equal(found[:, 6:9], PLACE)
    np.testing.assert_allclose(found[:, 9:], spelled(RIGHT, "axis_angle"), atol=1e-12)
    assert "quaternion (x, y, z, w), is rotation_6d at observation.state[0:6] now" in told["rotation-rewritten"]
    assert parts_of(tmp_path / "b", "observation.state") == [
        {"start": 0, "stop": 6, "rotation": "rotation_6d"}, {"start": 9, "stop": 12, "rotation": "axis_angle"},
    ]  # fmt: skip
    assert features_of(tmp_path / "b")["observation.state"]["names"] == [
        *(f"observation.state[0:6].rotation_6d.{at}" for at in range(6)), *"efg",
        *(f"observation.state[9:12].axis_angle.{axis}" for axis in "xyz"),
    ]  # fmt: skip
    # The parts have names now: samples, and another conversion, know what they are.
    part = "observation.state[0:6]"
    batch = lapsdata.open_steps(tmp_path / "b", fields=[part], rotations={part: "quaternion"}).gather(range(ROWS))
    np.testing.assert_allclose(batch[part], spelled(LEFT, "quaternion"), atol=1e-9)
    rewritten(tmp_path / "b", tmp_path / "c", {part: "euler_angles_rpy"})
    np.testing.assert_allclose(
        stored(tmp_path / "c", "observation.state")[:, :3], spelled(LEFT, "euler_angles_rpy"), atol=1e-9
    )
    told_names = features_of(tmp_path / "c")["observation.state"]["names"]
    assert told_names[:3] == [f"observation.state[0:3].euler_angles_rpy.{one}" for one in ("roll", "pitch", "yaw")]
    assert [one["start"] for one in parts_of(tmp_path / "c", "observation.state")] == [0, 6]


def test_what_modality_says_of_an_order_can_be_overruled_and_is_told(tmp_path: Path) -> None:
    wrong = vectors(PLACE, spelled(LEFT, "quaternion_xyzw"), GRIPPER)
    root = write_vectors(tmp_path / "x", {"observation.state": wrong, "action": vectors(PLACE)}, modality=MODALITY)
    told = rewritten(root, tmp_path / "c", {"state.turn": "quaternion_xyzw:quaternion"})
    assert "quaternion (x, y, z, w), is quaternion (w, x, y, z) at" in told["rotation-rewritten"]
    np.testing.assert_allclose(
        stored(tmp_path / "c", "observation.state")[:, 3:7], spelled(LEFT, "quaternion"), atol=1e-6
    )


@pytest.mark.parametrize("sense", ["relative", "delta"])
def test_actions_become_steps_of_rotations_that_nobody_named(tmp_path: Path, sense: str) -> None:
    """One command says how hands are stored, makes actions steps from them, and rewrites both."""
    columns = {
        "observation.state": vectors(PLACE, spelled(LEFT, "quaternion_xyzw"), GRIPPER, dtype=np.float64),
        "action": vectors(2 * PLACE, spelled(RIGHT, "quaternion_xyzw"), GRIPPER, dtype=np.float64),
    }
    root = write_vectors(tmp_path / "a", columns)
    asked = {f"{name}[3:7]": "quaternion_xyzw:rotation_6d" for name in columns}
    rewritten(root, tmp_path / "b", asked, actions={"action[0:7]": sense})
    found, first = stored(tmp_path / "b", "action"), np.arange(ROWS) == STARTS
    moving = sense == "delta"
    places = np.where(first[:, None] | (not moving), PLACE, np.roll(2 * PLACE, 1, axis=0))
    np.testing.assert_allclose(found[:, :3], 2 * PLACE - places, atol=1e-12)
    matrices = np.where(first[:, None, None] | (not moving), LEFT.as_matrix(), np.roll(RIGHT.as_matrix(), 1, axis=0))
    wanted = np.swapaxes(matrices, 1, 2) @ RIGHT.as_matrix()
    np.testing.assert_allclose(found[:, 3:9], wanted[:, :2].reshape(-1, 6), atol=1e-9)
    np.testing.assert_array_equal(found[:, 9:], GRIPPER)
    state = {"feature": "observation.state"}
    assert parts_of(tmp_path / "b") == [
        {"start": 0, "stop": 3, "steps": sense, "state": {**state, "start": 0, "stop": 3}},
        {"start": 3, "stop": 9, "rotation": "rotation_6d", "steps": sense,
         "state": {**state, "start": 3, "stop": 9, "rotation": "rotation_6d"}},
    ]  # fmt: skip
    # The way back, in steps of its own: the rotation of the state is rewritten meanwhile.
    rewritten(tmp_path / "b", tmp_path / "c", {"observation.state[3:9]": "axis_angle"})
    assert parts_of(tmp_path / "c")[1]["state"] == {**state, "start": 3, "stop": 6, "rotation": "axis_angle"}
    rewritten(tmp_path / "c", tmp_path / "d", {"action[3:9]": "quaternion"}, actions={"action": "absolute"})
    back = stored(tmp_path / "d", "action")
    np.testing.assert_allclose(back, vectors(2 * PLACE, spelled(RIGHT, "quaternion"), GRIPPER), atol=1e-6)
    assert parts_of(tmp_path / "d") == [{"start": 3, "stop": 7, "rotation": "quaternion"}]


def test_another_version_still_knows_what_modality_said(groot: Path, tmp_path: Path) -> None:
    told = rewritten(groot, tmp_path / "b", {"state.turn": "matrix"}, "lerobot-3.0")
    assert "meta/modality.json" in told["left-behind"]
    groups = read_set(tmp_path / "b").episodes.header.groups
    assert [(one.name, one.rotation) for one in groups] == [("observation.state[3:12]", "matrix")]


def test_angles_that_are_not_unique_are_counted_and_not_shown(tmp_path: Path) -> None:
    straight_up = np.tile([0, np.pi / 2, 0], (ROWS, 1))
    straight_up[4:] = 0
    root = write_vectors(tmp_path / "a", {"observation.state": straight_up})
    asked = {"observation.state": "axis_angle:euler_angles_rpy"}
    told = rewritten(root, tmp_path / "b", asked)
    assert told["gimbal-lock"] == "angles are not unique in some rows of 1 episodes: the third one is 0 there"


@pytest.mark.parametrize(
    ("names", "left"),
    [
        (None, False),
        (["a", "b", "c"], False),
        ({"x": ["a"], "y": ["b", "c"]}, False),
        (["a", "b"], True),
        ([1, 2, 3], True),
    ],
)
def test_names_are_those_of_the_new_numbers_or_none(tmp_path: Path, names: Any, left: bool) -> None:
    root = write_vectors(
        tmp_path / "a", {"observation.state": spelled(LEFT, "axis_angle")}, names={"observation.state": names}
    )
    told = rewritten(root, tmp_path / "b", {"observation.state": "axis_angle:quaternion"})
    assert ("names-left-out" in told) == left
    found = features_of(tmp_path / "b")["observation.state"]["names"]
    assert found == (None if left or names is None else [f"observation.state[0:4].quaternion.{one}" for one in "wxyz"])


@pytest.mark.parametrize(
    ("rotations", "edit", "message"),
    [
        ({"state.arm": "matrix"}, {}, r"rotation: state.arm: expected a vector of floats or a part of one, such as st"),
        ({"state.turn": "quaternion"}, {}, r"expected another form than that it has, got quaternion again"),
        ({"state.turn": "quaternion_wxyz"}, {}, r"expected another form than that it has, got quaternion_wxyz again"),
        ({"state.turn": "rpy"}, {}, r"expected one of axis_angle, quaternion, rotation_6d, .*, got rpy"),
        ({"state.turn": "rotation_6d_columns"}, {}, r"expected one of axis_angle, .*, got rotation_6d_columns"),
        ({"state.turn": "xyzw:matrix"}, {}, r"expected one of 'axis_angle', .*a form of convert_rotations, got 'xy"),
        ({"state.turn": "axis_angle:matrix"}, {}, r"expected 3 numbers of axis_angle, got 4"),
        ({"state.place": "matrix"}, {}, r"expected a part that the set calls a rotation, .* PART=quaternion_xyzw:rot"),
        ({"action": "rotation_6d:matrix"}, {}, r"expected rotation_6d_rows or _columns, got rotation_6d, which both"),
        ({"observation.state[4:8]": "quaternion:matrix"}, {}, r"expected quaternion_wxyz or quaternion_xyzw, got quat"),
        (
            {"state.place": "axis_angle:matrix", "observation.state[2:5]": "axis_angle:matrix"},
            {},
            r"none holds numbers of another, got observation.state\[0:3\] too",
        ),
        (
            {"observation.state[4:7]": "axis_angle:matrix"},
            {},
            r"within none, got state.turn at observation.state\[3:7\]",
        ),
        (
            {"state.turn": "matrix"},
            {"drop": ("observation.state",)},
            r"drop: expected a column that is rewritten to stay, got observation.state",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(
    groot: Path, tmp_path: Path, rotations: dict[str, str], edit: dict[str, Any], message: str
) -> None:
    with pytest.raises(SchemaError, match=message):
        rewritten(groot, tmp_path / "b", rotations, **edit)
    assert [one.name for one in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (2.0, SchemaError, r"episode 1: observation.state\[0:4\]: values: expected quaternions of length 1 .* item 3"),
        (np.nan, CorruptDataError, r"observation.state\[0:4\]: expected finite numbers, .* first in row 3"),
    ],
)
def test_rows_that_are_no_rotation_are_named(
    tmp_path: Path, value: float, error: type[Exception], message: str
) -> None:
    state = spelled(LEFT, "quaternion")
    state[7] = value
    root = write_vectors(tmp_path / "a", {"observation.state": state})
    with pytest.raises(error, match=message):
        rewritten(root, tmp_path / "b", {"observation.state": "quaternion_wxyz:matrix"})
