"""Rows of episodes: whatever files and groups they lie in, from any thread and process, of the types that are said."""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.adapters.robomimic import read as read_robomimic
from lapsdata.containers import Episodes
from lapsdata.errors import CorruptDataError, LapsError, SchemaError, StorageError, UnknownFormatError
from lapsdata.schema import EpisodesHeader, Feature
from lapsdata.storage.episode_rows import EpisodeRows
from lapsdata.storage.parquet_rows import ParquetRows
from lapsdata.testing.demo_files import write_robomimic
from lapsdata.testing.samples import sample_provenance
from lapsdata.timebase import FrameRate

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

LENGTHS = (4, 6, 5, 3)
FILES = ("a.parquet", "b.parquet")
WHOLE = {
    "state": np.arange(36, dtype=np.float32).reshape(18, 2),
    "done": np.arange(18) % 5 == 0,
    "task": np.arange(18) // 7,
}
NAMES = tuple(WHOLE)


def described(**changes: Any) -> Episodes:
    """Return four episodes in two files, the second of each behind the first, and one file is not in order."""
    header = EpisodesHeader(
        provenance=sample_provenance(),
        rate=FrameRate(10),
        store="parquet",
        features=(
            Feature(name="state", dtype="float32", shape=(2,)),
            Feature(name="done", dtype="bool", shape=()),
            Feature(name="task", dtype="int64", shape=()),
            Feature(name="words", dtype="text", shape=()),
        ),
    )
    made = Episodes(
        header,
        number=np.arange(4),
        rows=np.array(LENGTHS),
        files=FILES,
        file_index=np.array([0, 0, 1, 1]),
        first_row=np.array([0, 4, 3, 0]),
        groups=None,
        task_number=np.empty(0, np.int64),
        task_stop=np.zeros(4, np.int64),
    )
    return dataclasses.replace(made, **changes)


def truth(place: int, name: str) -> NDArray[Any]:
    """Return the rows of an episode: of the second file, the second episode stands first."""
    begin = (0, 4, 13, 10)[place]
    return WHOLE[name][begin : begin + LENGTHS[place]]


def write(path: Path, rows: slice, per_group: int, **columns: pa.Array) -> None:
    table = {
        "state": pa.FixedSizeListArray.from_arrays(pa.array(WHOLE["state"][rows].reshape(-1)), 2),
        "done": pa.array(WHOLE["done"][rows]),
        "task": pa.array([[int(one)] for one in WHOLE["task"][rows]]),
        "words": pa.array([f"row {row}" for row in range(18)][rows]),
    }
    pq.write_table(pa.table(table | columns), path, row_group_size=per_group)


@pytest.fixture(scope="module", params=[1, 3, 4, 100])
def root(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(f"groups_of_{request.param}")
    write(folder / FILES[0], slice(0, 10), request.param)
    write(folder / FILES[1], slice(10, 18), request.param)
    return folder


def expect_all(rows: EpisodeRows, names: Sequence[str] = NAMES) -> None:
    for place in range(4):
        found = rows.read(place, names)
        assert list(found) == list(names)
        for name in names:
            np.testing.assert_array_equal(found[name], truth(place, name))
            assert found[name].dtype == WHOLE[name].dtype


@pytest.mark.parametrize("cache_bytes", [0, 100, 1 << 20])
def test_every_episode_in_groups_of_any_length(root: Path, cache_bytes: int) -> None:
    rows = EpisodeRows(root, described(), cache_bytes)
    expect_all(rows)
    expect_all(rows, ("task", "state"))


@given(data=st.data())
def test_any_part_of_an_episode(root: Path, data: st.DataObject) -> None:
    rows = EpisodeRows(root, described())
    place = data.draw(st.integers(0, 3))
    first = data.draw(st.integers(0, LENGTHS[place]))
    stop = data.draw(st.integers(first, LENGTHS[place]))
    found = rows.read(place, ["state"], first, stop)["state"]
    assert found.shape == (stop - first, 2)
    np.testing.assert_array_equal(found, truth(place, "state")[first:stop])
    begin = (0, 4, 13, 10)[place]
    assert rows.values(place, "words", first, stop) == [f"row {row}" for row in range(begin + first, begin + stop)]


@pytest.mark.parametrize(("first", "stop"), [(-1, 2), (3, 2), (0, 7), (7, 7)])
def test_rows_beyond_the_episode_are_no_rows_of_the_next(root: Path, first: int, stop: int) -> None:
    with pytest.raises(IndexError, match=f"episode 1: expected rows within 0 to 6, got {first} to {stop}"):
        EpisodeRows(root, described()).read(1, ["state"], first, stop)


def test_what_is_kept_is_read_once_and_cannot_be_changed(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[tuple[str, ...]] = []
    plain = ParquetRows.read

    def counted(self: ParquetRows, group: int, names: Sequence[str]) -> dict[str, NDArray[Any]]:
        reads.append(tuple(names))
        return plain(self, group, names)

    monkeypatch.setattr(ParquetRows, "read", counted)
    rows = EpisodeRows(root, described())
    first = rows.read(0, ["state"], 0, 1)["state"]
    again = rows.read(0, ["state", "done"], 0, 1)["state"]
    assert reads == [("state",), ("done",)]
    assert np.shares_memory(first, again)
    with pytest.raises(ValueError, match="read-only"):
        first[0] = 1


# --- threads and processes --------------------------------------------------------------------------------------


def test_from_many_threads_with_little_memory(root: Path) -> None:
    rows = EpisodeRows(root, described(), cache_bytes=64)

    def one(turn: int) -> bool:
        place = turn % 4
        return bool((rows.read(place, ["state"])["state"] == truth(place, "state")).all())

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(one, range(200)))


def test_it_can_be_sent_to_another_process(root: Path) -> None:
    rows = EpisodeRows(root, described())
    expect_all(rows)
    sent = pickle.dumps(rows)
    assert len(sent) < len(pickle.dumps(described())) + 1000, "what is kept is not sent"
    expect_all(pickle.loads(sent))


def test_a_forked_process_opens_files_of_its_own(root: Path) -> None:
    rows = EpisodeRows(root, described())
    expect_all(rows)
    context = multiprocessing.get_context("fork")
    answers = context.SimpleQueue()

    def child() -> None:
        expect_all(rows)
        answers.put(os.getpid())

    forked = context.Process(target=child)
    forked.start()
    forked.join(60)
    assert (forked.exitcode, answers.empty()) == (0, False)
    assert answers.get() == forked.pid
    expect_all(rows)


# --- what does not fit ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (pa.array(WHOLE["state"][10:].astype(np.float64).tolist()), r"as the data set says, got float64 \(2,\)"),
        (pa.array(WHOLE["state"][10:, :1].tolist(), pa.list_(pa.float32())), r"got float32 \(1,\)"),
        (pa.array(WHOLE["state"][10:, 0]), r"expected float32 \(2,\) in a row, as the data set says, got float32 \(\)"),
        (pa.array([[1.0, 2.0]] * 7 + [[1.0]], pa.list_(pa.float32())), "expected lists of one length, got lengths"),
        (pa.array(["a"] * 8), "expected numbers, got string"),
    ],
    ids=["dtype", "shape", "numbers", "lengths", "texts"],
)  # fmt: skip
def test_a_later_file_of_another_type_is_named(tmp_path: Path, column: pa.Array, message: str) -> None:
    write(tmp_path / FILES[0], slice(0, 10), 4)
    write(tmp_path / FILES[1], slice(10, 18), 100, state=column)
    rows = EpisodeRows(tmp_path, described())
    np.testing.assert_array_equal(rows.read(1, ["state"])["state"], truth(1, "state"))
    with pytest.raises(SchemaError, match=rf"b\.parquet: state: .*{message}"):
        rows.read(2, ["state"])
    np.testing.assert_array_equal(rows.read(2, ["done"])["done"], truth(2, "done"))


