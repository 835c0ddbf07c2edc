"""A test that never ends is ended; a machine that stood still is no reason to."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

TESTS = """
    import time

    def test_waits():
        (open("began", "w")).close()
        until = time.monotonic() + {seconds}
        while time.monotonic() < until:
            time.sleep(0.05)
"""


def started(tmp_path: Path, seconds: float) -> subprocess.Popen[str]:
    (tmp_path / "test_waits.py").write_text(textwrap.dedent(TESTS.format(seconds=seconds)))
    run = subprocess.Popen(
        [sys.executable, "-m", "pytest", "-q", "-p", "tests.running_time", "--timeout=2", "-c", os.devnull, "."],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_ADDOPTS": ""},
        stdout=subprocess.PIPE,
        text=True,
    )
    while not (tmp_path / "began").exists():
        assert run.poll() is None
        time.sleep(0.05)
    return run


def test_what_never_ends_is_ended(tmp_path: Path) -> None:
    run = started(tmp_path, 3600)
    told, _ = run.communicate(timeout=120)
    assert "Timeout (>2.0s)" in told
    assert run.returncode == 1


def test_standing_still_costs_one_alarm(tmp_path: Path) -> None:
    run = started(tmp_path, 3)
    run.send_signal(signal.SIGSTOP)
    time.sleep(2.5)
    run.send_signal(signal.SIGCONT)
    told, _ = run.communicate(timeout=120)
    assert run.returncode == 0, told
