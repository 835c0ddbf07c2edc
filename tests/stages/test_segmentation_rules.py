"""One word for all rules: what each scores, by hand, what it leaves out, and what it cannot do without."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lapsdata.errors import SchemaError
from lapsdata.metrics import TOLERANCES_S, boundary_scores
from lapsdata.metrics.segmentation import evaluate_segments, is_labelled
from lapsdata.testing.samples import labelled_segments, sample_segments
from lapsdata.timebase import FrameRate

if TYPE_CHECKING:
    from lapsdata.containers import Segments
    from lapsdata.schema import SegmentationResult

Pieces = list[tuple[str | None, float]]

TRUTH: dict[str, Pieces] = {"tea": [("background", 1.0), ("pour", 2.0), ("stir", 3.0), ("background", 2.0)]}
# Pour is 0.5 s late at both ends; the last rest is cut in two.
FOUND: dict[str, Pieces] = {
    "tea": [("background", 1.5), ("pour", 2.0), ("stir", 2.5), ("background", 1.0), ("pour", 1.0)]
}
TEN = FrameRate(10)


def scored(truth: Any = None, found: Any = None, **options: Any) -> SegmentationResult:
    sides = (labelled_segments(one) if isinstance(one, dict) else one for one in (truth or TRUTH, found or FOUND))
    return evaluate_segments(*sides, **{"draws": 2, "shift_draws": 2, **options})


def without_labels(pieces: dict[str, Pieces]) -> Segments:
    made = labelled_segments(pieces)
    return replace(made, label=(None,) * len(made))


# --- by hand ----------------------------------------------------------------------------------------------------


def test_boundaries_by_hand() -> None:
    # True 1, 3, 6; found 1.5, 3.5, 6, 7.
    quarter, half, one, two, five = scored().boundaries.rows[0].scores
    assert (quarter.hits, quarter.found, quarter.micro.precision, quarter.micro.recall) == (1, 4, 0.25, 1 / 3)
    assert half.hits == one.hits == two.hits == five.hits == 3
    assert half.macro.f == pytest.approx(2 * 3 / (3 + 4))


def test_laps_counts_each_end_of_touching_segments() -> None:
    """Every inner boundary is the end of one segment and the start of the next: twice on both sides."""
    result = scored(rules="laps-2025")
    two, five = result.boundaries.rows[0].scores
    assert (two.tolerance_s, five.tolerance_s, two.found, two.hits) == (2.0, 5.0, 8, 6)
    assert result.old_keys is not None
    assert result.old_keys["Precision@2.0s_mean"] == 6 / 8
    assert result.old_keys["Recall@2.0s_mean"] == 1.0
    assert result.old_keys["F1@5.0s_mean"] == pytest.approx(2 * 6 / 14)


def test_labels_by_hand() -> None:
    labels = scored(rules="ms-tcn", rate=TEN).labels
    assert labels is not None
    row = labels.rows[0]
    # Wrong: 0.5 s of pour, 0.5 s of stir, the last second.
    assert row.accuracy_micro.mean == row.accuracy_macro.mean == 60 / 80
    # pour, stir against pour, stir, pour without background.
    assert row.edit.mean == pytest.approx(1 - 1 / 3)
    # Overlaps 1.5 / 2.5 and 2.5 / 3: both right at each; one too many.
    assert [(f.overlap, f.tp, f.fp, f.fn) for f in row.f] == [(0.1, 2, 1, 0), (0.25, 2, 1, 0), (0.5, 2, 1, 0)]
    assert row.f[0].f.mean == pytest.approx(2 * 2 / (2 * 2 + 1))


def test_a_background_of_the_caller_takes_its_place() -> None:
    labels = scored(rate=TEN, background=()).labels
    assert labels is not None
    # Five labels against four: one more, the rests too.
    assert (labels.rules.background, labels.rows[0].edit.mean) == ((), pytest.approx(1 - 1 / 5))
    of_two = scored(rate=TEN, background=("background", "pour")).labels
    assert of_two is not None
    assert of_two.rows[0].edit.mean == 1.0
    assert of_two.rows[0].accuracy_micro.mean == 60 / 80


def test_whole_segments_by_hand() -> None:
    detections = scored().detections
    assert detections is not None
    # Two of four are met at 0.75: stir 2.5 / 3; the first rest 1 / 1.5 is not, pour 1.5 / 2.5 is not.
    (of_all,) = detections.classes
    assert (of_all.label, of_all.truth, of_all.found) == (None, 4, 5)
    half, three_quarters = (score.mean for score in detections.rows[0].ap)
    # By duration: stir first and right; none of the others at 0.75.
    assert three_quarters == pytest.approx(1 / 4)
    # At 0.5: stir, pour, background are right; of the halves of the last rest, equally long, just one, and that last.
    assert half == pytest.approx((3 + 4 / 5) / 4)


def test_classes_of_their_own_leave_the_background_out() -> None:
    by_class = scored(classes="each", background=("background",)).detections
    assert by_class is not None
    assert [one.label for one in by_class.classes] == ["pour", "stir"]
    whole = scored(classes="each").detections
    assert whole is not None
    assert {one.label for one in whole.classes} == {"background", "pour", "stir"}


# --- what is null, and when -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        ({}, {"labels", "detections"}),
        ({"rate": TEN}, {"labels", "detections"}),
        ({"clusters": "all"}, {"labels", "detections", "clusters"}),
        ({"rules": "laps-2025"}, {"detections", "old_keys"}),
        ({"rules": "laps-2025", "clusters": "all"}, {"detections", "clusters", "old_keys"}),
        ({"rules": "ms-tcn", "rate": TEN}, {"labels"}),
        ({"rules": "ms-tcn", "rate": TEN, "classes": "each"}, {"labels", "detections"}),
    ],
)
def test_what_the_rules_do_not_have_is_null(options: dict[str, Any], parts: set[str]) -> None:
    result = scored(**options)
    assert {part for part in ("labels", "detections", "clusters", "old_keys") if getattr(result, part)} == parts
    assert result.profile == options.get("rules", "default")
    expected = (2.0, 5.0) if result.profile == "laps-2025" else TOLERANCES_S
    assert result.boundaries.rules.tolerances_s == expected


@pytest.mark.parametrize("side", ["truth", "found", "both"])
def test_segments_without_labels_have_no_scores_of_labels(side: str) -> None:
    truth = without_labels(TRUTH) if side != "found" else labelled_segments(TRUTH)
    found = without_labels(FOUND) if side != "truth" else labelled_segments(FOUND)
    result = scored(truth, found)
    assert result.labels is None
    # What looks at no label is the same.
    assert result.boundaries.rows == scored().boundaries.rows
    assert result.detections is not None
    assert result.detections.rows == scored().detections.rows  # type: ignore[union-attr]


def test_segments_are_labelled_when_each_instant_has_one() -> None:
    made = labelled_segments(TRUTH)
    assert is_labelled(made)
    assert is_labelled(labelled_segments({"tea": [("pour", 1.0), (None, 1.0)]}))
    assert not is_labelled(replace(made, label=(None, *made.label[1:])))
    overlapping = made.header.model_copy(update={"overlap": True})
    assert not is_labelled(replace(made, header=overlapping, start_s=made.start_s - [0, 0.5, 0, 0]))
    assert not is_labelled(sample_segments())


def test_rules_of_frames_need_a_rate() -> None:
    message = r"rules: ms-tcn: expected frames per second, got none: these rules count frames; give the rate, or take"
    with pytest.raises(SchemaError, match=message) as error:
        scored(rules="ms-tcn")
    assert [problem.code for problem in error.value.problems] == ["no-rate"]
    labels = scored(rules="ms-tcn", rate=TEN).labels
    assert labels is not None
    assert (labels.rules.clock, str(labels.rules.rate)) == ("frames", "10")


def test_others_count_frames_where_there_is_a_rate_and_time_where_there_is_none() -> None:
    by_time, by_frames = scored(), scored(rate=TEN, rate_origin="told")
    assert by_time.labels is not None
    assert by_frames.labels is not None
    assert (by_time.labels.rules.clock, by_frames.labels.rules.clock) == ("time", "frames")
    assert (by_time.clock.origin, by_frames.clock.origin) == ("seconds", "told")
    # All of these times are whole frames, of which nothing but the unit is different.
    assert by_time.labels.rows[0].accuracy_micro == by_frames.labels.rows[0].accuracy_micro
    assert by_time.labels.rows[0].f == by_frames.labels.rows[0].f


def test_a_word_that_is_none_is_told() -> None:
    with pytest.raises(SchemaError, match="rules: expected one of 'default', 'laps-2025', 'ms-tcn', got 'mstcn'"):
        scored(rules="mstcn")


def test_fault_no_tolerance_is_not_the_usual_ones() -> None:
    """An empty list was taken for none given, and an array for no truth value at all."""
    with pytest.raises(SchemaError, match="tolerances_s: expected at least 1 item"):
        scored(tolerances_s=())
    by_array = scored(tolerances_s=np.array([0.5, 2.0])).boundaries
    assert by_array.rules.tolerances_s == (0.5, 2.0)
    assert by_array.rows == scored(tolerances_s=(0.5, 2.0)).boundaries.rows


# --- of any segments --------------------------------------------------------------------------------------------

labels = st.sampled_from(["background", "pour", "stir"])


@st.composite
def both_sides(draw: st.DrawFn) -> tuple[dict[str, Pieces], dict[str, Pieces]]:
    """Two cuts of the same videos, in quarters of a second, neighbours of other labels."""

    def side(length: int) -> Pieces:
        cuts = sorted(draw(st.sets(st.integers(1, length - 1), max_size=5)))
        lasting = [(after - before) / 4 for before, after in pairwise([0, *cuts, length])]
        made: Pieces = []
        for one in lasting:
            made.append((draw(labels.filter(lambda label: not made or label != made[-1][0])), one))
        return made

    lengths = draw(st.lists(st.integers(2, 40), min_size=1, max_size=3))
    truth, found = ({f"v{at}": side(length) for at, length in enumerate(lengths)} for _ in range(2))
    return truth, found


@settings(max_examples=25)
@given(both_sides(), st.sampled_from(["default", "laps-2025", "ms-tcn"]))
def test_the_prediction_is_what_the_single_functions_say(sides: Any, rules: Any) -> None:
    truth, found = sides
    result = scored(truth, found, rules=rules, rate=FrameRate(4))
    once = 2 if rules == "laps-2025" else 1
    for score in result.boundaries.rows[0].scores:
        each = []
        for name in truth:
            ends = [np.cumsum([last for _, last in side[name]])[:-1].repeat(once) for side in sides]
            each.append(boundary_scores(*ends, score.tolerance_s, rules=rules).f)
        assert score.macro.f == pytest.approx(np.mean(each))
    if result.labels is not None:
        frames = [
            np.concatenate([np.repeat(label, round(4 * last)) for side in one.values() for label, last in side])
            for one in sides
        ]
        assert result.labels.rows[0].accuracy_micro.mean == pytest.approx(np.mean(frames[0] == frames[1]))


@settings(max_examples=15)
@given(both_sides(), st.sampled_from(["default", "laps-2025", "ms-tcn"]))
def test_the_truth_is_right_by_all_rules(sides: Any, rules: Any) -> None:
    truth, _ = sides
    result = scored(truth, truth, rules=rules, rate=FrameRate(4))
    assert {score.macro.f for score in result.boundaries.rows[0].scores} == {1.0}
    if result.labels is not None:
        row = result.labels.rows[0]
        assert (row.accuracy_micro.mean, row.edit.mean, {f.f.mean for f in row.f}) == (1.0, 1.0, {1.0})
    if result.old_keys is not None:
        assert {value for key, value in result.old_keys.items() if not key.startswith("mAP")} == {1.0}


@settings(max_examples=15)
@given(both_sides())
def test_the_order_of_videos_does_not_matter(sides: Any) -> None:
    truth, found = sides
    one = scored(truth, found)
    other = scored(dict(reversed(truth.items())), dict(reversed(found.items())))
    assert one.truth_digest == other.truth_digest
    assert one.boundaries.rows == other.boundaries.rows
    assert one.labels is not None
    assert other.labels is not None
    assert one.labels.rows[0] == other.labels.rows[0]
