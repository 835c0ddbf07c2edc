"""A flipped bit anywhere in files of windows: in ours an error or nothing, in those of others no crash and no riddle.

Files are opened anew for each flip and read to the last window. What others wrote without checksums may be wrong and
nothing can tell; it may neither end the process nor raise what is not ours. That part runs in a process of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import lapsdata
from lapsdata.errors import CorruptDataError, LapsError, UnknownFormatError
from lapsdata.loading.windows import open_windows
from lapsdata.testing.contracts import content_of
from lapsdata.testing.samples import sample_shards, sample_tracks

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

FLIPS, FLIPS_OF_OTHERS = 200, 40

Batch = dict[str, "NDArray[Any]"]

OURS: dict[str, Callable[[Path], object]] = {
    "contiguous.h5": lambda path: lapsdata.write(path, sample_tracks(windows=20)),
    "windows.h5": lambda path: lapsdata.write(path, sample_tracks(windows=20), chunking="windows"),
    "compact.h5": lambda path: lapsdata.write(path, sample_tracks(windows=20), profile="compact", round_px="none"),
    "raw.zarr": lambda path: lapsdata.write(path, sample_tracks(windows=20)),
    "compact.zarr": lambda path: lapsdata.write(path, sample_tracks(windows=20), profile="compact", round_px="none"),
    "shards": lambda path: lapsdata.write(path, sample_shards(windows=(12, 8)), format="shards_webdataset"),
}


def read_all(path: Path, number: int) -> Batch:
    """Open files as users do, in the ways that there are in turn, and read every window."""
    verify, io = ("first", "always")[number % 2], ("mmap", "pread", "auto")[number % 3]
    windows = open_windows(path, verify=verify, io=io, threads=1 + number % 2)
    try:
        return windows.gather(np.arange(len(windows)), fields=windows.fields)
    finally:
        windows.close()


def outcome(path: Path, wanted: Batch, number: int) -> str:
    try:
        found = read_all(path, number)
    except LapsError as error:
        return type(error).__name__
    except Exception as error:  # noqa: BLE001 - the gate is about exactly these
        return f"foreign: {error!r}"
    return "equal" if equal(found, wanted) else "wrong"


def equal(found: Batch, wanted: Batch) -> bool:
    same = found.keys() == wanted.keys()
    return same and all(found[name].tobytes() == array.tobytes() for name, array in wanted.items())


def flip(path: Path, seed: int) -> Counter[str]:
    """Flip single bits at random places of all files together; count the outcomes."""
    random, wanted = np.random.default_rng(seed), read_all(path, 0)
    whole = content_of(path)
    names = list(whole)
    ends = np.cumsum([len(content) for content in whole.values()])
    seen: Counter[str] = Counter()
    for number in range(FLIPS):
        place, bit = int(random.integers(ends[-1])), int(random.integers(8))
        which = int(np.searchsorted(ends, place, side="right"))
        content = bytearray(whole[names[which]])
        at = place - int(ends[which])  # counted from the end of the file
        content[at] ^= 1 << bit
        part = path / names[which] if names[which] else path
        part.write_bytes(content)
        found = outcome(path, wanted, number)
        if found.startswith(("foreign", "wrong")):
            found += f" at {names[which]} byte {len(content) + at} bit {bit}"
        seen[found] += 1
        part.write_bytes(whole[names[which]])
    return seen


@pytest.mark.slow
@pytest.mark.parametrize("name", OURS)
def test_flips_in_files_of_ours_are_told_or_change_nothing(tmp_path: Path, name: str) -> None:
    OURS[name](tmp_path / name)
    seen = flip(tmp_path / name, seed=len(name))
    allowed = {"equal", CorruptDataError.__name__, UnknownFormatError.__name__}
    assert set(seen) <= allowed, f"of {FLIPS} flips: {dict(seen)}"
    # Headers and padding of tars, and members that no batch asks for, are not read for windows at random.
    least = FLIPS / 20 if name == "shards" else FLIPS / 2
    assert seen["CorruptDataError"] > least, f"of {FLIPS} flips: {dict(seen)}"


def test_the_gate_would_see_a_wrong_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    OURS["raw.zarr"](tmp_path / "x.zarr")
    wanted = read_all(tmp_path / "x.zarr", 0)
    other = {**wanted, "vis": ~wanted["vis"]}
    assert outcome(tmp_path / "x.zarr", wanted, 1) == "equal"
    assert outcome(tmp_path / "x.zarr", other, 1) == "wrong"
    monkeypatch.setitem(globals(), "read_all", lambda path, number: 1 / 0)
    assert outcome(tmp_path / "x.zarr", wanted, 1).startswith("foreign: ZeroDivisionError")


OTHERS = """
    import pathlib, sys, warnings
    from collections import Counter

    import h5py, numcodecs, numpy as np, zarr
    from zarr.codecs import BloscCodec, Crc32cCodec, GzipCodec, ZstdCodec

    import lapsdata
    from lapsdata.errors import LapsError
    from lapsdata.loading.windows import open_windows
    from lapsdata.testing.samples import sample_tracks

    FLIPS = int(sys.argv[2])
    random = np.random.default_rng(0)
    TRACKS = np.round(random.normal(size=(6, 3, 4, 2)) * 16).astype("<f4") / 16
    VIS = (random.random((6, 3, 4)) > 0.4).astype("<f4")

    def hdf5(libver, **options):
        def make(path):
            with h5py.File(path, "w", libver=libver) as file:
                file.create_dataset("root/front/tracks", data=TRACKS, **options)
                file.create_dataset("root/front/vis", data=VIS, **options)
        return make

    def zarrs(version, rows=1, shard=None, **options):
        def make(path):
            group = zarr.open_group(str(path), mode="w", zarr_format=version)
            for name, values in (("tracks", TRACKS), ("vis", VIS)):
                shards = None if shard is None else (shard, *values.shape[1:])
                array = group.create_array(
                    name, shape=values.shape, dtype="f4", chunks=(rows, *values.shape[1:]), shards=shards, **options
                )
                array[...] = values
        return make

    def npy(path):
        path.mkdir()
        np.save(path / "tracks.npy", TRACKS)
        np.save(path / "vis.npy", VIS)

    blosc = BloscCodec(cname="zstd", typesize=4)
    MADE = {
        "plain.h5": hdf5("earliest"),
        "newer.h5": hdf5("v110", chunks=True),
        "gzip.h5": hdf5("earliest", chunks=True, compression="gzip", shuffle=True),
        "lzf.h5": hdf5("earliest", chunks=True, compression="lzf"),
        "summed.h5": hdf5("v110", chunks=True, fletcher32=True),
        "blosc2.zarr": zarrs(2, compressors=numcodecs.Blosc("lz4", shuffle=2, blocksize=64)),
        "blosclz2.zarr": zarrs(2, 4, compressors=numcodecs.Blosc("blosclz")),
        "zlib2.zarr": zarrs(2, 2, compressors=numcodecs.Zlib(), filters=[numcodecs.Shuffle(4)]),
        "lz42.zarr": zarrs(2, 2, compressors=numcodecs.LZ4()),
        "raw.zarr": zarrs(3, compressors=None),
        "shards.zarr": zarrs(3, 1, 4, compressors=[blosc]),
        "blosc.zarr": zarrs(3, compressors=[BloscCodec(cname="lz4", typesize=4), Crc32cCodec()]),
        "zstd.zarr": zarrs(3, 3, compressors=[ZstdCodec()]),
        "gzip.zarr": zarrs(3, 3, compressors=[GzipCodec()]),
        "npy": npy,
        "ours.zarr": lambda path: lapsdata.write(path, sample_tracks(windows=6), profile="compact", round_px="none"),
        "ours.h5": lambda path: lapsdata.write(path, sample_tracks(windows=6)),
    }

    warnings.simplefilter("ignore")
    for name, make in MADE.items():
        path = pathlib.Path(sys.argv[1]) / name
        make(path)
        files = [item for item in ([path] if path.is_file() else sorted(path.rglob("*"))) if item.is_file()]
        whole = {file: file.read_bytes() for file in files}
        ends = np.cumsum([len(whole[file]) for file in files])
        seen = Counter()
        for number in range(FLIPS):
            place = int(random.integers(ends[-1]))
            file = files[int(np.searchsorted(ends, place, "right"))]
            content = bytearray(whole[file])
            content[place - int(ends[files.index(file)])] ^= 1 << int(random.integers(8))
            file.write_bytes(content)
            try:
                windows = open_windows(path, verify="never", io=("mmap", "pread")[number % 2], threads=1 + number % 3)
                try:
                    windows.gather(np.arange(len(windows)))
                finally:
                    windows.close()
                seen["read"] += 1
            except LapsError:
                seen["told"] += 1
            file.write_bytes(whole[file])
        print(name, seen["read"], seen["told"], flush=True)
"""


CHECKED = {"LD_PRELOAD": "libc_malloc_debug.so.0", "MALLOC_CHECK_": "3"}
"""With these, glibc ends a process that has written beside its memory or into what it has given back."""


@pytest.mark.slow
def test_flips_in_files_of_others_end_no_process_and_raise_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "flips.py").write_text(textwrap.dedent(OTHERS))
    (tmp_path / "files").mkdir()
    arguments = [str(tmp_path / "flips.py"), str(tmp_path / "files"), str(FLIPS_OF_OTHERS)]
    command = [sys.executable, "-X", "faulthandler", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False, env=os.environ | CHECKED)
    assert done.returncode == 0, done.stdout + done.stderr
    counts = {name: (int(read), int(told)) for name, read, told in map(str.split, done.stdout.splitlines())}
    assert len(counts) == 17
    assert all(read + told == FLIPS_OF_OTHERS and read and told for read, told in counts.values()), counts
