"""Cuts where the energy peaks: an energy of change is highest between two actions, and not while one goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np
from pydantic import Field

from lapsdata.segmenters._cells import NOISE_S
from lapsdata.segmenters._collecting import WholeVideo
from lapsdata.segmenters._runs import pieces_of_runs

if TYPE_CHECKING:
    from lapsdata.segmenters._protocol import EnergySeries, Segmentation
    from lapsdata.segmenters._runs import Run

__all__ = ["PLUGIN", "Peaks"]

NotNegative = Annotated[float, Field(ge=0)]


class Peaks(WholeVideo):
    """Cuts a video at the peaks of its energy (`scipy.signal.find_peaks`); the pieces adjoin.

    A cut lies in the middle of its peak, or of the plateau that it is. Gated values are taken for as quiet as the
    quietest measured one around them; missing ones, and time of which no value speaks, belong to no piece.

    Parameters
    ----------
    height : float or None, unit of the energies
        A peak is at least so high.
    prominence : float, unit of the energies
        A peak stands out from what is around it by at least this.
    distance_s : float, seconds
        Of peaks that are closer, the highest stay (of equals, the first).

    Raises
    ------
    SchemaError
        A parameter that is unknown or out of range.

    Examples
    --------
    >>> from lapsdata.segmenters import EnergySeries
    >>> video = EnergySeries.measured([0, 1, 2, 3, 4], [1, 2, 3, 4, 5], [0.0, 0.25, 1.0, 0.25, 0.0])
    >>> [(found.start_s, found.end_s) for found in Peaks(prominence=0.5).segment(video).segments]
    [(0.0, 2.5), (2.5, 5.0)]
    """

    name: ClassVar[str] = "peaks"
    # Rises with every change of what it computes.
    version: ClassVar[str] = "1"

    height: float | None = None
    """The lowest peak; null for any."""
    prominence: NotNegative = 0.0
    """By how much a peak stands out at least."""
    distance_s: NotNegative = 0.0
    """Seconds between two peaks."""

    def segment(self, series: EnergySeries) -> Segmentation:
        """Return the pieces between the peaks of one video, with their mean energies."""
        return pieces_of_runs(series, lambda runs: [self._cuts(run) for run in runs])

    def _cuts(self, run: Run) -> list[float]:
        from scipy.signal import find_peaks

        cells, energy = run.cells, run.energy
        peaks, facts = find_peaks(energy, height=self.height, prominence=self.prominence, plateau_size=1)
        edges = zip(facts["left_edges"].tolist(), facts["right_edges"].tolist(), strict=True)
        at_s = [(cells[first].start_s + cells[last].end_s) / 2 for first, last in edges]
        kept: list[float] = []
        for place in np.argsort(-energy[peaks], kind="stable").tolist():
            if all(abs(at_s[place] - other) >= self.distance_s - NOISE_S for other in kept):
                kept.append(at_s[place])
        return sorted(kept)


PLUGIN = Peaks
