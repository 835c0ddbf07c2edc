"""The rows of a result before they are scored: the boundaries of the prediction, of chance and of oracles."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from lapsdata.errors import Problem, SchemaError
from lapsdata.metrics._alignment import align
from lapsdata.metrics._boundary_sets import BoundarySets, sets_of
from lapsdata.metrics._metronome import beats, best_periods, ends_of_a_cut
from lapsdata.metrics.boundary import inner_boundaries
from lapsdata.metrics.chance import placed_boundaries, random_boundaries, shifted_boundaries, uniform_boundaries

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray
    from pydantic import JsonValue

    from lapsdata.metrics._alignment import Alignment, Boundaries, Video
    from lapsdata.metrics._rows import Scorer
    from lapsdata.metrics._train import TrainSplit
    from lapsdata.schema.result import BoundaryRules

__all__ = [
    "CHANCE_ROWS",
    "ORACLE_ROWS",
    "TRAIN_ROWS",
    "Chosen",
    "Row",
    "given_rows",
    "made_rows",
    "oracle_rows",
    "prediction_row",
    "trained_rows",
]

PREDICTION = "prediction"

CHANCE_ROWS = (
    "uniform_same_count",
    "random_same_count",
    "circular_shift",
)
"""The rows of chance that stand in every result, in their order."""

TRAIN_ROWS = (
    "uniform_train_period",
    "train_durations",
    "train_position",
    "train_copy",
)
"""The rows of chance that a train split is known for, in their order: they follow the others."""

ORACLE_ROWS = (
    "oracle_count",
    "uniform_best_period",
)
"""The rows that know something of the scored truth itself, and are no chance; they stand last in every result."""


class Row(NamedTuple):
    """A row before it is scored.

    Parameters
    ----------
    sets : tuple of BoundarySets
        One for all tolerances, or one for each.
    of_one_count : bool
        Whether the draws of a video are of one length.
    """

    name: str
    kind: Literal["prediction", "chance", "oracle"]
    parameters: dict[str, JsonValue]
    sets: tuple[BoundarySets, ...]
    of_one_count: bool = True

    def at(self, place: int) -> BoundarySets:
        """Return the sets at a tolerance, by its place."""
        return self.sets[place if len(self.sets) > 1 else 0]


class Chosen(NamedTuple):
    """What rows of chance are drawn with."""

    draws: int
    shift_draws: int
    seed: int


def prediction_row(videos: Sequence[Video]) -> Row:
    """Return what is judged."""
    return Row(PREDICTION, "prediction", {}, (sets_of([video.found] for video in videos),))


def made_rows(videos: Sequence[Video], rules: BoundaryRules, chosen: Chosen) -> Iterator[Row]:
    """Yield the rows of chance that are made of the prediction."""
    ends, (draws, shift_draws, seed) = ends_of_a_cut(rules), chosen
    cuts = [-(-len(video.found) // ends) for video in videos]
    even = sets_of([uniform_boundaries(video.span_s, count)] for video, count in zip(videos, cuts, strict=True))
    yield Row("uniform_same_count", "chance", {}, (even.repeated(ends),))
    drawn = sets_of(
        random_boundaries(video.span_s, count, draws=draws, seed=seed, video=video.name)
        for video, count in zip(videos, cuts, strict=True)
    )
    yield Row("random_same_count", "chance", {"draws": draws, "seed": seed}, (drawn.repeated(ends),))
    turned = sets_of(
        shifted_boundaries(video.found, video.span_s, draws=shift_draws, seed=seed, video=video.name)
        for video in videos
    )
    yield Row("circular_shift", "chance", {"draws": shift_draws, "seed": seed}, (turned,))


def trained_rows(split: TrainSplit, videos: Sequence[Video], rules: BoundaryRules, chosen: Chosen) -> Iterator[Row]:
    """Yield the rows of chance of a train split."""
    ends, said, (draws, _, seed) = ends_of_a_cut(rules), split.said(), chosen
    periods = split.best_periods(rules)
    yield Row(
        "uniform_train_period",
        "chance",
        said | {"period_s": [*periods]},
        tuple(beats(videos, period, rules) for period in periods),
    )

    def counted(each: Iterable[NDArray[np.float64]]) -> tuple[BoundarySets]:
        pairs = zip(each, videos, strict=True)
        return (sets_of([inner_boundaries(times, video.span_s)] for times, video in pairs).repeated(ends),)

    lasting = sets_of(split.durations(video, draws=draws, seed=seed) for video in videos).repeated(ends)
    yield Row("train_durations", "chance", said | {"draws": draws, "seed": seed}, (lasting,), of_one_count=False)
    shares = split.positions()
    placed = counted(placed_boundaries(video.span_s, shares) for video in videos)
    yield Row("train_position", "chance", said | {"shares": shares.tolist()}, placed)
    yield Row("train_copy", "chance", said, counted(split.copies([video.span_s for video in videos])))


def oracle_rows(videos: Sequence[Video], scorer: Scorer, rules: BoundaryRules) -> Iterator[Row]:
    """Yield the rows that know something of the scored truth."""
    ends = ends_of_a_cut(rules)
    even = sets_of([uniform_boundaries(video.span_s, -(-len(video.truth) // ends))] for video in videos)
    yield Row("oracle_count", "oracle", {}, (even.repeated(ends),))
    periods = best_periods(videos, scorer, rules)
    best = tuple(beats(videos, period, rules) for period in periods)
    yield Row("uniform_best_period", "oracle", {"period_s": [*periods]}, best)


def given_rows(
    chance: Mapping[str, Boundaries], videos: Sequence[Video], how: Alignment, policies: dict[str, int]
) -> Iterator[Row]:
    """Yield the rows of chance that the caller has made, and count what their videos were touched by."""
    spans = {video.name: video.span_s for video in videos}
    truth = {video.name: np.empty(0) for video in videos}
    for name, boundaries in chance.items():
        if name in (PREDICTION, *CHANCE_ROWS, *TRAIN_ROWS, *ORACLE_ROWS):
            message = "expected a name of its own, got one that is taken"
            raise SchemaError(Problem("row-twice", f"chance: {name}", message))
        try:
            aligned, touched = align(truth, boundaries, replace(how, spans_s=spans))
        except SchemaError as error:
            raise error.within(f"chance: {name}") from None
        policies |= {f"{name}_{policy}": count for policy, count in touched.items()}
        yield Row(name, "chance", {}, (sets_of([video.found] for video in aligned),))
