"""Tables of motion as people have them: what is read, what is chosen, and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.errors import SchemaError, StorageError
from lapsdata.stages._motion_table import read_motion

if TYPE_CHECKING:
    from pathlib import Path

STATE = [[float(row), row + 0.25, row + 0.5] for row in range(5)]


@pytest.fixture
def parquet(tmp_path: Path) -> Path:
    """Return a table as robots' data sets have it: lists, a scalar, and columns that are no numbers."""
    columns = {
        "video": ["a", "a", "a", "b", "b"],
        "time_s": [0.0, 0.1, 0.2, 0.0, 0.1],
        "observation.state": STATE,
        "fixed": pa.array(STATE, pa.list_(pa.float32(), 3)),
        "speed": pa.array([1.0, None, 3.0, 4.0, float("inf")], pa.float32()),
        "count": [1, 2, 3, 4, 5],
        "done": [False, True, False, True, False],
        "task": ["pick"] * 5,
    }
    pq.write_table(pa.table(columns), tmp_path / "motion.parquet")
    return tmp_path / "motion.parquet"


def test_lists_are_as_many_quantities(parquet: Path) -> None:
    found = read_motion(parquet, ["observation.state", "count"])
    assert found.names == ("observation.state[0]", "observation.state[1]", "observation.state[2]", "count")
    np.testing.assert_array_equal(found.videos["a"].value, [[0, 0.25, 0.5, 1], [1, 1.25, 1.5, 2], [2, 2.25, 2.5, 3]])
    np.testing.assert_array_equal(found.videos["b"].time_s, [0, 0.1])


@pytest.mark.parametrize(
    ("columns", "names"),
    [
        (["observation.state[1]"], ("observation.state[1]",)),
        (["observation.state[1:3]"], ("observation.state[1]", "observation.state[2]")),
        (["fixed[0:1]", "speed"], ("fixed[0]", "speed")),
    ],
)
def test_parts_of_lists_are_chosen(parquet: Path, columns: list[str], names: tuple[str, ...]) -> None:
    assert read_motion(parquet, columns).names == names


def test_what_is_not_finite_is_not_there(parquet: Path) -> None:
    found = read_motion(parquet, ["speed"])
    assert np.isnan(found.videos["a"].value[:, 0]).tolist() == [False, True, False]
    assert np.isnan(found.videos["b"].value[:, 0]).tolist() == [False, True]


def test_text_says_the_same_as_parquet(parquet: Path, tmp_path: Path) -> None:
    rows = ["\ufeffvideo, time_s, speed,count", "b,0.0,4,4", "a,0.0,1,1", "a,0.1,,2", "a,0.2,3,3", "b,0.1,inf,5", ""]
    (tmp_path / "motion.csv").write_text("\n".join(rows), encoding="utf-8")
    text, table = read_motion(tmp_path / "motion.csv"), read_motion(parquet, ["speed", "count"])
    assert text.names == table.names
    assert text.digest == table.digest
    assert text.digest != read_motion(parquet, ["count", "speed"]).digest


def test_any_other_value_time_or_name_has_another_digest(tmp_path: Path) -> None:
    digests = set()
    for text in ("a,0,1", "a,0,2", "a,1,1", "b,0,1"):
        (tmp_path / "m.csv").write_text(f"video,time_s,x\n{text}\n")
        digests.add(read_motion(tmp_path / "m.csv").digest)
    assert len(digests) == 4


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ([], "done: expected numbers, got others"),
        (["task"], "task: expected numbers, got others"),
        (["observation.stat"], "expected one of .*got 'observation.stat'"),
        (["observation.state[3]"], r"expected a part of 3 numbers, got 'observation.state\[3\]'"),
        (["observation.state", "observation.state[2]"], "expected each column once"),
        (["video"], "got 'video'"),
    ],
)
def test_columns_that_are_none_are_refused(parquet: Path, columns: list[str], message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        read_motion(parquet, columns)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("video,seconds,x\na,0,1\n", "expected the columns video, time_s and quantities"),
        ("video,time_s\na,0\n", "expected a column beside video and time_s"),
        ("video,time_s,x\n", "expected rows, got none"),
        ("", "expected the columns video, time_s"),
        ("video,time_s,x\na,0,one\n", "x: expected numbers, got others"),
        (
            "video,time_s,x\na,0,1\na,0,2\n",
            r"time_s: a: expected finite seconds that rise within a video, got 0.0 in row 1",
        ),
        ("video,time_s,x\na,0,1\nb,5,2\na,,2\n", "time_s: a: expected finite seconds .* got nan in row 2"),
        ("video,time_s,x\n,0,1\n", "expected the name of a video in each row"),
        ("video,time_s,x\na,0\n", "line 2: expected 3 values in each line"),
        ("video,time_s,x,x\na,0,1,2\n", "expected each column once"),
    ],
)
def test_tables_of_another_kind_are_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "m.csv").write_text(text)
    with pytest.raises(SchemaError, match=message):
        read_motion(tmp_path / "m.csv")


