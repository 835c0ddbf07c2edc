"""Counts of classes against a loop over displacements."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from lapsmodels.tokenizer.class_use import class_use

MOVED = st_numpy.arrays(np.float32, st.tuples(st.integers(0, 30), st.just(2)), elements=st.integers(-9, 9).map(float))


@given(st.lists(MOVED, max_size=4), st.integers(1, 8))
def test_shares_of_none_and_of_too_far(parts: list[Any], reach: int) -> None:
    use = class_use(iter(parts), reach)
    every = [tuple(row) for part in parts for row in part.tolist()]
    assert use.displacements == len(every)
    assert use.centre_share == pytest.approx(sum(row == (0, 0) for row in every) / max(1, len(every)))
    assert use.beyond_share == pytest.approx(sum(max(map(abs, row)) > reach for row in every) / max(1, len(every)))


def test_it_is_told_in_a_line() -> None:
    use = class_use([np.array([[0, 0], [0, 1], [0, 8], [-8, 8]])], reach=7)
    assert str(use) == "25.0% of 4 displacements are none, 50.0% are beyond the window"
