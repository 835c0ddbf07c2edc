"""Files of other makers: which are opened, what of them is left out, and what is said of those that are refused."""

from __future__ import annotations

import io
import re
import shutil
import tarfile
import zipfile
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest
import zarr

import lapsdata
from lapsdata.checks.integrity import check_integrity
from lapsdata.errors import CorruptDataError, LapsError, SchemaError, UnknownFormatError
from lapsdata.loading.loader import Loader
from lapsdata.loading.windows import open_windows
from lapsdata.storage.seal_list import seal_list_path
from lapsdata.testing.samples import sample_shards

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from lapsdata.checks.outcome import CheckedItem

pytestmark = pytest.mark.filterwarnings("ignore:.*hold no checksums")

Arrays = dict[str, "NDArray[Any]"]


def tracks(*shape: int) -> NDArray[np.float32]:
    return np.random.default_rng(0).normal(50, 9, shape).astype(np.float32)


def vis(*shape: int) -> NDArray[np.bool_]:
    return np.ones(shape, bool)


def hdf5(folder: Path, arrays: Arrays) -> Path:
    with h5py.File(folder / "theirs.h5", "w") as file:
        for name, values in arrays.items():
            file[name] = values
    return folder / "theirs.h5"


def zarr_group(folder: Path, arrays: Arrays) -> Path:
    group = zarr.open_group(folder / "theirs.zarr", mode="w")
    for name, values in arrays.items():
        group.create_array(name, shape=values.shape, dtype=values.dtype)[...] = values
    return folder / "theirs.zarr"


def npy(folder: Path, arrays: Arrays) -> Path:
    (folder / "theirs").mkdir()
    for name, values in arrays.items():
        np.save(folder / "theirs" / f"{name}.npy", values)
    return folder / "theirs"


