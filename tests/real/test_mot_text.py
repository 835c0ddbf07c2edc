"""Texts of tracking as others wrote them: counts, places and what looks wrong are those that were found by hand."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import numpy as np
import pytest

from lapsdata.adapters import find_adapter, motchallenge, ua_detrac, vatic
from lapsdata.checks.integrity import check_integrity
from lapsdata.containers import Boxes

if TYPE_CHECKING:
    from pathlib import Path

    from lapsdata.adapters import Adapted


def table(adapted: Adapted) -> Boxes:
    boxes = adapted.container
    assert isinstance(boxes, Boxes)
    return boxes


@pytest.mark.parametrize(("name", "rows", "ids", "source"), [("gt", 1156, 10, "truth"), ("test", 749, 12, "test")])
def test_stadtmitte(real_data: Path, name: str, rows: int, ids: int, source: str) -> None:
    path = real_data / "mot" / "TUD-Stadtmitte" / f"{name}.txt"
    boxes = table(motchallenge.read(path))
    with path.open(newline="") as file:
        raw = [[float(field) for field in row[:6]] for row in csv.reader(file)]
    assert len(boxes) == len(raw) == rows
    assert len(np.unique(boxes.id)) == ids
    assert set(boxes.source) == {source}
    assert boxes.score is None
    assert boxes.header.sequences[0].length == 179
    columns = [boxes.frame + 1, boxes.id, boxes.x, boxes.y, boxes.w, boxes.h]
    read = sorted(map(tuple, np.stack(columns, axis=1).tolist()))
    assert read == sorted((frame, one, x - 1.5, y - 1.5, w, h) for frame, one, x, y, w, h in raw)


def test_one_threshold_has_boxes_and_another_none(real_data: Path) -> None:
    folder = real_data / "volleyball_mot" / "tracker_outputs"
    adapted = motchallenge.read(folder)
    boxes = table(adapted)
    assert len(boxes) == 7164
    assert len(np.unique(boxes.frame)) == 819
    assert len(np.unique(boxes.id)) == 361
    assert [one.name for one in boxes.header.sequences] == ["inference_ft_th_0.3", "inference_ft_th_0.5"]
    assert (boxes.sequence_index == 0).all()
    (note,) = [note for note in adapted.notes if note.severity == "warning"]
    assert (note.code, note.where) == ("empty-file", str(folder / "inference_ft_th_0.5.txt"))


def test_ranks_of_detections_are_seen_for_what_they_are(real_data: Path) -> None:
    report = check_integrity([real_data / "volleyball_mot" / "analysis"])
    told = [problem for problem in report.problems if problem.severity == "warning"]
    assert [problem.code for problem in told] == ["ids-are-ranks", "ids-are-ranks"]
    files = sorted((real_data / "volleyball_mot" / "analysis").glob("*.txt"))
    assert [len(table(motchallenge.read(path))) for path in files] == [7841, 6590]


def test_tracks_of_people_are_no_fault(real_data: Path) -> None:
    for path in ("mot/TUD-Stadtmitte/gt.txt", "volleyball_mot/analysis/demo_data/demo_predictions.txt"):
        report = check_integrity([real_data / path])
        assert {problem.severity for problem in report.problems} <= {"info"}


def test_every_dialect_of_the_other_reader_s_tests(real_data: Path) -> None:
    folder = real_data / "mot" / "iotest"
    known = {path.name: found[0].name for path in sorted(folder.iterdir()) if (found := find_adapter(path))}
    assert known == {
        "detrac.mat": "ua_detrac",
        "detrac.xml": "ua_detrac",
        "motchallenge.txt": "motchallenge",
        "vatic.txt": "vatic",
    }
    mot = table(motchallenge.read(folder / "motchallenge.txt"))
    assert (mot.frame + 1).tolist() == [1, 1, 2, 2, 2]
    assert (mot.x + 0.5).tolist() == [398, 281, 268, 70, 199]
    assert (mot.y + 0.5).tolist() == [181, 200, 201, 150, 205]
    drawn = table(vatic.read(folder / "vatic.txt"))
    assert drawn.frame.tolist() == [0, 1, 1, 2]
    assert drawn.id.tolist() == [0, 0, 1, 2]
    assert (drawn.y + 0.5).tolist() == [0, 10, 0, 0]
    assert (drawn.w.tolist(), drawn.h.tolist()) == ([430] * 4, [124, 114, 124, 124])
    assert drawn.label == ("worker", "pc", "pc", "worker")


def test_a_vehicle_in_xml_and_in_mat(real_data: Path) -> None:
    folder = real_data / "mot" / "iotest"
    drawn, rounded = (table(ua_detrac.read(folder / f"detrac.{ending}")) for ending in ("xml", "mat"))
    assert (drawn.ignored.sum(), len(drawn), len(rounded)) == (12, 16, 4)
    own = ~drawn.ignored
    assert (drawn.x[own] + 0.5).tolist() == pytest.approx([744.6, 738.2, 731.8, 725.4])
    assert (drawn.y[own] + 0.5).tolist() == pytest.approx([356.33, 349.51, 342.68, 335.85])
    assert (rounded.x + 0.5).tolist() == [745, 738, 732, 725]
    assert (rounded.y + 0.5).tolist() == [356, 350, 343, 336]
    assert (rounded.w.tolist(), rounded.h.tolist()) == ([148, 145, 142, 139], [115, 111, 107, 104])
    for side in "xywh":
        assert np.abs(getattr(drawn, side)[own] - getattr(rounded, side)).max() < 1


def test_what_was_read_is_written_and_read_again(real_data: Path, tmp_path: Path) -> None:
    boxes = table(motchallenge.read(real_data / "mot" / "TUD-Stadtmitte"))
    motchallenge.write_rows(tmp_path / "set", boxes)
    again = table(motchallenge.read(tmp_path / "set"))
    for name in ("frame", "id", "x", "y", "w", "h", "ignored"):
        assert np.array_equal(getattr(boxes, name), getattr(again, name))
    assert again.header.sequences == boxes.header.sequences
