"""Buffers are used again, and never while anybody can still see what was in them."""

from __future__ import annotations

import gc
import sys
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lapsdata.loading.buffers import BufferPool
from lapsdata.loading.source import BatchSpec, FieldSpec
from lapsdata.loading.torch_bridge import shared_array
from lapsdata.storage.tensors import as_tensor

if TYPE_CHECKING:
    from collections.abc import Callable

SPEC = BatchSpec({"a": FieldSpec((3,), np.dtype("f4")), "b": FieldSpec((), np.dtype(bool))})

# Ways to hold on to an array: each returns something that still shows its memory.
HOLDS: dict[str, Callable[[Any], Any]] = {
    "the array": lambda array: array,
    "a row": lambda array: array[1],
    "a row of a row": lambda array: array[1:3][1],
    "a transpose": lambda array: array.T,
    "another dtype": lambda array: array.view(np.uint8),
    "flat": lambda array: array.reshape(-1),
    "a memoryview": memoryview,
    "a memoryview of a view": lambda array: memoryview(array[::2]),
    "a tensor": as_tensor,
    "a row of a tensor": lambda array: as_tensor(array)[1],
    "a tensor of a view": lambda array: as_tensor(array[1:]),
    "an array of a tensor": lambda array: np.from_dlpack(as_tensor(array)),
    "a frombuffer": lambda array: np.frombuffer(array, np.uint8),
    "a subclass": lambda array: array.view(np.recarray),
    "an iterator": lambda array: np.nditer(array),
    "a list of it": lambda array: [array],
    "an object array": lambda array: np.array([array, None], dtype=object),
}


def pool_of(**options: Any) -> BufferPool:
    return BufferPool(SPEC, 4, **options)


def first_byte(array: np.ndarray[Any, Any]) -> int:
    return int(array.ctypes.data)


def of_a_tensor(shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """Memory of a tensor, as pinned buffers have it."""
    import torch

    return shared_array(torch.zeros(shape, dtype=as_tensor(np.empty(0, dtype)).dtype), dtype)


@pytest.mark.parametrize("make", [np.empty, of_a_tensor])
@pytest.mark.parametrize("name", HOLDS)
def test_what_is_held_in_any_way_is_not_given_again(name: str, make: Any) -> None:
    pool = pool_of(make=make)
    array = pool.take()["a"]
    where = first_byte(array)
    held = HOLDS[name](array)
    del array
    gc.collect()
    others = [pool.take()["a"] for _ in range(40)]
    assert where not in map(first_byte, others)
    del held, others
    gc.collect()
    pool = pool_of(make=make)
    kept = pool.take()["a"]
    where = first_byte(kept)
    del kept
    assert where == first_byte(pool.take()["a"])


def test_one_field_that_is_held_keeps_its_whole_set() -> None:
    pool = pool_of()
    first = pool.take()
    held, where = first["b"], first_byte(first["a"])
    del first
    assert first_byte(pool.take()["a"]) != where
    assert held.shape == (4,)


def test_in_a_loop_the_same_few_buffers_go_round() -> None:
    pool = pool_of()
    seen = set()
    for _ in range(100):
        batch = pool.take()
        seen.add(first_byte(batch["a"]))
    assert len(seen) == 2


def test_shorter_batches_are_views_of_the_same_buffers() -> None:
    pool = pool_of()
    batch = pool.take(2)
    assert batch["a"].shape == (2, 3)
    where = first_byte(batch["a"])
    del batch
    assert first_byte(pool.take()["a"]) == where


def test_without_reuse_every_batch_is_fresh() -> None:
    pool = pool_of(reuse=False)
    refs = pool.take()["a"]
    assert refs.base is not None
    assert not pool._sets


def test_a_user_who_collects_batches_does_not_slow_the_pool_down() -> None:
    pool = pool_of()
    kept = [pool.take() for _ in range(500)]
    assert len(pool._sets) < 50
    assert len({first_byte(batch["a"]) for batch in kept}) == 500


def test_without_the_global_lock_nothing_is_reused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: False, raising=False)
    pool = pool_of()
    pool.take()
    assert not pool._sets


def test_a_source_without_fields_needs_no_buffers() -> None:
    assert BufferPool(BatchSpec({}), 4).take() == {}


@given(steps=st.lists(st.tuples(st.sampled_from([*HOLDS]), st.integers(0, 6)), max_size=40))
@settings(max_examples=60)
def test_whatever_is_held_never_changes(steps: list[tuple[str, int]]) -> None:
    """Take, write a mark, hold in some way, let go of an older one; every mark that is held must still be there."""
    pool = pool_of()
    held: list[tuple[int, Any, Any]] = []
    for mark, (name, let_go) in enumerate(steps, 1):
        batch = pool.take()
        batch["a"][...] = mark
        batch["b"][...] = mark % 2
        held.append((mark, HOLDS[name](batch["a"]), batch["b"][:2]))
        del batch
        del held[: max(0, len(held) - let_go)]
        for expected, thing, other in held:
            assert values(thing) == {float(expected)}
            assert set(other.tolist()) == {bool(expected % 2)}


def values(thing: Any) -> set[float]:
    """Return the different numbers that something shows."""
    if isinstance(thing, list):
        return values(thing[0])
    if isinstance(thing, memoryview):
        return set(np.asarray(thing).ravel().tolist())
    if isinstance(thing, np.nditer):
        return set(np.asarray(thing.operands[0]).ravel().tolist())
    if hasattr(thing, "numpy"):
        return set(thing.reshape(-1).tolist())
    array = np.asarray(thing)
    if array.dtype == object:
        return values(array[0])
    if array.dtype == np.uint8:
        return set(np.ascontiguousarray(array).view(np.float32).ravel().tolist())
    return set(array.ravel().tolist())


def test_threads_never_share_a_buffer() -> None:
    pool = pool_of()
    wrong: list[int] = []

    def use(mark: int) -> None:
        for _ in range(3000):
            batch = pool.take()
            batch["a"][...] = mark
            if not (batch["a"] == mark).all():
                wrong.append(mark)

    threads = [threading.Thread(target=use, args=(mark,)) for mark in range(4)]
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    assert wrong == []
