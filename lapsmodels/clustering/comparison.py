"""The rows of a result: what was clustered, and the controls that have next to nothing to go by.

`duration` and `random_projection` are clustered as the prediction is, into as many clusters, since a score that needs
labels rises with their number. `labels_permuted` keeps the clusters and deals the labels out anew.
"""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from lapsdata.schema import ClusterRow, ClusterScores
from lapsmodels.clustering.clusterers import cluster_vectors
from lapsmodels.clustering.embeddings import CONTROLS, embed
from lapsmodels.clustering.scores import NOISE, Labelled, score_clusters

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lapsmodels.clustering.clusterers import Clusterer, Clustering
    from lapsmodels.clustering.embeddings import Embedding
    from lapsmodels.clustering.sequences import Sequences

__all__ = ["PERMUTED", "How", "compared"]

PERMUTED = "labels_permuted"
"""The row of the same clusters beside labels that were dealt out anew."""

_COUNTS = ("sequences", "labelled", "clusters")


class How(NamedTuple):
    """How vectors are clustered, for the prediction and its controls alike; see `cluster_vectors`."""

    clusterer: Clusterer = "kmeans"
    least_size: int = 5
    rows: NDArray[np.int64] | None = None
    draws: int = 20
    """Draws of `labels_permuted`."""
    seed: int = 0


def compared(
    sequences: Sequences,
    embedding: Embedding,
    vectors: NDArray[np.float64],
    found: Clustering,
    activities: Sequence[str] | None = None,
    how: How | None = None,
) -> tuple[ClusterRow, ...]:
    """Return the row of a clustering and those of its controls.

    Parameters
    ----------
    sequences : Sequences
    embedding : Embedding
        What the vectors are.
    vectors : float64 (S, E)
        As they were clustered.
    found : Clustering
    activities : sequence of str, optional
        The activity of each sequence.
    how : How, optional

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_tokens
    >>> from lapsmodels.clustering.sequences import whole_videos
    >>> some = whole_videos([sample_tokens(windows=40)], piece_s=0.5)
    >>> ready = embed(some, "bag").ready
    >>> [row.name for row in compared(some, "bag", ready, cluster_vectors(ready, "kmeans", clusters=2))]
    ['bag', 'duration', 'random_projection']
    """
    chosen = how or How()
    labels = sequences.segments.label
    truth = Labelled(labels, sequences.videos, activities)
    rows = [_row(embedding, "prediction", vectors, found.of, truth)]
    for control in CONTROLS:
        if control != embedding:
            ready = embed(sequences, control, seed=chosen.seed).ready
            of = _alike(ready, found, chosen)
            rows.append(_row(control, "control", ready, of, truth))
    if truth.known.any():
        rows.append(_permuted(labels, sequences.videos, activities, found.of, chosen))
    return tuple(rows)


def _alike(vectors: NDArray[np.float64], found: Clustering, how: How) -> NDArray[np.int64]:
    return cluster_vectors(
        vectors,
        how.clusterer,
        clusters=None if how.clusterer == "hdbscan" else found.clusters,
        least_size=how.least_size,
        rows=how.rows,
        seed=how.seed,
    ).of


def _row(
    name: str,
    kind: Literal["prediction", "control"],
    vectors: NDArray[np.float64],
    of: NDArray[np.int64],
    truth: Labelled,
) -> ClusterRow:
    return ClusterRow(
        name=name,
        kind=kind,
        clusters=len(np.unique(of[of != NOISE])),
        noise_share=float((of == NOISE).mean()),
        with_noise=score_clusters(vectors, of, truth, noise=True),
        without_noise=score_clusters(vectors, of, truth, noise=False),
    )


def _permuted(
    labels: Sequence[str | None],
    videos: Sequence[str],
    activities: Sequence[str] | None,
    of: NDArray[np.int64],
    how: How,
) -> ClusterRow:
    """Return the mean of the scores over labels that are dealt out anew among the sequences that have one."""
    random = np.random.default_rng(how.seed)
    known = [at for at, label in enumerate(labels) if label is not None]
    both: tuple[list[ClusterScores], list[ClusterScores]] = ([], [])
    for _ in range(how.draws):
        dealt = list(labels)
        for at, source in zip(known, random.permutation(known), strict=True):
            dealt[at] = labels[source]
        truth = Labelled(dealt, videos, activities)
        for scores, noise in zip(both, (True, False), strict=True):
            scores.append(score_clusters(None, of, truth, noise=noise))
    return ClusterRow(
        name=PERMUTED,
        kind="control",
        draws=how.draws,
        clusters=len(np.unique(of[of != NOISE])),
        noise_share=float((of == NOISE).mean()),
        with_noise=_mean(both[0]),
        without_noise=_mean(both[1]),
    )


def _mean(draws: Sequence[ClusterScores]) -> ClusterScores:
    counts = {name: getattr(draws[0], name) for name in _COUNTS}
    means: dict[str, float | None] = {}
    for name in ClusterScores.model_fields.keys() - counts.keys():
        values = [value for one in draws if (value := getattr(one, name)) is not None]
        means[name] = statistics.fmean(values) if values else None
    return ClusterScores.model_validate({**counts, **means})
