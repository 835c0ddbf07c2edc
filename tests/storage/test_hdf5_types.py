"""Types are described by the file's own fields, for every family that h5py and libhdf5 can name."""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np
import pytest
from h5py import h5t
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.storage.hdf5_types import StoredType, memory_type, stored_type

NATIVE = "little" if np.dtype("=u2") == np.dtype("<u2") else "big"


def described(dtype: Any) -> StoredType:
    return stored_type(h5t.py_create(np.dtype(dtype), logical=True))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("code", ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"])
def test_numbers(order: str, code: str) -> None:
    dtype = np.dtype(order + code)
    found = described(dtype)
    assert found.type_class == ("float" if code[0] == "f" else "integer")
    assert found.size == dtype.itemsize
    assert found.native == dtype.newbyteorder("=")
    assert found.precision == 8 * dtype.itemsize
    assert found.disk == dtype
    if dtype.itemsize > 1:
        assert found.byte_order == {"<": "little", ">": "big"}[order]


@pytest.mark.parametrize(
    ("dtype", "type_class", "size"),
    [
        (np.dtype([("x", "f4"), ("y", "i4")]), "compound", 8),
        (np.dtype(("f4", (3,))), "array", 12),
        (np.dtype("V7"), "opaque", 7),
        (h5py.string_dtype(), "variable-string", 8),
        (h5py.string_dtype("ascii"), "variable-string", 8),
        (h5py.vlen_dtype("i4"), "variable-length", 16),
        (h5py.ref_dtype, "reference", 8),
    ],
)
def test_families_that_only_the_high_level_reads(dtype: Any, type_class: str, size: int) -> None:
    found = described(dtype)
    assert (found.type_class, found.size, found.native, found.disk) == (type_class, size, None, None)
    with pytest.raises(ValueError, match=f"a {type_class} has no fixed-size memory type"):
        memory_type(h5t.py_create(dtype, logical=True), found)


def test_time_has_no_reader() -> None:
    found = stored_type(h5t.UNIX_D32LE)
    assert (found.type_class, found.size, found.native) == ("time", 4, None)


def test_booleans_are_told_from_other_enums() -> None:
    assert described("?").type_class == "boolean"
    assert described("?").native == np.dtype("?")
    colours = described(h5py.enum_dtype({"RED": 0, "BLUE": 1}, "u1"))
    assert (colours.type_class, colours.native) == ("enum", np.dtype("u1"))
    wide = described(h5py.enum_dtype({"FALSE": 0, "TRUE": 1}, ">i4"))
    assert (wide.type_class, wide.native, wide.disk) == ("enum", np.dtype("i4"), np.dtype(">i4"))


@pytest.mark.parametrize("name", ["STD_B8LE", "STD_B16BE", "STD_B32LE", "STD_B64BE"])
def test_bit_fields_are_unsigned_and_left_to_libhdf5(name: str) -> None:
    found = stored_type(getattr(h5t, name))
    width = int(name[5:-2]) // 8
    assert (found.type_class, found.native, found.disk) == ("bitfield", np.dtype(f"=u{width}"), None)


@pytest.mark.parametrize(
    ("code", "padding"),
    [
        (h5t.STR_NULLTERM, "null-terminated"),
        (h5t.STR_NULLPAD, "null-padded"),
        (h5t.STR_SPACEPAD, "space-padded"),
    ],
)
def test_fixed_strings(code: int, padding: str) -> None:
    text = h5t.C_S1.copy()
    text.set_size(11)
    text.set_strpad(code)
    found = stored_type(text)
    assert (found.type_class, found.size, found.native, found.padding) == ("fixed-string", 11, np.dtype("S11"), padding)


def test_byte_orders_without_a_dtype() -> None:
    vax = h5t.IEEE_F32LE.copy()
    vax.set_order(h5t.ORDER_VAX)
    found = stored_type(vax)
    assert (found.byte_order, found.native, found.disk) == ("other", np.dtype("f4"), None)


@given(st.integers(1, 20), st.booleans())
def test_integers_of_any_size_get_the_next_width_or_none(size: int, signed: bool) -> None:
    type_id = (h5t.STD_I8LE if signed else h5t.STD_U8LE).copy()
    type_id.set_size(size)
    type_id.set_precision(8 * size)
    found = stored_type(type_id)
    width = next((w for w in (1, 2, 4, 8) if w >= size), None)
    assert found.native == (np.dtype(f"{'i' if signed else 'u'}{width}") if width else None)
    assert (found.disk is not None) == (size in (1, 2, 4, 8))


@given(st.integers(2, 11), st.integers(1, 52), st.integers(1, 1100))
def test_a_float_gets_a_width_only_if_that_holds_its_extremes(exponent: int, mantissa: int, bias: int) -> None:
    """The largest finite and the smallest subnormal number, as Python fractions of powers of two."""
    type_id = h5t.IEEE_F64LE.copy()
    type_id.set_fields(exponent + mantissa, mantissa, exponent, 0, mantissa)
    type_id.set_ebias(bias)
    found = stored_type(type_id)
    top = 2**exponent - 2 - bias
    bottom = 1 - bias - mantissa
    for width, (wide_mantissa, low, high) in {2: (10, -24, 15), 4: (23, -149, 127), 8: (52, -1074, 1023)}.items():
        holds = mantissa <= wide_mantissa and low <= bottom and top <= high
        # NumPy takes None for float64 in a comparison of dtypes.
        if found.native is not None and found.native == np.dtype(f"f{width}"):
            assert holds
            return
        assert not holds
    assert found.native is None


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("code", ["i2", "u8", "f2", "f4", "f8"])
def test_memory_types_have_native_order(order: str, code: str) -> None:
    type_id = h5t.py_create(np.dtype(order + code))
    memory = memory_type(type_id, stored_type(type_id))
    again = stored_type(memory)
    assert (again.disk, again.byte_order) == (np.dtype("=" + code), NATIVE)


def test_memory_types_of_text_keep_the_character_set() -> None:
    text = h5t.C_S1.copy()
    text.set_size(4)
    text.set_cset(h5t.CSET_UTF8)
    memory = memory_type(text, stored_type(text))
    assert (memory.get_size(), memory.get_cset(), memory.get_strpad()) == (4, h5t.CSET_UTF8, h5t.STR_NULLPAD)
