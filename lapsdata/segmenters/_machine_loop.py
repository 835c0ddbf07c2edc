"""The loop of the state machine once more, for one video and many thresholds; `_machine` is what it is judged by.

Levels are fixed before cells are gone over, and a cut goes back to the cell it lies in. Of the cells that a cut has
parted only the last can be met again, so that one place and one time say which it is.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np

from lapsdata.compiling import compile_loop
from lapsdata.segmenters._cells import NOISE_S

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Bytes = NDArray[np.uint8]

__all__ = ["REASONS", "RULES", "machine_loop"]

REASONS = ("threshold", "max_duration", "end_of_stream")
"""Words for the numbers of the reasons."""

THRESHOLD, MAX_DURATION, END_OF_STREAM = range(3)

RULES = ("up_s", "down_s", "cooldown_s", "max_duration_s", "min_duration_s")
"""What `rules` holds, in its order; no longest duration is infinity."""

UP, DOWN, COOLDOWN, LONGEST, SHORTEST = range(5)

QUIET, BETWEEN, LOUD, BROKEN = range(4)
MEASURED, GATED = 0, 1

_loop = functools.partial(compile_loop, nogil=True)


@_loop
def _tell_levels(
    energy: Floats, kind: Bytes, threshold: float, off: float, gated_quiet: bool, hold: bool, levels: Bytes
) -> None:
    # Without a branch first: which way energies go no processor can guess. Without an energy both comparisons fail.
    for i in range(len(energy)):
        levels[i] = BETWEEN + (energy[i] >= threshold) - (energy[i] < off)
    for i in range(len(energy)):
        if kind[i] != MEASURED:
            last = QUIET if i == 0 or levels[i - 1] == BROKEN else levels[i - 1]
            levels[i] = QUIET if kind[i] == GATED and gated_quiet else last if hold else BROKEN


@_loop
def _quietest(
    start: Floats, energy: Floats, kind: Bytes, levels: Bytes, first: int, last: int, begin_s: float, rules: Floats
) -> float:
    """Return where a segment from `begin_s` on, of the cells `first` to `last`, is cut."""
    limit_s = begin_s + rules[LONGEST]
    earliest_s = begin_s + max(rules[LONGEST] / 2, rules[SHORTEST])
    at_s: float = limit_s
    lowest = np.inf
    # The first cell starts with the segment, and is no place for a cut.
    for j in range(first + 1, last + 1):
        if start[j] > limit_s + NOISE_S:
            break
        if start[j] >= earliest_s - NOISE_S and (kind[j] == MEASURED or levels[j] == QUIET):
            here = energy[j] if kind[j] == MEASURED else -np.inf
            if here <= lowest:
                at_s, lowest = start[j], here
    return at_s


@_loop
def _put(spans: Floats, why: Bytes, count: int, start_s: float, end_s: float, reason: int, shortest_s: float) -> int:
    """Take a segment that is long enough, if there is room for it; return the count of all."""
    if end_s - start_s < shortest_s - NOISE_S:
        return count
    if count < len(spans):
        spans[count, 0], spans[count, 1], why[count] = start_s, end_s, reason
    return count + 1


@_loop
def _go_over(
    start: Floats, end: Floats, energy: Floats, kind: Bytes, levels: Bytes, first: int, stop: int, rules: Floats,
    spans: Floats, why: Bytes, count: int,
) -> int:  # fmt: skip
    """Go over the cells `first` to `stop` (not included), of which none is broken, and end what is open there."""
    at, open_at, run_at, parted = first, -1, -1, -1
    open_s = run_s = quiet_s = parted_s = 0.0
    quiet, blocked_s = False, -np.inf
    while True:
        cut_last = -1
        while at < stop and cut_last < 0:
            start_s = parted_s if at == parted else start[at]
            if open_at < 0:
                if levels[at] != LOUD or start_s < blocked_s - NOISE_S:
                    run_at = -1
                    at += 1
                    continue
                if run_at < 0:
                    run_at, run_s = at, start_s
                if end[at] - run_s < rules[UP] - NOISE_S:
                    at += 1
                    continue
                # Its cells are looked at again: they may be too long already.
                at, open_at, open_s, run_at, quiet = run_at, run_at, run_s, -1, False
            elif levels[at] == QUIET:
                if not quiet:
                    quiet, quiet_s = True, start_s
                if end[at] - quiet_s >= rules[DOWN] - NOISE_S:
                    count = _put(spans, why, count, open_s, quiet_s, THRESHOLD, rules[SHORTEST])
                    open_at, blocked_s = -1, quiet_s + rules[COOLDOWN]
                at += 1
            else:
                quiet = False
                if end[at] - open_s > rules[LONGEST] + NOISE_S:
                    cut_last = at
                else:
                    at += 1
        if cut_last < 0 and open_at >= 0 and end[stop - 1] - open_s > rules[LONGEST] + NOISE_S:
            cut_last = stop - 1
        if cut_last < 0:
            break
        at_s = _quietest(start, energy, kind, levels, open_at, cut_last, open_s, rules)
        count = _put(spans, why, count, open_s, at_s, MAX_DURATION, rules[SHORTEST])
        at, open_at, blocked_s = open_at, -1, at_s + rules[COOLDOWN]
        while end[at] <= at_s:
            at += 1
        if start[at] < at_s:
            parted, parted_s = at, at_s
    if open_at >= 0:
        count = _put(spans, why, count, open_s, end[stop - 1], END_OF_STREAM, rules[SHORTEST])
    return count


@_loop
def _go_over_all(
    start: Floats, end: Floats, energy: Floats, kind: Bytes, levels: Bytes, rules: Floats, spans: Floats, why: Bytes,
    count: int,
) -> int:  # fmt: skip
    """Go over what lies between broken cells."""
    at = 0
    while at < len(start):
        stop = at
        while stop < len(start) and levels[stop] != BROKEN:
            stop += 1
        if stop > at:
            count = _go_over(start, end, energy, kind, levels, at, stop, rules, spans, why, count)
        at = stop + 1
    return count


@_loop
def machine_loop(
    start: Floats, end: Floats, energy: Floats, kind: Bytes, thresholds: Floats, offs: Floats, rules: Floats,
    gated_quiet: bool, hold: bool,
) -> tuple[NDArray[np.int64], Floats, Bytes]:  # fmt: skip
    """Return the segments of one video at each of many thresholds.

    Parameters
    ----------
    start, end, energy : float64 (R,)
        Cells in order, in seconds and in the unit of the energies; of time of which no value speaks too.
    kind : uint8 (R,)
        0 measured, 1 gated, 2 missing.
    thresholds, offs : float64 (C,)
        From the one on a cell is loud, below the other it is quiet.
    rules : float64 (5,)
        See `RULES`.
    gated_quiet, hold : bool
        What gated cells mean, and missing ones.

    Returns
    -------
    offsets : int64 (C + 1,)
        Where the segments of each threshold begin.
    spans : float64 (S, 2), seconds
        Start and end of all segments, in order of time for each threshold.
    why : uint8 (S,)
        Numbers of `REASONS`.
    """
    spans, why, count = np.empty((64, 2)), np.empty(64, np.uint8), 0
    offsets = np.zeros(len(thresholds) + 1, np.int64)
    levels = np.empty(len(start), np.uint8)
    for c in range(len(thresholds)):
        _tell_levels(energy, kind, thresholds[c], offs[c], gated_quiet, hold, levels)
        count = _go_over_all(start, end, energy, kind, levels, rules, spans, why, offsets[c])
        if count > len(spans):
            # Once more, with room: arrays that grow inside of the loop would cost ten times its time.
            longer, more = np.empty((2 * count, 2)), np.empty(2 * count, np.uint8)
            longer[: offsets[c]], more[: offsets[c]] = spans[: offsets[c]], why[: offsets[c]]
            spans, why = longer, more
            _go_over_all(start, end, energy, kind, levels, rules, spans, why, offsets[c])
        offsets[c + 1] = count
    return offsets, spans[:count], why[:count]
