"""Training some parameters alone."""

from __future__ import annotations

import pytest

from lapsdata.errors import SchemaError
from lapsmodels.tokenizer.config import TokenizerConfig
from lapsmodels.tokenizer.model import MotionTokenizer
from lapsmodels.training.freezing import freeze


def model() -> MotionTokenizer:
    return MotionTokenizer(TokenizerConfig(points=9, horizon=5, width=16, heads=2, head_width=8, levels=(5, 3)))


def test_all_are_trained_unless_something_is_said() -> None:
    tokenizer = model()
    share = freeze(tokenizer, ())
    assert share.trained == share.parameters == sum(weight.numel() for weight in tokenizer.parameters())


def test_patterns_choose_by_name() -> None:
    tokenizer = model()
    share = freeze(tokenizer, ["classify.*", "decoder_blocks.*.out.weight"])
    trained = {name for name, weight in tokenizer.named_parameters() if weight.requires_grad}
    assert {"classify.weight", "classify.bias"} < trained
    assert trained - {"classify.weight", "classify.bias"}
    assert all(name.startswith("decoder_blocks.") and name.endswith(".out.weight") for name in trained
               if not name.startswith("classify."))  # fmt: skip
    assert share.tensors == len(trained)
    assert share.trained == sum(weight.numel() for weight in tokenizer.parameters() if weight.requires_grad)
    # What is chosen anew is chosen from all.
    assert freeze(tokenizer, ()).trained == share.parameters


def test_patterns_that_match_nothing_are_all_refused() -> None:
    with pytest.raises(SchemaError, match=r"'head\.\*', which none has.*") as caught:
        freeze(model(), ["classify.*", "head.*", "nothing"])
    assert len(caught.value.problems) == 2
