"""Predictions that have a name and no file: a metronome, or instants drawn at random."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from lapsdata.containers import Segments
from lapsdata.errors import Problem, Problems, SchemaError
from lapsdata.metrics import periodic_boundaries, random_boundaries
from lapsdata.provenance import provenance
from lapsdata.schema import SegmentsHeader
from lapsdata.schema.base import Tool

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lapsdata.metrics._given import Span
    from lapsdata.schema.segments import EndReason

__all__ = ["NamedPrediction", "named_prediction"]

_FORMS = "uniform:SECONDS and random:COUNT"
# No action is as short, and chance draws a thousand times as many.
_MOST_PER_S = 20


@dataclass(frozen=True, slots=True)
class NamedPrediction:
    """Cuts that look at no video.

    Parameters
    ----------
    kind : {"uniform", "random"}
        A cut every so many seconds from the start of each video, or so many cuts anywhere in each.
    value : float
        Seconds, or a whole number of cuts.
    seed : int
        Of the random ones.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_segments
    >>> made = NamedPrediction("uniform", 1.5).segments(sample_segments())
    >>> made.start_s[made.of_video("clip_0")].tolist()
    [0.0, 1.5, 3.0]
    """

    kind: Literal["uniform", "random"]
    value: float
    seed: int = 0

    def __str__(self) -> str:
        """Return it as it is spelled."""
        # Every digit: by these it is told from others, of which scores are kept.
        return f"{self.kind}:{repr(float(self.value)).removesuffix('.0')}"

    def segments(self, truth: Segments) -> Segments:
        """Return touching segments of the videos of a truth, from the start of each to its end.

        Raises
        ------
        SchemaError
            More than 20 cuts per second of a video (`too-many-cuts`).
        """
        problems = Problems(str(self))
        for video in truth.header.videos:
            lasts = video.end_s - video.start_s
            per_s = 1 / self.value if self.kind == "uniform" else self.value / lasts
            if per_s > _MOST_PER_S:
                message = f"expected up to {_MOST_PER_S} cuts per second, got {per_s:.4g} in {lasts:.4g} s"
                problems.add("too-many-cuts", video.name, message, "name fewer cuts")
        problems.raise_as(SchemaError)
        edges = []
        for video in truth.header.videos:
            span = (video.start_s, video.end_s)
            # Two random cuts of one instant are one.
            edges.append(np.unique([span[0], *self._cuts(span, video.name), span[1]]))
        counts = [len(one) - 1 for one in edges]
        why: EndReason = "annotation"
        tool = Tool(name=self.kind, version="1", parameters={"value": self.value, "seed": self.seed})
        header = SegmentsHeader(provenance=provenance(), videos=truth.header.videos, segmenter=tool)
        return Segments(
            header,
            np.repeat(np.arange(len(edges)), counts),
            np.concatenate([one[:-1] for one in edges]),
            np.concatenate([one[1:] for one in edges]),
            (why,) * sum(counts),
            (None,) * sum(counts),
        )

    def _cuts(self, span_s: Span, video: str) -> NDArray[np.float64]:
        if self.kind == "uniform":
            return periodic_boundaries(span_s, self.value)
        drawn: NDArray[np.float64] = random_boundaries(span_s, int(self.value), draws=1, seed=self.seed, video=video)[0]
        return drawn


def named_prediction(text: str, *, seed: int = 0) -> NamedPrediction | None:
    """Return the prediction that a word stands for; None where it is not of that form.

    Raises
    ------
    SchemaError
        A kind that there is, with a number that is none for it.

    Examples
    --------
    >>> print(named_prediction("random:32"), named_prediction("found.parquet"))
    random:32 None
    """
    kind, colon, number = text.partition(":")
    if not colon or kind not in ("uniform", "random"):
        return None
    try:
        value = float(number)
    except ValueError:
        value = np.nan
    good = value >= 1e-3 if kind == "uniform" else value >= 0 and value == int(value)
    if not good or not np.isfinite(value):
        what = "seconds of at least 0.001" if kind == "uniform" else "a whole number of cuts"
        message = f"expected {what} after '{kind}:', got {number!r}"
        raise SchemaError(Problem("unknown-choice", text, message, f"predictions without a file are {_FORMS}"))
    return NamedPrediction("uniform" if kind == "uniform" else "random", value, seed)
