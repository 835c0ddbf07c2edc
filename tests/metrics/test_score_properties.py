"""What every score of labels, of average precision and of clusters keeps, whatever is scored."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.metrics import evaluate_ap, evaluate_clusters, evaluate_labels
from lapsdata.testing.samples import labelled_segments
from lapsdata.timebase import FrameRate

if TYPE_CHECKING:
    from lapsdata.containers import Segments

    Videos = dict[str, list[tuple[str | None, float]]]

RATE = FrameRate(4)
PIECES = st.lists(
    st.tuples(st.sampled_from(["background", "pour", "stir", "shake", None]), st.integers(1, 12)),
    min_size=1,
    max_size=7,
)


@st.composite
def both_sides(draw: st.DrawFn) -> tuple[Videos, Videos]:
    """Draw two labellings of one or two videos of 8 s, in quarters of seconds."""
    sides: tuple[Videos, Videos] = ({}, {})
    for name in ("tea", "juice")[: draw(st.integers(1, 2))]:
        for side in sides:
            left = 32
            side[name] = []
            for label, count in draw(PIECES):
                lasts = min(left, count)
                if lasts:
                    side[name].append((label, lasts / 4))
                left -= lasts
            if left:
                side[name].append(("stir", left / 4))
    return sides


def made(videos: Videos) -> Segments:
    return labelled_segments(videos)


def renamed(videos: Videos, names: dict[str, str]) -> Videos:
    return {
        video: [(label if label is None else names.get(label, label), lasts) for label, lasts in pieces]
        for video, pieces in videos.items()
    }


def numbers(row: Any) -> list[float]:
    """Return every mean of a row."""
    scores = [
        getattr(row, name, None) for name in ("accuracy_micro", "accuracy_macro", "edit", "ari", "nmi", "v_measure")
    ]
    scores += [part for one in getattr(row, "f", ()) for part in (one.precision, one.recall, one.f)]
    scores += [*getattr(row, "ap", ())]
    return [score.mean for score in scores if score is not None]


@given(both_sides())
def test_a_truth_scores_1_against_itself(sides: tuple[Videos, Videos]) -> None:
    truth = made(sides[0])
    assert set(numbers(evaluate_labels(truth, truth, rate=RATE, draws=1).rows[0])) == {1.0}
    assert numbers(evaluate_clusters(truth, truth, rate=RATE, draws=1).rows[0]) == pytest.approx([1.0] * 5)
    if len(truth):
        assert set(numbers(evaluate_ap(truth, truth, draws=1).rows[0])) == {1.0}


@given(both_sides())
def test_sides_that_change_places_swap_precision_and_recall(sides: tuple[Videos, Videos]) -> None:
    one, other = (evaluate_labels(made(sides[at]), made(sides[1 - at]), rate=RATE, draws=1).rows[0] for at in range(2))
    assert (one.accuracy_micro, one.edit) == (other.accuracy_micro, other.edit)
    # Above a half only one segment of either side can be the other's: who asks first does not matter.
    truth, found = made(sides[0]), made(sides[1])
    above = [
        evaluate_labels(*pair, overlaps=(0.51,), draws=1).rows[0].f[0] for pair in ((truth, found), (found, truth))
    ]
    assert (above[0].precision, above[0].recall, above[0].f) == (above[1].recall, above[1].precision, above[1].f)


@given(both_sides())
def test_names_of_labels_mean_nothing(sides: tuple[Videos, Videos]) -> None:
    names = {"pour": "x", "stir": "a", "shake": "m", "background": "none"}
    truth, found = map(made, sides)
    others = [made(renamed(side, names)) for side in sides]
    kept = evaluate_labels(truth, found, rate=RATE, draws=3).rows[:2]
    changed = evaluate_labels(*others, rate=RATE, background=("none",), draws=3).rows[:2]
    for one, other in zip(kept, changed, strict=True):
        assert numbers(one) == pytest.approx(numbers(other))


@given(both_sides(), st.permutations(["0", "1", "2", "3"]))
def test_names_of_clusters_mean_nothing(sides: tuple[Videos, Videos], order: list[str]) -> None:
    truth = made(sides[0])
    words = ("background", "pour", "stir", "shake")
    # A gap has the background's label: it is named as that is.
    filled: Videos = {
        video: [(label or "background", lasts) for label, lasts in pieces] for video, pieces in sides[1].items()
    }
    clusters = made(renamed(filled, dict(zip(words, order, strict=True))))
    for scope in ("video", "all"):
        kept = evaluate_clusters(truth, made(filled), scope=scope, rate=RATE, draws=2)
        changed = evaluate_clusters(truth, clusters, scope=scope, rate=RATE, draws=2)
        for one, other in zip(kept.rows, changed.rows, strict=True):
            if one.name != "uniform_clusters":
                assert numbers(one) == pytest.approx(numbers(other), abs=1e-9), one.name


@given(both_sides())
def test_wider_scopes_are_harder(sides: tuple[Videos, Videos]) -> None:
    truth, found = map(made, sides)
    rows = [evaluate_clusters(truth, found, scope=scope, rate=RATE, draws=1).rows[0] for scope in ("video", "all")]
    assert rows[0].accuracy_micro.mean >= rows[1].accuracy_micro.mean - 1e-12
    exact = evaluate_labels(truth, found, rate=RATE, draws=1).rows[0]
    # What is named right is matched at least as well, whatever it is called.
    assert rows[1].accuracy_micro.mean >= exact.accuracy_micro.mean - 1e-12


@given(both_sides(), st.integers(2, 5))
def test_time_that_runs_slower_changes_nothing(sides: tuple[Videos, Videos], times: int) -> None:
    slower = [
        {video: [(label, lasts * times) for label, lasts in pieces] for video, pieces in side.items()} for side in sides
    ]
    functions: tuple[Any, ...] = (evaluate_labels, evaluate_clusters)
    for evaluate in functions:
        kept, changed = (evaluate(*map(made, given), draws=3) for given in (sides, slower))
        for one, other in zip(kept.rows, changed.rows, strict=True):
            assert numbers(one) == pytest.approx(numbers(other), abs=1e-5), one.name


@given(both_sides())
def test_frames_that_are_finer_change_nothing(sides: tuple[Videos, Videos]) -> None:
    truth, found = map(made, sides)
    each = [evaluate_labels(truth, found, rate=rate, draws=3) for rate in (RATE, FrameRate(16), None)]
    for one, *others in zip(*(scores.rows for scores in each), strict=True):
        for other in others:
            assert numbers(one) == pytest.approx(numbers(other)), one.name


@given(both_sides(), st.lists(st.integers(0, 5), min_size=20, max_size=20))
def test_only_the_order_of_confidences_counts(sides: tuple[Videos, Videos], drawn: list[int]) -> None:
    truth, found = map(made, sides)
    if not len(truth):
        return
    scores = np.array(drawn[: len(found)], np.float64)
    rows = [
        evaluate_ap(truth, replace(found, score=given), confidence="score", draws=3).rows
        for given in (scores, 2 * scores - 7, np.exp(scores))
    ]
    assert rows[0] == rows[1] == rows[2]


@given(both_sides())
def test_the_worst_order_of_ties_is_no_better_than_the_given_one(sides: tuple[Videos, Videos]) -> None:
    truth, found = map(made, sides)
    if not len(truth):
        return
    flat = replace(found, score=np.zeros(len(found)))
    worst, plain = (
        evaluate_ap(truth, flat, ties=ties, draws=1).rows[0].ap for ties in ("worst", "given")
    )  # fmt: skip
    assert all(low.mean <= high.mean + 1e-12 for low, high in zip(worst, plain, strict=True))


@given(both_sides())
def test_an_overlap_that_is_larger_is_harder(sides: tuple[Videos, Videos]) -> None:
    truth, found = map(made, sides)
    falling = [
        score.f.mean for score in evaluate_labels(truth, found, overlaps=(0.1, 0.3, 0.6, 0.9), draws=1).rows[0].f
    ]
    assert falling == sorted(falling, reverse=True)
