"""`lapsdata recipe plan` as a person or a script calls it."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from lapsdata import console
from lapsdata.cli.main import main
from lapsdata.formats import write
from lapsdata.schema import Recipe
from lapsdata.stages.recipe import load_recipe, recipe_yaml
from lapsdata.testing.opv2v_scenes import Opv2vScene, write_opv2v
from tests.loading.views_by_hand import make_views

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

RECIPE = """\
training:
  epochs: 2
  rate: 1e-4
  ranks: 4
  x-note: mine
  splits:
    train: {source: train.views.h5, views: [2, 3, 4], max_images: 4, too_few: leave_out, steps_per_epoch: 40}
    val: {source: train.views.h5, views: 2, max_images: 8, max_sets: 7}
"""


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Run `lapsdata recipe`, and return its exit status."""

    def run(*arguments: object) -> int:
        with monkeypatch.context() as patch:
            patch.setattr(console, "_kept", None)
            patch.setattr(sys, "argv", ["lapsdata", "recipe", *map(str, arguments)])
            patch.setenv("COLUMNS", "140")
            with pytest.raises(SystemExit, match=r"^\d+$") as end:
                main()
        return int(str(end.value.code))

    return run


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    views = make_views([4] * 30 + [2] + [3] * 11, split=["train"] * 31 + ["validate"] * 11)
    write(tmp_path / "train.views.h5", views)
    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE)
    return path


