"""How good clusters are: by themselves, and beside labels. What is not defined is None, and no error.

Noise (-1) is scored twice: as one more cluster, and left out. The second alone flatters: of LAPS's own clusters the
best silhouette was 0.67 on the 37 % that were no noise, and 0.21 on all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.metrics import matched_share
from lapsdata.schema import ClusterScores
from lapsmodels.clustering._extra import optional

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Vectors = NDArray[np.float64]
    Clusters = NDArray[np.int64]

__all__ = ["NOISE", "Labelled", "score_clusters", "silhouette"]

NOISE = -1
"""What is in no cluster."""

# So far beyond their range rounding carries scores.
_LAST_BITS = 1e-9


class Labelled:
    """Labels of sequences, and the groups in which clusters are matched with them.

    Parameters
    ----------
    labels : sequence of str or None
        None where a sequence has no label.
    videos : sequence of str
        The video of each.
    activities : sequence of str, optional
        The activity of each.

    Examples
    --------
    >>> Labelled(["reach", None, "move"], ["a", "a", "b"]).known.tolist()
    [True, False, True]
    """

    def __init__(
        self, labels: Sequence[str | None], videos: Sequence[str], activities: Sequence[str] | None = None
    ) -> None:
        self.known = np.array([label is not None for label in labels], bool)
        self.labels = _numbers([label or "" for label in labels])
        self.groups: dict[str, Clusters] = {"all": np.zeros(len(self.known), np.int64), "video": _numbers(videos)}
        if activities is not None:
            self.groups["activity"] = _numbers(activities)


def _numbers(names: Sequence[str]) -> Clusters:
    return np.unique(np.array(names, str), return_inverse=True)[1].astype(np.int64)


def score_clusters(vectors: Vectors | None, of: Clusters, truth: Labelled, *, noise: bool) -> ClusterScores:
    """Score clusters.

    Parameters
    ----------
    vectors : float64 (S, E) or None
        None leaves the scores out that need no labels.
    of : int64 (S,)
        The cluster of each; -1 for none.
    truth : Labelled
    noise : bool
        Whether noise is scored as one more cluster; else it is left out.

    Raises
    ------
    MissingExtraError
        scikit-learn is not installed.

    Examples
    --------
    >>> truth = Labelled(["a", "a", "b", "b"], ["clip"] * 4)
    >>> scores = score_clusters(None, np.array([1, 1, 0, -1]), truth, noise=True)
    >>> scores.clusters, scores.accuracy_all, scores.homogeneity, scores.completeness
    (3, 0.75, 1.0, 0.666...)
    """
    taken = np.ones(len(of), bool) if noise else of != NOISE
    known = taken & truth.known
    return ClusterScores(
        sequences=int(taken.sum()),
        labelled=int(known.sum()),
        clusters=len(np.unique(of[taken])),
        **({} if vectors is None else _by_themselves(vectors[taken], of[taken])),
        **(_beside(of, truth, known) if known.any() else {}),
    )


def _by_themselves(vectors: Vectors, of: Clusters) -> dict[str, float | None]:
    if not _defined(of):
        return {}
    metrics = _metrics()
    separate = _apart(vectors, of)
    return {
        "silhouette": silhouette(vectors, of),
        # Of clusters that lie on one point, or on one another, both are a division by zero.
        "davies_bouldin": float(metrics.davies_bouldin_score(vectors, of)) if separate else None,
        "calinski_harabasz": float(metrics.calinski_harabasz_score(vectors, of)) if separate else None,
    }


def _defined(of: Clusters) -> bool:
    """Say whether there are at least two clusters, and one of them has two members."""
    return 2 <= len(np.unique(of)) < len(of)


def _apart(vectors: Vectors, of: Clusters) -> bool:
    """Say whether no two clusters have one centre, and members differ from it."""
    centres = np.stack([vectors[of == name].mean(axis=0) for name in np.unique(of)])
    within = max(float(np.abs(vectors[of == name] - centre).max()) for name, centre in zip(
        np.unique(of), centres, strict=True))  # fmt: skip
    return within > 0 and len(np.unique(centres, axis=0)) == len(centres)


def silhouette(vectors: Vectors, of: Clusters) -> float | None:
    """Return the mean silhouette; None of fewer than two clusters, or of one vector each.

    Examples
    --------
    >>> round(silhouette(np.array([[0.0], [0.1], [5.0], [5.1]]), np.array([0, 0, 1, 1])), 2)
    0.98
    >>> silhouette(np.array([[0.0], [0.1]]), np.array([0, 0])) is None
    True
    """
    return float(_metrics().silhouette_score(vectors, of)) if _defined(of) else None


def _beside(of: Clusters, truth: Labelled, known: NDArray[np.bool_]) -> dict[str, float]:
    metrics = _metrics()
    true, found = truth.labels[known], of[known]
    homogeneity, completeness, v = metrics.homogeneity_completeness_v_measure(true, found)
    scores = {
        "ari": metrics.adjusted_rand_score(true, found),
        "ami": metrics.adjusted_mutual_info_score(true, found),
        "nmi": metrics.normalized_mutual_info_score(true, found),
        "homogeneity": homogeneity,
        "completeness": completeness,
        "v_measure": v,
    }
    shares = {f"accuracy_{name}": matched_share(true, found, group[known]) for name, group in truth.groups.items()}
    return {name: _in_range(float(value)) for name, value in (scores | shares).items()}


def _in_range(value: float) -> float:
    """Return a score that rounding has carried beyond 0 or 1 as it would be without."""
    return next((end for end in (0.0, 1.0) if abs(value - end) < _LAST_BITS), value)


def _metrics() -> Any:  # noqa: ANN401 - no types there
    return optional("sklearn.metrics", "scikit-learn", "lapsdata cluster")
