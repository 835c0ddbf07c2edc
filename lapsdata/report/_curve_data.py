"""What a curve over tolerances shows of a result, in numbers: lines, bands, where chance does as well, the axis."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

import numpy as np

from lapsdata.errors import Problem, SchemaError
from lapsdata.metrics.table import best_chance
from lapsdata.report._timeline_data import axis_for, linear_axis

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy.typing as npt

    from lapsdata.metrics.table import Average
    from lapsdata.report._timeline_data import Axis
    from lapsdata.schema import BoundaryResult
    from lapsdata.schema.result import BoundaryRow

    Floats: TypeAlias = npt.NDArray[np.float64]

__all__ = ["Family", "Line", "lines_of", "lost_to_chance", "spread", "tolerance_axis"]

Family = Literal["prediction", "oracle", "metronome", "drawn", "other"]
"""What a line is of: what is judged; cuts that know this very truth; other evenly spread cuts; draws; the rest."""

# So many numbers have room below a panel, however they lie.
_FEW = 6


class Line(NamedTuple):
    """F of one row over the tolerances; `band` is float64 (T, 2), NaN where the result knows none."""

    name: str
    family: Family
    tolerance_s: Floats
    f: Floats
    band: Floats

    @property
    def banded(self) -> bool:
        """Whether there is a band anywhere."""
        return bool(np.isfinite(self.band).any())


def lines_of(result: BoundaryResult, average: Average) -> list[Line]:
    """Return the lines of a result, the prediction first.

    The band of a drawn row is that of its draws; the prediction's is its interval, where the result has one.

    Raises
    ------
    SchemaError
        A single tolerance, which is no curve.
    """
    tolerances = np.array(result.rules.tolerances_s)
    if len(tolerances) < 2:
        message = f"expected at least two tolerances, got {tolerances[0]:g} s alone"
        raise SchemaError(Problem("one-tolerance", "rules", message, "score the segments at several"))
    lines = []
    for row in result.rows:
        f = [(score.macro if average == "macro" else score.micro).f for score in row.scores]
        word = "interval" if row.kind == "prediction" else "band"
        # Results of 1.1 have no interval.
        bands = [getattr(score, f"{average}_f_{word}", None) or (np.nan, np.nan) for score in row.scores]
        lines.append(Line(row.name, _family(row), tolerances, np.array(f), np.array(bands, np.float64)))
    return lines


def _family(row: BoundaryRow) -> Family:
    if row.kind == "prediction":
        return "prediction"
    if row.kind == "oracle":
        return "oracle"
    if row.name.startswith("uniform"):
        return "metronome"
    return "drawn" if row.draws > 1 else "other"


def lost_to_chance(result: BoundaryResult, average: Average) -> str:
    """Return in words at which tolerances the prediction is above the best row of chance, and at which it is not.

    Examples
    --------
    >>> from lapsdata.metrics import evaluate_boundaries
    >>> clip = {"a": np.array([3.0, 6.0])}
    >>> result = evaluate_boundaries(clip, clip, spans_s={"a": (0.0, 9.0)}, tolerances_s=(0.5, 1.0))
    >>> lost_to_chance(result, "macro")
    'not above the best row of chance at any tolerance'
    """
    scores = result.rows[0].scores
    f = [(score.macro if average == "macro" else score.micro).f for score in scores]
    lost = [value <= best_chance(result, at, average=average)[0] for at, value in enumerate(f)]
    if not any(lost):
        return "above every row of chance at every tolerance"
    if all(lost):
        return "not above the best row of chance at any tolerance"
    pairs = zip(lost, (score.tolerance_s for score in scores), strict=True)
    runs = [[at for _, at in run] for is_lost, run in groupby(pairs, key=lambda pair: pair[0]) if is_lost]
    told = [f"{run[0]:g} to {run[-1]:g} s" if len(run) > 1 else f"{run[0]:g} s" for run in runs]
    return f"not above the best row of chance at {', '.join(told)}"


def tolerance_axis(tolerances_s: Iterable[float]) -> Axis:
    """Return an axis on which every tolerance has a place: logarithmic where they spread and 0 is none of them.

    Few tolerances are numbered themselves.

    Examples
    --------
    >>> tolerance_axis((0.25, 0.5, 1.0, 2.0, 5.0)).ticks
    (0.25, 0.5, 1.0, 2.0, 5.0)
    >>> tolerance_axis((0.1, 5.0)).kind, tolerance_axis((0.0, 0.5, 5.0)).kind
    ('log', 'linear')
    """
    values = sorted(tolerances_s)
    axis = axis_for(np.array(values)) if values[0] > 0 else linear_axis(0.0, values[-1])
    return axis._replace(ticks=tuple(values)) if len(values) <= _FEW and axis.kind == "log" else axis


def spread(places: Sequence[float], apart: float) -> list[float]:
    """Return places as near as can be to those given, in their order, and at least so far apart.

    Places that would be too near share their room around their mean: least squares, by pooling adjacent violators.

    Examples
    --------
    >>> spread([10.0, 12.0, 40.0], 6.0)
    [8.0, 14.0, 40.0]
    """
    pools: list[tuple[float, int]] = []
    for number, place in enumerate(places):
        pools.append((place - number * apart, 1))
        while len(pools) > 1 and pools[-1][0] < pools[-2][0]:
            (late, some), (early, more) = pools.pop(), pools.pop()
            pools.append(((late * some + early * more) / (some + more), some + more))
    shifted = [mean for mean, count in pools for _ in range(count)]
    return [mean + number * apart for number, mean in enumerate(shifted)]
