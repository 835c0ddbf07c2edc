"""The search for a threshold by what another energy takes for active."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from sklearn.metrics import f1_score

from lapsdata import formats
from lapsdata.containers import Energies
from lapsdata.errors import SchemaError
from lapsdata.schema import EnergiesHeader
from lapsdata.segmenters import otsu_threshold
from lapsdata.stages.threshold import read_threshold
from lapsdata.stages.threshold_search import LabelOptions, label_threshold
from lapsdata.testing.samples import sample_provenance

if TYPE_CHECKING:
    from pathlib import Path

    from lapsdata.schema.threshold import LabelSearch, ThresholdRecord


def energies(
    source: str, hop_s: float = 0.1, support_s: float = 0.1, begin_s: float = 0.0, **videos: list[float]
) -> Energies:
    """Return energies of windows; NaN is gated, minus infinity missing."""
    names = tuple(videos)
    header = EnergiesHeader(
        provenance=sample_provenance(), per="window", source=source, mode=f"{source}_mean", support_s=support_s,
        hop_s=hop_s, videos=names,
    )  # fmt: skip
    video = np.concatenate([np.full(len(videos[name]), at) for at, name in enumerate(names)])
    index = np.concatenate([np.arange(len(videos[name])) for name in names])
    values = np.concatenate([np.array(videos[name], np.float64) for name in names])
    state = np.where(np.isnan(values), 1, np.where(np.isinf(values), 2, 0)).astype(np.uint8)
    start = begin_s + index * hop_s
    return Energies(header, video, index, start, start + support_s, np.where(state == 0, values, np.nan), state)


VELOCITY = [0.1, 0.2, 9.0, 8.0, 0.1, 7.0]
QUANTIZED = [1.0, 2.0, 6.0, 7.0, 3.0, 5.0]
NOTHING, MISSING = float("nan"), -float("inf")


@pytest.fixture
def label(tmp_path: Path) -> Any:
    def run(target: Energies, others: Energies, **options: Any) -> ThresholdRecord:
        formats.write(tmp_path / "target.jsonl", target, overwrite=True)
        formats.write(tmp_path / "labels.jsonl", others, overwrite=True)
        files = (tmp_path / name for name in ("target.jsonl", "labels.jsonl", "t.json"))
        output, run.problems = label_threshold(*files, LabelOptions(**options), force=True)
        assert read_threshold(tmp_path / "t.json") == output.content
        return output.content

    return run


def searched(record: ThresholdRecord) -> LabelSearch:
    assert record.label_search is not None
    return record.label_search


@pytest.mark.parametrize("objective", ["f1", "youden"])
def test_what_agrees_is_parted_in_the_middle(label: Any, objective: str) -> None:
    record = label(energies("quantized", a=QUANTIZED), energies("velocity", a=VELOCITY), objective=objective)
    found = searched(record)
    assert (record.method, record.source, record.value) == ("pseudo_labels", "quantized", pytest.approx(np.sqrt(15)))
    assert (found.score, found.rows, found.active, found.candidates) == (1.0, 6, 3, 7)
    assert (found.labels_source, found.labels_mode, found.labels_method) == ("velocity", "velocity_mean", "otsu_log")
    assert found.labels_threshold == otsu_threshold(energies("velocity", a=VELOCITY)).value
    assert (found.plateau_low, found.plateau_high) == (3.0, 5.0)
    assert [parent.role for parent in record.provenance.parents] == ["energies", "labels"]
    assert label.problems == ()


def test_labels_are_told_by_otsu_or_by_a_number(label: Any) -> None:
    target, labels = energies("quantized", a=QUANTIZED), energies("velocity", a=[0.1, 0.5, 8.0, 9.0, 1.0, 2.0])
    found = [searched(label(target, labels, labels=how)) for how in ("otsu", "otsu-linear", 1.5)]
    assert [one.labels_method for one in found] == ["otsu_log", "otsu_linear", "given"]
    assert found[2].labels_threshold == 1.5
    assert [one.active for one in found][1:] == [2, 3]


def test_no_threshold_agrees_better(label: Any) -> None:
    random = np.random.default_rng(0)
    speed = np.exp(random.normal(0, 1, 300))
    code = speed * np.exp(random.normal(0, 1, 300))
    record = label(energies("quantized", a=code.tolist()), energies("velocity", a=speed.tolist()), labels=1.0)
    scores = [f1_score(speed >= 1.0, code >= one) for one in np.sort(code)]
    assert searched(record).score == pytest.approx(max(scores))
    assert f1_score(speed >= 1.0, code >= record.value) == pytest.approx(max(scores))
    curve = searched(record).curve
    assert len(curve) == 200
    assert (record.value, searched(record).score) in curve
    for threshold, score in curve:
        assert f1_score(speed >= 1.0, code >= threshold, zero_division=0.0) == pytest.approx(score)


def test_the_curve_parts_neighbours_in_float64(label: Any) -> None:
    code = np.array([1.0, np.nextafter(1.0, 2), 2.0, 5.0, 6.0, 7.0])
    speed = np.array([9.0, 0.1, 0.1, 9.0, 9.0, 9.0])
    record = label(energies("quantized", a=code.tolist()), energies("velocity", a=speed.tolist()), labels=1.0)
    curve = searched(record).curve
    assert len(curve) == 7
    for threshold, score in curve:
        assert f1_score(speed >= 1.0, code >= threshold, zero_division=0.0) == pytest.approx(score)


def test_energies_that_agree_with_nothing_are_told(label: Any) -> None:
    upside_down = energies("quantized", a=[9.0, 8.0, 2.0, 3.0, 7.0, 1.0])
    record = label(upside_down, energies("velocity", a=VELOCITY))
    assert searched(record).reaches == ("lowest",)
    assert [problem.code for problem in label.problems] == ["threshold-outside"]


def test_rows_of_other_times_are_refused_and_told(label: Any) -> None:
    target = energies("quantized", a=QUANTIZED, b=QUANTIZED)
    fewer = energies("velocity", a=VELOCITY[:5], b=VELOCITY)
    with pytest.raises(
        SchemaError, match=r"labels: 'a': expected 6 rows of the same times as .*, got 5; .*--align middles"
    ):
        label(target, fewer)
    later = energies("velocity", begin_s=0.05, a=VELOCITY, b=VELOCITY)
    with pytest.raises(
        SchemaError, match=r"'a': expected rows of the same times, 0.000 s to 0.100 s in row 0, got 0.050 s"
    ) as caught:
        label(target, later)
    assert [problem.code for problem in caught.value.problems] == ["windows-differ"] * 2


def test_a_row_has_the_label_of_the_row_around_its_middle(label: Any) -> None:
    """Windows of 0.4 s against steps of 0.1 s: the label is that of the step in their middle."""
    speed = [0.1] * 4 + [9.0] * 4 + [0.1] * 4
    target = energies("quantized", hop_s=0.4, support_s=0.39, a=[1.0, 5.0, 2.0])
    found = searched(label(target, energies("velocity", a=speed), alignment="middles"))
    assert (found.alignment, found.rows, found.active, found.score) == ("middles", 3, 1, 1.0)


def test_rows_beyond_all_labels_are_left_out_and_counted(label: Any) -> None:
    target = energies("quantized", a=[*QUANTIZED, 100.0, 100.0])
    record = label(target, energies("velocity", a=VELOCITY), alignment="middles")
    assert (searched(record).rows, record.policies) == (6, {"rows_without_label": 2})


def test_rows_without_a_value_are_left_out_and_counted(label: Any) -> None:
    target = energies("quantized", a=[*QUANTIZED, NOTHING, MISSING, 4.5, 0.5])
    labels = energies("velocity", a=[*VELOCITY, 9.0, 9.0, MISSING, NOTHING])
    record = label(target, labels)
    assert (searched(record).rows, searched(record).active) == (7, 3)
    assert record.policies == {"rows_without_energy": 2, "rows_without_label": 1, "gated_labels_quiet": 1}


def test_other_videos_and_labels_of_one_kind_are_refused(label: Any) -> None:
    target = energies("quantized", a=QUANTIZED)
    with pytest.raises(SchemaError, match=r"got 'a' here alone and 'b' there alone; .*\[other-videos\]"):
        label(target, energies("velocity", b=VELOCITY))
    with pytest.raises(SchemaError, match=r"expected frames of both kinds, got 6 active ones of 6.*\[one-class\]"):
        label(target, energies("velocity", a=VELOCITY), labels=0.01)
    with pytest.raises(SchemaError, match=r"expected rows with an energy and a label, got none"):
        label(target, energies("velocity", begin_s=10.0, a=VELOCITY), alignment="middles")
