"""What is found of statistics: alike of many features, kinds and episodes, told once with the worst of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lapsdata.checks._stats_numbers import KINDS
from lapsdata.checks._stats_verdicts import FINE, OF_EPISODES, ROUNDED, SAMPLE, WRONG
from lapsdata.errors import Problem, spans_told
from lapsdata.schema.feature_stats import QUANTILES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from lapsdata.checks._stats_numbers import Numbers
    from lapsdata.checks._stats_verdicts import Tally, Verdict
    from lapsdata.errors import Severity

__all__ = ["StatsFaults"]

_AGAIN = 'take those of the rows with open_steps(..., stats="rows"), or write them: `lapsdata convert` computes them'


class _Kind(NamedTuple):
    """A kind of fault; `{kinds}` in its message stands for the statistics that have it."""

    code: str
    message: str
    severity: Severity = "warning"
    fix: str = _AGAIN


_VERDICTS = {
    WRONG: _Kind("statistics-not-of-rows", "expected {kinds} of the rows, got others", "error"),
    ROUNDED: _Kind(
        "statistics-in-float32", "{kinds}: not quite those of the rows, as sums of float32 come out", "info"
    ),
    SAMPLE: _Kind(
        "deviation-of-sample",
        "{kinds}: of a sample, whose squares are divided by one less than their number",
        "info",
        "nothing to do where rows are many: the two are alike there",
    ),
    OF_EPISODES: _Kind(
        "quantiles-of-episodes",
        "{kinds}: means of the quantiles of the episodes, as LeRobot writes them, and not quantiles of the rows",
        "info",
        'to scale by q01 and q99 take those of the rows: open_steps(..., stats="rows")',
    ),
}
_MUCH = 0.1
"""Of the deviation: what a rounding may move normalised values by before it is worth a warning."""

_OTHER_ROWS = _Kind("statistics-of-other-rows", "expected {kinds} of the rows, got others")
_UNLIKE = _Kind("wrong-statistics", "expected {kinds} with one number for each of the feature, got others", "error")
_VOID = _Kind("wrong-statistics", "expected {kinds} of finite numbers, got null, NaN or infinity", "error")


@dataclass
class _Fault:
    features: set[str] = field(default_factory=set)
    kinds: set[str] = field(default_factory=set)
    away: float = -1.0
    worst: str = ""
    episodes: set[int] = field(default_factory=set)


class StatsFaults:
    """Judges what is stated of rows, and tells what is wrong with it by file and kind of fault.

    Parameters
    ----------
    numbers : Numbers
        Those of the rows.

    Examples
    --------
    >>> from lapsdata.checks._stats_numbers import Numbers
    >>> from lapsdata.checks._stats_verdicts import Tally
    >>> from lapsdata.schema import Feature
    >>> from lapsdata.transforms.episode_stats import Moments
    >>> numbers = Numbers([Feature(name="action", dtype="float32", shape=(2,))])
    >>> faults, rows = StatsFaults(numbers), np.array([[0.0, 1.0], [2.0, 5.0]])
    >>> tally = Tally(numbers.told({"action": {"mean": np.array([1.0, 2.0])}}))
    >>> tally.add(rows, Moments.of(rows))
    >>> faults.judge(tally, "stats.json")
    >>> print(next(iter(faults)).message)
    expected mean of the rows, got others; worst: mean of action[1]: states 2, rows have 3, 50 % of its deviation away
    """

    def __init__(self, numbers: Numbers) -> None:
        self._numbers = numbers
        self._found: dict[tuple[str, _Kind], _Fault] = {}

    def judge(
        self,
        tally: Tally,
        where: str,
        episode: int | None = None,
        of_episodes: Mapping[str, NDArray[np.float64]] | None = None,
    ) -> None:
        """Note what becomes of what is stated of the rows of an episode, or of all; see `Tally.verdicts`."""
        told, moments = tally.told, tally.moments
        for name, kind, count in told.unlike:
            self._note(_UNLIKE, where, episode, [name], kind, worst=f"{kind} of {name}: got {count or 'none'}")
        for kind, void in told.void.items():
            lost = void & (moments.count > 0)
            if lost.any():
                self._note(_VOID, where, episode, self._numbers.features_of(lost), kind)
        rows = told.values["count"]
        other = np.isfinite(rows) & (rows != moments.rows)
        if other.any():
            far = np.where(other, np.abs(rows - moments.rows), -1.0)
            worst = f"{rows[far.argmax()]:.0f}, and {moments.rows} rows are there"
            self._note(_OTHER_ROWS, where, episode, self._numbers.features_of(other), "count", float(far.max()), worst)
        for kind, verdict in tally.verdicts(of_episodes).items():
            for code in np.unique(verdict.codes[verdict.codes != FINE]).tolist():
                chosen = verdict.codes == code
                at = int(np.argmax(np.where(chosen, verdict.away, -1.0)))
                away = float(verdict.away[at])
                worst = self._worst(kind, at, told.values[kind][at], verdict, constant=not moments.squares[at])
                self._note(_VERDICTS[code], where, episode, self._numbers.features_of(chosen), kind, away, worst)

    def _worst(self, kind: str, at: int, stated: float, verdict: Verdict, *, constant: bool) -> str:
        """Return what is stated of one number, and what the rows have."""
        name, of_rows = self._numbers.name(at), float(verdict.of_rows[at])
        if kind in QUANTILES:
            lie = "below it" if of_rows > QUANTILES[kind] else "at it or below"
            return f"{kind} of {name}: states {stated:.6g}, and {100 * of_rows:.3g} % of the rows lie {lie}"
        digits = next((d for d in (3, 6, 9) if f"{stated:.{d}g}" != f"{of_rows:.{d}g}"), 17)
        told = f"{kind} of {name}: states {stated:.{digits}g}, rows have {of_rows:.{digits}g}"
        if constant:
            return told
        away = f"{100 * verdict.away[at]:.2g} % of" if verdict.away[at] < 1 else f"{verdict.away[at]:.3g} times"
        return f"{told}, {away} its {'range' if kind in ('min', 'max') else 'deviation'} away"

    def _note(
        self,
        of: _Kind,
        where: str,
        episode: int | None,
        features: list[str],
        kind: str,
        away: float = 0.0,
        worst: str = "",
    ) -> None:
        fault = self._found.setdefault((where, of), _Fault())
        fault.features.update(features)
        fault.kinds.add(kind)
        if away > fault.away:
            fault.away = away
            fault.worst = worst if episode is None or not worst else f"episode {episode}: {worst}"
        if episode is not None:
            fault.episodes.add(episode)

    def __iter__(self) -> Iterator[Problem]:
        for (where, of), fault in self._found.items():
            features = [name for name in self._numbers.features if name in fault.features]
            message = of.message.format(kinds=", ".join(kind for kind in KINDS if kind in fault.kinds))
            if fault.worst:
                message += f"; worst: {fault.worst}"
            if fault.episodes:
                count = len(fault.episodes)
                message += f"; in {count} episode{'s' * (count != 1)}: {spans_told(fault.episodes)}"
            much = of is _VERDICTS[ROUNDED] and fault.away > _MUCH
            severity: Severity = "warning" if much else of.severity
            yield Problem(of.code, f"{where}: {', '.join(features)}", message, of.fix, severity)
