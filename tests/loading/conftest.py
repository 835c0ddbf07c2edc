"""A source in memory, and a look at what a test leaves behind: threads, file handles, shared memory."""

from __future__ import annotations

import gc
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lapsdata.loading.source import Batch, BatchSpec, FieldSpec

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray


class Numbers:
    """Samples that tell which they are: `number ()` int64 and `row (3,)` float32."""

    def __init__(self, length: int, block_rows: int | None = None, fingerprint: str | None = None) -> None:
        self.length = length
        self.gathered = 0
        if block_rows is not None:
            self.block_rows = block_rows
        if fingerprint is not None:
            self.fingerprint = fingerprint

    def __len__(self) -> int:
        return self.length

    @property
    def spec(self) -> BatchSpec:
        return BatchSpec({"number": FieldSpec((), np.dtype("i8")), "row": FieldSpec((3,), np.dtype("f4"), "metre")})

    def gather(
        self,
        ids: NDArray[np.int64],
        *,
        fields: Sequence[str] | None = None,
        out: Mapping[str, NDArray[Any]] | None = None,
        to: str = "numpy",
    ) -> Batch:
        assert to == "numpy"
        if len(ids) and not 0 <= ids.min() <= ids.max() < self.length:
            raise IndexError(f"ids outside of 0 .. {self.length - 1}")
        self.gathered += 1
        spec = self.spec.only(fields)
        batch = dict(out) if out is not None else {name: field.empty(len(ids)) for name, field in spec.items()}
        assert list(batch) == list(spec)
        for name, array in batch.items():
            assert array.shape == (len(ids), *spec[name].shape)
            array[...] = ids if name == "number" else ids[:, None] + np.arange(3)
        return batch


def handles() -> set[str]:
    """What this process has open, where the system tells."""
    folder = Path("/proc/self/fd")
    if not folder.is_dir():
        return set()
    found = set()
    for path in folder.iterdir():
        try:
            found.add(f"{path.name}: {path.readlink()}")
        except OSError:  # the handle of the listing itself
            continue
    return found


def shared_memory() -> set[str]:
    folder = Path("/dev/shm")  # noqa: S108 - looked at, not written to
    return {path.name for path in folder.iterdir()} if folder.is_dir() else set()


@pytest.fixture(autouse=True)
def _leaves_nothing_behind() -> Iterator[None]:
    """Fail a test that leaves a thread, a file handle or shared memory behind."""
    gc.collect()
    before = {thread.ident for thread in threading.enumerate()}, handles(), shared_memory()
    yield
    gc.collect()
    assert [thread.name for thread in threading.enumerate() if thread.ident not in before[0]] == []
    assert handles() - before[1] == set()
    assert shared_memory() - before[2] == set()
