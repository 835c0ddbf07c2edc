"""Kernel change points: what ruptures says when it is called plainly, run by run, and shared out over runs."""

from __future__ import annotations

import sys
from dataclasses import replace
from itertools import combinations, pairwise, product
from typing import Any

import numpy as np
import pytest
import ruptures
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.errors import MissingExtraError, SchemaError
from lapsdata.segmenters import EnergySeries
from lapsdata.segmenters.kernel_cpd import KernelCpd, least_sum
from lapsdata.testing.segmenter_contract import example_series


def stepped(seed: int = 0) -> EnergySeries:
    """Return 300 values of 0.1 s whose mean changes at the values 100 and 203."""
    random = np.random.default_rng(seed)
    energy = np.repeat([1.0, 4.0, 2.0], [100, 103, 97]) + random.normal(0, 0.3, 300)
    start = np.arange(300) / 10
    return EnergySeries.measured(start, start + 0.1, energy, video="stepped")


def cuts(segmenter: KernelCpd, series: EnergySeries) -> list[float]:
    return [one.end_s for one in segmenter.segment(series).segments][:-1]


def plainly(series: EnergySeries, kernel: str, width: int = 1, min_size: int = 2, **asked: Any) -> list[float]:
    values = np.pad(series.energy, width // 2, mode="edge")
    signal = np.array([values[at : at + width] for at in range(len(series))])
    found = ruptures.KernelCPD(kernel, min_size=min_size).fit(signal).predict(**asked)
    return series.start_s[found[:-1]].tolist()


def test_changes_are_found_to_the_value() -> None:
    """Every other search of ruptures steps by five values unless told otherwise, and says 205."""
    assert cuts(KernelCpd(count=3), stepped()) == pytest.approx([10.0, 20.3])
    searched = ruptures.Pelt(model="l2").fit(stepped().energy).predict(pen=3.0)
    assert 205 in searched


CALLS: dict[str, dict[str, Any]] = {
    "linear": {"kernel": "linear"},
    "rbf": {"kernel": "rbf"},
    "rbf of vectors": {"kernel": "rbf", "width": 5},
    "cosine": {"kernel": "cosine", "width": 7},
    "longer pieces": {"kernel": "linear", "min_size": 20},
}


@pytest.mark.parametrize("case", CALLS)
@pytest.mark.parametrize("seed", range(3))
def test_it_is_ruptures_called_plainly(case: str, seed: int) -> None:
    told, series = CALLS[case], stepped(seed)
    for count in (2, 3, 7):
        expected = plainly(series, n_bkps=count - 1, **told)
        assert cuts(KernelCpd(count=count, **told), series) == pytest.approx(expected)
    for pen in (0.01, 0.5, 5.0):
        assert cuts(KernelCpd(pen=pen, **told), series) == pytest.approx(plainly(series, pen=pen, **told))


def test_gamma_is_that_of_ruptures_unless_it_is_given() -> None:
    series = stepped()
    told = {"kernel": "rbf", "pen": 1.0}
    model = ruptures.KernelCPD("rbf", params={"gamma": 50.0}).fit(series.energy)
    assert cuts(KernelCpd(gamma=50.0, **told), series) == pytest.approx(
        series.start_s[model.predict(pen=1.0)[:-1]].tolist()
    )
    assert cuts(KernelCpd(gamma=50.0, **told), series) != cuts(KernelCpd(**told), series)


@given(st.integers(1, 60), st.integers(1, 12), st.integers(1, 4), st.sampled_from(("linear", "rbf")))
def test_as_many_pieces_as_asked_where_there_is_room(rows: int, count: int, min_size: int, kernel: Any) -> None:
    energy = np.random.default_rng(rows).random(rows)
    series = EnergySeries.measured(np.arange(rows), np.arange(rows) + 1, energy)
    found = KernelCpd(kernel=kernel, count=count, min_size=min_size).segment(series)
    possible = max(1, min(count, rows // min_size))
    assert len(found.segments) == possible
    assert found.policies == ({} if possible == count else {"fewer-than-asked": count - possible})
    assert all(one.end_s - one.start_s >= min(min_size, rows) for one in found.segments)
    assert [one.end_s for one in found.segments[:-1]] == [one.start_s for one in found.segments[1:]]
    assert (found.segments[0].start_s, found.segments[-1].end_s) == (0.0, rows)


def test_a_hole_is_in_no_piece_and_each_side_is_cut_by_itself() -> None:
    series = stepped()
    kept = np.r_[0:150, 160:300]
    holed = EnergySeries.measured(series.start_s[kept], series.end_s[kept], series.energy[kept])
    for asked in ({"pen": 5.0}, {"count": 4}):
        found = KernelCpd(**asked).segment(holed)
        assert [(round(one.start_s, 3), round(one.end_s, 3)) for one in found.segments] == [
            (0.0, 10.0), (10.0, 15.0), (16.0, 20.3), (20.3, 30.0),
        ]  # fmt: skip
        assert found.policies == {"gap-break": 1}
        assert [one.end_reason for one in found.segments] == ["threshold", "end_of_stream"] * 2


def test_more_runs_than_pieces_are_told() -> None:
    states = np.zeros(9, np.uint8)
    states[[2, 5]] = 2
    energy = np.where(states == 0, np.arange(9.0), np.nan)
    start = np.arange(9.0)
    series = EnergySeries(start_s=start, end_s=start + 1, energy=energy, state=states)
    found = KernelCpd(count=2).segment(series)
    assert len(found.segments) == 3
    assert found.policies == {"missing-break": 2, "more-than-asked": 1}


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
def test_cuts_are_shared_out_for_the_least_cost(kernel: Any) -> None:
    """Against every way to put two cuts into two runs of seven values."""
    random = np.random.default_rng(3)
    for _ in range(10):
        energy = random.integers(0, 5, 14).astype(float)
        start = np.arange(14.0) + np.repeat([0.0, 3.0], 7)
        series = EnergySeries.measured(start, start + 1, energy)
        found = KernelCpd(kernel=kernel, count=4, min_size=1, gamma=0.5 if kernel == "rbf" else None).segment(series)
        places = [one.start_s for one in found.segments]
        got = plain_cost(energy, [int(at if at < 7 else at - 3) for at in places], kernel)
        ways = [sorted({0, 7, *chosen}) for chosen in combinations([*range(1, 7), *range(8, 14)], 2)]
        assert got == pytest.approx(min(plain_cost(energy, way, kernel) for way in ways))


def plain_cost(energy: np.ndarray, starts: list[int], kernel: str) -> float:
    total = 0.0
    for first, last in pairwise([*starts, len(energy)]):
        piece = energy[first:last]
        if kernel == "linear":
            total += float(((piece - piece.mean()) ** 2).sum())
        else:
            distance = 0.5 * (piece[:, None] - piece) ** 2
            # ruptures holds exponents within these bounds.
            gram = np.exp(-np.clip(distance, 1e-2, 1e2))
            np.fill_diagonal(gram, 1.0)
            total += float(np.trace(gram) - gram.sum() / len(piece))
    return total


@given(st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=4), min_size=1, max_size=4), st.data())
def test_the_least_sum_is_the_least(costs: list[list[int]], data: st.DataObject) -> None:
    number = data.draw(st.integers(0, sum(len(own) - 1 for own in costs)))
    found = least_sum([[float(cost) for cost in own] for own in costs], number)
    assert sum(found) == number
    every = [way for way in product(*(range(len(own)) for own in costs)) if sum(way) == number]
    least = min(sum(own[some] for own, some in zip(costs, way, strict=True)) for way in every)
    assert sum(own[some] for own, some in zip(costs, found, strict=True)) == least


def test_gated_values_are_quiet_and_nothing_measured_is_one_piece() -> None:
    series = stepped()
    state = np.zeros(300, np.uint8)
    state[100:203] = 1
    gated = replace(series, energy=np.where(state == 0, series.energy, np.nan), state=state)
    found = KernelCpd(count=3).segment(gated)
    assert [one.end_s for one in found.segments] == pytest.approx([10.0, 20.3, 30.0], abs=0.3)
    assert found.policies == {"gated-quiet": 103}
    none = KernelCpd(count=3).segment(example_series()["gated"])
    assert len(none.segments) == 1
    assert none.policies == {"fewer-than-asked": 2, "gated-quiet": 200}


def test_zeros_have_no_direction() -> None:
    series = replace(stepped(), energy=np.where(np.arange(300) < 100, 0.0, stepped().energy))
    with pytest.raises(SchemaError, match=r"'stepped': expected no 3 energies of 0\.0 side by side.*no-direction"):
        KernelCpd(kernel="cosine", width=3, count=2).segment(series)
    assert len(KernelCpd(kernel="rbf", width=3, count=2).segment(series).segments) == 2


def test_without_ruptures_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ruptures", None)
    with pytest.raises(MissingExtraError, match=r"kernel_cpd: expected the package ruptures.*lapsdata\[ruptures\]"):
        KernelCpd(pen=1.0).segment(stepped())


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "neither": ({}, "expected exactly one of 'pen' and 'count'"),
    "both": ({"pen": 1.0, "count": 2}, "expected exactly one of 'pen' and 'count'"),
    "a cosine of single values": ({"kernel": "cosine", "pen": 1.0}, "one value has no shape"),
    "an even width": ({"width": 4, "pen": 1.0}, "expected an odd width, got 4"),
    "a gamma without rbf": ({"gamma": 1.0, "pen": 1.0}, "gamma with the kernel 'rbf' alone, got 'linear'"),
    "no penalty": ({"pen": 0.0}, "pen: .*greater than 0"),
    "another kernel": ({"kernel": "poly", "pen": 1.0}, "kernel: expected 'linear', 'rbf' or 'cosine'"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_parameters_are_refused(case: str) -> None:
    told, match = WRONG[case]
    with pytest.raises(SchemaError, match=match):
        KernelCpd(**told)
