"""Where chunks of Zarr arrays lie, against zarr-python and tensorstore; what is not read here is named."""

from __future__ import annotations

import copy
import json
import math
import os
import re
import shutil
from typing import TYPE_CHECKING, Any

import numcodecs
import numpy as np
import pytest
import tensorstore
import zarr
from hypothesis import given
from hypothesis import strategies as st
from zarr.codecs import BloscCodec, BytesCodec, Crc32cCodec, GzipCodec, TransposeCodec, ZstdCodec

from lapsdata.errors import CorruptDataError, LapsError, SchemaError, StorageError, UnknownFormatError
from lapsdata.storage.gather import RowReader
from lapsdata.storage.index import ABSENT, ChunkIndex
from lapsdata.storage.zarr_index import zarr_index

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

VALUES = np.arange(7 * 5 * 4, dtype="<f4").reshape(7, 5, 4)
COMPRESSORS: dict[str, list[Any]] = {
    "raw": [],
    "crc32c": [Crc32cCodec()],
    "zstd": [ZstdCodec(level=3, checksum=True)],
    "gzip": [GzipCodec(level=4)],
    **{
        f"blosc {cname} {shuffle}": [BloscCodec(cname=cname, shuffle=shuffle, typesize=4)]
        for cname in ("lz4", "lz4hc", "blosclz", "zstd", "zlib")
        for shuffle in ("noshuffle", "shuffle", "bitshuffle")
    },
    "blosc crc32c": [BloscCodec(cname="zstd", typesize=4), Crc32cCodec()],
    "zstd gzip crc32c": [ZstdCodec(), GzipCodec(), Crc32cCodec()],
}
CHUNKS: dict[str, dict[str, Any]] = {
    "one row": {"chunks": (1, 5, 4)},
    "rows": {"chunks": (3, 5, 4)},
    "edges": {"chunks": (2, 3, 3)},
    "whole": {"chunks": (7, 5, 4)},
    "shards of rows": {"chunks": (1, 5, 4), "shards": (3, 5, 4)},
    "shards with edges": {"chunks": (2, 2, 3), "shards": (4, 4, 6)},
    "one shard": {"chunks": (1, 5, 4), "shards": (8, 5, 4)},
}


def make(place: Path, values: NDArray[Any] = VALUES, **options: Any) -> Path:
    options = {"chunks": values.shape, "compressors": None} | options
    made = zarr.create_array(str(place), shape=values.shape, dtype=values.dtype, **options)
    made[...] = values
    return place


def edit(place: Path, change: Callable[[dict[str, Any]], object], name: str = "zarr.json") -> Path:
    document = json.loads((place / name).read_text())
    change(document)
    (place / name).write_text(json.dumps(document))
    return place


def plain(place: Path) -> NDArray[Any]:
    return np.asarray(zarr.open_array(str(place), mode="r")[...])


def alike(found: NDArray[Any], wanted: NDArray[Any]) -> bool:
    native = wanted.astype(wanted.dtype.newbyteorder("="))
    return bool(found.dtype == native.dtype and found.shape == native.shape and found.tobytes() == native.tobytes())


