"""Which clips there are: held against trying every first frame and every interval."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from lapsdata.loading._mot_clips import ClipPlan
from lapsdata.loading._mot_timeline import MotTimeline
from lapsdata.schema import BoxSequence, FrameRange

if TYPE_CHECKING:
    from lapsdata.loading._mot_clips import Gaps


def sequence(name: str, marks: list[bool], first: int = 0) -> BoxSequence:
    """Return a sequence whose annotated frames are marked."""
    spans, start = [], None
    for at, mark in enumerate([*marks, False]):
        if mark and start is None:
            start = at
        elif not mark and start is not None:
            spans.append(FrameRange(start=start, stop=at))
            start = None
    return BoxSequence(name=name, length=len(marks), annotated=tuple(spans), first_number=first)


def timeline_of(*marks: list[bool]) -> MotTimeline:
    return MotTimeline.of(tuple(sequence(f"s{at}", one, at) for at, one in enumerate(marks)))


def plain(marks: list[list[bool]], length: int, intervals: range, gaps: Gaps) -> dict[int, list[int]]:
    """Return the intervals that fit at each frame of the timeline, where one does."""
    found, start = {}, 0
    for one in marks:
        for at in range(len(one)):
            fits = []
            for interval in intervals:
                last = at + (length - 1) * interval
                held = range(at, last + 1, 1 if gaps == "split" else interval)
                if last < len(one) and all(one[frame] for frame in held):
                    fits.append(interval)
            if fits:
                found[start + at] = fits
        start += len(one)
    return found


drawn_marks = st.lists(st.lists(st.booleans(), min_size=1, max_size=14), min_size=1, max_size=3)


@given(
    marks=drawn_marks,
    length=st.integers(1, 4),
    low=st.integers(1, 3),
    more=st.integers(0, 3),
    gaps=st.sampled_from(("split", "step_over")),
    epoch=st.integers(0, 2**40),
)
@settings(max_examples=150, deadline=None)
def test_clips_are_those_that_a_search_finds(
    marks: list[list[bool]], length: int, low: int, more: int, gaps: Any, epoch: int
) -> None:
    # Marks of a sequence of one frame: a gap within one frame is none.
    intervals = range(low, low + more + 1)
    plan = ClipPlan(timeline_of(*marks), length, intervals, gaps, 7)
    wanted = plain(marks, length, intervals, gaps)
    assert plan.first.tolist() == sorted(wanted)
    assert len(plan) == len(wanted)
    ids = np.arange(len(plan))
    drawn = plan.interval(ids, np.full(len(plan), epoch))
    assert all(one in wanted[first] for one, first in zip(drawn.tolist(), plan.first.tolist(), strict=True))
    assert plan.narrow == sum(len(fits) < len(intervals) for fits in wanted.values())
    held = {first + step * one for first, fits in wanted.items() for one in fits for step in range(length)}
    assert np.flatnonzero(plan.reached).tolist() == sorted(held)
    frames = plan.frames(ids, drawn)
    assert frames.shape == (len(plan), length)
    flat = np.concatenate([np.array(one) for one in marks])
    assert flat[frames].all()


def test_every_interval_that_fits_is_drawn_about_as_often() -> None:
    plan = ClipPlan(timeline_of([True] * 400), 3, range(1, 6), "split", 0)
    ids = np.arange(300)
    drawn = np.concatenate([plan.interval(ids, np.full(300, epoch)) for epoch in range(20)])
    share = np.bincount(drawn, minlength=6)[1:] / len(drawn)
    np.testing.assert_allclose(share, 0.2, atol=0.02)


def test_a_draw_depends_on_number_and_epoch_and_not_on_the_batch() -> None:
    plan = ClipPlan(timeline_of([True] * 60), 3, range(1, 9), "split", 5)
    whole = plan.interval(np.arange(40), np.arange(40) % 3)
    for at in (0, 17, 39):
        assert plan.interval(np.array([at]), np.array([at % 3])).tolist() == [whole[at]]
    other = ClipPlan(timeline_of([True] * 60), 3, range(1, 9), "split", 6)
    assert other.interval(np.arange(40), np.arange(40) % 3).tolist() != whole.tolist()


def test_what_no_sequence_is_long_enough_for_costs_nothing() -> None:
    timeline = timeline_of([True] * 30)
    assert len(ClipPlan(timeline, 10**12, range(1, 2), "split", 5)) == 0
    some, many = (ClipPlan(timeline, 3, range(2, stop), "split", 5) for stop in (15, 10**15))
    ids, epochs = np.arange(26), np.arange(26) % 4
    assert many.first.tolist() == some.first.tolist()
    assert many.interval(ids, epochs).tolist() == some.interval(ids, epochs).tolist()
    assert many.narrow == len(many) == 26


def test_sparse_frames_make_clips_only_where_they_may_be_stepped_over() -> None:
    tenth = [at % 10 == 0 for at in range(41)]
    assert len(ClipPlan(timeline_of(tenth), 3, range(10, 11), "split", 0)) == 0
    plan = ClipPlan(timeline_of(tenth), 3, range(10, 11), "step_over", 0)
    assert plan.first.tolist() == [0, 10, 20]
    assert len(ClipPlan(timeline_of(tenth), 3, range(9, 10), "step_over", 0)) == 0


class TestTimeline:
    def test_frames_of_all_sequences_stand_one_behind_the_other(self) -> None:
        timeline = timeline_of([True, True], [False, True, True])
        assert len(timeline) == 5
        assert timeline.usable.tolist() == [True, True, False, True, True]
        frames = np.array([[0, 1], [2, 4]])
        assert timeline.sequence_of(frames).tolist() == [[0, 0], [1, 1]]
        assert timeline.within(frames).tolist() == [[0, 1], [0, 2]]
        assert timeline.numbers(frames).tolist() == [[0, 1], [1, 3]]

    def test_frames_are_told_by_their_numbers(self) -> None:
        timeline = timeline_of([True] * 3, [True, False, True, True])
        marked = np.array([False] * 3 + [True, False, True, True])
        assert timeline.told(marked) == {"s1": (3, "1, 3-4")}
        assert timeline.told(np.zeros(7, bool)) == {}
