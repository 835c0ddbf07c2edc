"""Boundary scores of a prediction, always beside those of boundaries that did not look at the video."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lapsdata.errors import Problem, SchemaError
from lapsdata.metrics._alignment import Alignment, ExtraPolicy, MissingPolicy, align
from lapsdata.metrics._given import RESOLUTION_S, at_least, known_word, seconds, tick_lists
from lapsdata.metrics._metronome import beats, best_periods, ends_of_a_cut
from lapsdata.metrics._rows import Scorer, deviation
from lapsdata.metrics._train import boundaries_digest, train_split
from lapsdata.metrics.boundary import TOLERANCES_S, inner_boundaries
from lapsdata.metrics.chance import placed_boundaries, random_boundaries, shifted_boundaries, uniform_boundaries
from lapsdata.provenance import provenance as provenance_of_now
from lapsdata.schema.result import BoundaryResult, BoundaryRow, BoundaryRules, ScoredVideo

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray
    from pydantic import JsonValue

    from lapsdata.metrics._alignment import Boundaries, Video
    from lapsdata.metrics._given import Span
    from lapsdata.metrics._rows import Draws
    from lapsdata.metrics._train import TrainSplit
    from lapsdata.schema.base import Provenance
    from lapsdata.schema.result import BoundaryCounting, BoundaryMatching, BoundaryScore

__all__ = ["CHANCE_ROWS", "TRAIN_ROWS", "evaluate_boundaries"]

PREDICTION = "prediction"

CHANCE_ROWS = (
    "uniform_same_count",
    "uniform_truth_count",
    "uniform_best_period",
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
"""The rows that a train split is known for, in their order: they follow the others."""


class _Row(NamedTuple):
    """A row before it is scored: for each video its draws; `of_one_count` says whether these are of one length."""

    name: str
    parameters: dict[str, JsonValue]
    draws: Sequence[Draws]
    of_one_count: bool = True


def evaluate_boundaries(
    truth: Boundaries,
    found: Boundaries,
    *,
    spans_s: Mapping[str, Span] | None = None,
    tolerances_s: Sequence[float] = TOLERANCES_S,
    counting: BoundaryCounting = "once",
    matching: BoundaryMatching = "maximum",
    missing: MissingPolicy = "raise",
    extra: ExtraPolicy = "raise",
    end_slack_s: float = 0.0,
    chance: Mapping[str, Boundaries] | None = None,
    train: Boundaries | None = None,
    draws: int = 50,
    seed: int = 0,
    provenance: Provenance | None = None,
) -> BoundaryResult:
    """Score found boundaries against true ones, and the rows of chance for the same truth.

    Five rows of chance are always there. `uniform_same_count` and `uniform_truth_count` cut each video into equal
    parts, as often as the prediction and as the truth do. `uniform_best_period` is, at each tolerance, the metronome
    that does best on this very truth, among the periods of `candidate_periods`. `random_same_count` draws as many
    instants as were found, `circular_shift` turns the prediction by an offset; both are means over draws.

    Four more speak of the events of a train split, where one is given. `uniform_train_period` is, at each tolerance,
    the metronome that does best there. `train_durations` cuts segments one after the other whose durations are drawn
    among those of the split's segments, from any of its boundaries, starts and ends of videos to the next.
    `train_position` has its events at the median shares of a video's duration (`median_shares`), and `train_copy` at
    those of the train video that is nearest in length.

    Parameters
    ----------
    truth, found : Segments, or mapping of str to NDArray, shape (B,), float64, seconds
        Segments, or the instants of boundaries by video, in any order.
    spans_s : mapping of str to (float, float), seconds, or None
        The time of each video that is scored, (0, duration) for a whole one; more videos than are scored may stand in
        it. None takes what the segments' headers say, which must agree.
    tolerances_s : sequence of float, seconds, >= 0
        Rising.
    counting : {"once", "each_end"}
        See `segment_boundaries`. With `"each_end"` the cuts of chance count twice, as those of touching segments do.
    matching : {"maximum", "greedy"}
        See `match_boundaries`.
    missing : {"raise", "empty"}
        What becomes of a video of the truth that `found` does not speak of; `"empty"` scores it as one in which nothing
        was found. A video whose segments are none is not missing.
    extra : {"raise", "leave_out"}
        What becomes of a video that `found` or a row of `chance` speaks of and the truth does not.
    end_slack_s : float, seconds, >= 0
        How far times may lie outside of a video, such as one frame; those that do are taken for its end and counted.
    chance : mapping of str to Segments or mapping, or None
        More rows of chance by name, such as a segmenter fed with a constant energy. They hold every scored video.
    train : Segments, or mapping of str to NDArray, shape (B,), float64, seconds, or None
        The true boundaries of other videos, whose times stand in `spans_s` or in the segments' header.
    draws : int, >= 1
        Draws of each row that is drawn.
    seed : int, >= 0
        Seed of all of them.
    provenance : Provenance or None
        Who made it from what; None says that this function did.

    Returns
    -------
    BoundaryResult
        `policies` counts the items that `missing`, `extra` and `end_slack_s` have touched.

    Raises
    ------
    SchemaError
        Videos that do not fit (`no-prediction`, `no-truth`, `no-common-video`, `no-videos`, `no-span`, `spans-differ`),
        times outside of their video (`outside-video`), times or parameters that are none, a row's name that is taken
        (`row-twice`), a video of the truth in `train` (`train-in-truth`).

    Examples
    --------
    >>> truth, found = {"clip_0": np.array([2.0, 5.0])}, {"clip_0": np.array([2.2, 4.0])}
    >>> result = evaluate_boundaries(truth, found, spans_s={"clip_0": (0.0, 9.0)}, tolerances_s=(0.25, 1.0))
    >>> [score.macro.f for score in result.rows[0].scores]
    [0.5, 1.0]
    >>> [row.name for row in result.rows][-2:]
    ['random_same_count', 'circular_shift']
    """
    rules = _rules(tolerances_s, counting, matching)
    draws, seed = at_least(draws, "draws", 1), at_least(seed, "seed", 0)
    known_word(missing, "missing", MissingPolicy)
    known_word(extra, "extra", ExtraPolicy)
    how = Alignment(spans_s, missing, extra, end_slack_s, counting)
    videos, policies = align(truth, found, how)
    scorer = Scorer([video.truth for video in videos], matching)
    rows = [_Row(PREDICTION, {}, [video.found[np.newaxis] for video in videos])]
    rows += _made(videos, rules, draws, seed)
    rows += _given(chance or {}, videos, replace(how, missing="raise"), policies)
    periods: dict[str, tuple[list[float], dict[str, JsonValue]]]
    periods = {"uniform_best_period": (best_periods(videos, scorer, rules), {})}
    if train is not None:
        split, touched = train_split(train, videos, how)
        policies |= touched
        rows += _trained(split, videos, rules, draws, seed)
        periods["uniform_train_period"] = (split.best_periods(rules), split.said())
    scored: dict[str, BoundaryRow] = {}
    for row in rows:
        scored[row.name] = _scored(row, scorer, videos, rules, scored.get(PREDICTION))
    for name, (best, said) in periods.items():
        scored[name] = _metronome(name, best, said, scorer, videos, rules)
    known = (PREDICTION, *CHANCE_ROWS, *(TRAIN_ROWS if train is not None else ()))
    order = (*known, *(name for name in scored if name not in known))
    return BoundaryResult(
        provenance=provenance or provenance_of_now(parameters={"draws": draws, "seed": seed}),
        policies=policies,
        rules=rules,
        truth_digest=boundaries_digest(videos),
        videos=_counted(videos, scorer, rules),
        rows=tuple(scored[name] for name in order),
    )


def _rules(tolerances_s: Sequence[float], counting: BoundaryCounting, matching: BoundaryMatching) -> BoundaryRules:
    return BoundaryRules(
        tolerances_s=tuple(seconds(given, f"tolerances_s[{i}]", 0) for i, given in enumerate(tolerances_s)),
        counting=counting,
        matching=matching,
        resolution_s=RESOLUTION_S,
    )


def _made(videos: Sequence[Video], rules: BoundaryRules, draws: int, seed: int) -> Iterator[_Row]:
    """Yield the rows of chance whose boundaries are the same at each tolerance."""
    ends = ends_of_a_cut(rules)

    def cuts(boundaries: NDArray[np.float64]) -> int:
        return -(-len(boundaries) // ends)

    def counted(times: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.repeat(np.atleast_2d(times), ends, axis=1)

    seeded: dict[str, JsonValue] = {"draws": draws, "seed": seed}
    yield _Row("uniform_same_count", {}, [counted(uniform_boundaries(v.span_s, cuts(v.found))) for v in videos])
    yield _Row("uniform_truth_count", {}, [counted(uniform_boundaries(v.span_s, cuts(v.truth))) for v in videos])
    drawn = [
        random_boundaries(video.span_s, cuts(video.found), draws=draws, seed=seed, video=video.name) for video in videos
    ]
    yield _Row("random_same_count", seeded, list(map(counted, drawn)))
    turned = [
        shifted_boundaries(video.found, video.span_s, draws=draws, seed=seed, video=video.name) for video in videos
    ]
    yield _Row("circular_shift", seeded, turned)


def _trained(split: TrainSplit, videos: Sequence[Video], rules: BoundaryRules, draws: int, seed: int) -> Iterator[_Row]:
    """Yield the rows of a train split whose boundaries are the same at each tolerance."""
    ends, said = ends_of_a_cut(rules), split.said()

    def counted(video: Video, times: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.repeat(inner_boundaries(times, video.span_s), ends)

    lasting = [[counted(video, cuts) for cuts in split.durations(video, draws=draws, seed=seed)] for video in videos]
    yield _Row("train_durations", said | {"draws": draws, "seed": seed}, lasting, of_one_count=False)
    shares = split.positions()
    placed = [[counted(video, placed_boundaries(video.span_s, shares))] for video in videos]
    yield _Row("train_position", said | {"shares": shares.tolist()}, placed)
    copies = zip(videos, split.copies([video.span_s for video in videos]), strict=True)
    yield _Row("train_copy", said, [[counted(video, copy)] for video, copy in copies])


def _given(
    chance: Mapping[str, Boundaries], videos: Sequence[Video], how: Alignment, policies: dict[str, int]
) -> Iterator[_Row]:
    """Yield the rows of chance that the caller has made, and count what their videos were touched by."""
    spans = {video.name: video.span_s for video in videos}
    truth = {video.name: np.empty(0) for video in videos}
    for name, boundaries in chance.items():
        if name in (PREDICTION, *CHANCE_ROWS, *TRAIN_ROWS):
            message = "expected a name of its own, got one that is taken"
            raise SchemaError(Problem("row-twice", f"chance: {name}", message))
        try:
            aligned, touched = align(truth, boundaries, replace(how, spans_s=spans))
        except SchemaError as error:
            raise error.within(f"chance: {name}") from None
        policies |= {f"{name}_{policy}": count for policy, count in touched.items()}
        yield _Row(name, {}, [video.found[np.newaxis] for video in aligned])


def _scored(
    row: _Row, scorer: Scorer, videos: Sequence[Video], rules: BoundaryRules, judged: BoundaryRow | None
) -> BoundaryRow:
    against: Sequence[BoundaryScore | None] = judged.scores if judged else [None] * len(rules.tolerances_s)
    pairs = zip(rules.tolerances_s, against, strict=True)
    return BoundaryRow(
        name=row.name,
        kind="chance" if judged else "prediction",
        parameters=row.parameters,
        draws=len(row.draws[0]),
        scores=tuple(scorer.score(row.draws, tolerance, one) for tolerance, one in pairs),
        deviation=deviation([video.truth for video in videos], row.draws) if row.of_one_count else None,
    )


def _metronome(
    name: str, periods: Sequence[float], said: dict[str, JsonValue], scorer: Scorer, videos: Sequence[Video],
    rules: BoundaryRules,
) -> BoundaryRow:  # fmt: skip
    """Return the row of a metronome that has a period of its own at each tolerance."""
    pairs = zip(rules.tolerances_s, periods, strict=True)
    return BoundaryRow(
        name=name,
        kind="chance",
        parameters=said | {"period_s": [*periods]},
        scores=tuple(scorer.score([[beat] for beat in beats(videos, period, rules)], at) for at, period in pairs),
    )


def _counted(videos: Sequence[Video], scorer: Scorer, rules: BoundaryRules) -> tuple[ScoredVideo, ...]:
    found = [tick_lists(video.found) for video in videos]
    columns = [scorer.counts(found, tolerance) for tolerance in rules.tolerances_s]
    return tuple(
        ScoredVideo(
            name=video.name,
            start_s=float(video.span_s[0]),
            end_s=float(video.span_s[1]),
            truth=counts[0].truth,
            found=counts[0].found,
            hits=tuple(one.hits for one in counts),
        )
        for video, counts in zip(videos, zip(*columns, strict=True), strict=True)
    )
