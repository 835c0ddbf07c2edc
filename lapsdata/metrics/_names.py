"""Which videos are on both sides; whatever is on one side only is an error or a counted policy."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Literal

from lapsdata.errors import Problem, Problems, SchemaError, listed

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["ExtraPolicy", "MissingPolicy", "check_names", "check_train"]

MissingPolicy = Literal["raise", "empty"]
"""A video of the truth without a prediction: refused, or scored as one in which nothing was found."""

ExtraPolicy = Literal["raise", "leave_out"]
"""A prediction for a video without truth: refused, or left out."""


def check_names(
    truth: Collection[str], found: Collection[str], *, missing: MissingPolicy, extra: ExtraPolicy
) -> dict[str, int]:
    """Refuse videos that are on one side only, or count them.

    Raises
    ------
    SchemaError
        Each video that no policy allows, or no video that is in both.
    """
    problems = Problems()
    without, unknown = sorted(set(truth) - set(found)), sorted(set(found) - set(truth))
    if not truth:
        problems.add("no-videos", "truth", "expected at least one video, got none")
    elif len(without) == len(truth):
        message = f"expected a video that is in both, got {listed(without)} in truth and {listed(unknown)} in found"
        problems.add("no-common-video", "found", message, "compare the names; they have no ending")
    else:
        if missing == "raise":
            fix = "predict it, or score it as empty: missing='empty' (evaluate --missing empty)"
            for name in without:
                message = f"expected the video, got none{_near(name, unknown)}"
                problems.add("no-prediction", f"found: {name}", message, fix)
        if extra == "raise":
            fix = "give its truth, or leave it out: extra='leave_out'"
            for name in unknown:
                message = f"expected videos of the truth, got another{_near(name, without)}"
                problems.add("no-truth", f"found: {name}", message, fix)
    problems.raise_as(SchemaError)
    return {"missing_as_empty": len(without), "without_truth_left_out": len(unknown)}


def check_train(scored: Collection[str], train: Collection[str]) -> None:
    """Refuse a train split that holds a video which is scored.

    Raises
    ------
    SchemaError
        `train-in-truth`.
    """
    both = sorted(set(scored) & set(train))
    if both:
        message = f"expected other videos than those that are scored, got {listed(both)} in both"
        raise SchemaError(Problem("train-in-truth", "train", message, "leave them out of one of the two"))


def _near(name: str, others: list[str]) -> str:
    near = difflib.get_close_matches(name, others, n=1)
    return f" (is it '{near[0]}'?)" if near else ""
