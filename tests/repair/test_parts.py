"""The parts of a repair by themselves: seals, shards without an index, scans, choices, places, reports."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st

import lapsdata
from lapsdata._repair import Repaired, RepairReport, repair
from lapsdata._repair._choice import chosen, lost_s
from lapsdata._repair._marks import saved_header
from lapsdata._repair._places import format_of, is_item
from lapsdata._repair._scan import scan_windows
from lapsdata._repair._seals import parse_seal
from lapsdata._repair._zarr_shards import shard_index, whole_array
from lapsdata.errors import CorruptDataError, LengthMismatchError, Problem, UnknownFormatError
from lapsdata.formats.shards_webdataset import stream_shard
from lapsdata.storage.index import ABSENT, ChunkIndex, file_key
from lapsdata.storage.seal import crc32c, make_seal, row_checksums
from lapsdata.testing import samples

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

ROWS = 40


@given(st.lists(st.booleans(), min_size=1, max_size=30))
def test_a_prefix_is_the_beginning_of_all_that_is_good(flags: list[bool]) -> None:
    good = np.array(flags)
    prefix, whole = chosen(good, "prefix"), chosen(good, "all")
    assert good[prefix].all()
    assert good[whole].all()
    assert whole[: len(prefix)].tolist() == prefix.tolist() == list(range(len(prefix)))
    assert len(whole) == good.sum()
    assert len(prefix) == len(good) or not good[len(prefix)]


@given(st.integers(1, 12), st.integers(1, 4), st.integers(1, 5), st.data())
def test_lost_time_is_that_of_frames_in_no_window(windows: int, horizon: int, stride: int, data: Any) -> None:
    starts = np.arange(windows) * stride
    frames = int(starts[-1]) + horizon + data.draw(st.integers(0, 3))
    kept = np.array(sorted(data.draw(st.sets(st.integers(0, windows - 1), min_size=1))), np.int64)
    covered = [{int(s) + k for s in some for k in range(horizon)} for some in (starts, starts[kept])]
    found = lost_s(np.arange(frames) / 8, starts, horizon, kept)
    assert found == (None if frames == 1 else pytest.approx(len(covered[0] - covered[1]) / 8))


@pytest.mark.parametrize(
    ("data", "state"),
    [
        (None, "missing"),
        (b"", "damaged"),
        (b"[]", "damaged"),
        (b'{"crc32c":"00000000","manifest":{"header":"00000000"}}', "damaged"),
        (b'{"crc32c":"00000000","manifest":3}', "damaged"),
        (make_seal({"header": "00000000"}), "sound"),
        (make_seal({"header": "00000000"}) + b" ", "damaged"),
        (b"[" * 100_000, "damaged"),
    ],
)
def test_a_seal_is_sound_damaged_or_missing(data: bytes | None, state: str) -> None:
    seal = parse_seal(data)
    assert seal.state == state
    assert [note.code for note in seal.notes()] == {
        "sound": [],
        "damaged": ["seal-damaged"],
        "missing": ["unsealed"],
    }[state]


def test_a_header_is_taken_only_where_the_seal_agrees() -> None:
    header = b'{"format":"lapsdata.tracks"}'
    manifest: dict[str, Any] = {"header": f"{crc32c(header):08x}", "arrays": {"frame_s": {"digest": "12345678"}}}
    for data in (make_seal(manifest), make_seal(manifest).replace(b'"crc32c":"', b'"crc32c":"0')):
        seal = parse_seal(data)
        seal.expect_header(header, "clip.h5")
        with pytest.raises(CorruptDataError, match="header-damaged"):
            seal.expect_header(header + b" ", "clip.h5")
        assert (seal.digest("frame_s"), seal.digest("vis")) == ("12345678", None)
    parse_seal(None).expect_header(header + b" ", "clip.h5")
    with pytest.raises(CorruptDataError, match="nothing tells what it said"):
        parse_seal(b"{").expect_header(header, "clip.h5")


@pytest.fixture(params=["raw", "compact"])
def array(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, dict[str, Any], NDArray[np.float32]]:
    """An array in three shards, its metadata and its values."""
    from zarr.codecs import BloscCodec, Crc32cCodec

    values = np.random.default_rng(1).random((ROWS, 3, 2)).astype(np.float32)
    codecs: list[Any] = [] if request.param == "raw" else [BloscCodec(typesize=4, cname="zstd", clevel=3)]
    made = zarr.create_array(
        tmp_path / "n",
        shape=values.shape,
        dtype="f4",
        chunks=(1, 3, 2),
        shards=(16, 3, 2),
        compressors=[*codecs, Crc32cCodec()],
        filters=[],
        fill_value=0,
        config={"write_empty_chunks": True},
    )
    made[...] = values
    return tmp_path / "n", json.loads((tmp_path / "n" / "zarr.json").read_text()), values


def good_rows(place: Path, metadata: dict[str, Any], values: NDArray[np.float32]) -> NDArray[np.bool_]:
    index, _ = shard_index(place, metadata, row_checksums(values), "n")
    return scan_windows("n", {"n": index}, {"n": np.dtype((np.float32, (3, 2)))}).good


def test_whole_shards_are_found_by_their_index(array: Any) -> None:
    place, metadata, values = array
    index, notes = shard_index(place, metadata, row_checksums(values), "n")
    assert notes == ()
    assert len(index.files) == 3
    assert good_rows(place, metadata, values).all()


@pytest.mark.parametrize("left", [0.0, 0.2, 0.5, 0.9])
def test_chunks_before_a_cut_are_found_one_after_the_other(array: Any, left: float) -> None:
    place, metadata, values = array
    shard = place / "c" / "1" / "0" / "0"
    data = shard.read_bytes()
    payload = len(data) - 16 * 16 - 4
    shard.write_bytes(data[: int(left * payload)])
    good = good_rows(place, metadata, values)
    assert good[:16].all()
    assert good[32:].all()
    middle = good[16:32]
    assert abs(int(middle.sum()) - left * 16) <= 2
    assert middle[: int(middle.sum())].all()


def test_an_index_with_a_flip_is_not_believed(array: Any) -> None:
    place, metadata, values = array
    shard = place / "c" / "0" / "0" / "0"
    data = bytearray(shard.read_bytes())
    data[-60] ^= 8
    shard.write_bytes(data)
    _, notes = shard_index(place, metadata, row_checksums(values), "n")
    assert [note.code for note in notes] == ["shard-index"]
    assert good_rows(place, metadata, values).all()


def test_a_missing_shard_costs_its_rows_alone(array: Any) -> None:
    place, metadata, values = array
    (place / "c" / "1" / "0" / "0").unlink()
    index, _ = shard_index(place, metadata, row_checksums(values), "n")
    assert (index.offset[16:32] == ABSENT).all()
    assert np.flatnonzero(~good_rows(place, metadata, values)).tolist() == list(range(16, 32))


@pytest.mark.parametrize("key", ["shape", "data_type", "chunk_grid", "codecs"])
def test_metadata_without_sense_are_damage(array: Any, key: str) -> None:
    place, metadata, values = array
    with pytest.raises(CorruptDataError, match="array metadata"):
        shard_index(place, {**metadata, key: None}, row_checksums(values), "n")
    with pytest.raises(CorruptDataError, match="39 checksums"):
        shard_index(place, metadata, row_checksums(values[1:]), "n")


def test_a_whole_array_has_its_length(tmp_path: Path) -> None:
    lapsdata.write(tmp_path / "clip.zarr", samples.sample_tracks(windows=5))
    place = tmp_path / "clip.zarr" / "frame_s"
    metadata = json.loads((place / "zarr.json").read_text())
    assert whole_array(place, metadata, "frame_s")[:3].tolist() == [0.0, 0.1, 0.2]
    chunk = place / "c" / "0"
    chunk.write_bytes(chunk.read_bytes()[:-1])
    with pytest.raises(CorruptDataError, match="expected 68 bytes, got 67"):
        whole_array(place, metadata, "frame_s")
    chunk.unlink()
    with pytest.raises(CorruptDataError, match="expected 68 bytes, got 0"):
        whole_array(place, metadata, "frame_s")


@given(bad=st.sets(st.integers(0, ROWS - 1), max_size=6))
def test_a_scan_finds_exactly_the_rows_that_differ(bad: set[int], tmp_path_factory: pytest.TempPathFactory) -> None:
    values = np.random.default_rng(2).random((ROWS, 5)).astype("<f4")
    place = tmp_path_factory.mktemp("scan") / "n.bin"
    changed = values.copy()
    changed[sorted(bad)] += 1
    place.write_bytes(changed.tobytes())
    index = ChunkIndex.rows(
        "n", values.shape, values.dtype, (place,), (file_key(place),), offset=0, row_crc32c=row_checksums(values)
    )
    scan = scan_windows("n", {"n": index}, {"n": np.dtype((np.float32, 5))})
    assert set(np.flatnonzero(~scan.good).tolist()) == bad
    assert (scan.first is None) == (not bad)
    if bad:
        assert f"row {min(bad)} " in str(scan.first)
    kept = chosen(scan.good, "all")
    blocks = [block["n"] for block in scan.blocks(kept)]
    assert np.array_equal(np.concatenate(blocks) if blocks else values[:0], values[kept])
    assert scan.lost_bytes(kept) == 20 * len(bad)


def test_a_scan_wants_arrays_of_one_length(tmp_path: Path) -> None:
    arrays = {"a": np.zeros((3, 2), np.float32), "b": np.zeros((4, 2), np.float32)}
    fields = dict.fromkeys(arrays, np.dtype((np.float32, 2)))
    with pytest.raises(LengthMismatchError, match="expected arrays of one length"):
        scan_windows("n", arrays, fields)


WRITTEN: dict[str, tuple[str, Callable[[], Any]]] = {
    "tracks_hdf5": ("clip.h5", samples.sample_tracks),
    "tracks_zarr": ("clip.zarr", samples.sample_tracks),
    "tokens_zarr": ("tokens.zarr", samples.sample_tokens),
    "energies_jsonl": ("clips.jsonl", samples.sample_energies),
    "segments_parquet": ("clips.parquet", samples.sample_segments),
    "boxes_parquet": ("match.parquet", samples.sample_boxes),
    "shards_webdataset": ("clips.shards", samples.sample_shards),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_a_format_is_known_whatever_its_name(name: str, tmp_path: Path) -> None:
    called, make = WRITTEN[name]
    lapsdata.write(tmp_path / called, make())
    (tmp_path / called).rename(tmp_path / "anything")
    assert is_item(tmp_path / "anything")
    assert format_of(tmp_path / "anything") == name


def test_a_zarr_folder_that_has_lost_its_header_is_known(tmp_path: Path) -> None:
    lapsdata.write(tmp_path / "clip.zarr", samples.sample_tracks())
    (tmp_path / "clip.zarr" / "zarr.json").unlink()
    with pytest.raises(CorruptDataError, match=r"expected zarr.json, got none: the header stood there"):
        format_of(tmp_path / "clip.zarr")
    (tmp_path / "clip.zarr" / "zarr.json").write_text("{")
    with pytest.raises(CorruptDataError, match="header-damaged"):
        format_of(tmp_path / "clip.zarr")
    (tmp_path / "clip.zarr" / "zarr.json").write_text('{"attributes": {}}')
    with pytest.raises(UnknownFormatError, match="it carries no checksums"):
        format_of(tmp_path / "clip.zarr")


@pytest.mark.parametrize("missing", ["shards.json", "index.parquet", "frames.parquet"])
def test_shards_that_have_lost_a_table_are_known(missing: str, tmp_path: Path) -> None:
    lapsdata.write(tmp_path / "clips.shards", samples.sample_shards())
    (tmp_path / "clips.shards" / missing).unlink()
    assert format_of(tmp_path / "clips.shards") == "shards_webdataset"
    [found] = repair(tmp_path / "clips.shards").items
    if missing != "shards.json":
        code = f"{missing.removesuffix('.parquet')}-damaged"
        assert (found.state, found.kept, [note.code for note in found.notes]) == ("damaged", 5, [code])
        return
    assert (found.state, [note.code for note in found.notes]) == ("beyond-repair", ["tables-damaged"])
    assert "alone says what the samples are, and is missing" in found.notes[0].message
    assert "verified and with its times: lapsdata.formats.shards_webdataset.stream_shard" in str(found.notes[0].fix)
    [batch] = stream_shard(tmp_path / "clips.shards" / "shard-000000.tar")
    assert batch["step_s"].shape == (5, 4)


def test_marks_add_up(tmp_path: Path) -> None:
    (tmp_path / "clip.h5").write_bytes(b"damaged")
    header = samples.sample_tracks().header
    once = header.model_copy(update=saved_header(header, tmp_path / "clip.h5", 3))
    twice = once.model_copy(update=saved_header(once, tmp_path / "clip.h5", 4))
    assert twice.policies == {"lost_to_damage": 7}
    assert [parent.role for parent in twice.provenance.parents] == ["damaged", "damaged"]
    none = header.model_copy(update=saved_header(header, tmp_path / "clip.h5", 0))
    assert none.policies == {}
    assert none.checked() == none


def test_a_report_tells_losses_as_errors_and_json_tells_all() -> None:
    note = Problem("shard-index", "c/0", "damaged", severity="warning")
    one = Repaired(
        Path("clip.zarr"),
        "tracks_zarr",
        "repaired",
        "windows",
        kept=10,
        lost=2,
        good_after=1,
        lost_s=0.8,
        lost_bytes=1000,
        first_bad="row 10",
        output=Path("saved.zarr"),
        notes=(note,),
    )
    assert one.facts() == {
        "file": "clip.zarr (tracks_zarr)",
        "state": "repaired",
        "kept": "10 windows",
        "lost": "2 windows, 1 of them sound, but behind the damage",
        "lost time": "0.800 s",
        "lost bytes": "1,000",
        "damage": "row 10",
        "written": "saved.zarr",
    }
    told = list(one.problems())
    assert [(problem.code, problem.severity) for problem in told] == [("shard-index", "warning"), ("lost", "error")]
    report = RepairReport((one,), (Path("clips/.lapsdata-tmp-0"),), (), (Path("clips/f.zarr"),))
    document = report.as_json()
    assert json.loads(json.dumps(document)) == document
    assert (document["items"][0]["output"], document["leftovers"]) == ("saved.zarr", ["clips/.lapsdata-tmp-0"])
    assert report.facts()["put back"] == "f.zarr"
    assert report.problems[-1].severity == "info"
    assert RepairReport(()).facts() == {}
