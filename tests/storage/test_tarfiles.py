"""Archives of ours open with `tarfile`, those of others with us; what is damaged is named and never left out."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING, BinaryIO

import pytest
import webdataset
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.errors import CorruptDataError, LapsError, SchemaError, StorageError
from lapsdata.storage.tar_headers import BLOCK, parse_pax, tar_header
from lapsdata.storage.tarfiles import TarWriter, stream_members, tar_members

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FILES = {"0.tracks.npy": b"x" * 700, "0.json": b"{}", "1.tracks.npy": b"", "1.json": b"y" * 512}
LONG = "ordner-" * 20 + "ß.npy"


def ours(files: Mapping[str, bytes]) -> bytes:
    file = io.BytesIO()
    writer = TarWriter(file.write)
    for name, content in files.items():
        offset = writer.add(name, content[:3], memoryview(content)[3:])
        assert file.getvalue()[offset : offset + len(content)] == content
    assert writer.finish() == len(file.getvalue())
    return file.getvalue()


def theirs(files: Mapping[str, bytes], form: int) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=form) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime, info.uname = len(content), 1_700_000_000, "somebody"
            archive.addfile(info, io.BytesIO(content))
    return file.getvalue()


class Dripping(io.RawIOBase):
    """A file that can only be read forward, and gives a few bytes at a time, as a socket does."""

    def __init__(self, content: bytes) -> None:
        self._rest = content

    def read(self, size: int = -1) -> bytes:
        count = min(size, 300)
        found, self._rest = self._rest[:count], self._rest[count:]
        return found


def streamed(content: bytes) -> dict[str, bytes]:
    file: BinaryIO = Dripping(content)  # type: ignore[assignment]
    return {member.name: found for member, found in stream_members(file, "a.tar")}


def mapped(path: Path, content: bytes) -> dict[str, bytes]:
    path.write_bytes(content)
    return {member.name: content[member.offset : member.end] for member in tar_members(path)}


def read_both(path: Path, content: bytes) -> dict[str, bytes]:
    found = mapped(path, content)
    assert streamed(content) == found
    return found


def test_tarfile_reads_what_we_write() -> None:
    files = {**FILES, LONG: b"long", "k" * 100: b"hundred", "k" * 101: b"more"}
    for mode in ("r:", "r|"):
        with tarfile.open(fileobj=io.BytesIO(ours(files)), mode=mode) as archive:
            found = {}
            for info in archive:
                file = archive.extractfile(info)
                assert file is not None
                found[info.name] = file.read()
                assert (info.mtime, info.uid, info.uname, info.isreg(), info.mode) == (0, 0, "", True, 0o644)
        assert found == files


def test_plain_names_make_no_extended_headers_and_contents_begin_at_whole_blocks(tmp_path: Path) -> None:
    content = ours(FILES)
    assert len(content) == 4 * BLOCK + 2 * BLOCK + BLOCK + BLOCK + 2 * BLOCK
    (tmp_path / "a.tar").write_bytes(content)
    assert [member.offset % BLOCK for member in tar_members(tmp_path / "a.tar")] == [0] * 4


def test_equal_files_give_equal_bytes() -> None:
    assert ours(FILES) == ours(dict(FILES))


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_we_read_what_tarfile_writes(tmp_path: Path, form: int) -> None:
    files = {**FILES, "folder/" * 20 + "1.npy": b"z" * 600}
    if form != tarfile.USTAR_FORMAT:
        files |= {LONG: b"long", "左.json": b"[]"}
    assert read_both(tmp_path / "a.tar", theirs(files, form)) == files


def test_we_read_what_the_webdataset_writer_writes(tmp_path: Path) -> None:
    path = tmp_path / "w.tar"
    with webdataset.TarWriter(str(path)) as writer:
        writer.write({"__key__": "s0", "json": {"a": 1}, "txt": "text"})
        writer.write({"__key__": "s1", "json": {"a": 2}, "txt": "more"})
    found = read_both(path, path.read_bytes())
    assert found == {"s0.json": b'{"a": 1}', "s0.txt": b"text", "s1.json": b'{"a": 2}', "s1.txt": b"more"}


def test_pax_headers_for_all_and_sizes_in_them(tmp_path: Path) -> None:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT, pax_headers={"comment": "ß"}) as archive:
        info = tarfile.TarInfo("a.json")
        info.size, info.pax_headers = 2, {"path": "b.json", "size": "2"}
        archive.addfile(info, io.BytesIO(b"{}"))
        archive.addfile(tarfile.TarInfo("c.json"), io.BytesIO())
    assert read_both(tmp_path / "a.tar", file.getvalue()) == {"b.json": b"{}", "c.json": b""}


def test_sizes_beyond_octal_are_read_and_written(tmp_path: Path) -> None:
    size = 9 * 2**30
    for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        info = tarfile.TarInfo("a")
        info.size = size
        for header in (info.tobuf(form), tar_header("a", size)):
            path = tmp_path / "a.tar"
            path.write_bytes(header)
            with path.open("r+b") as file:  # a hole, not nine gigabytes
                file.truncate(len(header) + size + 1024)
            assert [(member.name, member.size) for member in tar_members(path)] == [("a", size)]
            with tarfile.open(path) as archive:
                assert archive.getmembers()[0].size == size


def test_folders_are_left_out_and_links_refused(tmp_path: Path) -> None:
    def with_member(name: str, kind: bytes) -> bytes:
        info = tarfile.TarInfo(name)
        info.type, info.linkname = kind, "0.json"
        return info.tobuf(tarfile.GNU_FORMAT) + ours(FILES)

    assert read_both(tmp_path / "a.tar", with_member("folder", tarfile.DIRTYPE)) == FILES
    assert read_both(tmp_path / "a.tar", with_member("folder/", tarfile.AREGTYPE)) == FILES
    for kind, told in {tarfile.SYMTYPE: "a symbolic link", tarfile.LNKTYPE: "a hard link", b"Z": "type b'Z'"}.items():
        with pytest.raises(SchemaError, match=rf"a\.tar: odd: expected files and folders, got .*{told}.*tar-special"):
            mapped(tmp_path / "a.tar", with_member("odd", kind))
    pax = tarfile.TarInfo("odd")
    pax.pax_headers = {"GNU.sparse.major": "1"}
    with pytest.raises(SchemaError, match="a sparse file"):
        streamed(pax.tobuf(tarfile.PAX_FORMAT) + ours(FILES))


def flipped(content: bytes, byte: int, bit: int) -> bytes:
    damaged = bytearray(content)
    damaged[byte] ^= 1 << bit
    return bytes(damaged)


def test_every_flipped_bit_of_every_header_is_an_error(tmp_path: Path) -> None:
    for content in (ours({"0.json": b"{}"}), theirs({"0.json": b"{}"}, tarfile.GNU_FORMAT)):
        for bit in range(8 * BLOCK):
            with pytest.raises(CorruptDataError, match=r"a\.tar: byte 0: expected a (tar )?header with"):
                streamed(flipped(content, bit // 8, bit % 8))
    content = ours(FILES)
    for member in tar_members_of(tmp_path, content):
        for byte in range(member - BLOCK, member, 7):
            with pytest.raises(CorruptDataError, match=rf"a\.tar: byte {member - BLOCK}: .*\[tar-damaged\]"):
                mapped(tmp_path / "a.tar", flipped(content, byte, byte % 8))


def tar_members_of(folder: Path, content: bytes) -> list[int]:
    (folder / "a.tar").write_bytes(content)
    return [member.offset for member in tar_members(folder / "a.tar")]


def test_every_flipped_bit_of_the_end_is_an_error() -> None:
    content = ours({"0.json": b"{}"})
    for byte in range(len(content) - 2 * BLOCK, len(content)):
        with pytest.raises(CorruptDataError, match=r"a\.tar: byte \d+: expected"):
            streamed(flipped(content, byte, byte % 8))


def test_a_cut_at_every_byte_is_an_error(tmp_path: Path) -> None:
    content = ours(FILES)
    for length in range(len(content)):
        with pytest.raises(CorruptDataError, match=r"a\.tar: .*expected bytes up to \d+, got an end at"):
            streamed(content[:length])
    for edge in range(0, len(content), BLOCK):
        for length in (edge - 1, edge, edge + 1):
            if length >= 0:
                with pytest.raises(CorruptDataError, match=r"a\.tar: .*got an end at \d+; .*\[tar-cut\]"):
                    mapped(tmp_path / "a.tar", content[:length])


def test_a_cut_member_is_named(tmp_path: Path) -> None:
    content = ours(FILES)
    with pytest.raises(CorruptDataError, match=r"a\.tar: 0\.tracks\.npy: expected bytes up to 1536, got an end at 600"):
        mapped(tmp_path / "a.tar", content[:600])


def test_a_hole_of_zeros_does_not_end_an_archive(tmp_path: Path) -> None:
    content = bytearray(ours(FILES))
    content[1536:3072] = bytes(1536)  # the second member, and the header of the third
    with pytest.raises(CorruptDataError, match=r"byte 3\d\d\d: expected nothing but zeros after the end"):
        mapped(tmp_path / "a.tar", bytes(content))
    with pytest.raises(CorruptDataError, match="nothing but zeros after the end"):
        streamed(ours({"0.json": b"{}"}) + ours({"1.json": b"{}"}))
    with pytest.raises(
        CorruptDataError, match=r"the end of the archive: expected bytes up to 1536, got an end at 1100"
    ):
        streamed(bytes(1100))


def test_other_files_are_no_archives(tmp_path: Path) -> None:
    for content, fix in ((b"\x1f\x8b" + bytes(600), "decompress it first"), (b"text " * 300, "take it from a copy")):
        with pytest.raises(CorruptDataError, match=rf"expected a tar header with its checksum, got other bytes; {fix}"):
            mapped(tmp_path / "a.tar", content)
    with pytest.raises(StorageError, match="no such file"):
        tar_members(tmp_path / "none.tar")


@pytest.mark.parametrize(
    "data", [b"12 path=a/b", b"8 path=a\n", b"x path=a\n", b"900 path=a\n", b"3 path=a\n", b"9 pathxa\n", b"0 a=\n"]
)
def test_damaged_pax_records_are_errors(data: bytes) -> None:
    with pytest.raises(CorruptDataError, match=r"a\.tar: byte \d+: expected a pax record"):
        parse_pax(data, "a.tar", 512)


@pytest.mark.parametrize(("old", "new"), [(b"size=2", b"size=-"), (b"\xc3\x9f", b"\xff\xff")])
def test_names_and_sizes_of_extended_headers_are_checked(old: bytes, new: bytes) -> None:
    info = tarfile.TarInfo("ß.json")
    info.size, info.pax_headers = 2, {"size": "2"}
    content = info.tobuf(tarfile.PAX_FORMAT) + b"{}" + bytes(510 + 1024)
    assert old in content
    with pytest.raises(CorruptDataError, match=r"expected a name in UTF-8 and a size, got"):
        streamed(content.replace(old, new))


def test_a_size_that_is_not_true_asks_for_no_memory() -> None:
    info = tarfile.TarInfo("a.json")
    info.size = 2**60
    with pytest.raises(CorruptDataError, match=r"a\.json: expected bytes up to"):
        streamed(info.tobuf(tarfile.GNU_FORMAT) + b"{}")
    long = tarfile.TarInfo("x")
    long.type, long.size = b"L", 2**60
    with pytest.raises(CorruptDataError, match="expected an extended header of up to"):
        streamed(long.tobuf(tarfile.GNU_FORMAT))


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=130).filter(
    lambda name: not name.endswith("/")
)


@given(st.dictionaries(NAMES, st.binary(max_size=1100), max_size=4))
def test_any_names_and_contents_come_back_in_every_form(files: dict[str, bytes]) -> None:
    assert streamed(ours(files)) == files
    for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        assert streamed(theirs(files, form)) == files
    with tarfile.open(fileobj=io.BytesIO(ours(files))) as archive:
        assert archive.getnames() == list(files)


@given(st.binary(max_size=2000))
def test_random_bytes_never_raise_anything_of_others(content: bytes) -> None:
    read = False
    try:
        read = bool(streamed(content) or True)
    except LapsError:
        read = True
    assert read
