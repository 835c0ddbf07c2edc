"""The limit of a test counts time in which the machine ran.

A shared machine that stands still for minutes fails whatever runs just then, on each of its workers: a limit of one
alarm has passed the moment it goes on. Of five alarms, one after the other, a standstill can only swallow one.
"""

from __future__ import annotations

import os
import signal
import threading
from typing import TYPE_CHECKING

import pytest
import pytest_timeout

if TYPE_CHECKING:
    from types import FrameType

_ALARMS = 5


@pytest.hookimpl(tryfirst=True)
def pytest_timeout_set_timer(item: pytest.Item, settings: pytest_timeout.Settings) -> bool | None:
    """Set alarms that repeat, the last of which fails the test; None leaves other kinds of limits to their plugin."""
    if settings.method != "signal" or threading.current_thread() is not threading.main_thread():
        return None
    if hasattr(os, "sched_setscheduler") and os.sched_getscheduler(0) != os.SCHED_OTHER:
        # Tests that encode AV1 by other means than ours, as root, leave a real-time process: its children keep a core.
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    rung = 0

    def ring(_signum: int, _frame: FrameType | None) -> None:
        nonlocal rung
        rung += 1
        if rung == _ALARMS:
            signal.setitimer(signal.ITIMER_REAL, 0)
            pytest_timeout.timeout_sigalrm(item, settings)

    def cancel() -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)

    # This is where the plugin looks when the test has ended.
    item.cancel_timeout = cancel  # type: ignore[attr-defined]
    signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, settings.timeout / _ALARMS, settings.timeout / _ALARMS)
    return True
