"""Cuts at random times: chance, as a row beside every score."""

from __future__ import annotations

import hashlib
from typing import Annotated, ClassVar, Self

import numpy as np
from pydantic import Field, model_validator

from lapsdata.schema.base import Count, Positive
from lapsdata.segmenters._collecting import WholeVideo
from lapsdata.segmenters._pieces import pieces
from lapsdata.segmenters._protocol import EnergySeries, Segmentation

__all__ = ["PLUGIN", "RandomCuts"]


class RandomCuts(WholeVideo):
    """Cuts a video at times that are drawn evenly over it; a pure function of seed, name and span of the video.

    Parameters
    ----------
    count : int or None
        Number of pieces.
    mean_s : float or None, seconds
        Mean duration of the pieces; their number is the video's duration over this, rounded, and at least 1.
    seed : int
        Another seed draws other cuts.

    Raises
    ------
    SchemaError
        A parameter that is unknown or out of range; none or both of `count` and `mean_s` are given.

    Examples
    --------
    >>> from lapsdata.segmenters import EnergySeries
    >>> video = EnergySeries.measured([0.0], [10.0], [0.5], video="clip_0")
    >>> [round(found.start_s, 3) for found in RandomCuts(count=3, seed=1).segment(video).segments]
    [0.0, 1.023, 6.461]
    """

    name: ClassVar[str] = "random_cuts"
    # Rises with every change of what it computes.
    version: ClassVar[str] = "1"

    count: Positive | None = None
    """Number of pieces."""
    mean_s: Annotated[float, Field(gt=0)] | None = None
    """Mean seconds of a piece."""
    seed: Count = 0
    """Another seed draws other cuts."""

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.mean_s is None) == (self.count is None):
            raise ValueError("expected exactly one of 'count' and 'mean_s'")
        return self

    def segment(self, series: EnergySeries) -> Segmentation:
        """Return the pieces of one video; they have no score, as no energy was looked at."""
        if not len(series):
            return Segmentation((), {})
        start_s, end_s = float(series.start_s[0]), float(series.end_s[-1])
        count = self.count or 1
        if self.mean_s is not None:
            count = max(1, round((end_s - start_s) / self.mean_s))
        # The name as well: videos of one length would all be cut alike, and their mean were one draw.
        words = hashlib.sha256(series.video.encode("utf-8", "surrogatepass")).digest()
        entropy = [self.seed, *np.frombuffer(words, "<u4").tolist()]
        shares = np.sort(np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy))).random(count - 1))
        return pieces((start_s + (end_s - start_s) * shares).tolist(), series)


PLUGIN = RandomCuts
