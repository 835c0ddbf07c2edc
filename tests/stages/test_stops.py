"""A request to stop falls between two frames: no crash of compiled code, nothing unfinished left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from lapsmodels.stages import _stops
from lapsmodels.stages._stops import stops_between_frames

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


class Stopped(BaseException):
    """What the handler of these tests raises, as that of a worker does."""


@pytest.fixture
def handler() -> Iterator[Callable[..., None]]:
    def stop(*_: object) -> None:
        raise Stopped("by the test")

    before = signal.signal(signal.SIGTERM, stop)
    yield stop
    signal.signal(signal.SIGTERM, before)


def ask() -> None:
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(0.001)


def test_a_request_waits_for_the_next_frame(handler: Callable[..., None]) -> None:
    told: list[int] = []

    def work() -> None:
        with stops_between_frames(told.append) as tell:
            tell(1)
            ask()
            told.append(-1)
            tell(2)
            told.append(-2)

    with pytest.raises(Stopped, match="by the test"):
        work()
    assert told == [1, -1, 2]
    assert signal.getsignal(signal.SIGTERM) is handler
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0


def test_a_request_after_the_last_frame_is_granted_at_the_end(handler: Callable[..., None]) -> None:
    reached = []

    def work() -> None:
        with stops_between_frames(lambda _: None) as tell:
            tell(1)
            ask()
            reached.append("the end of the block")

    with pytest.raises(Stopped, match="by the test"):
        work()
    assert reached == ["the end of the block"]


def test_a_frame_that_never_ends_is_not_waited_for(
    handler: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_stops, "_PATIENCE_S", 0.01)
    alarm = signal.getsignal(signal.SIGALRM)

    def work() -> None:
        with stops_between_frames(lambda _: None):
            ask()
            threading.Event().wait(30)

    with pytest.raises(Stopped, match="by the test"):
        work()
    assert signal.getsignal(signal.SIGALRM) is alarm


def test_without_a_request_everything_is_as_before(handler: Callable[..., None]) -> None:
    with stops_between_frames(lambda _: None):
        assert signal.getsignal(signal.SIGTERM) is not handler
    assert signal.getsignal(signal.SIGTERM) is handler


def test_an_error_of_the_work_is_its_own(handler: Callable[..., None]) -> None:
    def work() -> None:
        with stops_between_frames(lambda _: None):
            raise ValueError("of the work")

    with pytest.raises(ValueError, match="of the work"):
        work()
    assert signal.getsignal(signal.SIGTERM) is handler


def test_a_handler_that_has_put_another_in_its_place_keeps_that(handler: Callable[..., None]) -> None:
    """As that of a worker: a second request must not cut off the cleaning up after the first."""

    def once(*_: object) -> None:
        signal.signal(signal.SIGTERM, second)
        raise Stopped("once")

    def second(*_: object) -> None:
        pass

    def work() -> None:
        with stops_between_frames(lambda _: None) as tell:
            ask()
            tell(1)

    signal.signal(signal.SIGTERM, once)
    with pytest.raises(Stopped, match="once"):
        work()
    assert signal.getsignal(signal.SIGTERM) is second


def test_where_nothing_handles_it_or_no_signal_comes_nothing_is_done(handler: Callable[..., None]) -> None:
    def tell(units: int) -> None:
        pass

    given: list[object] = []

    def in_a_thread() -> None:
        with stops_between_frames(tell) as inner:
            given.append(inner)

    thread = threading.Thread(target=in_a_thread)
    thread.start()
    thread.join()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    in_a_thread()
    assert given == [tell, tell]


# Stops a worker's task again and again, each time a little later; a process that dies tells no count.
AGAIN = """
import os, signal, sys, threading, time
from pathlib import Path
from lapsdata.execution.manifest import Found, Job, WorkItem
from lapsmodels.stages.track_many import TrackWork, _track
from lapsmodels.stages.track_options import TrackOptions

class Stopped(BaseException):
    pass

def stop(number, frame):
    raise Stopped

video, out = Path(sys.argv[1]), Path(sys.argv[2])
options = TrackOptions(points=48, horizon=8, stride=2)
work = TrackWork(video, "noise", "sha256:" + 64 * "0", options, None)
job = Job(WorkItem("noise", out / "noise.h5", "sha256:00", work), Found("done"))
begun = time.perf_counter()
for _ in range(2):  # the first one compiles
    begun = time.perf_counter()
    _track(job, lambda units: None)
lasts = time.perf_counter() - begun
(out / "noise.h5").unlink()
stopped = 0
for number in range(40):
    signal.signal(signal.SIGTERM, stop)
    try:
        threading.Timer(lasts * (number % 20) / 20, os.kill, (os.getpid(), signal.SIGTERM)).start()
        until = time.perf_counter() + 10
        while time.perf_counter() < until:
            _track(job, lambda units: None)
        sys.exit("a request was lost")
    except Stopped:
        stopped += 1
    left = sorted(path.name for path in out.iterdir() if path.name != "noise.h5")
    if left:
        sys.exit(f"left behind: {left}")
print(stopped)
"""


def test_a_stop_at_any_moment_neither_crashes_nor_leaves_anything(noise_video: Path, tmp_path: Path) -> None:
    words = [sys.executable, "-X", "faulthandler", "-c", AGAIN, str(noise_video), str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (0, "40\n"), done.stderr[:2000]
