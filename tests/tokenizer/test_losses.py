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

from lapsmodels.tokenizer.codebook import codebook_use
from lapsmodels.tokenizer.config import TokenizerConfig
from lapsmodels.tokenizer.corrections import AS_PUBLISHED, LAPS, LossOptions
from lapsmodels.tokenizer.losses import (
    UNSEEN,
    class_costs,
    code_information,
    displacement_classes,
    displacement_loss,
    displacements,
    whole_displacements,
)
from lapsmodels.tokenizer.model import MotionTokenizer

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


@settings(max_examples=60)
@given(POSITIONS, st.tuples(st.integers(2, 200), st.integers(2, 200)), st.integers(1, 9))
def test_displacements_are_rounded_once_where_they_are(positions: Any, size: tuple[int, int], reach: int) -> None:
    got = displacement_classes(torch.tensor(positions), size, reach, "displacements")
    moved = np.rint(np.diff(positions, axis=0) * (np.array(size, np.float32) / 2)).astype(int).clip(-reach, reach)
    np.testing.assert_array_equal(got.numpy(), (moved[..., 0] + reach) * (2 * reach + 1) + moved[..., 1] + reach)


@settings(max_examples=30)
@given(st.floats(0.05, 6.4), st.floats(-0.3, 0.3), st.integers(1, 3))
def test_a_steady_motion_has_one_class_at_any_place_and_resolution(pixels: float, start: float, finer: int) -> None:
    """Rounded as published, the same motion has another class by where it begins."""
    moved = np.float64(pixels) * 2 / 128
    path = torch.tensor([start + moved * t for t in range(5)], dtype=torch.float64)[:, None, None].expand(-1, 1, 2)
    classes = displacement_classes(path, (128, 128), 7, "displacements")
    assert len(classes.unique()) == 1
    # At another rate: `finer` times the frames, `finer` times the grid.
    slower = torch.tensor([start + moved * t / finer for t in range(5)], dtype=torch.float64)[:, None, None].expand(
        -1, 1, 2
    )
    again = displacement_classes(slower, (128 * finer, 128 * finer), 7, "displacements")
    # On half a pixel, rounding may fall either way.
    if abs(pixels % 1 - 0.5) > 1e-9:
        assert torch.equal(classes, again)


def test_rounded_positions_make_of_one_motion_two_classes() -> None:
    slow = torch.arange(11)[:, None, None].expand(-1, 1, 2) * (0.3 * 2 / 128)
    assert len(displacement_classes(slow, (128, 128), 7).unique()) == 2
    assert whole_displacements(slow, (128, 128), "displacements").abs().max() == 0


def costs_by_hand(logits: Any, classes: Any, options: LossOptions) -> float:
    """Sum over displacements, in plain NumPy and float64."""
    reach = (round(np.sqrt(logits.shape[-1])) - 1) // 2
    total = []
    for scores, number in zip(logits.reshape(-1, logits.shape[-1]), classes.ravel(), strict=True):
        if number == UNSEEN:
            continue
        scores = scores.astype(np.float64) - scores.max()
        p = np.exp(scores[number]) / np.exp(scores).sum()
        row, column = divmod(int(number), 2 * reach + 1)
        far = np.sqrt((row - reach) ** 2 + (column - reach) ** 2) / np.sqrt(2 * reach**2)
        weight = 1 + options.radial_strength * far**options.radial_power
        total.append(options.focal_alpha * weight * (1 - p) ** options.focal_gamma * -np.log(p))
    return float(np.mean(total)) if total else 0.0


@settings(max_examples=40)
@given(
    st_numpy.arrays(np.float32, (1, 1, 2, 3, 25), elements=st.floats(-8, 8, width=32)),
    st_numpy.arrays(np.int64, (1, 1, 2, 3), elements=st.sampled_from([UNSEEN, *range(25)])),
    st.one_of(st.just(0.0), st.floats(1, 5)),
    st.floats(0.1, 2),
    st.floats(0, 6),
    st.floats(0.5, 3),
)
def test_focal_and_radial_costs(
    logits: Any, classes: Any, gamma: float, alpha: float, strength: float, power: float
) -> None:
    options = LossOptions(focal_gamma=gamma, focal_alpha=alpha, radial_strength=strength, radial_power=power)
    ours = float(displacement_loss(torch.tensor(logits), torch.tensor(classes), None, options))
    assert ours == pytest.approx(costs_by_hand(logits, classes, options), rel=2e-4, abs=1e-6)


def test_costs_as_published_are_the_cross_entropy() -> None:
    random = torch.Generator().manual_seed(0)
    logits, classes = torch.randn(2, 1, 3, 4, 225, generator=random), torch.randint(0, 225, (2, 1, 3, 4))
    plain = torch.nn.functional.cross_entropy(logits.reshape(-1, 225), classes.ravel())
    for options in (None, AS_PUBLISHED):
        assert float(displacement_loss(logits, classes, None, options)) == pytest.approx(float(plain), rel=1e-6)


