"""A data set that was used goes to other processes: after any kind of start, from threads, in the midst of reading."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import resource
import subprocess
import sys
import textwrap
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import lapsdata
from lapsdata.loading.windows import open_windows
from lapsdata.testing.samples import sample_tracks

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FILES: dict[str, dict[str, Any]] = {
    "0.h5": {},
    "1.h5": {"chunking": "windows"},
    "2.h5": {"profile": "compact", "round_px": "none"},
    "3.zarr": {},
    "4.zarr": {"profile": "compact", "round_px": "none"},
}
WINDOWS = 7


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("used") / "files"
    made.mkdir()
    for seed, (name, options) in enumerate(FILES.items()):
        lapsdata.write(made / name, sample_tracks(windows=WINDOWS, seed=seed), **options)
    return made


def wanted() -> Any:
    return np.concatenate([sample_tracks(windows=WINDOWS, seed=n).tracks["default"] for n in range(len(FILES))])


USED = """
    import multiprocessing, os, pathlib, sys, threading
    import numpy as np
    from lapsdata.loading.windows import open_windows

    def digest(windows, ids):
        return windows.gather(ids)["tracks"].tobytes()

    def work(task):
        windows, seed = task
        ids = np.random.default_rng(seed).integers(0, len(windows), 40)
        return os.getpid(), ids, digest(windows, ids)

    def handles():
        return sum(1 for entry in os.scandir("/proc/self/fd") if "files" in os.path.realpath(entry.path).split("/"))

    if __name__ == "__main__":
        folder, method, io = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3]
        windows = open_windows(folder, io=io, threads=2, open_files=3)
        whole = windows.gather(np.arange(len(windows)))["tracks"]  # the parent has files open and threads at work
        stop = threading.Event()
        def read_on():
            while not stop.is_set():
                windows.gather(np.random.default_rng(0).integers(0, len(windows), 20))
        busy = [threading.Thread(target=read_on) for _ in range(2)]
        for thread in busy:
            thread.start()
        seen = set()
        context = multiprocessing.get_context(method)
        tasks = [(windows, seed) for seed in range(8)]
        for _ in range(3 if method == "fork" else 1):  # the others import everything each time
            with context.Pool(2) as pool:
                for process, ids, found in pool.map_async(work, tasks).get(timeout=100):
                    assert found == whole[ids].tobytes()
                    seen.add(process)
        stop.set()
        for thread in busy:
            thread.join(timeout=60)
        assert os.getpid() not in seen
        windows.close()
        assert handles() == 0
        print("right")
"""


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_a_used_data_set_reads_right_in_every_kind_of_process(tmp_path: Path, folder: Path, method: str) -> None:
    script = tmp_path / "used.py"
    script.write_text(textwrap.dedent(USED))
    io = {"fork": "mmap", "spawn": "auto"}.get(method, "pread")
    command = [sys.executable, "-W", "ignore", str(script), str(folder), method, io]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "right\n"


def in_child(work: Callable[[], object]) -> object:
    """Fork, do something, and hand back what came of it."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            result: object = work()
        except BaseException as error:  # noqa: BLE001 - the parent must hear of any
            result = repr(error)
        os.write(writing, pickle.dumps(result))
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        content = pipe.read()
    assert os.waitpid(child, 0)[1] == 0
    return pickle.loads(content)


def handles(folder: Path) -> int:
    return sum(str(folder) in os.path.realpath(entry.path) for entry in os.scandir("/proc/self/fd"))


