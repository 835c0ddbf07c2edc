"""Boxes: three ways to write four numbers, three places for zero, and rectangles that are turned.

The corners of a box are points of the contract's pixel frame, on the outer edges of its border pixels: a box
around the whole frame is x = y = -0.5, w = W, h = H, and a box around the top-left pixel is (-0.5, -0.5, 1, 1).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lapsdata.errors import Problem, SchemaError
from lapsdata.geometry._arrays import Real, checked, choice
from lapsdata.geometry.conventions import relative_terms

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lapsdata.geometry.conventions import RelativeOrigin, RelativeUnit
    from lapsdata.geometry.frame_size import FrameSize

__all__ = [
    "BoxForm",
    "BoxOrigin",
    "boxes_to_relative",
    "convert_boxes",
    "enclosing_boxes",
    "relative_to_boxes",
    "rotated_box_corners",
    "shift_boxes",
]

BoxForm = Literal["xywh", "xyxy", "cxcywh"]
"""Top-left corner and size, two corners, or centre and size."""

BoxOrigin = Literal["centre", "edge", "one_based"]
"""Where the left and top edges of the frame lie: at -0.5 (the contract), at 0, or at 1."""

_FRAME_EDGE: dict[BoxOrigin, float] = {"centre": -0.5, "edge": 0.0, "one_based": 1.0}


def _to_xywh(boxes: NDArray[np.float64], form: BoxForm) -> NDArray[np.float64]:
    first, second = boxes[..., :2], boxes[..., 2:]
    if form == "xyxy":
        second = second - first
    elif form == "cxcywh":
        first = first - second / 2
    return np.concatenate([first, second], axis=-1)


def _from_xywh(boxes: NDArray[np.float64], form: BoxForm) -> NDArray[np.float64]:
    first, second = boxes[..., :2], boxes[..., 2:]
    if form == "xyxy":
        second = first + second
    elif form == "cxcywh":
        first = first + second / 2
    return np.concatenate([first, second], axis=-1)


def _moved(boxes: NDArray[np.float64], form: BoxForm, by: float) -> NDArray[np.float64]:
    """Move boxes along both axes: sizes stay, and only corners and centres are positions."""
    second = by if form == "xyxy" else 0.0
    moved: NDArray[np.float64] = boxes + np.array([by, by, second, second])
    return moved


def convert_boxes(boxes: NDArray[Real], *, source: BoxForm, target: BoxForm) -> NDArray[Real]:
    """Rewrite boxes in another form; their frame, unit and origin stay.

    Parameters
    ----------
    boxes : NDArray, shape (..., 4), float32 or float64
    source, target : {"xywh", "xyxy", "cxcywh"}
        Form of the input and of the result. `x, y` is the top-left corner, `cx, cy` the centre.

    Returns
    -------
    NDArray, shape (..., 4), dtype of `boxes`
        Computed in float64 and rounded once. Negative sizes are kept as they are.

    Raises
    ------
    SchemaError
        Wrong shape (`wrong-shape`), dtype (`wrong-dtype`) or form (`unknown-choice`).

    Examples
    --------
    >>> convert_boxes(np.array([10.0, 20.0, 30.0, 40.0]), source="xywh", target="cxcywh")
    array([25., 40., 30., 40.])
    """
    boxes = checked(boxes, "boxes", (4,))
    choice(source, "source", BoxForm)
    choice(target, "target", BoxForm)
    if source == target:
        return boxes.copy()
    return _from_xywh(_to_xywh(boxes.astype(np.float64), source), target).astype(boxes.dtype)


def shift_boxes(boxes: NDArray[Real], *, form: BoxForm, source: BoxOrigin, target: BoxOrigin) -> NDArray[Real]:
    """Move boxes between pixel frames that put zero in different places.

    Parameters
    ----------
    boxes : NDArray, shape (..., 4), float32 or float64, pixel
    form : {"xywh", "xyxy", "cxcywh"}
    source, target : {"centre", "edge", "one_based"}
        Where the frame's left and top edges lie. `"centre"`: -0.5, the contract. `"edge"`: 0 (detectors, COCO,
        detection databases). `"one_based"`: 1 (MOTChallenge text, where bb_left = 1 is the first column).

    Returns
    -------
    NDArray, shape (..., 4), dtype of `boxes`
        The shift is a multiple of 0.5, so integers and halves survive the way there and back exactly.

    Raises
    ------
    SchemaError
        Wrong shape (`wrong-shape`), dtype (`wrong-dtype`) or word (`unknown-choice`).

    Examples
    --------
    >>> mot = np.array([1.0, 11.0, 64.0, 48.0])
    >>> shift_boxes(mot, form="xywh", source="one_based", target="centre")
    array([-0.5,  9.5, 64. , 48. ])
    """
    boxes = checked(boxes, "boxes", (4,))
    choice(form, "form", BoxForm)
    choice(source, "source", BoxOrigin)
    choice(target, "target", BoxOrigin)
    move = _FRAME_EDGE[target] - _FRAME_EDGE[source]
    return _moved(boxes.astype(np.float64), form, move).astype(boxes.dtype)


def boxes_to_relative(
    boxes: NDArray[Real], size: FrameSize, *, form: BoxForm, unit: RelativeUnit, origin: RelativeOrigin
) -> NDArray[Real]:
    """Divide pixel boxes by the sides of the frame.

    Parameters
    ----------
    boxes : NDArray, shape (..., 4), float32 or float64, pixel, centre of the top-left pixel = (0, 0)
    size : FrameSize
        The frame that `boxes` refer to.
    form : {"xywh", "xyxy", "cxcywh"}
        Form of the input and of the result.
    unit : {"fraction", "percent"}
        Whether a whole side is 1 (YOLO: with `form="cxcywh"`) or 100 (Label Studio: with `form="xywh"`).
    origin : {"edge", "centre"}
        Where 0 lies, as in `pixel_to_relative`; YOLO and Label Studio mean `"edge"`.

    Returns
    -------
    NDArray, shape (..., 4), dtype of `boxes`

    Raises
    ------
    SchemaError
        Wrong shape (`wrong-shape`), dtype (`wrong-dtype`) or word (`unknown-choice`).

    Examples
    --------
    >>> from lapsdata.geometry import FrameSize
    >>> frame = np.array([-0.5, -0.5, 640.0, 200.0])
    >>> size = FrameSize(width=640, height=200)
    >>> boxes_to_relative(frame, size, form="xywh", unit="percent", origin="edge")
    array([  0.,   0., 100., 100.])
    """
    boxes = checked(boxes, "boxes", (4,))
    choice(form, "form", BoxForm)
    sides, whole, shift = relative_terms(size, unit, origin)
    moved = _moved(boxes.astype(np.float64), form, shift)
    return (moved / np.tile(sides, 2) * whole).astype(boxes.dtype)


def relative_to_boxes(
    boxes: NDArray[Real], size: FrameSize, *, form: BoxForm, unit: RelativeUnit, origin: RelativeOrigin
) -> NDArray[Real]:
    """Turn boxes relative to the frame into pixels; the inverse of `boxes_to_relative`.

    Parameters
    ----------
    boxes : NDArray, shape (..., 4), float32 or float64, relative
    size : FrameSize
        The frame that the result refers to.
    form : {"xywh", "xyxy", "cxcywh"}
        Form of the input and of the result.
    unit : {"fraction", "percent"}
        Whether a whole side is 1 or 100.
    origin : {"edge", "centre"}
        Where 0 lies.

    Returns
    -------
    NDArray, shape (..., 4), dtype of `boxes`
        Pixel, centre of the top-left pixel = (0, 0).

    Raises
    ------
    SchemaError
        Wrong shape (`wrong-shape`), dtype (`wrong-dtype`) or word (`unknown-choice`).

    Examples
    --------
    >>> from lapsdata.geometry import FrameSize
    >>> yolo = np.array([0.5, 0.5, 0.25, 0.5])
    >>> relative_to_boxes(yolo, FrameSize(width=640, height=200), form="cxcywh", unit="fraction", origin="edge")
    array([319.5,  99.5, 160. , 100. ])
    """
    boxes = checked(boxes, "boxes", (4,))
    choice(form, "form", BoxForm)
    sides, whole, shift = relative_terms(size, unit, origin)
    scaled = boxes.astype(np.float64) / whole * np.tile(sides, 2)
    return _moved(scaled, form, -shift).astype(boxes.dtype)


def rotated_box_corners(boxes: NDArray[Real], degrees: NDArray[np.floating[Any]]) -> NDArray[Real]:
    """Return the four corners of boxes that are turned about their top-left corner.

    Label Studio writes rectangles so, in percent: bring them to pixels first (`relative_to_boxes`), because a
    turn in percent of a non-square frame is a shear.

    Parameters
    ----------
    boxes : NDArray, shape (..., 4), float32 or float64, pixel xywh before the turn
    degrees : NDArray, shape (...), float32 or float64
        Angle, clockwise as seen on the screen; one per box.

    Returns
    -------
    NDArray, shape (..., 4, 2), dtype of `boxes`, pixel xy
        The corners that were top-left, top-right, bottom-right, bottom-left before the turn.

    Raises
    ------
    SchemaError
        Wrong shape or unequal leading axes (`wrong-shape`), or dtype (`wrong-dtype`).

    Examples
    --------
    >>> rotated_box_corners(np.array([10.0, 20.0, 30.0, 5.0]), np.array(90.0)).round(6)
    array([[10., 20.],
           [10., 50.],
           [ 5., 50.],
           [ 5., 20.]])
    """
    boxes = checked(boxes, "boxes", (4,))
    degrees = checked(degrees, "degrees", ())
    if degrees.shape != boxes.shape[:-1]:
        message = f"expected one angle per box, {boxes.shape[:-1]}, got {degrees.shape}"
        raise SchemaError(Problem("wrong-shape", "degrees", message))
    x, y, width, height = np.moveaxis(boxes.astype(np.float64), -1, 0)
    angle = np.deg2rad(degrees.astype(np.float64))
    right = np.stack([np.cos(angle), np.sin(angle)], axis=-1) * width[..., np.newaxis]
    down = np.stack([-np.sin(angle), np.cos(angle)], axis=-1) * height[..., np.newaxis]
    corner = np.stack([x, y], axis=-1)
    corners = np.stack([corner, corner + right, corner + right + down, corner + down], axis=-2)
    return corners.astype(boxes.dtype)


def enclosing_boxes(points: NDArray[Real]) -> NDArray[Real]:
    """Return the smallest upright boxes around groups of points, such as the corners of turned boxes.

    Parameters
    ----------
    points : NDArray, shape (..., K, 2), float32 or float64, K >= 1

    Returns
    -------
    NDArray, shape (..., 4), dtype of `points`, xywh
        A group with a NaN coordinate gives NaN there.

    Raises
    ------
    SchemaError
        Wrong shape or K = 0 (`wrong-shape`), or dtype (`wrong-dtype`).

    Examples
    --------
    >>> enclosing_boxes(np.array([[10.0, 50.0], [5.0, 20.0]]))
    array([ 5., 20.,  5., 30.])
    """
    points = checked(points, "points", ("K", 2))
    if points.shape[-2] == 0:
        raise SchemaError(Problem("wrong-shape", "points", f"expected K >= 1 points, got {points.shape}"))
    corners = np.concatenate([points.min(axis=-2), points.max(axis=-2)], axis=-1)
    return convert_boxes(corners, source="xyxy", target="xywh")
