"""Boxes on a picture: thin lines on the border pixels of each, a label beside it, and where a track came from."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lapsdata.errors import Problem, Problems, SchemaError, whole_number
from lapsdata.geometry import FrameSize, PixelMap
from lapsdata.report.box_colours import IGNORED, TRUTH, id_colours, score_colours, text_colour
from lapsdata.report.strokes import lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lapsdata.report.layered_boxes import BoxLayer

    Image = NDArray[np.uint8]
    Colour = tuple[int, int, int]

__all__ = ["BoxPen", "dashes", "draw_boxes", "put_text", "text_size"]

MOST_ALIKE = 3
"""Layers of one kind that can be told apart: their lines are whole, dashed or dotted."""

# Pixels of a line that are painted, and its period, for each layer of a kind; as multiples of the thickness.
_DASHES = ((1, 1), (4, 7), (1, 3))
# How opaque the older and the newer half of a trail are.
_OLD, _NEW = 0.45, 0.9
# Text: its size against the height of the picture, and its bounds in pixel; OpenCV's digits are 21 pixel high at 1.
_TEXT, _TEXT_PX, _FONT_PX = 0.022, (9, 34), 30.0


def draw_boxes(
    image: Image, layers: Sequence[BoxLayer], number: int = 0, *, trail: int = 30, size: FrameSize | None = None
) -> Image:
    """Return a picture with boxes on it.

    A line covers the border pixels of a box, inwards: a pixel belongs to a box if its centre lies in it, on the left
    and upper edge too. A truth is white, its identity below it; detections are green above a score of 0.7, yellow above
    0.5, else orange, with the score at their right; tracks have the colour of their identity, which stands at their
    left, and a trail of centres. Boxes that scores leave out are gray, and have no label.

    Parameters
    ----------
    image : numpy.ndarray, shape (H, W, 3), uint8, RGB
        Is not changed.
    layers : sequence of BoxLayer
        See `box_layers`. Of several layers of one kind, the second is dashed, the third dotted.
    number : int
        What the picture is called: the first number of a layer is its frame 0.
    trail : int
        Frames that trails go back; 0 for none.
    size : FrameSize, optional
        Frame that boxes refer to, when `image` shows it enlarged or reduced; by default the image's own size.

    Returns
    -------
    numpy.ndarray, shape (H, W, 3), uint8, RGB

    Raises
    ------
    SchemaError
        Another array, more than three layers of one kind, or a trail that is no number from 0 on.

    Examples
    --------
    >>> from lapsdata.report import box_layers
    >>> from lapsdata.testing.samples import sample_boxes
    >>> layers = box_layers(sample_boxes(), "match", sequence="left")
    >>> drawn = draw_boxes(np.zeros((360, 640, 3), np.uint8), layers, 1)
    >>> drawn[60, 10:13].tolist()  # a detection from x = 11 on, with a score of 0.75
    [[0, 0, 0], [70, 220, 90], [0, 0, 0]]
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        message = f"expected (H, W, 3) uint8 RGB, got {image.shape} {image.dtype}"
        raise SchemaError(Problem("wrong-frame", "image", message))
    shown = FrameSize.from_shape(image.shape)
    return BoxPen(layers, shown if size is None else size, shown, trail=trail).draw(image.copy(), number)


class _Style(NamedTuple):
    dash: int
    period: int


