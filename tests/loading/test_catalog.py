"""Catalogs of many files: the same windows as the files themselves, splits, and what happens when files change."""

from __future__ import annotations

import os
import pickle
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest

import lapsdata
from lapsdata.errors import CorruptDataError, LapsError, LapsWarning, SchemaError, StorageError
from lapsdata.formats.shards_webdataset import ShardsWriter
from lapsdata.loading import Loader
from lapsdata.loading._catalog_index import index_place
from lapsdata.loading.catalog import write_catalog
from lapsdata.loading.windows import WindowDataset, open_windows
from lapsdata.schema.video import SourceVideo
from lapsdata.storage.sealed_groups import GroupedTable
from lapsdata.testing.samples import sample_provenance, sample_tracks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lapsdata.containers import Tracks

KINDS: tuple[tuple[str, dict[str, Any]], ...] = (
    (".h5", {}),
    (".h5", {"chunking": "windows"}),
    (".zarr", {}),
    (".zarr", {"profile": "compact", "round_px": "none"}),
    (".h5", {"profile": "compact", "round_px": "none"}),
)
"""All but the last lie as an index can tell; that one's windows are compressed together."""

MANY, FEW = 512, 2
"""Files that may be open: more than there are, and fewer, so that they are opened for each batch."""


def made(number: int, **options: Any) -> Tracks:
    return sample_tracks(windows=20 + number, seed=number, video=SourceVideo(name=f"v{number}"), **options)


