"""What lies beside sequences is checked with them: databases in JSON are no part of a folder of sequences."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from lapsdata.checks.integrity import check_integrity
from lapsdata.cli.check import _compared
from tests.adapters.mot_by_hand import put, sequence

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Make a data set of one sequence with a database, one that is damaged, and JSON of something else."""
    folder = tmp_path / "set"
    sequence(folder / "train" / "a", images=["000001.jpg", "000002.jpg", "000003.jpg"])
    key = "train/a/img1/000001"
    (folder / "det_db.json").write_text(json.dumps({key: ["1,2,3,4,0.5"]}))
    (folder / "wrong.json").write_text(json.dumps({key: ["1,2,3"]}))
    (folder / "config.json").write_text('{"lr": 3}')
    put(folder / "notes.txt", "by hand")
    return folder


@pytest.mark.parametrize("above", [False, True])
def test_databases_beside_sequences_are_items_of_their_own(root: Path, above: bool) -> None:
    report = check_integrity([root.parent if above else root])
    assert {item.path.name: item.status for item in report.items} == {
        "set": "ok",
        "det_db.json": "ok",
        "wrong.json": "error",
    }
    (problem,) = [one for one in report.problems if one.severity == "error"]
    assert problem.where.startswith(f"{root / 'wrong.json'}: key 'train/a/img1/000001': box 1")


def test_one_that_is_named_too_is_checked_once(root: Path) -> None:
    report = check_integrity([root / "det_db.json", root])
    assert [item.path.name for item in report.items] == ["det_db.json", "set", "wrong.json"]


def test_detections_are_compared_with_the_folder_that_one_stands_in(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root)
    told = {one.code: one for one in _compared([root / "det_db.json"], ".")}
    assert told["frames-not-covered"].message.startswith("covers 1 of 3 images")
    assert "compared" in told
