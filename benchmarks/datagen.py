"""The data that readers are measured on: files of smooth random tracks, every window computed again from its number.

    python benchmarks/datagen.py [--data FOLDER] [--files 40] [--windows 317] [KIND ...]

A window is (T, N, 2) float32 positions in a frame of 640 x 480 pixel and (T, N) bool visibility, about nine in ten
visible; window `id` is window `id % windows` of file `id // windows`. What is written is described beside itself and
written again only when the description no longer fits. Only NumPy is imported here: rivals call this from
environments of their own.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import hashlib
import json
import os
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    Batch = dict[str, NDArray[Any]]

__all__ = ["KINDS", "Data", "data_root", "drop_cache", "ensure", "file_name", "read_all", "write_ours"]

VERSION = 1
"""Of the windows and of how files are laid out; another number writes everything again."""

WIDTH, HEIGHT, MARGIN = 640, 480, 48
SPEED_PX, WOBBLE_PX = 0.5, 0.05
HIDDEN_IN_256 = 26
RATE = 30

OURS: dict[str, tuple[str, dict[str, str]]] = {
    "zarr_raw": (".zarr", {"profile": "raw"}),
    "zarr_compact": (".zarr", {"profile": "compact"}),
    "hdf5_contiguous": (".h5", {"profile": "raw", "chunking": "contiguous"}),
    "hdf5_windows": (".h5", {"profile": "raw", "chunking": "windows"}),
    "hdf5_compact": (".h5", {"profile": "compact"}),
}
FOREIGN = "hdf5_auto_gzip"
"""What a script without a plan writes: gzip, and chunks as h5py guesses them; float32 visibility, no times."""

KINDS = (*OURS, FOREIGN)


@dataclasses.dataclass(frozen=True)
class Data:
    """Sizes and seed; everything else follows."""

    files: int = 40
    windows: int = 317
    """Windows of each file W."""
    horizon: int = 16
    """Frames per window T."""
    points: int = 400
    """Points N."""
    seed: int = 0

    def __len__(self) -> int:
        return self.files * self.windows

    @property
    def name(self) -> str:
        """Name of the folder of everything written for these sizes."""
        return f"{self.files}x{self.windows}x{self.horizon}x{self.points}_seed{self.seed}"

    @property
    def window_bytes(self) -> int:
        """Bytes of one window as it is handed over: float32 positions and bool visibility."""
        return self.horizon * self.points * (2 * 4 + 1)

    def window(self, number: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Return positions (T, N, 2) and visibility (T, N) of one window."""
        random = np.random.default_rng((self.seed, *divmod(number, self.windows)))
        inside = np.array([WIDTH - 2 * MARGIN, HEIGHT - 2 * MARGIN], np.float32)
        start = random.random((self.points, 2), dtype=np.float32) * inside + np.float32(MARGIN)
        speed = random.standard_normal((self.points, 2), dtype=np.float32) * np.float32(SPEED_PX)
        wobble = random.standard_normal((self.horizon, self.points, 2), dtype=np.float32) * np.float32(WOBBLE_PX)
        step = np.arange(self.horizon, dtype=np.float32)[:, None, None]
        hidden = random.integers(0, 256, (self.horizon, self.points), dtype=np.uint8) < HIDDEN_IN_256
        return start + speed * step + wobble, ~hidden

    def expected(self, ids: NDArray[np.int64]) -> Batch:
        """Return what a correct reader hands over for these windows."""
        windows = [self.window(int(number)) for number in ids]
        return {"tracks": np.stack([tracks for tracks, _ in windows]), "vis": np.stack([vis for _, vis in windows])}

    def file(self, number: int) -> Batch:
        """Return all windows of a file."""
        return self.expected(np.arange(number * self.windows, (number + 1) * self.windows))

    def each_file(self) -> Iterator[Batch]:
        """Yield the windows of one file after the other."""
        for number in range(self.files):
            yield self.file(number)

    def description(self) -> dict[str, Any]:
        """Say what is written; two digests show that another NumPy still draws the same numbers."""
        return dataclasses.asdict(self) | {"version": VERSION, "digests": list(_digests(self))}


@functools.cache
def _digests(data: Data) -> tuple[str, ...]:
    ends = (data.window(number) for number in (0, len(data) - 1))
    return tuple(hashlib.blake2b(tracks.tobytes() + vis.tobytes(), digest_size=8).hexdigest() for tracks, vis in ends)


def data_root(given: str | Path | None = None) -> Path:
    """Return where data sets are kept: what was given, else $LAPSDATA_BENCH_DATA, else a folder that git ignores."""
    named = given or os.environ.get("LAPSDATA_BENCH_DATA")
    return Path(named) if named else Path(__file__).with_name(".data")


