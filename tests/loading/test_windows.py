"""Windows of many files as one data set: what is delivered, in which order, and where it says it comes from."""

from __future__ import annotations

import io
import itertools
import pickle
import shutil
import tarfile
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest
import torch

import lapsdata
from lapsdata.checks.integrity import check_integrity
from lapsdata.containers import Tracks
from lapsdata.errors import (
    CorruptDataError,
    LapsWarning,
    SchemaError,
    StorageError,
    UnknownFormatError,
)
from lapsdata.formats.shards_webdataset import ShardsWriter
from lapsdata.loading.loader import Loader
from lapsdata.loading.mixture import Mixture
from lapsdata.loading.source import BatchSource
from lapsdata.loading.stream import open_stream
from lapsdata.loading.windows import WindowDataset, open_windows
from lapsdata.schema.video import SourceVideo
from lapsdata.storage.slabs import SlabCache
from lapsdata.testing.samples import sample_energies, sample_provenance, sample_tracks

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ONE = sample_tracks(windows=7, seed=1)
TWO = sample_tracks(windows=5, seed=2, video=SourceVideo(name="clip_1"))
CAMERAS = sample_tracks(windows=4, views=("left", "right"), seed=3)


def h5(folder: Path) -> Path:
    for name, tracks in (("a", ONE), ("b", TWO)):
        lapsdata.write(folder / f"{name}.h5", tracks)
    return folder


def mixed(folder: Path) -> Path:
    lapsdata.write(folder / "a.zarr", ONE, profile="compact", round_px="none")
    lapsdata.write(folder / "b.h5", TWO, chunking="windows")
    return folder


def shards(folder: Path) -> Path:
    with ShardsWriter(folder / "both.shards", samples_per_shard=3) as out:
        out.add(ONE)
        out.add(TWO)
        out.finish(sample_provenance())
    return folder / "both.shards"


LAYOUTS = (h5, mixed, shards)


def expected(name: str) -> np.ndarray:
    by_tracks: dict[str, Callable[[Tracks], np.ndarray]] = {
        "tracks": lambda t: t.tracks["default"],
        "vis": lambda t: t.vis["default"],
        "start_s": lambda t: t.step_s[:, 0],
        "end_s": lambda t: t.span_s[:, 1],
        "step_s": lambda t: t.step_s,
    }
    return np.concatenate([by_tracks[name](tracks) for tracks in (ONE, TWO)])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_same_windows(tmp_path: Path, layout: Callable[[Path], Path]) -> None:
    windows = open_windows(layout(tmp_path))
    ids = np.array([11, 0, 3, 3, 8, 6, 7])
    batch = windows.gather(ids, fields=windows.fields)
    assert len(windows) == 12
    assert windows.fields == ("tracks", "vis", "start_s", "step_s", "end_s")
    for name in windows.fields:
        np.testing.assert_array_equal(batch[name], expected(name)[ids])
        assert batch[name].dtype == windows._all[name].dtype


def test_a_data_set_is_a_source_of_batches(tmp_path: Path) -> None:
    windows = open_windows(h5(tmp_path))
    assert isinstance(windows, BatchSource)
    assert {name: array.shape[1:] for name, array in windows.gather([0]).items()} == {
        name: field.shape for name, field in windows.spec.items()
    }
    assert list(windows.gather([1, 2])) == list(windows.spec) == ["tracks", "vis", "start_s"]


def test_a_list_keeps_its_order_and_a_folder_is_read_by_name(tmp_path: Path) -> None:
    h5(tmp_path)
    turned = open_windows([tmp_path / "b.h5", tmp_path / "a.h5"])
    assert turned.videos == ("clip_1", "clip_0")
    assert open_windows(tmp_path).videos == ("clip_0", "clip_1")
    np.testing.assert_array_equal(turned.gather([0])["tracks"], TWO.tracks["default"][:1])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_window_says_where_it_comes_from(tmp_path: Path, layout: Callable[[Path], Path]) -> None:
    windows = open_windows(layout(tmp_path))
    place = windows.locate(8)
    assert (place.video, place.window) == ("clip_1", 1)
    assert (place.start_s, place.end_s) == (pytest.approx(0.1), pytest.approx(0.5))
    with pytest.raises(IndexError, match="expected 0 to 11, got 12"):
        windows.locate(12)


