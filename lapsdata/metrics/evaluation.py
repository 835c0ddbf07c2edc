"""Boundary scores of a prediction, always beside those of boundaries that did not look at the video."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lapsdata.errors import Problem, SchemaError
from lapsdata.metrics._alignment import Alignment, ExtraPolicy, MissingPolicy, align
from lapsdata.metrics._given import RESOLUTION_S, at_least, known_word, seconds, span_ticks, tick_lists
from lapsdata.metrics._rows import Scorer, deviation
from lapsdata.metrics.boundary import TOLERANCES_S
from lapsdata.metrics.chance import (
    candidate_periods,
    periodic_boundaries,
    random_boundaries,
    shifted_boundaries,
    uniform_boundaries,
)
from lapsdata.provenance import provenance as provenance_of_now
from lapsdata.schema.base import canonical_json
from lapsdata.schema.result import BoundaryResult, BoundaryRow, BoundaryRules, ScoredVideo

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray
    from pydantic import JsonValue

    from lapsdata.metrics._alignment import Boundaries, Video
    from lapsdata.metrics._given import Span
    from lapsdata.schema.base import Provenance
    from lapsdata.schema.result import BoundaryCounting, BoundaryMatching

__all__ = ["CHANCE_ROWS", "evaluate_boundaries"]

PREDICTION = "prediction"
_SHORTEST_S = 1 / 16

CHANCE_ROWS = (
    "uniform_same_count",
    "uniform_truth_count",
    "uniform_best_period",
    "random_same_count",
    "circular_shift",
)
"""The rows of chance that stand in every result, in their order."""


class _Row(NamedTuple):
    """A row before it is scored: float64 (draws, C) seconds for each video."""

    name: str
    parameters: dict[str, JsonValue]
    draws: list[NDArray[np.float64]]


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
    draws: int = 50,
    seed: int = 0,
    provenance: Provenance | None = None,
) -> BoundaryResult:
    """Score found boundaries against true ones, and the rows of chance for the same truth.

    Five rows of chance are always there. `uniform_same_count` and `uniform_truth_count` cut each video into equal
    parts, as often as the prediction and as the truth do. `uniform_best_period` is, at each tolerance, the metronome
    that does best on this very truth, among the periods of `candidate_periods`. `random_same_count` draws as many
    instants as were found, `circular_shift` turns the prediction by an offset; both are means over draws.

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
    draws : int, >= 1
        Draws of the random and the shifted row.
    seed : int, >= 0
        Seed of both.
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
        (`row-twice`).

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
    scored = {row.name: _scored(row, scorer, videos, rules) for row in rows}
    scored["uniform_best_period"] = _best_period(scorer, videos, rules)
    order = (PREDICTION, *CHANCE_ROWS, *(name for name in scored if name not in (PREDICTION, *CHANCE_ROWS)))
    return BoundaryResult(
        provenance=provenance or provenance_of_now(parameters={"draws": draws, "seed": seed}),
        policies=policies,
        rules=rules,
        truth_digest=_digest(videos),
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
    # A cut between two touching segments is an end and a start.
    ends = 2 if rules.counting == "each_end" else 1

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


def _given(
    chance: Mapping[str, Boundaries], videos: Sequence[Video], how: Alignment, policies: dict[str, int]
) -> Iterator[_Row]:
    """Yield the rows of chance that the caller has made, and count what their videos were touched by."""
    spans = {video.name: video.span_s for video in videos}
    truth = {video.name: np.empty(0) for video in videos}
    for name, boundaries in chance.items():
        if name in (PREDICTION, *CHANCE_ROWS):
            message = "expected a name of its own, got one that is taken"
            raise SchemaError(Problem("row-twice", f"chance: {name}", message))
        try:
            aligned, touched = align(truth, boundaries, replace(how, spans_s=spans))
        except SchemaError as error:
            raise error.within(f"chance: {name}") from None
        policies |= {f"{name}_{policy}": count for policy, count in touched.items()}
        yield _Row(name, {}, [video.found[np.newaxis] for video in aligned])


def _scored(row: _Row, scorer: Scorer, videos: Sequence[Video], rules: BoundaryRules) -> BoundaryRow:
    return BoundaryRow(
        name=row.name,
        kind="prediction" if row.name == PREDICTION else "chance",
        parameters=row.parameters,
        draws=len(row.draws[0]),
        scores=tuple(scorer.score(row.draws, tolerance) for tolerance in rules.tolerances_s),
        deviation=deviation([video.truth for video in videos], row.draws),
    )


def _best_period(scorer: Scorer, videos: Sequence[Video], rules: BoundaryRules) -> BoundaryRow:
    """Return the metronome that has the highest macro F at each tolerance; of equals the slowest."""
    ends = 2 if rules.counting == "each_end" else 1

    def beats(period: float) -> list[NDArray[np.float64]]:
        return [np.repeat(periodic_boundaries(video.span_s, period), ends) for video in videos]

    best: list[float] = []
    for tolerance in rules.tolerances_s:
        periods = _periods(videos, tolerance)
        best.append(max((scorer.macro_f(beats(period), tolerance), period) for period in periods)[1])
    pairs = zip(rules.tolerances_s, best, strict=True)
    return BoundaryRow(
        name="uniform_best_period",
        kind="chance",
        parameters={"period_s": [*best]},
        scores=tuple(scorer.score([beat[np.newaxis] for beat in beats(period)], at) for at, period in pairs),
    )


def _periods(videos: Sequence[Video], tolerance_s: float) -> tuple[float, ...]:
    """Return the periods among which the best metronome is looked for."""
    lengths = [end - start for start, end in (video.span_s for video in videos)]
    gap = sum(lengths) / max(1, sum(len(video.truth) for video in videos))
    # Where cuts are denser than the tolerance every boundary is near two of them, and where four come to one boundary
    # at least three are misses: beyond both, faster is worse. Very short tolerances would ask for endless cuts.
    shortest = max(_SHORTEST_S, min(tolerance_s, gap / 4))
    return candidate_periods(shortest, max(shortest, *lengths))


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


def _digest(videos: Sequence[Video]) -> str:
    said: dict[str, JsonValue] = {
        video.name: [*span_ticks(video.span_s, "span_s"), *tick_lists(video.truth)] for video in videos
    }
    return f"sha256:{hashlib.sha256(canonical_json(said)).hexdigest()}"
