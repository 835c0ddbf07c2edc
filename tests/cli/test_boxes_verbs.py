"""Databases of detections on the command line: made, looked at, and held beside images and a truth."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[..., Any]

SAMPLES = Path(__file__).parents[1] / "samples"
FORK = SAMPLES / "detection_db" / "fork.json"
FRAMES = SAMPLES / "detection_db" / "frames.json"
TRUTH = SAMPLES / "coco_boxes" / "truth.json"


@pytest.fixture(autouse=True)
def in_this_process(one_process: list[int]) -> list[int]:
    return one_process


def test_a_database_is_made_of_what_a_detector_wrote(inside: Run, tmp_path: Path) -> None:
    said = ("--to", "detection-db", "--prefix", "volleyball/test/test1", "--digits", "6", "--suffix", "none")
    done = inside(
        "convert", FRAMES, "db.json", *said, "--min-score", "0.7", "--frames", "0:2", "--classes", "1=player,2=ball"
    )
    assert done.returncode == 0, done.stderr
    written = json.loads((tmp_path / "db.json").read_text())
    assert written == {
        "volleyball/test/test1/img1/000001": ["10.5,20.25,30.0,40.0,0.75\n"],
        "volleyball/test/test1/img1/000002": [],
        "volleyball/test/test1/img1/000003": ["11.5,20.25,30.0,40.0,0.875\n"],
    }
    assert (
        "3 keys, as volleyball/test/test1/img1/000001; 2 boxes, scores 0.75 to 0.875; 1 keys without boxes"
        in done.stderr
    )
    assert "the source counts frames from 0 and names no images: its first is number 1" in done.stderr
    assert "[low-scores]" in done.stderr
    assert "windows" not in done.stdout + done.stderr


def test_several_become_one_and_labels_are_chosen(inside: Run, tmp_path: Path) -> None:
    done = inside("convert", FRAMES, "balls.parquet", "--label", "2")
    assert done.returncode == 0, done.stderr
    done = inside(
        "convert",
        FORK,
        "balls.parquet",
        "all.json",
        "--to",
        "detection-db",
        "--prefix",
        "x",
        "--digits",
        "8",
        "--suffix",
        ".txt",
    )
    assert done.returncode == 0, done.stderr
    assert "[classes-lost]" in done.stderr
    assert [key for key, lines in json.loads((tmp_path / "all.json").read_text()).items() if lines] == [
        "x/test1/img1/00000001.txt",
        "x/test1/img1/00000003.txt",
        "x/frames/img1/00000001.txt",
    ]


WRONG = {
    "frames that fall": (("--frames", "5:1"), "expected the first and the last frame, as 1:18948, got '5:1'"),
    "one frame": (("--frames", "5"), "expected the first and the last frame"),
    "frames in words": (("--frames", "a:b"), "expected the first and the last frame"),
    "classes without a name": (("--classes", "1"), "expected NUMBER=NAME, got '1'"),
    "a class twice": (("--classes", "1=a,1=b"), "expected each name once, got one twice"),
    "digits": (("--digits", "0"), "--digits"),
    "an ending": (("--suffix", ".jpg"), "--suffix"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_said_wrong_is_refused_before_anything_is_read(what: str, inside: Run, tmp_path: Path) -> None:
    said, message = WRONG[what]
    done = inside("convert", "nowhere.json", "db.json", "--to", "detection-db", *said)
    assert done.returncode == 2
    assert message in " ".join(done.stderr.replace("│", " ").split())
    assert list(tmp_path.iterdir()) == []


def test_a_truth_is_refused_in_words(inside: Run) -> None:
    done = inside("convert", TRUTH, "db.json", "--to", "detection-db", "--prefix", "x", "--suffix", "none")
    assert done.returncode == 1
    assert "with identities and without scores, as a truth has them (from 'truth')" in done.stderr
    assert "a model that is fed the truth learns to copy it [truth-as-detections]" in done.stderr


def root_of(tmp_path: Path, frames: int = 4) -> Path:
    """Return the folder of a data set with images of one sequence, and a database of some of them."""
    root = tmp_path / "mot"
    (root / "volleyball/test/test1/img1").mkdir(parents=True)
    for number in range(1, frames + 1):
        (root / "volleyball/test/test1/img1" / f"{number:06d}.jpg").touch()
    (root / "det_db.json").write_bytes(FORK.read_bytes())
    return root


def test_a_database_is_shown_with_the_images_beside_it(inside: Run, tmp_path: Path) -> None:
    root = root_of(tmp_path)
    done = inside("inspect", root / "det_db.json")
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    told = "3, 3 annotated, 1.0 boxes in each of these, 1 of them without boxes"
    assert ["frames", *told.split()] in lines
    assert ["scores", "0.31", "to", "0.923437"] in lines
    assert lines[-2:] == [
        ["sequence", "images", "frames", "source", "with", "boxes", "object", "ids", "per", "id"],
        ["test1", "4", "3", "detector", "2", "3", "0", "-"],
    ]
    document = json.loads(inside("inspect", root / "det_db.json", "--json").stdout)
    (sequence,) = document["sequences"]
    assert (sequence["images"], sequence["scores"], sequence["labels"]) == (4, [0.31, 0.923437], {"object": 3})
    done = inside("inspect", root / "det_db.json", "--png", "out.png")
    assert done.returncode == 1
    assert "got boxes (detection_db); lapsdata overlay draws boxes on their frames [no-picture]" in done.stderr


def test_a_database_is_held_beside_its_images(inside: Run, tmp_path: Path) -> None:
    root = root_of(tmp_path)
    done = inside("check", root / "det_db.json")
    assert (done.returncode, done.stderr) == (0, "")
    assert "detection_db: 1 sequence, 3 of 3 frames annotated, 3 boxes" in done.stdout
    done = inside("check", root / "det_db.json", "--against", root)
    assert done.returncode == 1
    assert "test1: covers 3 of 4 images: none of the frames 4 was looked at" in done.stderr
    whole = root_of(tmp_path / "whole", frames=3)
    assert inside("check", whole / "det_db.json", "--against", whole).returncode == 0


def test_a_copy_of_the_truth_is_told_as_an_error(inside: Run, tmp_path: Path) -> None:
    truth = json.loads(TRUTH.read_text())
    names = {one["id"]: one["file_name"].removesuffix(".jpg") for one in truth["images"]}
    copied: dict[str, list[str]] = {f"x/{name}": [] for name in names.values()}
    for one in truth["annotations"]:
        copied[f"x/{names[one['image_id']]}"].append(",".join(map(str, one["bbox"])) + ",1.0\n")
    (tmp_path / "db.json").write_text(json.dumps(copied))
    done = inside("check", "db.json", "--against", TRUTH)
    assert done.returncode == 1
    assert "100.0% of the true boxes stand among the others as they are" in done.stderr
    assert "[scores-all-one]" in done.stderr
    document = json.loads(inside("check", "db.json", "--against", TRUTH, "--json").stdout)
    assert {problem["code"] for problem in document["problems"]} >= {"detections-equal-truth", "scores-all-one"}
    # What is none is named with its place, and others are compared still.
    (tmp_path / "none.json").write_text('{"a/img1/1": ["1,2"]}')
    done = inside("check", "none.json", "db.json", "--against", TRUTH)
    assert "none.json: key 'a/img1/1': box 1: expected x,y,w,h,score" in done.stderr
    assert "[detections-equal-truth]" in done.stderr


def test_help_speaks_of_databases(inside: Run) -> None:
    told = {
        verb: " ".join(inside(verb, "--help").stdout.replace("│", " ").split())
        for verb in ("convert", "check", "inspect")
    }
    assert "detection-db" in told["convert"]
    assert "whether they are a copy of it" in " ".join(told["check"].split())
    assert "databases of detections" in told["inspect"]
