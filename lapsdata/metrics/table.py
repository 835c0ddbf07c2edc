"""Boundary scores as plain text: rows beside tolerances, and a sentence where chance does as well."""

from __future__ import annotations

from itertools import chain
from operator import itemgetter
from typing import TYPE_CHECKING, Literal

from lapsdata.console import aligned
from lapsdata.errors import shown
from lapsdata.metrics._above_chance import best_row
from lapsdata.metrics._given import known_word
from lapsdata.metrics._words import number, plural, wrapped
from lapsdata.metrics.comparison import check_comparable
from lapsdata.provenance import synthetic_note

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from lapsdata.schema.result import BoundaryResult, BoundaryRow, BoundaryScore, ChanceCorrected, PrecisionRecall

__all__ = ["Average", "best_chance", "boundary_table", "comparison_table", "not_above_chance"]

_RESAMPLES = "resamples"

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
        Lines without a last line break, of up to 80 characters for up to five tolerances. Beneath the prediction stand
        its interval over resamples of the videos, precision and recall; beneath a row of several draws their standard
        deviation; beneath the shifted row between what 95 % of its draws lie, and how likely one of them reaches the
        prediction. `above chance` is the chance-corrected score of the prediction. The last line is that of
        `not_above_chance`, if there is one.

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
    rules default: matching maximum, counting once, window inclusive, ends left_out,
    empty both_1_one_0, truth sha256:a64286fae0ac
    row                           0.25 s  1 s    median s
    prediction                    1.000   1.000  0.150
      precision                   1.000   1.000
      recall                      1.000   1.000
    uniform_same_count            0.000   1.000  1.000
    random_same_count             0.115   0.370  1.570
      sd of the draws             0.211   0.272
    circular_shift                0.112   0.445  1.284
      sd of the draws             0.257   0.361
      95 % of draws from          0.000   0.000
      95 % of draws to            1.000   1.000
      p                           0.046   0.212
    oracle_count (oracle)         0.000   1.000  1.000
    uniform_best_period (oracle)  0.667   0.800
    above chance                  1.000   -
    above chance = (F - F_best_chance) / (1 - F_best_chance), of the best row of
    chance: random_same_count at 0.25 s; uniform_same_count at 1 s.
    covering: 0.936 (uniform_same_count has 0.648).
    The prediction is not above chance at 1 s (1.000, uniform_same_count has 1.000).
    """
    known_word(average, "average", Average)
    rows = [("row", *(_seconds(tolerance) for tolerance in result.rules.tolerances_s), "median s")]
    for row in result.rows:
        name = f"{row.name} (oracle)" if row.kind == "oracle" else row.name
        rows.append((name, *(f"{_of(score, average).f:.3f}" for score in row.scores), _median(row, average)))
        rows += [(f"  {title}", *cells, "") for title, cells in _beneath(row, average) if any(cells)]
    above = [one.macro if average == "macro" else one.micro for one in result.above_chance or ()]
    if above:
        rows.append(("above chance", *(number(one.chance_corrected_f) for one in above), ""))
        ends = _ends([one.interval for one in above], _RESAMPLES)
        rows += [(f"  {title}", *cells, "") for title, cells in ends if any(cells)]
    sentences = [_best_rows(result, above) if above else None, _covering(result)]
    sentences.append(not_above_chance(result, average=average))
    return "\n".join(
        chain(
            *map(wrapped, _heading(result, average)),
            aligned(rows),
            *map(wrapped, filter(None, sentences)),
        )
    )


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
    rules default: matching maximum, counting once, window inclusive, ends left_out,
    empty both_1_one_0, truth sha256:a64286fae0ac
    row          0.25 s
    ours         1.000
    theirs       0.000
    best chance  0.115
    """
    known_word(average, "average", Average)
    check_comparable(results)
    first = next(iter(results.values()))
    rows = [("row", *(_seconds(tolerance) for tolerance in first.rules.tolerances_s))]
    rows += [
        (name, *(f"{_of(score, average).f:.3f}" for score in result.rows[0].scores)) for name, result in results.items()
    ]
    places = range(len(first.rules.tolerances_s))
    best = [max(best_chance(result, at, average=average)[0] for result in results.values()) for at in places]
    rows.append(("best chance", *(f"{f:.3f}" for f in best)))
    return "\n".join([*chain(*map(wrapped, _heading(first, average, found=False))), *aligned(rows)])


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
    return best_row(result.rows, at, average)


