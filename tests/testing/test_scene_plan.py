"""The story of a scene: the order of actions, the statistics of durations, and places that can be true."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from lapsdata.testing.scene_plan import (
    DURATION_MEDIAN_S,
    DURATION_RANGE_S,
    DURATION_SIGMA,
    PAUSE_MAX_S,
    PAUSE_MIN_S,
    Layout,
    Plan,
    draw_plan,
    draw_timeline,
    random_stream,
)
from lapsdata.testing.scenes import MEASURE_SEEDS, SceneConfig, SceneSegment, render_scene
from lapsdata.timebase import FrameRate

SIZES = ((320, 240), (240, 320), (771, 480), (64, 64), (640, 96), (96, 640))


def _layout(config: SceneConfig) -> Layout:
    area = config.active_area
    return Layout(area.width, area.height, min(area.width, area.height) / 240.0)


def _plan(seed: int, config: SceneConfig) -> Plan:
    return draw_plan(seed, config, _layout(config))


def _durations(seeds: tuple[int, ...], label: str | None = None) -> np.ndarray:
    segments = itertools.chain.from_iterable(draw_timeline(seed, SceneConfig()) for seed in seeds)
    return np.array([s.duration_s for s in segments if s.label != "pause" and label in (None, s.label)])


def test_the_seeds_for_measuring_are_the_ones_that_were_fixed() -> None:
    assert tuple(range(9001, 9025)) == MEASURE_SEEDS


def test_durations_of_the_measured_scenes_vary_as_promised() -> None:
    durations = _durations(MEASURE_SEEDS)
    assert len(durations) == 24 * 16
    assert durations.std(ddof=1) / durations.mean() >= 0.6
    for label in ("reach", "grasp", "move", "release"):
        own = _durations(MEASURE_SEEDS, label)
        assert own.std(ddof=1) / own.mean() >= 0.5, label


def test_durations_are_log_normal_between_their_ends() -> None:
    low, high = (np.log(np.array(DURATION_RANGE_S) / DURATION_MEDIAN_S)) / DURATION_SIGMA
    logs = np.log(_durations(tuple(range(150))) / DURATION_MEDIAN_S) / DURATION_SIGMA
    assert stats.kstest(logs, stats.truncnorm(low, high).cdf).pvalue > 0.01


def test_the_length_of_an_action_does_not_tell_its_label() -> None:
    groups = [_durations(tuple(range(100)), label) for label in ("reach", "grasp", "move", "release", "retreat")]
    assert stats.kruskal(*groups).pvalue > 0.01


def test_pauses_are_uniform_and_short_ones_are_left_out() -> None:
    inner, joins = [], 0
    for seed in range(100):
        segments = draw_timeline(seed, SceneConfig())
        inner.extend(s.duration_s for s in segments[1:-1] if s.label == "pause")
        joins += sum(a.label != "pause" != b.label for a, b in itertools.pairwise(segments))
        assert segments[0].duration_s >= 0.5
        assert segments[-1].duration_s >= 0.5
    assert min(inner) >= PAUSE_MIN_S
    assert max(inner) <= PAUSE_MAX_S
    assert stats.kstest(inner, stats.uniform(PAUSE_MIN_S, PAUSE_MAX_S - PAUSE_MIN_S).cdf).pvalue > 0.01
    share = PAUSE_MIN_S / PAUSE_MAX_S
    assert stats.binomtest(joins, joins + len(inner), share).pvalue > 0.01


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("blocks", [1, 3])
def test_segments_are_contiguous_and_follow_the_grammar(seed: int, blocks: int) -> None:
    config = SceneConfig(blocks=blocks, actions=30)
    segments = draw_timeline(seed, config)
    assert segments[0].start_s == 0.0
    for before, after in itertools.pairwise(segments):
        assert before.end_s == after.start_s
        assert not before.label == after.label == "pause"
    labels = [s.label for s in segments if s.label != "pause"]
    assert len(labels) == 30
    allowed = {
        "reach": {"grasp"},
        "grasp": {"move"},
        "move": {"release"},
        "release": {"reach", "retreat"} if blocks > 1 else {"retreat"},
        "retreat": {"reach"},
    }
    assert labels[0] == "reach"
    assert all(after in allowed[before] for before, after in itertools.pairwise(labels))


@pytest.mark.parametrize(
    "twin",
    [
        SceneConfig(shake_px=3.0),
        SceneConfig(noise=8.0),
        SceneConfig(letterbox=(10, 40, 0, 40)),
        SceneConfig(vfr=True),
        SceneConfig(texture=0.2),
        SceneConfig(size=(240, 320)),
        SceneConfig(rate=FrameRate(30_000, 1001)),
    ],
    ids=["shake", "noise", "letterbox", "vfr", "texture", "size", "rate"],
)
def test_twins_do_the_same_at_the_same_time(twin: SceneConfig) -> None:
    for seed in (0, 1, 2):
        assert render_scene(seed, twin).segments == render_scene(seed).segments


def test_another_seed_is_another_scene() -> None:
    assert len({draw_timeline(seed, SceneConfig()) for seed in range(50)}) == 50


def test_more_actions_continue_the_same_story() -> None:
    short, long = draw_timeline(4, SceneConfig(actions=5)), draw_timeline(4, SceneConfig(actions=20))
    assert long[: len(short) - 1] == short[:-1]


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_slots_are_inside_the_picture_and_apart(size: tuple[int, int]) -> None:
    layout = _layout(SceneConfig(size=size))
    slots = layout.slots()
    assert len(slots) >= 8
    reach = layout.block_half * np.sqrt(2) + 4.0 * layout.unit * np.sqrt(2)
    assert (slots - reach * 0.5 > 0).all()
    assert (slots + reach < (layout.width, layout.height)).all()
    gaps = [float(np.hypot(*(a - b))) for a, b in itertools.combinations(slots, 2)]
    assert min(gaps) >= 48.0 * layout.unit - 1e-9


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_blocks_at_rest_never_touch(size: tuple[int, int]) -> None:
    config = SceneConfig(size=size, blocks=5, actions=60)
    for seed in range(5):
        plan = _plan(seed, config)
        changes = sorted({0.0, *(float(span[1]) for spans in plan.carried for span in spans)})
        for time in changes:
            lying = []
            for rests, spans in zip(plan.rests, plan.carried, strict=True):
                begun, done = (spans[:, 0] <= time).sum(), (spans[:, 1] <= time).sum()
                assert begun == done, "two blocks are carried at once"
                lying.append(rests[done])
            half = _layout(config).block_half
            assert all(_apart(a, b, half) for a, b in itertools.combinations(lying, 2))


def _apart(a: np.ndarray, b: np.ndarray, half: float) -> bool:
    """Separating-axis test of two squares (Gottschalk 1996): an axis of one of them divides them."""
    for angle in (a[2], b[2]):
        for axis in (np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])):
            reach = sum(
                half * (abs(axis @ [np.cos(p[2]), np.sin(p[2])]) + abs(axis @ [-np.sin(p[2]), np.cos(p[2])]))
                for p in (a, b)
            )
            if abs(axis @ (a[:2] - b[:2])) > reach:
                return True
    return False


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("blocks", [1, 4])
def test_every_action_goes_somewhere(size: tuple[int, int], blocks: int) -> None:
    config = SceneConfig(size=size, blocks=blocks, actions=40)
    layout = _layout(config)
    for seed in range(5):
        plan = _plan(seed, config)
        way = np.hypot(*(plan.pose_to - plan.pose_from)[:, :2].T)
        assert way.min() >= 12.0 * layout.unit
        np.testing.assert_array_equal(plan.pose_from[1:], plan.pose_to[:-1])


def test_a_block_is_taken_where_it_lies_and_left_where_it_is_put() -> None:
    plan = _plan(3, SceneConfig(actions=40))
    labels = [s.label for s in plan.segments if s.label != "pause"]
    for index, (rests, spans) in enumerate(zip(plan.rests, plan.carried, strict=True)):
        for number, (start, end) in enumerate(spans):
            action = int(np.flatnonzero(plan.start_s == start)[0])
            assert labels[action] == "move", index
            assert plan.end_s[action] == end
            np.testing.assert_array_equal(plan.pose_from[action], rests[number])
            np.testing.assert_array_equal(plan.pose_to[action], rests[number + 1])


def test_fingers_close_in_a_grasp_and_open_in_a_release() -> None:
    plan = _plan(3, SceneConfig(actions=40))
    gap_open = _layout(SceneConfig()).gap_open
    labels = [s.label for s in plan.segments if s.label != "pause"]
    ends = dict.fromkeys(("reach", "retreat"), (gap_open, gap_open))
    ends |= {"grasp": (gap_open, 0.0), "move": (0.0, 0.0), "release": (0.0, gap_open)}
    for label, before, after in zip(labels, plan.gap_from, plan.gap_to, strict=True):
        assert (before, after) == ends[label]


def test_random_streams_are_independent_of_one_another() -> None:
    draws = np.array(
        [
            random_stream(seed, name, index).standard_normal(2000)
            for seed in (0, 1)
            for name in ("timing", "places")
            for index in (0, 1)
        ]
    )
    assert np.abs(np.corrcoef(draws) - np.eye(len(draws))).max() < 0.1
    np.testing.assert_array_equal(draws[0], random_stream(0, "timing").standard_normal(2000))


def test_a_segment_knows_its_length() -> None:
    assert SceneSegment(1.25, 3.0, "move").duration_s == 1.75
