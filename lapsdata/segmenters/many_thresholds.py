"""The segments of one video at many thresholds: what a search goes over.

A threshold acts by two comparisons alone: from it on a value is loud, and below its share `off_ratio` one is quiet. So
a video has one segmentation between two neighbours among its energies and its energies divided by `off_ratio`, and
trying one threshold in each of these pieces is trying every threshold that there is.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lapsdata.containers.energies import ENERGY_STATES
from lapsdata.errors import Problem, SchemaError
from lapsdata.segmenters._cells import NOISE_S

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lapsdata.segmenters._protocol import EnergySeries
    from lapsdata.segmenters.state_machine import StateMachine

__all__ = ["ManyThresholds", "Pieces", "SegmentSets", "pieces_of"]


class SegmentSets(NamedTuple):
    """Segments of one video, one set for each threshold.

    Parameters
    ----------
    offsets : int64 (C + 1,)
        The segments of the threshold c are those from `offsets[c]` to `offsets[c + 1]`.
    spans_s : float64 (S, 2), seconds
        Start and end; within a set in order of time, not overlapping.
    reasons : uint8 (S,)
        Why it ends: index into `lapsdata.segmenters._machine_loop.REASONS`.

    Examples
    --------
    >>> SegmentSets(np.array([0, 1]), np.array([[0.5, 2.0]]), np.zeros(1, np.uint8)).spans_s.tolist()
    [[0.5, 2.0]]
    """

    offsets: NDArray[np.int64]
    spans_s: NDArray[np.float64]
    reasons: NDArray[np.uint8]


class Pieces(NamedTuple):
    """All thresholds there are, in pieces within which each video has one segmentation.

    Parameters
    ----------
    low, high : float64 (C,), unit of the energies
        A piece is what lies above the one, up to and with the other; minus infinity for the first piece of all
        (everything is loud), infinity for the last (nothing is).
    value : float64 (C,), unit of the energies
        A threshold in it: the middle, and where there is none the end that is finite, or just beyond it.
    not_positive : int
        How many pieces were left out because they hold no threshold above 0, of which a share is not lower.

    Examples
    --------
    >>> pieces_of([np.array([1.0, 3.0])], off_ratio=1.0).value.tolist()
    [1.0, 2.0, 3.0000000000000004]
    """

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    value: NDArray[np.float64]
    not_positive: int

    def __len__(self) -> int:
        """Return the number of pieces C."""
        return len(self.value)

    def taken(self, at: NDArray[np.int64]) -> Pieces:
        """Return some of them."""
        return Pieces(self.low[at], self.high[at], self.value[at], self.not_positive)


def pieces_of(energies: Sequence[NDArray[np.float64]], *, off_ratio: float) -> Pieces:
    """Return the pieces that the measured energies of some videos part all thresholds into.

    Parameters
    ----------
    energies : sequence of NDArray, shape (R,), float64
        Finite, at least one.
    off_ratio : float, above 0, up to 1
        Of the state machine; 1 where a threshold has no other side.

    Raises
    ------
    SchemaError
        No energy (`no-energy`), or none above 0 where `off_ratio` asks for it (`no-threshold`).

    Examples
    --------
    >>> pieces = pieces_of([np.array([0.0, 1.0]), np.array([2.0])], off_ratio=0.5)
    >>> list(zip(pieces.low.tolist(), pieces.high.tolist()))
    [(0.0, 1.0), (1.0, 2.0), (2.0, 4.0), (4.0, inf)]
    >>> pieces.not_positive
    1
    """
    values = np.unique(np.concatenate([np.empty(0), *energies]))
    if not len(values):
        raise SchemaError(Problem("no-energy", "energies", "expected measured energies, got none"))
    edges = _edges(values, off_ratio)
    low, high = np.concatenate([[-math.inf], edges]), np.concatenate([edges, [math.inf]])
    value = np.concatenate([edges[:1], edges[:-1] + np.diff(edges) / 2, [np.nextafter(edges[-1], math.inf)]])
    # Neighbours in float64 have no number between them; the upper one is in the piece.
    value = np.where(value > low, value, high)
    kept = value > 0 if off_ratio < 1 else np.ones(len(value), bool)
    if off_ratio < 1 and edges[-1] <= 0:
        message = f"expected energies above 0 for an off_ratio of {off_ratio:g}, got {edges[-1]:g} at most"
        raise SchemaError(Problem("no-threshold", "energies", message, "set off_ratio=1"))
    return Pieces(low[kept], high[kept], value[kept], int((~kept).sum()))


class ManyThresholds:
    """One video, ready to be cut by a state machine at many thresholds.

    Parameters
    ----------
    series : EnergySeries
    machine : StateMachine
        All of it but its threshold.

    Examples
    --------
    >>> from lapsdata.segmenters import EnergySeries
    >>> from lapsdata.segmenters.state_machine import StateMachine
    >>> series = EnergySeries.measured([0, 1, 2, 3], [1, 2, 3, 4], [0.0, 0.75, 1.25, 0.0])
    >>> many = ManyThresholds(series, StateMachine(threshold=1.0, up_s=0.0, down_s=0.0))
    >>> sets = many.segments(np.array([0.5, 1.0]))
    >>> sets.offsets.tolist(), sets.spans_s.tolist()
    ([0, 1, 2], [[1.0, 3.0], [2.0, 3.0]])
    >>> many.distinct(np.array([0.5, 0.6, 1.0])).tolist()
    [0, 2]
    """

    def __init__(self, series: EnergySeries, machine: StateMachine) -> None:
        self._start, self._end, self._energy, self._kind = _cells(series)
        self._machine = machine
        self._values = np.sort(self._energy[self._kind == 0])
        self._edges = _edges(self._values, machine.off_ratio)

    @property
    def cells(self) -> int:
        """How many cells a threshold is held against."""
        return len(self._start)

    def distinct(self, thresholds: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return which of rising thresholds (C,) are the first of their segmentation, as int64 (D,), the first at 0."""
        # A segmentation changes beside an edge of its own alone; there, by the comparisons that the machine makes.
        around = np.searchsorted(thresholds, self._edges)[:, np.newaxis] + np.arange(-1, 2)
        places = np.unique(np.clip(np.append(0, around), 0, len(thresholds) - 1))
        loud = np.searchsorted(self._values, thresholds[places])
        quiet = np.searchsorted(self._values, thresholds[places] * self._machine.off_ratio)
        return np.asarray(places[np.flatnonzero(np.diff(loud + quiet, prepend=-1))])

    def segments(self, thresholds: NDArray[np.float64]) -> SegmentSets:
        """Return the segments at each threshold: those that the state machine gives."""
        from lapsdata.segmenters._machine_loop import RULES, machine_loop

        machine = self._machine
        rules = [getattr(machine, name) for name in RULES]
        found = machine_loop(
            self._start,
            self._end,
            self._energy,
            self._kind,
            thresholds,
            thresholds * machine.off_ratio,
            np.array([math.inf if one is None else one for one in rules], np.float64),
            machine.gated == "quiet",
            machine.missing == "hold",
        )
        return SegmentSets(*found)


def _edges(values: NDArray[np.float64], off_ratio: float) -> NDArray[np.float64]:
    """Return where the segmentation of some energies may change, float64 rising."""
    return np.unique(np.concatenate([values, values / off_ratio]))


def _cells(
    series: EnergySeries,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.uint8]]:
    """Return start, end, energy and state of the cells of a series: `cells_of`, all at once."""
    start, end = series.start_s.copy(), series.end_s.copy()
    holes = series.start_s[1:] > series.end_s[:-1] + NOISE_S
    middle = (series.end_s[:-1] + series.start_s[1:]) / 2
    start[1:] = np.where(holes, start[1:], middle)
    end[:-1] = np.where(holes, end[:-1], middle)
    after = np.flatnonzero(holes)
    gaps = end[after], start[after + 1]
    return (
        np.insert(start, after + 1, gaps[0]),
        np.insert(end, after + 1, gaps[1]),
        np.insert(series.energy, after + 1, np.nan),
        np.insert(series.state, after + 1, ENERGY_STATES.index("missing")),
    )
