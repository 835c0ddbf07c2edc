"""What people's files have wrong: each is named with its file, line, column and value, and what to do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lapsdata.adapters import motchallenge
from lapsdata.adapters.motchallenge.columns import are_rows
from lapsdata.adapters.motchallenge.places import are_visdrone
from lapsdata.adapters.motchallenge.seqinfo import find_images, read_seqinfo
from lapsdata.errors import Problems, SchemaError, StorageError
from tests.adapters.mot_by_hand import FOUND, RESULT, TRUTH, codes, put, sequence, table

if TYPE_CHECKING:
    from pathlib import Path

WRONG: dict[str, tuple[list[str], str, str]] = {
    "frame 0": (
        ["0,1,10,20,30,40,1", "1,1,10,20,30,40,1"],
        "zero-based",
        r"gt.txt: line 1: frame: expected frames from 1, got 0; if it counts from 0, say so: --first-number 0",
    ),
    "a frame below 0": (
        ["-3,1,10,20,30,40,1"],
        "frame-outside",
        r"line 1: frame: expected frames from 1, got -3",
    ),
    "half a frame": (["1.5,1,10,20,30,40,1"], "wrong-number", r"line 1: frame: expected a whole frame, got 1.5"),
    "no frame": (["nan,1,10,20,30,40,1"], "wrong-number", r"line 1: frame: expected a whole frame, got nan"),
    "half an id": (
        ["1,1,10,20,30,40,1", "2,7.25,10,20,30,40,1"],
        "wrong-number",
        r"line 2: id: expected a whole id, -1 for none, got 7.25",
    ),
    "an id beyond float64": (
        ["1,9007199254740993,10,20,30,40,1"],
        "wrong-number",
        r"line 1: id: expected a whole id, -1 for none, got 9007199254740992",
    ),
    "an id below -1": (
        ["1,-7,10,20,30,40,1"],
        "negative-id",
        r"line 1: id: expected ids from 0, or -1 for none, got -7",
    ),
    "an identity twice": (
        ["1,1,10,20,30,40,1", "2,3,10,20,30,40,1", "1,1,11,20,30,40,1"],
        "identity-twice",
        r"line 3: id: expected each identity once in a frame, got frame 1, id 1; keep one of them",
    ),
    "a width below 0": (["1,1,10,20,-30,40,1"], "negative-size", r"line 1: w: expected w from 0, got -30"),
    "no height": (["1,1,10,20,30,nan,1"], "not-finite", r"line 1: h: expected finite pixels for h, got nan"),
    "an endless place": (["1,1,inf,20,30,40,1"], "not-finite", r"line 1: x: expected finite pixels for x, got inf"),
    "no flag": (["1,1,10,20,30,40,nan"], "wrong-number", r"line 1: flag: expected a flag, 0 or 1, got nan"),
    "a score for a class": (
        ["1,1,10,20,30,40,1,0.93,1"],
        "wrong-class",
        r"line 1: class: expected the number of a class, got 0.93; in files of 8 or 9 columns the eighth is the class",
    ),
    "a place for a class": (["1,1,10,20,30,40,1,-4.5,1"], "wrong-class", r"line 1: class: .*, got -4.5"),
    "more than all to be seen": (
        ["1,1,10,20,30,40,1,1,1.5"],
        "visibility-outside",
        r"line 1: visibility: expected a visible share from 0 to 1, got 1.5",
    ),
    "other columns": (
        ["1,1,10,20,30,40,1", "2,1,10,20,30,40"],
        "wrong-columns",
        r"line 2: expected 7 columns as in line 1, got 6",
    ),
    "a word": (
        ["1,1,10,20,30,40,1", "2,1,10,n/a,30,40,1"],
        "wrong-number",
        r"line 2: expected a number in column 4 \(top\), got 'n/a'",
    ),
    "names above": (
        ["frame,id,x,y,w,h,conf", "1,1,10,20,30,40,1"],
        "wrong-number",
        r"line 1: .* got 'frame'; leave the line of names out",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_row_is_named(tmp_path: Path, name: str) -> None:
    rows, code, message = WRONG[name]
    with pytest.raises(SchemaError, match=message) as error:
        motchallenge.read(put(tmp_path / "gt" / "gt.txt", *rows))
    assert {problem.code for problem in error.value.problems} == {code}


def test_a_row_is_named_by_its_line_also_where_other_rows_were_left_out(tmp_path: Path) -> None:
    path = put(tmp_path / "gt.txt", "1.5,1,10,20,30,40,1", "", "2,1,10,20,-30,40,1")
    with pytest.raises(SchemaError, match=r"line 3: w: expected w from 0, got -30") as error:
        motchallenge.read(path)
    assert [problem.code for problem in error.value.problems] == ["wrong-number", "negative-size"]


def test_everything_that_is_wrong_with_a_root_is_told_at_once(tmp_path: Path) -> None:
    sequence(tmp_path / "one", truth=["0,1,10,20,30,40,1"], seqLength="none")
    sequence(tmp_path / "two", truth=["1,1,10,20,30"], found=["1,-1,10,20,30,-40,1"])
    with pytest.raises(SchemaError, match="4 problems") as error:
        motchallenge.read(tmp_path)
    assert sorted(problem.code for problem in error.value.problems) == [
        "negative-size",
        "wrong-columns",
        "wrong-seqinfo",
        "zero-based",
    ]


def test_frames_behind_the_end_of_the_sequence(tmp_path: Path) -> None:
    folder = sequence(tmp_path / "one", truth=["1,1,10,20,30,40,1", "9,1,10,20,30,40,1"], seqLength=8)
    with pytest.raises(SchemaError, match=r"line 2: frame: expected frames up to 8, of 8, got 9; look at how long"):
        motchallenge.read(folder)


def test_frame_0_is_read_where_it_is_said_or_images_begin_with_it(tmp_path: Path) -> None:
    rows = ["0,1,10,20,30,40,1", "1,1,11,20,30,40,1"]
    boxes = table(motchallenge.read(put(tmp_path / "gt.txt", *rows), first_number=0))
    assert (boxes.frame.tolist(), boxes.header.sequences[0].first_number) == ([0, 1], 0)
    told = sequence(tmp_path / "one", truth=rows, images=["000000.jpg", "000001.jpg"])
    assert table(motchallenge.read(told)).header.sequences[0].images == "img1/{frame:06d}.jpg"


TOLD: dict[str, tuple[list[str], list[str]]] = {
    "several separators": (["1,1,10,20,30,40,1", "2 1 10 20 30 40 1"], ["length-unknown", "mixed-separators"]),
    "a byte-order mark": (["\ufeff1,1,10,20,30,40,1"], ["byte-order-mark", "length-unknown"]),
    "no row": ([], ["empty-file", "length-unknown"]),
    "six columns": (["1,1,10,20,30,40"], ["length-unknown", "no-flag"]),
    "ids that never persist": (
        ["1,1,10,20,30,40,1", "1,2,60,20,30,40,1", "2,3,10,20,30,40,1", "3,4,60,20,30,40,1"],
        ["ids-never-persist", "length-unknown"],
    ),
    "a class without a name": (["1,1,10,20,30,40,1,0,1"], ["length-unknown", "unnamed-classes"]),
}


@pytest.mark.parametrize("name", TOLD)
def test_what_can_be_read_and_looks_wrong_is_told(tmp_path: Path, name: str) -> None:
    rows, told = TOLD[name]
    adapted = motchallenge.read(put(tmp_path / "gt.txt", *rows))
    assert codes(adapted) == told
    assert len(table(adapted)) == len(rows)


def test_detections_copied_from_the_truth_are_told(tmp_path: Path) -> None:
    copied = [f"{row.split(',')[0]},-1,{','.join(row.split(',')[2:6])},0.99,-1,-1,-1" for row in TRUTH]
    adapted = motchallenge.read(sequence(tmp_path / "one", found=copied, seqLength=3))
    (note,) = adapted.notes
    assert (note.code, note.where, note.severity) == ("detections-equal-truth", "one: detector", "warning")
    found = motchallenge.read(sequence(tmp_path / "two", found=FOUND, seqLength=3))
    assert found.notes == ()


def test_boxes_outside_of_the_image_are_kept_and_told(tmp_path: Path) -> None:
    folder = sequence(
        tmp_path / "one", truth=[*TRUTH, "3,9,700,20,30,40,1,1,0"], seqLength=3, imWidth=640, imHeight=360
    )
    adapted = motchallenge.read(folder)
    assert codes(adapted) == ["boxes-outside"]
    assert "1 boxes lie wholly outside of 640x360" in adapted.notes[0].message
    assert "gt.txt: line 5" in adapted.notes[0].message
    assert len(table(adapted)) == 5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seqLength=10\n", r"expected a section \[Sequence\] with keys, got: File contains no section headers"),
        ("[Other]\nseqLength=10\n", r"expected a section \[Sequence\] with keys, got: \[Other\]"),
        ("[Sequence]\nseqLength=-4\n", r"seqLength: expected a whole number from 1, got '-4'"),
        ("[Sequence]\nseqLength=1.5\n", r"seqLength: expected a whole number from 1, got '1.5'"),
        ("[Sequence]\nimWidth=0\nimHeight=3\n", r"imWidth: expected a whole number from 1, got '0'"),
        ("[Sequence]\nframeRate=fast\n", r"frameRate: expected frames per second, got 'fast'"),
        ("[Sequence]\nframeRate=0\n", r"frameRate: expected frames per second, got '0'"),
        ("[Sequence]\nimDir=../../secret\n", r"imDir: expected a folder in that of the sequence, got '../../secret'"),
        ("[Sequence]\nimDir=/secret\n", r"imDir: expected a folder in that of the sequence, got '/secret'"),
    ],
)
def test_a_wrong_seqinfo_is_named(tmp_path: Path, text: str, message: str) -> None:
    folder = sequence(tmp_path / "one")
    (folder / "seqinfo.ini").write_text(text)
    with pytest.raises(SchemaError, match=message):
        motchallenge.read(folder)


def test_a_seqinfo_of_other_bytes_is_named(tmp_path: Path) -> None:
    folder = sequence(tmp_path / "one")
    (folder / "seqinfo.ini").write_bytes(b"[Sequence]\nname=\xff\n")
    with pytest.raises(SchemaError, match=r"seqinfo.ini: expected a section"):
        motchallenge.read(folder)


def test_a_seqinfo_may_say_little_and_spell_it_in_any_case(tmp_path: Path) -> None:
    found = Problems()
    assert read_seqinfo(tmp_path, found).images == "img1"
    put(tmp_path / "seqinfo.ini", "\ufeff[Sequence]", "SEQLENGTH = 12", "framerate=29.97", "imdir=frames", "imWidth=64")
    info = read_seqinfo(tmp_path, found)
    assert (info.length, str(info.rate), info.images, info.size) == (12, "30000/1001", "frames", None)
    assert list(found) == []
    assert find_images(tmp_path, "frames") is None


def test_one_sequence_in_two_splits(tmp_path: Path) -> None:
    sequence(tmp_path / "train" / "one")
    sequence(tmp_path / "val" / "one")
    with pytest.raises(SchemaError, match="expected each sequence once, got one in train too; read them one by one"):
        motchallenge.read(tmp_path)


def test_whose_they_are_is_not_said_of_sequences_that_tell_it(tmp_path: Path) -> None:
    folder = sequence(tmp_path / "one")
    with pytest.raises(SchemaError, match=r"expected a file or a folder of results for --whose ours, got sequences"):
        motchallenge.read(folder, whose="ours")


def test_a_place_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="no such file or folder"):
        motchallenge.read(tmp_path / "nothing")
    with pytest.raises(SchemaError, match="expected a sequence of boxes, got none"):
        motchallenge.read(tmp_path)


@pytest.mark.parametrize(
    ("numbers", "fits"),
    [
        ([1, 1, 10, 20, 30, 40], True),
        ([1, -1, 10, 20, 30, 40, 1, 1, 1, 1], True),
        ([0, 0, 10, 20, 30, 40], True),
        ([1, -2, 10, 20, 30, 40], False),
        ([-1, 1, 10, 20, 30, 40], False),
        ([np.nan, 1, 10, 20, 30, 40], False),
        ([1, 1, 10, 20, 30], False),
        ([1] * 11, False),
        (None, False),
    ],
)
def test_what_is_a_row(numbers: Any, fits: bool) -> None:
    assert are_rows(numbers) == fits


@pytest.mark.parametrize(
    ("rows", "fits"),
    [
        (["1,0,593,43,174,190,0,0,0,0", "1,7,10,20,30,40,1,4,0,1"], True),
        (["1,7,10,20,30,40,1,4,0,1", "cut,", "1,7,10"], False),
        (["1,7,10,20,30,40,1,4,0,1"] * 200, True),
        (["1,7,10,20,30,40,1,0,0,0"] * 3, False),
        (["1,7,10,20,30,40,1,4,-1,-1"], False),
        (["1,7,10,20,30,40,0.5,4,0,0"], False),
        (["1,7,10,20,30,40,1,12,0,0"], False),
        (RESULT, False),
        ([], False),
    ],
)
def test_what_are_rows_of_visdrone(rows: list[str], fits: bool) -> None:
    assert are_visdrone("\n".join(rows)) == fits
