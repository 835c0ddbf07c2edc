"""Tables of others as arrays: columns in every form that programs write them, and files that are not what they seem."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.errors import CorruptDataError, LapsError, SchemaError, StorageError, UnknownFormatError
from lapsdata.storage.parquet_rows import ParquetRows, column_array, read_parquet

if TYPE_CHECKING:
    from pathlib import Path

ROWS = np.arange(12, dtype=np.float32).reshape(6, 2)
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize 12345\n" % (b"0" * 64)


def lists(values: np.ndarray[Any, Any], kind: str) -> pa.Array:
    """Return rows (R, C) as a column of lists of one of the three kinds."""
    flat = pa.array(values.reshape(-1))
    if kind == "fixed":
        return pa.FixedSizeListArray.from_arrays(flat, values.shape[1])
    bounds = np.arange(len(values) + 1) * values.shape[1]
    if kind == "list":
        return pa.ListArray.from_arrays(pa.array(bounds, pa.int32()), flat)
    return pa.LargeListArray.from_arrays(pa.array(bounds, pa.int64()), flat)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    target = tmp_path / "rows.parquet"
    table = pa.table({"state": lists(ROWS, "list"), "reward": ROWS[:, 0], "task": ["a", None, "b", "b", "a", "a"]})
    pq.write_table(table, target, row_group_size=4)
    return target


# --- columns ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["list", "large", "fixed"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.uint8, np.bool_])
@pytest.mark.parametrize("cut", [slice(None), slice(2, 5), slice(0, 0)], ids=["all", "middle", "none"])
def test_lists_of_every_kind_are_rows(kind: str, dtype: type, cut: slice) -> None:
    values = ROWS.astype(dtype)
    column = lists(values, kind)[cut]
    found = column_array(pa.chunked_array([column]), "state")
    assert found.dtype == dtype
    wanted = values[cut]
    np.testing.assert_array_equal(found, wanted if len(wanted) or kind == "fixed" else wanted[:, :0])


def test_lists_in_lists_and_columns_of_several_chunks() -> None:
    values = np.arange(24).reshape(4, 2, 3)
    chunks = [pa.array(part.tolist()) for part in (values[:1], values[1:])]
    np.testing.assert_array_equal(column_array(pa.chunked_array(chunks), "pose"), values)
    assert column_array(pa.chunked_array([], pa.float32()), "none").shape == (0,)


def test_numbers_alone_and_floats_that_are_missing() -> None:
    assert column_array(pa.chunked_array([[1, 2, 3]]), "task").dtype == np.int64
    np.testing.assert_array_equal(column_array(pa.chunked_array([[0.5, None]]), "reward"), [0.5, np.nan])
    nested = pa.chunked_array([pa.array([[0.5, None], [1.0, 2.0]])])
    np.testing.assert_array_equal(column_array(nested, "state"), [[0.5, np.nan], [1.0, 2.0]])


@pytest.mark.parametrize(
    ("values", "code", "message"),
    [
        ([[1, 2], [3]], "unlike-shapes", "state: expected lists of one length, got lengths from 1 to 2"),
        ([[1, 2], None], "missing-value", "state: expected a list in every row, got none in 1"),
        ([1, None, None], "missing-value", "state: expected a value in every row, got none in 2"),
        ([[True, None]], "missing-value", "state: expected a value in every row, got none in 1"),
        (["a"], "wrong-type", "state: expected numbers, got string"),
        ([{"bytes": b"1"}], "wrong-type", "state: expected numbers, got struct"),
    ],
)
def test_columns_that_are_no_arrays_are_refused(values: list[Any], code: str, message: str) -> None:
    with pytest.raises(SchemaError, match=message) as caught:
        column_array(pa.chunked_array([pa.array(values)]), "state")
    assert [problem.code for problem in caught.value.problems] == [code]


@given(st.integers(1, 3), st.lists(st.integers(0, 5), min_size=1, max_size=4), st.data())
def test_any_slice_of_any_chunks(width: int, lengths: list[int], data: st.DataObject) -> None:
    values = [np.arange(n * width, dtype=np.int64).reshape(n, width) for n in lengths]
    kind = data.draw(st.sampled_from(["list", "large", "fixed"]))
    column = pa.chunked_array([lists(part, kind) for part in values])
    start = data.draw(st.integers(0, len(column)))
    count = data.draw(st.integers(0, len(column) - start))
    found = column_array(column.slice(start, count), "state")
    assert found.reshape(-1).tolist() == np.concatenate(values)[start : start + count].reshape(-1).tolist()


# --- files ------------------------------------------------------------------------------------------------------


def test_groups_are_read_one_at_a_time(path: Path) -> None:
    rows = ParquetRows(path)
    assert (len(rows), rows.bounds.tolist()) == (6, [0, 4, 6])
    first, last = (rows.read(group, ["reward", "state"]) for group in (0, 1))
    np.testing.assert_array_equal(np.concatenate([first["state"], last["state"]]), ROWS)
    assert last["reward"].tolist() == [8.0, 10.0]
    assert rows.values(0, "task") == ["a", None, "b", "b"]


@pytest.mark.parametrize("method", ["read", "values"])
def test_a_column_that_is_not_there_is_told_beside_those_that_are(path: Path, method: str) -> None:
    rows = ParquetRows(path)
    with pytest.raises(SchemaError, match="expected the columns action, got state, reward, task"):
        rows.read(0, ["state", "action"]) if method == "read" else rows.values(0, "action")


@pytest.mark.parametrize("kind", ["fixed", "list", "large"])
def test_rows_without_a_value_are_zeros_and_named_where_that_may_be(kind: str, tmp_path: Path) -> None:
    whole = lists(ROWS.astype(np.int64), kind)
    table = pa.table({"codes": whole.take(pa.array([0, None, 2, 3, None, 5]))})
    pq.write_table(table, tmp_path / "rows.parquet", row_group_size=4)
    rows = ParquetRows(tmp_path / "rows.parquet", {"codes_is_null": "codes"})
    found = rows.read(0, ["codes", "codes_is_null"])
    assert found["codes"].tolist() == [[0, 1], [0, 0], [4, 5], [6, 7]]
    assert found["codes"].dtype == np.int64
    assert found["codes_is_null"].tolist() == [False, True, False, False]
    assert rows.read(1, ["codes_is_null"])["codes_is_null"].tolist() == [True, False]
    with pytest.raises(SchemaError, match=r"expected a list in every row, got none in 1; .* \[missing-value\]"):
        ParquetRows(tmp_path / "rows.parquet").read(0, ["codes"])


def test_some_columns_of_a_whole_table(path: Path) -> None:
    assert read_parquet(path).column_names == ["state", "reward", "task"]
    assert read_parquet(path, ["reward"]).to_pydict() == {"reward": ROWS[:, 0].tolist()}


@pytest.mark.parametrize("opened", [ParquetRows, read_parquet])
@pytest.mark.parametrize(
    ("data", "kind", "code", "message"),
    [
        (POINTER, UnknownFormatError, "git-lfs-pointer", "got a Git LFS pointer.*; run git lfs pull"),
        (b"", UnknownFormatError, "not-parquet", "got an empty file"),
        (b"PK\x03\x04zip", UnknownFormatError, "not-parquet", r"which begins with 'PAR1', got b'PK"),
        (b"PAR1", CorruptDataError, "damaged-parquet", "cannot be decoded: "),
        (b"PAR1 and no more", CorruptDataError, "truncated-data", "the file is cut short"),
        (b"PAR1" + b"\xff" * 40 + b"PAR1", CorruptDataError, "damaged-parquet", "cannot be decoded: "),
    ],
    ids=["pointer", "empty", "zip", "magic", "cut", "footer"],
)
def test_what_is_no_whole_parquet_is_named(
    tmp_path: Path, opened: Any, data: bytes, kind: type[LapsError], code: str, message: str
) -> None:
    target = tmp_path / "rows.parquet"
    target.write_bytes(data)
    with pytest.raises(kind, match=message) as caught:
        opened(target)
    assert [(problem.code, problem.where) for problem in caught.value.problems] == [(code, str(target))]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"rows\.parquet: .*no such"):
        ParquetRows(tmp_path / "rows.parquet")


@given(data=st.data())
def test_a_damaged_file_is_an_error_or_read(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    target = tmp_path_factory.mktemp("damage") / "rows.parquet"
    pq.write_table(pa.table({"state": lists(ROWS, "list"), "reward": ROWS[:, 0]}), target, row_group_size=4)
    whole = target.read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    bit = data.draw(st.none() | st.integers(0, 7))
    target.write_bytes(whole[:at] if bit is None else whole[:at] + bytes([whole[at] ^ 1 << bit]) + whole[at + 1 :])
    found = None
    try:
        rows = ParquetRows(target)
        parts = [rows.read(group, ["state", "reward"]) for group in range(len(rows.bounds) - 1)]
    except LapsError as error:
        found = error
    if found is None:
        for part, count in zip(parts, np.diff(rows.bounds), strict=True):
            assert {len(array) for array in part.values()} == {count}
    else:
        assert all(str(target) in problem.where for problem in found.problems)


def test_a_name_that_is_no_text_is_damage(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"reward", b"rewar\xe4"))
    with pytest.raises(CorruptDataError, match=r"rows\.parquet: cannot be decoded: 'utf-8' codec"):
        _ = ParquetRows(path).schema.names


def test_a_page_that_says_fewer_values_than_its_group_has_rows_is_damage(path: Path) -> None:
    rows = ParquetRows(path)
    # As if the footer said it: the pages of the group hold 2.
    rows.bounds = np.array([0, 4, 8])
    with pytest.raises(CorruptDataError, match="expected 4 rows in group 1, as its footer says, got 2"):
        rows.read(1, ["reward"])


def test_sums_of_pages_are_checked_where_there_are_any(path: Path) -> None:
    plain = {"compression": "none", "use_dictionary": False}
    pq.write_table(pa.table({"reward": ROWS[:, 0]}), path, write_page_checksum=True, **plain)
    data = path.read_bytes()
    value = np.float32(8).tobytes()
    assert data.count(value) >= 1
    at = data.index(value)
    path.write_bytes(data[:at] + np.float32(9).tobytes() + data[at + 4 :])
    with pytest.raises(CorruptDataError, match="checksum"):
        ParquetRows(path).read(0, ["reward"])


def test_no_file_stays_open_until_it_is_collected(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[pq.ParquetFile] = []

    class Recorded(pq.ParquetFile):  # type: ignore[misc]  # pyarrow publishes no types
        def __init__(self, *given: Any, **options: Any) -> None:
            super().__init__(*given, **options)
            made.append(self)

    monkeypatch.setattr(pq, "ParquetFile", Recorded)
    rows = ParquetRows(path)
    rows.read(0, ["state"])
    read_parquet(path)
    with pytest.raises(CorruptDataError, match="cannot be decoded"):
        ParquetRows(path).read(7, ["state"])
    assert len(made) == 5
    assert all(file.closed for file in made)


def test_a_column_that_is_there_twice_is_an_error(tmp_path: Path) -> None:
    pq.write_table(
        pa.table([pa.array([1]), pa.array([2]), pa.array([3])], ["action", "action", "state"]), tmp_path / "a"
    )
    rows = ParquetRows(tmp_path / "a")
    with pytest.raises(SchemaError, match=r"expected each column once, got action more than once.*column-twice"):
        rows.read(0, ["action"])
    assert rows.read(0, ["state"])["state"].tolist() == [3]
