"""What would have been told of detections in a second: what they cover, copies of the truth, other frames, no ball."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata import formats
from lapsdata.adapters import merged_boxes, read_boxes
from lapsdata.checks.boxes import check_boxes, compare_boxes
from lapsdata.checks.detections import CoveredSequence, beside_truth, coverage, coverage_problems
from lapsdata.checks.integrity import check_integrity
from lapsdata.containers import Boxes
from lapsdata.errors import UnknownFormatError
from lapsdata.plugins import registry
from lapsdata.schema import BoxesHeader, BoxSequence, FrameRange
from lapsdata.testing.samples import sample_boxes, sample_provenance, sample_tracks

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from lapsdata.errors import Problem

Row = tuple[int, float, float, float, float, str]


def table(rows: Iterable[Row], *, frames: int = 20, first: int = 1, name: str = "game1", truth: bool = True) -> Boxes:
    """Return boxes of one sequence, each row with the number of its frame, x, y, w, h and a label."""
    rows = sorted(rows, key=lambda row: row[0])
    size = len(rows)
    whole = BoxSequence(
        name=name, length=frames, annotated=(FrameRange(start=0, stop=frames),), first_number=first, images=None
    )
    sides = np.array([row[1:5] for row in rows], float).reshape(-1, 4)
    return Boxes(
        BoxesHeader(provenance=sample_provenance(), sequences=(whole,)),
        np.zeros(size, np.int64),
        np.array([row[0] - first for row in rows], np.int64),
        np.arange(size) if truth else np.full(size, -1),
        *(np.ascontiguousarray(sides[:, column]) for column in range(4)),
        tuple(row[5] for row in rows),
        ("truth" if truth else "detector",) * size,
        np.zeros(size, bool),
        score=None if truth else np.full(size, 0.5),
    )


def told(problems: Iterable[Problem]) -> dict[str, str]:
    return {problem.code: problem.severity for problem in problems}


def players(frames: Iterable[int], shift: float = 0.0) -> list[Row]:
    return [(n, 30.0 * k + 3 * n + shift, 10.0, 20.0, 40.0, "player") for n in frames for k in range(4)]


BALLS: list[Row] = [(n, 400.0 + n, 5.0, 8.0, 8.0, "ball") for n in range(1, 21)]


def test_detections_near_the_truth_are_fit() -> None:
    truth = table(players(range(1, 21)) + BALLS)
    found = table(players(range(1, 21), 1.5) + [(n, x + 1, y, w + 1, h, label) for n, x, y, w, h, label in BALLS],
                  truth=False)  # fmt: skip
    (problem,) = beside_truth(found, truth)
    assert (problem.code, problem.severity) == ("compared", "info")
    assert problem.message.startswith(
        "20 of 20 true frames covered; 100 detections; mean best IoU of 100 true boxes 0.8"
    )
    assert problem.message.endswith("with any detection near: ball 100%, player 100%; copies: 0.0%")


@pytest.mark.parametrize("shift", [0.0, 1.0, -0.5])
def test_copies_of_the_truth_are_found_wherever_zero_is(shift: float) -> None:
    found = [(n, x + shift, y + shift, w, h, label) for n, x, y, w, h, label in players(range(1, 21))]
    problems = list(beside_truth(table(found, truth=False), table(players(range(1, 21)))))
    assert told(problems) == {"compared": "info", "detections-equal-truth": "error"}
    assert (
        problems[1].message == "100.0% of the true boxes stand among the others as they are: 100.0% of these are copies"
    )
    # Half of them is enough, and a third is not.
    some = table(found[:40] + players(range(11, 21), 5.5), truth=False)
    assert "detections-equal-truth" in told(beside_truth(some, table(players(range(1, 21)))))
    few = table(found[:24] + players(range(7, 21), 5.5), truth=False)
    assert told(beside_truth(few, table(players(range(1, 21))))) == {"compared": "info"}


def test_detections_of_other_frames_or_another_detector_are_found() -> None:
    truth = table(players(range(1, 21)))
    for rows in (players(range(1, 21), 2000.0), [(n, x / 9, y / 9, w / 9, h / 9, c) for n, x, y, w, h, c in
                 players(range(1, 21))]):  # fmt: skip
        problems = list(beside_truth(table(rows, truth=False), truth))
        assert told(problems) == {"compared": "info", "wrong-detections": "error"}
        assert problems[1].message.startswith("expected detections near the truth, got a mean best IoU of 0.0")


def test_a_class_that_is_not_detected_is_named() -> None:
    truth = table(players(range(1, 21)) + BALLS)
    problems = list(beside_truth(table(players(range(1, 21), 1.5), truth=False), truth))
    assert told(problems) == {"compared": "info", "class-absent": "warning"}
    assert problems[1].message == "of 20 true boxes of 'ball' 0.0% have a detection near: the class is not detected"
    # A class of a few boxes tells nothing.
    few = table(players(range(1, 21)) + BALLS[:9])
    assert told(beside_truth(table(players(range(1, 21), 1.5), truth=False), few)) == {"compared": "info"}


def test_each_source_is_compared_and_a_truth_among_them_is_not() -> None:
    truth = table(players(range(1, 21)))
    found = table(players(range(1, 21), 1.5), truth=False)
    tracked = replace(table(players(range(1, 21))), source=("ours",) * 80)
    both, _ = merged_boxes([truth, found, tracked])
    problems = list(beside_truth(both, truth))
    assert [(one.code, one.where) for one in problems] == [
        ("compared", "boxes of detector"),
        ("compared", "boxes of ours"),
        ("detections-equal-truth", "boxes of ours"),
    ]
    # A file of truth alone is what is asked for.
    assert told(beside_truth(truth, truth)) == {"compared": "info", "detections-equal-truth": "error"}


def test_what_is_no_truth_is_not_compared_with() -> None:
    found = table(players(range(1, 21)), truth=False)
    (problem,) = beside_truth(found, found)
    assert (problem.code, problem.severity) == ("no-truth", "warning")
    assert problem.message == "expected boxes of a truth, got those of 'detector'"


def test_a_detector_that_knows_no_classes_is_compared_all_the_same() -> None:
    truth = table(players(range(1, 21)) + BALLS)
    found = replace(table(players(range(1, 21), 1.5) + BALLS, truth=False), label=("object",) * 100)
    (problem,) = beside_truth(found, truth)
    assert problem.message.endswith("ball 100%, player 100%; copies: 20.0%")


def test_frames_that_nobody_looked_at_are_counted_and_not_compared() -> None:
    truth = table(players(range(1, 1861)), frames=1860)
    found = table(players(range(1, 301), 1.5), frames=300, truth=False)
    problems = list(beside_truth(found, truth))
    assert told(problems) == {"frames-not-covered": "error", "compared": "info"}
    assert problems[0].where == "game1"
    assert problems[0].message == "covers 300 of 1,860 frames of the truth: none of 301-1860 was looked at"
    assert "mean best IoU of 1,200 true boxes" in problems[1].message


def test_frames_are_compared_by_their_numbers() -> None:
    """One side counts from 0, as there is a frame 0: the frames that both call 5 are the same."""
    truth = table(players(range(1, 21)))
    found = table(players(range(21), 1.5), frames=21, first=0, truth=False)
    assert told(beside_truth(found, truth)) == {"compared": "info"}


def test_sequences_are_compared_by_their_names() -> None:
    (problem,) = beside_truth(table([], name="test1", truth=False), table(players([1])))
    assert (problem.code, problem.message) == ("other-sequences", "expected detections of 'game1', got 'test1'")
    truth = sample_boxes()
    codes = told(beside_truth(table([], name="left", frames=10, first=0, truth=False), truth))
    assert codes == {"sequences-missing": "warning", "compared": "info", "wrong-detections": "error"}
    assert told(beside_truth(table([], truth=False), table([]))) == {"nothing-compared": "warning"}


BOX = st.tuples(*[st.integers(0, 12).map(float)] * 4)


@given(true=st.lists(st.tuples(st.integers(1, 3), BOX), min_size=1, max_size=8), found=st.lists(
    st.tuples(st.integers(1, 3), BOX), max_size=8), pairs=st.sampled_from([1, 3, 1 << 21]))  # fmt: skip
def test_the_overlap_is_that_of_a_loop_over_pairs(true: list[Any], found: list[Any], pairs: int) -> None:
    def overlap(a: tuple[float, ...], b: tuple[float, ...]) -> float:
        wide = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
        high = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
        shared = max(wide, 0) * max(high, 0)
        union = a[2] * a[3] + b[2] * b[3] - shared
        return shared / union if union else 0.0

    best = [max((overlap(box, other) for at, other in found if at == n), default=0.0) for n, box in true]
    copied = [any(at == n and abs(box[2] - o[2]) < 0.01 and abs(box[3] - o[3]) < 0.01 and abs(box[0] - o[0]) <= 1.01
                  and abs(box[1] - o[1]) <= 1.01 for at, o in found) for n, box in true]  # fmt: skip
    sides = [table([(n, *box, "x") for n, box in rows], frames=3, truth=is_truth)
             for rows, is_truth in ((found, False), (true, True))]  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lapsdata.adapters._copied_boxes._PAIRS", pairs)
        compared = next(one for one in beside_truth(*sides) if one.code == "compared")
    assert f"true boxes {np.mean(best):.3f};" in compared.message
    assert compared.message.endswith(f"copies: {np.mean(copied):.1%}")


def images(folder: Path, numbers: Iterable[int], digits: int = 6) -> Path:
    folder.mkdir(parents=True)
    for number in numbers:
        (folder / f"{number:0{digits}d}.jpg").touch()
    (folder / "Thumbs.db").touch()
    return folder


def database(path: Path, keys: dict[str, int]) -> Path:
    path.write_text(json.dumps({key: ["1,2,3,4,0.5\n"] * count for key, count in keys.items()}))
    return path


def covered(path: Path, root: Path) -> tuple[CoveredSequence, ...]:
    found = read_boxes(path)
    assert found is not None
    return coverage(found.boxes, root)


def test_images_on_disk_are_counted_by_their_names(tmp_path: Path) -> None:
    images(tmp_path / "v/train/game1/img1", range(1, 11))
    path = database(tmp_path / "db.json", {f"v/train/game1/img1/{n:06d}": n % 2 for n in (1, 2, 3, 7, 11)})
    (one,) = covered(path, tmp_path)
    assert (one.name, one.folder, one.said) == ("game1", *[tmp_path / "v/train/game1/img1"] * 2)
    assert (len(one.images), one.found, one.boxes, one.text) == (10, 4, 4, "4 of 10")
    assert (one.digits, one.said_digits) == (6, 6)
    problems = list(coverage_problems([one], tmp_path))
    assert [(problem.code, problem.severity) for problem in problems] == [
        ("frames-not-covered", "error"),
        ("frames-without-image", "warning"),
    ]
    assert problems[0].message == "covers 4 of 10 images: none of the frames 4-6, 8-10 was looked at"
    assert problems[1].message == "1 frames have no image: 11"


def test_a_database_of_all_images_has_no_fault(tmp_path: Path) -> None:
    images(tmp_path / "game1/img1", range(1, 6), digits=8)
    path = database(tmp_path / "db.json", {f"game1/img1/{n:08d}.txt": 1 for n in range(1, 6)})
    assert list(compare_boxes(path, tmp_path, None)) == []


def test_a_wrong_prefix_is_found_by_the_name_of_the_sequence(tmp_path: Path) -> None:
    images(tmp_path / "volleyball/test/test1/img1", range(1, 3))
    path = database(tmp_path / "db.json", {f"volleyball/train/test1/img1/{n:06d}": 1 for n in (1, 2)})
    (problem,) = coverage_problems(covered(path, tmp_path), tmp_path)
    assert (problem.code, problem.message) == (
        "wrong-prefix",
        "expected keys of the data set, volleyball/test/test1/img1, got volleyball/train/test1/img1",
    )
    # The folder of the sequence itself is as good.
    assert [one.text for one in covered(path, tmp_path / "volleyball/test/test1")] == ["2 of 2"]
    # Of two folders of that name nobody knows which is meant.
    images(tmp_path / "volleyball/val/test1/img1", [1])
    assert told(coverage_problems(covered(path, tmp_path), tmp_path)) == {"no-images": "error"}


def test_keys_of_another_data_set_are_an_error(tmp_path: Path) -> None:
    path = database(tmp_path / "db.json", {"volleyball/combined/gt/img1/000001": 1})
    assert told(coverage_problems(covered(path, tmp_path), tmp_path)) == {"no-images": "warning"}
    for name in ("volleyball/test/test1", "game2"):
        images(tmp_path / name / "img1", [1])
    (problem,) = coverage_problems(covered(path, tmp_path), tmp_path)
    assert (problem.code, problem.severity) == ("no-images", "error")
    assert problem.message.endswith("of 'gt'; there are 'game2', 'volleyball/test/test1'")
    # Where some sequences are found, others may lie elsewhere.
    path = database(tmp_path / "two.json", {"a/gt/img1/000001": 1, "game2/img1/000001": 1})
    assert told(coverage_problems(covered(path, tmp_path), tmp_path)) == {"no-images": "warning"}


def test_keys_of_other_digits_than_the_images_are_found(tmp_path: Path) -> None:
    images(tmp_path / "a/img1", range(1, 3), digits=8)
    path = database(tmp_path / "db.json", {f"a/img1/{n:06d}.txt": 1 for n in (1, 2)})
    (problem,) = coverage_problems(covered(path, tmp_path), tmp_path)
    assert (problem.code, problem.message, problem.fix) == (
        "wrong-digits",
        "expected 8 digits as in the names of images, got 6",
        "write it again with --digits 8",
    )


def test_names_with_signs_of_patterns_are_names(tmp_path: Path) -> None:
    images(tmp_path / "x/a[1]*{}/img1", [1])
    path = database(tmp_path / "db.json", {"a[1]*{}/img1/000001": 1})
    (one,) = covered(path, tmp_path)
    assert one.folder == tmp_path / "x/a[1]*{}/img1"
    assert one.said == tmp_path / "a[1]*{}/img1"


def test_what_a_file_says_of_itself_is_checked(tmp_path: Path) -> None:
    path = database(tmp_path / "db.json", {"a/img1/000001": 0, "a/img1/000003": 0})
    (item,) = check_integrity([path]).items
    assert (item.status, item.kind) == ("warning", "detection_db")
    assert item.note == "1 sequence, 2 of 3 frames annotated, 0 boxes"
    assert told(item.problems) == {"frames-missing": "warning", "empty-database": "warning"}
    assert all(problem.where.startswith(str(path)) for problem in item.problems)
    # In a folder too.
    assert [one.kind for one in check_integrity([tmp_path]).items] == ["detection_db"]
    path.write_text('{"a/img1/000001": ["1,2,-3,4,0.5"]}')
    (item,) = check_integrity([path]).items
    assert (item.status, item.note) == ("error", "nothing verified")
    assert check_boxes(path, registry("adapters").load("detection_db")).problems == item.problems


def test_boxes_are_read_from_files_of_ours_and_of_others(tmp_path: Path) -> None:
    formats.write(tmp_path / "boxes.parquet", sample_boxes())
    formats.write(tmp_path / "clip.h5", sample_tracks())
    found = read_boxes(tmp_path / "boxes.parquet")
    assert found is not None
    assert (found.boxes.equals(sample_boxes()), found.notes, found.format) == (True, (), "boxes_parquet")
    assert read_boxes(tmp_path / "clip.h5") is None
    with pytest.raises(UnknownFormatError, match="expected boxes to compare with images or a truth, got none"):
        list(compare_boxes(tmp_path / "clip.h5", tmp_path, None))


def test_what_images_have_told_the_truth_does_not_tell_again(tmp_path: Path) -> None:
    images(tmp_path / "game1/img1", range(1, 5))
    path = database(tmp_path / "db.json", {"game1/img1/000001": 1, "game1/img1/000002": 1})
    truth = table([(n, 0.5, 1.5, 4.0, 4.0, "player") for n in range(1, 5)], frames=4)
    codes = [problem.code for problem in compare_boxes(path, tmp_path, truth)]
    assert codes == ["frames-not-covered", "compared"]
    # Without images, the truth tells it.
    (tmp_path / "elsewhere").mkdir()
    assert [problem.code for problem in compare_boxes(path, tmp_path / "elsewhere", truth)] == codes
