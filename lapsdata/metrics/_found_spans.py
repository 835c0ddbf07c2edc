"""Segments that average precision is taken of, and as many of chance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lapsdata.metrics._draws import fractions, orders
from lapsdata.metrics._given import ticks_of
from lapsdata.metrics.chance import random_boundaries, uniform_boundaries

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray
    from pydantic import JsonValue

    from lapsdata.containers import Segments
    from lapsdata.schema.drawn import RowKind

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

__all__ = ["ApChance", "SpanDraws", "Spans", "spans_of"]


class Spans(NamedTuple):
    """Segments of V videos, in order of these, then of start.

    Parameters
    ----------
    video : int64 (S,)
    start_s, end_s : float64 (S,), seconds
    label : object (S,), str or None
    score : float64 (S,)
        NaN where there is none.
    """

    video: Integers
    start_s: Floats
    end_s: Floats
    label: NDArray[np.object_]
    score: Floats


class SpanDraws(NamedTuple):
    """A row before it is scored: draws of spans, each in the video of the prediction's span of the same place.

    Parameters
    ----------
    name : str
    parameters : dict
    start_s, end_s : float64 (D, S), seconds
    source : int64 (D, S)
        The span of the prediction whose label and score each has.
    confident : int64 (D, S) or None
        The span of the prediction whose confidence each has, where that is not what the rule makes of its own.
    kind : RowKind
    """

    name: str
    parameters: dict[str, JsonValue]
    start_s: Floats
    end_s: Floats
    source: Integers
    confident: Integers | None = None
    kind: RowKind = "chance"


def spans_of(segments: Segments, names: Sequence[str], background: Sequence[str]) -> tuple[Spans, int]:
    """Return the segments of the named videos without the background, and how many of these were left out."""
    place = {name: at for at, name in enumerate(names)}
    video = np.array([place.get(video.name, -1) for video in segments.header.videos], np.int64)[segments.video_index]
    label = np.array(segments.label, object)
    known = video >= 0
    kept = known & ~np.isin(label, background)
    order = np.flatnonzero(kept)[np.argsort(video[kept], kind="stable")]
    score = np.full(len(segments), np.nan) if segments.score is None else segments.score
    spans = Spans(video[order], segments.start_s[order], segments.end_s[order], label[order], score[order])
    return spans, int((known & ~kept).sum())


@dataclass(frozen=True, slots=True)
class ApChance:
    """Makes the rows of chance of a prediction.

    Parameters
    ----------
    found : Spans
    names : sequence of str
        The videos.
    times_s : sequence of (float, float)
        Their times, which equal parts and random cuts are made of.
    draws, seed : int
    """

    found: Spans
    names: Sequence[str]
    times_s: Sequence[tuple[float, float]]
    draws: int
    seed: int

    def rows(self) -> Iterator[SpanDraws]:
        """Yield the rows in their order."""
        held = [np.flatnonzero(self.found.video == video) for video in range(len(self.names))]
        start, end = ticks_of(self.found.start_s), ticks_of(self.found.end_s)
        apart = not any((start[at[1:]] < end[at[:-1]]).any() for at in held)
        yield self._shuffled(held) if apart else self._placed(held)
        cuts = [uniform_boundaries(span, len(at) - 1)[np.newaxis] for span, at in self._cut(held)]
        yield SpanDraws("uniform_same_count", {}, *self._parts(held, cuts, 1), self._same(1))
        cuts = [
            random_boundaries(span, len(at) - 1, draws=self.draws, seed=self.seed, video=self._name(at))
            for span, at in self._cut(held)
        ]
        drawn = self._parts(held, cuts, self.draws)
        yield SpanDraws("random_same_count", self._said(), *drawn, self._same(self.draws))
        dealt = orders("confidence", self.seed, "", self.draws, len(self.found.video))
        low, high = (np.tile(side, (self.draws, 1)) for side in (self.found.start_s, self.found.end_s))
        yield SpanDraws("confidence_permuted", self._said(), low, high, self._same(self.draws), dealt, "control")

    def _shuffled(self, held: Sequence[Integers]) -> SpanDraws:
        """Return the segments of each video in other orders, with the time between them as it was."""
        start, end, source = self._empty()
        for at in held:
            count = len(at)
            if not count:
                continue
            order = orders("durations", self.seed, self._name(at), self.draws, count)
            lasts = (self.found.end_s - self.found.start_s)[at][order]
            between = np.concatenate(
                [self.found.start_s[at[:1]], self.found.start_s[at[1:]] - self.found.end_s[at[:-1]]]
            )
            end[:, at] = np.cumsum(lasts + between, axis=1)
            start[:, at] = np.concatenate([np.zeros((self.draws, 1)), end[:, at[:-1]]], axis=1) + between
            source[:, at] = at[order]
        return SpanDraws("durations_shuffled", self._said(), start, end, source)

    def _placed(self, held: Sequence[Integers]) -> SpanDraws:
        """Return the segments of each video anywhere in it, for those that overlap have no order to be changed."""
        start, end, source = self._empty()
        for (low, high), at in self._cut(held):
            lasts = (self.found.end_s - self.found.start_s)[at]
            places = fractions("places", self.seed, self._name(at), self.draws * len(at)).reshape(self.draws, len(at))
            start[:, at] = low + places * np.maximum(high - low - lasts, 0)
            end[:, at] = start[:, at] + lasts
            source[:, at] = at
        return SpanDraws("durations_placed", self._said(), start, end, source)

    def _parts(self, held: Sequence[Integers], cuts: Sequence[Floats], draws: int) -> tuple[Floats, Floats]:
        """Return starts and ends of the parts that `cuts` (draws, C) make of each video that has segments."""
        start, end = np.empty((draws, len(self.found.video))), np.empty((draws, len(self.found.video)))
        for ((low, high), at), inner in zip(self._cut(held), cuts, strict=True):
            edges = np.concatenate([np.full((draws, 1), low), inner, np.full((draws, 1), high)], axis=1)
            start[:, at], end[:, at] = edges[:, :-1], edges[:, 1:]
        return start, end

    def _cut(self, held: Sequence[Integers]) -> Iterator[tuple[tuple[float, float], Integers]]:
        return ((span, at) for span, at in zip(self.times_s, held, strict=True) if len(at))

    def _name(self, at: Integers) -> str:
        return self.names[int(self.found.video[at[0]])]

    def _said(self) -> dict[str, JsonValue]:
        return {"draws": self.draws, "seed": self.seed}

    def _same(self, draws: int) -> Integers:
        return np.tile(np.arange(len(self.found.video)), (draws, 1))

    def _empty(self) -> tuple[Floats, Floats, Integers]:
        shape = (self.draws, len(self.found.video))
        return np.empty(shape), np.empty(shape), np.empty(shape, np.int64)
