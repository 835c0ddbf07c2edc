"""What a recipe may say of a training on views."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lapsdata.errors import SchemaError
from lapsdata.schema import Recipe, ViewSplit, ViewTraining

SPLIT: dict[str, Any] = {"source": "a.views.h5", "views": [2, 3], "max_images": 8}
TRAINING: dict[str, Any] = {"splits": {"train": SPLIT}, "epochs": 3, "rate": 1e-4}


def test_a_training_comes_back_from_json_and_says_its_defaults() -> None:
    training = ViewTraining.parse(json.dumps(TRAINING))
    assert ViewTraining.parse(training.to_bytes()) == training
    split = training.splits["train"]
    assert (split.views, split.pick, split.too_few, split.missing_depth) == ((2, 3), "drawn", "error", "error")
    assert (split.max_sets, split.steps_per_epoch, split.cameras) == (None, None, None)
    assert (split.split, split.depth_root, split.agents) == (None, None, None)
    assert (training.ranks, training.schedule, training.warm_share, training.least_share) == (1, "cosine", 0.05, 0.01)
    assert ViewSplit.parse(json.dumps(SPLIT | {"views": 4})).views == 4


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"splits": {}}, "splits"),
        ({"splits": {"val": SPLIT}}, "expected a split 'train', got val"),
        ({"splits": {"train": SPLIT | {"views": []}}}, "views"),
        ({"splits": {"train": SPLIT | {"views": [2, 0]}}}, "views"),
        ({"splits": {"train": SPLIT | {"max_images": 0}}}, "max_images"),
        ({"splits": {"train": SPLIT | {"max_sets": 0}}}, "max_sets"),
        ({"splits": {"train": SPLIT | {"steps_per_epoch": -1}}}, "steps_per_epoch"),
        ({"splits": {"train": SPLIT | {"cameras": []}}}, "cameras"),
        ({"splits": {"train": SPLIT | {"pick": "best"}}}, "pick"),
        ({"splits": {"train": SPLIT | {"split": ""}}}, "split"),
        ({"splits": {"train": SPLIT | {"depth_root": 3}}}, "depth_root"),
        ({"splits": {"train": SPLIT | {"depth_root": ""}}}, "depth_root"),
        ({"splits": {"train": SPLIT | {"agents": 0}}}, "agents"),
        ({"splits": {"train": SPLIT | {"agents": ""}}}, "agents"),
        ({"splits": {"train": SPLIT | {"agents": 1.5}}}, "agents"),
        ({"warm_share": 1.5}, "warm_share"),
        ({"least_share": -0.1}, "least_share"),
        ({"schedule": "step"}, "schedule"),
        ({"ranks": 0}, "ranks"),
        ({"seed": -1}, "seed"),
        ({"learning_rate": 1}, "learning_rate"),
    ],
)
def test_what_is_wrong_is_told_by_its_key(change: dict[str, Any], said: str) -> None:
    with pytest.raises(SchemaError, match=said):
        ViewTraining.parse(json.dumps(TRAINING | change))


def test_a_recipe_has_a_training_or_none() -> None:
    assert Recipe().training is None
    assert "training" not in json.loads(Recipe().to_bytes())
    recipe = Recipe.parse(json.dumps({"training": TRAINING}))
    assert recipe.training is not None
    assert recipe.as_json()["training"] == recipe.training.as_json()
    assert Recipe.parse(recipe.to_bytes()) == recipe
    with pytest.raises(SchemaError, match="training"):
        Recipe.parse(json.dumps({"training": 3}))


@pytest.mark.parametrize("agents", [2, "2", "train=2,validate=4:drawn@7"])
def test_agents_are_a_number_or_a_rule(agents: int | str) -> None:
    training = ViewTraining.parse(json.dumps(TRAINING | {"splits": {"train": SPLIT | {"agents": agents}}}))
    assert training.splits["train"].agents == agents
    assert ViewTraining.parse(training.to_bytes()) == training
