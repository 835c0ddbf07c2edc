"""CLEAR: misses, false alarms and switches of identity, and how closely boxes fit (Bernardin and Stiefelhagen 2008)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, Self

import numpy as np

from lapsdata.metrics.tracking._family import Family

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lapsdata.metrics.tracking._overlaps import Overlaps

__all__ = ["Clear", "ClearMatches", "ClearRules", "clear_of", "match_frames"]

ClearRules = Literal["trackeval", "py-motmetrics"]
"""Whose rules: they differ in what is matched, in MOTP, and in what is mostly tracked."""

_MOSTLY, _PARTLY = 0.8, 0.2


@dataclass(frozen=True, eq=False)
class Clear(Family):
    """Scores at one threshold of overlap.

    Parameters
    ----------
    MOTA, MODA, MOTAL, sMOTA : float
        1 less misses, false alarms and switches, per true box; without switches; with their logarithm; and with
        overlaps in the place of matches. Below 0 where there are more errors than boxes.
    MOTP : float
        Mean overlap of matches, 0 of none; by the rules of py-motmetrics mean distance (1 - overlap), NaN of none.
    CLR_Re, CLR_Pr, CLR_F1 : float
        Recall, precision, and both.
    MTR, PTR, MLR : float
        Shares of true identities that are mostly tracked, partly, and mostly lost.
    FP_per_frame, MOTP_sum : float
        False alarms per frame; overlaps of all matches, summed.
    CLR_TP, CLR_FN, CLR_FP, IDSW : int
        Matches, misses, false alarms; matches with another identity than the last one.
    MT, PT, ML : int
        Identities tracked in more than 80 % of their frames (py-motmetrics: in 80 % or more), in 20 % or more, in less.
    Frag : int
        How often identities are tracked again after they were lost.
    CLR_Frames : int
        Frames; 0 of a sequence in which one side has no box at all.
    mean_iou : float
        Mean overlap of matches by any rules, 0 of none; not in TrackEval.

    References
    ----------
    Bernardin and Stiefelhagen, "Evaluating Multiple Object Tracking Performance: The CLEAR MOT Metrics", 2008.

    Examples
    --------
    >>> scores = Clear.of({"CLR_TP": 8, "CLR_FN": 2, "CLR_FP": 1, "IDSW": 1, "ML": 2}, overlap=6.0)
    >>> scores.MOTA, scores.MOTP, scores.MLR
    (0.6, 0.75, 1.0)
    """

    COUNTS: ClassVar[tuple[str, ...]] = (
        "CLR_TP",
        "CLR_FN",
        "CLR_FP",
        "IDSW",
        "MT",
        "PT",
        "ML",
        "Frag",
        "CLR_Frames",
    )
    SPELLING: ClassVar[dict[str, str | None]] = {"mean_iou": None}

    MOTA: float
    MOTP: float
    MODA: float
    CLR_Re: float
    CLR_Pr: float
    MTR: float
    PTR: float
    MLR: float
    sMOTA: float  # noqa: N815 - its name everywhere
    CLR_F1: float
    FP_per_frame: float
    MOTAL: float
    MOTP_sum: float
    CLR_TP: int
    CLR_FN: int
    CLR_FP: int
    IDSW: int
    MT: int
    PT: int
    ML: int
    Frag: int
    CLR_Frames: int
    mean_iou: float

    @classmethod
    def of(cls, counts: dict[str, int], overlap: float, rules: ClearRules = "trackeval") -> Self:
        """Return the scores from counts, 0 where they lack, and the sum of overlaps.

        Examples
        --------
        >>> Clear.of({"CLR_TP": 2}, 1.5, "py-motmetrics").MOTP
        0.25
        """
        every = dict.fromkeys(cls.COUNTS, 0) | counts
        tp, fn, fp, switches = (every[name] for name in ("CLR_TP", "CLR_FN", "CLR_FP", "IDSW"))
        boxes = max(1, tp + fn)
        identities = max(1, every["MT"] + every["PT"] + every["ML"])
        mean_iou = overlap / max(1, tp)
        return cls(
            MOTA=(tp - fp - switches) / boxes,
            MOTP=mean_iou if rules == "trackeval" else 1 - mean_iou if tp else float("nan"),
            MODA=(tp - fp) / boxes,
            CLR_Re=tp / boxes,
            CLR_Pr=tp / max(1, tp + fp),
            MTR=every["MT"] / identities,
            PTR=every["PT"] / identities,
            MLR=every["ML"] / identities,
            sMOTA=(overlap - fp - switches) / boxes,
            CLR_F1=tp / max(1.0, tp + 0.5 * fn + 0.5 * fp),
            FP_per_frame=fp / max(1, every["CLR_Frames"]),
            MOTAL=(tp - fp - (float(np.log10(switches)) if switches else 0)) / boxes,
            MOTP_sum=overlap,
            mean_iou=mean_iou,
            **every,
        )

    @classmethod
    def of_one_side(cls, true: int, identities: int, found: int, rules: ClearRules) -> Self:
        """Return what TrackEval says of a sequence where one side has no box at all: counts, MLR 1, and nothing else.

        Examples
        --------
        >>> scores = Clear.of_one_side(true=0, identities=0, found=5, rules="trackeval")
        >>> scores.MOTA, scores.MLR, scores.CLR_FP, scores.CLR_Frames
        (0.0, 1.0, 5, 0)
        """
        names = (name for name in cls._names() if name not in cls.COUNTS)
        counts = {"CLR_FN": true, "ML": identities, "CLR_FP": found}
        ratios = dict.fromkeys(names, 0.0) | {"MLR": 1.0, "MOTP": cls.of({}, 0.0, rules).MOTP}
        every: dict[str, Any] = ratios | dict.fromkeys(cls.COUNTS, 0) | counts
        return cls(**every)

    @classmethod
    def combined(cls, parts: Sequence[Self], rules: ClearRules = "trackeval") -> Self:
        """Return the scores of several sequences or classes together: counts are summed, ratios made anew."""
        counts = {name: sum(getattr(part, name) for part in parts) for name in cls.COUNTS}
        return cls.of(counts, sum((part.MOTP_sum for part in parts), 0.0), rules)


class ClearMatches(NamedTuple):
    """What was matched, frame by frame and identity by identity.

    Parameters
    ----------
    frames : float64 (3, F)
        Matches, switches, and the sum of overlaps of each frame.
    tracked, begun : int64 (true identities,)
        Frames in which each identity is matched, and how often that begins.
    predicted : int64 (true boxes,)
        Which predicted box each is matched with; -1 for none.

    Examples
    --------
    >>> ClearMatches(np.zeros((3, 2)), np.zeros(1, int), np.zeros(1, int), np.full(2, -1)).frames.shape
    (3, 2)
    """

    frames: NDArray[np.float64]
    tracked: NDArray[np.int64]
    begun: NDArray[np.int64]
    predicted: NDArray[np.int64]


def match_frames(overlaps: Overlaps, threshold: float, rules: ClearRules) -> ClearMatches:
    """Return who is matched with whom in one sequence; see `match_clear` and `match_nearest`."""
    from lapsdata.metrics.tracking._frame_loops import match_clear, match_nearest

    match = match_clear if rules == "trackeval" else match_nearest
    true, found = overlaps.frames
    return ClearMatches(*match(overlaps.starts, overlaps.sparse, (true.id, found.id), len(true.count), threshold))


def clear_of(overlaps: Overlaps, matches: ClearMatches, rules: ClearRules) -> Clear:
    """Return the scores of one sequence."""
    true, found = overlaps.frames
    if not len(true) or not len(found):
        return Clear.of_one_side(len(true), len(true.count), len(found), rules)
    ratio = matches.tracked / true.count
    mostly = int(np.sum(ratio > _MOSTLY if rules == "trackeval" else ratio >= _MOSTLY))
    partly = int(np.sum(ratio >= _PARTLY)) - mostly
    tp, switches, overlap = matches.frames.sum(axis=1).tolist()
    counts = {
        "CLR_TP": round(tp),
        "CLR_FN": len(true) - round(tp),
        "CLR_FP": len(found) - round(tp),
        "IDSW": round(switches),
        "MT": mostly,
        "PT": partly,
        "ML": len(ratio) - mostly - partly,
        "Frag": int(np.sum(np.maximum(matches.begun - 1, 0))),
        "CLR_Frames": len(true.start) - 1,
    }
    return Clear.of(counts, overlap, rules)
