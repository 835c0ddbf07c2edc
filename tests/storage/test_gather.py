"""Rows of pieces as batches: ids, fields and buffers as they may be given; verification; threads; amplification."""

from __future__ import annotations

import pickle
import threading
import time
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest

from lapsdata.errors import CorruptDataError, LengthMismatchError, SchemaError
from lapsdata.storage import _copy_loop, gather
from lapsdata.storage.hdf5_file import Hdf5File
from lapsdata.storage.hdf5_index import hdf5_index
from lapsdata.storage.seal import row_checksums

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from lapsdata.storage.gather import RowReader
    from lapsdata.storage.pieces import Source

TRACKS = np.random.default_rng(0).normal(size=(9, 4, 3, 2)).astype("<f4")
VIS = np.random.default_rng(1).random((9, 4, 3)) > 0.4
STARTS = np.arange(9) / 10
DTYPES = {"tracks": np.float32, "vis": np.bool_, "start_s": np.float64}
LAYOUTS: dict[str, dict[str, Any]] = {
    "contiguous": {},
    "windows": {"chunks": True},
    "slabs": {"chunks": 4, "compression": "gzip", "shuffle": True},
}


def write(path: Path, layout: str = "contiguous", tracks: NDArray[Any] = TRACKS) -> dict[str, NDArray[np.uint32]]:
    """Write tracks and vis as float32, as others do; return the checksums of their rows."""
    options = dict(LAYOUTS[layout])
    rows = {True: 1, None: None}.get(options.pop("chunks", None), 4)
    arrays = {"tracks": tracks, "vis": VIS.astype("<f4")}
    with h5py.File(path, "w", libver="v110") as file:
        for name, values in arrays.items():
            chunks = None if rows is None else (rows, *values.shape[1:])
            file.create_dataset(name, data=values, chunks=chunks, **options)
    return {name: row_checksums(values) for name, values in arrays.items()}


def found(path: Path, sums: dict[str, NDArray[np.uint32]] | None = None) -> dict[str, Source]:
    with Hdf5File(path) as file:
        stored = {name: hdf5_index(file, name, row_crc32c=(sums or {}).get(name)) for name in ("tracks", "vis")}
    return {**stored, "start_s": STARTS}


@pytest.fixture(params=LAYOUTS)
def reader(request: pytest.FixtureRequest, tmp_path: Path, reader_of: Callable[..., RowReader]) -> RowReader:
    sums = write(tmp_path / "x.h5", request.param)
    return reader_of(found(tmp_path / "x.h5", sums), dtypes=DTYPES)


def place_of(path: Path, row: int, name: str = "tracks") -> int:
    """Return the first byte of a row, or of the chunk that holds it."""
    with Hdf5File(path) as file:
        index: Any = hdf5_index(file, name)
    return int(index.offset[row // index.chunk[0]])


def flip(path: Path, row: int, name: str = "tracks") -> None:
    """Change a byte of a row in place; the file keeps its size, its number and, as disks do it, its times."""
    at = place_of(path, row, name) + 20
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 0x10]))


