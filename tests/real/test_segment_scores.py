"""Frame accuracy, edit, F at an overlap and temporal AP: the numbers that other programs gave of the same files."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest

from lapsdata.metrics.segmental import (
    FrameCounts,
    SegmentCounts,
    edit_score,
    frame_counts,
    overlap_counts,
    runs_of,
    without,
)
from lapsdata.metrics.temporal_ap import Detections, average_precision

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

OVERLAPS = (0.1, 0.25, 0.5)
RATE = 15


class Pair(NamedTuple):
    """Labels of the frames of one video."""

    truth: NDArray[np.int64]
    found: NDArray[np.int64]


@pytest.fixture(scope="module")
def classes(real_data: Path) -> dict[str, int]:
    rows = (line.split() for line in (real_data / "gtea" / "mapping.txt").read_text().splitlines() if line)
    return {name: int(number) for number, name in rows}


@pytest.fixture(scope="module")
def expected(real_data: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((real_data / "gtea_predictions" / "expected_metrics.json").read_text())
    return found["datasets"]


def pairs_of(folder: Path, split: int, names: list[str], classes: dict[str, int]) -> dict[str, Pair]:
    made = {}
    for name in names:
        truth = (folder / "gtea" / "groundTruth" / f"{name}.txt").read_text().split()
        found = (folder / "gtea_predictions" / f"split_{split}" / name).read_text().splitlines()[1].split()
        made[name] = Pair(*(np.array([classes[word] for word in words]) for words in (truth, found)))
    return made


@pytest.mark.parametrize("split", [1, 2])
def test_every_number_of_the_predictions_is_the_expected_one(
    split: int, real_data: Path, classes: dict[str, int], expected: dict[str, Any]
) -> None:
    wanted = expected[f"gtea_predictions_selfaction/split_{split}"]
    pairs = pairs_of(real_data, split, list(wanted["videos"]), classes)
    frames, edits, counts = [], [], []
    for name, (truth, found) in pairs.items():
        of_video = wanted["videos"][name]
        runs = [without(runs_of(labels), [classes["background"]]) for labels in (truth, found)]
        frames.append(frame_counts(truth, found))
        edits.append(edit_score(*(one.label for one in runs)))
        counts.append(overlap_counts(*runs, OVERLAPS))
        assert frames[-1].frames == of_video["frames"]
        assert 100 * frames[-1].accuracy == pytest.approx(of_video["acc"], abs=1e-4)
        assert 100 * edits[-1] == pytest.approx(of_video["edit"], abs=1e-4)
        for overlap, count in zip(OVERLAPS, counts[-1], strict=True):
            assert [count.tp, count.fp, count.fn] == of_video["tp_fp_fn"][str(overlap)]
    assert 100 * FrameCounts.pooled(frames).accuracy == pytest.approx(wanted["acc_micro"], abs=1e-4)
    assert 100 * float(np.mean(edits)) == pytest.approx(wanted["edit_macro"], abs=1e-4)
    pooled = [100 * SegmentCounts.pooled(each).f for each in zip(*counts, strict=True)]
    assert pooled == pytest.approx(wanted["F1@10,25,50"], abs=1e-4)


def test_temporal_ap_is_that_of_mmaction2(real_data: Path) -> None:
    folder = real_data / "temporal_ap" / "eval_localization"
    truth = {
        name.removeprefix("v_"): one["annotations"]
        for name, one in json.loads((folder / "gt.json").read_text()).items()
    }
    found = json.loads((folder / "result.json").read_text())["results"]
    videos = sorted(truth)
    labels = sorted({row["label"] for rows in truth.values() for row in rows})

    def columns(given: dict[str, Any]) -> Detections:
        rows = [(videos.index(name), *row["segment"], labels.index(row["label"]), row.get("score", 1.0))
                for name in videos for row in given[name]]  # fmt: skip
        video, start, end, label, score = (np.array(column) for column in zip(*rows, strict=True))
        return Detections(video, start.astype(float), end.astype(float), label, score.astype(float))

    got = average_precision(columns(truth)._replace(score=None), columns(found))
    wanted = [0.71428571, 0.71428571, 0.71428571, 0.6875, 0.6875, 0.59722222, 0.52083333, 0.52083333, 0.52083333, 0.5]
    np.testing.assert_allclose(got.mean, wanted, atol=1e-8)
    assert got.mean.mean() == pytest.approx(0.6177579365079365, abs=1e-12)


def test_a_metronome_has_the_ap_that_was_measured_elsewhere(real_data: Path) -> None:
    """Cuts every 2 s from 0 s on, as long as each part is its score, ties in order of the split file, then of start."""
    names = (real_data / "gtea" / "splits" / "test.split1.bundle").read_text().split()
    true, beats = [], []
    for video, name in enumerate(names):
        labels = (real_data / "gtea" / "groundTruth" / name).read_text().split()
        numbers = np.unique(labels, return_inverse=True)[1].astype(np.int64)
        runs = runs_of(numbers)
        true += [(video, a / RATE, b / RATE) for a, b in zip(runs.start, runs.end, strict=True)]
        edges = [*np.arange(0, len(labels) / RATE, 2.0), len(labels) / RATE]
        beats += [(video, a, b) for a, b in itertools.pairwise(edges) if b > a]
    sides = []
    for rows in (true, beats):
        video, start, end = (np.array(column) for column in zip(*rows, strict=True))
        sides.append(Detections(video, start.astype(float), end.astype(float), np.zeros(len(video), np.int64)))
    truth, found = sides
    assert len(truth.label) == 227
    found = found._replace(score=found.end_s - found.start_s)
    got = average_precision(truth, found, (0.5, 0.75), edges="last_bit").mean
    np.testing.assert_allclose(got, [0.1868, 0.0072], atol=6e-5)
    # What overlaps by just a half or three quarters makes a difference.
    assert (average_precision(truth, found, (0.5, 0.75)).mean > got + 3e-4).all()
