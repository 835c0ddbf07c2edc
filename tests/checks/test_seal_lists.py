"""Seal lists: what they say, that loading believes them, and that neither file nor list can change unnoticed."""

from __future__ import annotations

import base64
import io
import json
import os
import shutil
import warnings
from typing import TYPE_CHECKING

import h5py
import numpy as np
import pytest

from lapsdata.checks import _outside
from lapsdata.checks.integrity import check_integrity
from lapsdata.errors import CorruptDataError, LapsError, LapsWarning, StorageError
from lapsdata.loading.foreign import foreign_arrays
from lapsdata.loading.windows import open_windows
from lapsdata.storage.index import ChunkIndex
from lapsdata.storage.seal import crc32c
from lapsdata.storage.seal_list import read_seal_list, seal_list_path
from lapsdata.storage.tarfiles import TarWriter
from lapsdata.testing.contracts import content_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lapsdata.checks.outcome import CheckedItem

    Make = Callable[..., Path]

STORES = ("big-endian", "contiguous", "gzip", "npy", "tar", "zarr")


def only(path: Path, *, seal: bool = False, force: bool = False) -> CheckedItem:
    """Check one item, or seal it."""
    report = check_integrity([path], seal=seal, force=force)
    assert len(report.items) == 1
    assert report.problems == list(report.items[0].problems)
    return report.items[0]


def sealed(path: Path) -> Path:
    item = only(path, seal=True)
    assert (item.status, item.problems) == ("ok", ())
    return seal_list_path(path)


def codes(item: CheckedItem) -> list[str]:
    return [problem.code for problem in item.problems]


