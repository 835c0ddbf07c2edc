"""Detection databases: every dialect, what names of images say, and what is wrong with them."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.adapters import find_adapter
from lapsdata.adapters.detection_db import read, recognises
from lapsdata.errors import SchemaError, StorageError
from lapsdata.schema.base import Size
from lapsdata.timebase import FrameRate
from tests.adapters.boxes_in_json import codes, rows, spans, written

SAMPLES = Path(__file__).parents[1] / "samples" / "detection_db"


def test_upstream_has_eight_digits_and_images_that_stand_alone() -> None:
    boxes, notes, *_ = read(SAMPLES / "upstream.json")
    assert rows(boxes) == [
        ("dancetrack0001", 1, (10.5, 20.25, 30.0, 40.0), 0.75),
        ("dancetrack0001", 1, (100.0, 50.0, 20.5, 60.125), 0.5),
        ("dancetrack0001", 4, (11.5, 20.25, 30.0, 40.0), 0.875),
        ("dancetrack0004", 1, (0.0, 0.0, 5.0, 5.0), 0.25),
        ("273271,c9db000d5146c15", 0, (1.0, 2.0, 3.0, 4.0), 0.5),
    ]
    # Frame 3 has no key: nobody looked at it. Frame 2 has one: there is nothing in it.
    assert spans(boxes)["dancetrack0001"] == [(1, 2), (4, 4)]
    assert [(one.images, one.length, one.first_number) for one in boxes.header.sequences] == [
        ("DanceTrack/train/dancetrack0001/img1/{frame:08d}.txt", 4, 1),
        ("DanceTrack/val/dancetrack0004/img1/{frame:08d}.txt", 1, 1),
        ("crowdhuman/train_image/273271,c9db000d5146c15.txt", 1, 0),
    ]
    assert boxes.header.policies == {"single_images": 1, "frames_missing": 1}
    assert codes(notes) == {"single-images", "frames-missing"}
    assert "(dancetrack0001: 3)" in next(note.message for note in notes if note.code == "frames-missing")


def test_forks_have_six_digits_and_no_ending() -> None:
    boxes, notes, *_ = read(SAMPLES / "fork.json", rate=FrameRate(25), size=Size(width=1280, height=720))
    assert [one[1:] for one in rows(boxes)] == [
        (1, (771.57, 604.2, 73.07, 229.56), 0.923437),
        (3, (770.01, 603.99, 73.5, 229.0), 0.9),
        (3, (pytest.approx(0.01), pytest.approx(0.02), 3.0, 4.0), 0.31),
    ]
    (sequence,) = boxes.header.sequences
    assert (sequence.name, sequence.length, sequence.rate, sequence.size) == (
        "test1",
        3,
        FrameRate(25),
        Size(width=1280, height=720),
    )
    assert (set(boxes.id.tolist()), set(boxes.label), set(boxes.source)) == ({-1}, {"object"}, {"detector"})
    assert notes == ()


def test_detectors_number_frames_and_classes() -> None:
    boxes, notes, *_ = read(SAMPLES / "frames.json", classes={"1": "player", "2": "ball"})
    assert rows(boxes) == [
        ("frames", 0, (10.5, 20.25, 30.0, 40.0), 0.75),
        ("frames", 0, (60.0, 20.0, 5.0, 5.0), 0.5),
        ("frames", 2, (11.5, 20.25, 30.0, 40.0), 0.875),
    ]
    assert boxes.label == ("player", "ball", "player")
    (sequence,) = boxes.header.sequences
    assert (sequence.images, sequence.first_number) == (None, 0)
    assert codes(notes) == {"bare-numbers", "keys-left-out"}
    assert read(SAMPLES / "frames.json").container.label == ("1", "2", "1")


LINE = st.tuples(*[st.integers(0, 4000).map(lambda n: n / 4)] * 4, st.integers(0, 1000).map(lambda n: n / 1000))
FRAMES = st.dictionaries(st.integers(0, 40), st.lists(LINE, max_size=4), min_size=1, max_size=8)
SHAPES = {
    "lines": lambda row: ",".join(map(str, row)) + "\n",
    "lines without an end": lambda row: ", ".join(map(str, row)),
    "a class behind": lambda row: ",".join(map(str, (*row, 3))),
    "lists": list,
    "objects": lambda row: {"bbox": list(row[:4]), "score": row[4]},
    "objects of others": lambda row: {"bbox": list(row[:4]), "confidence": row[4], "class_id": 3},
}
KEYS = [
    "a/b/seq/img1/{:08d}.txt",
    "a/b/seq/img1/{:06d}",
    "seq/img1/{:06d}.jpg",
    "seq/img1/{}",
    "seq/{:04d}.png",
    "seq/img1/frame_{:05d}",
    "{}",
]


@given(frames=FRAMES, shape=st.sampled_from(sorted(SHAPES)), key=st.sampled_from(KEYS))
def test_every_dialect_says_the_same(
    frames: dict[int, Any], shape: str, key: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    document = {key.format(number): [SHAPES[shape](row) for row in found] for number, found in frames.items()}
    boxes = read(written(tmp_path_factory.mktemp("db") / "seq.json", document)).container
    assert rows(boxes) == [("seq", n, row[:4], row[4]) for n in sorted(frames) for row in frames[n]]
    covered = {number for first, last in spans(boxes)["seq"] for number in range(first, last + 1)}
    assert covered == set(frames)
    (sequence,) = boxes.header.sequences
    assert sequence.first_number == min(1, *frames)
    assert sequence.length == max(frames) + 1 - sequence.first_number
    if key != "{}" and "{}" not in key:
        assert sequence.images is not None
        assert {sequence.images.format(frame=number) for number in frames} == set(document)


def test_keys_may_be_in_any_order_and_of_many_sequences(tmp_path: Path) -> None:
    keys = ["t/b/img1/000002", "t/a/img1/000001", "t/b/img1/000001", "t/a/img1/000003"]
    boxes = read(written(tmp_path / "db.json", {key: [f"{at},1,2,3,0.5"] for at, key in enumerate(keys)})).container
    assert [(name, number, box[0]) for name, number, box, _ in rows(boxes)] == [
        ("b", 1, 2.0),
        ("b", 2, 0.0),
        ("a", 1, 1.0),
        ("a", 3, 3.0),
    ]


def test_sequences_of_one_name_are_called_by_their_folders(tmp_path: Path) -> None:
    path = written(tmp_path / "db.json", {f"v/{part}/gt/img1/000001": [] for part in ("combined", "finetune")})
    boxes, notes, *_ = read(path)
    assert [one.name for one in boxes.header.sequences] == ["combined.gt", "finetune.gt"]
    assert codes(notes) == {"longer-names", "empty-database"}


def test_two_dialects_in_one_file_are_told(tmp_path: Path) -> None:
    apart = {"t/a/img1/000001": ["1,2,3,4,0.5"], "t/b/img1/00000001.txt": []}
    boxes, notes, *_ = read(written(tmp_path / "apart.json", apart))
    assert [one.images for one in boxes.header.sequences] == ["t/a/img1/{frame:06d}", "t/b/img1/{frame:08d}.txt"]
    (note,) = notes
    assert (note.code, note.message) == (
        "several-dialects",
        "sequences are spelled in several ways: 1 with 6 digits, 1 with 8 digits and .txt",
    )
    mixed = {"t/a/img1/000001": ["1,2,3,4,0.5"], "t/a/img1/00000002.txt": []}
    boxes, notes, *_ = read(written(tmp_path / "mixed.json", mixed))
    assert boxes.header.sequences[0].images is None
    assert codes(notes) == {"mixed-keys"}


def test_a_frame_by_two_keys_is_one_frame_if_both_say_the_same(tmp_path: Path) -> None:
    both = {"t/a/img1/000001": ["1,2,3,4,0.5"], "t/a/img1/00000001.txt": ["1,2,3,4,0.5"]}
    boxes, notes, *_ = read(written(tmp_path / "db.json", both))
    assert (len(boxes), boxes.header.policies) == (1, {"frames_twice": 1})
    assert codes(notes) == {"frames-twice"}
    both["t/a/img1/00000001.txt"] = []
    with pytest.raises(SchemaError, match=r"000001': expected one key for a frame, got 't/a/img1/0+1.txt'"):
        read(written(tmp_path / "other.json", both))


def test_what_looks_wrong_is_told(tmp_path: Path) -> None:
    _, notes, *_ = read(written(tmp_path / "empty.json", {f"t/a/img1/{n:06d}": [] for n in range(1, 957)}))
    (note,) = notes
    assert (note.code, note.severity) == ("empty-database", "warning")
    assert note.message == "expected boxes, got none in 956 keys"
    _, notes, *_ = read(written(tmp_path / "ones.json", {"t/a/img1/000000": ["1,2,3,4,1.0", "1,2,3,4,1"]}))
    assert [(one.code, one.severity) for one in notes] == [("counts-from-0", "info"), ("scores-all-one", "warning")]
    _, notes, *_ = read(written(tmp_path / "bare.json", {"1": [{"bbox": [1, 2, 3, 4], "score": None}]}))
    assert [one.code for one in notes] == ["bare-numbers", "boxes-without-score"]
    assert "counted from 1, as there is no frame 0" in notes[0].message
    _, notes, *_ = read(SAMPLES / "frames.json", classes={"1": "player", "7": "ball"})
    assert [one.message for one in notes if one.code in ("unused-class", "class-without-name")] == [
        "no box is of a class '7', which was called 'ball'",
        "nobody said what class 2 is called: it keeps its number",
    ]
    _, notes, *_ = read(SAMPLES / "fork.json", size=Size(width=700, height=700))
    assert [one.code for one in notes] == ["boxes-outside"]
    assert "key 'volleyball/test/test1/img1/000001': box 1" in notes[0].message


def one(row: object, key: str = "t/a/img1/000001") -> str:
    return json.dumps({key: [row]})


WANTED = "expected x,y,w,h,score, and a class behind it where there are several, got "
BAD = {
    "no JSON": ("{", "expected one JSON object in UTF-8"),
    "a key twice": ('{"a/1": [], "a/1": []}', "expected each key once, got twice: a/1"),
    "a list": ("[]", "expected one JSON object, got list"),
    "nothing": ("{}", "expected a sequence of boxes, got none"),
    "no list": ('{"t/a/img1/000001": "1,2,3,4,0.5"}', "key 't/a/img1/000001': expected a list of boxes, got str"),
    "no score": (one("1,2,3,4"), "key 't/a/img1/000001': box 1: " + WANTED + "'1,2,3,4'"),
    "too much": (one("1,2,3,4,0.5,1,2"), WANTED),
    "blanks": (one("1 2 3 4 0.5"), WANTED),
    "words": (one("x,2,3,4,0.5"), WANTED),
    "a number of words": (one("1_0,2,3,4,0.5"), WANTED),
    "no number": (one("nan,2,3,4,0.5"), WANTED),
    "no score that is one": (one("1,2,3,4,inf"), WANTED),
    "a huge number": (one("1,2,3,4e999,0.5"), WANTED),
    "nothing in a row": (one(""), WANTED),
    "a number alone": (one(5), WANTED),
    "true": (one([1, 2, 3, 4, True]), WANTED),
    "texts in a list": (one(["1", "2", "3", "4", "0.5"]), WANTED),
    "no box": (one({"score": 0.5}), WANTED),
    "three numbers": (one({"bbox": [1, 2, 3], "score": 0.5}), WANTED),
    "a score in words": (one({"bbox": [1, 2, 3, 4], "score": "high"}), WANTED),
    "a negative size": (one("1,2,-3,4,0.5"), "box 1: w: expected w from 0, got -3.0"),
    "a corner for a size": (one([5, 5, 2, -1, 0.5]), "box 1: h: expected h from 0, got -1.0"),
    "a name that is none": (one("1,2,3,4,0.5", "t/.a/img1/000001"), "name: expected a name without slashes"),
}


@pytest.mark.parametrize("what", BAD)
def test_what_is_wrong_is_named(what: str, tmp_path: Path) -> None:
    text, message = BAD[what]
    (tmp_path / "bad.json").write_text(text)
    with pytest.raises(SchemaError, match=message.replace("[", r"\[")):
        read(tmp_path / "bad.json")


def test_of_many_wrong_rows_the_first_are_named(tmp_path: Path) -> None:
    path = written(tmp_path / "bad.json", {f"t/a/img1/{n:06d}": ["1,2,3,4,0.5", "1,2"] for n in range(1, 31)})
    with pytest.raises(SchemaError, match="6 problems") as raised:
        read(path)
    told = [problem.where for problem in raised.value.problems]
    assert told[1:] == [f"{path}: key 't/a/img1/{n:06d}': box 2" for n in range(1, 6)]
    assert raised.value.problems[0].message.endswith("25 more such rows")


def test_a_mark_of_bytes_in_front_is_no_fault(tmp_path: Path) -> None:
    (tmp_path / "db.json").write_bytes(b"\xef\xbb\xbf" + (SAMPLES / "fork.json").read_bytes())
    assert recognises(tmp_path / "db.json") == "boxes"
    assert len(read(tmp_path / "db.json").container) == 3


def test_it_is_known_by_its_first_keys(tmp_path: Path) -> None:
    for name in ("upstream", "fork", "frames"):
        found = find_adapter(SAMPLES / f"{name}.json")
        assert found is not None
        assert (found[0].name, found[1]) == ("detection_db", "boxes")
    good = [
        {"a/img1/000001": []},
        {"a/img1/000001": [], "a/img1/000002": ["1,2,3,4,0.5\n"]},
        {"a/000001.jpg": [[1, 2, 3, 4, 0.5]]},
        {f"a/img1/{n:08d}.txt": [] for n in range(956)},
        {str(n): [] for n in range(956)},
        {"1": [], "2": [{"score": 0.5, "bbox": [1, 2, 3, 4]}]},
    ]
    bad: list[Any] = [
        {},
        [],
        {"a": []},
        {"results": {"1": []}},
        {"1": [[1, 2]]},
        {"1": ["1,2"]},
        {"1": [{"segment": [1, 2]}]},
        {"labels/all": ["a", "b"]},
        {"1": {"bbox": [1, 2, 3, 4]}},
    ]
    for at, document in enumerate(good):
        assert recognises(written(tmp_path / f"good{at}.json", document)) == "boxes", document
    for at, document in enumerate(bad):
        assert recognises(written(tmp_path / f"bad{at}.json", document)) is None, document
    assert recognises(written(tmp_path / "slashes.json", {"a": 1})) is None
    (tmp_path / "slashes.json").write_text(json.dumps({"a/img1/000001": []}).replace("/", "\\/"))
    assert recognises(tmp_path / "slashes.json") == "boxes"
    assert recognises(written(tmp_path / "db.txt", {"a/img1/000001": []})) is None


def test_a_file_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot open: no such file or folder"):
        read(tmp_path / "nothing.json")


def test_as_many_boxes_as_a_data_set_has_are_read_in_a_moment(tmp_path: Path) -> None:
    line = "771.57,604.20,73.07,229.56,0.923437\n"
    path = written(tmp_path / "db.json", {f"t/a/img1/{n:06d}": [line] * 20 for n in range(1, 1861)})
    before = time.perf_counter()
    boxes: Any = read(path).container
    assert time.perf_counter() - before < 3
    assert len(boxes) == 37_200
    assert np.all(boxes.score == 0.923437)
