"""The three sealed stores below the formats: any arrays and tables, and files of others."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zarr

from lapsdata.errors import CorruptDataError, StorageError, UnknownFormatError
from lapsdata.storage.seal import StoredArray
from lapsdata.storage.sealed_hdf5 import SealedHdf5, hdf5_header
from lapsdata.storage.sealed_hdf5_writer import write_sealed_hdf5
from lapsdata.storage.sealed_parquet import column_values, parquet_header, read_sealed_parquet, write_sealed_parquet
from lapsdata.storage.sealed_zarr import SealedZarr, is_sealed_zarr
from lapsdata.storage.sealed_zarr_writer import write_sealed_zarr

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    Profile = Literal["raw", "compact"]

HEADER: dict[str, Any] = {"format": "numbers", "name": "左"}
KINDS = ["bool", "uint8", "uint32", "int32", "int64", "float32", "float64"]


def numbers(kind: str, shape: tuple[int, ...]) -> NDArray[Any]:
    return (np.arange(np.prod(shape)) % 2 if kind == "bool" else np.arange(np.prod(shape))).astype(kind).reshape(shape)


@pytest.mark.parametrize("profile", ["raw", "compact"])
@pytest.mark.parametrize("kind", KINDS)
def test_any_kind_of_number_in_hdf5_and_zarr(kind: str, profile: Profile, tmp_path: Path) -> None:
    arrays = {
        "deep/er/big": StoredArray(numbers(kind, (3, 2, 4))),
        "flat": StoredArray(numbers(kind, (5,))),
        "small": StoredArray(numbers(kind, (4,)), small=True),
    }
    write_sealed_hdf5(tmp_path / "x.h5", HEADER, {"a": 1}, arrays, {"deep": {"one": 1}}, profile=profile)
    write_sealed_zarr(tmp_path / "x.zarr", HEADER, {"a": 1}, arrays, profile=profile)
    store = SealedZarr(tmp_path / "x.zarr")
    with SealedHdf5(tmp_path / "x.h5") as file:
        for opened in (file, store):
            assert (opened.header, opened.storage) == (HEADER, {"a": 1})
            assert set(opened.names) == set(arrays)
            for name, item in arrays.items():
                for verify in (True, False):
                    found = opened.read(name, verify=verify)
                    assert found.dtype == item.values.dtype
                    assert np.array_equal(found, item.values)
    assert hdf5_header(tmp_path / "x.h5") == HEADER
    assert is_sealed_zarr(tmp_path / "x.zarr", "numbers")
    assert not is_sealed_zarr(tmp_path / "x.zarr", "letters")


def test_files_of_others_are_none_of_ours(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["root/default/tracks"] = np.zeros(3)
        file["gone"] = h5py.SoftLink("/nowhere")
    zarr.create_group(str(tmp_path / "x.zarr"), attributes={"lapsdata": "a word"})
    pq.write_table(pa.table({"x": [1]}), tmp_path / "x.parquet")
    assert hdf5_header(tmp_path / "x.h5") is None
    assert hdf5_header(tmp_path / "x.parquet") is None
    assert parquet_header(tmp_path / "x.parquet") is None
    assert parquet_header(tmp_path / "x.h5") is None
    assert not is_sealed_zarr(tmp_path / "x.zarr", "numbers")
    with pytest.raises(
        UnknownFormatError, match=r"x.h5: expected an HDF5 file with a lapsdata header, got one without"
    ):
        SealedHdf5(tmp_path / "x.h5")
    with pytest.raises(UnknownFormatError, match=r"x.zarr: expected a Zarr group with a lapsdata header"):
        SealedZarr(tmp_path / "x.zarr")
    with pytest.raises(UnknownFormatError, match=r"x.parquet: expected a Parquet file with a lapsdata header"):
        read_sealed_parquet(tmp_path / "x.parquet")


@pytest.mark.parametrize("name", ["x.h5", "x.parquet", "x.zarr"])
def test_what_is_not_there(name: str, tmp_path: Path) -> None:
    readers: dict[str, Callable[[Path], object]] = {
        "x.h5": SealedHdf5,
        "x.parquet": read_sealed_parquet,
        "x.zarr": SealedZarr,
    }
    with pytest.raises(StorageError, match=name):
        readers[name](tmp_path / name)


TABLE = {
    "whole": pa.array([1, 2, 3], pa.int64()),
    "number": pa.array([0.5, None, float("inf")]),
    "single": pa.array([0.5, None, -0.0], pa.float32()),
    "flag": pa.array([True, False, True]),
    "text": pa.array(["ß", None, ""]),
    "list": pa.array([[1, 2], [], None], pa.list_(pa.field("element", pa.int32()))),
    "vector": pa.array([[1.0, 2.0]] * 3, pa.list_(pa.field("element", pa.float32()), 2)),
}


@pytest.mark.parametrize("rows", [0, 1, 3])
def test_any_kind_of_column_in_parquet(rows: int, tmp_path: Path) -> None:
    table = pa.table(TABLE).slice(0, rows)
    write_sealed_parquet(tmp_path / "x.parquet", HEADER, table)
    header, back = read_sealed_parquet(tmp_path / "x.parquet")
    assert header == HEADER
    assert back.to_pylist() == table.to_pylist()
    assert back.schema.equals(table.schema)


def swapped_text(table: pa.Table) -> pa.Table:
    return table.set_column(4, "text", pa.array(["", None, "ß"]))


CHANGES: dict[str, Callable[[pa.Table], pa.Table]] = {
    "number": lambda table: table.set_column(1, "number", pa.array([0.5, 0.0, float("inf")])),
    "single": lambda table: table.set_column(2, "single", pa.array([0.5, None, 0.0], pa.float32())),
    "text": swapped_text,
    "list": lambda table: table.set_column(
        5, "list", pa.array([[1], [2], None], pa.list_(pa.field("element", pa.int32())))
    ),
    "flag": lambda table: table.set_column(3, "flag", pa.array([True, True, True])),
}


@pytest.mark.parametrize("column", sorted(CHANGES))
def test_the_digest_of_a_column_sees_nulls_lengths_and_signs(column: str, tmp_path: Path) -> None:
    write_sealed_parquet(tmp_path / "x.parquet", HEADER, pa.table(TABLE))
    sealed = pq.read_table(tmp_path / "x.parquet")
    changed = CHANGES[column](sealed).replace_schema_metadata(sealed.schema.metadata)
    pq.write_table(changed, tmp_path / "y.parquet")
    with pytest.raises(CorruptDataError, match=rf"y.parquet: columns.{column}.digest: expected"):
        read_sealed_parquet(tmp_path / "y.parquet")


def test_layout_is_no_content(tmp_path: Path) -> None:
    """The same rows in other chunks have the same digest: it is of values, not of Arrow's buffers."""
    table = pa.table(TABLE)
    write_sealed_parquet(tmp_path / "one.parquet", HEADER, table)
    parts = pa.concat_tables([table.slice(0, 1), table.slice(1)])
    write_sealed_parquet(tmp_path / "two.parquet", HEADER, parts)
    first, second = (
        json.loads(pq.read_schema(tmp_path / name).metadata[b"lapsdata:seal"])
        for name in ("one.parquet", "two.parquet")
    )
    assert first == second


