"""Loops of the tracking scores beside SciPy and NumPy: equally good assignments are the same ones, sums to the bit."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import linear_sum_assignment

from lapsdata.metrics.tracking import _frame_loops as loops
from lapsdata.metrics.tracking._identity_loop import most_paired
from lapsdata.metrics.tracking._overlaps import Frames, Overlaps, Side
from tests.metrics.tracks_by_trackeval import overlaps, random_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHAPES = st.tuples(st.integers(1, 9), st.integers(1, 9))


def pairs(columns: NDArray[np.int64]) -> list[tuple[int, int]]:
    return [(row, column) for row, column in enumerate(columns.tolist()) if column >= 0]


def by_scipy(cost: NDArray[np.float64]) -> list[tuple[int, int]]:
    return list(zip(*(each.tolist() for each in linear_sum_assignment(cost)), strict=True))


@given(SHAPES.flatmap(lambda shape: arrays(np.float64, shape, elements=st.integers(-2, 2))))
def test_of_equally_good_assignments_it_is_the_one_of_scipy(cost: NDArray[np.float64]) -> None:
    assert pairs(loops.assign(cost)) == by_scipy(cost)


@given(SHAPES.flatmap(lambda shape: arrays(np.float64, shape, elements=st.floats(-1e3, 1e3))))
def test_assignments_of_any_costs_are_those_of_scipy(cost: NDArray[np.float64]) -> None:
    assert pairs(loops.assign(cost)) == by_scipy(cost)


@pytest.mark.parametrize("shape", [(40, 70), (70, 40), (60, 60)])
@pytest.mark.parametrize("values", [2, 5, 1000])
def test_large_assignments_with_ties_are_those_of_scipy(shape: tuple[int, int], values: int) -> None:
    random = np.random.default_rng(values)
    for _ in range(5):
        # Most boxes do not overlap: zeros stand nearly everywhere.
        cost = -random.integers(0, values, shape) * (random.random(shape) < 0.2) / 7.0
        assert pairs(loops.assign(cost)) == by_scipy(cost)


def test_the_plain_function_says_what_the_compiled_one_says(monkeypatch: pytest.MonkeyPatch) -> None:
    cost = np.random.default_rng(0).integers(-3, 3, (7, 5)).astype(float)
    compiled = loops.assign(cost).tolist()
    plain: Any = loops.augment
    monkeypatch.setattr(loops, "augment", plain.py_func)
    assert vars(loops)["assign"].py_func(cost).tolist() == compiled


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 17, 127, 128, 129, 300, 1031])
def test_sums_are_those_of_numpy_to_the_last_bit(count: int) -> None:
    for seed in range(20):
        values = np.random.default_rng(seed).random(count) / 3
        assert loops.in_order(values) == values.sum()


def side_of(rows: list[tuple[Any, ...]], frames: int) -> Side:
    every = np.array(rows, float).reshape(-1, 6)
    return Side.of(every[:, 2:], every[:, 1].astype(int), every[:, 0].astype(int), frames)


def frames_of(seed: int, frames: int = 6) -> Frames:
    return Frames(*(side_of(random_rows(seed + side, frames, 9), frames) for side in (0, 1)))


@pytest.mark.parametrize("seed", range(0, 20, 2))
def test_overlaps_are_those_of_trackeval_to_the_last_bit(seed: int) -> None:
    frames = frames_of(seed)
    row_start, column, iou = Overlaps.of(frames).sparse
    full = np.zeros((len(frames.truth), len(frames.predicted)))
    for row, (first, last) in enumerate(itertools.pairwise(row_start.tolist())):
        full[row, column[first:last]] = iou[first:last]
    wanted = np.zeros_like(full)
    for frame in range(6):
        rows, columns = (slice(*side.start[frame : frame + 2].tolist()) for side in frames)
        wanted[rows, columns] = overlaps(frames.truth.box[rows], frames.predicted.box[columns])
    assert np.array_equal(full, wanted)


@pytest.mark.parametrize(
    ("box", "other"),
    [
        ((0, 0, 0, 0), (0, 0, 0, 0)),
        ((5, 5, 0, 10), (0, 0, 20, 20)),
        ((0, 0, 1e-9, 1e-9), (0, 0, 1e-9, 1e-9)),
        ((0, 0, 10, 10), (10, 0, 10, 10)),
    ],
)
def test_an_empty_box_overlaps_nothing_and_a_neighbour_neither(
    box: tuple[float, ...], other: tuple[float, ...]
) -> None:
    sides = Frames(*(side_of([(0, 0, *each)], 1) for each in (box, other)))
    assert not len(Overlaps.of(sides).iou)
    assert overlaps(np.array([box], float), np.array([other], float)).tolist() == [[0.0]]


@pytest.mark.parametrize("seed", range(0, 10, 2))
def test_pairs_are_the_identities_that_overlap_in_some_frame(seed: int) -> None:
    frames = frames_of(seed)
    found = Overlaps.of(frames)
    row = np.repeat(np.arange(len(frames.truth)), np.diff(found.sparse[0]))
    wanted = list(zip(frames.truth.id[row].tolist(), frames.predicted.id[found.sparse[1]].tolist(), strict=True))
    told = list(zip(found.pairs.true.tolist(), found.pairs.found.tolist(), strict=True))
    assert len(set(told)) == len(told)
    assert [told[pair] for pair in found.pairs.of_overlap.tolist()] == wanted
    assert set(told) == set(wanted)
    assert np.array_equal(
        np.repeat(np.arange(len(found.pairs.start) - 1), np.diff(found.pairs.start)), found.pairs.true
    )


def most_by_scipy(weight: NDArray[np.int64]) -> int:
    """Solve it with a partner for each identity that is worth nothing, as a dense matrix."""
    rows, columns = weight.shape
    full = np.zeros((rows, columns + rows))
    full[:, :columns] = weight
    return int(full[linear_sum_assignment(full, maximize=True)].sum())


@given(SHAPES.flatmap(lambda shape: arrays(np.int64, shape, elements=st.integers(0, 6))))
def test_the_pairing_of_identities_has_as_much_weight_as_can_be(weight: NDArray[np.int64]) -> None:
    there = weight > 0
    start = np.concatenate([[0], np.cumsum(there.sum(axis=1))])
    columns = np.broadcast_to(np.arange(weight.shape[1]), weight.shape)[there]
    assert most_paired(start, columns, weight[there], weight.shape[1]) == most_by_scipy(weight)


@pytest.mark.parametrize("dense", [0.01, 0.05, 0.5])
def test_the_pairing_of_many_identities_has_as_much_weight_as_can_be(dense: float) -> None:
    random = np.random.default_rng(0)
    weight = random.integers(1, 50, (120, 90)) * (random.random((120, 90)) < dense)
    there = weight > 0
    start = np.concatenate([[0], np.cumsum(there.sum(axis=1))])
    columns = np.broadcast_to(np.arange(90), weight.shape)[there]
    assert most_paired(start, columns, weight[there], 90) == most_by_scipy(weight)
    plain: Any = most_paired
    assert plain.py_func(start, columns, weight[there], 90) == most_by_scipy(weight)
