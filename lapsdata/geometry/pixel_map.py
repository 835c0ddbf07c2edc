"""Where the pixels of a resized, cropped or letterboxed picture come from, exactly."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from lapsdata.errors import Problem, Problems, SchemaError
from lapsdata.geometry._arrays import Real, checked, expect
from lapsdata.geometry.frame_size import FrameSize, PixelArea

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["PixelMap", "letterbox_area"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelMap:
    """The map between source pixels, in which everything is stored, and the working pixels of a model.

    Per axis `source = scale * working + offset`, with exact fractions: chaining maps and inverting them loses
    nothing; only the last step, on arrays, rounds (float64, then once to the dtype of the points).

    Parameters
    ----------
    source, working : FrameSize
        The two frames.
    scale_x, scale_y : Fraction, source pixel per working pixel, > 0
    offset_x, offset_y : Fraction, source pixel
        Source position of the centre of the working frame's top-left pixel.

    Raises
    ------
    SchemaError
        A scale is not positive (`wrong-value`).

    Examples
    --------
    >>> source = FrameSize(width=1280, height=720)
    >>> half = PixelMap.resized(source, FrameSize(width=640, height=360))
    >>> half.to_source(np.array([0.0, 0.0]))
    array([0.5, 0.5])
    >>> half.inverse().to_working(np.array([0.0, 0.0]))
    array([0.5, 0.5])
    """

    source: FrameSize
    working: FrameSize
    scale_x: Fraction
    scale_y: Fraction
    offset_x: Fraction
    offset_y: Fraction

    def __post_init__(self) -> None:
        expect(self.source, "source", FrameSize)
        expect(self.working, "working", FrameSize)
        found = Problems("PixelMap")
        for name, scale in (("scale_x", self.scale_x), ("scale_y", self.scale_y)):
            if scale <= 0:
                found.add("wrong-value", name, f"expected a scale above 0, got {scale}")
        found.raise_as(SchemaError)

    @classmethod
    def placed(cls, source: FrameSize, working: FrameSize, area: PixelArea) -> PixelMap:
        """Return the map for a whole source that is resized into an area of the working frame.

        Outer edges meet outer edges (the half-pixel rule of OpenCV, Pillow and `align_corners=False`).

        Raises
        ------
        SchemaError
            The area is not inside the working frame (`area-outside-frame`).

        Examples
        --------
        >>> area = PixelArea(x=0, y=60, width=640, height=360)
        >>> here = PixelMap.placed(FrameSize(width=1280, height=720), FrameSize(width=640, height=480), area)
        >>> here.to_working(np.array([0.5, 0.5]))
        array([ 0., 60.])
        """
        expect(source, "source", FrameSize)
        expect(area, "area", PixelArea)
        area.check_within(working)
        scale_x, scale_y = Fraction(source.width, area.width), Fraction(source.height, area.height)
        half = Fraction(1, 2)
        return cls(
            source=source,
            working=working,
            scale_x=scale_x,
            scale_y=scale_y,
            offset_x=(half - area.x) * scale_x - half,
            offset_y=(half - area.y) * scale_y - half,
        )

    @classmethod
    def resized(cls, source: FrameSize, working: FrameSize) -> PixelMap:
        """Return the map for a source that is stretched to the whole working frame.

        Examples
        --------
        >>> PixelMap.resized(FrameSize(width=771, height=480), FrameSize(width=257, height=240)).scale_x
        Fraction(3, 1)
        """
        return cls.placed(source, working, PixelArea.whole(working))

    @classmethod
    def letterboxed(cls, source: FrameSize, working: FrameSize) -> PixelMap:
        """Return the map for a source that is resized into `letterbox_area(source, working)`.

        Examples
        --------
        >>> boxed = PixelMap.letterboxed(FrameSize(width=1280, height=720), FrameSize(width=640, height=640))
        >>> boxed.to_source(np.array([-0.5, 139.5]))
        array([-0.5, -0.5])
        """
        return cls.placed(source, working, letterbox_area(source, working))

    @classmethod
    def cropped(cls, source: FrameSize, area: PixelArea) -> PixelMap:
        """Return the map for an area of the source that is cut out and becomes the working frame.

        Raises
        ------
        SchemaError
            The area is not inside the source (`area-outside-frame`).

        Examples
        --------
        >>> area = PixelArea(x=100, y=20, width=300, height=200)
        >>> PixelMap.cropped(FrameSize(width=640, height=360), area).to_source(np.array([0.0, 0.0]))
        array([100.,  20.])
        """
        expect(area, "area", PixelArea)
        area.check_within(source)
        return cls(
            source=source,
            working=area.size,
            scale_x=Fraction(1),
            scale_y=Fraction(1),
            offset_x=Fraction(area.x),
            offset_y=Fraction(area.y),
        )

    def then(self, following: PixelMap) -> PixelMap:
        """Return the map of this step followed by another, whose source is this one's working frame.

        Raises
        ------
        SchemaError
            The sizes do not meet (`frame-size-mismatch`).

        Examples
        --------
        >>> cut = PixelMap.cropped(FrameSize(width=640, height=360), PixelArea(x=100, y=20, width=300, height=200))
        >>> both = cut.then(PixelMap.resized(cut.working, FrameSize(width=150, height=100)))
        >>> both.to_source(np.array([0.0, 0.0]))
        array([100.5,  20.5])
        """
        if following.source != self.working:
            raise SchemaError(
                Problem(
                    "frame-size-mismatch",
                    "following.source",
                    f"expected the working size {self.working}, got {following.source}",
                )
            )
        return PixelMap(
            source=self.source,
            working=following.working,
            scale_x=self.scale_x * following.scale_x,
            scale_y=self.scale_y * following.scale_y,
            offset_x=self.scale_x * following.offset_x + self.offset_x,
            offset_y=self.scale_y * following.offset_y + self.offset_y,
        )

    def inverse(self) -> PixelMap:
        """Return the map with source and working exchanged; `m.then(m.inverse())` is exactly the identity.

        Examples
        --------
        >>> there = PixelMap.resized(FrameSize(width=771, height=480), FrameSize(width=224, height=224))
        >>> there.then(there.inverse()).scale_x
        Fraction(1, 1)
        """
        return PixelMap(
            source=self.working,
            working=self.source,
            scale_x=1 / self.scale_x,
            scale_y=1 / self.scale_y,
            offset_x=-self.offset_x / self.scale_x,
            offset_y=-self.offset_y / self.scale_y,
        )

    def to_source(self, points: NDArray[Real]) -> NDArray[Real]:
        """Carry points from working pixels to source pixels.

        Parameters
        ----------
        points : NDArray, shape (..., 2), float32 or float64, working pixel xy
            Corners of boxes are points too: `xyxy.reshape(..., 2, 2)`.

        Returns
        -------
        NDArray, shape (..., 2), dtype of `points`, source pixel xy
            Points that lie in the padding or beyond the frame keep a place outside it; `inside_frame` tells.

        Raises
        ------
        SchemaError
            Wrong shape (`wrong-shape`) or dtype (`wrong-dtype`).
        """
        points = checked(points, "points", (2,))
        scale = np.array([float(self.scale_x), float(self.scale_y)])
        offset = np.array([float(self.offset_x), float(self.offset_y)])
        carried: NDArray[np.float64] = points.astype(np.float64) * scale + offset
        return carried.astype(points.dtype)

    def to_working(self, points: NDArray[Real]) -> NDArray[Real]:
        """Carry points from source pixels to working pixels; the inverse of `to_source`.

        Parameters
        ----------
        points : NDArray, shape (..., 2), float32 or float64, source pixel xy

        Returns
        -------
        NDArray, shape (..., 2), dtype of `points`, working pixel xy

        Raises
        ------
        SchemaError
            Wrong shape (`wrong-shape`) or dtype (`wrong-dtype`).
        """
        return self.inverse().to_source(points)


def letterbox_area(source: FrameSize, working: FrameSize) -> PixelArea:
    """Return where a source lands that is resized with its aspect kept and centred in the working frame.

    The longer side fits exactly; the other is rounded to whole pixels (halves up, at least 1), so the two scales
    can differ slightly, as they do in the picture. An odd spare pixel goes to the right or the bottom.

    Parameters
    ----------
    source, working : FrameSize

    Returns
    -------
    PixelArea
        Part of the working frame that shows the source; the rest is padding.

    Examples
    --------
    >>> letterbox_area(FrameSize(width=771, height=480), FrameSize(width=224, height=224))
    PixelArea(x=0, y=42, width=224, height=139)
    """
    expect(source, "source", FrameSize)
    expect(working, "working", FrameSize)
    scale = min(Fraction(working.width, source.width), Fraction(working.height, source.height))
    width, height = (max(1, (side * scale + Fraction(1, 2)).__floor__()) for side in (source.width, source.height))
    return PixelArea(x=(working.width - width) // 2, y=(working.height - height) // 2, width=width, height=height)
