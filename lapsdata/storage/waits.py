"""Whether reading waits for a disk: then a batch's rows are announced to the system before they are read.

A disk serves many requests at once far sooner than one after the other; from memory, each announcement is a call for
nothing. What is read is the same either way.
"""

from __future__ import annotations

import os

__all__ = ["Waits"]

SLOW, FAST = 5e8, 2e9
"""Bytes per second and thread: below the first no memory is that slow; above the second no disk is that fast."""


class Waits:
    """Learns from how long batches took whether the next one should be announced.

    Attributes
    ----------
    on : bool
        Whether to announce.

    Examples
    --------
    >>> waits = Waits()
    >>> waits.note(1_000_000, seconds=0.01)
    >>> waits.on
    True
    """

    def __init__(self) -> None:
        self.on = False

    def note(self, count: int, seconds: float) -> None:
        """Take notice of a batch of `count` bytes; between the two speeds nothing changes."""
        if count < SLOW * seconds:
            self.on = hasattr(os, "posix_fadvise")
        elif count > FAST * seconds:
            self.on = False
