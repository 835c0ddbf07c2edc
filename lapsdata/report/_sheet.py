"""A sheet of paper that pictures of numbers are drawn on: the only place that knows how matplotlib is set up.

What a user's program does with matplotlib neither matters nor changes.
"""

from __future__ import annotations

import contextlib
import textwrap
import threading
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from lapsdata.errors import shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy.typing as npt
    from matplotlib.figure import Figure

    from lapsdata.geometry import FrameSize

    Image = npt.NDArray[np.uint8]

__all__ = [
    "DPI",
    "FAINT",
    "FLAT",
    "GROUND",
    "HAIRLINE",
    "INK",
    "LEVEL",
    "SIZE",
    "SMALL",
    "Sheet",
    "note_lines",
    "note_px",
    "png_bytes",
    "wrapped",
]

DPI = 192
"""Pixels per inch: twice those of a web page, so that a picture is sharp at half its width."""

INK, FAINT, HAIRLINE, GROUND = "#26303b", "#68737f", "#e3e6ea", "#f3f4f6"
"""Text and curves; what is said beside them; grids; the time that was looked at."""
LEVEL = "#b8475a"
"""What must be seen: thresholds, notes, what chance does as well."""
SIZE, SMALL = 8.0, 7.0
"""Of texts, in points."""
FLAT: Mapping[str, Any] = {"linewidth": 0, "antialiased": False}
"""Looks of a patch: edges on pixels, and nothing beside them."""

# The width of a usual letter, and of a bold capital, against the size of the text.
_LETTER, _CAPITAL = 0.55, 0.8
# Around the text of an entry of a key, against its size.
_AROUND = 2.6
# A note: its lines, the first baseline, the margins.
_NOTE_ROW, _NOTE_BASE, _NOTE_LEFT = 30, 28, 20
_STYLE = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": SIZE,
    # Names may hold dollars and underscores.
    "text.parse_math": False,
    "text.color": INK,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.labelsize": SIZE,
    "grid.color": HAIRLINE,
    "grid.linewidth": 0.5,
    "hatch.linewidth": 0.5,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "lines.solid_capstyle": "round",
    "lines.solid_joinstyle": "round",
    # Longer paths than Agg takes at once.
    "agg.path.chunksize": 20_000,
}
# The settings of matplotlib are the process's.
_ALONE = threading.Lock()


@contextlib.contextmanager
def _own_style() -> Iterator[None]:
    """Draw by matplotlib's defaults and ours, and leave the user's settings as they were."""
    import matplotlib

    # The choice of a window system is none of a style, and nothing here opens a window.
    style: dict[Any, Any] = {key: of for key, of in matplotlib.rcParamsDefault.items() if not key.startswith("backend")}
    style.update(_STYLE)
    with _ALONE, matplotlib.rc_context(style):
        yield


def wrapped(text: str, width_px: float, size: float, letter: float = _LETTER) -> list[str]:
    """Return a text in lines that find their place within a width, as words of usual letters have it.

    Examples
    --------
    >>> wrapped("SYNTHETIC: not GTEA", 200, SIZE)
    ['SYNTHETIC: not', 'GTEA']
    """
    return textwrap.wrap(shown(text), max(8, int(width_px / (letter * size * DPI / 72))))


def note_lines(note: str | None, width_px: int) -> list[str]:
    """Return the lines of a note on a sheet of a width; none of no note."""
    return [] if note is None else wrapped(note, width_px - 2 * _NOTE_LEFT, SIZE, _CAPITAL)


def note_px(lines: Sequence[str]) -> int:
    """Return how high the band of a note is.

    Examples
    --------
    >>> note_px([]), note_px(["SYNTHETIC"])
    (0, 40)
    """
    return _NOTE_ROW * len(lines) + 10 if lines else 0


def png_bytes(image: Image) -> bytes:
    """Return a picture, uint8 (H, W, 3) RGB, as the bytes of a PNG file, equal for equal pictures.

    Examples
    --------
    >>> png_bytes(np.zeros((2, 3, 3), np.uint8))[1:4]
    b'PNG'
    """
    import cv2

    # A fourth of the size that OpenCV's usual, fastest way has.
    _, encoded = cv2.imencode(".png", image[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 6])
    return bytes(encoded.tobytes())


