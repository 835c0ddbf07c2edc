"""Results and matches of made-up trackers, for pictures of scores."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lapsdata.metrics.tracking.evaluation import evaluate_tracking
from lapsdata.metrics.tracking.matches import track_matches
from lapsdata.report._tracking_time import MatchedSequence
from tests.metrics.tracks_by_trackeval import boxes_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lapsdata.containers import Boxes
    from lapsdata.schema.tracking import TrackingResult

    Row = tuple[float | str, ...]

__all__ = ["LONG", "matched", "scored", "some_boxes", "walkers"]

LONG = "a_tracker_whose_settings_score_threshold_{}_and_miss_tolerance_20_are_told_in_its_name"
"""Names that differ in their middle, where a name that has no room is cut."""


def walkers(
    seed: int, frames: int, walking: int, *, missed: float = 0.0, changed: float = 0.0, label: str = "object"
) -> list[Row]:
    """Boxes that walk side by side; some are missed, some go on under another identity, and some are false."""
    random = np.random.default_rng(seed)
    rows: list[Row] = []
    for number in range(walking):
        name, begin = 10 + number, int(random.integers(0, max(1, frames // 3)))
        for frame in range(begin, frames):
            if random.random() < changed:
                name += 100
            if random.random() >= missed:
                rows.append((frame, name, 40.0 * number + missed, 3.0 * frame, 30.0, 60.0, label))
        if missed:
            rows.append((begin, 5000 + number, 1500.0, 900.0, 30.0, 60.0, label))
    return rows


def some_boxes(
    seed: int,
    *,
    frames: int = 30,
    walking: int = 4,
    sequences: Sequence[str] = ("one", "two"),
    labels: Sequence[str] = ("object",),
    annotated: Sequence[tuple[int, int]] | None = None,
    missed: float = 0.0,
    changed: float = 0.0,
) -> Boxes:
    """Boxes of each sequence and label."""
    rows = {
        name: [
            (row[0], row[1] + 20 * k, row[2], row[3] + 300 * k, *row[4:])  # type: ignore[operator]
            for k, label in enumerate(labels)
            for row in walkers(100 * seed + place, frames, walking, missed=missed, changed=changed, label=label)
        ]
        for place, name in enumerate(sequences)
    }
    return boxes_of(rows, frames, annotated=annotated)


def scored(truth: Boxes, trackers: Mapping[str, Boxes]) -> TrackingResult:
    return evaluate_tracking(truth, trackers, draws=2)


def matched(truth: Boxes, trackers: Mapping[str, Boxes]) -> dict[str, MatchedSequence]:
    found = {name: track_matches(truth, boxes) for name, boxes in trackers.items()}
    return {
        one.name: MatchedSequence(one.name, one.length, 1, {name: each[one.name] for name, each in found.items()})
        for one in truth.header.sequences
    }
