"""How many boxes and identities there are on both sides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

from lapsdata.metrics.tracking._family import Family

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["TrackCount"]


@dataclass(frozen=True, eq=False)
class TrackCount(Family):
    """Boxes and identities that were scored.

    Parameters
    ----------
    Dets, GT_Dets : int
        Predicted and true boxes.
    IDs, GT_IDs : int
        Predicted and true identities; of several sequences, those of each.

    Examples
    --------
    >>> TrackCount(Dets=4, GT_Dets=5, IDs=1, GT_IDs=2).as_trackeval()
    {'Dets': 4, 'GT_Dets': 5, 'IDs': 1, 'GT_IDs': 2}
    """

    COUNTS: ClassVar[tuple[str, ...]] = ("Dets", "GT_Dets", "IDs", "GT_IDs")

    Dets: int
    GT_Dets: int
    IDs: int
    GT_IDs: int

    @classmethod
    def combined(cls, parts: Sequence[Self]) -> Self:
        """Return the sums."""
        return cls.class_averaged(parts)