class TestIds:
    @pytest.mark.parametrize(
        "ids",
        [
            [5, 0, 5, 8],
            (5, 0, 5, 8),
            range(2, 8, 3),
            np.array([5, 0], np.int32),
            np.array([5, 0], np.uint8),
            np.array([5, 0], np.uint64),
            np.array([5, 0], ">i8"),
            np.arange(9)[::-2],
            np.arange(20)[2:17:3] // 2,
            np.frombuffer(np.arange(9).tobytes(), np.int64),
            np.arange(9).astype(object).astype(np.int16),
        ],
        ids=lambda ids: f"{type(ids).__name__} {getattr(ids, 'dtype', '')}",
    )
    def test_whole_numbers_of_any_kind_are_rows(self, reader: RowReader, ids: Any) -> None:
        batch = reader.gather(ids)
        order = np.array(ids, np.int64)
        assert np.array_equal(batch["tracks"], TRACKS[order])
        assert np.array_equal(batch["vis"], VIS[order])
        assert np.array_equal(batch["start_s"], STARTS[order])
        assert {name: array.dtype for name, array in batch.items()} == {name: np.dtype(d) for name, d in DTYPES.items()}

    @pytest.mark.parametrize("ids", [[], np.zeros(0, np.int64), np.zeros(0, np.float64)], ids=str)
    def test_no_ids_are_an_empty_batch(self, reader: RowReader, ids: Any) -> None:
        batch = reader.gather(ids)
        assert {name: array.shape for name, array in batch.items()} == {
            "tracks": (0, 4, 3, 2),
            "vis": (0, 4, 3),
            "start_s": (0,),
        }

    @pytest.mark.parametrize("wrong", [-1, 9, 2**62, np.uint64(9), np.uint64(2**63 - 1)])
    @pytest.mark.parametrize("threads", [1, 2])
    @pytest.mark.parametrize("before", [False, True])
    def test_rows_outside_are_an_index_error(self, reader: RowReader, wrong: Any, threads: int, before: bool) -> None:
        if before:
            reader.gather([0])
        ids = np.array([1, 2, 3, wrong], type(wrong) if isinstance(wrong, np.generic) else np.int64)
        with pytest.raises(IndexError, match=r"ids: expected 0 to 8, got -?\d+ \(1 such ids\)"):
            reader.gather(ids, threads=threads)

    @pytest.mark.parametrize("wrong", [2**63, 2**64 - 1])
    def test_numbers_that_no_id_can_have_keep_their_value(self, reader: RowReader, wrong: int) -> None:
        with pytest.raises(IndexError, match=rf"ids: expected numbers below 2\*\*63, got {wrong}"):
            reader.gather(np.array([1, wrong], np.uint64))

    @pytest.mark.parametrize("ids", [[0.0, 1.0], [True, False], ["0"], [None]], ids=str)
    def test_what_is_no_whole_number_is_refused(self, reader: RowReader, ids: Any) -> None:
        with pytest.raises(SchemaError, match=r"ids: expected whole numbers, got (float64|bool|<U1|object)"):
            reader.gather(ids)

    @pytest.mark.parametrize("ids", [3, [[1, 2]], np.zeros((2, 2), int)], ids=str)
    def test_ids_have_one_axis(self, reader: RowReader, ids: Any) -> None:
        with pytest.raises(LengthMismatchError, match=r"ids: expected one axis of ids, got shape"):
            reader.gather(ids)

    def test_no_kind_of_ids_compiles_the_loop_again(self, reader: RowReader) -> None:
        reader.gather(np.arange(3))
        loop: Any = _copy_loop.copy_rows
        before = len(loop.signatures)
        frozen = np.arange(3)
        frozen.flags.writeable = False
        shifted = np.frombuffer(bytearray(8 * 4), np.uint8)[4:28].view(np.int64)
        for ids in (
            frozen,
            np.arange(6)[::2],
            shifted,
            [1],
            np.zeros(2, int).view(np.recarray),
        ):
            reader.gather(ids)
        assert len(loop.signatures) == before


class TestFields:
    def test_a_batch_holds_the_fields_in_the_order_asked_for(self, reader: RowReader) -> None:
        assert list(reader.gather([0])) == ["tracks", "vis", "start_s"]
        assert list(reader.gather([0], fields=["start_s", "tracks"])) == ["start_s", "tracks"]
        batch = reader.gather([3, 1], fields=["vis"])
        assert list(batch) == ["vis"]
        assert np.array_equal(batch["vis"], VIS[[3, 1]])
        assert reader.gather([3], fields=[]) == {}

    def test_an_unknown_field_is_named(self, reader: RowReader) -> None:
        known = r"fields: expected some of \['tracks', 'vis', 'start_s'\], got 'depth'.*\[unknown-field\]"
        with pytest.raises(SchemaError, match=known):
            reader.gather([0], fields=["tracks", "depth"])
        with pytest.raises(SchemaError, match=known):
            reader.gather([0], out={"depth": np.zeros(1)})