def ensure(folder: Path, description: dict[str, Any], make: Callable[[Path], None]) -> Path:
    """Make a folder, whole or not at all, unless it is there and described in the same words."""
    told = folder / "description.json"
    if told.exists() and json.loads(told.read_text()) == description:
        return folder
    part = folder.with_name(f"{folder.name}.part")
    for old in (folder, part):
        if old.exists():
            shutil.rmtree(old)
    part.mkdir(parents=True)
    make(part)
    (part / told.name).write_text(json.dumps(description, indent=2) + "\n")
    part.rename(folder)
    return folder


def file_name(number: int, suffix: str) -> str:
    """Name of a file, in the order of the windows."""
    return f"clip_{number:04d}{suffix}"


def write_ours(root: Path, kind: str, data: Data) -> Path:
    """Write one of `KINDS` under a root, unless it is there, and return its folder; the files sort by number."""
    import lapsdata

    made = {"kind": kind, "lapsdata": lapsdata.__version__}
    make = functools.partial(_write_foreign if kind == FOREIGN else _write_kind, kind=kind, data=data)
    return ensure(root / data.name / kind, data.description() | made, make)


def _write_kind(folder: Path, *, kind: str, data: Data) -> None:
    from lapsdata import formats

    suffix, options = OURS[kind]
    views = {"default": data.points}
    frames = np.arange(data.windows + data.horizon - 1) / RATE
    for number, batch in enumerate(data.each_file()):
        path = folder / file_name(number, suffix)
        plan: dict[str, Any] = {"views": views, "windows": data.windows, "horizon": data.horizon}
        with formats.tracks_writer(path, **plan, **options) as out:
            out.append("default", batch["tracks"], batch["vis"])
            out.finish(_header(data, number), np.arange(data.windows, dtype=np.int64), frames)


def _header(data: Data, number: int) -> Any:  # noqa: ANN401 - lapsdata is imported where it is needed
    from lapsdata.provenance import provenance
    from lapsdata.schema import Area, Grid, Size, SourceVideo, Tool, TracksHeader, TracksView
    from lapsdata.timebase import FrameRate

    view = TracksView(
        size=Size(width=WIDTH, height=HEIGHT),
        active_area=Area(x=0, y=0, width=WIDTH, height=HEIGHT),
        points=data.points,
        grid=Grid(kind="random", order="none"),
    )
    return TracksHeader(
        provenance=provenance(parameters={"seed": data.seed, "file": number, "version": VERSION}),
        video=SourceVideo(name=file_name(number, "")),
        horizon=data.horizon,
        stride=1,
        rate=FrameRate(RATE),
        tracker=Tool(name="benchmark", version=str(VERSION)),
        views={"default": view},
    )


def _write_foreign(folder: Path, *, kind: str, data: Data) -> None:
    import h5py

    for number, batch in enumerate(data.each_file()):
        with h5py.File(folder / file_name(number, ".h5"), "w") as file:
            view = file.create_group("root/default")
            view.create_dataset("tracks", data=batch["tracks"], compression="gzip")
            view.create_dataset("vis", data=batch["vis"].astype(np.float32), compression="gzip")


def files_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def read_all(folder: Path) -> int:
    """Read every file once, so that its pages are in memory, and return the bytes."""
    total, block = 0, bytearray(1 << 22)
    for path in files_in(folder):
        with path.open("rb", buffering=0) as file:
            while size := file.readinto(block):
                total += size
    return total


def drop_cache(folder: Path) -> None:
    """Ask the system to forget the pages of every file; those that some process has mapped stay."""
    for path in files_in(folder):
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def main() -> None:
    parser = argparse.ArgumentParser(description="Write the data that readers are measured on.")
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"of {', '.join(KINDS)}; all by default")
    parser.add_argument("--data", help="folder; by default $LAPSDATA_BENCH_DATA or benchmarks/.data")
    for name in ("files", "windows", "seed"):
        parser.add_argument(f"--{name}", type=int, default=getattr(Data, name))
    asked = parser.parse_args()
    data = Data(files=asked.files, windows=asked.windows, seed=asked.seed)
    for kind in asked.kinds or KINDS:
        start = time.perf_counter()
        folder = write_ours(data_root(asked.data), kind, data)
        size = sum(path.stat().st_size for path in files_in(folder))
        print(f"{kind}: {len(data)} windows, {size / 1e6:.0f} MB, {time.perf_counter() - start:.1f} s")


if __name__ == "__main__":
    main()
