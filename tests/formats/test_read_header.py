"""Reading a header alone: seal and structure are checked, the payload is not looked at."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pyarrow.parquet as pq
import pytest

from lapsdata import formats
from lapsdata.errors import (
    CorruptDataError,
    FormatTooNewError,
    SchemaError,
    StorageError,
    UnknownFormatError,
)
from lapsdata.formats import boxes_parquet, tracks_hdf5, tracks_zarr
from lapsdata.storage import sealed_zarr, slabs
from lapsdata.storage.hdf5_file import Hdf5File
from lapsdata.storage.sealed_hdf5 import SealedHdf5
from lapsdata.storage.sealed_hdf5_writer import write_sealed_hdf5
from lapsdata.testing.contracts import content_of, format_cases
from lapsdata.testing.samples import sample_boxes, sample_tokens, sample_tracks

if TYPE_CHECKING:
    from pathlib import Path

    from lapsdata.storage.index import ChunkIndex
    from lapsdata.testing.contracts import FormatCase

QUICK = {name: case for name, case in format_cases().items() if case.format.read_header is not None}
FILES = {"clip.h5": sample_tracks, "clip.zarr": sample_tracks, "tokens.zarr": sample_tokens}


def test_what_holds_much_has_a_quick_way() -> None:
    quick = {"catalog_parquet", "tracks_hdf5", "tracks_zarr", "tokens_zarr", "shards_webdataset", "views_hdf5"}
    assert {case.format.name for case in QUICK.values()} == quick


def test_every_format_gives_its_header(case: FormatCase, tmp_path: Path) -> None:
    case.write(tmp_path / "item")
    assert formats.read_header(tmp_path / "item") == case.container.header
    assert formats.read_header(str(tmp_path / "item"), format=case.format.name) == case.container.header


@pytest.mark.parametrize("name", sorted(QUICK))
def test_damaged_windows_do_not_keep_the_header_from_being_read(name: str, tmp_path: Path) -> None:
    case = QUICK[name]
    case.write(tmp_path / "item")
    whole = content_of(tmp_path / "item")
    part, at = payload_byte(tmp_path / "item", case.format.store)
    damaged = bytearray(whole[part])
    damaged[at] ^= 1
    (tmp_path / "item" / part if part else tmp_path / "item").write_bytes(damaged)
    assert formats.read_header(tmp_path / "item") == case.container.header
    with pytest.raises(CorruptDataError, match="item"):
        formats.read(tmp_path / "item")


def payload_byte(path: Path, store: str) -> tuple[str, int]:
    """Return a file and a place in it that holds a byte of a window."""
    if store == "zarr":
        shards = [name for name in content_of(path) if "/c/0/0" in name and "crc32c" not in name]
        return shards[0], 0
    if store == "webdataset":
        return "shard-000000.tar", 640
    if store == "parquet":
        return "", pq.read_metadata(path).row_group(0).column(0).dictionary_page_offset + 40
    with h5py.File(path, "r") as file:
        dataset = file["pixels/4x3/image" if "pixels" in file else "root/default/tracks"]
        if dataset.chunks is None:
            return "", dataset.id.get_offset() + 3
        chunk = dataset.id.get_chunk_info(2)  # the first one is read to see that it can be
        return "", chunk.byte_offset + chunk.size // 2


def test_no_window_is_read_from_hdf5(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tracks_hdf5.write(tmp_path / "clip.h5", sample_tracks(views=("front", "wrist"), confidence=True))
    seen: list[str] = []
    read = Hdf5File.read

    def noted(file: Hdf5File, name: str) -> Any:
        seen.append(name)
        return read(file, name)

    monkeypatch.setattr(Hdf5File, "read", noted)
    formats.read_header(tmp_path / "clip.h5")
    assert "lapsdata/frame_s" in seen
    assert not {name for name in seen if name.startswith("root/") and not name.endswith("_crc32c")}


def test_no_window_is_read_from_zarr(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tracks_zarr.write(tmp_path / "clip.zarr", sample_tracks(views=("front", "wrist"), confidence=True))
    seen: list[str] = []
    chunk = slabs._chunk

    def noted(index: ChunkIndex, *place: Any) -> Any:
        seen.append(index.where.removeprefix(f"{tmp_path / 'clip.zarr'}: "))
        return chunk(index, *place)

    monkeypatch.setattr(slabs, "_chunk", noted)
    monkeypatch.setattr(sealed_zarr, "read_whole", lambda index, *_, **__: seen.append(index.where.rpartition(": ")[2]))
    formats.read_header(tmp_path / "clip.zarr")
    assert "frame_s" in seen
    assert not {name for name in seen if name.startswith("root/") and not name.endswith("_crc32c")}


class TestDamage:
    @pytest.fixture(params=sorted(FILES))
    def path(self, request: pytest.FixtureRequest, tmp_path: Path) -> Path:
        path = tmp_path / request.param
        formats.write(path, FILES[request.param]())
        return path

    def test_of_any_byte_outside_of_the_windows_is_an_error_or_harmless(self, path: Path) -> None:
        expected = FILES[path.name]().header
        random = np.random.default_rng(3)
        whole = content_of(path)
        refused = 0
        for _ in range(60):
            name = str(random.choice([part for part in whole if "/c/0/0" not in part]))
            content = bytearray(whole[name])
            at = int(random.integers(len(content)))
            content[at] ^= 1 << int(random.integers(8))
            part = path / name if name else path
            part.write_bytes(content)
            try:
                assert formats.read_header(path, format=formats_of(path)) == expected
            except (CorruptDataError, UnknownFormatError):
                refused += 1
            part.write_bytes(whole[name])
        assert refused > 20

    def test_a_cut_file_is_no_finished_file(self, path: Path) -> None:
        for name, content in content_of(path).items():
            part = path / name if name else path
            if name in ("root/zarr.json", "root/default/zarr.json"):
                continue  # groups on the way, which say nothing
            part.write_bytes(content[: len(content) // 2])
            with pytest.raises((CorruptDataError, UnknownFormatError), match=path.name):
                formats.read_header(path, format=formats_of(path))
            part.write_bytes(content)


def formats_of(path: Path) -> str:
    return {"clip.h5": "tracks_hdf5", "clip.zarr": "tracks_zarr", "tokens.zarr": "tokens_zarr"}[path.name]


def test_a_missing_shard_is_told(tmp_path: Path) -> None:
    tracks_zarr.write(tmp_path / "clip.zarr", sample_tracks(windows=300, horizon=1, points=1))
    (tmp_path / "clip.zarr/root/default/vis/c/1/0/0").unlink()
    with pytest.raises(CorruptDataError, match=r"vis/c/1/0/0: expected a file of chunks, got no bytes"):
        formats.read_header(tmp_path / "clip.zarr")


def test_an_array_that_was_taken_out_is_told(tmp_path: Path) -> None:
    tracks = sample_tracks(confidence=True)
    tracks_hdf5.write(tmp_path / "clip.h5", tracks)
    with h5py.File(tmp_path / "clip.h5", "r+") as file:
        del file["root/default/confidence"]
    tracks_zarr.write(tmp_path / "clip.zarr", tracks)
    shutil.rmtree(tmp_path / "clip.zarr/root/default/confidence")
    for name in ("clip.h5", "clip.zarr"):
        with pytest.raises(CorruptDataError, match=r"root/default/confidence: expected"):
            formats.read_header(tmp_path / name)
        with pytest.raises(CorruptDataError, match=r"root/default/confidence: expected"):
            formats.read(tmp_path / name)


def test_a_newer_major_version_is_told(tmp_path: Path) -> None:
    tracks_hdf5.write(tmp_path / "clip.h5", sample_tracks())
    with SealedHdf5(tmp_path / "clip.h5") as file:
        header = {**file.header, "format_version": "2.0"}
    write_sealed_hdf5(tmp_path / "clip.h5", header, {}, {}, {}, profile="raw", overwrite=True)
    with pytest.raises(FormatTooNewError, match=r"written in tracks format 2\.0"):
        formats.read_header(tmp_path / "clip.h5")


def test_an_unfinished_file_is_told(tmp_path: Path) -> None:
    tracks_hdf5.write(tmp_path / "clip.h5", sample_tracks())
    with h5py.File(tmp_path / "clip.h5", "r+") as file:
        del file["lapsdata/seal"]
    with pytest.raises(CorruptDataError, match=r"expected a seal, got none: the file was not finished"):
        formats.read_header(tmp_path / "clip.h5")
    tracks_zarr.write(tmp_path / "clip.zarr", sample_tracks())
    group = tmp_path / "clip.zarr/zarr.json"
    document = json.loads(group.read_bytes())
    del document["attributes"]["lapsdata"]["seal"]
    group.write_text(json.dumps(document))
    with pytest.raises(CorruptDataError, match=r"expected storage facts and a seal"):
        formats.read_header(tmp_path / "clip.zarr")


def test_what_is_no_file_of_the_format(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"none.h5: cannot open: no such file"):
        formats.read_header(tmp_path / "none.h5")
    (tmp_path / "text.h5").write_text("hello")
    with pytest.raises(UnknownFormatError, match=r"text.h5: expected one of"):
        formats.read_header(tmp_path / "text.h5")
    boxes_parquet.write(tmp_path / "boxes.parquet", sample_boxes())
    with pytest.raises(UnknownFormatError, match=r"boxes.parquet"):
        formats.read_header(tmp_path / "boxes.parquet", format="tracks_hdf5")
    formats.write(tmp_path / "tokens.zarr", sample_tokens())
    with pytest.raises(SchemaError, match=r"expected a header of format 'lapsdata.tracks', got 'lapsdata.tokens'"):
        formats.read_header(tmp_path / "tokens.zarr", format="tracks_zarr")
