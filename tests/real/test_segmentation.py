"""One call on GTEA: every number that other programs and the papers of the origin project gave of the same files."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pytest

from lapsdata.adapters.mstcn import read
from lapsdata.containers import Segments
from lapsdata.metrics import evaluate_segments, paired_differences, paired_label_differences
from lapsdata.testing.samples import labelled_segments
from lapsdata.timebase import FrameRate

if TYPE_CHECKING:
    from pathlib import Path

    from lapsdata.schema import SegmentationResult

OVERLAPS: Final = (0.1, 0.25, 0.5)
TOLERANCES_S: Final = (0.5, 1.0, 2.0, 5.0)
QUICK: Final[dict[str, Any]] = {"draws": 3, "shift_draws": 3}
# What others rounded to four digits.
FOUR: Final = 6e-5


def gtea(real_data: Path, split: str) -> Segments:
    made = read(real_data / "gtea", rate=15, split=split).container
    assert isinstance(made, Segments)
    return made


def predicted(real_data: Path, split: int) -> Segments:
    made = read(real_data / "gtea_predictions" / f"split_{split}", rate=15).container
    assert isinstance(made, Segments)
    return made


def metronome(truth: Segments, period_s: float) -> Segments:
    """Cut every video from 0 s on."""
    pieces: dict[str, list[tuple[str | None, float]]] = {}
    for video in truth.header.videos:
        edges = [*np.arange(0, video.end_s, period_s), video.end_s]
        pieces[video.name] = [("part", length) for length in np.diff(edges).tolist()]
    made = labelled_segments(pieces)
    # Sums of lengths are off by a bit: the videos end where they do.
    last = np.append(np.diff(made.video_index) > 0, True)
    ends = np.where(last, np.array([video.end_s for video in truth.header.videos])[made.video_index], made.end_s)
    return replace(made, header=made.header.model_copy(update={"videos": truth.header.videos}), end_s=ends)


@pytest.fixture(scope="module")
def expected(real_data: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((real_data / "gtea_predictions" / "expected_metrics.json").read_text())
    return document


@pytest.fixture(scope="module", params=[1, 2])
def scored(request: pytest.FixtureRequest, real_data: Path) -> tuple[int, SegmentationResult]:
    """Return a split and the scores of its predictions."""
    split: int = request.param
    truth, found = gtea(real_data, f"test.split{split}"), predicted(real_data, split)
    given: dict[str, Any] = {"rules": "ms-tcn", "rate": FrameRate(15), "tolerances_s": TOLERANCES_S}
    return split, evaluate_segments(truth, found, **given, **QUICK)


# --- expected_metrics.json --------------------------------------------------------------------------------------


def test_labels_have_every_expected_number(scored: tuple[int, SegmentationResult], expected: dict[str, Any]) -> None:
    split, result = scored
    wanted = expected["datasets"][f"gtea_predictions_selfaction/split_{split}"]
    labels = result.labels
    assert labels is not None
    row = labels.rows[0]
    assert 100 * row.accuracy_micro.mean == pytest.approx(wanted["acc_micro"], abs=FOUR)
    assert 100 * row.edit.mean == pytest.approx(wanted["edit_macro"], abs=FOUR)
    assert [100 * one.f.mean for one in row.f] == pytest.approx(wanted["F1@10,25,50"], abs=FOUR)
    assert {video.name for video in labels.videos} == set(wanted["videos"])
    for video in labels.videos:
        told = wanted["videos"][video.name]
        assert video.counted == told["frames"]
        assert 100 * video.correct / video.counted == pytest.approx(told["acc"], abs=FOUR)
        assert 100 * (1 - video.edits / video.longest) == pytest.approx(told["edit"], abs=FOUR)
        for at, overlap in enumerate(OVERLAPS):
            assert [video.tp[at], video.fp[at], video.fn[at]] == told["tp_fp_fn"][str(overlap)]


def test_boundaries_have_every_expected_number(
    scored: tuple[int, SegmentationResult], expected: dict[str, Any]
) -> None:
    split, result = scored
    wanted = expected["datasets"][f"gtea_predictions_selfaction/split_{split}"]["videos"]
    checked = same_boundaries(result, {name: told["boundary"] for name, told in wanted.items()})
    assert checked == len(result.boundaries.videos) * sum(
        float(at) in TOLERANCES_S for at in next(iter(wanted.values()))["boundary"]
    )
    for at, score in enumerate(result.boundaries.rows[0].scores):
        told = [one["boundary"].get(str(TOLERANCES_S[at])) for one in wanted.values()]
        if None not in told:
            means = np.mean([one["max_matching_P_R_F"] for one in told], axis=0)
            assert [score.macro.precision, score.macro.recall, score.macro.f] == pytest.approx(means, abs=1e-6)


def same_boundaries(result: SegmentationResult, wanted: dict[str, Any]) -> int:
    """Hold each video at each tolerance against precision, recall and F of another program, and count them."""
    checked = 0
    for video in result.boundaries.videos:
        for at, tolerance in enumerate(TOLERANCES_S):
            told = wanted[video.name].get(str(tolerance))
            if told is None:
                continue
            precision, recall, f = told["max_matching_P_R_F"]
            assert video.hits[at] / video.found == pytest.approx(precision, abs=1e-6), video.name
            assert video.hits[at] / video.truth == pytest.approx(recall, abs=1e-6), video.name
            assert 2 * video.hits[at] / (video.found + video.truth) == pytest.approx(f, abs=1e-6), video.name
            checked += 1
    return checked


def test_content_free_rows_have_every_expected_number(real_data: Path, expected: dict[str, Any]) -> None:
    truth = gtea(real_data, "test.split1")
    result = evaluate_segments(truth, metronome(truth, 2.0), tolerances_s=TOLERANCES_S, **QUICK)
    rows = expected["gtea_split1_content_free_baselines"]
    assert same_boundaries(result, {name: kinds["uniform_2s"] for name, kinds in rows.items()}) == 7 * 4
    assert [score.macro.f for score in result.boundaries.rows[0].scores] == pytest.approx(
        [0.3944, 0.6349, 0.7213, 0.8319], abs=FOUR
    )


# --- the rules of the origin project ----------------------------------------------------------------------------


def test_a_metronome_by_the_rules_of_laps_is_above_what_was_published(real_data: Path) -> None:
    """F1@2s 0.6008 and F1@5s 0.7173, of AP 0.0920 and 0.0041, stand in its log: a cut every 2 s has more of each."""
    truth = gtea(real_data, "test.split1")
    keys = evaluate_segments(truth, metronome(truth, 2.0), rules="laps-2025", **QUICK).old_keys
    assert keys is not None
    told = [keys[name] for name in ("F1@2.0s_mean", "F1@5.0s_mean", "mAP@0.5", "mAP@0.75")]
    assert told == pytest.approx([0.6952, 0.8050, 0.1868, 0.0072], abs=FOUR)
    assert all(ours > published for ours, published in zip(told, (0.6008, 0.7173, 0.0920, 0.0041), strict=True))
    train = gtea(real_data, "train.split1")
    keys = evaluate_segments(train, metronome(train, 2.0), rules="laps-2025", **QUICK).old_keys
    assert keys is not None
    assert [keys["F1@2.0s_mean"], keys["F1@5.0s_mean"]] == pytest.approx([0.7558, 0.8728], abs=FOUR)


# --- two predictions --------------------------------------------------------------------------------------------


def test_a_supervised_model_is_surely_better_than_a_metronome_where_it_counts(real_data: Path) -> None:
    """Strictly windowed it is; at 5 s nobody can tell."""
    truth = gtea(real_data, "test.split1")
    model, beats = (
        evaluate_segments(truth, found, rate=FrameRate(15), **QUICK)
        for found in (predicted(real_data, 1), metronome(truth, 2.0))
    )
    boundaries = paired_differences(model.boundaries, beats.boundaries, draws=2000)
    strict, loose = boundaries[1], boundaries[-1]
    assert strict.difference == pytest.approx(0.607 - 0.394, abs=1e-3)
    assert strict.p is not None
    assert loose.p is not None
    assert strict.p < 0.01 < 0.1 < loose.p
    assert model.labels is not None
    assert beats.labels is not None
    for one in paired_label_differences(model.labels, beats.labels, draws=2000):
        assert one.interval is not None
        assert one.interval[0] > 0
        assert (one.higher, one.lower) == (7, 0)
