"""Reading shards: at random through chunk indexes, in order from a file or a pipe, and whole videos."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest

from lapsdata import formats
from lapsdata.errors import CorruptDataError, FormatTooNewError, SchemaError, StorageError, UnknownFormatError
from lapsdata.formats import shards_webdataset
from lapsdata.formats._shards_reader import _runs
from lapsdata.formats.shards_webdataset import ShardsFolder, stream_shard
from lapsdata.schema.base import canonical_json
from lapsdata.schema.shards import ShardsManifest
from lapsdata.storage.gather import RowReader
from lapsdata.storage.seal import crc32c, row_checksums
from lapsdata.storage.sealed_json import read_sealed_json
from lapsdata.testing.contracts import content_of
from lapsdata.testing.samples import sample_shards, sample_tracks

SHARDS = sample_shards(windows=(5, 3, 6), points=30)
POSITIONS = np.concatenate([tracks.tracks["default"] for tracks in SHARDS.tracks])
VIS = np.concatenate([tracks.vis["default"] for tracks in SHARDS.tracks])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> ShardsFolder:
    path = tmp_path_factory.mktemp("shards") / "clips.shards"
    shards_webdataset.write(path, SHARDS, samples_per_shard=4)
    return ShardsFolder(path)


class Piece:
    """A folder as the reader of rows wants it."""

    def __init__(self, folder: ShardsFolder) -> None:
        self._folder, self.where, self.rows = folder, str(folder.path), len(folder)

    def sources(self) -> dict[str, Any]:
        return {name: self._folder.index(name) for name in self._folder.fields}


def test_the_folder_tells_what_it_holds(folder: ShardsFolder) -> None:
    assert len(folder) == 14
    assert folder.header == SHARDS.header
    assert folder.headers == SHARDS.header.videos
    assert folder.video.tolist() == [0] * 5 + [1] * 3 + [2] * 6
    assert folder.window.tolist() == [*range(5), *range(3), *range(6)]
    assert np.array_equal(folder.step_s, np.concatenate([tracks.step_s for tracks in SHARDS.tracks]))
    assert np.array_equal(folder.step_s_of(np.array([13, 0])), folder.step_s[[13, 0]])
    assert [path.name for path in folder.shards] == [f"shard-{n:06d}.tar" for n in range(4)]


def test_an_index_says_where_each_array_lies(folder: ShardsFolder) -> None:
    index = folder.index("tracks")
    assert (index.shape, index.dtype, index.plain) == (POSITIONS.shape, np.dtype("<f4"), True)
    assert index.row_crc32c is not None
    assert np.array_equal(index.row_crc32c, row_checksums(POSITIONS))
    for row in range(14):
        data = index.files[index.file[row]].read_bytes()[index.offset[row] :][: index.length[row]]
        assert data == POSITIONS[row].tobytes()
    with pytest.raises(SchemaError, match=r"expected one of \['tracks', 'vis'\], got 'energy'"):
        folder.index("energy")


def test_rows_are_gathered_in_any_order(folder: ShardsFolder) -> None:
    fields = {name: np.dtype((field.dtype, field.shape)) for name, field in folder.fields.items()}
    reader = RowReader([Piece(folder)], fields, verify="always")
    ids = np.array([13, 0, 7, 7, 4])
    batch = reader.gather(ids)
    assert np.array_equal(batch["tracks"], POSITIONS[ids], equal_nan=True)
    assert np.array_equal(batch["vis"], VIS[ids])
    assert reader.unverified == 0
    reader.close()


@pytest.mark.parametrize("verify", [True, False])
def test_spans_are_what_was_written(folder: ShardsFolder, verify: bool) -> None:
    for shard in range(4):
        count = folder.manifest.shards[shard].rows
        for first in range(count):
            for stop in range(first + 1, count + 1):
                found = folder.read_span(shard, first, stop, verify=verify)
                here = slice(4 * shard + first, 4 * shard + stop)
                assert np.array_equal(found["tracks"], POSITIONS[here], equal_nan=True)
                assert np.array_equal(found["vis"], VIS[here])
                assert [found[name].dtype.name for name in ("tracks", "vis")] == ["float32", "bool"]


def test_spans_go_into_buffers_and_leave_out_fields(folder: ShardsFolder) -> None:
    out = {"vis": np.empty((2, *VIS.shape[1:]), bool)}
    found = folder.read_span(1, 1, 3, fields=["vis"], out=out)
    assert found.keys() == {"vis"}
    assert found["vis"] is out["vis"]
    assert np.array_equal(out["vis"], VIS[5:7])


@pytest.mark.parametrize(
    ("shard", "first", "stop"), [(4, 0, 1), (-1, 0, 1), (0, 0, 5), (0, 2, 2), (0, -1, 2), (3, 0, 3)]
)
def test_samples_that_are_not_there_are_index_errors(folder: ShardsFolder, shard: int, first: int, stop: int) -> None:
    with pytest.raises(IndexError, match="expected"):
        folder.read_span(shard, first, stop)


def test_videos_that_are_not_there_are_index_errors(folder: ShardsFolder) -> None:
    for video in (-1, 3):
        with pytest.raises(IndexError, match="expected a video from 0 to 2"):
            folder.tracks(video)


class Dripping(io.RawIOBase):
    """A file that can only be read forward, and gives a few bytes at a time, as a socket does."""

    def __init__(self, content: bytes) -> None:
        self._rest = content

    def read(self, size: int = -1) -> bytes:
        count = min(size, 1000)
        found, self._rest = self._rest[:count], self._rest[count:]
        return found


def dripping(path: Path) -> BinaryIO:
    file: Any = Dripping(path.read_bytes())
    return file  # type: ignore[no-any-return]


@pytest.mark.parametrize("batch", [1, 3, 64])
def test_streams_with_the_index_without_it_and_from_a_pipe_are_equal(folder: ShardsFolder, batch: int) -> None:
    for shard, path in enumerate(folder.shards):
        here = slice(4 * shard, 4 * shard + 4)
        ways = [
            folder.stream(shard, batch=batch),
            folder.stream(shard, batch=batch, file=dripping(path)),
            stream_shard(path, batch=batch),
            stream_shard(dripping(path), batch=batch, where="url"),
        ]
        for way in ways:
            found = list(way)
            assert all(len(part["vis"]) <= batch for part in found)
            assert np.array_equal(np.concatenate([part["tracks"] for part in found]), POSITIONS[here], equal_nan=True)
            assert np.array_equal(np.concatenate([part["vis"] for part in found]), VIS[here])


def test_a_stream_without_the_index_tells_times_and_numbers(folder: ShardsFolder) -> None:
    [found] = stream_shard(folder.shards[1])
    assert np.array_equal(found["step_s"], folder.step_s[4:8])
    assert found["video"].tolist() == folder.video[4:8].tolist()
    assert found["window"].tolist() == folder.window[4:8].tolist()


def test_runs_of_equal_distance() -> None:
    offsets = np.array([0, 10, 20, 50, 60, 100])
    assert list(_runs(offsets)) == [(slice(0, 3), 10), (slice(3, 5), 10), (slice(5, 6), 0)]
    assert list(_runs(np.array([7]))) == [(slice(0, 1), 0)]
    random = np.random.default_rng(0)
    for _ in range(50):
        some = np.cumsum(random.integers(1, 3, random.integers(1, 12)))
        rows = [int(some[run.start]) + step * n for run, step in _runs(some) for n in range(run.stop - run.start)]
        assert rows == some.tolist()


def test_samples_at_unequal_distances_are_read(tmp_path: Path) -> None:
    long = sample_tracks(windows=2, seed=1)
    video = long.header.video.model_copy(update={"name": "n" * 200})
    long = type(long)(
        long.header.model_copy(update={"video": video}), long.tracks, long.vis, long.start_index, long.frame_s
    )
    short = sample_tracks(windows=3)
    with shards_webdataset.ShardsWriter(tmp_path / "a") as out:
        for clip in (short, long, short):
            out.add(clip)
        out.finish(SHARDS.header.provenance)
    folder = ShardsFolder(tmp_path / "a")
    assert len(np.unique(np.diff(folder.index("vis").offset))) > 1
    found = folder.read_span(0, 0, 8)["vis"]
    assert np.array_equal(found, np.concatenate([clip.vis["default"] for clip in (short, long, short)]))


def test_a_folder_goes_through_a_pickle(folder: ShardsFolder) -> None:
    again = pickle.loads(pickle.dumps(folder))
    assert np.array_equal(again.read_span(0, 0, 2)["vis"], folder.read_span(0, 0, 2)["vis"])


def test_back_to_the_other_formats_and_nothing_is_lost(folder: ShardsFolder, tmp_path: Path) -> None:
    for number, tracks in enumerate(SHARDS.tracks):
        for ending in (".h5", ".zarr"):
            path = tmp_path / f"{number}{ending}"
            formats.write(path, folder.tracks(number))
            assert formats.read(path).equals(tracks)


def test_recognised_and_told(folder: ShardsFolder, tmp_path: Path) -> None:
    assert formats.recognise(folder.path).name == "shards_webdataset"
    found = formats.read(folder.path)
    assert found.facts()["videos"] == "3: clip_0, clip_1, clip_2"
    assert found.facts()["windows"] == "14 of 4 frames (default: 30 points)"
    for name in ("index.parquet", "shards.json", "shard-000000.tar"):
        with pytest.raises(UnknownFormatError, match=name):
            formats.recognise(folder.path / name)
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "empty", folder.path / "shards.json"):
        with pytest.raises(SchemaError, match=r"expected a folder with shards\.json"):
            ShardsFolder(path)
    with pytest.raises(StorageError, match="no such file"):
        ShardsFolder(tmp_path / "none")


def sealed(document: dict[str, Any]) -> bytes:
    document.pop("x-seal", None)
    return canonical_json({**document, "x-seal": f"crc32c:{crc32c(canonical_json(document)):08x}"})


def test_a_newer_major_version_is_too_new_and_not_damaged(tmp_path: Path) -> None:
    shards_webdataset.write(tmp_path / "a", SHARDS)
    place = tmp_path / "a/shards.json"
    document = read_sealed_json(place, ShardsManifest).as_json() | {"format_version": "2.0"}
    for content in (sealed(document), canonical_json(document | {"x-seal": "in another way"})):
        place.write_bytes(content)
        with pytest.raises(FormatTooNewError, match=r"shards\.json: written in"):
            ShardsFolder(tmp_path / "a")
        with pytest.raises(FormatTooNewError, match="install a newer release"):
            formats.read(tmp_path / "a")


def test_a_stream_of_other_samples_is_refused(tmp_path: Path, folder: ShardsFolder) -> None:
    shards_webdataset.write(tmp_path / "a", sample_shards(windows=(1,)))
    one = (tmp_path / "a/shard-000000.tar").read_bytes()[:-1024]
    mixed = one + folder.shards[0].read_bytes()
    with pytest.raises(CorruptDataError, match=r"mixed: 000000_000000000\.tracks\.npy: expected each member once"):
        list(stream_shard(io.BytesIO(mixed), where="mixed"))
    mixed = one + folder.shards[1].read_bytes()
    with pytest.raises(CorruptDataError, match=r"mixed: 000000_000000004: expected .* as in 000000_000000000"):
        list(stream_shard(io.BytesIO(mixed), where="mixed"))


def test_a_container_is_checked() -> None:
    one = SHARDS.tracks[0]
    for tracks, told in (
        ([one], "expected a tuple of Tracks, got list"),
        ((one,), "expected the tracks of the header"),
    ):
        with pytest.raises(SchemaError, match=told):
            type(SHARDS)(SHARDS.header, tracks)  # type: ignore[arg-type]
    assert SHARDS.equals(pickle.loads(pickle.dumps(SHARDS)))
    assert not SHARDS.equals(sample_shards(windows=(5, 3, 6), points=30, stride=2))
    assert len(content_of(Path(__file__))) == 1
