"""The clock: batches are taken one after the other, as a training loop takes them."""

from __future__ import annotations

import itertools
import os
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

__all__ = ["Timed", "random_batches", "timed"]


@dataclass(frozen=True, slots=True)
class Timed:
    """What a reader did while it was measured.

    Parameters
    ----------
    windows : int
        How many were read.
    windows_per_s, gb_per_s : float
        Of what was handed over, not of what lies in the file.
    first_batch_s : float
        To the first batch, opening included.
    wait_p50_ms, wait_p95_ms, wait_max_ms : float
        Time between asking for a batch and having it.
    cpu_s_per_1000 : float
        CPU seconds of this process per thousand windows.

    Examples
    --------
    >>> Timed(64, 6400.0, 0.37, 0.01, 10.0, 10.0, 10.0, 0.16).windows
    64
    """

    windows: int
    windows_per_s: float
    gb_per_s: float
    first_batch_s: float
    wait_p50_ms: float
    wait_p95_ms: float
    wait_max_ms: float
    cpu_s_per_1000: float

    def as_json(self) -> dict[str, float]:
        """Return the fields as a JSON-ready dictionary."""
        return {name: round(value, 6) for name, value in asdict(self).items()}


def random_batches(windows: int, batch: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """Yield one global permutation after the other, batch by batch, without the rest of each."""
    batch = min(batch, windows)
    for epoch in itertools.count():
        order = np.random.default_rng((seed, epoch)).permutation(windows)
        yield from order[: windows // batch * batch].reshape(-1, batch)


def timed(
    gather: Callable[[NDArray[np.int64]], dict[str, NDArray[Any]]],
    order: Iterator[NDArray[np.int64]],
    *,
    seconds: float,
    most: int,
    opened_s: float = 0.0,
) -> Timed:
    """Take batches for a while.

    Parameters
    ----------
    gather : callable
        Gives the windows of some ids.
    order : iterator of int64 (B,)
    seconds : float
        After which no further batch is taken.
    most : int
        Windows after which no further batch is taken.
    opened_s : float, seconds
        What opening took; it is part of the time to the first batch.
    """
    waits: list[float] = []
    windows = size = 0
    cpu, begun = _cpu_s(), time.perf_counter()
    held: dict[str, NDArray[Any]] = {}
    while not waits or (time.perf_counter() - begun < seconds and windows < most):
        ids = next(order)
        since = time.perf_counter()
        held = gather(ids)  # the one before is let go now, as a training loop does
        waits.append(time.perf_counter() - since)
        windows += len(ids)
        size += sum(array.nbytes for array in held.values())
    passed = sum(waits)
    p50, p95, longest = np.percentile(waits, (50, 95, 100)) * 1e3
    return Timed(
        windows=windows,
        windows_per_s=windows / passed,
        gb_per_s=size / passed / 1e9,
        first_batch_s=opened_s + waits[0],
        wait_p50_ms=float(p50),
        wait_p95_ms=float(p95),
        wait_max_ms=float(longest),
        cpu_s_per_1000=(_cpu_s() - cpu) / windows * 1e3,
    )


def _cpu_s() -> float:
    times = os.times()
    return times.user + times.system
