"""A module that cannot be loaded by a worker: what the caller wrote into DIES_ON_IMPORT says how that shows."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

how = os.environ.get("DIES_ON_IMPORT", "")
if how == "raises":
    raise RuntimeError("no licence")
if how == "exits":
    raise SystemExit("not today")
if how == "always":
    os.kill(os.getpid(), signal.SIGSEGV)
if how.startswith("/"):
    # As often as there are lives to take; another worker may be the one that takes a life.
    for life in sorted(Path(how).iterdir()):
        with contextlib.suppress(FileNotFoundError):
            life.unlink()
            os.kill(os.getpid(), signal.SIGKILL)


def same(item: int, tell: Callable[[int], None]) -> int:
    return item
