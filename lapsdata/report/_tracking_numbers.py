"""What pictures of tracking scores show, in numbers: of each row and class, and None where a number is undefined.

A record has a number in the place of a share of nothing, as TrackEval does. A picture does not: a bar of length 0 would
say that a tracker is bad where there was nothing to be good at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from lapsdata.metrics._words import plural

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lapsdata.schema.tracking import TrackingResult, TrackNumbers, TrackRow, TrackValues

__all__ = [
    "LOSSES",
    "MOST_TRACKERS",
    "SCORES",
    "DrawnRows",
    "Loss",
    "Score",
    "drawn_rows",
    "facts_of",
    "loss_of",
    "score_of",
    "values_of",
]

Score = Literal[
    "HOTA", "DetA", "AssA", "LocA", "MOTA", "MOTP", "IDF1", "IDP", "IDR", "precision", "recall", "F1", "mean IoU",
]  # fmt: skip
Loss: TypeAlias = Literal["detection", "iou", "tracking", "mota", "combined"]

_Of: TypeAlias = Literal["GT_Dets", "Dets", "CLR_TP", "HOTA_TP"]

SCORES: Mapping[Score, tuple[_Of, ...]] = {
    "HOTA": ("GT_Dets", "Dets"), "DetA": ("GT_Dets", "Dets"), "AssA": ("HOTA_TP",), "LocA": ("HOTA_TP",),
    "MOTA": ("GT_Dets",), "MOTP": ("CLR_TP",), "IDF1": ("GT_Dets", "Dets"), "IDP": ("Dets",), "IDR": ("GT_Dets",),
    "precision": ("Dets",), "recall": ("GT_Dets",), "F1": ("GT_Dets", "Dets"), "mean IoU": ("CLR_TP",),
}  # fmt: skip
"""The scores of an overview, and what each is a share of: where all of that is 0, it is undefined."""

LOSSES: Mapping[Loss, str] = {
    "detection": "(1 - precision) + (1 - recall)",
    "iou": "1 - mean IoU of the matches",
    "tracking": "IDSW per true box",
    "mota": "1 - MOTA",
    "combined": "0.4 detection + 0.3 iou + 0.3 tracking",
}
"""The losses, and what they are made of; 0 is best."""

MOST_TRACKERS = 18
"""So many are drawn, in their order: more have no looks of their own."""

_NAMES = {"precision": "CLR_Pr", "recall": "CLR_Re", "F1": "CLR_F1"}


class DrawnRows(NamedTuple):
    """The rows that a picture shows: trackers, chance beside each (None where a result has none), and oracles."""

    trackers: tuple[TrackRow, ...]
    chance: tuple[TrackRow | None, ...]
    oracles: tuple[TrackRow, ...]
    left: int

    @property
    def labels(self) -> tuple[str, ...]:
        """What the trackers are called; several are numbered."""
        names = [row.name for row in self.trackers]
        return tuple(f"{n}  {name}" for n, name in enumerate(names, 1)) if len(names) > 1 else tuple(names)


def drawn_rows(result: TrackingResult) -> DrawnRows:
    """Return the rows that are drawn, and how many trackers are left.

    Examples
    --------
    >>> from lapsdata.metrics.tracking.evaluation import evaluate_tracking
    >>> from lapsdata.testing.samples import sample_tracked
    >>> truth, found = sample_tracked()
    >>> rows = drawn_rows(evaluate_tracking(truth, {"ours": found, "theirs": truth}))
    >>> rows.labels, [row.name for row in rows.oracles], rows.left
    (('1  ours', '2  theirs'), ['standing_still', 'new_identities'], 0)
    """
    every = result.trackers
    chance = {row.of: row for row in reversed(result.rows) if row.kind == "chance"}
    kept = every[:MOST_TRACKERS]
    oracles = tuple(row for row in result.rows if row.kind == "oracle")
    return DrawnRows(kept, tuple(chance.get(row.name) for row in kept), oracles, len(every) - len(kept))


def values_of(row: TrackRow, label: str | None) -> TrackValues:
    """Return the scores of a class, or of all classes together (None), each box of the same weight."""
    if label is not None:
        return row.classes[label]
    return row.detection_averaged or next(iter(row.classes.values()))


def score_of(one: TrackValues, name: Score) -> float | None:
    """Return a score of an overview; None where it is a share, or a mean, of nothing.

    Examples
    --------
    >>> from lapsdata.metrics.tracking.evaluation import evaluate_tracking
    >>> from lapsdata.testing.samples import sample_tracked
    >>> truth, found = sample_tracked()
    >>> one = values_of(evaluate_tracking(truth, {"ours": found}).rows[0], None)
    >>> score_of(one, "recall"), score_of(one, "MOTA")
    (0.75, 0.5)
    """
    matched = sum(one.by_alpha["HOTA_TP"])
    if not any(matched if of == "HOTA_TP" else one.counts[of] for of in SCORES[name]):
        return None
    if name == "mean IoU":
        return one.mean_iou
    return one.scores[_NAMES.get(name, name)]  # type: ignore[index]


def loss_of(one: TrackNumbers, name: Loss) -> tuple[float | None, bool]:
    """Return a loss, and whether it holds a part that a rule has set, since it would be a share of nothing.

    Without a true box all are undefined.

    Examples
    --------
    >>> from lapsdata.metrics.tracking.evaluation import evaluate_tracking
    >>> from lapsdata.testing.samples import sample_tracked
    >>> truth, found = sample_tracked()
    >>> loss_of(evaluate_tracking(truth, {"ours": found}).rows[0].classes["player"], "tracking")
    (0.25, False)
    """
    if not one.counts["GT_Dets"]:
        return None, False
    no_match, no_box = not one.counts["CLR_TP"], not one.counts["Dets"]
    by_rule = {"iou": no_match, "detection": no_box, "combined": no_match or no_box}
    return float(getattr(one.losses, name)), by_rule.get(name, False)


def facts_of(result: TrackingResult, label: str | None) -> str:
    """Say what was scored, and by which rules.

    Examples
    --------
    >>> from lapsdata.metrics.tracking.evaluation import evaluate_tracking
    >>> from lapsdata.testing.samples import sample_tracked
    >>> truth, found = sample_tracked()
    >>> facts_of(evaluate_tracking(truth, {"ours": found}), None)
    '1 sequence, 4 frames scored, 4 true boxes of player; profile plain, matched from an overlap of 0.5'
    """
    rules, classes = result.rules, result.rules.classes
    frames = sum(one.frames for one in result.sequences)
    outside = sum(one.length for one in result.sequences) - frames
    one = values_of(result.rows[0], label)
    named = label or (classes[0] if len(classes) == 1 else f"all {len(classes)} classes, each box of the same weight")
    said = [plural(len(result.sequences), "sequence"), plural(frames, "frame scored", "frames scored")]
    if outside:
        said.append(f"{outside} left out that nobody annotated")
    said.append(f"{plural(one.counts['GT_Dets'], 'true box', 'true boxes')} of {named}")
    told = f"profile {rules.profile}, matched from an overlap of {rules.threshold:g}"
    return f"{', '.join(said)}; {told}{'' if rules.rules == 'trackeval' else f', rules of {rules.rules}'}"
