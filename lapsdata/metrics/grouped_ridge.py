"""Ridge regression judged by groups that are held out as a whole.

Definitions
-----------
- Columns are centred and divided by their standard deviation, both of the rows that are learned from. A column that
  hardly varies there says nothing there, and divided by next to 0 it would drown all others where it does vary: it is
  left out.
- Weights `w` minimise `|y - X w|² / n + strength |w|²` over the `n` rows that are learned from (Hoerl & Kennard 1970,
  with the penalty per row, so that it means the same whatever `n`). scikit-learn's `alpha` is `strength * n`.
- The strength is chosen by folds of the groups that are learned from alone.
- R² is `1 - sum (y - predicted)² / sum (y - mean of the rows learned from)²` over all held-out rows (the out-of-sample
  R² of Campbell & Thompson 2008): knowing only that mean is 0, and there is nothing to gain by telling groups apart.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lapsdata.errors import LengthMismatchError, Problem, SchemaError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Whole = NDArray[np.int64]

__all__ = ["LEAST_SPREAD", "STRENGTHS", "HeldOut", "deal_groups", "grouped_ridge", "held_out_r2"]

STRENGTHS = tuple(10.0**power for power in range(-4, 5))
"""From next to no penalty to one that leaves next to nothing of standardised columns."""

LEAST_SPREAD = 0.1
"""Least standard deviation of a column, as a share of the root mean square of those of its unit.

