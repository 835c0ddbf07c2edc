"""A state machine whose boundaries move to where the energy changes most."""

from __future__ import annotations

import math
from collections import deque
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from lapsdata.segmenters._cells import NOISE_S, CellCutter, mean_energy
from lapsdata.segmenters._machine import MachineStream
from lapsdata.segmenters._protocol import Segment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lapsdata.segmenters._cells import Cell
    from lapsdata.segmenters._protocol import EnergyStep
    from lapsdata.segmenters._rules import Rules

__all__ = ["RefiningStream", "steepest"]


class _Neighbours(NamedTuple):
    """Where the segment before ends, and where the one behind starts, seconds; infinite where there is none."""

    before_s: float
    after_s: float


class RefiningStream:
    """Runs one state machine over one video, and moves what it finds; as `SegmentStream`.

    A segment is given when nothing that comes later can move it: `refine_s` behind its end, and when it is known that
    no other starts within twice that time, or where that one starts.

    Parameters
    ----------
    options : Rules
        With a `refine_s` above 0.

    Examples
    --------
    >>> from lapsdata.segmenters import EnergyStep
    >>> from lapsdata.segmenters.state_machine import StateMachine
    >>> stream = RefiningStream(StateMachine(threshold=1.0, up_s=1.0, down_s=1.0, refine_s=1.0))
    >>> found = [stream.push(EnergyStep(at, at + 1, energy)) for at, energy in enumerate([0, 1, 9, 9, 0, 0])]
    >>> [(one.start_s, one.end_s) for one in stream.close()]
    [(2.0, 4.0)]
    """

    def __init__(self, options: Rules) -> None:
        self._machine = MachineStream(options)
        self._reach_s = options.refine_s
        self._cutter = CellCutter()
        self._cells: deque[Cell] = deque()
        self._waiting: list[Segment] = []
        self._before_s = -math.inf

    @property
    def policies(self) -> dict[str, int]:
        """Those of the machine; boundaries that move are a parameter and no policy."""
        return self._machine.policies

    @property
    def undecided_s(self) -> float:
        """No segment that is given later begins before this time, seconds."""
        start_s = self._waiting[0].start_s if self._waiting else self._machine.undecided_s
        return start_s - self._reach_s

    @property
    def inside(self) -> bool:
        """Whether a segment has begun and not ended, before its boundaries move."""
        return self._machine.inside

    def push(self, step: EnergyStep) -> tuple[Segment, ...]:
        """Take the next value; as `SegmentStream.push`."""
        self._waiting += self._machine.push(step)
        self._cells += self._cutter.push(step)
        given = []
        while self._waiting and self._ready():
            given.append(self._next())
        self._forget()
        return tuple(given)

    def close(self) -> tuple[Segment, ...]:
        """End the video; as `SegmentStream.close`."""
        self._waiting += self._machine.close()
        self._cells += self._cutter.close()
        return tuple(self._next() for _ in range(len(self._waiting)))

    def _ready(self) -> bool:
        end_s = self._waiting[0].end_s
        if self._cutter.start_s < end_s + self._reach_s:
            return False
        return len(self._waiting) > 1 or self._machine.undecided_s >= end_s + 2 * self._reach_s

    def _next(self) -> Segment:
        found = self._waiting.pop(0)
        after_s = self._waiting[0].start_s if self._waiting else math.inf
        moved = steepest(found, self._cells, self._reach_s, _Neighbours(self._before_s, after_s))
        self._before_s = found.end_s
        return moved

    def _forget(self) -> None:
        # The machine's own start may lie before those that wait: it is only known for what comes after them.
        oldest_s = self.undecided_s - NOISE_S
        while self._cells and self._cells[0].end_s < oldest_s:
            self._cells.popleft()


def steepest(found: Segment, cells: Sequence[Cell], reach_s: float, beside: tuple[float, float]) -> Segment:
    """Return a segment whose start lies at the steepest rise around it, and whose end at the steepest fall.

    A change lies between two measured cells that adjoin. It is looked for within `reach_s` on either side, up to the
    middle of the segment and up to the middle of what lies between it and its neighbours, so that order stays. Of
    equal changes the nearest counts, then the first. A boundary around which nothing rises (falls) stays, and so does
    one that the energy has not set: a cut by the longest duration, the begin behind it, the end of the stream.

    Parameters
    ----------
    found : Segment
    cells : sequence of Cell
        Those around it, at least.
    reach_s : float, seconds
    beside : (float, float), seconds
        Where the segment before ends, and where the one behind starts.

    Examples
    --------
    >>> from lapsdata.segmenters._cells import Cell
    >>> cells = [Cell(at, at + 1, energy, "measured") for at, energy in enumerate([0.0, 1.0, 9.0, 9.0, 8.0, 0.0])]
    >>> steepest(Segment(1.0, 6.0, "end_of_stream", 5.4), cells, 1.0, (0.0, 9.0))[:2]
    (2, 6.0)
    """
    middle_s = (found.start_s + found.end_s) / 2
    before_s, after_s = beside
    start_s, end_s = found.start_s, found.end_s
    if start_s > before_s + NOISE_S:
        start_s = _steepest(cells, start_s, reach_s, ((before_s + start_s) / 2, middle_s), 1)
    if found.end_reason == "threshold":
        end_s = _steepest(cells, end_s, reach_s, (middle_s, (end_s + after_s) / 2), -1)
    return Segment(start_s, end_s, found.end_reason, mean_energy(cells, start_s, end_s))


def _steepest(cells: Sequence[Cell], at_s: float, reach_s: float, within: tuple[float, float], sign: int) -> float:
    best, chosen = (0.0, 0.0), at_s
    for before, after in pairwise(cells):
        edge_s = after.start_s
        distance_s = abs(edge_s - at_s)
        inside = within[0] < edge_s < within[1] and distance_s <= reach_s + NOISE_S
        if inside and before.state == after.state == "measured":
            change = sign * (after.energy - before.energy)
            if change > 0 and (change, -distance_s) > best:
                best, chosen = (change, -distance_s), edge_s
    return chosen
