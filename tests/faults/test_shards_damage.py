"""The gate for shards: flips, cuts, swaps and losses, through every way of reading them."""

from __future__ import annotations

import io
import shutil
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lapsdata import formats
from lapsdata.errors import CorruptDataError, LapsError, UnknownFormatError
from lapsdata.formats import shards_webdataset
from lapsdata.formats.shards_webdataset import ShardsFolder, stream_shard
from lapsdata.storage.gather import RowReader
from lapsdata.testing.contracts import content_of
from lapsdata.testing.samples import sample_shards

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from lapsdata.containers import Container

FLIPS = 240
SHARDS = sample_shards(windows=(3, 4), points=20, confidence=True)
FIELDS = ("confidence", "tracks", "vis")
WHOLE = {name: np.concatenate([getattr(clip, name)["default"] for clip in SHARDS.tracks]) for name in FIELDS}
STEPS = np.concatenate([clip.step_s for clip in SHARDS.tracks])

Arrays = dict[str, "NDArray[Any]"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    shards_webdataset.write(tmp_path / "clips.shards", SHARDS, samples_per_shard=4)
    return tmp_path / "clips.shards"


def joined(batches: list[Arrays]) -> Arrays:
    return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}


def by_spans(path: Path) -> Arrays:
    folder = ShardsFolder(path)
    return {**joined([folder.read_span(0, 0, 4), folder.read_span(1, 0, 3)]), "step_s": folder.step_s}


def by_pipe(path: Path) -> Arrays:
    folder = ShardsFolder(path)
    pipes = [io.BytesIO(shard.read_bytes()) for shard in folder.shards]
    return joined([batch for n, pipe in enumerate(pipes) for batch in folder.stream(n, batch=3, file=pipe)])


def by_stream(path: Path) -> Arrays:
    return joined([batch for shard in sorted(path.glob("*.tar")) for batch in stream_shard(shard)])


def by_rows(path: Path) -> Arrays:
    folder = ShardsFolder(path)

    class Piece:
        where, rows = str(path), len(folder)

        def sources(self) -> dict[str, Any]:
            return {name: folder.index(name) for name in folder.fields}

    fields = {name: np.dtype((field.dtype, field.shape)) for name, field in folder.fields.items()}
    reader = RowReader([Piece()], fields, verify="always")
    try:
        return reader.gather(np.arange(len(folder)))
    finally:
        reader.close()


def whole(path: Path) -> Container:
    return formats.read(path)


def damaged_by(path: Path, read: Callable[[Path], Any]) -> str:
    """Read: an error of ours, equal, or wrong."""
    try:
        found = read(path)
    except LapsError as error:
        return type(error).__name__
    if not isinstance(found, dict):
        return "equal" if SHARDS.equals(found) else "wrong"
    expected = WHOLE | {"step_s": STEPS}
    numbers = [name for name in found if name in expected]
    good = all(np.array_equal(found[name], expected[name], equal_nan=name != "vis") for name in numbers)
    return "equal" if good and len(numbers) >= 3 else "wrong"


WAYS: dict[str, Callable[[Path], Any]] = {
    "spans": by_spans,
    "pipe": by_pipe,
    "stream": by_stream,
    "rows": by_rows,
    "whole": whole,
}


@pytest.mark.parametrize("way", WAYS)
def test_undamaged_shards_are_equal_in_every_way(path: Path, way: str) -> None:
    assert damaged_by(path, WAYS[way]) == "equal"


@pytest.mark.parametrize("way", WAYS)
def test_no_flipped_bit_is_silently_wrong(path: Path, way: str) -> None:
    random = np.random.default_rng(list(WAYS).index(way))
    whole_content = content_of(path)
    names = list(whole_content)
    weights = np.array([len(whole_content[name]) for name in names], float)
    # The archives are most of the bytes, and the tables and shards.json most of the structure.
    weights = weights / weights.sum() / 2 + 0.5 / len(names)
    seen: Counter[str] = Counter()
    for _ in range(FLIPS):
        name = names[int(random.choice(len(names), p=weights / weights.sum()))]
        content = bytearray(whole_content[name])
        at, bit = int(random.integers(len(content))), int(random.integers(8))
        content[at] ^= 1 << bit
        (path / name).write_bytes(content)
        found = damaged_by(path, WAYS[way])
        seen[found if found != "wrong" else f"wrong: {name} byte {at} bit {bit}"] += 1
        (path / name).write_bytes(whole_content[name])
    assert set(seen) <= {"equal", "CorruptDataError", "UnknownFormatError"}, seen
    if way == "whole":  # archives are compared with their digests, what fills them up included
        assert seen["equal"] <= 1, seen
    assert seen["CorruptDataError"] > FLIPS / 4, seen


@pytest.mark.parametrize("way", WAYS)
def test_a_flipped_bit_of_any_array_is_an_error(path: Path, way: str) -> None:
    folder = ShardsFolder(path)
    random = np.random.default_rng(5)
    for field in FIELDS:
        index = folder.index(field)
        for row in range(len(folder)):
            file = index.files[index.file[row]]
            content = bytearray(file.read_bytes())
            content[int(index.offset[row] + random.integers(index.length[row]))] ^= 1 << int(random.integers(8))
            good = file.read_bytes()
            file.write_bytes(content)
            assert damaged_by(path, WAYS[way]) == "CorruptDataError"
            file.write_bytes(good)


@pytest.mark.parametrize("way", WAYS)
def test_a_cut_at_every_block_is_an_error(path: Path, way: str) -> None:
    place = path / "shard-000001.tar"
    content = place.read_bytes()
    for edge in range(0, len(content) + 1, 512):
        for length in (edge - 1, edge, edge + 1):
            if 0 <= length < len(content):
                place.write_bytes(content[:length])
                assert damaged_by(path, WAYS[way]) == "CorruptDataError", length


