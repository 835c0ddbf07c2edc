"""What a prediction has above the best row of chance."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING

from lapsdata.metrics._bootstrap import resampled, times_drawn
from lapsdata.metrics._summary import band
from lapsdata.schema.result import AboveChance, ChanceCorrected

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from lapsdata.metrics._chance_rows import Row
    from lapsdata.metrics._rows import Scorer
    from lapsdata.schema.result import BoundaryRow, BoundaryRules

__all__ = ["best_row", "chance_corrected", "judge"]

_AVERAGES = ("macro", "micro")


def best_row(rows: Iterable[BoundaryRow], at: int, average: str) -> tuple[float, str]:
    """Return the highest F of the rows of chance at a tolerance, by its place, and who has it: of equals the first."""
    chance = ((row.name, row.scores[at]) for row in rows if row.kind == "chance")
    return max(((getattr(score, average).f, name) for name, score in chance), key=itemgetter(0))


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
    videos, judged = len(scorer.truth), scored[0]
    drawn = times_drawn(videos, resamples, seed) if videos > 1 else None
    scores, above = [], []
    for at, (tolerance, score) in enumerate(zip(rules.tolerances_s, judged.scores, strict=True)):
        best = {average: best_row(scored, at, average) for average in _AVERAGES}
        names = {judged.name, *(name for _, name in best.values())}
        fs = {}
        for row in rows:
            if drawn is not None and row.name in names:
                sets = row.at(at)
                counts = (scorer.truth, sets.counts, scorer.hits(sets, tolerance))
                fs[row.name] = dict(zip(_AVERAGES, resampled(counts, drawn, rules.empty), strict=True))
        made = {}
        for average, (_, name) in best.items():
            both = (fs[judged.name][average], fs[name][average]) if fs else None
            made[average] = chance_corrected(getattr(score, average).f, best[average], both)
        intervals = {f"{average}_f_interval": band(each) for average, each in fs.get(judged.name, {}).items()}
        scores.append(score.model_copy(update=intervals))
        above.append(AboveChance(tolerance_s=tolerance, **made))
    return judged.model_copy(update={"scores": tuple(scores)}), tuple(above)
