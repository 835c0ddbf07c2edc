"""Benchmarks run, and their results are numbers with versions and a kind of hardware, and no place."""

from __future__ import annotations

import json
import runpy
from typing import TYPE_CHECKING

from lapsdata import formats
from lapsdata.segmenters.state_machine import StateMachine
from lapsdata.stages.segment import segment_energies
from lapsdata.testing.samples import sample_energies

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def keys(document: object) -> object:
    return {name: keys(value) for name, value in document.items()} if isinstance(document, dict) else None


def test_the_import_benchmark_runs_and_its_result_has_the_same_form(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(root / "benchmarks"))
    measured = runpy.run_path(str(root / "benchmarks" / "bench_import.py"))["measure"](1)
    stored = json.loads((root / "benchmarks" / "results" / "import.json").read_text())
    assert keys(measured) == keys(stored)
    assert all(value > 0 for value in measured["median_s"].values())


def test_the_stored_import_time_keeps_the_promise(root: Path) -> None:
    stored = json.loads((root / "benchmarks" / "results" / "import.json").read_text())
    assert stored["runs"] >= 11
    assert stored["median_s"]["import"] < stored["promise_s"]["import"] == 0.2


def test_the_threshold_benchmark_runs_and_its_result_has_the_same_form(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(root / "benchmarks"))
    measure = runpy.run_path(str(root / "benchmarks" / "bench_threshold.py"))["measure"]
    measured = measure(frame_count=200, train=(2, 40), many=(3, 30), few=2)
    stored = json.loads((root / "benchmarks" / "results" / "threshold.json").read_text())
    assert keys(measured) == keys(stored)
    assert stored["rows"]["frames"]["energies"] == 1_000_000
    assert stored["rows"]["frames"]["seconds"] < stored["promise"]["frames"]


def test_the_opv2v_benchmark_runs_and_its_result_has_the_same_form(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(root / "benchmarks"))
    measured = runpy.run_path(str(root / "benchmarks" / "bench_opv2v.py"))["measure"](8, tmp_path, again=1, parsed=1)
    stored = json.loads((root / "benchmarks" / "results" / "opv2v.json").read_text())
    assert keys(measured) == keys(stored)
    assert measured["parsed"] == {"first": 8, "again": 0}
    assert stored["parsed"] == {"first": 10_000, "again": 0}
    assert 4_000 < stored["yaml_bytes"] < 40_000
    assert stored["first_s"] <= stored["promise"]["first_s"] == 10


def test_benchmarks_read_what_evaluate_writes(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(root / "benchmarks"))
    scored = runpy.run_path(str(root / "benchmarks" / "bench_segments.py"))["scored"]
    energies, segments, out = (tmp_path / name for name in ("energies.jsonl", "segments.parquet", "scores.json"))
    formats.write(energies, sample_energies())
    segment_energies(energies, segments, StateMachine(threshold=0.2))
    rows = scored(segments, segments, energies, out)
    assert set(rows["prediction"].values()) == {1.0}
    assert {"random_same_count", "constant_energy"} < rows.keys()
    assert not any(name.startswith("oracle") for name in rows)


def results(root: Path) -> list[Path]:
    return sorted((root / "benchmarks" / "results").glob("*.json"))


def test_every_result_names_versions_and_hardware_and_no_path(root: Path) -> None:
    for path in results(root):
        text = path.read_text()
        document = json.loads(text)
        assert {"versions", "hardware"} <= document.keys(), path
        assert '"/' not in text, path
        assert "\\\\" not in text, path


def test_there_are_results(root: Path) -> None:
    assert results(root)


def test_the_figures_of_the_readme_are_those_of_the_results(root: Path) -> None:
    made = runpy.run_path(str(root / "benchmarks" / "table.py"))["with_table"]
    text = (root / "README.md").read_text()
    assert made(text) == text
    assert "| measured |" in text


def test_the_overlay_benchmark_runs_and_its_result_keeps_the_promise(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(root / "benchmarks"))
    bench = runpy.run_path(str(root / "benchmarks" / "bench_overlay.py"))
    # One dictionary is the name space of all its functions.
    bench["overlay"].__globals__.update(SIZE=(640, 360), held_mib=lambda folder, frames: 300)
    measured = bench["measure"](runs=1, frames=3, longer=4)
    stored = json.loads((root / "benchmarks" / "results" / "overlay.json").read_text())
    assert keys(measured) == keys(stored)
    assert stored["size"] == [1280, 720]
    for row in stored["rows"].values():
        for pictures in ("images", "video"):
            assert row[pictures]["frames_per_s_by_busier_thread"] >= stored["promise_frames_per_s"] == 30
    held = stored["largest_process_mib"]
    assert held["longer"] <= 1.05 * held["shorter"]


def test_the_benchmark_of_pages_of_views_runs_and_its_result_keeps_the_promise(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(root / "benchmarks"))
    bench = runpy.run_path(str(root / "benchmarks" / "bench_views_report.py"))
    # The browser is opened by the tests of the page itself.
    bench["measure"].__globals__.update(
        opened=lambda page, runs: dict.fromkeys(("first", "pictures", "cloud"), [1.0] * runs)
    )
    measured = bench["measure"]((32, 24), width=64, runs=1)
    stored = json.loads((root / "benchmarks" / "results" / "views_report.json").read_text())
    assert keys(measured) == keys(stored)
    assert (stored["agents"], stored["panorama"]) == (4, [1008, 252])
    assert stored["bytes"] <= stored["promise"]["bytes"] == 15_000_000
    assert stored["first_picture_s"]["longest"] <= stored["promise"]["first_picture_s"] == 3


def test_the_panorama_benchmark_runs_and_its_result_keeps_the_promise(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(root / "benchmarks"))
    measured = runpy.run_path(str(root / "benchmarks" / "bench_panorama.py"))["measure"](2)
    stored = json.loads((root / "benchmarks" / "results" / "panorama.json").read_text())
    assert keys(measured) == keys(stored)
    assert stored["count"] >= 100
    for name, row in stored["per_second"].items():
        assert row["two threads, by the busier thread"] >= stored["promise"] == 50, name


def test_the_views_benchmark_runs_and_its_result_has_the_same_form(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(root / "benchmarks"))
    measure = runpy.run_path(str(root / "benchmarks" / "bench_views.py"))["measure"]
    measured = measure(3, 20, (16, 4), tmp_path)
    stored = json.loads((root / "benchmarks" / "results" / "views.json").read_text())
    assert keys(measured) == keys(stored)
    assert stored["per_second"]["by the processor"] >= stored["promise"]["sets_per_second"] == 100
    assert stored["memory"]["growth"] <= stored["promise"]["memory_growth"]
