"""Labels, average precision and clusters of real segments: the numbers that other programs gave of the same files."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import mir_eval
import numpy as np
import pytest

from lapsdata.adapters.mstcn import read
from lapsdata.containers import Segments
from lapsdata.errors import LengthMismatchError
from lapsdata.metrics import (
    ACTIVITYNET_OVERLAPS,
    PROFILES,
    adjusted_mutual_information,
    adjusted_rand,
    ap_table,
    cluster_table,
    evaluate_ap,
    evaluate_clusters,
    evaluate_labels,
    label_table,
    normalised_mutual_information,
    v_measure,
)
from lapsdata.testing.samples import labelled_segments
from lapsdata.timebase import FrameRate

if TYPE_CHECKING:
    from pathlib import Path

    from lapsdata.schema import EndReason

OVERLAPS = (0.1, 0.25, 0.5)
MS_TCN = PROFILES["ms-tcn"].labels
LAPS_AP = PROFILES["laps-2025"].ap


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
    edges = {video.name: [*np.arange(0, video.end_s, period_s), video.end_s] for video in truth.header.videos}
    made = labelled_segments({name: [("part", 1.0)] * (len(times) - 1) for name, times in edges.items()})
    return replace(
        made,
        header=made.header.model_copy(update={"videos": truth.header.videos}),
        start_s=np.concatenate([times[:-1] for times in edges.values()]),
        end_s=np.concatenate([times[1:] for times in edges.values()]),
    )


@pytest.mark.parametrize("rate", [FrameRate(15), None])
@pytest.mark.parametrize("split", [1, 2])
def test_every_number_of_the_predictions_is_the_expected_one(
    split: int, rate: FrameRate | None, real_data: Path
) -> None:
    """By the frames of MS-TCN, and by time as well: all of it is on the grid."""
    document = json.loads((real_data / "gtea_predictions" / "expected_metrics.json").read_text())
    wanted = document["datasets"][f"gtea_predictions_selfaction/split_{split}"]
    assert MS_TCN is not None
    truth, train = gtea(real_data, f"test.split{split}"), gtea(real_data, f"train.split{split}")
    scores = evaluate_labels(truth, predicted(real_data, split), rate=rate, train=train, draws=20, **MS_TCN)
    assert {video.name for video in scores.videos} == set(wanted["videos"])
    for video in scores.videos:
        of_video = wanted["videos"][video.name]
        assert video.counted == (of_video["frames"] if rate else round(of_video["frames"] / 15 * 1e6))
        assert 100 * video.correct / video.counted == pytest.approx(of_video["acc"], abs=1e-4)
        assert 100 * (1 - video.edits / video.longest) == pytest.approx(of_video["edit"], abs=1e-4)
        for at, overlap in enumerate(OVERLAPS):
            assert [video.tp[at], video.fp[at], video.fn[at]] == of_video["tp_fp_fn"][str(overlap)]
    first = scores.rows[0]
    assert 100 * first.accuracy_micro.mean == pytest.approx(wanted["acc_micro"], abs=1e-4)
    assert 100 * first.edit.mean == pytest.approx(wanted["edit_macro"], abs=1e-4)
    assert [100 * one.f.mean for one in first.f] == pytest.approx(wanted["F1@10,25,50"], abs=1e-4)
    assert scores.policies == {}
    # What looks at no video is far below, in every number.
    for row in scores.rows[1:]:
        assert row.accuracy_micro.mean < 0.4
        assert row.edit.mean < 0.65
        assert row.f[0].f.mean < 0.4


def test_background_moves_the_score_by_a_tenth(real_data: Path) -> None:
    truth, found = gtea(real_data, "test.split1"), predicted(real_data, 1)
    with_it, without = (
        evaluate_labels(truth, found, rate=FrameRate(15), background=words, draws=1).rows[0].f[2].f.mean
        for words in ((), ("background",))
    )
    assert without - with_it > 0.1


def test_the_metronome_has_the_ap_that_laps_would_have_given_it(real_data: Path) -> None:
    truth = gtea(real_data, "test.split1")
    assert LAPS_AP is not None
    scores = evaluate_ap(truth, metronome(truth, 2.0), draws=20, **LAPS_AP)
    assert scores.classes[0].truth == 227
    assert [one.mean for one in scores.rows[0].ap] == pytest.approx([0.1868, 0.0072], abs=6e-5)
    assert "The prediction is not above chance in AP@0.75" in ap_table(scores).replace("\n", " ")
    # It is what is spelled in the profile that makes the difference.
    default = PROFILES["default"].ap
    assert default is not None
    assert evaluate_ap(truth, metronome(truth, 2.0), draws=1, **default).rows[0].ap[0].mean < 0.17


def test_temporal_ap_is_that_of_mmaction2(real_data: Path) -> None:
    folder = real_data / "temporal_ap" / "eval_localization"
    truth = {
        name.removeprefix("v_"): one["annotations"]
        for name, one in json.loads((folder / "gt.json").read_text()).items()
    }
    found = json.loads((folder / "result.json").read_text())["results"]

    def segments(given: dict[str, Any]) -> Segments:
        why: tuple[EndReason] = ("annotation",)
        rows = [
            (at, *map(float, row["segment"]), row["label"], float(row.get("score", math.nan)))
            for at, name in enumerate(sorted(truth))
            for row in sorted(given[name], key=lambda one: one["segment"][0])
        ]
        header = labelled_segments({name: [(None, 1e4)] for name in sorted(truth)}).header
        video, start, end, label, score = zip(*rows, strict=True)
        return Segments(
            header.model_copy(update={"overlap": True}), np.array(video), np.array(start), np.array(end),
            why * len(rows), label, score=np.array(score),
        )  # fmt: skip

    scores = evaluate_ap(
        segments(truth), segments(found), overlaps=ACTIVITYNET_OVERLAPS, classes="each", confidence="score",
        ties="given", draws=20,
    )  # fmt: skip
    wanted = [0.71428571, 0.71428571, 0.71428571, 0.6875, 0.6875, 0.59722222, 0.52083333, 0.52083333, 0.52083333, 0.5]
    assert [one.mean for one in scores.rows[0].ap] == pytest.approx(wanted, abs=1e-8)
    assert scores.rows[0].mean.mean == pytest.approx(0.6177579365079365, abs=1e-12)


@pytest.mark.parametrize("number", range(10))
def test_agreement_is_that_of_mir_eval(number: int, real_data: Path) -> None:
    """Frames of 0.1 s, as its own numbers were made of; its means of entropies differ from one to the other."""
    folder = real_data / "mir_eval_segment"
    wanted = json.loads((folder / f"output{number:02}.json").read_text())
    (true, names), (found, words) = (
        mir_eval.io.load_labeled_intervals(str(folder / f"{side}{number:02}.lab")) for side in ("ref", "est")
    )
    true, names = mir_eval.util.adjust_intervals(true, labels=names, t_min=0.0)
    found, words = mir_eval.util.adjust_intervals(found, labels=words, t_min=0.0, t_max=true.max())
    rows, columns = (
        np.unique(mir_eval.util.intervals_to_samples(*side, sample_size=0.1)[1], return_inverse=True)[1]
        for side in ((true, names), (found, words))
    )
    table = np.zeros((rows.max() + 1, columns.max() + 1), np.int64)
    np.add.at(table, (rows, columns), 1)
    v = v_measure(table)
    got = {
        "Adjusted Rand Index": adjusted_rand(table),
        "Adjusted Mutual Information": adjusted_mutual_information(table, "max"),
        "Normalized Mutual Information": normalised_mutual_information(table, "geometric"),
        "V-measure": v.v,
    }
    assert {name: float(value) for name, value in got.items()} == pytest.approx({name: wanted[name] for name in got})
    pair = sorted((float(v.homogeneity), float(v.completeness)))
    assert pair == pytest.approx(sorted((wanted["V Precision"], wanted["V Recall"])))


@pytest.mark.parametrize(("scope", "accuracy"), [("video", 0.7613), ("all", 0.7591)])
def test_clusters_are_beside_parts_that_saw_nothing(scope: Any, accuracy: float, real_data: Path) -> None:
    truth, found = gtea(real_data, "test.split1"), predicted(real_data, 1)
    scores = evaluate_clusters(truth, found, scope=scope, rate=FrameRate(15), draws=20)
    assert scores.rows[0].accuracy_micro.mean == pytest.approx(accuracy, abs=1e-4)
    parts = next(row for row in scores.rows if row.name == "uniform_clusters")
    # Equal parts are a third and more of the way: within videos nearly half of the time is theirs.
    assert parts.accuracy_micro.mean == pytest.approx({"video": 0.4375, "all": 0.2750}[scope], abs=1e-3)


def test_tables_are_narrow(real_data: Path) -> None:
    truth, found = gtea(real_data, "test.split1"), predicted(real_data, 1)
    train = gtea(real_data, "train.split1")
    tables = [
        label_table(evaluate_labels(truth, found, train=train, draws=5)),
        ap_table(evaluate_ap(truth, found, overlaps=ACTIVITYNET_OVERLAPS, classes="each", draws=5)),
        cluster_table(evaluate_clusters(truth, found, draws=5)),
    ]
    for table in tables:
        assert max(map(len, table.splitlines())) <= 80
        assert "not above chance" not in table


def test_silence_of_breakfast_is_an_action_unless_it_is_said(real_data: Path) -> None:
    """As MS-TCN scores it: the same background list for all data sets."""
    truth = read(real_data / "breakfast_labels", rate=15).container
    assert isinstance(truth, Segments)
    silences = sum(label == "SIL" for label in truth.label)
    assert silences > 0
    for background, wanted in ((("background",), len(truth)), (("SIL",), len(truth) - silences)):
        scores = evaluate_labels(truth, truth, rate=FrameRate(15), background=background, draws=5)
        assert sum(video.tp[0] for video in scores.videos) == wanted
        assert scores.rows[0].f[2].f.mean == scores.rows[0].edit.mean == 1.0


def test_one_rate_for_another_is_an_error_with_both_numbers(real_data: Path) -> None:
    """Predictions at half the rate of the labels: nothing is cut to fit."""
    truth, found = gtea(real_data, "test.split1"), read(real_data / "gtea_predictions" / "split_1", rate=30).container
    assert isinstance(found, Segments)
    with pytest.raises(LengthMismatchError, match="found: S1_Cheese_C1: expected 943 frames as in the truth, got 471"):
        evaluate_labels(truth, found, rate=FrameRate(15), draws=1)
    cut = evaluate_labels(truth, found, rate=FrameRate(15), length="cut", draws=1)
    assert cut.rules.length == "cut"
    assert cut.policies["truth_cut_frames"] > 4000
