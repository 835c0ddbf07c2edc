"""Readers as programs use them: stopped early, many at once, in threads, and in processes of every start method."""

from __future__ import annotations

import gc
import multiprocessing
import os
import pickle
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lapsdata.errors import SchemaError
from lapsdata.video.reader import VideoReader, open_video

if TYPE_CHECKING:
    from collections.abc import Callable

NAMES = ("h264.mp4", "av1.mp4", "vp9.webm", "hevc.mp4")
LINUX = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts what /proc shows")


def checksum(image: np.ndarray) -> int:
    return int(image.astype(np.int64).sum())


def sums(reader: VideoReader, indices: list[int] | None = None) -> list[int]:
    return [checksum(frame.image) for frame in reader.frames(indices)]


def in_child(reader: VideoReader, results: Any) -> None:
    results.put((sums(reader, [3, 9, 30]), checksum(reader.at_index(5).image)))


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def threads() -> int:
    return len(list(Path("/proc/self/task").iterdir()))


_STOPS_EARLY = """
import sys
from lapsdata.video.reader import open_video
for _ in range(5):
    with open_video(sys.argv[1]) as reader:
        for frame in reader.frames():
            if frame.index == 3:
                break
        kept = reader.frames()
        next(kept)
        reader.at_index(20)
print("stopped")
"""


@pytest.mark.parametrize("name", NAMES)
def test_stopping_early_hangs_neither_the_reader_nor_the_end_of_the_program(
    name: str, video: Callable[[str], Path]
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _STOPS_EARLY, str(video(name))], capture_output=True, text=True, timeout=60, check=True
    )
    assert (done.stdout, done.stderr) == ("stopped\n", "")


@LINUX
@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_left_open(name: str, video: Callable[[str], Path]) -> None:
    path = video(name)
    open_video(path).at_index(0)
    gc.collect()
    before = open_files(), threads()
    for turn in range(20):
        reader = open_video(path)
        iterator = reader.frames()
        next(iterator)
        reader.at_index(turn)
        if turn % 2:
            reader.close()
            iterator.close()
        del reader, iterator
    gc.collect()
    assert (open_files(), threads()) == before


@LINUX
def test_readers_that_wait_to_be_read_hold_few_files_open(video: Callable[[str], Path]) -> None:
    path = video("h264.mp4")
    with open_video(path) as reader:
        expected = sums(reader)
    gc.collect()
    before = open_files()
    readers = [open_video(path) for _ in range(60)]
    assert before < open_files() <= before + 16
    assert all(sums(reader) == expected for reader in readers)
    assert open_files() == before
    left = open_video(path)
    assert open_files() == before + 1
    del left
    assert open_files() == before
    # Those that are read make room for others.
    busy = []
    for _ in range(20):
        busy.append(open_video(path))
        busy[-1].at_index(0)
    with open_video(path):
        assert open_files() == before + 21
    assert open_files() == before + 20


def test_iterators_of_one_reader_do_not_disturb_each_other(video: Callable[[str], Path]) -> None:
    with open_video(video("h264.mp4")) as reader:
        expected = sums(reader)
        one, other = reader.frames(), reader.frames(range(0, 40, 2))
        for index in range(20):
            assert checksum(next(other).image) == expected[2 * index]
            assert checksum(next(one).image) == expected[index]
            assert checksum(reader.at_index(39 - index).image) == expected[39 - index]


def test_a_reader_is_shared_by_threads(video: Callable[[str], Path]) -> None:
    with open_video(video("h264.mp4")) as reader:
        expected = sums(reader)

        def work(seed: int) -> bool:
            order = np.random.default_rng(seed).permutation(40).tolist()
            alone = all(checksum(reader.at_index(index).image) == expected[index] for index in order)
            return alone and sums(reader) == expected

        with ThreadPoolExecutor(6) as pool:
            assert all(pool.map(work, range(12)))


