"""Pictures of GTEA: every true segment has the colour of its class, and the curve the values of mir_eval."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import mir_eval
import numpy as np
import pytest

from lapsdata.adapters.mstcn import read
from lapsdata.metrics import evaluate_boundaries
from lapsdata.report._curve_ink import PREDICTION
from lapsdata.report._timeline_ink import class_looks
from lapsdata.report.timelines import draw_timeline, timeline_layout
from lapsdata.report.tolerance_curve import draw_tolerance_curve, tolerance_curve_layout

if TYPE_CHECKING:
    from pathlib import Path

TOLERANCES = (0.25, 0.5, 1.0, 2.0, 5.0)


def rgb(colour: str) -> list[int]:
    return [int(colour[at : at + 2], 16) for at in (1, 3, 5)]


@pytest.fixture
def split(real_data: Path) -> tuple[Any, Any]:
    """Truth and prediction of the first split."""
    truth = read(real_data / "gtea", rate=15, split="test.split1").container
    return truth, read(real_data / "gtea_predictions" / "split_1", rate=15).container


def test_every_true_segment_has_the_colour_of_its_class(split: tuple[Any, Any]) -> None:
    truth, found = split
    looks = class_looks(sorted({*truth.label, *found.label}))
    for number, video in enumerate(truth.header.videos[:3]):
        layout = timeline_layout(video.name, found, [], truth)
        image = draw_timeline(video.name, found, [], truth)
        assert layout.truth is not None
        row = image[layout.truth.y + 3]
        rows = np.flatnonzero(truth.video_index == number)
        for at in rows[truth.end_s[rows] - truth.start_s[rows] > 0.4]:
            left, right = (round(layout.column(edge[at])) for edge in (truth.start_s, truth.end_s))
            # Patterns are white, and so are seams.
            seen = row[left + 2 : right - 2]
            colour = rgb(looks[truth.label[at]]["facecolor"])
            assert (seen == colour).all(axis=-1).mean() > 0.4, (video.name, truth.label[at], truth.start_s[at])


def test_the_curve_of_the_predictions_is_that_of_mir_eval(split: tuple[Any, Any]) -> None:
    truth, found = split
    result = evaluate_boundaries(truth, found, tolerances_s=TOLERANCES, draws=2)
    image, layout = draw_tolerance_curve(result), tolerance_curve_layout(result)
    for tolerance in TOLERANCES:
        scores = []
        for number, video in enumerate(truth.header.videos):
            other = [one.name for one in found.header.videos].index(video.name)
            both = [
                np.stack([given.start_s, given.end_s], axis=1)[given.video_index == index]
                for given, index in ((truth, number), (found, other))
            ]
            # A hair more than the tolerance: ours is inclusive in whole microseconds.
            scores.append(mir_eval.segment.detection(*both, window=tolerance + 1e-7, trim=True)[2])
        x, y = layout.place(tolerance, float(np.mean(scores)))
        assert image[round(y), round(x)].tolist() == rgb(PREDICTION), tolerance
