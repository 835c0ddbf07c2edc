"""The clock: the same for every reader."""

from __future__ import annotations

import math
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["cpu_seconds", "timed"]


def timed(
    batches: Iterator[dict[str, Any]],
    *,
    seconds: float,
    warm: int,
    warm_seconds: float = 0.0,
    most: float = math.inf,
) -> dict[str, Any]:
    """Take batches for a while: a batch is let go when the next one has come, as a training loop does.

    With `most` windows the clock stops at the latest: from a disk, what is read again comes from memory. The first
    `warm` batches are not counted, nor those of the first `warm_seconds`; `first_batch_s` is the time to the very first
    one, opening and starting included.
    """
    start = time.perf_counter()
    held, first = None, None
    while warm > 0 or time.perf_counter() - start < warm_seconds:
        held = next(batches)
        first = first or time.perf_counter() - start
        warm -= 1
    busy = cpu_seconds()
    waits, windows, since = [], 0, time.perf_counter()
    begun = since
    while since - begun < seconds and windows < most:
        held = next(batches)
        now = time.perf_counter()
        first = first or now - start
        waits.append(now - since)
        windows += len(held["tracks"])
        since = now
    busy = cpu_seconds() - busy
    batches.close()
    p50, p95, longest = np.percentile(waits, (50, 95, 100)) * 1e3
    return {
        "windows_per_s": round(windows / (since - begun), 1),
        "windows": windows,
        "seconds": round(since - begun, 3),
        "first_batch_s": round(first, 4),
        "wait_ms": {"p50": round(p50, 3), "p95": round(p95, 3), "max": round(longest, 3)},
        "cpu_s_per_1000": round(busy / windows * 1e3, 4),
    }


def cpu_seconds() -> float:
    """CPU time so far of this process and of its worker processes that live."""
    mine = os.times()
    total = mine.user + mine.system
    tick = os.sysconf("SC_CLK_TCK")
    for listed in Path("/proc/self/task").glob("*/children"):
        for child in listed.read_text().split():
            # Behind the name, which may hold blanks: state is field 3, user and system time are 14 and 15.
            fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
            total += (int(fields[11]) + int(fields[12])) / tick
    return total
