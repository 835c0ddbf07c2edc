"""A folder has one writer: a second one is refused, and nothing is left behind by one that was killed."""

from __future__ import annotations

import errno
import fcntl
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from lapsdata.errors import LapsWarning, StorageError
from lapsdata.storage.folder_lock import locked_folder

if TYPE_CHECKING:
    from pathlib import Path

HOLDER = """
import sys
from pathlib import Path
from lapsdata.storage.folder_lock import locked_folder

with locked_folder(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_another_process_is_kept_out_until_the_first_is_killed(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    words = [sys.executable, "-c", HOLDER, str(folder)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(StorageError, match=r"out: expected a folder that nobody else writes to.*\[in-use\]"):
            locked_folder(folder).__enter__()
        holder.kill()
        assert holder.wait() == -signal.SIGKILL
    with locked_folder(folder):
        assert list(folder.iterdir()) == []


def test_an_error_frees_the_folder(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="of its own"), locked_folder(tmp_path):
        raise RuntimeError("of its own")
    with locked_folder(tmp_path):
        pass


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "out").touch()
    with pytest.raises(StorageError, match="cannot make the folder"), locked_folder(tmp_path / "out"):
        pass


def test_a_file_system_without_locks_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(handle: int, how: int) -> None:
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.warns(LapsWarning, match="has no locks"), locked_folder(tmp_path):
        pass
