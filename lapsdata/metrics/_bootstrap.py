"""Intervals of a score: the same videos, drawn with replacement again and again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lapsdata.metrics._draws import fractions
from lapsdata.metrics._ratios import ratios
from lapsdata.metrics._rows import exact_means

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lapsdata.schema.result import BoundaryEmpty

__all__ = ["resampled", "times_drawn"]


Counts = tuple["NDArray[np.int64]", "NDArray[np.int64]", "NDArray[np.int64]"]
"""True and found boundaries and hits of a row: (videos, 1) or (videos, draws)."""


def times_drawn(videos: int, resamples: int, seed: int) -> NDArray[np.int64]:
    """Return how often each video is in each resample, (videos, resamples).

    It depends on the arguments alone: the resamples of two results over the same videos are pairs.
    """
    places = (fractions("bootstrap", seed, "", resamples * videos) * videos).astype(np.int64)
    flat = places.reshape(resamples, videos) + videos * np.arange(resamples)[:, np.newaxis]
    return np.bincount(flat.ravel(), minlength=resamples * videos).reshape(resamples, videos).T


def resampled(
    counts: Counts, drawn: NDArray[np.int64], empty: BoundaryEmpty
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return macro F and micro F of each resample, (resamples,) each; of several draws their mean.

    Sums go over whole numbers, or video after video, so that they are the same on every machine.
    """
    each = np.array(exact_means(ratios(*counts, empty).f.T))
    macro = (each[:, np.newaxis] * drawn).sum(axis=0) / len(drawn)
    # Whole numbers far below 2**53: float64 adds them exactly, in any order.
    truth, found, hits = (one.T.astype(np.float64) @ drawn.astype(np.float64) for one in counts)
    return macro, ratios(truth, found, hits, empty).f.mean(axis=0)
