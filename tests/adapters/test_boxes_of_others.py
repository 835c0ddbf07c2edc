"""Boxes of VATIC, UA-DETRAC, KITTI and VisDrone: the same places, frames, identities and labels as their files say."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.io import savemat

from lapsdata.adapters import Adapted, find_adapter, read_adapted
from lapsdata.errors import LapsError, SchemaError
from lapsdata.plugins import registry
from lapsdata.schema import Size
from lapsdata.timebase import FrameRate
from tests.adapters.mot_by_hand import codes, put, table

if TYPE_CHECKING:
    from lapsdata.containers import Boxes

SAMPLES = Path(__file__).parents[1] / "samples"
NAMED = ("kitti_tracking", "motchallenge", "ua_detrac", "vatic", "visdrone_mot")
FILES = [
    (name, path)
    for name in NAMED
    for path in sorted((SAMPLES / name).rglob("*"))
    if path.suffix in (".txt", ".xml", ".mat")
]
SIZE = Size(width=960, height=540)


def read(name: str, path: Path, **told: Any) -> Adapted:
    return read_adapted(registry("adapters").load(name), path, told)


def sides(boxes: Boxes, row: int) -> list[float]:
    return [float(getattr(boxes, side)[row]) for side in "xywh"]


def test_the_sample_of_vatic() -> None:
    adapted = read("vatic", SAMPLES / "vatic")
    boxes = table(adapted)
    assert boxes.frame.tolist() == [0, 1, 1]
    assert boxes.id.tolist() == [7, 7, 9]
    assert boxes.label == ("worker", "worker", "car")
    assert set(boxes.source) == {"truth"}
    assert [sides(boxes, row) for row in range(3)] == [[9.5, 19.5, 30, 40], [10.5, 19.5, 30, 40], [4.5, 4.5, 10, 20]]
    (one,) = boxes.header.sequences
    assert (one.name, one.length, one.first_number) == ("yard", 3, 0)
    assert codes(adapted) == ["length-unknown", "lost-boxes", "marks-left-out"]
    assert boxes.header.policies == {"lost_boxes": 1}
    told = {note.code: note.message for note in adapted.notes}
    assert told["marks-left-out"].endswith("1 occluded, 1 interpolated, 1 attributes")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("0 1 2 3 4 0 0 0 worker", "line 2: expected track xmin ymin"),
        ('0 1 2 3 4 0 0 0 0 "a" loose', "line 2: expected track xmin ymin"),
        ('x 1 2 3 4 0 0 0 0 "a"', r"line 2: expected a number in column 1 \(track\), got 'x'"),
        ('0.5 1 2 3 4 0 0 0 0 "a"', "line 2: expected a whole track from 0, got 0.5"),
        ('0 1 2 3 4 -1 0 0 0 "a"', "line 2: expected a whole frame from 0, got -1"),
        ('0 1 2 3 4 0 2 0 0 "a"', "line 2: expected 0 or 1 for lost, got 2"),
        ('0 9 2 3 4 0 0 0 0 "a"', "line 2: w: expected w from 0, got -6"),
        ('5 1 2 3 4 0 0 0 0 "a"', "line 2: id: expected each identity once in a frame, got frame 0, id 5"),
    ],
)
def test_wrong_rows_of_vatic(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        read("vatic", put(tmp_path / "a.txt", '5 1 2 3 4 0 0 0 0 "a"', line))


def test_the_samples_of_ua_detrac() -> None:
    adapted = read("ua_detrac", SAMPLES / "ua_detrac")
    boxes = table(adapted)
    assert [(one.name, one.length, one.first_number) for one in boxes.header.sequences] == [
        ("MVI_1", 3, 1),
        ("MVI_2", 3, 1),
    ]
    rows = list(zip(boxes.sequence_index.tolist(), boxes.frame.tolist(), boxes.id.tolist(), boxes.label, strict=True))
    region = "ignored_region"
    assert rows == [
        *((0, 0, 1, "car"), (0, 0, 4, "bus"), (0, 0, -1, region)),
        (0, 1, -1, region),
        *((0, 2, 1, "car"), (0, 2, -1, region)),
        *((1, 0, 1, "vehicle"), (1, 2, 1, "vehicle"), (1, 2, 2, "vehicle")),
    ]
    assert boxes.ignored.tolist() == [label == region for label in boxes.label]
    assert sides(boxes, 0) == [98.75, 199.0, 80, 60.5]
    assert sides(boxes, 2) == [-0.5, -0.5, 50, 20]
    assert codes(adapted) == ["ignored-regions", "length-unknown"]


def test_xml_and_mat_of_one_sequence_say_the_same_but_for_rounding() -> None:
    drawn = table(read("ua_detrac", SAMPLES / "ua_detrac" / "MVI_1.xml"))
    rounded = table(read("ua_detrac", SAMPLES / "ua_detrac" / "MVI_2.mat"))
    own = [row for row in range(len(drawn)) if drawn.id[row] == 1]
    other = [row for row in range(len(rounded)) if rounded.id[row] == 1]
    assert drawn.frame[own].tolist() == rounded.frame[other].tolist()
    for side in "xywh":
        assert np.abs(getattr(drawn, side)[own] - getattr(rounded, side)[other]).max() <= 1


BOX = '<box left="1" top="1" width="1" height="1"/>'


@pytest.mark.parametrize(
    ("frame", "box", "message"),
    [
        ("x", BOX, r"frame x, target 1: expected a whole number in column 1 \(frame\), got 'x'"),
        ("1", "", "frame 1, target 1: expected a box, got none"),
        ("1", '<box left="1"/>', r"frame 1, target 1: expected a number in column 2 \(top\), got 'None'"),
        ("0", BOX, "frame 0, target 1: frame: expected frames from 1, got 0"),
        ("1", BOX.replace('width="1"', 'width="-1"'), "frame 1, target 1: w: expected w from 0, got -1"),
        ("1", f"{BOX}</frame>", "expected XML of UA-DETRAC, got: mismatched tag"),
    ],
)
def test_wrong_xml_is_named(tmp_path: Path, frame: str, box: str, message: str) -> None:
    text = f'<sequence name="a"><frame num="{frame}"><target id="1">{box}</target></frame></sequence>'
    with pytest.raises(SchemaError, match=message):
        read("ua_detrac", put(tmp_path / "a.xml", text))


def test_a_wrong_region_is_named(tmp_path: Path) -> None:
    text = '<sequence name="a"><ignored_region><box left="1"/></ignored_region></sequence>'
    with pytest.raises(SchemaError, match=r"ignored_region: expected a number in column 2"):
        read("ua_detrac", put(tmp_path / "a.xml", text))


def mat(path: Path, **changed: Any) -> Path:
    info = {name: np.ones((2, 1)) * 50 for name in "XYWH"} | {"frameNums": np.array([[1, 2]])}
    savemat(path, {"gtInfo": {name: value for name, value in (info | changed).items() if value is not None}})
    return path


def test_frames_of_a_mat_file_are_those_it_lists(tmp_path: Path) -> None:
    boxes = table(read("ua_detrac", mat(tmp_path / "a.mat", frameNums=np.array([[3, 7]]))))
    assert boxes.frame.tolist() == [2, 6]
    assert boxes.header.sequences[0].length == 7
    assert sides(boxes, 0) == [23.5, -1.5, 50, 50]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"W": None}, "expected gtInfo with X, Y, W, H, frameNums, got: "),
        ({"W": np.ones((3, 1))}, r"expected X, Y, W, H of one shape, a row for each of 2 frames"),
        ({"frameNums": np.array([[1, 2, 3]])}, r"a row for each of 3 frames, got \(2, 1\)"),
        ({"X": "words"}, "expected gtInfo with|expected X, Y, W, H of one shape"),
    ],
)
def test_a_wrong_mat_file_is_named(tmp_path: Path, changed: dict[str, Any], message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        read("ua_detrac", mat(tmp_path / "a.mat", **changed))


def test_a_mat_file_of_something_else_is_named(tmp_path: Path) -> None:
    savemat(tmp_path / "a.mat", {"other": np.ones(3)})
    with pytest.raises(SchemaError, match="got: KeyError 'gtInfo'; save it with -v7"):
        read("ua_detrac", tmp_path / "a.mat")


def test_the_sample_of_kitti() -> None:
    adapted = read("kitti_tracking", SAMPLES / "kitti_tracking" / "label_02", rate=10)
    boxes = table(adapted)
    assert boxes.frame.tolist() == [0, 0, 1, 1]
    assert boxes.id.tolist() == [-1, 3, 3, 8]
    assert boxes.label == ("DontCare", "Van", "Van", "Pedestrian")
    assert boxes.ignored.tolist() == [True, False, False, False]
    assert set(boxes.source) == {"truth"}
    assert sides(boxes, 1) == [295.75, 160, 155.75, 130.5]
    (one,) = boxes.header.sequences
    assert (one.name, one.length, one.rate, one.first_number) == ("0000", 3, FrameRate(10), 0)
    assert codes(adapted) == ["fields-left-out"]


CAR = "0 1 Car 0 0 -1.5 10 20 40.5 60 1 1 3 0 1 8 0"


def test_results_of_kitti_have_scores_and_a_name(tmp_path: Path) -> None:
    path = put(tmp_path / "ours" / "0001.txt", f"{CAR} 0.75", f"{CAR.replace('0 1', '1 1', 1)} 0.5")
    boxes = table(read("kitti_tracking", path.parent))
    assert boxes.source == ("ours", "ours")
    assert boxes.score is not None
    assert boxes.score.tolist() == [0.75, 0.5]
    assert set(table(read("kitti_tracking", path, whose="mine")).source) == {"mine"}
    assert table(read("kitti_tracking", path, classes={"Car": "vehicle"})).label == ("vehicle", "vehicle")


def test_a_file_of_kitti_without_a_row_is_a_sequence(tmp_path: Path) -> None:
    put(tmp_path / "0000.txt", CAR)
    put(tmp_path / "0001.txt")
    adapted = read("kitti_tracking", tmp_path)
    assert [one.name for one in table(adapted).header.sequences] == ["0000", "0001"]
    assert "empty-file" in codes(adapted)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("0 1 Car 0 0", "line 2: expected 17 columns, got 5; frame id type truncated"),
        (f"{CAR} 0.5", "line 2: expected 17 columns, got 18"),
        (CAR.replace("0 1", "0.5 1", 1), r"line 2: expected a whole number in column 1 \(frame\), got '0.5'"),
        (CAR.replace("20", "x"), r"line 2: expected a number in column 7 \(top\), got 'x'"),
        (CAR.replace("40.5", "4"), "line 2: w: expected w from 0, got -6"),
    ],
)
def test_wrong_rows_of_kitti(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        read("kitti_tracking", put(tmp_path / "a.txt", CAR.replace("0 1", "3 1", 1), line))


def test_a_wrong_list_of_lengths_is_named(tmp_path: Path) -> None:
    path = put(tmp_path / "label_02" / "0000.txt", CAR)
    put(tmp_path / "evaluate_tracking.seqmap.training", "0000 empty 000000 many")
    with pytest.raises(SchemaError, match="line 1: expected a name, a word, first and end frame"):
        read("kitti_tracking", path)


def test_the_sample_of_visdrone() -> None:
    adapted = read("visdrone_mot", SAMPLES / "visdrone_mot", size=SIZE)
    boxes = table(adapted)
    assert boxes.frame.tolist() == [0, 0, 1, 1, 2]
    assert boxes.id.tolist() == [-1, 7, 7, 9, -1]
    assert boxes.label == ("ignored_region", "car", "car", "others", "ignored_region")
    assert boxes.ignored.tolist() == [True, False, False, True, True]
    assert sides(boxes, 1) == [9.5, 19.5, 30, 40]
    (one,) = boxes.header.sequences
    assert (one.name, one.size, one.first_number) == ("uav1", SIZE, 1)
    assert codes(adapted) == ["fields-left-out", "length-unknown"]


def test_classes_of_visdrone_can_be_said(tmp_path: Path) -> None:
    path = put(tmp_path / "a.txt", "1,7,10,20,30,40,1,4,0,1", "1,8,10,20,30,40,1,12,0,1")
    adapted = read("visdrone_mot", path, classes={"4": "auto"})
    assert table(adapted).label == ("auto", "class_12")
    assert "unnamed-classes" in codes(adapted)
    assert table(read("visdrone_mot", path, classes={"class_12": "boat"})).label == ("car", "boat")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("0,7,10,20,30,40,1,4,0,1", "line 2: frame: expected a whole frame from 1, got 0"),
        ("1,7.5,10,20,30,40,1,4,0,1", "line 2: id: expected a whole id from -1, got 7.5"),
        ("1,8,10,20,30,40,1,4.5,0,1", "line 2: class: expected a whole class from 0, got 4.5"),
        ("1,8,10,20,30,40,1,4", "line 2: expected 10 columns as in line 1, got 8"),
        ("1,7,10,20,30,40,1,4,0,1", "line 2: id: expected each identity once in a frame, got frame 1, id 7"),
    ],
)
def test_wrong_rows_of_visdrone(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        read("visdrone_mot", put(tmp_path / "a.txt", "1,7,10,20,30,40,1,4,0,1", line))


@pytest.mark.parametrize("name", ["vatic", "ua_detrac", "kitti_tracking", "visdrone_mot"])
def test_rate_and_size_are_what_is_said(name: str) -> None:
    path = SAMPLES / name / ("label_02" if name == "kitti_tracking" else "")
    boxes = table(read(name, path, rate="25", size=SIZE))
    assert {(one.rate, one.size) for one in boxes.header.sequences} == {(FrameRate(25), SIZE)}


@pytest.mark.parametrize(("name", "path"), FILES, ids=lambda value: value if isinstance(value, str) else value.name)
def test_every_sample_is_known_to_one_adapter_and_read(name: str, path: Path) -> None:
    found = find_adapter(path)
    assert found is not None
    assert (found[0].name, found[1]) == (name, "boxes")
    assert len(table(found[0].read(path))) > 0


@pytest.mark.parametrize("name", NAMED)
def test_empty_folders_and_texts_of_others_are_of_nobody(name: str, tmp_path: Path) -> None:
    adapter = registry("adapters").load(name)
    assert adapter.recognises(tmp_path) is None
    for ending in ("xml", "mat", "json", "csv", "lab"):
        assert adapter.recognises(put(tmp_path / f"one.{ending}")) is None
    assert adapter.recognises(put(tmp_path / "one.txt", "take the cup")) is None
    assert adapter.recognises(tmp_path) is None


def reading(name: str, path: Path) -> Adapted | LapsError:
    try:
        return read(name, path)
    except LapsError as error:
        return error


@pytest.mark.parametrize(("name", "path"), FILES, ids=lambda value: value if isinstance(value, str) else value.name)
@given(data=st.data())
def test_damage_is_an_error_or_boxes_that_hold(
    name: str, path: Path, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    whole = path.read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1), label="at")
    flipped = whole[:at] + bytes([whole[at] ^ (1 << data.draw(st.integers(0, 7), label="bit"))]) + whole[at + 1 :]
    new = whole[:at] + data.draw(st.binary(min_size=1, max_size=8), label="new") + whole[at:]
    damage = data.draw(st.sampled_from([whole[:at], whole[at:], flipped, new, whole[:at] + whole]), label="damage")
    folder = tmp_path_factory.mktemp("damage")
    (folder / path.name).write_bytes(damage)
    found = reading(name, folder / path.name)
    if isinstance(found, LapsError):
        assert all("expected" in one.message or "cannot" in one.message for one in found.problems)
    else:
        assert all(note.severity in ("warning", "info") for note in found.notes)
        assert table(found).header.sequences
