"""The strip above a picture: what it counts, what it names, and that it has room."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from lapsdata.geometry import FrameSize
from lapsdata.report import _box_strip
from lapsdata.report._box_strip import BoxStrip
from lapsdata.report.box_colours import IGNORED, id_colours
from lapsdata.report.drawn_boxes import BoxPen
from tests.report.made_boxes import Row, made_layer

if TYPE_CHECKING:
    from lapsdata.report.layered_boxes import BoxLayer

GREEN, YELLOW, ORANGE = (70, 220, 90), (250, 220, 50), (255, 140, 30)
TRUTH = made_layer(*(Row(0, id=k, source="truth") for k in range(12)), Row(2, id=1, source="truth"), called="gt",
                   length=3, annotated=[(0, 1), (2, 3)])  # fmt: skip
SCORED = made_layer(Row(0, score=0.9), Row(0, score=0.2, ignored=True), Row(1, score=0.6), called="detector")
TRACKED = made_layer(Row(0, id=5), called="tracker")


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return what is written, text by text."""
    texts: list[str] = []
    plain = _box_strip.put_text

    def put_text(image: np.ndarray, text: str, *rest: object) -> None:
        texts.append(text)
        plain(image, text, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(_box_strip, "put_text", put_text)
    return texts


def strip_of(*layers: BoxLayer, width: int = 1280, height: int = 720, last: int | None = 99) -> BoxStrip:
    size = FrameSize(width=width, height=height)
    return BoxStrip(BoxPen(layers, size, size), width, height, last)


def has(image: np.ndarray, colour: tuple[int, ...]) -> bool:
    return bool((image == np.array(colour, np.uint8)).all(axis=-1).any())


def test_it_names_the_frame_and_every_layer_and_counts_its_boxes(said: list[str]) -> None:
    strip = strip_of(TRUTH, SCORED, TRACKED)
    assert said == ["frame", "gt", ">0.7", ">0.5", "else", "detector", "tracker", "ignored"]
    said.clear()
    strip.at(0)
    assert said == ["0", "12", "1", "1"]  # an ignored detection does not count


def test_where_a_table_does_not_speak_there_is_no_number(said: list[str]) -> None:
    strip = strip_of(TRUTH, SCORED)
    for number, counts in ((1, ["-", "1"]), (2, ["1", "0"]), (3, ["-", "0"])):
        said.clear()
        strip.at(number)
        assert said == [f"{number}", *counts]


def test_it_shows_the_colours_of_the_layers() -> None:
    image = strip_of(TRUTH, SCORED, TRACKED).at(0)
    for colour in (GREEN, YELLOW, ORANGE, IGNORED, *map(tuple, id_colours(np.arange(3)).tolist())):
        assert has(image, colour)
    assert not has(strip_of(TRUTH).at(0), GREEN)
    assert not has(strip_of(TRUTH).at(0), IGNORED)


def test_detections_without_scores_have_one_colour(said: list[str]) -> None:
    image = strip_of(made_layer(Row(0), called="blind")).at(0)
    assert said == ["frame", "blind", "0", "1"]
    assert has(image, (205, 205, 205))
    assert not has(image, GREEN)


def test_layers_of_one_kind_are_told_apart_by_their_lines() -> None:
    def white(*layers: BoxLayer) -> int:
        lines = strip_of(*layers).at(0) == 255
        return int(lines.all(axis=-1).sum())

    second = made_layer(Row(0, id=1, source="truth"), called="gt")
    assert white(TRUTH) < white(TRUTH, second) < 2 * white(TRUTH)


@pytest.mark.parametrize("height", [719, 720])
@pytest.mark.parametrize("width", [640, 1280])
def test_strip_and_picture_have_an_even_height_together(height: int, width: int) -> None:
    strip = strip_of(TRUTH, SCORED, TRACKED, width=width, height=height)
    assert (strip.height + height) % 2 == 0
    assert strip.at(0).shape == (strip.height, width, 3)


def test_what_has_no_room_goes_into_another_line() -> None:
    name = "a layer with quite a long name, of its own, and more of it"
    layers = [made_layer(Row(0, source="truth", id=1), called=name + end) for end in "abc"]
    one, three = strip_of(layers[0], width=640, height=360), strip_of(*layers, width=640, height=360)
    assert three.height >= 3 * (one.height - 1)


def test_a_name_that_is_longer_than_the_strip_is_written_smaller() -> None:
    small = strip_of(made_layer(Row(0), called="n" * 90), width=640, height=360)
    usual = strip_of(made_layer(Row(0), called="n"), width=640, height=360)
    assert small.height / 2 < usual.height
    edge = small.at(0)[:, -4:]
    assert (edge == edge[0, 0]).all()


def test_names_in_other_letters_are_told_as_far_as_the_font_goes(said: list[str]) -> None:
    strip_of(made_layer(Row(0), called="Volleybälle"))
    assert said == ["frame", "Volleyb?lle"]


def test_a_key_has_no_numbers(said: list[str]) -> None:
    key = strip_of(TRUTH, last=None)
    assert said == ["gt"]
    np.testing.assert_array_equal(key.at(0), key.at(1))


def test_strips_of_pictures_differ_in_their_numbers_alone() -> None:
    strip = strip_of(TRUTH, SCORED, TRACKED)
    differing = (strip.at(0) != strip.at(7)).any(axis=(0, 2)).mean()
    assert 0 < differing < 0.1
    np.testing.assert_array_equal(strip.at(0), strip.at(0))
