"""Sheets of pictures: equal cells in rows and columns, with lines of text under each.

A layout says where everything stands before anything is painted, so that labels and places can be read without
looking at pixels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lapsdata.geometry import FrameSize, PixelArea

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import numpy.typing as npt

    from lapsdata.report.tile_grid import TileGrid

    Image = npt.NDArray[np.uint8]

__all__ = ["Cell", "Label", "SheetLayout", "lay_out", "paint", "resized"]

LONGEST_SIDE = 1920
"""A sheet's pictures take at most so many pixels in width and height: a full screen, or 16 cm at 300 dpi."""

_PAPER, _INK, _FAINT, _HAIRLINE = (255, 255, 255), (38, 38, 38), (120, 120, 120), (215, 215, 215)
# Space around cells, and between the pictures of one cell.
_GAP, _INNER = 16, 8
_TEXT_PX, _LEAST_TEXT_PX = 20, 9
# Height of a line and the baseline in it, and the space between two texts, as multiples of the size of the text.
_LINE, _BASE, _APART = 1.5, 1.05, 1.0
# A picture flatter or taller than this gets a cell of this shape and keeps its own inside of it.
_EXTREME = 8.0


class Label(NamedTuple):
    """Text under a picture: at its left edge and at its right."""

    left: str = ""
    right: str = ""


class Cell(NamedTuple):
    """What is said of pictures that stand side by side: a label for each, and one for all in a line of its own."""

    labels: tuple[Label, ...]
    title: Label = Label()


class Word(NamedTuple):
    """Text on a sheet: `x` is its left or, if `right`, its right edge, `y` its baseline, in pixel."""

    text: str
    x: int
    y: int
    right: bool


@dataclass(frozen=True, slots=True)
class SheetLayout:
    """Where the pictures and words of a sheet stand.

    Parameters
    ----------
    size : FrameSize, pixel
        Of the whole sheet.
    tiles : tuple of PixelArea, pixel
        Place of each picture, cell by cell.
    words : tuple of Word
    text_px : int, pixel
        Size of the text, about the height of a capital letter and a half.
    """

    size: FrameSize
    tiles: tuple[PixelArea, ...]
    words: tuple[Word, ...]
    text_px: int


def lay_out(sizes: Sequence[FrameSize], cells: Sequence[Cell], grid: TileGrid, *, enlarge_px: int) -> SheetLayout:
    """Place cells that are all of one make on a sheet.

    Parameters
    ----------
    sizes : sequence of FrameSize
        The pictures of each cell, left to right. They get one height and keep their aspect.
    cells : sequence of Cell
        At least one; row by row.
    grid : TileGrid
    enlarge_px : int, pixel
        Pictures that are less wide are enlarged to this where there is room.

    Examples
    --------
    >>> from lapsdata.report.tile_grid import TileGrid
    >>> cells = [Cell((Label("0.000 s", "frame 0"),)), Cell((Label("1.500 s", "frame 30"),))]
    >>> layout = lay_out([FrameSize(width=64, height=48)], cells, TileGrid(columns=2), enlarge_px=160)
    >>> [(tile.x, tile.y, tile.width, tile.height) for tile in layout.tiles]
    [(16, 16, 160, 120), (192, 16, 160, 120)]
    >>> [word.text for word in layout.words]
    ['0.000 s', 'frame 0', '1.500 s', 'frame 30']
    """
    shapes = [min(max(size.width / size.height, 1 / _EXTREME), _EXTREME) for size in sizes]
    columns = grid.columns_for(len(cells), sum(shapes))
    rows = math.ceil(len(cells) / columns)
    room = (LONGEST_SIDE - _GAP) / columns - _GAP - _INNER * (len(sizes) - 1), LONGEST_SIDE / rows
    enlarged = max(max(1.0, enlarge_px / size.width) * max(size.height, size.width / _EXTREME) for size in sizes)
    height = max(1.0, min(room[0] / sum(shapes), room[1], enlarged))
    pictures = [_fitted(size, height * shape, height) for size, shape in zip(sizes, shapes, strict=True)]
    text_px = _text_px(cells, [picture.width for picture in pictures])
    slots = [
        max(picture.width, *(math.ceil(_width(cell.labels[place]) * text_px) for cell in cells))
        for place, picture in enumerate(pictures)
    ]
    place = _Places(round(height), pictures, slots, text_px, titled=any(any(cell.title) for cell in cells))
    corners = [divmod(number, columns) for number in range(len(cells))]
    return SheetLayout(
        FrameSize(width=columns * place.width + _GAP, height=rows * place.height + _GAP),
        tuple(tile for row, column in corners for tile in place.tiles(row, column)),
        tuple(
            word for (row, column), cell in zip(corners, cells, strict=True) for word in place.words(row, column, cell)
        ),
        text_px,
    )


def _fitted(size: FrameSize, width: float, height: float) -> FrameSize:
    scale = min(width / size.width, height / size.height)
    return FrameSize(width=max(1, round(size.width * scale)), height=max(1, round(size.height * scale)))


