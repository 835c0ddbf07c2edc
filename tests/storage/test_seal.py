"""Checksums against published vectors and a bitwise definition; seals against every single change."""

from __future__ import annotations

import copy
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.errors import CorruptDataError, LengthMismatchError, SchemaError
from lapsdata.storage.seal import (
    StoredArray,
    WindowArray,
    WindowSums,
    check_rows,
    check_verify,
    crc32c,
    digest,
    make_seal,
    open_seal,
    row_checksums,
    split_arrays,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
MANIFESTS = st.dictionaries(st.text(min_size=1, max_size=4), JSON, max_size=4)

# RFC 3720 (iSCSI), B.4.
VECTORS = {
    bytes(32): 0x8A9136AA,
    b"\xff" * 32: 0x62A8AB43,
    bytes(range(32)): 0x46DD794E,
    bytes(range(31, -1, -1)): 0x113FDB5C,
}


def crc32c_by_definition(data: bytes) -> int:
    """Divide by the Castagnoli polynomial, bit by bit."""
    register = 0xFFFFFFFF
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ (0x82F63B78 if register & 1 else 0)
    return register ^ 0xFFFFFFFF


@pytest.mark.parametrize("data", VECTORS, ids=["zeros", "ones", "up", "down"])
def test_published_vectors(data: bytes) -> None:
    assert crc32c(data) == VECTORS[data]


@given(st.binary(max_size=40))
def test_the_definition(data: bytes) -> None:
    assert crc32c(data) == crc32c_by_definition(data)
    assert crc32c(np.frombuffer(data, np.uint8)) == crc32c_by_definition(data)


def test_arrays_are_summed_in_c_order_and_little_endian() -> None:
    array = np.arange(12, dtype=np.float32).reshape(3, 4)
    expected = [crc32c_by_definition(array[i].tobytes()) for i in range(3)]
    assert row_checksums(array).tolist() == expected
    assert row_checksums(np.asfortranarray(array)).tolist() == expected
    assert row_checksums(array.astype(">f4")).tolist() == expected
    assert row_checksums(np.repeat(array, 2, axis=0)[::2]).tolist() == expected
    assert digest(array.astype(">f4")) == digest(array) == f"{crc32c_by_definition(array.tobytes()):08x}"


def test_the_compiled_loop_finds_the_same_sums(monkeypatch: pytest.MonkeyPatch) -> None:
    import lapsdata.storage._copy_loop  # noqa: F401 - from here on it is used

    random = np.random.default_rng(0)
    arrays = [random.random((5, 3, 7), np.float32), random.integers(0, 9, (4, 1), np.int16), np.zeros((3, 0)),
              np.zeros((0, 4)), random.random((6, 8))[::2, ::3], np.arange(3.0), np.arange(4, dtype=">i4")]  # fmt: skip
    compiled = [row_checksums(array).tolist() for array in arrays]
    monkeypatch.delitem(sys.modules, "lapsdata.storage._copy_loop")
    assert [row_checksums(array).tolist() for array in arrays] == compiled
    assert [len(sums) for sums in compiled] == [5, 4, 3, 0, 3, 3, 4]


def test_small_and_large_arrays_are_parted() -> None:
    arrays = {"a/tracks": StoredArray(np.zeros((2, 3), np.float32)), "frame_s": StoredArray(np.zeros(4), small=True)}
    big, small = split_arrays(arrays)
    assert big == {"a/tracks": WindowArray((2, 3), np.dtype(np.float32))}
    assert small == {"frame_s": arrays["frame_s"]}


@given(st.lists(st.integers(0, 3), max_size=5))
def test_checksums_do_not_know_batches(sizes: list[int]) -> None:
    windows = np.arange(sum(sizes) * 2, dtype=np.float32).reshape(-1, 2)
    sums = WindowSums({"tracks": WindowArray(windows.shape, windows.dtype)})
    ends = np.cumsum(sizes)
    for size, end in zip(sizes, ends, strict=True):
        assert sums.add("tracks", windows[end - size : end]) == slice(end - size, end)
    made = sums.finish()
    assert set(made) == {"tracks_crc32c"}
    assert made["tracks_crc32c"].small
    assert made["tracks_crc32c"].values.dtype == np.uint32
    assert made["tracks_crc32c"].values.tolist() == row_checksums(windows).tolist()


def test_windows_are_counted() -> None:
    plan = {name: WindowArray((2, 1), np.dtype(np.float32)) for name in ("tracks", "vis")}
    sums = WindowSums(plan)
    with pytest.raises(LengthMismatchError, match=r"vis: expected 2 windows in all, got 3 \[length-mismatch\]"):
        sums.add("vis", np.zeros((3, 1), np.float32))
    sums.add("vis", np.zeros((1, 1), np.float32))
    with pytest.raises(LengthMismatchError, match=r"2 problems:\n  tracks: .* got 0 .*\n  vis: .* got 1 "):
        sums.finish()


@given(st.integers(0, 3), st.integers(0, 23), st.integers(0, 7))
def test_one_flipped_bit_is_found_in_its_window(window: int, byte: int, bit: int) -> None:
    good = np.arange(24, dtype=np.float32).reshape(4, 2, 3)
    bad = good.copy()
    bad.view(np.uint8).reshape(4, 24)[window, byte] ^= np.uint8(1 << bit)
    message = rf"clip.h5: tracks: window {window}: expected CRC-32C .*\(1 of 4 windows\); .*\[payload-checksum\]"
    with pytest.raises(CorruptDataError, match=message):
        check_rows(bad, row_checksums(good), "clip.h5: tracks")
    check_rows(good, row_checksums(good), "clip.h5: tracks")


@given(MANIFESTS)
def test_a_seal_opens_for_its_manifest(manifest: dict[str, Any]) -> None:
    turned = dict(reversed(manifest.items()))
    assert make_seal(turned) == make_seal(manifest)
    open_seal(make_seal(manifest), manifest, "file")
    open_seal(make_seal(manifest), turned, "file")


@given(MANIFESTS, MANIFESTS)
def test_a_seal_opens_for_no_other_manifest(sealed: dict[str, Any], found: dict[str, Any]) -> None:
    # Python takes True for 1; JSON, and so the file, does not.
    if make_seal(sealed) == make_seal(found):
        return
    with pytest.raises(CorruptDataError, match=r"\[seal-mismatch\]"):
        open_seal(make_seal(sealed), found, "file")


def test_every_flipped_bit_of_a_seal_is_found() -> None:
    manifest = {"arrays": {"tracks": {"shape": [3, 4], "type": "<f4"}}, "header": "0011aabb"}
    seal = make_seal(manifest)
    for at in range(len(seal)):
        for bit in range(8):
            flipped = bytearray(seal)
            flipped[at] ^= 1 << bit
            with pytest.raises(CorruptDataError, match=r"file: .*\[seal-damaged\]"):
                open_seal(bytes(flipped), manifest, "file")


@pytest.mark.parametrize("seal", [b"", b"{}", b"[]", b"null", b'{"crc32c":"00000000"}', b"[" * 100_000, b"\xff"])
def test_what_is_no_seal_at_all(seal: bytes) -> None:
    with pytest.raises(CorruptDataError, match=r"file: expected a seal that fits its own checksum, got damaged bytes"):
        open_seal(seal, {}, "file")


def test_every_difference_is_named_with_both_values() -> None:
    sealed = {"arrays": {"a": {"shape": [1], "type": "<f4"}, "b": {"shape": [2]}}, "header": "00"}
    found: dict[str, Any] = copy.deepcopy(sealed)
    found["arrays"]["a"]["shape"] = [9]
    del found["arrays"]["b"]
    found["more"] = None
    with pytest.raises(CorruptDataError, match=r"^3 problems:") as caught:
        open_seal(make_seal(sealed), found, "clip.h5")
    assert [(problem.where, problem.message) for problem in caught.value.problems] == [
        ("clip.h5: arrays.a.shape", "expected [1] as sealed, got [9]"),
        ("clip.h5: arrays.b.shape", "expected [2] as sealed, got nothing"),
        ("clip.h5: more", "expected nothing as sealed, got None"),
    ]


@pytest.mark.parametrize("word", ["first", "always", "never"])
def test_verify_takes_three_words(word: str) -> None:
    check_verify(word)
    with pytest.raises(SchemaError, match=f"got '{word}s'"):
        check_verify(word + "s")
