"""A request to stop is granted between two frames and leaves nothing unfinished; one in their midst crashes nothing."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

# Stops a worker's task again and again, each time a little later; a process that dies tells no count.
AGAIN = """
import os, signal, sys, threading, time
from pathlib import Path
from lapsdata.execution.manifest import Found, Job, WorkItem
from lapsdata.geometry import FrameSize
from lapsmodels.stages._prepared import TrackWork
from lapsmodels.stages.track_many import _track
from lapsmodels.stages.track_options import TrackOptions

class Stopped(BaseException):
    pass

asked = []

# As a worker: a request is granted at the next unit.
def stop(number, frame):
    asked.append(number)

def tell(units):
    if asked:
        raise Stopped

video, out = Path(sys.argv[1]), Path(sys.argv[2])
options = TrackOptions(points=48, horizon=8, stride=2)
work = TrackWork(video, "noise", "sha256:" + 64 * "0", FrameSize(width=128, height=96), options, None)
job = Job(WorkItem("noise", out / "noise.h5", "sha256:00", work), Found("done"))
begun = time.perf_counter()
for _ in range(2):  # the first one compiles
    begun = time.perf_counter()
    _track(job, tell)
lasts = time.perf_counter() - begun
(out / "noise.h5").unlink()
stopped = 0
for number in range(60):
    signal.signal(signal.SIGTERM, stop)
    try:
        threading.Timer(lasts * (number % 30) / 30, os.kill, (os.getpid(), signal.SIGTERM)).start()
        until = time.perf_counter() + 10
        while time.perf_counter() < until:
            _track(job, tell)
        sys.exit("a request was lost")
    except Stopped:
        stopped += 1
    asked.clear()
    left = sorted(path.name for path in out.iterdir() if path.name != "noise.h5")
    if left:
        sys.exit(f"left behind: {left}")
print(stopped)
"""


def test_a_stop_at_any_moment_neither_crashes_nor_leaves_anything(noise_video: Path, tmp_path: Path) -> None:
    words = [sys.executable, "-X", "faulthandler", "-c", AGAIN, str(noise_video), str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (0, "60\n"), done.stderr[:2000]


# As a notebook does it, within the loops of the tracker.
STORM = """
import random, signal, sys
import numpy as np
from lapsdata.geometry import FrameSize, uniform_grid
from lapsmodels.trackers import WindowPlan
from lapsmodels.trackers.dense_flow import PLUGIN

picture = np.kron(np.random.default_rng(0).integers(0, 256, (20, 30)), np.ones((5, 5))).astype(np.uint8)
size = FrameSize(width=150, height=100)
points = uniform_grid(size, count=20).points

def tracked():
    plan = WindowPlan(size=size, starts=np.array([0]), horizon=12, queries=lambda _: points)
    return next(PLUGIN.windows([np.roll(picture, k, axis=1) for k in range(12)], plan)).tracks

class Stopped(BaseException):
    pass

def stop(number, frame):
    raise Stopped

signal.signal(signal.SIGALRM, stop)
whole, moments, stopped = tracked(), random.Random(1), 0
for _ in range(1500):
    try:
        try:
            signal.setitimer(signal.ITIMER_REAL, moments.uniform(0.0002, 0.004))
            tracked()
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except Stopped:
        stopped += 1
assert (tracked() == whole).all()
print(stopped)
"""


def test_an_exception_of_a_signal_handler_passes_through_the_loops() -> None:
    words = [sys.executable, "-X", "faulthandler", "-c", STORM]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[:2000]
    assert int(done.stdout) > 500
