"""Two predictions of one truth: the difference of their scores, and how sure it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lapsdata.errors import SchemaError
from lapsdata.metrics import evaluate_boundaries
from lapsdata.metrics.difference_rows import paired_table
from lapsdata.metrics.paired import paired_differences

if TYPE_CHECKING:
    from lapsdata.schema import BoundaryResult

TRUTH = {f"v{i}": np.array([2.0, 4.0, 7.0 + 0.1 * i]) for i in range(12)}
SPANS = dict.fromkeys(TRUTH, (0.0, 10.0))


def scored(found: dict[str, Any], **rules: Any) -> BoundaryResult:
    told: dict[str, Any] = {"tolerances_s": (0.25, 1.0), "draws": 2, "shift_draws": 2, "resamples": 5, **rules}
    return evaluate_boundaries(TRUTH, found, spans_s=SPANS, **told)


def late(by_s: float, of: int = 12) -> dict[str, Any]:
    return {name: times + (by_s if i < of else 0.0) for i, (name, times) in enumerate(TRUTH.items())}


@pytest.mark.parametrize("average", ["macro", "micro"])
def test_what_is_better_everywhere_is_better_in_every_draw(average: Any) -> None:
    near, far = paired_differences(scored(TRUTH), scored(late(0.5)), average=average, draws=500)
    assert (near.difference, near.interval, near.p) == (1.0, (1.0, 1.0), 2 / 501)
    assert (near.higher, near.equal, near.lower) == (12, 0, 0)
    assert (far.difference, far.interval, far.p) == (0.0, (0.0, 0.0), 1.0)
    assert (far.higher, far.equal, far.lower) == (0, 12, 0)


@settings(max_examples=25, deadline=None)
@given(better=st.integers(0, 12), seed=st.integers(0, 5))
def test_it_is_the_bootstrap_of_numpy(better: int, seed: int) -> None:
    """The oracle draws videos with NumPy's own generator: the intervals agree within what so many draws tell."""
    (found,) = paired_differences(
        scored(TRUTH, tolerances_s=(0.25,)), scored(late(0.5, better), tolerances_s=(0.25,)), draws=4000, seed=seed
    )
    each = np.array([1.0] * better + [0.0] * (12 - better))
    assert found.difference == pytest.approx(each.mean())
    drawn = np.random.default_rng(seed).choice(each, (4000, 12)).mean(axis=1)
    assert found.interval == pytest.approx(np.quantile(drawn, (0.025, 0.975)), abs=1 / 12 + 1e-9)
    side = min((drawn <= 0).mean(), (drawn >= 0).mean())
    assert found.p == pytest.approx(min(1.0, 2 * side), abs=0.05)


def test_the_other_way_round_is_the_other_sign() -> None:
    ours, theirs = scored(late(0.5, 5)), scored(late(-0.5, 9))
    there, back = paired_differences(ours, theirs), paired_differences(theirs, ours)
    for one, other in zip(there, back, strict=True):
        assert one.difference == -other.difference
        assert one.interval == pytest.approx((-other.interval[1], -other.interval[0])) if other.interval else False
        assert one.p == other.p
        assert (one.higher, one.lower) == (other.lower, other.higher)


def test_a_single_video_says_nothing_of_others() -> None:
    name = next(iter(TRUTH))
    alone = {name: TRUTH[name]}
    made = [evaluate_boundaries(alone, {name: TRUTH[name] + by}, spans_s=SPANS, tolerances_s=(0.25,)) for by in (0, 1)]
    (found,) = paired_differences(*made)
    assert (found.difference, found.interval, found.p) == (1.0, None, None)
    assert "95 %" not in paired_table({"a": made[0], "b": made[1]}, {"b": (found,)})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"matching": "greedy"}, "rules: matching: expected 'maximum' as in one, got 'greedy'"),
        ({"counting": "each_end"}, "rules: counting: expected 'once' as in one, got 'each_end'"),
        ({"tolerances_s": (0.5,)}, "rules: tolerances_s"),
    ],
)
def test_unlike_rules_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        paired_differences(scored(TRUTH), scored(TRUTH, **changes))


def test_the_table_has_the_first_against_each_other_one() -> None:
    results = {"ours": scored(TRUTH), "late": scored(late(0.5, 6)), "worse": scored(late(0.5))}
    found = {name: paired_differences(results["ours"], results[name], draws=99) for name in ("late", "worse")}
    lines = paired_table(results, found).splitlines()
    assert [line.split()[:2] for line in lines if "less" in line] == [["ours", "less"]] * 2
    assert next(line for line in lines if line.startswith("ours less late")).split()[3:] == ["+0.500", "+0.000"]
    assert next(line for line in lines if line.startswith("best chance"))
    assert max(map(len, lines)) <= 80