class TestBuffers:
    def test_buffers_are_filled_and_returned(self, reader: RowReader) -> None:
        out = {"tracks": np.full((3, 4, 3, 2), np.nan, np.float32), "start_s": np.zeros(3)}
        batch = reader.gather([8, 0, 4], out=out, threads=2)
        assert batch["tracks"] is out["tracks"]
        assert batch["start_s"] is out["start_s"]
        assert np.array_equal(out["tracks"], TRACKS[[8, 0, 4]])
        assert np.array_equal(batch["vis"], VIS[[8, 0, 4]])

    def test_a_part_of_a_larger_buffer_is_filled_and_nothing_beside(self, reader: RowReader) -> None:
        whole = np.full((6, 4, 3, 2), 7, np.float32)
        reader.gather([1, 2], fields=["tracks"], out={"tracks": whole[2:4]}, threads=2)
        assert np.array_equal(whole[2:4], TRACKS[1:3])
        assert (whole[[0, 1, 4, 5]] == 7).all()

    def test_batches_are_fresh_without_buffers(self, reader: RowReader) -> None:
        first = reader.gather([1])["tracks"]
        second = reader.gather([2])["tracks"]
        assert not np.shares_memory(first, second)
        assert np.array_equal(first, TRACKS[1:2])

    @pytest.mark.parametrize(
        ("buffer", "told"),
        [
            (np.zeros((2, 4, 3, 2), np.float32), r"out: tracks: expected \(3, 4, 3, 2\), got \(2, 4, 3, 2\)"),
            (np.zeros((3, 24), np.float32), r"expected \(3, 4, 3, 2\), got \(3, 24\) \[wrong-shape\]"),
            (np.zeros((3, 4, 3, 2)), r"out: tracks: expected float32, got float64 \[wrong-dtype\]"),
            (np.zeros((3, 4, 3, 2), ">f4"), r"expected float32, got >f4"),
            (np.zeros((3, 4, 2, 3), np.float32).swapaxes(2, 3), r"expected a contiguous array that may be written"),
            (np.zeros((6, 4, 3, 2), np.float32)[::2], r"expected a contiguous array .*\[wrong-buffer\]"),
            (np.broadcast_to(np.float32(0), (3, 4, 3, 2)), r"\[wrong-buffer\]"),
            (np.frombuffer(bytes(288), np.float32).reshape(3, 4, 3, 2), r"\[wrong-buffer\]"),
            ([0.0], r"out: tracks: expected a NumPy array, got list \[wrong-buffer\]"),
        ],
        ids=["batch", "flat", "double", "order", "axes", "steps", "broadcast", "read-only", "list"],
    )
    def test_a_buffer_that_does_not_fit_is_told(self, reader: RowReader, buffer: Any, told: str) -> None:
        with pytest.raises(SchemaError, match=told):
            reader.gather([0, 1, 2], out={"tracks": buffer})

    def test_all_faults_of_a_buffer_are_told_at_once(self, reader: RowReader) -> None:
        with pytest.raises(SchemaError, match=r"3 problems:"):
            reader.gather([0], out={"tracks": np.zeros((2, 4, 3, 2))[::-1]})


class TestOptions:
    @pytest.mark.parametrize(
        ("option", "told"),
        [({"verify": "sometimes"}, "verify: expected one of"), ({"io": "direct"}, "io: expected one of")],
    )
    def test_a_wrong_word_is_refused(
        self, option: dict[str, Any], told: str, reader_of: Callable[..., RowReader]
    ) -> None:
        with pytest.raises(SchemaError, match=told):
            reader_of({"x": np.zeros((2, 3))}, **option)

    @pytest.mark.parametrize("threads", [-1, 0, 1, 2, 3, 4, 50])
    @pytest.mark.parametrize("io", ["auto", "mmap", "pread"])
    def test_any_number_of_threads_fills_the_same_batch(
        self, tmp_path: Path, reader_of: Callable[..., RowReader], threads: int, io: str
    ) -> None:
        sums = write(tmp_path / "x.h5", "slabs")
        reader = reader_of(found(tmp_path / "x.h5", sums), dtypes=DTYPES, io=io)
        ids = np.random.default_rng(threads + 1).integers(0, 9, 40)
        batch = reader.gather(ids, threads=threads)
        assert np.array_equal(batch["tracks"], TRACKS[ids])
        assert np.array_equal(batch["vis"], VIS[ids])
        assert np.array_equal(batch["start_s"], STARTS[ids])

    def test_a_reader_tells_its_rows_and_blocks(self, reader: RowReader, request: pytest.FixtureRequest) -> None:
        assert len(reader) == 9
        assert reader.starts.tolist() == [0, 9]
        assert reader.block_rows == (4 if "slabs" in request.node.name else 1)

    def test_a_used_reader_can_be_pickled(self, reader: RowReader) -> None:
        reader.gather([1, 2], threads=2)
        again = pickle.loads(pickle.dumps(reader))
        assert again.verify == reader.verify
        assert np.array_equal(again.gather([7])["tracks"], TRACKS[[7]])
        again.close()


