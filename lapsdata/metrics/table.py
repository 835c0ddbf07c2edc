"""Boundary scores as plain text: rows beside tolerances, and a sentence where chance does as well."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Literal

from lapsdata.console import aligned
from lapsdata.errors import shown
from lapsdata.metrics._given import known_word
from lapsdata.metrics.comparison import check_comparable
from lapsdata.provenance import synthetic_note

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lapsdata.schema.result import BoundaryResult, BoundaryRow, BoundaryScore, PrecisionRecall

__all__ = ["Average", "best_chance", "boundary_table", "comparison_table", "not_above_chance"]

Average = Literal["macro", "micro"]
"""`macro`: mean over the videos; `micro`: of the counts of all videos together."""


def boundary_table(result: BoundaryResult, *, average: Average = "macro") -> str:
    """Return a result as text: what was scored and how, F of every row at every tolerance, and a verdict if it is due.

    Parameters
    ----------
    result : BoundaryResult
    average : {"macro", "micro"}

    Returns
    -------
    str
        Lines without a last line break. A row of several draws says their standard deviation; the prediction says its
        precision and recall as well, and the shifted row between what 95 % of its draws lie, and how likely one of them
        reaches the prediction. The last line is that of `not_above_chance`, if there is one.

    Raises
    ------
    SchemaError
        An unknown average.

    Examples
    --------
    >>> import numpy as np
    >>> from lapsdata.metrics import evaluate_boundaries
    >>> truth, found = {"a": np.array([2.0, 5.0])}, {"a": np.array([2.1, 5.2])}
    >>> result = evaluate_boundaries(truth, found, spans_s={"a": (0.0, 9.0)}, tolerances_s=(0.25, 1.0))
    >>> print(boundary_table(result))
    boundary F, macro: 1 video, 2 true boundaries, 2 found
    matching maximum, counting once, window inclusive, ends left_out, truth sha256:a64286fae0ac
    row                  0.25 s          1 s             median s to found
    prediction           1.000           1.000           0.150
      precision          1.000           1.000
      recall             1.000           1.000
    uniform_same_count   0.000           1.000           1.000
    uniform_truth_count  0.000           1.000           1.000
    uniform_best_period  0.667           0.800
    random_same_count    0.150 ± 0.231   0.370 ± 0.264   1.477
    circular_shift       0.120 ± 0.259   0.440 ± 0.359   1.282
      95 % of draws      0.000 to 0.887  0.000 to 1.000
      p                  0.059           0.216
    The prediction is not above chance at 1 s (1.000, uniform_same_count has 1.000).
    """
    known_word(average, "average", Average)
    scores = result.rows[0].scores
    rows = [("row", *(_seconds(score.tolerance_s) for score in scores), "median s to found")]
    for row in result.rows:
        rows.append((row.name, *(_f(score, average) for score in row.scores), _median(row, average)))
        if row.kind == "prediction":
            ratios = [_of(score, average) for score in scores]
            rows.append(("  precision", *(f"{ratio.precision:.3f}" for ratio in ratios), ""))
            rows.append(("  recall", *(f"{ratio.recall:.3f}" for ratio in ratios), ""))
        if row.name == "circular_shift":
            rows += _shifted(row, average)
    verdict = not_above_chance(result, average=average)
    return "\n".join([*_heading(result, average), *aligned(rows), *([verdict] if verdict else [])])


def comparison_table(results: Mapping[str, BoundaryResult], *, average: Average = "macro") -> str:
    """Return several predictions beside the best that chance does in any of them.

    Parameters
    ----------
    results : mapping of str to BoundaryResult
        What each is called; at least one.
    average : {"macro", "micro"}

    Returns
    -------
    str
        Lines without a last line break.

    Raises
    ------
    SchemaError
        Results of unlike rules or of another truth; see `check_comparable`.

    Examples
    --------
    >>> import numpy as np
    >>> from lapsdata.metrics import evaluate_boundaries
    >>> truth, span = {"a": np.array([2.0, 5.0])}, {"a": (0.0, 9.0)}
    >>> ours = evaluate_boundaries(truth, {"a": np.array([2.1, 5.2])}, spans_s=span, tolerances_s=(0.25,))
    >>> theirs = evaluate_boundaries(truth, {"a": np.array([2.5])}, spans_s=span, tolerances_s=(0.25,))
    >>> print(comparison_table({"ours": ours, "theirs": theirs}))
    boundary F, macro: 1 video, 2 true boundaries
    matching maximum, counting once, window inclusive, ends left_out, truth sha256:a64286fae0ac
    row          0.25 s
    ours         1.000
    theirs       0.000
    best chance  0.667
    """
    known_word(average, "average", Average)
    check_comparable(results)
    first = next(iter(results.values()))
    rows = [("row", *(_seconds(tolerance) for tolerance in first.rules.tolerances_s))]
    rows += [(name, *(_f(score, average) for score in result.rows[0].scores)) for name, result in results.items()]
    places = range(len(first.rules.tolerances_s))
    best = [max(best_chance(result, at, average=average)[0] for result in results.values()) for at in places]
    rows.append(("best chance", *(f"{f:.3f}" for f in best)))
    return "\n".join([*_heading(first, average, found=False), *aligned(rows)])


def best_chance(result: BoundaryResult, at: int, *, average: Average = "macro") -> tuple[float, str]:
    """Return the highest F of the rows of chance, and which row has it: of equals the first.

    Parameters
    ----------
    result : BoundaryResult
        With at least one row of chance; `evaluate_boundaries` makes no other.
    at : int
        Which tolerance, by its place in the rules.
    average : {"macro", "micro"}

    Returns
    -------
    f : float
        Of a drawn row the mean over its draws.
    name : str

    Raises
    ------
    SchemaError
        An unknown average.

    Examples
    --------
    >>> import numpy as np
    >>> from lapsdata.metrics import evaluate_boundaries
    >>> clip = {"a": np.array([3.0, 6.0])}
    >>> best_chance(evaluate_boundaries(clip, clip, spans_s={"a": (0.0, 9.0)}), 0)
    (1.0, 'uniform_same_count')
    """
    known_word(average, "average", Average)
    rows = [(_of(row.scores[at], average).f, row.name) for row in result.rows if row.kind == "chance"]
    return max(rows, key=itemgetter(0))


def not_above_chance(result: BoundaryResult, *, average: Average = "macro") -> str | None:
    """Return a sentence naming the tolerances at which the prediction is not above the best row of chance.

    Parameters
    ----------
    result : BoundaryResult
    average : {"macro", "micro"}

    Returns
    -------
    str or None
        None where the prediction is above every row at every tolerance.

    Raises
    ------
    SchemaError
        An unknown average.

    Examples
    --------
    >>> import numpy as np
    >>> from lapsdata.metrics import evaluate_boundaries
    >>> clip = {"a": np.array([3.0, 6.0])}
    >>> result = evaluate_boundaries(clip, clip, spans_s={"a": (0.0, 9.0)}, tolerances_s=(0.5,))
    >>> print(not_above_chance(result))
    The prediction is not above chance at 0.5 s (1.000, uniform_same_count has 1.000).
    """
    known_word(average, "average", Average)
    lost = []
    for at, score in enumerate(result.rows[0].scores):
        f = _of(score, average).f
        best, name = best_chance(result, at, average=average)
        if f <= best:
            lost.append(f"{_seconds(score.tolerance_s)} ({f:.3f}, {shown(name)} has {best:.3f})")
    return f"The prediction is not above chance at {', '.join(lost)}." if lost else None


def _heading(result: BoundaryResult, average: Average, *, found: bool = True) -> tuple[str, ...]:
    rules = result.rules
    truth = sum(video.truth for video in result.videos)
    counts = f"{_plural(len(result.videos), 'video')}, {_plural(truth, 'true boundary', 'true boundaries')}"
    if found:
        counts += f", {sum(video.found for video in result.videos)} found"
    synthetic = synthetic_note(result.provenance)
    return (
        *([] if synthetic is None else [shown(synthetic)]),
        f"boundary F, {average}: {counts}",
        f"matching {rules.matching}, counting {rules.counting}, window {rules.window}, ends {rules.ends}, "
        f"truth {result.truth_digest[:19]}",
        *(f"{name}: {count}" for name, count in sorted(result.policies.items()) if found),
    )


def _of(score: BoundaryScore, average: Average) -> PrecisionRecall:
    return score.macro if average == "macro" else score.micro


def _f(score: BoundaryScore, average: Average) -> str:
    sd = score.macro_f_sd if average == "macro" else score.micro_f_sd
    return f"{_of(score, average).f:.3f}" + ("" if sd is None else f" ± {sd:.3f}")


def _shifted(row: BoundaryRow, average: Average) -> list[tuple[str, ...]]:
    """Return what else is said of the row that keeps everything of the prediction but its place, if it is known."""
    of_macro = average == "macro"
    bands = [score.macro_f_band if of_macro else score.micro_f_band for score in row.scores]
    p = [score.macro_f_p if of_macro else score.micro_f_p for score in row.scores]
    told: list[tuple[str, ...]] = []
    if any(band is not None for band in bands):
        told.append(
            ("  95 % of draws", *("-" if band is None else "{:.3f} to {:.3f}".format(*band) for band in bands), "")
        )
    if any(one is not None for one in p):
        told.append(("  p", *("-" if one is None else f"{one:.3f}" for one in p), ""))
    return told


def _median(row: BoundaryRow, average: Average) -> str:
    if row.deviation is None:
        return ""
    distance = (row.deviation.macro if average == "macro" else row.deviation.micro).truth_to_found_s
    return "-" if distance is None else f"{distance:.3f}"


def _seconds(tolerance_s: float) -> str:
    return f"{tolerance_s:g} s"


def _plural(count: int, one: str, many: str | None = None) -> str:
    return f"{count} {one if count == 1 else many or one + 's'}"
