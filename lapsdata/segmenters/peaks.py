"""Cuts where the energy peaks: an energy of change is highest between two actions, and not while one goes on."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np
from pydantic import Field

from lapsdata.segmenters._cells import NOISE_S, Cell, cells_of, mean_energy
from lapsdata.segmenters._collecting import WholeVideo
from lapsdata.segmenters._protocol import EnergySeries, Segment, Segmentation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lapsdata.schema import EndReason

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
        found: list[Segment] = []
        policies: Counter[str] = Counter()
        for silent, group in itertools.groupby(cells_of(series), key=lambda cell: cell.state == "missing"):
            cells = list(group)
            if silent:
                policies.update("gap-break" if cell.gap else "missing-break" for cell in cells)
                continue
            policies.update("gated-quiet" for cell in cells if cell.state == "gated")
            edges = [cells[0].start_s, *self._cuts(cells), cells[-1].end_s]
            for start_s, end_s in itertools.pairwise(edges):
                reason: EndReason = "end_of_stream" if end_s == edges[-1] else "threshold"
                found.append(Segment(start_s, end_s, reason, mean_energy(cells, start_s, end_s)))
        return Segmentation(tuple(found), dict(sorted(policies.items())))

    def _cuts(self, cells: Sequence[Cell]) -> list[float]:
        from scipy.signal import find_peaks

        energy = np.array([cell.energy for cell in cells])
        measured = ~np.isnan(energy)
        if not measured.any():
            return []
        energy[~measured] = energy[measured].min()
        peaks, facts = find_peaks(energy, height=self.height, prominence=self.prominence, plateau_size=1)
        edges = zip(facts["left_edges"].tolist(), facts["right_edges"].tolist(), strict=True)
        at_s = [(cells[first].start_s + cells[last].end_s) / 2 for first, last in edges]
        kept: list[float] = []
        for place in np.argsort(-energy[peaks], kind="stable").tolist():
            if all(abs(at_s[place] - other) >= self.distance_s - NOISE_S for other in kept):
                kept.append(at_s[place])
        return sorted(kept)


PLUGIN = Peaks