def test_many_readers_at_once(video: Callable[[str], Path], kinds: tuple[str, ...]) -> None:
    paths = [video(name) for name in kinds]
    expected = {}
    for path in paths:
        with open_video(path) as reader:
            expected[path] = sums(reader)
    readers = [open_video(path) for path in paths for _ in range(3)]
    running = [(reader, reader.frames()) for reader in readers]
    for index in range(40):
        for reader, frames in running:
            assert checksum(next(frames).image) == expected[reader.facts.path][index]
    for reader in readers:
        reader.close()


def test_a_pickled_reader_reads_the_same(video: Callable[[str], Path]) -> None:
    with open_video(video("h264.mp4"), pixels="gray") as reader:
        reader.at_index(3)
        copy = pickle.loads(pickle.dumps(reader))
        assert sums(copy) == sums(reader)
        assert copy.facts.frame_s.tolist() == reader.facts.frame_s.tolist()
        assert copy.at_index(7).image.ndim == 2
        copy.close()


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.parametrize("name", ["h264.mp4", "av1.mp4"])
def test_a_reader_that_is_in_use_works_in_a_child_and_in_its_parent(
    method: str, name: str, video: Callable[[str], Path]
) -> None:
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no {method} on this system")
    context: Any = multiprocessing.get_context(method)
    with open_video(video(name)) as reader:
        expected = sums(reader)
        # The decoder and the place in the file are in the middle when the child is made.
        running = reader.frames()
        assert checksum(next(running).image) == expected[0]
        assert checksum(reader.at_index(20).image) == expected[20]
        results = context.Queue()
        children = [context.Process(target=in_child, args=(reader, results)) for _ in range(2)]
        for child in children:
            child.start()
        rest = [checksum(frame.image) for frame in running]
        told = [results.get(timeout=60) for _ in children]
        for child in children:
            child.join(60)
            assert child.exitcode == 0
        assert told == [([expected[3], expected[9], expected[30]], expected[5])] * 2
        assert rest == expected[1:]
        assert checksum(reader.at_index(21).image) == expected[21]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_reader_that_waits_to_be_read_is_forked(
    tmp_path: Path, write: Callable[..., Path], draw: Callable[..., Any]
) -> None:
    """The file is open, and the place in it is one for both processes."""
    path = write(tmp_path / "clip.avi", "mjpeg.avi", draw(40, 320, 240))
    with open_video(path) as reader:
        expected = sums(reader)
    with open_video(path) as reader:
        wait, wake, receive, send = *os.pipe(), *os.pipe()
        child = os.fork()
        if child == 0:
            try:
                for frame in reader.frames():
                    os.write(send, b"y" if checksum(frame.image) == expected[frame.index] else b"n")
                    os.read(wait, 1)
            finally:
                os._exit(0)
        os.close(send)
        told = b""
        for frame in reader.frames():
            assert checksum(frame.image) == expected[frame.index]
            told += os.read(receive, 1)
            os.write(wake, b".")
        os.waitpid(child, 0)
        for end in (wait, wake, receive):
            os.close(end)
    assert told == b"y" * 40


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_an_iterator_that_a_forked_child_goes_on_with_is_exact_on_both_sides(video: Callable[[str], Path]) -> None:
    with open_video(video("h264.mkv")) as reader:
        expected = sums(reader)
        running = reader.frames()
        for index in range(10):
            assert checksum(next(running).image) == expected[index]
        receive, send = os.pipe()
        child = os.fork()
        if child == 0:
            right = [checksum(frame.image) for frame in running] == expected[10:]
            os.write(send, b"y" if right else b"n")
            os._exit(0)
        assert [checksum(frame.image) for frame in running] == expected[10:]
        os.waitpid(child, 0)
        assert os.read(receive, 1) == b"y"
        os.close(receive)
        os.close(send)


def test_no_thread_is_started(video: Callable[[str], Path]) -> None:
    before = threading.active_count()
    with open_video(video("av1.mp4")) as reader:
        next(reader.frames())
        assert threading.active_count() == before


def test_an_empty_text_is_no_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SchemaError, match=r"source: expected a path or URL, got an empty text; is a variable unset\?"):
        open_video("")
