"""What is above chance, and between what it lies where other videos had been filmed."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.metrics import best_chance, match_boundaries, random_boundaries, shifted_boundaries, uniform_boundaries
from lapsdata.metrics._above_chance import best_row, chance_corrected
from lapsdata.metrics._bootstrap import times_drawn

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from lapsdata.schema import BoundaryResult

    Evaluate = Callable[..., BoundaryResult]

SPANS = {"a": (0.0, 9.0), "b": (0.0, 6.0), "c": (0.0, 12.0), "d": (0.0, 7.5)}
TRUTH = {
    "a": np.array([2.0, 5.0, 6.5]),
    "b": np.array([3.0]),
    "c": np.array([1.0, 4.25, 8.0, 10.5]),
    "d": np.empty(0),
}
FOUND = {
    "a": np.array([2.2, 4.0, 6.5, 8.0]),
    "b": np.array([3.75, 1.0]),
    "c": np.array([1.1, 4.3, 7.0]),
    "d": np.array([3.0]),
}
FOUR: dict[str, Any] = {"truth": TRUTH, "found": FOUND, "spans_s": SPANS}


# --- the resamples ----------------------------------------------------------------------------------------------


@given(st.integers(2, 9), st.integers(1, 30), st.integers(0, 9))
def test_resamples_have_as_many_videos_and_are_the_same_each_time(videos: int, resamples: int, seed: int) -> None:
    drawn = times_drawn(videos, resamples, seed)
    assert drawn.shape == (videos, resamples)
    assert (drawn.sum(axis=0) == videos).all()
    assert (drawn >= 0).all()
    more = times_drawn(videos, resamples + 3, seed)
    assert more[:, :resamples].tolist() == drawn.tolist()


def test_each_video_is_as_likely_and_the_numbers_are_these_on_every_machine() -> None:
    drawn = times_drawn(5, 4000, 1)
    # 20,000 draws, each of 5 videos: a standard deviation of 57.
    assert np.abs(drawn.sum(axis=1) - 4000).max() < 240
    assert times_drawn(3, 4, 0).tolist() == [[0, 0, 1, 1], [3, 1, 1, 0], [0, 2, 1, 2]]
    assert times_drawn(5, 4000, 2).tolist() != drawn.tolist()


# --- intervals --------------------------------------------------------------------------------------------------


def plain_f(sets: dict[str, NDArray[np.float64]], names: list[str], at: float) -> tuple[float, float]:
    """Return macro and micro F of videos, of which some stand twice."""
    counts = [match_boundaries(TRUTH[name], sets[name], at).counts for name in names]
    pooled = 2 * sum(one.hits for one in counts) / max(1, sum(one.truth + one.found for one in counts))
    return statistics.fmean(one.f for one in counts), pooled if any(one.truth + one.found for one in counts) else 1.0


def resamples_of(seed: int, count: int) -> list[list[str]]:
    drawn = times_drawn(4, count, seed)
    return [[name for name, times in zip(SPANS, column, strict=True) for _ in range(times)] for column in drawn.T]


def test_intervals_of_the_prediction_are_quantiles_over_resampled_videos(evaluate: Evaluate) -> None:
    result = evaluate(**FOUR, resamples=200, seed=3)
    assert result.bootstrap is not None
    assert (result.bootstrap.resamples, result.bootstrap.seed, result.bootstrap.level) == (200, 3, 0.95)
    for score in result.rows[0].scores:
        each = np.array([plain_f(FOUND, names, score.tolerance_s) for names in resamples_of(3, 200)])
        wanted = np.quantile(each, (0.025, 0.975), axis=0).T
        assert score.macro_f_interval == pytest.approx(wanted[0])
        assert score.micro_f_interval == pytest.approx(wanted[1])
        assert score.macro_f_interval is not None
        assert score.macro_f_interval[0] < score.macro.f < score.macro_f_interval[1]
    assert all(score.macro_f_interval is None for row in result.rows[1:] for score in row.scores)


def test_the_corrected_score_is_what_is_left_of_what_chance_leaves(evaluate: Evaluate) -> None:
    result = evaluate(**FOUR)
    assert result.above_chance is not None
    for at, one in enumerate(result.above_chance):
        for average in ("macro", "micro"):
            told, f = getattr(one, average), getattr(result.rows[0].scores[at], average).f
            best, name = best_chance(result, at, average=average)
            assert (told.best_chance_f, told.best_chance_row) == (best, name)
            assert told.chance_corrected_f == pytest.approx((f - best) / (1 - best))


@pytest.mark.parametrize("best", ["uniform_same_count", "random_same_count", "circular_shift"])
def test_its_interval_keeps_the_row_and_its_draws(evaluate: Evaluate, best: str) -> None:
    cuts = {name: len(times) for name, times in FOUND.items()}
    drawn: dict[str, Callable[[str], NDArray[np.float64]]] = {
        "uniform_same_count": lambda v: uniform_boundaries(SPANS[v], cuts[v])[np.newaxis],
        "random_same_count": lambda v: random_boundaries(SPANS[v], cuts[v], draws=4, seed=7, video=v),
        "circular_shift": lambda v: shifted_boundaries(FOUND[v], SPANS[v], draws=6, seed=7, video=v),
    }
    sets = {name: drawn[best](name) for name in SPANS}
    result = evaluate(**FOUR, resamples=60, seed=7, tolerances_s=(0.1, 0.25, 0.5, 1.0, 2.0))
    checked = 0
    for one in result.above_chance or ():
        for average, told in enumerate((one.macro, one.micro)):
            if told.best_chance_row != best:
                continue
            checked += 1
            each = []
            for names in resamples_of(7, 60):
                rows = range(len(sets["a"]))
                of_draws = [plain_f({v: sets[v][r] for v in sets}, names, one.tolerance_s)[average] for r in rows]
                ours, chance = plain_f(FOUND, names, one.tolerance_s)[average], statistics.fmean(of_draws)
                each.append((ours - chance) / (1 - chance))
            assert told.interval == pytest.approx(np.quantile(each, (0.025, 0.975)))
    assert checked


def test_below_chance_is_below_zero_and_beside_a_right_row_there_is_no_score(evaluate: Evaluate) -> None:
    far = {name: span[1] - np.array([0.25, 0.125]) for name, span in SPANS.items()}
    below = evaluate(**FOUR | {"found": far, "tolerances_s": (1.0,)}).above_chance
    assert below is not None
    assert below[0].macro.chance_corrected_f is not None
    assert below[0].macro.chance_corrected_f < 0
    right = evaluate(**FOUR, chance={"constant_energy": TRUTH}).above_chance
    assert right is not None
    for one in right:
        assert (one.macro.best_chance_row, one.macro.best_chance_f) == ("constant_energy", 1.0)
        assert (one.macro.chance_corrected_f, one.macro.interval) == (None, None)


def test_a_row_that_is_right_in_some_resample_has_no_interval(evaluate: Evaluate) -> None:
    some = {**TRUTH, "a": np.array([0.5]), "b": np.array([5.0])}
    result = evaluate(**FOUR, chance={"constant_energy": some}, resamples=300)
    assert result.above_chance is not None
    told = result.above_chance[0].macro
    assert told.best_chance_row == "constant_energy"
    assert told.chance_corrected_f is not None
    assert told.interval is None


def test_an_oracle_is_no_chance(evaluate: Evaluate) -> None:
    thirds = {"a": np.array([3.0, 6.0]), "b": np.array([2.0, 4.0])}
    spans = {"a": (0.0, 9.0), "b": (0.0, 6.0)}
    one_cut = {"a": np.array([3.1]), "b": np.array([2.1])}
    result = evaluate(truth=thirds, found=one_cut, spans_s=spans)
    oracle = next(row for row in result.rows if row.name == "oracle_count")
    assert (oracle.kind, oracle.scores[0].macro.f) == ("oracle", 1.0)
    assert best_chance(result, 0)[0] < 1
    assert result.above_chance is not None
    assert result.above_chance[0].macro.best_chance_row not in ("oracle_count", "uniform_best_period")


def test_a_single_video_has_no_interval(evaluate: Evaluate) -> None:
    result = evaluate(truth={"a": TRUTH["a"]}, found={"a": FOUND["a"]})
    assert result.bootstrap is None
    assert all(score.macro_f_interval is score.micro_f_interval is None for score in result.rows[0].scores)
    assert result.above_chance is not None
    assert all(one.macro.interval is one.micro.interval is None for one in result.above_chance)
    assert result.above_chance[0].macro.chance_corrected_f is not None


def test_covering_and_r_value_stand_beside_chance(evaluate: Evaluate) -> None:
    result = evaluate(truth=TRUTH, found=TRUTH, spans_s=SPANS)
    assert result.rows[0].covering == 1.0
    for row in result.rows:
        if row.name == "uniform_best_period":
            assert row.covering is None
        else:
            assert row.covering is not None
        assert all(score.micro_r_value is not None for score in row.scores)
    assert [score.micro_r_value for score in result.rows[0].scores] == [1.0, 1.0]
    none = evaluate(truth={"a": np.empty(0), "b": np.empty(0)})
    assert all(score.micro_r_value is None for row in none.rows for score in row.scores)


# --- the formula ------------------------------------------------------------------------------------------------

SHARE = st.floats(0, 1)
BELOW = st.floats(0, 0.99)


@given(SHARE, SHARE, BELOW)
def test_what_is_left_of_chance_keeps_the_order(one: float, other: float, chance: float) -> None:
    first, second = (chance_corrected(f, (chance, "row"), None).chance_corrected_f for f in (one, other))
    assert first is not None
    assert second is not None
    assert (first >= second) == (one >= other) or first == pytest.approx(second)
    assert first <= 1
    assert (first > 0) == (one > chance)
    # A better row of chance leaves less.
    more = chance_corrected(one, (0.995, "row"), None).chance_corrected_f
    assert more is not None
    assert more <= first or one == 1


@given(BELOW)
def test_as_good_as_chance_is_0_and_right_is_1(chance: float) -> None:
    for f, expected in ((chance, 0.0), (1.0, 1.0)):
        told = chance_corrected(f, (chance, "row"), None)
        assert told.chance_corrected_f == expected
        assert (told.best_chance_row, told.best_chance_f, told.interval) == ("row", chance, None)


@given(st.lists(st.tuples(SHARE, BELOW), min_size=1, max_size=30))
def test_its_interval_is_that_of_each_resample(drawn: list[tuple[float, float]]) -> None:
    ours, theirs = np.array(drawn).T
    told = chance_corrected(0.5, (0.25, "row"), (ours, theirs)).interval
    each = sorted((f - chance) / (1 - chance) for f, chance in drawn)
    assert told == pytest.approx(np.quantile(each, (0.025, 0.975)))
    assert told is not None
    assert each[0] <= told[0] + 1e-9
    assert told[1] <= each[-1] + 1e-9


def test_of_equal_rows_the_first_is_the_best_and_only_of_chance(evaluate: Evaluate) -> None:
    rows = evaluate(**FOUR).rows
    best, name = best_row(rows, 0, "macro")
    twin = next(row for row in rows if row.name == name).model_copy(update={"name": "twin"})
    assert best_row((*rows, twin), 0, "macro") == (best, name)
    assert best_row((twin, *rows), 0, "macro") == (best, "twin")
    for kind in ("oracle", "prediction"):
        perfect = rows[0].model_copy(update={"kind": kind, "name": "perfect", "scores": evaluate(
            truth=TRUTH, found=TRUTH, spans_s=SPANS).rows[0].scores})  # fmt: skip
        assert best_row((*rows, perfect), 0, "macro") == (best, name)


@pytest.mark.parametrize("rules", ["default", "laps-2025"])
def test_resamples_of_equal_videos_are_one_number(evaluate: Evaluate, rules: str) -> None:
    """Whichever of them are drawn, the mean and the pooled counts say the same."""
    names = ("a", "b", "c")
    same: dict[str, Any] = {
        "truth": {name: np.array([2.0, 5.0]) for name in names},
        "found": {name: np.array([2.1, 7.0]) for name in names},
        "spans_s": dict.fromkeys(names, (0.0, 9.0)),
    }
    result = evaluate(**same, rules=rules)
    for score in result.rows[0].scores:
        assert score.macro_f_interval == pytest.approx((score.macro.f, score.macro.f))
        assert score.micro_f_interval == pytest.approx((score.micro.f, score.micro.f))
