"""What all strategies draw: names, rates, provenances, counts of policies, arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lapsdata.errors import MissingExtraError, Problem
from lapsdata.schema import Provenance
from lapsdata.timebase import FrameRate

try:
    from hypothesis import strategies as st
    from hypothesis.extra import numpy as arrays_of
except ImportError as error:
    raise MissingExtraError(
        Problem("missing-extra", "lapsdata.testing.strategies", "expected hypothesis, got no such package",
                "pip install 'lapsdata[test]'")
    ) from error  # fmt: skip

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy
    from numpy.typing import NDArray

__all__ = ["SCALARS", "names", "of", "policies", "provenances", "rates", "st"]

SCALARS = st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats(-1e9, 1e9) | st.text(max_size=5)
"""What a parameter may be."""


def names() -> SearchStrategy[str]:
    """Draw names of items as headers allow them: any script, no slashes, no control characters, no dot in front.

    Examples
    --------
    >>> from hypothesis import given, settings
    >>> @settings(max_examples=3)
    ... @given(names())
    ... def test_one(made):
    ...     assert "/" not in made
    >>> test_one()
    """
    usual = st.sampled_from(["clip_0", "Käse 3", "Ka\u0308se 3", "左カメラ", "a.b", "x" * 200, "рука🖐"])
    letters = st.characters(min_codepoint=0x20, codec="utf-8", exclude_characters="/\\")
    return usual | st.text(letters, min_size=1, max_size=8).filter(lambda name: not name.startswith("."))


def rates() -> SearchStrategy[FrameRate]:
    """Draw frame rates: the usual ones, and any fraction.

    Examples
    --------
    >>> from hypothesis import given, settings
    >>> @settings(max_examples=3)
    ... @given(rates())
    ... def test_one(made):
    ...     assert made.period_s > 0
    >>> test_one()
    """
    usual = st.sampled_from([FrameRate(10), FrameRate(25), FrameRate(30000, 1001)])
    return usual | st.builds(FrameRate, st.integers(1, 240_000), st.integers(1, 1001))


def provenances() -> SearchStrategy[Provenance]:
    """Draw provenances of a producer that is not this library, with any parameters.

    Examples
    --------
    >>> from hypothesis import given, settings
    >>> @settings(max_examples=3)
    ... @given(provenances())
    ... def test_one(made):
    ...     assert made.producer == "strategy"
    >>> test_one()
    """
    return st.builds(
        Provenance,
        producer=st.just("strategy"),
        version=st.text(min_size=1, max_size=5),
        code_digest=st.just("sha256:" + "5" * 64),
        parameters=st.dictionaries(st.text(max_size=5), SCALARS, max_size=3),
    )


def policies() -> SearchStrategy[dict[str, int]]:
    """Draw how many items policies have touched."""
    return st.dictionaries(st.sampled_from(["clip", "replace"]), st.integers(0, 2**40), max_size=2)


def of(dtype: type, shape: tuple[int, ...], elements: SearchStrategy[Any]) -> SearchStrategy[NDArray[Any]]:
    """Draw arrays."""
    return arrays_of.arrays(dtype, shape, elements=elements)
