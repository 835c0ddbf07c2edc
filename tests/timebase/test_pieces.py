"""Where a video is cut into pieces of equal time."""

from __future__ import annotations

import re
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.errors import SchemaError
from lapsdata.timebase import piece_starts


@given(
    st.lists(st.integers(1, 3000), min_size=0, max_size=80),
    st.integers(0, 10_000),
    st.sampled_from([Fraction(1, 90_000), Fraction(1, 1000), Fraction(1001, 30_000)]),
    st.integers(1, 400),
)
def test_each_frame_is_in_the_piece_of_its_time(steps: list[int], first: int, tick: Fraction, every: int) -> None:
    """Times that are whole ticks, with cuts on the ticks: exact fractions say which piece each frame is in."""
    ticks = np.cumsum([first, *steps])
    every_s = max(every * tick, Fraction(1, 1000))
    number = [int((int(at) - first) * tick // every_s) for at in ticks]
    expected = [at for at, one in enumerate(number) if at == 0 or one != number[at - 1]]
    got = piece_starts([float(int(at) * tick) for at in ticks], float(every_s))
    assert got.tolist() == expected
    assert got.dtype == np.int64


def test_a_cut_at_a_frame_begins_with_it() -> None:
    assert piece_starts(np.arange(1201) / 30, 10.0).tolist() == [0, 300, 600, 900, 1200]
    # 40 s of 29.97 frames per second: frame 1199 is at 40.007 s.
    assert piece_starts(np.arange(1300) * 1001 / 30_000, 40.0).tolist() == [0, 1199]


@pytest.mark.parametrize(
    ("times", "every_s", "message"),
    [
        ([0.0, 1.0], 0.0, "at least 0.001, got 0"),
        ([0.0, 1.0], float("nan"), "got nan"),
        ([0.0, 1.0], float("inf"), "got inf"),
        ([], 1.0, "expected at least one time"),
        ([1.0, 0.0], 1.0, "frame_s"),
    ],
)
def test_what_cannot_be_cut_is_refused(times: list[float], every_s: float, message: str) -> None:
    with pytest.raises(SchemaError, match=re.escape(message)):
        piece_starts(times, every_s)
