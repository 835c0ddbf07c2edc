"""CHANGELOG.md and CONTRIBUTING.md say what is so."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lapsdata.plugins import registry
from lapsdata.schema import RECORDS
from lapsdata.schema.base import Header

if TYPE_CHECKING:
    from pathlib import Path

STORES = {"hdf5": "HDF5", "zarr": "Zarr v3", "jsonl": "JSONL", "parquet": "Parquet", "webdataset": "WebDataset"}


def format_table(root: Path) -> dict[str, list[str]]:
    rows = re.findall(r"^\| (.+) \|$", (root / "CHANGELOG.md").read_text(), re.MULTILINE)
    cells = [row.split(" | ") for row in rows]
    return {name: rest for name, *rest in cells[2:]}


def test_the_table_lists_every_format_with_its_stores_and_version(root: Path) -> None:
    formats = [entry for entry in registry("formats").entries() if entry.distribution == "lapsdata"]
    stores: dict[str, set[str]] = {}
    for entry in formats:
        record, _, store = entry.name.rpartition("_")
        stores.setdefault(record, set()).add(STORES[store])
    table = format_table(root)
    for record, expected in stores.items():
        told, version, _, schemas = table[record]
        assert set(told.split(", ")) == expected
        header = RECORDS[f"{record}.v1"]
        assert issubclass(header, Header)
        assert version == f"{header.MAJOR}.{header.MINOR}"
        assert f"`schemas/{record}.v1.json`" in schemas


def test_the_table_lists_every_schema(root: Path) -> None:
    told = {name for row in format_table(root).values() for name in re.findall(r"(\w+\.v\d+)\.json", row[-1])}
    assert told == set(RECORDS)


def test_every_file_that_contributors_are_sent_to_exists(root: Path) -> None:
    text = (root / "CONTRIBUTING.md").read_text()
    named = re.findall(r"`((?:lapsdata|tests|schemas)/[\w/.]*)`", text)
    assert len(named) > 3
    assert [path for path in named if not (root / path).exists()] == []


def test_the_guide_is_one_page(root: Path) -> None:
    assert len((root / "CONTRIBUTING.md").read_text().splitlines()) <= 80
