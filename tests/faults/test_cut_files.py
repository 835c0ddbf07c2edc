"""Files cut at every boundary of a record, and one byte to either side: never a silent loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

import h5py
import pyarrow.parquet as pq
import pytest

from lapsdata import formats
from lapsdata.errors import CorruptDataError, LapsError
from lapsdata.formats import energies_jsonl
from lapsdata.testing.contracts import content_of
from lapsdata.testing.samples import sample_energies

if TYPE_CHECKING:
    from pathlib import Path

    from lapsdata.testing.contracts import FormatCase


def hdf5_boundaries(path: Path) -> set[int]:
    """Ends of every contiguous dataset, of each window in it, and of every chunk."""
    found: set[int] = set()

    def visit(name: str, item: h5py.Dataset | h5py.Group) -> None:
        if not isinstance(item, h5py.Dataset):
            return
        if item.chunks:
            for i in range(item.id.get_num_chunks()):
                info = item.id.get_chunk_info(i)
                found.update((info.byte_offset, info.byte_offset + info.size))
        elif item.id.get_offset() is not None:
            row = item.nbytes // max(1, len(item) if item.shape else 1)
            found.update(range(item.id.get_offset(), item.id.get_offset() + item.nbytes + 1, max(1, row)))

    with h5py.File(path, "r") as file:
        file.visititems(visit)
    return found


def parquet_boundaries(path: Path) -> set[int]:
    """Starts and ends of column chunks and of dictionary and data pages, of row groups, and of the footer."""
    metadata = pq.ParquetFile(path).metadata
    size = path.stat().st_size
    found = {4, size - 8, size - 4, size - 8 - metadata.serialized_size}
    for group in range(metadata.num_row_groups):
        for column in range(metadata.num_columns):
            chunk = metadata.row_group(group).column(column)
            start = chunk.dictionary_page_offset or chunk.data_page_offset
            found.update((start, chunk.data_page_offset, start + chunk.total_compressed_size))
    return found


def jsonl_boundaries(content: bytes) -> set[int]:
    return {i + 1 for i, byte in enumerate(content) if byte == 0x0A}


def shard_boundaries(content: bytes, windows: int) -> set[int]:
    """Ends of the inner chunks of a shard, and of its index: (offset, length) uint64 pairs and a CRC-32C at the end."""
    index = content[-(16 * windows + 4) : -4]
    numbers = [int.from_bytes(index[i : i + 8], "little") for i in range(0, len(index), 8)]
    used = [(offset, length) for offset, length in zip(numbers[::2], numbers[1::2], strict=True) if offset < 2**63]
    assert used
    return {len(content) - 4, len(content) - 4 - 16 * windows, *(offset + length for offset, length in used)}


def boundaries(case: FormatCase, path: Path, name: str, content: bytes) -> set[int]:
    """Places where a cut could go unnoticed by a careless reader."""
    store = case.format.store
    if store == "hdf5":
        return hdf5_boundaries(path)
    if store == "parquet":
        return parquet_boundaries(path)
    if store == "jsonl":
        return jsonl_boundaries(content)
    if store == "webdataset":
        return set(range(0, len(content) + 1, 512)) if name.endswith(".tar") else {0, len(content) // 2}
    sharded = name.startswith("root/") or name.split("/")[0] in ("codes", "prequant", "quantized")
    if "/c/" in name and sharded and "crc32c" not in name:
        every = sorted(shard_boundaries(content, 256))
        return {*every[:4], *every[-6:]}
    return {0, len(content) // 2}


@pytest.mark.slow
def test_a_cut_at_every_boundary_is_an_error(small_case: FormatCase, tmp_path: Path) -> None:
    small_case.write(tmp_path / "item")
    whole = content_of(tmp_path / "item")
    cuts = errors = 0
    silent = []
    for name, content in whole.items():
        part = tmp_path / "item" / name if name else tmp_path / "item"
        edges = boundaries(small_case, tmp_path / "item", name, content)
        for length in sorted({edge + step for edge in edges for step in (-1, 0, 1)}):
            if not 0 <= length < len(content):
                continue
            part.write_bytes(content[:length])
            cuts += 1
            try:
                back = small_case.format.read(tmp_path / "item")
            except LapsError:
                errors += 1
            else:
                if not name or not small_case.container.equals(back):
                    silent.append((name, length))
        part.write_bytes(content)
    assert silent == [], f"{len(silent)} of {cuts} cuts lost data silently"
    assert errors >= 0.8 * cuts > 10, f"{errors} errors in {cuts} cuts"
    assert small_case.container.equals(small_case.format.read(tmp_path / "item"))


def test_large_files_are_cut_at_every_eighth(large_case: FormatCase, tmp_path: Path) -> None:
    large_case.write(tmp_path / "item")
    if large_case.format.store == "parquet":
        assert pq.ParquetFile(tmp_path / "item").metadata.num_row_groups == 4
    whole = content_of(tmp_path / "item")
    name = max(whole, key=lambda key: len(whole[key]))
    part = tmp_path / "item" / name if name else tmp_path / "item"
    for share in range(1, 8):
        part.write_bytes(whole[name][: len(whole[name]) * share // 8])
        with pytest.raises(LapsError, match="item"):
            large_case.format.read(tmp_path / "item")


def test_bytes_after_the_end_are_noticed_or_harmless(small_case: FormatCase, tmp_path: Path) -> None:
    small_case.write(tmp_path / "item")
    for name, content in content_of(tmp_path / "item").items():
        part = tmp_path / "item" / name if name else tmp_path / "item"
        part.write_bytes(content + b"\n{}")
        try:
            back = small_case.format.read(tmp_path / "item")
        except LapsError:
            pass
        else:
            assert small_case.container.equals(back)
        part.write_bytes(content)


def lines_of(path: Path) -> list[bytes]:
    energies_jsonl.write(path, sample_energies(steps=4))
    return path.read_bytes().splitlines(keepends=True)


def test_lines_may_not_be_doubled_dropped_or_swapped(tmp_path: Path) -> None:
    path = tmp_path / "clips.jsonl"
    lines = lines_of(path)
    for i in range(1, len(lines) - 1):
        for changed in (
            [*lines[:i], lines[i], *lines[i:]],
            [*lines[:i], *lines[i + 1 :]],
            [*lines[: i - 1], lines[i], lines[i - 1], *lines[i + 1 :]],
        ):
            path.write_bytes(b"".join(changed))
            with pytest.raises(LapsError, match=r"rows as sealed|CRC-32C|JSON lines that begin with"):
                energies_jsonl.read(path)
    path.write_bytes(b"".join(lines))
    assert len(energies_jsonl.read(path)) == 8


def test_an_unsealed_file_says_that_it_is_unfinished(tmp_path: Path) -> None:
    path = tmp_path / "clips.jsonl"
    lines = lines_of(path)
    path.write_bytes(b"".join(lines[:-1]))
    with pytest.raises(
        CorruptDataError, match=r"clips.jsonl: expected a last line .* unfinished or was cut; .*\[unsealed"
    ):
        formats.read(path)
    path.write_bytes(lines[0])
    with pytest.raises(CorruptDataError, match=r"\[unsealed\]"):
        formats.read(path)


def test_two_files_in_one_are_not_one_file(tmp_path: Path) -> None:
    path = tmp_path / "clips.jsonl"
    lines = lines_of(path)
    path.write_bytes(b"".join(lines * 2))
    with pytest.raises(CorruptDataError, match=r"expected 8 rows as sealed, got 18"):
        energies_jsonl.read(path)


def test_windows_line_ends_are_noticed(tmp_path: Path) -> None:
    path = tmp_path / "clips.jsonl"
    path.write_bytes(b"".join(lines_of(path)).replace(b"\n", b"\r\n"))
    with pytest.raises(CorruptDataError, match=r"\[unsealed\]"):
        energies_jsonl.read(path)
