"""Segmenters that must see the whole video first, and their stream."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from lapsdata.containers.energies import ENERGY_STATES
from lapsdata.schema.base import Record
from lapsdata.segmenters._cells import CellCutter
from lapsdata.segmenters._protocol import EnergySeries

if TYPE_CHECKING:
    from collections.abc import Callable

    from lapsdata.segmenters._protocol import EnergyStep, Segment, Segmentation

__all__ = ["CollectingStream", "WholeVideo"]


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


class WholeVideo(Record):
    """What segmenters have in common whose parameters are their fields, and that decide when a video has ended.

    Examples
    --------
    >>> from lapsdata.segmenters.uniform import Uniform
    >>> Uniform(count=2).parameters
    {'period_s': None, 'count': 2}
    """

    online: ClassVar[bool] = False

    @property
    def parameters(self) -> dict[str, Any]:
        """Its fields."""
        return self.as_json()

    @abstractmethod
    def segment(self, series: EnergySeries) -> Segmentation:
        """Return the segments of one video; as `Segmenter.segment`."""

    def stream(self, *, video: str = "") -> CollectingStream:
        """Return a stream that looks when the end is known; as `Segmenter.stream`."""
        return CollectingStream(self.segment, video)
