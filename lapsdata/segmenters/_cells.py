"""Which time each value stands for: the stream without overlaps and without holes.

Values of steps speak of times that adjoin. Values of windows speak of times that overlap: two neighbours part what
both speak of in its middle, so that the cell of an inner value lies around the middle of its window (of equal windows,
one hop wide). The first cell begins with the first value's time and the last one ends with the last value's: nothing
else speaks of these ends. Time of which no value speaks is a cell of its own, a gap.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from lapsdata.containers.energies import ENERGY_STATES
from lapsdata.errors import Problem, SchemaError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lapsdata.schema import EnergyState
    from lapsdata.segmenters._protocol import EnergySeries, EnergyStep

__all__ = ["NOISE_S", "Cell", "CellCutter", "Mean", "cells_of", "mean_energy"]

NOISE_S = 1e-6
"""Seconds by which two times may differ and still be one: sums of a hop such as 0.1 differ by less, frames by more."""


class Cell(NamedTuple):
    """The time that one value stands for; a gap has no value."""

    start_s: float
    end_s: float
    energy: float
    state: EnergyState
    gap: bool = False


class CellCutter:
    """Makes cells of values that come one by one; the end of a cell is known when the next value comes.

    Examples
    --------
    >>> from lapsdata.segmenters import EnergyStep
    >>> cutter = CellCutter()
    >>> cutter.push(EnergyStep(0.0, 1.5, 0.5))
    []
    >>> [(cell.start_s, cell.end_s) for cell in cutter.push(EnergyStep(0.5, 2.0, 0.25))]
    [(0.0, 1.0)]
    >>> [(cell.start_s, cell.end_s) for cell in cutter.close()]
    [(1.0, 2.0)]
    """

    def __init__(self) -> None:
        self._last: EnergyStep | None = None
        self._start_s = math.nan
        self._closed = False

    @property
    def start_s(self) -> float:
        """Start of the cell whose end is not known yet, seconds; before the first value, minus infinity."""
        return -math.inf if self._last is None else self._start_s

    def push(self, step: EnergyStep) -> list[Cell]:
        """Take the next value; return the cell of the one before it, and the gap between them if there is one.

        Raises
        ------
        SchemaError
            `wrong-step`, `closed`; nothing is changed then.
        """
        self._refuse_wrong(step)
        before, self._last = self._last, step
        if before is None:
            self._start_s = step.start_s
            return []
        start_s = self._start_s
        if step.start_s > before.end_s + NOISE_S:
            self._start_s = step.start_s
            gap = Cell(before.end_s, step.start_s, math.nan, "missing", gap=True)
            return [Cell(start_s, before.end_s, before.energy, before.state), gap]
        self._start_s = (before.end_s + step.start_s) / 2
        return [Cell(start_s, self._start_s, before.energy, before.state)]

    def close(self) -> list[Cell]:
        """Return the last cell.

        Raises
        ------
        SchemaError
            `closed`
        """
        self._refuse_closed()
        self._closed = True
        last = self._last
        return [] if last is None else [Cell(self._start_s, last.end_s, last.energy, last.state)]

    def _refuse_closed(self) -> None:
        if self._closed:
            message = "expected no more calls after close, got one"
            raise SchemaError(Problem("closed", "stream", message, "make a stream for each video"))

    def _refuse_wrong(self, step: EnergyStep) -> None:
        self._refuse_closed()
        try:
            message = self._fault(step)
        except TypeError:
            message = f"expected numbers, got {step}"
        if message is not None:
            raise SchemaError(Problem("wrong-step", "stream", message))

    def _fault(self, step: EnergyStep) -> str | None:
        if step.state not in ENERGY_STATES:
            return f"expected a state of {ENERGY_STATES}, got {step.state!r}"
        if not (math.isfinite(step.start_s) and math.isfinite(step.end_s) and step.start_s < step.end_s):
            return f"expected finite start_s < end_s, got {step.start_s} s to {step.end_s} s"
        if step.state == "measured" and not math.isfinite(step.energy):
            return f"expected a finite energy where measured, got {step.energy}"
        if step.state != "measured" and not math.isnan(step.energy):
            return f"expected NaN where {step.state}, got {step.energy}"
        last = self._last
        if last is not None and not (step.start_s > last.start_s and step.end_s > last.end_s):
            return f"expected times after {last.start_s} s to {last.end_s} s, got {step.start_s} s to {step.end_s} s"
        return None


class Mean:
    """A mean of energies, each weighted by the time that it stands for.

    Examples
    --------
    >>> mean = Mean()
    >>> mean.add(Cell(0.0, 3.0, 1.0, "measured"))
    >>> mean.add(Cell(3.0, 4.0, 5.0, "measured"))
    >>> mean.value
    2.0
    """

    def __init__(self) -> None:
        self._total = self._seconds = 0.0
        self._low, self._high = math.inf, -math.inf

    def add(self, cell: Cell) -> None:
        """Take a cell; one without a value changes nothing."""
        if cell.state == "measured":
            seconds = cell.end_s - cell.start_s
            self._total += cell.energy * seconds
            self._seconds += seconds
            self._low, self._high = min(self._low, cell.energy), max(self._high, cell.energy)

    @property
    def value(self) -> float:
        """The mean; NaN of nothing. Rounding never takes it out of the range of its values."""
        if not self._seconds:
            return math.nan
        return min(max(self._total / self._seconds, self._low), self._high)


def cells_of(series: EnergySeries) -> list[Cell]:
    """Return the cells of a whole series.

    Examples
    --------
    >>> from lapsdata.segmenters import EnergySeries
    >>> [(cell.start_s, cell.end_s, cell.gap) for cell in cells_of(EnergySeries.measured([0, 3], [1, 4], [5, 6]))]
    [(0.0, 1.0, False), (1.0, 3.0, True), (3.0, 4.0, False)]
    """
    cutter = CellCutter()
    cells = [cell for step in series.steps() for cell in cutter.push(step)]
    return cells + cutter.close()


def mean_energy(cells: Iterable[Cell], start_s: float, end_s: float) -> float:
    """Return the mean of the measured energies in a span of time, each weighted by its time inside.

    Examples
    --------
    >>> mean_energy([Cell(0.0, 1.0, 2.0, "measured"), Cell(1.0, 2.0, 4.0, "measured")], 0.5, 2.0)
    3.3333333333333335
    """
    mean = Mean()
    for cell in cells:
        start, end = max(cell.start_s, start_s), min(cell.end_s, end_s)
        if start < end:
            mean.add(cell._replace(start_s=start, end_s=end))
    return mean.value
