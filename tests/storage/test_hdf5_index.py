"""Where rows of HDF5 datasets lie, against h5py's own reading; what libhdf5 alone can find is read through it."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.errors import CorruptDataError, LapsError, SchemaError, StorageError, UnknownFormatError
from lapsdata.storage.gather import RowReader
from lapsdata.storage.hdf5_file import Hdf5File
from lapsdata.storage.hdf5_index import LibrarySlabs, hdf5_index
from lapsdata.storage.index import ABSENT, ChunkIndex
from lapsdata.storage.seal import row_checksums

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from lapsdata.storage.pieces import Source

VALUES = np.arange(7 * 5 * 3, dtype="<f4").reshape(7, 5, 3)
FILTERS: dict[str, dict[str, Any]] = {
    "none": {},
    "gzip": {"compression": "gzip"},
    "lzf": {"compression": "lzf"},
    "shuffle": {"shuffle": True},
    "fletcher32": {"fletcher32": True},
    "shuffle gzip": {"shuffle": True, "compression": "gzip"},
    "shuffle lzf": {"shuffle": True, "compression": "lzf"},
    "gzip fletcher32": {"compression": "gzip", "fletcher32": True},
    "all": {"shuffle": True, "compression": "gzip", "fletcher32": True},
}


def indexed(path: Path, name: str = "x", **options: Any) -> ChunkIndex | LibrarySlabs:
    with Hdf5File(path) as file:
        return hdf5_index(file, name, **options)


def make(path: Path, values: NDArray[Any] = VALUES, libver: str = "earliest", **options: Any) -> Path:
    with h5py.File(path, "w", libver=libver) as file:
        file.create_dataset("x", data=values, **options)
    return path


def alike(found: NDArray[Any], wanted: NDArray[Any]) -> bool:
    """Say whether both hold the same bits, in the order of bytes of this machine."""
    native = wanted.astype(wanted.dtype.newbyteorder("="))
    return bool(found.dtype == native.dtype and found.shape == native.shape and found.tobytes() == native.tobytes())


class TestLayouts:
    @pytest.mark.parametrize("libver", ["earliest", "v110", "latest"])
    @pytest.mark.parametrize("chunks", [(1, 5, 3), (2, 5, 3), (3, 2, 2), (7, 5, 3), (1, 1, 1), (4, 4, 4)], ids=str)
    @pytest.mark.parametrize("filters", FILTERS)
    def test_chunks_of_any_shape_behind_any_filter_are_found(
        self, tmp_path: Path, rows_of: Callable[..., NDArray[Any]], libver: str, chunks: tuple[int, ...], filters: str
    ) -> None:
        if max(np.subtract(chunks, VALUES.shape)) > 0:
            options = {"maxshape": (None, None, None), **FILTERS[filters]}
        else:
            options = FILTERS[filters]
        path = make(tmp_path / "x.h5", libver=libver, chunks=chunks, **options)
        index = indexed(path)
        assert isinstance(index, ChunkIndex)
        assert index.plain == (filters == "none" and chunks == (1, 5, 3))
        assert index.slab_rows == chunks[0]
        assert alike(rows_of(index), VALUES)

    @pytest.mark.parametrize(
        "dtype",
        ["<f2", "<f4", "<f8", ">f2", ">f4", ">f8", "<i2", ">i4", "<i8", "i1", "u1", "<u2", ">u8", "?"],
    )
    @pytest.mark.parametrize("options", [{}, {"chunks": (1, 5, 3)}, {"chunks": (2, 4, 3), "compression": "gzip"}])
    def test_numbers_of_any_kind_are_read(
        self, tmp_path: Path, rows_of: Callable[..., NDArray[Any]], dtype: str, options: dict[str, Any]
    ) -> None:
        values = (VALUES % 2 if dtype == "?" else VALUES * 2 - 50).astype(dtype)
        index = indexed(make(tmp_path / "x.h5", values, **options))
        assert isinstance(index, ChunkIndex)
        assert alike(rows_of(index, values.dtype.newbyteorder("=")), values)

    @pytest.mark.parametrize("value", [2, 255])
    def test_a_boolean_that_is_neither_is_refused(
        self, tmp_path: Path, rows_of: Callable[..., NDArray[Any]], value: int
    ) -> None:
        path = make(tmp_path / "x.h5", np.zeros((3, 4), bool), libver="latest", chunks=(1, 4))
        index = indexed(path)
        assert isinstance(index, ChunkIndex)
        with path.open("r+b") as raw:
            raw.seek(int(index.offset[1]))
            raw.write(bytes([value]))
        with pytest.raises(CorruptDataError, match=r"expected 0 or 1 everywhere.*\[wrong-visibility\]"):
            rows_of(indexed(path), np.dtype(bool))

    @pytest.mark.parametrize("block", [512, 4096])
    def test_a_user_block_is_counted(self, tmp_path: Path, rows_of: Callable[..., NDArray[Any]], block: int) -> None:
        with h5py.File(tmp_path / "x.h5", "w", userblock_size=block) as file:
            file["plain"] = VALUES
            file.create_dataset("chunked", data=VALUES, chunks=(2, 5, 3))
        plain, chunked = indexed(tmp_path / "x.h5", "plain"), indexed(tmp_path / "x.h5", "chunked")
        assert isinstance(plain, ChunkIndex)
        assert isinstance(chunked, LibrarySlabs)  # releases of libhdf5 count from different ends of the block
        assert alike(rows_of(plain), VALUES)
        assert alike(rows_of(chunked), VALUES)

    def test_behind_an_external_link_the_other_file_is_read(
        self, tmp_path: Path, rows_of: Callable[..., NDArray[Any]]
    ) -> None:
        make(tmp_path / "other.h5", chunks=(1, 5, 3))
        with h5py.File(tmp_path / "x.h5", "w") as file:
            file["x"] = h5py.ExternalLink("other.h5", "x")
        index = indexed(tmp_path / "x.h5")
        assert isinstance(index, ChunkIndex)
        assert [path.name for path in index.files] == ["other.h5"]
        assert alike(rows_of(index), VALUES)

    @pytest.mark.parametrize("shape", [(0, 4), (3, 0), (0, 0), (3, 0, 2)], ids=str)
    @pytest.mark.parametrize("chunked", [False, True], ids=["contiguous", "chunked"])
    def test_arrays_without_elements_are_read(
        self, tmp_path: Path, rows_of: Callable[..., NDArray[Any]], shape: tuple[int, ...], chunked: bool
    ) -> None:
        options = {"chunks": (2,) * len(shape), "maxshape": (None,) * len(shape)} if chunked else {}
        index = indexed(make(tmp_path / "x.h5", np.zeros(shape, "f4"), **options))
        if shape[0]:
            assert rows_of(index).shape == shape
        assert index.shape == shape

    def test_a_chunk_that_was_too_random_for_its_filter_is_read(
        self, tmp_path: Path, rows_of: Callable[..., NDArray[Any]]
    ) -> None:
        noise = np.frombuffer(np.random.default_rng(0).bytes(600), np.uint8).reshape(3, 200).copy()
        noise[1] = 0
        index = indexed(make(tmp_path / "x.h5", noise, chunks=(1, 200), compression="lzf", shuffle=True))
        assert isinstance(index, ChunkIndex)
        assert index.masks is not None
        assert index.masks.tolist() == [2, 0, 2]
        assert alike(rows_of(index), noise)

    def test_chunks_written_without_filters_are_read(
        self, tmp_path: Path, rows_of: Callable[..., NDArray[Any]]
    ) -> None:
        with h5py.File(tmp_path / "x.h5", "w") as file:
            data = file.create_dataset("x", VALUES.shape, "<f4", chunks=(1, 5, 3), compression="gzip", fletcher32=True)
            data[...] = VALUES
            for row in (0, 3):
                data.id.write_direct_chunk((row, 0, 0), VALUES[row].tobytes(), filter_mask=3)
        index = indexed(tmp_path / "x.h5")
        assert isinstance(index, ChunkIndex)
        assert index.masks is not None
        assert index.masks.tolist() == [3, 0, 0, 3, 0, 0, 0]
        assert alike(rows_of(index), VALUES)


class TestUnwritten:
    @pytest.mark.parametrize("fillvalue", [None, 7.5, np.nan])
    @pytest.mark.parametrize("chunks", [None, (2, 5, 3), (1, 5, 3), (2, 2, 2)], ids=str)
    def test_what_was_never_written_is_the_fill_value(
        self,
        tmp_path: Path,
        rows_of: Callable[..., NDArray[Any]],
        fillvalue: float | None,
        chunks: tuple[int, ...] | None,
    ) -> None:
        with h5py.File(tmp_path / "x.h5", "w") as file:
            data = file.create_dataset("x", VALUES.shape, ">f4", chunks=chunks, fillvalue=fillvalue)
            if chunks:
                data[4:6] = VALUES[4:6]
            wanted = data[...]
        index = indexed(tmp_path / "x.h5", fill=True)
        assert isinstance(index, ChunkIndex)
        assert (index.offset == ABSENT).any()
        assert alike(rows_of(index), wanted)
        missing = r"expected \d+ written chunks, got \d.*\[chunk-missing\]"
        with pytest.raises(CorruptDataError, match=missing):
            indexed(tmp_path / "x.h5")

    def test_a_missing_chunk_that_nobody_announced_is_an_error_when_it_is_read(
        self, tmp_path: Path, rows_of: Callable[..., NDArray[Any]]
    ) -> None:
        index = indexed(make(tmp_path / "x.h5", chunks=(2, 5, 3)))
        assert isinstance(index, ChunkIndex)
        index.offset[1] = ABSENT
        with pytest.raises(CorruptDataError, match=r"x: chunk 1: expected a chunk, got none.*\[chunk-missing\]"):
            rows_of(index)


class TestThroughTheLibrary:
    def test_compact_data_are_read(self, tmp_path: Path, rows_of: Callable[..., NDArray[Any]]) -> None:
        with h5py.File(tmp_path / "x.h5", "w") as file:
            plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            plist.set_layout(h5py.h5d.COMPACT)
            space = h5py.h5s.create_simple(VALUES.shape)
            data = h5py.h5d.create(file.id, b"x", h5py.h5t.IEEE_F32BE, space, plist)
            data.write(h5py.h5s.ALL, h5py.h5s.ALL, VALUES)
        index = indexed(tmp_path / "x.h5")
        assert isinstance(index, LibrarySlabs)
        assert alike(rows_of(index), VALUES)

    def test_external_data_are_read(self, tmp_path: Path, rows_of: Callable[..., NDArray[Any]]) -> None:
        (tmp_path / "raw").write_bytes(VALUES.tobytes())
        with h5py.File(tmp_path / "x.h5", "w") as file:
            file.create_dataset("x", VALUES.shape, "<f4", external=[(tmp_path / "raw", 0, VALUES.nbytes)])
        index = indexed(tmp_path / "x.h5")
        assert isinstance(index, LibrarySlabs)
        assert alike(rows_of(index), VALUES)

    def test_virtual_data_are_read_and_their_absence_is_told(
        self, tmp_path: Path, rows_of: Callable[..., NDArray[Any]]
    ) -> None:
        make(tmp_path / "source.h5")
        with h5py.File(tmp_path / "x.h5", "w") as file:
            layout = h5py.VirtualLayout((100, 5, 3), "<f4")
            for first in range(0, 98, 7):
                layout[first : first + 7] = h5py.VirtualSource(tmp_path / "source.h5", "x", VALUES.shape)
            layout[98:] = h5py.VirtualSource(tmp_path / "source.h5", "x", VALUES.shape)[:2]
            file.create_virtual_dataset("x", layout)
        index = indexed(tmp_path / "x.h5")
        assert isinstance(index, LibrarySlabs)
        assert index.slab_rows == 64
        assert alike(rows_of(index), VALUES[np.arange(100) % 7])
        (tmp_path / "source.h5").unlink()
        with pytest.raises(StorageError, match=r"\[missing-source\]"):
            rows_of(index)

    @pytest.mark.parametrize("options", [{"scaleoffset": 3}, {"compression": "szip"}], ids=["scaleoffset", "szip"])
    def test_filters_that_are_not_ours_are_undone_by_the_library(
        self, tmp_path: Path, rows_of: Callable[..., NDArray[Any]], options: dict[str, Any]
    ) -> None:
        if options.get("compression") == "szip" and not h5py.h5z.filter_avail(h5py.h5z.FILTER_SZIP):
            options = {"scaleoffset": 2}
        index = indexed(make(tmp_path / "x.h5", chunks=(2, 5, 3), **options))
        assert isinstance(index, LibrarySlabs)
        assert index.slab_rows == 2
        with h5py.File(tmp_path / "x.h5") as file:
            assert alike(rows_of(index), file["x"][...])

    def test_a_filter_that_is_not_installed_is_named(
        self, tmp_path: Path, rows_of: Callable[..., NDArray[Any]]
    ) -> None:
        with h5py.File(tmp_path / "x.h5", "w") as file:
            plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            plist.set_chunk((7, 5, 3))
            plist.set_filter(32015, h5py.h5z.FLAG_OPTIONAL, (3,))  # Zstandard, by its registered number
            space = h5py.h5s.create_simple(VALUES.shape)
            data = h5py.h5d.create(file.id, b"x", h5py.h5t.IEEE_F32LE, space, plist)
            data.write_direct_chunk((0, 0, 0), b"1234", 0)
        index = indexed(tmp_path / "x.h5")
        assert isinstance(index, LibrarySlabs)
        with pytest.raises(LapsError, match=r"filter.*32015"):
            rows_of(index)

    @pytest.mark.parametrize("size", [3, 5])
    def test_integers_of_odd_widths_are_read(
        self, tmp_path: Path, rows_of: Callable[..., NDArray[Any]], size: int
    ) -> None:
        odd = h5py.h5t.STD_I64LE.copy()
        odd.set_precision(8 * size - 3)
        odd.set_size(size)
        values = np.arange(-6, 6, dtype="i8").reshape(3, 4)
        with h5py.File(tmp_path / "x.h5", "w") as file:
            data = h5py.h5d.create(file.id, b"x", odd, h5py.h5s.create_simple(values.shape))
            data.write(h5py.h5s.ALL, h5py.h5s.ALL, values)
        index = indexed(tmp_path / "x.h5")
        assert isinstance(index, LibrarySlabs)
        assert rows_of(index, np.dtype("i8")).tolist() == values.tolist()

    def test_rows_are_verified_all_the_same(self, tmp_path: Path, rows_of: Callable[..., NDArray[Any]]) -> None:
        path = make(tmp_path / "x.h5", chunks=(2, 5, 3), scaleoffset=0, values=VALUES.astype("i4"))
        sums = row_checksums(VALUES.astype("i4"))
        assert alike(rows_of(indexed(path, row_crc32c=sums)), VALUES.astype("i4"))
        sums[6] ^= 1
        with pytest.raises(CorruptDataError, match=r"x: row 6: expected CRC-32C .*\[payload-checksum\]"):
            rows_of(indexed(path, row_crc32c=sums))

    def test_a_replaced_file_is_not_read_for_the_one_before(
        self, tmp_path: Path, rows_of: Callable[..., NDArray[Any]]
    ) -> None:
        index = indexed(make(tmp_path / "x.h5", chunks=(2, 5, 3), scaleoffset=0, values=VALUES.astype("i4")))
        make(tmp_path / "y.h5", chunks=(2, 5, 3), scaleoffset=0, values=VALUES.astype("i4") + 1)
        (tmp_path / "y.h5").replace(tmp_path / "x.h5")
        with pytest.raises(StorageError, match=r"expected the file that was indexed .*\[replaced\]"):
            rows_of(index)
        (tmp_path / "x.h5").unlink()
        with pytest.raises(StorageError, match=r"\[not-found\]"):
            rows_of(index)


class TestRefused:
    def test_a_single_value_has_no_rows(self, tmp_path: Path) -> None:
        with pytest.raises(SchemaError, match=r"x: expected an array with rows, got a single value \[no-rows\]"):
            indexed(make(tmp_path / "x.h5", np.float32(1)))

    @pytest.mark.parametrize(
        "values",
        [np.array([b"a", b"b"]), np.array(["a", "b"], object), np.zeros(2, [("a", "f4")]), np.zeros(2, "c8")],
        ids=["bytes", "text", "compound", "complex"],
    )
    def test_what_is_no_number_is_named(self, tmp_path: Path, values: NDArray[Any]) -> None:
        with pytest.raises(UnknownFormatError, match=r"x: expected numbers, got elements of the class .*not-numbers"):
            indexed(make(tmp_path / "x.h5", values))

    def test_a_dataset_that_is_not_there_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(SchemaError, match=r"expected a dataset, got none; the file holds /x"):
            indexed(make(tmp_path / "x.h5"), "y")


def test_an_index_belongs_to_the_file_that_was_open(tmp_path: Path, rows_of: Callable[..., NDArray[Any]]) -> None:
    make(tmp_path / "x.h5")
    make(tmp_path / "y.h5", VALUES + 1)
    with Hdf5File(tmp_path / "x.h5") as file:
        (tmp_path / "y.h5").replace(tmp_path / "x.h5")
        index = hdf5_index(file, "x")
    with pytest.raises(StorageError, match=r"\[replaced\]"):
        rows_of(index)


filters = st.fixed_dictionaries(
    {
        "compression": st.sampled_from([None, "gzip", "lzf"]),
        "shuffle": st.booleans(),
        "fletcher32": st.booleans(),
    }
)


@st.composite
def datasets(draw: st.DrawFn) -> tuple[NDArray[Any], dict[str, Any], list[tuple[slice, ...]]]:
    """Give values, how they are stored, and which boxes of them are written."""
    shape = tuple(draw(st.lists(st.integers(1, 9), min_size=1, max_size=3)))
    chunks = draw(st.none() | st.tuples(*(st.integers(1, n + 2) for n in shape)))
    dtype = np.dtype(draw(st.sampled_from(["<f4", ">f4", "<f2", ">f8", "i1", ">i8", "<u2"])))
    values = np.arange(1, 1 + math.prod(shape)).reshape(shape).astype(dtype)
    if chunks is None:
        return values, {}, [()]
    boxes = st.tuples(*(st.builds(slice, st.integers(0, n), st.integers(0, n)) for n in shape))
    options = {"chunks": chunks, "maxshape": (None,) * len(shape), **draw(filters), "fillvalue": dtype.type(99)}
    return values, options, draw(st.just([()]) | st.lists(boxes, max_size=3))


@given(made=datasets(), libver=st.sampled_from(["earliest", "v110"]), threads=st.integers(1, 2))
def test_any_dataset_reads_as_h5py_reads_it(
    tmp_path_factory: pytest.TempPathFactory,
    made: tuple[NDArray[Any], dict[str, Any], list[tuple[slice, ...]]],
    libver: str,
    threads: int,
) -> None:
    values, options, boxes = made
    path = tmp_path_factory.getbasetemp() / f"any{os.getpid()}.h5"
    with h5py.File(path, "w", libver=libver) as file:
        data = file.create_dataset("x", values.shape, values.dtype, **options)
        for box in boxes:
            data[box] = values[box]
        wanted = data[...]
    index = indexed(path, fill=True)
    assert isinstance(index, ChunkIndex)
    index.check_extent()
    found = read_in_any_order(index, threads)
    assert alike(found, wanted)
    path.unlink()


class OnePiece:
    def __init__(self, source: Source) -> None:
        self.where, self.rows, self.found = "x.h5", source.shape[0], {"x": source}

    def sources(self) -> Mapping[str, Source]:
        return self.found


def read_in_any_order(index: ChunkIndex, threads: int) -> NDArray[Any]:
    kind = np.dtype((index.dtype.newbyteorder("="), index.shape[1:]))
    reader = RowReader([OnePiece(index)], {"x": kind})
    order = np.random.default_rng(0).permutation(len(reader))
    found = np.empty((len(reader), *kind.shape), kind.base)
    found[order] = reader.gather(order, threads=threads)["x"]
    reader.close()
    return found
