"""Codecs against the encoders of other people; damaged streams are never followed and never end in another error."""

from __future__ import annotations

import gzip
import zlib
from typing import TYPE_CHECKING, Any

import h5py
import numcodecs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.errors import CorruptDataError, UnknownFormatError
from lapsdata.storage.codecs import CODECS, Codec, decode

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

VALUES = np.round(np.random.default_rng(0).normal(size=600) * 64).astype("<f4") / 64
RAW = VALUES.tobytes()
BLOSC = {
    f"blosc {cname} {('none', 'bytes', 'bits')[shuffle]}": numcodecs.Blosc(cname, 5, shuffle, blocksize=512)
    for cname in ("blosclz", "lz4", "lz4hc", "zlib", "zstd")
    for shuffle in (0, 1, 2)
}
ENCODERS: dict[str, Callable[[bytes], bytes]] = {
    "deflate": zlib.compress,
    "zlib": numcodecs.Zlib(3).encode,
    "gzip": gzip.compress,
    "gzip of numcodecs": numcodecs.GZip(3).encode,
    "zstd": numcodecs.Zstd(3).encode,
    "zstd with checksum": numcodecs.Zstd(3, checksum=True).encode,
    "lz4": numcodecs.LZ4().encode,
    "shuffle": numcodecs.Shuffle(4).encode,
    "crc32c": numcodecs.CRC32C(location="end").encode,
    "fletcher32": numcodecs.Fletcher32().encode,
    **{name: blosc.encode for name, blosc in BLOSC.items()},
}
PACKED = {name: bytes(encode(RAW)) for name, encode in ENCODERS.items()}
SUMMED = {"crc32c", "fletcher32", "zstd with checksum", "deflate", "zlib", "gzip", "gzip of numcodecs"}


def undo(stored: bytes, *names: str, size: int = len(RAW), mask: int = 0, **settings: Any) -> bytes:
    codecs = [Codec(name.partition(" ")[0], settings) for name in names]
    return decode(stored, codecs, size=size, itemsize=4, mask=mask, where="x.h5: chunk 0")


class TestRoundTrips:
    @pytest.mark.parametrize("name", ENCODERS)
    def test_what_another_library_encodes_is_decoded(self, name: str) -> None:
        assert undo(PACKED[name], name) == RAW

    def test_codecs_are_undone_last_one_first(self) -> None:
        stored = bytes(numcodecs.CRC32C(location="end").encode(zlib.compress(numcodecs.Shuffle(4).encode(RAW))))
        assert undo(stored, "shuffle", "deflate", "crc32c") == RAW

    @pytest.mark.parametrize("mask", range(4))
    def test_a_codec_that_was_left_out_is_not_undone(self, mask: int) -> None:
        stored = RAW if mask & 1 else bytes(numcodecs.Shuffle(4).encode(RAW))
        stored = stored if mask & 2 else zlib.compress(stored)
        assert undo(stored, "shuffle", "deflate", mask=mask) == RAW

    def test_shuffle_takes_the_size_of_elements_from_its_settings_first(self) -> None:
        assert undo(bytes(numcodecs.Shuffle(8).encode(RAW)), "shuffle", elementsize=8) == RAW
        assert undo(bytes(numcodecs.Shuffle(4).encode(RAW)), "shuffle") == RAW

    def test_members_of_gzip_follow_one_another(self) -> None:
        stored = gzip.compress(RAW[:100]) + gzip.compress(b"") + gzip.compress(RAW[100:]) + bytes(3)
        assert undo(stored, "gzip") == RAW

    def test_compression_of_what_cannot_be_compressed_is_undone(self) -> None:
        noise = np.random.default_rng(1).bytes(3000)
        for outer in ("blosc", "zstd", "lz4", "zlib"):
            for inner in ("gzip", "zstd"):
                stored = bytes(ENCODERS.get(outer, numcodecs.Blosc().encode)(ENCODERS[inner](noise)))
                assert undo(stored, inner, outer, size=len(noise)) == noise


