"""Two readings of the same videos beside each other: boundaries that shift, windows at the same time, codes.

Conventions: what is compared is called *unchanged* and *changed*; seconds are those of the unchanged video. Nothing is
compared by the number of its row: windows are pairs where they start at the same time.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lapsdata.containers.base import ArrayCheck
from lapsdata.errors import LengthMismatchError, Problem
from lapsdata.metrics._given import span_ticks, ticks_of
from lapsdata.metrics.boundary import BoundaryCounts, match_boundaries
from lapsdata.metrics.chance import random_boundaries
from lapsdata.schema.invariance import BoundaryShift, Equal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lapsdata.metrics._given import Span

__all__ = [
    "BoundariesOfTwo",
    "LatentDistance",
    "boundary_shift",
    "equal_codes",
    "latent_distance",
    "matched_shifts",
    "paired_windows",
]


@dataclass(frozen=True, slots=True, eq=False)
class BoundariesOfTwo:
    """Boundaries of a video and of its changed twin, within the time that was looked at in both.

    Parameters
    ----------
    video : str
        Seeds the draws of chance, so that videos are not cut alike.
    unchanged_s, found_s : float64 (B,) and (C,), seconds
    span_s : (float, float), seconds
    unchanged_beyond, found_beyond : int
        Boundaries of either that lie beyond it, and are compared with none.

    Examples
    --------
    >>> two = BoundariesOfTwo.common("clip", (np.array([1.0, 3.5]), (0.0, 4.0)), (np.array([1.25]), (0.0, 3.0)))
    >>> two.unchanged_s, two.span_s, two.unchanged_beyond
    (array([1.]), (0.0, 3.0), 1)
    """

    video: str
    unchanged_s: NDArray[np.float64]
    found_s: NDArray[np.float64]
    span_s: Span
    unchanged_beyond: int = 0
    found_beyond: int = 0

    @classmethod
    def common(
        cls,
        video: str,
        unchanged: tuple[NDArray[np.float64], Span],
        found: tuple[NDArray[np.float64], Span],
    ) -> BoundariesOfTwo:
        """Keep the boundaries within the time that both were looked at; each comes with its own time.

        Raises
        ------
        SchemaError
            There is no time that both were looked at (`wrong-span`).
        """
        (times, span), (others, other_span) = unchanged, found
        both = max(span[0], other_span[0]), min(span[1], other_span[1])
        start, end = span_ticks(both, f"{video}: the time that both were looked at")
        kept = [one[(ticks_of(one) > start) & (ticks_of(one) < end)] for one in (times, others)]
        return cls(video, kept[0], kept[1], both, len(times) - len(kept[0]), len(others) - len(kept[1]))


def boundary_shift(each: Sequence[BoundariesOfTwo], tolerance_s: float, *, draws: int, seed: int) -> BoundaryShift:
    """Return how boundaries shift, pooled over videos, beside as many boundaries anywhere.

    Parameters
    ----------
    each : sequence of BoundariesOfTwo
        One per video.
    tolerance_s : float, seconds
        Pairs are no farther apart.
    draws, seed : int
        How often chance is tried, and of what.

    Raises
    ------
    SchemaError
        Times, a tolerance or a number that is none.

    Examples
    --------
    >>> two = BoundariesOfTwo("clip", np.array([1.0, 3.0]), np.array([1.25, 2.0]), (0.0, 4.0))
    >>> found = boundary_shift([two], 0.5, draws=50, seed=0)
    >>> found.matched, found.median_shift_s, found.share, 0 < found.share_by_chance < 1
    (1, 0.25, 0.5, True)
    """
    shifts = np.concatenate([matched_shifts(one, tolerance_s) for one in each])
    drawn = [random_boundaries(one.span_s, len(one.found_s), draws=draws, seed=seed, video=one.video) for one in each]
    pooled = [
        BoundaryCounts.pooled(
            match_boundaries(one.unchanged_s, times[draw], tolerance_s).counts
            for one, times in zip(each, drawn, strict=True)
        )
        for draw in range(draws)
    ]
    return BoundaryShift(
        unchanged=sum(len(one.unchanged_s) for one in each),
        found=sum(len(one.found_s) for one in each),
        unchanged_beyond=sum(one.unchanged_beyond for one in each),
        found_beyond=sum(one.found_beyond for one in each),
        matched=len(shifts),
        matched_by_chance=statistics.fmean(one.hits for one in pooled),
        f_by_chance=statistics.fmean(one.f for one in pooled),
        median_shift_s=float(np.median(np.abs(shifts))) if len(shifts) else None,
        median_signed_s=float(np.median(shifts)) if len(shifts) else None,
    )


def matched_shifts(two: BoundariesOfTwo, tolerance_s: float) -> NDArray[np.float64]:
    """Return changed minus unchanged of each pair of boundaries, by the pairing of `match_boundaries`.

    Examples
    --------
    >>> matched_shifts(BoundariesOfTwo("clip", np.array([1.0, 3.0]), np.array([0.75]), (0.0, 4.0)), 0.5)
    array([-0.25])
    """
    pairs = match_boundaries(two.unchanged_s, two.found_s, tolerance_s).pairs
    return np.asarray(two.found_s[pairs[:, 1]] - two.unchanged_s[pairs[:, 0]])


def paired_windows(start_s: NDArray[np.float64], other_s: NDArray[np.float64], within_s: float) -> NDArray[np.int64]:
    """Return which windows start at the same time: int64 (P, 2), rows of both, each row at most once.

    Parameters
    ----------
    start_s, other_s : NDArray, shape (W,) and (U,), float64, seconds
        Starts of windows, by the same clock.
    within_s : float, seconds
        How far apart the starts of a pair are at most; below half of the step from window to window of either, each
        window has one candidate at most.

    Examples
    --------
    >>> paired_windows(np.array([0.0, 0.4, 0.8]), np.array([0.0, 0.27, 0.53, 0.8]), 0.05).tolist()
    [[0, 0], [2, 3]]
    """
    return match_boundaries(start_s, other_s, within_s).pairs


def equal_codes(codes: NDArray[np.int32], other: NDArray[np.int32]) -> tuple[Equal, tuple[Equal, ...]]:
    """Return how many windows are equal, and how many codes at each place, beside what would be by chance.

    By chance: where the codes (of a window: all of them as one) were dealt out anew among the windows of either side,
    the sum over the codes of the product of both shares. A tokenizer with one code has 1 and 1.

    Parameters
    ----------
    codes, other : NDArray, shape (P, L), int32
        Of pairs of windows; P is at least 1.

    Returns
    -------
    whole : Equal
    positions : tuple of Equal, L of them

    Raises
    ------
    LengthMismatchError
        Codes of other shapes, or of no pair.

    Examples
    --------
    >>> whole, positions = equal_codes(np.array([[1, 2], [1, 3]], np.int32), np.array([[1, 3], [1, 3]], np.int32))
    >>> whole.share, whole.by_chance, [(one.share, one.by_chance) for one in positions]
    (0.5, 0.5, [(1.0, 1.0), (0.5, 0.5)])
    """
    check = ArrayCheck("codes")
    check.array("codes", codes, ("P", "L"), np.int32)
    check.array("other", other, ("P", "L"), np.int32)
    check.finish()
    if not len(codes):
        raise LengthMismatchError(Problem("no-pairs", "codes", "expected codes of at least one pair, got none"))
    both = np.concatenate([codes, other])
    _, words = np.unique(both, axis=0, return_inverse=True)
    words = words.reshape(-1)
    places = tuple(_equal(codes[:, at], other[:, at]) for at in range(codes.shape[1]))
    return _equal(words[: len(codes)], words[len(codes) :]), places


def _equal(values: NDArray[np.integer], others: NDArray[np.integer]) -> Equal:
    length = 1 + int(max(values.max(), others.max()))
    counts = [np.bincount(one, minlength=length) for one in (values, others)]
    # Of whole numbers until the last division: 1 is 1, and not nearly so.
    by_chance = int(counts[0] @ counts[1]) / len(values) ** 2
    return Equal(share=float((values == others).mean()), by_chance=by_chance)


@dataclass(frozen=True, slots=True)
class LatentDistance:
    """Mean squared distances of latents; see `latent_distance`.

    Parameters
    ----------
    pairs : int
        Windows that are paired.
    paired, any_two : float
        Means over pairs and places: of the two latents of a pair, and of any two.

    Examples
    --------
    >>> LatentDistance.pooled([LatentDistance(1, 4.0, 8.0), LatentDistance(3, 0.0, 4.0)])
    LatentDistance(pairs=4, paired=1.0, any_two=5.0)
    """

    pairs: int
    paired: float
    any_two: float

    @classmethod
    def pooled(cls, each: Sequence[LatentDistance]) -> LatentDistance:
        """Return the means over the pairs of several videos."""
        total = sum(one.pairs for one in each)
        paired, any_two = (sum(one.pairs * getattr(one, name) for one in each) for name in ("paired", "any_two"))
        return cls(total, paired / total, any_two / total)


def latent_distance(latents: NDArray[np.float32], other: NDArray[np.float32]) -> LatentDistance:
    """Return how far apart the latents of pairs are, beside those of any window of one side and any of the other.

    Parameters
    ----------
    latents, other : NDArray, shape (P, L, D), float32
        Of pairs of windows; P is at least 1.

    Examples
    --------
    >>> latents = np.array([[[0.0]], [[2.0]]], np.float32)
    >>> latent_distance(latents, latents)
    LatentDistance(pairs=2, paired=0.0, any_two=2.0)
    """
    mine, theirs = latents.astype(np.float64), other.astype(np.float64)
    # |a - b|^2 over all a and b, without all pairs of them.
    squares = sum((one**2).sum(axis=-1).mean(axis=0) for one in (mine, theirs))
    any_two = squares - 2 * (mine.mean(axis=0) * theirs.mean(axis=0)).sum(axis=-1)
    paired = float(((mine - theirs) ** 2).sum(axis=-1).mean())
    # What cancels leaves a last bit below 0.
    return LatentDistance(len(latents), paired, max(0.0, float(np.mean(any_two))))
