"""Several processes: read after any kind of start, write one target at once, read while it is replaced."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
import textwrap
import threading
from typing import TYPE_CHECKING

import pytest

import lapsdata
from lapsdata.containers import Tracks
from lapsdata.errors import StorageError
from lapsdata.testing.samples import (
    sample_boxes,
    sample_energies,
    sample_segments,
    sample_tokens,
    sample_tracks,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lapsdata.containers import Container

FILES: dict[str, Callable[[], Container]] = {
    "clip.h5": sample_tracks,
    "clip.zarr": sample_tracks,
    "tokens.zarr": sample_tokens,
    "clips.jsonl": sample_energies,
    "segments.parquet": sample_segments,
    "boxes.parquet": sample_boxes,
}

READ = """
    import multiprocessing, pathlib, sys
    import lapsdata

    def load(path):
        return lapsdata.read(path)

    if __name__ == "__main__":
        folder, method = pathlib.Path(sys.argv[1]), sys.argv[2]
        paths = sorted(folder.iterdir())
        here = [load(path) for path in paths]  # the parent has used every library before it starts another process
        with multiprocessing.get_context(method).Pool(2) as pool:
            there = pool.map_async(load, paths * 3).get(timeout=120)
        assert len(there) == 3 * len(here)
        assert all(one.equals(other) for one, other in zip(there, here * 3))
        print(len(there))
"""

WRITE = """
    import sys
    import lapsdata
    from lapsdata.testing.samples import sample_tracks

    path, seed, times = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    tracks = sample_tracks(windows=6, seed=seed)
    for _ in range(times):
        lapsdata.write(path, tracks, overwrite=True)
"""


def script(tmp_path: Path, name: str, source: str) -> str:
    path = tmp_path / f"{name}.py"
    path.write_text(textwrap.dedent(source))
    return str(path)


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_every_format_reads_in_every_kind_of_process(tmp_path: Path, method: str) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    for name, make in FILES.items():
        lapsdata.write(folder / name, make())
    command = [sys.executable, "-W", "ignore", script(tmp_path, "load", READ), str(folder), method]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(3 * len(FILES))]


@pytest.mark.parametrize("name", FILES)
def test_threads_read_the_same(tmp_path: Path, name: str) -> None:
    lapsdata.write(tmp_path / name, FILES[name]())
    found: list[Container] = []

    def load() -> None:
        found.extend(lapsdata.read(tmp_path / name) for _ in range(5))

    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert len(found) == 20
    assert all(one.equals(FILES[name]()) for one in found)


STORES = {"clip.h5": "hdf5", "clip.zarr": "zarr"}


@pytest.mark.parametrize("name", STORES)
def test_a_reader_sees_one_writer_or_the_other_or_is_told(tmp_path: Path, name: str) -> None:
    """Two writers replace one target again and again; no read mixes them, and none calls a sound file damaged."""
    path = tmp_path / name
    wanted = [sample_tracks(windows=6, seed=seed) for seed in (1, 2)]
    lapsdata.write(path, sample_tracks(windows=6, seed=1))
    source = script(tmp_path, "write", WRITE)
    writers = [subprocess.Popen([sys.executable, source, str(path), str(seed), "15"]) for seed in (1, 2)]
    seen, told = 0, set[str]()
    try:
        while any(writer.poll() is None for writer in writers) or not seen:
            try:
                found = lapsdata.read(path, Tracks, format=f"tracks_{STORES[name]}")
            except StorageError as error:
                told |= {problem.code for problem in error.problems}
                continue
            assert any(found.equals(one) for one in wanted)
            seen += 1
    finally:
        codes = [writer.wait(timeout=120) for writer in writers]
    assert codes == [0, 0]
    assert [item.name for item in tmp_path.iterdir() if item.name.startswith(".")] == []
    # A file that is open stays what it was; of a folder, each part is opened anew.
    assert told <= (set() if name == "clip.h5" else {"replaced", "not-found"})
