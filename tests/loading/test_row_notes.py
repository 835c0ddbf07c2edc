"""What is told of rows that can be read and should not be trusted: once, when they are read, and never of others."""

from __future__ import annotations

import pickle
import warnings
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import lapsdata
from lapsdata.errors import LapsWarning, SchemaError
from lapsdata.testing.episode_sets import CAMERA, write_lerobot

if TYPE_CHECKING:
    from pathlib import Path

LENGTHS = (4, 6, 5)
NAN, INF = float("nan"), float("inf")


def read_table(path: Path) -> pa.Table:
    """Read a table in this thread; those of Arrow may hold the file a little longer."""
    with pq.ParquetFile(path) as file:
        return file.read(use_threads=False)


def rewritten(path: Path, **columns: Any) -> None:
    """Give columns of an episode other values, as far as they go."""
    table = read_table(path)
    for name, values in columns.items():
        at = table.schema.get_field_index(name)
        array = pa.array(np.asarray(values, np.float32).reshape(-1))
        if np.ndim(values) > 1:
            array = pa.FixedSizeListArray.from_arrays(array, np.shape(values)[1])
        table = table.set_column(at, table.schema.field(at).name, array)
    pq.write_table(table, path)


def rows_of(root: Path, episode: int) -> Path:
    return root / f"data/chunk-000/episode_{episode:06d}.parquet"


def vectors(rows: int, *odd: tuple[int, int, float]) -> np.ndarray:
    found = np.ones((rows, 3), np.float32)
    for row, number, value in odd:
        found[row, number] = value
    return found


