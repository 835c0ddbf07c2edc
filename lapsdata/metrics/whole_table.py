"""All scores of a segmentation as plain text: boundaries, labels, whole segments, clusters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lapsdata.metrics._words import wrapped
from lapsdata.metrics.score_tables import ap_table, cluster_table, label_table
from lapsdata.metrics.table import boundary_table

if TYPE_CHECKING:
    from lapsdata.metrics.table import Average
    from lapsdata.schema.segmentation import SegmentationResult

__all__ = ["segmentation_table"]


def segmentation_table(result: SegmentationResult, *, average: Average = "macro") -> str:
    """Return a result as text: the rules in a word, then a table of each part.

    Parameters
    ----------
    result : SegmentationResult
    average : {"macro", "micro"}
        Of the scores of boundaries.

    Returns
    -------
    str
        Lines without a last line break.

    Raises
    ------
    SchemaError
        An unknown average.

    Examples
    --------
    >>> from lapsdata.metrics import evaluate_segments
    >>> from lapsdata.testing.samples import sample_segments
    >>> result = evaluate_segments(sample_segments(), sample_segments(), draws=2, shift_draws=2)
    >>> segmentation_table(result).splitlines()[0]
    'rules default, times in seconds'
    """
    clock = result.clock
    told = clock.origin if str(clock.rate) in clock.origin else f"{clock.rate} per second ({clock.origin})"
    times = "times in seconds" if clock.rate is None else f"frames: {told}"
    split = "" if result.split is None else f", split {result.split}"
    heading = wrapped(f"rules {result.profile}{split}, {times}")
    parts = ["\n".join([*heading, boundary_table(result.boundaries, average=average)])]
    if result.labels_left_out is not None:
        parts.append("\n".join(wrapped(f"labels: not scored, for {result.labels_left_out}")))
    if result.labels is not None:
        parts.append(label_table(result.labels))
    if result.detections is not None:
        parts.append(ap_table(result.detections))
    if result.clusters is not None:
        parts.append(cluster_table(result.clusters))
    if result.old_keys is not None:
        parts.append("\n".join(f"{key}  {value:.4f}" for key, value in result.old_keys.items()))
    return "\n\n".join(parts)
