"""The four rungs give the same numbers as NumPy for whatever h5py can write, and refuse the rest by name."""

from __future__ import annotations

import struct
import tempfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from h5py import h5d, h5s, h5t
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lapsdata.errors import CorruptDataError, UnknownFormatError
from lapsdata.storage.hdf5_file import Hdf5File
from lapsdata.storage.hdf5_ladder import RUNGS, Rung

LOWER: tuple[Rung, ...] = RUNGS[1:]


def read(path: Path, rung: Rung, name: str = "x", rows: slice | None = None) -> np.ndarray:
    with Hdf5File(path, rungs=(rung,)) as file:
        values = file.read(name, rows)
        assert dict(file.rungs) == {rung: 1}
    return values


def same(found: np.ndarray, expected: np.ndarray) -> None:
    """Same dtype in native order, shape and bits, so that NaN payloads and negative zeros count."""
    native = expected.astype(expected.dtype.newbyteorder("="))
    assert (found.dtype, found.shape) == (native.dtype, native.shape)
    assert found.dtype.isnative
    assert found.tobytes() == native.tobytes()


NUMBERS = st.sampled_from(
    ["<f2", ">f2", "<f4", ">f4", "<f8", ">f8", "?"] + [f"{o}{s}{n}" for o in "<>" for s in "iu" for n in (1, 2, 4, 8)]
)


@st.composite
def arrays(draw: st.DrawFn) -> tuple[np.ndarray, dict[str, Any]]:
    """An array, and one of the ways to store it."""
    dtype = np.dtype(draw(NUMBERS | st.integers(1, 9).map(lambda n: f"S{n}")))
    shape = draw(hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=7))
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    raw = rng.integers(0, 256, int(np.prod(shape)) * dtype.itemsize, dtype=np.uint8)
    if dtype == "?":
        raw &= 1
    values = np.frombuffer(raw.tobytes(), dtype).reshape(shape)
    if dtype.kind == "f":
        # Signalling NaN patterns may be quieted by any copy; NumPy's own NaN stays.
        values = np.where(np.isnan(values), dtype.type(np.nan), values).astype(dtype)
    if not shape or 0 in shape or not draw(st.booleans()):
        return values, {}
    options: dict[str, Any] = {"chunks": tuple(draw(st.integers(1, n)) for n in shape)}
    if draw(st.booleans()):
        options["compression"] = "gzip"
    options["shuffle"] = draw(st.booleans())
    options["fletcher32"] = draw(st.booleans())
    return values, options


@settings(max_examples=150)
@given(arrays(), st.sampled_from(["earliest", "v110", "latest"]), st.data())
def test_all_rungs_equal_numpy(case: tuple[np.ndarray, dict[str, Any]], libver: str, data: st.DataObject) -> None:
    values, options = case
    rows = None
    if values.ndim and data.draw(st.booleans()):
        first = data.draw(st.integers(0, values.shape[0]))
        rows = slice(first, data.draw(st.integers(first, values.shape[0])))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.h5"
        with h5py.File(path, "w", libver=libver) as file:
            file.create_dataset("x", data=values, **options)
        for rung in RUNGS:
            same(read(path, rung, rows=rows), values if rows is None else values[rows])


@pytest.mark.parametrize("rung", RUNGS)
def test_each_rung_serves_rows_across_chunk_borders(tmp_path: Path, rung: Rung) -> None:
    values = np.arange(7 * 5 * 3, dtype=">f4").reshape(7, 5, 3)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("x", data=values, chunks=(3, 2, 2), compression="gzip", shuffle=True, fletcher32=True)
    for first in range(8):
        for last in range(first, 8):
            same(read(tmp_path / "x.h5", rung, rows=slice(first, last)), values[first:last])


@pytest.mark.parametrize("rung", RUNGS)
def test_storage_never_written_reads_as_the_fill_value_and_is_counted(tmp_path: Path, rung: Rung) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        grown = file.create_dataset("x", (6, 4), "f4", chunks=(2, 4), fillvalue=-1.5)
        grown[2:4] = 3
        file.create_dataset("none", (3,), "i2", fillvalue=7)
    expected = np.full((6, 4), -1.5, "f4")
    expected[2:4] = 3
    same(read(tmp_path / "x.h5", rung), expected)
    same(read(tmp_path / "x.h5", rung, "none"), np.full(3, 7, "i2"))
    with Hdf5File(tmp_path / "x.h5") as file:
        assert file.describe("x").unwritten_chunks == 2
        assert file.describe("none").offset is None