class TestDamage:
    @pytest.mark.parametrize("name", PACKED)
    def test_a_stream_that_breaks_off_is_told_at_any_length(self, name: str) -> None:
        whole = PACKED[name]
        for length in (*range(min(len(whole), 64)), *range(64, len(whole), 17), len(whole) - 1):
            with pytest.raises(CorruptDataError, match=r"x\.h5: chunk 0: expected "):
                undo(whole[:length], name)

    @pytest.mark.parametrize("name", PACKED)
    def test_a_flipped_bit_raises_nothing_else(self, name: str) -> None:
        random, told = np.random.default_rng(3), 0
        for number in range(300):
            damaged = bytearray(PACKED[name])
            at = int(random.integers(min(len(damaged), 32) if number % 2 else len(damaged)))
            damaged[at] ^= 1 << int(random.integers(8))
            try:
                found = undo(bytes(damaged), name)
            except CorruptDataError:
                told += 1
            else:
                assert len(found) == len(RAW)
                # Bits of a header that mean nothing (times, names of systems) change nothing.
                assert name not in SUMMED or found == RAW
        assert told > 0 or name == "shuffle"

    @pytest.mark.parametrize("name", [*PACKED, "lzf"])
    @given(noise=st.binary(max_size=400))
    def test_bytes_of_anything_raise_nothing_else(self, name: str, noise: bytes) -> None:
        try:
            found = undo(noise, name, size=64)
        except CorruptDataError:
            return
        assert len(found) == 64

    @pytest.mark.parametrize("name", [name for name in PACKED if name.startswith("blosc")])
    def test_blosc_is_not_read_past_its_end(self, name: str) -> None:
        for length in (0, 1, 15, 16, 17, len(PACKED[name]) - 1):
            with pytest.raises(CorruptDataError, match=r"speaks of another length; .*\[corrupt-chunk\]"):
                undo(PACKED[name][:length], name)
        with pytest.raises(CorruptDataError, match=r"speaks of another length"):
            undo(PACKED[name] + b"\0", name)

    @pytest.mark.parametrize("stated", [10**5, 2**31 - 1, 2**31, 2**32 - 1])
    @pytest.mark.parametrize(("name", "at"), [("blosc", 4), ("lz4", 0)])
    def test_no_memory_is_taken_for_a_length_that_makes_no_sense(self, name: str, at: int, stated: int) -> None:
        damaged = bytearray(PACKED[name] if name in PACKED else PACKED["blosc lz4 bytes"])
        damaged[at : at + 4] = stated.to_bytes(4, "little")
        with pytest.raises(CorruptDataError, match=rf"got {stated} as their stated length"):
            undo(bytes(damaged), name)

    @pytest.mark.parametrize(
        "header",
        [
            (0xA0, (2**31).to_bytes(4, "little")),
            (0xE0, (2**62).to_bytes(8, "little")),
            (0xC3, b"\0dict" + (2**63).to_bytes(8, "little")),
            (0x60, (65000).to_bytes(2, "little")),
        ],
    )
    def test_no_memory_is_taken_for_a_frame_that_makes_no_sense(self, header: tuple[int, bytes]) -> None:
        frame = b"\x28\xb5\x2f\xfd" + bytes([header[0]]) + header[1] + bytes(9)
        with pytest.raises(CorruptDataError, match=r"expected zstd bytes that hold 2400 bytes, got \d+ as their"):
            undo(frame, "zstd")

    @pytest.mark.parametrize("name", ["deflate", "gzip"])
    def test_a_stream_that_holds_far_more_is_not_followed(self, name: str) -> None:
        bomb = ENCODERS[name](bytes(10**7))
        with pytest.raises(CorruptDataError, match=r"expected a deflate stream of 2400 bytes, got one that .* more"):
            undo(bomb, name)

    @pytest.mark.parametrize("name", [name for name in PACKED if name != "shuffle"])
    def test_more_or_fewer_bytes_than_a_chunk_has_are_told(self, name: str) -> None:
        for content in (RAW[:-4], RAW + RAW[:4]):
            with pytest.raises(
                CorruptDataError, match=rf"expected {len(RAW)} bytes after decoding, got {len(content)}"
            ):
                undo(bytes(ENCODERS[name](content)), name)

    def test_both_checksums_are_named(self) -> None:
        with pytest.raises(CorruptDataError, match=r"expected CRC-32C [0-9a-f]{8}, got [0-9a-f]{8}.*payload-checksum"):
            undo(PACKED["crc32c"][:-1] + b"\0", "crc32c")

    def test_a_checksum_alone_is_too_short(self) -> None:
        for length in range(4):
            with pytest.raises(CorruptDataError, match=r"\[payload-checksum\]"):
                undo(bytes(length), "crc32c", size=0)

    def test_an_unknown_codec_is_named_with_those_that_are_known(self) -> None:
        with pytest.raises(UnknownFormatError, match=r"expected one of blosc, .*zstd, got the codec 'rot13'"):
            undo(b"", "rot13")

    def test_elements_of_no_size_are_damage(self) -> None:
        with pytest.raises(CorruptDataError, match=r"expected shuffle bytes, got bytes that cannot be decoded"):
            undo(RAW, "shuffle", elementsize=0)


def test_every_codec_is_tested() -> None:
    assert {name.partition(" ")[0] for name in ENCODERS} | {"lzf"} == set(CODECS)


@pytest.mark.parametrize(
    "options",
    [
        {"compression": "gzip"},
        {"compression": "lzf"},
        {"shuffle": True, "compression": "lzf", "fletcher32": True},
        {"fletcher32": True},
        {"shuffle": True},
    ],
    ids=str,
)
def test_chunks_of_hdf5_are_decoded(tmp_path: Path, options: dict[str, Any]) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        data = file.create_dataset("x", data=VALUES, chunks=VALUES.shape, **options)
        mask, stored = data.id.read_direct_chunk((0,))
        plist = data.id.get_create_plist()
        numbers = [plist.get_filter(i)[0] for i in range(plist.get_nfilters())]
    names = {1: "deflate", 2: "shuffle", 3: "fletcher32", 32000: "lzf"}
    assert undo(stored, *(names[number] for number in numbers), mask=mask) == RAW
