"""Clusters: found where they are, numbered by size, repeatable, and refused where they make no sense."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

from lapsdata.errors import LapsWarning, MissingExtraError, SchemaError
from lapsmodels.clustering._extra import optional
from lapsmodels.clustering.clusterers import balanced_rows, cluster_vectors, numbered_by_size

if TYPE_CHECKING:
    from lapsmodels.clustering.clusterers import Clusterer


def blobs(*sizes: int, seed: int = 0) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    random = np.random.default_rng(seed)
    return np.concatenate([random.normal(8 * at, 0.3, (size, 2)) for at, size in enumerate(sizes)])


@pytest.mark.parametrize("clusterer", ["kmeans", "gmm", "hdbscan"])
def test_three_crowds_are_found_and_numbered_by_size(clusterer: Clusterer) -> None:
    found = cluster_vectors(blobs(6, 20, 11), clusterer)
    assert found.clusters == 3
    assert found.of.tolist() == [2] * 6 + [0] * 20 + [1] * 11


@pytest.mark.parametrize("clusterer", ["kmeans", "gmm"])
def test_the_number_is_that_of_the_highest_silhouette(clusterer: Clusterer) -> None:
    found = cluster_vectors(blobs(8, 8, 8, 8), clusterer, most=6)
    assert [one.clusters for one in found.tried] == [2, 3, 4, 5, 6]
    best = max(found.tried, key=lambda one: one.silhouette or -1)
    assert found.clusters == best.clusters == 4
    assert cluster_vectors(blobs(8, 8), clusterer, clusters=3).tried == ()
    assert cluster_vectors(blobs(8, 8), clusterer, clusters=3).clusters == 3


def test_no_more_are_tried_than_there_can_be() -> None:
    assert [one.clusters for one in cluster_vectors(blobs(2, 2), "kmeans").tried] == [2, 3]


def test_what_is_in_no_crowd_is_noise() -> None:
    vectors = np.concatenate([blobs(12, 12), [[40.0, -40.0]]])
    found = cluster_vectors(vectors, "hdbscan", least_size=5)
    assert found.clusters == 2
    assert found.of[-1] == -1


@pytest.mark.parametrize("clusterer", ["kmeans", "gmm", "hdbscan"])
def test_equal_seeds_give_equal_clusters(clusterer: Clusterer) -> None:
    vectors = np.random.default_rng(0).normal(size=(40, 3))
    one, other = (cluster_vectors(vectors, clusterer, seed=3) for _ in range(2))
    np.testing.assert_array_equal(one.of, other.of)


def test_the_order_of_vectors_does_not_matter_where_clusters_are_clear() -> None:
    vectors = blobs(6, 20, 11)
    order = np.random.default_rng(1).permutation(len(vectors))
    one, other = (cluster_vectors(given, "kmeans").of for given in (vectors, vectors[order]))
    np.testing.assert_array_equal(one[order], other)


@pytest.mark.parametrize("clusterer", ["kmeans", "gmm"])
def test_balanced_fitting_sees_the_rare_as_often(clusterer: Clusterer) -> None:
    """A crowd of 300 that is wide, and one of 8 beside it: fitted on all, the wide one is halved."""
    random = np.random.default_rng(0)
    vectors = np.concatenate([random.normal(0, 3, (300, 1)), random.normal(9, 0.2, (8, 1))])
    labels = ["often"] * 300 + ["rare"] * 8
    rows = balanced_rows(labels)
    assert sorted(labels[row] for row in rows) == ["often"] * 8 + ["rare"] * 8
    on_all = cluster_vectors(vectors, clusterer, clusters=2).of
    balanced = cluster_vectors(vectors, clusterer, clusters=2, rows=rows).of
    if clusterer == "kmeans":
        assert (on_all[:300] == 1).mean() > 0.3
    assert (balanced[:300] == 0).mean() > 0.85
    assert set(balanced[300:]) == {1}
    assert len(balanced) == len(vectors)


def test_rows_are_of_their_seed() -> None:
    labels = ["a"] * 50 + ["b", None]
    assert balanced_rows(labels).tolist() == balanced_rows(labels).tolist()
    assert balanced_rows(labels, seed=1).tolist() != balanced_rows(labels).tolist()
    with pytest.raises(SchemaError, match="balanced: expected labels of the segments to take as many of each, got"):
        balanced_rows([None, None])


def test_fewer_different_vectors_than_clusters_are_told() -> None:
    with pytest.warns(LapsWarning, match=r"clusters: Number of distinct clusters \(2\) found smaller than n_clusters"):
        found = cluster_vectors(np.array([[0.0], [0.0], [1.0], [1.0]]), "kmeans", clusters=3)
    assert found.clusters == 2


@pytest.mark.parametrize(
    ("clusterer", "told", "message"),
    [
        (
            "hdbscan",
            {"clusters": 3},
            "clusters: expected none with hdbscan, which finds how many; say min_",
        ),
        ("hdbscan", {"rows": np.arange(6)}, "balanced: expected none with hdbscan: it has no way to place"),
        ("hdbscan", {"least_size": 9}, "expected at least 9 sequences to cluster, got 6"),
        ("kmeans", {"clusters": 7}, "expected at least 7 sequences to cluster, got 6; give more, or ask for fewer"),
        ("gmm", {"rows": np.arange(2)}, "expected at least 3 sequences to cluster, got 2"),
    ],
)
def test_faults_are_named(clusterer: Clusterer, told: dict[str, object], message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        cluster_vectors(blobs(3, 3), clusterer, **told)  # type: ignore[arg-type]


def test_equal_sizes_keep_the_order_in_which_they_come() -> None:
    assert numbered_by_size(np.array([5, 2, 5, 2, -1])).tolist() == [0, 1, 0, 1, -1]
    assert numbered_by_size(np.array([-1, -1])).tolist() == [-1, -1]


def test_without_scikit_learn_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.cluster", None)
    expected = r"lapsdata cluster: expected scikit-learn, got no such package; pip install 'lapsdata\[cluster\]'"
    with pytest.raises(MissingExtraError, match=expected) as caught:
        cluster_vectors(blobs(3, 3), "kmeans")
    assert caught.value.problems[0].code == "missing-extra"


def test_a_package_that_is_there_and_lacks_another_is_not_called_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> None:
        raise ModuleNotFoundError("No module named 'joblib'", name="joblib")

    monkeypatch.setattr("importlib.import_module", broken)
    with pytest.raises(ModuleNotFoundError, match="joblib"):
        optional("sklearn.cluster", "scikit-learn", "clusters")
