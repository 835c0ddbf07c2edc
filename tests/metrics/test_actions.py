"""Errors of action chunks beside a plain reference, and what predicts without having seen anything."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.metrics.actions import POSITIONS, ErrorSums, KnownActions, at_steps, held


@given(
    seed=st.integers(0, 2**32 - 1),
    rows=st.integers(1, 12),
    horizon=st.integers(1, 5),
    wide=st.integers(1, 4),
    parts=st.integers(1, 3),
)
def test_errors_are_those_of_a_plain_loop(seed: int, rows: int, horizon: int, wide: int, parts: int) -> None:
    rng = np.random.default_rng(seed)
    sums = ErrorSums(horizon, wide)
    errors: list[tuple[int, int, float]] = []
    for _ in range(parts):
        actions = rng.normal(size=(rows, wide))
        at = rng.permutation(rows)[: rng.integers(1, rows + 1)]
        predicted = rng.normal(size=(len(at), horizon, wide))
        truth, there = at_steps(actions, at, horizon)
        sums.add(predicted, truth, there)
        for chunk, row in zip(predicted, at, strict=True):
            for step in range(min(horizon, rows - row)):
                errors += [(step, number, chunk[step, number] - actions[row + step, number]) for number in range(wide)]
    part = slice(wide // 2, wide)
    kept = [(step, number, error) for step, number, error in errors if number >= part.start]
    found = sums.of_key(part)
    assert found.mae == pytest.approx(np.mean([abs(error) for *_, error in kept]))
    assert found.mse == pytest.approx(np.mean([error**2 for *_, error in kept]))
    for step, told in enumerate(found.steps):
        of = [error for one, _, error in kept if one == step]
        assert told.mae == pytest.approx(np.mean(np.abs(of)) if of else 0.0)
        assert told.mse == pytest.approx(np.mean(np.square(of)) if of else 0.0)
        assert sums.counts[step] * (wide - part.start) == len(of)
    for number, told in enumerate(found.numbers, part.start):
        of = [error for _, one, error in kept if one == number]
        assert told.mae == pytest.approx(np.mean(np.abs(of)))
        assert told.mse == pytest.approx(np.mean(np.square(of)))


def test_steps_after_the_end_have_no_truth() -> None:
    _, there = at_steps(np.zeros((5, 1)), np.array([0, 3, 4]), horizon=3)
    assert there.tolist() == [[True] * 3, [True, True, False], [True, False, False]]


def test_the_action_before_is_held() -> None:
    actions = np.array([[1.0], [2.0], [3.0]])
    found = held(actions, np.array([2, 0, 1]), 2, np.array([7.0]))
    assert found is not None
    assert found[:, :, 0].tolist() == [[2, 2], [7, 7], [1, 1]]
    assert actions.tolist() == [[1.0], [2.0], [3.0]]
    assert held(actions, np.array([0, 1]), 2, None) is None
    later = held(actions, np.array([1, 2]), 1, None)
    assert later is not None
    assert later[:, 0, 0].tolist() == [1, 2]


def known(*episodes: list[float]) -> KnownActions:
    found = KnownActions(1)
    for number, values in enumerate(episodes):
        found.add(number, np.array(values)[:, None])
    return found


@given(seed=st.integers(0, 2**32 - 1), count=st.integers(2, 5))
def test_means_are_of_the_other_episodes_alone(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    episodes = [rng.normal(size=(int(rng.integers(1, 9)), 2)) for _ in range(count)]
    every = KnownActions(2)
    for number, actions in enumerate(episodes):
        every.add(number, actions)
    for number in range(count):
        others = [one for at, one in enumerate(episodes) if at != number]
        assert every.mean_action(without=number) == pytest.approx(np.concatenate(others).mean(axis=0))
        alone = KnownActions(2)
        for at, one in enumerate(others):
            alone.add(at, one)
        positions = rng.random((3, 4))
        mean, plain = every.mean_trajectory(positions, number), alone.mean_trajectory(positions, without=99)
        assert mean == pytest.approx(plain)


def test_the_mean_trajectory_goes_by_relative_position() -> None:
    found = known([0.0, 10.0], [0.0, 2.0, 4.0, 6.0, 8.0, 10.0], [99.0]).mean_trajectory(np.array([0, 0.25, 1]), 2)
    assert found is not None
    assert found[:, 0] == pytest.approx([0, 2.5, 10])
    assert POSITIONS == 101


def test_an_episode_that_is_alone_knows_of_no_mean() -> None:
    alone = known([1.0, 2.0])
    assert alone.mean_action(without=0) is None
    assert alone.mean_trajectory(np.array([0.5]), without=0) is None
    stranger = alone.mean_action(without=5)
    assert stranger is not None
    assert stranger.tolist() == [1.5]
