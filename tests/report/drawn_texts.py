"""Texts as they stand on a sheet: nothing leaves the paper, and no two lie upon each other."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, NamedTuple

from matplotlib.text import Text

from lapsdata.report._sheet import Sheet

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import pytest

__all__ = ["Drawn", "drawn_texts"]


class Drawn(NamedTuple):
    """A picture, and its texts with their places: left, bottom, right and top from the lower left corner, in pixels."""

    image: np.ndarray
    texts: list[tuple[str, tuple[float, float, float, float]]]

    @property
    def words(self) -> list[str]:
        return [text for text, _ in self.texts]

    def outside(self) -> list[str]:
        high, wide = self.image.shape[:2]
        return [t for t, (left, low, right, top) in self.texts if left < 0 or low < 0 or right > wide or top > high]

    def upon_each_other(self) -> list[tuple[str, str]]:
        # A line of text has air above and below its letters.
        pairs = itertools.combinations(self.texts, 2)
        return [
            (one, other)
            for (one, a), (other, b) in pairs
            if min(a[2], b[2]) - max(a[0], b[0]) > 1 and min(a[3], b[3]) - max(a[1], b[1]) > 5
        ]


def not_drawn(sheet: Sheet) -> set[Any]:
    """Return the labels of ticks that matplotlib keeps and does not draw: beyond the axes, or of axes without any."""
    hidden: set[Any] = set()
    for axes in sheet._figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            every: Any = axis
            labels = {label for tick in every.majorTicks + every.minorTicks for label in (tick.label1, tick.label2)}
            shown = {tick.label1 for tick in every._update_ticks()} if axes.axison else set()
            hidden |= labels - shown
    return hidden


def drawn_texts(monkeypatch: pytest.MonkeyPatch, draw: Callable[..., np.ndarray], *given: Any, **named: Any) -> Drawn:
    """Draw a picture, and look where its texts stand."""
    found: list[tuple[str, tuple[float, float, float, float]]] = []
    plain = Sheet.image

    def image(sheet: Sheet) -> np.ndarray:
        made = plain(sheet)
        renderer = sheet._canvas.get_renderer()
        hidden = not_drawn(sheet)
        for text in sheet._figure.findobj(Text):
            if text not in hidden and text.get_visible() and text.get_text().strip():
                box = text.get_window_extent(renderer)
                found.append((text.get_text(), (box.x0, box.y0, box.x1, box.y1)))
        return made

    with monkeypatch.context() as patch:
        patch.setattr(Sheet, "image", image)
        return Drawn(draw(*given, **named), found)
