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

_ENDS = ("from", "to")


def paired_table(
    results: Mapping[str, BoundaryResult],
    differences: Mapping[str, Sequence[PairedDifference]],
    *,
    average: Average = "macro",
) -> str:
    r"""Return predictions beside each other, then the first less each other one.

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
    >>> print(paired_table({"ours": ours, "theirs": theirs}, found).partition("\n\n")[2])
                          0.5 s
    ours less theirs      +1.000
      95 % of draws from  +1.000
      95 % of draws to    +1.000
      p                   0.0002
      videos + = -        2 0 0
    """
    rows: list[tuple[str, ...]] = []
    first = next(iter(results))
    for name, each in differences.items():
        rows.append((f"{first} less {name}", *(f"{one.difference:+.3f}" for one in each)))
        intervals = [one.interval for one in each if one.interval is not None]
        if intervals:
            rows += [
                (f"  95 % of draws {word}", *(f"{ends[at]:+.3f}" for ends in intervals))
                for at, word in enumerate(_ENDS)
            ]
            rows.append(("  p", *("-" if one.p is None else f"{one.p:.4f}" for one in each)))
        rows.append(("  videos + = -", *(f"{one.higher} {one.equal} {one.lower}" for one in each)))
    heads = ("", *(f"{one.tolerance_s:g} s" for one in next(iter(differences.values()))))
    return "\n".join([comparison_table(results, average=average), "", *aligned([heads, *rows])])
