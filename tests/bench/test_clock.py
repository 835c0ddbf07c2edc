"""The clock of `bench` by hand, with a clock of our own; what the report says of it; plain readers and the cache."""

from __future__ import annotations

import itertools
import json
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lapsdata
from lapsdata._bench import BenchReport, Timed, bench, timing
from lapsdata._bench import report as bench_report
from lapsdata._bench.advice import advice
from lapsdata._bench.cache import drop_cached, files_below, warm_up
from lapsdata._bench.plain import plain_reader
from lapsdata._bench.timing import random_batches, timed
from lapsdata.errors import SchemaError, StorageError
from lapsdata.loading import open_windows
from lapsdata.testing.samples import sample_tracks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROW = Timed(1234, 1234.5, 0.125, 0.0123, 1.0, 2.25, 3.5, 0.5)


class Clock:
    """Time that passes only where a test says so."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def passes(self, seconds: float) -> None:
        self.now_s += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    own = Clock()
    monkeypatch.setattr(timing.time, "perf_counter", lambda: own.now_s)
    monkeypatch.setattr(timing, "_cpu_s", lambda: own.now_s / 2)
    return own


def test_each_number_of_a_row_by_hand(clock: Clock) -> None:
    """Waits of 1, 2, 3 and 10 s for 4 windows of 1000 bytes each."""
    waits = iter([1.0, 2.0, 3.0, 10.0, 99.0])

    def gather(ids: np.ndarray) -> dict[str, np.ndarray]:
        clock.passes(next(waits))
        return {"x": np.zeros((len(ids), 100)), "y": np.zeros((len(ids), 50), np.float32)}

    row = timed(gather, random_batches(8, 4, 0), seconds=15.0, most=1000, opened_s=0.5)
    assert (row.windows, row.windows_per_s) == (16, 1.0)
    assert row.gb_per_s == pytest.approx(16 * 1000 / 16 / 1e9)
    assert row.first_batch_s == 1.5
    assert (row.wait_p50_ms, row.wait_max_ms) == (2500.0, 10_000.0)
    # Between the third and the fourth, by linear interpolation.
    assert row.wait_p95_ms == pytest.approx(1e3 * (3 + 0.85 * 7))
    assert row.cpu_s_per_1000 == pytest.approx(8.0 / 16 * 1000)


@pytest.mark.parametrize(("seconds", "most", "batches"), [(0.0, 100, 1), (2.5, 100, 3), (99.0, 8, 2), (99.0, 9, 3)])
def test_it_stops_by_time_or_by_windows_and_never_before_the_first_batch(
    clock: Clock, seconds: float, most: int, batches: int
) -> None:
    def gather(ids: np.ndarray) -> dict[str, np.ndarray]:
        clock.passes(1.0)
        return {"x": ids}

    assert timed(gather, random_batches(8, 4, 0), seconds=seconds, most=most).windows == 4 * batches


def test_what_passes_between_two_batches_is_not_waited_for(clock: Clock) -> None:
    def order() -> Iterator[np.ndarray]:
        while True:
            clock.passes(5.0)
            yield np.arange(2)

    def gather(ids: np.ndarray) -> dict[str, np.ndarray]:
        clock.passes(0.25)
        return {"x": ids}

    row = timed(gather, order(), seconds=20.0, most=1000)
    assert (row.windows_per_s, row.wait_max_ms, row.windows) == (8.0, 250.0, 8)


@given(st.integers(1, 40), st.integers(1, 50), st.integers(0, 9))
def test_batches_are_of_one_size_without_repeats_in_an_epoch_and_the_same_each_time(
    windows: int, batch: int, seed: int
) -> None:
    size = min(batch, windows)
    some = list(itertools.islice(random_batches(windows, batch, seed), 3 * (windows // size)))
    assert {one.shape for one in some} == {(size,)}
    epochs = [np.concatenate(some[at : at + windows // size]) for at in range(0, len(some), windows // size)]
    for epoch in epochs:
        assert len(set(epoch.tolist())) == len(epoch) == windows // size * size
        assert 0 <= epoch.min() <= epoch.max() < windows
    again = itertools.islice(random_batches(windows, batch, seed), len(some))
    assert all((one == other).all() for one, other in zip(some, again, strict=True))


def test_the_report_says_everything_once() -> None:
    report = BenchReport(
        (), 1234, 2, 456, 0.1234, {"memory copy": ROW}, {"cold": "no such request"}, 5.0, 0.125, 1.5, 98.76
    )
    assert report.facts() == {
        "windows": "1234 of 456 bytes in 2 files, opened in 0.123 s",
        "memory": "99 MiB at most, pages of mapped files left out",
        "starvation": "12.5% of a training with steps of 5 ms",
        "left out: cold": "no such request",
    }
    columns, rows = report.table()
    assert dict(zip(columns, rows[0], strict=True)) == {
        "": "memory copy", "windows/s": "1,234", "GB/s": "0.12", "first batch": "12.3 ms", "wait p50": "1.00",
        "p95": "2.25", "max": "3.50", "CPU s/1000": "0.500",
    }  # fmt: skip
    told = json.loads(json.dumps(report.as_json()))
    assert told["rows"]["memory copy"]["first_batch_s"] == 0.0123
    assert (told["starved"], told["amplification"], told["peak_mib"]) == (0.125, 1.5, 98.8)
    silent = replace(report, step_ms=None, starved=None)
    assert "starvation" not in silent.facts()
    assert silent.as_json()["starved"] is None


@given(
    st.booleans(), st.integers(1, 3), st.booleans(), st.integers(511, 514),
    st.sampled_from([None, 0.0, 0.02, 0.021, 0.9]), st.booleans(),
)  # fmt: skip
def test_advice_by_its_rules(
    encoded: bool, block_rows: int, summed: bool, files: int, starved: float | None, measured: bool
) -> None:
    rows = {"memory copy": ROW, "verified, 1 thread": ROW} if measured else {}
    step_ms = None if starved is None else 10.0
    found = advice(
        rows, encoded=encoded, block_rows=block_rows, amplification=2.5, summed=summed, files=files, open_files=512,
        step_ms=step_ms, starved=starved,
    )  # fmt: skip
    expected = {
        "shared-chunks": block_rows > 1,
        "compressed": block_rows == 1 and encoded and measured,
        "unverified": not summed,
        "many-files": files > 512,
        "starved": starved is not None and starved > 0.02,
    }
    assert [problem.code for problem in found] == [code for code, holds in expected.items() if holds]
    assert all(problem.fix for problem in found)
    assert {problem.severity for problem in found if problem.code == "compressed"} <= {"info"}
    assert {problem.severity for problem in found if problem.code != "compressed"} <= {"warning"}


def test_advice_says_its_numbers() -> None:
    facts: dict[str, Any] = {
        "encoded": True, "block_rows": 1, "amplification": 1.0, "summed": True, "files": 600, "open_files": 512,
        "step_ms": 10.0, "starved": 0.25,
    }  # fmt: skip
    rows = {"memory copy": ROW, "verified, 1 thread": replace(ROW, windows_per_s=ROW.windows_per_s / 4)}
    told = {problem.code: problem.message for problem in advice(rows, **facts)}
    assert told == {
        "compressed": "windows are compressed, and decoded at 25% of the speed of a memory copy",
        "many-files": "600 files, of which 512 may be open: files are opened again and again",
        "starved": "a training with steps of 10 ms waits for data 25.0% of its time",
    }
    (shared,) = advice({}, **facts | {"block_rows": 8, "amplification": 7.54, "files": 1, "starved": None})
    assert shared.message == "windows share chunks, 8 at a time: 7.5 are decoded for each one delivered"


@pytest.mark.parametrize("suffix", [".h5", ".zarr"])
def test_the_plain_way_reads_what_the_library_reads(tmp_path: Path, suffix: str) -> None:
    for seed in (1, 2):
        lapsdata.write(tmp_path / f"{seed}{suffix}", sample_tracks(windows=4, seed=seed))
    with closing(open_windows(tmp_path)) as windows:
        found = plain_reader(windows)
        assert found is not None
        name, gather = found
        assert name == {".h5": "h5py dataset[i]", ".zarr": "zarr-python array[i]"}[suffix]
        ids = np.array([7, 0, 3, 4])
        ours, theirs = windows.gather(ids), gather(ids)
        assert set(theirs) == {"tracks", "vis"}
        for field, array in theirs.items():
            np.testing.assert_array_equal(array, ours[field])


def test_where_there_is_no_plain_way_none_is_named(tmp_path: Path) -> None:
    lapsdata.write(tmp_path / "two.zarr", sample_tracks(views=("left", "right")))
    with closing(open_windows(tmp_path / "two.zarr")) as windows:
        assert plain_reader(windows) is None
    report = bench(tmp_path / "two.zarr", seconds=0.01, batch=2)
    assert "plain reader" in report.left_out
    assert "memory copy" in report.rows


def test_files_of_folders_come_in_order_and_each_once(tmp_path: Path) -> None:
    (tmp_path / "a" / "deep").mkdir(parents=True)
    for name in ("b.bin", "a/2.bin", "a/1.bin", "a/deep/0.bin"):
        (tmp_path / name).write_bytes(b"x" * 5)
    found = files_below([tmp_path / "b.bin", tmp_path / "a"])
    assert [path.relative_to(tmp_path).as_posix() for path in found] == ["b.bin", "a/1.bin", "a/2.bin", "a/deep/0.bin"]
    # The limit is a limit of all of them together, and holds itself.
    assert warm_up(found, most_bytes=20)
    assert not warm_up(found, most_bytes=19)
    assert files_below([]) == []


@pytest.mark.parametrize("ask", [drop_cached, lambda files: warm_up(files, 10)])
def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path, ask: Any) -> None:
    closed = tmp_path / "closed.bin"
    closed.touch()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.open", refuse)
        patch.setattr("pathlib.Path.open", refuse)
        with pytest.raises(StorageError, match=r"closed\.bin: .*open"):
            ask([closed])


def refuse(*_: object, **__: object) -> None:
    raise PermissionError(13, "Permission denied")


def test_a_system_that_cannot_forget_files_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lapsdata.write(tmp_path / "a.zarr", sample_tracks(windows=8))
    monkeypatch.delattr("os.posix_fadvise")
    monkeypatch.setattr(bench_report, "_free_memory", lambda: 10)
    report = bench(tmp_path / "a.zarr", seconds=0.01, batch=4)
    assert report.left_out["cold"] == "this system cannot be asked to forget files"
    assert report.left_out["warm rows in memory"] == "the files are larger than half of the free memory"
    assert not any("cold" in name for name in report.rows)


@pytest.mark.parametrize("options", [{"seconds": float("nan")}, {"step_ms": -1.0}, {"batch": -4}])
def test_a_number_at_fault_is_refused_before_a_file_is_looked_for(tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(SchemaError, match=f"{next(iter(options))}: expected a number above 0, got "):
        bench(tmp_path / "nowhere", **options)


def test_files_of_others_have_no_checksums_which_is_told(tmp_path: Path) -> None:
    tracks = sample_tracks(windows=8)
    with h5py.File(tmp_path / "theirs.h5", "w") as file:
        file["root/default/tracks"] = tracks.tracks["default"]
        file["root/default/vis"] = tracks.vis["default"].astype("f4")
    with pytest.warns(UserWarning, match="hold no checksums"):
        report = bench(tmp_path / "theirs.h5", seconds=0.01, batch=4)
    assert [problem.code for problem in report.problems] == ["unverified"]
    assert report.problems[0].fix == "lapsdata check PATH --seal, or lapsdata convert SRC DST"
    assert report.amplification == 1.0