def not_above_chance(result: BoundaryResult, *, average: Average = "macro") -> str | None:
    """Return a sentence naming the tolerances at which the prediction is not above the best row of chance.

    Without a train split no row of chance is a metronome at its best. A second sentence then names the tolerances at
    which the best one on the scored truth itself, an oracle, does as well.

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
    fs = [_of(score, average).f for score in result.rows[0].scores]
    best = [best_chance(result, at, average=average) for at in range(len(fs))]
    lost = [at for at, f in enumerate(fs) if f <= best[at][0]]
    told = []
    if lost:
        where = (f"{_at(result, at)} ({fs[at]:.3f}, {shown(best[at][1])} has {best[at][0]:.3f})" for at in lost)
        told.append(f"The prediction is not above chance at {', '.join(where)}.")
    rows = {row.name: row for row in result.rows}
    metronome = rows.get("uniform_best_period")
    if metronome is not None and metronome.kind == "oracle" and "uniform_train_period" not in rows:
        reached = [_of(score, average).f for score in metronome.scores]
        where = (f"{_at(result, at)} ({f:.3f})" for at, f in enumerate(reached) if at not in lost and fs[at] <= f)
        if named := ", ".join(where):
            told.append(
                "Without a train split no metronome is among the rows of chance: the best one on this truth does as "
                f"well at {named}."
            )
    return " ".join(told) or None


def _heading(result: BoundaryResult, average: Average, *, found: bool = True) -> tuple[str, ...]:
    rules = result.rules
    truth = sum(video.truth for video in result.videos)
    counts = f"{plural(len(result.videos), 'video')}, {plural(truth, 'true boundary', 'true boundaries')}"
    if found:
        counts += f", {sum(video.found for video in result.videos)} found"
    synthetic = synthetic_note(result.provenance)
    return (
        *([] if synthetic is None else [shown(synthetic)]),
        f"boundary F, {average}: {counts}",
        f"{'' if rules.profile is None else f'rules {rules.profile}: '}matching {rules.matching}, "
        f"counting {rules.counting}, window {rules.window}, ends {rules.ends}, empty {rules.empty}, "
        f"truth {result.truth_digest[:19]}",
        *(f"{name}: {count}" for name, count in sorted(result.policies.items()) if found),
    )


def _of(score: BoundaryScore, average: Average) -> PrecisionRecall:
    return score.macro if average == "macro" else score.micro


def _beneath(row: BoundaryRow, average: Average) -> Iterator[tuple[str, list[str]]]:
    """Yield what else is said of a row: titles, and a cell for each tolerance, empty where nothing is known."""
    macro = average == "macro"
    if row.kind == "prediction":
        yield from _ends([one.macro_f_interval if macro else one.micro_f_interval for one in row.scores], _RESAMPLES)
        yield "precision", [f"{_of(score, average).precision:.3f}" for score in row.scores]
        yield "recall", [f"{_of(score, average).recall:.3f}" for score in row.scores]
        if not macro:
            yield "R-value", [number(score.micro_r_value) for score in row.scores]
    sds = [score.macro_f_sd if macro else score.micro_f_sd for score in row.scores]
    yield "sd of the draws", ["" if sd is None else f"{sd:.3f}" for sd in sds]
    if row.name == "circular_shift":
        yield from _ends([score.macro_f_band if macro else score.micro_f_band for score in row.scores], "draws")
        p = [score.macro_f_p if macro else score.micro_f_p for score in row.scores]
        yield "p", ["" if one is None else f"{one:.3f}" for one in p]


def _ends(bands: Sequence[tuple[float, float] | None], of: str) -> Iterator[tuple[str, list[str]]]:
    """Yield the two lines of what lies between two numbers."""
    for end, title in enumerate(("from", "to")):
        yield f"95 % of {of} {title}", ["" if band is None else f"{band[end]:.3f}" for band in bands]


def _best_rows(result: BoundaryResult, above: Sequence[ChanceCorrected]) -> str:
    """Return what was subtracted, and which row it is of at which tolerance."""
    places: dict[str, list[str]] = {}
    for at, one in enumerate(above):
        places.setdefault(shown(one.best_chance_row), []).append(_at(result, at))
    rows = "; ".join(f"{name} at {', '.join(where)}" for name, where in places.items())
    return f"above chance = (F - F_best_chance) / (1 - F_best_chance), of the best row of chance: {rows}."


def _covering(result: BoundaryResult) -> str | None:
    """Return how well the parts of the prediction cover the true ones, beside chance, if it is known."""
    ours = result.rows[0].covering
    known = [(row.covering, row.name) for row in result.rows if row.kind == "chance" and row.covering is not None]
    if ours is None or not known:
        return None
    best, name = max(known, key=itemgetter(0))
    return f"covering: {ours:.3f} ({shown(name)} has {best:.3f})."


def _median(row: BoundaryRow, average: Average) -> str:
    if row.deviation is None:
        return ""
    return number((row.deviation.macro if average == "macro" else row.deviation.micro).truth_to_found_s)


def _at(result: BoundaryResult, at: int) -> str:
    return _seconds(result.rules.tolerances_s[at])


def _seconds(tolerance_s: float) -> str:
    return f"{tolerance_s:g} s"
