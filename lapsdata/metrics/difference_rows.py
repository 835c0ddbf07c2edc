"""Several predictions as plain text: their scores, the best of chance, and how far the first is from each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lapsdata.console import aligned
from lapsdata.metrics._score_rows import best_of_chance, label_rules, named_rows
from lapsdata.metrics._words import number, plural, wrapped
from lapsdata.metrics.comparison import check_comparable
from lapsdata.metrics.table import comparison_table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lapsdata.metrics.paired import PairedDifference, PairedLabelDifference
    from lapsdata.metrics.table import Average
    from lapsdata.schema.label_scores import LabelScores
    from lapsdata.schema.result import BoundaryResult

__all__ = ["paired_label_table", "paired_table"]

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
    first = next(iter(results))
    heads = ("", *(f"{one.tolerance_s:g} s" for one in next(iter(differences.values()))))
    rows = _less(first, differences)
    return "\n".join([comparison_table(results, average=average), "", *aligned([heads, *rows])])


def paired_label_table(
    results: Mapping[str, LabelScores], differences: Mapping[str, Sequence[PairedLabelDifference]]
) -> str:
    r"""Return labels of predictions beside each other and the best of chance, then the first less each other one.

    Parameters
    ----------
    results : mapping of str to LabelScores
        What each is called.
    differences : mapping of str to sequence of PairedLabelDifference
        Of the first and the one that is named.

    Returns
    -------
    str
        Lines without a last line break.

    Raises
    ------
    SchemaError
        As `check_comparable`.

    Examples
    --------
    >>> from lapsdata.metrics import evaluate_labels, paired_label_differences
    >>> from lapsdata.testing.samples import labelled_segments
    >>> truth = labelled_segments({name: [("pour", 2.0), ("stir", 2.0)] for name in "ab"})
    >>> late = labelled_segments({name: [("pour", 3.0), ("stir", 1.0)] for name in "ab"})
    >>> scores = {name: evaluate_labels(truth, found, draws=9) for name, found in (("ours", truth), ("late", late))}
    >>> print(paired_label_table(scores, {"late": paired_label_differences(*scores.values(), draws=99)}))
    labels: 2 videos, truth sha256:290215fa13ef
    counted in time, background 'background', length raise
                 acc    macro  edit   F@10   F@25   F@50
    ours         1.000  1.000  1.000  1.000  1.000  1.000
    late         0.750  0.750  1.000  1.000  1.000  1.000
    best chance  0.389  0.389  0.278  0.639  0.639  0.278
    <BLANKLINE>
                          acc     macro   edit    F@10    F@25    F@50
    ours less late        +0.250  +0.250  +0.000  +0.000  +0.000  +0.000
      95 % of draws from  +0.250  +0.250  +0.000  +0.000  +0.000  +0.000
      95 % of draws to    +0.250  +0.250  +0.000  +0.000  +0.000  +0.000
      p                   0.0200  0.0200  1.0000  1.0000  1.0000  1.0000
      videos + = -        2 0 0   2 0 0   0 2 0   0 2 0   0 2 0   0 2 0
    """
    check_comparable(results)
    first, reference = next(iter(results.items()))
    told = {name: named_rows(scores)[0].scores for name, scores in results.items()}
    best = [best_of_chance(scores) for scores in results.values()]
    heads = ("", *told[first])
    rows = [(name, *(number(None if one is None else one.mean) for one in row.values())) for name, row in told.items()]
    highest = (max((one[head][0] for one in best if head in one), default=None) for head in told[first])
    heading = [
        f"labels: {plural(len(reference.videos), 'video')}, truth {reference.truth_digest[:19]}",
        *wrapped(label_rules(reference.rules)),
    ]
    beside = aligned([heads, *rows, ("best chance", *map(number, highest))])
    return "\n".join([*heading, *beside, "", *aligned([heads, *_less(first, differences)])])


def _less(
    first: str, differences: Mapping[str, Sequence[PairedDifference] | Sequence[PairedLabelDifference]]
) -> list[tuple[str, ...]]:
    """Return the rows of the first less each other one."""
    rows: list[tuple[str, ...]] = []
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
    return rows