class TestVerification:
    @pytest.fixture
    def damaged(self, tmp_path: Path, reader_of: Callable[..., RowReader]) -> Callable[..., RowReader]:
        def make(name: str = "tracks", layout: str = "contiguous", **options: Any) -> RowReader:
            sums = write(tmp_path / "x.h5", layout)
            if layout == "slabs":
                tracks = TRACKS.copy()
                tracks[5, 0, 0, 0] += 1
                write(tmp_path / "x.h5", layout, tracks)
            else:
                flip(tmp_path / "x.h5", 5, name)
            return reader_of(found(tmp_path / "x.h5", sums), dtypes=DTYPES, **options)

        return make

    @pytest.mark.parametrize("verify", ["first", "always"])
    @pytest.mark.parametrize("layout", LAYOUTS)
    @pytest.mark.parametrize("threads", [1, 3])
    @pytest.mark.parametrize("io", ["mmap", "pread"])
    def test_a_damaged_row_is_told_with_its_place_again_and_again(
        self, damaged: Callable[..., RowReader], verify: str, layout: str, threads: int, io: str
    ) -> None:
        reader = damaged(layout=layout, verify=verify, io=io)
        for _ in range(2):
            with pytest.raises(CorruptDataError, match=r"x\.h5: tracks: row 5.* CRC-32C.*\[payload-checksum\]"):
                reader.gather([0, 5, 1, 2], threads=threads)
        good = np.array([0, 1, 2, 3, 4, 6, 7, 8])
        assert np.array_equal(reader.gather(good, threads=threads)["tracks"], TRACKS[good])

    def test_bytes_are_named_where_a_row_has_its_own(self, damaged: Callable[..., RowReader], tmp_path: Path) -> None:
        reader = damaged()
        first = place_of(tmp_path / "x.h5", 5)
        with pytest.raises(CorruptDataError, match=rf"row 5 \(.*x\.h5, bytes {first} to {first + 96}\): expected"):
            reader.gather([5])

    def test_a_field_that_is_not_asked_for_is_not_verified(self, damaged: Callable[..., RowReader]) -> None:
        reader = damaged()
        assert np.array_equal(reader.gather([5], fields=["vis"])["vis"], VIS[[5]])

    def test_never_delivers_what_is_there(self, damaged: Callable[..., RowReader]) -> None:
        reader = damaged(verify="never")
        assert not np.array_equal(reader.gather([5])["tracks"], TRACKS[[5]])
        assert reader.unverified == 0

    @pytest.mark.parametrize("verify", ["first", "always", "never"])
    @pytest.mark.parametrize("layout", ["contiguous", "slabs"])
    def test_visibility_that_is_neither_is_told_whatever_is_verified(
        self, tmp_path: Path, reader_of: Callable[..., RowReader], verify: str, layout: str
    ) -> None:
        with h5py.File(tmp_path / "x.h5", "w") as file:
            values = np.where(np.arange(9)[:, None, None] == 6, np.float32(0.5), VIS)
            options = {"chunks": (4, 4, 3), "compression": "gzip"} if layout == "slabs" else {}
            file.create_dataset("vis", data=values.astype("<f4"), **options)
        with Hdf5File(tmp_path / "x.h5") as file:
            reader = reader_of({"vis": hdf5_index(file, "vis")}, dtypes=DTYPES, verify=verify)
        assert np.array_equal(reader.gather([0, 5])["vis"], VIS[[0, 5]])
        with pytest.raises(CorruptDataError, match=r"x\.h5: vis.*expected 0 or 1 everywhere.*\[wrong-visibility\]"):
            reader.gather([0, 6])

    @pytest.mark.parametrize("layout", ["contiguous", "windows"])
    @pytest.mark.parametrize("io", ["mmap", "pread"])
    def test_first_notices_only_what_it_has_not_read_yet_and_always_everything(
        self, tmp_path: Path, reader_of: Callable[..., RowReader], layout: str, io: str
    ) -> None:
        path = tmp_path / "x.h5"
        sums = write(path, layout)
        first = reader_of(found(path, sums), dtypes=DTYPES, verify="first", io=io)
        always = reader_of(found(path, sums), dtypes=DTYPES, verify="always", io=io)
        for reader in (first, always):
            reader.gather([2, 5])
        flip(path, 5)
        flip(path, 7)
        assert not np.array_equal(first.gather([5])["tracks"], TRACKS[[5]])
        with pytest.raises(CorruptDataError, match="row 7"):
            first.gather([7])
        with pytest.raises(CorruptDataError, match="row 5"):
            always.gather([2, 5])

    def test_what_was_seen_outlives_the_closing_of_a_file(
        self, tmp_path: Path, reader_of: Callable[..., RowReader]
    ) -> None:
        sums = write(tmp_path / "x.h5")
        write(tmp_path / "y.h5")
        pieces = [found(tmp_path / name, sums) for name in ("x.h5", "y.h5")]
        reader = reader_of(*pieces, dtypes=DTYPES, open_files=1)
        seen = reader._open.seen(0, "tracks")
        reader.gather([3])
        reader.gather([12])
        assert reader._open.evicted == 1
        assert reader._open.seen(0, "tracks") is seen
        assert seen.tolist() == [0, 0, 0, 1, 0, 0, 0, 0, 0]

    @pytest.mark.parametrize("layout", LAYOUTS)
    def test_rows_without_checksums_are_counted_once(
        self, tmp_path: Path, reader_of: Callable[..., RowReader], layout: str
    ) -> None:
        sums = write(tmp_path / "x.h5", layout)
        bare = reader_of(found(tmp_path / "x.h5"), dtypes=DTYPES)
        half = reader_of(found(tmp_path / "x.h5", {"tracks": sums["tracks"]}), dtypes=DTYPES)
        full = reader_of(found(tmp_path / "x.h5", sums), dtypes=DTYPES)
        for reader in (bare, half, full):
            for ids in ([3, 3, 4], [4, 5], [3]):
                reader.gather(ids)
        assert (bare.unverified, half.unverified, full.unverified) == (3, 3, 0)
        half_again = reader_of(found(tmp_path / "x.h5", {"tracks": sums["tracks"]}), dtypes=DTYPES)
        half_again.gather([1, 2], fields=["tracks"])
        assert half_again.unverified == 0


