"""The parts of editing LeRobot sets, each by itself: episodes, names, rows, videos of version 3 joined again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import hypothesis.strategies as st
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given

from lapsdata.adapters import EpisodesEdit
from lapsdata.adapters.lerobot import PLUGIN
from lapsdata.adapters.lerobot._edit_choice import chosen_episodes
from lapsdata.adapters.lerobot._edit_names import names_of
from lapsdata.adapters.lerobot._edit_rows import edited_tables, task_columns
from lapsdata.adapters.lerobot._out_videos import VideoCounts, join_videos
from lapsdata.adapters.lerobot.reading import read_set
from lapsdata.testing.episode_sets import CAMERA, write_lerobot

if TYPE_CHECKING:
    from pathlib import Path

VERSIONS = ("v2.0", "v2.1", "v3.0")
NOTHING = names_of(EpisodesEdit(), [])


def same(table: pa.Table, where: str) -> pa.Table:
    """Change no number of an episode."""
    return table


@given(st.sets(st.integers(0, 30), min_size=1), st.data())
def test_numbers_and_spans_keep_what_they_name(numbers: set[int], data: st.DataObject) -> None:
    there = sorted(numbers)
    singles = data.draw(st.lists(st.sampled_from(there), min_size=1))
    low = data.draw(st.sampled_from(there))
    high = data.draw(st.integers(low + 1, there[-1] + 1))
    said = ", ".join([*map(str, singles), f"{low}:{high}"])
    wanted = [number in singles or low <= number < high for number in there]
    assert chosen_episodes(EpisodesEdit(episodes=said), np.array(there)).tolist() == wanted
    if not all(wanted):
        left_out = chosen_episodes(EpisodesEdit(without_episodes=said), np.array(there))
        assert left_out.tolist() == [not kept for kept in wanted]


def test_open_spans_reach_to_the_ends() -> None:
    numbers = np.array([2, 3, 7, 9])
    for said, wanted in ((":7", [2, 3]), ("7:", [7, 9]), (":", [2, 3, 7, 9]), (" 2 , 9 ", [2, 9]), ("02", [2])):
        assert numbers[chosen_episodes(EpisodesEdit(episodes=said), numbers)].tolist() == wanted


@pytest.mark.parametrize("version", VERSIONS)
def test_a_set_of_some_episodes_says_of_each_what_it_said(tmp_path: Path, version: str) -> None:
    found = read_set(write_lerobot(tmp_path / "a", version=version, lengths=(4, 6, 5), videos=True))
    fewer = found.only(np.array([True, False, True])).episodes
    assert fewer.number.tolist() == [0, 2]
    assert fewer.rows.tolist() == [4, 5]
    assert [fewer.tasks_of(place).tolist() for place in range(2)] == [[0], [0]]
    for place, number in enumerate((0, 2)):
        assert fewer.files[fewer.file_index[place]] == found.episodes.files[found.episodes.file_index[number]]
        assert fewer.first_row[place] == found.episodes.first_row[number]
        assert fewer.video_index[CAMERA][place] == found.episodes.video_index[CAMERA][number]
        assert fewer.video_start_s[CAMERA][place] == found.episodes.video_start_s[CAMERA][number]


def test_tables_that_no_name_is_changed_in_are_the_same_object() -> None:
    table = pa.table({"a": [1], "b": [2]}).replace_schema_metadata({b"pandas": b"{}"})
    names = names_of(EpisodesEdit(drop=("c",)), [["c"]])
    assert names.table(table) is table
    changed = names_of(EpisodesEdit(rename={"a": "b", "b": "a"}), [["a", "b"]]).table(table)
    assert changed.to_pydict() == {"b": [1], "a": [2]}
    assert changed.schema.metadata is None


def test_parts_are_found_by_what_they_stand_for_where_they_do_not_say_it() -> None:
    columns = ["observation.state", "action", "observation.images.ego", "annotation.human.validity"]
    told = {
        "state": {"arm": {"start": 0, "end": 1}},
        "action": {"arm": {"start": 0, "end": 1, "original_key": "other"}},
        "video": {"ego": {}},
        "annotation": {"human.validity": {}},
    }
    for column, gone in zip(columns, ("state.arm", None, "video.ego", "annotation.human.validity"), strict=True):
        after, lost = names_of(EpisodesEdit(drop=(column,)), [columns]).modality(told)
        assert lost == ([] if gone is None else [gone])
        assert sum(map(len, after.values())) == 4 - len(lost)
        after, lost = names_of(EpisodesEdit(rename={column: "new"}), [columns]).modality(told)
        assert lost == []
        renamed = [one for part in after.values() for one in part.values() if one.get("original_key") == "new"]
        assert len(renamed) == (gone is not None)


def test_rows_are_numbered_on_over_all_sets_and_keep_their_types(tmp_path: Path) -> None:
    sets = [read_set(write_lerobot(tmp_path / version, version=version, lengths=(2, 3))) for version in VERSIONS]
    assert task_columns(sets[0]) == ("task_index",)
    tables = list(edited_tables(sets, NOTHING, [{0: 0, 1: 1}, {0: 1, 1: 0}, {0: 5, 1: 6}], [same] * 3))
    assert [len(table) for table in tables] == [2, 3] * 3
    every = pa.concat_tables(tables)
    assert every.column("index").to_pylist() == list(range(15))
    assert every.column("episode_index").to_pylist() == np.repeat(np.arange(6), [2, 3] * 3).tolist()
    numbers = [0, 0, 1, 1, 1, 1, 1, 0, 0, 0, 5, 5, 6, 6, 6]
    assert every.column("task_index").to_pylist() == numbers
    assert {name: every.schema.field(name).type for name in ("index", "task_index")} == {
        "index": pa.int64(), "task_index": pa.int64(),
    }  # fmt: skip


@pytest.mark.parametrize(("limit", "files"), [(1e9, 1), (1, 2)])
def test_whole_files_of_version_3_are_joined_up_to_a_size(tmp_path: Path, limit: float, files: int) -> None:
    found = read_set(write_lerobot(tmp_path / "a", version="v3.0", lengths=(2, 3, 4, 2), videos=True))
    (tmp_path / "b").mkdir()
    counts = VideoCounts()
    places = join_videos(tmp_path / "b", found, CAMERA, 1000, limit, counts, {})
    key = f"videos/{CAMERA}"
    assert [place[f"{key}/file_index"] for place in places] == ([0] * 4 if files == 1 else [0, 0, 0, 1])
    begins = [0, 0.2, 0.5, 0.9 if files == 1 else 0]
    np.testing.assert_allclose([float(place[f"{key}/from_timestamp"] or 0) for place in places], begins, atol=1e-6)
    ends = [0.2, 0.5, 0.9, 1.1 if files == 1 else 0.2]
    np.testing.assert_allclose([float(place[f"{key}/to_timestamp"] or 0) for place in places], ends, atol=1e-6)
    assert (counts.whole, counts.packets, counts.encoded) == ((0, 2, set()) if files == 1 else (2, 0, set()))
    assert len(list((tmp_path / "b").rglob("*.mp4"))) == files


def test_what_is_edited_stays_of_its_version(tmp_path: Path) -> None:
    assert PLUGIN.writer is not None
    assert PLUGIN.writer.own is not None
    for version in VERSIONS:
        assert PLUGIN.writer.own(write_lerobot(tmp_path / version, version=version)) == f"lerobot-{version[1:]}"
