"""The curve of a report by its function alone: when it is taken again, of which files, and when it is not."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from lapsdata import formats
from lapsdata.metrics import CHANCE_ROWS
from lapsdata.provenance import parent
from lapsdata.stages._named_prediction import NamedPrediction
from lapsdata.stages._report_curve import CURVE_S, curve_scores
from lapsdata.stages.evaluate import EvaluateOptions, ScoredFiles, segment_scores
from lapsdata.testing.made_up_labels import write_made_up_labels
from lapsdata.testing.samples import labelled_segments

if TYPE_CHECKING:
    from pathlib import Path

    from lapsdata.schema import SegmentationResult

PIECES = {
    "truth": {"tea": [("pour", 2.0), ("background", 1.0), ("stir", 3.0)], "milk": [("pour", 4.0), ("stir", 2.0)]},
    "found": {"tea": [("pour", 2.2), ("background", 1.0), ("stir", 2.8)], "milk": [("pour", 3.0), ("stir", 3.0)]},
    "train": {"rice": [("pour", 1.5), ("stir", 4.0)]},
}


@pytest.fixture
def files(tmp_path: Path) -> ScoredFiles:
    for name, pieces in PIECES.items():
        formats.write(tmp_path / f"{name}.parquet", labelled_segments(pieces))
    return ScoredFiles(tmp_path / "found.parquet", tmp_path / "truth.parquet", None, tmp_path / "train.parquet")


def taken(files: ScoredFiles, **options: Any) -> SegmentationResult:
    return segment_scores(files, EvaluateOptions(**{"draws": 3, "shift_draws": 3, **options}))[0]


def given(files: ScoredFiles) -> list[tuple[Any, Path]]:
    """Return the files as a report has them."""
    by_role = {"segments": files.found, "truth": files.truth, "energies": files.energies, "train": files.train}
    return [(parent(role, path), path) for role, path in by_role.items() if isinstance(path, type(files.truth))]


def test_tolerances_of_a_curve_rise_evenly_on_a_logarithm() -> None:
    steps = [after / before for before, after in pairwise(CURVE_S)]
    assert min(steps) > 1.2
    assert max(steps) < 1.35
    assert (CURVE_S[0], CURVE_S[-1]) == (0.1, 5.0)


@pytest.mark.parametrize("rules", ["default", "laps-2025"])
def test_a_curve_agrees_with_the_scores_wherever_both_are(files: ScoredFiles, rules: str) -> None:
    few = taken(files, rules=rules, tolerances_s=(0.15, 0.5, 7.0), seed=4)
    many = curve_scores(few, given(files))
    assert many is not None
    assert many.rules.tolerances_s == tuple(sorted({*CURVE_S, 0.15, 7.0}))
    assert many.rules.as_json() | {"tolerances_s": None} == few.boundaries.rules.as_json() | {"tolerances_s": None}
    for ours, theirs in zip(few.boundaries.rows, many.rows, strict=True):
        assert (ours.name, ours.parameters.get("seed")) == (theirs.name, theirs.parameters.get("seed"))
        by_tolerance = {score.tolerance_s: score for score in theirs.scores}
        assert [by_tolerance[score.tolerance_s].macro for score in ours.scores] == [one.macro for one in ours.scores]
    f = [score.macro.f for score in many.rows[0].scores]
    if rules == "default":
        # As many pairs as the tolerance allows: a wider one has no fewer.
        assert f == sorted(f)
    assert {row.name for row in many.rows} >= set(CHANCE_ROWS)


@pytest.mark.parametrize("role", ["found", "truth", "train"])
def test_a_file_that_is_not_given_takes_no_curve(files: ScoredFiles, role: str) -> None:
    few = taken(files, tolerances_s=(0.5, 1.0))
    without = [one for one in given(files) if one[1] != getattr(files, role)]
    assert len(without) == 2
    assert curve_scores(few, without) == few.boundaries
    # One that has changed since is not the one that was scored.
    formats.write(getattr(files, role), labelled_segments({"rice": [("pour", 5.0)]}), overwrite=True)
    assert curve_scores(few, given(files)) == few.boundaries


def test_a_file_that_the_scores_do_not_know_does_not_matter(files: ScoredFiles, tmp_path: Path) -> None:
    few = taken(files._replace(train=None), tolerances_s=(0.5, 1.0))
    with_more = curve_scores(few, given(files))
    assert with_more == curve_scores(few, given(files._replace(train=None)))
    assert with_more is not None
    assert "train_copy" not in [row.name for row in with_more.rows]


def test_scores_of_a_word_have_no_file_to_be_taken_again(files: ScoredFiles) -> None:
    few = taken(files._replace(found=NamedPrediction("uniform", 2.0)))
    assert curve_scores(few, given(files)) == few.boundaries


def test_a_single_tolerance_is_a_curve_only_where_it_can_be_taken_again(files: ScoredFiles) -> None:
    alone = taken(files, tolerances_s=(0.5,))
    assert curve_scores(alone, []) is None
    many = curve_scores(alone, given(files))
    assert many is not None
    assert len(many.rules.tolerances_s) == len(CURVE_S)


@pytest.mark.parametrize("place", ["", "groundTruth"])
def test_a_split_is_taken_again_with_its_train_split(tmp_path: Path, place: str) -> None:
    root = tmp_path / "data"
    write_made_up_labels(root, seconds=6.0)
    found = tmp_path / "found.parquet"
    files = ScoredFiles(found, root / place)
    whole = NamedPrediction("uniform", 1.5)
    source = segment_scores(files._replace(found=whole), EvaluateOptions(rate="15", draws=1, shift_draws=1))[0]
    cut = {video.name: [("a", 1.0), ("b", video.end_s - 1.0)] for video in source.boundaries.videos}
    formats.write(found, labelled_segments(cut))
    few = taken(files, rate="15", split="test.split1", tolerances_s=(0.5, 1.0), end_slack_s=1e-3)
    many = curve_scores(few, given(files))
    assert many is not None
    assert many.truth_digest == few.boundaries.truth_digest
    assert len(many.rules.tolerances_s) == len(CURVE_S)
    assert "train_copy" in [row.name for row in many.rows]
    # Another list of videos under the same name is another truth.
    (root / "splits" / "test.split1.bundle").write_text("S1_Tea_C1.txt\n")
    assert curve_scores(few, given(files)) == few.boundaries