def low_level(path: Path, type_id: Any, values: np.ndarray, memory: Any) -> None:
    """Write `values` under a type that h5py's high level does not offer."""
    with h5py.File(path, "w") as file:
        dataset = h5d.create(file.id, b"x", type_id, h5s.create_simple(values.shape))
        dataset.write(h5s.ALL, h5s.ALL, values, mtype=memory)


@settings(max_examples=60)
@given(st.sampled_from([1, 2, 4, 8]), st.booleans(), st.booleans(), st.data(), st.integers(0, 2**32 - 1))
def test_integers_of_odd_precision_and_offset(
    size: int, signed: bool, big: bool, data: st.DataObject, seed: int
) -> None:
    precision = data.draw(st.integers(max(1 + signed, 4 * size + 1), 8 * size))
    type_id = getattr(h5t, f"STD_{'I' if signed else 'U'}{8 * size}{'BE' if big else 'LE'}").copy()
    type_id.set_precision(precision)
    type_id.set_offset(data.draw(st.integers(0, 8 * size - precision)))
    low, high = (-(2 ** (precision - 1)), 2 ** (precision - 1) - 1) if signed else (0, 2**precision - 1)
    dtype = np.dtype(f"{'i' if signed else 'u'}{size}")
    values = np.random.default_rng(seed).integers(low, high, 9, dtype, endpoint=True)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.h5"
        low_level(path, type_id, values, h5py.h5t.py_create(dtype))
        for rung in RUNGS:
            same(read(path, rung), values)


def test_integers_of_three_bytes_climb_to_a_rung_that_can(tmp_path: Path) -> None:
    type_id = h5t.STD_I32LE.copy()
    type_id.set_precision(24)
    type_id.set_size(3)
    values = np.array([1, -2, 300, -70_000], "i4")
    low_level(tmp_path / "x.h5", type_id, values, h5t.NATIVE_INT32)
    with Hdf5File(tmp_path / "x.h5") as file:
        same(file.read("x"), values)
        assert dict(file.rungs) == {"read_direct": 1}
        assert (file.describe("x").size, file.describe("x").rung) == (3, "read_direct")


def test_bfloat16_reads_as_the_float32_that_holds_it(tmp_path: Path) -> None:
    type_id = h5t.IEEE_F16LE.copy()
    type_id.set_fields(15, 7, 8, 0, 7)
    type_id.set_ebias(127)
    exact = (np.arange(0, 2**16, 7, dtype=np.uint32) << 16).view(np.float32)
    exact = exact[np.isfinite(exact)]
    low_level(tmp_path / "x.h5", type_id, exact, h5t.NATIVE_FLOAT)
    for rung in RUNGS[:3]:
        found = read(tmp_path / "x.h5", rung)
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, exact)
    with pytest.raises(UnknownFormatError, match="chunks: a float of 2 bytes is not decoded without libhdf5"):
        read(tmp_path / "x.h5", "chunks")


def test_a_float_with_a_shifted_exponent_gets_a_type_that_holds_it(tmp_path: Path) -> None:
    """Five exponent bits with a bias of 60 reach 2 ** -59: half precision has no such numbers."""
    type_id = h5t.IEEE_F16LE.copy()
    type_id.set_ebias(60)
    values = np.array([2.0**-59, 1.5 * 2.0**-40, 2.0**-30], "f4")
    low_level(tmp_path / "x.h5", type_id, values, h5t.NATIVE_FLOAT)
    with Hdf5File(tmp_path / "x.h5", rungs=LOWER) as file:
        found = file.read("x")
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, values)


def test_quadruple_floats_are_refused_by_name(tmp_path: Path) -> None:
    type_id = h5t.IEEE_F64LE.copy()
    type_id.set_size(16)
    type_id.set_precision(128)
    type_id.set_fields(127, 112, 15, 0, 112)
    type_id.set_ebias(16383)
    low_level(tmp_path / "x.h5", type_id, np.ones(3), h5t.NATIVE_DOUBLE)
    with Hdf5File(tmp_path / "x.h5") as file, pytest.raises(UnknownFormatError, match="float of 16 bytes"):
        file.read("x")


def test_integers_of_sixteen_bytes_are_refused_by_name(tmp_path: Path) -> None:
    type_id = h5t.STD_I64LE.copy()
    type_id.set_size(16)
    type_id.set_precision(128)
    low_level(tmp_path / "x.h5", type_id, np.ones(3, "i8"), h5t.NATIVE_INT64)
    with Hdf5File(tmp_path / "x.h5") as file, pytest.raises(UnknownFormatError, match="integer of 16 bytes"):
        file.read("x")


