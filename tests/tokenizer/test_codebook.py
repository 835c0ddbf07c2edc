"""Counts of codes against SciPy's entropy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import entropy

from lapsdata.errors import SchemaError
from lapsmodels.tokenizer.codebook import codebook_use


@given(st.lists(st.integers(0, 14), min_size=1, max_size=80))
def test_counts_and_entropy(codes: list[int]) -> None:
    use = codebook_use(codes, 15)
    counts = np.bincount(codes)
    assert (use.codes, use.seen, use.used) == (15, len(codes), len(set(codes)))
    assert use.perplexity == pytest.approx(2 ** entropy(counts, base=2))
    assert use.most_common_share == counts.max() / len(codes)
    assert 1 <= use.perplexity <= use.used + 1e-9


@pytest.mark.parametrize(("codes", "collapsed"), [([3] * 99 + [1], True), ([3] * 50 + [1] * 50, False), ([5], True)])
def test_a_codebook_of_one_code_has_collapsed(codes: list[int], collapsed: bool) -> None:
    assert codebook_use(codes, 64).collapsed == collapsed


def test_use_is_told_against_the_codes_that_there_are() -> None:
    """1864 of the 1920 codes of a nominal 2048 are 97 %, and not the 91 % that were once reported."""
    use = codebook_use(np.arange(1864), 1920)
    assert str(use).startswith("1864 of 1920 codes used, perplexity 1864.0")


@pytest.mark.parametrize(("codes", "got"), [([], "none"), ([0, 15], "0 to 15"), ([-1, 3], "-1 to 3")])
def test_codes_that_there_are_not_are_refused(codes: list[int], got: str) -> None:
    with pytest.raises(SchemaError, match=f"expected codes from 0 to 14, got {got}"):
        codebook_use(codes, 15)
