"""Overlays: every picture under its own boxes, at its own time, whole or not at all, in memory that does not grow."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import av
import cv2
import numpy as np
import pytest

from lapsdata.errors import CorruptDataError, SchemaError, StorageError
from lapsdata.report import box_overlays, overlay_boxes
from lapsdata.report.layered_boxes import box_layers
from lapsdata.report.png import write_png
from lapsdata.report.tile_grid import TileGrid
from lapsdata.testing.scene_truth import true_boxes
from lapsdata.testing.scenes import SceneConfig, render_scene
from lapsdata.timebase import FrameRate
from lapsdata.video.reader import open_video
from lapsdata.video.writer import write_video
from tests.report.made_boxes import Row, made_layer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lapsdata.report.layered_boxes import BoxLayer

SIZE = (640, 360)


def level(number: int) -> int:
    return 10 + 12 * number


def write_images(folder: Path, numbers: range, digits: int = 6) -> Path:
    """Write gray images, each as bright as its number says."""
    folder.mkdir(parents=True)
    for number in numbers:
        write_png(folder / f"{number:0{digits}d}.png", np.full((SIZE[1], SIZE[0], 3), level(number), np.uint8))
    return folder


def moving(frames: range, first_number: int = 0, **options: Any) -> BoxLayer:
    """Return a detection whose place tells its frame: its left edge is at 20 times the 0-based frame."""
    rows = [Row(frame, (20.0 * frame + 19.5, 99.5, 100.0, 100.0)) for frame in frames]
    return made_layer(*rows, size=SIZE, first_number=first_number, length=frames.stop, **options)


def decoded(path: Path) -> Iterator[tuple[float, np.ndarray]]:
    """Read a video with nothing of ours."""
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            yield frame.time or 0.0, frame.to_ndarray(format="rgb24")


def left_edge(image: np.ndarray, strip_px: int) -> int:
    """Return the first column of a box (pale gray) on a gray picture: of the row through its middle."""
    row = image[strip_px + 150].astype(int)
    return int(np.argmax(np.abs(row - row[-1]).max(axis=-1) > 40))


@pytest.mark.parametrize(("digits", "first"), [(6, 1), (8, 0), (1, 4)])
def test_each_image_has_the_boxes_of_its_own_number(digits: int, first: int, tmp_path: Path) -> None:
    images = write_images(tmp_path / "img", range(first, first + 6), digits)
    out = tmp_path / "out.mp4"
    done = overlay_boxes([moving(range(6), first)], images, out=out)
    assert (done.frames, done.boxes, done.notes) == (6, {"made": 6}, ())
    strip_px = done.size.height - SIZE[1]
    for frame, (time_s, image) in enumerate(decoded(out)):
        assert time_s == pytest.approx(frame / 25)
        assert image.shape == (*done.size.shape, 3)
        assert image[-5, -5] == pytest.approx(level(frame + first), abs=4)
        assert left_edge(image, strip_px) == pytest.approx(20 * frame + 20, abs=1)


def test_images_that_begin_later_keep_their_numbers(tmp_path: Path) -> None:
    images = write_images(tmp_path / "img", range(3, 6))
    out = tmp_path / "out.mp4"
    done = overlay_boxes([moving(range(6), 1)], images, out=out, missing="skip")
    strip_px = done.size.height - SIZE[1]
    edges = [left_edge(image, strip_px) for _, image in decoded(out)]
    assert edges == [pytest.approx(20 * (number - 1) + 20, abs=1) for number in (3, 4, 5)]
    assert [(note.code, note.severity) for note in done.notes] == [
        ("missing-pictures", "warning"),
        ("other-length", "warning"),
    ]


def test_a_gap_in_the_numbers_is_a_gap_in_time(tmp_path: Path) -> None:
    images = write_images(tmp_path / "img", range(6))
    (images / "000002.png").unlink()
    layer = made_layer(*(Row(k, (20.0 * k + 19.5, 99.5, 100.0, 100.0)) for k in (0, 1, 3, 4, 5)), size=SIZE, length=6)
    with pytest.warns(UserWarning, match="1 numbers are missing"):
        done = overlay_boxes([layer], images, out=tmp_path / "out.mp4")
    strip_px = done.size.height - SIZE[1]
    found = list(decoded(tmp_path / "out.mp4"))
    assert [time_s for time_s, _ in found] == pytest.approx([0.0, 0.04, 0.12, 0.16, 0.2])
    assert [left_edge(image, strip_px) for _, image in found] == [20, 40, 80, 100, 120]


def test_frames_of_a_video_are_drawn_at_their_own_times(tmp_path: Path) -> None:
    times = np.array([0.5, 0.6, 0.9, 1.0, 1.7])
    pictures = [np.full((SIZE[1], SIZE[0], 3), level(k), np.uint8) for k in range(5)]
    write_video(tmp_path / "in.mp4", pictures, times)
    done = overlay_boxes([moving(range(5), 1)], tmp_path / "in.mp4", out=tmp_path / "out.mp4", frames=(1, 3))
    found = list(decoded(tmp_path / "out.mp4"))
    assert [time_s for time_s, _ in found] == pytest.approx([0.0, 0.3, 0.4], abs=1e-6)
    strip_px = done.size.height - SIZE[1]
    assert [left_edge(image, strip_px) for _, image in found] == [40, 60, 80]
    assert [note.code for note in done.notes] == ["other-frames"]


def test_what_the_first_image_is_called_can_be_told(tmp_path: Path) -> None:
    images = write_images(tmp_path / "img", range(4, 7))
    done = overlay_boxes([moving(range(3))], images, out=tmp_path / "out.mp4", first_number=4)
    assert done.boxes == {"made": 3}
    write_video(tmp_path / "in.mp4", [np.zeros((360, 640, 3), np.uint8)] * 3, np.arange(3) / 10)
    with pytest.raises(SchemaError, match=r"first_number: expected a folder of images, .*, got a video"):
        overlay_boxes([moving(range(3))], tmp_path / "in.mp4", out=tmp_path / "two.mp4", first_number=4)


def test_boxes_lie_on_the_bodies_of_a_rendered_scene(tmp_path: Path) -> None:
    scene = render_scene(5, SceneConfig(actions=1, size=(640, 360)))
    scene.write_video(tmp_path / "scene.mp4")
    layers = box_layers(true_boxes(scene), "truth")
    done = overlay_boxes(layers, tmp_path / "scene.mp4", out=tmp_path / "out.mp4", frames=(0, 3))
    strip_px = done.size.height - 360
    image = next(iter(decoded(tmp_path / "out.mp4")))[1][strip_px:].astype(int)
    plain = scene.frame(0).astype(int)
    drawn = np.abs(image - plain).max(axis=-1) > 60
    layer = layers[0]
    for row in range(layer.rows(0).start, layer.rows(0).stop):
        if layer.label[row] != "block":
            continue
        x, y, w, h = layer.xywh[row]
        left, right, middle = int(np.ceil(x)), int(np.ceil(x + w)) - 1, round(y + h / 2)
        assert drawn[middle, left] or plain[middle, left].min() > 180
        assert drawn[middle, right] or plain[middle, right].min() > 180
        assert not drawn[middle, left + 3 : right - 2].any()


def test_small_pictures_are_enlarged_and_it_is_told(tmp_path: Path) -> None:
    write_video(tmp_path / "in.mp4", [np.zeros((90, 202, 3), np.uint8)] * 2, [0.0, 0.1])
    layer = made_layer(Row(0, (9.5, 19.5, 10.0, 20.0)), size=(202, 90), length=2)
    done = overlay_boxes([layer], tmp_path / "in.mp4", out=tmp_path / "out.mp4")
    assert done.size.width == 4 * 202
    assert [note.message for note in done.notes if note.code == "enlarged"] == [
        "pictures of 202x90 pixel are drawn 4 times as large, so that labels can be read"
    ]
    image = next(iter(decoded(tmp_path / "out.mp4")))[1][done.size.height - 360 :]
    y, x = np.nonzero(image.max(axis=-1) > 120)
    assert (x.min(), x.max(), y.min(), y.max()) == tuple(pytest.approx(n, abs=1) for n in (40, 79, 80, 159))


@pytest.mark.parametrize("size", [(641, 361), (640, 361), (641, 360)])
def test_odd_sides_are_filled_up(size: tuple[int, int], tmp_path: Path) -> None:
    folder = tmp_path / "img"
    folder.mkdir()
    write_png(folder / "1.png", np.full((size[1], size[0], 3), 200, np.uint8))
    layer = made_layer(Row(0), size=size, first_number=1, length=1)
    done = overlay_boxes([layer], folder, out=tmp_path / "out.mp4")
    ((_, image),) = decoded(tmp_path / "out.mp4")
    assert image.shape[:2] == done.size.shape
    assert image.shape[0] % 2 == image.shape[1] % 2 == 0
    assert image[-20:, : size[0] - 2].min() > 180


def test_a_sheet_shows_the_first_and_the_last_frame(tmp_path: Path) -> None:
    images = write_images(tmp_path / "img", range(1, 16))
    done = overlay_boxes([moving(range(15), 1)], images, sheet=tmp_path / "s.png", grid=TileGrid(columns=2, rows=1))
    assert done.frames == 15
    sheet = cv2.imread(str(tmp_path / "s.png"))
    middle = sheet[sheet.shape[0] // 2].max(axis=-1)
    for number in (1, 15):
        assert np.count_nonzero(middle == level(number)) > 300
    assert not (middle == level(8)).any()
    assert not (tmp_path / "out.mp4").exists()


def test_a_sheet_of_few_frames_shows_each_once(tmp_path: Path) -> None:
    images = write_images(tmp_path / "img", range(1, 4))
    overlay_boxes([moving(range(3), 1)], images, sheet=tmp_path / "s.png", out=tmp_path / "o.mp4")
    sheet = cv2.imread(str(tmp_path / "s.png"))
    shown = {number for number in range(1, 16) if np.count_nonzero((sheet == level(number)).all(axis=-1)) > 5000}
    assert shown == {1, 2, 3}


def test_equal_input_gives_equal_bytes(tmp_path: Path) -> None:
    images = write_images(tmp_path / "img", range(1, 5))
    for name in ("a", "b"):
        overlay_boxes([moving(range(4), 1)], images, out=tmp_path / f"{name}.mp4", sheet=tmp_path / f"{name}.png")
    for end in ("mp4", "png"):
        assert (tmp_path / f"a.{end}").read_bytes() == (tmp_path / f"b.{end}").read_bytes()


def test_outputs_are_replaced_on_request_alone(tmp_path: Path) -> None:
    images = write_images(tmp_path / "img", range(1, 3))
    layers = [moving(range(2), 1)]
    for name, role in (("o.mp4", "out"), ("s.png", "sheet")):
        (tmp_path / name).write_text("mine")
        with pytest.raises(StorageError, match=rf"{name}: expected a free name, .*; give --force to replace it"):
            overlay_boxes(layers, images, **{role: tmp_path / name})  # type: ignore[arg-type]
        assert (tmp_path / name).read_text() == "mine"
        overlay_boxes(layers, images, overwrite=True, **{role: tmp_path / name})  # type: ignore[arg-type]
        assert (tmp_path / name).stat().st_size > 100


def test_the_pictures_are_never_written_to(tmp_path: Path) -> None:
    images = write_images(tmp_path / "img", range(1, 3))
    write_video(tmp_path / "in.mp4", [np.zeros((360, 640, 3), np.uint8)] * 2, [0.0, 0.1])
    before = (tmp_path / "in.mp4").read_bytes()
    for on, out in ((tmp_path / "in.mp4", tmp_path / "in.mp4"), (images, images / "drawn_7.mp4")):
        with pytest.raises(SchemaError, match=r"expected another place than that of the pictures.*source-as-output"):
            overlay_boxes([moving(range(2), 1)], on, out=out, overwrite=True)
    assert (tmp_path / "in.mp4").read_bytes() == before
    assert len(list(images.iterdir())) == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layers": []}, r"layers: expected at least one layer, got none"),
        ({"out": None}, r"out: expected a video or a sheet to write, got neither; give --out or --sheet"),
        ({"missing": "guess"}, r"missing: expected 'raise' or 'skip', got 'guess'"),
        ({"layers": [moving(range(2), 1)] * 2}, r"layers: expected each name once, got 'made' again"),
        ({"frames": (8, 9)}, r"frames: expected frames from 1 to 2, got 8 to 9"),
        ({"trail": -1}, r"trail: expected a number of frames from 0 on"),
        ({"rate": "fast"}, r"expected a frame rate|fast"),
    ],
)
def test_what_cannot_become_an_overlay_is_refused_and_nothing_written(
    change: dict[str, Any], message: str, tmp_path: Path
) -> None:
    images = write_images(tmp_path / "img", range(1, 3))
    given = {"layers": [moving(range(2), 1)], "on": images, "out": tmp_path / "o.mp4", **change}
    with pytest.raises(SchemaError, match=message):
        overlay_boxes(**given)
    assert [path.name for path in tmp_path.iterdir()] == ["img"]


def test_a_picture_that_cannot_be_decoded_leaves_nothing(tmp_path: Path) -> None:
    images = write_images(tmp_path / "img", range(1, 7))
    whole = (images / "000004.png").read_bytes()
    (images / "000004.png").write_bytes(whole[: len(whole) // 2])
    before = threading.active_count()
    with pytest.raises(CorruptDataError, match=r"000004.png: frame 3 at 0.120000 s: cannot be decoded"):
        overlay_boxes([moving(range(6), 1)], images, out=tmp_path / "o.mp4")
    assert [path.name for path in tmp_path.iterdir()] == ["img"]
    assert threading.active_count() == before


@pytest.mark.parametrize("after", [0, 3])
def test_an_interrupt_leaves_nothing(after: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = write_images(tmp_path / "img", range(1, 9))
    plain = box_overlays._counted

    def interrupted(pictures: Iterator[np.ndarray], advance: Any) -> Iterator[np.ndarray]:
        for count, picture in enumerate(plain(pictures, advance)):
            if count == after:
                raise KeyboardInterrupt("by hand")
            yield picture

    monkeypatch.setattr(box_overlays, "_counted", interrupted)
    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt, match="by hand"):
        overlay_boxes([moving(range(8), 1)], images, out=tmp_path / "o.mp4")
    assert [path.name for path in tmp_path.iterdir()] == ["img"]
    assert threading.active_count() == before


def test_few_pictures_are_held_at_any_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = write_images(tmp_path / "img", range(1, 21))
    drawn, ahead = [], []
    plain_drawn, plain_counted = box_overlays._drawn, box_overlays._counted

    def watched(*given: Any) -> Any:
        make = plain_drawn(*given)

        def one(number: int) -> np.ndarray:
            drawn.append(number)
            return make(number)

        return one

    def counted(pictures: Iterator[np.ndarray], advance: Any) -> Iterator[np.ndarray]:
        for count, picture in enumerate(plain_counted(pictures, advance), 1):
            ahead.append(len(drawn) - count)
            yield picture

    monkeypatch.setattr(box_overlays, "_drawn", watched)
    monkeypatch.setattr(box_overlays, "_counted", counted)
    overlay_boxes([moving(range(20), 1)], images, out=tmp_path / "o.mp4")
    assert drawn == list(range(1, 21))
    assert max(ahead) <= box_overlays._AHEAD


def test_what_was_written_is_a_video_that_our_reader_takes(tmp_path: Path) -> None:
    images = write_images(tmp_path / "img", range(1, 4))
    done = overlay_boxes([moving(range(3), 1)], images, out=tmp_path / "o.mkv")
    with open_video(tmp_path / "o.mkv") as video:
        assert (len(video), video.facts.size, video.facts.rate) == (3, done.size, FrameRate(25))
