"""Single-bit flips anywhere in HDF5 files: a named fault or the right numbers where the file has checksums.

Files in the format of HDF5 1.10 and later (`libver="latest"`) checksum their structure; with fletcher32 on the chunks
no byte that matters is left unguarded. Older files guard no structure: there only the kind of error is promised.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import h5py
import numpy as np
import pytest

from lapsdata.errors import LapsError
from lapsdata.storage.hdf5_file import Hdf5File
from lapsdata.storage.hdf5_ladder import RUNGS, Rung

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

VALUES = np.random.default_rng(2).normal(size=(6, 8)).astype("f4")


def write(path: Path, libver: str) -> bytes:
    with h5py.File(path, "w", libver=libver) as file:
        packing = {"chunks": (2, 8), "fletcher32": True}
        file.create_dataset("plain", data=VALUES, **packing)
        file.create_dataset("packed", data=VALUES, compression="gzip", shuffle=True, **packing)
        file.create_dataset("big", data=VALUES.astype(">f4"), **packing)
    return path.read_bytes()


def flipped(octets: bytes, count: int, seed: int) -> Iterator[bytes]:
    rng = np.random.default_rng(seed)
    for _ in range(count):
        bit = int(rng.integers(8 * len(octets)))
        damaged = bytearray(octets)
        damaged[bit // 8] ^= 1 << bit % 8
        yield bytes(damaged)


def read_all(path: Path, rungs: tuple[Rung, ...]) -> Counter[str]:
    """Read what is listed; any exception but ours passes through and fails the test."""
    outcome: Counter[str] = Counter()
    try:
        with Hdf5File(path, rungs=rungs) as file:
            for name in file.datasets():
                file.describe(name)
                try:
                    right = np.array_equal(file.read(name), VALUES)
                except LapsError:
                    outcome["named"] += 1
                else:
                    outcome["right" if right else "wrong"] += 1
    except LapsError:
        outcome["named"] += 3
    return outcome


@pytest.mark.parametrize("rungs", [RUNGS, ("chunks",)])
def test_flips_in_files_with_checksums_are_never_silently_wrong(tmp_path: Path, rungs: tuple[Rung, ...]) -> None:
    path = tmp_path / "x.h5"
    octets = write(path, "latest")
    assert read_all(path, rungs) == {"right": 3}
    outcomes: Counter[str] = Counter()
    for damaged in flipped(octets, 400, seed=5):
        path.write_bytes(damaged)
        outcome = read_all(path, rungs)
        # A damaged group is one named fault that stands for its members.
        assert sum(outcome.values()) == 3 or outcome["named"], "a dataset disappeared"
        outcomes += outcome
    assert outcomes["wrong"] == 0
    assert outcomes["named"] > 100
    assert outcomes["right"] > 100


@pytest.mark.parametrize("rungs", [RUNGS, ("chunks",)])
def test_flips_in_old_files_raise_nothing_but_named_errors(tmp_path: Path, rungs: tuple[Rung, ...]) -> None:
    path = tmp_path / "x.h5"
    outcomes: Counter[str] = Counter()
    for damaged in flipped(write(path, "earliest"), 400, seed=6):
        path.write_bytes(damaged)
        outcomes += read_all(path, rungs)
    assert outcomes["named"] > 10
    assert outcomes["right"] > 100


@pytest.mark.parametrize("libver", ["earliest", "v110", "latest"])
def test_truncation_at_any_length_is_named(tmp_path: Path, libver: str) -> None:
    path = tmp_path / "x.h5"
    octets = write(path, libver)
    for length in [*range(0, len(octets), 61), len(octets) - 1]:
        path.write_bytes(octets[:length])
        with pytest.raises(LapsError, match=r"\[(empty-file|not-hdf5|truncated-file|unreadable-hdf5)\]"):
            Hdf5File(path)
