"""What to change so that windows come faster: from what was measured, not from what is usual."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lapsdata.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lapsdata._bench.timing import Timed

__all__ = ["advice"]


def advice(
    rows: Mapping[str, Timed],
    *,
    encoded: bool,
    block_rows: int,
    amplification: float,
    summed: bool,
    files: int,
    open_files: int,
    step_ms: float | None,
    starved: float | None,
) -> list[Problem]:
    """Say what would make reading faster or safer.

    Parameters
    ----------
    rows : mapping of Timed
        The rows of the report, by name.
    encoded : bool
        Whether windows have to be decoded.
    block_rows : int
        Windows that share compressed chunks.
    amplification : float
        Windows decoded per window delivered, in global order.
    summed : bool
        Whether the windows carry checksums.
    files, open_files : int
        How many files there are, and how many may be open.
    step_ms : float or None
        What a training step takes.
    starved : float or None
        Share of the time for which such a training waits.

    Returns
    -------
    list of Problem
        Of severity "info" or "warning"; empty where nothing is to be gained.

    Examples
    --------
    >>> facts = dict(encoded=True, block_rows=40, amplification=31.5, summed=True, files=1, open_files=512)
    >>> [found.code for found in advice({}, **facts, step_ms=None, starved=None)]
    ['shared-chunks']
    """
    found: list[Problem] = []
    if block_rows > 1:
        message = (
            f"windows share chunks, {block_rows} at a time: {amplification:.1f} are decoded for each one delivered"
        )
        fix = 'rewrite it: lapsdata convert SRC DST --profile raw; or Loader(shuffle="block")'
        found.append(Problem("shared-chunks", "layout", message, fix, "warning"))
    elif encoded and {"memory copy", "verified, 1 thread"} <= set(rows):
        share = rows["verified, 1 thread"].windows_per_s / rows["memory copy"].windows_per_s
        message = f"windows are compressed, and decoded at {share:.0%} of the speed of a memory copy"
        fix = "where disk space allows: lapsdata convert SRC DST --profile raw"
        found.append(Problem("compressed", "layout", message, fix, "info"))
    if not summed:
        message = "windows carry no checksums: a flipped bit is delivered as a number"
        fix = "lapsdata check PATH --seal, or lapsdata convert SRC DST"
        found.append(Problem("unverified", "integrity", message, fix, "warning"))
    if files > open_files:
        message = f"{files} files, of which {open_files} may be open: files are opened again and again"
        fix = "open a catalog with an index, raise open_files, or convert to shards"
        found.append(Problem("many-files", "layout", message, fix, "warning"))
    if starved is not None and step_ms is not None and starved > _STARVED:
        message = f"a training with steps of {step_ms:g} ms waits for data {starved:.1%} of its time"
        found.append(Problem("starved", "loading", message, _against_waiting(rows), "warning"))
    return found


def _against_waiting(rows: Mapping[str, Timed]) -> str:
    one, two = rows.get("verified, 1 thread"), rows.get("verified, 2 threads")
    if one is not None and two is not None and two.windows_per_s < _FASTER * one.windows_per_s:
        return "fewer bytes per window (fields, views), or the profile raw: a second thread is of no use here"
    return "more threads: Loader(workers=...); see the rows"


_FASTER = 1.1
"""By how much a second thread must be faster to be worth a word."""

_STARVED = 0.02
"""Share of the time that a training may wait before it is worth a word."""
