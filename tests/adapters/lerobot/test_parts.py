"""What `info.json` says of parts of vectors: read beside the names of GR00T, and written."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import lapsdata
from lapsdata.adapters.lerobot.parts import read_parts, with_parts, written_parts
from lapsdata.adapters.lerobot.reading import read_set
from lapsdata.errors import SchemaError
from lapsdata.schema import Feature, Group
from lapsdata.testing.episode_sets import write_lerobot

if TYPE_CHECKING:
    from pathlib import Path

STATE = {"feature": "observation.state", "start": 0, "stop": 2}
RELATIVE = {"start": 0, "stop": 2, "steps": "relative", "state": STATE}
TURN = {"start": 0, "stop": 3, "rotation": "axis_angle"}


def said(root: Path, parts: Any, modality: dict[str, Any] | None = None) -> Path:
    """Write what is said of the action of a set."""
    path = root / "meta/info.json"
    info = json.loads(path.read_text())
    info["features"]["action"]["info"] = {"lapsdata": {"parts": parts}}
    path.write_text(json.dumps(info))
    if modality is not None:
        (root / "meta/modality.json").write_text(json.dumps(modality))
    return root


def test_parts_without_a_name_have_that_of_their_numbers(tmp_path: Path) -> None:
    root = said(write_lerobot(tmp_path / "set"), [RELATIVE, TURN])
    found = read_set(root, strict=True)
    assert [(one.name, one.steps, one.absolute, one.rotation) for one in found.episodes.header.groups] == [
        ("action[0:2]", "relative", False, None),
        ("action[0:3]", None, None, "axis_angle"),
    ]
    steps = lapsdata.open_steps(root, fields=["action[0:2]"])
    assert steps.gather([5])["action[0:2]"].tolist() == [[1.5, 1.5]]
    assert steps.specification.steps == {"action[0:2]": "relative"}
    assert lapsdata.open_steps(root, fields=["observation.state"]).specification.steps == {}
    # A part of a part counts from the start of what holds it.
    (root / "meta/modality.json").write_text(json.dumps({"action": {"late": {"start": 1, "end": 3}}}))
    assert lapsdata.open_steps(root, fields=["action.late"]).specification.steps == {"action.late[0:1]": "relative"}


def test_parts_of_groot_keep_their_names_and_contradictions_are_told(tmp_path: Path) -> None:
    parts = [RELATIVE | {"rotation": "axis_angle"}, {**TURN, "start": 2}]
    modality = {
        "action": {
            "arm": {"start": 0, "end": 2, "absolute": True, "rotation_type": "matrix"},
            "hand": {"start": 2, "end": 3, "rotation_type": "axis_angle"},
            "both": {"start": 0, "end": 3},
        }
    }
    found = read_set(said(write_lerobot(tmp_path / "set"), parts, modality))
    groups = {one.name: one for one in found.episodes.header.groups}
    assert list(groups) == ["action.arm", "action.hand", "action.both"]
    arm = groups["action.arm"]
    assert (arm.steps, arm.absolute, arm.rotation) == ("relative", False, "axis_angle")
    assert groups["action.hand"].steps is None
    told = [note.message for note in found.notes if note.code == "contradiction"]
    assert told == [
        "modality.json says absolute: true, and info.json says relative: the latter counts",
        "modality.json says matrix, and info.json says axis_angle: the latter counts",
    ]


def test_a_column_that_is_not_there_has_no_parts(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    root = said(write_lerobot(tmp_path / "set"), [RELATIVE])
    for path in (root / "data").rglob("*.parquet"):
        pq.write_table(pq.read_table(path).drop_columns(["action"]), path)
    found = read_set(root)
    assert found.episodes.header.groups == ()
    assert "actions-are-steps" not in {note.code for note in found.notes}


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({}, r"action: info: lapsdata: parts: expected a list of parts, got {}; correct it, or delete it"),
        ([3], r"parts: 0: expected an object of start, stop, rotation, steps, state, got 3"),
        ([TURN, {"start": 0}], r"parts: 1: .*stop"),
        ([RELATIVE | {"sense": "x"}], r"parts: 0: expected an object of start, stop, rotation, steps, state, got"),
        ([RELATIVE | {"steps": "velocity"}], r"parts: 0: .*relative.*velocity"),
        ([TURN | {"rotation": "rpy"}], r"parts: 0: .*axis_angle.*rpy"),
        ([TURN | {"stop": 4}], r"parts: 0: expected numbers of a vector of 3, got 0 to 4; correct it"),
        ([TURN | {"state": STATE}], r"parts: 0: .*expected a state of steps alone"),
        ([TURN, TURN], r"parts: 1: expected each part once, got action\[0:3\] again; put what is said of it together"),
        ([TURN | {"start": 3}], r"parts: 0: .*expected start < stop, got 3 and 3"),
    ],
)
def test_what_cannot_be_is_refused_with_its_place(tmp_path: Path, parts: Any, message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        read_set(said(write_lerobot(tmp_path / "set"), parts))


@pytest.mark.parametrize("info", [None, {}, {"lapsdata": None}, {"lapsdata": {"parts": None}}, {"lapsdata": 3}])
def test_nothing_is_said_where_nothing_stands(info: Any) -> None:
    features = [Feature(name="action", dtype="float32", shape=(3,))]
    parts, wrong = read_parts({"action": {"info": info}}, features)
    assert parts == ()
    assert bool(wrong) == (info not in (None, {}))


@given(
    st.lists(
        st.builds(
            lambda start, width, rotation, steps: Group(
                name="any", feature="action", start=start, stop=start + width, rotation=rotation,
                absolute=False if steps else None, steps=steps,
            ),
            st.integers(0, 5), st.integers(1, 4),
            st.sampled_from([None, "quaternion", "matrix"]), st.sampled_from([None, "relative", "delta"]),
        ),
        max_size=4,
        unique_by=lambda one: (one.start, one.stop),
    )
)  # fmt: skip
def test_what_is_written_is_read_again(parts: list[Group]) -> None:
    told = {"action": {"dtype": "float32", "info": {"nullable": False, "lapsdata": {"other": 1}}}, "b": {"x": None}}
    after = written_parts(told, parts)
    json.dumps(after)
    assert after["b"] == told["b"]
    assert after["action"]["info"]["nullable"] is False
    assert after["action"]["info"]["lapsdata"]["other"] == 1
    found, wrong = read_parts(after, [Feature(name="action", dtype="float32", shape=(9,))])
    assert not wrong
    wanted = {(one.start, one.stop, one.rotation, one.steps) for one in parts}
    assert len(found) == len(parts)
    assert {(one.start, one.stop, one.rotation, one.steps) for one in found} == wanted
    assert written_parts(after, []) == told
    assert len(with_parts([], found, "info.json")[0]) == len(found)
