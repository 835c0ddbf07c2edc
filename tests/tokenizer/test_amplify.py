"""Checkpoints of AMPLIFY: whole or bare, wrapped or not; their numbers are read in tests/real."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch

from lapsdata.errors import SchemaError
from lapsmodels.tokenizer.amplify import amplify_config, amplify_weights
from lapsmodels.tokenizer.config import TokenizerConfig
from lapsmodels.tokenizer.model import MotionTokenizer

# As a checkpoint has it: the parts of cfg/train_motion_tokenizer.yaml upstream that say what the model is.
TOLD: dict[str, Any] = {
    "cond_cameraviews": ["front"],
    "num_tracks": 9,
    "track_pred_horizon": 5,
    "img_shape": [48, 80],
    "type": "transformer",
    "num_heads": 2,
    "num_layers": 2,
    "attn_pdrop": 0.1,
    "point_dim": 2,
    "hidden_dim": 16,
    "codebook_size": 16,
    "causal_encoder": True,
    "decoder_mlp_hidden_dim": 8,
    "cond_on_img": False,
    "per_view": False,
    "loss": {"loss_fn": "relative_ce", "cls_img_size": [48, 80], "rel_cls_img_size": [15, 15]},
}
CONFIG = TokenizerConfig(
    points=9, horizon=5, width=16, heads=2, encoder_layers=2, decoder_layers=1, head_width=8, levels=(5, 3),
    class_size=(48, 80),
)  # fmt: skip
SHAPES = {
    "quantize.project_in.weight": (2, 16), "quantize.project_in.bias": (2,),
    "quantize.project_out.weight": (16, 2), "quantize.project_out.bias": (16,),
    "encoder.encoder_proj.weight": (16, 18), "encoder.encoder_proj.bias": (16,),
    "encoder.encoder.transformer.pos_emb.weight": (4, 16), "encoder.encoder.transformer.ln_f.weight": (16,),
    **{
        f"encoder.encoder.transformer.h.{number}.{name}.weight": shape
        for number in (0, 1)
        for name, shape in {
            "ln_1": (16,), "attn.c_attn": (48, 16), "attn.c_proj": (16, 16), "ln_2": (16,),
            "mlp.c_fc": (64, 16), "mlp.c_proj": (16, 64),
        }.items()
    },
    "decoder.decoder.transformer.pos_emb.weight": (4, 16), "decoder.decoder.transformer.ln_f.weight": (16,),
    **{
        f"decoder.decoder.transformer.h.0.{name}.weight": shape
        for name, shape in {
            "ln_1": (16,), "self_attn.c_attn": (48, 16), "self_attn.c_proj": (16, 16), "ln_2": (16,),
            "mlp.c_fc": (64, 16), "mlp.c_proj": (16, 64), "ln_3": (16,), "cross_attn.q_proj": (16, 16),
            "cross_attn.kv_proj": (32, 16), "cross_attn.c_proj": (16, 16), "ln_4": (16,),
            "mlp_2.c_fc": (64, 16), "mlp_2.c_proj": (16, 64),
        }.items()
    },
    "decoder.track_pos_emb.weight": (9, 16), "decoder.view_emb.weight": (1, 16),
    "decoder.decoder_mlp.0.weight": (8, 48), "decoder.decoder_mlp.0.bias": (8,),
    "decoder.decoder_mlp.2.weight": (16, 8), "decoder.decoder_mlp.2.bias": (16,),
    "decoder.decoder_proj.weight": (225, 16), "decoder.decoder_proj.bias": (225,),
}  # fmt: skip
GENERATOR = torch.Generator().manual_seed(0)
STATE = {name: torch.randn(shape, generator=GENERATOR) for name, shape in SHAPES.items()}


def told_but(**changes: Any) -> dict[str, Any]:
    told = copy.deepcopy(TOLD)
    for name, value in changes.items():
        where = told["loss"] if name in told["loss"] else told
        where[name] = value
    return told


@pytest.mark.parametrize("holder", [None, "model", "state_dict"])
@pytest.mark.parametrize("before", ["", "module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module."])
def test_whole_and_bare_checkpoints_are_one(holder: str | None, before: str) -> None:
    state = {before + name: value for name, value in STATE.items()}
    checkpoint = state if holder is None else {holder: state, "optimizer": {}, "scaler": {}, "epoch": 3}
    model = MotionTokenizer.from_amplify(checkpoint, CONFIG)
    assert not model.training
    assert torch.equal(model.classify.bias, STATE["decoder.decoder_proj.bias"])
    assert torch.equal(model.project.weight, STATE["encoder.encoder_proj.weight"])
    assert sum(weight.numel() for weight in model.parameters()) == sum(value.numel() for value in STATE.values())


def test_weights_of_half_precision_are_read() -> None:
    model = MotionTokenizer.from_amplify({name: value.half() for name, value in STATE.items()}, CONFIG)
    assert model.project.weight.dtype == torch.float32
    assert torch.equal(model.project.weight, STATE["encoder.encoder_proj.weight"].half().float())


def test_a_whole_checkpoint_says_its_configuration() -> None:
    assert MotionTokenizer.from_amplify({"model": STATE, "config": TOLD}).config == CONFIG
    quiet = CONFIG.model_copy(update={"dropout": 0.0})
    assert MotionTokenizer.from_amplify({"model": STATE, "config": TOLD}, quiet).config == quiet
    # What no shape shows: weights of a causal encoder fit one that sees all.
    blind = CONFIG.model_copy(update={"attention": "full", "heads": 4})
    with pytest.raises(
        SchemaError, match=r"(?s)expected 'causal' as the checkpoint says, got 'full'.*expected 2 as th"
    ):
        MotionTokenizer.from_amplify({"model": STATE, "config": TOLD}, blind)
    with pytest.raises(SchemaError, match=r"expected a configuration in the checkpoint or beside it, got none; give t"):
        MotionTokenizer.from_amplify({"model": STATE})


@pytest.mark.parametrize(
    ("change", "ours"),
    [
        ({"causal_encoder": "diag"}, {"attention": "step"}),
        ({"causal_encoder": False}, {"attention": "full"}),
        ({"per_view": True, "cond_cameraviews": ["a", "b"]}, {"per_view": True, "views": 2}),
        ({"codebook_size": 4096}, {"levels": (7, 5, 5, 5, 5)}),
        ({"rel_cls_img_size": [21, 21]}, {"reach": 10}),
        ({"num_layers": 5}, {"encoder_layers": 5, "decoder_layers": 2}),
    ],
)
def test_configurations_are_read(change: dict[str, Any], ours: dict[str, Any]) -> None:
    assert amplify_config(told_but(**change)) == CONFIG.model_copy(update=ours)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cond_on_img": True}, r"config.cond_on_img: expected False, got True"),
        ({"type": "mlp"}, r"config.type: expected 'transformer', got 'mlp'"),
        ({"loss_fn": "mse"}, r"config.loss.loss_fn: expected 'relative_ce', got 'mse'"),
        ({"rel_cls_img_size": [15, 17]}, r"config.loss.rel_cls_img_size: expected \[15, 15\], got \[15, 17\]"),
        ({"rel_cls_img_size": [16, 16]}, r"config.loss.rel_cls_img_size: expected \[17, 17\], got \[16, 16\]"),
        ({"cls_img_size": [48, 48]}, r"config.loss.cls_img_size: expected \[48, 80\], got \[48, 48\]"),
        ({"codebook_size": 3000}, r"nominal_codes: expected one of \[16, .*got 3000; or give levels of your own"),
        ({"causal_encoder": "none"}, r"expected a configuration of AMPLIFY's motion tokenizer, got none of 'none'"),
    ],
)
def test_configurations_of_another_kind_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        amplify_config(told_but(**change))


def test_all_that_is_of_another_shape_is_named() -> None:
    with pytest.raises(SchemaError, match=r"(?s)point.weight: expected \(10, 16\), got \(9, 16\)") as caught:
        MotionTokenizer.from_amplify(STATE, CONFIG.model_copy(update={"points": 10, "horizon": 6}))
    assert {problem.where: problem.message for problem in caught.value.problems} == {
        "decoder_position.weight": "expected (5, 16), got (4, 16)",
        "encoder_position.weight": "expected (5, 16), got (4, 16)",
        "point.weight": "expected (10, 16), got (9, 16)",
        "project.weight": "expected (16, 20), got (16, 18)",
    }
    fewer = {name: value for name, value in STATE.items() if not name.startswith("decoder.view_emb")}
    with pytest.raises(SchemaError, match=r"view.weight: expected \(1, 16\), got none"):
        MotionTokenizer.from_amplify(fewer, CONFIG)
    with pytest.raises(SchemaError, match=r"encoder_blocks.1.attention.out.weight: expected none, got \(16, 16\)"):
        MotionTokenizer.from_amplify(STATE, CONFIG.model_copy(update={"encoder_layers": 1}))


def test_weights_that_are_no_motion_tokenizers_are_refused() -> None:
    state = {"decoder.decoder_proj.bias": torch.zeros(3), "vision.layer4.weight": torch.zeros(3)}
    with pytest.raises(SchemaError, match=r"got 1 others: \['vision.layer4.weight'\]"):
        amplify_weights(state)


def test_two_weights_of_one_name_are_refused() -> None:
    state = {"decoder.decoder_proj.bias": torch.zeros(3), "module.decoder.decoder_proj.bias": torch.ones(3)}
    with pytest.raises(SchemaError, match=r"got 1 others: \['module.decoder.decoder_proj.bias'\]"):
        amplify_weights(state)


def test_masks_and_unused_sinusoids_are_no_weights() -> None:
    state = {
        "encoder.encoder.transformer.h.0.attn.attn_mask": torch.ones(3),
        "_orig_mod.decoder.fixed_positional_emb.inv_freq": torch.ones(3),
    }
    assert amplify_weights(state) == {}
