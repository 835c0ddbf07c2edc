"""Paths that lead into archives: what Python's own tarfile has put there is found, and nothing else."""

from __future__ import annotations

import io
import pickle
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.storage.archive_path import ArchivePath, FilePart
from lapsdata.storage.tarfiles import sound_members

CONTENTS = {"a.bin": b"first", "b.b.bin": bytes(range(256)) * 30, "empty": b""}


def archive(folder: Path, contents: dict[str, bytes] = CONTENTS) -> ArchivePath:
    """Write an archive with the standard library."""
    path = folder / "all.tar"
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in contents.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return ArchivePath(path)


def test_what_lies_in_an_archive_is_a_file(tmp_path: Path) -> None:
    tar = archive(tmp_path)
    assert sorted(path.name for path in tar.iterdir()) == sorted(CONTENTS)
    assert tar.is_archive
    assert tar.is_file()
    assert not tar.is_dir()
    assert not tar.in_archive
    for name, content in CONTENTS.items():
        path = tar / name
        assert isinstance(path, ArchivePath)
        assert path.in_archive
        assert path.exists()
        assert path.is_file()
        assert not path.is_dir()
        assert path.stat().st_size == len(content)
        assert path.read_bytes() == content


def test_what_is_no_archive_is_what_path_makes_of_it(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/file").write_bytes(b"x")
    (tmp_path / "folder.tar").mkdir()
    (tmp_path / "folder.tar/inside").write_bytes(b"y")
    root = ArchivePath(tmp_path)
    assert root == tmp_path
    assert {root: 1}[tmp_path] == 1
    assert (root / "sub/file").read_bytes() == b"x"
    assert (root / "folder.tar/inside").read_bytes() == b"y"
    assert not (root / "folder.tar/inside").in_archive
    assert sorted(path.name for path in root.iterdir()) == ["folder.tar", "sub"]
    assert not (root / "none.tar/inside").exists()
    (root / "sub/new").open("wb").close()
    assert (tmp_path / "sub/new").is_file()


def test_a_name_that_is_not_there_is_told(tmp_path: Path) -> None:
    tar = archive(tmp_path)
    assert not (tar / "c").exists()
    assert not (tar / "c").is_file()
    with pytest.raises(FileNotFoundError, match=r"all\.tar/c"):
        (tar / "c").stat()
    with pytest.raises(FileNotFoundError, match=r"all\.tar/c"):
        (tar / "c").open("rb")


@pytest.mark.parametrize("mode", ["r", "wb", "ab", "r+b"])
def test_an_archive_is_only_read(tmp_path: Path, mode: str) -> None:
    before = archive(tmp_path).read_bytes()
    with pytest.raises(PermissionError, match="expected to read bytes of a file in an archive"):
        (ArchivePath(tmp_path) / "all.tar" / "a.bin").open(mode)
    assert (tmp_path / "all.tar").read_bytes() == before


def test_an_archive_that_was_replaced_is_listed_anew(tmp_path: Path) -> None:
    tar = archive(tmp_path)
    assert (tar / "a.bin").read_bytes() == b"first"
    tar.unlink()
    archive(tmp_path, {"x": b"longer before it", "a.bin": b"second!"})
    assert (tar / "a.bin").read_bytes() == b"second!"
    assert not (tar / "empty").exists()


def test_it_can_be_sent_to_another_process(tmp_path: Path) -> None:
    path = archive(tmp_path) / "a.bin"
    again = pickle.loads(pickle.dumps(path))
    assert isinstance(again, ArchivePath)
    assert again.read_bytes() == b"first"


def test_threads_do_not_move_each_other(tmp_path: Path) -> None:
    contents = {f"{number}": bytes([number]) * 40_000 for number in range(8)}
    tar = archive(tmp_path, contents)

    def read(number: int) -> bytes:
        with (tar / str(number)).open("rb") as file:
            return b"".join(iter(lambda: file.read(97), b""))

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(read, range(8))) == list(contents.values())


@given(
    st.binary(max_size=200),
    st.integers(0, 50),
    st.integers(0, 150),
    st.lists(st.tuples(st.sampled_from(["seek", "end", "here", "read"]), st.integers(-20, 80)), max_size=12),
)
def test_a_part_behaves_as_its_bytes_do(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, offset: int, size: int, steps: list[tuple[str, int]]
) -> None:
    path = tmp_path_factory.getbasetemp() / "part.bin"
    path.write_bytes(data)
    offset = min(offset, len(data))
    size = min(size, len(data) - offset)
    whole = io.BytesIO(data[offset : offset + size])
    with FilePart(path, offset, size) as part:
        for step, count in steps:
            if step == "read":
                assert part.read(abs(count)) == whole.read(abs(count))
            else:
                base = {"seek": 0, "here": whole.tell(), "end": size}[step]
                if base + count < 0:
                    with pytest.raises(OSError, match="Invalid argument"):
                        part.seek(count, {"seek": 0, "here": 1, "end": 2}[step])
                    continue
                part.seek(count, {"seek": 0, "here": 1, "end": 2}[step])
                whole.seek(base + count)
            assert part.tell() == whole.tell()


def test_a_part_lets_go_of_its_file(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"0123")
    before = len(list(Path("/proc/self/fd").iterdir()))
    part = FilePart(path, 1, 2)
    assert part.readable()
    assert part.seekable()
    part.close()
    part.close()
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    with pytest.raises(ValueError, match="closed"):
        part.read(1)


@given(st.integers(0, 20_480))
def test_of_a_cut_archive_whole_files_are_found(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    folder = tmp_path_factory.mktemp("cut")
    whole = archive(folder)
    data = whole.read_bytes()
    path = folder / "cut.tar"
    path.write_bytes(data[:cut])
    with tarfile.open(whole) as tar:
        ends = {info.name: info.offset_data + info.size for info in tar}
    members, error = sound_members(path)
    assert [member.name for member in members] == [name for name, end in ends.items() if _headed(name, end, cut)]
    assert (error is None) == (cut == len(data) or (not any(data[:cut][_zeros(ends) :]) and _ended(ends, cut)))
    found = ArchivePath(path)
    assert bool(found.damage) == (error is not None)
    for member in members:
        assert (found / member.name).read_bytes() == CONTENTS[member.name]
    assert found.damage == () or found.damage[0].where.startswith(str(path))


def _headed(name: str, end: int, cut: int) -> bool:
    begin = end - len(CONTENTS[name])
    return cut >= max(begin, end)


def _zeros(ends: dict[str, int]) -> int:
    return -(-max(ends.values()) // 512) * 512


def _ended(ends: dict[str, int], cut: int) -> bool:
    """Say whether two blocks of zeros, and whole blocks alone, follow the last file."""
    return cut >= _zeros(ends) + 1024 and cut % 512 == 0
