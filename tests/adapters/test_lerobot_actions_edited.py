"""Actions of sets converted on disk: as steps from states or from one another, and back; what the set says of it."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis.extra.numpy as hnp
import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lapsdata
from lapsdata.adapters import EpisodesEdit
from lapsdata.adapters.lerobot.editing import edit_sets
from lapsdata.adapters.lerobot.reading import read_set
from lapsdata.errors import CorruptDataError, LapsError, SchemaError
from tests.adapters.by_hand_vectors import (
    ROWS,
    STARTS,
    features_of,
    hands,
    parts_of,
    spelled,
    stored,
    write_vectors,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

RNG = np.random.default_rng(0)
STATE = RNG.uniform(-2, 2, (ROWS, 4)).astype(np.float32)
ACTION = RNG.uniform(-2, 2, (ROWS, 4)).astype(np.float32)
VECTORS = {"observation.state": STATE, "action": ACTION}
# A hand of GR00T: where it is, how it is turned, and a gripper that stays absolute.
HAND, GOAL = hands(1), hands(2)
MODALITY: dict[str, Any] = {
    "state": {"hand": {"start": 0, "end": 3}, "turn": {"start": 3, "end": 7, "rotation_type": "quaternion"}},
    "action": {
        "hand": {"start": 1, "end": 4},
        "turn": {"start": 4, "end": 7, "rotation_type": "axis_angle", "absolute": True},
        "gripper": {"start": 0, "end": 1},
    },
    "video": {},
}


def hand_vectors(dtype: Any = np.float32) -> dict[str, NDArray[Any]]:
    state = np.concatenate([STATE[:, :3], spelled(HAND, "quaternion")], axis=1)
    action = np.concatenate([ACTION[:, :1], ACTION[:, 1:4], spelled(GOAL, "axis_angle")], axis=1)
    return {"observation.state": state.astype(dtype), "action": action.astype(dtype)}


def converted(
    source: Path, target: Path, actions: dict[str, str] | None = None, to: Any = None, **edit: Any
) -> dict[str, str]:
    """Convert, and return what was told, by code."""
    told = edit_sets([source], target, to, EpisodesEdit(actions=actions or {}, **edit))
    return {note.code: note.message for note in told.notes}


def before(values: NDArray[Any], states: NDArray[Any]) -> NDArray[Any]:
    """What each action is a delta from: the action of the row before, of the first row of an episode its state."""
    first = np.arange(ROWS) == STARTS
    return np.where(first[:, None], states, np.roll(values, 1, axis=0))


@settings(max_examples=5)
@given(
    state=hnp.arrays(np.float32, (ROWS, 3), elements=st.floats(-8, 8, width=32)),
    action=hnp.arrays(np.float32, (ROWS, 3), elements=st.floats(-8, 8, width=32)),
    version=st.sampled_from(["v2.0", "v2.1", "v3.0"]),
    sense=st.sampled_from(["relative", "delta"]),
    fixed=st.booleans(),
)
def test_steps_are_differences_and_places_come_back(
    state: NDArray[Any], action: NDArray[Any], version: str, sense: str, fixed: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        columns = {"observation.state": state, "action": action}
        root = write_vectors(Path(folder) / "a", columns, version=version, fixed=fixed)
        converted(root, Path(folder) / "b", {"action": sense})
        steps = stored(Path(folder) / "b", "action")
        origins = state if sense == "relative" else before(action, state)
        np.testing.assert_array_equal(steps, action - origins)
        np.testing.assert_array_equal(stored(Path(folder) / "b", "observation.state"), state)
        assert read_set(Path(folder) / "b", strict=True).version == version
        converted(Path(folder) / "b", Path(folder) / "c", {"action": "absolute"})
        # Half a last place of every step that is added up.
        most = 16 * np.finfo(np.float32).eps * (1 if sense == "relative" else 7)
        np.testing.assert_allclose(stored(Path(folder) / "c", "action"), action, rtol=0, atol=most)
        assert features_of(Path(folder) / "c") == features_of(root)


@pytest.mark.parametrize("sense", ["relative", "delta"])
@pytest.mark.parametrize("version", ["v2.0", "v3.0"])
def test_rotations_are_composed_and_come_back(tmp_path: Path, sense: str, version: str) -> None:
    root = write_vectors(tmp_path / "a", hand_vectors(), version=version, modality=MODALITY)
    told = converted(root, tmp_path / "b", {"action.hand": sense, "turn": sense})
    steps, plain = stored(tmp_path / "b", "action"), hand_vectors()
    np.testing.assert_array_equal(steps[:, 0], ACTION[:, 0])
    states = plain["observation.state"][:, :3]
    origins = states if sense == "relative" else before(plain["action"][:, 1:4], states)
    np.testing.assert_array_equal(steps[:, 1:4], plain["action"][:, 1:4] - origins)
    first = np.arange(ROWS) == STARTS
    matrices = np.roll(GOAL.as_matrix(), 1, axis=0)
    own = HAND.as_matrix()
    from_ = own if sense == "relative" else np.where(first[:, None, None], own, matrices)
    wanted = np.swapaxes(from_, 1, 2) @ GOAL.as_matrix()
    got = type(GOAL).from_rotvec(steps[:, 4:7].astype(float)).as_matrix()
    np.testing.assert_allclose(got, wanted, atol=1e-6)
    assert "action.turn (action[4:7]), composed as rotations, is" in told[f"actions-{sense}"]
    after = json.loads((tmp_path / "b/meta/modality.json").read_text())
    assert {name: one.get("absolute") for name, one in after["action"].items()} == {
        "hand": False, "turn": False, "gripper": None,
    }  # fmt: skip
    assert after["state"] == MODALITY["state"]
    converted(tmp_path / "b", tmp_path / "c", {"hand": "absolute", "turn": "absolute"})
    np.testing.assert_allclose(stored(tmp_path / "c", "action"), plain["action"], atol=3e-6)
    again = json.loads((tmp_path / "c/meta/modality.json").read_text())
    assert [again["action"][name]["absolute"] for name in ("hand", "turn")] == [True, True]


def test_samples_are_those_of_the_source_opened_relative(tmp_path: Path) -> None:
    root = write_vectors(tmp_path / "a", hand_vectors(), modality=MODALITY)
    asked = {"action.hand": "state.hand", "action.turn": "state.turn"}
    converted(root, tmp_path / "b", dict.fromkeys(asked, "relative"))
    names = [*asked, "action.gripper", "state.turn"]
    wanted = lapsdata.open_steps(root, relative=asked, fields=names).gather(range(ROWS))
    found = lapsdata.open_steps(tmp_path / "b", fields=names).gather(range(ROWS))
    for name in names:
        np.testing.assert_array_equal(found[name], wanted[name], err_msg=name)
    # Steps of rotations in another form: the same steps, rewritten.
    forms = {"action.turn": "rotation_6d", "state.turn": "matrix"}
    converted(root, tmp_path / "e", dict.fromkeys(asked, "relative"), rotations=forms)
    wanted = lapsdata.open_steps(root, relative=asked, rotations=forms, fields=names).gather(range(ROWS))
    found = lapsdata.open_steps(tmp_path / "e", fields=names).gather(range(ROWS))
    for name in names:
        np.testing.assert_array_equal(found[name], wanted[name], err_msg=name)
    plain = write_vectors(tmp_path / "c", VECTORS)
    converted(plain, tmp_path / "d", {"action": "relative"})
    wanted = lapsdata.open_steps(plain, relative={"action": "observation.state"}).gather(range(ROWS))
    found = lapsdata.open_steps(tmp_path / "d").gather(range(ROWS))
    for name in wanted:
        np.testing.assert_array_equal(found[name], wanted[name], err_msg=name)


def test_the_set_says_what_its_numbers_are_and_steps_are_no_steps_again(tmp_path: Path) -> None:
    root = write_vectors(tmp_path / "a", VECTORS)
    converted(root, tmp_path / "b", {"action[0:2]": "relative", "action[3:]": "delta:observation.state[1:2]"})
    state = {"feature": "observation.state"}
    assert parts_of(tmp_path / "b") == [
        {"start": 0, "stop": 2, "steps": "relative", "state": {**state, "start": 0, "stop": 2}},
        {"start": 3, "stop": 4, "steps": "delta", "state": {**state, "start": 1, "stop": 2}},
    ]
    steps = stored(tmp_path / "b", "action")
    np.testing.assert_array_equal(steps[:, :2], ACTION[:, :2] - STATE[:, :2])
    np.testing.assert_array_equal(steps[:, 2], ACTION[:, 2])
    np.testing.assert_array_equal(steps[:, 3:], ACTION[:, 3:] - before(ACTION[:, 3:], STATE[:, 1:2]))
    opened = lapsdata.open_steps(tmp_path / "b")
    assert opened.specification.steps == {"action[0:2]": "relative", "action[3:4]": "delta"}
    (note,) = [note for note in opened.meta.notes if note.code == "actions-are-steps"]
    assert "action[0:2] is relative, from observation.state[0:2]; action[3:4] is delta" in note.message
    with pytest.raises(SchemaError, match=r"got one that is a step already: action\[0:2\], action\[3:4\]"):
        lapsdata.open_steps(tmp_path / "b", relative={"action": "observation.state"})
    with pytest.raises(SchemaError, match=r"expected actions that are places, got steps already: action\[0:2\]"):
        converted(tmp_path / "b", tmp_path / "c", {"action[1:3]": "delta"})
    # What was trained on places is not judged on steps, nor the other way round.
    with pytest.raises(SchemaError, match=r"steps: expected .*:\"relative\".*, got nothing; .* --actions makes"):
        lapsdata.open_steps(root).require(opened.specification)
    with pytest.raises(SchemaError, match=r"steps: expected nothing, got {\"action\[0:2\]\":\"relative\""):
        opened.require(lapsdata.open_steps(root).specification)
    # Parts can become places one by one.
    converted(tmp_path / "b", tmp_path / "c", {"action[0:2]": "absolute"})
    assert [one["start"] for one in parts_of(tmp_path / "c")] == [3]
    np.testing.assert_allclose(stored(tmp_path / "c", "action")[:, :3], ACTION[:, :3], atol=1e-6)


@pytest.mark.parametrize("version", ["v2.0", "v2.1", "v3.0"])
def test_statistics_are_those_of_the_new_rows(tmp_path: Path, version: str) -> None:
    root = write_vectors(tmp_path / "a", VECTORS, version=version)
    converted(root, tmp_path / "b", {"action": "delta"})
    steps = stored(tmp_path / "b", "action").astype(np.float64)
    told = lapsdata.open_steps(tmp_path / "b").meta.stats
    ends = {"min": steps.min(0), "q99": np.quantile(steps, 0.99, axis=0)}
    for kind, wanted in {"mean": steps.mean(0), "std": steps.std(0), **ends}.items():
        np.testing.assert_allclose(told["action"][kind], wanted, atol=1e-12, err_msg=kind)
    np.testing.assert_allclose(told["observation.state"]["mean"], STATE.astype(np.float64).mean(0), atol=1e-12)


def test_all_else_goes_along(tmp_path: Path) -> None:
    """Episodes are chosen, columns renamed and another version is written in the same conversion."""
    root = write_vectors(tmp_path / "a", VECTORS, names={"action": list("abcd")})
    renamed = {"action": "act", "observation.state": "state"}
    told = converted(root, tmp_path / "b", {"action": "relative"}, "lerobot-3.0", episodes="1:", rename=renamed)
    np.testing.assert_array_equal(stored(tmp_path / "b", "act"), (ACTION - STATE)[4:])
    assert parts_of(tmp_path / "b", "act")[0]["state"]["feature"] == "state"
    assert features_of(tmp_path / "b")["act"]["names"] == list("abcd")
    assert told["actions-relative"].startswith("action[0:4] is relative now, from observation.state[0:4]")
    converted(tmp_path / "b", tmp_path / "c", {"act": "absolute"})
    np.testing.assert_allclose(stored(tmp_path / "c", "act"), ACTION[4:], atol=1e-6)
    # Without its state, an action stays what it is, and it is said that no way leads back.
    told = converted(tmp_path / "b", tmp_path / "d", drop=("state",))
    assert told["state-dropped"] == "act[0:4] is relative from state, which is left out"
    assert "state" not in parts_of(tmp_path / "d", "act")[0]
    (note,) = [one for one in read_set(tmp_path / "d").notes if one.code == "actions-are-steps"]
    assert note.message.endswith("act[0:4] is relative, from a state that is not there")
    with pytest.raises(SchemaError, match=r"expected the state that act\[0:4\] is from in the set, got none"):
        converted(tmp_path / "d", tmp_path / "e", {"act": "absolute"})


def test_files_of_rows_keep_their_kind_and_what_they_note(tmp_path: Path) -> None:
    root = write_vectors(tmp_path / "a", hand_vectors(np.float64), modality=MODALITY, fixed=False)
    converted(root, tmp_path / "b", {"turn": "relative"}, rotations={"action.turn": "rotation_6d"})
    one, other = (pq.read_table(folder / "data/chunk-000/episode_000000.parquet") for folder in (root, tmp_path / "b"))
    assert other.schema.equals(one.schema)
    noted = {key: json.loads(value) if key == b"huggingface" else value for key, value in other.schema.metadata.items()}
    assert noted[b"mine"] == b"kept"
    lengths = {name: told["length"] for name, told in noted[b"huggingface"]["info"]["features"].items()}
    assert lengths == {"observation.state": 7, "action": 10}
    assert len(other.column("action")[0]) == 10


@pytest.mark.parametrize(("sense", "other"), [("relative", "relative"), ("delta", "absolute")])
def test_sets_that_are_merged_have_actions_alike(tmp_path: Path, sense: str, other: str) -> None:
    one, two = (write_vectors(tmp_path / name, VECTORS) for name in "ab")
    converted(one, tmp_path / "c", {"action": sense})
    if other != "absolute":
        converted(two, tmp_path / "d", {"action": other})
        edit_sets([tmp_path / "c", tmp_path / "d"], tmp_path / "e", None, EpisodesEdit())
        assert parts_of(tmp_path / "e") == parts_of(tmp_path / "c")
    else:
        message = (
            r"expected float32 \(4,\), 0:4 delta from observation.state 0:4 as in.*; bring one of them to the other"
        )
        with pytest.raises(SchemaError, match=message):
            edit_sets([tmp_path / "c", two], tmp_path / "e", None, EpisodesEdit())
    edit_sets([one, two], tmp_path / "f", None, EpisodesEdit(actions={"action": sense}))
    np.testing.assert_array_equal(stored(tmp_path / "f", "action")[:ROWS], stored(tmp_path / "c", "action"))
    np.testing.assert_array_equal(stored(tmp_path / "f", "action")[ROWS:], stored(tmp_path / "c", "action"))


def test_groot_gets_a_part_for_each_kind_of_numbers(tmp_path: Path) -> None:
    root = write_vectors(tmp_path / "a", VECTORS)
    told = converted(root, tmp_path / "b", {"action[0:3]": "relative"})
    told = converted(tmp_path / "b", tmp_path / "c", to="gr00t")
    assert told["modality-made"].endswith("names no parts of its vectors: state, action_0_3, action_3_4")
    made = json.loads((tmp_path / "c/meta/modality.json").read_text())
    assert {name: (one["start"], one["end"], one.get("absolute")) for name, one in made["action"].items()} == {
        "action_0_3": (0, 3, False), "action_3_4": (3, 4, None),
    }  # fmt: skip
    groups = {group.name: group for group in read_set(tmp_path / "c").episodes.header.groups}
    assert groups["action.action_0_3"].steps == "relative"
    # A part of both kinds is neither, as modality.json has one word for it.
    (root / "meta/modality.json").write_text(json.dumps({"action": {"all": {"start": 0, "end": 4, "absolute": True}}}))
    told = converted(root, tmp_path / "d", {"action[0:3]": "relative"})
    assert told["parts-mixed"].startswith("action.all hold both places and steps")
    after = json.loads((tmp_path / "d/meta/modality.json").read_text())
    assert after["action"]["all"] == {"start": 0, "end": 4}


def test_robomimic_has_no_word_for_steps(tmp_path: Path) -> None:
    from lapsdata.adapters.robomimic.writing import write

    converted(write_vectors(tmp_path / "a", VECTORS), tmp_path / "b", {"action": "relative"})
    notes = write(tmp_path / "demo.hdf5", read_set(tmp_path / "b").episodes, root=tmp_path / "b").notes
    (left,) = [note.message for note in notes if note.code == "left-behind"]
    assert "that actions are steps and not places ('action[0:4]')" in left


def _named(**features: Any) -> dict[str, Any]:
    return {"names": features}


@pytest.mark.parametrize(
    ("actions", "more", "message"),
    [
        ({"arm": "relative"}, {}, r"actions: arm: expected a vector of floats or a part of one, such as observation"),
        ({"action[2:5]": "delta"}, {}, r"expected numbers within 0:4 of action, got 2:5"),
        ({"action[2:2]": "delta"}, {}, r"within 0:4 of action, got 2:2: a part begins before it ends"),
        ({"next.reward": "delta"}, {}, r"next.reward: expected a vector of floats"),
        ({"action": "relative", "action[1:2]": "delta"}, {}, r"none holds numbers of another, got action\[0:4\] too"),
        ({"action": "absolute"}, {}, r"expected actions that are steps, got none that the set calls so"),
        ({"action": "relative:state.arm"}, {}, r"expected a vector of floats or a part of one, .* got state.arm"),
        ({"action": "relative:observation.state[1:3]"}, {}, r"expected a state of 4 numbers, got observation.state\[1"),
        ({"observation.state": "relative"}, {}, r"expected a state of the same name, got none; name it: PART=relative"),
        (
            {"action": "relative", "observation.state": "delta:action"},
            {},
            r"expected a state that stays, got observation.state\[0:4\]",
        ),
        (
            {"action": "relative"},
            _named(action=list("abcd"), **{"observation.state": list("abdc")}),
            r"observation.state of the same numbers, \(4,\) \['a', 'b', 'c', 'd'\], got",
        ),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, actions: dict[str, str], more: dict[str, Any], message: str) -> None:
    root = write_vectors(tmp_path / "a", VECTORS, **more)
    with pytest.raises(SchemaError, match=message):
        converted(root, tmp_path / "b", actions)
    assert not (tmp_path / "b").exists()


GROOT: dict[str, Any] = {
    "state": {"arm": {"start": 2, "end": 4}, "hand": {"start": 0, "end": 2}, "turn": {"start": 0, "end": 3}},
    "action": {
        "arm": {"start": 0, "end": 2},
        "hand": {"start": 2, "end": 4},
        "turn": {"start": 0, "end": 3, "rotation_type": "axis_angle"},
        "old": {"start": 3, "end": 4, "absolute": False},
        "alone": {"start": 1, "end": 2},
    },
}


@pytest.mark.parametrize(
    ("actions", "message"),
    [
        ({"action[0:2]": "relative"}, r"got others: action.arm beside state.arm; name each"),
        ({"alone": "relative"}, r"actions: alone: expected a state of the same name, got none"),
        ({"old": "relative"}, r"expected actions that are places, got steps already: action.old"),
        ({"old": "absolute"}, r"got action.old, of which it is not told what they are steps from"),
        (
            {"turn": "delta"},
            r"expected a rotation as the state of action\[0:3\], got observation.state\[0:3\], which is",
        ),
        ({"arm": "relative"}, r"expected whole rotations, got action\[0:3\], of which a part is in it"),
    ],
)
def test_parts_of_groot_that_do_not_fit_are_refused(tmp_path: Path, actions: dict[str, str], message: str) -> None:
    root = write_vectors(tmp_path / "a", VECTORS, modality=GROOT)
    with pytest.raises(SchemaError, match=message):
        converted(root, tmp_path / "b", actions)


def test_numbers_beside_rotations_and_rotations_that_lie_in_each_other(tmp_path: Path) -> None:
    turn = {"start": 0, "end": 3, "rotation_type": "axis_angle"}
    root = write_vectors(tmp_path / "a", VECTORS, modality={"state": {"turn": turn}, "action": {}})
    with pytest.raises(
        SchemaError, match=r"no rotation as the state of action\[0:4\], got observation.state\[0:3\], which is one"
    ):
        converted(root, tmp_path / "b", {"action": "relative"})
    other = {"turn": turn, "late": {**turn, "start": 1, "end": 4}}
    (root / "meta/modality.json").write_text(json.dumps({"state": {}, "action": other}))
    with pytest.raises(SchemaError, match=r"expected whole rotations, got action\[1:4\], of which a part"):
        converted(root, tmp_path / "b", {"action": "relative"})


@pytest.mark.parametrize("sense", ["relative", "delta"])
@pytest.mark.parametrize("name", ["action", "observation.state"])
def test_numbers_that_could_not_be_found_again_are_refused(tmp_path: Path, sense: str, name: str) -> None:
    holed = {**VECTORS, name: VECTORS[name].copy()}
    holed[name][6, 1] = np.nan
    root = write_vectors(tmp_path / "a", holed)
    message = rf"episode 1: {name}\[0:4\]: expected finite numbers, got others in 1 rows, first in row 2; correct them"
    with pytest.raises(CorruptDataError, match=message):
        converted(root, tmp_path / "b", {"action": sense})
    assert [one.name for one in tmp_path.iterdir()] == ["a"]
    converted(root, tmp_path / "b", {"action": sense}, without_episodes="1")
    assert np.isfinite(stored(tmp_path / "b", "action")).all()


@pytest.mark.parametrize(
    ("columns", "error", "message"),
    [
        ({"action": np.full((ROWS, 4), 3e38, np.float32), "observation.state": np.full((ROWS, 4), -3e38, np.float32)},
         CorruptDataError, r"episode 0: action\[0:4\]: expected relative actions that float32 can hold, got others"),
        ({"action": ACTION.astype(np.float16), "observation.state": STATE}, SchemaError, r"expected a vector of"),
    ],
)  # fmt: skip
def test_numbers_that_have_no_steps_are_refused(
    tmp_path: Path, columns: dict[str, Any], error: type[LapsError], message: str
) -> None:
    root = write_vectors(tmp_path / "a", columns)
    with pytest.raises(error, match=message):
        converted(root, tmp_path / "b", {"action": "relative"})


def test_a_file_whose_vectors_are_shorter_is_named(tmp_path: Path) -> None:
    root = write_vectors(tmp_path / "a", VECTORS)
    path = root / "data/chunk-000/episode_000002.parquet"
    pq.write_table(pq.read_table(root / "data/chunk-000/episode_000002.parquet").drop_columns(["action"]), path)
    table = pq.read_table(path).append_column("action", pq.read_table(path).column("next.reward"))
    pq.write_table(table, path)
    with pytest.raises(SchemaError, match=r"episode 2: action: expected vectors of at least 4 numbers, got \(\) in a"):
        converted(root, tmp_path / "b", {"action": "delta"})


@pytest.mark.parametrize("actions", [{"action": "velocity"}, {"action": "relative:"}, {"action": "absolute:state"}])
def test_words_that_are_no_sense_are_refused(actions: dict[str, str]) -> None:
    with pytest.raises(SchemaError, match=r"actions\.action: expected text of the form"):
        EpisodesEdit(actions=actions)


def test_what_is_still_steps_is_told_of_the_new_set_and_no_more(tmp_path: Path) -> None:
    root = write_vectors(tmp_path / "a", VECTORS)
    converted(root, tmp_path / "b", {"action[0:2]": "relative", "action[3:]": "delta:observation.state[1:2]"})
    told = converted(tmp_path / "b", tmp_path / "c", {"action[0:2]": "absolute"})
    assert told["actions-are-steps"] == (
        "actions are steps and not places: action[3:4] is delta, from observation.state[1:2]"
    )
    assert "actions-are-steps" not in converted(tmp_path / "b", tmp_path / "d", drop=("action",))
    assert "actions-are-steps" not in converted(tmp_path / "c", tmp_path / "e", {"action": "absolute"})
    done = edit_sets([tmp_path / "b"], tmp_path / "f", None, EpisodesEdit(actions={"action": "absolute"}))
    assert done.settled == {"actions-are-steps"}
    assert edit_sets([root], tmp_path / "g", None, EpisodesEdit(actions={"action": "delta"})).settled == set()
    # Of several sources each has said it, and the set is told of once.
    both = edit_sets([tmp_path / "b", tmp_path / "b"], tmp_path / "h", None, EpisodesEdit())
    (note,) = [note for note in both.notes if note.code == "actions-are-steps"]
    assert "action[0:2] is relative, from observation.state[0:2]; action[3:4] is delta" in note.message