def test_a_column_that_a_later_file_lacks(tmp_path: Path) -> None:
    write(tmp_path / FILES[0], slice(0, 10), 4)
    pq.write_table(pa.table({"done": WHOLE["done"][10:]}), tmp_path / FILES[1])
    with pytest.raises(SchemaError, match=r"b\.parquet: expected the columns state, got done"):
        EpisodeRows(tmp_path, described()).read(3, ["state", "done"])


def test_too_few_rows_are_told_with_the_episode(tmp_path: Path) -> None:
    write(tmp_path / FILES[0], slice(0, 10), 4)
    write(tmp_path / FILES[1], slice(10, 17), 4)
    rows = EpisodeRows(tmp_path, described())
    np.testing.assert_array_equal(rows.read(3, ["done"])["done"], truth(3, "done"))
    with pytest.raises(
        CorruptDataError, match=r"b\.parquet: episode 2: expected rows 3 to 8, got a file of 7"
    ) as caught:
        rows.read(2, ["done"], 0, 1)
    assert caught.value.problems[0].code == "too-few-rows"


@pytest.mark.parametrize(
    ("data", "kind", "code"),
    [
        (b"version https://git-lfs.github.com/spec/v1\n", UnknownFormatError, "git-lfs-pointer"),
        (b"", UnknownFormatError, "not-parquet"),
        (b"PAR1cut", CorruptDataError, "truncated-data"),
        (None, StorageError, "not-found"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_when_it_is_asked_for(
    tmp_path: Path, data: bytes | None, kind: type[LapsError], code: str
) -> None:
    write(tmp_path / FILES[0], slice(0, 10), 4)
    if data is not None:
        (tmp_path / FILES[1]).write_bytes(data)
    rows = EpisodeRows(tmp_path, described())
    np.testing.assert_array_equal(rows.read(0, ["done"])["done"], truth(0, "done"))
    with pytest.raises(kind, match=r"b\.parquet") as caught:
        rows.read(2, ["done"])
    assert [problem.code for problem in caught.value.problems] == [code]


def test_what_is_left_as_a_context_is_closed_and_opens_again(tmp_path: Path) -> None:
    path = write_robomimic(tmp_path / "demo.hdf5")
    episodes: Any = read_robomimic(path).container
    with EpisodeRows(tmp_path, episodes) as rows:
        before = rows.read(0, ["actions"])["actions"]
        with pytest.raises(OSError, match="already open"):
            h5py.File(path, "r+")
    with h5py.File(path, "r+") as file:
        file["data/demo_0/actions"][:] = 9
    after = rows.read(0, ["actions"])["actions"]
    assert before.max() < 9
    assert after.min() == 9
