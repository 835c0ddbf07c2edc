"""Boundaries move to the steepest change: by hand, and against the same written once more over the whole video."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lapsdata.errors import SchemaError
from lapsdata.segmenters import EnergySeries, Segment, ema
from lapsdata.segmenters._cells import cells_of, mean_energy
from lapsdata.segmenters.state_machine import StateMachine

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn

NOISE_S = 1e-6


def drawn(text: str) -> EnergySeries:
    """Return steps of a second, one digit each; `g` is gated, `m` missing."""
    start = np.arange(len(text), dtype=np.float64)
    energy = np.array([float(sign) if sign.isdigit() else np.nan for sign in text])
    state = np.array(["gm".find(sign) + 1 for sign in text], np.uint8)
    return EnergySeries(start_s=start, end_s=start + 1, energy=energy, state=state)


def spans(text: str, **given_: Any) -> list[tuple[float, float]]:
    machine = StateMachine(**{"threshold": 3.0, "off_ratio": 1.0, "up_s": 0.0, "down_s": 0.0, **given_})
    return [(one.start_s, one.end_s) for one in machine.segment(drawn(text)).segments]


GOLDEN: dict[str, tuple[str, dict[str, Any], list[tuple[float, float]]]] = {
    "nothing moves without reach": ("0349920", {"refine_s": 0.0}, [(1, 5)]),
    "a start to the steepest rise": ("034999900", {"refine_s": 2.0}, [(3, 7)]),
    "an end to the steepest fall": ("0999333300", {"refine_s": 4.0}, [(1, 8)]),
    "an end moves as well": ("09994300", {"refine_s": 2.0}, [(1, 4)]),
    "a start moves to the left": ("2003299990", {"threshold": 2.5, "refine_s": 2.0}, [(3, 4), (5, 9)]),
    "not beyond the reach": ("0349900", {"refine_s": 1.0}, [(1, 5)]),
    "not beyond the middle of the segment": ("033339000", {"refine_s": 5.0}, [(1, 6)]),
    "of equal rises the nearest": ("0369000", {"refine_s": 2.0}, [(1, 4)]),
    "of equally near ones the first": ("0347777", {"refine_s": 1.0, "threshold": 4.0}, [(1, 7)]),
    "a gated value has no change": ("g34999900", {"refine_s": 2.0}, [(3, 7)]),
    "what begins where energies begin may rise": ("3499000", {"refine_s": 2.0}, [(1, 4)]),
    "the end of the stream stays": ("0999", {"refine_s": 2.0}, [(1, 4)]),
    "missing values have no change": ("0399m00", {"refine_s": 2.0}, [(2, 4)]),
    "a cut by duration stays": ("099983999900", {"refine_s": 2.0, "max_duration_s": 6.0}, [(1, 5), (5, 10)]),
}


@pytest.mark.parametrize("case", GOLDEN)
def test_boundaries_by_hand(case: str) -> None:
    text, given_, expected = GOLDEN[case]
    assert spans(text, **given_) == expected


def test_scores_are_those_of_the_moved_segment() -> None:
    (found,) = StateMachine(threshold=3.0, up_s=0.0, down_s=0.0, refine_s=2.0).segment(drawn("034999900")).segments
    assert found == Segment(3.0, 7.0, "threshold", 9.0)


def test_the_reach_is_no_negative_time() -> None:
    with pytest.raises(SchemaError, match=r"refine_s: .*greater than or equal to 0"):
        StateMachine(threshold=1.0, refine_s=-1.0)


def test_a_blurred_boundary_comes_back() -> None:
    """Means over 0.8 s cross a low threshold early; the change is steepest where the step truly is."""
    at = np.arange(0, 12, 0.1)
    blurred = np.convolve(np.where((at >= 3) & (at < 8), 1.0, 0.0), [0.05, 0.1, 0.2, 0.3, 0.2, 0.1, 0.05], "same")
    series = EnergySeries.measured(at, at + 0.1, blurred)
    plain = StateMachine(threshold=0.04, off_ratio=1.0, up_s=0.0, down_s=0.0)
    (rough,) = plain.segment(series).segments
    (fine,) = plain.model_copy(update={"refine_s": 0.5}).segment(series).segments
    assert abs(rough.start_s - 3) > 0.25
    assert abs(rough.end_s - 8) > 0.25
    assert (fine.start_s, fine.end_s) == pytest.approx((3.0, 8.0), abs=0.051)


def plain_refined(series: EnergySeries, machine: StateMachine) -> list[tuple[float, float, str]]:
    """Return what the text says, from the segments and the cells of the whole video."""
    found = machine.model_copy(update={"refine_s": 0.0}).segment(series).segments
    cells = cells_of(series)
    edges = [
        (after.start_s, after.energy - before.energy)
        for before, after in pairwise(cells)
        if before.state == after.state == "measured"
    ]

    def move(at_s: float, low_s: float, high_s: float, sign: int) -> float:
        near = [
            (sign * change, -abs(edge_s - at_s), -edge_s)
            for edge_s, change in edges
            if low_s < edge_s < high_s and abs(edge_s - at_s) <= machine.refine_s + NOISE_S and sign * change > 0
        ]
        return -max(near)[2] if near else at_s

    moved = []
    for number, one in enumerate(found):
        middle_s = (one.start_s + one.end_s) / 2
        before_s = found[number - 1].end_s if number else float("-inf")
        after_s = found[number + 1].start_s if number + 1 < len(found) else float("inf")
        start_s, end_s = one.start_s, one.end_s
        if start_s > before_s + NOISE_S:
            start_s = move(start_s, (before_s + start_s) / 2, middle_s, 1)
        if one.end_reason == "threshold":
            end_s = move(end_s, middle_s, (end_s + after_s) / 2, -1)
        moved.append((start_s, end_s, one.end_reason))
    return moved


@st.composite
def videos(draw: DrawFn) -> EnergySeries:
    rows = draw(st.integers(0, 40))
    lengths = np.array(draw(st.lists(st.integers(1, 24), min_size=rows, max_size=rows)), np.int64)
    skipped = np.array(draw(st.lists(st.sampled_from([0] * 9 + [7]), min_size=rows, max_size=rows)), np.int64)
    start = np.cumsum(np.append(0, lengths + skipped))[:-1] / 64
    values = st.sampled_from([0.0, 0.25, 0.5, 1.0, 1.25, 2.0, 4.0])
    energy = np.array(draw(st.lists(values, min_size=rows, max_size=rows)), np.float64)
    state = np.array(draw(st.lists(st.sampled_from([0] * 9 + [1, 2]), min_size=rows, max_size=rows)), np.uint8)
    energy[state != 0] = np.nan
    return EnergySeries(start_s=start, end_s=start + lengths / 64, energy=energy, state=state)


@st.composite
def machines(draw: DrawFn) -> StateMachine:
    def ticks(low: int, high: int) -> float:
        return draw(st.integers(low, high)) / 64

    return StateMachine(
        threshold=1.0,
        up_s=ticks(0, 16),
        down_s=ticks(0, 16),
        cooldown_s=ticks(0, 16),
        max_duration_s=draw(st.none() | st.integers(32, 96).map(lambda number: number / 64)),
        min_duration_s=ticks(0, 24),
        missing=draw(st.sampled_from(("break", "hold"))),
        refine_s=ticks(1, 64),
    )


@settings(max_examples=300)
@given(videos(), machines())
def test_a_stream_moves_what_the_whole_moves(series: EnergySeries, machine: StateMachine) -> None:
    stream = machine.stream()
    found, undecided = [], float("-inf")
    for step in series.steps():
        given_ = stream.push(step)
        assert all(one.start_s >= undecided - NOISE_S for one in given_)
        undecided = stream.undecided_s
        found += given_
    found += stream.close()
    assert [(one.start_s, one.end_s, str(one.end_reason)) for one in found] == plain_refined(series, machine)
    for one in found:
        np.testing.assert_equal(one.score, mean_energy(cells_of(series), one.start_s, one.end_s))


@given(videos(), machines())
def test_moving_changes_no_number_and_no_order(series: EnergySeries, machine: StateMachine) -> None:
    rough = machine.model_copy(update={"refine_s": 0.0}).segment(series)
    fine = machine.segment(series)
    assert fine.policies == rough.policies
    assert [one.end_reason for one in fine.segments] == [one.end_reason for one in rough.segments]
    for before, after in zip(rough.segments, fine.segments, strict=True):
        assert abs(before.start_s - after.start_s) <= machine.refine_s + NOISE_S
        assert abs(before.end_s - after.end_s) <= machine.refine_s + NOISE_S
        assert after.start_s < after.end_s
    assert all(before.end_s <= after.start_s for before, after in pairwise(fine.segments))


def test_a_stream_holds_no_more_than_it_needs() -> None:
    stream = StateMachine(threshold=5.0, refine_s=2.0, up_s=0.0, down_s=0.0).stream()
    most = 0
    for step in drawn("0090" * 200).steps():
        stream.push(step)
        most = max(most, len(stream._cells))  # type: ignore[union-attr]
    assert most < 16


def test_smoothing_delays_and_refining_does_not_undo_it() -> None:
    """Said in the text of `smoothing`: what is causal is late, and its steepest change is late as well."""
    step = drawn("0000999900")
    late = ema(replace(step, video="late"), 2.0)
    (found,) = StateMachine(threshold=3.0, up_s=0.0, down_s=0.0, refine_s=1.0).segment(late).segments
    assert found.start_s == 4.0
    assert found.end_s >= 8.0
