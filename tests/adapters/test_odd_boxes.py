"""What people in a hurry give: it is read and told, or refused with its file, place, value and what to do."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

import pytest

from lapsdata.adapters import coco_boxes, detection_db, label_studio, motchallenge, ua_detrac, writers
from lapsdata.adapters._box_rows import BoxRows
from lapsdata.checks.integrity import check_integrity
from lapsdata.errors import LapsError, SchemaError, UnknownFormatError
from lapsdata.formats import recognise
from tests.adapters.boxes_in_json import written
from tests.adapters.mot_by_hand import boxes_of, codes, put, sequence, table

if TYPE_CHECKING:
    from pathlib import Path

ROW = "1,1,10,20,30,40,0.9,-1,-1,-1"


def notes_of(adapted: Any) -> dict[str, str]:
    return {note.code: note.message for note in adapted.notes}


def problems_of(path: Path) -> list[Any]:
    """Return what `lapsdata check` says of a file."""
    return [problem for item in check_integrity([path]).items for problem in item.problems]


def test_a_score_that_is_no_number_is_counted(tmp_path: Path) -> None:
    path = put(tmp_path / "ours.txt", ROW, "2,1,10,20,30,40,nan,-1,-1,-1")
    adapted = motchallenge.read(path)
    message = f"1 of 2 scores are nan, first {path}: line 2: read as boxes without one"
    assert notes_of(adapted)["scores-missing"] == message
    assert table(adapted).header.policies == {"scores_missing": 1}
    # Where no row has one, there are none.
    assert boxes_of(put(tmp_path / "none.txt", "1,1,10,20,30,40,nan", "2,1,10,20,30,40,nan")).score is None


def test_a_share_that_is_no_number_is_refused(tmp_path: Path) -> None:
    path = put(tmp_path / "a" / "gt" / "gt.txt", "1,1,10,20,30,40,1,1,0.5", "2,1,10,20,30,40,1,1,nan")
    with pytest.raises(SchemaError, match="line 2: visibility: expected a share from 0 to 1, or -1, got nan"):
        motchallenge.read(path)


def test_classes_of_some_rows_are_no_places_in_the_world(tmp_path: Path) -> None:
    rows = [f"{frame},{who},10,20,30,40,0.9,{who if who < 3 else -1},-1,-1" for frame in (1, 2) for who in (1, 2, 3)]
    adapted = motchallenge.read(put(tmp_path / "ours.txt", *rows), classes={"1": "player", "2": "ball"})
    assert table(adapted).label == ("player", "ball", "player") * 2
    assert "world-places" not in codes(adapted)
    world = [f"{frame},1,10,20,30,40,0.9,{frame},{frame + 1},-1" for frame in (1, 2)]
    assert "world-places" in codes(motchallenge.read(put(tmp_path / "world.txt", *world)))


def test_boxes_without_an_area_and_scores_beyond_1_are_kept_and_told(tmp_path: Path) -> None:
    path = put(tmp_path / "ours.txt", ROW, "2,1,10,20,0,40,87.5,-1,-1,-1", "3,1,10,20,30,0,-0.5,-1,-1,-1")
    adapted = motchallenge.read(path)
    assert len(table(adapted)) == 3
    told = notes_of(adapted)
    empty = f"2 boxes have no width or no height, first {path}: line 2, x 8.5, y 18.5, w 0, h 40"
    assert told["boxes-empty"] == f"{empty}: kept, though they overlap with nothing"
    scores = f"2 scores of ours are no shares from 0 to 1, first {path}: line 2, 87.5; they reach to 87.5"
    assert told["scores-beyond-1"] == scores
    assert table(adapted).header.policies == {"boxes_empty": 2}
    clean = motchallenge.read(put(tmp_path / "clean.txt", ROW, "2,1,10,20,30,40,-1,-1,-1,-1"))
    assert not {"boxes-empty", "scores-beyond-1"} & set(codes(clean))


@pytest.mark.parametrize(
    ("row", "fix"),
    [
        ("1,1,nan,20,30,40,1", "mend the row, or leave it out"),
        ("1,1,50,20,-30,40,1", "of two corners: take the first from the second"),
        ("1.5,1,50,20,30,40,1", "whether columns are in the order frame, id, left, top, width, height"),
        ("-4,1,50,20,30,40,1", "what the source calls its first frame"),
        ("1,-4,50,20,30,40,1", "number identities from 0 or 1"),
        ("0,1,50,20,30,40,1", "--first-number 0 of convert and evaluate"),
        ("1,1,50,20,30,40,1,1,55", "of percent: divide them by 100"),
    ],
)
def test_what_to_do_is_said_of_every_wrong_row(tmp_path: Path, row: str, fix: str) -> None:
    with pytest.raises(SchemaError, match=r"gt.txt: line 1: ") as raised:
        motchallenge.read(put(tmp_path / "a" / "gt" / "gt.txt", row))
    assert fix in str(raised.value.problems[0].fix)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (
            ["frame,id,x,y,w,h", ROW, ROW],
            r"line 1: expected a number in column 1 \(frame\), got 'frame'; leave the line",
        ),
        (["# by us", ROW, ROW], r"line 1: expected a number in column 1 \(frame\), got '#'"),
        ([ROW.replace(",", ";")] * 2, r"line 1: expected a number in column 1 .*; part numbers by commas"),
    ],
)
def test_a_first_line_that_is_no_row_is_named(tmp_path: Path, lines: list[str], expected: str) -> None:
    path = put(tmp_path / "ours.txt", *lines)
    assert motchallenge.PLUGIN.recognises(path) == "boxes"
    with pytest.raises(SchemaError, match=expected):
        motchallenge.read(path)


@pytest.mark.parametrize("lines", [["a text"], ["a text", ROW], ["a text", ROW, "and more"], ["0 0.5 0.5 0.1 0.1"] * 3])
def test_other_texts_are_no_rows(tmp_path: Path, lines: list[str]) -> None:
    assert motchallenge.PLUGIN.recognises(put(tmp_path / "ours.txt", *lines)) is None


@pytest.mark.parametrize("name", ["data", "seqmaps"])
def test_a_sequence_may_be_called_as_a_folder_of_results(tmp_path: Path, name: str) -> None:
    sequence(tmp_path / "set" / name)
    boxes = boxes_of(tmp_path / "set")
    assert [one.name for one in boxes.header.sequences] == [name]
    write = writers()["motchallenge"].write
    if name == "seqmaps":
        with pytest.raises(SchemaError, match=r"sequence: expected another name than that of a folder .* 'seqmaps'"):
            write(tmp_path / "again", boxes)
        assert not (tmp_path / "again").exists()
    else:
        write(tmp_path / "again", boxes)
        assert len(boxes_of(tmp_path / "again")) == len(boxes)


def test_images_of_two_spellings_and_a_section_of_another_name_are_told(tmp_path: Path) -> None:
    names = ["000001.jpg", "000002.jpg", "00000003.jpg"]
    adapted = motchallenge.read(sequence(tmp_path / "a", images=names, seqLength=3))
    assert "names of images are not spelled alike" in notes_of(adapted)["mixed-names"]
    put(tmp_path / "a" / "seqinfo.ini", "[sequence]", "seqLength=3")
    with pytest.raises(SchemaError, match=r"expected a section \[Sequence\] with keys, got: \[sequence\]"):
        motchallenge.read(tmp_path / "a")


def test_backslashes_part_folders_in_databases_and_coco(tmp_path: Path) -> None:
    path = written(tmp_path / "db.json", {rf"train\a\img1\{number:06d}": ["1,2,3,4,0.5"] for number in (1, 2)})
    assert detection_db.PLUGIN.recognises(path) == "boxes"
    adapted = detection_db.read(path)
    (one,) = table(adapted).header.sequences
    assert (one.name, one.images) == ("a", "train/a/img1/{frame:06d}")
    assert notes_of(adapted)["backslashes"] == "folders in 2 keys are parted by backslashes: taken for /"
    image = {"id": 1, "file_name": r"train\a\img1\000001.jpg", "width": 64, "height": 48}
    box = {"image_id": 1, "bbox": [1, 2, 3, 4], "category_id": 1}
    path = written(tmp_path / "truth.json", {"images": [image], "annotations": [box], "categories": []})
    (one,) = table(coco_boxes.read(path)).header.sequences
    assert (one.name, one.images) == ("a", "train/a/img1/{frame:06d}.jpg")


def test_backslashes_that_a_browser_has_encoded_part_folders(tmp_path: Path) -> None:
    value = {"x": 1, "y": 2, "width": 3, "height": 4, "rotation": 0, "rectanglelabels": ["player"]}
    region = {"id": "a", "type": "rectanglelabels", "value": value, "original_width": 64, "original_height": 48}
    address = "/data/local-files/?d=train%5CA%5Cimg1%5C000001.jpg"
    task = {"id": 1, "data": {"image": address}, "annotations": [{"result": [region]}]}
    (one,) = table(label_studio.read(written(tmp_path / "tasks.json", [task]))).header.sequences
    assert (one.name, one.images) == ("A", "img1/{frame:06d}.jpg")


FIRST = ['["nan,2,3,4,0.5"]', '["1 2 3 4 0.5"]', '["\\uff11,2,3,4,0.5"]', '"1,2,3,4,0.5"', "null"]


@pytest.mark.parametrize("value", FIRST)
def test_a_first_frame_that_is_wrong_is_named(tmp_path: Path, value: str) -> None:
    path = tmp_path / "db.json"
    path.write_text(f'{{"train/a/img1/000001": {value}, "train/a/img1/000002": ["1,2,3,4,0.5"]}}', encoding="utf-8")
    (problem,) = problems_of(path)
    assert (problem.code, problem.where.startswith(f"{path}: key 'train/a/img1/000001'")) == ("wrong-row", True)


@pytest.mark.parametrize("text", ['{"clips/a_1": null}', '{"clips/a_1": "cut"}', '{"clips/a_1": ["cut", "pour"]}'])
def test_other_json_is_no_database(tmp_path: Path, text: str) -> None:
    (tmp_path / "other.json").write_text(text)
    assert detection_db.PLUGIN.recognises(tmp_path / "other.json") is None


def test_problems_name_their_file_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    box = {"image_id": 7, "bbox": [1, 2, 3, 4], "category_id": 1}
    path = written(tmp_path / "truth.json", {"images": [], "annotations": [box], "categories": []})
    with pytest.raises(SchemaError, match="annotation 1") as raised:
        coco_boxes.read(path)
    assert raised.value.problems[0].where == f"{path}: annotation 1"
    put(tmp_path / "ours.txt", ROW)
    monkeypatch.chdir(tmp_path)
    from pathlib import Path as Place  # what a user has named is relative

    (told, *_) = problems_of(Place("ours.txt"))
    assert told.where == str(tmp_path / "ours.txt")
    rows = BoxRows(Place("ours.txt"))
    rows.problems.add("wrong", str(tmp_path / "ours.txt"), "expected another")
    rows.problems.add("wrong", "line 3", "expected another")
    with pytest.raises(SchemaError, match="expected another") as raised:
        rows.raise_found()
    assert [one.where for one in raised.value.problems] == [str(tmp_path / "ours.txt"), "ours.txt: line 3"]


def test_a_name_that_no_sequence_can_have_is_told_with_its_file(tmp_path: Path) -> None:
    rows = BoxRows(tmp_path / "x.json")
    from lapsdata.adapters.motchallenge.reading import _no_rows

    rows.add(".hidden", _no_rows(), str)
    with pytest.raises(LapsError, match=r"x.json: .*name: expected a name without slashes"):
        rows.adapted([])


@pytest.mark.parametrize(
    ("name", "data", "got", "fix"),
    [
        ("a.json", gzip.compress(b"{}", mtime=0), "compressed with gzip", "decompress it"),
        ("a.json", json.dumps({"a/img1/000001": []}).encode("utf-16"), "text in UTF-16", "save it as UTF-8"),
        ("a.txt", ROW.encode("utf-16"), "text in UTF-16", "save it as UTF-8"),
        ("a.json", b"", "got 0 bytes", "restore it from a copy"),
        ("a.txt", b"", "got 0 bytes", "is known by its place: data/<sequence>.txt"),
    ],
    ids=["gzip", "json-in-utf-16", "text-in-utf-16", "empty-json", "empty-text"],
)
def test_what_a_file_seems_to_be_is_told(tmp_path: Path, name: str, data: bytes, got: str, fix: str) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    (problem,) = problems_of(path)
    assert got in problem.message
    assert "HDF5 file" not in problem.message
    assert fix in str(problem.fix)
    if data:
        with pytest.raises(UnknownFormatError, match=got):
            recognise(path)


@pytest.mark.parametrize("info", [{}, {"seqLength": 600_000_000}])
def test_a_time_for_a_frame_is_refused(tmp_path: Path, info: dict[str, int]) -> None:
    sequence(tmp_path / "a", truth=["600000000,1,10,20,30,40,1,1,1"], **info)
    with pytest.raises(SchemaError, match=r"expected (frames up to|up to) 10,000,000") as raised:
        motchallenge.read(tmp_path / "a")
    (problem,) = raised.value.problems
    assert problem.where.startswith(str(tmp_path / "a"))
    assert problem.fix == "of times or keys: number frames one by one"
    sequence(tmp_path / "b", truth=["10000000,1,10,20,30,40,1,1,1"])
    assert boxes_of(tmp_path / "b").header.sequences[0].length == 10_000_000


def test_whose_names_classes_have_is_told_once(tmp_path: Path) -> None:
    rows = [f"{frame},{who},10,20,30,40,1,{who},1" for frame in (1, 2) for who in (1, 2)]
    for name in ("a", "b"):
        sequence(tmp_path / "set" / name, truth=rows)
    told = [note for note in motchallenge.read(tmp_path / "set").notes if note.code == "mot-names"]
    (note,) = told
    assert note.message == "classes are called as MOT16 has them: '2 person_on_vehicle'"
    assert (note.severity, "--classes" in str(note.fix)) == ("info", True)
    assert note.where == str(tmp_path / "set" / "a" / "gt" / "gt.txt")
    called = motchallenge.read(tmp_path / "set", classes={"1": "player", "2": "ball"})
    assert set(codes(called)) == {"length-unknown"}
    for name in ("a", "b"):
        put(tmp_path / "set" / name / "gt" / "labels.txt", "player", "ball")
    assert set(codes(motchallenge.read(tmp_path / "set"))) == {"length-unknown"}
    # Pedestrians alone need no name, and distractors are MOT16's.
    sequence(tmp_path / "other", truth=[*rows, "2,9,10,20,30,40,0,8,1"])
    assert "mot-names" not in codes(motchallenge.read(tmp_path / "other"))
    assert "mot-names" not in codes(motchallenge.read(sequence(tmp_path / "alone", truth=rows[::2])))


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ('<?xml version="1.0"?>\n<!-- ours -->\n<!-- again -->\n<sequence name="a">', "boxes"),
        ('<sequence id="4" name="a">', "boxes"),
        ('<sequence name="a">', "boxes"),
        ('<sequences name="a">', None),
        ('<sequence id="4"><frame name="a"/>', None),
        ('<!-- <sequence name="a"> --><other name="a">', None),
    ],
)
def test_what_is_a_sequence_of_ua_detrac(tmp_path: Path, text: str, known: str | None) -> None:
    assert ua_detrac.PLUGIN.recognises(put(tmp_path / "a.xml", text)) == known


def test_images_without_a_truth_hide_no_truth_beside_them(tmp_path: Path) -> None:
    sequence(tmp_path / "set" / "train" / "a")
    for name in ("b", "c", "d"):
        put(tmp_path / "set" / "train" / name / "img1" / "000001.jpg")
    assert motchallenge.PLUGIN.recognises(tmp_path / "set") == "boxes"
    adapted = motchallenge.read(tmp_path / "set")
    assert [one.name for one in table(adapted).header.sequences] == ["a"]
    assert "'train/b', 'train/c', 'train/d'" in notes_of(adapted)["folders-left"]
    # Folders of images alone are none.
    put(tmp_path / "images" / "b" / "img1" / "000001.jpg")
    assert motchallenge.PLUGIN.recognises(tmp_path / "images") is None
