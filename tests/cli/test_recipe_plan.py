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
