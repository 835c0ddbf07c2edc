"""From energies of many videos to segments of many videos."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lapsdata.containers import Segments
from lapsdata.errors import Problems, SchemaError
from lapsdata.provenance import provenance
from lapsdata.schema import SegmentedVideo, SegmentsHeader, Tool
from lapsdata.segmenters._protocol import EnergySeries

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lapsdata.containers import Energies
    from lapsdata.schema import Parent
    from lapsdata.segmenters._protocol import Segmentation, Segmenter

__all__ = ["constant_energy_segments", "found_segments", "segment"]


def segment(energies: Energies, segmenter: Segmenter, *, parents: Iterable[Parent] = ()) -> Segments:
    """Segment every video of an energies container.

    Parameters
    ----------
    energies : Energies
    segmenter : Segmenter
    parents : iterable of Parent
        The file that the energies come from; see `lapsdata.provenance.parent`.

    Returns
    -------
    Segments
        Scores are mean energies; the header holds the segmenter with its parameters, what the energies measured, and
        the counts of the segmenter's policies over all videos. Equal energies and segmenters give equal segments.

    Raises
    ------
    SchemaError
        A video without a row has no time to segment (`no-rows`); ends of rows do not rise.

    Examples
    --------
    >>> from lapsdata.segmenters.state_machine import StateMachine
    >>> from lapsdata.testing.samples import sample_energies
    >>> found = segment(sample_energies(), StateMachine(threshold=0.5, up_s=0.0, down_s=0.0))
    >>> found.facts()["ended by"]
    'threshold: 2'
    """
    series = list(EnergySeries.each_of(energies))
    _refuse_empty(series)
    return _container(energies, series, [segmenter.segment(one) for one in series], segmenter, {}, parents)


def found_segments(
    energies: Energies, results: Iterable[Segmentation], segmenter: Segmenter, *, parents: Iterable[Parent] = ()
) -> Segments:
    """Put together what a segmenter has found in the energies of each video, as its streams gave it.

    Parameters
    ----------
    energies : Energies
    results : iterable of Segmentation
        One for each video of the energies, in their order.
    segmenter : Segmenter
    parents : iterable of Parent

    Returns
    -------
    Segments
        As `segment`.

    Raises
    ------
    SchemaError
        As `segment`.

    Examples
    --------
    >>> from lapsdata.segmenters import EnergySeries
    >>> from lapsdata.segmenters.state_machine import StateMachine
    >>> from lapsdata.testing.samples import sample_energies
    >>> machine, energies = StateMachine(threshold=0.5, up_s=0.0), sample_energies()
    >>> found = [machine.segment(series) for series in EnergySeries.each_of(energies)]
    >>> len(found_segments(energies, found, machine)) == len(segment(energies, machine))
    True
    """
    series = list(EnergySeries.each_of(energies))
    _refuse_empty(series)
    return _container(energies, series, list(results), segmenter, {}, parents)


def constant_energy_segments(
    energies: Energies, segmenter: Segmenter, *, level: float, parents: Iterable[Parent] = ()
) -> Segments:
    """Segment the times of the energies as if every value were measured and the same.

    What comes out knows nothing of the videos but their times. A score of true energies that is not above the score of
    this row was earned by durations alone: on GTEA, LAPS's log has F1@2s 0.60 with its best threshold, 0.0
    (jiajiezhang7/LAPS, docs/gtea_exp.md), and a constant through the same rules has 0.65.

    Parameters
    ----------
    energies : Energies
        Only the times of its rows are used.
    segmenter : Segmenter
    level : float
        The one energy; for a state machine its `threshold`, so that it is always loud.
    parents : iterable of Parent

    Returns
    -------
    Segments

    Raises
    ------
    SchemaError
        As `segment`; `level` is not finite.

    Examples
    --------
    >>> from lapsdata.segmenters.state_machine import StateMachine
    >>> from lapsdata.testing.samples import sample_energies
    >>> machine = StateMachine(threshold=0.5, max_duration_s=0.25)
    >>> constant_energy_segments(sample_energies(), machine, level=machine.threshold).end_s[:3]
    array([0.2, 0.4, 0.6])
    """
    series = [
        EnergySeries.measured(one.start_s, one.end_s, np.full(len(one), level), video=one.video)
        for one in EnergySeries.each_of(energies)
    ]
    _refuse_empty(series)
    results = [segmenter.segment(one) for one in series]
    return _container(energies, series, results, segmenter, {"constant_energy": float(level)}, parents)


def _refuse_empty(series: list[EnergySeries]) -> None:
    found = Problems("energies")
    for one in series:
        if not len(one):
            message = "expected at least one row, got none: no time of this video is known"
            found.add("no-rows", f"'{one.video}'", message, "leave the video out of the header")
    found.raise_as(SchemaError)


def _container(
    energies: Energies,
    series: list[EnergySeries],
    results: list[Segmentation],
    segmenter: Segmenter,
    parameters: dict[str, float],
    parents: Iterable[Parent],
) -> Segments:
    tool = Tool(name=segmenter.name, version=segmenter.version, parameters=dict(segmenter.parameters))
    told = energies.header
    header = SegmentsHeader(
        provenance=provenance(
            parameters={
                "source": told.source,
                "mode": told.mode,
                "per": told.per,
                "support_s": told.support_s,
                "smoothing": told.smoothing,
                **parameters,
            },
            parents=parents,
        ),
        policies=_added_up(results),
        videos=tuple(
            SegmentedVideo(name=one.video, start_s=float(one.start_s[0]), end_s=float(one.end_s[-1])) for one in series
        ),
        segmenter=tool,
    )
    found = [one for result in results for one in result.segments]
    return Segments(
        header,
        np.repeat(np.arange(len(results), dtype=np.int64), [len(result.segments) for result in results]),
        np.array([one.start_s for one in found], np.float64),
        np.array([one.end_s for one in found], np.float64),
        tuple(one.end_reason for one in found),
        (None,) * len(found),
        score=np.array([one.score for one in found], np.float64),
    )


def _added_up(results: list[Segmentation]) -> dict[str, int]:
    names = sorted({name for result in results for name in result.policies})
    return {name: sum(result.policies.get(name, 0) for result in results) for name in names}