def test_a_time_finds_the_window_that_started_last(tmp_path: Path) -> None:
    windows = open_windows(h5(tmp_path))
    assert windows.at("clip_1", 0.25) == 7 + 2
    assert windows.subset(videos=["clip_1"]).at("clip_1", 0.25) == 2
    with pytest.raises(SchemaError, match="expected a time that a window of 'clip_0' covers, got 60 s"):
        windows.at("clip_0", 60)
    with pytest.raises(SchemaError, match=r"expected some of 'clip_0', 'clip_1', got 'clip_9'"):
        windows.at("clip_9", 0)


def test_subsets_of_subsets_keep_the_right_windows(tmp_path: Path) -> None:
    windows = open_windows(h5(tmp_path))
    late = windows.subset(where=lambda header: header.video.name == "clip_1")
    assert len(late) == 5
    some = late.subset(ids=[4, 0, 0])
    np.testing.assert_array_equal(some.gather([0, 1, 2])["vis"], TWO.vis["default"][[4, 0, 0]])
    assert some.locate(0).window == 4
    with pytest.raises(IndexError, match="expected 0 to 2, got 3"):
        some.gather([3])
    with pytest.raises(IndexError, match="expected 0 to 4, got 5"):
        late.subset(ids=[5])
    with pytest.raises(SchemaError, match="expected ids, videos, where or split, got none"):
        windows.subset()


@pytest.mark.parametrize("ids", [[12], [-1], [0, 99]])
def test_ids_outside_are_refused(tmp_path: Path, ids: list[int]) -> None:
    with pytest.raises(IndexError, match="expected 0 to 11"):
        open_windows(h5(tmp_path)).gather(ids)


def test_offsets_pad_at_the_ends_of_each_video(tmp_path: Path) -> None:
    windows = open_windows(h5(tmp_path), offsets=(-1, 0, 2))
    batch = windows.gather([0, 6, 7, 3])
    assert batch["pad"].tolist() == [[True, False, False], [False, False, True], [True, False, False], [False] * 3]
    stands = np.array([[0, 0, 2], [5, 6, 6], [7, 7, 9], [2, 3, 5]])
    np.testing.assert_array_equal(batch["tracks"], expected("tracks")[stands])
    np.testing.assert_array_equal(batch["start_s"], expected("start_s")[stands])
    assert windows.spec["pad"].shape == (3,)
    assert list(windows.gather([0], fields=["vis"])) == ["vis"]


def test_offsets_of_a_subset_reach_the_windows_beside_it(tmp_path: Path) -> None:
    windows = open_windows(h5(tmp_path), offsets=(0, 1)).subset(ids=[3])
    np.testing.assert_array_equal(windows.gather([0])["tracks"][0], ONE.tracks["default"][3:5])


@pytest.mark.parametrize("offsets", [(), (0.5,), ("1",)])
def test_offsets_are_whole_numbers(tmp_path: Path, offsets: tuple[object, ...]) -> None:
    with pytest.raises(SchemaError, match="offsets: expected a list of whole numbers"):
        open_windows(h5(tmp_path), offsets=offsets)  # type: ignore[arg-type]


def test_buffers_are_filled_in_place_with_offsets_too(tmp_path: Path) -> None:
    windows = open_windows(h5(tmp_path), offsets=(0, 1))
    out = {"tracks": np.empty((2, 2, 4, 5, 2), np.float32)}
    batch = windows.gather([1, 2], out=out)
    np.testing.assert_array_equal(out["tracks"], expected("tracks")[[[1, 2], [2, 3]]])
    assert np.shares_memory(batch["tracks"], out["tracks"])
    pad = np.ones((2, 2), bool)
    assert windows.gather([6, 2], out={"pad": pad})["pad"] is pad
    assert pad.tolist() == [[False, True], [False, False]]