class TestVersion3:
    @pytest.mark.parametrize("compressors", COMPRESSORS)
    @pytest.mark.parametrize("chunks", CHUNKS)
    def test_chunks_of_any_shape_behind_any_codec_are_found(
        self, tmp_path: Path, rows_of: Callable[..., NDArray[Any]], compressors: str, chunks: str
    ) -> None:
        place = make(tmp_path / "x", **CHUNKS[chunks], compressors=COMPRESSORS[compressors] or None)
        index = zarr_index(tmp_path, "x")
        assert index.plain == (compressors == "raw" and CHUNKS[chunks]["chunks"] == (1, 5, 4))
        assert alike(rows_of(index), VALUES)
        assert alike(plain(place), VALUES)

    @pytest.mark.parametrize("location", ["start", "end"])
    @pytest.mark.parametrize("compressors", ["raw", "zstd"])
    def test_the_index_of_a_shard_stands_at_either_end(
        self, tmp_path: Path, rows_of: Callable[..., NDArray[Any]], location: str, compressors: str
    ) -> None:
        shards = {"shape": (4, 5, 4), "index_location": location}
        make(tmp_path / "x", chunks=(1, 5, 4), shards=shards, compressors=COMPRESSORS[compressors] or None)
        assert alike(rows_of(zarr_index(tmp_path / "x", "")), VALUES)

    def test_the_index_of_a_shard_may_have_no_checksum(
        self, tmp_path: Path, rows_of: Callable[..., NDArray[Any]]
    ) -> None:
        make(tmp_path / "x", chunks=(1, 5, 4), shards=(8, 5, 4))
        edit(tmp_path / "x", lambda found: found["codecs"][0]["configuration"]["index_codecs"].pop())
        (shard,) = (tmp_path / "x" / "c" / "0" / "0").iterdir()
        shard.write_bytes(shard.read_bytes()[:-4])
        assert alike(plain(tmp_path / "x"), VALUES)
        assert alike(rows_of(zarr_index(tmp_path / "x", "")), VALUES)

    @pytest.mark.parametrize(
        "dtype", ["bool", "int8", "uint8", "int16", "uint32", "int64", "uint64", "float16", "float32", "float64"]
    )
    @pytest.mark.parametrize("endian", ["little", "big"])
    @pytest.mark.parametrize("chunks", [(1, 5, 4), (3, 5, 4)], ids=str)
    def test_numbers_of_any_kind_are_read(
        self,
        tmp_path: Path,
        rows_of: Callable[..., NDArray[Any]],
        dtype: str,
        endian: Any,
        chunks: tuple[int, ...],
    ) -> None:
        values = (VALUES % 2 if dtype == "bool" else VALUES).astype(dtype)
        make(tmp_path / "x", values, chunks=chunks, serializer=BytesCodec(endian=endian))
        assert alike(rows_of(zarr_index(tmp_path, "x")), values)

    @pytest.mark.parametrize("encoding", ["default", "v2"])
    @pytest.mark.parametrize("separator", ["/", "."])
    def test_chunk_keys_of_every_kind_are_found(
        self, tmp_path: Path, rows_of: Callable[..., NDArray[Any]], encoding: str, separator: Any
    ) -> None:
        keys: Any = {"name": encoding, "separator": separator}
        place = make(tmp_path / "x", chunks=(2, 5, 2), chunk_key_encoding=keys)
        assert alike(rows_of(zarr_index(tmp_path, "x")), VALUES)
        edit(place, lambda found: found["chunk_key_encoding"].pop("configuration"))
        if separator == {"default": "/", "v2": "."}[encoding]:
            assert alike(rows_of(zarr_index(tmp_path, "x")), VALUES)

    def test_codecs_of_numcodecs_are_undone(self, tmp_path: Path, rows_of: Callable[..., NDArray[Any]]) -> None:
        steps = [("shuffle", {"elementsize": 4}), ("zlib", {"level": 2}), ("crc32c", {"location": "end"})]
        place = make(tmp_path / "x", chunks=(2, 5, 4))

        def change(found: dict[str, Any]) -> None:
            found["codecs"] += [{"name": f"numcodecs.{name}", "configuration": facts} for name, facts in steps]

        edit(place, change)
        for path in (place / "c").rglob("0"):
            if path.is_file():
                content: Any = path.read_bytes()
                for name, facts in steps:
                    content = numcodecs.get_codec({"id": name, **facts}).encode(content)
                path.write_bytes(bytes(content))
        assert alike(rows_of(zarr_index(tmp_path, "x")), VALUES)

    def test_steps_may_be_named_without_settings(self, tmp_path: Path, rows_of: Callable[..., NDArray[Any]]) -> None:
        place = make(tmp_path / "x", VALUES.astype("u1"), chunks=(1, 5, 4), compressors=[Crc32cCodec()])
        edit(place, lambda found: found.update(codecs=["bytes", "crc32c"], chunk_key_encoding="default"))
        assert alike(rows_of(zarr_index(tmp_path, "x")), VALUES.astype("u1"))

    def test_what_tensorstore_writes_is_read(self, tmp_path: Path, rows_of: Callable[..., NDArray[Any]]) -> None:
        inner = [
            {"name": "bytes", "configuration": {"endian": "little"}},
            {"name": "blosc", "configuration": {"cname": "zstd", "clevel": 3, "shuffle": "shuffle", "typesize": 4}},
        ]
        outer = {"chunk_shape": [1, 5, 4], "codecs": inner, "index_location": "start"}
        store = tensorstore.open(
            {
                "driver": "zarr3",
                "kvstore": {"driver": "file", "path": str(tmp_path / "x")},
                "metadata": {
                    "data_type": "float32",
                    "shape": list(VALUES.shape),
                    "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [4, 5, 4]}},
                    "codecs": [{"name": "sharding_indexed", "configuration": outer}],
                },
            },
            create=True,
        ).result()
        store[...].write(VALUES).result()
        assert alike(rows_of(zarr_index(tmp_path, "x")), VALUES)

    @pytest.mark.parametrize("shape", [(0, 4), (3, 0)], ids=str)
    def test_arrays_without_elements_are_read(
        self, tmp_path: Path, rows_of: Callable[..., NDArray[Any]], shape: tuple[int, ...]
    ) -> None:
        zarr.create_array(str(tmp_path / "x"), shape=shape, chunks=(2, 2), dtype="f4")
        index = zarr_index(tmp_path, "x")
        assert index.shape == shape
        assert index.files == ()
        if shape[0]:
            assert rows_of(index).shape == shape


