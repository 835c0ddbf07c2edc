"""Detection databases that are written: read back by the rules of MOTRv2's own loader, and refused where it matters."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.adapters import merged_boxes
from lapsdata.adapters._boxes_edit import BoxesEdit, edited_boxes, taken_rows
from lapsdata.adapters._written_detections import exact_edges, write_detections
from lapsdata.adapters.detection_db import read
from lapsdata.containers import Boxes
from lapsdata.errors import SchemaError, StorageError
from lapsdata.schema import BoxesHeader, BoxSequence, FrameRange
from lapsdata.testing.samples import sample_boxes, sample_provenance
from tests.adapters.boxes_in_json import codes, rows, spans, written

SAMPLES = Path(__file__).parents[1] / "samples" / "detection_db"


def detections(*found: tuple[int, int, list[float]], sequences: list[BoxSequence] | None = None, **more: Any) -> Boxes:
    """Return boxes of a detector: sequence, frame, and x, y, w, h, score from the edge of the frame."""
    whole = BoxSequence(
        name="game1",
        length=5,
        annotated=(FrameRange(start=0, stop=5),),
        images="img1/{frame:06d}.jpg",
        first_number=1,
    )
    values = np.array([row for _, _, row in found], float).reshape(-1, 5)
    given: dict[str, Any] = {"score": values[:, 4].copy(), "id": np.full(len(found), -1)}
    given |= {"ignored": np.zeros(len(found), bool), "label": ("player",) * len(found)} | more
    return Boxes(
        BoxesHeader(provenance=sample_provenance(), sequences=tuple(sequences or [whole])),
        np.array([at for at, _, _ in found], np.int64),
        np.array([frame for _, frame, _ in found], np.int64),
        x=values[:, 0] - 0.5,
        y=values[:, 1] - 0.5,
        w=values[:, 2].copy(),
        h=values[:, 3].copy(),
        source=("detector",) * len(found),
        **given,
    )


def loaded(path: Path, key: str) -> list[list[float]]:
    """Read a key as MOTRv2's data set does: every line has four numbers of a box, and a score."""
    found = []
    for line in json.loads(path.read_text())[key]:
        *box, score = map(float, line.split(","))
        x, y, w, h = box
        found.append([x, y, w, h, score])
    return found


def test_every_frame_has_a_key_and_every_line_five_numbers(tmp_path: Path) -> None:
    boxes = detections((0, 0, [10.5, 20, 30, 40, 0.75]), (0, 2, [1, 2, 3, 4, 0.5]), (0, 2, [5, 6, 7, 8, 0.25]))
    done = write_detections(tmp_path / "db.json", boxes, prefix="test/game1", suffix=".txt")
    assert list(json.loads((tmp_path / "db.json").read_text())) == [f"test/game1/img1/{n:06d}.txt" for n in range(1, 6)]
    assert loaded(tmp_path / "db.json", "test/game1/img1/000001.txt") == [[10.5, 20, 30, 40, 0.75]]
    assert loaded(tmp_path / "db.json", "test/game1/img1/000002.txt") == []
    assert loaded(tmp_path / "db.json", "test/game1/img1/000003.txt") == [[1, 2, 3, 4, 0.5], [5, 6, 7, 8, 0.25]]
    lines = json.loads((tmp_path / "db.json").read_text())["test/game1/img1/000001.txt"]
    assert lines == ["10.5,20.0,30.0,40.0,0.75\n"]
    told = {note.code: note.message for note in done.notes}
    assert told["database-written"] == (
        "5 keys, as test/game1/img1/000001.txt; 3 boxes, scores 0.25 to 0.75; 3 keys without boxes"
    )
    assert told["left-behind"] == "no place for: the label 'player' of 3 boxes"
    assert told["digits-of-images"] == "digits of frames are those of the names of images: 'game1'"
    assert (done.format, done.largest_error_px) == ("detection-db", 0.0)
    assert done.nbytes == (tmp_path / "db.json").stat().st_size


SIDE = st.floats(0, 4000, allow_nan=False) | st.integers(0, 400_000).map(lambda n: n / 100)
ROW = st.tuples(st.integers(0, 1), st.integers(0, 4), st.tuples(SIDE, SIDE, SIDE, SIDE, st.floats(0, 1)))