class BoxPen:
    """Draws layers on pictures of one size.

    Parameters
    ----------
    layers : sequence of BoxLayer
    size : FrameSize, pixel
        Frame that boxes refer to.
    shown : FrameSize, pixel
        Of the pictures.
    trail : int
        Frames that trails go back; 0 for none.

    Raises
    ------
    SchemaError
        More than three layers of one kind, or a trail that is no number from 0 on.

    Examples
    --------
    >>> size = FrameSize(width=1280, height=720)
    >>> pen = BoxPen([], size, size)
    >>> pen.thick, pen.text_px
    (2, 16)
    """

    def __init__(self, layers: Sequence[BoxLayer], size: FrameSize, shown: FrameSize, *, trail: int = 30) -> None:
        found = Problems("draw_boxes")
        if (whole_number(trail) or 0) < 0 or whole_number(trail) is None:
            found.add("out-of-range", "trail", f"expected a number of frames from 0 on, got {trail!r}")
        kinds = Counter(layer.kind for layer in layers)
        for kind, count in kinds.items():
            if count > MOST_ALIKE:
                message = f"expected up to {MOST_ALIKE} layers of {kind}, which lines can tell apart, got {count}"
                found.add("too-many-layers", "layers", message, "draw some of them into another picture")
        found.raise_as(SchemaError)
        self.layers, self.trail, self.shown = tuple(layers), trail, shown
        self.thick = max(1, round(shown.height / 360))
        self.text_px = int(np.clip(round(_TEXT * shown.height), *_TEXT_PX))
        before = [sum(other.kind == layer.kind for other in layers[:at]) for at, layer in enumerate(layers)]
        self.styles = [_Style(*(self.thick * times for times in _DASHES[count])) for count in before]
        self._map = PixelMap.resized(size, shown)

    def draw(self, image: Image, number: int) -> Image:
        """Return the picture with what it holds; `image` (H, W, 3) uint8 RGB may be drawn on."""
        for layer in self.layers:
            if layer.kind == "tracks" and self.trail:
                image = self._trails(image, layer, number)
        labels: list[_Label] = []
        for layer, style in zip(self.layers, self.styles, strict=True):
            labels += self._boxes(image, layer, number, style)
        # Above all boxes, so that no line crosses a text.
        for label in labels:
            self._write(image, label)
        return image

    def _trails(self, image: Image, layer: BoxLayer, number: int) -> Image:
        ways = [(row, way) for row, way in layer.trails(number, self.trail) if len(way) > 1]
        if not ways:
            return image
        steps = [len(way) - 1 for _, way in ways]
        centres = self._map.to_working(np.concatenate([way for _, way in ways]))
        # From each centre to the next, but for the last of a way.
        start = np.delete(np.arange(len(centres)), np.cumsum(np.array(steps) + 1) - 1)
        colours = np.repeat(id_colours(layer.id[[row for row, _ in ways]]), steps, axis=0)
        old = np.concatenate([np.arange(count, 0, -1) for count in steps]) > self.trail / 2
        for chosen, opacity in ((old, _OLD), (~old, _NEW)):
            image = lines(image, centres[start[chosen]], centres[start[chosen] + 1], colours[chosen], 1, opacity)
        return image

    def _boxes(self, image: Image, layer: BoxLayer, number: int, style: _Style) -> list[_Label]:
        """Draw the lines of a layer and return its labels."""
        rows = layer.rows(number)
        corners = layer.xywh[rows].reshape(-1, 2, 2)
        corners = self._map.to_working(np.stack([corners[:, 0], corners.sum(axis=1)], axis=1))
        # Pixels whose centre lies in the box; far outside of the picture, 32 bits do not hold them.
        reach = 4 * self.thick
        sides = np.array([self.shown.width, self.shown.height], np.float64)
        pixels = np.ceil(np.clip(corners, -reach, sides + reach)).astype(np.int64)
        first, last = pixels[:, 0], np.maximum(pixels[:, 1] - 1, pixels[:, 0])
        colours, labels = self._colours(layer, rows), []
        for at, (left, top), (right, bottom) in zip(range(len(first)), first.tolist(), last.tolist(), strict=True):
            row, colour = rows.start + at, colours[at]
            thick = 1 if layer.ignored[row] else self.thick
            _outline(image, (left, top, right, bottom), colour, thick, style)
            seen = left < self.shown.width and top < self.shown.height and right >= 0 and bottom >= 0
            if seen and not layer.ignored[row] and (text := _text(layer, row)):
                labels.append(_Label(text, (left, top, right, bottom), colour, layer.kind))
        return labels

    @staticmethod
    def _colours(layer: BoxLayer, rows: slice) -> list[Colour]:
        if layer.kind == "tracks":
            colours = id_colours(layer.id[rows])
        elif layer.kind == "detections":
            colours = score_colours(layer.score[rows])
        else:
            colours = np.broadcast_to(np.array(TRUTH, np.uint8), (rows.stop - rows.start, 3))
        colours = np.where(layer.ignored[rows][:, np.newaxis], np.array(IGNORED, np.uint8), colours)
        return [(red, green, blue) for red, green, blue in colours.tolist()]

    def _write(self, image: Image, label: _Label) -> None:
        """Write a text on a ground in the colour of its box, where it covers none of it if there is room."""
        import cv2

        left, top, right, bottom = label.box
        wide, high = text_size(label.text, self.text_px)
        wide, high = wide + 4, high + 4
        # Each kind has a corner of its own, so that labels of a truth, its detection and its track do not meet.
        x = right + 1 - wide if label.kind == "detections" else left
        y = bottom + 1 if label.kind == "truth" else top - high
        x = min(max(x, 0), self.shown.width - wide)
        y = min(max(y, 0), self.shown.height - high)
        ground = (40, 40, 40) if label.kind == "truth" else label.colour
        ink = label.colour if label.kind == "truth" else text_colour(ground)
        cv2.rectangle(image, (x, y), (x + wide - 1, y + high - 1), ground, cv2.FILLED)
        put_text(image, label.text, (x + 2, y + high - 3), self.text_px, ink)