class TestVersion2:
    @pytest.mark.parametrize(
        "compressor",
        [
            None,
            numcodecs.Blosc("lz4", shuffle=2),
            numcodecs.Blosc("zstd", shuffle=1),
            numcodecs.Zstd(3),
            numcodecs.GZip(3),
            numcodecs.Zlib(3),
            numcodecs.LZ4(),
        ],
        ids=str,
    )
    @pytest.mark.parametrize("chunks", [(1, 5, 4), (3, 2, 3)], ids=str)
    @pytest.mark.parametrize("dtype", ["<f4", ">f4", "|b1", "<i8"])
    def test_compressors_are_undone(
        self,
        tmp_path: Path,
        rows_of: Callable[..., NDArray[Any]],
        compressor: Any,
        chunks: tuple[int, ...],
        dtype: str,
    ) -> None:
        values = (VALUES % 2 if dtype == "|b1" else VALUES).astype(dtype)
        place = make(tmp_path / "x", values, chunks=chunks, compressors=compressor, zarr_format=2)
        assert alike(rows_of(zarr_index(tmp_path, "x")), plain(place).astype(values.dtype))
        assert alike(rows_of(zarr_index(tmp_path, "x")), values)

    @pytest.mark.parametrize("separator", ["/", "."])
    @pytest.mark.parametrize("compressor", [None, numcodecs.Zlib(1)], ids=str)
    def test_filters_are_undone_after_the_compressor(
        self, tmp_path: Path, rows_of: Callable[..., NDArray[Any]], separator: Any, compressor: Any
    ) -> None:
        keys: Any = {"name": "v2", "separator": separator}
        facts = {"filters": [numcodecs.Shuffle(4)], "compressors": compressor}
        make(tmp_path / "x", chunks=(2, 5, 4), zarr_format=2, chunk_key_encoding=keys, **facts)
        index = zarr_index(tmp_path, "x")
        assert [codec.name for codec in index.codecs] == ["shuffle", *(["zlib"] if compressor else [])]
        assert alike(rows_of(index), VALUES)

    @pytest.mark.parametrize("fill", [None, 0, 4.5, "NaN", "-Infinity"])
    def test_missing_chunks_are_the_fill_value(
        self, tmp_path: Path, rows_of: Callable[..., NDArray[Any]], fill: Any
    ) -> None:
        place = make(tmp_path / "x", chunks=(2, 5, 4), zarr_format=2)
        edit(place, lambda found: found.update(fill_value=fill), ".zarray")
        (place / "1.0.0").unlink()
        found = rows_of(zarr_index(tmp_path, "x", fill=True))
        assert np.array_equal(found[2:4], np.full((2, 5, 4), 0 if fill is None else float(fill)), equal_nan=True)
        assert np.array_equal(np.delete(found, (2, 3), 0), np.delete(VALUES, (2, 3), 0))