@pytest.mark.parametrize(
    ("buffer", "got"),
    [
        (np.empty((4, 1, 4, 5, 2), np.float32), r"\(4, 1, 4, 5, 2\) float32"),
        (np.empty((2, 2, 4, 5, 2), np.float64), r"\(2, 2, 4, 5, 2\) float64"),
        (np.empty((2, 4, 2, 5, 2), np.float32).swapaxes(1, 2), r"\(2, 2, 4, 5, 2\) float32"),
        ([0.0], "list"),
    ],
)
def test_buffers_of_sequences_are_filled_or_refused(tmp_path: Path, buffer: object, got: str) -> None:
    windows = open_windows(h5(tmp_path), offsets=(0, 1))
    told = rf"out: tracks: expected \(2, 2, 4, 5, 2\) float32 in C order that may be written, got {got}"
    with pytest.raises(SchemaError, match=told):
        windows.gather([1, 2], out={"tracks": buffer})  # type: ignore[dict-item]


@pytest.mark.parametrize("name", ["tarcks", "step_s"])
def test_a_buffer_that_nothing_is_written_to_is_refused(tmp_path: Path, name: str) -> None:
    windows = open_windows(h5(tmp_path))
    with pytest.raises(SchemaError, match=rf"out: expected buffers for some of .*, got \['{name}'\]"):
        windows.gather([1, 2], out={name: np.empty((2, 4))})


def test_what_is_passed_over_in_a_folder_is_told_by_the_plan(tmp_path: Path) -> None:
    folder = h5(tmp_path)
    assert open_windows(folder).notes == ()
    (folder / "a.mp4").write_bytes(b"film")
    (folder / "more").mkdir()
    (folder / ".hidden").write_bytes(b"")
    windows = open_windows(folder)
    (note,) = windows.notes
    assert note == f"not files of windows, and passed over: '{folder / 'a.mp4'}', '{folder / 'more'}'"
    loader = Loader(windows, batch_size=4)
    assert str(loader.plan()).endswith(f"\nnote: {note}")
    loader.close()
    mixed_loader = Loader(Mixture({"first": windows, "other": open_windows(folder / "a.h5")}), batch_size=4)
    assert mixed_loader.plan().notes == (f"first: {note}",)
    mixed_loader.close()


def test_more_files_than_may_be_open_are_told_by_the_plan(tmp_path: Path) -> None:
    loader = Loader(open_windows(h5(tmp_path), open_files=1), batch_size=4)
    assert "note: 2 files, of which 1 may be open" in str(loader.plan())
    assert "write a catalog with an index" in str(loader.plan())
    loader.close()


@pytest.mark.parametrize("chosen", [None, ["a", "c"]])
def test_a_block_shuffle_decodes_every_shared_chunk_once(tmp_path: Path, chosen: list[str] | None) -> None:
    """Files whose lengths are no multiples of a chunk: blocks begin with each file, as its chunks do."""
    for name, rows in (("a", 137), ("b", 98), ("c", 143)):
        with h5py.File(tmp_path / f"{name}.h5", "w") as file:
            group = file.create_group("root/default")
            for field, shape in (("tracks", (rows, 4, 5, 2)), ("vis", (rows, 4, 5))):
                values = np.random.default_rng(0).random(shape, np.float32) if field == "tracks" else np.ones(shape)
                group.create_dataset(field, data=values, compression="gzip", chunks=(10, *shape[1:]))
    with pytest.warns(LapsWarning, match="hold no checksums"):
        windows = open_windows(tmp_path)
    part = windows if chosen is None else windows.subset(videos=chosen)
    assert part.part_rows is not None
    assert part.part_rows.tolist() == ([137, 98, 143] if chosen is None else [137, 143])
    windows._reader._cache = SlabCache(8 * 10 * 4 * 5 * 16)  # two windows of 3 blocks, and what they share with others
    with Loader(part, batch_size=7, shuffle="block", window_blocks=3, workers=1) as loader:
        seen = np.concatenate([batch["id"] for batch in loader])
    assert len(set(seen.tolist())) == len(seen) == len(part)
    assert windows.decoded_rows == 2 * len(part)
    windows.close()


