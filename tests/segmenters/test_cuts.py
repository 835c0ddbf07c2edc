"""Segmenters that cut the whole time of a video: uniform, at random, at the peaks of the energy."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.errors import SchemaError
from lapsdata.plugins import registry
from lapsdata.segmenters import EnergySeries, Segmenter
from lapsdata.segmenters._pieces import pieces
from lapsdata.segmenters.peaks import Peaks
from lapsdata.segmenters.random_cuts import RandomCuts
from lapsdata.segmenters.uniform import Uniform
from lapsdata.testing.segmenter_contract import example_series


def video(start_s: float, end_s: float, name: str = "clip_0") -> EnergySeries:
    return EnergySeries.measured([start_s], [end_s], [1.0], video=name)


def edges(segmenter: Segmenter, series: EnergySeries) -> list[float]:
    found = segmenter.segment(series).segments
    for before, after in pairwise(found):
        assert before.end_s == after.start_s
    return [found[0].start_s, *(one.end_s for one in found)] if found else []


@pytest.mark.parametrize("segmenter", [Uniform(count=7), Uniform(period_s=0.7), RandomCuts(count=7), Peaks()])
def test_pieces_adjoin_and_fill_the_time(segmenter: Segmenter) -> None:
    series = example_series()["steps"]
    found = edges(segmenter, series)
    assert len(found) >= 8
    assert (found[0], found[-1]) == (series.start_s[0], series.end_s[-1])


def test_uniform_by_count() -> None:
    assert edges(Uniform(count=4), video(10.0, 12.0)) == [10.0, 10.5, 11.0, 11.5, 12.0]
    assert edges(Uniform(count=1), video(10.0, 12.0)) == [10.0, 12.0]


def test_uniform_by_period_leaves_a_rest() -> None:
    assert edges(Uniform(period_s=2.0), video(1.0, 6.0)) == [1.0, 3.0, 5.0, 6.0]
    assert edges(Uniform(period_s=2.0), video(1.0, 5.0)) == [1.0, 3.0, 5.0]
    assert edges(Uniform(period_s=9.0), video(1.0, 5.0)) == [1.0, 5.0]


def test_a_rest_within_the_noise_of_time_is_no_piece() -> None:
    """Thirty steps of 0.1 s are 3.0000000000000013 s."""
    end_s = float(np.cumsum(np.full(30, 0.1))[-1])
    assert end_s > 3.0
    assert len(edges(Uniform(period_s=1.0), video(0.0, end_s))) == 4


@given(st.floats(-1e3, 1e3), st.floats(0.01, 1e3), st.floats(0.01, 50))
def test_uniform_pieces_are_as_long_as_asked(start_s: float, duration_s: float, period_s: float) -> None:
    found = np.diff(edges(Uniform(period_s=period_s), video(start_s, start_s + duration_s)))
    assert np.allclose(found[:-1], period_s, rtol=0, atol=1e-5)
    assert found[-1] <= period_s + 1e-5


def test_pieces_that_looked_at_no_energy_have_no_score() -> None:
    for segmenter in (Uniform(count=3), RandomCuts(count=3)):
        found = segmenter.segment(video(0.0, 3.0)).segments
        assert [math.isnan(one.score) for one in found] == [True] * 3
        assert [one.end_reason for one in found] == ["max_duration", "max_duration", "end_of_stream"]


def test_random_cuts_are_the_same_for_ever() -> None:
    """Drawn once and written down: seeds in results stay what they were."""
    assert edges(RandomCuts(count=4, seed=7), video(0.0, 64.0)) == pytest.approx(
        [0.0, 5.9510494849110245, 45.226378507522696, 61.899495151841535, 64.0]
    )


def test_random_cuts_depend_on_seed_and_name() -> None:
    base = edges(RandomCuts(count=4), video(0.0, 64.0))
    assert base == edges(RandomCuts(count=4, seed=0), video(0.0, 64.0))
    for segmenter, name in ((RandomCuts(count=4, seed=1), "clip_0"), (RandomCuts(count=4), "clip_1")):
        assert set(base[1:-1]).isdisjoint(edges(segmenter, video(0.0, 64.0, name))[1:-1])


def test_random_cuts_stretch_with_the_video() -> None:
    short, long = (edges(RandomCuts(count=9), video(8.0, 8.0 + length)) for length in (4.0, 8.0))
    assert [8.0 + 2 * (edge - 8.0) for edge in short] == pytest.approx(long)


def test_random_cuts_are_spread_evenly() -> None:
    """Over many names, as many cuts fall into each tenth of a video, up to chance (p < 1e-6)."""
    found = [edge for name in range(400) for edge in edges(RandomCuts(count=6), video(0.0, 10.0, str(name)))[1:-1]]
    counts = np.histogram(found, bins=10, range=(0, 10))[0]
    assert counts.sum() == 2000
    assert ((counts - 200) ** 2 / 200).sum() < 43


def test_the_number_of_random_pieces_follows_the_duration() -> None:
    cut = RandomCuts(mean_s=2.0)
    assert [len(edges(cut, video(0.0, length))) - 1 for length in (0.5, 2.0, 9.0, 10.0)] == [1, 1, 4, 5]


def test_more_cuts_than_times_are_an_error() -> None:
    tight = video(1.0, 1.0 + 1e-15)
    for segmenter in (Uniform(count=1000), RandomCuts(count=1000)):
        with pytest.raises(SchemaError, match=r"'clip_0': expected cuts that rise.*ask for fewer \[too-many-cuts\]"):
            segmenter.segment(tight)


def test_pieces_name_how_many_cuts_did_not_rise() -> None:
    with pytest.raises(SchemaError, match=r"between 0\.0 s and 4\.0 s, got 2 that do not"):
        pieces([2.0, 2.0], video(0.0, 4.0))


WRONG: dict[str, tuple[str, dict[str, Any], str]] = {
    "uniform none": ("uniform", {}, "expected exactly one of 'period_s' and 'count'"),
    "uniform both": ("uniform", {"period_s": 1.0, "count": 2}, "expected exactly one of 'period_s' and 'count'"),
    "uniform zero": ("uniform", {"count": 0}, "count: .*greater than or equal to 1"),
    "uniform period": ("uniform", {"period_s": 0.0}, "period_s: .*greater than 0"),
    "uniform unknown": ("uniform", {"period": 1.0}, "did you mean 'period_s'"),
    "random none": ("random_cuts", {"seed": 1}, "expected exactly one of 'count' and 'mean_s'"),
    "random both": ("random_cuts", {"mean_s": 1.0, "count": 2}, "expected exactly one of 'count' and 'mean_s'"),
    "random seed": ("random_cuts", {"count": 2, "seed": -1}, "seed: .*greater than or equal to 0"),
    "peaks prominence": ("peaks", {"prominence": -1.0}, "prominence: .*greater than or equal to 0"),
    "peaks unknown": ("peaks", {"distance": 1.0}, "did you mean 'distance_s'"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_parameters_are_refused(case: str) -> None:
    name, given_, match = WRONG[case]
    with pytest.raises(SchemaError, match=match):
        registry("segmenters").load(name)(**given_)


def drawn(text: str) -> EnergySeries:
    start = np.arange(len(text), dtype=np.float64)
    energy = np.array([float(sign) if sign.isdigit() else np.nan for sign in text])
    state = np.array(["gm".find(sign) + 1 for sign in text], np.uint8)
    return EnergySeries(start_s=start, end_s=start + 1, energy=energy, state=state)


PEAKS: dict[str, tuple[str, dict[str, Any], list[float]]] = {
    "a peak is cut in its middle": ("01310", {}, [0, 2.5, 5]),
    "a plateau as well": ("0133310", {}, [0, 3.5, 7]),
    "an even plateau as well": ("013310", {}, [0, 3, 6]),
    "the ends are no peaks": ("93039", {}, [0, 5]),
    "too low": ("0130910", {"height": 4.0}, [0, 4.5, 7]),
    "does not stand out": ("0787210", {"prominence": 2.0}, [0, 2.5, 7]),
    "a dip of 1 parts no peak of 2": ("0879700", {"prominence": 2.0}, [0, 3.5, 7]),
    "of close ones the highest": ("0304020", {"distance_s": 3.0}, [0, 3.5, 7]),
    "of equals the first": ("0303030", {"distance_s": 3.0}, [0, 1.5, 5.5, 7]),
    "just far enough": ("030400", {"distance_s": 2.0}, [0, 1.5, 3.5, 6]),
    "gated is as quiet as the quietest": ("3g5g3", {}, [0, 2.5, 5]),
    "gated is no 0 beside it": ("3g3g3", {}, [0, 5]),
    "only gated": ("ggg", {}, [0, 3]),
}


@pytest.mark.parametrize("case", PEAKS)
def test_peaks(case: str) -> None:
    text, given_, expected = PEAKS[case]
    assert edges(Peaks(**given_), drawn(text)) == expected


def test_missing_values_belong_to_no_piece_of_peaks() -> None:
    found = Peaks().segment(drawn("030mm040"))
    assert [(one.start_s, one.end_s) for one in found.segments] == [(0, 1.5), (1.5, 3), (5, 6.5), (6.5, 8)]
    assert [one.end_reason for one in found.segments] == ["threshold", "end_of_stream"] * 2
    assert found.policies == {"missing-break": 2}


def test_a_value_beside_a_missing_one_is_no_peak() -> None:
    """Nothing is known of what lies behind it."""
    assert [(one.start_s, one.end_s) for one in Peaks().segment(drawn("03m30")).segments] == [(0, 2), (3, 5)]


def test_scores_of_peaks_weigh_half_values() -> None:
    first, second = Peaks().segment(drawn("00400")).segments
    assert first.score == second.score == pytest.approx(4 * 0.5 / 2.5)


def test_the_distance_of_peaks_is_in_seconds_at_any_rate() -> None:
    """The same curve, seen at two rates and at an uneven one, is cut at the same times."""
    fine = np.arange(0, 20, 0.125)
    curve = np.sin(fine * 2) + 0.3 * np.sin(fine * 7)
    cut = Peaks(distance_s=2.0)
    told = edges(cut, EnergySeries.measured(fine, fine + 0.125, curve))
    rows = np.sort(np.random.default_rng(0).choice(len(fine), 120, replace=False))
    uneven = EnergySeries.measured(fine[rows], np.append(fine[rows][1:], 20.0), curve[rows])
    assert len(told) > 5
    assert edges(cut, uneven) == pytest.approx(told, abs=0.5)


def test_holes_are_counted() -> None:
    series = example_series()["holes"]
    assert Peaks().segment(series).policies["gap-break"] > 3


def test_states_change_no_cut_that_does_not_look() -> None:
    steps, states = example_series()["steps"], example_series()["states"]
    for segmenter in (Uniform(count=5), RandomCuts(count=5)):
        assert edges(segmenter, replace(states, video="steps")) == edges(segmenter, steps)


def test_defaults_are_said_once() -> None:
    """What a header holds when nothing but the number of pieces was given."""
    assert Uniform(count=2).parameters == {"period_s": None, "count": 2}
    assert RandomCuts(count=2).parameters == {"count": 2, "mean_s": None, "seed": 0}
    assert Peaks().parameters == {"height": None, "prominence": 0.0, "distance_s": 0.0}