class TestMissing:
    @pytest.mark.parametrize("fill", [0, 2.5, np.nan, np.inf, -np.inf])
    @pytest.mark.parametrize("chunks", ["one row", "edges", "shards of rows", "shards with edges"])
    @pytest.mark.parametrize("compressors", ["raw", "blosc crc32c"])
    def test_chunks_that_are_not_there_are_the_fill_value(
        self, tmp_path: Path, rows_of: Callable[..., NDArray[Any]], fill: float, chunks: str, compressors: str
    ) -> None:
        options = {**CHUNKS[chunks], "compressors": COMPRESSORS[compressors] or None, "fill_value": fill}
        made = zarr.create_array(str(tmp_path / "x"), shape=VALUES.shape, dtype="f4", **options)
        made[4:5] = VALUES[4:5]
        index = zarr_index(tmp_path, "x", fill=True)
        assert (index.offset == ABSENT).any()
        assert alike(rows_of(index), plain(tmp_path / "x"))
        with pytest.raises(CorruptDataError, match=r"expected (a file of chunks|\d+ chunks), got n.*\[chunk-missing\]"):
            zarr_index(tmp_path, "x")

    @pytest.mark.parametrize(
        ("written", "bits"), [("0x7fc00001", 0x7FC00001), ("0xffc00000", 0xFFC00000), ("0x3f800000", 0x3F800000)]
    )
    def test_a_fill_value_may_be_given_by_its_bits(
        self, tmp_path: Path, rows_of: Callable[..., NDArray[Any]], written: str, bits: int
    ) -> None:
        zarr.create_array(str(tmp_path / "x"), shape=(2, 3), chunks=(1, 3), dtype="f4")
        edit(tmp_path / "x", lambda found: found.update(fill_value=written))
        found = rows_of(zarr_index(tmp_path, "x", fill=True))
        assert (found.view(np.uint32) == bits).all()

    @pytest.mark.parametrize(("dtype", "fill"), [("bool", True), ("int64", -(2**63)), ("uint64", 2**64 - 1)])
    def test_fill_values_of_whole_numbers_are_exact(
        self, tmp_path: Path, rows_of: Callable[..., NDArray[Any]], dtype: str, fill: Any
    ) -> None:
        zarr.create_array(str(tmp_path / "x"), shape=(2, 3), chunks=(1, 3), dtype=dtype, fill_value=fill)
        assert rows_of(zarr_index(tmp_path, "x", fill=True)).tolist() == [[fill] * 3] * 2


