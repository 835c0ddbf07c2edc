"""Rows of labels, of average precision and of clusters as tables have them: numbers by the heads of their columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lapsdata.errors import listed
from lapsdata.schema.ap_scores import ApRow, ApScores
from lapsdata.schema.segment_clusters import SegmentClusterRow

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lapsdata.schema.drawn import DrawnScore
    from lapsdata.schema.label_scores import LabelRow, LabelRules, LabelScores
    from lapsdata.schema.segment_clusters import SegmentClusterRules, SegmentClusterScores

    Scores = LabelScores | ApScores | SegmentClusterScores

__all__ = ["NamedRow", "best_of_chance", "counted_in", "label_rules", "named_rows"]


class NamedRow(NamedTuple):
    """A row, its numbers by the heads of their columns."""

    name: str
    kind: str
    scores: Mapping[str, DrawnScore | None]


def named_rows(scores: Scores) -> list[NamedRow]:
    """Return the rows of a record, the prediction first."""
    overlaps = scores.rules.overlaps if isinstance(scores, ApScores) else ()
    return [NamedRow(row.name, row.kind, _columns(row, overlaps)) for row in scores.rows]


def best_of_chance(scores: Scores) -> dict[str, tuple[float, str]]:
    """Return, for each number, the best of the rows of chance and which has it: of equals the first."""
    best: dict[str, tuple[float, str]] = {}
    for row in named_rows(scores):
        for name, one in row.scores.items() if row.kind == "chance" else ():
            if one is not None and (name not in best or one.mean > best[name][0]):
                best[name] = one.mean, row.name
    return best


def counted_in(rules: LabelRules | SegmentClusterRules) -> str:
    """Return what was counted."""
    return "counted in time" if rules.rate is None else f"counted in frames at {rules.rate} per second"


def label_rules(rules: LabelRules) -> str:
    """Return a line of how labels were counted."""
    return f"{counted_in(rules)}, background {listed(rules.background, 9)}, length {rules.length}"


def _columns(row: LabelRow | ApRow | SegmentClusterRow, overlaps: Sequence[float]) -> dict[str, DrawnScore | None]:
    if isinstance(row, ApRow):
        each: dict[str, DrawnScore | None]
        each = {f"AP@{overlap:g}": one for overlap, one in zip(overlaps, row.ap, strict=True)}
        return each | ({"mean": row.mean} if len(each) > 1 else {})
    both: dict[str, DrawnScore | None] = {"acc": row.accuracy_micro, "macro": row.accuracy_macro}
    if isinstance(row, SegmentClusterRow):
        return both | {"ARI": row.ari, "AMI": row.ami, "NMI": row.nmi, "V": row.v_measure}
    return both | {"edit": row.edit} | {f"F@{100 * one.overlap:g}": one.f for one in row.f}