@given(
    found=st.lists(ROW, max_size=12),
    digits=st.sampled_from([6, 8]),
    suffix=st.sampled_from(["none", ".txt"]),
    first=st.integers(0, 1),
)
def test_what_is_written_is_read_back_to_the_same_numbers(
    found: list[Any], digits: int, suffix: str, first: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    named = [
        BoxSequence(
            name=name,
            length=5,
            annotated=(FrameRange(start=0, stop=5),),
            images="img1/{frame:04d}.png",
            first_number=first,
        )
        for name in ("a", "b")
    ]
    every = [(at, frame, list(row)) for at, frame, row in sorted(found, key=lambda one: one[:2])]
    boxes = detections(*every, sequences=named)
    path = tmp_path_factory.mktemp("db") / "db.json"
    done = write_detections(path, boxes, prefix="x/y", digits=digits, suffix=suffix)
    back: Any = read(path).container
    ending = "" if suffix == "none" else suffix
    assert set(json.loads(path.read_text())) == {
        f"x/y/{name}/img1/{number:0{digits}d}{ending}" for name in ("a", "b") for number in range(first, first + 5)
    }
    assert (back.frame.tolist(), back.score.tolist()) == (boxes.frame.tolist(), boxes.score.tolist())
    assert (back.w.tolist(), back.h.tolist()) == (boxes.w.tolist(), boxes.h.tolist())
    away = max(np.abs(back.x - boxes.x).max(initial=0), np.abs(back.y - boxes.y).max(initial=0))
    assert away == done.largest_error_px == 0
    assert spans(back) == {"a": [(first, first + 4)], "b": [(first, first + 4)]}
    # Once more, by nothing but what the file says: the same file.
    write_detections(path.with_name("again.json"), back)
    assert path.with_name("again.json").read_bytes() == path.read_bytes()


def test_corners_that_no_text_gives_back_are_told(tmp_path: Path) -> None:
    edges, away = exact_edges(np.array([1e-20, 0.25]))
    assert (edges.tolist(), away) == ([0.5, 0.75], 1e-20)
    boxes = detections((0, 0, [0.5, 1, 2, 3, 0.5]))
    moved = taken_rows(boxes, np.array([0]))
    object.__setattr__(moved, "x", np.array([1e-20]))
    done = write_detections(tmp_path / "db.json", moved, prefix="a/b", suffix="none")
    assert done.largest_error_px == 1e-20
    assert "rounded" in codes(done.notes)


def test_a_choice_of_dialect_is_asked_for(tmp_path: Path) -> None:
    boxes = detections((0, 0, [1, 2, 3, 4, 0.5]))
    with pytest.raises(SchemaError, match="2 problems") as raised:
        write_detections(tmp_path / "db.json", boxes)
    assert [(one.code, one.fix) for one in raised.value.problems] == [
        ("no-prefix", "say the folder below that of all data: --prefix PATH"),
        ("no-suffix", "say --suffix .txt (MOTRv2 itself), or none (forks of it)"),
    ]
    bare = [BoxSequence(name="a", length=2, annotated=(FrameRange(start=0, stop=2),))]
    with pytest.raises(SchemaError, match="expected the digits of a frame, got nothing that says it"):
        write_detections(tmp_path / "db.json", detections(sequences=bare), prefix="a", suffix="none")
    assert list(tmp_path.iterdir()) == []


WRONG = {
    "img1": ("a/img1", "expected a folder of sequences, got 'a/img1': img1 is added; say a"),
    "img1/": ("img1/", "say what stands before it"),
    "from the root": ("/data/a", "expected a path below the folder of all data, .* got '/data/a'"),
    "above": ("../a", "expected a path below the folder of all data"),
    "nothing": ("/", "expected a path below the folder of all data"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_prefix_is_a_path_below_the_data(what: str, tmp_path: Path) -> None:
    prefix, message = WRONG[what]
    with pytest.raises(SchemaError, match=message):
        write_detections(tmp_path / "db.json", detections(), prefix=prefix, digits=6, suffix="none")


def test_a_prefix_is_that_of_one_sequence_or_of_all(tmp_path: Path) -> None:
    one = BoxSequence(name="a", length=1, annotated=(FrameRange(start=0, stop=1),), images="img1/{frame:06d}.jpg")
    two = one.model_copy(update={"name": "b{}"})
    write_detections(tmp_path / "one.json", detections(sequences=[one]), prefix="x/test1/", suffix="none")
    assert list(json.loads((tmp_path / "one.json").read_text())) == ["x/test1/img1/000000"]
    write_detections(tmp_path / "two.json", detections(sequences=[one, two]), prefix="x", suffix="none")
    assert list(json.loads((tmp_path / "two.json").read_text())) == ["x/a/img1/000000", "x/b{}/img1/000000"]


def test_a_database_keeps_its_keys_until_something_else_is_said(tmp_path: Path) -> None:
    boxes: Any = read(SAMPLES / "upstream.json").container
    done = write_detections(tmp_path / "again.json", boxes)
    before, after = (json.loads(path.read_text()) for path in (SAMPLES / "upstream.json", tmp_path / "again.json"))
    gap = "DanceTrack/train/dancetrack0001/img1/00000003.txt"
    assert after.pop(gap) == []
    assert list(after) == list(before)
    assert codes(done.notes) == {"database-written", "keys-kept", "uncovered-frames"}
    write_detections(tmp_path / "six.json", boxes, digits=6)
    assert "DanceTrack/train/dancetrack0001/img1/000001.txt" in json.loads((tmp_path / "six.json").read_text())
    write_detections(tmp_path / "moved.json", boxes, prefix="all", suffix="none")
    assert list(json.loads((tmp_path / "moved.json").read_text()))[-2:] == [
        "all/dancetrack0004/img1/00000001",
        "crowdhuman/train_image/273271,c9db000d5146c15.txt",
    ]


def test_keys_of_two_sequences_are_never_one(tmp_path: Path) -> None:
    one = BoxSequence(name="a", length=1, annotated=(FrameRange(start=0, stop=1),), images="t/a/img1/{frame:06d}")
    with pytest.raises(SchemaError, match="b: expected keys of its own, got those of 'a'"):
        write_detections(tmp_path / "db.json", detections(sequences=[one, one.model_copy(update={"name": "b"})]))


def test_only_chosen_frames_get_a_key(tmp_path: Path) -> None:
    boxes = detections((0, 0, [1, 2, 3, 4, 0.5]), (0, 2, [1, 2, 3, 4, 0.5]), (0, 4, [1, 2, 3, 4, 0.5]))
    chosen, _ = edited_boxes(boxes, BoxesEdit(frames=(2, 4)))
    write_detections(tmp_path / "db.json", chosen, prefix="a/b", suffix="none", frames=(2, 4))
    held = {key: len(lines) for key, lines in json.loads((tmp_path / "db.json").read_text()).items()}
    assert held == {"a/b/img1/000002": 0, "a/b/img1/000003": 1, "a/b/img1/000004": 0}
    done = write_detections(tmp_path / "more.json", boxes, prefix="a/b", suffix="none", frames=(4, 7))
    assert [key[-1] for key in json.loads((tmp_path / "more.json").read_text())] == ["4", "5", "6", "7"]
    told = {note.code: note.message for note in done.notes}
    behind = "2 frames that the source does not cover (2 of them behind its last one) got an empty key"
    assert told["uncovered-frames"] == f"{behind}, as if none held a box"
    assert told["other-frames"] == "2 boxes are in other frames: left out"
    # Of several sequences none is made longer.
    two = [boxes.header.sequences[0].model_copy(update={"name": name, "length": 2 + at, "annotated": ()})
           for at, name in enumerate("ab")]  # fmt: skip
    done = write_detections(tmp_path / "two.json", detections(sequences=two), prefix="x", suffix="none", frames=(2, 9))
    assert list(json.loads((tmp_path / "two.json").read_text())) == [
        "x/a/img1/000002",
        "x/b/img1/000002",
        "x/b/img1/000003",
    ]
    with pytest.raises(SchemaError, match="expected some of the frames that there are, got 7 to 9"):
        write_detections(tmp_path / "none.json", detections(sequences=two), prefix="x", suffix="none", frames=(7, 9))


def test_frames_without_names_begin_with_image_1(tmp_path: Path) -> None:
    boxes: Any = read(SAMPLES / "frames.json").container
    done = write_detections(tmp_path / "db.json", boxes, prefix="test/test1", digits=6, suffix="none")
    assert list(json.loads((tmp_path / "db.json").read_text())) == [f"test/test1/img1/{n:06d}" for n in (1, 2, 3)]
    (note,) = [note for note in done.notes if note.code == "numbered-from-1"]
    assert note.message == "the source counts frames from 0 and names no images: its first is number 1"
    assert note.severity == "warning"
    (lost,) = [note for note in done.notes if note.code == "classes-lost"]
    assert lost.message == "a database has no classes: boxes of 2 are taken together (2 1, 1 2)"
    # Images whose names begin with 0 keep their names.
    named: Any = read(written(tmp_path / "zero.json", {"0.jpg": ["1,2,3,4,0.5"]} | {"t/a/img1/000000": []}))
    write_detections(tmp_path / "kept.json", named.container, prefix="x", suffix="none")
    assert "x/a/img1/000000" in json.loads((tmp_path / "kept.json").read_text())


def test_a_truth_is_refused(tmp_path: Path) -> None:
    truth = taken_rows(sample_boxes(), np.array([0, 1]))
    with pytest.raises(
        SchemaError, match=r"got 2 boxes with identities and without scores, as a truth has them"
    ) as told:
        write_detections(tmp_path / "db.json", truth, prefix="x", suffix="none")
    (problem,) = told.value.problems
    assert (problem.code, problem.fix) == (
        "truth-as-detections",
        "give what a detector found: a model that is fed the truth learns to copy it",
    )
    # So is what has no score at all.
    bare = detections((0, 0, [1, 2, 3, 4, 0.5]), (0, 0, [1, 2, 3, 4, np.nan]))
    with pytest.raises(SchemaError, match=r"expected a score for each box, got none for 1 of 2"):
        write_detections(tmp_path / "db.json", bare, prefix="x", suffix="none")
    assert not (tmp_path / "db.json").exists()


def test_boxes_of_several_are_no_detections(tmp_path: Path) -> None:
    found = detections((0, 0, [1, 2, 3, 4, 0.5]))
    both, _ = merged_boxes([taken_rows(sample_boxes(), np.array([0, 1])), found])
    with pytest.raises(SchemaError, match="expected boxes of one source, got those of 'detector', 'truth'"):
        write_detections(tmp_path / "db.json", both, prefix="x", digits=6, suffix="none")
    tracked, _ = merged_boxes([taken_rows(sample_boxes(), np.array([0, 1])), replace(found, source=("ours",))])
    with pytest.raises(SchemaError, match="wanted: --source ours"):
        write_detections(tmp_path / "db.json", tracked, prefix="x", digits=6, suffix="none")
    assert not (tmp_path / "db.json").exists()


def test_what_looks_like_a_truth_is_told(tmp_path: Path) -> None:
    ones = detections((0, 0, [1, 2, 3, 4, 1]), (0, 1, [1, 2, 3, 4, 1]))
    done = write_detections(tmp_path / "ones.json", ones, prefix="x", suffix="none")
    assert [(one.code, one.severity) for one in done.notes if one.severity != "info"] == [("scores-all-one", "warning")]
    tracks = detections((0, 0, [1, 2, 3, 4, 1]), (0, 1, [1, 2, 3, 4, 1]), id=np.array([3, 3]))
    done = write_detections(tmp_path / "tracks.json", tracks, prefix="x", suffix="none")
    (note,) = [one for one in done.notes if one.severity == "warning"]
    assert (note.code, note.message) == (
        "truth-as-detections",
        "all 2 scores are 1, and all boxes have identities: a truth is no detection",
    )
    assert "no place for: the label 'player' of 2 boxes, 2 identities" in {one.message for one in done.notes}


def test_regions_to_be_ignored_are_no_detections(tmp_path: Path) -> None:
    boxes = detections((0, 0, [1, 2, 3, 4, 0.5]), (0, 0, [1, 2, 3, 4, np.nan]), ignored=np.array([False, True]))
    done = write_detections(tmp_path / "db.json", boxes, prefix="x", suffix="none")
    assert "1 regions that are to be ignored are no detections: left out" in {one.message for one in done.notes}
    assert len(rows(read(tmp_path / "db.json").container)) == 1


def test_an_empty_database_is_written_and_told(tmp_path: Path) -> None:
    done = write_detections(tmp_path / "db.json", detections(), prefix="x", suffix="none")
    assert (done.notes[0].code, done.notes[0].severity) == ("database-written", "info")
    assert "5 keys, as x/img1/000001; 0 boxes; 5 keys without boxes" in done.notes[0].message
    assert "empty-database" in codes(done.notes)


def test_what_is_there_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "db.json").write_text("{}")
    with pytest.raises(StorageError, match=r"db\.json"):
        write_detections(tmp_path / "db.json", detections(), prefix="x", suffix="none")
    assert (tmp_path / "db.json").read_text() == "{}"
