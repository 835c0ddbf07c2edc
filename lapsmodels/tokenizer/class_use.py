"""How the classes of displacement fit some motion: too wide a window calls all of it nothing, too narrow a one cuts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import Field

from lapsdata.schema.base import Count, Record

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

__all__ = ["ClassUse", "class_use"]

_Share = Annotated[float, Field(ge=0, le=1)]


class ClassUse(Record):
    """Counts over the displacements that have a class.

    Examples
    --------
    >>> str(class_use([np.array([[0, 0], [0, 3], [-9, 1], [0, 0]])], reach=7))
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


def class_use(moved: Iterable[NDArray[Any]], reach: int) -> ClassUse:
    """Count over some displacements; shares of none are 0.

    Parameters
    ----------
    moved : iterable of (K, 2)
        In whole pixels of the class grid; see `losses.whole_displacements`.
    reach : int

    Examples
    --------
    >>> class_use([np.zeros((0, 2))], reach=7).displacements
    0
    """
    known = centre = beyond = 0
    for part in moved:
        known += len(part)
        centre += int(np.count_nonzero((part == 0).all(axis=-1)))
        beyond += int(np.count_nonzero((np.abs(part) > reach).any(axis=-1)))
    return ClassUse(displacements=known, centre_share=centre / max(1, known), beyond_share=beyond / max(1, known))