def test_cameras_are_chosen_by_name(tmp_path: Path) -> None:
    lapsdata.write(tmp_path / "c.zarr", CAMERAS)
    both = open_windows(tmp_path / "c.zarr")
    assert both.views == ("left", "right")
    assert list(both.spec) == ["tracks/left", "vis/left", "tracks/right", "vis/right", "start_s"]
    one = open_windows(tmp_path / "c.zarr", views=["right"])
    np.testing.assert_array_equal(one.gather([2])["tracks"], CAMERAS.tracks["right"][[2]])
    with pytest.raises(SchemaError, match=r"expected some of the views \['left', 'right'\], got \['top'\]"):
        open_windows(tmp_path / "c.zarr", views=["top"])


def test_unlike_files_are_told_field_by_field(tmp_path: Path) -> None:
    lapsdata.write(tmp_path / "a.h5", ONE)
    lapsdata.write(tmp_path / "b.h5", sample_tracks(points=6))
    with pytest.raises(SchemaError, match=r"tracks: expected \(4, 5, 2\) float32 .* as in .*a.h5, got \(4, 6, 2\)"):
        open_windows(tmp_path)


def test_tensors_share_nothing_with_each_other(tmp_path: Path) -> None:
    windows = open_windows(h5(tmp_path))
    batch = windows.gather([0, 1], to="torch")
    assert {name: tensor.dtype for name, tensor in batch.items()} == {
        "tracks": torch.float32,
        "vis": torch.bool,
        "start_s": torch.float64,
    }
    again = windows.gather([0, 1], to="torch")
    again["tracks"].zero_()
    np.testing.assert_array_equal(batch["tracks"].numpy(), ONE.tracks["default"][:2])
    with pytest.raises(SchemaError, match="expected 'numpy' or 'torch', got 'jax'"):
        windows.gather([0], to="jax")  # type: ignore[arg-type]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_plain_data_loader_gives_right_batches(tmp_path: Path, workers: int) -> None:
    windows = open_windows(h5(tmp_path))
    windows.gather([0])  # opened before the workers are forked
    loader = torch.utils.data.DataLoader(windows, batch_size=5, num_workers=workers)
    whole = torch.cat([batch["tracks"] for batch in loader])
    np.testing.assert_array_equal(whole.numpy(), expected("tracks"))
    sampler = torch.utils.data.BatchSampler(torch.utils.data.SequentialSampler(windows), 5, drop_last=False)
    by_batch = torch.utils.data.DataLoader(windows, sampler=sampler, batch_size=None, num_workers=workers)
    np.testing.assert_array_equal(torch.cat([batch["vis"] for batch in by_batch]).numpy(), expected("vis"))


def test_two_fields_in_one_buffer_are_refused(tmp_path: Path) -> None:
    windows, times = open_windows(h5(tmp_path)), np.empty(3)
    with pytest.raises(
        SchemaError, match=r"out: expected memory of its own for each field, got the same for 'start_s'"
    ):
        windows.gather([0, 1], fields=["start_s", "end_s"], out={"start_s": times[:2], "end_s": times[1:]})
    apart = np.empty(4)
    windows.gather([0, 1], fields=["start_s", "end_s"], out={"start_s": apart[:2], "end_s": apart[2:]})
    assert apart.tolist() == pytest.approx([0.0, 0.1, 0.4, 0.5])
    windows.close()


def test_single_samples_slices_and_negative_ids(tmp_path: Path) -> None:
    windows = open_windows(h5(tmp_path))
    np.testing.assert_array_equal(windows[-1]["tracks"].numpy(), expected("tracks")[-1])
    np.testing.assert_array_equal(windows[2:9:3]["vis"].numpy(), expected("vis")[2:9:3])
    assert [tuple(sample["tracks"].shape) for sample in windows.__getitems__([1, 2])] == [(4, 5, 2)] * 2
    for wrong in (12, -13):
        with pytest.raises(IndexError, match=rf"expected -12 to 11, got {wrong}"):
            windows[wrong]


