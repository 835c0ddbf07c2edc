"""Equal inputs give equal bytes: at another second, in another process, with any number of threads."""

from __future__ import annotations

import hashlib
import os
import pickle
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from lapsdata.formats import tracks_hdf5, tracks_zarr
from lapsdata.testing.contracts import content_of, format_cases
from lapsdata.testing.samples import sample_tracks

if TYPE_CHECKING:
    from pathlib import Path

    from lapsdata.testing.contracts import FormatCase

WRITER = """
import pickle, sys
from pathlib import Path
from lapsdata.plugins import registry
jobs = pickle.loads(sys.stdin.buffer.read())
for path, name, options, container in jobs:
    registry("formats").load(name).write(Path(path), container, **options)
"""

THREADS = ("OMP_NUM_THREADS", "ARROW_IO_THREADS", "BLOSC_NTHREADS", "ZARR_THREADING__MAX_WORKERS")


def digest_of(path: Path) -> str:
    return hashlib.sha256(repr(content_of(path)).encode()).hexdigest()


def write_elsewhere(jobs: list[tuple[str, str, dict[str, Any], object]], **environment: str) -> None:
    subprocess.run(
        [sys.executable, "-c", WRITER],
        input=pickle.dumps(jobs),
        env={**os.environ, "PYTHONHASHSEED": "random", **environment},
        check=True,
    )


def test_no_clock_gets_into_a_file(case: FormatCase, tmp_path: Path) -> None:
    """HDF5 can store times of change, in seconds: the two writes must not fall into one."""
    case.write(tmp_path / "one")
    time.sleep(1.1)
    case.write(tmp_path / "two")
    assert content_of(tmp_path / "one") == content_of(tmp_path / "two")


@pytest.mark.slow
def test_processes_and_threads_do_not_matter(tmp_path: Path) -> None:
    """Windows of a megabyte: compressors split them into blocks, whose order threads could change."""
    large = sample_tracks(windows=3, horizon=16, points=9_000)
    formats = {"hdf5": tracks_hdf5.PLUGIN, "zarr": tracks_zarr.PLUGIN}
    options = {"profile": "compact"}
    for name, plugin in formats.items():
        plugin.write(tmp_path / name, large, **options)
    for count in ("1", "8"):
        jobs = [(str(tmp_path / f"{name}-{count}"), p.name, options, large) for name, p in formats.items()]
        write_elsewhere(jobs, **dict.fromkeys(THREADS, count))
        for name in formats:
            assert digest_of(tmp_path / f"{name}-{count}") == digest_of(tmp_path / name)


def test_another_process_writes_the_same(tmp_path: Path) -> None:
    all_cases = format_cases()
    jobs = [(str(tmp_path / name), case.format.name, case.options, case.container) for name, case in all_cases.items()]
    write_elsewhere(jobs)
    for name, case in all_cases.items():
        case.write(tmp_path / f"{name}-here")
        assert content_of(tmp_path / name) == content_of(tmp_path / f"{name}-here"), name


def test_a_pickled_container_writes_the_same(case: FormatCase, tmp_path: Path) -> None:
    case.write(tmp_path / "one")
    case.write(tmp_path / "two", pickle.loads(pickle.dumps(case.container)))
    assert content_of(tmp_path / "one") == content_of(tmp_path / "two")