@pytest.mark.parametrize("rung", RUNGS)
@pytest.mark.parametrize(
    ("padding", "expected"),
    [
        (h5t.STR_NULLTERM, [b"ab", b"xyzuv", b"a b  ", b""]),
        (h5t.STR_NULLPAD, [b"ab\0cd", b"xyzuv", b"a b  ", b""]),
        (h5t.STR_SPACEPAD, [b"ab\0cd", b"xyzuv", b"a b", b""]),
    ],
)
def test_paddings_of_fixed_strings(tmp_path: Path, rung: Rung, padding: int, expected: list[bytes]) -> None:
    type_id = h5t.C_S1.copy()
    type_id.set_size(5)
    type_id.set_strpad(padding)
    raw = np.array([b"ab\0cd", b"xyzuv", b"a b  ", b""], "S5")
    low_level(tmp_path / "x.h5", type_id, raw, type_id)
    same(read(tmp_path / "x.h5", rung), np.array(expected, "S5"))


@pytest.mark.parametrize("rung", RUNGS)
def test_big_endian_enums_read_as_their_numbers(tmp_path: Path, rung: Rung) -> None:
    type_id = h5t.enum_create(h5t.STD_I16BE)
    type_id.enum_insert(b"A", 1)
    type_id.enum_insert(b"B", -7)
    low_level(tmp_path / "x.h5", type_id, np.array([1, -7, 1], ">i2"), type_id)
    same(read(tmp_path / "x.h5", rung), np.array([1, -7, 1], "i2"))


@pytest.mark.parametrize("rung", ["h5py", "memory_type"])
def test_bit_fields_read_as_unsigned_numbers(tmp_path: Path, rung: Rung) -> None:
    low_level(tmp_path / "x.h5", h5t.STD_B16BE, np.array([1, 0x8007], ">u2"), h5t.STD_B16BE)
    same(read(tmp_path / "x.h5", rung), np.array([1, 0x8007], "u2"))
    with pytest.raises(UnknownFormatError, match=r"read_direct: .* conversion path"):
        read(tmp_path / "x.h5", "read_direct")


@pytest.mark.parametrize("rung", RUNGS)
def test_a_boolean_that_is_neither_is_corrupt(tmp_path: Path, rung: Rung) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["x"] = np.array([True, False])
        offset = file["x"].id.get_offset()
    with (tmp_path / "x.h5").open("r+b") as raw:
        raw.seek(offset)
        raw.write(b"\x02")
    with pytest.raises(CorruptDataError, match="x: expected FALSE = 0 or TRUE = 1, got another byte"):
        read(tmp_path / "x.h5", rung)


@pytest.mark.parametrize("rung", RUNGS)
def test_lzf_is_read_by_every_rung(tmp_path: Path, rung: Rung) -> None:
    values = np.arange(64, dtype="f4").reshape(8, 8) // 9
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("x", data=values, chunks=(4, 8), compression="lzf")
    same(read(tmp_path / "x.h5", rung), values)


def test_scale_offset_and_compact_data_are_named_by_the_last_rung(tmp_path: Path) -> None:
    values = np.arange(16, dtype="i4")
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("x", data=values, chunks=(8,), scaleoffset=True)
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_layout(h5d.COMPACT)
        compact = h5d.create(file.id, b"c", h5t.STD_I32LE, h5s.create_simple((16,)), plist)
        compact.write(h5s.ALL, h5s.ALL, values)
    for rung in RUNGS[:3]:
        same(read(tmp_path / "x.h5", rung), values)
        same(read(tmp_path / "x.h5", rung, "c"), values)
    with pytest.raises(UnknownFormatError, match=r"chunk at \(0,\), byte \d+: .* got the codec 'filter 6"):
        read(tmp_path / "x.h5", "chunks")
    with pytest.raises(UnknownFormatError, match=r"the place of compact data .* libhdf5 alone"):
        read(tmp_path / "x.h5", "chunks", "c")


