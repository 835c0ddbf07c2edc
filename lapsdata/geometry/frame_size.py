"""How large a frame is, and which part of it holds the picture: two values that are always passed by name."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Literal

from lapsdata.errors import Problem, SchemaError
from lapsdata.geometry._arrays import choice, expect, whole

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["FrameSize", "PixelArea", "QuarterTurn"]

QuarterTurn = Literal[0, 90, 180, 270]
"""Degrees clockwise, as seen on the screen."""


def _keep_whole(value: FrameSize | PixelArea, least: dict[str, int]) -> None:
    names = [field.name for field in fields(value)]
    owner = type(value).__name__
    found = [whole(getattr(value, name), f"{owner}.{name}", least.get(name, 1)) for name in names]
    wrong = [problem for problem in found if problem is not None]
    if wrong:
        raise SchemaError(*wrong)
    for name in names:
        object.__setattr__(value, name, int(getattr(value, name)))


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameSize:
    """Width and height of a frame; by keyword only, because a swap is silent on square frames.

    Parameters
    ----------
    width, height : int, pixel, >= 1
        Pixels from left to right, and from top to bottom.

    Raises
    ------
    SchemaError
        A side is not an integer of at least 1 (`wrong-value`).

    Examples
    --------
    >>> size = FrameSize(width=771, height=480)
    >>> size.shape
    (480, 771)
    >>> print(size.turned(90))
    480x771
    """

    width: int
    height: int

    def __post_init__(self) -> None:
        _keep_whole(self, {})

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"

    @classmethod
    def from_shape(cls, shape: Sequence[int]) -> FrameSize:
        """Return the size of an image array of shape (H, W) or (H, W, channels).

        Raises
        ------
        SchemaError
            The shape has not two or three axes (`wrong-shape`), or a side is 0 (`wrong-value`).

        Examples
        --------
        >>> FrameSize.from_shape((480, 771, 3))
        FrameSize(width=771, height=480)
        """
        if len(shape) not in (2, 3):
            raise SchemaError(
                Problem("wrong-shape", "shape", f"expected (H, W) or (H, W, channels), got {tuple(shape)}")
            )
        return cls(width=shape[1], height=shape[0])

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns (int, int) of an image array of this size."""
        return self.height, self.width

    def turned(self, clockwise: QuarterTurn) -> FrameSize:
        """Return the size after a turn by a multiple of 90 degrees.

        Raises
        ------
        SchemaError
            Another angle is given (`unknown-choice`).
        """
        choice(clockwise, "clockwise", QuarterTurn)
        return self if clockwise in (0, 180) else FrameSize(width=self.height, height=self.width)


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelArea:
    """A rectangle of whole pixels; its outer edges are half a pixel outside the centres of its border pixels.

    Parameters
    ----------
    x, y : int, pixel, >= 0
        First column and first row.
    width, height : int, pixel, >= 1
        Number of columns and rows.

    Raises
    ------
    SchemaError
        A value is not an integer of at least 0 (`x`, `y`) or 1 (`wrong-value`).

    Examples
    --------
    >>> PixelArea(x=0, y=60, width=640, height=360).size
    FrameSize(width=640, height=360)
    """

    x: int
    y: int
    width: int
    height: int

    def __post_init__(self) -> None:
        _keep_whole(self, {"x": 0, "y": 0})

    @classmethod
    def whole(cls, size: FrameSize) -> PixelArea:
        """Return the area that covers a frame.

        Examples
        --------
        >>> PixelArea.whole(FrameSize(width=640, height=480))
        PixelArea(x=0, y=0, width=640, height=480)
        """
        return cls(x=0, y=0, width=size.width, height=size.height)

    @property
    def right(self) -> int:
        """First column (int) after the area."""
        return self.x + self.width

    @property
    def bottom(self) -> int:
        """First row (int) after the area."""
        return self.y + self.height

    @property
    def size(self) -> FrameSize:
        """Size (FrameSize) of the area taken as a frame of its own."""
        return FrameSize(width=self.width, height=self.height)

    def check_within(self, size: FrameSize) -> None:
        """Raise unless the area lies inside a frame.

        Raises
        ------
        SchemaError
            A pixel of the area is outside (`area-outside-frame`), or `size` is no FrameSize (`wrong-type`).
        """
        expect(size, "size", FrameSize)
        right, bottom = self.x + self.width, self.y + self.height
        if right > size.width or bottom > size.height:
            raise SchemaError(
                Problem(
                    "area-outside-frame",
                    "area",
                    f"expected an area inside the {size} frame, "
                    f"got columns {self.x}..{right - 1} and rows {self.y}..{bottom - 1}",
                )
            )
