"""Boundary scores on GTEA's own truth: the numbers that two other programs gave, and what chance gets there."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import mir_eval
import numpy as np
import pytest

from lapsdata.metrics import (
    boundary_scores,
    boundary_table,
    evaluate_boundaries,
    inner_boundaries,
    match_boundaries,
    nearest_distances,
    not_above_chance,
    periodic_boundaries,
    random_boundaries,
    uniform_boundaries,
)

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from lapsdata.schema import BoundaryResult, BoundaryRow

RATE: Final = 15
TOLERANCES: Final = (0.5, 1.0, 2.0, 5.0)
# Scores of facts measured elsewhere are rounded to four or three digits.
FOUR, THREE = 6e-5, 6e-4

Cuts = dict[str, "NDArray[np.float64]"]


def cuts_of(labels: list[str]) -> NDArray[np.float64]:
    """Return where one label follows another."""
    return np.array([i for i in range(1, len(labels)) if labels[i] != labels[i - 1]], np.float64) / RATE


class Gtea(NamedTuple):
    """The videos of one test split."""

    spans: dict[str, tuple[float, float]]
    truth: Cuts

    def metronome(self, period_s: float) -> Cuts:
        return {name: periodic_boundaries(span, period_s) for name, span in self.spans.items()}

    def parts(self, count: int) -> Cuts:
        return {name: uniform_boundaries(span, count - 1) for name, span in self.spans.items()}

    def score(self, found: Cuts, *, laps: bool = False, **options: Any) -> BoundaryResult:
        """Score by our rules, or by those of LAPS, by which touching segments count twice."""
        few = {"draws": 2, "shift_draws": 2, "resamples": 2}
        options = few | {"spans_s": self.spans, "tolerances_s": TOLERANCES} | options
        if not laps:
            return evaluate_boundaries(self.truth, found, **options)
        truth, found = ({name: np.repeat(cuts, 2) for name, cuts in given.items()} for given in (self.truth, found))
        return evaluate_boundaries(truth, found, rules="laps-2025", **options)

    def parts_of(self, cuts: Cuts, name: str) -> NDArray[np.float64]:
        """Return the segments between the cuts of a video."""
        edges = np.array([self.spans[name][0], *cuts[name], self.spans[name][1]])
        return np.stack([edges[:-1], edges[1:]], axis=1)


def macro(result: BoundaryResult, name: str = "prediction") -> list[float]:
    return [score.macro.f for score in row_of(result, name).scores]


def row_of(result: BoundaryResult, name: str) -> BoundaryRow:
    return next(row for row in result.rows if row.name == name)


def read_split(folder: Path, split: int, side: str = "test") -> Gtea:
    spans, truth = {}, {}
    for line in (folder / "gtea" / "splits" / f"{side}.split{split}.bundle").read_text().split():
        labels = (folder / "gtea" / "groundTruth" / line).read_text().split()
        name = line.removesuffix(".txt")
        spans[name], truth[name] = (0.0, len(labels) / RATE), cuts_of(labels)
    return Gtea(spans, truth)


def read_predictions(folder: Path, split: int, names: dict[str, Any]) -> Cuts:
    texts = {name: (folder / "gtea_predictions" / f"split_{split}" / name).read_text() for name in names}
    return {name: cuts_of(text.splitlines()[1].split()) for name, text in texts.items()}


@pytest.fixture(scope="module")
def gtea(real_data: Path) -> Gtea:
    return read_split(real_data, 1)


@pytest.fixture(scope="module")
def expected(real_data: Path) -> dict[str, Any]:
    """Return scores by mir_eval 0.8.2 and an implementation of their own, as they stand beside the predictions."""
    document: dict[str, Any] = json.loads((real_data / "gtea_predictions" / "expected_metrics.json").read_text())
    return document


def test_the_truth_is_the_one_that_the_numbers_were_measured_on(gtea: Gtea) -> None:
    assert [round(end * RATE) for _, end in gtea.spans.values()] == [943, 1235, 1178, 718, 1384, 1643, 2009]
    assert sum(len(cuts) + 1 for cuts in gtea.truth.values()) == 227


# --- one metronome, several matchers ----------------------------------------------------------------------------


def test_a_metronome_of_two_seconds_by_the_largest_matching(gtea: Gtea) -> None:
    found = macro(gtea.score(gtea.metronome(2.0)))
    assert found == pytest.approx([0.3944, 0.6349, 0.7213, 0.8319], abs=FOUR)


def test_the_same_by_greedy_matching(gtea: Gtea) -> None:
    found = macro(gtea.score(gtea.metronome(2.0), matching="greedy"))
    assert found == pytest.approx([0.3944, 0.6349, 0.6952, 0.8050], abs=FOUR)


def test_the_same_by_mir_eval(gtea: Gtea) -> None:
    scores = []
    for name, beats in gtea.metronome(2.0).items():
        edges = [np.array([0.0, *cuts, gtea.spans[name][1]]) for cuts in (gtea.truth[name], beats)]
        reference, estimate = (np.stack([each[:-1], each[1:]], axis=1) for each in edges)
        scores.append([mir_eval.segment.detection(reference, estimate, window=t, trim=True)[2] for t in TOLERANCES])
    assert macro(gtea.score(gtea.metronome(2.0))) == pytest.approx(np.mean(scores, axis=0).tolist())


# --- chance -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("made", "two_s", "five_s"),
    [(1.5, 0.7000, 0.7277), (2.0, 0.6952, 0.8050), (2.4, 0.6811, 0.7747), ("33 parts", 0.6558, 0.7856)],
)
def test_chance_by_the_rules_of_laps(gtea: Gtea, made: Any, two_s: float, five_s: float) -> None:
    """Each of these is above the 0.6008 and 0.7173 that a trained pipeline was reported with."""
    cuts = gtea.parts(33) if made == "33 parts" else gtea.metronome(made)
    assert macro(gtea.score(cuts, laps=True))[2:] == pytest.approx([two_s, five_s], abs=FOUR)


@pytest.mark.parametrize(("side", "two_s", "five_s"), [("test", 0.6952, 0.8050), ("train", 0.7558, 0.8728)])
def test_one_word_gives_the_numbers_of_laps(real_data: Path, side: str, two_s: float, five_s: float) -> None:
    """A cut every 2 s, of segments as LAPS has them: each instant inside is an end and a start."""
    gtea = read_split(real_data, 1, side)
    beats = gtea.metronome(2.0)
    sides = {name: (gtea.parts_of(gtea.truth, name), gtea.parts_of(beats, name)) for name in gtea.spans}
    for tolerance, told in ((2.0, two_s), (5.0, five_s)):
        each = [
            boundary_scores(*both, tolerance_s=tolerance, rules="laps-2025", span_s=gtea.spans[name])
            for name, both in sides.items()
        ]
        assert np.mean([one.f for one in each]) == pytest.approx(told, abs=FOUR)
    assert macro(gtea.score(beats, laps=True))[2:] == pytest.approx([two_s, five_s], abs=FOUR)


def test_strict_windows_by_our_rules(gtea: Gtea) -> None:
    assert macro(gtea.score(gtea.metronome(2.0))) == pytest.approx([0.394, 0.635, 0.721, 0.832], abs=THREE)
    assert macro(gtea.score(gtea.parts(33))) == pytest.approx([0.328, 0.521, 0.688, 0.817], abs=THREE)


def test_random_cuts_score_what_other_random_cuts_did(gtea: Gtea) -> None:
    """Other draws: equal within three standard errors of the two means of 50."""
    parts = gtea.parts(33)
    ours = row_of(gtea.score(parts, draws=50), "random_same_count")
    assert ours.draws == 50
    for score, told in zip(ours.scores, (0.291, 0.450, 0.596, 0.752), strict=True):
        assert score.macro_f_sd is not None
        assert abs(score.macro.f - told) < 3 * score.macro_f_sd * (2 / 50) ** 0.5
    laps = row_of(gtea.score(parts, laps=True, draws=50), "random_same_count").scores[2:]
    for score, (told, spread) in zip(laps, ((0.5668, 0.028), (0.7131, 0.023)), strict=True):
        assert abs(score.macro.f - told) < 3 * spread * (2 / 50) ** 0.5
        assert score.macro_f_sd == pytest.approx(spread, rel=0.35)


def test_the_best_metronome_is_at_least_each_that_was_tried(gtea: Gtea) -> None:
    result = gtea.score(gtea.parts(33), tolerances_s=(2.0, 5.0))
    for period in (1.0, 2.0, 4.0):
        tried = macro(gtea.score(gtea.metronome(period), tolerances_s=(2.0, 5.0)))
        assert np.all(np.array(macro(result, "uniform_best_period")) >= tried)
    # Between two candidates little is lost.
    finest = [macro(gtea.score(gtea.metronome(period), tolerances_s=(2.0, 5.0))) for period in np.arange(1.0, 4.0, 0.1)]
    assert np.all(np.array(macro(result, "uniform_best_period")) >= np.max(finest, axis=0) - 0.02)


# --- real predictions -------------------------------------------------------------------------------------------


def test_real_predictions_by_strict_windows(gtea: Gtea, real_data: Path) -> None:
    result = gtea.score(read_predictions(real_data, 1, gtea.spans))
    assert macro(result) == pytest.approx([0.607, 0.777, 0.842, 0.879], abs=THREE)
    table = boundary_table(result)
    assert "not above chance" not in table
    assert table.splitlines()[0] == "boundary F, macro: 7 videos, 220 true boundaries, 252 found"


def test_a_metronome_is_told_to_be_one(gtea: Gtea) -> None:
    told = not_above_chance(gtea.score(gtea.metronome(2.0)))
    assert told is not None
    assert told.endswith("the best one on this truth does as well at 0.5 s (0.491), 1 s (0.635).")
    # Turned by any offset it is a metronome still.
    assert told.startswith("The prediction is not above chance at 2 s (0.721, ")


def test_a_metronome_is_not_above_the_one_of_the_train_split(gtea: Gtea, real_data: Path) -> None:
    train = read_split(real_data, 1, "train")
    result = gtea.score(gtea.metronome(2.0), train=train.truth, spans_s=gtea.spans | train.spans)
    told = row_of(result, "uniform_train_period")
    assert told.kind == "chance"
    assert all(0.5 <= period <= 6 for period in told.parameters["period_s"])  # type: ignore[union-attr,operator]
    # What was fitted on the truth itself is at least as good as what was fitted on other videos.
    assert np.all(np.array(macro(result, "uniform_best_period")) >= macro(result, "uniform_train_period"))
    sentence = not_above_chance(result)
    assert sentence is not None
    assert "Without a train split" not in sentence
    assert result.above_chance is not None
    assert all(one.macro.chance_corrected_f < 0.06 for one in result.above_chance)  # type: ignore[operator]


@pytest.mark.parametrize("split", [1, 2])
def test_each_video_has_the_scores_that_mir_eval_gave(real_data: Path, expected: dict[str, Any], split: int) -> None:
    gtea = read_split(real_data, split)
    found = read_predictions(real_data, split, gtea.spans)
    told = expected["datasets"][f"gtea_predictions_selfaction/split_{split}"]["videos"]
    assert set(told) == set(gtea.spans)
    other_greedy = []
    for name, video in told.items():
        for tolerance, scores in video["boundary"].items():
            counts = match_boundaries(gtea.truth[name], found[name], float(tolerance)).counts
            ours = (counts.precision, counts.recall, counts.f)
            assert ours == pytest.approx(scores["max_matching_P_R_F"], abs=1e-6), name
            greedy = match_boundaries(gtea.truth[name], found[name], float(tolerance), matching="greedy").counts.f
            if greedy != pytest.approx(scores["greedy_GT_order_unique_F"], abs=1e-6):
                other_greedy.append((name, tolerance))
    # Between two found boundaries of one distance the last bit of a float decided there, the earlier one wins here.
    assert other_greedy == ([] if split == 1 else [("S2_Tea_C1", "0.5")])


def test_each_video_of_the_content_free_rows(gtea: Gtea, expected: dict[str, Any]) -> None:
    made = {"uniform_2s": gtea.metronome(2.0), "uniform_K33": gtea.parts(33)}
    rows = expected["gtea_split1_content_free_baselines"]
    checked = 0
    for name, kinds in rows.items():
        for kind, cuts in made.items():
            for tolerance, scores in kinds[kind].items():
                counts = match_boundaries(gtea.truth[name], cuts[name], float(tolerance)).counts
                ours = (counts.precision, counts.recall, counts.f)
                assert ours == pytest.approx(scores["max_matching_P_R_F"], abs=1e-6), (name, kind)
                checked += 1
    assert checked == 7 * 2 * 4


# --- the fixtures of mir_eval -----------------------------------------------------------------------------------


def intervals(path: Path) -> NDArray[np.float64]:
    lines = (line for line in path.read_text().splitlines() if not line.startswith("#"))
    return np.array([line.split()[:2] for line in lines], np.float64)


@pytest.mark.parametrize("case", range(10))
def test_the_fixtures_of_mir_eval(real_data: Path, case: int) -> None:
    folder = real_data / "mir_eval_segment"
    told = json.loads((folder / f"output{case:02}.json").read_text())
    reference, estimate = (intervals(folder / f"{side}{case:02}.lab") for side in ("ref", "est"))
    # They count the two ends as well, and cut or stretch the estimate to the reference: from 0 to its last end.
    end = reference.max()
    span = (-1.0, end + 1)
    truth = inner_boundaries(np.append(reference.ravel(), 0.0), span)
    found = inner_boundaries(np.append(np.minimum(estimate.ravel(), end), [0.0, end]), span)
    for window in (0.5, 3.0):
        counts = match_boundaries(truth, found, window).counts
        expected = [told[f"{name}@{window}"] for name in ("Precision", "Recall", "F-measure")]
        assert (counts.precision, counts.recall, counts.f) == pytest.approx(expected)
    to_found, to_truth = nearest_distances(truth, found)
    assert np.median(to_found) == pytest.approx(told["Ref-to-est deviation"], abs=2e-5)
    assert np.median(to_truth) == pytest.approx(told["Est-to-ref deviation"], abs=2e-5)


def test_draws_depend_on_the_video_and_not_on_its_neighbours(gtea: Gtea) -> None:
    name, span = next(iter(gtea.spans.items()))
    alone = Gtea({name: span}, {name: gtea.truth[name]})
    result = alone.score({name: gtea.parts(33)[name]}, draws=3, seed=4)
    drawn = random_boundaries(span, 32, draws=3, seed=4, video=name)
    expected = np.mean([match_boundaries(gtea.truth[name], row, 0.5).counts.f for row in drawn])
    assert macro(result, "random_same_count")[0] == pytest.approx(expected)
