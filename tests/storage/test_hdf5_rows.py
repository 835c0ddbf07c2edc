"""Rows of episodes in HDF5: equal to plain reads of h5py, only what is asked for, in any thread and process."""

from __future__ import annotations

import multiprocessing
import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.adapters import find_adapter
from lapsdata.errors import CorruptDataError, SchemaError
from lapsdata.storage import hdf5_ladder, hdf5_rows
from lapsdata.storage.episode_rows import EpisodeRows
from lapsdata.storage.hdf5_columns import group_columns
from lapsdata.storage.hdf5_file import Hdf5File
from lapsdata.storage.hdf5_rows import Hdf5Rows
from lapsdata.testing.demo_files import drawn_jpeg, write_act, write_robomimic
from lapsdata.testing.episode_sets import drawn_frame, episode_rows

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STATE = "obs/joint_pos"


@pytest.fixture
def demo(tmp_path: Path) -> Path:
    return write_robomimic(tmp_path / "demo.hdf5", images=True)


@pytest.fixture
def odd(tmp_path: Path) -> Iterator[h5py.File]:
    with h5py.File(tmp_path / "odd.hdf5", "w") as file:
        yield file


def rows_of(path: Path) -> EpisodeRows:
    known = find_adapter(path)
    assert known is not None
    episodes: Any = known[0].read(path, rate=10).container
    return EpisodeRows(path if path.is_dir() else path.parent, episodes)


# --- numbers ----------------------------------------------------------------------------------------------------


