"""One public module of `lapsdata/formats` = one format, with golden files, a row of the table, and a contract run."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lapsdata.formats import Format
from lapsdata.schema import RECORDS
from lapsdata.testing.contracts import sample_of

ROOM = Path(importlib.import_module("lapsdata.formats").__path__[0])
NAMES = sorted(path.stem for path in ROOM.iterdir() if path.suffix in {".py", ""} and path.stem[0] not in "_.")


@pytest.fixture(scope="module")
def collected(root: Path) -> str:
    """Name every test that pytest finds in the folders that speak of all formats."""
    rooms = ["tests/contracts", "tests/properties", "tests/formats", "tests/faults"]
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *rooms]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_room_is_not_empty() -> None:
    assert len(NAMES) >= 6


@pytest.mark.parametrize("name", NAMES)
def test_a_module_offers_one_format_of_its_own_name(name: str) -> None:
    module = importlib.import_module(f"lapsdata.formats.{name}")
    assert [key for key, value in vars(module).items() if isinstance(value, Format)] == ["PLUGIN"]
    plugin = module.PLUGIN
    assert plugin.name == name == f"{plugin.record}_{plugin.store}"
    assert plugin.read is module.read
    assert plugin.write is module.write
    assert f"{plugin.record}.v1" in RECORDS
    assert type(sample_of(plugin.record)) is plugin.container


@pytest.mark.parametrize("name", NAMES)
def test_a_format_has_golden_files_that_are_compared(root: Path, name: str) -> None:
    golden = {path.name for path in (root / "tests" / "golden" / name / "v1").iterdir()}
    assert golden
    for module in ("test_golden.py", "make_golden.py"):
        spelled = set(re.findall(rf'"{name}/v1/([\w.]+)"', (root / "tests" / "formats" / module).read_text()))
        assert spelled == golden


@pytest.mark.parametrize("name", NAMES)
def test_a_format_has_a_row_in_the_table_of_versions(root: Path, name: str) -> None:
    record = name.partition("_")[0]
    row = rf"^\| {record} \| .* \| \d+\.\d+ \| \d+\.\d+\.\d+ \| .*`schemas/{record}\.v1\.json`"
    assert re.search(row, (root / "CHANGELOG.md").read_text(), re.MULTILINE)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "test",
    [
        "test_round_trip",
        "test_flipped_bits_are_errors_or_harmless",
        "test_failed_write_leaves_the_old",
        "test_whatever_a_container_may_hold_comes_back",
        "test_another_process_writes_the_same",
        "test_flips_in_larger_files_mostly_hit_data",
        "test_a_cut_at_every_boundary_is_an_error",
        "test_golden_files_say_what_they_said",
    ],
)
def test_a_format_is_run_through_the_tests_of_all(collected: str, test: str, name: str) -> None:
    assert re.search(rf"::{test}(\[{name}\W|$)", collected, re.MULTILINE)
