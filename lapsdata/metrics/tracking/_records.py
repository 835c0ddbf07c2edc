"""Tracking scores as records: what they hold is enough to combine their sequences anew."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING, get_args

from lapsdata.schema.tracking import (
    AlphaName,
    ScoreName,
    TrackCountName,
    TrackLeftOut,
    TrackLossRecord,
    TrackNumbers,
    TrackRow,
    TrackSequenceScores,
    TrackValues,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lapsdata.metrics.tracking.left_out import LeftOut
    from lapsdata.metrics.tracking.result import TrackingScores, TrackScores

__all__ = ["left_out_record", "numbers_record", "row_record", "values_record"]


def numbers_record(scores: TrackScores) -> TrackNumbers:
    """Return the numbers of one class."""
    every = scores.summary()
    said = {name: float(every[name]) for name in get_args(ScoreName)}
    return TrackNumbers(
        # Only a mean of nothing is no number.
        scores={name: None if math.isnan(value) else value for name, value in said.items()},
        counts={name: int(every[name]) for name in get_args(TrackCountName)},
        mean_iou=float(scores.clear.mean_iou),
        losses=TrackLossRecord(**{name: float(value) for name, value in scores.losses._asdict().items()}),
    )


def values_record(scores: TrackScores) -> TrackValues:
    """Return the numbers of one class, and those of HOTA at each threshold."""
    numbers = numbers_record(scores)
    return TrackValues(
        scores=numbers.scores,
        counts=numbers.counts,
        mean_iou=numbers.mean_iou,
        losses=numbers.losses,
        by_alpha={name: tuple(map(float, getattr(scores.hota, name).tolist())) for name in get_args(AlphaName)},
    )


def left_out_record(left_out: LeftOut) -> TrackLeftOut:
    """Return what took no part."""
    return TrackLeftOut(**asdict(left_out))


def row_record(
    name: str,
    scores: TrackingScores,
    *,
    settings: Mapping[str, float | str] | None = None,
    min_score: float | None = None,
) -> TrackRow:
    """Return a tracker with all its sequences."""
    several = len(scores.classes) > 1
    return TrackRow(
        name=name,
        kind="prediction",
        settings=dict(settings or {}),
        min_score=min_score,
        left_out=left_out_record(scores.left_out),
        classes={name: values_record(one) for name, one in scores.classes.items()},
        class_averaged=values_record(scores.class_averaged) if several else None,
        detection_averaged=values_record(scores.detection_averaged) if several else None,
        sequences=tuple(
            TrackSequenceScores(
                name=name,
                left_out=left_out_record(sequence.left_out),
                classes={label: values_record(one) for label, one in sequence.classes.items()},
            )
            for name, sequence in scores.sequences.items()
        ),
    )
