"""Prefetching: in order, bounded, errors as they were, and threads that end with whoever asked for them."""

from __future__ import annotations

import gc
import itertools
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lapsdata.errors import LapsError, LapsWarning
from lapsdata.loading import prefetch
from lapsdata.loading.prefetch import Prefetch

if TYPE_CHECKING:
    from collections.abc import Iterator


def ours() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("lapsdata-prefetch")]


@given(items=st.lists(st.integers()), threads=st.integers(0, 4), depth=st.integers(1, 5))
@settings(max_examples=40)
def test_results_come_in_the_order_of_the_items(items: list[int], threads: int, depth: int) -> None:
    assert list(Prefetch(lambda item: (item, item + 1), iter(items), threads=threads, depth=depth)) == [
        (item, item + 1) for item in items
    ]
    assert ours() == []


def test_a_slow_one_does_not_let_later_ones_pass() -> None:
    def slow_first(item: int) -> int:
        time.sleep(0.05 if item == 0 else 0)
        return item

    assert list(Prefetch(slow_first, iter(range(6)), threads=3, depth=4)) == list(range(6))


@pytest.mark.parametrize(("threads", "depth"), [(0, 4), (1, 1), (2, 3), (3, 8)])
def test_no_more_is_done_ahead_than_was_asked_for(threads: int, depth: int) -> None:
    drawn = 0

    def counted() -> Iterator[int]:
        nonlocal drawn
        for item in range(50):
            drawn += 1
            yield item

    with Prefetch(abs, counted(), threads=threads, depth=depth) as found:
        for received, _ in enumerate(found, 1):
            assert drawn <= received + (depth if threads else 0)
            if received == 20:
                break
        else:
            pytest.fail("ended early")


def test_several_are_made_at_once() -> None:
    barrier = threading.Barrier(3, timeout=10)
    assert list(Prefetch(lambda _: barrier.wait() >= 0, iter(range(6)), threads=3, depth=6)) == [True] * 6


class OddError(RuntimeError):
    """No error of ours."""


@pytest.mark.parametrize("threads", [0, 1, 3])
@pytest.mark.parametrize("error", [OddError("read failed"), KeyboardInterrupt("from a thread"), SystemExit("no")])
def test_the_consumer_gets_the_very_error_in_its_turn(threads: int, error: BaseException) -> None:
    def fails(item: int) -> int:
        if item == 3:
            raise error
        return item

    found = Prefetch(fails, iter(range(9)), threads=threads, depth=4)
    assert list(itertools.islice(found, 3)) == [0, 1, 2]
    with pytest.raises(type(error), match=str(error)) as caught:
        next(found)
    assert caught.value is error
    assert "fails" in [entry.name for entry in caught.traceback]
    assert ours() == []
    assert list(found) == []


def test_an_error_of_the_items_is_raised_as_well() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise OddError("no more")

    found = Prefetch(abs, items(), threads=1, depth=1)
    with pytest.raises(OddError, match="no more"):
        list(found)
    assert ours() == []


@pytest.mark.parametrize("way", ["close", "with", "drop", "break", "error"])
def test_threads_end_when_the_consumer_leaves(way: str) -> None:
    started: Any = Prefetch(abs, itertools.count(), threads=3, depth=6)
    assert next(started) == 0
    assert len(ours()) == 3
    if way == "close":
        started.close()
        started.close()
        assert list(started) == []
    elif way == "with":
        with started:
            pass
    elif way == "break":
        for found in started:
            assert found == 1
            break
        del started
    elif way == "error":
        with pytest.raises(OddError, match="in the loop"), started:
            raise OddError("in the loop")
    else:
        del started
    assert ours() == []


def test_threads_end_with_a_consumer_in_a_circle() -> None:
    circle: list[Any] = [Prefetch(abs, itertools.count(), threads=2, depth=2)]
    circle.append(circle)
    del circle
    gc.collect()
    assert ours() == []


def test_a_read_that_hangs_is_told_and_ends_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefetch, "_PATIENCE_S", 0.05)
    begun, go = threading.Event(), threading.Event()

    def hangs(_: int) -> bool:
        begun.set()
        return go.wait(30)

    found = Prefetch(hangs, iter(range(3)), threads=1, depth=1)
    found._fill()
    assert begun.wait(10)
    with pytest.warns(LapsWarning, match=r"lapsdata-prefetch-0: still reading after 0\.05 s"):
        found.close()
    go.set()
    for thread in ours():
        thread.join(10)
    assert ours() == []


def test_nothing_of_a_result_is_kept() -> None:
    class Thing:
        alive = 0

        def __init__(self, _: int) -> None:
            Thing.alive += 1

        def __del__(self) -> None:
            Thing.alive -= 1

    with Prefetch(Thing, iter(range(100)), threads=2, depth=3) as found:
        for _ in found:
            assert Thing.alive <= 3 + 2 + 2
    assert Thing.alive <= 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_fork_says_that_it_has_no_threads_and_can_begin_anew() -> None:
    found = Prefetch(abs, iter(range(10)), threads=2, depth=4)
    assert next(found) == 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of forks beside threads
        child = os.fork()
    if not child:
        code = 1
        try:
            try:
                next(found)
            except LapsError as error:
                code = 0 if error.problems[0].code == "forked" else 2
            found.close()
            afresh = list(Prefetch(abs, iter(range(4)), threads=2, depth=2))
            code = code or (0 if afresh == [0, 1, 2, 3] else 3)
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert list(found) == list(range(1, 10))


SCRIPT = """
import itertools, sys, time
from lapsdata.loading.prefetch import Prefetch

def slow(item):
    time.sleep(0.2)
    return item

for number in Prefetch(slow, itertools.count(), threads=4, depth=8):
    print(number, flush=True)
    {then}
"""


@pytest.mark.parametrize("then", ["", "time.sleep(60)"])
def test_ctrl_c_ends_the_process_at_once(then: str) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", SCRIPT.format(then=then)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == "0\n"
        child.send_signal(signal.SIGINT)
        began = time.monotonic()
        _, told = child.communicate(timeout=60)
    assert time.monotonic() - began < 5
    assert told.strip().endswith("KeyboardInterrupt")
    assert child.returncode in (-signal.SIGINT, 130)


def test_a_process_ends_with_an_iteration_under_way() -> None:
    script = SCRIPT.format(then="break\nkept = Prefetch(slow, itertools.count(), threads=4, depth=8); next(kept)")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "0\n", "")