def write_files(folder: Path, **options: Any) -> Path:
    folder.mkdir(exist_ok=True)
    for number, (ending, how) in enumerate(KINDS):
        lapsdata.write(folder / f"f{number}{ending}", made(number, **options), **how)
    return folder


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of files with a catalog and its index; nothing in it is changed."""
    folder = write_files(tmp_path_factory.mktemp("data"))
    write_catalog(folder / "data.catalog.parquet", folder, split={"v3": "test"} | dict.fromkeys(("v0", "v1"), "train"))
    return folder


@pytest.fixture
def copied(home: Path, tmp_path: Path) -> Path:
    """A copy of the folder, with a catalog of its own."""
    folder = tmp_path / "copied"
    shutil.copytree(home, folder)
    write_catalog(folder / "data.catalog.parquet", folder, overwrite=True)
    return folder


def catalog(folder: Path, **options: Any) -> WindowDataset:
    return open_windows(folder / "data.catalog.parquet", **options)


def same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> None:
    assert list(one) == list(other)
    for name, array in one.items():
        assert array.dtype == other[name].dtype
        assert array.tobytes() == other[name].tobytes()


@pytest.fixture(scope="module")
def files(home: Path) -> WindowDataset:
    """The same files without their catalog."""
    return open_windows(home)


@pytest.mark.parametrize(("verify", "threads"), [("first", 1), ("first", 2), ("always", 1), ("never", 2)])
@pytest.mark.parametrize("most", [MANY, FEW])
def test_windows_are_those_of_the_files(home: Path, files: WindowDataset, most: int, verify: Any, threads: int) -> None:
    windows = catalog(home, open_files=most, verify=verify, threads=threads)
    assert getattr(windows._reader, "direct", None) == (most == FEW)
    assert (len(windows), windows.fields, windows.videos) == (len(files), files.fields, files.videos)
    assert windows.spec == files.spec
    ids = np.random.default_rng(0).integers(len(files), size=150)
    for _ in range(2):
        same(windows.gather(ids, fields=windows.fields), files.gather(ids, fields=files.fields))
    assert windows.unverified == 0
    files.close()


def test_a_catalog_without_an_index_gives_the_same(home: Path, tmp_path: Path) -> None:
    target = tmp_path / "data.catalog.parquet"
    write_catalog(target, home, index=False)
    assert not index_place(target).exists()
    windows, ids = open_windows(target, open_files=FEW), [3, 100, 21, 3]
    same(windows.gather(ids), open_windows(home).gather(ids))
    (note,) = windows.notes
    assert "5 files, of which 2 may be open" in note
    assert "write a catalog with an index" in note


def test_what_to_know_of_many_files_is_said(home: Path) -> None:
    assert catalog(home, open_files=FEW).notes == ()
    assert catalog(home).notes == ()
    note, beside = open_windows(home, open_files=FEW).notes
    assert note.startswith("5 files, of which 2 may be open")
    assert "passed over" in beside  # the catalog itself, with its index
    assert "data.catalog.parquet" in beside


@pytest.mark.parametrize("most", [MANY, FEW])
def test_places_and_times_are_those_of_the_files(home: Path, most: int) -> None:
    files, windows = open_windows(home), catalog(home, open_files=most)
    for number in (0, 19, 20, 60, len(files) - 1):
        assert windows.locate(number) == files.locate(number)
    assert windows.at("v2", 0.55) == files.at("v2", 0.55)
    assert windows.paths == files.paths
    assert [header.video.name for header in windows.headers if header is not None] == list(windows.videos)
    with pytest.raises(IndexError, match="expected 0 to 109, got 110"):
        windows.gather([0, 110])


def test_files_that_cannot_be_indexed_are_told(home: Path, tmp_path: Path) -> None:
    report = write_catalog(tmp_path / "a.parquet", home)
    (note,) = report.notes
    assert note.severity == "info"
    assert "1 of 5 items are opened by their formats' libraries" in str(note)
    assert write_catalog(tmp_path / "b.parquet", home / "f0.h5").notes == ()


def test_splits(home: Path) -> None:
    windows = catalog(home, open_files=FEW)
    train, test = windows.subset(split="train"), windows.subset(split=["test"])
    assert (len(train), len(test)) == (20 + 21, 23)
    assert {train.locate(n).video for n in range(len(train))} == {"v0", "v1"}
    assert test.locate(0).video == "v3"
    assert len(windows.subset(split=("train", "test"))) == 64
    assert len(windows.subset(split="train", videos="v1")) == 21
    late = windows.subset(ids=[109, 3, 50, 70]).subset(split="test")
    same(late.gather([0]), windows.gather([70]))
    with pytest.raises(SchemaError, match="expected some of 'train', 'test', got 'dev'"):
        windows.subset(split="dev")
    with pytest.raises(SchemaError, match="expected windows of a catalog, which knows splits, to choose 'train'"):
        open_windows(home).subset(split="train")


def test_a_choice_of_windows_is_known_by_what_it_chooses(home: Path) -> None:
    windows = catalog(home)
    by_split, by_video = windows.subset(split="train"), windows.subset(videos=["v0", "v1"])
    assert by_split.fingerprint == by_video.fingerprint == windows.subset(ids=np.arange(41)).fingerprint
    assert len({by_split.fingerprint, windows.fingerprint, windows.subset(ids=np.arange(40)).fingerprint}) == 3
    assert len(windows.subset(where=lambda header: header.video.name == "v4")) == 24


def test_a_group_stands_for_its_videos(home: Path, tmp_path: Path) -> None:
    target = tmp_path / "data.catalog.parquet"
    group = {f"v{n}": "left" if n < 3 else "right" for n in range(5)}
    write_catalog(target, home, group=group, split={"left": "train", "right": "test"})
    assert len(open_windows(target).subset(split="test")) == 23 + 24
    with pytest.raises(SchemaError, match=r"group: expected each in one split, got 'left' in test, train"):
        write_catalog(target, home, group=group, split={"v1": "test", "left": "train"}, overwrite=True)
    assert len(open_windows(target).subset(split="test")) == 47, "what was there stays"


def test_names_that_no_video_has_are_refused(home: Path, tmp_path: Path) -> None:
    target = tmp_path / "data.catalog.parquet"
    with pytest.raises(SchemaError, match=r"split: expected names of videos or groups, got 'clip_1' \[unknown-video\]"):
        write_catalog(target, home, split={"v1": "test", "clip_1": "train"})
    with pytest.raises(SchemaError, match=r"group: expected names of videos, got 'left'"):
        write_catalog(target, home, group={"v1": "left", "left": "x"}, split={"left": "train"})
    assert not target.exists()


def test_videos_in_no_split_are_counted(home: Path, tmp_path: Path) -> None:
    report = write_catalog(tmp_path / "data.catalog.parquet", home, split={"v1": "test"})
    (note,) = [note for note in report.notes if note.code == "in-no-split"]
    assert note.message == "4 of 5 items are in none of the splits 'test'"
    assert not [note for note in write_catalog(tmp_path / "b.parquet", home).notes if note.code == "in-no-split"]


@pytest.mark.parametrize("index", [True, False])
def test_the_only_view_may_be_named(home: Path, tmp_path: Path, index: bool) -> None:
    write_catalog(tmp_path / "data.catalog.parquet", home, index=index)
    windows = open_windows(tmp_path / "data.catalog.parquet", views=["default"])
    assert (windows.views, len(windows)) == (("default",), len(open_windows(home)))
    with pytest.raises(SchemaError, match=r"expected some of the views \['default'\], got \['wrist'\]"):
        open_windows(tmp_path / "data.catalog.parquet", views=["wrist"])


def test_a_video_in_two_splits_is_refused(tmp_path: Path) -> None:
    for name in "ab":
        lapsdata.write(tmp_path / f"{name}.h5", made(0))
    splits = iter(["train", "test"])
    with pytest.raises(SchemaError, match="video: expected each in one split, got 'v0' in test, train"):
        write_catalog(tmp_path / "data.parquet", tmp_path, split=lambda _: next(splits))
    with pytest.raises(SchemaError, match=r"expected each item once, got 'v0 of a\.h5' again"):
        write_catalog(tmp_path / "data.parquet", [tmp_path / "a.h5"] * 2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.h5", "b.h5"]


def test_unlike_files_and_wrong_options_are_refused(home: Path, tmp_path: Path) -> None:
    lapsdata.write(tmp_path / "wide.h5", sample_tracks(points=9))
    target = tmp_path / "data.parquet"
    with pytest.raises(SchemaError, match=r"tracks: expected \(4, 5, 2\) float32 pixel xy as in .*got \(4, 9, 2\)"):
        write_catalog(target, [home, tmp_path / "wide.h5"])
    with pytest.raises(SchemaError, match=r"expected an ending of \.parquet, got '\.json'"):
        write_catalog(tmp_path / "data.json", home)
    with pytest.raises(SchemaError, match=r"expected files and folders, got 'https://host/a\.tar'"):
        write_catalog(target, ["https://host/a.tar"])
    with pytest.raises(StorageError, match="overwrite=True"):
        write_catalog(home / "data.catalog.parquet", home)
    with pytest.raises(SchemaError, match=r"expected one of \('raise', 'reopen'\), got 'ignore'"):
        catalog(home, stale="ignore")
    with pytest.raises(SchemaError, match="expected no rate beside a catalog"):
        catalog(home, rate=10)
    with pytest.raises(SchemaError, match=r"expected some of the views \['default'\], got \['left'\]"):
        catalog(home, views=["left"])
    with pytest.raises(SchemaError, match=r"expected a catalog alone, got .*in a list"):
        open_windows([home / "data.catalog.parquet", home / "f0.h5"])
    assert list(tmp_path.iterdir()) == [tmp_path / "wide.h5"]


@pytest.mark.parametrize("most", [MANY, 1])
def test_views_are_chosen(tmp_path: Path, most: int) -> None:
    for number in range(2):
        lapsdata.write(tmp_path / f"{number}.zarr", made(number, views=("left", "right")))
    write_catalog(tmp_path / "data.catalog.parquet", tmp_path)
    for views in (None, ["right"], ["right", "left"]):
        files, windows = open_windows(tmp_path, views=views), catalog(tmp_path, views=views, open_files=most)
        assert dict(windows.spec) == dict(files.spec)
        same(windows.gather([3, 30], fields=list(files.spec)), files.gather([3, 30]))


@pytest.mark.parametrize("most", [MANY, 1])
def test_videos_in_shards_are_items(tmp_path: Path, most: int) -> None:
    with ShardsWriter(tmp_path / "all.shards", samples_per_shard=7) as out:
        for number in range(3):
            out.add(made(number))
        out.finish(sample_provenance())
    write_catalog(tmp_path / "data.catalog.parquet", tmp_path / "all.shards", split={"v1": "test"})
    windows, files = catalog(tmp_path, open_files=most), open_windows(tmp_path / "all.shards")
    ids = np.random.default_rng(0).permutation(len(files))
    same(windows.gather(ids), files.gather(ids))
    same(windows.subset(split="test").gather([2]), files.gather([22]))
    assert windows.locate(22) == files.locate(22)


@pytest.mark.parametrize("most", [MANY, 1])
def test_files_of_others_are_unverified_and_counted(tmp_path: Path, most: int) -> None:
    expected = [np.random.default_rng(n).random((3, 4, 5, 2), np.float32) for n in range(3)]
    for number, positions in enumerate(expected):
        with h5py.File(tmp_path / f"{number}.h5", "w") as file:
            file["root/default/tracks"] = positions
            file["root/default/vis"] = np.ones((3, 4, 5), np.float32)
    write_catalog(tmp_path / "data.catalog.parquet", tmp_path)
    with pytest.warns(LapsWarning, match="3 items hold no checksums"):
        windows = catalog(tmp_path, open_files=most)
    np.testing.assert_array_equal(windows.gather([8, 0, 0, 4])["tracks"], [expected[f][r] for f, r in WHICH])
    assert windows.unverified == 3
    assert windows.locate(8).start_s is None


WHICH = ((2, 2), (0, 0), (0, 0), (1, 1))


def test_a_loader_sees_every_window_once(home: Path) -> None:
    windows = catalog(home, open_files=FEW)
    loader = Loader(windows, batch_size=16, shuffle="global", workers=2, last="mask")
    seen = [number for batch in loader for number in batch["id"][batch["valid"]].tolist()]
    assert sorted(seen) == list(range(len(windows)))


def test_processes_and_threads_read_by_themselves(home: Path) -> None:
    windows, expected = catalog(home, open_files=FEW), open_windows(home).gather(np.arange(100))
    windows.gather([0])
    again: WindowDataset = pickle.loads(pickle.dumps(windows))
    same(again.gather(np.arange(100)), expected)
    with ThreadPoolExecutor(4) as pool:
        for batch in pool.map(lambda _: windows.gather(np.arange(100)), range(8)):
            same(batch, expected)
    windows.close()
    same(windows.gather(np.arange(100)), expected)
    child = os.fork()
    if not child:
        os._exit(0 if windows.gather([7])["tracks"].tobytes() == expected["tracks"][7].tobytes() else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_no_file_stays_open(home: Path) -> None:
    def count() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    windows = catalog(home, open_files=1)
    windows.gather(np.arange(60))
    windows.close()
    before = count()
    windows.gather(np.arange(60))
    assert count() <= before + 1, "the folder's own"
    windows.close()
    assert count() == before


def test_a_pickle_of_another_catalog_is_refused(copied: Path) -> None:
    kept = pickle.dumps(catalog(copied))
    write_catalog(copied / "data.catalog.parquet", copied / "f0.h5", overwrite=True)
    with pytest.raises(StorageError, match="expected the catalog that was opened first, got another"):
        pickle.loads(kept)


@pytest.mark.parametrize("most", [MANY, FEW])
def test_a_moved_catalog_finds_its_files_by_reopening(home: Path, tmp_path: Path, most: int) -> None:
    shutil.copytree(home, tmp_path / "moved")
    with pytest.raises(StorageError, match=r"f0\.h5: expected the file that the catalog's index was made of.*stale"):
        catalog(tmp_path / "moved", open_files=most).gather([3])
    windows = catalog(tmp_path / "moved", open_files=most, stale="reopen")
    ids = [3, 3, 50, 80]
    for _ in range(2):
        same(windows.gather(ids), open_windows(home).gather(ids))
    assert windows.reopened == 3


@pytest.mark.parametrize("most", [MANY, FEW])
def test_another_file_in_the_place_of_one_is_refused(copied: Path, most: int) -> None:
    windows = catalog(copied, open_files=most, stale="reopen")
    lapsdata.write(copied / "f1.h5", sample_tracks(windows=21, seed=99, video=SourceVideo(name="v1")), overwrite=True)
    windows.gather([0])
    with pytest.raises(CorruptDataError, match=r"item 1: expected 21 windows of 'v1' .*it is another file"):
        windows.gather([25])
    for video, count, told in (("v1", 5, "got 5 windows"), ("other", 21, "got no such video")):
        lapsdata.write(copied / "f1.h5", sample_tracks(windows=count, video=SourceVideo(name=video)), overwrite=True)
        with pytest.raises(CorruptDataError, match=told):
            catalog(copied, open_files=most, stale="reopen").gather([25])


@pytest.mark.parametrize("most", [MANY, FEW])
def test_missing_and_forbidden_files_are_named(copied: Path, most: int) -> None:
    windows = catalog(copied, open_files=most)
    (copied / "f0.h5").unlink()
    with pytest.raises(StorageError, match=r"f0\.h5: cannot open: no such file"):
        windows.gather([25, 3])
    windows.gather([25])


def test_a_file_cut_short_under_the_reader_is_refused(copied: Path) -> None:
    windows = catalog(copied, open_files=FEW)
    windows.gather([3])
    with (copied / "f0.h5").open("r+b") as file:
        file.truncate(3000)
    with pytest.raises(StorageError, match=r"f0\.h5: expected the file that the catalog's index was made of"):
        windows.gather([3])


@pytest.mark.parametrize("most", [MANY, FEW])
@pytest.mark.parametrize("name", ["f0.h5", "f2.zarr/root/default/vis/c/0/0/0", "f3.zarr/root/default/tracks/c/0/0/0/0"])
def test_a_flipped_bit_in_a_window_is_found(copied: Path, name: str, most: int) -> None:
    place, status = copied / name, (copied / name).stat()
    first = int(np.searchsorted(["f0", "f2", "f3"], name[:2]))
    number = (0, 41, 63)[first]
    content = bytearray(place.read_bytes())
    spot = h5_spot(place) if place.suffix == ".h5" else 12 if "vis" in name else len(content) // 3
    content[spot] ^= 4
    with place.open("r+b") as file:  # the same file, and as it was but for a bit
        file.write(content)
    os.utime(place, ns=(status.st_atime_ns, status.st_mtime_ns))
    windows = catalog(copied, open_files=most)
    with pytest.raises(CorruptDataError, match=r"row \d+ .*bytes \d+ to \d+") as caught:
        windows.gather(np.arange(number, number + 20))
    assert str(caught.value).startswith(str(copied / name.split("/")[0])), "the file, and not the index"


def h5_spot(path: Path) -> int:
    with h5py.File(path) as file:
        return int(file["root/default/tracks"].id.get_offset()) + 100


def damaged(folder: Path) -> Iterator[tuple[str, bytes, int]]:
    """Yield bits of a catalog and its index, each flipped once."""
    random = np.random.default_rng(0)
    for path in (folder / "data.catalog.parquet", *sorted((folder / "data.catalog.index").iterdir())):
        whole = path.read_bytes()
        for place in {0, len(whole) - 1, *random.integers(len(whole), size=20).tolist()}:
            bit = int(random.integers(8))
            path.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << bit]) + whole[place + 1 :])
            yield f"{path.name}: byte {place} bit {bit}", whole, place
        path.write_bytes(whole)


def test_flips_in_catalog_and_index_are_found_or_harmless(copied: Path) -> None:
    expected, told, found = open_windows(copied), open_windows(copied).locate(30), 0
    ids = np.arange(len(expected))
    wanted = expected.gather(ids, fields=expected.fields)
    for what, _, _ in damaged(copied):
        try:
            for most in (FEW, MANY):
                windows = catalog(copied, open_files=most)
                batch, place = windows.gather(ids, fields=expected.fields), windows.locate(30)
                assert place == told, what
                assert all(batch[name].tobytes() == wanted[name].tobytes() for name in wanted), what
        except LapsError:
            found += 1
    assert found > 40


@pytest.mark.parametrize("name", ["entries.npy", "places.npy", "index.json"])
def test_cut_and_missing_parts_of_an_index_are_named(copied: Path, name: str) -> None:
    part = copied / "data.catalog.index" / name
    whole = part.read_bytes()
    for length in (0, 64, len(whole) // 2, len(whole) - 2):
        part.write_bytes(whole[:length])
        with pytest.raises(LapsError, match=name):
            catalog(copied)
    part.unlink()
    with pytest.raises(StorageError, match=f"{name}: cannot open: no such file"):
        catalog(copied)


def test_an_index_that_changes_under_the_reader_is_refused(copied: Path) -> None:
    windows = catalog(copied, open_files=FEW)
    windows.gather([0])
    with (copied / "data.catalog.index" / "entries.npy").open("r+b") as file:
        file.truncate(300)
    with pytest.raises(StorageError, match="expected the index that was opened, got another"):
        windows.gather([0])


def test_entries_of_another_catalog_are_refused(copied: Path, tmp_path: Path) -> None:
    turned = sorted(path for path in copied.iterdir() if path.suffix in (".h5", ".zarr"))[::-1]
    write_catalog(tmp_path / "turned.catalog.parquet", turned)
    home, other = copied / "data.catalog.index", tmp_path / "turned.catalog.index"
    whole = (home / "entries.npy").read_bytes()
    assert len(whole) != len((other / "entries.npy").read_bytes())
    for name in ("places.npy", "entries.npy", "index.json"):
        shutil.copy(other / name, home / name)
    with pytest.raises(StorageError, match="expected an index of this catalog, got one of another"):
        catalog(copied)


def test_entries_that_changed_places_are_found(tmp_path: Path) -> None:
    for number in range(3):
        lapsdata.write(tmp_path / f"{number}.h5", sample_tracks(seed=number, video=SourceVideo(name=f"v{number}")))
    write_catalog(tmp_path / "data.catalog.parquet", tmp_path)
    part = tmp_path / "data.catalog.index" / "entries.npy"
    whole = part.read_bytes()
    size = (len(whole) - 128) // 3
    first, second, third = (whole[128 + n * size : 128 + (n + 1) * size] for n in range(3))
    part.write_bytes(whole[:128] + second + first + third)
    for most in (1, MANY):
        windows = catalog(tmp_path, open_files=most)
        windows.gather([7])
        with pytest.raises(CorruptDataError, match=r"entries\.npy: item 0: expected its entry, got other bytes"):
            windows.gather([0])


def test_a_catalog_replaced_under_the_reader_is_refused(copied: Path) -> None:
    windows = catalog(copied)
    table = GroupedTable(copied / "data.catalog.parquet")
    write_catalog(copied / "data.catalog.parquet", copied / "f0.h5", overwrite=True)
    with pytest.raises(StorageError, match="expected the file that was opened, got another one of its name"):
        windows.subset(videos=["v1"])
    with pytest.raises(StorageError, match="open it again"):
        table.columns(["video"])


def test_a_catalog_written_again_takes_the_place_of_both(copied: Path) -> None:
    target = copied / "data.catalog.parquet"
    write_catalog(target, copied / "f0.h5", overwrite=True)
    assert len(catalog(copied)) == 20
    write_catalog(target, [copied / "f1.h5"], index=False, overwrite=True)
    assert not index_place(target).exists()
    assert len(catalog(copied)) == 21


def test_a_fingerprint_is_that_of_the_items_and_of_no_place(copied: Path, tmp_path: Path) -> None:
    before = open_windows(copied / "data.catalog.parquet").fingerprint
    moved = copied.rename(tmp_path / "moved")
    write_catalog(tmp_path / "outside.catalog.parquet", moved)
    assert open_windows(tmp_path / "outside.catalog.parquet").fingerprint == before
    lapsdata.write(moved / "f0.h5", sample_tracks(windows=20, seed=99, video=SourceVideo(name="v0")), overwrite=True)
    write_catalog(tmp_path / "outside.catalog.parquet", moved, overwrite=True)
    assert open_windows(tmp_path / "outside.catalog.parquet").fingerprint != before
