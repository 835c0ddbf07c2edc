"""Boxes made by hand, and what TrackEval's own classes say of them: it needs neither files nor folders for that."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.containers import Boxes
from lapsdata.schema import BoxesHeader, BoxSequence, FrameRange
from lapsdata.schema.base import Size
from lapsdata.testing.samples import sample_provenance

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from lapsdata.metrics import TrackScores

    Row = tuple[Any, ...]
    """Frame, identity, x, y, w, h, and where a test needs them label and whether it is to be ignored."""

__all__ = ["Families", "assert_same", "boxes_of", "by_trackeval", "given_to_trackeval", "joined", "random_rows"]

Families = dict[str, dict[str, Any]]
"""TrackEval's values: family, name."""

TO_TEXT = np.array([1.5, 1.5, 0, 0])
"""From the centre of the first pixel to where MOTChallenge counts from."""


def boxes_of(
    rows: Mapping[str, Sequence[Row]],
    length: int = 10,
    *,
    annotated: Sequence[tuple[int, int]] | None = None,
    labels: tuple[str, ...] | None = None,
    source: tuple[str, ...] | None = None,
) -> Boxes:
    """Return the boxes of each sequence, all of them equally long and annotated."""
    spans = tuple(FrameRange(start=first, stop=last) for first, last in annotated or [(0, length)])
    size = Size(width=1920, height=1080)
    names = tuple(
        BoxSequence(name=name, length=length, size=size, annotated=() if annotated == [] else spans) for name in rows
    )
    every = [(n, *row) for n, name in enumerate(rows) for row in sorted(rows[name], key=lambda row: row[0])]
    numbers = [np.array([row[i] for row in every], np.int64) for i in range(3)]
    places = [np.array([row[i] for row in every], np.float64) for i in range(3, 7)]
    return Boxes(
        BoxesHeader(provenance=sample_provenance(), sequences=names, labels=labels),
        *numbers,
        *places,
        tuple(row[7] if len(row) > 7 else "object" for row in every),
        source or ("hand",) * len(every),
        np.array([len(row) > 8 and row[8] for row in every], np.bool_),
    )


def random_rows(seed: int, frames: int, identities: int, wide: float = 60.0) -> list[Row]:
    """Return boxes of up to so many identities in each frame, crowded, in an order of their own."""
    random = np.random.default_rng(seed)
    rows: list[Row] = []
    for frame in range(frames):
        for number in random.permutation(identities)[: random.integers(0, identities + 1)].tolist():
            rows.append((frame, number, *(wide * random.random(2)), *(5 + 20 * random.random(2))))
    return rows


def overlaps(true: NDArray[np.float64], found: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return TrackEval's own overlaps of boxes (n, 4) and (m, 4)."""
    from trackeval.datasets import MotChallenge2DBox

    made: NDArray[np.float64] = MotChallenge2DBox._calculate_box_ious(true, found)
    return made


def given_to_trackeval(
    true: Sequence[Row], found: Sequence[Row], frames: Iterable[int], *, shift: NDArray[np.float64] | float = TO_TEXT
) -> dict[str, Any]:
    """Return rows as TrackEval reads them from texts, whose pixels count from 1; frames in this order."""
    numbered = list(frames)
    ids, places, counts = [], [], []
    for rows in (true, found):
        each = [[row for row in rows if row[0] == frame] for frame in numbered]
        number = {name: i for i, name in enumerate(sorted({row[1] for here in each for row in here}))}
        ids.append([np.array([number[row[1]] for row in here], int) for here in each])
        places.append([np.array([row[2:6] for row in here], float).reshape(-1, 4) + shift for here in each])
        counts.append((len(number), sum(map(len, each))))
    return {
        "num_timesteps": len(numbered),
        "num_gt_ids": counts[0][0],
        "num_tracker_ids": counts[1][0],
        "num_gt_dets": counts[0][1],
        "num_tracker_dets": counts[1][1],
        "gt_ids": ids[0],
        "tracker_ids": ids[1],
        "similarity_scores": [overlaps(*both) for both in zip(*places, strict=True)],
    }


@functools.cache
def metrics(threshold: float) -> dict[str, Any]:
    from trackeval.metrics import CLEAR, HOTA, Count, Identity

    config = {"THRESHOLD": threshold, "PRINT_CONFIG": False}
    return {"HOTA": HOTA(), "CLEAR": CLEAR(config), "Identity": Identity(config), "Count": Count()}


def by_trackeval(data: dict[str, Any], threshold: float = 0.5) -> Families:
    """Return the scores of one sequence and class."""
    return {name: metric.eval_sequence(data) for name, metric in metrics(threshold).items()}


def joined(parts: Mapping[str, Families], how: str) -> Families:
    """Return the scores of several sequences or classes, by a method of TrackEval's metrics."""
    return {
        name: getattr(metric, how)({key: part[name] for key, part in parts.items()})
        for name, metric in metrics(0.5).items()
    }


def assert_same(scores: TrackScores | Families, said: Families, within: float = 1e-9) -> None:
    """Hold every field of every family against what was said."""
    mine = scores if isinstance(scores, dict) else scores.as_trackeval()
    assert mine.keys() == said.keys()
    for family, fields in said.items():
        # Of single sequences TrackEval also says how many frames it was given.
        assert mine[family].keys() == fields.keys() - {"Frames"}, family
        for name, value in mine[family].items():
            np.testing.assert_allclose(value, fields[name], rtol=0, atol=within, err_msg=f"{family} {name}")
