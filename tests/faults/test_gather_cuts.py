"""Files of windows that are cut, grown, replaced or removed, before they are opened and under the reader."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest

import lapsdata
from lapsdata.errors import CorruptDataError, LapsError, StorageError
from lapsdata.loading.windows import WindowDataset, open_windows
from lapsdata.testing.contracts import content_of
from lapsdata.testing.samples import sample_shards, sample_tracks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

WINDOWS = 12
TRACKS = sample_tracks(windows=WINDOWS)


def gzip(path: Path) -> None:
    with h5py.File(path, "w") as file:
        for name, values in (("tracks", TRACKS.tracks["default"]), ("vis", TRACKS.vis["default"].astype("<f4"))):
            chunks = (5, *values.shape[1:])
            file.create_dataset(f"root/default/{name}", data=values, chunks=chunks, compression="gzip")


MADE: dict[str, Callable[[Path], object]] = {
    "contiguous.h5": lambda path: lapsdata.write(path, TRACKS),
    "windows.h5": lambda path: lapsdata.write(path, TRACKS, chunking="windows"),
    "compact.h5": lambda path: lapsdata.write(path, TRACKS, profile="compact", round_px="none"),
    "raw.zarr": lambda path: lapsdata.write(path, TRACKS),
    "compact.zarr": lambda path: lapsdata.write(path, TRACKS, profile="compact", round_px="none"),
    "shards": lambda path: lapsdata.write(path, sample_shards(windows=(WINDOWS,)), format="shards_webdataset"),
    "gzip.h5": gzip,
}

pytestmark = pytest.mark.filterwarnings("ignore:.*no checksums:lapsdata.errors.LapsWarning")


@pytest.fixture
def opened() -> Iterator[Callable[..., WindowDataset]]:
    made: list[WindowDataset] = []

    def make(path: Path, **options: Any) -> WindowDataset:
        made.append(open_windows(path, **options))
        return made[-1]

    yield make
    for windows in made:
        windows.close()


@pytest.fixture(params=MADE)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / request.param
    MADE[request.param](path)
    return path


def data_files(path: Path) -> list[Path]:
    """Return the files that hold windows."""
    if path.is_file():
        return [path]
    if path.suffix != ".zarr":
        return sorted(path.glob("*.tar"))
    return [item for name in ("tracks", "vis") for item in (path / "root/default" / name / "c").rglob("*/0")
            if item.is_file()]  # fmt: skip


def wanted() -> NDArray[Any]:
    return TRACKS.tracks["default"]


def test_every_window_is_read_as_long_as_nothing_happens(place: Path, opened: Callable[..., WindowDataset]) -> None:
    found = opened(place).gather(np.arange(WINDOWS))["tracks"]
    assert np.array_equal(found, wanted(), equal_nan=True)
    assert len(data_files(place)) in (1, 2)


def test_a_file_that_was_cut_before_is_told_wherever_it_was(place: Path, opened: Callable[..., WindowDataset]) -> None:
    whole = content_of(place)
    for name, content in whole.items():
        part = place / name if name else place
        for length in {0, 1, len(content) // 3, len(content) // 2, len(content) - 1}:
            part.write_bytes(content[:length])
            try:
                found = opened(place).gather(np.arange(WINDOWS))["tracks"]
            except LapsError:
                continue
            # What no window needs: metadata of groups between, the index for readers in order, zeros behind a tar.
            assert np.array_equal(found, wanted(), equal_nan=True)
            assert part not in data_files(place) or (part.suffix == ".tar" and length == len(content) - 1)
        part.write_bytes(content)


@pytest.mark.parametrize("io", ["mmap", "pread", "auto"])
@pytest.mark.parametrize("verify", ["first", "never"])
@pytest.mark.parametrize("change", [-1, -4096, 1], ids=["cut", "cut-by-a-page", "grown"])
def test_a_file_that_changes_its_size_under_the_reader_is_told_before_the_batch(
    place: Path, opened: Callable[..., WindowDataset], io: Any, verify: Any, change: int
) -> None:
    """Reading a map behind the end of its file would kill the process."""
    windows = opened(place, io=io, verify=verify)
    windows.gather([0])
    for path in data_files(place):
        os.truncate(path, max(0, path.stat().st_size + change))
    slabs = place.name in ("compact.h5", "gzip.h5")
    if slabs and change > 0:
        # What lies behind a file harms nobody who asks for each chunk.
        found = windows.gather(np.arange(WINDOWS))["tracks"]
        assert np.array_equal(found, wanted(), equal_nan=True)
        return
    if slabs:
        for path in data_files(place):
            os.truncate(path, path.stat().st_size // 4)
    with pytest.raises(CorruptDataError, match=r"\[(resized-file|truncated-data)\]"):
        windows.gather(np.arange(WINDOWS), fields=["tracks", "vis"])


def test_a_file_that_was_emptied_under_a_map_is_told(tmp_path: Path, opened: Callable[..., WindowDataset]) -> None:
    lapsdata.write(tmp_path / "x.h5", sample_tracks(windows=300, points=50))
    windows = opened(tmp_path / "x.h5", io="mmap")
    windows.gather([0])
    os.truncate(tmp_path / "x.h5", 0)
    for threads in (1, 2):
        with pytest.raises(CorruptDataError, match=r"expected the size that the file had before.*\[resized-file\]"):
            windows._reader.gather(np.arange(300), threads=threads)


@pytest.mark.parametrize("io", ["mmap", "pread"])
def test_a_file_that_is_open_stays_what_it_was_when_another_takes_its_name(
    tmp_path: Path, opened: Callable[..., WindowDataset], io: Any
) -> None:
    lapsdata.write(tmp_path / "x.h5", TRACKS)
    windows = opened(tmp_path / "x.h5", io=io)
    windows.gather([0])
    lapsdata.write(tmp_path / "x.h5", sample_tracks(windows=WINDOWS, seed=5), overwrite=True)
    assert np.array_equal(windows.gather(np.arange(WINDOWS))["tracks"], wanted(), equal_nan=True)
    windows.close()
    with pytest.raises(StorageError, match=r"x\.h5: expected the file that was indexed .*\[replaced\]"):
        windows.gather([0])


def test_a_replaced_file_is_told_when_it_is_opened(place: Path, opened: Callable[..., WindowDataset]) -> None:
    windows = opened(place)
    old = place.with_name("old")
    place.rename(old)
    MADE[place.name](place)
    with pytest.raises(
        StorageError, match=r"expected the file that was indexed .*open the data set again \[replaced\]"
    ):
        windows.gather([0])


def test_a_file_that_is_gone_is_told_when_it_is_opened(place: Path, opened: Callable[..., WindowDataset]) -> None:
    windows = opened(place)
    shutil.rmtree(place) if place.is_dir() else place.unlink()
    with pytest.raises(StorageError, match=r"no such file or folder.*\[not-found\]"):
        windows.gather([0])


@pytest.mark.parametrize("verify", ["first", "always", "never"])
def test_bytes_that_change_after_the_check_of_size_are_told_by_their_checksum(
    tmp_path: Path, opened: Callable[..., WindowDataset], verify: Any
) -> None:
    lapsdata.write(tmp_path / "x.h5", TRACKS)
    windows = opened(tmp_path / "x.h5", verify=verify)
    windows.gather([0])
    index: Any = windows._reader._pieces[0].sources()["tracks"]
    with (tmp_path / "x.h5").open("r+b") as file:
        file.seek(int(index.offset[7]))
        file.write(bytes(8))
    if verify == "never":
        assert windows.gather([7])["tracks"][0, 0, 0].tolist() == [0, 0]
    else:
        with pytest.raises(CorruptDataError, match=r"x\.h5: root/default/tracks: row 7 .*\[payload-checksum\]"):
            windows.gather([1, 7])
