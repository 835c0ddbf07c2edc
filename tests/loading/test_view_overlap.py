"""Sets that two data sets have both are found by what they are, whatever file, split, order or cameras they have."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lapsdata.errors import LapsError, SchemaError
from lapsdata.formats import write
from lapsdata.loading import open_view_sets
from lapsdata.loading.view_training import open_split, open_splits
from lapsdata.schema import ViewSplit, ViewTraining
from lapsdata.testing.opv2v_scenes import Opv2vScene, write_opv2v
from tests.loading.views_by_hand import make_views, pose

if TYPE_CHECKING:
    from pathlib import Path

    from lapsdata.containers import Views


def shared(one: Views, other: Views, **told: Any) -> list[tuple[int, int]]:
    return open_view_sets(one, views=1, **told).shared_with(open_view_sets(other, views=1))


def training_of(**splits: dict[str, Any]) -> ViewTraining:
    made = {name: ViewSplit(**{"views": 1, "max_images": 4, **told}) for name, told in splits.items()}
    return ViewTraining(splits=made, epochs=2, rate=1e-3)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 3), min_size=1, max_size=8), st.data())
def test_those_are_shared_that_were_taken_twice(counts: list[int], data: st.DataObject) -> None:
    made = make_views(counts)
    places = st.lists(st.integers(0, len(counts) - 1), min_size=1, unique=True)
    one, other = data.draw(places), data.draw(places)
    wanted = [(number, other.index(place)) for number, place in enumerate(one) if place in other]
    assert shared(made.take(one), made.take(other)) == wanted
    assert sorted((a, b) for b, a in shared(made.take(other), made.take(one))) == wanted


def test_a_split_that_is_called_otherwise_is_the_same_set() -> None:
    made = make_views([2, 2])
    assert shared(made, replace(made, split=("validate", "test"))) == [(0, 0), (1, 1)]


def test_one_camera_alone_is_of_the_same_set_as_another_one() -> None:
    made = make_views([2, 2])
    front = open_view_sets(made, views=1, cameras=["camera0"])
    assert front.shared_with(open_view_sets(made, views=1, cameras=["camera1"])) == [(0, 0), (1, 1)]


def test_a_set_of_some_agents_is_the_same_as_one_of_more() -> None:
    made = make_views([4])
    some = make_views([2])
    assert np.array_equal(made.cam2world[:2], some.cam2world)
    assert shared(made, some) == shared(some, made) == [(0, 0)]


def test_equal_names_with_other_poses_are_other_sets() -> None:
    made = make_views([1, 1])
    moved = made.cam2world.copy()
    moved[1] = pose(7.0)
    assert shared(made, replace(made, cam2world=moved)) == [(0, 0)]


@pytest.mark.parametrize(
    "changed", [{"scenario": ("other",)}, {"frame": np.array([61])}, {"agent": ("b",)}, {"camera": ("up",)}],
    ids=["scenario", "frame", "agent", "camera"],
)  # fmt: skip
def test_other_names_with_equal_poses_are_other_sets(changed: dict[str, Any]) -> None:
    made = make_views([1])
    assert shared(made, replace(made, **changed)) == []


def test_a_zero_is_a_zero_whatever_its_sign() -> None:
    made = make_views([1])
    still = np.where(made.cam2world == 0, -0.0, made.cam2world)
    assert np.signbit(still).any()
    assert shared(made, replace(made, cam2world=still)) == [(0, 0)]


def test_sets_that_are_left_out_are_not_shared() -> None:
    made = make_views([2, 2], lacking={"depth": [1]})
    other = make_views([2, 2])
    assert shared(made, other, missing_depth="leave_out") == [(0, 1)]


def test_many_sets_are_compared_in_a_moment() -> None:
    made = make_views([1] * 2000)
    found = open_view_sets(made, views=1).shared_with(open_view_sets(made, views=1))
    assert found == [(number, number) for number in range(2000)]


def test_train_and_validation_may_not_have_a_set_both(tmp_path: Path) -> None:
    made = make_views([2] * 6, split=["train"] * 4 + ["validate"] * 2)
    write(tmp_path / "a.h5", made)
    write(tmp_path / "copy.h5", replace(made.take([3, 0]), split=("validate", "validate")))
    training = training_of(train={"source": "a.h5"}, val={"source": "a.h5"})
    assert {name: one.epoch_sets for name, one in open_splits(training, tmp_path).items()} == {"train": 4, "val": 2}
    both = training_of(train={"source": "a.h5"}, val={"source": "a.h5", "split": "train", "cameras": ("camera1",)})
    with pytest.raises(SchemaError, match=r"training: val: .*got 4 of 4 that it has, the first scene0, frame 60"):
        open_splits(both, tmp_path)
    # A copy under another name, cut short, in another order: it is told all the same.
    copied = training_of(train={"source": "a.h5"}, val={"source": "copy.h5", "max_sets": 1})
    with pytest.raises(SchemaError, match=r"val: .*got 2 of 2 that it has, the first scene0, frame 66") as caught:
        open_splits(copied, tmp_path)
    (problem,) = caught.value.problems
    assert (problem.code, problem.where) == ("split-overlap", "training: val")
    # One split alone knows of no other.
    assert open_split(both, "val", tmp_path).epoch_sets == 4


def test_what_is_only_judged_may_overlap(tmp_path: Path) -> None:
    write(tmp_path / "a.h5", make_views([1] * 4, split=["train", "train", "validate", "test"]))
    splits = {
        "train": {"source": "a.h5"}, "val": {"source": "a.h5"}, "test": {"source": "a.h5"},
        "night": {"source": "a.h5", "split": "test"},
    }  # fmt: skip
    opened = open_splits(training_of(**splits), tmp_path)
    assert {name: one.epoch_sets for name, one in opened.items()} == {"train": 2, "val": 1, "test": 1, "night": 1}
    splits["dusk"] = splits["dawn"] = {"source": "a.h5", "split": "train"}
    with pytest.raises(SchemaError, match="2 problems") as caught:
        open_splits(training_of(**splits), tmp_path)
    assert [(one.where, one.message.partition("got ")[2]) for one in caught.value.problems] == [
        ("training: dawn", "2 of 2 that it has, the first scene0, frame 60"),
        ("training: dusk", "2 of 2 that it has, the first scene0, frame 60"),
    ]


def test_a_set_that_stands_twice_is_counted_once(tmp_path: Path) -> None:
    made = make_views([1, 1, 1])
    poses = made.cam2world.copy()
    poses[1] = poses[0]
    write(tmp_path / "a.h5", replace(made, frame=np.array([60, 60, 62]), cam2world=poses))
    write(tmp_path / "b.h5", replace(made.take([0]), split=("validate",)))
    training = training_of(train={"source": "a.h5"}, val={"source": "b.h5"})
    with pytest.raises(SchemaError, match="got 1 of 1 that it has"):
        open_splits(training, tmp_path)


def test_splits_of_a_root_are_read_apart_and_a_linked_one_is_found_out(tmp_path: Path) -> None:
    scene = {"size": (16, 12), "beams": (4, 8)}
    write_opv2v(
        tmp_path / "root",
        [Opv2vScene("train", "2021_08_22_21_41_24", ("641", "650"), (69, 71), **scene),  # type: ignore[arg-type]
         Opv2vScene("validate", "2021_09_09_13_20_58", ("641",), (69,), **scene)],  # type: ignore[arg-type]
        depth_root=tmp_path / "depth",
    )  # fmt: skip
    told = {"source": "root", "depth_root": "depth"}
    training = training_of(train={**told, "agents": 2}, val={**told, "agents": "1"})
    opened = open_splits(training, tmp_path)
    assert [(name, one.epoch_sets) for name, one in opened.items()] == [("train", 2), ("val", 1)]
    assert "root: read with depth_root=" in opened["train"].notes[0]
    assert opened["train"].notes[0].endswith("agents=2 [told]")
    (tmp_path / "root" / "test").symlink_to(tmp_path / "root" / "train")
    (tmp_path / "depth" / "test").symlink_to(tmp_path / "depth" / "train")
    linked = training_of(train={**told, "agents": 2}, test={**told, "agents": 1})
    with pytest.raises(SchemaError, match=r"test: .*got 2 of 2 that it has"):
        open_splits(linked, tmp_path)


def test_what_is_wrong_with_each_split_is_told_before_they_are_compared(tmp_path: Path) -> None:
    write(tmp_path / "a.h5", make_views([1, 1]))
    training = training_of(
        train={"source": "a.h5"}, val={"source": "a.h5", "split": "train"}, night={"source": "a.h5"},
        dawn={"source": "gone.h5"},
    )  # fmt: skip
    with pytest.raises(LapsError, match="2 problems") as caught:
        open_splits(training, tmp_path)
    assert [problem.code for problem in caught.value.problems][1:] == ["unknown-split"]
    assert str(caught.value.problems[1]) == (
        "training: night: a.h5: expected one of the splits 'train', got 'night'; name one of them as `split`"
        " [unknown-split]"
    )
