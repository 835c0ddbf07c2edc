"""What one flipped bit leads to: an error, a wrong number, or nothing."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from datagen import files_in

if TYPE_CHECKING:
    from datagen import Data

    from peers._peer import Peer

__all__ = ["flips"]

RAISED, SILENT = 3, 4


def flips(peer: Peer, folder: Path, data: Data, count: int) -> dict[str, Any]:
    """Flip one random bit at a time in a copy of the data, and read everything in a process of its own.

    Every reader of the table says by `verifies` what this finds.
    """
    random = np.random.default_rng(0)
    told = {"raised": 0, "silently_wrong": 0, "harmless": 0}
    with tempfile.TemporaryDirectory() as name:
        copied = Path(name) / "data"
        shutil.copytree(folder, copied)
        payload = [path for path in files_in(copied) if path.suffix != ".json"]
        sizes = np.array([path.stat().st_size for path in payload], np.float64)
        for _ in range(count):
            path = payload[random.choice(len(payload), p=sizes / sizes.sum())]
            place, bit = int(random.integers(path.stat().st_size)), 1 << int(random.integers(8))
            flip(path, place, bit)
            told[outcome(peer, copied, data)] += 1
            flip(path, place, bit)
    return {"peer": peer.name, "flips": count} | told


def flip(path: Path, place: int, bit: int) -> None:
    with path.open("r+b") as file:
        file.seek(place)
        (byte,) = file.read(1)
        file.seek(place)
        file.write(bytes([byte ^ bit]))


def outcome(peer: Peer, folder: Path, data: Data) -> str:
    here = str(Path(__file__).parents[1])
    sizes = f"{data.files}, {data.windows}, {data.horizon}, {data.points}, {data.seed}"
    code = f"""
import sys
sys.path.insert(0, {here!r})
from pathlib import Path
from datagen import Data
from peers import load
from peers._flips import read_once
read_once(load({peer.name!r}), Path({str(folder)!r}), Data({sizes}))
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, timeout=120).returncode
    return {0: "harmless", SILENT: "silently_wrong"}.get(ended, "raised")


def read_once(peer: Peer, folder: Path, data: Data) -> None:
    """Read every window in its order and end the process with what came of it."""
    from peers._peer import batches

    rows = list(np.arange(len(data)).reshape(data.files, data.windows))
    try:
        found = batches(peer, folder, data, rows, batch=data.windows, workers=0)
        for row, batch in zip(rows, found, strict=False):
            for name, values in data.expected(row).items():
                if not np.array_equal(np.asarray(batch[name]), values, equal_nan=False):
                    sys.exit(SILENT)
    # A rival may raise anything: that is what is asked.
    except Exception as error:  # noqa: BLE001 - see above
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(RAISED)
