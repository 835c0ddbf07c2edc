"""What all trackers share, seen with one that only counts: which points are followed when, and into which window."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lapsdata.errors import SchemaError
from lapsdata.geometry import FrameSize, uniform_grid
from lapsdata.plugins import registry
from lapsmodels.trackers import Tracker, WindowPlan
from lapsmodels.trackers._windows import Seen, checked_frames, first_seen, follow_windows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Image = NDArray[np.uint8]

SIZE = FrameSize(width=12, height=8)


class Counted(NamedTuple):
    """A set of points that knows its window, its first frame and how often it was followed."""

    begun: int
    window: float
    steps: int


class Counter:
    """Says of each point: x = the frame that it was begun in, y = how often it was followed since."""

    def __init__(self) -> None:
        self.frame = -1
        self.followed = list[tuple[int, int]]()

    def look(self, image: Image) -> None:
        self.frame += 1
        assert image[0, 0] == self.frame

    def start(self, points: NDArray[np.float32]) -> Counted:
        return Counted(self.frame, float(points[0, 0]), 0)

    def follow(self, points: Counted) -> Counted:
        self.followed.append((self.frame, points.begun))
        return points._replace(steps=points.steps + 1)

    def seen(self, points: Counted) -> Seen:
        told = np.array([[points.begun, points.steps]], np.float32)
        return Seen(told, np.array([True]), np.array([points.window], np.float32), np.array([self.frame], np.float32))


def numbered(count: int) -> Iterator[Image]:
    for index in range(count):
        yield np.full(SIZE.shape, index, np.uint8)


def asked(starts: list[int], horizon: int, *, continuous: bool = False) -> tuple[WindowPlan, list[int]]:
    """Return a plan that notes for which windows it was asked for queries; x of the query is their number."""
    numbers: list[int] = []

    def queries(number: int) -> NDArray[np.float32]:
        numbers.append(number)
        return np.array([[number, 0]], np.float32)

    plan = WindowPlan(
        size=SIZE, starts=np.array(starts, np.int64), horizon=horizon, queries=queries, continuous=continuous
    )
    return plan, numbers


STARTS = st.sets(st.integers(0, 30), min_size=1, max_size=8).map(sorted)


@settings(max_examples=60)
@given(starts=STARTS, horizon=st.integers(1, 9))
def test_each_window_is_followed_through_its_own_frames(starts: list[int], horizon: int) -> None:
    plan, numbers = asked([start % 11 + 11 * i for i, start in enumerate(starts)], horizon)
    counter = Counter()
    windows = list(follow_windows(numbered(200), plan, "gray", counter))
    assert [(window.number, window.start) for window in windows] == list(enumerate(plan.starts.tolist()))
    assert numbers == list(range(len(plan)))
    for window in windows:
        assert window.tracks[:, 0].tolist() == [[window.start, step] for step in range(horizon)]
        assert window.confidence[:, 0].tolist() == [window.number] * horizon
        assert window.back_error_px[:, 0].tolist() == list(range(window.start, window.start + horizon))
    expected = [(start + step, start) for start in plan.starts.tolist() for step in range(1, horizon)]
    assert sorted(counter.followed) == sorted(expected)


@settings(max_examples=60)
@given(starts=STARTS, horizon=st.integers(1, 9))
def test_continuous_windows_share_one_set_of_points(starts: list[int], horizon: int) -> None:
    """It is followed once per frame, also between windows, and asked for its queries once."""
    plan, numbers = asked(starts, horizon, continuous=True)
    counter = Counter()
    windows = list(follow_windows(numbered(200), plan, "gray", counter))
    first = starts[0]
    assert numbers == [0]
    assert [(window.number, window.start) for window in windows] == list(enumerate(starts))
    for window in windows:
        at = window.start - first
        assert window.tracks[:, 0].tolist() == [[first, at + step] for step in range(horizon)]
    assert counter.followed == [(frame, first) for frame in range(first + 1, starts[-1] + horizon)]


def test_frames_before_the_first_window_are_looked_at_and_not_followed() -> None:
    plan, _ = asked([5], 2)
    counter = Counter()
    assert len(list(follow_windows(numbered(50), plan, "gray", counter))) == 1
    assert counter.frame == 6
    assert counter.followed == [(6, 5)]


def test_arrays_of_a_window_are_its_own() -> None:
    plan, _ = asked([0, 1], 3, continuous=True)
    first, second = follow_windows(numbered(9), plan, "gray", Counter())
    kept = second.tracks.copy()
    first.tracks[:] = -1
    np.testing.assert_array_equal(second.tracks, kept)
    assert all(array.flags.c_contiguous and array.flags.writeable for array in first[2:])


def test_a_window_of_one_frame_is_its_queries() -> None:
    plan, _ = asked([0, 4], 1)
    windows = list(follow_windows(numbered(9), plan, "gray", Counter()))
    assert [window.tracks.tolist() for window in windows] == [[[[0, 0]]], [[[4, 0]]]]


def test_points_that_begin_are_seen_and_not_measured() -> None:
    points = uniform_grid(FrameSize(width=64, height=48), count=12).points
    seen = first_seen(points)
    np.testing.assert_array_equal(seen.xy, points)
    assert not np.shares_memory(seen.xy, points)
    assert seen.vis.all()
    assert (seen.confidence == 1).all()
    assert np.isnan(seen.back_error_px).all()
    assert [part.dtype.name for part in seen] == ["float32", "bool", "float32", "float32"]


def test_colour_frames_have_three_channels() -> None:
    plan, _ = asked([0], 2)
    good = [np.zeros((*SIZE.shape, 3), np.uint8)] * 2
    assert [index for index, _ in checked_frames(good, plan, "rgb")] == [0, 1]
    with pytest.raises(SchemaError, match=r"frame 0: expected uint8 \(8, 12, 3\) in 0 to 255, got uint8 \(8, 12\)"):
        list(checked_frames(numbered(2), plan, "rgb"))
    with pytest.raises(SchemaError, match=r"frame 0: expected uint8 \(8, 12\) in 0 to 255, got uint8 \(8, 12, 3\)"):
        list(checked_frames(good, plan, "gray"))


def test_floats_are_told_that_no_range_is_guessed() -> None:
    plan, _ = asked([0], 1)
    frame: Any = np.zeros(SIZE.shape, np.float32)
    with pytest.raises(
        SchemaError, match=r"got float32 \(8, 12\); give pixels of 0 to 255 as uint8; .* does not guess"
    ):
        list(checked_frames([frame], plan, "gray"))


def test_a_query_outside_is_told_with_its_row() -> None:
    points = np.array([[0, 0], [7.6, 11], [11, 7.6]], np.float32)
    plan = WindowPlan(size=SIZE, starts=np.array([0]), horizon=1, queries=lambda _: points)
    expected = (
        r"queries of window 0: expected points of the 12x8 frame, got 2 outside, the first at row 1: \(7\.6, 11\)"
    )
    with pytest.raises(SchemaError, match=expected):
        list(follow_windows(numbered(1), plan, "gray", Counter()))


def test_a_window_needs_points() -> None:
    plan = WindowPlan(size=SIZE, starts=np.array([0]), horizon=1, queries=lambda _: np.zeros((0, 2), np.float32))
    with pytest.raises(SchemaError, match=r"window 0: expected float32 \(N, 2\) pixel xy, got float32 \(0, 2\)"):
        list(follow_windows(numbered(1), plan, "gray", Counter()))


# The plan itself.


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        ("size", (12, 8), r"size: expected a FrameSize, got \(12, 8\) \[wrong-type\]"),
        ("horizon", 0, r"horizon: expected an integer of at least 1, got 0 \[wrong-window\]"),
        ("horizon", 2.5, r"horizon: .*got 2\.5"),
        ("horizon", True, r"horizon: .*got True"),
        ("starts", [0.0, 4.0], r"starts: expected \(W,\) integers, got float64 \(2,\)"),
        ("starts", [[0, 4]], r"starts: expected \(W,\) integers, got int64 \(1, 2\)"),
        ("starts", [0, 4, 4], r"starts: expected frames from 0 on that rise"),
        ("starts", [4, 0], r"starts: expected frames from 0 on that rise"),
        ("starts", [-1, 0], r"starts: expected frames from 0 on that rise"),
        ("starts", np.array([3, 2], np.uint8), r"starts: expected frames from 0 on that rise"),
    ],
)
def test_a_wrong_plan_is_refused(field: str, value: Any, why: str) -> None:
    good: dict[str, Any] = {"size": SIZE, "starts": np.array([0, 4]), "horizon": 4, "queries": lambda _: None}
    with pytest.raises(SchemaError, match=why):
        WindowPlan(**good | {field: np.array(value) if field == "starts" else value})


def test_all_that_is_wrong_is_told_at_once() -> None:
    wrong: Any = {"size": None, "starts": np.array([1, 0]), "horizon": -3, "queries": lambda _: None}
    with pytest.raises(SchemaError, match="3 problems"):
        WindowPlan(**wrong)


def test_a_plan_knows_how_many_frames_it_needs() -> None:
    plan, _ = asked([2, 3, 10], 4)
    assert (len(plan), plan.frames) == (3, 14)
    nothing, _ = asked([], 4)
    assert (len(nothing), nothing.frames) == (0, 0)


def test_a_plan_keeps_its_own_starts() -> None:
    starts = np.array([0, 5], np.int32)
    facts: dict[str, Any] = {"starts": starts, "horizon": np.int64(3)}
    plan = WindowPlan(size=SIZE, queries=lambda _: np.zeros((1, 2), np.float32), **facts)
    starts[1] = 0
    assert plan.starts.tolist() == [0, 5]
    assert plan.starts.dtype == np.int64
    assert type(plan.horizon) is int
    with pytest.raises(ValueError, match="read-only"):
        plan.starts[0] = 1


@pytest.mark.parametrize("name", ["dense_flow", "lucas_kanade"])
def test_the_registry_finds_trackers_by_their_place(name: str) -> None:
    tracker = registry("trackers").load(name)
    assert isinstance(tracker, Tracker)
    assert tracker.name == name
