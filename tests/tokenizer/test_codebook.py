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
    use = codebook_use(np.array(codes)[:, None], 15)
    counts = np.bincount(codes)
    assert (use.codes, use.seen, use.used) == (15, len(codes), len(set(codes)))
    assert use.perplexity == pytest.approx(2 ** entropy(counts, base=2))
    assert use.most_common_share == counts.max() / len(codes)
    assert 1 <= use.perplexity <= use.used + 1e-9
    assert use.per_step_perplexity == pytest.approx(use.perplexity)


@pytest.mark.parametrize(("codes", "collapsed"), [([3] * 99 + [1], True), ([3] * 50 + [1] * 50, False), ([5], True)])
def test_a_codebook_of_one_code_has_collapsed(codes: list[int], collapsed: bool) -> None:
    assert codebook_use(np.array(codes)[:, None], 64).collapsed == collapsed


def test_codes_that_only_count_the_steps_have_collapsed() -> None:
    """Regression: on still videos each step had a code of its own, and 5 codes for nothing looked like a use."""
    use = codebook_use(np.tile(np.arange(5), (40, 1)), 64)
    assert use.perplexity == pytest.approx(5)
    assert use.per_step_perplexity == 1
    assert use.collapsed


@given(st.lists(st.lists(st.integers(0, 3), min_size=3, max_size=3), min_size=1, max_size=30))
def test_entropy_per_step(codes: list[list[int]]) -> None:
    columns = [entropy(np.bincount(column), base=2) for column in np.array(codes).T]
    assert codebook_use(codes, 4).per_step_perplexity == pytest.approx(2 ** np.mean(columns))


def test_use_is_told_against_the_codes_that_there_are() -> None:
    """1864 of the 1920 codes of a nominal 2048 are 97 %, and not the 91 % that were once reported."""
    use = codebook_use(np.arange(1864)[:, None], 1920)
    assert str(use).startswith("1864 of 1920 codes used, perplexity 1864.0")


@pytest.mark.parametrize(
    ("codes", "got"),
    [([[]], "none"), ([[0, 15]], "0 to 15"), ([[-1, 3]], "-1 to 3"), ([0, 3], "0 to 3 in 1 dim")],
)
def test_codes_that_there_are_not_are_refused(codes: list[int], got: str) -> None:
    with pytest.raises(SchemaError, match=f"expected codes from 0 to 14 by window and step, got {got}"):
        codebook_use(codes, 15)
