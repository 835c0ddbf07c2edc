"""Messages of libhdf5 read the same in every run and fit in one line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import h5py
import numpy as np
import pytest

from lapsdata.errors import CorruptDataError
from lapsdata.storage.hdf5_file import Hdf5File
from lapsdata.storage.hdf5_text import hdf5_text

if TYPE_CHECKING:
    from pathlib import Path

READ = (
    "Can't synchronously read data (file read failed: time = Sat Nov 21 10:32:37 {year}\n, filename = 'x.h5', "
    "file descriptor = {fd}, errno = 5, error message = 'Input/output error', buf = {buf}, "
    "total read size = 192, bytes this sub-read = 192, offset = 2048)"
)


def test_what_changes_from_run_to_run_is_left_out() -> None:
    first = hdf5_text(OSError(5, READ.format(year=2025, fd=3, buf="0x55d0f0a1b2c0")))
    assert first == hdf5_text(OSError(READ.format(year=2026, fd=14, buf="0x7fd52eeb9670")))
    assert first == (
        "Can't synchronously read data (file read failed: filename = 'x.h5', errno = 5, "
        "error message = 'Input/output error', total read size = 192, bytes this sub-read = 192, offset = 2048)"
    )


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (
            KeyError("Unable to open object (object 'x' doesn't exist)"),
            "Unable to open object (object 'x' doesn't exist)",
        ),
        (ValueError("first\nsecond"), "first"),
        (ValueError("\n  \nthird"), "third"),
        (OSError(24, "Too many open files"), "Too many open files"),
        (RuntimeError(), "RuntimeError"),
        (OSError("checksum stored 0x12345678, computed 0x9abcdef0"), "checksum stored 0x12345678, computed 0x9abcdef0"),
    ],
)
def test_the_first_line_that_says_something(error: Exception, text: str) -> None:
    assert hdf5_text(error) == text


def test_a_damaged_file_is_told_the_same_way_twice(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=np.arange(1000.0), chunks=(500,), compression="gzip")
        at = file["x"].id.get_chunk_info(1).byte_offset
    octets = bytearray(path.read_bytes())
    octets[at : at + 40] = bytes(40)
    path.write_bytes(octets)
    told = []
    for _ in range(2):
        with (
            Hdf5File(path, rungs=("h5py", "memory_type")) as file,
            pytest.raises(CorruptDataError, match="unreadable-dataset") as refused,
        ):
            file.read("x")
        told.append(str(refused.value))
    assert told[0] == told[1]
    assert "\n" not in told[0]
