"""A writer killed at any moment leaves the old item or the whole new one, and the next write works."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

KILLS = 12

# Children are forked from a process that has imported everything and started no thread, so that a kill falls into
# the writing and not into the imports. Reading also happens in a child: zarr starts threads.
SCRIPT = """
import dataclasses, json, os, random, signal, sys, time
from pathlib import Path
import h5py, pyarrow.parquet, zarr, google_crc32c
from lapsdata.errors import StorageError
from lapsdata.plugins import registry
from lapsdata.storage import atomic
from lapsdata.testing.samples import sample_boxes, sample_energies, sample_tokens, sample_tracks

name, folder, kills, way = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
target = folder / "item"
plugin = registry("formats").load(name)
make = {
    "tracks": lambda seed: sample_tracks(windows=40, horizon=16, points=400, seed=seed),
    "tokens": lambda seed: sample_tokens(windows=100, latent=64, seed=seed),
    "energies": lambda seed: sample_energies(steps=1500, seed=seed),
    "boxes": lambda seed: dataclasses.replace(sample_boxes(), x=sample_boxes().x + seed),
}[plugin.record]
one, two = make(1), make(2)
if way == "renames":
    atomic._exchange = lambda first, second: False

def child(work):
    number = os.fork()
    if number:
        return number
    try:
        os._exit(work())
    except BaseException:
        sys.excepthook(*sys.exc_info())
        os._exit(99)

def state():
    # 0: the first, 1: the second, 2: absent; 99, with the error on stderr, for anything else.
    try:
        back = plugin.read(target)
    except StorageError as error:
        return 2 if error.problems[0].code in ("not-found", "no-such-file") and not target.exists() else 98
    return 0 if back.equals(one) else 1 if back.equals(two) else 97

def write_on():
    while True:
        plugin.write(target, two, overwrite=True)
        plugin.write(target, one, overwrite=True)

def read_state():
    return os.waitstatus_to_exitcode(os.waitpid(child(state), 0)[1])

def restored():
    return int(not atomic.restore_folder(target))

started = time.monotonic()
assert os.waitpid(child(lambda: plugin.write(target, one, overwrite=True) is None), 0)[1] == 0
took = time.monotonic() - started
seen, left = {}, 0
random.seed(7)
for _ in range(kills):
    victim = child(write_on)
    time.sleep(random.uniform(0.0, 3 * took))
    os.kill(victim, signal.SIGKILL)
    os.waitpid(victim, 0)
    found = read_state()
    if found == 2 and way == "renames":
        found = "aside" if os.waitpid(child(restored), 0)[1] == 0 and read_state() in (0, 1) else "lost"
    seen[found] = seen.get(found, 0) + 1
    others = [item.name for item in folder.iterdir() if item.name != "item"]
    assert all(other.startswith(".lapsdata-tmp-") for other in others), others
    left += len(others) > 0
assert os.waitpid(child(lambda: plugin.write(target, two, overwrite=True) is None), 0)[1] == 0
print(json.dumps({"seen": seen, "left": left, "last": read_state()}))
"""


def kill_writers(name: str, folder: Path, way: str) -> dict[str, object]:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, name, str(folder), str(KILLS), way], capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    result: dict[str, object] = json.loads(done.stdout)
    return result


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tracks_hdf5", "tracks_zarr", "tokens_zarr", "energies_jsonl", "boxes_parquet"])
def test_killed_while_replacing(name: str, tmp_path: Path) -> None:
    result = kill_writers(name, tmp_path, "exchange")
    seen = result["seen"]
    assert isinstance(seen, dict)
    assert set(seen) <= {"0", "1"}, result
    assert sum(seen.values()) == KILLS
    assert result["last"] == 1


@pytest.mark.slow
def test_killed_where_folders_cannot_be_exchanged(tmp_path: Path) -> None:
    """The old folder may then stand aside, whole, and is put back by the next write."""
    result = kill_writers("tokens_zarr", tmp_path, "renames")
    seen = result["seen"]
    assert isinstance(seen, dict)
    assert set(seen) <= {"0", "1", "aside"}, result
    assert result["last"] == 1


FIRST = """
import os, signal, sys, threading, time
from pathlib import Path
from lapsdata.plugins import registry
from lapsdata.testing.samples import sample_tracks
plugin = registry("formats").load(sys.argv[1])
large = sample_tracks(windows=60, horizon=16, points=400)
plugin.write(Path(sys.argv[2] + ".warm"), sample_tracks())
threading.Timer(float(sys.argv[3]), lambda: os.kill(os.getpid(), signal.SIGKILL)).start()
plugin.write(Path(sys.argv[2]), large)
time.sleep(60)
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tracks_hdf5", "tracks_zarr"])
@pytest.mark.parametrize("delay", [0.0, 0.02, 0.08])
def test_killed_before_there_was_anything(name: str, delay: float, tmp_path: Path) -> None:
    """Killed by itself, from another thread, at the first write: absent or whole, and free to be written again."""
    from lapsdata.plugins import registry
    from lapsdata.testing.samples import sample_tracks

    target, plugin = tmp_path / "item", registry("formats").load(name)
    done = subprocess.run([sys.executable, "-c", FIRST, name, str(target), str(delay)], timeout=120)
    assert done.returncode == -9
    large = sample_tracks(windows=60, horizon=16, points=400)
    if target.exists():
        assert plugin.read(target).equals(large)
    assert {item.name for item in tmp_path.iterdir() if not item.name.startswith(".lapsdata-tmp-")} <= {
        "item",
        "item.warm",
    }
    plugin.write(target, large, overwrite=target.exists())
    assert plugin.read(target).equals(large)
