"""What is done otherwise than AMPLIFY does when a motion tokenizer is trained: each by name, each to be undone.

As published, a tokenizer learns that points which nobody saw stand still, that points which leave the frame stop at
its border and, where motions are slow beside a pixel, that nothing moves; and nothing keeps its codes apart. A new
training corrects all of it; the preset `amplify` corrects nothing.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from lapsdata.errors import Problem, SchemaError
from lapsdata.schema.base import Record

__all__ = ["AS_PUBLISHED", "LAPS", "Corrections", "LossOptions", "class_grid"]


class LossOptions(Record):
    """What is made as small as can be.

    Examples
    --------
    >>> LossOptions().diversity > 0
    True
    """

    focal_gamma: Annotated[float, Field(ge=0)] = 1.0
    """A displacement that the model holds likely with probability p costs (1 - p) to this power of its cross-entropy:
    what is easy, above all that nothing moves, counts less. 0, or at least 1. As published 0; LAPS 4."""
    focal_alpha: Annotated[float, Field(gt=0)] = 1.0
    """What every such cost is multiplied by. As published 1; LAPS 0.5."""
    radial_strength: Annotated[float, Field(ge=0)] = 4.0
    """The farthest displacement costs 1 + this as much as none; LAPS 4. As published 0: all cost the same."""
    radial_power: Annotated[float, Field(gt=0)] = 2.0
    """Costs rise with this power of the distance from no displacement; LAPS 2."""
    diversity: Annotated[float, Field(ge=0)] = 0.1
    """How much it counts that the codes of a step tell windows apart; see `losses.code_information`. As published 0.
    (LAPS has a term of this name, of weight 0.3, whose gradient is 0.)"""

    @field_validator("focal_gamma")
    @classmethod
    def _has_a_slope(cls, value: float) -> float:
        if 0 < value < 1:
            raise ValueError(f"expected 0 or at least 1, got {value}: its slope at p = 1 would have no bound")
        return value


class Corrections(LossOptions):
    """All that is corrected, and how; the default is what a new training does.

    Examples
    --------
    >>> Corrections().inside_only, AS_PUBLISHED.inside_only
    (True, False)
    >>> AS_PUBLISHED.model_copy(update={"seen_only": True}).seen_only
    True
    """

    window_per_s: Annotated[float, Field(gt=0)] | None = 0.5
    """Largest displacement that has a class of its own, as a share of the height, or of the width, per second: the
    same motion has the same class at any resolution, and the same window at any rate. As published null: 7 pixels of
    a grid of 128 x 128, whatever the frame and its rate."""
    rounding: Literal["displacements", "positions"] = "displacements"
    """What is rounded to whole pixels of the class grid. As published the positions, so that a slow motion has one
    class or another by where it begins, which the encoder cannot know."""
    seen_only: bool = True
    """A step with an end that was not seen is no motion: none goes into the model, and none is learned. As published
    the tracker's guess counts as if it had been seen."""
    inside_only: bool = True
    """The same for a step with an end beyond the frame. As published such an end is moved to the border, and a point
    that goes on outside stands still."""
    scaled: bool = True
    """Multiply velocities by what makes their root mean square 1 (`TokenizerConfig.scale`). As published by 1."""


AS_PUBLISHED = Corrections(
    focal_gamma=0.0,
    focal_alpha=1.0,
    radial_strength=0.0,
    diversity=0.0,
    window_per_s=None,
    rounding="positions",
    seen_only=False,
    inside_only=False,
    scaled=False,
)
"""Nothing is corrected (pairlab/AMPLIFY, amplify/models/losses.py)."""

LAPS = AS_PUBLISHED.model_copy(update={"focal_gamma": 4.0, "focal_alpha": 0.5, "radial_strength": 4.0})
"""The costs of LAPS (arXiv 2511.21428; jiajiezhang7/LAPS), without its term that has no gradient."""


def class_grid(window_per_s: float, rate_hz: float, reach: int) -> tuple[int, int]:
    """Return the height and width of the frame in pixels of the class grid; see `Corrections.window_per_s`.

    Both are the same: displacements are shares of the height and of the width, as the model takes them, and a share is
    none of pixels. Rounded to whole pixels.

    Parameters
    ----------
    window_per_s : float
        Shares of the frame per second.
    rate_hz : float
        Frames per second.
    reach : int
        Pixels of the grid.

    Raises
    ------
    SchemaError
        A window of more than the frame per step at a reach so small that no grid has it.

    Examples
    --------
    >>> class_grid(0.5, 10.0, 7)
    (140, 140)
    >>> class_grid(0.5, 20.0, 7)
    (280, 280)
    """
    side = round(reach * rate_hz / window_per_s)
    if side < 2:
        message = (
            f"expected a window that a grid of at least 2 x 2 pixels has, got {window_per_s} of the frame per second"
        )
        fix = f"at {rate_hz:g} frames per second, at most {reach * rate_hz / 2:g}"
        raise SchemaError(Problem("wrong-value", "window_per_s", message, fix))
    return side, side
