"""Weights of AMPLIFY's own checkpoints, under the names that this library has for them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lapsdata.errors import Problem, SchemaError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

__all__ = ["from_amplify"]

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


def from_amplify(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the weights of a motion tokenizer of pairlab/AMPLIFY; give the result to `load_state_dict`.

    Raises
    ------
    SchemaError
        A name that AMPLIFY's motion tokenizer does not have.

    Examples
    --------
    >>> import torch
    >>> list(from_amplify({"decoder.decoder_proj.bias": torch.zeros(225)}))
    ['classify.bias']
    """
    renamed, unknown = {}, []
    for name, value in state.items():
        if _NOT_WEIGHTS.fullmatch(name):
            continue
        ours = next((re.sub(f"^{old}", new, name) for old, new in _NAMES if re.match(old, name)), None)
        if ours is None:
            unknown.append(name)
            continue
        for old, new in _PARTS:
            ours = re.sub(old, new, ours)
        renamed[ours] = value
    if unknown:
        message = f"expected the weights of a motion tokenizer of AMPLIFY, got {len(unknown)} others: {unknown[:3]}"
        raise SchemaError(Problem("wrong-weights", "state", message, "image-conditioned tokenizers are not read"))
    return renamed
