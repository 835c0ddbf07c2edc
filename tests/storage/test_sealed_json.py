"""Records that are a whole file: what was written is read, and nothing else is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from lapsdata.errors import CorruptDataError, SchemaError, StorageError
from lapsdata.schema.base import Size
from lapsdata.storage.sealed_json import read_sealed_json, sealed_json, write_sealed_json

if TYPE_CHECKING:
    from pathlib import Path

SIZE = Size(width=1280, height=720)


def castagnoli(data: bytes) -> int:
    """CRC-32C bit by bit (RFC 3720, appendix B.4), apart from any library."""
    rest = 0xFFFFFFFF
    for byte in data:
        rest ^= byte
        for _ in range(8):
            rest = (rest >> 1) ^ (0x82F63B78 if rest & 1 else 0)
    return rest ^ 0xFFFFFFFF


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "size.json"
    write_sealed_json(path, SIZE)
    return path


def test_any_tool_reads_it_and_can_prove_it(file: Path) -> None:
    told = json.loads(file.read_text())
    seal = told.pop("x-seal")
    assert told == {"width": 1280, "height": 720}
    plain = json.dumps(told, sort_keys=True, separators=(",", ":")).encode()
    assert seal == f"crc32c:{castagnoli(plain):08x}"


def test_what_was_written_is_read(file: Path) -> None:
    assert read_sealed_json(file, Size) == SIZE
    assert read_sealed_json(file, Size).as_json() == {"width": 1280, "height": 720}


def test_every_flipped_bit_is_told(file: Path) -> None:
    good = file.read_bytes()
    for place in range(8 * len(good)):
        data = bytearray(good)
        data[place // 8] ^= 1 << place % 8
        file.write_bytes(data)
        try:
            found = read_sealed_json(file, Size)
        except (CorruptDataError, SchemaError):
            continue
        # Space around the object and letters of an escape say the same.
        assert found == SIZE


def test_another_spelling_says_the_same(file: Path) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()), indent=4))
    assert read_sealed_json(file, Size) == SIZE


def test_a_changed_value_is_told(file: Path) -> None:
    file.write_text(file.read_text().replace("720", "721"))
    with pytest.raises(CorruptDataError, match=r"size.json: expected crc32c:\w{8} over its content, got crc32c:"):
        read_sealed_json(file, Size)


def test_no_seal_is_told(file: Path) -> None:
    file.write_bytes(SIZE.to_bytes())
    with pytest.raises(CorruptDataError, match=r"expected x-seal, got none: it was not written to its end"):
        read_sealed_json(file, Size)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b'{"width": 3}', b'{"width":3,"width":4}'])
def test_what_is_no_such_record_is_told(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    with pytest.raises(SchemaError, match=r"size.json"):
        read_sealed_json(file, Size)


def test_a_sealed_record_of_another_kind_is_told(file: Path) -> None:
    from lapsdata.schema.base import Parent

    write_sealed_json(file, Parent(role="a", name="b", digest="sha256:" + 64 * "0"), overwrite=True)
    with pytest.raises(SchemaError, match=r"size.json"):
        read_sealed_json(file, Size)


def test_nothing_and_folders_are_told(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"cannot open: no such file or folder"):
        read_sealed_json(tmp_path / "nothing.json", Size)
    with pytest.raises(StorageError, match=r"expected a file, got a folder"):
        read_sealed_json(tmp_path, Size)


def test_equal_records_are_equal_bytes() -> None:
    assert sealed_json(SIZE) == sealed_json(Size(height=720, width=1280))


def test_what_is_there_is_replaced_only_when_told(file: Path) -> None:
    with pytest.raises(StorageError, match=r"size.json"):
        write_sealed_json(file, SIZE)
    write_sealed_json(file, Size(width=1, height=1), overwrite=True)
    assert read_sealed_json(file, Size).width == 1
