"""HOTA: detection, association and localisation in one score, over thresholds of overlap (Luiten et al. 2021)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from lapsdata.metrics.tracking._family import Family

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lapsdata.metrics.tracking._overlaps import Overlaps

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

__all__ = ["ALPHAS", "Hota", "hota_of"]

ALPHAS = np.arange(0.05, 0.99, 0.05)
"""The 19 thresholds of overlap, 0.05 to 0.95."""
ALPHAS.flags.writeable = False

# A location without a match is perfect: this much of nothing over as much of it.
_NOTHING = 1e-10


@dataclass(frozen=True, eq=False)
class Hota(Family):
    """Scores over the 19 thresholds `ALPHAS`; the number that is reported is the mean over them.

    Parameters
    ----------
    HOTA, DetA, AssA : float64 (19,)
        The geometric mean of how well is detected and how well identities are kept, and both of them; 0 to 1.
    DetRe, DetPr, AssRe, AssPr : float64 (19,)
        Recall and precision of both.
    LocA : float64 (19,)
        Mean overlap of what is matched; 1 where nothing is.
    OWTA : float64 (19,)
        The geometric mean of `DetRe` and `AssA`, for truths that leave objects out.
    HOTA_TP, HOTA_FN, HOTA_FP : int64 (19,)
        Boxes that are matched, true ones that are not, predicted ones that are not.
    HOTA_0, LocA_0, HOTALocA_0 : float
        At the lowest threshold, and their product; `HOTA(0)`, `LocA(0)` and `HOTALocA(0)` in TrackEval.

    References
    ----------
    Luiten et al., "HOTA: A Higher Order Metric for Evaluating Multi-Object Tracking", IJCV 2021.

    Examples
    --------
    >>> nothing = np.zeros(19, np.int64)
    >>> scores = Hota.of(nothing, nothing + 4, nothing, np.zeros((3, 19)), np.zeros(19))
    >>> float(scores.HOTA.mean()), float(scores.LocA.mean()), int(scores.HOTA_FN[0])
    (0.0, 1.0, 4)
    """

    COUNTS: ClassVar[tuple[str, ...]] = ("HOTA_TP", "HOTA_FN", "HOTA_FP")
    SPELLING: ClassVar[dict[str, str | None]] = {
        "HOTA_0": "HOTA(0)",
        "LocA_0": "LocA(0)",
        "HOTALocA_0": "HOTALocA(0)",
    }

    HOTA: Floats
    DetA: Floats
    AssA: Floats
    DetRe: Floats
    DetPr: Floats
    AssRe: Floats
    AssPr: Floats
    LocA: Floats
    OWTA: Floats
    HOTA_TP: Integers
    HOTA_FN: Integers
    HOTA_FP: Integers
    HOTA_0: float
    LocA_0: float
    HOTALocA_0: float

    @classmethod
    def of(cls, tp: Integers, fn: Integers, fp: Integers, association: Floats, overlap: Floats) -> Self:
        """Return the scores from counts (19,), sums over matches of AssA, AssRe, AssPr (3, 19), and of overlaps (19,).

        Examples
        --------
        >>> one = np.ones(19, np.int64)
        >>> Hota.of(one, one, 0 * one, np.ones((3, 19)), 0.8 * one).DetA[:2]
        array([0.5, 0.5])
        """
        ass_a, ass_re, ass_pr = association / np.maximum(1, tp)
        det_a, det_re, det_pr = (tp / np.maximum(1, tp + others) for others in (fn + fp, fn, fp))
        hota = np.sqrt(det_a * ass_a)
        loc_a = np.maximum(_NOTHING, overlap) / np.maximum(_NOTHING, tp)
        return cls(
            HOTA=hota,
            DetA=det_a,
            AssA=ass_a,
            DetRe=det_re,
            DetPr=det_pr,
            AssRe=ass_re,
            AssPr=ass_pr,
            LocA=loc_a,
            OWTA=np.sqrt(det_re * ass_a),
            HOTA_TP=tp,
            HOTA_FN=fn,
            HOTA_FP=fp,
            HOTA_0=float(hota[0]),
            LocA_0=float(loc_a[0]),
            HOTALocA_0=float(hota[0] * loc_a[0]),
        )

    @classmethod
    def combined(cls, parts: Sequence[Self]) -> Self:
        """Return the scores of several sequences or classes together: each match counts once.

        The mean of their HOTA would be another number, and the wrong one.
        """
        tp, fn, fp = (sum((getattr(part, name) for part in parts), np.zeros(19, np.int64)) for name in cls.COUNTS)
        association = sum((np.stack([p.AssA, p.AssRe, p.AssPr]) * p.HOTA_TP for p in parts), np.zeros((3, 19)))
        return cls.of(tp, fn, fp, association, sum((p.LocA * p.HOTA_TP for p in parts), np.zeros(19)))


def hota_of(overlaps: Overlaps) -> Hota:
    """Return the scores of one sequence.

    Each frame is matched once, so that alignment of the identities times overlap is as much as can be; alignment is the
    share of the frames of both identities in which they are one object, softly where several boxes overlap. At each
    threshold the matches with less overlap fall away.
    """
    from lapsdata.metrics.tracking._frame_loops import match_hota

    pairs = overlaps.pairs
    true, found = overlaps.frames
    together = true.count[pairs.true] + found.count[pairs.found]
    matched, overlap = match_hota(overlaps.starts, overlaps.sparse, pairs.of_overlap, together, ALPHAS.copy())
    tp = matched.sum(axis=0)
    union = np.maximum(1, together[:, None] - matched)
    shares = (matched / of for of in (union, true.count[pairs.true][:, None], found.count[pairs.found][:, None]))
    association = np.stack([(matched * share).sum(axis=0) for share in shares])
    return Hota.of(tp, len(true) - tp, len(found) - tp, association, overlap)
