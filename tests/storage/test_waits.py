"""Announcing rows to the system: when, and which bytes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

from lapsdata.storage import waits as module
from lapsdata.storage.index import ChunkIndex, file_key
from lapsdata.storage.waits import FAST, SLOW, Waits

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lapsdata.storage.gather import RowReader

ROWS, ROW = 6, (3, 2)

# Takes the place of the system's own function before the loop is linked, and notes what it is called with.
RECORDED = """
import ctypes, json, sys
import llvmlite.binding, numpy as np
from lapsdata.storage.gather import RowReader
from lapsdata.storage.index import ChunkIndex, file_key
from pathlib import Path

calls = []
kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_ssize_t, ctypes.c_ssize_t, ctypes.c_int)
note = kind(lambda *call: calls.append(call) or 0)
llvmlite.binding.add_symbol("posix_fadvise", ctypes.cast(note, ctypes.c_void_p).value)
place = Path(sys.argv[1])

class One:
    where, rows = str(place), 6
    def sources(self):
        return {
            "n": ChunkIndex.rows("n", (6, 3, 2), np.dtype("<f4"), (place,), (file_key(place),), offset=8),
            "m": np.arange(6),
        }

reader = RowReader([One()], {"n": np.dtype((np.float32, (3, 2))), "m": np.dtype(np.int64)})
reader.gather(np.array([1]))
quiet = len(calls)
reader.waits.on = True
found = reader.gather(np.array([4, 0, 4]))["n"]
print(json.dumps({"quiet": quiet, "calls": [call[1:] for call in calls], "found": found.tolist()}))
reader.close()
"""


def test_what_is_announced_are_the_bytes_of_the_rows(tmp_path: Path) -> None:
    values = np.arange(ROWS * 6, dtype="<f4").reshape(ROWS, *ROW)
    (tmp_path / "n.bin").write_bytes(bytes(8) + values.tobytes())
    words = [sys.executable, "-c", RECORDED, str(tmp_path / "n.bin")]
    told = json.loads(subprocess.run(words, capture_output=True, text=True, check=True).stdout)
    size = values[0].nbytes
    assert told["quiet"] == 0, "from memory nothing is announced"
    assert told["calls"] == [[8 + row * size, size, os.POSIX_FADV_WILLNEED] for row in (4, 0, 4)]
    assert told["found"] == values[[4, 0, 4]].tolist()


class TestWhen:
    def test_a_slow_batch_turns_it_on_and_a_fast_one_off(self) -> None:
        waits = Waits()
        assert not waits.on
        waits.note(1000, seconds=1000 / SLOW * 1.01)
        assert waits.on
        waits.note(1000, seconds=1000 / SLOW * 0.99)
        assert waits.on, "faster than before, because of it"
        waits.note(1000, seconds=1000 / FAST * 0.99)
        assert not waits.on
        waits.note(1000, seconds=1000 / FAST * 1.01)
        assert not waits.on

    def test_a_batch_of_nothing_says_nothing(self) -> None:
        waits = Waits()
        waits.note(0, seconds=0.0)
        assert not waits.on

    def test_a_system_that_takes_no_advice_is_given_none(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delattr(module.os, "posix_fadvise")
        waits = Waits()
        waits.note(1, seconds=1.0)
        assert not waits.on


@pytest.mark.parametrize("on", [True, False])
def test_rows_are_the_same_either_way(on: bool, tmp_path: Path, reader_of: Callable[..., RowReader]) -> None:
    values = np.arange(ROWS * 6, dtype="<f4").reshape(ROWS, *ROW)
    place = tmp_path / "n.bin"
    place.write_bytes(values.tobytes())
    index = ChunkIndex.rows("n", values.shape, values.dtype, (place,), (file_key(place),), offset=0)
    reader = reader_of({"n": index}, dtypes={"n": np.float32})
    reader.waits.on = on
    assert np.array_equal(reader.gather(np.array([5, 0, 3]))["n"], values[[5, 0, 3]])
    reader.waits.on = on
    with pytest.raises(IndexError, match=r"expected 0 to 5, got 6"):
        reader.gather(np.array([0, 6]))
