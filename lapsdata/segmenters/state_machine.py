"""Segments where the energy is high: hysteresis, debounce, cooldown, longest and shortest duration, all in seconds.

Each value stands for a cell of time (`lapsdata.segmenters.EnergySeries`; values of overlapping windows around their
middles). A cell is *loud* from `threshold` on, *quiet* below `threshold * off_ratio`, else between.

1. A segment begins when loud cells in a row last for `up_s`. Its start is the start of the first of them.
2. It ends when quiet cells in a row last for `down_s`. Its end is the start of the first of them (`threshold`).
3. No cell that starts within `cooldown_s` after an end counts for a new begin.
4. A segment that would be longer than `max_duration_s` is cut at the start of its quietest cell (of equals, the last)
   among those that start in the second half of that duration, so that the rise at its begin is no place for a cut; a
   shorter first part than `min_duration_s` is none either. A quiet that began within the duration and lasts is an end
   by 2. If no cell starts there, the cut is at the limit itself. Cells behind the cut are looked at as after any end.
5. What is open when the values end is ended there (`end_of_stream`); what was not confirmed until then did not happen.
6. A segment shorter than `min_duration_s` is left out, and counted; all else is as if it were there.
7. Of what is left, starts move to the steepest rise within `refine_s`, and ends that the threshold has set to the
   steepest fall; never beyond the middle of the segment, or of the time to the next one. So a segment may become longer
   than `max_duration_s` or shorter than `min_duration_s`, by twice `refine_s` at most.

Gated values have no energy: they are quiet. Missing ones, and time of which no value speaks, either break the stream
(it ends, and a new one begins behind them) or hold what the cell before them was. Neither is ever an energy of 0.0.

A decision is made when the next value comes, which tells where the cell of the last one ends; with `refine_s`, when no
later value can move it any more.

What LAPS did (jiajiezhang7/LAPS, `offline_segment_from_energy.py`) is, with windows every 0.4 s, ``off_ratio=0.95,
up_s=0.8, down_s=0.8, cooldown_s=0.4, max_duration_s=2.0, min_duration_s=1.2``. Not to be had here: starts and ends at
the value that confirms them, cuts at the limit wherever that falls, six windows offline and five online for one limit,
times of windows taken at their starts, gated windows as energies of 0.0.
"""

from __future__ import annotations

from typing import Any, ClassVar

from lapsdata.segmenters._machine import MachineStream
from lapsdata.segmenters._protocol import EnergySeries, Segmentation
from lapsdata.segmenters._refining import RefiningStream
from lapsdata.segmenters._rules import Rules

__all__ = ["PLUGIN", "StateMachine"]


class StateMachine(Rules):
    """Segments where the energy is high; the module says exactly how.

    Parameters
    ----------
    threshold : float, unit of the energies
        From here on a value is loud; see `lapsdata.segmenters.otsu_threshold`.
    off_ratio : float, above 0, up to 1
        Below `threshold * off_ratio` a value is quiet; 1 for a threshold that is not above 0, of which a share is not
        lower.
    up_s, down_s : float, seconds
        How long values are loud before a segment begins, and quiet before it ends. 0: one value is enough.
    cooldown_s : float, seconds
        After an end, no segment starts for so long.
    max_duration_s : float or None, seconds
        No segment is longer; None: any is allowed. A cap by train durations makes up for energies that blur (F1@0.25s
        from 0.32 to 0.37 on rendered scenes), and cuts what good ones leave whole (from 0.985 to 0.951).
    min_duration_s : float, seconds
        Shorter segments are left out.
    refine_s : float, seconds
        How far a boundary may move, to where the energy changes most; half the support of the energies is what a mean
        over that support blurs. On rendered scenes, F1@0.25s rose from 0.949 to 0.963 with a support of 0.3 s, and fell
        from 0.32 to 0.27 with one of 1.5 s, whose ramps are steepest anywhere. 0: boundaries stay where the threshold
        is crossed.
    gated : {"quiet", "missing"}
        What a gated value means.
    missing : {"break", "hold"}
        What a missing value means, and time of which no value speaks.

    Raises
    ------
    SchemaError
        A parameter that is unknown, missing or out of range.

    Examples
    --------
    >>> from lapsdata.segmenters import EnergySeries
    >>> series = EnergySeries.measured([0, 1, 2, 3, 4], [1, 2, 3, 4, 5], [0.0, 0.75, 1.25, 0.0, 0.0])
    >>> StateMachine(threshold=0.5, up_s=2.0).segment(series).segments
    (Segment(start_s=1.0, end_s=3.0, end_reason='threshold', score=1.0),)
    """

    name: ClassVar[str] = "state_machine"
    # Rises with every change of what it computes.
    version: ClassVar[str] = "1"
    online: ClassVar[bool] = True

    @property
    def parameters(self) -> dict[str, Any]:
        """Its fields."""
        return self.as_json()

    def segment(self, series: EnergySeries) -> Segmentation:
        """Return the segments of one video: those of a stream that is fed at once."""
        stream = self.stream(video=series.video)
        found = [segment for step in series.steps() for segment in stream.push(step)]
        return Segmentation((*found, *stream.close()), stream.policies)

    def stream(self, *, video: str = "") -> MachineStream | RefiningStream:
        """Return a fresh stream for one video."""
        return RefiningStream(self) if self.refine_s > 0 else MachineStream(self)


PLUGIN = StateMachine
