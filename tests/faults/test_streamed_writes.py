"""Writing window by window, broken off: by a full disk, a kill, a folder that may not be written to."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from lapsdata import formats
from lapsdata.testing.contracts import content_of, format_cases
from lapsdata.testing.samples import sample_tracks

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Forked = Callable[..., subprocess.CompletedProcess[str]]

STREAMED = {name: case for name, case in format_cases().items() if case.format.record == "tracks"}
WINDOWS = 600

COMMON = """
import json, os, resource, signal, sys
from pathlib import Path
from lapsdata import formats
from lapsdata.errors import LapsError
from lapsdata.testing.samples import sample_tracks

def tracks_of(seed, windows):
    return sample_tracks(windows=windows, horizon=8, points=40, confidence=True, seed=seed)

def opened(path, tracks, format, options):
    points = {"default": 40}
    return formats.tracks_writer(path, views=points, windows=len(tracks), horizon=8, confidence=True, format=format,
                                 overwrite=True, **options)

def append(writer, tracks, first, last):
    part = slice(first, last)
    writer.append("default", tracks.tracks["default"][part], tracks.vis["default"][part],
                  tracks.confidence["default"][part])

def finish(writer, tracks):
    return writer.finish(tracks.header, tracks.start_index, tracks.frame_s)
"""

FULL = (
    COMMON
    + """
path, format, options = Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])
limit, windows = int(sys.argv[4]), int(sys.argv[5])
tracks = tracks_of(2, windows)
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
told = {"step": "none"}
try:
    with opened(path, tracks, format, options) as writer:
        for first in range(0, windows, 8):
            told["step"] = first
            append(writer, tracks, first, min(windows, first + 8))
        told["step"] = "finish"
        finish(writer, tracks)
        told["step"] = "done"
except LapsError as error:
    told |= {"kind": type(error).__name__, "code": error.problems[0].code, "text": str(error)}
# A library that was left half-closed may fall over only now.
told["old"] = formats.read(path).header.video.name
small = tracks_of(3, 2)
if limit > 20_000:
    with opened(path.with_name("small"), small, format, options) as writer:
        append(writer, small, 0, 2)
        finish(writer, small)
    told["small"] = formats.read(path.with_name("small")).equals(small)
print(json.dumps(told))
"""
)


def largest_file(path: Path) -> int:
    return max(len(part) for part in content_of(path).values())


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.0, 0.1, 0.6, 0.995])
@pytest.mark.parametrize("name", sorted(STREAMED))
def test_a_disk_that_fills_up_meanwhile(name: str, share: float, tmp_path: Path, forked: Forked) -> None:
    """The tracker is told at the window that did not fit, and not hours later; the old file stays."""
    case = STREAMED[name]
    target = tmp_path / "item"
    options = {**case.options, "format": case.format.name}
    tracks = sample_tracks(windows=WINDOWS, horizon=8, points=40, confidence=True, seed=2)
    formats.write(tmp_path / "whole", tracks, **options)
    limit = int(largest_file(tmp_path / "whole") * share)
    formats.write(target, sample_tracks(seed=1), **options)
    before = content_of(target)
    done = forked(FULL, target, case.format.name, json.dumps(case.options), limit, WINDOWS)
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    assert (told["kind"], told["code"]) == ("StorageError", "disk-full"), told
    assert told["text"].startswith(f"{target}: cannot write: the file size limit is reached")
    assert content_of(target) == before
    assert {item.name for item in tmp_path.iterdir()} <= {"item", "whole", "small"}
    assert told.get("small", True)
    if share in (0.1, 0.6):
        assert isinstance(told["step"], int), f"told only at {told['step']}"


KILLED = (
    COMMON
    + """
path, format, options, stop = Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3]), sys.argv[4]
tracks = tracks_of(2, 300)
with opened(path, tracks, format, options) as writer:
    for first in range(0, 300, 20):
        append(writer, tracks, first, first + 20)
        if str(first) == stop:
            os.kill(os.getpid(), signal.SIGKILL)
    finish(writer, tracks)
    os.kill(os.getpid(), signal.SIGKILL)
