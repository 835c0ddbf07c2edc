"""LZF against the encoder that h5py brings, and against a plain decoder written from the description of LibLZF."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.errors import CorruptDataError
from lapsdata.storage._lzf_loop import expand
from lapsdata.storage.codecs import Codec, decode

if TYPE_CHECKING:
    from numpy.typing import NDArray


def packed(values: NDArray[np.uint8]) -> bytes | None:
    """Let h5py encode; None where it found the bytes too random, and stored them as they were."""
    with h5py.File("memory", "w", driver="core", backing_store=False) as file:
        data = file.create_dataset("x", data=values, chunks=values.shape, compression="lzf")
        mask, stored = data.id.read_direct_chunk((0,))
    return None if mask else bytes(stored)


def plain(stored: bytes, size: int) -> bytes | None:
    """Decode as LibLZF's `lzf_d.c` describes it; None where the stream breaks."""
    out, rest = bytearray(), iter(stored)
    try:
        for control in rest:
            if control < 32:
                out += bytes([next(rest) for _ in range(control + 1)])
            else:
                length = control >> 5
                if length == 7:
                    length += next(rest)
                distance = ((control & 31) << 8) + next(rest) + 1
                if distance > len(out):
                    return None
                for _ in range(length + 2):
                    out.append(out[-distance])
            if len(out) > size:
                return None
    except (StopIteration, RuntimeError):
        return None
    return bytes(out)


def expanded(stored: bytes, size: int) -> tuple[int, bytes]:
    # Beyond the end lies what may not be touched.
    room = np.full(size + 64, 0xA5, np.uint8)
    done = int(expand(np.frombuffer(stored, np.uint8), room[:size]))
    assert (room[size:] == 0xA5).all()
    return done, room[: max(done, 0)].tobytes()


# Runs and repeats, as compressors find them.
repetitive = st.lists(st.tuples(st.binary(min_size=1, max_size=12), st.integers(1, 60)), min_size=1, max_size=30).map(
    lambda runs: b"".join(part * times for part, times in runs)
)


@given(content=repetitive)
def test_what_h5py_encodes_is_decoded(content: bytes) -> None:
    stored = packed(np.frombuffer(content, np.uint8))
    if stored is not None:
        assert expanded(stored, len(content)) == (len(content), content)


@pytest.mark.parametrize("seed", range(4))
def test_long_matches_and_far_ones_are_decoded(seed: int) -> None:
    random = np.random.default_rng(seed)
    block = random.bytes(6000)
    content = block + bytes(3000) + block[:5000] + b"ab" * 900 + block[-300:]
    stored = packed(np.frombuffer(content, np.uint8))
    assert stored is not None
    assert any(control >= 0xE0 for control in stored)
    assert expanded(stored, len(content)) == (len(content), content)


@given(noise=st.binary(max_size=300), size=st.integers(0, 600))
def test_any_bytes_are_decoded_or_refused_as_the_plain_decoder_does(noise: bytes, size: int) -> None:
    wanted = plain(noise, size)
    done, found = expanded(noise, size)
    assert (done, found) == ((-1, b"") if wanted is None else (len(wanted), wanted))


@given(content=repetitive, data=st.data())
def test_damaged_streams_never_leave_their_bounds(content: bytes, data: st.DataObject) -> None:
    stored = packed(np.frombuffer(content, np.uint8))
    if stored is None:
        return
    damaged = bytearray(stored)
    at = data.draw(st.integers(0, len(stored) - 1))
    damaged[at] ^= 1 << data.draw(st.integers(0, 7))
    damaged = damaged[: data.draw(st.integers(0, len(stored)))]
    done, found = expanded(bytes(damaged), len(content))
    assert (found if done >= 0 else None) == plain(bytes(damaged), len(content))


@pytest.mark.parametrize(
    ("stored", "found"),
    [
        (b"", "0 bytes"),
        (b"\x00", "one that breaks"),
        (b"\x05abc", "one that breaks"),
        (b"\x20\x00", "one that breaks"),
        (b"\x03abcd\x20", "one that breaks"),
        (b"\x03abcd\xe0\x09", "one that breaks"),
        (b"\x03abcd", "4 bytes"),
        (b"\x09abcdefghij", "one that breaks"),
    ],
    ids=["empty", "no-literal", "few-literals", "nothing-to-copy", "no-distance", "long", "short", "too-much"],
)
def test_a_stream_that_breaks_says_so(stored: bytes, found: str) -> None:
    with pytest.raises(CorruptDataError, match=rf"x: expected an LZF stream of 9 bytes, got {found}; "):
        decode(stored, [Codec("lzf")], size=9, itemsize=1, mask=0, where="x")


def test_a_chunk_that_h5py_could_not_make_smaller_is_stored_as_it_is() -> None:
    noise: Any = np.frombuffer(np.random.default_rng(0).bytes(500), np.uint8)
    assert packed(noise) is None
