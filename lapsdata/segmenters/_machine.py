"""The loop of the state machine; what it decides, and by which words, stands in `state_machine`."""

from __future__ import annotations

import math
from collections import Counter, deque
from typing import TYPE_CHECKING, Literal, NamedTuple

from lapsdata.segmenters._cells import NOISE_S, Cell, CellCutter, Mean
from lapsdata.segmenters._protocol import Segment

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lapsdata.schema import EndReason
    from lapsdata.segmenters._protocol import EnergyStep
    from lapsdata.segmenters._rules import Rules

__all__ = ["MachineStream"]

Level = Literal["loud", "between", "quiet", "broken"]


class _Heard(NamedTuple):
    """A cell with what it means; fixed when it comes, so that looking at it again means the same."""

    cell: Cell
    level: Level


class _Open:
    """The segment that has begun and not ended."""

    def __init__(self, start_s: float, *, keep: bool) -> None:
        self.start_s = start_s
        self.mean = Mean()
        self.quiet: list[_Heard] = []
        # Only a maximum duration ever looks back; without one, memory is flat.
        self._keep = keep
        self.heard: list[_Heard] = []

    def add(self, heard: Iterable[_Heard]) -> None:
        for one in heard:
            self.mean.add(one.cell)
            if self._keep:
                self.heard.append(one)

    def add_with_quiet(self, heard: Iterable[_Heard] = ()) -> None:
        """Take the quiet that did not last as part of the segment, and what came after it."""
        self.add(self.quiet)
        self.quiet = []
        self.add(heard)