def test_costs_of_laps() -> None:
    costs = class_costs(7, LAPS).reshape(15, 15)
    assert costs[7, 7] == 1
    assert costs[0, 0] == costs[14, 0] == costs[14, 14] == 5
    assert float(costs[7, 14]) == pytest.approx(1 + 4 * 49 / 98)
    certain = 30.0 * torch.nn.functional.one_hot(torch.tensor([[[[112]]]]), 225)
    assert float(displacement_loss(certain, torch.tensor([[[[112]]]]), None, LAPS)) < 1e-12
    certain.requires_grad_()
    displacement_loss(100 * certain, torch.tensor([[[[112]]]]), None, LAPS).backward()
    assert certain.grad is not None
    assert certain.grad.isfinite().all()


def information_by_hand(bounded: Any, levels: tuple[int, ...]) -> float:
    """Jensen-Shannon by loops: how far the shares of each window are from the mean of all."""
    found = []
    for step in range(bounded.shape[1]):
        for dimension, count in enumerate(levels):
            places = np.arange(count) - count // 2
            shares = np.exp(-2 * (bounded[:, step, dimension, None].astype(np.float64) - places) ** 2)
            shares /= shares.sum(axis=1, keepdims=True)
            mean = shares.mean(axis=0)
            apart = [np.sum(one * np.log(one / mean)) for one in shares]
            found.append(np.mean(apart) / np.log(count))
    return float(np.mean(found))


@settings(max_examples=40)
@given(st_numpy.arrays(np.float32, (5, 2, 3), elements=st.floats(-4, 4, width=32)))
def test_what_codes_tell_of_windows(bounded: Any) -> None:
    ours = float(code_information(torch.tensor(bounded), (8, 6, 5)))
    assert ours == pytest.approx(information_by_hand(bounded, (8, 6, 5)), abs=2e-6)
    assert -1e-6 < ours < 1


def test_codes_that_only_count_the_steps_tell_nothing() -> None:
    counting = torch.arange(-2.0, 3)[None, :, None].expand(6, 5, 1)
    assert float(code_information(counting, [5])) == pytest.approx(0, abs=1e-6)
    assert float(code_information(counting.transpose(0, 1), [5])) > 0.6
    assert float(code_information(counting[:1], [5])) == pytest.approx(0, abs=1e-6)


def nearly_collapsed() -> tuple[MotionTokenizer, torch.Tensor]:
    """Return a model that gives all windows one code, and windows that differ."""
    torch.manual_seed(0)
    model = MotionTokenizer(
        TokenizerConfig(
            points=6, horizon=4, width=16, heads=2, head_width=8, levels=(5, 5), encoder_layers=1, dropout=0
        )
    )
    return model, torch.randn(32, 1, 3, 6, 2, generator=torch.Generator().manual_seed(1)) * 0.1


def use_per_step(model: MotionTokenizer, velocities: torch.Tensor) -> float:
    with torch.no_grad():
        return codebook_use(model.encode(velocities).indices.numpy(), model.config.codes).per_step_perplexity


def test_the_information_of_codes_has_a_gradient_towards_more_even_use() -> None:
    """LAPS's term of this kind is made of whole codes, and its gradient is nothing at all."""
    model, velocities = nearly_collapsed()
    encoded = model.encode(velocities)
    assert not encoded.indices.requires_grad
    before = code_information(model.bounded(encoded.prequant), (5, 5))
    before.backward()
    weights = [model.project.weight, *model.encoder_blocks.parameters(), *model.quantizer.project_in.parameters()]
    assert all(weight.grad is not None and weight.grad.isfinite().all() for weight in weights)
    assert float(sum((weight.grad**2).sum() for weight in weights if weight.grad is not None)) > 0
    assert float(model.project.weight.grad.abs().max()) > 0  # type: ignore[union-attr]
    with torch.no_grad():
        length = sum((weight.grad**2).sum() for weight in weights if weight.grad is not None) ** 0.5
        for weight in weights:
            weight += 0.05 * weight.grad / length  # type: ignore[operator]
        after = code_information(model.bounded(model.encode(velocities).prequant), (5, 5))
    assert float(after) > float(before.detach())


@pytest.mark.parametrize("by", ["its information", "a cost that knows no motion"])
def test_a_collapsed_encoder_is_moved_apart(by: str) -> None:
    model, velocities = nearly_collapsed()
    assert use_per_step(model, velocities) < 1.5
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    still = torch.full((32, 1, 3, 6), 112)
    for _ in range(40):
        made = model(velocities)
        told = code_information(model.bounded(made.prequant), (5, 5))
        optimizer.zero_grad()
        (1 - told if by == "its information" else displacement_loss(made.logits, still)).backward()
        optimizer.step()
    used = use_per_step(model, velocities)
    assert used > 4 if by == "its information" else used < 1.5