class Sheet:
    """A sheet of a size; as a context, in which alone it can be drawn on.

    Examples
    --------
    >>> from lapsdata.geometry import FrameSize
    >>> with Sheet(FrameSize(width=60, height=40)) as sheet:
    ...     after = sheet.say("a", 10, 20)
    ...     sheet.image().shape
    (40, 60, 3)
    """

    def __init__(self, size: FrameSize) -> None:
        self._size = size
        self._stack = contextlib.ExitStack()
        self._widths: dict[tuple[str, float, str], float] = {}

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            stack.enter_context(_own_style())
            from matplotlib.backends.backend_agg import FigureCanvasAgg
            from matplotlib.figure import Figure

            size = self._size
            self._figure: Figure = Figure(figsize=(size.width / DPI, size.height / DPI), dpi=DPI, facecolor="white")
            # It publishes no types.
            self._canvas: Any = FigureCanvasAgg(self._figure)
            stack.callback(self._figure.clear)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def image(self) -> Image:
        """Return what is drawn: uint8 (H, W, 3) RGB."""
        self._canvas.draw()
        return np.array(self._canvas.buffer_rgba())[..., :3]

    def say(
        self,
        text: str,
        x: float,
        y: float,
        *,
        right: bool = False,
        within: float | None = None,
        **look: Any,  # noqa: ANN401
    ) -> float:
        """Write a line at pixel `x` (its left, or its right edge) and `y` (its baseline, from the top).

        Return its other edge.
        """
        size, weight = look.setdefault("fontsize", SIZE), look.setdefault("weight", "normal")
        line = self._drawable(text)
        if within is not None:
            line = self._fitted(line, within, size, weight)
        width, height = self._size.width, self._size.height
        self._figure.text(x / width, 1 - y / height, line, ha="right" if right else "left", va="baseline", **look)
        wide = self._width(line, size, weight)
        return x - wide if right else x + wide

    def key(
        self,
        entries: Sequence[tuple[Mapping[str, Any], str]],
        y: float,
        *,
        left: float | None = None,
        right: float | None = None,
        within: float | None = None,
    ) -> None:
        """Write what colours mean, from pixel `left` on or up to pixel `right`, its baseline at `y` from the top.

        `within` is the width that each entry may have.
        """
        em = SMALL * DPI / 72
        lines = [self._drawable(text) for _, text in entries]
        if within is not None:
            lines = [self._fitted(line, within - _AROUND * em, SMALL, "normal") for line in lines]
        wide = [_AROUND * em + self._width(line, SMALL) for line in lines]
        x = (right or 0.0) - sum(wide) + 1.0 * em if left is None else left + 0.6 * em
        for (look, _), line, room in zip(entries, lines, wide, strict=True):
            self._patch(round(x), round(y), em, look)
            self.say(line, x + 1.6 * em, y, fontsize=SMALL, color=FAINT)
            x += room

    def note(self, lines: Sequence[str]) -> None:
        """Write lines over the whole width, at the top, in a band that nobody overlooks; see `note_px`."""
        from matplotlib.patches import Rectangle

        if not lines:
            return
        share = note_px(lines) / self._size.height
        self._figure.add_artist(Rectangle((0, 1 - share), 1, share, facecolor=LEVEL, **FLAT))
        for number, line in enumerate(lines):
            y = _NOTE_ROW * number + _NOTE_BASE
            self.say(line, _NOTE_LEFT, y, within=self._size.width - 2 * _NOTE_LEFT, weight="bold", color="white")

    def _patch(self, x: int, y: int, em: float, look: Mapping[str, Any]) -> None:
        from matplotlib.patches import Rectangle

        width, height = self._size.width, self._size.height
        corner, marks = (x / width, 1 - (y + 1) / height), {**FLAT, **look}
        self._figure.add_artist(Rectangle(corner, round(1.2 * em) / width, round(0.75 * em) / height, **marks))

    def _width(self, text: str, size: float, weight: str = "normal") -> float:
        """Return the width of a text in pixels."""
        told = text, size, weight
        if told not in self._widths:
            from matplotlib.font_manager import FontProperties

            font = FontProperties(size=size, weight=weight)
            wide, _, _ = self._canvas.get_renderer().get_text_width_height_descent(text, font, ismath=False)
            self._widths[told] = float(wide)
        return self._widths[told]

    def _fitted(self, text: str, within: float, size: float, weight: str) -> str:
        """Shorten a text in its middle, which of names tells least."""
        kept = len(text)
        line = text
        while kept > 2 and self._width(line, size, weight) > within:
            kept -= 1
            line = f"{text[: (kept + 1) // 2]}…{text[len(text) - kept // 2 :]}"
        return line

    @staticmethod
    def _drawable(text: str) -> str:
        """Return a text in one line, with a box for each sign that the font does not have."""
        from matplotlib.font_manager import FontProperties, findfont, get_font

        known = get_font(findfont(FontProperties())).get_charmap()
        return "".join(sign if ord(sign) in known else "□" for sign in shown(text))
