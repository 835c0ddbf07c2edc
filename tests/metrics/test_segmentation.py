"""Every score by one call: which there are, that each is what its own function says, and what they have in common."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lapsdata.errors import LengthMismatchError, SchemaError
from lapsdata.metrics import (
    PROFILES,
    TOLERANCES_S,
    evaluate_ap,
    evaluate_boundaries,
    evaluate_clusters,
    evaluate_labels,
    evaluate_segments,
)
from lapsdata.metrics.segmentation import is_labelled
from lapsdata.schema import SegmentationResult
from lapsdata.testing.samples import labelled_segments, sample_provenance, sample_segments
from lapsdata.timebase import FrameRate

if TYPE_CHECKING:
    from lapsdata.containers import Segments

    Pieces = list[tuple[str | None, float]]

TRUTH = labelled_segments(
    {
        "coffee": [("background", 1.0), ("pour", 2.0), ("stir", 3.0), ("background", 1.0)],
        "tea": [("pour", 2.5), ("background", 1.5), ("stir", 2.0), ("pour", 2.0)],
    }
)
FOUND = labelled_segments(
    {
        "coffee": [("background", 1.5), ("pour", 1.5), ("stir", 2.0), ("background", 2.0)],
        "tea": [("pour", 2.25), ("background", 1.75), ("stir", 4.0)],
    }
)
TRAIN = labelled_segments({"milk": [("pour", 3.0), ("stir", 2.0), ("background", 2.0)]})
UNLABELLED = sample_segments()
FEW: dict[str, Any] = {"draws": 3, "seed": 4}
QUICK: dict[str, Any] = FEW | {"shift_draws": 3}
RATE = FrameRate(4)
RULES = ("default", "laps-2025", "ms-tcn")


def scored(truth: Segments = TRUTH, found: Segments = FOUND, **options: Any) -> SegmentationResult:
    return evaluate_segments(truth, found, **{**QUICK, "rate": RATE, "provenance": sample_provenance(), **options})


def scores_of(result: SegmentationResult) -> dict[str, float]:
    """Return every number of the prediction by its name."""
    told = {}
    for score in result.boundaries.rows[0].scores:
        told |= {f"{side}@{score.tolerance_s}": getattr(score, side).f for side in ("macro", "micro")}
    if result.labels is not None:
        row = result.labels.rows[0]
        told |= {"acc": row.accuracy_micro.mean, "edit": row.edit.mean}
        told |= {f"F@{one.overlap}": one.f.mean for one in row.f}
    if result.detections is not None:
        told |= {f"ap.{at}": one.mean for at, one in enumerate(result.detections.rows[0].ap)}
    if result.clusters is not None:
        row_of_clusters = result.clusters.rows[0]
        told |= {"clusters": row_of_clusters.accuracy_micro.mean, "ari": row_of_clusters.ari.mean}
    return told


# --- what is scored ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("clusters", [None, "video", "all"])
@pytest.mark.parametrize("classes", [None, "agnostic", "each"])
@pytest.mark.parametrize("rules", RULES)
def test_what_the_rules_have_and_what_is_asked_for_is_there(rules: Any, classes: Any, clusters: Any) -> None:
    result = scored(rules=rules, classes=classes, clusters=clusters)
    assert (result.labels is not None) == (rules != "laps-2025")
    assert (result.detections is not None) == (rules != "ms-tcn" or classes is not None)
    assert (result.clusters is not None) == (clusters is not None)
    assert (result.old_keys is not None) == (rules == "laps-2025")
    assert (result.profile, result.boundaries.rules.profile) == (rules, rules)
    if result.detections is not None:
        assert result.detections.rules.classes == (classes or "agnostic")
    if result.clusters is not None:
        assert result.clusters.rules.scope == clusters
    assert SegmentationResult.parse(result.to_bytes()) == result


def test_labels_need_one_for_every_instant_on_both_sides() -> None:
    assert is_labelled(TRUTH)
    assert not is_labelled(UNLABELLED)
    overlapping = replace(TRUTH, header=TRUTH.header.model_copy(update={"overlap": True}))
    assert not is_labelled(overlapping)
    for truth, found in ((overlapping, FOUND), (TRUTH, overlapping), (UNLABELLED, UNLABELLED)):
        result = scored(truth, found)
        assert result.labels is None
        assert result.detections is not None
    # Time without a segment has the label of the background.
    gaps = labelled_segments({"coffee": [("pour", 2.0), (None, 5.0)], "tea": [(None, 8.0)]})
    assert is_labelled(gaps)
    labels = scored(TRUTH, gaps).labels
    assert labels is not None
    # A second of pouring and the last one of nothing; in the tea 1.5 s of nothing.
    assert [video.correct / 4 for video in labels.videos] == [2.0, 1.5]
    assert labels.policies["found_gaps_frames"] == 4 * 13


# --- each part is what its own function says --------------------------------------------------------------------


@pytest.mark.parametrize("rules", RULES)
def test_each_part_is_that_of_its_own_function(rules: Any) -> None:
    result = scored(rules=rules, clusters="all", train=TRAIN, classes="agnostic")
    tolerances = (2.0, 5.0) if rules == "laps-2025" else TOLERANCES_S
    assert result.boundaries == evaluate_boundaries(
        TRUTH, FOUND, rules=rules, tolerances_s=tolerances, train=TRAIN, provenance=sample_provenance(), **QUICK
    )
    profile = PROFILES[rules]
    if profile.labels is not None:
        assert result.labels == evaluate_labels(TRUTH, FOUND, rate=RATE, train=TRAIN, **profile.labels, **FEW)
    ap = profile.ap or PROFILES["default"].ap
    assert ap is not None
    assert result.detections == evaluate_ap(TRUTH, FOUND, **ap, **FEW)
    assert result.clusters == evaluate_clusters(TRUTH, FOUND, scope="all", rate=RATE, **FEW)


@pytest.mark.parametrize("tolerances", [None, (0.25, 3.0)])
def test_the_old_keys_are_means_over_videos_and_one_ap(tolerances: Any) -> None:
    result = scored(rules="laps-2025", tolerances_s=tolerances)
    expected = {}
    for score in result.boundaries.rows[0].scores:
        named = {"F1": score.macro.f, "Precision": score.macro.precision, "Recall": score.macro.recall}
        expected |= {f"{name}@{score.tolerance_s}s_mean": value for name, value in named.items()}
    assert result.detections is not None
    half, most = result.detections.rows[0].ap
    assert result.old_keys == expected | {"mAP@0.5": half.mean, "mAP@0.75": most.mean}
    assert [key for key in result.old_keys if key.startswith("F1")] == [
        f"F1@{at}s_mean" for at in tolerances or (2.0, 5.0)
    ]


def test_the_old_f_by_hand() -> None:
    """Starts and ends count each; those of the tea are at 2.5, 4, 6 and found at 2.25, 4."""
    keys = scored(rules="laps-2025", tolerances_s=(0.3,)).old_keys
    assert keys is not None
    # The coffee's 1, 3 and 6 are found at 1.5, 3 and 5: two hits of six; the tea has four of six, of four found.
    assert keys["Recall@0.3s_mean"] == pytest.approx((2 / 6 + 4 / 6) / 2)
    assert keys["Precision@0.3s_mean"] == pytest.approx((2 / 6 + 4 / 4) / 2)
    assert keys["F1@0.3s_mean"] == pytest.approx((2 / 6 + 8 / 10) / 2)
    assert scored(tolerances_s=(0.3,)).boundaries.rows[0].scores[0].macro.f == pytest.approx((1 / 3 + 4 / 5) / 2)


# --- options reach every part -----------------------------------------------------------------------------------


def test_the_background_is_left_out_where_labels_are_looked_at() -> None:
    result = scored(background=("stir",), classes="each", clusters="video")
    assert result.labels is not None
    assert result.detections is not None
    assert result.clusters is not None
    assert result.labels.rules.background == result.detections.rules.background == ("stir",)
    assert result.clusters.rules.background == ("stir",)
    assert {one.label for one in result.detections.classes} == {"background", "pour"}
    # What knows no label counts it as any other segment.
    plain, agnostic = scored(), scored(background=("stir",))
    assert agnostic.detections == plain.detections
    assert agnostic.boundaries == plain.boundaries


def test_a_length_that_differs_is_refused_or_padded_everywhere() -> None:
    longer = labelled_segments({"coffee": [("pour", 7.1)], "tea": [("pour", 2.5), ("stir", 5.4)]})
    with pytest.raises(SchemaError, match=r"coffee: expected one time of the video, got 0\.0 s to 7\.1 s in found"):
        scored(TRUTH, longer)
    result = scored(TRUTH, longer, end_slack_s=0.2, rate=FrameRate(10))
    assert result.labels is not None
    assert result.labels.rules.length == "pad"
    assert result.labels.policies["found_cut_frames"] == 1
    assert result.labels.policies["found_padded_frames"] == 1
    for part in (result.boundaries, result.labels):
        assert [video.end_s for video in part.videos] == [7.0, 8.0]
    with pytest.raises(LengthMismatchError, match="tea: expected 80 frames as in the truth, got 79"):
        evaluate_labels(TRUTH, longer, rate=FrameRate(10), **FEW)


def test_videos_on_one_side_only_are_refused_or_counted_everywhere() -> None:
    found = labelled_segments({"tea": [("pour", 4.0), ("stir", 4.0)], "water": [("pour", 3.0)]})
    with pytest.raises(SchemaError, match="found: coffee: expected the video, got none"):
        scored(TRUTH, found, extra="leave_out")
    with pytest.raises(SchemaError, match="found: water: expected videos of the truth, got another"):
        scored(TRUTH, found, missing="empty")
    result = scored(TRUTH, found, missing="empty", extra="leave_out", clusters="video")
    for part in (result.boundaries, result.labels, result.detections, result.clusters):
        assert part is not None
        assert (part.policies["missing_as_empty"], part.policies["without_truth_left_out"]) == (1, 1)


def test_activities_are_the_groups_of_clusters() -> None:
    result = scored(clusters="activity", activity={"coffee": "hot", "tea": "hot"})
    assert result.clusters is not None
    assert [(group.name, group.videos) for group in result.clusters.groups] == [("hot", 2)]
    with pytest.raises(SchemaError, match="activity"):
        scored(clusters="activity", activity={"coffee": "hot"})


def test_a_train_split_brings_its_rows_to_boundaries_and_labels() -> None:
    names = []
    for train in (None, TRAIN):
        result = scored(train=train)
        assert result.labels is not None
        names.append({row.name for row in (*result.boundaries.rows, *result.labels.rows)})
    assert {"train_copy", "train_majority_label", "uniform_train_period"} <= names[1] - names[0]
    assert "oracle_majority_label" in names[0] - names[1]
    with pytest.raises(SchemaError, match="train: expected other videos than those that are scored"):
        scored(train=TRUTH)


def test_one_seed_gives_one_result_and_another_moves_only_chance() -> None:
    one, again, other = scored(), scored(), scored(seed=5)
    assert one == again
    assert scores_of(one) == scores_of(other)
    assert one.boundaries.rows != other.boundaries.rows
    assert one.boundaries.rows[0].deviation == other.boundaries.rows[0].deviation


def test_who_made_it_and_of_what_is_told() -> None:
    result = evaluate_segments(TRUTH, FOUND, **QUICK)
    assert result.provenance.parameters == {"draws": 3, "shift_draws": 3, "seed": 4}
    assert result.boundaries.provenance == result.provenance
    assert (result.clock.rate, result.clock.origin) == (None, "seconds")
    told = scored(rate_origin="the bundle", split="test.split1")
    assert (told.clock.rate, told.clock.origin, told.split) == (RATE, "the bundle", "test.split1")


def test_the_digest_of_the_truth_knows_labels_and_not_what_was_found() -> None:
    renamed = replace(TRUTH, label=("background", "fill", *TRUTH.label[2:]))
    ours, perfect, other = scored(), scored(TRUTH, TRUTH), scored(renamed)
    assert ours.truth_digest == perfect.truth_digest != other.truth_digest
    assert ours.boundaries.truth_digest == other.boundaries.truth_digest


# --- refused ----------------------------------------------------------------------------------------------------


def test_rules_that_count_frames_need_their_rate() -> None:
    with pytest.raises(SchemaError, match=r"rules: ms-tcn: expected frames per second, got none.*\[no-rate\]"):
        scored(rules="ms-tcn", rate=None)
    assert scored(rate=None).labels is not None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rules": "laps"}, "rules: expected one of 'default', 'laps-2025', 'ms-tcn', got 'laps'"),
        ({"draws": 0}, "draws: expected"),
        ({"tolerances_s": (-1.0,)}, "tolerances_s"),
        ({"classes": "some"}, "classes: expected 'agnostic' or 'each', got 'some'"),
        ({"clusters": "videos"}, "scope: expected one of"),
        ({"missing": "skip"}, "missing"),
    ],
)
def test_words_and_numbers_that_are_none_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        scored(**options)


# --- properties -------------------------------------------------------------------------------------------------


@st.composite
def sides(draw: st.DrawFn) -> tuple[dict[str, Pieces], dict[str, Pieces]]:
    """Draw true and found labelled pieces of some videos, on a grid of a quarter of a second."""
    made: tuple[dict[str, Pieces], dict[str, Pieces]] = {}, {}
    for name in ("a", "b")[: draw(st.integers(1, 2))]:
        length = draw(st.integers(2, 40))
        for side in made:
            cuts = sorted(draw(st.sets(st.integers(1, length - 1), max_size=5)))
            edges = [0, *cuts, length]
            words = st.sampled_from(["background", "pour", "stir"])
            side[name] = [(draw(words), (b - a) / 4) for a, b in itertools.pairwise(edges)]
    return made


@settings(max_examples=20)
@given(sides(), st.sampled_from(["default", "laps-2025"]))
def test_a_truth_scores_1_against_itself_in_every_way(drawn: Any, rules: Any) -> None:
    truth = labelled_segments(drawn[0])
    told = scores_of(scored(truth, truth, rules=rules, clusters="all"))
    assert told == pytest.approx(dict.fromkeys(told, 1.0))


@settings(max_examples=15)
@given(sides(), st.sampled_from([2.0, 4.0]))
def test_time_that_runs_slower_changes_nothing(drawn: Any, times: float) -> None:
    slower = [{name: [(word, times * s) for word, s in pieces] for name, pieces in one.items()} for one in drawn]
    ours = scored(*map(labelled_segments, drawn), tolerances_s=(0.5, 1.0), rate=None)
    theirs = scored(*map(labelled_segments, slower), tolerances_s=(0.5 * times, times), rate=None)
    assert [*scores_of(ours).values()] == pytest.approx([*scores_of(theirs).values()])


@settings(max_examples=15)
@given(sides(), st.sampled_from(RULES))
def test_the_order_of_the_videos_changes_nothing(drawn: Any, rules: Any) -> None:
    turned = [dict(reversed(one.items())) for one in drawn]
    ours, theirs = (scored(*map(labelled_segments, given), rules=rules) for given in (drawn, turned))
    if rules == "laps-2025":
        # Its AP goes by the order in which segments of one confidence are given.
        assert ours.boundaries.rows == theirs.boundaries.rows
        return
    assert scores_of(ours) == pytest.approx(scores_of(theirs))
    assert ours.boundaries.truth_digest == theirs.boundaries.truth_digest
    assert ours.truth_digest == theirs.truth_digest


@settings(max_examples=15)
@given(sides())
def test_labels_and_boundaries_know_nothing_of_each_other(drawn: Any) -> None:
    """Other names for all labels leave the boundaries, and a name for one kind of segment leaves no label right."""
    truth, found = map(labelled_segments, drawn)
    other = labelled_segments({name: [(f"{word}'", s) for word, s in pieces] for name, pieces in drawn[1].items()})
    ours, renamed = scored(truth, found), scored(truth, other)
    assert ours.boundaries == renamed.boundaries
    assert renamed.labels is not None
    assert renamed.labels.rows[0].accuracy_micro.mean == 0.0


def test_every_word_for_rules_has_rules_for_each_part() -> None:
    assert set(PROFILES) == set(RULES)
    for word, profile in PROFILES.items():
        rules = scored(rules=word).boundaries.rules
        assert (rules.counting, rules.matching, rules.empty) == profile[:3]
        told = scored(rules=word)
        for options, part in ((profile.labels, told.labels), (profile.ap, told.detections)):
            assert (options is None) == (part is None)
            if options is not None and part is not None:
                spelled = part.rules.as_json()
                assert {key: np.array(spelled[key]).tolist() for key in options} == {
                    key: np.array(value).tolist() for key, value in options.items()
                }
