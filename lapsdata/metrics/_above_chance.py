"""What a prediction has above the best row of chance."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING

from lapsdata.metrics._bootstrap import resampled, times_drawn
from lapsdata.metrics._rows import band
from lapsdata.schema.result import AboveChance, ChanceCorrected

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from lapsdata.metrics._chance_rows import Row
    from lapsdata.metrics._rows import Scorer
    from lapsdata.schema.result import BoundaryRow, BoundaryRules

__all__ = ["best_row", "chance_corrected", "judge"]


def best_row(rows: Iterable[BoundaryRow], at: int, average: str) -> tuple[float, str]:
    """Return the highest F of the rows of chance at a tolerance, by its place, and who has it: of equals the first."""
    chance = ((row.name, row.scores[at]) for row in rows if row.kind == "chance")
    fs = [((score.macro if average == "macro" else score.micro).f, name) for name, score in chance]
    return max(fs, key=itemgetter(0))


def chance_corrected(
    f: float, best: tuple[float, str], resampled: tuple[NDArray[np.float64], NDArray[np.float64]] | None
) -> ChanceCorrected:
    """Return (F - F_best_chance) / (1 - F_best_chance).

    Parameters
    ----------
    f : float
        Of the prediction.
    best : (float, str)
        F and name of the best row of chance.
    resampled : pair of float64 (resamples,), or None
        F of the prediction and of that row, in each resample of the videos; None where there are none.
    """
    chance, name = best
    interval = None
    if resampled is not None and (resampled[1] < 1).all():
        ours, theirs = resampled
        interval = band((ours - theirs) / (1 - theirs))
    return ChanceCorrected(
        best_chance_row=name,
        best_chance_f=chance,
        chance_corrected_f=(f - chance) / (1 - chance) if chance < 1 else None,
        interval=interval,
    )


def judge(
    rows: Sequence[Row], scored: Sequence[BoundaryRow], scorer: Scorer, rules: BoundaryRules, resamples: int, seed: int
) -> tuple[BoundaryRow, tuple[AboveChance, ...]]:
    """Return the row of the prediction with its intervals, and what it has above chance, tolerance by tolerance.

    Both rows and scores begin with the prediction. Of a single video there is nothing to be drawn.
    """
    videos = len(scorer.truth)
    drawn = times_drawn(videos, resamples, seed) if videos > 1 else None
    scores, above = [], []
    for at, (tolerance, score) in enumerate(zip(rules.tolerances_s, scored[0].scores, strict=True)):

        def drawn_f(name: str, at: int = at, tolerance: float = tolerance) -> dict[str, NDArray[np.float64]] | None:
            if drawn is None:
                return None
            sets = next(row for row in rows if row.name == name).at(at)
            counts = (scorer.truth, sets.counts, scorer.hits(sets, tolerance))
            return dict(zip(("macro", "micro"), resampled(counts, drawn, rules.empty), strict=True))

        ours = drawn_f(scored[0].name)
        made = {}
        for average, ratios in (("macro", score.macro), ("micro", score.micro)):
            best = best_row(scored, at, average)
            theirs = drawn_f(best[1])
            both = None if ours is None or theirs is None else (ours[average], theirs[average])
            made[average] = chance_corrected(ratios.f, best, both)
        intervals = {f"{average}_f_interval": band(each) for average, each in (ours or {}).items()}
        scores.append(score.model_copy(update=intervals))
        above.append(AboveChance(tolerance_s=tolerance, **made))
    return scored[0].model_copy(update={"scores": tuple(scores)}), tuple(above)
