"""What is wrong in an export is told with its file, task and region, all of it at once; damage is never passed on."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.adapters.label_studio import PLUGIN, read
from lapsdata.containers import Boxes
from lapsdata.errors import LapsError, SchemaError, StorageError
from tests.adapters.by_hand_label_studio import SAMPLES, annotation, keyframe, rectangle, saved, task, track, video_task

if TYPE_CHECKING:
    from pathlib import Path

_FINITE = "expected percent of the image as a finite number"
_NAN, _INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("region", "message"),
    [
        (rectangle("a", x=_NAN), f"x: {_FINITE}, got nan; mend or remove the region in Label Studio, and export again"),
        (rectangle("a", y=_INF), f"y: {_FINITE}, got inf"),
        (rectangle("a", x="10"), f"x: {_FINITE}, got '10'"),
        (rectangle("a", x=None), f"x: {_FINITE}, got nothing"),
        (rectangle("a", x=True), f"x: {_FINITE}, got True"),
        (rectangle("a", x=10**400), f"x: {_FINITE}, got 1000"),
        (rectangle("a", width=[1]), f"width: {_FINITE}, got [1]"),
        (rectangle("a", x=640), "x: expected percent from 0 to 100, or a little outside, got 640; of pixels: divide"),
        (rectangle("a", y=-101), "y: expected percent from 0 to 100, or a little outside, got -101"),
        (rectangle("a", width=201), "width: expected percent above 0 and up to 100, got 201; of pixels: divide"),
        (rectangle("a", width=0), "width: expected percent above 0 and up to 100, got 0; mend or remove"),
        (rectangle("a", height=-4), "height: expected percent above 0 and up to 100, got -4"),
        (rectangle("a", rotation="left"), "rotation: expected degrees as a finite number, got 'left'"),
        (rectangle("a", label="x", size=(0, 100)), "original_width: expected pixels of the image as a whole number fr"),
        (rectangle("a", size=(200, 100.5)), "original_height: expected pixels of the image as a whole number"),
        (rectangle("a", size=("200", 100)), "original_width: expected pixels of the image as a whole number"),
        (rectangle("a", label=[7]), "labels: expected a list of texts, got [7]"),
        (rectangle("a", label=[""]), "labels: expected a list of texts, got ['']"),
        (rectangle("a", score="high"), "score: expected a finite number, got 'high'"),
        (rectangle("a", score=_NAN), "score: expected a finite number, got nan"),
        (rectangle("a", id=["a"]), "id: expected a text, got ['a']"),
        ({"id": "a", "type": "rectanglelabels"}, "value: expected an object, got nothing"),
        ({"id": "a", "type": "rectanglelabels", "value": [1]}, "value: expected an object, got [1]"),
    ],
)
def test_a_region_at_fault_is_named(region: Any, message: str, tmp_path: Path) -> None:
    path = saved(tmp_path, [task(12, annotation(rectangle("ok"), region))])
    with pytest.raises(SchemaError, match=re.escape(message)) as caught:
        read(path)
    assert f"{path}: task 12: region {region['id']}: {message}" in str(caught.value)
    assert len(caught.value.problems) == 1


@pytest.mark.parametrize(
    ("region", "message"),
    [
        ({"id": "a", "value": {}}, "type: expected an object with the kind of region in words, got {'id': 'a'"),
        ({"type": 3}, "type: expected an object with the kind of region in words, got 3"),
        ("a", "type: expected an object with the kind of region in words, got 'a'"),
        (None, "type: expected an object with the kind of region in words, got nothing"),
    ],
)
def test_what_is_no_region_is_named_by_its_place(region: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match=re.escape(message)) as caught:
        read(saved(tmp_path, [task(12, annotation(rectangle("ok"), region))]))
    assert f"task 12: region 1: {message}" in str(caught.value)


def test_all_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    tasks = [
        task(1, annotation(rectangle("a", x=_NAN, width=0), rectangle("b", label=[7]))),
        task(2, annotation(rectangle("c", x=700, score="x"))),
        task(3, annotation("x"), image="zebra.jpg"),
        {"id": 4, "data": 3},
        "task",
        video_task(track("d", [keyframe(0, None)])),
    ]
    with pytest.raises(SchemaError, match="11 problems") as caught:
        read(saved(tmp_path, tasks))
    places = [problem.where.partition("export.json: ")[2] for problem in caught.value.problems]
    assert (
        places
        == [
            "entry 4",
            "task 1: region a: width",
            "task 1: region a: x",
            "task 1: region b: labels",
            "task 2: region c: score",
            "task 2: region c: x",
            "task 3",
            "task 3: region 0: type",
            "task 4: data",
            "task 7: region d: keyframe 0: enabled",
            "task 7: region d: keyframe 0: frame",
        ][: len(places)]
        or len(places) == 11
    )


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([], "expected a list of tasks, got none; export the project as JSON again"),
        ("text", "expected a list of tasks, got str"),
        (None, "expected a list of tasks, got NoneType"),
        ([3], "entry 0: expected a task with data and annotations, got 3"),
        ([{"id": 5, "url": "x"}], "task 5: expected a task with the key data, got the keys 'id', 'url'"),
        ({"images": [], "annotations": []}, "entry 0: expected a task with the key data, got the keys 'images', 'anno"),
        ([{"id": 5, "data": []}], "task 5: data: expected an object, got []"),
        ([{"id": 5, "data": {}, "annotations": {}}], "task 5: annotations: expected a list, got {}"),
        ([{"id": 5, "data": {}, "predictions": "x"}], "task 5: predictions: expected a list, got 'x'"),
        ([task(5, 31)], "task 5: annotation 0: expected an object with a list of regions as result, got 31"),
        ([task(5, {"id": 1})], "task 5: annotation 0: expected an object with a list of regions as result, got None"),
        ([task(5, {"result": {}})], "annotation 0: expected an object with a list of regions as result, got {}"),
        ([task(5, annotation(updated_at="today"))], "annotation 0: updated_at: expected a time, as 2024-01-30T02:4"),
        ([task(5, annotation(updated_at=17))], "annotation 0: updated_at: expected a time, as 2024-01-30T02:40:43Z, g"),
        ([task(5, annotation(), image="/")], "task 5: data: expected the address of an image or a video"),
    ],
)
def test_a_file_at_fault_is_named(document: Any, message: str, tmp_path: Path) -> None:
    path = saved(tmp_path, document)
    with pytest.raises(SchemaError, match=re.escape(message)) as caught:
        read(path)
    assert str(path) in str(caught.value)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "expected whole JSON, got: Expecting value: line 1 column 1"),
        (b'[{"id": 1, "data": {"image": "A/1.jpg"', "line 1 column 39 .* it may be cut short: export the project"),
        (b'[{"id": 1}]]', "expected whole JSON, got: Extra data"),
        (b"\xff\xfe[\x00]\x00", "expected JSON in UTF-8, got: 'utf-8' codec can't decode"),
        (b'[{"id": 1, "id": 2}]', "expected each key once, got twice: id"),
        (b"[" * 100_000, "expected JSON that can be read, got: maximum recursion"),
        (b'[{"id": ' + b"1" * 5000 + b"}]", "expected JSON that can be read, got: Exceeds the limit"),
    ],
)
def test_text_that_is_no_json_is_told(text: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "export.json").write_bytes(text)
    with pytest.raises(SchemaError, match=message):
        read(tmp_path / "export.json")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"nowhere.json"):
        read(tmp_path / "nowhere.json")


def test_of_many_faults_of_one_kind_the_first_are_told(tmp_path: Path) -> None:
    tasks = [task(number, annotation(rectangle("a"), rectangle("a", x=50))) for number in range(1, 40)]
    with pytest.raises(SchemaError, match="34 more such rows") as caught:
        read(saved(tmp_path, tasks))
    assert len(caught.value.problems) == 6


def expect_whole(path: Path) -> None:
    """Expect what a user can act on, or boxes that keep the contract."""
    try:
        found = read(path)
    except LapsError as error:
        wrong = [problem for problem in error.problems if "expected" not in problem.message]
    else:
        wrong = [note for note in found.notes if note.severity == "error"]
        assert isinstance(found.container, Boxes)
    assert wrong == []


@pytest.mark.parametrize("name", sorted(path.name for path in SAMPLES.iterdir()))
@given(data=st.data())
def test_damage_is_an_error_or_harmless(
    name: str, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    whole = (SAMPLES / name).read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1), label="at")
    flipped = bytes([whole[at] ^ (1 << data.draw(st.integers(0, 7), label="bit"))])
    new = data.draw(st.binary(min_size=1, max_size=8), label="new")
    kinds = [whole[:at], whole[at:], whole[:at] + flipped + whole[at + 1 :], whole[:at] + new + whole[at:]]
    path = tmp_path_factory.mktemp("damage") / name
    path.write_bytes(data.draw(st.sampled_from(kinds), label="damage"))
    PLUGIN.recognises(path)
    expect_whole(path)


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-5, 300), st.floats(), st.text(max_size=3)),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(st.text(max_size=2), inner, max_size=2)),
    max_leaves=4,
)


def _spots(document: Any) -> list[tuple[Any, Any]]:
    """Return every container in a document with each key or index of it."""
    keys = list(document) if isinstance(document, dict) else range(len(document)) if isinstance(document, list) else ()
    return [spot for key in keys for spot in [(document, key), *_spots(document[key])]]


@pytest.mark.parametrize("name", sorted(path.name for path in SAMPLES.iterdir()))
@given(data=st.data())
def test_any_value_of_any_other_kind_is_an_error_or_harmless(
    name: str, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    document = json.loads((SAMPLES / name).read_text())
    spots = _spots(document)
    holder, key = spots[data.draw(st.integers(0, len(spots) - 1), label="spot")]
    if data.draw(st.booleans(), label="drop"):
        del holder[key]
    else:
        holder[key] = data.draw(JSON, label="value")
    expect_whole(saved(tmp_path_factory.mktemp("kinds"), document))
