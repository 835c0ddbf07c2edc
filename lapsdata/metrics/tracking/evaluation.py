"""Several trackers beside one truth, and beside rows that know less: the record that is kept of it."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lapsdata.errors import Problem, SchemaError
from lapsdata.metrics.comparison import check_comparable
from lapsdata.metrics.tracking._records import left_out_record, numbers_record, row_record, values_record
from lapsdata.metrics.tracking.chance import covered_frames, new_identities, shifted_in_time, standing_still
from lapsdata.metrics.tracking.paired import paired_track_differences
from lapsdata.metrics.tracking.profiles import TRACKING_PROFILES, ProfileName
from lapsdata.metrics.tracking.scores import tracking_scores
from lapsdata.provenance import provenance
from lapsdata.schema.result import Bootstrap
from lapsdata.schema.tracking import (
    TrackDifference,
    TrackingResult,
    TrackRow,
    TrackRules,
    TrackSequence,
    TrackSweepRow,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from lapsdata.containers.boxes import Boxes
    from lapsdata.metrics.tracking._chosen import FramePolicy
    from lapsdata.metrics.tracking.clear import ClearRules
    from lapsdata.metrics.tracking.result import TrackingScores
    from lapsdata.schema.base import Provenance

    Labels = tuple[str, ...] | Literal["any"] | None

__all__ = ["evaluate_tracking", "joined_results", "sweep_row", "truth_digest"]


def evaluate_tracking(
    truth: Boxes,
    trackers: Mapping[str, Boxes],
    *,
    profile: ProfileName = "plain",
    labels: Labels = None,
    threshold: float = 0.5,
    frames: FramePolicy = "annotated",
    rules: ClearRules = "trackeval",
    settings: Mapping[str, Mapping[str, float | str]] | None = None,
    min_score: float | None = None,
    draws: int = 10_000,
    seed: int = 0,
    sweep: Sequence[TrackSweepRow] = (),
    policies: Mapping[str, int] | None = None,
    made: Provenance | None = None,
) -> TrackingResult:
    """Return the scores of trackers, of each sequence and class and combined, beside rows that know less.

    Beside each tracker stand its own boxes half of the frames later (`shifted_in_time`); beside all of them true boxes
    that stand still from the first frame on (`standing_still`), and true boxes that are each an identity of their own
    (`new_identities`).

    Parameters
    ----------
    truth : Boxes
    trackers : mapping of str to Boxes
        At least one, the one that others are held against first.
    profile, labels, threshold, frames, rules
        See `tracking_scores`.
    settings : mapping, optional
        What is known of how a tracker was made, by tracker.
    min_score : float, optional
        What boxes were left out below, as it is noted.
    draws : int, >= 1
        How often sequences are drawn anew for the differences between trackers.
    seed : int, >= 0
    sweep : sequence of TrackSweepRow
        See `sweep_row`.
    policies : mapping, optional
        What was counted before.
    made : Provenance, optional

    Raises
    ------
    SchemaError
        As `tracking_scores`, with the name of the tracker in front; no tracker.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_tracked
    >>> truth, found = sample_tracked()
    >>> result = evaluate_tracking(truth, {"ours": found})
    >>> [(row.name, row.classes["player"].scores["MOTA"]) for row in result.rows]
    [('ours', 0.5), ('shifted_in_time', -0.75), ('standing_still', 0.0), ('new_identities', 0.25)]
    """
    if not trackers:
        raise SchemaError(Problem("nothing-to-score", "trackers", "expected at least one tracker, got none"))
    asked: dict[str, Any] = {
        "profile": profile, "labels": labels, "threshold": threshold, "frames": frames, "rules": rules
    }  # fmt: skip
    truth = _labelled(truth, trackers)
    scores = {name: _scored(name, truth, boxes, asked) for name, boxes in trackers.items()}
    known = settings or {}
    rows = [row_record(name, one, settings=known.get(name), min_score=min_score) for name, one in scores.items()]
    rows += _beside(truth, trackers, asked)
    first, *others = (row for row in rows if row.kind == "prediction")
    several = bool(others) and len(truth.header.sequences) > 1
    return TrackingResult(
        provenance=made or provenance(),
        policies=dict(policies or {}),
        rules=TrackRules(
            profile=profile,
            rules=rules,
            frames=frames,
            threshold=float(threshold),
            labels=labels,
            classes=tuple(first.classes),
        ),
        truth_digest=truth_digest(truth),
        sequences=tuple(_sequences(truth, frames)),
        rows=tuple(rows),
        differences=_differences(first, others, draws, seed),
        bootstrap=Bootstrap(resamples=draws, seed=seed) if several else None,
        sweep=tuple(sweep),
    )


def sweep_row(
    tracker: str,
    truth: Boxes,
    predicted: Boxes,
    *,
    min_score: float | None = None,
    left_out: int = 0,
    **asked: Any,  # noqa: ANN401
) -> TrackSweepRow:
    """Return the scores of a tracker at one threshold of overlap and one least score.

    Parameters
    ----------
    tracker : str
    truth, predicted : Boxes
        Predictions without those below `min_score`.
    min_score : float, optional
    left_out : int
        How many boxes were below it.
    **asked
        As `tracking_scores` takes it.

    Raises
    ------
    SchemaError
        As `tracking_scores`.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_tracked
    >>> row = sweep_row("ours", *sample_tracked(), threshold=0.75)
    >>> row.threshold, row.classes["player"].counts["CLR_TP"]
    (0.75, 3)
    """
    scores = _scored(tracker, truth, predicted, asked)
    return TrackSweepRow(
        tracker=tracker,
        threshold=scores.rules.threshold,
        min_score=min_score,
        boxes_left_out=left_out,
        classes={name: numbers_record(one) for name, one in scores.classes.items()},
    )


def joined_results(
    results: Mapping[str, TrackingResult], *, draws: int = 10_000, seed: int = 0, made: Provenance | None = None
) -> TrackingResult:
    """Return several results as one: their trackers side by side, the first held against each other one.

    Parameters
    ----------
    results : mapping of str to TrackingResult
        What each is called: of one truth and one set of rules. Trackers of one name are called by theirs as well.
    draws : int, >= 1
    seed : int, >= 0
    made : Provenance, optional

    Raises
    ------
    SchemaError
        As `lapsdata.metrics.comparison.check_comparable`.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_tracked
    >>> truth, found = sample_tracked()
    >>> one, other = (evaluate_tracking(truth, {"ours": boxes}) for boxes in (truth, found))
    >>> both = joined_results({"old": one, "new": other})
    >>> [row.name for row in both.trackers], both.differences[3].difference
    (['ours of old', 'ours of new'], 0.5)
    """
    check_comparable(results)
    every = [(name, row) for name, result in results.items() for row in result.rows]
    names = Counter(row.name for _, row in every if row.kind == "prediction")
    rows: list[TrackRow] = []
    for name, row in every:
        if row.kind == "oracle":
            continue
        tracker = row.of or row.name
        called = tracker if names[tracker] == 1 else f"{tracker} of {name}"
        rows.append(row.model_copy(update={"of": called} if row.of else {"name": called}))
    first = next(iter(results.values()))
    rows.sort(key=lambda row: row.kind == "chance")
    ours, *others = (row for row in rows if row.kind == "prediction")
    return TrackingResult(
        provenance=made or provenance(),
        rules=first.rules,
        truth_digest=first.truth_digest,
        sequences=first.sequences,
        rows=(*rows, *(row for row in first.rows if row.kind == "oracle")),
        differences=_differences(ours, others, draws, seed),
        bootstrap=Bootstrap(resamples=draws, seed=seed) if others and len(first.sequences) > 1 else None,
    )


def _differences(first: TrackRow, others: Sequence[TrackRow], draws: int, seed: int) -> tuple[TrackDifference, ...]:
    return tuple(
        TrackDifference(tracker=first.name, than=other.name, **each._asdict())
        for other in others
        for each in paired_track_differences(first.sequences, other.sequences, draws=draws, seed=seed)
    )


def truth_digest(truth: Boxes) -> str:
    """Return the digest of a truth: names, lengths, annotated ranges and boxes of its sequences, in whatever order.

    What a source calls its identities, who made the boxes and where their pictures are is not in it.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_tracked
    >>> truth, found = sample_tracked()
    >>> truth_digest(truth) == truth_digest(found)
    False
    """
    digest = hashlib.sha256()
    labels = np.array([label.encode("utf-8", "surrogatepass") for label in truth.label] or [b""])[: len(truth)]
    order = sorted(range(len(truth.header.sequences)), key=lambda i: truth.header.sequences[i].name)
    for number in order:
        sequence = truth.header.sequences[number]
        spans = [edge for span in sequence.annotated for edge in (span.start, span.stop)]
        digest.update(f"{sequence.name}\0{sequence.length}\0{spans}\0".encode("utf-8", "surrogatepass"))
        rows = np.flatnonzero(truth.sequence_index == number)
        columns = [getattr(truth, name)[rows] for name in ("ignored", "h", "w", "y", "x", "id", "frame")]
        rows = rows[np.lexsort([np.unique(labels[rows], return_inverse=True)[1], *columns])]
        for name, kind in (("frame", "<i8"), ("id", "<i8"), *((one, "<f8") for one in "xywh"), ("ignored", "u1")):
            # Both zeros are one place.
            digest.update((getattr(truth, name)[rows] + 0).astype(kind).tobytes())
        digest.update(b"\0".join(labels[rows].tolist()))
    return f"sha256:{digest.hexdigest()}"


def _labelled(truth: Boxes, trackers: Mapping[str, Boxes]) -> Boxes:
    """Return a truth with the labels of all trackers where it has none and no box, so that all rows have one class."""
    if truth.header.labels is not None or len(truth):
        return truth
    labels = tuple(sorted({label for boxes in trackers.values() for label in boxes.label}))
    return replace(truth, header=truth.header.model_copy(update={"labels": labels or None}))


def _scored(name: str, truth: Boxes, predicted: Boxes, asked: Mapping[str, Any]) -> TrackingScores:
    try:
        return tracking_scores(truth, predicted, **asked)
    except SchemaError as error:
        told = (
            problem if not problem.where.startswith("predictions") else _named(problem, name)
            for problem in error.problems
        )
        raise SchemaError(*told) from error


def _named(problem: Problem, name: str) -> Problem:
    return replace(problem, where=f"{name}: {problem.where}")


def _sequences(truth: Boxes, frames: FramePolicy) -> Iterator[TrackSequence]:
    boxes = np.bincount(truth.sequence_index, minlength=len(truth.header.sequences))
    for sequence, count in zip(truth.header.sequences, boxes.tolist(), strict=True):
        scored = len(covered_frames(sequence, frames))
        yield TrackSequence(name=sequence.name, length=sequence.length, frames=scored, boxes=count)


def _beside(truth: Boxes, trackers: Mapping[str, Boxes], asked: Mapping[str, Any]) -> Iterator[TrackRow]:
    """Yield the rows of chance, and those made of the truth."""
    frames: FramePolicy = asked["frames"]
    for name, boxes in trackers.items():
        made = tracking_scores(truth, shifted_in_time(boxes, truth, frames), **asked)
        yield _row("shifted_in_time", "chance", made, of=name)
    profile = TRACKING_PROFILES[asked["profile"]]
    # Of a benchmark with classes of its own, trackers follow one of them.
    label = profile.one_class if profile.labels is not None else None
    for name, boxes in {
        "standing_still": standing_still(truth, frames, label=label),
        "new_identities": new_identities(truth, label=label),
    }.items():
        yield _row(name, "oracle", tracking_scores(truth, boxes, **asked))


def _row(name: str, kind: Literal["chance", "oracle"], scores: TrackingScores, of: str | None = None) -> TrackRow:
    several = len(scores.classes) > 1
    return TrackRow(
        name=name,
        kind=kind,
        of=of,
        left_out=left_out_record(scores.left_out),
        classes={label: values_record(one) for label, one in scores.classes.items()},
        class_averaged=values_record(scores.class_averaged) if several else None,
        detection_averaged=values_record(scores.detection_averaged) if several else None,
    )
