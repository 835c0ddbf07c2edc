"""Boundary scores of a prediction, always beside those of boundaries that did not look at the video."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from lapsdata.metrics._above_chance import judge
from lapsdata.metrics._alignment import Alignment, ExtraPolicy, MissingPolicy, align
from lapsdata.metrics._chance_rows import (
    CHANCE_ROWS,
    ORACLE_ROWS,
    TRAIN_ROWS,
    Chosen,
    given_rows,
    made_rows,
    oracle_rows,
    prediction_row,
    trained_rows,
)
from lapsdata.metrics._given import RESOLUTION_S, at_least, known_word, seconds
from lapsdata.metrics._rows import Scorer
from lapsdata.metrics._train import boundaries_digest, train_split
from lapsdata.metrics.boundary import TOLERANCES_S
from lapsdata.metrics.profiles import PROFILES
from lapsdata.provenance import provenance as provenance_of_now
from lapsdata.schema.result import Bootstrap, BoundaryResult, BoundaryRow, BoundaryRules, ScoredVideo
from lapsdata.schema.segmentation import RulesProfile

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lapsdata.metrics._alignment import Boundaries, Video
    from lapsdata.metrics._chance_rows import Row
    from lapsdata.metrics._given import Span
    from lapsdata.schema.base import Provenance
    from lapsdata.schema.result import BoundaryCounting, BoundaryEmpty, BoundaryMatching, BoundaryScore

__all__ = ["CHANCE_ROWS", "ORACLE_ROWS", "TRAIN_ROWS", "evaluate_boundaries"]


def evaluate_boundaries(
    truth: Boundaries,
    found: Boundaries,
    *,
    spans_s: Mapping[str, Span] | None = None,
    tolerances_s: Sequence[float] = TOLERANCES_S,
    rules: RulesProfile = "default",
    counting: BoundaryCounting | None = None,
    matching: BoundaryMatching | None = None,
    empty: BoundaryEmpty | None = None,
    missing: MissingPolicy = "raise",
    extra: ExtraPolicy = "raise",
    end_slack_s: float = 0.0,
    chance: Mapping[str, Boundaries] | None = None,
    train: Boundaries | None = None,
    draws: int = 100,
    shift_draws: int = 1000,
    resamples: int = 1000,
    seed: int = 0,
    provenance: Provenance | None = None,
) -> BoundaryResult:
    """Score found boundaries against true ones, and the rows of chance for the same truth.

    Three rows of chance are always there. `uniform_same_count` cuts each video into equal parts, as often as the
    prediction does, `random_same_count` draws as many instants, and `circular_shift` turns the prediction by an offset;
    both of these are means over draws.

    Four more speak of the events of a train split, where one is given. `uniform_train_period` is, at each tolerance,
    the metronome that does best there. `train_durations` cuts segments one after the other whose durations are drawn
    among those of the split's segments, from any of its boundaries, starts and ends of videos to the next.
    `train_position` has its events at the median shares of a video's duration (`median_shares`), and `train_copy` at
    those of the train video that is nearest in length.

    Two rows are oracles, which know something of the scored truth itself: shown, and no chance. `oracle_count` cuts
    each video into equal parts, as often as its truth does; `uniform_best_period` is, at each tolerance, the metronome
    that does best on this very truth, among the periods of `candidate_periods`: no metronome that was fitted on other
    videos is expected above it.

    The prediction has intervals over resamples of the videos, and its chance-corrected score stands in `above_chance`:
    (F - F_best_chance) / (1 - F_best_chance), where the best row of chance is the one with the highest F on all videos
    and stays the same in every resample.

    Parameters
    ----------
    truth, found : Segments, or mapping of str to NDArray, shape (B,), float64, seconds
        Segments, or the instants of boundaries by video, in any order.
    spans_s : mapping of str to (float, float), seconds, or None
        The time of each video that is scored, (0, duration) for a whole one; more videos than are scored may stand in
        it. None takes what the segments' headers say, which must agree.
    tolerances_s : sequence of float, seconds, >= 0
        Rising.
    rules : {"default", "laps-2025", "ms-tcn"}
        A profile of the next three; see `RulesProfile`. Instants count as the profile says: by
        `"laps-2025"` as often as they are given, so that only segments count twice by themselves.
    counting : {"once", "each_end"}, optional
        In place of the profile's; see `segment_boundaries`. With `"each_end"` the cuts of chance count twice, as those
        of touching segments do.
    matching : {"maximum", "greedy"}, optional
        In place of the profile's; see `match_boundaries`.
    empty : {"both_1_one_0", "no_truth_precision_1"}, optional
        In place of the profile's: what is scored where nothing is true, or nothing was found.
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
        Draws of each row that is drawn, but for the next.
    shift_draws : int, >= 1
        Draws of `circular_shift`: its p-value is never below 1 / (1 + shift_draws).
    resamples : int, >= 1
        Resamples of the videos.
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
    >>> [row.name for row in result.rows if row.kind == "chance"]
    ['uniform_same_count', 'random_same_count', 'circular_shift']
    >>> result.above_chance[1].macro.best_chance_row, result.above_chance[1].macro.chance_corrected_f
    ('uniform_same_count', None)
    """
    by = _rules(tolerances_s, rules, counting, matching, empty)
    chosen = Chosen(at_least(draws, "draws", 1), at_least(shift_draws, "shift_draws", 1), at_least(seed, "seed", 0))
    at_least(resamples, "resamples", 1)
    known_word(missing, "missing", MissingPolicy)
    known_word(extra, "extra", ExtraPolicy)
    how = Alignment(spans_s, missing, extra, end_slack_s, by.counting)
    videos, policies = align(truth, found, how)
    scorer = Scorer(videos, by.matching, by.empty)
    rows = [prediction_row(videos), *made_rows(videos, by, chosen)]
    if train is not None:
        split, touched = train_split(train, videos, how)
        policies |= touched
        rows += trained_rows(split, videos, by, chosen)
    rows += given_rows(chance or {}, videos, replace(how, missing="raise"), policies)
    rows += oracle_rows(videos, scorer, by)
    scored: list[BoundaryRow] = []
    for row in rows:
        scored.append(_scored(row, scorer, by, scored[0] if scored else None))
    judged, above = judge(rows, scored, scorer, by, resamples, chosen.seed)
    return BoundaryResult(
        provenance=provenance or provenance_of_now(parameters={**chosen._asdict(), "resamples": resamples}),
        policies=policies,
        rules=by,
        truth_digest=boundaries_digest(videos),
        videos=_counted(videos, rows[0], scorer, by),
        rows=(judged, *scored[1:]),
        above_chance=above,
        bootstrap=Bootstrap(resamples=resamples, seed=chosen.seed) if len(videos) > 1 else None,
    )


def _rules(
    tolerances_s: Sequence[float],
    name: RulesProfile,
    counting: BoundaryCounting | None,
    matching: BoundaryMatching | None,
    empty: BoundaryEmpty | None,
) -> BoundaryRules:
    known_word(name, "rules", RulesProfile)
    profile = PROFILES[name]
    chosen = profile._replace(
        counting=profile.counting if counting is None else counting,
        matching=profile.matching if matching is None else matching,
        empty=profile.empty if empty is None else empty,
    )
    return BoundaryRules(
        tolerances_s=tuple(seconds(given, f"tolerances_s[{i}]", 0) for i, given in enumerate(tolerances_s)),
        counting=chosen.counting,
        matching=chosen.matching,
        resolution_s=RESOLUTION_S,
        empty=chosen.empty,
        profile=name if chosen == profile else None,
    )


def _scored(row: Row, scorer: Scorer, rules: BoundaryRules, judged: BoundaryRow | None) -> BoundaryRow:
    against: Sequence[BoundaryScore | None] = judged.scores if judged else [None] * len(rules.tolerances_s)
    pairs = enumerate(zip(rules.tolerances_s, against, strict=True))
    sets, alone = row.sets[0], len(row.sets) == 1
    return BoundaryRow(
        name=row.name,
        kind=row.kind,
        parameters=row.parameters,
        draws=sets.draws,
        scores=tuple(scorer.score(row.at(place), tolerance, one) for place, (tolerance, one) in pairs),
        deviation=scorer.deviation(sets) if alone and row.of_one_count else None,
        covering=scorer.covering(sets) if alone else None,
    )


def _counted(videos: Sequence[Video], judged: Row, scorer: Scorer, rules: BoundaryRules) -> tuple[ScoredVideo, ...]:
    hits = np.concatenate([scorer.hits(judged.at(at), tolerance) for at, tolerance in enumerate(rules.tolerances_s)], 1)
    return tuple(
        ScoredVideo(
            name=video.name,
            start_s=float(video.span_s[0]),
            end_s=float(video.span_s[1]),
            truth=len(video.truth),
            found=len(video.found),
            hits=tuple(each),
        )
        for video, each in zip(videos, hits.tolist(), strict=True)
    )
