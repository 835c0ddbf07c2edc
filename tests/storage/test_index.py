"""Chunk indexes: what rows, parts and places of them are, and what no file can hold."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lapsdata.errors import CorruptDataError
from lapsdata.storage.codecs import Codec
from lapsdata.storage.index import ABSENT, ChunkIndex, FileKey, file_key

A, B, C = Path("data.zarr/a"), Path("data.zarr/b"), Path("data.zarr/c")


def three_files(**changes: Any) -> ChunkIndex:
    """Return six rows of 8 bytes, two in each file."""
    index = ChunkIndex(
        "data.zarr: x",
        (6, 2),
        np.dtype("<f4"),
        (1, 2),
        (A, B, C),
        tuple(FileKey(size, 0, 0) for size in (16, 18, 20)),
        file=np.repeat(np.arange(3, dtype=np.int32), 2),
        offset=np.array([0, 8, 2, 10, 12, 4]),
        length=np.full(6, 8),
        row_crc32c=np.arange(6, dtype=np.uint32),
        masks=np.arange(6, dtype=np.uint32),
    )
    return replace(index, **changes)


class TestRows:
    def test_rows_lie_one_behind_the_other(self) -> None:
        index = ChunkIndex.rows("x", (3, 5, 2), np.dtype("<f2"), (A,), (FileKey(100, 0, 0),), offset=30)
        assert index.offset.tolist() == [30, 50, 70]
        assert index.length.tolist() == [20] * 3
        assert index.row_bytes == 20
        assert index.slab_rows == 1
        assert index.by_row
        assert index.plain

    def test_an_array_of_one_axis_has_rows_of_one_element(self) -> None:
        index = ChunkIndex.rows("x", (4,), np.dtype("<f8"), (A,), (FileKey(32, 0, 0),), offset=0)
        assert index.chunk == (1,)
        assert index.row_bytes == 8
        assert index.plain

    @pytest.mark.parametrize(
        ("changes", "by_row", "plain"),
        [
            ({}, True, True),
            ({"codecs": (Codec("crc32c"),)}, True, False),
            ({"chunk": (2, 2)}, False, False),
            ({"chunk": (1, 1)}, False, False),
            ({"chunk": (1, 3)}, False, False),
        ],
    )
    def test_only_rows_with_chunks_of_their_own_are_by_row(
        self, changes: dict[str, Any], by_row: bool, plain: bool
    ) -> None:
        index = three_files(**changes)
        assert (index.by_row, index.plain) == (by_row, plain)


class TestPart:
    @pytest.mark.parametrize(
        ("first", "stop", "files", "file"),
        [(0, 2, (A,), [0, 0]), (1, 4, (A, B), [0, 1, 1]), (3, 6, (B, C), [0, 1, 1]), (2, 2, (), [])],
    )
    def test_a_part_names_its_own_files_only(
        self, first: int, stop: int, files: tuple[Path, ...], file: list[int]
    ) -> None:
        whole, part = three_files(), three_files().part(first, stop)
        assert part.files == files
        assert part.keys == tuple(key for path, key in zip(whole.files, whole.keys, strict=True) if path in files)
        assert part.file.tolist() == file
        assert part.file.dtype == np.int32
        assert part.shape == (stop - first, 2)
        for name in ("offset", "length", "row_crc32c", "masks"):
            assert getattr(part, name).tolist() == getattr(whole, name)[first:stop].tolist()

    def test_what_is_not_there_is_in_no_part(self) -> None:
        part = three_files(row_crc32c=None, masks=None).part(1, 3)
        assert part.row_crc32c is None
        assert part.masks is None

    def test_rows_that_share_chunks_are_not_parted(self) -> None:
        with pytest.raises(ValueError, match=r"data\.zarr: x: rows share chunks of \(2, 2\)"):
            three_files(chunk=(2, 2)).part(0, 2)


class TestPlace:
    def test_a_place_is_a_file_and_its_bytes(self) -> None:
        assert three_files().place(4) == "c, bytes 12 to 20"
        assert three_files(where="other").place(0) == "data.zarr/a, bytes 0 to 8"

    def test_an_absent_chunk_has_no_bytes(self) -> None:
        assert three_files(offset=np.full(6, ABSENT)).place(2) == "no bytes"

    def test_a_row_of_several_chunks_is_placed_by_its_first(self) -> None:
        index = three_files(shape=(4, 6), chunk=(2, 2))
        assert [index.place(row) for row in range(4)] == ["a, bytes 0 to 8"] * 2 + ["b, bytes 10 to 18"] * 2


class TestExtent:
    def test_chunks_may_reach_the_end_of_their_file(self) -> None:
        three_files().check_extent()
        assert three_files().offset[4] + three_files().length[4] == three_files().keys[2].size

    @pytest.mark.parametrize(
        ("row", "offset", "length"),
        [
            (1, 9, 8),
            (4, 12, 9),
            (3, -2, 8),
            (0, 0, -1),
            (2, 2**63 - 1, 8),
            (2, 2**63 - 8, 2**63 - 1),
            (5, 4, 2**63 - 1),
        ],
    )
    def test_a_chunk_outside_of_its_file_is_told(self, row: int, offset: int, length: int) -> None:
        index = three_files()
        index.offset[row], index.length[row] = offset, length
        place = rf"data\.zarr: x: chunk {row}: expected bytes within \d+, got {length} from byte {offset}; .*outside\]"
        with pytest.raises(CorruptDataError, match=place):
            index.check_extent()

    def test_absent_chunks_lie_nowhere(self) -> None:
        assert three_files(offset=np.full(6, ABSENT), length=np.full(6, 10**9)).check_extent() is None


def test_a_key_changes_with_the_file(tmp_path: Path) -> None:
    place = tmp_path / "x"
    place.write_bytes(b"1234")
    before = file_key(place)
    assert before == file_key(place)
    assert before.size == 4
    place.write_bytes(b"12345")
    assert file_key(place) != before