@given(place=st.integers(0, 2), data=st.data())
def test_any_rows_are_those_of_h5py(place: int, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = write_robomimic(tmp_path_factory.mktemp("demo") / "demo.hdf5")
    rows = rows_of(path)
    length = (4, 6, 5)[place]
    first = data.draw(st.integers(0, length))
    stop = data.draw(st.integers(first, length))
    found = rows.read(place, ["actions", STATE, "rewards", "dones"], first, stop)
    with h5py.File(path) as file:
        for name, array in found.items():
            stored = file[f"data/demo_{place}/{name}"]
            assert array.dtype == stored.dtype
            assert array.tolist() == stored[first:stop].tolist()


@pytest.mark.parametrize("slab", [1, 30, 1 << 20])
def test_wide_rows_are_read_in_parts(slab: int, demo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hdf5_rows, "_SLAB_BYTES", slab)
    rows = rows_of(demo)
    wanted = episode_rows((4, 6, 5))[1].columns["observation.state"]
    assert rows.read(1, [STATE])[STATE].tolist() == wanted.tolist()
    assert rows.read(1, [STATE], 2, 5)[STATE].tolist() == wanted[2:5].tolist()
    assert [frame[0, 0, 0] for frame in rows.values(1, "obs/top_image", 1, 5)] == [
        drawn_frame(1, row)[0, 0, 0] for row in range(1, 5)
    ]
    assert len(rows.values(1, "obs/top_image")) == 6


def test_bounds_follow_the_widest_column() -> None:
    def never() -> Hdf5File:
        raise AssertionError("nothing is opened before it is read")

    assert Hdf5Rows(never, "/", 5, row_bytes=1 << 30).bounds.tolist() == [0, 1, 2, 3, 4, 5]
    assert Hdf5Rows(never, "/", 5, row_bytes=0).bounds.tolist() == [0, 5]
    assert len(Hdf5Rows(never, "/", 5)) == 5


def test_a_row_of_pixels_does_not_read_the_others(demo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows, asked = rows_of(demo), []
    plain = Hdf5File.read

    def counted(self: Hdf5File, name: str, rows: slice | None = None) -> Any:
        asked.append((name, rows))
        return plain(self, name, rows)

    monkeypatch.setattr(Hdf5File, "read", counted)
    (frame,) = rows.values(2, "obs/top_image", 3, 4)
    assert np.array_equal(frame, drawn_frame(2, 3))
    assert asked == [("data/demo_2/obs/top_image", slice(3, 4))]


def test_bytes_of_images_end_where_the_image_does(tmp_path: Path) -> None:
    rows = rows_of(write_act(tmp_path / "set", compress=True))
    found = rows.values(1, "observations/images/top", 2, 4)
    assert found == [drawn_jpeg(drawn_frame(1, row)) for row in (2, 3)]


def test_strings_are_texts_where_they_are_said_to_be(odd: h5py.File) -> None:
    odd["a/fixed"] = np.array([b"pick", b"", b"place"])
    odd["a/long"] = np.array(["pick", "Ä", ""], dtype=h5py.string_dtype())
    images = odd.create_dataset("a/own", (3,), h5py.vlen_dtype(np.uint8))
    images[0], images[2] = np.array([255, 216, 0], np.uint8), np.array([1], np.uint8)
    odd["a/wrong"] = np.array([b"\xff", b"", b""])
    odd.flush()
    with Hdf5File(odd.filename) as file:
        rows = Hdf5Rows(lambda: file, "a", 3, texts=frozenset({"fixed", "long", "wrong"}))
        assert rows.values(0, "fixed") == ["pick", "", "place"]
        assert rows.values(0, "long", 1) == ["Ä", ""]
        assert rows.values(0, "own") == [b"\xff\xd8\0", b"", b"\1"]
        assert Hdf5Rows(lambda: file, "a", 3).values(0, "fixed", 0, 1) == [b"pick"]
        with pytest.raises(CorruptDataError, match=r"a/wrong: expected text in UTF-8, got b'\\xff'"):
            rows.values(0, "wrong")
        with pytest.raises(SchemaError, match="a/long: expected numbers, got texts"):
            rows.read(0, ["long"])
        with pytest.raises(SchemaError, match="a/own: expected numbers, got object"):
            rows.read(0, ["own"])


@pytest.mark.parametrize("broken", [("h5py",), ("h5py", "read_direct"), ("h5py", "read_direct", "memory_type")])
def test_rows_and_pixels_are_the_same_where_h5py_fails(
    broken: tuple[str, ...], demo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As under a mixed NumPy install, where floats have `insufficient precision`."""

    def refuse(*_: object) -> None:
        raise ValueError("Insufficient precision in available types to represent (63, 52, 11, 0, 52)")

    whole = rows_of(demo)
    names = ["actions", STATE, "rewards", "dones"]
    wanted: list[Any] = [whole.read(1, names), whole.values(1, "obs/top_image", 2, 4)]
    rows = rows_of(demo)
    for rung in broken:
        monkeypatch.setitem(hdf5_ladder._READERS, rung, refuse)
    found: list[Any] = [rows.read(1, names), rows.values(1, "obs/top_image", 2, 4)]
    for name in names:
        assert found[0][name].dtype == wanted[0][name].dtype
        assert found[0][name].tolist() == wanted[0][name].tolist()
    assert np.array_equal(found[1], wanted[1])


@pytest.mark.parametrize("options", [{"compression": "gzip"}, {"chunks": (2, 48, 64, 3)}, {"fletcher32": True}])
def test_pixels_may_be_stored_in_chunks(options: dict[str, Any], tmp_path: Path) -> None:
    path = write_robomimic(tmp_path / "demo.hdf5")
    frames = np.stack([drawn_frame(0, row) for row in range(4)])
    with h5py.File(path, "r+") as file:
        for number, length in enumerate((4, 6, 5)):
            stored = np.resize(frames, (length, 48, 64, 3))
            file.create_dataset(f"data/demo_{number}/obs/top_image", data=stored, **options)
    rows = rows_of(path)
    for row in (3, 0, 2):
        assert np.array_equal(rows.values(0, "obs/top_image", row, row + 1), frames[row : row + 1])


# --- faults -----------------------------------------------------------------------------------------------------


def test_a_column_that_was_changed_since_is_named(demo: Path) -> None:
    rows = rows_of(demo)
    with h5py.File(demo, "r+") as file:
        del file["data/demo_0/actions"], file["data/demo_1/actions"], file["data/demo_2/actions"]
        file["data/demo_0/actions"] = np.zeros((9, 3), np.float32)
        file["data/demo_1/actions"] = np.float32(1)
    with pytest.raises(CorruptDataError, match="demo_0/actions: expected 4 rows, got 9 rows; the file was changed"):
        rows.read(0, ["actions"])
    with pytest.raises(CorruptDataError, match="demo_1/actions: expected 6 rows, got a single value"):
        rows.read(1, ["actions"])
    with pytest.raises(SchemaError, match="demo_2/actions: expected a dataset, got none"):
        rows.read(2, ["actions"])
    assert rows.read(0, [STATE])[STATE].shape == (4, 3)


def test_rows_outside_of_an_episode_are_refused(demo: Path) -> None:
    with pytest.raises(IndexError, match="episode 1: expected rows within 0 to 6, got 5 to 7"):
        rows_of(demo).read(1, ["actions"], 5, 7)


# --- threads and processes --------------------------------------------------------------------------------------


def _sums(rows: EpisodeRows) -> list[float]:
    return [float(rows.read(place, [STATE])[STATE].sum()) for place in (0, 1, 2)]


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_worker_reads_what_its_parent_has_open(method: str, demo: Path) -> None:
    rows = rows_of(demo)
    wanted = _sums(rows)
    if method == "spawn":
        rows = pickle.loads(pickle.dumps(rows))
    with multiprocessing.get_context(method).Pool(2) as pool:
        assert pool.map(_sums, [rows] * 4) == [wanted] * 4
    assert _sums(rows) == wanted


def test_threads_share_one_open_file(demo: Path) -> None:
    rows = rows_of(demo)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: _sums(rows), range(16)))
    assert found == [_sums(rows)] * 16
    assert len(rows._states.get().containers._held) == 1


def test_files_that_are_let_go_are_opened_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from lapsdata.storage import episode_rows as room

    monkeypatch.setattr(room, "_OPEN_FILES", 1)
    rows = rows_of(write_act(tmp_path / "set"))
    for _ in range(2):
        for place, length in enumerate((4, 6, 5)):
            frames = rows.values(place, "observations/images/top")
            assert [frame[0, 0, 0] for frame in frames] == [drawn_frame(place, row)[0, 0, 0] for row in range(length)]
            assert len(rows._states.get().containers._held) == 1


# --- what stands below a group ----------------------------------------------------------------------------------


def test_each_dataset_is_described_and_a_broken_one_fails_alone(odd: h5py.File) -> None:
    group = odd.create_group("a")
    group["deep/er/x"] = np.zeros((4, 2), ">i2")
    group["flag"] = np.array([True, False])
    group["gone"] = h5py.SoftLink("/nowhere")
    group["nothing"] = h5py.Empty("f4")
    group["reference"] = np.array([group.ref], h5py.ref_dtype)
    group["loop"] = h5py.SoftLink("/a")
    found = group_columns(group, "odd.hdf5: a")
    assert sorted(found) == ["deep/er/x", "flag", "gone", "nothing", "reference"]
    assert (found["deep/er/x"].shape, found["deep/er/x"].dtype) == ((4, 2), np.dtype("i2"))
    assert found["flag"].dtype == np.dtype(bool)
    codes = {name: column.problem.code for name, column in found.items() if column.problem}
    assert codes == {"gone": "broken-link", "nothing": "null-dataspace", "reference": "unsupported-type"}
    assert all(column.problem.where.startswith("odd.hdf5: a") for column in found.values() if column.problem)


def test_members_and_attributes_of_what_is_not_there_are_none(odd: h5py.File) -> None:
    odd["a/x"] = np.zeros(2)
    odd["a"].attrs["word"] = "yes"
    odd.flush()
    with Hdf5File(odd.filename) as file:
        assert (file.members(), file.members("a"), file.members("a/x"), file.members("b")) == (("a",), ("x",), (), ())
        assert (file.attributes("a"), file.attributes("b")) == (("word",), ())
        assert list(file.columns("a")) == ["x"]