"""
)


@pytest.mark.slow
@pytest.mark.parametrize("stop", [0, 140, "after"])
@pytest.mark.parametrize("name", sorted(STREAMED))
def test_a_writer_killed_between_windows(name: str, stop: int | str, tmp_path: Path, forked: Forked) -> None:
    """What it had stays under a hidden name; the item is the old one until `finish` has returned."""
    case = STREAMED[name]
    target = tmp_path / "item"
    options = {**case.options, "format": case.format.name}
    old, new = (sample_tracks(windows=w, horizon=8, points=40, confidence=True, seed=s) for w, s in ((3, 1), (300, 2)))
    formats.write(target, old, **options)
    done = forked(KILLED, target, case.format.name, json.dumps(case.options), stop)
    assert (done.returncode, done.stderr) == (-9, "")
    assert formats.read(target).equals(new if stop == "after" else old)
    others = [item.name for item in tmp_path.iterdir() if item.name != "item"]
    assert all(other.startswith(".lapsdata-tmp-") for other in others)
    assert bool(others) == (stop != "after")
    formats.write(target, new, overwrite=True, **options)
    assert formats.read(target).equals(new)


INTERRUPTED = (
    COMMON
    + """
import gc
path, format, options, number = Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3]), int(sys.argv[4])
tracks, calls = tracks_of(2, 40), [0]

def interrupt(frame, event, function):
    if event == "c_call" and getattr(function, "__name__", "") == "write" and "_Guarded" in repr(function):
        calls[0] += 1
        if calls[0] == number:
            raise KeyboardInterrupt("now")

told, writes = "", 0
try:
    with opened(path, tracks, format, options) as writer:
        sys.setprofile(interrupt)
        for first in range(40):
            append(writer, tracks, first, first + 1)
        finish(writer, tracks)
except BaseException as error:
    told = f"{type(error).__name__}: {error}"
sys.setprofile(None)
gc.collect()
left = sorted(item.name for item in path.parent.iterdir())
# A library that was left half-closed may fall over only now.
with opened(path, tracks, format, options) as writer:
    append(writer, tracks, 0, 40)
    finish(writer, tracks)
formats.read(path)
print(json.dumps({"told": told, "left": left, "calls": calls[0]}))
"""
)


@pytest.mark.slow
@pytest.mark.parametrize("number", [1, 2, 40, 119, 121, 130])
@pytest.mark.parametrize("name", [name for name, case in STREAMED.items() if case.format.store == "hdf5"])
def test_an_interrupt_in_the_midst_of_libhdf5(name: str, number: int, tmp_path: Path, forked: Forked) -> None:
    """Ctrl-C stays Ctrl-C when it falls into a write of the library: at a window, while finishing, at closing."""
    case = STREAMED[name]
    done = forked(INTERRUPTED, tmp_path / "item", case.format.name, json.dumps(case.options), number)
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    assert (told["told"], told["left"]) == ("KeyboardInterrupt: now", []), told


DENIED = (
    COMMON
    + """
folder, results = Path(sys.argv[1]), {}
cases = json.loads(sys.argv[2])
tracks = tracks_of(1, 2)
for name, (format, options) in cases.items():  # everything is imported while it still may be
    with opened(folder / "open" / name, tracks, format, options) as writer:
        append(writer, tracks, 0, 2)
        finish(writer, tracks)
    formats.read(folder / "open" / name)
(folder / "closed").chmod(0o555)
if os.getuid() == 0:
    os.setuid(65534)
for name, (format, options) in cases.items():
    try:
        with opened(folder / "closed" / name, tracks, format, options):
            results[name] = ["opened", ""]
    except LapsError as error:
        results[name] = [error.problems[0].code, str(error)]
print(json.dumps({"results": results, "names": os.listdir(folder / "closed")}))
"""
)


def test_a_folder_that_may_not_be_written_to_is_told_before_the_first_window(reachable: Path) -> None:
    """Root may do anything, so the test gives that up first."""
    cases = {name: (case.format.name, case.options) for name, case in STREAMED.items()}
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    words = [sys.executable, "-c", DENIED, str(reachable), json.dumps(cases)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    assert told["names"] == []
    assert set(told["results"]) == set(STREAMED)
    for name, (code, text) in told["results"].items():
        assert code == "no-permission", f"{name}: {text}"
        assert text.startswith(f"{reachable / 'closed' / name}: cannot write: no permission; choose a folder")
