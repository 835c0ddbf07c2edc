"""Average precision of found segments, always beside that of segments that did not look at the video."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lapsdata.errors import Problem, Problems, SchemaError
from lapsdata.metrics._found_spans import ApChance, SpanDraws, Spans, spans_of
from lapsdata.metrics._given import RESOLUTION_S, at_least, known_word, share, ticks_of
from lapsdata.metrics._labelled import expect_segments, segments_digest
from lapsdata.metrics._names import ExtraPolicy, MissingPolicy, check_names
from lapsdata.metrics._summary import drawn_score
from lapsdata.metrics.temporal_ap import SLACK
from lapsdata.schema.ap_scores import ApClass, ApRow, ApRules, ApScores

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lapsdata.containers import Segments
    from lapsdata.schema.ap_scores import ApClasses, ApConfidence, EdgeRule, TieRule

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

__all__ = ["AP_CHANCE_ROWS", "evaluate_ap"]

AP_CHANCE_ROWS = ("durations_shuffled", "uniform_same_count", "random_same_count", "confidence_permuted")
"""The rows of chance of average precision, in their order; for found segments that overlap `durations_placed` stands in
place of the first."""


def evaluate_ap(
    truth: Segments,
    found: Segments,
    *,
    overlaps: Sequence[float] = (0.5, 0.75),
    classes: ApClasses = "agnostic",
    confidence: ApConfidence = "score_or_duration",
    ties: TieRule = "worst",
    edges: EdgeRule = "exact",
    background: Sequence[str] = (),
    missing: MissingPolicy = "raise",
    extra: ExtraPolicy = "raise",
    draws: int = 100,
    seed: int = 0,
) -> ApScores:
    """Take the average precision of found segments, and of the rows of chance for the same truth.

    `durations_shuffled` puts the segments of each video in another order, with the time between them as it was; those
    that overlap are put anywhere in their video instead, as `durations_placed`. `uniform_same_count` cuts each video
    into as many equal parts as segments were found in it, `random_same_count` anywhere; in order of time they take over
    the labels and scores of these. `confidence_permuted`, a control and not chance, leaves the segments and deals their
    confidences out anew: what the order is worth.

    Parameters
    ----------
    truth, found : Segments
        They may overlap.
    overlaps : sequence of float
        Rising, above 0, up to 1.
    classes : {"agnostic", "each"}
        See `ApClasses`; `"each"` needs a label of each segment.
    confidence : {"score", "duration", "score_or_duration"}
        See `ApConfidence`; segments without a score are counted in `policies`.
    ties : {"given", "worst"}
        See `TieRule`: the given order is that of the truth's videos, then of start.
    edges : {"exact", "last_bit"}
        See `EdgeRule`.
    background : sequence of str
        Labels whose segments are left out of both sides.
    missing : {"raise", "empty"}
        What becomes of a video of the truth that `found` does not speak of.
    extra : {"raise", "leave_out"}
        What becomes of a video that `found` speaks of and the truth does not.
    draws, seed : int
        Draws of each row that is drawn, and of what.

    Returns
    -------
    ApScores

    Raises
    ------
    SchemaError
        Videos that do not fit (`no-prediction`, `no-truth`, `no-common-video`), no true segment (`no-truth`), segments
        without a label (`no-labels`) or a score (`no-scores`) that is needed, parameters that are none.

    Examples
    --------
    >>> from lapsdata.metrics.ap_evaluation import evaluate_ap
    >>> from lapsdata.testing.samples import labelled_segments
    >>> truth = labelled_segments({"tea": [("pour", 2.0), ("shake", 1.0), ("stir", 4.0)]})
    >>> found = labelled_segments({"tea": [("pour", 2.5), ("shake", 1.0), ("stir", 3.5)]})
    >>> scores = evaluate_ap(truth, found, draws=10)
    >>> [(row.name, round(row.ap[0].mean, 3)) for row in scores.rows[:3]]
    [('prediction', 0.667), ('durations_shuffled', 0.622), ('uniform_same_count', 0.444)]
    """
    draws, seed = at_least(draws, "draws", 1), at_least(seed, "seed", 0)
    known_word(missing, "missing", MissingPolicy)
    known_word(extra, "extra", ExtraPolicy)
    rules = ApRules(
        overlaps=tuple(share(value, f"overlaps[{i}]") for i, value in enumerate(overlaps)),
        classes=classes,
        confidence=confidence,
        ties=ties,
        edges=edges,
        background=tuple(background),
    )
    expect_segments(truth, "truth")
    expect_segments(found, "found")
    names = [video.name for video in truth.header.videos]
    policies = check_names(names, [video.name for video in found.header.videos], missing=missing, extra=extra)
    true, policies["truth_background_left_out"] = spans_of(truth, names, rules.background)
    ours, policies["found_background_left_out"] = spans_of(found, names, rules.background)
    if confidence == "score_or_duration":
        policies["duration_as_score"] = int(np.isnan(ours.score).sum())
    scorer = _Scorer.of(true, ours, len(names), rules)
    judged = _prediction(ours)
    ap = scorer.average_precision(judged)
    rows = [_row(judged, ap)]
    times_s = [(video.start_s, video.end_s) for video in truth.header.videos]
    for row in ApChance(ours, names, times_s, draws, seed).rows():
        rows.append(_row(row, scorer.average_precision(row), rows[0]))
    return ApScores(
        rules=rules,
        policies={name: count for name, count in policies.items() if count},
        truth_digest=segments_digest(truth, names),
        videos=len(names),
        classes=scorer.classes(ap[0]),
        unknown=int((scorer.of_class < 0).sum()),
        rows=tuple(rows),
    )


def _prediction(found: Spans) -> SpanDraws:
    same = np.arange(len(found.video))[np.newaxis]
    start_s, end_s = found.start_s[np.newaxis], found.end_s[np.newaxis]
    return SpanDraws("prediction", {}, start_s, end_s, same, kind="prediction")


class _Scorer(NamedTuple):
    """What draws are scored with.

    Parameters
    ----------
    labels : tuple of str or None, C
    places : int64 (C, V + 1)
        Where in `start_s` and `end_s` the true spans of each class and video are.
    start_s, end_s : float64, seconds
    found : Spans
    of_class : int64 (S,)
        The class of each found span, -1 for one that the truth does not have.
    rules : ApRules
    """

    labels: tuple[str | None, ...]
    places: Integers
    start_s: Floats
    end_s: Floats
    found: Spans
    of_class: Integers
    rules: ApRules

    @classmethod
    def of(cls, true: Spans, found: Spans, videos: int, rules: ApRules) -> _Scorer:
        """Put the truth in order of classes, then of videos.

        Raises
        ------
        SchemaError
            No true span, or spans without the label or score that is needed.
        """
        if not len(true.video):
            raise SchemaError(Problem("no-truth", "truth", "expected at least one true segment, got none"))
        _check(true, found, rules)
        each = rules.classes == "each"
        labels: tuple[str | None, ...] = tuple(sorted(set(true.label))) if each else (None,)
        number = {label: at for at, label in enumerate(labels)}
        of_truth, of_found = (
            np.array([number.get(label, -1) for label in side.label] if each else [0] * len(side.label), np.int64)
            for side in (true, found)
        )
        cell = of_truth * videos + true.video
        order = np.argsort(cell, kind="stable")
        edges = np.searchsorted(cell[order], np.arange(len(labels) * videos + 1))
        places = edges[np.arange(len(labels))[:, np.newaxis] * videos + np.arange(videos + 1)]
        return cls(labels, places, true.start_s[order], true.end_s[order], found, of_found, rules)

    def average_precision(self, row: SpanDraws) -> Floats:
        """Return the AP of each draw, overlap and class: float64 (D, O, C)."""
        from lapsdata.metrics._ap_loop import average_precisions

        least = np.array(self.rules.overlaps) - SLACK[self.rules.edges]
        confidence = self._confidence(row.start_s, row.end_s, row.source)
        if row.confident is not None:
            same = np.arange(len(self.found.video))
            confidence = self._confidence(self.found.start_s, self.found.end_s, same)[row.confident]
        of_class = self.of_class[row.source]
        order = np.lexsort((-confidence, of_class), axis=-1)
        found = (
            self.found.video[order],
            np.take_along_axis(of_class, order, axis=1),
            np.take_along_axis(row.start_s, order, axis=1),
            np.take_along_axis(row.end_s, order, axis=1),
            np.take_along_axis(confidence, order, axis=1),
        )
        ap = np.zeros((len(order), len(least), len(self.labels)))
        average_precisions((self.places, self.start_s, self.end_s), found, least, self.rules.ties == "worst", ap)
        return ap

    def _confidence(self, start_s: Floats, end_s: Floats, source: Integers) -> Floats:
        lasts = np.asarray(ticks_of(end_s - start_s) * RESOLUTION_S, np.float64)
        if self.rules.confidence == "duration":
            return lasts
        score = self.found.score[source]
        return np.where(np.isnan(score), lasts, score)

    def classes(self, ap: Floats) -> tuple[ApClass, ...]:
        """Return what is said of each class; `ap` (O, C) is the prediction's."""
        return tuple(
            ApClass(
                label=label,
                truth=int(self.places[at, -1] - self.places[at, 0]),
                found=int((self.of_class == at).sum()),
                ap=tuple(np.minimum(ap[:, at], 1.0).tolist()),
            )
            for at, label in enumerate(self.labels)
        )


def _check(true: Spans, found: Spans, rules: ApRules) -> None:
    """Refuse spans without what the rules ask for."""
    problems = Problems()
    if rules.classes == "each":
        for role, side in (("truth", true), ("found", found)):
            without = sum(label is None for label in side.label)
            if without:
                message = f"expected a label of each segment, got {without} of {len(side.label)} without"
                problems.add("no-labels", role, message, "classes='agnostic' needs none")
    without = int(np.isnan(found.score).sum())
    if rules.confidence == "score" and without:
        message = f"expected a score of each segment, got {without} of {len(found.score)} without"
        problems.add("no-scores", "found", message, "say what is taken for one, such as confidence='duration'")
    problems.raise_as(SchemaError)


def _row(row: SpanDraws, ap: Floats, judged: ApRow | None = None) -> ApRow:
    each = ap.mean(axis=2)
    return ApRow(
        name=row.name,
        kind=row.kind,
        parameters=row.parameters,
        draws=len(ap),
        ap=tuple(drawn_score(each[:, at], None if judged is None else judged.ap[at]) for at in range(each.shape[1])),
        mean=drawn_score(each.mean(axis=1), None if judged is None else judged.mean),
    )