def test_a_person_reads_steps_sets_and_learning_rates(
    recipe: Path, call: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("plan", recipe, "--ranks", "5") == 0
    text = capsys.readouterr().out
    assert "train: split 'train' of train.views.h5\n  30 sets, 30 in an epoch of 25 batches" in text
    assert "1 of 31 sets have fewer than 4 views, the first train/scene6, frame 120: they are left out" in text
    rows = [line.split() for line in text.splitlines()]
    (four,) = [row for row in rows if row[:2] == ["4", "40"]]
    (five,) = [row for row in rows if row[:2] == ["5", "40"]]
    # 160 of 200 batches, of which 25 are an epoch of the data: all 30 sets, more than six times.
    assert (four[3:6], five[3:6]) == (["30", "of", "30"], ["30", "of", "30"])
    assert five[2] == "240"
    assert "val: split 'val' of train.views.h5\n  11 sets, 7 in an epoch of 2 batches" in text
    assert ["1", "40"] in [row[:2] for row in rows]
    assert "learning rate at the first step of each epoch, fixed on any number of ranks" in text
    assert "MapAnything's sampler" in text


def test_a_script_reads_the_same_as_json(
    recipe: Path, call: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("plan", recipe, "--json") == 0
    plan = json.loads(capsys.readouterr().out)["plan"]
    assert [split["name"] for split in plan["splits"]] == ["train", "val"]
    assert plan["splits"][0]["by_rank"][0]["steps"] == plan["splits"][0]["steps_per_epoch"] == 40
    assert [rate["step"] for rate in plan["rates"]] == [0, 40]


def test_steps_that_follow_the_ranks_are_warned_of(
    recipe: Path, call: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    recipe.write_text(RECIPE.replace(", steps_per_epoch: 40", ""))
    assert call("plan", recipe, "--ranks", "5") == 0
    told = capsys.readouterr()
    assert "fixed on any number" not in told.out
    assert "other steps on another number of ranks, and the learning rate too; fix them: steps_per_epoch: 7" in told.err


def test_a_recipe_without_a_training_says_how_to_write_one(
    tmp_path: Path, call: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "r.yaml").write_text("stages: {}\n")
    assert call("plan", tmp_path / "r.yaml") != 0
    assert "expected a training to plan, got none; write one: training:" in capsys.readouterr().err


def test_a_source_that_is_gone_is_named(
    recipe: Path, call: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    (recipe.parent / "train.views.h5").unlink()
    assert call("plan", recipe) != 0
    told = capsys.readouterr().err
    assert "training: train: " in told
    assert "training: val: " in told
    assert "train.views.h5" in told


def test_a_training_is_spelled_out_and_comes_back(
    recipe: Path, call: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    read = load_recipe(recipe)
    again = recipe.with_name("again.yaml")
    again.write_text(recipe_yaml(read))
    assert load_recipe(again) == read
    assert read.training is not None
    assert read.training.splits["train"].views == (2, 3, 4)
    assert call("show", recipe) == 0
    shown = capsys.readouterr().out
    assert "      max_sets: 7" in shown
    assert "  x-note: mine" in shown


def test_recipes_without_a_training_are_spelled_as_ever() -> None:
    assert "training" not in recipe_yaml(Recipe())
    assert Recipe().as_json().keys() == {"format", "format_version", "stages"}


def test_a_split_that_its_source_has_not_is_told_with_those_that_are_there(
    recipe: Path, call: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    recipe.write_text(RECIPE.replace("    val: {", "    night: {"))
    assert call("plan", recipe) == 1
    told = " ".join(capsys.readouterr().err.split())
    assert "training: night: train.views.h5: expected one of the splits 'train', 'validate', got 'night'" in told
    assert "name one of them as `split` [unknown-split]" in told


def test_sets_of_two_splits_are_refused(
    recipe: Path, call: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    recipe.write_text(RECIPE.replace("    val: {", "    val: {split: train, "))
    assert call("plan", recipe, "--json") == 1
    (problem,) = json.loads(capsys.readouterr().out)["problems"]
    assert (problem["code"], problem["where"]) == ("split-overlap", "training: val")
    assert problem["message"].startswith("expected sets that train has not, got 30 of 31 that it has")


def test_a_script_reads_what_each_split_takes(
    recipe: Path, call: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("plan", recipe, "--json") == 0
    splits = json.loads(capsys.readouterr().out)["plan"]["splits"]
    assert [(one["name"], one["source"], one["split"], one["sets"]) for one in splits] == [
        ("train", "train.views.h5", "train", 30),
        ("val", "train.views.h5", "val", 11),
    ]


ROOT = """\
training:
  epochs: 2
  rate: 1e-4
  splits:
    train: {source: root, TOLDviews: [2, 4], max_images: 4, steps_per_epoch: 3}
    val: {source: root, TOLDviews: 4, max_images: 4}
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a recipe beside a root of OPV2V and its depth."""
    scenes = [
        Opv2vScene(split, f"2021_08_22_21_41_2{place}", ("641", "650"), (69, 71), size=(16, 12), beams=(4, 8))
        for place, split in enumerate(("train", "validate"))
    ]
    write_opv2v(tmp_path / "root", scenes, depth_root=tmp_path / "depth")
    path = tmp_path / "recipe.yaml"
    path.write_text(ROOT.replace("TOLD", "depth_root: depth, agents: 1, "))
    return path


def test_depth_and_agents_of_a_root_are_said_in_a_recipe_and_told(
    root: Path, call: Callable[..., int], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Paths begin in the folder of the recipe, wherever it is called from.
    monkeypatch.chdir(root.parent.parent)
    assert call("plan", root) == 0
    text = capsys.readouterr().out
    for name in ("train", "val"):
        assert f"{name}: split '{name}' of root\n  2 sets, 2 in an epoch of 2 batches" in text
    assert text.count(f"root: read with depth_root={root.parent / 'depth'}, agents=1 [told]") == 2


def test_a_root_without_depth_says_which_option_is_missing(
    root: Path, call: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    root.write_text(ROOT.replace("TOLD", ""))
    assert call("plan", root) == 1
    told = " ".join(capsys.readouterr().err.split())
    assert "training: train: root: 2 of 2 sets have views without depth" in told
    assert "say in which root it lies, as `depth_root`; `lapsdata convert" in told
    assert "--depth-from-lidar` makes it of point clouds" in told
    root.write_text(ROOT.replace("TOLD", "depth_root: dept, "))
    assert call("plan", root) == 1
    assert "dept" in capsys.readouterr().err


def test_what_is_said_of_a_root_is_spelled_out_and_comes_back(
    root: Path, call: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("show", root) == 0
    shown = capsys.readouterr().out
    assert shown.count("      depth_root: depth\n") == shown.count("      agents: 1\n") == 2
    read = load_recipe(root)
    again = root.with_name("again.yaml")
    again.write_text(shown)
    assert load_recipe(again).training == read.training
    for rule in ("2", '"train=2,validate=1:drawn@7"'):
        root.write_text(ROOT.replace("TOLD", f"depth_root: depth, agents: {rule}, "))
        training = load_recipe(root).training
        assert training is not None
        assert str(training.splits["train"].agents) == rule.strip('"')
    root.write_text(ROOT.replace("TOLD", "agents: 0, "))
    assert call("plan", root) == 1
    assert "training.splits.train.agents" in capsys.readouterr().err


def test_odd_numbers_are_told_below_the_tables(
    recipe: Path, call: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    recipe.write_text(RECIPE.replace("max_sets: 7", "max_sets: 70").replace("max_images: 4", "max_images: 3"))
    assert call("plan", recipe) == 0
    told = capsys.readouterr()
    assert "expected at most the 11 sets that there are, got max_sets 70; an epoch has 11" in told.err
    assert "a set of 4 views has more images than max_images 3" in told.err
    assert "batches of one set have up to 4 images, more than the 3 asked for" in told.out
