"""What a process holds for itself: one for all its threads, another one after a fork, none in a pickle."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import threading

import pytest

from lapsdata.storage.per_process import PerProcess


class Counted:
    """Knows in which process it was made, and how many were made there."""

    made = 0

    def __init__(self) -> None:
        type(self).made += 1
        self.process = os.getpid()


def process_of(held: PerProcess[Counted]) -> int:
    return held.get().process


def test_it_is_made_when_it_is_first_asked_for_and_once() -> None:
    Counted.made = 0
    held = PerProcess(Counted)
    assert Counted.made == 0
    assert held.get() is held.get()
    assert Counted.made == 1


def test_all_threads_have_the_same() -> None:
    held = PerProcess(Counted)
    ready = threading.Barrier(8)
    found: list[Counted] = []

    def ask() -> None:
        ready.wait()
        found.append(held.get())

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(one) for one in found}) == 1
    assert held.get() is found[0]


@pytest.mark.parametrize("how", ["fork", "spawn"])
def test_another_process_makes_its_own(how: str) -> None:
    held = PerProcess(Counted)
    own = held.get()
    with multiprocessing.get_context(how).Pool(1) as pool:
        other = pool.apply(process_of, (held,))
    assert other != os.getpid()
    assert held.get() is own


def test_what_is_taken_is_held_no_longer() -> None:
    held = PerProcess(Counted)
    assert held.take() is None
    own = held.get()
    assert held.take() is own
    assert held.take() is None
    assert held.get() is not own


def test_a_pickle_holds_nothing() -> None:
    held = PerProcess(Counted)
    own = held.get()
    again = pickle.loads(pickle.dumps(held))
    assert again.take() is None
    assert again.get() is not own
