"""Which results may stand in one table: those of one truth and one set of rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lapsdata.errors import Problem, Problems, SchemaError
from lapsdata.provenance import synthetic_note

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lapsdata.schema.result import BoundaryResult, BoundaryRules

__all__ = ["check_comparable"]


def check_comparable(results: Mapping[str, BoundaryResult]) -> None:
    """Refuse to compare scores of different rules or of different truths.

    Parameters
    ----------
    results : mapping of str to BoundaryResult
        What each is called; at least one. All are held against the first.

    Raises
    ------
    SchemaError
        Nothing to compare (`nothing-to-compare`), rules that differ (`unlike-rules`, one problem for each), another
        truth (`unlike-truth`; the videos that only one of the two has are named), scores on rendered videos beside
        others (`synthetic`).

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
        expected, got = (synthetic_note(one.provenance) or "videos of a data set" for one in (reference, result))
        if expected != got:
            problems.add("synthetic", name, f"expected {expected!r} as in {first}, got {got!r}")
    problems.raise_as(SchemaError)


def _unlike(one: BoundaryRules, other: BoundaryRules) -> dict[str, tuple[object, object]]:
    # Under which name they were asked for is no rule.
    ours, theirs = (rules.as_json() | {"profile": None} for rules in (one, other))
    return {
        key: (ours.get(key), theirs.get(key)) for key in sorted(ours.keys() | theirs.keys())
        if ours.get(key) != theirs.get(key)
    }  # fmt: skip


def _videos(one: BoundaryResult, other: BoundaryResult) -> str:
    ours, theirs = ({video.name for video in result.videos} for result in (one, other))
    if ours == theirs:
        return ", of the same videos"
    return f"; videos that only one of them has: {', '.join(sorted(ours ^ theirs))}"
