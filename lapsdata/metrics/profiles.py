"""Rules that go by one name: options of `evaluate_...` as data, for boundaries, labels and average precision."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple, TypedDict

from lapsdata.metrics.boundary import TOLERANCES_S
from lapsdata.metrics.label_evaluation import LABEL_OVERLAPS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lapsdata.schema.ap_scores import ApClasses, ApConfidence, EdgeRule, TieRule
    from lapsdata.schema.label_scores import LengthPolicy
    from lapsdata.schema.result import BoundaryCounting, BoundaryEmpty, BoundaryMatching
    from lapsdata.schema.segmentation import RulesProfile

__all__ = ["PROFILES", "ApOptions", "LabelOptions", "Profile"]


class LabelOptions(TypedDict):
    """Options of `evaluate_labels` that are rules.

    Examples
    --------
    >>> PROFILES["ms-tcn"].labels["overlaps"]
    (0.1, 0.25, 0.5)
    """

    overlaps: tuple[float, ...]
    background: tuple[str, ...]
    length: LengthPolicy


class ApOptions(TypedDict):
    """Options of `evaluate_ap` that are rules.

    Examples
    --------
    >>> PROFILES["laps-2025"].ap["ties"]
    'given'
    """

    overlaps: tuple[float, ...]
    classes: ApClasses
    confidence: ApConfidence
    ties: TieRule
    edges: EdgeRule
    background: tuple[str, ...]


class Profile(NamedTuple):
    """The rules of a name; None for a part that was never scored by such rules.

    Parameters
    ----------
    counting : {"once", "each_end"}
    matching : {"maximum", "greedy"}
    empty : {"both_1_one_0", "no_truth_precision_1"}
    labels : LabelOptions or None
    ap : ApOptions or None
    tolerances_s : tuple of float, seconds
        Those of `evaluate_segments` where none are asked for.
    counts_frames : bool
        Labels are counted in frames or not at all: a rate is needed.

    Examples
    --------
    >>> PROFILES["laps-2025"].counting, PROFILES["laps-2025"].matching, PROFILES["laps-2025"].labels
    ('each_end', 'greedy', None)
    """

    counting: BoundaryCounting
    matching: BoundaryMatching
    empty: BoundaryEmpty
    labels: LabelOptions | None
    ap: ApOptions | None
    tolerances_s: tuple[float, ...] = TOLERANCES_S
    counts_frames: bool = False


_MS_TCN: LabelOptions = {"overlaps": LABEL_OVERLAPS, "background": ("background",), "length": "raise"}

PROFILES: Mapping[RulesProfile, Profile] = MappingProxyType(
    {
        # Nothing decides by accident: wrong ones first among equals, and just enough is enough.
        "default": Profile(
            "once",
            "maximum",
            "both_1_one_0",
            labels=_MS_TCN,
            ap={
                "overlaps": (0.5, 0.75),
                "classes": "agnostic",
                "confidence": "score_or_duration",
                "ties": "worst",
                "edges": "exact",
                "background": (),
            },
        ),
        # tools/eval_segmentation.py of LAPS: starts after 0 and ends before the duration, each for itself; true
        # boundaries in order of time, each with the nearest free one; mean over videos; two tolerances stand in its
        # tables. One AP of all segments, background among them, and no look at any label.
        "laps-2025": Profile(
            "each_end",
            "greedy",
            "no_truth_precision_1",
            labels=None,
            ap={
                "overlaps": (0.5, 0.75),
                "classes": "agnostic",
                "confidence": "score_or_duration",
                "ties": "given",
                "edges": "last_bit",
                "background": (),
            },
            tolerances_s=(2.0, 5.0),
        ),
        # The same background list for all data sets: SIL of Breakfast and the ends of 50Salads are actions.
        "ms-tcn": Profile("once", "maximum", "both_1_one_0", labels=_MS_TCN, ap=None, counts_frames=True),
    }
)
"""Rules by name."""
