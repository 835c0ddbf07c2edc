"""Parts of the comparison of statistics: held against plain NumPy, for rows in any blocks and episodes in any order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from lapsdata.checks._stats_faults import StatsFaults
from lapsdata.checks._stats_numbers import KINDS, Numbers
from lapsdata.checks._stats_turns import Turns
from lapsdata.checks._stats_verdicts import FINE, OF_EPISODES, ROUNDED, SAMPLE, WRONG, Tally
from lapsdata.schema import Feature
from lapsdata.transforms.episode_stats import Moments

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from lapsdata.adapters import Stated

MARKS = {"q01": 0.01, "q10": 0.1, "q50": 0.5, "q90": 0.9, "q99": 0.99}
METHODS = ("linear", "lower", "higher", "nearest", "midpoint", "inverted_cdf", "hazen", "weibull", "median_unbiased")
Statistics = dict[str, "NDArray[np.float64]"]

ROWS = arrays.arrays(
    np.float32,
    st.tuples(st.integers(1, 60), st.just(2)),
    elements=st.floats(-1000, 1000, width=32) | st.sampled_from([0.0, 1.0]),
)
NUMBERS = Numbers([Feature(name="action", dtype="float32", shape=(2,))])


def plain(values: NDArray[Any], method: Any = "linear") -> Statistics:
    wide = values.astype(np.float64)
    found = {"min": wide.min(0), "max": wide.max(0), "mean": wide.mean(0), "std": wide.std(0)}
    return found | {kind: np.quantile(wide, share, axis=0, method=method) for kind, share in MARKS.items()}


def tallied(stated: Statistics, *blocks: NDArray[Any]) -> Tally:
    tally = Tally(NUMBERS.told({"action": stated}))
    for block in blocks:
        wide = block.astype(np.float64)
        tally.add(wide, Moments.of(wide))
    return tally


def codes(tally: Tally, **options: Any) -> dict[str, list[int]]:
    return {kind: verdict.codes.tolist() for kind, verdict in tally.verdicts(**options).items()}


@given(ROWS, st.sampled_from(METHODS), st.data())
def test_statistics_of_the_rows_are_fine_by_any_definition_and_in_any_blocks(
    rows: NDArray[np.float32], method: str, data: st.DataObject
) -> None:
    cut = data.draw(st.integers(1, len(rows)))
    found = codes(tallied(plain(rows, method), *(part for part in (rows[:cut], rows[cut:]) if len(part))))
    assert found == {kind: [FINE, FINE] for kind in (*MARKS, "min", "max", "mean", "std")}


@given(ROWS, st.sampled_from(["min", "max", "mean"]), st.floats(0.002, 1e3), st.sampled_from([-1, 1]))
def test_no_difference_of_more_than_roundings_is_fine(
    rows: NDArray[np.float32], kind: str, share: float, sign: int
) -> None:
    stated = plain(rows)
    span = np.ptp(rows.astype(np.float64), axis=0)
    size = np.abs(rows.astype(np.float64)).max(0)
    # Of what never changes a share of itself: float32 knows no range there.
    stated[kind] = stated[kind] + sign * np.where(span > 0, share * span + 1e-5 * size, 0.2 * size + 1)
    assert codes(tallied(stated, rows))[kind] == [WRONG, WRONG]


@given(ROWS, st.sampled_from(list(MARKS)), st.floats(-1100, 1100))
def test_a_quantile_is_judged_by_the_rows_below_it(rows: NDArray[np.float32], kind: str, stated: float) -> None:
    found = codes(tallied({kind: np.full(2, stated)}, rows))[kind]
    for code, values in zip(found, rows.T.astype(np.float64), strict=True):
        below, up_to = (values < stated).sum(), (values <= stated).sum()
        near = np.abs(values - stated).min() < 1e-3
        inside = values.min() <= stated <= values.max()
        wanted = MARKS[kind] * len(values)
        fine = inside and below <= wanted + 1 and up_to >= wanted - 1
        assert near or code == (FINE if fine else WRONG)


def test_a_deviation_of_a_sample_and_one_of_means_of_squares() -> None:
    rows = (8 + 0.02 * np.random.default_rng(0).standard_normal((500, 2))).astype(np.float32)
    sample = {"std": rows.astype(np.float64).std(0, ddof=1) * [1, 1.5]}
    assert codes(tallied(sample, rows)) == {"std": [SAMPLE, WRONG]}
    squares = (rows**2).mean(0, dtype=np.float32) - rows.mean(0, dtype=np.float32) ** 2
    assert codes(tallied({"std": np.sqrt(squares.astype(np.float64))}, rows)) == {"std": [ROUNDED, ROUNDED]}
    # As many bits are lost of a number that is far from 0, and none of one that is not.
    assert codes(tallied({"std": np.sqrt(squares.astype(np.float64))}, rows - 8)) == {"std": [WRONG, WRONG]}


@pytest.mark.parametrize("rows", [100, 3000, 50_000])
def test_sums_of_float32_of_what_never_changes_are_no_fault(rows: int) -> None:
    """A sum of equal numbers is rounded the same way each time, so that it is off by a share that grows with them."""
    values = np.full((rows, 2), [0.3, 2.07], np.float32)
    stated = {"mean": values.mean(0, dtype=np.float32).astype(np.float64)}
    assert np.abs(stated["mean"] / values.mean(0, dtype=np.float64) - 1).max() > 1e-6
    assert set(codes(tallied(stated, values))["mean"]) <= {FINE, ROUNDED}
    # Where it moves what is normalised, the same sum is none of the rows.
    values[0] += np.float32(0.01)
    stated["mean"] += 0.02 * values.std(0, dtype=np.float64)
    assert set(codes(tallied(stated, values))["mean"]) == {WRONG}


def test_quantiles_of_episodes() -> None:
    rows = np.linspace(0, 1, 100).reshape(-1, 1).repeat(2, 1)
    stated = {"q01": np.array([0.4, 0.4]), "q50": np.array([0.5, 0.6])}
    means = {"q01": np.array([0.4, np.nan]), "q50": np.array([0.6, 0.6])}
    found = codes(tallied(stated, rows), of_episodes=means)
    assert found == {"q01": [OF_EPISODES, WRONG], "q50": [FINE, OF_EPISODES]}


@given(st.dictionaries(st.sampled_from(KINDS), st.lists(st.floats(), min_size=0, max_size=3)), ROWS)
def test_whatever_is_stated_is_judged(stated: dict[str, list[float]], rows: NDArray[np.float32]) -> None:
    faults = StatsFaults(NUMBERS)
    faults.judge(tallied({kind: np.array(one, np.float64) for kind, one in stated.items()}, rows), "here", 3)
    told = {problem.code for problem in faults}
    unlike = any(len(one) != 2 and (kind, len(one)) != ("count", 1) for kind, one in stated.items())
    void = any(len(one) == 2 and not np.isfinite(one).all() for one in stated.values())
    void |= len(stated.get("count", [])) == 1 and not np.isfinite(stated["count"]).all()
    assert ("wrong-statistics" in told) == (unlike or void)
    assert all("; in 1 episode: 3" in problem.message for problem in faults)


def test_values_that_are_not_finite_are_none_of_what_is_compared() -> None:
    rows = np.array([[1.0, np.nan], [np.inf, np.nan], [3.0, np.nan]])
    tally = tallied({"mean": np.array([2.0, 0.0]), "q50": np.array([2.0, 0.0]), "max": np.array([3.0, np.nan])}, rows)
    assert codes(tally) == {"max": [FINE, FINE], "mean": [FINE, WRONG], "q50": [FINE, WRONG]}


@given(
    st.lists(st.integers(0, 9), max_size=12),
    st.lists(st.integers(0, 9), max_size=10, unique=True),
)
def test_episodes_get_what_is_stated_of_them_in_whatever_order(stated: list[int], asked: list[int]) -> None:
    said: list[Stated] = [{str(at): {}} for at in range(len(stated))]
    turns = Turns(iter(zip(stated, said, strict=True)), frozenset(asked))
    first: dict[int, Stated] = {}
    for number, one in zip(stated, said, strict=True):
        first.setdefault(number, one)
    assert [turns.of(number) for number in asked] == [first.get(number) for number in asked]
    assert turns.twice() == sorted({one for one in asked if stated.count(one) > 1})


def test_statements_in_the_order_of_their_turns_are_not_kept() -> None:
    kept = 0

    def coming() -> Iterator[tuple[int, Stated]]:
        for number in range(1000):
            nonlocal kept
            kept += 1
            yield number, {}

    turns = Turns(coming(), frozenset(range(1000)))
    for number in range(1000):
        assert turns.of(number) is not None
        assert kept == number + 1


def test_numbers_of_several_features_in_one_vector() -> None:
    shapes = {"pose": (2, 2), "grip": (), "arm": (3,)}
    numbers = Numbers([Feature(name=name, dtype="float32", shape=shape) for name, shape in shapes.items()])
    names = ["pose[0, 0]", "pose[0, 1]", "pose[1, 0]", "pose[1, 1]", "grip", "arm[0]", "arm[1]", "arm[2]"]
    assert [numbers.name(at) for at in range(numbers.count)] == names
    assert numbers.names(numbers.of({"pose", "arm"})) == "pose, arm"
    chosen = np.arange(8) % 3 == 0
    assert numbers.names(chosen) == "pose[0, 3], arm[1]"
    assert numbers.features_of(chosen) == ["pose", "arm"]
    columns = {name: np.random.default_rng(0).random((700_000, *shape)) for name, shape in shapes.items()}
    blocks = list(numbers.blocks(columns))
    assert [len(block) for block in blocks] == [262_144, 262_144, 175_712]
    whole = np.concatenate([column.reshape(700_000, -1) for column in columns.values()], axis=1)
    assert np.array_equal(np.concatenate(blocks), whole)


def test_no_feature_is_no_number() -> None:
    numbers = Numbers([])
    assert list(numbers.blocks({})) == []
    assert numbers.told({"action": {"mean": np.zeros(2)}}).unlike == ()
    assert Tally(numbers.told({})).verdicts() == {}
