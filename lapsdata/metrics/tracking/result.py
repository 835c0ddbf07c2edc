"""Scores of tracks as a tree: of each sequence and class, of all sequences, and of all classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from lapsdata.metrics.tracking.left_out import LeftOut

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lapsdata.metrics.tracking._chosen import FramePolicy
    from lapsdata.metrics.tracking.clear import Clear, ClearRules
    from lapsdata.metrics.tracking.count import TrackCount
    from lapsdata.metrics.tracking.frame_series import FrameSeries
    from lapsdata.metrics.tracking.hota import Hota
    from lapsdata.metrics.tracking.identity import Identity
    from lapsdata.metrics.tracking.profiles import ProfileName

__all__ = ["SequenceTracking", "TrackLosses", "TrackScores", "TrackingRules", "TrackingScores"]

# How the combined loss weighs detection, overlap and tracking.
_WEIGHTS = (0.4, 0.3, 0.3)


class TrackLosses(NamedTuple):
    """Scores turned round, 0 is best: made of the standard ones, and never in their place.

    Parameters
    ----------
    detection : float
        1 - precision, and 1 - recall: 0 to 2.
    iou : float
        1 - mean overlap of the matches; 1 where nothing is matched.
    tracking : float
        Switches per true box.
    mota : float
        1 - MOTA.
    combined : float
        0.4 detection, 0.3 iou and 0.3 tracking.

    Examples
    --------
    >>> TrackLosses.of(precision=0.5, recall=1.0, mean_iou=0.75, switches_per_box=0.0, mota=0.25)
    TrackLosses(detection=0.5, iou=0.25, tracking=0.0, mota=0.75, combined=0.275)
    """

    detection: float
    iou: float
    tracking: float
    mota: float
    combined: float

    @classmethod
    def of(cls, *, precision: float, recall: float, mean_iou: float, switches_per_box: float, mota: float) -> Self:
        """Return the losses that belong to some scores."""
        parts = ((1 - precision) + (1 - recall), 1 - mean_iou, switches_per_box)
        return cls(*parts, 1 - mota, sum(weight * part for weight, part in zip(_WEIGHTS, parts, strict=True)))


@dataclass(frozen=True, eq=False, repr=False)
class TrackScores:
    """All families of scores of one class, in one sequence or over several.

    Parameters
    ----------
    hota : Hota
    clear : Clear
    identity : Identity
    count : TrackCount
    frames : FrameSeries or None
        Frame by frame; None over several sequences or classes.

    Examples
    --------
    >>> from lapsdata.metrics import tracking_scores
    >>> from lapsdata.testing.samples import sample_tracked
    >>> scores = tracking_scores(*sample_tracked()).classes["player"]
    >>> scores.clear.MOTA, scores.losses.mota
    (0.5, 0.5)
    >>> scores
    TrackScores(HOTA: 0.5590, MOTA: 0.5000, IDF1: 0.5714, IDSW: 1, true boxes: 4, predicted boxes: 3)
    """

    hota: Hota
    clear: Clear
    identity: Identity
    count: TrackCount
    frames: FrameSeries | None = None

    @property
    def losses(self) -> TrackLosses:
        """The losses that belong to these scores."""
        clear = self.clear
        return TrackLosses.of(
            precision=clear.CLR_Pr,
            recall=clear.CLR_Re,
            mean_iou=clear.mean_iou,
            switches_per_box=clear.IDSW / max(1, clear.CLR_TP + clear.CLR_FN),
            mota=clear.MOTA,
        )

    def as_trackeval(self) -> dict[str, dict[str, Any]]:
        """Return the values by TrackEval's names, family by family; arrays (19,) in HOTA."""
        families = {"HOTA": self.hota, "CLEAR": self.clear, "Identity": self.identity, "Count": self.count}
        return {name: family.as_trackeval() for name, family in families.items()}

    def summary(self) -> dict[str, float]:
        """Return one number for each of TrackEval's names: of arrays the mean over thresholds."""
        every = {name: value for family in self.as_trackeval().values() for name, value in family.items()}
        return {n: float(np.mean(value)) if isinstance(value, np.ndarray) else value for n, value in every.items()}

    def told(self) -> str:
        """Return the numbers that are looked at first, in one line."""
        ratios = {"HOTA": self.hota.HOTA.mean(), "MOTA": self.clear.MOTA, "IDF1": self.identity.IDF1}
        counts = {
            "IDSW": self.clear.IDSW,
            "true boxes": self.count.GT_Dets,
            "predicted boxes": self.count.Dets,
        }
        texts = [f"{name}: {value:.4f}" for name, value in ratios.items()]
        return ", ".join([*texts, *(f"{name}: {value}" for name, value in counts.items())])

    def __repr__(self) -> str:
        return f"TrackScores({self.told()})"

    @classmethod
    def combined(cls, parts: Sequence[Self], rules: ClearRules) -> Self:
        """Return the scores of several sequences or classes, every box of which counts once."""
        first = parts[0]
        return cls(
            type(first.hota).combined([part.hota for part in parts]),
            type(first.clear).combined([part.clear for part in parts], rules),
            type(first.identity).combined([part.identity for part in parts]),
            type(first.count).combined([part.count for part in parts]),
        )

    @classmethod
    def class_averaged(cls, parts: Sequence[Self]) -> Self:
        """Return the mean over classes, each of which has the same weight; counts are summed."""
        families = zip(*((part.hota, part.clear, part.identity, part.count) for part in parts), strict=True)
        return cls(*(type(family[0]).class_averaged(family) for family in families))


