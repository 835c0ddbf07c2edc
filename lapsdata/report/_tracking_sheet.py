"""Paper for pictures of tracking scores: a heading, facts, a body, a foot, and how trackers look in all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Self

from lapsdata.geometry import FrameSize
from lapsdata.metrics._words import number, plural
from lapsdata.report._sheet import FAINT, SMALL, Sheet, note_lines, note_px, wrapped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

__all__ = [
    "CHANCE", "FN", "FP", "LEFT", "ORACLE", "TP", "UNDEFINED", "WIDTH", "Page", "TrackingSheet", "colour_of",
    "cut_names", "dashes_of", "not_drawn", "told_number",
]  # fmt: skip

WIDTH, LEFT = 1440, 30
"""Of every picture, and its margins, in pixels."""
CHANCE, ORACLE = "#26303b", "#b9bfc6"
"""Marks of chance, and bars of what is made of the truth."""
TP, FN, FP = "#4477aa", "#ddaa33", "#b8475a"
"""Matches, misses and false alarms."""
UNDEFINED = "undefined"
"""What stands in the place of a number that there is none of."""

# Of Paul Tol's "muted" set, which differ for every eye, behind the blue of what is judged first.
_COLOURS = (
    "#0b3c7d", "#cc6677", "#117733", "#c99700", "#5aa9d6", "#882255", "#44aa99", "#aa4499", "#8a8a2a",
)  # fmt: skip
_DASHES: tuple[Any, ...] = ("-", (0, (5, 2)))
_TITLE, _FACTS, _ROW, _GAP = 38, 70, 27, 24


def colour_of(tracker: int) -> str:
    """Return the colour of a tracker by its place; nine differ."""
    return _COLOURS[tracker % len(_COLOURS)]


def dashes_of(tracker: int) -> Any:  # noqa: ANN401 - matplotlib's own
    """Return how the line of a tracker is dashed; with the colour, 18 differ."""
    return _DASHES[tracker // len(_COLOURS) % len(_DASHES)]


def told_number(value: float | None) -> str:
    """Return a number as pictures tell it: three decimals, of large ones four digits.

    Examples
    --------
    >>> told_number(0.51239), told_number(-725.25), told_number(None)
    ('0.512', '-725.2', 'undefined')
    """
    if value is None:
        return UNDEFINED
    return f"{value:.4g}" if abs(value) >= 10 else number(value)


class Page(NamedTuple):
    """What stands around the body of a picture, and where the body is."""

    title: str
    facts: tuple[str, ...]
    body_px: int
    foot: tuple[str, ...]
    note: tuple[str, ...]

    @classmethod
    def of(cls, title: str, facts: str, body_px: int, foot: Sequence[str] = (), note: str | None = None) -> Self:
        """Return a page whose texts are in lines that have room."""
        across = WIDTH - 2 * LEFT
        told = [line for text in foot for line in wrapped(text, across, SMALL)]
        return cls(title, tuple(wrapped(facts, across, SMALL)), body_px, tuple(told), tuple(note_lines(note, WIDTH)))

    @property
    def top(self) -> int:
        """Where the body begins, in pixels from the top."""
        return note_px(self.note) + _FACTS + _ROW * (len(self.facts) - 1) + _GAP

    @property
    def size(self) -> FrameSize:
        """Size of the picture."""
        foot = _GAP + _ROW * len(self.foot) if self.foot else 0
        return FrameSize(width=WIDTH, height=self.top + self.body_px + foot + 12)


class TrackingSheet(Sheet):
    """A sheet with the texts of a page on it.

    Examples
    --------
    >>> with TrackingSheet(Page.of("HOTA", "1 sequence", 100)) as sheet:
    ...     sheet.image().shape
    (206, 1440, 3)
    """

    def __init__(self, page: Page) -> None:
        super().__init__(page.size)
        self._page = page

    def __enter__(self) -> Self:
        """Begin with what stands around the body."""
        super().__enter__()
        page, above = self._page, note_px(self._page.note)
        self.note(page.note)
        self.say(page.title, LEFT, above + _TITLE, within=WIDTH - 2 * LEFT, fontsize=10, weight="bold")
        for number_, line in enumerate(page.facts):
            self.say(line, LEFT, above + _FACTS + _ROW * number_, color=FAINT, fontsize=SMALL, within=WIDTH - 2 * LEFT)
        below = page.top + page.body_px + _GAP
        for number_, line in enumerate(page.foot):
            self.say(line, LEFT, below + _ROW * number_, color=FAINT, fontsize=SMALL, within=WIDTH - 2 * LEFT)
        return self

    def axes(self, x: float, y: float, width: float, height: float, **options: Any) -> Axes:  # noqa: ANN401
        """Return axes at a place in pixels from the left and the top."""
        size = self._size
        place = (x / size.width, 1 - (y + height) / size.height, width / size.width, height / size.height)
        return self._figure.add_axes(place, **options)

    def small(self, text: str, x: float, y: float, **look: Any) -> float:  # noqa: ANN401
        """Write a small line; see `say`."""
        return self.say(text, x, y, **{"fontsize": SMALL, **look})

    def line(self, x: float, y: float, wide: float, **look: Any) -> None:  # noqa: ANN401
        """Draw a level line of pixels: the sample of a key."""
        from matplotlib.lines import Line2D

        size = self._size
        ends = [x / size.width, (x + wide) / size.width], [1 - y / size.height] * 2
        self._figure.add_artist(Line2D(*ends, solid_capstyle="butt", dash_capstyle="butt", **look))

    def wide(self, text: str) -> float:
        """Return how many pixels a small line has."""
        return self._width(self._drawable(text), SMALL)


def not_drawn(left: int, what: str = "tracker", why: str = "") -> list[str]:
    """Return what a foot says of trackers, or others, for which a picture has no room: nothing where there are none.

    Examples
    --------
    >>> not_drawn(1), not_drawn(0), not_drawn(2, "sequence", ": their HOTA is higher")
    (['1 more tracker is not drawn.'], [], ['2 more sequences are not drawn: their HOTA is higher.'])
    """
    return [f"{plural(left, f'more {what}')} {'is' if left == 1 else 'are'} not drawn{why}."] if left else []


def cut_names(labels: Sequence[str], within: float) -> list[str]:
    """Return those names, whole, that are shortened where they have so many pixels.

    Examples
    --------
    >>> cut_names(["short", "a name that has no room"], 200)
    ['a name that has no room']
    """
    with Sheet(FrameSize(width=8, height=8)) as sheet:
        return [label for label in labels if sheet._width(sheet._drawable(label), SMALL) > within]
