"""An action probe as plain text, and a sentence where a control does as well."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lapsdata.console import aligned
from lapsdata.errors import listed, shown
from lapsdata.metrics._words import plural

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lapsdata.schema.probe import ProbeResult, ProbeRow

__all__ = ["not_above_controls", "probe_table"]

_WHY = {
    "no_truth": "videos without a truth",
    "no_features": "videos that lack one of the features",
    "no_rows": "videos of which no row has a partner in time",
}


def probe_table(result: ProbeResult) -> str:
    """Return a result as text: what was told and how, R² of every row, what was left out, and a verdict if it is due.

    Parameters
    ----------
    result : ProbeResult

    Returns
    -------
    str
        Lines without a last line break. A row of several draws says their standard deviation; `lowest` and `highest`
        are R² within a single group.

    Examples
    --------
    >>> from lapsdata.schema import ProbedGroup, ProbeResult, ProbeRow, ProbeRules
    >>> from lapsdata.testing.samples import sample_provenance
    >>> rules = ProbeRules(
    ...     target="value", per="step", least_spread=1e-3, strengths=(1.0,), folds=2, inner_folds=2,
    ...     time_degree=5, flow_cells=8,
    ... )
    >>> one = {"columns": 4, "columns_left_out": 0, "quantities": (0.25,)}
    >>> print(probe_table(ProbeResult(
    ...     provenance=sample_provenance(), rules=rules, truth_digest="sha256:" + "0" * 64, quantities=("speed",),
    ...     groups=(ProbedGroup(name="a", videos=("a",), rows=9), ProbedGroup(name="b", videos=("b",), rows=8)),
    ...     rows=(
    ...         ProbeRow(name="tokens", kind="prediction", r2=0.25, groups=(0.2, 0.3), strengths=(1.0, 1.0), **one),
    ...         ProbeRow(name="time", kind="control", r2=0.25, groups=(-0.1, 0.3), strengths=(1.0, 1.0), **one),
    ...     ),
    ... )))
    action probe: value of 1 quantity, 17 rows of 2 videos, 2 groups held out as a whole
    R² pooled_against_train_mean, mean over quantities_alike, rows per step, truth sha256:000000000000
    row     columns  R²     lowest  highest
    tokens  4        0.250  0.200   0.300
    time    4        0.250  -0.100  0.300
    tokens is not above its controls (0.250, time has 0.250).
    """
    rows = [("row", "columns", "R²", "lowest", "highest"), *map(_line, result.rows)]
    return "\n".join([*_heading(result), *aligned(rows), *_notes(result), *not_above_controls(result)])


def not_above_controls(result: ProbeResult) -> tuple[str, ...]:
    """Return a sentence for each prediction that a control reaches.

    `shuffled_*` and `random_projection_*` of other features are no controls of it.

    Examples
    --------
    See `probe_table`.
    """
    predictions = [row for row in result.rows if row.kind == "prediction"]
    found = []
    for row in predictions:
        others = {f"{kind}_{other.name}" for kind in _OF_ONE for other in predictions if other is not row}
        above = [
            f"{shown(control.name)} has {control.r2:.3f}"
            for control in result.rows
            if control.kind == "control" and control.name not in others and control.r2 >= row.r2
        ]
        if above:
            found.append(f"{shown(row.name)} is not above its controls ({row.r2:.3f}, {', '.join(above)}).")
    return tuple(found)


_OF_ONE = ("shuffled", "random_projection")


def _heading(result: ProbeResult) -> Iterator[str]:
    rules, groups = result.rules, result.groups
    quantities = plural(len(result.quantities), "quantity", "quantities")
    rows, videos = sum(group.rows for group in groups), sum(len(group.videos) for group in groups)
    yield (
        f"action probe: {rules.target} of {quantities}, {rows} rows of {plural(videos, 'video')}, "
        f"{len(groups)} groups held out as a whole"
    )
    yield (f"R² {rules.r2}, mean over {rules.averaged}, rows per {rules.per}, truth {result.truth_digest[:19]}")


def _line(row: ProbeRow) -> tuple[str, ...]:
    columns = str(row.columns) if not row.columns_left_out else f"{row.columns} ({row.columns_left_out} left out)"
    spread = "" if row.r2_sd is None else f" ± {row.r2_sd:.3f}"
    known = [value for value in row.groups if value is not None]
    ends = (f"{min(known):.3f}", f"{max(known):.3f}") if known else ("-", "-")
    return (row.name, columns, f"{row.r2:.3f}{spread}", *ends)


def _notes(result: ProbeResult) -> Iterator[str]:
    for policy, count in sorted(result.policies.items()):
        if count:
            yield f"{policy.replace('_', ' ')}: {count}"
    for why, words in _WHY.items():
        names = [video.name for video in result.left_out if video.why == why]
        if names:
            yield f"{words}: {len(names)} ({listed(names)})"
    ends = {result.rules.strengths[0], result.rules.strengths[-1]}
    if len(result.rules.strengths) > 1:
        for row in result.rows:
            edge = sum(strength in ends for strength in row.strengths)
            if row.kind == "prediction" and edge:
                yield f"{shown(row.name)}: {edge} of {len(row.strengths)} folds chose the weakest or strongest ridge"
