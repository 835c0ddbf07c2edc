"""Files of other makers, in every store that windows are found in, each with the same windows."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, NamedTuple

import h5py
import numpy as np
import pytest
import zarr

from lapsdata.storage.tarfiles import TarWriter

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray


class Windows(NamedTuple):
    """What a file of other makers holds."""

    tracks: NDArray[np.float32]
    vis: NDArray[np.bool_]


def some_windows(count: int = 20, seed: int = 0) -> Windows:
    random = np.random.default_rng(seed)
    tracks = random.normal(100, 50, (count, 4, 5, 2)).astype(np.float32)
    tracks[1, 1, 2] = np.nan
    return Windows(tracks, random.random((count, 4, 5)) < 0.7)


def write_contiguous(path: Path, windows: Windows) -> None:
    with h5py.File(path, "w") as file:
        file["root/default/tracks"] = windows.tracks
        file["root/default/vis"] = windows.vis.astype(np.float32)


def write_gzip(path: Path, windows: Windows) -> None:
    with h5py.File(path, "w") as file:
        for name, values in (("tracks", windows.tracks), ("vis", windows.vis.astype(np.float32))):
            chunks = (7, *values.shape[1:])
            file.create_dataset(f"root/default/{name}", data=values, chunks=chunks, compression="gzip")


def write_big_endian(path: Path, windows: Windows) -> None:
    with h5py.File(path, "w") as file:
        file["tracks"] = windows.tracks.astype(">f8")
        file["vis"] = windows.vis


def write_zarr(path: Path, windows: Windows) -> None:
    group = zarr.open_group(path, mode="w")
    for name, values in (("tracks", windows.tracks), ("vis", windows.vis)):
        chunks = (4, *values.shape[1:])
        group.create_array(name, shape=values.shape, chunks=chunks, dtype=values.dtype, compressors=None)[:] = values


def write_tar(path: Path, windows: Windows) -> None:
    with path.open("wb") as file:
        writer = TarWriter(file.write)
        for number, (tracks, vis) in enumerate(zip(*windows, strict=True)):
            for name, values in (("tracks", tracks), ("vis", vis)):
                content = io.BytesIO()
                np.save(content, values)
                writer.add(f"{number:05d}.{name}.npy", content.getvalue())
            writer.add(f"{number:05d}.cls", b"3")
        writer.finish()


def write_npy(path: Path, windows: Windows) -> None:
    path.mkdir(exist_ok=True)
    for name, values in windows._asdict().items():
        np.save(path / f"{name}.npy", values)


MAKERS: dict[str, tuple[str, Callable[[Path, Windows], None]]] = {
    "contiguous": ("theirs.h5", write_contiguous),
    "gzip": ("theirs.hdf5", write_gzip),
    "big-endian": ("theirs.h5", write_big_endian),
    "zarr": ("theirs.zarr", write_zarr),
    "tar": ("theirs.tar", write_tar),
    "npy": ("theirs", write_npy),
}


@pytest.fixture(params=sorted(MAKERS))
def store(request: pytest.FixtureRequest) -> str:
    """Name every store, one after the other."""
    return str(request.param)


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Path]:
    """Write windows as other makers do; return the file."""

    def made(store: str, *, name: str | None = None, count: int = 20, seed: int = 0) -> Path:
        usual, write = MAKERS[store]
        path = tmp_path / (name or usual)
        write(path, some_windows(count, seed))
        return path

    return made
