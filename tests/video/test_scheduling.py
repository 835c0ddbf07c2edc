"""Writing a video leaves the scheduling of its process as it was."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = """
import os, sys
import numpy as np
from pathlib import Path
from lapsdata.video.writer import write_video
before = os.sched_getscheduler(0)
amid = []
def frames():
    for _ in range(60):
        amid.append({os.sched_getscheduler(int(thread)) for thread in os.listdir("/proc/self/task")})
        yield np.zeros((64, 64, 3), np.uint8)
write_video(Path(sys.argv[1]), frames(), np.arange(60) / 10, codec="av1")
assert os.sched_getscheduler(0) == before, (os.sched_getscheduler(0), before)
assert set().union(*amid) == {before}, amid
"""


@pytest.mark.skipif(not hasattr(os, "sched_getscheduler"), reason="nothing but Linux has it")
def test_av1_makes_no_process_a_real_time_one(tmp_path: Path) -> None:
    """Regression: as root, its encoder left the process before all others, and whatever it started kept a core."""
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "clip.mp4")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