def tar(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def npy_bytes(values: NDArray[Any]) -> bytes:
    file = io.BytesIO()
    np.save(file, values)
    return file.getvalue()


def only(path: Path, *, seal: bool = False) -> CheckedItem:
    (item,) = check_integrity([path], seal=seal).items
    return item


MAKERS = {"hdf5": hdf5, "zarr": zarr_group, "npy": npy}
each_store = pytest.mark.parametrize("write", MAKERS.values(), ids=MAKERS)
each_store_of_groups = pytest.mark.parametrize("write", [hdf5, zarr_group], ids=["hdf5", "zarr"])


class TestArraysThatDoNotFit:
    @each_store
    @pytest.mark.parametrize("shape", [(3, 6, 4), (3, 5, 6), (2, 4, 6), (3, 4), (3, 4, 6, 1)], ids=str)
    def test_vis_of_another_shape_than_tracks_is_told_with_both(
        self, tmp_path: Path, write: Callable[[Path, Arrays], Path], shape: tuple[int, ...]
    ) -> None:
        path = write(tmp_path, {"tracks": tracks(3, 4, 6, 2), "vis": vis(*shape)})
        told = re.escape(f"vis: expected (W, T, N) = (3, 4, 6) as tracks has them, (3, 4, 6, 2), got {shape}")
        for rate in (None, 10):
            with pytest.raises(SchemaError, match=told):
                open_windows(path, rate=rate)
        for seal in (True, False):
            assert [problem.code for problem in only(path, seal=seal).problems] == ["wrong-shape"]
            assert only(path, seal=seal).status == "error"
        assert not seal_list_path(path).exists()

    @each_store
    @pytest.mark.parametrize("shape", [(3, 4, 6), (3, 4, 6, 3), (3, 0, 6, 2), (3,)], ids=str)
    def test_tracks_of_another_shape_are_told(
        self, tmp_path: Path, write: Callable[[Path, Arrays], Path], shape: tuple[int, ...]
    ) -> None:
        path = write(tmp_path, {"tracks": tracks(*shape), "vis": vis(*shape[:3])})
        with pytest.raises(SchemaError, match=r"tracks: expected \(W, T, N, 2\) with T of at least 1, got"):
            open_windows(path, rate=10)

    @each_store_of_groups
    @pytest.mark.parametrize("shape", [(3, 2), (2, 5)], ids=str)
    @pytest.mark.parametrize("rate", [None, 10])
    def test_cameras_of_other_windows_are_told_and_open_one_by_one(
        self, tmp_path: Path, write: Callable[[Path, Arrays], Path], shape: tuple[int, int], rate: float | None
    ) -> None:
        arrays = {"a/tracks": tracks(3, 5, 6, 2), "a/vis": vis(3, 5, 6)}
        arrays |= {"b/tracks": tracks(*shape, 6, 2), "b/vis": vis(*shape, 6)}
        path = write(tmp_path, arrays)
        with pytest.raises(SchemaError, match=r"b/tracks: expected W and T as a/tracks has them, \(3, 5, 6, 2\), got"):
            open_windows(path, rate=rate)
        assert [problem.code for problem in only(path, seal=True).problems] == ["wrong-shape"]
        alone = open_windows(path, rate=rate, views=["b"])
        np.testing.assert_array_equal(alone.gather([1])["tracks"], arrays["b/tracks"][[1]])
        alone.close()

    @each_store_of_groups
    def test_cameras_may_have_points_of_their_own(self, tmp_path: Path, write: Callable[[Path, Arrays], Path]) -> None:
        arrays = {"a/tracks": tracks(3, 5, 6, 2), "a/vis": vis(3, 5, 6)}
        path = write(tmp_path, arrays | {"b/tracks": tracks(3, 5, 7, 2), "b/vis": vis(3, 5, 7)})
        windows = open_windows(path)
        assert windows.gather([2])["tracks/b"].shape == (1, 5, 7, 2)
        windows.close()
        with pytest.raises(SchemaError, match=r"expected some of \['a', 'b'\], got none"):
            open_windows(path, views=[])


class TestWhatIsLeftOut:
    @each_store_of_groups
    def test_a_camera_without_vis_and_other_arrays_are_noted(
        self, tmp_path: Path, write: Callable[[Path, Arrays], Path]
    ) -> None:
        arrays = {"a/tracks": tracks(3, 5, 6, 2), "a/vis": vis(3, 5, 6), "a/confidence": tracks(3, 5, 6)}
        path = write(tmp_path, arrays | {"b/tracks": tracks(3, 5, 6, 2), "c/vis": vis(3, 5, 6)})
        windows = open_windows(path)
        assert windows.notes == (
            f"not read of '{path}': 'a/confidence (neither tracks nor vis)', 'b/tracks (no vis beside it)', "
            "'c/vis (no tracks beside it)'",
        )
        with Loader(windows, batch_size=2) as loader:
            assert str(loader.plan()).endswith(f"note: {windows.notes[0]}")

    def test_arrays_beside_those_of_npy_and_tar_are_noted(self, tmp_path: Path) -> None:
        arrays = {"tracks": tracks(3, 5, 6, 2), "vis": vis(3, 5, 6), "confidence": tracks(3, 5, 6)}
        path = npy(tmp_path, arrays)
        assert open_windows(path).notes == (f"not read of '{path}': 'confidence (neither tracks nor vis)'",)
        path = tar(tmp_path / "a.tar", {"0.x.npy": npy_bytes(vis(3)), "0.cls": b"1", "0.txt": b"2"})
        assert open_windows(path).notes == (
            f"not read of '{path}': '*.cls (no npy, 1 times)', '*.txt (no npy, 1 times)'",
        )

    @each_store
    def test_nothing_is_noted_where_all_is_read(self, tmp_path: Path, write: Callable[[Path, Arrays], Path]) -> None:
        assert open_windows(write(tmp_path, {"tracks": tracks(3, 5, 6, 2), "vis": vis(3, 5, 6)})).notes == ()

    def test_files_that_leave_out_the_same_are_told_together(self, tmp_path: Path) -> None:
        first = hdf5(tmp_path, {"tracks": tracks(3, 5, 6, 2), "vis": vis(3, 5, 6), "actions": tracks(3)})
        for name in ("u.h5", "v.h5", "w.h5"):
            shutil.copy(first, tmp_path / name)
        (note,) = open_windows(tmp_path).notes
        assert note.endswith("v.h5' and 1 more: 'actions (neither tracks nor vis)'")


class TestArchivesOfOurs:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        lapsdata.write(tmp_path / "x.shards", sample_shards(), samples_per_shard=2)
        return tmp_path / "x.shards"

    def test_one_that_is_named_alone_is_told_as_a_part(self, folder: Path, tmp_path: Path) -> None:
        one = folder / "shard-000000.tar"
        (tmp_path / "link.tar").symlink_to(one)
        for named in (one, [one], sorted(folder.glob("*.tar")), tmp_path / "link.tar"):
            with pytest.raises(
                UnknownFormatError, match=r"got one archive of it, .*; name the folder, .*part-of-shards"
            ):
                open_windows(named)
        for seal in (False, True):
            item = only(one, seal=seal)
            assert (item.status, [problem.code for problem in item.problems]) == ("error", ["part-of-shards"])
        assert not seal_list_path(one).exists()

    def test_a_folder_without_its_list_is_told_once_as_that(self, folder: Path) -> None:
        (folder / "shards.json").unlink()
        for named in (folder, folder / "shard-000001.tar"):
            with pytest.raises(
                CorruptDataError, match=r"^.*x\.shards: expected shards\.json beside .*from a copy.* \[header-gone\]$"
            ):
                open_windows(named)
        report = check_integrity([folder])
        assert [problem.code for problem in report.problems if problem.severity == "error"] == ["header-gone"] * 3

    def test_one_whose_seal_is_damaged_is_still_one_of_ours(self, folder: Path) -> None:
        one = folder / "shard-000000.tar"
        one.write_bytes(one.read_bytes().replace(b'"x-seal"', b'"y-seal"'))
        with pytest.raises(UnknownFormatError, match="part-of-shards"):
            open_windows(one)

    def test_json_of_others_beside_arrays_is_none_of_ours(self, tmp_path: Path) -> None:
        path = tar(tmp_path / "a.tar", {"0.x.npy": npy_bytes(vis(3)), "0.json": b'{"video":"a","window":3}'})
        assert open_windows(path).gather([0])["x"].all()


class TestOtherKinds:
    @pytest.mark.parametrize(
        ("name", "told"),
        [
            ("tracks.npy", r"got 'tracks\.npy', which is a part of a folder of windows; name the folder: .*theirs"),
            ("vis.npy", r"got one npy file; name a folder with tracks\.npy and vis\.npy in it"),
        ],
    )
    def test_a_file_of_a_folder_of_npy_names_the_folder(self, tmp_path: Path, name: str, told: str) -> None:
        path = npy(tmp_path, {"tracks": tracks(3, 5, 6, 2), "vis": vis(3, 5, 6)})
        with pytest.raises(UnknownFormatError, match=told):
            open_windows(path / name)
        assert "npy" in only(path / name).problems[0].message
        assert only(path / name).status == "error"

    def test_a_list_of_shards_names_the_folder(self, tmp_path: Path) -> None:
        lapsdata.write(tmp_path / "x.shards", sample_shards())
        with pytest.raises(UnknownFormatError, match=r"got 'shards\.json', which .*; name the folder: .*x\.shards"):
            open_windows(tmp_path / "x.shards" / "shards.json")

    @pytest.mark.parametrize("name", ["theirs.npz", "theirs.zarr.zip"])
    def test_zip_archives_are_to_be_unpacked(self, tmp_path: Path, name: str) -> None:
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr("tracks.npy", npy_bytes(tracks(3, 5, 6, 2)))
        with pytest.raises(UnknownFormatError, match=r"got a zip archive \(npz, zipped Zarr\); unpack it"):
            open_windows(tmp_path / name)
        assert [problem.code for problem in only(tmp_path / name).problems] == ["other-kind"]

    @pytest.mark.parametrize("kind", ["gz", "bz2", "xz"])
    def test_compressed_tars_are_to_be_decompressed(self, tmp_path: Path, kind: str) -> None:
        with tarfile.open(str(tmp_path / f"a.tar.{kind}"), f"w:{kind}") as archive:
            archive.addfile(tarfile.TarInfo("0.x.npy"), io.BytesIO(b""))
        with pytest.raises(UnknownFormatError, match=rf"got a file compressed with {kind[:2]}.*; decompress it first"):
            open_windows(tmp_path / f"a.tar.{kind}")

    def test_what_nothing_is_known_of_is_no_hdf5(self, tmp_path: Path) -> None:
        (tmp_path / "a.bin").write_bytes(b"what is this")
        with pytest.raises(UnknownFormatError, match="expected the HDF5 signature, got none"):
            open_windows(tmp_path / "a.bin")

    def test_an_ending_in_capitals_is_that_of_a_tar(self, tmp_path: Path) -> None:
        values = tracks(5, 6, 2)
        path = tar(tmp_path / "a.TAR", {"0.tracks.npy": npy_bytes(values)})
        assert only(path, seal=True).status == "ok"
        np.testing.assert_array_equal(open_windows(path).gather([0])["tracks"], values[None])
        with pytest.raises(SchemaError, match="expected no rate beside a tar of other makers"):
            open_windows(path, rate=10)

    def test_an_empty_tar_is_told_as_a_tar(self, tmp_path: Path) -> None:
        (tmp_path / "a.tar").write_bytes(b"")
        with pytest.raises(CorruptDataError, match=r"expected bytes up to 512, got an end at 0.*\[tar-cut\]"):
            open_windows(tmp_path / "a.tar")
        assert [problem.code for problem in only(tmp_path / "a.tar").problems] == ["tar-cut"]

    def test_all_refused_files_are_told(self, tmp_path: Path) -> None:
        for name in ("a.h5", "b.h5"):
            (tmp_path / name).write_bytes(b"\x1f\x8b")
        with pytest.raises(LapsError, match="2 problems"):
            open_windows(tmp_path)


@each_store
def test_what_is_no_number_is_refused_by_every_store(tmp_path: Path, write: Callable[[Path, Arrays], Path]) -> None:
    path = write(tmp_path, {"tracks": np.zeros((3, 4, 6, 2), np.complex64), "vis": vis(3, 4, 6)})
    with pytest.raises(LapsError, match=r"expected (plain )?numbers.*, got .*(complex64|compound)"):
        open_windows(path)


@each_store
def test_numbers_too_large_are_refused_by_every_store(tmp_path: Path, write: Callable[[Path, Arrays], Path]) -> None:
    values = tracks(3, 4, 6, 2).astype(np.float64)
    values[1, 2, 3] = 1e300, np.inf
    values[2, 2, 3] = np.nan, -np.inf
    windows = open_windows(write(tmp_path, {"tracks": values, "vis": vis(3, 4, 6)}))
    with pytest.raises(CorruptDataError, match="row 1: expected numbers that float32 can hold, got larger ones"):
        windows.gather([0, 1])
    np.testing.assert_array_equal(windows.gather([2])["tracks"], values[[2]].astype(np.float32))
