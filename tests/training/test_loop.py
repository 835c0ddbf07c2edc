"""Training learns what there is, step by step, and whatever a step depends on is said by the options."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from torch import nn

import lapsdata
from lapsdata.containers import Tracks
from lapsdata.errors import LapsError, SchemaError
from lapsmodels.tokenizer.corrections import AS_PUBLISHED, LossOptions
from lapsmodels.tokenizer.losses import code_information, displacement_classes, displacement_loss
from lapsmodels.training.judging import judge
from lapsmodels.training.loop import Training, _points, begin, loader_of, train
from lapsmodels.training.motion import motion
from lapsmodels.training.options import TrainOptions
from lapsmodels.training.source import MotionSource, stacked

if TYPE_CHECKING:
    from pathlib import Path

    from lapsmodels.tokenizer.config import TokenizerConfig
    from lapsmodels.training.ranks import Ranks


PLAIN = {name: getattr(AS_PUBLISHED, name) for name in LossOptions.model_fields}


def trained(config: TokenizerConfig, source: MotionSource, options: TrainOptions, ranks: Ranks) -> Training:
    training = begin(config, options, ranks)
    loader = loader_of(source, options, ranks)
    for _ in train(training, loader, options, ranks, options.steps or 0):
        pass
    return training


def weights(training: Any) -> dict[str, Any]:
    return {name: value.clone() for name, value in training.model.state_dict().items()}


def assert_equal(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert all(torch.equal(value, other[name]) for name, value in one.items())


def test_it_learns_what_there_is_to_learn(config: TokenizerConfig, steady: MotionSource, alone: Ranks) -> None:
    options = TrainOptions(steps=300, batch=16, rate=3e-3, points=None, **PLAIN)
    training = trained(config, steady, options, alone)
    assert np.mean(training.losses[:3]) > 5
    # Without the codes, one of four ways is as likely as another: ln 4 = 1.39; telling two pairs apart leaves ln 2.
    assert np.mean(training.losses[-5:]) < 0.75
    use = judge(training.model.eval(), steady, options, alone)
    assert use.accuracy > 0.45 > 0.3 > use.majority_share
    assert use.codebook.seen == 64 * 4
    assert use.codebook.used >= 2
    assert not use.collapsed
    assert use.delta_auc is not None
    assert use.delta_auc > 0.5


def test_training_leaves_the_generator_of_its_caller_alone(
    config: TokenizerConfig, source: MotionSource, alone: Ranks
) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    trained(config.model_copy(update={"dropout": 0.2}), source, TrainOptions(steps=2, batch=4), alone)
    assert torch.equal(torch.rand(3), expected)


def test_seeds_decide(config: TokenizerConfig, source: MotionSource, alone: Ranks) -> None:
    config = config.model_copy(update={"dropout": 0.2})
    made = [weights(trained(config, source, TrainOptions(steps=2, seed=seed), alone)) for seed in (0, 0, 1)]
    assert_equal(made[0], made[1])
    assert not torch.equal(made[0]["project.weight"], made[2]["project.weight"])


def test_points_are_drawn_anew_each_step(config: TokenizerConfig) -> None:
    cpu = torch.device("cpu")
    drawn = [_points(config, TrainOptions(points=4), np.random.default_rng(step), cpu) for step in range(40)]
    assert all(one is not None and len(set(one.tolist())) == 4 for one in drawn)
    assert {int(n) for one in drawn if one is not None for n in one} == set(range(9))
    assert _points(config, TrainOptions(points=9), np.random.default_rng(0), cpu) is None
    assert _points(config, TrainOptions(points=None), np.random.default_rng(0), cpu) is None


def source_of(path: Path, like: Path, xy: Any, seen: Any) -> MotionSource:
    clip = lapsdata.read(like)
    made = Tracks(clip.header, {"default": xy}, {"default": seen}, clip.start_index, clip.frame_s)
    lapsdata.write(path, made)
    return MotionSource(lapsdata.open_windows(path))


@pytest.mark.parametrize("by", ["seen_only", "inside_only"])
def test_steps_that_are_not_known_teach_nothing(
    config: TokenizerConfig, steady_file: Path, tmp_path: Path, by: str, alone: Ranks
) -> None:
    """Nonsense in their place gives the same weights; as published, it gives others."""
    clip = lapsdata.read(steady_file, Tracks)
    xy = clip.tracks["default"]
    hidden = np.random.default_rng(1).random(xy.shape[:-1]) < 0.3
    noise = np.random.default_rng(2).uniform(1, 40, (2, *xy.shape)).astype(np.float32)
    if by == "inside_only":
        noise = np.stack([noise[0] + 70, -noise[1] - 70])
    made = {}
    for number in (0, 1):
        seen = ~hidden if by == "seen_only" else np.ones_like(hidden)
        nonsense = np.where(hidden[..., None], noise[number], xy)
        source = source_of(tmp_path / f"{number}.zarr", steady_file, nonsense, seen)
        for corrected in (True, False):
            chosen = config.model_copy(update={by: corrected})
            options = TrainOptions(steps=3, batch=8, points=None)
            made[corrected, number] = trained(chosen, source, options, alone).losses
    assert made[True, 0] == made[True, 1]
    assert made[False, 0] != made[False, 1]


def test_every_part_of_what_is_made_small_counts(config: TokenizerConfig, source: MotionSource, alone: Ranks) -> None:
    """One step from the same weights: the cost by hand, and the information of codes beside it by its weight."""
    for options in (
        TrainOptions(steps=1, batch=14, points=None, diversity=0.7),
        TrainOptions(steps=1, batch=14, points=None, **PLAIN),
    ):
        (loss,) = trained(config, source, options, alone).losses
        (batch,) = lapsdata.Loader(source, batch_size=14, to="torch")
        positions = motion(*stacked(batch, source.views), config)[0].positions
        classes = displacement_classes(positions, config.class_size, config.reach)
        model = begin(config, options, alone).model.eval()
        with torch.no_grad():
            made = model(positions.diff(dim=2))
            by_hand = float(displacement_loss(made.logits, classes, None, options))
            told = float(code_information(model.bounded(made.prequant), config.levels))
        assert loss == pytest.approx(by_hand + options.diversity * (1 - told), rel=1e-5)
    assert options.diversity == 0


@pytest.mark.parametrize("batch", [4, 14, 30])
def test_repeats_at_the_end_of_an_epoch_do_not_count(
    config: TokenizerConfig, source: MotionSource, batch: int, alone: Ranks
) -> None:
    """14 windows in steps of 4, 14 and 30: an epoch counts each window once."""
    steps = -(-14 // batch)
    training = trained(config, source, TrainOptions(steps=steps, batch=batch), alone)
    use = training.meter.result(alone)
    assert (use.windows, use.codebook.seen) == (14, 14 * 4)
    if batch > 14:
        whole = trained(config, source, TrainOptions(steps=1, batch=14), alone)
        assert training.losses == pytest.approx(whole.losses, rel=1e-5)


def test_parts_of_a_step_make_the_same_step(config: TokenizerConfig, steady: MotionSource, alone: Ranks) -> None:
    made = [
        trained(config, steady, TrainOptions(steps=4, batch=8, accumulate=parts, **PLAIN), alone) for parts in (1, 2, 4)
    ]
    for other in made[1:]:
        assert other.losses == pytest.approx(made[0].losses, rel=1e-5)
        for name, value in weights(made[0]).items():
            torch.testing.assert_close(other.model.state_dict()[name], value, rtol=1e-3, atol=1e-5)


def test_a_batch_that_cannot_be_parted_is_refused(source: MotionSource, alone: Ranks) -> None:
    with pytest.raises(SchemaError, match=r"batch: expected a number .* that 1 processes with 3 parts"):
        loader_of(source, TrainOptions(batch=4, accumulate=3), alone)


def test_averages_follow_the_weights(config: TokenizerConfig, source: MotionSource, alone: Ranks) -> None:
    options = TrainOptions(steps=3, batch=4, average=0.5)
    training, seen = begin(config, options, alone), []
    for _ in train(training, loader_of(source, options, alone), options, alone, 3):
        seen.append(weights(training)["project.weight"])
    first = begin(config, options, alone).model.state_dict()["project.weight"]
    by_hand = first / 8 + seen[0] / 8 + seen[1] / 4 + seen[2] / 2
    torch.testing.assert_close(training.averaged().state_dict()["project.weight"], by_hand)
    assert not training.averaged().training


def test_the_rate_of_a_step_is_that_of_the_schedule(
    config: TokenizerConfig, source: MotionSource, alone: Ranks
) -> None:
    options = TrainOptions(steps=4, batch=4, rate=0.5, schedule="constant", warm_share=0.5)
    facts = list(train(begin(config, options, alone), loader_of(source, options, alone), options, alone, 4))
    assert [one.rate for one in facts] == [0.25, 0.5, 0.5, 0.5]
    assert [one.step for one in facts] == [1, 2, 3, 4]
    assert all(0 <= one.waited_s <= one.took_s for one in facts)


@pytest.mark.parametrize("part", ["classify", "project"], ids=["behind the codes", "before the codes"])
def test_a_loss_that_is_no_number_stops_the_training(
    config: TokenizerConfig, source: MotionSource, alone: Ranks, part: str
) -> None:
    options = TrainOptions(steps=4, batch=4)
    training = begin(config, options, alone)
    nn.init.constant_(getattr(training.model, part).weight, float("nan"))
    with pytest.raises(LapsError, match=r"expected a loss that is a number, got nan in step 1; a lower rate"):
        next(train(training, loader_of(source, options, alone), options, alone, 4))
    with pytest.raises(LapsError, match=r"expected a loss that is a number, got nan in its judgement; a lower rate"):
        judge(training.model.eval(), source, options, alone)


def test_bfloat16_is_near_float32_and_its_weights_are_float32(
    config: TokenizerConfig, steady: MotionSource, alone: Ranks
) -> None:
    made = {
        precision: trained(config, steady, TrainOptions(steps=5, batch=8, precision=precision), alone)
        for precision in ("float32", "bfloat16")
    }
    assert made["bfloat16"].losses != made["float32"].losses
    np.testing.assert_allclose(made["bfloat16"].losses, made["float32"].losses, rtol=0.05)
    assert {value.dtype for value in made["bfloat16"].model.parameters()} == {torch.float32}


def test_steps_and_epochs_are_one_or_the_other() -> None:
    assert TrainOptions(epochs=2).steps is None
    for wrong in ({"steps": 2, "epochs": 2}, {"steps": None}):
        with pytest.raises(
            ValueError, match=r"expected either steps or epochs, got steps \S+ and epochs \S+ \[wrong-value\]$"
        ):
            TrainOptions(**wrong)
