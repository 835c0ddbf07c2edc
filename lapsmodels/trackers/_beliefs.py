"""What is believed of points that were followed, and of the noise of their pictures: the last loops of dense_flow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from lapsmodels.trackers._compiled import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float32]
    Flags = NDArray[np.bool_]
    # A float32 scalar, whose arithmetic NumPy's types widen.
    Real: TypeAlias = Any

__all__ = ["BACK", "CORRELATION", "MISFIT", "NO_NOISE", "RESIDUAL", "UNTEXTURED", "believe", "noise_of"]

F = np.float32
CORRELATION, MISFIT, BACK, RESIDUAL = range(4)

UNTEXTURED = F(0.1)
"""Confidence where there is nothing to hold on to: standing still cannot be told from being followed. Below any
threshold that a user would choose, and above that of a point that is lost."""

NEARLY_THE_SAME = F(0.8)
"""Where the backward flow leads elsewhere, only a patch that is so much like the first one is believed."""

LARGEST_MISFIT = F(0.6)
ZERO, BACK_FADES_PX = F(0), F(8)

NO_NOISE, MOST_NOISE = F(1), F(200)
"""Rounding to whole levels and compression leave about the first of a clean picture, in squared levels; what has more
than the second is no picture any more."""

NOISE_GROWS = F(1.5)
"""Per frame at most; what seems to rise faster is another picture."""


@compiled
def believe(measures: Array, found: Flags, textured: Flags, back_error_px: Real, vis: Flags, confidence: Array) -> None:
    """Fill in which points are visible, and how sure that is, 0 to 1.

    Parameters
    ----------
    measures : (N, 4), see `_patches.MEASURES`
    found, textured : (N,)
    back_error_px : float32
        Farthest that the backward flow may lead.
    vis, confidence : (N,)
        Filled in.
    """
    for k in range(len(found)):
        alike, back = measures[k, CORRELATION], measures[k, BACK]
        # NaN, of a point whose way back is not known, compares as false.
        way_back = back <= back_error_px or alike >= NEARLY_THE_SAME
        vis[k], confidence[k] = False, ZERO
        if found[k] and way_back and measures[k, MISFIT] < LARGEST_MISFIT:
            sure = alike * np.exp(-back / BACK_FADES_PX)
            vis[k], confidence[k] = textured[k], sure if textured[k] else min(sure, UNTEXTURED)


@compiled
def noise_of(measures: Array, before: Real) -> Real:
    """Return the middle of what patches leave unexplained; what was before where no patch tells."""
    known = np.empty(len(measures), F)
    count = 0
    for k in range(len(measures)):
        if not np.isnan(measures[k, RESIDUAL]):
            known[count] = measures[k, RESIDUAL]
            count += 1
    if count == 0:
        return before
    return min(max(F(np.median(known[:count])), NO_NOISE), MOST_NOISE)
