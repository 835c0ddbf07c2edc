"""The stream of a segmenter that must see the whole video first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lapsdata.containers.energies import ENERGY_STATES
from lapsdata.segmenters._cells import CellCutter
from lapsdata.segmenters._protocol import EnergySeries

if TYPE_CHECKING:
    from collections.abc import Callable

    from lapsdata.segmenters._protocol import EnergyStep, Segment, Segmentation

__all__ = ["CollectingStream"]


class CollectingStream:
    """Keeps the values until the stream is closed, and segments them then.

    Parameters
    ----------
    segment : callable
        `Segmenter.segment`.
    video : str

    Examples
    --------
    >>> from lapsdata.segmenters import EnergyStep
    >>> from lapsdata.segmenters.uniform import Uniform
    >>> stream = CollectingStream(Uniform(count=2).segment)
    >>> stream.push(EnergyStep(0.0, 4.0, 0.25))
    ()
    >>> [(found.start_s, found.end_s) for found in stream.close()]
    [(0.0, 2.0), (2.0, 4.0)]
    """

    def __init__(self, segment: Callable[[EnergySeries], Segmentation], video: str = "") -> None:
        self._segment = segment
        self._video = video
        self._steps: list[EnergyStep] = []
        self._order = CellCutter()
        self._policies: dict[str, int] = {}

    @property
    def policies(self) -> dict[str, int]:
        """Those of the whole video; none before it is closed."""
        return dict(self._policies)

    def push(self, step: EnergyStep) -> tuple[Segment, ...]:
        """Keep a value; as `SegmentStream.push`."""
        self._order.push(step)
        self._steps.append(step)
        return ()

    def close(self) -> tuple[Segment, ...]:
        """Segment all values; as `SegmentStream.close`."""
        self._order.close()
        series = EnergySeries(
            start_s=np.array([step.start_s for step in self._steps], np.float64),
            end_s=np.array([step.end_s for step in self._steps], np.float64),
            energy=np.array([step.energy for step in self._steps], np.float64),
            state=np.array([ENERGY_STATES.index(step.state) for step in self._steps], np.uint8),
            video=self._video,
        )
        found = self._segment(series)
        self._policies = found.policies
        return found.segments