def test_virtual_and_external_data_read_through_libhdf5(tmp_path: Path) -> None:
    values = np.arange(12, dtype="f4").reshape(3, 4)
    with h5py.File(tmp_path / "part.h5", "w") as file:
        file["v"] = values
    with h5py.File(tmp_path / "x.h5", "w") as file:
        layout = h5py.VirtualLayout((3, 4), "f4")
        layout[...] = h5py.VirtualSource("part.h5", "v", (3, 4))
        file.create_virtual_dataset("x", layout)
        outside = [(str(tmp_path / "raw.bin"), 0, values.nbytes)]
        file.create_dataset("e", (3, 4), "f4", external=outside)[...] = values
    with Hdf5File(tmp_path / "x.h5") as file:
        assert [file.describe(name).layout for name in ("x", "e")] == ["virtual", "external"]
    for name in ("x", "e"):
        for rung in RUNGS[:3]:
            same(read(tmp_path / "x.h5", rung, name), values)
        with pytest.raises(UnknownFormatError, match="libhdf5 alone"):
            read(tmp_path / "x.h5", "chunks", name)


def test_the_last_rung_reads_the_file_behind_an_external_link(tmp_path: Path) -> None:
    values = np.arange(5, dtype="f4")
    with h5py.File(tmp_path / "there.h5", "w") as file:
        file["v"] = values
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["padding"] = np.full(4000, 9, "f4")
        file["x"] = h5py.ExternalLink("there.h5", "/v")
    same(read(tmp_path / "x.h5", "chunks"), values)


@pytest.mark.parametrize("rung", RUNGS[:3])
def test_user_blocks(tmp_path: Path, rung: Rung) -> None:
    values = np.arange(64, dtype="f4").reshape(8, 8)
    with h5py.File(tmp_path / "x.h5", "w", userblock_size=1024) as file:
        file["x"] = values
        file.create_dataset("c", data=values, chunks=(2, 8))
    same(read(tmp_path / "x.h5", rung, "c"), values)
    same(read(tmp_path / "x.h5", "chunks"), values)
    with pytest.raises(UnknownFormatError, match="behind a user block differ between releases"):
        read(tmp_path / "x.h5", "chunks", "c")


def test_a_chunk_index_that_does_not_fit_the_dataset_is_corrupt(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    with h5py.File(path, "w", libver="earliest") as file:
        file.create_dataset("x", data=np.zeros((6, 4), "f4"), chunks=(3, 4))
    octets = path.read_bytes()
    # A key of the index (specification, III.A.1): bytes, filter mask, origin of the chunk and of the element.
    key = struct.pack("<IIQQQ", 48, 0, 3, 0, 0)
    assert octets.count(key) == 1
    path.write_bytes(octets.replace(key, struct.pack("<IIQQQ", 48, 0, 9, 0, 0)))
    with pytest.raises(CorruptDataError, match=r"expected chunks of \(3, 4\) within \(6, 4\), got one at \(9, 0\)"):
        read(path, "chunks")


@pytest.mark.parametrize("rung", [*RUNGS, None])
def test_200_flipped_payload_bits_are_all_caught(tmp_path: Path, rung: Rung | None) -> None:
    values = np.random.default_rng(3).normal(size=(32, 16)).astype("f4")
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        made = file.create_dataset("x", data=values, chunks=(8, 16), compression="gzip", shuffle=True, fletcher32=True)
        places = [made.id.get_chunk_info(k) for k in range(made.id.get_num_chunks())]
    octets = bytearray(path.read_bytes())
    rng = np.random.default_rng(11)
    for _ in range(200):
        chunk = places[rng.integers(len(places))]
        at, bit = int(chunk.byte_offset + rng.integers(chunk.size)), 1 << int(rng.integers(8))
        octets[at] ^= bit
        path.write_bytes(octets)
        with Hdf5File(path, rungs=RUNGS if rung is None else (rung,)) as file:
            with pytest.raises(CorruptDataError, match="x: "):
                file.read("x")
        octets[at] ^= bit
    path.write_bytes(octets)
    same(read(path, "chunks"), values)


def test_the_error_of_a_damaged_chunk_names_file_dataset_chunk_and_byte(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        made = file.create_dataset("g/x", data=np.ones((4, 4), "f4"), chunks=(2, 4), fletcher32=True)
        offset = made.id.get_chunk_info_by_coord((2, 0)).byte_offset
    octets = bytearray(path.read_bytes())
    octets[offset] ^= 4
    path.write_bytes(octets)
    with Hdf5File(path) as file:
        message = rf"x\.h5: g/x: chunk at \(2, 0\), byte {offset}: expected the fletcher32 checksum"
        with pytest.raises(CorruptDataError, match=message):
            file.read("g/x")
        np.testing.assert_array_equal(file.read("g/x", slice(0, 2)), np.ones((2, 4)))
