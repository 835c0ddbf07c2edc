"""The grid laid over frames that come one by one is the grid laid over all of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lapsdata.errors import SchemaError
from lapsdata.timebase import FrameRate, GridStream, resample

times = st.builds(
    lambda gaps, start: start + np.cumsum(np.round(gaps, 3)),
    hnp.arrays(np.float64, st.integers(2, 40), elements=st.floats(2e-3, 0.5)),
    st.sampled_from([0.0, 1.4, 977.13]),
)
targets = st.sampled_from(["30000/1001", "50/3", "15/2", "10", "3", "60"]).map(FrameRate.parse)


def streamed(source: np.ndarray, grid: GridStream) -> tuple[list[float], list[int]]:
    """Return the times of the grid, and the source frame that each shows."""
    frame_s, shows = [], []
    for place, time_s in enumerate(source.tolist()):
        for frame in grid.push(time_s):
            assert frame.number == len(frame_s)
            frame_s.append(frame.time_s)
            shows.append(place - frame.before)
    for frame in grid.close():
        frame_s.append(frame.time_s)
        shows.append(len(source) - 1)
    return frame_s, shows


@given(times, targets, st.floats(0.01, 1.0))
def test_it_is_the_grid_of_all_frames_at_once(source: np.ndarray, rate: FrameRate, lasting: float) -> None:
    end_s = float(source[-1]) + lasting
    whole = resample(source, rate, end_s=end_s)
    frame_s, shows = streamed(source, GridStream(rate, end_s=end_s))
    np.testing.assert_array_equal(frame_s, whole.frame_s)
    np.testing.assert_array_equal(shows, whole.source_index)


def test_where_the_end_is_not_known_the_last_frame_lasts_as_long_as_the_one_before() -> None:
    frame_s, shows = streamed(np.array([0.0, 0.1, 0.2, 0.5]), GridStream(FrameRate(10)))
    assert (len(frame_s), shows[-3:]) == (8, [3, 3, 3])
    assert streamed(np.array([2.0]), GridStream(FrameRate(10))) == ([2.0], [0])
    assert GridStream(FrameRate(10)).close() == []


def test_a_frame_that_is_not_later_is_refused() -> None:
    grid = GridStream(FrameRate(10))
    grid.push(1.0)
    with pytest.raises(SchemaError, match=r"expected a time after 1.0 s, got 1.0 s"):
        grid.push(1.0)
