"""Exports of Label Studio's own tests and of the volleyball project: counts, places, keyframes, and how fast."""

from __future__ import annotations

import json
import math
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lapsdata.adapters import find_adapter
from lapsdata.adapters.label_studio import read
from lapsdata.errors import SchemaError
from lapsdata.schema.base import Size

if TYPE_CHECKING:
    from pathlib import Path


def regions(path: Path) -> list[dict[str, Any]]:
    tasks = json.loads(path.read_text())
    return [region for task in tasks for one in task["annotations"] for region in one["result"]]


def test_the_demo_truth_has_its_frames_boxes_and_ids(real_data: Path) -> None:
    path = real_data / "volleyball_mot" / "analysis" / "demo_data" / "demo_gt.json"
    boxes, notes, *_ = read(path)
    (sequence,) = boxes.header.sequences
    assert (len(boxes), sequence.length, sequence.first_number) == (800, 100, 1)
    assert (sequence.size, sequence.images) == (Size(width=1280, height=720), "frame_{frame:06d}.jpg")
    assert sorted(set(boxes.id.tolist())) == list(range(8))
    assert [note.code for note in notes] == ["annotated-frames"]
    plain = regions(path)
    assert boxes.source_id == tuple(region["id"] for region in plain)
    assert boxes.id.tolist() == [int(region["id"].removeprefix("track_")) for region in plain]
    percent = np.array([[region["value"][side] for side in ("x", "y", "width", "height")] for region in plain])
    expected = percent / 100 * [1280, 720, 1280, 720] - [0.5, 0.5, 0, 0]
    got = boxes.xywh
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-9)


def test_the_demo_truth_agrees_with_the_scores_of_its_own_project(real_data: Path) -> None:
    """Frames and boxes of the truth are those that its evaluator counted: TP 89 and FN 711."""
    folder = real_data / "volleyball_mot" / "analysis" / "demo_data"
    boxes = read(folder / "demo_gt.json").container
    told = json.loads((real_data / "volleyball_mot" / "expected_trackeval-1.3.0_demo.json").read_text())
    scores = told["demo"]["CLEAR"]
    assert scores["CLR_TP"] + scores["CLR_FN"] == len(boxes) == 89 + 711
    assert scores["CLR_Frames"] == boxes.header.sequences[0].length
    assert scores["MT"] + scores["PT"] + scores["ML"] == len(set(boxes.id.tolist()))


def test_of_two_annotations_one_is_taken(real_data: Path) -> None:
    path = real_data / "label_studio" / "test_export_yolo" / "data.json"
    assert len(regions(path)) == 6
    best, first = read(path), read(path, annotations="first")
    assert (len(best.container), len(first.container)) == (4, 4)
    both = {one for found in (best, first) for one in found.container.source_id or ()}
    assert both == {region["id"] for region in regions(path)}
    assert "annotation-chosen" in {note.code for note in best.notes}
    # The later of the two is the newer one here.
    assert (best.container.source_id or ("",))[0] == "ipBS_GBGZp"


def test_turned_rectangles_are_enclosed(real_data: Path) -> None:
    path = real_data / "label_studio" / "test_export_yolo" / "data_obb.json"
    boxes, notes, *_ = read(path)
    assert len(boxes) == 25
    assert boxes.header.policies["rectangles_turned"] == 25
    assert {"rectangles-turned", "sizes-differ"} <= {note.code for note in notes}
    plain = {region["id"]: region for region in regions(path)}
    assert boxes.source_id is not None
    for row, name in enumerate(boxes.source_id):
        region, value = plain[str(name)], plain[str(name)]["value"]
        width, height = region["original_width"], region["original_height"]
        x, y = value["x"] / 100 * width, value["y"] / 100 * height
        w, h = value["width"] / 100 * width, value["height"] / 100 * height
        cos, sin = math.cos(math.radians(value["rotation"])), math.sin(math.radians(value["rotation"]))
        xs = [x, x + w * cos, x + w * cos - h * sin, x - h * sin]
        ys = [y, y + w * sin, y + w * sin + h * cos, y + h * cos]
        got = (boxes.x[row] + 0.5, boxes.y[row] + 0.5, boxes.w[row], boxes.h[row])
        assert got == pytest.approx((min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)), abs=1e-9)