def test_a_transform_sees_each_batch(tmp_path: Path) -> None:
    windows = open_windows(h5(tmp_path), transform=lambda batch: batch | {"centre": batch["tracks"].mean(axis=(1, 2))})
    assert windows.gather([0, 1], to="torch")["centre"].shape == (2, 2)


@pytest.mark.parametrize("lost", ["nan", "last", "zero"])
def test_what_stands_for_lost_points_is_named_and_counted(tmp_path: Path, lost: str) -> None:
    windows = open_windows(h5(tmp_path), lost=lost)  # type: ignore[arg-type]
    tracks = windows.gather(range(12))["tracks"]
    gaps = np.isnan(expected("tracks")).any(axis=-1)
    assert gaps.any()
    if lost == "nan":
        assert windows.filled == 0
        np.testing.assert_array_equal(tracks, expected("tracks"))
        return
    assert windows.filled == gaps.sum()
    assert np.isfinite(tracks).all()
    np.testing.assert_array_equal(tracks[~gaps], expected("tracks")[~gaps])
    if lost == "zero":
        assert not tracks[gaps].any()


def test_an_unknown_word_for_lost_points_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match=r"lost: expected one of \('nan', 'last', 'zero'\), got 'hold'"):
        open_windows(h5(tmp_path), lost="hold")  # type: ignore[arg-type]


def test_a_used_data_set_can_be_pickled(tmp_path: Path) -> None:
    windows = open_windows(mixed(tmp_path), threads=2)
    windows.gather([0, 11])
    copy: WindowDataset = pickle.loads(pickle.dumps(windows.subset(ids=[11, 3])))
    np.testing.assert_array_equal(copy.gather([0, 1])["tracks"], expected("tracks")[[11, 3]])


def foreign(path: Path, vis_dtype: str = "f4") -> Path:
    with h5py.File(path, "w") as file:
        group = file.create_group("root/default")
        group.create_dataset("tracks", data=ONE.tracks["default"], compression="gzip")
        group.create_dataset("vis", data=ONE.vis["default"].astype(vis_dtype), compression="lzf")
    return path


def test_a_foreign_file_is_delivered_unverified_and_counted(tmp_path: Path) -> None:
    path = foreign(tmp_path / "theirs.h5")
    with pytest.warns(LapsWarning, match=r"theirs.h5' hold no checksums: their windows are delivered unverified"):
        windows = open_windows(path)
    assert list(windows.spec) == ["tracks", "vis"]
    batch = windows.gather([6, 0, 6])
    np.testing.assert_array_equal(batch["tracks"], ONE.tracks["default"][[6, 0, 6]])
    np.testing.assert_array_equal(batch["vis"], ONE.vis["default"][[6, 0, 6]])
    assert windows.unverified == 2
    assert open_windows(path, verify="never").unverified == 0


@pytest.mark.filterwarnings("ignore:.*hold no checksums")
def test_a_foreign_file_has_times_if_a_rate_is_given(tmp_path: Path) -> None:
    path = foreign(tmp_path / "theirs.h5", "?")
    windows = open_windows(path, rate=25)
    np.testing.assert_allclose(windows.gather(range(7))["start_s"], np.arange(7) / 25)
    assert windows.locate(2).end_s == pytest.approx(6 / 25)
    lapsdata.write(tmp_path / "ours.h5", ONE)
    with pytest.raises(SchemaError, match="expected no rate beside a file that carries its own times"):
        open_windows(tmp_path / "ours.h5", rate=25)
    with tarfile.open(tmp_path / "theirs.tar", "w") as tar:
        file = io.BytesIO()
        np.save(file, ONE.tracks["default"][0])
        member = tarfile.TarInfo("0.tracks.npy")
        member.size = len(file.getvalue())
        tar.addfile(member, io.BytesIO(file.getvalue()))
    with pytest.raises(SchemaError, match=r"expected no rate beside a tar of other makers, whose samples .* no order"):
        open_windows(tmp_path / "theirs.tar", rate=25)