@pytest.mark.parametrize("lists", [[[1.0], [1.0, 2.0]], [[1.0, 2.0], None]])
def test_lists_of_several_lengths_are_refused_and_absent_ones_are_not_there(tmp_path: Path, lists: Any) -> None:
    pq.write_table(pa.table({"video": ["a", "a"], "time_s": [0.0, 1.0], "x": lists}), tmp_path / "m.parquet")
    if None in lists:
        assert np.isnan(read_motion(tmp_path / "m.parquet").videos["a"].value[1]).all()
        return
    with pytest.raises(SchemaError, match="x: expected lists of one length"):
        read_motion(tmp_path / "m.parquet")


def test_what_is_no_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.parquet").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(SchemaError, match="expected a table in Parquet or CSV"):
        read_motion(tmp_path / "m.parquet")
    with pytest.raises(StorageError, match="no such file"):
        read_motion(tmp_path / "nowhere.parquet")


@given(
    st.lists(
        st.tuples(st.sampled_from(["a", "b", "long name"]), st.integers(0, 50), st.floats(-1e6, 1e6)),
        min_size=1,
        max_size=20,
        unique_by=lambda row: row[:2],
    ),
    st.randoms(use_true_random=False),
)
def test_rows_of_videos_may_be_mixed_and_say_the_same(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, int, float]], random: Any
) -> None:
    """Only within a video must time rise."""
    folder = tmp_path_factory.mktemp("tables")
    ordered = sorted(rows)
    videos = sorted({video for video, _, _ in rows})
    queues = {video: [row for row in ordered if row[0] == video] for video in videos}
    mixed = []
    while any(queues.values()):
        mixed.append(queues[random.choice([video for video in videos if queues[video]])].pop(0))
    digests = set()
    for name, some in {"ordered": ordered, "mixed": mixed}.items():
        lines = ["video,time_s,x", *(f"{video},{at},{value!r}" for video, at, value in some)]
        (folder / f"{name}.csv").write_text("\n".join(lines))
        columns = {"video": [row[0] for row in some], "time_s": [row[1] for row in some], "x": [row[2] for row in some]}
        pq.write_table(pa.table(columns), folder / f"{name}.parquet")
        for ending in ("csv", "parquet"):
            found = read_motion(folder / f"{name}.{ending}")
            assert list(found.videos) == videos
            for video in videos:
                expected = [value for of, _, value in ordered if of == video]
                np.testing.assert_array_equal(found.videos[video].value[:, 0], expected)
            digests.add(found.digest)
    assert len(digests) == 1


def test_columns_of_pictures_and_texts_are_not_read_where_others_are_chosen(tmp_path: Path) -> None:
    columns = {"video": ["a"], "time_s": [0.0], "x": [1.5], "image": [b"\x89PNG"], "parts": [{"deep": 1}]}
    pq.write_table(pa.table(columns), tmp_path / "m.parquet")
    assert read_motion(tmp_path / "m.parquet", ["x"]).videos["a"].value.tolist() == [[1.5]]
    with pytest.raises(SchemaError, match="image: expected numbers, got others"):
        read_motion(tmp_path / "m.parquet")
