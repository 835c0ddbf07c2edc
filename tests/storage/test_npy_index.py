"""Arrays in npy files: found where NumPy finds them, and refused where they are not whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lapsdata.errors import CorruptDataError, SchemaError, StorageError
from lapsdata.storage.npy_index import npy_index

if TYPE_CHECKING:
    from pathlib import Path

VALUES = np.arange(24, dtype="<f4").reshape(4, 3, 2)

plain = st.sampled_from(["<f4", ">f8", "|u1", "<i8", "|b1"]).flatmap(
    lambda dtype: arrays(dtype, st.lists(st.integers(0, 4), min_size=1, max_size=4).map(tuple))
)


@given(values=plain, version=st.sampled_from([(1, 0), (2, 0), (3, 0)]))
def test_rows_lie_where_numpy_finds_them(values: Any, version: tuple[int, int], tmp_path_factory: Any) -> None:
    path = tmp_path_factory.mktemp("npy") / "a.npy"
    with path.open("wb") as file:
        np.lib.format.write_array(file, values, version=version)
    index, data = npy_index(path, "a.npy"), path.read_bytes()
    assert (index.shape, index.dtype, index.codecs) == (values.shape, values.dtype, ())
    rows = [data[at : at + size] for at, size in zip(index.offset.tolist(), index.length.tolist(), strict=True)]
    loaded = np.load(path)
    assert rows == [loaded[row : row + 1].tobytes() for row in range(len(loaded))]


def test_a_file_of_another_length_is_told(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", VALUES)
    whole = (tmp_path / "a.npy").read_bytes()
    for data in (whole[:-1], whole + b"\0"):
        (tmp_path / "a.npy").write_bytes(data)
        with pytest.raises(
            CorruptDataError, match=rf"x: expected 224 bytes for \(4, 3, 2\) of float32, got {len(data)}"
        ):
            npy_index(tmp_path / "a.npy", "x")


@pytest.mark.parametrize(
    ("values", "kind", "message"),
    [
        (np.asfortranarray(VALUES), SchemaError, "expected plain numbers in C order, got Fortran order"),
        (np.float32(3), SchemaError, "expected rows, got a single number"),
        (np.array([{}]), SchemaError, "expected plain numbers in C order, got dtype object"),
        *(
            (np.zeros(2, dtype), SchemaError, rf"expected plain numbers in C order, got dtype {told}")
            for dtype, told in {
                "c8": "complex64",
                "M8[s]": r"datetime64\[s\]",
                "m8[s]": r"timedelta64\[s\]",
                "S4": r"\|S4",
                "U3": "<U3",
                "V4": r"\|V4",
                "f4, f4": r"\[\('f0', '<f4'\), \('f1', '<f4'\)\]",
            }.items()
        ),
    ],
)
def test_what_has_no_plain_rows_is_refused(tmp_path: Path, values: Any, kind: type[Exception], message: str) -> None:
    np.save(tmp_path / "a.npy", values)
    with pytest.raises(kind, match=message):
        npy_index(tmp_path / "a.npy", "x")


def test_what_is_no_npy_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.npy").write_bytes(b"no numbers")
    with pytest.raises(CorruptDataError, match="x: expected an npy header of version 1, 2 or 3"):
        npy_index(tmp_path / "a.npy", "x")
    with pytest.raises(StorageError, match="cannot open"):
        npy_index(tmp_path / "b.npy", "x")
