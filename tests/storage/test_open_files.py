"""Files held open: descriptors, maps, and files that have become others."""

from __future__ import annotations

import gc
import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from lapsdata.errors import SchemaError, StorageError
from lapsdata.storage import _pages, open_files
from lapsdata.storage.index import FileKey, file_key
from lapsdata.storage.open_files import OpenFile, check_io, is_local, open_file

if TYPE_CHECKING:
    from collections.abc import Iterator

CONTENT = bytes(range(256)) * 40


@pytest.fixture
def place(tmp_path: Path) -> Path:
    path = tmp_path / "bytes"
    path.write_bytes(CONTENT)
    return path


@pytest.fixture
def opened(place: Path) -> Iterator[OpenFile]:
    file = open_file(place, file_key(place), "auto")
    yield file
    file.close()


def handles(path: Path) -> int:
    """Count the descriptors of this process that are open on a file."""
    found = 0
    for entry in Path("/proc/self/fd").iterdir():
        try:
            found += entry.readlink() == path
        except OSError:  # the handle of the listing itself
            continue
    return found


def maps(path: Path) -> int:
    return Path("/proc/self/maps").read_text().count(str(path))


class TestOpening:
    @pytest.mark.parametrize("io", ["auto", "mmap", "pread"])
    def test_one_descriptor_is_held_however_it_is_read(self, place: Path, io: open_files.Io) -> None:
        file = open_file(place, file_key(place), io)
        assert handles(place) == 1
        assert (file.base != 0) == (io == "mmap") == (maps(place) > 0)
        file.close()
        assert handles(place) == 0

    def test_closing_twice_closes_no_other_file(self, place: Path) -> None:
        file = open_file(place, file_key(place), "pread")
        file.close()
        other = os.open(place, os.O_RDONLY)
        file.close()
        assert os.fstat(other).st_size == len(CONTENT)
        os.close(other)

    def test_a_forgotten_file_is_closed(self, place: Path) -> None:
        open_file(place, file_key(place), "mmap")
        gc.collect()
        assert handles(place) == 0
        assert maps(place) == 0

    def test_an_empty_file_has_no_map(self, tmp_path: Path) -> None:
        (tmp_path / "empty").touch()
        file = open_file(tmp_path / "empty", file_key(tmp_path / "empty"), "mmap")
        assert file.view is None
        assert file.base == 0
        assert not file.populate()
        file.close()

    @pytest.mark.parametrize(
        ("change", "value"), [("size", 1), ("mtime_ns", 1), ("inode", 1)], ids=["size", "time", "number"]
    )
    def test_another_file_than_was_indexed_is_refused(self, place: Path, change: str, value: int) -> None:
        key = file_key(place)
        wrong = FileKey(**{name: value if name == change else getattr(key, name) for name in FileKey.__slots__})
        with pytest.raises(StorageError, match=r"expected the file that was indexed .* \[replaced\]"):
            open_file(place, wrong, "auto")
        assert handles(place) == 0

    def test_a_file_that_is_gone_is_told(self, place: Path) -> None:
        key = file_key(place)
        place.unlink()
        with pytest.raises(StorageError, match=r"no such file or folder.*\[not-found\]"):
            open_file(place, key, "auto")
        with pytest.raises(StorageError, match=r"\[not-found\]"):
            file_key(place)

    def test_a_refused_map_is_told_and_leaves_no_descriptor(self, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(_pages, "map_file", _refuse)
        with pytest.raises(StorageError, match=r"bytes: cannot open: .*\[storage\]"):
            open_file(place, file_key(place), "mmap")
        gc.collect()
        assert handles(place) == 0

    @pytest.mark.parametrize("io", ["auto", "mmap", "pread"])
    def test_the_ways_to_read_are_known(self, io: str) -> None:
        assert check_io(io) is None

    def test_another_way_to_read_is_refused(self) -> None:
        with pytest.raises(SchemaError, match=r"io: expected one of \('auto', 'mmap', 'pread'\), got 'direct'"):
            check_io("direct")


def _refuse(descriptor: int, size: int) -> None:
    raise OSError(12, "Cannot allocate memory")


class TestMaps:
    def test_a_map_holds_the_bytes_of_the_file(self, opened: OpenFile) -> None:
        opened.map()
        assert opened.view is not None
        assert opened.view.tobytes() == CONTENT
        assert opened.base == opened.view.__array_interface__["data"][0]
        with pytest.raises(ValueError, match="read-only"):
            opened.view[0] = 1

    def test_mapping_again_keeps_the_map(self, opened: OpenFile) -> None:
        opened.map()
        base = opened.base
        opened.map()
        assert opened.base == base

    def test_a_map_lives_as_long_as_any_part_of_it(self, opened: OpenFile, place: Path) -> None:
        opened.map()
        assert opened.view is not None
        part = opened.view[256:512]
        opened.view, opened.base = None, 0
        gc.collect()
        assert part.tobytes() == CONTENT[256:512]
        del part
        gc.collect()
        assert maps(place) == 0

    def test_a_file_in_memory_is_mapped_with_all_its_pages(self, opened: OpenFile) -> None:
        assert opened.populate()
        assert opened.base != 0
        assert _pages.resident(opened.base, opened.size)

    @pytest.mark.parametrize("name", ["resident", "populate"])
    def test_without_its_pages_in_memory_no_map_stays(
        self, opened: OpenFile, place: Path, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(_pages, name, lambda address, size: False)
        assert not opened.populate()
        assert opened.base == 0
        gc.collect()
        assert maps(place) == 0

    def test_a_refused_map_leaves_a_file_as_it_was(self, opened: OpenFile, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(_pages, "map_file", _refuse)
        assert not opened.populate()
        assert opened.base == 0

    def test_a_descriptor_that_is_none_is_refused(self) -> None:
        with pytest.raises(OSError, match="Bad file descriptor"):
            _pages.map_file(-1, 10)

    def test_pages_that_are_nowhere_are_not_in_memory(self) -> None:
        page = np.zeros(3 * 4096, np.uint8)
        assert not _pages.resident(page.__array_interface__["data"][0] // 4096 * 4096 + (1 << 46), 4096)


MOUNTS = """\
1 0 8:1 / / rw - ext4 /dev/sda1 rw
2 1 0:5 / /mnt/far rw shared:1 - nfs4 server:/x rw
3 2 8:2 / /mnt/far/near rw - xfs /dev/sdb rw
4 1 0:6 / /mnt/with\\040space rw - fuse.sshfs host rw
"""


class TestLocal:
    @pytest.mark.parametrize(
        ("folder", "local"),
        [
            ("/", True),
            ("/data", True),
            ("/mnt/far", False),
            ("/mnt/far/deep/er", False),
            ("/mnt/farther", True),
            ("/mnt/far/near/x", True),
            ("/mnt/with space/x", False),
        ],
    )
    def test_the_innermost_mount_says_where_a_folder_lies(
        self, folder: str, local: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(Path, "read_text", lambda *_: MOUNTS)
        assert is_local.__wrapped__(Path(folder)) is local

    def test_where_nothing_is_said_of_mounts_all_is_local(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_: object) -> str:
            raise FileNotFoundError

        monkeypatch.setattr(Path, "read_text", refuse)
        assert is_local.__wrapped__(Path("/mnt/far"))
