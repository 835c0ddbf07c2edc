"""Axes over the frames of a sequence, and frames that nobody annotated on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.report._sheet import FAINT, SMALL

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from lapsdata.report._tracking_time import MatchedSequence

__all__ = ["UNSCORED", "centred", "frame_axis", "mark_unscored"]

UNSCORED: dict[str, Any] = {"facecolor": "#eceef1", "edgecolor": "#bcc3cb", "hatch": "////", "linewidth": 0}
"""How frames look that are not scored."""


def centred(edges: NDArray[np.int64], sequence: MatchedSequence) -> NDArray[np.float64]:
    """Return where columns begin on an axis on which the number of a frame stands in its middle."""
    return edges.astype(np.float64) + (sequence.first_number - 0.5)


def frame_axis(axes: Axes, sequence: MatchedSequence, *, named: bool) -> None:
    """Let an axis have the frames of a sequence, by the numbers of their images; with numbers on it if `named`."""
    from matplotlib.ticker import MaxNLocator

    first, last = sequence.first_number, sequence.first_number + sequence.length - 1
    axes.set_xlim(first - 0.5, last + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=10, integer=True, min_n_ticks=1))
    if not named:
        axes.tick_params(axis="x", labelbottom=False, length=0)
        axes.spines["bottom"].set_visible(False)
    else:
        axes.tick_params(axis="x", labelsize=SMALL - 1, labelcolor=FAINT)


def mark_unscored(axes: Axes, sequence: MatchedSequence, frame: NDArray[np.int64]) -> None:
    """Hatch the frames of which nobody has said anything; `frame` (F,) are those that are scored."""
    scored = np.zeros(sequence.length + 2, np.bool_)
    scored[frame + 1] = True
    scored[[0, -1]] = True
    begin = np.flatnonzero(scored[:-1] & ~scored[1:])
    end = np.flatnonzero(~scored[:-1] & scored[1:])
    for start, stop in zip(begin.tolist(), end.tolist(), strict=True):
        at = sequence.first_number - 0.5
        axes.axvspan(start + at, stop + at, zorder=0.4, **UNSCORED)
