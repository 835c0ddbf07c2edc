"""Edit lists are read as ISO/IEC 14496-12 writes them; files with frames lost at an edit stand in test_reader.py."""

from __future__ import annotations

import io
import struct

import pytest

from lapsdata.video._edits import _read_edit

CLOCK = 600


def box(kind: bytes, *contents: bytes, wide: bool = False) -> bytes:
    inner = b"".join(contents)
    if wide:
        return struct.pack(">I4sQ", 1, kind, 16 + len(inner)) + inner
    return struct.pack(">I4s", 8 + len(inner), kind) + inner


def header(kind: bytes, number: int, version: int) -> bytes:
    """`mvhd` with its clock, or `tkhd` with its track: both stand behind two times of creation."""
    return box(kind, struct.pack(">B3x" + ("QQ" if version else "II") + "I", version, 0, 0, number), bytes(60))


def elst(*entries: tuple[int, int], version: int) -> bytes:
    form = ">QqI" if version else ">IiI"
    packed = b"".join(struct.pack(form, length, start, 1 << 16) for length, start in entries)
    return box(b"edts", box(b"elst", struct.pack(">B3xI", version, len(entries)), packed))


def film(*entries: tuple[int, int], version: int = 0, wide: bool = False) -> io.BytesIO:
    sound = box(b"trak", header(b"tkhd", 1, version), elst((7, 7), version=version))
    video = box(b"trak", header(b"tkhd", 2, version), elst(*entries, version=version) if entries else b"")
    moov = box(b"moov", header(b"mvhd", CLOCK, version), sound, video, wide=wide)
    return io.BytesIO(box(b"ftyp", b"isom") + box(b"mdat", bytes(100), wide=wide) + moov)


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("version", [0, 1])
class TestReadEdit:
    def test_one_edit(self, version: int, wide: bool) -> None:
        assert _read_edit(film((1200, 512), version=version, wide=wide), 2) == (0.0, 2.0, 1 / CLOCK)

    def test_one_edit_after_a_wait(self, version: int, wide: bool) -> None:
        assert _read_edit(film((300, -1), (1200, 0), version=version, wide=wide), 2) == (0.5, 2.5, 1 / CLOCK)

    def test_an_edit_without_a_length_never_ends(self, version: int, wide: bool) -> None:
        edit = _read_edit(film((0, 0), version=version, wide=wide), 2)
        assert edit is not None
        assert edit.end_s == float("inf")

    def test_several_edits_are_none(self, version: int, wide: bool) -> None:
        assert _read_edit(film((600, 0), (600, 2400), version=version, wide=wide), 2) is None

    def test_no_edits_are_none(self, version: int, wide: bool) -> None:
        assert _read_edit(film(version=version, wide=wide), 2) is None

    def test_a_track_that_is_not_there_has_none(self, version: int, wide: bool) -> None:
        assert _read_edit(film((1200, 0), version=version, wide=wide), 3) is None


def test_an_index_that_lasts_to_the_end_of_the_file() -> None:
    whole = film((1200, 0)).getvalue()
    at = whole.index(b"moov") - 4
    assert _read_edit(io.BytesIO(whole[:at] + bytes(4) + whole[at + 4 :]), 2) == (0.0, 2.0, 1 / CLOCK)


@pytest.mark.parametrize("end", ["nothing", "a compressed index"])
def test_an_index_that_is_not_understood_has_none(end: str) -> None:
    compressed = box(b"moov", box(b"cmov", bytes(20))) if end != "nothing" else b""
    assert _read_edit(io.BytesIO(box(b"ftyp", b"qt  ") + compressed), 2) is None
