"""Writing is all or nothing: temporary names, exchange of folders, links, refusals of the file system."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from lapsdata.errors import StorageError
from lapsdata.storage import atomic
from lapsdata.storage.atomic import atomic_file, atomic_folder, restore_folder, storage_errors

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Put = Callable[..., None]


def names(folder: Path) -> list[str]:
    return sorted(item.name for item in folder.iterdir())


def put_file(path: Path, text: str, *, overwrite: bool = False) -> None:
    with atomic_file(path, overwrite=overwrite) as temporary:
        temporary.write_text(text)


def put_folder(path: Path, text: str, *, overwrite: bool = False) -> None:
    with atomic_folder(path, overwrite=overwrite) as temporary:
        (temporary / "deep").mkdir()
        (temporary / "deep" / "note").write_text(text)


def text_of(path: Path) -> str:
    return (path / "deep" / "note").read_text() if path.is_dir() else path.read_text()


PUTS = {"file": put_file, "folder": put_folder}


@pytest.fixture(params=sorted(PUTS))
def put(request: pytest.FixtureRequest) -> Put:
    return PUTS[request.param]


@pytest.fixture(params=["exchange", "two renames"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Exchange in one step, or not: network file systems refuse renameat2."""
    if request.param == "two renames":
        monkeypatch.setattr(atomic, "_exchange", lambda one, other: False)
    return str(request.param)


@pytest.mark.usefixtures("way")
def test_new_replaced_and_refused(put: Put, tmp_path: Path) -> None:
    target = tmp_path / "item.zarr"
    put(target, "one")
    with pytest.raises(StorageError, match=r"item.zarr: expected a free name, got an existing one; pass overwrite"):
        put(target, "two")
    assert text_of(target) == "one"
    put(target, "two", overwrite=True)
    assert text_of(target) == "two"
    assert names(tmp_path) == ["item.zarr"]


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("error", [RuntimeError("stop"), KeyboardInterrupt("stop")])
def test_an_error_while_writing_leaves_the_old(put: Put, error: BaseException, tmp_path: Path) -> None:
    target = tmp_path / "item"
    put(target, "old")
    manager = atomic_folder if put is put_folder else atomic_file
    with pytest.raises(type(error), match="stop"), manager(target, overwrite=True) as temporary:  # noqa: PT012
        (temporary / "part" if temporary.is_dir() else temporary).write_text("part")
        raise error
    assert text_of(target) == "old"
    assert names(tmp_path) == ["item"]


def test_somebody_else_was_faster(put: Put, tmp_path: Path) -> None:
    """The name was free at the start and is taken at the end: without overwrite that is still refused."""
    target = tmp_path / "item"
    manager = atomic_folder if put is put_folder else atomic_file
    with pytest.raises(StorageError, match="existing one"), manager(target):
        target.write_text("theirs")
    assert target.read_text() == "theirs"
    assert names(tmp_path) == ["item"]


@pytest.mark.usefixtures("way")
def test_a_file_takes_the_place_of_a_folder_only_as_a_folder(tmp_path: Path) -> None:
    put_folder(tmp_path / "item", "old")
    with pytest.raises(StorageError, match=r"item: cannot write: it is a folder; name a file \[wrong-kind\]"):
        put_file(tmp_path / "item", "new", overwrite=True)
    assert text_of(tmp_path / "item") == "old"
    put_file(tmp_path / "note", "old")
    put_folder(tmp_path / "note", "new", overwrite=True)
    assert text_of(tmp_path / "note") == "new"
    assert names(tmp_path) == ["item", "note"]


@pytest.mark.usefixtures("way")
def test_a_link_is_replaced_and_its_target_is_not_touched(put: Put, tmp_path: Path) -> None:
    put(tmp_path / "real", "old")
    (tmp_path / "link").symlink_to("real")
    put(tmp_path / "link", "new", overwrite=True)
    assert text_of(tmp_path / "real") == "old"
    assert text_of(tmp_path / "link") == "new"
    assert not (tmp_path / "link").is_symlink()
    assert names(tmp_path) == ["link", "real"]


