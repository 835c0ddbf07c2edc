"""What headers keep and say: order, other code, newer versions, provenance."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lapsdata import formats
from lapsdata.errors import FormatTooNewError, LapsError, SchemaError
from lapsdata.formats import boxes_parquet, segments_parquet, tokens_zarr, tracks_hdf5, tracks_zarr
from lapsdata.provenance import CodeDigestWarning, provenance
from lapsdata.schema import RECORDS
from lapsdata.schema.base import Header, canonical_json
from lapsdata.storage.seal import StoredArray, crc32c
from lapsdata.storage.sealed_hdf5 import SealedHdf5
from lapsdata.storage.sealed_hdf5_writer import write_sealed_hdf5
from lapsdata.storage.sealed_parquet import read_sealed_parquet, write_sealed_parquet
from lapsdata.storage.sealed_zarr import SealedZarr
from lapsdata.storage.sealed_zarr_writer import write_sealed_zarr
from lapsdata.testing.contracts import content_of
from lapsdata.testing.samples import sample_boxes, sample_energies, sample_segments, sample_tokens, sample_tracks

if TYPE_CHECKING:
    from pathlib import Path

    from lapsdata.containers import Container
    from lapsdata.formats import Format
    from lapsdata.testing.contracts import FormatCase


def test_boxes_keep_the_order_of_their_sequences(tmp_path: Path) -> None:
    """Rows refer to sequences by their order, which need not be the alphabet's."""
    boxes = sample_boxes()
    header = boxes.header.model_copy(update={"sequences": boxes.header.sequences[::-1]})
    swapped = dataclasses.replace(boxes, header=header)
    boxes_parquet.write(tmp_path / "match.parquet", swapped)
    back = boxes_parquet.read(tmp_path / "match.parquet")
    assert [sequence.name for sequence in back.header.sequences] == ["right", "left"]
    assert back.equals(swapped)


@pytest.mark.parametrize("plugin", [tracks_hdf5.PLUGIN, tracks_zarr.PLUGIN], ids=lambda plugin: plugin.name)
def test_views_stand_in_one_order_in_memory_and_in_the_file(plugin: Format[Any], tmp_path: Path) -> None:
    tracks = sample_tracks(views=("wrist", "front", "above"))
    plugin.write(tmp_path / "clip", tracks)
    back = plugin.read(tmp_path / "clip")
    assert list(back.tracks) == list(tracks.tracks) == ["above", "front", "wrist"]
    again = sample_tracks(views=("above", "wrist", "front"))
    plugin.write(tmp_path / "again", dataclasses.replace(tracks, header=again.header))
    assert content_of(tmp_path / "again") == content_of(tmp_path / "clip")


@pytest.mark.parametrize("plugin", [tracks_hdf5.PLUGIN, tracks_zarr.PLUGIN], ids=lambda plugin: plugin.name)
@pytest.mark.parametrize("view", ["c", "0", "a..b", "tracks", "x_crc32c", "A-"])
def test_views_may_have_names_that_stores_use_themselves(plugin: Format[Any], view: str, tmp_path: Path) -> None:
    tracks = sample_tracks(views=(view, "other"))
    plugin.write(tmp_path / "clip", tracks)
    assert plugin.read(tmp_path / "clip").equals(tracks)


def test_a_view_cannot_be_called_as_zarr_calls_its_metadata(tmp_path: Path) -> None:
    tracks = sample_tracks(views=("zarr.json",))
    with pytest.raises(SchemaError, match=r"expected names that Zarr does not use itself, got root/zarr.json/tracks"):
        tracks_zarr.write(tmp_path / "clip.zarr", tracks)
    assert list(tmp_path.iterdir()) == []
    tracks_hdf5.write(tmp_path / "clip.h5", tracks)
    assert tracks_hdf5.read(tmp_path / "clip.h5").equals(tracks)


def with_provenance(container: Container, **changes: str) -> Container:
    made = provenance().model_copy(update=changes)
    return dataclasses.replace(container, header=container.header.model_copy(update={"provenance": made}))


def test_other_code_of_ours_is_named_in_a_warning(case: FormatCase, tmp_path: Path) -> None:
    other = with_provenance(case.container, code_digest="sha256:" + "ab" * 32, version="0.0.9")
    case.write(tmp_path / "item", other)
    with pytest.warns(CodeDigestWarning, match=r"item: written by lapsdata 0\.0\.9 with code abababababab, read by"):
        back = formats.read(tmp_path / "item")
    assert back.equals(other)


def test_own_code_and_foreign_producers_are_read_in_silence(case: FormatCase, tmp_path: Path) -> None:
    """Warnings are errors in this suite."""
    own = with_provenance(case.container)
    foreign = with_provenance(case.container, producer="somebody", code_digest="sha256:" + "ab" * 32)
    for name, container in (("own", own), ("foreign", foreign)):
        case.write(tmp_path / name, container)
        assert formats.read(tmp_path / name).equals(container)


