"""Action probe: how much of a robot's motion can be told linearly from features, beside what knows less.

Every row is a ridge regression, judged by groups that are held out as a whole (`lapsdata.metrics.grouped_ridge`), on
the same rows of the same videos. Controls: `shuffled_*` has the same features and targets that were shifted within
each video; `time` knows the time alone; `random_features` are numbers that were drawn, as many as the widest set has;
`raw_flow` is the motion in the picture with nothing learned, and `random_projection_*` that motion through a random
matrix, to as many numbers as a set has: what an encoder that learned nothing would give.
"""

from __future__ import annotations

import statistics
import warnings
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from lapsdata.errors import Problem, SchemaError
from lapsdata.metrics.grouped_ridge import LEAST_SPREAD, STRENGTHS, grouped_ridge, held_out_r2
from lapsdata.schema.probe import ProbeRow

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray
    from pydantic import JsonValue

    from lapsdata.metrics.grouped_ridge import HeldOut

    Floats = NDArray[np.float64]
    Whole = NDArray[np.int64]

__all__ = ["FeatureSet", "HowProbed", "ProbedRows", "circular_shifts", "probe_rows", "time_features"]


class FeatureSet(NamedTuple):
    """Features of all rows.

    Parameters
    ----------
    name : str
    value : float64 (R, D)
        NaN where a row lacks a value.
    one_unit : bool
        Whether the columns are of one unit, so that one which hardly varies beside the others is left out.
    parameters : dict
        What made them.

    Examples
    --------
    >>> FeatureSet("tokens", np.zeros((3, 2))).one_unit
    True
    """

    name: str
    value: Floats
    one_unit: bool = True
    parameters: dict[str, JsonValue] = {}  # noqa: RUF012 - never written to


class ProbedRows(NamedTuple):
    """What all features are of: one row per step or window.

    Parameters
    ----------
    target : float64 (R, Q)
    video, group : int64 (R,)
        Numbers from 0; rows of a video stand together, by time.
    time_s : float64 (R,), seconds
        Middle of each row.

    Examples
    --------
    >>> ProbedRows(np.zeros((1, 7)), np.array([0]), np.array([0]), np.array([0.5])).target.shape
    (1, 7)
    """

    target: Floats
    video: Whole
    group: Whole
    time_s: Floats


class HowProbed(NamedTuple):
    """See `lapsdata.schema.ProbeRules` and `lapsdata.metrics.grouped_ridge.grouped_ridge`."""

    strengths: tuple[float, ...] = STRENGTHS
    folds: int = 10
    inner_folds: int = 5
    least_spread: float = LEAST_SPREAD
    time_degree: int = 5
    draws: int = 20
    """Of `shuffled_*`."""
    random_draws: int = 3
    """Of `random_features` and `random_projection_*`, each of which is learned from anew."""
    seed: int = 0


def time_features(rows: ProbedRows, degree: int) -> Floats:
    """Return powers of the seconds, and of the place between the first and the last row of the video.

    Parameters
    ----------
    rows : ProbedRows
    degree : int
        Powers from 1 to this.

    Returns
    -------
    float64 (R, 2 * degree)

    Examples
    --------
    >>> rows = ProbedRows(np.zeros((3, 1)), np.zeros(3, np.int64), np.zeros(3, np.int64), np.array([1.0, 2.0, 3.0]))
    >>> time_features(rows, 2)
    array([[1.  , 1.  , 0.  , 0.  ],
           [2.  , 4.  , 0.5 , 0.25],
           [3.  , 9.  , 1.  , 1.  ]])
    """
    videos = int(rows.video.max()) + 1
    first, last = np.full(videos, np.inf), np.full(videos, -np.inf)
    np.minimum.at(first, rows.video, rows.time_s)
    np.maximum.at(last, rows.video, rows.time_s)
    length = np.where(last > first, last - first, 1)
    place = (rows.time_s - first[rows.video]) / length[rows.video]
    powers = np.arange(1, degree + 1)
    return np.concatenate([rows.time_s[:, None] ** powers, place[:, None] ** powers], axis=1)