class TestRefused:
    @pytest.mark.parametrize(
        ("options", "named"),
        [
            ({"filters": [TransposeCodec(order=(1, 0, 2))]}, "the codec 'transpose'"),
            ({"filters": [TransposeCodec(order=(2, 1, 0))], "shards": (8, 5, 4)}, "the codec 'transpose'"),
            ({"zarr_format": 2, "filters": [numcodecs.Delta("<f4")]}, "the codec 'delta'"),
            ({"zarr_format": 2, "compressors": numcodecs.BZ2()}, "the codec 'bz2'"),
            ({"zarr_format": 2, "compressors": numcodecs.CRC32C(location="start")}, "with its checksum in front"),
            ({"zarr_format": 2, "order": "F"}, "Fortran order"),
        ],
        ids=str,
    )
    def test_what_zarr_python_reads_and_we_do_not_is_named(
        self, tmp_path: Path, options: dict[str, Any], named: str
    ) -> None:
        make(tmp_path / "x", **{"chunks": (1, 5, 4), **options})
        with pytest.raises(UnknownFormatError, match=rf"x: expected plain numbers in C order.*got .*{named}"):
            zarr_index(tmp_path, "x")

    @pytest.mark.parametrize(
        ("change", "named"),
        [
            ({"data_type": "complex64"}, "the data type 'complex64'"),
            ({"data_type": {"name": "struct"}}, "the data type {'name': 'struct'}"),
            ({"chunk_grid": {"name": "rectilinear", "configuration": {}}}, "the chunk grid 'rectilinear'"),
            ({"chunk_key_encoding": {"name": "hashed"}}, "the chunk keys 'hashed'"),
            ({"storage_transformers": [{"name": "chained"}]}, "storage transformers"),
            ({"codecs": [{"name": "vlen-utf8"}]}, "the codec 'vlen-utf8'"),
            ({"codecs": ["bytes", "lzma"]}, "the codec 'lzma'"),
            ({"codecs": ["bytes", "deflate"]}, "the codec 'deflate'"),
        ],
        ids=str,
    )
    def test_what_metadata_of_version_3_ask_for_is_named(
        self, tmp_path: Path, change: dict[str, Any], named: str
    ) -> None:
        edit(make(tmp_path / "x"), lambda found: found.update(change))
        with pytest.raises(UnknownFormatError, match=re.escape(f"got {named}")):
            zarr_index(tmp_path, "x")

    @pytest.mark.parametrize("dtype", [[["a", "<f4"]], "<U3", "|S4", "|O", "<M8[s]", "<c8"], ids=str)
    def test_elements_of_version_2_that_are_no_numbers_are_named(self, tmp_path: Path, dtype: Any) -> None:
        edit(make(tmp_path / "x", zarr_format=2), lambda found: found.update(dtype=dtype), ".zarray")
        with pytest.raises(UnknownFormatError, match=r"expected plain numbers .*, got the data type"):
            zarr_index(tmp_path, "x")

    @pytest.mark.parametrize("version", [4, 2, "3", None])
    def test_another_version_is_named(self, tmp_path: Path, version: Any) -> None:
        place = make(tmp_path / "x")
        edit(place, lambda found: found.update(zarr_format=version))
        with pytest.raises(UnknownFormatError, match=rf"got Zarr version {version!r} in a zarr\.json"):
            zarr_index(place, "")

    def test_another_version_in_metadata_of_version_2_is_named(self, tmp_path: Path) -> None:
        place = make(tmp_path / "x", zarr_format=2)
        edit(place, lambda found: found.update(zarr_format=3), ".zarray")
        with pytest.raises(UnknownFormatError, match=r"got Zarr version 3 in a \.zarray"):
            zarr_index(place, "")

    @pytest.mark.parametrize("extension", [{"must_understand": True, "by": 2}, {"by": 2}, {}, 7, None, ["x"]], ids=str)
    def test_extensions_that_must_be_understood_are_named(self, tmp_path: Path, extension: Any) -> None:
        place = make(tmp_path / "x")
        edit(place, lambda found: found.update(scaled=extension))
        with pytest.raises(UnknownFormatError, match="got the extension 'scaled', which must be understood"):
            zarr_index(place, "")

    def test_extensions_that_need_not_be_understood_are_passed_by(
        self, tmp_path: Path, rows_of: Callable[..., NDArray[Any]]
    ) -> None:
        place = make(tmp_path / "x", dimension_names=("w", None, "n"), attributes={"of": "anybody"})
        edit(place, lambda found: found.update(scaled={"must_understand": False, "by": 2}))
        assert alike(rows_of(zarr_index(place, "")), VALUES)

    @pytest.mark.parametrize(
        ("codecs", "named"),
        [
            (["bytes", "gzip"], "an index of shards behind bytes and gzip"),
            ([{"name": "bytes", "configuration": {"endian": "big"}}, "crc32c"], "a big-endian index of shards"),
        ],
        ids=str,
    )
    def test_other_indexes_of_shards_are_named(self, tmp_path: Path, codecs: list[Any], named: str) -> None:
        place = make(tmp_path / "x", chunks=(1, 5, 4), shards=(7, 5, 4))
        edit(place, lambda found: found["codecs"][0]["configuration"].update(index_codecs=codecs))
        with pytest.raises(UnknownFormatError, match=named):
            zarr_index(tmp_path, "x")

    def test_codecs_around_shards_and_shards_in_shards_are_named(self, tmp_path: Path) -> None:
        place = make(tmp_path / "x", chunks=(1, 5, 4), shards=(7, 5, 4))
        edit(place, lambda found: found["codecs"].append({"name": "crc32c"}))
        with pytest.raises(UnknownFormatError, match="the codec 'crc32c' around shards"):
            zarr_index(tmp_path, "x")
        edit(place, lambda found: found["codecs"].pop())
        edit(place, lambda found: found["codecs"][0]["configuration"].update(codecs=copy.deepcopy(found["codecs"])))
        with pytest.raises(UnknownFormatError, match="the codec 'sharding_indexed'"):
            zarr_index(tmp_path, "x")

    @pytest.mark.parametrize(
        "change",
        [
            {"shape": [7, 5]},
            {"shape": [7.0, 5, 4]},
            {"shape": [-7, 5, 4]},
            {"shape": [True, 5, 4]},
            {"shape": "754"},
            {"shape": None},
            {"chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [0, 5, 4]}}},
            {"chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [7, 5]}}},
            {"chunk_grid": {"name": "regular"}},
            {"chunk_key_encoding": {"name": "default", "configuration": {"separator": "../"}}},
            {"codecs": []},
            {"codecs": None},
            {"codecs": [{"name": "bytes", "configuration": {"endian": "middle"}}]},
            {"fill_value": "many"},
            {"fill_value": "0xzz"},
            {"fill_value": {}},
        ],
        ids=str,
    )
    def test_metadata_that_make_no_sense_are_damage(self, tmp_path: Path, change: dict[str, Any]) -> None:
        edit(make(tmp_path / "x"), lambda found: found.update(change))
        with pytest.raises(CorruptDataError, match=r"x: zarr\.json: expected array metadata, got .*\[undecodable\]"):
            zarr_index(tmp_path, "x")

    @pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"null", b"\xff{", b"[" * 10**5], ids=lambda c: str(c[:4]))
    def test_metadata_that_are_no_metadata_are_damage(self, tmp_path: Path, content: bytes) -> None:
        (make(tmp_path / "x") / "zarr.json").write_bytes(content)
        with pytest.raises(CorruptDataError, match=r"\[undecodable\]"):
            zarr_index(tmp_path, "x")

    def test_shards_that_hold_parts_of_chunks_are_damage(self, tmp_path: Path) -> None:
        place = make(tmp_path / "x", chunks=(2, 5, 4), shards=(8, 5, 4))
        edit(place, lambda found: found["codecs"][0]["configuration"].update(chunk_shape=[3, 5, 4]))
        with pytest.raises(CorruptDataError, match=r"do not hold whole chunks"):
            zarr_index(tmp_path, "x")

    def test_no_array_is_told(self, tmp_path: Path) -> None:
        zarr.create_group(str(tmp_path / "group"))
        zarr.create_array(str(tmp_path / "value"), shape=(), dtype="f4")
        with pytest.raises(SchemaError, match=r"group: expected a Zarr array, got a group"):
            zarr_index(tmp_path, "group")
        with pytest.raises(SchemaError, match=r"value: expected an array with rows, got a single value"):
            zarr_index(tmp_path, "value")
        with pytest.raises(SchemaError, match=r"nothing: expected a Zarr array, got no zarr.json and no .zarray"):
            zarr_index(tmp_path, "nothing")


