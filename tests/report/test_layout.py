"""Sheets: pictures apart from each other, never stretched, and labels that stand where they belong."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.errors import SchemaError
from lapsdata.geometry import FrameSize, PixelArea
from lapsdata.report.layout import LONGEST_SIDE, Cell, Label, SheetLayout, Word, lay_out, paint, resized
from lapsdata.report.tile_grid import TileGrid

SIZES = st.builds(FrameSize, width=st.integers(1, 4096), height=st.integers(1, 4096))
USUAL_SIZES = st.builds(FrameSize, width=st.integers(64, 1920), height=st.integers(64, 1920)).filter(
    lambda size: 1 / 8 < size.width / size.height < 8
)
GRIDS = st.builds(TileGrid, st.none() | st.integers(1, 12), st.none() | st.integers(1, 12))


def cells(count: int, pictures: int = 1, title: str = "") -> list[Cell]:
    labels = [tuple(Label(f"{i}.{p} s", f"frame {i}") for p in range(pictures)) for i in range(count)]
    return [Cell(both, Label(title)) for both in labels]


def text_width(word: Word, layout: SheetLayout) -> float:
    import cv2

    return float(cv2.getTextSize(word.text, cv2.FONT_HERSHEY_SIMPLEX, layout.text_px / 30, 1)[0][0])


def apart(one: PixelArea, other: PixelArea) -> bool:
    beside = one.right <= other.x or other.right <= one.x
    return beside or one.bottom <= other.y or other.bottom <= one.y


@given(st.lists(SIZES, min_size=1, max_size=3), st.integers(1, 13), GRIDS, st.sampled_from([1, 160, 640]))
def test_pictures_lie_apart_on_the_sheet(sizes: list[FrameSize], count: int, grid: TileGrid, enlarge: int) -> None:
    layout = lay_out(sizes, cells(count, len(sizes), "title"), grid, enlarge_px=enlarge)
    assert len(layout.tiles) == count * len(sizes)
    for tile in layout.tiles:
        tile.check_within(layout.size)
    assert all(apart(one, other) for one, other in combinations(layout.tiles, 2))


@given(USUAL_SIZES, st.integers(1, 13), GRIDS)
def test_a_picture_keeps_its_aspect_to_the_pixel(size: FrameSize, count: int, grid: TileGrid) -> None:
    for tile in lay_out([size], cells(count), grid, enlarge_px=160).tiles:
        # One scale gives both sides, each rounded to whole pixels.
        sides = ((tile.width, size.width), (tile.height, size.height))
        lows, highs = zip(*(((shown - 0.51) / side, (shown + 0.51) / side) for shown, side in sides), strict=True)
        assert max(lows) <= min(highs)


@given(USUAL_SIZES, st.integers(1, 13))
def test_a_sheet_is_no_larger_than_a_screen(size: FrameSize, count: int) -> None:
    layout = lay_out([size], cells(count), TileGrid(), enlarge_px=640)
    rows = len({tile.y for tile in layout.tiles})
    assert layout.size.width <= LONGEST_SIDE + count
    assert layout.size.height <= LONGEST_SIDE + rows * 64


@given(st.lists(USUAL_SIZES, min_size=1, max_size=3), st.integers(1, 9), GRIDS)
def test_words_stand_on_the_sheet_and_not_on_each_other(sizes: list[FrameSize], count: int, grid: TileGrid) -> None:
    layout = lay_out(sizes, cells(count, len(sizes)), grid, enlarge_px=160)
    assert 9 <= layout.text_px <= 20
    spans = []
    for word in layout.words:
        wide = text_width(word, layout)
        left = word.x - wide if word.right else word.x
        assert left >= -1
        assert left + wide <= layout.size.width + 1
        assert word.y < layout.size.height
        spans.append((word.y, left, left + wide))
    for (line, _, end), (next_line, start, _) in zip(sorted(spans)[:-1], sorted(spans)[1:], strict=True):
        assert line != next_line or end < start


def test_the_grid_suits_what_stands_in_it() -> None:
    assert TileGrid().columns_for(1, 1.5) == 1
    assert TileGrid().columns_for(12, 4 / 3) == 4
    assert TileGrid().columns_for(12, 480 / 771) == 6
    assert TileGrid().columns_for(6, 16 / 9) == 2
    assert TileGrid(rows=2).columns_for(5, 1.0) == 3
    assert TileGrid(rows=9).columns_for(2, 1.0) == 1
    assert TileGrid(columns=8).columns_for(3, 1.0) == 3
    assert TileGrid(columns=5).count(usual=12) == 15
    assert TileGrid(rows=5).count(usual=12) == 15
    assert TileGrid(columns=5, rows=2).count(usual=12) == 10


def test_pictures_of_one_cell_get_one_height() -> None:
    sizes = [FrameSize(width=640, height=480), FrameSize(width=120, height=240)]
    layout = lay_out(sizes, cells(2, 2), TileGrid(columns=1), enlarge_px=1)
    left, right, below, _ = layout.tiles
    assert (left.height, right.height) == (480, 480)
    assert (left.y, left.x, left.bottom < below.y) == (right.y, below.x, True)
    assert left.right < right.x


def test_small_pictures_are_enlarged_and_large_ones_reduced() -> None:
    tiny = lay_out([FrameSize(width=64, height=48)], cells(1), TileGrid(), enlarge_px=160)
    assert tiny.tiles[0].size == FrameSize(width=160, height=120)
    huge = lay_out([FrameSize(width=4096, height=2304)], cells(4), TileGrid(columns=2), enlarge_px=160)
    assert huge.size.width <= LONGEST_SIDE
    assert huge.tiles[0].size.width > 900
    usual = lay_out([FrameSize(width=320, height=240)], cells(4), TileGrid(columns=2), enlarge_px=160)
    assert usual.tiles[0].size == FrameSize(width=320, height=240)


def test_a_picture_of_extreme_shape_is_centred_in_its_place() -> None:
    for size in (FrameSize(width=4000, height=4), FrameSize(width=4, height=4000)):
        (tile,) = lay_out([size], cells(1), TileGrid(), enlarge_px=160).tiles
        assert tile.width >= 1
        assert tile.height >= 1
        assert max(tile.width / tile.height, tile.height / tile.width) >= 100


def test_a_narrow_picture_gets_room_for_its_label() -> None:
    layout = lay_out([FrameSize(width=20, height=100)], cells(3), TileGrid(columns=3), enlarge_px=1)
    assert layout.text_px == 9
    starts = [word.x for word in layout.words if not word.right]
    assert min(np.diff(starts)) > 40
    assert all(tile.width == 20 for tile in layout.tiles)


def test_titles_have_a_line_of_their_own() -> None:
    plain, titled = (lay_out([FrameSize(width=320, height=240)], cells(2, 1, title), TileGrid(), enlarge_px=1)
                     for title in ("", "window 3"))  # fmt: skip
    assert titled.size.height > plain.size.height
    (line,) = {word.y for word in titled.words if word.text == "window 3"}
    assert all(word.y < line for word in titled.words if word.text != "window 3")


def test_painting_puts_each_picture_into_its_tile() -> None:
    layout = lay_out([FrameSize(width=40, height=30)], cells(3), TileGrid(columns=3), enlarge_px=40)
    random = np.random.default_rng(0)
    pictures = [random.integers(0, 255, (30, 40, 3), dtype=np.uint8) for _ in range(3)]
    sheet = paint(layout, iter(pictures))
    assert sheet.shape == (*layout.size.shape, 3)
    rest = np.ones(layout.size.shape, bool)
    for tile, picture in zip(layout.tiles, pictures, strict=True):
        assert (sheet[tile.y : tile.bottom, tile.x : tile.right] == picture).all()
        edge = np.zeros_like(rest)
        edge[tile.y - 1 : tile.bottom + 1, tile.x - 1 : tile.right + 1] = True
        edge[tile.y : tile.bottom, tile.x : tile.right] = False
        # A hairline tells a white picture from the paper.
        assert (sheet[edge] > 200).all()
        assert (sheet[edge] < 255).all()
        rest[tile.y - 1 : tile.bottom + 1, tile.x - 1 : tile.right + 1] = False
    # The labels are the only other thing on the paper.
    below = layout.tiles[0].bottom + 1
    assert sheet[:below][rest[:below]].min() == 255
    assert sheet[below:].min() < 100


@pytest.mark.parametrize("grid", [{"columns": 0}, {"rows": 101}, {"columns": 2.5}, {"rows": True}])
def test_a_grid_of_no_whole_number_is_refused(grid: dict[str, int]) -> None:
    with pytest.raises(SchemaError, match="expected an integer from 1 to 100, got"):
        TileGrid(**grid)


def test_resizing_keeps_the_place_of_things() -> None:
    picture = np.zeros((60, 80, 3), np.uint8)
    picture[20:24, 40:48] = 200
    for width, height in ((40, 30), (160, 120), (80, 60)):
        small = resized(picture, FrameSize(width=width, height=height)).astype(float).sum(axis=-1)
        y, x = np.indices(small.shape)
        scale = width / 80
        assert (small * x).sum() / small.sum() == pytest.approx((43.5 + 0.5) * scale - 0.5, abs=0.02)
        assert (small * y).sum() / small.sum() == pytest.approx((21.5 + 0.5) * scale - 0.5, abs=0.02)