@pytest.mark.parametrize("name", ["shard-000001.tar", "index.parquet", "frames.parquet", "shards.json"])
def test_tables_and_manifest_may_not_be_cut(path: Path, name: str) -> None:
    content = (path / name).read_bytes()
    for length in (0, 1, len(content) // 2, len(content) - 2):
        (path / name).write_bytes(content[:length])
        with pytest.raises(CorruptDataError, match=r"clips\.shards"):
            ShardsFolder(path)


def test_a_pipe_that_ends_early_or_late_is_an_error(path: Path) -> None:
    folder = ShardsFolder(path)
    content = folder.shards[1].read_bytes()
    for length in range(0, len(content), 509):
        with pytest.raises(CorruptDataError, match=r"shard-000001\.tar: expected bytes \d+ to \d+, got an end at"):
            list(folder.stream(1, file=io.BytesIO(content[:length])))
    for more in (content + b"\0", content[:-1] + b"\1"):
        with pytest.raises(CorruptDataError, match="zeros and no more"):
            list(folder.stream(1, file=io.BytesIO(more)))


def test_swapped_shards_are_noticed(tmp_path: Path) -> None:
    path = tmp_path / "a"
    shards_webdataset.write(path, sample_shards(windows=(8,)), samples_per_shard=4)
    one, two = path / "shard-000000.tar", path / "shard-000001.tar"
    assert one.stat().st_size == two.stat().st_size
    first = one.read_bytes()
    one.write_bytes(two.read_bytes())
    two.write_bytes(first)
    folder = ShardsFolder(path)
    with pytest.raises(CorruptDataError, match=r"shard-000000\.tar: tracks: window 0 \(sample 0, byte 640\)"):
        folder.read_span(0, 0, 4)
    with pytest.raises(CorruptDataError, match="payload-checksum"):
        folder.tracks(0)
    with pytest.raises(CorruptDataError, match=r"000000_000000004: expected 000000_000000000 with .*\[shard-swapped\]"):
        folder.check(0)


def test_missing_and_additional_files_are_named(path: Path) -> None:
    for name in ("shard-000001.tar", "index.parquet", "frames.parquet"):
        content = (path / name).read_bytes()
        (path / name).unlink()
        with pytest.raises(CorruptDataError, match=rf"{name}: expected \d+ bytes, got no file"):
            ShardsFolder(path)
        (path / name).write_bytes(content)
    shutil.copy(path / "shard-000001.tar", path / "shard-000002.tar")
    with pytest.raises(CorruptDataError, match=r"shard-000002\.tar: expected 2 shards, got another one"):
        ShardsFolder(path)
    (path / "shard-000002.tar").unlink()
    (path / "shards.json").unlink()
    with pytest.raises(UnknownFormatError, match=r"clips\.shards"):
        formats.read(path)


@pytest.mark.parametrize("name", ["shard-000000.tar", "index.parquet", "frames.parquet", "shards.json"])
def test_files_of_another_folder_are_noticed(path: Path, tmp_path: Path, name: str) -> None:
    other = sample_shards(windows=(4, 3), points=20, confidence=True)
    shards_webdataset.write(tmp_path / "other", other, samples_per_shard=4)
    shutil.copy(tmp_path / "other" / name, path / name)
    assert damaged_by(path, whole) == "CorruptDataError"


def test_a_check_names_the_member(path: Path) -> None:
    folder = ShardsFolder(path)
    place = folder.shards[0]
    content = place.read_bytes()
    for at, told in {
        3: r"byte 0: expected a header with the checksum",
        512 + 20: r"000000_000000000\.tracks\.npy: expected an npy file of \(4, 20, 2\) float32",
        640: r"000000_000000000\.tracks\.npy: expected CRC-32C",
        len(content) - 1: r"expected two blocks of zeros",
        512 + 128 + 640 + 1: "every array is as it was written",
        content.index(b'"video"'): r"000000_000000000\.json: expected the JSON of a sample",
    }.items():
        damaged = bytearray(content)
        damaged[at] ^= 1
        place.write_bytes(damaged)
        with pytest.raises(CorruptDataError, match=rf"shard-000000\.tar.*{told}"):
            folder.check(0)
    place.write_bytes(content)
    folder.check(0)


def test_samples_that_were_taken_out_are_missed(path: Path) -> None:
    folder = ShardsFolder(path)
    place, offset = folder.shards[0], folder.index("tracks").offset
    content = place.read_bytes()
    begin, end = int(offset[1]) - 640, int(offset[2]) - 640
    place.write_bytes(content[:begin] + content[end:])
    with pytest.raises(CorruptDataError, match=r"000000_000000002: expected 000000_000000001"):
        folder.check(0)
    place.write_bytes(content[: int(offset[3]) - 640] + bytes(1024))
    with pytest.raises(CorruptDataError, match=r"expected 4 samples, got 3"):
        folder.check(0)
    whole_samples = io.BytesIO(content[: int(offset[3]) - 640] + content[int(offset[3]) - 640 + 512 :])
    with pytest.raises(CorruptDataError, match="tar-damaged"):
        list(stream_shard(whole_samples, where="a.tar"))


def test_a_sample_without_its_json_is_a_part_of_one(path: Path) -> None:
    content = (path / "shard-000000.tar").read_bytes()
    at = content.index(b"000000_000000000.json")
    with pytest.raises(CorruptDataError, match=r"a\.tar: 000000_000000000: expected a member 000000_000000000\.json"):
        list(stream_shard(io.BytesIO(content[:at] + bytes(1024)), where="a.tar"))
