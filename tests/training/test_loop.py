"""Training learns what there is, and is the same however often it was interrupted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.errors import CorruptDataError
from lapsmodels.tokenizer.corrections import AS_PUBLISHED, LossOptions
from lapsmodels.tokenizer.losses import code_information, displacement_classes, displacement_loss
from lapsmodels.training.loop import _loss, _points, _rows, begin, classes_of, train, use_of
from lapsmodels.training.options import TrainOptions
from lapsmodels.training.state import load_state, save_state
from lapsmodels.training.windows import MotionWindows

if TYPE_CHECKING:
    from pathlib import Path

    from lapsmodels.tokenizer.config import TokenizerConfig


PLAIN = {name: getattr(AS_PUBLISHED, name) for name in LossOptions.model_fields}


def weights(training: Any) -> dict[str, Any]:
    return {name: value.clone() for name, value in training.model.state_dict().items()}


def assert_equal(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert all(torch.equal(value, other[name]) for name, value in one.items())


def test_it_learns_what_there_is_to_learn(config: TokenizerConfig, steady: MotionWindows) -> None:
    options = TrainOptions(steps=400, batch=16, rate=3e-3, points=None, **PLAIN)
    training = train(begin(config, options), steady, options)
    assert np.mean(training.losses[:3]) > 5
    # Without the codes, one of four ways is as likely as another: ln 4 = 1.39; telling two pairs apart leaves ln 2.
    assert np.mean(training.losses[-5:]) < 0.75
    positions = torch.from_numpy(steady.positions)
    with torch.no_grad():
        logits = training.model(positions.diff(dim=2)).logits
    classes = displacement_classes(positions, config.class_size, config.reach)
    assert float((logits.argmax(dim=-1) == classes).float().mean()) > 0.45
    use = use_of(training.model, steady)
    assert use.seen == 64 * 4
    assert use.used >= 2


def test_a_resumed_training_is_the_same_to_the_last_bit(
    config: TokenizerConfig, windows: MotionWindows, tmp_path: Path
) -> None:
    options = TrainOptions(steps=7, batch=4, points=5, save_every=3)
    config = config.model_copy(update={"dropout": 0.2})
    states: list[int] = []

    def save(training: Any) -> None:
        states.append(training.step)
        save_state(tmp_path / "state.safetensors", training, "key")

    whole = train(begin(config, options), windows, options, save=save)
    assert states == [3, 6]
    resumed = load_state(tmp_path / "state.safetensors", config, options, "key")
    assert resumed is not None
    assert (resumed.step, len(resumed.losses)) == (6, 6)
    torch.manual_seed(99)
    train(resumed, windows, options)
    assert resumed.losses == whole.losses
    assert_equal(weights(whole), weights(resumed))


def test_training_leaves_the_generator_of_its_caller_alone(config: TokenizerConfig, windows: MotionWindows) -> None:
    options = TrainOptions(steps=2, batch=4)
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    train(begin(config.model_copy(update={"dropout": 0.2}), options), windows, options)
    assert torch.equal(torch.rand(3), expected)


def test_seeds_decide(config: TokenizerConfig, windows: MotionWindows) -> None:
    made = [
        weights(train(begin(config, options), windows, options))
        for options in (TrainOptions(steps=2, seed=seed) for seed in (0, 0, 1))
    ]
    assert_equal(made[0], made[1])
    assert not torch.equal(made[0]["project.weight"], made[2]["project.weight"])


@given(count=st.integers(1, 40), batch=st.integers(1, 50), seed=st.integers(0, 9))
def test_each_epoch_has_each_window_once(count: int, batch: int, seed: int) -> None:
    options = TrainOptions(batch=batch, seed=seed)
    steps = -(-3 * count // batch)
    rows = np.concatenate([_rows(count, step, options) for step in range(steps)])
    assert len(rows) == steps * batch
    for epoch in range(3):
        assert sorted(rows[epoch * count : (epoch + 1) * count]) == list(range(count))


def test_points_are_drawn_anew_each_step(config: TokenizerConfig) -> None:
    options = TrainOptions(points=4)
    drawn = [_points(config, options, np.random.default_rng(step)) for step in range(40)]
    assert all(one is not None and len(set(one.tolist())) == 4 for one in drawn)
    assert {int(n) for one in drawn if one is not None for n in one} == set(range(9))
    assert _points(config, TrainOptions(points=9), np.random.default_rng(0)) is None
    assert _points(config, TrainOptions(points=None), np.random.default_rng(0)) is None


@pytest.mark.parametrize("by", ["seen_only", "inside_only"])
def test_steps_that_are_not_known_teach_nothing(config: TokenizerConfig, steady: MotionWindows, by: str) -> None:
    """Nonsense in their place gives the same weights; as published, it gives others."""
    hidden = np.random.default_rng(1).random(steady.seen.shape) < 0.3
    noise = np.random.default_rng(2).normal(size=(2, *steady.positions.shape)).astype(np.float32)
    if by == "inside_only":
        noise = np.sign(noise) * (1 + abs(noise))
    made = {}
    for corrected in (True, False):
        chosen, options = config.model_copy(update={by: corrected}), TrainOptions(steps=3, batch=8, points=None)
        for number in (0, 1):
            positions = np.where(hidden[..., None], noise[number], steady.positions)
            seen = np.where(by == "seen_only", ~hidden, True)
            nonsense = MotionWindows(positions, seen, steady.video, 0)
            made[corrected, number] = train(begin(chosen, options), nonsense, options).losses
    assert made[True, 0] == made[True, 1]
    assert made[False, 0] != made[False, 1]


def test_every_part_of_what_is_made_small_counts(config: TokenizerConfig, windows: MotionWindows) -> None:
    """One step from the same weights: the cost by hand, and the information of codes beside it by its weight."""
    positions = torch.from_numpy(windows.steps(np.arange(6), config).positions)
    classes = displacement_classes(positions, config.class_size, config.reach)
    for options in (TrainOptions(points=None, diversity=0.7), TrainOptions(points=None, **PLAIN)):
        model = begin(config, options).model.eval()
        with torch.no_grad():
            ours = float(_loss(model, windows, np.arange(6), None, options))
            made = model(positions.diff(dim=2))
            by_hand = float(displacement_loss(made.logits, classes, None, options))
            told = float(code_information(model.bounded(made.prequant), config.levels))
        assert ours == pytest.approx(by_hand + options.diversity * (1 - told), rel=1e-5)
    assert options.diversity == 0


def test_classes_are_counted_over_all_windows(config: TokenizerConfig, windows: MotionWindows) -> None:
    config = config.model_copy(update={"seen_only": True, "class_size": (64, 48)})
    use = classes_of(windows, config, batch=3)
    pixels = np.rint((windows.positions.clip(-1, 1) + 1) * (32, 24)).clip(0, (63, 47))
    known = windows.seen[:, :, 1:] & windows.seen[:, :, :-1]
    moved = np.diff(pixels, axis=2)[known]
    assert use.displacements == len(moved) == known.sum()
    assert use.centre_share == pytest.approx(float((moved == 0).all(axis=-1).mean()))
    assert use.beyond_share == pytest.approx(float((abs(moved) > 7).any(axis=-1).mean()))
    assert use.beyond_share > 0


def test_a_state_of_another_training_is_not_taken(config: TokenizerConfig, tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    assert load_state(path, config, TrainOptions(), "key") is None
    save_state(path, begin(config, TrainOptions()), "key")
    assert load_state(path, config, TrainOptions(), "other") is None
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CorruptDataError, match=r"the state of the training is damaged.*remove it, and train anew"):
        load_state(path, config, TrainOptions(), "key")
