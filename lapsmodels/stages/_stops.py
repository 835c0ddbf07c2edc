"""Requests to stop are granted between two frames, where nothing compiled is at work."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

__all__ = ["stops_between_frames"]

# A second for the frame that is being tracked. Where none ends in time, as while functions are compiled, the request
# is granted at once; an engine that gives two seconds for cleaning up still gets its answer.
_PATIENCE_S = 1.0


@contextmanager
def stops_between_frames(tell: Callable[[int], None]) -> Iterator[Callable[[int], None]]:
    """Give a `tell` that grants SIGTERM, which waits for it in this block.

    Numba looks at tuples of arrays in Python, and takes an exception that a signal handler raises meanwhile for an
    answer: the process dies of a segmentation fault, and leaves behind what it was writing.

    Parameters
    ----------
    tell : callable
        Called for each frame.

    Yields
    ------
    callable
        To be called instead. It is `tell` itself where nothing handles SIGTERM, and outside of the main thread, the
        only one that signals interrupt.
    """
    handler = signal.getsignal(signal.SIGTERM)
    if not callable(handler) or threading.current_thread() is not threading.main_thread():
        yield tell
        return
    grant = handler
    asked = False

    def note(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        asked = True
        signal.setitimer(signal.ITIMER_REAL, _PATIENCE_S)

    def tell_or_stop(units: int) -> None:
        tell(units)
        if asked:
            grant(signal.SIGTERM, None)

    alarm = signal.signal(signal.SIGALRM, lambda number, frame: grant(signal.SIGTERM, frame))
    signal.signal(signal.SIGTERM, note)
    try:
        yield tell_or_stop
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, alarm)
        # A handler that has granted the request may have put another in its place.
        if signal.getsignal(signal.SIGTERM) is note:
            signal.signal(signal.SIGTERM, handler)
    if asked:
        grant(signal.SIGTERM, None)