class TestNumbersTooLarge:
    """Files of float64, of which a batch has float32."""

    @pytest.mark.parametrize("layout", LAYOUTS)
    @pytest.mark.parametrize("large", [1e39, -1.7e308])
    @pytest.mark.parametrize("verify", ["first", "never"])
    def test_what_float32_cannot_hold_is_told_and_never_made_infinite(
        self, tmp_path: Path, reader_of: Callable[..., RowReader], layout: str, large: float, verify: str
    ) -> None:
        tracks = TRACKS.astype("<f8")
        tracks[6, 1, 0, 1] = large
        write(tmp_path / "x.h5", layout, tracks)
        reader = reader_of(found(tmp_path / "x.h5"), dtypes=DTYPES, verify=verify)
        for _ in range(2):  # also from the slab that is held by then
            with pytest.raises(
                CorruptDataError, match=r"x\.h5: /?tracks: row 6: expected numbers that float32 can hold, got larger"
            ):
                reader.gather(np.array([0, 6, 2]))
        assert np.array_equal(reader.gather(np.array([5, 0]))["tracks"], TRACKS[[5, 0]])

    @pytest.mark.parametrize("layout", LAYOUTS)
    def test_what_is_no_number_in_the_file_stays_what_it_is(
        self, tmp_path: Path, reader_of: Callable[..., RowReader], layout: str
    ) -> None:
        tracks = TRACKS.astype("<f8")
        tracks[4, 0, 0] = np.inf, -np.inf
        tracks[4, 1, 0] = np.nan, np.finfo("f4").max
        write(tmp_path / "x.h5", layout, tracks)
        reader = reader_of(found(tmp_path / "x.h5"), dtypes=DTYPES)
        assert np.array_equal(reader.gather(np.array([4]))["tracks"], tracks[[4]].astype("f4"), equal_nan=True)

    def test_whole_numbers_are_never_too_large(self, tmp_path: Path, reader_of: Callable[..., RowReader]) -> None:
        tracks = np.full(TRACKS.shape, np.iinfo("u8").max, "<u8")
        write(tmp_path / "x.h5", tracks=tracks)
        batch = reader_of(found(tmp_path / "x.h5"), dtypes=DTYPES).gather(np.array([0]))
        assert np.array_equal(batch["tracks"], tracks[:1].astype("f4"))


