"""Which results may stand in one table: those of one truth and one set of rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lapsdata.errors import Problem, Problems, SchemaError
from lapsdata.provenance import synthetic_note
from lapsdata.schema.result import BoundaryResult
from lapsdata.schema.tracking import TrackingResult, TrackRules

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import JsonValue

    from lapsdata.schema.label_scores import LabelRules, LabelScores
    from lapsdata.schema.result import BoundaryRules

__all__ = ["check_comparable"]


def check_comparable(results: Mapping[str, BoundaryResult | LabelScores | TrackingResult]) -> None:
    """Refuse to compare scores of different rules or of different truths.

    Parameters
    ----------
    results : mapping of str to BoundaryResult, to LabelScores or to TrackingResult
        What each is called; at least one, all of one kind. All are held against the first.

    Raises
    ------
    SchemaError
        Nothing to compare (`nothing-to-compare`), rules that differ (`unlike-rules`, one problem for each), another
        truth (`unlike-truth`; the videos, or sequences, that only one of the two has are named), scores on rendered
        videos beside others (`synthetic`).

    Examples
    --------
    >>> import numpy as np
    >>> from lapsdata.metrics import evaluate_boundaries
    >>> clip, span = {"a": np.array([3.0])}, {"a": (0.0, 9.0)}
    >>> ours = evaluate_boundaries(clip, clip, spans_s=span)
    >>> theirs = evaluate_boundaries(clip, clip, spans_s=span, matching="greedy")
    >>> check_comparable({"ours": ours, "theirs": theirs})
    Traceback (most recent call last):
    lapsdata.errors.SchemaError: theirs: rules: matching: expected 'maximum' as in ours, got 'greedy' [unlike-rules]
    """
    if not results:
        raise SchemaError(Problem("nothing-to-compare", "", "expected at least one result, got none"))
    (first, reference), *others = results.items()
    problems = Problems()
    for name, result in others:
        for rule, (expected, got) in _unlike(reference.rules, result.rules).items():
            message = f"expected {expected!r} as in {first}, got {got!r}"
            problems.add("unlike-rules", f"{name}: rules: {rule}", message)
        if result.truth_digest != reference.truth_digest:
            message = f"expected {reference.truth_digest[:19]} as in {first}, got {result.truth_digest[:19]}"
            problems.add("unlike-truth", f"{name}: truth_digest", message + _videos(reference, result))
        expected, got = (_origin(one) for one in (reference, result))
        if expected != got:
            problems.add("synthetic", name, f"expected {expected!r} as in {first}, got {got!r}")
    problems.raise_as(SchemaError)


def _origin(result: BoundaryResult | LabelScores | TrackingResult) -> str:
    # Labels stand in a record beside boundaries, which say it.
    note = synthetic_note(result.provenance) if isinstance(result, BoundaryResult | TrackingResult) else None
    return note or "videos of a data set"


def _unlike(
    one: BoundaryRules | LabelRules | TrackRules, other: BoundaryRules | LabelRules | TrackRules
) -> dict[str, tuple[object, object]]:
    # Under which name they were asked for is no rule, but for tracks, where it says what is left out.
    named: dict[str, JsonValue] = {} if isinstance(one, TrackRules) else {"profile": None}
    ours, theirs = (rules.as_json() | named for rules in (one, other))
    return {
        key: (ours.get(key), theirs.get(key)) for key in sorted(ours.keys() | theirs.keys())
        if ours.get(key) != theirs.get(key)
    }  # fmt: skip


def _videos(
    one: BoundaryResult | LabelScores | TrackingResult, other: BoundaryResult | LabelScores | TrackingResult
) -> str:
    ours, theirs = (_names(result) for result in (one, other))
    what = "sequences" if isinstance(one, TrackingResult) else "videos"
    if ours == theirs:
        return f", of the same {what}"
    return f"; {what} that only one of them has: {', '.join(sorted(ours ^ theirs))}"


def _names(result: BoundaryResult | LabelScores | TrackingResult) -> set[str]:
    parts = result.sequences if isinstance(result, TrackingResult) else result.videos
    return {part.name for part in parts}
