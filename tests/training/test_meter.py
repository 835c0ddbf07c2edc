"""What an epoch comes to, against counts by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lapsmodels.tokenizer.codebook import codebook_use
from lapsmodels.tokenizer.config import TokenizerConfig
from lapsmodels.tokenizer.losses import UNSEEN
from lapsmodels.tokenizer.trained import collapse_problems
from lapsmodels.training.meter import EpochMeter
from lapsmodels.training.motion import Motion
from lapsmodels.training.ranks import Ranks
from lapsmodels.training.reconstruction import path_scores, reconstructed

if TYPE_CHECKING:
    from lapsmodels.tokenizer.trained import EpochUse

CONFIG = TokenizerConfig(
    points=3, horizon=3, width=16, heads=2, head_width=8, levels=(5, 3), reach=1, class_size=(8, 4)
)
CPU = torch.device("cpu")


def used(batches: list[tuple[Any, Any]], shapes: Any = None) -> EpochUse:
    """Count codes (B, 2) and whether they are valid."""
    meter = EpochMeter(CONFIG, CPU)
    for codes, valid in batches:
        meter.add_codes(torch.tensor(codes, dtype=torch.int32).reshape(-1, 2), torch.tensor(valid, dtype=torch.bool))
    return meter.result(Ranks(0, 1, CPU))


@given(st.lists(st.lists(st.tuples(st.integers(0, 14), st.integers(0, 14), st.booleans()), max_size=6), min_size=1))
def test_codes_are_those_of_all_valid_windows(batches: list[list[tuple[int, int, bool]]]) -> None:
    given_codes = [([row[:2] for row in batch], [row[2] for row in batch]) for batch in batches]
    kept = [row[:2] for batch in batches for row in batch if row[2]]
    if not kept:
        return
    found = used(given_codes)
    assert found.windows == len(kept)
    assert found.codebook == codebook_use(kept, 15)
    columns = np.array(kept).T
    by_hand = []
    for column in columns:
        shares = np.unique(column, return_counts=True)[1] / len(column)
        by_hand.append(-(shares * np.log2(shares)).sum())
    assert found.codebook.per_step_perplexity == pytest.approx(2 ** np.mean(by_hand))


def test_classes_are_counted_where_they_are_known() -> None:
    random = np.random.default_rng(0)
    logits = random.normal(size=(5, 1, 2, 3, 9)).astype(np.float32)
    classes = random.integers(0, 9, (5, 1, 2, 3))
    classes[random.random(classes.shape) < 0.3] = UNSEEN
    beyond = random.random(classes.shape) < 0.5
    meter = EpochMeter(CONFIG, CPU)
    meter.add_codes(torch.zeros(1, 2, dtype=torch.int32), torch.ones(1, dtype=torch.bool))
    for rows in (slice(0, 2), slice(2, 5)):
        meter.add_classes(*(torch.from_numpy(array[rows]) for array in (logits, classes, beyond)))
    found = meter.result(Ranks(0, 1, CPU))
    known = classes != UNSEEN
    assert found.classes.displacements == known.sum()
    assert found.accuracy == pytest.approx(float((logits.argmax(-1) == classes)[known].mean()))
    assert found.majority_share == pytest.approx(np.bincount(classes[known]).max() / known.sum())
    assert found.classes.centre_share == pytest.approx(float((classes[known] == 4).mean()))
    assert found.classes.beyond_share == pytest.approx(float(beyond[known].mean()))


def test_paths_are_compared_where_all_steps_are_known() -> None:
    random = np.random.default_rng(1)
    true = torch.from_numpy(random.uniform(-1, 1, (4, 1, 3, 3, 2)).astype(np.float32))
    steps = torch.from_numpy(random.normal(0, 0.4, (4, 1, 2, 3, 2)).astype(np.float32))
    known = torch.from_numpy(random.random((4, 1, 2, 3)) < 0.8)
    meter = EpochMeter(CONFIG, CPU)
    meter.add_codes(torch.zeros(1, 2, dtype=torch.int32), torch.ones(1, dtype=torch.bool))
    meter.add_paths(steps, Motion(true, true.diff(dim=2), known))
    found = meter.result(Ranks(0, 1, CPU))
    errors = []
    for w in range(4):
        for n in range(3):
            if known[w, 0, :, n].all():
                path = [true[w, 0, 0, n].numpy()]
                for t in range(2):
                    path.append(path[-1] + steps[w, 0, t, n].numpy())
                errors += list(np.abs(np.array(path) - true[w, 0, :, n].numpy()).ravel() * 4)
    shares = [np.mean([error < pixels for error in errors]) for pixels in range(1, 11)]
    assert found.delta_auc == pytest.approx(np.mean(shares))
    assert found.normalized_accuracy == pytest.approx(np.mean([error < 0.5 for error in errors]))
    assert 0 < len(errors) < 4 * 3 * 3 * 2
    assert int(path_scores(reconstructed(true, steps), true, known, (8, 4)).coordinates) == len(errors)


def test_a_codebook_that_says_nothing_is_told() -> None:
    alike, apart = used([([[3, 4]] * 20, [True] * 20)]), used([([[n % 15, n % 7] for n in range(20)], [True] * 20)])
    assert alike.collapsed
    assert not apart.collapsed
    (problem,) = collapse_problems(alike, "epoch 4")
    assert (problem.code, problem.severity, problem.where) == ("collapsed-codebook", "warning", "epoch 4")
    assert collapse_problems(apart, "epoch 4") == ()
    # Two codes, and no class right that is not the most common one.
    two = used([([[n % 2, 0] for n in range(20)], [True] * 20)])
    known = {"accuracy": 0.605, "majority_share": 0.6}
    assert two.model_copy(update=known).collapsed
    assert not two.model_copy(update=known | {"accuracy": 0.8, "codebook": apart.codebook}).collapsed
