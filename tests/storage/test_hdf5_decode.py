"""Chunk decoding: libhdf5 writes, our filters undo, and every damage is named."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.errors import CorruptDataError, UnknownFormatError
from lapsdata.storage.codecs import decode, hdf5_codecs
from lapsdata.storage.hdf5_decode import Filter, fletcher32

if TYPE_CHECKING:
    from pathlib import Path

DEFLATED = Filter(1, "deflate")
SHUFFLED = Filter(2, "shuffle")
CHECKED = Filter(3, "fletcher32")


def decode_chunk(stored: bytes, filters: list[Filter], mask: int, *, size: int, element: int, where: str) -> bytes:
    return decode(stored, hdf5_codecs(filters), size=size, itemsize=element, mask=mask, where=where)


def _stored_chunk(path: Path, octets: np.ndarray) -> bytes:
    """Let libhdf5 write one chunk with a fletcher32 checksum and return its bytes as they lie in the file."""
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=octets, chunks=octets.shape, fletcher32=True)
        return bytes(file["x"].id.read_direct_chunk((0,))[1])


def reference_fletcher32(data: bytes) -> int:
    """The checksum word by word with one's complement addition, as RFC 1146 defines it for 16-bit words."""
    padded = data + b"\0" * (len(data) % 2)
    first = second = 0
    for index in range(0, len(padded), 2):
        first += int.from_bytes(padded[index : index + 2], "big")
        first = (first & 0xFFFF) + (first >> 16)
        second += first
        second = (second & 0xFFFF) + (second >> 16)
    return second << 16 | first


@given(st.binary(max_size=600) | st.integers(1, 400).map(lambda n: b"\xff" * n))
def test_fletcher32_equals_the_sum_word_by_word(data: bytes) -> None:
    assert fletcher32(data) == reference_fletcher32(data)


@pytest.mark.parametrize("size", [1, 2, 3, 719, 720, 721, 65535, 300_001])
@pytest.mark.parametrize("fill", ["random", "zeros", "ones"])
def test_fletcher32_equals_what_libhdf5_writes(tmp_path: Path, size: int, fill: str) -> None:
    octets = {
        "random": np.random.default_rng(size).integers(0, 256, size, dtype=np.uint8),
        "zeros": np.zeros(size, np.uint8),
        "ones": np.full(size, 255, np.uint8),
    }[fill]
    stored = _stored_chunk(tmp_path / "x.h5", octets)
    assert fletcher32(stored[:-4]) == int.from_bytes(stored[-4:], "little")
    assert stored[:-4] == octets.tobytes()


def test_the_checksum_order_of_releases_before_1_6_3_is_accepted_as_libhdf5_does(tmp_path: Path) -> None:
    octets = np.arange(64, dtype=np.uint8)
    stored = _stored_chunk(tmp_path / "x.h5", octets)
    c = stored[-4:]
    old = stored[:-4] + bytes([c[1], c[0], c[3], c[2]])
    with h5py.File(tmp_path / "old.h5", "w") as file:
        file.create_dataset("x", (64,), "u1", chunks=(64,), fletcher32=True)
        file["x"].id.write_direct_chunk((0,), old)
        np.testing.assert_array_equal(file["x"][...], octets)
    assert decode_chunk(old, [CHECKED], 0, size=64, element=1, where="x") == octets.tobytes()


def test_each_single_bit_flip_under_a_checksum_is_caught(tmp_path: Path) -> None:
    octets = np.random.default_rng(7).integers(0, 256, 60, dtype=np.uint8)
    stored = _stored_chunk(tmp_path / "x.h5", octets)
    caught = 0
    for bit in range(8 * len(stored)):
        flipped = bytearray(stored)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(CorruptDataError, match="fletcher32 checksum"):
            decode_chunk(bytes(flipped), [CHECKED], 0, size=60, element=1, where="x")
        caught += 1
    assert caught == 8 * 64


@given(st.integers(1, 16), st.integers(0, 40), st.integers(0, 15))
def test_unshuffle_inverts_the_definition_and_keeps_the_tail(element: int, count: int, tail: int) -> None:
    whole = np.random.default_rng(count).integers(0, 256, element * count, dtype=np.uint8).tobytes()
    rest = bytes(range(tail % element))
    shuffled = b"".join(whole[k::element] for k in range(element)) + rest
    size = len(whole) + len(rest)
    assert decode_chunk(shuffled, [SHUFFLED], 0, size=size, element=element, where="x") == whole + rest


def test_filters_undo_in_reverse_and_a_masked_one_is_left_out() -> None:
    plain = bytes(range(32))
    shuffled = b"".join(plain[k::4] for k in range(4))
    pipeline = [SHUFFLED, DEFLATED]
    assert decode_chunk(zlib.compress(shuffled), pipeline, 0, size=32, element=4, where="x") == plain
    assert decode_chunk(shuffled, pipeline, 0b10, size=32, element=4, where="x") == plain
    assert decode_chunk(plain, pipeline, 0b11, size=32, element=4, where="x") == plain


@pytest.mark.parametrize(
    ("stored", "pipeline", "message"),
    [
        (b"no zlib stream", [DEFLATED], "x: expected a deflate stream of 32 bytes, got .* take it from a copy"),
        (zlib.compress(bytes(32))[:-2], [DEFLATED], "got one that breaks off"),
        (bytes(31), [], "expected 32 bytes after decoding, got 31"),
        (b"abc", [CHECKED], "fletcher32 checksum"),
        (zlib.compress(bytes(33)), [DEFLATED], "expected 32 bytes after decoding, got 33"),
    ],
)
def test_damage_is_named(stored: bytes, pipeline: list[Filter], message: str) -> None:
    with pytest.raises(CorruptDataError, match=message):
        decode_chunk(stored, pipeline, 0, size=32, element=4, where="x")


def test_a_filter_that_is_not_ours_is_named() -> None:
    with pytest.raises(UnknownFormatError, match=r"x: expected one of .*deflate.*got the codec 'filter 307 \(bzip2\)'"):
        decode_chunk(b"", [Filter(307, "bzip2")], 0, size=0, element=1, where="x")
