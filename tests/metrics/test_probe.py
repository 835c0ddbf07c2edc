"""The rows of a probe: what is known is found, what is shuffled is not, and time is a control of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.errors import SchemaError
from lapsdata.metrics.probe import FeatureSet, HowProbed, ProbedRows, circular_shifts, probe_rows, time_features

if TYPE_CHECKING:
    from lapsdata.schema import ProbeRow

LENGTHS = (70, 60, 80, 50)
VIDEO = np.repeat(np.arange(4), LENGTHS)
TIME = np.concatenate([np.arange(length) / 10 for length in LENGTHS])
HOW = HowProbed(draws=10, random_draws=3)


def smooth(seed: int, columns: int) -> Any:
    """Return numbers that go on as motion does, and not from row to row anew."""
    random = np.random.default_rng(seed)
    steps = random.standard_normal((len(VIDEO) + 9, columns))
    return np.stack([np.convolve(column, np.ones(10), "valid") for column in steps.T], axis=1)


def of(found: tuple[ProbeRow, ...], name: str) -> ProbeRow:
    return next(row for row in found if row.name == name)


def test_a_linear_relation_is_found_and_no_control_has_it() -> None:
    features = smooth(0, 8)
    target = features @ np.random.default_rng(1).standard_normal((8, 3))
    found = probe_rows([FeatureSet("tokens", features)], ProbedRows(target, VIDEO, VIDEO, TIME), how=HOW)
    assert [row.name for row in found] == ["tokens", "shuffled_tokens", "time", "random_features"]
    assert [row.kind for row in found] == ["prediction", "control", "control", "control"]
    assert of(found, "tokens").r2 > 0.999
    assert min(value for value in of(found, "tokens").groups if value is not None) > 0.999
    for control in ("shuffled_tokens", "time", "random_features"):
        assert of(found, control).r2 < 0.1
    assert of(found, "shuffled_tokens").draws == 10
    assert of(found, "random_features").draws == 3
    assert of(found, "random_features").columns == 8


def test_shuffled_targets_are_about_nothing_and_below() -> None:
    features, target = smooth(2, 12), smooth(3, 4)
    row = of(probe_rows([FeatureSet("a", features)], ProbedRows(target, VIDEO, VIDEO, TIME), how=HOW), "shuffled_a")
    assert -0.3 < row.r2 < 0.03
    assert row.r2_sd is not None
    assert 0 < row.r2_sd < 0.2


def test_what_hangs_on_time_alone_is_told_by_time() -> None:
    place = TIME / np.array([length - 1 for length in LENGTHS])[VIDEO] * 10
    target = np.stack([np.sin(3 * place), 2 * TIME], axis=1)
    found = probe_rows([FeatureSet("a", smooth(4, 2))], ProbedRows(target, VIDEO, VIDEO, TIME), how=HOW)
    assert of(found, "time").r2 > 0.9
    assert of(found, "time").parameters == {"degree": 5}
    assert of(found, "a").r2 < 0.2


def test_groups_of_several_videos_are_held_out_together() -> None:
    """Videos 0 and 1 are one recording: with each alone, one tells the other."""
    random = np.random.default_rng(7)
    lengths = (60, 60, 60, 60)
    video = np.repeat(np.arange(4), lengths)
    motion = random.standard_normal((3, 60, 2))
    target = np.concatenate([motion[0], motion[0], motion[1], motion[2]])
    # A feature for each place of the recording: nothing but memory.
    memory = np.tile(np.eye(60), (4, 1))
    time_s = np.tile(np.arange(60) / 10, 4)
    rows = ProbedRows(target, video, video, time_s)
    sets = [FeatureSet("memory", memory)]
    how = HOW._replace(strengths=(1e-4,))
    alone = probe_rows(sets, rows, how=how)[0]
    together = probe_rows(sets, rows._replace(group=np.maximum(video - 1, 0)), how=how)[0]
    # Of three recordings that are learned from, one is the held-out one: 1 - (2/3)² - 2 (1/3)² of its variance.
    assert alone.groups[0] == pytest.approx(1 / 3, abs=0.15)
    assert len(together.groups) == 3
    assert all(value is not None and value < 0.05 for value in together.groups)


def test_raw_flow_stands_beside_and_a_random_projection_of_it() -> None:
    flow = smooth(5, 20)
    flow[3, 4] = np.nan
    target = np.nan_to_num(flow) @ np.random.default_rng(6).standard_normal((20, 2))
    sets = [FeatureSet("tokens", smooth(8, 20)), FeatureSet("energy", smooth(9, 1))]
    rows = ProbedRows(target, VIDEO, VIDEO, TIME)
    found = probe_rows(sets, rows, raw_flow=FeatureSet("raw_flow", flow), how=HOW)
    assert [row.name for row in found][:4] == ["tokens", "energy", "shuffled_tokens", "shuffled_energy"]
    assert [row.name for row in found][4:] == [
        *("time", "raw_flow", "random_features", "random_projection_tokens", "random_projection_energy"),
    ]
    assert of(found, "raw_flow").r2 > 0.99
    assert of(found, "raw_flow").missing_values == 1
    # As many random combinations as there are columns lose next to nothing, a single one nearly all.
    assert of(found, "random_projection_tokens").r2 > 0.9
    assert of(found, "random_projection_energy").r2 < 0.6
    assert of(found, "random_projection_energy").columns == 1
    one = probe_rows(sets, rows, raw_flow=FeatureSet("raw_flow", flow), projected=["energy"], how=HOW)
    assert {row.name for row in found} - {row.name for row in one} == {"random_projection_tokens"}


def test_the_same_seed_gives_the_same_rows_and_another_others() -> None:
    rows, sets = ProbedRows(smooth(0, 2), VIDEO, VIDEO, TIME), [FeatureSet("a", smooth(1, 3))]
    one, same = (probe_rows(sets, rows, how=HOW) for _ in range(2))
    other = probe_rows(sets, rows, how=HOW._replace(seed=1))
    assert one == same
    assert one[0] == other[0]
    assert of(one, "shuffled_a").r2 != of(other, "shuffled_a").r2
    assert of(one, "time") == of(other, "time")


def test_a_quantity_that_stands_still_is_left_out_of_the_mean() -> None:
    features = smooth(0, 3)
    target = np.concatenate([features[:, :1], np.full((len(VIDEO), 1), 0.3)], axis=1)
    row = probe_rows([FeatureSet("a", features)], ProbedRows(target, VIDEO, VIDEO, TIME), how=HOW)[0]
    assert row.quantities[1] is None
    assert row.r2 == row.quantities[0]
    with pytest.raises(SchemaError, match="expected a quantity that varies, got 1 that stand still"):
        probe_rows([FeatureSet("a", features)], ProbedRows(target[:, 1:], VIDEO, VIDEO, TIME), how=HOW)


def test_a_group_in_which_nothing_varies_has_no_r2_and_does_not_spoil_the_others() -> None:
    features = smooth(0, 3)
    target = features[:, :1].copy()
    target[VIDEO == 2] = 0
    rows = ProbedRows(target, VIDEO, VIDEO, TIME)
    row = probe_rows([FeatureSet("a", features)], rows, how=HOW)[0]
    assert row.groups[0] is not None
    assert row.groups[0] > 0.5


@given(st.lists(st.integers(1, 40), min_size=1, max_size=5), st.integers(0, 99))
def test_shifts_stay_within_their_video_and_are_circular(lengths: list[int], seed: int) -> None:
    video = np.repeat(np.arange(len(lengths)), lengths)
    for lent in circular_shifts(video, 3, seed=seed):
        assert (video[lent] == video).all()
        for number, length in enumerate(lengths):
            at = np.flatnonzero(video == number)
            by = (lent[at] - at) % length
            assert len(set(by.tolist())) == 1
            least = -(-length // 10)
            assert length == 1 or least <= by[0] <= max(length - least, least)


def test_time_features_are_powers_of_seconds_and_of_the_place() -> None:
    rows = ProbedRows(np.zeros((5, 1)), np.array([0, 0, 0, 1, 1]), np.zeros(5, np.int64), np.array([2.0, 3, 4, 0, 10]))
    np.testing.assert_allclose(
        time_features(rows, 2),
        [[2, 4, 0, 0], [3, 9, 0.5, 0.25], [4, 16, 1, 1], [0, 0, 0, 0], [10, 100, 1, 1]],
    )
