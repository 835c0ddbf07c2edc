"""Names of AMPLIFY's weights; their numbers are read in tests/real."""

from __future__ import annotations

import pytest
import torch

from lapsdata.errors import SchemaError
from lapsmodels.tokenizer.amplify import from_amplify


def test_weights_that_are_no_motion_tokenizers_are_refused() -> None:
    state = {"decoder.decoder_proj.bias": torch.zeros(3), "vision.layer4.weight": torch.zeros(3)}
    with pytest.raises(SchemaError, match=r"got 1 others: \['vision.layer4.weight'\]"):
        from_amplify(state)


def test_masks_and_unused_sinusoids_are_no_weights() -> None:
    state = {
        "encoder.encoder.transformer.h.0.attn.attn_mask": torch.ones(3),
        "decoder.fixed_positional_emb.inv_freq": torch.ones(3),
    }
    assert from_amplify(state) == {}
