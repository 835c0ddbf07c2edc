"""Columns and cameras under one name, or under a name that samples need: told where the set is opened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import lapsdata
from lapsdata.adapters.lerobot.reading import read_set
from lapsdata.errors import SchemaError
from lapsdata.testing.episode_sets import CAMERA, write_lerobot

if TYPE_CHECKING:
    from pathlib import Path


def with_column(root: Path, name: str, values: list[Any]) -> Path:
    for path in (root / "data").rglob("*.parquet"):
        table = pq.read_table(path)
        pq.write_table(table.append_column(name, pa.array(values[: len(table)])), path)
    return root


def told(root: Path) -> list[tuple[str, str]]:
    return [(note.severity, note.message) for note in read_set(root).notes if note.code == "name-taken"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_lerobot(tmp_path / "set", lengths=(3, 4), videos=True)


def test_a_column_called_like_a_camera_is_told(root: Path) -> None:
    """Regression: the frames took its place without a word."""
    with_column(root, CAMERA, [0.0, 1.0, 2.0, 3.0])
    file = "data/chunk-000/episode_000000.parquet"
    wanted = f"{file} has a column {CAMERA}, and a camera is called so: samples hold its frames, not the numbers"
    assert told(root) == [("warning", wanted)]
    assert any("[name-taken]" in note for note in lapsdata.open_steps(root).notes)
    with pytest.raises(SchemaError, match="a camera is called so"):
        read_set(root, strict=True)


def test_a_column_of_numbers_called_task_is_told(root: Path) -> None:
    with_column(root, "task", [5, 6, 7, 8])
    assert told(root) == [("warning", "in a sample it says the words of the task, not what is stored")]
    steps = lapsdata.open_steps(root)
    # What the note says: words in a sample, and the numbers where a batch is asked for.
    assert steps[0]["task"] == "pick the cube"
    assert steps.gather([1])["task"].tolist() == [6]


@pytest.mark.parametrize(
    ("name", "values"),
    [("task", ["a", "b", "c", "d"]), ("done_is_pad", [1, 0, 1, 0]), ("action_is_null", [1, 0, 1, 0])],
    ids=["text", "of nothing", "of what is always there"],
)
def test_names_that_nothing_in_a_sample_has_are_not_told(root: Path, name: str, values: list[Any]) -> None:
    with_column(root, name, values)
    assert told(root) == []


def test_a_column_called_like_a_mask_is_told_and_refused_where_the_mask_is_asked_for(root: Path) -> None:
    """Regression: the mask took its place once times were asked for."""
    with_column(root, "action_is_pad", [5, 6, 7, 8])
    assert told(root) == [
        ("info", "in a sample it says at which times action has no row where these are asked for"),
    ]
    steps = lapsdata.open_steps(root, {"observation.state": [0, 0.1]})
    assert steps.gather([1, 3])["action_is_pad"].tolist() == [6, 5]
    fix = "give the column another name, or ask for the row alone"
    with pytest.raises(SchemaError, match=f"action: expected action_is_pad to say at which .* of that name; {fix}"):
        lapsdata.open_steps(root, {"action": [0, 0.1]})


def test_a_column_called_like_the_gaps_of_another_is_told(root: Path, changed_json: Any) -> None:
    with_column(root, "label", [1, 2, None, None])
    with_column(root, "label_is_null", [5, 6, 7, 8])

    def change(info: Any) -> None:
        info["features"]["label"] = {"dtype": "int64", "shape": [1], "names": None, "info": {"nullable": True}}

    changed_json(root / "meta/info.json", change)
    assert told(root) == [("warning", "in a sample it says in which rows label has no value, not what is stored")]
    assert np.isin(lapsdata.open_steps(root).gather([0, 2])["label_is_null"], [0, 1]).all()
