"""Errors of actions as plain text, and a sentence where chance does as well."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lapsdata.console import aligned
from lapsdata.errors import shown
from lapsdata.metrics._words import plural

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lapsdata.schema.actions import ActionResult

__all__ = ["action_table", "not_better_than_chance"]

_STEPS = 6
_NUMBERS = 8


def action_table(result: ActionResult) -> str:
    """Return a result as text: errors of each row by key, by step and by number, what was left out, and a verdict.

    Parameters
    ----------
    result : ActionResult

    Returns
    -------
    str
        Lines without a last line break.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_action_result
    >>> print(action_table(sample_action_result()).splitlines()[0])
    actions, open loop: 4 rows of 1 episode, horizon 2
    """
    rules = result.rules
    lines = [
        f"actions, open loop: {plural(result.rows_predicted, 'row')} of {plural(len(result.episodes), 'episode')}, "
        f"horizon {rules.horizon}",
        f"means of {rules.means_of}, every step alike, truth {result.truth_digest[:19]}",
        *aligned([("row", "key", "MAE", "MSE"), *_by_key(result)]),
        "MAE by step of the horizon:",
        *aligned(list(_by_step(result))),
        "MAE by number:",
        *aligned(list(_by_number(result))),
    ]
    lines += _steps_told(result)
    lines += [f"{count} {name.replace('_', ' ')}" for name, count in result.policies.items() if count]
    if len(result.rows) < 4:
        lines.append("no other episode is known: rows that need one are absent")
    return "\n".join([*lines, *not_better_than_chance(result)])


def not_better_than_chance(result: ActionResult) -> tuple[str, ...]:
    """Return a sentence for each key that chance predicts as well.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_action_result
    >>> not_better_than_chance(sample_action_result(prediction=0.5))[1]
    'hand: the prediction is not better than chance (MAE 0.5, hold_last has 0.5).'
    """
    found = []
    for at, key in enumerate(result.parts):
        own = result.rows[0].parts[at].mae
        best = min(result.rows[1:], key=lambda row: row.parts[at].mae, default=None)
        if best is not None and best.parts[at].mae <= own:
            found.append(
                f"{shown(key.name)}: the prediction is not better than chance "
                f"(MAE {own:.4g}, {best.name} has {best.parts[at].mae:.4g})."
            )
    return tuple(found)


def _steps_told(result: ActionResult) -> list[str]:
    """Say which numbers are no places: of two data sets of unlike ones, errors are not to be compared."""
    return [
        f"{shown(key.name)}: "
        + ", ".join(f"{kind} ({span})" for span, kind in key.steps.items())
        + ", as the data set stores it: errors of steps, not of places"
        for key in result.parts
        if key.steps
    ]


def _by_key(result: ActionResult) -> Iterator[tuple[str, ...]]:
    for row in result.rows:
        for key, errors in zip(result.parts, row.parts, strict=True):
            yield row.name, key.name, f"{errors.mae:.4g}", f"{errors.mse:.4g}"


def _by_step(result: ActionResult) -> Iterator[tuple[str, ...]]:
    horizon = result.rules.horizon
    picked = sorted({round(at * (horizon - 1) / max(_STEPS - 1, 1)) for at in range(_STEPS)})
    yield "row", "key", *(str(step) for step in picked)
    for row in result.rows:
        for key, errors in zip(result.parts, row.parts, strict=True):
            yield row.name, key.name, *(_told(result, errors.steps[step].mae, step) for step in picked)


def _told(result: ActionResult, mae: float, step: int) -> str:
    return f"{mae:.4g}" if result.steps_scored[step] else "-"


def _by_number(result: ActionResult) -> Iterator[tuple[str, ...]]:
    """Yield the numbers of each key, the worst first, beside the rows of chance."""
    yield "key", "number", *(row.name for row in result.rows)
    for at, key in enumerate(result.parts):
        order = sorted(range(len(key.numbers)), key=lambda number: -result.rows[0].parts[at].numbers[number].mae)
        for number in order[:_NUMBERS]:
            yield key.name, key.numbers[number], *(f"{row.parts[at].numbers[number].mae:.4g}" for row in result.rows)
        if len(order) > _NUMBERS:
            yield key.name, f"and {len(order) - _NUMBERS} more", *("" for _ in result.rows)