@dataclass(frozen=True, eq=False)
class SequenceTracking:
    """Scores of one sequence.

    Parameters
    ----------
    classes : mapping of str to TrackScores
        By class.
    left_out : LeftOut
        What took no part.

    Examples
    --------
    >>> from lapsdata.metrics import tracking_scores
    >>> from lapsdata.testing.samples import sample_tracked
    >>> sequence = tracking_scores(*sample_tracked()).sequences["rally"]
    >>> sequence.left_out.told(), sequence.classes["player"].frames.tp
    ({}, array([1, 1, 0, 1]))
    """

    classes: Mapping[str, TrackScores]
    left_out: LeftOut


class TrackingRules(NamedTuple):
    """How it was scored: two results can be compared where these are equal.

    Examples
    --------
    >>> TrackingRules("plain", "trackeval", "annotated", 0.5).rules
    'trackeval'
    """

    profile: ProfileName
    rules: ClearRules
    frames: FramePolicy
    threshold: float


@dataclass(frozen=True, eq=False, repr=False)
class TrackingScores:
    """What `tracking_scores` returns.

    Parameters
    ----------
    rules : TrackingRules
    sequences : mapping of str to SequenceTracking
        In the order of the truth.
    classes : mapping of str to TrackScores
        Each class over all sequences: counts summed, ratios made anew, HOTA by matches at each threshold.
    class_averaged : TrackScores
        The mean over classes, of equal weight each.
    detection_averaged : TrackScores
        All classes together, of equal weight each box.
    left_out : LeftOut
        What took no part, over all sequences.

    Examples
    --------
    >>> from lapsdata.metrics import tracking_scores
    >>> from lapsdata.testing.samples import sample_tracked
    >>> scores = tracking_scores(*sample_tracked())
    >>> scores.as_trackeval()["COMBINED_SEQ"]["player"]["Identity"]["IDTP"]
    2
    >>> scores
    TrackingScores(1 sequence)
      player: HOTA: 0.5590, MOTA: 0.5000, IDF1: 0.5714, IDSW: 1, true boxes: 4, predicted boxes: 3
    """

    rules: TrackingRules
    sequences: Mapping[str, SequenceTracking]
    classes: Mapping[str, TrackScores]
    class_averaged: TrackScores
    detection_averaged: TrackScores
    left_out: LeftOut

    @classmethod
    def of(cls, rules: TrackingRules, sequences: Mapping[str, SequenceTracking]) -> Self:
        """Return sequences, at least one, and what is made of all of them."""
        names = next(iter(sequences.values())).classes
        each = {name: [sequence.classes[name] for sequence in sequences.values()] for name in names}
        classes = {name: TrackScores.combined(parts, rules.rules) for name, parts in each.items()}
        every = list(classes.values())
        return cls(
            rules,
            sequences,
            classes,
            TrackScores.class_averaged(every),
            TrackScores.combined(every, rules.rules),
            sum((sequence.left_out for sequence in sequences.values()), LeftOut()),
        )

    def __repr__(self) -> str:
        count = len(self.sequences)
        head = f"TrackingScores({count} sequence{'s' if count > 1 else ''})"
        return "\n  ".join([head, *(f"{name}: {scores.told()}" for name, scores in self.classes.items())])

    def as_trackeval(self) -> dict[str, dict[str, dict[str, dict[str, Any]]]]:
        """Return the tree as TrackEval's evaluator does: sequence, class, family, name.

        `COMBINED_SEQ` has all sequences; in it, where there are several classes, `cls_comb_cls_av` and
        `cls_comb_det_av` have all classes.
        """
        out = {name: _trackeval(sequence.classes) for name, sequence in self.sequences.items()}
        every = dict(self.classes)
        if len(every) > 1:
            every |= {"cls_comb_cls_av": self.class_averaged, "cls_comb_det_av": self.detection_averaged}
        return out | {"COMBINED_SEQ": _trackeval(every)}


def _trackeval(classes: Mapping[str, TrackScores]) -> dict[str, dict[str, dict[str, Any]]]:
    return {name: scores.as_trackeval() for name, scores in classes.items()}
