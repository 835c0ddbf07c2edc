"""The model: shapes, who sees whom, and gradients; its numbers are held against AMPLIFY's in tests/real."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from lapsdata.errors import SchemaError
from lapsmodels.tokenizer.config import PRESETS, TokenizerConfig
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


def test_the_published_model_has_as_many_weights_as_reported() -> None:
    def count(**changes: Any) -> int:
        return sum(weight.numel() for weight in MotionTokenizer(TokenizerConfig(**changes)).parameters())

    assert count() == 30_232_805
    assert count(views=2) == 30_847_973
    assert PRESETS["amplify"] == TokenizerConfig()


@pytest.mark.parametrize("per_view", [False, True])
@pytest.mark.parametrize("views", [1, 3])
def test_shapes(views: int, per_view: bool) -> None:
    model = model_of(views=views, per_view=per_view)
    encoded = model.encode(velocities_of(model))
    length = 5 * (views if per_view else 1)
    assert encoded.prequant.shape == encoded.quantized.shape == (3, length, 16)
    assert encoded.codes.shape == (3, length)
    assert encoded.codes.dtype == torch.int32
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
    assert torch.equal(together.codes[2:3], alone.codes)


def test_some_points_are_decoded_as_all_are() -> None:
    model = model_of(views=2)
    quantized = model.encode(velocities_of(model)).quantized
    points = torch.tensor([7, 0, 3, 3])
    torch.testing.assert_close(model.decode(quantized, points), model.decode(quantized)[..., points, :])


def test_codes_are_the_levels_of_the_quantised_latents() -> None:
    model = model_of()
    encoded = model.encode(velocities_of(model, 40))
    again = model.quantizer.indices_to_codes(encoded.codes)
    torch.testing.assert_close(again, encoded.quantized)
    assert 1 < len(encoded.codes.unique()) <= model.config.codes
    assert encoded.codes.max() < model.config.codes


def test_gradients_pass_through_the_quantisation() -> None:
    model = model_of().train()
    given = velocities_of(model)
    logits = model.decode(model.encode(given).quantized)
    displacement_loss(logits, torch.randint(0, 225, logits.shape[:-1])).backward()
    without = [name for name, weight in model.named_parameters() if weight.grad is None or not weight.grad.any()]
    assert without == []


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