@pytest.fixture(params=["auto", "mmap", "pread"])
def used(request: pytest.FixtureRequest, folder: Path) -> Any:
    windows = open_windows(folder, io=request.param)
    windows.gather(np.arange(len(windows)))
    yield windows
    windows.close()


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
class TestFork:
    def test_a_child_opens_files_of_its_own_and_gives_those_of_its_parent_back(self, used: Any, folder: Path) -> None:
        before = handles(folder)
        assert before > 0

        def work() -> tuple[bool, int]:
            found = used.gather([3, 30], fields=["tracks"])["tracks"]
            return bool(np.array_equal(found, wanted()[[3, 30]], equal_nan=True)), handles(folder)

        right, held = in_child(work)  # type: ignore[misc]  # a pair
        assert right
        assert 0 < held < before
        assert handles(folder) == before
        assert np.array_equal(used.gather([4])["tracks"], wanted()[[4]], equal_nan=True)

    def test_threads_of_a_child_begin_together(self, used: Any) -> None:
        def work() -> list[str]:
            faults, barrier = list[str](), threading.Barrier(6)

            def read(seed: int) -> None:
                barrier.wait(timeout=30)
                for _ in range(5):
                    ids = np.random.default_rng(seed).integers(0, len(used), 9)
                    try:
                        found = used.gather(ids)["tracks"]
                        if not np.array_equal(found, wanted()[ids], equal_nan=True):
                            faults.append("wrong")
                    except Exception as error:  # noqa: BLE001 - told to the parent
                        faults.append(repr(error))

            threads = [threading.Thread(target=read, args=(seed,)) for seed in range(6)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(timeout=60)
            return faults

        assert in_child(work) == []

    def test_what_a_parent_has_verified_a_child_verifies_again(self, tmp_path: Path) -> None:
        lapsdata.write(tmp_path / "x.h5", sample_tracks(windows=WINDOWS))
        windows = open_windows(tmp_path / "x.h5", verify="first")
        always = open_windows(tmp_path / "x.h5", verify="always")
        windows.gather([2, 3])
        index = windows._reader._pieces[0].sources()["tracks"]
        times = (tmp_path / "x.h5").stat()
        with (tmp_path / "x.h5").open("r+b") as file:
            file.seek(int(index.offset[3]))  # type: ignore[union-attr]  # chunks, as all files of ours
            file.write(b"\1\2\3\4")
        # A disk that loses bits tells nobody.
        os.utime(tmp_path / "x.h5", ns=(times.st_atime_ns, times.st_mtime_ns))
        assert not np.array_equal(windows.gather([3])["tracks"], wanted()[[3]], equal_nan=True)
        told = in_child(lambda: windows.gather([3]))
        assert "root/default/tracks: row 3" in str(told)
        assert "payload-checksum" in str(told)
        for again in (always, pickle.loads(pickle.dumps(windows))):
            with pytest.raises(lapsdata.CorruptDataError, match=r"row 3 .*\[payload-checksum\]"):
                again.gather([2, 3])
            again.close()
        windows.close()

    @pytest.mark.parametrize("io", ["auto", "mmap"])
    def test_a_few_handles_are_enough_for_many_files(self, tmp_path: Path, io: Any) -> None:
        for number in range(30):
            lapsdata.write(tmp_path / f"{number:02}.h5", sample_tracks(windows=2, seed=number))
        windows = open_windows(tmp_path, io=io, open_files=10)

        def work() -> list[float]:
            taken = max(int(entry.name) for entry in os.scandir("/proc/self/fd"))
            resource.setrlimit(resource.RLIMIT_NOFILE, (taken + 12, taken + 12))
            for _ in range(40):
                batch = windows.gather(np.arange(60))
            return [float(x) for x in batch["tracks"][:, 0, 0, 0]]

        given = [sample_tracks(windows=2, seed=number).tracks["default"][:, 0, 0, 0] for number in range(30)]
        assert np.array_equal(np.array(in_child(work)), np.concatenate(given), equal_nan=True)

    def test_a_child_of_a_child_reads_right(self, used: Any) -> None:
        def right() -> bool:
            return bool(np.array_equal(used.gather([5])["tracks"], wanted()[[5]], equal_nan=True))

        assert in_child(lambda: right() and in_child(right) and right()) is True

    def test_a_child_that_never_reads_leaves_its_parent_in_peace(self, used: Any, folder: Path) -> None:
        assert in_child(lambda: used.close()) is None
        assert handles(folder) > 0
        assert np.array_equal(used.gather([6])["tracks"], wanted()[[6]], equal_nan=True)


def test_pickles_of_a_used_data_set_read_right(used: Any) -> None:
    again = pickle.loads(pickle.dumps(used))
    ids = np.array([34, 0, 17, 17])
    assert np.array_equal(again.gather(ids)["tracks"], wanted()[ids], equal_nan=True)
    again.close()
    part = pickle.loads(pickle.dumps(used.subset(ids=ids)))
    assert np.array_equal(part.gather([0, 2])["tracks"], wanted()[[34, 17]], equal_nan=True)
    part.close()
