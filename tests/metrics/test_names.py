"""Videos that are on one side only, and the stream that chance draws from."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.errors import SchemaError
from lapsdata.metrics._draws import fractions, orders
from lapsdata.metrics._names import check_names, check_train

NAMES = st.sets(st.sampled_from(["tea", "coffee", "cheese", "honey", "hotdog"]), min_size=1)


@given(NAMES, NAMES)
def test_what_a_policy_allows_is_counted(truth: set[str], found: set[str]) -> None:
    if not truth & found:
        with pytest.raises(SchemaError, match="expected a video that is in both"):
            check_names(truth, found, missing="empty", extra="leave_out")
        return
    counted = check_names(truth, found, missing="empty", extra="leave_out")
    assert counted == {"missing_as_empty": len(truth - found), "without_truth_left_out": len(found - truth)}


@given(NAMES, NAMES)
def test_what_no_policy_allows_is_named(truth: set[str], found: set[str]) -> None:
    wrong = sorted(truth ^ found)
    if not wrong:
        assert check_names(truth, found, missing="raise", extra="raise") == {
            "missing_as_empty": 0, "without_truth_left_out": 0
        }  # fmt: skip
        return
    with pytest.raises(SchemaError, match="expected ") as raised:
        check_names(truth, found, missing="raise", extra="raise")
    if truth & found:
        assert sorted(problem.where for problem in raised.value.problems) == [f"found: {name}" for name in wrong]
        codes = {problem.where: problem.code for problem in raised.value.problems}
        assert codes == {f"found: {name}": "no-prediction" if name in truth else "no-truth" for name in wrong}


def test_a_name_that_was_meant_is_told() -> None:
    with pytest.raises(SchemaError, match=r"S1_Tea: expected the video, got none \(is it 'S1_Tea_C1'\?\)"):
        check_names(["S1_Tea", "S1_Pealate_C1"], ["S1_Tea_C1", "S1_Pealate_C1"], missing="raise", extra="leave_out")
    with pytest.raises(SchemaError, match=r"S1_Tea_C1: expected videos of the truth, got another \(is it 'S1_Tea'\?\)"):
        check_names(["S1_Tea", "S1_Pealate_C1"], ["S1_Tea_C1", "S1_Pealate_C1"], missing="empty", extra="raise")


def test_a_truth_without_videos() -> None:
    with pytest.raises(SchemaError, match="truth: expected at least one video, got none"):
        check_names([], ["tea"], missing="empty", extra="leave_out")


@given(NAMES, NAMES)
def test_nothing_is_learned_from_what_is_scored(scored: set[str], train: set[str]) -> None:
    if not scored & train:
        check_train(scored, train)
        return
    with pytest.raises(SchemaError, match="train: expected other videos than those that are scored, got '"):
        check_train(scored, train)


def test_the_stream_is_the_same_in_every_release() -> None:
    """Results are compared over years: these numbers never change."""
    assert fractions("labels", 0, "tea", 3).tolist() == [0.3122577038712083, 0.4274376380239865, 0.21725819910611788]
    assert orders("labels", 0, "tea", 2, 5).tolist() == [[3, 2, 0, 1, 4], [0, 4, 1, 2, 3]]


@given(st.integers(0, 50), st.integers(0, 50), st.text(max_size=5))
def test_a_longer_stream_begins_with_the_shorter_one(count: int, more: int, video: str) -> None:
    drawn = fractions("use", 3, video, count + more)
    assert drawn[:count].tolist() == fractions("use", 3, video, count).tolist()
    assert ((drawn > 0) & (drawn < 1)).all()


def test_uses_seeds_and_videos_have_streams_of_their_own() -> None:
    keys = [("labels", 0, "tea"), ("segments", 0, "tea"), ("labels", 1, "tea"), ("labels", 0, "coffee")]
    assert len({tuple(fractions(*key, 4).tolist()) for key in keys}) == 4


@given(st.integers(1, 4), st.integers(0, 6))
def test_orders_hold_each_number_once(draws: int, count: int) -> None:
    drawn = orders("labels", 0, "tea", draws, count)
    assert drawn.shape == (draws, count)
    assert np.sort(drawn, axis=1).tolist() == [list(range(count))] * draws


def test_each_order_is_as_likely_as_any_other() -> None:
    drawn = orders("labels", 0, "tea", 6000, 3)
    _, times = np.unique(drawn, axis=0, return_counts=True)
    assert len(times) == 6
    # Six of 1,000 each; four standard deviations are 115.
    assert np.abs(times - 1000).max() < 115
