"""Where views come from: splits by either name, depth and agents of roots, and what is said where something lacks."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lapsdata.containers import HeldPixels
from lapsdata.errors import LapsWarning, SchemaError, StorageError
from lapsdata.formats import write
from lapsdata.loading import Loader, open_view_sets
from lapsdata.testing.opv2v_scenes import Opv2vScene, write_opv2v
from tests.loading.views_by_hand import depth_of, make_views

if TYPE_CHECKING:
    from pathlib import Path

TRAIN = Opv2vScene("train", "2021_08_22_21_41_24", ("641", "650", "-1"), (69, 71), size=(16, 12), beams=(4, 8))
VALIDATE = Opv2vScene("validate", "2021_09_09_13_20_58", ("641", "650"), (69,), size=(16, 12), beams=(4, 8))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with `root` and `depth`, which nothing writes to."""
    folder = tmp_path_factory.mktemp("scenes")
    write_opv2v(folder / "root", [TRAIN, VALIDATE], depth_root=folder / "depth")
    return folder


def agents_of(sets: Any) -> list[set[str]]:
    return [set(sets.locate(number).agent) for number in range(len(sets))]


@pytest.mark.parametrize("asked", ["val", "validate"])
@pytest.mark.parametrize("called", ["val", "validate"])
def test_val_and_validate_are_one_split(tmp_path: Path, asked: str, called: str) -> None:
    made = make_views([2, 2, 2], split=["train", called, "train"])
    write(tmp_path / "a.h5", made)
    for source in (made, tmp_path / "a.h5"):
        sets = open_view_sets(source, views=2, split=asked)
        assert (len(sets), sets.locate(0).split, sets.locate(0).frame) == (1, called, 62)


def test_where_both_names_are_there_each_means_itself() -> None:
    made = make_views([1, 1], split=["val", "validate"])
    assert [open_view_sets(made, views=1, split=name).locate(0).frame for name in ("val", "validate")] == [60, 62]


@pytest.mark.parametrize("asked", ["val", "validate"])
def test_a_root_knows_both_names_too(root: Path, asked: str) -> None:
    sets = open_view_sets(root / "root", views=4, split=asked, depth_root=root / "depth")
    assert [(one.split, one.frame) for one in map(sets.locate, range(len(sets)))] == [("validate", 69)]


def test_a_prediction_may_call_its_split_by_the_other_name() -> None:
    truth = make_views([2], split="validate")
    sets = open_view_sets(truth, make_views([2], split="val", scale=2.0), views=2, pick="first")
    for number, view in enumerate(sets[0]):
        assert np.array_equal(view["pred_depthmap"], depth_of(number) * np.float32(2))
    with pytest.raises(SchemaError, match="1 of 1 sets have views without a prediction"):
        open_view_sets(truth, make_views([2], split="train"), views=2)


def test_every_source_must_have_the_split_that_is_asked_for(root: Path, tmp_path: Path) -> None:
    write(tmp_path / "a.h5", make_views([1, 1], split=["train", "validate"]))
    write(tmp_path / "b.h5", make_views([1], first_frame=90))
    both = [tmp_path / "a.h5", tmp_path / "b.h5"]
    assert len(open_view_sets(both, views=1, split="train")) == 2
    with pytest.raises(SchemaError, match=r"b\.h5: expected one of the splits 'train', got 'val'; name one of them"):
        open_view_sets(both, views=1, split="val")
    with pytest.raises(SchemaError, match=r"expected one of the splits train, validate, got 'test'.*unknown-split"):
        open_view_sets(root / "root", views=1, split="test")
    names = [f"part{number}" for number in range(7)]
    with pytest.raises(SchemaError, match="'part0', 'part1', 'part2', 'part3', 'part4', 'part5', 'part6', got 'part7'"):
        open_view_sets(make_views([1] * 7, split=names), views=1, split="part7")


def test_depth_of_a_root_is_read_from_where_it_lies(root: Path) -> None:
    sets = open_view_sets(root / "root", views=12, split="train", depth_root=root / "depth", pick="first")
    for number, frame in enumerate((69, 71)):
        sample = sets[number]
        assert {view["label"].partition("/")[2] for view in sample} == {"641", "650", "-1"}
        for view in sample:
            agent, camera = view["label"].partition("/")[2], int(view["instance"][-1])
            truth = TRAIN.depth(agent, frame, camera)
            near = truth < 900
            np.testing.assert_allclose(view["depthmap"][near], truth[near], atol=1e-3)
            assert view["valid_mask"][near].all()
    assert [note.partition("depth_root=")[0] for note in sets.notes[:1]] == ["root: read with "]


@pytest.mark.parametrize("agents", [2, np.int64(2), "2", "train=2"])
def test_agents_are_chosen_by_number_or_rule(root: Path, agents: Any) -> None:
    told: dict[str, Any] = {"views": 8, "split": "train", "depth_root": str(root / "depth")}
    sets = open_view_sets(root / "root", agents=agents, **told)
    assert agents_of(sets) == [{"641", "650"}, {"641", "650"}]
    assert any("agents=" in note for note in sets.notes)
    every = open_view_sets(root / "root", **told)
    assert agents_of(every) == [{"641", "650", "-1"}] * 2
    assert sets.fingerprint != every.fingerprint


def test_scenes_with_too_few_agents_are_told(root: Path) -> None:
    told: dict[str, Any] = {"views": 1, "depth_root": root / "depth"}
    with pytest.warns(LapsWarning, match=r"3 agents are asked for, and 1 of 1 sets of validate have fewer"):
        sets = open_view_sets(root / "root", agents=3, **told)
    assert any("agents" in note and "left out" in note for note in sets.notes if "read with" not in note)
    assert {sets.locate(number).split for number in range(len(sets))} == {"train"}


