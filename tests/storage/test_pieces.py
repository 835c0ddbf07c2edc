"""Pieces are opened when rows are wanted, closed when others need the room, and never while somebody reads."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lapsdata.errors import CorruptDataError, LapsError, StorageError
from lapsdata.storage import _pages, pieces
from lapsdata.storage.codecs import Codec
from lapsdata.storage.gather import RowReader
from lapsdata.storage.index import ABSENT, ChunkIndex, file_key
from lapsdata.storage.pieces import OpenPieces
from lapsdata.storage.seal import row_checksums

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import NDArray

    from lapsdata.storage.pieces import Source

ROWS, FIELDS = 4, {"x": np.dtype((np.float32, 3))}


@dataclass
class Stored:
    """A file of four rows; counts how often it was asked where they lie."""

    place: Path
    number: int
    rows: int = ROWS
    asked: int = 0
    changes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def where(self) -> str:
        return self.place.name

    @property
    def values(self) -> NDArray[Any]:
        return np.arange(self.rows * 3, dtype="<f4").reshape(self.rows, 3) + 100 * self.number

    def write(self) -> Stored:
        self.place.write_bytes(self.values.tobytes())
        return self

    def sources(self) -> Mapping[str, Source]:
        self.asked += 1
        sums = row_checksums(self.values)
        index = ChunkIndex.rows(
            f"{self.where}: x", (self.rows, 3), np.dtype("<f4"), (self.place,), (file_key(self.place),),
            offset=0, row_crc32c=sums,
        )  # fmt: skip
        for name, value in self.changes.items():
            object.__setattr__(index, name, value)
        return {"x": index}


@pytest.fixture
def stored(tmp_path: Path) -> list[Stored]:
    return [Stored(tmp_path / f"{number}.bin", number).write() for number in range(6)]


@pytest.fixture
def open_pieces(stored: list[Stored]) -> Iterator[Callable[..., OpenPieces]]:
    made: list[OpenPieces] = []

    def make(io: Any = "auto", most_files: int = 512, these: list[Stored] | None = None) -> OpenPieces:
        made.append(OpenPieces(these or stored, FIELDS, io=io, most_files=most_files))
        return made[-1]

    yield make
    for one in made:
        one.close()


def rows(*numbers: int) -> NDArray[np.int64]:
    """Return the first rows of pieces."""
    return np.array(numbers, np.int64) * ROWS


def which_are_open(one: OpenPieces) -> list[int]:
    return np.flatnonzero(one.slots >= 0).tolist()


def handles(folder: Path) -> list[str]:
    found = []
    for entry in Path("/proc/self/fd").iterdir():
        try:
            found.append(entry.readlink())
        except OSError:  # the handle of the listing itself
            continue
    return sorted(path.name for path in found if path.parent == folder)


class TestOpening:
    def test_nothing_is_opened_before_rows_are_wanted(
        self, stored: list[Stored], open_pieces: Callable[..., OpenPieces]
    ) -> None:
        one = open_pieces()
        assert [piece.asked for piece in stored] == [0] * 6
        one.release(one.hold(rows(2, 4, 2)))
        assert [piece.asked for piece in stored] == [0, 0, 1, 0, 1, 0]
        assert which_are_open(one) == [2, 4]

    def test_an_open_piece_is_not_opened_again(
        self, stored: list[Stored], open_pieces: Callable[..., OpenPieces]
    ) -> None:
        one = open_pieces()
        for _ in range(3):
            one.release(one.hold(rows(0, 1, 2, 3, 4, 5)))
        assert {piece.asked for piece in stored} == {1}
        assert one.hold(rows(1)) == []  # all are open: nothing has to be held
        one.release([])

    @pytest.mark.parametrize("wrong", [-1, 24, 10**12])
    def test_rows_outside_open_nothing(self, open_pieces: Callable[..., OpenPieces], wrong: int) -> None:
        one = open_pieces()
        with pytest.raises(IndexError, match=rf"ids: expected 0 to 23, got {wrong} \(1 such ids\)"):
            one.hold(np.array([3, wrong]))
        assert which_are_open(one) == []
        one.close()
        assert one.hold(rows(0)) == [0]

    def test_a_piece_that_does_not_open_leaves_no_handle(
        self, stored: list[Stored], open_pieces: Callable[..., OpenPieces], tmp_path: Path
    ) -> None:
        one = open_pieces()
        stored[3].place.unlink()
        with pytest.raises(StorageError, match=r"3\.bin.*\[not-found\]"):
            one.hold(rows(1, 3, 5))
        assert which_are_open(one) == [1]
        one.close()
        assert handles(tmp_path) == []

    @pytest.mark.parametrize(
        ("changes", "told"),
        [
            ({"shape": (ROWS, 2)}, r"0\.bin: x: expected \(4, 3\), got \(4, 2\): the file is another one"),
            ({"shape": (5, 3)}, r"0\.bin: x: expected \(4, 3\), got \(5, 3\)"),
            ({"length": np.array([12, 12, 11, 12])}, r"expected 12 bytes per row, got 11.*\[wrong-chunk-length\]"),
            ({"offset": np.array([0, 12, 24, 37])}, r"chunk 3: expected bytes within 48, .*\[chunk-outside\]"),
            (
                {"length": np.array([20, 2, 20, 20]), "offset": np.zeros(4, np.int64), "codecs": (Codec("crc32c"),)},
                r"expected 12 bytes per row, got 16.*\[wrong-chunk-length\]",
            ),
            (
                {
                    "length": np.array([20, 2, 20, 20]),
                    "offset": np.zeros(4, np.int64),
                    "codecs": (Codec("blosc"), Codec("crc32c")),
                },
                r"expected 12 bytes per row, got -2.*\[wrong-chunk-length\]",
            ),
        ],
        ids=["columns", "rows", "length", "extent", "checksum", "shorter-than-checksum"],
    )
    def test_a_piece_that_is_not_as_announced_is_told(
        self,
        stored: list[Stored],
        open_pieces: Callable[..., OpenPieces],
        tmp_path: Path,
        changes: dict[str, Any],
        told: str,
    ) -> None:
        stored[0].changes = changes
        one = open_pieces()
        with pytest.raises(CorruptDataError, match=told):
            one.hold(rows(0))
        assert handles(tmp_path) == []

    def test_absent_rows_are_left_to_the_caller(
        self, stored: list[Stored], open_pieces: Callable[..., OpenPieces]
    ) -> None:
        stored[0].changes = {"offset": np.array([0, ABSENT, 24, 36])}
        one = open_pieces()
        one.release(one.hold(rows(0)))
        assert one.elsewhere
        with pytest.raises(CorruptDataError, match=r"chunk 1: expected a chunk, got none"):
            one.opened(0).slab("x", 1)
        assert one.opened(0).slab("x", 2).tolist() == stored[0].values[2:3].tolist()

    def test_an_array_in_memory_is_stored_nowhere(self) -> None:
        with pytest.raises(TypeError, match="x lies in memory"):
            pieces.Opened(0, {"x": np.zeros(3)}, np.zeros((1, 7), np.int64)).stored("x")


class TestClosing:
    @pytest.mark.parametrize("most", [1, 2, 3])
    def test_those_used_longest_ago_make_room(
        self, open_pieces: Callable[..., OpenPieces], tmp_path: Path, most: int
    ) -> None:
        one = open_pieces(most_files=most)
        used: list[int] = []
        for number in np.random.default_rng(0).integers(0, 6, 60).tolist():
            one.release(one.hold(rows(number)))
            used = [other for other in used if other != number] + [number]
            assert which_are_open(one) == sorted(used[-most:])
            assert handles(tmp_path) == [f"{number}.bin" for number in sorted(used[-most:])]
        assert one.evicted > 0

    def test_what_is_read_stays_open_whatever_the_limit(self, open_pieces: Callable[..., OpenPieces]) -> None:
        one = open_pieces(most_files=2)
        first = one.hold(rows(0, 1, 2))
        second = one.hold(rows(2, 3))
        assert which_are_open(one) == [0, 1, 2, 3]
        one.release(first)
        assert which_are_open(one) == [0, 1, 2, 3]
        one.release(one.hold(rows(3)))
        assert which_are_open(one) == [2, 3]
        one.release(second)

    def test_room_is_made_before_others_are_opened(
        self, open_pieces: Callable[..., OpenPieces], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """Else twice the limit is open for a moment, which may be more than the system allows."""
        one, most = open_pieces(most_files=3), []
        plain = pieces.open_file

        def count(*arguments: Any) -> Any:
            file = plain(*arguments)
            most.append(len(handles(tmp_path)))
            return file

        monkeypatch.setattr(pieces, "open_file", count)
        for batch in ((0, 1, 2), (3, 4, 5), (0, 4, 1)):
            one.release(one.hold(rows(*batch)))
        assert len(most) == 8
        assert max(most) == 3

    def test_closing_closes_all_and_what_is_wanted_opens_again(
        self, stored: list[Stored], open_pieces: Callable[..., OpenPieces], tmp_path: Path
    ) -> None:
        one = open_pieces()
        one.release(one.hold(rows(0, 1)))
        one.close()
        one.close()
        assert handles(tmp_path) == []
        assert which_are_open(one) == []
        one.release(one.hold(rows(1)))
        assert stored[1].asked == 2

    @pytest.mark.parametrize("all_open", [False, True])
    def test_closing_waits_for_the_last_reader(
        self, open_pieces: Callable[..., OpenPieces], tmp_path: Path, all_open: bool
    ) -> None:
        one = open_pieces()
        if all_open:
            one.release(one.hold(rows(0, 1, 2, 3, 4, 5)))
        first, second = one.hold(rows(0, 1)), one.hold(rows(1))
        one.close()
        one.release(first)
        assert "1.bin" in handles(tmp_path)
        one.release(second)
        assert handles(tmp_path) == []
        assert which_are_open(one) == []

    def test_slots_and_files_are_used_again(self, open_pieces: Callable[..., OpenPieces]) -> None:
        one = open_pieces(most_files=2)
        for number in np.random.default_rng(1).integers(0, 6, 300).tolist():
            one.release(one.hold(rows(number)))
        assert len(one.tables) == 8
        assert len(one.parts) == 8

    def test_many_pieces_make_longer_tables_and_keep_the_old_ones_right(self, tmp_path: Path) -> None:
        many = [Stored(tmp_path / f"{number}.bin", number).write() for number in range(40)]
        one = OpenPieces(many, FIELDS, io="auto", most_files=512)
        held = one.hold(rows(0))
        before, slot = one.tables, one.slots[0]
        one.release(one.hold(rows(*range(40))))
        assert len(one.tables) == len(one.reads) == 64
        assert (before[slot] == one.tables[slot]).all()
        one.release(held)
        one.close()


class TestMapping:
    def reader(self, stored: list[Stored], **options: Any) -> RowReader:
        return RowReader(stored, FIELDS, **options)

    def test_auto_maps_a_file_when_each_row_was_read_once(self, stored: list[Stored]) -> None:
        reader = self.reader(stored)
        for _ in range(31):
            reader.gather(np.array([0, 1, 2, 3]))
        assert str(stored[0].place) not in Path("/proc/self/maps").read_text()
        assert reader.gather(np.array([0, 4]))["x"].tolist()[0] == stored[0].values[0].tolist()
        lines = Path("/proc/self/maps").read_text()
        assert str(stored[0].place) in lines
        assert str(stored[1].place) not in lines
        for number, one in enumerate(stored):
            found = reader.gather(np.arange(number * ROWS, (number + 1) * ROWS))["x"]
            assert np.array_equal(found, one.values)
        reader.close()
        assert str(stored[0].place) not in Path("/proc/self/maps").read_text()

    @pytest.mark.parametrize("why", ["remote", "cold", "pread", "few"])
    def test_auto_leaves_what_is_not_worth_it(
        self, stored: list[Stored], why: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        if why == "remote":
            monkeypatch.setattr(pieces, "is_local", lambda folder: False)
        if why == "cold":
            monkeypatch.setattr(_pages, "resident", lambda address, size: False)
        reader = self.reader(stored, io="pread" if why == "pread" else "auto")
        for _ in range(64):
            reader.gather(np.array([0, 1] if why != "few" else [], np.int64))
        assert reader._open.parts[reader._open.parts[:, 1] >= 0, 0].tolist() in ([0], [])
        reader.close()

    def test_arrays_in_memory_do_not_keep_files_from_being_mapped(self, stored: list[Stored]) -> None:
        class Beside:
            where, rows = "0.bin", ROWS

            def sources(self) -> Mapping[str, Source]:
                return {**stored[0].sources(), "start_s": np.zeros(ROWS), "end_s": np.ones(ROWS)}

        times = {"start_s": np.dtype(float), "end_s": np.dtype(float)}
        reader = RowReader([Beside()], FIELDS | times)
        for _ in range(32):
            reader.gather(np.array([1]))
        assert reader._open.parts[0, 0] != 0
        reader.close()

    def test_what_is_only_in_memory_is_not_mapped(self) -> None:
        class Memory:
            where, rows = "memory", 2

            def sources(self) -> Mapping[str, Source]:
                return {"x": np.ones((2, 3))}

        reader = RowReader([Memory()], FIELDS)
        for _ in range(40):
            assert reader.gather(np.array([1]))["x"].tolist() == [[1, 1, 1]]
        reader.close()


def test_threads_that_close_and_read_get_the_right_rows(stored: list[Stored], tmp_path: Path) -> None:
    reader, faults, done = RowReader(stored, FIELDS, open_files=2), list[str](), threading.Event()
    whole = np.concatenate([one.values for one in stored])

    def read(seed: int) -> None:
        random = np.random.default_rng(seed)
        for _ in range(120):
            ids = random.integers(0, len(whole), 5)
            try:
                found = reader.gather(ids, threads=1 + seed % 3)["x"]
            except (LapsError, RuntimeError, KeyError) as error:
                faults.append(repr(error))
            else:
                if not np.array_equal(found, whole[ids]):
                    faults.append(f"wrong rows: {ids}")

    def close() -> None:
        while not done.wait(0.0005):
            reader.close()

    closing, reading = threading.Thread(target=close), [threading.Thread(target=read, args=(n,)) for n in range(3)]
    for thread in (closing, *reading):
        thread.start()
    for thread in reading:
        thread.join(timeout=60)
    done.set()
    closing.join(timeout=60)
    reader.close()
    assert faults == []
    assert handles(tmp_path) == []
