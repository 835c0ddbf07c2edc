"""A copy of a data set with a column more: all else as it was, and the source untouched."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import lapsdata
from lapsdata.adapters.lerobot.adding import add_column
from lapsdata.adapters.lerobot.reading import read_set
from lapsdata.errors import CorruptDataError, SchemaError, StorageError
from lapsdata.testing.episode_sets import write_lerobot

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

LENGTHS = (4, 6, 5)
VERSIONS = ("v2.0", "v2.1", "v3.0")
NAME = "label.codes"
ENTRY = {"dtype": "int64", "shape": [2], "names": ["a", "b"], "info": {"nullable": True}}


def labels() -> dict[int, tuple[NDArray[np.int64], NDArray[np.bool_]]]:
    """Return labels of the first and the last episode: their number and row, none for the last row."""
    return {
        place: (np.stack([np.full(rows, place), np.arange(rows)], axis=1), np.arange(rows) == rows - 1)
        for place, rows in enumerate(LENGTHS)
        if place != 1
    }


def digests(root: Path) -> dict[str, str]:
    files = (path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def rows_of(root: Path) -> list[list[int] | None]:
    """Return the column of all files in their order."""
    files = sorted((root / "data").rglob("*.parquet"))
    return [value for file in files for value in pq.read_table(file).column(NAME).to_pylist()]


EXPECTED = [[0, 0], [0, 1], [0, 2], None, *[None] * 6, [2, 0], [2, 1], [2, 2], [2, 3], None]


@pytest.mark.parametrize("version", VERSIONS)
def test_rows_get_their_values_and_all_else_stays(version: str, tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "set", version=version, lengths=LENGTHS)
    before = digests(root)
    add_column(read_set(root), tmp_path / "copy", NAME, ENTRY, labels())
    assert digests(root) == before
    assert rows_of(tmp_path / "copy") == EXPECTED
    after = digests(tmp_path / "copy")
    changed = {name for name in before if after[name] != before[name]}
    assert changed == {name for name in before if name.startswith("data/")} | {"meta/info.json"}
    assert set(after) == set(before)
    for name in changed - {"meta/info.json"}:
        assert pq.read_table(tmp_path / "copy" / name).drop_columns([NAME]).equals(pq.read_table(root / name))
    told = json.loads((tmp_path / "copy/meta/info.json").read_text())
    assert told["features"].pop(NAME) == ENTRY
    assert told == json.loads((root / "meta/info.json").read_text())


@pytest.mark.parametrize("codec", ["ZSTD", "NONE"])
def test_groups_compression_and_metadata_stay(codec: str, tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "set", lengths=(5,))
    path = root / "data/chunk-000/episode_000000.parquet"
    table = pq.read_table(path).replace_schema_metadata({"huggingface": "{}"})
    pq.write_table(table, path, row_group_size=2, compression=codec)
    values = np.arange(10).reshape(5, 2)
    add_column(read_set(root), tmp_path / "copy", NAME, ENTRY, {0: (values, np.zeros(5, bool))})
    copied = pq.ParquetFile(tmp_path / "copy/data/chunk-000/episode_000000.parquet")
    assert [copied.metadata.row_group(at).num_rows for at in range(copied.num_row_groups)] == [2, 2, 1]
    assert copied.metadata.row_group(0).column(0).compression == {"NONE": "UNCOMPRESSED"}.get(codec, codec)
    assert copied.schema_arrow.metadata[b"huggingface"] == b"{}"
    assert copied.read().column(NAME).to_pylist() == values.tolist()


@pytest.mark.parametrize("version", VERSIONS)
def test_steps_of_the_copy_say_which_rows_have_no_value(version: str, tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "set", version=version, lengths=LENGTHS)
    add_column(read_set(root), tmp_path / "copy", NAME, ENTRY, labels())
    steps = lapsdata.open_steps(tmp_path / "copy", {NAME: [0, 0.1]})
    batch = steps.gather(range(len(steps)), fields=[NAME, f"{NAME}_is_null", f"{NAME}_is_pad"])
    none = np.array([value is None for value in EXPECTED])
    assert batch[NAME][:, 0].tolist() == [value or [0, 0] for value in EXPECTED]
    assert np.array_equal(batch[f"{NAME}_is_null"][:, 0], none)
    padded = batch[f"{NAME}_is_pad"][:, 1]
    following = np.where(padded, np.arange(len(none)), np.arange(len(none)) + 1)
    assert np.array_equal(batch[f"{NAME}_is_null"][:, 1], none[following])
    sample: dict[str, Any] = lapsdata.open_steps(tmp_path / "copy")[3]
    assert sample[NAME].tolist() == [0, 0]
    assert bool(sample[f"{NAME}_is_null"])
    assert steps.features[NAME].nullable  # type: ignore[union-attr]


def test_a_column_that_does_not_say_so_may_not_lack_values(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "set", lengths=(4,))
    entry = {**ENTRY, "info": {}}
    add_column(read_set(root), tmp_path / "copy", NAME, entry, {0: labels()[0]})
    with pytest.raises(
        SchemaError, match=r"expected a list in every row, got none in 1; .*nullable.* \[missing-value\]"
    ):
        lapsdata.open_steps(tmp_path / "copy").gather([0])


def test_one_number_in_a_row_is_no_list(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "set", lengths=(3,))
    values, null = np.array([[7], [8], [0]]), np.array([False, False, True])
    add_column(read_set(root), tmp_path / "copy", NAME, {**ENTRY, "shape": [1], "names": None}, {0: (values, null)})
    table = pq.read_table(tmp_path / "copy/data/chunk-000/episode_000000.parquet")
    assert table.schema.field(NAME).type == pa.int64()
    assert table.column(NAME).to_pylist() == [7, 8, None]
    batch = lapsdata.open_steps(tmp_path / "copy").gather([0, 1, 2])
    assert batch[NAME].tolist() == [7, 8, 0]
    assert batch[f"{NAME}_is_null"].tolist() == [False, False, True]


def test_rows_of_no_episode_get_the_column_too(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "set", lengths=(3, 3))
    stray = root / "data/chunk-000/episode_000009.parquet"
    stray.write_bytes((root / "data/chunk-000/episode_000001.parquet").read_bytes())
    add_column(read_set(root), tmp_path / "copy", NAME, ENTRY, {})
    assert rows_of(tmp_path / "copy") == [None] * 9


def test_what_cannot_be_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "set", lengths=(3,))
    found = read_set(root)
    for target in (root, root / "copy", tmp_path):
        with pytest.raises(StorageError, match=r"expected a folder beside the data set.* \[inside-source\]"):
            add_column(found, target, NAME, ENTRY, {})
    (tmp_path / "there").mkdir()
    with pytest.raises(StorageError, match=r"expected a free name, got an existing one; name another folder"):
        add_column(found, tmp_path / "there", NAME, ENTRY, {})
    with pytest.raises(SchemaError, match=r"features: action: expected a data set without action.* \[column-there\]"):
        add_column(found, tmp_path / "copy", "action", ENTRY, {})
    pq.write_table(pq.read_table(root / found.episodes.files[0]).slice(0, 2), root / found.episodes.files[0])
    with pytest.raises(CorruptDataError, match=r"episode 0: expected rows 0 to 3, got a file of 2 \[too-few-rows\]"):
        add_column(found, tmp_path / "copy", NAME, ENTRY, {})
    path = root / found.episodes.files[0]
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CorruptDataError, match=r"the file is cut short"):
        add_column(found, tmp_path / "copy", NAME, ENTRY, {})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["set", "there"]
