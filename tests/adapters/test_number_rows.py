"""Rows of numbers: every way to part them gives the same numbers, and what is none is named by line and column."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.adapters._number_rows import NumberRows, field_numbers, first_numbers, read_numbers
from lapsdata.errors import Problems, SchemaError, StorageError

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ("frame", "id", "x", "y")
LINES = [["1", "7", "10.5", "-20"], ["2", "7", "1e2", "0.1"], ["3", "-1", ".5", "3."]]
VALUES = [[1, 7, 10.5, -20], [2, 7, 100, 0.1], [3, -1, 0.5, 3]]


def written(folder: Path, data: str | bytes) -> Path:
    path = folder / "rows.txt"
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


def values(rows: NumberRows) -> list[list[float]]:
    return np.stack(rows.columns, axis=1).tolist() if rows.columns else []


def joined(between: str, *, end: str = "\n", before: str = "", after: str = "") -> str:
    return end.join(before + between.join(line) + after for line in LINES) + end


SPELLINGS = {
    "comma": joined(","),
    "comma and blank": joined(", "),
    "blank and comma": joined(" , "),
    "comma and tab": joined(",\t"),
    "blank": joined(" "),
    "blanks": joined("   "),
    "tab": joined("\t"),
    "tab and blank": joined("\t "),
    "a comma behind": joined(",", after=","),
    "commas behind": joined(",", after=",,"),
    "a blank behind": joined(" ", after=" "),
    "a tab behind": joined("\t", after="\t"),
    "a comma and a blank behind": joined(", ", after=", "),
    "blanks before": joined(" ", before="  "),
    "blanks before commas": joined(",", before=" "),
    "Windows": joined(",", end="\r\n"),
    "old Mac": joined(" ", end="\r"),
    "Windows, comma behind": joined(",", end="\r\n", after=","),
    "empty lines": joined(",", end="\n\n"),
    "lines of blanks": joined(",", end="\n  \n"),
    "no end": joined(",").rstrip("\n"),
    "an empty line before": "\n" + joined(","),
    "a plus": joined(",").replace("1e2", "+1E2"),
}


@pytest.mark.parametrize("name", SPELLINGS)
def test_every_spelling_gives_the_same_numbers(tmp_path: Path, name: str) -> None:
    rows = read_numbers(written(tmp_path, SPELLINGS[name]), NAMES, 4)
    assert values(rows) == VALUES
    assert rows.notes == ()
    assert len(rows) == 3


@pytest.mark.parametrize("name", SPELLINGS)
def test_a_byte_order_mark_is_left_out_and_told(tmp_path: Path, name: str) -> None:
    rows = read_numbers(written(tmp_path, b"\xef\xbb\xbf" + SPELLINGS[name].encode()), NAMES, 4)
    assert values(rows) == VALUES
    assert [note.code for note in rows.notes] == ["byte-order-mark"]
    assert rows.notes[0].severity == "info"


@pytest.mark.parametrize(
    ("name", "lines"),
    [("comma", [1, 2, 3]), ("empty lines", [1, 3, 5]), ("an empty line before", [2, 3, 4]), ("Windows", [1, 2, 3])],
)
def test_the_line_of_a_row_is_that_of_the_file(tmp_path: Path, name: str, lines: list[int]) -> None:
    path = written(tmp_path, SPELLINGS[name])
    rows = read_numbers(path, NAMES, 4)
    assert [rows.where(row) for row in range(3)] == [f"{path}: line {line}" for line in lines]


@pytest.mark.parametrize("data", [b"", b"\n", b"  \n\t\n", b"\r\n\r\n", b"\xef\xbb\xbf"])
def test_a_file_without_a_row_has_no_columns(tmp_path: Path, data: bytes) -> None:
    rows = read_numbers(written(tmp_path, data), NAMES, 4)
    assert (len(rows), rows.columns) == (0, ())


def test_several_separators_are_read_and_told(tmp_path: Path) -> None:
    path = written(tmp_path, "1,7,10.5,20\n2 7 11 21\n3,7,12 22\n4,7,13,23\n")
    rows = read_numbers(path, NAMES, 4)
    assert values(rows) == [[1, 7, 10.5, 20], [2, 7, 11, 21], [3, 7, 12, 22], [4, 7, 13, 23]]
    (note,) = rows.notes
    assert (note.code, note.severity) == ("mixed-separators", "warning")
    assert "2 by commas, 1 by blanks, 1 by both" in note.message
    assert f"first {path}: line 2 by blanks" in note.message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,7,10,20\n2,7,x,20\n", r"line 2: expected a number in column 3 \(x\), got 'x'; write a number"),
        ("1,7,10,20\n2,7,,20\n", r"line 2: expected a number in column 3 \(x\), got ''"),
        ("frame,id,x,y\n1,7,10,20\n", r"line 1: .*column 1 \(frame\), got 'frame'; leave the line of names out"),
        ("1,7,10,20\n2,7,11\n", r"line 2: expected 4 columns as in line 1, got 3; look whether the file was cut"),
        ("1,7,10,20\n\n2,7,11,5,6\n", r"line 3: expected 4 columns as in line 1, got 5"),
        ("1,7,10\n", r"line 1: expected 4 columns \(frame, id, x, y\), got 3"),
        ("1,7,10\n1,7,10,20\n", r"line 1: expected 4 columns \(frame, id, x, y\), got 3; part them by commas"),
        ("1;7;10;20\n", r"line 1: expected a number in column 1 \(frame\), got '1;7;10;20'"),
        ("1,7,1_000,20\n", r"column 3 \(x\), got '1_000'"),
        ("1,7,0x10,20\n", r"column 3 \(x\), got '0x10'"),
        ("1,7,1e,20\n", r"column 3 \(x\), got '1e'"),
        ("1,7,\u0661,20\n", r"column 3 \(x\), got"),
        ("1,7,10,20\n\ufffd\n", r"line 2: expected a number in column 1 \(frame\)"),
    ],
)
def test_what_is_no_row_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(SchemaError, match=message) as error:
        read_numbers(path, NAMES, 4)
    assert all(problem.where.startswith(f"{path}: line ") for problem in error.value.problems)


def test_of_many_wrong_lines_five_are_named_and_the_rest_counted(tmp_path: Path) -> None:
    path = written(tmp_path, "1,7,10,20\n" + "1,7,x,20\n" * 9)
    with pytest.raises(SchemaError, match="line 7: expected numbers, got this and 3 more such lines") as error:
        read_numbers(path, NAMES, 4)
    assert [one.code for one in error.value.problems] == ["wrong-number"] * 5 + ["wrong-row"]


@pytest.mark.parametrize("data", ["1,7,10,20\n".encode("utf-16"), b"1,7,10,20\n\0", b"\xfe\xff\x00\x31"])
def test_another_encoding_is_told(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(SchemaError, match="expected lines of numbers, got other bytes; save it as UTF-8"):
        read_numbers(written(tmp_path, data), NAMES, 4)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="no such file"):
        read_numbers(tmp_path / "nothing.txt", NAMES, 4)


def test_not_a_number_and_infinity_are_numbers_of_a_row(tmp_path: Path) -> None:
    rows = read_numbers(written(tmp_path, "1,7,nan,-inf\n2,7,NaN,Infinity\n"), NAMES, 4)
    assert np.isnan(rows.columns[2]).all()
    assert rows.columns[3].tolist() == [-np.inf, np.inf]


NUMBERS = st.one_of(
    st.integers(-(10**6), 10**6).map(float),
    st.floats(-1e6, 1e6).map(lambda value: round(value, 3)),
    st.floats(allow_nan=False, allow_infinity=False),
)


@given(
    table=st.integers(1, 6).flatmap(
        lambda width: st.lists(st.lists(NUMBERS, min_size=width, max_size=width), min_size=1)
    ),
    between=st.sampled_from([",", ", ", " ", "\t", "  ", " , "]),
    after=st.sampled_from(["", ",", " ", "\t,"]),
    end=st.sampled_from(["\n", "\r\n", "\n\n"]),
)
def test_numbers_are_read_as_python_reads_them(
    tmp_path_factory: pytest.TempPathFactory, table: list[list[float]], between: str, after: str, end: str
) -> None:
    text = end.join(between.join(map(repr, row)) + after for row in table)
    rows = read_numbers(written(tmp_path_factory.mktemp("rows"), text), ["n"] * 6, 1)
    assert np.array_equal(np.stack(rows.columns, axis=1), np.array(table))


def reading(path: Path) -> NumberRows | SchemaError:
    try:
        return read_numbers(path, NAMES, 1)
    except SchemaError as error:
        return error


@given(data=st.binary(max_size=60))
def test_any_bytes_are_rows_or_an_error_of_ours(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = written(tmp_path_factory.mktemp("rows"), data)
    found = reading(path)
    if isinstance(found, SchemaError):
        assert found.problems
        assert all("expected" in problem.message for problem in found.problems)
    else:
        assert {len(column) for column in found.columns} <= {len(found)}
        assert all(found.where(row).startswith(f"{path}: line ") for row in range(len(found)))


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("1,2,3\n4,5\n", [1, 2, 3]),
        ("\n  \n1 2.5 -3 \n", [1, 2.5, -3]),
        ("1,2,x\n", None),
        ("", None),
        (",,\n", None),
        ("1-30 SIL\n", None),
    ],
)
def test_the_numbers_of_the_first_line_that_says_something(text: str, numbers: list[float] | None) -> None:
    assert first_numbers(text) == numbers


@pytest.mark.parametrize(
    ("fields", "whole", "numbers", "message"),
    [
        (["7", "0.5"], 0, [7, 0.5], None),
        (["7", "0.5"], 1, [7, 0.5], None),
        (["7.0", "0.5"], 1, [7, 0.5], None),
        (["7.5", "0.5"], 1, None, "expected a whole number in column 1 (frame), got '7.5'"),
        (["nan", "0.5"], 1, None, "expected a whole number in column 1 (frame), got 'nan'"),
        (["9007199254740993", "1"], 1, None, "expected a whole number in column 1 (frame), got '9007199254740993'"),
        (["7", "half"], 1, None, "expected a number in column 2 (x), got 'half'"),
    ],
)
def test_the_numbers_of_fields(fields: list[str], whole: int, numbers: list[float] | None, message: str | None) -> None:
    found = Problems()
    assert field_numbers("a.txt: line 3", fields, ["frame", "x"], found, whole=whole) == numbers
    assert [problem.message for problem in found] == ([] if message is None else [message])