def heard(steps: Any, ids: Any, **options: Any) -> list[str]:
    """Read steps, and return what is warned of."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        steps.gather(ids, **options)
    assert all(issubclass(one.category, LapsWarning) for one in seen)
    return [str(one.message) for one in seen]


@pytest.mark.parametrize("version", ["v2.0", "v2.1", "v3.0"])
@pytest.mark.parametrize("start_s", [0.0, 0.05])
def test_nothing_is_told_of_rows_that_are_as_they_should_be(tmp_path: Path, version: str, start_s: float) -> None:
    root = write_lerobot(tmp_path / "set", version=version, lengths=LENGTHS, start_s=start_s)
    steps = lapsdata.open_steps(root, {"action": [-0.1, 0, 0.1]})
    opened = steps.notes
    assert heard(steps, range(15)) == []
    assert steps.notes == opened


@pytest.mark.parametrize(("value", "word"), [(NAN, "nan"), (INF, "inf"), (-INF, "-inf")])
def test_numbers_that_are_not_finite_are_told_once_by_column_and_first_row(
    tmp_path: Path, value: float, word: str
) -> None:
    root = write_lerobot(tmp_path / "set", lengths=LENGTHS)
    rewritten(rows_of(root, 1), action=vectors(6, (2, 1, value), (4, 0, NAN)))
    rewritten(rows_of(root, 2), **{"observation.state": vectors(5, (3, 2, value))})
    steps = lapsdata.open_steps(root)
    assert heard(steps, [0, 1, 4, 10]) == []
    assert heard(steps, [10, 6, 3, 8]) == [
        f"{root}: action: episode 1: row 2: expected finite numbers, got {word}; leave such episodes out "
        "(`episodes=`), or record them again; `lapsdata check` names all [not-finite]"
    ]
    assert heard(steps, [6, 8], fields=["action"]) == []
    (state,) = heard(steps, [12, 13])
    assert f"observation.state: episode 2: row 3: expected finite numbers, got {word}" in state
    assert [text.rpartition("[")[2] for text in steps.notes] == ["not-finite]", "not-finite]"]
    values = steps.gather([6])["action"][0].tolist()
    assert (values[0], values[2], np.isfinite(values[1])) == (1, 1, False)


def test_the_row_is_the_one_that_was_read_around_the_step(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "set", lengths=LENGTHS)
    rewritten(rows_of(root, 1), action=vectors(6, (4, 0, NAN)))
    steps = lapsdata.open_steps(root, {"action": [-0.1, 0, 0.2, 9.9]}, fields=["action"])
    assert heard(steps, [4, 5]) == []
    (told,) = heard(steps, [0, 6])
    assert "action: episode 1: row 4:" in told


def test_parts_and_other_names_of_a_column_are_told_by_the_column(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "set", version="v2.0", lengths=LENGTHS)
    names = '{"action": {"arm": {"start": 0, "end": 2}, "gripper": {"start": 2, "end": 3}}}'
    (root / "meta/modality.json").write_text(names)
    rewritten(rows_of(root, 1), action=vectors(6, (4, 2, NAN)))
    steps = lapsdata.open_steps(root, fields=["action.arm", "action.gripper"])
    assert heard(steps, [8], fields=["action.arm"]) == []
    (told,) = heard(steps, [8])
    assert f"{root}: action: episode 1: row 4: expected finite numbers, got nan" in told


@pytest.mark.parametrize(
    ("times", "message"),
    [
        ([0, 0.1, NAN, 0.3, 0.4, 0.5], "got nan in row 2 after 0.1; leave such episodes out"),
        ([0, 0.1, 0.2, 0.1, 0.4, 0.5], "got 0.1 in row 3 after 0.2; leave such episodes out"),
        ([0, 0, 0, 0, 0, 0], "got 0.0 in row 1 after 0.0 (5 of 6 rows); leave such episodes out"),
    ],
)
@pytest.mark.parametrize("fields", [["action"], ["timestamp"], ["frame_index", "action"]], ids=str)
def test_times_that_do_not_rise_are_told_where_numbers_alone_are_read(
    tmp_path: Path, times: list[float], message: str, fields: list[str]
) -> None:
    root = write_lerobot(tmp_path / "set", lengths=LENGTHS)
    for episode in (1, 2):
        rewritten(rows_of(root, episode), timestamp=times[: LENGTHS[episode]])
    steps = lapsdata.open_steps(root, fields=fields)
    assert heard(steps, [0, 3]) == []
    # Any row of an episode: how times go on is seen of all of them.
    (told,) = heard(steps, [9, 4, 14])
    assert f"{root}: timestamp: episode 1: expected rising seconds, {message}" in told
    assert told.endswith("[times-not-rising]")
    assert heard(steps, range(15)) == []
    assert steps.notes == (told,)


def test_a_rate_that_contradicts_the_times_is_told_once(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "set", lengths=LENGTHS)
    info = root / "meta/info.json"
    info.write_text(info.read_text().replace('"fps": 10.0', '"fps": 20'))
    steps = lapsdata.open_steps(root, {"action": [0, 0.05]}, fields=["action"])
    (told,) = heard(steps, range(15))
    assert "timestamp: episode 0: expected rows 0.05 s apart, as 20 per second says, got 0.1 s: 10 per second" in told
    assert "; correct fps, or resample the rows: times around a row are counted in rows [uneven-times]" in told


def test_frames_tell_their_own_way_of_times_that_do_not_rise(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "set", lengths=LENGTHS, videos=True)
    rewritten(rows_of(root, 1), timestamp=[0.0] * 6)
    steps = lapsdata.open_steps(root)
    with pytest.raises(SchemaError, match="times-not-rising"):
        steps.gather([4])
    assert steps.notes == ()
    (told,) = heard(steps, [4], fields=["action"])
    assert "times-not-rising" in told
    info = root / "meta/info.json"
    info.write_text(info.read_text().replace('"fps": 10.0', '"fps": 20'))
    alone = lapsdata.open_steps(root, fields=[CAMERA])
    (told,) = heard(alone, [0])
    assert "uneven-times" in told


def test_times_that_nobody_asked_for_stop_nothing(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "set", lengths=LENGTHS)
    pq.write_table(read_table(rows_of(root, 1)).drop_columns(["timestamp"]), rows_of(root, 1))
    steps = lapsdata.open_steps(root, fields=["action"])
    for _ in range(2):
        assert steps.gather([4])["action"].tolist() == [[1.5, 0.5, 1.5]]
    assert steps.notes == ()
    with pytest.raises(SchemaError, match="expected the columns timestamp"):
        steps.gather([4], fields=["timestamp"])


def test_each_data_set_and_process_tells_for_itself(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "set", lengths=LENGTHS)
    rewritten(rows_of(root, 1), action=vectors(6, (2, 1, NAN)))
    steps = lapsdata.open_steps(root, fields=["action"])
    assert len(heard(steps, [6])) == 1
    assert len(heard(steps.subset(episodes=[1]), [2])) == 1
    sent = pickle.loads(pickle.dumps(steps))
    assert (heard(sent, [6]), sent.notes) == ([], steps.notes)
    unread = pickle.loads(pickle.dumps(lapsdata.open_steps(root, fields=["action"])))
    assert len(heard(unread, [6])) == 1


def test_rows_of_hdf5_are_looked_at_too(tmp_path: Path) -> None:
    path = tmp_path / "demo.hdf5"
    with h5py.File(path, "w") as file:
        for number in range(2):
            group = file.create_group(f"data/demo_{number}")
            group["actions"] = vectors(4, *([(2, 0, NAN)] if number else []))
            group["obs/eef_pos"] = vectors(4)
            group.attrs["num_samples"] = 4
    steps = lapsdata.open_steps(path, rate="20")
    assert heard(steps, range(4)) == []
    (told,) = heard(steps, range(8))
    assert "actions: episode 1: row 2: expected finite numbers, got nan" in told


def test_opening_reads_no_rows(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "set", lengths=LENGTHS)
    for episode in (1, 2):
        rows_of(root, episode).write_bytes(b"gone")
    assert lapsdata.open_steps(root).notes == ()