def test_what_is_told_stands_in_the_plan_of_a_loader(root: Path) -> None:
    sets = open_view_sets(root / "root", views=4, split="val", depth_root=root / "depth", agents=1)
    loader = Loader(sets.batches(4), batch_size=1, workers=0, rank=0, world_size=1)
    assert f"root: read with depth_root={root / 'depth'}, agents=1" in loader.plan().text


def test_a_set_without_depth_says_what_can_be_done(root: Path, tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match="no-depth") as caught:
        open_view_sets(root / "root", views=2, split="train")
    (problem,) = caught.value.problems
    assert problem.fix == (
        "say in which root it lies, as `depth_root`; "
        f"`lapsdata convert {root / 'root'} DEPTH --depth-from-lidar` makes it of point clouds; "
        "missing_depth='leave_out' leaves them out"
    )
    # Where its root lacks some of it, that root is named.
    write_opv2v(tmp_path / "root", [TRAIN], depth_root=tmp_path / "depth")
    for file in (tmp_path / "depth").rglob("000071_camera2_depth*"):
        file.unlink()
    with pytest.raises(SchemaError, match=r"1 of 2 sets have views without depth.*frame 71") as caught:
        open_view_sets(tmp_path / "root", views=2, depth_root=tmp_path / "depth")
    assert f"it is not in {tmp_path / 'depth'}: `lapsdata convert" in str(caught.value)
    # A file of ours is made anew; of views in memory only their maker knows.
    write(tmp_path / "a.h5", make_views([1], lacking={"depth": [0]}))
    with pytest.raises(SchemaError, match=r"convert the views again, with --depth-root; missing_depth='leave_out'"):
        open_view_sets(tmp_path / "a.h5", views=1)
    with pytest.raises(SchemaError, match=r"frame 60; missing_depth='leave_out' leaves them out"):
        open_view_sets(make_views([1], lacking={"depth": [0]}), views=1)


def test_depth_and_agents_mean_nothing_to_files_of_ours_and_to_open_views(root: Path, tmp_path: Path) -> None:
    write(tmp_path / "a.h5", make_views([2]))
    with pytest.raises(SchemaError, match=r"a\.h5: expected nothing to be said of views of ours, got agents; leave it"):
        open_view_sets(tmp_path / "a.h5", views=2, agents=2)
    with pytest.raises(SchemaError, match=r"views: expected nothing to be said of views that are open, got depth_root"):
        open_view_sets(make_views([2]), views=2, depth_root=tmp_path)
    # One that takes it and one that does not: it is the second that is named.
    with pytest.raises(SchemaError, match=r"a\.h5: expected nothing to be said"):
        open_view_sets([root / "root", tmp_path / "a.h5"], views=2, depth_root=root / "depth")


def test_options_that_are_none_are_told_with_all_others(root: Path) -> None:
    options: Any = {"views": 1, "depth_root": 3, "agents": 2.5, "seed": -1}
    with pytest.raises(SchemaError, match="wrong-value") as caught:
        open_view_sets(root / "root", **options)
    assert [problem.message for problem in caught.value.problems if "seed" not in problem.where] == [
        "expected 2, or 'train=2,validate=4', got 2.5",
        "expected a folder, got 3",
    ]
    with pytest.raises(SchemaError, match="agents: expected 2, or 'train=2,validate=4', got True"):
        open_view_sets(root / "root", views=1, agents=True)
    with pytest.raises(SchemaError, match=r"agents: expected 2, or train=2,validate=4:drawn@SEED.*got '0'"):
        open_view_sets(root / "root", views=1, agents=0)
    with pytest.raises(StorageError, match="nowhere"):
        open_view_sets(root / "root", views=1, depth_root=root / "nowhere")


def test_sets_with_and_without_depth_are_other_data_to_a_state(root: Path) -> None:
    told: dict[str, Any] = {"views": 4, "split": "train", "missing_depth": "empty"}
    without = open_view_sets(root / "root", **told)
    having = open_view_sets(root / "root", depth_root=root / "depth", **told)
    assert without.fingerprint != having.fingerprint
    loaders = [Loader(one.batches(4), batch_size=1, shuffle="global", workers=0, rank=0, world_size=1)
               for one in (without, having)]  # fmt: skip
    with pytest.raises(SchemaError, match="other-data"):
        loaders[1].load_state_dict(loaders[0].state_dict())


def test_a_stored_root_is_what_the_root_is(root: Path, tmp_path: Path) -> None:
    from lapsdata.adapters import expect_views

    read = expect_views(root / "root", split="train", depth_root=root / "depth", agents="2")
    write(tmp_path / "a.h5", read.views)
    direct = open_view_sets(root / "root", views=[2, 4], split="train", depth_root=root / "depth", agents=2)
    stored = open_view_sets(tmp_path / "a.h5", views=[2, 4], split="train")
    assert direct.fingerprint == stored.fingerprint
    for number in range(len(direct)):
        for one, two in zip(direct[number], stored[number], strict=True):
            assert all(np.array_equal(value, two[name]) for name, value in one.items())


def test_depth_that_a_mask_denies_is_not_valid_whatever_else_is_asked_for() -> None:
    made = make_views([1])
    denied = np.zeros_like(made.read("depth", 0), bool)
    pixels = HeldPixels({"image": (made.read("image", 0),), "depth": (depth_of(0),), "valid": (denied,)})
    present = {**made.present, "valid": np.array([True])}
    view = open_view_sets(replace(made, pixels=pixels, present=present), views=1)[0][0]
    assert not view["valid_mask"].any()
    assert np.array_equal(view["depthmap"], depth_of(0))
