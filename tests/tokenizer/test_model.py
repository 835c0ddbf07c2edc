"""The model: shapes, who sees whom, and gradients; its numbers are held against AMPLIFY's in tests/real."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from lapsdata.errors import SchemaError
from lapsmodels.tokenizer import model as model_module
from lapsmodels.tokenizer.config import PRESETS, TokenizerConfig, fsq_levels
from lapsmodels.tokenizer.losses import displacement_loss
from lapsmodels.tokenizer.model import MotionTokenizer

BASE: dict[str, Any] = {
    "points": 9, "horizon": 6, "width": 16, "heads": 2, "head_width": 12, "levels": (5, 5, 3), "encoder_layers": 2,
}  # fmt: skip


def model_of(**changes: Any) -> MotionTokenizer:
    torch.manual_seed(0)
    model = MotionTokenizer(TokenizerConfig(**(BASE | changes)))
    # Far from the small initial weights, so that what is seen is felt.
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn_like(weight) * 0.3)
    return model.eval()


def velocities_of(model: MotionTokenizer, windows: int = 3) -> torch.Tensor:
    config = model.config
    return torch.randn(
        windows, config.views, config.steps, config.points, 2, generator=torch.Generator().manual_seed(1)
    )


def test_the_published_model_has_as_many_weights_as_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    true_fsq = model_module.FSQ

    def fsq_with_numbers(*arguments: Any, **named: Any) -> Any:
        # It counts its codes by their values, and there are none on this device.
        with torch.device("cpu"):
            return true_fsq(*arguments, **named)

    monkeypatch.setattr(model_module, "FSQ", fsq_with_numbers)

    def count(**changes: Any) -> int:
        with torch.device("meta"):
            return sum(weight.numel() for weight in MotionTokenizer(TokenizerConfig(**changes)).parameters())

    assert count() == 30_232_805
    assert count(views=2) == 30_847_973
    assert PRESETS["amplify"] == TokenizerConfig()


@pytest.mark.parametrize(
    ("nominal", "true"), [(16, 15), (64, 64), (256, 240), (512, 512), (1024, 1000), (2048, 1920), (4096, 4375)]
)
def test_a_codebook_has_its_true_size(nominal: int, true: int) -> None:
    config = TokenizerConfig(**(BASE | {"levels": fsq_levels(nominal)}))
    assert config.codes == true == MotionTokenizer(config).quantizer.codebook_size


@pytest.mark.parametrize("per_view", [False, True])
@pytest.mark.parametrize("views", [1, 3])
def test_shapes(views: int, per_view: bool) -> None:
    model = model_of(views=views, per_view=per_view)
    encoded = model.encode(velocities_of(model))
    length = 5 * (views if per_view else 1)
    assert encoded.prequant.shape == encoded.quantized.shape == (3, length, 16)
    assert encoded.indices.shape == (3, length)
    assert encoded.indices.dtype == torch.int32
    assert model.decode(encoded.quantized).shape == (3, views, 5, 9, 225)


@pytest.mark.parametrize(
    ("attention", "changed"), [("causal", [0, 0, 1, 1, 1]), ("full", [1] * 5), ("step", [0, 0, 1, 0, 0])]
)
def test_who_sees_whom(attention: str, changed: list[int]) -> None:
    """Another motion in step 2 changes the latents of the steps that see it."""
    model = model_of(attention=attention)
    one = velocities_of(model, 1)
    other = one.clone()
    other[:, :, 2] += 1
    differ = (model.encode(one).prequant != model.encode(other).prequant).any(dim=-1)[0]
    assert differ.int().tolist() == changed


def test_views_that_are_encoded_apart_meet_in_attention_only() -> None:
    """One code per view and step: the first view comes first, and with `step` each knows only itself."""
    model = model_of(views=2, per_view=True, attention="step")
    one = velocities_of(model, 1)
    other = one.clone()
    other[:, 1] += 1
    differ = (model.encode(one).prequant != model.encode(other).prequant).any(dim=-1)[0]
    assert differ.int().tolist() == [0] * 5 + [1] * 5


def test_windows_do_not_see_each_other() -> None:
    model = model_of()
    given = velocities_of(model, 4)
    together, alone = model.encode(given), model.encode(given[2:3])
    torch.testing.assert_close(together.prequant[2:3], alone.prequant, rtol=1e-5, atol=1e-6)
    assert torch.equal(together.indices[2:3], alone.indices)


def test_some_points_are_decoded_as_all_are() -> None:
    model = model_of(views=2)
    quantized = model.encode(velocities_of(model)).quantized
    points = torch.tensor([7, 0, 3, 3])
    torch.testing.assert_close(model.decode(quantized, points), model.decode(quantized)[..., points, :])


def test_codes_are_the_levels_of_the_quantised_latents() -> None:
    model = model_of()
    encoded = model.encode(velocities_of(model, 40))
    again = model.quantizer.indices_to_codes(encoded.indices)
    torch.testing.assert_close(again, encoded.quantized)
    assert 1 < len(encoded.indices.unique()) <= model.config.codes
    assert encoded.indices.max() < model.config.codes


def test_gradients_pass_through_the_quantisation() -> None:
    model = model_of().train()
    given = velocities_of(model)
    logits = model.decode(model.encode(given).quantized)
    displacement_loss(logits, torch.randint(0, 225, logits.shape[:-1])).backward()
    without = [name for name, weight in model.named_parameters() if weight.grad is None or not weight.grad.any()]
    assert without == []


def test_the_whole_model_encodes_and_decodes() -> None:
    model = model_of(views=2, scale=3.0)
    given = velocities_of(model)
    with torch.no_grad():
        made, encoded = model(given), model.encode(given)
        some = model(given, torch.tensor([4, 1]))
        logits = model.decode(encoded.quantized)
    assert torch.equal(made.indices, encoded.indices)
    assert torch.equal(made.prequant, encoded.prequant)
    assert torch.equal(made.logits, logits)
    assert made.reconstruction.shape == given.shape
    best = made.logits.argmax(dim=-1).numpy()
    # Class pixels to shares of half the frame: the units of positions, whatever velocities are scaled by inside.
    by_hand = np.stack([best // 15 - 7, best % 15 - 7], axis=-1) * (2 / 128)
    np.testing.assert_allclose(made.reconstruction.numpy(), by_hand, atol=1e-7)
    torch.testing.assert_close(some.logits, logits[..., [4, 1], :])


def test_quantisation_is_of_full_precision_whatever_is_around_it() -> None:
    model = model_of(levels=(8, 8, 6, 5))
    given = velocities_of(model, 60)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        encoded = model.encode(given)
        inner = model.bounded(encoded.prequant)
    with torch.no_grad():
        quantized, indices = model.quantizer(encoded.prequant.float())
        assert torch.equal(inner, model.bounded(encoded.prequant))
    assert (encoded.quantized.dtype, encoded.indices.dtype, inner.dtype) == (torch.float32, torch.int32, torch.float32)
    assert torch.equal(encoded.indices, indices)
    assert torch.equal(encoded.quantized, quantized)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        rough = model.quantizer(encoded.prequant)[1]
    assert not torch.equal(rough, indices)


def test_what_is_bounded_is_what_is_rounded() -> None:
    model = model_of(levels=(8, 5, 3, 6))
    encoded = model.encode(velocities_of(model, 40))
    digits = model.bounded(encoded.prequant).round().int() + torch.tensor([4, 2, 1, 3])
    assert torch.equal((digits * torch.tensor([1, 8, 40, 120])).sum(dim=-1).int(), encoded.indices)


@pytest.mark.parametrize("strange", [float("nan"), float("inf"), -float("inf")])
def test_velocities_that_are_no_numbers_are_refused(strange: float) -> None:
    model = model_of()
    given = velocities_of(model, 4)
    given[2, 0, 1, 3, 1] = strange
    with pytest.raises(
        SchemaError, match=r"velocities: expected numbers, got NaN or infinity in 1 of 4 windows, first in 2"
    ):
        model.encode(given)
    with pytest.raises(
        SchemaError, match=r"got NaN or infinity in 2 of 4 windows, first in 0; a step with an end that"
    ):
        model(given.index_fill(0, torch.tensor(0), float("nan")))


def test_great_velocities_are_numbers() -> None:
    model = model_of()
    given = torch.full((1, 1, 5, 9, 2), 3e38)
    assert model.encode(given).indices.shape == (1, 5)


@pytest.mark.parametrize("shape", [(3, 2, 5, 9, 2), (3, 1, 6, 9, 2), (3, 1, 5, 8, 2), (1, 5, 9, 2), (3, 1, 5, 9, 3)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(SchemaError, match=r"velocities: expected .*= \(B, 1, 5, 9, 2\), got \("):
        model_of().encode(torch.zeros(shape))


def test_training_drops_and_evaluation_does_not() -> None:
    model = model_of(dropout=0.5)
    given = velocities_of(model)
    assert torch.equal(model.encode(given).prequant, model.encode(given).prequant)
    model.train()
    assert not torch.equal(model.encode(given).prequant, model.encode(given).prequant)


def test_windows_of_another_type_and_none_are_refused() -> None:
    config = TokenizerConfig(points=5, horizon=4, width=16, heads=2, head_width=8, levels=(5, 3))
    model, one = MotionTokenizer(config).eval(), torch.zeros(2, 1, 3, 5, 2)
    with pytest.raises(SchemaError, match="velocities: expected at least one window, got none"):
        model.encode(one[:0])
    with pytest.raises(SchemaError, match=r"expected a tensor of torch\.float32, got one of torch\.float64"):
        model.encode(one.double())
    with pytest.raises(SchemaError, match=r"expected a tensor of torch\.float32, got ndarray; torch\.from_numpy makes"):
        model.encode(one.numpy())
