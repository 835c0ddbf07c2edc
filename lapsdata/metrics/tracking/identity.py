"""Identity: boxes that are right when each true track has one predicted track for good (Ristani et al. 2016)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from lapsdata.metrics.tracking._family import Family

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lapsdata.metrics.tracking._overlaps import Overlaps

__all__ = ["Identity", "identity_of"]


@dataclass(frozen=True, eq=False)
class Identity(Family):
    """Scores of the one pairing of identities that has the most boxes right.

    Parameters
    ----------
    IDF1, IDR, IDP : float
        Share of boxes that are right, of both sides, of the true ones, of the predicted ones; 0 to 1.
    IDTP, IDFN, IDFP : int
        Boxes that overlap one of their identity's partner; true and predicted boxes that do not.

    References
    ----------
    Ristani et al., "Performance Measures and a Data Set for Multi-Target, Multi-Camera Tracking", ECCVW 2016.

    Examples
    --------
    >>> Identity.of(IDTP=3, IDFN=1, IDFP=1).IDF1
    0.75
    """

    COUNTS: ClassVar[tuple[str, ...]] = ("IDTP", "IDFN", "IDFP")

    IDF1: float
    IDR: float
    IDP: float
    IDTP: int
    IDFN: int
    IDFP: int

    @classmethod
    def of(cls, IDTP: int, IDFN: int, IDFP: int) -> Self:  # noqa: N803 - their names everywhere
        """Return the scores from counts.

        Examples
        --------
        >>> Identity.of(IDTP=0, IDFN=0, IDFP=0).IDF1
        0.0
        """
        f1, recall, precision = (
            IDTP / max(1.0, IDTP + wrong) for wrong in (0.5 * IDFP + 0.5 * IDFN, float(IDFN), float(IDFP))
        )
        return cls(f1, recall, precision, IDTP, IDFN, IDFP)

    @classmethod
    def combined(cls, parts: Sequence[Self]) -> Self:
        """Return the scores of several sequences or classes together."""
        return cls.of(**{name: sum(getattr(part, name) for part in parts) for name in cls.COUNTS})


def identity_of(overlaps: Overlaps, threshold: float) -> Identity:
    """Return the scores of one sequence; an overlap counts from `threshold` on."""
    from lapsdata.metrics.tracking._identity_loop import most_paired

    pairs = overlaps.pairs
    enough = pairs.of_overlap[overlaps.iou >= threshold]
    together = np.bincount(enough, minlength=len(pairs.found))
    kept = together > 0
    start = np.concatenate([[0], np.cumsum(kept)])[pairs.start]
    true, found = overlaps.frames
    right = most_paired(start, pairs.found[kept], together[kept], len(found.count))
    return Identity.of(IDTP=right, IDFN=len(true) - right, IDFP=len(found) - right)
