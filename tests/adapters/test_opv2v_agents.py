"""Rules that ask for more agents than there are: how many there are, in which scenes, and what to ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lapsdata.adapters.opv2v.reading import read_opv2v
from lapsdata.adapters.opv2v.selection import FewAgents, few_agents
from lapsdata.containers import Views
from lapsdata.errors import SchemaError
from lapsdata.testing.opv2v_scenes import Opv2vScene, write_opv2v_yaml

if TYPE_CHECKING:
    from pathlib import Path

LARGE = Opv2vScene("train", "2021_08_22_21_41_24", ("641", "1000", "-1"), (69, 71), size=(16, 12), beams=(2, 4))
SMALL = Opv2vScene("train", "2021_08_23_12_58_19", ("5", "6"), (69,), size=(16, 12), beams=(2, 4))
OTHER = Opv2vScene("validate", "2021_09_09_13_20_58", ("7", "8"), (70, 72), size=(16, 12), beams=(2, 4))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("opv2v") / "root"
    write_opv2v_yaml(root, [LARGE, SMALL, OTHER])
    return root


def test_more_agents_than_any_scene_has_are_refused_with_what_is_there(root: Path) -> None:
    with pytest.raises(SchemaError, match="too-few-agents") as caught:
        read_opv2v(root, agents="7")
    first, *others = caught.value.problems
    assert (first.code, first.fix) == ("no-frames", None)
    assert "expected sets of frames, got none: 5 sets with too few agents" in first.message
    assert [(one.code, one.severity, one.message, one.fix) for one in others] == [
        (
            "too-few-agents",
            "error",
            "7 agents are asked for, and 3 of 3 sets of train have fewer: 2021_08_22_21_41_24 has 3, "
            "2021_08_23_12_58_19 has 2",
            "--agents train=2 keeps all of them, train=3 those with the most",
        ),
        (
            "too-few-agents",
            "error",
            "7 agents are asked for, and 2 of 2 sets of validate have fewer: 2021_09_09_13_20_58 has 2",
            "--agents validate=2 keeps all of them",
        ),
    ]


def test_a_split_that_loses_all_of_its_sets_is_a_warning(root: Path) -> None:
    adapted = read_opv2v(root, agents="train=2,validate=4")
    assert isinstance(adapted.container, Views)
    assert set(adapted.container.split) == {"train"}
    told = [(one.code, one.severity) for one in adapted.notes if one.code != "missing-image"]
    assert told == [("too-few-agents", "warning"), ("sets-left-out", "info")]
    with pytest.raises(SchemaError, match="4 agents are asked for, and 2 of 2 sets of validate have fewer"):
        read_opv2v(root, agents="train=2,validate=4", strict=True)


def test_a_split_that_loses_some_sets_is_what_the_rule_says(root: Path) -> None:
    adapted = read_opv2v(root, split="train", agents="3")
    (note,) = (one for one in adapted.notes if one.code == "too-few-agents")
    assert note.severity == "info"
    assert note.message == ("3 agents are asked for, and 1 of 3 sets of train have fewer: 2021_08_23_12_58_19 has 2")
    assert note.fix == "--agents train=2 keeps all of them"
    assert isinstance(adapted.container, Views)
    assert adapted.container.header.policies == {"sets_with_too_few_agents": 1}


@pytest.mark.parametrize("agents", [None, "1", "2", "train=2", "train=2:drawn@5,validate=1"])
def test_enough_agents_are_nothing_to_tell(root: Path, agents: str | None) -> None:
    assert [one.code for one in read_opv2v(root, agents=agents).notes] == ["missing-image"]


def test_frames_of_a_scene_may_have_unlike_numbers(root: Path, tmp_path: Path) -> None:
    write_opv2v_yaml(tmp_path, [LARGE])
    (tmp_path / "train" / LARGE.name / "-1" / "000071.yaml").unlink()
    with pytest.raises(SchemaError, match=rf"{LARGE.name} has 2 to 3; --agents train=2 keeps all of them, train=3 "):
        read_opv2v(tmp_path, agents="4")


@settings(max_examples=60, deadline=None)
@given(
    wanted=st.integers(1, 6),
    scenes=st.dictionaries(
        st.sampled_from("abcdefgh"), st.lists(st.integers(1, 6), min_size=1, max_size=5), min_size=1
    ),
)
def test_what_is_offered_keeps_what_it_says(wanted: int, scenes: dict[str, list[int]]) -> None:
    few = FewAgents(wanted, scenes)
    every = [count for counts in scenes.values() for count in counts]
    notes = few_agents({"train": few}, "root")
    if min(every) >= wanted:
        assert (notes, few.lost) == ([], 0)
        return
    (note,) = notes
    assert few.lost == sum(count < wanted for count in every)
    assert (note.severity == "warning") == (max(every) < wanted)
    assert f"{few.lost} of {len(every)} sets of train have fewer" in note.message
    assert note.fix is not None
    assert note.fix.startswith(f"--agents train={min(every)} keeps all of them")
    assert few_agents({"train": FewAgents(min(every), scenes)}, "root") == []
    lacking = [name for name, counts in scenes.items() if min(counts) < wanted]
    assert (f"and {len(lacking) - 3} more scenes" in note.message) == (len(lacking) > 3)
    assert all(f"{name} has" in note.message for name in lacking[:3])
