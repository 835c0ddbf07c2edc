"""Configurations: sizes follow from choices, and what cannot be is refused."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.errors import SchemaError
from lapsmodels.tokenizer.config import FSQ_LEVELS, PRESETS, TokenizerConfig, fsq_levels


def test_true_sizes_of_nominal_codebooks() -> None:
    sizes = {nominal: math.prod(levels) for nominal, levels in FSQ_LEVELS.items()}
    assert sizes == {16: 15, 64: 64, 256: 240, 512: 512, 1024: 1000, 2048: 1920, 4096: 4375}


@pytest.mark.parametrize("nominal", [32, 128, 3000, 0, True])
def test_sizes_that_there_are_not_are_refused(nominal: int) -> None:
    """Upstream takes 3000 for 2048, and fails with a name that is not bound for 32."""
    with pytest.raises(SchemaError, match=rf"expected one of \[16, 64, .*got {nominal}"):
        fsq_levels(nominal)


@given(views=st.integers(1, 4), horizon=st.integers(2, 20), per_view=st.booleans(), reach=st.integers(1, 9))
def test_lengths_and_classes(views: int, horizon: int, per_view: bool, reach: int) -> None:
    config = TokenizerConfig(views=views, horizon=horizon, per_view=per_view, reach=reach)
    assert config.length == (horizon - 1) * (views if per_view else 1)
    assert config.classes == len([(r, c) for r in range(-reach, reach + 1) for c in range(-reach, reach + 1)])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"heads": 7}, "a width that 7 heads divide, got 768"),
        ({"levels": ()}, "levels"),
        ({"levels": (8, 2)}, "levels.1"),
        ({"dropout": 1.0}, "dropout"),
        ({"horizon": 1}, "horizon"),
        ({"hidden": 3}, "hidden"),
    ],
)
def test_what_cannot_be_is_refused(wrong: dict[str, object], message: str) -> None:
    document = TokenizerConfig().as_json() | wrong
    with pytest.raises(SchemaError, match=message):
        TokenizerConfig.parse(json.dumps(document))


@pytest.mark.parametrize("name", PRESETS)
def test_presets_come_back_from_json(name: str) -> None:
    assert TokenizerConfig.parse(PRESETS[name].to_bytes()) == PRESETS[name]