@pytest.mark.usefixtures("way")
def test_a_link_to_nothing_counts_as_existing(put: Put, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("nowhere")
    with pytest.raises(StorageError, match="existing one"):
        put(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    put(tmp_path / "link", "new", overwrite=True)
    assert text_of(tmp_path / "link") == "new"
    assert names(tmp_path) == ["link"]


def test_a_folder_behind_a_link_is_written_to(put: Put, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    put(tmp_path / "link" / "item", "new")
    assert text_of(tmp_path / "real" / "item") == "new"


def test_a_missing_folder_is_named(put: Put, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"gone/item: cannot write: no such file or folder; check the path \[not-f"):
        put(tmp_path / "gone" / "item", "new")
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"file/item: cannot write: a part of the path is not a folder"):
        put(tmp_path / "file" / "item", "new")


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, r"cannot write: no space left on the device; free space, then run it again \[disk-full\]"),
        (errno.EDQUOT, r"cannot write: the disk quota is used up; free space, then run it again \[disk-full\]"),
        (errno.EROFS, r"cannot write: the file system is read-only; .* \[no-permission\]"),
        (errno.EIO, r"cannot write: the device reported an error; check the disk \[input-output\]"),
        (errno.EBUSY, r"cannot write: Device or resource busy \[storage\]"),
    ],
)
@pytest.mark.parametrize("step", ["flushing", "naming"])
def test_what_the_system_refuses_is_named(
    put: Put, step: str, number: int, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    naming = "rename" if put is put_folder else "replace"
    function = naming if step == "naming" else "fsync"
    target = tmp_path / "item"
    monkeypatch.setattr(os, function, refuse)
    with pytest.raises(StorageError, match=rf"item: {words}"):
        put(target, "new")
    monkeypatch.undo()
    assert names(tmp_path) == []
    put(target, "new")
    assert text_of(target) == "new"


def test_what_is_written_is_flushed_before_it_gets_its_name(
    put: Put, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise a power cut leaves the new name with no content."""
    seen: list[tuple[str, bool]] = []
    real = os.fsync

    def watch(handle: int) -> None:
        seen.append((os.path.realpath(f"/proc/self/fd/{handle}"), (tmp_path / "item").exists()))
        real(handle)

    monkeypatch.setattr(os, "fsync", watch)
    put(tmp_path / "item", "new")
    before = [name.rpartition("/")[2] for name, named in seen if not named]
    assert [name for name, named in seen if named] == [str(tmp_path)]
    assert before[-1].startswith(".lapsdata-tmp-")
    if put is put_folder:
        assert sorted(before[:-1]) == ["deep", "note"]


def test_modes_follow_the_umask(put: Put, tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        put(tmp_path / "item", "new")
    finally:
        os.umask(before)
    assert (tmp_path / "item").stat().st_mode & 0o777 == (0o750 if put is put_folder else 0o640)


def test_a_crash_between_two_renames_is_mended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(atomic, "_exchange", lambda one, other: False)
    target = tmp_path / "item.zarr"
    put_folder(target, "old")
    aside = tmp_path / ".lapsdata-tmp-aside-item.zarr"
    target.rename(aside)  # as a killed writer leaves it
    assert restore_folder(target)
    assert text_of(target) == "old"
    assert not restore_folder(target)
    target.rename(aside)
    with pytest.raises(StorageError, match="existing one"):
        put_folder(target, "new")
    assert text_of(target) == "old"
    target.rename(aside)
    put_folder(target, "new", overwrite=True)
    assert text_of(target) == "new"
    assert names(tmp_path) == ["item.zarr"]


def test_an_old_folder_left_aside_does_not_come_back(tmp_path: Path) -> None:
    """Its successor is in place; deleting that must not bring back what it replaced."""
    target = tmp_path / "item.zarr"
    put_folder(target, "new")
    put_folder(tmp_path / ".lapsdata-tmp-aside-item.zarr", "outdated")
    with pytest.raises(StorageError, match="existing one"):
        put_folder(target, "newer")
    assert names(tmp_path) == ["item.zarr"]


def test_errors_of_ours_pass_through(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not of the system"), storage_errors(tmp_path, "write"):
        raise ValueError("not of the system")
