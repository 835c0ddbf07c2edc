"""Open-loop errors of action chunks, and what predicts actions without having seen anything.

Conventions
-----------
An action chunk of horizon H that is predicted at row r of an episode of R rows says the actions of rows r, r + 1, ...,
r + H - 1; rows from R on have no truth.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from lapsdata.schema.actions import ActionErrors, KeyErrors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["POSITIONS", "ErrorSums", "KnownActions", "at_steps", "held"]

POSITIONS = 101
"""Relative positions of the mean trajectory."""


def at_steps(actions: Floats, rows: NDArray[np.int64], horizon: int) -> tuple[Floats, NDArray[np.bool_]]:
    """Return the true chunk of each row, and which of its steps there are.

    Parameters
    ----------
    actions : float64 (R, D)
        Of one episode.
    rows : int64 (n,)
        Rows of it.
    horizon : int

    Returns
    -------
    float64 (n, H, D)
        Where there is no truth, the last action stands in its place.
    bool (n, H)

    Examples
    --------
    >>> chunk, there = at_steps(np.array([[1.0], [2.0], [3.0]]), np.array([1]), horizon=3)
    >>> chunk[0, :, 0].tolist(), there.tolist()
    ([2.0, 3.0, 3.0], [[True, True, False]])
    """
    at = rows[:, None] + np.arange(horizon)
    return actions[np.minimum(at, len(actions) - 1)], at < len(actions)


def held(actions: Floats, rows: NDArray[np.int64], horizon: int, else_action: Floats | None) -> Floats | None:
    """Return the action of the row before for all steps, float64 (n, H, D); at row 0 another one, None without it.

    Examples
    --------
    >>> held(np.array([[1.0], [2.0]]), np.array([0, 1]), 2, np.array([9.0]))[:, :, 0].tolist()
    [[9.0, 9.0], [1.0, 1.0]]
    """
    if else_action is None and (rows == 0).any():
        return None
    before = actions[np.maximum(rows - 1, 0)].copy()
    if else_action is not None:
        before[rows == 0] = else_action
    return np.repeat(before[:, None], horizon, axis=1)


@dataclass
class KnownActions:
    """What is known of actions without the episode that is predicted: their mean, and their mean trajectory.

    Parameters
    ----------
    dimensions : int

    Examples
    --------
    >>> known = KnownActions(1)
    >>> for number, values in enumerate(([0.0, 2.0], [2.0, 4.0, 6.0])):
    ...     known.add(number, np.array(values)[:, None])
    >>> known.mean_action(without=0), known.mean_trajectory(np.array([0.0, 0.5]), without=1)[:, 0]
    (array([4.]), array([0., 1.]))
    """

    dimensions: int
    _rows: int = 0
    _sum: Floats = field(init=False)
    _curves: Floats = field(init=False)
    _own: dict[int, tuple[int, Floats, Floats]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._sum = np.zeros(self.dimensions)
        self._curves = np.zeros((POSITIONS, self.dimensions))

    def add(self, number: int, actions: Floats) -> None:
        """Add an episode, float64 (R, D)."""
        curve = _curve(actions)
        self._own[number] = len(actions), actions.sum(axis=0), curve
        self._rows += len(actions)
        self._sum += actions.sum(axis=0)
        self._curves += curve

    def mean_action(self, without: int) -> Floats | None:
        """Return the mean over all rows of the other episodes, (D,); None where there is no other."""
        rows, total, _ = self._own.get(without, (0, 0.0, 0.0))
        return None if self._rows == rows else (self._sum - total) / (self._rows - rows)

    def mean_trajectory(self, positions: Floats, without: int) -> Floats | None:
        """Return the mean over the other episodes at relative positions 0 to 1: (..., D); None as `mean_action`."""
        own = self._own.get(without)
        count = len(self._own) - (own is not None)
        if not count:
            return None
        curve = (self._curves - (0.0 if own is None else own[2])) / count
        grid = np.linspace(0, 1, POSITIONS)
        return np.stack([np.interp(positions, grid, column) for column in curve.T], axis=-1)


def _curve(actions: Floats) -> Floats:
    """Return the actions at relative positions, interpolated between rows: (POSITIONS, D)."""
    at, rows = np.linspace(0, 1, POSITIONS), np.linspace(0, 1, len(actions))
    return np.stack([np.interp(at, rows, column) for column in actions.T], axis=1)


@dataclass
class ErrorSums:
    """Sums of errors by step and number, from which every mean is made.

    Parameters
    ----------
    horizon, dimensions : int

    Examples
    --------
    >>> sums = ErrorSums(horizon=2, dimensions=1)
    >>> sums.add(np.array([[[1.0], [5.0]]]), np.array([[[2.0], [2.0]]]), np.array([[True, True]]))
    >>> found = sums.of_key(slice(0, 1))
    >>> found.mae, found.mse, [step.mae for step in found.steps]
    (2.0, 5.0, [1.0, 3.0])
    """

    horizon: int
    dimensions: int

    def __post_init__(self) -> None:
        self.counts: NDArray[np.int64] = np.zeros(self.horizon, np.int64)
        self._absolute = np.zeros((self.horizon, self.dimensions))
        self._squared = np.zeros((self.horizon, self.dimensions))

    def add(self, predicted: Floats, truth: Floats, there: NDArray[np.bool_]) -> None:
        """Add chunks (n, H, D), of which those steps count that are there, (n, H)."""
        error = np.where(there[:, :, None], predicted - truth, 0.0)
        self.counts += there.sum(axis=0)
        self._absolute += np.abs(error).sum(axis=0)
        self._squared += (error**2).sum(axis=0)

    def of_key(self, part: slice) -> KeyErrors:
        """Return the errors of some of the numbers; a step that no row has counts 0."""
        absolute, squared = self._absolute[:, part], self._squared[:, part]
        wide, rows = absolute.shape[1], int(self.counts.sum())
        by_step = np.maximum(self.counts, 1) * wide
        return KeyErrors(
            mae=float(absolute.sum() / (rows * wide)),
            mse=float(squared.sum() / (rows * wide)),
            numbers=_errors(absolute.sum(axis=0) / rows, squared.sum(axis=0) / rows),
            steps=_errors(absolute.sum(axis=1) / by_step, squared.sum(axis=1) / by_step),
        )


def _errors(mae: Sequence[float] | Floats, mse: Sequence[float] | Floats) -> tuple[ActionErrors, ...]:
    return tuple(ActionErrors(mae=float(one), mse=float(two)) for one, two in zip(mae, mse, strict=True))