def gathered(path: Path) -> dict[str, bytes]:
    """Read every window, each at its first touch, as a loader does; no warning is allowed."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        windows = open_windows(path)
    try:
        batch = windows.gather(np.arange(len(windows)))
        assert windows.unverified == 0
        return {name: values.tobytes() for name, values in batch.items()}
    finally:
        windows.close()


class TestWhatAListSays:
    def test_loading_warns_without_and_verifies_with_it(self, make: Make, store: str) -> None:
        path = make(store)
        with pytest.warns(LapsWarning, match="hold no checksums: their windows are delivered unverified"):
            windows = open_windows(path)
        before = windows.gather(np.arange(20))
        assert windows.unverified == 20
        windows.close()
        sealed(path)
        assert gathered(path) == {name: values.tobytes() for name, values in before.items()}

    def test_anybody_can_compute_it_again(self, make: Make) -> None:
        path = make("big-endian")
        told = json.loads(sealed(path).read_text())
        with h5py.File(path) as file:
            expected = {name: [crc32c(row.astype(f"<{row.dtype.str[1:]}").tobytes()) for row in file[name][:]]
                        for name in ("tracks", "vis")}  # fmt: skip
        found = {array["name"]: np.frombuffer(base64.b64decode(array["row_crc32c"]), "<u4").tolist()
                 for array in told["arrays"]}  # fmt: skip
        assert found == expected
        assert (told["format"], told["store"], told["name"]) == ("lapsdata.seal_list", "hdf5", "theirs.h5")
        assert (told["files"], told["size_bytes"]) == (1, path.stat().st_size)
        assert [(array["shape"], array["dtype"]) for array in told["arrays"]] == [
            ([20, 4, 5, 2], "<f8"),
            ([20, 4, 5], "|u1"),
        ]
        assert told["provenance"]["producer"] == "lapsdata"

    def test_the_file_is_never_touched(self, make: Make, store: str) -> None:
        path = make(store)
        before, times = content_of(path), path.stat().st_mtime_ns
        only(path, seal=True)
        only(path)
        only(path, seal=True, force=True)
        assert (content_of(path), path.stat().st_mtime_ns) == (before, times)
        assert sorted(item.name for item in path.parent.iterdir()) == [path.name, seal_list_path(path).name]

    def test_equal_files_give_equal_lists(self, make: Make) -> None:
        one = sealed(make("contiguous")).read_bytes()
        only(make("contiguous"), seal=True, force=True)
        assert seal_list_path(make("contiguous")).read_bytes() == one

    def test_a_list_that_fits_stays_and_is_told(self, make: Make, store: str) -> None:
        path = make(store)
        place = sealed(path)
        before = place.stat().st_mtime_ns
        item = only(path, seal=True)
        assert (item.status, item.note) == ("ok", "20 windows verified by its list; the list stays")
        assert place.stat().st_mtime_ns == before
        assert only(path).note == "20 windows verified by its list"

    def test_views_are_sealed_together_and_loaded_alone(self, tmp_path: Path) -> None:
        path = tmp_path / "two.h5"
        with h5py.File(path, "w") as file:
            for number, view in enumerate(("left", "right")):
                file[f"root/{view}/tracks"] = np.full((6, 4, 5, 2), number, np.float32)
                file[f"root/{view}/vis"] = np.ones((6, 4, 5), np.float32)
        assert only(path, seal=True).note == "12 windows, 2 views, list written"
        assert only(path).note == "12 windows verified by its list, 2 views"
        windows = open_windows(path, views=["right"])
        assert windows.gather([5])["tracks"].mean() == 1
        assert windows.unverified == 0
        windows.close()

    def test_an_array_that_was_never_written_is_its_fill_value(self, tmp_path: Path) -> None:
        path = tmp_path / "empty.h5"
        with h5py.File(path, "w") as file:
            file.create_dataset("tracks", (6, 4, 5, 2), "f4", chunks=(1, 4, 5, 2))
            file.create_dataset("vis", (6, 4, 5), "f4", chunks=(1, 4, 5))
        sealed(path)
        assert set(gathered(path)["tracks"]) == {0}

    @pytest.mark.parametrize("threads", [1, 3])
    def test_every_way_of_reading_compares(self, make: Make, threads: int) -> None:
        path = make("contiguous")
        sealed(path)
        damage(path, "root/default/tracks", 5)
        for verify, way in (("first", "pread"), ("always", "mmap"), ("first", "auto")):
            windows = open_windows(path, verify=verify, io=way, threads=threads)  # type: ignore[arg-type]
            assert windows.gather([4])["vis"].shape == (1, 4, 5)
            with pytest.raises(CorruptDataError, match=r"root/default/tracks: row 5 \(.*bytes \d+ to \d+\)"):
                windows.gather([4, 5])
            windows.close()
        unread = open_windows(path, verify="never")
        assert unread.gather([5])["tracks"].shape == (1, 4, 5, 2)
        unread.close()


def chunk_of(path: Path, array: str, row: int) -> tuple[Path, int, int]:
    """Return file, offset and length of what holds a row."""
    index = foreign_arrays(path).sources[array]
    assert isinstance(index, ChunkIndex)
    number = row // index.chunk[0]
    return index.files[index.file[number]], int(index.offset[number]), int(index.length[number])


def damage(path: Path, array: str, row: int, *, byte: int = 0, bit: int = 0) -> None:
    file, offset, _ = chunk_of(path, array, row)
    flip(file, offset + byte, bit)


def flip(file: Path, place: int, bit: int) -> None:
    content = bytearray(file.read_bytes())
    content[place] ^= 1 << bit
    file.write_bytes(content)


def outcome(path: Path, good: dict[str, bytes]) -> str:
    """Say what a loader and the check make of a file together: an error, the same windows, or wrong ones."""
    item = only(path)
    try:
        found = gathered(path)
    except LapsError:
        return "error" if item.status == "error" else f"check is silent: {item}"
    if found != good:
        return "silently wrong"
    return "equal"


class TestFlips:
    @pytest.mark.parametrize("store", STORES)
    def test_no_flip_in_the_payload_is_read_silently(self, make: Make, store: str) -> None:
        path = make(store)
        sealed(path)
        good, random = gathered(path), np.random.default_rng(1)
        names = [name for name, source in foreign_arrays(path).sources.items() if source.shape[0]]
        seen = []
        for number in range(24):
            file, offset, length = chunk_of(path, names[number % 2], int(random.integers(20)))
            place, bit = offset + int(random.integers(length)), int(random.integers(8))
            flip(file, place, bit)
            seen.append(outcome(path, good))
            flip(file, place, bit)
        # A bit of a gzip stream may mean nothing (its padding, its window size).
        assert set(seen) <= ({"error", "equal"} if store == "gzip" else {"error"})
        assert seen.count("error") >= 20
        assert outcome(path, good) == "equal"

    def test_no_flip_anywhere_is_read_silently(self, make: Make) -> None:
        path = make("contiguous", count=4)
        sealed(path)
        good, random, size = gathered(path), np.random.default_rng(2), path.stat().st_size
        seen = []
        for _ in range(50):
            place, bit = int(random.integers(size)), int(random.integers(8))
            flip(path, place, bit)
            try:
                found = gathered(path)
            except LapsError:
                seen.append("error")
            else:
                seen.append("equal" if found == good else f"wrong: byte {place} bit {bit}")
            flip(path, place, bit)
        assert set(seen) == {"error", "equal"}

    def test_every_damaged_window_is_told_in_one_problem(self, make: Make) -> None:
        path = make("contiguous")
        sealed(path)
        for row in (3, 4, 5, 17):
            damage(path, "root/default/tracks", row, byte=9)
        damage(path, "root/default/vis", 0)
        item = only(path)
        assert (item.status, item.windows, item.verified) == ("error", 20, 15)
        assert item.note == "15 of 20 windows verified by its list"
        tracks, vis = item.problems
        assert "row 3 (" in tracks.where
        assert "(damaged: 4 of 20 windows, 3 .. 5, 17)" in tracks.message
        assert "(damaged: 1 of 20 windows, 0)" in vis.message


class TestOtherFiles:
    def test_a_list_of_another_shape_names_itself(self, make: Make, store: str) -> None:
        sealed(make(store))
        path = make(store, count=21)
        with pytest.raises(CorruptDataError, match=r"lapsdata-seal\.json: .*tracks: expected \(20, .* got \(21, "):
            open_windows(path)
        item = only(path)
        assert set(codes(item)) == {"seal-list-mismatch"}
        assert "--seal --force" in str(item.problems[0])

    def test_a_list_moved_to_another_file_of_its_shape_fits_no_window(self, make: Make, store: str) -> None:
        place = sealed(make(store))
        path = make(store, name=f"other{place.suffixes[0]}", seed=1)
        place.rename(seal_list_path(path))
        windows = None
        try:
            windows = open_windows(path)
            windows.gather([0])
        except CorruptDataError as error:
            # Compressed data tell it by their size already, and say whose list that was.
            told = {problem.code for problem in error.problems}
            assert told in ({"payload-checksum"}, {"seal-list-mismatch"})
        else:
            pytest.fail("read with the checksums of another file")
        finally:
            if windows is not None:
                windows.close()
        assert only(path).verified == 0

    def test_the_message_says_what_the_file_was_called(self, make: Make) -> None:
        place = sealed(make("contiguous"))
        path = make("contiguous", name="other.h5", count=19)
        place.rename(seal_list_path(path))
        with pytest.raises(
            CorruptDataError, match=r"as sealed, when it was called 'theirs.h5', got \d+ bytes in other"
        ):
            open_windows(path)

    def test_a_pair_may_be_renamed(self, make: Make, store: str) -> None:
        path = make(store)
        place = sealed(path)
        other = path.with_name(f"renamed{path.suffix}")
        path.rename(other)
        place.rename(seal_list_path(other))
        assert only(other).status == "ok"
        assert set(gathered(other)) == {"tracks", "vis"}

    def test_rows_in_another_order_are_found(self, make: Make) -> None:
        path = make("contiguous")
        sealed(path)
        with h5py.File(path, "r+") as file:
            file["root/default/tracks"][[0, 1]] = file["root/default/tracks"][:2][::-1]
        item = only(path)
        assert (codes(item), item.verified) == (["payload-checksum"], 18)

    def test_a_chunk_that_is_gone_is_no_fill_value(self, make: Make) -> None:
        path = make("zarr")
        sealed(path)
        chunk_of(path, "tracks", 7)[0].unlink()
        with pytest.raises(CorruptDataError, match="seal-list-mismatch"):
            open_windows(path)

    def test_a_file_whose_arrays_are_gone_is_an_error_and_no_warning(self, make: Make) -> None:
        path = make("contiguous")
        sealed(path)
        with h5py.File(path, "w") as file:
            file["other"] = np.zeros(3)
        assert (only(path).status, codes(only(path))) == ("error", ["no-windows"])

    def test_a_changed_file_is_sealed_anew_by_force_alone(self, make: Make, store: str) -> None:
        place = sealed(make(store))
        before = place.read_bytes()
        path = make(store, seed=2)
        refused = only(path, seal=True)
        assert (refused.status, place.read_bytes()) == ("error", before)
        item = only(path, seal=True, force=True)
        assert (item.status, item.note) == ("ok", "20 windows, list rewritten")
        assert only(path).status == "ok"

    def test_a_file_of_ours_that_lost_its_header_is_no_file_of_others(self, tmp_path: Path) -> None:
        from lapsdata.formats import write
        from lapsdata.testing.samples import sample_tracks

        path = tmp_path / "clip.zarr"
        write(path, sample_tracks())
        metadata = path / "zarr.json"
        metadata.write_bytes(metadata.read_bytes().replace(b'"lapsdata"', b'"lapsdatb"'))
        with pytest.raises(CorruptDataError, match="expected the header that a file of ours has, got its checksums"):
            open_windows(path)
        assert codes(only(path)) == ["header-gone"]

    def test_two_groups_of_one_name_are_no_one_view(self, tmp_path: Path) -> None:
        path = tmp_path / "demos.h5"
        with h5py.File(path, "w") as file:
            for demo in ("a", "b"):
                file[f"{demo}/left/tracks"] = np.zeros((2, 4, 5, 2), np.float32)
                file[f"{demo}/left/vis"] = np.zeros((2, 4, 5), np.float32)
        with pytest.raises(LapsError, match="expected groups of different names, got 'a/left/tracks' and 'b/left/"):
            open_windows(path)


class TestLinks:
    """A link is another name of a file, and need not bring the list along."""

    def test_the_list_beside_the_target_is_found(self, make: Make, store: str, tmp_path: Path) -> None:
        path = make(store)
        place = sealed(path)
        before = place.read_bytes()
        link = tmp_path / "elsewhere" / f"link{path.suffix}"
        link.parent.mkdir()
        link.symlink_to(path)
        assert gathered(link) == gathered(path)
        assert only(link).note == "20 windows verified by its list"
        assert only(link, seal=True).note == "20 windows verified by its list; the list stays"
        assert only(link, seal=True, force=True).note == "20 windows, list rewritten"
        assert not seal_list_path(link).exists()
        assert json.loads(place.read_text())["arrays"] == json.loads(before)["arrays"]

    def test_a_list_beside_the_link_comes_first(self, make: Make, tmp_path: Path) -> None:
        path = make("contiguous")
        sealed(path)
        link = tmp_path / "link.h5"
        link.symlink_to(path)
        seal_list_path(link).write_bytes(b"{}")
        with pytest.raises(CorruptDataError, match=r"link\.h5\.lapsdata-seal\.json: .*seal-list-damaged"):
            open_windows(link)

    def test_the_list_of_another_file_is_told_by_its_own_place(self, make: Make, tmp_path: Path) -> None:
        place = sealed(make("contiguous"))
        link = tmp_path / "link.h5"
        link.symlink_to(make("contiguous", count=19))
        with pytest.raises(
            CorruptDataError, match=r"theirs\.h5\.lapsdata-seal\.json: size: expected \d+ bytes as sealed,"
        ):
            open_windows(link)
        assert codes(only(link)) == codes(only(place.with_name("theirs.h5")))


class TestDamagedLists:
    def test_a_flip_of_any_byte_is_noticed_or_harmless(self, make: Make) -> None:
        path = make("contiguous", count=2)
        place = sealed(path)
        whole, good = place.read_bytes(), read_seal_list(path)
        seen = {"error": 0, "harmless": 0}
        for at in range(len(whole)):
            for bit in range(8):
                content = bytearray(whole)
                content[at] ^= 1 << bit
                place.write_bytes(content)
                try:
                    found = read_seal_list(path)
                except CorruptDataError as error:
                    assert str(place) in str(error)  # noqa: PT017 - each of thousands
                    seen["error"] += 1
                else:
                    assert found == good
                    seen["harmless"] += 1
        # The line break at the end may be other white space.
        assert seen["harmless"] <= 4
        assert seen["error"] > 8 * len(whole) - 5

    def test_a_cut_anywhere_is_noticed(self, make: Make) -> None:
        path = make("contiguous", count=4)
        place = sealed(path)
        whole = place.read_bytes()
        for length in range(len(whole) - 1):
            place.write_bytes(whole[:length])
            with pytest.raises(CorruptDataError, match="expected a list of checksums as it was written, got a damaged"):
                read_seal_list(path)

    @pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\0" * 9, b"[" * 100_000], ids=range(5))
    def test_anything_else_is_an_error_for_all_who_read_it(self, make: Make, store: str, content: bytes) -> None:
        path = make(store)
        seal_list_path(path).write_bytes(content)
        with pytest.raises(CorruptDataError, match="seal-list-damaged"):
            open_windows(path)
        for seal in (False, True):
            item = only(path, seal=seal)
            assert (item.status, codes(item)) == ("error", ["seal-list-damaged"])
        assert only(path, seal=True, force=True).status == "ok"
        assert only(path).status == "ok"

    def test_a_folder_or_a_loose_link_in_its_place_is_no_absence(self, make: Make) -> None:
        path = make("contiguous")
        place = seal_list_path(path)
        place.mkdir()
        with pytest.raises(StorageError, match="expected a file, got a folder"):
            open_windows(path)
        place.rmdir()
        place.symlink_to("nowhere")
        with pytest.raises(StorageError, match="no such file"):
            open_windows(path)


class TestWriting:
    def test_a_folder_that_may_not_be_written_to_is_told_at_once(
        self, make: Make, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = make("contiguous")
        monkeypatch.setattr(_outside, "sum_windows", lambda *_: pytest.fail("read before it was told"))
        monkeypatch.setattr(os, "access", lambda *_: False)
        (problem,) = only(path, seal=True).problems
        assert problem.code == "no-permission"
        assert problem.where == str(seal_list_path(path))
        assert "copy the file to a folder that you may write to" in str(problem)

    def test_ctrl_c_leaves_nothing(self, make: Make) -> None:
        path = make("contiguous")

        def stop(_: int) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt, match=r"^$"):
            check_integrity([path], seal=True, advance=stop)
        assert [item.name for item in path.parent.iterdir()] == [path.name]

    def test_a_file_that_changes_meanwhile_is_not_sealed(self, make: Make, store: str) -> None:
        path = make(store)
        file = chunk_of(path, next(iter(foreign_arrays(path).sources)), 0)[0]

        def change(_: int) -> None:
            os.utime(file, ns=(1, 1))

        report = check_integrity([path], seal=True, advance=change)
        assert [problem.code for problem in report.problems] == ["replaced"]
        assert not seal_list_path(path).exists()

    def test_a_window_that_cannot_be_read_is_not_sealed(self, make: Make) -> None:
        path = make("gzip")
        damage(path, "root/default/tracks", 0, byte=2, bit=7)
        item = only(path, seal=True)
        assert item.status == "error"
        assert not seal_list_path(path).exists()

    def test_a_file_without_windows_gets_no_list(self, tmp_path: Path) -> None:
        path = tmp_path / "robot.hdf5"
        with h5py.File(path, "w") as file:
            file["data/trial_0/actions"] = np.zeros((3, 7))
        assert (only(path).status, codes(only(path))) == ("warning", ["unverified"])
        assert (only(path, seal=True).status, codes(only(path, seal=True))) == ("error", ["no-windows"])

    def test_a_name_too_long_for_a_list_has_none(self, make: Make) -> None:
        path = make("contiguous", name="x" * 245 + ".h5")
        assert read_seal_list(path) is None
        assert only(path).status == "warning"
        (problem,) = only(path, seal=True).problems
        assert problem.code == "wrong-name"

    def test_a_copy_of_the_pair_is_verified(self, make: Make, store: str, tmp_path: Path) -> None:
        path = make(store)
        place, there = sealed(path), tmp_path / "copy"
        there.mkdir()
        (shutil.copytree if path.is_dir() else shutil.copy)(path, there / path.name)
        shutil.copy(place, there)
        assert only(there / path.name).verified == 20


def test_a_tar_of_any_fields_is_sealed_and_read_as_it_is(tmp_path: Path) -> None:
    path, kinds = tmp_path / "flow.tar", {"flow": "<f2", "tracks": "<f4", "id": ">i8", "mask": "|b1"}
    with path.open("wb") as file:
        writer = TarWriter(file.write)
        for key in range(5):
            for name, dtype in kinds.items():
                content = io.BytesIO()
                np.save(content, np.full((4, 5, 2), key, dtype))
                writer.add(f"{key}.{name}.npy", content.getvalue())
        writer.finish()
    sealed(path)
    assert only(path).note == "5 windows verified by its list"
    windows = open_windows(path)
    batch = windows.gather([4, 1])
    windows.close()
    assert {name: values.dtype.kind + str(values.dtype.itemsize) for name, values in batch.items()} == {
        "tracks": "f4", "flow": "f2", "id": "i8", "mask": "b1",
    }  # fmt: skip
    assert [int(values[0, 0, 0, 0]) for values in batch.values()] == [4, 4, 4, 1]
    damage(path, "id", 3)
    assert (only(path).verified, only(path).status) == (4, "error")
