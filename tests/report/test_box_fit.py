"""Boxes and pictures that do not fit: what is not seen is counted, and what makes a picture wrong is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from lapsdata.errors import Problem, SchemaError
from lapsdata.report._box_fit import check_fit
from lapsdata.report.box_frames import NumberedFrames, open_frames
from lapsdata.report.layered_boxes import BoxLayer, box_layers
from lapsdata.report.png import write_png
from lapsdata.video.writer import write_video
from tests.report.made_boxes import Row, made_boxes, made_layer

if TYPE_CHECKING:
    from pathlib import Path

IN = (9.5, 9.5, 10.0, 10.0)


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> NumberedFrames:
    """Five images of 64 x 48 pixels, called 000001 to 000005."""
    folder = tmp_path_factory.mktemp("seq") / "img1"
    folder.mkdir()
    for number in range(1, 6):
        write_png(folder / f"{number:06d}.png", np.zeros((48, 64, 3), np.uint8))
    return open_frames(folder, [], 25)


def table(*rows: Row, **options: object) -> BoxLayer:
    return made_layer(*rows, **{"size": (64, 48), "length": 5, "first_number": 1, **options})  # type: ignore[arg-type]


def told(layer: BoxLayer, frames: NumberedFrames, **options: object) -> dict[str, Problem]:
    found = check_fit([layer], frames, **{"missing": "raise", "span": None, **options})  # type: ignore[arg-type]
    assert all(one.where == "made" for one in found)
    return {one.code: one for one in found}


def test_boxes_that_fit_have_nothing_told_of_them(frames: NumberedFrames) -> None:
    assert told(table(*(Row(frame, IN) for frame in range(5))), frames) == {}


def test_pictures_of_another_size_are_refused(frames: NumberedFrames) -> None:
    message = r"made: expected pictures of 128x96 pixel, as the boxes refer to, got 64x48; .*--on \[other-size\]"
    with pytest.raises(SchemaError, match=message):
        told(table(Row(0, IN), size=(128, 96)), frames)
    assert "other-size" not in told(table(Row(0, IN), size=None), frames)


def test_frames_without_a_picture_are_refused_with_their_names(frames: NumberedFrames) -> None:
    layer = table(*(Row(frame, IN) for frame in (0, 4, 5, 6, 6, 9)), length=10)
    message = (
        r"expected a picture for every frame with boxes, got 1 to 5 and none for 3 frames \(6-7, 10\), "
        r"as '000006.png', '000007.png', '000010.png', with 4 boxes; "
        r"draw those there are: --frames A:B, or --skip-missing"
    )
    with pytest.raises(SchemaError, match=message):
        told(layer, frames)
    skipped = told(layer, frames, missing="skip")["missing-pictures"]
    assert (skipped.severity, skipped.message[-10:]) == ("warning", ": left out")


def test_every_layer_that_does_not_fit_is_told_at_once(frames: NumberedFrames) -> None:
    one, other = table(Row(7, IN), length=8), table(Row(0, IN), size=(1, 1))
    with pytest.raises(SchemaError, match="2 problems"):
        check_fit([one, other], frames, "raise", None)


def test_a_span_leaves_boxes_out_and_needs_no_other_pictures(frames: NumberedFrames) -> None:
    layer = table(*(Row(frame, IN) for frame in (0, 1, 2, 8)), length=10)
    found = told(layer, frames.within((2, 3)), span=(2, 3))
    assert found["other-frames"].message == "2 of 4 boxes lie outside of frames 2 to 3: left out"
    assert found.keys() == {"other-frames"}
    with pytest.raises(SchemaError, match=r"none for 1 frame \(9\)"):
        told(layer, frames.within((2, 9)), span=(2, 9))


@pytest.mark.parametrize("span", [(0, 3), (3, 6), (0, 99)])
def test_a_span_beyond_the_pictures_is_told(span: tuple[int, int], frames: NumberedFrames) -> None:
    layer = table(*(Row(frame, IN) for frame in range(5)))
    (one,) = [note for note in check_fit([layer], frames.within(span), "raise", span) if note.code == "beyond-pictures"]
    assert one.message == f"expected pictures of frames {span[0]} to {span[1]}, got 1 to 5 in all"
    assert one.severity == "warning"


def test_pictures_without_boxes_are_counted(frames: NumberedFrames) -> None:
    found = told(table(Row(0, IN), Row(3, IN), annotated=[(0, 4)]), frames)["empty-pictures"]
    assert found.severity == "info"
    assert found.message == "3 of 5 pictures hold no box, 1 of them outside of its ranges"


def test_no_box_at_all_is_a_warning(frames: NumberedFrames) -> None:
    found = told(table(), frames)["no-boxes"]
    assert (found.severity, found.message) == ("warning", "expected boxes in the 5 pictures that are drawn, got none")


def test_another_number_of_pictures_than_the_table_says_is_told(frames: NumberedFrames) -> None:
    rows = [Row(frame, IN) for frame in range(5)]
    found = told(table(*rows, length=9), frames)["other-length"]
    assert (found.severity, found.message) == ("warning", "expected 9 pictures, as the table says, got 5")
    assert "other-length" not in told(table(*rows, length=9), frames, span=(1, 5))


@pytest.mark.parametrize(
    ("xywh", "code"),
    [
        ((-10.5, 9.5, 10.0, 10.0), "boxes-outside"),
        ((63.5, 9.5, 10.0, 10.0), "boxes-outside"),
        ((9.5, -10.5, 10.0, 10.0), "boxes-outside"),
        ((9.5, 47.5, 10.0, 10.0), "boxes-outside"),
        ((-0.6, 9.5, 10.0, 10.0), "boxes-cut"),
        ((54.0, 9.5, 10.0, 10.0), "boxes-cut"),
        ((9.5, 38.0, 10.0, 10.0), "boxes-cut"),
        ((9.5, 9.5, 0.0, 10.0), "empty-boxes"),
        ((-0.5, -0.5, 64.0, 48.0), None),
        (IN, None),
    ],
)
def test_boxes_that_are_not_seen_whole_are_counted(
    xywh: tuple[float, float, float, float], code: str | None, frames: NumberedFrames
) -> None:
    rows = [Row(frame, IN if frame != 2 else xywh) for frame in range(5)]
    found = told(table(*rows), frames)
    assert set(found) == ({code} if code else set())
    if code:
        assert found[code].message.startswith("1 of 5 boxes ")
        assert found[code].message.endswith("; the first in frame 3")
        assert found[code].severity == ("info" if code == "boxes-cut" else "warning")


def test_ignored_boxes_and_low_scores_are_counted(frames: NumberedFrames) -> None:
    rows = [Row(frame, IN, score=0.2 * frame, ignored=frame == 4) for frame in range(5)]
    boxes = made_boxes(*rows, size=(64, 48), length=5, first_number=1)
    (layer,) = box_layers(boxes, "made", min_score=0.3)
    found = told(layer, frames)
    assert found["ignored-boxes"].message.startswith("1 of 3 boxes are to be ignored: gray, and not counted")
    assert found["low-scores"].message == "2 boxes have a score below --min-score: left out"


def test_layers_of_other_sequences_are_told(frames: NumberedFrames) -> None:
    rows = [Row(frame, IN) for frame in range(5)]
    found = check_fit([table(*rows), table(*rows, name="other")], frames, "raise", None)
    assert [(one.code, one.message) for one in found] == [
        ("other-sequences", "expected boxes of one sequence, got 'match', 'other'")
    ]


def test_layers_that_name_the_first_image_otherwise_are_told(frames: NumberedFrames) -> None:
    late = table(*(Row(frame, IN) for frame in range(1, 6)), first_number=0, called="late", length=6)
    found = check_fit([table(*(Row(frame, IN) for frame in range(5))), late], frames, "raise", None)
    (one,) = [problem for problem in found if problem.code == "other-first-numbers"]
    assert one.message == "expected one name of the first frame, got 0 (late), 1 (made): each is drawn by its own"


def test_a_video_has_no_names_that_could_differ(tmp_path: Path) -> None:
    write_video(tmp_path / "clip.mp4", [np.zeros((48, 64, 3), np.uint8)] * 2, [0.0, 0.1])
    one, other = table(Row(0, IN), Row(1, IN), length=2), table(Row(1, IN), length=2, first_number=0)
    clip = open_frames(tmp_path / "clip.mp4", [], None)
    codes = {problem.code for problem in check_fit([one, other], clip, "skip", None)}
    assert "other-first-numbers" not in codes
    with pytest.raises(SchemaError, match=r"with 1 boxes; draw .*: --frames A:B, or --skip-missing \[missing"):
        check_fit([one], clip, "raise", None)
