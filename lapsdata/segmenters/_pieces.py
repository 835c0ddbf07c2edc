"""Pieces of a whole video between cuts that do not come from its energies."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

from lapsdata.errors import Problem, SchemaError
from lapsdata.segmenters._protocol import EnergySeries, Segment, Segmentation

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["pieces"]


def pieces(cuts_s: Sequence[float], series: EnergySeries) -> Segmentation:
    """Return the pieces from the begin of a series over all cuts to its end, without scores.

    Raises
    ------
    SchemaError
        The cuts lie so close that float64 seconds cannot tell them apart (`too-many-cuts`).

    Examples
    --------
    >>> pieces([1.0], EnergySeries.measured([0.0], [3.0], [0.5])).segments[1].start_s
    1.0
    """
    edges = [float(series.start_s[0]), *cuts_s, float(series.end_s[-1])]
    if any(after <= before for before, after in itertools.pairwise(edges)):
        message = f"expected cuts that rise between {edges[0]} s and {edges[-1]} s, got {len(cuts_s)} that do not"
        raise SchemaError(Problem("too-many-cuts", f"'{series.video}'", message, "ask for fewer"))
    spans = list(itertools.pairwise(edges))
    last = len(spans) - 1
    return Segmentation(
        tuple(
            # A cut without a look at the energy is what a longest duration does.
            Segment(start_s, end_s, "end_of_stream" if number == last else "max_duration", math.nan)
            for number, (start_s, end_s) in enumerate(spans)
        ),
        {},
    )