@pytest.mark.parametrize(
    ("name", "count", "left"),
    [
        ("test_export_yolo/data_keypoints.json", 1, "3 keypointlabels, 5 relation"),
        ("test_export_yolo/data_polygons.json", 0, "1 polygonlabels"),
        ("test_export_json_min/data_repeater.json", 1, "1 taxonomy"),
    ],
)
def test_what_is_no_rectangle_is_counted(real_data: Path, name: str, count: int, left: str) -> None:
    path = real_data / "label_studio" / name
    assert find_adapter(path) is not None
    boxes, notes, *_ = read(path)
    assert len(boxes) == count
    assert [note.message for note in notes if note.code == "regions-left-out"] == [
        f"what is no rectangle is left out: {left}"
    ]


def test_a_picture_without_a_number_and_a_chat_are_told(real_data: Path) -> None:
    folder = real_data / "label_studio" / "test_export_json_min"
    with pytest.raises(
        SchemaError, match=r"task 87: expected the number of a frame .* got 'example.png'; .* --number-by"
    ):
        read(folder / "data.json")
    assert len(read(folder / "data.json", number_by="name").container) == 0
    with pytest.raises(SchemaError, match="task 226650350: data: expected the address of an image or a video"):
        read(folder / "chat_data.json")


def test_keyframes_are_joined_as_label_studio_joins_them(real_data: Path, tmp_path: Path) -> None:
    cases = json.loads((real_data / "label_studio" / "videorectangle_cases.json").read_text())["cases"]
    assert len(cases) == 4
    for number, case in enumerate(cases):
        for spelled in ("framesCount", "frameCount"):
            value = {spelled: case["framesCount"], "sequence": case["sequence"], "labels": ["player"]}
            region = {"id": "a", "type": "videorectangle", "value": value, "to_name": "video"}
            task = {"id": number, "data": {"video": f"{case['name']}.mp4"}, "annotations": [{"result": [region]}]}
            path = tmp_path / f"{case['name']}.json"
            path.write_text(json.dumps([task]))
            boxes = read(path, size=Size(width=200, height=50)).container
            assert (boxes.frame + 1).tolist() == case["expect_frames"]
            assert boxes.header.sequences[0].length == case["framesCount"]
            for frame, expected in case["expect_at"].items():
                row = case["expect_frames"].index(int(frame))
                if expected.get("rotation"):
                    continue  # what is turned is enclosed; its corners are compared elsewhere
                assert boxes.x[row] + 0.5 == pytest.approx(expected["x"] * 2)
                assert boxes.y[row] + 0.5 == pytest.approx(expected["y"] / 2)


def test_a_project_of_the_notes_is_read_in_less_than_a_second(tmp_path: Path) -> None:
    """1,860 images with 23,250 boxes, players and a ball."""
    draw = np.random.default_rng(7)
    tasks = []
    for number in range(1, 1861):
        result = [
            {
                "id": f"track_{who}",
                "type": "rectanglelabels",
                "value": {"x": x, "y": y, "width": w, "height": h, "rotation": 0, "rectanglelabels": ["player"]},
                "original_width": 1280,
                "original_height": 720,
            }
            for who, (x, y, w, h) in enumerate(draw.uniform(5, 40, (12 + number % 2, 4)).tolist())
        ]
        image = f"/data/local-files/?d=train/A/img1/{number:06d}.jpg"
        some = [{"result": result, "updated_at": "2024-01-30T02:40:43.893578Z"}]
        tasks.append({"id": number, "data": {"image": image}, "annotations": some, "predictions": []})
    path = tmp_path / "export.json"
    path.write_text(json.dumps(tasks))
    start = time.process_time()
    boxes = read(path).container
    # Of this process alone: others may take the machine from it.
    assert time.process_time() - start < 1
    assert len(boxes) == 1860 * 12 + 930
