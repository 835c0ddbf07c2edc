"""The low-level view: a row per dataset, the item asked for, and faults that stay in their row."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import h5py
import numpy as np
import pytest

import lapsdata
from lapsdata._inspect import LowLevelReport, LowLevelRow, inspect_low_level, low_level, render_low_level
from lapsdata.errors import StorageError
from lapsdata.testing.samples import sample_tracks

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
    with pytest.raises(StorageError, match="no such file or folder"):
        inspect_low_level(tmp_path / "absent.h5")


def test_what_was_never_written_is_told_in_the_text(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("part", (8, 2), "f4", chunks=(1, 2), fillvalue=7)[:5] = 1
        file.create_dataset("nothing", (3,), "i4")
        file["whole"] = np.arange(3)
    text = render_low_level(inspect_low_level(tmp_path / "x.h5")).splitlines()
    told = {line.split()[0]: text[at + 1].strip() for at, line in enumerate(text) if line.startswith("/")}
    assert told["/part"] == "3 of 8 chunks never written: fill value"
    assert told["/nothing"] == "never written: fill value"
    assert "fill value" not in told["/whole"]


def test_the_reach_of_the_look_is_told(odd: Path) -> None:
    report = inspect_low_level(odd)
    assert report.remarks == (
        "rung: what reads the first value of a dataset; no other value was read, but for a picked item",
    )
    assert render_low_level(report).endswith(report.remarks[0])
    assert report.as_json()["remarks"] == list(report.remarks)


def test_a_file_of_ours_is_told_to_be_unverified(tmp_path: Path) -> None:
    lapsdata.write(tmp_path / "clip.h5", sample_tracks())
    report = inspect_low_level(tmp_path / "clip.h5")
    assert report.remarks[-1] == (
        "unverified: the checksums of this file were not compared; `lapsdata inspect FILE` does that"
    )


def test_one_huge_item_hides_no_other(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("huge", (10**5, 10**9), "f4", chunks=(1, 10**6))
        file.create_dataset("plain", (10**5, 10**9), "f4")
        file["small"] = np.arange(3)
    found = rows(inspect_low_level(tmp_path / "x.h5", pick=0))
    assert found["/small"].item is not None
    for name in ("/huge", "/plain"):
        problem = found[name].problem
        assert problem is not None
        assert (problem.code, problem.severity) == ("item-too-large", "info")
        assert problem.message == "an item of 3,815 MiB is more than 256 MiB: not looked at"


def test_no_memory_for_one_dataset_hides_no_other(odd: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    look = low_level._looked_at

    def refuse(values: np.ndarray) -> object:
        if values.dtype == np.dtype(">f8").newbyteorder("="):
            raise MemoryError
        return look(values)

    monkeypatch.setattr(low_level, "_looked_at", refuse)
    found = rows(inspect_low_level(odd, pick=0))
    assert found["/limits"].problem is not None
    assert found["/limits"].problem.code == "out-of-memory"
    assert found["/tracks"].item is not None


def test_statistics_in_blocks_are_those_of_the_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(3).normal(size=(1, 1000))
    values[0, ::7] = np.nan
    values[0, 64:128] = np.nan
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["x"] = values
    monkeypatch.setattr(low_level, "_BLOCK", 64)
    item = rows(inspect_low_level(tmp_path / "x.h5", pick=0))["/x"].item
    assert item is not None
    assert (item.minimum, item.maximum, item.nans) == (np.nanmin(values), np.nanmax(values), np.isnan(values).sum())
    assert item.mean == pytest.approx(np.nanmean(values), rel=1e-12)


def test_names_and_texts_of_a_file_stay_in_their_line(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["two\nlines\x1b[31m"] = np.array([b"a\n\x1b[2J"])
        file["bad\n"] = h5py.SoftLink("/no\nwhere")
        file.create_dataset(b"b\xff", data=[1])
    text = render_low_level(inspect_low_level(tmp_path / "x.h5", pick=0))
    assert "\x1b" not in text
    lines = text.splitlines()
    assert len(lines) == 8
    assert lines[1].startswith(r"/bad\n ")
    assert lines[3].startswith(r"/b\xff ")
    assert lines[5].startswith(r"/two\nlines\x1b[31m ")
    assert lines[6] == r"    item 0: first a\n\x1b[2J"
    text.encode()


def test_a_file_without_datasets_says_so(tmp_path: Path) -> None:
    h5py.File(tmp_path / "x.h5", "w").close()
    assert render_low_level(inspect_low_level(tmp_path / "x.h5", pick=3)) == "no datasets"


def test_an_item_that_is_nowhere_is_told_at_the_end(odd: Path, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["x"] = np.arange(3)
    report = inspect_low_level(tmp_path / "x.h5", pick=1000)
    assert {problem.severity for problem in report.problems} == {"info"}
    assert render_low_level(report).endswith("\nitem 1000 was shown of no dataset")


def test_a_scalar_has_a_value_and_a_null_data_space_none(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["scalar"] = 5.0
        file["null"] = h5py.Empty("f4")
    report = inspect_low_level(tmp_path / "x.h5", pick=7)
    text = render_low_level(report)
    assert "    value: min 5, max 5, mean 5, NaN 0, first 5\n" in text
    (problem,) = report.problems
    assert (problem.code, problem.severity) == ("null-dataspace", "info")