class TestSlabs:
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        write(tmp_path / "x.h5", "slabs")
        return tmp_path / "x.h5"

    def test_a_slab_is_decoded_once_for_a_batch_and_held_for_the_next(
        self, path: Path, reader_of: Callable[..., RowReader]
    ) -> None:
        reader = reader_of(found(path), dtypes=DTYPES)
        reader.gather([0, 1, 2, 3, 0, 1], fields=["tracks"])
        assert reader._cache.decoded == 1
        reader.gather([3, 8], fields=["tracks"])
        assert reader._cache.decoded == 2
        reader.gather([3, 8], fields=["vis"])
        assert reader._cache.decoded == 4

    @pytest.mark.parametrize("most", [0, 100, 4 * 96])
    def test_what_is_not_held_is_decoded_again_and_right(
        self, path: Path, reader_of: Callable[..., RowReader], most: int
    ) -> None:
        reader = reader_of(found(path), dtypes=DTYPES, slab_bytes=most)
        for ids in ([0, 5], [8, 1], [0, 4]):
            assert np.array_equal(reader.gather(ids, fields=["tracks"])["tracks"], TRACKS[ids])
        assert reader._cache.decoded == 6 - (most == 4 * 96)

    def test_a_closed_reader_holds_no_slabs(self, path: Path, reader_of: Callable[..., RowReader]) -> None:
        reader = reader_of(found(path), dtypes=DTYPES)
        reader.gather([0], fields=["tracks"])
        reader.close()
        reader.gather([0], fields=["tracks"])
        assert reader._cache.decoded == 2

    def test_a_batch_is_no_part_of_a_slab(self, path: Path, reader_of: Callable[..., RowReader]) -> None:
        reader = reader_of(found(path), dtypes=DTYPES)
        reader.gather([0])["tracks"][:] = 0
        assert np.array_equal(reader.gather([0])["tracks"], TRACKS[:1])

    @pytest.mark.parametrize("number", [0, 1, 2])
    def test_nobody_writes_into_a_batch_after_its_error(
        self, path: Path, reader_of: Callable[..., RowReader], number: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """One slab is damaged, the others take long: the error comes when all have come to an end."""
        reader = reader_of(found(path), dtypes=DTYPES)
        plain, ended = gather.RowReader._fill_from_slab, list[int]()

        def slow(self: RowReader, ids: Any, name: str, out: Any, key: tuple[int, int], *rest: Any) -> None:
            if key[1] == number:
                raise CorruptDataError(gather.Problem("undecodable", "slab", "expected another"))
            time.sleep(0.05)
            plain(self, ids, name, out, key, *rest)
            ended.append(key[1])

        monkeypatch.setattr(gather.RowReader, "_fill_from_slab", slow)
        with pytest.raises(CorruptDataError, match="slab: expected another"):
            reader.gather([0, 4, 8], fields=["tracks"], threads=3)
        assert sorted(ended) == sorted({0, 1, 2} - {number})


def test_a_batch_of_more_files_than_may_be_open_is_filled_part_by_part(
    tmp_path: Path, reader_of: Callable[..., RowReader]
) -> None:
    pieces = []
    for number in range(12):
        write(tmp_path / f"{number}.h5", tracks=TRACKS + number)
        pieces.append(found(tmp_path / f"{number}.h5"))
    reader, most = reader_of(*pieces, dtypes=DTYPES, open_files=4), list[int]()
    plain = reader._open.hold

    def hold(ids: NDArray[np.int64]) -> list[int]:
        held = plain(ids)
        most.append(int((reader._open.slots >= 0).sum()))
        return held

    reader._open.hold = hold  # type: ignore[method-assign]  # to look at how many are open
    ids = np.arange(12 * 9).reshape(12, 9).T.reshape(-1)
    out = {"tracks": np.empty((len(ids), 4, 3, 2), np.float32)}
    batch = reader.gather(ids, out=out, threads=2)
    assert batch["tracks"] is out["tracks"]
    assert np.array_equal(batch["tracks"], np.concatenate([TRACKS + number for number in range(12)])[ids])
    assert np.array_equal(batch["vis"], np.concatenate([VIS] * 12)[ids])
    assert max(most) == 4
    with pytest.raises(IndexError, match=r"expected 0 to 107, got 108"):
        reader.gather([*ids, 108])


def test_a_closed_reader_leaves_no_threads(reader: RowReader) -> None:
    before = threading.active_count()
    reader.gather(np.arange(9), threads=4)
    assert threading.active_count() > before
    reader.close()
    assert threading.active_count() == before
    assert np.array_equal(reader.gather(np.arange(9), threads=2)["tracks"], TRACKS)
