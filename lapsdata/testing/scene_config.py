"""What a rendered scene looks like: the options, checked all at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from numbers import Real

from lapsdata.errors import Problems, SchemaError, whole_number
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
        size = _wholes(found, "size", self.size, 2, MIN_SIDE, MAX_SIDE)
        bars = _wholes(found, "letterbox", self.letterbox, 4, 0, MAX_SIDE)
        actions = _wholes(found, "actions", (self.actions,), 1, 1, MAX_ACTIONS)
        blocks = _wholes(found, "blocks", (self.blocks,), 1, 1, MAX_BLOCKS)
        if type(self.rate) is not FrameRate:
            found.add("wrong-type", "rate", f"expected a FrameRate, got {self.rate!r}", "write FrameRate(20)")
        # Without a sound size, the widest shake is that of the largest frame.
        _share(found, "shake_px", self.shake_px, 0.05 * min(size or (MAX_SIDE,)))
        _share(found, "noise", self.noise, 64.0)
        _share(found, "texture", self.texture, 1.0)
        if size and bars:
            _check_bars(found, size, bars)
        found.raise_as(SchemaError)
        kept = {"size": size, "letterbox": bars, "actions": actions[0], "blocks": blocks[0]}
        for name, value in kept.items():
            object.__setattr__(self, name, value)

    @property
    def active_area(self) -> PixelArea:
        """The part of the frame (PixelArea) between the bars."""
        left, top, right, bottom = self.letterbox
        return PixelArea(x=left, y=top, width=self.size[0] - left - right, height=self.size[1] - top - bottom)


def _wholes(found: Problems, name: str, given: object, count: int, low: int, high: int) -> tuple[int, ...]:
    """Return whole numbers as int, of whatever library they are; none at all if one is at fault."""
    values = given if isinstance(given, (tuple, list)) else ()
    numbers = [whole_number(value) for value in values]
    good = tuple(number for number in numbers if number is not None and low <= number <= high)
    if len(good) == len(numbers) == count:
        return good
    wanted = "a whole number" if count == 1 else f"{count} whole numbers"
    got = values[0] if count == 1 else given
    found.add("out-of-range", name, f"expected {wanted} in {low} to {high}, got {got!r}")
    return ()


def _share(found: Problems, name: str, value: object, high: float) -> None:
    if not (isinstance(value, Real) and 0.0 <= float(value) <= high):
        found.add("out-of-range", name, f"expected 0 to {high:g}, got {value!r}")


def _check_bars(found: Problems, size: tuple[int, ...], bars: tuple[int, ...]) -> None:
    left, top, right, bottom = bars
    width, height = size[0] - left - right, size[1] - top - bottom
    if min(width, height) < MIN_SIDE:
        found.add(
            "out-of-range",
            "letterbox",
            f"expected bars that leave {MIN_SIDE} x {MIN_SIDE} pixel, got {width} x {height} left",
            "make the bars thinner or the frame larger",
        )
