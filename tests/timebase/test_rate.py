from __future__ import annotations

import dataclasses
import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.errors import SchemaError
from lapsdata.timebase import FrameRate

terms = st.integers(1, 2**31 - 1)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("30000/1001", (30000, 1001)),
        (" 60000 / 2002 ", (30000, 1001)),
        ("25", (25, 1)),
        ("25.000", (25, 1)),
        (10, (10, 1)),
        (10.0, (10, 1)),
        (np.int64(10), (10, 1)),
        (np.float64(12.5), (25, 2)),
        (7.5, (15, 2)),
        ("0.30", (3, 10)),
        ("1e1", (10, 1)),
        (1e-3, (1, 1000)),
        (50 / 3, (50, 3)),
        (359 / 12, (359, 12)),
        (Fraction(50, 3), (50, 3)),
        (FrameRate(50, 3), (50, 3)),
    ],
)
def test_parse_reads_what_is_exact_exactly(
    value: str | float | Fraction | FrameRate, expected: tuple[int, int]
) -> None:
    rate = FrameRate.parse(value)
    assert (rate.numerator, rate.denominator) == expected


@pytest.mark.parametrize(
    ("texts", "nominal"),
    [
        (("23.98", "23.976", "23.9760", "23.976024"), 24),
        (("29.97", "29.970", "29.9700", "29.97003", "29.97002997"), 30),
        (("47.95", "47.952"), 48),
        (("59.94", "59.940", "59.94006"), 60),
        (("119.88", "119.880"), 120),
    ],
)
def test_rounded_ntsc_decimals_become_ntsc_fractions(texts: tuple[str, ...], nominal: int) -> None:
    for text in texts:
        for value in (text, float(text), nominal * 1000 / 1001):
            assert FrameRate.parse(value) == FrameRate(nominal * 1000, 1001), value


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("23.97", Fraction(2397, 100)),  # cut, not rounded: no rule knows what was meant
        ("29.971", Fraction(29971, 1000)),
        ("14.985", Fraction(14985, 1000)),
        ("30.0", Fraction(30)),
        ("29.9", Fraction(299, 10)),
        ("24", Fraction(24)),
        ("2997/100", Fraction(2997, 100)),  # a fraction is never mended
        (Fraction(2997, 100), Fraction(2997, 100)),
    ],
)
def test_neighbours_of_ntsc_rates_stay_what_they_are(value: str | Fraction, expected: Fraction) -> None:
    assert FrameRate.parse(value).fraction == expected


@pytest.mark.parametrize(
    ("value", "match"),
    [
        (math.pi, r"got 3\.14159\d+; write the fraction that it was rounded from"),
        ("16.6667", r"got 16\.6667; write the fraction"),
        (0.1 + 0.2, r"got 0\.30000000000000004; write the fraction"),
        (1e-300, r"got 1e-300; write the fraction"),
        (math.nan, "frames per second above zero, got nan"),
        ("1e400", "at most 1000000000000 frames per second, got 1e400"),
        (math.inf, "frames per second above zero, got inf"),
        (-30.0, r"frames per second above zero, got -30\.0"),
        (0.0, "a rate above zero, got 0/1"),
        (0, "a rate above zero, got 0/1"),
        (-5, "a rate above zero, got -5/1"),
        ("0/0", "a rate above zero, got 0/0"),
        ("30/0", "a rate above zero, got 30/0"),
        ("", "frames per second above zero, got ''"),
        ("30 fps", "frames per second above zero, got '30 fps'"),
        ("-30", "frames per second above zero, got '-30'"),
        ("30:1", "frames per second above zero, got '30:1'"),
        ("٣", "frames per second above zero, got '٣'"),
        ("9" * 41, "frames per second above zero, got '9{41}'"),
        (True, "expected text, an int, a float of Python or a Fraction, got True"),
        (None, "expected text, an int, a float of Python or a Fraction, got None"),
        (np.float32(29.97), r"a float of Python or a Fraction, got .*29\.97\)?; write \"30000/1001\""),
        (2**31, "up to 2147483647, got 2147483648/1"),
    ],
)
def test_parse_refuses_what_is_no_rate(value: str | float, match: str) -> None:
    with pytest.raises(SchemaError, match=match) as caught:
        FrameRate.parse(value)
    assert [problem.code for problem in caught.value.problems] == ["wrong-rate"]


@pytest.mark.parametrize(
    ("terms", "match"),
    [
        ((0, 1), "above zero, got 0/1"),
        ((1, 0), "above zero, got 1/0"),
        ((-1, -1), "above zero, got -1/-1"),
        ((2**31, 3), "up to 2147483647, got 2147483648/3"),
        ((3, 2**31), "up to 2147483647, got 3/2147483648"),
        ((29.97, 1), r"numerator: expected an integer, got 29\.97"),
        ((30, True), "denominator: expected an integer, got True"),
        (("30", 1), "numerator: expected an integer, got '30'"),
    ],
)
def test_constructor_refuses(terms: tuple[int, int], match: str) -> None:
    with pytest.raises(SchemaError, match=match):
        FrameRate(*terms)


@given(terms, terms)
def test_a_rate_is_its_fraction(numerator: int, denominator: int) -> None:
    rate = FrameRate(numerator, denominator)
    exact = Fraction(numerator, denominator)
    assert (rate.numerator, rate.denominator) == (exact.numerator, exact.denominator)
    assert rate.fraction == exact
    assert rate.hz == float(exact)
    assert rate.period_s == float(1 / exact)
    assert str(rate) == str(exact)
    assert FrameRate.parse(str(rate)) == FrameRate.parse(exact) == rate


@given(st.integers(1, 10**6), st.integers(1, 1001))
def test_the_float_of_a_simple_fraction_finds_back(numerator: int, denominator: int) -> None:
    parsed = FrameRate.parse(numerator / denominator)
    # Only the NTSC rule may answer with another fraction, and then with one that rounds to the same decimal.
    if parsed.fraction != Fraction(numerator, denominator):
        assert parsed.denominator == 1001
        assert parsed.hz == pytest.approx(numerator / denominator, abs=0.005)


@given(st.integers(1, 10**9), st.integers(0, 3))
def test_three_places_are_kept_as_written(digits: int, places: int) -> None:
    text = f"{Decimal(digits).scaleb(-places):f}"
    parsed = FrameRate.parse(text)
    assert parsed.fraction == Fraction(text) or parsed.denominator == 1001


@given(terms, terms, terms, terms)
def test_order_equality_and_hash_go_by_value(a: int, b: int, c: int, d: int) -> None:
    one, two = FrameRate(a, b), FrameRate(c, d)
    assert (one < two) == (a * d < c * b)
    assert (one >= two) == (a * d >= c * b)
    assert (one == two) == (a * d == c * b)
    assert FrameRate(a, b) == one
    assert len({one, FrameRate(a, b), two}) == (1 if a * d == c * b else 2)


def test_rates_sort_by_value_and_not_by_their_terms() -> None:
    rates = [FrameRate(30), FrameRate(30000, 1001), FrameRate(15, 2), FrameRate(50, 3)]
    assert [str(rate) for rate in sorted(rates)] == ["15/2", "50/3", "30000/1001", "30"]


def test_a_rate_compares_with_rates_only() -> None:
    with pytest.raises(TypeError, match="not supported between instances of 'FrameRate' and 'int'"):
        FrameRate(30) < 30  # noqa: B015  # the refusal is what is tested
    number: object = 30
    assert FrameRate(30) != number


def test_a_rate_cannot_change() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot assign to field 'numerator'"):
        FrameRate(30).numerator = 25  # type: ignore[misc]  # the refusal is what is tested
