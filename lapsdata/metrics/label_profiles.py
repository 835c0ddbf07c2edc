"""What one word for all rules means for labels, average precision and clusters: options of `evaluate_...` as data."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lapsdata.metrics.temporal_ap import EdgeRule, TieRule
    from lapsdata.schema.ap_scores import ApClasses, ApConfidence
    from lapsdata.schema.label_scores import LengthPolicy
    from lapsdata.schema.segment_clusters import BackgroundTime, ClusterScope

__all__ = ["LABEL_PROFILES", "ApOptions", "ClusterOptions", "LabelOptions", "LabelProfile"]


class LabelOptions(TypedDict):
    """Options of `evaluate_labels` that are rules.

    Examples
    --------
    >>> LABEL_PROFILES["ms-tcn"].labels["overlaps"]
    (0.1, 0.25, 0.5)
    """

    overlaps: tuple[float, ...]
    background: tuple[str, ...]
    length: LengthPolicy


class ApOptions(TypedDict):
    """Options of `evaluate_ap` that are rules.

    Examples
    --------
    >>> LABEL_PROFILES["laps-2025"].ap["ties"]
    'given'
    """

    overlaps: tuple[float, ...]
    classes: ApClasses
    confidence: ApConfidence
    ties: TieRule
    edges: EdgeRule
    background: tuple[str, ...]


class ClusterOptions(TypedDict):
    """Options of `evaluate_clusters` that are rules.

    Examples
    --------
    >>> LABEL_PROFILES["default"].clusters["scope"]
    'video'
    """

    scope: ClusterScope
    background: tuple[str, ...]
    background_time: BackgroundTime
    length: LengthPolicy


@dataclass(frozen=True, slots=True)
class LabelProfile:
    """What one word means for each part; None for a part that was never scored by such rules.

    Parameters
    ----------
    labels : LabelOptions or None
    ap : ApOptions or None
    clusters : ClusterOptions or None
    counts_frames : bool
        Labels are counted in frames or not at all: a rate is needed.

    Examples
    --------
    >>> LABEL_PROFILES["ms-tcn"].ap is None, LABEL_PROFILES["ms-tcn"].counts_frames
    (True, True)
    """

    labels: LabelOptions | None
    ap: ApOptions | None
    clusters: ClusterOptions | None
    counts_frames: bool = False


_MS_TCN: LabelOptions = {"overlaps": (0.1, 0.25, 0.5), "background": ("background",), "length": "raise"}

LABEL_PROFILES: Mapping[str, LabelProfile] = MappingProxyType(
    {
        # Nothing decides by accident: wrong ones first among equals, and just enough is enough.
        "default": LabelProfile(
            labels=_MS_TCN,
            ap={
                "overlaps": (0.5, 0.75),
                "classes": "agnostic",
                "confidence": "score_or_duration",
                "ties": "worst",
                "edges": "exact",
                "background": (),
            },
            clusters={
                "scope": "video",
                "background": ("background",),
                "background_time": "as_any_label",
                "length": "raise",
            },
        ),
        # Its evaluation has boundaries and one AP of all segments, background among them, and looks at no label.
        "laps-2025": LabelProfile(
            labels=None,
            ap={
                "overlaps": (0.5, 0.75),
                "classes": "agnostic",
                "confidence": "score_or_duration",
                "ties": "given",
                "edges": "last_bit",
                "background": (),
            },
            clusters=None,
        ),
        # The same background list for all data sets: SIL of Breakfast and the ends of 50Salads are actions.
        "ms-tcn": LabelProfile(labels=_MS_TCN, ap=None, clusters=None, counts_frames=True),
    }
)
"""Options by the word for all rules."""
