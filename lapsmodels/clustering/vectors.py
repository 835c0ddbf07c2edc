"""Vectors of sequences that nothing is learned for: bags of codes, averages of latents, and those that are controls."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["attention_means", "bags", "counts", "log_durations", "means", "projected_bags", "standardised", "unit_rows"]


def counts(each: Sequence[NDArray[np.int32]], codes: int) -> Floats:
    """Return how often each code is in each sequence: float64 (S, codes).

    Examples
    --------
    >>> counts([np.array([0, 2, 2])], 3)
    array([[1., 0., 2.]])
    """
    return np.stack([np.bincount(one, minlength=codes) for one in each]).astype(np.float64)


def bags(each: Sequence[NDArray[np.int32]], codes: int) -> Floats:
    """Return bags of codes, tf-idf weighted, as rows of length 1: float64 (S, codes).

    A code is weighted by its share of the sequence times `1 + ln((1 + S) / (1 + s))`, where `s` of all `S` sequences
    have it (the smoothed form of Salton and Buckley's weights, as scikit-learn has it).

    Examples
    --------
    >>> bags([np.array([0, 1]), np.array([0, 0])], 3).round(3)
    array([[0.58 , 0.815, 0.   ],
           [1.   , 0.   , 0.   ]])
    """
    found = counts(each, codes)
    have = (found > 0).sum(axis=0)
    weight = 1 + np.log((1 + len(found)) / (1 + have))
    return unit_rows(found / found.sum(axis=1, keepdims=True) * weight)


def means(latents: Sequence[NDArray[np.float32]]) -> Floats:
    """Return the mean vector of each sequence: float64 (S, D).

    Examples
    --------
    >>> means([np.array([[1, 0], [3, 2]], np.float32)])
    array([[2., 1.]])
    """
    return np.stack([one.mean(axis=0, dtype=np.float64) for one in latents])


def attention_means(latents: Sequence[NDArray[np.float32]]) -> Floats:
    """Return means that are weighted by the length of each vector (LAPS's `attn_norm`): float64 (S, D).

    Where all vectors of a sequence are zero, so is its mean.

    Examples
    --------
    >>> attention_means([np.array([[1, 0], [0, 3]], np.float32)])
    array([[0.25, 2.25]])
    """
    return np.stack([_attended(one.astype(np.float64)) for one in latents])


def _attended(vectors: Floats) -> Floats:
    weight = np.linalg.norm(vectors, axis=1)
    total = weight.sum()
    return np.asarray(weight @ vectors / total if total > 0 else vectors[0], np.float64)


def log_durations(duration_s: Floats) -> Floats:
    """Return the logarithm of each duration, and nothing else: float64 (S, 1).

    A control: segments that are cut at a longest duration, or of actions of different lengths, fall apart by it. Times
    are those of whole microseconds: what the last bits of equally long ones say is no length.

    Examples
    --------
    >>> log_durations(np.array([1.0, np.e])).round(3)
    array([[0.],
           [1.]])
    """
    return np.log(np.maximum(np.round(duration_s, 6), 1e-6))[:, np.newaxis]


def projected_bags(each: Sequence[NDArray[np.int32]], codes: int, *, seed: int, width: int = 64) -> Floats:
    """Return shares of codes, seen through a random matrix: float64 (S, width).

    A control: each code has a random vector that knows nothing of other codes, and a sequence the mean of its own.

    Examples
    --------
    >>> projected_bags([np.array([0, 1]), np.array([1, 0])], 3, seed=0, width=4).shape
    (2, 4)
    """
    found = counts(each, codes)
    book = np.random.default_rng(seed).standard_normal((codes, width)) / np.sqrt(width)
    return np.asarray(found / found.sum(axis=1, keepdims=True) @ book, np.float64)


def standardised(vectors: Floats) -> Floats:
    """Return vectors whose columns have mean 0 and standard deviation 1; a column that does not vary becomes 0.

    Rounding makes columns of equal numbers vary in their last bits: below a billionth of their size is not at all.

    Examples
    --------
    >>> standardised(np.array([[1.0, 5.0], [3.0, 5.0]]))
    array([[-1.,  0.],
           [ 1.,  0.]])
    """
    centred = vectors - vectors.mean(axis=0)
    spread = vectors.std(axis=0)
    varies = spread > 1e-9 * np.abs(vectors).max(axis=0)
    return np.asarray(np.where(varies, centred / np.where(varies, spread, 1), 0), np.float64)


def unit_rows(vectors: Floats) -> Floats:
    """Return rows of length 1; a row of zeros stays.

    Examples
    --------
    >>> unit_rows(np.array([[3.0, 4.0], [0.0, 0.0]]))
    array([[0.6, 0.8],
           [0. , 0. ]])
    """
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0), np.float64)
