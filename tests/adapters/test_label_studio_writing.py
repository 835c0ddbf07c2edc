"""Boxes as tasks of Label Studio: what is written is read again, and what has no place there is told."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lapsdata.adapters import writers
from lapsdata.adapters.label_studio import read, write
from lapsdata.containers import Boxes
from lapsdata.errors import SchemaError, StorageError
from lapsdata.provenance import provenance
from lapsdata.schema import BoxesHeader, BoxSequence, FrameRange
from lapsdata.schema.base import Size
from lapsdata.timebase import FrameRate
from tests.adapters.by_hand_label_studio import SAMPLES, codes, told

if TYPE_CHECKING:
    from pathlib import Path

HD = Size(width=1280, height=720)
Row = tuple[int, int, int, tuple[float, ...], str]


def sequence(name: str = "A", **more: Any) -> BoxSequence:
    said = {"length": 4, "size": HD, "annotated": (FrameRange(start=0, stop=4),), "images": "img1/{frame:06d}.jpg"}
    return BoxSequence(**{"name": name, "first_number": 1, **said, **more})


def table(rows: list[Row], *sequences: BoxSequence, **more: Any) -> Boxes:
    """Return boxes of rows: number of the sequence, frame, id, x y w h, label."""
    sides = np.array([row[3] for row in rows], np.float64).reshape(-1, 4)
    columns = {name: np.ascontiguousarray(sides[:, at]) for at, name in enumerate("xywh")}
    said: dict[str, Any] = {"source": ("truth",) * len(rows), "ignored": np.zeros(len(rows), bool), **more}
    return Boxes(
        BoxesHeader(provenance=provenance(), sequences=sequences or (sequence(),)),
        np.array([row[0] for row in rows], np.int64),
        np.array([row[1] for row in rows], np.int64),
        np.array([row[2] for row in rows], np.int64),
        **columns,
        label=tuple(row[4] for row in rows),
        **said,
    )


PLACE = (10.0, 20.0, 30.0, 40.0)
TWO: list[Row] = [(0, 0, 7, PLACE, "player"), (0, 2, 7, (11.5, 20.25, 30.0, 40.0), "ball")]


def test_an_image_is_a_task_and_a_box_a_region(tmp_path: Path) -> None:
    spans = (FrameRange(start=0, stop=1), FrameRange(start=2, stop=4))
    report = write(tmp_path / "tasks.json", table(TWO, sequence(annotated=spans)))
    assert (report.format, report.nbytes, report.notes) == (
        "label_studio",
        (tmp_path / "tasks.json").stat().st_size,
        (),
    )
    tasks = json.loads((tmp_path / "tasks.json").read_text())
    assert [task["data"] for task in tasks] == [
        {"image": f"/data/local-files/?d=A/img1/00000{number}.jpg"} for number in (1, 2, 3, 4)
    ]
    assert [task["id"] for task in tasks] == [1, 2, 3, 4]
    # Annotated, not annotated, annotated, empty.
    assert [[len(one["result"]) for one in task["annotations"]] for task in tasks] == [[1], [], [1], [0]]
    assert all(task["predictions"] == [] for task in tasks)
    (region,) = tasks[0]["annotations"][0]["result"]
    value = region.pop("value")
    assert region == {
        "id": "track_7",
        "meta": {"track_id": 7},
        "origin": "manual",
        "original_width": 1280,
        "original_height": 720,
        "image_rotation": 0,
        "type": "rectanglelabels",
        "from_name": "label",
        "to_name": "image",
    }
    # The edge of the image is at -0.5.
    assert value.pop("rectanglelabels") == ["player"]
    assert value == pytest.approx(
        {"x": 1050 / 1280, "y": 2050 / 720, "width": 3000 / 1280, "height": 4000 / 720, "rotation": 0}
    )


@pytest.mark.parametrize(
    ("prefix", "name", "address"),
    [
        (None, "A", "/data/local-files/?d=A/img1/000001.jpg"),
        (None, "A b+%é", "/data/local-files/?d=A%20b%2B%25%C3%A9/img1/000001.jpg"),
        ("/data/local-files/?d=train", "A", "/data/local-files/?d=train/A/img1/000001.jpg"),
        ("https://host/set/", "A", "https://host/set/A/img1/000001.jpg"),
        ("s3://bucket", "A", "s3://bucket/A/img1/000001.jpg"),
    ],
)
def test_addresses_begin_with_what_is_told(prefix: str | None, name: str, address: str, tmp_path: Path) -> None:
    write(tmp_path / "tasks.json", table(TWO, sequence(name)), prefix=prefix)
    assert json.loads((tmp_path / "tasks.json").read_text())[0]["data"]["image"] == address
    assert read(tmp_path / "tasks.json").container.header.sequences[0].name == name


def test_what_others_say_are_predictions(tmp_path: Path) -> None:
    boxes = table(TWO, source=("truth", "dfine"), score=np.array([np.nan, 0.25]))
    report = write(tmp_path / "tasks.json", boxes)
    assert "boxes of 'dfine' are predictions" in told(report.notes, "as-predictions")
    task = json.loads((tmp_path / "tasks.json").read_text())[2]
    assert task["annotations"] == [{"result": []}]
    (prediction,) = task["predictions"]
    assert (prediction["model_version"], prediction["result"][0]["score"]) == ("dfine", 0.25)
    truth = read(tmp_path / "tasks.json").container
    assert (truth.source, truth.score) == (("truth",), None)
    found = read(tmp_path / "tasks.json", annotations="predictions").container
    assert (found.source, found.score.tolist(), found.label) == (("dfine",), [0.25], ("ball",))


LABELS = st.sampled_from(["player", "ball", "é b"])
SIDE = st.floats(-700, 1400, allow_subnormal=False)
LONG = st.floats(0.001, 1200)


@st.composite
def tables(draw: st.DrawFn, *, video: bool) -> Boxes:
    """Draw boxes of two sequences that hold nothing that a task cannot."""
    rows: list[Row] = []
    sequences = []
    for at, name in enumerate("AB"):
        length = draw(st.integers(1, 6))
        edges = sorted(draw(st.sets(st.integers(0, length), max_size=4)))
        spans = [FrameRange(start=0, stop=length)]
        if not video and len(edges) > 1:
            spans = [FrameRange(start=one, stop=two) for one, two in zip(edges[::2], edges[1::2], strict=False)]
        frames = [frame for span in spans for frame in range(span.start, span.stop)]
        keys = st.tuples(st.sampled_from(frames), st.integers(-1, 4))
        for frame, who in sorted(
            draw(st.lists(keys, max_size=8, unique_by=lambda key: key if key[1] >= 0 else id(key)))
        ):
            place = (draw(SIDE), draw(SIDE), draw(LONG), draw(LONG))
            rows.append((at, frame, who, place, draw(LABELS)))
        images = f"{name}.mp4" if video else draw(st.sampled_from(["img1/{frame:06d}.jpg", "f_{frame:d}.png"]))
        rate = FrameRate(25) if video else None
        sequences.append(sequence(name, length=length, annotated=tuple(spans), images=images, rate=rate, size=HD))
    score = draw(st.lists(st.sampled_from([0.5, np.nan, 1.0]), min_size=len(rows), max_size=len(rows)))
    return table(rows, *sequences, score=None if video else np.array(score, np.float64))


def expect_same(found: Boxes, boxes: Boxes) -> None:
    """Expect the same boxes: to the rounding of float64, and in any order within a frame."""
    assert len(found) == len(boxes)

    def keys(one: Boxes) -> Any:
        return np.lexsort((one.y.round(6), one.x.round(6), one.id, one.frame, one.sequence_index))

    mine, theirs = keys(found), keys(boxes)
    for name in ("sequence_index", "frame", "id"):
        assert getattr(found, name)[mine].tolist() == getattr(boxes, name)[theirs].tolist()
    for name in "xywh":
        np.testing.assert_allclose(getattr(found, name)[mine], getattr(boxes, name)[theirs], rtol=0, atol=1e-9)
    assert [found.label[row] for row in mine] == [boxes.label[row] for row in theirs]


@settings(max_examples=30)
@given(boxes=tables(video=False))
def test_images_are_read_as_they_were_written(boxes: Boxes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("tasks") / "tasks.json"
    report = write(path, boxes)
    assert codes(report.notes) == []
    if all(not one.annotated for one in boxes.header.sequences):
        return
    found = read(path)
    expect_same(found.container, boxes)
    for one, again in zip(boxes.header.sequences, found.container.header.sequences, strict=True):
        assert (again.name, again.length, again.first_number) == (one.name, one.length, one.first_number)
        assert again.size == (
            one.size if one.name in {boxes.header.sequences[at].name for at in boxes.sequence_index} else None
        )
        looked = [frame for span in one.annotated for frame in range(span.start, span.stop)]
        assert [frame for span in again.annotated for frame in range(span.start, span.stop)] == looked
        assert again.images == one.images
    if boxes.score is not None and np.isfinite(boxes.score).any():
        assert found.container.score is not None
        assert np.isfinite(found.container.score).sum() == np.isfinite(boxes.score).sum()


@settings(max_examples=30)
@given(boxes=tables(video=True))
def test_videos_are_read_as_they_were_written(boxes: Boxes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("tasks") / "tasks.json"
    write(path, boxes)
    drawn = {boxes.header.sequences[at].name for at in boxes.sequence_index}
    if drawn != {"A", "B"}:
        return
    found = read(path).container
    expect_same(found, boxes)
    for one, again in zip(boxes.header.sequences, found.header.sequences, strict=True):
        assert (again.name, again.length, again.images) == (one.name, one.length, one.images)
        assert (again.size, again.annotated) == (one.size, one.annotated)
        assert again.rate == FrameRate(25)


def test_a_track_has_a_keyframe_for_each_box_and_ends_before_a_gap(tmp_path: Path) -> None:
    rows: list[Row] = [(0, frame, 7, (10.0 + frame, 20.0, 30.0, 40.0), "player") for frame in (0, 1, 3)]
    write(tmp_path / "tasks.json", table(rows, sequence(images="clips/a.mp4", rate=FrameRate(50))))
    (task,) = json.loads((tmp_path / "tasks.json").read_text())
    assert task["data"] == {"video": "/data/local-files/?d=clips/a.mp4"}
    (region,) = task["annotations"][0]["result"]
    assert (region["type"], region["id"], region["value"]["labels"]) == ("videorectangle", "track_7", ["player"])
    assert (region["value"]["framesCount"], region["value"]["duration"]) == (4, 0.08)
    keys = [(one["frame"], one["enabled"], one["time"]) for one in region["value"]["sequence"]]
    assert keys == [(1, True, 0), (2, False, 0.02), (4, False, 0.06)]


def test_a_track_that_changes_its_label_goes_on_as_another_region(tmp_path: Path) -> None:
    rows: list[Row] = [(0, 0, 7, PLACE, "player"), (0, 1, 7, PLACE, "referee"), (0, 2, 7, PLACE, "player")]
    boxes = table(rows, sequence("clip", images="clip.mp4"))
    write(tmp_path / "tasks.json", boxes, rate=FrameRate(25))
    result = json.loads((tmp_path / "tasks.json").read_text())[0]["annotations"][0]["result"]
    assert [(one["id"], one["meta"]) for one in result] == [
        ("track_7", {"track_id": 7}),
        ("track_7_", {"track_id": 7}),
    ]
    expect_same(read(tmp_path / "tasks.json").container, boxes)


def test_ids_that_the_source_spelled_are_those_of_regions(tmp_path: Path) -> None:
    boxes = table([(0, 0, 5, PLACE, "player"), (0, 1, -1, PLACE, "player")], source_id=("2DBmQYLmty", None))
    write(tmp_path / "tasks.json", boxes)
    found = read(tmp_path / "tasks.json").container
    assert (found.id.tolist(), found.source_id) == ([5, -1], ("2DBmQYLmty", None))


def test_what_has_no_place_in_a_task_is_told(tmp_path: Path) -> None:
    boxes = table(
        TWO,
        sequence(images="frames/{frame:d}.png", first_number=5),
        ignored=np.array([True, False]),
        visibility=np.array([0.5, 1.0]),
    )
    report = write(tmp_path / "tasks.json", boxes)
    assert codes(report.notes) == ["sequence-renamed", "frames-shifted", "ignored-left-out", "left-behind"]
    assert all(note.severity == "warning" for note in report.notes)
    assert "1 regions to be ignored have no place: left out" in told(report.notes, "ignored-left-out")
    assert "counted from 5: read again, from 1" in told(report.notes, "frames-shifted")
    assert "no place for: visibility" in told(report.notes, "left-behind")
    found = read(tmp_path / "tasks.json").container
    assert (len(found), found.header.sequences[0].name) == (1, "frames")


def test_of_videos_scores_and_ranges_have_no_place(tmp_path: Path) -> None:
    part = sequence(images="clip.mp4", rate=FrameRate(25), annotated=(FrameRange(start=0, stop=3),))
    report = write(tmp_path / "tasks.json", table(TWO, part, score=np.array([0.5, np.nan])))
    assert codes(report.notes) == ["ranges-lost", "left-behind"]
    assert "a track has no place for scores of its boxes" in told(report.notes, "left-behind")


def test_names_of_images_that_nobody_knows_are_assumed(tmp_path: Path) -> None:
    report = write(tmp_path / "tasks.json", table(TWO, sequence(images=None)))
    assert "what its images are called is not known: img1/{frame:06d}.jpg" in told(report.notes, "images-assumed")
    assert read(tmp_path / "tasks.json").container.header.sequences[0].images == "img1/{frame:06d}.jpg"


def test_boxes_outside_of_the_annotated_ranges_make_frames_annotated(tmp_path: Path) -> None:
    part = sequence(annotated=(FrameRange(start=0, stop=1),))
    report = write(tmp_path / "tasks.json", table(TWO, part))
    assert "1 boxes stand in frames that are not annotated" in told(report.notes, "frames-annotated")
    spans = read(tmp_path / "tasks.json").container.header.sequences[0].annotated
    assert [(span.start, span.stop) for span in spans] == [(0, 1), (2, 3)]


def test_a_size_and_a_rate_that_nobody_told_are_asked_for(tmp_path: Path) -> None:
    several = [sequence("A", size=None), sequence("B", images="clip.mp4", size=None)]
    boxes = table([*TWO, (1, 0, 1, PLACE, "player")], *several)
    with pytest.raises(SchemaError, match="2 problems") as caught:
        write(tmp_path / "tasks.json", boxes)
    assert [problem.fix for problem in caught.value.problems] == ["give --size 1280x720"] * 2
    with pytest.raises(SchemaError, match=r"B: expected the frames per second of a video, .* got none; give --rate"):
        write(tmp_path / "tasks.json", boxes, size=HD)
    assert list(tmp_path.iterdir()) == []
    write(tmp_path / "tasks.json", boxes, size=HD, rate=FrameRate(25))
    expect_same(read(tmp_path / "tasks.json").container, replace(boxes))


@pytest.mark.parametrize("images", ["{frame", "{frame:x!}.jpg", "{frame[0]}.jpg", "{frame.x}.jpg", "{frame:.0s}.jpg"])
def test_a_pattern_that_is_none_is_named(images: str, tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match=r"A: expected a pattern of its images, as img1/{frame:06d}.jpg, got '{frame"):
        write(tmp_path / "tasks.json", table(TWO, sequence(images=images)))


def test_boxes_without_width_cannot_be_drawn(tmp_path: Path) -> None:
    rows: list[Row] = [TWO[0], (0, 1, 7, (1.0, 2.0, 0.0, 4.0), "player")]
    with pytest.raises(SchemaError, match="A: expected boxes with width and height, got 1 without, first in row 1; no"):
        write(tmp_path / "tasks.json", table(rows))


@pytest.mark.parametrize("place", [(-1300.0, 0, 9, 9), (0, 1500.0, 9, 9), (0, 0, 2600.0, 9), (0, 0, 9, 1500.0)])
def test_boxes_far_from_their_image_are_refused_as_reading_would(place: tuple[float, ...], tmp_path: Path) -> None:
    rows: list[Row] = [TWO[0], (0, 1, 7, place, "player")]
    with pytest.raises(
        SchemaError, match=r"A: expected boxes in their image or near it, got 1 that .* first in row 1; "
    ):
        write(tmp_path / "tasks.json", table(rows))


def test_a_file_that_is_there_stays(tmp_path: Path) -> None:
    (tmp_path / "tasks.json").write_text("mine")
    with pytest.raises(StorageError, match=r"tasks.json"):
        write(tmp_path / "tasks.json", table(TWO))
    assert (tmp_path / "tasks.json").read_text() == "mine"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("name", ["tasks.json", "video.json"])
def test_what_was_read_is_written_and_read_again(name: str, tmp_path: Path) -> None:
    boxes = read(SAMPLES / name).container
    write(tmp_path / "again.json", boxes)
    found = read(tmp_path / "again.json").container
    expect_same(found, boxes)
    assert found.source_id == boxes.source_id
    assert found.header.sequences == boxes.header.sequences


def test_it_is_known_by_its_name() -> None:
    writer = writers()["label-studio"]
    assert (writer.record, writer.takes) == ("boxes", frozenset({"size", "rate", "prefix"}))
