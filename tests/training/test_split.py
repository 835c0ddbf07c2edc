"""Which videos judge: the same ones each time, never one that is learned from."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.errors import SchemaError
from lapsmodels.training.split import refuse_shared, split_videos

NAMES = st.lists(st.text("abc", min_size=1, max_size=4), min_size=2, max_size=30, unique=True)


@given(NAMES, st.floats(0.01, 0.99), st.integers(0, 5))
def test_each_video_is_on_one_side(names: list[str], share: float, seed: int) -> None:
    train, judging = split_videos(names, share, seed)
    assert sorted([*train, *judging]) == sorted(names)
    assert abs(len(judging) - share * len(names)) <= 1
    assert train
    assert judging
    refuse_shared(train, judging)
    again = split_videos([*reversed(names), *names], share, seed)
    assert (set(again[0]), set(again[1])) == (set(train), set(judging))


@given(NAMES, st.integers(0, 5))
def test_one_more_video_moves_at_most_one(names: list[str], seed: int) -> None:
    before = set(split_videos(names, 0.5, seed)[1])
    after = set(split_videos([*names, "another"], 0.5, seed)[1])
    assert len((before ^ after) - {"another"}) <= 1


def test_seeds_choose_others() -> None:
    names = [f"clip_{n}" for n in range(20)]
    assert len({split_videos(names, 0.2, seed)[1] for seed in range(10)}) > 5


@pytest.mark.parametrize("names", [["a"], ["a", "a"], []])
def test_one_video_cannot_be_split(names: list[str]) -> None:
    with pytest.raises(SchemaError, match=r"val: expected two videos or more .*; give more videos, or judge by none"):
        split_videos(names, 0.5, 0)


def test_a_shared_video_is_refused_by_name() -> None:
    with pytest.raises(SchemaError, match=r"expected other videos than .*, got 1 of them: 'b'"):
        refuse_shared(["a", "b"], ["c", "b"])
