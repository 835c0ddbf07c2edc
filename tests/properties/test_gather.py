"""Batches of files of every layout in one reader, against NumPy taking rows of the whole arrays."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import lapsdata
from lapsdata.formats import recognise
from lapsdata.storage.gather import RowReader
from lapsdata.storage.hdf5_file import Hdf5File
from lapsdata.storage.hdf5_index import hdf5_index
from lapsdata.storage.zarr_index import zarr_index
from lapsdata.testing.samples import sample_tracks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import NDArray

    from lapsdata.containers import Tracks
    from lapsdata.storage.pieces import Source

FIELDS = {
    "tracks": np.dtype((np.float32, (4, 5, 2))),
    "vis": np.dtype((np.bool_, (4, 5))),
    "start_s": np.dtype(np.float64),
}
LENGTHS = (5, 1, 7, 3, 6, 4, 2, 5, 9)


class Indexed:
    """A file, or arrays, whose rows have their place; the place is looked up again each time it is opened."""

    def __init__(self, where: str, rows: int, find: Callable[[], Mapping[str, Source]]) -> None:
        self.where, self.rows, self.find = where, rows, find

    def sources(self) -> Mapping[str, Source]:
        return self.find()


def ours(path: Path, tracks: Tracks, **options: Any) -> Indexed:
    """Write a file of ours; lossy profiles keep what `lapsdata.read` gives back."""
    lapsdata.write(path, tracks, **options)

    def find() -> Mapping[str, Source]:
        return {**recognise(path).index(path).sources["default"], "start_s": tracks.start_index / 10}

    return Indexed(path.name, len(tracks), find)


def hdf5(path: Path, tracks: Tracks, **options: Any) -> Indexed:
    """Write a file as others do: plain arrays, visibility as float32."""
    with h5py.File(path, "w") as file:
        file.create_dataset("tracks", data=tracks.tracks["default"], **options)
        file.create_dataset("vis", data=tracks.vis["default"].astype("<f4"), **options)

    def find() -> Mapping[str, Source]:
        with Hdf5File(path) as file:
            stored = {name: hdf5_index(file, name) for name in ("tracks", "vis")}
        return {**stored, "start_s": tracks.start_index / 10}

    return Indexed(path.name, len(tracks), find)


def zarr(path: Path, tracks: Tracks, **options: Any) -> Indexed:
    import zarr as library

    for name, values in (("tracks", tracks.tracks["default"]), ("vis", tracks.vis["default"])):
        chunks = (2, *values.shape[1:])
        array = library.create_array(str(path / name), shape=values.shape, dtype=values.dtype, chunks=chunks, **options)
        array[...] = values
    return Indexed(
        path.name,
        len(tracks),
        lambda: {**{name: zarr_index(path, name) for name in ("tracks", "vis")}, "start_s": tracks.start_index / 10},
    )


def memory(tracks: Tracks) -> Indexed:
    arrays = {"tracks": tracks.tracks["default"], "vis": tracks.vis["default"], "start_s": tracks.start_index / 10}
    return Indexed("memory", len(tracks), lambda: arrays)


class World:
    """Pieces of every layout, and the rows that they hold."""

    def __init__(self, folder: Path) -> None:
        made = [sample_tracks(windows=rows, seed=rows, stride=2) for rows in LENGTHS]
        self.folder = folder
        self.pieces = [
            ours(folder / "raw.zarr", made[0]),
            ours(folder / "compact.zarr", made[1], profile="compact", round_px="none"),
            ours(folder / "contiguous.h5", made[2]),
            ours(folder / "windows.h5", made[3], chunking="windows"),
            ours(folder / "compact.h5", made[4], profile="compact", round_px="none"),
            hdf5(folder / "gzip.h5", made[5], chunks=True, compression="gzip", shuffle=True),
            hdf5(folder / "plain.h5", made[6]),
            memory(made[7]),
            zarr(folder / "other.zarr", made[8], zarr_format=2),
        ]
        self.whole: dict[str, NDArray[Any]] = {
            "tracks": np.concatenate([tracks.tracks["default"] for tracks in made]),
            "vis": np.concatenate([tracks.vis["default"] for tracks in made]),
            "start_s": np.concatenate([tracks.start_index / 10 for tracks in made]),
        }
        self.rows = sum(LENGTHS)

    def check(self, batch: Mapping[str, NDArray[Any]], ids: NDArray[Any], names: list[str]) -> None:
        assert list(batch) == names
        for name, values in batch.items():
            wanted = np.take(self.whole[name], ids, axis=0)
            assert values.dtype == wanted.dtype
            assert values.shape == wanted.shape
            assert values.tobytes() == wanted.tobytes(), name


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("world"))


@pytest.fixture
def reader_of(world: World) -> Iterator[Callable[..., RowReader]]:
    made: list[RowReader] = []

    def make(**options: Any) -> RowReader:
        made.append(RowReader(world.pieces, FIELDS, **options))
        return made[-1]

    yield make
    for reader in made:
        reader.close()


def handles(folder: Path) -> int:
    """Count the descriptors of this process that are open on files of a folder."""
    found = 0
    for entry in Path("/proc/self/fd").iterdir():
        try:
            found += folder in entry.readlink().parents
        except OSError:  # the handle of the listing itself
            continue
    return found


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=st.data(),
    verify=st.sampled_from(["first", "always", "never"]),
    io=st.sampled_from(["auto", "mmap", "pread"]),
    open_files=st.sampled_from([1, 2, 3, 512]),
    slab_bytes=st.sampled_from([0, 700, 1 << 20]),
)
def test_batches_are_what_numpy_takes(
    world: World, data: st.DataObject, verify: Any, io: Any, open_files: int, slab_bytes: int
) -> None:
    reader = RowReader(world.pieces, FIELDS, verify=verify, io=io, open_files=open_files, slab_bytes=slab_bytes)
    try:
        assert len(reader) == world.rows
        for _ in range(data.draw(st.integers(1, 4))):
            ids = np.array(data.draw(st.lists(st.integers(0, world.rows - 1), max_size=12)), np.int64)
            names = data.draw(st.lists(st.sampled_from(sorted(FIELDS)), min_size=1, max_size=3, unique=True))
            into = data.draw(st.sets(st.sampled_from(names)))
            out = {name: np.empty((len(ids), *FIELDS[name].shape), FIELDS[name].base) for name in into}
            batch = reader.gather(ids, fields=names, out=out, threads=data.draw(st.integers(1, 4)))
            world.check(batch, ids, names)
            assert all(batch[name] is array for name, array in out.items())
    finally:
        reader.close()
    assert handles(world.folder) == 0


def test_mapped_files_give_the_same(world: World, reader_of: Callable[..., RowReader]) -> None:
    reader, random = reader_of(io="auto"), np.random.default_rng(0)
    for _ in range(70):
        ids = random.integers(0, world.rows, 30)
        world.check(reader.gather(ids), ids, list(FIELDS))
    text = Path("/proc/self/maps").read_text()
    assert str(world.folder / "contiguous.h5") in text
    assert str(world.folder / "raw.zarr") in text


@pytest.mark.parametrize("open_files", [1, 3])
@pytest.mark.parametrize("io", ["auto", "mmap"])
def test_threads_share_a_reader_that_closes_and_opens_files(
    world: World, reader_of: Callable[..., RowReader], open_files: int, io: Any
) -> None:
    reader, faults = reader_of(open_files=open_files, io=io), list[str]()

    def work(seed: int) -> None:
        random = np.random.default_rng(seed)
        for _ in range(50):
            ids = random.integers(0, world.rows, int(random.integers(1, 8)))
            try:
                world.check(reader.gather(ids, threads=1 + seed % 2), ids, list(FIELDS))
            except Exception as error:  # noqa: BLE001 - whatever it is, this thread may not lose it
                faults.append(repr(error))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert faults == []
    assert reader._open.evicted > 0
    reader.close()
    assert handles(world.folder) == 0


def test_rows_without_checksums_are_counted_and_others_are_not(
    world: World, reader_of: Callable[..., RowReader]
) -> None:
    reader = reader_of()
    reader.gather(np.arange(world.rows).repeat(2))
    assert reader.unverified == LENGTHS[5] + LENGTHS[6] + LENGTHS[8]
