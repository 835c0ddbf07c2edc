"""Boxes of others are read whole: what is wrong, and what looks wrong, is told of the file or folder that has it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lapsdata.adapters import Adapter
from lapsdata.adapters._adapter import Adapted
from lapsdata.checks.boxes import boxes_adapter, check_boxes
from lapsdata.checks.integrity import check_integrity
from lapsdata.testing.samples import sample_energies
from tests.adapters.mot_by_hand import RESULT, TRUTH, put, sequence

if TYPE_CHECKING:
    from lapsdata.checks.outcome import IntegrityReport

SAMPLES = Path(__file__).parents[1] / "samples"


def checked(*paths: Path) -> IntegrityReport:
    return check_integrity(paths)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("motchallenge", "motchallenge: 1 sequence, 4 of 4 frames annotated, 11 boxes"),
        ("vatic", "vatic: 1 sequence, 3 of 3 frames annotated, 3 boxes"),
        ("ua_detrac", "ua_detrac: 2 sequences, 6 of 6 frames annotated, 9 boxes"),
        ("kitti_tracking/label_02", "kitti_tracking: 1 sequence, 3 of 3 frames annotated, 4 boxes"),
        ("visdrone_mot", "visdrone_mot: 1 sequence, 3 of 3 frames annotated, 5 boxes"),
    ],
)
def test_a_sample_is_one_item_and_in_order(name: str, found: str) -> None:
    report = checked(SAMPLES / name)
    (item,) = report.items
    assert (item.status, item.found) == ("ok", found)
    assert {problem.severity for problem in report.problems} <= {"info"}
    assert all(problem.where.startswith(str(SAMPLES / name)) for problem in report.problems)


def test_wrong_rows_are_problems_of_their_item(tmp_path: Path) -> None:
    path = put(tmp_path / "gt.txt", "0,1,10,20,30,40,1", "1,1,10,20,-30,40,1")
    (item,) = checked(path).items
    assert (item.status, item.kind, item.note) == ("error", "motchallenge", "nothing verified")
    assert [problem.code for problem in item.problems] == ["zero-based", "negative-size"]
    assert item.problems[1].where == f"{path}: line 2: w"


def test_what_looks_wrong_is_a_warning(tmp_path: Path) -> None:
    rows = ["1,1,10,20,30,40,1", "2,2,10,20,30,40,1", "3,3,10,20,30,40,1"]
    copied = [row.replace(f"{n},{n},", f"{n},-1,", 1) for n, row in enumerate(rows, 1)]
    folder = sequence(tmp_path / "one", truth=rows, found=copied, seqLength=3)
    (item,) = checked(folder).items
    assert item.status == "warning"
    assert sorted(problem.code for problem in item.problems) == ["detections-equal-truth", "ids-never-persist"]
    assert {problem.where for problem in item.problems} == {f"{folder}: one: truth", f"{folder}: one: detector"}


def test_a_folder_of_sets_is_a_folder_of_items(tmp_path: Path) -> None:
    sequence(
        tmp_path / "sets" / "MOT17" / "train" / "one", seqLength=3, images=["000001.jpg", "000002.jpg", "000003.jpg"]
    )
    put(tmp_path / "sets" / "results" / "data" / "one.txt", *RESULT)
    put(tmp_path / "sets" / "notes" / "one.md", "text")
    report = checked(tmp_path)
    assert [item.path.name for item in report.items] == ["MOT17", "results"]
    assert {item.status for item in report.items} == {"ok"}


def test_a_named_json_of_nobody_is_still_unknown_and_one_beside_is_passed_over(tmp_path: Path) -> None:
    path = put(tmp_path / "some.json", '{"a": 1}')
    (item,) = checked(path).items
    assert (item.status, item.kind) == ("error", "unknown")
    put(tmp_path / "gt.txt", *TRUTH)
    report = checked(tmp_path / "gt.txt", tmp_path / "some.json")
    assert [item.kind for item in report.items] == ["motchallenge", "unknown"]


def test_an_adapter_that_breaks_its_promise(tmp_path: Path) -> None:
    def read(_path: Path) -> Adapted:
        return Adapted(sample_energies())

    assert boxes_adapter(tmp_path) is None
    with pytest.raises(TypeError, match="broken promises boxes, and reads Energies"):
        check_boxes(tmp_path, Adapter("broken", "Nobody's", lambda _: "boxes", read))
