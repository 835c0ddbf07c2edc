"""What every test of this room shares: frames that are never square."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st

from lapsdata.geometry import FrameSize

SIDES = st.tuples(st.integers(1, 4096), st.integers(1, 4096)).filter(lambda pair: pair[0] != pair[1])

# `st.from_type(FrameSize)` draws from here in every module.
st.register_type_strategy(FrameSize, SIDES.map(lambda pair: FrameSize(width=pair[0], height=pair[1])))


@pytest.fixture(scope="session")
def wide() -> FrameSize:
    """Return the frame of the LAPS recordings: 771 wide, 480 high."""
    return FrameSize(width=771, height=480)
