"""The learning rate rises, then stays or falls as a cosine."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.loading.learning_rate import share_of_rate


@given(st.integers(1, 500), st.floats(0, 0.5))
def test_a_cosine_rises_to_one_and_falls_to_a_hundredth(steps: int, warm_share: float) -> None:
    shares = [share_of_rate(step, steps, "cosine", warm_share) for step in range(steps + 1)]
    warm = round(warm_share * steps)
    assert all(0 < share <= 1 for share in shares)
    assert shares[:warm] == sorted(shares[:warm])
    assert shares[warm:] == sorted(shares[warm:], reverse=True)
    assert shares[-1] == pytest.approx(0.01)
    middle = (warm + steps) / 2
    if middle.is_integer():
        assert shares[int(middle)] == pytest.approx((1 + 0.01) / 2)


@given(st.integers(1, 500), st.floats(0, 0.5))
def test_a_constant_rate_stays(steps: int, warm_share: float) -> None:
    warm = round(warm_share * steps)
    shares = [share_of_rate(step, steps, "constant", warm_share) for step in range(steps)]
    assert shares[warm:] == [1.0] * (steps - warm)
    assert math.isclose(shares[0], 1 / max(1, warm))
