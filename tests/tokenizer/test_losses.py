"""Classes of displacement against a loop over points in plain Python."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from lapsmodels.tokenizer.losses import UNSEEN, displacement_classes, displacement_loss, displacements

POSITIONS = st_numpy.arrays(np.float32, (3, 4, 2), elements=st.floats(-1.5, 1.5, width=32))


def class_by_hand(before: Any, after: Any, size: tuple[int, int], reach: int) -> int:
    moved = []
    for axis in (0, 1):
        ends = []
        for place in (before, after):
            pixel = np.float32(place[axis]) * np.float32(size[axis] / 2) + np.float32(size[axis] / 2)
            # Half to even, as every IEEE machine rounds.
            ends.append(round(float(min(max(pixel, 0), size[axis] - 1))))
        moved.append(min(max(ends[1] - ends[0], -reach), reach) + reach)
    return moved[0] * (2 * reach + 1) + moved[1]


@settings(max_examples=60)
@given(POSITIONS, st.tuples(st.integers(2, 200), st.integers(2, 200)), st.integers(1, 9))
def test_classes_are_rounded_displacements(positions: Any, size: tuple[int, int], reach: int) -> None:
    got = displacement_classes(torch.tensor(positions), size, reach)
    expected = [[class_by_hand(positions[t, n], positions[t + 1, n], size, reach) for n in range(4)] for t in range(2)]
    assert got.tolist() == expected


@settings(max_examples=40)
@given(st.integers(0, 224), st.tuples(st.integers(20, 200), st.integers(20, 200)))
def test_a_class_says_the_displacement_that_has_it(number: int, size: tuple[int, int]) -> None:
    logits = torch.nn.functional.one_hot(torch.tensor([number]), 225).float()
    moved = displacements(logits, size, 7)
    # From the middle of the frame, on a whole pixel.
    start = (torch.tensor(size) // 2 * 2 / torch.tensor(size) - 1).reshape(1, 1, 2)
    assert displacement_classes(torch.cat([start, start + moved]), size, 7).item() == number


def test_even_logits_cost_the_logarithm_of_the_classes() -> None:
    loss = displacement_loss(torch.zeros(2, 3, 4, 5, 225), torch.randint(0, 225, (2, 3, 4, 5)))
    assert float(loss) == pytest.approx(math.log(225), abs=1e-5)


def test_views_count_by_their_weights() -> None:
    logits = torch.randn(2, 2, 3, 4, 9, generator=torch.Generator().manual_seed(0))
    classes = torch.randint(0, 9, (2, 2, 3, 4))
    each = [float(displacement_loss(logits[:, v : v + 1], classes[:, v : v + 1])) for v in (0, 1)]
    assert float(displacement_loss(logits, classes)) == pytest.approx(np.mean(each), rel=1e-5)
    weighted = displacement_loss(logits, classes, torch.tensor([0.9, 0.1]))
    assert float(weighted) == pytest.approx(0.9 * each[0] + 0.1 * each[1], rel=1e-5)
    scaled = displacement_loss(logits, classes, torch.tensor([9.0, 1.0]))
    assert float(scaled) == pytest.approx(float(weighted), rel=1e-5)


def test_what_is_said_and_true_costs_nothing() -> None:
    classes = torch.randint(0, 225, (1, 1, 3, 6))
    assert float(displacement_loss(1e3 * torch.nn.functional.one_hot(classes, 225).float(), classes)) < 1e-6


def test_what_has_no_class_costs_nothing() -> None:
    random = torch.Generator().manual_seed(0)
    logits, classes = torch.randn(2, 2, 3, 4, 9, generator=random), torch.randint(0, 9, (2, 2, 3, 4), generator=random)
    hidden = torch.rand(classes.shape, generator=random) < 0.4
    known = classes.masked_fill(hidden, UNSEEN)
    each = [
        torch.nn.functional.cross_entropy(logits[:, v][~hidden[:, v]], classes[:, v][~hidden[:, v]]) for v in (0, 1)
    ]
    assert float(displacement_loss(logits, known)) == pytest.approx(float(sum(each)) / 2, rel=1e-5)
    assert float(displacement_loss(logits, torch.full_like(classes, UNSEEN))) == 0
