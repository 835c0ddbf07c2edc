"""Rows that share chunks: decoded together, cut at the edges, held up to a number of bytes."""

from __future__ import annotations

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.errors import CorruptDataError, Problem
from lapsdata.storage.codecs import Codec
from lapsdata.storage.index import ABSENT, ChunkIndex, file_key
from lapsdata.storage.open_files import OpenFile, open_file
from lapsdata.storage.slabs import SlabCache, chunk_slab, read_exactly

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

VALUES = np.arange(5 * 3 * 4, dtype=">i2").reshape(5, 3, 4)


def chunked(place: Path, values: NDArray[Any] = VALUES, chunk: tuple[int, ...] = (2, 2, 3)) -> ChunkIndex:
    """Write an array chunk by chunk, those at its edges filled up with -1, and say where each lies."""
    grid = tuple(-(-n // c) for n, c in zip(values.shape, chunk, strict=True))
    content, places = bytearray(b"head"), []
    for at in np.ndindex(*grid):
        whole = np.full(chunk, -1, values.dtype)
        part = values[tuple(slice(i * c, (i + 1) * c) for i, c in zip(at, chunk, strict=True))]
        whole[tuple(slice(0, n) for n in part.shape)] = part
        places.append((len(content), whole.nbytes))
        content += whole.tobytes()
    place.write_bytes(content)
    offset, length = np.array(places, np.int64).reshape(-1, 2).T
    file = np.zeros(len(offset), np.int32)
    where, key = f"{place.name}: x", file_key(place)
    return ChunkIndex(where, values.shape, values.dtype, chunk, (place,), (key,), file, offset.copy(), length.copy())


@pytest.fixture
def opened() -> Iterator[Callable[[ChunkIndex], dict[Path, OpenFile]]]:
    files: list[OpenFile] = []

    def make(index: ChunkIndex) -> dict[Path, OpenFile]:
        files.extend(open_file(path, key, "pread") for path, key in zip(index.files, index.keys, strict=True))
        return {file.path: file for file in files}

    yield make
    for file in files:
        file.close()


class TestSlab:
    def test_chunks_are_put_together_and_cut_at_the_edges(
        self, tmp_path: Path, opened: Callable[[ChunkIndex], dict[Path, OpenFile]]
    ) -> None:
        index = chunked(tmp_path / "x")
        files = opened(index)
        for number, rows in enumerate((slice(0, 2), slice(2, 4), slice(4, 5))):
            slab = chunk_slab(index, number, files)
            assert slab.dtype == VALUES.dtype
            assert np.array_equal(slab, VALUES[rows])

    def test_an_absent_chunk_is_the_fill_value_and_no_other(
        self, tmp_path: Path, opened: Callable[[ChunkIndex], dict[Path, OpenFile]]
    ) -> None:
        index = replace(chunked(tmp_path / "x"), fill=7)
        index.offset[5] = ABSENT  # second row of chunks, at (0, 1)
        slab = chunk_slab(index, 1, opened(index))
        wanted = VALUES[2:4].copy()
        wanted[:, :2, 3:] = 7
        assert np.array_equal(slab, wanted)
        with pytest.raises(CorruptDataError, match=r"x: x: chunk 5: expected a chunk, got none"):
            chunk_slab(replace(index, fill=None), 1, opened(index))

    def test_a_slab_without_elements_has_no_chunks(self, tmp_path: Path) -> None:
        (tmp_path / "x").touch()
        key, dtype = file_key(tmp_path / "x"), np.dtype(">f4")
        index = ChunkIndex.rows("x", (3, 0, 2), dtype, (tmp_path / "x",), (key,), offset=0)
        assert chunk_slab(index, 1, {}).shape == (1, 0, 2)

    def test_a_chunk_of_another_length_is_told_with_its_place(
        self, tmp_path: Path, opened: Callable[[ChunkIndex], dict[Path, OpenFile]]
    ) -> None:
        index = chunked(tmp_path / "x")
        index.length[3] -= 2
        place = r"x: x: chunk 3 \(bytes 76 to 98 of x\): expected 24 bytes after decoding, got 22"
        with pytest.raises(CorruptDataError, match=place):
            chunk_slab(index, 0, opened(index))

    def test_masks_say_which_codecs_were_left_out(
        self, tmp_path: Path, opened: Callable[[ChunkIndex], dict[Path, OpenFile]]
    ) -> None:
        index = replace(chunked(tmp_path / "x"), codecs=(Codec("crc32c"),), masks=np.ones(12, np.uint32))
        assert np.array_equal(chunk_slab(index, 0, opened(index)), VALUES[:2])
        with pytest.raises(CorruptDataError, match=r"chunk 0 .*\[payload-checksum\]"):
            chunk_slab(replace(index, masks=None), 0, opened(index))

    def test_a_file_that_was_cut_is_told(
        self, tmp_path: Path, opened: Callable[[ChunkIndex], dict[Path, OpenFile]]
    ) -> None:
        index = chunked(tmp_path / "x")
        files = opened(index)
        os.truncate(tmp_path / "x", 80)
        with pytest.raises(CorruptDataError, match=r"expected 24 bytes from byte 76, got 4: the file is cut short"):
            chunk_slab(index, 0, files)

    def test_bytes_may_come_in_parts(
        self,
        tmp_path: Path,
        opened: Callable[[ChunkIndex], dict[Path, OpenFile]],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        index = chunked(tmp_path / "x")
        (file,) = opened(index).values()
        plain = os.pread
        monkeypatch.setattr(os, "pread", lambda fd, count, offset: plain(fd, min(count, 7), offset))
        assert read_exactly(file.descriptor, 4, 24, "x") == (tmp_path / "x").read_bytes()[4:28]
        assert read_exactly(file.descriptor, 4, 0, "x") == b""


class TestCache:
    @given(sizes=st.lists(st.tuples(st.integers(0, 6), st.integers(0, 9)), max_size=40), most=st.integers(0, 20))
    def test_never_more_is_held_than_may_be(self, sizes: list[tuple[int, int]], most: int) -> None:
        """Beside a model: the slabs used last, in order, as many as fit."""
        cache, model = SlabCache(most), dict[int, int]()
        for decoded, (key, size) in enumerate(sizes, 1):
            cache.put(key, np.zeros(size, np.uint8))
            if key not in model and size <= most:
                model[key] = size
                while sum(model.values()) > most:
                    model.pop(next(iter(model)))
            assert cache.decoded == decoded
            touched = sizes[decoded // 2][0]
            found = cache.get(touched)
            assert (None if found is None else found.nbytes) == model.get(touched)
            if touched in model:
                model[touched] = model.pop(touched)
        assert {key for key in range(7) if cache.get(key) is not None} == set(model)

    def test_what_alone_is_too_large_is_not_held(self) -> None:
        cache = SlabCache(10)
        cache.put("small", np.zeros(10, np.uint8))
        cache.put("large", np.zeros(11, np.uint8))
        assert cache.get("large") is None
        assert cache.get("small") is not None

    def test_a_cleared_cache_has_its_room_back(self) -> None:
        cache = SlabCache(10)
        cache.put("a", np.zeros(10, np.uint8))
        cache.clear()
        assert cache.get("a") is None
        cache.put("b", np.zeros(10, np.uint8))
        assert cache.get("b") is not None
        assert cache.decoded == 2

    @pytest.mark.parametrize("most", [50, 0])
    def test_a_slab_that_many_want_at_once_is_made_once(self, most: int) -> None:
        cache, made, wanted = SlabCache(most), list[int](), threading.Barrier(5)

        def make() -> Any:
            wanted.wait(10)
            time.sleep(0.2)  # until the others have asked for it
            made.append(1)
            return np.arange(10, dtype=np.uint8)

        def use() -> Any:
            wanted.wait(10)
            return cache.get_or_make("a", make)

        with ThreadPoolExecutor(5) as pool:
            first = pool.submit(cache.get_or_make, "a", make)
            found = [task.result() for task in [first, *(pool.submit(use) for _ in range(4))]]
        assert made == [1]
        assert all(slab is found[0] for slab in found)
        assert (cache.decoded, cache.decoded_rows) == (1, 10)

    def test_what_cannot_be_made_is_told_to_all_that_want_it(self) -> None:
        cache, begun, tried = SlabCache(50), threading.Event(), list[int]()

        def fail() -> Any:
            tried.append(1)
            begun.set()
            time.sleep(0.1)
            raise CorruptDataError(Problem("x", "y", "expected a, got b"))

        with ThreadPoolExecutor(2) as pool:
            first = pool.submit(cache.get_or_make, "a", fail)
            begun.wait(10)
            second = pool.submit(cache.get_or_make, "a", fail)
            assert [type(task.exception()) for task in (first, second)] == [CorruptDataError] * 2
        assert first.exception() is not second.exception()
        assert len(tried) == 2
        assert cache.get_or_make("a", lambda: np.zeros(3)).tolist() == [0, 0, 0]

    def test_a_forgotten_slab_is_made_anew(self) -> None:
        cache = SlabCache(10)
        cache.put("a", np.zeros(10, np.uint8))
        cache.forget("a")
        cache.forget("a")
        assert cache.get_or_make("a", lambda: np.ones(10, np.uint8)).tolist() == [1] * 10

    def test_threads_may_share_it(self) -> None:
        cache, faults = SlabCache(50), list[int]()

        def use(seed: int) -> None:
            for key in np.random.default_rng(seed).integers(0, 20, 2000).tolist():
                slab = cache.get(key)
                if slab is None:
                    cache.put(key, np.full(key, key, np.uint8))
                elif slab.tolist() != [key] * key:
                    faults.append(key)

        threads = [threading.Thread(target=use, args=(seed,)) for seed in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=60)
        assert faults == []
        held = [slab for key in range(20) if (slab := cache.get(key)) is not None]
        assert sum(slab.nbytes for slab in held) <= 50
