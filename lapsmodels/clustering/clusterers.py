"""Clusters of vectors by scikit-learn: as many as one says, as their silhouette says, or as the density says.

Clusters are numbered by size, the largest first, of equals the one that comes first; -1 is in none.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from lapsdata.errors import LapsWarning, Problem, SchemaError, warn
from lapsdata.schema import TriedCount
from lapsmodels.clustering._extra import optional
from lapsmodels.clustering.scores import NOISE, silhouette

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Vectors = NDArray[np.float64]
    Clusters = NDArray[np.int64]

__all__ = ["Clusterer", "Clustering", "balanced_rows", "cluster_vectors", "numbered_by_size"]

Clusterer = Literal["kmeans", "gmm", "hdbscan"]
"""`kmeans` and `gmm` (diagonal Gaussians) put every vector into a cluster, `hdbscan` leaves out what is in no crowd."""

_STARTS = 10


class Clustering(NamedTuple):
    """Vectors in clusters.

    Parameters
    ----------
    of : int64 (S,)
        The cluster of each, from 0; -1 for none.
    clusters : int
        How many there are.
    tried : tuple of TriedCount
        Numbers of clusters that were tried.
    """

    of: Clusters
    clusters: int
    tried: tuple[TriedCount, ...] = ()


def cluster_vectors(
    vectors: Vectors,
    clusterer: Clusterer,
    *,
    clusters: int | None = None,
    most: int = 10,
    least_size: int = 5,
    rows: NDArray[np.int64] | None = None,
    seed: int = 0,
) -> Clustering:
    """Put vectors into clusters.

    Parameters
    ----------
    vectors : float64 (S, E)
    clusterer : {"kmeans", "gmm", "hdbscan"}
    clusters : int, optional
        How many; by default the number, 2 to `most`, whose mean silhouette is highest, of equals the least. Not of
        `hdbscan`.
    most : int
        See `clusters`; where there are not more vectors than that, one less than there are.
    least_size : int
        Of `hdbscan`: fewer vectors are no cluster.
    rows : int64 (F,), optional
        The vectors that are fitted, such as `balanced_rows`; the others then get the nearest or likeliest cluster.
    seed : int

    Raises
    ------
    MissingExtraError
        scikit-learn is not installed.
    SchemaError
        Fewer vectors than clusters, or than three; or `hdbscan` with a number of clusters or with `rows`.

    Examples
    --------
    >>> found = cluster_vectors(np.array([[0.0], [0.1], [5.0], [5.1], [5.2]]), "kmeans")
    >>> found.of.tolist(), found.clusters
    ([1, 1, 0, 0, 0], 2)
    """
    fitted = vectors if rows is None else vectors[rows]
    _refuse(fitted, clusterer, clusters, least_size, rows)
    if clusterer == "hdbscan":
        found = _density(fitted, least_size)
        return Clustering(numbered_by_size(found), len(np.unique(found[found != NOISE])))
    fit = _kmeans if clusterer == "kmeans" else _gaussians
    if clusters is not None:
        of = numbered_by_size(fit(fitted, clusters, seed)(vectors))
        return Clustering(of, int(of.max()) + 1)
    tried = [_tried(fit, fitted, vectors, count, seed) for count in range(2, min(most, len(fitted) - 1) + 1)]
    of, _ = max(tried, key=lambda one: (_or_lowest(one[1].silhouette), -one[1].clusters))
    return Clustering(of, int(of.max()) + 1, tuple(told for _, told in tried))


def _refuse(fitted: Vectors, clusterer: Clusterer, clusters: int | None, least_size: int, rows: object) -> None:
    problems = []
    if clusterer == "hdbscan" and clusters is not None:
        fix = "say min_cluster_size"
        problems.append(Problem("wrong-option", "clusters", "expected none with hdbscan, which finds how many", fix))
    if clusterer == "hdbscan" and rows is not None:
        message = "expected none with hdbscan: it has no way to place what was not fitted"
        problems.append(Problem("wrong-option", "balanced", message, "choose kmeans or gmm"))
    least = least_size if clusterer == "hdbscan" else 3 if clusters is None else clusters
    if len(fitted) < least:
        message = f"expected at least {least} sequences to cluster, got {len(fitted)}"
        problems.append(Problem("too-few-sequences", "sequences", message, "give more, or ask for fewer clusters"))
    if problems:
        raise SchemaError(*problems)


def _or_lowest(silhouette: float | None) -> float:
    return -2.0 if silhouette is None else silhouette


def _tried(
    fit: Callable[[Vectors, int, int], Callable[[Vectors], Clusters]],
    fitted: Vectors,
    vectors: Vectors,
    count: int,
    seed: int,
) -> tuple[Clusters, TriedCount]:
    place = fit(fitted, count, seed)
    return numbered_by_size(place(vectors)), TriedCount(clusters=count, silhouette=silhouette(fitted, place(fitted)))


def _kmeans(vectors: Vectors, count: int, seed: int) -> Callable[[Vectors], Clusters]:
    model = _sklearn("cluster").KMeans(count, n_init=_STARTS, random_state=seed)
    return _quietly(model, vectors)


def _gaussians(vectors: Vectors, count: int, seed: int) -> Callable[[Vectors], Clusters]:
    # Diagonal: a full covariance of 768 columns has more numbers than there are sequences.
    model = _sklearn("mixture").GaussianMixture(
        count, covariance_type="diag", n_init=_STARTS, reg_covar=1e-4, max_iter=300, random_state=seed
    )
    return _quietly(model, vectors)


def _quietly(model: Any, vectors: Vectors) -> Callable[[Vectors], Clusters]:  # noqa: ANN401 - no types there
    """Fit, and say what scikit-learn warns of (fewer different vectors than clusters, no convergence) as ours."""
    with warnings.catch_warnings(record=True) as heard, _one_thread():
        warnings.simplefilter("always")
        model.fit(vectors)
    exceptions = _sklearn("exceptions").ConvergenceWarning
    for told in heard:
        if issubclass(told.category, exceptions):
            warn(f"clusters: {told.message}", LapsWarning)
        else:
            warnings.warn_explicit(told.message, told.category, told.filename, told.lineno)

    def place(some: Vectors) -> Clusters:
        with _one_thread():
            return np.asarray(model.predict(some), np.int64)

    return place


def _density(vectors: Vectors, least_size: int) -> Clusters:
    model = _sklearn("cluster").HDBSCAN(min_cluster_size=least_size, copy=True)
    with _one_thread():
        return np.asarray(model.fit_predict(vectors), np.int64)


def _one_thread() -> Any:  # noqa: ANN401 - no types there
    """Let scikit-learn use one thread: sums by several differ in their last bits, and a close call in its outcome."""
    return optional("threadpoolctl", "scikit-learn", "lapsdata cluster").threadpool_limits(1)


def _sklearn(name: str) -> Any:  # noqa: ANN401 - no types there
    return optional(f"sklearn.{name}", "scikit-learn", "lapsdata cluster")


def numbered_by_size(of: Clusters) -> Clusters:
    """Return the same clusters, numbered by size.

    Examples
    --------
    >>> numbered_by_size(np.array([7, 3, 3, -1, 5])).tolist()
    [1, 0, 0, -1, 2]
    """
    names, first, inverse, sizes = np.unique(of, return_index=True, return_inverse=True, return_counts=True)
    order = np.lexsort((first, -sizes))
    order = order[names[order] != NOISE]
    number = np.full(len(names), NOISE, np.int64)
    number[order] = np.arange(len(order))
    return number[inverse]


def balanced_rows(labels: Sequence[str | None], *, seed: int = 0) -> NDArray[np.int64]:
    """Return as many rows of each label as the rarest one has, drawn at random, in order.

    Raises
    ------
    SchemaError
        No labels.

    Examples
    --------
    >>> balanced_rows(["a", "b", "a", None, "b", "a", "a"]).shape
    (4,)
    """
    names = sorted({label for label in labels if label is not None})
    if not names:
        message = "expected labels of the segments to take as many of each, got none"
        raise SchemaError(Problem("no-labels", "balanced", message, "leave it out"))
    random = np.random.default_rng(seed)
    of = [np.flatnonzero([label == name for label in labels]) for name in names]
    least = min(map(len, of))
    return np.sort(np.concatenate([random.permutation(rows)[:least] for rows in of]))
