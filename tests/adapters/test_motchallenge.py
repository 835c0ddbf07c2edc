"""Rows of MOTChallenge: whose they are, what their columns mean, and what sequences and their folders say."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lapsdata.adapters import find_adapter, motchallenge
from lapsdata.adapters.motchallenge.classes import MOT_CLASSES
from lapsdata.schema import Size
from lapsdata.timebase import FrameRate
from tests.adapters.mot_by_hand import FOUND, RESULT, TRUTH, boxes_of, codes, put, sequence, table

SAMPLE = Path(__file__).parents[1] / "samples" / "motchallenge"


def test_the_sample_is_read_as_it_stands_there() -> None:
    adapted = motchallenge.read(SAMPLE)
    boxes = table(adapted)
    (one,) = boxes.header.sequences
    assert (one.name, one.length, one.rate, one.first_number) == ("park", 4, FrameRate(25), 1)
    assert one.size == Size(width=640, height=360)
    assert one.images == "img1/{frame:06d}.jpg"
    assert [(span.start, span.stop) for span in one.annotated] == [(0, 4)]
    columns = zip(boxes.frame.tolist(), boxes.source, boxes.id.tolist(), boxes.x.tolist(), strict=True)
    assert list(columns) == [
        (0, "truth", 1, 8.5),
        (0, "truth", 2, 99.0),
        (0, "detector", -1, 9.5),
        (0, "ours", 0, 9.0),
        (1, "truth", 1, 10.5),
        (1, "truth", 2, 101.5),
        (1, "detector", -1, 11.0),
        (1, "ours", 0, 10.5),
        (2, "truth", 1, 12.5),
        (3, "truth", 1, 14.5),
        (3, "detector", -1, 298.5),
    ]
    assert boxes.label[5] == "static_person"
    assert boxes.ignored.tolist() == [row == 5 for row in range(11)]
    assert boxes.score is not None
    assert boxes.visibility is not None
    assert np.array_equal(boxes.score[:4], [np.nan, np.nan, 0.9, 0.9], equal_nan=True)
    assert np.array_equal(boxes.visibility[:3], [1, 0.25, np.nan], equal_nan=True)
    assert adapted.notes == ()
    assert sorted(one.role for one in boxes.header.provenance.parents) == ["detections", "results", "truth"]


def test_positions_count_from_one_and_sizes_stay(tmp_path: Path) -> None:
    boxes = boxes_of(put(tmp_path / "gt.txt", "1,1,1,1,640,360,1,1,1"))
    assert [getattr(boxes, side).tolist() for side in "xywh"] == [[-0.5], [-0.5], [640], [360]]


DIALECTS = {
    "MOT15": [f"{row[: row.index(',1,1,') if ',1,1,' in row else None]},1,-1,-1,-1" for row in TRUTH[:3]],
    "MOT17": list(TRUTH[:3]),
    "SportsMOT": [row.replace(",", ", ") for row in TRUTH[:3]],
    "blanks": [row.replace(",", " ") for row in TRUTH[:3]],
    "tabs": [row.replace(",", "\t") for row in TRUTH[:3]],
    "commas behind": [f"{row}," for row in TRUTH[:3]],
    "numbers with a point": ["1.0,1.0,10.0,20,30,40,1.0,1.0,0.5", *TRUTH[1:3]],
    "another order": [TRUTH[2], TRUTH[0], TRUTH[1]],
    "eight columns": [row.rpartition(",")[0] for row in TRUTH[:3]],
    "seven columns": [",".join(row.split(",")[:7]) for row in TRUTH[:3]],
}


@pytest.mark.parametrize("name", DIALECTS)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_every_dialect_of_truth_gives_the_same_boxes(tmp_path: Path, name: str, end: str) -> None:
    boxes = boxes_of(put(tmp_path / "park" / "gt" / "gt.txt", *DIALECTS[name], end=end))
    assert boxes.frame.tolist() == [0, 0, 1]
    assert boxes.id.tolist() == [1, 2, 1]
    assert boxes.x.tolist() == [8.5, 98.5, 10.5]
    assert set(boxes.label) == {"pedestrian"}
    assert set(boxes.source) == {"truth"}
    assert not boxes.ignored.any()
    assert boxes.header.sequences[0].name == "park"


@pytest.mark.parametrize(
    ("rows", "codes_of", "score"),
    [
        (["1,4,10,20,30,40,0.5,-1,-1,-1", "2,4,10,20,30,40,1,-1,-1,-1"], [], [0.5, 1]),
        (["1,4,10,20,30,40,-1,-1,-1,-1", "2,4,10,20,30,40,-1,-1,-1,-1"], [], None),
        (["1,4,10,20,30,40,-1,-1,-1,-1", "2,4,10,20,30,40,-0.5,-1,-1,-1"], ["scores-beyond-1"], [-1, -0.5]),
        (["1,4,10,20,30,40,0.5", "2,4,10,20,30,40,1"], [], [0.5, 1]),
        (["1,4,10,20,30,40", "2,4,10,20,30,40"], ["no-scores"], None),
    ],
)
def test_scores_of_results(tmp_path: Path, rows: list[str], codes_of: list[str], score: list[float] | None) -> None:
    adapted = motchallenge.read(put(tmp_path / "ours" / "data" / "park.txt", *rows))
    boxes = table(adapted)
    assert codes(adapted) == ["length-unknown", *codes_of]
    assert boxes.source == ("ours", "ours")
    assert (None if boxes.score is None else boxes.score.tolist()) == score
    assert not boxes.ignored.any()


def test_truth_without_a_flag_counts_whole_and_is_told(tmp_path: Path) -> None:
    adapted = motchallenge.read(put(tmp_path / "gt.txt", "1,1,10,20,30,40"))
    assert codes(adapted) == ["length-unknown", "no-flag"]
    assert not table(adapted).ignored.any()


def test_flags_that_are_scores_or_leave_everything_out_are_told(tmp_path: Path) -> None:
    adapted = motchallenge.read(put(tmp_path / "a" / "gt.txt", "1,1,10,20,30,40,0.9", "2,1,10,20,30,40,0"))
    assert codes(adapted) == ["length-unknown", "odd-flags"]
    assert table(adapted).ignored.tolist() == [False, True]
    adapted = motchallenge.read(put(tmp_path / "b" / "gt.txt", "1,1,10,20,30,40,0", "2,1,10,20,30,40,0"))
    assert codes(adapted) == ["all-ignored", "length-unknown"]


def test_places_in_the_world_are_left_out_and_counted(tmp_path: Path) -> None:
    adapted = motchallenge.read(put(tmp_path / "gt.txt", "1,1,88,99,61.08,218.56,1,4.4852,5.5016,0"))
    assert codes(adapted) == ["length-unknown", "world-places"]
    assert table(adapted).label == ("pedestrian",)
    assert table(adapted).header.policies == {"world_places": 1}


@pytest.mark.parametrize(
    ("rows", "source", "why"),
    [
        (RESULT, "one", "read as results: nothing says whose they are"),
        (FOUND, "detector", "read as detections: no row has an id"),
        (TRUTH, "truth", "read as truth: 9 columns with a flag and a class"),
        ([row.rpartition(",")[0] for row in TRUTH], "truth", "read as truth: 8 columns with a flag and a class"),
        (["1,1,10,20,30,40,0.5,1,1"], "one", "read as results: nothing says whose they are"),
        ([], None, "read as results: it has no rows"),
    ],
)
def test_a_file_alone_is_told_by_its_columns(tmp_path: Path, rows: list[str], source: str | None, why: str) -> None:
    adapted = motchallenge.read(put(tmp_path / "one.txt", *rows))
    assert set(table(adapted).source) == ({source} if source else set())
    (note,) = [note for note in adapted.notes if note.code == "kind-guessed"]
    assert (note.message, note.severity) == (why, "info")
    assert "--whose" in (note.fix or "")


@pytest.mark.parametrize(
    ("whose", "scored", "ignored"),
    [("truth", False, [False, True]), ("detector", True, [False, False]), ("ByteTrack", True, [False, False])],
)
def test_whose_they_are_can_be_said(tmp_path: Path, whose: str, scored: bool, ignored: list[bool]) -> None:
    path = put(tmp_path / "one.txt", "1,1,10,20,30,40,1", "2,1,10,20,30,40,0")
    boxes = boxes_of(path, whose=whose)
    assert boxes.source == (whose, whose)
    assert (boxes.score is not None) == scored
    assert boxes.ignored.tolist() == ignored


@pytest.mark.parametrize(
    ("name", "source", "of"),
    [
        ("park/gt/gt.txt", "truth", "park"),
        ("park/gt/gt_val_half.txt", "truth", "park"),
        ("park/gt.txt", "truth", "park"),
        ("park/det/det.txt", "detector", "park"),
        ("park/det.txt", "detector", "park"),
        ("ours/data/park.txt", "ours", "park"),
        ("ours/park.txt", "park", "park"),
    ],
)
def test_the_place_of_a_file_says_whose_it_is(tmp_path: Path, name: str, source: str, of: str) -> None:
    boxes = boxes_of(put(tmp_path / name, "1,1,10,20,30,40,1"))
    assert boxes.source == (source,)
    assert boxes.header.sequences[0].name == of


def test_classes_are_called_as_mot16_calls_them(tmp_path: Path) -> None:
    path = put(tmp_path / "gt.txt", *(f"{n},1,10,20,30,40,1,{n},1" for n in range(1, 14)))
    assert boxes_of(path).label == MOT_CLASSES


CLASSES: list[tuple[dict[str, str] | None, tuple[str, ...], bool]] = [
    (None, ("pedestrian", "person_on_vehicle", "class_14"), True),
    ({"1": "player", "2": "ball", "14": "referee"}, ("player", "ball", "referee"), False),
    ({"1": "player", "2": "ball"}, ("player", "ball", "class_14"), True),
    ({"pedestrian": "player"}, ("player", "person_on_vehicle", "class_14"), True),
    ({"class_14": "referee"}, ("pedestrian", "person_on_vehicle", "referee"), True),
]


@pytest.mark.parametrize(("told", "labels", "unnamed"), CLASSES)
def test_classes_can_be_said(
    tmp_path: Path, told: dict[str, str] | None, labels: tuple[str, ...], unnamed: bool
) -> None:
    path = put(tmp_path / "gt.txt", *(f"1,{n},10,20,30,40,1,{n},1" for n in (1, 2, 14)))
    adapted = motchallenge.read(path, classes=told)
    assert table(adapted).label == labels
    assert ("unnamed-classes" in codes(adapted)) == unnamed


@pytest.mark.parametrize(
    ("told", "label"),
    [
        (None, "pedestrian"),
        ({"2": "ball"}, "ball"),
        ({"1": "player", "2": "ball"}, "player"),
        ({"3": "a", "4": "b"}, "pedestrian"),
    ],
)
def test_boxes_without_a_class_are_of_the_first_or_the_only_one(
    tmp_path: Path, told: dict[str, str] | None, label: str
) -> None:
    assert boxes_of(put(tmp_path / "a.txt", *RESULT), classes=told).label == (label,) * 3
    path = put(tmp_path / "gt.txt", "1,1,10,20,30,40,1,-1,-1")
    assert boxes_of(path, classes=told).label == (label,)


def test_classes_of_results_stand_before_two_that_say_nothing(tmp_path: Path) -> None:
    path = put(tmp_path / "ours.txt", "1,1,10,20,30,40,0.9,1,-1,-1", "1,2,10,20,3,4,0.9,2,-1,-1")
    assert boxes_of(path, classes={"1": "player", "2": "ball"}).label == ("player", "ball")


@pytest.mark.parametrize("place", ["park/gt/gt.txt", "ours/data/park.txt"])
def test_a_list_of_classes_beside_the_rows_names_them(tmp_path: Path, place: str) -> None:
    path = put(tmp_path / place, "1,1,10,20,30,40,1,2,1", "2,1,10,20,30,40,1,1,1")
    put(path.parent / "labels.txt" if "gt" in place else path.parents[1] / "labels.txt", "player", "ball")
    assert boxes_of(path).label == ("ball", "player")
    assert boxes_of(path, classes={"1": "a", "2": "b"}).label == ("b", "a")


def test_a_root_with_splits_and_trackers(tmp_path: Path) -> None:
    sequence(tmp_path / "train" / "one", found=FOUND, seqLength=3)
    sequence(tmp_path / "train" / "two", seqLength=3)
    sequence(tmp_path / "test" / "three", truth=None, found=FOUND, seqLength=3, imWidth=64, imHeight=48)
    put(tmp_path / "trackers" / "ours" / "data" / "one.txt", *RESULT)
    put(tmp_path / "trackers" / "ours" / "data" / "two.txt")
    put(tmp_path / "seqmaps" / "all.txt", "name", "one", "two")
    adapted = motchallenge.read(tmp_path)
    boxes = table(adapted)
    assert [one.name for one in boxes.header.sequences] == ["three", "one", "two"]
    count = {
        (boxes.header.sequences[at].name, source): 0
        for at, source in zip(boxes.sequence_index, boxes.source, strict=True)
    }
    for at, source in zip(boxes.sequence_index, boxes.source, strict=True):
        count[boxes.header.sequences[at].name, source] += 1
    assert count == {
        ("three", "detector"): 2,
        ("one", "truth"): 4,
        ("one", "detector"): 2,
        ("one", "ours"): 3,
        ("two", "truth"): 4,
    }
    assert codes(adapted) == ["empty-file"]


@pytest.mark.parametrize("inside", ["", "data"])
def test_results_of_a_tracker_are_named_after_its_folder(tmp_path: Path, inside: str) -> None:
    folder = tmp_path / "ByteTrack" / inside
    put(folder / "one.txt", *RESULT)
    put(folder / "two.txt", *RESULT)
    boxes = boxes_of(tmp_path / "ByteTrack")
    assert [one.name for one in boxes.header.sequences] == ["one", "two"]
    assert set(boxes.source) == {"ByteTrack"}
    assert set(boxes_of(tmp_path / "ByteTrack", whose="mine").source) == {"mine"}


def test_a_sequence_with_neither_truth_nor_detections(tmp_path: Path) -> None:
    adapted = motchallenge.read(sequence(tmp_path / "one", truth=None, seqLength=7, frameRate=30))
    assert len(table(adapted)) == 0
    assert table(adapted).header.sequences[0].length == 7
    assert codes(adapted) == ["no-rows"]


@pytest.mark.parametrize("rows", [TRUTH, FOUND, RESULT, DIALECTS["SportsMOT"], DIALECTS["blanks"], [f"{TRUTH[0]},"]])
def test_files_of_rows_are_known(tmp_path: Path, rows: list[str]) -> None:
    found = find_adapter(put(tmp_path / "one.txt", *rows))
    assert found is not None
    assert (found[0].name, found[1]) == ("motchallenge", "boxes")


OTHERS: dict[str, list[str]] = {
    "yolo.txt": ["0 0.5 0.5 0.1 0.1"],
    "yolo_confidence.txt": ["0 0.5 0.5 0.1 0.1 0.9"],
    "words.txt": ["take", "pour"],
    "one.csv": ["1,1,10,20,30,40,1"],
    "few.txt": ["1,1,10,20,30"],
    "many.txt": ["1,1,10,20,30,40,1,1,1,1,1"],
    "names.txt": ["frame,id,x,y,w,h"],
    "half.txt": ["0.5,1,10,20,30,40,1"],
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_files_are_not(tmp_path: Path, name: str) -> None:
    path = put(tmp_path / "folder" / name, *OTHERS[name])
    assert motchallenge.PLUGIN.recognises(path) is None
    assert motchallenge.PLUGIN.recognises(path.parent) is None


def test_a_file_without_a_byte_is_a_result_of_a_tracker_that_found_nothing(tmp_path: Path) -> None:
    path = put(tmp_path / "th_0.5.txt")
    # Alone it says nothing, and may be anybody's; among rows, or where they belong, it is one of them.
    assert motchallenge.PLUGIN.recognises(path) is None
    put(tmp_path / "th_0.4.txt", *RESULT)
    assert motchallenge.PLUGIN.recognises(path) == "boxes"
    for place in ("gt/gt.txt", "one/det.txt", "ours/data/a.txt"):
        assert motchallenge.PLUGIN.recognises(put(tmp_path / place)) == "boxes"
    adapted = motchallenge.read(path)
    assert len(table(adapted)) == 0
    assert codes(adapted) == ["empty-file", "kind-guessed", "length-unknown"]
    assert [note.severity for note in adapted.notes if note.code == "empty-file"] == ["warning"]
    assert motchallenge.PLUGIN.recognises(put(tmp_path / "groundTruth" / "S1.txt")) is None
    assert motchallenge.PLUGIN.recognises(put(tmp_path / "bare" / "S1.txt").parent) is None


IMAGES: list[tuple[list[str], dict[str, Any], list[str], str | None, int, int, list[str]]] = [
    (["000001.jpg", "000002.jpg", "000003.jpg"], {}, ["1", "3"], "img1/{frame:06d}.jpg", 1, 3, []),
    (["00000001.png", "00000002.png"], {}, ["1", "2"], "img1/{frame:08d}.png", 1, 2, []),
    (["frame_9.jpg", "frame_10.jpg", "frame_11.jpg"], {}, ["9", "11"], "img1/frame_{frame:d}.jpg", 9, 3, []),
    (["000000.jpg", "000001.jpg"], {}, ["0", "1"], "img1/{frame:06d}.jpg", 0, 2, []),
    (["000000.jpg", "000001.jpg"], {}, ["1", "2"], None, 1, 2, ["images-begin-elsewhere"]),
    (["000005.jpg", "000006.jpg"], {}, ["1", "2"], None, 1, 2, ["images-begin-elsewhere"]),
    (["000001.jpg"], {"seqLength": 3}, ["1", "3"], "img1/{frame:06d}.jpg", 1, 3, ["other-images"]),
    (["000001.jpg", "000002.jpg", "cover.jpg", "mask_1.png"], {}, ["1"], "img1/{frame:06d}.jpg", 1, 2, []),
    (["a{b}001.jpg", "a{b}002.jpg"], {}, ["1"], "img1/a{{b}}{frame:03d}.jpg", 1, 2, []),
    (["cover.jpg"], {"seqLength": 3}, ["1"], None, 1, 3, []),
]


@pytest.mark.parametrize(("images", "info", "frames", "pattern", "first", "length", "told"), IMAGES)
def test_names_of_images_are_read_from_their_folder(
    tmp_path: Path,
    images: list[str],
    info: dict[str, Any],
    frames: list[str],
    pattern: str | None,
    first: int,
    length: int,
    told: list[str],
) -> None:
    rows = [f"{frame},1,10,20,30,40,1,1,1" for frame in frames]
    adapted = motchallenge.read(sequence(tmp_path / "one", truth=rows, images=images, **info))
    (one,) = table(adapted).header.sequences
    assert (one.images, one.first_number, one.length) == (pattern, first, length)
    assert [code for code in codes(adapted) if code != "frames-without-truth"] == told
    assert table(adapted).frame.tolist() == [int(frame) - first for frame in frames]


def test_what_the_first_frame_is_called_can_be_said(tmp_path: Path) -> None:
    path = put(tmp_path / "gt.txt", "1,1,10,20,30,40,1", "2,1,10,20,30,40,1")
    boxes = boxes_of(path, first_number=0)
    assert boxes.frame.tolist() == [1, 2]
    assert boxes.header.sequences[0].first_number == 0


def test_what_is_said_of_rate_and_size_stands_above_seqinfo(tmp_path: Path) -> None:
    folder = sequence(tmp_path / "one", seqLength=3, frameRate=25, imWidth=640, imHeight=360)
    adapted = motchallenge.read(folder, rate="30000/1001", size=Size(width=1280, height=720))
    (one,) = table(adapted).header.sequences
    assert (one.rate, one.size) == (FrameRate(30000, 1001), Size(width=1280, height=720))
    assert codes(adapted) == ["other-rate"]
    assert table(adapted).header.provenance.parameters == {"rate": "30000/1001", "size": [1280, 720]}


def test_frames_without_truth_are_counted(tmp_path: Path) -> None:
    adapted = motchallenge.read(sequence(tmp_path / "one", seqLength=30))
    (note,) = adapted.notes
    assert (note.code, note.severity) == ("frames-without-truth", "info")
    assert note.message.startswith("27 of 30 frames have no box of the truth")


def test_what_lies_beside_what_is_read_is_told(tmp_path: Path) -> None:
    folder = sequence(tmp_path / "root" / "one", seqLength=3)
    put(folder / "gt" / "gt_val_half.txt", *TRUTH[:1])
    put(tmp_path / "root" / "other" / "notes.md", "text")
    adapted = motchallenge.read(tmp_path / "root")
    told = {note.code: note.message for note in adapted.notes}
    assert told == {
        "files-left": "not read: 'gt_val_half.txt'",
        "folders-left": "nothing to read was found in 'other'",
    }


def test_parts_of_a_sequence_may_hide_in_folders_that_may_not_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sequence(tmp_path / "one", seqLength=3)
    real = os.scandir

    def refused(path: Any) -> Any:
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied")
        return real(path)

    (tmp_path / "a" / "closed").mkdir(parents=True)
    monkeypatch.setattr("os.scandir", refused)
    assert motchallenge.PLUGIN.recognises(tmp_path / "a") is None
