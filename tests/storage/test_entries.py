"""Entries of an index: what is written is what is read, in Python and in compiled code, whatever lies where."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.errors import CorruptDataError, StorageError
from lapsdata.storage import entry_reader
from lapsdata.storage.entries import make_entry, overlapped, read_entry
from lapsdata.storage.entry_reader import EntryReader, opens_directly
from lapsdata.storage.gather import RowReader
from lapsdata.storage.index import ChunkIndex, file_key
from lapsdata.storage.seal import row_checksums

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from lapsdata.storage.pieces import Fields, Source

GENERATION = 77
FIELDS: Fields = {
    "tracks": np.dtype((np.float32, (2, 3))),
    "vis": np.dtype((np.bool_, (2,))),
    "start_s": np.dtype(np.float64),
    "step_s": np.dtype((np.float64, (2,))),
}


class One:
    """A piece with its place in memory."""

    def __init__(self, where: str, found: Mapping[str, Source]) -> None:
        self.where, self.found = where, found

    @property
    def rows(self) -> int:
        return int(self.found["tracks"].shape[0])

    def sources(self) -> Mapping[str, Source]:
        return self.found


class Index:
    """Entries in memory, as a file of them would be."""

    def __init__(self, folder: Path, entries: list[bytes]) -> None:
        self.path, self.folder, self.generation = folder / "a.bin", folder, GENERATION
        self.places = np.cumsum([0, *map(len, entries)])
        self.entries: NDArray[np.uint8] = np.frombuffer(b"".join(entries), np.uint8)

    def check(self) -> None:
        """Nothing changes."""


def write_item(folder: Path, name: str, rows: int, order: list[int], summed: bool) -> dict[str, Source]:
    """Write rows in any order into two files, and say where they are."""
    random = np.random.default_rng(rows)
    tracks = random.random((rows, 2, 3), np.float32)
    vis = random.integers(2, size=(rows, 2)).astype(np.float32)
    (folder / f"{name}.bin").write_bytes(b"head" + b"".join(tracks[n].tobytes() for n in order))
    (folder / f"{name}-vis.bin").write_bytes(vis.tobytes())
    spots = np.argsort(order).astype(np.int64)

    def index(file: str, values: NDArray[Any], offset: NDArray[np.int64]) -> ChunkIndex:
        path = folder / file
        return ChunkIndex(
            str(path), values.shape, np.dtype("<f4"), (1, *values.shape[1:]), (path,), (file_key(path),),
            np.zeros(rows, np.int32), offset, np.full(rows, values[0].nbytes),
            row_crc32c=row_checksums(values) if summed else None,
        )  # fmt: skip

    times = np.arange(rows + 1) / 10
    return {
        "tracks": index(f"{name}.bin", tracks, 4 + 24 * spots),
        "vis": index(f"{name}-vis.bin", vis, 8 * np.arange(rows, dtype=np.int64)),
        "start_s": times[:-1],
        "step_s": np.stack([times[:-1], times[1:]], axis=1),
    }


def readers(folder: Path, found: list[dict[str, Source]], **options: Any) -> tuple[RowReader, EntryReader]:
    found = [*found, write_item(folder, "more", 1, [0], True)]  # more than may be open
    pieces = [One(f"item {number}", sources) for number, sources in enumerate(found)]
    entries = [make_entry(n, GENERATION, sources, FIELDS, folder)[0] for n, sources in enumerate(found)]
    settings: dict[str, Any] = {"verify": "first", "io": "auto", **options}
    direct = EntryReader(pieces, FIELDS, Index(folder, entries), bare=lambda: [0], open_files=1, **settings)
    return RowReader(pieces, FIELDS, open_files=512, **settings), direct


@given(st.integers(1, 6), st.booleans(), st.data())
def test_what_is_written_is_read(rows: int, summed: bool, data: st.DataObject) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        folder, order = Path(name), data.draw(st.permutations(range(rows)))
        found = write_item(folder, "a", rows, order, summed)
        made, whole = make_entry(3, GENERATION, found, FIELDS, folder)
        back = read_entry(made, 3, GENERATION, FIELDS, folder, "an index")
        assert whole
        assert (back.rows, len(back.files), list(back.sources)) == (rows, 2, list(FIELDS))
        for field, source in found.items():
            other = back.sources[field]
            if isinstance(source, np.ndarray) or isinstance(other, np.ndarray):
                np.testing.assert_array_equal(source, other)
                continue
            assert isinstance(source, ChunkIndex)
            assert isinstance(other, ChunkIndex)
            np.testing.assert_array_equal(source.offset, other.offset)
            np.testing.assert_array_equal(source.length, other.length)
            at = int(other.file[0])
            assert (other.dtype, other.files[at], other.keys[at]) == (source.dtype, source.files[0], source.keys[0])
            assert (other.row_crc32c is not None) == summed
        flip = data.draw(st.integers(0, 8 * len(made) - 1))
        damaged = bytearray(made)
        damaged[flip // 8] ^= 1 << flip % 8
        with pytest.raises(CorruptDataError, match="an index: item 3: expected its entry, got other bytes"):
            read_entry(bytes(damaged), 3, GENERATION, FIELDS, folder, "an index")


@pytest.mark.parametrize("wrong", [(2, GENERATION), (3, GENERATION + 1)])
def test_entries_of_others_are_refused(tmp_path: Path, wrong: tuple[int, int]) -> None:
    made, _ = make_entry(3, GENERATION, write_item(tmp_path, "a", 2, [0, 1], True), FIELDS, tmp_path)
    with pytest.raises(CorruptDataError, match="expected its entry"):
        read_entry(made, *wrong, FIELDS, tmp_path, "an index")
    for length in range(0, len(made), 9):
        with pytest.raises(CorruptDataError, match="expected its entry"):
            read_entry(made[:length], 3, GENERATION, FIELDS, tmp_path, "an index")


def test_regular_rows_and_shared_times_take_no_room(tmp_path: Path) -> None:
    regular, _ = make_entry(0, GENERATION, write_item(tmp_path, "a", 100, list(range(100)), True), FIELDS, tmp_path)
    mixed, _ = make_entry(0, GENERATION, write_item(tmp_path, "a", 100, list(range(100))[::-1], True), FIELDS, tmp_path)
    shuffled = np.random.default_rng(0).permutation(100).tolist()
    listed, _ = make_entry(0, GENERATION, write_item(tmp_path, "b", 100, shuffled, True), FIELDS, tmp_path)
    assert len(regular) == len(mixed) < 2 * 4 * 100 + 8 * 101 + 600
    assert len(listed) == len(regular) + 8 * 100


@given(st.integers(1, 5), st.integers(1, 6), st.integers(1, 6))
def test_overlapping_rows_are_runs_of_a_line(rows: int, width: int, stride: int) -> None:
    line = np.random.default_rng(0).random(rows * stride + width)
    array = np.stack([line[n * stride : n * stride + width] for n in range(rows)])
    found, step = overlapped(array)
    assert len(found) <= rows * width
    for number in range(rows):
        np.testing.assert_array_equal(found[number * step : number * step + width], array[number])


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("summed", [True, False])
def test_both_ways_read_the_same(tmp_path: Path, summed: bool, threads: int) -> None:
    orders = ([0, 1, 2], [2, 0, 1, 3], [0])
    found = [write_item(tmp_path, "abc"[n], len(order), order, summed) for n, order in enumerate(orders)]
    plain, direct = readers(tmp_path, found)
    assert direct.direct
    ids = np.array([7, 0, 3, 3, 6, 1, 2, 0])
    for fields in (None, ["vis"], ["step_s", "tracks"]):
        one, other = (reader.gather(ids, fields=fields, threads=threads) for reader in (plain, direct))
        assert list(one) == list(other)
        for name in one:
            np.testing.assert_array_equal(one[name], other[name])
    assert direct.unverified == 3, "those of the item that is said to be bare"
    out = {"tracks": np.full((2, 2, 3), np.nan, np.float32)}
    assert direct.gather(np.array([1, 5]), out=out)["tracks"] is out["tracks"]
    with pytest.raises(IndexError, match="expected 0 to 8, got 9"):
        direct.gather(np.array([9]))


def test_damage_is_named_in_both_ways(tmp_path: Path) -> None:
    found = [write_item(tmp_path, "a", 3, [0, 1, 2], True)]
    path, status = tmp_path / "a.bin", (tmp_path / "a.bin").stat()
    content = bytearray(path.read_bytes())
    content[4 + 24 + 5] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    for reader in readers(tmp_path, found):
        reader.gather(np.array([0, 2]))
        with pytest.raises(CorruptDataError, match=r"row 1 .*bytes 28 to 52.*expected bytes that fit their CRC-32C"):
            reader.gather(np.array([1]))
    for reader in readers(tmp_path, found, verify="never"):
        reader.gather(np.array([1]))


def test_visibility_that_is_neither_is_refused(tmp_path: Path) -> None:
    found = write_item(tmp_path, "a", 2, [0, 1], False)
    path, status = tmp_path / "a-vis.bin", (tmp_path / "a-vis.bin").stat()
    path.write_bytes(np.full(4, 0.5, np.float32).tobytes())
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    for reader in readers(tmp_path, [found]):
        with pytest.raises(CorruptDataError, match="expected 0 or 1 everywhere"):
            reader.gather(np.array([1]))


def test_a_file_that_changes_is_read_as_its_piece_says(tmp_path: Path) -> None:
    found = write_item(tmp_path, "a", 3, [0, 1, 2], True)
    plain, direct = readers(tmp_path, [found])
    before = plain.gather(np.arange(3))
    shutil.copy(tmp_path / "a.bin", tmp_path / "b.bin")
    os.replace(tmp_path / "b.bin", tmp_path / "a.bin")  # noqa: PTH105 - as any other program would
    with pytest.raises(StorageError, match="expected the file that was indexed"):
        direct.gather(np.arange(3))  # the piece still tells of the one before
    found |= write_item(tmp_path, "a", 3, [0, 1, 2], True)
    np.testing.assert_array_equal(direct.gather(np.arange(3))["tracks"], before["tracks"])


def test_refusals_that_do_not_last_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, direct = readers(tmp_path, [write_item(tmp_path, "a", 3, [0, 1, 2], True)])
    (tmp_path / "a.bin").unlink()
    with pytest.raises(StorageError, match="item 0: expected a file that can be opened, got refusals"):
        direct.gather(np.array([0]))
    monkeypatch.setattr(entry_reader, "_LINUX", (0, 0, 0, 0))
    assert not opens_directly(Path(__file__))


def test_mapped_reading_keeps_files_open(tmp_path: Path) -> None:
    _, mapped = readers(tmp_path, [write_item(tmp_path, "a", 3, [0, 1, 2], True)], io="mmap")
    assert not mapped.direct
    assert mapped.gather(np.array([1]))["start_s"].tolist() == [0.1]
    assert mapped.unverified == 0
    mapped.close()
