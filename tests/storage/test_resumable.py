"""A folder that is written in steps: what stays for the next writer, and what does not."""

from __future__ import annotations

import contextlib
import errno
import os
import threading
from typing import TYPE_CHECKING

import pytest

from lapsdata import console
from lapsdata.errors import CorruptDataError, Problem, StorageError
from lapsdata.storage.resumable import resumable_folder

if TYPE_CHECKING:
    from pathlib import Path


def names(folder: Path) -> list[str]:
    return sorted(item.name for item in folder.iterdir())


def stop(target: Path, key: str, error: BaseException, name: str = "step") -> None:
    with contextlib.suppress(type(error)), resumable_folder(target, key) as folder:
        (folder / name).write_text(name)
        raise error


def left(target: Path, key: str) -> list[str]:
    """What a writer of some key finds; it stops again."""
    found: list[str] = []
    with contextlib.suppress(KeyboardInterrupt), resumable_folder(target, key) as folder:
        found = names(folder)
        raise KeyboardInterrupt
    return found


def taken_meanwhile(target: Path) -> None:
    with resumable_folder(target, "key") as folder:
        (folder / "step").write_text("whole")
        target.mkdir()


def disk_full(target: Path) -> None:
    with resumable_folder(target, "key") as folder:
        (folder / "step").write_text("whole")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize(
    "error",
    [
        KeyboardInterrupt(),
        SystemExit(),
        StorageError(Problem("disk-full", "x", "no space left on the device")),
    ],
    ids=["ctrl-c", "exit", "disk full"],
)
def test_what_a_stopped_writer_has_made_stays_for_the_next(tmp_path: Path, error: BaseException) -> None:
    stop(tmp_path / "out", "key", error)
    assert not (tmp_path / "out").exists()
    with resumable_folder(tmp_path / "out", "key") as folder:
        assert names(folder) == ["step"]
    assert names(tmp_path) == ["out"]
    assert names(tmp_path / "out") == ["step"]


@pytest.mark.parametrize(
    "error",
    [CorruptDataError(Problem("payload-checksum", "x", "expected a, got b")), RuntimeError("a mistake")],
    ids=["bad data", "mistake"],
)
def test_after_an_error_that_would_come_again_nothing_stays(tmp_path: Path, error: Exception) -> None:
    stop(tmp_path / "out", "key", error)
    assert names(tmp_path) == []


def test_a_writer_that_has_made_nothing_leaves_nothing(tmp_path: Path) -> None:
    assert left(tmp_path / "out", "key") == []
    assert names(tmp_path) == []


def test_what_follows_from_another_key_is_removed(tmp_path: Path) -> None:
    stop(tmp_path / "out", "key of a long name", KeyboardInterrupt())
    stop(tmp_path / "out", "other", KeyboardInterrupt(), "another")
    assert left(tmp_path / "out", "key of a long name") == []
    stop(tmp_path / "out", "other", KeyboardInterrupt(), "another")
    assert left(tmp_path / "out", "other") == ["another"]


def test_other_folders_beside_it_are_others(tmp_path: Path) -> None:
    stop(tmp_path / "a.shards", "key", KeyboardInterrupt())
    assert left(tmp_path / "b.shards", "key") == []
    assert left(tmp_path / "a.shards", "key") == ["step"]


def test_a_name_that_is_taken_is_refused_before_and_after(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(StorageError, match=r"expected a free name, got an existing one"):
        left(tmp_path / "out", "key")
    (tmp_path / "out").rmdir()
    with pytest.raises(StorageError, match=r"expected a free name, got an existing one"):
        taken_meanwhile(tmp_path / "out")
    assert names(tmp_path) == ["out"]
    with resumable_folder(tmp_path / "out", "key", overwrite=True) as folder:
        (folder / "step").write_text("whole")
    assert names(tmp_path / "out") == ["step"]


def test_what_the_file_system_refuses_is_told_and_kept(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot write: no space left on the device"):
        disk_full(tmp_path / "out")
    assert left(tmp_path / "out", "key") == ["step"]


def test_a_second_writer_waits_and_then_finds_it_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, waits, told, said = threading.Event(), threading.Event(), list[str](), list[str]()

    def note(text: str) -> None:
        said.append(text)
        waits.set()

    monkeypatch.setattr(console, "note", note)

    def second() -> None:
        begun.wait()
        try:
            with resumable_folder(tmp_path / "out", "key"):
                told.append("entered")
        except StorageError as error:
            told.append(error.problems[0].code)

    other = threading.Thread(target=second)
    other.start()
    with resumable_folder(tmp_path / "out", "key") as folder:
        (folder / "step").write_text("whole")
        begun.set()
        # It cannot say that it waits before it has found the folder locked.
        assert waits.wait(60)
    other.join()
    assert [text.partition(": ")[2] for text in said] == ["another process is writing it: waiting until that has ended"]
    assert told == ["exists"]
    assert names(tmp_path) == ["out"]


def test_a_second_writer_goes_on_where_the_first_was_stopped(tmp_path: Path) -> None:
    begun, found = threading.Event(), list[str]()

    def second() -> None:
        begun.wait()
        with resumable_folder(tmp_path / "out", "key") as folder:
            found.extend(names(folder))

    other = threading.Thread(target=second)
    other.start()
    with contextlib.suppress(KeyboardInterrupt), resumable_folder(tmp_path / "out", "key") as folder:
        (folder / "step").write_text("whole")
        begun.set()
        raise KeyboardInterrupt
    other.join()
    assert found == ["step"]
    assert names(tmp_path) == ["out"]
