"""Several predictions as plain text: their scores, the best of chance, and how far the first is from each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lapsdata.console import aligned
from lapsdata.metrics.table import comparison_table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lapsdata.metrics.paired import PairedDifference
    from lapsdata.metrics.table import Average
    from lapsdata.schema.result import BoundaryResult

__all__ = ["paired_table"]


def paired_table(
    results: Mapping[str, BoundaryResult],
    differences: Mapping[str, Sequence[PairedDifference]],
    *,
    average: Average = "macro",
) -> str:
    """Return predictions beside each other, then the first less each other one.

    Parameters
    ----------
    results : mapping of str to BoundaryResult
        What each is called.
    differences : mapping of str to sequence of PairedDifference
        Of the first and the one that is named.
    average : {"macro", "micro"}

    Returns
    -------
    str
        Lines without a last line break.

    Raises
    ------
    SchemaError
        As `comparison_table`.

    Examples
    --------
    >>> import numpy as np
    >>> from lapsdata.metrics import evaluate_boundaries, paired_differences
    >>> truth = {name: np.array([2.0, 5.0]) for name in "ab"}
    >>> spans = dict.fromkeys(truth, (0.0, 9.0))
    >>> ours = evaluate_boundaries(truth, truth, spans_s=spans, tolerances_s=(0.5,))
    >>> late = {name: times + 1 for name, times in truth.items()}
    >>> theirs = evaluate_boundaries(truth, late, spans_s=spans, tolerances_s=(0.5,))
    >>> found = {"theirs": paired_differences(ours, theirs)}
    >>> print(paired_table({"ours": ours, "theirs": theirs}, found).partition("row")[2].partition("ours less")[2])
     theirs  1.000
      95 % of draws   1.000 to 1.000
      p               0.000
      videos + = -    2 0 0
    """
    rows: list[tuple[str, ...]] = []
    first = next(iter(results))
    for name, each in differences.items():
        rows.append((f"{first} less {name}", *(f"{one.difference:+.3f}" for one in each)))
        if any(one.interval is not None for one in each):
            rows.append(("  95 % of draws", *("-" if one.interval is None else _range(one.interval) for one in each)))
            rows.append(("  p", *("-" if one.p is None else f"{one.p:.3f}" for one in each)))
        rows.append(("  videos + = -", *(f"{one.higher} {one.equal} {one.lower}" for one in each)))
    heads = ("", *(f"{one.tolerance_s:g} s" for one in next(iter(differences.values()))))
    return "\n".join([comparison_table(results, average=average), "", *aligned([heads, *rows])])


def _range(interval: tuple[float, float]) -> str:
    low, high = interval
    return f"{low:+.3f} to {high:+.3f}"