class MachineStream:
    """Runs one state machine over one video; as `SegmentStream`.

    Parameters
    ----------
    options : Rules

    Examples
    --------
    >>> from lapsdata.segmenters import EnergyStep
    >>> from lapsdata.segmenters.state_machine import StateMachine
    >>> stream = MachineStream(StateMachine(threshold=0.5, up_s=0.0))
    >>> stream.push(EnergyStep(0.0, 1.0, 0.75)), [found.end_reason for found in stream.close()]
    ((), ['end_of_stream'])
    """

    def __init__(self, options: Rules) -> None:
        self._options = options
        self._cutter = CellCutter()
        self._policies: Counter[str] = Counter()
        self._finished: list[Segment] = []
        self._end_s = math.nan
        self._begin()

    def _begin(self) -> None:
        """Be as at the begin of a stream."""
        self._open: _Open | None = None
        self._run: list[_Heard] = []
        self._blocked_s = -math.inf
        self._level: Level = "quiet"

    @property
    def policies(self) -> dict[str, int]:
        """How many values and segments each named policy has touched."""
        return dict(sorted(self._policies.items()))

    @property
    def undecided_s(self) -> float:
        """No segment that is given later begins before this time, seconds; what lies before it may be forgotten."""
        if self._open is not None:
            return self._open.start_s
        return self._run[0].cell.start_s if self._run else self._cutter.start_s

    @property
    def inside(self) -> bool:
        """Whether a segment has begun and not ended."""
        return self._open is not None

    def push(self, step: EnergyStep) -> tuple[Segment, ...]:
        """Take the next value; as `SegmentStream.push`."""
        for cell in self._cutter.push(step):
            self._take(cell)
        return self._give()

    def close(self) -> tuple[Segment, ...]:
        """End the video; as `SegmentStream.close`."""
        for cell in self._cutter.close():
            self._take(cell)
        self._stop()
        return self._give()

    def _give(self) -> tuple[Segment, ...]:
        given, self._finished = tuple(self._finished), []
        return given

    def _take(self, cell: Cell) -> None:
        heard = _Heard(cell, self._meaning(cell))
        if heard.level == "broken":
            self._stop()
            self._begin()
        else:
            self._level = heard.level
            self._look([heard])
            self._end_s = cell.end_s

    def _meaning(self, cell: Cell) -> Level:
        """Say how loud a cell is, and count it where a policy says so."""
        options = self._options
        if cell.state == "measured":
            if cell.energy >= options.threshold:
                return "loud"
            return "quiet" if cell.energy < options.off_threshold else "between"
        if cell.state == "gated" and options.gated == "quiet":
            self._policies["gated-quiet"] += 1
            return "quiet"
        word = "gap" if cell.gap else cell.state
        self._policies[f"{word}-{options.missing}"] += 1
        return self._level if options.missing == "hold" else "broken"

    def _look(self, heard: Iterable[_Heard]) -> None:
        """Go over cells in order; a decision about the past puts cells back to be looked at again."""
        waiting = deque(heard)
        while waiting:
            one = waiting.popleft()
            again = self._while_idle(one) if self._open is None else self._while_open(self._open, one)
            waiting.extendleft(reversed(again))

    def _while_idle(self, one: _Heard) -> list[_Heard]:
        if one.level != "loud" or one.cell.start_s < self._blocked_s - NOISE_S:
            self._run = []
            return []
        self._run.append(one)
        start_s = self._run[0].cell.start_s
        if one.cell.end_s - start_s < self._options.up_s - NOISE_S:
            return []
        self._open = _Open(start_s, keep=self._options.max_duration_s is not None)
        run, self._run = self._run, []
        return run

    def _while_open(self, segment: _Open, one: _Heard) -> list[_Heard]:
        if one.level == "quiet":
            segment.quiet.append(one)
            end_s = segment.quiet[0].cell.start_s
            if one.cell.end_s - end_s >= self._options.down_s - NOISE_S:
                self._finish(end_s, "threshold", segment.mean)
            return []
        segment.add_with_quiet([one])
        return self._cut(segment) if self._too_long(segment, one.cell.end_s) else []

    def _too_long(self, segment: _Open, end_s: float) -> bool:
        longest = self._options.max_duration_s
        return longest is not None and end_s - segment.start_s > longest + NOISE_S

    def _cut(self, segment: _Open) -> list[_Heard]:
        """End a segment that grew too long at its quietest point; return the cells behind it."""
        at_s = self._quietest(segment)
        mean, behind = Mean(), []
        for one in segment.heard:
            cell = one.cell
            if cell.end_s <= at_s:
                mean.add(cell)
            elif cell.start_s >= at_s:
                behind.append(one)
            else:
                mean.add(cell._replace(end_s=at_s))
                behind.append(one._replace(cell=cell._replace(start_s=at_s)))
        self._finish(at_s, "max_duration", mean)
        return behind

    def _quietest(self, segment: _Open) -> float:
        """Return the start of the quietest cell that may follow a cut; the last of equals; else the limit itself."""
        longest, shortest = self._options.max_duration_s or math.inf, self._options.min_duration_s
        limit_s = segment.start_s + longest
        earliest_s = segment.start_s + max(longest / 2, shortest)
        at_s, lowest = limit_s, math.inf
        for one in segment.heard:
            cell = one.cell
            known = cell.state == "measured" or one.level == "quiet"
            if known and earliest_s - NOISE_S <= cell.start_s <= limit_s + NOISE_S:
                energy = cell.energy if cell.state == "measured" else -math.inf
                if energy <= lowest:
                    at_s, lowest = cell.start_s, energy
        return at_s

    def _finish(self, end_s: float, reason: EndReason, mean: Mean) -> None:
        if self._open is None:
            return
        start_s, self._open = self._open.start_s, None
        self._blocked_s = end_s + self._options.cooldown_s
        if end_s - start_s < self._options.min_duration_s - NOISE_S:
            self._policies["short-dropped"] += 1
        else:
            self._finished.append(Segment(start_s, end_s, reason, mean.value))

    def _stop(self) -> None:
        """End what is open where the values end; quiet that was not confirmed is no end."""
        while self._open is not None:
            self._open.add_with_quiet()
            if self._too_long(self._open, self._end_s):
                self._look(self._cut(self._open))
            else:
                self._finish(self._end_s, "end_of_stream", self._open.mean)
