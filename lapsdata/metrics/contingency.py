"""How alike two labellings are whose names have nothing to do with each other: Rand index, mutual information, V.

Conventions: a labelling beside another is a table of whole numbers (..., L, C), how many items have label l on the true
side and c on the found one; rows and columns of zeros change nothing. Whatever stands in front are tables of their own,
which are scored at once. Items are frames, or pieces of time so small that their number tells nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from lapsdata.errors import Problem, SchemaError
from lapsdata.metrics._given import known_word

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

__all__ = [
    "InformationMean",
    "VMeasure",
    "adjusted_mutual_information",
    "adjusted_rand",
    "normalised_mutual_information",
    "v_measure",
]

InformationMean = Literal["arithmetic", "geometric", "max"]
"""The mean of both entropies by which mutual information is divided: scikit-learn's is `arithmetic`, mir_eval's
`geometric` for NMI and `max` for AMI."""


class VMeasure(NamedTuple):
    """Homogeneity, completeness and their harmonic mean; float64 (...) each.

    Examples
    --------
    >>> VMeasure(np.array(1.0), np.array(0.5), np.array(2 / 3)).homogeneity
    array(1.)
    """

    homogeneity: Floats
    completeness: Floats
    v: Floats


def adjusted_rand(table: Integers) -> Floats:
    """Return the Rand index, adjusted so that it is 0 by chance (Hubert and Arabie 1985).

    Parameters
    ----------
    table : int64 (..., L, C)

    Returns
    -------
    float64 (...)
        Up to 1; 1 also where all items have one label on both sides, and of no item.

    Raises
    ------
    SchemaError
        No table of counts.

    Examples
    --------
    >>> round(float(adjusted_rand(np.array([[3, 1], [0, 4]]))), 4)
    0.4948
    """
    counts = _checked(table)
    both, rows, columns, every = (
        _pairs(counts).sum(axis=(-2, -1)),
        _pairs(counts.sum(axis=-1)).sum(axis=-1),
        _pairs(counts.sum(axis=-2)).sum(axis=-1),
        _pairs(counts.sum(axis=(-2, -1))),
    )
    expected = rows * columns / np.maximum(every, 1)
    most = (rows + columns) / 2
    trivial = most == expected
    return np.where(trivial, 1.0, (both - expected) / np.where(trivial, 1.0, most - expected))


def normalised_mutual_information(table: Integers, mean: InformationMean = "arithmetic") -> Floats:
    """Return mutual information as a share of the mean of both entropies.

    It is not 0 by chance, and higher for more clusters.

    Parameters
    ----------
    table : int64 (..., L, C)
    mean : {"arithmetic", "geometric", "max"}

    Returns
    -------
    float64 (...)
        0 to 1; 1 also where all items have one label on both sides, and of no item.

    Raises
    ------
    SchemaError
        No table of counts, or an unknown mean.

    Examples
    --------
    >>> round(float(normalised_mutual_information(np.array([[3, 1], [0, 4]]))), 4)
    0.5616
    """
    known_word(mean, "mean", InformationMean)
    told = _Information.of(_checked(table))
    return told.share(np.zeros_like(told.mutual), mean)


def adjusted_mutual_information(table: Integers, mean: InformationMean = "arithmetic") -> Floats:
    """Return mutual information, adjusted so that it is 0 by chance (Vinh, Epps and Bailey 2010).

    By chance: where the items were dealt out anew, as many to each label and cluster as before. Frames that follow one
    another are no independent items, so that of many frames little is taken off: a row of chance says more.

    Parameters
    ----------
    table : int64 (..., L, C)
        Of items that there really are, such as frames.
    mean : {"arithmetic", "geometric", "max"}

    Returns
    -------
    float64 (...)
        Up to 1; 1 where all items have one label on both sides, and of no item; 0 where they do on one side.

    Raises
    ------
    SchemaError
        No table of counts, or an unknown mean.

    Examples
    --------
    >>> round(float(adjusted_mutual_information(np.array([[3, 1], [0, 4]]))), 4)
    0.5001
    """
    known_word(mean, "mean", InformationMean)
    counts = _checked(table)
    told = _Information.of(counts)
    return told.share(_expected(counts), mean)


def v_measure(table: Integers) -> VMeasure:
    """Return whether each cluster is of one label, each label in one cluster, and both (Rosenberg, Hirschberg 2007).

    Parameters
    ----------
    table : int64 (..., L, C)

    Returns
    -------
    VMeasure
        0 to 1 each. Homogeneity is 1 where there is one label, completeness where there is one cluster.

    Raises
    ------
    SchemaError
        No table of counts.

    Examples
    --------
    >>> [round(float(value), 4) for value in v_measure(np.array([[3, 1], [0, 4]]))]
    [0.5488, 0.575, 0.5616]
    """
    told = _Information.of(_checked(table))
    homogeneity, completeness = (
        np.where(entropy > 0, told.mutual / np.where(entropy > 0, entropy, 1.0), 1.0)
        for entropy in (told.of_labels, told.of_clusters)
    )
    both = homogeneity + completeness
    v = np.where(both > 0, 2 * homogeneity * completeness / np.where(both > 0, both, 1.0), 0.0)
    return VMeasure(homogeneity, completeness, v)


class _Information(NamedTuple):
    """Mutual information and entropies of tables, in nats: float64 (...) each."""

    mutual: Floats
    of_labels: Floats
    of_clusters: Floats

    @classmethod
    def of(cls, counts: Integers) -> _Information:
        labels, clusters = _entropy(counts.sum(axis=-1)), _entropy(counts.sum(axis=-2))
        joint = _entropy(counts.reshape(*counts.shape[:-2], -1))
        # What cancels leaves a last bit below 0, or above the lower of the two.
        mutual = np.clip(labels + clusters - joint, 0.0, np.minimum(labels, clusters))
        return cls(mutual, labels, clusters)

    def share(self, expected: Floats, mean: InformationMean) -> Floats:
        """Return what is mutual as a share of the mean entropy, after what is expected was taken off both."""
        means = {
            "arithmetic": (self.of_labels + self.of_clusters) / 2,
            "geometric": np.sqrt(self.of_labels * self.of_clusters),
            "max": np.maximum(self.of_labels, self.of_clusters),
        }
        single = np.minimum(self.of_labels, self.of_clusters) == 0
        both = np.maximum(self.of_labels, self.of_clusters) == 0
        left = np.where(single, 1.0, means[mean] - expected)
        # Each item alone on both sides: all that there is is expected.
        nothing = ~single & (np.abs(left) < _ROUNDING * means[mean])
        share = (self.mutual - expected) / np.where(nothing, 1.0, left)
        return np.where(both | nothing, 1.0, np.where(single, 0.0, share))


_ROUNDING = 1e-12


def _entropy(counts: Integers) -> Floats:
    """Return the entropy, in nats, of counts (..., K)."""
    total = np.maximum(counts.sum(axis=-1, keepdims=True), 1)
    share = counts / total
    held = -(share * np.log(np.where(share > 0, share, 1.0))).sum(axis=-1)
    # Of one label it is 0, and not the last bit of it.
    return np.where((counts > 0).sum(axis=-1) > 1, held, 0.0)


def _expected(counts: Integers) -> Floats:
    from lapsdata.metrics._mutual_loop import expected_information

    tables = counts.reshape(-1, *counts.shape[-2:])
    out = np.zeros(len(tables))
    expected_information(tables.sum(axis=2), tables.sum(axis=1), out)
    return out.reshape(counts.shape[:-2])


def _pairs(counts: Integers) -> Floats:
    # As floats: pairs of the microseconds of a day are beyond int64.
    many = counts.astype(np.float64)
    return many * (many - 1) / 2


def _checked(table: object) -> Integers:
    found = np.asarray(table)
    if found.ndim < 2 or not np.issubdtype(found.dtype, np.integer) or (found < 0).any():
        message = f"expected counts (..., L, C) of 0 or more, got {found.dtype} {found.shape}"
        raise SchemaError(Problem("wrong-shape", "table", message))
    return found.astype(np.int64)
