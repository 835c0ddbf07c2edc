"""What draws of videos, or of sequences, say of a difference."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lapsdata.metrics._summary import band

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Spread", "spread_of"]


class Spread(NamedTuple):
    """What the draws of videos say of a difference, and the videos themselves."""

    interval: tuple[float, float] | None
    p: float | None
    higher: int
    equal: int
    lower: int


def spread_of(differences: NDArray[np.float64], each: NDArray[np.float64]) -> Spread:
    """Return it of differences over draws (D,), and of each video alone (V,); no interval and no p of a single one."""
    several = len(each) > 1
    side = 1 + min((differences <= 0).sum(), (differences >= 0).sum())
    return Spread(
        interval=band(differences) if several else None,
        p=min(1.0, float(2 * side / (1 + len(differences)))) if several else None,
        higher=int((each > 0).sum()),
        equal=int((each == 0).sum()),
        lower=int((each < 0).sum()),
    )
