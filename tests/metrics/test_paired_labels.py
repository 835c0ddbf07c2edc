"""Labels of two predictions of one truth: the difference of their scores, and how sure it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lapsdata.errors import SchemaError
from lapsdata.metrics import evaluate_labels, paired_differences, paired_label_differences, paired_label_table
from lapsdata.metrics._bootstrap import times_drawn
from lapsdata.metrics.evaluation import evaluate_boundaries
from lapsdata.testing.samples import labelled_segments
from lapsdata.timebase import FrameRate

if TYPE_CHECKING:
    from lapsdata.schema import LabelScores

WORDS = ("background", "pour", "stir")
NAMES = ("acc", "macro", "edit", "F@10", "F@25", "F@50")

Frames = dict[str, list[str]]


def scored(truth: Frames, found: Frames, **options: Any) -> LabelScores:
    """Score labels of frames of a second."""
    sides = (labelled_segments({name: [(word, 1.0) for word in words] for name, words in one.items()})
             for one in (truth, found))  # fmt: skip
    return evaluate_labels(*sides, **{"rate": FrameRate(1), "draws": 2} | options)


def six(first: str, last: str) -> Frames:
    return {f"v{i}": [first] * 3 + [last] * 3 for i in range(6)}


TRUTH = six("pour", "stir")


@st.composite
def three_sides(draw: st.DrawFn) -> tuple[Frames, Frames, Frames]:
    """Draw the truth of some videos and two predictions."""
    lengths = draw(st.lists(st.integers(1, 8), min_size=2, max_size=4))
    word = st.sampled_from(WORDS)
    truth, one, other = (
        {f"v{i}": draw(st.lists(word, min_size=n, max_size=n)) for i, n in enumerate(lengths)} for _ in range(3)
    )
    return truth, one, other


# --- by hand ----------------------------------------------------------------------------------------------------


def test_what_is_right_everywhere_is_better_in_every_draw() -> None:
    found = paired_label_differences(scored(TRUTH, TRUTH), scored(TRUTH, six("stir", "pour")), draws=199)
    assert tuple(one.score for one in found) == NAMES
    for one in found:
        assert (one.difference, one.interval, one.p) == (1.0, (1.0, 1.0), 2 / 200)
        assert (one.higher, one.equal, one.lower) == (6, 0, 0)


def test_scores_may_disagree_on_who_is_better() -> None:
    """Many short mistakes cost few frames and much order; one long one the other way round."""
    truth = {name: ["pour"] * 12 for name in ("a", "b")}
    flickers = {name: ["pour", "stir"] + ["pour"] * 3 + ["stir"] + ["pour"] * 6 for name in truth}
    lasts = {name: ["pour"] * 7 + ["stir"] * 5 for name in truth}
    found = {one.score: one for one in paired_label_differences(scored(truth, flickers), scored(truth, lasts), draws=9)}
    assert found["acc"].difference == pytest.approx(10 / 12 - 7 / 12)
    assert found["edit"].difference == pytest.approx(1 / 5 - 1 / 2)
    # Of five found segments the longest is a half of the true one; of two it is seven twelfths.
    assert found["F@50"].difference == pytest.approx(2 * 1 / (1 + 5) - 2 * 1 / (1 + 2))
    assert (found["acc"].higher, found["edit"].lower, found["F@50"].lower) == (2, 2, 2)


def test_accuracy_of_all_frames_weighs_videos_by_their_length() -> None:
    truth = {"long": ["pour"] * 9, "short": ["pour"]}
    ours, theirs = ({"long": [a] * 9, "short": [b]} for a, b in (("pour", "stir"), ("stir", "pour")))
    acc, macro, *_ = paired_label_differences(scored(truth, ours), scored(truth, theirs), draws=99)
    assert (acc.difference, macro.difference) == (pytest.approx(0.8), 0.0)
    assert (acc.higher, acc.lower, macro.higher, macro.lower) == (1, 1, 1, 1)
    assert acc.interval == (-1.0, 1.0)


# --- drawing videos anew ----------------------------------------------------------------------------------------


@settings(max_examples=25)
@given(three_sides(), st.integers(0, 5))
def test_each_draw_is_the_evaluation_of_the_drawn_videos(sides: tuple[Frames, Frames, Frames], seed: int) -> None:
    """The oracle scores a data set in which a video stands as often as it was drawn."""
    truth, *both = sides
    told = paired_label_differences(*(scored(truth, found) for found in both), draws=3, seed=seed)
    each = []
    for times in times_drawn(len(truth), 3, seed).T.tolist():
        copies = [(name, f"{name}.{copy}") for name, count in zip(truth, times, strict=True) for copy in range(count)]
        drawn = [{copy: side[name] for name, copy in copies} for side in sides]
        each.append([numbers(scored(drawn[0], found)) for found in drawn[1:]])
    apart = np.array(each)[:, 0] - np.array(each)[:, 1]
    for one, spread in zip(told, apart.T, strict=True):
        assert one.interval == pytest.approx(np.quantile(spread, (0.025, 0.975)))


def numbers(scores: LabelScores) -> list[float]:
    row = scores.rows[0]
    return [one.mean for one in (row.accuracy_micro, row.accuracy_macro, row.edit, *(one.f for one in row.f))]


@settings(max_examples=25)
@given(three_sides())
def test_the_other_way_round_is_the_other_sign(sides: tuple[Frames, Frames, Frames]) -> None:
    ours, theirs = (scored(sides[0], found) for found in sides[1:])
    there, back = (paired_label_differences(*pair, draws=20) for pair in ((ours, theirs), (theirs, ours)))
    for at, (one, other) in enumerate(zip(there, back, strict=True)):
        assert one.difference == -other.difference == pytest.approx(numbers(ours)[at] - numbers(theirs)[at])
        assert one.interval is not None
        assert other.interval == pytest.approx((-one.interval[1], -one.interval[0]))
        assert (one.p, one.higher, one.lower) == (other.p, other.lower, other.higher)


@given(three_sides())
@settings(max_examples=10)
def test_beside_itself_nothing_differs(sides: tuple[Frames, Frames, Frames]) -> None:
    scores = scored(*sides[:2])
    for one in paired_label_differences(scores, scores, draws=9):
        assert (one.difference, one.interval, one.p, one.equal) == (0.0, (0.0, 0.0), 1.0, len(sides[0]))


def test_boundaries_of_the_same_videos_are_drawn_alike() -> None:
    """Where each video is right or wrong in both, the intervals are the same numbers."""
    right = {"v1", "v4"}
    truth = {name: np.array([3.0]) for name in TRUTH}
    cuts = {name: times + (0.0 if name in right else 1.0) for name, times in truth.items()}
    spans = dict.fromkeys(truth, (0.0, 6.0))
    options: dict[str, Any] = {"spans_s": spans, "tolerances_s": (0.25,), "draws": 2, "shift_draws": 2}
    of_cuts = [evaluate_boundaries(truth, found, **options) for found in (truth, cuts)]
    labels = {name: words if name in right else words[::-1] for name, words in TRUTH.items()}
    (boundary,) = paired_differences(*of_cuts, draws=50, seed=3)
    found = paired_label_differences(scored(TRUTH, TRUTH), scored(TRUTH, labels), draws=50, seed=3)
    for one in found:
        assert one.difference == pytest.approx(boundary.difference)
        assert one.interval == pytest.approx(boundary.interval)
        assert one.p == boundary.p


def test_a_single_video_says_nothing_of_others() -> None:
    alone = {"a": ["pour", "stir"]}
    scores = {"ours": scored(alone, alone), "theirs": scored(alone, {"a": ["pour", "pour"]})}
    found = paired_label_differences(*scores.values())
    assert found[0] == ("acc", 0.5, None, None, 1, 0, 0)
    assert "95 %" not in paired_label_table(scores, {"theirs": found})


def test_a_video_without_an_action_has_all_of_them() -> None:
    truth = {"none": ["background"] * 4, "one": ["pour"] * 4}
    empty = {name: ["background"] * 4 for name in truth}
    found = {one.score: one for one in paired_label_differences(scored(truth, truth), scored(truth, empty), draws=99)}
    for name in ("edit", "F@10", "F@50"):
        assert (found[name].higher, found[name].equal) == (1, 1)
    # Pooled, nothing of what is there was found; the mean over the videos knows one that is right.
    assert (found["F@10"].difference, found["edit"].difference) == (1.0, 0.5)


# --- refused ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"background": ("stir",)}, r"other: rules: background: expected \['background'\] as in one, got \['stir'\]"),
        ({"overlaps": (0.5,)}, r"other: rules: overlaps: expected"),
        ({"rate": None}, r"other: rules: clock: expected 'frames' as in one, got 'time'"),
        ({"length": "pad"}, r"other: rules: length: expected 'raise' as in one, got 'pad'"),
    ],
)
def test_unlike_rules_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        paired_label_differences(scored(TRUTH, TRUTH), scored(TRUTH, TRUTH, **changes))


def test_another_truth_is_refused() -> None:
    ours, other = scored(TRUTH, TRUTH), six("stir", "pour")
    with pytest.raises(SchemaError, match=r"other: truth_digest: .*, of the same videos \[unlike-truth\]"):
        paired_label_differences(ours, scored(other, TRUTH))
    fewer = {name: words for name, words in TRUTH.items() if name != "v3"}
    with pytest.raises(SchemaError, match=r"videos that only one of them has: v3 \[unlike-truth\]"):
        paired_label_differences(ours, scored(fewer, fewer))
    for wrong, message in (({"draws": 0}, "draws: expected"), ({"seed": -1}, "seed: expected")):
        with pytest.raises(SchemaError, match=message):
            paired_label_differences(ours, ours, **wrong)


# --- the table --------------------------------------------------------------------------------------------------


def test_the_table_has_the_first_against_each_other_one() -> None:
    results = {"ours": scored(TRUTH, TRUTH), "half": scored(TRUTH, TRUTH | {"v0": ["stir"] * 6}),
               "none": scored(TRUTH, six("background", "background"))}  # fmt: skip
    less = {name: paired_label_differences(results["ours"], results[name], draws=99) for name in ("half", "none")}
    lines = paired_label_table(results, less).splitlines()
    assert lines[1] == "counted in frames at 1 per second, background 'background', length raise"
    assert tuple(lines[2].split()) == ("", *NAMES)[1:]
    rows = {line.split("  ")[0]: line.split()[1:] for line in lines if line}
    assert rows["none"] == ["0.000"] * 6
    best = max(row.accuracy_micro.mean for one in results.values() for row in one.rows if row.kind == "chance")
    assert rows["best chance"][1] == f"{best:.3f}"
    assert next(line for line in lines if line.startswith("ours less none")).split()[3:] == ["+1.000"] * 6
    assert max(map(len, lines)) <= 80
