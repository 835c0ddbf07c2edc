"""What is told of boxes: frames, whose they are, how many of each label, and how long identities stay."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lapsdata._inspect import InspectedBoxes, InspectedFile, look_at
from lapsdata._inspect.boxes import box_counts, boxes_table
from lapsdata.adapters import Adapter
from lapsdata.adapters._adapter import Adapted
from lapsdata.errors import SchemaError
from lapsdata.formats import write
from lapsdata.testing.samples import sample_boxes, sample_energies
from tests.adapters.mot_by_hand import RESULT, TRUTH, boxes_of, put, sequence

if TYPE_CHECKING:
    from lapsdata.schema import BoxSequence

SAMPLE = Path(__file__).parents[1] / "samples" / "motchallenge"


def seen(path: Path) -> InspectedBoxes:
    found = look_at(path)
    assert isinstance(found, InspectedBoxes)
    return found


def test_the_table_of_a_root() -> None:
    found = seen(SAMPLE)
    ((columns, rows),) = found.tables()
    assert columns == [
        *("sequence", "frames", "source", "with boxes", "pedestrian", "static_person"),
        *("ignored", "ids", "per id"),
    ]
    assert rows == [
        ["park", "4", "detector", "3", "3", "0", "0", "0", "-"],
        ["park", "4", "ours", "2", "2", "0", "0", "1", "2"],
        ["park", "4", "truth", "4", "5", "1", "1", "2", "3"],
    ]
    facts = found.facts()
    assert facts["folder"] == str(SAMPLE)
    assert facts["format"] == "motchallenge, read as boxes"
    assert (facts["sequences"], facts["identities"], facts["boxes"]) == ("1", "3", "11, 1 to be ignored")
    assert facts["images"] == "img1/{frame:06d}.jpg of 1 of 1 sequences"
    assert found.notes == ()


def test_a_single_file_and_its_notes(tmp_path: Path) -> None:
    path = put(tmp_path / "gt.txt", *TRUTH)
    found = seen(path)
    assert found.facts()["file"] == str(path)
    assert found.facts()["images"] == "none is known"
    assert [note.code for note in found.notes] == ["length-unknown"]


def test_json_says_the_same(tmp_path: Path) -> None:
    sequence(tmp_path / "one", found=["1,-1,10,20,30,40,0.5"], seqLength=3)
    document = json.loads(json.dumps(seen(tmp_path).as_json()))
    assert document["format"] == "motchallenge"
    assert [(one["sequence"], one["source"], one["boxes"]) for one in document["sequences"]] == [
        ("one", "detector", 1),
        ("one", "truth", 4),
    ]
    assert document["sequences"][1] == {
        "sequence": "one",
        "length": 3,
        "images": None,
        "source": "truth",
        "boxes": 4,
        "labels": {"pedestrian": 3, "static_person": 1},
        "ids": 2,
        "boxes_per_id": 2.0,
        "frames_with_boxes": 3,
        "ignored": 1,
    }


def test_a_sequence_without_a_box_stands_there(tmp_path: Path) -> None:
    sequence(tmp_path / "one", truth=None, seqLength=7)
    sequence(tmp_path / "two", seqLength=3)
    ((_, rows),) = seen(tmp_path).tables()
    assert [row[:4] for row in rows] == [["one", "7", "-", "0"], ["two", "3", "truth", "3"]]
    assert rows[0][-3:] == ["0", "0", "-"]


def test_many_labels_stand_in_one_column(tmp_path: Path) -> None:
    path = put(tmp_path / "gt.txt", *(f"1,{n},10,20,30,40,1,{n},1" for n in range(1, 8)), "2,1,10,20,30,40,1,1,1")
    columns, ((*_, labels, ignored, ids, each),) = boxes_table(boxes_of(path))
    assert columns[4:] == ["labels", "ignored", "ids", "per id"]
    assert labels.startswith("bicycle 1, car 1, motorbike 1, non_mot_vehicle 1, pedestrian 2, ")
    assert (ignored, ids, each) == ("0", "7", "1")


def test_boxes_of_ours_have_the_same_table(tmp_path: Path) -> None:
    write(tmp_path / "match.parquet", sample_boxes())
    found = look_at(tmp_path / "match.parquet")
    assert isinstance(found, InspectedFile)
    ((columns, rows),) = found.tables()
    assert columns[4:6] == ["player", "stand"]
    assert [row[2] for row in rows] == ["detector", "truth", "truth"]
    write(tmp_path / "energies.jsonl", sample_energies())
    other = look_at(tmp_path / "energies.jsonl")
    assert isinstance(other, InspectedFile)
    assert other.tables() == []


def test_counts_of_a_table_with_two_sequences() -> None:
    def named(one: BoxSequence) -> str:
        return one.name

    counts = box_counts(sample_boxes())
    assert [(named(one.sequence), one.source, one.labels) for one in counts] == [
        ("left", "detector", {"player": 1}),
        ("left", "truth", {"player": 2}),
        ("right", "truth", {"stand": 1}),
    ]
    assert [one.boxes_per_id for one in counts] == [None, 1.0, 1.0]


def test_what_is_wrong_is_raised_and_a_rate_is_taken_or_refused(tmp_path: Path) -> None:
    path = put(tmp_path / "gt.txt", "0,1,10,20,30,40,1")
    with pytest.raises(SchemaError, match="expected frames from 1, got 0; if it counts from 0, say so"):
        look_at(path)
    result = put(tmp_path / "data" / "a.txt", *RESULT)
    found = look_at(result, rate=25)
    assert isinstance(found, InspectedBoxes)
    assert str(found.boxes.header.sequences[0].rate) == "25"


def test_an_adapter_that_breaks_its_promise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(_path: Path) -> Adapted:
        return Adapted(sample_energies())

    def found(*_: Any) -> tuple[Adapter, str]:
        return Adapter("broken", "Nobody's", lambda _: "boxes", read), "boxes"

    monkeypatch.setattr("lapsdata.adapters.find_adapter", found)
    with pytest.raises(TypeError, match="broken promises boxes, and reads Energies"):
        look_at(put(tmp_path / "one.txt", "text"))
