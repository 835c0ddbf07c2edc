"""A module that is dropped into `lapsdata/formats` is run through the contract, and nobody had to list it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from lapsdata.errors import PluginError
from lapsdata.formats import Format
from lapsdata.plugins import registry
from lapsdata.testing import contracts
from lapsdata.testing.contracts import format_cases, sample_of, strategy_of

if TYPE_CHECKING:
    from pathlib import Path

# A whole format in a file: what `energies_jsonl` writes, below a line of its own.
MODULE = '''"""Energies below a line of text."""

import tempfile
from pathlib import Path

from lapsdata.containers import Energies
from lapsdata.errors import Problem, UnknownFormatError
from lapsdata.formats import energies_jsonl
from lapsdata.formats._format import Format, WriteReport, check_container
from lapsdata.storage.atomic import atomic_file, storage_errors

MARK = b"energies below\\n"


def write(path, container, *, overwrite=False):
    check_container(container, Energies, path)
    with tempfile.TemporaryDirectory() as aside, atomic_file(path, overwrite=overwrite) as temporary:
        energies_jsonl.write(Path(aside) / "item", {written})
        temporary.write_bytes(MARK + (Path(aside) / "item").read_bytes())
    return WriteReport(path, PLUGIN.name, path.stat().st_size)


def read(path, *, verify="first"):
    with storage_errors(path, "open"):
        content = path.read_bytes()
    if not content.startswith(MARK):
        raise UnknownFormatError(Problem("not-ours", str(path), "expected a line of text, got other bytes"))
    with tempfile.TemporaryDirectory() as aside:
        (Path(aside) / "item").write_bytes(content[len(MARK):])
        return energies_jsonl.read(Path(aside) / "item", verify=verify)


def recognises(path):
    return path.is_file() and path.read_bytes()[: len(MARK)] == MARK


PLUGIN = Format("energies_below", "energies", "below", (".below",), Energies, recognises, read, write)
'''
WHOLE = "container"
ROW_LOST = "Energies(container.header, **{name: array[:-1] for name, array in container.arrays()})"


def run_with(modules: dict[str, str], folder: Path, root: Path, *tests: str) -> dict[str, dict[str, set[str]]]:
    """Run tests in a copy of the package with some modules more; return what passed and failed of each."""
    for name in ("lapsdata", "tests/contracts", "tests/properties"):
        # With compiled loops, which are known by times that a copy keeps, but not what is just being written.
        shutil.copytree(root / name, folder / name, ignore=shutil.ignore_patterns("*.pyc.*", "*.tmp.*"))
    for name in ("pyproject.toml", "tests/conftest.py", "tests/running_time.py"):
        shutil.copy(root / name, folder / name)
    for name, text in modules.items():
        (folder / "lapsdata" / "formats" / f"{name}.py").write_text(text)
    options = ["-p", "no:cacheprovider", "-rA", "-q", "-k", " or ".join(modules)]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *tests],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), "COLUMNS": "400"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    found = re.findall(r"^(PASSED|FAILED) \S*::(\w+)\[(\w+)\]", done.stdout, re.MULTILINE)
    return {
        name: {word: {test for verdict, test, of in found if (verdict, of) == (word, name)} for word in WORDS}
        for name in modules
    }


WORDS = ("PASSED", "FAILED")
PROMISES = {name for name in dir(contracts.FormatContract) if name.startswith("test_")}
DRAWN = {"test_whatever_a_container_may_hold_comes_back", "test_the_smallest_comes_back"}
TESTS = ("tests/contracts/test_formats.py", "tests/properties/test_round_trips.py")


@pytest.mark.slow
def test_a_format_that_loses_its_last_row_fails_and_its_good_twin_passes(tmp_path: Path, root: Path) -> None:
    modules = {"energies_below": ("below", WHOLE), "energies_lossy": ("lossy", ROW_LOST)}
    texts = {
        name: MODULE.replace("{written}", written).replace("below", word) for name, (word, written) in modules.items()
    }
    found = run_with(texts, tmp_path, root, *TESTS)
    assert found["energies_below"] == {"PASSED": PROMISES | DRAWN, "FAILED": set()}
    lossy = found["energies_lossy"]
    assert {"test_round_trip", "test_whatever_a_container_may_hold_comes_back"} <= lossy["FAILED"]
    assert lossy["PASSED"] | lossy["FAILED"] == PROMISES | DRAWN


def test_a_record_without_a_sample_or_a_strategy_is_told() -> None:
    fix = "add it, and its name to __all__"
    with pytest.raises(PluginError, match=rf"testing\.samples: expected a function sample_clouds, got none.*; {fix}"):
        sample_of("clouds")
    with pytest.raises(PluginError, match=rf"testing\.strategies: expected a function clouds, got none.*; {fix}"):
        strategy_of("clouds")


@pytest.mark.parametrize("record", ["np", "Any", "FrameRate"])
def test_a_name_that_a_module_only_uses_is_no_strategy(record: str) -> None:
    with pytest.raises(PluginError, match=f"expected a function {record}, got none"):
        strategy_of(record)


def test_options_that_the_contract_does_not_know_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    good = registry("formats").load("boxes_parquet")

    def write(path: Path, container: object, *, overwrite: bool = False, level: int = 3) -> None:
        good.write(path, container, overwrite=overwrite)

    odd = Format(good.name, good.record, good.store, good.suffixes, good.container, good.recognises, good.read, write)
    monkeypatch.setattr(contracts, "_our_formats", lambda: {"boxes_parquet": odd})
    with pytest.raises(PluginError, match=r"boxes_parquet: expected options of write that are known .*, got level;"):
        format_cases()


def test_an_empty_container_is_written_as_it_is(tmp_path: Path) -> None:
    """A container without rows is false in a condition, and is still the one that was given."""
    case = format_cases()["energies_jsonl"]
    empty = sample_of("energies", steps=0)
    case.write(tmp_path / "none.jsonl", empty)
    assert case.format.read(tmp_path / "none.jsonl").equals(empty)
