"""How the classes of displacement fit some motion: too wide a window calls all of it nothing, too narrow a one cuts."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from lapsdata.schema.base import Count, Record

__all__ = ["ClassUse"]

_Share = Annotated[float, Field(ge=0, le=1)]


class ClassUse(Record):
    """Counts over the displacements that have a class.

    Examples
    --------
    >>> str(ClassUse(displacements=4, centre_share=0.5, beyond_share=0.25))
    '50.0% of 4 displacements are none, 25.0% are beyond the window'
    """

    displacements: Count
    """Displacements with a class: both ends of the step are known."""
    centre_share: _Share
    """Share of them with the class of no displacement: so often a model is right that says that nothing moves."""
    beyond_share: _Share
    """Share of them that are farther than the farthest class, whose class they have."""

    def __str__(self) -> str:
        """Return one line for people."""
        return (
            f"{self.centre_share:.1%} of {self.displacements:,} displacements are none, "
            f"{self.beyond_share:.1%} are beyond the window"
        )