def test_nulls_become_nan_in_their_own_type() -> None:
    single = column_values(pa.chunked_array([pa.array([0.5, None], pa.float32()), pa.array([2.0], pa.float32())]))
    assert single.dtype == np.float32
    assert np.array_equal(single, [0.5, np.nan, 2.0], equal_nan=True)
    assert column_values(pa.array([True, False])).dtype == np.bool_


def test_a_folder_of_other_files_is_never_replaced(tmp_path: Path) -> None:
    """A slip of the path must not cost somebody's thesis, whatever `overwrite` says."""
    target = tmp_path / "precious.zarr"
    target.mkdir()
    (target / "thesis.txt").write_text("years")
    numbers = StoredArray(np.zeros((2, 3), np.float32))
    with pytest.raises(
        StorageError, match=r"precious.zarr: expected a free name or a Zarr v3 folder, got .*\[not-ours\]"
    ):
        write_sealed_zarr(target, {"format": "x"}, {}, {"numbers": numbers}, profile="raw", overwrite=True)
    assert (target / "thesis.txt").read_text() == "years"
    assert [item.name for item in tmp_path.iterdir()] == ["precious.zarr"]


def test_a_zarr_folder_that_is_replaced_while_it_is_read_is_not_mixed(tmp_path: Path) -> None:
    """Neither one writer's tracks with another's times, nor a healthy folder called corrupt."""
    target = tmp_path / "clip.zarr"
    one, two = (StoredArray(np.full((3, 2), value, np.float32)) for value in (1.0, 2.0))
    write_sealed_zarr(target, {"format": "x"}, {}, {"numbers": one}, profile="raw")
    opened = SealedZarr(target)
    write_sealed_zarr(target, {"format": "x"}, {}, {"numbers": two}, profile="raw", overwrite=True)
    for verify in (True, False):
        with pytest.raises(
            StorageError, match=r"clip.zarr: expected one folder .* replaced while it was read; read it again"
        ):
            opened.read("numbers", verify=verify)
    assert SealedZarr(target).read("numbers").tolist() == [[2.0, 2.0]] * 3


def test_what_stands_around_the_values_is_compared_also_without_checksums(tmp_path: Path) -> None:
    target = tmp_path / "numbers.parquet"
    table = pa.table({"x": [1.5, None], "y": ["a", "b"]})
    write_sealed_parquet(target, {"format": "numbers"}, table)
    metadata = pq.read_schema(target).metadata
    pq.write_table(table.drop_columns(["y"]).replace_schema_metadata(metadata), target)
    with pytest.raises(CorruptDataError, match=r"columns.y.type: expected string as sealed, got nothing"):
        read_sealed_parquet(target, verify=False)
    pq.write_table(table.slice(1).replace_schema_metadata(metadata), target)
    with pytest.raises(CorruptDataError, match=r"rows: expected 2 as sealed, got 1"):
        read_sealed_parquet(target, verify=False)


@pytest.mark.parametrize("window", [0, 4, 299])
def test_damage_in_a_shard_names_window_file_and_bytes(tmp_path: Path, window: int) -> None:
    target = tmp_path / "clip.zarr"
    numbers = StoredArray(np.random.default_rng(0).random((300, 5), np.float32))
    for profile in ("raw", "compact"):
        write_sealed_zarr(target, {"format": "x"}, {}, {"numbers": numbers}, profile=profile, overwrite=True)
        shard, number = divmod(window, 256)
        file = target / "numbers" / "c" / str(shard) / "0"
        content = bytearray(file.read_bytes())
        start, length = np.frombuffer(bytes(content[-4 - 4096 : -4]), "<u8").reshape(-1, 2)[number].tolist()
        content[start + length // 2] ^= 16
        file.write_bytes(content)
        place = (
            rf"numbers: window {window} \(numbers/c/{shard}/0, bytes {start} to {start + length}\): expected CRC-32C"
        )
        with pytest.raises(CorruptDataError, match=place):
            SealedZarr(target).read("numbers")
