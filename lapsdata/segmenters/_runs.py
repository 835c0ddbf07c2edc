"""Pieces between cuts that come from the energies, found within each run of cells that no missing value breaks."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lapsdata.segmenters._cells import Cell, cells_of, mean_energy
from lapsdata.segmenters._protocol import Segment, Segmentation

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from lapsdata.schema import EndReason
    from lapsdata.segmenters._protocol import EnergySeries

__all__ = ["Run", "pieces_of_runs", "strongest"]


class Run(NamedTuple):
    """Cells in a row, none of which is missing.

    Parameters
    ----------
    cells : tuple of Cell
        C of them, at least one.
    energy : float64 (C,)
        Gated values are taken for as quiet as the quietest measured one; empty where none is measured.

    Examples
    --------
    >>> run = Run.of([Cell(0.0, 1.0, 0.5, "measured"), Cell(1.0, 2.0, float("nan"), "gated")])
    >>> run.energy, run.seconds
    (array([0.5, 0.5]), 2.0)
    """

    cells: tuple[Cell, ...]
    energy: NDArray[np.float64]

    @classmethod
    def of(cls, cells: Sequence[Cell]) -> Run:
        """Return the run of some cells."""
        energy = np.array([cell.energy for cell in cells])
        measured = ~np.isnan(energy)
        if not measured.any():
            return cls(tuple(cells), np.empty(0))
        energy[~measured] = energy[measured].min()
        return cls(tuple(cells), energy)

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return self.cells[-1].end_s - self.cells[0].start_s

    @property
    def at_s(self) -> NDArray[np.float64]:
        """The middle of each cell: float64 (C,), seconds."""
        return np.array([(cell.start_s + cell.end_s) / 2 for cell in self.cells])


def pieces_of_runs(
    series: EnergySeries,
    cut: Callable[[Sequence[Run]], Sequence[Sequence[float]]],
    wanted: Callable[[Sequence[Run]], int] | None = None,
) -> Segmentation:
    """Return the pieces between the cuts of one video, with their mean energies.

    Parameters
    ----------
    series : EnergySeries
    cut : callable
        Returns, for each run, where it is cut: rising seconds inside of it.
    wanted : callable, optional
        Returns how many pieces were asked for: a difference is counted, as `fewer-than-asked` or `more-than-asked`.

    Examples
    --------
    >>> from lapsdata.segmenters import EnergySeries
    >>> found = pieces_of_runs(EnergySeries.measured([0, 1, 3], [1, 2, 4], [1, 3, 5]), lambda runs: [[1.0], []])
    >>> [(one.start_s, one.end_s, one.score) for one in found.segments], found.policies
    ([(0.0, 1.0, 1.0), (1.0, 2.0, 3.0), (3.0, 4.0, 5.0)], {'gap-break': 1})
    """
    runs, policies = _runs(series)
    found: list[Segment] = []
    for run, cuts_s in zip(runs, cut(runs), strict=True):
        edges = [run.cells[0].start_s, *cuts_s, run.cells[-1].end_s]
        for start_s, end_s in itertools.pairwise(edges):
            reason: EndReason = "end_of_stream" if end_s == edges[-1] else "threshold"
            found.append(Segment(start_s, end_s, reason, mean_energy(run.cells, start_s, end_s)))
    if wanted is not None:
        missed = wanted(runs) - len(found)
        policies.update({"fewer-than-asked" if missed > 0 else "more-than-asked": abs(missed)})
    return Segmentation(tuple(found), {word: count for word, count in sorted(policies.items()) if count})


def strongest(candidates: Sequence[Sequence[tuple[float, float]]], count: int) -> list[list[float]]:
    """Return the times of the strongest candidates of all runs, rising within each; of equals the first stay.

    Parameters
    ----------
    candidates : sequence of sequence of (float, float)
        Seconds and strength, run by run.
    count : int
        How many stay.

    Examples
    --------
    >>> strongest([[(1.0, 0.5), (2.0, 3.0)], [(5.0, 2.0)]], 2)
    [[2.0], [5.0]]
    """
    every = [(run, at_s, strength) for run, found in enumerate(candidates) for at_s, strength in found]
    # Sorting is stable: what comes first stays first.
    kept = sorted(every, key=lambda one: -one[2])[: max(count, 0)]
    return [sorted(at_s for place, at_s, _ in kept if place == run) for run in range(len(candidates))]


def _runs(series: EnergySeries) -> tuple[list[Run], Counter[str]]:
    runs: list[Run] = []
    policies: Counter[str] = Counter()
    for silent, group in itertools.groupby(cells_of(series), key=lambda cell: cell.state == "missing"):
        cells = list(group)
        if silent:
            policies.update("gap-break" if cell.gap else "missing-break" for cell in cells)
            continue
        policies.update("gated-quiet" for cell in cells if cell.state == "gated")
        runs.append(Run.of(cells))
    return runs, policies
