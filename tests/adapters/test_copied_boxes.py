"""Copies of boxes, against a loop over all pairs; and how much of them is a fault."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.adapters import _copied_boxes
from lapsdata.adapters._copied_boxes import copied, copy_fault

BOX = st.tuples(st.integers(0, 3), *[st.sampled_from([0.0, 0.005, 0.4, 1.0, 1.005, 2.0, 40.0])] * 4)


def sides(rows: list[Any]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    every = np.array(rows, float).reshape(-1, 5)
    return every[:, 0].astype(np.int64), every[:, 1:]


@given(
    one=st.lists(BOX, max_size=8),
    other=st.lists(BOX, max_size=8),
    shift=st.sampled_from([0, 1]),
    pairs=st.sampled_from([1, 3, 1 << 21]),
)
def test_a_copy_is_one_that_a_loop_finds(one: list[Any], other: list[Any], shift: int, pairs: int) -> None:
    def same(a: Any, b: Any) -> bool:
        away = [abs(x - y) for x, y in zip(a[1:], b[1:], strict=True)]
        return bool(a[0] == b[0] and max(away[:2]) <= shift + 0.01 and max(away[2:]) <= 0.01)

    expected = [any(same(a, b) for b in other) for a in one]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_copied_boxes, "_PAIRS", pairs)
        assert copied(*sides(one), *sides(other), shift_px=shift).tolist() == expected


def test_frames_of_long_videos_are_not_mixed_up() -> None:
    frame = np.arange(10_000_000, 10_000_100)
    places = np.column_stack([np.full((100, 2), 5.0), np.linspace(0.5, 4000, 100), np.full(100, 9.0)])
    assert copied(frame, places, frame, places, shift_px=0).all()
    assert not copied(frame, places, frame + 1, places, shift_px=0).any()


@pytest.mark.parametrize(
    ("of_truth", "of_found", "fault"),
    [(0.0, 0.0, False), (0.49, 0.89, False), (0.5, 0.0, True), (0.0, 0.9, True), (1.0, 1.0, True)],
)
def test_half_of_the_truth_or_nearly_all_that_was_found_is_a_fault(
    of_truth: float, of_found: float, fault: bool
) -> None:
    found = copy_fault(of_truth, of_found, "boxes", "error")
    assert (found is not None) is fault
    if found is not None:
        assert (found.code, found.where, found.severity) == ("detections-equal-truth", "boxes", "error")
