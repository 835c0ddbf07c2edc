"""The compiled loop against its plain meaning, written here in Python: what it copies, decodes, refuses and notes."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import google_crc32c
import numcodecs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lapsdata.storage import _copy_loop as loop

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

VALUES = 6
"""Float32 values, or flags, of a row."""

PLAIN, BLOSC = (loop.COPY, loop.FLAGS), (loop.BLOSC, loop.BLOSC_FLAGS)


@dataclass
class Field:
    """One field of all pieces, as the test knows it."""

    method: int
    rows: NDArray[Any]
    summed: bool
    tail: bool
    offset: NDArray[np.int64]
    length: NDArray[np.int64]
    file: NDArray[np.int32]
    sums: NDArray[np.uint32]
    seen: NDArray[np.uint8] = field(default_factory=lambda: np.zeros(0, np.uint8))

    @property
    def flags(self) -> bool:
        return self.method in (loop.FLAGS, loop.BLOSC_FLAGS)

    @property
    def size(self) -> int:
        return VALUES if self.flags else 4 * VALUES

    def table(self) -> list[int]:
        """Return the columns that the loop reads."""
        if self.method == loop.MEMORY:
            return [self.method, address(self.rows), 0, 0, 0, 0, 0]
        arrays = (self.offset, self.length, self.file)
        sums = address(self.sums) if self.summed else 0
        return [self.method, *map(address, arrays), sums, address(self.seen), int(self.tail)]


def address(array: NDArray[Any]) -> int:
    return int(array.__array_interface__["data"][0])


class Files:
    """Two files, and what stands in them."""

    def __init__(self, folder: Path, contents: list[bytes], *, mapped: list[bool], stated: list[int]) -> None:
        self.contents, self.stated, self.mapped = contents, stated, mapped
        self.maps = [np.frombuffer(content, np.uint8) for content in contents]
        self.descriptors = []
        for number, content in enumerate(contents):
            (folder / str(number)).write_bytes(content)
            self.descriptors.append(os.open(folder / str(number), os.O_RDONLY))

    def parts(self) -> NDArray[np.int64]:
        rows = zip(self.maps, self.mapped, self.descriptors, self.stated, strict=True)
        return np.array([(address(view) if mapped else 0, fd, size) for view, mapped, fd, size in rows], np.int64)

    def close(self) -> None:
        for descriptor in self.descriptors:
            os.close(descriptor)


def plain_row(one: Field, files: Files, row: int, check: bool) -> tuple[int, bytes]:
    """Say what the loop must do with one row of one field: its code, and the bytes in the batch."""
    number, offset, length = int(one.file[row]), int(one.offset[row]), int(one.length[row])
    content = files.contents[number]
    if len(content) != files.stated[number]:
        return loop.RESIZED, b""
    stored, stated = content[offset : offset + length], content[offset + length : offset + length + 4]
    wants_tail = one.tail and check and (one.method in BLOSC or not one.summed)
    if len(stored) < length or (wants_tail and len(stated) < 4):
        return loop.SHORT, b""
    if wants_tail and google_crc32c.value(stored) != int.from_bytes(stated, "little"):
        return loop.WRONG_SUM, b""
    decoded = stored
    if one.method in BLOSC:
        lengths = int.from_bytes(stored[4:8], "little"), int.from_bytes(stored[12:16], "little")
        if lengths != (4 * VALUES, length):
            return loop.UNDECODABLE, b""
        try:
            decoded = bytes(numcodecs.blosc.decompress(stored))
        except RuntimeError:
            return loop.UNDECODABLE, b""
    if check and one.summed and google_crc32c.value(decoded) != int(one.sums[row]):
        return loop.WRONG_SUM, b""
    if one.flags:
        values = np.frombuffer(decoded, "<f4")
        if not ((values == 0) | (values == 1)).all():
            return loop.NO_FLAG, b""
        decoded = (values == 1).tobytes()
    return loop.GOOD, decoded


def plain_rows(
    ids: list[int], starts: list[int], slots: list[int], fields: list[Field], files: Files, verify: int
) -> tuple[tuple[int, int, int], list[list[bytes]], list[NDArray[np.uint8]], list[int]]:
    """Say what a whole call returns, fills in, notes as seen, and counts."""
    made: list[list[bytes]] = [[] for _ in fields]
    seen, reads = [one.seen.copy() for one in fields], [0] * (max(slots, default=0) + 1)
    for i, row in enumerate(ids):
        if not 0 <= row < starts[-1]:
            return (loop.OUTSIDE, i, -1), made, seen, reads
        piece = max(n for n, start in enumerate(starts[:-1]) if start <= row)
        if slots[piece] < 0:
            return (loop.CLOSED, i, -1), made, seen, reads
        for k, one in enumerate(fields):
            if one.method in (loop.MEMORY, loop.ELSEWHERE):
                made[k].append(one.rows[row].tobytes() if one.method == loop.MEMORY else b"")
                continue
            check = verify == loop.ALWAYS or (verify == loop.FIRST and seen[k][row] == 0)
            code, content = plain_row(one, files, row, check)
            if code != loop.GOOD:
                return (code, i, k), made, seen, reads
            made[k].append(content)
            reads[slots[piece]] += 1
            if check:
                seen[k][row] = 1 if one.summed or one.tail else 2
    return (loop.GOOD, -1, -1), made, seen, reads


@st.composite
def fields_and_files(draw: st.DrawFn) -> tuple[list[Field], list[bytes]]:
    """Give up to three fields of up to five rows in two files, some of whose bytes are damaged."""
    rows = draw(st.integers(1, 5))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    contents, fields = [bytearray(b"head"), bytearray()], []
    for _ in range(draw(st.integers(1, 3))):
        method = draw(st.sampled_from([*PLAIN, *BLOSC, loop.MEMORY, loop.ELSEWHERE]))
        flags = method in (loop.FLAGS, loop.BLOSC_FLAGS)
        values = random.integers(0, 2, (rows, VALUES)) if flags else random.normal(size=(rows, VALUES))
        data = values.astype("<f4")
        tail, file = draw(st.booleans()), random.integers(0, 2, rows).astype(np.int32)
        places = []
        for row in range(rows):
            raw = data[row].tobytes()
            stored = bytes(numcodecs.Blosc("lz4", typesize=4).encode(raw)) if method in BLOSC else raw
            content = contents[file[row]]
            content += random.bytes(int(random.integers(0, 5)))
            places.append((len(content), len(stored)))
            content += stored + (google_crc32c.value(stored).to_bytes(4, "little") if tail else b"")
        offset, length = np.array(places, np.int64).T.copy()
        sums = np.array([google_crc32c.value(row.tobytes()) for row in data], np.uint32)
        seen = random.integers(0, 2, rows).astype(np.uint8) * np.uint8(draw(st.integers(0, 1)))
        fields.append(Field(method, data, draw(st.booleans()), tail, offset, length, file, sums, seen))
    for content in contents:
        for _ in range(draw(st.sampled_from([0, 0, 1, 2]))):
            if content:
                content[draw(st.integers(0, len(content) - 1))] ^= 1 << draw(st.integers(0, 7))
    return fields, [bytes(content) for content in contents]


@settings(max_examples=300)
@given(
    made=fields_and_files(),
    mapped=st.lists(st.booleans(), min_size=2, max_size=2),
    verify=st.sampled_from([loop.NEVER, loop.FIRST, loop.ALWAYS]),
    data=st.data(),
)
def test_the_loop_does_what_it_means(
    tmp_path_factory: pytest.TempPathFactory,
    made: tuple[list[Field], list[bytes]],
    mapped: list[bool],
    verify: int,
    data: st.DataObject,
) -> None:
    fields, contents = made
    rows = len(fields[0].rows)
    cut = data.draw(st.integers(0, rows))
    starts, slots = [0, cut, cut, rows], data.draw(st.sampled_from([[2, 0, 1], [0, -1, 1], [-1, 1, 0], [1, 2, -1]]))
    stated = [len(content) + data.draw(st.sampled_from([0, 0, 0, 1])) for content in contents]
    if data.draw(st.booleans()) and not any(mapped):
        # Cut since then, by somebody who keeps the size as it was: only what is read says so.
        contents = [content[: data.draw(st.integers(0, len(content)))] for content in contents]
        stated = [len(content) for content in contents]
    ids = data.draw(st.lists(st.integers(-1 if data.draw(st.booleans()) else 0, rows - 1), max_size=6))
    files = Files(tmp_path_factory.mktemp("loop"), contents, mapped=mapped, stated=stated)
    try:
        expect(ids, starts, slots, fields, files, verify)
    finally:
        files.close()


def expect(ids: list[int], starts: list[int], slots: list[int], fields: list[Field], files: Files, verify: int) -> None:
    wanted, filled, seen, reads = plain_rows(ids, starts, slots, fields, files, verify)
    tables = np.full((3, len(fields), loop.TABLE), -1, np.int64)
    tables[:] = [one.table() for one in fields]
    pieces = np.array(starts, np.int64)
    for piece, slot in enumerate(slots):
        if slot >= 0:
            # Tables count rows from the start of their piece.
            tables[slot] = [shifted(one, int(pieces[piece])) for one in fields]
    batch = [np.full((len(ids), one.size), 0xA5, np.uint8) for one in fields]
    room = max(4 * VALUES, *(int(one.length.max()) + 4 for one in fields))
    counted = np.zeros(3, np.int64)
    found = loop.copy_rows(
        np.array(ids, np.int64),
        pieces,
        np.array(slots, np.int64),
        tables,
        np.arange(len(fields)),
        files.parts(),
        np.array([address(part) for part in batch]),
        np.array([one.size for one in fields]),
        verify,
        room,
        counted,
    )
    assert tuple(found) == wanted
    for one, part, content, noted in zip(fields, batch, filled, seen, strict=True):
        assert (one.seen == noted).all()
        for row, octets in zip(part, content, strict=False):
            assert row.tobytes() == (octets if one.method != loop.ELSEWHERE else b"\xa5" * one.size)
    assert counted[: len(reads)].tolist() == reads


def shifted(one: Field, first: int) -> list[int]:
    if one.method == loop.MEMORY:
        return [one.method, address(one.rows) + first * one.size, 0, 0, 0, 0, 0]
    method, offset, length, file, sums, seen, tail = one.table()
    summed = sums + 4 * first if sums else 0
    return [method, offset + 8 * first, length + 8 * first, file + 4 * first, summed, seen + first, tail]


@given(counts=st.lists(st.integers(0, 3), min_size=1, max_size=8))
def test_a_row_belongs_to_the_piece_that_numpy_says(counts: list[int]) -> None:
    starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    for row in range(int(starts[-1])):
        assert loop.piece_of(starts, row) == np.searchsorted(starts, row, "right") - 1


SPECIAL = [0.0, -0.0, 1.0, -1.0, np.nan, np.inf, 1e-45, np.nextafter(np.float32(1), np.float32(2)), 2.0, 0.5]


@pytest.mark.parametrize("value", SPECIAL)
@pytest.mark.parametrize("at", [0, 7, 8, 100])
def test_only_zero_and_one_are_flags(value: float, at: int) -> None:
    values = (np.arange(101) % 3 == 0).astype("<f4")
    values[at] = value
    flags = np.full(102, 7, np.uint8)
    good = loop._make_flags(address(values), address(flags), 101)
    assert good == bool(((values == 0) | (values == 1)).all())
    assert flags[101] == 7
    if good:
        assert flags[:101].tolist() == (values == 1).tolist()


@pytest.fixture
def one_row(tmp_path: Path) -> Iterator[tuple[Field, Files]]:
    """Give a row of plain bytes behind 2 GiB of nothing."""
    raw, far = np.arange(VALUES, dtype="<f4").tobytes(), (1 << 31) + 5
    files = Files(tmp_path, [b"", b""], mapped=[False, False], stated=[far + len(raw), 0])
    with (tmp_path / "0").open("r+b") as file:
        file.seek(far)
        file.write(raw)
    place, length = np.array([far]), np.array([len(raw)])
    zero = np.zeros(1, np.int32)
    rows = np.frombuffer(raw, "<f4").reshape(1, -1)
    sums = np.array([google_crc32c.value(raw)], np.uint32)
    yield Field(loop.COPY, rows, True, False, place, length, zero, sums, np.zeros(1, np.uint8)), files
    files.close()


def test_rows_behind_the_second_gigabyte_are_read(one_row: tuple[Field, Files]) -> None:
    one, files = one_row
    out = np.zeros(VALUES, "<f4")
    tables, number = np.array([[one.table()]], np.int64), np.zeros(1, np.int64)
    found = loop.copy_rows(
        number, np.array([0, 1]), number, tables, number, files.parts(), np.array([address(out)]), np.array([24]),
        loop.FIRST, 64, np.zeros(1, np.int64),
    )  # fmt: skip
    assert tuple(found) == (loop.GOOD, -1, -1)
    assert out.tolist() == one.rows[0].tolist()
    assert one.seen.tolist() == [1]
