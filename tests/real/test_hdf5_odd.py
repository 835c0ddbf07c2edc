"""Odd HDF5 files of two other readers' test suites: each dataset gives the right numbers or a named error.

Three oracles: counts of h5py's own visit, so that nothing disappears; h5py's high level against each lower rung; and
what the writers of the files put in (their generator scripts fill with ranges), which needs no HDF5 reader at all.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Final

import h5py
import numpy as np
import pytest

from lapsdata._inspect import inspect_low_level
from lapsdata.errors import LapsError, MissingExtraError, StorageError
from lapsdata.storage.hdf5_file import Hdf5File
from lapsdata.storage.hdf5_ladder import RUNGS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FLAGGED: Final = "test_byteshuffle_compressed_datasets_latest.hdf5"


@pytest.fixture(scope="module")
def files(real_data: Path) -> list[Path]:
    found = sorted(
        path for path in (real_data / "hdf5_odd").rglob("*") if path.is_file() and not path.name.startswith("LICENSE")
    )
    assert len(found) == 82
    return found


@pytest.fixture(scope="module")
def readable(files: list[Path]) -> list[Path]:
    return [path for path in files if path.name != FLAGGED]


def test_the_file_flagged_as_open_is_the_only_one_that_does_not_open(files: list[Path]) -> None:
    refused = {}
    for path in files:
        try:
            Hdf5File(path).close()
        except LapsError as error:
            refused[path.name] = error
    assert list(refused) == [FLAGGED]
    assert isinstance(refused[FLAGGED], StorageError)
    assert refused[FLAGGED].problems[0].code == "open-for-write"


def test_every_dataset_that_h5py_visits_is_listed(readable: list[Path]) -> None:
    total = 0
    for path in readable:
        visited: list[str] = []
        with h5py.File(path) as plain:
            plain.visititems(
                lambda name, item, into=visited: into.append(f"/{name}") if isinstance(item, h5py.Dataset) else None
            )
        with Hdf5File(path) as file:
            listed = file.datasets()
        assert set(visited) <= set(listed), path.name
        total += len(visited)
    assert total == 2464


def test_each_dataset_is_read_or_has_a_named_fault(readable: list[Path]) -> None:
    outcomes: Counter[str] = Counter()
    for path in readable:
        report = inspect_low_level(path)
        for row in report.rows:
            outcomes[row.info.rung or (row.problem.code if row.problem else "silent")] += 1
    assert outcomes == {
        "h5py": 2395,
        "missing-filter": 60,
        "null-dataspace": 24,
        "broken-link": 6,
        "unsupported-type": 4,
        "unreadable-dataset": 1,
    }


def test_the_lower_rungs_equal_h5py_or_refuse_by_name(readable: list[Path]) -> None:
    served: Counter[str] = Counter()
    refused: Counter[tuple[str, str]] = Counter()
    for path in readable:
        with h5py.File(path) as plain, Hdf5File(path) as listing:
            names = [name for name in listing.datasets() if listing.describe(name).problem is None]
            for rung in RUNGS[1:]:
                with Hdf5File(path, rungs=(rung,)) as file:
                    for name in names:
                        try:
                            values = file.read(name)
                        except LapsError as error:
                            refused[rung, error.problems[0].code] += 1
                            continue
                        expected = plain[name][...]
                        native = expected.astype(expected.dtype.newbyteorder("="))
                        assert values.dtype == native.dtype, (path.name, name, rung)
                        assert values.tobytes() == native.tobytes(), (path.name, name, rung)
                        served[rung] += 1
    assert served == {"read_direct": 2297, "memory_type": 2298, "chunks": 2274}
    assert {rung: sum(n for (r, _), n in refused.items() if r == rung) for rung in RUNGS[1:]} == {
        "read_direct": 98,
        "memory_type": 97,
        "chunks": 121,
    }
    assert {code for _, code in refused} == {"unsupported-type", "unsupported-codec"}


def test_missing_filters_name_the_plug_in(real_data: Path) -> None:
    for name, code, label, count in (
        ("bitshuffle_datasets.hdf5", 32008, "bitshuffle", 40),
        ("lz4_datasets.hdf5", 32004, "lz4", 20),
    ):
        with Hdf5File(real_data / "hdf5_odd" / "jhdf" / name) as file:
            refused = 0
            for dataset in file.datasets():
                with pytest.raises(MissingExtraError, match=rf"filter {code} \(.*{label}.*lapsdata\[hdf5plugin\]"):
                    file.read(dataset)
                refused += 1
        assert refused == count


def counting(values: np.ndarray, _: str) -> np.ndarray:
    return np.arange(values.size).reshape(values.shape)


def around_zero(_: np.ndarray, __: str) -> np.ndarray:
    return np.arange(-10, 11)


def counting_down(values: np.ndarray, _: str) -> np.ndarray:
    return -np.arange(values.size)


def own_number(_: np.ndarray, name: str) -> np.ndarray:
    return np.array([int(re.sub(r".*\D", "", name))])


def special(_: np.ndarray, __: str) -> np.ndarray:
    return np.array([np.inf, -np.inf, np.nan, 0.0, -0.0])


def numbered_text(values: np.ndarray, _: str) -> np.ndarray:
    return np.array([f"string number {i}".encode() for i in range(values.size)], values.dtype)


def alternating(values: np.ndarray, _: str) -> np.ndarray:
    return ((np.arange(values.size) + (values.ndim == 0)) % 2).reshape(values.shape)


def constant(*numbers: float | bytes) -> Callable[[np.ndarray, str], np.ndarray]:
    return lambda values, _: np.array(numbers).astype(values.dtype).reshape(values.shape)


# (file, dataset, what its writer put in): the first pair that matches decides.
WRITTEN: Final[list[tuple[str, str, Callable[[np.ndarray, str], np.ndarray]]]] = [
    (r"(test_file2?|external_link)\.hdf5", r"nD_Datasets", counting),
    (r"(test_file(_ext|2)?|external_link)\.hdf5", r"float|int|external_dataset|external_link|int8", around_zero),
    (r"test_(large|medium)_group", r"data\d+", own_number),
    (r"float_special_values", r"float", special),
    (r"dataset_datatypes", r"/int", counting_down),
    (r"dataset_datatypes", r"/(uint|float)", counting),
    (r"test_scalar_empty", r"scalar_(u?int)", constant(123)),
    (r"test_scalar_empty", r"scalar_float", constant(123.45)),
    (r"test_scalar_empty", r"scalar_string", constant(b"hello")),
    (r"test_(string|compact)_datasets", r"(fixed|variable)_length_(ascii|utf8)", numbered_text),
    (r"bitfield_datasets", r"bitfield", alternating),
    (r"100B_max", r"100B", constant(1.1, 2, 3, 4, 5, 6, 7, 8, 9, 10)),
    (r"test_odd_datasets", r"chunked_no_storage", constant(0, 0, 0, 0, 0)),
    (r"superblock-extension", r"humidity", lambda *_: np.add.outer(100 * np.arange(10), np.arange(10))),
    (r"multidim_string", r"test", constant(b"a1", b"a2", b"a3", b"a4", b"a5", b"a6")),
    (r"issue255", r"inarr", constant(17, 42, -1)),
    (
        r"fixed_array_paged|fletcher32|implicit_index|test_attribute|byteshuffle|chunked|test_compact|test_enum"
        r"|fill_?value|test_large_attribute|test_missing_filter|test_odd|pyfive/compressed\.|dataset_multidim"
        r"|pyfive/(earliest|latest)|resizable|references|netcdf4",
        r"^(?!.*(group\d|/x$|ordered_group|vlen|opaque|compound|string|no_storage|ref)).*$",
        counting,
    ),
]


def test_the_numbers_are_those_that_the_writers_put_in(readable: list[Path]) -> None:
    checked: Counter[str] = Counter()
    for path in readable:
        place = f"{path.parent.name}/{path.name}"
        with Hdf5File(path) as file:
            for name in file.datasets():
                rule = next((r for f, d, r in WRITTEN if re.search(f, place) and re.search(d, name)), None)
                if rule is None or file.describe(name).problem is not None:
                    continue
                values = file.read(name)
                expected = rule(values, name).astype(values.dtype)
                np.testing.assert_array_equal(values, expected, err_msg=f"{place}: {name}")
                if values.dtype.kind == "f":
                    np.testing.assert_array_equal(np.signbit(values), np.signbit(expected))
                checked["numbers" if values.dtype.kind in "iuf" else "text"] += 1
    assert checked == {"numbers": 2259, "text": 19}


def test_ragged_rows(real_data: Path) -> None:
    for age in ("earliest", "latest"):
        with Hdf5File(real_data / "hdf5_odd" / "jhdf" / f"test_vlen_datasets_{age}.hdf5") as file:
            names = [name for name in file.datasets() if "issue" not in name]
            assert len(names) == 20
            for name in names:
                assert [row.tolist() for row in file.read(name)] == [[0], [1, 2], [3, 4, 5]]


def test_links_are_followed_and_broken_ones_named(real_data: Path) -> None:
    with Hdf5File(real_data / "hdf5_odd" / "jhdf" / "external_link.hdf5") as file:
        names = file.datasets()
        broken = [name for name in names if file.describe(name).problem]
        assert len(names) == 12
        assert sorted(name.rsplit("/", 1)[1] for name in broken) == [
            "broken_soft_link", "external_link_to_missing_file",
        ]  # fmt: skip
        for prefix in ("root_dot", "root_slash"):
            values = file.read(f"{prefix}/datasets_group/int/int16")
            assert values.tolist() == list(range(-10, 11))
