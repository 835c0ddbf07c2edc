"""Every score of a segmentation by one set of rules: boundaries, labels, whole segments, clusters, beside chance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lapsdata.errors import Problem, SchemaError
from lapsdata.metrics._given import known_word
from lapsdata.metrics._labelled import segments_digest
from lapsdata.metrics.ap_evaluation import evaluate_ap
from lapsdata.metrics.cluster_evaluation import evaluate_clusters
from lapsdata.metrics.evaluation import evaluate_boundaries
from lapsdata.metrics.label_evaluation import evaluate_labels
from lapsdata.metrics.profiles import PROFILES
from lapsdata.provenance import provenance as provenance_of_now
from lapsdata.schema.segmentation import RulesProfile, SegmentationResult, TruthClock

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lapsdata.containers import Segments
    from lapsdata.metrics._alignment import Boundaries, ExtraPolicy, MissingPolicy
    from lapsdata.schema.ap_scores import ApClasses, ApScores
    from lapsdata.schema.base import Provenance
    from lapsdata.schema.result import BoundaryResult
    from lapsdata.schema.segment_clusters import ClusterScope
    from lapsdata.timebase import FrameRate

__all__ = ["evaluate_segments", "is_labelled"]


def evaluate_segments(
    truth: Segments,
    found: Segments,
    *,
    rules: RulesProfile = "default",
    tolerances_s: Sequence[float] | None = None,
    rate: FrameRate | None = None,
    rate_origin: str = "asked",
    background: Sequence[str] | None = None,
    classes: ApClasses | None = None,
    clusters: ClusterScope | None = None,
    activity: Mapping[str, str] | None = None,
    missing: MissingPolicy = "raise",
    extra: ExtraPolicy = "raise",
    end_slack_s: float = 0.0,
    chance: Mapping[str, Boundaries] | None = None,
    train: Segments | None = None,
    split: str | None = None,
    draws: int = 100,
    shift_draws: int = 1000,
    seed: int = 0,
    provenance: Provenance | None = None,
) -> SegmentationResult:
    """Score found segments against true ones in every way that they can be, and the rows of chance for the same truth.

    Boundaries are always scored, and what else the rules have (`PROFILES`): labels where all segments of both
    sides have one and none overlap, and whole segments.

    Parameters
    ----------
    truth, found : Segments
    rules : {"default", "laps-2025", "ms-tcn"}
        See `RulesProfile`.
    tolerances_s : sequence of float, seconds, optional
        In place of those of the rules: 0.25, 0.5, 1, 2 and 5; by `"laps-2025"` 2 and 5.
    rate : FrameRate or None
        Frames per second of the truth's labels, which are then counted in frames; None counts time, which `"ms-tcn"`
        does not do.
    rate_origin : str
        Who says so.
    background : sequence of str, optional
        Labels that are no action, in place of those of the rules, as `evaluate_labels` takes them. Boundaries and
        class-agnostic whole segments know no labels, so that background counts there as any other.
    classes : {"agnostic", "each"}, optional
        Of average precision, in place of the rules'; taken by rules that have none too.
    clusters : {"video", "activity", "all"}, optional
        Score labels as the names of clusters too, matched with true labels within a video, an activity, or at all.
    activity : mapping of str to str, optional
        The activity of each video, for that scope.
    missing, extra, chance, train, draws, shift_draws, seed
        See `evaluate_boundaries`.
    end_slack_s : float, seconds, >= 0
        By how much a video may differ in length on both sides; labels are then scored over the time of the truth.
    split : str, optional
        What the scored part of the truth is called there.
    provenance : Provenance or None
        Who made it from what; None says that this function did.

    Returns
    -------
    SegmentationResult

    Raises
    ------
    SchemaError
        As the functions of the parts: `evaluate_boundaries`, `evaluate_labels`, `evaluate_ap`, `evaluate_clusters`.

    Examples
    --------
    >>> from lapsdata.testing.samples import labelled_segments
    >>> truth = labelled_segments({"tea": [("pour", 2.0), ("background", 1.0), ("stir", 3.0)]})
    >>> found = labelled_segments({"tea": [("pour", 2.5), ("background", 1.0), ("stir", 2.5)]})
    >>> result = evaluate_segments(truth, found, draws=5, shift_draws=5)
    >>> result.boundaries.rows[0].scores[1].macro.f, result.labels.rows[0].edit.mean
    (1.0, 1.0)
    """
    known_word(rules, "rules", RulesProfile)
    profile = PROFILES[rules]
    if profile.counts_frames and rate is None:
        message = "expected frames per second, got none: these rules count frames"
        raise SchemaError(Problem("no-rate", f"rules: {rules}", message, "give the rate, or take other rules"))
    told = provenance or provenance_of_now(parameters={"draws": draws, "shift_draws": shift_draws, "seed": seed})
    shared: dict[str, Any] = {"missing": missing, "extra": extra, "draws": draws, "seed": seed}
    no_action: dict[str, Any] = {} if background is None else {"background": tuple(background)}
    labelled: dict[str, Any] = {**no_action, **shared, "rate": rate, "length": "pad" if end_slack_s else "raise"}
    boundaries = evaluate_boundaries(
        truth,
        found,
        rules=rules,
        tolerances_s=profile.tolerances_s if tolerances_s is None else tolerances_s,
        missing=missing,
        extra=extra,
        end_slack_s=end_slack_s,
        chance=chance,
        train=train,
        draws=draws,
        shift_draws=shift_draws,
        seed=seed,
        provenance=told,
    )
    labels, detections, by_cluster = None, None, None
    unlabelled = [
        _why_unlabelled(side, one) for side, one in (("truth", truth), ("prediction", found)) if not is_labelled(one)
    ]
    if profile.labels is not None and not unlabelled:
        labels = evaluate_labels(truth, found, train=train, **{**profile.labels, **labelled})
    if profile.ap is not None or classes is not None:
        by: dict[str, Any] = {**(profile.ap or PROFILES["default"].ap or {})}
        by |= {} if classes is None else {"classes": classes}
        by |= no_action if by["classes"] == "each" else {}
        detections = evaluate_ap(truth, found, **by, **shared)
    if clusters is not None:
        by_cluster = evaluate_clusters(truth, found, scope=clusters, activity=activity, **labelled)
    return SegmentationResult(
        provenance=told,
        profile=rules,
        clock=TruthClock(rate=rate, origin="seconds" if rate is None else rate_origin),
        split=split,
        truth_digest=segments_digest(truth, sorted(video.name for video in truth.header.videos)),
        boundaries=boundaries,
        labels=labels,
        labels_left_out=", ".join(unlabelled) if unlabelled and profile.labels is not None else None,
        detections=detections,
        clusters=by_cluster,
        old_keys=_old_keys(boundaries, detections) if rules == "laps-2025" else None,
    )


def is_labelled(segments: Segments) -> bool:
    """Return whether each segment has a label and none overlaps another, so that every instant has one label.

    Examples
    --------
    >>> from lapsdata.testing.samples import labelled_segments, sample_segments
    >>> is_labelled(labelled_segments({"tea": [("pour", 2.0)]})), is_labelled(sample_segments())
    (True, False)
    """
    return not segments.header.overlap and None not in segments.label


def _why_unlabelled(side: str, segments: Segments) -> str:
    none = segments.label.count(None)
    return f"{none} of {len(segments)} segments of the {side} have none" if none else f"segments of the {side} overlap"


def _old_keys(boundaries: BoundaryResult, detections: ApScores | None) -> dict[str, float]:
    """Return the summary as the evaluation of LAPS wrote it: means over the videos, and one AP of all segments."""
    keys: dict[str, float] = {}
    for score in boundaries.rows[0].scores:
        named = {"F1": score.macro.f, "Precision": score.macro.precision, "Recall": score.macro.recall}
        keys |= {f"{name}@{float(score.tolerance_s)}s_mean": value for name, value in named.items()}
    if detections is None:
        return keys
    pairs = zip(detections.rules.overlaps, detections.rows[0].ap, strict=True)
    return keys | {f"mAP@{overlap:g}": ap.mean for overlap, ap in pairs}
