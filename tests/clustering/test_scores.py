"""Scores of clusters: by hand, by trying every matching, and under changes that must not matter."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.metrics import matched_share
from lapsmodels.clustering.scores import Labelled, score_clusters, silhouette

# Two labels in three clusters: a a b | b b | a, and one in none.
LABELS = ["a", "a", "b", "b", "b", "a", "b"]
OF = np.array([0, 0, 0, 1, 1, 2, -1])
VIDEOS = ["one"] * 4 + ["two"] * 3
PLACES = np.array([[0.0], [1.0], [2.0], [10.0], [12.0], [30.0], [50.0]])

DRAWN = st.lists(st.tuples(st.sampled_from("abc"), st.integers(-1, 3), st.sampled_from("xy")), min_size=2, max_size=9)


def scored(labels: list[str], of: list[int], videos: list[str], *, noise: bool = True) -> dict[str, float | None]:
    found = score_clusters(None, np.array(of), Labelled(labels, videos), noise=noise)
    return found.model_dump()


def best_matching(labels: list[str], of: list[int]) -> int:
    """Try every way of giving each cluster another label or none."""
    names, clusters = sorted(set(labels)), sorted(set(of))
    choices = names + [None] * len(clusters)
    return max(
        sum(dict(zip(clusters, chosen, strict=True))[b] == a for a, b in zip(labels, of, strict=True))
        for chosen in set(itertools.permutations(choices, len(clusters)))
    )


def test_accuracy_by_hand_with_its_scope() -> None:
    """All: 0 is a (2), 1 is b (2), the others wrong: 4 of 7. Videos: one a a b | b 3 of 4; two b | a | b 2 of 3."""
    scores = score_clusters(None, OF, Labelled(LABELS, VIDEOS, ["act"] * 7), noise=True)
    assert scores.accuracy_all == pytest.approx(4 / 7)
    assert scores.accuracy_activity == scores.accuracy_all
    assert scores.accuracy_video == pytest.approx((3 + 2) / 7)
    assert (scores.clusters, scores.sequences, scores.labelled) == (4, 7, 7)


def test_noise_left_out_is_scored_of_the_rest() -> None:
    scores = score_clusters(PLACES, OF, Labelled(LABELS, VIDEOS), noise=False)
    assert (scores.clusters, scores.sequences) == (3, 6)
    assert scores.accuracy_all == pytest.approx(4 / 6)
    assert scores.accuracy_activity is None


def test_silhouette_by_hand() -> None:
    """Clusters {0, 1} and {10}: of 0: a = 1, b = 10; of 1: a = 1, b = 9; a cluster of one has 0."""
    found = silhouette(np.array([[0.0], [1.0], [10.0]]), np.array([0, 0, 1]))
    assert found == pytest.approx(((10 - 1) / 10 + (9 - 1) / 9 + 0) / 3)


def test_indices_by_hand() -> None:
    """{0, 2} and {10, 12}: spread 1 each, centres 10 apart; between 4 * 25, within 4 * 1, times (4 - 2) / (2 - 1)."""
    places, of = np.array([[0.0], [2.0], [10.0], [12.0]]), np.array([0, 0, 1, 1])
    scores = score_clusters(places, of, Labelled([None] * 4, ["clip"] * 4), noise=True)
    assert scores.davies_bouldin == pytest.approx((1 + 1) / 10)
    assert scores.calinski_harabasz == pytest.approx(100 / 4 * 2)
    assert scores.v_measure is None
    assert scores.labelled == 0


def test_entropies_by_hand() -> None:
    """Labels a a b b in clusters 0 0 0 1: H(L) = ln 2, H(L|C) = 3/4 (ln 3 - 2/3 ln 2), H(C), H(C|L) = 1/2 ln 2."""
    scores = scored(["a", "a", "b", "b"], [0, 0, 0, 1], ["clip"] * 4)
    given_clusters = 0.75 * (np.log(3) - 2 / 3 * np.log(2))
    of_clusters = -0.75 * np.log(0.75) - 0.25 * np.log(0.25)
    homogeneity, completeness = 1 - given_clusters / np.log(2), 1 - 0.5 * np.log(2) / of_clusters
    assert scores["homogeneity"] == pytest.approx(homogeneity)
    assert scores["completeness"] == pytest.approx(completeness)
    assert scores["v_measure"] == pytest.approx(2 * homogeneity * completeness / (homogeneity + completeness))
    # The arithmetic mean of entropies makes the normalised mutual information the same number.
    assert scores["nmi"] == pytest.approx(scores["v_measure"])
    # Pairs: 3 together in clusters, 2 in labels, 1 in both; expected 3 * 2 / 6.
    assert scores["ari"] == pytest.approx((1 - 1) / ((3 + 2) / 2 - 1))


@pytest.mark.parametrize("of", [[0, 0, 0, 0], [0, 1, 2, 3], [-1, -1, -1, -1]])
def test_what_is_not_defined_is_none_and_no_error(of: list[int]) -> None:
    places = np.array([[0.0], [1.0], [2.0], [3.0]])
    scores = score_clusters(places, np.array(of), Labelled(list("aabb"), ["clip"] * 4), noise=True)
    assert (scores.silhouette, scores.davies_bouldin, scores.calinski_harabasz) == (None, None, None)
    assert scores.v_measure is not None


def test_nothing_but_noise_left_out_leaves_nothing() -> None:
    truth = Labelled(list("ab"), ["clip"] * 2)
    scores = score_clusters(np.zeros((2, 1)), np.array([-1, -1]), truth, noise=False)
    assert (scores.sequences, scores.clusters, scores.v_measure, scores.accuracy_all) == (0, 0, None, None)


@pytest.mark.parametrize("places", [[0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 1.0, 1.0], [0.0, 1.0, 0.0, 1.0]])
def test_clusters_on_one_point_or_on_one_another_divide_by_nothing(places: list[float]) -> None:
    vectors = np.array(places)[:, np.newaxis]
    scores = score_clusters(vectors, np.array([0, 0, 1, 1]), Labelled([None] * 4, ["clip"] * 4), noise=True)
    assert (scores.davies_bouldin, scores.calinski_harabasz) == (None, None)


def test_sequences_without_a_label_are_not_scored_beside_labels() -> None:
    found = score_clusters(PLACES, OF, Labelled([*LABELS[:6], None], VIDEOS), noise=True)
    assert (found.sequences, found.labelled) == (7, 6)
    assert found.accuracy_all == pytest.approx(4 / 6)


@given(DRAWN)
def test_the_matching_is_the_best_of_all(drawn: list[tuple[str, int, str]]) -> None:
    labels, of, videos = (list(column) for column in zip(*drawn, strict=True))
    scores = scored(labels, of, videos)
    assert scores["accuracy_all"] == pytest.approx(best_matching(labels, of) / len(labels))
    parts = [[(a, b) for a, b, c in drawn if c == video] for video in sorted(set(videos))]
    each = sum(best_matching([a for a, _ in part], [b for _, b in part]) for part in parts)
    assert scores["accuracy_video"] == pytest.approx(each / len(labels))


@given(DRAWN, st.permutations(range(5)), st.integers(0, 9))
def test_names_of_clusters_and_the_order_of_sequences_do_not_matter(
    drawn: list[tuple[str, int, str]], names: list[int], seed: int
) -> None:
    labels, of, videos = (list(column) for column in zip(*drawn, strict=True))
    expected = scored(labels, of, videos)
    order = np.random.default_rng(seed).permutation(len(drawn)).tolist()
    shuffled = [drawn[at] for at in order]
    renamed = [names[b + 1] for _, b, _ in shuffled]
    found = scored([a for a, _, _ in shuffled], renamed, [c for _, _, c in shuffled])
    assert found == pytest.approx(expected, abs=1e-9)


@given(DRAWN, st.integers(2, 3))
def test_each_sequence_twice_changes_no_share_and_no_entropy(drawn: list[tuple[str, int, str]], times: int) -> None:
    once, again = (scored(*(list(column) for column in zip(*drawn * many, strict=True))) for many in (1, times))
    for name in ("homogeneity", "completeness", "v_measure", "nmi", "accuracy_all", "accuracy_video"):
        assert again[name] == pytest.approx(once[name], abs=1e-9)


def test_groups_are_matched_by_themselves() -> None:
    true, found = np.array([0, 0, 1, 1]), np.array([0, 0, 0, 0])
    assert matched_share(true, found, np.array([0, 0, 0, 0])) == 0.5
    assert matched_share(true, found, np.array([0, 0, 1, 1])) == 1.0
