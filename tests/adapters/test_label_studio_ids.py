"""Who a box is: the id of its region, a track_id, words beside it; and ids that say nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from lapsdata.adapters.label_studio import read
from lapsdata.errors import SchemaError
from tests.adapters.by_hand_label_studio import annotation, codes, rectangle, saved, task, told

if TYPE_CHECKING:
    from pathlib import Path


def frames(tmp_path: Path, *regions: list[Any]) -> Any:
    return read(saved(tmp_path, [task(number, annotation(*some)) for number, some in enumerate(regions, 1)]))


def test_ids_of_regions_are_new_in_each_frame_unless_a_program_wrote_them(tmp_path: Path) -> None:
    new = ["qd1jIVAq1h", "FmoGRgYXtw", "2DBmQYLmty", "C7oHaRDVVC"]
    first, second, third, fourth = map(rectangle, new)
    boxes, notes, *_ = frames(tmp_path, [first, second], [third], [fourth])
    assert boxes.id.tolist() == [1, 2, 3, 4]
    assert boxes.source_id == tuple(new)
    line = told(notes, "ids-never-persist")
    assert line.startswith("A: truth: expected identities that stay, got 4 of them, each in one frame only; ")
    assert "write a track_id into meta, or label the video" in line


def test_ids_that_persist_are_no_warning(tmp_path: Path) -> None:
    boxes, notes, *_ = frames(tmp_path, [rectangle("x"), rectangle("y")], [rectangle("y")])
    assert boxes.id.tolist() == [1, 2, 2]
    assert codes(notes) == ["annotated-frames"]


def test_numbers_go_by_frames_and_not_by_the_order_of_tasks(tmp_path: Path) -> None:
    tasks = [task(2, annotation(rectangle("x"))), task(1, annotation(rectangle("y"), rectangle("x")))]
    for order in (tasks, tasks[::-1]):
        boxes = read(saved(tmp_path, order)).container
        assert (boxes.id.tolist(), boxes.source_id) == ([1, 2, 2], ("y", "x", "x"))


@pytest.mark.parametrize("where", ["beside", "value", "meta"])
@pytest.mark.parametrize("track", [4, "p_4"])
def test_a_track_id_says_who_a_box_is(where: str, track: int | str, tmp_path: Path) -> None:
    def said(name: str) -> dict[str, Any]:
        item = rectangle(name)
        place = item if where == "beside" else item.setdefault(where, {})
        place["track_id"] = track
        return item

    boxes, notes, *_ = frames(tmp_path, [said("qd1jIVAq1h")], [said("FmoGRgYXtw")])
    assert boxes.id.tolist() == [4, 4]
    # A number says nothing that the id does not say: there the region's own id is kept.
    assert boxes.source_id == (("qd1jIVAq1h", "FmoGRgYXtw") if track == 4 else ("p_4", "p_4"))
    assert codes(notes) == ["annotated-frames"]


@pytest.mark.parametrize("nobody", [None, -1])
def test_a_track_id_may_say_that_nobody_knows(nobody: int | None, tmp_path: Path) -> None:
    boxes, notes, *_ = frames(tmp_path, [rectangle("a", meta={"track_id": nobody}), rectangle("b", track_id=3)])
    assert boxes.id.tolist() == [-1, 3]
    assert boxes.source_id == (None, "b")
    assert codes(notes) == ["annotated-frames"]


def test_a_region_that_was_drawn_later_has_no_track_id(tmp_path: Path) -> None:
    drawn = [rectangle("track_4", meta={"track_id": 4}), rectangle("FmoGRgYXtw", x=50)]
    boxes, notes, *_ = frames(tmp_path, drawn, [rectangle("track_4", meta={"track_id": 4})])
    assert boxes.id.tolist() == [1, 2, 1]
    assert "1 of 3 boxes have no track_id: the id of their region is taken" in told(notes, "track-id-missing")


@pytest.mark.parametrize("wrong", [True, 1.5, "", [], -2, "-7"])
def test_a_track_id_is_a_text_or_a_number(wrong: Any, tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match="region a: track_id: expected a text or a whole number from 0, or null"):
        frames(tmp_path, [rectangle("a", meta={"track_id": wrong})])


def note(text: Any) -> dict[str, Any]:
    return {"meta": {"text": text}}


def field(name: str, kind: str, value: Any) -> dict[str, Any]:
    return {"id": name, "type": kind, "value": {"text" if kind == "textarea" else kind: value}, "to_name": "image"}


@pytest.mark.parametrize("how", ["note", "notes", "textarea", "number"])
def test_words_say_who_a_box_is_where_ids_do_not(how: str, tmp_path: Path) -> None:
    def said(name: str, who: int) -> list[dict[str, Any]]:
        if how.startswith("note"):
            return [rectangle(name, **note([f"{who}"] if how == "notes" else f" {who} "))]
        return [rectangle(name), field(name, how, [str(who)] if how == "textarea" else who)]

    first, second = [*said("a", 7), *said("b", 2)], [*said("c", 2), *said("d", 7)]
    boxes, notes, *_ = frames(tmp_path, first, second)
    assert boxes.id.tolist() == [7, 2, 2, 7]
    assert boxes.source_id == ("7", "2", "2", "7")
    assert codes(notes) == ["annotated-frames", "ids-from-words"]


@pytest.mark.parametrize(
    "regions",
    [
        # Said of one box only; the same of two boxes in a frame; other words in each frame; two things of one box.
        [[rectangle("a", **note("7"))], [rectangle("b")]],
        [[rectangle("a", **note("blurred")), rectangle("b", **note("blurred"))], [rectangle("c", **note("blurred"))]],
        [[rectangle("a", **note("7"))], [rectangle("b", **note("8"))]],
        [[rectangle("a", **note(["7", "8"]))], [rectangle("b", **note(["7", "8"]))]],
        [[rectangle("a", **note(None))], [rectangle("b", **note({"x": 1}))]],
    ],
)
def test_words_that_tell_no_one_apart_are_words(regions: list[Any], tmp_path: Path) -> None:
    boxes, notes, *_ = frames(tmp_path, *regions)
    assert boxes.source_id == tuple("abc"[: len(boxes)])
    assert codes(notes) == ["annotated-frames"]


def test_words_beside_ids_that_persist_are_words(tmp_path: Path) -> None:
    boxes, notes, *_ = frames(tmp_path, [rectangle("track_5", **note("7"))], [rectangle("track_5", **note("8"))])
    assert (boxes.id.tolist(), codes(notes)) == ([5, 5], ["annotated-frames"])


def test_an_identity_that_stands_twice_in_a_frame_is_told_with_its_task(tmp_path: Path) -> None:
    twice = [rectangle("track_5"), rectangle("track_5", x=50)]
    with pytest.raises(SchemaError, match="task 2: region track_5: id: expected each identity once in a frame, got fr"):
        frames(tmp_path, [rectangle("track_5")], twice)
