"""Measure one rival, or wait for orders so that several take turns and only one works at a time.

    python benchmarks/peers/run_peer.py NAME [--data FOLDER] [--workers 0] [--batch 64] [--seconds 2] [--repeats 1]
    python benchmarks/peers/run_peer.py NAME --serve

Prints a line of JSON for each repeat. With `--serve` it prints one line when it is ready, then takes lines
`go BATCH SECONDS WARM_SECONDS` and answers each with a line: it reads its files once, so that they are in memory, takes
batches for WARM_SECONDS, and counts those of SECONDS; it ends with the input. `--prepare` only writes the data,
`--check` compares every window with what was written, `--flips COUNT` says what flipped bits lead to. It runs in any
environment that has NumPy and what the rival needs.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import platform
import sys
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

HERE = Path(__file__).resolve().parent
if str(HERE.parent) not in sys.path:
    # In place of this folder, whose files must not hide the libraries that they are about.
    sys.path[0] = str(HERE.parent)

from datagen import KINDS, Data, data_root, ensure, read_all, write_ours  # noqa: E402 - after the folder is known

from peers import load, names  # noqa: E402 - as above
from peers._peer import Peer, batches  # noqa: E402 - as above
from peers._timing import timed  # noqa: E402 - as above

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

WARM = 3


def prepared(peer: Peer, root: Path, data: Data) -> Path:
    """Return the folder of a rival's data, written unless it is there."""
    if peer.files in KINDS:
        return write_ours(root, peer.files, data)
    if peer.prepare is None:
        return prepared(load(peer.files), root, data)
    description = data.description() | {"peer": peer.name, "format_version": peer.format_version}
    return ensure(root / data.name / f"peer_{peer.name}", description, partial(peer.prepare, data=data))


def epochs(data: Data, batch: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """Yield rows of window numbers: one global permutation after the other, without the rest of each."""
    for epoch in itertools.count():
        order = np.random.default_rng((seed, epoch)).permutation(len(data))
        yield from order[: len(data) // batch * batch].reshape(-1, batch)


def versions(peer: Peer) -> dict[str, str]:
    named = {name: version(name) for name in ("numpy", *peer.packages)}
    return named | {"python": platform.python_version()}


def repeat(peer: Peer, folder: Path, data: Data, asked: argparse.Namespace, *, seed: int) -> dict[str, Any]:
    """Measure once."""
    batch = min(asked.batch, len(data))
    found = batches(peer, folder, data, epochs(data, batch, seed), batch=batch, workers=asked.workers)
    most = len(data) // batch * batch if asked.once else math.inf
    measured = timed(found, seconds=asked.seconds, warm=asked.warm, warm_seconds=asked.warm_seconds, most=most)
    return {"peer": peer.name, "batch": batch, "workers": asked.workers} | measured


def serve(peer: Peer, folder: Path, data: Data, asked: argparse.Namespace) -> None:
    """Answer orders until there are no more."""
    said = {"ready": peer.name, "workers": asked.workers, "versions": versions(peer)}
    print(json.dumps(said), flush=True)
    for number, line in enumerate(sys.stdin):
        word, size, *seconds = line.split()
        if word != "go" or len(seconds) != 2:
            raise SystemExit(f"expected `go BATCH SECONDS WARM_SECONDS`, got {line!r}")
        asked.batch, (asked.seconds, asked.warm_seconds) = int(size), map(float, seconds)
        read_all(folder)
        print(json.dumps(repeat(peer, folder, data, asked, seed=asked.ids_seed + number)), flush=True)


def check(peer: Peer, folder: Path, data: Data, workers: int) -> dict[str, Any]:
    """Compare every window, in a random order, with what was written.

    Raises
    ------
    SystemExit
        A window that is not as it was written, or not of its kind, or memory handed over twice.
    """
    size = min(64, len(data))
    rows = np.array_split(np.random.default_rng(data.seed).permutation(len(data)), -(-len(data) // size))
    seen: list[int] = []
    held = None
    for row, found in zip(rows, batches(peer, folder, data, rows, batch=size, workers=workers), strict=False):
        ids = np.asarray(found.get("ids", row))
        expected = data.expected(ids)
        for name, values in expected.items():
            got = np.asarray(found[name])
            if got.dtype != values.dtype or not np.array_equal(got, values):
                raise SystemExit(f"{peer.name}: {name} of windows {ids.tolist()} are not as they were written")
            if held is not None and np.shares_memory(got, np.asarray(held[name])):
                raise SystemExit(f"{peer.name}: two batches share their memory")
        held = found
        seen += ids.tolist()
    return {"peer": peer.name, "checked": len(set(seen)), "of": len(data), "workers": workers}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure one rival.")
    parser.add_argument("name", metavar="NAME", help=", ".join(names()))
    parser.add_argument("--data", help="folder; by default $LAPSDATA_BENCH_DATA or benchmarks/.data")
    for name in ("files", "windows", "seed"):
        parser.add_argument(f"--{name}", type=int, default=getattr(Data, name))
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--warm", type=int, default=WARM, help="batches before the clock starts")
    parser.add_argument("--warm-seconds", type=float, default=0.0, help="seconds before the clock starts")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--ids-seed", type=int, default=0)
    parser.add_argument("--flips", type=int, metavar="COUNT")
    parser.add_argument("--once", action="store_true", help="stop when every window was read, if that comes first")
    for name in ("serve", "prepare", "check"):
        parser.add_argument(f"--{name}", action="store_true")
    return parser.parse_args()


def main() -> None:
    asked = arguments()
    peer, data = load(asked.name), Data(files=asked.files, windows=asked.windows, seed=asked.seed)
    folder = prepared(peer, data_root(asked.data), data)
    if asked.serve:
        serve(peer, folder, data, asked)
    elif asked.check:
        print(json.dumps(check(peer, folder, data, asked.workers)))
    elif asked.flips:
        from peers._flips import flips

        print(json.dumps(flips(peer, folder, data, asked.flips)))
    elif not asked.prepare:
        for number in range(asked.repeats):
            print(json.dumps(repeat(peer, folder, data, asked, seed=asked.ids_seed + number)), flush=True)


if __name__ == "__main__":
    main()