def shard_of(place: Path) -> Path:
    (shard,) = (path for path in (place / "c").rglob("*") if path.is_file())
    return shard


class TestDamagedShards:
    @pytest.fixture
    def place(self, tmp_path: Path) -> Path:
        return make(tmp_path / "x", chunks=(1, 5, 4), shards=(8, 5, 4))

    def test_any_flipped_bit_of_an_index_is_told(self, place: Path) -> None:
        whole = shard_of(place).read_bytes()
        for at in range(len(whole) - 8 * 16 - 4, len(whole)):
            damaged = bytearray(whole)
            damaged[at] ^= 1 << at % 8
            shard_of(place).write_bytes(damaged)
            with pytest.raises(CorruptDataError, match=r"x: c/0/0/0: expected a shard index .*\[shard-index\]"):
                zarr_index(place, "")

    def test_a_shard_cut_anywhere_is_told(self, place: Path) -> None:
        whole = shard_of(place).read_bytes()
        for length in range(0, len(whole), 7):
            shard_of(place).write_bytes(whole[:length])
            with pytest.raises(CorruptDataError, match=r"\[(shard-index|chunk-missing|chunk-outside)\]"):
                zarr_index(place, "")

    @pytest.mark.parametrize(
        ("offset", "length"), [(10**6, 80), (0, 10**6), (2**64 - 1, 80), (2**63, 2**63), (2**64 - 81, 80)]
    )
    def test_chunks_outside_of_their_shard_are_told(self, place: Path, offset: int, length: int) -> None:
        edit(place, lambda found: found["codecs"][0]["configuration"]["index_codecs"].pop())
        content = bytearray(shard_of(place).read_bytes()[:-4])
        content[-8 * 16 : -7 * 16] = offset.to_bytes(8, "little") + length.to_bytes(8, "little")
        shard_of(place).write_bytes(content)
        with pytest.raises(CorruptDataError, match=r"\[chunk-outside\]"):
            zarr_index(place, "")

    def test_a_shard_that_was_replaced_while_it_was_looked_at_is_told(
        self, place: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from lapsdata.storage import zarr_index as module

        plain_key = module.file_key
        monkeypatch.setattr(module, "file_key", lambda path: plain_key(path).__class__(plain_key(path).size, 0, 0))
        with pytest.raises(StorageError, match=r"\[replaced\]"):
            zarr_index(place, "")


@pytest.mark.parametrize("length", [0, 1, 3, 4, 19])
def test_chunks_shorter_than_their_checksum_are_told(
    tmp_path: Path, rows_of: Callable[..., NDArray[Any]], length: int
) -> None:
    for name in ("blosc crc32c", "crc32c"):
        place = make(tmp_path / name, chunks=(1, 5, 4), compressors=COMPRESSORS[name])
        (place / "c" / "3" / "0" / "0").write_bytes(bytes(length))
        for io in ("pread", "mmap"):
            with pytest.raises(LapsError, match=r"\[(wrong-chunk-length|undecodable|payload-checksum)\]"):
                rows_of(zarr_index(place, ""), io=io)


class OnePiece:
    def __init__(self, source: ChunkIndex) -> None:
        self.where, self.rows, self.found = "x", source.shape[0], {"x": source}

    def sources(self) -> Mapping[str, ChunkIndex]:
        return self.found


def read_in_any_order(index: ChunkIndex, threads: int) -> NDArray[Any]:
    kind = np.dtype((index.dtype.newbyteorder("="), index.shape[1:]))
    reader = RowReader([OnePiece(index)], {"x": kind})
    order = np.random.default_rng(0).permutation(len(reader))
    found = np.empty((len(reader), *kind.shape), kind.base)
    found[order] = reader.gather(order, threads=threads)["x"]
    reader.close()
    return found


@st.composite
def arrays(draw: st.DrawFn) -> tuple[NDArray[Any], dict[str, Any], list[tuple[slice, ...]]]:
    """Give values, how they are stored, and which boxes of them are written."""
    shape = tuple(draw(st.lists(st.integers(1, 9), min_size=1, max_size=3)))
    chunks = tuple(draw(st.integers(1, n + 2)) for n in shape)
    shards = draw(st.none() | st.tuples(*(st.integers(1, 3) for _ in shape)))
    dtype = np.dtype(draw(st.sampled_from(["<f4", "<f2", "<f8", "i1", "<i8", "<u2"])))
    values = np.arange(1, 1 + math.prod(shape)).reshape(shape).astype(dtype)
    options: dict[str, Any] = {
        "chunks": chunks,
        "shards": None if shards is None else tuple(c * s for c, s in zip(chunks, shards, strict=True)),
        "compressors": COMPRESSORS[draw(st.sampled_from(sorted(COMPRESSORS)))] or None,
        "fill_value": dtype.type(99),
    }
    boxes = st.tuples(*(st.builds(slice, st.integers(0, n), st.integers(0, n)) for n in shape))
    return values, options, draw(st.just([()]) | st.lists(boxes, max_size=3))


@given(made=arrays(), threads=st.integers(1, 2))
def test_any_array_reads_as_zarr_python_reads_it(
    tmp_path_factory: pytest.TempPathFactory,
    made: tuple[NDArray[Any], dict[str, Any], list[tuple[slice, ...]]],
    threads: int,
) -> None:
    values, options, boxes = made
    place = tmp_path_factory.getbasetemp() / f"any{os.getpid()}"
    array = zarr.create_array(str(place), shape=values.shape, dtype=values.dtype, **options)
    for box in boxes:
        array[box] = values[box]
    assert alike(read_in_any_order(zarr_index(place, "", fill=True), threads), np.asarray(array[...]))
    shutil.rmtree(place)