def _width(label: Label) -> float:
    """Return the width that a label needs, in sizes of the text."""
    import cv2

    texts = [text for text in label if text]
    (wide, _), _ = cv2.getTextSize("  ".join(texts), cv2.FONT_HERSHEY_SIMPLEX, 1.0, 1)
    return wide * _text_scale(1) + _APART * (len(texts) - 1)


def _text_scale(text_px: int) -> float:
    """Return OpenCV's scale for a size of text; at scale 1, digits are 21 pixel high."""
    return text_px / 30


def _text_px(cells: Sequence[Cell], widths: Sequence[int]) -> int:
    """Return the size at which every label has room, within what can be read."""
    whole = sum(widths) + _INNER * (len(widths) - 1)
    shares = [
        room / wide
        for cell in cells
        for label, room in [*zip(cell.labels, widths, strict=True), (cell.title, whole)]
        if (wide := _width(label)) > 0
    ]
    return max(_LEAST_TEXT_PX, min(_TEXT_PX, math.floor(min(shares, default=_TEXT_PX))))


@dataclass(frozen=True, slots=True)
class _Places:
    """A cell: places in it, for any row and column."""

    picture_height: int
    pictures: Sequence[FrameSize]
    slots: Sequence[int]
    text_px: int
    titled: bool

    @property
    def width(self) -> int:
        return sum(self.slots) + _INNER * (len(self.slots) - 1) + _GAP

    @property
    def height(self) -> int:
        return self.picture_height + self._line * (2 if self.titled else 1) + _GAP

    @property
    def _line(self) -> int:
        return round(_LINE * self.text_px)

    def _lefts(self, column: int) -> Iterator[int]:
        left = _GAP + column * self.width
        for slot in self.slots:
            yield left
            left += slot + _INNER

    def tiles(self, row: int, column: int) -> Iterator[PixelArea]:
        top = _GAP + row * self.height
        for left, slot, size in zip(self._lefts(column), self.slots, self.pictures, strict=True):
            x, y = left + (slot - size.width) // 2, top + (self.picture_height - size.height) // 2
            yield PixelArea(x=x, y=y, width=size.width, height=size.height)

    def words(self, row: int, column: int, cell: Cell) -> Iterator[Word]:
        base = _GAP + row * self.height + self.picture_height + round(_BASE * self.text_px)
        lefts = list(self._lefts(column))
        for left, slot, label in zip(lefts, self.slots, cell.labels, strict=True):
            yield from self._pair(label, left, left + slot, base)
        yield from self._pair(cell.title, lefts[0], lefts[-1] + self.slots[-1], base + self._line)

    @staticmethod
    def _pair(label: Label, left: int, right: int, base: int) -> Iterator[Word]:
        if label.left:
            yield Word(label.left, left, base, right=False)
        if label.right:
            yield Word(label.right, right, base, right=True)


def paint(layout: SheetLayout, pictures: Iterable[Image]) -> Image:
    """Return the sheet: uint8 (H, W, 3) RGB.

    Parameters
    ----------
    layout : SheetLayout
    pictures : iterable of uint8 (h, w, 3) RGB
        One per tile and of its size; taken one by one.

    Examples
    --------
    >>> from lapsdata.report.tile_grid import TileGrid
    >>> layout = lay_out([FrameSize(width=8, height=6)], [Cell((Label(),))], TileGrid(), enlarge_px=8)
    >>> paint(layout, [np.zeros((6, 8, 3), np.uint8)]).shape == (*layout.size.shape, 3)
    True
    """
    import cv2

    sheet: Image = np.full((*layout.size.shape, 3), _PAPER, np.uint8)
    for tile, picture in zip(layout.tiles, pictures, strict=True):
        # A hairline, so that a white picture has an edge.
        sheet[tile.y - 1 : tile.bottom + 1, tile.x - 1 : tile.right + 1] = _HAIRLINE
        sheet[tile.y : tile.bottom, tile.x : tile.right] = picture
    font, scale = cv2.FONT_HERSHEY_SIMPLEX, _text_scale(layout.text_px)
    for word in layout.words:
        wide = cv2.getTextSize(word.text, font, scale, 1)[0][0] if word.right else 0
        ink = _FAINT if word.right else _INK
        cv2.putText(sheet, word.text, (word.x - wide, word.y), font, scale, ink, 1, cv2.LINE_AA)
    return sheet


def resized(picture: Image, size: FrameSize) -> Image:
    """Return a picture in another size: outer edges meet outer edges, areas are averaged where it shrinks.

    Examples
    --------
    >>> resized(np.zeros((6, 8, 3), np.uint8), FrameSize(width=4, height=3)).shape
    (3, 4, 3)
    """
    import cv2

    if picture.shape[:2] == size.shape:
        return picture
    smaller = size.height * size.width < picture.shape[0] * picture.shape[1]
    way = cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(picture, (size.width, size.height), interpolation=way))
