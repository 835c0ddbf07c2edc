"""Boundaries where neighbours are least alike: candidates, thinned out, merged over the weakest first."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.errors import SchemaError
from lapsdata.segmenters import EnergySeries
from lapsdata.segmenters.abd import Abd, smoothed
from lapsdata.testing.segmenter_contract import example_series


def drawn(text: str) -> EnergySeries:
    start = np.arange(len(text), dtype=np.float64)
    energy = np.array([float(sign) if sign.isdigit() else np.nan for sign in text])
    state = np.array(["gm".find(sign) + 1 for sign in text], np.uint8)
    return EnergySeries(start_s=start, end_s=start + 1, energy=energy, state=state)


def cuts(text: str, **given_: Any) -> list[float]:
    found = Abd(**{"smooth_s": 0.0, "window_s": 1.0, **given_}).segment(drawn(text)).segments
    return [one.end_s for one in found if one.end_reason == "threshold"]


GOLDEN: dict[str, tuple[str, dict[str, Any], list[float]]] = {
    "the strongest of two": ("0203000", {"count": 2}, [3.5]),
    "both of two": ("0203000", {"count": 3}, [1.5, 3.5]),
    "no more than there are": ("0203000", {"count": 9}, [1.5, 3.5]),
    "one piece has no cut": ("0203000", {"count": 1}, []),
    "of equals the first": ("0303030", {"count": 3}, [1.5, 3.5]),
    "within the window the highest": ("0203000", {"count": 3, "window_s": 2.0}, [3.5]),
    "behind the window another": ("0200300", {"count": 3, "window_s": 2.0}, [1.5, 4.5]),
    "of a plateau the first": ("0033300", {"count": 5}, [2.5]),
    "the ends are no cuts": ("9001009", {"count": 9}, [3.5]),
    "no window looks at the neighbours": ("0203000", {"count": 3, "window_s": 0.0}, [1.5, 3.5]),
    "by strength": ("0203040", {"least": 3.0}, [3.5, 5.5]),
    "by mean duration": ("0203040", {"mean_s": 3.5}, [5.5]),
    "by mean duration, all": ("0203040", {"mean_s": 1.75}, [1.5, 3.5, 5.5]),
    "a short video is one piece": ("0203040", {"mean_s": 70.0}, []),
    "gated is as quiet as the quietest": ("1g5g1", {"count": 3}, [2.5]),
    "each side of a missing one by itself": ("020m030", {"count": 3}, [5.5]),
    "smoothing joins what is close": ("005050000", {"count": 2, "smooth_s": 3.0, "window_s": 2.0}, [3.5]),
}


@pytest.mark.parametrize("case", GOLDEN)
def test_cuts_by_hand(case: str) -> None:
    text, given_, expected = GOLDEN[case]
    assert cuts(text, **given_) == expected


def test_what_was_asked_and_not_found_is_counted() -> None:
    assert Abd(count=9, smooth_s=0.0).segment(drawn("0203000")).policies == {"fewer-than-asked": 6}
    assert Abd(count=1).segment(drawn("0203m00")).policies == {"missing-break": 1, "more-than-asked": 1}
    assert Abd(least=9.0).segment(drawn("0203m00")).policies == {"missing-break": 1}
    assert Abd(mean_s=1.0).segment(drawn("")).policies == {}


@given(st.lists(st.floats(0, 10), min_size=1, max_size=60), st.integers(1, 12), st.floats(0, 3))
def test_never_more_than_asked_and_all_inside(energy: list[float], count: int, window_s: float) -> None:
    start = np.arange(len(energy)) / 8
    series = EnergySeries.measured(start, start + 0.125, energy)
    few, most = (Abd(count=asked, window_s=window_s).segment(series).segments for asked in (count, 1000))
    assert len(few) == min(count, len(most))
    assert {one.end_s for one in few} <= {one.end_s for one in most}
    found = [one.end_s for one in most[:-1]]
    assert all(start[0] < at_s < start[-1] + 0.125 for at_s in found)
    assert np.all(np.diff(found) > window_s - 1e-6)


@given(st.floats(0.1, 0.9), st.integers(3, 50), st.floats(0, 2))
def test_equal_energies_have_no_cut(level: float, rows: int, smooth_s: float) -> None:
    start = np.cumsum(np.random.default_rng(rows).random(rows) + 0.01)
    series = EnergySeries.measured(start[:-1], start[1:], np.full(rows - 1, level))
    assert len(Abd(count=9, smooth_s=smooth_s).segment(series).segments) == 1


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=40), st.floats(0, 2))
def test_smoothing_is_a_weighted_mean(values: list[float], reach_s: float) -> None:
    value = np.array(values)
    at_s = np.cumsum(np.random.default_rng(len(values)).random(len(values)) + 0.01)
    weight = np.maximum(1 - np.abs(at_s[:, None] - at_s) / reach_s, 0.0) if reach_s > 1e-6 else np.eye(len(values))
    np.testing.assert_allclose(smoothed(at_s, value, reach_s), weight @ value / weight.sum(axis=1), atol=1e-9)


def test_true_changes_are_found_amid_noise() -> None:
    random = np.random.default_rng(1)
    start = np.arange(400) / 20
    change = np.abs(random.normal(0, 0.2, 400))
    for at in (3.0, 7.5, 12.0, 16.0):
        change += np.exp(-(((start + 0.025 - at) / 0.15) ** 2))
    found = Abd(mean_s=4.0).segment(EnergySeries.measured(start, start + 0.05, change)).segments
    assert [one.end_s for one in found[:-1]] == pytest.approx([3.0, 7.5, 12.0, 16.0], abs=0.1)


def test_a_count_is_kept_where_values_are_not_regular() -> None:
    for name in ("steps", "uneven", "windows", "states", "holes"):
        found = Abd(count=12, smooth_s=0.0, window_s=0.0).segment(example_series()[name])
        runs = 1 + sum(word.endswith("-break") and number for word, number in found.policies.items())
        assert len(found.segments) == 12 or runs > 12


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "none": ({}, "expected exactly one of 'count', 'mean_s' and 'least'"),
    "two": ({"count": 2, "mean_s": 1.0}, "expected exactly one of 'count', 'mean_s' and 'least'"),
    "time": ({"count": 2, "window_s": -1.0}, "window_s: .*greater than or equal to 0"),
    "mean": ({"mean_s": 0.0}, "mean_s: .*greater than 0"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_parameters_are_refused(case: str) -> None:
    told, match = WRONG[case]
    with pytest.raises(SchemaError, match=match):
        Abd(**told)


def test_times_of_another_origin_are_cut_alike() -> None:
    series = example_series()["states"]
    later = replace(series, start_s=series.start_s + 512, end_s=series.end_s + 512)
    here, there = (Abd(mean_s=1.5).segment(one).segments for one in (series, later))
    assert [one.end_s + 512 for one in here] == [one.end_s for one in there]
