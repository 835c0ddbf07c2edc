"""The low-level view: a row per dataset, the item asked for, and faults that stay in their row."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import h5py
import numpy as np
import pytest

from lapsdata._inspect import LowLevelReport, LowLevelRow, inspect_low_level, render_low_level
from lapsdata.errors import StorageError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """Good datasets beside a damaged one, a dangling link, a scalar and text."""
    path = tmp_path / "odd.h5"
    tracks = np.arange(24, dtype="f4").reshape(3, 4, 2)
    tracks[1, 0, 0] = np.nan
    with h5py.File(path, "w") as file:
        file.create_dataset("tracks", data=tracks, chunks=(1, 4, 2), shuffle=True, fletcher32=True)
        damaged = file.create_dataset("damaged", data=tracks, chunks=(1, 4, 2), fletcher32=True)
        offset = damaged.id.get_chunk_info_by_coord((1, 0, 0)).byte_offset
        file["limits"] = np.array([[np.inf, -np.inf], [1, 2]], ">f8")
        file["lost"] = np.full((2, 2), np.nan, "f4")
        file["link"] = h5py.SoftLink("/nowhere")
        file["header"] = np.bytes_(b"{}")
        file["names"] = np.array([b"left", b"right"])
        file["void"] = np.zeros((2, 0), "i4")
    octets = bytearray(path.read_bytes())
    octets[offset] ^= 1
    path.write_bytes(octets)
    return path


def rows(report: LowLevelReport) -> dict[str, LowLevelRow]:
    return {row.info.path: row for row in report.rows}


def test_every_dataset_has_a_row(odd: Path) -> None:
    report = inspect_low_level(odd)
    assert sorted(rows(report)) == [
        "/damaged", "/header", "/limits", "/link", "/lost", "/names", "/tracks", "/void",
    ]  # fmt: skip
    assert [problem.code for problem in report.problems] == ["broken-link"]
    assert all(row.item is None for row in report.rows)


def test_the_picked_item(odd: Path) -> None:
    found = rows(inspect_low_level(odd, pick=1))
    item = found["/tracks"].item
    assert item is not None
    assert np.isnan(item.first[0])
    assert item.first[1:] == (9.0, 10.0, 11.0)
    assert (item.minimum, item.maximum, item.mean, item.nans) == (9.0, 15.0, 12.0, 1)
    names = found["/names"].item
    assert names is not None
    assert (names.first, names.minimum) == (("right",), None)
    empty = found["/void"].item
    assert empty is not None
    assert (empty.first, empty.nans) == ((), 0)


def test_one_bad_dataset_hides_no_other(odd: Path) -> None:
    report = inspect_low_level(odd, pick=1)
    found = rows(report)
    assert found["/damaged"].problem is not None
    assert found["/damaged"].problem.code == "checksum-mismatch"
    assert found["/damaged"].info.rung == "h5py"
    assert [path for path, row in found.items() if row.item] == [
        "/header",
        "/limits",
        "/lost",
        "/names",
        "/tracks",
        "/void",
    ]
    assert sorted(problem.code for problem in report.problems) == [
        "broken-link", "checksum-mismatch",
    ]  # fmt: skip


def test_items_that_are_not_there_are_named_never_clamped(odd: Path) -> None:
    found = rows(inspect_low_level(odd, pick=2))
    assert found["/tracks"].item is not None
    assert str(found["/lost"].problem) == "/lost: expected an item below 2, got 2 [no-such-item]"
    assert found["/header"].problem is None
    assert found["/header"].item is not None, "a scalar is its own only item"
    negative = rows(inspect_low_level(odd, pick=-1))
    assert str(negative["/tracks"].problem) == "/tracks: expected an item below 3, got -1 [no-such-item]"


def test_values_without_a_mean(odd: Path) -> None:
    limits = rows(inspect_low_level(odd, pick=0))["/limits"].item
    assert limits is not None
    assert (limits.minimum, limits.maximum) == (-np.inf, np.inf)
    lost = rows(inspect_low_level(odd, pick=0))["/lost"].item
    assert lost is not None
    assert (lost.minimum, lost.mean, lost.nans) == (None, None, 2)


def test_the_table(odd: Path) -> None:
    lines = render_low_level(inspect_low_level(odd, pick=1)).splitlines()
    assert lines[0].split() == ["dataset", "shape", "type", "filters", "layout", "rung"]
    at = next(index for index, line in enumerate(lines) if line.startswith("/tracks"))
    assert " ".join(lines[at].split()) == ("/tracks (3, 4, 2) float 4B little shuffle(2)+fletcher32(3) chunked h5py")
    assert lines[at + 1] == "    item 1: min 9, max 15, mean 12, NaN 1, first nan 9 10 11"
    at = next(index for index, line in enumerate(lines) if line.startswith("/link"))
    assert lines[at].split() == ["/link", "-", "-", "-", "-", "-"]
    assert "error: " in lines[at + 1]
    assert "'/nowhere', which is not there" in lines[at + 1]
    at = next(index for index, line in enumerate(lines) if line.startswith("/limits"))
    assert " ".join(lines[at].split()) == "/limits (2, 2) float 8B big - contiguous h5py"


def test_json_is_strict(odd: Path) -> None:
    report = json.loads(json.dumps(inspect_low_level(odd, pick=0).as_json(), allow_nan=False))
    found = {row["path"]: row for row in report["datasets"]}
    assert (report["pick"], len(found)) == (0, 8)
    assert found["/limits"]["item"] == {
        "first": ["Infinity", "-Infinity"], "min": "-Infinity", "max": "Infinity", "mean": "NaN", "nans": 0,
    }  # fmt: skip
    assert found["/lost"]["item"]["first"] == ["NaN", "NaN"]
    assert found["/link"]["problem"]["code"] == "broken-link"
    assert found["/tracks"]["filters"] == [{"id": 2, "name": "shuffle"}, {"id": 3, "name": "fletcher32"}]
    assert found["/tracks"]["rung"] == "h5py"


def test_a_file_that_cannot_be_opened_raises(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="got nothing"):
        inspect_low_level(tmp_path / "absent.h5")
