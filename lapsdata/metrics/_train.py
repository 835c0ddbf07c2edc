"""What is known of a train split: how its events lie in its videos, and no look at the videos that are scored."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from lapsdata.containers import Segments
from lapsdata.errors import SchemaError
from lapsdata.metrics._alignment import align
from lapsdata.metrics._given import RESOLUTION_S, span_ticks, tick_lists, ticks_of
from lapsdata.metrics._metronome import best_periods
from lapsdata.metrics._names import check_train
from lapsdata.metrics._rows import Scorer
from lapsdata.metrics.boundary import inner_boundaries
from lapsdata.metrics.chance import lasting_boundaries, median_shares, placed_boundaries
from lapsdata.schema.base import canonical_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray
    from pydantic import JsonValue

    from lapsdata.metrics._alignment import Alignment, Boundaries, Video
    from lapsdata.metrics._given import Span
    from lapsdata.schema.result import BoundaryRules

__all__ = ["TrainSplit", "boundaries_digest", "train_split"]


def boundaries_digest(videos: Sequence[Video]) -> str:
    """Return the digest of the names, times and true boundaries of some videos."""
    said: dict[str, JsonValue] = {
        video.name: [*span_ticks(video.span_s, "span_s"), *tick_lists(video.truth)] for video in videos
    }
    return f"sha256:{hashlib.sha256(canonical_json(said)).hexdigest()}"


@dataclass(frozen=True)
class TrainSplit:
    """The true events of a train split.

    Parameters
    ----------
    videos : sequence of Video
        By name, with boundaries as the rules count them.
    """

    videos: Sequence[Video]

    def said(self) -> dict[str, JsonValue]:
        """Return what stands in the rows that are made of it."""
        return {"train_videos": len(self.videos), "train_digest": boundaries_digest(self.videos)}

    def best_periods(self, rules: BoundaryRules) -> list[float]:
        """Return the period of the metronome that does best here, for each tolerance."""
        return best_periods(self.videos, Scorer(self.videos, rules.matching, rules.empty), rules)

    @cached_property
    def lasted_s(self) -> NDArray[np.float64]:
        """How long segments here last, float64 (S,), from any boundary, start or end to the next."""
        # In whole microseconds, of which no two boundaries share one.
        edges = [ticks_of(np.array([one.span_s[0], *_once(one), one.span_s[1]])) for one in self.videos]
        lasted: NDArray[np.float64] = np.concatenate([np.diff(one) for one in edges]) * RESOLUTION_S
        return lasted

    def durations(self, video: Video, *, draws: int, seed: int) -> Sequence[NDArray[np.float64]]:
        """Return draws of boundaries, float64 (B,) seconds: segments that last as those here, in any order."""
        return lasting_boundaries(video.span_s, self.lasted_s, draws=draws, seed=seed, video=video.name)

    def positions(self) -> NDArray[np.float64]:
        """Return the median shares of a video at which events are, float64 (K,)."""
        return median_shares([_shares(one) for one in self.videos])

    def copies(self, spans_s: Sequence[Span]) -> Iterator[NDArray[np.float64]]:
        """Yield, for each span, the events of the video nearest in length, at their shares of its duration.

        Of two equally near the first by name; shares, so that no event lies past the end of a shorter video.
        """
        lengths = np.array([_length(one.span_s) for one in self.videos])
        for span in spans_s:
            nearest = int(np.argmin(np.abs(lengths - _length(span))))
            yield placed_boundaries(span, _shares(self.videos[nearest]))


def train_split(train: Boundaries, videos: Sequence[Video], how: Alignment) -> tuple[TrainSplit, dict[str, int]]:
    """Return a train split, checked against the videos that are scored, and how many items a policy has touched.

    Raises
    ------
    SchemaError
        Times that do not fit their video, no video, or one that is scored as well (`train-in-truth`).
    """
    known = dict(how.spans_s or {})
    if isinstance(train, Segments):
        known = {one.name: (one.start_s, one.end_s) for one in train.header.videos} | known
    try:
        own, policies = align(train, train, replace(how, spans_s=known or None, missing="raise", extra="raise"))
    except SchemaError as error:
        raise error.within("train") from None
    check_train([video.name for video in videos], [video.name for video in own])
    past = policies.get("truth_past_the_end", 0)
    return TrainSplit(own), {"train_past_the_end": past} if past else {}


def _once(video: Video) -> NDArray[np.float64]:
    return inner_boundaries(video.truth, video.span_s)


def _shares(video: Video) -> NDArray[np.float64]:
    start, end = video.span_s
    return (_once(video) - start) / (end - start)


def _length(span_s: Span) -> int:
    start, end = span_ticks(span_s, "span_s")
    return end - start
