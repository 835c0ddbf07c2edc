"""Statistics as a data set states them, right or wrong, in each form that programs write."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lapsdata.adapters.lerobot.stats import stated_stats
from lapsdata.errors import SchemaError
from lapsdata.testing.episode_sets import CAMERA, write_lerobot

if TYPE_CHECKING:
    from pathlib import Path

LENGTHS = (4, 6, 5)


def columns(root: Path, **told: list[Any]) -> None:
    """Give the episodes of a set of version 3 columns of statistics of actions."""
    path = root / "meta/episodes/chunk-000/file-000.parquet"
    table = pq.read_table(path)
    for kind, cells in told.items():
        table = table.append_column(f"stats/action/{kind}", pa.array(cells))
    pq.write_table(table, path)


def test_of_all_rows_and_of_each_episode(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "set", version="v3.0", lengths=LENGTHS)
    columns(root, mean=[[1.0, 2.0, 3.0]] * 3, count=[[rows] for rows in LENGTHS])
    stated = stated_stats(root)
    assert (stated.of_all_in, stated.by_episode_in) == ("meta/stats.json", "meta/episodes: stats/*")
    assert set(stated.of_all) == {"observation.state", "action", "next.reward"}
    assert stated.of_all["next.reward"]["mean"].tolist() == [0.2]
    told = {number: said["action"] for number, said in stated.by_episode()}
    assert {number: one["count"].tolist() for number, one in told.items()} == {0: [4], 1: [6], 2: [5]}
    assert told[2]["mean"].tolist() == [1.0, 2.0, 3.0]


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_lines_of_episodes(tmp_path: Path, form: str) -> None:
    root = write_lerobot(tmp_path / "set", lengths=LENGTHS)
    path = root / "meta/episodes_stats.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    lines[1]["stats"][CAMERA] = lines[1]["stats"]["action"]
    path.write_text("\n\n".join(json.dumps(line) for line in lines))
    if form == "parquet":
        pq.write_table(pa.Table.from_pylist(lines), path.with_suffix(".parquet"))
        path.unlink()
    stated = stated_stats(root)
    assert stated.of_all_in is None
    assert stated.by_episode_in == f"meta/episodes_stats{'.jsonl' * (form == 'jsonl')}"
    told = dict(stated.by_episode())
    assert list(told) == [0, 1, 2]
    assert told[2]["action"]["min"].tolist() == [2.5, 0.5, 2.5]
    # The set has no such camera: it is a name as any other.
    assert [CAMERA in said for said in told.values()] == [False, True, False]


def test_nothing_is_stated(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "set", version="v3.0", lengths=LENGTHS)
    (root / "meta/stats.json").unlink()
    stated = stated_stats(root)
    assert (stated.of_all, stated.of_all_in, stated.by_episode_in, [*stated.by_episode()]) == (
        {},
        None,
        None,
        [(number, {}) for number in range(3)],
    )


def test_cameras_and_numbers_of_rows_are_left_out(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "set", version="v2.0", lengths=LENGTHS, videos=True)
    path = root / "meta/stats.json"
    path.write_text(json.dumps({CAMERA: {"mean": [1.0]}, "timestamp": {"mean": [1.0]}, "strange": {"mean": [1.0]}}))
    stated = stated_stats(root)
    assert set(stated.of_all) == {"strange"}
    assert {CAMERA, "timestamp", "index"} <= stated.left_out


@pytest.mark.parametrize(
    ("cells", "wanted"),
    [
        ([[1.0, 2.0, 3.0], [1.0], [1.0, 2.0, 3.0]], [3, 1, 3]),
        ([[1.0, 2.0, 3.0], None, [1.0, None, 3.0]], [3, None, 3]),
        ([["low"], ["high"], None], [0, 0, None]),
        ([1.0, 2.0, 3.0], [1, 1, 1]),
    ],
    ids=["uneven", "missing", "texts", "plain"],
)
def test_columns_that_are_not_what_they_should_be(tmp_path: Path, cells: list[Any], wanted: list[int | None]) -> None:
    root = write_lerobot(tmp_path / "set", version="v3.0", lengths=LENGTHS)
    columns(root, mean=cells)
    told = [said.get("action", {}).get("mean") for _, said in stated_stats(root).by_episode()]
    assert [None if one is None else len(one) for one in told] == wanted
    if wanted[2] == 3 and wanted[1] is None:
        assert told[2] is not None
        assert np.isnan(told[2]).tolist() == [False, True, False]


def test_lines_of_other_words_are_refused(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "set", lengths=LENGTHS)
    (root / "meta/episodes_stats.jsonl").write_text('{"episode": 0}')
    with pytest.raises(SchemaError, match=r"expected objects with episode_index and stats, got episode \[wrong-value"):
        list(stated_stats(root).by_episode())
