"""A full disk and a folder without permission, in a process of their own: limits cannot be taken back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from lapsdata.testing.contracts import content_of, format_cases

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Forked = Callable[..., subprocess.CompletedProcess[str]]

FORMATS = sorted({case.format.name for case in format_cases().values()})

COMMON = """
import json, os, resource, sys
from pathlib import Path
from lapsdata import formats
from lapsdata.containers import Boxes, Segments
from lapsdata.errors import LapsError
from lapsdata.plugins import registry
from lapsdata.testing.contracts import format_cases
from lapsdata.testing.samples import *

def attempt(work):
    try:
        work()
    except LapsError as error:
        return [type(error).__name__, error.problems[0].code, str(error)]
    return ["done", "", ""]
"""

FULL = (
    COMMON
    + """
import dataclasses
import numpy as np
large = {
    "tracks": lambda: sample_tracks(windows=40, points=300),
    "tokens": lambda: sample_tokens(windows=300, latent=64),
    "energies": lambda: sample_energies(steps=2000),
    "catalog": lambda: sample_catalog(items=3000),
    "shards": lambda: sample_shards(windows=(6, 4), points=1000),
}
def wide(sample, count):
    rows = np.arange(count) * 0
    columns = {name: tuple(values[i] for i in rows) for name, values in sample.columns()}
    arrays = {name: values[rows] for name, values in sample.arrays() if "[" not in name}
    return columns | arrays

def many_boxes():
    noise = np.random.default_rng(0).random(20_000)
    return Boxes(sample_boxes().header, **(wide(sample_boxes(), 20_000) | {"id": np.arange(20_000), "x": noise}))

def many_segments():
    start = np.cumsum(np.random.default_rng(0).random(20_000) * 1e-5 + 1e-5)
    fields = wide(sample_segments(), 20_000) | {"start_s": start, "end_s": start + 1e-6}
    return Segments(sample_segments().header, **fields, codes=None)

from tests.faults.conftest import many_views
large |= {"boxes": many_boxes, "segments": many_segments, "views": many_views}
case, target = format_cases()[sys.argv[1]], Path(sys.argv[2])
container = large[case.format.record]()
for limit in map(int, sys.argv[3:]):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    print(json.dumps(attempt(lambda: case.write(target, container, overwrite=True))))
    # A library that was left half-closed may fall over only now.
    case.format.read(target)
"""
)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(format_cases()))
def test_a_full_disk_costs_nothing_old(name: str, tmp_path: Path, forked: Forked) -> None:
    """Every write past a limit fails, in whatever library does it: the first, one in the midst, the one at closing."""
    case = format_cases()[name]
    target = tmp_path / "item"
    case.write(target)
    before = content_of(target)
    done = forked(FULL, name, target, 0, 512, 30000)
    assert done.returncode == 0, done.stderr
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(told) == 3
    for kind, code, text in told:
        assert (kind, code) == ("StorageError", "disk-full"), text
        assert text.startswith(f"{target}: cannot write: ")
        assert "file size limit" in text
    assert content_of(target) == before
    assert [item.name for item in tmp_path.iterdir()] == ["item"]
    assert done.stderr == ""


DENIED = (
    COMMON
    + """
folder, results = Path(sys.argv[1]), {}
cases = {case.format.name: case for case in format_cases().values()}
for name, case in cases.items():  # everything is imported while it still may be
    case.write(folder / "open" / name)
    case.format.read(folder / "open" / name)
    formats.read(folder / "open" / name)
    case.write(folder / "closed" / name)
    for item in (folder / "closed" / name).rglob("*"):
        if item.is_file():
            item.chmod(0)
    if (folder / "closed" / name).is_file():
        (folder / "closed" / name).chmod(0)
(folder / "closed").chmod(0o555)
if os.getuid() == 0:
    os.setuid(65534)
for name, case in cases.items():
    closed = folder / "closed"
    results[name] = {
        "write": attempt(lambda: case.write(closed / "new")),
        "replace": attempt(lambda: case.write(closed / name, overwrite=True)),
        "read": attempt(lambda: case.format.read(closed / name)),
        "recognise": attempt(lambda: formats.read(closed / name)),
    }
results["names"] = sorted(item.name for item in (folder / "closed").iterdir())
print(json.dumps(results))
"""
)


def test_a_folder_without_permission(reachable: Path) -> None:
    """Root may do anything, so the test gives that up first."""
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", DENIED, str(reachable)], capture_output=True, text=True, env=environment, timeout=120
    )
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)
    assert results.pop("names") == FORMATS
    assert sorted(results) == FORMATS
    for name, tried in results.items():
        for action, (kind, code, text) in tried.items():
            assert (kind, code) == ("StorageError", "no-permission"), f"{name}, {action}: {kind}: {text}"
            assert str(reachable / "closed") in text
        assert "cannot write: no permission; choose a folder you may write to" in tried["write"][2]
