"""The stage that tells where loud begins: kept, told anew, and refused where nothing moves."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from lapsdata import formats
from lapsdata.containers import Energies
from lapsdata.errors import CorruptDataError, SchemaError, StorageError
from lapsdata.schema import EnergiesHeader
from lapsdata.segmenters import otsu_threshold
from lapsdata.stages.threshold import (
    GivenOptions,
    OtsuOptions,
    find_threshold,
    read_threshold,
    threshold_options,
    told_threshold,
)
from lapsdata.testing.samples import sample_provenance

if TYPE_CHECKING:
    from pathlib import Path

STEP_S = 0.1


def energies(values: list[float], *, source: str = "velocity", per: str = "step") -> Energies:
    """Return energies of one video, ten per second."""
    header = EnergiesHeader(
        provenance=sample_provenance(), per=per, source=source, mode=f"{source}_{per}", support_s=STEP_S,
        hop_s=STEP_S, videos=("clip",),
    )  # fmt: skip
    at = np.arange(len(values))
    kinds = np.zeros(len(values), np.uint8)
    return Energies(header, np.zeros_like(at), at, at * STEP_S, (at + 1) * STEP_S, np.array(values), kinds)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    formats.write(tmp_path / "e.jsonl", energies([0.2, 0.3, 40.0, 55.0, 0.25]))
    return tmp_path / "e.jsonl"


def test_it_says_what_it_was_told_from(file: Path, tmp_path: Path) -> None:
    output, problems = find_threshold(file, tmp_path / "t.json")
    found = output.content
    assert (output.fate, problems) == ("made", ())
    assert found.value == pytest.approx(np.sqrt(0.3 * 40))
    assert (found.lowest, found.highest, found.above) == (0.2, 55.0, 0.4)
    assert (found.method, found.source, found.mode) == ("otsu_log", "velocity", "velocity_step")
    assert found.counts["measured"] == 5
    assert [parent.role for parent in found.provenance.parents] == ["energies"]
    assert read_threshold(tmp_path / "t.json") == found


def test_another_question_is_answered_anew(file: Path, tmp_path: Path) -> None:
    out = tmp_path / "t.json"
    fates = [
        find_threshold(file, out, options)[0].fate
        for options in (None, None, OtsuOptions(method="otsu-linear"), GivenOptions(value=3), GivenOptions(value=3))
    ]
    assert fates == ["made", "kept", "changed", "changed", "kept"]
    assert read_threshold(out).value == 3


def test_what_looks_wrong_is_told_of_a_kept_one_too(file: Path, tmp_path: Path) -> None:
    for fate in ("made", "kept"):
        output, problems = find_threshold(file, tmp_path / "t.json", GivenOptions(value=0))
        assert output.fate == fate
        assert [problem.code for problem in problems] == ["threshold-outside"]


def test_energies_that_logarithms_leave_out_are_told_of_a_kept_one_too(tmp_path: Path) -> None:
    formats.write(tmp_path / "e.jsonl", energies([-0.5, 0.2, 0.3, 40.0, 55.0]))
    for fate in ("made", "kept"):
        output, (problem,) = find_threshold(tmp_path / "e.jsonl", tmp_path / "t.json")
        assert (output.fate, problem.code, problem.severity) == (fate, "negative-energies", "warning")
        assert "got energies down to -0.5" in problem.message
    linear = OtsuOptions(method="otsu-linear")
    assert find_threshold(tmp_path / "e.jsonl", tmp_path / "linear.json", linear)[1] == ()


def test_a_changed_digit_is_told(file: Path, tmp_path: Path) -> None:
    out = tmp_path / "t.json"
    find_threshold(file, out, GivenOptions(value=3.5))
    out.write_text(out.read_text().replace("3.5", "8.5"))
    with pytest.raises(CorruptDataError, match=r"t.json: expected crc32c"):
        read_threshold(out)
    assert find_threshold(file, out, GivenOptions(value=3.5))[0].fate == "damaged"
    assert read_threshold(out).value == 3.5


def test_noise_has_no_threshold() -> None:
    """Regression: a static camera before a still table gave segments, for noise parts as well as motion does."""
    noise = energies([0.2, 0.9, 0.5, 0.7])
    with pytest.raises(SchemaError, match=r"mean speed of 0.1 pixel per frame, got 0.09 at most: .* is noise"):
        told_threshold(noise, OtsuOptions())
    assert told_threshold(energies([0.2, 1.1, 0.5, 0.7]), OtsuOptions()).value < 1.1
    asked = told_threshold(noise, OtsuOptions(least_motion_px=0))
    assert asked.value == otsu_threshold(noise).value
    assert told_threshold(noise, GivenOptions(value=0.6)).value == 0.6


@pytest.mark.parametrize("kind", [{"source": "quantized"}, {"per": "window"}])
def test_other_units_are_not_taken_for_pixels(kind: dict[str, str]) -> None:
    assert told_threshold(energies([0.02, 0.03, 0.05], **kind), OtsuOptions()).method == "otsu_log"


def test_all_the_same_has_none() -> None:
    with pytest.raises(SchemaError, match=r"expected positive energies that differ"):
        told_threshold(energies([0.0, 0.0, 0.0]), OtsuOptions())


def test_words_and_numbers() -> None:
    assert threshold_options("otsu") == OtsuOptions()
    assert threshold_options("otsu-linear") == OtsuOptions(method="otsu-linear")
    assert threshold_options("1e-3") == GivenOptions(value=0.001)
    for text in ("high", "nan", ""):
        with pytest.raises(SchemaError, match=r"threshold|finite|value"):
            threshold_options(text)


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"nowhere.jsonl"):
        find_threshold(tmp_path / "nowhere.jsonl", tmp_path / "t.json")
    assert not (tmp_path / "t.json").exists()


def test_smoothing_is_told(tmp_path: Path) -> None:
    raw = energies([0.2, 0.3, 40.0, 55.0, 0.25])
    smooth = replace(raw, header=raw.header.model_copy(update={"smoothing": "ema 0.5 s"}))
    formats.write(tmp_path / "e.jsonl", smooth)
    assert find_threshold(tmp_path / "e.jsonl", tmp_path / "t.json")[0].content.smoothing == "ema 0.5 s"
