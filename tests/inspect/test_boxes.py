"""What is told of boxes: by sequence and source, images on disk, and what databases beside them cover."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lapsdata._inspect import InspectedBoxes, InspectedFile, look_at
from lapsdata._inspect.box_counts import OnDisk, counted_boxes
from lapsdata.adapters import Adapted, Adapter
from lapsdata.errors import SchemaError
from lapsdata.formats import write
from lapsdata.testing.samples import sample_boxes, sample_energies
from tests.adapters.mot_by_hand import RESULT, TRUTH, boxes_of, put, sequence

SAMPLES = Path(__file__).parents[1] / "samples"
PARK = SAMPLES / "motchallenge"


def seen(path: Path, **said: Any) -> InspectedBoxes:
    found = look_at(path, **said)
    assert isinstance(found, InspectedBoxes)
    return found


def test_the_table_of_a_root() -> None:
    found = seen(PARK)
    ((columns, rows),) = found.tables()
    assert columns == [
        *("sequence", "images", "frames", "source", "with boxes", "pedestrian", "static_person"),
        *("ignored", "ids", "per id"),
    ]
    assert rows == [
        ["park", "4", "4", "detector", "3", "3", "0", "0", "0", "-"],
        ["park", "4", "4", "ours", "2", "2", "0", "0", "1", "2"],
        ["park", "4", "4", "truth", "4", "5", "1", "1", "2", "3"],
    ]
    facts = found.facts()
    assert facts["folder"] == str(PARK)
    assert facts["format"] == "motchallenge, read as boxes"
    assert (facts["sequences"], facts["identities"], facts["boxes"]) == ("1", "3", "11, 1 to be ignored")
    assert facts["images"] == "img1/{frame:06d}.jpg of 1 of 1 sequences; 4 on disk"
    assert facts["frames"] == "4, 4 annotated, 2.8 boxes in each of these, 0 of them without boxes"
    assert (found.notes, found.remark) == ((), None)


def test_sequences_of_a_database() -> None:
    found = seen(SAMPLES / "detection_db" / "upstream.json")
    first, *_, alone = found.counted.counts
    assert (first.sequence.name, first.annotated, first.labels, first.bare) == ("dancetrack0001", 3, {"object": 3}, 1)
    assert (first.scores, first.ids, first.on_disk) == ((0.5, 0.875), 0, OnDisk())
    assert alone.sequence.name == "273271,c9db000d5146c15"
    facts = found.facts()
    assert facts["frames"] == "6, 5 annotated, 1.0 boxes in each of these, 1 of them without boxes"
    assert facts["scores"] == "0.25 to 0.875"
    assert facts["images"].endswith("; none was found on disk")
    assert [note.code for note in found.notes] == ["single-images", "frames-missing"]
    ((columns, rows),) = found.tables()
    assert columns == ["sequence", "frames", "annotated", "source", "with boxes", "object", "ids", "per id"]
    assert rows[0] == ["dancetrack0001", "4", "3", "detector", "2", "3", "0", "-"]


def test_a_sequence_without_boxes_and_one_with_several_labels() -> None:
    found = seen(SAMPLES / "coco_boxes" / "truth.json")
    ((columns, rows),) = found.tables()
    assert columns == ["sequence", "frames", "annotated", "source", "with boxes", "ball", "player", "ignored",
                       "ids", "per id"]  # fmt: skip
    assert rows == [
        ["game1", "3", "2", "truth", "2", "1", "3", "1", "2", "1.5"],
        ["game2", "1", "1", "-", "0", "0", "0", "0", "0", "-"],
    ]
    assert "scores" not in found.facts()
    assert found.facts()["identities"] == "2"


def test_a_single_file_and_its_notes(tmp_path: Path) -> None:
    path = put(tmp_path / "gt.txt", *TRUTH)
    found = seen(path)
    assert found.facts()["file"] == str(path)
    assert found.facts()["images"] == "no name is known; none was found on disk"
    assert [note.code for note in found.notes] == ["length-unknown"]


def test_images_of_a_truth_lie_beside_its_folder() -> None:
    found = seen(PARK / "park" / "gt" / "gt.txt")
    assert [one.on_disk.images for one in found.counted.counts] == [4]


def test_json_says_the_same(tmp_path: Path) -> None:
    sequence(tmp_path / "one", found=["1,-1,10,20,30,40,0.5"], seqLength=3)
    document = json.loads(json.dumps(seen(tmp_path).as_json()))
    assert document["format"] == "motchallenge"
    assert [(one["sequence"], one["source"], one["boxes"], one["scores"]) for one in document["sequences"]] == [
        ("one", "detector", 1, [0.5, 0.5]),
        ("one", "truth", 4, None),
    ]
    assert document["sequences"][1] == {
        "sequence": "one",
        "frames": 3,
        "annotated": 3,
        "pattern": None,
        "images": None,
        "covered": {},
        "source": "truth",
        "boxes": 4,
        "labels": {"pedestrian": 3, "static_person": 1},
        "ignored": 1,
        "ids": 2,
        "boxes_per_id": 2.0,
        "frames_with_boxes": 3,
        "frames_without_boxes": 0,
        "scores": None,
    }


def test_a_sequence_without_a_box_stands_there(tmp_path: Path) -> None:
    sequence(tmp_path / "one", truth=None, seqLength=7)
    sequence(tmp_path / "two", seqLength=3)
    ((_, rows),) = seen(tmp_path).tables()
    assert [row[:4] for row in rows] == [["one", "7", "-", "0"], ["two", "3", "truth", "3"]]
    assert rows[0][-3:] == ["0", "0", "-"]


def test_labels_too_many_for_columns_have_a_table(tmp_path: Path) -> None:
    path = put(tmp_path / "gt.txt", *(f"1,{n},10,20,30,40,1,{n},1" for n in range(1, 14)), "2,1,10,20,30,40,0,1,1")
    (columns, ((*_, boxes, ignored, ids, each),)), (headings, labels) = counted_boxes(boxes_of(path)).tables()
    assert columns[4:] == ["boxes", "ignored", "ids", "per id"]
    assert (boxes, ignored, ids, each) == ("14", "1", "13", "1")
    assert headings == ["label", "truth"]
    assert labels[:5] == [["bicycle", "1"], ["car", "1"], ["crowd", "1"], ["distractor", "1"], ["motorbike", "1"]]
    assert ["pedestrian", "2"] in labels


def test_a_line_of_a_benchmark_fits_a_terminal(tmp_path: Path) -> None:
    for number in (2, 13):
        folder = tmp_path / f"MOT17-{number:02d}-FRCNN"
        names = [f"{frame:06d}.jpg" for frame in (1, 2, 3)]
        truth = [*TRUTH, "1,9,100,50,20,60,0,8,1", "1,10,100,50,20,60,0,3,1"]
        sequence(folder, truth=truth, found=["1,-1,10,20,30,40,0.5"], images=names, seqLength=3)
    keys = {f"MOT17-02-FRCNN/img1/{frame:06d}": [] for frame in (1, 2)}  # type: dict[str, list[str]]
    (tmp_path / "det_db_motrv2.json").write_text(json.dumps(keys))
    tables = seen(tmp_path).tables()
    for columns, rows in tables:
        widths = [max(map(len, column)) for column in zip(columns, *rows, strict=True)]
        assert sum(widths) + 2 * len(widths) <= 120
    assert tables[0][0][-1] == "det_db_motrv2.json"
    assert [row[-1] for row in tables[0][1]] == ["2 of 3", "2 of 3", "-", "-"]


def test_boxes_of_ours_have_the_same_table(tmp_path: Path) -> None:
    write(tmp_path / "match.parquet", sample_boxes())
    found = look_at(tmp_path / "match.parquet")
    assert isinstance(found, InspectedFile)
    ((columns, rows),) = found.tables()
    assert columns[4:6] == ["player", "stand"]
    assert [row[2] for row in rows] == ["detector", "truth", "truth"]
    assert [one["source"] for one in found.as_json()["sequences"]] == ["detector", "truth", "truth"]
    write(tmp_path / "energies.jsonl", sample_energies())
    other = look_at(tmp_path / "energies.jsonl")
    assert isinstance(other, InspectedFile)
    assert (other.tables(), other.remark, "sequences" in other.as_json()) == ([], None, False)


def test_counts_of_a_table_with_two_sequences() -> None:
    counts = counted_boxes(sample_boxes()).counts
    assert [(one.sequence.name, one.source, one.labels) for one in counts] == [
        ("left", "detector", {"player": 1}),
        ("left", "truth", {"player": 2}),
        ("right", "truth", {"stand": 1}),
    ]
    assert [one.boxes_per_id for one in counts] == [None, 1.0, 1.0]


def test_many_sequences_are_listed_in_json_alone(tmp_path: Path) -> None:
    path = tmp_path / "db.json"
    path.write_text(json.dumps({f"a/s{n}/img1/000001": [] for n in range(45)}))
    found = seen(path)
    ((_, rows),) = found.tables()
    assert (len(rows), len(found.as_json()["sequences"])) == (40, 45)
    assert found.remark == "40 of 45 sequences are listed: --json has all"


def test_of_a_folder_databases_in_it_are_looked_for(tmp_path: Path) -> None:
    sequence(tmp_path / "left", images=[f"{n:06d}.jpg" for n in range(1, 4)], seqLength=3)
    sequence(tmp_path / "right", seqLength=3)
    (tmp_path / "some.json").write_text(json.dumps({f"left/img1/{n:06d}": [] for n in (1, 2)}))
    (tmp_path / "other.json").write_text("{}")
    found = seen(tmp_path)
    assert [one.on_disk for one in found.counted.counts] == [OnDisk(3, {"some.json": "2 of 3"}), OnDisk()]
    ((columns, rows),) = found.tables()
    assert (columns[1], columns[-1]) == ("images", "some.json")
    assert [(row[1], row[-1]) for row in rows] == [("3", "2 of 3"), ("-", "-")]
    assert next(iter(found.facts())) == "folder"


def test_a_database_beside_that_is_damaged_or_empty_is_told_and_hides_nothing(tmp_path: Path) -> None:
    sequence(tmp_path / "a", images=["000001.jpg", "000002.jpg", "000003.jpg"])
    keys = [f"a/img1/{number:06d}" for number in (1, 2, 3)]
    (tmp_path / "empty.json").write_text(json.dumps({key: [] for key in keys}))
    (tmp_path / "good.json").write_text(json.dumps({key: ["1,2,3,4,0.5"] for key in keys}))
    (tmp_path / "wrong.json").write_text(json.dumps({keys[0]: ["1,2,3"], keys[1]: ["1,2,3,4,0.5"]}))
    found = seen(tmp_path)
    (columns, rows), *_ = found.tables()
    assert columns[-2:] == ["empty.json", "good.json"]
    assert rows[0][-2:] == ["3 of 3", "3 of 3"]
    told = {note.code: note for note in found.notes}
    assert told["empty-database"].where == str(tmp_path / "empty.json")
    assert told["wrong-row"].where == f"{tmp_path / 'wrong.json'}: key 'a/img1/000001': box 1"
    assert {note.severity for note in found.notes if note.severity != "info"} == {"warning"}


def test_what_is_wrong_is_raised_and_a_rate_is_taken_or_refused(tmp_path: Path) -> None:
    path = put(tmp_path / "gt.txt", "0,1,10,20,30,40,1")
    with pytest.raises(SchemaError, match="expected frames from 1, got 0; if it counts from 0, say so"):
        look_at(path)
    found = seen(put(tmp_path / "data" / "a.txt", *RESULT), rate=25)
    assert str(found.boxes.header.sequences[0].rate) == "25"
    with pytest.raises(SchemaError, match="expected no rate for what has times of its own"):
        look_at(SAMPLES / "lerobot" / "v21", rate="25")


def test_an_adapter_that_breaks_its_promise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(_path: Path) -> Adapted:
        return Adapted(sample_energies())

    def found(*_: Any) -> tuple[Adapter, str]:
        return Adapter("broken", "Nobody's", lambda _: "boxes", read), "boxes"

    monkeypatch.setattr("lapsdata.adapters.find_adapter", found)
    with pytest.raises(TypeError, match="broken promises boxes, and reads Energies"):
        look_at(put(tmp_path / "one.txt", "text"))
