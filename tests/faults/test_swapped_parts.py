"""Sound parts in the wrong place: every checksum that a codec keeps is right, and the data are not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import google_crc32c
import h5py
import pyarrow.parquet as pq
import pytest
import zarr

from lapsdata import formats
from lapsdata.errors import CorruptDataError, UnknownFormatError
from lapsdata.formats import boxes_parquet, segments_parquet, tracks_hdf5, tracks_zarr
from lapsdata.testing.samples import sample_boxes, sample_segments, sample_tracks

if TYPE_CHECKING:
    from collections.abc import Callable

    from lapsdata.containers import Tracks

PROFILES = ["raw", "compact"]
TRACKS = "root/default/tracks"
INDEX_BYTES = 16 * 256 + 4


@pytest.fixture(scope="module", params=PROFILES)
def written(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Tracks, str]:
    """Two shards of tiny windows, in each profile; tests work on copies."""
    path = tmp_path_factory.mktemp("zarr") / "clip.zarr"
    tracks = sample_tracks(windows=513, horizon=2, points=3)
    tracks_zarr.write(path, tracks, profile=request.param, round_px="none")
    return path, tracks, request.param


@pytest.fixture
def folder(written: tuple[Path, Tracks, str], tmp_path: Path) -> Path:
    return Path(shutil.copytree(written[0], tmp_path / "clip.zarr"))


def shard(folder: Path, number: int) -> Path:
    return folder / TRACKS / "c" / str(number) / "0" / "0" / "0"


def swap(one: Path, other: Path) -> None:
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)


def test_two_shards_swapped(folder: Path) -> None:
    swap(shard(folder, 0), shard(folder, 1))
    # To a plain reader these are sound data.
    assert zarr.open_group(str(folder), mode="r")[TRACKS][...].shape == (513, 2, 3, 2)
    message = (
        r"clip.zarr: root/default/tracks: window 0 \(root/.*/c/0/0/0/0, bytes \d+ to \d+\): .*\(512 of 513 windows\)"
    )
    with pytest.raises(CorruptDataError, match=message):
        tracks_zarr.read(folder)


def test_two_windows_swapped_inside_a_shard(folder: Path) -> None:
    """The index is rebuilt with its checksum: every checksum that Zarr knows of is right."""
    content = shard(folder, 0).read_bytes()
    index = bytearray(content[-INDEX_BYTES:-4])
    index[3 * 16 : 4 * 16], index[7 * 16 : 8 * 16] = index[7 * 16 : 8 * 16], index[3 * 16 : 4 * 16]
    check = int(google_crc32c.value(bytes(index))).to_bytes(4, "little")
    shard(folder, 0).write_bytes(content[:-INDEX_BYTES] + bytes(index) + check)
    before = sample_tracks(windows=513, horizon=2, points=3).tracks["default"]
    plain = zarr.open_group(str(folder), mode="r")[TRACKS][...]
    assert plain[3].tobytes() == before[7].tobytes()
    with pytest.raises(
        CorruptDataError,
        match=r"tracks: window 3 \(.*, bytes \d+ to \d+\): .*\(2 of 513 windows\).*\[payload-checksum\]",
    ):
        tracks_zarr.read(folder)


def test_a_window_left_out_of_the_index(folder: Path) -> None:
    """Zarr takes it for never written and fills it."""
    content = shard(folder, 0).read_bytes()
    index = bytearray(content[-INDEX_BYTES:-4])
    index[5 * 16 : 6 * 16] = b"\xff" * 16
    check = int(google_crc32c.value(bytes(index))).to_bytes(4, "little")
    shard(folder, 0).write_bytes(content[:-INDEX_BYTES] + bytes(index) + check)
    with pytest.raises(
        CorruptDataError, match=r"tracks/c/0/0/0/0: expected 256 chunks, got none for number 5 \(1 missing\)"
    ):
        tracks_zarr.read(folder)


def test_a_shard_of_another_file(folder: Path, written: tuple[Path, Tracks, str], tmp_path: Path) -> None:
    other = sample_tracks(windows=513, horizon=2, points=3, seed=1)
    tracks_zarr.write(tmp_path / "other.zarr", other, profile=written[2], round_px="none")
    shutil.copy(shard(tmp_path / "other.zarr", 1), shard(folder, 1))
    with pytest.raises(CorruptDataError, match=r"window 256 \(.*\): .*\(256 of 513 windows\)"):
        tracks_zarr.read(folder)


def test_a_shard_with_its_checksums_of_another_file(
    folder: Path, written: tuple[Path, Tracks, str], tmp_path: Path
) -> None:
    """Even when the checksum array comes along: the seal holds its digest."""
    other = sample_tracks(windows=513, horizon=2, points=3, seed=1)
    tracks_zarr.write(tmp_path / "other.zarr", other, profile=written[2], round_px="none")
    for name in (TRACKS, TRACKS + "_crc32c"):
        shutil.rmtree(folder / name)
        shutil.copytree(tmp_path / "other.zarr" / name, folder / name)
    with pytest.raises(
        CorruptDataError, match=r"tracks_crc32c: expected digest [0-9a-f]{8} as sealed, got [0-9a-f]{8}"
    ):
        tracks_zarr.read(folder)


@pytest.mark.parametrize("number", [0, 1, 2])
@pytest.mark.parametrize("empty", [False, True])
def test_a_missing_or_empty_shard(folder: Path, number: int, empty: bool) -> None:
    if empty:
        shard(folder, number).write_bytes(b"")
    else:
        shard(folder, number).unlink()
    with pytest.raises(CorruptDataError, match=rf"tracks/c/{number}/0/0/0: expected a file of chunks, got no bytes"):
        tracks_zarr.read(folder)


@pytest.mark.parametrize("name", ["frame_s/c/0", "start_index/c/0", TRACKS + "_crc32c/c/0"])
def test_a_missing_small_chunk(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(CorruptDataError, match=rf"{name}: expected a file of chunks, got no bytes"):
        tracks_zarr.read(folder)


@pytest.mark.parametrize("name", ["frame_s", TRACKS, "root/default/vis", TRACKS + "_crc32c"])
def test_missing_metadata_of_an_array(folder: Path, name: str) -> None:
    (folder / name / "zarr.json").unlink()
    with pytest.raises(CorruptDataError, match=rf"clip.zarr: {name}: expected array metadata"):
        tracks_zarr.read(folder)


def test_missing_metadata_of_the_group(folder: Path) -> None:
    (folder / "zarr.json").unlink()
    with pytest.raises(UnknownFormatError, match=r"clip.zarr: expected a Zarr group with a lapsdata header"):
        tracks_zarr.read(folder)
    with pytest.raises(UnknownFormatError, match=r"clip.zarr: expected one of .* none of them knows"):
        formats.read(folder)


def test_extra_files_change_nothing(folder: Path, written: tuple[Path, Tracks, str]) -> None:
    (folder / ".DS_Store").write_bytes(b"\0")
    (folder / TRACKS / "c" / "9" / "0" / "0").mkdir(parents=True)
    (folder / TRACKS / "c" / "9" / "0" / "0" / "0").write_bytes(b"a shard past the end")
    (folder / "notes.txt").write_text("ours")
    assert tracks_zarr.read(folder).equals(written[1])


def edit_group(change: Callable[[dict[str, object]], object]) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        document = json.loads((folder / "zarr.json").read_bytes())
        change(document["attributes"]["lapsdata"])
        (folder / "zarr.json").write_text(json.dumps(document))

    return edit


def edit_array(key: str, value: object) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        document = json.loads((folder / TRACKS / "zarr.json").read_bytes())
        document[key] = value
        (folder / TRACKS / "zarr.json").write_text(json.dumps(document))

    return edit


EDITS = {
    "stride": (edit_group(lambda ours: ours["header"].update(stride=2)), r"header: expected [0-9a-f]{8} as sealed"),
    "storage": (edit_group(lambda ours: ours["storage"].update(round_px=0.5)), r"storage.round_px: expected None as"),
    "seal": (edit_group(lambda ours: ours["seal"].update(crc32c="0" * 8)), r"a seal that fits its own checksum"),
    "no seal": (edit_group(lambda ours: ours.pop("seal")), r"storage facts and a seal"),
    "shape": (
        edit_array("shape", [512, 2, 3, 2]),
        r"arrays.root/default/tracks.metadata.shape: expected \[513, 2, 3, 2\]",
    ),
    "type": (edit_array("data_type", "int32"), r"metadata.data_type: expected float32 as sealed, got int32"),
}


@pytest.mark.parametrize("edit", sorted(EDITS))
def test_an_edited_header_names_the_key(folder: Path, edit: str) -> None:
    change, message = EDITS[edit]
    change(folder)
    with pytest.raises(CorruptDataError, match=message):
        tracks_zarr.read(folder)


def test_a_parquet_header_of_another_file(tmp_path: Path) -> None:
    """The header fits its spelling, the columns fit their pages; only the seal sees that they never met."""
    boxes = sample_boxes()
    boxes_parquet.write(tmp_path / "one.parquet", boxes)
    wider = boxes.header.sequences[0].model_copy(update={"length": 99})
    header = boxes.header.model_copy(update={"sequences": (wider, *boxes.header.sequences[1:])})
    table = pq.read_table(tmp_path / "one.parquet")
    metadata = dict(table.schema.metadata)
    metadata[b"lapsdata:header"] = header.to_bytes()
    pq.write_table(table.replace_schema_metadata(metadata), tmp_path / "two.parquet", write_page_checksum=True)
    with pytest.raises(CorruptDataError, match=r"two.parquet: header: expected [0-9a-f]{8} as sealed, got [0-9a-f]{8}"):
        boxes_parquet.read(tmp_path / "two.parquet")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.slice(0, 2), r"rows: expected 3 as sealed, got 2"),
        (lambda table: table.drop_columns(["score"]), r"columns.score.digest: expected .* as sealed, got nothing"),
        (lambda table: table.append_column("more", table["score"]), r"columns.more.type: expected nothing as sealed"),
        (lambda table: table.take([1, 0, 2]), r"columns.start_s.digest: expected"),
        (lambda table: table.rename_columns(["v", *table.column_names[1:]]), r"columns.v.digest"),
        (
            lambda table: table.set_column(1, "start_s", table["start_s"].cast("float")),
            r"start_s.type: expected double",
        ),
    ],
)
def test_a_parquet_table_that_another_tool_changed(
    tmp_path: Path, change: Callable[[object], object], message: str
) -> None:
    """pandas or pyarrow keep the metadata, seal included, when they write a changed table."""
    segments_parquet.write(tmp_path / "one.parquet", sample_segments())
    table = pq.read_table(tmp_path / "one.parquet")
    pq.write_table(change(table).replace_schema_metadata(table.schema.metadata), tmp_path / "two.parquet")
    with pytest.raises(CorruptDataError, match=message):
        segments_parquet.read(tmp_path / "two.parquet")
    pq.write_table(table, tmp_path / "same.parquet", compression="none", row_group_size=1)
    assert segments_parquet.read(tmp_path / "same.parquet").equals(sample_segments())


def swap_datasets(file: h5py.File) -> None:
    file.move("root/front/tracks", "root/aside")
    file.move("root/wrist/tracks", "root/front/tracks")
    file.move("root/aside", "root/wrist/tracks")


HDF5_EDITS = {
    "renamed": (lambda file: file.move("root/front/tracks", "root/front/moved"), r"expected a dataset, got none"),
    "window": (lambda file: file["root/front/tracks"].write_direct(file["root/wrist/tracks"][...]), "payload-checksum"),
    "swapped": (swap_datasets, r"root/(front|wrist)/tracks: window 0 \(bytes \d+ to \d+\): .*payload-checksum"),
    "attribute": (lambda file: file["root/front"].attrs.modify("width", 65), r"width: expected 64 as sealed, got 65"),
    "no attribute": (lambda file: file["root/front"].attrs.pop("height"), r"attribute 'height': expected it"),
    "no seal": (lambda file: file.__delitem__("lapsdata/seal"), r"expected a seal, got none: .* not finished"),
    "times": (lambda file: file["lapsdata/frame_s"].write_direct(file["lapsdata/frame_s"][...] + 1), "frame_s.digest"),
    "vis": (lambda file: file["root/wrist/vis"].write_direct(1 - file["root/wrist/vis"][...]), r"vis: window 0"),
}  # fmt: skip


@pytest.mark.parametrize("edit", sorted(HDF5_EDITS))
def test_an_hdf5_file_that_another_tool_changed(tmp_path: Path, edit: str) -> None:
    """h5py writes a sound file each time; it is only not the one that was sealed."""
    path = tmp_path / "clip.h5"
    tracks_hdf5.write(path, sample_tracks(views=("front", "wrist")))
    change, message = HDF5_EDITS[edit]
    with h5py.File(path, "r+") as file:
        change(file)
    with pytest.raises(CorruptDataError, match=message):
        tracks_hdf5.read(path)


def test_never_verifies_structure_and_no_payload(tmp_path: Path) -> None:
    """What `verify="never"` gives up is exactly the payload."""
    path = tmp_path / "clip.h5"
    tracks_hdf5.write(path, sample_tracks())
    with h5py.File(path, "r+") as file:
        file[TRACKS][0] = 1.0
    assert (tracks_hdf5.read(path, verify="never").tracks["default"][0] == 1.0).all()
    with h5py.File(path, "r+") as file:
        file["lapsdata/start_index"][0] = 1
    with pytest.raises(CorruptDataError, match=r"start_index\.digest"):
        tracks_hdf5.read(path, verify="never")
