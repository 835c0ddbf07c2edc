"""Equal pieces, whatever the energies are: the row that every score must stand beside."""

from __future__ import annotations

import math
from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from lapsdata.schema.base import Positive
from lapsdata.segmenters._cells import NOISE_S
from lapsdata.segmenters._collecting import WholeVideo
from lapsdata.segmenters._pieces import pieces
from lapsdata.segmenters._protocol import EnergySeries, Segmentation

__all__ = ["PLUGIN", "Uniform"]


class Uniform(WholeVideo):
    """Cuts a video into equal pieces; exactly one parameter says how many.

    Parameters
    ----------
    period_s : float or None, seconds
        A cut every so often, from the begin of the video on; the last piece is what is left.
    count : int or None
        Number of equal pieces.

    Raises
    ------
    SchemaError
        A parameter that is unknown or out of range; none or both are given.

    Examples
    --------
    >>> from lapsdata.segmenters import EnergySeries
    >>> video = EnergySeries.measured([10.0], [15.0], [0.5])
    >>> [(found.start_s, found.end_s) for found in Uniform(period_s=2.0).segment(video).segments]
    [(10.0, 12.0), (12.0, 14.0), (14.0, 15.0)]
    """

    name: ClassVar[str] = "uniform"
    # Rises with every change of what it computes.
    version: ClassVar[str] = "1"

    period_s: Annotated[float, Field(gt=0)] | None = None
    """Seconds from cut to cut."""
    count: Positive | None = None
    """Number of equal pieces."""

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.period_s is None) == (self.count is None):
            raise ValueError("expected exactly one of 'period_s' and 'count'")
        return self

    def segment(self, series: EnergySeries) -> Segmentation:
        """Return the pieces of one video; they have no score, as no energy was looked at."""
        if not len(series):
            return Segmentation((), {})
        start_s, end_s = float(series.start_s[0]), float(series.end_s[-1])
        if self.period_s is None:
            count, step_s = self.count or 1, (end_s - start_s) / (self.count or 1)
        else:
            # A rest within the noise of time is none.
            count, step_s = max(1, math.ceil((end_s - start_s - NOISE_S) / self.period_s)), self.period_s
        return pieces([start_s + number * step_s for number in range(1, count)], series)


PLUGIN = Uniform