Cells of a picture in which hardly anything moves have spreads that fall smoothly to nothing: those of the 128 columns
of GR00T's flow go from 20 to 0.01 pixel per second. R² of them (`benchmarks/bench_robot_state.py`) is -4.3 with a share
of 0.001 and 0.09 with 0.03, stays between 0.14 and 0.15 from 0.1 to 0.3, and falls again with 0.5."""

# Rounding gives columns of equal numbers a spread of this share of their size, and more.
_ROUNDING = 1e-9


class HeldOut(NamedTuple):
    """What was predicted of rows by what had not seen their group.

    Parameters
    ----------
    predicted : float64 (S, R, Q)
        Of each of S targets.
    mean : float64 (S, R, Q)
        Mean of the target over the rows that were learned from: what knows nothing else predicts.
    strength : float64 (F, S)
        What each fold chose for each target.
    left_out : int64 (F,)
        Columns that each fold left out.
    missing : int
        Feature values that were NaN, and stood at the mean.

    Examples
    --------
    See `grouped_ridge`.
    """

    predicted: Floats
    mean: Floats
    strength: Floats
    left_out: Whole
    missing: int


def deal_groups(rows: Sequence[int], folds: int) -> Whole:
    """Deal groups into folds of about as many rows: the largest first, each to the fold that has fewest.

    Parameters
    ----------
    rows : sequence of int
        Rows of each group.
    folds : int
        At most as many as there are groups.

    Returns
    -------
    int64 (G,)
        The fold of each group; scikit-learn's `GroupKFold` deals as well.

    Raises
    ------
    SchemaError
        More folds than groups, or fewer than two.

    Examples
    --------
    >>> deal_groups([3, 9, 5], 2)
    array([1, 0, 1])
    """
    if not 2 <= folds <= len(rows):
        message = f"expected 2 to {len(rows)} folds of {len(rows)} groups, got {folds}"
        raise SchemaError(Problem("wrong-folds", "folds", message, "groups are never divided: name more of them"))
    found, load = np.zeros(len(rows), np.int64), np.zeros(folds, np.int64)
    for at in np.argsort(-np.asarray(rows), kind="stable"):
        found[at] = int(np.argmin(load))
        load[found[at]] += rows[at]
    return found


def grouped_ridge(
    features: Floats,
    targets: Floats,
    group: Whole,
    *,
    unit: Whole | None = None,
    strengths: Sequence[float] = STRENGTHS,
    folds: int = 10,
    inner_folds: int = 5,
    least_spread: float = LEAST_SPREAD,
) -> HeldOut:
    """Predict each row by what was learned from the groups of other folds.

    Parameters
    ----------
    features : float64 (R, D)
        NaN where a row lacks a value; never infinite.
    targets : float64 (S, R, Q)
        S targets of Q quantities; finite. Each has strengths of its own.
    group : int64 (R,)
        Group of each row, from 0.
    unit : int64 (D,), optional
        Columns of one number are of one unit, and their spreads are compared; by default all are.
    strengths : sequence of float
        Above 0; one alone needs no choice.
    folds, inner_folds : int
        At most; with fewer groups each is a fold.
    least_spread : float
        See `LEAST_SPREAD`.

    Raises
    ------
    LengthMismatchError
        Features, targets and groups of different numbers of rows.
    SchemaError
        Fewer than two groups; two of them and several strengths; values that are not finite; a strength that is not
        above 0.

    Examples
    --------
    >>> line = np.arange(12.0)
    >>> found = grouped_ridge(line[:, None], 2 * line[None, :, None], np.arange(12) % 3)
    >>> held_out_r2(2 * line[None, :, None], found).round(4)
    array([[1.]])
    """
    _check(features, targets, group, strengths)
    sizes = np.bincount(group)
    unit = np.zeros(features.shape[1], np.int64) if unit is None else unit
    fold = deal_groups(sizes.tolist(), min(folds, len(sizes)))[group]
    predicted, mean = np.empty_like(targets), np.empty_like(targets)
    strength, left_out = [], []
    ways = np.sort(np.asarray(strengths, np.float64))
    for held_out in _each_fold(fold):
        train = ~held_out
        chosen = np.full(len(targets), ways[0])
        if len(ways) > 1:
            inner = _inner(group[train], inner_folds)
            chosen = _chosen(features[train], targets[:, train], inner, unit, ways, least_spread)
        learned = _Learned(features[train], targets[:, train], unit, least_spread)
        used, at = np.unique(chosen, return_inverse=True)
        predicted[:, held_out] = learned.predict(features[held_out], used)[at, np.arange(len(targets))]
        mean[:, held_out] = learned.mean
        strength.append(chosen)
        left_out.append(learned.left_out)
    return HeldOut(predicted, mean, np.stack(strength), np.array(left_out), int(np.isnan(features).sum()))


def held_out_r2(targets: Floats, found: HeldOut, rows: NDArray[np.bool_] | None = None) -> Floats:
    """Return R² of each target and quantity, pooled over rows: float64 (S, Q).

    Parameters
    ----------
    targets : float64 (S, R, Q)
    found : HeldOut
    rows : bool (R,), optional
        Of these rows alone.

    Returns
    -------
    float64 (S, Q)
        NaN for a quantity that equals the mean of what was learned from, up to rounding.

    Examples
    --------
    >>> targets = np.array([[[0.0], [2.0]]])
    >>> nothing = HeldOut(np.ones((1, 2, 1)), np.ones((1, 2, 1)), np.ones((1, 1)), np.zeros(1, np.int64), 0)
    >>> held_out_r2(targets, nothing)
    array([[0.]])
    """
    at = slice(None) if rows is None else rows
    errors = ((targets - found.predicted)[:, at] ** 2).sum(axis=1)
    return _r2(errors, ((targets - found.mean)[:, at] ** 2).sum(axis=1), np.abs(targets[:, at]).max(axis=1, initial=0))


def _r2(errors: Floats, of_mean: Floats, size: Floats) -> Floats:
    """Return 1 - errors / of_mean, NaN where the latter is rounding alone."""
    varies = of_mean > (_ROUNDING * size) ** 2
    return np.asarray(1 - errors / np.where(varies, of_mean, np.nan), np.float64)


def _check(features: Floats, targets: Floats, group: Whole, strengths: Sequence[float]) -> None:
    rows = {"features": features.shape[0], "targets": targets.shape[1], "group": len(group)}
    if len(set(rows.values())) > 1:
        told = ", ".join(f"{count} of {name}" for name, count in rows.items())
        raise LengthMismatchError(Problem("length-mismatch", "rows", f"expected as many of each, got {told}"))
    if np.isinf(features).any() or not np.isfinite(targets).all():
        message = "expected finite targets, and features that are finite or NaN, got others"
        raise SchemaError(Problem("not-finite", "features, targets", message))
    if not strengths or min(strengths) <= 0:
        raise SchemaError(Problem("wrong-value", "strengths", f"expected numbers above 0, got {tuple(strengths)}"))
    groups = len(np.unique(group))
    if groups < 2:
        message = f"expected at least two groups, of which one is held out, got {groups}"
        raise SchemaError(Problem("too-few-groups", "group", message, "give videos of more groups"))
    if groups == 2 and len(strengths) > 1:
        message = "expected a third group, to choose among several strengths by groups that are learned from, got two"
        raise SchemaError(Problem("too-few-groups", "group", message, "give one strength alone"))


def _each_fold(fold: Whole) -> Iterator[NDArray[np.bool_]]:
    for number in range(int(fold.max()) + 1):
        yield fold == number


def _inner(group: Whole, folds: int) -> Whole:
    """Return the inner fold of each row that is learned from."""
    names, at = np.unique(group, return_inverse=True)
    return deal_groups(np.bincount(at).tolist(), min(folds, len(names)))[at]


def _chosen(
    features: Floats, targets: Floats, fold: Whole, unit: Whole, strengths: Floats, least_spread: float
) -> Floats:
    """Return the strength of the best mean R² for each target, of equals the strongest: float64 (S,)."""
    sets, _, quantities = targets.shape
    errors, of_mean = np.zeros((len(strengths), sets, quantities)), np.zeros((sets, quantities))
    for held_out in _each_fold(fold):
        learned = _Learned(features[~held_out], targets[:, ~held_out], unit, least_spread)
        truth = targets[:, held_out]
        errors += ((truth - learned.predict(features[held_out], strengths)) ** 2).sum(axis=2)
        of_mean += ((truth - learned.mean) ** 2).sum(axis=1)
    each = _r2(errors, of_mean, np.abs(targets).max(axis=1))
    with warnings.catch_warnings():
        # Targets that do not vary: any strength will do.
        warnings.filterwarnings("ignore", "Mean of empty slice", RuntimeWarning)
        score = np.nan_to_num(np.nanmean(each, axis=2), nan=0.0)
    return np.asarray(strengths[len(strengths) - 1 - np.argmax(score[::-1], axis=0)], np.float64)


class _Learned:
    """What is learned from some rows, for every strength: one decomposition serves all of them, and all targets."""

    def __init__(self, features: Floats, targets: Floats, unit: Whole, least_spread: float) -> None:
        sets, rows, quantities = targets.shape
        self.mean = targets.mean(axis=1, keepdims=True)
        self._shape = (sets, quantities)
        with warnings.catch_warnings():
            # Columns without any value: they are left out.
            warnings.filterwarnings("ignore", "Mean of empty slice|Degrees of freedom", RuntimeWarning)
            centre, spread = np.nanmean(features, axis=0), np.nanstd(features, axis=0)
        self._keep = _varying(features, spread, unit, least_spread)
        self.left_out = int((~self._keep).sum())
        self._centre, self._spread = centre[self._keep], spread[self._keep]
        ready = self._standardised(features)
        y = (targets - self.mean).transpose(1, 0, 2).reshape(rows, -1)
        # Of as many numbers as there are columns or rows, whichever are fewer; the weights are the same.
        self._rows = ready if ready.shape[1] > rows else None
        gram = (ready.T @ ready if self._rows is None else ready @ ready.T) / rows
        value, self._vectors = np.linalg.eigh(gram)
        self._value = np.maximum(value, 0)  # below it is rounding alone
        self._y = self._vectors.T @ (ready.T @ y / rows if self._rows is None else y)
        self._count = rows

    def _standardised(self, features: Floats) -> Floats:
        found = (features[:, self._keep] - self._centre) / self._spread
        found[np.isnan(found)] = 0
        return np.asarray(found, np.float64)

    def predict(self, features: Floats, strengths: Floats) -> Floats:
        """Return what each strength predicts of other rows: float64 (A, S, R, Q)."""
        ready = self._standardised(features)
        if self._rows is not None:
            ready = ready @ self._rows.T / self._count
        ready = ready @ self._vectors
        each = [ready @ (self._y / (self._value + strength)[:, None]) for strength in strengths]
        shaped = np.stack(each).reshape(len(strengths), len(features), *self._shape).transpose(0, 2, 1, 3)
        return np.asarray(shaped + self.mean, np.float64)


def _varying(features: Floats, spread: Floats, unit: Whole, least_spread: float) -> NDArray[np.bool_]:
    """Return which columns vary by more than rounding, and by more than a small share of the others of their unit."""
    known = np.nan_to_num(spread, nan=0.0)
    units = int(unit.max(initial=-1)) + 1
    squares = np.bincount(unit, known**2, units) / np.maximum(np.bincount(unit, minlength=units), 1)
    size = np.nan_to_num(np.abs(features), nan=0.0).max(axis=0, initial=0)
    return np.asarray((known > _ROUNDING * size) & (known > least_spread * np.sqrt(squares)[unit]), np.bool_)