@pytest.mark.filterwarnings("ignore:.*hold no checksums")
def test_visibility_that_is_neither_0_nor_1_is_an_error(tmp_path: Path) -> None:
    path = foreign(tmp_path / "theirs.h5")
    with h5py.File(path, "r+") as file:
        file["root/default/vis"][3, 0, 0] = 0.5
    windows = open_windows(path)
    with pytest.raises(CorruptDataError, match="expected 0 or 1 everywhere"):
        windows.gather([3])


def test_what_holds_no_windows_is_named(tmp_path: Path) -> None:
    lapsdata.write(tmp_path / "energies.jsonl", sample_energies())
    with pytest.raises(UnknownFormatError, match="whose windows can be read one by one, got energies_jsonl"):
        open_windows(tmp_path / "energies.jsonl")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = 1.0
    with pytest.raises(UnknownFormatError, match="expected a group with the arrays tracks and vis, got x"):
        open_windows(tmp_path / "other.h5")
    with pytest.raises(StorageError, match="no such file"):
        open_windows(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(SchemaError, match="expected tracks files, got none in"):
        open_windows(tmp_path / "empty")


def test_all_files_at_fault_are_told_at_once(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.h5").write_bytes(b"no HDF5")
    with pytest.raises(UnknownFormatError, match="2 problems"):
        open_windows(tmp_path)


def test_a_fingerprint_tells_windows_from_others(tmp_path: Path) -> None:
    windows = open_windows(h5(tmp_path))
    others = [windows.subset(ids=[1, 0]), windows.subset(ids=[0, 1]), open_windows(tmp_path / "a.h5")]
    assert len({windows.fingerprint, *(other.fingerprint for other in others)}) == 4
    assert open_windows(tmp_path).fingerprint == windows.fingerprint


def changed(tracks: Tracks, kind: str) -> Tracks:
    """The same header over other values."""
    moved = {view: values + 1 if kind == "positions" else values for view, values in tracks.tracks.items()}
    later = tracks.frame_s + 3 if kind == "times" else tracks.frame_s
    return Tracks(tracks.header, moved, tracks.vis, tracks.start_index, later)


def state_of(path: Path) -> dict[str, Any]:
    loader = Loader(open_windows(path), batch_size=2, shuffle="global", workers=0)
    next(iter(loader))
    return loader.state_dict()


@pytest.mark.parametrize(
    ("ending", "kind"),
    [*itertools.product([".h5", ".zarr", ".shards"], ["positions", "times"]), (".h5", "profile"), (".zarr", "profile")],
)
def test_a_state_is_refused_by_other_values_under_the_same_header(tmp_path: Path, ending: str, kind: str) -> None:
    place = tmp_path / f"a{ending}"

    def write(tracks: Tracks, **how: Any) -> None:
        if ending == ".shards":
            shutil.rmtree(place, ignore_errors=True)
            with ShardsWriter(place, samples_per_shard=3) as out:
                out.add(tracks)
                out.finish(sample_provenance())
        else:
            lapsdata.write(place, tracks, overwrite=True, **how)

    write(ONE)
    saved, before = state_of(place), open_windows(place).fingerprint
    write(ONE)
    assert open_windows(place).fingerprint == before
    write(changed(ONE, kind), **({"profile": "compact"} if kind == "profile" else {}))
    loader = Loader(open_windows(place), batch_size=2, shuffle="global", workers=0)
    with pytest.raises(SchemaError, match=r"fingerprint: expected .* as this loader's source says, got .*belongs to"):
        loader.load_state_dict(saved)


def test_a_fingerprint_is_no_matter_of_place_date_or_process(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    windows = open_windows(h5(tmp_path / "old"))
    shutil.copytree(tmp_path / "old", tmp_path / "new", copy_function=shutil.copyfile)
    moved = open_windows(tmp_path / "new")
    assert moved.fingerprint == windows.fingerprint
    assert pickle.loads(pickle.dumps(windows)).fingerprint == windows.fingerprint
    assert pickle.loads(pickle.dumps(windows))._items._found == ()


def test_the_values_of_files_of_others_are_told_by_their_list_of_checksums(tmp_path: Path) -> None:
    place = tmp_path / "plain.h5"

    def fingerprint(*, sealed: bool, value: float) -> str:
        with h5py.File(place, "w") as file:
            file["root/default/tracks"] = np.full((4, 3, 2, 2), value, np.float32)
            file["root/default/vis"] = np.ones((4, 3, 2), bool)
        if sealed:
            assert check_integrity([place], seal=True, force=True).problems == []
            return open_windows(place).fingerprint
        with pytest.warns(LapsWarning, match="hold no checksums"):
            return open_windows(place).fingerprint

    # Without one nothing is known of them, and the docstring says so.
    assert fingerprint(sealed=False, value=0) == fingerprint(sealed=False, value=1)
    assert fingerprint(sealed=True, value=0) != fingerprint(sealed=True, value=1)


def test_a_loader_delivers_each_window_once(tmp_path: Path) -> None:
    windows = open_windows(mixed(tmp_path))
    with Loader(windows, batch_size=5, shuffle="global", seed=3) as loader:
        for _ in range(2):
            ids, tracks = [], []
            for batch in loader:
                ids.append(batch["id"][batch["valid"]])
                tracks.append(batch["tracks"][batch["valid"]])
            order = np.concatenate(ids)
            assert sorted(order) == list(range(12))
            np.testing.assert_array_equal(np.concatenate(tracks), expected("tracks")[order])


@pytest.mark.parametrize("kind", ["files", "sequences", "shards", "stream", "mixture", "subset"])
def test_a_loader_gives_every_field_that_gather_gives(tmp_path: Path, kind: str) -> None:
    place = shards(tmp_path) if kind in ("shards", "stream") else h5(tmp_path)
    source: Any = open_stream(place) if kind == "stream" else open_windows(place)
    if kind == "sequences":
        source = open_windows(place, offsets=(0, 1))
    elif kind == "subset":
        source = source.subset(ids=np.arange(12)[::-1])
    fields = [*source.fields, *(["pad"] if kind == "sequences" else [])]
    assert {"step_s", "end_s"} < set(fields)
    source = Mixture({"a": source}) if kind == "mixture" else source
    expected = source.gather(np.arange(12), fields=fields)
    with Loader(source, batch_size=12, fields=fields) as loader:
        (batch,) = loader
    assert set(batch) == {*fields, "id", "valid"} == set(loader.spec)
    for name in fields:
        np.testing.assert_array_equal(batch[name], expected[name])
        assert (batch[name].shape[1:], batch[name].dtype) == (loader.spec[name].shape, loader.spec[name].dtype)
    with pytest.raises(SchemaError, match=r"fields: expected some of \[.*'step_s'.*\], got \['nope'\]"):
        Loader(source, batch_size=4, fields=["tracks", "nope"])


def test_fields_beside_the_usual_ones_have_to_be_alike_in_a_mixture(tmp_path: Path) -> None:
    one = open_windows(h5(tmp_path))
    mixture = Mixture({"a": one, "b": open_windows(tmp_path / "a.h5")})
    batch = mixture.gather([0, 12, 5], fields=["step_s", "source"])
    assert batch["step_s"].shape == (3, 4)
    assert batch["source"].tolist() == [0, 1, 0]


def test_each_window_knows_its_file(tmp_path: Path) -> None:
    for name, count in (("a", 3), ("b", 5), ("c", 2)):
        clip = sample_tracks(windows=count, video=SourceVideo(name=name))
        lapsdata.write(tmp_path / f"{name}.zarr", clip)
    windows = lapsdata.open_windows(tmp_path)
    assert windows.files_of(range(10)).tolist() == [0, 0, 0, 1, 1, 1, 1, 1, 2, 2]
    late = windows.subset(ids=[9, 3, 0, 9])
    assert late.files_of([0, 1, 2, 3]).tolist() == [2, 1, 0, 2]
    assert [windows.headers[file].video.name for file in windows.files_of([2, 3])] == ["a", "b"]  # type: ignore[union-attr]
    with pytest.raises(IndexError, match="ids"):
        late.files_of([4])
