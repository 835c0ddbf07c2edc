"""`bench`: rows that were really measured, the order of speeds that must come out, and advice that fits the file."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest

import lapsdata
from lapsdata._bench import Timed, bench
from lapsdata._bench.advice import advice
from lapsdata._bench.cache import drop_cached, files_below, warm_up
from lapsdata._bench.timing import random_batches, timed
from lapsdata.errors import SchemaError
from lapsdata.formats.shards_webdataset import ShardsWriter
from lapsdata.testing.file_server import serve_folder
from lapsdata.testing.samples import sample_provenance, sample_tracks

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ROW = Timed(64, 1000.0, 0.1, 0.01, 1.0, 2.0, 3.0, 0.5)
GOOD: dict[str, Any] = {
    "encoded": False, "block_rows": 1, "amplification": 1.0, "summed": True, "files": 3, "open_files": 512,
    "step_ms": None, "starved": None,
}  # fmt: skip


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bench") / "clip.zarr"
    lapsdata.write(path, sample_tracks(windows=200, horizon=8, points=50))
    return path


def gzipped(path: Path) -> Path:
    tracks = sample_tracks(windows=200, horizon=8, points=50)
    with h5py.File(path, "w") as file:
        file.create_dataset("root/default/tracks", data=tracks.tracks["default"], compression="gzip")
        file.create_dataset("root/default/vis", data=tracks.vis["default"].astype("f4"), compression="gzip")
    return path


def test_every_row_was_measured(clip: Path) -> None:
    report = bench(clip, seconds=0.05, batch=16, step_ms=1.0)
    assert list(report.rows) == [
        "cold, verified, 1 thread",
        "verified, 1 thread",
        "verified at each read, 1 thread",
        "not verified, 1 thread",
        "not verified, mapped",
        "not verified, by pread",
        "verified, 2 threads",
        "Loader, 2 threads",
        "zarr-python array[i]",
        "memory copy",
    ]
    for row in report.rows.values():
        assert row.windows >= 16
        assert row.windows_per_s > 0
        assert 0 < row.wait_p50_ms <= row.wait_p95_ms <= row.wait_max_ms
        assert row.first_batch_s > 0
    assert (report.windows, report.window_bytes) == (200, 8 * 50 * 9 + 8)
    assert report.starved is not None
    assert 0 <= report.starved < 1
    assert report.peak_mib > 10
    assert {problem.code for problem in report.problems} <= {"starved"}  # which a busy machine may cause


def test_one_window_at_a_time_is_slower(clip: Path) -> None:
    rows = bench(clip, seconds=0.1).rows
    assert rows["zarr-python array[i]"].windows_per_s < rows["verified, 1 thread"].windows_per_s


def test_files_of_several_kinds_are_each_read_their_plain_way(tmp_path: Path) -> None:
    for name in ("a.zarr", "b.h5"):
        lapsdata.write(tmp_path / name, sample_tracks(windows=20))
    report = bench(tmp_path, seconds=0.02, batch=8)
    assert report.rows["h5py dataset[i], zarr-python array[i]"].windows > 0
    write_shards(tmp_path / "c.shards")
    report = bench(tmp_path, seconds=0.02, batch=8)
    assert "array[i]" not in "".join(report.rows)
    assert "not all are HDF5 or Zarr files" in report.left_out["plain reader"]


def test_shards_behind_a_url_are_measured_too(tmp_path: Path, inside: Callable[..., Any]) -> None:
    write_shards(tmp_path / "c.shards")
    with serve_folder(tmp_path) as served:
        done = inside("bench", f"{served.url}/c.shards", "--seconds", "0.02", "--batch", "4", "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["rows"]["verified, 1 thread"]["windows"] > 0
    assert document["left_out"]["cold"] == "nothing of it lies on this machine"


def write_shards(path: Path) -> None:
    with ShardsWriter(path) as out:
        out.add(sample_tracks(windows=20))
        out.finish(sample_provenance())


@pytest.mark.filterwarnings("ignore:.*hold no checksums")
def test_shared_chunks_and_missing_checksums_are_told(tmp_path: Path) -> None:
    report = bench(gzipped(tmp_path / "theirs.h5"), seconds=2.0)
    assert {problem.code for problem in report.problems} == {"shared-chunks", "unverified"}
    assert report.amplification == pytest.approx(200 / 256)  # all is held: 4 batches, of which one goes round
    assert {"verified, by blocks", "h5py dataset[i]"} <= set(report.rows)
    told = next(problem for problem in report.problems if problem.code == "shared-chunks")
    assert "lapsdata convert SRC DST --profile raw" in (told.fix or "")


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        ({"block_rows": 8, "amplification": 7.5}, "shared-chunks"),
        ({"summed": False}, "unverified"),
        ({"files": 600}, "many-files"),
        ({"step_ms": 10.0, "starved": 0.5}, "starved"),
    ],
)
def test_each_advice_has_its_reason(facts: dict[str, Any], code: str) -> None:
    assert [problem.code for problem in advice({}, **GOOD | facts)] == [code]


@pytest.mark.parametrize(("second", "told"), [(1900.0, "more threads"), (1050.0, "fewer bytes per window")])
def test_threads_are_advised_where_they_help(second: float, told: str) -> None:
    rows = {"verified, 1 thread": ROW, "verified, 2 threads": replace(ROW, windows_per_s=second)}
    (found,) = advice(rows, **GOOD | {"step_ms": 10.0, "starved": 0.5})
    assert told in str(found.fix)


def test_decoding_is_told_and_what_lies_plain_is_left_alone() -> None:
    slow = {"memory copy": ROW, "verified, 1 thread": Timed(64, 100.0, *[0.1] * 6)}
    assert [problem.code for problem in advice(slow, **GOOD | {"encoded": True})] == ["compressed"]
    assert advice(slow, **GOOD) == []
    assert advice({}, **GOOD | {"step_ms": 10.0, "starved": 0.01}) == []


def test_the_clock_counts_what_was_handed_over() -> None:
    row = timed(lambda ids: {"x": np.zeros((len(ids), 100))}, random_batches(50, 16, 0), seconds=9.0, most=48)
    assert row.windows == 48
    assert row.gb_per_s == pytest.approx(row.windows_per_s * 800 / 1e9)


def test_the_order_is_a_permutation_epoch_by_epoch() -> None:
    order = random_batches(12, 4, 7)
    epochs = [np.concatenate([next(order) for _ in range(3)]) for _ in range(2)]
    assert [sorted(ids) for ids in epochs] == [list(range(12))] * 2
    assert epochs[0].tolist() != epochs[1].tolist()
    assert len(next(random_batches(3, 64, 0))) == 3


def test_files_are_found_warmed_and_forgotten(clip: Path) -> None:
    files = files_below([clip])
    assert all(file.is_file() for file in files)
    assert warm_up(files, most_bytes=1 << 30)
    assert not warm_up(files, most_bytes=10)
    assert drop_cached(files)


@pytest.mark.parametrize("options", [{"batch": 0}, {"seconds": -1.0}, {"step_ms": 0.0}])
def test_numbers_at_fault_are_refused(clip: Path, options: dict[str, Any]) -> None:
    with pytest.raises(SchemaError, match=rf"{next(iter(options))}: expected a number above 0"):
        bench(clip, **options)


def test_the_command_prints_a_table_and_json(clip: Path, inside: Callable[..., Any]) -> None:
    text = inside("bench", str(clip), "--seconds", "0.02")
    assert text.returncode == 0, text.stderr
    assert "memory copy" in text.stdout
    assert "windows/s" in text.stdout
    document = json.loads(inside("bench", str(clip), "--seconds", "0.02", "--step-ms", "2", "--json").stdout)
    assert document["rows"]["memory copy"]["windows"] > 0
    assert document["step_ms"] == 2


def test_the_command_says_why_it_cannot_measure(tmp_path: Path, inside: Callable[..., Any]) -> None:
    done = inside("bench", str(tmp_path / "nowhere"))
    assert done.returncode == 1
    assert "no such file or folder" in done.stderr
