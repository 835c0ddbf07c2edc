"""Checkpoints of AMPLIFY: their weights under the names that this library has for them, and their configuration.

A checkpoint is a dictionary: `model` holds the weights, `config` the whole configuration as plain values, beside the
states of optimiser, scaler and schedule, counters and losses (pairlab/AMPLIFY, amplify/utils/train.py,
save_checkpoint). Weights of a compiled model (`compile: true`) are named `_orig_mod.` first; upstream trains on one
device, so that `module.` comes from the wrappers of others, as `state_dict` in place of `model` does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from lapsdata.errors import Problem, Problems, SchemaError
from lapsmodels.tokenizer.config import TokenizerConfig, fsq_levels

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["amplify_config", "amplify_weights"]

_NAMES = (
    (r"encoder\.encoder_proj\.", "project."),
    (r"encoder\.encoder\.transformer\.pos_emb\.", "encoder_position."),
    (r"encoder\.encoder\.transformer\.ln_f\.", "encoder_norm."),
    (r"encoder\.encoder\.transformer\.h\.(\d+)\.", r"encoder_blocks.\1."),
    (r"quantize\.", "quantizer."),
    (r"decoder\.decoder\.transformer\.pos_emb\.", "decoder_position."),
    (r"decoder\.decoder\.transformer\.ln_f\.", "decoder_norm."),
    (r"decoder\.decoder\.transformer\.h\.(\d+)\.(?=ln_[12]|self_attn|mlp\.)", r"decoder_blocks.\1.own."),
    (r"decoder\.decoder\.transformer\.h\.(\d+)\.", r"decoder_blocks.\1."),
    (r"decoder\.track_pos_emb\.", "point."),
    (r"decoder\.view_emb\.", "view."),
    (r"decoder\.decoder_mlp\.0\.", "widen."),
    (r"decoder\.decoder_mlp\.2\.", "narrow."),
    (r"decoder\.decoder_proj\.", "classify."),
)
_PARTS = (
    (r"\.ln_[13]\.", ".before_attention."),
    (r"\.ln_[24]\.", ".before_feed."),
    (r"\.(?:self_attn|cross_attn|attn)\.c_attn\.", ".attention.query_key_value."),
    (r"\.(?:self_attn|cross_attn|attn)\.c_proj\.", ".attention.out."),
    (r"\.cross_attn\.q_proj\.", ".attention.query."),
    (r"\.cross_attn\.kv_proj\.", ".attention.key_value."),
    (r"\.mlp(?:_2)?\.c_fc\.", ".feed.wide."),
    (r"\.mlp(?:_2)?\.c_proj\.", ".feed.narrow."),
)
# Masks follow from the configuration, and the sinusoids are never used.
_NOT_WEIGHTS = re.compile(r".*\.attn_mask|decoder\.fixed_positional_emb\.inv_freq")
_HOLDERS = ("model", "state_dict")
_WRAPPERS = re.compile(r"^(?:module\.|_orig_mod\.)+")
_ATTENTION: dict[object, Literal["causal", "full", "step"]] = {True: "causal", False: "full", "diag": "step"}


def amplify_weights(checkpoint: Mapping[str, Any]) -> dict[str, Tensor]:
    """Rename the weights of a motion tokenizer of pairlab/AMPLIFY.

    Parameters
    ----------
    checkpoint : mapping
        The weights by their names upstream, or a whole checkpoint that has them as `model` or `state_dict`. The names
        may begin with `module.` or `_orig_mod.`.

    Raises
    ------
    SchemaError
        A name that AMPLIFY's motion tokenizer does not have, or two that are one without what they begin with.

    Examples
    --------
    >>> import torch
    >>> list(amplify_weights({"model": {"_orig_mod.decoder.decoder_proj.bias": torch.zeros(225)}, "epoch": 3}))
    ['classify.bias']
    """
    state = next((checkpoint[key] for key in _HOLDERS if isinstance(checkpoint.get(key), Mapping)), checkpoint)
    renamed: dict[str, Tensor] = {}
    unknown = []
    for name, value in state.items():
        bare = _WRAPPERS.sub("", name)
        if _NOT_WEIGHTS.fullmatch(bare):
            continue
        ours = _our_name(bare)
        if ours is None or ours in renamed:
            unknown.append(name)
        else:
            renamed[ours] = value
    if unknown:
        message = f"expected the weights of a motion tokenizer of AMPLIFY, got {len(unknown)} others: {unknown[:3]}"
        raise SchemaError(Problem("wrong-weights", "state", message, "image-conditioned tokenizers are not read"))
    return renamed


def _our_name(name: str) -> str | None:
    ours = next((re.sub(f"^{old}", new, name) for old, new in _NAMES if re.match(old, name)), None)
    if ours is not None:
        for old, new in _PARTS:
            ours = re.sub(old, new, ours)
    return ours


def amplify_config(told: Mapping[str, Any]) -> TokenizerConfig:
    """Return the configuration that a checkpoint of pairlab/AMPLIFY has as `config`.

    Parameters
    ----------
    told : mapping
        As cfg/train_motion_tokenizer.yaml upstream has it.

    Raises
    ------
    SchemaError
        A part is missing, or is of a kind that is not read: conditioned on images, another loss, a codebook without
        levels, classes that are no square around no displacement, or classes on another grid than velocities.

    Examples
    --------
    >>> amplify_config({"hidden_dim": 768})
    Traceback (most recent call last):
    lapsdata.errors.SchemaError: config: expected a configuration of AMPLIFY's motion tokenizer, got none of ...
    """
    try:
        _refuse_other_kinds(told)
        return TokenizerConfig(
            views=len(told["cond_cameraviews"]),
            points=told["num_tracks"],
            horizon=told["track_pred_horizon"],
            width=told["hidden_dim"],
            heads=told["num_heads"],
            encoder_layers=told["num_layers"],
            decoder_layers=int(told["num_layers"] / 2),
            head_width=told["decoder_mlp_hidden_dim"],
            levels=fsq_levels(told["codebook_size"]),
            attention=_ATTENTION[told["causal_encoder"]],
            per_view=told["per_view"],
            dropout=told["attn_pdrop"],
            reach=(told["loss"]["rel_cls_img_size"][0] - 1) // 2,
            class_size=tuple(told["loss"]["cls_img_size"]),
        )
    except KeyError as error:
        message = f"expected a configuration of AMPLIFY's motion tokenizer, got none of {error.args[0]!r}"
        raise SchemaError(Problem("wrong-config", "config", message)) from error


def _refuse_other_kinds(told: Mapping[str, Any]) -> None:
    problems, loss = Problems(), told["loss"]
    window = list(loss["rel_cls_img_size"])
    wanted = {
        "type": (told["type"], "transformer"),
        "cond_on_img": (told["cond_on_img"], False),
        "point_dim": (told["point_dim"], 2),
        "loss.loss_fn": (loss["loss_fn"], "relative_ce"),
        "loss.rel_cls_img_size": (window, [window[0] | 1] * 2),
        # Upstream counts classes in one grid and makes velocities of them in the other.
        "loss.cls_img_size": (list(loss["cls_img_size"]), list(told["img_shape"])),
    }
    for key, (got, expected) in wanted.items():
        if got != expected:
            problems.add("wrong-config", f"config.{key}", f"expected {expected!r}, got {got!r}")
    problems.raise_as(SchemaError)