class _Label(NamedTuple):
    text: str
    box: tuple[int, int, int, int]
    colour: Colour
    kind: str


def _text(layer: BoxLayer, row: int) -> str:
    """Return what stands beside a box: identity or score, and the class where there are several."""
    score = layer.score[row]
    if layer.kind == "detections":
        said = "" if np.isnan(score) else f"{score:.2f}"
    else:
        said = "" if layer.id[row] < 0 else f"{layer.id[row]}"
    named = layer.label[row] if layer.several_labels else ""
    return " ".join(part for part in (said, named) if part)


def _outline(image: Image, box: tuple[int, int, int, int], colour: Colour, thick: int, style: _Style) -> None:
    """Paint the border pixels of a box: `thick` of them, inwards."""
    left, top, right, bottom = box
    lines_px = min(thick, (right - left) // 2 + 1, (bottom - top) // 2 + 1)
    if style.dash == style.period:
        import cv2

        for inner in range(lines_px):
            cv2.rectangle(image, (left + inner, top + inner), (right - inner, bottom - inner), colour, 1)
        return
    height, width = image.shape[:2]
    columns = np.arange(max(left, 0), min(right + 1, width))
    rows = np.arange(max(top, 0), min(bottom + 1, height))
    # Counted from the corner of the box, so that dashes move with it.
    columns, rows = columns[dashes(columns - left, style)], rows[dashes(rows - top, style)]
    for inner in range(lines_px):
        for y in {top + inner, bottom - inner}:
            if 0 <= y < height:
                image[y, columns] = colour
        for x in {left + inner, right - inner}:
            if 0 <= x < width:
                image[rows, x] = colour


def dashes(along: NDArray[np.int64], style: _Style) -> NDArray[np.bool_]:
    """Return which pixels of a line are painted, by their distance from where it begins.

    Examples
    --------
    >>> dashes(np.arange(5), _Style(1, 3)).tolist()
    [True, False, False, True, False]
    """
    return np.asarray(along % style.period < style.dash)


def put_text(image: Image, text: str, place: tuple[int, int], text_px: int, ink: Colour) -> None:
    """Write a text, from the left end of its baseline on.

    Examples
    --------
    >>> image = np.zeros((20, 40, 3), np.uint8)
    >>> put_text(image, "12", (2, 16), 16, (255, 0, 0))
    >>> bool(image[..., 0].any()), bool(image[..., 1].any())
    (True, False)
    """
    import cv2

    font, scale = cv2.FONT_HERSHEY_SIMPLEX, text_px / _FONT_PX
    cv2.putText(image, text, place, font, scale, ink, 1, cv2.LINE_AA)


@lru_cache(maxsize=4096)
def text_size(text: str, text_px: int) -> tuple[int, int]:
    """Return width and height of a text, in pixel.

    Examples
    --------
    >>> text_size("12", 16)[1]
    14
    """
    import cv2

    (wide, _), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, text_px / _FONT_PX, 1)
    (_, high), _ = cv2.getTextSize("0", cv2.FONT_HERSHEY_SIMPLEX, text_px / _FONT_PX, 1)
    return int(wide), int(high)
