"""The strip above a picture with boxes: which frame it is, what is drawn in which colour, and how many of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lapsdata.errors import shown
from lapsdata.report.box_colours import IGNORED, NAMELESS, SCORE_LEVELS, TRUTH, id_colours
from lapsdata.report.drawn_boxes import dashes, put_text, text_size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lapsdata.report.drawn_boxes import BoxPen
    from lapsdata.report.layered_boxes import BoxLayer

    Image = NDArray[np.uint8]
    Colour = tuple[int, int, int]

__all__ = ["BoxStrip"]

_GROUND, _INK, _FAINT = (28, 30, 34), (235, 235, 235), (150, 155, 160)
# Of the text's size: a line, its baseline, the length of a sample, the space between items, the least size.
_LINE, _BASE, _SAMPLE, _APART, _LEAST_PX = 1.7, 1.2, 1.6, 1.4, 7


class _Piece(NamedTuple):
    """Samples of lines, one behind the other, and a text."""

    colours: tuple[Colour, ...]
    text: str
    ink: Colour = _INK


class _Item(NamedTuple):
    """Pieces that stand together, and the widest text of the number behind them."""

    pieces: tuple[_Piece, ...]
    number: str
    layer: int | None


class BoxStrip:
    """Draws the strips of one overlay; what does not change is drawn once.

    Parameters
    ----------
    pen : BoxPen
    width : int, pixel
    height_of : int, pixel
        Height of what stands below: both together have an even one.
    last_number : int or None
        The largest number of a picture; None for a strip without numbers.
    text_px : int, pixel, optional
        Size of the text where it fits; by default that of the pen, and at least 12.

    Examples
    --------
    >>> from lapsdata.geometry import FrameSize
    >>> from lapsdata.report.drawn_boxes import BoxPen
    >>> size = FrameSize(width=640, height=360)
    >>> BoxStrip(BoxPen([], size, size), 640, 360, 99).at(7).shape
    (20, 640, 3)
    """

    def __init__(
        self, pen: BoxPen, width: int, height_of: int, last_number: int | None, text_px: int | None = None
    ) -> None:
        self._pen, self._text_px = pen, max(pen.text_px, 12) if text_px is None else text_px
        items = list(_items(pen.layers, last_number))
        while self._text_px > _LEAST_PX and self._gap + max(map(self._width, items)) > width:
            self._text_px -= 1
        rows = self._rows(items, width)
        line = round(_LINE * self._text_px)
        height = line * len(rows)
        self._base: Image = np.full((height + (height + height_of) % 2, width, 3), _GROUND, np.uint8)
        self._places: list[tuple[int | None, int, int]] = []
        for at, row in enumerate(rows):
            x, y = self._gap, at * line + round(_BASE * self._text_px)
            for item in row:
                x = self._draw(item, x, y) + self._gap

    def at(self, number: int) -> Image:
        """Return the strip of a picture: uint8 (h, width, 3) RGB.

        The number of boxes is that of those that count; where a table does not speak of a picture it is "-".
        """
        strip = self._base.copy()
        for layer, x, y in self._places:
            put_text(strip, _count(self._pen.layers[layer], number) if layer is not None else f"{number}",
                     (x, y), self._text_px, _INK)  # fmt: skip
        return strip

    @property
    def height(self) -> int:
        """Pixels from top to bottom."""
        return len(self._base)

    @property
    def _gap(self) -> int:
        return round(_APART * self._text_px)

    @property
    def _space(self) -> int:
        return round(0.45 * self._text_px)

    def _rows(self, items: Sequence[_Item], width: int) -> list[list[_Item]]:
        rows, x = [[items[0]]], self._gap + self._width(items[0])
        for item in items[1:]:
            x += self._gap + self._width(item)
            if x > width:
                rows.append([])
                x = self._gap + self._width(item)
            rows[-1].append(item)
        return rows

    def _width(self, item: _Item) -> int:
        sample = round(_SAMPLE * self._text_px)
        wide = sum(
            len(piece.colours) * sample + bool(piece.colours) * self._space
            + text_size(piece.text, self._text_px)[0] + self._space
            for piece in item.pieces
        )  # fmt: skip
        return wide + text_size(item.number, self._text_px)[0]

    def _draw(self, item: _Item, x: int, y: int) -> int:
        """Draw what stays, note where the number comes, and return where the item ends."""
        sample, end = round(_SAMPLE * self._text_px), x + self._width(item)
        for piece in item.pieces:
            for colour in piece.colours:
                self._sample(item.layer, colour, x, y)
                x += sample
            x += bool(piece.colours) * self._space
            put_text(self._base, piece.text, (x, y), self._text_px, piece.ink)
            x += text_size(piece.text, self._text_px)[0] + self._space
        if item.number:
            self._places.append((item.layer, x, y))
        return end

    def _sample(self, layer: int | None, colour: Colour, x: int, y: int) -> None:
        columns = np.arange(round(_SAMPLE * self._text_px) - 2)
        if layer is not None:
            columns = columns[dashes(columns, self._pen.styles[layer])]
        middle, thick = y - round(0.36 * self._text_px), self._pen.thick
        for row in range(middle - thick // 2, middle - thick // 2 + thick):
            self._base[row, np.minimum(x + columns, self._base.shape[1] - 1)] = colour


def _items(layers: Sequence[BoxLayer], last_number: int | None) -> list[_Item]:
    told = last_number is not None
    items = [_Item((_Piece((), "frame", _FAINT),), f"{last_number}", None)] if told else []
    for at, layer in enumerate(layers):
        widest = f"{max(np.unique(layer.frame, return_counts=True)[1], default=0)}" if told else ""
        items.append(_Item(_pieces(layer), widest, at))
    if any(layer.ignored.any() for layer in layers):
        items.append(_Item((_Piece((IGNORED,), "ignored", _FAINT),), "", None))
    return items


def _pieces(layer: BoxLayer) -> tuple[_Piece, ...]:
    name = shown(layer.name).encode("ascii", "replace").decode()
    if layer.kind == "truth":
        return (_Piece((TRUTH,), name),)
    if layer.kind == "tracks":
        red, green, blue = (tuple(colour) for colour in id_colours(np.arange(3)).tolist())
        return (_Piece((red, green, blue), name),)
    if np.isnan(layer.score).all():
        return (_Piece((NAMELESS,), name),)
    levels = [(colour, f">{level:g}" if np.isfinite(level) else "else") for level, colour in SCORE_LEVELS]
    return (*(_Piece((colour,), text, _FAINT) for colour, text in levels), _Piece((), name))


def _count(layer: BoxLayer, number: int) -> str:
    rows = layer.rows(number)
    there = int((~layer.ignored[rows]).sum())
    return f"{there}" if rows.stop > rows.start or layer.annotated(number) else "-"
