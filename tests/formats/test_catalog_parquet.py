"""Catalogs in Parquet: read in parts, each verified by itself; and what a catalog refuses to be."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lapsdata import formats
from lapsdata.containers.catalog import Catalog, check_splits
from lapsdata.errors import CorruptDataError, LengthMismatchError, SchemaError, UnknownFormatError
from lapsdata.formats import catalog_parquet
from lapsdata.schema.catalog import CatalogHeader
from lapsdata.storage import sealed_groups
from lapsdata.storage.sealed_groups import GroupedTable, write_sealed_groups
from lapsdata.testing.samples import sample_boxes, sample_catalog

if TYPE_CHECKING:
    from pathlib import Path


def changed(**columns: Any) -> Catalog:
    return dataclasses.replace(sample_catalog(), **columns)


def test_any_tool_reads_the_table(tmp_path: Path) -> None:
    formats.write(tmp_path / "data.catalog.parquet", sample_catalog())
    table = pq.read_table(tmp_path / "data.catalog.parquet")
    assert table.column_names == [
        "path", "video", "group", "split", "first", "windows", "duration_s", "rate", "digest",
    ]  # fmt: skip
    assert table["split"].to_pylist() == ["train", "train", "test"]
    assert table["duration_s"].to_pylist() == [None, pytest.approx(0.5), pytest.approx(0.6)]
    assert table["windows"].type == pa.int64()


def test_one_column_is_read_and_verified_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealed_groups, "ROW_GROUP", 4)
    path = tmp_path / "data.parquet"
    formats.write(path, sample_catalog(items=10))
    chunk = pq.read_metadata(path).row_group(1).column(8)
    content = bytearray(path.read_bytes())
    content[chunk.dictionary_page_offset + 40] ^= 1
    path.write_bytes(content)
    table = GroupedTable(path)
    assert table.rows == (4, 4, 2)
    assert table.columns(["windows"])["windows"].to_pylist() == list(range(1, 11))
    assert table.group(2, ["digest"]).num_rows == 2
    with pytest.raises(CorruptDataError, match=r"data\.parquet"):
        table.group(1, ["digest"])


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ({"split": ("train", "test", "test")}, "group|video"),
        ({"split": ("train", "dev", None)}, "expected some of .'train', 'test'., got 'dev'"),
        ({"path": ("a", "a", "a"), "video": ("b", "b", "c")}, "expected each item once, got 'b of a' again"),
        ({"windows": np.array([1, 2, 4])}, "windows: expected 6 as in the header, got 7"),
        ({"windows": np.array([0, 2, 4])}, "expected at least one window"),
        ({"first": np.array([0, -1, 0])}, "expected 0 or more"),
        ({"duration_s": np.array([0.0, 1.0, np.inf])}, "expected seconds above 0, or NaN; first at 0, 2 in all"),
        ({"digest": (None, None, None)}, "unsummed: expected 1 as in the header, got 3"),
        ({"group": (None, 1, None)}, "expected texts, got int in row 1"),
        ({"first": np.zeros(3)}, "expected int64, got float64"),
    ],
)
def test_rows_that_make_no_sense_are_refused(columns: dict[str, Any], told: str) -> None:
    group = {"group": ("one",) * 3} if columns.get("split") == ("train", "test", "test") else {}
    with pytest.raises((SchemaError, LengthMismatchError), match=told):
        changed(**columns, **group)


def test_columns_of_unlike_lengths_are_refused() -> None:
    with pytest.raises(LengthMismatchError, match="expected M = 3 as in first, got 2"):
        changed(windows=np.array([1, 2]))


def test_groups_and_videos_are_in_one_split() -> None:
    check_splits(["a", "a", "b"], [None, "x", "x"], ["train", "train", None], "catalog")
    with pytest.raises(SchemaError, match=r"video: expected each in one split, got 'a' in test, train \(2 such\)"):
        check_splits(["a", "b", "a", "b"], [None] * 4, ["train", "test", "test", "train"], "catalog")


def test_facts_are_told_at_a_glance() -> None:
    assert sample_catalog().facts() == {
        "items": "3 of 3 videos",
        "windows": "6",
        "time": "1.100 s in all",
        "splits": "train: 2 items, test: 1 items",
    }


def test_other_tables_are_no_catalogs(tmp_path: Path) -> None:
    formats.write(tmp_path / "boxes.parquet", sample_boxes())
    with pytest.raises(CorruptDataError, match=r"expected|seal"):
        catalog_parquet.read(tmp_path / "boxes.parquet")
    pq.write_table(pa.table({"x": [1]}), tmp_path / "plain.parquet")
    with pytest.raises(UnknownFormatError, match="expected a Parquet file with a lapsdata header"):
        catalog_parquet.read(tmp_path / "plain.parquet")
    header = sample_catalog().header.as_json()
    write_sealed_groups(tmp_path / "odd.parquet", header, pa.table({"path": ["a"]}))
    with pytest.raises(CorruptDataError, match=r"expected the columns \['path', 'video'.*got \['path'\]"):
        catalog_parquet.read_header(tmp_path / "odd.parquet")


def test_a_header_says_what_is_in_the_table(tmp_path: Path) -> None:
    formats.write(tmp_path / "data.parquet", sample_catalog())
    header = formats.read_header(tmp_path / "data.parquet")
    assert isinstance(header, CatalogHeader)
    assert header == sample_catalog().header


def test_a_table_without_rows_and_one_of_slices(tmp_path: Path) -> None:
    write_sealed_groups(tmp_path / "none.parquet", {"format": "n"}, pa.table({"x": pa.array([], pa.string())}))
    assert GroupedTable(tmp_path / "none.parquet").columns(["x"])["x"].to_pylist() == []
    whole = pa.table({"x": ["a", None, "ß", "", "e"], "f": [0.5, None, 1.0, float("nan"), 2.0]})
    for number, part in enumerate((whole.slice(1, 3), pa.concat_tables([whole.slice(1, 2), whole.slice(3, 1)]))):
        write_sealed_groups(tmp_path / f"{number}.parquet", {"format": "n"}, part, rows_per_group=2)
    one, other = (GroupedTable(tmp_path / f"{number}.parquet") for number in range(2))
    assert one.seal == other.seal
    assert len(one) == 3
    assert one.columns(["x"])["x"].to_pylist() == [None, "ß", ""]


def test_a_seal_of_another_header_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "data.parquet"
    write_sealed_groups(path, {"format": "n", "rate": 24}, pa.table({"x": [1, 2]}))
    table = pq.read_table(path)
    told = {**table.schema.metadata, b"lapsdata:header": b'{"format":"n","rate":25}'}
    pq.write_table(table.replace_schema_metadata(told), path)
    with pytest.raises(CorruptDataError, match=r"header: expected .* as sealed"):
        GroupedTable(path)