def newer(header: dict[str, Any]) -> dict[str, Any]:
    return {**header, "format_version": "2.0", "what_version_two_adds": {"deep": 1}}


def newer_hdf5(path: Path) -> None:
    tracks_hdf5.write(path, sample_tracks())
    with SealedHdf5(path) as file:
        arrays = {name: StoredArray(file.read(name), small=name.startswith("lapsdata/")) for name in file.names}
        header, storage = file.header, file.storage
    write_sealed_hdf5(path, newer(header), storage, arrays, {}, profile="raw", overwrite=True)


def newer_zarr(path: Path, plugin: Format[Any], sample: Container) -> None:
    plugin.write(path, sample)
    store = SealedZarr(path)
    arrays = {name: StoredArray(store.read(name), small=store.read(name).ndim == 1) for name in store.names}
    write_sealed_zarr(path, newer(store.header), store.storage, arrays, profile="raw", overwrite=True)


def newer_parquet(path: Path, plugin: Format[Any], sample: Container) -> None:
    plugin.write(path, sample)
    header, table = read_sealed_parquet(path)
    # A column that this release does not know must not come first either.
    table = table.append_column("added", table[table.column_names[0]])
    write_sealed_parquet(path, newer(header), table, overwrite=True)


def newer_jsonl(path: Path) -> None:
    content = canonical_json(newer(sample_energies().header.as_json())) + b'\n{"a_row_of":"version two"}\n'
    path.write_bytes(content + canonical_json({"crc32c": f"{crc32c(content):08x}", "rows": 1}) + b"\n")


NEWER = {
    "tracks_hdf5": newer_hdf5,
    "tracks_zarr": lambda path: newer_zarr(path, tracks_zarr.PLUGIN, sample_tracks()),
    "tokens_zarr": lambda path: newer_zarr(path, tokens_zarr.PLUGIN, sample_tokens()),
    "energies_jsonl": newer_jsonl,
    "segments_parquet": lambda path: newer_parquet(path, segments_parquet.PLUGIN, sample_segments()),
    "boxes_parquet": lambda path: newer_parquet(path, boxes_parquet.PLUGIN, sample_boxes()),
}


@pytest.mark.parametrize("name", sorted(NEWER))
def test_a_newer_major_version_says_what_to_install(name: str, tmp_path: Path) -> None:
    NEWER[name](tmp_path / "item")
    record = name.split("_")[0]
    header = RECORDS[f"{record}.v1"]
    assert issubclass(header, Header)
    written = rf"item: written in {record} format 2\.0"
    message = rf"{written}, this release reads up to 1\.{header.MINOR}; .*pip install --upgrade lapsdata"
    with pytest.raises(FormatTooNewError, match=message):
        formats.read(tmp_path / "item")


def test_two_formats_of_one_store_refuse_each_other(tmp_path: Path) -> None:
    segments_parquet.write(tmp_path / "segments", sample_segments())
    with pytest.raises(LapsError, match=r"expected a header of format 'lapsdata.boxes', got 'lapsdata.segments'"):
        boxes_parquet.read(tmp_path / "segments")
    tracks_zarr.write(tmp_path / "tracks", sample_tracks())
    with pytest.raises(LapsError, match=r"expected a header of format 'lapsdata.tokens', got 'lapsdata.tracks'"):
        tokens_zarr.read(tmp_path / "tracks")


def test_rows_that_are_no_source_frames_are_said(tmp_path: Path) -> None:
    assert tracks_hdf5.write(tmp_path / "one.h5", sample_tracks()).notes == ()
    (note,) = tracks_hdf5.write(tmp_path / "two.h5", sample_tracks(stride=2)).notes
    assert (note.code, note.severity) == ("row-is-not-frame", "info")
    assert "stride is 2" in note.message
    tracks = sample_tracks()
    header = tracks.header.model_copy(update={"resampled": True})
    resampled = dataclasses.replace(tracks, header=header, source_index=np.arange(len(tracks.frame_s)))
    (note,) = tracks_hdf5.write(tmp_path / "three.h5", resampled).notes
    assert "the rate was resampled" in note.message


@pytest.mark.parametrize("plugin", [tracks_hdf5.PLUGIN, tracks_zarr.PLUGIN], ids=lambda plugin: plugin.name)
def test_unknown_profiles_are_refused(plugin: Format[Any], tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match=r"profile: expected one of \('raw', 'compact'\), got 'small'"):
        plugin.write(tmp_path / "clip", sample_tracks(), profile="small")
    assert list(tmp_path.iterdir()) == []