def circular_shifts(video: Whole, draws: int, *, seed: int) -> Whole:
    """Return, per draw, which row lends each row its target: another of the same video, shifted circularly.

    Each video is shifted by an amount of its own, a tenth of it or more from where it was, if it has that many rows.

    Parameters
    ----------
    video : int64 (R,)
        Rows of a video stand together.
    draws, seed : int

    Returns
    -------
    int64 (draws, R)

    Examples
    --------
    >>> circular_shifts(np.array([0, 0, 0, 1]), 1, seed=0)[0, 3:]
    array([3])
    """
    random = np.random.default_rng(seed)
    found = np.tile(np.arange(len(video), dtype=np.int64), (draws, 1))
    for number in np.unique(video):
        at = np.flatnonzero(video == number)
        least = -(-len(at) // 10)
        if len(at) > 1:
            shift = random.integers(least, max(len(at) - least, least) + 1, draws)
            found[:, at] = at[(np.arange(len(at)) + shift[:, None]) % len(at)]
    return found


def probe_rows(
    sets: Sequence[FeatureSet],
    rows: ProbedRows,
    *,
    raw_flow: FeatureSet | None = None,
    projected: Sequence[str] | None = None,
    how: HowProbed | None = None,
) -> tuple[ProbeRow, ...]:
    """Return R² of sets of features, then of the controls.

    Parameters
    ----------
    sets : sequence of FeatureSet
        At least one.
    rows : ProbedRows
    raw_flow : FeatureSet, optional
        The motion in the picture, with nothing learned.
    projected : sequence of str, optional
        Sets that have a row `random_projection_*` beside them, where there is a raw flow; by default all.
    how : HowProbed, optional

    Raises
    ------
    SchemaError
        No quantity that varies, or what `grouped_ridge` refuses.

    Examples
    --------
    >>> random = np.random.default_rng(0)
    >>> motion, number = random.standard_normal((60, 2)), np.arange(60) // 20
    >>> rows = ProbedRows(motion, number, number, np.arange(60) % 20 / 10)
    >>> found = probe_rows([FeatureSet("tokens", motion @ np.array([[1.0, 2.0], [0.0, 1.0]]))], rows)
    >>> [(row.name, row.r2 > 0.99) for row in found][:2]
    [('tokens', True), ('shuffled_tokens', False)]
    """
    how = how or HowProbed()
    size = np.abs(rows.target).max(axis=0)
    if not (np.ptp(rows.target, axis=0) > 1e-9 * size).any():
        message = f"expected a quantity that varies, got {rows.target.shape[1]} that stand still"
        raise SchemaError(Problem("constant-target", "target", message, "choose others with --columns"))
    lent = circular_shifts(rows.video, how.draws, seed=how.seed)
    predictions, shuffled = [], []
    for one in sets:
        # One decomposition serves the true target and all shuffled ones.
        targets = np.concatenate([rows.target[None], rows.target[lent]])
        found = _held_out(one, targets, rows, how)
        predictions.append(_row(one, "prediction", targets, found, rows, slice(0, 1)))
        seeded: dict[str, JsonValue] = {"seed": how.seed}
        named = FeatureSet(f"shuffled_{one.name}", one.value, one.one_unit, seeded)
        shuffled.append(_row(named, "control", targets, found, rows, slice(1, None)))
    controls = [_drawn([one], rows, how) for one in _once(raw_flow, rows, how)]
    wanted = [one for one in sets if projected is None or one.name in projected]
    controls += [_drawn(draws, rows, how) for draws in _random(sets, wanted, raw_flow, rows, how)]
    return (*predictions, *shuffled, *controls)


def _once(raw_flow: FeatureSet | None, rows: ProbedRows, how: HowProbed) -> Iterator[FeatureSet]:
    degree: dict[str, JsonValue] = {"degree": how.time_degree}
    yield FeatureSet("time", time_features(rows, how.time_degree), one_unit=False, parameters=degree)
    if raw_flow is not None:
        yield raw_flow


def _random(
    sets: Sequence[FeatureSet],
    projected: Sequence[FeatureSet],
    raw_flow: FeatureSet | None,
    rows: ProbedRows,
    how: HowProbed,
) -> Iterator[list[FeatureSet]]:
    widest = max(one.value.shape[1] for one in sets)
    made: dict[str, JsonValue] = {"seed": how.seed}
    draws = [np.random.default_rng([how.seed, draw]) for draw in range(how.random_draws)]
    shape = (len(rows.target), widest)
    yield [FeatureSet("random_features", random.standard_normal(shape), parameters=made) for random in draws]
    if raw_flow is None:
        return
    # Missing cells stand at the mean of all rows: which of them are held out plays no part in features.
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Mean of empty slice", RuntimeWarning)
        mean = np.nan_to_num(np.nanmean(raw_flow.value, axis=0), nan=0.0)
    whole = np.where(np.isnan(raw_flow.value), mean, raw_flow.value)
    for one in projected:
        columns = one.value.shape[1]
        yield [
            FeatureSet(
                f"random_projection_{one.name}",
                whole @ random.standard_normal((whole.shape[1], columns)) / np.sqrt(columns),
                parameters={**made, "of": raw_flow.name},
            )
            for random in draws
        ]


def _held_out(one: FeatureSet, targets: Floats, rows: ProbedRows, how: HowProbed) -> HeldOut:
    columns = one.value.shape[1]
    return grouped_ridge(
        one.value,
        targets,
        rows.group,
        unit=np.zeros(columns, np.int64) if one.one_unit else np.arange(columns),
        strengths=how.strengths,
        folds=how.folds,
        inner_folds=how.inner_folds,
        least_spread=how.least_spread,
    )


def _drawn(draws: Sequence[FeatureSet], rows: ProbedRows, how: HowProbed) -> ProbeRow:
    """Return a row of features that are drawn, or of features that there are once."""
    targets = rows.target[None]
    each = [_row(one, "control", targets, _held_out(one, targets, rows, how), rows, slice(0, 1)) for one in draws]
    if len(each) == 1:
        return each[0]
    told = {
        "draws": len(each),
        "columns_left_out": max(row.columns_left_out for row in each),
        "r2": statistics.fmean(row.r2 for row in each),
        "r2_sd": statistics.stdev(row.r2 for row in each),
        "quantities": tuple(map(_mean, zip(*(row.quantities for row in each), strict=True))),
        "groups": tuple(map(_mean, zip(*(row.groups for row in each), strict=True))),
        "strengths": (),
    }
    return each[0].model_copy(update=told)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known else None


def _row(
    one: FeatureSet,
    kind: Literal["prediction", "control"],
    targets: Floats,
    found: HeldOut,
    rows: ProbedRows,
    chosen: slice,
) -> ProbeRow:
    """Return the row of some of the targets: the true one, or all draws of the shuffled ones."""
    each = held_out_r2(targets, found)[chosen]
    r2 = [_mean(_known(of)) for of in each]
    means = [value for value in r2 if value is not None]
    groups = range(int(rows.group.max()) + 1)
    by_group = [held_out_r2(targets, found, rows.group == group)[chosen] for group in groups]
    strengths = found.strength[:, chosen]
    return ProbeRow(
        name=one.name,
        kind=kind,
        parameters=one.parameters,
        draws=len(each),
        columns=one.value.shape[1],
        columns_left_out=int(found.left_out.max()),
        missing_values=found.missing,
        r2=statistics.fmean(means),
        r2_sd=statistics.stdev(means) if len(means) > 1 else None,
        quantities=tuple(_mean(_known(of)) for of in each.T),
        groups=tuple(_mean(_known(of.ravel())) for of in by_group),
        strengths=tuple(strengths[:, 0].tolist()) if len(each) == 1 else (),
    )


def _known(values: Floats) -> list[float | None]:
    return [None if np.isnan(value) else float(value) for value in values]
