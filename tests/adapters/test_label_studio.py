"""Tasks of Label Studio: which annotation counts, which frames are annotated, and what regions become boxes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lapsdata.adapters import find_adapter
from lapsdata.adapters.label_studio import read
from lapsdata.errors import SchemaError
from lapsdata.schema.base import Size
from lapsdata.timebase import FrameRate
from tests.adapters.by_hand_label_studio import (
    SAMPLES,
    annotation,
    codes,
    places,
    ranges,
    rectangle,
    rows,
    saved,
    task,
    told,
)

if TYPE_CHECKING:
    from pathlib import Path


def test_tasks_in_any_order_become_frames_by_the_names_of_their_images() -> None:
    boxes, notes, *_ = read(SAMPLES / "tasks.json")
    assert rows(boxes) == [
        ("beach_1", 0, 7, "player"),
        ("beach_1", 0, 9, "ball"),
        ("beach_1", 1, 7, "player"),
        ("beach_1", 1, 3, "player"),
        ("beach_1", 3, 7, "player"),
    ]
    # Percent of 200 x 100 pixels whose edge is at -0.5; the last one is turned about its top-left corner.
    assert places(boxes) == [
        (19.5, 19.5, 20, 40),
        (99.5, 49.5, 4, 4),
        (21.5, 19.5, 20, 40),
        (119.5, 24.5, 20, 40),
        pytest.approx((79.5, 39.5, 20, 40)),
    ]
    (sequence,) = boxes.header.sequences
    assert (sequence.length, sequence.first_number, sequence.images) == (6, 1, "img1/{frame:06d}.jpg")
    assert (sequence.size, sequence.rate) == (Size(width=200, height=100), None)
    assert set(boxes.source) == {"truth"}
    assert boxes.source_id == ("track_7", "track_9", "track_7", "track_3", "track_7")
    assert boxes.score is None
    assert not boxes.ignored.any()
    assert codes(notes) == [
        "annotated-frames",
        "annotation-chosen",
        "skipped-tasks",
        "regions-left-out",
        "rectangles-turned",
    ]


def test_what_is_empty_is_annotated_and_what_was_skipped_or_not_opened_is_not() -> None:
    boxes, notes, *_ = read(SAMPLES / "tasks.json")
    assert ranges(boxes) == [(0, 2), (3, 5)]
    assert boxes.header.policies == {
        "frames_not_annotated": 2,
        "annotation_chosen": 1,
        "skipped_tasks": 1,
        "regions_left_out": 1,
        "rectangles_turned": 1,
    }
    told_of = told(notes, "annotated-frames")
    assert "beach_1: 4 of 6 images are annotated, 1 of them without a box" in told_of
    assert "frames are counted from 1, and the last image is 6" in told_of
    assert "count nowhere" in told_of


def test_a_part_of_a_project_is_annotated(tmp_path: Path) -> None:
    # The first 544 of 1,860 images are done.
    tasks = [task(number, *([annotation(rectangle("track_1"))] if number <= 544 else [])) for number in range(1, 1861)]
    boxes, notes, *_ = read(saved(tmp_path, tasks))
    assert ranges(boxes) == [(0, 544)]
    assert boxes.header.sequences[0].length == 1860
    assert boxes.header.policies == {"frames_not_annotated": 1316}
    assert told(notes, "annotated-frames").startswith("A: 544 of 1860 images are annotated, 0 of them without a box")
    assert notes[0].severity == "warning"


def test_an_image_that_no_task_is_about_is_not_annotated(tmp_path: Path) -> None:
    tasks = [task(number, annotation(rectangle("track_1"))) for number in (3, 4, 6)]
    boxes = read(saved(tmp_path, tasks)).container
    assert ranges(boxes) == [(2, 4), (5, 6)]
    assert boxes.header.sequences[0].length == 6


def test_where_all_is_annotated_that_is_no_warning(tmp_path: Path) -> None:
    _, notes, *_ = read(saved(tmp_path, [task(0, annotation(rectangle("track_1")), image="B/0.png")]))
    assert [(note.code, note.severity, note.fix) for note in notes] == [("annotated-frames", "info", None)]
    assert "counted from 0, and the last image is 0" in notes[0].message


def newest(day: int, name: str, **more: Any) -> dict[str, Any]:
    return annotation(rectangle(name), updated_at=f"2024-05-{day:02d}T10:00:00.5Z", **more)


@pytest.mark.parametrize(
    ("annotations", "taken"),
    [
        ([newest(3, "track_1"), newest(2, "track_2")], 1),
        ([newest(2, "track_1"), newest(3, "track_2")], 2),
        # Of equal ones the later.
        ([newest(2, "track_1"), newest(2, "track_2")], 2),
        ([newest(1, "track_1", ground_truth=True), newest(3, "track_2")], 1),
        ([newest(3, "track_1", was_cancelled=True), newest(2, "track_2")], 2),
        # Who marks a truth outranks who skips it.
        ([newest(3, "track_1", was_cancelled=True, ground_truth=True), newest(2, "track_2")], 1),
        # What has no time of its change was made at some time, or long ago.
        ([newest(3, "track_1"), annotation(rectangle("track_2"))], 1),
        ([newest(3, "track_1"), annotation(rectangle("track_2"), created_at="2024-05-04T10:00:00+02:00")], 2),
        # A time without a zone is one of UTC.
        ([newest(3, "track_1"), annotation(rectangle("track_2"), updated_at="2024-05-03T10:00:01")], 2),
    ],
)
def test_the_best_annotation_is_the_truth_else_what_was_not_skipped_else_the_newest(
    annotations: list[Any], taken: int, tmp_path: Path
) -> None:
    boxes, notes, *_ = read(saved(tmp_path, [task(1, *annotations)]))
    assert boxes.id.tolist() == [taken]
    assert boxes.header.policies["annotation_chosen"] == 1
    assert "1 of 1 tasks have several annotations" in told(notes, "annotation-chosen")


def test_a_truth_that_was_skipped_is_told(tmp_path: Path) -> None:
    skipped = newest(3, "track_1", was_cancelled=True, ground_truth=True)
    _, notes, *_ = read(saved(tmp_path, [task(1, skipped, newest(2, "track_2"))]))
    assert told(notes, "skipped-truth").startswith(f"{tmp_path / 'export.json'}: 1 tasks have a ground truth")


def test_another_annotation_is_taken_when_that_is_said(tmp_path: Path) -> None:
    several = [
        newest(1, "track_5", was_cancelled=True),
        newest(2, "track_1", ground_truth=True),
        newest(4, "track_2"),
        newest(3, "track_3"),
    ]
    path = saved(tmp_path, [task(1, *several)])
    taken = {how: read(path, annotations=how).container.id.tolist() for how in ("best", "newest", "first")}
    assert taken == {"best": [1], "newest": [2], "first": [1]}
    assert read(path, annotations="newest").container.header.provenance.parameters == {"annotations": "newest"}
    assert read(path).container.header.provenance.parameters == {}
    with pytest.raises(SchemaError, match=r"annotations: expected one of best, newest, first, predictions, .* 'last'"):
        read(path, annotations="last")
    with pytest.raises(SchemaError, match="number_by: expected path or name, got 'row'"):
        read(path, number_by="row")  # type: ignore[arg-type]


def test_old_exports_call_them_completions(tmp_path: Path) -> None:
    old = {"id": 1, "data": {"image": "A/1.jpg"}, "completions": [annotation(rectangle("track_4"))]}
    path = saved(tmp_path, [old])
    assert find_adapter(path) is not None
    assert read(path).container.id.tolist() == [4]


def test_predictions_have_scores_and_a_model() -> None:
    boxes, notes, *_ = read(SAMPLES / "tasks.json", annotations="predictions")
    assert rows(boxes) == [("beach_1", 3, 1, "player"), ("beach_1", 3, 2, "player")]
    assert boxes.score.tolist() == [0.75, 0.5]
    assert set(boxes.source) == {"dfine"}
    assert ranges(boxes) == [(3, 4)]
    assert told(notes, "scores-of-predictions").startswith(str(SAMPLES / "tasks.json"))
    assert boxes.header.policies["scores_of_predictions"] == 1


def predicted(model: str | None, name: str, day: int = 1) -> dict[str, Any]:
    told_of = {"result": [rectangle(name)], "created_at": f"2024-05-{day:02d}T10:00:00Z"}
    return told_of if model is None else {**told_of, "model_version": model}


def test_of_several_models_one_is_named(tmp_path: Path) -> None:
    several = [predicted("m1", "track_1"), predicted("m2", "track_2"), predicted("m1", "track_3", 4)]
    path = saved(tmp_path, [task(1, predictions=several)])
    found = read(path, annotations="predictions:m1")
    assert (found.container.id.tolist(), found.container.source) == ([3], ("m1",))
    with pytest.raises(SchemaError, match="expected the predictions of one model, got those of 'm1', 'm2'; name one"):
        read(path, annotations="predictions")
    with pytest.raises(SchemaError, match="expected predictions of 'm1', 'm2', got 'm3'"):
        read(path, annotations="predictions:m3")


def test_a_model_without_a_name_is_called_predictions(tmp_path: Path) -> None:
    path = saved(tmp_path, [task(1, predictions=[predicted(None, "track_1")])])
    assert read(path, annotations="predictions").container.source == ("predictions",)
    with pytest.raises(
        SchemaError, match="1 tasks have predictions: lapsdata convert --annotations predictions takes them"
    ):
        read(path)


def test_where_nothing_is_annotated_that_is_said(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match="expected annotations in some of 2 tasks, got none; export what"):
        read(saved(tmp_path, [task(1), task(2)]))
    skipped = [task(number, annotation(was_cancelled=True)) for number in (1, 2)]
    with pytest.raises(SchemaError, match="in some of 2 tasks, got none: 2 were skipped"):
        read(saved(tmp_path, skipped))
    with pytest.raises(SchemaError, match="expected predictions in some of 2 tasks, got none; leave --annotations out"):
        read(saved(tmp_path, skipped), annotations="predictions")


def test_images_that_are_empty_alone_have_no_boxes(tmp_path: Path) -> None:
    boxes = read(saved(tmp_path, [task(1, annotation()), task(2, annotation())])).container
    assert (len(boxes), ranges(boxes), boxes.header.sequences[0].length) == (0, [(0, 2)], 2)


def test_a_single_task_is_an_export(tmp_path: Path) -> None:
    path = saved(tmp_path, task(2, annotation(rectangle("track_6"))))
    found = find_adapter(path)
    assert found is not None
    assert (found[0].name, found[1]) == ("label_studio", "boxes")
    assert rows(read(path).container) == [("A", 1, 6, "player")]


def test_json_min_has_no_ids_and_joins_labels_by_place() -> None:
    boxes, notes, *_ = read(SAMPLES / "flat.json")
    assert rows(boxes) == [("beach_1", 0, -1, "player"), ("beach_1", 1, -1, "ball")]
    assert places(boxes) == [(19.5, 19.5, 20, 40), (99.5, 49.5, 4, 4)]
    assert boxes.header.sequences[0].size == Size(width=200, height=100)
    assert boxes.source_id is None
    assert "2 boxes have no id: they are nobody's (-1); json_min drops ids: export as JSON" in told(notes, "without-id")


def test_rows_of_json_min_with_one_id_are_annotations_of_one_task(tmp_path: Path) -> None:
    document = json.loads((SAMPLES / "flat.json").read_text())
    again = {**document[0], "updated_at": "2024-03-05T10:00:00Z", "annotation_id": 24}
    again["label"] = [{**again["label"][0], "x": 30}]
    boxes = read(saved(tmp_path, [again, *document])).container
    assert places(boxes)[0] == (59.5, 19.5, 20, 40)
    assert len(boxes) == 2
    # One without a region is one of an empty image.
    document[1] = {key: value for key, value in document[1].items() if key not in ("box", "what")}
    boxes = read(saved(tmp_path, document)).container
    assert (len(boxes), ranges(boxes)) == (1, [(0, 2)])


def test_other_regions_of_json_min_are_counted_by_kind(tmp_path: Path) -> None:
    size = {"original_width": 200, "original_height": 100}
    others = [
        {"points": [[1, 1]], "polygonlabels": ["net"], **size},
        {"x": 1, "y": 1, "radiusX": 2, "radiusY": 2, "rotation": 0, "ellipselabels": ["ball"], **size},
        {"x": 1, "y": 1, "width": 0.5, "keypointlabels": ["nose"], **size},
        {"points": [[1, 1]], **size},
        {"x": 1, "y": 1, "radiusX": 2, "radiusY": 2, **size},
        {"x": 10, "y": 20, "width": 5, "height": 5, "rotation": 0, **size},
    ]
    boxes, notes, *_ = read(saved(tmp_path, [{"id": 1, "image": "A/1.jpg", "what": others, "annotation_id": 3}]))
    assert rows(boxes) == [("A", 0, -1, "object")]
    assert told(notes, "regions-left-out").endswith(
        "is left out: 1 ellipse, 1 ellipselabels, 1 keypointlabels, 1 polygon, 1 polygonlabels [regions-left-out]"
    )


def test_other_regions_are_left_out_and_counted_by_kind(tmp_path: Path) -> None:
    others = [
        {"id": name, "type": kind, "value": {kind: ["x"]}, "original_width": 200, "original_height": 100}
        for name, kind in enumerate(("polygonlabels", "keypointlabels", "keypointlabels", "brushlabels", "ellipse"))
    ]
    chat = {"id": "c", "type": "chatmessage", "value": {"chatmessage": {"role": "user"}}}
    relation = {"type": "relation", "from_id": "a", "to_id": "b", "direction": "right"}
    of_image = {"id": "z", "type": "choices", "value": {"choices": ["sunny"]}}
    _, notes, *_ = read(saved(tmp_path, [task(1, annotation(rectangle(), *others, chat, relation, of_image))]))
    kinds = "1 brushlabels, 1 chatmessage, 1 choices, 1 ellipse, 2 keypointlabels, 1 polygonlabels, 1 relation"
    assert f"what is no rectangle is left out: {kinds}" in told(notes, "regions-left-out")


def bare(name: str, **more: Any) -> dict[str, Any]:
    return {**rectangle(name, label=None), "type": "rectangle", **more}


def beside(name: str, kind: str, value: Any, **more: Any) -> dict[str, Any]:
    return {"id": name, "type": kind, "value": {kind: value}, "to_name": "image", **more}


@pytest.mark.parametrize(
    ("items", "label"),
    [
        ([bare("a"), beside("a", "labels", ["ball"])], "ball"),
        ([beside("a", "choices", ["ball"]), bare("a")], "ball"),
        ([bare("a"), beside("a", "choices", ["hidden"]), beside("a", "labels", ["ball"])], "ball"),
        ([bare("a"), beside("k", "labels", ["ball"], parentID="a")], "ball"),
        # What is inside of it comes first.
        ([rectangle("a"), beside("a", "labels", ["ball"])], "player"),
        ([{**rectangle("a"), "type": "RectangleLabels"}], "player"),
        ([bare("a"), beside("b", "labels", ["ball"])], "object"),
        ([bare("a"), beside("a", "labels", [])], "object"),
        ([rectangle("a", label=[])], "object"),
    ],
)
def test_a_label_may_stand_beside_a_rectangle(items: list[Any], label: str, tmp_path: Path) -> None:
    boxes, notes, *_ = read(saved(tmp_path, [task(1, annotation(*items))]))
    assert boxes.label == (label,)
    assert ("without-label" in codes(notes)) == (label == "object")
    # An item that belongs to no rectangle is left out, and one that was used is not.
    assert ("regions-left-out" in codes(notes)) == (items[-1].get("id") == "b")


def test_of_several_labels_the_first_is_taken(tmp_path: Path) -> None:
    several = [rectangle("a", label=["player", "team_1"]), rectangle("b")]
    boxes, notes, *_ = read(saved(tmp_path, [task(1, annotation(*several))]))
    assert boxes.label == ("player", "player")
    assert "1 boxes have several labels: the first is taken" in told(notes, "several-labels")


def test_labels_are_called_otherwise(tmp_path: Path) -> None:
    path = saved(tmp_path, [task(1, annotation(rectangle("a"), bare("b")))])
    boxes = read(path, classes={"object": "ball", "player": "pedestrian"}).container
    assert boxes.label == ("pedestrian", "ball")
    with pytest.raises(SchemaError, match="classes: expected labels of 'object', 'player', got 'plaier'"):
        read(path, classes={"plaier": "pedestrian"})


def test_the_size_stands_beside_the_value_in_it_or_nowhere(tmp_path: Path) -> None:
    inside = rectangle("a", size=None)
    inside["value"] |= {"original_width": 400, "original_height": 100}
    boxes = read(saved(tmp_path, [task(1, annotation(inside))])).container
    assert places(boxes) == [(39.5, 19.5, 40, 40)]
    path = saved(tmp_path, [task(1, annotation(rectangle("a", size=None), rectangle("b", size=None)))])
    with pytest.raises(SchemaError, match=r"A: expected original_width .* beside 2 boxes, got neither, first at .*a; "):
        read(path)
    boxes = read(path, size=Size(width=1000, height=100)).container
    assert places(boxes)[0] == (99.5, 19.5, 100, 40)
    assert boxes.header.sequences[0].size == Size(width=1000, height=100)


def test_a_size_that_is_told_is_for_what_has_none(tmp_path: Path) -> None:
    path = saved(tmp_path, [task(1, annotation(rectangle("a"), rectangle("b", size=None)))])
    boxes, notes, *_ = read(path, size=Size(width=100, height=50))
    assert places(boxes) == [(19.5, 19.5, 20, 40), (9.5, 9.5, 10, 20)]
    assert "1 boxes say another size of their image than was told: theirs is taken" in told(
        notes, "size-told-otherwise"
    )
    # Two sizes in one sequence: it is without one.
    assert boxes.header.sequences[0].size is None
    assert "its images have 2 sizes, as '200x100', '100x50': it is without a size" in told(notes, "sizes-differ")


def test_boxes_that_reach_out_of_the_image_stay_as_they_are(tmp_path: Path) -> None:
    out = [rectangle("track_1", x=-5), rectangle("track_2", x=95.0), rectangle("track_3", x=-40, width=20)]
    boxes, notes, *_ = read(saved(tmp_path, [task(1, annotation(*out))]))
    assert places(boxes) == [(-10.5, 19.5, 20, 40), (189.5, 19.5, 20, 40), (-80.5, 19.5, 40, 40)]
    # Only what lies wholly outside is worth a word.
    assert "1 boxes lie wholly outside of 200x100" in told(notes, "boxes-outside")


def test_an_image_that_was_turned_on_the_screen_is_told(tmp_path: Path) -> None:
    _, notes, *_ = read(saved(tmp_path, [task(1, annotation(rectangle("a", image_rotation=90)))]))
    assert "1 boxes stand on an image that was turned on the screen" in told(notes, "image-turned")


@pytest.mark.parametrize("angle", [0, 30, 90, 123.5, 270, 360, -15, 725])
def test_a_turned_rectangle_is_the_upright_box_around_it(angle: float, tmp_path: Path) -> None:
    boxes, notes, *_ = read(saved(tmp_path, [task(1, annotation(rectangle("a", 40, 40, 10, 20, rotation=angle)))]))
    # By hand: 80, 40 is the top-left corner, 20 x 20 the size, all in pixels.
    right = 20 * np.array([np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))])
    down = 20 * np.array([-np.sin(np.deg2rad(angle)), np.cos(np.deg2rad(angle))])
    corners = np.array([79.5, 39.5]) + np.array([0 * right, right, right + down, down])
    low, high = corners.min(0), corners.max(0)
    assert places(boxes) == [pytest.approx((*low, *(high - low)))]
    assert ("rectangles-turned" in codes(notes)) == (angle % 360 != 0)


def test_frames_of_several_folders_are_several_sequences(tmp_path: Path) -> None:
    tasks = [
        task(1, annotation(rectangle("track_1")), image="/data/local-files/?d=train/B/img1/000001.jpg"),
        task(2, annotation(rectangle("track_1"), rectangle("track_2", x=40))),
    ]
    boxes, *_ = read(saved(tmp_path, tasks), rate="30000/1001")
    assert [sequence.name for sequence in boxes.header.sequences] == ["B", "A"]
    assert {sequence.rate for sequence in boxes.header.sequences} == {FrameRate(30000, 1001)}
    assert rows(boxes) == [("B", 0, 1, "player"), ("A", 1, 1, "player"), ("A", 1, 2, "player")]


def test_sequences_of_one_name_are_told_apart(tmp_path: Path) -> None:
    tasks = [
        task(number, annotation(rectangle("track_1")), image=f"/data/local-files/?d={part}/A/img1/000001.jpg")
        for number, part in enumerate(("train", "val"))
    ]
    boxes, notes, *_ = read(saved(tmp_path, tasks))
    assert [sequence.name for sequence in boxes.header.sequences] == ["train.A", "val.A"]
    assert "'train.A', 'val.A'" in told(notes, "names-told-apart")


def test_a_frame_with_two_annotated_tasks_is_an_error_and_with_one_it_is_that(tmp_path: Path) -> None:
    first, second = task(1, annotation(rectangle("track_1"))), {**task(1, annotation(rectangle("track_2"))), "id": 9}
    with pytest.raises(SchemaError, match=r"task 9: expected one annotated task of frame 1 of A, got .*task 1 too"):
        read(saved(tmp_path, [first, second]))
    for tasks in ([first, {**second, "annotations": []}], [{**second, "annotations": []}, first]):
        boxes, notes, *_ = read(saved(tmp_path, tasks))
        assert (boxes.id.tolist(), ranges(boxes)) == ([1], [(0, 1)])
        assert "1 images stand in several tasks" in told(notes, "tasks-twice")


def test_single_images_are_numbered_by_name_when_that_is_said(tmp_path: Path) -> None:
    tasks = [
        task(1, annotation(rectangle("a")), image="/data/upload/3/0a1b2c3d-zebra.jpg"),
        task(2, image="/data/upload/3/0a1b2c3e-lion.jpg"),
        task(3, annotation(rectangle("b")), image="/data/upload/3/0a1b2c3f-bear.jpg"),
    ]
    path = saved(tmp_path, tasks)
    with pytest.raises(SchemaError, match="3 problems") as caught:
        read(path)
    assert [problem.code for problem in caught.value.problems] == ["no-frame-number"] * 3
    assert "in the name of an image, got '0a1b2c3d-zebra.jpg'" not in str(caught.value)
    assert "task 1: expected the number of a frame in the name of an image, got 'zebra.jpg'" in str(caught.value)
    assert "--number-by name" in str(caught.value)
    boxes, notes, *_ = read(path, number_by="name")
    (sequence,) = boxes.header.sequences
    assert (sequence.name, sequence.length, sequence.first_number, sequence.images) == ("project_3", 3, 0, None)
    assert [row[1] for row in rows(boxes)] == [0, 2]
    assert ranges(boxes) == [(0, 1), (2, 3)]
    assert "3 images are numbered from 0 in the order of their names" in told(notes, "frames-by-name")
    assert boxes.header.provenance.parameters == {"number_by": "name"}


def test_names_that_differ_in_more_than_a_number_are_no_sequence(tmp_path: Path) -> None:
    tasks = [
        task(number, annotation(rectangle()), image=f"photos/{name}.jpg")
        for number, name in enumerate(("IMG_0001", "DSC_0001", "IMG_0002"))
    ]
    with pytest.raises(SchemaError, match="differ in their number alone, got 'IMG_0002', 'DSC_0001'"):
        read(saved(tmp_path, tasks))
    assert len(read(saved(tmp_path, tasks), number_by="name").container) == 3


def test_a_number_that_is_a_time_is_no_frame(tmp_path: Path) -> None:
    path = saved(tmp_path, [task(1, annotation(rectangle()), image="cam/1700000000000.jpg")])
    with pytest.raises(SchemaError, match="expected the number of a frame in the name of an image, got '1700000000000"):
        read(path)


def test_unlike_endings_and_folders_leave_no_pattern(tmp_path: Path) -> None:
    for images in (("A/1.jpg", "A/2.png"), ("A/img1/1.jpg", "A/2.jpg"), ("A/1.jpg", "A/02.jpg")):
        tasks = [task(number, annotation(rectangle("track_1")), image=one) for number, one in enumerate(images)]
        boxes, notes, *_ = read(saved(tmp_path, tasks))
        assert boxes.frame.tolist() == [0, 1]
        assert boxes.header.sequences[0].images is None
        assert "follow no one pattern" in told(notes, "no-pattern")


def test_pages_of_one_task_are_images_of_their_own(tmp_path: Path) -> None:
    pages = {"pages": [{"url": "https://host/A/1.jpg"}, {"url": "https://host/A/2.jpg"}]}
    drawn = [rectangle("track_1", to_name="page_1"), rectangle("track_2", to_name="page_0")]
    boxes = read(saved(tmp_path, [{**task(1, annotation(*drawn)), "data": pages}])).container
    assert rows(boxes) == [("A", 0, 2, "player"), ("A", 1, 1, "player")]
    drawn.append(rectangle("track_3", to_name="page_2"))
    with pytest.raises(SchemaError, match="track_3: to_name: expected one of 2 images, as page_0, got 'page_2'"):
        read(saved(tmp_path, [{**task(1, annotation(*drawn)), "data": pages}]))


def test_the_image_is_what_was_drawn_on_or_the_only_one(tmp_path: Path) -> None:
    drawn = annotation(rectangle("track_1", to_name="left"))
    two = {"left": "A/img1/000003.jpg", "right": "B/img1/000003.jpg", "note": "sunny"}
    assert rows(read(saved(tmp_path, [{**task(1, drawn), "data": two}])).container) == [("A", 2, 1, "player")]
    one = {"picture": "C/img1/000004.jpg", "note": "sunny"}
    assert rows(read(saved(tmp_path, [{**task(1, drawn), "data": one}])).container) == [("C", 3, 1, "player")]
    with pytest.raises(SchemaError, match=r"task 1: data: expected the address of an image or a video, got {'note'"):
        read(saved(tmp_path, [{**task(1, drawn), "data": {"note": "sunny"}}]))


def test_it_is_known_by_what_it_begins_with(tmp_path: Path) -> None:
    for path in SAMPLES.iterdir():
        found = find_adapter(path)
        assert found is not None
        assert (found[0].name, found[1]) == ("label_studio", "boxes")
    for other in ({"images": [], "annotations": [], "categories": []}, [1, 2], {"data": {}}, [], "text"):
        known = find_adapter(saved(tmp_path, other))
        assert known is None or known[0].name == "coco_boxes"
    text = json.dumps([task(1, annotation(rectangle()))])
    (tmp_path / "bom.json").write_text(text, encoding="utf-8-sig")
    assert find_adapter(tmp_path / "bom.json") is not None
    assert len(read(tmp_path / "bom.json").container) == 1
    (tmp_path / "tasks.txt").write_text(text)
    assert find_adapter(tmp_path / "tasks.txt") is None


def test_it_tells_what_it_is_made_from(tmp_path: Path) -> None:
    found = read(saved(tmp_path, [task(1, annotation(rectangle("track_1")))]), rate=25)
    (parent,) = found.container.header.provenance.parents
    assert (parent.role, parent.name) == ("annotations", "export.json")
    assert found.rate == FrameRate(25)
