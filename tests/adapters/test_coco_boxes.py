"""COCO's JSON: truth with and without identities, detections beside their images, and what is wrong with them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.adapters import find_adapter
from lapsdata.adapters.coco_boxes import read, recognises
from lapsdata.errors import SchemaError, StorageError
from lapsdata.schema.base import Size
from lapsdata.timebase import FrameRate
from tests.adapters.boxes_in_json import codes, rows, spans, written

SAMPLES = Path(__file__).parents[1] / "samples" / "coco_boxes"


def test_a_truth_has_sequences_identities_and_crowds() -> None:
    boxes, notes, *_ = read(SAMPLES / "truth.json", rate=FrameRate(25))
    assert rows(boxes) == [
        ("game1", 1, (9.5, 20.0, 4.0, 3.0), None),
        ("game1", 1, (30.0, 30.0, 2.0, 2.0), None),
        ("game1", 1, (0.0, 0.0, 64.0, 10.0), None),
        ("game1", 3, (10.0, 20.0, 4.0, 3.0), None),
    ]
    assert boxes.id.tolist() == [5, 0, -1, 5]
    assert boxes.label == ("player", "ball", "player", "player")
    assert boxes.ignored.tolist() == [False, False, True, False]
    assert set(boxes.source) == {"truth"}
    assert boxes.source_id is None
    assert [(one.name, one.size, one.images, one.rate) for one in boxes.header.sequences] == [
        ("game1", Size(width=64, height=48), "game1/img1/{frame:06d}.jpg", FrameRate(25)),
        ("game2", Size(width=32, height=24), "game2/img1/{frame:06d}.jpg", FrameRate(25)),
    ]
    # Image 2 is not among them; game2 has one, and nothing in it.
    assert spans(boxes) == {"game1": [(1, 1), (3, 3)], "game2": [(1, 1)]}
    assert notes == ()


def test_detections_take_their_images_from_beside() -> None:
    boxes, notes, *_ = read(SAMPLES / "found.json", classes={"player": "person", "2": "volleyball"})
    assert rows(boxes) == [
        ("game1", 1, (9.0, 20.5, 4.0, 3.0), 0.75),
        ("game1", 3, (31.0, 30.0, 2.0, 2.0), 0.25),
    ]
    assert (boxes.label, set(boxes.source), boxes.id.tolist()) == (("person", "volleyball"), {"detector"}, [-1, -1])
    assert [(one.code, one.message) for one in notes] == [
        ("images-beside", "images are those of truth.json, which lies beside it")
    ]
    assert [one.role for one in boxes.header.provenance.parents] == ["boxes", "images"]


def image(identity: Any, name: str, **more: Any) -> dict[str, Any]:
    return {"id": identity, "file_name": name, "width": 64, "height": 48, **more}


def truth(images: list[Any], *annotations: Any, **more: Any) -> dict[str, Any]:
    return {"images": images, "annotations": list(annotations), "categories": [{"id": 1, "name": "player"}], **more}


SIDE = st.integers(0, 400).map(lambda n: n / 8)
BOXES = st.lists(st.tuples(st.integers(0, 5), SIDE, SIDE, SIDE, SIDE), max_size=10)


@given(boxes=BOXES, order=st.permutations(range(6)))
def test_every_annotation_is_a_box_of_its_image(
    boxes: list[Any], order: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    images = [image(100 + n, f"s{n % 2}/img1/{n + 1:08d}.png") for n in order]
    rows_of = [{"image_id": 100 + n, "bbox": list(box), "category_id": 1} for n, *box in boxes]
    path = written(tmp_path_factory.mktemp("coco") / "truth.json", truth(images, *rows_of))
    found = sorted((name, number, box) for name, number, box, _ in rows(read(path).container))
    assert found == sorted((f"s{n % 2}", n + 1, tuple(box)) for n, *box in boxes)


def test_names_of_images_say_the_frame_and_not_their_order(tmp_path: Path) -> None:
    one = {"image_id": 2, "bbox": [1, 2, 3, 4], "category_id": 1}
    path = written(tmp_path / "t.json", truth([image(1, "a/img1/000009.jpg"), image(2, "a/img1/000000.jpg")], one))
    boxes = read(path).container
    assert rows(boxes) == [("a", 0, (1.0, 2.0, 3.0, 4.0), None)]
    assert boxes.header.sequences[0].length == 10


def test_images_without_a_folder_are_of_their_video(tmp_path: Path) -> None:
    videos = {"videos": [{"id": 1, "name": "left"}, {"id": 2, "file_name": "right"}]}
    images = [image(1, "0001.jpg", video_id=1), image(2, "0001.jpg", video_id=2), image(3, "0007.jpg")]
    boxes = read(written(tmp_path / "all.json", truth(images, **videos))).container
    assert [(one.name, one.images) for one in boxes.header.sequences] == [
        ("left", "left/{frame:04d}.jpg"),
        ("right", "right/{frame:04d}.jpg"),
        ("all", "{frame:04d}.jpg"),
    ]


def test_identities_may_be_words(tmp_path: Path) -> None:
    def box(at: int, identity: object) -> dict[str, Any]:
        return {"image_id": at, "bbox": [1, 2, 3, 4], "category_id": 9, "instance_id": identity, "score": 0.5}

    images = [image(n, f"a/img1/{n:06d}.jpg") for n in (1, 2)]
    path = written(tmp_path / "t.json", truth(images, box(1, "x"), box(1, "y"), box(2, "y"), box(2, None)))
    boxes, notes, *_ = read(path)
    assert boxes.id.tolist() == [0, 1, 1, -1]
    assert boxes.source_id == ("x", "y", "y", None)
    assert boxes.score is not None
    assert boxes.label == ("9",) * 4
    assert [one.message for one in notes] == ["nobody said what class 9 is called: it keeps its number"]


def test_images_of_several_sizes_are_told(tmp_path: Path) -> None:
    images = [image(1, "a/1.jpg"), image(2, "a/2.jpg", width=32), image(3, "b/1.jpg", width=None)]
    boxes, notes, *_ = read(written(tmp_path / "t.json", truth(images)))
    assert [one.size for one in boxes.header.sequences] == [None, None]
    assert codes(notes) == {"unlike-sizes"}


ONE = [image(1, "a/img1/000001.jpg")]
BOX = {"image_id": 1, "bbox": [1, 2, 3, 4], "category_id": 1, "track_id": 3}
WANTED = r"annotation 1: expected the image_id of an image and a bbox of four numbers"
BAD: dict[str, tuple[Any, str]] = {
    "no annotations": ({"images": []}, "annotations: expected a list of objects, got NoneType"),
    "images that are none": (
        {"images": [1], "annotations": []},
        "images: expected a list of objects, got others",
    ),
    "no images": (truth([]), "expected a sequence of boxes, got none"),
    "an image twice": (truth([*ONE, *ONE]), "image 2: expected an id of its own and a file_name, got 1"),
    "no name": (truth([{"id": 1}]), "image 1: expected an id of its own and a file_name, got 1 and None"),
    "a frame twice": (
        truth([*ONE, image(2, "a/img1/000001.png")]),
        "image 2: expected each frame once, got a/img1/0",
    ),
    "no image": (truth(ONE, {**BOX, "image_id": 2}), WANTED),
    "no box": (truth(ONE, {"image_id": 1}), WANTED),
    "three numbers": (truth(ONE, {**BOX, "bbox": [1, 2, 3]}), WANTED),
    "a score in words": (truth(ONE, {**BOX, "score": "high"}), WANTED),
    "a negative size": (truth(ONE, {**BOX, "bbox": [1, 2, -3, 4]}), "annotation 1: w: expected w from 0, got -3.0"),
    "an identity twice": (truth(ONE, BOX, BOX), "annotation 2: id: expected each identity once in a frame"),
    "a size that is none": (truth([image(1, "a/1.jpg", width=-5)]), "expected"),
}


@pytest.mark.parametrize("what", BAD)
def test_what_is_wrong_is_named(what: str, tmp_path: Path) -> None:
    document, message = BAD[what]
    with pytest.raises(SchemaError, match=message):
        read(written(tmp_path / "bad.json", document))


def test_detections_without_images_say_what_to_do(tmp_path: Path) -> None:
    found = [{"image_id": 1, "bbox": [1, 2, 3, 4], "category_id": 1, "score": 0.5}]
    path = written(tmp_path / "found.json", found)
    with pytest.raises(
        SchemaError, match="expected one file beside it with the images of all 1 image_id, got none"
    ) as told:
        read(path)
    assert "put the truth (images, annotations, categories)" in str(told.value.problems[0].fix)
    # One that has other images is not the one, and of two nobody knows which.
    written(tmp_path / "other.json", truth([image(7, "a/img1/000001.jpg")]))
    with pytest.raises(SchemaError, match="got none"):
        read(path)
    for name in ("one", "two"):
        written(tmp_path / f"{name}.json", truth(ONE))
    with pytest.raises(SchemaError, match=r"got 2: 'one\.json', 'two\.json'"):
        read(path)
    (tmp_path / "two.json").unlink()
    assert rows(read(path).container) == [("a", 1, (1.0, 2.0, 3.0, 4.0), 0.5)]
    written(path, [*found, 5])
    with pytest.raises(SchemaError, match="detection 2: expected the image_id of an image"):
        read(path)


def test_it_is_known_by_what_it_begins_with(tmp_path: Path) -> None:
    for name in ("truth", "found"):
        adapter = find_adapter(SAMPLES / f"{name}.json")
        assert adapter is not None
        assert (adapter[0].name, adapter[1]) == ("coco_boxes", "boxes")
    (tmp_path / "marked.json").write_bytes(b"\xef\xbb\xbf" + (SAMPLES / "truth.json").read_bytes())
    assert recognises(tmp_path / "marked.json") == "boxes"
    assert len(read(tmp_path / "marked.json").container) == 4
    for at, other in enumerate(({}, [], {"images": 3}, {"info": {}, "segments": []}, [{"image_id": 1}], [[1]])):
        assert recognises(written(tmp_path / f"{at}.json", other)) is None
    assert recognises(written(tmp_path / "t.txt", truth(ONE))) is None
    with pytest.raises(StorageError, match="cannot open"):
        read(tmp_path / "nothing.json")


def test_many_licences_hide_no_images(tmp_path: Path) -> None:
    licences = {"licenses": [{"id": n, "name": "x" * 80, "url": "y" * 80} for n in range(60)]}
    path = tmp_path / "t.json"
    path.write_text(json.dumps(licences | truth(ONE, BOX)))
    assert recognises(path) == "boxes"
    assert np.array_equal(read(path).container.id, [3])
