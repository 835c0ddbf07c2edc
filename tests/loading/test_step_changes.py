"""What becomes of stored numbers, without files: order of the changes, dtypes, and what is counted."""

from __future__ import annotations

import pickle
import threading
from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from lapsdata.errors import SchemaError
from lapsdata.loading._step_changes import StepChanges, rotation_changes, states_of
from lapsdata.loading._step_transform import transform_name, transformed
from lapsdata.loading.source import BatchSpec, FieldSpec
from lapsdata.schema import Feature, FieldNormalisation, Group, RotationChange
from lapsdata.testing.samples import sample_episodes
from lapsdata.transforms.action_steps import Turning

F4 = np.dtype(np.float32)


def scale(low: float, high: float, clip: bool = False, size: int = 1) -> FieldNormalisation:
    values: dict[Any, tuple[float, ...]] = {"min": (low,) * size, "max": (high,) * size}
    return FieldNormalisation(mode="min_max", shape=(size,), values=values, clip=clip)


def test_what_a_batch_holds_afterwards() -> None:
    stored = BatchSpec(
        {
            "turn": FieldSpec((2, 3), F4),
            "wide": FieldSpec((1,), np.dtype(np.float64)),
            "count": FieldSpec((1,), np.dtype(np.int64), "rows"),
            "plain": FieldSpec((), np.dtype(bool)),
        }
    )
    changes = StepChanges(
        {"turn": RotationChange(source="axis_angle", target="matrix")},
        normalise={"wide": scale(0, 1), "count": scale(0, 1)},
    )
    found = changes.spec(stored)
    assert {name: (one.shape, one.dtype.name, one.unit) for name, one in found.items()} == {
        "turn": ((2, 9), "float32", None),
        "wide": ((1,), "float64", None),
        "count": ((1,), "float32", None),
        "plain": ((), "bool", None),
    }
    assert changes.names == {"turn", "wide", "count"}
    assert dict(StepChanges().spec(stored)) == dict(stored)


def test_differences_come_before_scales() -> None:
    changes = StepChanges(relative={"arm": "place"}, normalise={"arm": scale(-1, 3)})
    stored = {"arm": np.array([[[5.0], [7.0]], [[1.0], [0.0]]], np.float32)}
    batch = {"arm": np.empty((2, 2, 1), np.float32)}
    changes.apply(stored, {"arm": np.array([[4.0], [1.0]], np.float32)}, batch)
    assert batch["arm"].tolist() == [[[0], [1]], [[-0.5], [-1]]]


def test_rotations_come_before_scales_and_lost_ones_stay_lost() -> None:
    change = RotationChange(source="quaternion", target="axis_angle")
    changes = StepChanges({"turn": change}, normalise={"turn": scale(-np.pi, np.pi, size=3)})
    stored = {"turn": np.array([[0, 0, 0, 1], [np.nan, 0, 0, 1]], np.float32)}
    batch = {"turn": np.empty((2, 3), np.float32)}
    changes.apply(stored, {}, batch)
    np.testing.assert_allclose(batch["turn"][0], [0, 0, 1], atol=1e-6)
    assert np.isnan(batch["turn"][1]).all()
    with pytest.raises(SchemaError, match=r"turn: .*expected quaternions of length 1"):
        changes.apply({"turn": np.zeros((1, 4), np.float32)}, {}, {"turn": np.empty((1, 3), np.float32)})


def test_rotations_are_steps_before_they_are_rewritten() -> None:
    change = RotationChange(source="axis_angle", target="matrix")
    changes = StepChanges({"turn": change}, {"turn": "hand"}, {"turn": Turning("axis_angle", "quaternion")})
    stored = {"turn": np.array([[[0, 0, 0.5], [0, 0, 1]], [[0.25, 0, 0], [0, 0, 0]]], np.float32)}
    hand = Rotation.from_rotvec([[0, 0, 0.5], [0.25, 0, 0]])
    states = {"turn": hand.as_quat()[:, [3, 0, 1, 2]].astype(np.float32)}
    batch = {"turn": np.empty((2, 2, 9), np.float32)}
    changes.apply(stored, states, batch)
    wanted = Rotation.from_rotvec([[0, 0, 0], [0, 0, 0.5], [0, 0, 0], [-0.25, 0, 0]]).as_matrix()
    np.testing.assert_allclose(batch["turn"].reshape(4, 3, 3), wanted, atol=1e-6)


