"""What a rendered scene looks like: the options, checked all at once."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from lapsdata.errors import Problems, SchemaError
from lapsdata.geometry import PixelArea
from lapsdata.timebase import FrameRate

__all__ = ["SceneConfig"]

MIN_SIDE = 64
MAX_SIDE = 4096
MAX_BLOCKS = 5
MAX_ACTIONS = 10_000


@dataclass(frozen=True, kw_only=True)
class SceneConfig:
    """Options of a rendered scene.

    Only `actions` and `blocks` change what is done when: two scenes of one seed that differ in anything else are
    twins, with equal segments.

    Parameters
    ----------
    size : tuple of int
        Width and height of the frame in pixel, letterbox bars included; 64 to 4096 each.
    rate : FrameRate
        Frames per second; with `vfr` the mean.
    actions : int
        1 to 10,000 actions (reach, grasp, move, release, retreat); sets the length of the scene.
    blocks : int
        Number of blocks, 1 to 5.
    shake_px : float
        Root mean square of the camera's shift along each axis, in pixel, up to 1/20 of the shorter side; 0
        is a camera on a tripod.
    noise : float
        Standard deviation of the sensor's noise in levels of 255, up to 64, drawn anew for each frame and
        channel.
    letterbox : tuple of int
        Black bars in pixel: left, top, right, bottom. The scene shrinks into what they leave.
    vfr : bool
        Intervals between frames uniform in 0.5 to 1.5 of the period, on the 1/90000 s clock.
    texture : float
        Contrast of all textures in 0 to 1; at 0 every body has one flat colour of its own.

    Raises
    ------
    SchemaError
        With every option that is out of its range.

    Examples
    --------
    >>> SceneConfig(size=(256, 256), letterbox=(0, 48, 0, 48)).active_area
    PixelArea(x=0, y=48, width=256, height=160)
    """

    size: tuple[int, int] = (320, 240)
    rate: FrameRate = field(default=FrameRate(20, 1))
    actions: int = 16
    blocks: int = 3
    shake_px: float = 0.0
    noise: float = 0.0
    letterbox: tuple[int, int, int, int] = (0, 0, 0, 0)
    vfr: bool = False
    texture: float = 1.0

    def __post_init__(self) -> None:
        found = Problems("SceneConfig")
        wholes = (
            ("size", self.size, 2, MIN_SIDE, MAX_SIDE),
            ("letterbox", self.letterbox, 4, 0, MAX_SIDE),
            ("actions", (self.actions,), 1, 1, MAX_ACTIONS),
            ("blocks", (self.blocks,), 1, 1, MAX_BLOCKS),
        )
        for name, values, count, low, high in wholes:
            if len(values) != count or not all(type(value) is int and low <= value <= high for value in values):
                numbers = "a whole number" if count == 1 else f"{count} whole numbers"
                got = values[0] if count == 1 else values
                found.add("out-of-range", name, f"expected {numbers} in {low} to {high}, got {got!r}")
        if type(self.rate) is not FrameRate:
            found.add("wrong-type", "rate", f"expected a FrameRate, got {self.rate!r}", "write FrameRate(20)")
        found.raise_as(SchemaError)
        self._check_picture(found)
        found.raise_as(SchemaError)

    def _check_picture(self, found: Problems) -> None:
        """Check what depends on a sound size."""
        for name, value, high in (
            ("shake_px", self.shake_px, 0.05 * min(self.size)),
            ("noise", self.noise, 64.0),
            ("texture", self.texture, 1.0),
        ):
            if not (math.isfinite(value) and 0.0 <= value <= high):
                found.add("out-of-range", name, f"expected 0 to {high:g}, got {value}")
        left, top, right, bottom = self.letterbox
        width, height = self.size[0] - left - right, self.size[1] - top - bottom
        if min(width, height) < MIN_SIDE:
            found.add(
                "out-of-range",
                "letterbox",
                f"expected bars that leave {MIN_SIDE} x {MIN_SIDE} pixel, got {width} x {height} left",
                "make the bars thinner or the frame larger",
            )

    @property
    def active_area(self) -> PixelArea:
        """The part of the frame (PixelArea) between the bars."""
        left, top, right, bottom = self.letterbox
        return PixelArea(x=left, y=top, width=self.size[0] - left - right, height=self.size[1] - top - bottom)
