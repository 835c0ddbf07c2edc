"""Ctrl-C amid an import, which some packages take for an answer, is heard when the module is there."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

# Asks for a stop amid its import, and takes what is raised for "not on this machine", as large packages do.
SWALLOWING = """
import signal
try:
    for _ in range(ASKED):
        signal.raise_signal(signal.SIGINT)
except BaseException:
    print("swallowed", flush=True)
"""
PROGRAM = """
import signal, sys, time
sys.path.insert(0, sys.argv[1])
from lapsdata.execution.stop_requests import StopRequests, interrupts_between_imports
with interrupts_between_imports():
    import swallowing
    time.sleep(20)
    print("went on", flush=True)
"""
REQUESTS = """
import sys, time
sys.path.insert(0, sys.argv[1])
from lapsdata.execution.stop_requests import StopRequests, interrupts_between_imports
with interrupts_between_imports(), StopRequests() as requests:
    import swallowing
    assert requests.asked == 2
    requests.check()
"""


def ended(program: str, folder: Path, asked: int = 1) -> tuple[int, str, str]:
    (folder / "swallowing.py").write_text(SWALLOWING.replace("ASKED", str(asked)))
    done = subprocess.run([sys.executable, "-c", program, str(folder)], capture_output=True, text=True, check=False,
                          timeout=60)  # fmt: skip
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("asked", [1, 2])
def test_an_import_swallows_no_ctrl_c(asked: int, tmp_path: Path) -> None:
    """Regression: one run of 300 that was stopped in its first second went on to its end."""
    begun = time.monotonic()
    code, said, told = ended(PROGRAM, tmp_path, asked)
    assert (code, said) == (-signal.SIGINT, "")
    assert told.rstrip().endswith("KeyboardInterrupt")
    assert time.monotonic() - begun < 20


def test_without_it_the_request_is_lost(tmp_path: Path) -> None:
    """What the module above does is what the context is there for."""
    program = PROGRAM.replace("with interrupts_between_imports():", "if True:").replace("time.sleep(20)", "")
    assert ended(program, tmp_path) == (0, "swallowed\nwent on\n", "")


def test_requests_are_noted_amid_imports_too(tmp_path: Path) -> None:
    code, said, told = ended(REQUESTS, tmp_path)
    assert (code, said) == (-signal.SIGINT, ""), told


def test_an_import_that_stands_still_is_left_when_asked_again(tmp_path: Path) -> None:
    (tmp_path / "swallowing.py").write_text("import time; print('still', flush=True); time.sleep(60)")
    child = subprocess.Popen([sys.executable, "-c", PROGRAM, str(tmp_path)], stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True)  # fmt: skip
    assert child.stdout is not None
    assert child.stdout.readline() == "still\n"
    child.send_signal(signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired, match="timed out"):
        child.wait(timeout=1.2)
    child.send_signal(signal.SIGINT)
    _, told = child.communicate(timeout=30)
    assert child.returncode == -signal.SIGINT
    assert "KeyboardInterrupt" in told


def test_a_handler_of_the_callers_own_stays(tmp_path: Path) -> None:
    program = """
import signal, sys
from lapsdata.execution.stop_requests import interrupts_between_imports
def own(number, frame): print("own", flush=True)
before = signal.signal(signal.SIGINT, own)
with interrupts_between_imports():
    assert signal.getsignal(signal.SIGINT) is own
signal.signal(signal.SIGINT, before)
with interrupts_between_imports():
    assert signal.getsignal(signal.SIGINT) is not before
assert signal.getsignal(signal.SIGINT) is before
"""
    assert ended(program, tmp_path) == (0, "", "")