def test_what_rotations_are_steps_from_are_rotations_of_their_width() -> None:
    header = sample_episodes().header
    wide = Feature(name="action", dtype="float32", shape=(8,))
    groups = {
        "state.turn": Group(name="state.turn", feature="observation.state", start=0, stop=3, rotation="axis_angle"),
        "state.short": Group(name="state.short", feature="observation.state", start=0, stop=2, rotation="axis_angle"),
        "state.plain": Group(name="state.plain", feature="observation.state", start=0, stop=3),
        "action.turn": Group(name="action.turn", feature="action", start=4, stop=8, rotation="quaternion"),
        "action.step": Group(name="action.step", feature="action", start=0, stop=3, absolute=False, steps="delta"),
        "action.arm": Group(name="action.arm", feature="action", start=2, stop=4),
    }
    told = header.model_copy(update={"features": (*header.features, wide), "groups": tuple(groups.values())})
    stored = {name: FieldSpec((), F4) for name in [*groups, "observation.state", "action"]}
    asked = {"action.turn": "state.turn"}
    assert states_of(asked, told, stored) == (asked, {"action.turn": Turning("quaternion", "axis_angle")})
    for wrong, message in (
        ({"action.turn": "state.plain"}, r"whose difference is a step, got rotations: action\.turn"),
        ({"action.turn": "state.short"}, r"expected 4 floats of quaternion and 3 floats of axis_angle, got 4 and 2"),
        ({"action.arm": "observation.state"}, r"got rotations: state\.turn, state\.short; name each part"),
        ({"action.arm": "state.plain"}, r"expected an action that is a place, .* a step already: action\.step"),
    ):
        with pytest.raises(SchemaError, match=message):
            states_of(wrong, told, stored)


def test_threads_count_what_was_clipped_together() -> None:
    changes = StepChanges(normalise={"arm": scale(0, 2, clip=True)})
    stored = {"arm": np.array([[-1.0], [1.0], [2.0], [9.0]], np.float32)}
    threads = [
        threading.Thread(target=lambda: changes.apply(stored, {}, {"arm": np.empty((4, 1), np.float32)}))
        for _ in range(8)
    ]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert changes.clipped.get().counts == {"arm": 16}
    # Another process begins to count anew.
    assert pickle.loads(pickle.dumps(changes)).clipped.get().counts == {}


def test_a_form_that_is_there_already_is_no_change() -> None:
    header = sample_episodes().header
    turn = Group(name="state.turn", feature="observation.state", start=0, stop=3, rotation="axis_angle")
    told = header.model_copy(update={"groups": (*header.groups, turn)})
    assert rotation_changes({"state.turn": "axis_angle"}, told) == {}
    assert rotation_changes({"state.turn": "matrix"}, told)["state.turn"].source == "axis_angle"
    assert rotation_changes(None, told) == {}


def test_whole_numbers_have_no_differences() -> None:
    header = sample_episodes().header
    whole = Feature(name="buttons", dtype="int64", shape=(3,))
    told = header.model_copy(update={"features": (*header.features, whole)})
    stored = {one.name: FieldSpec(one.shape, np.dtype(one.dtype)) for one in told.features}
    with pytest.raises(SchemaError, match=r"buttons: expected a vector of floats, .*, got None and 3"):
        states_of({"buttons": "observation.state"}, told, stored)
    assert states_of({}, told, stored) == ({}, {})


def test_a_transform_changes_some_fields_in_place_or_not() -> None:
    class Double:
        name = "double"

        def __init__(self) -> None:
            self.parameters = {"by": object()}

        def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
            batch["one"] *= 2
            return {"one": batch["one"], "two": batch["two"] * 2}

    batch = {"one": np.ones(2), "two": np.ones(2), "three": np.ones(2)}
    transformed(Double(), batch)
    assert {name: array.tolist() for name, array in batch.items()} == {"one": [2, 2], "two": [2, 2], "three": [1, 1]}
    with pytest.raises(SchemaError, match=r"transform: .*parameters"):
        transform_name(Double())
