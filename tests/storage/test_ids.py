"""What stands between brackets: one number, or several, and nothing that only looks like them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.errors import SchemaError
from lapsdata.storage.ids import one_or_many


@given(length=st.integers(1, 9), number=st.integers(-9, 8))
def test_one_number_counts_as_in_a_list(length: int, number: int) -> None:
    rows = list(range(length))
    if -length <= number < length:
        assert one_or_many(np.int32(number), length) == rows[number]
    else:
        with pytest.raises(IndexError, match=rf"id: expected -{length} to {length - 1}, got {number}"):
            one_or_many(number, length)


@given(length=st.integers(0, 9), first=st.integers(-9, 9), stop=st.integers(-9, 9), step=st.sampled_from([-2, 1, 3]))
def test_a_slice_is_that_of_a_list(length: int, first: int, stop: int, step: int) -> None:
    found = one_or_many(slice(first, stop, step), length)
    assert list(np.asarray(found)) == list(range(length))[first:stop:step]


@pytest.mark.parametrize("ids", [1.0, True, "1"])
def test_what_only_looks_like_a_number_is_refused(ids: Any) -> None:
    with pytest.raises(SchemaError, match=r"ids: expected whole numbers, got"):
        one_or_many(ids, 3)


def test_several_numbers_are_left_to_whom_they_are_given() -> None:
    assert np.asarray(one_or_many([2, 0], 3)).tolist() == [2, 0]
